//! The answer of a search: what its trials show about the capacity.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::at::At;
use super::design::Design;
use super::posterior::Posterior;
use super::search::{Search, Step, rounded};
use super::trial::{Limit, Outcome, Trial};
use crate::num;
use crate::plan::{Span, choices};
use crate::stats::binomial_at_least;

/// Points of the fitted curve.
const POINTS: u32 = 48;
/// A rate at which the fit says that this share of trials pass; outcomes against it are counted.
const SURE: f64 = 0.95;
/// More of them than chance would bring with this probability: the outcomes do not follow the fit.
const MISFIT: f64 = 0.01;

/// What the trials show.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// How the search ended.
    pub ended: Ended,
    /// Why the answer is irregular, each a sentence without a full stop; a regular answer has none.
    pub irregular: Vec<String>,
    /// The rate at which a trial passes as often as not; absent until a trial passed and one did not, and if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// The sequential test of one rate, of an account without a search. `floor` or `ceiling` are its rate then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// The rate at which fresh trials in a row passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Bound>,
    /// The rate at which fresh trials in a row did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Bound>,
    /// Share of trials that pass, by rate; empty without an estimate.
    pub curve: Vec<Point>,
    /// Number of trials.
    pub trials: u32,
    /// Of these, those that are evidence.
    pub counted: u32,
    /// Time of all trials.
    pub took: Span,
}

/// An estimate with its 95 % interval, in events/s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// Posterior median.
    pub median: f64,
    /// 2.5 % quantile.
    pub low: f64,
    /// 97.5 % quantile.
    pub high: f64,
    /// Spread of a trial's capacity around it: the standard deviation of its logarithm, posterior mean.
    pub spread: f64,
    /// May the interval be claimed? Not if the outcomes do not follow one threshold.
    pub claimed: bool,
}

/// A confirmed rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bound {
    /// Events/s.
    pub rate: f64,
    /// Trials in a row that confirm it.
    pub confirmed_by: u32,
    /// Share of trials that pass here, by the fit; absent without an estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passing: Option<f64>,
    /// What limited the trials here; only of a ceiling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

impl Answer {
    /// The estimate, unless it is an extrapolation: where only the highest rate, or tickgate, ended a search, its trials say how
    /// much the bus holds at least.
    #[must_use]
    pub fn stated(&self) -> Option<&Estimate> {
        self.estimate.as_ref().filter(|_| !matches!(self.ended, Ended::AtMost | Ended::AtClient))
    }

    /// The 95 % interval, where it may be claimed.
    #[must_use]
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.stated().filter(|estimate| estimate.claimed).map(|estimate| (estimate.low, estimate.high))
    }
}

impl Bound {
    /// The smallest share of passing (of a ceiling: of missing) trials that such a row leaves credible: 0.05^(1/k), since
    /// with a smaller one a row of k has a probability below 5 %.
    #[must_use]
    pub fn by_row_alone(&self) -> f64 {
        if self.confirmed_by == 0 { 0.0 } else { 0.05_f64.powf(1.0 / f64::from(self.confirmed_by)) }
    }
}

/// A point of the fitted curve.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// Events/s.
    pub rate: f64,
    /// 2.5 % quantile of the share of trials that pass.
    pub low: f64,
    /// Posterior mean.
    pub passing: f64,
    /// 97.5 % quantile.
    pub high: f64,
}

/// How a search ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// Floor and ceiling are confirmed.
    Confirmed,
    /// The highest rate passed: the capacity is at least that.
    AtMost,
    /// tickgate was the limit: the capacity is at least the floor.
    AtClient,
    /// The lowest rate did not pass.
    AtLeast,
    /// The time was used up.
    Budget,
    /// Others used the machine too often.
    Disturbed,
    /// Trials could not be judged.
    Unfit,
    /// The broker could not be started or reached.
    Broken,
    /// Floor or ceiling could not be confirmed within the most trials.
    Unconfirmed,
    /// The user ended it; also of a search that goes on.
    #[default]
    Interrupted,
}

choices! {
    Ended: Confirmed, AtMost, AtClient, AtLeast, Budget, Disturbed, Unfit, Broken, Unconfirmed, Interrupted;
}

/// What these trials show.
#[must_use]
pub fn answer(design: &Design, trials: &[Trial]) -> Answer {
    let search = Search::of(design, trials);
    let ended = match search.step() {
        Step::Done(ended) => ended,
        Step::Try(_) => Ended::Interrupted,
    };
    let bracketed = search.passed_at.is_some() && search.missed_at.is_some();
    let misfit = bracketed && is_misfit(&search);
    let estimate = bracketed.then(|| search.posterior.estimate(!misfit));
    let mut irregular = Vec::new();
    irregular.extend(ended.irregular(design, trials));
    if misfit {
        irregular.push(
            "the outcomes do not follow one threshold (two modes of the bus, or a fault), so the interval is not claimed"
                .to_owned(),
        );
    }
    let died = died_twice(trials);
    irregular.extend(died.map(|rate| format!("the broker died twice at {}", num::show::short_rate(rate))));
    Answer {
        ended,
        irregular,
        estimate,
        at: search.at(),
        floor: floor(&search, design, bracketed),
        ceiling: ceiling(&search, design, bracketed, trials),
        curve: if bracketed { curve(&search.posterior) } else { Vec::new() },
        trials: num::count32(trials.len()),
        counted: num::count32(trials.iter().filter(|trial| trial.outcome.evidence().is_some()).count()),
        took: Span { ns: num::sum(trials.iter().map(|trial| trial.took.ns)) },
    }
}

