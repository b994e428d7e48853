//! `tickgate matrix` as a program: a crash of a real server, a matrix that is killed and continued, and rejected input.

#![expect(clippy::expect_used, reason = "tests")]

use std::io::Write as _;
use std::path::Path;

use rustix::process::Signal;
use tickgate::matrix::{Judgement, Matrix, Outcome, Promise, State, Trial};
use tickgate::record::Verdict;

use crate::support::machine;
use crate::support::program::{Done, Place};

/// Two configurations without a fault, as short as runs can be.
const SMALL: &str = r#"
name = "small"
profile = "./gate.toml"
set = ["load.duration=1s", "load.warmup=0s"]
runs = 2
cool_down = "0s"

[[configuration]]
name = "one"

[[configuration]]
name = "two"
set = ["bus.window=100"]

[[fault]]
name = "none"
"#;

/// The crash of one server.
const CRASH: &str = r#"
name = "crash"
runs = 1
cool_down = "0s"

[profile.load]
rate = "500/s"
warmup = "500ms"
duration = "10s"
drain = "20s"
arrival = "constant"

[profile.bus]
retry = "15s"
nats.msg_id = true
nats.ack_wait = "3s"

[[profile.groups]]
name = "trading-engine"

[profile.objectives]
"delivery.lost" = "== 0"

[[configuration]]
name = "R1"

[[configuration]]
name = "R1 async"
set = ["bus.nats.persist=async"]

[[fault]]
name = "kill-all"
do = "kill"
target = "all"
at = "1s"
for = "1s"
settle = "8s"

[[cell]]
configuration = "R1"
expect = "survives"
"#;

fn matrix(place: &Place, more: &[&str]) -> Done {
    place.run(&[&["matrix"], more].concat())
}

#[track_caller]
fn account(folder: &Path) -> Matrix {
    let text = std::fs::read_to_string(folder.join("matrix.json")).expect("an account");
    serde_json::from_str(&text).expect("an account that can be read")
}

#[track_caller]
fn trials(folder: &Path) -> Vec<Trial> {
    let text = std::fs::read_to_string(folder.join("trials.jsonl")).expect("runs");
    text.lines().map(|line| serde_json::from_str(line).expect("a run")).collect()
}

#[test]
fn a_crash_of_the_only_server_takes_what_it_had_not_written() {
    let _alone = machine::alone();
    let place = Place::new();
    let file = place.write("crash.toml", CRASH);
    let done = matrix(&place, &[&file, "--broker", "local", "--seed", "7"]);
    done.ends(0);
    let folder = place.run_folder();
    let account = account(&folder);
    let [written, later] = account.cells.as_slice() else { panic!("{:?}", account.cells) };
    assert_eq!(
        (written.state, written.lost, written.durability.as_str()),
        (State::Tested, Some(0), "page cache")
    );
    assert_eq!((written.judgement, written.pledge.promise), (Judgement::Holds, Promise::Survives));
    assert!(written.unavailable.expect("an outage").median_ns > 900_000_000, "{written:?}");
    // Whether the crash hits events that are confirmed and not written is a matter of milliseconds: nothing is promised, so nothing is judged.
    assert_eq!((later.judgement, later.pledge.promise), (Judgement::NotJudged, Promise::Nothing));
    assert!(later.durability.starts_with("memory"), "{later:?}");
    for file in
        ["matrix.html", "matrix.md", "junit.xml", "begun.json", "m-001/record.json", "m-002/report.html"]
    {
        assert!(folder.join(file).is_file(), "{file}");
    }
    assert!(done.err.contains("run 1 of 2") && done.err.contains("run 2 of 2"), "{}", done.err);
    assert!(done.out.contains("R1: an acknowledgement means page cache"), "{}", done.out);
}

#[test]
fn a_matrix_that_was_killed_goes_on_where_it_was() {
    let place = Place::new();
    let file = place.write("small.toml", SMALL);
    let folder = place.path().join("m");
    let run_dir = folder.display().to_string();
    let mut running =
        place.start(&["matrix", &file, "--broker", "sim", "--seed", "3", "--run-dir", &run_dir]);
    running.until_it_says("run 2 of 4");
    running.signal(Signal::KILL);
    let _ = running.wait();
    let kept = trials(&folder);
    assert!((2..4).contains(&kept.len()), "{kept:?}");
    // A line that was torn by the kill.
    let mut lines = std::fs::OpenOptions::new().append(true).open(folder.join("trials.jsonl")).expect("runs");
    lines.write_all(b"{\"number\":").expect("a torn line");
    drop(lines);
    matrix(&place, &[&run_dir]).fails(2, &["did not end", "--resume"]);
    let changed = place.write("changed.toml", SMALL.replace("window=100", "window=200"));
    let resume = ["--resume", &run_dir, "--broker", "sim"];
    matrix(&place, &[&[changed.as_str()], &resume[..]].concat()).fails(2, &["another matrix", "two/none"]);
    let done = matrix(&place, &resume);
    done.ends(0);
    let made = trials(&folder);
    assert_eq!((made.len(), &made[..kept.len()]), (4, kept.as_slice()));
    let account = account(&folder);
    assert_eq!(account.trials, made);
    assert!(account.trials.iter().all(|trial| trial.outcome == Outcome::Tested), "{made:?}");
    assert_eq!(account.verdict, Verdict::Pass);
    // Shown again, it is the same.
    let again = matrix(&place, &[&run_dir]);
    again.ends(0);
    assert_eq!(again.out, done.out);
    place.run(&["report", &run_dir]).fails(4, &["contains a matrix", "m-001"]);
}

#[test]
fn what_cannot_run_is_refused_before_anything_starts() {
    let place = Place::new();
    let file = place.write("small.toml", SMALL);
    let refused = |more: &[&str], parts: &[&str]| matrix(&place, more).fails(2, parts);
    refused(&[], &["name a matrix", "nats-durability"]);
    refused(&["./no.toml"], &["cannot read the matrix"]);
    refused(&["nats-durabilty"], &["did you mean `nats-durability`"]);
    refused(&[&file, "--only", "three/none"], &["names no cell", "one, two"]);
    refused(&[&file, "--set", "load.raet=1k/s"], &["raet", "skip = \"why\""]);
    refused(&[&file, "--resume", "x", "--runs", "3"], &["cannot be used with"]);
    refused(&["--resume", &place.path().display().to_string()], &["not the folder of a matrix"]);
    let elsewhere =
        place.write("elsewhere.toml", SMALL.replace("[[fault]]", "broker = \"nats://h:4222\"\n[[fault]]"));
    refused(&[&elsewhere], &["expected `local` or `sim`", "nats://h:4222"]);
    // A cell that cannot have its fault is named, with the way to leave it out.
    let fault = "[[fault]]\nname = \"kill\"\ndo = \"kill\"\ntarget = \"node-3\"\nat = \"100ms\"\nfor = \"100ms\"\nsettle = \"100ms\"\n";
    let three = place.write("three.toml", format!("{SMALL}{fault}"));
    refused(&[&three, "--broker", "local"], &["one/kill", "node-3", "skip = \"why\""]);
    let dry = matrix(&place, &[&file, "--dry-run", "--only", "one/*", "--broker", "sim"]);
    dry.ends(0);
    assert!(dry.out.contains("two/none: not tested: left out by --only"), "{}", dry.out);
    assert!(place.runs().is_empty(), "nothing was started");
}
