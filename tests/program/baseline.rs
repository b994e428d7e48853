//! `tickgate baseline` as a program: a session, a check and what becomes of it, and rejected input.

#![expect(clippy::expect_used, reason = "tests")]

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use tickgate::baseline::{Line, Stage, What};

use crate::support::program::{Done, Place};

const SET: [&str; 4] = ["--set", "load.warmup=0s", "--set", "load.duration=1s"];
/// Other programs make the speed of the machine a matter of luck.
const HERE: [&str; 5] = ["--broker", "sim", "--cool-down", "0s", "--ignore-speed"];

fn baseline(place: &Place, words: &[&[&str]]) -> Done {
    place.run(&[&["baseline"], &words.concat()[..]].concat())
}

fn history(place: &Place) -> PathBuf {
    place.path().join("baselines/nightly/history.jsonl")
}

fn text(place: &Place) -> String {
    std::fs::read_to_string(history(place)).expect("a history")
}

#[track_caller]
fn lines(place: &Place) -> Vec<Line> {
    text(place).lines().map(|line| serde_json::from_str(line).expect("a line")).collect()
}

fn append(place: &Place, bytes: &str) {
    let mut file = OpenOptions::new().append(true).open(history(place)).expect("a history");
    file.write_all(bytes.as_bytes()).expect("writes");
}

/// Adds seven sessions from the first days of the month: three runs each of nearly the same figures, from a fifth to five times
/// those of a saved run.
fn sessions(place: &Place) {
    let counts = |line: &Line| matches!(&line.what, What::Run(run) if run.figures.unusable.is_none());
    let saved = lines(place).into_iter().find(counts).expect("a run that counts");
    for (session, factor) in [0.2, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0].into_iter().enumerate() {
        for (at, wobble) in [1.0, 1.001, 0.999].into_iter().enumerate() {
            let mut line = saved.clone();
            line.id = format!("made{session}{at}");
            line.at = format!("2026-11-0{}T02:00:00Z", session + 1);
            let What::Run(run) = &mut line.what else { continue };
            run.session = format!("made{session}");
            for figure in run.figures.metrics.values_mut() {
                *figure *= factor * wobble;
            }
            append(place, &format!("{}\n", serde_json::to_string(&line).expect("a line")));
        }
    }
}

#[test]
fn a_baseline_is_saved_checked_updated_and_shown() {
    let place = Place::new();
    let save: &[&str] = &["save", "nightly", "./gate.toml", "--runs", "2", "--decide", "latency.p50"];
    let done = baseline(&place, &[save, &SET, &HERE]);
    done.ends(0);
    assert!(done.out.contains("baseline nightly: young, "), "{}", done.out);
    assert!(lines(&place).len() >= 2 && place.path().join("baselines/nightly/baseline.json").is_file());
    baseline(&place, &[&["save", "nightly"], &["--rate", "2k/s"], &HERE]).fails(2, &["cannot change"]);

    sessions(&place);
    let check: &[&str] = &["check", "nightly"];
    let done = baseline(&place, &[check, &HERE]);
    if done.code == 3 && done.out.contains("runs count") {
        eprintln!("left out: the machine was disturbed: {}", done.out);
        return;
    }
    done.ends(0);
    assert!(done.out.contains("no sign of a change: "), "{}", done.out);
    let fresh = |line: &&Line| matches!(&line.what, What::Run(run) if run.purpose == Stage::Fresh);
    let made = lines(&place);
    assert!(made.iter().filter(fresh).count() >= 3);
    assert!(matches!(made.last().map(|line| &line.what), Some(What::Decided(_))));

    // What was found to be worse is not measured again until the answer pleases.
    let passed = text(&place);
    std::fs::write(history(&place), passed.replace("\"finding\":\"no-sign\"", "\"finding\":\"worse\""))
        .expect("writes");
    baseline(&place, &[check, &HERE]).fails(1, &["it stays so"]);
    assert_eq!(lines(&place).len(), made.len());
    std::fs::write(history(&place), passed).expect("writes");
    baseline(&place, &[check, &HERE, &["--set", "load.rate=2k/s"]])
        .fails(3, &["another workload", "load.rate was 1"]);

    let done = baseline(&place, &[&["update", "nightly"]]);
    assert!(done.code == 0 && done.out.contains("1 session added"), "{done:#?}");
    let done = baseline(&place, &[&["update", "nightly"]]);
    assert!(done.out.contains("nothing to add"), "{}", done.out);
    let done = baseline(&place, &[&["update", "nightly", "--accept", "a new format"]]);
    assert!(done.code == 0 && done.out.contains("epoch 2 begins"), "{done:#?}");
    let shown = baseline(&place, &[&["history", "nightly"]]);
    for part in ["epoch 2", "a new format", "no sign of a change", "not in the baseline"] {
        assert_eq!(shown.out.contains(part), part != "not in the baseline", "{part}: {}", shown.out);
    }
    let page = std::fs::read_to_string(place.path().join("baselines/nightly/history.html")).expect("a page");
    for part in ["Baseline nightly", "id=\"latency-p50\"", "epoch 2", "Every session"] {
        assert!(page.contains(part), "{part}");
    }
    baseline(&place, &[&["history", "nightly", "--otava", "o.csv"]]).ends(0);
    let csv = std::fs::read_to_string(place.path().join("o.csv")).expect("a file");
    assert!(csv.starts_with("time,commit,latency.p50,") && csv.lines().count() >= 9, "{csv}");
}

