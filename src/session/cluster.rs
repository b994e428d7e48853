//! Checks that the place of a run has the servers that a plan describes.

use super::error::SessionError;
use super::product::Product;
use crate::plan::{BusKind, Cluster, Linking, Plan};

/// Where a run finds its servers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Site<'a> {
    /// In this process.
    Simulated,
    /// On a bus of this name, which tickgate did not start.
    Elsewhere(&'a str),
    /// In a container that tickgate starts.
    Container,
    /// In processes that tickgate starts.
    Processes,
}

/// Refuses a cluster where tickgate does not start one, and more copies than there are servers to start. A model of the
/// stream (`modelled`) decides the number of copies by itself.
pub(super) fn check(
    plan: &Plan,
    site: Site<'_>,
    product: &Product,
    modelled: bool,
) -> Result<(), SessionError> {
    let (nodes, replicas) = (plan.cluster.nodes, plan.bus.replicas);
    if !plan.cluster.is_single()
        && let Some(why) = unsuitable(site, product)
    {
        return Err(SessionError::Asked(format!(
            "`cluster.nodes` is {nodes}, and {why}; leave [cluster] out (`--set cluster.nodes=1`), or take `--broker local` \
             with `bus.kind = \"{}\"`",
            BusKind::of_clusters()
        )));
    }
    if plan.cluster.links == Linking::Proxied && !matches!(site, Site::Processes) {
        return Err(SessionError::asked(
            "`cluster.links` is `proxied`, and only servers have proxies that tickgate starts as processes; leave it out \
             (`--set cluster.links=auto`), or take `--broker local`",
        ));
    }
    if plan.cluster.power.is_some() && !matches!(site, Site::Processes) {
        return Err(SessionError::asked(
            "`cluster.power` emulates losses of power, and only servers can have one that tickgate starts as processes; leave it out, \
             or take `--broker local`",
        ));
    }
    match site {
        Site::Container | Site::Processes if replicas > nodes && !modelled => Err(SessionError::Asked(
            format!("`bus.replicas` is {replicas}, and {}", more_servers(product, replicas)),
        )),
        _ => Ok(()),
    }
}

/// Returns why the place has no cluster of tickgate's own.
fn unsuitable(site: Site<'_>, product: &Product) -> Option<String> {
    match site {
        Site::Simulated => Some("the simulated bus has no servers".to_owned()),
        Site::Elsewhere(label) => Some(format!("tickgate does not start the servers of {label}")),
        Site::Container => Some("tickgate starts a single container".to_owned()),
        Site::Processes if product.kind.product().most_nodes == 1 => {
            Some(format!("tickgate starts a single {}", product.title()))
        }
        Site::Processes => None,
    }
}

/// Describes where that many copies find their servers.
fn more_servers(product: &Product, replicas: u32) -> String {
    let nodes = Cluster::for_replicas(replicas).map_or(replicas, |cluster| cluster.nodes);
    if product.kind.product().most_nodes >= nodes {
        format!(
            "tickgate starts fewer servers; add `--set cluster.nodes={nodes}` with `--broker local`, or name a running cluster \
             with --broker"
        )
    } else {
        format!("tickgate starts a single {}; name a running cluster with --broker", product.title())
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::{BusKind, Linking};
    use crate::selftest::swarm::base;
    use crate::session::{Asked, Choice};

    fn resolved(at: &str, kind: BusKind, nodes: u32, replicas: u32) -> Result<Choice, String> {
        let mut plan = base(1);
        (plan.bus.kind, plan.cluster.nodes, plan.bus.replicas) = (kind, nodes, replicas);
        let asked = Asked { at: Some(at.to_owned()), ..Asked::default() };
        Choice::resolve(&asked, &plan, &|_| None).map_err(|error| error.to_string())
    }

    #[test]
    fn a_cluster_is_for_servers_that_tickgate_starts() {
        for (at, why) in [
            ("sim", "the simulated bus has no servers"),
            ("nats://h:1", "tickgate does not start the servers of nats://h:1"),
            #[cfg(feature = "containers")]
            ("container", "tickgate starts a single container"),
        ] {
            let error = resolved(at, BusKind::Nats, 3, 1).unwrap_err();
            assert!(error.starts_with("`cluster.nodes` is 3, and ") && error.contains(why), "{error}");
            assert!(error.contains("--set cluster.nodes=1") && error.contains("`--broker local`"), "{error}");
            assert!(resolved(at, BusKind::Nats, 1, 1).is_ok());
        }
        let kinds =
            BusKind::ALL.into_iter().filter(|kind| cfg!(feature = "kafka") || *kind != BusKind::Kafka);
        let sizes = [(3, 1), (3, 2), (3, 3), (5, 5)];
        for (kind, (nodes, replicas)) in kinds.flat_map(|kind| sizes.map(|size| (kind, size))) {
            let choice = resolved("local", kind, nodes, replicas).unwrap();
            assert!(choice.target().starts_with(&format!("a cluster of {nodes} servers of tickgate's own")));
        }
    }

    #[test]
    fn proxies_are_for_servers_that_tickgate_starts() {
        let mut plan = base(1);
        (plan.bus.kind, plan.cluster.links) = (BusKind::Nats, Linking::Proxied);
        for (at, possible) in [("local", true), ("sim", false), ("nats://h:1", false)] {
            let asked = Asked { at: Some(at.to_owned()), ..Asked::default() };
            let refused = Choice::resolve(&asked, &plan, &|_| None).err().map(|error| error.to_string());
            assert_eq!(refused.is_none(), possible, "{at}: {refused:?}");
            assert!(refused.is_none_or(|why| why.contains("--set cluster.links=auto")));
        }
    }

    #[test]
    fn more_copies_than_servers_to_start_are_refused() {
        let error = resolved("local", BusKind::Nats, 1, 3).unwrap_err();
        assert!(error.contains("`bus.replicas` is 3") && error.contains("--set cluster.nodes=3"), "{error}");
        assert!(resolved("local", BusKind::Nats, 3, 4).unwrap_err().contains("--set cluster.nodes=5"));
        assert!(resolved("nats://h:1", BusKind::Nats, 1, 3).is_ok(), "that cluster has its own servers");
        assert!(resolved("sim", BusKind::Nats, 1, 3).is_ok());
        if cfg!(feature = "kafka") {
            assert!(resolved("local", BusKind::Kafka, 1, 3).unwrap_err().contains("--set cluster.nodes=3"));
        }
    }
}
