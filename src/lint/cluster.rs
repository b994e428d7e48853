//! Whether the cluster that a file describes comes about, and what it survives.

use super::conf::{Map, Value};
use super::settings::{Listener, Route, Settings, is_loopback};
use super::{Finding, Level, Lint, Needs, claim};
use crate::num;

pub(super) fn check(lint: &mut Lint<'_>) {
    let Some((entry, cluster)) = lint.settings.cluster() else {
        alone(lint);
        return;
    };
    let routes = lint.settings.routes();
    let Some(listener) = lint.settings.cluster_listener() else {
        isolated(lint, routes.len());
        shared_name(lint, &routes);
        return;
    };
    let (_, jetstream) = lint.settings.jetstream();
    if jetstream {
        names(lint);
        connected(lint, cluster, &routes, &listener);
    } else if lint.settings.cluster_name().is_none() {
        let what = "the cluster has no name";
        let why = "the servers agree on a generated name, which changes when all of them restart";
        let finding =
            Finding::new(Level::Note, "cluster-without-name", what, why, "add `name` to the cluster block");
        lint.add(Some(entry.place), finding);
    }
    shared_name(lint, &routes);
    repeated(lint, &routes);
    let own = routes.iter().any(|route| is_own(lint, route, &listener));
    let place = cluster.get(&["routes"]).unwrap_or(entry).place;
    if own && lint.nodes == 1 {
        for finding in sized(distinct(&routes), lint.needs) {
            lint.add(Some(place), finding);
        }
    }
    pool(lint);
}

/// A file without a cluster.
fn alone(lint: &mut Lint<'_>) {
    if lint.settings.get(&["cluster"]).is_some() {
        return;
    }
    let solicits =
        lint.settings.block(&["leaf", "leafnodes"]).is_some_and(|(_, leaf)| leaf.get(&["remotes"]).is_some());
    if solicits {
        return;
    }
    let replicas = lint.needs.replicas.unwrap_or(1);
    if replicas > 1 {
        let what = format!(
            "no `cluster` block, and {} asks for {replicas} copies of each event",
            lint.needs.named()
        );
        let why = "the server refuses the stream: 10074, replicas > 1 not supported in non-clustered mode";
        let instead = "write a cluster block with name, listen and routes, with a server_name for each node";
        lint.add(None, Finding::new(Level::Fail, "no-cluster", what, why, instead).breaks(claim::SCALE));
    } else if lint.nodes == 1 {
        let what = "no `cluster` block: one server";
        let why = "while it is down nothing is published or delivered, and a lost disk loses every event";
        let instead = "three servers in a cluster, if that is not acceptable";
        lint.add(None, Finding::new(Level::Note, "no-cluster", what, why, instead).breaks(claim::SCALE));
    }
}

/// A cluster block that nothing can connect to.
fn isolated(lint: &mut Lint<'_>, routes: usize) {
    let Some((entry, _)) = lint.settings.cluster() else { return };
    let what = "the cluster block has neither `listen` nor `port`, so the server neither listens for routes nor connects to any";
    let servers = if routes > 1 { format!("{routes} servers") } else { "the servers".to_owned() };
    let why = format!(
        "the block has no effect: {servers} with this file run isolated, each \"ready\" and healthy, without a warning or a \
         route in the log. Each has a JetStream of its own; a stream with replicas is refused (10074), and events published \
         to one server are on no other"
    );
    let instead = "add to the cluster block: listen: \"0.0.0.0:6222\"";
    let finding =
        Finding::new(Level::Fail, "cluster-without-listen", what, why, instead).breaks(claim::SCALE);
    lint.add(Some(entry.place), finding);
}

/// The names that a cluster with `JetStream` needs.
fn names(lint: &mut Lint<'_>) {
    let Some((entry, _)) = lint.settings.cluster() else { return };
    if lint.settings.server_name().is_none() {
        let what = "the server has no `server_name`";
        let why = "the server refuses to start: \"jetstream cluster requires `server_name` to be set\". Without JetStream the name \
                   would be a new one at each start";
        let instead = "add a `server_name`, another one for each server, such as: server_name: nats-1";
        lint.add(
            Some(entry.place),
            Finding::new(Level::Fail, "cluster-without-server-name", what, why, instead),
        );
    }
    if lint.settings.cluster_name().is_none() {
        let what = "the cluster has no `name`";
        let why = "the server refuses to start: \"jetstream cluster requires `cluster.name` to be set\"";
        let instead = "add the same `name` to the cluster block of every server";
        lint.add(Some(entry.place), Finding::new(Level::Fail, "cluster-without-name", what, why, instead));
    }
}

/// Whether the routes lead to another server.
fn connected(lint: &mut Lint<'_>, cluster: &Map, routes: &[Route], listener: &Listener) {
    let Some((entry, _)) = lint.settings.cluster() else { return };
    let solicits =
        lint.settings.block(&["leaf", "leafnodes"]).is_some_and(|(_, leaf)| leaf.get(&["remotes"]).is_some());
    let named = cluster.get(&["routes"]);
    let written = named.is_some_and(|routes| !routes.item.list().is_empty());
    if !written && !solicits {
        let what = "the cluster has no routes";
        let why = "the server ends at its start: \"JetStream cluster requires configured routes or solicited leafnode for the \
                   system account\", even if the other servers connect to it";
        let instead =
            "list the route URLs of all servers, this one's own included: it is recognised and harmless";
        let place = named.unwrap_or(entry).place;
        lint.add(Some(place), Finding::new(Level::Fail, "cluster-without-routes", what, why, instead));
    } else if !routes.is_empty() && routes.iter().all(|route| is_own(lint, route, listener)) {
        let what = "the routes name only this server itself";
        let why = "no meta leader can be elected: JetStream never becomes available, and the log repeats \"Waiting for routing to \
                   be established\"";
        let instead = "list the route URLs of the other servers";
        let place = named.map_or(entry.place, |routes| routes.place);
        lint.add(
            Some(place),
            Finding::new(Level::Fail, "routes-only-self", what, why, instead).breaks(claim::SCALE),
        );
    }
}

