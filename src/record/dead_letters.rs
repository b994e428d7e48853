//! The account of events that a group has given up, and of their dead letters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The dead letters of one group. They are counted in the store, which the audit reads; without an audit all counts of the store
/// are 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetters {
    /// Name of the group.
    pub group: String,
    /// Events that the faults of the plan made poison for it, and that were confirmed or came to it.
    pub poison: u64,
    /// Of these, confirmed: what the seed of the plan and the account of publishing say, without any consumer.
    pub acked: u64,
    /// Of the poison events, those that came to the group.
    pub delivered: u64,
    /// Deliveries that its members refused.
    pub refused: u64,
    /// Events with a dead letter in the store.
    pub stored: u64,
    /// Poison events without one.
    pub missing: u64,
    /// Dead letters beyond the first of an event.
    pub duplicate: u64,
    /// Events with a dead letter that were not poison for the group.
    pub unexpected: u64,
    /// Dead letters that came to a group that subscribes their topic, each counted once for each group.
    pub received: u64,
}
