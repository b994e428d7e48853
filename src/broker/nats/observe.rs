//! Asks running servers for what a lint looks at, once.

use super::super::BrokerError;
use super::endpoint::Endpoint;
use super::monitor::{Monitor, Routez, Varz};
use super::node::is_whole;
use crate::bus::BusError;
use crate::bus::nats::System;
use crate::lint::live::{JetStream, Meta, Server};
use crate::record::SYSTEM_ACCOUNT;

/// Asks the servers with these monitoring endpoints.
///
/// # Errors
/// When an endpoint does not answer, or when two belong to the same server.
pub fn observe(endpoints: &[Endpoint]) -> Result<Vec<Server>, BrokerError> {
    let mut servers: Vec<Server> = vec![];
    for endpoint in endpoints {
        let monitor = Monitor::of(endpoint)?;
        let server = server(&monitor.varz()?, &endpoint.to_string());
        if let Some(other) = servers.iter().find(|other| !other.id.is_empty() && other.id == server.id) {
            let (url, other, name) = (server.url, other.url.clone(), server.name);
            return Err(BrokerError::SameNode { url, other, name });
        }
        let unhealthy = monitor.healthy().err().map(|error| match error {
            BrokerError::Monitor { problem, .. } => problem,
            error => error.to_string(),
        });
        let routes = monitor.routez().ok().map(Routez::names);
        servers.push(Server { routes, unhealthy, ..server });
    }
    Ok(servers)
}

/// Asks all servers that a system account reports.
///
/// # Errors
/// When no server answers.
pub fn observe_system(system: &System) -> Result<Vec<Server>, BusError> {
    let mut answers = system.servers::<Varz>(is_whole)?;
    answers.sort_by(|a, b| a.server.name.cmp(&b.server.name));
    answers.dedup_by(|a, b| a.server.id == b.server.id);
    Ok(answers.iter().map(|answer| server(&answer.data, SYSTEM_ACCOUNT)).collect())
}

/// Converts a server's figures to the lint's terms.
fn server(varz: &Varz, url: &str) -> Server {
    let jetstream = varz.jetstream.config.as_ref().map(|config| JetStream {
        max_memory: config.max_memory,
        max_storage: config.max_storage,
        store_dir: config.store_dir.clone(),
        sync_interval_ns: config.sync_interval,
        sync_always: config.sync_always,
    });
    let meta = varz.jetstream.meta.as_ref();
    Server {
        url: url.to_owned(),
        id: varz.server_id.clone(),
        name: varz.server_name.clone(),
        version: varz.version.clone(),
        cluster: varz.cluster.name.clone(),
        configured_routes: varz.cluster.urls.clone(),
        routes: None,
        jetstream,
        meta: meta.map(|meta| Meta { leader: meta.leader.clone(), size: meta.cluster_size }),
        auth_required: varz.auth_required,
        tls_required: varz.tls_required,
        host: varz.host.clone(),
        monitor: (varz.http_host.clone(), varz.http_port),
        max_payload: varz.max_payload,
        unhealthy: None,
    }
}
