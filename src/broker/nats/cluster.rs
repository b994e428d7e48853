//! Several nats-servers that form a cluster on loopback: nodes with a process, ports, a store, a log and a reaper each.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::BrokerError;
use super::super::entry::Password;
use super::super::process::child::{check_room, check_store};
use super::super::process::ports::{Ports, free_ports};
use super::super::roles::Probe;
use super::super::server::{Deed, Died, Node, Server, node_log};
use super::quorum::{View, missing};
use super::settings::Membership;
use super::{LocalConfig, LocalNats, PORT_ATTEMPTS, READY_WITHIN};
use crate::host::resources::Meter;
use crate::plan::Cluster;

/// Time between two rounds of questions to nodes that are not ready.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// Largest number of nodes.
const MOST: usize = 5;

/// A running cluster with its stores; dropping it ends all nodes and removes their stores.
#[derive(Debug)]
pub struct LocalCluster {
    nodes: Vec<Member>,
    facts: Vec<(String, String)>,
    warnings: Vec<String>,
}

/// A node, and what is known of its end.
#[derive(Debug)]
struct Member {
    nats: LocalNats,
    /// It was ended through [`Server`], or its end is already reported.
    known_ended: bool,
}

impl LocalCluster {
    /// Starts `nodes` servers with the same settings, and returns when all of them are healthy, see the same leader, and
    /// are current at it. `config.port` is the first node's, and the log of each node is named after `config.log` (see
    /// [`node_log`]); `routes` is the password of the connections between the nodes.
    ///
    /// # Errors
    /// When a store cannot be in the requested place, when a server ends, or when they are not ready within 30 s.
    pub fn start(config: &LocalConfig, nodes: usize, routes: &Password) -> Result<Self, BrokerError> {
        let warning = check_store(&config.store_parent, config.storage, config.sync)?;
        check_room(&config.store_parent, config.needed)?;
        let mut attempt = 1;
        loop {
            match Self::attempt(config, nodes, routes) {
                Err(BrokerError::Ended { log, .. })
                    if is_clash(&log, config.port) && attempt < PORT_ATTEMPTS =>
                {
                    attempt += 1;
                }
                started => {
                    let mut cluster = started?;
                    cluster.warnings.extend(warning);
                    return Ok(cluster);
                }
            }
        }
    }

    fn attempt(config: &LocalConfig, nodes: usize, routes: &Password) -> Result<Self, BrokerError> {
        let mut cluster = Self::prepare(config, nodes, routes)?;
        for member in &mut cluster.nodes {
            member.nats.launch()?;
        }
        let all: Vec<usize> = (0..cluster.nodes.len()).collect();
        cluster.until_ready(&all)?;
        for member in &cluster.nodes {
            for warning in member.nats.warnings() {
                if !cluster.warnings.contains(warning) {
                    cluster.warnings.push(warning.clone());
                }
            }
        }
        Ok(cluster)
    }

    /// Prepares the nodes without starting them.
    fn prepare(config: &LocalConfig, nodes: usize, routes: &Password) -> Result<Self, BrokerError> {
        let ports: [u16; 3 * MOST] = free_ports(config.port).map_err(BrokerError::io("find free ports"))?;
        let ports: Vec<[u16; 3]> = ports.as_chunks::<3>().0.iter().take(nodes.max(1)).copied().collect();
        let all: Vec<u16> = ports.iter().map(|[_, _, route]| *route).collect();
        let mut members = Vec::new();
        for (index, [client, monitor, route]) in ports.into_iter().enumerate() {
            let own = LocalConfig { log: node_log(&config.log, index), ..config.clone() };
            let place = Membership { port: route, routes: all.clone(), password: routes.clone() };
            let name = format!("nats-{}", index + 1);
            let nats = LocalNats::prepare(own, name, Ports { client, monitor }, Some(place))?;
            members.push(Member { nats, known_ended: false });
        }
        let mut facts = members.first().map(|member| member.nats.facts.clone()).unwrap_or_default();
        let named = |member: &Member| format!("{} {}", member.nats.name, member.address());
        facts.push(("nodes".to_owned(), members.iter().map(named).collect::<Vec<_>>().join(", ")));
        Ok(Self { nodes: members, facts, warnings: Vec::new() })
    }

