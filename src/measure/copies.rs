//! The copies of one log, merged by position: which events any of them holds, and where they differ.
//!
//! The copies are read side by side, a stretch of positions at a time, so that memory is that of one stretch.

use std::collections::VecDeque;

/// An event as one copy holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held<T> {
    /// Its position in the log.
    pub position: u64,
    /// A digest of its content: equal for equal content.
    pub content: u64,
    /// The event.
    pub what: T,
}

/// What was read of one copy and is not merged yet.
#[derive(Debug, Clone)]
struct Pile<T> {
    held: VecDeque<Held<T>>,
    /// The position up to which it is known what the copy holds.
    known_to: u64,
    events: u64,
}

/// The copies of a log.
#[derive(Debug, Clone)]
pub struct Copies<T> {
    piles: Vec<Pile<T>>,
    /// The different contents at one position.
    contents: Vec<u64>,
    merged_to: u64,
    diverged: u64,
}

impl<T> Copies<T> {
    /// So many copies, of which nothing is read yet.
    #[must_use]
    pub fn new(copies: usize) -> Self {
        let empty = || Pile { held: VecDeque::new(), known_to: u64::MAX, events: 0 };
        Self {
            piles: std::iter::repeat_with(empty).take(copies).collect(),
            contents: Vec::new(),
            merged_to: 0,
            diverged: 0,
        }
    }

    /// Enters an event of a copy. Positions start at 1 and ascend; one that does not is ignored.
    pub fn take(&mut self, copy: usize, held: Held<T>) {
        let Some(pile) = self.piles.get_mut(copy) else { return };
        let last = pile.held.back().map_or(self.merged_to, |last| last.position);
        if held.position > last {
            pile.held.push_back(held);
            pile.events += 1;
        }
    }

    /// Nothing is known of a copy behind a position: from there on it is not compared. 0 for a copy that is not read.
    pub fn unknown_behind(&mut self, copy: usize, position: u64) {
        if let Some(pile) = self.piles.get_mut(copy) {
            pile.known_to = pile.known_to.min(position);
        }
    }

    /// Merges everything up to a position that every copy has been read to. `each` receives every event that some copy holds
    /// in the order of positions: once where the copies agree, and once for each content where they do not.
    pub fn merge(&mut self, to: u64, mut each: impl FnMut(&T)) {
        let first = |piles: &[Pile<T>]| piles.iter().filter_map(|p| p.held.front()).map(|h| h.position).min();
        while let Some(position) = first(&self.piles).filter(|&position| position <= to) {
            self.compare(position, &mut each);
        }
        self.merged_to = self.merged_to.max(to);
    }

    fn compare(&mut self, position: u64, each: &mut impl FnMut(&T)) {
        self.contents.clear();
        let (mut compared, mut holders) = (0_usize, 0_usize);
        for pile in &mut self.piles {
            let counts = usize::from(pile.known_to >= position);
            compared += counts;
            if pile.held.front().is_none_or(|held| held.position != position) {
                continue;
            }
            let Some(held) = pile.held.pop_front() else { continue };
            holders += counts;
            if !self.contents.contains(&held.content) {
                self.contents.push(held.content);
                each(&held.what);
            }
        }
        self.diverged += u64::from(self.contents.len() > 1 || holders < compared);
    }

    /// Events that a copy holds, as far as it was read.
    #[must_use]
    pub fn events(&self, copy: usize) -> u64 {
        self.piles.get(copy).map_or(0, |pile| pile.events)
    }

