//! What a run is given, and why it may not come to its load.

use std::path::PathBuf;
use std::time::Duration;

use crate::bus::BusError;
use crate::host::clock::Clock;
use crate::host::resources::Meter;
use crate::host::signal::Interrupt;
use crate::plan::Plan;
use crate::record;
use crate::topology::SubscriptionError;

use super::identity::Identity;

/// What a run is given beside its bus.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// Under which names.
    pub identity: &'a Identity,
    /// The run's clock; the bus has a copy of the same one.
    pub clock: Clock,
    /// What it may do beside its plan.
    pub options: &'a Options,
    /// Tells when somebody wants it to end.
    pub interrupt: &'a Interrupt,
}

/// Says why a broker is dead, if it is.
pub type Alive = Box<dyn Fn() -> Result<(), String> + Send>;

/// The broker's side of a run, as far as it can be seen from here.
#[derive(Default)]
pub struct Broker {
    /// Kind, mode and address; the rest is filled in from the bus.
    pub record: record::Broker,
    /// Reads what its processes or containers use, by name.
    pub meters: Vec<(String, Meter)>,
    /// Says why the broker is dead, where that can be seen; returns at once.
    pub alive: Option<Alive>,
    /// The log of a broker of our own.
    pub log: Option<PathBuf>,
}

impl Broker {
    /// Why it is dead, if it is and that can be seen.
    pub(super) fn death(&self) -> Option<String> {
        self.alive.as_ref()?().err()
    }
}

/// What a run may do beside its plan.
#[derive(Debug, Clone)]
pub struct Options {
    /// Leave streams and groups on the bus.
    pub keep: bool,
    /// Deadline for every group to be ready.
    pub ready_within: Duration,
    /// Deadline of the audit, to which comes a second for every 50,000 events in the store.
    pub audit_within: Duration,
    /// Where the broker's store is, for the record's file system.
    pub store: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keep: false,
            ready_within: Duration::from_secs(15),
            audit_within: Duration::from_mins(2),
            store: None,
        }
    }
}

/// Why a run never came to its load.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bus cannot be used.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A group does not receive.
    #[error(
        "not ready after {seconds} s: {silent} ({said}); check that the user may publish to the run's subjects, that \
         they reach the stream, and that nothing else consumes from this run's groups"
    )]
    NotReady {
        /// Who is silent.
        silent: String,
        /// The deadline.
        seconds: u64,
        /// What was said last, and by whom.
        said: String,
    },
    /// A broker of our own ended by itself.
    #[error("the broker died before the load started: {why}")]
    BrokerDied {
        /// How, and what it said.
        why: String,
    },
    /// Somebody ended it before there was anything to measure.
    #[error("interrupted before the load started; nothing was measured")]
    InterruptedBeforeLoad,
    /// A group's patterns are wrong; `profile` finds this first.
    #[error("group {group}: {problem}")]
    Topology {
        /// Which group.
        group: String,
        /// What is wrong.
        problem: String,
    },
    /// The machine gives no thread or no figures.
    #[error("this machine does not let tickgate work: {0}; raise the limits on threads and processes")]
    Machine(#[from] std::io::Error),
}

impl From<SubscriptionError> for RunError {
    fn from(error: SubscriptionError) -> Self {
        Self::Topology { group: error.group, problem: error.source.to_string() }
    }
}
