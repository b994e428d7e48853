//! A server that tickgate starts: started for one run, monitored by it, and stopped after it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::asked::Asked;
#[cfg(feature = "containers")]
use super::container;
use super::door::keep_out;
use super::driver::{Driver, Lodging};
use super::error::{SessionError, with_sources};
use super::product::Product;
use super::target::{Going, Known};
use super::telling::{tell, warn};
use super::terms::Terms;
use crate::archive::RunFolder;
#[cfg(feature = "containers")]
use crate::broker::Image;
use crate::broker::{self, BrokerError, Entry, Nodes, Password, Server, Shared};
use crate::bus::Model;
use crate::bus::secret::Secret;
use crate::host::placement::Placement;
use crate::num;
use crate::plan::{Cluster, Plan, Storage, Sync};
use crate::record::{self, Record};
use crate::run::{Alive, Broker, Died, Event, Identity, Job, Observer};

/// Warning about a server without a password.
const OPEN: &str = "the broker asks for no password (--open): every user of this machine can read, add and delete events \
                    while it runs";

/// Setting in the record that lists the cores of the server and of tickgate.
const CORES: &str = "cores";

/// Setting in the record that says how losses of power are emulated.
const POWER: &str = "power";

/// Setting in the record that lists the stores that stay after the run.
const STORES: &str = "kept stores";

/// Warning about a stream that cannot be found after the run.
const NOT_KEPT: &str = "--keep: the server and its store are removed all the same; name a directory in which the store stays with \
                        --store";

/// Error in builds without container support.
#[cfg(not(feature = "containers"))]
pub(crate) const NO_CONTAINERS: &str = "this tickgate was built without containers; build it with its default features \
    (`cargo build --release`), or take `--broker local`";

/// How to start the server.
#[derive(Debug)]
enum How {
    Process,
    #[cfg(feature = "containers")]
    Container(Image),
}

/// A server to start.
#[derive(Debug)]
pub(super) struct Own {
    how: How,
    port: Option<u16>,
    open: bool,
    apart: bool,
    pub(super) store: Option<PathBuf>,
    program: Option<PathBuf>,
    config: Option<PathBuf>,
}

impl Own {
    /// Returns a server to start as a local process.
    pub(super) fn process(asked: &Asked) -> Self {
        let Asked { port, open, apart, ref store, .. } = *asked;
        let (program, config) = (asked.program().map(Path::to_owned), asked.server_config.clone());
        Self { how: How::Process, port, open, apart, store: store.clone(), program, config }
    }

    /// Returns a server to start in a container of an image; an empty name means the tested image.
    #[cfg(feature = "containers")]
    pub(super) fn container(asked: &Asked, image: &str, product: &Product) -> Result<Self, SessionError> {
        let image = container::image(image, product.kind)?;
        if asked.store.is_some() {
            return Err(SessionError::asked(
                "--store is for `--broker local`: the store of a container is a volume, where its engine keeps them",
            ));
        }
        if asked.apart {
            return Err(SessionError::asked(
                "--apart is for `--broker local`: the cores of a container are those of its engine",
            ));
        }
        Ok(Self { how: How::Container(image), ..Self::process(asked) })
    }

    #[cfg(not(feature = "containers"))]
    pub(super) fn container(_: &Asked, _: &str, _: &Product) -> Result<Self, SessionError> {
        Err(SessionError::asked(NO_CONTAINERS))
    }

