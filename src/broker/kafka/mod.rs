//! A Kafka that tickgate starts: one node that is broker and controller, as a child process on free loopback ports.

mod cluster;
mod locate;
mod quorum;
mod roles;
mod wire;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;

pub use cluster::KafkaCluster;
pub use locate::{Kafka, KafkaPlaces, MIN_JAVA, TESTED_KAFKA, locate_kafka};
use quorum::Leader;
use wire::Connection;

use super::BrokerError;
use super::entry::{Entry, Password, write_private};
use super::power::Power;
use super::process::child::{Child, STORE, check_room, check_store, default_store_parent};
use super::process::guard::{command, spawn};
use super::process::ports::{Ports, random};
use super::roles::{Asset, Claim, Probe};
use super::server::{Deed, Node, Server, only};
use crate::bus::kafka_topics::PRODUCERS;
use crate::host::resources::{Meter, Process};
use crate::plan::{Size, Storage, Sync};
use crate::record::LostFiles;

/// Name in records, logs and errors.
pub(super) const NAME: &str = "kafka";
/// Maximum time from start to ready; a busy machine takes several times the usual four seconds.
const READY_WITHIN: Duration = Duration::from_secs(90);
/// Maximum time for an orderly shutdown.
const END_WITHIN: Duration = Duration::from_secs(10);
/// Time without a heartbeat after which the controller fences its broker, ms. Kafka's default of 9 s would also keep a
/// killed broker from rejoining for as long; with a much shorter time, a busy machine is enough to get a broker fenced.
pub(in crate::broker) const SESSION_MS: u32 = 6000;
/// Attempts to find free ports, since another process may take them first.
const PORT_ATTEMPTS: u32 = 5;

/// Settings for starting a Kafka.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// Program, from [`locate_kafka()`].
    pub kafka: Kafka,
    /// Log: created or appended to. The only thing that remains afterwards.
    pub log: PathBuf,
    /// Directory in which a private one for the store is created.
    pub store_parent: PathBuf,
    /// Decides whether a store in memory is refused. Each topic's setting is made when the topic is created.
    pub sync: Sync,
    /// Heap of the Java process, allocated at the start.
    pub heap: Size,
    /// Space that the run's events take in the store, as far as known, bytes.
    pub needed: u64,
    /// Port for clients; a free one if `None`.
    pub port: Option<u16>,
    /// Who may use the broker.
    pub entry: Entry,
    /// How a loss of power can be emulated, if it can.
    pub power: Option<Power>,
    /// Additional configuration (users, TLS) as lines of `server.properties`, where `{client}` and `{controller}` are
    /// the ports; a later line wins.
    pub extra: String,
}

impl KafkaConfig {
    /// Returns the settings of a Kafka in [`default_store_parent`] with a heap of 1 GiB.
    #[must_use]
    pub fn new(kafka: Kafka, log: impl Into<PathBuf>, entry: Entry) -> Self {
        Self {
            kafka,
            log: log.into(),
            store_parent: default_store_parent(),
            sync: Sync::Default,
            heap: Size { bytes: 1 << 30 },
            needed: 0,
            port: None,
            entry,
            power: None,
            extra: String::new(),
        }
    }
}

/// The place of a node in a cluster.
#[derive(Debug, Clone)]
struct Membership {
    /// ID of the node, from 1.
    id: usize,
    /// Controller ports of all nodes, in the order of their IDs.
    controllers: Vec<u16>,
    /// ID of the cluster, which all stores have.
    cluster: String,
}

impl Membership {
    /// The only node.
    fn alone(controller: u16) -> Self {
        Self { id: 1, controllers: vec![controller], cluster: cluster_id() }
    }

    /// Returns the voters of the cluster's own group.
    fn voters(&self) -> String {
        let voter = |(id, port): (usize, &u16)| format!("{id}@127.0.0.1:{port}");
        (1..).zip(&self.controllers).map(voter).collect::<Vec<_>>().join(",")
    }
}

