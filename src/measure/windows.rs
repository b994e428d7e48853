//! Exact counts for each window of intended time, for objectives that must hold second by second.

use crate::measure::histogram::mean;
use crate::measure::limit::Tally;
use crate::num;
use crate::plan::{Ns, Op, Span, Stat};

/// Counts of one distribution in windows of intended time over the measure phase, around a few limits.
///
/// An event belongs to the window of its *intended* time: a stall marks the windows whose events it delayed,
/// not the one in which they finally arrived. Memory is O(windows × limits).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows {
    start: Ns,
    width: u64,
    limits: Vec<u64>,
    counts: Vec<u64>,
    sums: Vec<i128>,
    /// `windows × limits`, window by window.
    tallies: Vec<Tally>,
}

/// The events due in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Due {
    /// Events due in it, over all selected groups.
    pub events: u64,
    /// A group received none of the events that were due to it.
    pub silent: bool,
    /// Exceedances that the harness may explain.
    pub excused: u64,
}

/// The number of windows that met a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Met {
    /// Windows that met it.
    pub met: u64,
    /// Windows that did not, but would have without the exceedances that the harness may explain.
    pub unsure: u64,
    /// Windows that had events, or in which events were due.
    pub total: u64,
}

impl Met {
    /// Share of the windows that met the limit; 0 without windows.
    #[must_use]
    pub fn share(self) -> f64 {
        num::share(self.met, self.total)
    }
}

impl Windows {
    /// Empty windows of `width` that cover `duration` from `start` on (the last one may be shorter).
    #[must_use]
    pub fn new(start: Ns, duration: Span, width: Span, limits: &[u64]) -> Self {
        let width = width.ns.max(1);
        let windows = num::index(duration.ns.div_ceil(width));
        let mut limits = limits.to_vec();
        limits.sort_unstable();
        limits.dedup();
        Self {
            start,
            width,
            counts: vec![0; windows],
            sums: vec![0; windows],
            tallies: vec![Tally::default(); windows * limits.len()],
            limits,
        }
    }

    /// Counts an event's time, in nanoseconds, in the window of its intended time; an event intended outside
    /// all windows is ignored. A negative time counts as 0 against limits.
    #[inline]
    pub fn record(&mut self, intended: Ns, ns: i64) {
        let Some(since) = intended.checked_sub(self.start) else { return };
        let window = num::index(since / self.width);
        let Some(count) = self.counts.get_mut(window) else { return };
        *count += 1;
        self.sums[window] += i128::from(ns);
        let value = u64::try_from(ns).unwrap_or(0);
        let first = window * self.limits.len();
        for (tally, &limit) in self.tallies[first..].iter_mut().zip(&self.limits) {
            tally.record(value, limit);
        }
    }

    /// Adds the counts of other windows of the same shape; returns `false`, and adds nothing, for another
    /// shape.
    #[must_use]
    pub fn merge(&mut self, other: &Self) -> bool {
        let shape = |w: &Self| (w.start, w.width, w.counts.len());
        let same = shape(self) == shape(other) && self.limits == other.limits;
        if same {
            self.counts.iter_mut().zip(&other.counts).for_each(|(a, b)| *a += b);
            self.sums.iter_mut().zip(&other.sums).for_each(|(a, b)| *a += b);
            self.tallies.iter_mut().zip(&other.tallies).for_each(|(a, b)| a.merge(*b));
        }
        same
    }

    /// Events counted, window by window.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The number of windows that meet `stat OP limit`, of those in which events were due or arrived. Due
    /// events that did not arrive break the limit ([`Tally::holds`]), and a mean is not met without them. A
    /// window that meets it only without the exceedances that the harness may explain is *unsure*. `None` for a
    /// limit that was not given at the start.
    ///
    /// Quantiles are exact; smallest and largest are the quantiles 0 and 1.
    #[must_use]
    pub fn met(&self, stat: Stat, op: Op, limit: u64, due: &[Due]) -> Option<Met> {
        let at = self.limits.iter().position(|&ns| ns == limit)?;
        let mut result = Met::default();
        for window in 0..self.counts.len().max(due.len()) {
            let count = self.counts.get(window).copied().unwrap_or(0);
            let Due { events: due, silent, excused } = due.get(window).copied().unwrap_or_default();
            if count == 0 && due == 0 {
                continue;
            }
            let missing = due.saturating_sub(count);
            let tally = self.tallies.get(window * self.limits.len() + at).copied().unwrap_or_default();
            let mean = || mean(*self.sums.get(window)?, count);
            let holds = |tally: Tally| match stat {
                Stat::Min => tally.holds(0.0, op, count, missing),
                Stat::Max => tally.holds(1.0, op, count, missing),
                Stat::Quantile(q) => tally.holds(q, op, count, missing),
                Stat::Mean => missing == 0 && mean().is_some_and(|mean| compare(mean, op, limit)),
            };
            let heard = count > 0 && !silent;
            result.total += 1;
            if heard && holds(tally) {
                result.met += 1;
            } else if heard && excused > 0 && (stat == Stat::Mean || holds(tally.without(excused))) {
                result.unsure += 1;
            }
        }
        Some(result)
    }
}

