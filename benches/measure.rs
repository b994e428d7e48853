//! What each event costs on the paths that measure it and that make the load.

use std::cell::RefCell;

use divan::{Bencher, black_box, counter::ItemsCount};
use tickgate::load::{Picker, Schedule};
use tickgate::measure::{Fate, GroupInterval, GroupLedger, Latency, Limits, PublishLedger, Windows};
use tickgate::plan::{Load, Plan, Spacing, Span};

const EVENTS: u64 = 100_000;
const KEYS: u32 = 1_000;
const LIMITS: [u64; 2] = [100_000_000, 1_000_000];

fn main() {
    divan::main();
}

/// A quote's way through 1,000 keys: (key, sequence), each key in order.
fn in_order() -> Vec<(usize, u32)> {
    (0..u32::try_from(EVENTS).unwrap_or(0)).map(|i| (index(i.wrapping_mul(617) % KEYS), i / KEYS)).collect()
}

fn index(n: u32) -> usize {
    usize::try_from(n).unwrap_or(0)
}

/// The same with about one event in a hundred, of all keys in turn, delivered 5,000 events (five of its key)
/// late.
fn one_percent_late() -> Vec<(usize, u32)> {
    let mut events: Vec<(usize, (usize, u32))> = in_order().into_iter().enumerate().collect();
    events.sort_by_key(|&(i, _)| if i % 101 == 37 { i + 5_000 } else { i });
    events.into_iter().map(|(_, event)| event).collect()
}

/// Latencies between 0.1 and 3 ms, spread as a real run's are over a few hundred buckets.
fn latencies() -> Vec<i64> {
    let mut x = 1_u64;
    let mut next = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(x >> 43).unwrap_or(0)
    };
    (0..EVENTS).map(|_| 100_000 + next() + next() / 2).collect()
}

fn ledger(bencher: Bencher<'_, '_>, events: &[(usize, u32)]) {
    bencher
        .counter(ItemsCount::new(events.len()))
        .with_inputs(|| GroupLedger::new(index(KEYS)))
        .bench_local_refs(|ledger| {
            for (&(key, sequence), now) in events.iter().zip(0_u64..) {
                black_box(ledger.deliver(key, sequence, now, 1));
            }
        });
}

#[divan::bench]
fn ledger_in_order(bencher: Bencher<'_, '_>) {
    ledger(bencher, &in_order());
}

#[divan::bench]
fn ledger_one_percent_late(bencher: Bencher<'_, '_>) {
    let events = one_percent_late();
    let mut once = GroupLedger::new(index(KEYS));
    for &(key, sequence) in &events {
        once.deliver(key, sequence, 0, 1);
    }
    assert!(once.totals().reordered > EVENTS / 120, "nothing is late: {:?}", once.totals());
    ledger(bencher, &events);
}

#[divan::bench]
fn publish_ledger_assign_and_ack(bencher: Bencher<'_, '_>) {
    let events = in_order();
    bencher
        .counter(ItemsCount::new(EVENTS))
        .with_inputs(|| PublishLedger::new(index(KEYS)))
        .bench_local_refs(|ledger| {
            for &(key, _) in &events {
                black_box(ledger.assign(key));
                ledger.acked(false);
            }
        });
}

#[divan::bench]
fn histogram_with_two_limits(bencher: Bencher<'_, '_>) {
    let times = latencies();
    let latency = RefCell::new(Latency::new(&LIMITS));
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        let mut latency = latency.borrow_mut();
        for &ns in &times {
            latency.record(black_box(ns));
        }
    });
}

/// All that a delivery costs in the measurement: ledger, counts, histogram and windows, each with 2 limits.
#[divan::bench]
fn delivery(bencher: Bencher<'_, '_>) {
    let (events, times) = (one_percent_late(), latencies());
    let limits = Limits { latency: LIMITS.to_vec(), ..Limits::default() };
    bencher
        .counter(ItemsCount::new(EVENTS))
        .with_inputs(|| {
            let windows = Windows::new(0, Span::seconds(10), Span::seconds(1), &LIMITS);
            (GroupLedger::new(index(KEYS)), GroupInterval::new(&limits), windows)
        })
        .bench_local_refs(|(ledger, interval, windows)| {
            for ((&(key, sequence), &ns), i) in events.iter().zip(&times).zip(0_u64..) {
                let intended = i * 100_000;
                let fate = ledger.deliver(key, sequence, intended + 1_000_000, 1);
                interval.count(fate);
                if matches!(fate, Fate::First | Fate::Reordered { .. }) {
                    interval.latency.record_between(true, 0, ns.unsigned_abs());
                    windows.record(intended, ns);
                }
            }
        });
}

#[divan::bench]
fn interval_merge(bencher: Bencher<'_, '_>) {
    let mut second = Latency::new(&LIMITS);
    for ns in latencies() {
        second.record(ns);
    }
    bencher.with_inputs(|| Latency::new(&LIMITS)).bench_local_refs(|total| total.merge(&second));
}

#[divan::bench]
fn interval_clear(bencher: Bencher<'_, '_>) {
    let mut second = Latency::new(&LIMITS);
    second.record(1);
    bencher.with_inputs(|| second.clone()).bench_local_refs(Latency::clear);
}

/// A plan of 10,000 events a second for 10 s, with 1,000 Zipf-popular symbols and 3 topics.
fn plan(spacing: Spacing) -> Option<Plan> {
    let plan: Plan = serde_json::from_value(serde_json::json!({
        "name": "bench", "description": "",
        "load": {
            "rate": "10k/s", "warmup": "0s", "duration": "10s", "drain": "1s", "arrival": "constant",
            "spacing": "constant", "generators": 1, "pacing": "sleep"
        },
        "market": {
            "symbols": KEYS, "seed": 1, "popularity": "zipf", "zipf_exponent": 1.0, "event_size": "300B"
        },
        "topology": { "name": "bench", "prefix": "b", "topics": ["a", "b", "c"], "symbol_in_subject": false },
        "mix": { "a": 0.9, "b": 0.05, "c": 0.05 },
        "bus": {
            "kind": "nats", "replicas": 1, "storage": "file", "sync": "default",
            "publish": "async", "window": 1000, "buffer": 1000, "publish_timeout": "5s",
            "ack": "explicit",
            "max_bytes": "1GiB", "max_age": "1h", "partitions": 1, "audit": true
        },
        "groups": [],
        "objectives": {}
    }))
    .ok()?;
    let load = Load { spacing, ..plan.load };
    Some(Plan { load, ..plan })
}

fn schedule(bencher: Bencher<'_, '_>, spacing: Spacing) {
    let Some(plan) = plan(spacing) else { return };
    bencher
        .counter(ItemsCount::new(EVENTS))
        .with_inputs(|| Schedule::new(&plan.load, 1, &[1.0], 0))
        .bench_local_refs(|schedule| schedule.map(black_box).count());
}

#[divan::bench]
fn schedule_constant(bencher: Bencher<'_, '_>) {
    schedule(bencher, Spacing::Constant);
}

#[divan::bench]
fn schedule_poisson(bencher: Bencher<'_, '_>) {
    schedule(bencher, Spacing::Poisson);
}

#[divan::bench]
fn pick(bencher: Bencher<'_, '_>) {
    let Some(plan) = plan(Spacing::Constant) else { return };
    let picker = Picker::new(&plan, 0);
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        for k in 0..EVENTS {
            black_box(picker.pick(black_box(k)));
        }
    });
}
