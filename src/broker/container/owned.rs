//! The objects that a run creates on the engine, and the labels that identify them: nothing else is removed.

use std::collections::HashMap;

use bollard::errors::Error;
use bollard::models::NetworkCreateRequest;
use bollard::query_parameters::{ListNetworksOptionsBuilder, RemoveContainerOptionsBuilder};

use super::super::BrokerError;
use super::engine::Engine;

/// Label, with its value, of everything that tickgate creates.
const LABEL: (&str, &str) = ("tickgate", "broker");
/// Label with the name of the broker that an object belongs to.
const NAME_LABEL: &str = "tickgate.broker";

/// Returns the labels of the broker with this name.
pub(super) fn labels(name: &str) -> HashMap<String, String> {
    [LABEL, (NAME_LABEL, name)].map(|(label, value)| (label.to_owned(), value.to_owned())).into()
}

/// Returns whether an object has the labels of the broker with this name.
fn is_of(name: &str, found: Option<&HashMap<String, String>>) -> bool {
    found.is_some_and(|found| labels(name).iter().all(|(label, value)| found.get(label) == Some(value)))
}

impl Engine {
    /// Creates a network for the broker with this name only, and returns the network's ID.
    pub(super) fn make_network(&self, name: &str) -> Result<String, BrokerError> {
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".into()),
            labels: Some(labels(name)),
            ..NetworkCreateRequest::default()
        };
        let made = self.wait("make a network for the container", self.docker.create_network(request))?;
        Ok(made.id)
    }

    /// Removes the container with this name, running or not, its volume and its network; returns whether there was a
    /// container.
    ///
    /// # Errors
    /// When tickgate did not create the container under this name, or the engine refuses.
    pub(super) fn remove(&self, name: &str) -> Result<bool, BrokerError> {
        let was_there = self.remove_container(name)?;
        self.remove_networks(name)?;
        Ok(was_there)
    }

    fn remove_container(&self, name: &str) -> Result<bool, BrokerError> {
        let looking = absent(self.docker.inspect_container(name, None));
        let Some(found) = self.wait("look at the container", looking)? else { return Ok(false) };
        if !is_of(name, found.config.and_then(|config| config.labels).as_ref()) {
            return Err(BrokerError::NotOurs { what: format!("container {name}"), name: name.to_owned() });
        }
        // Remove it by ID: another container may have taken the name.
        let id = found.id.unwrap_or_default();
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removing = absent(self.docker.remove_container(&id, Some(options)));
        self.wait("remove the container", removing).map(|done| done.is_some())
    }

    fn remove_networks(&self, name: &str) -> Result<(), BrokerError> {
        let wanted = labels(name).into_iter().map(|(label, value)| format!("{label}={value}")).collect();
        let filters = HashMap::from([("label".to_owned(), wanted)]);
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let found = self.wait("list the networks", self.docker.list_networks(Some(options)))?;
        let ours = found.into_iter().filter(|network| is_of(name, network.labels.as_ref()));
        for id in ours.filter_map(|network| network.id) {
            self.wait("remove the container's network", absent(self.docker.remove_network(&id)))?;
        }
        Ok(())
    }
}

/// Returns `None` if the object is gone or already being removed.
async fn absent<T>(what: impl Future<Output = Result<T, Error>>) -> Result<Option<T>, Error> {
    match what.await {
        Ok(done) => Ok(Some(done)),
        Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_both_labels_is_of_a_broker() {
        let mark = |all: &[(&str, &str)]| -> HashMap<String, String> {
            all.iter().map(|&(label, value)| (label.to_owned(), value.to_owned())).collect()
        };
        let of = |all: &[(&str, &str)]| is_of("tickgate-1", Some(&mark(all)));
        assert!(is_of("tickgate-1", Some(&labels("tickgate-1"))));
        assert!(of(&[("tickgate", "broker"), ("tickgate.broker", "tickgate-1"), ("more", "")]));
        for other in [
            &[][..],
            &[("tickgate", "broker")],
            &[("tickgate.broker", "tickgate-1")],
            &[("tickgate", "broker"), ("tickgate.broker", "tickgate-2")],
            &[("tickgate", "1"), ("tickgate.broker", "tickgate-1")],
        ] {
            assert!(!of(other), "{other:?}");
        }
        assert!(!is_of("tickgate-1", None));
    }
}
