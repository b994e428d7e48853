//! How many trials passed at each rate.

use super::search::rounded;
use super::trial::Trial;

/// The trials at one rate that are evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Count {
    /// Events/s.
    pub rate: f64,
    /// Trials.
    pub trials: u32,
    /// Of these, passed.
    pub passed: u32,
}

/// The trials that are evidence, by rate, from the lowest one.
#[must_use]
pub fn by_rate(trials: &[Trial]) -> Vec<Count> {
    let evidence = trials.iter().filter_map(|trial| Some((rounded(trial.rate), trial.outcome.evidence()?)));
    let mut all: Vec<(f64, bool)> = evidence.collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let of = |same: &[(f64, bool)]| {
        let count = |passed: bool| crate::num::count32(same.iter().filter(|(_, p)| *p == passed).count());
        same.first().map(|(rate, _)| Count {
            rate: *rate,
            trials: count(true) + count(false),
            passed: count(true),
        })
    };
    all.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()).filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::Outcome;

    #[test]
    fn trials_that_say_nothing_are_not_counted() {
        let trial = |rate, outcome| Trial { rate, outcome, ..Trial::default() };
        let trials = [
            trial(2000.0, Outcome::Saturated),
            trial(1000.0, Outcome::Passed),
            trial(1000.0, Outcome::Disturbed),
            trial(1000.0, Outcome::NotPassed),
        ];
        let count = |rate, trials, passed| Count { rate, trials, passed };
        assert_eq!(by_rate(&trials), [count(1000.0, 2, 1), count(2000.0, 1, 0)]);
    }
}
