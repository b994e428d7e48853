//! A broker that tickgate started: the operations of a run, a fault or a user of the library, for any product.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::BrokerError;
use super::link::Links;
use super::roles::Probe;
use crate::host::resources::Meter;
use crate::record::LostFiles;

/// One broker process of a server, which can be paused, killed and restarted separately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Name in a record: `nats-server`, `kafka`.
    pub name: String,
    /// `host:port` for clients.
    pub address: String,
    /// Process ID, if the process runs on this machine; it changes with a restart.
    pub pid: Option<u32>,
    /// Name of the container, if the node runs in one.
    pub container: Option<String>,
}

/// What is done to the process of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It is asked to end (SIGTERM), and killed if that takes too long; returns when it has ended.
    Terminate,
    /// It is asked to move its clients and to end by itself (SIGUSR2); returns at once.
    LameDuck,
    /// From its next start on it runs another version of the server.
    Upgrade,
    /// From now on its writes to files fail.
    FailWrites,
    /// Its writes are possible again.
    AllowWrites,
}

/// A broker that tickgate started; dropping it ends all of its nodes and removes their stores.
///
/// A node is identified by its index in [`Self::nodes`], which does not change.
pub trait Server: Send {
    /// Returns the nodes: at least one.
    fn nodes(&self) -> Vec<Node>;

    /// Returns the URL for clients.
    fn url(&self) -> String;

    /// Checks that enough nodes still run (a paused one does): the only one, or a majority of a cluster. Returns
    /// immediately.
    ///
    /// # Errors
    /// When too few run: with the exit status and the last lines of the log of one that has ended.
    fn alive(&mut self) -> Result<(), BrokerError>;

    /// Returns the nodes of a cluster that have ended by themselves since the last call. Returns immediately.
    fn died(&mut self) -> Vec<Died> {
        Vec::new()
    }

    /// Pauses a node: connections stay open, and nothing answers.
    ///
    /// # Errors
    /// When the node has ended.
    fn pause(&mut self, node: usize) -> Result<(), BrokerError>;

    /// Resumes a node after a pause.
    ///
    /// # Errors
    /// When the node has ended.
    fn resume(&mut self, node: usize) -> Result<(), BrokerError>;

    /// Kills a node, as a crash would; stored data stays.
    ///
    /// # Errors
    /// When the system refuses.
    fn kill(&mut self, node: usize) -> Result<(), BrokerError>;

    /// Restarts a node with the same store and the same address, stopping it first if it runs. Returns when it accepts
    /// clients, which may take a minute: never call this on the thread that pumps a run.
    ///
    /// # Errors
    /// When the node is not ready again in time.
    fn restart(&mut self, node: usize) -> Result<(), BrokerError>;

    /// Does something to the process of a node.
    ///
    /// # Errors
    /// When the node has ended, when the system refuses, or when the broker cannot do this.
    fn carry_out(&mut self, _node: usize, _deed: Deed) -> Result<(), BrokerError> {
        Err(BrokerError::NoSuchControl)
    }

    /// Cuts the store of a node back to what was on the disk, after the node was killed.
    ///
    /// # Errors
    /// When the node runs, when what was synced is not known, or when the broker cannot do this.
    fn lose_unsynced(&mut self, _node: usize) -> Result<LostFiles, BrokerError> {
        Err(BrokerError::NoSuchControl)
    }

    /// Sets whether the end of a node is planned: then it counts neither as the node's death nor against the majority.
    fn expect_end(&mut self, _node: usize, _expected: bool) {}

    /// Starts a node that has ended, with the same store and the same address; does not wait until it accepts clients.
    ///
    /// # Errors
    /// When it cannot be started.
    fn launch(&mut self, _node: usize) -> Result<(), BrokerError> {
        Err(BrokerError::NoSuchControl)
    }

    /// Returns whether a node that was launched accepts clients.
    ///
    /// # Errors
    /// When it has ended.
    fn is_open(&mut self, _node: usize) -> Result<bool, BrokerError> {
        Err(BrokerError::NoSuchControl)
    }

