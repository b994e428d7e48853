//! What a matrix is, written before its first run: a matrix that is continued is held to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::task::Task;
use crate::archive::{self, Held, Lines, RunFolder, Schema};
use crate::cli::outside::clean;
use crate::cli::{Exit, Failure};
use crate::matrix::{Design, Trial, turns};
use crate::plan::Plan;

/// The file of a matrix's description.
pub(super) const BEGUN: &str = "begun.json";
/// The file of its runs, one a line.
const TRIALS: &str = "trials.jsonl";

/// The accepted schema of a `begun.json`.
const SCHEMA: Schema = Schema {
    family: "tickgate.matrix-begun",
    newest: 1,
    what: "description of a matrix",
    next: "it was truncated or changed after it was written: begin a new matrix",
};

/// A matrix, as it was before its first run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// `tickgate.matrix-begun/1`.
    pub(super) schema: String,
    /// Unique id.
    pub(super) id: String,
    /// The file, as the command line names it.
    pub(super) file: String,
    /// Overrides, in the syntax of `--set`.
    pub(super) sets: Vec<String>,
    /// Cells that were chosen.
    pub(super) only: Vec<String>,
    /// Version of tickgate.
    pub(super) tickgate: String,
    /// Tags of each run.
    pub(super) tags: BTreeMap<String, String>,
    /// Start, RFC 3339, UTC.
    pub(super) started: String,
    pub(super) design: Design,
    /// The plan of each cell that is run, and where its events go, without secrets.
    pub(super) cells: Vec<(String, Plan, String)>,
}

impl Begun {
    pub(super) fn schema() -> String {
        format!("{}/{}", SCHEMA.family, SCHEMA.newest)
    }

    /// The plans of a task's cells.
    pub(super) fn cells(task: &Task) -> Vec<(String, Plan, String)> {
        let cell = |ready: &super::task::Ready| (task.name(ready.at), ready.plan.clone(), ready.choice.bus());
        task.cells.iter().map(cell).collect()
    }

    /// The description of the matrix in a folder.
    pub(super) fn read(folder: &RunFolder) -> Result<Self, Failure> {
        let path = folder.file(BEGUN);
        if !path.is_file() {
            let text =
                format!("{} has no {BEGUN}: it is not the folder of a matrix", folder.path().display());
            return Err(Failure::usage(text));
        }
        archive::read_record(&path, SCHEMA).map_err(|error| Failure::environment(&error))
    }

    /// Writes it.
    pub(super) fn write(&self, folder: &RunFolder) -> Result<(), Failure> {
        let json =
            serde_json::to_string_pretty(&clean(self)?).map_err(|error| Failure::environment(&error))?;
        folder.write_whole(BEGUN, json.as_bytes()).map_err(|error| Failure::environment(&error))
    }

    /// Fails if this task would be another matrix.
    pub(super) fn continues(&self, task: &Task) -> Result<(), Failure> {
        let now = Self { cells: Self::cells(task), design: task.design.clone(), ..self.clone() };
        // As it was written.
        let now = clean(&now)?;
        let cells = self.cells.iter().zip(&now.cells);
        let differs = cells.filter(|(was, is)| was != is).map(|(was, _)| was.0.clone()).next();
        let differs = match differs {
            Some(cell) => format!("the plan or the bus of {cell} differs"),
            None if self.cells.len() != now.cells.len() || self.design != now.design => {
                "its cells, or what is expected of them, differ".to_owned()
            }
            None => return Ok(()),
        };
        Err(Failure::usage(format!(
            "this would be another matrix than the one in the folder: {differs}; restore {} as it was, or begin a new matrix \
             without --resume",
            self.file
        )))
    }
}

/// Opens the runs of a matrix for this process alone.
pub(super) fn trials(folder: &RunFolder, design: &Design) -> Result<(Lines, Held<Trial>), Failure> {
    let (lines, held) = folder
        .lines::<Trial>(TRIALS, "list of a matrix's runs")
        .map_err(|error| Failure::environment(&error))?;
    let turns = turns(design);
    let fits = |(at, trial): &(usize, &Trial)| {
        turns.get(*at).is_some_and(|next| {
            let cell = &design.cells[next.cell];
            trial.number == next.number
                && trial.configuration == cell.configuration
                && trial.fault == cell.fault
        })
    };
    match held.entries.iter().enumerate().find(|one| !fits(one)) {
        None => Ok((lines, held)),
        Some((at, trial)) => {
            let text = format!(
                "{}, line {}: run {} of {}/{} is not the one that was due; a matrix whose runs are not complete cannot be continued",
                folder.file(TRIALS).display(),
                at + 1,
                trial.number,
                trial.configuration,
                trial.fault
            );
            Err(Failure { exit: Exit::Environment, text })
        }
    }
}
