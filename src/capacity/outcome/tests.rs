//! Each row of the table of outcomes, and its borders.

use super::*;
use crate::bus::sim::{Delay, Faults};
use crate::capacity::Stage;
use crate::plan::{Plan, Rate, Spacing, grammar};
use crate::record::{Machine, Mark};
use crate::run::simulated::{Scenario, simulate};
use crate::selftest::swarm;
use crate::verdict::judged;

const TRIAL: Next =
    Next { number: 7, stage: Stage::Narrow, rate: 1000.0, seed: 3, cool_down: Span::seconds(2) };

/// 1000 events/s for six seconds.
fn plan(objectives: &[(&str, &str)]) -> Plan {
    let mut plan = swarm::base(1);
    (plan.load.warmup, plan.load.duration) = (Span::seconds(1), Span::seconds(6));
    plan.objectives = objectives.iter().map(|(name, limit)| grammar::parse(name, limit).unwrap()).collect();
    plan
}

fn simulated(plan: &Plan, faults: Faults) -> Record {
    simulate(plan, &Scenario::from(faults), 1).unwrap().0
}

/// A run that passes, on a machine of two cores of which tickgate and the broker use half a core.
fn good() -> Record {
    let mut record =
        simulated(&plan(&[("latency.p99", "< 100ms"), ("delivery.lost", "== 0")]), Faults::default());
    record.health.machine = Some(Machine {
        usable_cores: 2.0,
        busy_cores: 0.5,
        others_cores: Some(0.0),
        broker_here: true,
        ..Machine::default()
    });
    judged(record)
}

/// What a changed record shows.
fn seen(change: impl Fn(&mut Record)) -> Trial {
    let mut record = good();
    change(&mut record);
    Trial::of(&TRIAL, "t", &judged(record), Span::seconds(9))
}

fn outcome(change: impl Fn(&mut Record)) -> (Outcome, Option<Limit>) {
    let trial = seen(change);
    assert_eq!(trial.reason.is_none(), trial.outcome == Outcome::Passed, "{trial:?}");
    assert!(trial.reason.as_ref().is_none_or(|why| !why.ends_with('.')), "{trial:?}");
    (trial.outcome, trial.limit)
}

fn machine(record: &mut Record) -> &mut Machine {
    record.health.machine.as_mut().unwrap()
}

/// The harness paused for longer than a fifth of the limit.
fn unfit(record: &mut Record) {
    record.health.hiccups.p99_9_ns = 20_000_001;
}

/// Three in a hundred events are beyond the limit.
fn missed(record: &mut Record) {
    record.groups[0].latency.over_limit[0].above = 180;
}

/// The same, and lateness of the harness explains it.
fn inconclusive(record: &mut Record) {
    missed(record);
    record.groups[0].latency.over_limit[0].explained = 180;
}

#[test]
fn a_run_that_ended_early_is_named_by_how_it_ended() {
    let ended = |end: End| {
        move |record: &mut Record| {
            record.run.end = end;
            record.run.reason = Some("as it did.".to_owned());
        }
    };
    assert_eq!(outcome(ended(End::Interrupted)), (Outcome::Interrupted, None));
    assert_eq!(outcome(ended(End::Recovered)), (Outcome::Interrupted, None));
    assert_eq!(outcome(ended(End::BrokerFailed)), (Outcome::Died, Some(Limit::Bus)));
    assert_eq!(outcome(ended(End::HarnessFailed)), (Outcome::Unfit, None));
    for kind in [STORE_FULL, DENIED] {
        let of_the_environment = |record: &mut Record| {
            ended(End::BrokerFailed)(record);
            record.marks.push(Mark { at_ns: 1, kind: kind.to_owned(), detail: "no room".to_owned() });
        };
        assert_eq!(outcome(of_the_environment), (Outcome::Unfit, None), "{kind}");
    }
    let died = |record: &mut Record| record.health.dead_workers.push("generator 1".to_owned());
    assert_eq!(outcome(died), (Outcome::Unfit, None));
}

