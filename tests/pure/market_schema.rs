//! Generated events against the published JSON Schemas, and properties that a schema cannot express.

#![expect(clippy::expect_used, clippy::panic, reason = "a test's helpers may fail like its tests")]

use std::path::Path;

use jsonschema::Validator;
use serde_json::Value;
use tickgate::market::{self, Market};
use tickgate::plan::Plan;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const START: u64 = 1_795_507_199_999_999_000;
const SYMBOLS: u32 = 50;
const ROUNDS: u32 = 40;

fn plan() -> Plan {
    serde_json::from_str(include_str!("../data/market-plan.json")).expect("a plan")
}

fn schema(name: &str) -> Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/events").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(schema["additionalProperties"], false, "{name}");
    jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn check(schema: &Validator, value: &Value) {
    if let Err(error) = schema.validate(value) {
        panic!("{}: {error} in {value}", error.instance_path());
    }
}

/// Hands every event of some rounds over all topics and symbols to `look`, with its intended time.
fn every_event(plan: &Plan, mut look: impl FnMut(&str, Value, u64)) {
    let mut market = Market::new(plan, 0x123, 0, 1);
    let (mut event, mut at) = (Vec::new(), START);
    for round in 0..ROUNDS {
        for symbol in 0..SYMBOLS {
            for (topic, name) in plan.topology.topics.iter().enumerate() {
                at += 12_345_678;
                market.encode(&mut event, topic, symbol, round, at);
                look(name, serde_json::from_slice(&event).expect("JSON"), at);
            }
        }
    }
}

/// Milliseconds, sub-millisecond part in 1/4096, and version of a UUID in its canonical text form, read
/// by the RFC's definition.
fn uuid(text: &Value) -> (u64, u64, u32) {
    let text = text.as_str().expect("a string");
    let dashes: Vec<_> = text.match_indices('-').map(|(at, _)| at).collect();
    assert_eq!((text.len(), &dashes[..]), (36, &[8, 13, 18, 23][..]), "{text}");
    let hex = |from: usize, to: usize| u64::from_str_radix(&text[from..to], 16).expect("hexadecimal digits");
    assert_eq!(hex(19, 20) >> 2, 0b10, "variant of {text}");
    assert_eq!(text, text.to_lowercase());
    let version = u32::try_from(hex(14, 15)).expect("a digit");
    ((hex(0, 8) << 16) | hex(9, 13), hex(15, 18), version)
}

/// A number as the decimal text says, in 1/10,000.
fn exact(value: &Value) -> i64 {
    let text = value.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    assert!(fraction.len() <= 4, "{text} has more than four decimals");
    format!("{whole}{fraction:0<4}").parse().expect("a decimal number")
}

#[test]
fn an_event_with_random_padding_meets_the_schema() {
    let mut plan = plan();
    plan.market.event_size = tickgate::plan::Size { bytes: 900 };
    plan.payload.padding = Some(tickgate::plan::Padding::Random);
    let envelope = schema("envelope");
    every_event(&plan, |_, event, _| {
        check(&envelope, &event);
        assert!(event["padding"].as_str().is_some_and(|padding| padding.len() > 200), "{event}");
    });
}

#[test]
fn every_event_meets_the_schema_of_its_topic() {
    let plan = plan();
    let envelope = schema("envelope");
    let payloads: Vec<_> = (plan.topology.topics.iter())
        .map(|topic| match topic.as_str() {
            "orders.created" => schema("generic"),
            topic if topic.rsplit('.').next() == Some("dlq") => schema("dlq"),
            topic => schema(topic),
        })
        .collect();
    let mut seen = 0;
    every_event(&plan, |topic, event, _| {
        let index = plan.topology.topics.iter().position(|name| name == topic).expect("a topic");
        check(&envelope, &event);
        check(&payloads[index], &event["payload"]);
        assert_eq!(event["eventType"], topic);
        seen += 1;
    });
    assert_eq!(seen, ROUNDS * SYMBOLS * 20);
}

#[test]
fn a_readiness_event_meets_its_schema() {
    let mut event = Vec::new();
    market::Form::default().encode_readiness(&mut event, 0x123, 7, 42, START);
    let event: Value = serde_json::from_slice(&event).expect("JSON");
    check(&schema("envelope"), &event);
    check(&schema("readiness"), &event["payload"]);
    assert_eq!((&event["payload"]["topic"], &event["payload"]["nonce"]), (&7.into(), &42.into()));
}

