use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::market::encode::tests::{NOW, plan};
use crate::market::{Decoded, Market, RunIdentity, decode, on_the_grid};
use crate::plan::{Lines, Size};

const TAG: u16 = 0x5a5;
const QUOTE: &str = r#"{
  "meta": {"type": {{eventType}}, "at": "{{timestamp}}", "ms": {{timestampMs}}},
  "s": {{symbol}}, "text": "{{symbol}} at {{price}} of {{exchange}}",
  "id": "q-{{eventId}}", "trace": "{{correlationId}}",
  "px": {{price}}, "bid": {{bid}}, "ask": {{ask}}, "v": {{volume}}, "ohlc": [{{open}}, {{high}}, {{low}}, {{close}}],
  "n": {{sequence}}, "order": {"id": {{orderId}}, "side": {{side}}, "q": {{quantity}}, "µ": null}
}"#;
const SAMPLES: [&str; 3] = [
    r#"{"id":"4711","kind":"order","lines":[{"sku":"a\"b","n":2}],"total":17.50}"#,
    r#"{"kind":"refund", "total": -3, "id": "x"}"#,
    r#"{"kind":"ping","nested":{"id":"not this one"},"id":""}"#,
];

fn with(template: &str) -> Plan {
    let mut plan = plan();
    plan.payload.template = Some(template.to_owned());
    plan
}

fn with_samples(draw: Draw) -> Plan {
    let mut plan = plan();
    plan.payload.samples = Some("samples.jsonl".to_owned());
    plan.payload.id = Some("id".to_owned());
    plan.payload.draw = Some(draw);
    plan.payload.lines = Lines(SAMPLES.map(Box::from).into());
    plan
}

