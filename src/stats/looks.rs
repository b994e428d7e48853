//! A group-sequential test of paired differences: the same test at a few fixed numbers of pairs, with levels that keep the
//! probability of any false alarm.
//!
//! The levels have about the shape of O'Brien and Fleming (Biometrics 1979): at n pairs the upper tail of a normal at c·√(16/n). They
//! are such that the exact signed-rank test on differences that are symmetric about 0 alarms at some look with at most the stated
//! total probability: 2.47 % and 0.97 %, for one test. Its p takes few values, so that the next larger levels would exceed the
//! totals (2.59 % and 1.01 %). With 8 pairs no p is below 1/256, so the first look can only end a test for lack of hope, which never
//! adds a false alarm.

use super::wilcoxon::critical_sum;
use super::{Random, hodges_lehmann, signed_rank_above};
use crate::num;

/// Pairs at each look.
pub const LOOKS: [u32; 3] = [8, 12, 16];

/// A p above this, at the first and at the second look, ends the test: more pairs would hardly change the answer.
const FUTILE: [f64; 2] = [0.5, 0.3];

/// The levels of a test, by its total.
const LEVELS: [(f64, [f64; 3]); 2] =
    [(0.025, [0.002_31, 0.010_36, 0.022_58]), (0.01, [0.000_46, 0.002_40, 0.009_30])];

/// Several tests share a level by a little less than its parts: far out in the tails two looks alarm together less often.
const OF_SEVERAL: f64 = 0.93;

/// The levels of one test among several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Looks {
    total: f64,
    levels: [f64; 3],
    tests: u32,
    /// Does a test end early for lack of hope?
    futile: bool,
}

/// One look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Pairs that it saw.
    pub pairs: u32,
    /// One-sided p of "above 0".
    pub p: f64,
    /// The p that would have been an alarm.
    pub level: f64,
    /// The Hodges–Lehmann estimate of the difference.
    pub estimate: f64,
}

/// What the differences so far say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing yet: the next look needs this number of pairs.
    More(u32),
    /// The differences are above 0, by at least the smallest size that counts.
    Above,
    /// The test ended without that.
    NotAbove,
}

impl Looks {
    /// The levels whose total is this, for a test alone; `None` for totals other than 2.5 % and 1 %.
    #[must_use]
    pub fn of(total: f64) -> Option<Self> {
        let (total, levels) = LEVELS.into_iter().find(|(known, _)| (known - total).abs() < 1e-9)?;
        Some(Self { total, levels, tests: 1, futile: true })
    }

    /// The totals that there are.
    #[must_use]
    pub fn totals() -> [f64; 2] {
        LEVELS.map(|(total, _)| total)
    }

    /// The levels of each of this many tests, so that the total is that of all of them together.
    #[must_use]
    pub fn among(self, tests: u32) -> Self {
        Self { tests: tests.max(1), ..self }
    }

    /// The same levels, without an end for lack of hope: for one of two directions, when the other is tested as well.
    #[must_use]
    pub fn to_the_end(self) -> Self {
        Self { futile: false, ..self }
    }

    /// The total of all tests together.
    #[must_use]
    pub const fn total(&self) -> f64 {
        self.total
    }

    /// The level of a test after this number of pairs: that of the last look that they reach. `None` before the first.
    #[must_use]
    pub fn level(&self, pairs: u32) -> Option<f64> {
        let reached = LOOKS.iter().rposition(|look| *look <= pairs)?;
        Some(self.at(reached))
    }

    /// The level at a look, by its place.
    fn at(&self, look: usize) -> f64 {
        let part = if self.tests > 1 { OF_SEVERAL / f64::from(self.tests) } else { 1.0 };
        self.levels[look] * part
    }

    /// Every look that these differences allow, up to the one that ends the test. Differences behind it are not looked at: a
    /// test that has ended does not begin again. `least` is the smallest size that counts.
    #[must_use]
    pub fn see(&self, differences: &[f64], least: f64) -> (Vec<Look>, Found) {
        let mut seen = Vec::new();
        for (at, pairs) in LOOKS.into_iter().enumerate() {
            let Some(so_far) = differences.get(..num::index32(pairs)) else {
                return (seen, Found::More(pairs));
            };
            let level = self.at(at);
            let estimate = hodges_lehmann(so_far).unwrap_or(0.0);
            let look = Look { pairs, p: signed_rank_above(so_far), level, estimate };
            seen.push(look);
            // The comparison allows for the rounding of estimates that are equal to the limit.
            if look.p <= level && estimate >= least - 1e-12 {
                return (seen, Found::Above);
            }
            if self.futile && FUTILE.get(at).is_some_and(|most| look.p > *most) {
                return (seen, Found::NotAbove);
            }
        }
        (seen, Found::NotAbove)
    }
}

