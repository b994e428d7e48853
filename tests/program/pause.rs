//! A person at a terminal: a load that the environment has sent somewhere waits until it has been seen.

use std::time::{Duration, Instant};

use crate::support::nats::NatsServer;
use crate::support::outside;
use crate::support::program::{self, Done, Place};

const SHORT: [&str; 4] = ["--set", "load.warmup=100ms", "--set", "load.duration=500ms"];
/// How long target and load are shown.
const PAUSE: Duration = Duration::from_secs(3);

/// Is there a Python, for its terminals?
fn is_there() -> bool {
    outside::brought("python", "scripts/python.sh", "scripts/python.sh")
}

/// Runs the program at a terminal; with `interrupt`, Ctrl-C is typed once it has printed this.
fn at_a_terminal(place: &mut Place, interrupt: Option<&str>, args: &[&str]) -> (Done, Duration) {
    let script = outside::root().join("tests/python/terminal.py").display().to_string();
    place.program(outside::root().join(".venv/bin/python"));
    let mut all = vec![script.as_str()];
    all.extend(interrupt.iter().flat_map(|text| ["--interrupt", text]));
    all.push(program::path());
    let begun = Instant::now();
    let done = place.run(&[&all[..], args].concat());
    (done, begun.elapsed())
}

fn with_address(server: &NatsServer) -> Place {
    let mut place = Place::new();
    place.set("NATS_URL", server.url());
    place
}

#[track_caller]
fn shows(done: &Done, parts: &[&str]) {
    for part in parts {
        assert!(done.out.contains(part), "`{part}` is not in:\n{}", done.out);
    }
}

#[test]
fn a_load_that_the_environment_sends_somewhere_is_shown_for_three_seconds() {
    if !is_there() {
        return;
    }
    let server = NatsServer::start();
    let target = format!("target: {}, named by $NATS_URL", server.url());
    let sends = ["load: ", "events", "starting in 3 s; Ctrl-C ends it, --yes skips this"];
    for quiet in [&[][..], &["--quiet"]] {
        let mut place = with_address(&server);
        let (done, took) =
            at_a_terminal(&mut place, None, &[&["run", "./gate.toml"][..], quiet, &SHORT].concat());
        done.ends(0);
        shows(&done, &[&[target.as_str()], &sends[..]].concat());
        assert!(took >= PAUSE, "{took:?}");
        assert_eq!(place.record().load.acked, place.record().load.intended);
    }
}

#[test]
fn what_is_interrupted_before_the_load_sends_nothing() {
    if !is_there() {
        return;
    }
    let server = NatsServer::start();
    let mut place = with_address(&server);
    let (done, _) = at_a_terminal(&mut place, Some("starting in 3 s"), &["run", "./gate.toml"]);
    done.ends(130);
    shows(&done, &["interrupted before the load; nothing was sent"]);
    assert!(place.runs().is_empty() && server.streams().is_empty());

    let sides = ["--a", "bus.window=10", "--b", "bus.window=20", "--quiet"];
    let compare = [&["compare", "./gate.toml"], &sides[..]].concat();
    let (done, _) = at_a_terminal(&mut place, Some("starting in 3 s"), &compare);
    done.ends(130);
    let each = |side: &str| format!("each run of {side} sends to {}", server.url());
    shows(&done, &[&each("A"), &each("B"), "interrupted before the load; nothing was sent"]);
    assert!(place.runs().is_empty() && server.streams().is_empty());
}

#[test]
fn whoever_says_yes_or_names_the_bus_does_not_wait() {
    if !is_there() {
        return;
    }
    let server = NatsServer::start();
    let mut place = with_address(&server);
    let url = server.url();
    for how in [&["--yes"][..], &["--broker", &url]] {
        let (done, _) = at_a_terminal(&mut place, None, &[&["run", "./gate.toml"][..], how, &SHORT].concat());
        done.ends(0);
        shows(&done, &[&format!("target: {url}")]);
        assert!(!done.out.contains("starting in"), "{}", done.out);
    }
    // Nobody is at a terminal.
    let place = with_address(&server);
    let done = place.gate(&SHORT);
    done.ends(0);
    assert!(!done.err.contains("starting in"), "{}", done.err);
}
