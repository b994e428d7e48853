//! The configuration of somebody's stream and its consumers, which a run's own copy.
//!
//! It is the JSON of the server's API, field by field, so that what a newer server has is copied too. What is read here is
//! what the `nats` command line prints, as `info --json` or as the `config` alone. Nothing here connects to anything.

mod copy;
mod fields;
mod plan;
mod read;

pub(super) use copy::{Copy, OwnStream, consumer, differences, stream};
pub use fields::Fields;
use fields::text;
pub(super) use fields::{shown, speaks};

pub use plan::Applied;

use crate::plan::Group;

/// Whose configuration a run's stream and consumers copy, and what it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// A stream, or files.
    pub of: String,
    /// The stream's configuration; empty where only consumers were given.
    pub stream: Fields,
    /// Those of its consumers.
    pub consumers: Vec<Fields>,
    /// What the user should know of how it was got.
    pub notes: Vec<String>,
    /// The run is in this very stream, so that a group reads through a consumer of it only where it names it.
    pub attached: bool,
}

/// Consumers that are named in a message, at the most.
const NAMED: usize = 8;

impl Model {
    /// The consumer that a group's copy: the one that the group names, the one of its own name, or else the only one.
    pub(super) fn consumer_of(&self, group: &Group) -> Option<&Fields> {
        if self.attached && group.consumer.is_none() {
            return None;
        }
        let named = group.consumer.as_ref().unwrap_or(&group.name);
        let of_name = self.consumers.iter().find(|consumer| name_of(consumer) == named);
        match (&self.consumers[..], &group.consumer) {
            ([only], None) => Some(of_name.unwrap_or(only)),
            _ => of_name,
        }
    }

    /// The names of the consumers, for a message.
    fn names(&self) -> String {
        let names: Vec<&str> = self.consumers.iter().take(NAMED).map(name_of).collect();
        let more = if self.consumers.len() > NAMED { ", …" } else { "" };
        format!("{}{more}", names.join(", "))
    }

    /// How long the stream keeps an event: `limits`, `interest` or `workqueue`.
    pub(super) fn retention(&self) -> &str {
        text(&self.stream, "retention").unwrap_or("limits")
    }
}

/// The name of a consumer.
fn name_of(consumer: &Fields) -> &str {
    text(consumer, "durable_name").or_else(|| text(consumer, "name")).unwrap_or("")
}

#[cfg(test)]
mod tests;
