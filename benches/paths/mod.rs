//! What is done for every event, each step as a closure over a state of its own: for the count of instructions, and
//! for the test that no step allocates.

#![allow(clippy::expect_used, reason = "the shipped profile is right, and nobody could go on if it were not")]

use std::hint::black_box;

use tickgate::load::{Picker, Schedule};
use tickgate::market::{Decoded, Market, RunIdentity, decode};
use tickgate::measure::{
    Fate, GroupInterval, GroupLedger, Latency, Limits, Positions, PublishLedger, Windows,
};
use tickgate::plan::{Arrival, Plan, Spacing, Span};

const EPOCH: u64 = 1_795_507_200_123_000_000;
const GAP_NS: u64 = 100_000;
const SYMBOLS: u32 = 500;
const LIMITS: [u64; 2] = [100_000_000, 1_000_000];

/// A step on an event's way.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// Takes it for the `n`-th event; to be called for 0, 1, 2…
    pub(crate) take: Box<dyn FnMut(u32)>,
}

/// All steps, in the order in which an event meets them.
pub(crate) fn steps() -> Vec<Step> {
    let step = |name, take| Step { name, take };
    vec![
        step("due, constant", due(Spacing::Constant)),
        step("due, poisson", due(Spacing::Poisson)),
        step("encode", encode()),
        step("account of a published event", published()),
        step("decode", read()),
        step("account of a delivery", delivered()),
    ]
}

/// The plan of the profile `quick`, with more symbols and time.
#[cfg(not(pure))]
pub(crate) fn plan() -> Plan {
    use tickgate::profile::{self, Source};
    let sets = ["load.duration=1h".to_owned(), format!("market.symbols={SYMBOLS}")];
    let source = Source::find("quick").expect("it is shipped");
    profile::read(&source, &sets).expect("a plan")
}

/// The same plan, where no profile can be read.
#[cfg(pure)]
fn plan() -> Plan {
    serde_json::from_str(include_str!("../instructions/plans/steps.json")).expect("a plan")
}

fn intended(n: u32) -> u64 {
    EPOCH + u64::from(n) * GAP_NS
}

/// 100 µs to 3 ms, spread as a real run's are.
fn late_ns(n: u32) -> u64 {
    100_000 + u64::from(n.wrapping_mul(2_654_435_761) >> 11)
}

fn key(n: u32) -> usize {
    usize::try_from(n % SYMBOLS).unwrap_or(0)
}

fn due(spacing: Spacing) -> Box<dyn FnMut(u32)> {
    let mut plan = plan();
    (plan.load.arrival, plan.load.spacing) = (Arrival::Constant, spacing);
    let mut schedule = Schedule::new(&plan.load, 1, &[1.0], 0);
    let picker = Picker::new(&plan, 0);
    Box::new(move |n| {
        black_box((schedule.next(), picker.pick(u64::from(n))));
    })
}

fn encode() -> Box<dyn FnMut(u32)> {
    let mut market = Market::new(&plan(), 1, 0, 1);
    let mut into = Vec::with_capacity(2048);
    Box::new(move |n| {
        market.encode(&mut into, 0, n % SYMBOLS, n / SYMBOLS, intended(n));
        black_box(&into);
    })
}

fn published() -> Box<dyn FnMut(u32)> {
    let mut ledger = PublishLedger::new(plan().keys().count());
    let [mut lag, mut ack, mut service] = std::array::from_fn(|_| Latency::new(&LIMITS));
    Box::new(move |n| {
        black_box(ledger.assign(key(n)));
        let (due, sent) = (intended(n), intended(n) + 30_000);
        lag.record_between(due, sent);
        ack.record_between(due, sent + late_ns(n));
        service.record_between(sent, sent + late_ns(n));
        ledger.acked(false);
    })
}

fn read() -> Box<dyn FnMut(u32)> {
    let plan = plan();
    let run = RunIdentity::new(&plan, 1, EPOCH, u64::MAX);
    let mut market = Market::new(&plan, 1, 0, 1);
    let events: Vec<Vec<u8>> = (0..1000)
        .map(|n| {
            let mut event = Vec::new();
            market.encode(&mut event, 0, n % SYMBOLS, n / SYMBOLS, intended(n));
            event
        })
        .collect();
    Box::new(move |n| {
        let event = &events[usize::try_from(n).unwrap_or(0) % events.len()];
        assert!(matches!(decode(event, &run), Decoded::Ours(_)), "the slow way is another one");
    })
}

fn delivered() -> Box<dyn FnMut(u32)> {
    let plan = plan();
    let limits = Limits { latency: LIMITS.to_vec(), ..Limits::default() };
    let mut ledger = GroupLedger::new(plan.keys().count());
    let mut positions = Positions::new(1);
    let mut second = GroupInterval::new(&limits);
    let mut run = Latency::new(&LIMITS);
    let mut windows = Windows::new(EPOCH, plan.load.duration, Span::seconds(1), &LIMITS);
    Box::new(move |n| {
        let (due, received) = (intended(n), intended(n) + late_ns(n));
        black_box(positions.enter(0, u64::from(n) + 1));
        let fate = ledger.deliver(key(n), n / SYMBOLS, received, 1);
        assert_eq!(fate, Fate::First);
        second.count(fate);
        second.latency.record_between(true, due, received);
        run.record_between(due, received);
        windows.record(due, i64::try_from(received - due).unwrap_or(i64::MAX));
    })
}
