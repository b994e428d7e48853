use std::ops::Range;

use super::*;
use crate::market::encode::tests::{NOW, plan};
use crate::market::json::Json;
use crate::market::{Form, Market, decode};
use crate::plan::Size;
use proptest::prelude::*;
use serde_json::Value;

const TAG: u16 = 0x5a5;

fn run() -> RunIdentity {
    RunIdentity::new(&plan(), TAG, NOW, NOW + 60_000_000_000)
}

fn event(topic: usize, symbol: u32, sequence: u32, at: u64) -> Vec<u8> {
    let mut into = Vec::new();
    Market::new(&plan(), TAG, 0, 1).encode(&mut into, topic, symbol, sequence, at);
    into
}

fn id_place(event: &[u8]) -> Range<usize> {
    Json::id_place(event).expect("an event has an id")
}

fn probe(topic: u8, symbol: u16, sequence: u32, intended_unix_ns: u64) -> Probe {
    Probe { run_tag: TAG, topic, symbol, sequence, intended_unix_ns }
}

/// The decoded event with the exact time instead of the id's rounded one.
fn exact(decoded: Decoded, at: u64) -> Decoded {
    let fix = |probe: Probe| {
        assert!(probe.intended_unix_ns.abs_diff(at) <= ROUNDING_NS);
        Probe { intended_unix_ns: at, ..probe }
    };
    match decoded {
        Decoded::Ours(probe) => Decoded::Ours(fix(probe)),
        Decoded::Unverified(probe) => Decoded::Unverified(fix(probe)),
        Decoded::Corrupt(probe) => Decoded::Corrupt(fix(probe)),
        other => other,
    }
}

