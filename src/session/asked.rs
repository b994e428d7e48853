//! The request as written: one field per flag, or set by a user of the library.

use std::path::{Path, PathBuf};

use crate::report::outside::address;

/// The simulated bus, which needs no server.
pub(super) const SIM: &str = "sim";
/// A server that tickgate starts.
pub(super) const LOCAL: &str = "local";

/// A context of the `nats` command line tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextName {
    /// The context that `nats context select` has selected.
    Selected,
    /// A context by name.
    Named(String),
}

impl From<String> for ContextName {
    /// An empty name means the selected context.
    fn from(name: String) -> Self {
        if name.is_empty() { Self::Selected } else { Self::Named(name) }
    }
}

/// Source of the bus's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NamedBy {
    /// The command line.
    #[default]
    CommandLine,
    /// A file; it gets no credentials from the environment.
    File,
    /// These environment variables.
    Variables(Vec<&'static str>),
    /// No source: tickgate starts a server.
    Nobody,
}

/// The request as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent option")]
pub struct Asked {
    /// `local`, `container`, `container:IMAGE`, `sim`, or an address. Without it and without a context, the environment
    /// names the bus; if it names none either, it is `local`. Together with a context, the address replaces the
    /// context's.
    pub at: Option<String>,
    /// A context of the `nats` command line tool, which also gives an address.
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
    /// Key of the client certificate.
    pub tls_key: Option<PathBuf>,
    /// Use TLS before the server's first message.
    pub tls_first: bool,
    /// Prefixes below which the profile's names may be used on a bus that tickgate did not start.
    pub allow_prefix: Vec<String>,
    /// Subject prefix of the `JetStream` API, if an account imports it.
    pub js_api_prefix: Option<String>,
    /// Domain of `JetStream`, behind a leaf node.
    pub js_domain: Option<String>,
    /// Prefix of reply subjects.
    pub inbox_prefix: Option<String>,
    /// Allow more than 20k/s to another machine.
    pub allow_rate: bool,
    /// Port of a server that tickgate starts; a free one if `None`.
    pub port: Option<u16>,
    /// Start the server without a password.
    pub open: bool,
    /// Give the server that tickgate starts half of the cores, and tickgate the rest.
    pub apart: bool,
    /// Directory for the store of a server that tickgate starts.
    pub store: Option<PathBuf>,
    /// Monitoring endpoints of the servers, for a bus that tickgate did not start.
    pub monitor: Vec<String>,
    /// Credentials file of a user of the system account, which reports the servers' figures.
    pub monitor_creds: Option<PathBuf>,
    /// Context with a user of the system account.
    pub monitor_context: Option<String>,
    /// Name of a user of the system account.
    pub monitor_user: Option<String>,
    /// Configuration file of another server, to use for the one that tickgate starts.
    pub server_config: Option<PathBuf>,
    /// Allow publishing into the existing stream that the profile names.
    pub allow_attach: bool,
    /// Allow the profile's faults on a bus that tickgate did not start.
    pub allow_faults: bool,
    /// Consumers of that stream that groups may read through.
    pub allow_consumer: Vec<String>,
    /// File with the stream configuration that the run's stream copies.
    pub stream_config: Option<PathBuf>,
    /// Files with the configurations of that stream's consumers.
    pub consumer_config: Vec<PathBuf>,
    /// Source of the bus's name.
    pub named_by: NamedBy,
}

impl Asked {
    /// Returns the location of the bus, without secrets.
    pub(crate) fn label(&self) -> String {
        match (&self.context, &self.at) {
            (Some(ContextName::Named(name)), _) => format!("context {name}"),
            (Some(ContextName::Selected), _) => "the selected context".to_owned(),
            (None, Some(at)) => address(at),
            (None, None) => LOCAL.to_owned(),
        }
    }

    /// Returns the program to start the server with, if the request names one.
    pub(super) fn program(&self) -> Option<&Path> {
        self.at.as_deref()?.strip_prefix("local:").filter(|_| self.context.is_none()).map(Path::new)
    }

    /// Returns whether both requests lead to the same bus with the same credentials.
    pub(crate) fn same_bus(&self, other: &Self) -> bool {
        (&self.at, &self.context, &self.creds) == (&other.at, &other.context, &other.creds)
    }

    /// Returns the flags that say how the servers are monitored.
    pub(crate) fn monitoring(&self) -> Vec<&'static str> {
        let all = [
            ("--monitor", !self.monitor.is_empty()),
            ("--monitor-creds", self.monitor_creds.is_some()),
            ("--monitor-context", self.monitor_context.is_some()),
            ("--monitor-user", self.monitor_user.is_some()),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect()
    }

    /// Returns the request without monitoring.
    pub(crate) fn unmonitored(self) -> Self {
        Self { monitor: Vec::new(), monitor_creds: None, monitor_context: None, monitor_user: None, ..self }
    }

    /// Returns whether a file named the bus.
    pub(super) fn by_file(&self) -> bool {
        self.named_by == NamedBy::File
    }

    /// Describes the source of the bus's name.
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
