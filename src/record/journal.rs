//! The journal: what a run writes each second, so that a killed harness loses at most the last one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Broker, Environment, Mark, Phase, Row, Run};
use crate::plan::Plan;

/// One line of `journal.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "line")]
#[expect(clippy::large_enum_variant, reason = "one line at a time is alive, and most are rows")]
pub enum Line {
    /// The first line: what was to happen, and where.
    Start {
        /// The record's schema.
        schema: String,
        /// Which run.
        run: Run,
        /// The plan.
        plan: Plan,
        /// The machine.
        environment: Environment,
        /// The bus.
        broker: Broker,
    },
    /// A phase ended.
    Phase(Phase),
    /// Something happened.
    Mark(Mark),
    /// A second went by.
    Second(Rows),
    /// The record was written; the journal ends here.
    End,
}

/// A second of the run with its whole distributions, for the recovery of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rows {
    /// The row.
    pub row: Row,
    /// V2 compressed histograms in base64 of this second: send lag, ack; empty where nothing was recorded.
    pub load: Vec<String>,
    /// The same for each group: latency.
    pub groups: Vec<String>,
}
