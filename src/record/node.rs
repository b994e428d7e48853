//! The nodes of a bus that tickgate did not start, as their monitoring endpoints or their system account report them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Broker;
use crate::num;
use crate::plan::Ns;

/// Stands for the endpoint of a node whose figures came by the system account.
pub const SYSTEM_ACCOUNT: &str = "$SYS";

/// One node. Its figures are those of the whole server: other clients' traffic is in them. Its CPU use is in
/// `resources.brokers`, under the same name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Node {
    /// The server's name, unique in this record.
    pub name: String,
    /// Its monitoring endpoint, or `$SYS` where the system account reported it.
    pub url: String,
    /// Version.
    pub version: String,
    /// Its cluster, where it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// When it started, RFC 3339; at the end of the run.
    pub started: String,
    /// Cores of its machine.
    pub cores: u32,
    /// Largest resident memory seen over the run.
    pub memory_bytes: u64,
    /// Most client connections seen over the run.
    pub connections: u64,
    /// Clients that it cut off during the run because they read too slowly.
    #[serde(default)]
    pub slow_consumers: u64,
    /// Largest payload, bytes.
    pub max_payload: u64,
    /// Its `JetStream`; absent where it is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jetstream: Option<JetStreamUse>,
    /// Leader of the meta group at the end of the run, by the server's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_leader: Option<String>,
    /// Servers in the meta group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_size: Option<u32>,
    /// Time of the run in which it did not answer.
    #[serde(default)]
    pub unseen_ns: Ns,
}

/// `JetStream` of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JetStreamUse {
    /// Most bytes in memory streams, seen over the run.
    pub memory_bytes: u64,
    /// Most bytes in file streams, seen over the run.
    pub store_bytes: u64,
    /// Bytes that memory streams may take.
    pub max_memory_bytes: u64,
    /// Bytes that file streams may take.
    pub max_store_bytes: u64,
    /// Time between two forced writes to the disk.
    pub sync_interval_ns: Ns,
    /// Each write is forced to the disk.
    pub sync_always: bool,
}

impl JetStreamUse {
    /// These figures with the largest use of both.
    #[must_use]
    pub fn largest(self, before: Option<&Self>) -> Self {
        let Some(before) = before else { return self };
        Self {
            memory_bytes: self.memory_bytes.max(before.memory_bytes),
            store_bytes: self.store_bytes.max(before.store_bytes),
            ..self
        }
    }
}

impl Broker {
    /// Did tickgate start it, or simulate it? So it is where the record names no way to it.
    #[must_use]
    pub fn is_own(&self) -> bool {
        ["local", "container", "sim", ""].contains(&self.mode.as_str())
    }

    /// Nodes of the cluster that are not watched, where some are: sums over nodes do not include these.
    #[must_use]
    pub fn unwatched(&self) -> u64 {
        if self.nodes.is_empty() {
            return 0;
        }
        let all = self.nodes.iter().filter_map(|node| node.meta_size).max().unwrap_or(0);
        let seen = self.nodes.iter().filter(|node| node.meta_size.is_some()).count();
        u64::from(all).saturating_sub(num::count(seen))
    }

    /// Did the system account report the nodes?
    #[must_use]
    pub fn is_seen_by_system_account(&self) -> bool {
        self.nodes.iter().any(|node| node.url == SYSTEM_ACCOUNT)
    }

    /// Does every node force every write to the disk? `None` where that is not known of all of them.
    #[must_use]
    pub fn sync_always(&self) -> Option<bool> {
        let mut known = self.nodes.iter().filter_map(|node| node.jetstream.as_ref()).peekable();
        known.peek()?;
        if known.all(|jetstream| jetstream.sync_always) {
            (self.unwatched() == 0).then_some(true)
        } else {
            Some(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(meta_size: Option<u32>, sync_always: Option<bool>) -> Node {
        let jetstream =
            sync_always.map(|sync_always| JetStreamUse { sync_always, ..JetStreamUse::default() });
        Node { jetstream, meta_size, ..Node::default() }
    }

    fn broker(nodes: &[Node]) -> Broker {
        Broker { nodes: nodes.to_vec(), ..Broker::default() }
    }

    #[test]
    fn nodes_that_are_not_watched_are_counted() {
        assert_eq!(broker(&[]).unwatched(), 0);
        assert_eq!(broker(&[node(None, None)]).unwatched(), 0, "a server alone");
        assert_eq!(broker(&[node(Some(3), None)]).unwatched(), 2);
        let all = [node(Some(3), None), node(Some(3), None), node(Some(3), None), node(None, None)];
        assert_eq!(broker(&all).unwatched(), 0, "one without JetStream is not in the group");
        assert_eq!(broker(&all[2..]).unwatched(), 2);
    }

    #[test]
    fn forced_writes_are_known_if_every_node_says_so() {
        let of = |nodes: &[Node]| broker(nodes).sync_always();
        let (yes, no) = (node(None, Some(true)), node(None, Some(false)));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[node(None, None)]), None);
        assert_eq!(of(std::slice::from_ref(&yes)), Some(true));
        assert_eq!(of(&[yes, no.clone()]), Some(false));
        assert_eq!(of(&[node(Some(3), Some(true))]), None, "the other two are not watched");
        assert_eq!(of(&[node(Some(3), Some(false)), no]), Some(false));
    }
}
