//! What other tools read, read by other tools: HDR logs, `JUnit`, CSV and `OpenMetrics` by Python's packages, HDR logs by
//! Java's library as well.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

#[path = "support/outside.rs"]
mod outside;
#[path = "support/records.rs"]
mod records;

use std::path::Path;
use std::process::Command;

use serde_json::json;
use tickgate::measure;
use tickgate::record::{Record, Rows};
use tickgate::report::{self, Beside};

/// A journal's seconds for a record: every second with the histograms of the whole, which is enough to read.
fn seconds(record: &Record) -> Vec<Rows> {
    let load = vec![record.load.send_lag.histogram.clone(), record.load.ack.histogram.clone()];
    let groups: Vec<String> = record.groups.iter().map(|g| g.latency.histogram.clone()).collect();
    let rows = record.timeline.iter().take(8);
    rows.map(|row| Rows { row: row.clone(), load: load.clone(), groups: groups.clone(), measured: None })
        .collect()
}

fn write(record: &Record, seconds: &[Rows], folder: &Path) {
    for (name, bytes) in report::files(record, &Beside { plan_toml: "", seconds }) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let of = |latency: &tickgate::record::Latency| {
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
        "times": {
            "send_lag": of(&record.load.send_lag),
            "ack": of(&record.load.ack),
            "latency": record.groups.iter().map(|g| of(&g.latency)).collect::<Vec<_>>(),
        },
        "intervals": if seconds.is_empty() { 1 } else { seconds.len().saturating_sub(2) },
    });
    std::fs::write(folder.join("expected.json"), expected.to_string()).unwrap();
}

/// Java's own reader of a log finds the figures that Rust and Python find.
#[test]
fn java_reads_the_log_of_distributions() {
    let how = "install a JDK (17 or later) and Maven, and run scripts/java.sh";
    if !outside::brought("java", "scripts/java.sh check", how) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut logs = vec![];
    let mut expected = vec![];
    for (name, record) in [("failing", records::failing()), ("crowded", records::crowded())] {
        for (kind, seconds) in [("record", vec![]), ("journal", seconds(&record))] {
            let path = folder.path().join(format!("{name}-{kind}"));
            write(&record, &seconds, &path);
            let log = path.join("latency.hlog").display().to_string();
            let text = std::fs::read_to_string(&log).unwrap();
            for line in text.lines().filter(|line| line.starts_with("Tag=")) {
                expected.push(interval(&log, line));
            }
            logs.push(log);
        }
    }
    let jar = outside::root().join(".tools/java/HdrHistogram-2.2.2.jar");
    let reader = outside::root().join("tests/java/ReadBack.java");
    let done = Command::new("java").arg("-cp").args([&jar, &reader]).args(&logs).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    let found: Vec<&str> = said.lines().collect();
    assert_eq!(found, expected);
    assert!(found.len() > 20, "{said}");
}

/// A line of a log as Java prints what it reads.
fn interval(log: &str, line: &str) -> String {
    let parts: Vec<&str> = line.split(',').collect();
    let [tag, _, _, _, histogram] = parts.as_slice() else { panic!("{line}") };
    let histogram = measure::decode(histogram).unwrap();
    let at = |q: f64| histogram.value_at_quantile(q);
    format!(
        "{log}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
        tag.trim_start_matches("Tag="),
        histogram.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        histogram.max()
    )
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
    assert!(said.contains("read 12 reports"), "{said}");
}
