//! The result of a comparison, stored as `compare.json`; every report of it is rendered from this.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::contrast::Contrast;
use super::cost::Cost;
use super::faults::Struck;
use super::groups::GroupResult;
use super::load::Load;
use super::looks::MetricLooks;
use super::metrics::{Family, Unit};
use super::plans::Difference;
use crate::plan::Span;
use crate::record;
use crate::verdict::claims::Claim;

/// Two sides, their pairs of runs, and what follows from them. With more sides: the first contrast, and the others in
/// `others`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// `tickgate.compare/1` for B against A; `tickgate.compare/2` with more sides, or another reference.
    pub schema: String,
    /// Version of the rules by which it was judged; 0 for results older than these versions.
    #[serde(default)]
    pub rules: u32,
    /// Which comparison, when, and how it ended.
    pub about: About,
    /// The design, fixed before the first run.
    pub design: Design,
    /// The reference and the first side that is compared with it.
    pub sides: Sides,
    /// Settings and conditions of both sides, those that differ first.
    pub fairness: Vec<Row>,
    /// Differences of the workload; legal only if the design allows them.
    pub workload: Vec<Difference>,
    /// Every pair, in run order.
    pub pairs: Vec<Pair>,
    /// Every metric.
    pub metrics: Vec<MetricResult>,
    /// Figures per group, if there are several groups; shown, not judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupResult>,
    /// Monthly cost of both sides, if prices were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// ADR-002's claims on NATS and Kafka, if these are the sides.
    pub claims: Vec<Claim>,
    /// The verdict on the first side.
    pub verdict: Verdict,
    /// The other sides, each compared with the same reference; none if there are two sides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<ContrastResult>,
    /// The finding on all sides, which decides the exit code; absent if there are two sides: then it is that of `verdict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overall: Option<Finding>,
}

impl Comparison {
    /// Each side that is compared with the reference, as a comparison of two sides.
    #[must_use]
    pub fn contrasts(&self) -> Vec<Self> {
        let of = |part: ContrastResult| Self {
            schema: self.schema.clone(),
            rules: self.rules,
            about: self.about.clone(),
            design: self.design.clone(),
            sides: part.sides,
            fairness: part.fairness,
            workload: part.workload,
            pairs: part.pairs,
            metrics: part.metrics,
            groups: part.groups,
            cost: part.cost,
            claims: part.claims,
            verdict: part.verdict,
            others: vec![],
            overall: None,
        };
        let first = Self { others: vec![], overall: None, ..self.clone() };
        std::iter::once(first).chain(self.others.iter().cloned().map(of)).collect()
    }

    /// The finding that decides the exit code: that on the one side, or that on all sides.
    #[must_use]
    pub fn finding(&self) -> Finding {
        self.overall.unwrap_or(self.verdict.finding)
    }
}

/// One more side, compared with the reference: the parts of a comparison that are about two sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContrastResult {
    /// The reference as `a`, and the side as `b`.
    pub sides: Sides,
    /// Settings and conditions of both sides, those that differ first.
    pub fairness: Vec<Row>,
    /// Differences of the workload; legal only if the design allows them.
    pub workload: Vec<Difference>,
    /// Every pair, in run order; the runs of the reference are those of every contrast.
    pub pairs: Vec<Pair>,
    /// Every metric; a family for Holm's correction has the metrics of all contrasts.
    pub metrics: Vec<MetricResult>,
    /// Figures per group, if there are several groups; shown, not judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupResult>,
    /// Monthly cost of both sides, if prices were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// ADR-002's claims on NATS and Kafka, if these are the sides.
    pub claims: Vec<Claim>,
    /// The verdict on the side.
    pub verdict: Verdict,
}

/// Identity and circumstances of a comparison.
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
    /// Overrides for both sides, in the syntax of `--set`.
    pub sets: Vec<String>,
    /// The author's notes for readers.
    pub notes: Vec<String>,
    /// Version of tickgate.
    pub tickgate: String,
    /// Start, RFC 3339, UTC.
    pub started: String,
    /// End, RFC 3339, UTC.
    pub ended: String,
    /// Why it was not completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<String>,
}

