//! A server process that tickgate starts in a private directory: started, monitored, paused, killed and never left
//! behind.

use std::env;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, getrlimit, kill_process, pidfd_open, pidfd_send_signal,
    prlimit,
};

use super::super::BrokerError;
use super::super::power::{self, Power};
use super::super::server::Deed;
use super::account::Account;
use super::guard::{Reaper, spawn};
use super::log::last_lines;
use super::ports::random;
use crate::host::resources::{Meter, Process, filesystem, free_bytes};
use crate::plan::{Storage, Sync};
use crate::record::LostFiles;

/// Time between two checks of a server that is changing its state.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Name of the directory of the events, in the private directory of a server.
pub(in crate::broker) const STORE: &str = "store";

/// Returns `/var/tmp` if it is on a disk, as intended; else the temporary directory.
#[must_use]
pub fn default_store_parent() -> PathBuf {
    let disk = PathBuf::from("/var/tmp");
    let usable = |path: &Path| {
        rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
            && filesystem(path).is_ok_and(|found| !found.in_memory)
    };
    if usable(&disk) { disk } else { env::temp_dir() }
}

/// A server process and its directory; dropping it ends the process and removes the directory.
#[derive(Debug)]
pub(in crate::broker) struct Child {
    /// Name of the program in errors.
    program: &'static str,
    log: PathBuf,
    directory: PathBuf,
    end_within: Duration,
    running: Option<Running>,
    /// CPU time and memory of this process and of those before it.
    account: Account,
    log_from: u64,
    warnings: Vec<String>,
    /// Its end is planned.
    end_expected: bool,
    /// This entry of the directory stays when the value is dropped.
    kept: Option<&'static str>,
    /// How the server is supervised, if it is.
    power: Option<Power>,
    /// Dropped last, so that the reaper ends after the server and the directory are gone.
    reaper: Option<Reaper>,
}

#[derive(Debug)]
struct Running {
    /// The server, or its supervisor, which ends after it.
    child: process::Child,
    /// The server.
    process: Process,
    /// The server, where it is no child of this process: signals to this reach no other process.
    server: Option<OwnedFd>,
}

impl Running {
    /// Kills the server; one that has ended is none any more.
    fn kill(&mut self) -> io::Result<()> {
        let Some(server) = &self.server else { return self.child.kill() };
        match pidfd_send_signal(server, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        match &self.server {
            // One that has just ended is waited for with its supervisor.
            Some(server) => match pidfd_send_signal(server, signal) {
                Ok(()) | Err(Errno::SRCH) => Ok(()),
                Err(error) => Err(error.into()),
            },
            None => Ok(kill_process(Pid::from_child(&self.child), signal)?),
        }
    }

    fn pid(&self) -> Pid {
        let pid = i32::try_from(self.process.pid()).ok().and_then(Pid::from_raw);
        pid.filter(|_| self.server.is_some()).unwrap_or_else(|| Pid::from_child(&self.child))
    }
}

impl Child {
    /// Creates the directory, below `parent`, and the reaper that removes it; does not start the server.
    ///
    /// # Errors
    /// When the directory cannot be created.
    pub(in crate::broker) fn prepare(
        program: &'static str,
        parent: &Path,
        log: &Path,
        end_within: Duration,
    ) -> Result<Self, BrokerError> {
        let directory = private_directory(program, parent)?;
        let reaper = Reaper::start(&directory);
        let mut warnings = Vec::new();
        if let Err(error) = &reaper {
            warnings.push(format!(
                "no `sh` to clean up after us ({error}): {} stays if tickgate is killed",
                directory.display()
            ));
        }
        Ok(Self {
            program,
            log: log.to_owned(),
            directory,
            end_within,
            running: None,
            account: Account::default(),
            log_from: 0,
            warnings,
            end_expected: false,
            kept: None,
            power: None,
            reaper: reaper.ok(),
        })
    }

