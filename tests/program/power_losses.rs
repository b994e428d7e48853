//! Losses of power of all servers at a random instant, and what each server has stored afterwards by a witness that reads its files
//! (`tests/python/power_witness.py`): the record must say the same.
//!
//! `make power-losses N=… SEED=…` makes N rounds of each kind, and prints the parameters of each.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::time::Instant;

use serde::Deserialize;
use tickgate::record::{End, Injection, Record};

use crate::support::program::{Place, balances};
use crate::support::{machine, outside};

const SEED: u64 = 1;
const S: u64 = 1_000_000_000;
/// Age at which the kernel of the kind with write-back has written a file.
const WRITTEN_BACK_S: u64 = 3;
/// How much later it may be: it looks every few seconds.
const LATER_S: u64 = 5;

/// What is to be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// The stream itself.
    Everything,
    Nothing,
    /// What is younger than the last time at which the kernel wrote back.
    Young,
}

/// A configuration, and how it is asked.
#[derive(Debug)]
struct Kind {
    name: &'static str,
    nodes: u32,
    sync: &'static str,
    writeback: &'static str,
    loss: Loss,
    /// For how long an event is sent again: a stream that is gone never takes it.
    retry_s: u32,
    /// It is tried where nothing else is asked for.
    always_tried: bool,
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "R1 default",
        nodes: 1,
        sync: "default",
        writeback: "never",
        loss: Loss::Everything,
        retry_s: 8,
        always_tried: false,
    },
    Kind {
        name: "R1 always",
        nodes: 1,
        sync: "always",
        writeback: "never",
        loss: Loss::Nothing,
        retry_s: 40,
        always_tried: false,
    },
    Kind {
        name: "R3 default",
        nodes: 3,
        sync: "default",
        writeback: "never",
        loss: Loss::Everything,
        retry_s: 15,
        always_tried: false,
    },
    Kind {
        name: "R3 always",
        nodes: 3,
        sync: "always",
        writeback: "never",
        loss: Loss::Nothing,
        retry_s: 40,
        always_tried: true,
    },
    Kind {
        name: "R1 write-back",
        nodes: 1,
        sync: "default",
        writeback: "3s",
        loss: Loss::Young,
        retry_s: 15,
        always_tried: true,
    },
];

/// What the witness read in the files of one server.
#[derive(Debug, Deserialize)]
struct Replica {
    node: String,
    /// Different events of the run.
    stored: u64,
    /// Further copies of them.
    twice: u64,
    digest: String,
    holes: u64,
    kept_before_ns: Option<u64>,
}

struct Outcome {
    record: Record,
    replicas: Vec<Replica>,
    wrong: Vec<String>,
}

impl Kind {
    /// The warm-up is longer than the write-back age, so that the stream itself is on disk by then.
    fn profile(&self, seed: u64) -> String {
        let Self { nodes, sync, writeback, retry_s, .. } = self;
        format!(
            r#"
[load]
rate = "500/s"
warmup = "5s"
duration = "12s"
drain = "{drain}s"
arrival = "constant"
[market]
symbols = 20
seed = {seed}
[cluster]
nodes = {nodes}
[bus]
replicas = {nodes}
sync = "{sync}"
retry = "{retry_s}s"
nats.msg_id = true
nats.ack_wait = "5s"
[[groups]]
name = "trading-engine"
[[faults]]
name = "power"
at = "random"
do = "power-loss"
target = "all"
for = "1s"
settle = "5s"
expect = "outage"
writeback = "{writeback}"
[objectives]
"delivery.not_stored" = "== 0"
"#,
            drain = retry_s + 5
        )
    }

    fn round(&self, seed: u64) -> Outcome {
        let place = Place::new();
        let profile = place.write("power.toml", self.profile(seed));
        std::fs::create_dir(place.path().join("stores")).unwrap();
        let done =
            place.run(&["run", &profile, "--broker", "local", "--quiet", "--keep", "--store", "./stores"]);
        assert!([0, 1, 3].contains(&done.code), "{} {seed}: {done:#?}", self.name);
        let record = place.record();
        balances(&record);
        let said =
            outside::python("tests/python/power_witness.py", &[&place.run_folder().join("record.json")]);
        let replicas: Vec<Replica> =
            serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        let wrong = self.wrong(&record, &replicas);
        Outcome { record, replicas, wrong }
    }

