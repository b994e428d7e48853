//! Where the fixed parts of an encoded event stand, and the seal over its content.
//!
//! ```text
//! {"eventId":"<36>","correlationId":"<36>","eventType":"…
//! 0           12   48                67   103
//! ```
//!
//! The correlation id is a UUID v8 that carries `xxh3_64(event[103..], seed = xxh3_64(event[..67]))`: 48 bits of it
//! before the version, 12 after, 4 after the variant, and then a fixed mark (`…74-69636b676174`, "tickgat").

use std::ops::Range;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::probe::{Probe, join, split, write_id};

/// Where the event id's 36 characters stand in an encoded event.
pub const EVENT_ID: Range<usize> = 12..48;
/// Where the correlation id's stand.
pub(super) const CORRELATION_ID: Range<usize> = 67..103;

/// What stands before the event id, between the ids, and after the correlation id.
const HEAD: &str = r#"{"eventId":""#;
const BETWEEN: &str = r#"","correlationId":""#;
const AFTER: &str = r#"","eventType":"#;

/// The text of a topic's events up to the causation id or the payload, with room for what differs from event to event.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    text: Vec<u8>,
    time_at: usize,
}

impl Opening {
    /// Type and source are JSON text without its quotes.
    pub(super) fn new(event_type: &str, source: &str) -> Self {
        let room = "-".repeat(EVENT_ID.len());
        let before = format!(r#"{HEAD}{room}{BETWEEN}{room}{AFTER}"{event_type}","timestamp":""#);
        let time = "-".repeat(27);
        let text = format!(r#"{before}{time}","version":"1.0.0","source":"{source}""#);
        Self { text: text.into_bytes(), time_at: before.len() }
    }

    /// Begins an event in an empty buffer.
    pub(super) fn write(&self, into: &mut Vec<u8>, probe: Probe, time: &[u8; 27]) {
        into.extend_from_slice(&self.text);
        let mut id = [0; 36];
        write_id(&probe.to_id(), &mut id);
        into[EVENT_ID].copy_from_slice(&id);
        into[self.time_at..self.time_at + time.len()].copy_from_slice(time);
    }
}

const MARK: u64 = 0x0074_6963_6b67_6174;
const MARK_MASK: u64 = (1 << 58) - 1;

/// The event id of an encoded event, 36 characters; empty when the bytes are no encoded event.
#[must_use]
pub fn event_id(event: &[u8]) -> &str {
    event.get(EVENT_ID).and_then(|id| std::str::from_utf8(id).ok()).unwrap_or_default()
}

/// Whether the bytes have the fixed parts where an encoded event has them.
pub(super) fn is_laid_out(event: &[u8]) -> bool {
    let is = |at: usize, text: &str| event.get(at..at + text.len()) == Some(text.as_bytes());
    is(0, HEAD) && is(EVENT_ID.end, BETWEEN) && is(CORRELATION_ID.end, AFTER)
}

/// The correlation id that the content of a laid-out event asks for, as text.
fn correlation_id(event: &[u8]) -> [u8; 36] {
    let head = xxh3_64(&event[..CORRELATION_ID.start]);
    let hash = xxh3_64_with_seed(&event[CORRELATION_ID.end..], head);
    let high = (hash >> 16 << 16) | 0x8000 | ((hash >> 4) & 0x0fff);
    let low = (0b10 << 62) | ((hash & 0xf) << 58) | MARK;
    let mut text = [0; 36];
    write_id(&join(high, low), &mut text);
    text
}

/// Writes the correlation id of a laid-out event that is complete but for it.
pub(super) fn seal(event: &mut [u8]) {
    let id = correlation_id(event);
    event[CORRELATION_ID].copy_from_slice(&id);
}

/// Whether the content of a laid-out event is the one that was sealed.
pub(super) fn is_sealed(event: &[u8]) -> bool {
    event[CORRELATION_ID] == correlation_id(event)
}

/// Whether a correlation id is a seal of this harness, whatever its content.
pub(super) fn is_seal(id: &[u8; 16]) -> bool {
    let (high, low) = split(id);
    high & 0xf000 == 0x8000 && low >> 62 == 0b10 && low & MARK_MASK == MARK
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::probe::parse_id;

    #[test]
    fn the_offsets_are_those_of_the_text() {
        let event = format!("{HEAD}{}{BETWEEN}{}{AFTER}", "i".repeat(36), "c".repeat(36));
        assert_eq!(&event[EVENT_ID], "i".repeat(36));
        assert_eq!(&event[CORRELATION_ID], "c".repeat(36));
        assert!(is_laid_out(event.as_bytes()));
        assert!(!is_laid_out(&event.as_bytes()[..event.len() - 1]));
        assert_eq!(event_id(event.as_bytes()), "i".repeat(36));
        assert_eq!(event_id(b"short"), "");
    }

    #[test]
    fn a_seal_is_a_version_8_uuid_with_the_mark() {
        let mut event = format!("{HEAD}{}{BETWEEN}{}{AFTER}", "i".repeat(36), "c".repeat(36)).into_bytes();
        seal(&mut event);
        let id = parse_id(&event[CORRELATION_ID]).expect("a UUID");
        assert!(is_seal(&id) && is_sealed(&event));
        assert_eq!(id[6] >> 4, 8);
        assert_eq!(id[8] >> 6, 0b10);
        assert_eq!(&id[9..], b"tickgat");
    }
}
