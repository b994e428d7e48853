//! The contract of every bus driver, checked against a real broker: `clauses!` makes a test of each clause for
//! a rig.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tickgate::bus::{Answer, Bus as _, Doubt, Member, Publisher as _, Refusal, Refused};
use tickgate::plan::{AckMode, Delivery, Group, Publish, Size, Span};

use super::rig::{
    self, PATIENCE, Rig, answered_once, audit, publish, publish_patiently, publish_symbol, receive,
    receive_at_least, settle,
};

/// Makes a test of each clause for a rig.
#[allow(unused_macros, reason = "for the binaries that have a broker")]
macro_rules! clauses {
    ($name:ident, $rig:ty: $($clause:ident),* $(,)?) => {
        mod $name {
            use crate::support::{contract, rig::Rig};

            $(#[test] fn $clause() { if <$rig>::is_there() { contract::$clause::<$rig>(); } })*
        }
    };
}
#[allow(unused_imports, reason = "the same")]
pub(crate) use clauses;

fn number(payload: &[u8]) -> u64 {
    std::str::from_utf8(payload).unwrap().rsplit_once(' ').unwrap().1.parse().unwrap()
}

fn take_numbers(member: &mut impl Member, wait: Duration, into: &mut BTreeSet<u64>) {
    let mut sink = |d: &tickgate::bus::Delivery<'_>| {
        into.insert(number(d.payload));
    };
    member.receive(wait, &mut sink).unwrap();
}

pub fn the_first_event_is_seen<R: Rig>() {
    let rig = R::start();
    let mut bus = rig.provisioned(&super::plan());
    let mut publisher = bus.publisher(0).unwrap();
    publish(&mut publisher, 1, b"first").unwrap();
    let mut acks = Vec::new();
    settle(&mut publisher, &mut acks);
    // Members that come later hear it too.
    let seen = receive(&mut bus.member(0, 0).unwrap(), 1);
    assert_eq!((seen[0].payload.as_slice(), seen[0].attempt), (b"first".as_slice(), 1));
    assert_eq!(seen[0].subject, "ai-trader.market.quote.received");
    assert_eq!(answered_once(&acks, 1..2), [Some(seen[0].offset)]);
    assert_eq!(audit(&mut bus), seen);
}

pub fn order_positions_and_answers_agree<R: Rig>() {
    let rig = R::start();
    let mut bus = rig.provisioned(&super::plan());
    let mut publishers = [bus.publisher(0).unwrap(), bus.publisher(1).unwrap()];
    let mut member = bus.member(0, 0).unwrap();
    let mut acks = [Vec::new(), Vec::new()];
    let each = 3000;
    for token in 0..each {
        for (at, publisher) in publishers.iter_mut().enumerate() {
            publish_patiently(publisher, token, format!("{at} {token}").as_bytes(), &mut acks[at]);
        }
    }
    for (publisher, acks) in publishers.iter_mut().zip(&mut acks) {
        settle(publisher, acks);
    }
    let seen = receive(&mut member, 6000);
    assert!(seen.windows(2).all(|pair| pair[0].offset < pair[1].offset), "positions do not increase");
    for (at, acks) in acks.iter().enumerate() {
        let positions = answered_once(acks, 0..each);
        let mine = seen.iter().filter(|r| r.payload.starts_with(at.to_string().as_bytes()));
        let (numbers, offsets): (Vec<_>, Vec<_>) = mine.map(|r| (number(&r.payload), Some(r.offset))).unzip();
        assert_eq!(numbers, (0..each).collect::<Vec<_>>(), "publisher {at} is out of order");
        assert_eq!(offsets, positions, "an answer names another position than its delivery");
    }
    assert_eq!(audit(&mut bus), seen);
}

