//! A broker that tickgate has started: what a run, a fault or a user of the library may do with it, whatever it is.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::BrokerError;
use crate::host::resources::Meter;

/// One broker process of a server, which may be paused, killed and restarted by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is called in a record: `nats-server`, `kafka`.
    pub name: String,
    /// `host:port` for its clients.
    pub address: String,
    /// The number of its process, where it is one of this machine; another one after a restart.
    pub pid: Option<u32>,
    /// The name of its container, where it runs in one.
    pub container: Option<String>,
}

/// A broker that tickgate has started; dropping it ends all of its nodes and removes what they stored.
///
/// A node is named by its place in [`Self::nodes`], which it keeps.
pub trait Server: Send {
    /// Its nodes: at least one.
    fn nodes(&self) -> Vec<Node>;

    /// Where clients connect.
    fn url(&self) -> String;

    /// Whether every node still runs (a paused one does). Returns at once.
    ///
    /// # Errors
    /// When one does not: with its exit status and the last lines of its log.
    fn alive(&mut self) -> Result<(), BrokerError>;

    /// Stops a node in its tracks: connections stay, and nothing answers.
    ///
    /// # Errors
    /// When it has ended.
    fn pause(&mut self, node: usize) -> Result<(), BrokerError>;

    /// Lets a node go on after a pause.
    ///
    /// # Errors
    /// When it has ended.
    fn resume(&mut self, node: usize) -> Result<(), BrokerError>;

    /// Kills a node, as a crash would; what it stored stays.
    ///
    /// # Errors
    /// When the system refuses.
    fn kill(&mut self, node: usize) -> Result<(), BrokerError>;

    /// Starts a node again with the same store and the same address; first stops it, if it runs. Returns when it takes
    /// clients, which may take a minute: never call it on the thread that pumps a run.
    ///
    /// # Errors
    /// When it is not ready again in time.
    fn restart(&mut self, node: usize) -> Result<(), BrokerError>;

    /// Ends all nodes in an orderly way, or kills them where that takes too long. What they stored stays.
    ///
    /// # Errors
    /// When the system refuses.
    fn stop(&mut self) -> Result<(), BrokerError>;

    /// Reads what the nodes have used so far, by the name of the node; nothing where that cannot be seen.
    fn meters(&self) -> Vec<(String, Meter)>;

    /// What the user should know.
    fn warnings(&self) -> &[String];

    /// What is known of it that matters to figures, as (name, value).
    fn facts(&self) -> &[(String, String)] {
        &[]
    }

    /// Its version, where the protocol does not tell its clients.
    fn version(&self) -> Option<String> {
        None
    }

    /// Where it keeps its events, where that can be seen from here.
    fn store(&self) -> Option<PathBuf> {
        None
    }
}

/// Refuses to name a node of a server that has only one, unless it is that one.
pub(super) fn only(node: usize) -> Result<(), BrokerError> {
    if node == 0 { Ok(()) } else { Err(BrokerError::NoNode { node, nodes: 1 }) }
}

/// A server that several threads hold: one watches it, others act on it.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Box<dyn Server>>>);

impl Shared {
    /// Shares a server; the last to let it go ends it.
    #[must_use]
    pub fn new(server: Box<dyn Server>) -> Self {
        Self(Arc::new(Mutex::new(server)))
    }

    /// The server for oneself; waits while another thread acts on it.
    pub fn hold(&self) -> MutexGuard<'_, Box<dyn Server>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// [`Server::alive`], without waiting: while somebody acts on it, nobody judges it.
    ///
    /// # Errors
    /// As there.
    pub fn alive(&self) -> Result<(), BrokerError> {
        match self.0.try_lock() {
            Ok(mut server) => server.alive(),
            Err(TryLockError::Poisoned(server)) => server.into_inner().alive(),
            Err(TryLockError::WouldBlock) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that has died.
    struct Dead;

    impl Server for Dead {
        fn nodes(&self) -> Vec<Node> {
            Vec::new()
        }
        fn url(&self) -> String {
            String::new()
        }
        fn alive(&mut self) -> Result<(), BrokerError> {
            Err(BrokerError::Interrupted)
        }
        fn pause(&mut self, node: usize) -> Result<(), BrokerError> {
            only(node)
        }
        fn resume(&mut self, node: usize) -> Result<(), BrokerError> {
            only(node)
        }
        fn kill(&mut self, node: usize) -> Result<(), BrokerError> {
            only(node)
        }
        fn restart(&mut self, node: usize) -> Result<(), BrokerError> {
            only(node)
        }
        fn stop(&mut self) -> Result<(), BrokerError> {
            Ok(())
        }
        fn meters(&self) -> Vec<(String, Meter)> {
            Vec::new()
        }
        fn warnings(&self) -> &[String] {
            &[]
        }
    }

    #[test]
    fn nobody_is_kept_waiting_by_a_server_that_somebody_acts_on() {
        let shared = Shared::new(Box::new(Dead));
        assert!(shared.alive().is_err());
        let held = shared.hold();
        assert!(shared.alive().is_ok());
        drop(held);
        assert!(std::thread::scope(|scope| scope.spawn(|| shared.alive().is_err()).join().unwrap()));
    }

    #[test]
    fn a_node_that_is_not_there_is_named() {
        assert!(Dead.pause(0).is_ok());
        assert_eq!(Dead.kill(3).unwrap_err().to_string(), "there is no node 3: the broker has 1");
    }
}
