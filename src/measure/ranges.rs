//! Sets of sequence numbers, kept as intervals: memory follows the number of gaps, not of events.

use std::collections::BTreeMap;

/// A run of consecutive sequence numbers of one key, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stretch {
    /// The first sequence number.
    pub first: u32,
    /// The last one; not below the first.
    pub last: u32,
}

impl Stretch {
    /// The number of sequence numbers in it.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a stretch has at least one number")]
    pub fn len(self) -> u64 {
        u64::from(self.last - self.first) + 1
    }
}

/// The number of sequence numbers in all stretches together.
pub(super) fn total(stretches: &[Stretch]) -> u64 {
    stretches.iter().map(|s| s.len()).sum()
}

/// The intersection of two sorted lists of stretches.
pub(super) fn common(a: &[Stretch], b: &[Stretch]) -> Vec<Stretch> {
    let (mut i, mut j, mut both) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (first, last) = (x.first.max(y.first), x.last.min(y.last));
        if first <= last {
            both.push(Stretch { first, last });
        }
        if x.last < y.last {
            i += 1;
        } else {
            j += 1;
        }
    }
    both
}

/// The stretches of the first sorted list without those of the second.
pub(super) fn without(a: &[Stretch], b: &[Stretch]) -> Vec<Stretch> {
    let mut rest = Vec::new();
    let mut j = 0;
    for &Stretch { first, last } in a {
        let mut from = Some(first);
        while b.get(j).is_some_and(|hole| hole.last < first) {
            j += 1;
        }
        for hole in b.iter().skip(j).take_while(|hole| hole.first <= last) {
            let Some(start) = from else { break };
            if start < hole.first {
                rest.push(Stretch { first: start, last: hole.first - 1 });
            }
            from = hole.last.checked_add(1).filter(|&next| next <= last);
        }
        if let Some(first) = from {
            rest.push(Stretch { first, last });
        }
    }
    rest
}

/// A set of (key, sequence number) pairs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    /// (key, first) to last; stretches of a key neither overlap nor touch.
    stretches: BTreeMap<(u32, u32), u32>,
}

impl Ranges {
    /// Adds a pair; `false` if it was there already.
    pub fn insert(&mut self, key: u32, sequence: u32) -> bool {
        let before = self.at_or_before(key, sequence);
        if before.is_some_and(|s| s.last >= sequence) {
            return false;
        }
        let after = sequence.checked_add(1).and_then(|next| self.stretches.remove(&(key, next)));
        let last = after.unwrap_or(sequence);
        // The stretch before ends below `sequence`, so `last + 1` does not overflow.
        let first = before.filter(|s| s.last + 1 == sequence).map_or(sequence, |s| s.first);
        self.stretches.insert((key, first), last);
        true
    }

    /// Removes a number; `false` if it was not there.
    pub fn remove(&mut self, key: u32, sequence: u32) -> bool {
        let Some(holder) = self.at_or_before(key, sequence).filter(|s| s.last >= sequence) else {
            return false;
        };
        if holder.first < sequence {
            self.stretches.insert((key, holder.first), sequence - 1);
        } else {
            self.stretches.remove(&(key, sequence));
        }
        if sequence < holder.last {
            self.stretches.insert((key, sequence + 1), holder.last);
        }
        true
    }

    /// Is the pair in the set?
    #[must_use]
    pub fn contains(&self, key: u32, sequence: u32) -> bool {
        self.at_or_before(key, sequence).is_some_and(|s| s.last >= sequence)
    }

    /// The stretches of a key, in ascending order.
    pub fn of(&self, key: u32) -> impl Iterator<Item = Stretch> + '_ {
        self.stretches.range((key, 0)..=(key, u32::MAX)).map(|(&(_, first), &last)| Stretch { first, last })
    }

    /// Adds a set with other keys.
    pub(super) fn extend_with_other_keys(&mut self, other: &Self) {
        self.stretches.extend(&other.stretches);
    }

    fn at_or_before(&self, key: u32, sequence: u32) -> Option<Stretch> {
        let (&(_, first), &last) = self.stretches.range((key, 0)..=(key, sequence)).next_back()?;
        Some(Stretch { first, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set_of(numbers: &[u32]) -> (BTreeSet<u32>, Vec<Stretch>) {
        let mut ranges = Ranges::default();
        for &n in numbers {
            ranges.insert(7, n);
        }
        (numbers.iter().copied().collect(), ranges.of(7).collect())
    }

    fn numbers(stretches: &[Stretch]) -> Vec<u32> {
        stretches.iter().flat_map(|s| s.first..=s.last).collect()
    }

    #[test]
    fn the_last_number_of_all_is_a_number() {
        let mut ranges = Ranges::default();
        assert!(ranges.insert(0, u32::MAX) && ranges.insert(0, u32::MAX - 1) && ranges.insert(1, 0));
        assert_eq!(ranges.of(0).collect::<Vec<_>>(), [Stretch { first: u32::MAX - 1, last: u32::MAX }]);
        assert!(!ranges.insert(0, u32::MAX));
        assert_eq!(
            without(&[Stretch { first: 5, last: u32::MAX }], &[Stretch { first: 6, last: u32::MAX }]),
            [Stretch { first: 5, last: 5 }]
        );
    }

    proptest! {
        #[test]
        fn a_set_of_ranges_is_a_set(pairs in proptest::collection::vec((0_u32..3, 0_u32..40, 0_u32..3), 0..120)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for &(key, sequence, out) in &pairs {
                if out == 0 {
                    prop_assert_eq!(ranges.remove(key, sequence), set.remove(&(key, sequence)));
                } else {
                    prop_assert_eq!(ranges.insert(key, sequence), set.insert((key, sequence)));
                }
            }
            for key in 0..3 {
                let stretches: Vec<Stretch> = ranges.of(key).collect();
                prop_assert!(stretches.windows(2).all(|pair| pair[0].last + 1 < pair[1].first), "as few as can be");
                let of_key: Vec<u32> = set.iter().filter(|pair| pair.0 == key).map(|pair| pair.1).collect();
                prop_assert_eq!(numbers(&stretches), of_key);
                for sequence in 0..40 {
                    prop_assert_eq!(ranges.contains(key, sequence), set.contains(&(key, sequence)));
                }
            }
        }

        #[test]
        fn lists_of_stretches_intersect_and_subtract_as_sets(
            a in proptest::collection::vec(0_u32..60, 0..50),
            b in proptest::collection::vec(0_u32..60, 0..50),
        ) {
            let ((set_a, a), (set_b, b)) = (set_of(&a), set_of(&b));
            let both: Vec<u32> = set_a.intersection(&set_b).copied().collect();
            prop_assert_eq!(numbers(&common(&a, &b)), both);
            let rest: Vec<u32> = set_a.difference(&set_b).copied().collect();
            prop_assert_eq!(numbers(&without(&a, &b)), rest);
            prop_assert_eq!(total(&a), crate::num::count(set_a.len()));
        }
    }
}
