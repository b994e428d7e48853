//! A witness that shares no code with tickgate sees the same events on the same server, and says the same of them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail, and says how close it came"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde::Deserialize;
use tickgate::load::{Picker, totals};
use tickgate::num;
use tickgate::record::{Record, Verdict};

use crate::support::attempts::{Miss, measured};
use crate::support::nats::NatsServer;
use crate::support::program::{Place, balances};
use crate::support::{machine, outside};

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

/// How far tickgate's median may be from the witness's, as a share of the witness's.
const APART: f64 = 0.1;
/// Beyond so much of the machine's cores in use, two processes that are woken for one event wait for each other.
const FULL: f64 = 0.8;
/// Of that, what the wall clock may have moved.
const DRIFT: f64 = 0.1;

/// The program as its users have it, for its own share is measured: the release build, as `make build` makes it.
fn optimised() -> PathBuf {
    if let Some(program) = std::env::var_os("TICKGATE_PROGRAM") {
        return program.into();
    }
    if !cfg!(debug_assertions) {
        return env!("CARGO_BIN_EXE_tickgate").into();
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--release", "--bin", "tickgate", "--message-format", "json"]);
    let features = [("containers", cfg!(feature = "containers")), ("kafka", cfg!(feature = "kafka"))];
    // With other features than those of `make build` it would be built twice.
    if features.iter().any(|(_, on)| !on) {
        let on: Vec<_> = features.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect();
        cargo.args(["--no-default-features", "--features", &on.join(",")]);
    }
    // The variables that cargo sets for a test would differ for build scripts, which would then run again.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let shown =
            ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_EXE_", "CARGO_CRATE_", "CARGO_PRIMARY_", "OUT_DIR"];
        if shown.iter().any(|start| name.starts_with(start)) {
            cargo.env_remove(&*name);
        }
    }
    cargo.current_dir(outside::root());
    let done = cargo.stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(done.status.success(), "what went wrong stands above");
    let said = String::from_utf8_lossy(&done.stdout);
    let messages = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut programs = messages.filter_map(|message| Some(message["executable"].as_str()?.into()));
    programs.next_back().expect("a program")
}

/// The witness's report.
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

/// A run and the witness's view of it.
fn witnessed(program: PathBuf) -> (Record, Testimony) {
    let server = NatsServer::start();
    let mut place = Place::new();
    place.program(program);
    let profile = place.write("witness.toml", PROFILE);
    let witness = Witness::listen(&server);
    // The stream stays until the witness has read it to its end.
    let url = server.url();
    let done =
        place.run(&["run", &profile, "--quiet", "--broker", &url, "--keep", "--allow-prefix", "ai-trader"]);
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

/// Whether the medians agree, or why the run cannot tell. The two have the same clock, anchored once: beside the wall clock's
/// own movement over the run, which the record holds, its error is below a microsecond, and an id's time is exact.
fn apart(record: &Record, testimony: &Testimony) -> Result<(), Miss> {
    let judged = record.objectives.iter().find(|objective| objective.name == "latency.p50").expect("judged");
    if judged.verdict == Verdict::Inconclusive {
        return Err(Miss::Disturbed(format!("tickgate could not measure: {:?}", judged.reason)));
    }
    let (ours, theirs) = (record.groups[0].latency.p50_ns, testimony.median_ns.expect("samples"));
    let drift = record.health.wall_drift_ns.unsigned_abs();
    let share = |ns: u64| num::f64_of(ns) / num::f64_of(theirs);
    let said = format!(
        "medians: tickgate {ours} ns, witness {theirs} ns, {:.1} % apart; wall clock {drift} ns",
        share(ours.abs_diff(theirs)) * 100.0
    );
    if share(drift) > APART * DRIFT {
        return Err(Miss::Disturbed(format!("the wall clock moved: {said}")));
    }
    println!("{said}");
    if share(ours.abs_diff(theirs)) <= APART {
        return Ok(());
    }
    let machine = record.health.machine.as_ref().expect("a kernel that says who uses the machine");
    let busy = machine.busy_cores / machine.usable_cores;
    if busy > FULL {
        return Err(Miss::Disturbed(format!("{:.0} % of the machine were busy: {said}", busy * 100.0)));
    }
    Err(Miss::Wrong(said))
}

mod alone {
    use super::*;

    #[test]
    fn an_independent_witness_says_the_same() {
        let how = "install Python 3.10 or later with venv, and run scripts/python.sh";
        if !outside::brought("python", "scripts/python.sh", how) {
            return;
        }
        // Before the program is built, where it is not there: a build loads the machine.
        let _alone = machine::alone();
        let program = optimised();
        measured(|| {
            let (record, testimony) = witnessed(program.clone());
            agree(&record, &testimony);
            apart(&record, &testimony)
        });
    }
}
