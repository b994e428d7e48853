//! Compares a replay with what was published, event by event: which events were to come, which of them came once and in order,
//! and what came besides.

use crate::measure::cut::{Cut, Sides};
use crate::measure::publish::PublishLedger;
use crate::measure::ranges::{Stretch, common, total, without};
use crate::measure::store::StoreLedger;

/// The events that a replay was to return.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The boundary at which it begins; `None` for the first event.
    pub from: Option<&'a Cut>,
    /// The boundary at which it ends; `None` for the last event.
    pub until: Option<&'a Cut>,
    /// Is it the last event of each key alone?
    pub last: bool,
}

/// The result of a comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compared {
    /// Events that were to come: confirmed ones that are stored within the boundaries.
    pub expected: u64,
    /// Of these: came once and in order.
    pub equal: u64,
    /// Of these: did not come.
    pub missing: u64,
    /// Events that came and were not to come.
    pub extra: u64,
    /// Events that came and need not have come: unconfirmed ones, and those at a boundary.
    pub either: u64,
    /// Copies beyond the first of an event.
    pub twice: u64,
    /// Events that came after one of their key with a higher sequence.
    pub reordered: u64,
}

/// Compares what came with what was published, once every event has its answer.
#[must_use]
pub fn compare(published: &PublishLedger, came: &StoreLedger, wanted: &Wanted<'_>) -> Compared {
    let totals = came.ledger().totals();
    let mut sum = Compared {
        twice: totals.duplicate,
        reordered: totals.reordered,
        extra: totals.stray,
        ..Compared::default()
    };
    for key in 0..published.keys() {
        let own = Own::of(published, came, wanted, key);
        if wanted.last { own.last(&mut sum) } else { own.all(&mut sum) }
    }
    sum
}

/// One key's part of a comparison.
struct Own {
    /// Confirmed, and stored within the boundaries.
    sure: Vec<Stretch>,
    /// May be stored within the boundaries.
    either: Vec<Stretch>,
    came: Vec<Stretch>,
    /// Of those that came: more than once, or out of order.
    faulty: Vec<Stretch>,
}

impl Own {
    fn of(published: &PublishLedger, came: &StoreLedger, wanted: &Wanted<'_>, key: usize) -> Self {
        let end = published.intended(key);
        let everything = whole(end);
        let from = wanted.from.map_or_else(
            || Sides { behind: everything.clone(), ..Sides::default() },
            |cut| cut.sides(key, end),
        );
        let until = wanted.until.map_or_else(
            || Sides { before: everything.clone(), ..Sides::default() },
            |cut| cut.sides(key, end),
        );
        let (acked, unconfirmed) =
            (without(&everything, &published.exceptions(key)), published.unconfirmed_of(key));
        // What is unconfirmed may be stored at any time after it was sent.
        let doubtful = common(&unconfirmed, &without(&everything, &until.behind));
        let at_the_begin = common(&from.either, &without(&everything, &until.behind));
        let at_the_end = common(&until.either, &without(&everything, &from.before));
        let at_a_boundary = common(&union(&at_the_begin, &at_the_end), &acked);
        let came_of_key = came.came(key);
        Self {
            sure: common(&common(&from.behind, &until.before), &acked),
            either: union(&doubtful, &at_a_boundary),
            faulty: union(&came_of_key.twice, &came_of_key.late),
            came: came_of_key.all,
        }
    }

    fn all(&self, sum: &mut Compared) {
        let there = common(&self.sure, &self.came);
        sum.expected += total(&self.sure);
        sum.missing += total(&self.sure) - total(&there);
        sum.equal += total(&without(&there, &self.faulty));
        sum.either += total(&common(&self.either, &self.came));
        sum.extra += total(&without(&without(&self.came, &self.sure), &self.either));
    }

    /// The last confirmed event, or one that may be stored behind it.
    fn last(&self, sum: &mut Compared) {
        let last = self.sure.last().map(|stretch| stretch.last);
        let later = last
            .map_or_else(|| self.either.clone(), |last| without(&self.either, &[Stretch { first: 0, last }]));
        let alone: Vec<Stretch> = last.map(|last| Stretch { first: last, last }).into_iter().collect();
        let right = common(&self.came, &union(&alone, &later));
        let expected = u64::from(last.is_some());
        sum.expected += expected;
        sum.missing += expected.saturating_sub(total(&right));
        sum.either += u64::from(!common(&right, &later).is_empty());
        sum.equal += expected.min(total(&without(&right, &self.faulty)));
        // One of them was to come, and no other.
        sum.extra += total(&self.came).saturating_sub(total(&right).min(1));
    }
}

