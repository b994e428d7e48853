//! Brokers that tickgate starts: finding, starting, pausing, killing and monitoring them.
//!
//! Everything started here is gone when tickgate ends, however it ends (see `guard.rs`). A broker that tickgate did not
//! start is only ever monitored.

#[cfg(feature = "containers")]
mod container;
mod cluster;
mod entry;
mod force;
mod kafka;
mod link;
mod nats;
mod nodes;
mod power;
mod process;
mod roles;
mod server;

use std::io;
use std::path::PathBuf;

#[cfg(feature = "containers")]
pub use container::{Container, ContainerConfig, Image, reap};
pub use entry::{Entry, Password};
pub use kafka::{
    Kafka, KafkaCluster, KafkaConfig, KafkaPlaces, LocalKafka, MIN_JAVA, TESTED_KAFKA, locate_kafka,
};
pub use link::{Direction, End, Flow, Links, Proxy, Shape};
pub use nats::{
    ClusterName, Endpoint, JetStream, JetStreamConfig, JetStreamStats, Jsz, LocalCluster, LocalConfig,
    LocalNats, Meta, Monitor, Peer, Places, Program, TESTED_VERSION, Varz, locate, locate_at,
    locate_previous, observe, observe_system, watch, watch_system,
};
pub use nodes::{Ask, Nodes, Report};
pub use power::{Power, Watched, cut as cut_back, end_like, supervise, supervisor_arguments};
pub use process::child::default_store_parent;
pub use process::log::StoreWatch;
pub use roles::{Asset, Claim, Known, Probe, leader};
pub use server::{Deed, Died, Node, Server, Shared, node_log};

