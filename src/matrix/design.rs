//! What a matrix is, before its first run: its cells, what is expected of each, and the order of the runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::trial::Trial;
use crate::compare::orders;
use crate::num;
use crate::plan::{Span, choices};

/// The cells of a matrix, and how they are run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Design {
    /// Runs of each cell.
    pub runs: u32,
    /// Seed of the order of the runs. Each round has events of its own, the same for all cells.
    pub seed: u64,
    /// Pause before each run.
    pub cool_down: Span,
    /// All cells: by configuration, then by fault.
    pub cells: Vec<Planned>,
}

/// A cell, as it was planned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Planned {
    /// Name of the configuration.
    pub configuration: String,
    /// Name of the fault.
    pub fault: String,
    /// What the fault is, in words: `kill of all`; empty for a cell without one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// Is the fault an emulation of a loss of power?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emulated: bool,
    /// What has to hold.
    pub expect: Expect,
    /// Why it is not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<String>,
}

/// What is expected of a cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// What the acknowledgements promise: that no confirmed event is lost, or nothing.
    #[default]
    Promise,
    /// No confirmed event is lost.
    Survives,
    /// No confirmed event is lost, and the bus is as before within the time that the fault gives it.
    Recovers,
    /// Confirmed events are lost in at least one run.
    Loses,
    /// Nothing.
    Any,
}

choices! {
    Expect: Promise, Survives, Recovers, Loses, Any;
}

/// The next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// Its number, from 1.
    pub number: u32,
    /// Its round, from 1.
    pub round: u32,
    /// Index of its cell.
    pub cell: usize,
}

impl Design {
    /// The cells that are run, by their index.
    fn run(&self) -> Vec<usize> {
        let cells = self.cells.iter().enumerate();
        cells.filter(|(_, cell)| cell.skip.is_none()).map(|(at, _)| at).collect()
    }

    /// A cell by its names.
    #[must_use]
    pub fn cell(&self, configuration: &str, fault: &str) -> Option<usize> {
        self.cells.iter().position(|cell| cell.configuration == configuration && cell.fault == fault)
    }
}

/// All runs in their order: rounds with one run of each cell, in blocks of two of which the second has the reverse order of the
/// first, drawn from the seed.
#[must_use]
pub fn turns(design: &Design) -> Vec<Next> {
    let cells = design.run();
    let mut all = Vec::new();
    for (round, order) in (1..).zip(orders(design.seed, cells.len(), design.runs)) {
        for cell in order.into_iter().filter_map(|at| cells.get(at)) {
            all.push(Next { number: num::count32(all.len()) + 1, round, cell: *cell });
        }
    }
    all
}

/// The run that follows those that were made; `None` when all were.
#[must_use]
pub fn next(design: &Design, made: &[Trial]) -> Option<Next> {
    turns(design).into_iter().nth(made.len())
}