#[test]
fn a_run_that_others_disturbed_does_not_count_whether_or_not_it_passed() {
    let others = |cores: f64| move |record: &mut Record| machine(record).others_cores = Some(cores);
    assert_eq!(outcome(others(2.0)), (Outcome::Passed, None), "a fit run stands");
    let changes: [fn(&mut Record); 2] = [|_| (), missed];
    for change in changes {
        let disturbed = |cores: f64| {
            move |record: &mut Record| {
                change(record);
                unfit(record);
                others(cores)(record);
            }
        };
        assert_eq!(outcome(disturbed(0.2)), (Outcome::Disturbed, None));
        assert_ne!(outcome(disturbed(0.199)).0, Outcome::Disturbed);
    }
    let disturbed = seen(|record| {
        inconclusive(record);
        others(0.7)(record);
        machine(record).stolen_cores = 0.2;
    });
    assert_eq!(disturbed.outcome, Outcome::Disturbed);
    assert_eq!(
        disturbed.reason.as_deref(),
        Some("others used 0.7 of 2 usable cores, 0.20 of it taken by the hypervisor")
    );
}

#[test]
fn an_unfit_run_that_passes_has_passed() {
    assert_eq!(outcome(|_| ()), (Outcome::Passed, None));
    assert_eq!(outcome(unfit), (Outcome::Passed, None));
    let busy = |record: &mut Record| {
        unfit(record);
        machine(record).busy_cores = 2.0;
    };
    assert_eq!(outcome(busy), (Outcome::Passed, None));
}

#[test]
fn a_machine_that_is_used_up_did_not_pass() {
    let used = |cores: f64, change: fn(&mut Record)| {
        outcome(move |record| {
            change(record);
            machine(record).busy_cores = cores;
        })
    };
    assert_eq!(used(1.6, inconclusive), (Outcome::Saturated, Some(Limit::Machine)));
    assert_eq!(used(1.59, inconclusive), (Outcome::Unfit, None));
    // A miss that stands is one; the machine is what limited it.
    assert_eq!(used(1.6, missed), (Outcome::NotPassed, Some(Limit::Machine)));
    assert_eq!(used(1.59, missed), (Outcome::NotPassed, Some(Limit::Bus)));
    let both = |record: &mut Record| {
        missed(record);
        unfit(record);
    };
    assert_eq!(used(1.6, both), (Outcome::Saturated, Some(Limit::Machine)));
    assert_eq!(used(1.59, both), (Outcome::NotPassed, Some(Limit::Bus)));
    let quota = |ns: u64| {
        outcome(move |record| {
            inconclusive(record);
            machine(record).throttled_ns = ns;
        })
    };
    assert_eq!(quota(60_000_001), (Outcome::Saturated, Some(Limit::Machine)), "1 % of six seconds");
    assert_eq!(quota(60_000_000), (Outcome::Unfit, None));
    let trial = seen(|record| {
        inconclusive(record);
        machine(record).busy_cores = 1.9;
    });
    let reason = trial.reason.unwrap();
    assert!(
        reason.starts_with("tickgate and the broker used 1.9 of 2.0 usable cores; latency.p99: "),
        "{reason}"
    );
}

#[test]
fn what_the_client_had_no_room_for_is_not_passed_and_the_window_may_be_why() {
    let unsent = |own: u64, full: Option<f64>| {
        outcome(move |record| {
            missed(record);
            (record.load.unsent, record.load.unsent_own, record.load.window_full) = (5, own, full);
        })
    };
    assert_eq!(unsent(0, None), (Outcome::Saturated, Some(Limit::Bus)));
    assert_eq!(unsent(0, Some(0.49)), (Outcome::Saturated, Some(Limit::Bus)));
    assert_eq!(unsent(0, Some(0.5)), (Outcome::Saturated, Some(Limit::Window)));
    assert_eq!(
        unsent(5, Some(0.5)),
        (Outcome::NotPassed, Some(Limit::Window)),
        "of a generator that was late"
    );
    let passed = |record: &mut Record| record.load.unsent = 5;
    assert_eq!(outcome(passed), (Outcome::Passed, None), "the objectives allow it");
}

