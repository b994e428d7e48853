//! The simulated server: one queue, one event at a time, and a store that only grows.

use std::collections::VecDeque;

use super::faults::{Fault, How, Stretch};
use super::leading::Held;
use super::truth::{Copy, Handling};
use super::world::{Happening, NOT_STORED, Reply, World};
use crate::num;
use crate::plan::Ns;

/// A stored event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    pub(super) slot: u32,
    pub(super) topic: u32,
    pub(super) symbol: u32,
}

#[derive(Debug, Default)]
pub(super) struct Server {
    free_at: Ns,
    /// Completion time of each queued event.
    queue: VecDeque<Ns>,
    pub(super) stored: Vec<Stored>,
    pub(super) stored_bytes: u64,
    /// Events that arrived since the server was stopped; `None` while it runs.
    pub(super) stopped: Option<Vec<(u32, u32)>>,
    /// What each copy of the store holds.
    pub(super) replicas: Vec<Held>,
}

impl Server {
    /// Creates an empty store with room for this many events, and its copies.
    pub(super) fn with_room(events: usize, replicas: usize) -> Self {
        let replicas = std::iter::repeat_with(Held::default).take(replicas).collect();
        Self { stored: Vec::with_capacity(events), replicas, ..Self::default() }
    }
}

impl World {
    /// Stops the server immediately or resumes it.
    pub(super) fn stop_server(&mut self, now: Ns, stop: bool) {
        self.advance(now);
        if stop {
            self.server.stopped.get_or_insert_default();
        } else {
            for (event, slot) in self.server.stopped.take().unwrap_or_default() {
                self.arrive(self.now, event, slot);
            }
        }
    }

    pub(super) fn arrive(&mut self, at: Ns, event: u32, slot: u32) {
        if let Some(held) = &mut self.server.stopped {
            held.push((event, slot));
            return;
        }
        match self.handling(at, event) {
            Handling::Refused => {
                self.reply(at, event, slot, Reply::Refused);
                return self.slots.release(slot);
            }
            Handling::Ignored => return self.slots.release(slot),
            Handling::Taken => {}
        }
        let copy = self.lives[num::index32(event)].copy;
        if self.terms.msg_id && copy != NOT_STORED {
            self.reply(at, event, slot, Reply::Stored { copy, duplicate: true });
            return self.slots.release(slot);
        }
        if self.lives[num::index32(event)].in_process {
            self.reply(at, event, slot, Reply::InProcess);
            return self.slots.release(slot);
        }
        let name = self.name(event);
        if self.suffers(Some(event), name, Fault::Refused) {
            self.reply(at, event, slot, Reply::Refused);
            return self.slots.release(slot);
        }
        if self.faults.queue != usize::MAX && !self.has_room(at) {
            self.reply(at, event, slot, Reply::Overload);
            return self.slots.release(slot);
        }
        if self.suffers(Some(event), name, Fault::Stranger) {
            self.strange(at, event, slot);
        }
        let done = self.serve(at, name);
        if done == at {
            self.store(at, event, slot, false);
        } else {
            self.lives[num::index32(event)].in_process = self.terms.retry.is_some() && self.terms.msg_id;
            self.foresee(done, Happening::Store { event, slot, again: false });
        }
    }

    fn has_room(&mut self, at: Ns) -> bool {
        while self.server.queue.front().is_some_and(|&done| done <= at) {
            self.server.queue.pop_front();
        }
        self.server.queue.len() < self.faults.queue
    }

    /// Returns when an event that arrives now is completed. A stall interrupts whatever it falls upon.
    fn serve(&mut self, at: Ns, name: u64) -> Ns {
        let start = Stretch::after(&self.faults.stalls, at.max(self.server.free_at));
        let mut done = start + self.faults.service.draw(self.random, [name, 2], start);
        for stall in &self.faults.stalls {
            if start < stall.from && stall.from < done {
                done += stall.length;
            }
        }
        self.server.free_at = done;
        if self.faults.queue != usize::MAX {
            self.server.queue.push_back(done);
        }
        done
    }

