//! The files of a report: the same for the same record, small, and with every text from outside in its place.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use tickgate::measure;
use tickgate::plan::{Plan, Span};
use tickgate::profile;
use tickgate::record::{Load, PhaseName, Record, Refusal, Rows, Verdict};
use tickgate::report::terminal::{Style, summary};
use tickgate::report::{self, Beside};

use crate::support::records;

fn files(record: &Record) -> Vec<(String, String)> {
    let toml = profile::to_toml(&record.plan);
    let files = report::files(record, &Beside { plan_toml: &toml, ..Beside::default() });
    files.into_iter().map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect()
}

fn file(record: &Record, name: &str) -> String {
    files(record).into_iter().find(|(of, _)| of == name).unwrap_or_else(|| panic!("no {name}")).1
}

#[test]
fn the_runs_are_what_their_names_say() {
    let verdicts: Vec<_> = records::all().iter().map(|(name, record)| (*name, record.verdict)).collect();
    let expected =
        [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive, Verdict::Fail, Verdict::Inconclusive];
    assert_eq!(
        verdicts.iter().map(|(_, verdict)| *verdict).collect::<Vec<_>>()[..3],
        expected[..3],
        "{verdicts:?}"
    );
    assert_ne!(verdicts[3].1, Verdict::Pass, "an interrupted run never passes");
    assert_eq!(verdicts[4].1, Verdict::Inconclusive);
}

#[test]
fn summaries_and_tables() {
    for (name, record) in records::all().iter().take(5) {
        insta::assert_snapshot!(format!("summary_{name}"), file(record, "summary.md"));
        insta::assert_snapshot!(format!("terminal_{name}"), summary(record, Style { colour: false }));
    }
    let failing = records::failing();
    for name in ["junit.xml", "timeline.csv", "metrics.om"] {
        insta::assert_snapshot!(format!("failing_{name}"), file(&failing, name));
    }
}

/// Names and labels of the samples, as GitLab compares them.
fn keys(metrics: &str) -> Vec<&str> {
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap().0).collect()
}

/// The same plan, run again elsewhere, with another outcome.
fn again(record: &Record) -> Record {
    let mut again = record.clone();
    again.run.id = "zzzzzzzz".into();
    again.run.epoch_unix_ns += 86_400_000_000_000;
    again.run.tags.insert("commit".into(), "other".into());
    again.verdict = Verdict::Inconclusive;
    for objective in &mut again.objectives {
        (objective.observed_value, objective.verdict) = (None, Verdict::Inconclusive);
    }
    for group in &mut again.groups {
        group.latency.count = 0;
    }
    again
}

#[test]
fn two_runs_of_a_plan_have_the_same_metrics() {
    for (name, record) in records::all() {
        let [one, other] = [&record, &again(&record)].map(|record| file(record, "metrics-gitlab.txt"));
        assert!(keys(&one).len() > 20 && keys(&one) == keys(&other), "{name}");
        let [one, other] = [&record, &again(&record)].map(|record| file(record, "metrics.om"));
        let differing = keys(&one).iter().zip(keys(&other)).filter(|(one, other)| **one != *other).count();
        assert_eq!(differing, 1, "{name}: only the info, whose labels are the tags");
    }
}

#[test]
fn each_family_has_one_unit_and_its_name_says_which() {
    for (name, record) in records::all() {
        let metrics = file(&record, "metrics.om");
        let units: Vec<_> = metrics.lines().filter_map(|line| line.strip_prefix("# UNIT ")).collect();
        assert!(units.len() > 3, "{name}: {units:?}");
        for unit in units {
            let (family, unit) = unit.split_once(' ').unwrap();
            assert!(family.ends_with(&format!("_{unit}")), "{name}: {family} in {unit}");
        }
    }
}

#[test]
fn suites_of_several_runs_differ_and_have_the_tags() {
    let mut record = records::failing();
    record.run.tags.insert("commit".into(), "1a2b".into());
    let suite = |folder| {
        let files = report::files(&record, &Beside { folder, ..Beside::default() });
        let junit = files.into_iter().find(|(name, _)| name == "junit.xml").unwrap().1;
        String::from_utf8(junit).unwrap()
    };
    assert_ne!(suite("pr"), suite("main"));
    for part in [format!("<testsuite name=\"{} (pr)\"", record.plan.name), "\"commit\" value=\"1a2b\"".into()]
    {
        assert!(suite("pr").contains(&part), "{part}: {}", suite("pr"));
    }
    for (name, part) in [
        ("summary.md", "commit=1a2b"),
        ("report.html", "Tags: commit=1a2b"),
        ("metrics.om", "commit=\"1a2b\""),
    ] {
        assert!(file(&record, name).contains(part), "{name}");
    }
    assert!(!file(&record, "metrics-gitlab.txt").contains("1a2b"));
    assert!(summary(&record, Style { colour: false }).contains("tags: commit=1a2b\n"));
}