#[test]
fn what_is_no_baseline_is_refused_and_nothing_is_lost() {
    let place = Place::new();
    let missing = "there is no baseline `nightly` in baselines: make it with";
    for words in
        [&["check", "nightly", "--broker", "sim"][..], &["history", "nightly"], &["update", "nightly"]]
    {
        baseline(&place, &[words]).fails(2, &[missing]);
    }
    baseline(&place, &[&["save", "../x", "./gate.toml"], &HERE]).fails(2, &["is not a name for a baseline"]);
    baseline(&place, &[&["save", "nightly"], &HERE]).fails(2, &["name the profile"]);
    baseline(&place, &[&["check", "nightly", "--level", "5%", "--paired"]])
        .fails(2, &["expected 2.5% or 1%"]);

    baseline(&place, &[&["save", "nightly", "./gate.toml", "--runs", "2"], &SET, &HERE]).ends(0);
    let whole = text(&place);
    // A check without enough sessions to compare with would make pairs; these never begin.
    append(&place, "{\"schema\":\"tickgate.hist");
    let done = baseline(&place, &[&["update", "nightly"]]);
    assert!(done.code == 0 && text(&place) == whole, "a torn line is cut off: {done:#?}");
    let first = whole.lines().next().expect("a line");
    append(&place, &format!("{}\n", first.replace("\"baseline\":\"nightly\"", "\"baseline\":\"weekly\"")));
    baseline(&place, &[&["history", "nightly"]]).fails(4, &["belongs to the baseline `weekly`"]);
    std::fs::write(history(&place), format!("<<<<<<< ours\n{whole}")).expect("writes");
    baseline(&place, &[&["history", "nightly"]]).fails(4, &["line 1 is damaged"]);
    std::fs::write(history(&place), &whole).expect("writes");

    // Twice the same lines are the same history, and a file of another branch adds what is new.
    let other =
        place.write("other.jsonl", whole.replace(first, &first.replacen("\"id\":\"", "\"id\":\"x", 1)));
    let done = baseline(&place, &[&["history", "nightly", "--merge", &other]]);
    assert!(done.code == 0 && done.out.contains("1 line added"), "{done:#?}");
    let done = baseline(&place, &[&["history", "nightly", "--merge", &other]]);
    assert!(done.out.contains("0 lines added"), "{done:#?}");

    let file = std::fs::File::open(history(&place)).expect("a history");
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).expect("a lock");
    baseline(&place, &[&["update", "nightly"]]).fails(4, &["another tickgate has it open"]);
}
