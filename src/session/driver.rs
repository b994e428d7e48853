//! What a run needs of a product: how to start a server of it, and how to get to one.

use std::fmt;
use std::path::Path;

use super::asked::Asked;
use super::error::SessionError;
use super::target::{Elsewhere, Environment, Target};
use crate::broker::{BrokerError, Entry, Server};
use crate::plan::Plan;

/// What a server of our own is started with.
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

/// Finds a product's program and starts a server of it; also gives what the user should know of the program.
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
    /// What the user should know of it.
    pub warning: Option<String>,
}

/// What a product can do where tickgate was built with it.
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
    /// Under which subjects `JetStream` answers.
    JsApiPrefix,
    /// Its domain.
    JsDomain,
    /// First tokens of reply subjects.
    InboxPrefix,
}

impl Flag {
    /// All of them.
    pub(super) const ALL: [Self; 6] =
        [Self::Context, Self::Nkey, Self::TlsFirst, Self::JsApiPrefix, Self::JsDomain, Self::InboxPrefix];

    /// As it is written.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Context => "--context",
            Self::Nkey => "--nkey",
            Self::TlsFirst => "--tls-first",
            Self::JsApiPrefix => "--js-api-prefix",
            Self::JsDomain => "--js-domain",
            Self::InboxPrefix => "--inbox-prefix",
        }
    }

    pub(super) const fn given(self, asked: &Asked) -> bool {
        match self {
            Self::Context => asked.context.is_some(),
            Self::Nkey => asked.nkey.is_some(),
            Self::TlsFirst => asked.tls_first,
            Self::JsApiPrefix => asked.js_api_prefix.is_some(),
            Self::JsDomain => asked.js_domain.is_some(),
            Self::InboxPrefix => asked.inbox_prefix.is_some(),
        }
    }
}
