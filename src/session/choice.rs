//! Resolves a request to a broker, once, in the only place that knows every way to name a broker.

use std::path::Path;

use super::asked::{Asked, SIM};
use super::driver::Flag;
use super::error::SessionError;
use super::own::Own;
use super::product::{PRODUCTS, Product};
use super::target::{Elsewhere, Environment};
use super::terms::{Terms, terms};
use crate::plan::{BusKind, Plan};
use crate::report::outside::address;
use crate::run::memory::Where;

/// The ways to a broker.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way<'a> {
    /// The simulated bus.
    Simulated,
    /// A server of our own, as a process.
    Process,
    /// One in a container of this image; of the tested one where it is empty.
    Container(&'a str),
    /// A context of the `nats` command line.
    Context,
    /// An address of this product.
    Address(&'static Product),
    /// None of these.
    Unknown,
}

impl Asked {
    /// Which way this is.
    pub(crate) fn way(&self) -> Way<'_> {
        self.way_among(&PRODUCTS)
    }

    fn way_among(&self, products: &'static [Product]) -> Way<'_> {
        if self.context.is_some() {
            return Way::Context;
        }
        match self.at.as_str() {
            SIM => Way::Simulated,
            "local" => Way::Process,
            "container" => Way::Container(""),
            at => {
                let begins = |product: &&Product| product.prefixes.iter().any(|begin| at.starts_with(begin));
                let image = at.strip_prefix("container:").map(Way::Container);
                let address = || products.iter().find(begins).map(Way::Address);
                image.or_else(address).unwrap_or(Way::Unknown)
            }
        }
    }

    /// The bus meant, where tickgate did not start it; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be named like that.
    pub(crate) fn elsewhere(&self, environment: Environment<'_>) -> Result<Option<Elsewhere>, SessionError> {
        let product = match self.way() {
            Way::Context => PRODUCTS.iter().find(|product| product.flags.contains(&Flag::Context)),
            Way::Address(product) => Some(product),
            _ => None,
        };
        let Some(product) = product else { return Ok(None) };
        self.fits(product, &PRODUCTS)?;
        (product.driver()?.elsewhere)(self, environment).map(Some)
    }

    /// Refuses options of another product.
    fn fits(&self, product: &Product, products: &'static [Product]) -> Result<(), SessionError> {
        let flags = Flag::ALL.into_iter().filter(|flag| flag.given(self) && !product.flags.contains(flag));
        let mut flags =
            flags.filter_map(|flag| products.iter().find(|of| of.flags.contains(&flag)).map(|of| (flag, of)));
        let (what, other) = match (flags.next(), self.way_among(products)) {
            (Some((flag, other)), _) => (flag.word().to_owned(), other),
            (None, Way::Address(other)) if other.kind != product.kind => {
                (format!("a {} URL", other.title()), other)
            }
            _ => return Ok(()),
        };
        Err(SessionError::Asked(format!(
            "{what} is for {}, and the profile's `bus.kind` is `{}`; leave it out, or add `--set bus.kind={}`",
            other.title(),
            product.name(),
            other.name()
        )))
    }
}

/// A broker to run on: the server to start or the address to connect to, and the terms of its use.
#[derive(Debug)]
pub struct Choice {
    pub(super) place: Place,
    pub(super) product: &'static Product,
    pub(super) terms: Terms,
    pub(super) warnings: Vec<String>,
}

/// Where the broker is.
#[derive(Debug)]
pub(super) enum Place {
    /// In this process.
    Simulated,
    /// On this machine, started by tickgate.
    Own(Own),
    /// A bus that tickgate did not start.
    Elsewhere(Elsewhere),
}

impl Choice {
    /// Resolves a request for the plan's kind of bus. Connects to nothing and starts nothing.
    ///
    /// # Errors
    /// When there is no such broker, when options conflict, or when the load may not go there
    /// unasked.
    pub fn resolve(asked: &Asked, plan: &Plan, environment: Environment<'_>) -> Result<Self, SessionError> {
        Self::among(&PRODUCTS, asked, plan, environment)
    }

    /// The same among products of one's own.
    ///
    /// # Errors
    /// As [`Self::resolve`], and when the plan is for none of them.
    pub fn among(
        products: &'static [Product],
        asked: &Asked,
        plan: &Plan,
        environment: Environment<'_>,
    ) -> Result<Self, SessionError> {
        let product = of_kind(products, plan.bus.kind)?;
        let mut warnings = Vec::new();
        let place = match asked.way_among(products) {
            Way::Simulated => Place::Simulated,
            way => {
                let driver = product.driver()?;
                asked.fits(product, products)?;
                match way {
                    Way::Simulated | Way::Unknown => return Err(unknown(&asked.at, product)),
                    Way::Process => Place::Own(Own::process(asked)),
                    Way::Container(image) => Place::Own(Own::container(asked, image, product)?),
                    Way::Context | Way::Address(_) => {
                        let elsewhere = (driver.elsewhere)(asked, environment)?;
                        warnings.extend(elsewhere.warnings.iter().cloned());
                        Place::Elsewhere(elsewhere)
                    }
                }
            }
        };
        if asked.apart && !matches!(place, Place::Own(_)) {
            return Err(SessionError::asked(
                "--apart is for `--broker local`: only a server that tickgate starts can be given cores",
            ));
        }
        if !asked.monitor.is_empty() && !matches!(place, Place::Elsewhere(_)) {
            return Err(SessionError::asked(
                "--monitor is for a bus that tickgate did not start: CPU and memory of its own servers are in the record \
                 anyway; leave it out",
            ));
        }
        let hosts = match &place {
            Place::Elsewhere(elsewhere) => Some(elsewhere.target.hosts()),
            Place::Simulated | Place::Own(_) => None,
        };
        let terms = terms(asked, plan, hosts.as_deref(), product.own_naming)?;
        Ok(Self { place, product, terms, warnings })
    }

    /// The subjects or topics of a run, all in one.
    #[must_use]
    pub fn subjects(&self, plan: &Plan, run: &str) -> String {
        format!("{}.{}", self.terms.naming.prefix(&plan.topology, run), self.product.everything)
    }

    /// Is it the simulated bus?
    #[must_use]
    pub const fn is_simulated(&self) -> bool {
        matches!(self.place, Place::Simulated)
    }

    /// Whose memory it takes.
    pub(super) const fn whereabouts(&self) -> Where {
        match &self.place {
            Place::Simulated => Where::Within,
            Place::Own(_) => Where::Beside,
            Place::Elsewhere(_) => Where::Elsewhere,
        }
    }

    /// The directory that the store of a server of our own was asked to be in.
    pub(super) fn store(&self) -> Option<&Path> {
        match &self.place {
            Place::Own(own) => own.store.as_deref(),
            Place::Simulated | Place::Elsewhere(_) => None,
        }
    }
}

/// The product that a kind of bus is of.
fn of_kind(products: &'static [Product], kind: BusKind) -> Result<&'static Product, SessionError> {
    let found = products.iter().find(|product| product.kind == kind);
    found.ok_or_else(|| SessionError::Asked(format!("there is no product `{}` here", kind.name())))
}

fn unknown(at: &str, product: &Product) -> SessionError {
    SessionError::Asked(format!(
        "`--broker {}` is not a broker for `bus.kind = \"{}\"`; expected `local`, `container:IMAGE`, `sim`, {}",
        address(at),
        product.name(),
        product.addresses
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selftest::swarm::base;

    fn at(at: &str) -> Asked {
        Asked { at: at.to_owned(), ..Asked::default() }
    }

    fn resolved(asked: &Asked, kind: BusKind) -> Result<Choice, String> {
        let mut plan = base(1);
        plan.bus.kind = kind;
        Choice::resolve(asked, &plan, &|_| None).map_err(|error| error.to_string())
    }

    #[test]
    fn each_way_to_a_broker_is_told_by_its_beginning() {
        for (text, way) in [
            ("sim", "Simulated"),
            ("local", "Process"),
            ("container", "Container(\"\")"),
            ("container:nats:2.15.1", "Container(\"nats:2.15.1\")"),
            ("containers", "Unknown"),
            ("Local", "Unknown"),
            ("amqp://h", "Unknown"),
        ] {
            assert_eq!(format!("{:?}", at(text).way()), way, "{text}");
        }
        for (text, name) in [
            ("nats://h:1", "nats"),
            ("tls://h:1", "nats"),
            ("kafka://h:1", "kafka"),
            ("kafka+tls://h:1", "kafka"),
        ] {
            let asked = at(text);
            assert!(matches!(asked.way(), Way::Address(product) if product.name() == name), "{text}");
        }
        let context = Asked { context: Some("x".into()), ..at("sim") };
        assert!(matches!(context.way(), Way::Context));
        assert_eq!(
            (context.label(), at("nats://u:pw@h").label()),
            ("context x".into(), "nats://***@h".into())
        );
    }

    #[test]
    fn a_choice_has_the_terms_of_its_place() {
        let sim = resolved(&at("sim"), BusKind::Nats).unwrap();
        assert!(sim.is_simulated() && sim.whereabouts() == Where::Within);
        let store = Asked { store: Some("/s".into()), ..Asked::default() };
        let local = resolved(&store, BusKind::Nats).unwrap();
        assert_eq!((local.whereabouts(), local.store()), (Where::Beside, Some(Path::new("/s"))));
        assert_eq!(local.terms.naming, crate::topology::Naming::Profile);
        let elsewhere = resolved(&at("nats://u:secret1@127.0.0.1:1"), BusKind::Nats).unwrap();
        assert_eq!(elsewhere.whereabouts(), Where::Elsewhere);
        assert_eq!(elsewhere.terms.naming, crate::topology::Naming::Private);
        assert!(elsewhere.warnings[0].contains("on the command line"), "{:?}", elsewhere.warnings);
        assert!(!format!("{elsewhere:?}").contains("secret1"));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let refused = |asked: &Asked, kind| resolved(asked, kind).unwrap_err();
        let unknown = refused(&at("redis://u:secret2@h"), BusKind::Nats);
        assert!(
            unknown.contains("`--broker redis://***@h` is not a broker for `bus.kind = \"nats\"`"),
            "{unknown}"
        );
        if cfg!(feature = "kafka") {
            let url = refused(&at("nats://h"), BusKind::Kafka);
            assert!(url.contains("a NATS URL is for NATS") && url.contains("bus.kind=nats"), "{url}");
            let flag = refused(&Asked { tls_first: true, ..at("local") }, BusKind::Kafka);
            assert!(flag.starts_with("--tls-first is for NATS"), "{flag}");
        } else {
            let absent = refused(&at("local"), BusKind::Kafka);
            assert!(
                absent.contains("built without Kafka") && absent.contains("`bus.kind = \"nats\"`"),
                "{absent}"
            );
        }
        let url = refused(&at("kafka://h:1"), BusKind::Nats);
        assert!(url.contains("a Kafka URL is for Kafka") && url.contains("bus.kind=kafka"), "{url}");
        let monitor = vec!["http://h:8222".to_owned()];
        for own in ["sim", "local"] {
            let own = refused(&Asked { monitor: monitor.clone(), ..at(own) }, BusKind::Nats);
            assert!(own.starts_with("--monitor is for a bus that tickgate did not start"), "{own}");
        }
        let https = Asked { monitor: vec!["https://h".to_owned()], ..at("nats://h") };
        assert!(refused(&https, BusKind::Nats).contains("`https` is not supported"));
        if cfg!(feature = "kafka") {
            let kafka = refused(&Asked { monitor, ..at("kafka://h") }, BusKind::Kafka);
            assert!(kafka.starts_with("--monitor is for NATS"), "{kafka}");
        }
        let image = refused(&at("container:apache/kafka"), BusKind::Nats);
        let store = refused(&Asked { store: Some("/s".into()), ..at("container") }, BusKind::Nats);
        if cfg!(feature = "containers") {
            assert!(image.contains("holds kafka") && image.contains("container:nats:"), "{image}");
            assert!(store.contains("--store is for `--broker local`"), "{store}");
        } else {
            assert!(image.contains("built without containers") && store == image, "{image}");
        }
    }
}