impl Ended {
    /// Why an answer with this end is irregular.
    fn irregular(self, design: &Design, trials: &[Trial]) -> Option<String> {
        // The reason of the last trial that ended so.
        let because = |what: &str, is: fn(Outcome) -> bool| {
            let mut those = trials.iter().rev().filter(|trial| is(trial.outcome));
            match those.find_map(|trial| trial.reason.as_ref()) {
                Some(reason) => format!("{what}: {reason}"),
                None => what.to_owned(),
            }
        };
        Some(match self {
            Self::Confirmed => return None,
            Self::AtMost => {
                format!("the search goes to {} only, and that rate passed", num::show::short_rate(design.max))
            }
            Self::AtClient => {
                because("tickgate itself was the limit before the bus was", |of| of == Outcome::Client)
            }
            Self::AtLeast => {
                because(&format!("even {} did not pass", num::show::short_rate(design.min)), |of| {
                    of.evidence() == Some(false)
                })
            }
            Self::Budget if design.at.is_some() => {
                "the time was used up before the trials decided".to_owned()
            }
            Self::Budget => "the time was used up before floor and ceiling were confirmed".to_owned(),
            Self::Disturbed => {
                because("others used the machine in too many trials", |of| of == Outcome::Disturbed)
            }
            Self::Unfit => because("the trials could not be judged", |of| of == Outcome::Unfit),
            Self::Broken => because("the broker could not be started or reached", |of| of == Outcome::Broken),
            Self::Unconfirmed if design.at.is_some() => format!(
                "{} did not decide: the share of trials that pass is near the middle of the test",
                num::show::several(u64::from(design.most_confirming), "trial")
            ),
            Self::Unconfirmed => format!(
                "floor and ceiling were not confirmed within {}",
                num::show::several(u64::from(design.most_confirming), "trial")
            ),
            Self::Interrupted => "the search was interrupted".to_owned(),
        })
    }
}

/// The lowest rate at which the broker ended under load in two trials.
fn died_twice(trials: &[Trial]) -> Option<f64> {
    let died = || trials.iter().filter(|trial| trial.outcome == Outcome::Died).map(|trial| trial.rate);
    let twice = died().filter(|rate| died().filter(|other| other.total_cmp(rate).is_eq()).count() > 1);
    twice.min_by(f64::total_cmp)
}

/// Are there more outcomes against the fit than chance brings?
fn is_misfit(search: &Search<'_>) -> bool {
    let (mut low, mut high) = ([0_u64; 2], [0_u64; 2]);
    for (bits, [passes, misses]) in &search.outcomes {
        let passing = search.posterior.passing(f64::from_bits(*bits));
        let (passes, misses) = (u64::from(*passes), u64::from(*misses));
        if passing >= SURE {
            low = [low[0] + misses, low[1] + passes + misses];
        } else if passing <= 1.0 - SURE {
            high = [high[0] + passes, high[1] + passes + misses];
        }
    }
    [low, high].iter().any(|[against, of]| binomial_at_least(*against, *of, 1.0 - SURE) <= MISFIT)
}

fn floor(search: &Search<'_>, design: &Design, bracketed: bool) -> Option<Bound> {
    if let Some(at) = search.at() {
        let bound = Bound { rate: at.rate, confirmed_by: at.passes, ..Bound::default() };
        return (at.holds == Some(true)).then_some(bound);
    }
    let (rate, confirmed_by) = match &search.confirm {
        Some(confirm) => (confirm.floor.0.exp(), confirm.floor.1),
        None if search.passed_at.is_some() && !bracketed => search.edge,
        None => return None,
    };
    (confirmed_by >= design.passes).then(|| Bound {
        rate: rounded(rate),
        confirmed_by,
        passing: bracketed.then(|| search.posterior.passing(rate)),
        limit: None,
    })
}

fn ceiling(search: &Search<'_>, design: &Design, bracketed: bool, trials: &[Trial]) -> Option<Bound> {
    if let Some(at) = search.at() {
        let limit = Some(limit_at(rounded(at.rate), trials));
        let bound = Bound { rate: at.rate, confirmed_by: at.misses, limit, ..Bound::default() };
        return (at.holds == Some(false)).then_some(bound);
    }
    let (rate, confirmed_by) = match &search.confirm {
        Some(confirm) => (confirm.ceiling.0.exp(), confirm.ceiling.1),
        None if search.missed_at.is_some() && !bracketed => search.edge,
        None => return None,
    };
    (confirmed_by >= design.misses).then(|| Bound {
        rate: rounded(rate),
        confirmed_by,
        passing: bracketed.then(|| search.posterior.passing(rate)),
        limit: Some(limit_at(rounded(rate), trials)),
    })
}

/// What limited most of the trials at a rate.
fn limit_at(rate: f64, trials: &[Trial]) -> Limit {
    let same = |trial: &&Trial| rounded(trial.rate).total_cmp(&rate).is_eq();
    let missed = || trials.iter().filter(same).filter(|trial| trial.outcome.evidence() == Some(false));
    let of = |limit: Limit| missed().filter(|trial| trial.limit == Some(limit)).count();
    let all = [Limit::Bus, Limit::Machine, Limit::Window, Limit::Client];
    all.into_iter().find(|limit| of(*limit) * 2 > missed().count()).unwrap_or(Limit::Unknown)
}

fn curve(posterior: &Posterior) -> Vec<Point> {
    let (low, high) = (posterior.rate_passing(0.999), posterior.rate_passing(0.001));
    let at = |point: u32| (low + (high - low) * f64::from(point) / f64::from(POINTS)).exp();
    (0..=POINTS).map(|point| posterior.point(at(point))).collect()
}
