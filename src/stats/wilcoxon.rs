//! The signed-rank test, the corresponding estimate, and the interval by inverting the test.

use super::distribution::{normal_above, normal_quantile, normal_two_sided};
use super::median;
use crate::num;

/// Up to this number of differences the null distribution is enumerated; above it, the normal approximation is
/// used.
const EXACT: usize = 25;

/// Wilcoxon's signed-rank test of "the differences are symmetric about 0".
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignedRank {
    /// Differences that are not 0. Zeros are left out before ranking (Wilcoxon's own rule).
    pub n: u32,
    /// Zeros that were left out.
    pub zeros: u32,
    /// Sum of the ranks of the positive differences; ties have their mean rank.
    pub plus: f64,
    /// Two-sided p; 1 where every difference is 0.
    pub p: f64,
    /// Is the p exact, from the enumerated null distribution? Otherwise it is the normal approximation with
    /// ties and continuity.
    pub exact: bool,
}

/// Wilcoxon's signed-rank test (Wilcoxon, Biometrics Bulletin 1945; ties as in Pratt and Gibbons 1981).
#[must_use]
pub fn signed_rank(differences: &[f64]) -> SignedRank {
    let mut kept: Vec<f64> = differences.iter().copied().filter(|d| !is_zero(*d)).collect();
    kept.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let doubled = doubled_ranks(&kept);
    let of_positive = kept.iter().zip(&doubled).filter(|(d, _)| **d > 0.0);
    let plus: u64 = of_positive.map(|(_, rank)| *rank).sum();
    let exact = kept.len() <= EXACT;
    let p = match kept.len() {
        0 => 1.0,
        _ if exact => exact_p(&doubled, plus),
        _ => normal_p(&doubled, plus),
    };
    SignedRank {
        n: num::count32(kept.len()),
        zeros: num::count32(differences.len() - kept.len()),
        plus: num::f64_of(plus) / 2.0,
        p,
        exact,
    }
}

/// The one-sided p of the signed-rank test against "the differences are above 0": the probability of a sum of the ranks of the
/// positive ones as large as this or larger, if there is no difference. Zeros and ties as in [`signed_rank`].
#[must_use]
pub fn signed_rank_above(differences: &[f64]) -> f64 {
    let mut kept: Vec<f64> = differences.iter().copied().filter(|d| !is_zero(*d)).collect();
    kept.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let doubled = doubled_ranks(&kept);
    let of_positive = kept.iter().zip(&doubled).filter(|(d, _)| **d > 0.0);
    let plus: u64 = of_positive.map(|(_, rank)| *rank).sum();
    if kept.len() > EXACT {
        let (mean, deviation) = moments(&doubled);
        return normal_above((num::f64_of(plus) / 2.0 - mean - 0.5) / deviation);
    }
    let ways = choices(&doubled);
    let above: f64 = ways[num::index(plus)..].iter().sum();
    above / ways.iter().sum::<f64>()
}

/// The smallest sum of positive ranks of `n` differences without zeros and ties whose one-sided p is at most `level`.
pub(super) fn critical_sum(n: usize, level: f64) -> Option<u64> {
    let ranks: Vec<u64> = (1..=num::count(n)).collect();
    let ways = choices(&ranks);
    let all: f64 = ways.iter().sum();
    let mut above = 0.0;
    let mut least = None;
    for (sum, count) in ways.iter().enumerate().rev() {
        above += count;
        if above / all > level {
            break;
        }
        least = Some(num::count(sum));
    }
    least
}

/// The smallest p possible with `n` differences: all of one sign, `2 / 2ⁿ`.
#[must_use]
pub fn smallest_p(n: usize) -> f64 {
    (2.0 * 0.5_f64.powi(i32::try_from(n).unwrap_or(i32::MAX))).min(1.0)
}

/// Is a difference 0, up to rounding of the last digits?
fn is_zero(d: f64) -> bool {
    d.abs() < 1e-12
}

/// Twice the rank of each by its size, with the mean rank for ties; doubling makes them all integers.
fn doubled_ranks(sorted: &[f64]) -> Vec<u64> {
    let mut ranks = Vec::with_capacity(sorted.len());
    for equal in sorted.chunk_by(|a, b| is_zero((b.abs() - a.abs()) / b.abs())) {
        let first = num::count(ranks.len()) + 1;
        let last = first + num::count(equal.len()) - 1;
        ranks.extend(std::iter::repeat_n(first + last, equal.len()));
    }
    ranks
}

