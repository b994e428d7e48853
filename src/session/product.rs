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
        flags: &[Flag::Context, Flag::Nkey, Flag::TlsFirst, Flag::Monitor],
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
        own_naming: Naming::Private,
        everything: "*",
        #[cfg(feature = "kafka")]
        driver: Some(kafka::DRIVER),
        #[cfg(not(feature = "kafka"))]
        driver: None,
    },
];

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
    /// The naming of subjects on a server that tickgate starts, where no other client listens.
    pub own_naming: Naming,
    /// The wildcard for all that is below a name.
    pub everything: &'static str,
    /// `None` where tickgate was built without it.
    pub driver: Option<Driver>,
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
