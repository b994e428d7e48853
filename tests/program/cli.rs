//! The commands that put no load on anything, and how all of them behave as programs.

use std::process::{Command, Stdio};

use tickgate::plan::Plan;

use crate::support;
use crate::support::program::{self, GATE, Place};

/// The profiles that are built in.
const SHIPPED: [&str; 14] = [
    "quick",
    "adr-002",
    "ci-gate",
    "cluster",
    "failover",
    "rolling-restart",
    "partition",
    "rolling-upgrade",
    "replay",
    "dead-letter",
    "durability",
    "soak",
    "soak-faults",
    "market-open",
];

/// Shown text with what differs from machine to machine taken out.
fn snapshot(name: &str, text: &str) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => true }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn check_shows_the_plan_with_every_default_and_the_load_to_come() {
    let place = Place::new();
    let done = place.run(&["check", "./gate.toml"]);
    done.ends(0);
    assert_eq!(done.err, "");
    snapshot("check", &done.out);
    // What it shows is a profile itself, of the same plan.
    let again = place.write("again.toml", &done.out);
    let plan = |profile: &str| -> Plan {
        let done = place.run(&["check", profile, "--format", "json"]);
        done.ends(0);
        serde_json::from_str(&done.out).expect("a plan")
    };
    assert_eq!(plan("./gate.toml"), plan(&again));
    place.run(&["check", "./gate.toml", "--set", "load.rate=1"]).fails(2, &["load.rate"]);
    let faults = place.run(&["check", "failover"]);
    faults.ends(0);
    for line in [
        "# fault leader: kill of stream-leader at 15s, undone at 23s, settled by 38s",
        "# part before: 0s to 15s",
        "# part during: 15s to 23s",
        "# part recovery: 23s to 38s",
        "# part after: 38s to 50s",
        "# part fault.leader: 15s to 38s",
    ] {
        assert!(faults.out.lines().any(|shown| shown == line), "{line}: {}", faults.out);
    }
    let single = ["run", "failover", "--set", "cluster.nodes=1", "--set", "bus.replicas=1"];
    place.run(&single).fails(2, &["expect = \"outage\""]);
    let sim = ["--set", "faults.leader.expect=outage", "--broker", "sim"];
    place.run(&[&single[..], &sim].concat()).fails(2, &["the simulated bus has members of groups"]);
    for profile in SHIPPED {
        place.run(&["check", profile]).ends(0);
    }
}

#[test]
fn topology_draws_both_and_finds_each_fault_of_the_one_as_written() {
    let place = Place::new();
    for name in ["adr-002", "adr-002-as-written"] {
        let done = place.run(&["topology", name]);
        done.ends(0);
        assert_eq!(done.err, "");
        snapshot(&format!("topology_{name}"), &done.out);
    }
    assert_eq!(place.run(&["topology"]).out, place.run(&["topology", "adr-002"]).out, "the default");
    let of_profile = place.run(&["topology", "./gate.toml", "--set", "topology.prefix=gate"]);
    of_profile.ends(0);
    assert!(of_profile.out.starts_with("gate"), "{}", of_profile.out);
    place.run(&["topology", "adr-003"]).fails(2, &["adr-003"]);
}