/// The number of the 2ⁿ choices of signs that give each sum of doubled ranks.
fn choices(doubled: &[u64]) -> Vec<f64> {
    let mut ways = vec![1.0];
    for rank in doubled {
        let rank = num::index(*rank);
        let mut more = vec![0.0; ways.len() + rank];
        for (sum, count) in ways.iter().enumerate() {
            more[sum] += count;
            more[sum + rank] += count;
        }
        ways = more;
    }
    ways
}

fn exact_p(doubled: &[u64], plus: u64) -> f64 {
    let ways = choices(doubled);
    let (all, at) = (ways.iter().sum::<f64>(), num::index(plus));
    let below: f64 = ways[..=at].iter().sum();
    let above: f64 = ways[at..].iter().sum();
    (2.0 * below.min(above) / all).min(1.0)
}

fn normal_p(doubled: &[u64], plus: u64) -> f64 {
    let (mean, deviation) = moments(doubled);
    let off = ((num::f64_of(plus) / 2.0 - mean).abs() - 0.5).max(0.0);
    normal_two_sided(off / deviation)
}

/// Mean and standard deviation of the sum of positive ranks: half the sum of all, and the root of a quarter of the sum of their
/// squares, which accounts for ties.
fn moments(doubled: &[u64]) -> (f64, f64) {
    let mean = num::f64_of(doubled.iter().sum::<u64>()) / 4.0;
    let variance = doubled.iter().map(|rank| (num::f64_of(*rank) / 2.0).powi(2)).sum::<f64>() / 4.0;
    (mean, variance.sqrt())
}

/// The means of all pairs of differences, including each with itself, in order.
fn walsh(differences: &[f64]) -> Vec<f64> {
    let mut means = Vec::with_capacity(differences.len() * (differences.len() + 1) / 2);
    for (at, a) in differences.iter().enumerate() {
        means.extend(differences[at..].iter().map(|b| f64::midpoint(*a, *b)));
    }
    means.sort_by(f64::total_cmp);
    means
}

/// The Hodges–Lehmann estimate of the median difference: the median of the means of all pairs of differences
/// (Hodges and Lehmann, Annals of Mathematical Statistics 1963); `None` for an empty list.
#[must_use]
pub fn hodges_lehmann(differences: &[f64]) -> Option<f64> {
    median(&walsh(differences))
}

/// The confidence interval of the median difference by inverting the signed-rank test (Hollander and Wolfe,
/// Nonparametric Statistical Methods, 3.3): its coverage is at least `confidence` up to 25 differences, and
/// approximately that above. Zeros and ties are included. `None` if there are too few differences for the
/// confidence.
#[must_use]
pub fn interval(differences: &[f64], confidence: f64) -> Option<(f64, f64)> {
    let tail = (1.0 - confidence) / 2.0;
    let means = walsh(differences);
    let cut = cut(differences.len(), tail)?;
    Some((*means.get(cut)?, *means.get(means.len().checked_sub(cut + 1)?)?))
}

