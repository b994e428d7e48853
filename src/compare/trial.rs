//! Extracts from a record what a comparison uses, and decides which pairs count.

use std::collections::BTreeMap;

use super::contrast::Contrast;
use super::load::Load;
use super::metrics::Measured;
use super::steady::steady;
use super::{Ledger, METRICS, Outcome, Pair, Trial};
use super::{faults, groups};
use crate::num;
use crate::record::{End, Group, Record};

/// Points of a percentile curve.
const POINTS: u32 = 64;

impl Trial {
    /// A run with a record.
    #[must_use]
    pub fn of(folder: &str, record: &Record) -> Self {
        let (outcome, reason) = outcome(record);
        let mut figures = BTreeMap::new();
        let mut missing = BTreeMap::new();
        for metric in &METRICS {
            match (metric.of)(record) {
                Ok(figure) => {
                    figures.insert(metric.name.to_owned(), figure);
                }
                Err(why) => {
                    missing.insert(metric.name.to_owned(), why);
                }
            }
        }
        Self {
            folder: folder.to_owned(),
            run: record.run.id.clone(),
            outcome,
            end: Some(record.run.end),
            reason,
            verdict: Some(record.verdict),
            load: Load::of(record),
            ledger: Ledger::of(record),
            figures,
            missing,
            groups: groups::figures(record),
            faults: faults::figures(record),
            curve: curve(record),
            steady: steady(&record.timeline),
            send_lag_p99_ns: record.load.send_lag.p99_ns,
            hiccup_p99_9_ns: record.health.hiccups.p99_9_ns,
        }
    }

    /// A run that did not start its load.
    #[must_use]
    pub fn failed(folder: &str, why: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            outcome: Outcome::Failed,
            reason: Some(why.to_owned()),
            ..Self::default()
        }
    }
}

impl Ledger {
    /// The ledger of a run; undelivered events count as lost only if it completed with all workers alive.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let sum = |of: fn(&Group) -> u64| record.groups.iter().map(of).sum::<u64>();
        let undelivered = sum(|g| g.lost);
        let claimed = record.run.end == End::Completed && record.health.dead_workers.is_empty();
        Self {
            lost: if claimed { undelivered } else { 0 },
            open: sum(|g| g.pending) + if claimed { 0 } else { undelivered },
            corrupt: sum(|g| g.corrupt),
            duplicate: sum(|g| g.duplicate),
            reordered: sum(|g| g.reordered),
            expected: if claimed { sum(|g| g.expected) } else { 0 },
            delivered: sum(|g| g.delivered),
        }
    }
}

/// Is the run a measurement: completed, on a machine that was fit?
#[must_use]
pub fn is_measured(record: &Record) -> bool {
    outcome(record).0 == Outcome::Measured
}

fn outcome(record: &Record) -> (Outcome, Option<String>) {
    let reason = || record.run.reason.clone();
    match record.run.end {
        End::Completed if record.health.valid => (Outcome::Measured, None),
        End::Completed => (Outcome::Unfit, record.health.reasons.first().map(|r| r.seen.clone())),
        End::Interrupted => (Outcome::Failed, reason().or_else(|| Some("it was interrupted".into()))),
        End::BrokerFailed => (Outcome::Failed, reason().or_else(|| Some("the broker failed".into()))),
        End::HarnessFailed => {
            (Outcome::Failed, reason().or_else(|| Some("a part of tickgate failed".into())))
        }
        End::Recovered => {
            (Outcome::Failed, Some("it was killed; its record was rebuilt from the journal".into()))
        }
    }
}

/// Why a pair is left out of all ratios: a pair counts only if both runs are measurements.
///
/// A stored comparison is checked against this text ([`super::contradiction`]), so it must not change within a version of
/// the rules.
pub(super) fn exclusion(pair: &Pair, contrast: Contrast) -> Option<String> {
    let why = |name: &str, trial: &Trial| {
        let what = match trial.outcome {
            Outcome::Measured => return None,
            Outcome::Unfit => "was unfit to measure",
            Outcome::Failed => "failed",
            Outcome::NotRun => return Some(format!("{name} did not run")),
        };
        Some(format!("{name} {what}: {}", trial.reason.as_deref().unwrap_or("no reason is known")))
    };
    let [a, b] = contrast.letters();
    let both: Vec<String> = why(a, &pair.a).into_iter().chain(why(b, &pair.b)).collect();
    (!both.is_empty()).then(|| both.join("; "))
}

/// End-to-end latency of the slowest group by percentile of the due events. The curve ends where a group has no more
/// times, since events that never arrived rank after all others.
fn curve(record: &Record) -> Vec<(f64, u64)> {
    let groups: Option<Vec<Measured>> = record
        .groups
        .iter()
        .filter(|group| group.measured_intended > 0)
        .map(|group| Measured::of(&group.latency, group.measured_intended))
        .collect();
    let Some(groups) = groups else { return vec![] };
    let Some(fewest) = groups.iter().map(Measured::due).min() else { return vec![] };
    let end = num::f64_of(fewest).log10().max(0.31);
    let at = |nines: f64| {
        let quantile = 1.0 - 10_f64.powf(-nines);
        groups.iter().map(|measured| measured.at(quantile)).reduce(|a, b| Some(a?.max(b?)))?
    };
    let points = (0..=POINTS).map(|point| f64::from(point) / f64::from(POINTS) * end);
    points.map_while(|nines| Some((nines, at(nines)?))).collect()
}