    /// Starts the server, runs on it, and stops it, whatever the outcome of the run.
    pub(super) fn run(
        &self,
        product: &Product,
        job: Job<'_>,
        terms: Terms,
        model: Option<Model>,
        log: &Log,
        observers: &mut [&mut dyn Observer],
    ) -> Result<Record, SessionError> {
        let driver = product.driver()?;
        let entry = self.entry()?;
        if let Some(doing) = self.takes_a_while() {
            tell(observers, &Event::Note(&doing));
        }
        let placement = self.placement()?;
        let start = || self.start(driver, &entry, job, log.path());
        let (server, program) =
            placement.as_ref().map_or_else(start, |placement| placement.start_broker(start))?;
        let open = (entry == Entry::Open).then(|| OPEN.to_owned());
        warn(observers, program.iter().chain(server.warnings()).chain(&open));
        let target = (driver.own)(&server.url(), &entry)?;
        let known = known(job.plan, &*server, model);
        let kept = self.kept(job, &*server, observers);
        let power = job.plan.cluster.power.map(record::Power::of);
        let mut settings: BTreeMap<_, _> = server.facts().iter().cloned().collect();
        settings.extend(placement.as_ref().map(|placement| (CORES.to_owned(), placement.in_words())));
        settings.extend(kept.clone().map(|stores| (STORES.to_owned(), stores)));
        settings.extend(power.as_ref().map(|power| (POWER.to_owned(), power.in_words())));
        let record = record::Broker {
            kind: product.name().into(),
            mode: self.mode().into(),
            address: server.url(),
            settings,
            power,
            ..record::Broker::default()
        };
        let meters = server.meters();
        // The stores of a cluster are on one disk.
        let store = server.stores().into_iter().next().filter(|_| job.plan.bus.storage == Storage::File);
        let server = Shared::new(server);
        let (watched, nodes) = (server.clone(), server.clone());
        let alive: Alive = Box::new(move || watched.alive().map_err(|error| death(&error)));
        let died: Died = Box::new(move || nodes.died().iter().map(end_of_node).collect());
        let broker = Broker {
            record,
            meters,
            alive: Some(alive),
            died: Some(died),
            logs: log.paths().to_vec(),
            store,
            nodes: Nodes::default(),
            server: (!self.in_container()).then(|| server.clone()),
            step_down: None,
            entrances: None,
        };
        let placed = placement.as_ref().map(Placement::begin);
        let record = target.run(Going { job, terms, known, broker, observers: &mut *observers });
        drop(placed);
        if let (Some(placement), Ok(record)) = (&placement, &record) {
            warn(observers, starved(placement, record).iter());
        }
        let ended = end(&server, kept.is_some() && record.is_ok());
        if let (Ok(_), Err(error)) = (&record, ended) {
            tell(observers, &Event::Warning(&with_sources(&error)));
        }
        record
    }

    fn start(
        &self,
        driver: &Driver,
        entry: &Entry,
        job: Job<'_>,
        log: &Path,
    ) -> Result<(Box<dyn Server>, Option<String>), SessionError> {
        let lodging = Lodging {
            plan: job.plan,
            log,
            entry,
            port: self.port,
            store: self.store.as_deref(),
            program: self.program.as_deref(),
            config: self.config.as_deref(),
        };
        match &self.how {
            How::Process => (driver.start)(&lodging),
            #[cfg(feature = "containers")]
            How::Container(image) => Ok((container::start(image, &lodging, job.interrupt)?, None)),
        }
    }

    /// Returns the cores of the server and of tickgate if they are separate.
    fn placement(&self) -> Result<Option<Placement>, SessionError> {
        let parted = self.apart.then(Placement::of_this_process).transpose();
        parted.map_err(|why| SessionError::asked(format!("--apart needs two cores: {why}")))
    }

    /// Returns the stores that stay after the run, each with the name of its node; `None` where none stays, with a warning if
    /// the user asked for it.
    fn kept(&self, job: Job<'_>, server: &dyn Server, observers: &mut [&mut dyn Observer]) -> Option<String> {
        if !job.options.keep {
            return None;
        }
        if self.store.is_none() {
            tell(observers, &Event::Warning(NOT_KEPT));
            return None;
        }
        let nodes = server.nodes().into_iter().zip(server.stores());
        let named = nodes.map(|(node, store)| format!("{} {}", node.name, store.display()));
        Some(named.collect::<Vec<_>>().join(", "))
    }

    /// Describes a step that may take long.
    fn takes_a_while(&self) -> Option<String> {
        match &self.how {
            How::Process => None,
            #[cfg(feature = "containers")]
            How::Container(image) => Some(format!("starting a container of {}", image.reference)),
        }
    }

    /// Describes how the server is started.
    pub(super) fn in_words(&self) -> String {
        match &self.how {
            How::Process => "started on this machine for this run".to_owned(),
            #[cfg(feature = "containers")]
            How::Container(image) => format!("a container of {}", image.reference),
        }
    }

    /// Returns whether the server runs in a container.
    pub(super) const fn in_container(&self) -> bool {
        !matches!(self.how, How::Process)
    }

    /// Returns the connection mode for the record.
    const fn mode(&self) -> &'static str {
        match self.how {
            How::Process => "local",
            #[cfg(feature = "containers")]
            How::Container(_) => "container",
        }
    }

    /// Returns who may use the server: only this process, unless the user asked for an open server. Keeps the password
    /// out of all later output.
    fn entry(&self) -> Result<Entry, SessionError> {
        if self.open {
            return Ok(Entry::Open);
        }
        let password = Password::random()?;
        keep_out(&Secret::new(password.text()));
        Ok(Entry::Password(password))
    }
}

