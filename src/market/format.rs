//! The interface to formats: `market` writes an event as an envelope and the fields of its payload; a format
//! turns them into bytes and reads them back. Only the format knows the layout of its bytes.
//!
//! Every call is resolved at compile time: a format costs no more than writing its bytes by hand.

use std::fmt::Debug;
use std::ops::Range;

use super::padding::Padding;
use super::probe::{EventId, Probe};

/// The version of the envelope.
pub(super) const VERSION: &str = "1.0.0";

/// A format: writes and reads whole events, and keeps state from one event to the next.
pub(super) trait Format: Debug + Clone + Default {
    /// What is the same in all events of a topic, made once.
    type Opening: Debug + Clone;
    /// Writes the fields of a payload.
    type Fields<'a>: Fields;

    /// An event that another system might publish in this format, without an event id.
    const FOREIGN_EVENT: &'static [u8];

    /// Prepares the events of one type, published by one service.
    fn opening(event_type: &str, source: &str) -> Self::Opening;

    /// Writes a sealed event of at least `least_size` bytes into an empty buffer. `payload` writes its fields.
    fn write<'a>(
        &mut self,
        into: &'a mut Vec<u8>,
        opening: &Self::Opening,
        envelope: &Envelope<'_>,
        payload: impl FnOnce(&mut Self::Fields<'a>),
    );

    /// Reads an event and returns its probe, as `known` derives it from an id, and the state of its content.
    /// `None` if the bytes contain no known id.
    fn read(bytes: &[u8], known: impl Fn(&[u8; 16]) -> Option<Probe>) -> Option<(Probe, Content)>;

    /// The position of an event's id, if the event is long enough for one with some content after it.
    fn id_place(event: &[u8]) -> Option<Range<usize>>;

    /// Writes another id to an event's [`Self::id_place`], without sealing it again.
    fn rename(event: &mut [u8], id: Probe);
}

/// The envelope of an event, except for the constant part of its topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Envelope<'a> {
    /// What the event id holds; its time is also the event's.
    pub(super) probe: Probe,
    /// The event id as text.
    pub(super) id: &'a EventId,
    /// The event that caused this one.
    pub(super) cause: Option<Probe>,
    /// How the event is padded.
    pub(super) padding: Padding,
}

/// The state of an event's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Byte for byte what was sealed.
    Sealed,
    /// A complete event that another program has parsed and re-serialised. It carries a seal, but the bytes
    /// that were sealed are gone.
    Rewritten,
    /// Different from what was sealed.
    Damaged,
}

/// Writes the fields of one message.
///
/// A message always has the same fields in the same order, so a format may number them by their position. Names
/// are in `camelCase`, unique, and at most `LONGEST_NAME` bytes long.
pub(super) trait Fields {
    /// Any text.
    fn text(&mut self, name: &'static str, value: &AnyText) -> &mut Self;

    /// A text of printable ASCII without quotes and backslashes, so that no format has to escape it.
    fn plain(&mut self, name: &'static str, value: &str) -> &mut Self;

    /// A text of several parts.
    fn joined<const N: usize>(&mut self, name: &'static str, parts: [Part<'_>; N]) -> &mut Self;

    /// A whole number.
    fn whole(&mut self, name: &'static str, value: u64) -> &mut Self;

    /// A decimal number, in 1/10,000.
    fn decimal(&mut self, name: &'static str, ten_thousandths: i64) -> &mut Self;

    /// A point in time, with a precision of a microsecond or better.
    fn time(&mut self, name: &'static str, unix_ns: u64) -> &mut Self;

    /// The id of another event.
    fn id(&mut self, name: &'static str, of: Probe) -> &mut Self;
}

/// Length of the longest field name, in bytes.
pub(super) const LONGEST_NAME: usize = 24;

/// A part of a text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a> {
    /// As in [`Fields::plain`].
    Plain(&'a str),
    /// The digits of a number.
    Whole(u64),
}

/// A text with any content, checked once for whether it is as for [`Fields::plain`].
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

/// Is a text as [`Fields::plain`] requires?
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\')
}
