//! What other tools read, read by other tools: HDR logs, `JUnit`, CSV and `OpenMetrics` by Python's packages, HDR logs by
//! Java's library as well.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use hdrhistogram::Histogram;
use serde_json::json;
use tickgate::bus::sim::{Delay, Faults};
use tickgate::measure;
use tickgate::plan::Span;
use tickgate::record::{Latency, Measured, Record, Row, Rows};
use tickgate::report::{self, Beside};
use tickgate::run::simulated::simulate_with_seconds;
use tickgate::selftest::swarm::{base, draw};

use crate::support::outside;
use crate::support::records;

/// A journal's seconds for a record: each has a part of its distributions, and together they have all of them.
fn seconds(record: &Record) -> Vec<Rows> {
    let rows: Vec<&Row> = record.timeline.iter().take(8).collect();
    let parts = |latency: &Latency| -> Vec<String> {
        let mut parts =
            vec![Histogram::<u64>::new_with_bounds(1, measure::HIGHEST_NS, 3).unwrap(); rows.len()];
        let whole = measure::decode(&latency.histogram).ok();
        for (at, step) in whole.iter().flat_map(|whole| whole.iter_recorded()).enumerate() {
            let Some(part) = at.checked_rem(parts.len()) else { break };
            parts[part].record_n(step.value_iterated_to(), step.count_at_value()).unwrap();
        }
        let text = |part: &Histogram<u64>| {
            if part.is_empty() { String::new() } else { measure::encode(part).unwrap() }
        };
        parts.iter().map(text).collect()
    };
    let load = [&record.load.send_lag, &record.load.ack, &record.load.service].map(parts);
    let groups: Vec<Vec<String>> = record.groups.iter().map(|group| parts(&group.latency)).collect();
    let of = |all: &[Vec<String>], at: usize| all.iter().map(|parts| parts[at].clone()).collect();
    let rows = rows.into_iter().enumerate();
    rows.map(|(at, row)| Rows {
        row: row.clone(),
        load: of(&load, at),
        groups: of(&groups, at),
        measured: Some(Measured::default()),
    })
    .collect()
}

/// The distributions of a record, by their tags in the log.
fn times(record: &Record) -> Vec<(String, &Latency)> {
    let load = &record.load;
    let load = [("send_lag", &load.send_lag), ("ack", &load.ack), ("service", &load.service)];
    let groups = record.groups.iter().map(|group| {
        let name = report::show::plain(&group.name);
        let name = name.replace(|c: char| c == ',' || c.is_whitespace(), "_");
        (format!("latency.{name}"), &group.latency)
    });
    load.into_iter().map(|(tag, of)| (tag.to_owned(), of)).chain(groups).collect()
}

fn write(record: &Record, seconds: &[Rows], folder: &Path) {
    for (name, bytes) in report::files(record, &Beside { seconds, ..Beside::default() }) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let of = |latency: &Latency| {
        let histogram = measure::decode(&latency.histogram).ok()?;
        let at = |q: f64| histogram.value_at_quantile(q);
        let figures = [at(0.5), at(0.9), at(0.99), at(0.999), histogram.max()];
        (!histogram.is_empty()).then(|| json!({ "count": histogram.len(), "figures": figures }))
    };
    let expected = json!({
        "objectives": record.objectives,
        "timeline": record.timeline,
        "groups": record.groups.iter().map(|g| (g.name.clone(), g.delivered)).collect::<Vec<_>>(),
        "sent": record.load.sent,
        "times": times(record).into_iter().filter_map(|(tag, latency)| Some((tag, of(latency)?))).collect::<BTreeMap<_, _>>(),
    });
    std::fs::write(folder.join("expected.json"), expected.to_string()).unwrap();
}

/// Java's own reader and its log processor find the record's figures in a log.
#[test]
fn java_reads_the_records_distributions_from_the_log() {
    let how = "install a JDK (17 or later) and Maven, and run scripts/java.sh";
    if !outside::brought("java", "scripts/java.sh check", how) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut logs = vec![];
    let mut expected = vec![];
    let mut add = |name: &str, record: &Record, seconds: &[Rows]| {
        let path = folder.path().join(name);
        write(record, seconds, &path);
        let log = path.join("latency.hlog").display().to_string();
        expected.extend(times(record).iter().filter_map(|(tag, latency)| whole(&log, tag, latency)));
        logs.push(log);
    };
    for (name, record) in [("failing", records::failing()), ("crowded", records::crowded())] {
        add(&format!("{name}-record"), &record, &[]);
        add(&format!("{name}-journal"), &record, &seconds(&record));
    }
    // Runs in virtual time: a warm-up that is not a whole number of seconds, a server that is too slow, and whatever seeds draw.
    let mut plan = base(7);
    plan.load.warmup = Span::millis(500);
    let slow = Faults { service: Delay::Fixed(1_500_000), ..Faults::default() };
    let runs = [(plan.clone(), Faults::demo().into()), (plan, slow.into())];
    for (at, (plan, scenario)) in runs.into_iter().chain((0..4).map(draw)).enumerate() {
        let (record, _, seconds) = simulate_with_seconds(&plan, &scenario, 7).unwrap();
        add(&format!("run-{at}"), &record, &seconds);
    }
    let jar = outside::root().join(".tools/java/HdrHistogram-2.2.2.jar");
    let reader = outside::root().join("tests/java/ReadBack.java");
    let done = Command::new("java")
        .args(["-XX:TieredStopAtLevel=1", "-cp"])
        .args([&jar, &reader])
        .args(&logs)
        .output()
        .unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    let mut found: Vec<&str> = said.lines().collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!(found.len() > 40, "{said}");
}

/// A distribution of a record as Java prints what it reads.
fn whole(log: &str, tag: &str, latency: &Latency) -> Option<String> {
    let histogram = measure::decode(&latency.histogram).ok().filter(|histogram| !histogram.is_empty())?;
    let at = |q: f64| histogram.value_at_quantile(q);
    let (count, max) = (histogram.len(), histogram.max());
    Some(format!(
        "{log}\t{tag}\t{count}\t{}\t{}\t{}\t{}\t{max}\t{count}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
    ))
}

#[test]
fn other_tools_read_what_a_report_writes() {
    if !outside::brought(
        "python",
        "scripts/python.sh",
        "install Python 3.10 or later with venv, and run scripts/python.sh",
    ) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, record) in records::all().iter().filter(|(name, _)| *name != "crowded") {
        for (kind, seconds) in [("record", vec![]), ("journal", seconds(record))] {
            let path = folder.path().join(format!("{name}-{kind}"));
            write(record, &seconds, &path);
        }
    }
    let said = outside::python("tests/python/read_back.py", &[folder.path()]);
    assert!(said.contains("read 18 reports"), "{said}");
}
