use super::*;
use crate::plan::Delivery;
use crate::topology::Pattern;
use proptest::prelude::*;

/// Builds a plan of these topics and groups, through a profile.
fn plan(topics: &[&str], symbol_in_subject: bool, groups: &[(&[&str], u32, Delivery)]) -> Plan {
    let groups: Vec<_> = groups
        .iter()
        .enumerate()
        .map(|(at, (subscribe, members, delivery))| {
            serde_json::json!({"name": format!("g{at}"), "subscribe": subscribe, "members": members, "delivery": delivery})
        })
        .collect();
    serde_json::from_value(serde_json::json!({
        "name": "t", "description": "",
        "load": {"rate": "1/s", "warmup": "0s", "duration": "1s", "drain": "1s", "arrival": "constant",
            "spacing": "constant", "generators": 1, "pacing": "sleep"},
        "market": {"symbols": 4, "seed": 1, "popularity": "uniform", "zipf_exponent": 1.0, "event_size": "300B"},
        "topology": {"name": "t", "prefix": "pre", "topics": topics, "symbol_in_subject": symbol_in_subject},
        "mix": {},
        "bus": {"kind": "nats", "replicas": 1, "storage": "file", "sync": "default",
            "publish": "async", "window": 1, "buffer": 1, "publish_timeout": "1s", "ack": "explicit",
            "max_bytes": "1MiB", "max_age": "1h",
            "partitions": 5, "audit": true},
        "groups": groups,
        "objectives": {}
    }))
    .expect("a plan")
}

fn layout(plan: &Plan) -> Layout {
    Layout::new(plan, Naming::Profile, "r", &["AAPL".to_owned()]).expect("a layout")
}

const TOPICS: [&str; 3] = ["market.quote.received", "market.bar.1m", "system.heartbeat"];

#[test]
fn each_matched_topic_is_a_filter() {
    let groups: &[(&[&str], u32, Delivery)] = &[
        (&["market.>", "market.quote.*"], 3, Delivery::Shared),
        (&["market.*", "*.dlq"], 1, Delivery::Shared),
    ];
    let plain = layout(&plan(&TOPICS, false, groups));
    assert_eq!(plain.filters(0, 0), ["pre.market.quote.received", "pre.market.bar.1m"]);
    assert_eq!(
        plain.filters(1, 0),
        ["tickgate.no-topic"],
        "a group that no topic reaches must not hear everything"
    );
    assert_eq!((plain.durables(0), plain.transform()), (1, None));
    assert_eq!(plain.subject(2, "AAPL"), "pre.system.heartbeat");

    let by_symbol = layout(&plan(&TOPICS, true, groups));
    assert_eq!(by_symbol.filters(0, 0), ["pre.market.quote.received.*", "pre.market.bar.1m.*"]);
    assert_eq!(by_symbol.stream_subjects()[2], "pre.system.heartbeat.*");
    assert_eq!(by_symbol.subject(2, "AAPL"), "pre.system.heartbeat.AAPL");
}

#[test]
fn partitions_are_shared_out_and_hidden_again() {
    let groups: &[(&[&str], u32, Delivery)] =
        &[(&["market.quote.*"], 2, Delivery::Partitioned), (&[">"], 1, Delivery::Shared)];
    let layout = layout(&plan(&TOPICS, true, groups));
    assert_eq!(
        layout.transform(),
        Some((
            "pre.*.*.*.*".to_owned(),
            "pre.{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}.{{wildcard(4)}}.partition.{{partition(5,4)}}".to_owned()
        ))
    );
    assert_eq!(layout.durables(0), 2);
    let of = |partition| format!("pre.market.quote.received.*.partition.{partition}");
    assert_eq!(layout.filters(0, 0), [of(0), of(2), of(4)]);
    assert_eq!(layout.filters(0, 1), [of(1), of(3)]);
    assert_eq!(layout.filters(1, 0)[1..], ["pre.market.bar.1m.*.partition.*", "pre.system.heartbeat.*"]);
    assert_eq!(layout.published("pre.market.bar.1m.AAPL.partition.3"), "pre.market.bar.1m.AAPL");
    for kept in ["pre.system.heartbeat.AAPL", "pre.partition.x", "pre.a.partition.b"] {
        assert_eq!(layout.published(kept), kept);
    }
}

