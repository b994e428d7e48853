//! The settings that the rules look at, by whatever name the file gives them.

use super::conf::{Entry, Item, Map, Place, Value};

/// The host that the server takes where the file names none.
const ALL: &str = "0.0.0.0";

/// The settings of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings<'a> {
    root: &'a Map,
}

/// Another server that a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// Host, in lower case.
    pub(super) host: String,
    /// Port, if the URL has one.
    pub(super) port: Option<u16>,
    /// User and password, as in the URL.
    pub(super) login: Option<String>,
    pub(super) place: Place,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) host: String,
    pub(super) port: i64,
    pub(super) place: Option<Place>,
}

impl Listener {
    pub(super) fn on_all(&self) -> bool {
        matches!(self.host.as_str(), "" | ALL | "::" | "[::]")
    }

    pub(super) fn on_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

pub(super) fn is_loopback(host: &str) -> bool {
    host.starts_with("127.") || host.eq_ignore_ascii_case("localhost") || host == "::1"
}

impl<'a> Settings<'a> {
    pub(super) const fn of(root: &'a Map) -> Self {
        Self { root }
    }

    pub(super) const fn root(self) -> &'a Map {
        self.root
    }

    pub(super) fn get(self, names: &[&str]) -> Option<&'a Entry> {
        self.root.get(names)
    }

    /// The entry of a block at the top, and the block.
    pub(super) fn block(self, names: &[&str]) -> Option<(&'a Entry, &'a Map)> {
        let entry = self.get(names)?;
        Some((entry, entry.item.map()?))
    }

    pub(super) fn cluster(self) -> Option<(&'a Entry, &'a Map)> {
        self.block(&["cluster"])
    }

    /// Where the server listens for routes; `None`: nowhere, whatever else the block says.
    pub(super) fn cluster_listener(self) -> Option<Listener> {
        let (_, cluster) = self.cluster()?;
        listener(cluster, &["port"]).filter(|listener| listener.port != 0)
    }

    pub(super) fn routes(self) -> Vec<Route> {
        let routes = self.cluster().and_then(|(_, cluster)| cluster.get(&["routes"]));
        let items = routes.map(|entry| entry.item.list()).unwrap_or_default();
        items.iter().filter_map(|item| route(item).ok()).collect()
    }

    pub(super) fn server_name(self) -> Option<(&'a Entry, &'a str)> {
        let entry = self.get(&["server_name"])?;
        Some((entry, entry.item.text()?)).filter(|(_, name)| !name.is_empty())
    }

    pub(super) fn cluster_name(self) -> Option<(&'a Entry, &'a str)> {
        let gateway = self.block(&["gateway"]).and_then(|(_, gateway)| gateway.get(&["name"]));
        let entry = self.cluster()?.1.get(&["name"]).or(gateway)?;
        Some((entry, entry.item.text()?)).filter(|(_, name)| !name.is_empty())
    }

    pub(super) fn clients(self) -> Listener {
        let host = || self.get(&["host", "net"]).and_then(|entry| Some((entry.item.text()?, entry.place)));
        let listener = listener(self.root, &["port"]);
        listener.unwrap_or_else(|| {
            let (host, place) = host().map_or((ALL, None), |(host, place)| (host, Some(place)));
            Listener { host: host.to_owned(), port: 4222, place }
        })
    }

    /// Where the server listens for requests of its monitoring endpoints, in the clear.
    pub(super) fn monitor(self) -> Option<Listener> {
        let clients = || self.clients().host;
        if let Some(entry) = self.get(&["http"]) {
            let (host, port) = address(&entry.item).ok()?;
            let host = if host.is_empty() { clients() } else { host };
            return Some(Listener { host, port, place: Some(entry.place) }).filter(|all| all.port != 0);
        }
        let entry = self.get(&["http_port", "monitor_port"])?;
        let Value::Whole(port) = entry.item.value else { return None };
        Some(Listener { host: clients(), port, place: Some(entry.place) }).filter(|all| all.port != 0)
    }

    /// The entry of `jetstream`, and whether it is on.
    pub(super) fn jetstream(self) -> (Option<&'a Entry>, bool) {
        let entry = self.get(&["jetstream"]);
        let on = entry.is_some_and(|entry| match &entry.item.value {
            Value::Bool(on) => *on,
            Value::Text(text) => !text.to_ascii_lowercase().starts_with("disable"),
            Value::Map(map) => {
                let enabled = map.get(&["enable", "enabled"]).map(|entry| &entry.item.value);
                enabled != Some(&Value::Bool(false))
            }
            _ => false,
        });
        (entry, on)
    }

    /// A setting of the `jetstream` block.
    pub(super) fn stored(self, names: &[&str]) -> Option<&'a Entry> {
        self.block(&["jetstream"])?.1.get(names)
    }

    pub(super) fn store_dir(self) -> Option<&'a Entry> {
        self.stored(&["store", "store_dir", "storedir"]).or_else(|| self.get(&["store_dir", "storedir"]))
    }

    /// The accounts of the file: name, entry and block.
    pub(super) fn accounts(self) -> Vec<(&'a Entry, &'a Map)> {
        let Some((_, accounts)) = self.block(&["accounts"]) else { return vec![] };
        let blocks = accounts.entries.iter().filter(|entry| !entry.referred);
        blocks.filter_map(|entry| Some((entry, entry.item.map()?))).collect()
    }

    /// The account of the servers themselves.
    pub(super) fn system_account(self) -> &'a str {
        self.get(&["system_account", "system"]).and_then(|entry| entry.item.text()).unwrap_or("$SYS")
    }

    /// All user blocks, with those of accounts.
    pub(super) fn users(self) -> Vec<&'a Map> {
        let of = |map: &'a Map| map.get(&["users"]).map(|entry| entry.item.list()).unwrap_or_default();
        let authorization = self.block(&["authorization"]).map(|(_, map)| of(map)).unwrap_or_default();
        let accounts = self.accounts().into_iter().flat_map(|(_, account)| of(account));
        authorization.iter().chain(accounts).filter_map(Item::map).collect()
    }
}

