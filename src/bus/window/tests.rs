//! Property tests of the window's laws, and examples.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const MS: Ns = 1_000_000;
const NO_ANSWER: Answer = Answer::Unconfirmed(Doubt::NoAnswer);
const DISCONNECTED: Answer = Answer::Unconfirmed(Doubt::Disconnected);
const NOT_SENT: Answer = Answer::Refused(Refusal::NotSent);

/// Far more bytes than the events of any test need.
const PLENTY: u64 = 1 << 30;

fn window(window: u32, buffer: u32, each_ms: u64) -> Window<u64> {
    bounded(Room { window, buffer, bytes: PLENTY }, each_ms)
}

fn bounded(room: Room, each_ms: u64) -> Window<u64> {
    Window::new(room, Patience { room_ns: each_ms * MS, answer_ns: each_ms * MS })
}

/// Returns the size of a token's event.
const fn bytes_of(token: u64) -> u64 {
    1 + token % 5
}

#[derive(Debug, Clone)]
enum Step {
    Accept,
    Claim,
    Dispatch(usize),
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
        4 => (0_usize..6).prop_map(Step::Dispatch),
        4 => (0_usize..64).prop_map(Step::Answer),
        2 => (0_u64..50_000_000).prop_map(Step::Tick),
        1 => Just(Step::Lose),
        1 => Just(Step::GiveUp),
        3 => (0_u64..9).prop_map(Step::Written),
    ]
}

