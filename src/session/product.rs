//! The table of products: one row each, beside its driver and its servers.

use super::driver::{Driver, Flag};
use super::error::SessionError;
#[cfg(feature = "kafka")]
use super::kafka;
use super::nats;
use crate::plan::BusKind;
use crate::topology::Naming;

/// The products that a choice of broker may name.
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

/// The variables of the environment that the tools of a product read.
#[derive(Debug)]
pub struct Variables {
    /// Where the bus is.
    pub address: &'static str,
    /// The scheme of an address that has none.
    pub scheme: &'static str,
    /// Other schemes that the tools read, each with what it is here.
    pub others: &'static [(&'static str, &'static str)],
    /// A named configuration, which says where the bus is, too.
    pub context: Option<&'static str>,
    /// How to get in. They say nothing of where the bus is.
    pub entry: &'static [&'static str],
}

/// A product: a kind of broker, and how a run gets one.
#[derive(Debug)]
pub struct Product {
    /// The kind of bus that a plan for it names.
    pub kind: BusKind,
    /// The label of its line in the list of startable brokers, of at most 9 letters.
    pub listed_as: &'static str,
    /// What its addresses begin with.
    pub prefixes: &'static [&'static str],
    /// How they are written.
    pub addresses: &'static str,
    /// Which flags are for it, of those that not every product has.
    pub flags: &'static [Flag],
    /// The variables of the environment that name its bus, and the way in.
    pub variables: &'static Variables,
    /// Under whose names the events go on a server of our own, where nobody else listens.
    pub own_naming: Naming,
    /// The wildcard for all that is below a name.
    pub everything: &'static str,
    /// `None` where tickgate was built without it.
    pub driver: Option<Driver>,
}

impl Variables {
    /// An address as a tool of the product reads it, as a URL.
    pub(super) fn url(&self, address: &str) -> String {
        let Some((scheme, rest)) = address.split_once("://") else {
            return format!("{}://{address}", self.scheme);
        };
        // Listeners of Kafka's own have the protocol before each.
        match self.others.iter().find(|(other, _)| other.eq_ignore_ascii_case(scheme)) {
            Some((_, ours)) => format!("{ours}://{}", rest.replace(&format!(",{scheme}://"), ",")),
            None => address.to_owned(),
        }
    }
}

impl Product {
    /// As `bus.kind` and a record name it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// As it calls itself.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        self.kind.product().title
    }

    /// Its driver.
    ///
    /// # Errors
    /// Where tickgate was built without it.
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
