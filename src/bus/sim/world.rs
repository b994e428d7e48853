//! The simulated world: an agenda of future happenings, processed in time order, and the publishing side. The caller
//! sets the time; nothing here reads a clock.

use std::collections::{BTreeSet, VecDeque};

use super::agenda::Agenda;
use super::faults::{Cut, Delay, Fault, Faults, Stretch};
use super::groups::{GroupSide, Underway};
use super::leading::disturbances;
use super::poison::Limits;
use super::random::Random;
use super::retrying::Queued;
use super::server::Server;
use super::slots::Slots;
use super::truth::{Disturbance, Event, Outcome, Truth, intended_unix_ns};
use crate::bus::retry::{self, Retries};
use crate::bus::window::{Room, Ticket};
use crate::bus::{Ack, Answer, Doubt, Mark, Outgoing, Position, Refusal, Refused, Tries};
use crate::load;
use crate::market::Form;
use crate::num;
use crate::plan::{AckMode, Ns, Plan, Publish};

/// Maximum payload that the simulated server accepts, the same as `nats-server`'s.
pub(super) const MAX_PAYLOAD: usize = 1 << 20;
/// Marks an event without a copy in the store.
pub(super) const NOT_STORED: u32 = u32::MAX;
/// Maximum number of events for which the account reserves room in advance.
const RESERVED: u64 = 1 << 22;

/// Timing faults of the harness's own machine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Host {
    /// Delay with which a generator wakes for an event.
    pub late: Option<Delay>,
    /// When the whole harness stalls, since the start of the load; messages that arrive meanwhile are received at its end.
    pub stalls: Vec<Stretch>,
    /// Offset of the members' clock ahead of the generators' (negative: behind), in nanoseconds.
    pub clock_offset_ns: i64,
}

/// A scheduled happening.
#[derive(Debug, Clone, Copy)]
pub(super) enum Happening {
    /// A client resends an event.
    Depart {
        event: u32,
        slot: u32,
    },
    /// An event reaches the server.
    Arrive {
        event: u32,
        slot: u32,
    },
    /// The server completes an event and stores it.
    Store {
        event: u32,
        slot: u32,
        again: bool,
    },
    /// An answer reaches a publisher.
    Answered {
        event: u32,
        reply: Reply,
    },
    /// A publisher checks for events that have waited too long.
    Expire {
        sender: u32,
    },
    /// A publisher that sends events again looks after them.
    Turn {
        sender: u32,
    },
    /// The server hands a copy to a group.
    Dispatch {
        copy: u32,
        group: u32,
        attempt: u32,
    },
    /// A copy reaches a member.
    Deliver(Underway),
    /// The server gives up a copy that a group refuses.
    GiveUp {
        copy: u32,
        group: u32,
    },
    /// A copy of the store takes in what was stored at a position.
    Copied {
        copy: u32,
        replica: u32,
    },
    /// The bus begins to behave otherwise.
    Disturb(Disturbance),
    /// Connections are cut or restored.
    Connection {
        up: bool,
    },
    /// A member is gone until a time, and comes back.
    Away {
        group: u32,
        member: u32,
        until: Ns,
    },
    Back {
        group: u32,
        member: u32,
    },
    /// The members of a group are replaced, and others have taken their places.
    Renew {
        group: u32,
    },
    Renewed {
        group: u32,
    },
}

/// The server's reply to an event.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reply {
    Stored {
        copy: u32,
        duplicate: bool,
    },
    /// Confirmed without being stored.
    Claimed,
    Refused,
    Overload,
    /// Another copy of it is being stored.
    InProcess,
}

/// One publisher's connection and its client's queues.
#[derive(Debug, Default)]
pub(super) struct Sender {
    /// Number of events in the window.
    used: u32,
    /// Number of events accepted and not answered.
    pub(super) open: u32,
    /// Events waiting for room, with their payloads and deadlines.
    buffer: VecDeque<(Ns, u32, u32)>,
    /// Payload bytes of all open events.
    bytes: u64,
    /// Events in the window in the order in which they left, with the deadlines of their answers; answered ones are
    /// removed once they reach the front.
    left: VecDeque<(Ns, u32)>,
    armed: bool,
    last_arrival: Ns,
    pub(super) last_answer: Ns,
    pub(super) answers: Vec<Ack>,
    /// The open events of a plan that sends them again.
    pub(super) retries: Option<Retries<Queued>>,
    pub(super) turning: bool,
}

