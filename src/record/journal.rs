//! The journal: written by a run each second, so that a killed harness loses at most the last one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Broker, Environment, Mark, Phase, PhaseName, Row, Run};
use crate::plan::{Ns, Plan};

/// One line of `journal.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "line")]
#[expect(clippy::large_enum_variant, reason = "one line at a time is alive, and most are rows")]
pub enum Line {
    /// The first line: the run, its plan and its environment.
    Start {
        /// The record's schema.
        schema: String,
        /// The run's identity.
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
    /// A mark.
    Mark(Mark),
    /// Something on the surroundings of the run is about to be changed, and is to be undone. Written before it is done.
    Undo(Undo),
    /// A second of the load.
    Second(Rows),
    /// The record was written; the journal ends here.
    End,
}

/// What is to be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Undo {
    /// What is about to be done, to whom: `leader: kill of nats-2`.
    pub action: String,
    /// When this was entered.
    pub at_ns: Ns,
    /// When it is to be undone; absent for what ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ns: Option<Ns>,
}

/// A second of the run with its full distributions, for the recovery of a run and for its log of distributions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rows {
    /// The row.
    pub row: Row,
    /// V2 compressed histograms in base64 of the measure phase's events in this second: send lag, ack, service;
    /// empty where nothing was recorded.
    pub load: Vec<String>,
    /// The same for each group: latency.
    pub groups: Vec<String>,
    /// The measure phase's events in this second. Absent in the journal of an earlier version, whose distributions are
    /// those of the whole second, with warm-up events among them, and have no service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
}

/// Counts of the measure phase's events in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Measured {
    /// Slots of the schedule.
    pub intended: u64,
    /// Handed to the client.
    pub sent: u64,
    /// Confirmed.
    pub acked: u64,
}

impl Rows {
    /// Does it have distributions of the measure phase's events? For a second of an earlier version, only its
    /// row shows that.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        match self.measured {
            Some(_) => self.load.iter().chain(&self.groups).any(|text| !text.is_empty()),
            None => matches!(self.row.phase, PhaseName::Measure | PhaseName::Drain),
        }
    }
}
