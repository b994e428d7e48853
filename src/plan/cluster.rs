//! The servers of a broker that tickgate starts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The servers of a broker that tickgate starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Number of servers: 1, 3 or 5.
    pub nodes: u32,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { nodes: 1 }
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
        Self::SIZES.into_iter().find(|nodes| *nodes >= replicas).map(|nodes| Self { nodes })
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
        assert_eq!(Cluster { nodes: 3 }.in_words(), "a cluster of 3 servers");
        assert_eq!([1, 3, 5].map(Cluster::majority), [1, 2, 3]);
    }
}
