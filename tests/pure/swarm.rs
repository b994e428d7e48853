//! Seeded simulations against an oracle: each seed draws a plan and a mix of faults, and the record must say exactly
//! what happened.
//!
//! `make sim SEEDS=10000` runs many; `TICKGATE_SEED=123 cargo test --release --test pure -- swarm::replay --nocapture`
//! shows one.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests; a replay is for reading"
)]

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};

use tickgate::archive::contradiction;
use tickgate::bus::sim::{Outcome, Truth};
use tickgate::plan::{Metric, Op, Plan, Stat, Timing, Value};
use tickgate::record::{Record, Verdict};
use tickgate::run::simulated::{Scenario, simulate};
use tickgate::selftest::swarm::draw;
use tickgate::selftest::{oracle, recovery};

/// Seeds that a plain `cargo test` runs.
const FEW: u64 = 150;
/// The same, of those whose bus is healed.
const FEW_RECOVERIES: u64 = 40;
/// Seeds that found a bug, with its description.
const FOUND: [(u64, &str); 5] = [
    (27, "copies of unconfirmed events made the audit say that acked ones were not stored once"),
    (46, "losses by symbol came from a list that is bounded"),
    (109, "a third copy of an event took another one from those stored once"),
    (187, "a late first delivery of a second copy was taken for a redelivery"),
    (1265, "a second copy whose second attempt overtook its first was taken for two redeliveries"),
];