#[test]
fn every_schema_file_is_used() {
    let plan = plan();
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/events");
    for file in std::fs::read_dir(files).expect("the schemas") {
        let path = file.expect("a file").path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let known =
            ["envelope", "generic", "readiness"].contains(&&*name) || plan.topology.topics.contains(&name);
        assert!(known, "{name}.json describes no event");
    }
}

#[test]
fn ids_are_distinct_uuids_of_the_intended_time() {
    let mut ids = std::collections::HashSet::new();
    every_event(&plan(), |_, event, at| {
        let (ms, fraction, version) = uuid(&event["eventId"]);
        assert_eq!(version, 7);
        let id_ns = ms * 1_000_000 + fraction * 1_000_000 / 4096;
        assert!(id_ns.abs_diff(at) <= 123, "{id_ns} for {at}");
        let timestamp = event["timestamp"].as_str().expect("a string");
        let timestamp = OffsetDateTime::parse(timestamp, &Rfc3339).expect("a time").unix_timestamp_nanos();
        assert_eq!(timestamp, i128::from(at / 1000 * 1000));
        assert_eq!(uuid(&event["correlationId"]).2, 8);
        assert!(ids.insert(event["eventId"].to_string()), "{} twice", event["eventId"]);
    });
}

#[test]
fn causes_and_failed_events_come_before_what_names_them() {
    let mut named = 0;
    every_event(&plan(), |topic, event, _| {
        let is_market_data = topic.starts_with("market.") && !topic.ends_with("dlq");
        assert!(!is_market_data || event.get("causationId").is_none(), "{topic}");
        for earlier in [event.get("causationId"), event["payload"].get("failedEventId")].into_iter().flatten()
        {
            assert_eq!(uuid(earlier).2, 7);
            assert!(uuid(earlier) < uuid(&event["eventId"]), "{event}");
            named += 1;
        }
        if let Some(failed) = event["payload"]["failedEventType"].as_str() {
            let domain = |topic: &str| topic.split('.').next().map(str::to_owned);
            assert!(topic == "dlq" || domain(failed) == domain(topic), "{event}");
            assert!(!failed.ends_with("dlq"), "{event}");
        }
    });
    assert!(named > 1_000);
}

#[test]
fn prices_are_consistent_and_on_the_tick_grid() {
    let plan = plan();
    let instruments = market::instruments(&plan.market);
    let mut moved = 0;
    every_event(&plan, |topic, event, _| {
        let payload = &event["payload"];
        let price = |member: &str| exact(&payload[member]);
        let Some(instrument) = instruments.iter().find(|one| payload["symbol"] == one.ticker) else {
            assert_eq!(topic, "system.heartbeat");
            return;
        };
        match topic {
            "market.quote.received" => {
                let (bid, ask) = (price("bid"), price("ask"));
                assert!(bid < ask && (bid..=ask).contains(&price("price")), "{payload}");
                moved += u32::from(price("price") != instrument.start * instrument.tick);
            }
            "market.bar.1m" | "market.bar.1d" => {
                let range = price("low")..=price("high");
                assert!(range.contains(&price("open")) && range.contains(&price("close")), "{payload}");
            }
            "trade.position.updated" => {
                let quantity = payload["quantity"].as_i64().expect("an integer");
                let gain = quantity * (price("marketPrice") - price("averagePrice"));
                assert_eq!(price("unrealizedPnl"), gain, "{payload}");
            }
            "analytics.pnl.calculated" => {
                assert_eq!(price("total"), price("realized") + price("unrealized"), "{payload}");
            }
            _ => {}
        }
        for member in [
            "price",
            "bid",
            "ask",
            "open",
            "high",
            "low",
            "close",
            "limitPrice",
            "averagePrice",
            "marketPrice",
            "targetPrice",
        ] {
            if payload.get(member).is_some() {
                assert!(price(member) > 0, "{member} of {payload}");
                assert_eq!(price(member) % instrument.tick, 0, "{member} of {payload} is off the grid");
            }
        }
    });
    assert!(moved > ROUNDS * SYMBOLS / 2, "prices stand still");
}
