//! Change points of a series: where its level changed for good.
//!
//! The split that separates two parts most is sought in windows of the series by the energy distance (Matteson and James, A
//! Nonparametric Approach for Multiple Change Point Analysis, JASA 2014), kept if Student's t says so with a weak limit, and the
//! weakest of all are then merged away until each is beyond a strict one (Fleming and others, Hunter, ICPE 2023; Apache Otava does
//! the same).

use super::distribution::student_two_sided;
use crate::num;

/// Length of a window; windows overlap by half.
const WINDOW: usize = 50;
/// How much weaker the limit is for a split that is only considered.
const WEAK: f64 = 10.0;

/// A change of the level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The place of the first value after it.
    pub at: usize,
    /// Mean of the values before it, back to the previous change.
    pub before: f64,
    /// Mean of the values from it on, up to the next change.
    pub after: f64,
    /// Two-sided p of Student's t with a common variance; not corrected for the search, so it only ranks changes.
    pub p: f64,
}

/// The changes of a series whose p is at most `most_p`, and whose size is more than `least`, in order.
#[must_use]
pub fn changes(series: &[f64], most_p: f64, least: f64) -> Vec<Change> {
    let mut places = considered(series, (most_p * WEAK).min(0.5));
    loop {
        let found = described(series, &places);
        let size = |change: &Change| (change.after - change.before).abs();
        let weakest = found.iter().enumerate().max_by(|(_, a), (_, b)| a.p.total_cmp(&b.p));
        let Some((weakest, change)) = weakest else { return found };
        if change.p > most_p {
            places.remove(weakest);
            continue;
        }
        let smallest = found.iter().enumerate().min_by(|(_, a), (_, b)| size(a).total_cmp(&size(b)));
        match smallest.filter(|(_, change)| size(change) <= least) {
            Some((at, _)) => places.remove(at),
            None => return found,
        };
    }
}

/// The places of possible changes, by overlapping windows.
fn considered(series: &[f64], most_p: f64) -> Vec<usize> {
    let mut places: Vec<usize> = Vec::new();
    let mut start = 0;
    while start < series.len() {
        let window = &series[start..series.len().min(start + WINDOW)];
        let found = in_window(window, most_p);
        let last = found.last().map_or(0, |last| last + start);
        places.extend(found.into_iter().map(|at| at + start));
        start = last.max(start + WINDOW / 2);
    }
    places.sort_unstable();
    places.dedup();
    places
}

/// The changes of a window: the best split of all parts is taken while it is significant.
fn in_window(window: &[f64], most_p: f64) -> Vec<usize> {
    let mut places: Vec<usize> = Vec::new();
    loop {
        let ends: Vec<usize> = [0].into_iter().chain(places.iter().copied()).chain([window.len()]).collect();
        let best = ends
            .windows(2)
            .filter_map(|part| {
                let (at, distance) = split(&window[part[0]..part[1]])?;
                Some((part[0] + at, distance, part[0], part[1]))
            })
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let Some((at, _, start, end)) = best else { return places };
        let significant =
            described_at(&window[start..end], at - start).is_some_and(|change| change.p <= most_p);
        if !significant {
            return places;
        }
        places.push(at);
        places.sort_unstable();
    }
}

/// The split of a part with the largest energy distance between what is before it and some stretch after it.
fn split(part: &[f64]) -> Option<(usize, f64)> {
    let distance = |a: usize, b: usize| (part[a] - part[b]).abs();
    // The sum of the distances of a value to all before another.
    let sums: Vec<Vec<f64>> = (0..part.len())
        .map(|of| {
            let mut sum = 0.0;
            let before = (0..part.len()).map(|at| {
                let so_far = sum;
                sum += distance(of, at);
                so_far
            });
            before.collect()
        })
        .collect();
    let mut within_left = 0.0;
    let mut best: Option<(usize, f64)> = None;
    for at in 1..part.len() {
        within_left += sums[at - 1][at - 1];
        let (mut across, mut within_right) = (0.0, 0.0);
        for (last, before) in sums.iter().enumerate().skip(at) {
            across += before[at];
            within_right += before[last] - before[at];
            let (left, right) = (num::f64_of(num::count(at)), num::f64_of(num::count(last + 1 - at)));
            let mean = |sum: f64, count: f64| if count > 1.0 { sum / (count - 1.0) } else { 0.0 };
            let value = 2.0 * (across - right * mean(within_left, left) - left * mean(within_right, right))
                / (left + right);
            if best.is_none_or(|(_, most)| value > most) {
                best = Some((at, value));
            }
        }
    }
    best
}

