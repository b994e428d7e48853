//! `tickgate baseline` as a program: a session, a check and what becomes of it, and rejected input.

#![expect(clippy::expect_used, reason = "tests")]

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use tickgate::baseline::{Answer, Finding, Line, MetricFinding, Stage, What};

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

fn file(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.path().join(name)).expect("a file")
}

fn answer(place: &Place, folder: &str) -> Answer {
    serde_json::from_str(&file(place, &format!("{folder}/check.json"))).expect("an answer")
}

/// The description says that the baseline was made on a machine with one core more.
/// False where this one was too disturbed to describe a run.
fn another_machine(place: &Place) -> bool {
    let (name, before) = ("baselines/nightly/baseline.json", lines(place).len());
    let here = file(place, name);
    let mut there: serde_json::Value = serde_json::from_str(&here).expect("JSON");
    there["fingerprint"]["fixed"]["usable_cores"] = "1024".into();
    place.write(name, there.to_string());
    let changed = "usable_cores was 1024, and is";
    let again = ["--again", "to see what it says of the machine"];
    baseline(place, &[&["check", "nightly"], &HERE, &again])
        .fails(3, &["this is not the machine", changed, "no figure is compared"]);
    let decided = lines(place).into_iter().filter(|line| matches!(line.what, What::Decided(_))).count();
    let described: &[&str] = &["check", "nightly", "--other-machine", "--run-dir", "described"];
    let shown = (0..5).find_map(|_| {
        let _ = std::fs::remove_dir_all(place.path().join("described"));
        let shown = baseline(place, &[described, &HERE]);
        shown.ends(3);
        assert!(shown.err.contains("without a verdict"), "{shown:#?}");
        // Described once more where the machine was disturbed in every run; whatever else keeps them all from counting is a fault.
        let none_counts = shown.err.contains("\n0 runs of this machine beside ");
        let mut runs = shown.err.lines().filter(|line| line.starts_with("o-"));
        assert!(!none_counts || runs.all(|run| run.contains(": unfit to measure: ")), "{shown:#?}");
        (!none_counts).then_some(shown)
    });
    for part in ["latency.p50: ", "times its median"] {
        assert!(shown.as_ref().is_none_or(|shown| shown.err.contains(part)), "{part}: {shown:#?}");
    }
    let told = answer(place, "described");
    assert!(told.decision.finding == Finding::Unknown && told.made.is_none(), "{told:?}");
    assert!(told.decision.why.contains(changed), "{told:?}");
    let after = lines(place);
    assert!(after.len() >= before && after.len() <= before + 1, "at most the begin of the refused check");
    assert_eq!(after.iter().filter(|line| matches!(line.what, What::Decided(_))).count(), decided);
    place.write(name, here);
    shown.is_some()
}

fn counts(line: &Line) -> bool {
    matches!(&line.what, What::Run(run) if run.figures.unusable.is_none())
}

/// A baseline of two runs, of which one counts at least; measured again where the machine was disturbed.
fn saved() -> Option<Place> {
    let save: &[&str] = &["save", "nightly", "./gate.toml", "--runs", "2", "--decide", "latency.p50"];
    for _ in 0..5 {
        let place = Place::new();
        let done = baseline(&place, &[save, &SET, &HERE]);
        done.ends(0);
        assert!(done.out.contains("baseline nightly: young, "), "{}", done.out);
        let lines = lines(&place);
        assert!(lines.len() >= 2 && place.path().join("baselines/nightly/baseline.json").is_file());
        if lines.iter().any(counts) {
            return Some(place);
        }
        // Whatever else keeps a run from counting is a fault.
        for line in &lines {
            let What::Run(run) = &line.what else { continue };
            let why = run.figures.unusable.as_deref().unwrap_or_default();
            assert!(why.starts_with("unfit to measure: "), "{why}");
        }
    }
    None
}

/// Adds seven sessions from the first days of the month: three runs each of nearly the same figures, from a fifth to five times
/// those of a saved run.
fn sessions(place: &Place) {
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
    let Some(mut place) = saved() else {
        eprintln!("left out: the machine was disturbed in each of five measurements");
        return;
    };
    baseline(&place, &[&["save", "nightly"], &["--rate", "2k/s"], &HERE]).fails(2, &["cannot change"]);

    sessions(&place);
    let check: &[&str] = &["check", "nightly"];
    let done = baseline(&place, &[check, &HERE, &["--run-dir", "checked"]]);
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
    assert_eq!(done.out.matches("target: ").count() + done.err.matches("target: ").count(), 1, "{done:#?}");
    let answer = answer(&place, "checked");
    let metric = &answer.metrics[0];
    let first = metric.first.expect("a first stage");
    assert_eq!((answer.decision.finding, answer.sessions, answer.earlier), (Finding::NoSign, 8, false));
    assert_eq!((metric.metric.as_str(), metric.finding), ("latency.p50", MetricFinding::NotWorse));
    assert!(first.sessions == 8 && first.p > 0.2 && !first.suspicious, "{first:?}");
    let of = answer.made.expect("runs");
    assert_eq!((of.fresh, of.pairs), (of.design.fresh, 0));
    for part in ["tests=\"2\" failures=\"0\" errors=\"0\"", "tickgate.baseline.nightly", "name=\"the check\""]
    {
        assert!(file(&place, "checked/junit.xml").contains(part), "{part}");
    }
    let text_of = file(&place, "checked/check.md");
    assert!(text_of.starts_with("## ✅ PASS: baseline nightly: no sign of a change\n"), "{text_of}");

    // What was found to be worse is not measured again until the answer pleases.
    let passed = text(&place);
    std::fs::write(history(&place), passed.replace("\"finding\":\"no-sign\"", "\"finding\":\"worse\""))
        .expect("writes");
    place.set("GITHUB_STEP_SUMMARY", place.path().join("summary.md").display().to_string());
    baseline(&place, &[check, &HERE, &["--run-dir", "again"]]).fails(1, &["it stays so"]);
    let summary = file(&place, "summary.md");
    assert!(summary.starts_with("## ❌ WORSE: ") && summary.contains("decided earlier"), "{summary}");
    let json = baseline(&place, &[check, &HERE, &["--format", "json"]]);
    let json: Answer = serde_json::from_str(&json.out).expect("an answer alone on stdout");
    assert!(json.earlier && json.decision.finding == Finding::Worse, "{json:?}");
    assert_eq!(lines(&place).len(), made.len());
    std::fs::write(history(&place), passed).expect("writes");
    baseline(&place, &[check, &HERE, &["--set", "load.rate=2k/s", "--run-dir", "refused"]])
        .fails(3, &["another workload", "load.rate was 1"]);
    let refused = file(&place, "refused/junit.xml");
    assert!(refused.contains("errors=\"1\"") && refused.contains("another workload"), "{refused}");
    if !another_machine(&place) {
        eprintln!("left out: the figures of another machine, for this one was disturbed five times");
    }

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

    // Duplicate lines do not change the history, and merging another branch's file adds only new lines.
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
