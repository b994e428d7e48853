//! `tickgate capacity` as a program: a search that is interrupted, killed and continued, one rate, and rejected input.

#![expect(clippy::expect_used, reason = "tests")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use tickgate::capacity::{Capacity, Design, Ended, Outcome, Stage, Step, Trial, answer, next};
use tickgate::plan::Rate;
use tickgate::record::Verdict;

use crate::support::program::{Done, Place};

/// As short as a search can be: the first rate is the highest, so that it ends at once if that passes.
const SHORT: [&str; 12] = [
    "--quick",
    "--max",
    "1k/s",
    "--min",
    "500/s",
    "--from",
    "1k/s",
    "--cool-down",
    "0s",
    "--seed",
    "7",
    "--set",
];
const NO_WARM_UP: [&str; 2] = ["load.warmup=0s", "--broker"];

fn capacity(place: &Place, more: &[&str]) -> Done {
    place.run(&[&["capacity", "./gate.toml"], more].concat())
}

#[track_caller]
fn account(folder: &Path) -> Capacity {
    let text = std::fs::read_to_string(folder.join("capacity.json")).expect("an account");
    serde_json::from_str(&text).expect("an account that can be read")
}

/// The lines of `trials.jsonl`.
#[track_caller]
fn trials(folder: &Path) -> Vec<Trial> {
    let text = std::fs::read_to_string(folder.join("trials.jsonl")).expect("trials");
    text.lines().map(|line| serde_json::from_str(line).expect("a trial")).collect()
}

#[track_caller]
fn design(folder: &Path) -> Design {
    let text = std::fs::read_to_string(folder.join("search.json")).expect("a search");
    let search: serde_json::Value = serde_json::from_str(&text).expect("a search that can be read");
    serde_json::from_value(search["design"].clone()).expect("a design")
}

/// Each trial is the one that follows from those before it.
#[track_caller]
fn follows(folder: &Path) -> Vec<Trial> {
    let (design, trials) = (design(folder), trials(folder));
    for (at, trial) in trials.iter().enumerate() {
        let Step::Try(step) = next(&design, &trials[..at]) else {
            unreachable!("trial {} is one too many", at + 1)
        };
        let of = |number, stage, rate, seed| (number, stage, rate, seed);
        assert_eq!(
            of(trial.number, trial.stage, trial.rate, trial.seed),
            of(step.number, step.stage, step.rate, step.seed)
        );
        assert!(folder.join(&trial.folder).join("record.json").is_file(), "{}", trial.folder);
        assert!(!folder.join(&trial.folder).join("junit.xml").exists(), "only the search has test cases");
    }
    trials
}

/// The exit code of an account.
fn code(account: &Capacity) -> i32 {
    match account.verdict {
        Verdict::Pass => 0,
        Verdict::Fail => 1,
        Verdict::Inconclusive => 3,
    }
}

fn search() -> Vec<&'static str> {
    [&SHORT[..], &NO_WARM_UP, &["sim", "--run-dir", "search"]].concat()
}

