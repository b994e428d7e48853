//! Leaves nothing behind: children that end with this process, and a reaper for their files.
//!
//! There are two independent mechanisms. The kernel kills the server when tickgate ends in any way
//! (`PR_SET_PDEATHSIG`). In addition, a tiny shell script waits for the end of a pipe that only tickgate holds open,
//! then kills the server if it still runs, and removes its directory.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};

use rustix::io::Errno;
use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

use crate::host::resources::Process;

/// A command, and the channel that its child is sent to.
type Order = (Command, mpsc::SyncSender<io::Result<Child>>);

/// Environment variables that a child inherits. Credentials are in other variables, which are not passed on.
const INHERITED: [&str; 19] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "JAVA_HOME",
    "GOMAXPROCS",
    "GOMEMLIMIT",
    "GOGC",
    "XDG_RUNTIME_DIR",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
];

/// Returns a command whose child inherits only the necessary environment variables; callers can set more.
pub(in crate::broker) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let known =
        |name: &OsStr| name.to_str().is_some_and(|name| INHERITED.contains(&name) || name.starts_with("LC_"));
    command.env_clear().envs(std::env::vars_os().filter(|(name, _)| known(name)));
    command
}

/// Starts a child that the kernel kills when this process ends.
///
/// The kernel sends that signal when the *thread* that started the child ends. Therefore all children are started by
/// one thread that lives as long as the process.
pub(in crate::broker) fn spawn(mut command: Command) -> io::Result<Child> {
    static SPAWNER: Mutex<Option<mpsc::Sender<Order>>> = Mutex::new(None);
    end_with_us(&mut command);
    let (answer, child) = mpsc::sync_channel(1);
    {
        let mut spawner = SPAWNER.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = match spawner.take() {
            Some(orders) => orders,
            None => start_spawner()?,
        };
        let sent = orders.send((command, answer));
        *spawner = Some(orders);
        sent.map_err(|_| io::Error::other("the thread that starts processes has died"))?;
    }
    child.recv().map_err(|_| io::Error::other("the thread that starts processes has died"))?
}

fn start_spawner() -> io::Result<mpsc::Sender<Order>> {
    let (orders, received) = mpsc::channel::<Order>();
    std::thread::Builder::new().name("spawner".into()).spawn(move || {
        for (mut command, answer) in received {
            if let Err(mpsc::SendError(Ok(mut child))) = answer.send(command.spawn()) {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    })?;
    Ok(orders)
}

/// Makes the kernel kill the child when this process ends, and shields the child from the terminal's Ctrl-C.
#[expect(unsafe_code, reason = "only a child can ask for its own parent-death signal")]
fn end_with_us(command: &mut Command) {
    let us = getpid();
    command.process_group(0);
    let between_fork_and_exec = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // This process may have ended before that call: the signal would never come.
        if getppid() == Some(us) { Ok(()) } else { Err(Errno::SRCH.into()) }
    };
    // SAFETY: the closure makes two system calls that are safe after a fork; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(between_fork_and_exec) };
}

/// Reads lines `PID START` until the pipe ends; then kills the last of these processes, unless its PID now belongs to
/// another one (field 22 of `/proc/PID/stat` is the start time), and removes directory $1, unless a line `keep` came.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
set -f
last= keep=
while read -r pid born; do
    case $pid in keep) keep=1 ;; *) last="$pid $born" ;; esac
