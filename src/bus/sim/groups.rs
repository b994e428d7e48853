//! The receiving side of the simulated world: which member of a group gets which copy, how often, and when.

use std::collections::VecDeque;

use super::faults::{Death, Fault, How, Stretch};
use super::leading::Unacknowledged;
use super::truth::Delivered;
use super::world::{Happening, World};
use crate::bus::Handled;
use crate::num;
use crate::plan::{Delivery, Ns, Plan};
use crate::topology::TopicSet;

/// One consumer group.
#[derive(Debug)]
pub(super) struct GroupSide {
    subscribed: TopicSet,
    delivery: Delivery,
    pub(super) members: Vec<MemberSide>,
    /// Index of the next member, if members take turns.
    turn: usize,
    /// Copies waiting for a member, with their attempts.
    pub(super) backlog: VecDeque<(u32, u32)>,
    /// Number of copies taken without an acknowledgement.
    pub(super) taken: u64,
    /// Number of deliveries still to come, for whatever reason they are waiting.
    pub(super) owed: u64,
    /// Deliveries whose acknowledgements are on their way, where another leader may take over.
    pub(super) unacknowledged: VecDeque<Unacknowledged>,
}

#[derive(Debug)]
pub(super) struct MemberSide {
    pub(super) connected: bool,
    /// It takes what was sent to it, and ends then.
    pub(super) leaving: bool,
    dies_at: Ns,
    pub(super) last_arrival: Ns,
    pub(super) inbox: VecDeque<Incoming>,
}

/// A copy on its way to a member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Underway {
    copy: u32,
    group: u16,
    member: u16,
    attempt: u32,
    damaged: bool,
    /// When it left the server.
    left: Ns,
}

/// A copy that has reached a member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Incoming {
    pub(super) copy: u32,
    pub(super) received: Ns,
    /// When it reached the member's machine.
    pub(super) arrived: Ns,
    pub(super) attempt: u32,
    pub(super) damaged: bool,
    /// When it left the server.
    left: Ns,
    /// When its acknowledgement reaches the server.
    acknowledged: Ns,
}

impl MemberSide {
    /// Does it take what reaches it?
    const fn receives(&self, at: Ns) -> bool {
        self.connected && at < self.dies_at
    }

    /// Is anything sent to it?
    const fn lives(&self, at: Ns) -> bool {
        self.receives(at) && !self.leaving
    }
}

impl GroupSide {
    pub(super) fn of(plan: &Plan, deaths: &[Death]) -> Vec<Self> {
        let topics = &plan.topology.topics;
        let groups = plan.groups.iter().enumerate();
        groups
            .map(|(index, group)| {
                // An invalid pattern receives nothing; `profile` and the engine reject it first.
                let subscribed = TopicSet::of(group, topics).unwrap_or_default();
                let dies_at = |member: u32| {
                    let own = deaths.iter().filter(|death| death.group == index && death.member == member);
                    own.map(|death| death.at).min().unwrap_or(Ns::MAX)
                };
                let member = |member| MemberSide {
                    connected: false,
                    leaving: false,
                    dies_at: dies_at(member),
                    last_arrival: 0,
                    inbox: VecDeque::new(),
                };
                Self {
                    subscribed,
                    delivery: group.delivery,
                    members: (0..group.members).map(member).collect(),
                    turn: 0,
                    backlog: VecDeque::new(),
                    taken: 0,
                    owed: 0,
                    unacknowledged: VecDeque::new(),
                }
            })
            .collect()
    }

    pub(super) fn subscribes(&self, topic: u32) -> bool {
        self.subscribed.contains(num::index32(topic))
    }

    /// Chooses the member that gets an event of this symbol now.
    fn choose(&mut self, symbol: u32, at: Ns) -> Option<usize> {
        let members = self.members.len();
        match self.delivery {
            Delivery::Shared => {
                let turns = (0..members).map(|n| (self.turn + n) % members);
                let member = turns.into_iter().find(|&member| self.members[member].lives(at))?;
                self.turn = member + 1;
                Some(member)
            }
            Delivery::Partitioned => {
                let member = num::index32(symbol) % members.max(1);
                self.members.get(member).filter(|own| own.lives(at)).map(|_| member)
            }
            Delivery::Pinned => self.members.iter().position(|member| member.lives(at)),
        }
    }
}

