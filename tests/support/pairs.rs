//! Pairs of runs with given figures.

use tickgate::compare::{METRICS, Order, Outcome, Pair, Round, Trial, order, orders};

/// A run with the same figure for every metric.
pub fn trial(figure: f64) -> Trial {
    Trial {
        outcome: Outcome::Measured,
        figures: METRICS.iter().map(|m| (m.name.to_owned(), figure)).collect(),
        ..Trial::default()
    }
}

/// Pairs of given figures, A's and B's.
pub fn pairs(figures: &[(f64, f64)]) -> Vec<Pair> {
    let order = order(1, u32::try_from(figures.len()).unwrap());
    let pair = |((number, order), (a, b)): ((u32, Order), &(f64, f64))| Pair {
        number,
        order,
        a: trial(*a),
        b: trial(*b),
        excluded: None,
    };
    (1..).zip(order).zip(figures).map(pair).collect()
}

/// Rounds of given figures, one of each side.
pub fn rounds<const N: usize>(figures: &[[f64; N]]) -> Vec<Round> {
    let orders = orders(1, N, u32::try_from(figures.len()).unwrap());
    let round = |((number, order), figures): ((u32, Vec<usize>), &[f64; N])| Round {
        number,
        order,
        trials: figures.map(trial).to_vec(),
    };
    (1..).zip(orders).zip(figures).map(round).collect()
}

/// The given number of pairs with B at `ratio` times A, within a percent, and no two differences the same.
pub fn around(ratio: f64, n: u32) -> Vec<Pair> {
    let pair = |k: u32| {
        let a = 1e6 + f64::from(k) * 1e4;
        (a, a * ratio * (1.0 + 0.001 * f64::from((k * 7) % 11)))
    };
    pairs(&(0..n).map(pair).collect::<Vec<_>>())
}

/// A standard normal number of a seed and a counter (Box and Muller).
pub fn normal(seed: u64, counter: u64) -> f64 {
    let unit = |k: u64| {
        let bits = xxhash_rust::xxh3::xxh3_64_with_seed(&k.to_le_bytes(), seed) >> 11;
        (tickgate::num::f64_of(bits) + 0.5) / tickgate::num::f64_of(1 << 53)
    };
    let (u, v) = (unit(2 * counter), unit(2 * counter + 1));
    (-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
}
