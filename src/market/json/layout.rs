//! The positions of the fixed parts of a JSON event, seal included.
//!
//! ```text
//! {"eventId":"<36>","correlationId":"<36>","eventType":"…
//! 0           12   48                67   103
//! ```

use std::ops::Range;

use super::text::Text;
use crate::market::format::VERSION;
use crate::market::probe::{EventId, write_id};
use crate::market::seal;

/// Position of the event id's 36 characters.
pub(super) const EVENT_ID: Range<usize> = 12..48;
/// Position of the correlation id's 36 characters.
const CORRELATION_ID: Range<usize> = 67..103;

/// The text before the event id, between the ids, and after the correlation id.
const HEAD: &str = r#"{"eventId":""#;
const BETWEEN: &str = r#"","correlationId":""#;
const AFTER: &str = r#"","eventType":"#;

/// The text of a topic's events up to the causation id or the payload, with room for the parts that vary.
#[derive(Debug, Clone)]
pub(in crate::market) struct Opening {
    text: Vec<u8>,
    time_at: usize,
}

impl Opening {
    pub(super) fn new(event_type: &str, source: &str) -> Self {
        let (room, mut text) = ("-".repeat(EVENT_ID.len()), Vec::new());
        let mut out = Text(&mut text);
        out.raw(HEAD).raw(&room).raw(BETWEEN).raw(&room).raw(AFTER);
        out.raw("\"").escaped(event_type).raw(r#"","timestamp":""#);
        let time_at = out.0.len();
        out.time(0).raw(r#"","version":""#).raw(VERSION).raw(r#"","source":""#).escaped(source).raw("\"");
        Self { text, time_at }
    }

    /// Starts an event in an empty buffer.
    #[inline]
    pub(super) fn write(&self, into: &mut Vec<u8>, id: &EventId, time: &[u8; 27]) {
        into.extend_from_slice(&self.text);
        into[EVENT_ID].copy_from_slice(id.as_bytes());
        into[self.time_at..self.time_at + time.len()].copy_from_slice(time);
    }
}

/// Do the bytes have the fixed parts of an encoded event in their places?
pub(super) fn is_laid_out(event: &[u8]) -> bool {
    let is = |at: usize, text: &str| event.get(at..at + text.len()) == Some(text.as_bytes());
    is(0, HEAD) && is(EVENT_ID.end, BETWEEN) && is(CORRELATION_ID.end, AFTER)
}

/// The correlation id that seals the content of a laid-out event, as text.
fn correlation_id(event: &[u8]) -> [u8; 36] {
    let mut text = [0; 36];
    write_id(&seal::seal(&event[..CORRELATION_ID.start], &event[CORRELATION_ID.end..]), &mut text);
    text
}

/// Writes the correlation id of a laid-out event that is otherwise complete.
pub(super) fn seal(event: &mut [u8]) {
    let id = correlation_id(event);
    event[CORRELATION_ID].copy_from_slice(&id);
}

/// Does the content of a laid-out event match its seal?
pub(super) fn is_sealed(event: &[u8]) -> bool {
    event[CORRELATION_ID] == correlation_id(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::probe::parse_id;
    use crate::market::seal::is_seal;

    fn laid_out() -> String {
        format!("{HEAD}{}{BETWEEN}{}{AFTER}", "i".repeat(36), "c".repeat(36))
    }

    #[test]
    fn the_offsets_are_those_of_the_text() {
        let event = laid_out();
        assert_eq!(&event[EVENT_ID], "i".repeat(36));
        assert_eq!(&event[CORRELATION_ID], "c".repeat(36));
        assert!(is_laid_out(event.as_bytes()));
        assert!(!is_laid_out(&event.as_bytes()[..event.len() - 1]));
    }

    #[test]
    fn the_seal_stands_in_its_place() {
        let mut event = laid_out().into_bytes();
        seal(&mut event);
        let id = parse_id(&event[CORRELATION_ID]).expect("a UUID");
        assert!(is_seal(&id) && is_sealed(&event));
    }

    #[test]
    fn a_topic_of_any_name_gives_a_json_string() {
        let opening = Opening::new("odd\"\\\n.name", "a\"service");
        let text = String::from_utf8(opening.text).expect("UTF-8") + "}";
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&value["eventType"], &value["source"]), (&"odd\"\\\n.name".into(), &"a\"service".into()));
    }
}
