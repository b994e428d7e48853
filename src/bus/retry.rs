//! Events that a publisher sends again, with the same id, until the broker confirms them or their time is over.
//!
//! It neither sends nor reads a clock. Its laws:
//!
//! - Every accepted event is answered exactly once, at most [`Terms::lasts_ns`] after its acceptance and the next
//!   [`Retries::turn`].
//! - An event of which no copy left is answered [`Refusal::NotSent`]; one of which a copy may be stored,
//!   [`Answer::Unconfirmed`]; one whose copies were all refused, with the last refusal.
//! - Events of a lane leave one after another: the next one when the one before it has its answer. So the first copies of
//!   confirmed events are stored in the order of their acceptance, whatever is refused, unanswered or lost.
//! - All copies of an event have the same ticket, so a late answer to an early copy confirms the event.
//! - Refused events are not sent in a loop: each waits longer from copy to copy ([`pause`]), and while the broker confirms
//!   nothing, one of them is sent every [`PROBE`].
//! - Memory is bounded by the events that are open: the queues hold at most a multiple of their number.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::window::{Room, Sent, Ticket};
use super::{Answer, Doubt, Refusal, Tries};
use crate::num;
use crate::plan::{self, Ns, Publish, RetryOrder};

/// The first wait of a refused event, and the time between two probes of a broker that confirms nothing.
const PROBE: Ns = 50_000_000;
/// The longest wait of a refused event.
const LONGEST: Ns = 1_000_000_000;
/// Length up to which a queue may hold settled events.
const SLACK: usize = 64;

/// Returns how long an event waits after the refusal of its `copies`-th copy.
fn pause(copies: u32) -> Ns {
    PROBE.checked_shl(copies.saturating_sub(1).min(16)).map_or(LONGEST, |pause| pause.min(LONGEST))
}

/// How events are sent again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// Time from acceptance in which an event may be sent and confirmed.
    pub(super) lasts_ns: Ns,
    /// Time without an answer after which a copy is sent again.
    pub(super) after_ns: Ns,
    /// Which events wait for each other.
    pub(super) order: Order,
}

/// Which events wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// None.
    Free,
    /// Those of the same key.
    PerKey,
    /// All of them.
    Single,
}

impl Terms {
    /// Returns the terms of a plan; `None` if its events are sent once.
    pub(super) fn of(bus: &plan::Bus) -> Option<Self> {
        let order = match (bus.publish, bus.retry_order) {
            (Publish::Sync, _) => Order::Single,
            (_, RetryOrder::PerSymbol) => Order::PerKey,
            (_, RetryOrder::None) => Order::Free,
        };
        bus.retries().then_some(Self { lasts_ns: bus.retry.ns, after_ns: bus.retry_after.ns, order })
    }
}

/// Where an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Behind another event of its lane.
    Behind,
    /// It can be sent.
    Ready,
    /// Its last copy left.
    Sent,
    /// Refused; it is ready again after a pause.
    Paused,
}

#[derive(Debug)]
struct Event<P> {
    token: u64,
    accepted: Ns,
    bytes: u64,
    queued: P,
    lane: Option<usize>,
    /// The next event of its lane.
    next: Option<Ticket>,
    stage: Stage,
    /// Number of copies that left, and of those that may still be answered.
    copies: u32,
    open: u32,
    /// Number under which the last copy left.
    number: u64,
    /// A copy may be stored that will not be answered.
    doubt: Option<Doubt>,
    refusal: Option<Refusal>,
}

impl<P> Event<P> {
    /// Returns the answer to an event that is not confirmed; `doubt` if copies are without an answer.
    fn unanswered(&self, doubt: Doubt) -> Answer {
        match (self.copies, self.doubt, self.open) {
            (0, ..) => Answer::Refused(Refusal::NotSent),
            (_, Some(doubt), _) => Answer::Unconfirmed(doubt),
            (_, None, 1..) => Answer::Unconfirmed(doubt),
            (_, None, 0) => Answer::Refused(self.refusal.unwrap_or(Refusal::NotSent)),
        }
    }
}