/// How long an action that was given up may still act on a server: longer than an orderly end takes. After that the server ends
/// with tickgate.
const FREE_WITHIN: Duration = Duration::from_mins(1);

/// Stops a server; its stores stay if they are kept.
fn end(server: &Shared, kept: bool) -> Result<(), BrokerError> {
    let Some(mut server) = server.hold_within(FREE_WITHIN) else {
        let source = std::io::ErrorKind::TimedOut.into();
        return Err(BrokerError::Io {
            doing: "stop the server, which an action still acts on".to_owned(),
            source,
        });
    };
    if kept {
        server.keep_stores();
    }
    server.stop()
}

/// Returns whether the given configuration forces every event to the disk.
fn always(facts: &[(String, String)]) -> bool {
    facts.iter().any(|(name, value)| name == "sync_interval" && value == "always")
}

/// Warns if a broker used nearly all of its cores, since it might have used more.
fn starved(placement: &Placement, record: &Record) -> Option<String> {
    /// Share of its cores that a broker can use without much waiting for them.
    const ROOMY: f64 = 0.85;
    let measured = num::f64_of(record.plan.load.duration.ns) / 1e9;
    let used: f64 =
        record.resources.brokers.values().map(|process| process.cpu_seconds).sum::<f64>() / measured;
    let cores = num::f64_of(num::count(placement.broker_cores()));
    (used > ROOMY * cores).then(|| {
        format!(
            "the broker used {used:.2} of the {cores} cores that --apart left it, and may have waited for more; \
             run without --apart"
        )
    })
}

/// Describes in one line why the server died; its log is kept beside the record and need not be repeated.
fn death(error: &BrokerError) -> String {
    match error {
        BrokerError::Container { image, problem, .. } => {
            format!("the container of {image} {problem}; broker.log in the run's folder has its last words")
        }
        BrokerError::Ended { program, status, moment, .. } => {
            format!("{program} ended ({status}) {moment}; broker.log in the run's folder has its last words")
        }
        BrokerError::NoMajority { nodes, ended, .. } => format!(
            "no majority of the {nodes} nodes is left: {ended}; broker-1.log and the others in the run's folder have their last \
             words"
        ),
        other => with_sources(other),
    }
}

/// Describes in one line how a node of a cluster ended, while the others go on.
fn end_of_node(died: &broker::Died) -> String {
    let log = died.log.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    format!(
        "{} ended ({}) while it was needed; {log} in the run's folder has its last words",
        died.node, died.status
    )
}

/// The log of a server that tickgate starts, or of each of its nodes: in the run's folder, or files that are removed with
/// the run.
pub(super) struct Log {
    /// Of the only node; those of several nodes are named after it.
    path: PathBuf,
    paths: Vec<PathBuf>,
    temporary: bool,
}

impl Log {
    pub(super) fn of(
        folder: Option<&RunFolder>,
        identity: &Identity,
        cluster: Cluster,
    ) -> Result<Self, SessionError> {
        let paths = |path: &Path| match cluster.nodes {
            0 | 1 => vec![path.to_owned()],
            nodes => (0..num::index32(nodes)).map(|node| broker::node_log(path, node)).collect(),
        };
        if let Some(folder) = folder {
            let path = folder.file("broker.log");
            return Ok(Self { paths: paths(&path), path, temporary: false });
        }
        let path = std::env::temp_dir().join(format!("tickgate-{}-broker.log", identity.id));
        let mut log = Self { path, paths: Vec::new(), temporary: true };
        for path in paths(&log.path) {
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            made.map_err(SessionError::Log)?;
            log.paths.push(path);
        }
        Ok(log)
    }

    /// Returns the path of the log, after which the logs of several nodes are named.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the paths of the logs of all nodes.
    pub(super) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        for path in self.paths.iter().filter(|_| self.temporary) {
            let _ = fs::remove_file(path);
        }
    }
}

/// What is known of a server that tickgate has started.
fn known(plan: &Plan, server: &dyn Server, model: Option<Model>) -> Known {
    Known {
        sync_always: Some(plan.bus.sync == Sync::Always || always(server.facts())),
        version: server.version(),
        stores: server.stores(),
        model,
    }
}
