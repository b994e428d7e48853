//! Ports for servers that tests start, and ports without a listener.

use std::net::TcpListener;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that tickgate gives to its own servers, which lie below those that the kernel gives to outgoing connections: neither
/// takes one between its choice and the start of its server, nor while its server is down.
const FIRST: u16 = 2_000;
const COUNT: u16 = 7_000;

/// A free port on loopback, given out once by this process.
pub fn free_port() -> u16 {
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    let next = NEXT.get_or_init(|| {
        // Processes that run side by side begin far apart: their numbers are close to each other.
        let far = u64::from(std::process::id()) * 977 % u64::from(COUNT);
        AtomicU16::new(u16::try_from(far).expect("less than the count"))
    });
    for _ in 0..COUNT {
        let port = FIRST + next.fetch_add(1, Ordering::Relaxed) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} to {} on 127.0.0.1", FIRST + COUNT - 1);
}

/// Different ones.
pub fn free_ports<const N: usize>() -> [u16; N] {
    std::array::from_fn(|_| free_port())
}
