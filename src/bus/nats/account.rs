//! The open events of a publisher: sent once each, or sent again until they are confirmed or their time is over.

use bytes::Bytes;

use super::wire;
use crate::bus::retry::{Retries, Terms};
use crate::bus::window::{Patience, Room, Sent, Ticket, Window};
use crate::bus::{Answer, Doubt, Tries};
use crate::plan::{self, Ns};

/// The open events.
pub(super) enum Account {
    /// Each is sent once.
    Once(Window<Waiting>),
    /// Each is sent until it is confirmed or its time is over.
    Again(Retries<Waiting>),
}

impl Account {
    pub(super) fn of(bus: &plan::Bus) -> Self {
        let timeout = bus.publish_timeout.ns;
        let once = || Window::new(Room::of(bus), Patience { room_ns: timeout, answer_ns: timeout });
        Terms::of(bus)
            .map_or_else(|| Self::Once(once()), |terms| Self::Again(Retries::new(Room::of(bus), terms)))
    }

    pub(super) fn admits(&self, bytes: u64) -> bool {
        match self {
            Self::Once(window) => window.admits(bytes),
            Self::Again(retries) => retries.admits(bytes),
        }
    }

    pub(super) fn waits(&self) -> bool {
        match self {
            Self::Once(window) => window.waits(),
            Self::Again(retries) => retries.waits(),
        }
    }

    pub(super) fn open(&self) -> usize {
        match self {
            Self::Once(window) => window.open(),
            Self::Again(retries) => retries.open(),
        }
    }

    /// Sends waiting events, as far as there is room.
    pub(super) fn dispatch(
        &mut self,
        now: Ns,
        send: impl FnMut(Ticket, &Waiting) -> Sent,
        closed: impl FnMut(u64, Answer, Tries),
    ) {
        match self {
            Self::Once(window) => window.dispatch(now, send, once(closed)),
            Self::Again(retries) => retries.dispatch(now, send, closed),
        }
    }

    /// Enters the answer to a message.
    pub(super) fn answer(
        &mut self,
        ticket: Ticket,
        at: Ns,
        answer: Answer,
        mut closed: impl FnMut(u64, Answer, Tries),
    ) {
        match self {
            Self::Once(window) => {
                if let Some(token) = window.answer(ticket) {
                    closed(token, answer, Tries::ONCE);
                }
            }
            Self::Again(retries) => retries.answer(ticket, at, answer, wire::may_pass(&answer), closed),
        }
    }

    /// Settles the events sent on a lost connection.
    pub(super) fn lost(&mut self, up_to: u64, closed: impl FnMut(u64, Answer, Tries)) {
        match self {
            Self::Once(window) => window.lost(up_to, once(closed)),
            Self::Again(retries) => retries.lost(up_to),
        }
    }

    /// Settles every event.
    pub(super) fn give_up(&mut self, doubt: Doubt, closed: impl FnMut(u64, Answer, Tries)) {
        match self {
            Self::Once(window) => window.give_up(doubt, once(closed)),
            Self::Again(retries) => retries.give_up(doubt, closed),
        }
    }

    /// Settles the events whose time is over; returns whether it looked at all of them.
    pub(super) fn expire(&mut self, now: Ns, closed: impl FnMut(u64, Answer, Tries)) -> bool {
        match self {
            Self::Once(window) => window.expire(now, once(closed)),
            Self::Again(retries) => {
                retries.turn(now, closed);
                false
            }
        }
    }

    /// Notes the number of messages that the socket has accepted.
    pub(super) fn written(&mut self, up_to: u64) {
        if let Self::Once(window) = self {
            window.written(up_to);
        }
    }

    pub(super) fn is_open(&self, ticket: Ticket) -> bool {
        matches!(self, Self::Once(window) if window.is_open(ticket))
    }
}

/// Reports events that were sent once at most.
fn once(mut closed: impl FnMut(u64, Answer, Tries)) -> impl FnMut(u64, Answer) {
    move |token, answer| closed(token, answer, Tries::ONCE)
}

/// An event that waits for room, or for its answer if it may be sent again.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Key of its subject.
    pub(super) key: usize,
    pub(super) id: Option<Bytes>,
    pub(super) payload: Bytes,
}
