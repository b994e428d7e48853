//! The interface between the engine and the workers of a run, be they threads of this process or other
//! processes.

use std::sync::Arc;

use crate::measure::PublishLedger;

use super::generator::Generated;
use super::receiver::Received;
use super::shared::Calendar;

/// The publishers and receivers of a run. All are connected, and every group receives; no event of the load has
/// been sent. No method waits for a broker. The workers' reports of each second do not pass through this trait
/// but through the run's channel.
pub(super) trait Crew {
    /// Starts the load: the first event is due at the start of the calendar.
    fn start(&mut self, calendar: Calendar) -> std::io::Result<()>;

    /// Did a generator end early?
    fn lost_generator(&self) -> bool;

    /// Has every generator sent its last event and got its last answer?
    fn generators_done(&self) -> bool;

    /// Ends the load: events that are not due yet are not sent.
    fn stop_load(&mut self);

    /// Ends the generators, which give up their unanswered events, and returns the ledger of what was
    /// published; every group gets it too and counts what it is missing.
    fn end_generators(&mut self) -> Arc<PublishLedger>;

    /// Deliveries of any kind to all groups so far.
    fn deliveries(&self) -> u64;

    /// Events so far that groups could not process, each counted once for each group.
    fn refused(&self) -> u64;

    /// Confirmed events that each group has not received, in the plan's order; `u64::MAX` until that is known.
    fn missing(&self) -> Vec<u64>;

    /// Ends the members.
    fn stop_receiving(&mut self);

    /// Waits for all workers and returns their results.
    fn finish(&mut self) -> Ended;
}

/// The results of a crew.
#[derive(Default)]
pub(super) struct Ended {
    /// The ledger of all generators.
    pub(super) published: Arc<PublishLedger>,
    /// One for each generator that finished.
    pub(super) generated: Vec<Generated>,
    /// One for each group, in the plan's order; `None` where it did not finish.
    pub(super) received: Vec<Option<Received>>,
    /// The workers that ended early, and why.
    pub(super) dead: Vec<String>,
}
