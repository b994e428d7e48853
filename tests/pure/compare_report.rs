//! The files of a comparison: the same for the same account, and with every text from outside in its place.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use tickgate::compare::{Comparison, Finding};
use tickgate::record::{Effect, Fault, Injection, Outage, Record};
use tickgate::report::compare::{files, terminal};
use tickgate::report::terminal::Style;

use crate::support::comparisons;

fn file(c: &Comparison, name: &str) -> String {
    let found = files(c).into_iter().find(|(of, _)| of == name).unwrap_or_else(|| panic!("no {name}"));
    String::from_utf8(found.1).unwrap()
}

#[test]
fn summaries_and_tables() {
    for (name, c) in [
        ("worse", comparisons::worse()),
        ("few", comparisons::few()),
        ("folders", comparisons::folders()),
        ("lighter", comparisons::lighter()),
        ("three", comparisons::three()),
    ] {
        insta::assert_snapshot!(format!("terminal_{name}"), terminal(&c, Style { colour: false }));
    }
    insta::assert_snapshot!("markdown_worse", file(&comparisons::worse(), "compare.md"));
    insta::assert_snapshot!("junit_worse", file(&comparisons::worse(), "compare.junit.xml"));
    insta::assert_snapshot!("junit_three", file(&comparisons::three(), "compare.junit.xml"));
}

/// A run whose leader is killed, after which nothing is confirmed for some seconds; not normal again in time with 0.
fn struck(seconds: u64, recovered: u64) -> Record {
    const S: u64 = 1_000_000_000;
    let mut record = comparisons::carrying(comparisons::DUE, 400_000, 1);
    let publishing = Outage { unavailable_ns: seconds * S, longest_ns: seconds * S / 2 };
    let effect = Effect {
        due: 1000,
        acked: 990,
        publishing,
        recovery_ns: (recovered > 0).then_some(recovered * S),
        ..Effect::default()
    };
    let fault = |outcome, name: &str| Fault {
        name: name.into(),
        action: "kill".into(),
        target: "stream-leader".into(),
        outcome,
        effect: Some(effect.clone()),
        ..Fault::default()
    };
    record.faults.injected = vec![fault(Injection::Done, "leader"), fault(Injection::Late, "other")];
    record
}

#[test]
fn what_the_faults_did_stands_beside_each_other() {
    let pairs = comparisons::eight(|k| struck(4 + k % 3, 9), |k| struck(8, if k == 1 { 0 } else { 12 }));
    let c = comparisons::compared(pairs);
    for text in [terminal(&c, Style { colour: false }), file(&c, "compare.md"), file(&c, "compare.html")] {
        let words = text.replace('\\', "").split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "leader: kill of stream-leader",
            "[4.00s–6.00s]",
            "8.00s [8.00s–8.00s]",
            "12.0s [12.0s–12.0s], not seen in",
        ] {
            assert!(words.contains(part), "`{part}` is not in:\n{text}");
        }
        assert!(words.contains("other: kill of stream-leader") && words.contains("8 late"), "{text}");
    }
    assert!(!file(&comparisons::worse(), "compare.html").contains("Under faults"));
}

#[test]
fn the_comparisons_are_what_their_names_say() {
    let findings: Vec<_> = comparisons::all().into_iter().map(|(_, c)| c.verdict.finding).collect();
    assert_eq!(
        findings[..4],
        [Finding::Worse, Finding::Inconclusive, Finding::Inconclusive, Finding::Inconclusive]
    );
}

#[test]
fn the_account_is_read_back_as_it_was_and_renders_to_the_same_bytes() {
    for (name, c) in comparisons::all() {
        let text = serde_json::to_string(&c).unwrap();
        let back: Comparison = serde_json::from_str(&text).unwrap();
        assert!(back == c, "{name}");
        assert!(files(&back) == files(&c), "{name}");
        assert_eq!(terminal(&back, Style { colour: false }), terminal(&c, Style { colour: false }), "{name}");
    }
}

