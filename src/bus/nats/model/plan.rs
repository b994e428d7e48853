//! A plan with the configuration of a model applied, which overrides the profile's keys.

use super::Model;
use super::fields::{self, Fields, number, positive, text};
use crate::bus::model::{Applied, Changes};
use crate::load::largest_event_bytes;
use crate::plan::{AckMode, Bus, Compression, Delivery, Group, Plan, Size, Span, Storage};
use crate::topology::receives;

/// Bytes of an event besides its payload that count towards the broker's limits, with a margin.
const HEADER_BYTES: u64 = 128;

impl Model {
    /// Applies this configuration to a plan.
    ///
    /// # Errors
    /// When the plan cannot run on such a stream: the reason, and what to do.
    pub fn applied(&self, plan: &Plan) -> Result<Applied, String> {
        let mut plan = plan.clone();
        let mut changes = Changes::of(&self.of);
        changes.differs.clone_from(&self.defaults);
        self.apply_stream(&mut plan, &mut changes);
        for group in &mut plan.groups {
            self.apply_consumer(group, &mut changes)?;
        }
        self.apply_consumers(&mut plan, &mut changes);
        self.check_mirror()?;
        self.check_push(&plan)?;
        self.check_size(&plan)?;
        self.check_queue(&plan)?;
        Ok(Applied { plan, differs: changes.differs })
    }

    fn apply_stream(&self, plan: &mut Plan, changes: &mut Changes<'_>) {
        let (stream, bus) = (&self.stream, &mut plan.bus);
        let replicas = positive(stream, "num_replicas").and_then(|replicas| u32::try_from(replicas).ok());
        if let Some(replicas) = replicas {
            changes.set("bus.replicas", &mut bus.replicas, replicas);
        }
        if let Some(storage) = text(stream, "storage") {
            let storage = if storage == "memory" { Storage::Memory } else { Storage::File };
            changes.set("bus.storage", &mut bus.storage, storage);
        }
        if let Some(compression) = text(stream, "compression") {
            let compression = if compression == "s2" { Compression::S2 } else { Compression::None };
            changes.set("bus.nats.compression", &mut bus.nats.compression, compression);
        }
        if let Some(bytes) = positive(stream, "max_bytes") {
            changes.set("bus.max_bytes", &mut bus.max_bytes, Size { bytes });
        }
        if let Some(ns) = positive(stream, "max_age") {
            changes.set("bus.max_age", &mut bus.max_age, Span { ns });
        }
    }

    /// Applies a group's consumer to its delivery mode: of all settings, only pinning is a mode of its own.
    fn apply_consumer(&self, group: &mut Group, changes: &mut Changes<'_>) -> Result<(), String> {
        let Some(consumer) = self.consumer_of(group) else {
            return match &group.consumer {
                Some(named) if self.attached || !self.consumers.is_empty() => Err(format!(
                    "the group {} names consumer {named}, and {} has {}",
                    group.name,
                    self.of,
                    self.names()
                )),
                _ => Ok(()),
            };
        };
        if text(consumer, "priority_policy") == Some("pinned_client") && group.delivery == Delivery::Shared {
            changes.set(&format!("groups.{}.delivery", group.name), &mut group.delivery, Delivery::Pinned);
        }
        Ok(())
    }

    /// Sets the keys shared by all groups to the value of the group that needs the most.
    fn apply_consumers(&self, plan: &mut Plan, changes: &mut Changes<'_>) {
        let each: Vec<Bus> = plan.groups.iter().map(|group| self.bus_of(group, &plan.bus)).collect();
        let bus = &mut plan.bus;
        if let Some(longest) = each.iter().map(|bus| bus.nats.ack_wait).max() {
            changes.set("bus.nats.ack_wait", &mut bus.nats.ack_wait, longest);
        }
        if let Some(most) = each.iter().map(|bus| bus.nats.max_ack_pending).max() {
            changes.set("bus.nats.max_ack_pending", &mut bus.nats.max_ack_pending, most);
        }
        let modes: Vec<AckMode> = each.iter().map(|bus| bus.ack).collect();
        let mode = match modes.first() {
            None => return,
            Some(&first) if modes.iter().all(|&mode| mode == first) => first,
            // Events delivered without an acknowledgement are not in the server's counts.
            Some(_) if modes.contains(&AckMode::None) => AckMode::None,
            Some(_) => AckMode::Explicit,
        };
        changes.set("bus.ack", &mut bus.ack, mode);
    }

