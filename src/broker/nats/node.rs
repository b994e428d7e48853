//! Monitors the nodes of a NATS bus that tickgate did not start: each request is a `GET /varz` to a monitoring
//! endpoint.

use super::super::BrokerError;
use super::super::nodes::{Ask, Nodes, Report};
use super::endpoint::Endpoint;
use super::monitor::{Monitor, Varz};
use crate::host::clock::Clock;
use crate::record::{JetStreamUse, Node};

/// Starts to monitor the servers with these endpoints.
///
/// # Errors
/// When an endpoint does not answer, or when two belong to the same server.
pub fn watch(endpoints: &[Endpoint], clock: Clock) -> Result<Nodes, BrokerError> {
    let asks = endpoints.iter().map(|endpoint| {
        let (monitor, url) = (Monitor::of(endpoint)?, endpoint.to_string());
        let ask: Ask = Box::new(move || Ok(report(&monitor.varz()?, &url)));
        Ok(ask)
    });
    Nodes::watch(asks.collect::<Result<_, BrokerError>>()?, clock)
}

/// Converts a server's figures to the record's terms.
fn report(varz: &Varz, url: &str) -> Report {
    let named = |text: &String| (!text.is_empty()).then(|| text.clone());
    let meta = varz.jetstream.meta.as_ref();
    let stats = &varz.jetstream.stats;
    Report {
        id: varz.server_id.clone(),
        cores: varz.cpu.max(0.0) / 100.0,
        node: Node {
            name: named(&varz.server_name).unwrap_or_else(|| url.to_owned()),
            url: url.to_owned(),
            version: varz.version.clone(),
            cluster: named(&varz.cluster.name),
            started: varz.start.clone(),
            cores: varz.cores,
            memory_bytes: varz.mem,
            connections: varz.connections,
            slow_consumers: varz.slow_consumers,
            max_payload: varz.max_payload,
            jetstream: varz.jetstream.config.as_ref().map(|config| JetStreamUse {
                memory_bytes: stats.memory,
                store_bytes: stats.storage,
                max_memory_bytes: config.max_memory,
                max_store_bytes: config.max_storage,
                sync_interval_ns: config.sync_interval,
                sync_always: config.sync_always,
            }),
            meta_leader: meta.and_then(|meta| named(&meta.leader)),
            meta_size: meta.map(|meta| meta.cluster_size),
            unseen_ns: 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_becomes_a_node() {
        let varz: Varz = serde_json::from_str(
            r#"{"server_id":"NA","server_name":"n1","version":"2.15.1","cluster":{"name":"c"},"start":"2026-01-01T00:00:00Z",
                "cpu":150.5,"mem":7,"cores":4,"connections":3,"max_payload":1048576,"slow_consumers":1,
                "jetstream":{"config":{"max_memory":1,"max_storage":2,"sync_interval":30000000000},
                  "stats":{"memory":5,"storage":6},"meta":{"leader":"n2","cluster_size":3,"pending":0}}}"#,
        )
        .unwrap();
        let Report { id, cores, node } = report(&varz, "http://h:8222");
        assert_eq!((id.as_str(), node.name.as_str(), node.cluster.as_deref()), ("NA", "n1", Some("c")));
        assert!((cores - 1.505).abs() < 1e-9, "{cores}");
        assert_eq!((node.meta_leader.as_deref(), node.meta_size), (Some("n2"), Some(3)));
        let jetstream = node.jetstream.unwrap();
        assert_eq!((jetstream.memory_bytes, jetstream.store_bytes), (5, 6));
        assert_eq!((jetstream.sync_interval_ns, jetstream.sync_always), (30_000_000_000, false));
    }

    #[test]
    fn a_server_without_jetstream_and_name_is_one_too() {
        let Report { node, .. } = report(&Varz { cpu: -1.0, ..Varz::default() }, "http://h:8222");
        assert_eq!((node.name.as_str(), node.jetstream, node.meta_size), ("http://h:8222", None, None));
    }
}
