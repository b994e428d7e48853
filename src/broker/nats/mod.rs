//! A nats-server of our own: a child process on free loopback ports, with a store that goes when it goes.

mod endpoint;
mod locate;
mod monitor;
mod node;
pub(super) mod settings;
mod theirs;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use endpoint::Endpoint;
pub use locate::{Places, Program, TESTED_VERSION, locate, locate_at};
pub use monitor::{ClusterName, JetStream, JetStreamConfig, JetStreamStats, Jsz, Meta, Monitor, Varz};
pub use node::watch;

use super::BrokerError;
use super::entry::{Entry, write_private};
use super::process::child::{Child, check_room, check_store, default_store_parent};
use super::process::guard::command;
use super::process::ports::{Ports, random};
use super::server::{Node, Server, only};
use crate::host::resources::{Meter, Process};
use crate::plan::{Storage, Sync};
use settings::{Settings, quoted};
use theirs::{SYNC, Theirs};

/// What it is called in records, logs and errors.
pub(super) const NAME: &str = "nats-server";
/// Time from its start until it must be ready; reading back a large store takes a while.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Time for an orderly end.
const END_WITHIN: Duration = Duration::from_secs(5);
/// Attempts to find ports that nobody else takes at the same moment.
const PORT_ATTEMPTS: u32 = 5;

/// How to start a server.
#[derive(Debug, Clone)]
pub struct LocalConfig {
    /// The program, from [`locate()`].
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
    /// Bytes that the events of the run take in the store, as far as that is known.
    pub needed: u64,
    /// The clients' port; a free one where it is `None`.
    pub port: Option<u16>,
    /// Who may use it.
    pub entry: Entry,
    /// Somebody's configuration, whose settings it has as far as a server of our own can.
    pub theirs: Option<PathBuf>,
    /// More configuration, in the server's own language.
    pub extra: String,
}

impl LocalConfig {
    /// A server with file streams on [`default_store_parent`], the default sync and 10 GiB at the most.
    #[must_use]
    pub fn new(server: impl Into<PathBuf>, log: impl Into<PathBuf>, entry: Entry) -> Self {
        Self {
            server: server.into(),
            log: log.into(),
            store_parent: default_store_parent(),
            storage: Storage::File,
            sync: Sync::Default,
            max_file_store: 10 << 30,
            needed: 0,
            port: None,
            entry,
            theirs: None,
            extra: String::new(),
        }
    }
}

/// A running server, and all that belongs to it; dropping it ends the server and removes its store.
#[derive(Debug)]
pub struct LocalNats {
    config: LocalConfig,
    name: String,
    ports: Ports,
    theirs: Option<Theirs>,
    facts: Vec<(String, String)>,
    child: Child,
}

impl LocalNats {
    /// Starts a server and returns when it takes clients and says that it is healthy.
    ///
    /// # Errors
    /// When the store cannot be where it is asked to be, or the server ends or is not ready within 30 s: then
    /// with the last lines of its log.
    pub fn start(config: LocalConfig) -> Result<Self, BrokerError> {
        let warning = check_store(&config.store_parent, config.storage, config.sync)?;
        check_room(&config.store_parent, config.needed)?;
        let mut child = Child::prepare(NAME, &config.store_parent, &config.log, END_WITHIN)?;
        child.warn(warning);
        let theirs = config.theirs.as_deref().map(Theirs::read).transpose()?;
        child.warn(theirs.as_ref().and_then(Theirs::warning));
        let mut facts = theirs.as_ref().map(Theirs::facts).unwrap_or_default();
        if let Some(interval) = theirs.as_ref().and_then(|theirs| theirs.stores(&SYNC)) {
            facts.push(("sync_interval".to_owned(), interval.to_owned()));
        }
        let mut nats = Self {
            theirs,
            facts,
            name: format!("tickgate-{:016x}", random()),
            ports: Ports::free(config.port).map_err(BrokerError::io("find a free port"))?,
            child,
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
        self.child.process()
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
        self.child.directory().join("store")
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Path {
        self.child.log()
    }

    /// What the user should know of it.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        self.child.warnings()
    }

    /// Whether it still runs (a paused one does).
    ///
    /// # Errors
    /// When it does not: with its exit status and the last lines of its log.
    pub fn alive(&mut self) -> Result<(), BrokerError> {
        self.child.alive()
    }

    /// Stops it in its tracks (SIGSTOP) and returns when it stands still.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&mut self) -> Result<(), BrokerError> {
        self.child.pause()
    }

