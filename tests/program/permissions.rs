//! The permissions that docs/permissions.md gives: they are enough, and each is needed.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use crate::support::nats::NatsServer;
use crate::support::program::{Place, balances};

/// The lines of the published snippet between `permissions: {` and its end.
fn published() -> Vec<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/permissions.md")).unwrap();
    let (_, snippet) = text.split_once("permissions: {\n").unwrap();
    let (snippet, _) = snippet.split_once("\n}\n").unwrap();
    snippet.lines().map(str::to_owned).collect()
}

fn run_with(lines: &[String], flags: &[&str]) -> (Place, crate::support::program::Done) {
    let server = NatsServer::locked_down("", &format!("\n{}\n", lines.join("\n")));
    let place = Place::new();
    let done = place.gate(&[&["--broker", &server.gate_url()], flags].concat());
    (place, done)
}

#[test]
fn the_published_permissions_are_enough() {
    for flags in [&[][..], &["--set", "bus.publish=fast"], &["--set", "bus.nats.msg_id=true"]] {
        let (place, done) = run_with(&published(), flags);
        done.ends(0);
        balances(&place.record());
    }
}

#[test]
fn each_published_permission_is_needed() {
    let all = published();
    for (at, line) in all.iter().enumerate().filter(|(_, line)| line.trim().starts_with('"')) {
        let mut others = all.clone();
        others.remove(at);
        let (place, done) = run_with(&others, &[]);
        let left_behind = line.contains("STREAM.DELETE") && done.err.contains("STREAM.DELETE");
        assert!(done.code != 0 || left_behind, "{line} can be left out: {:?}\n{}", place.runs(), done.err);
    }
}

#[test]
fn without_acknowledgements_their_subjects_are_not_needed() {
    let lines: Vec<String> = published().into_iter().filter(|line| !line.contains("$JS.ACK")).collect();
    let (_, done) = run_with(&lines, &["--set", "bus.ack=none"]);
    done.ends(0);
}

#[test]
fn clean_needs_two_more() {
    let mut lines = published();
    let at = lines.iter().position(|line| line.contains("$JS.API.INFO")).unwrap();
    lines.splice(at..at, ["\"$JS.API.STREAM.LIST\"".to_owned(), "\"$JS.API.CONSUMER.LIST.*\"".to_owned()]);
    let server = NatsServer::locked_down("", &format!("\n{}\n", lines.join("\n")));
    let (place, url) = (Place::new(), server.gate_url());
    place.gate(&["--broker", &url, "--quiet", "--keep"]).ends(0);
    let run = place.record().run.id;
    let done = place.run(&["clean", "--broker", &url, "--run", &run, "--yes"]);
    done.ends(0);
}
