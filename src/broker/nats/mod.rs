//! A nats-server that tickgate starts: a child process on free loopback ports, with a store that is removed with it;
//! alone, or as a node of a cluster.

mod cluster;
mod endpoint;
mod locate;
mod monitor;
mod node;
mod observe;
mod probe;
mod quorum;
pub(super) mod settings;
mod theirs;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use cluster::LocalCluster;
pub use endpoint::Endpoint;
pub use locate::{Places, Program, TESTED_VERSION, locate, locate_at, locate_previous};
pub use monitor::{ClusterName, JetStream, JetStreamConfig, JetStreamStats, Jsz, Meta, Monitor, Peer, Varz};
pub use node::{watch, watch_system};
pub use observe::{observe, observe_system};

use super::BrokerError;
use super::entry::{Entry, write_private};
use super::link::Links;
use super::power::Power;
use super::process::child::{Child, STORE, check_room, check_store, default_store_parent};
use super::process::guard::command;
use super::process::ports::{Ports, random};
use super::roles::Probe;
use super::server::{Deed, Node, Server, only};
use crate::host::resources::{Meter, Process};
use crate::plan::{Proxied, Storage, Sync};
use crate::record::LostFiles;
use settings::{Membership, Settings, quoted};
use theirs::{SYNC, Theirs};

/// Name in records, logs and errors.
pub(super) const NAME: &str = "nats-server";
/// Maximum time from start to ready; reading back a large store takes a while.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Maximum time for an orderly shutdown.
const END_WITHIN: Duration = Duration::from_secs(5);
/// Name of the fact about links that go through proxies.
const LINKS: &str = "links";
/// Attempts to find free ports, since another process may take them first.
const PORT_ATTEMPTS: u32 = 5;

/// Settings for starting a server.
#[derive(Debug, Clone)]
pub struct LocalConfig {
    /// Program, from [`locate()`].
    pub server: PathBuf,
    /// Program of another version, which [`Deed::Upgrade`] takes from the next start on.
    pub upgrade: Option<PathBuf>,
    /// Log: created or appended to. The only thing that remains afterwards.
    pub log: PathBuf,
    /// Directory in which a private one for the store is created.
    pub store_parent: PathBuf,
    /// Storage of this run's streams: decides whether a store in memory matters.
    pub storage: Storage,
    /// When the store is forced to the disk.
    pub sync: Sync,
    /// Maximum size of file streams, bytes.
    pub max_file_store: u64,
    /// Space that the run's events take in the store, as far as known, bytes.
    pub needed: u64,
    /// Port for clients; a free one if `None`.
    pub port: Option<u16>,
    /// Who may use the server.
    pub entry: Entry,
    /// Whether the system account has a user, too, with the same password.
    pub system: bool,
    /// Which links go through proxies.
    pub proxied: Proxied,
    /// The jitter of these links follows from it.
    pub seed: u64,
    /// How a loss of power can be emulated, if it can.
    pub power: Option<Power>,
    /// User's server configuration, of which the server gets every applicable setting.
    pub theirs: Option<PathBuf>,
    /// Additional configuration in the server's syntax.
    pub extra: String,
}

impl LocalConfig {
    /// Returns the settings of a server in [`default_store_parent`] with file streams of at most 10 GiB and the default
    /// sync.
    #[must_use]
    pub fn new(server: impl Into<PathBuf>, log: impl Into<PathBuf>, entry: Entry) -> Self {
        Self {
            server: server.into(),
            upgrade: None,
            log: log.into(),
            store_parent: default_store_parent(),
            storage: Storage::File,
            sync: Sync::Default,
            max_file_store: 10 << 30,
            needed: 0,
            port: None,
            entry,
            system: false,
            proxied: Proxied::default(),
            seed: 0,
            power: None,
            theirs: None,
            extra: String::new(),
        }
    }
}

/// A running server with its store; dropping it ends the server and removes the store.
#[derive(Debug)]
pub struct LocalNats {
    config: LocalConfig,
    name: String,
    ports: Ports,
    /// Place in a cluster; `None` for a single server.
    cluster: Option<Membership>,
    /// Port of the proxy that clients connect to, if they do not connect to the server itself.
    entrance: Option<u16>,
    /// The links of a single server that go through proxies; those of a cluster are the cluster's.
    links: Option<Arc<Links>>,
    theirs: Option<Theirs>,
    facts: Vec<(String, String)>,
    child: Child,
}

