//! Members that go and come back: one of them is gone for a while, or all of a group are replaced in order.

use super::faults::Stretch;
use super::truth::{Disturbance, Disturbed};
use super::world::{Happening, World};
use crate::num;
use crate::plan::{AckMode, Ns};

/// A member is gone for a while, as after a crash. Its acknowledgements under way are lost with its connection: what the server
/// has none of comes again after the acknowledgement timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absence {
    /// Its group, in the plan's order.
    pub group: usize,
    /// Index of the member.
    pub member: u32,
    /// When it is gone.
    pub time: Stretch,
}

/// All members of a group end in order, and others take their places: messages sent to them are taken and acknowledged, and nothing
/// more is sent until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// The group, in the plan's order.
    pub group: usize,
    /// Time since the start of the load.
    pub at: Ns,
}

impl World {
    /// Enters the absences and restarts in the agenda.
    pub(super) fn foresee_absences(&mut self) {
        for Absence { group, member, time } in self.faults.absences.clone() {
            self.foresee(
                time.from,
                Happening::Away { group: num::count32(group), member, until: time.end() },
            );
        }
        for Restart { group, at } in self.faults.restarts.clone() {
            self.foresee(at, Happening::Renew { group: num::count32(group) });
        }
    }

    /// Must deliveries be noted until their acknowledgements have reached the server?
    pub(super) const fn tracks(&self) -> bool {
        let may_repeat = !self.faults.leader_changes.is_empty() || !self.faults.absences.is_empty();
        !matches!(self.terms.ack, AckMode::None) && may_repeat
    }

    /// A member is gone: what it had received and the server has no acknowledgement of comes again. What is under way to it is
    /// missed when it would arrive.
    pub(super) fn away(&mut self, at: Ns, group: u32, member: u32, until: Ns) {
        let index = num::index32(group);
        let own = self.groups.get_mut(index).and_then(|side| side.members.get_mut(num::index32(member)));
        let Some(own) = own else { return };
        own.connected = false;
        let what = Disturbed::Member { group, member };
        self.truth.disturbances.push(Disturbance { what, from: at, until });
        let again = at.saturating_add(self.terms.ack_wait_ns);
        for open in std::mem::take(&mut self.groups[index].unacknowledged) {
            if open.member != member || open.until <= at || open.arriving >= at {
                self.groups[index].unacknowledged.push_back(open);
                continue;
            }
            // The reference goes over to the next delivery.
            self.groups[index].owed += 1;
            let next = Happening::Dispatch { copy: open.copy, group, attempt: open.attempt + 1 };
            self.foresee(again, next);
        }
        self.foresee(until, Happening::Back { group, member });
    }

    /// All members of a group end, once they have what was sent to them.
    pub(super) fn renew(&mut self, at: Ns, group: u32) {
        let Some(side) = self.groups.get_mut(num::index32(group)) else { return };
        let last = side.members.iter().map(|member| member.last_arrival).max().unwrap_or(0);
        side.members.iter_mut().for_each(|member| member.leaving = true);
        let until = last.max(at).saturating_add(1);
        let what = Disturbed::Group { group };
        self.truth.disturbances.push(Disturbance { what, from: at, until });
        self.foresee(until, Happening::Renewed { group });
    }

    /// Other members have taken their places.
    pub(super) fn renewed(&mut self, at: Ns, group: u32) {
        let Some(side) = self.groups.get_mut(num::index32(group)) else { return };
        side.members.iter_mut().for_each(|member| member.leaving = false);
        self.send_waiting(at, num::index32(group));
    }
}
