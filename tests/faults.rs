//! The figures of the program on a real server, with a fault in between whose effect can be computed; and what it
//! says when a connection, the server or itself stops.

#![expect(clippy::expect_used, reason = "tests")]

#[path = "support/attempts.rs"]
mod attempts;
#[path = "faults/figures.rs"]
mod figures;
#[path = "faults/outages.rs"]
mod outages;
#[path = "support/proxy.rs"]
mod proxy;
mod support;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use attempts::{Figure, Miss, compare, quantile, within_three_attempts};
use support::program::{Done, Place, Running, balances};
use tickgate::num;
use tickgate::record::Record;

/// Even gaps, so that what a fault does to them is arithmetic; judged by what no slow machine can cause.
const PROFILE: &str = r#"
[load]
rate = "500/s"
warmup = "300ms"
duration = "2s"
drain = "10s"
arrival = "constant"

[market]
symbols = 20

[[groups]]
name = "trading-engine"

[objectives]
"delivery.lost" = "== 0"
"delivery.duplicate" = "== 0"
"publish.unsent" = "== 0"
"replay.complete" = "== 100%"
"#;
/// Between two events, in seconds.
const GAP: f64 = 0.002;
/// Of times of a second and more: what a thousand events that are let go at once take, on a busy machine.
const TOLERATED: f64 = 0.1;

/// The connections of a run that is the first behind its proxy, in the order in which it makes them.
const PUBLISHER: Option<usize> = Some(1);
const MEMBER: Option<usize> = Some(2);

/// Tests of figures run alone, the others beside each other.
static MACHINE: RwLock<()> = RwLock::new(());

fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

fn beside_others() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// A run on the server at `url`; `meanwhile` begins with the measure phase.
#[track_caller]
fn run(url: &str, sets: &[&str], meanwhile: impl FnOnce(&Running)) -> (Done, Record) {
    let place = Place::new();
    let profile = place.write("faults.toml", PROFILE);
    let mut args = vec!["run", profile.as_str(), "--quiet", "--broker", url];
    args.extend(sets.iter().flat_map(|set| ["--set", set]));
    let mut running = place.start(&args);
    running.until_it_measures();
    meanwhile(&running);
    let done = running.wait();
    assert!(done.code >= 0 && !done.err.contains("panicked"), "{done:#?}");
    let record = place.record();
    balances(&record);
    (done, record)
}

/// The same, of one run: a pause of the machine that the run itself has seen excuses it.
fn compare_of(record: &Record, figures: &[Figure], tolerated: f64) -> Result<(), Miss> {
    let paused = num::f64_of(record.health.hiccups.max_ns) / 1e9;
    compare(figures, tolerated).map_err(|miss| match miss {
        Miss::Wrong(why) if paused > tolerated / 2.0 => {
            Miss::Busy(format!("the machine paused for {paused:.3} s\n{why}"))
        }
        miss => miss,
    })
}

/// End-to-end latency and acknowledgement time at some quantiles, beside what both must be.
fn both(record: &Record, quantiles: &[f64], computed: impl Fn(f64) -> f64) -> Vec<Figure> {
    let sides = [("latency", &record.groups[0].latency), ("ack", &record.load.ack)];
    let at = |&(side, figures)| {
        quantiles.iter().map(move |&q| (format!("{side} p{}", q * 100.0), q, quantile(figures, q)))
    };
    sides.iter().flat_map(at).map(|(what, q, seen)| (what, computed(q), seen)).collect()
}

/// After a stall of `stall` seconds in a phase of `phase` seconds with even gaps: of the events that the stall held
/// up, the first waited for all of it and the last for nothing.
fn after_a_stall(stall: f64, phase: f64) -> impl Fn(f64) -> f64 {
    move |q| stall - (1.0 - q) * phase
}

/// Everything was sent and confirmed, and arrived once and in order.
#[track_caller]
fn whole(record: &Record) {
    let (load, group) = (&record.load, &record.groups[0]);
    assert_eq!((load.acked, load.unconfirmed, load.unsent), (load.intended, 0, 0));
    assert_eq!((group.delivered, group.lost, group.recovered), (load.intended, 0, 0));
    assert_eq!((group.reordered, group.duplicate, group.corrupt), (0, 0, 0));
}
