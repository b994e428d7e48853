//! The backlog of each group: events that are confirmed and not delivered yet, at every moment of a run.
//!
//! It is not the number of confirmations less the number of deliveries: an event may be delivered before its
//! confirmation arrives, or without ever being confirmed. So the two moments of each event are paired, in the
//! order of their times. Memory follows the number of events with only one of the two.

use crate::measure::merge::Merger;
use crate::measure::outage::WINDOW_NS;
use crate::measure::ranges::Ranges;
use crate::num;
use crate::plan::{Keys, Ns, Span};
use crate::topology::{Subscriptions, TopicSet};

/// Limit on the steps held back until their order is certain.
const HELD_BACK: usize = 1 << 20;

/// A change of an event, identified by key and sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The broker confirmed it.
    Acked {
        /// `topic × symbols + symbol`.
        key: u32,
        /// The event's sequence.
        sequence: u32,
    },
    /// It will not be confirmed: refused, unconfirmed or unsent.
    Settled {
        /// `topic × symbols + symbol`.
        key: u32,
        /// The event's sequence.
        sequence: u32,
    },
    /// A group received it for the first time.
    Delivered {
        /// `topic × symbols + symbol`.
        key: u32,
        /// The event's sequence.
        sequence: u32,
    },
}

/// The backlog of every group. Groups and generators report their steps, each in its own order.
#[derive(Debug)]
pub struct Backlog {
    /// Groups come first: an event delivered at the very moment of its confirmation was never in the backlog.
    merger: Merger<Step>,
    groups: Vec<Side>,
}

#[derive(Debug)]
struct Side {
    subscribed: TopicSet,
    keys: Keys,
    /// Confirmed, not delivered.
    waiting: Ranges,
    /// Delivered, not confirmed.
    early: Ranges,
    now: u64,
    max: u64,
    /// The largest backlog of each window, where it is wanted.
    levels: Option<Levels>,
}

/// The largest backlog of a group in each window of the measure phase.
#[derive(Debug)]
struct Levels {
    start: Ns,
    by_window: Vec<u32>,
    /// Up to when the level is known, since the start.
    since: Ns,
}

impl Levels {
    /// The level was `now` until just before this time; one that lasted no time does not count.
    fn held(&mut self, until: Ns, now: u64) {
        let Some(since) = until.checked_sub(self.start).filter(|since| *since > self.since) else { return };
        let from = num::index(self.since / WINDOW_NS).min(self.by_window.len());
        let end = num::index(since.div_ceil(WINDOW_NS)).min(self.by_window.len());
        if let Some(passed) = self.by_window.get_mut(from..end) {
            for level in passed {
                *level = (*level).max(Self::low(now));
            }
        }
        self.since = since;
    }

    fn low(level: u64) -> u32 {
        u32::try_from(level).unwrap_or(u32::MAX)
    }
}

impl Backlog {
    /// The backlog before the first step.
    #[must_use]
    pub fn new(subscriptions: &Subscriptions, keys: Keys, generators: usize) -> Self {
        let side = |subscribed: &TopicSet| Side {
            subscribed: subscribed.clone(),
            keys,
            waiting: Ranges::default(),
            early: Ranges::default(),
            now: 0,
            max: 0,
            levels: None,
        };
        Self {
            merger: Merger::new(subscriptions.groups().len() + generators, HELD_BACK),
            groups: subscriptions.groups().iter().map(side).collect(),
        }
    }

    /// Keeps the largest backlog of each window of a phase, too.
    #[must_use]
    pub fn by_window(mut self, start: Ns, duration: Span) -> Self {
        let windows = num::index(duration.ns.div_ceil(WINDOW_NS));
        for side in &mut self.groups {
            side.levels = Some(Levels { start, by_window: vec![0; windows], since: 0 });
        }
        self
    }

