//! A check: which run comes next, and what the runs so far show.
//!
//! The state is the list of runs alone, so a check that goes on is one that reads its runs again. Which runs count and which are
//! made again never depends on a judged figure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::session::{Session, State, log};
use super::stage::{Glance, glance};
use crate::compare::{self, Ledger, Order, Outcome, Trial};
use crate::num::{self, show};
use crate::stats::{Found, Look, Looks};

/// Runs of the first stage that are made again because they were not fit to measure or failed.
const AGAIN: u32 = 2;
/// Pairs that are made again for the same reason.
const PAIRS_AGAIN: u32 = 4;
/// Pairs of the last look.
pub const PAIRS: u32 = 16;

/// How a check is made, fixed before its first run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Design {
    /// Fit runs of the new side in the first stage.
    pub fresh: u32,
    /// Probability of a false alarm of the second stage, of all deciding metrics together: 0.025 or 0.01.
    pub total: f64,
    /// The metrics that decide.
    pub decide: Vec<String>,
    /// Smallest relative change that counts.
    pub min_effect: f64,
    /// Are pairs made at once, without the first stage?
    pub paired: bool,
    /// Can the old side be run again?
    pub old_runs: bool,
    /// Seed of the order of the sides.
    pub seed: u64,
}

/// The side of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// As it was when the baseline was made.
    Old,
    /// What is checked.
    New,
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "stage")]
pub enum Stage {
    /// A run of a baseline's session.
    Saved,
    /// A run of the first stage.
    Fresh,
    /// A run of a pair.
    Pair {
        /// The pair, from 1.
        number: u32,
        /// Its side.
        side: Side,
    },
}

/// A run, as a check sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Why it counts for nothing: the machine was not fit to measure, or the run failed. Absent for a run that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
    /// Figures by metric.
    pub metrics: BTreeMap<String, f64>,
    /// Events lost, corrupted, stored twice or delivered out of order.
    #[serde(default)]
    pub faults: u64,
}

impl Figures {
    /// Those of a run, from what a comparison takes of its record.
    #[must_use]
    pub fn of(trial: &Trial) -> Self {
        let why = |what: &str| format!("{what}: {}", trial.reason.as_deref().unwrap_or("no reason is known"));
        let unusable = match trial.outcome {
            Outcome::Measured => None,
            Outcome::Unfit => Some(why("unfit to measure")),
            Outcome::Failed => Some(why("failed")),
            Outcome::NotRun => Some("it did not run".to_owned()),
        };
        let Ledger { lost, corrupt, duplicate, reordered, .. } = trial.ledger;
        let metrics = trial.figures.clone();
        Self { unusable, metrics, faults: num::sum([lost, corrupt, duplicate, reordered]) }
    }
}

/// One run of a check.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What it was for.
    pub stage: Stage,
    /// Its figures.
    pub figures: Figures,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A run of the new side.
    Fresh,
    /// A run of a pair.
    Pair {
        /// The pair, from 1.
        number: u32,
        /// Its side.
        side: Side,
    },
    /// Nothing: the check is decided.
    Done(Decision),
}

/// The finding of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The first stage shows no sign of a change for the worse.
    NoSign,
    /// There was a suspicion, or pairs were asked for, and the pairs do not show it.
    NotConfirmed,
    /// The pairs show that the new side is worse.
    Worse,
    /// No finding is possible.
    Unknown,
}

/// A decided check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// The finding.
    pub finding: Finding,
    /// Why, in a sentence without a full stop.
    pub why: String,
    /// What to do next; absent where nothing is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// May the check be repeated, since the outcome does not depend on a judged figure?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeatable: bool,
}

impl Decision {
    fn of(finding: Finding, why: String) -> Self {
        Self { finding, why, next: None, repeatable: false }
    }

    fn unknown(why: String, next: &str) -> Self {
        Self { finding: Finding::Unknown, why, next: Some(next.to_owned()), repeatable: false }
    }

    /// No check was made: what was to be checked is not comparable, or its figures were only described.
    #[must_use]
    pub fn refused(why: String) -> Self {
        Self { finding: Finding::Unknown, why, next: None, repeatable: true }
    }

    /// Whatever the figures are.
    fn unusable(why: String) -> Self {
        Self { repeatable: true, ..Self::unknown(why, "see `tickgate doctor`, and check again") }
    }
}

/// A deciding metric in a check so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Its name.
    pub metric: String,
    /// The first stage; `None` before its end, and where it gives no answer.
    pub glance: Option<Glance>,
    /// The looks of the second stage.
    pub looks: Vec<Look>,
    /// What the pairs say.
    pub found: Found,
}

