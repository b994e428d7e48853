//! The engine's events.

use crate::measure::Counters;
use crate::plan::Plan;
use crate::record::{Mark, Phase, PhaseName, Record, Rows, Undo};

/// An event that an observer may show or store.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The plan, before anything is started.
    Planned {
        /// The plan.
        plan: &'a Plan,
        /// Pattern of all subjects or topics that the run publishes to.
        subjects: &'a str,
    },
    /// A step before the load that may take a while.
    Note(&'a str),
    /// A warning to the user, before the load or after it.
    Warning(&'a str),
    /// Everything is connected and every group receives; the load is about to start. The record is complete
    /// except for figures and verdict.
    Ready(&'a Record),
    /// A phase begins.
    PhaseStarted {
        /// Its name.
        name: PhaseName,
        /// Its length, or the time to its deadline, in nanoseconds.
        length_ns: u64,
    },
    /// A phase ended.
    PhaseEnded(&'a Phase),
    /// The exact counters of the measure phase so far; comes before each second.
    SoFar(&'a Counters),
    /// A second is complete.
    Second(&'a Rows),
    /// A mark was recorded.
    Mark(&'a Mark),
    /// Something on the surroundings of the run is about to be changed: it is done once the observers have returned.
    Undo(&'a Undo),
}

/// Receives the engine's events.
pub trait Observer {
    /// Called on the engine's thread, off the measured paths; must return soon.
    fn event(&mut self, event: &Event<'_>);
}