    /// Waits until these nodes are ready.
    fn until_ready(&mut self, which: &[usize]) -> Result<(), BrokerError> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let mut views = Vec::new();
            for index in which {
                let Some(member) = self.nodes.get_mut(*index) else { continue };
                if let Some(status) = member.nats.child.exit_status()? {
                    return Err(member.nats.child.ended(status, "before it was ready"));
                }
                views.push(member.view());
            }
            let missing = missing(&views);
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(BrokerError::ClusterNotReady {
                    nodes: self.nodes.len(),
                    seconds: READY_WITHIN.as_secs(),
                    missing: missing.join("; "),
                });
            }
            std::thread::sleep(ASK_EVERY);
        }
    }

    /// Waits until a node accepts clients.
    fn until_open(&mut self, node: usize) -> Result<(), BrokerError> {
        let member = self.member(node)?;
        let deadline = Instant::now() + READY_WITHIN;
        while !member.nats.has_opened() {
            if let Some(status) = member.nats.child.exit_status()? {
                return Err(member.nats.child.ended(status, "before it was ready"));
            }
            if Instant::now() >= deadline {
                return Err(BrokerError::ClusterNotReady {
                    nodes: 1,
                    seconds: READY_WITHIN.as_secs(),
                    missing: format!("{} has not opened its ports", member.nats.name),
                });
            }
            std::thread::sleep(ASK_EVERY);
        }
        Ok(())
    }

    /// Returns the indices of the nodes that run and are not paused.
    fn running(&mut self) -> Vec<usize> {
        let all = self.nodes.iter_mut().enumerate();
        let working = |member: &mut Member| {
            member.nats.child.runs() && member.nats.process().is_some_and(|process| !process.is_stopped())
        };
        all.filter_map(|(index, member)| working(member).then_some(index)).collect()
    }

    fn member(&mut self, node: usize) -> Result<&mut Member, BrokerError> {
        let nodes = self.nodes.len();
        self.nodes.get_mut(node).ok_or(BrokerError::NoNode { node, nodes })
    }

    /// Returns the nodes that have ended, each with its exit code or signal.
    fn ended(&mut self) -> Result<Vec<(usize, ExitStatus)>, BrokerError> {
        let mut ended = Vec::new();
        for (index, member) in self.nodes.iter_mut().enumerate() {
            ended.extend(member.nats.child.exit_status()?.map(|status| (index, status)));
        }
        Ok(ended)
    }

    /// Returns the name of a node's server, as in its monitoring data and in a stream's leader.
    #[must_use]
    pub fn name(&self, node: usize) -> Option<&str> {
        self.nodes.get(node).map(|member| member.nats.name())
    }

    /// Returns the monitoring endpoint of a node.
    #[must_use]
    pub fn monitor(&self, node: usize) -> Option<super::Monitor> {
        self.nodes.get(node).map(|member| member.nats.monitor())
    }
}

impl Member {
    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.nats.ports.client)
    }

    /// Asks the node for its state.
    fn view(&self) -> View {
        let name = self.nats.name.clone();
        if !self.nats.has_opened() {
            return View { name, problem: Some("has not opened its ports".to_owned()), ..View::default() };
        }
        let monitor = self.nats.monitor();
        match monitor.healthy().and_then(|()| monitor.varz()) {
            Ok(varz) => View { name, problem: None, meta: varz.jetstream.meta.unwrap_or_default() },
            Err(error) => {
                View { name, problem: Some(format!("is not healthy ({error})")), ..View::default() }
            }
        }
    }
}

impl Server for LocalCluster {
    fn nodes(&self) -> Vec<Node> {
        let node = |member: &Member| Node {
            name: member.nats.name.clone(),
            address: member.address(),
            pid: member.nats.pid(),
            container: None,
        };
        self.nodes.iter().map(node).collect()
    }

    fn url(&self) -> String {
        self.nodes.iter().map(|member| member.nats.url()).collect::<Vec<_>>().join(",")
    }

    fn alive(&mut self) -> Result<(), BrokerError> {
        let mut ended = self.ended()?;
        // Those of a planned end come back.
        ended.retain(|(index, _)| {
            self.nodes.get(*index).is_none_or(|member| !member.nats.child.end_is_expected())
        });
        let nodes = self.nodes.len();
        if nodes - ended.len() >= Cluster::majority(nodes) {
            return Ok(());
        }
        let name = |index: usize| self.name(index).unwrap_or_default().to_owned();
        let each = ended.iter().map(|(index, status)| format!("{} ended ({status})", name(*index)));
        let last = ended.last().map_or(0, |(index, _)| *index);
        Err(BrokerError::NoMajority {
            nodes,
            ended: each.collect::<Vec<_>>().join(", "),
            node: name(last),
            log: self.nodes.get(last).map(|member| member.nats.child.last_lines()).unwrap_or_default(),
        })
    }