/// State of an event beyond its truth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    bytes: u32,
    buffered: bool,
    done: bool,
    pub(super) copy: u32,
    /// Of an event that may be sent again: where its payload is, and its ticket.
    pub(super) again: Option<(u32, Ticket)>,
    /// Whether a copy is being stored.
    pub(super) in_process: bool,
}

/// What the plan specifies for the bus.
#[derive(Debug)]
pub(super) struct Terms {
    window: u32,
    buffer: u32,
    buffer_bytes: u64,
    timeout_ns: Ns,
    pub(super) ack_wait_ns: Ns,
    pub(super) ack: AckMode,
    pub(super) msg_id: bool,
    pub(super) audit: bool,
    pub(super) retry: Option<(Room, retry::Terms)>,
    pub(super) limits: Limits,
    /// Whether an event keeps its place in the client until its answer is taken, as in a real client. In virtual time
    /// answers are taken late, which must not affect the figures.
    pub(super) places_until_taken: bool,
    symbols: usize,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Ns,
    pub(super) faults: Faults,
    pub(super) host: Host,
    pub(super) random: Random,
    pub(super) terms: Terms,
    /// Format of events, which determines how they are damaged.
    pub(super) form: Form,
    pub(super) agenda: Agenda,
    pub(super) slots: Slots,
    pub(super) senders: Vec<Sender>,
    pub(super) lives: Vec<Life>,
    pub(super) server: Server,
    pub(super) groups: Vec<GroupSide>,
    /// Events published so far, by topic and symbol.
    published: Vec<u32>,
    /// Copies that a group has given up, by group and copy.
    pub(super) given_up: BTreeSet<(usize, u32)>,
    pub(super) truth: Truth,
    pub(super) marks: Vec<Mark>,
}

impl World {
    /// Creates a world in which the times of faults count from `origin`.
    pub(super) fn new(plan: &Plan, faults: Faults, mut host: Host, seed: u64, origin: Ns) -> Self {
        let mut faults = faults.carried_out(origin);
        if plan.bus.ack == AckMode::None {
            faults.leader_changes.clear();
        }
        host.stalls.iter_mut().for_each(|stall| stall.from += origin);
        let window = if plan.bus.publish == Publish::Sync { 1 } else { plan.bus.window.max(1) };
        let totals = load::totals(&plan.load);
        let planned = totals.warmup_events.saturating_add(totals.measure_events);
        let room = num::index(planned.min(RESERVED));
        let mut world = Self {
            now: 0,
            groups: GroupSide::of(plan, &faults.deaths),
            host,
            random: Random::new(seed),
            terms: Terms {
                window,
                buffer: plan.bus.buffer,
                buffer_bytes: plan.bus.most_bytes(),
                timeout_ns: plan.bus.publish_timeout.ns,
                ack_wait_ns: plan.bus.nats.ack_wait.ns.max(1),
                ack: plan.bus.ack,
                msg_id: plan.bus.nats.msg_id,
                audit: plan.bus.audit || !plan.replays.is_empty(),
                retry: retry::Terms::of(&plan.bus).map(|terms| (Room::of(&plan.bus), terms)),
                limits: Limits::of(plan),
                places_until_taken: false,
                symbols: num::index32(plan.market.symbols),
            },
            form: Form::of(plan),
            agenda: Agenda::default(),
            slots: Slots::default(),
            senders: (0..plan.load.generators).map(|_| Sender::default()).collect(),
            lives: Vec::with_capacity(room),
            server: Server::with_room(room, faults.replicas.len()),
            published: vec![0; plan.keys().count()],
            given_up: BTreeSet::new(),
            truth: Truth::with_room(room, plan.groups.len()),
            marks: Vec::new(),
            faults,
        };
        for disturbance in disturbances(&world.faults) {
            world.foresee(disturbance.from, Happening::Disturb(disturbance));
        }
        world.foresee_absences();
        for cut in world.faults.cuts.clone() {
            world.foresee(cut.time.from, Happening::Connection { up: false });
            world.foresee(cut.time.end(), Happening::Connection { up: true });
        }
        world
    }

