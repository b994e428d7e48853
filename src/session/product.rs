//! The table of products: one row per product, with its driver and its servers.

use super::driver::{Driver, Flag};
use super::error::SessionError;
#[cfg(feature = "kafka")]
use super::kafka;
use super::nats;
use crate::plan::BusKind;
use crate::topology::Naming;

/// Products that a choice of broker may name.
pub static PRODUCTS: [Product; 2] = [
    Product {
        kind: BusKind::Nats,
        listed_as: "broker",
        prefixes: &["nats://", "tls://"],
        addresses: "nats://HOST:PORT or tls://HOST:PORT",
        flags: &[
            Flag::Context,
            Flag::Nkey,
            Flag::TlsFirst,
            Flag::Model,
            Flag::Program,
            Flag::ServerConfig,
            Flag::JsApiPrefix,
            Flag::JsDomain,
            Flag::InboxPrefix,
            Flag::Monitor,
            Flag::SystemAccount,
        ],
        variables: &Variables {
            address: "NATS_URL",
            scheme: "nats",
            others: &[],
            context: Some("NATS_CONTEXT"),
            entry: &[
                "NATS_USER",
                "NATS_PASSWORD",
                "NATS_TOKEN",
                "NATS_NKEY",
                "NATS_CREDS",
                "NATS_JWT",
                "NATS_SEED",
                "NATS_CA",
                "NATS_CERT",
                "NATS_KEY",
                "NATS_SOCKS_PROXY",
            ],
        },
        own_naming: Naming::Profile,
        everything: ">",
        driver: Some(nats::DRIVER),
    },
    Product {
        kind: BusKind::Kafka,
        listed_as: "kafka",
        prefixes: &["kafka"],
        addresses: "kafka://HOST:PORT or kafka+tls://HOST:PORT",
        flags: &[],
        variables: &Variables {
            address: "KAFKA_BOOTSTRAP_SERVERS",
            scheme: "kafka",
            others: &[
                ("PLAINTEXT", "kafka"),
                ("SASL_PLAINTEXT", "kafka"),
                ("SSL", "kafka+tls"),
                ("SASL_SSL", "kafka+tls"),
            ],
            context: None,
            entry: &[
                "KAFKA_USER",
                "KAFKA_PASSWORD",
                "KAFKA_SASL_MECHANISM",
                "KAFKA_CA",
                "KAFKA_CERT",
                "KAFKA_KEY",
            ],
        },
        own_naming: Naming::Private,
        everything: "*",
        #[cfg(feature = "kafka")]
        driver: Some(kafka::DRIVER),
        #[cfg(not(feature = "kafka"))]
        driver: None,
    },
];

/// Environment variables that the tools of a product read.
#[derive(Debug)]
pub struct Variables {
    /// Address of the bus.
    pub address: &'static str,
    /// Default scheme of an address.
    pub scheme: &'static str,
    /// Other schemes that the tools accept, each with its equivalent here.
    pub others: &'static [(&'static str, &'static str)],
    /// A named configuration, which also gives the address of the bus.
    pub context: Option<&'static str>,
    /// Credentials; these do not give the address of the bus.
    pub entry: &'static [&'static str],
}

/// A product: a kind of broker, and how a run reaches one.
#[derive(Debug)]
pub struct Product {
    /// Kind of bus in a plan for this product.
    pub kind: BusKind,
    /// Label in the list of startable brokers, of at most 9 letters.
    pub listed_as: &'static str,
    /// Prefixes of its addresses.
    pub prefixes: &'static [&'static str],
    /// Format of its addresses.
    pub addresses: &'static str,
    /// Optional flags that this product supports.
    pub flags: &'static [Flag],
    /// Environment variables that name the bus and the credentials.
    pub variables: &'static Variables,
    /// Naming of events on a server that tickgate started, where nothing else listens.
    pub own_naming: Naming,
    /// Wildcard for everything below a name.
    pub everything: &'static str,
    /// `None` if this build does not include the product.
    pub driver: Option<Driver>,
}

impl Variables {
    /// Converts an address from the form that the product's tools read to a URL.
    pub(super) fn url(&self, address: &str) -> String {
        let Some((scheme, rest)) = address.split_once("://") else {
            return format!("{}://{address}", self.scheme);
        };
        // In Kafka's listener syntax, each address starts with the protocol.
        match self.others.iter().find(|(other, _)| other.eq_ignore_ascii_case(scheme)) {
            Some((_, ours)) => format!("{ours}://{}", rest.replace(&format!(",{scheme}://"), ",")),
            None => address.to_owned(),
        }
    }
}

impl Product {
    /// Returns the name in `bus.kind` and in a record.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// Returns the product's official name.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        self.kind.product().title
    }

    /// Returns the driver.
    ///
    /// # Errors
    /// When this build does not include the product.
    pub(super) fn driver(&self) -> Result<&Driver, SessionError> {
        self.driver.as_ref().ok_or_else(|| {
            let other = PRODUCTS.iter().find(|other| other.driver.is_some());
            SessionError::Asked(format!(
                "this tickgate was built without {}; build it with its default features (`cargo build --release`), or \
                 take `bus.kind = \"{}\"`",
                self.title(),
                other.map_or("", |other| other.name())
            ))
        })
    }
}