    /// Returns the bus settings of one group.
    pub(in crate::bus::nats) fn bus_of(&self, group: &Group, bus: &Bus) -> Bus {
        let mut bus = bus.clone();
        let Some(consumer) = self.consumer_of(group) else { return bus };
        if let Some(mode) = ack_mode(consumer) {
            bus.ack = mode;
        }
        if let Some(ns) = longest_wait(consumer) {
            bus.nats.ack_wait = Span { ns };
        }
        let limit = fields::positive(consumer, "max_ack_pending").and_then(|most| u32::try_from(most).ok());
        bus.nats.max_ack_pending = match (number(consumer, "max_ack_pending"), limit) {
            (_, Some(most)) => most,
            // Without a limit, members batch acknowledgements as with the default limit.
            (Some(_), None) => 1_000_000,
            (None, None) => bus.nats.max_ack_pending,
        };
        if let Some(most) = positive(consumer, "max_batch").and_then(|most| u32::try_from(most).ok()) {
            bus.nats.pull_batch = bus.nats.pull_batch.min(most);
        }
        let linger = bus.nats.ack_linger.ns.min(bus.nats.ack_wait.ns / 4);
        bus.nats.ack_linger = Span { ns: linger };
        bus
    }

    fn check_mirror(&self) -> Result<(), String> {
        match self.stream.get("mirror").and_then(|mirror| mirror.get("name")).and_then(|name| name.as_str()) {
            Some(origin) => Err(format!(
                "{} is a mirror of stream {origin}, and nobody publishes to a mirror; take {origin}'s configuration",
                self.of
            )),
            None => Ok(()),
        }
    }

    fn check_size(&self, plan: &Plan) -> Result<(), String> {
        let Some(most) = positive(&self.stream, "max_msg_size") else { return Ok(()) };
        let headers = if plan.bus.nats.msg_id { HEADER_BYTES } else { 0 };
        let largest = largest_event_bytes(plan).max(plan.market.event_size.bytes) + headers;
        if largest <= most {
            return Ok(());
        }
        Err(format!(
            "`max_msg_size` of {} is {most}, and events of this plan have up to {largest} bytes; {}, or change the \
             configuration",
            self.of,
            plan.smaller_events()
        ))
    }

    /// Checks the groups of a work queue, which delivers each event to one consumer that has to acknowledge it.
    fn check_queue(&self, plan: &Plan) -> Result<(), String> {
        if self.retention() != "workqueue" {
            return Ok(());
        }
        for (at, group) in plan.groups.iter().enumerate() {
            if self.bus_of(group, &plan.bus).ack != AckMode::Explicit {
                return Err(format!(
                    "{} is a work queue, which needs `ack = \"explicit\"`, and group {} has another; set \
                     `bus.ack = \"explicit\"`",
                    self.of, group.name
                ));
            }
            let topics = |group: &Group| receives(group, &plan.topology.topics).unwrap_or_default();
            let own = topics(group);
            let shared = plan.groups.iter().take(at).find_map(|other| {
                topics(other).into_iter().find(|topic| own.contains(topic)).map(|topic| (other, topic))
            });
            if let Some((other, topic)) = shared {
                let topic = plan.topology.topics.get(topic).map_or("", String::as_str);
                return Err(format!(
                    "{} is a work queue, which gives each event to one consumer, and the groups {} and {} both receive \
                     {topic}; let one group receive it, for example with `groups = [{{ name = \"{}\" }}]`",
                    self.of, other.name, group.name, other.name
                ));
            }
        }
        Ok(())
    }

    /// Returns a message for each group without a consumer in the model.
    pub(in crate::bus::nats) fn without_consumer(&self, plan: &Plan) -> Vec<String> {
        if self.consumers.is_empty() {
            return Vec::new();
        }
        let without = plan.groups.iter().filter(|group| self.consumer_of(group).is_none());
        let said = |group: &Group| {
            format!(
                "group {} is as the profile says: {} has no consumer of that name (it has {}); name one with \
                 `groups.{}.consumer`",
                group.name,
                self.of,
                self.names(),
                group.name
            )
        };
        without.map(said).collect()
    }
}

/// Returns how the deliveries of a consumer are acknowledged; `None` if it is not set or not known here.
pub(super) fn ack_mode(consumer: &Fields) -> Option<AckMode> {
    match text(consumer, "ack_policy")? {
        "explicit" => Some(AckMode::Explicit),
        "all" => Some(AckMode::All),
        "none" => Some(AckMode::None),
        _ => None,
    }
}

/// Returns the longest time that the server waits for an acknowledgement before it delivers again.
fn longest_wait(consumer: &Fields) -> Option<u64> {
    let backoff = consumer.get("backoff").and_then(|steps| steps.as_array()).into_iter().flatten();
    backoff.filter_map(serde_json::Value::as_u64).chain(positive(consumer, "ack_wait")).max()
}