pub fn every_group_hears_everything_once<R: Rig>() {
    let mut plan = super::plan();
    let group = |name: &str, subscribe: &str, members| Group {
        name: name.to_owned(),
        subscribe: vec![subscribe.to_owned()],
        members,
        delivery: Delivery::Shared,
        consumer: None,
    };
    plan.groups = vec![group("one", "market.quote.*", 1), group("shared", ">", 2), group("deaf", "*.dlq", 1)];
    let rig = R::start();
    let mut bus = rig.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    let mut acks = Vec::new();
    for token in 0..1000 {
        publish_patiently(&mut publisher, token, format!("e {token}").as_bytes(), &mut acks);
    }
    settle(&mut publisher, &mut acks);
    assert_eq!(receive(&mut bus.member(0, 0).unwrap(), 1000).len(), 1000);
    let mut shares = [bus.member(1, 0).unwrap(), bus.member(1, 1).unwrap()];
    let mut seen = Vec::new();
    let patience = Instant::now();
    while seen.len() < 1000 && patience.elapsed() < PATIENCE {
        for share in &mut shares {
            share.receive(Duration::from_millis(20), &mut |d| seen.push(number(d.payload))).unwrap();
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..1000).collect::<Vec<_>>());
    assert_eq!(receive(&mut bus.member(2, 0).unwrap(), 0), []);
}

pub fn a_full_client_refuses_and_never_blocks<R: Rig>() {
    let mut plan = super::plan();
    plan.bus.publish_timeout = Span::seconds(120);
    let rig = R::start();
    let mut bus = rig.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    rig.pause();
    let payload = vec![b'x'; 100_000];
    // A publisher that waits for the stopped broker never comes back; so its thread is watched.
    let (done, waited) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let accepted =
            (0..5000).take_while(|&token| publish(&mut publisher, token, &payload).is_ok()).count();
        let refused = publish(&mut publisher, 9999, &payload);
        let _ = done.send((publisher, accepted, refused));
    });
    let (mut publisher, accepted, refused) = waited.recv_timeout(PATIENCE).expect("publish blocks");
    assert_eq!(refused, Err(Refused::Full));
    let room = u64::from(plan.bus.window + plan.bus.buffer);
    assert!(accepted > 0 && u64::try_from(accepted).unwrap() <= room, "{accepted} accepted");
    assert_eq!(publisher.in_flight(), accepted);
    rig.resume();
    let mut acks = Vec::new();
    let patience = Instant::now();
    while publisher.in_flight() > 0 && patience.elapsed() < PATIENCE {
        publisher.acks(&mut acks);
        std::thread::sleep(Duration::from_millis(1));
    }
    let positions = answered_once(&acks, 0..u64::try_from(accepted).unwrap());
    assert_eq!(stored_or_refused(&acks), accepted, "everything is answered by the broker");
    assert!(positions.iter().flatten().count() > 0);
}

pub fn open_events_are_bounded_in_bytes<R: Rig>() {
    let mut plan = super::plan();
    plan.bus.buffer_bytes = Some(Size { bytes: 1 << 20 });
    plan.bus.publish_timeout = Span::seconds(3);
    let rig = R::start();
    let mut bus = rig.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    let (payload, mut acks, mut next) = (vec![b'x'; 100_000], Vec::new(), 0);
    let mut fill = |publisher: &mut _| {
        let first = next;
        while publish(publisher, next, &payload).is_ok() {
            next += 1;
        }
        assert_eq!(publish(publisher, 9999, &payload), Err(Refused::Full));
        // The remaining bytes are for any event that fits.
        publish(publisher, next, b"small").unwrap();
        next += 1;
        next - 1 - first
    };
    rig.pause();
    assert_eq!(fill(&mut publisher), 10, "of 100,000 bytes in 1 MiB");
    // What is given up has no place in the account, but for what the client still holds of it.
    settle(&mut publisher, &mut acks);
    assert_eq!(acks.len(), 11);
    assert!(fill(&mut publisher) <= 10);
    rig.resume();
    settle(&mut publisher, &mut acks);
    rig.pause();
    assert_eq!(fill(&mut publisher), 10, "the account is empty again");
    rig.resume();
    settle(&mut publisher, &mut acks);
}

pub fn an_event_of_more_bytes_than_all_may_have_is_open_alone<R: Rig>() {
    let mut plan = super::plan();
    plan.bus.buffer_bytes = Some(Size { bytes: 1000 });
    let rig = R::start();
    let mut bus = rig.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    let mut acks = Vec::new();
    rig.pause();
    publish(&mut publisher, 0, &vec![b'x'; 100_000]).unwrap();
    assert_eq!(publish(&mut publisher, 1, b"small"), Err(Refused::Full));
    rig.resume();
    settle(&mut publisher, &mut acks);
    publish(&mut publisher, 1, b"small").unwrap();
    settle(&mut publisher, &mut acks);
    assert!(answered_once(&acks, 0..2).iter().all(Option::is_some), "{acks:?}");
}

