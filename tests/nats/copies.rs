//! An audit of each copy of a replicated stream, on three real servers: a stalled one is named and not read, and
//! nothing is missing for it; when it has caught up, all copies are read and are the same.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use tickgate::bus::nats::{NatsBus, Setup, Target};
use tickgate::bus::{Bus, Reached, StoreCopies};
use tickgate::host::clock::Clock;
use tickgate::measure::{Copies, Held};
use tickgate::topology::Naming;

use crate::support;
use crate::support::cluster::Cluster;
use crate::support::nats::jetstream;
use crate::support::rig::{PATIENCE, answered_once, publish_patiently, settle};

const EVENTS: u64 = 2000;

/// Reads every copy that can be read, a part of each in turn: the number of events in the union, the positions at which the
/// copies differ, and the events of each copy.
fn read_all(bus: &mut NatsBus, copies: &StoreCopies) -> (u64, u64, Vec<u64>) {
    let mut merged = Copies::new(copies.of.len());
    let mut union = 0;
    let mut open: Vec<usize> = (0..copies.of.len()).filter(|c| copies.of[*c].unread.is_none()).collect();
    for copy in (0..copies.of.len()).filter(|copy| copies.of[*copy].unread.is_some()) {
        merged.unknown_behind(copy, 0);
    }
    let mut to = 0;
    while !open.is_empty() {
        to += 700;
        open.retain(|&copy| {
            let reached = bus.audit_copy(copy, to, PATIENCE, &mut |delivery| {
                let content =
                    delivery.payload.iter().fold(7_u64, |sum, b| sum.wrapping_mul(31) + u64::from(*b));
                merged.take(copy, Held { position: delivery.position.offset, content, what: () });
            });
            reached.unwrap() != Reached::End
        });
        merged.merge(to, |()| union += 1);
    }
    let events = (0..copies.of.len()).map(|copy| merged.events(copy)).collect();
    (union, merged.diverged(), events)
}

fn copies(bus: &mut NatsBus, within: Duration) -> StoreCopies {
    bus.copies(within).unwrap().unwrap()
}

#[test]
fn a_copy_that_stands_still_is_named_and_nothing_is_missing_for_it() {
    let cluster = Cluster::start();
    let mut plan = support::plan();
    plan.bus.replicas = 3;
    let symbols = support::symbols(&plan);
    let setup = Setup {
        plan: &plan,
        run_id: "t1",
        naming: Naming::Profile,
        symbols: &symbols,
        clock: Clock::start(),
        volume_bytes: 0,
        model: None,
        sync_always: None,
        keep: false,
    };
    let mut bus = NatsBus::connect(Target::parse(&cluster.servers[0].url()).unwrap(), &setup).unwrap();
    bus.provision().unwrap();
    let leader = jetstream(&cluster.servers[0].url(), async |jetstream| {
        let stream = jetstream.get_stream("tickgate-t1").await.unwrap();
        stream.cached_info().cluster.clone().unwrap().leader.unwrap()
    });
    // Neither the leader nor the server that everything is connected to.
    let still = [1, 2].into_iter().find(|n| format!("n{}", n + 1) != leader).unwrap();
    let name = format!("n{}", still + 1);
    let mut publisher = bus.publisher(0).unwrap();
    let mut acks = Vec::new();
    for token in 0..EVENTS {
        if token == EVENTS / 2 {
            settle(&mut publisher, &mut acks);
            cluster.servers[still].pause();
        }
        publish_patiently(&mut publisher, token, token.to_string().as_bytes(), &mut acks);
    }
    settle(&mut publisher, &mut acks);
    let stored = answered_once(&acks, 0..EVENTS).iter().flatten().count();
    assert_eq!(stored, usize::try_from(EVENTS).unwrap(), "two of three confirm");

    let before = Instant::now();
    let found = copies(&mut bus, Duration::from_secs(9));
    // Nobody waits for the copy beyond the time given; a busy machine adds to that.
    assert!(before.elapsed() < PATIENCE / 3, "{:?}", before.elapsed());
    assert_eq!((found.of.len(), found.of[0].node.as_str(), found.last), (3, leader.as_str(), EVENTS));
    let unread: Vec<&str> = found.of.iter().filter(|c| c.unread.is_some()).map(|c| c.node.as_str()).collect();
    assert_eq!(unread, [name.as_str()], "{found:?}");
    let (union, diverged, events) = read_all(&mut bus, &found);
    assert_eq!((union, diverged), (EVENTS, 0), "{events:?}");
    assert_eq!(events.iter().sum::<u64>(), 2 * EVENTS);

    cluster.servers[still].resume();
    let found = copies(&mut bus, 2 * PATIENCE);
    assert!(found.of.iter().all(|copy| copy.unread.is_none()), "{found:?}");
    assert_eq!(read_all(&mut bus, &found), (EVENTS, 0, vec![EVENTS; 3]));
    bus.teardown().unwrap();
}