    /// Runs the server below a supervisor from its next start on, so that its store can be cut back to what was synced.
    pub(in crate::broker) fn supervise(&mut self, power: Option<Power>) {
        self.power = power;
    }

    /// Cuts the store back to what was synced, after the server has been killed.
    ///
    /// # Errors
    /// When it is not supervised, when it still runs, or when the store cannot be written.
    pub(in crate::broker) fn lose_unsynced(&mut self) -> Result<LostFiles, BrokerError> {
        if self.power.is_none() || self.runs() {
            return Err(BrokerError::NoSuchControl);
        }
        let lost = power::cut(&self.directory.join(STORE), &Power::directory(&self.directory));
        lost.map_err(BrokerError::io(self.doing("cut back the store of")))
    }

    /// Returns the private directory.
    pub(in crate::broker) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Leaves this entry of the directory where it is when the value is dropped; everything else of it is removed then.
    pub(in crate::broker) const fn keep(&mut self, entry: &'static str) {
        self.kept = Some(entry);
    }

    /// Removes the directory, or everything but what is kept of it.
    fn clear(&mut self) {
        let Some(kept) = self.kept else {
            // The reaper retries if the removal fails.
            let _ = fs::remove_dir_all(&self.directory);
            return;
        };
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_name() != kept {
                let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            }
        }
        if let Some(reaper) = &mut self.reaper {
            // One that has died removes nothing either.
            let _ = reaper.keep();
        }
    }

    /// Returns the path of the log.
    pub(in crate::broker) fn log(&self) -> &Path {
        &self.log
    }

    /// Returns warnings for the user.
    pub(in crate::broker) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Adds warnings for the user.
    pub(in crate::broker) fn warn(&mut self, warning: impl IntoIterator<Item = String>) {
        self.warnings.extend(warning);
    }

    /// Returns the process, for [`Process::usage`]; it changes with a restart.
    pub(in crate::broker) fn process(&self) -> Option<Process> {
        self.running.as_ref().map(|running| running.process)
    }

    /// Reads the resource use so far, of every process since the first start.
    pub(in crate::broker) fn meter(&self) -> Meter {
        self.account.meter()
    }

    /// Returns whether a process runs, a paused one included.
    pub(in crate::broker) fn runs(&mut self) -> bool {
        self.running.is_some() && self.exit_status().is_ok_and(|status| status.is_none())
    }

    /// Sets whether the end of the process is planned.
    pub(in crate::broker) const fn expect_end(&mut self, expected: bool) {
        self.end_expected = expected;
    }

    /// Returns whether the end of the process is planned.
    pub(in crate::broker) const fn end_is_expected(&self) -> bool {
        self.end_expected
    }

