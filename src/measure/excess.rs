//! How far times exceed a limit, and how many of the exceedances the harness itself explains.
//!
//! A time counts from the intended moment, so it includes the harness's lateness and pauses. An event beyond a
//! limit is *explained* if it would be within it without them. To know that without storing events, each
//! exceedance is counted by when the event was due and by its excess; the lateness of that time is subtracted
//! afterwards, always the largest that can have affected the event: exceedances that remain are not the
//! harness's.

use crate::num;
use crate::plan::{Ns, Span};

/// Buckets of an excess: 0, then [1, 2¹⁰), [2¹⁰, 2¹¹) … and everything from 2⁴¹ ns on.
const BUCKETS: usize = 34;
/// Slot length for runs of up to ten minutes; longer runs have slots of a second.
const FINE: Span = Span::millis(100);
const FINE_UP_TO: Span = Span::seconds(600);

/// The slot length for a phase of this duration; a second is a multiple of it.
#[must_use]
pub const fn slot_of(duration: Span) -> Span {
    if duration.ns <= FINE_UP_TO.ns { FINE } else { Span::seconds(1) }
}

/// The bucket of an excess.
fn bucket(excess_ns: u64) -> usize {
    match excess_ns {
        0 => 0,
        ns => num::index(u64::from((u64::BITS - ns.leading_zeros()).saturating_sub(9))).clamp(1, BUCKETS - 1),
    }
}

/// The lowest and highest excess of a bucket.
fn edges(bucket: usize) -> (u64, u64) {
    let power = |b: usize| 1_u64 << (b + 8);
    match bucket {
        0 => (0, 0),
        1 => (1, power(2) - 1),
        b if b == BUCKETS - 1 => (power(b), u64::MAX),
        b => (power(b), power(b + 1) - 1),
    }
}

/// Exceedances of a few limits over the measure phase, by the slot of the intended time. Memory follows the
/// number of slots with exceedances: about 136 bytes for each of them and limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    start: Ns,
    width: u64,
    limits: Vec<u64>,
    /// Limit by limit, `slots` each.
    cells: Vec<Option<Box<[u32; BUCKETS]>>>,
    slots: usize,
}

impl Excess {
    /// Without exceedances, for a phase of `duration` from `start` on.
    #[must_use]
    pub fn new(start: Ns, duration: Span, limits: &[u64]) -> Self {
        let width = slot_of(duration).ns;
        let mut limits = limits.to_vec();
        limits.sort_unstable();
        limits.dedup();
        Self { start, width, cells: Vec::new(), slots: num::index(duration.ns.div_ceil(width)), limits }
    }

    /// Counts an event's time from `intended` to `until`.
    #[inline]
    pub fn record(&mut self, intended: Ns, until: Ns) {
        let ns = until.saturating_sub(intended);
        if self.limits.first().is_some_and(|&lowest| ns >= lowest) {
            self.beyond(intended, ns);
        }
    }

    #[cold]
    fn beyond(&mut self, intended: Ns, ns: u64) {
        let slot = num::index(intended.saturating_sub(self.start) / self.width);
        if intended < self.start || slot >= self.slots {
            return;
        }
        self.cells.resize_with(self.limits.len() * self.slots, || None);
        for (at, limit) in self.limits.iter().enumerate() {
            let Some(excess) = ns.checked_sub(*limit) else { break };
            let cell = self.cells[at * self.slots + slot].get_or_insert_with(|| Box::new([0; BUCKETS]));
            let count = &mut cell[bucket(excess)];
            *count = count.saturating_add(1);
        }
    }

    /// Adds the counts of another one with the same phase and limits; ignores one with others.
    pub fn merge(&mut self, other: &Self) {
        let shape = |e: &Self| (e.start, e.width, e.slots, e.limits.clone());
        if other.cells.is_empty() || shape(self) != shape(other) {
            return;
        }
        self.cells.resize_with(other.cells.len(), || None);
        for (mine, theirs) in self.cells.iter_mut().zip(&other.cells) {
            match (mine, theirs) {
                (_, None) => {}
                (mine @ None, Some(theirs)) => *mine = Some(theirs.clone()),
                (Some(mine), Some(theirs)) => {
                    mine.iter_mut().zip(theirs.iter()).for_each(|(a, b)| *a = a.saturating_add(*b));
                }
            }
        }
    }

