//! When the bus was available, by the events that were due: slots of 10 ms of intended time, and windows of 100 ms.
//!
//! An event is *handled* if it is confirmed, or for a group first delivered, within a limit of its intended time; one that is
//! sent again counts from its first intended time. A slot is *down* if it had events and none of them was handled. A slot
//! without events between two slots that are down is down, too, so that an outage has its length at any rate.
//!
//! Everything is created before the load: entering an event allocates nothing.

use crate::num;
use crate::plan::{Ns, Span};

/// The length of a slot.
const SLOT_NS: u64 = 10_000_000;
/// The length of a window.
pub const WINDOW_NS: u64 = 100_000_000;
/// Of 100 events of a normal window, at least this many are handled.
const NORMAL_PERCENT: u64 = 99;

/// Topics as bits, by their indexes in the plan.
pub type Topics = u32;

/// The bits of topics.
#[must_use]
pub fn topics_of(indexes: impl IntoIterator<Item = usize>) -> Topics {
    indexes.into_iter().fold(0, |bits, topic| bits | bit(topic))
}

/// An event id names one of 32 topics.
fn bit(topic: usize) -> Topics {
    1_u32.checked_shl(num::count32(topic)).unwrap_or(0)
}

/// The times at which things happen, relative to the start of the measure phase, as indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Phase {
    start: Ns,
    within_ns: u64,
}

impl Phase {
    #[inline]
    fn slot(self, at: Ns) -> Option<usize> {
        at.checked_sub(self.start).map(|since| num::index(since / SLOT_NS))
    }

    #[inline]
    fn window(self, at: Ns) -> Option<usize> {
        at.checked_sub(self.start).map(|since| num::index(since / WINDOW_NS))
    }

    const fn in_time(self, intended: Ns, at: Ns) -> bool {
        at.saturating_sub(intended) <= self.within_ns
    }
}

fn slots(duration: Span) -> usize {
    num::index(duration.ns.div_ceil(SLOT_NS))
}

fn windows(duration: Span) -> usize {
    num::index(duration.ns.div_ceil(WINDOW_NS))
}

/// Bytes that a generator's and a group's counts take.
#[must_use]
pub fn bytes(duration: Span, topics: u64) -> (u64, u64) {
    let (slots, windows) = (num::count(slots(duration)), num::count(windows(duration)));
    (slots * 5 + windows * (24 + 4 * topics), slots + windows * 8)
}

/// Answers by the time at which they came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answers {
    /// Confirmed.
    pub acked: u32,
    /// Refused, or given up without an answer.
    pub refused: u32,
    /// The largest acked − intended.
    pub ack_max_ns: u64,
}

/// What a generator's events met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmations {
    phase: Phase,
    topics: usize,
    /// By slot: the topics that had events, and whether one was handled.
    due: Vec<Topics>,
    handled: Vec<bool>,
    /// By window and topic: events that were due.
    due_in_window: Vec<u32>,
    /// By window of the intended time: events handled, and events refused for good.
    in_time: Vec<u32>,
    refused: Vec<u32>,
    /// By window of the time at which they came.
    answers: Vec<Answers>,
}

impl Confirmations {
    /// Nothing, of a phase and a number of topics.
    #[must_use]
    pub fn new(start: Ns, duration: Span, within_ns: u64, topics: usize) -> Self {
        let windows = windows(duration);
        Self {
            phase: Phase { start, within_ns },
            topics,
            due: vec![0; slots(duration)],
            handled: vec![false; slots(duration)],
            due_in_window: vec![0; windows * topics],
            in_time: vec![0; windows],
            refused: vec![0; windows],
            answers: vec![Answers::default(); windows],
        }
    }

    /// An event came due, and the bus or its client has to handle it.
    #[inline]
    pub fn due(&mut self, topic: usize, intended: Ns) {
        let Some(slot) = self.phase.slot(intended) else { return };
        let Some(due) = self.due.get_mut(slot) else { return };
        *due |= bit(topic);
        let windows = num::index(WINDOW_NS / SLOT_NS);
        if let Some(count) = self.due_in_window.get_mut(slot / windows * self.topics + topic) {
            *count += 1;
        }
    }