    /// Lets it go on after a pause.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&mut self) -> Result<(), BrokerError> {
        self.child.resume()
    }

    /// Kills it (SIGKILL), as a crash of the process would; what it wrote stays in the page cache.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<(), BrokerError> {
        self.child.kill()
    }

    /// Ends it in an orderly way (SIGTERM), or kills it where that takes longer than 5 s. Its store stays.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn stop(&mut self) -> Result<(), BrokerError> {
        self.child.stop()
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
        let directory = self.child.directory();
        let ports_directory = directory.join("ports");
        // A server that was killed has left its file behind.
        let _ = fs::remove_dir_all(&ports_directory);
        fs::create_dir(&ports_directory).map_err(BrokerError::io("make a directory for the broker"))?;
        let file = directory.join("nats.conf");
        write_private(&file, &self.configuration()?)
            .map_err(BrokerError::io("write the broker's configuration"))?;
        let mut command = command(&self.config.server);
        command.arg("--config").arg(file);
        let pid = self.child.launch(command)?;
        // The file with its ports shows that it is *this* process that has them; its health, that `JetStream` works.
        let monitor = self.monitor();
        self.child
            .until_ready(READY_WITHIN, || has_ports_file(&ports_directory, pid) && monitor.healthy().is_ok())
    }

    fn configuration(&self) -> Result<String, BrokerError> {
        Settings {
            name: &self.name,
            listen: &format!("127.0.0.1:{}", self.ports.client),
            http: &format!("127.0.0.1:{}", self.ports.monitor),
            store: &self.store(),
            max_file_store: self.config.max_file_store,
            sync: self.config.sync,
            entry: &self.config.entry,
            theirs: self.theirs.as_ref(),
            extra: &format!(
                "ports_file_dir: {}\n{}",
                quoted(&self.child.directory().join("ports"))?,
                self.config.extra
            ),
        }
        .text()
    }
}

impl Server for LocalNats {
    fn nodes(&self) -> Vec<Node> {
        vec![Node {
            name: NAME.into(),
            address: format!("127.0.0.1:{}", self.ports.client),
            pid: self.pid(),
            container: None,
        }]
    }

    fn url(&self) -> String {
        self.url()
    }

    fn alive(&mut self) -> Result<(), BrokerError> {
        self.alive()
    }

    fn pause(&mut self, node: usize) -> Result<(), BrokerError> {
        only(node).and_then(|()| self.pause())
    }

    fn resume(&mut self, node: usize) -> Result<(), BrokerError> {
        only(node).and_then(|()| self.resume())
    }

    fn kill(&mut self, node: usize) -> Result<(), BrokerError> {
        only(node).and_then(|()| self.kill())
    }

    fn restart(&mut self, node: usize) -> Result<(), BrokerError> {
        only(node).and_then(|()| self.restart())
    }

    fn stop(&mut self) -> Result<(), BrokerError> {
        self.stop()
    }

    fn meters(&self) -> Vec<(String, Meter)> {
        self.child.meter().map(|meter| (NAME.into(), meter)).into_iter().collect()
    }

    fn warnings(&self) -> &[String] {
        self.warnings()
    }

    fn facts(&self) -> &[(String, String)] {
        &self.facts
    }

    fn store(&self) -> Option<PathBuf> {
        Some(self.store())
    }
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
    fn a_store_that_cannot_be_made_says_where() {
        let config = LocalConfig {
            store_parent: "/nonexistent/place".into(),
            ..LocalConfig::new("server", "log", Entry::Open)
        };
        let error = LocalNats::start(config).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/place"), "{error}");
    }

    #[test]
    fn a_program_that_is_no_server_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        let (log, store_parent) = (root.path().join("log"), root.path().join("stores"));
        fs::create_dir(&store_parent).unwrap();
        let config = LocalConfig {
            store_parent: store_parent.clone(),
            ..LocalConfig::new("/bin/false", &log, Entry::Open)
        };
        let error = LocalNats::start(config).unwrap_err();
        assert!(matches!(&error, BrokerError::Ended { status, .. } if status.contains('1')), "{error}");
        let config = LocalConfig {
            store_parent: store_parent.clone(),
            ..LocalConfig::new("/nonexistent", &log, Entry::Open)
        };
        assert!(matches!(LocalNats::start(config), Err(BrokerError::Io { .. })));
        assert_eq!(fs::read_dir(&store_parent).unwrap().count(), 0);
    }
}