    /// Returns whether the process of a node runs, a paused one included. Returns immediately.
    fn runs(&mut self, _node: usize) -> bool {
        true
    }

    /// Returns how to ask each node for its state, in the order of [`Self::nodes`]; they stay valid over restarts.
    fn probes(&self) -> Vec<Arc<dyn Probe>> {
        Vec::new()
    }

    /// Returns the links that go through proxies, if some do; they stay valid over restarts.
    fn links(&self) -> Option<Arc<Links>> {
        None
    }

    /// Stops all nodes in an orderly way, or kills them if that takes too long. Stored data stays.
    ///
    /// # Errors
    /// When the system refuses.
    fn stop(&mut self) -> Result<(), BrokerError>;

    /// Reads the resource use of the nodes so far, by the node's name; empty if it is not visible.
    fn meters(&self) -> Vec<(String, Meter)>;

    /// Returns warnings for the user.
    fn warnings(&self) -> &[String];

    /// Returns facts that affect measured figures, as (name, value).
    fn facts(&self) -> &[(String, String)] {
        &[]
    }

    /// Returns the version, if the protocol does not report it to clients.
    fn version(&self) -> Option<String> {
        None
    }

    /// Leaves the stores of all nodes where they are when the broker is dropped, as far as they are directories of this machine.
    fn keep_stores(&mut self) {}

    /// Returns the directories of the event stores of all nodes, as far as they are visible from here.
    fn stores(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// A node that has ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Died {
    /// Name of the node.
    pub node: String,
    /// Its exit code or signal.
    pub status: String,
    /// Its log.
    pub log: PathBuf,
}

/// Returns the log of one node of a cluster, by its index: `broker-1.log` for `broker.log` and 0.
#[must_use]
pub fn node_log(log: &Path, node: usize) -> PathBuf {
    let part =
        |part: Option<&OsStr>| part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default();
    let (stem, ending) = (part(log.file_stem()), part(log.extension()));
    log.with_file_name(format!("{stem}-{}.{ending}", node + 1))
}

/// Refuses any index but 0, for a server with only one node.
pub(super) fn only(node: usize) -> Result<(), BrokerError> {
    if node == 0 { Ok(()) } else { Err(BrokerError::NoNode { node, nodes: 1 }) }
}

/// A server that several threads share: one monitors it, others act on it.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Box<dyn Server>>>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    /// Shares a server; dropping the last reference ends it.
    #[must_use]
    pub fn new(server: Box<dyn Server>) -> Self {
        Self(Arc::new(Mutex::new(server)))
    }

    /// Locks the server; waits while another thread acts on it.
    pub fn hold(&self) -> MutexGuard<'_, Box<dyn Server>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the server unless another thread acts on it.
    #[must_use]
    pub fn try_hold(&self) -> Option<MutexGuard<'_, Box<dyn Server>>> {
        match self.0.try_lock() {
            Ok(server) => Some(server),
            Err(TryLockError::Poisoned(server)) => Some(server.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Like [`Server::alive`], without waiting: returns success while another thread acts on the server.
    ///
    /// # Errors
    /// As [`Server::alive`].
    pub fn alive(&self) -> Result<(), BrokerError> {
        self.try_hold().map_or(Ok(()), |mut server| server.alive())
    }

    /// Like [`Server::died`], without waiting: returns nothing while another thread acts on the server.
    #[must_use]
    pub fn died(&self) -> Vec<Died> {
        self.try_hold().map_or_else(Vec::new, |mut server| server.died())
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
    fn each_node_has_a_log_beside_the_others() {
        assert_eq!(node_log(Path::new("/r/broker.log"), 0), Path::new("/r/broker-1.log"));
        assert_eq!(
            node_log(Path::new("/t/tickgate-x-broker.log"), 2),
            Path::new("/t/tickgate-x-broker-3.log")
        );
    }

    #[test]
    fn a_node_that_is_not_there_is_named() {
        assert!(Dead.pause(0).is_ok());
        assert_eq!(Dead.kill(3).unwrap_err().to_string(), "there is no node 3: the broker has 1");
    }
}