fn answered_once_by_whether_it_left(
    mut answered: Vec<(u64, Option<Answer>)>,
    left: &BTreeMap<u64, Ns>,
    next: u64,
) -> Result<(), TestCaseError> {
    answered.sort_unstable_by_key(|(token, _)| *token);
    prop_assert!(answered.iter().map(|(token, _)| *token).eq(0..next));
    for (token, answer) in answered.iter().filter_map(|(token, answer)| Some((token, (*answer)?))) {
        prop_assert_eq!(answer == NOT_SENT, !left.contains_key(token), "{} {:?}", token, answer);
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_accepted_event_is_answered_exactly_once_and_what_never_left_as_not_sent(
        size in 1_u32..6, buffer in 0_u32..6, steps in proptest::collection::vec(step(), 1..300)
    ) {
        let mut account = window(size, buffer, 40);
        let (mut sent, mut answered) = (Vec::<(Ticket, u64)>::new(), Vec::<(u64, Option<Answer>)>::new());
        // For each event: when it was accepted, and when it left.
        let (mut accepted, mut left) = (Vec::new(), BTreeMap::new());
        let (mut now, mut next, mut number) = (0, 0_u64, 0);
        for step in steps {
            match step {
                Step::Accept if account.admits(1) => {
                    account.accept(next, now, 1, next);
                    accepted.push(now);
                    next += 1;
                }
                Step::Claim => {
                    if let Some(ticket) = account.claim(next, now, 1) {
                        sent.push((ticket, next));
                        left.insert(next, now);
                        accepted.push(now);
                        next += 1;
                    }
                }
                Step::Dispatch(room) => {
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
                        Sent::As(number)
                    };
                    account.dispatch(now, send, |token, answer| answered.push((token, Some(answer))));
                }
                // Answers come in any order, twice, and after timeouts.
                Step::Answer(which) if !sent.is_empty() => {
                    let (ticket, token) = sent[which % sent.len()];
                    let (open, answer) = (account.is_open(ticket), account.answer(ticket));
                    prop_assert_eq!(answer, open.then_some(token));
                    answered.extend(answer.map(|token| (token, None)));
                    prop_assert!(!account.is_open(ticket));
                }
                Step::Accept | Step::Answer(_) | Step::Written(_) => {}
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
            prop_assert_eq!(account.open() + answered.len(), num::index(next));
        }
        account.give_up(Doubt::NoAnswer, |token, answer| answered.push((token, Some(answer))));
        answered_once_by_whether_it_left(answered, &left, next)?;
        prop_assert_eq!(account.open(), 0);
    }
}

/// A model of memory use, kept independently of the account.
#[derive(Debug, Default)]
struct Memory {
    open: BTreeMap<u64, Option<Ticket>>,
    /// Given-up events, by the number under which the client holds them.
    held: BTreeMap<u64, u64>,
    /// The number under which each event left.
    left: BTreeMap<u64, u64>,
    written: u64,
}

impl Memory {
    fn closed(&mut self, token: u64, answer: Answer) {
        self.open.remove(&token);
        let number = self.left.get(&token).filter(|&&number| number > self.written);
        if let (Answer::Unconfirmed(_), Some(&number)) = (answer, number) {
            self.held.insert(number, token);
        }
    }

    fn bytes(&self) -> u64 {
        self.open.keys().chain(self.held.values()).map(|&token| bytes_of(token)).sum()
    }
}

proptest! {
    #[test]
    fn bytes_are_those_of_open_events_and_of_what_the_client_still_holds(
        size in 1_u32..6, buffer in 0_u32..6, most in 0_u64..20, steps in proptest::collection::vec(step(), 1..300)
    ) {
        let mut account = bounded(Room { window: size, buffer, bytes: most }, 40);
        let (mut memory, mut now, mut next, mut number) = (Memory::default(), 0, 0, 0);
        account.written(0);
        for step in steps {
            match step {
                Step::Accept | Step::Claim => {
                    if account.admits(bytes_of(next)) {
                        account.accept(next, now, bytes_of(next), next);
                        memory.open.insert(next, None);
                        next += 1;
                    }
                }
                Step::Dispatch(_) => {
                    let send = |ticket, &token: &u64| {
                        number += 1;
                        memory.open.insert(token, Some(ticket));
                        memory.left.insert(token, number);
                        Sent::As(number)
                    };
                    account.dispatch(now, send, |token, answer| unreachable!("{token} {answer:?}"));
                }
                Step::Answer(which) => {
                    let left: Vec<Ticket> = memory.open.values().flatten().copied().collect();
                    if let Some(&ticket) = left.get(which % left.len().max(1)) {
                        let token = account.answer(ticket);
                        memory.open.remove(&token.expect("it is open"));
                    }
                }
                Step::Tick(ns) => {
                    now += ns;
                    account.expire(now, |token, answer| memory.closed(token, answer));
                }
                Step::Lose => account.lost(number, |token, answer| memory.closed(token, answer)),
                Step::GiveUp => account.give_up(Doubt::NoAnswer, |token, answer| memory.closed(token, answer)),
                Step::Written(more) => {
                    memory.written = number.min(memory.written + more);
                    account.written(memory.written);
                    let written = memory.written;
                    memory.held.retain(|&number, _| number > written);
                }
            }
            prop_assert_eq!(account.bytes, memory.bytes());
            prop_assert!(account.bytes <= most.max(5), "{} of {}", account.bytes, most);
        }
    }
}

/// Sends everything that fits, numbered from `number`.
fn dispatch(account: &mut Window<u64>, now: Ns, number: &mut u64) -> Vec<Ticket> {
    let mut tickets = Vec::new();
    let send = |ticket, _: &u64| {
        tickets.push(ticket);
        *number += 1;
        Sent::As(*number)
    };
    account.dispatch(now, send, |token, answer| unreachable!("{token} {answer:?}"));
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
    let first = dispatch(&mut account, 0, &mut number);
    assert_eq!(expired(&mut account, 30 * MS), [(7, NO_ANSWER)]);
    account.accept(8, 30 * MS, 1, 8);
    let second = dispatch(&mut account, 30 * MS, &mut number);
    assert_eq!(account.answer(first[0]), None);
    assert_eq!(account.answer(second[0]), Some(8));
}

#[test]
fn the_time_for_an_answer_begins_when_an_event_leaves_the_buffer() {
    let (mut account, mut number) = (window(1, 2, 100), 0);
    account.accept(0, 0, 1, 0);
    account.accept(1, 60 * MS, 1, 1);
    account.accept(2, 60 * MS, 1, 2);
    assert_eq!(dispatch(&mut account, 60 * MS, &mut number).len(), 1, "the first one fills the window");
    assert_eq!(expired(&mut account, 100 * MS), [], "it left at 60");
    assert_eq!(expired(&mut account, 160 * MS), [(0, NO_ANSWER), (1, NOT_SENT), (2, NOT_SENT)]);
    account.accept(3, 160 * MS, 1, 3);
    account.accept(4, 170 * MS, 1, 4);
    let tickets = dispatch(&mut account, 170 * MS, &mut number);
    assert_eq!(account.answer(tickets[0]), Some(3));
    dispatch(&mut account, 260 * MS, &mut number);
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
    let tickets = dispatch(&mut account, 0, &mut number);
    assert_eq!(account.answer(tickets[0]), Some(0));
    assert_eq!((account.admits(5), account.admits(4)), (false, true));
    // One is given up but still held by the client; one never left.
    assert_eq!(expired(&mut account, 100 * MS), [(1, NO_ANSWER), (2, NOT_SENT)]);
    assert_eq!((account.open(), account.admits(8), account.admits(7)), (0, false, true));
    account.written(number);
    assert!(account.admits(10));
}

#[test]
fn what_is_given_up_is_told_by_whether_it_left() {
    let (mut account, mut number) = (window(2, 2, 100), 0);
    (0..4).for_each(|token| account.accept(token, 0, 1, token));
    dispatch(&mut account, 0, &mut number);
    let mut closed = Vec::new();
    account.give_up(Doubt::Disconnected, |token, answer| closed.push((token, answer)));
    assert_eq!(closed, [(0, DISCONNECTED), (1, DISCONNECTED), (2, NOT_SENT), (3, NOT_SENT)]);
}

#[test]
fn a_connection_takes_what_left_on_it_and_nothing_else() {
    let (mut account, mut number) = (window(3, 3, 100), 0);
    (0..5).for_each(|token| account.accept(token, 0, 1, token));
    let tickets = dispatch(&mut account, 0, &mut number);
    assert_eq!(account.answer(tickets[1]), Some(1));
    let mut closed = Vec::new();
    account.lost(2, |token, answer| closed.push((token, answer)));
    assert_eq!(closed, [(0, DISCONNECTED)], "1 is answered, 2 leaves with the next connection");
    assert_eq!(account.answer(tickets[0]), None, "its answer came too late");
    let tickets = dispatch(&mut account, 0, &mut number);
    assert_eq!((tickets.len(), account.open()), (2, 3), "the window is free for those that waited");
}
