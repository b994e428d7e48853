//! The broker's positions that a group has received. Distinguishes a second copy from a redelivered position,
//! even where the broker has forgotten its earlier delivery.

use crate::num;

/// Largest number of positions of a partition that are remembered individually, back from the highest one.
const REMEMBERED: u64 = 1 << 20;
/// The same for all partitions of a group together: 16 MiB, the full memory of 128 partitions.
const OF_A_GROUP: u64 = 1 << 27;
/// Initial size of a group's rings together: 1 MiB. With few partitions, each has its full memory from the
/// first event on.
const AT_FIRST: u64 = 1 << 23;
/// Positions in a word.
const WORD: u64 = 64;

/// The state of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It had not been delivered.
    New,
    /// It had been delivered.
    Again,
    /// It is too far back to be remembered.
    Forgotten,
}

/// The positions of one group, as bits in a ring for each partition.
///
/// A ring has room for the span between the lowest and the highest position that it remembers, and grows with
/// it: up to the last 2^20 positions, or, with more than 128 partitions, up to an equal share of 2^27 for all.
#[derive(Debug, Clone)]
pub struct Positions {
    partitions: Vec<Ring>,
    size: Size,
}

/// Capacity of a ring in positions; powers of two.
#[derive(Debug, Clone, Copy)]
struct Size {
    first: u64,
    most: u64,
}

#[derive(Debug, Clone, Default)]
struct Ring {
    /// One above the highest position.
    end: u64,
    /// No position below is remembered, and all from here to the end have their own bit.
    lowest: u64,
    /// A power of two of words, or none.
    words: Vec<u64>,
}

impl Positions {
    /// For a group that receives from this number of partitions.
    #[must_use]
    pub fn new(partitions: usize) -> Self {
        let share = |of: u64| {
            // The power of two below, but at least a word.
            let share = 1 << (of / num::count(partitions.max(1))).max(WORD).ilog2();
            REMEMBERED.min(share)
        };
        Self { partitions: Vec::new(), size: Size { first: share(AT_FIRST), most: share(OF_A_GROUP) } }
    }

    /// Enters the delivery of a position, and returns its state before.
    #[inline]
    pub fn enter(&mut self, partition: u32, offset: u64) -> Known {
        let partition = num::index32(partition);
        if partition >= self.partitions.len() {
            self.partitions.resize_with(partition + 1, Ring::default);
        }
        self.partitions[partition].enter(offset, self.size)
    }
}

impl Ring {
    #[inline]
    fn enter(&mut self, offset: u64, size: Size) -> Known {
        // The usual case: the next position, for which there is room, or which replaces the oldest in a full
        // ring.
        let places = self.places();
        if offset == self.end && places > 0 && (offset - self.lowest < places || places == size.most) {
            self.end = offset.saturating_add(1);
            self.lowest = self.lowest.max(self.end.saturating_sub(size.most));
            self.set(offset);
            return Known::New;
        }
        self.enter_elsewhere(offset, size)
    }

    fn enter_elsewhere(&mut self, offset: u64, size: Size) -> Known {
        if offset >= self.end {
            self.forget_up_to(offset, size);
            self.end = offset.saturating_add(1);
            self.set(offset);
            return Known::New;
        }
        if self.end - offset > size.most {
            return Known::Forgotten;
        }
        if offset < self.lowest {
            self.make_room(offset, self.end);
            self.lowest = offset;
        }
        if self.set(offset) { Known::Again } else { Known::New }
    }

    /// Forgets positions to make room for a new highest one.
    fn forget_up_to(&mut self, offset: u64, Size { first, most }: Size) {
        if self.words.is_empty() || offset - self.end >= most {
            let words = self.words.len().max(num::index(first / WORD));
            self.words.clear();
            self.words.resize(words, 0);
            self.lowest = offset;
            return;
        }
        let end = offset.saturating_add(1);
        self.lowest = self.lowest.max(end.saturating_sub(most));
        self.make_room(self.lowest, end);
        let mut at = self.end;
        while at < end {
            let (word, bit) = self.place(at);
            let positions = (WORD - at % WORD).min(end - at);
            self.words[word] &= !((u64::MAX >> (WORD - positions)) * bit);
            at += positions;
        }
    }

    /// Grows until every position of a span has its own bit.
    fn make_room(&mut self, from: u64, end: u64) {
        let wanted = (end - from).next_power_of_two();
        if wanted <= self.places() {
            return;
        }
        let larger = Self { words: vec![0; num::index(wanted / WORD)], ..*self };
        let smaller = std::mem::replace(self, larger);
        for offset in smaller.lowest..smaller.end {
            let (word, bit) = smaller.place(offset);
            if smaller.words[word] & bit != 0 {
                self.set(offset);
            }
        }
    }

