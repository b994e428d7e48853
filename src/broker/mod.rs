//! Brokers that tickgate starts: finding, starting, pausing, killing and observing them.
//!
//! What is started here is gone when tickgate ends, however it ends (see `guard.rs`). A broker that somebody
//! else runs is only ever observed.

#[cfg(feature = "containers")]
mod container;
mod entry;
mod kafka;
mod nats;
mod nodes;
mod process;
mod server;

use std::io;
use std::path::PathBuf;

#[cfg(feature = "containers")]
pub use container::{Container, ContainerConfig, Image, reap};
pub use entry::{Entry, Password};
pub use kafka::{Kafka, KafkaConfig, KafkaPlaces, LocalKafka, MIN_JAVA, TESTED_KAFKA, locate_kafka};
pub use nats::{
    ClusterName, Endpoint, JetStream, JetStreamConfig, JetStreamStats, Jsz, LocalConfig, LocalNats, Meta,
    Monitor, Places, Program, TESTED_VERSION, Varz, locate, locate_at, watch,
};
pub use nodes::{Ask, Nodes, Report};
pub use process::child::default_store_parent;
pub use process::log::StoreWatch;
pub use server::{Node, Server, Shared};

/// What went wrong with a broker, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// There is no server program.
    #[error(
        "no nats-server found in {looked}; get one in one of three ways: run `scripts/brokers.sh nats`, set \
         TICKGATE_NATS_SERVER=/path/to/nats-server, or name a running one with `--broker nats://HOST:PORT`"
    )]
    Missing {
        /// Where it was looked for.
        looked: String,
    },
    /// A server program was found and is of no use.
    #[error(
        "{} cannot be used as nats-server: {problem}; `scripts/brokers.sh nats` gets version {TESTED_VERSION}",
        path.display()
    )]
    Unusable {
        /// Which one.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// Others could change a program, or put another one in its place.
    #[error("{} is not started, because others could change what it does: {problem}, or {way}", program.display())]
    Untrusted {
        /// Which one.
        program: PathBuf,
        /// Which path, who can change it, and how to mend that.
        problem: String,
        /// The alternative: which program to name instead.
        way: String,
    },
    /// Kafka is not there.
    #[error(
        "no Kafka found in {looked}; get one in one of three ways: run `scripts/brokers.sh kafka`, set \
         KAFKA_HOME=/path/to/kafka, or name a running one with `--broker kafka://HOST:PORT`"
    )]
    NoKafka {
        /// Where it was looked for.
        looked: String,
    },
    /// There is no Java to run Kafka with.
    #[error(
        "Kafka cannot be started: {problem}; install Java {MIN_JAVA} or later (on Debian: `apt-get install \
         openjdk-17-jre-headless`) or set JAVA_HOME, or name a running one with `--broker kafka://HOST:PORT`"
    )]
    NoJava {
        /// What is wrong.
        problem: String,
    },
    /// A configuration that the server was to have cannot be used.
    #[error("{} cannot be used as the server's configuration: {problem}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// The store cannot be where it was asked to be.
    #[error("the broker's store cannot be in {}: {problem}; name a directory with room on a disk", path.display())]
    Store {
        /// Where.
        path: PathBuf,
        /// Why not.
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
        /// Its last lines.
        log: String,
    },
    /// The server is not ready in time.
    #[error("{program} was not ready within {seconds} s; the last lines of its log:\n{log}")]
    NotReady {
        /// `nats-server` or `kafka`.
        program: &'static str,
        /// How long it had.
        seconds: u64,
        /// Its last lines.
        log: String,
    },
    /// Two monitoring endpoints lead to one server, whose figures would be counted twice.
    #[error("{url} and {other} are the same server ({name}); name the endpoint of each server once")]
    SameNode {
        /// The second one.
        url: String,
        /// The first one.
        other: String,
        /// The server's name.
        name: String,
    },
    /// The server's monitoring endpoint has no good answer.
    #[error("no monitoring data from {url}: {problem}")]
    Monitor {
        /// What was asked for.
        url: String,
        /// What came back.
        problem: String,
    },
    /// There is no container engine.
    #[error(
        "no container engine: {problem}; start Docker, or name its socket with \
         DOCKER_HOST=unix:///path/to/docker.sock, or do without: `--broker local`, or a running server with \
         `--broker nats://HOST:PORT` or `--broker kafka://HOST:PORT`"
    )]
    NoEngine {
        /// Where it was looked for, and what came of it.
        problem: String,
    },
    /// The image is not there, and cannot be had.
    #[error(
        "the image {image} is not on this machine and cannot be pulled ({problem}); check its name and tag, or get it \
         with `docker pull {image}` and run this again"
    )]
    Image {
        /// Which one.
        image: String,
        /// Why not.
        problem: String,
    },
    /// A container or network that tickgate did not make.
    #[error(
        "the {what} is not removed, for it does not bear the labels `tickgate=broker` and `tickgate.broker={name}`: \
         tickgate did not make it under this name"
    )]
    NotOurs {
        /// `container …` or `network …`.
        what: String,
        /// The name that was asked for.
        name: String,
    },
    /// The container engine said no.
    #[error("the container engine cannot {doing}: {problem}")]
    Engine {
        /// What was tried.
        doing: String,
        /// Its reason.
        problem: String,
    },
    /// The broker in a container is of no use.
    #[error("the container of {image} {problem}; the last lines of its log:\n{log}")]
    Container {
        /// Of which image.
        image: String,
        /// What has become of it.
        problem: String,
        /// Its last lines.
        log: String,
    },
    /// Somebody named a node that the broker does not have.
    #[error("there is no node {node}: the broker has {nodes}")]
    NoNode {
        /// Which one.
        node: usize,
        /// How many it has.
        nodes: usize,
    },
    /// Interrupted before the broker was ready.
    #[error("interrupted while the broker was started; nothing was measured")]
    Interrupted,
    /// The operating system said no.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried.
        doing: String,
        /// The system's reason.
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
