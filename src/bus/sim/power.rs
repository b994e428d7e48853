//! A loss of power of the simulated servers: the events stored last are gone, acknowledged or not.

use super::world::{NOT_STORED, World};
use crate::num;
use crate::plan::Ns;

/// A loss of power. Groups keep the events delivered to them, and the servers are back at once; an outage is another fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forget {
    /// When.
    pub at: Ns,
    /// What was stored later than this before it is gone.
    pub last: Ns,
}

impl World {
    /// Removes the events stored last from the store, and from each of its copies. An event that is sent again is stored again.
    pub(super) fn forget(&mut self, at: Ns, last: Ns) {
        let kept = |stored: Ns| stored.saturating_add(last) <= at;
        for (position, copy) in self.truth.copies.iter_mut().enumerate().rev() {
            if kept(copy.stored) {
                break;
            }
            copy.forgotten = true;
            if let Some(event) = copy.event {
                let life = &mut self.lives[num::index32(event)];
                if life.copy == num::count32(position) {
                    life.copy = NOT_STORED;
                }
            }
        }
        for held in &mut self.server.replicas {
            held.positions.retain(|position| !self.truth.copies[num::index(position - 1)].forgotten);
        }
    }

    /// Has a loss of power taken this copy?
    pub(super) fn is_forgotten(&self, copy: u32) -> bool {
        self.truth.copies.get(num::index32(copy)).is_some_and(|copy| copy.forgotten)
    }
}
