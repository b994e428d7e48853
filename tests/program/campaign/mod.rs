//! Drawn accounts of a NATS server, with nats-py as the referee of who may get in: a run passes where nats-py does
//! what a run does, and elsewhere its error names the reason.
//!
//! `make campaign SEED=… COUNT=…` draws others; a failure prints the seed of its case.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests, which say what they drew"
)]

mod account;

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;

use self::account::{Case, Stranger};
use crate::support::nats::{self, NatsServer};
use crate::support::outside;
use crate::support::program::{Done, Place};

/// Cases that are drawn where nothing else is asked for, and the seed of the first.
const COUNT: u64 = 10;
const SEED: u64 = 1;
/// Cases at once.
const AT_ONCE: usize = 3;

/// A second at 200 events a second, with every bound that the referee keeps to as well.
const PROFILE: &str = r#"
[load]
rate = "200/s"
warmup = "0s"
duration = "1s"
drain = "10s"

[market]
symbols = 5
event_size = "512B"

[bus]
max_bytes = "16MiB"
nats.max_ack_pending = 2000
nats.pull_batch = 100

[[groups]]
name = "trading-engine"

[objectives]
"delivery.lost" = "== 0"
"delivery.duplicate" = "== 0"
"publish.unsent" = "== 0"
"replay.complete" = "== 100%"
"#;

/// What the referee found.
#[derive(Debug, Deserialize)]
struct Ruling {
    r#in: bool,
    /// Only the stream could not be removed.
    #[serde(default)]
    left: bool,
    /// The step that failed.
    #[serde(default)]
    step: String,
    #[serde(default)]
    why: String,
    said: Vec<String>,
}

impl Ruling {
    fn of(case: &Case, place: &Place, server: &NatsServer) -> Self {
        let mut order = serde_json::json!({
            "url": server.url(), "subject": case.subject(), "max_bytes": 16 << 20, "max_ack_pending": 2000, "batch": 100,
            "payload": 512, "events": 20, "storage": case.storage,
        });
        for (name, value) in case.order(place) {
            order[name] = value.into();
        }
        place.write("order.json", order.to_string());
        let done = Command::new(outside::root().join(".venv/bin/python"))
            .arg(outside::root().join("tests/python/referee.py"))
            .arg(place.path().join("order.json"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        serde_json::from_str(&said)
            .unwrap_or_else(|error| panic!("{error}: {said}{}", String::from_utf8_lossy(&done.stderr)))
    }

    /// The words of the server, without the client's own.
    fn words(&self) -> Vec<String> {
        let all = self.said.iter().chain([&self.why]).map(|word| word.trim_start_matches("nats: "));
        let known =
            |word: &&str| word.len() > 8 && !word.contains("timeout") && !word.contains("no responders");
        all.filter(known).map(str::to_lowercase).collect()
    }
}

/// Where the two differ, if they do.
fn disagreement(case: &Case, ruling: &Ruling, done: &Done) -> Option<String> {
    if done.err.contains("panicked") {
        return Some("the program panicked".to_owned());
    }
    if ruling.r#in {
        if done.code != 0 {
            return Some("the referee gets in, and the run does not pass".to_owned());
        }
        let says = done.err.contains("STREAM.DELETE");
        return (ruling.left && !says).then(|| "the stream stays, and nothing says why".to_owned());
    }
    if ![2, 4].contains(&done.code) {
        return Some("the referee is refused, and the run is not".to_owned());
    }
    let err = done.err.to_lowercase();
    let named = case.reasons.iter().any(|reason| err.contains(&reason.to_lowercase()))
        || ruling.words().iter().any(|word| err.contains(word));
    (!named).then(|| format!("the reason for `{}` is not said: none of {:?}", ruling.step, case.reasons))
}

/// The case's server, with another user's stream where one is drawn.
fn started(case: &Case) -> NatsServer {
    let server = case.server();
    if let Some(Stranger { url, subject }) = &case.stranger {
        nats::jetstream(&url.replace("PORT", &server.port().to_string()), async |jetstream| {
            let config = async_nats::jetstream::stream::Config {
                name: "ORDERS".to_owned(),
                subjects: vec![subject.clone()],
                max_bytes: 1 << 20,
                ..Default::default()
            };
            // An account whose limits refuse even this has no stranger.
            let _ = jetstream.create_stream(config).await;
        });
    }
    server
}

/// Tries a case; returns what went wrong.
fn attempt(seed: u64) -> Result<bool, String> {
    let case = Case::draw(seed);
    let mut place = Place::new();
    // Each account has its own server, since not every account may delete its stream.
    let ruling = Ruling::of(&case, &place, &started(&case));
    let server = started(&case);
    let profile = place.write("campaign.toml", PROFILE);
    let flags = case.flags(&mut place);
    let url = server.url();
    let storage = format!("bus.storage={}", case.storage);
    let mut args = vec!["run", &profile, "--broker", &url, "--set", &storage];
    args.extend(flags.iter().map(String::as_str));
    let done = place.run(&args);
    let step = if ruling.r#in { "gets in" } else { ruling.step.as_str() };
    println!("case {seed}: {step} {} (exit code {})", ruling.why, done.code);
    let Some(wrong) = disagreement(&case, &ruling, &done) else { return Ok(ruling.r#in) };
    Err(format!(
        "case {seed}: {wrong}\n{ruling:?}\nexit code {}: {}\nflags: {flags:?}\n{case:#?}\nrepeat it: make campaign \
         SEED={seed} COUNT=1\n",
        done.code, done.err,
    ))
}

/// Tries cases, some at once; returns how many got in.
fn campaign(first: u64, count: u64) -> u64 {
    let next = AtomicU64::new(first);
    let work = || {
        let mut results = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return results;
            }
            results.push(attempt(seed));
        }
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let wrong: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).cloned().collect();
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));
    (0..).zip(results.iter().filter(|result| **result == Ok(true))).map(|(at, _)| at + 1).last().unwrap_or(0)
}

fn asked(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn whoever_nats_py_lets_in_gets_in_and_others_hear_why() {
    if !outside::brought("python", "scripts/python.sh", "scripts/python.sh") {
        return;
    }
    let (seed, count) = (asked("TICKGATE_CAMPAIGN_SEED", SEED), asked("TICKGATE_CAMPAIGN", COUNT));
    let passed = campaign(seed, count);
    println!("{count} accounts from seed {seed}: {passed} got in, {} were refused", count - passed);
    let some = count < COUNT || (1..count).contains(&passed);
    assert!(some, "a campaign has both kinds: {passed} of {count} got in");
}
