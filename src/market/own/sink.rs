//! Destinations of an event's bytes: a buffer, a comparison with a received event, or a byte count. One writer serves
//! all three, so that the bytes compared are the bytes written.

/// Receives the bytes of an event, piece by piece.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts bytes.
#[derive(Default)]
pub(super) struct Count(pub(super) usize);

impl Sink for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

/// Compares the bytes with those of a received event.
pub(super) struct Compare<'a> {
    rest: &'a [u8],
    same: bool,
}

impl<'a> Compare<'a> {
    pub(super) const fn with(received: &'a [u8]) -> Self {
        Self { rest: received, same: true }
    }

    /// Returns whether all bytes matched and none of the event is left.
    pub(super) const fn is_same(&self) -> bool {
        self.same && self.rest.is_empty()
    }
}

impl Sink for Compare<'_> {
    fn put(&mut self, bytes: &[u8]) {
        match self.rest.split_at_checked(bytes.len()) {
            Some((these, rest)) if these == bytes => self.rest = rest,
            _ => self.same = false,
        }
    }
}
