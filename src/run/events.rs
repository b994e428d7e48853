//! What the engine tells while it runs.

use crate::plan::Plan;
use crate::record::{Mark, Phase, PhaseName, Record, Rows};

/// Something that an observer may show or keep.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// What is going to be run, before anything is started.
    Planned {
        /// The plan.
        plan: &'a Plan,
        /// The subjects or topics that it will be sent to, all in one.
        subjects: &'a str,
    },
    /// What is being done before the load, where it may take a while.
    Note(&'a str),
    /// What the user should know, before the load or after it.
    Warning(&'a str),
    /// Everything is connected and every group has been seen to receive; the load is about to start. The record
    /// is complete but for figures and judgement.
    Ready(&'a Record),
    /// A phase begins, and is to last so many seconds at the most.
    PhaseStarted {
        /// Which.
        name: PhaseName,
        /// Its length or deadline, in nanoseconds.
        length_ns: u64,
    },
    /// A phase ended.
    PhaseEnded(&'a Phase),
    /// A second went by.
    Second(&'a Rows),
    /// Something happened.
    Mark(&'a Mark),
}

/// Somebody who is told.
pub trait Observer {
    /// Called on the engine's own thread, off the paths that are measured; must return soon.
    fn event(&mut self, event: &Event<'_>);
}
