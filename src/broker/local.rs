//! A nats-server of our own: a child process on free loopback ports, with a store that goes when it goes.

use std::env;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::BrokerError;
use super::guard::{Reaper, spawn};
use super::log::last_lines;
use super::monitor::Monitor;
use super::ports::{Ports, random};
use super::settings::{Settings, quoted};
use crate::host::resources::{Process, filesystem};
use crate::plan::{Storage, Sync};

/// Time from its start until it must be ready; reading back a large store takes a while.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Time for an orderly end.
const END_WITHIN: Duration = Duration::from_secs(5);
/// Time between two looks at a server that is to change its state.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Attempts to find ports that nobody else takes at the same moment.
const PORT_ATTEMPTS: u32 = 5;

/// How to start a server.
#[derive(Debug, Clone)]
pub struct LocalConfig {
    /// The program, from [`super::locate()`].
    pub server: PathBuf,
    /// Its log: created or appended to. The only thing that stays.
    pub log: PathBuf,
    /// The directory in which a private one for the store is made.
    pub store_parent: PathBuf,
    /// Where the streams of this run will be: decides whether a store in memory matters.
    pub storage: Storage,
    /// When the store is forced to the disk.
    pub sync: Sync,
    /// Bytes that file streams may take.
    pub max_file_store: u64,
    /// The clients' port; a free one where it is `None`.
    pub port: Option<u16>,
    /// More configuration (authorization, TLS), in the server's own language.
    pub extra: String,
}

impl LocalConfig {
    /// A server with file streams on [`default_store_parent`], the default sync and 10 GiB at the most.
    #[must_use]
    pub fn new(server: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            server: server.into(),
            log: log.into(),
            store_parent: default_store_parent(),
            storage: Storage::File,
            sync: Sync::Default,
            max_file_store: 10 << 30,
            port: None,
            extra: String::new(),
        }
    }
}

/// `/var/tmp`, which is meant to be on a disk, unless it is not; else the temporary directory.
#[must_use]
pub fn default_store_parent() -> PathBuf {
    let disk = PathBuf::from("/var/tmp");
    let usable = |path: &Path| {
        rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
            && filesystem(path).is_ok_and(|found| !found.in_memory)
    };
    if usable(&disk) { disk } else { env::temp_dir() }
}

/// A running server, and all that belongs to it; dropping it ends the server and removes its store.
#[derive(Debug)]
pub struct LocalNats {
    config: LocalConfig,
    name: String,
    directory: PathBuf,
    ports: Ports,
    running: Option<Running>,
    log_from: u64,
    warnings: Vec<String>,
    /// Last, so that it ends after the server and the directory are gone.
    reaper: Option<Reaper>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    process: Process,
}

impl LocalNats {
    /// Starts a server and returns when it takes clients and says that it is healthy.
    ///
    /// # Errors
    /// When the store cannot be where it is asked to be, or the server ends or is not ready within 30 s: then
    /// with the last lines of its log.
    pub fn start(config: LocalConfig) -> Result<Self, BrokerError> {
        let mut warnings = Vec::new();
        warnings.extend(check_store(&config.store_parent, config.storage, config.sync)?);
        let directory = private_directory(&config.store_parent)?;
        let reaper = Reaper::start(&directory);
        if let Err(error) = &reaper {
            warnings.push(format!(
                "no `sh` to clean up after us ({error}): {} stays if tickgate is killed",
                directory.display()
            ));
        }
        let mut nats = Self {
            name: format!("tickgate-{:016x}", random()),
            ports: Ports::free(config.port).map_err(BrokerError::io("find a free port"))?,
            directory,
            running: None,
            log_from: 0,
            warnings,
            reaper: reaper.ok(),
            config,
        };
        let mut attempt = 1;
        loop {
            match nats.launch() {
                Err(BrokerError::Ended { log, .. })
                    if log.contains("address already in use")
                        && nats.config.port.is_none()
                        && attempt < PORT_ATTEMPTS =>
                {
                    attempt += 1;
                    nats.ports = Ports::free(None).map_err(BrokerError::io("find a free port"))?;
                }
                done => return done.map(|()| nats),
            }
        }
    }

