//! `latency.hlog` holds exactly the measure phase's events: what its intervals add up to is what the record says, in
//! every bucket.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use tickgate::archive::recover;
use tickgate::bus::sim::{Delay, Faults, Stretch};
use tickgate::measure;
use tickgate::plan::{Plan, Span};
use tickgate::record::{Line, PhaseName, Record, Rows};
use tickgate::report::{self, Beside};
use tickgate::run::simulated::{Scenario, simulate_with_seconds};
use tickgate::selftest::swarm::{base, draw};

use crate::support::program;

/// Buckets and the values in them, by tag.
type Distributions = BTreeMap<String, BTreeMap<u64, u64>>;

fn add(to: &mut Distributions, tag: &str, histogram: &str) {
    let Ok(read) = measure::decode(histogram) else { return };
    for step in read.iter_recorded() {
        *to.entry(tag.to_owned()).or_default().entry(step.value_iterated_to()).or_insert(0) +=
            step.count_at_value();
    }
}

fn log(record: &Record, seconds: &[Rows]) -> String {
    let files = report::files(record, &Beside { seconds, ..Beside::default() });
    let (_, log) = files.into_iter().find(|(name, _)| name == report::HLOG).unwrap();
    String::from_utf8(log).unwrap()
}

/// The sums over the intervals of a log.
fn logged(log: &str) -> Distributions {
    let mut sums = BTreeMap::new();
    for line in log.lines().filter_map(|line| line.strip_prefix("Tag=")) {
        let parts: Vec<&str> = line.split(',').collect();
        add(&mut sums, parts[0], parts[4]);
    }
    sums
}

/// The figures of the record.
fn recorded(record: &Record) -> Distributions {
    let mut all = BTreeMap::new();
    let load = &record.load;
    for (tag, of) in [("send_lag", &load.send_lag), ("ack", &load.ack), ("service", &load.service)] {
        add(&mut all, tag, &of.histogram);
    }
    for group in &record.groups {
        add(&mut all, &format!("latency.{}", group.name), &group.latency.histogram);
    }
    all
}

#[track_caller]
fn agrees(plan: &Plan, scenario: &Scenario, seed: u64) -> (Record, Vec<Rows>) {
    let (record, _, seconds) = simulate_with_seconds(plan, scenario, seed).expect("simulates");
    let log = log(&record, &seconds);
    assert!(logged(&log) == recorded(&record), "seed {seed}: the log has other events than the record");
    assert!(!log.contains("in the record]"), "{log}");
    (record, seconds)
}

#[test]
fn a_warm_up_of_half_a_second_is_in_no_distribution() {
    let mut plan = base(7);
    plan.load.warmup = Span::millis(500);
    let (record, seconds) = agrees(&plan, &Faults::demo().into(), 7);
    assert_eq!(record.load.send_lag.count, 2000, "a measure phase of 2 s at 1000/s");
    assert_eq!(seconds[0].row.phase, PhaseName::Warmup);
    assert_eq!(seconds[0].measured.map(|of| of.intended), Some(500), "half of the first second is measured");
    assert_eq!(seconds[0].row.send_lag.count, 1000, "the row shows the whole second");
}

#[test]
fn what_comes_late_is_in_the_intervals_of_the_drain() {
    let mut plan = base(8);
    plan.load.warmup = Span::millis(1700);
    // The server needs 1.5 ms for an event that comes each millisecond.
    let overloaded = Faults { service: Delay::Fixed(1_500_000), ..Faults::default() };
    let (record, seconds) = agrees(&plan, &overloaded.into(), 8);
    let late = seconds.iter().filter(|rows| rows.row.phase == PhaseName::Drain && rows.is_measured()).count();
    assert!(late > 0 && record.groups[0].latency.count == 2000, "{late} seconds, {:?}", record.groups[0]);
    // Events of the warm-up are answered in the measure phase, and are in no interval.
    let stalled =
        Faults { stalls: vec![Stretch { from: 1_000_000_000, length: 2_000_000_000 }], ..Faults::default() };
    agrees(&plan, &stalled.into(), 8);
}

#[test]
fn the_log_of_any_run_holds_the_records_events() {
    for seed in 0..30 {
        let (plan, scenario) = draw(seed);
        agrees(&plan, &scenario, seed);
    }
}