/// Every change with the means up to its neighbours.
fn described(series: &[f64], places: &[usize]) -> Vec<Change> {
    let of = |(index, at): (usize, &usize)| {
        let start = index.checked_sub(1).map_or(0, |before| places[before]);
        let end = places.get(index + 1).copied().unwrap_or(series.len());
        let change = described_at(&series[start..end], at - start)?;
        Some(Change { at: *at, ..change })
    };
    places.iter().enumerate().filter_map(of).collect()
}

/// A change within a part; `None` if there is nothing on one side, or too little to test.
fn described_at(part: &[f64], at: usize) -> Option<Change> {
    let (left, right) = part.split_at_checked(at)?;
    let count = |values: &[f64]| num::f64_of(num::count(values.len()));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / count(values);
    let df = count(part) - 2.0;
    if left.is_empty() || right.is_empty() || df < 1.0 {
        return None;
    }
    let (before, after) = (mean(left), mean(right));
    let squares = |values: &[f64], at: f64| values.iter().map(|value| (value - at).powi(2)).sum::<f64>();
    let variance = (squares(left, before) + squares(right, after)) / df;
    let error = (variance * (1.0 / count(left) + 1.0 / count(right))).sqrt();
    let t = if (after - before).abs() < 1e-12 { 0.0 } else { (after - before) / error };
    Some(Change { at, before, after, p: student_two_sided(t, df) })
}

#[cfg(test)]
mod tests {
    use super::super::Random;
    use super::*;

    fn noisy(levels: &[(usize, f64)], seed: u64) -> Vec<f64> {
        let mut random = Random::new(seed);
        levels
            .iter()
            .flat_map(|(count, level)| {
                (0..*count).map(|_| level + 0.02 * random.normal()).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn each_change_is_found_where_it_is() {
        for seed in 1..=5 {
            let series = noisy(&[(30, 0.0), (40, 0.1), (60, -0.05)], seed);
            let found: Vec<usize> = changes(&series, 0.001, 0.05).iter().map(|change| change.at).collect();
            assert!(found.len() == 2, "seed {seed}: {found:?}");
            assert!(found[0].abs_diff(30) <= 2 && found[1].abs_diff(70) <= 2, "seed {seed}: {found:?}");
        }
    }

    #[test]
    fn noise_and_small_changes_are_none() {
        let found: usize = (1..=20).map(|seed| changes(&noisy(&[(60, 0.0)], seed), 0.001, 0.05).len()).sum();
        assert_eq!(found, 0);
        assert_eq!(changes(&noisy(&[(30, 0.0), (30, 0.04)], 3), 0.001, 0.05), []);
        assert_eq!(changes(&noisy(&[(30, 0.0), (30, 0.04)], 3), 0.001, 0.02).len(), 1);
    }

    #[test]
    fn short_and_level_series_have_no_change() {
        for series in [&[][..], &[1.0], &[1.0, 2.0], &[1.0; 40]] {
            assert_eq!(changes(series, 0.001, 0.0), [], "{series:?}");
        }
        let step = [[1.0; 5], [2.0; 5]].concat();
        let found = changes(&step, 0.001, 0.05);
        assert_eq!(found, [Change { at: 5, before: 1.0, after: 2.0, p: 0.0 }]);
    }

    #[derive(serde::Deserialize)]
    struct Golden {
        values: Vec<f64>,
        changes: Vec<Point>,
    }

    #[derive(serde::Deserialize)]
    struct Point {
        at: usize,
        ratio: f64,
    }

    /// `tests/python/otava_golden.py` makes the file. Otava takes the figures, and this the logarithms of them.
    #[test]
    fn change_points_are_those_of_apache_otava() {
        let all: std::collections::BTreeMap<String, Golden> =
            serde_json::from_str(include_str!("../../tests/data/otava.json")).unwrap();
        assert!(all.len() >= 8);
        for (name, golden) in all {
            let logs: Vec<f64> = golden.values.iter().map(|value| value.ln()).collect();
            let found = changes(&logs, 0.001, 0.05_f64.ln_1p());
            let places: Vec<usize> = found.iter().map(|change| change.at).collect();
            assert_eq!(places, golden.changes.iter().map(|point| point.at).collect::<Vec<_>>(), "{name}");
            for (change, point) in found.iter().zip(&golden.changes) {
                let ratio = (change.after - change.before).exp();
                assert!((ratio / point.ratio - 1.0).abs() < 0.01, "{name}: {ratio} and {}", point.ratio);
            }
        }
    }
}
