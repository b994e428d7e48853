//! A witness that shares no code with tickgate sees the same events on the same server, and says the same of them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail, and says how close it came"
)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde::Deserialize;
use support::nats::NatsServer;
use support::outside;
use support::program::{Place, balances};
use tickgate::load::{Picker, totals};
use tickgate::record::{Record, Verdict};

/// Three topics, at a rate that leaves two cores room for both sides of the watch; and a limit that no noise breaks,
/// for tickgate to say whether it could measure.
const PROFILE: &str = r#"
[load]
rate = "1k/s"
warmup = "1s"
duration = "5s"
[market]
symbols = 30
[mix]
"market.quote.received" = 8
"market.bar.1m" = 1
"trade.order.filled" = 1
[[groups]]
name = "everything"
subscribe = [">"]
[objectives]
"latency.p50" = "< 50ms"
"delivery.lost" = "== 0"
"#;

/// How far apart the medians may be: two processes are woken for the same event, one after the other.
const APART_NS: u64 = 100_000;
const ATTEMPTS: usize = 3;

/// What the witness says.
#[derive(Debug, Deserialize)]
struct Testimony {
    /// By a core subscription, in the order of the server.
    heard: Account,
    /// By a consumer of the stream.
    stored: Account,
    samples: u64,
    median_ns: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Account {
    events: u64,
    measured: u64,
    repeated: u64,
    gaps: u64,
    reordered: u64,
    contradictions: u64,
    /// Topic, symbol's index, events.
    counts: Vec<(String, u32, u64)>,
}

/// The witness while it listens; ended with the value.
struct Witness {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Witness {
    fn listen(server: &NatsServer) -> Self {
        let mut command = Command::new(outside::root().join(".venv/bin/python"));
        command.arg(outside::root().join("tests/python/witness.py")).arg(server.url());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "what went wrong stands above");
        Self { child, out }
    }

    fn testify(mut self, record: &std::path::Path) -> Testimony {
        writeln!(self.child.stdin.take().unwrap(), "{}", record.display()).unwrap();
        let mut said = String::new();
        self.out.read_to_string(&mut said).unwrap();
        assert!(self.child.wait().unwrap().success(), "what went wrong stands above");
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A run and what was seen of it.
fn witnessed() -> (Record, Testimony) {
    let server = NatsServer::start();
    let place = Place::new();
    let profile = place.write("witness.toml", PROFILE);
    let witness = Witness::listen(&server);
    // The stream stays until the witness has read it to its end.
    let done = place.run(&["run", &profile, "--quiet", "--broker", &server.url(), "--keep"]);
    assert!([0, 3].contains(&done.code), "{done:#?}");
    let testimony = witness.testify(&place.run_folder().join("record.json"));
    (place.record(), testimony)
}

/// The events of each topic and symbol, as the plan has them.
fn planned(record: &Record) -> Vec<(String, u32, u64)> {
    let (plan, picker) = (&record.plan, Picker::new(&record.plan, 0));
    assert_eq!(plan.load.generators, 1, "one generator owns every symbol");
    let all = totals(&plan.load);
    let mut counts = BTreeMap::new();
    for k in 0..all.warmup_events + all.measure_events {
        let (topic, symbol) = picker.pick(k);
        *counts.entry((plan.topology.topics[topic].clone(), symbol)).or_default() += 1;
    }
    counts.into_iter().map(|((topic, symbol), count)| (topic, symbol, count)).collect()
}

/// Everything but time, of which a noisy machine changes nothing.
fn agree(record: &Record, testimony: &Testimony) {
    balances(record);
    let group = &record.groups[0];
    assert_eq!((group.lost, group.duplicate, group.corrupt, group.reordered), (0, 0, 0, 0));
    let audit = record.audit.as_ref().expect("an audit");
    assert_eq!(audit.stored_once, record.load.acked);
    for seen in [&testimony.heard, &testimony.stored] {
        assert_eq!(seen.events, record.load.acked, "confirmed, and seen");
        assert_eq!(seen.events, group.delivered);
        assert_eq!(seen.measured, record.load.measured_intended, "to the last event of the phase");
        assert_eq!((seen.repeated, seen.gaps, seen.reordered, seen.contradictions), (0, 0, 0, 0), "{seen:?}");
        assert_eq!(seen.counts, planned(record), "by topic and symbol");
        for topic in &group.by_topic {
            let of = seen.counts.iter().filter(|(name, ..)| *name == topic.topic);
            assert_eq!(of.map(|(.., count)| count).sum::<u64>(), topic.count, "{}", topic.topic);
        }
    }
    assert_eq!(testimony.samples, group.latency.count, "both have every latency of the measure phase");
}

/// How far the medians are apart. The two have the same clock, anchored once: beside the wall clock's own movement
/// over the run, which the record tells, its error is below a microsecond, and an id's time is exact.
fn apart(record: &Record, testimony: &Testimony) -> Result<u64, String> {
    let judged = record.objectives.iter().find(|objective| objective.name == "latency.p50").expect("judged");
    if judged.verdict == Verdict::Inconclusive {
        return Err(format!("tickgate could not measure: {:?}", judged.reason));
    }
    let drift = record.health.wall_drift_ns.unsigned_abs();
    if drift > APART_NS / 10 {
        return Err(format!("the wall clock moved by {drift} ns"));
    }
    let (ours, theirs) = (record.groups[0].latency.p50_ns, testimony.median_ns.expect("samples"));
    let said = format!("medians: tickgate {ours} ns, witness {theirs} ns; wall clock {drift} ns");
    println!("{said}");
    let apart = ours.abs_diff(theirs);
    if apart <= APART_NS { Ok(apart) } else { Err(said) }
}

#[test]
fn an_independent_witness_says_the_same() {
    let how = "install Python 3.10 or later with venv, and run scripts/python.sh";
    if !outside::brought("python", "scripts/python.sh", how) {
        return;
    }
    let mut tries = vec![];
    for _ in 0..ATTEMPTS {
        let (record, testimony) = witnessed();
        agree(&record, &testimony);
        match apart(&record, &testimony) {
            Ok(_) => return,
            Err(why) => tries.push(why),
        }
    }
    panic!("{tries:#?}");
}
