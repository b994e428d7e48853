//! Events that are sent again, against a server that ends, stops or has no stream for a while.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::time::Duration;

use tickgate::bus::{Ack, Answer, Bus as _, Outgoing, Publisher, Refusal};
use tickgate::num;
use tickgate::plan::{Plan, Span};

use crate::support;
use crate::support::nats;
use crate::support::rig::{Nats, Rig as _, audit, settle};

const SYMBOLS: u64 = 4;

fn plan(retry: Span) -> Plan {
    let mut plan = support::plan();
    plan.bus.nats.msg_id = true;
    (plan.bus.retry, plan.bus.retry_after) = (retry, Span::millis(300));
    plan
}

/// Publishes 500 events a second, and waits for all answers.
fn offer(publisher: &mut impl Publisher, events: u64, mut before: impl FnMut(u64)) -> Vec<Ack> {
    let mut acks = Vec::new();
    for token in 0..events {
        before(token);
        let (id, payload) = (format!("id-{token}"), token.to_string());
        let symbol = num::count32(num::index(token % SYMBOLS));
        let event = Outgoing { token, topic: 0, symbol, id: &id, payload: payload.as_bytes() };
        publisher.publish(&event).unwrap();
        publisher.acks(&mut acks);
        std::thread::sleep(Duration::from_millis(2));
    }
    settle(publisher, &mut acks);
    acks.sort_by_key(|ack| ack.token);
    assert!(acks.iter().map(|ack| ack.token).eq(0..events), "each has one answer");
    acks
}

fn stored(bus: &mut impl tickgate::bus::Bus) -> Vec<u64> {
    audit(bus).into_iter().map(|r| String::from_utf8(r.payload).unwrap().parse().unwrap()).collect()
}

/// Every event is confirmed, stored once, and in the order of its symbol; returns the copies sent beyond the first.
fn all_are_kept(acks: &[Ack], stored: &[u64]) -> u64 {
    let refused: Vec<_> = acks.iter().filter(|ack| !matches!(ack.outcome, Answer::Stored { .. })).collect();
    assert!(refused.is_empty(), "{refused:?}");
    assert!(acks.iter().all(|ack| !ack.tries.gave_up));
    assert_eq!(stored.len(), acks.len(), "each is stored once");
    assert_eq!(stored.iter().collect::<BTreeSet<_>>().len(), acks.len());
    for symbol in 0..SYMBOLS {
        let own = stored.iter().filter(|token| **token % SYMBOLS == symbol);
        assert!(own.is_sorted(), "symbol {symbol} is out of order: {stored:?}");
    }
    acks.iter().map(|ack| u64::from(ack.tries.copies) - 1).sum()
}

#[test]
fn a_server_that_is_killed_and_started_again_loses_nothing_and_breaks_no_order() {
    let mut rig = Nats::start();
    let mut bus = rig.provisioned(&plan(Span::seconds(15)));
    let mut publisher = bus.publisher(0).unwrap();
    let acks = offer(&mut publisher, 2000, |token| match token {
        500 => rig.server.kill(),
        1500 => rig.restart(),
        _ => {}
    });
    all_are_kept(&acks, &stored(&mut bus));
}

#[test]
fn a_server_that_stops_gets_copies_and_stores_each_event_once() {
    let rig = Nats::start();
    let mut bus = rig.provisioned(&plan(Span::seconds(15)));
    let mut publisher = bus.publisher(0).unwrap();
    let acks = offer(&mut publisher, 1000, |token| match token {
        200 => rig.pause(),
        700 => rig.resume(),
        _ => {}
    });
    assert!(all_are_kept(&acks, &stored(&mut bus)) > 0, "some were not answered within 300 ms");
}

/// While there is no stream, the server answers each event with 503.
fn without_a_stream(retry: Span) -> (Vec<Ack>, Vec<u64>) {
    let rig = Nats::start();
    let mut bus = rig.provisioned(&plan(retry));
    let mut publisher = bus.publisher(0).unwrap();
    let url = rig.server.url();
    let mut config = None;
    let acks = offer(&mut publisher, 1000, |token| {
        if ![0, 500].contains(&token) {
            return;
        }
        nats::jetstream(&url, async |jetstream| match token {
            0 => {
                let stream = jetstream.get_stream("tickgate-t1").await.unwrap();
                config = Some(stream.cached_info().config.clone());
                jetstream.delete_stream("tickgate-t1").await.unwrap();
            }
            _ => {
                jetstream.create_stream(config.take().unwrap()).await.unwrap();
            }
        });
    });
    let stored = stored(&mut bus);
    (acks, stored)
}

#[test]
fn what_is_refused_for_want_of_a_stream_is_sent_again_or_gone() {
    let (acks, stored) = without_a_stream(Span::seconds(15));
    let resent = all_are_kept(&acks, &stored);
    assert!(resent > 0 && resent < 500, "{resent} copies in a second: the server was flooded");

    let (acks, stored) = without_a_stream(Span::default());
    let gone = |ack: &Ack| ack.outcome == Answer::Refused(Refusal::NoResponders);
    assert!(acks[..500].iter().all(gone), "{acks:?}");
    assert!(stored.iter().copied().eq(500..1000), "{stored:?}");
}
