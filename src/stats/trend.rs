//! Trends in a series: whether it still moves or is steady.

use super::distribution::normal_two_sided;
use crate::num;

/// A monotone trend, by Mann and Kendall.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// Kendall's S over the number of pairs: −1 (always falling) to 1 (always rising).
    pub tau: f64,
    /// Two-sided p of "there is no trend", by the normal approximation with ties and without continuity
    /// correction. It assumes independent values; where neighbours are correlated it is too small.
    pub p: f64,
}

/// The Mann–Kendall test (Mann, Econometrica 1945; Kendall 1975) of values in their order; `None` for fewer
/// than four.
#[must_use]
pub fn trend(values: &[f64]) -> Option<Trend> {
    if values.len() < 4 {
        return None;
    }
    let mut s = 0.0;
    for (at, earlier) in values.iter().enumerate() {
        for later in &values[at + 1..] {
            s += f64::from(i8::from(later > earlier) - i8::from(later < earlier));
        }
    }
    let n = num::f64_of(num::count(values.len()));
    let spread = |k: f64| k * (k - 1.0) * (2.0 * k + 5.0);
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let ties: f64 = sorted
        .chunk_by(|a, b| a.total_cmp(b).is_eq())
        .map(|equal| spread(num::f64_of(num::count(equal.len()))))
        .sum();
    let variance = (spread(n) - ties) / 18.0;
    let p = if variance > 0.0 { normal_two_sided(s / variance.sqrt()) } else { 1.0 };
    Some(Trend { tau: s / (n * (n - 1.0) / 2.0), p })
}

/// The slope of values at places, by Theil and Sen: the median of the slopes of all pairs (Sen, Journal of the American Statistical
/// Association 1968). `None` where no two places differ.
#[must_use]
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let mut slopes = Vec::new();
    for (at, (x, y)) in points.iter().enumerate() {
        let later = points[at + 1..].iter().filter(|(other, _)| (other - x).abs() > 0.0);
        slopes.extend(later.map(|(other, value)| (value - y) / (other - x)));
    }
    super::median(&slopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rising_falling_and_level() {
        let rising = trend(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]).unwrap();
        assert!((rising.tau - 1.0).abs() < 1e-12 && rising.p < 0.001);
        let falling = trend(&[8.0, 7.0, 6.0, 5.0]).unwrap();
        assert!((falling.tau + 1.0).abs() < 1e-12);
        let level = trend(&[2.0; 9]).unwrap();
        assert!(level.tau.abs() < 1e-12 && level.p >= 1.0);
        assert_eq!(trend(&[1.0, 2.0, 3.0]), None);
    }

    #[test]
    fn a_slope_is_that_of_most_pairs() {
        let line: Vec<(f64, f64)> = (0..9).map(f64::from).map(|x| (x, 3.0 + 2.0 * x)).collect();
        assert!((slope(&line).unwrap() - 2.0).abs() < 1e-12);
        // Two wild values of nine do not move it far.
        let mut wild = line;
        (wild[3].1, wild[7].1) = (900.0, -900.0);
        assert!((slope(&wild).unwrap() - 2.0).abs() < 1e-9);
        assert_eq!((slope(&[(1.0, 1.0)]), slope(&[(1.0, 1.0), (1.0, 2.0)])), (None, None));
    }
}