    pub(super) fn store(&mut self, at: Ns, event: u32, slot: u32, again: bool) {
        let name = self.name(event);
        self.lives[num::index32(event)].in_process = false;
        if !again && self.suffers(Some(event), name, Fault::Unstored) {
            self.reply(at, event, slot, Reply::Claimed);
            return self.slots.release(slot);
        }
        let of = self.truth.events[num::index32(event)];
        let copy = num::count32(self.server.stored.len());
        let damaged = self.suffers(Some(event), u64::from(copy), Fault::StoredCorrupt);
        self.truth.copies.push(Copy {
            event: Some(event),
            damaged,
            stored: at,
            forgotten: false,
            dead_letter: None,
        });
        self.lives[num::index32(event)].copy = copy;
        if !again {
            self.reply(at, event, slot, Reply::Stored { copy, duplicate: false });
            let twice = |fault| if let Fault::StoredTwice(after) = fault { Some(after) } else { None };
            if let Some(after) = self.mishap(Some(event), name, twice) {
                self.slots.retain(slot);
                self.foresee(at + after, Happening::Store { event, slot, again: true });
            }
        }
        self.append(at, Stored { slot, topic: of.topic, symbol: of.symbol });
    }

    /// Stores a payload at the next position and hands it to every group that subscribes to it.
    pub(super) fn append(&mut self, at: Ns, stored: Stored) {
        let copy = num::count32(self.server.stored.len());
        self.server.stored.push(stored);
        self.server.stored_bytes += num::count(self.slots.payload(stored.slot).len());
        self.copy_out(at, copy);
        for group in 0..self.groups.len() {
            if self.groups[group].subscribes(stored.topic) {
                self.slots.retain(stored.slot);
                self.groups[group].owed += 1;
                self.dispatch(at, copy, group, 1);
            }
        }
        if !self.terms.audit {
            self.slots.release(stored.slot);
        }
    }

    /// Publishes on an event's topic as a foreign client.
    fn strange(&mut self, at: Ns, event: u32, like: u32) {
        let of = self.truth.events[num::index32(event)];
        let payload = self.form.foreign(self.slots.payload(like), self.random.bits([u64::from(event), 3]));
        self.append_foreign(at, &payload, of.topic, of.symbol);
    }

    /// Stores an event that does not belong to this run.
    pub(super) fn append_foreign(&mut self, at: Ns, payload: &[u8], topic: u32, symbol: u32) {
        let slot = self.slots.keep(payload);
        self.truth.copies.push(Copy {
            event: None,
            damaged: false,
            stored: at,
            forgotten: false,
            dead_letter: None,
        });
        self.append(at, Stored { slot, topic, symbol });
    }

    /// Sends an answer to the publisher. If a cut takes it, a client that resends does so.
    fn reply(&mut self, at: Ns, event: u32, slot: u32, reply: Reply) {
        let name = self.name(event);
        let silent = self.outage(at, How::Unanswered { stored: true }).is_some();
        if silent || self.suffers(Some(event), name, Fault::AckLost) {
            return;
        }
        let due = at + self.faults.answer.draw(self.random, [name, 4], at);
        let own = &mut self.senders[num::index32(self.truth.events[num::index32(event)].publisher)];
        own.last_answer = own.last_answer.max(due);
        let arriving = own.last_answer;
        match self.cut_between(at, arriving) {
            None => self.foresee(arriving, Happening::Answered { event, reply }),
            Some(cut) if cut.resend => {
                self.slots.retain(slot);
                self.foresee(cut.time.end(), Happening::Depart { event, slot });
            }
            Some(_) => {}
        }
    }

    /// Reads everything stored in the order of positions, as (position, topic, symbol, payload).
    pub(super) fn read_back(&self, mut sink: impl FnMut(u64, &Stored, &[u8])) {
        let mut scratch = Vec::new();
        for ((position, stored), copy) in (1_u64..).zip(&self.server.stored).zip(&self.truth.copies) {
            if copy.forgotten {
                continue;
            }
            let payload = self.slots.payload(stored.slot);
            if copy.damaged {
                self.damage(payload, position, &mut scratch);
                sink(position, stored, &scratch);
            } else {
                sink(position, stored, payload);
            }
        }
    }

    /// Damages a payload anywhere except in its id.
    pub(super) fn damage(&self, payload: &[u8], name: u64, into: &mut Vec<u8>) {
        self.form.damage(payload, self.random.bits([name, 5]), into);
    }
}