impl LocalNats {
    /// Starts a server and returns when it accepts clients and reports that it is healthy.
    ///
    /// # Errors
    /// When the store cannot be in the requested place, or when the server ends or is not ready within 30 s: then with
    /// the last lines of its log.
    pub fn start(config: LocalConfig) -> Result<Self, BrokerError> {
        let warning = check_store(&config.store_parent, config.storage, config.sync)?;
        check_room(&config.store_parent, config.needed)?;
        let name = format!("tickgate-{:016x}", random());
        let ports = Ports::free(config.port).map_err(BrokerError::io("find a free port"))?;
        let mut nats = Self::prepare(config, name, ports, None)?;
        nats.child.warn(warning);
        let mut attempt = 1;
        loop {
            nats.lay_links()?;
            match nats.launch().and_then(|()| nats.until_ready()) {
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

    /// Starts the proxies of a single server.
    fn lay_links(&mut self) -> Result<(), BrokerError> {
        let LocalConfig { proxied, seed, .. } = self.config;
        let links = Links::lay(proxied, seed, &[self.ports.client], &[]);
        self.links = links.map_err(BrokerError::io("start the proxies of the broker's links"))?.map(Arc::new);
        self.entrance = self.links.as_ref().and_then(|links| links.entrance(0));
        self.facts.retain(|(name, _)| name != LINKS);
        self.facts.extend(self.links.iter().map(|links| (LINKS.to_owned(), links.in_words())));
        Ok(())
    }

    /// Prepares a server without starting it: reads the user's configuration and creates the private directory.
    fn prepare(
        config: LocalConfig,
        name: String,
        ports: Ports,
        cluster: Option<Membership>,
    ) -> Result<Self, BrokerError> {
        let mut child = Child::prepare(NAME, &config.store_parent, &config.log, END_WITHIN)?;
        let theirs = config.theirs.as_deref().map(Theirs::read).transpose()?;
        child.supervise(config.power.clone());
        child.warn(theirs.as_ref().and_then(Theirs::warning));
        let mut facts = theirs.as_ref().map(Theirs::facts).unwrap_or_default();
        if let Some(interval) = theirs.as_ref().and_then(|theirs| theirs.stores(&SYNC)) {
            facts.push(("sync_interval".to_owned(), interval.to_owned()));
        }
        Ok(Self { config, name, ports, cluster, entrance: None, links: None, theirs, facts, child })
    }

    /// Returns the URL for clients: `nats://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.entrance.unwrap_or(self.ports.client))
    }

    /// Returns the monitoring endpoint.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        Monitor::at(self.ports.monitor_address())
    }

    /// Returns the process, for [`Process::usage`]; it changes with a restart.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        self.child.process()
    }

