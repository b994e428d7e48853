//! Delay, jitter, a stall and a narrow line: each shifts the distributions by what can be computed.

use std::time::Duration;

use tickgate::num;
use tickgate::record::{Latency, Record};

use super::{
    GAP, Lateness, MEMBER, Miss, PUBLISHER, TOLERATED, WAKE_UPS, after_a_stall, alone, both, compare_after,
    compare_of, far, measured, quantile, run, whole,
};
use crate::support::nats::NatsServer;
use crate::support::proxy::Direction::{ToClient, ToServer};
use crate::support::proxy::{Direction, Proxy, Shape};

/// A run behind a proxy that does this to one direction.
fn behind(server: &NatsServer, direction: Direction, shape: Shape) -> Record {
    let proxy = Proxy::to(server.port());
    proxy.shape(direction, shape);
    let (done, record) = run(&proxy.url(), &["load.duration=1500ms"], |_| {});
    done.ends(0);
    whole(&record);
    record
}

/// End-to-end latency, acknowledgement, the program's own lateness.
fn times(record: &Record) -> [&Latency; 3] {
    [&record.groups[0].latency, &record.load.ack, &record.load.send_lag]
}

/// A delay moves what crosses it, by itself, and nothing else: both times where it is on all connections, since
/// an event goes to the server and its acknowledgement and its delivery come from it; only the one or the other
/// where it is on one.
///
/// On a machine that is busy with other things the median is of its making: then the fastest events have to show it.
#[test]
fn a_delay_moves_what_crosses_it_by_itself() {
    const DELAY: f64 = 0.020;
    const TOLERATED: f64 = 0.001;
    const MEDIAN: f64 = 0.5;
    const FASTEST: f64 = 0.05;
    let _alone = alone();
    let server = NatsServer::start();
    let mut cases = vec![
        ("from the server", ToClient, None, [DELAY, DELAY, 0.0]),
        ("to the server", ToServer, None, [DELAY, DELAY, 0.0]),
        ("to the member", ToClient, MEMBER, [DELAY, 0.0, 0.0]),
        ("to the publisher", ToClient, PUBLISHER, [0.0, DELAY, 0.0]),
    ];
    measured(|| {
        let base = behind(&server, ToClient, Shape::default());
        let mut disturbed = Ok(());
        let mut wrong = Ok(());
        cases.retain(|&(name, direction, only, moved)| {
            let shape = Shape { delay_ns: num::u64_of(DELAY * 1e9), only, ..Shape::default() };
            let seen = behind(&server, direction, shape);
            let late = Lateness::of(&base).or(Lateness::of(&seen));
            let calm = late.p99 < TOLERATED;
            let q = if calm { MEDIAN } else { FASTEST };
            let at = |record: &Record| times(record).map(|times| quantile(times, q));
            let figures: Vec<_> = ["latency", "ack", "send lag"]
                .iter()
                .zip(at(&base).iter().zip(moved))
                .zip(at(&seen))
                .map(|((what, (base, moved)), seen)| {
                    (format!("{name}: {what} p{}", q * 100.0), base + moved, seen)
                })
                .collect();
            // No event is faster than the line; distributions are kept to three digits.
            let fastest = times(&seen).map(|times| quantile(times, 0.0));
            assert!(
                fastest.iter().zip(moved).all(|(seen, moved)| *seen >= moved * 0.998),
                "{name}: {fastest:?}"
            );
            let tolerated = TOLERATED + WAKE_UPS * late.median;
            let Err(why) = far(&figures, tolerated, tolerated) else { return false };
            if calm {
                wrong = Err(Miss::Wrong(why));
            } else {
                disturbed = Err(Miss::Disturbed(format!("{late:?}\n{why}")));
            }
            true
        });
        wrong.and(disturbed)
    });
}

/// With jitter J and events every g, an event is late by at most x when its own jitter is at most x, that of the
/// one before it at most x + g, and so on: P(x) = ∏ min(1, (x + k·g) / J). Without the order it would be x / J.
#[test]
fn jitter_that_keeps_the_order_is_a_running_maximum() {
    const JITTER: f64 = 0.040;
    let at_most = |x: f64| {
        let ahead = (0..20_u32).map(|k| ((x + f64::from(k) * GAP) / JITTER).min(1.0));
        ahead.product::<f64>()
    };
    let computed = |q: f64| {
        let (mut low, mut high) = (0.0, JITTER);
        for _ in 0..50 {
            let middle = f64::midpoint(low, high);
            if at_most(middle) < q { low = middle } else { high = middle }
        }
        low
    };
    let _alone = alone();
    let server = NatsServer::start();
    measured(|| {
        let proxy = Proxy::to(server.port());
        proxy.shape(ToClient, Shape { jitter_ns: num::u64_of(JITTER * 1e9), ..Shape::default() });
        let (done, record) = run(&proxy.url(), &["load.duration=3s"], |_| {});
        done.ends(0);
        whole(&record);
        compare_of(&record, &both(&record, &[0.25, 0.5, 0.75, 0.9], computed), 0.003)
    });
}

#[test]
fn a_stall_counts_for_every_event_that_it_held_up() {
    const QUANTILES: [f64; 6] = [0.6, 0.75, 0.9, 0.95, 0.99, 0.999];
    let (stall, phase) = (2.0, 4.0);
    let _alone = alone();
    let server = NatsServer::start();
    measured(|| {
        let proxy = Proxy::to(server.port());
        let hold = |directions: &[Direction]| proxy.stall(directions, Duration::from_secs_f64(stall));
        let (done, record) = run(&proxy.url(), &["load.duration=4s"], |_| hold(&[ToServer, ToClient]));
        done.ends(0);
        whole(&record);
        let mut figures = both(&record, &QUANTILES, after_a_stall(stall, phase));
        // The schedule went on meanwhile.
        figures.push(("send lag p99".to_owned(), 0.0, quantile(&record.load.send_lag, 0.99)));
        compare_after(&record, &figures, stall, phase)
    });
}

/// A line that carries less than is offered is a queue that grows at a constant rate: what comes at t waits for
/// t · (offered / capacity − 1).
#[test]
fn a_narrow_line_is_a_queue() {
    const CAPACITY: u64 = 330_000;
    const QUANTILES: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.99];
    let phase = 3.0;
    let _alone = alone();
    let server = NatsServer::start();
    measured(|| {
        let proxy = Proxy::to(server.port());
        proxy.shape(ToServer, Shape { bytes_a_second: CAPACITY, ..Shape::default() });
        let sets = ["load.duration=3s", "load.warmup=0s", "market.event_size=1000B"];
        let (done, record) = run(&proxy.url(), &sets, |_| {});
        done.ends(0);
        whole(&record);
        let bytes = num::f64_of(proxy.carried(ToServer)) / num::f64_of(record.load.intended);
        let over = bytes / GAP / num::f64_of(CAPACITY);
        let mut figures = both(&record, &QUANTILES, |q| q * phase * (over - 1.0));
        // What the line has not carried yet is under way: seen as the time that it was offered in.
        for (row, second) in record.timeline.iter().zip([1.0, 2.0, 3.0]) {
            let seen = num::f64_of(row.in_flight) * GAP;
            figures.push((format!("under way after {second} s"), second * (1.0 - 1.0 / over), seen));
        }
        compare_of(&record, &figures, TOLERATED)
    });
}