/// Error of a broker: the cause and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// There is no server program.
    #[error(
        "no nats-server found in {looked}; get one in one of three ways: run `scripts/brokers.sh nats`, set \
         TICKGATE_NATS_SERVER=/path/to/nats-server, or name a running one with `--broker nats://HOST:PORT`"
    )]
    Missing {
        /// Places that were searched.
        looked: String,
    },
    /// There is no server program of an earlier version.
    #[error(
        "no nats-server of an earlier version found in {looked}, and a rolling upgrade begins with one; run `scripts/brokers.sh \
         nats-previous`, or set TICKGATE_NATS_SERVER_PREVIOUS=/path/to/nats-server"
    )]
    NoPrevious {
        /// Places that were searched.
        looked: String,
    },
    /// A server program was found but cannot be used.
    #[error(
        "{} cannot be used as nats-server: {problem}; `scripts/brokers.sh nats` gets version {TESTED_VERSION}",
        path.display()
    )]
    Unusable {
        /// Path of the program.
        path: PathBuf,
        /// Reason.
        problem: String,
    },
    /// Others could change or replace a program.
    #[error("{} is not started, because others could change what it does: {problem}, or {way}", program.display())]
    Untrusted {
        /// Path of the program.
        program: PathBuf,
        /// The path that others can change, who they are, and how to fix it.
        problem: String,
        /// The alternative: which program to name instead.
        way: String,
    },
    /// There is no Kafka.
    #[error(
        "no Kafka found in {looked}; get one in one of three ways: run `scripts/brokers.sh kafka`, set \
         KAFKA_HOME=/path/to/kafka, or name a running one with `--broker kafka://HOST:PORT`"
    )]
    NoKafka {
        /// Places that were searched.
        looked: String,
    },
    /// There is no Java to run Kafka with.
    #[error(
        "Kafka cannot be started: {problem}; install Java {MIN_JAVA} or later (on Debian: `apt-get install \
         openjdk-17-jre-headless`) or set JAVA_HOME, or name a running one with `--broker kafka://HOST:PORT`"
    )]
    NoJava {
        /// Cause.
        problem: String,
    },
    /// The given server configuration cannot be used.
    #[error("{} cannot be used as the server's configuration: {problem}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// Reason.
        problem: String,
    },
    /// The store cannot be in the requested place.
    #[error("the broker's store cannot be in {}: {problem}; name a directory with room on a disk", path.display())]
    Store {
        /// Requested path.
        path: PathBuf,
        /// Reason.
        problem: String,
    },
    /// The server ended by itself.
    #[error("{program} ended ({status}) {moment}; the last lines of its log:\n{log}")]
    Ended {
        /// `nats-server` or `kafka`.
        program: &'static str,
        /// Exit code or signal.
        status: String,
        /// `before it was ready`, or `while it was needed`.
        moment: &'static str,
        /// Last lines of its log.
        log: String,
    },
    /// The server was not ready in time.
    #[error("{program} was not ready within {seconds} s; the last lines of its log:\n{log}")]
    NotReady {
        /// `nats-server` or `kafka`.
        program: &'static str,
        /// Time that it had, seconds.
        seconds: u64,
        /// Last lines of its log.
        log: String,
    },
    /// The nodes of a cluster do not agree in time.
    #[error(
        "the cluster of {nodes} {servers} was not ready within {seconds} s: {missing}; see the nodes' logs, and check \
         that the machine has CPU time for {nodes} servers"
    )]
    ClusterNotReady {
        /// The product, in the plural.
        servers: &'static str,
        /// Number of nodes.
        nodes: usize,
        /// Time that they had, seconds.
        seconds: u64,
        /// The nodes that are not ready, and what each of them lacks.
        missing: String,
    },
    /// Too few nodes of a cluster are left.
    #[error("no majority of the {nodes} nodes is left: {ended}; the last lines of the log of {node}:\n{log}")]
    NoMajority {
        /// Number of nodes.
        nodes: usize,
        /// The nodes that have ended, each with its exit code or signal.
        ended: String,
        /// The last one of them.
        node: String,
        /// Last lines of its log.
        log: String,
    },
    /// Two monitoring endpoints belong to the same server, whose figures would be counted twice.
    #[error("{url} and {other} are the same server ({name}); name the endpoint of each server once")]
    SameNode {
        /// URL of the second endpoint.
        url: String,
        /// URL of the first endpoint.
        other: String,
        /// Name of the server.
        name: String,
    },
    /// The server's monitoring endpoint gave no valid answer.
    #[error("no monitoring data from {url}: {problem}")]
    Monitor {
        /// Requested URL.
        url: String,
        /// The failure or the invalid answer.
        problem: String,
    },
    /// There is no container engine.
    #[error(
        "no container engine: {problem}; start Docker, or name its socket with \
         DOCKER_HOST=unix:///path/to/docker.sock, or do without: `--broker local`, or a running server with \
         `--broker nats://HOST:PORT` or `--broker kafka://HOST:PORT`"
    )]
    NoEngine {
        /// Places that were searched, and the result of each.
        problem: String,
    },
    /// The image is not on this machine and cannot be pulled.
    #[error(
        "the image {image} is not on this machine and cannot be pulled ({problem}); check its name and tag, or get it \
         with `docker pull {image}` and run this again"
    )]
    Image {
        /// Name of the image.
        image: String,
        /// Reason.
        problem: String,
    },
    /// A container or network that tickgate did not create.
    #[error(
        "the {what} is not removed, for it does not bear the labels `tickgate=broker` and `tickgate.broker={name}`: \
         tickgate did not make it under this name"
    )]
    NotOurs {
        /// `container …` or `network …`.
        what: String,
        /// Requested name.
        name: String,
    },
    /// The container engine refused a request.
    #[error("the container engine cannot {doing}: {problem}")]
    Engine {
        /// Attempted operation.
        doing: String,
        /// Reason that the engine gave.
        problem: String,
    },
    /// The broker in a container cannot be used.
    #[error("the container of {image} {problem}; the last lines of its log:\n{log}")]
    Container {
        /// Image of the container.
        image: String,
        /// State of the broker.
        problem: String,
        /// Last lines of its log.
        log: String,
    },
    /// The requested node does not exist.
    #[error("there is no node {node}: the broker has {nodes}")]
    NoNode {
        /// Index of the requested node.
        node: usize,
        /// Number of nodes.
        nodes: usize,
    },
    /// The broker's nodes cannot be acted on in that way.
    #[error("nodes of this broker cannot be acted on in that way")]
    NoSuchControl,
    /// Interrupted before the broker was ready.
    #[error("interrupted while the broker was started; nothing was measured")]
    Interrupted,
    /// The operating system refused a request.
    #[error("cannot {doing}: {source}")]
    Io {
        /// Attempted operation.
        doing: String,
        /// Error of the system.
        #[source]
        source: io::Error,
    },
}

impl BrokerError {
    fn io<E: Into<io::Error>>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source: source.into() }
    }
}
