//! Several servers of a product that form a cluster on loopback: nodes with a process, ports, a store, a log and a reaper each.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::BrokerError;
use super::link::Links;
use super::process::child::{Child, STORE};
use super::roles::Probe;
use super::server::{Deed, Died, Node, Server};
use crate::host::resources::Meter;
use crate::plan;
use crate::record::LostFiles;

/// Time between two rounds of questions to nodes that are not ready.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A server that can be a node of a cluster.
pub(in crate::broker) trait Member: fmt::Debug + Send {
    /// What a node says of itself.
    type View;
    /// The product, in the plural, for errors.
    const SERVERS: &'static str;
    /// Maximum time from the start to ready.
    const READY_WITHIN: Duration;

    /// Returns the name, as in monitoring data.
    fn name(&self) -> &str;

    /// Returns the address for clients, `host:port`.
    fn address(&self) -> String;

    /// Starts the process; does not wait until it is ready.
    ///
    /// # Errors
    /// When it cannot be started.
    fn begin(&mut self) -> Result<(), BrokerError>;

    /// Returns whether the running process accepts clients.
    fn has_opened(&self) -> bool;

    /// Asks the node for its state.
    fn view(&self) -> Self::View;

    /// Returns what nodes lack to be ready, each with its name; empty if they are ready.
    fn missing(views: &[Self::View]) -> Vec<String>;

    /// Returns how to ask the node for its state; stays valid over restarts.
    fn probe(&self) -> Arc<dyn Probe>;

    /// Returns the directory of the events.
    fn store(&self) -> PathBuf;

    /// Does something to the process.
    ///
    /// # Errors
    /// When the node has ended, when the system refuses, or when the product cannot do this.
    fn carry_out(&mut self, deed: Deed) -> Result<(), BrokerError>;

    /// Returns the process.
    fn child(&self) -> &Child;

    /// Returns the process, to act on it.
    fn child_mut(&mut self) -> &mut Child;
}

/// A running cluster with its stores; dropping it ends all nodes and removes their stores.
#[derive(Debug)]
#[expect(private_bounds, reason = "a product of tickgate alone can be a member")]
pub struct ServerCluster<M: Member> {
    nodes: Vec<Placed<M>>,
    url: String,
    version: Option<String>,
    facts: Vec<(String, String)>,
    warnings: Vec<String>,
    links: Option<Arc<Links>>,
}

/// A node, and what is known of its end.
#[derive(Debug)]
struct Placed<M> {
    server: M,
    /// It was ended through [`Server`], or its end is already reported.
    known_ended: bool,
}

#[expect(private_bounds, reason = "a product of tickgate alone can be a member")]
impl<M: Member> ServerCluster<M> {
    /// Makes a cluster of servers that are not started yet.
    pub(super) fn of(
        servers: Vec<M>,
        url: String,
        version: Option<String>,
        mut facts: Vec<(String, String)>,
    ) -> Self {
        let named = |server: &M| format!("{} {}", server.name(), server.address());
        facts.push(("nodes".to_owned(), servers.iter().map(named).collect::<Vec<_>>().join(", ")));
        let nodes = servers.into_iter().map(|server| Placed { server, known_ended: false }).collect();
        Self { nodes, url, version, facts, warnings: Vec::new(), links: None }
    }

    /// With the proxies that the nodes are linked through, if they are.
    pub(super) fn linked(mut self, links: Option<Links>) -> Self {
        self.links = links.map(Arc::new);
        self
    }

    /// Starts all servers, and returns when they are ready.
    ///
    /// # Errors
    /// When one ends, or when they are not ready in time.
    pub(super) fn begin(&mut self) -> Result<(), BrokerError> {
        for placed in &mut self.nodes {
            placed.server.begin()?;
        }
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        self.until_ready(&all)?;
        let each: Vec<String> =
            self.servers().flat_map(|server| server.child().warnings().to_vec()).collect();
        self.warn(each);
        Ok(())
    }