impl World {
    /// Adds a member: copies that were waiting for one are sent to it.
    pub(super) fn join(&mut self, now: Ns, group: usize, member: u32) {
        self.advance(now);
        let own = &mut self.groups[group];
        if let Some(member) = own.members.get_mut(num::index32(member)) {
            member.connected = true;
        }
        self.send_waiting(self.now, group);
    }

    /// Sends a group the copies that were waiting for a member.
    pub(super) fn send_waiting(&mut self, at: Ns, group: usize) {
        for (copy, attempt) in std::mem::take(&mut self.groups[group].backlog) {
            self.dispatch(at, copy, group, attempt);
        }
    }

    /// A member is back.
    pub(super) fn back(&mut self, at: Ns, group: u32, member: u32) {
        let group = num::index32(group);
        if let Some(member) = self.groups[group].members.get_mut(num::index32(member)) {
            member.connected = true;
        }
        self.send_waiting(at, group);
    }

    /// Removes a member: copies it had not taken go to another one after the acknowledgement timeout.
    pub(super) fn leave(&mut self, now: Ns, group: usize, member: u32) {
        self.advance(now);
        let Some(own) = self.groups[group].members.get_mut(num::index32(member)) else { return };
        own.connected = false;
        for incoming in std::mem::take(&mut own.inbox) {
            self.forget_unacknowledged(group, incoming.copy, incoming.attempt);
            self.again(self.now, incoming.copy, group, incoming.attempt);
        }
    }

    /// Hands a copy to a group; the caller has retained its slot for this.
    pub(super) fn dispatch(&mut self, at: Ns, copy: u32, group: usize, attempt: u32) {
        if let Some(outage) = self.outage(at, How::Withhold) {
            let next = Happening::Dispatch { copy, group: num::count32(group), attempt };
            return self.foresee(outage.end(), next);
        }
        let stored = self.server.stored[num::index32(copy)];
        let own = &mut self.groups[group];
        if attempt > 1 {
            own.taken = own.taken.saturating_sub(1);
        }
        let Some(member) = own.choose(stored.symbol, at) else {
            own.backlog.push_back((copy, attempt));
            return;
        };
        let name = (num::count(group) << 40) | u64::from(copy);
        let event = self.truth.copies[num::index32(copy)].event;
        let first = attempt == 1 && !self.faults.mishaps.is_empty();
        if first && self.suffers(event, name, Fault::Undelivered) {
            self.groups[group].owed -= 1;
            return self.slots.release(stored.slot);
        }
        if first && self.suffers(event, name, Fault::AttemptLost) {
            return self.again(at, copy, group, attempt);
        }
        let draw = [name, 6 + (u64::from(attempt) << 8)];
        let due = at + self.faults.downlink.draw(self.random, draw, at);
        let link = &mut self.groups[group].members[member];
        link.last_arrival = link.last_arrival.max(due);
        let mut arriving = link.last_arrival;
        let mut damaged = false;
        if first {
            let late = |fault| if let Fault::DeliveredLate(by) = fault { Some(by) } else { None };
            arriving += self.mishap(event, name, late).unwrap_or(0);
            damaged = event.is_some() && self.suffers(event, name, Fault::DeliveredCorrupt);
        }
        if let Some(cut) = self.cut_between(at, arriving) {
            let again = cut.time.end().max(at + self.terms.ack_wait_ns);
            let next = Happening::Dispatch { copy, group: num::count32(group), attempt: attempt + 1 };
            return self.foresee(again, next);
        }
        let (in_group, in_member) = (num::low16(num::count(group)), num::low16(num::count(member)));
        let next = Underway { copy, group: in_group, member: in_member, attempt, damaged, left: at };
        self.foresee(arriving, Happening::Deliver(next));
        if first && self.suffers(event, name, Fault::DeliveredAgain) {
            self.slots.retain(stored.slot);
            self.groups[group].owed += 1;
            self.again(arriving, copy, group, attempt);
        } else {
            let until = self.acknowledged(arriving, copy, group, attempt);
            let member = num::count32(member);
            self.note_unacknowledged(at, group, Unacknowledged { copy, attempt, member, arriving, until });
        }
    }

    /// Returns when the server has the acknowledgement of a copy that arrives at a member.
    fn acknowledged(&self, arriving: Ns, copy: u32, group: usize, attempt: u32) -> Ns {
        let seen = Stretch::after(&self.host.stalls, arriving);
        let names = [(num::count(group) << 40) | u64::from(copy), 7 + (u64::from(attempt) << 8)];
        seen.saturating_add(self.faults.acknowledgement.draw(self.random, names, seen))
    }

