//! Every rule of validity: a simulated run with its cause, and the same run without it.

#![expect(clippy::expect_used, reason = "tests")]

use tickgate::bus::sim::{Death, Delay, Fault, Faults, Hits, Host, Stretch};
use tickgate::plan::{Plan, Rate, Span, grammar};
use tickgate::record::{End, Record, Verdict};
use tickgate::run::simulated::{Scenario, simulate};
use tickgate::selftest::swarm::base;
use tickgate::verdict::assess;

/// 2000/s for two seconds, held to 100 ms at p99 and to no loss.
fn plan() -> Plan {
    let mut plan = base(1);
    plan.load.rate = Rate::per_second(2000.0);
    plan.objectives =
        [("latency.p99", "< 100ms"), ("throughput.delivered", ">= 1k/s"), ("delivery.lost", "== 0")]
            .map(|(name, limit)| grammar::parse(name, limit).expect("an objective"))
            .into();
    plan
}

fn scenario() -> Scenario {
    Scenario::from(Faults { downlink: Delay::Fixed(2_000_000), ..Faults::default() })
}

fn record(plan: &Plan, scenario: &Scenario) -> Record {
    simulate(plan, scenario, 1).expect("simulates").0
}

fn rules(record: &Record) -> Vec<&str> {
    record.health.reasons.iter().map(|reason| reason.rule.as_str()).collect()
}

fn verdicts(record: &Record) -> Vec<Verdict> {
    record.objectives.iter().map(|objective| objective.verdict).collect()
}

fn stalled(from_ms: u64, length_ms: u64) -> Scenario {
    let stall = Stretch { from: from_ms * 1_000_000, length: length_ms * 1_000_000 };
    Scenario { host: Host { stalls: vec![stall], ..Host::default() }, ..scenario() }
}

#[test]
fn without_a_cause_no_rule_fires() {
    let record = record(&plan(), &scenario());
    assert_eq!((rules(&record), record.health.valid), (vec![], true));
    assert_eq!(record.verdict, Verdict::Pass);
}

/// The whole harness stalls: its figures show its own lateness, and no event is lost.
#[test]
fn a_harness_that_stood_still_is_unfit_and_loses_nothing() {
    let record = record(&plan(), &stalled(500, 300));
    assert_eq!(rules(&record), ["send-lag", "hiccups"]);
    // What lateness can only make worse and is met all the same is met; what it explains is not the bus's.
    assert_eq!(verdicts(&record), [Verdict::Inconclusive, Verdict::Pass, Verdict::Pass]);
    let reason = record.objectives[0].reason.clone().unwrap_or_default();
    assert!(reason.contains("own lateness explains it: send lag p99"), "{reason}");
    assert_eq!(record.groups[0].lost, 0);
}

#[test]
fn a_short_stall_of_the_harness_is_within_its_allowance() {
    assert_eq!(rules(&record(&plan(), &stalled(500, 9))), [""; 0]);
}

#[test]
fn a_stall_may_be_a_hiccup_without_making_the_generators_late() {
    // Less than 1 % of the events are late, but more than one wake-up in a thousand.
    let mut plan = plan();
    plan.load.duration = Span::seconds(10);
    assert_eq!(rules(&record(&plan, &stalled(500, 60))), ["hiccups"]);
}

#[test]
fn a_generator_that_ends_late_has_missed_its_rate() {
    // 1 % of 2 s.
    assert!(!rules(&record(&plan(), &stalled(1985, 34))).contains(&"rate-missed"));
    assert!(rules(&record(&plan(), &stalled(1985, 60))).contains(&"rate-missed"));
}

#[test]
fn a_time_beyond_the_histogram_is_an_overflow() {
    let hours = |hours: i64| Scenario {
        host: Host { clock_offset_ns: hours * 3_600_000_000_000, ..Host::default() },
        ..scenario()
    };
    assert_eq!(rules(&record(&plan(), &hours(2))), ["overflow"]);
    assert_eq!(rules(&record(&plan(), &hours(0))), [""; 0]);
}

#[test]
fn a_worker_that_died_makes_the_run_unfit() {
    let said = Scenario { dead_workers: vec!["the hiccup meter".into()], ..scenario() };
    let named = record(&plan(), &said);
    assert_eq!(rules(&named), ["worker-died"]);
    assert!(named.health.reasons[0].seen.contains("the hiccup meter"));
    // A member of a simulated bus that really dies.
    let mut dying = scenario();
    dying.faults.deaths.push(Death { group: 0, member: 0, at: 1_000_000_000 });
    let died = record(&plan(), &dying);
    assert!(rules(&died).contains(&"worker-died"));
    // The rest waits for a member: the bus is not blamed for it.
    assert!(died.groups[0].pending > 0);
    assert_eq!((died.groups[0].lost, verdicts(&died)), (0, vec![Verdict::Inconclusive; 3]));
}

#[test]
fn clocks_that_may_differ_by_over_a_tenth_of_the_limit_make_the_run_unfit() {
    let said = |clock_error_ns| record(&plan(), &Scenario { clock_error_ns, ..scenario() });
    assert_eq!(rules(&said(10_000_000)), [""; 0]);
    assert_eq!(rules(&said(10_000_001)), ["clock"]);
}

#[test]
fn a_quantile_without_its_samples_is_not_judged() {
    let judged = |rate: f64| {
        let mut plan = plan();
        plan.load.rate = Rate::per_second(rate);
        plan.objectives = vec![grammar::parse("latency.p99.9", "< 100ms").expect("an objective")];
        record(&plan, &scenario()).verdict
    };
    assert_eq!(judged(1497.0), Verdict::Inconclusive, "2,994 samples");
    assert_eq!(judged(1498.0), Verdict::Pass, "2,996 samples");
}

/// An event without an answer may be stored all the same, and come when the bus tries again: the drain waits for it.
#[test]
fn the_drain_waits_for_what_an_unanswered_event_may_still_become() {
    let some = Hits::Events { symbol: Some(1), from: 3, to: 5 };
    let faults = scenario().faults.with(Fault::AckLost, some).with(Fault::AttemptLost, some);
    let mut plan = plan();
    plan.bus.publish_timeout = Span::millis(50);
    plan.bus.nats.ack_wait = Span::seconds(4);
    plan.load.drain = Span::seconds(30);
    let late = record(&plan, &Scenario::from(faults.clone()));
    assert_eq!((late.load.unconfirmed, late.groups[0].recovered), (3, 3));
    // Within its deadline.
    plan.load.drain = Span::seconds(1);
    let early = record(&plan, &Scenario::from(faults));
    assert_eq!((early.load.unconfirmed, early.groups[0].recovered), (3, 0));
}

#[test]
fn a_run_without_deliveries_passes_nothing() {
    let everything = Hits::Events { symbol: None, from: 0, to: u32::MAX };
    let silent = Scenario::from(scenario().faults.with(Fault::Dropped, everything));
    let record = record(&plan(), &silent);
    assert_eq!(record.groups[0].delivered, 0);
    assert_eq!(verdicts(&record), [Verdict::Fail, Verdict::Fail, Verdict::Inconclusive]);
}

#[test]
fn a_run_that_was_cut_short_passes_nothing() {
    let mut record = record(&plan(), &scenario());
    for end in [End::Interrupted, End::BrokerFailed, End::HarnessFailed, End::Recovered] {
        record.run.end = end;
        assert_eq!(assess(&record).verdict, Verdict::Inconclusive, "{end:?}");
    }
}