#[test]
fn a_runs_own_subjects_are_laid_out_as_the_profiles_are() {
    let groups: &[(&[&str], u32, Delivery)] =
        &[(&["market.quote.*"], 2, Delivery::Partitioned), (&[">"], 1, Delivery::Shared)];
    let plan = plan(&TOPICS, true, groups);
    let symbols = ["AAPL".to_owned()];
    let of = |naming| Layout::new(&plan, naming, "r.1", &symbols).expect("a layout");
    let (own, profile) = (of(Naming::Private), of(Naming::Profile));
    let before = |text: String| text.replace("pre.", "tickgate-r-1.pre.");
    let all = |texts: Vec<String>| texts.into_iter().map(before).collect::<Vec<_>>();
    assert_eq!((own.all(), profile.all()), ("tickgate-r-1.pre.>".to_owned(), "pre.>".to_owned()));
    assert_eq!(own.stream_subjects(), all(profile.stream_subjects()));
    assert_eq!(own.transform(), profile.transform().map(|(from, to)| (before(from), before(to))));
    for (group, durable) in [(0, 0), (0, 1), (1, 0)] {
        assert_eq!(own.filters(group, durable), all(profile.filters(group, durable)));
    }
    assert_eq!(own.subject(1, "AAPL"), "tickgate-r-1.pre.market.bar.1m.AAPL");
    assert_eq!(own.published("tickgate-r-1.pre.a.AAPL.partition.3"), "tickgate-r-1.pre.a.AAPL");
}

#[test]
fn symbols_must_be_tokens() {
    let plan = plan(&TOPICS, true, &[]);
    for symbol in ["", "BRK.B", "A B", "*", "a>"] {
        let error =
            Layout::new(&plan, Naming::Profile, "r", &[symbol.to_owned()]).expect_err(symbol).to_string();
        assert!(error.contains("cannot be a token of a NATS subject"), "{error}");
    }
}

#[test]
fn names_hold_only_what_nats_allows_and_stay_apart() {
    let mut plan = plan(&TOPICS, false, &[(&[">"], 1, Delivery::Shared), (&[">"], 1, Delivery::Shared)]);
    plan.groups[0].name = "a.b".to_owned();
    plan.groups[1].name = "a b".to_owned();
    let names = [durable_name("r", &plan, 0, None), durable_name("r", &plan, 1, Some(2))];
    assert_eq!(names, ["tickgate-r-a-b-g0", "tickgate-r-a-b-g1-2"]);
}

/// Returns whether a pattern matches a topic or subject.
fn hears(pattern: &str, topic: &str) -> bool {
    Pattern::parse(pattern).expect("a pattern").matches(topic)
}

/// Returns whether two filters have a subject in common.
fn collide(filter: &str, other: &str) -> bool {
    let pattern = |text: &str| Pattern::parse(text).expect("a pattern");
    pattern(filter).overlaps(&pattern(other))
}

proptest! {
    #[test]
    fn filters_never_overlap(
        topics in proptest::collection::btree_set("[ab](\\.[ab]){0,2}", 1..8),
        patterns in proptest::collection::vec("[ab*](\\.[ab*]){0,2}(\\.>)?", 1..4),
        symbol in any::<bool>(),
    ) {
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let layout = layout(&plan(&topics, symbol, &[(&patterns, 1, Delivery::Shared)]));
        let filters = layout.filters(0, 0);
        prop_assert!(!filters.is_empty());
        for (at, filter) in filters.iter().enumerate() {
            for other in &filters[at + 1..] {
                prop_assert!(!collide(filter, other), "{} {}", filter, other);
            }
        }
        for (at, topic) in topics.iter().enumerate() {
            let heard = patterns.iter().any(|pattern| hears(pattern, topic));
            let filtered = filters.iter().any(|filter| hears(filter, &layout.subject(at, "SYM")));
            prop_assert_eq!(heard, filtered, "{}", topic);
        }
    }
}
