//! Compares the configurations of the nodes of one cluster.

use super::cluster::{leads_to, sized};
use super::conf::{Entry, Place};
use super::settings::{Listener, Settings};
use super::{Conf, Finding, Level, Needs, claim};

/// Settings that nodes of one cluster share.
const SHARED: [(&str, Setting); 5] = [
    ("sync_interval", |settings| settings.stored(&["sync", "sync_interval"])),
    ("max_file_store", |settings| settings.stored(&["max_file_store", "max_file"])),
    ("max_memory_store", |settings| settings.stored(&["max_memory_store", "max_mem_store", "max_mem"])),
    ("max_payload", |settings| settings.get(&["max_payload"])),
    ("domain", |settings| settings.stored(&["domain"])),
];

type Setting = for<'a> fn(Settings<'a>) -> Option<&'a Entry>;

/// Compares configurations; one alone has no findings.
pub(super) fn compare(confs: &[&Conf], needs: &Needs) -> Vec<Finding> {
    if confs.len() < 2 {
        return vec![];
    }
    let nodes: Vec<Node<'_>> =
        confs.iter().map(|conf| Node { conf, settings: Settings::of(&conf.root) }).collect();
    let mut findings = vec![];
    names(&nodes, &mut findings);
    clusters(&nodes, &mut findings);
    addresses(&nodes, &mut findings);
    routes(&nodes, &mut findings);
    logins(&nodes, &mut findings);
    shared(&nodes, &mut findings);
    if nodes.iter().all(|node| node.settings.cluster_listener().is_some()) {
        findings.extend(sized(nodes.len(), needs));
    }
    findings
}

struct Node<'a> {
    conf: &'a Conf,
    settings: Settings<'a>,
}

impl Node<'_> {
    fn place(&self, place: Place, finding: Finding) -> Finding {
        Finding { at: Some(self.conf.at(place)), ..finding }
    }
}

/// All pairs, the earlier node first.
fn pairs<'a, 'n>(nodes: &'n [Node<'a>]) -> impl Iterator<Item = (&'n Node<'a>, &'n Node<'a>)> {
    let later = |at: usize| nodes.iter().skip(at + 1);
    nodes.iter().enumerate().flat_map(move |(at, node)| later(at).map(move |other| (node, other)))
}

