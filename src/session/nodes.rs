//! Records the nodes of a bus that tickgate did not start.

use crate::broker::Nodes;
use crate::num;
use crate::record;

/// Adds the nodes' reports to the record and returns warnings for the user.
pub(super) fn enter(nodes: &Nodes, broker: &mut record::Broker) -> Vec<String> {
    broker.nodes = nodes.record();
    if broker.nodes.is_empty() {
        return Vec::new();
    }
    if let Some(sync) = sync_interval(&broker.nodes) {
        broker.settings.insert("sync_interval".into(), sync);
    }
    let unwatched = broker.unwatched();
    let part = (unwatched > 0).then(|| {
        let (seen, all) =
            (broker.nodes.len(), unwatched.saturating_add(num::count(broker.nodes.len())));
        if broker.is_seen_by_system_account() {
            format!(
                "{seen} of {all} servers of the cluster answer the system account: CPU and memory of the broker stay \
                 unknown; check the others"
            )
        } else {
            format!(
                "--monitor names {seen} of {all} servers of the cluster: CPU and memory of the broker stay unknown; name \
                 the endpoints of all"
            )
        }
    });
    let mut clusters: Vec<&str> = broker.nodes.iter().filter_map(|node| node.cluster.as_deref()).collect();
    clusters.dedup();
    let several = (clusters.len() > 1)
        .then(|| format!("the servers of --monitor are in different clusters ({})", clusters.join(", ")));
    part.into_iter().chain(several).chain(nodes.warning().map(str::to_owned)).collect()
}

/// Returns the interval between forced writes: a single value if all nodes agree, else one per node.
fn sync_interval(nodes: &[record::Node]) -> Option<String> {
    let of = |node: &record::Node| {
        let jetstream = node.jetstream.as_ref()?;
        let always = jetstream.sync_always;
        Some(if always { "always".to_owned() } else { num::show::time(jetstream.sync_interval_ns) })
    };
    let all: Vec<(&str, String)> =
        nodes.iter().filter_map(|node| Some((node.name.as_str(), of(node)?))).collect();
    let (_, first) = all.first()?;
    if all.iter().all(|(_, sync)| sync == first) {
        return Some(first.clone());
    }
    Some(all.iter().map(|(name, sync)| format!("{name}: {sync}")).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sync_interval_is_that_of_all_or_of_each() {
        let node = |name: &str, sync_interval_ns, sync_always| record::Node {
            name: name.into(),
            jetstream: Some(record::JetStreamUse {
                sync_interval_ns,
                sync_always,
                ..record::JetStreamUse::default()
            }),
            ..record::Node::default()
        };
        let (a, b) = (node("a", 30_000_000_000, false), node("b", 30_000_000_000, true));
        assert_eq!(sync_interval(&[]), None);
        assert_eq!(sync_interval(std::slice::from_ref(&b)).unwrap(), "always");
        let both = sync_interval(&[a, b]).unwrap();
        assert!(both.starts_with("a: 30") && both.ends_with(", b: always"), "{both}");
    }
}