/// Plans whose events every test reads back.
fn plans() -> Vec<Plan> {
    let mut padded = with(r#"{"a":{{price}},"id":{{eventId}},"pad":"{{padding}}"}"#);
    padded.market.event_size = Size { bytes: 500 };
    padded.payload.padding = Some(plan::Padding::Random);
    let mut blank = with(r#"{"a":{{price}},"id":{{eventId}}}"#);
    blank.market.event_size = Size { bytes: 200 };
    vec![
        with(QUOTE),
        with(r#""{{eventId}}""#),
        with(r#"["{{orderId}}","{{eventId}}{{side}}"]"#),
        padded,
        blank,
        with_samples(Draw::InOrder),
        with_samples(Draw::Random),
    ]
}

fn run(plan: &Plan) -> RunIdentity {
    RunIdentity::new(plan, TAG, NOW, NOW + 60_000_000_000)
}

fn event(plan: &Plan, topic: usize, symbol: u32, sequence: u32, at: u64) -> Vec<u8> {
    let mut into = b"what was there".to_vec();
    let id = Market::new(plan, TAG, 0, 1).encode(&mut into, topic, symbol, sequence, at).copied();
    assert!(id.is_some() || into.is_empty());
    into
}

#[test]
fn a_template_is_filled_in() {
    let plan = with(QUOTE);
    let text = event(&plan, 0, 0, 1000, on_the_grid(NOW));
    let value: Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(value["meta"]["type"], "market.quote.received");
    assert_eq!(value["s"], "AAPL");
    assert_eq!(value["text"], format!("AAPL at {} of NASDAQ", value["px"]));
    assert_eq!(value["meta"]["at"], "2026-11-24T08:00:00.123456Z");
    assert_eq!(value["meta"]["ms"], NOW / 1_000_000);
    assert_eq!((&value["n"], &value["order"]["id"]), (&json!(1000), &json!("ord-AAPL-1000")));
    assert!(value["bid"].as_f64() <= value["px"].as_f64() && value["px"] == value["ohlc"][3]);
    let id = value["id"].as_str().and_then(|id| id.strip_prefix("q-")).expect("a text");
    let probe = Probe::of_id(&guarded(&parse_id(id.as_bytes()).expect("an id"))).expect("a probe");
    assert_eq!((probe.run_tag, probe.topic, probe.symbol, probe.sequence), (TAG, 0, 0, 1000));
    assert_eq!(parse_id(value["trace"].as_str().expect("a text").as_bytes()).expect("a UUID")[6] >> 4, 4);
}

#[test]
fn samples_come_in_order_or_at_random_with_another_id() {
    let mut plan = with_samples(Draw::InOrder);
    plan.market.symbols = 1;
    let shape = |text: &[u8]| {
        let mut value: Value = serde_json::from_slice(text).expect("JSON");
        assert!(parse_id(value["id"].as_str().expect("a text").as_bytes()).is_some());
        value["id"] = "".into();
        value
    };
    let samples = SAMPLES.map(|sample| {
        let mut value: Value = serde_json::from_str(sample).expect("JSON");
        value["id"] = "".into();
        value
    });
    for n in 0..9_u32 {
        assert_eq!(shape(&event(&plan, 0, 0, n, NOW)), samples[num::index32(n % 3)]);
    }
    let drawn = |seed| {
        let mut plan = with_samples(Draw::Random);
        plan.market.seed = seed;
        (0..300).map(|n| shape(&event(&plan, 0, 7, n, NOW))["kind"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
    for kind in ["order", "refund", "ping"] {
        let n = drawn(1).iter().filter(|one| **one == format!("\"{kind}\"")).count();
        assert!((60..140).contains(&n), "{n} of {kind}");
    }
}

#[test]
fn every_single_bit_flip_is_noticed() {
    for plan in plans() {
        let run = run(&plan);
        for symbol in [0, 3, 49] {
            let mut event = event(&plan, 5, symbol, 9, NOW + 1_000_000);
            assert!(matches!(decode(&event, &run), Decoded::Ours(_)), "{}", String::from_utf8_lossy(&event));
            let id = Form::of(&plan).0.expect("a format").id_place(&event).expect("an id");
            for at in 0..event.len() {
                for bit in 0..8 {
                    event[at] ^= 1 << bit;
                    let decoded = decode(&event, &run);
                    let corrupt = matches!(decoded, Decoded::Corrupt(_));
                    let allowed = corrupt || (id.contains(&at) && decoded == Decoded::Foreign);
                    assert!(
                        allowed,
                        "byte {at}, bit {bit}: {decoded:?}, {}",
                        String::from_utf8_lossy(&event)
                    );
                    event[at] ^= 1 << bit;
                }
            }
        }
    }
}

#[test]
fn a_part_of_an_event_is_never_ours() {
    for plan in plans() {
        let (run, mut event) = (run(&plan), event(&plan, 0, 3, 9, NOW));
        for length in 0..event.len() {
            let decoded = decode(&event[..length], &run);
            assert!(matches!(decoded, Decoded::Corrupt(_) | Decoded::Foreign), "{length} bytes: {decoded:?}");
        }
        event.push(b' ');
        assert!(matches!(decode(&event, &run), Decoded::Corrupt(_)));
    }
}

#[test]
fn an_event_written_again_is_ours_but_unverified() {
    for plan in plans().into_iter().take(1).chain([with_samples(Draw::InOrder)]) {
        let (run, event) = (run(&plan), event(&plan, 0, 3, 9, NOW));
        let value: Value = serde_json::from_slice(&event).expect("JSON");
        let pretty = serde_json::to_vec_pretty(&value).expect("JSON");
        assert!(matches!(decode(&pretty, &run), Decoded::Unverified(_)));
        let members = value.as_object().expect("an object").clone().into_iter();
        let mut reversed = Value::Object(members.rev().collect());
        assert!(matches!(decode(reversed.to_string().as_bytes(), &run), Decoded::Unverified(_)));
        reversed["more"] = 1.into();
        assert!(matches!(decode(reversed.to_string().as_bytes(), &run), Decoded::Corrupt(_)));
    }
    assert!(is_same(&json!({"a": 1, "b": [2.0]}), &json!({"b": [2], "a": 1.0})));
    assert!(!is_same(&json!({"a": 1}), &json!({"a": 1, "b": 1})) && !is_same(&json!([1]), &json!([1, 2])));
}

#[test]
fn readiness_events_have_the_format_of_the_others() {
    for plan in plans() {
        let (form, mut event) = (crate::market::Form::of(&plan), Vec::new());
        form.encode_readiness(&mut event, TAG, 3, 0x1fff_fff0, 1_000);
        assert!(serde_json::from_slice::<Value>(&event).is_ok());
        assert_eq!(decode(&event, &run(&plan)), Decoded::Readiness { topic: 3, nonce: 0x1fff_fff0 });
        form.encode_readiness(&mut event, TAG + 1, 3, 1, NOW);
        assert_eq!(decode(&event, &run(&plan)), Decoded::Foreign);
    }
}

#[test]
fn an_event_suffers_what_happens_on_a_bus() {
    for plan in plans() {
        let (form, run, event) = (crate::market::Form::of(&plan), run(&plan), event(&plan, 0, 3, 9, NOW));
        let Decoded::Ours(probe) = decode(&event, &run) else { panic!("not ours") };
        let mut damaged = Vec::new();
        for n in 1..3_000_u64 {
            let bits = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            form.damage(&event, bits, &mut damaged);
            assert_eq!(decode(&damaged, &run), Decoded::Corrupt(probe), "{bits:x}");
            assert_eq!(decode(&form.foreign(&event, bits), &run), Decoded::Foreign, "{bits:x}");
        }
        assert_eq!(form.foreign(&event, 2).len(), event.len(), "an event of another run");
    }
}

#[test]
fn no_event_is_larger_than_a_plan_says() {
    for plan in plans() {
        let most = plan.largest_event();
        let (mut market, mut event) = (Market::new(&plan, TAG, 0, 1), Vec::new());
        for n in 0..2_000 {
            for topic in 0..20 {
                event.clear();
                assert!(market.encode(&mut event, topic, n % 50, n * 200_000, NOW + u64::from(n)).is_some());
                assert!(num::count(event.len()) <= most, "{} of {most}", event.len());
                assert!(num::count(event.len()) >= plan.market.event_size.bytes);
            }
        }
    }
}

#[test]
fn a_plan_out_of_a_record_has_no_samples_and_makes_no_events() {
    let mut plan = with_samples(Draw::InOrder);
    plan.payload.lines = Lines::default();
    assert_eq!(event(&plan, 0, 0, 0, NOW), b"");
    let mut market = Market::new(&with(QUOTE), 1, 1, 3);
    for (topic, symbol) in [(99, 1), (0, 0), (0, 50), (0, 52), (0, u32::MAX)] {
        assert!(market.encode(&mut Vec::new(), topic, symbol, 0, NOW).is_none());
    }
    assert!(market.encode(&mut Vec::new(), 0, 49, 0, NOW).is_some());
}

#[test]
fn steady_state_allocates_no_buffer() {
    for plan in plans() {
        let mut market = Market::new(&plan, 1, 0, 1);
        let mut into = Vec::with_capacity(4096);
        let place = into.as_ptr();
        for n in 0..2_000 {
            market.encode(&mut into, num::index32(n) % 20, n % 50, n, NOW);
        }
        assert_eq!(into.as_ptr(), place);
    }
}

/// Templates of any shape: members before and after the id, bare and in strings.
fn templates() -> impl Strategy<Value = String> {
    let names: Vec<&str> =
        FIELDS.iter().map(|(name, _)| *name).filter(|name| !["eventId", "padding"].contains(name)).collect();
    let member =
        (prop::sample::select(names), any::<bool>(), "[a-z \\\\µ]{0,6}").prop_map(|(name, bare, text)| {
            let text = Value::from(text).to_string();
            let text = &text[1..text.len() - 1];
            if bare { format!("{{{{{name}}}}}") } else { format!("\"{text}{{{{{name}}}}}{text}\"") }
        });
    let members = prop::collection::vec(member, 0..6);
    (members.clone(), members, "[a-z]{0,3}", any::<bool>()).prop_map(|(before, after, text, bare)| {
        let id = if bare { "{{eventId}}".to_owned() } else { format!("\"{text}{{{{eventId}}}}{text}\"") };
        let all = before.into_iter().chain([id]).chain(after);
        let members: Vec<String> = all.enumerate().map(|(n, value)| format!("\"m{n}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

use super::fields::FIELDS;
use crate::market::Form;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn events_of_any_template_come_back(
        template in templates(), topic in 0_u8..20, symbol in 0_u16..50, sequence in 0_u32..1 << 29, after in 0_u64..1 << 35,
        damage: (prop::sample::Index, u8),
    ) {
        let plan = with(&template);
        let mut event = event(&plan, usize::from(topic), u32::from(symbol), sequence, NOW + after);
        serde_json::from_slice::<Value>(&event).expect("JSON");
        let Decoded::Ours(probe) = decode(&event, &run(&plan)) else { panic!("{}", String::from_utf8_lossy(&event)) };
        prop_assert_eq!((probe.topic, probe.symbol, probe.sequence), (topic, symbol, sequence));
        prop_assert!(probe.intended_unix_ns.abs_diff(NOW + after) <= 123);
        let at = damage.0.index(event.len());
        event[at] ^= damage.1.max(1);
        prop_assert!(matches!(decode(&event, &run(&plan)), Decoded::Corrupt(_) | Decoded::Foreign));
    }

    #[test]
    fn no_text_panics(text in "(\\{|\\}|\\{\\{|eventId|price|\\}\\}|\"|\\\\|,|:|1| |µ|\\[|\\]){0,24}", any: String) {
        let _ = (check_template(&text), check_template(&any), check_sample(&text, "a"), check_sample(&any, "/a"));
    }

    #[test]
    fn no_bytes_panic_or_are_ours(bytes: Vec<u8>, keep in 0_usize..400) {
        for plan in plans() {
            prop_assert_eq!(decode(&bytes, &run(&plan)), Decoded::Foreign);
            let mut event = event(&plan, 0, 3, 9, NOW);
            event.truncate(keep);
            event.extend_from_slice(&bytes);
            let _ = decode(&event, &run(&plan));
        }
    }
}
