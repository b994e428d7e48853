//! The whole pipeline on the simulated bus, on one core: arrival, encoding, bus, decoding, ledger, histograms,
//! timeline, verdict. The figure is events a second.

#![expect(clippy::expect_used, reason = "a bench has no caller to report to")]

use divan::Bencher;
use divan::counter::ItemsCount;
use tickgate::bus::sim::{Delay, Faults};
use tickgate::plan::{Plan, Rate, Span};
use tickgate::run::simulated::{Scenario, simulate};
use tickgate::selftest::swarm::base;

fn main() {
    divan::main();
}

/// A million events of one virtual second.
fn plan() -> Plan {
    let mut plan = base(1);
    plan.load.rate = Rate::per_second(1e6);
    plan.load.duration = Span::seconds(1);
    plan.market.symbols = 500;
    plan.bus.audit = false;
    plan
}

fn bench(bencher: Bencher<'_, '_>, plan: &Plan, faults: Faults) {
    let scenario = Scenario::from(faults);
    bencher
        .counter(ItemsCount::new(1_000_000_u32))
        .bench_local(|| simulate(plan, &scenario, 1).expect("simulates").0.groups[0].delivered);
}

#[divan::bench(sample_count = 5)]
fn perfect_bus(bencher: Bencher<'_, '_>) {
    bench(bencher, &plan(), Faults::default());
}

#[divan::bench(sample_count = 5)]
fn delays_and_a_queue(bencher: Bencher<'_, '_>) {
    let hop = || Delay::LogNormal { median_ns: 100_000, sigma: 0.4 };
    let faults = Faults {
        uplink: hop(),
        answer: hop(),
        downlink: hop(),
        service: Delay::Fixed(500),
        ..Faults::default()
    };
    bench(bencher, &plan(), faults);
}

#[divan::bench(sample_count = 3)]
fn perfect_bus_with_audit(bencher: Bencher<'_, '_>) {
    let mut plan = plan();
    plan.bus.audit = true;
    bench(bencher, &plan, Faults::default());
}
