//! From the record of a run to a trial: what came of it, and what limited it, by recorded evidence alone.
//!
//! A run whose verdict is `pass` has passed, whatever the machine did: lateness of the harness only makes figures worse. A run
//! that others disturbed so far that it is unfit or inconclusive does not count, whether it passed or not, so that the choice
//! does not depend on the result.

use super::account::Resource;
use super::search::Next;
use super::trial::{Figures, Limit, Outcome, Trial};
use crate::compare::{self, Drift, Ledger};
use crate::num::{self, show};
use crate::plan::{Arrival, Span};
use crate::record::{CURTAILED, DENIED, End, PhaseName, Record, STORE_FULL, Thread, Verdict};
use crate::stats;
use crate::verdict::{QUOTA, TOO_FEW, is_throttled, others, others_are_material, unknown};

/// Fewest measured seconds that show whether a queue grows.
const SECONDS: usize = 5;
/// A queue counts as growing if it grows by this share of the offered events.
const GROWTH: f64 = 0.001;

impl Trial {
    /// A trial whose load began.
    #[must_use]
    pub fn of(next: &Next, folder: &str, record: &Record, took: Span) -> Self {
        let Finding { outcome, limit, reason } = finding(record);
        Self {
            folder: folder.to_owned(),
            run: record.run.id.clone(),
            outcome,
            limit,
            reason,
            curtailed: curtailed(record).is_some(),
            figures: Some(Figures::of(record)),
            ..Self::begun(next, took)
        }
    }

    /// A trial whose load did not begin.
    #[must_use]
    pub fn broken(next: &Next, folder: &str, why: &str, took: Span) -> Self {
        let reason = Some(sentence(why));
        Self { folder: folder.to_owned(), outcome: Outcome::Broken, reason, ..Self::begun(next, took) }
    }

    /// A trial that the user ended, without a record.
    #[must_use]
    pub fn interrupted(next: &Next, took: Span) -> Self {
        let reason = Some("it was interrupted".to_owned());
        Self { outcome: Outcome::Interrupted, reason, ..Self::begun(next, took) }
    }

    fn begun(next: &Next, took: Span) -> Self {
        Self {
            number: next.number,
            stage: next.stage,
            rate: next.rate,
            seed: next.seed,
            took,
            ..Self::default()
        }
    }
}

impl Figures {
    /// The figures of a run.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let load = &record.load;
        let figure = |name: &str| compare::named(name).and_then(|metric| metric.figure(record));
        let whole = |name: &str| figure(name).map(num::u64_of);
        let machine = record.health.machine.as_ref();
        let stored = record.resources.stored().zip(record.resources.store_events);
        Self {
            seconds: record.measured_seconds(),
            intended: load.measured_intended,
            offered: load.offered_rate,
            achieved: load.acked_rate,
            p50_ns: whole("latency.p50"),
            p99_ns: whole("latency.p99"),
            p99_9_ns: whole("latency.p99.9"),
            broker_cores: figure("broker.cpu"),
            broker_memory_bytes: whole("broker.memory"),
            harness_cores: figure("harness.cpu").filter(|_| !record.resources.harness.cpu_unknown),
            usable_cores: machine.map(|machine| machine.usable_cores),
            busy_cores: machine.map(|machine| machine.busy_cores),
            others_cores: machine.and_then(|machine| machine.others_cores),
            stolen_cores: machine.map(|machine| machine.stolen_cores),
            busiest_thread: machine.and_then(|machine| machine.busiest_thread.clone()),
            window_full: load.window_full,
            disk_busy: record.resources.disk_busy,
            memory_used: record.resources.memory_used,
            backlog_max: record.groups.iter().map(|group| group.backlog_max).max().unwrap_or(0),
            stored_bytes_per_event: stored
                .filter(|(_, events)| *events > 0)
                .map(|((bytes, _), events)| num::f64_of(bytes) / num::f64_of(events)),
            ledger: Ledger::of(record),
        }
    }
}

/// What a record shows.
#[derive(Debug, Clone, PartialEq)]
struct Finding {
    outcome: Outcome,
    limit: Option<Limit>,
    reason: Option<String>,
}

