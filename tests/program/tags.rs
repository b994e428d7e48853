//! What people type and expect around a run: short flags, a dry run, a folder of a fixed name, the link to the newest run, tags.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;

use tickgate::record::Record;

use crate::support::program::Place;

const SHORT: [&str; 6] = ["--broker", "sim", "--set", "load.warmup=0s", "--duration", "1s"];

fn gate(place: &Place, more: &[&str]) -> crate::support::program::Done {
    place.gate(&[&SHORT[..], more].concat())
}

fn record(place: &Place, folder: &str) -> Record {
    let text = fs::read_to_string(place.path().join(folder).join("record.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn short_flags_set_the_keys_of_the_profile() {
    let place = Place::new();
    let done = place.run(&[
        "run",
        "./gate.toml",
        "--server",
        "sim",
        "-d",
        "1s",
        "--rate",
        "500",
        "--set",
        "load.warmup=0s",
    ]);
    done.ends(0);
    let record = record(&place, "reports/latest");
    assert_eq!((record.plan.load.rate.to_string(), record.load.intended), ("500/s".to_owned(), 500));
    place.run(&["check", "./gate.toml", "--rate", "2k/s"]).ends(0);
    place
        .gate(&["-s", "sim", "--rate", "5k/s", "--set", "load.rate=1k/s"])
        .fails(2, &["`--rate`", "`--set load.rate=1k/s`"]);
    place.gate(&["-s", "sim", "--duration", "5"]).fails(2, &["--duration", "a duration"]);
    place
        .run(&["compare", "./gate.toml", "--rate", "5k/s", "--a", "load.rate=1k/s", "--b", "load.rate=2k/s"])
        .fails(2, &["`--rate`", "`--a load.rate=1k/s`"]);
}

#[test]
fn a_dry_run_shows_plan_target_and_volume_and_leaves_nothing() {
    let place = Place::new();
    let done = place.gate(&["--broker", "nats://127.0.0.1:1", "--rate", "2k/s", "--dry-run"]);
    done.ends(0);
    for part in [
        "rate = \"2k/s\"",
        "# target: nats://127.0.0.1:1",
        "# load: ",
        " of load (",
        "nothing was started or sent",
    ] {
        assert!(done.out.contains(part), "{part}: {}", done.out);
    }
    place.write("shown.toml", &done.out);
    place.run(&["check", "./shown.toml"]).ends(0);
    let json = place.gate(&["--broker", "sim", "--dry-run", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["target"], "the simulated bus");
    let done = place.run(&[
        "compare",
        "./gate.toml",
        "--broker",
        "sim",
        "--a",
        "bus.window=9",
        "--b",
        "bus.window=99",
        "--dry-run",
    ]);
    done.ends(0);
    assert!(done.out.contains("8 pairs") && done.out.contains("bus.window=99"), "{}", done.out);
    assert!(!place.path().join("reports").exists());
    place.gate(&["--dry-run", "--set", "load.rate=x"]).fails(2, &["load.rate"]);
}

#[test]
fn a_run_folder_has_the_name_that_is_asked_for_and_is_never_overwritten() {
    let place = Place::new();
    gate(&place, &["--run-dir", "out/pr"]).ends(0);
    assert_eq!(record(&place, "out/pr").run.profile, "gate");
    assert!(fs::read_dir(place.path().join("out")).unwrap().count() == 1, "no link beside it");
    let suite = fs::read_to_string(place.path().join("out/pr/junit.xml")).unwrap();
    assert!(suite.contains("<testsuite name=\"gate (pr)\""), "{suite}");
    gate(&place, &["--run-dir", "out/pr"]).fails(2, &["out/pr", "is not empty"]);
    gate(&place, &["--run-dir", "out/x", "--out", "out"]).fails(2, &["--run-dir", "--out"]);
    // Rendered again through another path, the report is the same.
    place.run(&["report", "out/pr/."]).ends(0);
    assert_eq!(fs::read_to_string(place.path().join("out/pr/junit.xml")).unwrap(), suite);
}

#[test]
fn the_link_points_to_the_newest_run_and_what_is_no_link_stays() {
    let place = Place::new();
    for _ in 0..2 {
        gate(&place, &[]).ends(0);
        let newest =
            place.runs().into_iter().max_by_key(|run| fs::metadata(run).unwrap().modified().unwrap());
        let link = place.path().join("reports/latest");
        assert_eq!(fs::canonicalize(&link).unwrap(), fs::canonicalize(newest.unwrap()).unwrap());
        assert!(fs::read_link(&link).unwrap().is_relative());
    }
    // The same runs are not compared with themselves by the link.
    let done = place.run(&["compare", "reports", "reports"]);
    assert!(!done.out.contains("latest"), "{}", done.out);
    let other = Place::new();
    fs::create_dir_all(other.path().join("reports/latest")).unwrap();
    let done = gate(&other, &[]);
    done.ends(0);
    assert!(done.err.contains("reports/latest") && done.err.contains("not a link"), "{}", done.err);
}

#[test]
fn tags_of_the_user_and_of_the_ci_system_are_in_every_file() {
    let mut place = Place::new();
    place.set("GITHUB_SHA", "1a2b3c4d");
    place.set("GITHUB_REF_NAME", "7/merge");
    place.set("GITHUB_HEAD_REF", "fix-latency");
    place.set("GITHUB_JOB", "gate");
    let done = gate(&place, &["--tag", "team=pricing", "--tag", "job=mine"]);
    done.ends(0);
    let tags = record(&place, "reports/latest").run.tags;
    let tags: Vec<_> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(tags, ["branch=fix-latency", "commit=1a2b3c4d", "job=mine", "team=pricing"]);
    assert!(
        done.out.contains("tags: branch=fix-latency, commit=1a2b3c4d, job=mine, team=pricing"),
        "{}",
        done.out
    );
    for (file, part) in [
        ("junit.xml", "<property name=\"commit\" value=\"1a2b3c4d\""),
        ("metrics.om", "commit=\"1a2b3c4d\""),
        ("summary.md", "team=pricing"),
        ("report.html", "branch=fix-latency"),
    ] {
        let text = fs::read_to_string(place.path().join("reports/latest").join(file)).unwrap();
        assert!(text.contains(part), "{file}: {part}");
    }
    for bad in ["team", "te am=x", "run=x", "x="] {
        gate(&place, &["--tag", bad]).fails(2, &["--tag"]);
    }
}

/// The names and labels that GitLab compares, by its own rule: the first word of each line without a comment.
fn keys(place: &Place, folder: &str, file: &str) -> Vec<String> {
    let text = fs::read_to_string(place.path().join(folder).join(file)).unwrap();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[test]
fn metrics_of_two_runs_have_the_same_keys() {
    let place = Place::new();
    gate(&place, &["--run-dir", "a"]).ends(0);
    gate(&place, &["--run-dir", "b"]).ends(0);
    for file in ["metrics.om", "metrics-gitlab.txt"] {
        assert!(keys(&place, "a", file).len() > 40);
        assert_eq!(keys(&place, "a", file), keys(&place, "b", file), "{file}");
    }
    // Runs of two commits.
    gate(&place, &["--run-dir", "c", "--tag", "commit=1"]).ends(0);
    assert_eq!(keys(&place, "a", "metrics-gitlab.txt"), keys(&place, "c", "metrics-gitlab.txt"));
}