#[test]
fn profiles_are_listed_and_shown_as_they_are() {
    let place = Place::new();
    let list = place.run(&["profiles"]);
    list.ends(0);
    let names: Vec<_> = list.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for name in SHIPPED {
        assert!(names.contains(&name), "{names:?}");
        let shown = place.run(&["profiles", "show", name]);
        shown.ends(0);
        let file = format!("{}/profiles/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(shown.out, std::fs::read_to_string(file).unwrap());
    }
    assert!(names.contains(&"file-vs-memory"), "{names:?}");
    place.run(&["profiles", "show", "file-vs-memory"]).ends(0);
    place.run(&["profiles", "show", "quik"]).fails(2, &["no profile `quik`", "did you mean `quick`?"]);
}

#[test]
fn usage_mistakes_end_in_2_and_help_in_0() {
    let place = Place::new();
    for args in [
        &["fly"][..],
        &[],
        &["run", "--fast"],
        &["run", "--format", "xml"],
        &["run", "--port", "99999"],
        &["run", "--broker", "nats://127.0.0.1:1", "--context", "x"],
        &["run", "--tls-cert", "x"],
        &["check"],
        &["report"],
        &["run", "quick", "quick"],
    ] {
        let done = place.run(args);
        done.ends(2);
        assert!(done.out.is_empty() && !done.err.is_empty(), "{args:?}: {done:?}");
    }
    for args in [&["--help"][..], &["--version"], &["run", "--help"]] {
        let done = place.run(args);
        done.ends(0);
        assert!(done.err.is_empty() && !done.out.is_empty(), "{args:?}: {done:?}");
    }
    assert!(place.run(&["--help"]).out.contains("0 pass, 1 an objective missed, 2 usage or profile error"));
}

#[test]
fn a_report_of_what_is_no_run_says_what_is_wrong() {
    let place = Place::new();
    place.run(&["report", "nowhere"]).fails(4, &["nowhere", "No such file"]);
    for (text, part) in [
        ("", "is not a valid record"),
        ("{", "is not a valid record"),
        ("[1]", "is not a valid record"),
        (r#"{"schema":"tickgate.record/999"}"#, "a later version"),
        (r#"{"schema":"tickgate.record/1"}"#, "missing field"),
        (r#"{"schema":"somebody.else/1"}"#, "somebody.else/1"),
    ] {
        place.write("record.json", text);
        place.run(&["report", "."]).fails(4, &["record.json", part]);
    }
}

#[test]
fn doctor_says_what_this_machine_can_judge_and_start() {
    let place = Place::new();
    let done = place.run(&["doctor"]);
    assert!([0, 3].contains(&done.code), "a server can be started here: {done:#?}");
    for part in
        ["machine", "cores usable", "timer", "hiccups", "disk", "fsyncs/s", "broker    nats-server 2."]
    {
        assert!(done.out.contains(part), "`{part}` is not in:\n{}", done.out);
    }
    let mut without = Place::new();
    without.set("TICKGATE_NATS_SERVER", "/nonexistent/nats-server");
    without.set("KAFKA_HOME", "/nonexistent");
    without.set("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    let done = without.run(&["doctor"]);
    done.ends(4);
    assert!(done.out.contains("kafka     "), "{}", done.out);
    assert!(done.out.contains("docker    no engine: /nonexistent/docker.sock"), "{}", done.out);
}

#[test]
fn nobody_need_read_the_output() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gate.toml"), GATE).unwrap();
    for args in [&["profiles", "show", "adr-002"][..], &["check", "./gate.toml"], &["topology"]] {
        let mut child = Command::new(program::path())
            .args(args)
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let done = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&done.stderr);
        assert_eq!((done.status.code(), err.as_ref()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let place = Place::new();
    let run = |args: &[&str]| {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let done = Command::new(program::path())
            .args(args)
            .current_dir(place.path())
            .stdout(full)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(
            err.matches("tickgate: cannot write the output: No space left").count(),
            1,
            "{args:?}: {err}"
        );
        assert_eq!(done.status.code(), Some(4), "{args:?}: {err}");
    };
    let sim =
        ["run", "./gate.toml", "--broker", "sim", "--set", "load.duration=200ms", "--set", "load.warmup=0s"];
    run(&[&sim[..], &["--format", "json", "--out", "json"]].concat());
    run(&[&sim[..], &["--out", "text"]].concat());
    let folder = place.path().join("json/latest");
    let folder = folder.to_str().unwrap();
    for args in [
        &["report", folder][..],
        &["report", folder, "--format", "json"],
        &["check", "./gate.toml"],
        &["check", "./gate.toml", "--format", "json"],
        &["profiles"],
        &["profiles", "show", "quick"],
        &["topology"],
        &["--help"],
        &["--version"],
        &["completions", "bash"],
        &["man"],
    ] {
        run(args);
    }
    // A usage error keeps its exit code even if its message cannot be written.
    place.run(&["fly"]).ends(2);
}

#[test]
fn a_run_outlives_those_who_watch_it() {
    let place = Place::new();
    let mut child = Command::new(program::path())
        .args(["run", "./gate.toml", "--set", "load.duration=1s"])
        .current_dir(place.path())
        .env("TICKGATE_NATS_SERVER", support::nats_server())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    support::program::balances(&place.record());
}

#[test]
fn an_upgrade_needs_two_versions() {
    let mut place = Place::new();
    let same = crate::support::nats_server().display().to_string();
    place.set("TICKGATE_NATS_SERVER_PREVIOUS", same);
    place
        .run(&["run", "rolling-upgrade", "--broker", "local"])
        .fails(2, &["needs two versions", "are both 2.", "nats-previous"]);
    place.set("TICKGATE_NATS_SERVER_PREVIOUS", "/nonexistent/nats-server");
    let done = place.run(&["run", "rolling-upgrade", "--broker", "local"]);
    assert!(![0, 1, 3].contains(&done.code) && done.err.contains("/nonexistent/nats-server"), "{done:#?}");
}
