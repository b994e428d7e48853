//! Reads `[cluster]`: the servers of a broker that tickgate starts.

use super::keys;
use super::place::quoted;
use super::power;
use super::section::{Reader, Section};
use super::tree::Table;
use crate::plan::{BusKind, Cluster, Linking, Plan, Writeback};

const NODES: &str = "cluster.nodes";
const LINKS: &str = "cluster.links";
/// Legal numbers of servers, in words.
const EXPECTED: &str =
    "1, 3 or 5 (an even number of servers survives no more failures than one server fewer)";

/// `[cluster]`.
pub(super) fn read(root: &Table, reader: &mut Reader) -> Cluster {
    let mut section = Section::open(root, "cluster", keys::CLUSTER, reader);
    let legal = |nodes: &u32| Cluster::SIZES.contains(nodes);
    Cluster {
        nodes: section.checked("nodes", Cluster::default().nodes, EXPECTED, legal),
        links: section.word("links", Linking::Auto),
        power: power(&mut section),
    }
}

/// How a loss of power is emulated, where the servers are to be prepared for one.
fn power(section: &mut Section<'_>) -> Option<Writeback> {
    let text = section.get::<String>("power")?;
    let model = power::model(&text);
    if model.is_none() {
        let at = section.reader.at(&section.path("power"));
        section.wrong("power", at, |path| {
            format!("`{path}` is {}; expected {}", quoted(&text), power::EXPECTED)
        });
    }
    model
}

/// Checks that links can be as the plan wants them. Faults of links are held against the product by themselves.
pub(super) fn check_links(plan: &Plan, reader: &mut Reader) {
    if !reader.sound(&[LINKS, "bus.kind", "faults"]) {
        return;
    }
    let product = plan.bus.kind.product();
    let at = reader.at(LINKS);
    match (plan.cluster.links, product.no_links) {
        (Linking::Proxied, Some(why)) => {
            reader.wrong(at, || {
                format!("`{LINKS}` is `proxied`, and {why}; expected `\"auto\"` or `\"direct\"`")
            });
        }
        (Linking::Direct, None) => {
            let Some(fault) = plan.faults.iter().find(|fault| fault.action.is_of_links()) else { return };
            reader.wrong(at, || {
                format!(
                    "`{LINKS}` is `direct`, and `{}` ({}) acts on links through proxies only; expected `\"auto\"`, or no such fault",
                    fault.name,
                    fault.in_words()
                )
            });
        }
        _ => {}
    }
}

/// Checks that tickgate can start such a cluster, and that it has a server for each copy. Without a cluster the copies may
/// be on servers that tickgate does not start.
pub(super) fn check(plan: &Plan, reader: &mut Reader) {
    let (nodes, replicas) = (plan.cluster.nodes, plan.bus.replicas);
    if plan.cluster.is_single() || !reader.sound(&[NODES, "bus.kind", "bus.replicas"]) {
        return;
    }
    let product = plan.bus.kind.product();
    if nodes > product.most_nodes {
        let at = reader.at(NODES);
        reader.wrong(at, || {
            format!(
                "`{NODES}` is {nodes}, but tickgate starts a single {}; expected `nodes = 1`, or `kind = \"{}\"` in [bus]",
                product.title,
                BusKind::of_clusters()
            )
        });
    } else if replicas > nodes {
        let at = reader.at("bus.replicas");
        reader.wrong(at, || {
            let enough = Cluster::for_replicas(replicas).map_or(nodes, |cluster| cluster.nodes);
            format!(
                "`bus.replicas` is {replicas}, but `{NODES}` is {nodes}; expected at most one copy a server, or \
                 `nodes = {enough}` in [cluster]"
            )
        });
    }
}
