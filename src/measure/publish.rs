//! The account of published events: the sequence of each, and which were not confirmed, and why.
//!
//! Every slot of the schedule takes a sequence, even one whose event the client refuses: so a consumer sees a
//! gap there, and the exception in this ledger explains it. All events without an exception are confirmed.

use crate::measure::ranges::{Ranges, Stretch};
use crate::num;

/// Counts of published events: `intended = acked + refused + unconfirmed + unsent + open`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Published {
    /// Slots of the schedule so far.
    pub intended: u64,
    /// Events that the broker confirmed.
    pub acked: u64,
    /// Events that the broker refused.
    pub refused: u64,
    /// Events without an answer in time.
    pub unconfirmed: u64,
    /// Events that the client did not accept.
    pub unsent: u64,
    /// Of the acked ones: those whose id the broker knew already, so that it kept the first copy.
    pub duplicate_acks: u64,
}

impl Published {
    /// Events sent and not answered yet.
    #[must_use]
    pub const fn open(&self) -> u64 {
        self.intended.saturating_sub(self.acked + self.refused + self.unconfirmed + self.unsent)
    }

    /// Events that the client accepted.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.intended.saturating_sub(self.unsent)
    }
}

/// The ledger of one generator, or, merged, of all.
///
/// Keys are those of [`super::GroupLedger`]. Memory is 4 bytes a key, and a map entry for each run of
/// exceptions. Each event gets exactly one of the four answers.
#[derive(Debug, Clone, Default)]
pub struct PublishLedger {
    next: Vec<u32>,
    refused: Ranges,
    unconfirmed: Ranges,
    unsent: Ranges,
    totals: Published,
}

impl PublishLedger {
    /// An empty ledger with this number of keys.
    #[must_use]
    pub fn new(keys: usize) -> Self {
        Self {
            next: vec![0; keys],
            refused: Ranges::default(),
            unconfirmed: Ranges::default(),
            unsent: Ranges::default(),
            totals: Published::default(),
        }
    }

    /// Takes the next sequence of a key for a slot of the schedule; `None` for an unknown key, and after 2^32 −
    /// 1 events of a key.
    #[inline]
    pub fn assign(&mut self, key: usize) -> Option<u32> {
        let next = self.next.get_mut(key)?;
        let sequence = *next;
        *next = sequence.checked_add(1)?;
        self.totals.intended += 1;
        Some(sequence)
    }

    /// Counts a confirmed event; `duplicate` if the broker knew its id already.
    #[inline]
    pub fn acked(&mut self, duplicate: bool) {
        self.totals.acked += 1;
        self.totals.duplicate_acks += u64::from(duplicate);
    }

    /// Enters an event that the broker refused.
    pub fn refused(&mut self, key: usize, sequence: u32) {
        self.totals.refused += u64::from(self.refused.insert(num::count32(key), sequence));
    }

    /// Enters an event without an answer in time.
    pub fn unconfirmed(&mut self, key: usize, sequence: u32) {
        self.totals.unconfirmed += u64::from(self.unconfirmed.insert(num::count32(key), sequence));
    }

    /// Enters an event that the client did not accept.
    pub fn unsent(&mut self, key: usize, sequence: u32) {
        self.totals.unsent += u64::from(self.unsent.insert(num::count32(key), sequence));
    }

    /// Counts so far.
    #[must_use]
    pub const fn totals(&self) -> &Published {
        &self.totals
    }

