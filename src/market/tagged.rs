//! A second format, to test the interface to formats: binary fields with number and length, ids as 16 bytes.
//!
//! ```text
//! id: 16   seal: 16   envelope: fields 1 to 5, the last of which is the payload's fields   padding: zeros
//! field: number   kind   length: 2   bytes
//! ```

use std::ops::Range;

use super::decode::{Decoded, RunIdentity};
use super::encode::tests::{NOW, plan};
use super::encode::{Encoder, encode_readiness};
use super::format::{AnyText, Content, Envelope, Fields, Format, Part, VERSION};
use super::json::Json;
use super::probe::Probe;
use super::seal::seal;
use super::{decode, tamper};
use crate::plan::Size;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const ID: Range<usize> = 0..16;
const SEAL: Range<usize> = 16..32;
const TAG: u16 = 0x5a5;

#[derive(Debug, Clone, Default)]
struct Tagged;

#[derive(Debug)]
struct Message<'a> {
    into: &'a mut Vec<u8>,
    number: u8,
}

impl Message<'_> {
    fn field(&mut self, kind: u8, bytes: &[u8]) -> &mut Self {
        self.number += 1;
        self.into.extend_from_slice(&[self.number, kind]);
        self.into.extend_from_slice(&u16::try_from(bytes.len()).expect("a short field").to_be_bytes());
        self.into.extend_from_slice(bytes);
        self
    }
}

impl Fields for Message<'_> {
    fn text(&mut self, _: &'static str, value: &AnyText) -> &mut Self {
        self.field(b't', value.as_str().as_bytes())
    }

    fn plain(&mut self, _: &'static str, value: &str) -> &mut Self {
        self.field(b't', value.as_bytes())
    }

    fn joined<const N: usize>(&mut self, _: &'static str, parts: [Part<'_>; N]) -> &mut Self {
        let part = |part| match part {
            Part::Plain(text) => str::to_owned(text),
            Part::Whole(n) => n.to_string(),
        };
        self.field(b't', parts.map(part).concat().as_bytes())
    }

    fn whole(&mut self, _: &'static str, value: u64) -> &mut Self {
        self.field(b'w', &value.to_be_bytes())
    }

    fn decimal(&mut self, _: &'static str, ten_thousandths: i64) -> &mut Self {
        self.field(b'd', &ten_thousandths.to_be_bytes())
    }

    fn time(&mut self, _: &'static str, unix_ns: u64) -> &mut Self {
        self.field(b'@', &unix_ns.to_be_bytes())
    }

    fn id(&mut self, _: &'static str, of: Probe) -> &mut Self {
        self.field(b'i', &of.to_id())
    }
}

impl Format for Tagged {
    type Opening = [String; 2];
    type Fields<'a> = Message<'a>;

    const FOREIGN_EVENT: &'static [u8] = b"\x01t\x00\x02hi";

    fn opening(event_type: &str, source: &str) -> [String; 2] {
        [event_type, source].map(str::to_owned)
    }

    fn write<'a>(
        &mut self,
        into: &'a mut Vec<u8>,
        [event_type, source]: &[String; 2],
        envelope: &Envelope<'_>,
        payload: impl FnOnce(&mut Message<'a>),
    ) {
        into.extend_from_slice(&envelope.probe.to_id());
        into.extend_from_slice(&[0; 16]);
        let mut message = Message { into, number: 0 };
        message.plain("", event_type).plain("", VERSION).plain("", source);
        match envelope.cause {
            Some(cause) => message.id("", cause),
            None => message.field(b'i', &[]),
        };
        message.field(b'm', &[]);
        message.number = 0;
        let start = message.into.len();
        payload(&mut message);
        let event = message.into;
        let length = u16::try_from(event.len() - start).expect("a short payload");
        event[start - 2..start].copy_from_slice(&length.to_be_bytes());
        event.resize(event.len().max(envelope.padding.least_size), 0);
        let seal = seal(&event[ID], &event[SEAL.end..]);
        event[SEAL].copy_from_slice(&seal);
    }

    fn read(bytes: &[u8], known: impl Fn(&[u8; 16]) -> Option<Probe>) -> Option<(Probe, Content)> {
        let probe = known(bytes.first_chunk()?)?;
        let content = bytes.get(SEAL.end..).unwrap_or_default();
        let sealed = bytes.get(SEAL) == Some(&seal(&bytes[ID], content));
        Some((probe, if sealed { Content::Sealed } else { Content::Damaged }))
    }

    fn id_place(event: &[u8]) -> Option<Range<usize>> {
        (event.len() > ID.end).then_some(ID)
    }

    fn rename(event: &mut [u8], id: Probe) {
        event[ID].copy_from_slice(&id.to_id());
    }
}

/// The fields of a message by their numbers, as (kind, bytes); stops at the padding.
fn fields(mut rest: &[u8]) -> Vec<(u8, &[u8])> {
    let mut all = vec![];
    while let [number @ 1..=u8::MAX, kind, high, low, behind @ ..] = rest {
        let (bytes, after) = behind.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        all.push((*kind, bytes));
        assert_eq!(usize::from(*number), all.len());
        rest = after;
    }
    all
}

fn run() -> RunIdentity {
    RunIdentity::new(&plan(), TAG, NOW, NOW + 60_000_000_000)
}

fn read(event: &[u8]) -> Decoded {
    decode::decode::<Tagged>(event, &run())
}

