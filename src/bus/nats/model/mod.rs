//! The configuration of an existing stream and its consumers, as a model for those of a run.
//!
//! Kept as the JSON of the server's API, field by field, so that fields of newer servers are copied too. The input is
//! the output of the `nats` command line: `info --json`, or the `config` alone; or resources of NACK. Nothing here connects
//! to a server.

mod copy;
mod delivery;
mod fields;
mod nack;
mod plan;
mod read;

pub(super) use copy::{Copy, OwnStream, consumer, differences, stream};
pub(super) use delivery::{holds_the_pin, priority, push, shared_priority};
pub use fields::Fields;
use fields::text;
pub(super) use fields::{shown, speaks};

use crate::plan::Group;

/// The configuration that a run's stream and consumers copy, and its source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// The source: a stream, or files.
    pub of: String,
    /// Configuration of the stream; empty if only consumers were given.
    pub stream: Fields,
    /// Configurations of its consumers.
    pub consumers: Vec<Fields>,
    /// Notes for the user on how the configuration was obtained.
    pub notes: Vec<String>,
    /// Values that the source does not say, and that are set all the same.
    pub defaults: Vec<String>,
    /// Whether the run uses this very stream; a group then reads through one of its consumers only if it names it.
    pub attached: bool,
}

/// Maximum number of consumers to name in a message.
const NAMED: usize = 8;

impl Model {
    /// Returns the model's consumer for a group: the one that the group names, else the one with the group's name, else
    /// the only one.
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

    /// Returns the names of the consumers, for a message.
    fn names(&self) -> String {
        let names: Vec<&str> = self.consumers.iter().take(NAMED).map(name_of).collect();
        let more = if self.consumers.len() > NAMED { ", …" } else { "" };
        format!("{}{more}", names.join(", "))
    }

    /// Returns the retention policy: `limits`, `interest` or `workqueue`.
    pub(super) fn retention(&self) -> &str {
        text(&self.stream, "retention").unwrap_or("limits")
    }
}

/// Returns the name of a consumer.
fn name_of(consumer: &Fields) -> &str {
    text(consumer, "durable_name").or_else(|| text(consumer, "name")).unwrap_or("")
}

#[cfg(test)]
mod tests;
