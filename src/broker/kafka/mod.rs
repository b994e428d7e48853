//! A Kafka of our own: one node that is broker and controller, as a child process on free loopback ports.

mod locate;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;

pub use locate::{Kafka, KafkaPlaces, MIN_JAVA, TESTED_KAFKA, locate_kafka};

use super::BrokerError;
use super::entry::{Entry, Password, write_private};
use super::process::child::{Child, check_room, check_store, default_store_parent};
use super::process::guard::{command, spawn};
use super::process::ports::{Ports, random};
use super::server::{Node, Server, only};
use crate::host::resources::{Meter, Process};
use crate::plan::{Size, Storage, Sync};

/// What it is called in records, logs and errors.
pub(super) const NAME: &str = "kafka";
/// Time from its start until it must be ready; a busy machine takes several times the usual four seconds.
const READY_WITHIN: Duration = Duration::from_secs(90);
/// Time for an orderly end.
const END_WITHIN: Duration = Duration::from_secs(10);
/// A controller that has not heard of its broker for so long shuts it out. Kafka's own 9 s would also keep a broker that
/// was killed from coming back for as long; with much less, a busy machine is enough to be shut out.
pub(in crate::broker) const SESSION_MS: u32 = 6000;
/// Attempts to find ports that nobody else takes at the same moment.
const PORT_ATTEMPTS: u32 = 5;

/// How to start a Kafka.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// The program, from [`locate_kafka()`].
    pub kafka: Kafka,
    /// Its log: created or appended to. The only thing that stays.
    pub log: PathBuf,
    /// The directory in which a private one for the store is made.
    pub store_parent: PathBuf,
    /// Decides whether a store in memory is refused. Topics are told by whoever makes them.
    pub sync: Sync,
    /// Heap of the Java process, from the start.
    pub heap: Size,
    /// Bytes that the events of the run take in the store, as far as that is known.
    pub needed: u64,
    /// The clients' port; a free one where it is `None`.
    pub port: Option<u16>,
    /// Who may use it.
    pub entry: Entry,
    /// More configuration (users, TLS) as lines of `server.properties`, where `{client}` and `{controller}` are the
    /// ports; a later line wins.
    pub extra: String,
}

impl KafkaConfig {
    /// A Kafka on [`default_store_parent`] with a heap of 1 GiB.
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
            extra: String::new(),
        }
    }
}

/// A running Kafka, and all that belongs to it; dropping it ends the process and removes its store.
#[derive(Debug)]
pub struct LocalKafka {
    config: KafkaConfig,
    ports: Ports,
    child: Child,
}

impl LocalKafka {
    /// Formats a store, starts Kafka on it and returns when it answers clients.
    ///
    /// # Errors
    /// When the store cannot be where it is asked to be, or Kafka ends or is not ready in time: then with the last
    /// lines of its log.
    pub fn start(config: KafkaConfig) -> Result<Self, BrokerError> {
        let warning = check_store(&config.store_parent, Storage::File, config.sync)?;
        check_room(&config.store_parent, config.needed)?;
        let mut child = Child::prepare(NAME, &config.store_parent, &config.log, END_WITHIN)?;
        child.warn(warning);
        child.warn(config.kafka.warning.clone());
        let ports = Ports::free(config.port).map_err(BrokerError::io("find a free port"))?;
        let mut kafka = Self { config, ports, child };
        kafka.format()?;
        let mut attempt = 1;
        loop {
            match kafka.launch() {
                Err(BrokerError::Ended { log, .. })
                    if log.contains("Address already in use")
                        && kafka.config.port.is_none()
                        && attempt < PORT_ATTEMPTS =>
                {
                    attempt += 1;
                    kafka.ports = Ports::free(None).map_err(BrokerError::io("find a free port"))?;
                }
                done => return done.map(|()| kafka),
            }
        }
    }

