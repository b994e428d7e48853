//! A rise over a run is detected; noise, a fault and the first quarter are not mistaken for one.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use tickgate::plan::{Resource, grammar};
use tickgate::record::{Fault, Record, Verdict};
use tickgate::verdict::{drift, judged};

use crate::support::records::{Recipe, of};

/// Ten minutes, with the objectives of a soak.
fn soak() -> Record {
    let mut record = of(&Recipe {
        name: "soak",
        seconds: 600,
        events_a_second: 100,
        objectives: vec![("latency.p99", "< 100ms")],
        ..Recipe::default()
    });
    record.plan.load.duration.ns = 590_000_000_000;
    record.plan.objectives = ["drift.latency", "drift.broker_memory", "drift.harness_memory"]
        .map(|name| grammar::parse(name, "<= 20%").unwrap())
        .to_vec();
    record
}

/// The memory of tickgate in each second, by its number.
fn with_memory(mut record: Record, of: impl Fn(u64) -> u64) -> Record {
    for (at, row) in (0..).zip(&mut record.timeline) {
        row.harness_memory_bytes = of(at);
    }
    judged(record)
}

fn verdict(record: &Record, name: &str) -> (Verdict, Option<String>) {
    let found = record.objectives.iter().find(|objective| objective.name == name).unwrap();
    (found.verdict, found.observed.clone())
}

#[test]
fn a_rise_that_goes_on_is_missed_and_noise_is_not() {
    let noise = |at: u64| at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44;
    let level = with_memory(soak(), |at| 50_000_000 + noise(at));
    assert_eq!(verdict(&level, "drift.harness_memory"), (Verdict::Pass, Some("0%".to_owned())));
    // 14 of the 15 last twentieths, at 0.1 % a second: 413 s of 590.
    let rising = with_memory(soak(), |at| 50_000_000 + 50_000 * at + noise(at));
    let (missed, observed) = verdict(&rising, "drift.harness_memory");
    assert_eq!(missed, Verdict::Fail, "{observed:?}");
    let found = drift::of(&rising, Resource::HarnessMemoryDrift).unwrap();
    assert!((0.33..0.39).contains(&found.rise()) && found.windows == 15, "{found:?}");
}

#[test]
fn the_first_quarter_and_the_seconds_of_a_fault_are_no_drift() {
    let filling = with_memory(soak(), |at| if at < 140 { 1_000_000 + at * 300_000 } else { 43_000_000 });
    assert_eq!(verdict(&filling, "drift.harness_memory").0, Verdict::Pass);
    let mut struck = soak();
    let start = struck
        .phases
        .iter()
        .find(|phase| phase.name == tickgate::record::PhaseName::Measure)
        .unwrap()
        .start_ns;
    let second = 1_000_000_000;
    struck.faults.injected = vec![Fault {
        name: "late".into(),
        planned_ns: start + 300 * second,
        settled_ns: start + 600 * second,
        ..Fault::default()
    }];
    let from_row = struck.timeline.iter().position(|row| row.at_ns >= start + 300 * second).unwrap();
    let memory = |at: u64| {
        if at < u64::try_from(from_row).unwrap() { 50_000_000 } else { 50_000_000 + at * 1_000_000 }
    };
    let struck = with_memory(struck, memory);
    assert_eq!(drift::of(&struck, Resource::HarnessMemoryDrift), None, "six windows are left, too few");
    assert_eq!(verdict(&struck, "drift.harness_memory").0, Verdict::Inconclusive);
}