fn stored_or_refused(acks: &[tickgate::bus::Ack]) -> usize {
    let said = |answer| match answer {
        Answer::Stored { .. } => true,
        Answer::Refused(why) => why != Refusal::NotSent,
        Answer::Unconfirmed(_) => false,
    };
    acks.iter().filter(|ack| said(ack.outcome)).count()
}

fn tokens(acks: &[tickgate::bus::Ack], outcome: Answer) -> BTreeSet<u64> {
    acks.iter().filter(|ack| ack.outcome == outcome).map(|ack| ack.token).collect()
}

const NOT_SENT: Answer = Answer::Refused(Refusal::NotSent);
const NO_ANSWER: Answer = Answer::Unconfirmed(Doubt::NoAnswer);
const DISCONNECTED: Answer = Answer::Unconfirmed(Doubt::Disconnected);

pub fn a_silent_broker_leaves_in_doubt_what_left_and_nothing_else<R: Rig>() {
    let mut plan = super::plan();
    plan.bus.publish_timeout = Span::millis(300);
    plan.bus.window = 10;
    plan.bus.buffer = 100;
    let rig = R::start();
    let mut bus = rig.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    rig.pause();
    for token in 0..100 {
        publish(&mut publisher, token, format!("e {token}").as_bytes()).unwrap();
    }
    let mut acks = Vec::new();
    settle(&mut publisher, &mut acks);
    assert_eq!(answered_once(&acks, 0..100), [None; 100]);
    let never_left = tokens(&acks, NOT_SENT);
    assert_eq!(never_left.len() + tokens(&acks, NO_ANSWER).len(), 100, "{acks:?}");
    assert!(!never_left.is_empty(), "all in doubt, though 90 waited for room");
    // The broker's late answers belong to no event, also when their slots are in use again.
    rig.resume();
    for token in 100..110 {
        publish(&mut publisher, token, format!("e {token}").as_bytes()).unwrap();
    }
    settle(&mut publisher, &mut acks);
    let positions = answered_once(&acks, 0..110);
    let stored = audit(&mut bus);
    for (token, offset) in (0_u64..).zip(positions).filter_map(|(token, offset)| Some((token, offset?))) {
        let event = stored.iter().find(|r| r.offset == offset).expect("stored");
        assert_eq!(number(&event.payload), token, "an answer of another event was taken for this one's");
    }
    let stored: BTreeSet<u64> = stored.iter().map(|r| number(&r.payload)).collect();
    assert!(stored.is_disjoint(&never_left), "what never left is stored");
}

pub fn what_is_given_up_is_told_by_whether_it_left<R: Rig>() {
    let rig = R::start();
    let mut bus = rig.provisioned(&super::plan());
    let mut publisher = bus.publisher(0).unwrap();
    rig.pause();
    for token in 0..500 {
        publish(&mut publisher, token, format!("e {token}").as_bytes()).unwrap();
    }
    let mut acks = Vec::new();
    publisher.acks(&mut acks);
    assert_eq!((acks.len(), publisher.in_flight()), (0, 500));
    publisher.abandon();
    publisher.acks(&mut acks);
    assert_eq!(answered_once(&acks, 0..500), [None; 500]);
    assert_eq!(publisher.in_flight(), 0);
    let in_window = u64::from(super::plan().bus.window);
    assert_eq!(tokens(&acks, NO_ANSWER), (0..in_window).collect());
    assert_eq!(tokens(&acks, NOT_SENT), (in_window..500).collect());
    rig.resume();
    publish(&mut publisher, 500, b"e 500").unwrap();
    settle(&mut publisher, &mut acks);
    assert!(answered_once(&acks, 0..501)[500].is_some());
    let stored: BTreeSet<u64> = audit(&mut bus).iter().map(|r| number(&r.payload)).collect();
    assert!(stored.is_disjoint(&(in_window..500).collect()), "what never left is stored");
}

