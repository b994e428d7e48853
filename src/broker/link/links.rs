//! The links of a broker: which proxy carries what from whom to whom.

use std::io;
use std::net::SocketAddr;

use super::{Direction, Flow, Proxy};
use crate::num;
use crate::plan::Proxied;

/// An end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// A node, by its index.
    Node(usize),
    /// The clients of the broker: generators, members, and the control side of a run.
    Clients,
}

/// The proxies of a broker: one for each ordered pair of nodes, through which the first one connects to the second, and one
/// for each node, through which clients connect to it. Either kind may be missing.
#[derive(Debug)]
pub struct Links {
    /// With who connects to whom.
    routes: Vec<(usize, usize, Proxy)>,
    clients: Vec<Proxy>,
}

impl Links {
    /// Starts the proxies in front of the ports for clients and for other nodes, one of each kind a node. `None` if there is
    /// nothing to carry.
    ///
    /// # Errors
    /// When one cannot be started.
    pub(in crate::broker) fn lay(
        proxied: Proxied,
        seed: u64,
        clients: &[u16],
        routes: &[u16],
    ) -> io::Result<Option<Self>> {
        let mut lane = 0_u64;
        let mut start = |port: u16| {
            lane += 1;
            Proxy::start(port, seed.wrapping_add(lane << 32))
        };
        let mut links = Self { routes: Vec::new(), clients: Vec::new() };
        let nodes = routes.iter().enumerate().filter(|_| proxied.nodes);
        for (to, port) in nodes {
            for from in (0..routes.len()).filter(|from| *from != to) {
                links.routes.push((from, to, start(*port)?));
            }
        }
        if proxied.clients {
            links.clients = clients.iter().map(|port| start(*port)).collect::<io::Result<_>>()?;
        }
        Ok((!links.routes.is_empty() || !links.clients.is_empty()).then_some(links))
    }

    /// Starts a proxy for clients in front of each server of a broker that tickgate did not start, each with its addresses.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn before(servers: Vec<Vec<SocketAddr>>, seed: u64) -> io::Result<Self> {
        let start = |(addresses, lane): (Vec<SocketAddr>, u64)| {
            Proxy::before(addresses, seed.wrapping_add(lane << 32))
        };
        let clients = servers.into_iter().zip(1_u64..).map(start).collect::<io::Result<_>>()?;
        Ok(Self { routes: Vec::new(), clients })
    }

    /// The ports by which clients connect, one for each server.
    #[must_use]
    pub fn entrances(&self) -> Vec<u16> {
        self.clients.iter().map(Proxy::port).collect()
    }

    /// The port by which a node connects to another one, if that goes through a proxy.
    pub(in crate::broker) fn route(&self, from: usize, to: usize) -> Option<u16> {
        self.between(from, to).map(Proxy::port)
    }

    /// The port by which clients connect to a node, if that goes through a proxy.
    pub(in crate::broker) fn entrance(&self, node: usize) -> Option<u16> {
        self.clients.get(node).map(Proxy::port)
    }

    pub(super) fn between(&self, from: usize, to: usize) -> Option<&Proxy> {
        self.routes.iter().find(|(a, b, _)| (*a, *b) == (from, to)).map(|(.., proxy)| proxy)
    }

    /// Sets what becomes of the bytes from one end to the other, whichever of them has made the connection; returns when that is
    /// in force.
    ///
    /// # Errors
    /// When there is no proxy between them, or when it does not obey.
    pub fn set(&self, from: End, to: End, flow: Flow) -> io::Result<()> {
        let missing = || io::Error::other("no proxy carries what is between these ends");
        match (from, to) {
            (End::Node(a), End::Node(b)) => {
                let there = self.between(a, b).ok_or_else(missing)?;
                let back = self.between(b, a).ok_or_else(missing)?;
                there.set(Direction::ToServer, flow).and(back.set(Direction::ToClient, flow))
            }
            (End::Clients, End::Node(node)) => {
                self.clients.get(node).ok_or_else(missing)?.set(Direction::ToServer, flow)
            }
            (End::Node(node), End::Clients) => {
                self.clients.get(node).ok_or_else(missing)?.set(Direction::ToClient, flow)
            }
            (End::Clients, End::Clients) => Err(missing()),
        }
    }

    /// What is proxied, for a record: `proxied, 6 between the nodes`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let part = |count: usize, what: &str| (count > 0).then(|| format!("{} {what}", num::count(count)));
        let parts = [part(self.routes.len(), "between the nodes"), part(self.clients.len(), "of clients")];
        format!("proxied, {}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}