impl Finding {
    /// A run that says nothing about the bus.
    fn nothing(outcome: Outcome, reason: Option<String>) -> Self {
        Self { outcome, limit: None, reason: reason.map(|reason| sentence(&reason)) }
    }

    /// A run that did not pass.
    fn missed(outcome: Outcome, limit: Limit, reason: &str) -> Self {
        Self { outcome, limit: Some(limit), reason: Some(sentence(reason)) }
    }
}

/// A sentence without its full stop.
fn sentence(text: &str) -> String {
    text.trim_end().trim_end_matches('.').to_owned()
}

/// The first row of the table of outcomes that applies.
fn finding(record: &Record) -> Finding {
    let reason = || record.run.reason.clone();
    let marked = |kind: &str| record.marks.iter().find(|mark| mark.kind == kind);
    match record.run.end {
        End::Interrupted => Finding::nothing(Outcome::Interrupted, reason()),
        End::Recovered => Finding::nothing(Outcome::Interrupted, Some("tickgate was killed".to_owned())),
        End::BrokerFailed => {
            let why = |otherwise: &str| reason().unwrap_or_else(|| otherwise.to_owned());
            // The environment's doing, at whatever rate.
            let environment = marked(STORE_FULL).or_else(|| marked(DENIED));
            environment.map_or_else(
                || Finding::missed(Outcome::Died, Limit::Bus, &why("the broker failed")),
                |mark| Finding::nothing(Outcome::Unfit, Some(why(&mark.detail))),
            )
        }
        End::HarnessFailed => Finding::nothing(
            Outcome::Unfit,
            Some(reason().unwrap_or_else(|| "a part of tickgate failed".to_owned())),
        ),
        End::Completed => completed(record),
    }
}

fn completed(record: &Record) -> Finding {
    if let Some(worker) = record.health.dead_workers.first() {
        return Finding::nothing(Outcome::Unfit, Some(format!("{worker} ended early")));
    }
    let unknown = unknown(record);
    let unsure = !record.health.valid || record.verdict == Verdict::Inconclusive;
    if record.health.machine.as_ref().is_some_and(others_are_material)
        && unsure
        && !only(&unknown, &[TOO_FEW], record)
    {
        return Finding::nothing(Outcome::Disturbed, others(record));
    }
    if record.verdict == Verdict::Pass {
        return growing(record).map_or(
            Finding { outcome: Outcome::Passed, limit: None, reason: None },
            |growth| {
                let why = format!("the queue still grew by {} events/s", show::count(num::u64_of(growth)));
                Finding::missed(Outcome::NotPassed, limit(record), &why)
            },
        );
    }
    let why = why(record);
    if unsure && is_used_up(record) {
        let used = use_of_the_machine(record).unwrap_or_default();
        return Finding::missed(Outcome::Saturated, Limit::Machine, &format!("{used}; {why}"));
    }
    if let Some(thread) = busy_thread(record).filter(|_| !is_used_up(record)) {
        let what = format!("tickgate's thread {} used {:.2} of a core", thread.name, thread.cores);
        return Finding { limit: Some(Limit::Client), ..Finding::nothing(Outcome::Client, Some(what)) };
    }
    if record.load.unsent > record.load.unsent_own {
        return Finding::missed(Outcome::Saturated, limit(record), &why);
    }
    match record.verdict {
        Verdict::Fail => Finding::missed(Outcome::NotPassed, limit(record), &why),
        _ if only(&unknown, &[TOO_FEW], record) => {
            Finding::missed(Outcome::NotPassed, limit(record), &format!("not shown to pass: {why}"))
        }
        // The rate that the cluster allows a client is a limit of the bus.
        _ if only(&unknown, &[QUOTA, TOO_FEW], record) => {
            Finding::missed(Outcome::NotPassed, Limit::Bus, &why)
        }
        _ => Finding::nothing(Outcome::Unfit, Some(why)),
    }
}

/// Is the verdict inconclusive, and by these rules alone?
fn only(unknown: &[(String, crate::verdict::Unfit)], rules: &[&str], record: &Record) -> bool {
    record.verdict == Verdict::Inconclusive
        && !unknown.is_empty()
        && unknown.iter().all(|(_, unfit)| rules.contains(&unfit.rule))
}

