//! Who may connect: clients, other servers, and whoever reaches the monitoring port; and the limits of connections.

use super::conf::{Entry, Map, Value};
use super::duration;
use super::settings::size;
use super::{Finding, Level, Lint, claim};
use crate::num::{self, show};

/// Keys by which operators and their accounts come in.
const OPERATORS: [&str; 9] = [
    "operator",
    "operators",
    "roots",
    "root",
    "root_operators",
    "root_operator",
    "trusted",
    "trusted_keys",
    "resolver",
];
/// Time that a client has to take what the server writes; below this, ordinary pauses cut clients off.
const SHORT_DEADLINE_NS: u64 = 2_000_000_000;
/// Fewest connections that are not called few.
const FEW_CONNECTIONS: i64 = 100;
/// Largest payload without a warning of the server, and its default.
const LARGE_PAYLOAD: i64 = 8 << 20;
const DEFAULT_PAYLOAD: i64 = 1 << 20;
const DEFAULT_PENDING: i64 = 64 << 20;

pub(super) fn check(lint: &mut Lint<'_>) {
    clients(lint);
    no_auth_user(lint);
    passwords(lint);
    routes(lint);
    addresses(lint);
    monitor(lint);
    limits(lint);
    payload(lint);
    lame_duck(lint);
}

fn is_true(map: &Map, names: &[&str]) -> bool {
    map.get(names).is_some_and(|entry| entry.item.value == Value::Bool(true))
}

/// Whether clients have to say who they are.
fn asks_who(lint: &Lint<'_>) -> bool {
    let settings = lint.settings;
    let authorization = settings.block(&["authorization"]).is_some_and(|(_, map)| {
        ["user", "username", "token", "auth_callout", "auth_hook"]
            .iter()
            .any(|name| map.get(&[name]).is_some())
    });
    let mapped = settings.block(&["tls"]).is_some_and(|(_, tls)| is_true(tls, &["verify", "verify_and_map"]));
    let system = settings.system_account();
    let of_accounts = settings.accounts().into_iter().any(|(entry, account)| {
        let users = account.get(&["users"]).is_some_and(|users| !users.item.list().is_empty());
        users && entry.key != system
    });
    let in_authorization = settings
        .block(&["authorization"])
        .and_then(|(_, map)| map.get(&["users"]))
        .is_some_and(|users| !users.item.list().is_empty());
    authorization
        || mapped
        || of_accounts
        || in_authorization
        || OPERATORS.iter().any(|name| settings.get(&[name]).is_some())
}

fn clients(lint: &mut Lint<'_>) {
    let listener = lint.settings.clients();
    if !asks_who(lint) {
        let level = if listener.on_loopback() { Level::Note } else { Level::Bite };
        let what = "no authentication of clients";
        let why =
            "whoever reaches the port can publish orders, read every event, and purge or delete the streams";
        let instead =
            "add users, for example: authorization { users: [ { user: app, password: $APP_PASSWORD } ] }";
        lint.add(listener.place, Finding::new(level, "no-authentication", what, why, instead));
        return;
    }
    let system = lint.settings.system_account();
    let accounts = lint.settings.accounts();
    let has_user =
        accounts.iter().any(|(entry, account)| entry.key == system && account.get(&["users"]).is_some());
    let operators = OPERATORS.iter().any(|name| lint.settings.get(&[name]).is_some());
    if lint.settings.cluster().is_some() && !has_user && !operators {
        let place = lint.settings.get(&["accounts", "authorization"]).map(|entry| entry.place);
        let what = format!("the system account ({system}) has no user");
        let why = "nobody can move the meta leader, remove a lost peer or read the figures of all servers over a connection: \
                   $SYS.REQ and META.LEADER.STEPDOWN answer the system account only";
        let instead = "add to `accounts`: $SYS { users: [ { user: sys, password: $SYS_PASSWORD } ] }";
        lint.add(place, Finding::new(Level::Note, "no-system-user", what, why, instead));
    }
}

fn no_auth_user(lint: &mut Lint<'_>) {
    let Some(entry) = lint.settings.get(&["no_auth_user"]) else { return };
    let Some(name) = entry.item.text().filter(|name| !name.is_empty()) else { return };
    let users = lint.settings.users();
    let known = users.iter().any(|user| {
        user.get(&["user", "username", "nkey"]).and_then(|entry| entry.item.text()) == Some(name)
    });
    let operators = OPERATORS.iter().any(|name| lint.settings.get(&[name]).is_some());
    let finding = if operators {
        let why = "the server refuses to start: no_auth_user not compatible with Trusted Operator";
        Finding::new(
            Level::Fail,
            "no-auth-user-unknown",
            "`no_auth_user` beside an operator",
            why,
            "remove it",
        )
    } else if known {
        let what = format!("`no_auth_user`: a client without credentials is let in as {name}");
        let why = "the users of the file protect nothing that this user may do";
        let level = if lint.settings.clients().on_loopback() { Level::Note } else { Level::Bite };
        Finding::new(
            level,
            "no-auth-user",
            what,
            why,
            "remove it, or give that user permission for public subjects only",
        )
    } else {
        let what = format!("`no_auth_user` names {name}, and the file has no such user");
        let why = "the server refuses to start; `nats-server -t` does not notice";
        Finding::new(Level::Fail, "no-auth-user-unknown", what, why, "name one of the users")
    };
    lint.add(Some(entry.place), finding);
}

