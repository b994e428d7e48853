//! What the trials so far say about the threshold and its spread.
//!
//! A trial at rate r passes with probability `0.01 + 0.96 · Φ((m − ln r) / s)`: m is the logarithm of the capacity, s the
//! spread of a trial's own capacity around it. One trial in a hundred passes and three in a hundred miss whatever the rate,
//! so no single trial can end a search. The prior of m is flat in ln rate, that of s log-normal with median 6 % and σ 0.6. The
//! likelihood needs no correction for rates that were chosen after looking at earlier outcomes.

use std::sync::OnceLock;

use super::answer::{Estimate, Point};
use crate::num;
use crate::stats;

/// A trial that passes whatever the rate.
const LUCKY: f64 = 0.01;
/// A trial that misses whatever the rate.
const FREAK: f64 = 0.03;
/// Steps of ln rate.
const STEP: f64 = 0.01;
/// Points of the spread, from 1 to 25 %, evenly spaced in their logarithms.
const SPREADS: u32 = 14;
const SPREAD_MEDIAN: f64 = 0.06;
const SPREAD_SIGMA: f64 = 0.6;
/// How far the grid goes beyond the lowest and the highest rate, in ln rate.
const BEYOND: f64 = 0.7;
/// Cells that weigh less than this are left out of sums.
const NEGLIGIBLE: f64 = 1e-9;
/// Cells that weigh less than this are gone for good: fifteen trials that speak against all others do not bring them back.
const GONE: f64 = 1e-30;

/// The probability of a standard normal below z, from a table: to 5 · 10⁻⁷.
fn below(z: f64) -> f64 {
    const PER_UNIT: f64 = 256.0;
    const END: f64 = 8.0;
    static TABLE: OnceLock<Vec<f64>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let end = num::index(num::u64_of(PER_UNIT * END));
        let at = |point: usize| num::f64_of(num::count(point)) / PER_UNIT;
        (0..=end).map(|point| 0.5 * stats::normal_two_sided(at(point))).collect()
    });
    let place = z.abs().min(END) * PER_UNIT;
    let point = num::index(num::u64_floor(place));
    let value = |point: usize| table.get(point).copied().unwrap_or(0.0);
    let tail = value(point) + (value(point + 1) - value(point)) * (place - place.floor());
    if z < 0.0 { tail } else { 1.0 - tail }
}

/// The posterior over threshold and spread.
#[derive(Debug, Clone)]
pub(super) struct Posterior {
    /// ln of the lowest threshold.
    first: f64,
    spreads: Vec<f64>,
    /// Weight of each threshold (row) and spread (column); their sum is 1.
    weights: Vec<f64>,
}

impl Posterior {
    /// The prior, for searches between two rates in events/s.
    pub(super) fn new(min: f64, max: f64) -> Self {
        let (first, last) = (min.ln() - BEYOND, max.ln() + BEYOND);
        let rows = num::index(num::u64_of(((last - first) / STEP).ceil()).min(1 << 14)) + 1;
        let points = f64::from(SPREADS - 1);
        let spread = |point: u32| (0.01_f64.ln() + (25.0_f64).ln() * f64::from(point) / points).exp();
        let spreads: Vec<f64> = (0..SPREADS).map(spread).collect();
        let prior = |s: &f64| (-(s / SPREAD_MEDIAN).ln().powi(2) / (2.0 * SPREAD_SIGMA.powi(2))).exp();
        let row: Vec<f64> = spreads.iter().map(prior).collect();
        let mut posterior = Self { first, spreads, weights: row.repeat(rows) };
        posterior.normalise();
        posterior
    }

    fn normalise(&mut self) {
        let sum: f64 = self.weights.iter().sum();
        for weight in &mut self.weights {
            *weight = if *weight < GONE * sum { 0.0 } else { *weight / sum };
        }
    }

    fn rows(&self) -> impl Iterator<Item = (f64, &[f64])> {
        let at = |row: usize| self.first + STEP * num::f64_of(num::count(row));
        self.weights.chunks(self.spreads.len()).enumerate().map(move |(row, weights)| (at(row), weights))
    }

    /// Takes a trial into account.
    pub(super) fn add(&mut self, rate: f64, passed: bool) {
        let x = rate.ln();
        let columns = self.spreads.len();
        for (row, weights) in self.weights.chunks_mut(columns).enumerate() {
            let m = self.first + STEP * num::f64_of(num::count(row));
            if weights.iter().all(|weight| *weight <= 0.0) {
                continue;
            }
            for (weight, s) in weights.iter_mut().zip(&self.spreads) {
                let p = LUCKY + (1.0 - LUCKY - FREAK) * below((m - x) / s);
                *weight *= if passed { p } else { 1.0 - p };
            }
        }
        self.normalise();
    }

