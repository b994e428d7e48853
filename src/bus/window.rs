//! The account of one generator's open events: a bounded window of sent ones, a bounded buffer of waiting ones.
//!
//! Pure bookkeeping: it neither sends nor reads a clock. Its law: every event that is accepted is answered
//! exactly once, whatever the order of answers, time-outs and give-ups; and an answer that comes too late
//! carries an old generation and is dropped.

use std::collections::VecDeque;

use crate::num;
use crate::plan::Ns;

/// Names one use of a slot; no two events ever have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    token: u64,
    accepted: Ns,
}

#[derive(Debug, Default, Clone, Copy)]
struct Slot {
    generation: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Waiting<P> {
    open: Open,
    parcel: P,
}

/// Open events whose unsent part is a `P`.
#[derive(Debug)]
pub(super) struct Window<P> {
    slots: Vec<Slot>,
    free: Vec<u32>,
    waiting: VecDeque<Waiting<P>>,
    buffer: usize,
    timeout: Ns,
    next_sweep: Ns,
}

impl<P> Window<P> {
    /// Time between two looks for events that have timed out.
    const SWEEP: Ns = 10_000_000;

    /// An empty account: at most `window` events sent and `buffer` more waiting; none is open for longer
    /// than about `timeout`.
    pub(super) fn new(window: u32, buffer: u32, timeout: Ns) -> Self {
        let window = window.max(1);
        Self {
            slots: vec![Slot::default(); num::index32(window)],
            free: (0..window).rev().collect(),
            waiting: VecDeque::new(),
            buffer: num::index32(buffer),
            timeout,
            next_sweep: 0,
        }
    }

    /// There is room for one more event.
    pub(super) fn admits(&self) -> bool {
        self.waiting.len() < self.buffer || (self.waiting.is_empty() && !self.free.is_empty())
    }

    /// Takes an event in; the caller has asked [`Self::admits`] and calls [`Self::pump`] next.
    pub(super) fn accept(&mut self, token: u64, now: Ns, parcel: P) {
        self.waiting.push_back(Waiting { open: Open { token, accepted: now }, parcel });
    }

    /// Takes in an event that can be sent at once, before any that waits: `None` where there is no free slot, or one
    /// waits already.
    #[cfg(any(feature = "kafka", test))]
    pub(super) fn claim(&mut self, token: u64, now: Ns) -> Option<Ticket> {
        if !self.waiting.is_empty() {
            return None;
        }
        let slot = *self.free.last()?;
        let entry = self.slots.get_mut(num::index32(slot))?;
        self.free.pop();
        entry.open = Some(Open { token, accepted: now });
        Some(Ticket { slot, generation: entry.generation })
    }

    /// Sends waiting events, oldest first, while there are free slots and `send` takes them.
    pub(super) fn pump(&mut self, mut send: impl FnMut(Ticket, &P) -> bool) {
        while let (Some(waiting), Some(&slot)) = (self.waiting.front(), self.free.last()) {
            let Some(entry) = self.slots.get_mut(num::index32(slot)) else { return };
            if !send(Ticket { slot, generation: entry.generation }, &waiting.parcel) {
                return;
            }
            entry.open = Some(waiting.open);
            self.free.pop();
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
        Some(open.token)
    }

    /// Closes what has been open for the timeout, and hands out its tokens.
    pub(super) fn expire(&mut self, now: Ns, mut unconfirmed: impl FnMut(u64)) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now.saturating_add(Self::SWEEP);
        let timeout = self.timeout;
        self.close(|open| now.saturating_sub(open.accepted) >= timeout, &mut unconfirmed);
    }

    /// Closes everything and hands out the tokens.
    pub(super) fn give_up(&mut self, mut unconfirmed: impl FnMut(u64)) {
        self.close(|_| true, &mut unconfirmed);
    }

    fn close(&mut self, due: impl Fn(&Open) -> bool, unconfirmed: &mut impl FnMut(u64)) {
        for (at, slot) in (0_u32..).zip(&mut self.slots) {
            if let Some(open) = slot.open.take_if(|open| due(open)) {
                slot.generation = slot.generation.wrapping_add(1);
                self.free.push(at);
                unconfirmed(open.token);
            }
        }
        while let Some(waiting) = self.waiting.pop_front_if(|w| due(&w.open)) {
            unconfirmed(waiting.open.token);
        }
    }

    /// Events accepted and not answered.
    pub(super) fn open(&self) -> usize {
        self.slots.len() - self.free.len() + self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Accept,
        Claim,
        Pump(usize),
        Answer(usize),
        Tick(Ns),
        GiveUp,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => Just(Step::Accept),
            4 => Just(Step::Claim),
            4 => (0_usize..6).prop_map(Step::Pump),
            4 => (0_usize..64).prop_map(Step::Answer),
            2 => (0_u64..50_000_000).prop_map(Step::Tick),
            1 => Just(Step::GiveUp),
        ]
    }

    proptest! {
        #[test]
        fn every_accepted_event_is_answered_exactly_once(
            window in 1_u32..6, buffer in 0_u32..6, steps in proptest::collection::vec(step(), 1..300)
        ) {
            let mut account = Window::new(window, buffer, 40_000_000);
            let mut sent: Vec<(Ticket, u64)> = Vec::new();
            let mut answered = Vec::new();
            let (mut now, mut next) = (0, 0_u64);
            for step in steps {
                match step {
                    Step::Accept if account.admits() => {
                        account.accept(next, now, next);
                        next += 1;
                    }
                    Step::Claim => {
                        if let Some(ticket) = account.claim(next, now) {
                            sent.push((ticket, next));
                            next += 1;
                        }
                    }
                    Step::Pump(room) => {
                        let before = sent.len();
                        account.pump(|ticket, &token| {
                            let taken = sent.len() < before + room;
                            if taken {
                                sent.push((ticket, token));
                            }
                            taken
                        });
                    }
                    // Answers come in any order, twice, and after time-outs.
                    Step::Answer(which) if !sent.is_empty() => {
                        let (ticket, token) = sent[which % sent.len()];
                        if let Some(answer) = account.answer(ticket) {
                            prop_assert_eq!(answer, token);
                            answered.push(answer);
                        }
                    }
                    Step::Accept | Step::Answer(_) => {}
                    Step::Tick(ns) => {
                        now += ns;
                        account.expire(now, |token| answered.push(token));
                    }
                    Step::GiveUp => account.give_up(|token| answered.push(token)),
                }
                prop_assert!(account.open() <= num::index32(window + buffer));
                prop_assert_eq!(account.open() + answered.len(), num::index(next));
            }
            account.give_up(|token| answered.push(token));
            answered.sort_unstable();
            prop_assert_eq!(answered, (0..next).collect::<Vec<_>>());
            prop_assert_eq!(account.open(), 0);
        }
    }

    #[test]
    fn a_late_answer_does_not_close_the_next_event_of_its_slot() {
        let mut account = Window::new(1, 1, 20_000_000);
        let mut tickets = Vec::new();
        account.accept(7, 0, ());
        account.pump(|ticket, ()| {
            tickets.push(ticket);
            true
        });
        let mut unconfirmed = Vec::new();
        account.expire(30_000_000, |token| unconfirmed.push(token));
        account.accept(8, 30_000_000, ());
        account.pump(|ticket, ()| {
            tickets.push(ticket);
            true
        });
        assert_eq!(unconfirmed, [7]);
        assert_eq!(account.answer(tickets[0]), None);
        assert_eq!(account.answer(tickets[1]), Some(8));
    }
}
