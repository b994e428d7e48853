//! The knee of the latency against the rate, by Kneedle: a description of the curve, and no answer of a search.
//!
//! Satopää et al., "Finding a Kneedle in a Haystack", 2011: both axes are normalised to 0–1, and the knee of a convex rising
//! curve is where `x − y` has a maximum after which it falls by more than the mean step of x (sensitivity 1).

use super::search::rounded;
use super::trial::Trial;
use crate::num;
use crate::stats;

/// Fewest rates that show a curve.
const FEWEST: usize = 6;
/// Share of the offered load from which on a rate is carried.
const CARRIED: f64 = 0.99;

/// The rate at the knee of p99, in events/s, of the rates that the bus carried; `None` for fewer than six of them, or a curve
/// without a knee.
#[must_use]
pub fn knee(trials: &[Trial]) -> Option<f64> {
    let curve = curve(trials);
    let (first, last) = (curve.first()?, curve.last()?);
    let low = curve.iter().map(|(_, y)| *y).fold(f64::INFINITY, f64::min);
    let high = curve.iter().map(|(_, y)| *y).fold(0.0, f64::max);
    if curve.len() < FEWEST || high <= low {
        return None;
    }
    let above: Vec<f64> =
        curve.iter().map(|(x, y)| (x - first.0) / (last.0 - first.0) - (y - low) / (high - low)).collect();
    let step = 1.0 / num::f64_of(num::count(curve.len() - 1));
    let is_top = |at: usize| {
        at > 0 && above[at] > above[at - 1] && above.get(at + 1).is_some_and(|next| *next <= above[at])
    };
    let found = (0..above.len()).filter(|at| is_top(*at)).find(|at| {
        let later = &above[at + 1..];
        let falls = later.iter().position(|value| *value < above[*at] - step);
        let rises = later.iter().position(|value| *value > above[*at]);
        falls.is_some_and(|falls| rises.is_none_or(|rises| falls < rises))
    })?;
    curve.get(found).map(|(rate, _)| *rate)
}

/// The median p99 of the trials at each rate that was carried, from the lowest one.
fn curve(trials: &[Trial]) -> Vec<(f64, f64)> {
    let carried = trials.iter().filter_map(|trial| {
        let figures = trial.figures.as_ref()?;
        let is_carried = figures.achieved >= figures.offered * CARRIED && trial.rate > 0.0;
        is_carried.then_some((rounded(trial.rate), num::f64_of(figures.p99_ns?)))
    });
    let mut all: Vec<(f64, f64)> = carried.collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let of = |same: &[(f64, f64)]| {
        let times: Vec<f64> = same.iter().map(|(_, time)| *time).collect();
        Some((same.first()?.0, stats::median(&times)?))
    };
    all.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()).filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::Figures;

    /// Trials whose p99 is 100 µs divided by what is left of 50k/s.
    fn queueing(rates: &[f64]) -> Vec<Trial> {
        let trial = |rate: &f64| {
            let p99 = 100_000.0 / (1.0 - rate / 50_000.0);
            let p99_ns = Some(num::u64_of(p99));
            let figures = Figures { offered: *rate, achieved: *rate, p99_ns, ..Figures::default() };
            Trial { rate: *rate, figures: Some(figures), ..Trial::default() }
        };
        rates.iter().map(trial).collect()
    }

    #[test]
    fn the_knee_of_a_queue_is_where_its_normalised_curve_is_furthest_below_the_diagonal() {
        let rates: Vec<f64> = (1..=49).map(|k| f64::from(k) * 1000.0).collect();
        // y = 1 / (1 − ρ), normalised, has the slope 1 at 1 − ρ = √((1 − ρ₀)(1 − ρ₁)) = √(0.98 · 0.02) = 0.14.
        assert_eq!(knee(&queueing(&rates)), Some(43_000.0));
    }

    #[test]
    fn few_rates_or_a_straight_line_have_no_knee() {
        assert_eq!(knee(&queueing(&[1000.0, 10_000.0, 30_000.0, 45_000.0, 49_000.0])), None);
        let mut straight = queueing(&[1e4, 2e4, 3e4, 4e4, 4.2e4, 4.4e4, 4.6e4]);
        for trial in &mut straight {
            if let Some(figures) = &mut trial.figures {
                figures.p99_ns = Some(num::u64_of(trial.rate));
            }
        }
        assert_eq!(knee(&straight), None);
        assert_eq!(knee(&[]), None);
    }
}