#[test]
fn charts_of_a_failing_run() {
    for (name, svg) in files(&records::failing()).into_iter().filter(|(name, _)| name.starts_with("charts/"))
    {
        let (_, drawn) = svg.split_once("</style>").unwrap();
        insta::assert_snapshot!(name.replace(['/', '.'], "_"), drawn);
    }
}

#[test]
fn rendering_twice_gives_the_same_bytes() {
    for (name, record) in records::all() {
        assert!(files(&record) == files(&record), "{name}");
    }
}

#[test]
fn the_summary_for_a_terminal_fits_eighty_columns() {
    for (name, record) in records::all() {
        for line in summary(&record, Style { colour: false }).lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
    }
}

/// What no program takes for markup.
const NOT_MARKUP: [&str; 5] =
    ["timeline.csv", "scopes.csv", "metrics.om", "metrics-gitlab.txt", "latency.hlog"];

#[test]
fn a_record_made_before_says_nothing_about_an_unknown_use_of_the_broker() {
    let mut record = records::failing();
    (record.broker.mode, record.resources.brokers) = ("url".into(), std::collections::BTreeMap::new());
    let says = |record: &Record| {
        // Lines of the terminal are wrapped.
        let text = summary(record, Style { colour: false });
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        [text, file(record, "report.html")]
            .map(|text| text.contains("the CPU and memory of the servers are not known"))
    };
    record.rules = 1;
    assert_eq!(says(&record), [false; 2]);
    record.rules = tickgate::verdict::RULES;
    assert_eq!(says(&record), [true; 2]);
}

#[test]
fn no_text_from_outside_leaves_its_place() {
    for (name, text) in files(&records::hostile()) {
        let harmful = ["<img", "</script><img", "\u{0}", "\u{202e}"];
        for bad in harmful.iter().filter(|bad| !(NOT_MARKUP.contains(&name.as_str()) && bad.contains('<'))) {
            assert!(!text.contains(bad), "{name} holds {bad:?}");
        }
    }
    let shown = summary(&records::hostile(), Style { colour: false });
    for bad in ["\u{0}", "\u{202e}", "\n::error"] {
        assert!(!shown.contains(bad), "the terminal gets {bad:?}: {shown}");
    }
}

#[test]
fn what_a_page_refers_to_is_in_it() {
    for (name, record) in records::all() {
        let page = file(&record, "report.html");
        let policy = page.find("Content-Security-Policy").unwrap();
        assert!(policy < page.find("<style>").unwrap(), "{name}: the policy comes before what it governs");
        for outside in ["src=\"", "http://", "https://", "@import", "url("] {
            assert!(!page.replace("http://www.w3.org", "").contains(outside), "{name}: {outside}");
        }
        assert!(!page.contains(" style=\""), "{name}: the policy allows no style attribute");
    }
}

#[test]
fn an_hour_of_five_groups_is_less_than_a_megabyte() {
    let record = records::hour();
    let all = files(&record);
    let size = |name: &str| all.iter().find(|(of, _)| of == name).unwrap().1.len();
    assert!(size("report.html") <= 1_000_000, "{} bytes", size("report.html"));
    assert!(size("charts/latency-heat.svg") <= 200_000, "{} bytes", size("charts/latency-heat.svg"));
    assert!(size("summary.md") <= 1 << 20);
}

/// How many intervals of a group a log has, and how many samples are in them.
fn intervals(record: &Record, seconds: usize) -> (usize, u64) {
    let histogram = &record.groups[0].latency.histogram;
    let rows = record.timeline.iter().filter(|row| row.phase == PhaseName::Measure).take(seconds);
    let seconds: Vec<Rows> = rows
        .map(|row| Rows { row: row.clone(), load: vec![], groups: vec![histogram.clone()], measured: None })
        .collect();
    let files = report::files(record, &Beside { seconds: &seconds, ..Beside::default() });
    let log = &files.iter().find(|(name, _)| name == report::HLOG).unwrap().1;
    let lines: Vec<_> = std::str::from_utf8(log).unwrap().lines().filter(|l| l.starts_with("Tag=")).collect();
    let samples = |line: &&str| measure::decode(line.rsplit(',').next().unwrap()).unwrap().len();
    (lines.len(), lines.iter().map(samples).sum())
}

