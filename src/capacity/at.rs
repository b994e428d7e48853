//! The sequential test of one rate: does the bus hold it? Without a search, and with no more trials than it needs.
//!
//! Wald's test of two shares of passing trials, 50 % against 95 %, with errors of 5 % each (Wald, *Sequential Analysis*, 1947):
//! each trial adds the logarithm of its likelihood ratio, ln(0.95 / 0.50) for a pass and ln(0.05 / 0.50) for a miss, until the
//! sum leaves ± ln(0.95 / 0.05). So five passes in a row show that it holds, and two misses in a row that it does not. A rate at
//! which 80 % of the trials pass is a toss-up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::num::show::several;

/// Share of passing trials of a rate that the bus does not hold.
const DOES_NOT: f64 = 0.50;
/// Share of passing trials of a rate that it holds.
const HOLDS: f64 = 0.95;
/// Probability of either error.
const ERROR: f64 = 0.05;
/// Passes that decide without a miss: the fewest trials of a test that ends well.
pub const FEWEST_PASSES: u32 = 5;
/// Most trials.
pub const MOST_TRIALS: u32 = 20;

/// The state of a test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct At {
    /// The rate, in events/s.
    pub rate: f64,
    /// Trials that passed.
    pub passes: u32,
    /// Trials that did not.
    pub misses: u32,
    /// Does the bus hold it? Absent while that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<bool>,
}

impl At {
    /// The test of a rate after so many passes and misses.
    #[must_use]
    pub fn of(rate: f64, passes: u32, misses: u32) -> Self {
        Self { rate, passes, misses, holds: holds(passes, misses) }
    }

    /// Number of trials that count.
    #[must_use]
    pub const fn trials(&self) -> u32 {
        self.passes.saturating_add(self.misses)
    }

    /// `5 of 6 trials passed`, or that no trial counts.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self.trials() {
            0 => "no trial counts".to_owned(),
            trials => format!("{} of {} passed", self.passes, several(u64::from(trials), "trial")),
        }
    }
}

/// Does the bus hold the rate? `None` while the trials do not decide.
fn holds(passes: u32, misses: u32) -> Option<bool> {
    let pass = (HOLDS / DOES_NOT).ln();
    let miss = ((1.0 - HOLDS) / (1.0 - DOES_NOT)).ln();
    let ratio = f64::from(passes) * pass + f64::from(misses) * miss;
    let decides = ((1.0 - ERROR) / ERROR).ln();
    (ratio.abs() >= decides).then_some(ratio > 0.0)
}

#[cfg(test)]
mod tests {
    use super::super::{Design, Ended, Limit, Outcome, Stage, Step, Trial, answer, next};
    use super::*;

    /// Probabilities of the three ends and the expected number of trials, exactly: every sequence of outcomes.
    struct Operating {
        holds: f64,
        does_not: f64,
        open: f64,
        trials: f64,
    }

    fn operating(share: f64) -> Operating {
        let mut sum = Operating { holds: 0.0, does_not: 0.0, open: 0.0, trials: 0.0 };
        // Probability of so many passes among the trials so far, undecided until now.
        let mut going = vec![1.0];
        for trials in 1..=MOST_TRIALS {
            let mut next = vec![0.0; going.len() + 1];
            for (passes, p) in going.iter().enumerate() {
                next[passes + 1] += p * share;
                next[passes] += p * (1.0 - share);
            }
            for (passes, p) in (0..).zip(&mut next) {
                let end = holds(passes, trials - passes);
                if end.is_none() && trials < MOST_TRIALS {
                    continue;
                }
                match end {
                    Some(true) => sum.holds += *p,
                    Some(false) => sum.does_not += *p,
                    None => sum.open += *p,
                }
                sum.trials += *p * f64::from(trials);
                *p = 0.0;
            }
            going = next;
        }
        sum
    }