    /// Schedules another delivery of a copy after the acknowledgement timeout.
    fn again(&mut self, at: Ns, copy: u32, group: usize, attempt: u32) {
        let next = Happening::Dispatch { copy, group: num::count32(group), attempt: attempt + 1 };
        self.foresee(at + self.terms.ack_wait_ns, next);
    }

    pub(super) fn deliver(&mut self, at: Ns, underway: Underway) {
        let Underway { copy, attempt, left, .. } = underway;
        let (group, member) = (usize::from(underway.group), usize::from(underway.member));
        if !self.groups[group].members[member].receives(at) {
            return self.missed(at, copy, group, attempt);
        }
        let seen = Stretch::after(&self.host.stalls, at);
        let received = seen.saturating_add_signed(self.host.clock_offset_ns);
        let damaged = underway.damaged || self.truth.copies[num::index32(copy)].damaged;
        let acknowledged = self.acknowledged(at, copy, group, attempt);
        let incoming = Incoming { copy, received, arrived: at, attempt, damaged, left, acknowledged };
        self.groups[group].members[member].inbox.push_back(incoming);
    }

    /// What reaches no member comes again after the acknowledgement timeout, unless it comes again already.
    fn missed(&mut self, at: Ns, copy: u32, group: usize, attempt: u32) {
        if !self.tracks() || self.forget_unacknowledged(group, copy, attempt) {
            return self.again(at, copy, group, attempt);
        }
        self.groups[group].owed -= 1;
        self.slots.release(self.server.stored[num::index32(copy)].slot);
    }

    /// Returns whether the member is dead now.
    pub(super) fn is_dead(&self, group: usize, member: u32) -> bool {
        self.groups[group].members.get(num::index32(member)).is_none_or(|member| member.dies_at <= self.now)
    }

    /// Hands a member the messages that have reached it, as (incoming, topic, symbol, payload); `stamp` gives the
    /// receive time.
    pub(super) fn hand_over(
        &mut self,
        group: usize,
        member: u32,
        stamp: impl Fn(Ns) -> Ns,
        mut sink: impl FnMut(&Incoming, u32, u32, &[u8]) -> Handled,
    ) -> usize {
        let Some(own) = self.groups[group].members.get_mut(num::index32(member)) else { return 0 };
        let mut inbox = std::mem::take(&mut own.inbox);
        let (mut scratch, mut refused) = (Vec::new(), Vec::new());
        for mut incoming in inbox.iter().copied() {
            incoming.received = stamp(incoming.received);
            let stored = self.server.stored[num::index32(incoming.copy)];
            let payload = self.slots.payload(stored.slot);
            let handling = if incoming.damaged {
                self.damage(payload, u64::from(incoming.copy) + 1, &mut scratch);
                sink(&incoming, stored.topic, stored.symbol, &scratch)
            } else {
                sink(&incoming, stored.topic, stored.symbol, payload)
            };
            match handling {
                Handled::Processed => self.slots.release(stored.slot),
                Handled::Refused(how) => refused.push((incoming.copy, incoming.attempt, how)),
            }
            let Incoming { copy, received, arrived, attempt, damaged, left, acknowledged } = incoming;
            self.truth.deliveries[group].push(Delivered {
                copy,
                member,
                received,
                arrived,
                attempt,
                damaged,
                left,
                acknowledged,
            });
        }
        let count = inbox.len();
        self.groups[group].owed -= num::count(count);
        inbox.clear();
        self.groups[group].members[num::index32(member)].inbox = inbox;
        self.groups[group].owed += num::count(refused.len());
        for (copy, attempt, how) in refused {
            self.refuse(copy, group, attempt, how);
        }
        count
    }

    /// Takes up to `events` copies of a group without acknowledging them; returns their number.
    pub(super) fn take_without_ack(&mut self, now: Ns, group: usize, events: usize) -> usize {
        self.advance(now);
        let mut taken = 0;
        while taken < events
            && let Some((copy, attempt)) = self.groups[group].backlog.pop_front()
        {
            self.again(self.now, copy, group, attempt);
            taken += 1;
        }
        self.groups[group].taken += num::count(taken);
        taken
    }
}
