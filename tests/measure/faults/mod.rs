//! The figures of the program on a real server, with a fault in between whose effect can be computed; and what it
//! says when a connection, the server or itself stops.

#![expect(clippy::expect_used, reason = "tests")]

mod alone;
mod outages;

use tickgate::record::Record;

use crate::support::attempts::{Figure, Lateness, Miss, WAKE_UPS, far, measured, quantile};
use crate::support::machine::{alone, beside_others};
use crate::support::program::{Done, Place, Running, balances};

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

/// Says which figures of a run are further from what was computed than is tolerated. Each wake-up on an event's way adds to it
/// and never takes from it, so a machine that wakes threads late widens the upper bound, by what the run saw of it. A pause
/// that is a material part of the bound excuses what is left, for it may have met anybody on the way.
fn compare_of(record: &Record, figures: &[Figure], tolerated: f64) -> Result<(), Miss> {
    compare_within(record, figures, tolerated, tolerated)
}

fn compare_within(record: &Record, figures: &[Figure], below: f64, above: f64) -> Result<(), Miss> {
    let late = Lateness::of(record);
    far(figures, below, above + WAKE_UPS * late.p99).map_err(|why| {
        if late.max > above / 2.0 {
            Miss::Disturbed(format!("the machine paused for {:.3} s\n{why}", late.max))
        } else {
            Miss::Wrong(format!("{late:?}\n{why}"))
        }
    })
}

/// The same after a stall, whose backlog takes time to be let through, the more the slower and busier the machine is. The run
/// gives how much: what was due as the stall ended waited for that alone, and nothing waited for more of it.
fn compare_after(record: &Record, figures: &[Figure], stall: f64, phase: f64) -> Result<(), Miss> {
    const TOLERATED: f64 = 0.05;
    let at_its_end = 1.0 - stall / phase;
    let [latency, ack] =
        [&record.groups[0].latency, &record.load.ack].map(|times| quantile(times, at_its_end));
    let caught_up = latency.max(ack);
    let compared = compare_within(record, figures, TOLERATED, TOLERATED + caught_up);
    if caught_up > stall / 4.0 {
        return Err(Miss::Disturbed(format!("the backlog of the stall took {caught_up:.3} s")));
    }
    compared
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
