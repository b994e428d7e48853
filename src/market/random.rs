//! Pseudo-random numbers that depend on the plan's seed alone (splitmix64, Steele et al. 2014).

pub(super) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of numbers.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// The stream for these words; other words give an independent one.
    pub(super) fn of(words: &[u64]) -> Self {
        Self(words.iter().fold(0, |state, word| mix((state ^ word).wrapping_add(GOLDEN))))
    }

    /// 64 uniform bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A uniform choice from `0..n`; 0 for an empty range. The bias is below n / 2^32.
    pub(super) fn below(&mut self, n: u32) -> u32 {
        crate::num::low32(((self.bits() >> 32) * u64::from(n)) >> 32)
    }

    /// A uniform choice from `from..=to`.
    pub(super) fn within(&mut self, from: u32, to: u32) -> i64 {
        i64::from(from) + i64::from(self.below(to.saturating_sub(from).saturating_add(1)))
    }

    /// An element of a list that is not empty.
    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[crate::num::index32(self.below(crate::num::count32(from.len())))]
    }
}

pub(super) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ_by_their_words() {
        let draw = |words: &[u64]| {
            let mut random = Random::of(words);
            [random.bits(), random.bits(), random.bits()]
        };
        assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
        assert_ne!(draw(&[1, 2]), draw(&[2, 1]));
        assert_ne!(draw(&[0]), draw(&[0, 0]));
    }

    #[test]
    fn choices_stay_in_range_and_reach_its_ends() {
        let mut random = Random::of(&[7]);
        let seen: std::collections::BTreeSet<_> = (0..1000).map(|_| random.within(3, 6)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6]);
        assert_eq!(random.below(0), 0);
    }
}
