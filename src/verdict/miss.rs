//! Decides whether a miss is the bus's, and whether a figure within its limit is a pass.
//!
//! A miss stands if it is larger than the harness's own lateness and pauses explain, or if only tickgate and
//! the broker used up the machine. A miss explained by lateness, by others' use of the machine, or possibly by
//! a starved or dead part of the harness, is inconclusive.

use crate::measure::rank;
use crate::num::{self, show};
use crate::plan::{Metric, Ns, Objective, Op, Outcome, Stat, Throughput, Timing, Value};
use crate::record::{DENIED, End, Group, Mark, PhaseName, Record, SERVER_ERROR, Window};

use super::observe::{self, Counts, Observed};
use super::quota;
use super::validity::{self, Unfit};
use super::{compare, number, replays};

/// What could have shortened a figure that meets its limit.
pub(super) fn doubt(record: &Record, objective: &Objective) -> Option<Unfit> {
    if let Metric::Time(..) = objective.metric {
        let Value::Time(limit) = objective.limit else { return None };
        return validity::doubts(record).into_iter().next().or_else(|| validity::clock(record, limit.ns));
    }
    if let Metric::Unavailable(_) | Metric::Recovery(_) = objective.metric {
        return validity::doubts(record).into_iter().next();
    }
    validity::dead_workers(record).into_iter().next()
}

/// A dead part of the harness may have missed events, so that its counts may be incomplete.
pub(super) fn unseen(record: &Record, objective: &Objective) -> Option<Unfit> {
    let counted = matches!(objective.metric, Metric::Count(_));
    counted.then(|| validity::dead_workers(record).into_iter().next()).flatten()
}

/// Events that may still arrive and would otherwise be lost: a limit on losses holds only if it holds with
/// them.
pub(super) fn still_to_come(record: &Record, objective: &Objective, lost: f64) -> Option<Unfit> {
    if !matches!(objective.metric, Metric::Count(Outcome::Lost | Outcome::NotDelivered)) {
        return None;
    }
    let pending = num::sum(observe::groups(record, objective).map(|group| group.pending));
    if pending == 0 || compare(lost + num::f64_of(pending), objective.op, number(objective.limit)) {
        return None;
    }
    Some(to_come(record, pending))
}

/// The drain had no time for so many events.
fn to_come(record: &Record, pending: u64) -> Unfit {
    Unfit::new(
        "pending",
        format!(
            "{} still to come when the drain ended ({})",
            show::several(pending, "event"),
            record.plan.load.drain
        ),
        "give load.drain more: the time that the groups need, and above the broker's wait for an acknowledgement",
    )
}

/// A drain that is shorter than a limit on latency ends before all that could keep the limit has come: events that may
/// still be in time.
fn in_time_perhaps(record: &Record, objective: &Objective) -> u64 {
    let (Metric::Time(Timing::Latency, Stat::Quantile(_) | Stat::Max), Value::Time(limit)) =
        (objective.metric, objective.limit)
    else {
        return 0;
    };
    let open = |group: &Group| {
        let missing = group.measured_intended.saturating_sub(group.latency.count);
        (missing.min(group.pending), missing > 0 && group.latency.count == 0)
    };
    let parts: Vec<(u64, bool)> = observe::groups(record, objective).map(open).collect();
    // A group that received nothing has missed it, whatever is to come.
    if record.plan.load.drain >= limit || parts.iter().any(|(_, silent)| *silent) {
        return 0;
    }
    num::sum(parts.iter().map(|(open, _)| *open))
}

/// What the broker said beside the data while the load went on: an event that it concerned may be among those that count. What it
/// says of an injected fault is expected.
pub(super) fn said_beside(record: &Record) -> Option<Unfit> {
    let start = record.phase(PhaseName::Warmup)?.start_ns;
    let end = record.phase(PhaseName::Drain).map_or(Ns::MAX, |drain| drain.end_ns);
    let counts = |mark: &&Mark| (start..=end).contains(&mark.at_ns);
    let said = record.marks.iter().filter(counts);
    let said = said.clone().find(|m| m.kind == DENIED).or_else(|| {
        let mut errors = said;
        errors.find(|m| m.kind == SERVER_ERROR && !is_of_a_fault(record, m))
    })?;
    Some(Unfit::new(
        "server-error",
        format!("the broker said beside the data: {}", said.detail),
        "see the marks and the broker's log: remove the cause, then run again",
    ))
}

/// Does a mark belong to an injected fault, which may last until it is to be settled?
fn is_of_a_fault(record: &Record, mark: &Mark) -> bool {
    let mut injected = record.faults.injected.iter().filter(|fault| fault.begun_ns.is_some());
    injected.any(|fault| (fault.planned_ns..fault.settled_ns).contains(&mark.at_ns))
}

