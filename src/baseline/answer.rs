//! The answer of a check, for other programs: `check.json`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Decision, Design, Finding, Judged, Run, Side, Stage};
use super::history::Subject;
use crate::compare::LookTaken;
use crate::num;
use crate::stats::Found;

/// The family of the schema.
pub const ANSWER_FAMILY: &str = "tickgate.baseline-check";
/// The version that is written.
pub const ANSWER_VERSION: u32 = 1;

/// What a check says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// `tickgate.baseline-check/1`.
    pub schema: String,
    /// The baseline's name.
    pub baseline: String,
    /// Its profile.
    pub profile: String,
    /// Its epoch, from 1.
    pub epoch: u32,
    /// Its sessions.
    pub sessions: u32,
    /// Version of tickgate.
    pub tickgate: String,
    /// Tags of the runs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The check that was made; absent where it was refused before its first run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Making>,
    /// Was it decided earlier, so that nothing ran now?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub earlier: bool,
    /// Its decision.
    pub decision: Decision,
    /// Every deciding metric.
    pub metrics: Vec<MetricAnswer>,
}

/// How a check was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Making {
    /// The id of the check in the history.
    pub id: String,
    /// When it began, RFC 3339, UTC.
    pub at: String,
    /// What was checked.
    pub subject: Subject,
    /// How.
    pub design: Design,
    /// Runs of the first stage that count.
    pub fresh: u32,
    /// Pairs of which both runs were made.
    pub pairs: u32,
    /// Runs that do not count.
    pub unusable: u32,
}

impl Making {
    /// A check with these runs.
    #[must_use]
    pub fn of(id: &str, at: &str, subject: &Subject, design: &Design, runs: &[Run]) -> Self {
        let count = |is: &dyn Fn(&&Run) -> bool| num::count32(runs.iter().filter(is).count());
        let of_pair =
            |run: &&Run, wanted: Side| matches!(run.stage, Stage::Pair { side, .. } if side == wanted);
        Self {
            id: id.to_owned(),
            at: at.to_owned(),
            subject: subject.clone(),
            design: design.clone(),
            fresh: count(&|run| run.stage == Stage::Fresh && run.figures.unusable.is_none()),
            pairs: count(&|run| of_pair(run, Side::Old)).min(count(&|run| of_pair(run, Side::New))),
            unusable: count(&|run| run.figures.unusable.is_some()),
        }
    }
}

/// What became of a deciding metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MetricFinding {
    /// Pairs show that it is worse.
    Worse,
    /// There is no sign of that, or pairs do not confirm it.
    NotWorse,
    /// The check ended before it was judged.
    Open,
}

/// A deciding metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricAnswer {
    /// Its name.
    pub metric: String,
    /// What became of it.
    pub finding: MetricFinding,
    /// The first stage: the fresh runs beside the baseline's sessions; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<FirstStage>,
    /// The looks at the pairs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looks: Vec<LookTaken>,
}

/// The first stage of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FirstStage {
    /// Sessions of the baseline that have the metric.
    pub sessions: u32,
    /// The median of the fresh runs over the geometric mean of the sessions' medians.
    pub ratio: f64,
    /// Student's t of a new observation.
    pub t: f64,
    /// One-sided p of "higher than the baseline's sessions".
    pub p: f64,
    /// Did it call for pairs?
    pub suspicious: bool,
}

impl MetricAnswer {
    /// A metric of a check that ended so.
    #[must_use]
    pub fn of(judged: &Judged, end: Finding) -> Self {
        let finding = match (judged.found, end) {
            (Found::Above, _) => MetricFinding::Worse,
            (Found::NotAbove, _) | (Found::More(_), Finding::NoSign) => MetricFinding::NotWorse,
            (Found::More(_), _) => MetricFinding::Open,
        };
        let first = judged.glance.map(|glance| FirstStage {
            sessions: glance.sessions,
            ratio: glance.ratio,
            t: glance.t,
            p: glance.p,
            suspicious: glance.is_suspicious(),
        });
        Self {
            metric: judged.metric.clone(),
            finding,
            first,
            looks: judged.looks.iter().map(LookTaken::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::{Figures, Glance};
    use crate::stats::Look;

    fn judged(found: Found, looks: &[(u32, f64)]) -> Judged {
        let look = |&(pairs, estimate): &(u32, f64)| Look { pairs, p: 0.01, level: 0.02, estimate };
        let glance = Some(Glance { sessions: 5, ratio: 1.3, t: 2.0, p: 0.06 });
        Judged { metric: "broker.cpu".into(), glance, looks: looks.iter().map(look).collect(), found }
    }

    #[test]
    fn a_metric_is_worse_not_worse_or_left_open_by_the_end_of_the_check() {
        let of = |found, end| MetricAnswer::of(&judged(found, &[]), end).finding;
        assert_eq!(of(Found::Above, Finding::Worse), MetricFinding::Worse);
        assert_eq!(of(Found::NotAbove, Finding::Worse), MetricFinding::NotWorse);
        assert_eq!(of(Found::More(12), Finding::Worse), MetricFinding::Open);
        assert_eq!(of(Found::More(8), Finding::NoSign), MetricFinding::NotWorse);
        assert_eq!(of(Found::More(8), Finding::Unknown), MetricFinding::Open);
        let answer = MetricAnswer::of(&judged(Found::Above, &[(8, 0.0), (12, 1.1_f64.ln())]), Finding::Worse);
        assert!((answer.looks[1].ratio - 1.1).abs() < 1e-12 && answer.first.unwrap().suspicious);
    }

    #[test]
    fn runs_are_counted_by_what_they_were_for() {
        let run = |stage, fit: bool| Run {
            stage,
            figures: Figures { unusable: (!fit).then(|| "unfit".to_owned()), ..Figures::default() },
        };
        let pair = |number, side| Stage::Pair { number, side };
        let runs = [
            run(Stage::Fresh, true),
            run(Stage::Fresh, false),
            run(pair(1, Side::Old), true),
            run(pair(1, Side::New), true),
            run(pair(2, Side::New), false),
        ];
        let design = crate::baseline::Design {
            fresh: 3,
            total: 0.025,
            decide: vec![],
            min_effect: 0.05,
            paired: false,
            old_runs: true,
            seed: 1,
        };
        let made = Making::of("c", "2026-11-27T02:00:00Z", &Subject::default(), &design, &runs);
        assert_eq!((made.fresh, made.pairs, made.unusable), (1, 1, 2));
    }
}
