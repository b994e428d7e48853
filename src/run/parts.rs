//! What a record is made of, once a run is over.

use crate::measure::Pauses;
use crate::plan::Plan;
use crate::topology::Subscriptions;

use super::crew::Ended;
use super::receiver::Stored;
use super::shared::Calendar;

/// The plan, what the crew left behind, and what was seen of the broker and the machine.
pub(super) struct Parts<'a> {
    pub(super) plan: &'a Plan,
    pub(super) subscriptions: &'a Subscriptions,
    pub(super) ended: Ended,
    pub(super) audit: Option<Stored>,
    /// What may still come to each group, by the broker's account.
    pub(super) owed: Vec<u64>,
    pub(super) backlog_max: Vec<u64>,
    /// When the harness stood still.
    pub(super) pauses: Pauses,
    pub(super) calendar: Calendar,
}
