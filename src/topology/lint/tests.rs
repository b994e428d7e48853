use super::*;
use crate::plan::Delivery;
use crate::topology::adr;
use proptest::prelude::*;

fn topology(prefix: &str, topics: &[&str]) -> Topology {
    Topology {
        name: "t".to_owned(),
        prefix: prefix.to_owned(),
        topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
        symbol_in_subject: false,
    }
}

fn group(name: &str, subscribe: &[&str]) -> Group {
    let subscribe = subscribe.iter().map(|&text| text.to_owned()).collect();
    Group { name: name.to_owned(), subscribe, members: 1, delivery: Delivery::Shared, consumer: None }
}

/// Returns the severity, code and subject of each finding.
fn codes(findings: &[Finding]) -> Vec<(Severity, &str, &str)> {
    findings.iter().map(|finding| (finding.severity, finding.code, finding.subject.as_str())).collect()
}

fn hint(topics: &[&str], pattern: &str) -> String {
    let findings = lint(&topology("p", topics), &[group("g", &[pattern])]);
    findings.into_iter().find(|finding| finding.code == "pattern-matches-nothing").unwrap().hint
}

#[test]
fn the_adr_as_written_has_these_faults() {
    let (topology, groups) = adr::named("adr-002-as-written").unwrap();
    insta::assert_debug_snapshot!(lint(&topology, &groups));
}

#[test]
fn the_adr_as_meant_has_no_fault_but_topics_without_a_group() {
    let (topology, groups) = adr::named("adr-002").unwrap();
    insta::assert_debug_snapshot!(lint(&topology, &groups));
}

#[test]
fn a_dead_pattern_gets_the_pattern_that_its_author_means() {
    let topics = ["market.quote.received", "market.bar.1m", "system.service.heartbeat"];
    for (pattern, meant) in [
        ("market.*", "market.>"),
        ("market", "market.>"),
        ("*", ">"),
        ("*.heartbeat", "*.*.heartbeat"),
        ("system.heartbeat", "system.*.heartbeat"),
        ("market.qoute.*", "market.quote.*"),
        ("market.quotes.received", "market.quote.received"),
    ] {
        let hint = hint(&topics, pattern);
        assert!(hint.starts_with(&format!("write `{meant}`")), "{pattern}: {hint}");
    }
    for nothing_like_it in ["*.dlq", "market.quxxe.*"] {
        assert_eq!(hint(&topics, nothing_like_it), "add the topics that it is meant for, or remove it");
    }
}

#[test]
fn a_dead_pattern_is_explained_by_its_asterisk_only_where_it_has_one() {
    for (pattern, message) in [
        ("a", "`a` matches no topic, not even `a.b.c`"),
        ("a.*", "`a.*` matches no topic, not even `a.b.c`: a `*` stands for exactly one token"),
        ("x.*", "`x.*` matches no topic"),
    ] {
        assert_eq!(lint(&topology("p", &["a.b.c"]), &[group("g", &[pattern])])[1].message, message);
    }
}

#[test]
fn as_many_topics_as_there_may_be_are_not_too_many() {
    let most: Vec<String> = (0..TOPICS_MAX).map(|index| format!("t{index}")).collect();
    let most: Vec<&str> = most.iter().map(String::as_str).collect();
    assert_eq!(lint(&topology("p", &most), &[group("g", &[">"])]), []);
}

#[test]
fn overlapping_patterns_name_what_both_match() {
    let topology = topology("p", &["a.b", "a.c", "b.b"]);
    let of = |patterns: &[&str]| {
        let findings = lint(&topology, &[group("g", patterns)]);
        findings.into_iter().find(|finding| finding.code == "patterns-overlap").map(|f| (f.message, f.hint))
    };
    let (message, hint) = of(&["a.*", "*.b"]).unwrap();
    assert!(message.contains("(both match `a.b`)") && message.contains("10138"), "{message}");
    assert!(hint.starts_with("narrow"), "{hint}");
    assert!(of(&["a.>", "a.b"]).unwrap().1.starts_with("remove `a.b`"));
    assert!(of(&["a.b", "a.>"]).unwrap().1.starts_with("remove `a.b`"));
    assert!(of(&["a.b", "a.b"]).unwrap().1.starts_with("remove `a.b`"));
    assert_eq!(of(&["a.b", "a.c", "b.>"]), None);
}