fn names(nodes: &[Node<'_>], findings: &mut Vec<Finding>) {
    for (node, other) in pairs(nodes) {
        let (Some((_, name)), Some((entry, same))) =
            (node.settings.server_name(), other.settings.server_name())
        else {
            continue;
        };
        if name == same {
            let what = format!("the `server_name` {name} is also that of {}", node.conf.name());
            let why = "JetStream knows its peers by name: the servers report \"Remote server has a duplicate name\", routes are \
                       made and dropped, and no meta leader stays";
            let finding = Finding::new(
                Level::Fail,
                "same-server-name",
                what,
                why,
                "give each server a name of its own",
            );
            findings.push(other.place(entry.place, finding.breaks(claim::SCALE)));
        }
    }
}

fn clusters(nodes: &[Node<'_>], findings: &mut Vec<Finding>) {
    let Some((first, (_, name))) = nodes.iter().find_map(|node| Some((node, node.settings.cluster_name()?)))
    else {
        return;
    };
    for node in nodes {
        if let Some((entry, other)) = node.settings.cluster_name()
            && other != name
        {
            let what = format!("the cluster is named {other} here, and {name} in {}", first.conf.name());
            let why = "the servers refuse each other's routes: \"Rejecting connection, cluster name … does not match\"";
            let finding =
                Finding::new(Level::Fail, "cluster-names-differ", what, why, format!("name: {name}"));
            findings.push(node.place(entry.place, finding.breaks(claim::SCALE)));
        }
    }
}

/// Listeners that two servers cannot both have.
fn addresses(nodes: &[Node<'_>], findings: &mut Vec<Finding>) {
    let of = |node: &Node<'_>| {
        let settings = node.settings;
        [Some(settings.clients()), settings.cluster_listener(), settings.monitor()].into_iter().flatten()
    };
    // The same address of clients means the same machine; `127.0.0.1` alone is an address of each.
    let one_machine = |node: &Node<'_>, other: &Node<'_>| {
        let (mine, theirs) = (node.settings.clients(), other.settings.clients());
        !mine.on_all() && mine.host == theirs.host
    };
    for (node, other) in pairs(nodes).filter(|(node, other)| one_machine(node, other)) {
        for mine in of(node).filter(|mine| mine.port > 0) {
            let same = |theirs: &Listener| theirs.host == mine.host && theirs.port == mine.port;
            let Some(theirs) = of(other).find(same) else { continue };
            let what = format!("{}:{} is an address of {} too", mine.host, mine.port, node.conf.name());
            let why = "only one of the servers can listen there; the other one does not start";
            let finding =
                Finding::new(Level::Fail, "same-address", what, why, "give each server a port of its own");
            findings
                .push(other.place(theirs.place.unwrap_or(Place { file: 0, line: 1, column: 1 }), finding));
        }
        if let (Some((_, mine)), Some((place, theirs))) = (store(node.settings), store(other.settings))
            && mine == theirs
        {
            let what = format!("`store_dir` is also that of {}, on the same address", node.conf.name());
            let why = "two servers that write to one store destroy it";
            let finding =
                Finding::new(Level::Fail, "same-store", what, why, "give each server a directory of its own");
            findings.push(other.place(place, finding.breaks(claim::DURABLE)));
        }
    }
}

/// The directory of the streams, and where it is written.
fn store(settings: Settings<'_>) -> Option<(Place, &str)> {
    let entry = settings.store_dir()?;
    Some((entry.place, entry.item.text()?))
}

/// Whether routes connect all nodes: servers pass on the addresses of those they know, so a chain is enough.
fn routes(nodes: &[Node<'_>], findings: &mut Vec<Finding>) {
    let leads = |from: &Node<'_>, to: &Node<'_>| {
        let listener = to.settings.cluster_listener();
        let routes = from.settings.routes();
        listener.is_some_and(|listener| routes.iter().any(|route| leads_to(route, to.settings, &listener)))
    };
    let known = |node: &Node<'_>| {
        let routes = node.settings.routes();
        routes.iter().all(|route| {
            nodes.iter().any(|other| {
                let listener = other.settings.cluster_listener();
                listener.is_some_and(|listener| leads_to(route, other.settings, &listener))
            })
        })
    };
    // A route to a host that no file names may lead to any node.
    if !nodes.iter().all(|node| known(node) && node.settings.cluster_listener().is_some()) {
        return;
    }
    let mut reached = vec![0];
    let mut at = 0;
    while let Some(node) = reached.get(at).and_then(|index| nodes.get(*index)) {
        for (index, other) in nodes.iter().enumerate() {
            if !reached.contains(&index) && (leads(node, other) || leads(other, node)) {
                reached.push(index);
            }
        }
        at += 1;
    }
    for (index, node) in nodes.iter().enumerate().filter(|(index, _)| !reached.contains(index)) {
        let Some((entry, cluster)) = node.settings.cluster() else { continue };
        let first = nodes.first().filter(|_| index > 0).map(|first| first.conf.name()).unwrap_or_default();
        let what =
            format!("no route connects this server with that of {first}, directly or through another one");
        let why =
            "they form two clusters of the same name, each with streams of its own, or none has a majority";
        let instead = "list the route URLs of all servers in each file";
        let finding = Finding::new(Level::Fail, "routes-apart", what, why, instead).breaks(claim::SCALE);
        findings.push(node.place(cluster.get(&["routes"]).unwrap_or(entry).place, finding));
    }
}

/// Whether servers accept each other's routes.
fn logins(nodes: &[Node<'_>], findings: &mut Vec<Finding>) {
    for from in nodes {
        for route in from.settings.routes() {
            let to = nodes.iter().find(|to| {
                let listener = to.settings.cluster_listener();
                listener.is_some_and(|listener| leads_to(&route, to.settings, &listener))
            });
            let Some(to) = to else { continue };
            let authorization =
                to.settings.cluster().and_then(|(_, cluster)| cluster.get(&["authorization"]));
            let Some(map) = authorization.and_then(|entry| entry.item.map()) else { continue };
            let text = |names: &[&str]| map.get(names).and_then(|entry| entry.item.text());
            let (Some(user), Some(password)) = (text(&["user", "username"]), text(&["pass", "password"]))
            else {
                continue;
            };
            // A password may be escaped in a URL, or hashed in the file: only plain ones are compared.
            let comparable =
                !password.starts_with("$2") && password.chars().all(|c| c.is_ascii_alphanumeric());
            let fits = route.login.as_ref().is_some_and(|login| *login == format!("{user}:{password}"));
            if route.login.is_none() || (comparable && !fits) {
                let what = match route.login {
                    None => format!(
                        "the route to {} has no user and password, and {} asks for them",
                        route.host,
                        to.conf.name()
                    ),
                    Some(_) => format!(
                        "the route to {} has another user or password than {} asks for",
                        route.host,
                        to.conf.name()
                    ),
                };
                let why = "the server there refuses the route with an authorization error, and the log repeats it each second";
                let instead = "write nats://USER:PASSWORD@HOST:PORT with the user of that server's cluster.authorization";
                let finding =
                    Finding::new(Level::Fail, "route-refused", what, why, instead).breaks(claim::SCALE);
                findings.push(from.place(route.place, finding));
            }
        }
    }
}

fn shared(nodes: &[Node<'_>], findings: &mut Vec<Finding>) {
    for (name, of) in SHARED {
        let Some(first) = nodes.first() else { return };
        let value = |node: &Node<'_>| of(node.settings).map(|entry| entry.item.value.clone());
        let expected = value(first);
        let Some(node) = nodes.iter().find(|node| value(node) != expected) else { continue };
        let place = of(node.settings).or_else(|| node.settings.get(&["jetstream"])).map(|entry| entry.place);
        let what = format!("`{name}` differs from {}", first.conf.name());
        let why = match name {
            "domain" => "servers of different domains form no JetStream cluster together",
            "max_payload" => "an event that one server accepts is refused by another one after a reconnect",
            "sync_interval" => "what a power loss takes depends on which server leads the stream",
            _ => {
                "a stream that one server has room for is refused by another one, so it cannot be moved there"
            }
        };
        let finding =
            Finding::new(Level::Bite, "settings-differ", what, why, "write the same value for each server");
        findings.push(node.place(place.unwrap_or(Place { file: 0, line: 1, column: 1 }), finding));
    }
}
