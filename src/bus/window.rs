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
        Self { window, buffer: bus.buffer, bytes: bus.buffer_bytes.bytes }
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
    #[cfg(any(feature = "kafka", test))]
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Ns = 1_000_000;
    const NO_ANSWER: Answer = Answer::Unconfirmed(Doubt::NoAnswer);
    const DISCONNECTED: Answer = Answer::Unconfirmed(Doubt::Disconnected);
    const NOT_SENT: Answer = Answer::Refused(Refusal::NotSent);

    /// Far more bytes than the events of a test have.
    const PLENTY: u64 = 1 << 30;

    fn window(window: u32, buffer: u32, each_ms: u64) -> Window<u64> {
        bounded(Room { window, buffer, bytes: PLENTY }, each_ms)
    }

    fn bounded(room: Room, each_ms: u64) -> Window<u64> {
        Window::new(room, Patience { room_ns: each_ms * MS, answer_ns: each_ms * MS })
    }

    /// Of the event of a token.
    const fn bytes_of(token: u64) -> u64 {
        1 + token % 5
    }

    #[derive(Debug, Clone)]
    enum Step {
        Accept,
        Claim,
        Pump(usize),
        Answer(usize),
        Tick(Ns),
        Lose,
        GiveUp,
        Written(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => Just(Step::Accept),
            4 => Just(Step::Claim),
            4 => (0_usize..6).prop_map(Step::Pump),
            4 => (0_usize..64).prop_map(Step::Answer),
            2 => (0_u64..50_000_000).prop_map(Step::Tick),
            1 => Just(Step::Lose),
            1 => Just(Step::GiveUp),
            3 => (0_u64..9).prop_map(Step::Written),
        ]
    }

    proptest! {
        #[test]
        fn every_accepted_event_is_answered_exactly_once_and_what_never_left_as_not_sent(
            size in 1_u32..6, buffer in 0_u32..6, most in prop_oneof![Just(PLENTY), 0_u64..20],
            steps in proptest::collection::vec(step(), 1..300)
        ) {
            let mut account = bounded(Room { window: size, buffer, bytes: most }, 40);
            let mut sent: Vec<(Ticket, u64)> = Vec::new();
            let mut answered: Vec<(u64, Option<Answer>)> = Vec::new();
            // Of each event: when it was accepted, and when it left.
            let (mut accepted, mut left) = (Vec::new(), std::collections::BTreeMap::new());
            let (mut now, mut next, mut number) = (0, 0_u64, 0);
            // What the client holds, by number; and how much of it it has written.
            let (mut client, mut written) = (std::collections::BTreeMap::new(), 0_u64);
            account.written(0);
            for step in steps {
                match step {
                    Step::Accept if account.admits(bytes_of(next)) => {
                        account.accept(next, now, bytes_of(next), next);
                        accepted.push(now);
                        next += 1;
                    }
                    Step::Claim => {
                        if let Some(ticket) = account.claim(next, now, bytes_of(next)) {
                            sent.push((ticket, next));
                            left.insert(next, now);
                            accepted.push(now);
                            next += 1;
                        }
                    }
                    Step::Pump(room) => {
                        let before = sent.len();
                        let send = |ticket, &token: &u64| {
                            if token % 7 == 3 {
                                return Sent::Never(Refusal::NotSent);
                            }
                            if sent.len() >= before + room {
                                return Sent::NotYet;
                            }
                            sent.push((ticket, token));
                            left.insert(token, now);
                            number += 1;
                            client.insert(number, token);
                            Sent::As(number)
                        };
                        account.pump(now, send, |token, answer| answered.push((token, Some(answer))));
                    }
                    Step::Written(more) => {
                        written = number.min(written + more);
                        account.written(written);
                        client.retain(|&number, _| number > written);
                    }
                    // Answers come in any order, twice, and after time-outs.
                    Step::Answer(which) if !sent.is_empty() => {
                        let (ticket, token) = sent[which % sent.len()];
                        let open = account.is_open(ticket);
                        let answer = account.answer(ticket);
                        prop_assert_eq!(answer, open.then_some(token));
                        answered.extend(answer.map(|token| (token, None)));
                        prop_assert!(!account.is_open(ticket));
                    }
                    Step::Accept | Step::Answer(_) => {}
                    Step::Tick(ns) => {
                        now += ns;
                        let before = answered.len();
                        account.expire(now, |token, answer| answered.push((token, Some(answer))));
                        for (token, answer) in &answered[before..] {
                            let since = left.get(token).copied().unwrap_or(accepted[num::index(*token)]);
                            prop_assert!(now - since >= 40 * MS, "{token} {answer:?} before its time");
                        }
                    }
                    Step::Lose => account.lost(number, |token, answer| answered.push((token, Some(answer)))),
                    Step::GiveUp => {
                        account.give_up(Doubt::NoAnswer, |token, answer| answered.push((token, Some(answer))));
                    }
                }
                prop_assert!(account.open() <= num::index32(size + buffer));
                // What is open, and what the client holds of events that are not any more.
                let told: std::collections::BTreeSet<u64> = answered.iter().map(|(token, _)| *token).collect();
                let doubtful = answered.iter().filter(|told| matches!(told.1, Some(Answer::Unconfirmed(_))));
                let doubtful: std::collections::BTreeSet<u64> = doubtful.map(|(token, _)| *token).collect();
                let open: u64 = (0..next).filter(|token| !told.contains(token)).map(bytes_of).sum();
                let held: u64 = client.values().filter(|token| doubtful.contains(token)).map(|&token| bytes_of(token)).sum();
                prop_assert_eq!(account.bytes, open + held);
                prop_assert!(account.bytes <= most.max(5), "{} of {}", account.bytes, most);
                prop_assert_eq!(account.open() + answered.len(), num::index(next));
            }
            account.give_up(Doubt::NoAnswer, |token, answer| answered.push((token, Some(answer))));
            answered.sort_unstable_by_key(|(token, _)| *token);
            prop_assert!(answered.iter().map(|(token, _)| *token).eq(0..next));
            for (token, answer) in answered.iter().filter_map(|(token, answer)| Some((token, (*answer)?))) {
                prop_assert_eq!(answer == NOT_SENT, !left.contains_key(token), "{} {:?}", token, answer);
            }
            prop_assert_eq!(account.open(), 0);
        }
    }

    /// Sends whatever fits, numbered from `number` on.
    fn pump(account: &mut Window<u64>, now: Ns, number: &mut u64) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        let send = |ticket, _: &u64| {
            tickets.push(ticket);
            *number += 1;
            Sent::As(*number)
        };
        account.pump(now, send, |token, answer| unreachable!("{token} {answer:?}"));
        tickets
    }

    fn expired(account: &mut Window<u64>, now: Ns) -> Vec<(u64, Answer)> {
        let mut closed = Vec::new();
        assert!(account.expire(now, |token, answer| closed.push((token, answer))));
        closed
    }

    #[test]
    fn a_late_answer_does_not_close_the_next_event_of_its_slot() {
        let (mut account, mut number) = (window(1, 1, 20), 0);
        account.accept(7, 0, 1, 7);
        let first = pump(&mut account, 0, &mut number);
        assert_eq!(expired(&mut account, 30 * MS), [(7, NO_ANSWER)]);
        account.accept(8, 30 * MS, 1, 8);
        let second = pump(&mut account, 30 * MS, &mut number);
        assert_eq!(account.answer(first[0]), None);
        assert_eq!(account.answer(second[0]), Some(8));
    }

    #[test]
    fn the_time_for_an_answer_begins_when_an_event_leaves_the_buffer() {
        let (mut account, mut number) = (window(1, 2, 100), 0);
        account.accept(0, 0, 1, 0);
        account.accept(1, 60 * MS, 1, 1);
        account.accept(2, 60 * MS, 1, 2);
        assert_eq!(pump(&mut account, 60 * MS, &mut number).len(), 1, "the first one fills the window");
        assert_eq!(expired(&mut account, 100 * MS), [], "it left at 60");
        assert_eq!(expired(&mut account, 160 * MS), [(0, NO_ANSWER), (1, NOT_SENT), (2, NOT_SENT)]);
        account.accept(3, 160 * MS, 1, 3);
        account.accept(4, 170 * MS, 1, 4);
        let tickets = pump(&mut account, 170 * MS, &mut number);
        assert_eq!(account.answer(tickets[0]), Some(3));
        pump(&mut account, 260 * MS, &mut number);
        assert_eq!(expired(&mut account, 350 * MS), [], "just sent, though accepted long ago");
        assert_eq!(expired(&mut account, 360 * MS), [(4, NO_ANSWER)]);
    }

    #[test]
    fn bytes_are_bounded_with_what_the_client_still_holds() {
        let (mut account, mut number) = (bounded(Room { window: 2, buffer: 9, bytes: 10 }, 100), 0);
        assert!(account.admits(11), "one that is alone always fits");
        account.written(0);
        (0..3).for_each(|token| account.accept(token, 0, 3, token));
        assert_eq!((account.admits(2), account.admits(1)), (false, true));
        let tickets = pump(&mut account, 0, &mut number);
        assert_eq!(account.answer(tickets[0]), Some(0));
        assert_eq!((account.admits(5), account.admits(4)), (false, true));
        // One is given up, and is still in the client; one never left.
        assert_eq!(expired(&mut account, 100 * MS), [(1, NO_ANSWER), (2, NOT_SENT)]);
        assert_eq!((account.open(), account.admits(8), account.admits(7)), (0, false, true));
        account.written(number);
        assert!(account.admits(10));
    }

    #[test]
    fn what_is_given_up_is_told_by_whether_it_left() {
        let (mut account, mut number) = (window(2, 2, 100), 0);
        (0..4).for_each(|token| account.accept(token, 0, 1, token));
        pump(&mut account, 0, &mut number);
        let mut closed = Vec::new();
        account.give_up(Doubt::Disconnected, |token, answer| closed.push((token, answer)));
        assert_eq!(closed, [(0, DISCONNECTED), (1, DISCONNECTED), (2, NOT_SENT), (3, NOT_SENT)]);
    }

    #[test]
    fn a_connection_takes_what_left_on_it_and_nothing_else() {
        let (mut account, mut number) = (window(3, 3, 100), 0);
        (0..5).for_each(|token| account.accept(token, 0, 1, token));
        let tickets = pump(&mut account, 0, &mut number);
        assert_eq!(account.answer(tickets[1]), Some(1));
        let mut closed = Vec::new();
        account.lost(2, |token, answer| closed.push((token, answer)));
        assert_eq!(closed, [(0, DISCONNECTED)], "1 is answered, 2 leaves with the next connection");
        assert_eq!(account.answer(tickets[0]), None, "its answer came too late");
        let tickets = pump(&mut account, 0, &mut number);
        assert_eq!((tickets.len(), account.open()), (2, 3), "the window is free for those that waited");
    }
}
