//! How the messages of a model's consumer reach the members of a group: pushed, or asked for in a priority group.

use serde_json::Value;

use super::fields::{Fields, positive, speaks, text};
use super::{Model, name_of};
use crate::bus::nats::intake::{PIN_TIMEOUT, Priority, Push};
use crate::bus::nats::provision::PRIORITY_GROUP;
use crate::num;
use crate::plan::{Delivery, Group, Plan};

/// Returns where a consumer pushes to; `None` if its messages are pulled.
pub(in crate::bus::nats) fn push(consumer: &Fields) -> Option<Push> {
    let subject = text(consumer, "deliver_subject")?.to_owned();
    Some(Push { subject, queue: text(consumer, "deliver_group").map(str::to_owned) })
}

/// Returns the priority group of a consumer that a group's members can ask in; `None` if it has none, or one that
/// does not fit the group's delivery.
pub(in crate::bus::nats) fn shared_priority(consumer: &Fields, group: &Group) -> Option<Priority> {
    let pinned = match text(consumer, "priority_policy")? {
        "pinned_client" => true,
        // Without thresholds and with equal priorities, the members are alike.
        "overflow" | "prioritized" => false,
        _ => return None,
    };
    let groups = consumer.get("priority_groups").and_then(Value::as_array)?;
    let name = groups.first()?.as_str().filter(|name| !name.is_empty())?;
    (pinned == (group.delivery == Delivery::Pinned)).then(|| Priority { group: name.to_owned(), pinned })
}

/// Returns the priority group in which the members of a group ask: the model's, or that of a pinned group.
pub(in crate::bus::nats) fn priority(theirs: Option<&Fields>, group: &Group) -> Option<Priority> {
    let own = || Priority { group: PRIORITY_GROUP.to_owned(), pinned: true };
    let pinned = group.delivery == Delivery::Pinned;
    theirs.and_then(|theirs| shared_priority(theirs, group)).or_else(|| pinned.then(own))
}

/// Returns whether a pinned member asks often enough to keep its place.
pub(in crate::bus::nats) fn holds_the_pin(consumer: &Fields) -> bool {
    positive(consumer, "priority_timeout").is_none_or(|ns| ns >= num::nanoseconds(PIN_TIMEOUT))
}

impl Model {
    /// Checks that a group can receive from its consumer if that one pushes.
    pub(super) fn check_push(&self, plan: &Plan) -> Result<(), String> {
        for group in &plan.groups {
            let Some(consumer) = self.consumer_of(group) else { continue };
            let Some(push) = push(consumer) else { continue };
            let named = format!("consumer {} of {}", name_of(consumer), self.of);
            if group.delivery == Delivery::Pinned {
                return Err(format!(
                    "group {} is pinned, and {named} pushes, which has no priority groups; set `groups.{0}.delivery = \
                     \"shared\"`",
                    group.name
                ));
            }
            if push.queue.is_none() && group.members > 1 && group.delivery == Delivery::Shared {
                return Err(format!(
                    "{named} pushes without a `deliver_group`, so that each of the {} members of group {} would receive \
                     every event; set `groups.{1}.members = 1`",
                    group.members, group.name
                ));
            }
            if consumer.get("priority_policy").is_some_and(|policy| speaks(policy) && policy != "none") {
                return Err(format!("{named} pushes and has a `priority_policy`, which no server accepts"));
            }
        }
        Ok(())
    }
}