/// Why a load was ended early, if it was.
fn curtailed(record: &Record) -> Option<&str> {
    record.marks.iter().find(|mark| mark.kind == CURTAILED).map(|mark| mark.detail.as_str())
}

/// The first objective with the run's verdict, and its reason; or why the load ended early.
fn why(record: &Record) -> String {
    if let Some(why) = curtailed(record) {
        return why.to_owned();
    }
    let worst = record.objectives.iter().find(|objective| objective.verdict == record.verdict);
    let of_health = || record.health.reasons.first().map(|reason| reason.seen.clone());
    worst
        .and_then(|objective| Some(format!("{}: {}", objective.name, objective.reason.as_ref()?)))
        .or_else(|| record.run.reason.clone())
        .or_else(of_health)
        .unwrap_or_else(|| "the run could not be judged".to_owned())
}

/// Cores that tickgate, the broker on this machine and the kernel on their behalf used; `None` where they cannot be
/// distinguished from those of others.
fn own_cores(record: &Record) -> Option<f64> {
    let machine = record.health.machine.as_ref()?;
    Some((machine.busy_cores - (machine.others_cores? - machine.stolen_cores)).max(0.0))
}

/// Did tickgate and the broker use the machine up, or what a CPU quota leaves of it?
fn is_used_up(record: &Record) -> bool {
    let Some(machine) = record.health.machine.as_ref() else { return false };
    let used =
        |own: f64| own >= Resource::Cpu.threshold() * machine.usable_cores && machine.usable_cores > 0.0;
    own_cores(record).is_some_and(used) || is_throttled(machine, record.measured_seconds())
}

fn use_of_the_machine(record: &Record) -> Option<String> {
    let machine = record.health.machine.as_ref()?;
    let whose = if machine.broker_here { "tickgate and the broker" } else { "tickgate" };
    let quota = if is_throttled(machine, record.measured_seconds()) {
        ", as far as a CPU quota let them"
    } else {
        ""
    };
    let own = own_cores(record).map_or_else(|| "all".to_owned(), |own| format!("{own:.1}"));
    Some(format!("{whose} used {own} of {:.1} usable cores{quota}", machine.usable_cores))
}

/// The busiest thread of tickgate, if it is at its limit.
fn busy_thread(record: &Record) -> Option<&Thread> {
    let busiest = record.health.machine.as_ref()?.busiest_thread.as_ref();
    busiest.filter(|thread| thread.cores >= Resource::Thread.threshold())
}

/// What limited a run that did not pass.
fn limit(record: &Record) -> Limit {
    if is_used_up(record) {
        Limit::Machine
    } else if record.load.window_full.is_some_and(|full| full >= Resource::Window.threshold()) {
        Limit::Window
    } else if busy_thread(record).is_some() {
        Limit::Client
    } else if own_cores(record).is_none() {
        Limit::Unknown
    } else {
        Limit::Bus
    }
}

/// By how many events/s the queue grew over the measure phase, if latency rose with it; `None` for a load whose rate changes by
/// itself.
fn growing(record: &Record) -> Option<f64> {
    if matches!(record.plan.load.arrival, Arrival::Ramp | Arrival::Steps | Arrival::Closed) {
        return None;
    }
    let drift = Drift::of(&record.timeline)?;
    let growth = growth(record)?;
    (drift.seconds >= SECONDS && drift.rises() && growth >= GROWTH * record.load.offered_rate)
        .then_some(growth)
}

/// Growth of the queue in events/s, between the medians of the halves of the measure phase: events without a confirmation, and
/// confirmed ones that the group with most of them has not received.
fn growth(record: &Record) -> Option<f64> {
    let measured = record.timeline.iter().filter(|row| row.phase == PhaseName::Measure);
    let queue: Vec<f64> = measured
        .map(|row| {
            let backlog = row.groups.iter().map(|group| group.backlog).max().unwrap_or(0);
            num::f64_of(row.in_flight.saturating_add(backlog))
        })
        .collect();
    let (first, second) = queue.split_at(queue.len() / 2);
    let apart = num::f64_of(num::count(queue.len())) / 2.0;
    Some((stats::median(second)? - stats::median(first)?) / apart)
}

#[cfg(test)]
mod tests;
