//! Property tests of the laws, and examples.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::bus::Position;

const MS: Ns = 1_000_000;
const STORED: Answer = Answer::Stored { position: Position { partition: 0, offset: 1 }, duplicate: false };
const NO_LEADER: Answer = Answer::Refused(Refusal::NoResponders);
const FULL: Answer = Answer::Refused(Refusal::Api(10_077));
const IN_PROCESS: Answer = Answer::Unconfirmed(Doubt::InProcess);
const LASTS: Ns = 400 * MS;
const AFTER: Ns = 90 * MS;

fn retries(window: u32, buffer: u32, order: Order) -> Retries<u64> {
    let room = Room { window, buffer, bytes: 1 << 30 };
    Retries::new(room, Terms { lasts_ns: LASTS, after_ns: AFTER, order })
}

#[derive(Debug, Clone)]
enum Step {
    Accept(usize),
    Dispatch(usize),
    /// The broker handles a copy.
    Handle(usize, Handled),
    Tick(Ns),
    Lose,
    GiveUp,
}

#[derive(Debug, Clone, Copy)]
enum Handled {
    Confirmed,
    StoredSilently,
    RefusedForNow,
    RefusedForGood,
    InProcess,
}

fn step() -> impl Strategy<Value = Step> {
    let handled = prop_oneof![
        4 => Just(Handled::Confirmed),
        2 => Just(Handled::StoredSilently),
        4 => Just(Handled::RefusedForNow),
        1 => Just(Handled::RefusedForGood),
        1 => Just(Handled::InProcess),
    ];
    prop_oneof![
        8 => (0_usize..3).prop_map(Step::Accept),
        6 => (0_usize..6).prop_map(Step::Dispatch),
        8 => (0_usize..64, handled).prop_map(|(which, handled)| Step::Handle(which, handled)),
        4 => (0_u64..60_000_000).prop_map(Step::Tick),
        1 => Just(Step::Lose),
        1 => (0_u64..40).prop_map(|n| if n == 0 { Step::GiveUp } else { Step::Dispatch(6) }),
    ]
}

/// A broker, and the known state of each event, kept independently of the account.
#[derive(Debug, Default)]
struct World {
    now: Ns,
    number: u64,
    /// By token: key, and when it was accepted.
    events: Vec<(usize, Ns)>,
    /// Copies that the broker has not handled: ticket, token, and whether its answer can still arrive.
    copies: Vec<(Ticket, u64, bool)>,
    left: BTreeMap<u64, u32>,
    /// Tokens with a copy whose outcome was not reported.
    doubtful: BTreeSet<u64>,
    /// First copies in the order in which they were stored.
    store: Vec<u64>,
    answered: BTreeMap<u64, Answer>,
}

impl World {
    fn store(&mut self, token: u64) {
        if !self.store.contains(&token) {
            self.store.push(token);
        }
    }

    fn closed(&mut self, token: u64, answer: Answer, tries: Tries) {
        assert_eq!(self.answered.insert(token, answer), None, "{token} is answered twice");
        assert_eq!(tries.copies, self.left.get(&token).copied().unwrap_or(0));
        let open = self.doubtful.contains(&token) || self.copies.iter().any(|copy| copy.1 == token);
        match answer {
            Answer::Stored { .. } => assert!(self.store.contains(&token)),
            Answer::Refused(Refusal::NotSent) => assert_eq!(tries.copies, 0, "{token}"),
            Answer::Refused(_) => assert!(tries.copies > 0 && !open && !self.store.contains(&token)),
            Answer::Unconfirmed(_) => assert!(tries.copies > 0 && open, "{token} {answer:?}"),
        }
        if tries.gave_up {
            assert!(self.now - self.events[num::index(token)].1 >= LASTS);
        }
    }

    fn handle(&mut self, account: &mut Retries<u64>, which: usize, handled: Handled) {
        if self.copies.is_empty() {
            return;
        }
        let (ticket, token, answerable) = self.copies.remove(which % self.copies.len());
        let (answer, passing) = match handled {
            Handled::Confirmed | Handled::StoredSilently => (STORED, false),
            Handled::RefusedForNow => (NO_LEADER, true),
            Handled::RefusedForGood => (FULL, false),
            Handled::InProcess => (IN_PROCESS, true),
        };
        if answer == STORED {
            self.store(token);
        }
        if !answerable || matches!(handled, Handled::StoredSilently | Handled::InProcess) {
            self.doubtful.insert(token);
        }
        if answerable && !matches!(handled, Handled::StoredSilently) {
            account.answer(ticket, self.now, answer, passing, |token, answer, tries| {
                self.closed(token, answer, tries);
            });
        }
    }

    fn dispatch(&mut self, account: &mut Retries<u64>, room: usize) {
        let mut gone = Vec::new();
        let send = |ticket, &token: &u64| {
            if gone.len() >= room {
                return Sent::NotYet;
            }
            self.number += 1;
            gone.push((ticket, token, true));
            *self.left.entry(token).or_default() += 1;
            Sent::As(self.number)
        };
        account.dispatch(self.now, send, |token, answer, _| unreachable!("{token} {answer:?}"));
        self.copies.append(&mut gone);
    }
}

