//! A bus of any product to connect to, and the run on it.

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

/// Reads an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Location of a bus and the credentials for it; its `Debug` output shows no secret.
pub trait Target: fmt::Debug + Send + Sync {
    /// Returns the name of the bus for reports.
    fn label(&self) -> &str;

    /// Returns `host:port` of each address.
    fn hosts(&self) -> Vec<String>;

    /// Connects, and passes the bus to the run with [`Going::on`].
    ///
    /// # Errors
    /// When the load could not be started.
    fn run(&self, going: Going<'_, '_>) -> Result<Record, SessionError>;

    /// Returns the configuration of an existing stream and of its consumers, or of a topic.
    ///
    /// # Errors
    /// When there is none of that name, or the product has no such thing.
    fn model(&self, stream: &str) -> Result<Model, BusError> {
        Err(BusError::Plan {
            problem: format!("the configuration of {stream} cannot be copied from this bus"),
            hint: "leave `like` out".to_owned(),
        })
    }

    /// Returns a cleaner that finds and removes leftovers of killed runs on this bus.
    ///
    /// # Errors
    /// When the bus cannot be reached.
    fn cleaner(&self) -> Result<Box<dyn Cleaner>, BusError>;

    /// Starts to monitor the nodes, if they can be monitored.
    ///
    /// # Errors
    /// When a named node does not answer.
    fn nodes(&self, _clock: Clock) -> Result<Nodes, SessionError> {
        Ok(Nodes::default())
    }
}

/// A bus that tickgate did not start.
#[derive(Debug)]
pub struct Elsewhere {
    /// Location and credentials.
    pub target: Box<dyn Target>,
    /// Connection mode for a record: `url`, `context NAME`.
    pub mode: String,
    /// Warnings.
    pub warnings: Vec<String>,
}

impl Elsewhere {
    /// Returns the engine's view of the bus, and warnings about it; only named nodes can be monitored.
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

/// Facts known before connecting, most of them only about a server that tickgate started.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Whether the server forces every event to the disk.
    pub sync_always: Option<bool>,
    /// Version, if the protocol does not report it.
    pub version: Option<String>,
    /// Locations of the event stores of all nodes.
    pub stores: Vec<PathBuf>,
    /// Configuration that what the run creates copies, or of what it attaches to.
    pub model: Option<Model>,
}

/// A run that waits for its bus.
pub struct Going<'a, 'o> {
    /// The work of the run.
    pub job: Job<'a>,
    /// Terms of use of the bus.
    pub terms: Terms,
    /// Facts about the server.
    pub known: Known,
    pub(super) broker: Broker,
    pub(super) observers: &'a mut [&'o mut dyn Observer],
}

impl Going<'_, '_> {
    /// Runs on a connected bus. If a server that tickgate started has died, returns its death as the error, not the
    /// client error that follows from it.
    ///
    /// # Errors
    /// When the bus is not connected, or the load could not be started.
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

/// Returns warnings about a secret that is visible to others: on the command line, or sent unencrypted.
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