fn compare(mean: f64, op: Op, limit: u64) -> bool {
    let order = mean.total_cmp(&num::f64_of(limit));
    match op {
        Op::Below => order.is_lt(),
        Op::AtMost => order.is_le(),
        Op::Equal => order.is_eq(),
        Op::AtLeast => order.is_ge(),
        Op::Above => order.is_gt(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: i64 = 1_000_000;
    const SECOND: Ns = 1_000_000_000;

    fn windows(limits: &[u64]) -> Windows {
        Windows::new(10 * SECOND, Span::millis(2500), Span::seconds(1), limits)
    }

    fn events(due: &[u64]) -> Vec<Due> {
        due.iter().map(|&events| Due { events, ..Due::default() }).collect()
    }

    #[test]
    fn an_event_belongs_to_the_window_of_its_intended_time() {
        let mut w = windows(&[5]);
        for intended in
            [0, 10 * SECOND - 1, 10 * SECOND, 11 * SECOND - 1, 11 * SECOND, 12_500_000_000, 13 * SECOND]
        {
            w.record(intended, 1);
        }
        assert_eq!(w.counts(), [2, 1, 1]);
    }

    #[test]
    fn a_window_meets_a_quantile_with_as_many_exceedances_as_the_quantile_allows() {
        let met = |slow: u64, count: u64, op| {
            let mut w = windows(&[100]);
            (0..count).for_each(|k| w.record(10 * SECOND, if k < slow { 100 } else { 99 }));
            w.met(Stat::Quantile(0.99), op, 100, &[]).unwrap()
        };
        let (yes, no) = (Met { met: 1, total: 1, unsure: 0 }, Met { met: 0, total: 1, unsure: 0 });
        assert_eq!([met(2, 299, Op::Below), met(3, 299, Op::Below), met(3, 300, Op::Below)], [yes, no, yes]);
        assert_eq!([met(0, 1, Op::Below), met(1, 1, Op::Below)], [yes, no]);
        assert_eq!(met(300, 300, Op::AtMost), yes, "a value on the limit is at most the limit");
    }

    #[test]
    fn what_was_due_and_did_not_come_breaks_the_limit() {
        let mut w = windows(&[100]);
        w.record(10 * SECOND, 1);
        let met = |stat, due: &[u64]| w.met(stat, Op::Below, 100, &events(due)).unwrap();
        assert_eq!(
            met(Stat::Max, &[1, 1, 0]),
            Met { met: 1, total: 2, unsure: 0 },
            "nothing came in the second window"
        );
        assert_eq!(met(Stat::Max, &[]), Met { met: 1, total: 1, unsure: 0 });
        assert!((met(Stat::Max, &[1, 1, 1]).share() - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(met(Stat::Max, &[2]).met, 0, "one of two came");
        assert_eq!([met(Stat::Quantile(0.5), &[2]).met, met(Stat::Quantile(0.5), &[3]).met], [1, 0]);
        assert_eq!([met(Stat::Mean, &[1]).met, met(Stat::Mean, &[2]).met], [1, 0]);
        assert_eq!(w.met(Stat::Max, Op::Below, 99, &[]), None, "a limit that is not counted");
    }

    #[test]
    fn a_window_is_unsure_that_is_missed_by_what_the_harness_explains() {
        let mut w = windows(&[100]);
        for ns in [1, 150, 150] {
            w.record(10 * SECOND, ns);
        }
        let met = |events: u64, excused: u64, silent: bool| {
            w.met(Stat::Max, Op::Below, 100, &[Due { events, silent, excused }]).unwrap()
        };
        assert_eq!(met(3, 1, false), Met { met: 0, total: 1, unsure: 0 });
        assert_eq!(met(3, 2, false), Met { met: 0, total: 1, unsure: 1 });
        assert_eq!(met(4, 2, false).unsure, 0, "one never came");
        assert_eq!(met(3, 2, true).unsure, 0, "a group received nothing");
    }

    #[test]
    fn a_window_is_not_met_in_which_a_group_received_nothing() {
        let mut w = windows(&[100]);
        (0..99).for_each(|_| w.record(10 * SECOND, 1));
        let met = |silent| {
            let due = [Due { events: 100, silent, excused: 0 }];
            w.met(Stat::Quantile(0.5), Op::Below, 100, &due).unwrap().met
        };
        assert_eq!([met(false), met(true)], [1, 0]);
    }

    #[test]
    fn each_window_has_its_own_count_of_each_limit() {
        let mut w = windows(&[30, 10, 20]);
        for (window, ns) in [(0, 5), (1, 15), (2, 25)] {
            w.record((10 + window) * SECOND, ns);
        }
        let met = [10, 20, 30].map(|limit| w.met(Stat::Max, Op::Below, limit, &[]).unwrap().met);
        assert_eq!(met, [1, 2, 3]);
    }

    #[test]
    fn smallest_mean_and_largest_are_figures_too() {
        let mut w = windows(&[20]);
        for ns in [10, 20, 60] {
            w.record(10 * SECOND, ns);
        }
        let met = |stat, op| w.met(stat, op, 20, &[]).unwrap().met;
        assert_eq!(
            [met(Stat::Min, Op::Below), met(Stat::Mean, Op::AtMost), met(Stat::Max, Op::Below)],
            [1, 0, 0]
        );
        assert_eq!([met(Stat::Mean, Op::Above), met(Stat::Quantile(0.5), Op::Equal)], [1, 1]);
    }

    #[test]
    fn windows_of_another_shape_do_not_merge() {
        assert!(!windows(&[1]).merge(&windows(&[2])));
        assert!(!windows(&[1]).merge(&Windows::new(0, Span::millis(2500), Span::seconds(1), &[1])));
    }

    proptest! {
        #[test]
        fn merging_is_the_same_as_recording_all(
            events in proptest::collection::vec((9 * SECOND..14 * SECOND, -MS..9 * MS), 0..60),
            cut in 0_usize..60,
        ) {
            let of = |events: &[(Ns, i64)]| {
                let mut w = windows(&[1_000_000, 5_000_000]);
                for &(intended, ns) in events {
                    w.record(intended, ns);
                }
                w
            };
            let (first, second) = events.split_at(cut.min(events.len()));
            let mut merged = of(first);
            prop_assert!(merged.merge(&of(second)));
            prop_assert_eq!(merged, of(&events));
        }
    }
}
