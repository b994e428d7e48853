//! Input from a bus: events of a run, damaged, re-serialised, cut, or of another publisher.

use std::sync::LazyLock;

use serde_json::Value;
use tickgate::market::{
    Decoded, MAX_SEQUENCE, Market, Probe, READINESS_SYMBOL, RunIdentity, decode, on_the_grid, parse_id,
    write_id,
};
use tickgate::plan::Plan;
use tickgate::profile::{self, Source};

const TAG: u16 = 0x5a5;
const FROM: u64 = 1_795_508_283_000_000_000;
const MINUTE: u64 = 60_000_000_000;

const PROFILE: &str =
    "[load]\nrate = \"1k/s\"\nduration = \"60s\"\n[market]\nsymbols = 40\nevent_size = \"400B\"\n";

static PLAN: LazyLock<Plan> = LazyLock::new(|| profile::read(&Source::new("p.toml", PROFILE), &[]).unwrap());
static MARKET: LazyLock<Market> = LazyLock::new(|| Market::new(&PLAN, TAG, 0, 1));
static RUN: LazyLock<RunIdentity> = LazyLock::new(|| RunIdentity::new(&PLAN, TAG, FROM, FROM + MINUTE));

/// A payload as it is where the first byte is even; else an event that the rest says how to make and to damage.
pub fn event(bytes: &[u8]) {
    let mut rest = Rest(bytes);
    if rest.number(1).is_multiple_of(2) { any_payload(rest.0) } else { sent(&mut rest) }
}

/// Bytes that give numbers, zeros at their end.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn number(&mut self, bytes: usize) -> u64 {
        let (number, rest) = self.0.split_at(bytes.min(self.0.len()));
        self.0 = rest;
        number.iter().rev().fold(0, |sum, &byte| (sum << 8) | u64::from(byte))
    }
}

/// For any bytes, the probe is the one they contain, and an event of ours is unchanged.
fn any_payload(payload: &[u8]) {
    let decoded = decode(payload, &RUN);
    if let Some(probe) = probe_of(decoded) {
        let id = text_of(probe);
        assert!(payload.windows(36).any(|at| at == id.as_bytes()), "{decoded:?} is not in the payload");
        assert!(probe.run_tag == TAG && u32::from(probe.symbol) < PLAN.market.symbols, "{decoded:?}");
        assert!(usize::from(probe.topic) < PLAN.topology.topics.len(), "{decoded:?}");
    }
    if let Decoded::Ours(probe) = decoded {
        assert!(payload.starts_with(format!("{{\"eventId\":\"{}\",", text_of(probe)).as_bytes()));
        for at in [0, 12, 48, 70, payload.len() - 1] {
            let mut changed = payload.to_vec();
            changed[at] ^= 1;
            assert!(!is_ours(&changed), "byte {at} is changed");
        }
        assert!(!is_ours(&payload[..payload.len() - 1]) && !is_ours(&[payload, b" "].concat()));
    }
    if let Some(probe) = named(payload) {
        assert_eq!(probe_of(decoded), Some(probe), "{decoded:?}: the envelope's id is of this run");
    }
}

/// The probe of an id of this run in a payload that is a JSON object and names it once.
fn named(payload: &[u8]) -> Option<Probe> {
    let once = payload.windows(9).filter(|at| at == b"\"eventId\"").count() == 1;
    let value: Value = serde_json::from_slice(payload).ok().filter(|_| once && !payload.contains(&b'\\'))?;
    let probe = Probe::of_id(&parse_id(value.get("eventId")?.as_str()?.as_bytes())?)?;
    let symbol = u32::from(probe.symbol) < PLAN.market.symbols;
    let topic = usize::from(probe.topic) < PLAN.topology.topics.len();
    let time = (FROM..=FROM + MINUTE).contains(&probe.intended_unix_ns);
    (probe.run_tag == TAG && symbol && topic && time).then_some(probe)
}

/// An event is read as it was made, makes the same bytes again, and is never taken for ours once it is changed.
fn sent(rest: &mut Rest<'_>) {
    let (topic, symbol) = (rest.number(1), rest.number(2) % 64);
    let sequence = u32::try_from(rest.number(4)).unwrap() & MAX_SEQUENCE;
    let at = on_the_grid(FROM + rest.number(8) % MINUTE);
    let make = |topic: u8, symbol: u16, sequence: u32, at: u64| {
        let mut event = vec![1];
        MARKET.clone().encode(&mut event, usize::from(topic), u32::from(symbol), sequence, at);
        event
    };
    let (topic, symbol) = (u8::try_from(topic).unwrap(), u16::try_from(symbol).unwrap());
    let event = make(topic, symbol, sequence, at);
    let has = usize::from(topic) < PLAN.topology.topics.len() && u32::from(symbol) < PLAN.market.symbols;
    assert_eq!(event.is_empty(), !has, "topic {topic}, symbol {symbol}");
    if event.is_empty() {
        return;
    }
    let Decoded::Ours(probe) = decode(&event, &RUN) else { panic!("{}", String::from_utf8_lossy(&event)) };
    assert_eq!(probe, Probe { run_tag: TAG, topic, symbol, sequence, intended_unix_ns: at });
    let again = make(probe.topic, probe.symbol, probe.sequence, probe.intended_unix_ns);
    assert_eq!(again, event, "it makes the same bytes again");
    any_payload(&event);

    let value: Value = serde_json::from_slice(&event).unwrap();
    let again = serde_json::to_vec_pretty(&value).unwrap();
    assert_eq!(decode(&again, &RUN), Decoded::Unverified(probe), "written again");

    let changed = changed(event.clone(), rest);
    if changed != event {
        assert!(!is_ours(&changed), "{}", String::from_utf8_lossy(&changed));
        any_payload(&changed);
    }
}

/// An event with changes: bytes turned, cut out, moved or put in.
fn changed(mut event: Vec<u8>, rest: &mut Rest<'_>) -> Vec<u8> {
    while !rest.0.is_empty() && !event.is_empty() {
        let kind = rest.number(1);
        let at = usize::try_from(rest.number(2)).unwrap() % event.len();
        let with = rest.number(1);
        let end = (at + usize::try_from(with).unwrap()).min(event.len());
        match kind % 5 {
            0 => event[at] ^= u8::try_from(with).unwrap(),
            1 => event.truncate(at),
            2 => event.insert(at, u8::try_from(with).unwrap()),
            3 => drop(event.drain(at..end)),
            _ => event[at..end].reverse(),
        }
    }
    event
}

fn is_ours(payload: &[u8]) -> bool {
    matches!(decode(payload, &RUN), Decoded::Ours(_))
}

fn probe_of(decoded: Decoded) -> Option<Probe> {
    match decoded {
        Decoded::Ours(probe) | Decoded::Unverified(probe) | Decoded::Corrupt(probe) => {
            assert!(probe.symbol != READINESS_SYMBOL, "a readiness event has no key in a ledger");
            Some(probe)
        }
        Decoded::Readiness { .. } | Decoded::Foreign => None,
    }
}

fn text_of(probe: Probe) -> String {
    let mut text = [0; 36];
    write_id(&probe.to_id(), &mut text);
    String::from_utf8(text.to_vec()).unwrap()
}
