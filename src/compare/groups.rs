//! Figures per group, for groups that both sides have; shown without statistical tests.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metrics::{Figure, Unit, quantile};
use super::{Design, Interval, Pair};
use crate::num;
use crate::record::{Group, Latency, Record};
use crate::stats;

/// Name, title, unit, and how to read it.
type GroupFigure = (&'static str, &'static str, Unit, fn(&Group) -> Figure);

/// The figures of a group.
const FIGURES: [GroupFigure; 4] = [
    ("latency.p50", "end-to-end p50", Unit::Time, |g| time(g, 0.5, |l| l.p50_ns)),
    ("latency.p99", "end-to-end p99", Unit::Time, |g| time(g, 0.99, |l| l.p99_ns)),
    ("latency.p99.9", "end-to-end p99.9", Unit::Time, |g| time(g, 0.999, |l| l.p99_9_ns)),
    ("delivered", "delivered", Unit::Events, |g| Ok(num::f64_of(g.delivered))),
];

/// A quantile over the events due to the group.
fn time(group: &Group, q: f64, of: fn(&Latency) -> u64) -> Figure {
    quantile(&group.latency, group.measured_intended, q, of)
}

/// One figure of a group on both sides. It decides nothing and is not corrected for multiple tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupResult {
    /// The group's name.
    pub group: String,
    /// `latency.p50`, `latency.p99`, `latency.p99.9` or `delivered`.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// Unit of its figures.
    pub unit: Unit,
    /// Pairs with the figure on both sides.
    pub pairs: u32,
    /// Median of A's runs in these pairs.
    pub a: f64,
    /// Median of B's runs.
    pub b: f64,
    /// Median over the pairs of the ratio B / A (for events, of each count plus one).
    pub ratio: f64,
    /// Its confidence interval, if there are enough pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
}

/// The figures of a run, by group and name.
pub(super) fn figures(record: &Record) -> BTreeMap<String, BTreeMap<String, f64>> {
    let of = |group: &Group| {
        FIGURES.iter().filter_map(|(name, _, _, of)| Some(((*name).to_owned(), of(group).ok()?))).collect()
    };
    record.groups.iter().map(|group| (group.name.clone(), of(group))).collect()
}

/// Results for the groups that both sides have, if there are several: for a single group the metrics suffice.
pub(super) fn results(design: &Design, pairs: &[Pair]) -> Vec<GroupResult> {
    let used: Vec<&Pair> = pairs.iter().filter(|pair| pair.excluded.is_none()).collect();
    let Some(first) = used.first() else { return vec![] };
    let names: Vec<&String> =
        first.a.groups.keys().filter(|name| first.b.groups.contains_key(*name)).collect();
    if names.len() < 2 {
        return vec![];
    }
    let all = names.into_iter().flat_map(|group| {
        let used = &used;
        FIGURES.iter().filter_map(move |(name, title, unit, _)| {
            let both: Vec<(f64, f64)> = used
                .iter()
                .filter_map(|pair| {
                    let of = |groups: &BTreeMap<String, BTreeMap<String, f64>>| {
                        groups.get(group)?.get(*name).copied()
                    };
                    Some((of(&pair.a.groups)?, of(&pair.b.groups)?))
                })
                .collect();
            let one = if *unit == Unit::Events { 1.0 } else { 0.0 };
            let logs: Vec<f64> = both.iter().map(|(a, b)| ((b + one) / (a + one)).ln()).collect();
            let (a, b): (Vec<f64>, Vec<f64>) = both.into_iter().unzip();
            Some(GroupResult {
                group: group.clone(),
                name: (*name).to_owned(),
                title: (*title).to_owned(),
                unit: *unit,
                pairs: num::count32(logs.len()),
                a: stats::median(&a)?,
                b: stats::median(&b)?,
                ratio: stats::hodges_lehmann(&logs)?.exp(),
                interval: stats::interval(&logs, 1.0 - design.alpha)
                    .map(|(low, high)| Interval { low: low.exp(), high: high.exp() }),
            })
        })
    });
    all.collect()
}