/// The threads of the engine hand their last intervals over as they end: none of them is lost.
#[test]
fn the_log_of_a_run_in_real_time_holds_the_records_events() {
    let folder = tempfile::tempdir().unwrap();
    let load = "name = \"log\"\n[load]\nrate = \"2k/s\"\nwarmup = \"500ms\"\nduration = \"1700ms\"\n";
    let (all, quotes) = ("subscribe = [\">\"]", "subscribe = [\"market.quote.received\"]");
    let several = format!("[[groups]]\nname = \"several\"\nmembers = 3\n{all}\n");
    for (name, groups) in [
        ("alone", format!("[[groups]]\nname = \"alone\"\n{all}\n")),
        ("together", format!("{several}[[groups]]\nname = \"quotes\"\n{quotes}\n")),
    ] {
        let (profile, out) = (folder.path().join(format!("{name}.toml")), folder.path().join(name));
        std::fs::write(&profile, format!("{load}{groups}")).unwrap();
        let done = std::process::Command::new(program::path())
            .arg("run")
            .arg(&profile)
            .args(["--broker", "sim", "--quiet", "--out"])
            .arg(&out)
            .output()
            .unwrap();
        assert!(done.status.code().is_some_and(|code| code != 2), "{done:?}");
        let run = out.join(tickgate::archive::LATEST);
        let record: Record =
            serde_json::from_slice(&std::fs::read(run.join("record.json")).unwrap()).unwrap();
        assert!(record.load.send_lag.count > 3000 && record.groups[0].latency.count > 3000, "{done:?}");
        let log = std::fs::read_to_string(run.join(report::HLOG)).unwrap();
        assert!(logged(&log) == recorded(&record), "{name}");
        assert!(!log.contains("in the record]"), "{log}");
    }
}

/// The lines of a journal up to a second.
fn journal(record: &Record, seconds: &[Rows]) -> Vec<Line> {
    let start = Line::Start {
        schema: record.schema.clone(),
        run: record.run.clone(),
        plan: record.plan.clone(),
        environment: record.environment.clone(),
        broker: record.broker.clone(),
    };
    let warmup = record.phase(PhaseName::Warmup).cloned().map(Line::Phase);
    [start].into_iter().chain(warmup).chain(seconds.iter().cloned().map(Line::Second)).collect()
}

#[test]
fn a_recovered_run_has_the_measure_phases_events_and_rates_over_what_it_covers() {
    let mut plan = base(9);
    plan.load.warmup = Span::millis(500);
    plan.load.duration = Span::seconds(4);
    // An answer takes 100 ms, so that each second leaves some open.
    let slow = Faults { answer: Delay::Fixed(100_000_000), ..Faults::demo() };
    let (record, seconds) = agrees(&plan, &slow.into(), 9);
    // Killed within the fourth second: three are recorded, 2.5 s of them measured.
    let found = recover(journal(&record, &seconds[..3]), &[]).unwrap();
    assert!(logged(&log(&found, &seconds[..3])) == recorded(&found));
    let load = &found.load;
    assert_eq!((load.intended, load.measured_intended, load.measured_sent), (3000, 2500, 2500));
    assert!((found.measured_seconds() - 2.5).abs() < 1e-9, "{}", found.measured_seconds());
    assert!((load.offered_rate - 1000.0).abs() < 1e-6 && (load.sent_rate - 1000.0).abs() < 1e-6);
    assert!(load.open > 0, "{load:?}");
    assert_eq!(load.intended, load.acked + load.refused + load.unsent + load.unconfirmed + load.open);
    let group = &found.groups[0];
    assert_eq!(group.expected, group.delivered + group.lost);
    // Killed in the drain, a second short of what the phase had: the phase ends where its data ends.
    let mut lines = journal(&record, &seconds[..4]);
    lines.push(Line::Phase(record.phase(PhaseName::Measure).unwrap().clone()));
    let found = recover(lines, &[]).unwrap();
    assert!((found.measured_seconds() - 3.5).abs() < 1e-9, "{}", found.measured_seconds());
    assert!((found.load.sent_rate - 1000.0).abs() < 1e-6, "{}", found.load.sent_rate);
    // A damaged line takes its second out of the events and out of the time.
    let mut lines = journal(&record, &seconds[..4]);
    lines.remove(4);
    let found = recover(lines, &[5]).unwrap();
    assert!((found.load.sent_rate - 1000.0).abs() < 1e-6, "{}", found.load.sent_rate);
    assert!(found.run.reason.as_ref().unwrap().contains("left out: line 5"), "{:?}", found.run.reason);
}

#[test]
fn a_log_says_where_it_lacks_what_the_record_has() {
    let (record, _, seconds) = simulate_with_seconds(&base(1), &Faults::demo().into(), 1).expect("simulates");
    let part = log(&record, &seconds[1..]);
    let shown = seconds[1].measured.unwrap().sent;
    assert!(part.contains(&format!("#[send_lag: {shown} events here, 2000 in the record]")), "{part}");
    // An earlier version reported whole seconds, so that events could not be told apart.
    let before: Vec<Rows> = seconds.into_iter().map(|rows| Rows { measured: None, ..rows }).collect();
    assert!(log(&record, &before).contains("#[From the journal of an earlier version"));
}
