//! The interface to a product: how to start a server of it, and how to connect to one.

use std::fmt;
use std::path::Path;

use super::asked::Asked;
use super::error::SessionError;
use super::target::{Elsewhere, Environment, Target};
use crate::broker::{BrokerError, Entry, Server};
use crate::plan::Plan;

/// The settings for starting a server.
#[derive(Debug)]
pub struct Lodging<'a> {
    /// What will be run on it.
    pub plan: &'a Plan,
    /// Its log: created or appended to.
    pub log: &'a Path,
    /// Who may use it.
    pub entry: &'a Entry,
    /// The clients' port; a free one where it is `None`.
    pub port: Option<u16>,
    /// The directory in which its store is made; the default one where it is `None`.
    pub store: Option<&'a Path>,
    /// The program; the one that is found where it is `None`.
    pub program: Option<&'a Path>,
    /// Somebody's configuration, whose settings it has as far as a server of our own can.
    pub config: Option<&'a Path>,
}

/// Finds a product's program and starts a server of it; also returns warnings about the program.
pub type Start = fn(&Lodging<'_>) -> Result<(Box<dyn Server>, Option<String>), SessionError>;
/// Resolves a bus that tickgate did not start.
pub type Resolve = fn(&Asked, Environment<'_>) -> Result<Elsewhere, SessionError>;
/// A server of our own at an address, as this process gets in.
pub type GetIn = fn(&str, &Entry) -> Result<Box<dyn Target>, SessionError>;

/// A program that a server can be started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Which version, and where.
    pub what: String,
    /// Warnings about it.
    pub warning: Option<String>,
}

/// The functions of a product that this build includes.
pub struct Driver {
    /// Finds the program that a server is started with.
    pub program: fn() -> Result<Program, BrokerError>,
    /// Starts a server.
    pub start: Start,
    /// Resolves a bus that tickgate did not start.
    pub elsewhere: Resolve,
    /// Gets in to a server of our own.
    pub own: GetIn,
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Driver")
    }
}

/// A flag that only some products have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// A context of the command line of NATS.
    Context,
    /// A file with an nkey seed.
    Nkey,
    /// TLS before the server's first words.
    TlsFirst,
    /// A file with the configuration of a stream or of consumers.
    Model,
    /// The path of the program that a server is started with.
    Program,
    /// The configuration of somebody's server.
    ServerConfig,
    /// Under which subjects `JetStream` answers.
    JsApiPrefix,
    /// Its domain.
    JsDomain,
    /// First tokens of reply subjects.
    InboxPrefix,
    /// Monitoring endpoints of the servers.
    Monitor,
}

impl Flag {
    /// All of them.
    pub(super) const ALL: [Self; 10] = [
        Self::Context,
        Self::Nkey,
        Self::TlsFirst,
        Self::Model,
        Self::Program,
        Self::ServerConfig,
        Self::JsApiPrefix,
        Self::JsDomain,
        Self::InboxPrefix,
        Self::Monitor,
    ];

    /// As it is written.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Context => "--context",
            Self::Nkey => "--nkey",
            Self::TlsFirst => "--tls-first",
            Self::Model => "--stream-config or --consumer-config",
            Self::Program => "--broker local:PATH",
            Self::ServerConfig => "--server-config",
            Self::JsApiPrefix => "--js-api-prefix",
            Self::JsDomain => "--js-domain",
            Self::InboxPrefix => "--inbox-prefix",
            Self::Monitor => "--monitor",
        }
    }

    pub(super) fn given(self, asked: &Asked) -> bool {
        match self {
            Self::Context => asked.context.is_some(),
            Self::Nkey => asked.nkey.is_some(),
            Self::TlsFirst => asked.tls_first,
            Self::Program => asked.program().is_some(),
            Self::ServerConfig => asked.server_config.is_some(),
            Self::Model => asked.stream_config.is_some() || !asked.consumer_config.is_empty(),
            Self::JsApiPrefix => asked.js_api_prefix.is_some(),
            Self::JsDomain => asked.js_domain.is_some(),
            Self::InboxPrefix => asked.inbox_prefix.is_some(),
            Self::Monitor => !asked.monitor.is_empty(),
        }
    }
}
