//! Addresses of this machine and of host names.

use std::net::{IpAddr, ToSocketAddrs as _};

use sysinfo::Networks;

/// The addresses of this machine's interfaces; empty if the system does not list them.
#[must_use]
pub fn own() -> Vec<IpAddr> {
    let Ok(networks) = Networks::new_with_refreshed_list() else { return Vec::new() };
    networks.values().flat_map(|data| data.ip_networks().iter().map(|network| network.addr)).collect()
}

/// The addresses of `host:port`; empty if the name cannot be resolved.
#[must_use]
pub fn of(host: &str) -> Vec<IpAddr> {
    host.to_socket_addrs().map(|all| all.map(|address| address.ip()).collect()).unwrap_or_default()
}

/// Do all of these addresses belong to this machine? False if there are none.
#[must_use]
pub fn are_local(addresses: &[IpAddr], own: &[IpAddr]) -> bool {
    let is_local = |address: &IpAddr| {
        let address = address.to_canonical();
        // A connection to the unspecified address goes to this machine.
        address.is_loopback() || address.is_unspecified() || own.contains(&address)
    };
    !addresses.is_empty() && addresses.iter().all(is_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(of: &[&str]) -> Vec<IpAddr> {
        of.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_host_is_local_where_each_of_its_addresses_is() {
        let own = addresses(&["192.0.2.7", "2001:db8::7"]);
        for (of, local) in [
            (&["127.0.0.1"][..], true),
            (&["127.8.9.1", "::1"], true),
            (&["::ffff:127.0.0.1"], true),
            (&["0.0.0.0"], true),
            (&["192.0.2.7", "2001:db8::7"], true),
            (&["::ffff:192.0.2.7"], true),
            (&["192.0.2.8"], false),
            (&["127.0.0.1", "192.0.2.8"], false),
            (&[], false),
        ] {
            assert_eq!(are_local(&addresses(of), &own), local, "{of:?}");
        }
    }

    #[test]
    fn this_machine_knows_itself_and_no_name_that_is_none() {
        assert!(are_local(&of("localhost:4222"), &own()));
        assert!(are_local(&of("[::1]:4222"), &[]));
        assert!(of("no-such-host.invalid:4222").is_empty());
        assert!(!are_local(&of("192.0.2.1:4222"), &own()), "an address for documentation is nobody's");
    }
}