    pub(super) fn foresee(&mut self, at: Ns, what: Happening) {
        self.agenda.enter(at, what);
    }

    /// Returns the time of the next happening.
    pub(super) fn next(&self) -> Option<Ns> {
        self.agenda.next()
    }

    /// Processes everything that happens up to and including `now`.
    pub(super) fn advance(&mut self, now: Ns) {
        while let Some((at, what)) = self.agenda.take(now) {
            self.happen(at, what);
        }
        self.now = self.now.max(now);
    }

    fn happen(&mut self, at: Ns, what: Happening) {
        match what {
            Happening::Depart { event, slot } => self.depart(at, event, slot),
            Happening::Arrive { event, slot } => self.arrive(at, event, slot),
            Happening::Store { event, slot, again } => self.store(at, event, slot, again),
            Happening::Answered { event, reply } => self.answered(at, event, reply),
            Happening::Expire { sender } => self.expire(at, num::index32(sender)),
            Happening::Turn { sender } => {
                self.senders[num::index32(sender)].turning = false;
                self.turn(at, num::index32(sender));
            }
            Happening::Dispatch { copy, group, attempt } => {
                self.dispatch(at, copy, num::index32(group), attempt);
            }
            Happening::Deliver(underway) => self.deliver(at, underway),
            Happening::GiveUp { copy, group } => self.give_up_copy(at, copy, num::index32(group)),
            Happening::Copied { copy, replica } => self.copied(copy, replica),
            Happening::Disturb(what) => self.disturb(at, what),
            Happening::Connection { up } => self.connection(at, up),
            Happening::Away { group, member, until } => self.away(at, group, member, until),
            Happening::Back { group, member } => self.back(at, group, member),
            Happening::Renew { group } => self.renew(at, group),
            Happening::Renewed { group } => self.renewed(at, group),
        }
    }

    pub(super) fn mark(&mut self, at: Ns, up: bool) {
        let (kind, detail) = if up {
            ("connected", "all connections are back")
        } else {
            ("disconnected", "all connections are cut")
        };
        self.marks.push(Mark { at, kind, detail: detail.into() });
    }

    // The publishing side.

    pub(super) fn publish(&mut self, now: Ns, sender: u32, event: &Outgoing<'_>) -> Result<(), Refused> {
        self.advance(now);
        let now = self.now;
        let number = num::count32(self.truth.events.len());
        let key = event.topic * self.terms.symbols + num::index32(event.symbol);
        let sequence = self.published.get_mut(key).map_or(0, |count| {
            *count += 1;
            *count - 1
        });
        let bytes = num::count32(event.payload.len());
        let refused = if event.payload.len() > MAX_PAYLOAD {
            Some(Refused::TooLarge)
        } else {
            self.is_full(now, &self.senders[num::index32(sender)], bytes).then_some(Refused::Full)
        };
        self.truth.events.push(Event {
            publisher: sender,
            token: event.token,
            topic: num::count32(event.topic),
            symbol: event.symbol,
            bytes,
            sequence,
            intended_unix_ns: intended_unix_ns(event.id),
            sent: now,
            outcome: refused.map_or(Outcome::Open, Outcome::Unsent),
            copies: 0,
            gave_up: false,
            position: None,
            answered: 0,
            answer_arrived: 0,
        });
        self.lives.push(Life {
            bytes,
            buffered: false,
            done: refused.is_some(),
            copy: NOT_STORED,
            again: None,
            in_process: false,
        });
        if let Some(refused) = refused {
            return Err(refused);
        }
        let slot = self.slots.keep(event.payload);
        self.lives[num::index32(number)].buffered = true;
        let deadline = now + self.terms.timeout_ns;
        let own = &mut self.senders[num::index32(sender)];
        own.open += 1;
        own.bytes += u64::from(bytes);
        if self.terms.retry.is_some() {
            self.take_in(now, num::index32(sender), number, key, slot);
            return Ok(());
        }
        let own = &mut self.senders[num::index32(sender)];
        own.buffer.push_back((deadline, number, slot));
        self.arm(sender, deadline);
        self.refill(now, num::index32(sender));
        Ok(())
    }

