//! Which of a broker's positions a group has had: tells a second copy from a position that came again, also
//! where the broker has forgotten that it delivered it.

use crate::num;

/// Positions that are remembered one by one, back from the highest one: 128 KiB a partition.
const REMEMBERED: u64 = 1 << 20;

/// What is known of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It had not been delivered.
    New,
    /// It had been delivered.
    Again,
    /// It lies too far back to be remembered.
    Forgotten,
}

/// The positions of one group, as bits in a ring for each partition.
#[derive(Debug, Clone, Default)]
pub struct Positions {
    partitions: Vec<Ring>,
}

#[derive(Debug, Clone, Default)]
struct Ring {
    /// One above the highest position.
    end: u64,
    words: Vec<u64>,
}

impl Positions {
    /// Enters a delivery of a position, and says what was known of it before.
    #[inline]
    pub fn enter(&mut self, partition: u32, offset: u64) -> Known {
        let partition = num::index32(partition);
        if partition >= self.partitions.len() {
            self.partitions.resize_with(partition + 1, Ring::default);
        }
        self.partitions[partition].enter(offset)
    }
}

impl Ring {
    fn enter(&mut self, offset: u64) -> Known {
        if offset >= self.end {
            self.forget_up_to(offset);
            self.end = offset.saturating_add(1);
            self.set(offset);
            return Known::New;
        }
        if self.end - offset > REMEMBERED {
            return Known::Forgotten;
        }
        if self.set(offset) { Known::Again } else { Known::New }
    }

    /// Makes room for the positions from the old end up to a new highest one.
    fn forget_up_to(&mut self, offset: u64) {
        if offset - self.end >= REMEMBERED || self.words.is_empty() {
            self.words = vec![0; num::index(REMEMBERED / 64)];
            return;
        }
        for skipped in self.end..=offset {
            let (word, bit) = place(skipped);
            self.words[word] &= !bit;
        }
    }

    /// Sets a bit; was it set?
    fn set(&mut self, offset: u64) -> bool {
        let (word, bit) = place(offset);
        let was = self.words[word] & bit != 0;
        self.words[word] |= bit;
        was
    }
}

fn place(offset: u64) -> (usize, u64) {
    (num::index(offset % REMEMBERED / 64), 1 << (offset % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn what_lies_too_far_back_is_forgotten_and_not_invented() {
        let mut positions = Positions::default();
        assert_eq!(positions.enter(0, 7), Known::New);
        assert_eq!(positions.enter(0, 7 + REMEMBERED - 1), Known::New);
        assert_eq!((positions.enter(0, 7), positions.enter(0, 8)), (Known::Again, Known::New));
        assert_eq!(positions.enter(0, 7 + REMEMBERED), Known::New, "the place of 7 is used again");
        assert_eq!((positions.enter(0, 7), positions.enter(0, 8)), (Known::Forgotten, Known::Again));
        assert_eq!(positions.enter(0, 5 * REMEMBERED), Known::New);
        assert_eq!(positions.enter(0, 4 * REMEMBERED + 1), Known::New);
        assert_eq!(positions.enter(1, 7), Known::New, "another partition");
    }

    proptest! {
        #[test]
        fn near_positions_are_a_set(
            steps in proptest::collection::vec((0_u32..2, 0_u64..300), 0..300),
            start in prop_oneof![Just(0), REMEMBERED - 100..REMEMBERED],
        ) {
            let (mut positions, mut seen) = (Positions::default(), HashSet::new());
            for (partition, offset) in steps {
                let known = positions.enter(partition, start + offset);
                let new = seen.insert((partition, offset));
                prop_assert_eq!(known, if new { Known::New } else { Known::Again });
            }
        }
    }
}