    #[test]
    fn it_errs_as_rarely_and_ends_as_soon_as_walds_test_does() {
        let good = operating(0.95);
        assert!(good.holds > 0.96 && good.does_not < 0.05, "{}", good.holds);
        assert!((good.trials - 6.3).abs() < 0.3, "{}", good.trials);
        let bad = operating(0.5);
        assert!(bad.does_not > 0.95 && bad.holds < 0.05, "{}", bad.does_not);
        assert!((bad.trials - 4.5).abs() < 0.3, "{}", bad.trials);
        let worse = operating(0.3);
        assert!(worse.does_not > 0.99 && (worse.trials - 3.0).abs() < 0.3, "{}", worse.trials);
        let between = operating(0.8);
        assert!(between.holds > 0.3 && between.does_not > 0.3, "a toss-up: {}", between.holds);
        assert!((between.trials - 8.3).abs() < 0.5 && between.open < 0.1, "{}", between.trials);
        for end in [good, bad, worse, between] {
            assert!((end.holds + end.does_not + end.open - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn five_passes_or_two_misses_in_a_row_decide() {
        assert_eq!(holds(FEWEST_PASSES, 0), Some(true));
        assert_eq!(holds(FEWEST_PASSES - 1, 0), None);
        assert_eq!((holds(0, 1), holds(0, 2)), (None, Some(false)));
        assert_eq!((holds(8, 1), holds(9, 1)), (None, Some(true)));
        assert_eq!(At::of(5.0, 5, 0).holds, Some(true));
        let words = |passes, misses| At::of(5.0, passes, misses).in_words();
        assert_eq!(
            [words(0, 0), words(1, 0), words(2, 1)],
            ["no trial counts", "1 of 1 trial passed", "2 of 3 trials passed"]
        );
    }

    fn trials(design: &Design, outcomes: &[Outcome]) -> (Vec<Trial>, Step) {
        let mut trials: Vec<Trial> = Vec::new();
        for outcome in outcomes {
            let Step::Try(next) = next(design, &trials) else { break };
            assert_eq!((next.rate, next.stage), (12_345.0, Stage::Floor), "the rate itself, unrounded");
            let limit = (outcome.evidence() == Some(false)).then_some(Limit::Bus);
            trials.push(Trial {
                number: next.number,
                stage: next.stage,
                rate: next.rate,
                outcome: *outcome,
                limit,
                ..Trial::default()
            });
        }
        let step = next(design, &trials);
        (trials, step)
    }

    #[test]
    fn a_search_of_one_rate_is_the_test() {
        use Outcome::{Broken, Client, Disturbed, NotPassed, Passed, Unfit};
        let design = Design::default().only_at(12_345.0);
        let of = |outcomes: &[Outcome]| {
            let (made, step) = trials(&design, outcomes);
            let answer = answer(&design, &made);
            let bounds = (answer.floor.map(|floor| floor.rate), answer.ceiling.map(|ceiling| ceiling.rate));
            (step, made.len(), bounds, answer)
        };
        let (step, made, bounds, holds) = of(&[Passed; 9]);
        assert_eq!((step, made, bounds), (Step::Done(Ended::Confirmed), 5, (Some(12_345.0), None)));
        assert_eq!((holds.irregular.len(), holds.at), (0, Some(At::of(12_345.0, 5, 0))));
        let (step, made, bounds, fails) = of(&[Disturbed, NotPassed, Unfit, NotPassed]);
        assert_eq!((step, made, bounds), (Step::Done(Ended::Confirmed), 4, (None, Some(12_345.0))));
        assert_eq!(fails.ceiling.and_then(|ceiling| ceiling.limit), Some(Limit::Bus));
        assert_eq!(of(&[Disturbed; 9]).0, Step::Done(Ended::Disturbed));
        assert_eq!(of(&[Broken; 9]).0, Step::Done(Ended::Broken));
        assert_eq!(of(&[Client; 9]).0, Step::Done(Ended::AtClient));
        let mut open = [Passed; 20];
        for at in [0, 5, 10, 16] {
            open[at] = NotPassed;
        }
        let (step, made, bounds, answer) = of(&open);
        assert_eq!((step, made, bounds), (Step::Done(Ended::Unconfirmed), 20, (None, None)), "{answer:?}");
        assert!(answer.irregular[0].contains("20 trials did not decide"), "{answer:?}");
    }
}