    /// Number of keys.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.next.len()
    }

    /// Number of sequences taken of a key.
    #[must_use]
    pub fn intended(&self, key: usize) -> u32 {
        self.next.get(key).copied().unwrap_or(0)
    }

    /// Number of sequences taken of each key.
    #[must_use]
    pub fn taken(&self) -> &[u32] {
        &self.next
    }

    /// Is the event confirmed? Exact once no event is open.
    #[must_use]
    pub fn is_acked(&self, key: usize, sequence: u32) -> bool {
        let name = num::count32(key);
        sequence < self.intended(key)
            && ![&self.refused, &self.unconfirmed, &self.unsent]
                .iter()
                .any(|set| set.contains(name, sequence))
    }

    /// The events of a key that were not confirmed for any reason, in ascending order; neighbours may touch.
    pub(super) fn exceptions(&self, key: usize) -> Vec<Stretch> {
        let name = num::count32(key);
        let mut all: Vec<Stretch> =
            self.refused.of(name).chain(self.unconfirmed.of(name)).chain(self.unsent.of(name)).collect();
        all.sort_unstable();
        all
    }

    /// The unconfirmed events of a key, in ascending order.
    pub(super) fn unconfirmed_of(&self, key: usize) -> Vec<Stretch> {
        self.unconfirmed.of(num::count32(key)).collect()
    }

    /// Adds the ledger of another generator, whose keys are different.
    pub fn merge(&mut self, other: &Self) {
        self.next.resize(self.next.len().max(other.next.len()), 0);
        self.next.iter_mut().zip(&other.next).for_each(|(a, b)| *a = (*a).max(*b));
        self.refused.extend_with_other_keys(&other.refused);
        self.unconfirmed.extend_with_other_keys(&other.unconfirmed);
        self.unsent.extend_with_other_keys(&other.unsent);
        let (mine, theirs) = (&mut self.totals, &other.totals);
        mine.intended += theirs.intended;
        mine.acked += theirs.acked;
        mine.refused += theirs.refused;
        mine.unconfirmed += theirs.unconfirmed;
        mine.unsent += theirs.unsent;
        mine.duplicate_acks += theirs.duplicate_acks;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key 0: acked, refused, acked as a duplicate. Key 2: unsent, unconfirmed, open.
    fn ledger() -> PublishLedger {
        let mut ledger = PublishLedger::new(3);
        let sequences = [0, 0, 0, 2, 2, 2].map(|key| ledger.assign(key));
        assert_eq!(sequences, [Some(0), Some(1), Some(2), Some(0), Some(1), Some(2)]);
        ledger.acked(false);
        ledger.refused(0, 1);
        ledger.acked(true);
        ledger.unsent(2, 0);
        ledger.unconfirmed(2, 1);
        ledger
    }

    #[test]
    fn the_account_balances() {
        let totals = *ledger().totals();
        let expected =
            Published { intended: 6, acked: 2, refused: 1, unconfirmed: 1, unsent: 1, duplicate_acks: 1 };
        assert_eq!((totals, totals.open(), totals.sent()), (expected, 1, 5));
    }

    #[test]
    fn every_event_without_an_exception_is_acked() {
        let ledger = ledger();
        let acked: Vec<bool> = (0..4).map(|sequence| ledger.is_acked(0, sequence)).collect();
        assert_eq!(acked, [true, false, true, false]);
        assert!(!ledger.is_acked(2, 0) && !ledger.is_acked(2, 1) && !ledger.is_acked(9, 0));
        assert_eq!(ledger.exceptions(2), [Stretch { first: 0, last: 0 }, Stretch { first: 1, last: 1 }]);
    }

    #[test]
    fn an_answer_given_twice_counts_once() {
        let mut ledger = ledger();
        ledger.refused(0, 1);
        assert_eq!(ledger.totals().refused, 1);
    }

    #[test]
    fn no_key_and_no_sequence_are_none() {
        let mut ledger = PublishLedger::new(1);
        assert_eq!(ledger.assign(1), None);
        ledger.next[0] = u32::MAX - 1;
        assert_eq!([ledger.assign(0), ledger.assign(0), ledger.assign(0)], [Some(u32::MAX - 1), None, None]);
        assert_eq!(ledger.totals().intended, 1);
    }

    #[test]
    fn generators_merge_to_one_account() {
        let mut all = ledger();
        let mut other = PublishLedger::new(3);
        other.assign(1);
        other.refused(1, 0);
        for sequence in 1..5 {
            other.assign(1);
            other.acked(sequence > 2);
        }
        for sequence in 5..8 {
            other.assign(1);
            other.unconfirmed(1, sequence);
        }
        for sequence in 8..12 {
            other.assign(1);
            other.unsent(1, sequence);
        }
        all.merge(&other);
        assert_eq!([all.intended(0), all.intended(1), all.intended(2)], [3, 12, 3]);
        let expected =
            Published { intended: 18, acked: 6, refused: 2, unconfirmed: 4, unsent: 5, duplicate_acks: 3 };
        assert_eq!((*all.totals(), all.totals().open()), (expected, 1));
        assert!(all.is_acked(0, 0) && !all.is_acked(1, 0) && !all.is_acked(2, 0));
        assert_eq!(all.exceptions(1), [(0, 0), (5, 7), (8, 11)].map(|(first, last)| Stretch { first, last }));
    }
}
