//! Objectives on a part of the measure phase that the plan's faults make: judged as by a run that measures this part alone.
//!
//! A fault that did not happen as planned leaves what is timed relative to it inconclusive; ledgers stand.

use std::borrow::Cow;

use super::observe::Observed;
use super::validity::Unfit;
use super::{compare, number, steps};
use crate::num::{self, show};
use crate::plan::{Metric, Objective, Recovery, Unavailable, When};
use crate::record::{
    Availability, Effect, End, Fault, Injection, Outage, Record, Recovered, Step, StepGroup,
};

/// Rule of an objective that is timed relative to a fault that was begun or undone off its plan.
pub const FAULT_LATE: &str = "fault-late";

/// The record as that of a run whose measure phase is the objective's part of it.
pub(super) fn view<'a>(record: &'a Record, objective: &Objective) -> Cow<'a, Record> {
    if !is_of_figures(objective) {
        return Cow::Borrowed(record);
    }
    let scope = record.faults.scope(&objective.scope.when.to_string());
    let nothing =
        || Step { groups: record.groups.iter().map(|_| StepGroup::default()).collect(), ..Step::default() };
    let figures = scope.map_or_else(nothing, |scope| scope.figures.clone());
    let mut view = Record { steps: Vec::new(), ..record.clone() };
    steps::narrow(&mut view, record, &figures);
    // Whether the load was offered is known of the whole phase.
    view.load.least_offered.clone_from(&record.load.least_offered);
    Cow::Owned(view)
}

/// Is it about figures of a part of the phase? A recovery, and what came again after a crash, are figures of the faults.
fn is_of_figures(objective: &Objective) -> bool {
    let of_faults = matches!(objective.metric, Metric::Recovery(_)) || objective.metric.of_takeovers();
    objective.scope.when != When::Whole && !of_faults
}

/// The names of the faults that an objective is timed relative to.
fn concerned<'a>(record: &'a Record, objective: &'a Objective) -> impl Iterator<Item = &'a str> {
    let of_recovery = matches!(objective.metric, Metric::Recovery(_));
    let planned = record.plan.faults.iter().map(|fault| fault.name.as_str());
    planned.filter(move |name| match &objective.scope.when {
        When::Whole => of_recovery,
        When::Before => false,
        When::During | When::Recovery | When::After => true,
        When::Fault(wanted) => wanted == name,
    })
}

pub(super) fn injected<'a>(record: &'a Record, name: &str) -> Option<&'a Fault> {
    record.faults.injected.iter().find(|fault| fault.name == name)
}

/// Why an objective cannot be judged that depends on the faults of the plan.
pub(super) fn unjudged(record: &Record, objective: &Objective) -> Option<Unfit> {
    let when = &objective.scope.when;
    let of_recovery = matches!(objective.metric, Metric::Recovery(_));
    if (*when == When::Whole && !of_recovery) || objective.metric.of_takeovers() {
        return None;
    }
    if record.run.end == End::Recovered {
        return Some(super::cut_short(record));
    }
    if objective.scope.windows || !objective.metric.of_a_part(when) {
        return Some(Unfit::new(
            "no-data",
            format!("{} has no figure within a part of the measure phase", objective.metric),
            "judge it over the whole measure phase",
        ));
    }
    let off_plan = concerned(record, objective).find_map(|name| off_plan(record, name));
    off_plan.or_else(|| if of_recovery { unseen(record, objective) } else { empty(record, when) })
}

/// Why a fault did not happen as planned.
pub(super) fn off_plan(record: &Record, name: &str) -> Option<Unfit> {
    let fault = injected(record, name);
    let (rule, what) = match fault.map_or(Injection::Dropped, |fault| fault.outcome) {
        Injection::Done => return None,
        Injection::Late => (FAULT_LATE, "was begun or undone more than 250 ms off its plan"),
        Injection::Skipped => ("fault-skipped", "was not injected"),
        Injection::Failed => ("fault-failed", "failed halfway"),
        Injection::NotUndone => ("fault-not-undone", "was not undone"),
        Injection::Dropped => ("fault-dropped", "was not injected: the run ended before its time"),
    };
    let why =
        fault.and_then(|fault| fault.reason.as_ref()).map_or_else(String::new, |why| format!(": {why}"));
    Some(Unfit::new(
        rule,
        format!("the fault `{name}` {what}{why}"),
        "see the marks for what kept it from its plan, then run again",
    ))
}