/// Whether a route leads to the server itself, as far as the file says.
fn is_own(lint: &Lint<'_>, route: &Route, listener: &Listener) -> bool {
    leads_to(route, lint.settings, listener)
}

/// Whether a route leads to the server with these settings, as far as they say.
pub(super) fn leads_to(route: &Route, settings: Settings<'_>, listener: &Listener) -> bool {
    let port = route.port.map(i64::from);
    if port.is_some_and(|port| port != listener.port) {
        return false;
    }
    let name = settings.server_name().map(|(_, name)| name);
    let advertised =
        settings.cluster().and_then(|(_, cluster)| cluster.get(&["cluster_advertise", "advertise"]));
    let advertised = advertised.and_then(|entry| entry.item.text());
    let advertised = advertised.map(|text| text.split(':').next().unwrap_or(text));
    let host = (!listener.on_all()).then_some(listener.host.as_str());
    // `nats-1.cluster.local` is the host of `nats-1`.
    let same = |own: &str| {
        let own = own.to_ascii_lowercase();
        route.host == own || route.host.strip_prefix(&own).is_some_and(|rest| rest.starts_with('.'))
    };
    [name, advertised, host].into_iter().flatten().any(same) || is_loopback(&route.host)
}

fn distinct(routes: &[Route]) -> usize {
    let mut all: Vec<(&str, Option<u16>)> =
        routes.iter().map(|route| (route.host.as_str(), route.port)).collect();
    all.sort_unstable();
    all.dedup();
    all.len()
}

/// One file for several servers gives all of them the same name.
fn shared_name(lint: &mut Lint<'_>, routes: &[Route]) {
    let Some((entry, name)) = lint.settings.server_name() else { return };
    let servers = distinct(routes);
    let listener = lint.settings.cluster_listener();
    let listener = listener.unwrap_or(Listener { host: String::new(), port: 6222, place: None });
    let own = routes.iter().any(|route| is_own(lint, route, &listener));
    let (several, odd) = (servers >= 3, servers % 2 == 1);
    if lint.nodes > 1 || entry.item.by_variable || own || !several || !odd {
        return;
    }
    let what = format!(
        "one `server_name` for the {servers} servers of the routes: {name} is the host of none of them"
    );
    let why = "if all of them read this file, all have the same name. JetStream knows its peers by name: the servers report \
               \"Remote server has a duplicate name\", routes are made and dropped, and no meta leader stays";
    let instead =
        "give each server a name of its own, for example from the environment: server_name: $HOSTNAME";
    let finding = Finding::new(Level::Bite, "server-name-shared", what, why, instead).breaks(claim::SCALE);
    lint.add(Some(entry.place), finding);
}

fn repeated(lint: &mut Lint<'_>, routes: &[Route]) {
    for (at, route) in routes.iter().enumerate() {
        let same = |other: &Route| other.host == route.host && other.port == route.port;
        if routes.iter().take(at).any(same) {
            let what = format!("the route to {} is listed twice", route.host);
            let why = "the server warns and uses one; another server may be missing";
            let finding = Finding::new(Level::Note, "repeated-route", what, why, "list each server once");
            lint.add(Some(route.place), finding);
        }
    }
}

/// What a cluster of this size survives, and whether it has room for the copies.
pub(super) fn sized(size: usize, needs: &Needs) -> Vec<Finding> {
    let short = needs.replicas.filter(|replicas| u64::from(*replicas) > num::count(size)).map(|replicas| {
        let what = format!("{size} servers, and {} asks for {replicas} copies of each event", needs.named());
        let why = "the servers refuse the stream: 10005, no suitable peers for placement";
        let instead = format!("a cluster of {replicas} servers, or bus.replicas = {size} in the profile");
        Finding::new(Level::Fail, "replicas-above-nodes", what, why, instead).breaks(claim::SCALE)
    });
    even(size).into_iter().chain(short).collect()
}

fn pool(lint: &mut Lint<'_>) {
    let pool = lint.settings.cluster().and_then(|(_, cluster)| cluster.get(&["pool_size"]));
    if let Some(entry) = pool
        && matches!(entry.item.value, Value::Whole(pool) if pool < 0)
    {
        let what = "`pool_size` is negative: one connection between two servers carries all accounts";
        let why = "a large catch-up of one stream delays every other stream and the heartbeats of elections";
        let finding = Finding::new(Level::Note, "no-route-pool", what, why, "leave it out: the default is 3");
        lint.add(Some(entry.place), finding);
    }
}

/// The finding about an even number of servers.
pub(super) fn even(size: usize) -> Option<Finding> {
    if size == 0 || size % 2 == 1 {
        return None;
    }
    let (majority, survived) = (size / 2 + 1, size / 2 - 1);
    let lost = match survived {
        0 => "the loss of one stops JetStream".to_owned(),
        n => format!("it survives the loss of {n}, as {} servers do", size - 1),
    };
    let what = format!("an even number of servers: {size}");
    let why = format!(
        "a majority is {majority} of {size}: {lost}, and a partition into halves leaves no side that can elect a leader"
    );
    let instead = format!("{} or {} servers", (size - 1).max(3), size + 1);
    Some(Finding::new(Level::Bite, "even-cluster", what, why, instead).breaks(claim::SCALE))
}