    /// The exceedances of a limit that the harness explains, second by second of the phase.
    #[must_use]
    pub fn excused(&self, limit: u64, harness: &Harness<'_>) -> Vec<Excused> {
        let seconds = num::index((num::count(self.slots) * self.width).div_ceil(1_000_000_000));
        let mut excused = vec![Excused::default(); seconds];
        let Some(at) = self.limits.iter().position(|&ns| ns == limit) else { return excused };
        let own = self.cells.iter().skip(at * self.slots).take(self.slots);
        for (slot, cell) in (0_u64..).zip(own) {
            let Some(cell) = cell else { continue };
            let (from, to) = (self.start + slot * self.width, self.start + (slot + 1) * self.width);
            let usage = harness.usage.during(from, to.saturating_add(limit));
            let second = num::index(slot * self.width / 1_000_000_000);
            for (count, (least, most)) in cell.iter().zip((0..BUCKETS).map(edges)) {
                let until = to.saturating_add(limit).saturating_add(most);
                // A step of the load may begin within a slot of the lateness.
                let late = harness.lateness.late_by(from).max(harness.lateness.late_by(to - 1));
                let late = late.saturating_add(harness.lateness.paused(from, until));
                // Without lateness, a value on the limit is not explained.
                let explained = late > 0 && least <= late;
                excused[second].add(u64::from(*count), explained, usage);
            }
        }
        excused
    }
}

/// Exceedances that may not be the bus's, by cause. Each is counted under at most one of the four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Excused {
    /// Explained by lateness and pauses, in seconds in which the machine is not known to have been used up.
    pub late: u64,
    /// Explained by lateness and pauses, in seconds in which others used a material part of the machine.
    pub disturbed: u64,
    /// Explained by lateness and pauses, in seconds in which only the harness and the broker used the whole
    /// machine.
    pub saturated: u64,
    /// Not explained by lateness and pauses, but in seconds in which others left nothing of the machine.
    pub contended: u64,
}

impl Excused {
    fn add(&mut self, count: u64, explained: bool, usage: Usage) {
        match (explained, usage) {
            (true, Usage::Free) => self.late += count,
            (true, Usage::Shared | Usage::Contended) => self.disturbed += count,
            (true, Usage::Saturated) => self.saturated += count,
            (false, Usage::Contended) => self.contended += count,
            (false, Usage::Free | Usage::Shared | Usage::Saturated) => {}
        }
    }

    /// Adds the counts of another one.
    pub fn merge(&mut self, other: Self) {
        self.late += other.late;
        self.disturbed += other.disturbed;
        self.saturated += other.saturated;
        self.contended += other.contended;
    }

    /// The number explained by lateness and pauses.
    #[must_use]
    pub const fn explained(self) -> u64 {
        self.late + self.disturbed + self.saturated
    }
}

/// Who used the machine in a second; for several seconds, the worst of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Usage {
    /// None of the others.
    #[default]
    Free,
    /// The harness and the broker used all of it.
    Saturated,
    /// Others used a material part of it.
    Shared,
    /// Others used a material part of it, and none was left.
    Contended,
}

/// [`Usage`] by second since the start of the load.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seconds {
    start: Ns,
    usage: Vec<Usage>,
}

impl Seconds {
    /// The seconds from `start` on.
    #[must_use]
    pub const fn new(start: Ns, usage: Vec<Usage>) -> Self {
        Self { start, usage }
    }

    fn during(&self, from: Ns, to: Ns) -> Usage {
        let second = |at: Ns| num::index(at.saturating_sub(self.start) / 1_000_000_000);
        let (first, last) = (second(from), second(to.saturating_sub(1)));
        let seconds = self.usage.iter().skip(first).take(last.saturating_sub(first) + 1);
        seconds.copied().max().unwrap_or_default()
    }
}

/// The delays that the harness itself adds to times, by when the event was due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lateness {
    start: Ns,
    width: u64,
    lag_max: Vec<u64>,
    pauses_from: Ns,
    /// Cumulative pauses at the end of each slot.
    paused: Vec<u64>,
}

impl Lateness {
    /// Without delays, for a phase of `duration` from `start` on.
    #[must_use]
    pub fn new(start: Ns, duration: Span) -> Self {
        let width = slot_of(duration).ns;
        let slots = num::index(duration.ns.div_ceil(width));
        Self { start, width, lag_max: vec![0; slots], pauses_from: start, paused: Vec::new() }
    }

    /// Counts an event due at `intended` that was sent `late_ns` late.
    #[inline]
    pub fn sent(&mut self, intended: Ns, late_ns: u64) {
        let slot = num::index(intended.saturating_sub(self.start) / self.width);
        if let Some(max) = self.lag_max.get_mut(slot) {
            *max = (*max).max(late_ns);
        }
    }