#[test]
fn every_single_bit_flip_is_noticed() {
    let mut padded = plan();
    padded.market.event_size = Size { bytes: 480 };
    let mut market = Market::new(&padded, TAG, 0, 1);
    let mut event = Vec::new();
    for topic in [0, 5, 15, 19] {
        market.encode(&mut event, topic, 3, 9, NOW + 1_000_000);
        assert!(matches!(decode(&event, &run()), Decoded::Ours(_)));
        for at in 0..event.len() {
            for bit in 0..8 {
                event[at] ^= 1 << bit;
                let decoded = decode(&event, &run());
                assert!(
                    matches!(decoded, Decoded::Corrupt(_) | Decoded::Foreign),
                    "byte {at}, bit {bit}: {decoded:?}"
                );
                if !id_place(&event).contains(&at) {
                    assert!(matches!(decoded, Decoded::Corrupt(_)), "byte {at}, bit {bit}: {decoded:?}");
                }
                event[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn a_part_of_an_event_is_never_ours() {
    let mut event = event(0, 3, 9, NOW);
    let id = id_place(&event);
    for length in 0..event.len() {
        let decoded = decode(&event[..length], &run());
        let corrupt = matches!(decoded, Decoded::Corrupt(_));
        assert!(corrupt || decoded == Decoded::Foreign, "{length} bytes: {decoded:?}");
        assert_eq!(corrupt, length >= id.end, "{length} bytes: {decoded:?}");
    }
    event.push(b' ');
    assert!(matches!(decode(&event, &run()), Decoded::Corrupt(_)));
}

#[test]
fn what_another_run_sent_is_foreign() {
    let event = event(1, 3, 9, NOW);
    assert!(matches!(decode(&event, &run()), Decoded::Ours(_)));
    for other in [
        RunIdentity { run_tag: TAG + 1, ..run() },
        RunIdentity { topics: 1, ..run() },
        RunIdentity { symbols: 3, ..run() },
        RunIdentity { from_unix_ns: NOW + 1_000, ..run() },
        RunIdentity { until_unix_ns: NOW - 1_000, ..run() },
    ] {
        assert_eq!(decode(&event, &other), Decoded::Foreign, "{other:?}");
    }
    for bytes in ["", "{}", "[]", "hello", r#"{"eventId":"4f9e"}"#, r#"{"eventId":null,"correlationId":1}"#] {
        assert_eq!(decode(bytes.as_bytes(), &run()), Decoded::Foreign, "{bytes}");
    }
}

#[test]
fn the_first_and_the_last_nanosecond_of_a_run_are_inside_it() {
    for at in (NOW..NOW + 2_000).chain(run().until_unix_ns - 2_000..=run().until_unix_ns) {
        let id = probe(0, 0, 0, at).to_id();
        assert!(run().spans(&Probe::of_id(&id).expect("an id")), "{at}");
    }
}

#[test]
fn readiness_events_are_distinguished_from_the_load() {
    let mut event = Vec::new();
    Form::default().encode_readiness(&mut event, TAG, 3, 0x1fff_fff0, 1_000);
    assert_eq!(decode(&event, &run()), Decoded::Readiness { topic: 3, nonce: 0x1fff_fff0 });
    let all = RunIdentity { symbols: 1 << 20, ..run() };
    assert_eq!(decode(&event, &all), Decoded::Readiness { topic: 3, nonce: 0x1fff_fff0 });
    Form::default().encode_readiness(&mut event, TAG + 1, 3, 1, NOW);
    assert_eq!(decode(&event, &run()), Decoded::Foreign);
    Form::default().encode_readiness(&mut event, TAG, 3, 1, NOW);
    let last = event.len() - 3;
    event[last] ^= 1;
    assert_eq!(decode(&event, &run()), Decoded::Foreign, "a damaged one has no key in any ledger");
}

#[test]
fn an_event_written_again_is_ours_but_unverified() {
    for topic in 0..20_u8 {
        let event = event(usize::from(topic), 7, 11, NOW);
        let value: Value = serde_json::from_slice(&event).expect("JSON");
        let expected = probe(topic, 7, 11, NOW);
        // A JSON library that keeps the order writes the same numbers, and so the same bytes.
        assert_eq!(value.to_string().into_bytes(), event);
        let pretty = serde_json::to_vec_pretty(&value).expect("JSON");
        assert_eq!(exact(decode(&pretty, &run()), NOW), Decoded::Unverified(expected));
        let members = value.as_object().expect("an object").clone().into_iter();
        let reversed = Value::Object(members.rev().collect()).to_string().into_bytes();
        assert_eq!(exact(decode(&reversed, &run()), NOW), Decoded::Unverified(expected));
        let cut = &reversed[..reversed.len() - 1];
        assert_eq!(exact(decode(cut, &run()), NOW), Decoded::Corrupt(expected));
    }
}

#[test]
fn an_event_written_again_without_our_seal_is_corrupt() {
    let mut value: Value = serde_json::from_slice(&event(0, 7, 11, NOW)).expect("JSON");
    value["correlationId"] = "018f3c2a-7b1d-7abc-8def-0123456789ab".into();
    let other = serde_json::to_vec_pretty(&value).expect("JSON");
    assert_eq!(exact(decode(&other, &run()), NOW), Decoded::Corrupt(probe(0, 7, 11, NOW)));
}

proptest! {
    #[test]
    fn events_come_back(topic in 0_u8..20, symbol in 0_u16..50, sequence in 0_u32..1 << 29, after in 0_u64..1 << 35) {
        let event = event(usize::from(topic), u32::from(symbol), sequence, NOW + after);
        let expected = Decoded::Ours(probe(topic, symbol, sequence, NOW + after));
        prop_assert_eq!(exact(decode(&event, &run()), NOW + after), expected);
    }

    #[test]
    fn no_bytes_panic_or_are_ours(bytes: Vec<u8>, keep in 0_usize..400) {
        prop_assert_eq!(decode(&bytes, &run()), Decoded::Foreign);
        let mut event = event(0, 3, 9, NOW);
        event.truncate(keep);
        event.extend_from_slice(&bytes);
        let _ = decode(&event, &run());
    }

    #[test]
    fn a_changed_event_is_never_ours(
        topic in 0_usize..20,
        cuts in proptest::collection::vec((any::<proptest::sample::Index>(), 0_usize..4, proptest::collection::vec(any::<u8>(), 0..4)), 1..4),
    ) {
        let whole = event(topic, 3, 9, NOW);
        let mut changed = whole.clone();
        for (at, remove, insert) in cuts {
            let at = at.index(changed.len());
            let end = (at + remove).min(changed.len());
            changed.splice(at..end, insert);
        }
        if changed != whole {
            prop_assert!(!matches!(decode(&changed, &run()), Decoded::Ours(_)));
        }
    }
}
