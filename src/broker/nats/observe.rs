//! Asks running servers for what a lint looks at, once.

use serde::Deserialize;

use super::super::BrokerError;
use super::endpoint::Endpoint;
use super::monitor::{Monitor, Routez, Varz};
use super::node::is_whole;
use crate::bus::BusError;
use crate::bus::nats::{Answer, Figures, System};
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
        servers.push(Server { routes, unhealthy, health_known: true, ..server });
    }
    Ok(servers)
}

/// Asks all servers that a system account reports. A user who may not ask for routes or health gets the rest.
///
/// # Errors
/// When no server answers.
pub fn observe_system(system: &System) -> Result<Vec<Server>, BusError> {
    let mut answers = system.servers::<Varz>(is_whole)?;
    answers.sort_by(|a, b| a.server.name.cmp(&b.server.name));
    answers.dedup_by(|a, b| a.server.id == b.server.id);
    let number = answers.len();
    let routes = system.all_of::<Routez>(Figures::Routes, |found| found.len() >= number).unwrap_or_default();
    let health = system.all_of::<Health>(Figures::Health, |found| found.len() >= number).unwrap_or_default();
    let of = |answer: &Answer<Varz>| {
        let id = &answer.server.id;
        let server = server(&answer.data, SYSTEM_ACCOUNT);
        let routes = of_server(&routes, id).map(|routes: Routez| routes.names());
        let health = of_server(&health, id);
        Server {
            routes,
            health_known: health.is_some(),
            unhealthy: health.and_then(Health::problem),
            ..server
        }
    };
    Ok(answers.iter().map(of).collect())
}

/// The answer of the server with this ID.
fn of_server<T: Clone>(answers: &[Answer<T>], id: &str) -> Option<T> {
    answers.iter().find(|answer| answer.server.id == id).map(|answer| answer.data.clone())
}

/// The used fields of a health check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Health {
    /// `ok`, or what it is instead.
    status: String,
    /// Why it is not healthy.
    error: String,
}

impl Health {
    /// What is wrong, if something is.
    fn problem(self) -> Option<String> {
        let Self { status, error } = self;
        match (status.as_str(), error.as_str()) {
            ("ok", _) => None,
            (_, "") => Some(format!("status {status}")),
            _ => Some(format!("status {status}: {error}")),
        }
    }
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
        health_known: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_health_check_is_ok_or_says_why_not() {
        let problem = |text: &str| serde_json::from_str::<Health>(text).unwrap().problem();
        assert_eq!(problem(r#"{"status":"ok"}"#), None);
        let sick =
            r#"{"status":"unavailable","status_code":503,"error":"JetStream has not established contact"}"#;
        assert_eq!(
            problem(sick).as_deref(),
            Some("status unavailable: JetStream has not established contact")
        );
        assert_eq!(problem(r#"{"status":"na"}"#).as_deref(), Some("status na"));
    }
}
