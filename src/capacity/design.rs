//! What a search does, fixed before its first trial.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::at::{FEWEST_PASSES, MOST_TRIALS};
use crate::plan::Span;

/// The parameters of a search. They are stored before its first trial, and a search that goes on has the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Design {
    /// The only rate to try, in events/s: a sequential test without a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<f64>,
    /// First rate to try, in events/s.
    pub start: f64,
    /// Lowest rate to try, in events/s.
    pub min: f64,
    /// Highest rate to try, in events/s.
    pub max: f64,
    /// Stop narrowing when the 95 % interval is this wide: 0.1 is 10 %.
    pub precision: f64,
    /// The floor is a rate at which the fit says that at least this share of trials pass, the ceiling one at which at most the
    /// rest of them do.
    pub level: f64,
    /// Passes in a row that confirm the floor.
    pub passes: u32,
    /// Misses in a row that confirm the ceiling.
    pub misses: u32,
    /// Most trials that narrow the interval.
    pub most_narrowing: u32,
    /// Most trials that confirm floor and ceiling.
    pub most_confirming: u32,
    /// Time for the whole search; none is without a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// Pause before each trial.
    pub cool_down: Span,
    /// Expected time of a trial that searches, with its cool-down.
    pub searching: Span,
    /// Expected time of a trial that confirms, with its cool-down.
    pub confirming: Span,
    /// Seed of the events; every trial has events of its own.
    pub seed: u64,
}

impl Default for Design {
    fn default() -> Self {
        Self {
            at: None,
            start: 1000.0,
            min: 1.0,
            max: 1e7,
            precision: 0.10,
            level: 0.90,
            passes: 5,
            misses: 3,
            most_narrowing: 30,
            most_confirming: 60,
            within: None,
            cool_down: Span::seconds(2),
            searching: Span::seconds(11),
            confirming: Span::seconds(11),
            seed: 0,
        }
    }
}

/// Fewest trials that narrow the interval.
pub const FEWEST_NARROWING: u32 = 6;

/// Trials between the first and the confirmation for which a time limit must have room.
const FEWEST_SEARCHING: u64 = 8;

impl Design {
    /// A wider interval from fewer trials.
    #[must_use]
    pub fn quick(self) -> Self {
        Self { precision: 0.15, most_narrowing: 16, passes: 3, misses: 2, ..self }
    }

    /// A narrower interval from more trials.
    #[must_use]
    pub fn thorough(self) -> Self {
        Self {
            precision: 0.07,
            level: 0.95,
            most_narrowing: 60,
            most_confirming: 120,
            passes: 10,
            misses: 5,
            ..self
        }
    }

    /// A sequential test of this rate alone.
    #[must_use]
    pub fn only_at(self, rate: f64) -> Self {
        Self { at: Some(rate), start: rate, min: rate, max: rate, most_confirming: MOST_TRIALS, ..self }
    }

    /// The time that the confirmation needs if no trial disappoints.
    #[must_use]
    pub fn reserve(&self) -> Span {
        Span { ns: self.confirming.ns.saturating_mul(u64::from(self.passes) + u64::from(self.misses)) }
    }

    /// The least time limit: a first trial, eight that search, and the confirmation; of a sequential test, the passes that
    /// decide it.
    #[must_use]
    pub fn least(&self) -> Span {
        if self.at.is_some() {
            return Span { ns: self.confirming.ns.saturating_mul(u64::from(FEWEST_PASSES)) };
        }
        let searching = self.searching.ns.saturating_mul(1 + FEWEST_SEARCHING);
        Span { ns: searching.saturating_add(self.reserve().ns) }
    }
}
