//! Cost of one event: encoding it (a quote, the mix of all topics) and decoding it.

#![expect(clippy::expect_used, reason = "a bench has no caller to report to")]

use divan::Bencher;
use divan::counter::ItemsCount;
use tickgate::market::{Decoded, Market, RunIdentity, decode};
use tickgate::plan::{Plan, Size};

const NOW: u64 = 1_795_507_200_123_456_789;

fn main() {
    divan::main();
}

fn plan(event_size: u64) -> Plan {
    let mut plan: Plan =
        serde_json::from_str(include_str!("../tests/data/market-plan.json")).expect("a plan");
    plan.market.symbols = 500;
    plan.market.event_size = Size { bytes: event_size };
    plan
}

/// Encodes the `n`-th event of a load at 10,000/s over 500 symbols.
fn encode(market: &mut Market, into: &mut Vec<u8>, topic: usize, n: u32) {
    market.encode(into, topic, n % 500, n / 500, NOW + u64::from(n) * 100_000);
}

#[divan::bench(args = [0, 512, 1024, 4096])]
fn encode_quote(bencher: Bencher<'_, '_>, event_size: u64) {
    let mut market = Market::new(&plan(event_size), 1, 0, 1);
    let (mut into, mut n) = (Vec::with_capacity(8192), 0);
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        n += 1;
        encode(&mut market, &mut into, 0, n);
        into.len()
    });
}

#[divan::bench]
fn encode_mix(bencher: Bencher<'_, '_>) {
    let plan = plan(0);
    let mut market = Market::new(&plan, 1, 0, 1);
    let (mut into, mut n, mut topic) = (Vec::with_capacity(8192), 0, 0);
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        n += 1;
        topic = (topic + 1) % plan.topology.topics.len();
        encode(&mut market, &mut into, topic, n);
        into.len()
    });
}

#[divan::bench(args = [0, 512, 1024, 4096])]
fn decode_ours(bencher: Bencher<'_, '_>, event_size: u64) {
    let plan = plan(event_size);
    let mut market = Market::new(&plan, 1, 0, 1);
    let run = RunIdentity::new(&plan, 1, NOW, u64::MAX);
    let mut event = Vec::new();
    encode(&mut market, &mut event, 0, 1);
    assert!(matches!(decode(&event, &run), Decoded::Ours(_)), "the slow path is another bench");
    bencher.counter(ItemsCount::new(1_u32)).bench(|| decode(divan::black_box(&event), &run));
}

#[divan::bench]
fn decode_rewritten(bencher: Bencher<'_, '_>) {
    let plan = plan(0);
    let run = RunIdentity::new(&plan, 1, NOW, u64::MAX);
    let mut event = Vec::new();
    encode(&mut Market::new(&plan, 1, 0, 1), &mut event, 0, 1);
    let value: serde_json::Value = serde_json::from_slice(&event).expect("JSON");
    let event = serde_json::to_vec_pretty(&value).expect("JSON");
    assert!(matches!(decode(&event, &run), Decoded::Unverified(_)), "the fast path is another bench");
    bencher.counter(ItemsCount::new(1_u32)).bench(|| decode(divan::black_box(&event), &run));
}