    /// An event was confirmed.
    #[inline]
    pub fn confirmed(&mut self, intended: Ns, at: Ns) {
        if self.phase.in_time(intended, at)
            && let (Some(slot), Some(window)) = (self.phase.slot(intended), self.phase.window(intended))
            && let (Some(handled), Some(in_time)) = (self.handled.get_mut(slot), self.in_time.get_mut(window))
        {
            *handled = true;
            *in_time += 1;
        }
        if let Some(answers) = self.answers_at(at) {
            answers.acked += 1;
            answers.ack_max_ns = answers.ack_max_ns.max(at.saturating_sub(intended));
        }
    }

    /// An event was refused for good, by the bus or by its full client.
    #[inline]
    pub fn refused(&mut self, intended: Ns, at: Ns) {
        if let Some(refused) = self.phase.window(intended).and_then(|window| self.refused.get_mut(window)) {
            *refused += 1;
        }
        self.given_up(at);
    }

    /// An event was given up without an answer.
    #[inline]
    pub fn given_up(&mut self, at: Ns) {
        if let Some(answers) = self.answers_at(at) {
            answers.refused += 1;
        }
    }

    fn answers_at(&mut self, at: Ns) -> Option<&mut Answers> {
        self.phase.window(at).and_then(|window| self.answers.get_mut(window))
    }

    /// Adds those of another generator of the same plan.
    pub fn merge(&mut self, other: &Self) {
        let add = |sum: &mut [u32], other: &[u32]| sum.iter_mut().zip(other).for_each(|(sum, n)| *sum += n);
        self.due.iter_mut().zip(&other.due).for_each(|(due, other)| *due |= other);
        self.handled.iter_mut().zip(&other.handled).for_each(|(handled, other)| *handled |= other);
        add(&mut self.due_in_window, &other.due_in_window);
        add(&mut self.in_time, &other.in_time);
        add(&mut self.refused, &other.refused);
        for (sum, other) in self.answers.iter_mut().zip(&other.answers) {
            sum.acked += other.acked;
            sum.refused += other.refused;
            sum.ack_max_ns = sum.ack_max_ns.max(other.ack_max_ns);
        }
    }

    /// Answers by window.
    #[must_use]
    pub fn answers(&self) -> &[Answers] {
        &self.answers
    }

    /// The slots for publishing.
    #[must_use]
    pub fn slots(&self) -> Slots {
        Slots::of(self.due.iter().map(|topics| *topics != 0).zip(self.handled.iter().copied()))
    }

    /// The slots for a group; without its deliveries none was handled.
    #[must_use]
    pub fn slots_of(&self, group: &GroupSide<'_>) -> Slots {
        let due = self.due.iter().map(|topics| topics & group.topics != 0);
        let handled = group.received.iter().flat_map(|received| received.handled.iter().copied());
        Slots::of(due.zip(handled.chain(std::iter::repeat(false))))
    }

    /// Windows in which publishing and delivering were normal; a window without events is.
    #[must_use]
    pub fn normal(&self, groups: &[GroupSide<'_>]) -> Vec<bool> {
        let enough = |due: u64, in_time: u32| u64::from(in_time) * 100 >= due * NORMAL_PERCENT;
        let of = |window: usize| {
            let due = |topics: Topics| -> u64 {
                let of_window = self.due_in_window.iter().skip(window * self.topics).take(self.topics);
                let wanted = of_window.enumerate().filter(|(topic, _)| topics & bit(*topic) != 0);
                wanted.map(|(_, count)| u64::from(*count)).sum()
            };
            let at = |counts: &[u32]| counts.get(window).copied().unwrap_or(0);
            at(&self.refused) == 0
                && enough(due(Topics::MAX), at(&self.in_time))
                && groups.iter().all(|group| {
                    enough(due(group.topics), group.received.map_or(0, |received| at(&received.in_time)))
                })
        };
        (0..self.in_time.len()).map(of).collect()
    }
}

/// A group as an observer of the outage: its topics, and its first deliveries, if it finished.
#[derive(Debug, Clone, Copy)]
pub struct GroupSide<'a> {
    /// Its topics.
    pub topics: Topics,
    /// Its first deliveries.
    pub received: Option<&'a FirstDeliveries>,
}

/// A group's first deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstDeliveries {
    phase: Phase,
    handled: Vec<bool>,
    /// By window of the intended time: those handled.
    in_time: Vec<u32>,
    /// By window of the time at which they came.
    delivered: Vec<u32>,
}

impl FirstDeliveries {
    /// None, of a phase.
    #[must_use]
    pub fn new(start: Ns, duration: Span, within_ns: u64) -> Self {
        let windows = windows(duration);
        Self {
            phase: Phase { start, within_ns },
            handled: vec![false; slots(duration)],
            in_time: vec![0; windows],
            delivered: vec![0; windows],
        }
    }

