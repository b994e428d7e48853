//! Lints running servers by what they report of themselves.

use std::collections::BTreeSet;

use super::cluster::{even, sized};
use super::settings::is_loopback;
use super::store::lazy_sync;
use super::{Finding, Level, Needs, claim, sort};
use crate::num::{self, show};

/// What a server reports of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Server {
    /// Where it was asked.
    pub url: String,
    /// Its unique ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its cluster's name; empty if it has none.
    pub cluster: String,
    /// Hosts that its configuration names as routes.
    pub configured_routes: Vec<String>,
    /// Names of the servers that it has routes to; `None`: unknown.
    pub routes: Option<BTreeSet<String>>,
    /// `JetStream`; `None` if it is off.
    pub jetstream: Option<JetStream>,
    /// Role in a cluster's `JetStream`; `None` if the server is not clustered.
    pub meta: Option<Meta>,
    /// Whether clients need credentials.
    pub auth_required: bool,
    /// Whether clients need TLS.
    pub tls_required: bool,
    /// Host that it accepts clients on.
    pub host: String,
    /// Host and port of its monitoring endpoint; port 0: none.
    pub monitor: (String, u16),
    /// Largest payload, bytes.
    pub max_payload: u64,
    /// What its health check says, if it is not healthy.
    pub unhealthy: Option<String>,
    /// Whether it has said whether it is healthy.
    pub health_known: bool,
}

/// Settings of a server's `JetStream`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JetStream {
    /// Maximum size of memory streams, bytes.
    pub max_memory: u64,
    /// Maximum size of file streams, bytes.
    pub max_storage: u64,
    /// Directory of file streams.
    pub store_dir: String,
    /// Time between forced writes, nanoseconds.
    pub sync_interval_ns: u64,
    /// Whether each write is forced to the disk.
    pub sync_always: bool,
}

/// The group of servers that places streams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// Name of the leader's server; empty while there is none.
    pub leader: String,
    /// Number of servers.
    pub size: u32,
}

impl Server {
    fn label(&self) -> String {
        match self.name.as_str() {
            "" => self.url.clone(),
            name => format!("{name} ({})", self.url),
        }
    }
}

/// Lints the servers of one bus.
#[must_use]
pub fn lint(servers: &[Server], needs: &Needs) -> Vec<Finding> {
    let mut findings = vec![];
    for server in servers {
        let mut of = vec![];
        clustered(server, servers.len(), needs, &mut of);
        reached(server, &mut of);
        stored(server, needs, &mut of);
        let label = server.label();
        findings.extend(of.into_iter().map(|finding| Finding { node: Some(label.clone()), ..finding }));
    }
    together(servers, needs, &mut findings);
    let mut findings = merged(findings);
    sort(&mut findings);
    findings
}

/// One finding for all servers that have the same.
fn merged(findings: Vec<Finding>) -> Vec<Finding> {
    let mut all: Vec<Finding> = vec![];
    for finding in findings {
        let same = |other: &&mut Finding| {
            (other.code, &other.what, &other.why) == (finding.code, &finding.what, &finding.why)
        };
        match (all.iter_mut().find(same), &finding.node) {
            (Some(Finding { node: Some(nodes), .. }), Some(node)) => {
                nodes.push_str(", ");
                nodes.push_str(node);
            }
            _ => all.push(finding),
        }
    }
    all
}