fn lives_by_its_laws(order: Order, size: u32, buffer: u32, steps: Vec<Step>) -> World {
    let mut account = retries(size, buffer, order);
    let mut world = World::default();
    for step in steps {
        match step {
            Step::Accept(key) if account.admits(1) => {
                let token = num::count(world.events.len());
                account.accept(token, key, world.now, 1, token);
                world.events.push((key, world.now));
            }
            Step::Accept(_) => assert_eq!(account.open(), num::index32(size + buffer)),
            Step::Dispatch(room) => world.dispatch(&mut account, room),
            Step::Handle(which, handled) => world.handle(&mut account, which, handled),
            Step::Tick(ns) => {
                world.now += ns;
                account.turn(world.now, |token, answer, tries| world.closed(token, answer, tries));
                for (token, &(_, accepted)) in (0_u64..).zip(&world.events) {
                    let open = !world.answered.contains_key(&token);
                    assert!(!open || world.now - accepted < LASTS, "{token} is open for too long");
                }
                let most = 2 * account.open() + SLACK;
                let lengths = [account.accepted.len(), account.again.len(), account.fresh.len()];
                assert!(
                    lengths.into_iter().chain([account.sent.len(), account.paused.len()]).all(|n| n <= most)
                );
            }
            Step::Lose => {
                account.lost(world.number);
                world.copies.iter_mut().for_each(|copy| copy.2 = false);
            }
            Step::GiveUp => {
                account.give_up(Doubt::NoAnswer, |token, answer, tries| world.closed(token, answer, tries));
            }
        }
        assert!(account.under_way <= num::index32(size));
        assert_eq!(account.open() + world.answered.len(), world.events.len());
        assert_eq!(account.bytes, num::count(account.open()));
    }
    account.give_up(Doubt::NoAnswer, |token, answer, tries| world.closed(token, answer, tries));
    assert_eq!((account.open(), account.under_way, account.bytes), (0, 0, 0));
    assert_eq!(world.answered.len(), world.events.len());
    world
}

/// Returns whether the first copies of confirmed events are stored in the order of their acceptance, by `lane`.
fn in_order(world: &World, lane: impl Fn(usize) -> usize) -> bool {
    let mut last = BTreeMap::new();
    let confirmed = world.store.iter().filter(|token| world.answered.get(token) == Some(&STORED));
    confirmed.into_iter().all(|&token| {
        last.insert(lane(world.events[num::index(token)].0), token).is_none_or(|before| before < token)
    })
}

proptest! {
    #[test]
    fn events_of_a_key_are_answered_once_and_stored_in_order(
        size in 1_u32..6, buffer in 0_u32..6, steps in proptest::collection::vec(step(), 1..300)
    ) {
        let world = lives_by_its_laws(Order::PerKey, size, buffer, steps);
        prop_assert!(in_order(&world, |key| key));
    }

    #[test]
    fn one_at_a_time_keeps_the_order_of_all(steps in proptest::collection::vec(step(), 1..300)) {
        let world = lives_by_its_laws(Order::Single, 1, 5, steps);
        prop_assert!(in_order(&world, |_| 0));
    }

    #[test]
    fn without_an_order_each_is_answered_once(
        size in 1_u32..6, buffer in 0_u32..6, steps in proptest::collection::vec(step(), 1..300)
    ) {
        lives_by_its_laws(Order::Free, size, buffer, steps);
    }
}

/// Sends everything that fits, and returns the tokens with their tickets.
fn dispatch(account: &mut Retries<u64>, now: Ns) -> Vec<(u64, Ticket)> {
    let mut gone = Vec::new();
    let send = |ticket, &token: &u64| {
        gone.push((token, ticket));
        Sent::As(num::count(gone.len()))
    };
    account.dispatch(now, send, |token, answer, _| unreachable!("{token} {answer:?}"));
    gone
}

fn tokens(sent: &[(u64, Ticket)]) -> Vec<u64> {
    sent.iter().map(|(token, _)| *token).collect()
}

fn refuse(account: &mut Retries<u64>, ticket: Ticket, now: Ns) {
    account.answer(ticket, now, NO_LEADER, true, |token, answer, _| unreachable!("{token} {answer:?}"));
}

fn answered(
    account: &mut Retries<u64>,
    ticket: Ticket,
    now: Ns,
    answer: Answer,
) -> Vec<(u64, Answer, Tries)> {
    let mut closed = Vec::new();
    account.answer(ticket, now, answer, false, |token, answer, tries| closed.push((token, answer, tries)));
    closed
}

fn turned(account: &mut Retries<u64>, now: Ns) -> Vec<(u64, Answer)> {
    let mut closed = Vec::new();
    account.turn(now, |token, answer, tries| {
        assert!(tries.gave_up);
        closed.push((token, answer));
    });
    closed
}

#[test]
fn the_pause_doubles_up_to_a_second() {
    assert_eq!([1, 2, 3, 5, 6, 40].map(|copies| pause(copies) / MS), [50, 100, 200, 800, 1000, 1000]);
}

