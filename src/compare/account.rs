//! The account of a comparison: what `compare.json` holds, and what every report of it is made from.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cost::Cost;
use super::groups::GroupResult;
use super::load::Load;
use super::metrics::{Family, Unit};
use super::plans::Difference;
use crate::plan::Span;
use crate::record;
use crate::verdict::claims::Claim;

/// Two sides, their pairs of runs, and what follows from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// `tickgate.compare/1`.
    pub schema: String,
    /// Number of the rules by which it was judged; 0 of an account that was made before they had numbers.
    #[serde(default)]
    pub rules: u32,
    /// Which comparison, when, and how it ended.
    pub about: About,
    /// How it was to be done, fixed before the first run.
    pub design: Design,
    /// The two sides.
    pub sides: Sides,
    /// Settings and conditions of both sides, those that differ first.
    pub fairness: Vec<Row>,
    /// Differences of the workload; legal only where the design allows them.
    pub workload: Vec<Difference>,
    /// Every pair, in the order in which they ran.
    pub pairs: Vec<Pair>,
    /// Every metric.
    pub metrics: Vec<MetricResult>,
    /// The groups of both sides by themselves, where there are several; described, not judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupResult>,
    /// What both cost in a month, where prices were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What ADR-002 claims of NATS against Kafka, where the sides are these.
    pub claims: Vec<Claim>,
    /// What came out.
    pub verdict: Verdict,
}

/// Which comparison it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct About {
    /// Unique id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// The profile, by name.
    pub profile: String,
    /// Overrides of both sides, each as `--set` takes it.
    pub sets: Vec<String>,
    /// What its author wants readers to know.
    pub notes: Vec<String>,
    /// Version of tickgate.
    pub tickgate: String,
    /// Start, RFC 3339, UTC.
    pub started: String,
    /// End, RFC 3339, UTC.
    pub ended: String,
    /// Why it did not run to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<String>,
}

/// How the runs came about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Pairs that ran one after the other, in a seeded ABBA order.
    #[default]
    Interleaved,
    /// Runs made before; when, and in which order, was not up to tickgate.
    Folders,
}

/// Which side of a pair ran first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// A, then B.
    Ab,
    /// B, then A.
    Ba,
}

/// What was fixed before the first run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Design {
    /// How the runs came about.
    pub kind: Kind,
    /// Why runs made before are no paired evidence; absent where they are, or were made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_in_turns: Option<String>,
    /// Pairs asked for.
    pub pairs: u32,
    /// The order of sides follows from it.
    pub seed: u64,
    /// Pause before each run.
    pub cool_down: Span,
    /// Chance of a false alarm in the deciding metrics, and in each other family.
    pub alpha: f64,
    /// A difference counts from this share on: 0.05 is a ratio of 1.05, or of 1 / 1.05.
    pub min_effect: f64,
    /// Sides are equivalent if their ratio lies surely within this share.
    pub equivalent: f64,
    /// Was equivalence asked for, so that anything less is inconclusive?
    pub equivalence_asked: bool,
    /// Rank sides whose acknowledgements mean different things.
    pub allow_unequal: bool,
    /// Compare sides that do not carry the same load.
    pub allow_different_workload: bool,
    /// The metrics that decide.
    pub decide: Vec<String>,
}

impl Default for Design {
    fn default() -> Self {
        Self {
            kind: Kind::Interleaved,
            not_in_turns: None,
            pairs: 8,
            seed: 1,
            cool_down: Span::seconds(2),
            alpha: 0.05,
            min_effect: 0.05,
            equivalent: 0.10,
            equivalence_asked: false,
            allow_unequal: false,
            allow_different_workload: false,
            decide: vec!["latency.p99".into()],
        }
    }
}

/// Both sides.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sides {
    /// What is there.
    pub a: Side,
    /// What is held against it.
    pub b: Side,
}

/// One side, over all its runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// What people call it.
    pub label: String,
    /// What was asked for it, over the profile.
    pub overrides: Vec<String>,
    /// Product and version of its broker; empty where no run got there.
    pub product: String,
    /// `local`, `url`, …
    pub mode: String,
    /// What an acknowledgement means; empty where no run got there.
    pub durability: String,
    /// Runs that ended as they should.
    pub measured: u32,
    /// Runs in which the harness or the machine was unfit to measure.
    pub unfit: u32,
    /// Runs that broke off or never came to their load.
    pub failed: u32,
    /// Of these: because the broker failed, or because the load could not begin.
    #[serde(default)]
    pub broke: u32,
    /// Runs that missed an objective of the profile; they are measurements like the others.
    pub missed: u32,
    /// The load over the pairs that count; absent where no run of them tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// Its ledger over all runs; losses of completed runs only.
    pub ledger: Ledger,
    /// Runs whose latency still moved.
    pub unsteady: u32,
}