    /// Returns whether a publisher has no room for an event of `bytes` bytes. Without a connection there is only the
    /// buffer. A single event always fits.
    fn is_full(&self, at: Ns, own: &Sender, bytes: u32) -> bool {
        if let Some(retries) = &own.retries {
            return !retries.admits(u64::from(bytes));
        }
        let Terms { window, buffer, buffer_bytes, .. } = self.terms;
        if own.bytes > 0 && own.bytes + u64::from(bytes) > buffer_bytes {
            return true;
        }
        let taken = if self.terms.places_until_taken { num::count32(own.answers.len()) } else { 0 };
        own.open.saturating_add(taken) >= window.saturating_add(buffer)
            || self.is_down(at) && num::count32(own.buffer.len()) >= buffer.max(1)
    }

    /// Schedules a check for events that have waited too long. Later events have later deadlines, so the first
    /// deadline is enough.
    fn arm(&mut self, sender: u32, deadline: Ns) {
        if !std::mem::replace(&mut self.senders[num::index32(sender)].armed, true) {
            self.foresee(deadline, Happening::Expire { sender });
        }
    }

    /// Sends an event to the server.
    pub(super) fn depart(&mut self, at: Ns, event: u32, slot: u32) {
        let cuts = self.faults.cuts.iter().map(|cut| cut.time);
        let start = cuts.fold(at, |at, cut| if cut.contains(at) { cut.end() } else { at });
        let name = self.name(event);
        let due = start + self.faults.uplink.draw(self.random, [name, 1], start);
        let own = &mut self.senders[num::index32(self.truth.events[num::index32(event)].publisher)];
        own.last_arrival = own.last_arrival.max(due);
        let mut arriving = own.last_arrival;
        if !self.faults.mishaps.is_empty() {
            let late = |fault| if let Fault::StoredLate(by) = fault { Some(by) } else { None };
            arriving += self.mishap(Some(event), name, late).unwrap_or(0);
            if self.suffers(Some(event), name, Fault::Dropped) {
                self.slots.release(slot);
                return;
            }
        }
        match self.cut_between(start, arriving) {
            None => self.foresee(arriving, Happening::Arrive { event, slot }),
            Some(cut) if cut.resend => self.foresee(cut.time.end(), Happening::Depart { event, slot }),
            Some(_) => self.slots.release(slot),
        }
    }

    /// Names the random draws of an event's copy.
    pub(super) fn name(&self, event: u32) -> u64 {
        let copies = self.truth.events[num::index32(event)].copies;
        u64::from(event) | u64::from(copies.saturating_sub(1)) << 40
    }

    fn answered(&mut self, at: Ns, event: u32, reply: Reply) {
        let position = |copy: u32| Position { partition: 0, offset: u64::from(copy) + 1 };
        let (answer, outcome) = match reply {
            Reply::Stored { copy, duplicate } => {
                (Answer::Stored { position: position(copy), duplicate }, Outcome::Acked(duplicate))
            }
            Reply::Claimed => {
                (Answer::Stored { position: position(NOT_STORED), duplicate: false }, Outcome::Acked(false))
            }
            Reply::Refused => (Answer::Refused(Refusal::Api(503)), Outcome::Refused),
            Reply::Overload => (Answer::Refused(Refusal::Overload), Outcome::Refused),
            Reply::InProcess => (Answer::Unconfirmed(Doubt::InProcess), Outcome::Unconfirmed),
        };
        match self.lives[num::index32(event)].again {
            Some((_, ticket)) => self.answered_copy(at, event, ticket, answer),
            None => self.close(at, event, answer, outcome, Tries::ONCE),
        }
    }

    /// Gives an event its one answer; later ones are ignored.
    pub(super) fn close(&mut self, at: Ns, event: u32, answer: Answer, outcome: Outcome, tries: Tries) {
        let life = &mut self.lives[num::index32(event)];
        if life.done {
            return;
        }
        life.done = true;
        let (in_window, bytes) = (!life.buffered, u64::from(life.bytes));
        let seen = Stretch::after(&self.host.stalls, at);
        let truth = &mut self.truth.events[num::index32(event)];
        truth.outcome = outcome;
        if let Answer::Stored { position, .. } = answer {
            truth.position = Some(position.offset);
        }
        truth.answered = seen;
        truth.answer_arrived = at;
        let sender = num::index32(truth.publisher);
        let own = &mut self.senders[sender];
        own.answers.push(Ack { token: truth.token, at: seen, outcome: answer, tries });
        own.open -= 1;
        own.bytes -= bytes;
        while own.left.front().is_some_and(|&(_, event)| self.lives[num::index32(event)].done) {
            own.left.pop_front();
        }
        if in_window {
            own.used -= 1;
            self.refill(at, sender);
        }
    }

