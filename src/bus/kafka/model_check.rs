//! Whether a plan can run on an existing topic: its events fit, they can be confirmed, and every group receives what it subscribes to.

use super::{OVERHEAD, TopicModel};
use crate::load::largest_event_bytes;
use crate::plan::{Acks, Delivery, Group, Plan};
use crate::topology::receives;

impl TopicModel {
    pub(super) fn check_size(&self, plan: &Plan) -> Result<(), String> {
        let largest = largest_event_bytes(plan).max(plan.market.event_size.bytes);
        if largest <= self.max_payload() {
            return Ok(());
        }
        Err(format!(
            "`max.message.bytes` of {} is {}, and events of this plan have up to {largest} bytes, with key and framing up to \
             {}; {}, or raise it",
            self.of,
            self.text("max.message.bytes").unwrap_or_default(),
            largest + OVERHEAD,
            plan.smaller_events()
        ))
    }

    /// Refuses a topic on which no event could be confirmed.
    pub(super) fn check_copies(&self, plan: &Plan) -> Result<(), String> {
        let least = plan.bus.kafka.min_insync_replicas;
        if plan.bus.kafka.acks != Acks::All || least <= self.replicas {
            return Ok(());
        }
        Err(format!(
            "`min.insync.replicas` of {} is {least}, and it has {} replicas, so that no event is confirmed with `acks = \
             \"all\"`; change the topic, or set `bus.kafka.acks`",
            self.of, self.replicas
        ))
    }

    /// Refuses groups whose members could receive nothing.
    pub(super) fn check_members(&self, group: &Group) -> Result<(), String> {
        let partitions = self.partitions;
        if group.members <= 1 || self.partitions == 0 {
            return Ok(());
        }
        if group.delivery == Delivery::Pinned && partitions > 1 {
            return Err(format!(
                "a pinned group is one member's on Kafka only where the topic has one partition, and {} has {partitions}; set \
                 another `groups.{}.delivery`",
                self.of, group.name
            ));
        }
        if group.delivery != Delivery::Pinned && group.members > partitions {
            return Err(format!(
                "the {} members of group {} share the {partitions} partitions of {}, so that some receive nothing; lower \
                 `groups.{}.members`",
                group.members, group.name, self.of, group.name
            ));
        }
        Ok(())
    }

    /// Refuses a topic that the run's events would damage, and groups that would receive what they do not subscribe to.
    pub(super) fn check_attached(&self, plan: &Plan) -> Result<(), String> {
        if self.is_compacted() {
            return Err(format!(
                "{} is compacted (`cleanup.policy` {}): the run's events would replace the last values of their keys; take \
                 `bus.kafka.like`",
                self.of,
                self.text("cleanup.policy").unwrap_or_default()
            ));
        }
        if self.text("compression.type") == Some("zstd") {
            return Err(format!(
                "{} compresses with zstd (`compression.type`), which this build cannot read; take `bus.kafka.like`",
                self.of
            ));
        }
        let topics = &plan.topology.topics;
        for group in &plan.groups {
            if let Some(consumer) = &group.consumer {
                return Err(format!(
                    "`groups.{}.consumer` is {consumer}: a group on Kafka reads with a consumer group of the run's own; leave it out",
                    group.name
                ));
            }
            let own = receives(group, topics).unwrap_or_default();
            let other = topics.iter().enumerate().find(|(at, _)| !own.contains(at));
            if let Some((_, other)) = other {
                let own: Vec<String> =
                    own.iter().filter_map(|&at| topics.get(at)).map(|topic| format!("\"{topic}\"")).collect();
                return Err(format!(
                    "all events of the run go into {}, and group {} does not subscribe to {other}; set `topology.topics` to \
                     topics that every group receives, such as [{}]",
                    self.of,
                    group.name,
                    own.join(", ")
                ));
            }
        }
        Ok(())
    }
}