#[test]
fn a_search_that_is_interrupted_and_killed_goes_on_where_it_was() {
    let place = Place::new();
    let folder = place.path().join("search");
    let mut running = place.start(&[&["capacity", "./gate.toml"], &search()[..]].concat());
    running.until_it_says("1 probe");
    running.signal(Signal::INT);
    let done = running.wait();
    done.fails(130, &["usually ", "seed 7", "continue with: tickgate capacity --resume search"]);
    let stored = follows(&folder);
    let (kept, interrupted) = (stored.len(), account(&folder).answer);
    assert_eq!(interrupted.ended, Ended::Interrupted);
    assert_eq!(usize::try_from(interrupted.trials), Ok(kept));
    assert!(kept > 0, "the first trial was over");
    assert!(
        stored.iter().all(|trial| trial.outcome != Outcome::Interrupted),
        "an interrupted one is not stored"
    );

    let resume = ["capacity", "--resume", "search", "--broker", "sim"];
    let mut running = place.start(&resume);
    running.until_it_says(&format!("\n{} ", kept + 1));
    running.signal(Signal::KILL);
    running.wait().ends(-9);
    let before = follows(&folder);
    assert!(before.len() > kept, "{before:?}");
    // A kill within the write of a line.
    let mut file = std::fs::OpenOptions::new().append(true).open(folder.join("trials.jsonl")).expect("opens");
    file.write_all(br#"{"number":9,"stage":"fl"#).expect("writes");

    let done = place.run(&resume);
    let found = account(&folder);
    done.fails(code(&found), &["is made again", "continuing after "]);
    let after = follows(&folder);
    assert_eq!(&after[..before.len()], &before, "the trials stay");
    assert_eq!(answer(&design(&folder), &after), found.answer);
    assert!(matches!(next(&design(&folder), &after), Step::Done(_)), "it came to its end");
    assert!(found.sentence.contains("on this machine"), "{}", found.sentence);
    if after.iter().all(|trial| trial.outcome == Outcome::Passed) {
        assert_eq!((found.answer.ended, code(&found), after.len()), (Ended::AtMost, 0, 4));
        assert_eq!(after.iter().filter(|trial| trial.stage == Stage::Floor).count(), 3);
    }
    for confirming in after.iter().filter(|trial| trial.stage == Stage::Floor) {
        assert!(folder.join(&confirming.folder).join("report.html").is_file());
    }

    // It is over: nothing more is done, and it is shown again from its folder and its file.
    let again = place.run(&resume);
    again.ends(code(&found));
    assert_eq!(trials(&folder), after);
    for shown in ["search", "search/capacity.json"] {
        let shown = place.run(&["capacity", shown]);
        shown.ends(code(&found));
        assert_eq!(shown.out, again.out);
    }
    place.run(&["report", "search"]).fails(4, &["tickgate capacity search"]);
    place.run(&["report", "search/t-001"]).ends(0);
    let two = place.run(&["capacity", "search", "search", "--out", "beside"]);
    two.ends(0);
    assert!(two.out.to_lowercase().contains("not distinguished"), "{}", two.out);

    refused_changes(&place, &folder);
}

/// What would be another search, or cannot be read, is refused, and nothing is lost.
fn refused_changes(place: &Place, folder: &Path) {
    let resume = |more: &[&str]| place.run(&[&["capacity", "--resume", "search"], more].concat());
    resume(&[]).fails(2, &["another search", "the bus was the simulated bus"]);
    resume(&["--broker", "sim", "--seed", "8"]).fails(2, &["--seed", "cannot be used with"]);
    let gate = place.path().join("gate.toml");
    let profile = std::fs::read_to_string(&gate).expect("a profile");
    std::fs::write(&gate, profile.replace("symbols = 20", "symbols = 21")).expect("writes");
    resume(&["--broker", "sim"]).fails(2, &["another search", "`market.symbols` was 20, and is 21"]);
    std::fs::write(&gate, &profile).expect("writes");

    let path = folder.join("trials.jsonl");
    let whole = std::fs::read_to_string(&path).expect("trials");
    let damaged = whole.replacen("{\"number\":2", "{\"numb", 1);
    std::fs::write(&path, &damaged).expect("writes");
    resume(&["--broker", "sim"]).fails(4, &["trials.jsonl", "line 2"]);
    assert_eq!(std::fs::read_to_string(&path).expect("trials"), damaged, "it is left as it is");
    std::fs::write(&path, &whole).expect("writes");

    let path: PathBuf = folder.join("capacity.json");
    let text = std::fs::read_to_string(&path).expect("an account");
    let contradicts = || place.run(&["capacity", "search"]).fails(4, &["contradicts itself", "--resume"]);
    // On a busy machine another outcome may change nothing, or none be there; a count always contradicts.
    let seen = |outcome: &str| format!("\"outcome\": \"{outcome}\"");
    if account(folder).trials.iter().all(|trial| trial.outcome == Outcome::Passed) {
        std::fs::write(&path, text.replace(&seen("passed"), &seen("not-passed"))).expect("writes");
        contradicts();
    }
    let counted = |count| format!("\"counted\": {count},");
    let was = account(folder).answer.counted;
    assert!(text.contains(&counted(was)), "{text}");
    std::fs::write(&path, text.replace(&counted(was), &counted(was + 1))).expect("writes");
    contradicts();
    std::fs::write(&path, text.replace("tickgate.capacity/1", "tickgate.capacity/9")).expect("writes");
    place.run(&["capacity", "search"]).fails(4, &["tickgate.capacity/9", "update tickgate"]);
}

#[test]
fn one_rate_that_is_not_held_is_found_by_two_trials_of_a_real_server() {
    let place = Place::new();
    // No server is as fast as that, whatever the machine does beside.
    let sets = ["--set", "load.warmup=0s", "--set", "objectives.latency.p99=< 1us"];
    let more = ["--at", "1234/s", "--cool-down", "0s", "--run-dir", "at", "--format", "json"];
    let done = capacity(&place, &[&sets[..], &more].concat());
    let folder = place.path().join("at");
    let found = account(&folder);
    assert_eq!(serde_json::from_str::<Capacity>(&done.out).expect("an account on stdout"), found);
    done.ends(code(&found));
    let trials = follows(&folder);
    assert!(trials.iter().all(|trial| trial.rate.total_cmp(&1234.0).is_eq()), "{trials:?}");
    if trials.iter().all(|trial| trial.outcome == Outcome::NotPassed) {
        assert_eq!((trials.len(), code(&found)), (2, 1), "{}", found.sentence);
        assert!(found.sentence.contains("does not hold 1.2"), "{}", found.sentence);
        assert_eq!(found.answer.at.and_then(|at| at.holds), Some(false));
    }
}

#[test]
fn a_search_whose_broker_went_away_goes_on_when_there_is_one_again() {
    let place = Place::new();
    let folder = place.path().join("search");
    let program = place.path().join("nats-server");
    let link = || std::os::unix::fs::symlink(crate::support::nats_server(), &program).expect("a link");
    link();
    let broker = format!("local:{}", program.display());
    let at = ["capacity", "./gate.toml", "--at", "500/s", "--set", "load.warmup=0s", "--cool-down", "0s"];
    let mut running = place.start(&[&at[..], &["--run-dir", "search", "--broker", &broker]].concat());
    running.until_it_says("\n1 ");
    std::fs::remove_file(&program).expect("removes");
    running.wait().fails(4, &["nats-server", "continue with: tickgate capacity --resume search"]);
    let found = account(&folder);
    assert_eq!((found.answer.ended, found.verdict), (Ended::Broken, Verdict::Inconclusive));
    assert_eq!(found.trials.iter().filter(|trial| trial.outcome == Outcome::Broken).count(), 3);
    assert_eq!(trials(&folder).len() + 1, found.trials.len(), "the last attempt is not stored");

    link();
    let mut running = place.start(&["capacity", "--resume", "search", "--broker", &broker]);
    running.until_it_says(&format!("\n{} ", found.trials.len()));
    running.signal(Signal::INT);
    running.wait().ends(130);
    assert!(trials(&folder).len() >= found.trials.len(), "it went on");
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let place = Place::new();
    let done = capacity(&place, &["--dry-run", "--target", "5k/s", "--seed", "3", "--within", "1h"]);
    done.ends(0);
    for part in [
        "from 1k/s, between ",
        "usually 30 to 43 trials",
        "at most 1h",
        "seed 3",
        "5 passes in a row",
        "targets: 5k/s",
        "a server of tickgate's own",
        "dry run: nothing was started or sent",
    ] {
        assert!(done.out.contains(part), "`{part}` is not in:\n{}", done.out);
    }
    let at = capacity(&place, &["--dry-run", "--at", "5k/s"]);
    at.ends(0);
    assert!(at.out.contains("does the bus hold 5k/s?"), "{}", at.out);
    assert!(!place.path().join("reports").exists());
    // More than 20k/s to another machine needs a permission, in a search, too.
    let far = ["--dry-run", "--broker", "nats://192.0.2.1:4222"];
    let most = |done: &Done| {
        done.out.split("at rates up to ").nth(1).map(|rest| rest.lines().next().map(str::to_owned))
    };
    let done = capacity(&place, &far);
    done.ends(0);
    assert_eq!(most(&done), Some(Some("19.8k/s".to_owned())), "{}", done.out);
    let done = capacity(&place, &[&far[..], &["--allow-rate"]].concat());
    let rate = most(&done).flatten().and_then(|rate| rate.parse::<Rate>().ok());
    assert!(rate.is_some_and(|rate| rate.per_second > 20_000.0), "{}", done.out);
    capacity(&place, &[&far[..], &["--max", "30k/s"]].concat())
        .fails(2, &["--max 30k/s cannot be tried here", "--allow-rate"]);
}

#[test]
fn what_cannot_be_searched_is_refused_before_anything_is_sent() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("empty")).expect("a folder");
    let gate: [(&[&str], &[&str]); 13] = [
        (&["--set", "objectives={}"], &["cannot be searched", "no objectives"]),
        (&["--set", "load.rate=max"], &["cannot be searched", "closed"]),
        (&["--set", "load.consume=backlog"], &["cannot be searched", "load.consume"]),
        (&["--set", "load.rat=1"], &["unknown key `rat`"]),
        (&["--target", "50M/s"], &["--target 50M/s cannot be tried here", "the highest rate is about"]),
        (&["--target", "5k/s", "--max", "2k/s"], &["--target 5k/s is not between", "--max"]),
        (&["--from", "100/s", "--min", "1k/s"], &["--from 100/s is not between"]),
        (&["--min", "2k/s", "--max", "1k/s"], &["the lowest rate, 2k/s, is not below the highest, 1k/s"]),
        (&["--within", "30s"], &["--within 30s is too short", "at least ", "9 trials", "8 of about"]),
        (&["--at", "1k/s", "--within", "5s"], &["too short", "5 trials"]),
        (&["--at", "1k/s", "--max", "2k/s"], &["--at", "cannot be used with", "--max"]),
        (&["--growth", "5%"], &["5%/month"]),
        (&["--precision", "1%"], &["2% to 50%"]),
    ];
    for (more, parts) in gate {
        capacity(&place, &[more, &["--broker", "sim"]].concat()).fails(2, parts);
    }
    let others: [(&[&str], i32, &[&str]); 7] = [
        (&["no-such-profile"], 2, &["no profile `no-such-profile`"]),
        (&["./empty"], 2, &["not the folder of a search"]),
        (&["./empty", "./empty"], 2, &["not the folder of a search", "capacity.json"]),
        (&["--resume", "./empty"], 2, &["not the folder of a search", "search.json"]),
        (&["--resume", "./absent"], 4, &["absent"]),
        (&["--resume", "./empty", "--max", "5k/s"], 2, &["--max", "cannot be used with"]),
        (&["quick", "--broker", "local:/nonexistent/nats-server"], 4, &["/nonexistent/nats-server"]),
    ];
    for (more, exit, parts) in others {
        place.run(&[&["capacity"], more].concat()).fails(exit, parts);
    }
    assert!(!place.path().join("reports").exists() || place.runs().is_empty(), "no folder stays");
}
