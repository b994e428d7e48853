//! The workers of a run as the engine sees them, whatever they are: threads of this process, or others.

use std::sync::Arc;

use crate::measure::PublishLedger;

use super::generator::Generated;
use super::receiver::Received;
use super::shared::Calendar;

/// Those who publish and receive in a run. Everybody is connected and every group receives; no event of the load has been
/// sent. Nothing here waits for a broker. What a worker reports each second comes by the run's channel, not through this.
pub(super) trait Crew {
    /// Starts the load: the first event is due at the calendar's start.
    fn start(&mut self, calendar: Calendar) -> std::io::Result<()>;

    /// Did a generator end before its time?
    fn lost_generator(&self) -> bool;

    /// Has every generator sent its last event, and had its last answer?
    fn generators_done(&self) -> bool;

    /// Ends the load: nothing that is not due yet is sent any more.
    fn stop_load(&mut self);

    /// Ends the generators, which give up what is unanswered, and gives what was published; every group is told, too, and
    /// counts what it is missing.
    fn end_generators(&mut self) -> Arc<PublishLedger>;

    /// Deliveries of any kind to all groups so far.
    fn deliveries(&self) -> u64;

    /// Confirmed events that each group has not received, in the plan's order; `u64::MAX` until that is known.
    fn missing(&self) -> Vec<u64>;

    /// Tells the members to end.
    fn stop_receiving(&mut self);

    /// Waits for everybody, and gives what they left behind.
    fn finish(&mut self) -> Ended;
}

/// What a crew left behind.
#[derive(Default)]
pub(super) struct Ended {
    /// What was published, by all generators.
    pub(super) published: Arc<PublishLedger>,
    /// Of each generator that came to its end.
    pub(super) generated: Vec<Generated>,
    /// Of each group, in the plan's order; `None` where it did not come to its end.
    pub(super) received: Vec<Option<Received>>,
    /// Who ended before their time, and why.
    pub(super) dead: Vec<String>,
}
