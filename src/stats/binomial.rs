//! Tails of the binomial distribution: the confidence in an observed share, given the number of trials.
//!
//! Single probabilities are computed as in C. Loader, *Fast and Accurate Computation of Binomial Probabilities*
//! (2000): exact to about twelve digits for any n, where factorials and differences of ln Γ lose them. Tails
//! are sums of these.

use std::f64::consts::PI;

use super::distribution::ln_gamma;
use crate::num;

/// The probability of at most `k` successes in `n` trials of probability `p`.
#[must_use]
pub fn binomial_at_most(k: u64, n: u64, p: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    // Sums the smaller tail, to avoid the difference of nearly equal numbers.
    if num::f64_of(k) < num::f64_of(n) * p { tail_down(k, n, p) } else { 1.0 - tail_up(k + 1, n, p) }
}

/// The probability of at least `k` successes in `n` trials of probability `p`.
#[must_use]
pub fn binomial_at_least(k: u64, n: u64, p: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if k > n {
        return 0.0;
    }
    if num::f64_of(k) > num::f64_of(n) * p { tail_up(k, n, p) } else { 1.0 - tail_down(k - 1, n, p) }
}

/// Σ of the probabilities of `k`, `k − 1`, …, 0.
fn tail_down(k: u64, n: u64, p: f64) -> f64 {
    let odds = (1.0 - p) / p;
    let (mut term, mut sum, mut at) = (probability(k, n, p), 0.0, k);
    while term > 0.0 {
        sum += term;
        if at == 0 || term < sum * 1e-17 {
            break;
        }
        term *= num::f64_of(at) / num::f64_of(n - at + 1) * odds;
        at -= 1;
    }
    sum.min(1.0)
}

/// Σ of the probabilities of `k`, `k + 1`, …, n.
fn tail_up(k: u64, n: u64, p: f64) -> f64 {
    let odds = p / (1.0 - p);
    let (mut term, mut sum, mut at) = (probability(k, n, p), 0.0, k);
    while term > 0.0 {
        sum += term;
        if at == n || term < sum * 1e-17 {
            break;
        }
        term *= num::f64_of(n - at) / num::f64_of(at + 1) * odds;
        at += 1;
    }
    sum.min(1.0)
}

/// The probability of exactly `k` successes.
fn probability(k: u64, n: u64, p: f64) -> f64 {
    if p <= 0.0 || p >= 1.0 {
        return f64::from(u8::from(k == if p <= 0.0 { 0 } else { n }));
    }
    let q = 1.0 - p;
    let of = num::f64_of;
    if k == 0 {
        return (of(n) * (-p).ln_1p()).exp();
    }
    if k == n {
        return (of(n) * p.ln()).exp();
    }
    let exponent = stirling_error(n)
        - stirling_error(k)
        - stirling_error(n - k)
        - deviance(of(k), of(n) * p)
        - deviance(of(n - k), of(n) * q);
    exponent.exp() * (of(n) / (2.0 * PI * of(k) * of(n - k))).sqrt()
}

/// `ln n! − ln(√(2πn) (n/e)ⁿ)`: by ln Γ for small n, by its series otherwise.
fn stirling_error(n: u64) -> f64 {
    let x = num::f64_of(n);
    if n < 16 {
        return ln_gamma(x + 1.0) - (x + 0.5) * x.ln() + x - 0.5 * (2.0 * PI).ln();
    }
    let square = x * x;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0) / square) / square) / square) / x
}

/// `x ln(x/m) + m − x`, without cancellation where x is near m.
fn deviance(x: f64, m: f64) -> f64 {
    if (x - m).abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() + m - x;
    }
    let v = (x - m) / (x + m);
    let mut sum = (x - m) * v;
    let mut power = 2.0 * x * v;
    let mut odd = 3.0;
    loop {
        power *= v * v;
        let next = sum + power / odd;
        if next.total_cmp(&sum).is_eq() {
            return next;
        }
        sum = next;
        odd += 2.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(ours: f64, exact: f64) -> bool {
        (ours - exact).abs() <= 1e-11 * exact.max(1e-30)
    }

    #[test]
    fn without_an_exceedance_the_chance_is_a_power() {
        for (n, p) in [(299_i32, 0.01_f64), (2995, 0.001), (29_956, 0.0001), (5, 0.5)] {
            let exact = (1.0 - p).powi(n);
            assert!(close(binomial_at_most(0, u64::try_from(n).unwrap(), p), exact), "{n} {p}");
        }
        // A share of 0.1 % gives two of 2,995 or fewer in 42 runs of a hundred.
        let two = binomial_at_most(2, 2995, 0.001);
        assert!(close(two, 0.424_199_517_769_291_1), "{two}");
    }

    #[test]
    fn the_edges_are_certain() {
        assert_eq!(
            [binomial_at_most(5, 5, 0.3), binomial_at_least(0, 5, 0.3)].map(f64::to_bits),
            [1.0_f64.to_bits(); 2]
        );
        assert!(binomial_at_least(6, 5, 0.3).abs() < f64::EPSILON);
        assert!(close(binomial_at_most(3, 7, 0.0), 1.0) && binomial_at_most(3, 7, 1.0).abs() < f64::EPSILON);
    }

    proptest! {
        #[test]
        fn tails_are_sums_of_products(n in 1_u64..60, k in 0_u64..60, percent in 1_u32..100) {
            let k = k.min(n);
            let p = f64::from(percent) / 100.0;
            // n choose j by Pascal's rule, exact below 2^53.
            let exact: f64 = (0..=k).map(|j| {
                let choose = (1..=j).fold(1.0, |c, i| c * num::f64_of(n - j + i) / num::f64_of(i));
                choose * p.powf(num::f64_of(j)) * (1.0 - p).powf(num::f64_of(n - j))
            }).sum();
            prop_assert!((binomial_at_most(k, n, p) - exact).abs() < 1e-11, "{} {}", binomial_at_most(k, n, p), exact);
            let both = binomial_at_most(k, n, p) + binomial_at_least(k + 1, n, p);
            prop_assert!((both - 1.0).abs() < 1e-11);
        }

        #[test]
        fn more_allowed_is_more_likely(n in 1_u64..10_000_000, k in 0_u64..10_000, permille in 1_u32..200) {
            let p = f64::from(permille) / 1000.0;
            prop_assert!(binomial_at_most(k, n, p) <= binomial_at_most(k + 1, n, p) + 1e-12);
        }
    }
}