/// What went wrong with events, summed over groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ledger {
    /// Confirmed, and never delivered to a group, in a run that completed.
    pub lost: u64,
    /// Confirmed and not delivered when the run broke off, or while a worker of tickgate was dead: no evidence of loss.
    #[serde(default)]
    pub open: u64,
    /// Content does not match its checksum.
    pub corrupt: u64,
    /// Stored twice.
    pub duplicate: u64,
    /// Out of their symbol's order.
    pub reordered: u64,
    /// Deliveries that a loss could have been claimed of: confirmed events, for each group, in completed runs.
    #[serde(default)]
    pub expected: u64,
    /// Deliveries that were made.
    #[serde(default)]
    pub delivered: u64,
}

/// One line of the fairness table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// Of A.
    pub a: String,
    /// Of B.
    pub b: String,
    /// Do they differ in what was asked for?
    pub differs: bool,
}

/// Two runs, one of each side, next to each other in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pair {
    /// From 1.
    pub number: u32,
    /// Which ran first.
    pub order: Order,
    /// The run of A.
    pub a: Trial,
    /// The run of B.
    pub b: Trial,
    /// Why the pair counts in no ratio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<String>,
}

/// How a run of a comparison ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// To its end, on a machine that was fit to measure.
    Measured,
    /// To its end, but the harness was late or the machine paused.
    Unfit,
    /// It broke off, or never came to its load.
    Failed,
    /// It was not started.
    #[default]
    NotRun,
}

/// One run, as far as a comparison looks at it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// Its folder, below that of the comparison or as it was given.
    pub folder: String,
    /// The run's id; empty where there is no record.
    pub run: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How its record says that it ended; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<record::End>,
    /// Why, where it is no measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the profile's objectives said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<record::Verdict>,
    /// What was due while it was measured, and what the bus carried of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// What went wrong with events.
    pub ledger: Ledger,
    /// Each metric by its name, in its unit; those that it has.
    pub figures: BTreeMap<String, f64>,
    /// Figures that it has not, and why.
    pub missing: BTreeMap<String, String>,
    /// The figures of its groups, by group and name.
    #[serde(default)]
    pub groups: BTreeMap<String, BTreeMap<String, f64>>,
    /// End-to-end latency of the slowest group: (−log₁₀(1 − quantile), nanoseconds).
    pub curve: Vec<(f64, u64)>,
    /// Was it in its steady state?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady: Option<Steady>,
    /// Send lag of tickgate, p99.
    pub send_lag_p99_ns: u64,
    /// Pauses of the machine, p99.9.
    pub hiccup_p99_9_ns: u64,
}

/// Does the latency of the measured seconds still move?
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Steady {
    /// Mann–Kendall's tau of the medians of the seconds: −1 always falling, 1 always rising.
    pub tau: f64,
    /// Its p.
    pub p: f64,
    /// Median of the second half over that of the first.
    pub halves: f64,
    /// No trend that is both sure and large.
    pub steady: bool,
}

/// What is found of a metric, or of the whole; from B's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// B is lower, surely and by at least the minimum effect.
    Better,
    /// B is the same within the margin of equivalence, surely.
    Equivalent,
    /// The data show no difference; that is no proof that there is none.
    NoDifferenceShown,
    /// It cannot be told.
    Inconclusive,
    /// B is higher, surely and by at least the minimum effect.
    Worse,
}

impl Finding {
    /// As people read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Equivalent => "equivalent",
            Self::NoDifferenceShown => "no difference shown",
            Self::Inconclusive => "inconclusive",
            Self::Worse => "worse",
        }
    }
}

/// From, to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// One metric, compared. Ratios are B / A; each metric is better when it is lower.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricResult {
    /// `latency.p99`.
    pub name: String,
    /// The same for people.
    pub title: String,
    /// Unit of its figures.
    pub unit: Unit,
    /// With which others it is corrected.
    pub family: Family,
    /// How many metrics of the family have data.
    pub family_size: u32,
    /// Pairs that have it on both sides.
    pub pairs: u32,
    /// Median of A's runs in these pairs; where no pair has it on both sides, of A's runs in all pairs that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a: Option<f64>,
    /// Median of B's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b: Option<f64>,
    /// Of each pair: number, ratio.
    pub ratios: Vec<(u32, f64)>,
    /// The median ratio, by Hodges and Lehmann.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Its confidence interval at 1 − α, not corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// Its interval at 1 − 2α, by which equivalence is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equivalence_interval: Option<Interval>,
    /// Wilcoxon's signed rank, two-sided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// The same after Holm's correction in its family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_adjusted: Option<f64>,
    /// Student's paired t, for reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_student: Option<f64>,
    /// What is found.
    pub finding: Finding,
    /// Why it is that.
    pub why: String,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Of B against A.
    pub finding: Finding,
    /// In a sentence or two, what weighs most first.
    pub sentence: String,
    /// What else was found.
    pub remarks: Vec<String>,
    /// What stands in the way of a finding, or shakes it, and what to do next.
    pub reasons: Vec<Reason>,
}

/// Something that stands in the way, and the next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// What was seen.
    pub what: String,
    /// What to do.
    pub next: String,
}