fn clustered(server: &Server, asked: usize, needs: &Needs, findings: &mut Vec<Finding>) {
    if let Some(why) = &server.unhealthy {
        let instead = "see the server's log; after a write error the server needs a restart";
        let what = format!("its health check fails: {why}");
        let why = "the server serves no stream, or not all of them";
        findings.push(Finding::new(Level::Fail, "unhealthy", what, why, instead));
    }
    unanswered(server, findings);
    let Some(meta) = &server.meta else {
        if server.jetstream.is_some() {
            alone(server, asked, needs, findings);
        }
        return;
    };
    if meta.leader.is_empty() {
        let what = "it sees no meta leader";
        let why = "no stream or consumer can be made or moved: requests to the API are not answered";
        let instead = "check the routes between the servers, and that a majority of them runs; an election takes 4 to 9 s";
        findings.push(Finding::new(Level::Fail, "no-meta-leader", what, why, instead).breaks(claim::SCALE));
    }
    if let Some(routes) = &server.routes {
        let others = u64::from(meta.size.saturating_sub(1));
        let has = num::count(routes.len());
        if has < others {
            let what = format!("it has routes to {has} of {others} other servers");
            let why = "what goes to a server without a route is lost silently or refused; with less than a majority its streams \
                       stop";
            let instead = "check that each server reaches the route ports of all others";
            findings
                .push(Finding::new(Level::Fail, "routes-missing", what, why, instead).breaks(claim::SCALE));
        }
    }
}

/// What a server was asked and did not say: its findings are missing without being ruled out.
fn unanswered(server: &Server, findings: &mut Vec<Finding>) {
    let routes = server.routes.is_none() && server.meta.is_some();
    let what = match (routes, server.health_known) {
        (false, true) => return,
        (true, true) => "its routes are unknown",
        (false, false) => "its health is unknown",
        (true, false) => "its routes and its health are unknown",
    };
    let why = "it did not answer the question: a missing route, or a stream that it does not serve, would not be found";
    let instead = "allow the user of the system account to publish to $SYS.REQ.SERVER.PING.ROUTEZ and \
                   $SYS.REQ.SERVER.PING.HEALTHZ, or name the monitoring endpoints";
    findings.push(Finding::new(Level::Note, "not-asked", what, why, instead));
}

/// A server whose `JetStream` is in no cluster.
fn alone(server: &Server, asked: usize, needs: &Needs, findings: &mut Vec<Finding>) {
    let configured = num::count(server.configured_routes.len());
    if configured > 0 || asked > 1 || !server.cluster.is_empty() {
        let what = if configured > 0 {
            format!(
                "it is isolated: its configuration names {} of the cluster {}, and it has none",
                show::several(configured, "route"),
                server.cluster
            )
        } else {
            "it is isolated: its JetStream is in no cluster".to_owned()
        };
        let why = "it reports itself healthy and ready, and has streams of its own: events published to one server are on no \
                   other, and a stream with replicas is refused (10074)";
        let instead = "add to the cluster block of each server: listen: \"0.0.0.0:6222\", and restart; tickgate lint FILE says \
                       what else the file needs";
        findings.push(Finding::new(Level::Fail, "isolated", what, why, instead).breaks(claim::SCALE));
        return;
    }
    let replicas = needs.replicas.unwrap_or(1);
    let (level, asks) = if replicas > 1 {
        (Level::Fail, format!(", and {} asks for {replicas} copies of each event", needs.named()))
    } else {
        (Level::Note, String::new())
    };
    let what = format!("it is a single server, in no cluster{asks}");
    let why = "while it is down nothing is published or delivered; a stream with replicas is refused (10074)";
    let instead = "three servers in a cluster, if that is not acceptable";
    findings.push(Finding::new(level, "no-cluster", what, why, instead).breaks(claim::SCALE));
}

fn reached(server: &Server, findings: &mut Vec<Finding>) {
    let all = |host: &str| matches!(host, "" | "0.0.0.0" | "::");
    if !server.auth_required {
        let level = if is_loopback(&server.host) { Level::Note } else { Level::Bite };
        let what = "no authentication of clients";
        let why =
            "whoever reaches the port can publish orders, read every event, and purge or delete the streams";
        let instead = "add users: an `authorization` or `accounts` block, without no_auth_user";
        findings.push(Finding::new(level, "no-authentication", what, why, instead));
    }
    if !server.tls_required && all(&server.host) {
        let what = "clients are accepted on all addresses, without TLS";
        let why = "events, and the passwords of clients, cross every network of the machine in the clear";
        let instead = "add a tls block, or listen on an internal address";
        findings.push(Finding::new(Level::Bite, "no-tls", what, why, instead));
    }
    let (host, port) = &server.monitor;
    if *port > 0 && all(host) {
        let what = format!("the monitoring port {port} is open on all addresses");
        let why = "it asks for no password, and shows subjects, accounts, connections with their addresses, and the store's path";
        let instead = format!("http: \"127.0.0.1:{port}\", or an internal address");
        findings.push(Finding::new(Level::Bite, "monitor-open", what, why, instead));
    }
}