    /// Where clients connect: `nats://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.ports.client)
    }

    /// Its monitoring endpoint.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        Monitor::at(self.ports.monitor_address())
    }

    /// Its process, for [`Process::usage`]; another one after a restart.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        self.running.as_ref().map(|running| running.process)
    }

    /// The number of its process; another one after a restart.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process().map(|process| process.pid())
    }

    /// Its name, unique to it, as `/varz` has it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it keeps its streams.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.directory.join("store")
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.config.log
    }

    /// What the user should know of it.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether it still runs (a paused one does).
    ///
    /// # Errors
    /// When it does not: with its exit status and the last lines of its log.
    pub fn alive(&mut self) -> Result<(), BrokerError> {
        match self.exit_status()? {
            None => Ok(()),
            Some(status) => Err(self.ended(status, "while it was needed")),
        }
    }

    /// Stops it in its tracks (SIGSTOP) and returns when it stands still.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&mut self) -> Result<(), BrokerError> {
        self.signal(Signal::STOP, "pause nats-server")?;
        self.until("pause nats-server", Process::is_stopped)
    }

    /// Lets it go on after a pause.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&mut self) -> Result<(), BrokerError> {
        self.signal(Signal::CONT, "resume nats-server")?;
        self.until("resume nats-server", |process| !process.is_stopped())
    }

    /// Kills it (SIGKILL), as a crash of the process would; what it wrote stays in the page cache.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<(), BrokerError> {
        let Some(running) = &mut self.running else { return Ok(()) };
        running.child.kill().map_err(BrokerError::io("kill nats-server"))?;
        running.child.wait().map(|_| ()).map_err(BrokerError::io("wait for nats-server"))
    }

    /// Ends it in an orderly way (SIGTERM), or kills it where that takes longer than 5 s. Its store stays.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn stop(&mut self) -> Result<(), BrokerError> {
        if self.running.is_none() || self.exit_status()?.is_some() {
            return Ok(());
        }
        let paused = self.process().is_some_and(|process| process.is_stopped());
        self.signal(Signal::TERM, "stop nats-server")?;
        if paused {
            self.signal(Signal::CONT, "resume nats-server")?;
        }
        let deadline = Instant::now() + END_WITHIN;
        while Instant::now() < deadline {
            if self.exit_status()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.kill()
    }

    /// Starts it again with the same store and the same ports; first stops it, if it runs.
    ///
    /// # Errors
    /// When it is not ready again within 30 s.
    pub fn restart(&mut self) -> Result<(), BrokerError> {
        self.stop()?;
        self.launch()
    }

    fn launch(&mut self) -> Result<(), BrokerError> {
        let ports_directory = self.directory.join("ports");
        // A server that was killed has left its file behind.
        let _ = fs::remove_dir_all(&ports_directory);
        fs::create_dir(&ports_directory).map_err(BrokerError::io("make a directory for the broker"))?;
        let file = self.directory.join("nats.conf");
        fs::write(&file, self.configuration()?)
            .map_err(BrokerError::io("write the broker's configuration"))?;
        let log = OpenOptions::new().create(true).append(true).open(&self.config.log);
        let log = log.map_err(BrokerError::io(format!("open the log {}", self.config.log.display())))?;
        self.log_from = log.metadata().map_or(0, |file| file.len());
        let log_too = log.try_clone().map_err(BrokerError::io("open the log"))?;
        let mut command = Command::new(&self.config.server);
        command.arg("--config").arg(file).current_dir(&self.directory).stdin(Stdio::null());
        command.stdout(log).stderr(log_too);
        let starting = format!("start {}", self.config.server.display());
        let mut child = spawn(command).map_err(BrokerError::io(starting))?;
        // A child that has ended is still there until we wait for it, so this fails only without `/proc`.
        let process = match Process::of(child.id()) {
            Ok(process) => process,
            Err(error) => {
                let _ = child.kill().and_then(|()| child.wait());
                return Err(BrokerError::Io {
                    doing: "find nats-server in /proc".into(),
                    source: io::Error::other(error),
                });
            }
        };
        self.running = Some(Running { child, process });
        if self.reaper.as_mut().is_some_and(|reaper| reaper.watch(process).is_err()) {
            self.warnings.push(format!("the reaper has died: {} may stay behind", self.directory.display()));
            self.reaper = None;
        }
        self.until_ready(process.pid(), &ports_directory)
    }

    /// The file with its ports shows that it is *this* process that has them; its health, that `JetStream` works.
    fn until_ready(&mut self, pid: u32, ports_directory: &Path) -> Result<(), BrokerError> {
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if let Some(status) = self.exit_status()? {
                return Err(self.ended(status, "before it was ready"));
            }
            if has_ports_file(ports_directory, pid) && self.monitor().healthy().is_ok() {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err(BrokerError::NotReady { seconds: READY_WITHIN.as_secs(), log: self.last_lines() })
    }

    fn configuration(&self) -> Result<String, BrokerError> {
        Settings {
            name: &self.name,
            listen: &format!("127.0.0.1:{}", self.ports.client),
            http: &format!("127.0.0.1:{}", self.ports.monitor),
            store: &self.store(),
            max_file_store: self.config.max_file_store,
            sync: self.config.sync,
            extra: &format!(
                "ports_file_dir: {}\n{}",
                quoted(&self.directory.join("ports"))?,
                self.config.extra
            ),
        }
        .text()
    }

    fn exit_status(&mut self) -> Result<Option<ExitStatus>, BrokerError> {
        let Some(running) = &mut self.running else { return Ok(None) };
        running.child.try_wait().map_err(BrokerError::io("wait for nats-server"))
    }

    /// Signals it; its number is its own until [`Self::exit_status`] has seen its end.
    fn signal(&mut self, signal: Signal, doing: &str) -> Result<(), BrokerError> {
        self.alive()?;
        let Some(running) = &self.running else { return Ok(()) };
        kill_process(Pid::from_child(&running.child), signal).map_err(BrokerError::io(doing))
    }

    fn until(&mut self, doing: &str, reached: impl Fn(&Process) -> bool) -> Result<(), BrokerError> {
        let deadline = Instant::now() + END_WITHIN;
        while Instant::now() < deadline {
            self.alive()?;
            if self.process().is_some_and(|process| reached(&process)) {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err(BrokerError::Io { doing: doing.to_owned(), source: io::ErrorKind::TimedOut.into() })
    }

    fn ended(&self, status: ExitStatus, moment: &'static str) -> BrokerError {
        BrokerError::Ended { status: status.to_string(), moment, log: self.last_lines() }
    }

    fn last_lines(&self) -> String {
        last_lines(&self.config.log, self.log_from)
    }
}

impl Drop for LocalNats {
    fn drop(&mut self) {
        if self.stop().is_err() {
            let _ = self.kill();
        }
        // What cannot be removed here the reaper tries again.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A store in memory makes nothing durable: not to be had with `sync = "always"`, and a warning otherwise.
pub(super) fn check_store(
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

/// Makes a directory that only we can read.
fn private_directory(parent: &Path) -> Result<PathBuf, BrokerError> {
    let refuse =
        |error: io::Error| BrokerError::Store { path: parent.to_owned(), problem: error.to_string() };
    let parent = fs::canonicalize(parent).map_err(refuse)?;
    let directory = parent.join(format!("tickgate-nats-{}-{:08x}", std::process::id(), random() >> 32));
    DirBuilder::new().mode(0o700).create(&directory).map_err(refuse)?;
    Ok(directory)
}

/// Whether the server with this number has written down its ports (`PROGRAM_PID.ports`), wholly.
fn has_ports_file(directory: &Path, pid: u32) -> bool {
    let ending = format!("_{pid}.ports");
    fs::read_dir(directory).into_iter().flatten().flatten().any(|entry| {
        entry.file_name().to_string_lossy().ends_with(&ending)
            && fs::read(entry.path()).is_ok_and(|text| {
                serde_json::from_slice::<serde_json::Value>(&text).is_ok_and(|ports| ports["nats"].is_array())
            })
    })
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
        let warning = check_store(memory, Storage::File, Sync::Default).unwrap().unwrap();
        assert!(warning.contains("lives in memory"), "{warning}");
        let refused = check_store(memory, Storage::File, Sync::Always);
        assert!(matches!(refused, Err(BrokerError::Store { .. })));
        assert_eq!(check_store(memory, Storage::Memory, Sync::Always).unwrap(), None);
    }

    #[test]
    fn a_store_that_cannot_be_made_says_where() {
        let config =
            LocalConfig { store_parent: "/nonexistent/place".into(), ..LocalConfig::new("server", "log") };
        let error = LocalNats::start(config).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/place"), "{error}");
    }

    #[test]
    fn a_program_that_is_no_server_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        let (log, store_parent) = (root.path().join("log"), root.path().join("stores"));
        fs::create_dir(&store_parent).unwrap();
        let config =
            LocalConfig { store_parent: store_parent.clone(), ..LocalConfig::new("/bin/false", &log) };
        let error = LocalNats::start(config).unwrap_err();
        assert!(matches!(&error, BrokerError::Ended { status, .. } if status.contains('1')), "{error}");
        let config =
            LocalConfig { store_parent: store_parent.clone(), ..LocalConfig::new("/nonexistent", &log) };
        assert!(matches!(LocalNats::start(config), Err(BrokerError::Io { .. })));
        assert_eq!(fs::read_dir(&store_parent).unwrap().count(), 0);
    }
}