#[derive(Debug)]
struct Slot<P> {
    generation: u32,
    event: Option<Event<P>>,
}

/// Open events; `P` is the data that each copy is sent from.
#[derive(Debug)]
pub(super) struct Retries<P> {
    terms: Terms,
    window: usize,
    most_open: usize,
    most_bytes: u64,
    slots: Vec<Slot<P>>,
    free: Vec<u32>,
    /// The last open event of each lane.
    tails: Vec<Option<Ticket>>,
    open: usize,
    under_way: usize,
    bytes: u64,
    /// In the order of acceptance.
    accepted: VecDeque<Ticket>,
    /// Ready events: those that wait for their second copy or were behind another, and new ones.
    again: VecDeque<Ticket>,
    fresh: VecDeque<Ticket>,
    /// Copies in the order in which they left: when, of which event, and which copy of it.
    sent: VecDeque<(Ns, Ticket, u32)>,
    /// Refused events by the end of their pause.
    paused: BinaryHeap<Reverse<(Ns, Ticket)>>,
    /// While the broker refuses and confirms nothing: when a refused event may be sent.
    probe: Option<Ns>,
}

impl<P> Retries<P> {
    /// Creates an empty account.
    pub(super) fn new(room: Room, terms: Terms) -> Self {
        let window = num::index32(room.window.max(1));
        Self {
            terms,
            window,
            most_open: window + num::index32(room.buffer),
            most_bytes: room.bytes,
            slots: Vec::new(),
            free: Vec::new(),
            tails: Vec::new(),
            open: 0,
            under_way: 0,
            bytes: 0,
            accepted: VecDeque::new(),
            again: VecDeque::new(),
            fresh: VecDeque::new(),
            sent: VecDeque::new(),
            paused: BinaryHeap::new(),
            probe: None,
        }
    }

    /// Returns whether there is room for one more event of `bytes` bytes. A single event always fits.
    pub(super) const fn admits(&self, bytes: u64) -> bool {
        self.open < self.most_open && (self.bytes + bytes <= self.most_bytes || self.open == 0)
    }

    /// Adds an event; the caller has checked [`Self::admits`] and calls [`Self::dispatch`] next.
    pub(super) fn accept(&mut self, token: u64, key: usize, now: Ns, bytes: u64, queued: P) {
        let lane = match self.terms.order {
            Order::Free => None,
            Order::PerKey => Some(key),
            Order::Single => Some(0),
        };
        let ticket = self.vacancy();
        let before = lane.and_then(|lane| {
            if self.tails.len() <= lane {
                self.tails.resize(lane + 1, None);
            }
            self.tails.get_mut(lane)?.replace(ticket)
        });
        let stage = if let Some(before) = before.and_then(|before| self.event(before)) {
            before.next = Some(ticket);
            Stage::Behind
        } else {
            self.fresh.push_back(ticket);
            Stage::Ready
        };
        let event = Event {
            token,
            accepted: now,
            bytes,
            queued,
            lane,
            next: None,
            stage,
            copies: 0,
            open: 0,
            number: 0,
            doubt: None,
            refusal: None,
        };
        if let Some(slot) = self.slots.get_mut(num::index32(ticket.slot)) {
            slot.event = Some(event);
        }
        self.accepted.push_back(ticket);
        self.open += 1;
        self.bytes += bytes;
    }