    /// Adds warnings, each once.
    pub(super) fn warn(&mut self, warnings: impl IntoIterator<Item = String>) {
        for warning in warnings {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
    }

    /// Returns the servers, in the order of the nodes.
    pub(super) fn servers(&self) -> impl Iterator<Item = &M> {
        self.nodes.iter().map(|placed| &placed.server)
    }

    /// Returns the name of a node's server, as in its monitoring data and in a stream's leader.
    #[must_use]
    pub fn name(&self, node: usize) -> Option<&str> {
        self.nodes.get(node).map(|placed| placed.server.name())
    }

    /// Waits until these nodes are ready.
    fn until_ready(&mut self, which: &[usize]) -> Result<(), BrokerError> {
        let deadline = Instant::now() + M::READY_WITHIN;
        loop {
            let mut views = Vec::new();
            for index in which {
                let Some(placed) = self.nodes.get_mut(*index) else { continue };
                let child = placed.server.child_mut();
                if let Some(status) = child.exit_status()? {
                    return Err(child.ended(status, "before it was ready"));
                }
                views.push(placed.server.view());
            }
            let missing = M::missing(&views);
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(BrokerError::ClusterNotReady {
                    servers: M::SERVERS,
                    nodes: self.nodes.len(),
                    seconds: M::READY_WITHIN.as_secs(),
                    missing: missing.join("; "),
                });
            }
            std::thread::sleep(ASK_EVERY);
        }
    }

    /// Waits until a node accepts clients.
    fn until_open(&mut self, node: usize) -> Result<(), BrokerError> {
        let deadline = Instant::now() + M::READY_WITHIN;
        while !self.is_open(node)? {
            if Instant::now() >= deadline {
                return Err(BrokerError::ClusterNotReady {
                    servers: M::SERVERS,
                    nodes: 1,
                    seconds: M::READY_WITHIN.as_secs(),
                    missing: format!("{} has not opened its ports", self.name(node).unwrap_or_default()),
                });
            }
            std::thread::sleep(ASK_EVERY);
        }
        Ok(())
    }

    /// Returns the indices of the nodes that run and are not paused.
    fn running(&mut self) -> Vec<usize> {
        let all = self.nodes.iter_mut().enumerate();
        let working = |placed: &mut Placed<M>| {
            let child = placed.server.child_mut();
            child.runs() && child.process().is_some_and(|process| !process.is_stopped())
        };
        all.filter_map(|(index, placed)| working(placed).then_some(index)).collect()
    }

    fn member(&mut self, node: usize) -> Result<&mut Placed<M>, BrokerError> {
        let nodes = self.nodes.len();
        self.nodes.get_mut(node).ok_or(BrokerError::NoNode { node, nodes })
    }

    /// Returns the nodes that have ended, each with its exit code or signal.
    fn ended(&mut self) -> Result<Vec<(usize, ExitStatus)>, BrokerError> {
        let mut ended = Vec::new();
        for (index, placed) in self.nodes.iter_mut().enumerate() {
            ended.extend(placed.server.child_mut().exit_status()?.map(|status| (index, status)));
        }
        Ok(ended)
    }
}

impl<M: Member> Server for ServerCluster<M> {
    fn nodes(&self) -> Vec<Node> {
        let node = |server: &M| Node {
            name: server.name().to_owned(),
            address: server.address(),
            pid: server.child().process().map(|process| process.pid()),
            container: None,
        };
        self.servers().map(node).collect()
    }

    fn url(&self) -> String {
        self.url.clone()
    }

    fn alive(&mut self) -> Result<(), BrokerError> {
        let mut ended = self.ended()?;
        // Those of a planned end come back.
        ended.retain(|(index, _)| {
            self.nodes.get(*index).is_none_or(|placed| !placed.server.child().end_is_expected())
        });
        let nodes = self.nodes.len();
        if nodes - ended.len() >= plan::Cluster::majority(nodes) {
            return Ok(());
        }
        let name = |index: usize| self.name(index).unwrap_or_default().to_owned();
        let each = ended.iter().map(|(index, status)| format!("{} ended ({status})", name(*index)));
        let last = ended.last().map_or(0, |(index, _)| *index);
        Err(BrokerError::NoMajority {
            nodes,
            ended: each.collect::<Vec<_>>().join(", "),
            node: name(last),
            log: self.nodes.get(last).map(|placed| placed.server.child().last_lines()).unwrap_or_default(),
        })
    }