/// Returns a new ID of a cluster.
fn cluster_id() -> String {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&random().to_be_bytes());
    id[8..].copy_from_slice(&random().to_be_bytes());
    // Kafka's tools would take a leading `-` for an option.
    id[0] &= 0x7f;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(id)
}

/// A running Kafka with its store; dropping it ends the process and removes the store.
#[derive(Debug)]
pub struct LocalKafka {
    name: String,
    config: KafkaConfig,
    ports: Ports,
    membership: Membership,
    child: Child,
}

impl LocalKafka {
    /// Formats a store, starts Kafka on it and returns when it answers clients.
    ///
    /// # Errors
    /// When the store cannot be in the requested place, or when Kafka ends or is not ready in time: then with the last
    /// lines of its log.
    pub fn start(config: KafkaConfig) -> Result<Self, BrokerError> {
        let warning = check_store(&config.store_parent, Storage::File, config.sync)?;
        check_room(&config.store_parent, config.needed)?;
        let ports = Ports::free(config.port).map_err(BrokerError::io("find a free port"))?;
        let mut kafka = Self::prepare(config, NAME.to_owned(), ports, Membership::alone(ports.monitor))?;
        kafka.child.warn(warning);
        kafka.child.warn(kafka.config.kafka.warning.clone());
        let formatting = kafka.begin_format()?;
        kafka.end_format(formatting)?;
        let mut attempt = 1;
        loop {
            match kafka.launch() {
                Err(BrokerError::Ended { log, .. })
                    if is_clash(&log) && kafka.config.port.is_none() && attempt < PORT_ATTEMPTS =>
                {
                    attempt += 1;
                    kafka.ports = Ports::free(None).map_err(BrokerError::io("find a free port"))?;
                    kafka.membership.controllers = vec![kafka.ports.monitor];
                }
                done => return done.map(|()| kafka),
            }
        }
    }

    /// Creates the directory of a node; formats and starts nothing.
    fn prepare(
        config: KafkaConfig,
        name: String,
        ports: Ports,
        membership: Membership,
    ) -> Result<Self, BrokerError> {
        let mut child = Child::prepare(NAME, &config.store_parent, &config.log, END_WITHIN)?;
        child.supervise(config.power.clone());
        Ok(Self { name, config, ports, membership, child })
    }