    /// Takes each group's largest backlog by window, once all steps are paired; empty where it was not wanted.
    pub fn take_levels(&mut self) -> Vec<Vec<u32>> {
        let take = |side: &mut Side| {
            let mut levels = side.levels.take()?;
            levels.held(Ns::MAX, side.now);
            Some(levels.by_window)
        };
        self.groups.iter_mut().filter_map(take).collect()
    }

    /// The number of groups.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Adds the next steps of a group, which reports nothing before `until` later.
    pub fn group(&mut self, group: usize, steps: impl IntoIterator<Item = (Ns, Step)>, until: Ns) {
        self.merger.push(group, steps, until);
    }

    /// Adds the next steps of a generator, which reports nothing before `until` later.
    pub fn generator(&mut self, generator: usize, steps: impl IntoIterator<Item = (Ns, Step)>, until: Ns) {
        self.merger.push(self.groups.len() + generator, steps, until);
    }

    /// Pairs all steps that are complete by now, and returns the backlog of each group.
    pub fn settle(&mut self) -> Vec<u64> {
        let Self { merger, groups } = self;
        let sides = groups.len();
        merger.release(|who, at, step| {
            if who < sides {
                groups[who].step(at, step);
            } else {
                for side in &mut *groups {
                    side.step(at, step);
                }
            }
        });
        groups.iter().map(|side| side.now).collect()
    }

    /// Pairs the remaining steps, complete or not, and returns the highest backlog of each group.
    pub fn finish(&mut self) -> Vec<u64> {
        for who in 0..self.merger.members() {
            self.merger.close(who);
        }
        self.settle();
        self.groups.iter().map(|side| side.max).collect()
    }
}

