//! Bookkeeping of one generator's open events: a bounded window of sent ones, a bounded buffer of waiting ones, and a
//! limit on the bytes of both.
//!
//! It neither sends nor reads a clock. Its laws:
//!
//! - Every accepted event is answered exactly once, in whatever order answers, timeouts, lost connections and
//!   give-ups come.
//! - An event that never left is answered [`Refusal::NotSent`]; one that left without getting an answer,
//!   [`Answer::Unconfirmed`].
//! - A late answer has an old generation and is dropped.
//! - The byte count covers open events and given-up events that the client still holds, so that it bounds memory. A
//!   single event always fits.

use std::collections::VecDeque;

use super::{Answer, Doubt, Refusal};
use crate::num;
use crate::plan::{Bus, Ns, Publish};

/// Identifies one use of a slot; no two events ever share a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// Limits on what may be open at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Number of sent events.
    pub(super) window: u32,
    /// Number of waiting events.
    pub(super) buffer: u32,
    /// Bytes of both together.
    pub(super) bytes: u64,
}

impl Room {
    /// Returns the limits that a plan sets for each generator.
    pub(super) fn of(bus: &Bus) -> Self {
        let window = if bus.publish == Publish::Sync { 1 } else { bus.window.max(1) };
        Self { window, buffer: bus.buffer, bytes: bus.most_bytes() }
    }
}

/// Maximum time that an event may be open; the two add up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Time in the buffer, from acceptance.
    pub(super) room_ns: Ns,
    /// Time in the window, from leaving the buffer.
    pub(super) answer_ns: Ns,
}

/// Result of an attempt to send an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// It left under this number. Numbers increase; [`Window::lost`] closes all events up to a number.
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
    queued: P,
}

/// An event that was given up before the client wrote it.
#[derive(Debug, Clone, Copy)]
struct Held {
    number: u64,
    bytes: u64,
}

/// Open events; `P` is the data kept for an event until it is sent.
#[derive(Debug)]
pub(super) struct Window<P> {
    slots: Vec<Slot>,
    free: Vec<u32>,
    waiting: VecDeque<Waiting<P>>,
    buffer: usize,
    /// Bytes of open and held events together, and their limit.
    bytes: u64,
    most_bytes: u64,
    /// The client has written every event numbered up to this one.
    written: u64,
    held: Vec<Held>,
    patience: Patience,
    next_sweep: Ns,
}

impl<P> Window<P> {
    /// Time between two checks for timed-out events.
    const SWEEP: Ns = 10_000_000;

    /// Creates an empty account.
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

    /// Returns whether there is room for one more event of `bytes` bytes.
    pub(super) fn admits(&self, bytes: u64) -> bool {
        self.fits(bytes)
            && (self.waiting.len() < self.buffer || (self.waiting.is_empty() && !self.free.is_empty()))
    }

    const fn fits(&self, bytes: u64) -> bool {
        self.bytes + bytes <= self.most_bytes || self.bytes == 0
    }

    /// Adds an event; the caller has checked [`Self::admits`] and calls [`Self::dispatch`] next.
    pub(super) fn accept(&mut self, token: u64, now: Ns, bytes: u64, queued: P) {
        self.bytes += bytes;
        self.waiting.push_back(Waiting { token, accepted: now, bytes, queued });
    }

    /// Adds an event that can be sent immediately, bypassing the buffer. Returns `None` if no slot is free, its
    /// bytes do not fit, or an event is already waiting.
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

    /// Returns whether an event is waiting to be sent.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Sets the number under which a ticket's event left; a claimed event has none before.
    pub(super) fn number(&mut self, ticket: Ticket, number: u64) {
        let slot = self.slots.get_mut(num::index32(ticket.slot));
        if let Some(open) = slot.and_then(|slot| slot.open.as_mut()) {
            open.number = number;
        }
    }

    /// Sends waiting events, oldest first, while there are free slots and `send` accepts them. Their answer timeout
    /// starts now.
    pub(super) fn dispatch(
        &mut self,
        now: Ns,
        mut send: impl FnMut(Ticket, &P) -> Sent,
        mut closed: impl FnMut(u64, Answer),
    ) {
        while let (Some(waiting), Some(&slot)) = (self.waiting.front(), self.free.last()) {
            let Some(entry) = self.slots.get_mut(num::index32(slot)) else { return };
            let (token, bytes) = (waiting.token, waiting.bytes);
            match send(Ticket { slot, generation: entry.generation }, &waiting.queued) {
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

    /// Closes a ticket's event and returns its token; `None` if it is already closed.
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

    /// Returns whether a ticket's event is still waiting for its answer.
    pub(super) fn is_open(&self, ticket: Ticket) -> bool {
        let slot = self.slots.get(num::index32(ticket.slot));
        slot.is_some_and(|slot| slot.generation == ticket.generation && slot.open.is_some())
    }

    /// Closes and reports events that have waited too long for room or for an answer. Returns whether it checked.
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

    /// Records that the client has written all events up to this number and still holds later ones. If it is never
    /// called, given-up events do not count as held.
    pub(super) fn written(&mut self, up_to: u64) {
        self.written = up_to;
        let bytes = &mut self.bytes;
        self.held.retain(|held| {
            let gone = held.number <= up_to;
            *bytes -= if gone { held.bytes } else { 0 };
            !gone
        });
    }

    /// Closes unanswered events that left under a number up to this one: their connection is gone. Waiting events
    /// keep waiting.
    pub(super) fn lost(&mut self, up_to: u64, mut closed: impl FnMut(u64, Answer)) {
        self.close(|open| open.number <= up_to, Doubt::Disconnected, &mut closed);
    }

    /// Closes and reports all events; those that had left are answered with `doubt`.
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

    /// Returns the number of events accepted and not answered.
    pub(super) fn open(&self) -> usize {
        self.slots.len() - self.free.len() + self.waiting.len()
    }
}

#[cfg(test)]
mod tests;
