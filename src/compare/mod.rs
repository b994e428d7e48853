//! Comparison of two sides from pairs of runs: which is better, by how much, and with what confidence.
//!
//! The run is the unit of replication: each pair gives one ratio B / A per metric, and all inference is about the median of
//! these ratios. A comparison ends when its pairs have run; the figures are not looked at before, since stopping as soon as
//! they show a difference would raise the probability of a false alarm without bound.

mod account;
mod again;
mod claims;
mod cost;
mod fairness;
mod groups;
mod judge;
mod load;
mod metrics;
mod order;
mod plans;
mod standing;
mod trial;
mod turns;
mod words;

pub use account::{
    About, Comparison, Design, Finding, Interval, Kind, Ledger, MetricResult, Order, Outcome, Pair, Reason,
    Row, Side, Sides, Steady, Trial, Verdict,
};
pub use again::contradiction;
pub use cost::{Bill, Cost, Prices};
pub(crate) use fairness::in_words;
pub use groups::GroupResult;
pub use load::Load;
pub use metrics::{Family, METRICS, Metric, Unit, named};
pub use order::order;
pub use plans::{Difference, durability_differences, workload_differences};
pub use trial::is_measured;
pub use turns::{Made, not_in_turns};
pub use words::ratio;

use judge::Grounds;
use standing::Standing;

use crate::record::Record;

/// The schema that this version writes.
pub const SCHEMA: &str = "tickgate.compare/1";
/// Its family.
pub const SCHEMA_FAMILY: &str = "tickgate.compare";
/// Its version.
pub const SCHEMA_VERSION: u32 = 1;

/// Version of the rules. It changes with every change that can lead to another finding, so that a stored comparison is
/// checked only against the rules by which it was judged.
pub const RULES: u32 = 1;

/// The fewest pairs that can reach p < 0.05 by signs alone: with five, 2 / 2⁵ is 0.0625.
pub const FEWEST_PAIRS: u32 = 6;

/// A side as requested, with one of its records as the source of facts.
#[derive(Debug, Clone, Default)]
pub struct SideInput {
    /// Name for people.
    pub label: String,
    /// Its overrides of the profile.
    pub overrides: Vec<String>,
    /// A record for facts (broker, settings, plan), never for figures; from a measured run if there is one.
    pub sample: Option<Record>,
}

/// Compares two sides by their pairs, given in run order.
#[must_use]
pub fn compare(
    about: About,
    design: Design,
    prices: Option<&Prices>,
    setups: [&SideInput; 2],
    mut pairs: Vec<Pair>,
) -> Comparison {
    for pair in &mut pairs {
        pair.excluded = trial::exclusion(pair);
    }
    let [a, b] = setups;
    let sides = Sides { a: fairness::side(a, &pairs, |p| &p.a), b: fairness::side(b, &pairs, |p| &p.b) };
    let standing = Standing::of(&design, &sides, &pairs);
    let metrics = judge::metrics(&design, &standing, &pairs);
    let verdict = judge::verdict(&Grounds {
        design: &design,
        sides: &sides,
        standing: &standing,
        pairs: &pairs,
        metrics: &metrics,
        interrupted: about.interrupted.as_deref(),
    });
    let samples = a.sample.as_ref().zip(b.sample.as_ref());
    let cost = prices.zip(samples).and_then(|(prices, samples)| cost::cost(prices, samples, &pairs));
    let claims = samples.map_or_else(Vec::new, |samples| {
        claims::claims(samples, standing.unequal_load, &metrics, cost.as_ref())
    });
    Comparison {
        schema: SCHEMA.into(),
        rules: RULES,
        workload: samples.map(|(a, b)| workload_differences(&a.plan, &b.plan)).unwrap_or_default(),
        fairness: fairness::rows(samples, &pairs),
        groups: groups::results(&design, &pairs),
        about,
        design,
        sides,
        pairs,
        metrics,
        cost,
        claims,
        verdict,
    }
}