    /// An event was delivered for the first time.
    #[inline]
    pub fn first(&mut self, intended: Ns, received: Ns) {
        if self.phase.in_time(intended, received)
            && let (Some(slot), Some(window)) = (self.phase.slot(intended), self.phase.window(intended))
            && let (Some(handled), Some(in_time)) = (self.handled.get_mut(slot), self.in_time.get_mut(window))
        {
            *handled = true;
            *in_time += 1;
        }
        if let Some(count) = self.phase.window(received).and_then(|window| self.delivered.get_mut(window)) {
            *count += 1;
        }
    }

    /// Deliveries by window of the time at which they came.
    #[must_use]
    pub fn delivered(&self) -> &[u32] {
        &self.delivered
    }
}

/// The slots of the measure phase that are down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slots(Vec<bool>);

/// How long the bus was unavailable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Down {
    /// The slots that are down together.
    pub total_ns: u64,
    /// The longest run of them.
    pub longest_ns: u64,
}

impl Slots {
    /// Slots by whether they had events, and whether one was handled.
    fn of(slots: impl Iterator<Item = (bool, bool)>) -> Self {
        let mut down: Vec<bool> = Vec::new();
        // The last slot with events, if it is down.
        let mut last_down = None;
        for (at, (due, handled)) in slots.enumerate() {
            down.push(due && !handled);
            if !due {
                continue;
            }
            if let Some(last) = last_down.filter(|_| !handled)
                && let Some(between) = down.get_mut(last..at)
            {
                between.fill(true);
            }
            last_down = (!handled).then_some(at);
        }
        Self(down)
    }