done
same() {
    read -r stat <"/proc/$1/stat" || return 1
    set -- "$2" ${stat##*) }
    [ "${21}" = "$1" ] && [ "$2" != Z ]
}
tries=0
while [ -n "$last" ] && same $last && [ $tries -lt 200 ]; do
    kill -KILL "${last% *}"; sleep 0.02; tries=$((tries + 1))
done
[ -z "$keep" ] || exit 0
tries=0
while [ -e "$1" ] && [ $tries -lt 200 ]; do
    rm -rf -- "$1" || sleep 0.02; tries=$((tries + 1))
done
"#;

/// Waits for the end of this process and cleans up; dropping it has the same effect.
#[derive(Debug)]
pub(in crate::broker) struct Reaper {
    child: Child,
}

impl Reaper {
    /// Starts a reaper that kills a process (see [`Self::watch`]) and removes a directory.
    pub(in crate::broker) fn start(directory: &Path) -> io::Result<Self> {
        let mut shell = command("/bin/sh");
        shell.args([
            OsStr::new("-c"),
            OsStr::new(SCRIPT),
            OsStr::new("tickgate-reaper"),
            directory.as_os_str(),
        ]);
        Self::run(shell)
    }

    /// Starts a program as reaper: it reads lines from its input and acts at the end of the input.
    pub(in crate::broker) fn run(mut program: Command) -> io::Result<Self> {
        program.current_dir("/").process_group(0).stdin(Stdio::piped());
        let child = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Self { child })
    }

    /// Sets the process to kill.
    pub(in crate::broker) fn watch(&mut self, process: Process) -> io::Result<()> {
        self.tell(&format!("{} {}", process.pid(), process.born()))
    }

    /// Leaves the directory where it is.
    pub(in crate::broker) fn keep(&mut self) -> io::Result<()> {
        self.tell("keep")
    }

    /// Sends a line to the reaper.
    pub(in crate::broker) fn tell(&mut self, line: &str) -> io::Result<()> {
        let pipe = self.child.stdin.as_mut().ok_or(Errno::PIPE)?;
        writeln!(pipe, "{line}")
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_knows_nothing_of_our_environment_but_what_it_needs() {
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "cargo sets it for a test");
        let said = command("env").env("OWN", "1").output().unwrap().stdout;
        let said = String::from_utf8_lossy(&said);
        let names: Vec<&str> = said.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        assert!(names.contains(&"PATH") && names.contains(&"OWN"), "{names:?}");
        assert!(!names.iter().any(|name| name.starts_with("CARGO")), "{names:?}");
    }

    fn sleeper() -> Child {
        let mut command = Command::new("sleep");
        command.arg("600").stdout(Stdio::null()).stderr(Stdio::null());
        spawn(command).unwrap()
    }

    #[test]
    fn the_reaper_kills_the_last_process_and_removes_the_directory() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("it's a $(store) *");
        std::fs::create_dir_all(directory.join("below")).unwrap();
        let (mut first, mut second) = (sleeper(), sleeper());
        let mut reaper = Reaper::start(&directory).unwrap();
        reaper.watch(Process::of(first.id()).unwrap()).unwrap();
        reaper.watch(Process::of(second.id()).unwrap()).unwrap();
        assert!(directory.exists());
        drop(reaper);
        assert!(!directory.exists());
        assert!(!second.wait().unwrap().success());
        assert!(first.try_wait().unwrap().is_none(), "the first one is no longer the reaper's");
        first.kill().unwrap();
        first.wait().unwrap();
    }

    #[test]
    fn the_reaper_leaves_a_directory_that_is_kept_and_kills_its_process() {
        let root = tempfile::tempdir().unwrap();
        let mut process = sleeper();
        let mut reaper = Reaper::start(root.path()).unwrap();
        reaper.watch(Process::of(process.id()).unwrap()).unwrap();
        reaper.keep().unwrap();
        drop(reaper);
        assert!(root.path().exists());
        assert!(!process.wait().unwrap().success());
    }

    #[test]
    fn the_reaper_spares_a_process_that_only_has_the_same_number() {
        let root = tempfile::tempdir().unwrap();
        let mut other = sleeper();
        let mut reaper = Reaper::start(&root.path().join("store")).unwrap();
        let pipe = reaper.child.stdin.as_mut().unwrap();
        writeln!(pipe, "{} 1", other.id()).unwrap();
        drop(reaper);
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn a_child_outlives_the_thread_that_asked_for_it() {
        let mut child = std::thread::spawn(sleeper).join().unwrap();
        let process = Process::of(child.id()).unwrap();
        // The signal would have arrived before the join returned.
        assert!(process.is_alive());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Parent process of the next test: starts a child without a reaper, reports its PID and waits to be killed.
    #[test]
    #[expect(clippy::zombie_processes, reason = "this process is killed before it could wait")]
    #[ignore = "started by the_kernel_alone_ends_a_child_of_a_killed_parent"]
    fn parent_that_is_killed() {
        let Some(answer) = std::env::var_os("TICKGATE_TEST_ANSWER") else { return };
        let child = std::thread::spawn(sleeper).join().unwrap();
        std::fs::write(&answer, format!("{}\n", child.id())).unwrap();
        let _ = io::Read::read(&mut io::stdin(), &mut [0]);
    }

    #[test]
    fn the_kernel_alone_ends_a_child_of_a_killed_parent() {
        let folder = tempfile::tempdir().unwrap();
        let answer = folder.path().join("answer");
        let mut parent = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "broker::process::guard::tests::parent_that_is_killed", "--ignored"])
            .env("TICKGATE_TEST_ANSWER", &answer)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut told = None;
        eventually("the parent tells its child's number", || {
            let text = std::fs::read_to_string(&answer).unwrap_or_default();
            told = text.strip_suffix('\n').map(str::to_owned);
            told.is_some()
        });
        let child = Process::of(told.unwrap().parse().unwrap()).unwrap();
        assert!(child.is_alive());
        parent.kill().unwrap();
        parent.wait().unwrap();
        eventually("the child has ended", || !child.is_alive());
    }

    fn eventually(what: &str, mut reached: impl FnMut() -> bool) {
        let end = std::time::Instant::now() + std::time::Duration::from_mins(2);
        while !reached() {
            assert!(std::time::Instant::now() < end, "not in time: {what}");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    #[test]
    fn what_cannot_be_started_is_an_error() {
        assert!(spawn(Command::new("/nonexistent/program")).is_err());
    }
}
