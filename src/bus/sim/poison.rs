//! What the simulated server does with an event that a member refuses: it delivers the event again, or gives it up and stores a copy
//! on the topic of the group's dead letters, once.

use super::server::Stored;
use super::truth::Copy;
use super::world::{Happening, World};
use crate::num;
use crate::plan::{Ns, Plan, Refuse};
use crate::topology::dead_letter_topic;

/// What the plan says of events that are refused.
#[derive(Debug)]
pub(super) struct Limits {
    /// The most deliveries of a copy to a group.
    most: u64,
    /// For each group, the topic of its dead letters; none without dead letters.
    topics: Vec<Option<u32>>,
    pub(super) dead_letters: bool,
}

impl Limits {
    pub(super) fn of(plan: &Plan) -> Self {
        let topic = |group: &crate::plan::Group| {
            let name = dead_letter_topic(&group.name);
            let found = plan.topology.topics.iter().position(|topic| *topic == name);
            found.filter(|_| plan.dead_letters()).map(num::count32)
        };
        Self {
            most: plan.bus.most_deliveries().unwrap_or(u64::MAX),
            topics: plan.groups.iter().map(topic).collect(),
            dead_letters: plan.dead_letters(),
        }
    }
}

impl World {
    /// A member has refused a copy; the caller keeps a reference to its payload, and a delivery owed, for what follows.
    pub(super) fn refuse(&mut self, copy: u32, group: usize, attempt: u32, how: Refuse) {
        let at = self.now;
        let later = if how == Refuse::Silent { at + self.terms.ack_wait_ns } else { at };
        let in_group = num::count32(group);
        if how == Refuse::Term || u64::from(attempt) >= self.terms.limits.most {
            self.foresee(later, Happening::GiveUp { copy, group: in_group });
        } else {
            self.foresee(later, Happening::Dispatch { copy, group: in_group, attempt: attempt + 1 });
        }
    }

    /// The server gives up a copy for a group.
    pub(super) fn give_up_copy(&mut self, at: Ns, copy: u32, group: usize) {
        self.groups[group].owed -= 1;
        let stored = self.server.stored[num::index32(copy)];
        let topic = self.terms.limits.topics.get(group).copied().flatten();
        let (Some(topic), true) = (topic, self.given_up.insert((group, copy))) else {
            return self.slots.release(stored.slot);
        };
        let of = self.truth.copies[num::index32(copy)];
        self.truth.copies.push(Copy { dead_letter: Some(num::count32(group)), stored: at, ..of });
        self.append(at, Stored { topic, ..stored });
    }
}
