//! A run that is ended since it cannot pass any more would not have passed.

#![expect(clippy::expect_used, reason = "tests")]

use proptest::prelude::*;

use tickgate::bus::sim::{Delay, Fault, Faults, Hits, Mishap, Truth};
use tickgate::plan::{Plan, Rate, Spacing, Span, grammar};
use tickgate::record::{self, CURTAILED, End, PhaseName, Record, Verdict};
use tickgate::run::simulated::{Scenario, simulate};
use tickgate::selftest::{oracle, swarm};

/// A bus that serves an event in a millisecond, and a load of two and five seconds.
fn plan(rate: f64, objectives: &[(&str, &str)]) -> Plan {
    let mut plan = swarm::base(1);
    plan.load.rate = Rate::per_second(rate);
    plan.load.spacing = Spacing::Poisson;
    (plan.load.warmup, plan.load.duration, plan.load.drain) =
        (Span::seconds(2), Span::seconds(5), Span::seconds(20));
    plan.objectives =
        objectives.iter().map(|(name, limit)| grammar::parse(name, limit).expect("an objective")).collect();
    plan
}

fn served(faults: Faults) -> Faults {
    Faults { service: Delay::Fixed(1_000_000), ..faults }
}

fn run(plan: &Plan, scenario: &Scenario, curtail: bool) -> (Record, Truth) {
    simulate(plan, &Scenario { curtail, ..scenario.clone() }, 7).expect("a run")
}

/// The first wrong figure. The oracle takes the end of the measure phase for its planned end, by which events count as delivered
/// in time and steps end.
fn wrong(record: &Record, truth: &Truth) -> Option<String> {
    let planned = |found: &String| {
        found.contains("measured_in_time")
            || found.contains("throughput.delivered")
            || found.starts_with("step")
    };
    oracle::differences(record, truth).into_iter().find(|found| !planned(found))
}

fn mark(record: &Record) -> Option<&record::Mark> {
    record.marks.iter().find(|mark| mark.kind == CURTAILED)
}

#[test]
fn an_overload_ends_early_with_a_verdict_and_only_what_was_due() {
    let plan = plan(2000.0, &[("latency.p99", "< 100ms"), ("delivery.lost", "== 0")]);
    let scenario = Scenario::from(served(Faults::default()));
    let (whole, _) = run(&plan, &scenario, false);
    let (record, truth) = run(&plan, &scenario, true);
    assert_eq!((whole.verdict, mark(&whole)), (Verdict::Fail, None));
    assert_eq!((record.verdict, record.run.end), (Verdict::Fail, End::Completed));
    let mark = mark(&record).unwrap();
    assert!(
        mark.detail.starts_with("latency.p99: ") && mark.detail.contains("of the 10,000 planned ones"),
        "{mark:?}"
    );
    assert_eq!(
        record.run.reason,
        Some(format!("ended early, since it could not pass any more: {}", mark.detail))
    );
    let measure = record.phase(PhaseName::Measure).unwrap();
    assert_eq!((measure.end_ns - measure.start_ns, mark.at_ns), (1_000_000_000, measure.end_ns));
    let last = |record: &Record| record.phases.last().unwrap().end_ns;
    assert!(last(&record) + 8_000_000_000 < last(&whole), "{:?} {:?}", record.phases, whole.phases);
    // About 2,000 events of the one second that was measured, and none unsent.
    let load = &record.load;
    assert!((1900..2100).contains(&load.measured_intended), "{load:?}");
    assert_eq!((load.unsent, record.groups[0].lost), (0, 0));
    assert_eq!(record.timeline.iter().filter(|row| row.phase == PhaseName::Measure).count(), 1);
    assert_eq!(wrong(&record, &truth), None);
}

#[test]
fn a_load_that_is_carried_runs_to_its_end() {
    let plan = plan(500.0, &[("latency.p99", "< 100ms"), ("delivery.duplicate", "== 0")]);
    let scenario = Scenario::from(served(Faults::default()));
    let (whole, curtailed) = (run(&plan, &scenario, false).0, run(&plan, &scenario, true).0);
    assert_eq!((curtailed.verdict, mark(&curtailed)), (Verdict::Pass, None));
    assert_eq!(whole, curtailed);
}

