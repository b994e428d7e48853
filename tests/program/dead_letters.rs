//! Poison events on real servers: each has exactly one dead letter, by the record and by a witness that reads the servers' files and
//! draws the poison events itself (`tests/python/dead_letter_witness.py`).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use serde::Deserialize;
use tickgate::record::{DeadLetters, End, Record};

use crate::support::program::{Place, balances};
use crate::support::{machine, outside};

/// What the witness found of a group in the files of one server.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Found {
    group: String,
    poison: u64,
    stored: u64,
    missing: u64,
    duplicate: u64,
    unexpected: u64,
}

impl Found {
    fn of(claimed: &DeadLetters) -> Self {
        let DeadLetters { group, poison, stored, missing, duplicate, unexpected, .. } = claimed.clone();
        Self { group, poison, stored, missing, duplicate, unexpected }
    }
}

/// Three groups that refuse events, each in its way, and the group of dead letters.
const LOAD: &str = r#"
[load]
warmup = "1s"
arrival = "poisson"
[market]
symbols = 50
[mix]
"market.quote.received" = 6
"trade.order.filled" = 3
"ai.decision.generated" = 1
[[groups]]
name = "trading-engine"
members = 2
[[groups]]
name = "ai-service"
[[groups]]
name = "analytics"
[[groups]]
name = "dead-letter"
[objectives]
"dead_letter.missing" = "== 0"
"dead_letter.duplicate" = "== 0"
"dead_letter.unexpected" = "== 0"
"delivery.lost" = "== 0"
"delivery.duplicate" = "== 0"
"delivery.corrupt" = "== 0"
"#;

fn poison(group: &str, how: &str, at: &str, length: &str) -> String {
    format!(
        "[[faults]]\nname = \"{how}\"\nat = \"{at}\"\ndo = \"poison\"\ntarget = \"{group}\"\nshare = \"2%\"\nhow = \"{how}\"\n\
         for = \"{length}\"\nsettle = \"1s\"\n"
    )
}

/// Runs a profile, and holds its record to the witness: nothing is missing, twice or too much.
fn run(profile: &str) -> Record {
    let place = Place::new();
    let profile = place.write("dead-letters.toml", profile);
    std::fs::create_dir(place.path().join("stores")).unwrap();
    let args = ["run", &profile, "--broker", "local", "--quiet", "--keep", "--store", "./stores"];
    let done = place.start(&args).wait();
    assert!([0, 3].contains(&done.code), "{} {}\n{}", done.code, done.out, done.err);
    let record = place.record();
    balances(&record);
    assert_eq!(record.run.end, End::Completed, "{:?}", record.run.reason);
    let said =
        outside::python("tests/python/dead_letter_witness.py", &[&place.run_folder().join("record.json")]);
    let found: Vec<Vec<Found>> =
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    let poisoned = |of: &&DeadLetters| of.poison + of.stored > 0;
    let mut claimed: Vec<Found> = record.faults.dead_letters.iter().filter(poisoned).map(Found::of).collect();
    claimed.sort_by(|a, b| a.group.cmp(&b.group));
    for server in &found {
        assert_eq!(*server, claimed, "{:?}", record.faults.dead_letters);
    }
    for of in &claimed {
        assert!(of.poison > 0, "{of:?}");
        assert_eq!((of.stored, of.missing, of.duplicate, of.unexpected), (of.poison, 0, 0, 0), "{of:?}");
    }
    for group in &record.groups {
        assert_eq!(
            [group.lost, group.pending, group.duplicate, group.corrupt, group.foreign],
            [0; 5],
            "{group:?}"
        );
    }
    record
}

fn of<'r>(record: &'r Record, group: &str) -> &'r DeadLetters {
    record.faults.dead_letters.iter().find(|of| of.group == group).unwrap()
}

fn python() -> bool {
    outside::brought("python", "scripts/python.sh", "scripts/python.sh")
}

#[test]
fn however_an_event_is_refused_it_has_one_dead_letter() {
    if !python() {
        return;
    }
    let faults = [
        poison("trading-engine", "nak", "1s", "3s"),
        poison("ai-service", "silent", "1s", "3s"),
        poison("analytics", "term", "1s", "3s"),
    ];
    let limits = "load.rate = \"1k/s\"\nload.duration = \"6s\"\nload.drain = \"25s\"\n";
    let bus = "[bus.nats]\nmsg_id = true\nack_wait = \"2s\"\nmax_deliver = 3\ndead_letter = true\n";
    let record = run(&format!("{}{bus}{}", LOAD.replace("[load]\n", &keys(limits)), faults.concat()));
    for (group, deliveries) in [("trading-engine", 3), ("ai-service", 3), ("analytics", 1)] {
        let of = of(&record, group);
        assert_eq!((of.acked, of.delivered), (of.poison, of.poison), "{of:?}");
        assert_eq!((of.refused, of.received), (deliveries * of.poison, of.poison), "{of:?}");
    }
    // Every delivery beyond the first counts as such.
    let again = |group: &str| record.groups.iter().find(|of| of.name == group).unwrap().redelivered;
    assert!(again("trading-engine") >= 2 * of(&record, "trading-engine").poison);
    assert!(again("ai-service") >= 2 * of(&record, "ai-service").poison);
}

#[test]
fn a_killed_leader_neither_loses_nor_doubles_a_dead_letter() {
    if !python() {
        return;
    }
    let _machine = machine::alone();
    let kill = "[[faults]]\nname = \"leader\"\nat = \"4s\"\ndo = \"kill\"\ntarget = \"stream-leader\"\nfor = \"3s\"\nsettle = \"5s\"\n";
    let limits = "load.rate = \"500/s\"\nload.duration = \"13s\"\nload.drain = \"40s\"\n";
    let bus = "[cluster]\nnodes = 3\n[bus]\nreplicas = 3\nretry = \"20s\"\n[bus.nats]\nmsg_id = true\nack_wait = \"5s\"\n\
               max_deliver = 5\ndead_letter = true\n";
    let faults = poison("trading-engine", "nak", "1s", "10s");
    let record = run(&format!("{}{bus}{faults}{kill}", LOAD.replace("[load]\n", &keys(limits))));
    assert!(of(&record, "trading-engine").poison > 20, "{:?}", record.faults.dead_letters);
    assert!(
        record.faults.injected.iter().all(tickgate::record::Fault::happened),
        "{:?}",
        record.faults.injected
    );
}

/// Keys of `[load]`, below its header.
fn keys(dotted: &str) -> String {
    format!("[load]\n{}", dotted.replace("load.", ""))
}