/// The sequences below `end`.
fn whole(end: u32) -> Vec<Stretch> {
    end.checked_sub(1).map(|last| Stretch { first: 0, last }).into_iter().collect()
}

/// Everything that is in one of two sorted lists.
fn union(a: &[Stretch], b: &[Stretch]) -> Vec<Stretch> {
    let mut both: Vec<Stretch> = a.iter().copied().chain(without(b, a)).collect();
    both.sort_unstable();
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// One key; those of `open` are unconfirmed, those of `refused` refused, the others confirmed.
    fn published(events: u32, open: &[u32], refused: &[u32]) -> PublishLedger {
        let mut ledger = PublishLedger::new(2);
        for sequence in 0..events {
            ledger.assign(0);
            match sequence {
                sequence if open.contains(&sequence) => ledger.unconfirmed(0, sequence),
                sequence if refused.contains(&sequence) => ledger.refused(0, sequence),
                _ => ledger.acked(false),
            }
        }
        ledger
    }

    fn came(events: &[u32]) -> StoreLedger {
        let mut ledger = StoreLedger::new(2);
        for &sequence in events {
            ledger.store(0, sequence, 0);
        }
        ledger
    }

    /// A boundary in front of `first`, with these on either side.
    fn cut(first: u32, either: &[u32]) -> Cut {
        let mut before = PublishLedger::new(2);
        (0..first).for_each(|_| {
            before.assign(0);
        });
        let mut cut = Cut::at(100);
        cut.pass(&before);
        for &sequence in either {
            cut.acked(0, sequence, 100, 0);
        }
        cut
    }

    const ALL: Wanted<'static> = Wanted { from: None, until: None, last: false };

    #[test]
    fn each_fault_of_a_replay_is_found() {
        let ledger = published(6, &[4], &[1]);
        let found = |events: &[u32]| compare(&ledger, &came(events), &ALL);
        let clean = Compared { expected: 4, equal: 4, ..Compared::default() };
        assert_eq!(found(&[0, 2, 3, 5]), clean);
        assert_eq!(found(&[0, 2, 3, 4, 5]), Compared { either: 1, ..clean });
        assert_eq!(found(&[0, 2, 5]), Compared { equal: 3, missing: 1, ..clean });
        assert_eq!(found(&[0, 1, 2, 3, 5]), Compared { extra: 1, ..clean }, "it was refused");
        assert_eq!(found(&[0, 2, 3, 5, 6, 7]), Compared { extra: 2, ..clean }, "they were never published");
        assert_eq!(found(&[0, 3, 2, 5]), Compared { equal: 3, reordered: 1, ..clean });
        assert_eq!(found(&[0, 2, 2, 3, 5]), Compared { equal: 3, twice: 1, ..clean });
        assert_eq!(found(&[]), Compared { equal: 0, missing: 4, ..clean });
    }

    #[test]
    fn a_boundary_is_exact_but_for_what_may_be_on_either_side() {
        let ledger = published(10, &[], &[]);
        let from = cut(5, &[3, 4]);
        let wanted = Wanted { from: Some(&from), ..ALL };
        let found = |events: &[u32]| compare(&ledger, &came(events), &wanted);
        let clean = Compared { expected: 5, equal: 5, ..Compared::default() };
        assert_eq!(found(&[5, 6, 7, 8, 9]), clean);
        assert_eq!(found(&[3, 4, 5, 6, 7, 8, 9]), Compared { either: 2, ..clean });
        assert_eq!(found(&[2, 3, 4, 5, 6, 7, 8, 9]), Compared { either: 2, extra: 1, ..clean });
        assert_eq!(found(&[6, 7, 8, 9]), Compared { equal: 4, missing: 1, ..clean });
        let until = cut(8, &[7]);
        let both = Wanted { until: Some(&until), ..wanted };
        let found = |events: &[u32]| compare(&ledger, &came(events), &both);
        let clean = Compared { expected: 2, equal: 2, ..Compared::default() };
        assert_eq!(found(&[5, 6]), clean);
        assert_eq!(found(&[4, 5, 6, 7]), Compared { either: 2, ..clean });
        assert_eq!(found(&[5, 6, 7, 8]), Compared { either: 1, extra: 1, ..clean });
    }

    #[test]
    fn the_last_of_each_key_is_one_event() {
        let last = |open: &[u32], until: Option<&Cut>, events: &[u32]| {
            let ledger = published(6, open, &[]);
            compare(&ledger, &came(events), &Wanted { last: true, until, ..ALL })
        };
        let clean = Compared { expected: 1, equal: 1, ..Compared::default() };
        assert_eq!(last(&[], None, &[5]), clean);
        assert_eq!(last(&[], None, &[4]), Compared { equal: 0, missing: 1, extra: 1, ..clean });
        assert_eq!(last(&[], None, &[4, 5]), Compared { extra: 1, ..clean });
        assert_eq!(last(&[], None, &[]), Compared { equal: 0, missing: 1, ..clean });
        // An unconfirmed one behind it may be the last; one before it may not.
        assert_eq!(last(&[5], None, &[5]), Compared { either: 1, ..clean });
        assert_eq!(last(&[5], None, &[4]), clean);
        assert_eq!(last(&[5], None, &[4, 5]), Compared { either: 1, extra: 1, ..clean });
        assert_eq!(last(&[2], None, &[2]), Compared { equal: 0, missing: 1, extra: 1, ..clean });
        assert_eq!(last(&[0, 1, 2, 3, 4, 5], None, &[]), Compared::default());
        assert_eq!(last(&[0, 1, 2, 3, 4, 5], None, &[3]), Compared { either: 1, ..Compared::default() });
        // While the load goes on.
        let until = cut(4, &[3]);
        assert_eq!(last(&[], Some(&until), &[2]), clean);
        assert_eq!(last(&[], Some(&until), &[3]), Compared { either: 1, ..clean });
        assert_eq!(last(&[], Some(&until), &[4]), Compared { equal: 0, missing: 1, extra: 1, ..clean });
    }

    proptest! {
        #[test]
        fn a_comparison_counts_what_lists_show(
            events in proptest::collection::vec(0_u32..24, 0..60),
            open in proptest::collection::vec(0_u32..20, 0..6),
            (first, end) in (0_u32..12, 8_u32..21),
        ) {
            let ledger = published(20, &open, &[]);
            let (from, until) = (cut(first, &[first.saturating_sub(1)]), cut(end, &[end - 1]));
            let wanted = Wanted { from: Some(&from), until: Some(&until), last: false };
            let found = compare(&ledger, &came(&events), &wanted);
            let mut seen: Vec<u32> = Vec::new();
            let mut faulty = BTreeSet::new();
            for &event in &events {
                if seen.contains(&event) || seen.iter().any(|&other| other > event) {
                    faulty.insert(event);
                }
                seen.push(event);
            }
            let boundary = |n: u32| first > 0 && n == first - 1 || n == end - 1;
            let inside = |n: u32| n >= first && n < end;
            let acked = |n: u32| n < 20 && !open.contains(&n);
            let sure: Vec<u32> = (0..24).filter(|&n| acked(n) && inside(n) && !boundary(n)).collect();
            let either = |n: u32| n < 20 && ((open.contains(&n) && n < end)
                || (acked(n) && boundary(n) && n + 1 >= first && n < end));
            let set: BTreeSet<u32> = events.iter().copied().collect();
            prop_assert_eq!(found.expected, crate::num::count(sure.len()));
            prop_assert_eq!(found.missing, crate::num::count(sure.iter().filter(|n| !set.contains(n)).count()));
            let right = sure.iter().filter(|n| set.contains(n) && !faulty.contains(n));
            prop_assert_eq!(found.equal, crate::num::count(right.count()));
            prop_assert_eq!(found.either, crate::num::count(set.iter().filter(|&&n| either(n)).count()));
            let extra = set.iter().filter(|&&n| !sure.contains(&n) && !either(n));
            prop_assert_eq!(found.extra, crate::num::count(extra.count()));
        }
    }
}
