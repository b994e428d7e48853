//! Objectives on what came again after members crashed: exactly the events that they had left open? A crash without this figure
//! leaves them inconclusive.

use super::scopes::{injected, off_plan};
use super::validity::Unfit;
use crate::num;
use crate::plan::{Action, Objective, When};
use crate::record::{End, Injection, Record, Takeover};

/// Rule of an objective on what came again after a crash of which it is not known what it left open.
pub const TAKEOVER_UNKNOWN: &str = "takeover-unknown";

/// The names of the crashes that an objective is about.
fn concerned<'a>(record: &'a Record, objective: &'a Objective) -> impl Iterator<Item = &'a str> {
    let crashes = record.plan.faults.iter().filter(|fault| fault.action == Action::CrashMember);
    crashes.map(|fault| fault.name.as_str()).filter(move |name| match &objective.scope.when {
        When::Whole => true,
        When::Fault(wanted) => wanted == name,
        When::Before | When::During | When::Recovery | When::After => false,
    })
}

fn takeover<'a>(record: &'a Record, name: &str) -> Option<&'a Takeover> {
    injected(record, name)?.takeover.as_ref()
}

/// Why an objective cannot be judged that is about what came again.
pub(super) fn unjudged(record: &Record, objective: &Objective) -> Option<Unfit> {
    if !objective.metric.of_takeovers() {
        return None;
    }
    if record.run.end == End::Recovered {
        return Some(super::cut_short(record));
    }
    let unknown = concerned(record, objective).find(|name| takeover(record, name).is_none());
    if let Some(name) = unknown {
        // A crash at another time than planned leaves events open all the same.
        let late = injected(record, name).is_some_and(|fault| fault.outcome == Injection::Late);
        let off = if late { None } else { off_plan(record, name) };
        return Some(off.unwrap_or_else(|| {
            Unfit::new(
                TAKEOVER_UNKNOWN,
                format!("what the member left open at the fault `{name}` is not known"),
                "see the faults in the documentation for where it is known, and the marks for why it is not here",
            )
        }));
    }
    let none = taken(record, objective).all(|taken| taken.open == 0 && taken.unexpected == 0);
    none.then(|| {
        Unfit::new(
            "no-data",
            format!("no member left an event open, so nothing shows what {} is", objective.metric),
            "raise load.rate, or let acknowledgements wait for longer (`ack_linger`, `commit_interval`)",
        )
    })
}

fn taken<'a>(record: &'a Record, objective: &'a Objective) -> impl Iterator<Item = &'a Takeover> {
    concerned(record, objective).filter_map(|name| takeover(record, name))
}

/// Open events that did not come again, and how many were open.
pub(super) fn missing(record: &Record, objective: &Objective) -> Option<(u64, u64)> {
    counted(record, objective, |taken| [taken.missing, taken.open])
}

/// Events that came again without having been open, and how many came again.
pub(super) fn unexpected(record: &Record, objective: &Objective) -> Option<(u64, u64)> {
    counted(record, objective, |taken| [taken.unexpected, taken.redelivered.saturating_add(taken.unexpected)])
}

fn counted(record: &Record, objective: &Objective, of: fn(&Takeover) -> [u64; 2]) -> Option<(u64, u64)> {
    taken(record, objective).next()?;
    let [found, samples] =
        [0, 1].map(|which| num::sum(taken(record, objective).map(|taken| of(taken)[which])));
    Some((found, samples))
}