/// Where the runs come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Runs that tickgate made one after the other, in a seeded ABBA order.
    #[default]
    Interleaved,
    /// Existing runs, whose times and order tickgate did not choose.
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

/// Parameters fixed before the first run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent part of the design")]
pub struct Design {
    /// Where the runs come from.
    pub kind: Kind,
    /// Why existing runs are not paired evidence; absent if they are, or if tickgate made the runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_in_turns: Option<String>,
    /// Requested number of pairs: with more sides, of rounds with one run of each side.
    pub pairs: u32,
    /// Seed of the run order.
    pub seed: u64,
    /// Pause before each run.
    pub cool_down: Span,
    /// Probability of a false alarm, for the deciding metrics and for each other family.
    pub alpha: f64,
    /// Smallest relative difference that counts: 0.05 is a ratio of 1.05, or of 1 / 1.05.
    pub min_effect: f64,
    /// Largest relative difference at which the sides are equivalent.
    pub equivalent: f64,
    /// Is equivalence required, so that anything less is inconclusive?
    pub equivalence_asked: bool,
    /// Rank sides of different durability.
    pub allow_unequal: bool,
    /// Compare sides whose load differs.
    pub allow_different_workload: bool,
    /// The metrics that decide.
    pub decide: Vec<String>,
    /// Are the figures looked at after 8, 12 and 16 pairs, with levels for all looks together, so that the comparison ends as soon as
    /// one of them settles it?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub early: bool,
    /// Is only "worse" asked for, so that it has one direction to test?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub worse_only: bool,
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
            early: false,
            worse_only: false,
        }
    }
}

/// Both sides of a contrast. The names `a` and `b` mean the reference and the side in all figures of the contrast.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sides {
    /// The letters of the two sides; absent for B against A.
    #[serde(default, skip_serializing_if = "Contrast::is_default")]
    pub contrast: Contrast,
    /// The reference.
    pub a: Side,
    /// The side compared with the reference.
    pub b: Side,
}

impl Sides {
    /// The reference and the side, each with its letter.
    #[must_use]
    pub fn lettered(&self) -> [(&'static str, &Side); 2] {
        let [a, b] = self.contrast.letters();
        [(a, &self.a), (b, &self.b)]
    }
}

/// One side, over all its runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// Name for people.
    pub label: String,
    /// Its overrides of the profile.
    pub overrides: Vec<String>,
    /// Product and version of its broker; empty if no run reached one.
    pub product: String,
    /// `local`, `url`, …
    pub mode: String,
    /// The durability of an acknowledged event; empty if no run reached a broker.
    pub durability: String,
    /// Runs that completed and were fit to measure.
    pub measured: u32,
    /// Runs in which the harness or the machine was unfit to measure.
    pub unfit: u32,
    /// Runs that broke off or did not start their load.
    pub failed: u32,
    /// Of these: because the broker failed or the load could not begin.
    #[serde(default)]
    pub broke: u32,
    /// Runs that missed an objective of the profile; they count like the others.
    pub missed: u32,
    /// The load over the pairs that count; absent if none of their runs recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// The ledger summed over all runs; losses only from completed runs.
    pub ledger: Ledger,
    /// Runs whose latency still had a trend.
    pub unsteady: u32,
}

/// Delivery faults, summed over groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ledger {
    /// Confirmed and never delivered to a group, in a completed run.
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
    /// Deliveries that could have been counted as lost: confirmed events, per group, in completed runs.
    #[serde(default)]
    pub expected: u64,
    /// Deliveries made.
    #[serde(default)]
    pub delivered: u64,
}

/// One line of the fairness table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Name of the setting or condition.
    pub name: String,
    /// Value on side A.
    pub a: String,
    /// Value on side B.
    pub b: String,
    /// Do the requested values differ?
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
    /// Why the pair is left out of all ratios.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<String>,
}