    fn died(&mut self) -> Vec<Died> {
        let mut died = Vec::new();
        for (index, status) in self.ended().unwrap_or_default() {
            if let Some(member) = self.nodes.get_mut(index).filter(|member| !member.known_ended) {
                member.known_ended = true;
                if member.nats.child.end_is_expected() {
                    continue;
                }
                died.push(Died {
                    node: member.nats.name.clone(),
                    status: status.to_string(),
                    log: member.nats.log().to_owned(),
                });
            }
        }
        died
    }

    fn pause(&mut self, node: usize) -> Result<(), BrokerError> {
        self.member(node)?.nats.pause()
    }

    fn resume(&mut self, node: usize) -> Result<(), BrokerError> {
        self.member(node)?.nats.resume()
    }

    fn kill(&mut self, node: usize) -> Result<(), BrokerError> {
        let member = self.member(node)?;
        member.known_ended = true;
        member.nats.kill()
    }

    /// Restarts a node. It returns when the node is healthy and current in the cluster again (its copies of streams may take a
    /// moment longer), or, where no majority runs, when it accepts clients: without a majority there is no leader, and no node
    /// is healthy.
    fn restart(&mut self, node: usize) -> Result<(), BrokerError> {
        let member = self.member(node)?;
        member.known_ended = true;
        member.nats.stop()?;
        member.nats.launch()?;
        member.known_ended = false;
        self.until_open(node)?;
        let running = self.running();
        if running.len() < Cluster::majority(self.nodes.len()) {
            return Ok(());
        }
        self.until_ready(&running)
    }

    fn carry_out(&mut self, node: usize, deed: Deed) -> Result<(), BrokerError> {
        let member = self.member(node)?;
        member.known_ended |= deed == Deed::Terminate;
        member.nats.child.carry_out(deed)
    }

    fn expect_end(&mut self, node: usize, expected: bool) {
        if let Some(member) = self.nodes.get_mut(node) {
            member.nats.child.expect_end(expected);
        }
    }

    fn launch(&mut self, node: usize) -> Result<(), BrokerError> {
        let member = self.member(node)?;
        member.nats.launch()?;
        member.known_ended = false;
        Ok(())
    }

    fn is_open(&mut self, node: usize) -> Result<bool, BrokerError> {
        self.member(node)?.nats.is_open()
    }

    fn runs(&mut self, node: usize) -> bool {
        self.nodes.get_mut(node).is_some_and(|member| member.nats.child.runs())
    }

    fn probes(&self) -> Vec<Arc<dyn Probe>> {
        self.nodes.iter().map(|member| member.nats.probe()).collect()
    }

    fn stop(&mut self) -> Result<(), BrokerError> {
        for member in &mut self.nodes {
            member.known_ended = true;
            member.nats.child.ask_to_end()?;
        }
        self.nodes.iter_mut().try_for_each(|member| member.nats.stop())
    }

    fn meters(&self) -> Vec<(String, Meter)> {
        self.nodes.iter().map(|member| (member.nats.name.clone(), member.nats.child.meter())).collect()
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn facts(&self) -> &[(String, String)] {
        &self.facts
    }

    fn stores(&self) -> Vec<PathBuf> {
        self.nodes.iter().map(|member| member.nats.store()).collect()
    }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        // All at once; then each node stops by itself what is left.
        for member in &mut self.nodes {
            let _ = member.nats.child.ask_to_end();
        }
    }
}

/// Returns whether a node ended because another process took a port that was free before; `given` is the port that the
/// user chose, for which there is no other.
fn is_clash(log: &str, given: Option<u16>) -> bool {
    let chosen = |line: &str| given.is_some_and(|port| line.contains(&format!(":{port}:")));
    log.lines().any(|line| line.contains("address already in use") && !chosen(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_was_free_before_is_replaced_and_a_chosen_one_is_not() {
        let log = "[1] [INF] start\n[1] [FTL] Error listening on port: 127.0.0.1:4222, \"listen tcp 127.0.0.1:4222: bind: \
                   address already in use\"";
        assert!(is_clash(log, None) && is_clash(log, Some(4223)));
        assert!(!is_clash(log, Some(4222)) && !is_clash("[1] [FTL] no such thing", None));
    }
}
