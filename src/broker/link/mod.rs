//! Links between the servers that tickgate starts, and between these and their clients: TCP proxies on loopback that delay,
//! limit, hold or cut what goes through them.
//!
//! A proxy is a thread of tickgate with a port of its own. Nothing of the machine is changed, and the links end with the process.

mod engine;
mod lane;
mod links;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};

pub use lane::Shape;
pub use links::{End, Links};

use super::process::ports::free_ports;
use crate::host::clock::Clock;
use engine::{Engine, Rule, Shared};

/// Attempts to find a free port, since another process may take it first.
const ATTEMPTS: u32 = 5;

/// A direction of a proxy's connections: clients connect to the proxy, and the proxy to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// What clients send.
    ToServer,
    /// What the server sends.
    ToClient,
}

impl Direction {
    /// Its place in pairs.
    const fn index(self) -> usize {
        match self {
            Self::ToServer => 0,
            Self::ToClient => 1,
        }
    }
}

/// What becomes of the bytes of a direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Flow {
    /// They are passed on at once.
    #[default]
    Open,
    /// They are passed on as on a slower link.
    Shaped(Shape),
    /// Nothing is read and nothing is passed on, and nothing ends; what is under way leaves when the link is open again. With
    /// both directions, new connections are completed by the kernel and go nowhere until then.
    Hole,
    /// Connections are reset, with the bytes under way, and new ones refused; in either direction, since a connection ends in
    /// both.
    Cut,
}

/// A running proxy in front of a server on loopback; its connections end with the value.
pub struct Proxy {
    shared: Arc<Shared>,
    port: u16,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Proxy {
    /// Starts a proxy in front of a port of 127.0.0.1, on which a server need not listen yet. Jitter follows from `seed`.
    ///
    /// # Errors
    /// When the system gives no port, no thread or no descriptors.
    pub fn start(server: u16, seed: u64) -> io::Result<Self> {
        Self::before(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, server))], seed)
    }

    /// As [`Self::start`], in front of a server at one of these addresses.
    pub(super) fn before(server: Vec<SocketAddr>, seed: u64) -> io::Result<Self> {
        let (listener, port) = listener()?;
        let shared = Arc::new(Shared::new()?);
        let engine = Engine::new(Arc::clone(&shared), listener, server, Clock::start(), seed)?;
        let thread = Builder::new().name("link".into()).spawn(move || engine.run())?;
        Ok(Self { shared, port, thread: Some(thread) })
    }

    /// Returns its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Sets what becomes of the bytes of a direction, and returns when that is in force.
    ///
    /// # Errors
    /// When it is not in force in time, or when the proxy cannot listen again.
    pub fn set(&self, direction: Direction, flow: Flow) -> io::Result<()> {
        self.shared.order(direction.index(), Rule { flow, only: None })
    }

    /// As [`Self::set`], for one connection only, by its number in the order in which they were made, from 0; the others are
    /// open.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn set_only(&self, connection: u64, direction: Direction, flow: Flow) -> io::Result<()> {
        self.shared.order(direction.index(), Rule { flow, only: Some(connection) })
    }

    /// Returns the number of connections that it carries.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Returns the bytes that the busiest connection has carried in a direction.
    #[must_use]
    pub fn carried(&self, direction: Direction) -> u64 {
        self.shared.busiest.get(direction.index()).map_or(0, |bytes| bytes.load(Ordering::Relaxed))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.end();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Listens on a free port, chosen here: the kernel may give away a port of its own choice while there is no listener.
fn listener() -> io::Result<(TcpListener, u16)> {
    let mut attempt = 1;
    loop {
        let [port] = free_ports(None)?;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return Ok((listener, port)),
            Err(error) if attempt >= ATTEMPTS => return Err(error),
            Err(_) => attempt += 1,
        }
    }
}

#[cfg(test)]
mod tests;
