//! What one run shows about its cell.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::design::{Next, Planned};
use super::promise::{Pledge, pledge};
use crate::compare::Ledger;
use crate::num;
use crate::plan::choices;
use crate::record::{End, Fault, Injection, Record, Recovered, UNAUDITED};

/// One run of a cell: a line of `trials.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// Its number, from 1, in the order of the runs.
    pub number: u32,
    /// Its round, from 1.
    pub round: u32,
    /// Name of the configuration.
    pub configuration: String,
    /// Name of the fault.
    pub fault: String,
    /// Its folder; empty if there is none.
    pub folder: String,
    /// Id of the run.
    pub run: String,
    /// Was the cell tested?
    pub outcome: Outcome,
    /// Why it was not, or what is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Was the machine fit to measure? If not, times may be too long.
    pub fit: bool,
    /// Product and version of the bus.
    pub product: String,
    /// What an acknowledgement means.
    pub durability: String,
    /// What it promises about the fault.
    pub pledge: Pledge,
    /// The nodes or members that were hit.
    pub hit: Vec<String>,
    /// Events of the schedule.
    pub due: u64,
    /// Confirmed.
    pub acked: u64,
    /// Refused for good.
    pub refused: u64,
    /// Sent and not answered.
    pub unconfirmed: u64,
    /// Confirmed events that are gone: missing in the store, or never delivered to a group. Absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// Extra copies in the store, or, without an audit, delivered ones; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<u64>,
    /// How long nothing was confirmed in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable_ns: Option<u64>,
    /// The longest stretch of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_ns: Option<u64>,
    /// Was all normal again before it had to be? Absent without a fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Recovered>,
    /// From the start of the fault until all was normal again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_ns: Option<u64>,
}

/// What became of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The fault was injected and the run was completed.
    Tested,
    /// The fault was not injected.
    NotInjected,
    /// The run ended early: the broker or tickgate failed.
    #[default]
    Failed,
}

choices! {
    Outcome: Tested, NotInjected, Failed;
}

/// The cell of a run, and the run's place.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Number and round.
    pub next: Next,
    /// The cell.
    pub cell: &'a Planned,
    /// The run's folder.
    pub folder: &'a str,
}

impl Trial {
    /// A run with a record.
    #[must_use]
    pub fn of(subject: Subject<'_>, record: &Record) -> Self {
        let (outcome, failed) = outcome(record);
        let (lost, unknown) = lost(record);
        let injected = &record.faults.injected;
        let effects = || injected.iter().filter_map(|fault| fault.effect.as_ref());
        let availability = &record.faults.availability;
        // Without a fault, or an objective on it, the availability is not recorded.
        let whole = (injected.is_empty() && availability.within_ns > 0).then_some(&availability.publishing);
        let unavailable = num::sum(effects().map(|effect| effect.publishing.unavailable_ns));
        let measured = effects().next().is_some();
        let recovered = effects().map(|effect| effect.recovered).reduce(worse);
        let recovery = effects().filter_map(|effect| effect.recovery_ns).max();
        Self {
            run: record.run.id.clone(),
            outcome,
            reason: failed.or(unknown),
            fit: record.health.valid,
            product: format!("{} {}", record.broker.product, record.broker.version),
            durability: record.broker.durability.clone(),
            pledge: pledge(&record.broker.durability, &record.plan),
            hit: injected.iter().flat_map(|fault| fault.resolved.clone()).collect(),
            due: record.load.intended,
            acked: record.load.acked,
            refused: record.load.refused,
            unconfirmed: record.load.unconfirmed,
            lost,
            duplicates: duplicates(record),
            unavailable_ns: whole.map(|of| of.unavailable_ns).or_else(|| measured.then_some(unavailable)),
            longest_ns: effects()
                .map(|effect| effect.publishing.longest_ns)
                .max()
                .or_else(|| whole.map(|of| of.longest_ns)),
            recovery_ns: recovery.filter(|_| recovered == Some(Recovered::Yes)),
            recovered,
            ..Self::named(subject)
        }
    }

    /// A run that did not start its load.
    #[must_use]
    pub fn failed(subject: Subject<'_>, why: &str) -> Self {
        Self { reason: Some(why.to_owned()), ..Self::named(subject) }
    }

    fn named(Subject { next, cell, folder }: Subject<'_>) -> Self {
        Self {
            number: next.number,
            round: next.round,
            configuration: cell.configuration.clone(),
            fault: cell.fault.clone(),
            folder: folder.to_owned(),
            ..Self::default()
        }
    }
}

/// The worse of two.
const fn worse(one: Recovered, other: Recovered) -> Recovered {
    match (one, other) {
        (Recovered::No, _) | (_, Recovered::No) => Recovered::No,
        (Recovered::Unknown, _) | (_, Recovered::Unknown) => Recovered::Unknown,
        (Recovered::Yes, Recovered::Yes) => Recovered::Yes,
    }
}

/// What became of the run, and why it was not tested.
fn outcome(record: &Record) -> (Outcome, Option<String>) {
    let why = |fault: &Fault| {
        let reason = fault.reason.as_deref().unwrap_or("no reason is known");
        format!("fault {}: {reason}", fault.name)
    };
    let is =
        |of: &[Injection]| record.faults.injected.iter().find(|fault| of.contains(&fault.outcome)).map(why);
    let unset = record.faults.injected.is_empty() && !record.plan.faults.is_empty();
    let ended = record.run.reason.clone().unwrap_or_else(|| format!("the run ended as {}", record.run.end));
    let failed = (record.run.end != End::Completed).then_some(ended);
    if let Some(why) = is(&[Injection::Failed, Injection::NotUndone]) {
        return (Outcome::Failed, Some(why));
    }
    if let Some(why) = is(&[Injection::Skipped]) {
        return (Outcome::NotInjected, Some(why));
    }
    match failed {
        Some(why) => (Outcome::Failed, Some(why)),
        None if unset => (Outcome::NotInjected, Some("the run has recorded no fault".to_owned())),
        None => match is(&[Injection::Dropped]) {
            Some(why) => (Outcome::NotInjected, Some(why)),
            None => (Outcome::Tested, None),
        },
    }
}

/// The confirmed events that are gone, or why that is not known.
fn lost(record: &Record) -> (Option<u64>, Option<String>) {
    let dead = !record.health.dead_workers.is_empty();
    let undelivered = record.groups.iter().map(|group| group.lost).max().unwrap_or(0);
    let claimed = record.run.end == End::Completed && !dead;
    let Some(audit) = &record.audit else {
        if let Some(mark) = record.marks.iter().find(|mark| mark.kind == UNAUDITED) {
            return (None, Some(format!("the store was not read back: {}", mark.detail)));
        }
        if record.plan.bus.audit {
            return (None, Some("the store was not read back".to_owned()));
        }
        return if claimed && record.groups.iter().all(|group| group.pending == 0) {
            (Some(undelivered), None)
        } else {
            (None, Some("the run did not end in order, and its store was not read back".to_owned()))
        };
    };
    if !audit.settles_loss() {
        let why = audit.why_unread().unwrap_or_else(|| "the store was not read to its end".to_owned());
        return (None, Some(why));
    }
    (Some(if claimed { audit.missing.max(undelivered) } else { audit.missing }), None)
}

/// Extra copies.
fn duplicates(record: &Record) -> Option<u64> {
    match &record.audit {
        Some(audit) => audit.complete.then_some(audit.stored_twice),
        None => (record.run.end == End::Completed).then(|| Ledger::of(record).duplicate),
    }
}
