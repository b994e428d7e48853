//! Statistics of paired measurements: tests, intervals, corrections and trends, as functions of numbers alone.
//!
//! A *difference* is one pair's figure, here the logarithm of a ratio. Nothing in this module depends on what
//! was measured.

mod binomial;
mod change;
mod components;
mod distribution;
mod looks;
mod random;
mod trend;
mod wilcoxon;

pub use binomial::{binomial_at_least, binomial_at_most};
pub use change::{Change, changes};
pub use components::{Components, components};
pub use distribution::{
    normal_above, normal_quantile, normal_two_sided, student_above, student_quantile, student_two_sided,
};
pub use looks::{Found, LOOKS, Look, Looks, false_alarms};
pub use random::Random;
pub use trend::{Trend, slope, trend};
pub use wilcoxon::{SignedRank, hodges_lehmann, interval, signed_rank, signed_rank_above, smallest_p};

use crate::num;

/// Student's t of paired differences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedT {
    /// Arithmetic mean of the differences.
    pub mean: f64,
    /// The statistic; infinite where all differences are equal and not 0.
    pub t: f64,
    /// Degrees of freedom, `n − 1`.
    pub df: f64,
    /// Two-sided p.
    pub p: f64,
}

/// The paired t test of "the mean difference is 0" (Student, Biometrika 1908); `None` for fewer than two.
#[must_use]
pub fn paired_t(differences: &[f64]) -> Option<PairedT> {
    if differences.len() < 2 {
        return None;
    }
    let n = num::f64_of(num::count(differences.len()));
    let mean = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let error = (variance / n).sqrt();
    let t = if mean == 0.0 { 0.0 } else { mean / error };
    Some(PairedT { mean, t, df: n - 1.0, p: student_two_sided(t, n - 1.0) })
}

/// Holm's adjusted p-values, in the order of the given ones (Holm, Scandinavian Journal of Statistics 1979): a
/// hypothesis whose adjusted p is at most α may be rejected, and the probability of any false rejection among
/// all of them stays at most α.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut least = 0.0_f64;
    for (rank, &at) in order.iter().enumerate() {
        let left = num::f64_of(num::count(p.len() - rank));
        least = least.max((p[at] * left).min(1.0));
        adjusted[at] = least;
    }
    adjusted
}

/// The median, the mean of the middle two for an even number; `None` for an empty list.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[middle - 1], upper) } else { upper })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn holm_multiplies_by_what_is_left_and_never_falls() {
        assert_eq!(holm(&[0.01, 0.04, 0.03]), [0.03, 0.06, 0.06]);
        assert_eq!(holm(&[0.5, 0.9]), [1.0, 1.0]);
        assert_eq!(holm(&[0.02]), [0.02]);
        assert_eq!(holm(&[]), [0.0; 0]);
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median(&[3.0, 1.0]), Some(2.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }

    proptest! {
        #[test]
        fn holm_keeps_the_order_and_lies_between_p_and_bonferroni(p in proptest::collection::vec(0.0..=1.0_f64, 1..12)) {
            let adjusted = holm(&p);
            let m = num::f64_of(num::count(p.len()));
            for a in 0..p.len() {
                prop_assert!(adjusted[a] >= p[a] && adjusted[a] <= (p[a] * m).clamp(adjusted[a].min(1.0), 1.0) + 1e-12);
                for b in 0..p.len() {
                    prop_assert!(p[a] > p[b] || adjusted[a] <= adjusted[b]);
                }
            }
        }

        #[test]
        fn holm_with_another_hypothesis_is_never_smaller(p in proptest::collection::vec(0.0..=1.0_f64, 1..9), one in 0.0..=1.0_f64) {
            let more: Vec<f64> = p.iter().copied().chain([one]).collect();
            for (few, many) in holm(&p).into_iter().zip(holm(&more)) {
                prop_assert!(many >= few);
            }
        }
    }
}
