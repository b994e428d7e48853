//! The parts of which a record is assembled once a run is over.

use crate::measure::Pauses;
use crate::plan::Plan;
use crate::topology::Subscriptions;

use super::crew::Ended;
use super::receiver::Stored;
use super::replay::Replayed;
use super::rows::Backlogs;
use super::shared::Calendar;

/// The plan, the crew's results, and the observations of broker and machine.
pub(super) struct Parts<'a> {
    pub(super) plan: &'a Plan,
    pub(super) subscriptions: &'a Subscriptions,
    pub(super) ended: Ended,
    pub(super) audit: Option<Stored>,
    /// The replays, in the plan's order.
    pub(super) replayed: Vec<Replayed>,
    /// Events that may still reach each group, by the broker's account.
    pub(super) owed: Vec<u64>,
    pub(super) backlogs: Backlogs,
    /// The harness's own pauses.
    pub(super) pauses: Pauses,
    pub(super) calendar: Calendar,
}