/// The number of the smallest and largest means outside the interval: the largest k with `P(W < k) ≤ tail`,
/// less one for the index.
fn cut(n: usize, tail: f64) -> Option<usize> {
    if n > EXACT {
        let n = num::f64_of(num::count(n));
        let deviation = (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt();
        let k = n * (n + 1.0) / 4.0 - normal_quantile(tail) * deviation;
        return Some(num::index(num::u64_floor(k)));
    }
    let ranks: Vec<u64> = (1..=num::count(n)).collect();
    let ways = choices(&ranks);
    let all: f64 = ways.iter().sum();
    let mut below = 0.0;
    let mut cut = None;
    for (sum, count) in ways.iter().enumerate() {
        below += count;
        // The comparison allows for the tail's own rounding, as in (1 − 0.95) / 2.
        if below / all > tail * (1.0 + 1e-9) {
            break;
        }
        cut = Some(sum);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn p_is_counted_out() {
        // All of one sign: 2 / 2ⁿ.
        for n in 1_u32..=10 {
            let all: Vec<f64> = (1..=n).map(f64::from).collect();
            assert!((signed_rank(&all).p - smallest_p(all.len())).abs() < 1e-15);
        }
        // Fewer than six cannot reach 5 %.
        assert!(smallest_p(5) > 0.05 && smallest_p(6) < 0.05);
        // One of four against the others, and it is the smallest: 2 · 2/16.
        assert!((signed_rank(&[-1.0, 2.0, 3.0, 4.0]).p - 0.25).abs() < 1e-15);
        // Three equal ones, one against: ranks 2, 2, 2; the sums 0, 2, 4, 6 have 1, 3, 3, 1 ways.
        assert!((signed_rank(&[1.0, 1.0, -1.0]).p - 1.0).abs() < 1e-15);
        assert!((signed_rank(&[1.0, 1.0, 1.0]).p - 0.25).abs() < 1e-15);
    }

    #[test]
    fn zeros_are_left_out_and_an_empty_list_has_p_1() {
        let test = signed_rank(&[0.0, 0.0, 1.0, 2.0, -0.0]);
        assert_eq!((test.n, test.zeros), (2, 3));
        assert!((signed_rank(&[0.0; 8]).p - 1.0).abs() < 1e-15);
        assert!((signed_rank(&[]).p - 1.0).abs() < 1e-15);
        assert_eq!(hodges_lehmann(&[]), None);
        assert!((signed_rank_above(&[0.0; 8]) - 1.0).abs() < 1e-15);
        assert!((signed_rank_above(&[]) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn one_side_is_half_of_both_where_the_difference_points_to_it() {
        assert!((signed_rank_above(&[-1.0, 2.0, 3.0, 4.0]) - 0.125).abs() < 1e-15);
        // 15 of the 16 choices of signs give a sum of 1 or more.
        assert!((signed_rank_above(&[1.0, -2.0, -3.0, -4.0]) - 15.0 / 16.0).abs() < 1e-15);
        assert!((signed_rank_above(&[-1.0; 8]) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn an_interval_needs_enough_differences() {
        assert_eq!(interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95), None);
        assert_eq!(interval(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.95), Some((1.0, 6.0)));
        assert_eq!(interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.90), Some((1.0, 5.0)));
        // Hollander and Wolfe's table: with 8, P(W ≥ 33) = 0.0195, so the fourth smallest.
        let eight: Vec<f64> = (1..=8).map(|k| f64::from(k * k)).collect();
        let means = walsh(&eight);
        assert_eq!(interval(&eight, 0.95), Some((means[3], means[means.len() - 4])));
    }

    proptest! {
        #[test]
        fn both_directions_overlap_in_the_observed_sum_alone(d in proptest::collection::vec(-3.0..3.0_f64, 1..25)) {
            let mirrored: Vec<f64> = d.iter().map(|d| -d).collect();
            let (above, below) = (signed_rank_above(&d), signed_rank_above(&mirrored));
            prop_assert!(above + below >= 1.0 - 1e-12);
            prop_assert!(((2.0 * above.min(below)).min(1.0) - signed_rank(&d).p).abs() < 1e-12);
        }

        #[test]
        fn swapped_sides_give_the_same_p_and_the_mirrored_interval(d in proptest::collection::vec(-3.0..3.0_f64, 1..30)) {
            let mirrored: Vec<f64> = d.iter().map(|d| -d).collect();
            prop_assert!((signed_rank(&d).p - signed_rank(&mirrored).p).abs() < 1e-12);
            let estimate = hodges_lehmann(&d).unwrap();
            prop_assert!((estimate + hodges_lehmann(&mirrored).unwrap()).abs() < 1e-12);
            let both = interval(&d, 0.95).zip(interval(&mirrored, 0.95));
            if let Some(((low, high), (mirrored_low, mirrored_high))) = both {
                prop_assert!((low + mirrored_high).abs() < 1e-12 && (high + mirrored_low).abs() < 1e-12);
                prop_assert!(low <= estimate + 1e-12 && estimate <= high + 1e-12);
            }
        }

        #[test]
        fn stretched_differences_give_the_same_p(d in proptest::collection::vec(-3.0..3.0_f64, 1..20), by in 0.01..100.0_f64) {
            prop_assume!(d.iter().all(|d| d.abs() > 1e-6));
            let stretched: Vec<f64> = d.iter().map(|d| d * by).collect();
            prop_assert!((signed_rank(&d).p - signed_rank(&stretched).p).abs() < 1e-12);
        }

        #[test]
        fn the_interval_excludes_zero_exactly_when_the_test_rejects(d in proptest::collection::vec(-1.0..3.0_f64, 6..20)) {
            let (low, high) = interval(&d, 0.95).unwrap();
            prop_assert_eq!(low > 0.0 || high < 0.0, signed_rank(&d).p <= 0.05 + 1e-12);
        }

        #[test]
        fn a_wider_confidence_holds_the_narrower(d in proptest::collection::vec(-3.0..3.0_f64, 8..40)) {
            let (wide, narrow) = (interval(&d, 0.95).unwrap(), interval(&d, 0.90).unwrap());
            prop_assert!(wide.0 <= narrow.0 && narrow.1 <= wide.1);
        }
    }
}
