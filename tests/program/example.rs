//! The reports in reports/example and reports/example-failover are real runs, whole, small, and what this version makes of their
//! records.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tickgate::measure;
use tickgate::plan::Span;
use tickgate::record::{End, Injection, Record, Verdict};

use crate::support::program;

const HOW: &str = "`scripts/example.sh picture` renders it again, `make example` makes another run";
const EXAMPLES: [&str; 2] = ["example", "example-failover"];

fn folder(example: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reports").join(example)
}

/// Every file below a folder, by its path in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn record(example: &str) -> Record {
    serde_json::from_slice(&std::fs::read(folder(example).join("record.json")).unwrap()).unwrap()
}

#[test]
fn it_is_a_pass_of_the_gate_on_a_real_server() {
    let record = record("example");
    assert_eq!((record.run.profile.as_str(), record.verdict), ("adr-002", Verdict::Pass), "{HOW}");
    assert_eq!(
        (record.broker.product.as_str(), record.broker.mode.as_str()),
        ("nats-server", "local"),
        "{HOW}"
    );
    assert_eq!(record.run.end, End::Completed);
    assert!(record.groups.len() == 5 && record.audit.is_some_and(|audit| audit.complete));
}

#[test]
fn a_failover_kills_the_leader_of_three_servers_and_nothing_is_lost() {
    let record = record("example-failover");
    assert_eq!((record.run.profile.as_str(), record.verdict), ("failover", Verdict::Pass), "{HOW}");
    assert_eq!((record.broker.product.as_str(), record.run.end), ("nats-server", End::Completed), "{HOW}");
    let fault = &record.faults.injected[0];
    assert_eq!((fault.outcome, fault.action.as_str()), (Injection::Done, "kill"));
    assert!(fault.leader_before.is_some() && fault.leader_after.is_some(), "{fault:?}");
    assert!(
        fault.effect.as_ref().is_some_and(|effect| effect.publishing.unavailable_ns > 1_000_000_000),
        "an election"
    );
    let audit = record.audit.unwrap();
    assert!(audit.complete && audit.missing == 0 && audit.diverged == Some(0), "{audit:?}");
}

/// An hour on a busy machine: objectives on time are inconclusive, and objectives on counts are judged.
#[test]
fn an_hour_of_faults_lost_nothing() {
    let packed = folder("example-soak").join("record.json.gz");
    let unpacked = std::process::Command::new("gzip").arg("-dc").arg(packed).output().unwrap();
    let record: Record = serde_json::from_slice(&unpacked.stdout).unwrap();
    assert_eq!(
        (record.run.profile.as_str(), record.plan.load.duration),
        ("soak-faults", Span::seconds(3600))
    );
    assert_eq!((record.faults.injected.len(), record.verdict), (20, Verdict::Inconclusive));
    assert!(record.faults.injected.iter().all(|fault| fault.outcome == Injection::Done));
    assert!(record.groups.iter().all(|group| group.lost == 0 && group.delivered >= 1_800_000));
    let audit = record.audit.unwrap();
    assert_eq!((audit.stored_once, audit.missing, audit.diverged), (audit.acked, 0, Some(0)));
}

#[test]
fn its_record_is_what_the_schema_says() {
    let schema =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/record.json")).unwrap();
    let schema = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for example in EXAMPLES {
        let record = std::fs::read(folder(example).join("record.json")).unwrap();
        let record = serde_json::from_slice(&record).unwrap();
        let errors: Vec<_> = validator.iter_errors(&record).map(|error| error.to_string()).collect();
        assert_eq!(errors, [""; 0], "{example}: {HOW}");
    }
}

#[test]
fn it_is_small_and_this_version_makes_the_same_of_it() {
    for example in EXAMPLES {
        is_rendered_as_it_stands(example);
    }
}

fn is_rendered_as_it_stands(example: &str) {
    let committed = files(&folder(example));
    let size: usize = committed.values().map(Vec::len).sum();
    assert!(size <= 1_200_000, "{size} bytes: {HOW}");
    let place = tempfile::tempdir().unwrap();
    // The test suite of junit.xml has the folder's name.
    let folder = place.path().join(example);
    std::fs::create_dir(&folder).unwrap();
    for (name, bytes) in &committed {
        let is_log = name.extension().is_some_and(|ending| ending == "log" || ending == "hlog");
        if is_log || name == Path::new("record.json") {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }
    Command::new(program::path())
        .arg("report")
        .arg(&folder)
        .env_remove("GITHUB_STEP_SUMMARY")
        .env_remove("GITHUB_ACTIONS")
        .assert()
        .code(0);
    let made = files(&folder);
    assert_eq!(committed.keys().collect::<Vec<_>>(), made.keys().collect::<Vec<_>>(), "{HOW}");
    let other: Vec<_> = committed.keys().filter(|name| committed[*name] != made[*name]).collect();
    assert!(other.is_empty(), "this version makes something else of {other:?}: {HOW}");
    let record = record(example);
    assert!(record.to_json().unwrap().as_bytes() == committed[Path::new("record.json")], "the record: {HOW}");
}

/// Intervals hold the events received in the measure phase, the record those intended in it: all but the same.
#[test]
fn its_log_of_distributions_tells_what_the_record_tells() {
    let text = std::fs::read_to_string(folder("example").join("latency.hlog")).unwrap();
    for group in record("example").groups {
        let tag = format!("Tag=latency.{},", group.name);
        let intervals: Vec<String> = text
            .lines()
            .filter(|line| line.starts_with(&tag))
            .map(|line| line.rsplit(',').next().unwrap().to_owned())
            .collect();
        assert!(intervals.len() >= 12, "{tag} {}", intervals.len());
        let sum = measure::sum(&intervals).unwrap();
        let (count, of) = (sum.len(), group.latency.count);
        assert!(count.abs_diff(of) <= of / 100 + 20, "{tag} {count} and {of}");
        let (p50, of) = (sum.value_at_quantile(0.5), group.latency.p50_ns);
        assert!(p50.abs_diff(of) <= of / 50, "{tag} {p50} and {of}");
    }
}
