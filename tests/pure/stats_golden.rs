//! The statistics against those of `SciPy`: vectors made by `tests/python/stats_golden.py`.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;

use serde::Deserialize;
use tickgate::stats::{
    binomial_at_least, binomial_at_most, changes, components, hodges_lehmann, interval, normal_above,
    normal_quantile, paired_t, signed_rank, signed_rank_above, student_above, student_quantile, trend,
};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    trends: Vec<Series>,
    tails: Vec<Tail>,
    quantiles: Vec<Quantile>,
    layouts: Vec<Layout>,
    changes: Vec<OneChange>,
}

/// What Student's t and a normal exceed with this probability.
#[derive(Deserialize)]
struct Quantile {
    tail: f64,
    df: f64,
    t: f64,
    z: f64,
}

/// Groups and their components of variance.
#[derive(Deserialize)]
struct Layout {
    groups: Vec<Vec<f64>>,
    f: f64,
    within: f64,
    between: f64,
}

/// A series with one change.
#[derive(Deserialize)]
struct OneChange {
    series: Vec<f64>,
    at: usize,
    p: f64,
}

/// The chances of at most and of at least `k` of `n`.
#[derive(Deserialize)]
struct Tail {
    k: u64,
    n: u64,
    p: f64,
    at_most: f64,
    at_least: f64,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    d: Vec<f64>,
    p: f64,
    above: f64,
    estimate: f64,
    t: Student,
    /// `interval_95` and `interval_90`, where there is something to compare with; null where none is given.
    #[serde(flatten)]
    intervals: BTreeMap<String, Option<(f64, f64)>>,
}

#[derive(Deserialize)]
struct Student {
    t: f64,
    p: f64,
}

#[derive(Deserialize)]
struct Series {
    values: Vec<f64>,
    p: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../data/stats.json")).unwrap()
}

#[track_caller]
fn close(name: &str, ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() <= 1e-9 * theirs.abs().max(1.0), "{name}: {ours}, and SciPy says {theirs}");
}

#[test]
fn tests_and_intervals_are_those_of_scipy() {
    let golden = golden();
    assert!(golden.cases.len() > 25);
    let mut intervals = 0;
    for case in &golden.cases {
        let ours = signed_rank(&case.d);
        close(&case.name, ours.p, case.p);
        close(&case.name, signed_rank_above(&case.d), case.above);
        assert_eq!(ours.exact, ours.n <= 25, "{}", case.name);
        let t = paired_t(&case.d).unwrap();
        close(&case.name, t.t, case.t.t);
        close(&case.name, t.p, case.t.p);
        close(&case.name, hodges_lehmann(&case.d).unwrap(), case.estimate);
        for (name, theirs) in &case.intervals {
            let ours = interval(&case.d, if name == "interval_95" { 0.95 } else { 0.90 });
            assert_eq!(ours.is_some(), theirs.is_some(), "{}", case.name);
            if let Some((ours, theirs)) = ours.zip(*theirs) {
                intervals += 1;
                close(&case.name, ours.0, theirs.0);
                close(&case.name, ours.1, theirs.1);
            }
        }
    }
    assert!(intervals > 30, "{intervals}");
}

#[test]
fn trends_are_those_of_scipy() {
    for series in golden().trends {
        close("trend", trend(&series.values).unwrap().p, series.p);
    }
}

#[test]
fn tails_of_the_binomial_distribution_are_those_of_scipy() {
    let golden = golden();
    assert!(golden.tails.len() > 100);
    for Tail { k, n, p, at_most, at_least } in golden.tails {
        close(&format!("at most {k} of {n} at {p}"), binomial_at_most(k, n, p), at_most);
        close(&format!("at least {k} of {n} at {p}"), binomial_at_least(k, n, p), at_least);
    }
}

#[test]
fn quantiles_and_their_tails_are_those_of_scipy() {
    let golden = golden();
    assert!(golden.quantiles.len() > 25);
    for Quantile { tail, df, t, z } in golden.quantiles {
        close(&format!("t at {tail} with {df}"), student_quantile(tail, df), t);
        close(&format!("z at {tail}"), normal_quantile(tail), z);
        close(&format!("above {t} with {df}"), student_above(t, df), tail);
        close(&format!("below {t} with {df}"), student_above(-t, df), 1.0 - tail);
        close(&format!("above {z}"), normal_above(z), tail);
    }
}

#[test]
fn components_of_variance_are_those_of_scipys_mean_squares() {
    let golden = golden();
    assert!(golden.layouts.iter().any(|layout| layout.between > 0.0));
    for layout in golden.layouts {
        let ours = components(&layout.groups).unwrap();
        close("F", ours.f, layout.f);
        close("within", ours.within, layout.within);
        close("between", ours.between, layout.between);
    }
}

#[test]
fn a_change_is_where_the_energy_distance_is_largest_and_its_p_is_scipys() {
    for change in golden().changes {
        let ours = changes(&change.series, 0.001, 0.5);
        assert_eq!(ours.iter().map(|change| change.at).collect::<Vec<_>>(), [change.at]);
        close("p", ours[0].p, change.p);
    }
}