#[test]
fn a_thread_at_its_limit_says_nothing_about_the_bus() {
    let thread = |cores: f64, busy: f64, change: fn(&mut Record)| {
        outcome(move |record| {
            change(record);
            let busiest = Thread { name: "generator-0".to_owned(), cores };
            (machine(record).busiest_thread, machine(record).busy_cores) = (Some(busiest), busy);
        })
    };
    assert_eq!(thread(0.9, 1.0, missed), (Outcome::Client, Some(Limit::Client)));
    assert_eq!(thread(0.89, 1.0, missed), (Outcome::NotPassed, Some(Limit::Bus)));
    assert_eq!(thread(0.95, 1.6, missed), (Outcome::Saturated, Some(Limit::Machine)));
    assert_eq!(thread(0.95, 1.0, |_| ()), (Outcome::Passed, None));
    let unsent = |record: &mut Record| {
        missed(record);
        record.load.unsent = 5;
    };
    assert_eq!(thread(0.9, 1.0, unsent), (Outcome::Client, Some(Limit::Client)));
}

#[test]
fn what_cannot_be_judged_for_another_reason_is_unfit() {
    let clock = |record: &mut Record| record.health.clock_error_ns = 10_000_001;
    assert_eq!(outcome(clock), (Outcome::Unfit, None));
    assert_eq!(outcome(inconclusive), (Outcome::Unfit, None));
}

#[test]
fn a_quantile_with_too_few_events_is_not_shown_to_pass() {
    let few = simulated(&plan(&[("latency.p99.99", "< 100ms")]), Faults::default());
    assert_eq!(few.verdict, Verdict::Inconclusive);
    let trial = Trial::of(&TRIAL, "", &few, Span::seconds(9));
    assert_eq!(trial.outcome, Outcome::NotPassed);
    assert!(trial.reason.unwrap().starts_with("not shown to pass: latency.p99.99: 6000 events"));
    let also_late = |record: &mut Record| {
        inconclusive(record);
        record.plan.objectives.push(grammar::parse("ack.p99.99", "< 100ms").unwrap());
    };
    assert_eq!(outcome(also_late), (Outcome::Unfit, None));
}

#[test]
fn the_rate_that_a_cluster_allows_is_a_limit_of_the_bus() {
    let held = |record: &mut Record| {
        missed(record);
        let at_ns = record.phase(PhaseName::Measure).unwrap().start_ns;
        let mark = |kind: &str, at_ns| Mark { at_ns, kind: kind.to_owned(), detail: String::new() };
        record.marks.push(mark("producer-throttled", at_ns));
        record.marks.push(mark("producer-released", at_ns + 1_000_000_000));
    };
    assert_eq!(outcome(held), (Outcome::NotPassed, Some(Limit::Bus)));
    let reason = seen(held).reason.unwrap();
    assert!(reason.contains("quota held the producer back"), "{reason}");
}

#[test]
fn without_figures_of_the_cores_the_limit_is_not_known() {
    let unseen = |record: &mut Record| {
        missed(record);
        machine(record).others_cores = None;
    };
    assert_eq!(outcome(unseen), (Outcome::NotPassed, Some(Limit::Unknown)));
    let nothing = |record: &mut Record| {
        missed(record);
        record.health.machine = None;
    };
    assert_eq!(outcome(nothing), (Outcome::NotPassed, Some(Limit::Unknown)));
}

#[test]
fn a_load_that_ended_early_says_why() {
    let trial = seen(|record| {
        missed(record);
        let detail = "latency.p99: 120 of 6,000 events are beyond 100ms".to_owned();
        record.marks.push(Mark { at_ns: 5, kind: CURTAILED.to_owned(), detail });
    });
    assert_eq!((trial.outcome, trial.curtailed), (Outcome::NotPassed, true));
    assert_eq!(trial.reason.as_deref(), Some("latency.p99: 120 of 6,000 events are beyond 100ms"));
}