/// The check of a subject: its design, the baseline's sessions, and its runs so far in order.
#[derive(Debug, Clone, Copy)]
pub struct Check<'a> {
    /// How it is made.
    pub design: &'a Design,
    /// The baseline's sessions.
    pub past: &'a [Session],
    /// Its runs so far.
    pub runs: &'a [Run],
}

impl Check<'_> {
    /// What comes next.
    #[must_use]
    pub fn next(&self) -> Step {
        let Some(looks) = self.looks() else {
            let why = format!("no levels are known for a total of {}", self.design.total);
            return Step::Done(Decision::unknown(why, "use 2.5% or 1%"));
        };
        if self.design.decide.is_empty() {
            let why = "no metric of the baseline is quiet enough to judge by".to_owned();
            return Step::Done(Decision::unknown(
                why,
                "save more or longer sessions, or choose other metrics with --decide",
            ));
        }
        if self.skips_first_stage() {
            return self.second_stage(&looks);
        }
        if let Some(step) = self.first_stage() {
            return step;
        }
        if !self.design.old_runs {
            let why = format!(
                "suspicious ({}), and the old side cannot be run again",
                self.suspicions().join(", ")
            );
            return Step::Done(Decision::unknown(
                why,
                "make the baseline's broker available, and check again",
            ));
        }
        self.second_stage(&looks)
    }

    /// Every deciding metric so far.
    #[must_use]
    pub fn judged(&self) -> Vec<Judged> {
        let Some(looks) = self.looks() else { return vec![] };
        let fresh = (!self.skips_first_stage() && self.is_complete()).then(|| self.fresh());
        let of = |metric: &String| {
            let (seen, found) = looks.see(&self.differences(metric), self.design.min_effect.ln_1p());
            let glance = fresh.as_ref().and_then(|fresh| glance(self.past, fresh, metric));
            Judged { metric: metric.clone(), glance, looks: seen, found }
        };
        self.design.decide.iter().map(of).collect()
    }

    fn looks(&self) -> Option<Looks> {
        Some(Looks::of(self.design.total)?.among(num::count32(self.design.decide.len())))
    }

    /// A young baseline does not know how much sessions differ.
    fn skips_first_stage(&self) -> bool {
        self.design.paired || State::of(self.past) == State::Young
    }

    fn of_stage(&self, stage: Stage) -> impl Iterator<Item = &Figures> {
        self.runs.iter().filter(move |run| run.stage == stage).map(|run| &run.figures)
    }

    fn fresh(&self) -> Session {
        let fit = self.of_stage(Stage::Fresh).filter(|run| run.unusable.is_none());
        let runs = fit.take(num::index32(self.design.fresh)).map(|run| run.metrics.clone()).collect();
        Session { runs, ..Session::default() }
    }

    fn is_complete(&self) -> bool {
        self.fresh().runs.len() >= num::index32(self.design.fresh)
    }

    /// What the first stage needs or says; `None` if it raises a suspicion.
    fn first_stage(&self) -> Option<Step> {
        if !self.is_complete() {
            let made = num::count32(self.of_stage(Stage::Fresh).count());
            if made < self.design.fresh + AGAIN {
                return Some(Step::Fresh);
            }
            let first = self.of_stage(Stage::Fresh).find_map(|run| run.unusable.as_deref());
            let why = format!(
                "{} of {} runs count, but {} are needed (the first that does not: {})",
                self.fresh().runs.len(),
                made,
                self.design.fresh,
                first.unwrap_or("no reason is known")
            );
            return Some(Step::Done(Decision::unusable(why)));
        }
        self.suspicions().is_empty().then(|| {
            let why =
                format!("{} show no sign of a change", show::several(u64::from(self.design.fresh), "run"));
            Step::Done(self.unless_faulty(Decision::of(Finding::NoSign, why)))
        })
    }

    /// The deciding metrics that call for a closer look, in words. One without a figure does: it may be the worst.
    fn suspicions(&self) -> Vec<String> {
        let fresh = self.fresh();
        let of = |metric: &String| match glance(self.past, &fresh, metric) {
            Some(glance) if !glance.is_suspicious() => None,
            Some(glance) => {
                Some(format!("{metric} is {:.2} times the baseline's, p {:.3}", glance.ratio, glance.p))
            }
            None => Some(format!("{metric} has no figure")),
        };
        self.design.decide.iter().filter_map(of).collect()
    }

    /// The runs of a pair: the latest of each side.
    fn pair(&self, number: u32) -> [Option<&Figures>; 2] {
        [Side::Old, Side::New].map(|side| self.of_stage(Stage::Pair { number, side }).last())
    }

    /// The pairs that were begun.
    fn begun(&self) -> u32 {
        let number = |run: &Run| if let Stage::Pair { number, .. } = run.stage { number } else { 0 };
        self.runs.iter().map(number).max().unwrap_or(0)
    }

    /// The pairs of which both runs count, in order.
    fn whole(&self) -> impl Iterator<Item = [&Figures; 2]> {
        (1..=self.begun()).filter_map(|number| {
            let [old, new] = self.pair(number);
            let (old, new) = (old?, new?);
            (old.unusable.is_none() && new.unusable.is_none()).then_some([old, new])
        })
    }

    /// The differences of a metric in the pairs that have it on both sides.
    fn differences(&self, metric: &str) -> Vec<f64> {
        let of = |run: &Figures| log(metric, *run.metrics.get(metric)?);
        self.whole().filter_map(|[old, new]| Some(of(new)? - of(old)?)).collect()
    }

    fn second_stage(&self, looks: &Looks) -> Step {
        let found: Vec<(Judged, Found)> = self
            .judged()
            .into_iter()
            .map(|judged| {
                let found = judged.found;
                (judged, found)
            })
            .collect();
        let worse: Vec<String> = found
            .iter()
            .filter(|(_, found)| *found == Found::Above)
            .map(|(judged, _)| above(judged))
            .collect();
        if !worse.is_empty() {
            return Step::Done(Decision::of(Finding::Worse, worse.join("; ")));
        }
        let open = found.iter().any(|(_, found)| matches!(found, Found::More(_)));
        if !open {
            let pairs =
                found.iter().filter_map(|(judged, _)| judged.looks.last()).map(|look| look.pairs).max();
            let what = if self.skips_first_stage() { "worse" } else { "the suspicion" };
            let why = format!(
                "{} do not confirm {what} (level {} in all)",
                show::several(u64::from(pairs.unwrap_or(0)), "pair"),
                show::percent(looks.total())
            );
            return Step::Done(self.unless_faulty(Decision::of(Finding::NotConfirmed, why)));
        }
        self.next_of_pairs()
    }

    /// The next run of the pairs: the pair that was begun is completed first.
    fn next_of_pairs(&self) -> Step {
        let begun = self.begun();
        let orders = compare::order(self.design.seed, PAIRS + PAIRS_AGAIN);
        let sides = |number: u32| match orders.get(num::index32(number.saturating_sub(1))) {
            Some(Order::Ba) => [Side::New, Side::Old],
            _ => [Side::Old, Side::New],
        };
        if begun > 0 {
            let made = |side: Side| self.of_stage(Stage::Pair { number: begun, side }).next().is_some();
            if let Some(side) = sides(begun).into_iter().find(|side| !made(*side)) {
                return Step::Pair { number: begun, side };
            }
        }
        let number = begun + 1;
        if number <= PAIRS + PAIRS_AGAIN {
            return Step::Pair { number, side: sides(number)[0] };
        }
        let whole = self.whole().count();
        if whole >= num::index32(PAIRS) {
            let why = "a deciding metric has no figure in too many of the runs".to_owned();
            return Step::Done(Decision::unknown(
                why,
                "choose other metrics with --decide, or a load that both sides carry",
            ));
        }
        let unusable = self.runs.iter().find_map(|run| run.figures.unusable.as_deref());
        Step::Done(Decision::unusable(format!(
            "{whole} of {begun} pairs count, but the last look needs {PAIRS} (the first run that does not: {})",
            unusable.unwrap_or("no reason is known")
        )))
    }

    /// Delivery faults are no figure that a check judges, but it does not pass over new ones.
    fn unless_faulty(&self, decision: Decision) -> Decision {
        let is_new = |stage: Stage| !matches!(stage, Stage::Pair { side: Side::Old, .. });
        let new = num::sum(self.runs.iter().filter(|run| is_new(run.stage)).map(|run| run.figures.faults));
        let old = num::sum(self.runs.iter().filter(|run| !is_new(run.stage)).map(|run| run.figures.faults));
        let before = num::sum(self.past.iter().map(|session| session.faults));
        if new == 0 || old > 0 || before > 0 {
            return decision;
        }
        let why = format!(
            "{}, but {new} events were lost, corrupted, stored twice or out of order, and none in the baseline",
            decision.why
        );
        Decision::unknown(why, "see the ledgers in the reports of the runs")
    }
}

/// A metric that the pairs show to be worse, in words.
fn above(judged: &Judged) -> String {
    let Some(look) = judged.looks.last() else { return judged.metric.clone() };
    format!(
        "{} is {:.2} times as high ({} pairs, p {:.4}, level {:.4})",
        judged.metric,
        look.estimate.exp(),
        look.pairs,
        look.p,
        look.level
    )
}

#[cfg(test)]
mod tests;