/// Why a miss may not be the bus's.
pub(super) fn excuse(record: &Record, objective: &Objective, observed: &Observed) -> Option<Unfit> {
    if let Some(quota) = quota::excuse(record, objective) {
        return Some(quota);
    }
    match objective.metric {
        Metric::Time(Timing::Latency | Timing::Ack, _) if !observe::upper(objective.op) => None,
        Metric::Time(Timing::Latency | Timing::Ack, _) => {
            time_doubt(record, objective).or_else(|| of_time(record, objective, observed))
        }
        // Judged on a fit run only, except for events that were never sent for reasons other than the bus.
        Metric::Time(..) => observed.counts.filter(|counts| counts.missing_own > 0).and_then(|counts| {
            let stands = counts.broken - counts.missing_own;
            (!breaks(objective, &counts, stands)).then(|| own_unsent(&counts))
        }),
        Metric::Throughput(throughput) => of_throughput(record, objective, observed, throughput),
        Metric::Count(Outcome::Backlog) | Metric::Unavailable(_) | Metric::Recovery(_) => {
            super::one_sided(objective).then(|| of_rate(record, objective)).flatten()
        }
        Metric::Count(
            Outcome::Lost
            | Outcome::NotDelivered
            | Outcome::NotStored
            | Outcome::Unconfirmed
            | Outcome::RedeliveredMissing
            | Outcome::Replayed,
        ) => validity::dead_workers(record).into_iter().next(),
        Metric::Count(Outcome::Unsent) => unsent(record, objective),
        Metric::Replay(figure) => replays::excuse(record, objective, figure),
        _ => None,
    }
}

/// A missed time is unknown, too, if a part of the harness died or the clocks disagree.
fn time_doubt(record: &Record, objective: &Objective) -> Option<Unfit> {
    let Value::Time(limit) = objective.limit else { return None };
    let dead = validity::dead_workers(record).into_iter().next();
    dead.or_else(|| validity::clock(record, limit.ns))
}

/// Is the objective missed with this number of exceedances?
fn breaks(objective: &Objective, counts: &Counts, broken: u64) -> bool {
    let allowed = |q: f64| match objective.op {
        Op::Below | Op::AtMost | Op::Equal => counts.due - rank(q, counts.due),
        Op::AtLeast | Op::Above => rank(q, counts.due) - 1,
    };
    match objective.metric {
        Metric::Time(_, Stat::Quantile(q)) => broken > allowed(q),
        // One is enough for the largest, and may be for the mean; the smallest is broken only by all.
        Metric::Time(_, Stat::Min) => broken >= counts.due,
        _ => broken > 0,
    }
}

fn of_time(record: &Record, objective: &Objective, observed: &Observed) -> Option<Unfit> {
    if let Some(starved) = validity::starved(record) {
        return Some(starved);
    }
    if objective.scope.windows {
        return of_windows(record, objective);
    }
    let counts = observed.counts?;
    // Events in flight when a run was cut short had no time to arrive.
    let cut = if record.run.end == End::Completed { counts.missing_own } else { counts.missing };
    let stands = counts.broken.saturating_sub(counts.explained).saturating_sub(cut);
    let open = in_time_perhaps(record, objective);
    if open > 0
        && breaks(objective, &counts, stands)
        && !breaks(objective, &counts, stands.saturating_sub(open))
    {
        return Some(to_come(record, open));
    }
    let mean = matches!(objective.metric, Metric::Time(_, Stat::Mean));
    let stands_still = if mean {
        mean_stands(record, objective, observed, stands)
    } else {
        breaks(objective, &counts, stands)
    };
    if stands_still || counts.silent && counts.missing_own == 0 && record.run.end == End::Completed {
        let here = record.health.machine.as_ref().is_some_and(|machine| machine.broker_here);
        let without_contended = stands.saturating_sub(counts.contended);
        let contended =
            here && counts.contended > 0 && !counts.silent && !breaks(objective, &counts, without_contended);
        return contended.then(|| disturbed(record, counts.contended, counts.broken)).flatten();
    }
    if cut > 0 && breaks(objective, &counts, stands + cut) {
        return Some(if record.run.end == End::Completed {
            own_unsent(&counts)
        } else {
            super::cut_short(record)
        });
    }
    if breaks(objective, &counts, stands + counts.saturated) {
        return None;
    }
    if counts.disturbed > 0
        && let Some(unfit) = disturbed(record, counts.disturbed, counts.broken)
    {
        return Some(unfit);
    }
    Some(validity::explained(record, objective))
}