/// How a run of a comparison ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Completed, on a machine that was fit to measure.
    Measured,
    /// Completed, but the harness was late or the machine paused.
    Unfit,
    /// Broke off, or did not start its load.
    Failed,
    /// Not started.
    #[default]
    NotRun,
}

/// The part of a run that a comparison uses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// Its folder, relative to the comparison's or as given.
    pub folder: String,
    /// The run's id; empty if there is no record.
    pub run: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How the run ended, from its record; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<record::End>,
    /// Why it is not a measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its verdict by the profile's objectives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<record::Verdict>,
    /// Events due in the measure phase, and how many of them the bus carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// Delivery faults.
    pub ledger: Ledger,
    /// Figures by metric name, in the metric's unit.
    pub figures: BTreeMap<String, f64>,
    /// Missing figures by metric name, with the reason.
    pub missing: BTreeMap<String, String>,
    /// Figures per group, by group and name.
    #[serde(default)]
    pub groups: BTreeMap<String, BTreeMap<String, f64>>,
    /// What the faults did, and why some did not go as planned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Struck>,
    /// End-to-end latency of the slowest group: (−log₁₀(1 − quantile), nanoseconds).
    pub curve: Vec<(f64, u64)>,
    /// Trend test for the steady state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady: Option<Steady>,
    /// Send lag of tickgate, p99.
    pub send_lag_p99_ns: u64,
    /// Hiccups of the machine, p99.9.
    pub hiccup_p99_9_ns: u64,
}

/// Trend test of the latency of the measured seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Steady {
    /// Mann–Kendall's tau of the medians per second: −1 always falling, 1 always rising.
    pub tau: f64,
    /// Its p-value.
    pub p: f64,
    /// Median of the second half divided by that of the first.
    pub halves: f64,
    /// No trend that is both significant and large.
    pub steady: bool,
}

/// The finding on a metric or on the whole comparison, for side B.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// B is lower, significantly and by at least the minimum effect.
    Better,
    /// B is the same within the margin of equivalence, significantly.
    Equivalent,
    /// The data show no difference, which does not prove that there is none.
    NoDifferenceShown,
    /// No finding is possible.
    Inconclusive,
    /// B is higher, significantly and by at least the minimum effect.
    Worse,
}

impl Finding {
    /// The finding in words.
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

/// A confidence interval.
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
    /// Title for people.
    pub title: String,
    /// Unit of its figures.
    pub unit: Unit,
    /// The family in which it is corrected for multiple tests.
    pub family: Family,
    /// Number of tests in the family: its metrics with data, of all contrasts.
    pub family_size: u32,
    /// Pairs with a figure on both sides.
    pub pairs: u32,
    /// Median of A's runs in these pairs; if there is no such pair, of A's runs in all pairs that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a: Option<f64>,
    /// Median of B's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b: Option<f64>,
    /// Ratio of each pair, as (pair number, ratio).
    pub ratios: Vec<(u32, f64)>,
    /// The median ratio (Hodges–Lehmann estimate).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Its confidence interval at 1 − α, not corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// Its confidence interval at 1 − 2α, for the equivalence test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equivalence_interval: Option<Interval>,
    /// Wilcoxon's signed rank, two-sided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// `p` after Holm's correction in the family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_adjusted: Option<f64>,
    /// Student's paired t, for reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_student: Option<f64>,
    /// The looks before the last pair; absent without `--early`, and in results of versions that did not store them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks: Option<MetricLooks>,
    /// The finding.
    pub finding: Finding,
    /// The reason for the finding.
    pub why: String,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The finding on B against A.
    pub finding: Finding,
    /// One or two sentences, the most important point first.
    pub sentence: String,
    /// Further findings.
    pub remarks: Vec<String>,
    /// What prevents or weakens a finding, and what to do next.
    pub reasons: Vec<Reason>,
}

/// An obstacle to a finding, and the next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// What was observed.
    pub what: String,
    /// What to do.
    pub next: String,
}