/// Does a field have the value of a member of a JSON object?
fn agree(kind: u8, bytes: &[u8], member: &Value) -> bool {
    let word = || u64::from_be_bytes(bytes.try_into().expect("8 bytes"));
    match kind {
        b't' => member.as_str().map(str::as_bytes) == Some(bytes),
        b'w' => member.as_u64() == Some(word()),
        b'd' => {
            let text = member.to_string();
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            format!("{whole}{fraction:0<4}").parse() == Ok(word().cast_signed())
        }
        b'@' => {
            let time = OffsetDateTime::parse(member.as_str().expect("a text"), &Rfc3339).expect("a time");
            time.unix_timestamp_nanos() == i128::from(word() / 1000 * 1000)
        }
        b'i' => {
            member.as_str().and_then(|id| super::parse_id(id.as_bytes())).as_ref().map(<[u8; 16]>::as_slice)
                == Some(bytes)
        }
        _ => false,
    }
}

#[test]
fn both_formats_hold_the_same_fields_of_every_event() {
    let plan = plan();
    let (mut binary, mut json) =
        (Encoder::<Tagged>::new(&plan, TAG, 0, 1), Encoder::<Json>::new(&plan, TAG, 0, 1));
    let (mut event, mut other) = (vec![], vec![]);
    for n in 0..100_u32 {
        for (topic, name) in plan.topology.topics.iter().enumerate() {
            let at = NOW + u64::from(n) * 1_000_000;
            let ids = [
                binary.encode(&mut event, topic, n % 50, n, at).copied(),
                json.encode(&mut other, topic, n % 50, n, at).copied(),
            ];
            assert!(ids[0] == ids[1] && ids[0].is_some());
            let value: Value = serde_json::from_slice(&other).expect("JSON");
            let envelope = fields(&event[SEAL.end..]);
            let [event_type, version, source, cause, payload] = envelope[..] else {
                panic!("{} fields", envelope.len())
            };
            assert!(agree(event_type.0, event_type.1, &name.as_str().into()));
            assert!(agree(version.0, version.1, &value["version"]));
            assert!(agree(source.0, source.1, &value["source"]));
            assert_eq!(cause.1.is_empty(), value.get("causationId").is_none());
            assert!(cause.1.is_empty() || agree(cause.0, cause.1, &value["causationId"]));
            let members = value["payload"].as_object().expect("an object");
            let found = fields(payload.1);
            assert_eq!(found.len(), members.len(), "{value}");
            for ((kind, bytes), (name, member)) in found.into_iter().zip(members) {
                assert!(agree(kind, bytes, member), "{name} of {value}");
            }
        }
    }
}

#[test]
fn events_of_another_format_come_back() {
    let mut plan = plan();
    let mut event = vec![];
    for size in [0, 512] {
        plan.market.event_size = Size { bytes: size };
        let mut market = Encoder::<Tagged>::new(&plan, TAG, 0, 1);
        for topic in 0..20_u8 {
            market.encode(&mut event, usize::from(topic), 7, 9, NOW);
            assert!(u64::try_from(event.len()).expect("a length") >= size);
            let Decoded::Ours(probe) = read(&event) else { panic!("topic {topic}: {:?}", read(&event)) };
            assert_eq!((probe.topic, probe.symbol, probe.sequence), (topic, 7, 9));
            assert_eq!(super::decode(&event, &run()), Decoded::Foreign, "it is not JSON");
        }
    }
    let id = encode_readiness::<Tagged>(&mut event, TAG, 3, 17, NOW);
    assert_eq!(read(&event), Decoded::Readiness { topic: 3, nonce: 17 });
    assert_eq!(super::parse_id(id.as_str().as_bytes()).as_ref(), event.first_chunk());
    assert_eq!(read(&[]), Decoded::Foreign);
}

/// Checks that damage is detected and that others' messages are foreign, in any format.
fn suffers_what_happens_on_a_bus<F: Format>() {
    let (mut event, mut damaged) = (vec![], vec![]);
    Encoder::<F>::new(&plan(), TAG, 0, 1).encode(&mut event, 0, 3, 9, NOW);
    let read = |event: &[u8]| decode::decode::<F>(event, &run());
    let Decoded::Ours(probe) = read(&event) else { panic!("{:?}", read(&event)) };
    let mut seen = [false; 2];
    for n in 1..20_000_u64 {
        let bits = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        tamper::damage(&event, bits, F::id_place(&event), &mut damaged);
        assert_eq!(read(&damaged), Decoded::Corrupt(probe), "{bits:x}");
        seen[usize::from(damaged.len() < event.len())] = true;
        let other = tamper::foreign::<F>(&event, bits);
        assert_eq!(read(&other), Decoded::Foreign, "{bits:x}");
    }
    assert_eq!(seen, [true; 2], "a changed byte, and a lost end");
    let other = tamper::foreign::<F>(&event, 2);
    assert_eq!(other.len(), event.len(), "an event of another run");
    let run = RunIdentity { run_tag: TAG ^ 1, ..run() };
    assert!(matches!(decode::decode::<F>(&other, &run), Decoded::Corrupt(_)), "whose seal is not its own");
    for short in [&b""[..], b"event"] {
        tamper::damage(short, 7, F::id_place(short), &mut damaged);
        assert_eq!(damaged, short);
        assert_eq!(tamper::foreign::<F>(short, 2), short);
    }
}

#[test]
fn an_event_suffers_what_happens_on_a_bus() {
    suffers_what_happens_on_a_bus::<Json>();
    suffers_what_happens_on_a_bus::<Tagged>();
}
