//! One second of a run: the counts and times that a generator or a group collects in it.
//!
//! Intervals are added, never averaged.

use std::borrow::Cow;

use crate::measure::histogram::Latency;
use crate::measure::ledger::Fate;
use crate::num;
use crate::plan::Ns;

/// The limits with exact counters, in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// received − intended.
    pub latency: Vec<u64>,
    /// acked − intended.
    pub ack: Vec<u64>,
    /// acked − sent.
    pub service: Vec<u64>,
    /// sent − intended.
    pub send_lag: Vec<u64>,
}

/// Times of one interval, with those of the measure phase's events kept apart from the others: both occur in an
/// interval in which a phase ends, or in which events of the warm-up are late. One record for each event.
#[derive(Debug, Clone)]
pub struct Times {
    measured: Latency,
    /// Allocated with its first value: most intervals have none.
    others: Option<Box<Latency>>,
}

impl Times {
    /// No times, with exact counters around these limits, in nanoseconds.
    #[must_use]
    pub fn new(limits: &[u64]) -> Self {
        Self { measured: Latency::new(limits), others: None }
    }

    /// Counts the time from one moment to another; `measured` for an event of the measure phase.
    #[inline]
    pub fn record_between(&mut self, measured: bool, from: Ns, to: Ns) {
        let ns = num::difference(to, from);
        if measured {
            self.measured.record(ns);
        } else {
            self.others.get_or_insert_with(|| Box::new(self.measured.empty_like_this())).record(ns);
        }
    }

    /// The times of the measure phase's events.
    #[must_use]
    pub const fn measured(&self) -> &Latency {
        &self.measured
    }

    /// The times of all events.
    #[must_use]
    pub fn all(&self) -> Cow<'_, Latency> {
        let Some(others) = self.others.as_deref().filter(|others| others.count() > 0) else {
            return Cow::Borrowed(&self.measured);
        };
        let mut all = others.clone();
        all.merge(&self.measured);
        Cow::Owned(all)
    }

    /// Adds the times of another interval.
    pub fn merge(&mut self, other: &Self) {
        let Self { measured, others } = other;
        self.measured.merge(measured);
        if let Some(theirs) = others {
            self.others.get_or_insert_with(|| Box::new(theirs.empty_like_this())).merge(theirs);
        }
    }
}

/// A generator's counts and times in one interval. Each counts in the interval in which it occurs.
#[derive(Debug, Clone)]
pub struct GeneratorInterval {
    /// Slots of the schedule.
    pub intended: u64,
    /// Of these, those of the measure phase.
    pub measured_intended: u64,
    /// Events that the client accepted.
    pub sent: u64,
    /// Events that the client did not accept.
    pub unsent: u64,
    /// Events that the broker confirmed.
    pub acked: u64,
    /// Events that the broker refused.
    pub refused: u64,
    /// Events given up without an answer.
    pub unconfirmed: u64,
    /// sent − intended.
    pub send_lag: Times,
    /// acked − intended.
    pub ack: Times,
    /// acked − sent, of the measure phase's events alone: no row shows it.
    pub service: Latency,
}

/// A group's counts and times in one interval.
#[derive(Debug, Clone)]
pub struct GroupInterval {
    /// Events delivered for the first time, including the reordered ones.
    pub delivered: u64,
    /// First deliveries that were reordered.
    pub reordered: u64,
    /// Copies that were stored twice.
    pub duplicate: u64,
    /// Deliveries of the same position again.
    pub redelivered: u64,
    /// Events of this run whose content does not match.
    pub corrupt: u64,
    /// Events not of this run.
    pub foreign: u64,
    /// received − intended, of first deliveries.
    pub latency: Times,
}

impl GeneratorInterval {
    /// An empty interval.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            intended: 0,
            measured_intended: 0,
            sent: 0,
            unsent: 0,
            acked: 0,
            refused: 0,
            unconfirmed: 0,
            send_lag: Times::new(&limits.send_lag),
            ack: Times::new(&limits.ack),
            service: Latency::new(&limits.service),
        }
    }

    /// Adds another generator's figures of the same interval.
    pub fn add_generator(&mut self, other: &Self) {
        // Destructured by name, so that a new field cannot be forgotten.
        let Self {
            intended,
            measured_intended,
            sent,
            unsent,
            acked,
            refused,
            unconfirmed,
            send_lag,
            ack,
            service,
        } = other;
        self.intended += intended;
        self.measured_intended += measured_intended;
        self.sent += sent;
        self.unsent += unsent;
        self.acked += acked;
        self.refused += refused;
        self.unconfirmed += unconfirmed;
        self.send_lag.merge(send_lag);
        self.ack.merge(ack);
        self.service.merge(service);
    }
}

