//! The publishing side of a plan that sends events again: the account that drivers use, on the simulated connection.

use super::truth::Outcome;
use super::world::{Happening, World};
use crate::bus::retry::Retries;
use crate::bus::window::{Sent, Ticket};
use crate::bus::{Answer, Doubt, Refusal, Tries};
use crate::num;
use crate::plan::Ns;

/// Time between two turns of a publisher with open events.
const TURN: Ns = 10_000_000;

/// An event, and where its payload is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queued {
    event: u32,
    slot: u32,
}

/// An event that has its answer.
type Closed = (u64, Answer, Tries);

impl World {
    /// Creates the account of a publisher, if its events are sent again.
    pub(super) fn prepare(&mut self, sender: usize) {
        let terms = self.terms.retry;
        self.senders[sender].retries = terms.map(|(room, terms)| Retries::new(room, terms));
    }

    /// Accepts an event, and sends it if there is room.
    pub(super) fn take_in(&mut self, now: Ns, sender: usize, event: u32, key: usize, slot: u32) {
        let bytes = u64::from(self.truth.events[num::index32(event)].bytes);
        if let Some(retries) = &mut self.senders[sender].retries {
            retries.accept(u64::from(event), key, now, bytes, Queued { event, slot });
        }
        // Until a copy leaves, no answer needs the ticket.
        self.lives[num::index32(event)].again = Some((slot, Ticket { slot: u32::MAX, generation: 0 }));
        self.turn(now, sender);
    }

    /// Settles the events whose time is over, and sends those that are ready.
    pub(super) fn turn(&mut self, at: Ns, sender: usize) {
        let down = self.is_down(at);
        let Some(retries) = &mut self.senders[sender].retries else { return };
        let (mut closed, mut leaving) = (Vec::new(), Vec::new());
        retries.turn(at, |token, answer, tries| closed.push((token, answer, tries)));
        if !down {
            let send = |ticket, queued: &Queued| {
                leaving.push((ticket, *queued));
                Sent::As(0)
            };
            retries.dispatch(at, send, |token, answer, tries| closed.push((token, answer, tries)));
        }
        let open = retries.open() > 0;
        self.settle(at, closed);
        for (ticket, Queued { event, slot }) in leaving {
            self.lives[num::index32(event)].again = Some((slot, ticket));
            self.truth.events[num::index32(event)].copies += 1;
            self.slots.retain(slot);
            self.depart(at, event, slot);
        }
        if open && !std::mem::replace(&mut self.senders[sender].turning, true) {
            self.foresee(at + TURN, Happening::Turn { sender: num::count32(sender) });
        }
    }

    /// Enters the answer to a copy of an event.
    pub(super) fn answered_copy(&mut self, at: Ns, event: u32, ticket: Ticket, answer: Answer) {
        let sender = num::index32(self.truth.events[num::index32(event)].publisher);
        let Some(retries) = &mut self.senders[sender].retries else { return };
        let mut closed = Vec::new();
        let passing = !matches!(answer, Answer::Stored { .. });
        retries.answer(ticket, at, answer, passing, |token, answer, tries| {
            closed.push((token, answer, tries));
        });
        self.settle(at, closed);
        self.turn(at, sender);
    }

    /// Gives up every open event of a publisher.
    pub(super) fn give_up(&mut self, at: Ns, sender: usize) {
        let Some(retries) = &mut self.senders[sender].retries else { return };
        let mut closed = Vec::new();
        retries.give_up(Doubt::NoAnswer, |token, answer, tries| closed.push((token, answer, tries)));
        self.settle(at, closed);
    }

    fn settle(&mut self, at: Ns, closed: Vec<Closed>) {
        for (token, answer, tries) in closed {
            let event = num::low32(token);
            if let Some((slot, _)) = self.lives[num::index32(event)].again {
                self.slots.release(slot);
            }
            self.truth.events[num::index32(event)].gave_up = tries.gave_up;
            let outcome = match answer {
                Answer::Stored { duplicate, .. } => Outcome::Acked(duplicate),
                Answer::Refused(Refusal::NotSent) => Outcome::NotSent,
                Answer::Refused(_) => Outcome::Refused,
                Answer::Unconfirmed(Doubt::Disconnected) => Outcome::Disconnected,
                Answer::Unconfirmed(_) => Outcome::Unconfirmed,
            };
            self.close(at, event, answer, outcome, tries);
        }
    }
}