#[test]
fn a_log_of_distributions_has_seconds_of_a_short_run_and_minutes_of_a_long_one() {
    let short = records::failing();
    let each = measure::decode(&short.groups[0].latency.histogram).unwrap().len();
    assert_eq!(intervals(&short, 7), (7, 7 * each));
    let hour = records::hour();
    let each = measure::decode(&hour.groups[0].latency.histogram).unwrap().len();
    assert_eq!(intervals(&hour, 150), (3, 150 * each), "60 s, 60 s and what is left");
}

#[test]
fn a_record_as_text_is_read_back_and_has_a_line_for_each_second() {
    for (name, mut record) in records::all() {
        record.run.reason = Some("a text that says \"timeline\": []".into());
        let text = record.to_json().unwrap();
        assert!(serde_json::from_str::<Record>(&text).unwrap() == record, "{name}");
        let rows = text.lines().filter(|line| line.starts_with("    {\"at_ns\":")).count();
        assert_eq!(rows, record.timeline.len(), "{name}");
    }
}

#[test]
fn a_plan_in_a_page_is_the_plan_of_the_record() {
    let record = records::failing();
    let page = file(&record, "report.html");
    let toml = page.split("<pre id=\"toml\">").nth(1).unwrap().split("</pre>").next().unwrap();
    let toml = toml.replace("&#60;", "<").replace("&#62;", ">").replace("&#34;", "\"").replace("&#38;", "&");
    let read: Plan = profile::read(&profile::Source::new("page", toml), &[]).unwrap();
    assert_eq!(read, record.plan);
}

#[test]
fn what_was_refused_and_sent_again_is_said_beside_that_nothing_is_lost() {
    let said = |record: &Record| {
        let terminal = summary(record, Style { colour: false });
        let texts = [terminal, file(record, "summary.md"), file(record, "report.html")];
        texts.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let both = "0 lost of those confirmed; 20 % of the due events were refused";
    let again = "Copies sent again: 12; 1 event given up after 15s";
    let mut record = records::all()[0].1.clone();
    assert!(said(&record).iter().all(|text| !text.contains("of those confirmed")));
    record.load.refused = record.load.intended / 5;
    assert!(said(&record).iter().all(|text| text.contains(both) && !text.contains("sent again")));
    record.plan.bus.retry = Span::seconds(15);
    (record.load.resent, record.load.gave_up) = (Some(12), Some(1));
    assert!(said(&record).iter().all(|text| text.contains(again)));
    record.groups[0].lost = 1;
    assert!(said(&record).iter().all(|text| !text.contains("of those confirmed")));
}

#[test]
fn what_never_left_and_what_left_on_a_lost_connection_is_told_apart() {
    let mut record = records::all().swap_remove(0).1;
    let load = &mut record.load;
    (load.acked, load.refused, load.unconfirmed, load.unconfirmed_disconnected) =
        (load.acked - 30, 10, 20, 15);
    let refusal = |reason: &str, count| Refusal { reason: reason.into(), said: None, count };
    load.refusals = vec![refusal("overload", 4), refusal(Load::NOT_SENT, 6)];
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let terminal = words(&summary(&record, Style { colour: false }));
    let shown = "+ 10 refused (6 × never left the client, 4 × the broker's queue was full) + 20 unconfirmed (15 on a connection that was lost)";
    assert!(terminal.contains(shown), "{terminal}");
    let page = file(&record, "report.html");
    for shown in [
        "4 refused by the broker (4 × the broker",
        "6 never left the client",
        "5 without an answer",
        "15 sent on a connection that was lost",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    // A record that knows nothing of it reads as it did.
    let mut old = serde_json::to_value(&record).unwrap();
    old["load"].as_object_mut().unwrap().remove("unconfirmed_disconnected");
    let old: Record = serde_json::from_value(old).unwrap();
    assert_eq!((old.load.unconfirmed, old.load.unconfirmed_disconnected), (20, 0));
    assert!(summary(&old, Style { colour: false }).contains("20 unconfirmed\n"));
}
