//! The request as written: flags one to one, or fields set by a user of the library.

use std::path::PathBuf;

use crate::report::outside::address;

/// The simulated bus, which nothing has to be started for.
pub(super) const SIM: &str = "sim";

/// The request as written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent option")]
pub struct Asked {
    /// `local`, `container`, `container:IMAGE`, `sim`, or an address.
    pub at: String,
    /// A context of the `nats` command line; it also gives the address.
    pub context: Option<String>,
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
    /// A file has named the broker: it gets no credentials of the environment.
    pub by_file: bool,
}

impl Default for Asked {
    /// A server that tickgate starts, for itself alone.
    fn default() -> Self {
        Self {
            at: "local".into(),
            context: None,
            creds: None,
            nkey: None,
            user: None,
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
            tls_first: false,
            allow_prefix: Vec::new(),
            allow_rate: false,
            port: None,
            open: false,
            apart: false,
            store: None,
            monitor: Vec::new(),
            by_file: false,
        }
    }
}

impl Asked {
    /// Where the bus is, without secrets.
    pub(crate) fn label(&self) -> String {
        self.context.as_ref().map_or_else(|| address(&self.at), |context| format!("context {context}"))
    }

    /// Does it lead to the same bus, with the same credentials?
    pub(crate) fn same_bus(&self, other: &Self) -> bool {
        (&self.at, &self.context, &self.creds) == (&other.at, &other.context, &other.creds)
    }
}
