//! The exact counters of a run that goes on: how many times were measured so far, and how many of them beyond each limit.

use super::histogram::Latency;
use super::limit::{Limit, Tally};
use crate::plan::Ns;

/// The counters of a distribution, without the distribution.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counted {
    /// Number of values.
    pub count: u64,
    /// Counts around each limit.
    pub limits: Vec<Limit>,
}

/// The counters of the measure phase so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters {
    /// received − intended, for each group.
    pub latency: Vec<Counted>,
    /// acked − intended.
    pub ack: Counted,
    /// acked − sent.
    pub service: Counted,
    /// sent − intended.
    pub send_lag: Counted,
}

/// How far counters go: they hold everything before these times, counted from the start of the load.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// Deliveries, for each group.
    pub groups: Vec<Ns>,
    /// Answers, for each generator that has reported.
    pub generators: Vec<Ns>,
}

impl Counted {
    /// The counters of a distribution.
    #[must_use]
    pub fn of(latency: &Latency) -> Self {
        Self { count: latency.count(), limits: latency.limits().to_vec() }
    }

    /// The sum of several counters of the same limits.
    #[must_use]
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        for one in all {
            sum.count += one.count;
            for limit in &one.limits {
                match sum.limits.iter_mut().find(|known| known.ns == limit.ns) {
                    Some(known) => known.tally.merge(limit.tally),
                    None => sum.limits.push(*limit),
                }
            }
        }
        sum
    }

    /// The counts around a limit, if it is counted.
    #[must_use]
    pub fn tally(&self, ns: u64) -> Option<Tally> {
        self.limits.iter().find(|limit| limit.ns == ns).map(|limit| limit.tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_several_distributions_add_up() {
        let counted = |values: &[i64]| {
            let mut latency = Latency::new(&[5, 9]);
            for &value in values {
                latency.record(value);
            }
            Counted::of(&latency)
        };
        let sum = Counted::sum([&counted(&[1, 5, 6]), &counted(&[10]), &Counted::default()]);
        assert_eq!(sum.count, 4);
        assert_eq!(sum.tally(5), Some(Tally { above: 2, equal: 1 }));
        assert_eq!(sum.tally(9), Some(Tally { above: 1, equal: 0 }));
        assert_eq!(sum.tally(7), None);
    }
}
