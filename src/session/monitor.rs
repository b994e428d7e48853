//! Monitors the nodes of a NATS bus that tickgate did not start, through the endpoints that the user named.

use super::asked::Asked;
use super::error::SessionError;
use super::target::{Going, Target};
use crate::broker::{BrokerError, Endpoint, Nodes, watch};
use crate::bus::leftover::Cleaner;
use crate::bus::{BusError, Model, nats};
use crate::host::clock::Clock;
use crate::record::Record;

/// What to do when an endpoint does not answer.
const HINT: &str = "check the address: `http_port` in the server's configuration opens it, 8222 by custom, and clients use \
                    another port; or leave out --monitor, and CPU and memory of the broker are unknown";

/// Parses the named endpoints and removes duplicates.
pub(super) fn endpoints(asked: &Asked) -> Result<Vec<Endpoint>, SessionError> {
    let mut all: Vec<Endpoint> = Vec::new();
    for text in &asked.monitor {
        let endpoint: Endpoint =
            text.parse().map_err(|problem| SessionError::Asked(format!("--monitor: {problem}")))?;
        if all.contains(&endpoint) {
            return Err(SessionError::Asked(format!("--monitor names {endpoint} twice")));
        }
        all.push(endpoint);
    }
    Ok(all)
}

/// A NATS target with monitoring endpoints.
#[derive(Debug)]
pub(super) struct Monitored {
    pub(super) target: nats::Target,
    pub(super) endpoints: Vec<Endpoint>,
}

impl Target for Monitored {
    fn label(&self) -> &str {
        self.target.label()
    }

    fn hosts(&self) -> Vec<String> {
        self.target.hosts()
    }

    fn run(&self, going: Going<'_, '_>) -> Result<Record, SessionError> {
        self.target.run(going)
    }

    fn model(&self, stream: &str) -> Result<Model, BusError> {
        Target::model(&self.target, stream)
    }

    fn cleaner(&self) -> Result<Box<dyn Cleaner>, BusError> {
        self.target.cleaner()
    }

    fn nodes(&self, clock: Clock) -> Result<Nodes, SessionError> {
        watch(&self.endpoints, clock).map_err(|error| match error {
            BrokerError::SameNode { .. } => SessionError::asked(format!("--monitor: {error}")),
            error => BusError::Environment { problem: error.to_string(), hint: HINT.into() }.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_and_none_twice() {
        let named = |urls: &[&str]| {
            let monitor = urls.iter().map(|&url| url.to_owned()).collect();
            endpoints(&Asked { monitor, ..Asked::default() }).map_err(|error| error.to_string())
        };
        assert_eq!(named(&[]).unwrap().len(), 0);
        assert_eq!(named(&["http://a:8222", "b"]).unwrap().len(), 2);
        assert!(named(&["http://a", "a:8222"]).unwrap_err().contains("http://a:8222 twice"));
        assert!(named(&["https://a"]).unwrap_err().starts_with("--monitor: `https` is not supported"));
    }
}
