//! How a request names its broker: by the beginning of an address, by a context, or by a word.

use super::asked::{Asked, LOCAL, NamedBy, SIM};
use super::driver::Flag;
use super::error::SessionError;
use super::product::{PRODUCTS, Product};
use super::target::{Elsewhere, Environment};

/// Ways to reach a broker.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way<'a> {
    /// The simulated bus.
    Simulated,
    /// A server that tickgate starts as a process.
    Process,
    /// The same, from the given program.
    Program,
    /// A server in a container of this image; an empty name means the tested image.
    Container(&'a str),
    /// A context of the `nats` command line tool.
    Context,
    /// An address of this product.
    Address(&'static Product),
    /// None of these.
    Unknown,
}

impl Asked {
    /// Returns the way that this request names.
    pub(crate) fn way(&self) -> Way<'_> {
        self.way_among(&PRODUCTS)
    }

    pub(super) fn way_among(&self, products: &'static [Product]) -> Way<'_> {
        if self.context.is_some() {
            return Way::Context;
        }
        match self.at.as_deref().unwrap_or(LOCAL) {
            SIM => Way::Simulated,
            LOCAL => Way::Process,
            at if at.strip_prefix("local:").is_some_and(|path| !path.is_empty()) => Way::Program,
            "container" => Way::Container(""),
            at => {
                let begins = |product: &&Product| product.prefixes.iter().any(|begin| at.starts_with(begin));
                let image = at.strip_prefix("container:").map(Way::Container);
                let address = || products.iter().find(begins).map(Way::Address);
                image.or_else(address).unwrap_or(Way::Unknown)
            }
        }
    }

    /// Returns the bus that the request names if tickgate did not start it; else `None`.
    ///
    /// # Errors
    /// When the bus cannot be named in this way.
    pub(crate) fn elsewhere(&self, environment: Environment<'_>) -> Result<Option<Elsewhere>, SessionError> {
        let product = match self.way() {
            Way::Context => PRODUCTS.iter().find(|product| product.flags.contains(&Flag::Context)),
            Way::Address(product) => Some(product),
            _ => None,
        };
        let Some(product) = product else { return Ok(None) };
        self.fits(product, &PRODUCTS)?;
        self.there(product, environment).map(Some)
    }

    /// Returns the bus of one product that the request names.
    pub(super) fn there(
        &self,
        product: &Product,
        environment: Environment<'_>,
    ) -> Result<Elsewhere, SessionError> {
        let found = (product.driver()?.elsewhere)(self, environment);
        match (found, &self.named_by) {
            // The user did not write this address in the request, so the error names the variables that hold it.
            (Err(SessionError::Asked(text)), NamedBy::Variables(_)) => {
                let names = self.named_by().unwrap_or_default();
                Err(SessionError::Asked(format!("{names}: {text}")))
            }
            (found, _) => found,
        }
    }

    /// Refuses options that belong to another product.
    pub(super) fn fits(&self, product: &Product, products: &'static [Product]) -> Result<(), SessionError> {
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