    /// Adds the lateness of other generators.
    pub fn merge(&mut self, other: &Self) {
        self.lag_max.iter_mut().zip(&other.lag_max).for_each(|(a, b)| *a = (*a).max(*b));
    }

    /// Adds the pauses of the whole run.
    pub fn pauses(&mut self, pauses: &Pauses) {
        self.pauses_from = pauses.start;
        let mut sum = 0;
        self.paused = pauses
            .slots
            .iter()
            .map(|&ns| {
                sum += ns;
                sum
            })
            .collect();
    }

    /// The largest lateness of an event in the slot of `intended`.
    fn late_by(&self, intended: Ns) -> u64 {
        let slot = num::index(intended.saturating_sub(self.start) / self.width);
        self.lag_max.get(slot).copied().unwrap_or(0)
    }

    /// An upper bound on the harness's pauses between two moments: partial slots count in full.
    fn paused(&self, from: Ns, until: Ns) -> u64 {
        let slot = |at: Ns| num::index(at.saturating_sub(self.pauses_from) / Pauses::SLOT_NS);
        let up_to = |slots: usize| match slots.min(self.paused.len()).checked_sub(1) {
            Some(last) => self.paused[last],
            None => 0,
        };
        up_to(slot(until).saturating_add(1)) - up_to(slot(from))
    }
}

/// The harness's pauses, by slots of 100 ms from a start on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pauses {
    start: Ns,
    slots: Vec<u64>,
}

impl Pauses {
    const SLOT_NS: u64 = FINE.ns;

    /// Without pauses.
    #[must_use]
    pub const fn new(start: Ns) -> Self {
        Self { start, slots: Vec::new() }
    }

    /// Adds a pause; the part before the start is ignored.
    pub fn add(&mut self, from: Ns, length_ns: u64) {
        let end = from.saturating_add(length_ns);
        let mut at = from.max(self.start);
        while at < end {
            let slot = (at - self.start) / Self::SLOT_NS;
            let next = end.min(self.start + (slot + 1) * Self::SLOT_NS);
            let place = num::index(slot);
            if place >= self.slots.len() {
                self.slots.resize(place + 1, 0);
            }
            self.slots[place] += next - at;
            at = next;
        }
    }

    /// The pause time in each second since the start, for `seconds` of them.
    #[must_use]
    pub fn by_second(&self, seconds: usize) -> Vec<u64> {
        let of = |second: usize| self.slots.iter().skip(second * 10).take(10).sum();
        (0..seconds).map(of).collect()
    }
}