#[test]
fn a_late_answer_to_the_first_copy_confirms_the_event() {
    let mut account = retries(4, 4, Order::PerKey);
    account.accept(7, 0, 0, 1, 7);
    let first = dispatch(&mut account, 0);
    assert_eq!(turned(&mut account, AFTER), []);
    let second = dispatch(&mut account, AFTER);
    assert_eq!(first, second, "the same ticket");
    let twice = Tries { copies: 2, gave_up: false };
    assert_eq!(answered(&mut account, first[0].1, AFTER + 1, STORED), [(7, STORED, twice)]);
    assert_eq!(answered(&mut account, second[0].1, AFTER + 2, STORED), [], "it is answered");
}

#[test]
fn the_next_event_of_a_symbol_waits_for_the_answer_and_others_do_not() {
    let mut account = retries(8, 8, Order::PerKey);
    for (token, key) in [(0, 5), (1, 5), (2, 6), (3, 5)] {
        account.accept(token, key, 0, 1, token);
    }
    let sent = dispatch(&mut account, 0);
    assert_eq!(tokens(&sent), [0, 2]);
    account.lost(2);
    assert_eq!(tokens(&dispatch(&mut account, 0)), [0, 2], "sent again on the next connection");
    assert_eq!(answered(&mut account, sent[0].1, 1, STORED).len(), 1);
    assert_eq!(tokens(&dispatch(&mut account, 1)), [1]);
    let mut free = retries(8, 8, Order::Free);
    (0..4).for_each(|token| free.accept(token, 5, 0, 1, token));
    assert_eq!(tokens(&dispatch(&mut free, 0)), [0, 1, 2, 3]);
}

#[test]
fn a_broker_that_only_refuses_is_probed_and_takes_all_at_once_when_it_confirms() {
    let mut account = retries(1000, 0, Order::Free);
    (0..500).for_each(|token| account.accept(token, 0, 0, 1, token));
    for (_, ticket) in dispatch(&mut account, 0) {
        refuse(&mut account, ticket, 0);
    }
    let mut copies = 0;
    for now in (1..300).map(|ms| ms * MS) {
        assert_eq!(turned(&mut account, now), []);
        for (_, ticket) in dispatch(&mut account, now) {
            copies += 1;
            refuse(&mut account, ticket, now);
        }
    }
    assert_eq!(copies, 5, "one every 50 ms");
    assert_eq!(turned(&mut account, 300 * MS), []);
    let probe = dispatch(&mut account, 300 * MS);
    assert_eq!(answered(&mut account, probe[0].1, 301 * MS, STORED).len(), 1);
    assert_eq!(turned(&mut account, 302 * MS), []);
    assert!(dispatch(&mut account, 302 * MS).len() >= 490, "all but those that were refused last");
}

#[test]
fn a_second_open_event_of_a_symbol_would_be_stored_before_one_that_is_turned_away() {
    let stored = |order| {
        let mut account = retries(8, 8, order);
        account.accept(9, 0, 0, 1, 9);
        let first = dispatch(&mut account, 0);
        // The broker takes events again.
        assert_eq!(answered(&mut account, first[0].1, 1, STORED).len(), 1);
        (0..2).for_each(|token| account.accept(token, 0, 2, 1, token));
        let mut stored = Vec::new();
        let mut now = 2;
        for refuses in [true, false, false] {
            let sent = dispatch(&mut account, now);
            for (at, &(token, ticket)) in sent.iter().enumerate() {
                // It has no leader for the first one, and has one for the next.
                if refuses && at == 0 {
                    refuse(&mut account, ticket, now);
                } else {
                    stored.push(token);
                    assert_eq!(answered(&mut account, ticket, now, STORED).len(), 1);
                }
            }
            now += PROBE + MS;
            assert_eq!(turned(&mut account, now), []);
        }
        stored
    };
    assert_eq!(stored(Order::PerKey), [0, 1]);
    assert_eq!(stored(Order::Free), [1, 0]);
}

#[test]
fn at_the_end_of_its_time_an_event_is_answered_by_what_became_of_its_copies() {
    let mut account = retries(3, 8, Order::Free);
    (0..4).for_each(|token| account.accept(token, 0, 0, 1, token));
    let sent = dispatch(&mut account, LASTS - 10 * MS);
    assert_eq!(tokens(&sent), [0, 1, 2]);
    refuse(&mut account, sent[0].1, LASTS - 5 * MS);
    account.answer(sent[1].1, LASTS - 5 * MS, IN_PROCESS, true, |_, _, _| unreachable!());
    let doubt = Answer::Unconfirmed;
    assert_eq!(
        turned(&mut account, LASTS),
        [
            (0, NO_LEADER),
            (1, doubt(Doubt::InProcess)),
            (2, doubt(Doubt::NoAnswer)),
            (3, Answer::Refused(Refusal::NotSent)),
        ]
    );
    account.accept(9, 0, 0, 1, 9);
    let sent = dispatch(&mut account, 1);
    assert_eq!(
        answered(&mut account, sent[0].1, 2, FULL),
        [(9, FULL, Tries::ONCE)],
        "a full stream stays full"
    );
}
