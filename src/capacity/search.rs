//! Which trial comes next: a function of the trials so far alone, without a clock.
//!
//! *Probe* the start rate; *climb* by doubling or halving until one trial passed and one did not; *narrow* around the estimate;
//! *confirm* a floor and a ceiling, in turns, so that a drift of the machine meets both. Whoever reads the stored trials again
//! is where the search was.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answer::Ended;
use super::at::At;
use super::design::{Design, FEWEST_NARROWING};
use super::posterior::Posterior;
use super::trial::{Outcome, Stage, Trial};
use crate::plan::Span;

/// Steps of rates near the estimate, in ln rate.
const FINE: f64 = 0.01;
/// Steps of floors and ceilings, in ln rate.
const COARSE: f64 = 0.02;
/// Distance of a trial from the estimate, in spreads.
const OFF_CENTRE: f64 = 0.9;
/// A longer pause, after a broker that could not be started, and after three disturbed trials in a row.
const LONG_PAUSE: u64 = 4;
/// Attempts in a row to start a broker.
const MOST_BROKEN: u32 = 3;
/// Unfit trials in a row.
const MOST_UNFIT: u32 = 3;
/// Disturbed trials in a row, before the first that is evidence and before a longer pause.
const DISTURBED_IN_A_ROW: u32 = 3;
/// Disturbed trials in a row that end a search, and how many more of them than trials that are evidence.
const MOST_DISTURBED: u32 = 6;
/// Trials in all that tickgate itself limited.
const MOST_CLIENT: u32 = 8;
/// While only tickgate limits a search, it tries rates between what passed and what did not, down to this distance.
const CLIENT_GAP: f64 = 0.18;

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// Make this trial.
    Try(Next),
    /// The search is over.
    Done(Ended),
}

/// A trial to make.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Next {
    /// Its number: 1, 2, 3…
    pub number: u32,
    /// What it is for.
    pub stage: Stage,
    /// Rate of the load, in events/s.
    pub rate: f64,
    /// Seed of its events.
    pub seed: u64,
    /// Pause before it.
    pub cool_down: Span,
}

/// The next step after these trials.
#[must_use]
pub fn next(design: &Design, trials: &[Trial]) -> Step {
    Search::of(design, trials).step()
}

/// The state of a search: a fold over its trials.
#[derive(Debug, Clone)]
pub struct Search<'a> {
    design: &'a Design,
    pub(super) posterior: Posterior,
    trials: u32,
    used_ns: u64,
    /// Time and number of the trials that confirm, and of the others.
    took: [(u64, u64); 2],
    broken: u32,
    unfit: u32,
    disturbed: u32,
    disturbed_in_all: u32,
    clients: u32,
    /// The lowest rate at which tickgate was the limit.
    pub(super) client_at: Option<f64>,
    counted: u32,
    narrowing: u32,
    confirming: u32,
    pub(super) passed_at: Option<f64>,
    pub(super) missed_at: Option<f64>,
    /// The last rate at the edge of a search without a miss, or without a pass, and confirming outcomes in a row there.
    pub(super) edge: (f64, u32),
    pub(super) confirm: Option<Confirm>,
    /// Counts of passes and misses, by rate.
    pub(super) outcomes: BTreeMap<u64, [u32; 2]>,
}

/// A floor and a ceiling that are being confirmed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Confirm {
    /// ln of the floor, and passes in a row there.
    pub(super) floor: (f64, u32),
    /// ln of the ceiling, and misses in a row there.
    pub(super) ceiling: (f64, u32),
    last: Stage,
}

/// A rate with three digits, so that its decimal form is short and exact.
pub(super) fn rounded(rate: f64) -> f64 {
    three_digits(rate, f64::round)
}

fn three_digits(rate: f64, whole: fn(f64) -> f64) -> f64 {
    if rate <= 0.0 || !rate.is_finite() {
        return rate;
    }
    let power = rate.log10().floor() - 2.0;
    let unit = 10_f64.powf(power.abs()).round();
    if power < 0.0 { whole(rate * unit) / unit } else { whole(rate / unit) * unit }
}

fn snapped(ln: f64, step: f64) -> f64 {
    (ln / step).round() * step
}

