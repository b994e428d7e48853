//! The servers of a broker that tickgate starts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Plan, Target, Writeback};

/// The servers of a broker that tickgate starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Number of servers: 1, 3 or 5.
    pub nodes: u32,
    /// Whether servers and clients are linked through proxies of tickgate.
    #[serde(default, skip_serializing_if = "Linking::is_auto")]
    pub links: Linking,
    /// Servers run below a supervisor that emulates a loss of power, with this model of what survives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Writeback>,
}

/// How the servers of a broker are linked with each other and with their clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Linking {
    /// Through proxies where a fault acts on such a link, else directly.
    #[default]
    Auto,
    /// Directly.
    Direct,
    /// Through proxies, all of them.
    Proxied,
}

/// Which links go through proxies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Proxied {
    /// Those between servers.
    pub nodes: bool,
    /// Those between clients and servers.
    pub clients: bool,
}

impl Linking {
    /// Returns whether the faults decide.
    #[must_use]
    pub const fn is_auto(&self) -> bool {
        matches!(self, Self::Auto)
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self { nodes: 1, links: Linking::Auto, power: None }
    }
}

impl Plan {
    /// Which links go through proxies.
    #[must_use]
    pub fn proxied(&self) -> Proxied {
        let ends = || self.faults.iter().filter_map(|fault| fault.between.as_ref());
        match self.cluster.links {
            Linking::Direct => Proxied::default(),
            Linking::Proxied => Proxied { nodes: !self.cluster.is_single(), clients: true },
            Linking::Auto => Proxied {
                nodes: ends().any(|ends| !ends.contains(&Target::Clients)),
                clients: ends().any(|ends| ends.contains(&Target::Clients)),
            },
        }
    }
}

impl Cluster {
    /// Legal numbers of servers: an even number survives no more failures than one server fewer.
    pub const SIZES: [u32; 3] = [1, 3, 5];

    /// Returns whether there is only one server.
    #[must_use]
    pub const fn is_single(&self) -> bool {
        self.nodes <= 1
    }

    /// Returns whether there is nothing to say: a single server, linked and started as usual.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.is_single() && self.links.is_auto() && self.power.is_none()
    }

    /// Describes what is started: `a server`, `a cluster of 3 servers`.
    #[must_use]
    pub fn in_words(self) -> String {
        match self.nodes {
            0 | 1 => "a server".to_owned(),
            nodes => format!("a cluster of {nodes} servers"),
        }
    }

    /// Returns the smallest number of servers that can keep `replicas` copies, if there is one.
    #[must_use]
    pub fn for_replicas(replicas: u32) -> Option<Self> {
        Self::SIZES
            .into_iter()
            .find(|nodes| *nodes >= replicas)
            .map(|nodes| Self { nodes, ..Self::default() })
    }

    /// Returns how many of `nodes` servers are a majority.
    #[must_use]
    pub const fn majority(nodes: usize) -> usize {
        nodes / 2 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_cluster_for_each_number_of_copies() {
        let nodes = |replicas| Cluster::for_replicas(replicas).map(|cluster| cluster.nodes);
        assert_eq!([0, 1, 2, 3, 4, 5, 6].map(nodes), [1, 1, 3, 3, 5, 5, 0].map(|n| (n > 0).then_some(n)));
        assert_eq!(Cluster::default().in_words(), "a server");
        assert_eq!(Cluster { nodes: 3, ..Cluster::default() }.in_words(), "a cluster of 3 servers");
        assert_eq!([1, 3, 5].map(Cluster::majority), [1, 2, 3]);
    }
    #[test]
    fn links_are_proxied_where_a_fault_needs_it_or_where_the_plan_says_so() {
        use crate::plan::{Action, Expect, Fault, Span};
        let mut plan = crate::selftest::swarm::base(1);
        plan.cluster.nodes = 3;
        let of = |plan: &Plan| (plan.proxied().nodes, plan.proxied().clients);
        assert_eq!(of(&plan), (false, false));
        plan.cluster.links = Linking::Proxied;
        assert_eq!(of(&plan), (true, true));
        plan.cluster.nodes = 1;
        assert_eq!(of(&plan), (false, true), "a single server has no peers");
        let fault = |ends: [Target; 2]| Fault {
            name: "x".into(),
            at: Span::seconds(1),
            action: Action::Partition,
            target: None,
            between: Some(ends),
            length: Span::seconds(1),
            settle: Span::seconds(1),
            how: None,
            way: None,
            delay: None,
            jitter: None,
            rate: None,
            poison: None,
            expect: Expect::Service,
        };
        plan.cluster = Cluster { nodes: 3, ..Cluster::default() };
        plan.faults = vec![fault([Target::StreamLeader, Target::Others])];
        assert_eq!(of(&plan), (true, false));
        plan.faults = vec![fault([Target::Node(1), Target::Clients])];
        assert_eq!(of(&plan), (false, true));
        plan.faults.push(fault([Target::All, Target::All]));
        assert_eq!(of(&plan), (true, true));
        plan.cluster.links = Linking::Direct;
        assert_eq!(of(&plan), (false, false));
    }
}
