//! The inputs of a run, and the errors that keep it from starting its load.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::{Asset, Links, Nodes, Shared};
use crate::bus::BusError;
use crate::host::clock::Clock;
use crate::host::resources::Meter;
use crate::host::signal::Interrupt;
use crate::plan::Plan;
use crate::record;
use crate::topology::SubscriptionError;

use super::identity::Identity;

/// The inputs of a run besides its bus.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The run's id and tag.
    pub identity: &'a Identity,
    /// The run's clock; the bus has a copy of it.
    pub clock: Clock,
    /// Options that are not part of the plan.
    pub options: &'a Options,
    /// Requests the end of the run.
    pub interrupt: &'a Interrupt,
}

/// Checks that a broker lives; the error says why it is dead.
pub type Alive = Box<dyn Fn() -> Result<(), String> + Send>;

/// Returns the nodes of a broker that have ended by themselves since the last call, while the broker lives; each as a
/// sentence. Returns at once.
pub type Died = Box<dyn Fn() -> Vec<String> + Send>;

/// Makes the leader of something step down, and returns the leaders before and after it; bounded in time. The error says why
/// the leader has not changed.
pub type StepDown = Box<dyn Fn(&Asset) -> Result<[String; 2], String> + Send + Sync>;

/// Proxies of tickgate's own between its clients and the servers of a broker that it did not start.
#[derive(Debug)]
pub struct Entrances {
    /// The proxies, one for each server.
    pub links: Arc<Links>,
    /// `host:port` of each server, in the same order.
    pub servers: Vec<String>,
}

/// What a run knows of its broker's processes.
#[derive(Default)]
pub struct Broker {
    /// Kind, mode and address; the bus fills in the rest.
    pub record: record::Broker,
    /// The meters of its processes or containers, by name.
    pub meters: Vec<(String, Meter)>,
    /// Checks that the broker lives, where possible; returns at once.
    pub alive: Option<Alive>,
    /// Nodes that end while the broker lives, where possible.
    pub died: Option<Died>,
    /// The logs of a broker that tickgate started, one for each node.
    pub logs: Vec<PathBuf>,
    /// The folder of its store on a disk of this machine, where that is known.
    pub store: Option<PathBuf>,
    /// The nodes of a broker that tickgate did not start, where they can be watched.
    pub nodes: Nodes,
    /// The server that faults act on: one of processes that tickgate started.
    pub server: Option<Shared>,
    /// Makes a leader step down, where that is possible.
    pub step_down: Option<StepDown>,
    /// Proxies between the clients and a broker that tickgate did not start, where faults need them.
    pub entrances: Option<Entrances>,
}

impl Broker {
    /// Why the broker is dead, if that can be determined.
    pub(super) fn death(&self) -> Option<String> {
        self.alive.as_ref()?().err()
    }

    /// The nodes that have ended since the last call.
    pub(super) fn died(&self) -> Vec<String> {
        self.died.as_ref().map_or_else(Vec::new, |died| died())
    }
}

/// Options of a run that are not part of its plan.
#[derive(Debug, Clone)]
pub struct Options {
    /// Leave streams and groups on the bus.
    pub keep: bool,
    /// Deadline for every group to be ready; four times as long on servers that tickgate has started.
    pub ready_within: Duration,
    /// Deadline of the audit, plus one second for every 50,000 events in the store.
    pub audit_within: Duration,
    /// The directory of the broker's store, whose file system the record names.
    pub store: Option<PathBuf>,
    /// End when every group is ready: send no load, and remove what was created.
    pub rehearsal: bool,
    /// End the load as soon as the run cannot pass any more.
    pub curtail: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keep: false,
            ready_within: Duration::from_secs(15),
            audit_within: Duration::from_mins(2),
            store: None,
            rehearsal: false,
            curtail: false,
        }
    }
}

/// Why a run did not start its load.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bus cannot be used.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A group does not receive.
    #[error(
        "not ready after {seconds} s: {silent} ({reason}); check that the user may publish to the run's subjects, that \
         they reach the stream, and that nothing else consumes from this run's groups; where the stream is of another \
         account, the user's account must import these subjects, too, and the API must be exported with \
         `response_type: stream`"
    )]
    NotReady {
        /// What is not ready.
        silent: String,
        /// The deadline.
        seconds: u64,
        /// The last reason given, and by which side.
        reason: String,
    },
    /// A broker that tickgate started exited.
    #[error("the broker died before the load started: {why}")]
    BrokerDied {
        /// Its exit status and last output.
        why: String,
    },
    /// The user interrupted before anything was measured.
    #[error("interrupted before the load started; nothing was measured")]
    InterruptedBeforeLoad,
    /// A group's patterns are invalid; `profile` finds this first.
    #[error("group {group}: {problem}")]
    Topology {
        /// The group.
        group: String,
        /// The error.
        problem: String,
    },
    /// A thread could not be started, or the machine's figures could not be read.
    #[error(
        "cannot start a thread or read the machine's figures: {0}; raise the limits on threads and processes"
    )]
    Machine(#[from] std::io::Error),
}

impl From<SubscriptionError> for RunError {
    fn from(error: SubscriptionError) -> Self {
        Self::Topology { group: error.group, problem: error.source.to_string() }
    }
}