pub fn everything_is_confirmed_after_a_stall<R: Rig>() {
    for publish_as in [Publish::Async, Publish::Sync] {
        let mut plan = super::plan();
        plan.bus.publish = publish_as;
        plan.bus.publish_timeout = Span::seconds(600);
        plan.bus.buffer = 10_000;
        // Many small batches await their answers, where there are batches.
        (plan.bus.nats.batch, plan.bus.nats.linger) = (10, Span::millis(1));
        let rig = R::start();
        let mut bus = rig.provisioned(&plan);
        let mut publisher = bus.publisher(0).unwrap();
        let mut acks = Vec::new();
        rig.pause();
        for token in 0..1000 {
            publish(&mut publisher, token, format!("e {token}").as_bytes()).unwrap();
            publisher.acks(&mut acks);
            if token % 3 == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        assert_eq!(acks, []);
        rig.resume();
        settle(&mut publisher, &mut acks);
        assert!(answered_once(&acks, 0..1000).iter().all(Option::is_some), "{publish_as:?}: {acks:?}");
    }
}

pub fn a_connection_that_ends_holds_no_place_in_the_window<R: Rig>() {
    let mut plan = super::plan();
    // Nobody waits for that.
    plan.bus.publish_timeout = Span::seconds(600);
    let mut rig = R::start();
    let mut bus = rig.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    rig.pause();
    let in_window = u64::from(plan.bus.window);
    for token in 0..in_window + 100 {
        publish(&mut publisher, token, format!("e {token}").as_bytes()).unwrap();
    }
    let mut acks = Vec::new();
    publisher.acks(&mut acks);
    assert_eq!(acks, []);
    rig.restart();
    rig.resume();
    settle(&mut publisher, &mut acks);
    let positions = answered_once(&acks, 0..in_window + 100);
    let lost = tokens(&acks, DISCONNECTED);
    assert_eq!(
        positions.iter().flatten().count() + lost.len(),
        positions.len(),
        "each is stored, or in doubt because of its connection: {acks:?}"
    );
    assert!(lost.iter().all(|token| *token < in_window), "what waited left on the next connection");
    assert!(R::SENDS_AGAIN || !lost.is_empty(), "all are confirmed by a broker that never answered");
    let stored: BTreeSet<u64> = audit(&mut bus).iter().map(|r| number(&r.payload)).collect();
    assert!((0..in_window + 100).filter(|token| !lost.contains(token)).all(|token| stored.contains(&token)));
}

pub fn one_at_a_time_when_publishing_is_synchronous<R: Rig>() {
    let mut plan = super::plan();
    plan.bus.publish = Publish::Sync;
    plan.bus.buffer = 50;
    let rig = R::start();
    let mut bus = rig.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    let mut acks = Vec::new();
    for token in 0..200 {
        publish_patiently(&mut publisher, token, format!("e {token}").as_bytes(), &mut acks);
        assert!(publisher.in_flight() <= 51);
    }
    settle(&mut publisher, &mut acks);
    assert!(acks.windows(2).all(|pair| pair[0].token < pair[1].token && pair[0].at <= pair[1].at));
    assert!(answered_once(&acks, 0..200).iter().all(Option::is_some));
}

pub fn an_unacknowledged_event_comes_again_and_says_so<R: Rig>() {
    let mut plan = super::plan();
    // Longer than a busy machine takes to acknowledge: what comes a third time would be its doing.
    plan.bus.nats.ack_wait = Span::seconds(3);
    let rig = R::start();
    let mut bus = rig.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    for token in 0..5 {
        publish(&mut publisher, token, format!("e {token}").as_bytes()).unwrap();
    }
    settle(&mut publisher, &mut Vec::new());
    rig.take_without_ack(&plan, 3);
    let seen = receive(&mut bus.member(0, 0).unwrap(), 5);
    let attempts: BTreeMap<u64, u32> = seen.iter().map(|r| (number(&r.payload), r.attempt)).collect();
    assert_eq!(attempts, BTreeMap::from([(0, 2), (1, 2), (2, 2), (3, 1), (4, 1)]));
    let offsets: BTreeSet<u64> = seen.iter().map(|r| r.offset).collect();
    assert_eq!(offsets, audit(&mut bus).iter().map(|r| r.offset).collect());
}

pub fn a_member_resumes_where_its_group_was<R: Rig>() {
    let mut plan = super::plan();
    plan.bus.nats.ack_wait = Span::seconds(3);
    plan.bus.nats.pull_batch = 10;
    let rig = R::start();
    let mut bus = rig.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    for token in 0..200 {
        publish(&mut publisher, token, format!("e {token}").as_bytes()).unwrap();
    }
    settle(&mut publisher, &mut Vec::new());
    let mut first = BTreeSet::new();
    let mut member = bus.member(0, 0).unwrap();
    while first.len() < 50 {
        take_numbers(&mut member, Duration::from_secs(5), &mut first);
    }
    drop(member);
    // Acknowledged events are never delivered again; events that were only fetched are.
    let rest = receive(&mut bus.member(0, 0).unwrap(), 200 - first.len());
    let rest: BTreeSet<u64> = rest.iter().map(|r| number(&r.payload)).collect();
    assert!(rest.is_disjoint(&first));
    assert_eq!(rest.union(&first).count(), 200);
}

pub fn a_broker_that_restarts_loses_nothing_acknowledged<R: Rig>() {
    let mut plan = super::plan();
    plan.bus.publish_timeout = R::holds_out();
    plan.bus.nats.ack_wait = Span::seconds(2);
    let mut rig = R::start();
    let mut bus = rig.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    let mut member = bus.member(0, 0).unwrap();
    let (mut acks, mut seen) = (Vec::new(), BTreeSet::new());
    for token in 0..3000 {
        publish_patiently(&mut publisher, token, format!("e {token}").as_bytes(), &mut acks);
        if token == 1000 || token == 2000 {
            rig.restart();
        }
        if token % 10 == 0 {
            publisher.acks(&mut acks);
            take_numbers(&mut member, Duration::from_millis(5), &mut seen);
        }
    }
    settle(&mut publisher, &mut acks);
    let positions = answered_once(&acks, 0..3000);
    let acked: BTreeSet<u64> =
        (0..).zip(positions).filter_map(|(token, offset)| offset.map(|_| token)).collect();
    assert!(acked.len() > 1000, "only {} acknowledged", acked.len());
    let patience = Instant::now();
    while !acked.is_subset(&seen) {
        assert!(patience.elapsed() < PATIENCE, "{} are never delivered", acked.difference(&seen).count());
        take_numbers(&mut member, Duration::from_millis(5), &mut seen);
    }
    let stored: BTreeSet<u64> = audit(&mut bus).iter().map(|r| number(&r.payload)).collect();
    assert!(acked.is_subset(&stored));
    let mut marks = Vec::new();
    bus.marks(&mut marks);
    for kind in ["disconnected", "connected"] {
        assert!(marks.iter().filter(|mark| mark.kind == kind).count() >= 2, "{kind} is missing: {marks:?}");
    }
}

pub fn payloads_of_any_kind_and_size_pass<R: Rig>() {
    let rig = R::start();
    let mut bus = rig.provisioned(&super::plan());
    let largest = usize::try_from(bus.facts().max_payload).unwrap();
    let mut publisher = bus.publisher(0).unwrap();
    let payloads: Vec<Vec<u8>> = vec![
        "Ünïcödé → 株式 🦀\r\n\0".into(),
        Vec::new(),
        (0..=255).collect(),
        b"\r\nPUB x 1\r\ny\r\n".to_vec(),
        vec![b'm'; largest],
    ];
    for (token, payload) in (0..).zip(&payloads) {
        publish(&mut publisher, token, payload).unwrap();
    }
    assert_eq!(publish(&mut publisher, 99, &vec![0; largest + 1]), Err(Refused::TooLarge));
    let mut acks = Vec::new();
    settle(&mut publisher, &mut acks);
    assert!(answered_once(&acks, 0..5).iter().all(Option::is_some));
    let seen = receive(&mut bus.member(0, 0).unwrap(), 5);
    assert!(seen.iter().map(|r| &r.payload).eq(&payloads));
}

pub fn a_stranger_passes_untouched<R: Rig>() {
    let rig = R::start();
    let mut bus = rig.provisioned(&super::plan());
    rig.publish_foreign(b"{\"not\": ours");
    rig.publish_foreign(&[0xff, 0xfe, 0]);
    rig.publish_foreign(b"");
    let seen = receive(&mut bus.member(0, 0).unwrap(), 3);
    let payloads: Vec<_> = seen.iter().map(|r| r.payload.as_slice()).collect();
    assert_eq!(payloads, [b"{\"not\": ours".as_slice(), &[0xff, 0xfe, 0], b""]);
    assert_eq!(audit(&mut bus), seen);
}

pub fn all_ways_to_acknowledge_deliver_everything<R: Rig>() {
    for ack in [AckMode::Explicit, AckMode::All, AckMode::None] {
        let mut plan = super::plan();
        plan.bus.ack = ack;
        plan.bus.nats.ack_wait = Span::millis(500);
        // Fewer than there are events: without acknowledgements the broker would stop here.
        plan.bus.nats.max_ack_pending = 200;
        let rig = R::start();
        let mut bus = rig.provisioned(&plan);
        let mut publisher = bus.publisher(0).unwrap();
        let mut member = bus.member(0, 0).unwrap();
        let mut acks = Vec::new();
        for token in 0..1000 {
            publish_patiently(&mut publisher, token, format!("e {token}").as_bytes(), &mut acks);
        }
        settle(&mut publisher, &mut acks);
        let mut seen = receive_at_least(&mut member, 1000);
        let patience = Instant::now();
        while bus.observe().unwrap().ack_pending != [0] {
            assert!(patience.elapsed() < PATIENCE, "{ack:?}: acknowledgements do not arrive");
            member.receive(Duration::from_millis(50), &mut |d| seen.push(d.into())).unwrap();
        }
        let distinct: BTreeSet<u64> = seen.iter().map(|r| number(&r.payload)).collect();
        assert_eq!(distinct.len(), 1000, "{ack:?}");
    }
}

pub fn partitions_keep_each_symbol_at_one_member<R: Rig>() {
    let mut plan = super::plan();
    plan.topology.symbol_in_subject = true;
    plan.market.symbols = 40;
    plan.groups[0].members = 3;
    plan.groups[0].delivery = Delivery::Partitioned;
    plan.groups.push(Group {
        name: "beside".to_owned(),
        subscribe: vec![">".to_owned()],
        members: 1,
        delivery: Delivery::Shared,
        consumer: None,
    });
    let rig = R::start();
    let mut bus = rig.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    let mut acks = Vec::new();
    for token in 0..800 {
        let symbol = u32::try_from(token % 40).unwrap();
        publish_symbol(&mut publisher, token, symbol, format!("{symbol} {token}").as_bytes()).unwrap();
        publisher.acks(&mut acks);
    }
    settle(&mut publisher, &mut acks);
    let mut members: Vec<_> = (0..3).map(|member| bus.member(0, member).unwrap()).collect();
    let mut seen = vec![Vec::new(); 3];
    let patience = Instant::now();
    while seen.iter().map(Vec::len).sum::<usize>() < 800 && patience.elapsed() < PATIENCE {
        for (member, seen) in members.iter_mut().zip(&mut seen) {
            member.receive(Duration::from_millis(20), &mut |d| seen.push(rig::Received::from(d))).unwrap();
        }
    }
    let symbol = |r: &rig::Received| {
        String::from_utf8(r.payload.clone()).unwrap().split(' ').next().unwrap().to_owned()
    };
    let symbols: Vec<BTreeSet<String>> = seen.iter().map(|seen| seen.iter().map(symbol).collect()).collect();
    assert_eq!(symbols.iter().map(BTreeSet::len).sum::<usize>(), 40, "a symbol went to several members");
    assert!(symbols.iter().all(|s| !s.is_empty()), "a member got no symbol");
    for seen in &seen {
        let mut last = BTreeMap::new();
        for r in seen {
            assert!(r.subject.starts_with("ai-trader.market.quote.received"), "{}", r.subject);
            assert!(last.insert(symbol(r), number(&r.payload)) < Some(number(&r.payload)), "out of order");
        }
    }
    let beside = receive(&mut bus.member(1, 0).unwrap(), 800);
    let sorted = |mut all: Vec<rig::Received>| {
        all.sort_by(|a, b| a.payload.cmp(&b.payload));
        all
    };
    assert_eq!(sorted(audit(&mut bus)), sorted(beside));
}

pub fn a_pinned_group_has_one_active_member<R: Rig>() {
    let mut plan = super::plan();
    plan.groups[0].members = 2;
    plan.groups[0].delivery = Delivery::Pinned;
    plan.bus.partitions = 1;
    plan.bus.nats.ack_wait = Span::seconds(3);
    plan.bus.nats.pull_batch = 10;
    let rig = R::start();
    let mut bus = rig.provisioned(&plan);
    let mut publisher = bus.publisher(0).unwrap();
    let mut members = vec![bus.member(0, 0).unwrap(), bus.member(0, 1).unwrap()];
    let mut seen = [BTreeSet::new(), BTreeSet::new()];
    let mut acks = Vec::new();
    let patience = Instant::now();
    let mut token = 0;
    while seen.iter().map(BTreeSet::len).sum::<usize>() < 300 {
        assert!(patience.elapsed() < PATIENCE, "{seen:?}");
        if token < 300 {
            publish(&mut publisher, token, format!("e {token}").as_bytes()).unwrap();
            token += 1;
        }
        publisher.acks(&mut acks);
        for (member, seen) in members.iter_mut().zip(&mut seen) {
            take_numbers(member, Duration::from_millis(1), seen);
        }
    }
    let active = usize::from(seen[0].is_empty());
    assert!(seen[1 - active].is_empty(), "both are active: {:?}", seen.map(|s| s.len()));
    // The active one goes; the other takes over.
    drop(members.remove(active));
    for token in 300..400 {
        publish(&mut publisher, token, format!("e {token}").as_bytes()).unwrap();
    }
    settle(&mut publisher, &mut acks);
    assert_eq!(receive(&mut members[0], 100).len(), 100);
}

pub fn the_broker_tells_its_figures<R: Rig>() {
    let rig = R::start();
    let plan = super::plan();
    let mut bus = rig.provisioned(&plan);
    assert_eq!(bus.facts().durability, R::DURABILITY);
    assert!(!bus.facts().product.is_empty() && !bus.facts().version.is_empty());
    let mut publisher = bus.publisher(0).unwrap();
    for token in 0..10 {
        publish(&mut publisher, token, b"0123456789").unwrap();
    }
    settle(&mut publisher, &mut Vec::new());
    let sample = bus.observe().unwrap();
    assert_eq!(
        (sample.stored_events, sample.pending.as_slice(), sample.ack_pending.as_slice()),
        (10, &[10][..], &[0][..])
    );
    assert!(sample.stored_bytes.is_some_and(|bytes| bytes >= 100));
    rig.take_without_ack(&plan, 4);
    let sample = bus.observe().unwrap();
    assert_eq!((sample.pending.as_slice(), sample.ack_pending.as_slice()), (&[6][..], &[4][..]));
    // A broker that does not answer is said so, within seconds.
    rig.pause();
    let error = bus.observe().unwrap_err().to_string();
    assert!(error.contains("cannot observe"), "{error}");
    assert!(!bus.audit(Duration::from_millis(200), &mut |_| {}).unwrap());
    rig.resume();
}

pub fn nothing_is_left_behind<R: Rig>() {
    let rig = R::start();
    // A stream of another run with the same subjects would be in the way. Each run has a name of its own: a server removes
    // files after it has answered, and one that is busy finds them again under the same name.
    for run in ["t1", "t2", "t3", "t4", "t5"] {
        let mut bus = rig.connect_as(run, &super::plan());
        bus.provision().unwrap();
        let mut publisher = bus.publisher(0).unwrap();
        publish(&mut publisher, 0, b"e").unwrap();
        settle(&mut publisher, &mut Vec::new());
        assert_eq!(audit(&mut bus).len(), 1, "an earlier run's event is there");
        bus.teardown().unwrap();
        bus.teardown().unwrap();
    }
}
