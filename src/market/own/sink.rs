//! Where the bytes of an event go: into a buffer, against a received event, or nowhere but into a count. One writer serves
//! all three, so that what is compared is what was written.

/// Takes the bytes of an event, piece by piece.
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

/// Compares with the bytes of a received event.
pub(super) struct Compare<'a> {
    rest: &'a [u8],
    same: bool,
}

impl<'a> Compare<'a> {
    pub(super) const fn with(received: &'a [u8]) -> Self {
        Self { rest: received, same: true }
    }

    /// Were all bytes those of the event, and none left over?
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
