//! The program itself, each run in its own folder, a few at a time.

use std::cell::Cell;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tickgate::record::{Line, Record};

use super::machine;

/// Two seconds at 1,000 events a second, judged by what no slow machine can cause.
pub const GATE: &str = r#"
[load]
rate = "1k/s"
warmup = "500ms"
duration = "2s"
drain = "10s"

[market]
symbols = 20

[[groups]]
name = "trading-engine"

[objectives]
"delivery.lost" = "== 0"
"delivery.duplicate" = "== 0"
"delivery.corrupt" = "== 0"
"publish.unsent" = "== 0"
"replay.complete" = "== 100%"
"#;

/// Longer than any run of a test takes, however slow and busy the machine: only a test that fails waits for that long.
const PATIENCE: Duration = Duration::from_mins(6);

/// At most this many programs of a test binary run at once: each paces a load, and most start a server.
const AT_ONCE: usize = 3;
static RUNNING: Mutex<usize> = Mutex::new(0);
static DONE: Condvar = Condvar::new();

thread_local! {
    /// Places that this test holds.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// A place among the programs that run at once, on a machine that no test has for itself.
pub struct Turn {
    _machine: machine::Hold,
}

impl Turn {
    fn take() -> Self {
        // Before a place: who has the machine alone must never wait for one that waits for the machine.
        let machine = machine::beside_others();
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        // A test that runs a second program beside its first must not wait for a place: two such would wait for each other.
        let beside = HELD.get() > 0;
        let mut running = DONE
            .wait_while(running, |running| !beside && *running >= AT_ONCE)
            .unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        HELD.set(HELD.get() + 1);
        Self { _machine: machine }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        HELD.set(HELD.get().saturating_sub(1));
        DONE.notify_one();
    }
}

/// Waits for a place before a clock starts that the test cannot stop; its programs then start without waiting.
pub fn turn() -> Turn {
    Turn::take()
}

/// The program under test: that of `TICKGATE_PROGRAM`, the release build in `make test`; else the one that cargo built for this test.
pub fn path() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| {
        std::env::var("TICKGATE_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_tickgate").to_owned())
    });
    &PATH
}

/// Where the program finds a Kafka, if the project has one; the program runs in another folder.
fn kafka_home() -> (&'static str, String) {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join(".brokers/kafka");
    let home = std::env::var("KAFKA_HOME").unwrap_or_else(|_| project.display().to_string());
    ("KAFKA_HOME", home)
}

/// A folder in which a test runs the program; holds `gate.toml` from the start.
pub struct Place {
    folder: tempfile::TempDir,
    program: PathBuf,
    variables: Vec<(&'static str, String)>,
}

/// How it ended.
#[derive(Debug)]
pub struct Done {
    /// The exit code; −n where signal n ended it.
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("gate.toml"), GATE).expect("a profile");
        let server = super::nats_server().display().to_string();
        let variables = vec![("TICKGATE_NATS_SERVER", server), kafka_home()];
        Self { folder, program: PathBuf::from(path()), variables }
    }

    /// The program is at another place; variables are left as they are.
    pub fn program(&mut self, path: PathBuf) {
        self.program = path;
    }

    /// Sets an environment variable for the program; an empty value unsets it.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.variables.retain(|(other, _)| *other != name);
        self.variables.push((name, value.into()));
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file and returns its name as an argument.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path().join(name), bytes).expect("a file");
        format!("./{name}")
    }

    /// The program with these arguments, in this folder and with its environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(self.path()).stdin(Stdio::null());
        // The bus of a test is the test's, whatever the environment of the tests names.
        let outside = ["NATS_", "KAFKA_", "GITHUB_", "CI_", "BUILDKITE", "JENKINS_"];
        let names = |name: &str| outside.iter().any(|start| name.starts_with(start));
        for (name, _) in std::env::vars_os().filter(|(name, _)| names(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        command.env_remove("NO_COLOR");
        for (name, value) in &self.variables {
            if value.is_empty() {
                command.env_remove(name);
            } else {
                command.env(name, value);
            }
        }
        command
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Done {
        self.start(args).wait()
    }

    /// Starts it; its output goes to files beside the folder's others.
    #[track_caller]
    pub fn start(&self, args: &[&str]) -> Running {
        let turn = Turn::take();
        let output = tempfile::tempdir().expect("a folder");
        let file = |name| File::create(output.path().join(name)).expect("a file");
        let child = self.command(args).stdout(file("out")).stderr(file("err")).spawn().expect("starts");
        Running { child, output, folder: self.path().to_owned(), _turn: turn }
    }

    /// `run ./gate.toml` with more arguments.
    #[track_caller]
    pub fn gate(&self, more: &[&str]) -> Done {
        self.run(&[&["run", "./gate.toml"], more].concat())
    }

    #[track_caller]
    pub fn start_gate(&self, more: &[&str]) -> Running {
        self.start(&[&["run", "./gate.toml"], more].concat())
    }

    /// The folders of runs in `reports/`.
    pub fn runs(&self) -> Vec<PathBuf> {
        runs(self.path())
    }

    /// The folder of the only run.
    #[track_caller]
    pub fn run_folder(&self) -> PathBuf {
        let mut runs = self.runs();
        assert_eq!(runs.len(), 1, "one run: {runs:?}");
        runs.remove(0)
    }

    /// The record of the only run.
    #[track_caller]
    pub fn record(&self) -> Record {
        let text = std::fs::read_to_string(self.run_folder().join("record.json")).expect("a record");
        serde_json::from_str(&text).expect("a record that can be read")
    }

    /// The journal of the only run; every line of it can be read.
    #[track_caller]
    pub fn journal(&self) -> Vec<Line> {
        let text = std::fs::read_to_string(self.run_folder().join("journal.jsonl")).expect("a journal");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of the journal")).collect()
    }
}

fn runs(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("reports")).into_iter().flatten();
    // Without the link to the newest one.
    entries.map(|entry| entry.expect("an entry").path()).filter(|path| !path.is_symlink()).collect()
}