    /// Redirects a command's output to the log and sets the directory as its working directory.
    ///
    /// # Errors
    /// When the log cannot be opened.
    pub(in crate::broker) fn equip(&mut self, command: &mut Command) -> Result<(), BrokerError> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.map_err(BrokerError::io(format!("open the log {}", self.log.display())))?;
        self.log_from = log.metadata().map_or(0, |file| file.len());
        let log_too = log.try_clone().map_err(BrokerError::io("open the log"))?;
        command.current_dir(&self.directory).stdin(Stdio::null()).stdout(log).stderr(log_too);
        Ok(())
    }

    /// Starts the server; returns its process ID without waiting until it is ready.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(in crate::broker) fn launch(&mut self, mut command: Command) -> Result<u32, BrokerError> {
        let starting = format!("start {}", Path::new(command.get_program()).display());
        if let Some(power) = &self.power {
            let wrapped = power.wrap(&command, &self.directory.join(STORE), &self.directory);
            command = wrapped.map_err(BrokerError::io("prepare the supervisor of a server"))?;
        }
        self.equip(&mut command)?;
        let mut child = spawn(command).map_err(BrokerError::io(starting))?;
        let found = match &self.power {
            Some(_) => self.supervised(&mut child),
            // An ended child exists until it is waited for, so this fails only without `/proc`.
            None => Process::of(child.id()).map(|process| (process, None)).map_err(|error| BrokerError::Io {
                doing: format!("find {} in /proc", self.program),
                source: io::Error::other(error),
            }),
        };
        let (process, server) = match found {
            Ok(found) => found,
            Err(error) => {
                let _ = child.kill().and_then(|()| child.wait());
                return Err(error);
            }
        };
        self.account.begin(process);
        self.running = Some(Running { child, process, server });
        if self.reaper.as_mut().is_some_and(|reaper| reaper.watch(process).is_err()) {
            self.warnings.push(format!("the reaper has died: {} may stay behind", self.directory.display()));
            self.reaper = None;
        }
        Ok(process.pid())
    }

    /// Finds the server that a supervisor has started.
    fn supervised(&self, supervisor: &mut process::Child) -> Result<(Process, Option<OwnedFd>), BrokerError> {
        let found = Power::server(&self.directory, supervisor);
        let pid = found.map_err(BrokerError::io(format!("start {} with a supervisor", self.program)))?;
        let server = pid.and_then(|pid| {
            // In this order: a number that is used again meanwhile belongs to a process that is not the supervisor's child.
            let raw = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
            let server = pidfd_open(raw, PidfdFlags::empty()).ok()?;
            Process::of(pid)
                .ok()
                .filter(|process| process.is_child_of(supervisor.id()))
                .map(|of| (of, Some(server)))
        });
        match (server, supervisor.try_wait()) {
            (Some(server), _) => Ok(server),
            (None, Ok(Some(status))) => Err(self.ended(status, "before it was ready")),
            // It has ended at once, and its supervisor is about to.
            (None, _) => match supervisor.wait() {
                Ok(status) => Err(self.ended(status, "before it was ready")),
                Err(error) => Err(BrokerError::io(self.doing("wait for"))(error)),
            },
        }
    }

    /// Waits until the server is ready.
    ///
    /// # Errors
    /// When the server ends, or is not ready in time: then with the last lines of its log.
    pub(in crate::broker) fn until_ready(
        &mut self,
        within: Duration,
        ready: impl Fn() -> bool,
    ) -> Result<(), BrokerError> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(status) = self.exit_status()? {
                return Err(self.ended(status, "before it was ready"));
            }
            if ready() {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err(BrokerError::NotReady {
            program: self.program,
            seconds: within.as_secs(),
            log: self.last_lines(),
        })
    }

    /// Checks that the server still runs (a paused one does).
    ///
    /// # Errors
    /// When it has ended: with its exit status and the last lines of its log.
    pub(in crate::broker) fn alive(&mut self) -> Result<(), BrokerError> {
        match self.exit_status()? {
            None => Ok(()),
            Some(status) => Err(self.ended(status, "while it was needed")),
        }
    }

    /// Like [`Self::alive`], for which a planned end counts as alive.
    ///
    /// # Errors
    /// As [`Self::alive`].
    pub(in crate::broker) fn alive_unless_expected(&mut self) -> Result<(), BrokerError> {
        if self.end_expected { Ok(()) } else { self.alive() }
    }

    /// Does something to the process.
    ///
    /// # Errors
    /// When it has ended, or the system refuses.
    pub(in crate::broker) fn carry_out(&mut self, deed: Deed) -> Result<(), BrokerError> {
        match deed {
            Deed::Terminate => self.stop(),
            Deed::LameDuck => self.signal(Signal::USR2, "start the lame duck mode of"),
            // The product decides which program is started.
            Deed::Upgrade => Err(BrokerError::NoSuchControl),
            Deed::FailWrites => self.limit_writes(Some(0)),
            Deed::AllowWrites => self.limit_writes(getrlimit(Resource::Fsize).current),
        }
    }

    /// Sets how long a file may become that the process writes: a longer one is an error to it, as on a disk that fails.
    fn limit_writes(&mut self, longest: Option<u64>) -> Result<(), BrokerError> {
        self.alive()?;
        let doing = self.doing("limit the files of");
        let Some(running) = &self.running else { return Ok(()) };
        // A child inherits the limits of this process; only the soft one changes, so that it can be raised again.
        let limit = Rlimit { current: longest, maximum: getrlimit(Resource::Fsize).maximum };
        let set = prlimit(Some(running.pid()), Resource::Fsize, limit);
        set.map(|_| ()).map_err(BrokerError::io(doing))
    }

    /// Pauses the process (SIGSTOP) and returns when it has stopped.
    ///
    /// # Errors
    /// When it has ended.
    pub(in crate::broker) fn pause(&mut self) -> Result<(), BrokerError> {
        self.signal(Signal::STOP, "pause")?;
        self.until("pause", Process::is_stopped)
    }

    /// Resumes the process after a pause.
    ///
    /// # Errors
    /// When it has ended.
    pub(in crate::broker) fn resume(&mut self) -> Result<(), BrokerError> {
        self.signal(Signal::CONT, "resume")?;
        self.until("resume", |process| !process.is_stopped())
    }

    /// Kills the process (SIGKILL), as a crash would; data written so far stays in the page cache.
    ///
    /// # Errors
    /// When the system refuses.
    pub(in crate::broker) fn kill(&mut self) -> Result<(), BrokerError> {
        let doing = self.doing("kill");
        let Some(running) = &mut self.running else { return Ok(()) };
        running.kill().map_err(BrokerError::io(doing.clone()))?;
        self.account.read();
        running.child.wait().map(|_| ()).map_err(BrokerError::io(doing))
    }

    /// Asks the process to end in an orderly way (SIGTERM); does not wait for it. A paused one is resumed.
    ///
    /// # Errors
    /// When the system refuses.
    pub(in crate::broker) fn ask_to_end(&mut self) -> Result<(), BrokerError> {
        if !self.runs() {
            return Ok(());
        }
        let paused = self.process().is_some_and(|process| process.is_stopped());
        self.signal(Signal::TERM, "stop")?;
        if paused {
            self.signal(Signal::CONT, "resume")?;
        }
        Ok(())
    }

    /// Stops the process in an orderly way (SIGTERM), or kills it if that takes too long. Its store stays.
    ///
    /// # Errors
    /// When the system refuses.
    pub(in crate::broker) fn stop(&mut self) -> Result<(), BrokerError> {
        if self.running.is_none() || self.exit_status()?.is_some() {
            return Ok(());
        }
        self.ask_to_end()?;
        let deadline = Instant::now() + self.end_within;
        while Instant::now() < deadline {
            self.account.read();
            if self.exit_status()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.kill()
    }

    fn doing(&self, what: &str) -> String {
        format!("{what} {}", self.program)
    }

    /// Returns how the process has ended, if it has.
    ///
    /// # Errors
    /// When the system refuses.
    pub(in crate::broker) fn exit_status(&mut self) -> Result<Option<ExitStatus>, BrokerError> {
        let doing = self.doing("wait for");
        let Some(running) = &mut self.running else { return Ok(None) };
        running.child.try_wait().map_err(BrokerError::io(doing))
    }

    /// Sends a signal; the process ID is not reused until [`Self::exit_status`] has seen the end.
    fn signal(&mut self, signal: Signal, doing: &str) -> Result<(), BrokerError> {
        self.alive()?;
        let Some(running) = &self.running else { return Ok(()) };
        running.signal(signal).map_err(BrokerError::io(self.doing(doing)))
    }

    fn until(&mut self, doing: &str, reached: impl Fn(&Process) -> bool) -> Result<(), BrokerError> {
        let deadline = Instant::now() + self.end_within;
        while Instant::now() < deadline {
            self.alive()?;
            if self.process().is_some_and(|process| reached(&process)) {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err(BrokerError::Io { doing: self.doing(doing), source: io::ErrorKind::TimedOut.into() })
    }

    /// Returns the error for a server that has ended.
    pub(in crate::broker) fn ended(&self, status: ExitStatus, moment: &'static str) -> BrokerError {
        BrokerError::Ended {
            program: self.program,
            status: status.to_string(),
            moment,
            log: self.last_lines(),
        }
    }

    /// Returns the last lines that the process has logged.
    pub(in crate::broker) fn last_lines(&self) -> String {
        last_lines(&self.log, self.log_from)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.stop().is_err() {
            let _ = self.kill();
        }
        self.clear();
    }
}

/// Approximate space that a server's files need besides the events, bytes.
const OWN_FILES: u64 = 64 << 20;

/// Checks that there is space for the `needed` bytes of a run's events and for the server's other files.
pub(in crate::broker) fn check_room(parent: &Path, needed: u64) -> Result<(), BrokerError> {
    let refuse = |problem| BrokerError::Store { path: parent.to_owned(), problem };
    let free = free_bytes(parent).map_err(|error| refuse(error.to_string()))?;
    let needed = needed.saturating_add(OWN_FILES);
    if free < needed {
        let (free, needed) = (free >> 20, needed >> 20);
        return Err(refuse(format!(
            "it has {free} MiB of free space, and this run needs about {needed} MiB"
        )));
    }
    Ok(())
}

/// Checks a store in memory, which makes nothing durable: an error with `sync = "always"`, otherwise a warning.
pub(in crate::broker) fn check_store(
    parent: &Path,
    storage: Storage,
    sync: Sync,
) -> Result<Option<String>, BrokerError> {
    let refuse = |problem| BrokerError::Store { path: parent.to_owned(), problem };
    let found = filesystem(parent).map_err(|error| refuse(error.to_string()))?;
    match (found.in_memory && storage == Storage::File, sync) {
        (true, Sync::Always) => Err(refuse(format!(
            "it is {}, which lives in memory, and `sync = \"always\"` asks for a disk",
            found.name
        ))),
        (true, Sync::Default) => Ok(Some(format!(
            "the broker's store in {} is {}, which lives in memory: its figures are no disk's",
            parent.display(),
            found.name
        ))),
        (false, _) => Ok(None),
    }
}

/// Creates a directory that only this user can read.
fn private_directory(program: &str, parent: &Path) -> Result<PathBuf, BrokerError> {
    let refuse =
        |error: io::Error| BrokerError::Store { path: parent.to_owned(), problem: error.to_string() };
    let parent = fs::canonicalize(parent).map_err(refuse)?;
    let short = program.split('-').next().unwrap_or(program);
    let name = format!("tickgate-{short}-{}-{:08x}", process::id(), random() >> 32);
    let directory = parent.join(name);
    DirBuilder::new().mode(0o700).create(&directory).map_err(refuse)?;
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_in_memory_is_warned_of_or_refused() {
        let memory = Path::new("/dev/shm");
        if !filesystem(memory).is_ok_and(|found| found.in_memory) {
            return;
        }
        let warned = check_store(memory, Storage::File, Sync::Default).unwrap();
        assert!(warned.unwrap().contains("lives in memory"));
        let refused = check_store(memory, Storage::File, Sync::Always);
        assert!(matches!(refused, Err(BrokerError::Store { .. })));
        assert_eq!(check_store(memory, Storage::Memory, Sync::Always).unwrap(), None);
    }

    #[test]
    fn a_store_without_room_for_the_events_is_refused_before_anything_starts() {
        let folder = tempfile::tempdir().unwrap();
        let check = |needed| check_room(folder.path(), needed);
        let free = free_bytes(folder.path()).unwrap();
        assert!(check(0).is_ok());
        let error = check(2 * free).unwrap_err().to_string();
        for part in
            [folder.path().to_str().unwrap(), "MiB of free space", "this run needs about", "with room"]
        {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(check(u64::MAX).is_err());
    }
}