#[test]
fn a_fault_that_the_objectives_do_not_allow_ends_the_load() {
    let twice = Mishap { fault: Fault::StoredTwice(1000), hits: Hits::Share(0.01) };
    let plan = plan(500.0, &[("latency.p99", "< 100ms"), ("delivery.duplicate", "== 0")]);
    let scenario = Scenario::from(Faults { mishaps: vec![twice], ..Faults::default() });
    let (record, _) = run(&plan, &scenario, true);
    assert_eq!(record.verdict, Verdict::Fail);
    assert!(mark(&record).unwrap().detail.starts_with("delivery.duplicate: "), "{:?}", record.marks);
    // The warm-up had some already, but a run has figures.
    assert!(record.measured_seconds() >= 1.0 && record.load.measured_intended > 400);
}

#[test]
fn the_share_of_the_time_in_which_the_window_was_full_is_known() {
    let full = |rate: f64, window: u32, curtail: bool| {
        let mut plan = plan(rate, &[("latency.p99", "< 100ms")]);
        (plan.load.spacing, plan.bus.window) = (Spacing::Constant, window);
        run(&plan, &Scenario::from(served(Faults::default())), curtail).0.load.window_full.unwrap()
    };
    // One event at a time for one of every two milliseconds.
    assert!((full(500.0, 1, false) - 0.5).abs() < 0.001, "{}", full(500.0, 1, false));
    assert!(full(500.0, 2, false) < 1e-9);
    assert!(full(2000.0, 10, false) > 0.99);
    assert!(full(2000.0, 10, true) > 0.99, "of the second that was measured");
    // It is full from 1,000 events on, of which one more comes in each millisecond.
    let grows = full(2000.0, 3000, false);
    assert!((0.75..0.85).contains(&grows), "{grows}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_run_that_would_pass_is_ended(
        rate in 700.0_f64..1500.0, limit in 2_u32..200, quantile in prop::sample::select(&["p50", "p99", "p99.9", "max"][..]),
        generators in 1_u32..4, window in 1_u32..3000, poisson in any::<bool>(),
    ) {
        let mut plan = plan(rate, &[(&format!("latency.{quantile}"), &format!("< {limit}ms")), ("publish.unsent", "== 0")]);
        plan.load.generators = generators;
        plan.load.spacing = if poisson { Spacing::Poisson } else { Spacing::Constant };
        (plan.bus.window, plan.bus.buffer) = (window, 200);
        let scenario = Scenario::from(served(Faults::default()));
        let (whole, curtailed) = (run(&plan, &scenario, false).0, run(&plan, &scenario, true).0);
        if mark(&curtailed).is_some() {
            prop_assert_eq!((whole.verdict, curtailed.verdict), (Verdict::Fail, Verdict::Fail));
            prop_assert!(curtailed.measured_seconds() <= whole.measured_seconds());
        } else {
            prop_assert_eq!(whole, curtailed);
        }
    }
}

#[test]
fn drawn_runs_that_are_ended_would_not_have_passed() {
    let mut ended = 0;
    for seed in 0..200 {
        let (plan, scenario) = swarm::draw(seed);
        let of = |curtail| simulate(&plan, &Scenario { curtail, ..scenario.clone() }, seed).unwrap();
        let (curtailed, truth) = of(true);
        if mark(&curtailed).is_none() {
            continue;
        }
        ended += 1;
        let whole = of(false).0;
        assert_ne!(whole.verdict, Verdict::Pass, "seed {seed}: {:?}", mark(&curtailed));
        assert_ne!(curtailed.verdict, Verdict::Pass, "seed {seed}");
        assert_eq!(wrong(&curtailed, &truth), None, "seed {seed}");
    }
    assert!(ended > 20, "{ended}");
}
