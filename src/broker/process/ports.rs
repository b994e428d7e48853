//! Finds free loopback ports for a server that must keep them while it is down.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;

use crate::num;

/// Ports of a server on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::broker) struct Ports {
    /// Port for clients.
    pub(in crate::broker) client: u16,
    /// Port of the monitoring endpoint.
    pub(in crate::broker) monitor: u16,
}

impl Ports {
    /// Returns two ports that are free at the moment; another process may still take them before the server does.
    pub(in crate::broker) fn free(client: Option<u16>) -> io::Result<Self> {
        let [client, monitor] = free_ports(client)?;
        Ok(Self { client, monitor })
    }

    pub(in crate::broker) fn monitor_address(self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.monitor).into()
    }
}

/// Returns different ports that are free at the moment; the first one is `first`, if given.
pub(in crate::broker) fn free_ports<const N: usize>(first: Option<u16>) -> io::Result<[u16; N]> {
    let (range, mut ports) = (below_ephemeral(), [0; N]);
    for at in 0..N {
        let port = match first.filter(|_| at == 0) {
            Some(port) => port,
            None => free_port(&range, &ports)?,
        };
        if let Some(place) = ports.get_mut(at) {
            *place = port;
        }
    }
    Ok(ports)
}

fn free_port(range: &Range<u16>, other_than: &[u16]) -> io::Result<u16> {
    let span = u64::from(range.end - range.start);
    for _ in 0..1000 {
        let port = range.start + num::low16(random() % span);
        if !other_than.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other(format!("no free port from {} to {} on 127.0.0.1", range.start, range.end - 1)))
}

/// Returns the range of ports below those that the kernel assigns to outgoing connections.
///
/// A port from *that* range may be assigned to any client while the server is down between a kill and a restart. Worse,
/// a client that keeps reconnecting to a port of that range may be assigned the very same port, connect to itself, and
/// prevent the server from ever listening again.
fn below_ephemeral() -> Range<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = text.split_ascii_whitespace().next().and_then(|port| port.parse::<u16>().ok());
    match first.unwrap_or(32_768) {
        first @ 14_000.. => 10_000..first,
        first @ 2_048.. => 1_024..first,
        _ => 10_000..32_768,
    }
}

/// Returns a number that differs between calls and between processes.
pub(in crate::broker) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_are_free_and_out_of_the_way_of_outgoing_connections() {
        let ports = Ports::free(None).unwrap();
        assert_ne!(ports.client, ports.monitor);
        assert!(below_ephemeral().contains(&ports.client));
        assert_eq!(Ports::free(Some(4222)).unwrap().client, 4222);
    }

    #[test]
    fn a_port_in_use_is_not_given_out() {
        let taken = Ports::free(None).unwrap().client;
        let _held = TcpListener::bind((Ipv4Addr::LOCALHOST, taken)).unwrap();
        assert!(free_port(&(taken..taken + 1), &[]).is_err());
        assert!(free_port(&(taken..taken + 1), &[taken]).is_err());
    }
}
