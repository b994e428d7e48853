//! Stores that take no more: by a limit of the server, by that of the stream, by a full disk. What was confirmed before is stored, and what
//! was refused says why.

#![expect(clippy::expect_used, reason = "tests")]

use std::process::{Command, Stdio};

use serde_json::json;
use tickgate::record::{End, Record, STORE_FULL};

use crate::support::nats::{NatsServer, jetstream};
use crate::support::program::{Done, Place, balances};

/// About 6 MB of events, more than any of the stores takes.
const GATE: &str = r#"
[load]
rate = "1k/s"
warmup = "500ms"
duration = "2500ms"
drain = "10s"

[market]
event_size = "2KiB"

[[groups]]
name = "trading-engine"

[objectives]
"delivery.lost" = "== 0"
"publish.refused" = "== 0"
"#;

fn place() -> Place {
    let place = Place::new();
    place.write("gate.toml", GATE);
    place
}

fn run(place: &Place, more: &[&str]) -> Done {
    place.gate(&[&["--broker", "local"], more].concat())
}

/// Everything that was confirmed is stored, although not everything was.
#[track_caller]
fn kept(record: &Record) {
    balances(record);
    let audit = record.audit.as_ref().expect("an audit");
    assert!(audit.complete && audit.missing == 0 && audit.acked > 500, "{audit:?}");
    assert!(record.load.refused > 100 && record.groups[0].lost == 0, "{:?}", record.load);
}

/// The events of others take most of the store, so that it is full before the run's stream is.
#[test]
fn a_store_that_the_server_limits_refuses_each_event_and_keeps_the_others() {
    let server = NatsServer::of("", ", max_file: 10MB");
    server.make_stream("THEIRS", "theirs");
    jetstream(&server.url(), async |jetstream| {
        for _ in 0..50 {
            let sent = jetstream.publish("theirs", vec![b'x'; 100_000].into()).await.expect("sent");
            sent.await.expect("stored");
        }
    });
    let place = place();
    let done = place.gate(&["--broker", &server.url(), "--set", "bus.max_bytes=7MiB"]);
    done.ends(1);
    let record = place.record();
    kept(&record);
    let refusals: Vec<&str> = record.load.refusals.iter().map(|refusal| refusal.reason.as_str()).collect();
    assert!(refusals.contains(&"api-10023"), "{:?}", record.load.refusals);
    said(&done.out, &["insufficient resources (10023)", "max_file_store"]);
}

/// The summary says it, wherever its lines end.
#[track_caller]
fn said(out: &str, parts: &[&str]) {
    let text = out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(text.contains(part), "{part}: {out}");
    }
}

#[test]
fn a_stream_that_is_full_refuses_each_event_and_keeps_the_others() {
    let place = place();
    let stream = json!({"name": "S", "subjects": ["s.>"], "storage": "file", "discard": "new", "max_bytes": 3_000_000});
    let stream = place.write("stream.json", stream.to_string());
    let done = run(&place, &["--stream-config", &stream]);
    done.ends(1);
    let record = place.record();
    kept(&record);
    let refusals: Vec<&str> = record.load.refusals.iter().map(|refusal| refusal.reason.as_str()).collect();
    assert_eq!(refusals, ["api-10077"], "{:?}", record.load.refusals);
    said(&done.out, &["maximum bytes exceeded (10077)", "the stream was full"]);
}

/// A disk of a few megabytes in a mount namespace of its own, which another program fills during the run.
const FULL_DISK: &str = "mkdir -p disk && mount -t tmpfs -o size=100m tmpfs disk && \
     { (sleep \"$FILL_AFTER\"; exec head -c 200M /dev/zero >disk/filler 2>/dev/null) & } && exec \"$@\"";

/// Confirmed events that the stream removes at its limit are a loss with a cause.
#[test]
fn a_stream_that_discards_its_oldest_events_says_how_many() {
    let place = place();
    let sets = ["bus.nats.discard=old", "bus.max_bytes=2MiB", "objectives.\"delivery.not_stored\"=\"== 0\""];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let done = run(&place, &sets);
    done.ends(1);
    let record = place.record();
    balances(&record);
    let audit = record.audit.as_ref().expect("an audit");
    assert!(audit.complete && audit.missing > 500 && record.load.refused == 0, "{audit:?}");
    // Positions of the start, which are no events of the load, come first.
    assert!((audit.missing..audit.missing + 500).contains(&audit.discarded), "{audit:?}");
    assert_eq!((audit.stored_once + audit.missing, record.groups[0].lost), (audit.acked, 0));
    said(&done.out, &["FAIL delivery.not_stored", "has discarded its first", "refuse the newest instead"]);
    // Without the key a stream that small is refused before the run.
    place.gate(&["--broker", "local", "--set", "bus.max_bytes=2MiB"]).fails(2, &["nats.discard"]);
}

/// Can this user make a mount namespace?
fn has_namespaces() -> bool {
    let made = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    made.is_ok_and(|status| status.success())
}

#[test]
fn a_full_disk_ends_the_run_as_a_failure_of_the_broker_and_loses_no_event() {
    if !has_namespaces() {
        println!("skipped: this user can make no mount namespace (unshare --user --mount)");
        return;
    }
    let place = place();
    let program = place.command(&[
        "run",
        "./gate.toml",
        "--broker",
        "local",
        "--store",
        "disk",
        "--set",
        "load.duration=6s",
    ]);
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", FULL_DISK, "sh"]);
    command.arg(program.get_program()).args(program.get_args()).current_dir(place.path());
    command.env("FILL_AFTER", "4");
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let done = command.stdin(Stdio::null()).output().expect("unshare");
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.status.code(), Some(4), "{out}{err}");
    let record = place.record();
    balances(&record);
    assert_eq!(record.run.end, End::BrokerFailed);
    let full = record.marks.iter().find(|mark| mark.kind == STORE_FULL);
    assert!(full.is_some_and(|mark| mark.detail.contains("no space left on device")), "{:?}", record.marks);
    // The server takes no event any more, and can still be read.
    let audit = record.audit.as_ref().expect("an audit");
    assert!(audit.complete && audit.missing == 0 && audit.acked > 500, "{audit:?}");
    said(&out, &["make room"]);
}