/// Passwords that anybody who reads the file has.
fn passwords(lint: &mut Lint<'_>) {
    let users = lint.settings.users();
    let authorization = lint.settings.block(&["authorization"]).map(|(_, map)| map);
    let in_plain = |entry: &&Entry| {
        let written =
            !entry.item.by_variable && entry.item.text().is_some_and(|text| !text.starts_with("$2"));
        written && entry.item.text() != Some("")
    };
    let all = users.into_iter().chain(authorization);
    let plain: Vec<&Entry> =
        all.filter_map(|map| map.get(&["pass", "password", "token"])).filter(in_plain).collect();
    let Some(first) = plain.first() else { return };
    let what = format!("{} in plain text", show::several(num::count(plain.len()), "password"));
    let why = "whoever reads the file, a copy of it or its history has them";
    let instead = "take them from the environment (password: $APP_PASSWORD), or write their hash (`nats server passwd`)";
    lint.add(Some(first.place), Finding::new(Level::Note, "plain-password", what, why, instead));
}

fn routes(lint: &mut Lint<'_>) {
    let Some((entry, cluster)) = lint.settings.cluster() else { return };
    let authorized = cluster.get(&["authorization"]).is_some();
    let verified = cluster.get(&["tls"]).is_some();
    let listener = lint.settings.cluster_listener();
    if authorized || verified || listener.as_ref().is_some_and(super::settings::Listener::on_loopback) {
        return;
    }
    let what = "no authentication of routes: the cluster block has neither `authorization` nor `tls`";
    let why =
        "whoever reaches the route port can join the cluster as a server, and then sees and sends everything";
    let why = match listener {
        Some(_) => why.to_owned(),
        None => format!("once the cluster listens: {why}"),
    };
    let instead = "add to the cluster block: authorization { user: route, password: $ROUTE_PASSWORD }, or tls with verify: true; \
                   with a user, write it into the route URLs too";
    lint.add(
        Some(entry.place),
        Finding::new(Level::Bite, "routes-without-authentication", what, why, instead),
    );
}

fn addresses(lint: &mut Lint<'_>) {
    let listener = lint.settings.clients();
    if listener.on_all() && lint.settings.get(&["tls"]).is_none() {
        let what = "clients are accepted on all addresses, without TLS";
        let why = "events, and the passwords of clients, cross every network of the machine in the clear";
        let instead = "add a tls block with cert_file and key_file, or listen on an internal address, such as: \
                       listen: \"10.0.0.5:4222\"";
        lint.add(listener.place, Finding::new(Level::Bite, "no-tls", what, why, instead));
    }
}

fn monitor(lint: &mut Lint<'_>) {
    let Some(listener) = lint.settings.monitor().filter(super::settings::Listener::on_all) else { return };
    let what = format!("the monitoring port {} is open on all addresses", listener.port);
    let why = "it asks for no password, and shows subjects, accounts, connections with their addresses, and the store's path";
    let instead = format!("write http: \"127.0.0.1:{}\", or an internal address", listener.port);
    lint.add(listener.place, Finding::new(Level::Bite, "monitor-open", what, why, instead));
}

/// Limits of connections, for the server and its accounts.
fn limits(lint: &mut Lint<'_>) {
    let connections = lint.settings.get(&["max_connections", "max_conn"]);
    if let Some(entry) = connections {
        few(lint, entry, "the server");
    }
    if let Some(entry) = lint.settings.get(&["write_deadline"])
        && let Some(ns) = entry.item.text().and_then(duration::parse)
        && ns < SHORT_DEADLINE_NS
    {
        let what = format!("`write_deadline` is {}, and the default is 10 s", show::time(ns));
        let why = "a client that reads nothing for that long, for a pause of its runtime or a slow network, is cut off as a slow \
                   consumer";
        let finding =
            Finding::new(Level::Bite, "write-deadline-short", what, why, "leave it out, or write 5s or more");
        lint.add(Some(entry.place), finding);
    }
    for (account, map) in lint.settings.accounts() {
        let of = map.get(&["limits"]).and_then(|entry| entry.item.map());
        let Some(of) = of.filter(|_| account.key != lint.settings.system_account()) else { continue };
        let name = format!("the account {}", account.key);
        if let Some(entry) = of.get(&["max_connections", "max_conn"]) {
            few(lint, entry, &name);
        }
        if let Some(entry) = of.get(&["max_payload", "max_pay"]) {
            small_payload(lint, entry, &name);
        }
    }
}