    fn places(&self) -> u64 {
        num::count(self.words.len()) * WORD
    }

    /// Sets a bit and returns whether it was set before.
    fn set(&mut self, offset: u64) -> bool {
        let (word, bit) = self.place(offset);
        let was = self.words[word] & bit != 0;
        self.words[word] |= bit;
        was
    }

    fn place(&self, offset: u64) -> (usize, u64) {
        (num::index(offset & (self.places() - 1)) / 64, 1 << (offset % WORD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_lies_too_far_back_is_forgotten_and_not_invented() {
        let mut positions = Positions::new(2);
        assert_eq!(positions.enter(0, 7), Known::New);
        assert_eq!(positions.enter(0, 7 + REMEMBERED - 1), Known::New);
        assert_eq!((positions.enter(0, 7), positions.enter(0, 8)), (Known::Again, Known::New));
        assert_eq!(positions.enter(0, 7 + REMEMBERED), Known::New, "the place of 7 is used again");
        assert_eq!((positions.enter(0, 7), positions.enter(0, 8)), (Known::Forgotten, Known::Again));
        assert_eq!(positions.enter(0, 5 * REMEMBERED), Known::New);
        assert_eq!(positions.enter(0, 4 * REMEMBERED + 1), Known::New);
        assert_eq!(positions.enter(1, 7), Known::New, "another partition");
    }

    fn bytes(positions: &Positions) -> usize {
        let rings = positions.partitions.iter();
        rings.map(|ring| size_of::<Ring>() + size_of::<u64>() * ring.words.capacity()).sum()
    }

    #[test]
    fn a_group_of_many_partitions_takes_no_more_memory_than_one_of_a_few() {
        for partitions in [1, 128, 129, 18 * 256, 64 * 256] {
            let mut positions = Positions::new(partitions);
            // The first and the last position that it may remember, and one further back.
            for partition in 0..num::count32(partitions) {
                for offset in
                    [1_000_000, 1_000_000 + positions.size.most - 1, 1_000_000 + positions.size.most]
                {
                    assert_eq!(positions.enter(partition, offset), Known::New);
                }
                assert_eq!(positions.enter(partition, 1_000_001), Known::New);
                assert_eq!(positions.enter(partition, 1_000_000), Known::Forgotten);
            }
            let most = num::index(OF_A_GROUP / 8) + partitions * size_of::<Ring>() * 2;
            assert!(bytes(&positions) <= most, "{partitions} partitions take {} bytes", bytes(&positions));
            assert!(partitions > 128 || positions.size.most == REMEMBERED);
            assert!(positions.size.most >= OF_A_GROUP / 2 / num::count(partitions).max(128));
        }
    }

    #[test]
    fn memory_grows_with_what_has_come() {
        let mut positions = Positions::new(18 * 256);
        for offset in 0..200 {
            (0..18 * 256).for_each(|partition| assert_eq!(positions.enter(partition, offset), Known::New));
        }
        assert!(bytes(&positions) < 1 << 20, "{} bytes for 200 positions of each", bytes(&positions));
    }

    proptest! {
        #[test]
        fn near_positions_are_a_set(
            steps in proptest::collection::vec((0_u32..2, 0_u64..300), 0..300),
            start in prop_oneof![Just(0), REMEMBERED - 100..REMEMBERED],
            // With that many partitions a ring begins with 64 positions and ends with 1024.
            partitions in prop_oneof![Just(2), Just(100_000)],
        ) {
            let (mut positions, mut seen) = (Positions::new(partitions), BTreeSet::new());
            for (partition, offset) in steps {
                let known = positions.enter(partition, start + offset);
                let new = seen.insert((partition, offset));
                prop_assert_eq!(known, if new { Known::New } else { Known::Again });
            }
        }

        #[test]
        fn far_positions_are_a_set_as_far_as_they_are_remembered(
            jumps in proptest::collection::vec((any::<bool>(), 0_u64..200), 1..200),
            start in 0_u64..1000,
        ) {
            // Enough partitions that each remembers 256 positions.
            let mut positions = Positions::new(num::index(OF_A_GROUP / 256));
            let (mut seen, mut end, mut offset) = (BTreeSet::new(), 0, start);
            for (ahead, jump) in jumps {
                offset = if ahead { offset + jump } else { offset.saturating_sub(jump) };
                let known = positions.enter(0, offset);
                let new = seen.insert(offset);
                let expected = match () {
                    () if offset < end && end - offset > 256 => Known::Forgotten,
                    () if new => Known::New,
                    () => Known::Again,
                };
                prop_assert_eq!(known, expected, "{} of {}", offset, end);
                end = end.max(offset + 1);
            }
        }
    }
}