/// A size, as a number or as a string that ends in K, M, G or T.
pub(super) fn size(item: &Item) -> Option<i64> {
    match &item.value {
        Value::Whole(number) => Some(*number),
        Value::Text(text) if text.is_empty() => Some(0),
        Value::Text(text) => {
            let last = text.chars().next_back()?;
            let power = "KMGT".chars().zip(1_u32..).find(|(letter, _)| *letter == last)?.1;
            let number: i64 = text.strip_suffix(last)?.parse().ok()?;
            Some((0..power).fold(number, |number, _| number.wrapping_mul(1024)))
        }
        _ => None,
    }
}

/// A port, or `host:port`.
pub(super) fn address(item: &Item) -> Result<(String, i64), ()> {
    match &item.value {
        Value::Whole(port) => Ok((String::new(), *port)),
        Value::Text(text) => {
            let (host, port) = text.rsplit_once(':').ok_or(())?;
            let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            let host = bracketed.unwrap_or(host);
            if bracketed.is_none() && host.contains([':', '[', ']']) {
                return Err(());
            }
            Ok((host.to_owned(), port.parse().map_err(|_| ())?))
        }
        _ => Err(()),
    }
}

/// Where a block says that the server listens.
fn listener(block: &Map, ports: &[&str]) -> Option<Listener> {
    if let Some(entry) = block.get(&["listen"]) {
        let (host, port) = address(&entry.item).ok()?;
        return Some(Listener { host, port, place: Some(entry.place) });
    }
    let entry = block.get(ports)?;
    let Value::Whole(port) = entry.item.value else { return None };
    let host = block.get(&["host", "net"]).and_then(|entry| entry.item.text()).unwrap_or(ALL);
    Some(Listener { host: host.to_owned(), port, place: Some(entry.place) })
}

/// The URL of a route.
pub(super) fn route(item: &Item) -> Result<Route, &'static str> {
    let text = item.text().ok_or("a route is a string")?.trim();
    let (_, rest) = text.split_once("://").ok_or("a route is a URL such as nats://HOST:6222")?;
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (login, authority) = rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => authority.rsplit_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("the URL of a route names no host");
    }
    let port =
        port.map(str::parse).transpose().map_err(|_| "the port of a route is not a number up to 65535")?;
    Ok(Route { host: host.to_ascii_lowercase(), port, login: login.map(str::to_owned), place: item.place })
}
