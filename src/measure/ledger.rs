//! The account of a group's deliveries: in order, late, repeated, or missing.
//!
//! Terms of order are those of RFC 4737. An event is *reordered* if its sequence is below the highest already
//! delivered of its key (section 3.3, with the next expected number). Its *extent* is i − j for the smallest j
//! with s\[j\] > s\[i\], counted in arrivals of that key (section 4.2), and its *late time* is the time from
//! the arrival of j to its own (section 4.3). Copies are counted separately and take no part in this (section
//! 3.3).
//!
//! A gap is open, not lost, until the run is over. So each key keeps the number after its highest, and each gap
//! below that keeps the arrival that opened it: the first arrival above *any* sequence inside a gap is the one
//! that opened it, since everything before that was below the gap. Filling a part of a gap leaves the rest of
//! it with the same opening.

use std::collections::BTreeMap;

use crate::measure::ranges::Stretch;
use crate::num;
use crate::plan::Ns;

/// The classification of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The event's first delivery, with none of a higher sequence before it.
    First,
    /// The event's first delivery, after one of a higher sequence.
    Reordered {
        /// The number of arrivals of its key since it should have arrived.
        extent: u64,
        /// The time since it should have arrived, in nanoseconds.
        late: u64,
    },
    /// Delivered before, and this is the first delivery of its position in the broker: the event was stored
    /// twice.
    Duplicate,
    /// Delivered before, and the group has had this position before.
    Redelivered,
    /// Not an event of this run: unknown key, or an impossible sequence number.
    Stray,
}

/// Counts of deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deliveries {
    /// Events delivered, each counted once, including the reordered ones.
    pub delivered: u64,
    /// Events whose first delivery was reordered.
    pub reordered: u64,
    /// Deliveries of copies stored twice.
    pub duplicate: u64,
    /// Deliveries of the same position again.
    pub redelivered: u64,
    /// Deliveries that are not events of this run.
    pub stray: u64,
    /// Largest extent of a reordered event.
    pub extent_max: u64,
    /// Longest late time of a reordered event.
    pub late_max_ns: u64,
}

/// The faults of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trouble {
    /// Reordered first deliveries.
    pub reordered: u64,
    /// Duplicates.
    pub duplicate: u64,
    /// Redeliveries.
    pub redelivered: u64,
    /// Largest extent.
    pub extent_max: u64,
}

impl Trouble {
    /// The sum of the faults.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.reordered + self.duplicate + self.redelivered
    }
}

/// The ledger of one group. Keys are dense: `topic × symbols + symbol`; each has sequence numbers from 0.
///
/// Memory is 8 bytes a key, and a map entry for each open gap and each key with faults. A delivery in order
/// touches its key and a counter.
#[derive(Debug, Clone)]
pub struct GroupLedger {
    keys: Vec<Key>,
    /// From (key, first) to the rest of the gap.
    gaps: BTreeMap<(u32, u32), Gap>,
    trouble: BTreeMap<u32, Trouble>,
    totals: Deliveries,
    extents: [u64; 32],
}

#[derive(Debug, Clone, Copy, Default)]
struct Key {
    /// One above the highest sequence delivered.
    next: u32,
    /// Events delivered, which is also the number of the last arrival.
    delivered: u32,
}

/// Consecutive sequences below the highest that have not arrived yet.
#[derive(Debug, Clone, Copy)]
struct Gap {
    last: u32,
    /// Number of the arrival that opened it, counted per key from 1.
    arrival: u32,
    /// Time of that arrival.
    opened: Ns,
}

impl GroupLedger {
    /// An empty ledger with this number of keys.
    #[must_use]
    pub fn new(keys: usize) -> Self {
        Self {
            keys: vec![Key::default(); keys],
            gaps: BTreeMap::new(),
            trouble: BTreeMap::new(),
            totals: Deliveries::default(),
            extents: [0; 32],
        }
    }

    /// Enters a delivery; must be called in the order of the receive times. `attempt` is 1 for the first
    /// delivery of its position to the group (see [`super::Positions`]), and more for a further one.
    ///
    /// That distinguishes a redelivery from a duplicate: a known event at a position that the group has not had
    /// was stored twice.
    #[inline]
    pub fn deliver(&mut self, key: usize, sequence: u32, received: Ns, attempt: u32) -> Fate {
        let Some(state) = self.keys.get_mut(key) else {
            return self.stray();
        };
        let Some(next) = sequence.checked_add(1) else {
            return self.stray();
        };
        if sequence == state.next {
            state.next = next;
            state.delivered += 1;
            self.totals.delivered += 1;
            return Fate::First;
        }
        self.out_of_line(key, sequence, received, attempt)
    }