    /// Where clients connect: `kafka://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("kafka://127.0.0.1:{}", self.ports.client)
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.config.kafka.version
    }

    /// The number of its process; another one after a restart.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process().map(|process| process.pid())
    }

    /// Its process, for [`Process::usage`]; another one after a restart.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        self.child.process()
    }

    /// Where it keeps its logs, a folder for each partition.
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

    /// Ends it in an orderly way (SIGTERM), or kills it where that takes longer than 10 s. Its store stays.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn stop(&mut self) -> Result<(), BrokerError> {
        self.child.stop()
    }

    /// Starts it again with the same store and the same ports; first stops it, if it runs.
    ///
    /// # Errors
    /// When it is not ready again in time.
    pub fn restart(&mut self) -> Result<(), BrokerError> {
        self.stop()?;
        self.launch()
    }

    /// Java with Kafka's jars; everything it writes stays in our directory.
    fn java(&self) -> Command {
        let mut command = command(&self.config.kafka.java);
        command.arg("-cp").arg(self.config.kafka.libs.join("*"));
        command.arg(format!("-Djava.io.tmpdir={}", self.child.directory().display()));
        command.args([
            "-XX:-UsePerfData",
            "-Djava.awt.headless=true",
            // One line where the log's back end is missing; and no other log than warnings.
            "-Dlog4j2.StatusLogger.level=OFF",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        ]);
        // Options of the user's other Java programs would change the figures, and be printed into the log.
        command.env_remove("JAVA_TOOL_OPTIONS").env_remove("_JAVA_OPTIONS").env_remove("CLASSPATH");
        command
    }

    /// Gives the store its identity, without which Kafka does not start.
    fn format(&mut self) -> Result<(), BrokerError> {
        let file = self.write_configuration()?;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&random().to_be_bytes());
        id[8..].copy_from_slice(&random().to_be_bytes());
        // Kafka's tools would take a first `-` for an option.
        id[0] &= 0x7f;
        let id = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(id);
        let mut command = self.java();
        command.args(["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", &id, "-c"]).arg(file);
        self.child.equip(&mut command)?;
        let starting = format!("start {}", self.config.kafka.java.display());
        let status = spawn(command).and_then(|mut tool| tool.wait()).map_err(BrokerError::io(starting))?;
        if status.success() { Ok(()) } else { Err(self.child.ended(status, "while it formatted its store")) }
    }

    fn launch(&mut self) -> Result<(), BrokerError> {
        let file = self.write_configuration()?;
        let megabytes = self.config.heap.bytes >> 20;
        let mut command = self.java();
        command.args([format!("-Xms{megabytes}m"), format!("-Xmx{megabytes}m")]);
        // As Kafka's own start script has it.
        command.args([
            "-server",
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
            "-XX:InitiatingHeapOccupancyPercent=35",
        ]);
        command
            .args(["-XX:+ExplicitGCInvokesConcurrent", "-XX:+ExitOnOutOfMemoryError", "kafka.Kafka"])
            .arg(file);
        self.child.launch(command)?;
        let address = (Ipv4Addr::LOCALHOST, self.ports.client).into();
        let plain =
            !self.config.extra.contains("CLIENT:SSL") && !self.config.extra.contains("CLIENT:SASL_SSL");
        self.child.until_ready(READY_WITHIN, || answers(address, plain))
    }

    fn write_configuration(&self) -> Result<PathBuf, BrokerError> {
        let file = self.child.directory().join("server.properties");
        write_private(&file, &self.configuration())
            .map_err(BrokerError::io("write the broker's configuration"))?;
        Ok(file)
    }

    fn configuration(&self) -> String {
        let Ports { client, monitor: controller } = self.ports;
        let (protocol, users) = match &self.config.entry {
            Entry::Open => ("PLAINTEXT", String::new()),
            Entry::Password(password) => ("SASL_PLAINTEXT", users(password)),
        };
        format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             controller.listener.names=CONTROLLER\n\
             inter.broker.listener.name=CLIENT\n\
             listeners=CLIENT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=CLIENT://127.0.0.1:{client}\n\
             listener.security.protocol.map=CLIENT:{protocol},CONTROLLER:{protocol}\n\
             {users}\
             log.dirs={store}\n\
             auto.create.topics.enable=false\n\
             offsets.topic.replication.factor=1\n\
             offsets.topic.num.partitions=4\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             share.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n\
             broker.session.timeout.ms={SESSION_MS}\n\
             broker.heartbeat.interval.ms=500\n\
             {extra}\n",
            store = escaped(&self.store()),
            extra = self
                .config
                .extra
                .replace("{client}", &client.to_string())
                .replace("{controller}", &controller.to_string()),
        )
    }
}

impl Server for LocalKafka {
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

    fn version(&self) -> Option<String> {
        Some(self.version().to_owned())
    }

    fn store(&self) -> Option<PathBuf> {
        Some(self.store())
    }
}

/// The line of a broker's JAAS configuration for one password: that of its only user, and that by which the broker itself
/// enters its own listeners.
pub(in crate::broker) fn login(password: &Password) -> String {
    let (user, password) = (password.user(), password.text());
    format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"{user}\" \
         password=\"{password}\" user_{user}=\"{password}\";"
    )
}

/// Which properties ask for a password, beside the protocol of each listener.
pub(in crate::broker) const SASL: [(&str, &str); 3] = [
    ("sasl.enabled.mechanisms", "PLAIN"),
    ("sasl.mechanism.inter.broker.protocol", "PLAIN"),
    ("sasl.mechanism.controller.protocol", "PLAIN"),
];

/// Both listeners ask for the password: who reaches the controller can change the broker's topics, too.
fn users(password: &Password) -> String {
    let login = login(password);
    let logins = ["client", "controller"]
        .map(|listener| (format!("listener.name.{listener}.plain.sasl.jaas.config"), login.as_str()));
    let all = SASL.iter().map(|&(name, value)| (name.to_owned(), value)).chain(logins);
    all.fold(String::new(), |text, (name, value)| text + &format!("{name}={value}\n"))
}

/// Does a Kafka broker answer on this port? The request needs no authentication. A port with TLS only takes the
/// connection.
pub(in crate::broker) fn answers(address: SocketAddr, plain: bool) -> bool {
    /// Length, `ApiVersions` version 0, correlation 7, no client id.
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
        // The same correlation, no error.
        Ok(answer[4..] == [0, 0, 0, 7, 0, 0])
    };
    ask().unwrap_or(false)
}

/// A path as a value of a properties file.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\")
}