/// The harness's own part in times.
#[derive(Debug, Clone, Copy)]
pub struct Harness<'a> {
    /// Lateness and pauses.
    pub lateness: &'a Lateness,
    /// Who used the machine.
    pub usage: &'a Seconds,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;
    const SECOND: u64 = 1_000 * MS;
    const START: Ns = 10 * SECOND;

    fn excess(events: &[(u64, u64)]) -> Excess {
        let mut excess = Excess::new(START, Span::seconds(3), &[100 * MS]);
        for &(after_ms, ms) in events {
            let intended = START + after_ms * MS;
            excess.record(intended, intended + ms * MS);
        }
        excess
    }

    fn sum(excess: &Excess, lateness: &Lateness, usage: &Seconds) -> Excused {
        let mut all = Excused::default();
        excess.excused(100 * MS, &Harness { lateness, usage }).into_iter().for_each(|e| all.merge(e));
        all
    }

    #[test]
    fn buckets_have_no_gaps() {
        for b in 0..BUCKETS {
            let (least, most) = edges(b);
            assert_eq!([bucket(least), bucket(most)], [b, b]);
            if b > 0 {
                assert_eq!(edges(b - 1).1 + 1, least);
            }
        }
    }

    #[test]
    fn lateness_explains_what_it_can_have_caused_and_no_more() {
        let excess = excess(&[(50, 99), (50, 100), (50, 150), (50, 400), (250, 150)]);
        let mut lateness = Lateness::new(START, Span::seconds(3));
        let idle = Seconds::default();
        assert_eq!(sum(&excess, &lateness, &idle).explained(), 0, "no lateness explains nothing");
        // In the first 100 ms events were sent up to 60 ms late: that explains 100 and 150 ms, not 400.
        lateness.sent(START + 10 * MS, 60 * MS);
        assert_eq!(sum(&excess, &lateness, &idle), Excused { late: 2, ..Excused::default() });
        // A pause of 300 ms a second later cannot have affected events that had arrived by then, but the one of
        // 400 ms is still in flight.
        let mut pauses = Pauses::new(START - SECOND);
        pauses.add(START + 350 * MS, 300 * MS);
        lateness.pauses(&pauses);
        assert_eq!(
            sum(&excess, &lateness, &idle).explained(),
            4,
            "the last one was due 250 ms in, and came after the pause began"
        );
    }

    #[test]
    fn a_pause_counts_in_the_time_it_took() {
        let mut pauses = Pauses::new(START);
        pauses.add(START - 20 * MS, 50 * MS);
        pauses.add(START + 950 * MS, 100 * MS);
        assert_eq!(pauses.by_second(3), [80 * MS, 50 * MS, 0]);
        let mut lateness = Lateness::new(START, Span::seconds(3));
        lateness.pauses(&pauses);
        assert_eq!(lateness.paused(START + 200 * MS, START + 800 * MS), 0);
        assert_eq!(lateness.paused(START + 200 * MS, START + 2 * SECOND), 100 * MS);
        assert_eq!(lateness.paused(START, START + 10 * SECOND), 130 * MS);
    }

    #[test]
    fn users_of_the_machine_are_distinguished() {
        let excess = excess(&[(10, 120), (1010, 120), (2010, 120), (2010, 900)]);
        let mut lateness = Lateness::new(START, Span::seconds(3));
        for second in 0..3 {
            lateness.sent(START + second * SECOND, 50 * MS);
        }
        let usage = Seconds::new(START, vec![Usage::Free, Usage::Saturated, Usage::Contended]);
        let expected = Excused { late: 1, saturated: 1, disturbed: 1, contended: 1 };
        assert_eq!(sum(&excess, &lateness, &usage), expected);
        // A time that reaches into a disturbed second counts as disturbed.
        let usage = Seconds::new(START, vec![Usage::Free, Usage::Free, Usage::Free, Usage::Shared]);
        assert_eq!(sum(&excess, &lateness, &usage).late, 3);
    }

    proptest! {
        /// Any exceedance that is not explained would also occur without lateness and pauses.
        #[test]
        fn nothing_stands_that_lateness_explains(
            events in proptest::collection::vec((0_u64..3000, 0_u64..80, 0_u64..300, 0_u64..200), 1..60),
            pauses in proptest::collection::vec((0_u64..4000, 1_u64..200), 0..6),
        ) {
            let mut all = Pauses::new(START);
            let mut stands: Vec<(u64, u64)> = pauses.iter().map(|&(at, length)| (START + at * MS, length * MS)).collect();
            stands.sort_unstable();
            for &(at, length) in &stands {
                all.add(at, length);
            }
            let mut lateness = Lateness::new(START, Span::seconds(3));
            let mut excess = Excess::new(START, Span::seconds(3), &[100 * MS]);
            let (mut beyond, mut truly) = (0, 0);
            for &(at, lag, bus, seen_late) in &events {
                let intended = START + at * MS;
                let sent = intended + lag * MS;
                let arrived = sent + bus * MS;
                // It was seen when the harness went on, up to `seen_late` after it arrived, all of it in
                // pauses.
                let standing: u64 = stands.iter().filter(|p| p.0 <= arrived && arrived < p.0 + p.1).map(|p| p.0 + p.1 - arrived).max().unwrap_or(0);
                let seen = arrived + standing.min(seen_late * MS);
                lateness.sent(intended, sent - intended);
                excess.record(intended, seen);
                beyond += u64::from(seen - intended >= 100 * MS);
                truly += u64::from(bus >= 100);
            }
            lateness.pauses(&all);
            let left = beyond - sum(&excess, &lateness, &Seconds::default()).explained();
            prop_assert!(left <= truly, "{left} of {beyond} stand, {truly} are the bus's");
        }

        #[test]
        fn merging_is_the_same_as_recording_all(events in proptest::collection::vec((0_u64..3500, 0_u64..900), 0..50), cut in 0_usize..50) {
            let (first, second) = events.split_at(cut.min(events.len()));
            let mut merged = excess(first);
            merged.merge(&excess(second));
            let none = Lateness::new(START, Span::seconds(3));
            let usage = Seconds::new(START, vec![Usage::Contended; 5]);
            prop_assert_eq!(sum(&merged, &none, &usage), sum(&excess(&events), &none, &usage));
        }
    }
}