/// The share of comparisons without any difference in which some test alarms, simulated: pairs symmetric about 0, and as many
/// independent tests as the levels are for. `both` counts both directions. An end for lack of hope is left out, since it only
/// lowers the share.
#[must_use]
pub fn false_alarms(looks: &Looks, both: bool, times: u32, seed: u64) -> f64 {
    let mut random = Random::new(seed);
    let sums: Vec<(usize, Option<u64>)> = LOOKS
        .into_iter()
        .map(|pairs| {
            (num::index32(pairs), critical_sum(num::index32(pairs), looks.level(pairs).unwrap_or(0.0)))
        })
        .collect();
    let mut alarms = 0_u32;
    for _ in 0..times {
        let alarmed = (0..looks.tests).any(|_| {
            let all: Vec<f64> = (0..16).map(|_| random.normal()).collect();
            sums.iter().any(|(pairs, sum)| sum.is_some_and(|sum| is_beyond(&all[..*pairs], sum, both)))
        });
        alarms += u32::from(alarmed);
    }
    f64::from(alarms) / f64::from(times)
}

/// Is the sum of the ranks of the positive differences, or with `both` that of the negative ones, at least this?
fn is_beyond(differences: &[f64], sum: u64, both: bool) -> bool {
    let mut sorted: Vec<f64> = differences.to_vec();
    sorted.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let plus: u64 = (1..).zip(&sorted).filter(|(_, d)| **d > 0.0).map(|(rank, _)| rank).sum();
    let all = num::count(sorted.len() * (sorted.len() + 1) / 2);
    plus >= sum || (both && all - plus >= sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(times: u32) {
        for (total, tests, both) in [(0.025, 1, false), (0.01, 1, false), (0.025, 4, false), (0.025, 1, true)]
        {
            let share = false_alarms(&Looks::of(total).unwrap().among(tests), both, times, 11);
            let total = if both { 2.0 * total } else { total };
            let error = (total * (1.0 - total) / f64::from(times)).sqrt();
            assert!(share <= total + 3.0 * error, "{total}: {share}");
            // The levels are used: they are not far below.
            assert!(share >= total * 0.75 - 3.0 * error, "{total}: {share}");
        }
    }

    #[test]
    fn the_levels_keep_their_total() {
        kept(4000);
    }

    #[test]
    #[ignore = "takes half a minute: `make baselines` runs it, and the suite a short form"]
    fn the_levels_keep_their_total_to_three_digits() {
        kept(400_000);
    }

    #[test]
    fn the_sums_that_are_simulated_are_those_of_the_p() {
        let mut random = Random::new(2);
        for pairs in [8_usize, 12, 16] {
            for level in [0.004, 0.0105, 0.0228, 0.0114] {
                let Some(sum) = critical_sum(pairs, level) else { panic!("{pairs} {level}") };
                for _ in 0..200 {
                    let d: Vec<f64> = (0..pairs).map(|_| random.normal() + 0.6).collect();
                    assert_eq!(is_beyond(&d, sum, false), signed_rank_above(&d) <= level, "{d:?} {level}");
                }
            }
        }
        assert_eq!(critical_sum(8, 0.002_35), None);
    }

    #[test]
    fn a_test_ends_once_and_looks_nowhere_else() {
        let looks = Looks::of(0.025).unwrap();
        let above: Vec<f64> = (1..=20).map(|k| 0.1 + 0.001 * f64::from(k)).collect();
        assert_eq!(looks.see(&above[..7], 0.05), (vec![], Found::More(8)));
        let (seen, found) = looks.see(&above[..11], 0.05);
        assert_eq!((seen.len(), found), (1, Found::More(12)), "with 8 pairs no p is small enough");
        assert!((seen[0].p - 1.0 / 256.0).abs() < 1e-12);
        let (seen, found) = looks.see(&above, 0.05);
        assert_eq!((seen.len(), found), (2, Found::Above));
        assert!((seen[1].p - 1.0 / 4096.0).abs() < 1e-12 && (seen[1].level - 0.010_36).abs() < 1e-12);
        // Sure, and too small to count: all looks are taken.
        let (seen, found) = looks.see(&above, 0.5);
        assert_eq!((seen.len(), found), (3, Found::NotAbove));
        let below: Vec<f64> = above.iter().map(|d| -d).collect();
        let turned = [&below[..8], &above[..]].concat();
        let (seen, found) = looks.see(&turned, 0.05);
        assert_eq!((seen.len(), found), (1, Found::NotAbove), "what comes after the end does not count");
        assert_eq!(looks.to_the_end().see(&turned, 0.05).0.len(), 3);
    }

    #[test]
    fn several_tests_share_the_total() {
        let one = Looks::of(0.01).unwrap();
        let of_two = one.among(2);
        assert_eq!(of_two.level(16), one.level(16).map(|level| level * OF_SEVERAL / 2.0));
        assert_eq!((one.level(7), one.level(13)), (None, one.level(12)));
        assert_eq!(one.level(99), one.level(16));
        assert!(Looks::of(0.05).is_none());
    }
}