    /// Where the record and the witness differ, or either from what must be.
    fn wrong(&self, record: &Record, replicas: &[Replica]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut must = |good: bool, what: String| {
            if !good {
                wrong.push(what);
            }
        };
        let load = &record.load;
        let audit = record.audit.clone().unwrap_or_default();
        let fault = &record.faults.injected[0];
        must(record.run.end == End::Completed, format!("{:?}: {:?}", record.run.end, record.run.reason));
        must(matches!(fault.outcome, Injection::Done | Injection::Late), format!("{fault:?}"));
        must(u32::try_from(replicas.len()) == Ok(self.nodes), format!("{} replicas", replicas.len()));
        must(audit.complete, format!("not read to its end: {audit:?}"));
        for replica in replicas {
            let Replica { node, stored, .. } = replica;
            must(replica.digest == replicas[0].digest, format!("{node} holds something else: {replica:?}"));
            must(replica.twice == audit.stored_twice, format!("{node}: twice {}; {audit:?}", replica.twice));
            // The lost events, by the server's files and by the ledger of confirmed events.
            let lost = (load.acked + audit.unconfirmed_stored).checked_sub(*stored);
            must(lost == Some(audit.missing), format!("{node} lacks {lost:?}; {audit:?}"));
            if load.acked == load.intended && *stored > 0 {
                must(
                    replica.holes == audit.missing,
                    format!("{node} has {} holes; {audit:?}", replica.holes),
                );
            }
        }
        let gone = record.marks.iter().any(|mark| mark.kind == "store-gone");
        let said = format!("{} of {} lost, gone {gone}", audit.missing, load.acked);
        must(gone == (self.loss == Loss::Everything), said.clone());
        match self.loss {
            Loss::Everything => must(audit.missing == load.acked && replicas[0].stored == 0, said),
            Loss::Nothing => must(audit.missing == 0 && replicas[0].stored > 0, said),
            Loss::Young => {
                let age = replicas[0].kept_before_ns.unwrap_or(u64::MAX);
                must(age <= (WRITTEN_BACK_S + LATER_S) * S, format!("{said}, of the last {age} ns"));
            }
        }
        wrong
    }

    fn line(&self, seed: u64, outcome: &Outcome, took: u64) -> String {
        let Outcome { record, replicas, wrong } = outcome;
        let audit = record.audit.clone().unwrap_or_default();
        let stored: Vec<String> = replicas.iter().map(|replica| replica.stored.to_string()).collect();
        let age = replicas[0]
            .kept_before_ns
            .map_or_else(|| "–".to_owned(), |ns| format!("{}.{:02} s", ns / S, ns % S / 10_000_000));
        format!(
            "{seed:>5}  {:<13}  {:>5} of {} confirmed, {:>5} lost, stored {:<20} kept until {age:>6} before, {:>2} s{}",
            self.name,
            record.load.acked,
            record.load.intended,
            audit.missing,
            stored.join(" = "),
            took,
            if wrong.is_empty() { String::new() } else { format!("  {wrong:?}") },
        )
    }
}

#[test]
fn of_a_loss_of_power_the_record_says_what_every_server_has_left() {
    if !outside::brought("python", "scripts/python.sh", "scripts/python.sh") {
        return;
    }
    let _machine = machine::alone();
    let asked = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let number = |name: &str| asked(name).map(|text| text.parse::<u64>().unwrap());
    let (first, rounds) =
        (number("TICKGATE_POWER_LOSSES_SEED").unwrap_or(SEED), number("TICKGATE_POWER_LOSSES"));
    let only = asked("TICKGATE_POWER_LOSSES_OF");
    let mut wrong = Vec::new();
    for kind in KINDS
        .iter()
        .filter(|kind| only.as_ref().map_or(rounds.is_some() || kind.always_tried, |only| kind.name == only))
    {
        let (mut confirmed, mut lost) = (0, 0);
        for seed in first..first + rounds.unwrap_or(1) {
            let began = Instant::now();
            let outcome = kind.round(seed);
            println!("{}", kind.line(seed, &outcome, began.elapsed().as_secs()));
            confirmed += outcome.record.load.acked;
            lost += outcome.record.audit.as_ref().map_or(0, |audit| audit.missing);
            wrong.extend(outcome.wrong.into_iter().map(|what| format!("{} {seed}: {what}", kind.name)));
        }
        println!(
            "{}: {lost} of {confirmed} confirmed events lost in {} rounds",
            kind.name,
            rounds.unwrap_or(1)
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}\nrepeat a round: make power-losses N=1 SEED=…");
}
