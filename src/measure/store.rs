//! The account of the store, read back from its start: is every acked event there, once, and in order?

use crate::measure::ledger::{Fate, GroupLedger};
use crate::measure::publish::PublishLedger;
use crate::measure::ranges::{Ranges, Stretch, total, without};
use crate::measure::settle::account;
use crate::num;
use crate::plan::Ns;

/// The ledger of the store. Memory is that of a [`GroupLedger`], and a map entry for each run of events that
/// are stored twice or out of order.
#[derive(Debug, Clone)]
pub struct StoreLedger {
    ledger: GroupLedger,
    twice: Ranges,
    late: Ranges,
}

impl StoreLedger {
    /// An empty ledger with this number of keys.
    #[must_use]
    pub fn new(keys: usize) -> Self {
        Self { ledger: GroupLedger::new(keys), twice: Ranges::default(), late: Ranges::default() }
    }

    /// Enters a stored event in the broker's order. Each position is read once, so a repeated event is a second
    /// copy.
    pub fn store(&mut self, key: usize, sequence: u32, read: Ns) {
        match self.ledger.deliver(key, sequence, read, 1) {
            Fate::Reordered { .. } => self.late.insert(num::count32(key), sequence),
            Fate::Duplicate | Fate::Redelivered => self.twice.insert(num::count32(key), sequence),
            Fate::First | Fate::Stray => false,
        };
    }

    /// The events of a key that were read, in ascending order.
    pub(super) fn came(&self, key: usize) -> Came {
        let (name, next) = (num::count32(key), self.ledger.next(key));
        let all: Vec<Stretch> =
            next.checked_sub(1).map(|last| Stretch { first: 0, last }).into_iter().collect();
        Came {
            all: without(&all, &self.ledger.missing(key, next)),
            twice: self.twice.of(name).collect(),
            late: self.late.of(name).collect(),
        }
    }

    /// The stored events, as if the store were a group.
    #[must_use]
    pub const fn ledger(&self) -> &GroupLedger {
        &self.ledger
    }
}

/// The events of a key that were read.
pub(super) struct Came {
    pub(super) all: Vec<Stretch>,
    /// Of them: more than once.
    pub(super) twice: Vec<Stretch>,
    /// Of them: after one with a higher sequence.
    pub(super) late: Vec<Stretch>,
}

/// The result of reading the store back from its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Audit {
    /// Acked events.
    pub acked: u64,
    /// Acked events that are not in the store.
    pub missing: u64,
    /// Copies in the store beyond the first of an event.
    pub stored_twice: u64,
    /// Events stored after one of their key with a higher sequence.
    pub out_of_order: u64,
    /// Acked events stored exactly once.
    pub stored_once: u64,
    /// Acked events stored exactly once and in order.
    pub replayed: u64,
}

/// Checks the store against what was acked.
#[must_use]
pub fn audit(published: &PublishLedger, stored: &StoreLedger) -> Audit {
    let seen = stored.ledger.totals();
    let mut found = Audit { stored_twice: seen.duplicate, out_of_order: seen.reordered, ..Audit::default() };
    for key in 0..published.keys() {
        let own = account(published, &stored.ledger, key);
        let (exceptions, name) = (published.exceptions(key), num::count32(key));
        let acked = |all: &Ranges| without(&within(all.of(name), published.intended(key)), &exceptions);
        let (twice, late) = (acked(&stored.twice), acked(&stored.late));
        let stored = own.acked - total(&own.lost);
        found.acked += own.acked;
        found.missing += total(&own.lost);
        found.stored_once += stored - total(&twice);
        found.replayed += stored - total(&twice) - total(&without(&late, &twice));
    }
    found
}

/// The parts of the stretches below `end`.
fn within(all: impl Iterator<Item = Stretch>, end: u32) -> Vec<Stretch> {
    let below = all.take_while(|stretch| stretch.first < end);
    below.map(|stretch| Stretch { last: stretch.last.min(end - 1), ..stretch }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn stored(events: &[(usize, u32)]) -> StoreLedger {
        let mut ledger = StoreLedger::new(2);
        for &(key, sequence) in events {
            ledger.store(key, sequence, 0);
        }
        ledger
    }

    /// One key; those of `open` are unconfirmed, the others acked.
    fn published(events: u32, open: &[u32]) -> PublishLedger {
        let mut ledger = PublishLedger::new(2);
        for sequence in 0..events {
            ledger.assign(0);
            if open.contains(&sequence) { ledger.unconfirmed(0, sequence) } else { ledger.acked(false) }
        }
        ledger
    }

    #[test]
    fn each_fault_is_found() {
        let published = published(6, &[4]);
        let clean = audit(&published, &stored(&[(0, 0), (0, 1), (0, 2), (0, 3), (0, 5)]));
        assert_eq!(clean, Audit { acked: 5, stored_once: 5, replayed: 5, ..Audit::default() });
        let faulty = audit(&published, &stored(&[(0, 0), (0, 0), (0, 3), (0, 2), (0, 5)]));
        let expected =
            Audit { acked: 5, missing: 1, stored_twice: 1, out_of_order: 1, stored_once: 3, replayed: 2 };
        assert_eq!(faulty, expected);
        assert_eq!(audit(&PublishLedger::new(1), &StoreLedger::new(1)), Audit::default());
    }

    #[test]
    fn copies_of_what_was_not_confirmed_take_nothing_from_what_was() {
        let found = audit(&published(3, &[1]), &stored(&[(0, 0), (0, 1), (0, 1), (0, 2)]));
        assert_eq!((found.acked, found.stored_twice, found.stored_once, found.replayed), (2, 1, 2, 2));
    }

    #[test]
    fn three_copies_are_one_event_stored_too_often() {
        let found = audit(&published(2, &[]), &stored(&[(0, 0), (0, 0), (0, 0), (0, 1)]));
        assert_eq!((found.stored_twice, found.stored_once, found.replayed), (2, 1, 1));
    }

    proptest! {
        #[test]
        fn an_audit_counts_what_lists_show(
            events in proptest::collection::vec((0_usize..1, 0_u32..30), 0..60),
            open in proptest::collection::vec(0_u32..20, 0..6),
        ) {
            let found = audit(&published(20, &open), &stored(&events));
            let mut copies: BTreeMap<u32, u64> = BTreeMap::new();
            let mut late = BTreeSet::new();
            for &(_, sequence) in &events {
                if !copies.contains_key(&sequence) && copies.keys().any(|&other| other > sequence) {
                    late.insert(sequence);
                }
                *copies.entry(sequence).or_insert(0) += 1;
            }
            let acked: Vec<u32> = (0..20).filter(|sequence| !open.contains(sequence)).collect();
            let count = |wanted: &dyn Fn(u32) -> bool| num::count(acked.iter().filter(|&&s| wanted(s)).count());
            let times = |sequence: u32| copies.get(&sequence).copied().unwrap_or(0);
            prop_assert_eq!(found.missing, count(&|s| times(s) == 0));
            prop_assert_eq!(found.stored_once, count(&|s| times(s) == 1));
            prop_assert_eq!(found.replayed, count(&|s| times(s) == 1 && !late.contains(&s)));
        }
    }
}