    /// Returns the URL for clients: `kafka://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("kafka://127.0.0.1:{}", self.ports.client)
    }

    /// Returns the version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.config.kafka.version
    }

    /// Returns the process ID, which changes with a restart.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process().map(|process| process.pid())
    }

    /// Returns the process, for [`Process::usage`]; it changes with a restart.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        self.child.process()
    }

    /// Returns the directory of the partitions' logs, with one folder per partition.
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

    /// Checks that the process still runs (a paused one does).
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

    /// Stops the process in an orderly way (SIGTERM), or kills it after 10 s. Its store stays.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn stop(&mut self) -> Result<(), BrokerError> {
        self.child.stop()
    }

    /// Restarts Kafka with the same store and the same ports, stopping it first if it runs.
    ///
    /// # Errors
    /// When it is not ready again in time.
    pub fn restart(&mut self) -> Result<(), BrokerError> {
        self.stop()?;
        self.launch()
    }

    /// Returns a command that runs Java with Kafka's jars; it writes only to its private directory.
    fn java(&self) -> Command {
        let mut command = command(&self.config.kafka.java);
        command.arg("-cp").arg(self.config.kafka.libs.join("*"));
        command.arg(format!("-Djava.io.tmpdir={}", self.child.directory().display()));
        command.args([
            "-XX:-UsePerfData",
            "-Djava.awt.headless=true",
            // Limits the output of a missing log back end to one line, and other logging to warnings.
            "-Dlog4j2.StatusLogger.level=OFF",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        ]);
        // The user's general Java options would change the figures and be printed into the log.
        command.env_remove("JAVA_TOOL_OPTIONS").env_remove("_JAVA_OPTIONS").env_remove("CLASSPATH");
        command
    }

    /// Starts the tool that gives the store its identity, without which Kafka does not start.
    fn begin_format(&mut self) -> Result<process::Child, BrokerError> {
        let file = self.write_configuration()?;
        let mut command = self.java();
        // A short program: the optimising compiler would only cost.
        command.args(["-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", "--ignore-formatted"]);
        command.args(["-t", &self.membership.cluster, "-c"]).arg(file);
        self.child.equip(&mut command)?;
        let starting = format!("start {}", self.config.kafka.java.display());
        spawn(command).map_err(BrokerError::io(starting))
    }

    fn end_format(&self, mut tool: process::Child) -> Result<(), BrokerError> {
        let status = tool.wait().map_err(BrokerError::io("wait for the tool that formats Kafka's store"))?;
        if status.success() { Ok(()) } else { Err(self.child.ended(status, "while it formatted its store")) }
    }

    /// Starts the process, and waits until it is ready.
    fn launch(&mut self) -> Result<(), BrokerError> {
        self.begin()?;
        let endpoint = self.endpoint();
        self.child.until_ready(READY_WITHIN, || endpoint.answers())
    }

    /// Returns its address for clients, and how they log in.
    fn endpoint(&self) -> KafkaEndpoint {
        let plain =
            !self.config.extra.contains("CLIENT:SSL") && !self.config.extra.contains("CLIENT:SASL_SSL");
        KafkaEndpoint {
            name: self.name.clone(),
            address: (Ipv4Addr::LOCALHOST, self.ports.client).into(),
            plain,
            entry: self.config.entry.clone(),
        }
    }

    /// Starts the process, without waiting until it is ready.
    fn begin(&mut self) -> Result<(), BrokerError> {
        let file = self.write_configuration()?;
        let megabytes = self.config.heap.bytes >> 20;
        let mut command = self.java();
        command.args([format!("-Xms{megabytes}m"), format!("-Xmx{megabytes}m")]);
        // Same as in Kafka's start script.
        command.args([
            "-server",
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
            "-XX:InitiatingHeapOccupancyPercent=35",
        ]);
        command
            .args(["-XX:+ExplicitGCInvokesConcurrent", "-XX:+ExitOnOutOfMemoryError", "kafka.Kafka"])
            .arg(file);
        self.child.launch(command).map(|_| ())
    }

    fn write_configuration(&self) -> Result<PathBuf, BrokerError> {
        let file = self.child.directory().join("server.properties");
        write_private(&file, &self.configuration())
            .map_err(BrokerError::io("write the broker's configuration"))?;
        Ok(file)
    }

    fn configuration(&self) -> String {
        let Ports { client, monitor: controller } = self.ports;
        let nodes = self.membership.controllers.len();
        // As many copies of Kafka's own topics as of the run's, and as many in sync as make a majority.
        let (copies, in_step) = (nodes.min(3), nodes.min(3) / 2 + 1);
        let (protocol, users) = match &self.config.entry {
            Entry::Open => ("PLAINTEXT", String::new()),
            Entry::Password(password) => ("SASL_PLAINTEXT", users(password)),
        };
        format!(
            "process.roles=broker,controller\n\
             node.id={id}\n\
             controller.quorum.voters={voters}\n\
             controller.listener.names=CONTROLLER\n\
             inter.broker.listener.name=CLIENT\n\
             listeners=CLIENT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=CLIENT://127.0.0.1:{client}\n\
             listener.security.protocol.map=CLIENT:{protocol},CONTROLLER:{protocol}\n\
             {users}\
             log.dirs={store}\n\
             auto.create.topics.enable=false\n\
             offsets.topic.replication.factor={copies}\n\
             offsets.topic.num.partitions=4\n\
             transaction.state.log.replication.factor={copies}\n\
             transaction.state.log.min.isr={in_step}\n\
             share.coordinator.state.topic.replication.factor={copies}\n\
             share.coordinator.state.topic.min.isr={in_step}\n\
             group.initial.rebalance.delay.ms=0\n\
             broker.session.timeout.ms={SESSION_MS}\n\
             broker.heartbeat.interval.ms=500\n\
             {extra}\n",
            id = self.membership.id,
            voters = self.membership.voters(),
            store = escaped(&self.store()),
            extra = self
                .config
                .extra
                .replace("{client}", &client.to_string())
                .replace("{controller}", &controller.to_string()),
        )
    }
}

