//! Several nats-servers that form a cluster on loopback.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::super::BrokerError;
use super::super::cluster::{Member, ServerCluster};
use super::super::entry::Password;
use super::super::link::Links;
use super::super::process::child::{Child, check_room, check_store};
use super::super::process::ports::{Ports, free_ports};
use super::super::roles::Probe;
use super::super::server::{Deed, node_log};
use super::quorum::{View, missing};
use super::settings::Membership;
use super::{LINKS, LocalConfig, LocalNats, PORT_ATTEMPTS, READY_WITHIN};

/// Largest number of nodes.
const MOST: usize = 5;

/// A running cluster of nats-servers with their stores; dropping it ends all nodes and removes their stores.
pub type LocalCluster = ServerCluster<LocalNats>;

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
            let mut cluster = Self::prepare(config, nodes, routes)?;
            match cluster.begin() {
                Err(BrokerError::Ended { log, .. })
                    if is_clash(&log, config.port) && attempt < PORT_ATTEMPTS =>
                {
                    attempt += 1;
                }
                started => {
                    cluster.warn(warning);
                    return started.map(|()| cluster);
                }
            }
        }
    }

    /// Prepares the nodes without starting them.
    fn prepare(config: &LocalConfig, nodes: usize, routes: &Password) -> Result<Self, BrokerError> {
        let ports: [u16; 3 * MOST] = free_ports(config.port).map_err(BrokerError::io("find free ports"))?;
        let ports: Vec<[u16; 3]> = ports.as_chunks::<3>().0.iter().take(nodes.max(1)).copied().collect();
        let all: Vec<u16> = ports.iter().map(|[_, _, route]| *route).collect();
        let clients: Vec<u16> = ports.iter().map(|[client, ..]| *client).collect();
        let links = Links::lay(config.proxied, config.seed, &clients, &all)
            .map_err(BrokerError::io("start the proxies of the broker's links"))?;
        let mut servers = Vec::new();
        for (index, [client, monitor, route]) in ports.into_iter().enumerate() {
            let own = LocalConfig { log: node_log(&config.log, index), ..config.clone() };
            let peers = (0..all.len()).filter_map(|peer| links.as_ref()?.route(index, peer));
            let peers: Vec<u16> = peers.collect();
            let proxied = !peers.is_empty();
            let peers = if proxied { peers } else { all.clone() };
            let place = Membership { port: route, routes: peers, proxied, password: routes.clone() };
            let name = format!("nats-{}", index + 1);
            let mut server = LocalNats::prepare(own, name, Ports { client, monitor }, Some(place))?;
            server.entrance = links.as_ref().and_then(|links| links.entrance(index));
            servers.push(server);
        }
        let mut facts = servers.first().map(|server| server.facts.clone()).unwrap_or_default();
        facts.extend(links.iter().map(|links| (LINKS.to_owned(), links.in_words())));
        let url = servers.iter().map(LocalNats::url).collect::<Vec<_>>().join(",");
        Ok(Self::of(servers, url, None, facts).linked(links))
    }

    /// Returns the monitoring endpoint of a node.
    #[must_use]
    pub fn monitor(&self, node: usize) -> Option<super::Monitor> {
        self.servers().nth(node).map(LocalNats::monitor)
    }
}

impl Member for LocalNats {
    type View = View;
    const SERVERS: &'static str = "nats-servers";
    const READY_WITHIN: Duration = READY_WITHIN;

    fn name(&self) -> &str {
        &self.name
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.client)
    }

    fn begin(&mut self) -> Result<(), BrokerError> {
        self.launch()
    }

    fn has_opened(&self) -> bool {
        self.has_opened()
    }

    fn view(&self) -> View {
        let name = self.name.clone();
        if !self.has_opened() {
            return View { name, problem: Some("has not opened its ports".to_owned()), ..View::default() };
        }
        let monitor = self.monitor();
        match monitor.healthy().and_then(|()| monitor.varz()) {
            Ok(varz) => View { name, problem: None, meta: varz.jetstream.meta.unwrap_or_default() },
            Err(error) => {
                View { name, problem: Some(format!("is not healthy ({error})")), ..View::default() }
            }
        }
    }

    fn missing(views: &[View]) -> Vec<String> {
        missing(views)
    }

    fn probe(&self) -> Arc<dyn Probe> {
        self.probe()
    }

    fn store(&self) -> PathBuf {
        self.store()
    }

    fn carry_out(&mut self, deed: Deed) -> Result<(), BrokerError> {
        self.carry_out_on_it(deed)
    }

    fn child(&self) -> &Child {
        &self.child
    }

    fn child_mut(&mut self) -> &mut Child {
        &mut self.child
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