impl Side {
    fn step(&mut self, at: Ns, step: Step) {
        if let Some(levels) = &mut self.levels {
            levels.held(at, self.now);
        }
        self.take(step);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Delivered { key, sequence } => {
                if self.waiting.remove(key, sequence) {
                    self.now -= 1;
                } else {
                    self.early.insert(key, sequence);
                }
            }
            Step::Acked { key, .. } | Step::Settled { key, .. } if !self.receives(key) => {}
            Step::Acked { key, sequence } => {
                if !self.early.remove(key, sequence) && self.waiting.insert(key, sequence) {
                    self.now += 1;
                    self.max = self.max.max(self.now);
                }
            }
            Step::Settled { key, sequence } => {
                self.early.remove(key, sequence);
            }
        }
    }

    fn receives(&self, key: u32) -> bool {
        self.subscribed.contains(self.keys.topic(num::index32(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of<const G: usize, const T: usize>(groups: [[bool; T]; G]) -> Subscriptions {
        groups.map(TopicSet::from_iter).into_iter().collect()
    }

    const fn acked(sequence: u32) -> Step {
        Step::Acked { key: 0, sequence }
    }

    const fn delivered(sequence: u32) -> Step {
        Step::Delivered { key: 0, sequence }
    }

    fn backlog(generator: &[(Ns, Step)], group: &[(Ns, Step)]) -> u64 {
        let mut backlog = Backlog::new(&of([[true]]), Keys::new(1, 1), 1);
        backlog.generator(0, generator.iter().copied(), Ns::MAX);
        backlog.group(0, group.iter().copied(), Ns::MAX);
        backlog.finish()[0]
    }

    #[test]
    fn the_highest_backlog_is_that_between_two_looks() {
        let all: Vec<_> = (0..3000).map(|n| (u64::from(n), acked(n))).collect();
        let read: Vec<_> = (0..3000).map(|n| (3000 + u64::from(n), delivered(n))).collect();
        assert_eq!(backlog(&all, &read), 3000);
    }

    #[test]
    fn a_delivery_counts_for_its_own_event_only() {
        // Two were delivered ahead of their confirmation, and one that was never confirmed.
        let group = [(1, delivered(0)), (2, delivered(1)), (3, delivered(2)), (30, delivered(3))];
        let settled = Step::Settled { key: 0, sequence: 2 };
        let generator = [(4, acked(3)), (5, settled), (10, acked(0)), (11, acked(1)), (12, acked(4))];
        assert_eq!(backlog(&generator, &group), 2);
        assert_eq!(backlog(&[(7, acked(0))], &[(7, delivered(0))]), 0, "in the same moment");
    }

    #[test]
    fn the_largest_backlog_of_each_window_is_kept() {
        const W: Ns = WINDOW_NS;
        let phase = (1000, Span { ns: 6 * W });
        let mut backlog = Backlog::new(&of([[true]]), Keys::new(1, 1), 1).by_window(phase.0, phase.1);
        let at = |window: Ns| 1000 + window * W;
        // One in the warm-up, two more in the second window, of which one leaves there and two in the fourth.
        let answers = [(500, acked(0)), (at(1), acked(1)), (at(1) + 5, acked(2)), (at(9), acked(3))];
        let received = [(at(1) + 9, delivered(0)), (at(3), delivered(1)), (at(3), delivered(2))];
        backlog.generator(0, answers, Ns::MAX);
        backlog.group(0, received, Ns::MAX);
        assert_eq!(backlog.finish(), [3]);
        assert_eq!(backlog.take_levels(), [[1, 3, 2, 0, 0, 0]]);
        assert!(backlog.take_levels().is_empty());
    }

    #[test]
    fn a_topic_that_a_group_does_not_receive_is_none_of_its_backlog() {
        let mut backlog = Backlog::new(&of([[true, false], [true, true]]), Keys::new(2, 10), 1);
        let steps = [(1, Step::Acked { key: 3, sequence: 0 }), (2, Step::Acked { key: 13, sequence: 0 })];
        backlog.generator(0, steps, 3);
        assert_eq!(backlog.settle(), [0, 0], "the groups have not said how far they have got");
        backlog.group(0, [], 10);
        backlog.group(1, [], 10);
        backlog.generator(0, [], 10);
        assert_eq!(backlog.settle(), [1, 2]);
        assert_eq!(backlog.finish(), [1, 2]);
    }

    proptest! {
        #[test]
        fn it_is_what_counting_at_every_moment_gives(
            events in proptest::collection::vec((0_u64..50, proptest::option::of(0_u64..50), 0_u32..4), 1..60),
            cuts in proptest::collection::vec(0_u64..50, 0..6),
        ) {
            let numbered = || (0_u32..).zip(&events);
            let mut answers: Vec<(Ns, Step)> = numbered().map(|(n, &(at, _, settled))| {
                (at, if settled == 0 { Step::Settled { key: 0, sequence: n } } else { acked(n) })
            }).collect();
            let mut deliveries: Vec<(Ns, Step)> = numbered().filter_map(|(n, &(_, at, _))| Some((at?, delivered(n)))).collect();
            answers.sort_by_key(|step| step.0);
            deliveries.sort_by_key(|step| step.0);
            let at = |t: u64| events.iter().filter(|e| e.2 != 0 && e.0 <= t && e.1.is_none_or(|d| d > t)).count();
            let exact = (0..50).map(at).max().unwrap();
            // Reported in pieces.
            let mut backlog = Backlog::new(&of([[true]]), Keys::new(1, 1), 1);
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut from = 0;
            for until in cuts.into_iter().chain([50]) {
                let piece = |all: &[(Ns, Step)]| all.iter().copied().filter(|s| from <= s.0 && s.0 < until).collect::<Vec<_>>();
                backlog.generator(0, piece(&answers), until);
                backlog.group(0, piece(&deliveries), until);
                let now = backlog.settle()[0];
                if until > 0 {
                    prop_assert_eq!(now, crate::num::count(at(until - 1)));
                }
                from = until;
            }
            prop_assert_eq!(backlog.finish()[0], crate::num::count(exact));
        }
    }
}