impl<'a> Search<'a> {
    /// A search before its first trial.
    #[must_use]
    pub fn new(design: &'a Design) -> Self {
        Self {
            design,
            posterior: Posterior::new(design.min, design.max),
            trials: 0,
            used_ns: 0,
            took: [(0, 0); 2],
            broken: 0,
            unfit: 0,
            disturbed: 0,
            disturbed_in_all: 0,
            clients: 0,
            client_at: None,
            counted: 0,
            narrowing: 0,
            confirming: 0,
            passed_at: None,
            missed_at: None,
            edge: (0.0, 0),
            confirm: None,
            outcomes: BTreeMap::new(),
        }
    }

    /// A search after these trials.
    #[must_use]
    pub fn of(design: &'a Design, trials: &[Trial]) -> Self {
        let mut search = Self::new(design);
        for trial in trials {
            search.take(trial);
        }
        search
    }

    /// Takes the next trial into account.
    pub fn take(&mut self, trial: &Trial) {
        self.trials = self.trials.max(trial.number);
        self.used_ns = self.used_ns.saturating_add(trial.took.ns);
        match trial.outcome {
            Outcome::Interrupted => {}
            Outcome::Broken => self.broken += 1,
            Outcome::Unfit => (self.broken, self.unfit) = (0, self.unfit + 1),
            Outcome::Disturbed => {
                self.broken = 0;
                self.disturbed += 1;
                self.disturbed_in_all += 1;
            }
            Outcome::Client => {
                (self.broken, self.unfit, self.disturbed) = (0, 0, 0);
                self.clients += 1;
                self.client_at = Some(self.client_at.map_or(trial.rate, |at| at.min(trial.rate)));
            }
            Outcome::Passed | Outcome::NotPassed | Outcome::Died | Outcome::Saturated => self.count(trial),
        }
    }

    fn count(&mut self, trial: &Trial) {
        let passed = trial.outcome.evidence() == Some(true);
        (self.broken, self.unfit, self.disturbed) = (0, 0, 0);
        self.counted += 1;
        let took = &mut self.took[usize::from(is_confirming(trial.stage))];
        *took = (took.0.saturating_add(trial.took.ns), took.1 + 1);
        let bracketed = self.passed_at.is_some() && self.missed_at.is_some();
        // The floor and the ceiling that this trial is at, if the search has not set them itself.
        if bracketed && is_confirming(trial.stage) {
            self.begin_confirming();
        }
        self.posterior.add(trial.rate, passed);
        let seen = self.outcomes.entry(trial.rate.to_bits()).or_default();
        seen[usize::from(!passed)] += 1;
        if self.design.at.is_some() {
            return;
        }
        let edge = if passed { &mut self.passed_at } else { &mut self.missed_at };
        *edge = Some(match *edge {
            Some(at) if passed => at.max(trial.rate),
            Some(at) => at.min(trial.rate),
            None => trial.rate,
        });
        if !bracketed {
            self.at_edge(trial);
            return;
        }
        match trial.stage {
            Stage::Floor | Stage::Ceiling => self.confirmed(trial.stage, passed),
            Stage::Probe | Stage::Climb | Stage::Narrow => self.narrowing += 1,
        }
    }

    /// Counts what repeats at the highest or the lowest rate.
    fn at_edge(&mut self, trial: &Trial) {
        let confirming = is_confirming(trial.stage);
        self.confirming += u32::from(confirming);
        let same = trial.rate.to_bits() == self.edge.0.to_bits();
        self.edge = match (confirming, same) {
            (false, _) => (trial.rate, 0),
            (true, true) => (trial.rate, self.edge.1 + 1),
            (true, false) => (trial.rate, 1),
        };
    }

    fn begin_confirming(&mut self) {
        if self.confirm.is_some() {
            return;
        }
        let floor = self.bounded(snapped(self.posterior.rate_passing(self.design.level) - FINE, COARSE));
        let ceiling = snapped(self.posterior.rate_passing(1.0 - self.design.level) + FINE, COARSE);
        self.confirm = Some(Confirm {
            floor: (floor, 0),
            ceiling: (self.bounded(ceiling.max(floor + COARSE)), 0),
            last: Stage::Ceiling,
        });
    }

    fn confirmed(&mut self, stage: Stage, passed: bool) {
        self.confirming += 1;
        let fit = match stage {
            Stage::Floor => snapped(self.posterior.rate_passing(self.design.level) - FINE, COARSE),
            _ => snapped(self.posterior.rate_passing(1.0 - self.design.level) + FINE, COARSE),
        };
        let lowest = self.design.min.ln();
        let highest = self.highest().ln();
        let Some(confirm) = &mut self.confirm else { return };
        confirm.last = stage;
        match (stage, passed) {
            (Stage::Floor, true) => confirm.floor.1 += 1,
            (Stage::Floor, false) => {
                confirm.floor = ((confirm.floor.0 - COARSE).min(fit).clamp(lowest, highest), 0);
            }
            (_, false) => confirm.ceiling.1 += 1,
            (_, true) => confirm.ceiling = ((confirm.ceiling.0 + COARSE).max(fit).clamp(lowest, highest), 0),
        }
    }