    /// How long the bus was unavailable in these stretches, since the start of the measure phase. A slot belongs to the
    /// stretch in which it begins.
    #[must_use]
    pub fn down(&self, stretches: impl IntoIterator<Item = (Ns, Ns)>) -> Down {
        let mut sum = Down::default();
        for (from, until) in stretches {
            let first = num::index(from.div_ceil(SLOT_NS));
            let end = num::index(until.div_ceil(SLOT_NS)).min(self.0.len());
            let mut longest = 0;
            for &down in self.0.get(first..end).unwrap_or_default() {
                longest = if down { longest + SLOT_NS } else { 0 };
                sum.total_ns += if down { SLOT_NS } else { 0 };
                sum.longest_ns = sum.longest_ns.max(longest);
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Ns = 1_000_000;
    const START: Ns = 7_000 * MS;
    const L: u64 = 100 * MS;

    /// What became of an event that was due at a time, in ms: its answer this many ms later.
    type Fate = fn(Ns) -> Option<Ns>;

    /// A run of 10 s at a rate; an event without an answer is refused at once.
    fn run(per_second: u64, fate: Fate) -> Confirmations {
        let mut side = Confirmations::new(START, Span::seconds(10), L, 1);
        let gap = 1_000_000_000 / per_second;
        for n in 0..10 * per_second {
            let since = n * gap;
            let intended = START + since;
            side.due(0, intended);
            match fate(since / MS) {
                Some(later) => side.confirmed(intended, intended + later * MS),
                None => side.refused(intended, intended),
            }
        }
        side
    }

    fn down(side: &Confirmations, from: Ns, until: Ns) -> (u64, u64) {
        let down = side.slots().down([(from * MS, until * MS)]);
        (down.total_ns / MS, down.longest_ns / MS)
    }

    #[test]
    fn an_outage_of_refusals_has_its_length_at_any_rate() {
        let refused: Fate = |ms| (!(2000..3500).contains(&ms)).then_some(1);
        for rate in [10_000, 1000, 200, 100] {
            assert_eq!(down(&run(rate, refused), 0, 10_000), (1500, 1500), "{rate}/s");
        }
        // Events are 20 ms and 100 ms apart: the last of them was refused that long before the end.
        assert_eq!(down(&run(50, refused), 0, 10_000), (1490, 1490));
        assert_eq!(down(&run(10, refused), 0, 10_000), (1410, 1410));
        let side = run(1000, refused);
        assert_eq!(down(&side, 2500, 3000), (500, 500), "a part of it");
        let both = side.slots().down([(0, 2200 * MS), (3000 * MS, 10_000 * MS)]);
        assert_eq!((both.total_ns / MS, both.longest_ns / MS), (700, 500), "stretches do not join");
    }

    #[test]
    fn what_is_held_and_handled_at_the_end_is_down_until_the_limit_before_it() {
        let held: Fate = |ms| Some(if (2000..3500).contains(&ms) { 3500 - ms } else { 1 });
        assert_eq!(down(&run(1000, held), 0, 10_000), (1400, 1400));
        let short: Fate = |ms| Some(if (2000..2100).contains(&ms) { 2100 - ms } else { 1 });
        assert_eq!(down(&run(1000, short), 0, 10_000), (0, 0));
    }

    #[test]
    fn an_event_without_an_answer_is_not_handled() {
        let mut side = Confirmations::new(START, Span::seconds(1), L, 1);
        (0..1000).for_each(|ms| side.due(0, START + ms * MS));
        assert_eq!(down(&side, 0, 1000), (1000, 1000));
        side.confirmed(START + 500 * MS, START + 600 * MS);
        assert_eq!(down(&side, 0, 1000), (990, 500), "one in its slot is enough");
        assert_eq!(down(&Confirmations::new(START, Span::seconds(1), L, 1), 0, 1000), (0, 0), "nothing due");
    }

    #[test]
    fn a_group_is_down_by_its_own_topics_and_deliveries() {
        let mut side = Confirmations::new(START, Span::seconds(1), L, 2);
        let mut got = FirstDeliveries::new(START, Span::seconds(1), L);
        for ms in 0..1000 {
            let (topic, intended) = (usize::from(ms >= 400), START + ms * MS);
            side.due(topic, intended);
            side.confirmed(intended, intended);
            if !(200..300).contains(&ms) {
                got.first(intended, intended + MS);
            }
        }
        let of = |topics: &[usize], received| {
            let group = GroupSide { topics: topics_of(topics.iter().copied()), received };
            (side.slots_of(&group).down([(0, 1000 * MS)]).total_ns / MS, side.normal(&[group]))
        };
        assert_eq!(of(&[0, 1], Some(&got)).0, 100);
        assert_eq!(of(&[0], Some(&got)).0, 100);
        assert_eq!(of(&[1], Some(&got)).0, 0, "nothing of it was due then");
        assert_eq!(of(&[1], None).0, 600, "a group that did not finish");
        let abnormal = |normal: Vec<bool>| normal.iter().filter(|normal| !**normal).count();
        assert_eq!([abnormal(of(&[0, 1], Some(&got)).1), abnormal(of(&[1], Some(&got)).1)], [1, 0]);
        assert_eq!(got.delivered()[..4], [99, 100, 1, 99], "by the time at which they came");
    }

    #[test]
    fn a_window_is_normal_with_99_of_100_in_time_and_none_refused() {
        let window = |late: u64, refused: u64| {
            let mut side = Confirmations::new(START, Span::millis(100), L, 1);
            for n in 0..100 {
                side.due(0, START + n * MS);
                match n {
                    n if n < refused => side.refused(START + n * MS, START + n * MS),
                    n if n < refused + late => side.confirmed(START + n * MS, START + n * MS + L + 1),
                    n => side.confirmed(START + n * MS, START + n * MS + L),
                }
            }
            side.normal(&[])[0]
        };
        assert_eq!([window(0, 0), window(1, 0), window(2, 0), window(0, 1)], [true, true, false, false]);
    }

    #[test]
    fn several_generators_are_one_side() {
        let refused: Fate = |ms| (!(2000..3500).contains(&ms)).then_some(1);
        let held: Fate = |ms| Some(if (2000..3000).contains(&ms) { 3000 - ms } else { 1 });
        let mut both = run(1000, refused);
        both.merge(&run(1000, held));
        assert_eq!(down(&both, 0, 10_000).0, 900, "down where neither had a success");
        let answers = both.answers();
        assert_eq!((answers[25].acked, answers[25].refused), (0, 100), "by the time at which they came");
        assert_eq!((answers[30].acked, answers[30].ack_max_ns), (1000 + 99, 1000 * MS));
    }

    #[test]
    fn what_lies_outside_the_phase_counts_only_by_when_it_comes() {
        let mut side = Confirmations::new(START, Span::seconds(1), L, 1);
        side.due(0, START - 1);
        side.confirmed(START - MS, START + MS);
        side.due(0, START + 1000 * MS);
        side.confirmed(START + 1000 * MS, START + 1001 * MS);
        assert_eq!(down(&side, 0, 2000), (0, 0));
        assert_eq!((side.answers()[0].acked, side.answers()[0].ack_max_ns), (1, 2 * MS));
    }
}