/// A part of the measure phase that the run did not reach, or in which nothing was due.
fn empty(record: &Record, when: &When) -> Option<Unfit> {
    let seen = match record.faults.scope(&when.to_string()) {
        Some(scope) if scope.figures.due > 0 => return None,
        Some(_) => format!("no event was due in `{when}`"),
        None if record.run.end != End::Completed => return Some(super::cut_short(record)),
        None => format!("no part of the measure phase is `{when}`"),
    };
    Some(Unfit::new(
        "no-data",
        seen,
        "move the faults, or give load.duration more, so that such a part is measured",
    ))
}

/// A recovery that was observed for too short a time; one that did not happen is a miss all the same.
fn unseen(record: &Record, objective: &Objective) -> Option<Unfit> {
    let effects = || concerned(record, objective).map(|name| (name, effect(record, name)));
    if effects().any(|(_, effect)| effect.is_some_and(|effect| effect.recovered == Recovered::No)) {
        return None;
    }
    let unknown =
        |effect: Option<&Effect>| effect.is_none_or(|effect| effect.recovered == Recovered::Unknown);
    let (name, effect) = effects().find(|(_, effect)| unknown(*effect))?;
    let observed = effect.map_or(0, |effect| effect.observed_ns);
    Some(Unfit::new(
        "recovery-unseen",
        format!(
            "all must be normal for 5 s: of the fault `{name}` only {} were observed, and the last 5 s of them were not",
            show::time(observed)
        ),
        "leave at least 5 s between `settle` and the next fault or the end of load.duration",
    ))
}

fn effect<'a>(record: &'a Record, name: &str) -> Option<&'a Effect> {
    injected(record, name)?.felt()
}

/// How long the bus was unavailable, in the objective's part of the phase.
pub(super) fn unavailable(
    record: &Record,
    objective: &Objective,
    unavailable: Unavailable,
) -> Option<Observed> {
    let when = &objective.scope.when;
    let of_scope = || record.faults.scope(&when.to_string()).map(|scope| &scope.availability);
    let whole = Some(&record.faults.availability);
    let availability: &Availability = if *when == When::Whole { whole } else { of_scope() }?;
    let (outage, due): (&Outage, u64) = match &objective.scope.group {
        None => (&availability.publishing, record.load.measured_intended),
        Some(name) => {
            let outage = availability.groups.iter().find(|group| group.name == *name)?;
            let group = record.groups.iter().find(|group| group.name == *name)?;
            (&outage.outage, group.measured_intended)
        }
    };
    let ns = match unavailable {
        Unavailable::Time => outage.unavailable_ns,
        Unavailable::Longest => outage.longest_ns,
    };
    let counted = availability.within_ns > 0 && due > 0;
    counted.then(|| of_time(objective, show::time(ns), num::f64_of(ns), due))
}

/// The longest recovery of the objective's faults.
pub(super) fn recovery(record: &Record, objective: &Objective, recovery: Recovery) -> Option<Observed> {
    let effects: Vec<&Effect> =
        concerned(record, objective).filter_map(|name| effect(record, name)).collect();
    let due = num::sum(effects.iter().map(|effect| effect.due));
    let never = effects.iter().filter(|effect| effect.recovered == Recovered::No);
    if let Some(longest) = never.map(|effect| effect.observed_ns).max() {
        let text = format!("> {}", show::time(longest));
        return Some(of_time(objective, text, f64::INFINITY, due));
    }
    let times = effects.iter().filter_map(|effect| match recovery {
        Recovery::Time => effect.recovery_ns,
        Recovery::AfterUndo => effect.after_undo_ns,
    });
    let longest = times.max()?;
    Some(of_time(objective, show::time(longest), num::f64_of(longest), due))
}

fn of_time(objective: &Objective, text: String, value: f64, samples: u64) -> Observed {
    let holds = compare(value, objective.op, number(objective.limit));
    Observed { text, value, samples, holds, counts: None }
}
