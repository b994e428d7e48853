//! The account of a matrix: `matrix.json`, from which everything that is shown follows.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::design::{Design, Planned};
use super::promise::Pledge;
use super::trial::Trial;
use crate::plan::choices;
use crate::record::Verdict;

/// The account of one matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Matrix {
    /// `tickgate.matrix/1`.
    pub schema: String,
    /// Version of the rules by which it was judged.
    pub rules: u32,
    /// Identity and circumstances.
    pub about: About,
    /// Its cells and its order.
    pub design: Design,
    /// The result of each cell, in the order of the design.
    pub cells: Vec<Cell>,
    /// All runs, in their order.
    pub trials: Vec<Trial>,
    /// `fail`: what is expected of a cell does not hold; `inconclusive`: of one it is not known; else `pass`.
    pub verdict: Verdict,
    /// The result in sentences, the worst first.
    pub sentences: Vec<String>,
}

/// Identity and circumstances of a matrix.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct About {
    /// Unique id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// The file, as the command line names it.
    pub file: String,
    /// Overrides of all cells from the command line.
    pub sets: Vec<String>,
    /// What readers should know.
    pub notes: Vec<String>,
    /// Version of tickgate.
    pub tickgate: String,
    /// Tags of each run.
    pub tags: BTreeMap<String, String>,
    /// Start, RFC 3339, UTC.
    pub started: String,
    /// End, RFC 3339, UTC.
    pub ended: String,
    /// Why it ended before all runs were made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<String>,
}

/// The result of a cell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// What it is, and what is expected of it.
    #[serde(flatten)]
    pub planned: Planned,
    /// What its runs show.
    pub state: State,
    /// Why it was not tested, or is inconclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Runs that were made.
    pub made: u32,
    /// Of these, runs that tested it: the fault was injected and the run completed.
    pub tested: u32,
    /// Of these, runs on a machine that was not fit to measure: their times may be too long.
    pub unfit: u32,
    /// Product and version of the bus; empty without a run.
    pub product: String,
    /// What an acknowledgement means; empty without a run.
    pub durability: String,
    /// What it promises.
    pub pledge: Pledge,
    /// Events of all runs that tested it.
    pub due: u64,
    /// Of these, confirmed.
    pub acked: u64,
    /// Confirmed events that are gone, in all runs in which that is known; absent if it is known of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// Runs of which it is known how many confirmed events are gone.
    pub known: u32,
    /// Runs that lost some.
    pub losing: u32,
    /// Extra copies, in all runs in which that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<u64>,
    /// How long nothing was confirmed in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<Spread>,
    /// The longest stretch of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest: Option<Spread>,
    /// From the start of the fault until all was normal again, in the runs in which it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Spread>,
    /// Runs in which it was not, in the time that the fault gives it.
    pub not_recovered: u32,
    /// Runs that ended, or came to their next fault, too early after the last trouble to know.
    pub recovery_unknown: u32,
    /// Does it meet its expectation?
    pub judgement: Judgement,
    /// Was a promise of the acknowledgements broken?
    pub broken_promise: bool,
}

/// A median with its range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// Median.
    pub median_ns: u64,
    /// Smallest.
    pub least_ns: u64,
    /// Largest.
    pub most_ns: u64,
    /// Number of values.
    pub of: u32,
}

/// What the runs of a cell show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// No run has tested it.
    #[default]
    NotTested,
    /// It is not known of any run how many confirmed events are gone.
    Inconclusive,
    /// It has figures.
    Tested,
}

/// Does a cell meet its expectation?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// Nothing is expected.
    #[default]
    NotJudged,
    /// It holds in every run.
    Holds,
    /// It is not known of every run.
    Inconclusive,
    /// It does not hold.
    Broken,
}

choices! {
    State: NotTested, Inconclusive, Tested;
    Judgement: NotJudged, Holds, Inconclusive, Broken;
}
