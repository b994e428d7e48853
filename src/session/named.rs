//! Finds the bus: the request names it, else the environment; without either, tickgate starts a server.

use super::asked::{Asked, ContextName, LOCAL, NamedBy};
use super::error::SessionError;
use super::product::{PRODUCTS, Product};
use super::target::Environment;

/// Returns a variable that is set and not empty.
fn set(environment: Environment<'_>, name: &str) -> Option<String> {
    environment(name).filter(|value| !value.is_empty())
}

impl Asked {
    /// Returns the request with the bus named: by the request, else by the environment, else a server that tickgate
    /// starts.
    ///
    /// # Errors
    /// When the request has credentials or connection options but no bus, since these cannot be meant for a server that
    /// tickgate starts.
    pub(crate) fn settled(
        &self,
        product: &Product,
        environment: Environment<'_>,
    ) -> Result<Self, SessionError> {
        if self.at.is_some() || self.context.is_some() {
            return Ok(self.clone());
        }
        if let Some(named) = self.by_environment(product, environment) {
            return Ok(named);
        }
        self.has_no_way_in(product, environment)?;
        Ok(Self { at: Some(LOCAL.to_owned()), named_by: NamedBy::Nobody, ..self.clone() })
    }

    /// Returns the request with the bus that the product's variables name.
    pub(crate) fn by_environment(&self, product: &Product, environment: Environment<'_>) -> Option<Self> {
        let variables = product.variables;
        let context = variables.context.and_then(|name| Some((name, set(environment, name)?)));
        let at = set(environment, variables.address);
        if context.is_none() && at.is_none() {
            return None;
        }
        let named = at.iter().map(|_| variables.address).chain(context.iter().map(|(name, _)| *name));
        Some(Self {
            named_by: NamedBy::Variables(named.collect()),
            at: at.map(|at| variables.url(&at)),
            context: context.map(|(_, name)| ContextName::Named(name)),
            ..self.clone()
        })
    }

    fn has_no_way_in(&self, product: &Product, environment: Environment<'_>) -> Result<(), SessionError> {
        let flags = [
            ("--creds", self.creds.is_some()),
            ("--nkey", self.nkey.is_some()),
            ("--user", self.user.is_some()),
            ("--tls-ca", self.tls_ca.is_some()),
            ("--tls-cert", self.tls_cert.is_some()),
            ("--tls-first", self.tls_first),
            ("--js-api-prefix", self.js_api_prefix.is_some()),
            ("--js-domain", self.js_domain.is_some()),
            ("--inbox-prefix", self.inbox_prefix.is_some()),
            ("--monitor-creds", self.monitor_creds.is_some()),
            ("--monitor-context", self.monitor_context.is_some()),
            ("--monitor-user", self.monitor_user.is_some()),
        ];
        let flags = flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag.to_owned());
        let variables = product.variables;
        let given = variables.entry.iter().filter(|name| set(environment, name).is_some());
        let all: Vec<String> = flags.chain(given.map(|name| format!("${name}"))).collect();
        if all.is_empty() {
            return Ok(());
        }
        let context = variables.context.map(|name| format!(", ${name}")).unwrap_or_default();
        Err(SessionError::Asked(format!(
            "{} {} for a bus that tickgate does not start, and nothing says where it is; name it with --broker or \
             ${}{context}, or take a server of tickgate's own with --broker local",
            all.join(", "),
            if all.len() == 1 { "is" } else { "are" },
            variables.address
        )))
    }

    /// Returns the request with the bus of any product named: by the request, else by the environment.
    ///
    /// # Errors
    /// When variables name buses of several products.
    pub(crate) fn of_any_product(&self, environment: Environment<'_>) -> Result<Self, SessionError> {
        if self.at.is_some() || self.context.is_some() {
            return Ok(self.clone());
        }
        let named = PRODUCTS.iter().filter_map(|of| Some((of, self.by_environment(of, environment)?)));
        match named.collect::<Vec<_>>().as_slice() {
            [] => Ok(self.clone()),
            [(_, named)] => Ok(named.clone()),
            [(one, _), (other, _), ..] => Err(SessionError::Asked(format!(
                "${} and ${} both name a bus; say with --broker which one is meant",
                one.variables.address, other.variables.address
            ))),
        }
    }
}