/// Is a mean still missed after subtracting the mean lateness? Pauses are part of that as far as they delayed
/// sending.
fn mean_stands(record: &Record, objective: &Objective, observed: &Observed, stands: u64) -> bool {
    let lag = record.load.send_lag.mean_ns;
    let paused: u64 = record.timeline.iter().filter_map(|row| row.paused_ns).sum();
    if observed.value.is_infinite() {
        return stands > 0;
    }
    // A pause adds half its length on average to the events that arrive in it, so subtracting all of it from every
    // event is more than enough.
    let longest = if paused == 0 { 0.0 } else { num::f64_of(record.health.hiccups.max_ns) };
    !compare(observed.value - lag - longest, objective.op, number(objective.limit))
}

fn disturbed(record: &Record, in_seconds: u64, of: u64) -> Option<Unfit> {
    let events = format!(
        ", and {in_seconds} of the {of} events beyond the limit were due in seconds in which they used {} or more",
        show::percent(validity::OTHERS_SHARE)
    );
    validity::disturbed(record, &events)
}

fn own_unsent(counts: &Counts) -> Unfit {
    Unfit::new(
        "unsent-own",
        format!(
            "{} of {} due events were not sent, for reasons other than the bus: the generators fell behind, or the \
             client cannot send such an event",
            counts.missing_own, counts.due
        ),
        "lower load.rate, add generators, or give tickgate more cores",
    )
}

fn of_windows(record: &Record, objective: &Objective) -> Option<Unfit> {
    let Window { met, total, unsure, saturated, contended, .. } = *observe::window(record, objective)?;
    let reaches = |windows: u64| num::share(met + windows, total) >= objective.share;
    let own = num::sum(observe::groups(record, objective).map(|group| group.measured_unsent_own));
    let machine = record.health.machine.as_ref();
    if reaches(unsure) {
        if !reaches(unsure - saturated) {
            return None;
        }
        let others = machine.is_some_and(validity::others_are_material);
        return others
            .then(|| validity::disturbed(record, ""))
            .flatten()
            .or_else(|| Some(validity::explained(record, objective)));
    }
    if own > 0 {
        let due = num::sum(observe::groups(record, objective).map(|group| group.measured_intended));
        return Some(own_unsent(&Counts { due, missing_own: own, ..Counts::default() }));
    }
    if record.run.end != End::Completed {
        return Some(super::cut_short(record));
    }
    let here = machine.is_some_and(|machine| machine.broker_here);
    (here && reaches(unsure + contended)).then(|| validity::disturbed(record, "")).flatten()
}

/// A missed rate or backlog is explained by lateness if the run was not fit to hold it.
fn of_rate(record: &Record, objective: &Objective) -> Option<Unfit> {
    if let Some(starved) = validity::starved(record) {
        return Some(starved);
    }
    let unfit = validity::unfit(record, objective)?;
    let machine = record.health.machine.as_ref();
    if machine.is_some_and(validity::others_are_material)
        && let Some(disturbed) = validity::disturbed(record, "")
    {
        return Some(disturbed);
    }
    Some(unfit)
}

fn of_throughput(
    record: &Record,
    objective: &Objective,
    observed: &Observed,
    throughput: Throughput,
) -> Option<Unfit> {
    if !super::one_sided(objective) {
        return None;
    }
    if throughput == Throughput::Offered {
        // The number of slots follows from the schedule, which lateness does not change.
        return validity::dead_workers(record).into_iter().next();
    }
    let own = num::f64_of(record.load.measured_unsent_own);
    let seconds = record.measured_seconds();
    if own > 0.0
        && seconds > 0.0
        && compare(observed.value + own / seconds, objective.op, super::limit_value(record, objective))
    {
        let load = &record.load;
        let counts = Counts {
            due: load.measured_intended,
            missing_own: load.measured_unsent_own,
            ..Counts::default()
        };
        return Some(own_unsent(&counts));
    }
    of_rate(record, objective)
}

/// Unsent events count, but those of a generator that fell behind say nothing about the bus.
fn unsent(record: &Record, objective: &Objective) -> Option<Unfit> {
    let load = &record.load;
    let bus = num::f64_of(load.unsent.saturating_sub(load.unsent_own));
    if load.unsent_own > 0 && compare(bus, objective.op, number(objective.limit)) {
        let counts = Counts { due: load.intended, missing_own: load.unsent_own, ..Counts::default() };
        return Some(own_unsent(&counts));
    }
    validity::starved(record)
}

/// The cause of a miss that stands, if the record shows it.
pub(super) fn cause(record: &Record, objective: &Objective, observed: &Observed) -> Option<String> {
    let saturated = match (objective.scope.windows, observed.counts) {
        (true, _) => observe::window(record, objective).is_some_and(|window| window.saturated > 0),
        (false, Some(counts)) => counts.saturated > 0,
        (false, None) => false,
    };
    saturated.then(|| validity::saturated(record)).flatten()
}