    /// Returns the process ID, which changes with a restart.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process().map(|process| process.pid())
    }

    /// Returns the server's unique name, as in `/varz`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the directory of the streams.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.child.directory().join(STORE)
    }

    /// Returns the path of the log.
    #[must_use]
    pub fn log(&self) -> &Path {
        self.child.log()
    }

    /// Returns warnings for the user.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        self.child.warnings()
    }

    /// Checks that the server still runs (a paused one does).
    ///
    /// # Errors
    /// When it has ended: with its exit status and the last lines of its log.
    pub fn alive(&mut self) -> Result<(), BrokerError> {
        self.child.alive()
    }

    /// Pauses the process (SIGSTOP) and returns when it has stopped.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&mut self) -> Result<(), BrokerError> {
        self.child.pause()
    }

    /// Resumes the process after a pause.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&mut self) -> Result<(), BrokerError> {
        self.child.resume()
    }

    /// Kills the process (SIGKILL), as a crash would; data written so far stays in the page cache.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<(), BrokerError> {
        self.child.kill()
    }

    /// Stops the process in an orderly way (SIGTERM), or kills it after 5 s. Its store stays.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn stop(&mut self) -> Result<(), BrokerError> {
        self.child.stop()
    }

    /// Restarts the server with the same store and the same ports, stopping it first if it runs.
    ///
    /// # Errors
    /// When it is not ready again within 30 s.
    pub fn restart(&mut self) -> Result<(), BrokerError> {
        self.stop()?;
        self.launch()?;
        self.until_ready()
    }

    /// Starts the process, without waiting until it is ready.
    fn launch(&mut self) -> Result<(), BrokerError> {
        let (directory, ports_directory) = (self.child.directory(), self.ports_directory());
        // A killed server leaves its ports file behind.
        let _ = fs::remove_dir_all(&ports_directory);
        fs::create_dir(&ports_directory).map_err(BrokerError::io("make a directory for the broker"))?;
        let file = directory.join("nats.conf");
        write_private(&file, &self.configuration()?)
            .map_err(BrokerError::io("write the broker's configuration"))?;
        let mut command = command(&self.config.server);
        command.arg("--config").arg(file);
        self.child.launch(command).map(|_| ())
    }

    /// Waits until the server accepts clients and is healthy.
    fn until_ready(&mut self) -> Result<(), BrokerError> {
        let (pid, ports_directory, monitor) = (self.pid(), self.ports_directory(), self.monitor());
        // The ports file shows that *this* process owns the ports; the health check, that `JetStream` works.
        let opened = || pid.is_some_and(|pid| has_ports_file(&ports_directory, pid));
        self.child.until_ready(READY_WITHIN, || opened() && monitor.healthy().is_ok())
    }

    /// Does something to the process, or decides which program is started next.
    fn carry_out_on_it(&mut self, deed: Deed) -> Result<(), BrokerError> {
        if deed != Deed::Upgrade {
            return self.child.carry_out(deed);
        }
        self.config.server = self.config.upgrade.take().ok_or(BrokerError::NoSuchControl)?;
        Ok(())
    }

    /// Returns whether the process has opened its ports, as long as it runs.
    fn is_open(&mut self) -> Result<bool, BrokerError> {
        match self.child.exit_status()? {
            Some(status) => Err(self.child.ended(status, "before it was ready")),
            None => Ok(self.has_opened()),
        }
    }

    /// Returns how to ask the server for its state; stays valid over restarts.
    fn probe(&self) -> Arc<dyn Probe> {
        Arc::new(probe::NatsProbe { name: self.name.clone(), monitor: self.monitor() })
    }

    /// Returns whether the process has opened its ports.
    fn has_opened(&self) -> bool {
        self.pid().is_some_and(|pid| has_ports_file(&self.ports_directory(), pid))
    }

    fn ports_directory(&self) -> PathBuf {
        self.child.directory().join("ports")
    }

    fn configuration(&self) -> Result<String, BrokerError> {
        Settings {
            name: &self.name,
            listen: &format!("127.0.0.1:{}", self.ports.client),
            advertised: self.entrance,
            http: &format!("127.0.0.1:{}", self.ports.monitor),
            store: &self.store(),
            max_file_store: self.config.max_file_store,
            sync: self.config.sync,
            entry: &self.config.entry,
            system: self.config.system,
            cluster: self.cluster.as_ref(),
            theirs: self.theirs.as_ref(),
            extra: &format!("ports_file_dir: {}\n{}", quoted(&self.ports_directory())?, self.config.extra),
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
        self.child.alive_unless_expected()
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

    fn carry_out(&mut self, node: usize, deed: Deed) -> Result<(), BrokerError> {
        only(node).and_then(|()| self.carry_out_on_it(deed))
    }

    fn lose_unsynced(&mut self, node: usize) -> Result<LostFiles, BrokerError> {
        only(node).and_then(|()| self.child.lose_unsynced())
    }

    fn expect_end(&mut self, _: usize, expected: bool) {
        self.child.expect_end(expected);
    }

    fn launch(&mut self, node: usize) -> Result<(), BrokerError> {
        only(node).and_then(|()| self.launch())
    }

    fn is_open(&mut self, node: usize) -> Result<bool, BrokerError> {
        only(node).and_then(|()| self.is_open())
    }

    fn runs(&mut self, _: usize) -> bool {
        self.child.runs()
    }

    fn probes(&self) -> Vec<Arc<dyn Probe>> {
        vec![self.probe()]
    }

    fn links(&self) -> Option<Arc<Links>> {
        self.links.clone()
    }

    fn stop(&mut self) -> Result<(), BrokerError> {
        self.stop()
    }

    fn meters(&self) -> Vec<(String, Meter)> {
        vec![(NAME.into(), self.child.meter())]
    }

    fn warnings(&self) -> &[String] {
        self.warnings()
    }

    fn facts(&self) -> &[(String, String)] {
        &self.facts
    }

    fn keep_stores(&mut self) {
        self.child.keep(STORE);
    }

    fn stores(&self) -> Vec<PathBuf> {
        vec![self.store()]
    }
}

/// Returns whether the server with this process ID has written its complete ports file (`PROGRAM_PID.ports`).
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
