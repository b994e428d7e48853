//! The products that a plan can be for: the facts needed to plan for each and to compare it, without a driver.

mod kafka;
mod nats;

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Action, Bus};

/// A product, as a plan sees it. The parts that only a run needs are in `session::PRODUCTS`.
#[derive(Debug)]
pub struct Product {
    /// As a profile, a record and the begin of an address name it.
    pub name: &'static str,
    /// As it calls itself.
    pub title: &'static str,
    /// Its description in the schema of a record.
    pub description: &'static str,
    /// Each topic has partitions, each with a log and a bound of its own, beyond which the oldest events go; else all
    /// topics are in one log, which takes no event beyond its bound.
    pub partitioned: bool,
    /// Its client runs its own threads and collects events into batches.
    pub batching: bool,
    /// It can keep its events in memory.
    pub in_memory: bool,
    /// The most servers of it that tickgate can start as a cluster; 1 if it starts no cluster.
    pub most_nodes: u32,
    /// The faults that this version carries out on it, apart from the place of its servers.
    pub faults: &'static [Action],
    /// Why the links of its servers cannot go through proxies; `None` where they can.
    pub no_links: Option<&'static str>,
    /// Why its consumers have no dead letters that a run could check; `None` where they have.
    pub no_dead_letters: Option<&'static str>,
    /// What holds its events: `stream`.
    pub log: &'static str,
    /// Its own name of the limit on the size of an event.
    pub size_limit: &'static str,
    /// How it carries out a plan's settings, in words.
    pub words: Words,
}

/// How a product carries out a plan's settings, in words, for comparing two products.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// Who confirms an event.
    pub confirmed_by: fn(&Bus) -> String,
    /// When an event is forced to the disk, on a broker of this mode (`local`, `container`, `url`…).
    pub forced: fn(&Bus, &str) -> String,
    /// Which events are sent together.
    pub sent: fn(&Bus) -> String,
    /// Which events are fetched together.
    pub fetched: fn(&Bus, Pushed) -> String,
    /// How handled events are acknowledged.
    pub acknowledged: fn(&Bus) -> String,
    /// Why CPU and memory of a broker that tickgate did not start are unknown.
    pub unseen: &'static str,
    /// What to do about that.
    pub to_see: &'static str,
}

/// The consumers of a run that the broker pushes to; the others are pulled from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Their number.
    pub consumers: usize,
    /// Of all.
    pub of: usize,
}

impl Pushed {
    /// Is nothing pulled?
    #[must_use]
    pub const fn all(self) -> bool {
        self.consumers > 0 && self.consumers == self.of
    }
}

/// Which kind of bus: a product, by its row.
#[derive(Clone, Copy)]
pub struct BusKind(&'static Product);

#[expect(non_upper_case_globals, reason = "they are the values that a plan can have")]
impl BusKind {
    /// NATS `JetStream`.
    pub const Nats: Self = Self(&nats::PRODUCT);
    /// Apache Kafka.
    pub const Kafka: Self = Self(&kafka::PRODUCT);
}

impl BusKind {
    /// All that a profile or a record can name.
    pub const ALL: [Self; 2] = [Self::Nats, Self::Kafka];

    /// The name of a kind of which tickgate can start a cluster, for advice.
    #[must_use]
    pub fn of_clusters() -> &'static str {
        Self::ALL.iter().find(|kind| kind.0.most_nodes > 1).map_or("", |kind| kind.0.name)
    }

    /// The kind of a product of one's own.
    #[must_use]
    pub const fn of(product: &'static Product) -> Self {
        Self(product)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// The row of this product.
    #[must_use]
    pub const fn product(self) -> &'static Product {
        self.0
    }

    /// The kind that has this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl PartialEq for BusKind {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for BusKind {}

impl fmt::Debug for BusKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for BusKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for BusKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for BusKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let unknown = || {
            let known: Vec<&str> = Self::ALL.iter().map(|kind| kind.name()).collect();
            serde::de::Error::custom(format!(
                "`{name}` is not a kind of bus; expected {}",
                known.join(" or ")
            ))
        };
        Self::named(&name).ok_or_else(unknown)
    }
}

impl JsonSchema for BusKind {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BusKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = |kind: &Self| {
            let description = kind.product().description;
            schemars::json_schema!({"description": description, "type": "string", "const": kind.name()})
        };
        let all: Vec<Schema> = Self::ALL.iter().map(one).collect();
        schemars::json_schema!({"description": "Which kind of bus.", "oneOf": all})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_by_its_name_and_no_other() {
        for kind in BusKind::ALL {
            let text = serde_json::to_string(&kind).unwrap();
            assert_eq!(text, format!("\"{}\"", kind.name()));
            assert_eq!(serde_json::from_str::<BusKind>(&text).unwrap(), kind);
        }
        let error = serde_json::from_str::<BusKind>("\"redis\"").unwrap_err().to_string();
        assert!(error.contains("`redis` is not a kind of bus; expected nats or kafka"), "{error}");
    }
}
