//! The account of one generator's open events: a bounded window of sent ones, a bounded buffer of waiting ones, and a bound
//! of the bytes of both.
//!
//! Pure bookkeeping: it neither sends nor reads a clock. Its laws: every event that is accepted is answered exactly
//! once, whatever the order of answers, time-outs, lost connections and give-ups; one that never left is answered
//! [`Refusal::NotSent`], one that left and got no answer [`Answer::Unconfirmed`]; and an answer that comes too late
//! carries an old generation and is dropped. Bytes are those of open events, and of those that were given up while the
//! client still holds them, so that the account bounds what is in memory; an event that is alone always fits.

use std::collections::VecDeque;

use super::{Answer, Doubt, Refusal};
use crate::num;
use crate::plan::{Bus, Ns, Publish};

/// Names one use of a slot; no two events ever have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// What may be open at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Events sent.
    pub(super) window: u32,
    /// Events that wait.
    pub(super) buffer: u32,
    /// Bytes of both together.
    pub(super) bytes: u64,
}

impl Room {
    /// What a plan gives each generator.
    pub(super) fn of(bus: &Bus) -> Self {
        let window = if bus.publish == Publish::Sync { 1 } else { bus.window.max(1) };
        Self { window, buffer: bus.buffer, bytes: bus.most_bytes() }
    }
}

/// How long an event may be open; the two add up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// In the buffer, from acceptance on.
    pub(super) room_ns: Ns,
    /// In the window, from leaving the buffer on.
    pub(super) answer_ns: Ns,
}

/// What became of an event that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// It left. Numbers rise, and what has one up to [`Window::lost`]'s goes with its connection.
    As(u64),
    /// There is no room for it now.
    NotYet,
    /// It can never be sent.
    Never(Refusal),
}

