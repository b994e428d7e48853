//! The request as written: flags one to one, or fields set by a user of the library.

use std::path::{Path, PathBuf};

use crate::report::outside::address;

/// The simulated bus, which nothing has to be started for.
pub(super) const SIM: &str = "sim";
/// A server of our own.
pub(super) const LOCAL: &str = "local";

/// A context of the `nats` command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextName {
    /// The one that `nats context select` has selected.
    Selected,
    /// One by its name.
    Named(String),
}

impl From<String> for ContextName {
    /// No name is the selected one.
    fn from(name: String) -> Self {
        if name.is_empty() { Self::Selected } else { Self::Named(name) }
    }
}

/// How the bus was named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NamedBy {
    /// The command line.
    #[default]
    CommandLine,
    /// A file: it gets no credentials of the environment.
    File,
    /// These variables of the environment.
    Variables(Vec<&'static str>),
    /// By nothing: tickgate starts a server.
    Nobody,
}

/// The request as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent option")]
pub struct Asked {
    /// `local`, `container`, `container:IMAGE`, `sim`, or an address. Without it, and without a context, the environment
    /// names the bus; where it does not either, it is `local`. Beside a context it is the address that replaces the context's.
    pub at: Option<String>,
    /// A context of the `nats` command line, which names an address, too.
    pub context: Option<ContextName>,
    /// File with credentials.
    pub creds: Option<PathBuf>,
    /// File with an nkey seed.
    pub nkey: Option<PathBuf>,
    /// User name.
    pub user: Option<String>,
    /// Certificates of the authorities to trust.
    pub tls_ca: Option<PathBuf>,
    /// Client certificate.
    pub tls_cert: Option<PathBuf>,
    /// Its key.
    pub tls_key: Option<PathBuf>,
    /// TLS before the server's first words.
    pub tls_first: bool,
    /// Below these prefixes the profile's own names may be used on a bus that tickgate did not start.
    pub allow_prefix: Vec<String>,
    /// Under which subjects `JetStream` answers, where an account imports its API.
    pub js_api_prefix: Option<String>,
    /// The domain of `JetStream`, behind a leaf node.
    pub js_domain: Option<String>,
    /// First tokens of reply subjects.
    pub inbox_prefix: Option<String>,
    /// More than 20k/s may go to another machine.
    pub allow_rate: bool,
    /// Port of a server that tickgate starts; a free one where it is `None`.
    pub port: Option<u16>,
    /// A server that tickgate starts asks for no password.
    pub open: bool,
    /// A server that tickgate starts gets half of the cores, and tickgate the others.
    pub apart: bool,
    /// Directory for the store of a server that tickgate starts.
    pub store: Option<PathBuf>,
    /// Monitoring endpoints of the servers of a bus that tickgate did not start.
    pub monitor: Vec<String>,
    /// Configuration of another server, for one that tickgate starts.
    pub server_config: Option<PathBuf>,
    /// The run may publish into the stream of another owner that the profile names.
    pub allow_attach: bool,
    /// Consumers of it that groups may read through.
    pub allow_consumer: Vec<String>,
    /// File with the configuration of the stream that the run's copies.
    pub stream_config: Option<PathBuf>,
    /// Files with the configurations of its consumers.
    pub consumer_config: Vec<PathBuf>,
    /// How the bus was named.
    pub named_by: NamedBy,
}

impl Asked {
    /// Where the bus is, without secrets.
    pub(crate) fn label(&self) -> String {
        match (&self.context, &self.at) {
            (Some(ContextName::Named(name)), _) => format!("context {name}"),
            (Some(ContextName::Selected), _) => "the selected context".to_owned(),
            (None, Some(at)) => address(at),
            (None, None) => LOCAL.to_owned(),
        }
    }

    /// The program that a server of our own is to be started with, where it is named.
    pub(super) fn program(&self) -> Option<&Path> {
        self.at.as_deref()?.strip_prefix("local:").filter(|_| self.context.is_none()).map(Path::new)
    }

    /// Does it lead to the same bus, with the same credentials?
    pub(crate) fn same_bus(&self, other: &Self) -> bool {
        (&self.at, &self.context, &self.creds) == (&other.at, &other.context, &other.creds)
    }

    /// Has a file named the bus?
    pub(super) fn by_file(&self) -> bool {
        self.named_by == NamedBy::File
    }

    /// Who has named the bus, in words.
    pub(crate) fn named_by(&self) -> Option<String> {
        match &self.named_by {
            NamedBy::CommandLine if self.context.is_some() => Some("--context".to_owned()),
            NamedBy::CommandLine => Some("--broker".to_owned()),
            NamedBy::File => Some("the comparison's file".to_owned()),
            NamedBy::Variables(names) => {
                let names: Vec<String> = names.iter().map(|name| format!("${name}")).collect();
                Some(names.join(" and "))
            }
            NamedBy::Nobody => None,
        }
    }
}
