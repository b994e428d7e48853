//! The configuration of the run's stream and consumers: the model's, except for the fields that the run must set
//! itself.

use serde_json::Value;

use super::delivery::{holds_the_pin, push, shared_priority};
use super::fields::{CONSUMER, Field, Fields, Rule, STREAM, positive, shown, speaks};
use super::plan::ack_mode;
use super::{Model, name_of};
use crate::plan::{Delivery, Group, Plan};

/// A copy, and the fields of the model that it lacks, with reasons.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::bus::nats) struct Copy {
    /// Configuration to request from the server.
    pub(in crate::bus::nats) config: Fields,
    /// The fields that are left out, each with a message.
    pub(in crate::bus::nats) left: Vec<(String, String)>,
}

/// Properties of a run's stream that do not come from the model.
#[derive(Debug, Clone)]
pub(in crate::bus::nats) struct OwnStream {
    /// The configuration that the stream would have without a model.
    pub(in crate::bus::nats) config: Fields,
    /// Whether the server is a member of a cluster.
    pub(in crate::bus::nats) clustered: bool,
    /// Number of consumers that the run creates on the stream, those of the audit included.
    pub(in crate::bus::nats) consumers: u64,
}

/// Fields of the run's stream that are kept if they are set and the model does not set them.
const KEPT: [&str; 5] = ["subject_transform", "allow_atomic", "allow_batched", "max_bytes", "max_age"];
/// Maximum lifetime of a member's request: `expires` of `MSG.NEXT`.
const REQUEST_NS: u64 = 30_000_000_000;
/// Maximum number of requests that a member has open at once.
const REQUESTS: u64 = 4;

impl Copy {
    /// Creates a copy with the run's own values of the fields in `basics`.
    fn of(own: &Fields, basics: &[&str]) -> Self {
        let kept = own.iter().filter(|(name, _)| basics.contains(&name.as_str()));
        Self { config: kept.map(|(name, value)| (name.clone(), value.clone())).collect(), left: Vec::new() }
    }

    /// Takes every field of the model that is copied.
    fn take(&mut self, model: &Fields, known: &[Field]) {
        for (name, value) in model {
            match known.iter().find(|field| field.name == name).map(|field| field.rule) {
                // An unknown field belongs to a newer server; the result is compared afterwards.
                Some(Rule::Copied) | None => {
                    self.config.insert(name.clone(), value.clone());
                }
                Some(Rule::Left(why)) if speaks(value) => self.leave(name, value, why),
                Some(Rule::Own | Rule::Left(_)) => {}
            }
        }
    }

    /// Records that the copy lacks a field of the model.
    fn leave(&mut self, name: &str, value: &Value, why: &str) {
        let value = shown(name, value);
        let short: String = value.chars().take(80).collect();
        let more = if short.len() < value.len() { "…" } else { "" };
        self.left.push((name.to_owned(), format!("{name} {short}{more}: {why}")));
    }

    /// Sets a field to the run's own value, or removes it.
    fn keep(&mut self, own: &Fields, name: &str) {
        match own.get(name) {
            Some(value) => self.config.insert(name.to_owned(), value.clone()),
            None => self.config.remove(name),
        };
    }

    /// Removes a field from the copy.
    fn drop(&mut self, name: &str, why: &str) {
        if let Some(value) = self.config.remove(name) {
            self.leave(name, &value, why);
        }
    }
}

/// Returns the configuration of the run's stream after a model.
pub(in crate::bus::nats) fn stream(model: &Fields, own: &OwnStream) -> Copy {
    if model.is_empty() {
        return Copy { config: own.config.clone(), left: Vec::new() };
    }
    let mut copy = Copy::of(&own.config, &["name", "description", "subjects", "metadata"]);
    copy.take(model, STREAM);
    if !own.clustered {
        if positive(model, "num_replicas").is_some_and(|replicas| replicas > 1) {
            copy.drop("num_replicas", "this server is in no cluster, so there is one copy");
        }
        if model.get("placement").is_some_and(speaks) {
            copy.drop("placement", "this server is in no cluster");
        }
    }
    if positive(model, "max_consumers").is_some_and(|most| most < own.consumers) {
        copy.drop(
            "max_consumers",
            &format!("the run makes {} consumers, the audit's among them", own.consumers),
        );
    }
    limits(&mut copy);
    for name in KEPT {
        let kept = own.config.get(name).filter(|value| speaks(value));
        if let Some(value) = kept.filter(|_| !copy.config.get(name).is_some_and(speaks)) {
            if ["max_bytes", "max_age"].contains(&name) {
                let bound = shown(name, value);
                let why = format!("{name} unlimited: the stream of a run is bounded ({bound})");
                copy.left.push((name.to_owned(), why));
            }
            copy.config.insert(name.to_owned(), value.clone());
        }
    }
    copy
}

/// Removes the stream's limit on unused consumers: the run removes its consumers itself, and the server must not do so
/// during the run.
fn limits(copy: &mut Copy) {
    let Some(Value::Object(limits)) = copy.config.get_mut("consumer_limits") else { return };
    let Some(value) = limits.remove("inactive_threshold").filter(speaks) else { return };
    let time = shown("inactive_threshold", &value);
    copy.left.push((
        "consumer_limits".to_owned(),
        format!("consumer_limits.inactive_threshold {time}: the run's consumers are removed when it ends"),
    ));
}

