//! Tests of objectives on parts of the measure phase.

use super::*;
use crate::plan::{self, Recovery, Stat, Unavailable, When};
use crate::record::{Availability, Effect, Fault, Injection, Outage, Recovered, ScopeFigures, StepGroup};

const SECOND: u64 = 1_000_000_000;

/// A fault of the plan at 2 s for 2 s, to be settled 3 s later.
pub(super) fn planned(name: &str) -> plan::Fault {
    plan::Fault {
        name: name.into(),
        at: Span::seconds(2),
        action: plan::Action::Kill,
        target: None,
        between: None,
        length: Span::seconds(2),
        settle: Span::seconds(3),
        how: None,
        way: None,
        delay: None,
        jitter: None,
        rate: None,
        poison: None,
        expect: plan::Expect::Service,
    }
}

fn effect_of(recovered: Recovered, ns: u64) -> Effect {
    let known = (recovered == Recovered::Yes).then_some(ns);
    Effect {
        due: 1000,
        recovered,
        recovery_ns: known,
        after_undo_ns: known.map(|ns| ns.saturating_sub(2 * SECOND)),
        observed_ns: ns,
        ..Effect::default()
    }
}

/// A record with a fault, and with the figures of its `during` and `after`: 90 and 100 of 100 events confirmed.
fn with_fault() -> Record {
    let mut record = good(&[("delivery.lost", "== 0"), ("latency.p99", "< 100ms")]);
    record.plan.faults = vec![planned("leader")];
    let figures = |acked: u64| Step {
        until_ns: 2 * SECOND,
        planned_rate: 50.0,
        due: 100,
        sent: 100,
        acked,
        groups: record.groups.iter().map(|_| StepGroup::default()).collect(),
        ..Step::default()
    };
    let scope = |name: &str, acked, unavailable_ns| ScopeFigures {
        name: name.into(),
        availability: Availability {
            within_ns: 1,
            publishing: Outage { unavailable_ns, longest_ns: unavailable_ns / 2 },
            groups: Vec::new(),
        },
        figures: figures(acked),
        ..ScopeFigures::default()
    };
    record.faults.scopes = vec![scope("during", 90, 200_000_000), scope("after", 100, 0)];
    record.faults.injected = vec![Fault {
        name: "leader".into(),
        outcome: Injection::Done,
        effect: Some(effect_of(Recovered::Yes, 3 * SECOND)),
        ..Fault::default()
    }];
    record
}

fn of(when: When, metric: Metric, op: Op, limit: Value) -> Objective {
    let scope = plan::Scope { when, ..plan::Scope::default() };
    Objective { scope, metric, op, limit, share: 1.0 }
}

fn acked(when: When, share: f64) -> Objective {
    of(when, Metric::Throughput(Throughput::Acked), Op::AtLeast, Value::OfOffered(share))
}

fn below(when: When, metric: Metric, ms: u64) -> Objective {
    of(when, metric, Op::Below, Value::Time(Span::millis(ms)))
}

#[test]
fn a_throughput_is_relative_to_what_was_due_in_its_part() {
    let record = with_fault();
    let verdict = |objective: &Objective| judge(&record, objective).verdict;
    assert_eq!(verdict(&acked(When::During, 0.9)), Verdict::Pass);
    assert_eq!(verdict(&acked(When::During, 0.91)), Verdict::Fail);
    assert_eq!(verdict(&acked(When::After, 1.0)), Verdict::Pass);
    let explained = explanation(&record, &acked(When::During, 0.91)).unwrap();
    assert!(explained.seen.contains("45"), "{}", explained.seen);
}

#[test]
fn unavailable_time_is_that_of_its_part() {
    let record = with_fault();
    let judged = |when, unavailable, ms| judge(&record, &below(when, Metric::Unavailable(unavailable), ms));
    assert_eq!(judged(When::During, Unavailable::Time, 201).verdict, Verdict::Pass);
    assert_eq!(judged(When::During, Unavailable::Time, 200).verdict, Verdict::Fail);
    assert_eq!(judged(When::During, Unavailable::Longest, 101).verdict, Verdict::Pass);
    assert_eq!(judged(When::After, Unavailable::Time, 1).observed.as_deref(), Some(show::time(0).as_str()));
    let whole = judged(When::Whole, Unavailable::Time, 1);
    assert_eq!(whole.verdict, Verdict::Inconclusive, "not counted in this record");
}