fn stored(server: &Server, needs: &Needs, findings: &mut Vec<Finding>) {
    if server.max_payload > 0 && server.max_payload < needs.event_bytes {
        let what = format!(
            "it accepts events of {} bytes, and {} sends up to {}",
            server.max_payload,
            needs.named(),
            show::size(needs.event_bytes)
        );
        let why =
            "a larger event is answered with \"maximum payload violation\", which closes the connection";
        findings.push(
            Finding::new(Level::Fail, "payload-small", what, why, "raise max_payload").breaks(claim::RATE),
        );
    }
    let Some(jetstream) = &server.jetstream else {
        let what = "JetStream is disabled";
        let why = format!("it keeps no event: {} needs streams", needs.named());
        let instead = "add: jetstream { store_dir: /data/jetstream, max_file_store: 100GB }";
        findings.push(Finding::new(Level::Fail, "no-jetstream", what, why, instead).breaks(claim::DURABLE));
        return;
    };
    if !jetstream.sync_always && !needs.in_memory {
        let by_default = jetstream.sync_interval_ns == 120_000_000_000;
        findings.push(lazy_sync(jetstream.sync_interval_ns, by_default, server.meta.is_some()));
    }
    if ["/tmp/", "/var/tmp/", "/dev/shm/", "/run/"]
        .iter()
        .any(|folder| jetstream.store_dir.starts_with(folder))
    {
        let what = "its store is in a directory for temporary files";
        let why = "a restart of the machine removes every event, whatever the sync interval";
        let finding =
            Finding::new(Level::Bite, "store-in-tmp", what, why, "store_dir: /data/jetstream, on a disk");
        findings.push(finding.breaks(claim::DURABLE));
    }
    let (most, name) = if needs.in_memory {
        (jetstream.max_memory, "max_memory_store")
    } else {
        (jetstream.max_storage, "max_file_store")
    };
    if most < needs.store_bytes {
        let what = format!(
            "its `{name}` is {}, and the events of {} take {}",
            show::size(most),
            needs.named(),
            show::size(needs.store_bytes)
        );
        let why = "when it is full, each further event is refused with 503/10023 insufficient resources, while healthz stays 200";
        findings.push(Finding::new(Level::Fail, "store-small", what, why, format!("raise {name}")));
    }
}

fn together(servers: &[Server], needs: &Needs, findings: &mut Vec<Finding>) {
    let distinct = |of: &dyn Fn(&Server) -> String| servers.iter().map(of).collect::<BTreeSet<String>>();
    let list = |all: BTreeSet<String>| all.into_iter().collect::<Vec<_>>().join(", ");
    let names = distinct(&|server| server.name.clone());
    if names.len() < servers.len() {
        let repeated =
            names.into_iter().filter(|name| servers.iter().filter(|server| server.name == *name).count() > 1);
        let what = format!("several servers have the same name: {}", list(repeated.collect()));
        let why = "JetStream knows its peers by name: routes are made and dropped, and no meta leader stays";
        let instead = "a server_name of its own for each server";
        findings.push(Finding::new(Level::Fail, "same-server-name", what, why, instead).breaks(claim::SCALE));
    }
    let clusters = distinct(&|server| server.cluster.clone());
    if clusters.len() > 1 {
        let shown = clusters.into_iter().map(|name| if name.is_empty() { "none".to_owned() } else { name });
        let what = format!("the servers are in different clusters: {}", list(shown.collect()));
        let why =
            "a stream is in one cluster only; servers of different cluster names refuse each other's routes";
        let instead =
            "the same `name` in the cluster block of each server, or name the servers of one cluster only";
        findings
            .push(Finding::new(Level::Fail, "cluster-names-differ", what, why, instead).breaks(claim::SCALE));
    }
    let leaders: BTreeSet<String> = servers
        .iter()
        .filter_map(|server| server.meta.as_ref())
        .map(|meta| meta.leader.clone())
        .filter(|name| !name.is_empty())
        .collect();
    if leaders.len() > 1 {
        let what = format!("the servers see different meta leaders: {}", list(leaders));
        let why =
            "they are parted, or an election is going on: each side places streams by itself or not at all";
        let instead = "ask again after 10 s; if it stays, check the routes between them";
        findings
            .push(Finding::new(Level::Fail, "several-meta-leaders", what, why, instead).breaks(claim::SCALE));
    }
    let versions = distinct(&|server| server.version.clone());
    if versions.len() > 1 {
        let what = format!("the servers run different versions: {}", list(versions));
        let why = "features that one version lacks are refused or ignored, depending on which server leads";
        let instead = "one version for all, but for the time of an upgrade";
        findings.push(Finding::new(Level::Bite, "versions-differ", what, why, instead).breaks(claim::SIMPLE));
    }
    sizes(servers, needs, findings);
    differing(servers, findings);
}