    /// The highest rate that may be tried.
    fn highest(&self) -> f64 {
        let below_client = self.client_at.map_or(self.design.max, |at| at * (-FINE).exp());
        below_client.min(self.design.max).max(self.design.min)
    }

    fn bounded(&self, ln: f64) -> f64 {
        ln.clamp(self.design.min.ln(), self.highest().ln())
    }

    /// The next step.
    #[must_use]
    pub fn step(&self) -> Step {
        if let Some(ended) = self.given_up() {
            return Step::Done(ended);
        }
        if let Some(at) = self.at() {
            return match at.holds {
                Some(_) => Step::Done(Ended::Confirmed),
                None if at.trials() >= self.design.most_confirming => Step::Done(Ended::Unconfirmed),
                None => self.attempt(Stage::Floor, at.rate.ln()),
            };
        }
        match (self.passed_at, self.missed_at) {
            (None, None) => self.attempt(Stage::Probe, self.design.start.ln()),
            (Some(passed), None) => self.upwards(passed),
            (None, Some(missed)) => self.downwards(missed),
            (Some(_), Some(_)) => self.between(),
        }
    }

    /// The sequential test, if there is no search.
    pub(super) fn at(&self) -> Option<At> {
        let rate = self.design.at?;
        let seen = self.outcomes.values();
        let [passes, misses] = seen.fold([0; 2], |sum: [u32; 2], seen| [sum[0] + seen[0], sum[1] + seen[1]]);
        Some(At::of(rate, passes, misses))
    }

    /// Too many trials that say nothing.
    fn given_up(&self) -> Option<Ended> {
        if self.broken >= MOST_BROKEN {
            return Some(Ended::Broken);
        }
        if self.unfit >= MOST_UNFIT {
            return Some(Ended::Unfit);
        }
        let before_any = self.counted == 0 && self.disturbed >= DISTURBED_IN_A_ROW;
        let most = self.disturbed >= MOST_DISTURBED || self.disturbed_in_all >= self.counted + MOST_DISTURBED;
        if before_any || most {
            return Some(Ended::Disturbed);
        }
        let nothing_below = self.client_at.is_some_and(|at| at * (-FINE).exp() < self.design.min);
        (self.clients >= MOST_CLIENT || nothing_below).then_some(Ended::AtClient)
    }

    /// No trial missed yet.
    fn upwards(&self, passed: f64) -> Step {
        let highest = self.highest();
        let at_top = passed >= self.design.max * (1.0 - FINE / 2.0);
        let gap = self.client_at.map(|at| (at / passed).ln());
        if at_top || gap.is_some_and(|gap| gap <= CLIENT_GAP) {
            let ended = if at_top { Ended::AtMost } else { Ended::AtClient };
            return self.edge(Stage::Floor, passed, self.design.passes, ended);
        }
        let higher = match gap {
            Some(gap) => passed.ln() + gap / 2.0,
            None => (passed * 2.0).min(highest).ln(),
        };
        self.attempt(Stage::Climb, higher)
    }

    /// No trial passed yet.
    fn downwards(&self, missed: f64) -> Step {
        if missed <= self.design.min * (1.0 + FINE / 2.0) {
            return self.edge(Stage::Ceiling, missed, self.design.misses, Ended::AtLeast);
        }
        self.attempt(Stage::Climb, (missed / 2.0).ln())
    }

    fn edge(&self, stage: Stage, rate: f64, wanted: u32, ended: Ended) -> Step {
        if self.edge.1 >= wanted {
            return Step::Done(ended);
        }
        if self.confirming >= self.design.most_confirming {
            return Step::Done(Ended::Unconfirmed);
        }
        self.attempt(stage, rate.ln())
    }