fn few(lint: &mut Lint<'_>, entry: &Entry, whose: &str) {
    let Value::Whole(most) = entry.item.value else { return };
    let needed = i64::try_from(lint.needs.connections).unwrap_or(i64::MAX);
    if most <= 0 || most >= needed.max(FEW_CONNECTIONS) {
        return;
    }
    let fails = most < needed;
    let what = if fails {
        format!("{whose} accepts {most} connections, and {} needs {needed}", lint.needs.named())
    } else {
        format!("{whose} accepts {most} connections")
    };
    let why = "a client beyond the limit is refused with \"maximum connections exceeded\"; clients that reconnect to the remaining \
               servers after a failure count there too";
    let level = if fails { Level::Fail } else { Level::Bite };
    let instead = "leave it out: the default is 65,536";
    lint.add(Some(entry.place), Finding::new(level, "few-connections", what, why, instead));
}

fn payload(lint: &mut Lint<'_>) {
    let entry = lint.settings.get(&["max_payload"]);
    let payload =
        entry.and_then(|entry| size(&entry.item)).filter(|most| *most != 0).unwrap_or(DEFAULT_PAYLOAD);
    let pending =
        lint.settings.get(&["max_pending"]).and_then(|entry| size(&entry.item)).filter(|most| *most != 0);
    let pending = pending.unwrap_or(DEFAULT_PENDING);
    let bytes = |n: i64| show::size(u64::try_from(n).unwrap_or_default());
    let place = entry.map(|entry| entry.place);
    if payload > pending {
        let what = format!("`max_payload` ({}) is above `max_pending` ({})", bytes(payload), bytes(pending));
        let why = "the server refuses to start; `nats-server -t` does not notice";
        let finding = Finding::new(
            Level::Fail,
            "payload-above-pending",
            what,
            why,
            "lower max_payload or raise max_pending",
        );
        lint.add(place, finding);
    } else if payload > LARGE_PAYLOAD {
        let what = format!("`max_payload` is {}", bytes(payload));
        let why = "the server warns above 8 MiB: each large event holds up all others on its connection and its route";
        let instead = "1MB, the default; keep large content elsewhere and send its address";
        lint.add(place, Finding::new(Level::Bite, "payload-large", what, why, instead));
    }
    match entry {
        Some(entry) => small_payload(lint, entry, "the server"),
        None if u64::try_from(payload).is_ok_and(|payload| payload < lint.needs.event_bytes) => {
            too_small(lint, None, "the server", payload);
        }
        None => {}
    }
}

fn small_payload(lint: &mut Lint<'_>, entry: &Entry, whose: &str) {
    let Some(payload) = size(&entry.item).filter(|payload| *payload > 0) else { return };
    if u64::try_from(payload).is_ok_and(|payload| payload < lint.needs.event_bytes) {
        too_small(lint, Some(entry), whose, payload);
    }
}

fn too_small(lint: &mut Lint<'_>, entry: Option<&Entry>, whose: &str, payload: i64) {
    let needed = show::size(lint.needs.event_bytes);
    let what =
        format!("{whose} accepts events of {payload} bytes, and {} sends up to {needed}", lint.needs.named());
    let why =
        "the server answers a larger event with \"maximum payload violation\" and closes the connection";
    let instead = format!("max_payload: {}", lint.needs.event_bytes.next_power_of_two().max(1 << 20));
    let finding = Finding::new(Level::Fail, "payload-small", what, why, instead).breaks(claim::RATE);
    lint.add(entry.map(|entry| entry.place), finding);
}

fn lame_duck(lint: &mut Lint<'_>) {
    let of = |name: &str| {
        let entry = lint.settings.get(&[name])?;
        Some((entry.place, duration::parse(entry.item.text()?)?))
    };
    let Some((place, grace)) = of("lame_duck_grace_period") else { return };
    let duration = of("lame_duck_duration").map_or(120_000_000_000, |(_, ns)| ns);
    if grace >= duration {
        let what = format!(
            "`lame_duck_grace_period` ({}) is not below `lame_duck_duration` ({})",
            show::time(grace),
            show::time(duration)
        );
        let why = "the server refuses to start; `nats-server -t` does not notice";
        let finding = Finding::new(Level::Fail, "lame-duck-grace", what, why, "write a shorter grace period");
        lint.add(Some(place), finding);
    }
}