/// The size of the cluster, against the requested and the required size.
fn sizes(servers: &[Server], needs: &Needs, findings: &mut Vec<Finding>) {
    let sizes: BTreeSet<u32> = servers.iter().filter_map(|server| Some(server.meta.as_ref()?.size)).collect();
    let Some(size) = sizes.last().copied() else { return };
    let size_here = num::index(u64::from(size));
    findings.extend(if needs.replicas.is_some() {
        sized(size_here, needs)
    } else {
        even(size_here).into_iter().collect()
    });
    let seen = servers.iter().filter(|server| server.meta.is_some()).count();
    if seen < size_here {
        let asked: BTreeSet<&str> = servers.iter().map(|server| server.name.as_str()).collect();
        let routes = servers.iter().filter_map(|server| server.routes.as_ref()).flatten();
        let others: BTreeSet<&str> =
            routes.map(String::as_str).filter(|name| !asked.contains(name)).collect();
        let others: Vec<&str> = others.into_iter().collect();
        let named = if others.is_empty() { String::new() } else { format!(": not {}", others.join(", ")) };
        let what = format!("{seen} of {size} servers of the cluster were asked{named}");
        let why = "what the others do is unknown";
        let instead = "name the monitoring endpoint of each server, or credentials of the system account";
        findings.push(Finding::new(Level::Note, "unseen-servers", what, why, instead));
    }
}

/// Settings that servers of one bus share.
fn differing(servers: &[Server], findings: &mut Vec<Finding>) {
    type Setting = fn(&Server) -> Option<String>;
    let shared: [(&str, Setting); 4] = [
        ("sync_interval", |server| {
            let jetstream = server.jetstream.as_ref()?;
            let every = || format!("{} s", show::count(jetstream.sync_interval_ns / 1_000_000_000));
            Some(if jetstream.sync_always { "always".to_owned() } else { every() })
        }),
        ("max_file_store", |server| Some(show::size(server.jetstream.as_ref()?.max_storage))),
        ("max_memory_store", |server| Some(show::size(server.jetstream.as_ref()?.max_memory))),
        ("max_payload", |server| Some(show::size(server.max_payload))),
    ];
    for (name, of) in shared {
        let all: Vec<(&Server, String)> =
            servers.iter().filter_map(|server| Some((server, of(server)?))).collect();
        let Some((_, first)) = all.first() else { continue };
        if all.iter().all(|(_, value)| value == first) {
            continue;
        }
        let shown: Vec<String> =
            all.iter().map(|(server, value)| format!("{} {value}", server.name)).collect();
        let what = format!("`{name}` differs: {}", shown.join(", "));
        let why = "what a stream may take, or what a power loss takes, depends on which server leads it";
        findings.push(Finding::new(
            Level::Bite,
            "settings-differ",
            what,
            why,
            "write the same value for each server",
        ));
    }
}