#[derive(Debug, Clone, Copy)]
struct Open {
    token: u64,
    left: Ns,
    number: u64,
    bytes: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Slot {
    generation: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Waiting<P> {
    token: u64,
    accepted: Ns,
    bytes: u64,
    parcel: P,
}

/// An event that was given up before the client wrote it.
#[derive(Debug, Clone, Copy)]
struct Held {
    number: u64,
    bytes: u64,
}

/// Open events whose unsent part is a `P`.
#[derive(Debug)]
pub(super) struct Window<P> {
    slots: Vec<Slot>,
    free: Vec<u32>,
    waiting: VecDeque<Waiting<P>>,
    buffer: usize,
    /// What open events and held ones have together, and may have at the most.
    bytes: u64,
    most_bytes: u64,
    /// The client has written what has a number up to this one.
    written: u64,
    held: Vec<Held>,
    patience: Patience,
    next_sweep: Ns,
}

impl<P> Window<P> {
    /// Time between two looks for events that have timed out.
    const SWEEP: Ns = 10_000_000;

    /// An empty account.
    pub(super) fn new(room: Room, patience: Patience) -> Self {
        let window = room.window.max(1);
        Self {
            slots: vec![Slot::default(); num::index32(window)],
            free: (0..window).rev().collect(),
            waiting: VecDeque::new(),
            buffer: num::index32(room.buffer),
            bytes: 0,
            most_bytes: room.bytes,
            written: u64::MAX,
            held: Vec::new(),
            patience,
            next_sweep: 0,
        }
    }

    /// There is room for one more event, of so many bytes.
    pub(super) fn admits(&self, bytes: u64) -> bool {
        self.fits(bytes)
            && (self.waiting.len() < self.buffer || (self.waiting.is_empty() && !self.free.is_empty()))
    }

    const fn fits(&self, bytes: u64) -> bool {
        self.bytes + bytes <= self.most_bytes || self.bytes == 0
    }

    /// Takes an event in; the caller has asked [`Self::admits`] and calls [`Self::pump`] next.
    pub(super) fn accept(&mut self, token: u64, now: Ns, bytes: u64, parcel: P) {
        self.bytes += bytes;
        self.waiting.push_back(Waiting { token, accepted: now, bytes, parcel });
    }

    /// Takes in an event that can be sent at once, before any that waits: `None` where there is no free slot or no room for
    /// its bytes, or one waits already.
    pub(super) fn claim(&mut self, token: u64, now: Ns, bytes: u64) -> Option<Ticket> {
        if !self.waiting.is_empty() || !self.fits(bytes) {
            return None;
        }
        let slot = *self.free.last()?;
        let entry = self.slots.get_mut(num::index32(slot))?;
        self.free.pop();
        self.bytes += bytes;
        entry.open = Some(Open { token, left: now, number: 0, bytes });
        Some(Ticket { slot, generation: entry.generation })
    }

    /// Does an event wait to be sent?
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The event of a ticket left under a number; one that was claimed has none before.
    pub(super) fn number(&mut self, ticket: Ticket, number: u64) {
        let slot = self.slots.get_mut(num::index32(ticket.slot));
        if let Some(open) = slot.and_then(|slot| slot.open.as_mut()) {
            open.number = number;
        }
    }

    /// Sends waiting events, oldest first, while there are free slots and `send` takes them. Their time to be answered
    /// begins now.
    pub(super) fn pump(
        &mut self,
        now: Ns,
        mut send: impl FnMut(Ticket, &P) -> Sent,
        mut closed: impl FnMut(u64, Answer),
    ) {
        while let (Some(waiting), Some(&slot)) = (self.waiting.front(), self.free.last()) {
            let Some(entry) = self.slots.get_mut(num::index32(slot)) else { return };
            let (token, bytes) = (waiting.token, waiting.bytes);
            match send(Ticket { slot, generation: entry.generation }, &waiting.parcel) {
                Sent::As(number) => {
                    entry.open = Some(Open { token, left: now, number, bytes });
                    self.free.pop();
                }
                Sent::NotYet => return,
                Sent::Never(why) => {
                    self.bytes -= bytes;
                    closed(token, Answer::Refused(why));
                }
            }
            self.waiting.pop_front();
        }
    }

    /// Closes the event of a ticket and returns its token; `None` when it is closed already.
    pub(super) fn answer(&mut self, ticket: Ticket) -> Option<u64> {
        let slot = self.slots.get_mut(num::index32(ticket.slot))?;
        if slot.generation != ticket.generation {
            return None;
        }
        let open = slot.open.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(ticket.slot);
        self.bytes -= open.bytes;
        Some(open.token)
    }

    /// Does the event of a ticket still wait for its answer?
    pub(super) fn is_open(&self, ticket: Ticket) -> bool {
        let slot = self.slots.get(num::index32(ticket.slot));
        slot.is_some_and(|slot| slot.generation == ticket.generation && slot.open.is_some())
    }

    /// Closes what has waited too long, for room or for an answer, and hands it out. Says whether it looked.
    pub(super) fn expire(&mut self, now: Ns, mut closed: impl FnMut(u64, Answer)) -> bool {
        if now < self.next_sweep {
            return false;
        }
        self.next_sweep = now.saturating_add(Self::SWEEP);
        let Patience { room_ns, answer_ns } = self.patience;
        self.close(|open| now.saturating_sub(open.left) >= answer_ns, Doubt::NoAnswer, &mut closed);
        while let Some(waiting) =
            self.waiting.pop_front_if(|waiting| now.saturating_sub(waiting.accepted) >= room_ns)
        {
            self.bytes -= waiting.bytes;
            closed(waiting.token, Answer::Refused(Refusal::NotSent));
        }
        true
    }

    /// The client has written what left under a number up to this one, and holds the rest; a client that is never asked
    /// holds nothing that was given up.
    pub(super) fn written(&mut self, up_to: u64) {
        self.written = up_to;
        let bytes = &mut self.bytes;
        self.held.retain(|held| {
            let gone = held.number <= up_to;
            *bytes -= if gone { held.bytes } else { 0 };
            !gone
        });
    }

    /// Closes what left under a number up to this one and has no answer: its connection is gone. What waits goes on
    /// waiting.
    pub(super) fn lost(&mut self, up_to: u64, mut closed: impl FnMut(u64, Answer)) {
        self.close(|open| open.number <= up_to, Doubt::Disconnected, &mut closed);
    }

    /// Closes everything and hands it out; `doubt` is that of what had left.
    pub(super) fn give_up(&mut self, doubt: Doubt, mut closed: impl FnMut(u64, Answer)) {
        self.close(|_| true, doubt, &mut closed);
        for waiting in self.waiting.drain(..) {
            self.bytes -= waiting.bytes;
            closed(waiting.token, Answer::Refused(Refusal::NotSent));
        }
    }

    fn close(&mut self, due: impl Fn(&Open) -> bool, doubt: Doubt, closed: &mut impl FnMut(u64, Answer)) {
        for (at, slot) in (0_u32..).zip(&mut self.slots) {
            if let Some(open) = slot.open.take_if(|open| due(open)) {
                slot.generation = slot.generation.wrapping_add(1);
                self.free.push(at);
                if open.number <= self.written {
                    self.bytes -= open.bytes;
                } else {
                    self.held.push(Held { number: open.number, bytes: open.bytes });
                }
                closed(open.token, Answer::Unconfirmed(doubt));
            }
        }
    }

    /// Events accepted and not answered.
    pub(super) fn open(&self) -> usize {
        self.slots.len() - self.free.len() + self.waiting.len()
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
