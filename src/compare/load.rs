//! The load of a measure phase: events due, and events carried by the bus.
//!
//! An event is carried if it was confirmed and delivered to every group that subscribes to its topic (without groups: if it
//! was confirmed). An event that was unsent, refused, not confirmed, lost or still held by the broker is not carried.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Design, Interval, Pair, Trial};
use crate::num;
use crate::record::Record;
use crate::stats;

/// The load of measure phases, summed over runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Load {
    /// Events of the schedule.
    pub due: u64,
    /// Of these: carried. With several groups, the one that misses most counts: a record has only counts per group, not
    /// whether two groups miss the same events.
    pub carried: u64,
    /// Deliveries due: each event, for each group that subscribes to its topic.
    pub deliveries: u64,
    /// Of the due events: confirmed.
    pub confirmed: u64,
    /// Confirmed events of the whole runs, warm-up included: the events in the store.
    pub confirmed_in_all: u64,
    /// Length of the measure phases.
    pub seconds: f64,
}

impl Load {
    /// The load of a run; `None` if it has no measure phase.
    pub(super) fn of(record: &Record) -> Option<Self> {
        let load = &record.load;
        let seconds = record.measured_seconds();
        if load.measured_intended == 0 || seconds <= 0.0 {
            return None;
        }
        let undelivered = record.groups.iter().map(|g| g.measured_intended.saturating_sub(g.latency.count));
        let unconfirmed = load.measured_intended.saturating_sub(load.measured_acked);
        let missing = undelivered.chain([unconfirmed]).max().unwrap_or(0);
        Some(Self {
            due: load.measured_intended,
            carried: load.measured_intended.saturating_sub(missing),
            deliveries: record.groups.iter().map(|g| g.measured_intended).sum(),
            confirmed: load.measured_acked,
            confirmed_in_all: load.acked,
            seconds,
        })
    }

    /// The sum over runs; `None` if there are none.
    pub(super) fn sum(all: impl Iterator<Item = Self>) -> Option<Self> {
        all.reduce(|a, b| Self {
            due: a.due + b.due,
            carried: a.carried + b.carried,
            deliveries: a.deliveries + b.deliveries,
            confirmed: a.confirmed + b.confirmed,
            confirmed_in_all: a.confirmed_in_all + b.confirmed_in_all,
            seconds: a.seconds + b.seconds,
        })
    }

    /// Carried share of the due events, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        num::share(self.carried, self.due)
    }

    /// Events due per second.
    #[must_use]
    pub fn offered_rate(&self) -> f64 {
        num::f64_of(self.due) / self.seconds
    }

    /// Events carried per second.
    #[must_use]
    pub fn carried_rate(&self) -> f64 {
        num::f64_of(self.carried) / self.seconds
    }

    /// Deliveries due per second.
    pub(super) fn delivery_rate(&self) -> f64 {
        num::f64_of(self.deliveries) / self.seconds
    }
}

/// The loads (A, B) of the pairs that count.
pub(super) fn of_pairs(pairs: &[Pair]) -> Vec<(Load, Load)> {
    let counted = pairs.iter().filter(|pair| pair.excluded.is_none());
    counted.filter_map(|pair| Some((pair.a.load?, pair.b.load?))).collect()
}

/// The median ratio B / A of the events carried a second in the pairs that count, and its confidence interval at 1 − α.
#[must_use]
pub fn carried_ratio(design: &Design, pairs: &[Pair]) -> Option<(f64, Option<Interval>)> {
    let ratios = of_pairs(pairs).into_iter().map(|(a, b)| b.carried_rate() / a.carried_rate());
    let logs: Vec<f64> = ratios.map(f64::ln).filter(|log| log.is_finite()).collect();
    let interval = stats::interval(&logs, 1.0 - design.alpha);
    let interval = interval.map(|(low, high)| Interval { low: low.exp(), high: high.exp() });
    Some((stats::hodges_lehmann(&logs)?.exp(), interval))
}

/// The load of a side over the pairs that count.
pub(super) fn of_side(pairs: &[Pair], of: fn(&Pair) -> &Trial) -> Option<Load> {
    Load::sum(pairs.iter().filter(|pair| pair.excluded.is_none()).filter_map(|pair| of(pair).load))
}
