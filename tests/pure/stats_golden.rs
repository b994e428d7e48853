//! The statistics against those of `SciPy`: vectors made by `tests/python/stats_golden.py`.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;

use serde::Deserialize;
use tickgate::stats::{
    binomial_at_least, binomial_at_most, hodges_lehmann, interval, paired_t, signed_rank, trend,
};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    trends: Vec<Series>,
    tails: Vec<Tail>,
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