impl GroupInterval {
    /// An empty interval.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            delivered: 0,
            reordered: 0,
            duplicate: 0,
            redelivered: 0,
            corrupt: 0,
            foreign: 0,
            latency: Times::new(&limits.latency),
        }
    }

    /// Counts a delivery by its classification.
    #[inline]
    pub fn count(&mut self, fate: Fate) {
        match fate {
            Fate::First => self.delivered += 1,
            Fate::Reordered { .. } => {
                self.delivered += 1;
                self.reordered += 1;
            }
            Fate::Duplicate => self.duplicate += 1,
            Fate::Redelivered => self.redelivered += 1,
            Fate::Stray => self.foreign += 1,
        }
    }

    /// Adds a later interval of the same group.
    pub fn add_later(&mut self, later: &Self) {
        let Self { delivered, reordered, duplicate, redelivered, corrupt, foreign, latency } = later;
        self.delivered += delivered;
        self.reordered += reordered;
        self.duplicate += duplicate;
        self.redelivered += redelivered;
        self.corrupt += corrupt;
        self.foreign += foreign;
        self.latency.merge(latency);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { latency: vec![100], ack: vec![50], service: vec![], send_lag: vec![10] }
    }

    /// Intervals in which all counts differ.
    fn intervals() -> (GeneratorInterval, GroupInterval) {
        let mut load = GeneratorInterval::new(&limits());
        (load.intended, load.sent, load.unsent) = (1, 2, 3);
        (load.acked, load.refused, load.unconfirmed, load.measured_intended) = (4, 5, 6, 9);
        load.send_lag.record_between(true, 0, 11);
        load.ack.record_between(true, 0, 51);
        load.ack.record_between(false, 0, 52);
        load.service.record(1);
        let mut group = GroupInterval::new(&limits());
        (group.corrupt, group.foreign) = (7, 8);
        let late = Fate::Reordered { extent: 1, late: 1 };
        for (fate, times) in
            [(Fate::First, 10), (late, 20), (Fate::Duplicate, 30), (Fate::Redelivered, 40), (Fate::Stray, 1)]
        {
            (0..times).for_each(|_| group.count(fate));
        }
        group.latency.record_between(true, 0, 101);
        group.latency.record_between(false, 0, 102);
        (load, group)
    }

    fn figures(l: &GeneratorInterval, g: &GroupInterval) -> (Vec<u64>, Vec<u64>) {
        let load = [l.intended, l.measured_intended, l.sent, l.unsent, l.acked, l.refused, l.unconfirmed];
        let of = |times: &Times| [times.measured().count(), times.all().count()];
        let times = [of(&l.send_lag), of(&l.ack)].concat();
        let counts = [g.delivered, g.reordered, g.duplicate, g.redelivered, g.corrupt, g.foreign];
        (
            [load.as_slice(), &times, &[l.service.count()]].concat(),
            [counts.as_slice(), &of(&g.latency)].concat(),
        )
    }

    #[test]
    fn intervals_add_up() {
        let (mut load, mut group) = intervals();
        let one = (vec![1, 9, 2, 3, 4, 5, 6, 1, 1, 1, 2, 1], vec![30, 20, 30, 40, 7, 9, 1, 2]);
        assert_eq!(figures(&load, &group), one);
        // Three of them: with two, a count of 2 would not distinguish a sum from a product.
        for _ in 0..2 {
            let (other, later) = intervals();
            load.add_generator(&other);
            group.add_later(&later);
        }
        let thrice = (one.0.iter().map(|n| 3 * n).collect(), one.1.iter().map(|n| 3 * n).collect());
        assert_eq!(figures(&load, &group), thrice);
        let above = |of: &Latency| of.limit(100).map(|tally| tally.above);
        assert_eq!(above(group.latency.measured()), Some(3));
        assert_eq!(above(&group.latency.all()), Some(6));
    }
}
