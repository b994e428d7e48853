//! Comparison of sides with a reference from pairs of runs: which is better, by how much, and with what confidence.
//!
//! A [`Contrast`] is one side against the reference; two sides are one contrast. Each contrast is inferred from its own pairs,
//! and Holm's correction covers the metrics of all contrasts.
//!
//! The run is the unit of replication: each pair gives one ratio B / A per metric, and all inference is about the median of
//! these ratios. A comparison ends when its pairs have run; the figures are not looked at before, since stopping as soon as
//! they show a difference would raise the probability of a false alarm without bound. With `early` they are, at three numbers of
//! pairs that are fixed beforehand, and each look has a level of its own that is smaller for it.

mod account;
mod again;
mod claims;
mod contrast;
mod cost;
mod durability;
mod early;
mod fairness;
mod faults;
mod groups;
mod judge;
mod load;
mod looks;
mod metrics;
mod order;
mod plans;
mod standing;
mod steady;
mod trial;
mod turns;
mod words;

pub use account::{
    About, Comparison, ContrastResult, Design, Finding, Interval, Kind, Ledger, MetricResult, Order, Outcome,
    Pair, Reason, Row, Side, Sides, Steady, Trial, Verdict,
};
pub use again::contradiction;
pub use contrast::{Contrast, Letter, MOST_SIDES, Round, Setups};
pub(crate) use cost::priced;
pub use cost::{Bill, Cost, Prices};
pub use durability::second_is_more_durable;
pub(crate) use durability::{Kept, acknowledged};
pub use early::{EARLY_PAIRS, settled, simulated_false_alarms};
pub(crate) use fairness::in_words;
pub use faults::Struck;
pub use groups::GroupResult;
pub use judge::pairs_needed;
pub use load::{Load, carried_ratio};
pub use looks::{LookTaken, MetricLooks};
pub use metrics::{Family, METRICS, Metric, Unit, named};
pub use order::{order, orders};
pub use plans::{Difference, durability_differences, workload_differences};
pub use steady::Drift;
pub use trial::is_measured;
pub use turns::{Made, not_in_turns};
pub use words::ratio;

use judge::{Evidence, Grounds};
use standing::Standing;

use crate::record::Record;

/// The schema of two sides. It stays what every version reads; more sides, or another reference than A, are of
/// [`SCHEMA_VERSION`], which a version that knows two sides only does not read.
pub const SCHEMA: &str = "tickgate.compare/1";
/// Its family.
pub const SCHEMA_FAMILY: &str = "tickgate.compare";
/// The newest version.
pub const SCHEMA_VERSION: u32 = 2;

/// Version of the rules. It changes with every change that can lead to another finding, so that a stored comparison is
/// checked only against the rules by which it was judged.
pub const RULES: u32 = 1;
/// The same for comparisons with looks, or of one direction: versions that do not know these designs have no rules for them.
const RULES_EARLY: u32 = 2;

/// The version of the rules for a design.
pub(crate) fn rules(design: &Design) -> u32 {
    if design.early || design.worse_only { RULES_EARLY } else { RULES }
}

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

/// Compares two sides by their pairs, given in run order: B with A.
#[must_use]
pub fn compare(
    about: About,
    design: Design,
    prices: Option<&Prices>,
    setups: [&SideInput; 2],
    pairs: Vec<Pair>,
) -> Comparison {
    let rounds: Vec<Round> = pairs.into_iter().map(Round::of_pair).collect();
    compare_all(about, design, prices, &Setups::two(setups), &rounds)
}

/// Compares each side with the reference by their rounds, given in run order.
#[must_use]
pub fn compare_all(
    about: About,
    design: Design,
    prices: Option<&Prices>,
    setups: &Setups<'_>,
    rounds: &[Round],
) -> Comparison {
    let (first, others) = setups.contrasts();
    let count = others.len() + 1;
    let of = |contrast: Contrast| Seen::of(&design, count, contrast, setups, rounds);
    let (first, others) = (of(first), others.into_iter().map(of).collect::<Vec<_>>());
    let evidence: Vec<_> = std::iter::once(&first).chain(&others).map(Seen::evidence).collect();
    let mut metrics = judge::metrics(&design, &evidence).into_iter();
    let mut judged = |seen: &Seen<'_>| {
        let metrics = metrics.next().unwrap_or_default();
        seen.judged(&design, prices, about.interrupted.as_deref(), metrics)
    };
    let first = judged(&first);
    let others: Vec<ContrastResult> = others.iter().map(judged).collect();
    let several = !others.is_empty();
    let findings: Vec<Finding> =
        std::iter::once(&first).chain(&others).map(|result| result.verdict.finding).collect();
    let version = if several || !first.sides.contrast.is_default() { SCHEMA_VERSION } else { 1 };
    Comparison {
        schema: format!("{SCHEMA_FAMILY}/{version}"),
        rules: rules(&design),
        about,
        design,
        sides: first.sides,
        fairness: first.fairness,
        workload: first.workload,
        pairs: first.pairs,
        metrics: first.metrics,
        groups: first.groups,
        cost: first.cost,
        claims: first.claims,
        verdict: first.verdict,
        others,
        overall: several.then(|| judge::worst(&findings)),
    }
}

/// A contrast before its metrics are judged.
struct Seen<'a> {
    inputs: [&'a SideInput; 2],
    pairs: Vec<Pair>,
    sides: Sides,
    standing: Standing,
}

impl<'a> Seen<'a> {
    fn of(
        design: &Design,
        contrasts: usize,
        contrast: Contrast,
        setups: &Setups<'a>,
        rounds: &[Round],
    ) -> Self {
        let mut pairs: Vec<Pair> = rounds.iter().map(|round| round.pair(contrast)).collect();
        for pair in &mut pairs {
            pair.excluded = trial::exclusion(pair, contrast);
        }
        let inputs = setups.of(contrast);
        let sides = Sides {
            contrast,
            a: fairness::side(inputs[0], &pairs, |p| &p.a),
            b: fairness::side(inputs[1], &pairs, |p| &p.b),
        };
        let standing = Standing::of(design, contrasts, &sides, &pairs);
        Self { inputs, pairs, sides, standing }
    }

    fn evidence(&self) -> Evidence<'_> {
        Evidence { standing: &self.standing, pairs: &self.pairs }
    }

    fn judged(
        &self,
        design: &Design,
        prices: Option<&Prices>,
        interrupted: Option<&str>,
        metrics: Vec<MetricResult>,
    ) -> ContrastResult {
        let Self { inputs: [a, b], pairs, sides, standing } = self;
        let verdict =
            judge::verdict(&Grounds { design, sides, standing, pairs, metrics: &metrics, interrupted });
        let samples = a.sample.as_ref().zip(b.sample.as_ref());
        let cost = prices.zip(samples).and_then(|(prices, samples)| cost::cost(prices, samples, pairs));
        let claims = samples.map_or_else(Vec::new, |samples| {
            claims::claims(samples, standing.unequal_load, &metrics, cost.as_ref())
        });
        ContrastResult {
            sides: sides.clone(),
            fairness: fairness::rows(samples, pairs),
            workload: samples.map(|(a, b)| workload_differences(&a.plan, &b.plan)).unwrap_or_default(),
            pairs: pairs.clone(),
            metrics,
            groups: groups::results(design, pairs),
            cost,
            claims,
            verdict,
        }
    }
}