    /// Positions merged so far at which the copies differ: one holds an event that another lacks, or holds otherwise.
    #[must_use]
    pub const fn diverged(&self) -> u64 {
        self.diverged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    type Log = BTreeMap<u64, u64>;

    /// Merges logs, `at_once` positions at a time; a copy is read up to its bound. Returns the events in their order, and
    /// the number of diverged positions.
    fn merged(logs: &[(Log, u64)], at_once: u64) -> (Vec<(u64, u64)>, u64) {
        let mut copies = Copies::new(logs.len());
        let mut seen = Vec::new();
        for (copy, (_, known_to)) in logs.iter().enumerate() {
            copies.unknown_behind(copy, *known_to);
        }
        let (mut from, mut most) = (1, 0);
        while from <= 60 {
            let to = from + at_once - 1;
            for (copy, (log, known_to)) in logs.iter().enumerate() {
                for (&position, &content) in
                    log.range(from..=to).filter(|(position, _)| *position <= known_to)
                {
                    copies.take(copy, Held { position, content, what: (position, content) });
                }
            }
            most = most.max(copies.piles.iter().map(|pile| pile.held.len()).max().unwrap_or(0));
            copies.merge(to, |&event| seen.push(event));
            from = to + 1;
        }
        assert!(most <= usize::try_from(at_once).unwrap(), "memory is that of one stretch");
        (seen, copies.diverged())
    }

    fn log(positions: impl IntoIterator<Item = u64>) -> Log {
        positions.into_iter().map(|position| (position, position * 7)).collect()
    }

    #[test]
    fn copies_that_agree_are_one_log() {
        let all: Vec<(Log, u64)> = vec![(log(1..=50), u64::MAX); 3];
        let (seen, diverged) = merged(&all, 8);
        assert_eq!((seen.len(), diverged), (50, 0));
        assert_eq!(merged(&[(log(1..=50), u64::MAX)], 8).1, 0, "one copy has nothing to differ from");
    }

    #[test]
    fn what_a_frozen_copy_lacks_is_diverged_and_not_missing() {
        let frozen = [(log(1..=50), u64::MAX), (log(1..=20), u64::MAX), (log(1..=50), u64::MAX)];
        assert_eq!((merged(&frozen, 8).0.len(), merged(&frozen, 8).1), (50, 30));
        let unread = [(log(1..=50), u64::MAX), (log(1..=20), 0), (log(1..=50), u64::MAX)];
        assert_eq!((merged(&unread, 8).0.len(), merged(&unread, 8).1), (50, 0), "it is not compared");
        let broken_off = [(log(1..=50), u64::MAX), (log(1..=50), 20), (log(2..=50), u64::MAX)];
        assert_eq!(merged(&broken_off, 8).1, 1, "compared as far as it was read");
    }

    #[test]
    fn two_contents_at_one_position_are_two_events() {
        let mut other = log(1..=5);
        other.insert(3, 1);
        let (seen, diverged) = merged(&[(log(1..=5), u64::MAX), (other, u64::MAX)], 2);
        assert_eq!((seen, diverged), (vec![(1, 7), (2, 14), (3, 21), (3, 1), (4, 28), (5, 35)], 1));
    }

    #[test]
    fn a_position_that_was_read_already_is_ignored() {
        let mut copies = Copies::new(1);
        for position in [3, 3, 2, 4] {
            copies.take(0, Held { position, content: 0, what: position });
        }
        let mut seen = Vec::new();
        copies.merge(10, |&position| seen.push(position));
        copies.take(0, Held { position: 4, content: 0, what: 4 });
        copies.merge(20, |&position| seen.push(position));
        assert_eq!((seen, copies.events(0)), (vec![3, 4], 2));
    }

    proptest! {
        #[test]
        fn the_union_is_that_of_sets_however_it_is_cut(
            logs in proptest::collection::vec(
                (proptest::collection::btree_map(1_u64..50, 0_u64..3, 0..50), prop_oneof![Just(u64::MAX), 0_u64..50]),
                1..5,
            ),
            at_once in 1_u64..20,
        ) {
            let (seen, diverged) = merged(&logs, at_once);
            let read = |(log, known_to): &(Log, u64)| -> Log {
                log.iter().filter(|(position, _)| *position <= known_to).map(|(p, c)| (*p, *c)).collect()
            };
            let union: BTreeSet<(u64, u64)> = logs.iter().flat_map(read).collect();
            prop_assert_eq!(seen.iter().copied().collect::<BTreeSet<_>>(), union.clone());
            prop_assert_eq!(seen.len(), union.len(), "each once");
            prop_assert!(seen.windows(2).all(|pair| pair[0].0 <= pair[1].0), "in the order of positions");
            let differ = (1..50).filter(|position| {
                let held: BTreeSet<Option<u64>> = logs
                    .iter()
                    .filter(|(_, known_to)| known_to >= position)
                    .map(|(log, _)| log.get(position).copied())
                    .collect();
                held.len() > 1
            });
            prop_assert_eq!(diverged, crate::num::count(differ.count()));
        }
    }
}