#[test]
fn an_empty_part_is_inconclusive_and_says_why() {
    let mut record = with_fault();
    record.faults.scopes.pop();
    let judged = judge(&record, &acked(When::After, 1.0));
    assert_eq!(judged.verdict, Verdict::Inconclusive);
    assert_eq!(judged.reason.as_deref(), Some("no part of the measure phase is `after`"));
    record.faults.scopes[0].figures.due = 0;
    let judged = judge(&record, &acked(When::During, 1.0));
    assert_eq!(judged.reason.as_deref(), Some("no event was due in `during`"));
}

#[test]
fn a_fault_off_its_plan_leaves_what_is_timed_by_it_inconclusive() {
    let outcomes =
        [Injection::Late, Injection::Skipped, Injection::Failed, Injection::NotUndone, Injection::Dropped];
    for outcome in outcomes {
        let mut record = with_fault();
        record.faults.injected[0].outcome = outcome;
        record.faults.injected[0].reason = Some("why".into());
        let recovery = below(When::Whole, Metric::Recovery(Recovery::Time), 1);
        for objective in [acked(When::During, 1.0), acked(When::After, 1.0), recovery] {
            let judged = judge(&record, &objective);
            assert_eq!(judged.verdict, Verdict::Inconclusive, "{outcome:?}");
            let reason = judged.reason.unwrap();
            assert!(reason.starts_with("the fault `leader` ") && reason.ends_with(": why"), "{reason}");
        }
        let whole = |record: &Record| assess(record).objectives;
        assert_eq!(whole(&record), whole(&with_fault()), "ledgers and the whole phase stand");
    }
    let mut none = with_fault();
    none.faults.injected.clear();
    assert_eq!(judge(&none, &acked(When::During, 1.0)).verdict, Verdict::Inconclusive);
}

#[test]
fn a_recovery_is_the_longest_and_one_that_did_not_happen_is_a_miss() {
    let mut record = with_fault();
    record.plan.faults.push(planned("other"));
    let second = |recovered, ns| Fault {
        name: "other".into(),
        outcome: Injection::Done,
        effect: Some(effect_of(recovered, ns)),
        ..Fault::default()
    };
    record.faults.injected.push(second(Recovered::Yes, 4 * SECOND));
    let judged = |record: &Record, when: When, recovery, ms| {
        let judged = judge(record, &below(when, Metric::Recovery(recovery), ms));
        (judged.verdict, judged.observed.unwrap_or_default())
    };
    let seconds = |s: u64| show::time(s * SECOND);
    let time = Recovery::Time;
    assert_eq!(judged(&record, When::Whole, time, 4001), (Verdict::Pass, seconds(4)));
    assert_eq!(judged(&record, When::Whole, time, 4000), (Verdict::Fail, seconds(4)));
    assert_eq!(judged(&record, When::Fault("leader".into()), time, 3001), (Verdict::Pass, seconds(3)));
    assert_eq!(judged(&record, When::Whole, Recovery::AfterUndo, 2001), (Verdict::Pass, seconds(2)));
    record.faults.injected[1] = second(Recovered::No, 5 * SECOND);
    let never = (Verdict::Fail, format!("> {}", seconds(5)));
    assert_eq!(judged(&record, When::Whole, time, 3_600_000), never, "whatever the limit");
    let text = explanation(&record, &below(When::Whole, Metric::Recovery(time), 1)).unwrap().seen;
    assert!(text.starts_with(&format!("> {} observed", seconds(5))), "{text}");
    record.faults.injected[1] = second(Recovered::Unknown, 5 * SECOND);
    assert_eq!(judged(&record, When::Whole, time, 3_600_000).0, Verdict::Inconclusive);
    assert_eq!(judged(&record, When::Fault("leader".into()), time, 3001).0, Verdict::Pass);
}

#[test]
fn ledgers_have_no_figure_within_a_part() {
    let mut objective = grammar::parse("delivery.lost", "== 0").unwrap();
    objective.scope.when = When::During;
    assert_eq!(judge(&with_fault(), &objective).verdict, Verdict::Inconclusive);
    let windows = plan::Scope { when: When::After, windows: true, ..plan::Scope::default() };
    let metric = Metric::Time(Timing::Latency, Stat::Max);
    let objective = Objective { scope: windows, ..below(When::After, metric, 1) };
    assert_eq!(judge(&with_fault(), &objective).verdict, Verdict::Inconclusive);
}