#[test]
fn the_prefix_belongs_to_the_topology_alone() {
    let findings = lint(&topology("p", &["p.a", "b"]), &[group("g", &["p.a", "b"])]);
    assert_eq!(codes(&findings), [(Severity::Warning, "prefix-doubled", "p.a"); 2]);
    assert_eq!(findings[1].group.as_deref(), Some("g"));
    for (prefix, code) in [("", "prefix-missing"), ("p.", "prefix-invalid"), ("p.*", "prefix-invalid")] {
        assert_eq!(
            codes(&lint(&topology(prefix, &["a"]), &[group("g", &["a"])])),
            [(Severity::Error, code, prefix)]
        );
    }
    assert_eq!(lint(&topology("acme.trading", &["a"]), &[group("g", &["a"])]), []);
}

#[test]
fn what_no_bus_takes_is_an_error() {
    let many: Vec<String> = (0..=TOPICS_MAX).map(|index| format!("t{index}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (all, nothing): (&[&str], &[&str]) = (&[">"], &[]);
    for (topics, group_name, patterns, code) in [
        (nothing, "g", all, "no-topics"),
        (&many, "g", all, "too-many-topics"),
        (&["a", "a"], "g", all, "duplicate-topic"),
        (&["a.*"], "g", all, "topic-invalid"),
        (&["a..b"], "g", all, "topic-invalid"),
        (&["a"], "g", &["a b"], "pattern-invalid"),
        (&["a"], "g", nothing, "group-receives-nothing"),
        (&["a"], "other", all, "duplicate-group"),
        (&["a"], "a.b", all, "name-forbidden"),
        (&["a"], "a b", all, "name-forbidden"),
        (&["a"], "a\\b", all, "name-forbidden"),
        (&["a"], "", all, "name-forbidden"),
    ] {
        let findings = lint(&topology("p", topics), &[group("other", all), group(group_name, patterns)]);
        assert!(
            findings.iter().any(|f| f.severity == Severity::Error && f.code == code),
            "{code}: {findings:?}"
        );
    }
}

#[test]
fn a_symbol_must_not_look_like_a_part_of_a_topic() {
    let plain = topology("p", &["market", "market.quote"]);
    let by_symbol = Topology { symbol_in_subject: true, ..plain.clone() };
    let groups = [group("quotes", &["market.>"]), group("rest", &["market"])];
    assert_eq!(lint(&plain, &groups), []);
    assert_eq!(codes(&lint(&by_symbol, &groups)), [(Severity::Error, "symbol-ambiguous", "market.>")]);
    let both = [group("both", &["market", "market.>"])];
    assert_eq!(lint(&plain, &both), []);
    assert!(lint(&by_symbol, &both).iter().any(|finding| finding.code == "patterns-overlap"));
}

#[test]
fn dead_letters_must_not_return_to_the_group_that_failed() {
    let groups = [group("ai-service", &["market.>"]), group("dead-letter", &["*.dlq"])];
    let findings = lint(&topology("p", &["market.quote.received", "market.dlq"]), &groups);
    assert_eq!(codes(&findings)[0], (Severity::Warning, "dead-letters-return", "market.>"));
    assert_eq!(findings[0].message, "`market.>` also receives the dead letters `market.dlq`");
    assert!(findings[0].hint.ends_with("`ai-service.dlq`"));
}

proptest! {
    #[test]
    fn nothing_panics(
        prefix in "[a.*> é]{0,3}",
        topics in proptest::collection::vec("[ab.*>\u{7}]{0,6}", 0..4),
        patterns in proptest::collection::vec("[ab.*> é]{0,6}", 0..4),
        symbol_in_subject in any::<bool>(),
    ) {
        let topology = Topology { name: String::new(), prefix, topics, symbol_in_subject };
        let group = Group { subscribe: patterns, ..group("g", &[]) };
        let found = lint(&topology, &[group]);
        prop_assert!(found.is_sorted_by(|a, b| a.severity >= b.severity));
        prop_assert!(found.iter().all(|finding| !finding.message.is_empty() && !finding.hint.is_empty()));
    }
}

#[test]
fn a_topology_has_as_many_topics_as_an_event_id_can_name() {
    assert_eq!(super::TOPICS_MAX, crate::market::MAX_TOPICS);
}