    fn died(&mut self) -> Vec<Died> {
        let mut died = Vec::new();
        for (index, status) in self.ended().unwrap_or_default() {
            if let Some(placed) = self.nodes.get_mut(index).filter(|placed| !placed.known_ended) {
                placed.known_ended = true;
                let child = placed.server.child();
                if child.end_is_expected() {
                    continue;
                }
                died.push(Died {
                    node: placed.server.name().to_owned(),
                    status: status.to_string(),
                    log: child.log().to_owned(),
                });
            }
        }
        died
    }

    fn pause(&mut self, node: usize) -> Result<(), BrokerError> {
        self.member(node)?.server.child_mut().pause()
    }

    fn resume(&mut self, node: usize) -> Result<(), BrokerError> {
        self.member(node)?.server.child_mut().resume()
    }

    fn kill(&mut self, node: usize) -> Result<(), BrokerError> {
        let placed = self.member(node)?;
        placed.known_ended = true;
        placed.server.child_mut().kill()
    }

    /// Restarts a node. It returns when the node is healthy and current in the cluster again (its copies of streams may take a
    /// moment longer), or, where no majority runs, when it accepts clients: without a majority there is no leader, and no node
    /// is healthy.
    fn restart(&mut self, node: usize) -> Result<(), BrokerError> {
        let placed = self.member(node)?;
        placed.known_ended = true;
        placed.server.child_mut().stop()?;
        placed.server.begin()?;
        placed.known_ended = false;
        self.until_open(node)?;
        let running = self.running();
        if running.len() < plan::Cluster::majority(self.nodes.len()) {
            return Ok(());
        }
        self.until_ready(&running)
    }

    fn carry_out(&mut self, node: usize, deed: Deed) -> Result<(), BrokerError> {
        let placed = self.member(node)?;
        placed.known_ended |= deed == Deed::Terminate;
        placed.server.carry_out(deed)
    }

    fn lose_unsynced(&mut self, node: usize) -> Result<LostFiles, BrokerError> {
        self.member(node)?.server.child_mut().lose_unsynced()
    }

    fn expect_end(&mut self, node: usize, expected: bool) {
        if let Some(placed) = self.nodes.get_mut(node) {
            placed.server.child_mut().expect_end(expected);
        }
    }

    fn launch(&mut self, node: usize) -> Result<(), BrokerError> {
        let placed = self.member(node)?;
        placed.server.begin()?;
        placed.known_ended = false;
        Ok(())
    }

    fn is_open(&mut self, node: usize) -> Result<bool, BrokerError> {
        let server = &mut self.member(node)?.server;
        match server.child_mut().exit_status()? {
            Some(status) => Err(server.child().ended(status, "before it was ready")),
            None => Ok(server.has_opened()),
        }
    }

    fn runs(&mut self, node: usize) -> bool {
        self.nodes.get_mut(node).is_some_and(|placed| placed.server.child_mut().runs())
    }

    fn probes(&self) -> Vec<Arc<dyn Probe>> {
        self.servers().map(Member::probe).collect()
    }

    fn links(&self) -> Option<Arc<Links>> {
        self.links.clone()
    }

    fn stop(&mut self) -> Result<(), BrokerError> {
        for placed in &mut self.nodes {
            placed.known_ended = true;
            placed.server.child_mut().ask_to_end()?;
        }
        self.nodes.iter_mut().try_for_each(|placed| placed.server.child_mut().stop())
    }

    fn meters(&self) -> Vec<(String, Meter)> {
        self.servers().map(|server| (server.name().to_owned(), server.child().meter())).collect()
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn facts(&self) -> &[(String, String)] {
        &self.facts
    }

    fn version(&self) -> Option<String> {
        self.version.clone()
    }

    fn keep_stores(&mut self) {
        for placed in &mut self.nodes {
            placed.server.child_mut().keep(STORE);
        }
    }

    fn stores(&self) -> Vec<PathBuf> {
        self.servers().map(Member::store).collect()
    }
}

impl<M: Member> Drop for ServerCluster<M> {
    fn drop(&mut self) {
        // All at once; then each node stops the rest by itself.
        for placed in &mut self.nodes {
            let _ = placed.server.child_mut().ask_to_end();
        }
    }
}