    /// ln of the threshold's quantile.
    pub(super) fn quantile(&self, q: f64) -> f64 {
        let mut sum = 0.0;
        let mut last = self.first;
        for (m, weights) in self.rows() {
            sum += weights.iter().sum::<f64>();
            last = m;
            if sum >= q {
                break;
            }
        }
        last
    }

    /// Mean of the spread.
    pub(super) fn spread(&self) -> f64 {
        let row =
            |weights: &[f64]| weights.iter().zip(&self.spreads).map(|(weight, s)| weight * s).sum::<f64>();
        self.rows().map(|(_, weights)| row(weights)).sum()
    }

    /// Width of the 95 % interval, in ln rate.
    pub(super) fn width(&self) -> f64 {
        self.quantile(0.975) - self.quantile(0.025)
    }

    pub(super) fn estimate(&self, claimed: bool) -> Estimate {
        let at = |q: f64| self.quantile(q).exp();
        Estimate { median: at(0.5), low: at(0.025), high: at(0.975), spread: self.spread(), claimed }
    }

    /// The cells that matter, as (ln threshold, spread, weight).
    fn cells(&self) -> Vec<(f64, f64, f64)> {
        let mut cells = Vec::new();
        for (m, weights) in self.rows() {
            let heavy = weights.iter().zip(&self.spreads).filter(|(weight, _)| **weight > NEGLIGIBLE);
            cells.extend(heavy.map(|(weight, s)| (m, *s, *weight)));
        }
        cells
    }

    /// The share of trials at a rate that pass, lapses left out: the mean over the posterior.
    pub(super) fn passing(&self, rate: f64) -> f64 {
        passing(&self.cells(), rate.ln())
    }

    /// ln of the largest rate at which at least this share of trials pass.
    pub(super) fn rate_passing(&self, share: f64) -> f64 {
        let cells = self.cells();
        let (mut low, mut high) = (self.quantile(0.001) - BEYOND, self.quantile(0.999) + BEYOND);
        while high - low > STEP / 100.0 {
            let middle = f64::midpoint(low, high);
            if passing(&cells, middle) >= share { low = middle } else { high = middle }
        }
        low
    }

    /// The share that passes at a rate, with its 95 % band.
    pub(super) fn point(&self, rate: f64) -> Point {
        let cells = self.cells();
        let x = rate.ln();
        let mut shares: Vec<(f64, f64)> =
            cells.iter().map(|(m, s, weight)| (below((m - x) / s), *weight)).collect();
        shares.sort_by(|a, b| a.0.total_cmp(&b.0));
        let whole: f64 = shares.iter().map(|(_, weight)| weight).sum();
        let quantile = |q: f64| {
            let mut sum = 0.0;
            let found = shares.iter().find(|(_, weight)| {
                sum += weight;
                sum >= q * whole
            });
            found.or(shares.last()).map_or(0.0, |(share, _)| *share)
        };
        Point { rate, low: quantile(0.025), passing: passing(&cells, x), high: quantile(0.975) }
    }
}

fn passing(cells: &[(f64, f64, f64)], x: f64) -> f64 {
    let whole: f64 = cells.iter().map(|(_, _, weight)| weight).sum();
    let sum: f64 = cells.iter().map(|(m, s, weight)| weight * below((m - x) / s)).sum();
    if whole > 0.0 { sum / whole } else { 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_is_that_of_the_tables() {
        for (z, p) in [(0.0, 0.5), (1.0, 0.841_344_746), (1.959_964, 0.975), (-1.644_854, 0.05), (9.0, 1.0)] {
            assert!((below(z) - p).abs() < 1e-6, "{z}: {}", below(z));
        }
    }

    #[test]
    fn passes_below_and_misses_above_place_the_threshold_between_them() {
        let mut posterior = Posterior::new(100.0, 1e6);
        for _ in 0..6 {
            posterior.add(10_000.0, true);
            posterior.add(11_000.0, false);
        }
        let estimate = posterior.estimate(true);
        assert!(estimate.low > 9_000.0 && estimate.high < 12_500.0, "{estimate:?}");
        assert!((estimate.median / 10_488.0 - 1.0).abs() < 0.02, "{estimate:?}");
        assert!(posterior.passing(8_000.0) > 0.95 && posterior.passing(14_000.0) < 0.05);
        let floor = posterior.rate_passing(0.9);
        assert!((posterior.passing(floor.exp()) - 0.9).abs() < 1e-3);
        let point = posterior.point(10_488.0);
        assert!(point.low < point.passing && point.passing < point.high, "{point:?}");
    }

    #[test]
    fn one_freak_does_not_move_the_threshold() {
        let mut posterior = Posterior::new(100.0, 1e6);
        for _ in 0..8 {
            posterior.add(10_000.0, true);
            posterior.add(12_000.0, false);
        }
        let before = posterior.estimate(true).median;
        posterior.add(1_000.0, false);
        let after = posterior.estimate(true).median;
        assert!((after / before - 1.0).abs() < 0.02, "{before} {after}");
    }
}
