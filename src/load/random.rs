//! Counter-based random numbers: functions of a seed and a counter, without state.

use crate::num;

/// The odd integer nearest to 2^64 divided by the golden ratio, `SplitMix64`'s step.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The output function of `SplitMix64`, a bijection in which each input bit changes half of the output bits
/// (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
const fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

/// A sequence of random numbers with random access.
#[derive(Debug, Clone, Copy)]
pub(super) struct Random {
    key: u64,
}

impl Random {
    /// The sequence of this seed and these names; other names give an independent sequence.
    pub(super) fn new(seed: u64, names: [u64; 2]) -> Self {
        Self {
            key: names
                .iter()
                .fold(mix(seed.wrapping_add(STEP)), |key, &name| mix((key ^ name).wrapping_add(STEP))),
        }
    }

    /// The `counter`-th number, uniform over all 64-bit numbers.
    pub(super) const fn at(self, counter: u64) -> u64 {
        mix(self.key.wrapping_add(counter.wrapping_add(1).wrapping_mul(STEP)))
    }

    /// The `counter`-th number as one of the 2^53 multiples of 2^-53 in (0, 1].
    pub(super) fn unit(self, counter: u64) -> f64 {
        num::f64_of((self.at(counter) >> 11) + 1) * (f64::EPSILON / 2.0)
    }
}

/// Separates the starts of faults from the other random numbers of a plan.
const STARTS: u64 = u64::MAX - 1;

/// A number below `bound` (0 for a bound of 0) that follows from a plan's seed: where the `nth` fault of a random start begins.
#[must_use]
pub fn random_start(seed: u64, nth: u64, bound: u64) -> u64 {
    Random::new(seed, [STARTS, nth]).at(0).checked_rem(bound).unwrap_or(0)
}

/// Separates the jitter of links from the other random numbers of a plan.
const JITTER: u64 = u64::MAX - 2;

/// A number from 0 to `most` that follows from a plan's seed: how much longer the `nth` chunk of bytes takes on a lane.
#[must_use]
pub fn random_jitter(seed: u64, (lane, nth): (u64, u64), most: u64) -> u64 {
    let drawn = Random::new(seed, [JITTER, lane]).at(nth);
    most.checked_add(1).map_or(drawn, |bound| drawn % bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_is_splitmix64_from_its_key() {
        // The first outputs of the reference implementation seeded with 1234567.
        let reference = Random { key: 1_234_567 };
        assert_eq!(
            [reference.at(0), reference.at(1), reference.at(2)],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn each_name_is_a_sequence_of_its_own() {
        let all = [(1, [0, 0]), (1, [0, 1]), (1, [1, 0]), (2, [0, 0]), (0, [1, 1])];
        let mut firsts: Vec<u64> = all.iter().map(|&(seed, names)| Random::new(seed, names).at(0)).collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), all.len());
    }

    #[test]
    fn a_unit_is_one_more_than_the_upper_53_bits() {
        let upper = num::f64_of(6_457_827_717_110_365_317 >> 11);
        assert_eq!(Random { key: 1_234_567 }.unit(0).to_bits(), ((upper + 1.0) / 2.0_f64.powi(53)).to_bits());
    }

    #[test]
    fn units_are_never_zero_and_average_a_half() {
        let random = Random::new(7, [0, 0]);
        let units: Vec<f64> = (0..100_000).map(|k| random.unit(k)).collect();
        assert!(units.iter().all(|&u| u > 0.0 && u <= 1.0));
        let mean = units.iter().sum::<f64>() / 1e5;
        // The mean of 100,000 uniforms has a standard deviation of 0.0009.
        assert!((mean - 0.5).abs() < 0.004, "{mean}");
    }
}
