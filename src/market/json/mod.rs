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
use text::{Clock, Text};

/// The format of the ADR.
#[derive(Debug, Clone, Default)]
pub struct Json {
    clock: Clock,
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
        event.push(b'}');
        // JSON ignores trailing white space, but the seal covers it.
        if event.len() < envelope.least_size {
            event.resize(envelope.least_size, b' ');
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
