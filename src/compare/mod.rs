//! Is one side better than the other, by how much, and how surely? From pairs of runs alone.
//!
//! The run is the unit of replication: each pair gives one ratio B / A for each metric, and all inference is about the
//! median of these ratios. A comparison ends when its pairs have run; nobody looks at the figures before, since stopping
//! when they please would make a false alarm as likely as one likes.

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
/// Its number.
pub const SCHEMA_VERSION: u32 = 1;

/// Number of the rules by which findings are found. Another number comes with every change that can find otherwise, so that a
/// stored account is held to the rules by which it was made.
pub const RULES: u32 = 1;

/// Fewer pairs cannot reach p < 0.05 by signs alone: 2 / 2⁵ is 0.0625.
pub const FEWEST_PAIRS: u32 = 6;

/// What is known of a side before it runs, and one of its records for its facts.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// What people call it.
    pub label: String,
    /// What was asked for it, over the profile.
    pub overrides: Vec<String>,
    /// A record of it for its facts (broker, settings, plan), of a run that was measured if there is one; none of its figures
    /// is taken from it.
    pub sample: Option<Record>,
}

/// Compares two sides by their pairs, in the order in which they ran.
#[must_use]
pub fn compare(
    about: About,
    design: Design,
    prices: Option<&Prices>,
    setups: [&Setup; 2],
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
