//! Seeded random numbers for simulations of a test: the same seed gives the same figures on every machine.

use crate::num;

/// A generator (`SplitMix64`).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In (0, 1).
    pub fn uniform(&mut self) -> f64 {
        (num::f64_of(self.bits() >> 12) + 0.5) / num::f64_of(1 << 52)
    }

    /// Standard normal (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_they_have_the_moments_of_their_distribution() {
        let mut random = Random::new(7);
        let normals: Vec<f64> = (0..20_000).map(|_| random.normal()).collect();
        let n = num::f64_of(num::count(normals.len()));
        let mean = normals.iter().sum::<f64>() / n;
        let variance = normals.iter().map(|x| x * x).sum::<f64>() / n;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        let mut again = Random::new(7);
        assert!(normals.iter().all(|x| x.total_cmp(&again.normal()).is_eq()));
        assert!((0..1000).map(|_| random.uniform()).all(|u| u > 0.0 && u < 1.0));
    }
}
