//! The seam to formats: `market` writes an event as an envelope and the fields of its payload, and a format makes bytes of
//! them and reads them again. Nothing outside a format knows how its bytes are laid out.
//!
//! Every call is resolved at compile time: a format costs no more than writing its bytes by hand.

use std::fmt::Debug;
use std::ops::Range;

use super::padding::Padding;
use super::probe::{EventId, Probe};

/// The version of the envelope.
pub(super) const VERSION: &str = "1.0.0";

/// A format: writer and reader of whole events, with what it keeps from one event to the next.
pub(super) trait Format: Debug + Clone + Default {
    /// What is the same in all events of a topic, made once.
    type Opening: Debug + Clone;
    /// Takes the fields of a payload.
    type Fields<'a>: Fields;

    /// An event that another system might publish in this format; it carries no event id.
    const STRANGER: &'static [u8];

    /// Prepares the events of one type, published by one service.
    fn opening(event_type: &str, source: &str) -> Self::Opening;

    /// Writes an event into an empty buffer, padded and sealed. `payload` gives its fields.
    fn write<'a>(
        &mut self,
        into: &'a mut Vec<u8>,
        opening: &Self::Opening,
        envelope: &Envelope<'_>,
        payload: impl FnOnce(&mut Self::Fields<'a>),
    );

    /// Reads an event: its probe, as `known` tells it from an id, and what can be said of the content. `None` if the
    /// bytes carry no id that is known.
    fn read(bytes: &[u8], known: impl Fn(&[u8; 16]) -> Option<Probe>) -> Option<(Probe, Content)>;

    /// Where an event of this format has its id, if it is long enough to have one and some content after it.
    fn id_place(event: &[u8]) -> Option<Range<usize>>;

    /// Puts another id in an event's [`Self::id_place`], and seals nothing.
    fn rename(event: &mut [u8], id: Probe);
}

/// What an event says of itself, beside what is the same in its whole topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Envelope<'a> {
    /// What the event id holds; its time is also the event's.
    pub(super) probe: Probe,
    /// The event id as text.
    pub(super) id: &'a EventId,
    /// The event that this one follows from.
    pub(super) cause: Option<Probe>,
    /// How the event is padded.
    pub(super) padding: Padding,
}

/// What can be said of the content of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Byte for byte what was sealed.
    Sealed,
    /// A whole event that another program has read and written again. It carries a seal, but the bytes that were sealed
    /// are gone.
    Rewritten,
    /// Not what was sealed.
    Damaged,
}

/// Takes the fields of one message.
///
/// A message tells its fields in one fixed order and leaves none out, so a format may number them by their place.
/// Names are in `camelCase`, no two alike, of at most `LONGEST_NAME` bytes.
pub(super) trait Fields {
    /// Any text.
    fn text(&mut self, name: &'static str, value: &AnyText) -> &mut Self;

    /// A text of printable ASCII without quotes and backslashes, so that no format has to escape it.
    fn plain(&mut self, name: &'static str, value: &str) -> &mut Self;

    /// A text made of parts.
    fn joined<const N: usize>(&mut self, name: &'static str, parts: [Part<'_>; N]) -> &mut Self;

    /// A whole number.
    fn whole(&mut self, name: &'static str, value: u64) -> &mut Self;

    /// A decimal number, in 1/10,000.
    fn decimal(&mut self, name: &'static str, ten_thousandths: i64) -> &mut Self;

    /// A point in time, kept to the microsecond at least.
    fn time(&mut self, name: &'static str, unix_ns: u64) -> &mut Self;

    /// The id of another event.
    fn id(&mut self, name: &'static str, of: Probe) -> &mut Self;
}

/// Bytes of the longest name of a field.
pub(super) const LONGEST_NAME: usize = 24;

/// A part of a text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a> {
    /// As in [`Fields::plain`].
    Plain(&'a str),
    /// The digits of a number.
    Whole(u64),
}

/// A text that may hold anything, looked at once for whether it is as in [`Fields::plain`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AnyText {
    text: String,
    is_plain: bool,
}

impl AnyText {
    pub(super) fn new(text: String) -> Self {
        Self { is_plain: is_plain(&text), text }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) const fn is_plain(&self) -> bool {
        self.is_plain
    }
}

/// Whether a text is as [`Fields::plain`] says.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\')
}