/// The address of a Kafka for clients, and how they log in.
#[derive(Debug, Clone)]
struct KafkaEndpoint {
    name: String,
    address: SocketAddr,
    plain: bool,
    entry: Entry,
}

impl KafkaEndpoint {
    fn answers(&self) -> bool {
        answers(self.address, self.plain)
    }

    /// Asks the node who leads the cluster's own group: the active controller.
    fn leader(&self) -> Result<Leader, String> {
        if !self.answers() {
            return Err("does not answer".to_owned());
        }
        let leader = self.connect().and_then(|mut node| quorum::leader(&mut node));
        leader.map_err(|error| format!("sees no controller ({error})"))
    }

    fn connect(&self) -> std::io::Result<Connection> {
        let password = match &self.entry {
            Entry::Open => None,
            Entry::Password(password) => Some(password),
        };
        Connection::open(self.address, password)
    }

    fn monitored(&self, problem: &std::io::Error) -> BrokerError {
        BrokerError::Monitor { url: self.address.to_string(), problem: problem.to_string() }
    }
}

impl Probe for KafkaEndpoint {
    fn name(&self) -> &str {
        &self.name
    }

    fn claims(&self, of: &[Asset]) -> Result<Vec<Claim>, BrokerError> {
        // A single node leads everything. With TLS the question cannot be asked.
        if self.name == NAME || !self.plain {
            return Ok(Vec::new());
        }
        let mut node = self.connect().map_err(|error| self.monitored(&error))?;
        let wanted = of.iter().any(|asset| matches!(asset, Asset::Stream(_)));
        let topics = if wanted { roles::topics(&mut node) } else { Ok(Vec::new()) };
        let topics = topics.map_err(|error| self.monitored(&error))?;
        let named = |id: i32| format!("{NAME}-{id}");
        let mut claims = Vec::new();
        for asset in of {
            let leader = match asset {
                Asset::Meta => quorum::leader(&mut node).ok().map(|leader| leader.id),
                Asset::Stream(topic) => {
                    // A topic that a node does not know yet has no leader there.
                    topics.iter().find(|of| of.name == *topic).and_then(roles::Topic::leader)
                }
                Asset::Consumer { name, .. } => roles::coordinator(&mut node, name).ok(),
            };
            let leader = leader.map_or_else(String::new, named);
            claims.push(Claim { by: self.name.clone(), asset: asset.clone(), leader, since: None });
        }
        Ok(claims)
    }

    /// A producer is connected to the nodes that lead partitions of its topics, and the run's are the only topics but Kafka's own.
    fn clients(&self) -> Result<Vec<String>, BrokerError> {
        if self.name == NAME || !self.plain {
            return Ok(Vec::new());
        }
        let topics = self.connect().and_then(|mut node| roles::topics(&mut node));
        let topics = topics.map_err(|error| self.monitored(&error))?;
        let led = topics.iter().filter(|topic| !topic.internal).flat_map(|topic| &topic.leaders);
        let own = led.map(|(_, leader)| format!("{NAME}-{leader}")).any(|leader| leader == self.name);
        Ok(if own { vec![PRODUCERS.to_owned()] } else { Vec::new() })
    }

    fn is_healthy(&self) -> bool {
        if self.name == NAME { self.answers() } else { self.leader().is_ok() }
    }
}

