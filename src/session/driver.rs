//! The interface to a product: how to start a server, and how to connect to one.

use std::fmt;
use std::path::Path;

use super::asked::Asked;
use super::error::SessionError;
use super::target::{Elsewhere, Environment, Target};
use crate::broker::{BrokerError, Entry, Power, Server};
use crate::plan::Plan;

/// Settings for starting a server.
#[derive(Debug)]
pub struct Lodging<'a> {
    /// Plan to run on the server.
    pub plan: &'a Plan,
    /// Log of the server: created or appended to.
    pub log: &'a Path,
    /// Who may use the server.
    pub entry: &'a Entry,
    /// Port for clients; a free one if `None`.
    pub port: Option<u16>,
    /// Parent directory of the store; the default one if `None`.
    pub store: Option<&'a Path>,
    /// Program to start; searched for if `None`.
    pub program: Option<&'a Path>,
    /// User's server configuration, of which the server gets every applicable setting.
    pub config: Option<&'a Path>,
}

impl Lodging<'_> {
    /// Returns how losses of power are emulated on the server, if the plan wants it prepared for them.
    pub(super) fn power(&self) -> Result<Option<Power>, BrokerError> {
        let Some(writeback) = self.plan.cluster.power else { return Ok(None) };
        let program = std::env::current_exe()
            .map_err(|source| BrokerError::Io { doing: "find the program of tickgate".into(), source })?;
        Ok(Some(Power { program, writeback }))
    }
}

/// Finds a product's program and starts a server; also returns warnings about the program.
pub type Start = fn(&Lodging<'_>) -> Result<(Box<dyn Server>, Option<String>), SessionError>;
/// Resolves a bus that tickgate did not start.
pub type Resolve = fn(&Asked, Environment<'_>) -> Result<Elsewhere, SessionError>;
/// Returns the target for a server that tickgate started at this address, with this process's credentials.
pub type GetIn = fn(&str, &Entry) -> Result<Box<dyn Target>, SessionError>;

/// A program that can start a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Version and path.
    pub what: String,
    /// Warnings about the program.
    pub warning: Option<String>,
}

/// Functions of a product that is part of this build.
pub struct Driver {
    /// Finds the program to start a server with.
    pub program: fn() -> Result<Program, BrokerError>,
    /// Starts a server.
    pub start: Start,
    /// Resolves a bus that tickgate did not start.
    pub elsewhere: Resolve,
    /// Returns the target for a server that tickgate started.
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
    /// A context of the `nats` command line tool.
    Context,
    /// A file with an nkey seed.
    Nkey,
    /// TLS before the server's first message.
    TlsFirst,
    /// A file with the configuration of a stream or of consumers.
    Model,
    /// Path of the program to start a server with.
    Program,
    /// Configuration file of a server.
    ServerConfig,
    /// Subject prefix of the `JetStream` API.
    JsApiPrefix,
    /// Domain of `JetStream`.
    JsDomain,
    /// Prefix of reply subjects.
    InboxPrefix,
    /// Monitoring endpoints of the servers.
    Monitor,
    /// A user of the system account.
    SystemAccount,
}

impl Flag {
    /// All flags.
    pub(super) const ALL: [Self; 11] = [
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
        Self::SystemAccount,
    ];

    /// Returns the flag as written on the command line.
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
            Self::SystemAccount => "--monitor-creds, --monitor-context or --monitor-user",
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
            Self::SystemAccount => asked.monitoring().iter().any(|flag| *flag != "--monitor"),
        }
    }
}