    /// Some trials passed, and some did not.
    fn between(&self) -> Step {
        if self.confirm.is_none() && !self.is_narrow() {
            let (low, middle, high) = (
                self.posterior.quantile(0.025),
                self.posterior.quantile(0.5),
                self.posterior.quantile(0.975),
            );
            let off = OFF_CENTRE * self.posterior.spread().min((high - low) / 2.0);
            let side = if self.narrowing.is_multiple_of(2) { -off } else { off };
            return self.attempt(Stage::Narrow, snapped(middle + side, FINE));
        }
        let mut begun = self.clone();
        begun.begin_confirming();
        let Some(confirm) = begun.confirm else { return Step::Done(Ended::Unconfirmed) };
        let floor_done = confirm.floor.1 >= self.design.passes;
        let ceiling_done = confirm.ceiling.1 >= self.design.misses || self.is_without_ceiling(&confirm);
        let to_floor = !floor_done && (ceiling_done || confirm.last == Stage::Ceiling);
        match (floor_done && ceiling_done, to_floor) {
            (true, _) if confirm.ceiling.1 >= self.design.misses => Step::Done(Ended::Confirmed),
            (true, _) if self.client_at.is_some() => Step::Done(Ended::AtClient),
            (true, _) => Step::Done(Ended::AtMost),
            _ if self.confirming >= self.design.most_confirming => Step::Done(Ended::Unconfirmed),
            (_, true) => self.attempt(Stage::Floor, self.bounded(confirm.floor.0)),
            (_, false) => self.attempt(Stage::Ceiling, self.bounded(confirm.ceiling.0)),
        }
    }

    /// Is the ceiling above what may be tried?
    fn is_without_ceiling(&self, confirm: &Confirm) -> bool {
        let fit = self.posterior.rate_passing(1.0 - self.design.level) + FINE;
        confirm.ceiling.1 == 0 && fit > self.highest().ln() + COARSE
    }

    fn is_narrow(&self) -> bool {
        let narrow = self.posterior.width() <= self.design.precision.ln_1p() + FINE / 2.0;
        (narrow && self.narrowing >= FEWEST_NARROWING)
            || self.narrowing >= self.design.most_narrowing
            || self.left().is_some_and(|left| left < self.expected(false) + self.reserve())
    }

    /// What is left of the time.
    fn left(&self) -> Option<u64> {
        self.design.within.map(|within| within.ns.saturating_sub(self.used_ns))
    }

    /// The mean time of such a trial so far, or the planned one.
    fn expected(&self, confirming: bool) -> u64 {
        let (took, trials) = self.took[usize::from(confirming)];
        let planned = if confirming { self.design.confirming } else { self.design.searching };
        took.checked_div(trials).unwrap_or(planned.ns)
    }

    /// The time that the rest of the confirmation needs if no trial disappoints.
    fn reserve(&self) -> u64 {
        let missing = |wanted: u32, got: u32| u64::from(wanted.saturating_sub(got));
        let (floor, ceiling) = self.confirm.map_or((0, 0), |confirm| (confirm.floor.1, confirm.ceiling.1));
        let trials = missing(self.design.passes, floor) + missing(self.design.misses, ceiling);
        self.expected(true).saturating_mul(trials)
    }

    /// A trial at this ln rate, unless the time is used up.
    fn attempt(&self, stage: Stage, ln: f64) -> Step {
        if self.left().is_some_and(|left| left < self.expected(is_confirming(stage))) {
            return Step::Done(Ended::Budget);
        }
        let highest = self.highest();
        let rate = rounded(self.bounded(ln).exp());
        let rate = if rate > highest { three_digits(highest, f64::floor) } else { rate }.max(self.design.min);
        let long = self.broken > 0 || self.disturbed >= DISTURBED_IN_A_ROW;
        let pause = self.design.cool_down.ns.saturating_mul(if long { LONG_PAUSE } else { 1 });
        Step::Try(Next {
            number: self.trials.saturating_add(1),
            stage,
            rate,
            // Below 2^63, as the seeds of profiles are.
            seed: self.design.seed.wrapping_add(u64::from(self.trials)) & (u64::MAX >> 1),
            cool_down: Span { ns: pause },
        })
    }
}

const fn is_confirming(stage: Stage) -> bool {
    matches!(stage, Stage::Floor | Stage::Ceiling)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_three_digits() {
        for (rate, expected) in [
            (38_674.0, 38_700.0),
            (999.6, 1000.0),
            (1.2345, 1.23),
            (0.012_345, 0.0123),
            (123_456_789.0, 123_000_000.0),
        ] {
            assert!((rounded(rate) - expected).abs() < 1e-9 * expected, "{rate}: {}", rounded(rate));
            let text = serde_json::to_string(&rounded(rate)).unwrap();
            assert!(text.len() <= 11, "{text}");
        }
    }
}
