//! What a member that has crashed leaves open: the account of the deliveries that the broker must make again.

use super::Position;
use crate::plan::Ns;

/// Deliveries that a member had handed over when it crashed, by their positions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Not acknowledged: the broker delivers them again.
    pub open: Vec<Position>,
    /// Acknowledged so shortly before the crash that the broker may not have read it.
    pub in_doubt: Vec<Position>,
    /// When the member received its last delivery; 0 if it had none.
    pub last: Ns,
}