    /// Counts so far.
    #[must_use]
    pub const fn totals(&self) -> &Deliveries {
        &self.totals
    }

    /// Reordered events by extent: the i-th number counts extents from 2^i to 2^(i+1) − 1.
    #[must_use]
    pub const fn extents(&self) -> &[u64; 32] {
        &self.extents
    }

    /// Gaps that are open now, over all keys.
    #[must_use]
    pub fn open_gaps(&self) -> usize {
        self.gaps.len()
    }

    /// Delivered events of a key.
    #[must_use]
    pub fn delivered(&self, key: usize) -> u64 {
        self.keys.get(key).map_or(0, |key| u64::from(key.delivered))
    }

    /// One above the highest sequence delivered of a key.
    #[must_use]
    pub fn next(&self, key: usize) -> u32 {
        self.keys.get(key).map_or(0, |key| key.next)
    }

    /// The missing ones of the sequences 0 to `end` − 1 of a key, in ascending order.
    #[must_use]
    pub fn missing(&self, key: usize, end: u32) -> Vec<Stretch> {
        let Some(last) = end.checked_sub(1) else { return Vec::new() };
        let next = self.next(key);
        let mut missing = Vec::new();
        // A key without gaps has delivered everything below `next`.
        if self.delivered(key) < u64::from(next) {
            let name = num::count32(key);
            let gaps = self.gaps.range((name, 0)..=(name, last));
            missing.extend(gaps.map(|(&(_, first), gap)| Stretch { first, last: gap.last.min(last) }));
        }
        if next <= last {
            missing.push(Stretch { first: next, last });
        }
        missing
    }

    /// The keys with the most faults, worst first, up to `most` of them.
    #[must_use]
    pub fn worst(&self, most: usize) -> Vec<(usize, Trouble)> {
        let mut all: Vec<(usize, Trouble)> =
            self.trouble.iter().map(|(&key, &t)| (num::index32(key), t)).collect();
        all.sort_by_key(|&(key, trouble)| (std::cmp::Reverse(trouble.total()), key));
        all.truncate(most);
        all
    }

    #[cold]
    fn stray(&mut self) -> Fate {
        self.totals.stray += 1;
        Fate::Stray
    }

    /// Enters a delivery that is not the next one of its key.
    #[cold]
    fn out_of_line(&mut self, key: usize, sequence: u32, received: Ns, attempt: u32) -> Fate {
        let name = num::count32(key);
        let state = &mut self.keys[key];
        if sequence > state.next {
            let first = (name, state.next);
            state.next = sequence + 1;
            state.delivered += 1;
            self.totals.delivered += 1;
            self.gaps.insert(first, Gap { last: sequence - 1, arrival: state.delivered, opened: received });
            return Fate::First;
        }
        let Some(gap) = self.fill(name, sequence) else {
            return self.repeated(name, attempt);
        };
        let state = &mut self.keys[key];
        state.delivered += 1;
        self.totals.delivered += 1;
        let extent = u64::from(state.delivered - gap.arrival);
        let late = received.saturating_sub(gap.opened);
        self.late(name, extent, late);
        Fate::Reordered { extent, late }
    }

    /// Removes a sequence from the gap that contains it, if there is one.
    fn fill(&mut self, key: u32, sequence: u32) -> Option<Gap> {
        let (&(_, first), gap) = self.gaps.range_mut((key, 0)..=(key, sequence)).next_back()?;
        if gap.last < sequence {
            return None;
        }
        let whole = *gap;
        if first == sequence {
            self.gaps.remove(&(key, first));
        } else {
            gap.last = sequence - 1;
        }
        if sequence < whole.last {
            self.gaps.insert((key, sequence + 1), whole);
        }
        Some(whole)
    }

    fn late(&mut self, key: u32, extent: u64, late: u64) {
        self.totals.reordered += 1;
        self.totals.extent_max = self.totals.extent_max.max(extent);
        self.totals.late_max_ns = self.totals.late_max_ns.max(late);
        // An extent is at least 1 and fits 32 bits.
        let power = extent.checked_ilog2().map_or(0, num::index32);
        self.extents[power.min(31)] += 1;
        let trouble = self.trouble.entry(key).or_default();
        trouble.reordered += 1;
        trouble.extent_max = trouble.extent_max.max(extent);
    }

    fn repeated(&mut self, key: u32, attempt: u32) -> Fate {
        let trouble = self.trouble.entry(key).or_default();
        if attempt > 1 {
            trouble.redelivered += 1;
            self.totals.redelivered += 1;
            Fate::Redelivered
        } else {
            trouble.duplicate += 1;
            self.totals.duplicate += 1;
            Fate::Duplicate
        }
    }
}

#[cfg(test)]
mod tests;
