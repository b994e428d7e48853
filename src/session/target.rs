//! A bus to connect to, of any product, and the run on it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use super::error::SessionError;
use super::nodes;
use super::terms::Terms;
use crate::broker::Nodes;
use crate::bus::leftover::Cleaner;
use crate::bus::{Bus, BusError, Model};
use crate::host::clock::Clock;
use crate::record::{self, Record};
use crate::run::{self, Broker, Job, Observer, RunError};

/// Reads a variable of the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where a bus is, and how to get in; shows no secret.
pub trait Target: fmt::Debug + Send + Sync {
    /// What to call it in reports.
    fn label(&self) -> &str;

    /// `host:port` of each of its addresses.
    fn hosts(&self) -> Vec<String>;

    /// Connects, and hands the bus to the run with [`Going::on`].
    ///
    /// # Errors
    /// When the load could not be started.
    fn run(&self, going: Going<'_, '_>) -> Result<Record, SessionError>;

    /// The configuration of a stream that is there, and of its consumers.
    ///
    /// # Errors
    /// When there is no such stream, or the product has none.
    fn model(&self, stream: &str) -> Result<Model, BusError> {
        Err(BusError::Plan {
            problem: format!("the configuration of {stream} cannot be copied from this bus"),
            hint: "leave `like` out".to_owned(),
        })
    }

    /// What finds and removes the leftovers of killed runs there.
    ///
    /// # Errors
    /// When it cannot be reached.
    fn cleaner(&self) -> Result<Box<dyn Cleaner>, BusError>;

    /// Starts to watch its nodes, where they can be watched.
    ///
    /// # Errors
    /// When one that was named does not answer.
    fn nodes(&self, _clock: Clock) -> Result<Nodes, SessionError> {
        Ok(Nodes::default())
    }
}

/// A bus that tickgate did not start.
#[derive(Debug)]
pub struct Elsewhere {
    /// Where it is.
    pub target: Box<dyn Target>,
    /// As a record names the way to it: `url`, `context NAME`.
    pub mode: String,
    /// Warnings.
    pub warnings: Vec<String>,
}

impl Elsewhere {
    /// As the engine knows it: only the nodes that were named can be watched. Also returns warnings about these.
    pub(super) fn watched(&self, product: &str, clock: Clock) -> Result<(Broker, Vec<String>), SessionError> {
        let nodes = self.target.nodes(clock)?;
        let mut record = record::Broker {
            kind: product.into(),
            mode: self.mode.clone(),
            address: self.target.label().to_owned(),
            ..record::Broker::default()
        };
        let warnings = nodes::enter(&nodes, &mut record);
        Ok((Broker { record, nodes, ..Broker::default() }, warnings))
    }
}

/// Facts known before a connection, most of them only of a server that tickgate started.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// It forces every event to the disk, or it does not.
    pub sync_always: Option<bool>,
    /// Its version, where the protocol does not report it.
    pub version: Option<String>,
    /// Where it keeps its events.
    pub store: Option<PathBuf>,
    /// Whose configuration the run's stream and consumers copy.
    pub model: Option<Model>,
}

/// A run that waits for its bus.
pub struct Going<'a, 'o> {
    /// What to do.
    pub job: Job<'a>,
    /// On which terms the bus may be used.
    pub terms: Terms,
    /// Facts about the server.
    pub known: Known,
    pub(super) broker: Broker,
    pub(super) observers: &'a mut [&'o mut dyn Observer],
}

impl Going<'_, '_> {
    /// Runs on a bus that is connected. What a client says of a server of our own that has died is a consequence: the
    /// death is the error.
    ///
    /// # Errors
    /// When it is not connected, or the load could not be started.
    pub fn on<B: Bus + Send + 'static>(self, bus: Result<B, BusError>) -> Result<Record, SessionError> {
        match bus {
            Ok(bus) => Ok(run::run(self.job, bus, self.broker, self.observers)?),
            Err(error) => {
                let died = self.broker.alive.as_ref().and_then(|alive| alive().err());
                Err(died.map_or_else(|| error.into(), |why| RunError::BrokerDied { why }.into()))
            }
        }
    }
}

/// Warnings about a secret that others can see: on the command line, or sent unencrypted.
pub(super) fn exposure<'a>(
    on_the_command_line: bool,
    unencrypted: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let visible = on_the_command_line.then(|| {
        "other users of this machine can read the credentials on the command line while this runs; give them by the \
         environment, a file or a context"
            .to_owned()
    });
    let local = |host: &str| {
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, _)) => name,
            None => host.split_once(':').map_or(host, |(name, _)| name),
        };
        name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    let far =
        unencrypted.map(|at| at.split_once("://").map_or(at, |(_, host)| host)).find(|host| !local(host));
    let far = far.map(|host| format!("the credentials travel unencrypted to {host}; use TLS"));
    visible.into_iter().chain(far).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shows_a_secret_is_told_so() {
        let told = |visible, urls: &[&str]| exposure(visible, urls.iter().copied()).join("; ");
        assert_eq!(told(false, &["nats://127.0.0.1:1", "nats://[::1]:1", "localhost:1"]), "");
        assert!(
            told(false, &["nats://localhost:1", "nats://bus.example:4222"]).contains("to bus.example:4222;")
        );
        assert!(told(false, &["[fe80::1]:9092"]).contains("to [fe80::1]:9092;"));
        assert!(told(true, &[]).contains("on the command line"));
    }
}