    fn vacancy(&mut self) -> Ticket {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, event: None });
            num::count32(self.slots.len() - 1)
        });
        let generation = self.slots.get(num::index32(slot)).map_or(0, |slot| slot.generation);
        Ticket { slot, generation }
    }

    fn event(&mut self, ticket: Ticket) -> Option<&mut Event<P>> {
        let slot = self.slots.get_mut(num::index32(ticket.slot))?;
        if slot.generation == ticket.generation { slot.event.as_mut() } else { None }
    }

    /// Returns whether an event is ready to be sent.
    pub(super) fn waits(&self) -> bool {
        !self.again.is_empty() || !self.fresh.is_empty()
    }

    /// Sends ready events while the window has room and `send` accepts them.
    pub(super) fn dispatch(
        &mut self,
        now: Ns,
        mut send: impl FnMut(Ticket, &P) -> Sent,
        mut closed: impl FnMut(u64, Answer, Tries),
    ) {
        while self.under_way < self.window {
            let old = !self.again.is_empty();
            let Some(&ticket) = self.again.front().or_else(|| self.fresh.front()) else { return };
            let result = match self.event(ticket).filter(|event| event.stage == Stage::Ready) {
                Some(event) => match send(ticket, &event.queued) {
                    Sent::NotYet => return,
                    Sent::Never(why) => Some(why),
                    Sent::As(number) => {
                        event.copies = event.copies.saturating_add(1);
                        event.open += 1;
                        (event.number, event.stage) = (number, Stage::Sent);
                        let copy = event.copies;
                        self.sent.push_back((now, ticket, copy));
                        self.under_way += 1;
                        None
                    }
                },
                None => None,
            };
            if old {
                self.again.pop_front()
            } else {
                self.fresh.pop_front()
            };
            if let Some(why) = result {
                self.refuse(ticket, why, &mut closed);
            }
        }
    }

    /// Enters the broker's answer to a copy. If the reason for an answer may pass, `passing`, the event is sent again
    /// unless its time is over.
    pub(super) fn answer(
        &mut self,
        ticket: Ticket,
        now: Ns,
        answer: Answer,
        passing: bool,
        mut closed: impl FnMut(u64, Answer, Tries),
    ) {
        let Some(event) = self.event(ticket) else { return };
        event.open = event.open.saturating_sub(1);
        match answer {
            Answer::Stored { .. } => {
                self.probe = None;
                self.settle(ticket, answer, false, &mut closed);
            }
            Answer::Refused(why) if passing => {
                event.refusal = Some(why);
                self.probe.get_or_insert(now.saturating_add(PROBE));
                self.pause(ticket, now);
            }
            Answer::Refused(why) => self.refuse(ticket, why, &mut closed),
            Answer::Unconfirmed(doubt) => {
                event.doubt = Some(doubt);
                self.pause(ticket, now);
            }
        }
    }

    /// Settles an event that can never be stored from now on; an earlier copy may be.
    fn refuse(&mut self, ticket: Ticket, why: Refusal, closed: &mut impl FnMut(u64, Answer, Tries)) {
        let Some(event) = self.event(ticket) else { return };
        event.refusal = Some(why);
        let answer = event.unanswered(Doubt::NoAnswer);
        self.settle(ticket, answer, false, closed);
    }

    /// Lets an event wait for its next copy, if its last one is under way.
    fn pause(&mut self, ticket: Ticket, now: Ns) {
        let Some(event) = self.event(ticket).filter(|event| event.stage == Stage::Sent) else { return };
        event.stage = Stage::Paused;
        let until = now.saturating_add(pause(event.copies));
        self.under_way -= 1;
        self.paused.push(Reverse((until, ticket)));
    }

    /// Settles the events whose time is over, and makes ready what is to be sent again by now.
    pub(super) fn turn(&mut self, now: Ns, mut closed: impl FnMut(u64, Answer, Tries)) {
        let Terms { lasts_ns, after_ns, .. } = self.terms;
        while let Some(&ticket) = self.accepted.front() {
            let answer = match self.event(ticket) {
                Some(event) if now.saturating_sub(event.accepted) < lasts_ns => break,
                Some(event) => Some(event.unanswered(Doubt::NoAnswer)),
                None => None,
            };
            self.accepted.pop_front();
            if let Some(answer) = answer {
                self.settle(ticket, answer, true, &mut closed);
            }
        }
        while let Some(&(left, ticket, copy)) = self.sent.front() {
            let last = self.event(ticket).filter(|event| event.stage == Stage::Sent && event.copies == copy);
            match last {
                Some(_) if now.saturating_sub(left) < after_ns => break,
                Some(event) => {
                    event.stage = Stage::Ready;
                    self.under_way -= 1;
                    self.again.push_back(ticket);
                }
                None => {}
            }
            self.sent.pop_front();
        }
        self.release(now);
        self.tidy();
    }

    /// Makes refused events ready whose pause is over.
    fn release(&mut self, now: Ns) {
        while let Some(&Reverse((until, ticket))) = self.paused.peek() {
            let probe = self.probe;
            let event = self.event(ticket).filter(|event| event.stage == Stage::Paused);
            if until > now || event.is_some() && probe.is_some_and(|probe| probe > now) {
                return;
            }
            if let Some(event) = event {
                event.stage = Stage::Ready;
                self.again.push_back(ticket);
                self.probe = probe.map(|_| now.saturating_add(PROBE));
            }
            self.paused.pop();
        }
    }

    /// Drops what the queues hold of settled events.
    fn tidy(&mut self) {
        let (slots, most) = (&self.slots, self.open * 2 + SLACK);
        let at = |ticket: &Ticket| {
            let slot = slots.get(num::index32(ticket.slot))?;
            slot.event.as_ref().filter(|_| slot.generation == ticket.generation)
        };
        for queue in [&mut self.accepted, &mut self.again, &mut self.fresh] {
            if queue.len() > most {
                queue.retain(|ticket| at(ticket).is_some());
            }
        }
        if self.sent.len() > most {
            let last = |event: &Event<P>, copy| event.stage == Stage::Sent && event.copies == copy;
            self.sent.retain(|(_, ticket, copy)| at(ticket).is_some_and(|event| last(event, *copy)));
        }
        if self.paused.len() > most {
            self.paused.retain(|Reverse((_, ticket))| at(ticket).is_some());
        }
    }

    /// Makes ready what left under a number up to this one: its connection is gone, and takes its answers with it.
    pub(super) fn lost(&mut self, up_to: u64) {
        for at in 0..self.accepted.len() {
            let Some(&ticket) = self.accepted.get(at) else { return };
            let Some(event) = self.event(ticket) else { continue };
            if event.open == 0 || event.number > up_to {
                continue;
            }
            (event.open, event.doubt) = (0, Some(Doubt::Disconnected));
            if event.stage == Stage::Sent {
                event.stage = Stage::Ready;
                self.under_way -= 1;
                self.again.push_back(ticket);
            }
        }
    }

    /// Closes and reports all events; copies without an answer are answered with `doubt`.
    pub(super) fn give_up(&mut self, doubt: Doubt, mut closed: impl FnMut(u64, Answer, Tries)) {
        while let Some(ticket) = self.accepted.pop_front() {
            if let Some(event) = self.event(ticket) {
                let answer = event.unanswered(doubt);
                self.settle(ticket, answer, false, &mut closed);
            }
        }
        self.tidy();
    }

    fn settle(
        &mut self,
        ticket: Ticket,
        answer: Answer,
        gave_up: bool,
        closed: &mut impl FnMut(u64, Answer, Tries),
    ) {
        let Some(slot) = self.slots.get_mut(num::index32(ticket.slot)) else { return };
        if slot.generation != ticket.generation {
            return;
        }
        let Some(event) = slot.event.take() else { return };
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(ticket.slot);
        self.open -= 1;
        self.bytes -= event.bytes;
        self.under_way -= usize::from(event.stage == Stage::Sent);
        self.leave(ticket, &event);
        closed(event.token, answer, Tries { copies: event.copies, gave_up });
    }

    /// Takes an event out of its lane: the next one is ready if this was the first.
    fn leave(&mut self, ticket: Ticket, event: &Event<P>) {
        if let Some(next) = event.next
            && let Some(after) = self.event(next)
        {
            after.stage = Stage::Ready;
            self.again.push_back(next);
        } else if let Some(tail) = event.lane.and_then(|lane| self.tails.get_mut(lane))
            && *tail == Some(ticket)
        {
            *tail = None;
        }
    }

    /// Returns the number of events accepted and not answered.
    pub(super) const fn open(&self) -> usize {
        self.open
    }
}

#[cfg(test)]
mod tests;
