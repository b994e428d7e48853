//! Monitors the nodes of a NATS bus that tickgate did not start: by a `GET /varz` to each monitoring endpoint, or by requests
//! of the system account.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::BrokerError;
use super::super::nodes::{Ask, Nodes, Report};
use super::endpoint::Endpoint;
use super::monitor::{Monitor, Varz};
use crate::bus::BusError;
use crate::bus::nats::{Answer, Identity, System};
use crate::host::clock::Clock;
use crate::num;
use crate::record::{JetStreamUse, Node, SYSTEM_ACCOUNT};

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

/// Starts to monitor the servers that a system account reports, as far as they are in the same cluster as the server
/// with the ID `of`.
///
/// # Errors
/// When no server answers, or none of them is that server.
pub fn watch_system(system: System, of: &str, clock: Clock) -> Result<Nodes, BusError> {
    let servers: Vec<Answer<Varz>> = system.servers(is_whole)?;
    let (servers, others) = in_cluster_of(of, servers)?;
    let system = Arc::new(system);
    let asks = servers.into_iter().map(|server| {
        let system = Arc::clone(&system);
        let ask: Ask = Box::new(move || {
            let answer: Answer<Varz> = system.server(&server).map_err(|problem| BrokerError::Monitor {
                url: format!("{} by the system account", server.name),
                problem,
            })?;
            Ok(report(&answer.data, SYSTEM_ACCOUNT))
        });
        ask
    });
    let nodes = Nodes::watch(asks.collect(), clock).map_err(|error| BusError::Environment {
        problem: error.to_string(),
        hint: "check that the server is up and answers its system account".to_owned(),
    })?;
    Ok(nodes.with_warning((!others.is_empty()).then(|| {
        format!(
            "servers of other clusters are not monitored ({}): the run's stream is expected in the cluster that it connects to",
            others.into_iter().collect::<Vec<_>>().join(", ")
        )
    })))
}

/// Returns whether the servers that have answered are all of a cluster, as far as one of them says how many there are.
pub(super) fn is_whole(found: &[Answer<Varz>]) -> bool {
    let meta = |answer: &Answer<Varz>| answer.data.jetstream.meta.as_ref().map(|meta| meta.cluster_size);
    let all = found.iter().filter_map(meta).max().unwrap_or(1);
    num::count(found.len()) >= u64::from(all)
}

/// Returns the servers in the cluster of one of them, in the order of their names, and the names of other clusters.
fn in_cluster_of(of: &str, found: Vec<Answer<Varz>>) -> Result<(Vec<Identity>, BTreeSet<String>), BusError> {
    let Some(own) = found.iter().find(|answer| answer.server.id == of) else {
        return Err(BusError::Environment {
            problem: format!(
                "the servers of the system account ({}) are not those of the bus",
                found.iter().map(|answer| answer.server.name.as_str()).collect::<Vec<_>>().join(", ")
            ),
            hint: "give credentials of the system account of the servers that the run connects to".to_owned(),
        });
    };
    let cluster = own.server.cluster.clone();
    let (mut own, others): (Vec<_>, Vec<_>) =
        found.into_iter().map(|answer| answer.server).partition(|server| server.cluster == cluster);
    own.sort_by(|a, b| a.name.cmp(&b.name));
    own.dedup();
    Ok((own, others.into_iter().map(|server| server.cluster).collect()))
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

    fn answer(name: &str, cluster: &str, cluster_size: u32) -> Answer<Varz> {
        let mut data = Varz::default();
        data.jetstream.meta = Some(super::super::monitor::Meta { cluster_size, ..Default::default() });
        let server = Identity { name: name.into(), id: format!("id of {name}"), cluster: cluster.into() };
        Answer { server, data }
    }

    #[test]
    fn the_servers_of_the_runs_cluster_are_chosen() {
        let all =
            || vec![answer("b2", "b", 2), answer("a2", "a", 2), answer("a1", "a", 2), answer("b1", "b", 2)];
        let (own, others) = in_cluster_of("id of a1", all()).unwrap();
        assert_eq!(own.iter().map(|server| server.name.as_str()).collect::<Vec<_>>(), ["a1", "a2"]);
        assert_eq!(others.into_iter().collect::<Vec<_>>(), ["b"]);
        let error = in_cluster_of("another", all()).unwrap_err().to_string();
        assert!(error.contains("(b2, a2, a1, b1) are not those of the bus"), "{error}");
    }

    #[test]
    fn answers_are_complete_when_as_many_came_as_a_server_knows() {
        assert!(!is_whole(&[]));
        assert!(!is_whole(&[answer("n1", "c", 3), answer("n2", "c", 3)]));
        assert!(is_whole(&[answer("n1", "c", 2), answer("n2", "c", 1)]));
        let alone = Answer { data: Varz::default(), ..answer("n1", "", 0) };
        assert!(is_whole(&[alone]));
    }

    #[test]
    fn a_server_without_jetstream_and_name_is_one_too() {
        let Report { node, .. } = report(&Varz { cpu: -1.0, ..Varz::default() }, "http://h:8222");
        assert_eq!((node.name.as_str(), node.jetstream, node.meta_size), ("http://h:8222", None, None));
    }
}