fn variable(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// The failure of a seed, a panic included.
fn wrong(seed: u64) -> Vec<String> {
    let judged = catch_unwind(|| {
        let (plan, scenario) = draw(seed);
        match simulate(&plan, &scenario, seed) {
            Ok((record, truth)) => {
                count(&record);
                let mut wrong = oracle::differences(&record, &truth);
                wrong.extend(
                    contradiction(&record).map(|text| format!("read again, it contradicts itself: {text}")),
                );
                wrong
            }
            Err(error) => vec![format!("the simulation fails: {error}")],
        }
    });
    judged.unwrap_or_else(|_| vec!["it panics".to_owned()])
}

/// Objectives on latency and acknowledgement with an upper limit: passed, inconclusive, failed; and those that would be
/// inconclusive if lateness also counted against objectives that are missed.
static JUDGED: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

fn count(record: &Record) {
    for (objective, result) in record.plan.objectives.iter().zip(&record.objectives) {
        let upper = matches!(objective.op, Op::Below | Op::AtMost);
        let (Metric::Time(Timing::Latency | Timing::Ack, stat), Value::Time(limit), true) =
            (objective.metric, objective.limit, upper)
        else {
            continue;
        };
        let at = match result.verdict {
            Verdict::Pass => 0,
            Verdict::Inconclusive => 1,
            Verdict::Fail => 2,
        };
        JUDGED[at].fetch_add(1, Ordering::Relaxed);
        let (lag, hiccups) = (&record.load.send_lag, &record.health.hiccups);
        let median = matches!(stat, Stat::Min) || matches!(stat, Stat::Quantile(q) if q < 0.9);
        let (late, stood) = if median && !objective.scope.windows {
            (lag.p50_ns, hiccups.p50_ns)
        } else {
            (lag.p99_ns, hiccups.p99_9_ns)
        };
        let two_sided = late > limit.ns / 10 || stood > limit.ns / 5;
        JUDGED[3]
            .fetch_add(u64::from(two_sided || result.verdict == Verdict::Inconclusive), Ordering::Relaxed);
    }
}

fn complain(seed: u64, replay: &str, wrong: &[String]) -> String {
    format!(
        "seed {seed}:\n  {}\n  replay it: TICKGATE_SEED={seed} cargo test --release --test pure -- swarm::{replay} --exact --nocapture",
        wrong.join("\n  ")
    )
}

/// Runs the seeds that are asked for, or `few`; returns their number and the first.
fn over_seeds(few: u64, replay: &str, wrong: fn(u64) -> Vec<String>) -> (u64, u64) {
    let first = variable("TICKGATE_FIRST_SEED").unwrap_or(0);
    let seeds = variable("TICKGATE_SEEDS").unwrap_or(few);
    let next = AtomicU64::new(first);
    let complaints = std::thread::scope(|scope| {
        let work = || {
            let mut complaints = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + seeds || complaints.len() >= 5 {
                    return complaints;
                }
                let wrong = wrong(seed);
                if !wrong.is_empty() {
                    complaints.push(complain(seed, replay, &wrong));
                }
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().flat_map(|thread| thread.join().expect("a worker panics")).collect::<Vec<_>>()
    });
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n\n"));
    (seeds, first)
}

#[test]
fn every_record_says_what_happened() {
    let (seeds, first) = over_seeds(FEW, "replay", wrong);
    let [pass, unsure, fail, before] = [0, 1, 2, 3].map(|at: usize| JUDGED[at].load(Ordering::Relaxed));
    println!("{seeds} seeds from {first} on: every record says what happened");
    println!(
        "upper limits on latency and acknowledgement: {pass} passed, {fail} failed, {unsure} inconclusive; {before} would be \
         inconclusive if lateness counted both ways"
    );
}

/// Faults at random, and then all is healed: what must happen then does.
#[test]
fn every_bus_that_is_healed_recovers() {
    let recovers =
        |seed| catch_unwind(|| recovery::findings(seed)).unwrap_or_else(|_| vec!["it panics".to_owned()]);
    let (seeds, first) = over_seeds(FEW_RECOVERIES, "replay_of_a_recovery", recovers);
    println!("{seeds} seeds from {first} on: every bus that is healed recovers");
}

#[test]
fn seeds_that_found_something_are_right_now() {
    for (seed, what) in FOUND {
        let wrong = wrong(seed);
        assert!(wrong.is_empty(), "{what}\n{}", complain(seed, "replay", &wrong));
    }
}

#[test]
fn the_same_seed_gives_the_same_record_to_the_last_bit() {
    let text = |seed| {
        let (plan, scenario) = draw(seed);
        let (record, truth) = simulate(&plan, &scenario, seed).expect("simulates");
        (serde_json::to_string(&record).expect("JSON"), truth)
    };
    for seed in 0..5 {
        assert!(text(seed) == text(seed), "seed {seed}");
    }
    assert_ne!(text(0).0, text(1).0);
}

/// Open loop: whatever goes wrong on the bus or the machine, each event keeps the time at which it was due.
#[test]
fn the_schedule_is_a_function_of_the_plan_alone() {
    for seed in 0..100 {
        let (plan, scenario) = draw(seed);
        let due = |scenario| -> BTreeMap<(u32, u32, u32), u64> {
            let events = simulate(&plan, scenario, seed).expect("simulates").1.events;
            events.iter().map(|e| ((e.topic, e.symbol, e.sequence), e.intended_unix_ns)).collect()
        };
        let (calm, troubled) = (due(&Scenario::default()), due(&scenario));
        assert!(!calm.is_empty());
        for (event, intended) in troubled {
            assert_eq!(calm.get(&event), Some(&intended), "seed {seed}: {event:?} was moved by what it met");
        }
    }
}

/// Shows a seed: the drawn plan, the failure, and the history of every affected event.
#[test]
fn replay() {
    let Some(seed) = variable("TICKGATE_SEED") else { return };
    show(seed, draw(seed), |_, _| Vec::new());
}

/// Shows a seed whose bus is healed.
#[test]
fn replay_of_a_recovery() {
    let Some(seed) = variable("TICKGATE_SEED") else { return };
    show(seed, recovery::draw(seed), recovery::stuck);
}

fn show(seed: u64, (plan, scenario): (Plan, Scenario), stuck: fn(&Record, &Truth) -> Vec<String>) {
    println!("seed {seed}\n\n{}\n\n{scenario:#?}\n", toml_of(&plan));
    let (record, truth) = simulate(&plan, &scenario, seed).expect("simulates");
    for phase in &record.phases {
        println!("{:>12} to {:>12}  {}", ms(phase.start_ns), ms(phase.end_ns), phase.name.as_str());
    }
    stories(&record, &truth);
    let mut wrong = oracle::differences(&record, &truth);
    wrong.extend(stuck(&record, &truth));
    assert!(wrong.is_empty(), "seed {seed}:\n  {}", wrong.join("\n  "));
    println!("seed {seed} is right");
}

fn toml_of(plan: &Plan) -> String {
    serde_json::to_string_pretty(plan).expect("JSON")
}

fn ms(ns: u64) -> String {
    let micros = ns / 1000;
    format!("{}.{:03} ms", micros / 1000, micros % 1000)
}

fn stories(record: &Record, truth: &Truth) {
    let lines = usize::try_from(variable("TICKGATE_LINES").unwrap_or(200)).expect("a number of lines");
    let index = |n: u32| usize::try_from(n).expect("fits");
    let groups = truth.deliveries.len();
    let mut copies = vec![Vec::new(); truth.events.len()];
    for (position, copy) in (1..).zip(&truth.copies) {
        if let Some(event) = copy.event {
            copies[index(event)].push((position, copy.damaged));
        }
    }
    let mut heard = vec![vec![Vec::new(); groups]; truth.events.len()];
    for (group, deliveries) in truth.deliveries.iter().enumerate() {
        for delivery in deliveries {
            if let Some(event) = truth.copies[index(delivery.copy)].event {
                heard[index(event)][group].push(*delivery);
            }
        }
    }
    println!("\nevents that met trouble (the first {lines}; TICKGATE_LINES for more):");
    let troubled = (0..truth.events.len()).filter(|&event| {
        let fine = matches!(truth.events[event].outcome, Outcome::Acked(false));
        !fine
            || copies[event].len() != 1
            || heard[event].iter().any(|d| d.len() != 1 || d[0].damaged || d[0].attempt > 1)
    });
    for number in troubled.take(lines) {
        let event = &truth.events[number];
        println!(
            "topic {} symbol {:>2} sequence {:>4}: due {}, sent {}, {:?} at {}",
            event.topic,
            event.symbol,
            event.sequence,
            ms(event.intended_unix_ns - record.run.epoch_unix_ns),
            ms(event.sent),
            event.outcome,
            ms(event.answered)
        );
        for (position, damaged) in &copies[number] {
            println!("    stored at {position}{}", if *damaged { ", damaged" } else { "" });
        }
        for (group, deliveries) in heard[number].iter().enumerate() {
            for d in deliveries {
                println!(
                    "    {}: position {}, attempt {}, member {}, at {}{}",
                    record.groups[group].name,
                    d.copy + 1,
                    d.attempt,
                    d.member,
                    ms(d.received),
                    if d.damaged { ", damaged" } else { "" }
                );
            }
        }
    }
}
