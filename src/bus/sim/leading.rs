//! What the simulated world does where several servers share its work: changes of leaders, copies of the store, and the log of
//! what it was made to do.

use super::cluster::LeaderChange;
use super::faults::{Faults, How};
use super::truth::{Arrival, Disturbance, Disturbed, Handling};
use super::world::{Happening, World};
use crate::num;
use crate::plan::Ns;

/// A delivery that the server has no acknowledgement of yet. It holds a reference to its payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unacknowledged {
    pub(super) copy: u32,
    pub(super) attempt: u32,
    pub(super) member: u32,
    /// When it reaches the member.
    pub(super) arriving: Ns,
    /// When the acknowledgement reaches the server.
    pub(super) until: Ns,
}

/// What one copy of the store holds.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Positions, in their order once the copy is read.
    pub(super) positions: Vec<u64>,
    /// How many of them have been read.
    read: usize,
}

/// Returns everything that these faults do to all events at certain times.
pub(super) fn disturbances(faults: &Faults) -> Vec<Disturbance> {
    let outages = faults.outages.iter().map(|outage| Disturbance {
        what: Disturbed::Outage(outage.how),
        from: outage.time.from,
        until: outage.time.end(),
    });
    let changes = faults.leader_changes.iter().map(|change| Disturbance {
        what: Disturbed::Leader,
        from: change.at,
        until: change.at.saturating_add(change.unacked_again),
    });
    let still = faults.replicas.iter().filter_map(|replica| replica.still);
    let still =
        still.map(|still| Disturbance { what: Disturbed::Copy, from: still.from, until: still.end() });
    let losses = faults.forgets.iter().map(|loss| Disturbance {
        what: Disturbed::Power { last: loss.last },
        from: loss.at,
        until: loss.at,
    });
    outages.chain(changes).chain(still).chain(losses).collect()
}

impl World {
    /// Begins a disturbance: it enters the log, and a change of leaders is made.
    pub(super) fn disturb(&mut self, at: Ns, what: Disturbance) {
        self.truth.disturbances.push(what);
        match what.what {
            Disturbed::Leader => {
                let unacked_again = what.until.saturating_sub(what.from);
                self.change_leader(at, LeaderChange { at, unacked_again });
            }
            Disturbed::Power { last } => self.forget(at, last),
            Disturbed::Outage(_) | Disturbed::Copy | Disturbed::Member { .. } | Disturbed::Group { .. } => {}
        }
    }

    /// Returns how the server handles an event that arrives, and enters it in the log if there are outages.
    pub(super) fn handling(&mut self, at: Ns, event: u32) -> Handling {
        if self.faults.outages.is_empty() {
            return Handling::Taken;
        }
        let handling = if self.outage(at, How::Refuse).is_some() {
            Handling::Refused
        } else if self.outage(at, How::Unanswered { stored: false }).is_some() {
            Handling::Ignored
        } else {
            Handling::Taken
        };
        self.truth.arrivals.push(Arrival { at, event, handling });
        handling
    }

    /// Notes a delivery whose acknowledgement is on its way, for a leader that may have to deliver it again.
    pub(super) fn note_unacknowledged(&mut self, at: Ns, group: usize, delivery: Unacknowledged) {
        if !self.tracks() {
            return;
        }
        self.slots.retain(self.server.stored[num::index32(delivery.copy)].slot);
        self.groups[group].unacknowledged.push_back(delivery);
        // One that is acknowledged at this moment may not have reached its member yet.
        while let Some(first) = self.groups[group].unacknowledged.pop_front_if(|own| own.until < at) {
            self.slots.release(self.server.stored[num::index32(first.copy)].slot);
        }
    }

    /// Forgets a delivery whose acknowledgement was awaited. Returns whether it was.
    pub(super) fn forget_unacknowledged(&mut self, group: usize, copy: u32, attempt: u32) -> bool {
        let open = &mut self.groups[group].unacknowledged;
        let found = open.iter().position(|own| (own.copy, own.attempt) == (copy, attempt));
        let Some(found) = found.and_then(|found| open.remove(found)) else { return false };
        self.slots.release(self.server.stored[num::index32(found.copy)].slot);
        true
    }

    /// Delivers again what the members of each group had received, or were about to, without an acknowledgement having
    /// reached the server.
    fn change_leader(&mut self, at: Ns, change: LeaderChange) {
        let again = at.saturating_add(change.unacked_again);
        for group in 0..self.groups.len() {
            let all = std::mem::take(&mut self.groups[group].unacknowledged);
            for own in all {
                if own.until <= at {
                    self.groups[group].unacknowledged.push_back(own);
                    continue;
                }
                // The reference goes over to the next delivery.
                self.groups[group].owed += 1;
                let group = num::count32(group);
                self.foresee(again, Happening::Dispatch { copy: own.copy, group, attempt: own.attempt + 1 });
            }
        }
    }

    /// Sends what was stored at a position to every copy of the store.
    pub(super) fn copy_out(&mut self, at: Ns, copy: u32) {
        for replica in 0..self.faults.replicas.len() {
            if let Some(at) = self.faults.replicas[replica].takes_in(at) {
                self.foresee(at, Happening::Copied { copy, replica: num::count32(replica) });
            }
        }
    }

    /// A copy of the store takes in what was stored at a position.
    pub(super) fn copied(&mut self, copy: u32, replica: u32) {
        if self.is_forgotten(copy) {
            return;
        }
        if let Some(held) = self.server.replicas.get_mut(num::index32(replica)) {
            held.positions.push(u64::from(copy) + 1);
        }
    }

    /// Prepares the copies for being read from their starts.
    pub(super) fn open_copies(&mut self) {
        for held in &mut self.server.replicas {
            held.positions.sort_unstable();
            held.read = 0;
        }
    }

    /// Reads a copy on to a position, as (position, topic, symbol, payload). Returns whether its end is reached.
    pub(super) fn read_copy(
        &mut self,
        replica: usize,
        to: u64,
        mut sink: impl FnMut(u64, u32, u32, &[u8]),
    ) -> bool {
        let mut scratch = Vec::new();
        loop {
            let Some(held) = self.server.replicas.get_mut(replica) else { return true };
            let Some(&position) = held.positions.get(held.read) else { return true };
            if position > to {
                return false;
            }
            held.read += 1;
            let at = num::index(position - 1);
            let (Some(stored), Some(copy)) = (self.server.stored.get(at), self.truth.copies.get(at)) else {
                return true;
            };
            let payload = self.slots.payload(stored.slot);
            if copy.damaged {
                self.damage(payload, position, &mut scratch);
                sink(position, stored.topic, stored.symbol, &scratch);
            } else {
                sink(position, stored.topic, stored.symbol, payload);
            }
        }
    }

    /// Returns the positions that each copy of the store holds; `None` for one whose server is away.
    pub(super) fn held(&self) -> Vec<Option<Vec<u64>>> {
        let all = self.faults.replicas.iter().zip(&self.server.replicas);
        all.map(|(replica, held)| (!replica.away).then(|| held.positions.clone())).collect()
    }
}
