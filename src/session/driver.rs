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
    /// Monitoring endpoints of the servers.
    Monitor,
}

impl Flag {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Context, Self::Nkey, Self::TlsFirst, Self::Monitor];

    /// As it is written.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Context => "--context",
            Self::Nkey => "--nkey",
            Self::TlsFirst => "--tls-first",
            Self::Monitor => "--monitor",
        }
    }

    pub(super) const fn given(self, asked: &Asked) -> bool {
        match self {
            Self::Context => asked.context.is_some(),
            Self::Nkey => asked.nkey.is_some(),
            Self::TlsFirst => asked.tls_first,
            Self::Monitor => !asked.monitor.is_empty(),
        }
    }
}