/// The program while it runs; ended with the value.
pub struct Running {
    child: Child,
    output: tempfile::TempDir,
    folder: PathBuf,
    _turn: Turn,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.output.path().join(name)).unwrap_or_default()
    }

    /// The contents of stderr so far.
    pub fn err(&self) -> String {
        self.read("err")
    }

    /// Waits until `true`.
    #[track_caller]
    pub fn until(&mut self, what: &str, reached: impl Fn(&Self) -> bool) {
        let patience = Instant::now();
        while !reached(self) {
            let ended = self.child.try_wait().expect("a child");
            assert!(
                ended.is_none() && patience.elapsed() < PATIENCE,
                "{what} does not come ({ended:?}):\n{}",
                self.err()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until stderr holds a text.
    #[track_caller]
    pub fn until_it_says(&mut self, text: &str) {
        self.until(text, |running| running.err().contains(text));
    }

    /// Waits until the journal of the folder's only run holds a text the given number of times.
    #[track_caller]
    pub fn until_the_journal_has(&mut self, text: &str, times: usize) {
        self.until(text, |running| {
            let journal = runs(&running.folder).first().map(|run| run.join("journal.jsonl"));
            let journal = journal.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
            journal.matches(text).count() >= times
        });
    }

    /// Waits until the measure phase goes on.
    #[track_caller]
    pub fn until_it_measures(&mut self) {
        self.until_the_journal_has(r#""line":"phase""#, 1);
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("a signal");
    }

    /// The `nats-server` that it has started.
    #[track_caller]
    pub fn server(&self) -> u32 {
        self.server_called("nats-server")
    }

    /// The process of this name that it has started.
    #[track_caller]
    pub fn server_called(&self, name: &str) -> u32 {
        let all = std::fs::read_dir("/proc").expect("/proc").flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let mut servers = pids.filter(|&pid| process(pid) == Some((name.to_owned(), self.pid())));
        servers.next().expect("a server of its own")
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Done {
        let patience = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(patience.elapsed() < PATIENCE, "it does not end:\n{}", self.err());
            std::thread::sleep(Duration::from_millis(5));
        };
        let code = status.code().unwrap_or_else(|| -status.signal().unwrap_or(0));
        Done { code, out: self.read("out"), err: self.err() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Name and parent of a process that is there and no zombie.
fn process(pid: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let (state, parent) = (fields.next()?, fields.next()?.parse().ok()?);
    (state != "Z").then(|| (name.to_owned(), parent))
}

/// SIGKILL.
pub fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, Signal::KILL).expect("a signal");
}

/// Waits until a process is gone.
#[track_caller]
pub fn until_gone(pid: u32) {
    let patience = Instant::now();
    while process(pid).is_some() {
        assert!(patience.elapsed() < PATIENCE, "process {pid} stays");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until a path is gone.
#[track_caller]
pub fn until_removed(path: &Path) {
    let patience = Instant::now();
    while path.exists() {
        assert!(patience.elapsed() < PATIENCE, "{} stays", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Done {
    /// Asserts the exit code, and that stderr holds all of these.
    #[track_caller]
    pub fn fails(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{self:#?}");
        for part in parts {
            assert!(self.err.contains(part), "`{part}` is not in:\n{}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn ends(&self, code: i32) {
        self.fails(code, &[]);
    }
}

/// Asserts that every event is accounted for on both sides.
#[track_caller]
pub fn balances(record: &Record) {
    let load = &record.load;
    assert_eq!(load.intended, load.acked + load.refused + load.unconfirmed + load.unsent, "slots");
    assert_eq!(load.sent, load.acked + load.refused + load.unconfirmed, "sent");
    assert_eq!(load.by_topic.iter().map(|topic| topic.count).sum::<u64>(), load.intended, "topics");
    for group in &record.groups {
        let name = &group.name;
        assert_eq!(
            group.delivered,
            group.expected - group.lost - group.pending + group.recovered + group.unexpected,
            "deliveries of {name}"
        );
        assert_eq!(group.by_topic.iter().map(|topic| topic.count).sum::<u64>(), group.delivered, "{name}");
    }
    let of_row = |count: fn(&tickgate::record::Row) -> u64| record.timeline.iter().map(count).sum::<u64>();
    assert_eq!(of_row(|row| row.intended), load.intended, "the timeline has every slot");
    assert_eq!(of_row(|row| row.acked), load.acked, "the timeline has every acknowledgement");
    for (at, group) in record.groups.iter().enumerate() {
        let delivered: u64 = record.timeline.iter().map(|row| row.groups[at].delivered).sum();
        assert_eq!(delivered, group.delivered, "the timeline has every delivery");
    }
    assert!(record.marks.is_sorted_by_key(|mark| mark.at_ns), "marks in time order");
}