impl Server for LocalKafka {
    fn nodes(&self) -> Vec<Node> {
        vec![Node {
            name: self.name.clone(),
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
        only(node).and_then(|()| match deed {
            Deed::Terminate => self.child.carry_out(deed),
            // It has no such mode, and how it takes failing writes is not known.
            Deed::LameDuck | Deed::Upgrade | Deed::FailWrites | Deed::AllowWrites => {
                Err(BrokerError::NoSuchControl)
            }
        })
    }

    fn lose_unsynced(&mut self, node: usize) -> Result<LostFiles, BrokerError> {
        only(node).and_then(|()| self.child.lose_unsynced())
    }

    fn expect_end(&mut self, _: usize, expected: bool) {
        self.child.expect_end(expected);
    }

    fn launch(&mut self, node: usize) -> Result<(), BrokerError> {
        only(node).and_then(|()| self.begin())
    }

    fn is_open(&mut self, node: usize) -> Result<bool, BrokerError> {
        only(node)?;
        match self.child.exit_status()? {
            Some(status) => Err(self.child.ended(status, "before it was ready")),
            None => Ok(self.endpoint().answers()),
        }
    }

    fn runs(&mut self, _: usize) -> bool {
        self.child.runs()
    }

    fn probes(&self) -> Vec<Arc<dyn Probe>> {
        vec![Arc::new(self.endpoint())]
    }

    fn stop(&mut self) -> Result<(), BrokerError> {
        self.stop()
    }

    fn meters(&self) -> Vec<(String, Meter)> {
        vec![(self.name.clone(), self.child.meter())]
    }

    fn warnings(&self) -> &[String] {
        self.warnings()
    }

    fn version(&self) -> Option<String> {
        Some(self.version().to_owned())
    }

    fn keep_stores(&mut self) {
        self.child.keep(STORE);
    }

    fn stores(&self) -> Vec<PathBuf> {
        vec![self.store()]
    }
}

/// Returns whether a node ended because another process took a port that was free before.
fn is_clash(log: &str) -> bool {
    log.contains("Address already in use")
}

/// Returns the line of a broker's JAAS configuration for one password, which is used by the only user and by the broker
/// itself on its listeners.
pub(in crate::broker) fn login(password: &Password) -> String {
    let (user, password) = (password.user(), password.text());
    format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"{user}\" \
         password=\"{password}\" user_{user}=\"{password}\";"
    )
}

/// Properties that require a password, in addition to each listener's protocol.
pub(in crate::broker) const SASL: [(&str, &str); 3] = [
    ("sasl.enabled.mechanisms", "PLAIN"),
    ("sasl.mechanism.inter.broker.protocol", "PLAIN"),
    ("sasl.mechanism.controller.protocol", "PLAIN"),
];

/// Requires the password on both listeners, since a client of the controller can also change the broker's topics.
fn users(password: &Password) -> String {
    let login = login(password);
    let logins = ["client", "controller"]
        .map(|listener| (format!("listener.name.{listener}.plain.sasl.jaas.config"), login.as_str()));
    let all = SASL.iter().map(|&(name, value)| (name.to_owned(), value)).chain(logins);
    all.fold(String::new(), |text, (name, value)| text + &format!("{name}={value}\n"))
}

/// Returns whether a Kafka broker answers on this port. The request needs no authentication. With TLS, only checks that
/// the port accepts a connection.
pub(in crate::broker) fn answers(address: SocketAddr, plain: bool) -> bool {
    /// Length, `ApiVersions` version 0, correlation ID 7, no client ID.
    const REQUEST: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
    let ask = || -> std::io::Result<bool> {
        let patience = Duration::from_secs(2);
        let mut stream = TcpStream::connect_timeout(&address, patience)?;
        if !plain {
            return Ok(true);
        }
        stream.set_read_timeout(Some(patience))?;
        stream.write_all(&REQUEST)?;
        let mut answer = [0; 10];
        stream.read_exact(&mut answer)?;
        // The same correlation ID, no error.
        Ok(answer[4..] == [0, 0, 0, 7, 0, 0])
    };
    ask().unwrap_or(false)
}

/// Formats a path as a value of a properties file.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\")
}