    /// Moves waiting events into the window while there is a connection.
    fn refill(&mut self, at: Ns, sender: usize) {
        if self.is_down(at) {
            return;
        }
        while self.senders[sender].used < self.terms.window
            && let Some((_, event, slot)) = self.senders[sender].buffer.pop_front()
        {
            self.lives[num::index32(event)].buffered = false;
            let deadline = at + self.terms.timeout_ns;
            let own = &mut self.senders[sender];
            own.used += 1;
            own.left.push_back((deadline, event));
            self.arm(num::count32(sender), deadline);
            self.depart(at, event, slot);
        }
    }

    /// Returns whether the connection is down and the client knows it. A client that resends keeps accepting events
    /// meanwhile.
    pub(super) fn is_down(&self, at: Ns) -> bool {
        self.faults.cuts.iter().any(|cut| !cut.resend && cut.time.contains(at))
    }

    /// Ends or restores connections: a client that does not resend gives up its sent events, and sends the waiting
    /// ones on the next connection.
    fn connection(&mut self, at: Ns, up: bool) {
        self.mark(at, up);
        let ends = |cut: &Cut| !cut.resend && cut.time.from == at;
        if !up && self.faults.cuts.iter().any(ends) {
            self.disconnect(at);
        }
        if up {
            (0..self.senders.len()).for_each(|sender| self.refill(at, sender));
            (0..self.senders.len()).for_each(|sender| self.turn(at, sender));
        }
    }

    /// Ends every connection, and closes the unanswered events on it.
    pub(super) fn disconnect(&mut self, at: Ns) {
        for sender in 0..self.senders.len() {
            if let Some(retries) = &mut self.senders[sender].retries {
                retries.lost(u64::MAX);
            }
            for (_, event) in std::mem::take(&mut self.senders[sender].left) {
                self.close(
                    at,
                    event,
                    Answer::Unconfirmed(Doubt::Disconnected),
                    Outcome::Disconnected,
                    Tries::ONCE,
                );
            }
        }
    }

    fn expire(&mut self, at: Ns, sender: usize) {
        // Events waiting for room go first, so that closing the others sends none of them.
        while let Some(&(deadline, event, slot)) = self.senders[sender].buffer.front()
            && deadline <= at
        {
            self.senders[sender].buffer.pop_front();
            self.drop_unsent(at, event, slot);
        }
        while let Some(&(deadline, event)) = self.senders[sender].left.front()
            && deadline <= at
        {
            self.close(at, event, Answer::Unconfirmed(Doubt::NoAnswer), Outcome::Unconfirmed, Tries::ONCE);
        }
        let own = &mut self.senders[sender];
        own.armed = false;
        let waits = own.buffer.front().map(|&(deadline, ..)| deadline);
        let next = own.left.front().map(|&(deadline, _)| deadline).into_iter().chain(waits).min();
        if let Some(deadline) = next {
            self.arm(num::count32(sender), deadline);
        }
    }

    fn drop_unsent(&mut self, at: Ns, event: u32, slot: u32) {
        self.slots.release(slot);
        self.close(at, event, Answer::Refused(Refusal::NotSent), Outcome::NotSent, Tries::ONCE);
    }

    /// Gives up every open event of a publisher.
    pub(super) fn abandon(&mut self, now: Ns, sender: u32) {
        self.advance(now);
        let sender = num::index32(sender);
        self.give_up(self.now, sender);
        for (_, event, slot) in std::mem::take(&mut self.senders[sender].buffer) {
            self.drop_unsent(self.now, event, slot);
        }
        for (_, event) in std::mem::take(&mut self.senders[sender].left) {
            self.close(
                self.now,
                event,
                Answer::Unconfirmed(Doubt::NoAnswer),
                Outcome::Unconfirmed,
                Tries::ONCE,
            );
        }
    }
}