/// Returns the configuration of a consumer of the run after one of a model. `own` is its configuration without a model.
pub(in crate::bus::nats) fn consumer(model: &Fields, own: &Fields, group: &Group, clustered: bool) -> Copy {
    let basics = [
        "durable_name",
        "name",
        "description",
        "deliver_subject",
        "filter_subject",
        "filter_subjects",
        "deliver_policy",
        "inactive_threshold",
        "metadata",
    ];
    let mut copy = Copy::of(own, &basics);
    copy.take(model, CONSUMER);
    if let Some(policy) = model.get("deliver_policy").filter(|policy| policy.as_str() != Some("all")) {
        copy.leave("deliver_policy", policy, "a group receives every event of the run");
    }
    priorities(&mut copy, model, own, group);
    if ack_mode(model).is_none() {
        if let Some(policy) = model.get("ack_policy").filter(|policy| speaks(policy)) {
            copy.leave(
                "ack_policy",
                policy,
                "the run's members acknowledge each event, the last for all, or none",
            );
        }
        if let Some(policy) = own.get("ack_policy") {
            copy.config.insert("ack_policy".into(), policy.clone());
        }
    }
    requests(&mut copy, model, group);
    if !clustered && positive(model, "num_replicas").is_some_and(|replicas| replicas > 1) {
        copy.drop("num_replicas", "this server is in no cluster, so there is one copy");
    }
    copy
}

/// Replaces the fields of a priority group that the members cannot ask in by the run's own.
fn priorities(copy: &mut Copy, model: &Fields, own: &Fields, group: &Group) {
    if shared_priority(model, group).is_some() {
        if !holds_the_pin(model) {
            copy.drop("priority_timeout", "a member asks every 4 s, so the run's consumer has 6 s");
            copy.keep(own, "priority_timeout");
        }
        return;
    }
    let why = if group.delivery == Delivery::Pinned {
        "the group is pinned, in a priority group of its own"
    } else {
        "the members of a group are alike, or pinned (`delivery = \"pinned\"`)"
    };
    for name in ["priority_policy", "priority_groups", "priority_timeout"] {
        let said = model.get(name).is_some_and(|value| speaks(value) && value != "none");
        if said {
            copy.drop(name, why);
        }
        copy.keep(own, name);
    }
}

/// Removes limits on requests that the members would exceed.
fn requests(copy: &mut Copy, model: &Fields, group: &Group) {
    if push(model).is_some() {
        for name in ["max_waiting", "max_batch", "max_bytes", "max_expires"] {
            if model.get(name).is_some_and(speaks) {
                copy.drop(name, "nothing is asked of a consumer that pushes");
            }
        }
        return;
    }
    if positive(model, "max_expires").is_some_and(|most| most < REQUEST_NS) {
        copy.drop("max_expires", "a member's request lasts for up to 30 s");
    }
    let needed = REQUESTS * u64::from(group.members.max(1));
    if positive(model, "max_waiting").is_some_and(|most| most < needed) {
        copy.drop("max_waiting", &format!("the group's members have up to {needed} requests open"));
    }
}

impl Model {
    /// Returns the settings of the model that are not copied, as far as they are known without a server.
    #[must_use]
    pub fn not_copied(&self, plan: &Plan) -> Vec<String> {
        let own = OwnStream { config: Fields::new(), clustered: true, consumers: 0 };
        let mut said: Vec<String> = self.notes.iter().cloned().chain(self.without_consumer(plan)).collect();
        said.extend(stream(&self.stream, &own).left.into_iter().map(|(_, line)| line));
        for group in &plan.groups {
            let Some(theirs) = self.consumer_of(group) else { continue };
            let left = consumer(theirs, &Fields::new(), group, true).left.into_iter();
            said.extend(left.map(|(_, line)| format!("group {}: {line}", group.name)));
        }
        said
    }
}

/// Returns the copied fields that the server set differently from the model.
pub(in crate::bus::nats) fn differences(
    model: &Fields,
    copy: &Copy,
    made: &Fields,
    consumer: bool,
) -> Vec<String> {
    let known: &[Field] = if consumer { CONSUMER } else { STREAM };
    let compared = |name: &str| {
        let rule = known.iter().find(|field| field.name == name).map(|field| field.rule);
        let is_left = |name: &str| copy.left.iter().any(|(left, _)| left == name);
        // A priority group is left as a whole.
        let of_group = name.starts_with("priority_") && is_left("priority_policy");
        matches!(rule, None | Some(Rule::Copied)) && !is_left(name) && !of_group
    };
    let differs = model.iter().filter(|(name, value)| {
        compared(name.as_str()) && !same(value, made.get(name.as_str()).unwrap_or(&Value::Null))
    });
    let of = if consumer { format!("consumer {}: ", name_of(made)) } else { String::new() };
    let said = |(name, value): (&String, &Value)| {
        let there = made.get(name.as_str()).filter(|value| speaks(value));
        let there = there.map_or_else(|| "not set".to_owned(), |value| shown(name, value));
        format!("{of}{name} is {there} in the run, and {} in the model", shown(name, value))
    };
    differs.map(said).collect()
}

/// Returns whether two values are equal; all default values count as unset.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let names = one.keys().chain(other.keys());
            names.into_iter().all(|name| {
                same(one.get(name).unwrap_or(&Value::Null), other.get(name).unwrap_or(&Value::Null))
            })
        }
        _ => one == other || (!speaks(one) && !speaks(other)),
    }
}
