//! `tickgate report`: every file is written, a killed run is recovered, and CI systems get their summaries.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::path::Path;

use assert_cmd::Command;
use tickgate::archive::{RecoverError, recover};
use tickgate::record::{End, Line, PhaseName, Record, Rows, Verdict};

use crate::support::{program, records};

fn tickgate() -> Command {
    let mut command = Command::new(program::path());
    command.env_remove("GITHUB_STEP_SUMMARY").env_remove("GITHUB_ACTIONS");
    command
}

/// The journal of a record that was never written, up to some second.
fn journal(record: &Record, seconds: usize) -> Vec<Line> {
    let start = Line::Start {
        schema: record.schema.clone(),
        run: record.run.clone(),
        plan: record.plan.clone(),
        environment: record.environment.clone(),
        broker: record.broker.clone(),
    };
    let rows = record.timeline.iter().take(seconds).map(|row| {
        let load = vec![record.load.send_lag.histogram.clone(), record.load.ack.histogram.clone()];
        let groups = record.groups.iter().map(|g| g.latency.histogram.clone()).collect();
        Line::Second(Rows { row: row.clone(), load, groups, measured: None })
    });
    let warmup = Line::Phase(record.phase(PhaseName::Warmup).unwrap().clone());
    [start, warmup].into_iter().chain(rows).collect()
}

fn write_journal(lines: &[Line], folder: &Path) {
    let mut text: String = lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect();
    text.push_str("{\"line\":\"second\",\"row\":{\"at_");
    std::fs::write(folder.join("journal.jsonl"), text).unwrap();
}

fn write_record(record: &Record, folder: &Path) {
    std::fs::write(folder.join("record.json"), serde_json::to_vec(record).unwrap()).unwrap();
}

#[test]
fn a_recovered_run_has_what_its_journal_told_and_never_passes() {
    let record = records::of(&records::Recipe::default());
    let found = recover(journal(&record, 7), &[]).unwrap();
    assert_eq!((found.run.end, found.verdict), (End::Recovered, Verdict::Inconclusive));
    assert_eq!((found.load.sent, found.load.measured_sent), (7000, 5000));
    assert!((found.load.sent_rate - 1000.0).abs() < 1.0, "{}", found.load.sent_rate);
    assert_eq!(found.timeline, record.timeline[..7]);
    let (latency, of) = (&found.groups[0].latency, &record.groups[0].latency);
    assert_eq!(
        (latency.count, latency.p99_ns),
        (5 * of.count, of.p99_ns),
        "five times the same distribution"
    );
    assert_eq!(found.load.ack.p50_ns, record.load.ack.p50_ns);
}

#[test]
fn a_recovered_run_can_fail() {
    let mut record = records::failing();
    record.timeline[4].groups[0].reordered = 3;
    let found = recover(journal(&record, 9), &[]).unwrap();
    let verdict = |name: &str| found.objectives.iter().find(|o| o.name == name).unwrap().verdict;
    assert_eq!(verdict("ordering.reordered"), Verdict::Fail);
    assert_eq!(verdict("delivery.lost"), Verdict::Inconclusive, "what was under way is not known");
}

#[test]
fn what_is_no_journal_is_refused() {
    assert_eq!(recover([], &[]).unwrap_err(), RecoverError::NoStart);
    let mut lines = journal(&records::failing(), 1);
    if let Line::Start { schema, .. } = &mut lines[0] {
        *schema = "tickgate.record/9".into();
    }
    assert_eq!(recover(lines, &[]).unwrap_err(), RecoverError::Schema("tickgate.record/9".into()));
}

#[test]
fn the_command_writes_every_file_and_its_exit_is_the_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    write_record(&records::failing(), folder.path());
    let summary = folder.path().join("job.md");
    std::fs::write(&summary, "before\n").unwrap();
    let done = tickgate()
        .args(["report", folder.path().to_str().unwrap()])
        .envs([("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()), ("GITHUB_ACTIONS", "true")])
        .assert()
        .code(1);
    let said = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert!(said.trim_end().ends_with("report.html"), "the path comes last: {said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("::error title=")).count(), 3, "{said}");
    for name in [
        "report.html",
        "junit.xml",
        "summary.md",
        "latency.hlog",
        "timeline.csv",
        "metrics-gitlab.txt",
        "metrics.om",
        "charts/rates.svg",
    ] {
        assert!(folder.path().join(name).metadata().is_ok_and(|m| m.len() > 100), "{name}");
    }
    let job = std::fs::read_to_string(summary).unwrap();
    assert!(job.starts_with("before\n## ❌ FAIL"), "{job}");
}

#[test]
fn the_command_recovers_a_killed_run_once() {
    let folder = tempfile::tempdir().unwrap();
    write_journal(&journal(&records::of(&records::Recipe::default()), 7), folder.path());
    let path = folder.path().to_str().unwrap();
    let hint = tickgate().args(["report", path]).assert().code(4);
    assert!(String::from_utf8_lossy(&hint.get_output().stderr).contains("--recover"));
    tickgate().args(["report", "--recover", path]).assert().code(3);
    assert!(
        folder.path().join("journal.jsonl").exists(),
        "the only first-hand account of a killed run stays"
    );
    let log = std::fs::read(folder.path().join("latency.hlog")).unwrap();
    std::fs::remove_file(folder.path().join("journal.jsonl")).unwrap();
    tickgate().args(["report", path]).assert().code(3);
    let again = std::fs::read(folder.path().join("latency.hlog")).unwrap();
    assert!(
        again == log && String::from_utf8_lossy(&log).matches("Tag=ack,").count() == 5,
        "seconds outlive it"
    );
    tickgate().args(["report", "--recover", path]).assert().code(2);
}
