//! The figures of the program on a real server, with a fault in between whose effect can be computed; and what it
//! says when a connection, the server or itself stops.
//!
//! A tight figure has three attempts, and a run that saw the machine pause is none: a wrong figure fails them all.

#![expect(clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stderr, reason = "what was seen is of interest when it holds, too")]

#[path = "faults/figures.rs"]
mod figures;
#[path = "faults/outages.rs"]
mod outages;
#[path = "support/proxy.rs"]
mod proxy;
mod support;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use support::program::{Done, Place, Running, balances};
use tickgate::measure::decode;
use tickgate::num;
use tickgate::record::{Latency, Record};

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

/// Why an attempt shows nothing.
enum Miss {
    /// A figure is not the computed one.
    Wrong(String),
    /// Nor can it be: the machine paused for longer than is tolerated.
    Busy(String),
}

/// Measures until a figure holds; three wrong ones are a finding, and so is a machine that never lets one be seen.
#[track_caller]
fn within_three_attempts(mut attempt: impl FnMut() -> Result<(), Miss>) {
    let (mut wrong, mut said) = (0, Vec::new());
    while wrong < 3 && said.len() < 6 {
        match attempt() {
            Ok(()) => return,
            Err(Miss::Busy(why)) => said.push(why),
            Err(Miss::Wrong(why)) => {
                wrong += 1;
                said.push(why);
            }
        }
    }
    panic!("not once:\n{}", said.join("\n"));
}

/// A quantile in seconds.
fn quantile(of: &Latency, q: f64) -> f64 {
    let histogram = decode(&of.histogram).expect("a histogram");
    num::f64_of(histogram.value_at_quantile(q)) / 1e9
}

/// What was measured, what was computed and what was seen, in seconds.
type Figure = (String, f64, f64);

/// Says which figures are further from what was computed than is tolerated.
fn compare(figures: &[Figure], tolerated: f64) -> Result<(), Miss> {
    let shown = figures.iter().map(|(what, computed, seen)| {
        let line = format!("{what}: computed {:.2} ms, seen {:.2} ms", computed * 1e3, seen * 1e3);
        eprintln!("{line}");
        ((computed - seen).abs() > tolerated, line)
    });
    let far: Vec<_> = shown.filter(|(far, _)| *far).map(|(_, line)| line).collect();
    if far.is_empty() { Ok(()) } else { Err(Miss::Wrong(far.join("\n"))) }
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