/// A bus that serves an event in a millisecond, at a constant rate.
fn served(rate: f64) -> Record {
    let mut plan = plan(&[("latency.p99", "< 100ms")]);
    plan.load.rate = Rate::per_second(rate);
    plan.load.spacing = Spacing::Constant;
    (plan.load.warmup, plan.load.duration) = (Span::seconds(2), Span::seconds(5));
    simulated(&plan, Faults { service: Delay::Fixed(1_000_000), ..Faults::default() })
}

#[test]
fn a_queue_that_grows_is_not_carried() {
    // A run of seven seconds passes up to 1,014/s, by the formula of `plan`.
    for (rate, verdict, expected) in [
        (900.0, Verdict::Pass, Outcome::Passed),
        (999.0, Verdict::Pass, Outcome::Passed),
        (1005.0, Verdict::Pass, Outcome::NotPassed),
        (1013.0, Verdict::Pass, Outcome::NotPassed),
        (1020.0, Verdict::Fail, Outcome::NotPassed),
    ] {
        let record = served(rate);
        let trial = Trial::of(&TRIAL, "", &record, Span::seconds(9));
        assert_eq!((record.verdict, trial.outcome), (verdict, expected), "{rate}: {:?}", trial.reason);
    }
    let reason = Trial::of(&TRIAL, "", &served(1010.0), Span::seconds(9)).reason;
    assert_eq!(reason.as_deref(), Some("the queue still grew by 10 events/s"));
}

#[test]
fn latency_that_rises_without_a_queue_is_no_growth_and_four_seconds_do_not_show_one() {
    let rising = |seconds: usize, queue: u64| {
        outcome(move |record| {
            let measured = record.timeline.iter_mut().filter(|row| row.phase == PhaseName::Measure);
            for (at, row) in (1..).zip(measured) {
                row.groups[0].latency.p50_ns = 1_000_000 * at;
                row.in_flight = queue * at;
                if num::index(at) > seconds {
                    row.phase = PhaseName::Drain;
                }
            }
        })
    };
    assert_eq!(rising(6, 10).0, Outcome::NotPassed);
    assert_eq!(rising(5, 10).0, Outcome::NotPassed);
    assert_eq!(rising(4, 10).0, Outcome::Passed);
    assert_eq!(rising(6, 0).0, Outcome::Passed);
    assert_eq!(rising(6, 1).0, Outcome::NotPassed, "1/s of 1,000/s");
}

#[test]
fn the_figures_are_those_of_the_record() {
    let trial = seen(|record| {
        record.load.window_full = Some(0.25);
        record.resources.disk_busy = Some(0.5);
        record.resources.memory_used = Some(0.75);
        record.groups[0].duplicate = 2;
    });
    assert_eq!(
        (trial.number, trial.stage, trial.folder.as_str(), trial.took),
        (7, Stage::Narrow, "t", Span::seconds(9))
    );
    let figures = trial.figures.unwrap();
    assert_eq!((figures.intended, figures.ledger.duplicate, figures.ledger.lost), (6000, 2, 0));
    assert_eq!(
        (figures.window_full, figures.disk_busy, figures.memory_used),
        (Some(0.25), Some(0.5), Some(0.75))
    );
    assert!((figures.seconds - 6.0).abs() < 1e-9 && (figures.offered - 1000.0).abs() < 1e-9, "{figures:?}");
    assert_eq!((figures.usable_cores, figures.others_cores), (Some(2.0), Some(0.0)));
    let broken = Trial::broken(&TRIAL, "t", "no such server.", Span::seconds(1));
    assert_eq!((broken.outcome, broken.reason.as_deref()), (Outcome::Broken, Some("no such server")));
    assert_eq!(broken.figures, None);
    assert_eq!(Trial::interrupted(&TRIAL, Span::seconds(1)).outcome, Outcome::Interrupted);
}
