//! JSON: the envelope of ADR-002 as an object, with its ids at fixed positions.
//!
//! An event written by tickgate is recognised by those positions and read there; an event re-serialised by
//! another program is searched for its members in any order.

mod fields;
mod layout;
mod scan;
mod text;

use std::ops::Range;

use super::format::{Content, Envelope, Format};
use super::probe::{EventId, Probe, parse_id};
use super::seal::is_seal;
use fields::Object;
use layout::{EVENT_ID, Opening, is_laid_out, is_sealed};
pub(super) use scan::value_at;
pub(super) use text::Clock;
use text::Text;

/// The format of the ADR.
#[derive(Debug, Clone, Default)]
pub(super) struct Json {
    clock: Clock,
}

/// What stands around a member that holds random padding.
const PADDING: [&[u8]; 2] = [br#","padding":""#, b"\""];

/// Ends an event that is too small without its last brace: with a member of random characters, or with white space after
/// it, which is nothing to JSON. The seal covers both.
fn pad(event: &mut Vec<u8>, envelope: &Envelope<'_>) {
    let padding = envelope.padding;
    let around = PADDING[0].len() + PADDING[1].len() + 1;
    let random = padding.least_size.saturating_sub(event.len() + around);
    if padding.is_random() && random > 0 {
        event.extend_from_slice(PADDING[0]);
        let start = event.len();
        event.resize(start + random, 0);
        padding.write(envelope.probe, 0, &mut event[start..]);
        event.extend_from_slice(PADDING[1]);
    }
    event.push(b'}');
    event.resize(event.len().max(padding.least_size), b' ');
}

impl Format for Json {
    type Opening = Opening;
    type Fields<'a> = Object<'a>;

    const FOREIGN_EVENT: &'static [u8] =
        br#"{"eventId":"17","eventType":"market.quote.received","payload":{}}"#;

    fn opening(event_type: &str, source: &str) -> Opening {
        Opening::new(event_type, source)
    }

    #[inline]
    fn write<'a>(
        &mut self,
        into: &'a mut Vec<u8>,
        opening: &Opening,
        envelope: &Envelope<'_>,
        payload: impl FnOnce(&mut Object<'a>),
    ) {
        opening.write(into, envelope.id, self.clock.text(envelope.probe.intended_unix_ns));
        let mut out = Text(into);
        if let Some(cause) = envelope.cause {
            out.raw(r#","causationId":""#).id(&cause.to_id()).raw("\"");
        }
        out.raw(r#","payload":"#);
        let mut object = Object::begin(into);
        payload(&mut object);
        let event = object.end();
        if event.len() < envelope.padding.least_size {
            pad(event, envelope);
        } else {
            event.push(b'}');
        }
        layout::seal(event);
    }

    #[inline]
    fn read(bytes: &[u8], known: impl Fn(&[u8; 16]) -> Option<Probe>) -> Option<(Probe, Content)> {
        let probe = |id: &[u8]| known(&parse_id(id)?);
        let in_place = bytes.get(EVENT_ID).and_then(probe);
        if let Some(probe) = in_place.filter(|_| is_laid_out(bytes)) {
            return Some((probe, if is_sealed(bytes) { Content::Sealed } else { Content::Damaged }));
        }
        let found = scan::scan(bytes);
        let named = found.event_id.and_then(probe);
        let sealed = found.correlation_id.and_then(parse_id).is_some_and(|id| is_seal(&id));
        let content =
            if named.is_some() && sealed && found.complete { Content::Rewritten } else { Content::Damaged };
        named.or(in_place).map(|probe| (probe, content))
    }

    fn id_place(event: &[u8]) -> Option<Range<usize>> {
        (event.len() > EVENT_ID.end).then_some(EVENT_ID)
    }

    fn rename(event: &mut [u8], id: Probe) {
        if let Some(place) = event.get_mut(EVENT_ID) {
            place.copy_from_slice(EventId::of(id).as_bytes());
        }
    }
}