#[test]
fn no_text_from_outside_leaves_its_place() {
    let c = comparisons::hostile_sides();
    for (name, bytes) in files(&c) {
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("<img"), "{name}");
        assert!(!text.contains('\u{202e}') && !text.contains('\0'), "{name}");
        assert!(!text.lines().any(|line| line.starts_with("::error")), "{name}");
        assert_eq!(text.matches("</script").count(), usize::from(name == "compare.html"), "{name}");
    }
    let shown = terminal(&c, Style { colour: false });
    assert!(!shown.contains('\u{202e}') && !shown.lines().any(|line| line.starts_with("::")), "{shown}");
}

#[test]
fn a_terminal_has_eighty_columns() {
    for (name, c) in comparisons::all() {
        for line in terminal(&c, Style { colour: false }).lines() {
            assert!(line.trim_end().chars().count() <= 80, "{name}: {line}");
        }
    }
}

#[test]
fn the_page_says_what_is_unequal_in_its_title() {
    let few = file(&comparisons::few(), "compare.html");
    assert!(few.contains("Unequal durability, not ranked"), "no banner");
    let worse = file(&comparisons::worse(), "compare.html");
    assert!(!worse.contains("Unequal durability"));
    assert!(worse.contains("B (kafka) lost 12 events, A (nats) none."));
    for part in ["id=\"cost\"", "id=\"claims\"", "id=\"ratios\"", "id=\"curves\"", "id=\"pairs\""] {
        assert!(worse.contains(part), "{part}");
    }
}

#[test]
fn each_side_has_its_part_of_the_page_and_its_charts() {
    let c = comparisons::three();
    let page = file(&c, "compare.html");
    for part in [
        "id=\"first\"",
        "id=\"side\"",
        "id=\"side-c\"",
        "id=\"metrics\"",
        "id=\"metrics-c\"",
        "id=\"ratios-c\"",
        "B (nats-one-replica-sync-always) against A (nats-one-replica-sync-2m)",
        "C (nats-one-replica-sync-2m-again) against A (nats-one-replica-sync-2m)",
        "C / A",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let names: Vec<String> = files(&c).into_iter().map(|(name, _)| name).collect();
    for chart in ["charts/ratios.svg", "charts/ratios-c.svg", "charts/pairs-c.svg"] {
        assert!(names.iter().any(|name| name == chart), "{chart}: {names:?}");
    }
    let two = file(&comparisons::worse(), "compare.html");
    assert!(two.contains("id=\"first\"") && !two.contains("id=\"side"), "two sides need no parts");
}

#[test]
fn the_first_screen_shows_labels_where_they_differ() {
    let shown = terminal(&comparisons::three(), Style { colour: false });
    let head = shown.lines().find(|line| line.starts_with("        ") && line.contains("B ("));
    assert!(head.is_some_and(|line| line.contains("2m)") && line.contains("always)")), "{shown}");
    let crowded = terminal(&comparisons::crowded(), Style { colour: false });
    assert!(crowded.contains("bea)") && crowded.contains("beb)"), "{crowded}");
}

#[test]
fn several_groups_are_told_one_by_one_and_decide_nothing() {
    let c = comparisons::two_groups();
    assert_eq!(c.groups.len(), 8);
    let of = |group: &str, name: &str| {
        c.groups.iter().find(|g| g.group == group && g.name == name).unwrap_or_else(|| panic!("no {name}"))
    };
    let (slow, same) = (of("analytics", "latency.p50"), of("trading-engine", "latency.p50"));
    assert!((slow.ratio - 2.0).abs() < 0.05 && (same.ratio - 1.0).abs() < 0.01, "{slow:?} {same:?}");
    assert!(slow.interval.is_some_and(|i| i.low > 1.9) && slow.pairs == 8);
    assert!((of("analytics", "delivered").ratio - 1.0).abs() < 1e-9);
    assert!(c.metrics.iter().all(|m| !m.name.contains("analytics")), "no family grows by them");
    for (name, part) in [("compare.html", "id=\"groups\""), ("compare.md", "| analytics | end-to-end p99 |")]
    {
        assert!(file(&c, name).contains(part), "{part}");
        assert!(!file(&comparisons::worse(), name).contains("By group"), "one group alone");
    }
}
