//! The resolved description of a run: validated, with every default filled in.
//!
//! A plan serialises in the profile's own words (`"10k/s"`, `"100ms"`), so that the plan in a record can be
//! written back as a profile and run again. This module checks nothing across fields: `profile` does.

mod bus;
mod cluster;
mod fault;
pub mod grammar;
mod keys;
mod objective;
mod parted;
mod payload;
mod power;
mod poison;
mod product;
mod quorum;
mod replay;
mod units;
mod words;

pub use bus::{Acks, BatchCompression, Compression, Discard, Kafka, Nats, Persist, RetryOrder};
pub use cluster::{Cluster, Linking, Proxied};
pub use fault::{Action, Cut, Expect, Fault, Segment, Target, Way, When, segments};
pub use keys::Keys;
pub use objective::{
    Kind, Metric, Objective, Op, Outcome, Recovery, ReplayFigure, Resource, Scope, Stat, Throughput, Timing,
    Unavailable, Value,
};
pub use payload::{Content, Draw, Lines, Padding, Payload};
pub use poison::{Poison, PoisonEvents, Refuse};
pub use power::Writeback;
pub use product::{BusKind, Product, Pushed, Words};
pub use quorum::Quorum;
pub use replay::{Begin, Origin, Replay, Speed};
pub use units::{Rate, Share, Size, Span, UnitError};
pub use words::Choice;
pub(crate) use words::choices;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Nanoseconds since the run's epoch, on the monotonic clock.
pub type Ns = u64;

/// Everything that the engine executes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The profile's name.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// Rate, phases and arrival process.
    pub load: Load,
    /// The synthetic market.
    pub market: Market,
    /// The bytes of an event; the ADR's envelope in a plan of an earlier version.
    #[serde(default)]
    pub payload: Payload,
    /// Topics, as a tree with one prefix.
    pub topology: Topology,
    /// Share of each topic in the load: topic (without prefix) to weight; the weights add up to 1.
    #[serde(with = "mix_as_map")]
    #[schemars(with = "std::collections::BTreeMap<String, f64>")]
    pub mix: Vec<(String, f64)>,
    /// The settings of the bus.
    pub bus: Bus,
    /// The servers, if tickgate starts the broker; one server where a record has none.
    #[serde(default, skip_serializing_if = "Cluster::is_plain")]
    pub cluster: Cluster,
    /// Who listens.
    pub groups: Vec<Group>,
    /// What the run breaks, and when, in the order of their starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// What of the events is read again, and compared with what was published.
    #[serde(rename = "replay", default, skip_serializing_if = "Vec::is_empty")]
    pub replays: Vec<Replay>,
    /// What must hold.
    #[serde(with = "objective::as_map")]
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    pub objectives: Vec<Objective>,
    /// Keys and objectives of the profile that the plan leaves out, each with the reason: `load.rate = "max"` contradicts
    /// them, or a trial of a capacity search cannot be judged by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Dropped>,
}

/// A part of a profile that its plan leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dropped {
    /// The key or the objective with its value, as the profile has it.
    pub what: String,
    /// Why it is left out.
    pub why: String,
}

/// Rate, phases and arrival process of the load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Events per second over all generators; with `ramp`, `burst` and `steps` the rate of the warm-up.
    pub rate: Rate,
    /// Load before the measurement, on the ledger but in no histogram.
    pub warmup: Span,
    /// Length of the measure phase.
    pub duration: Span,
    /// Deadline of the drain after it.
    pub drain: Span,
    /// The shape of the rate over the measure phase.
    pub arrival: Arrival,
    /// The spacing of events at a given rate; `poisson` for `arrival = "poisson"`, else as the profile says.
    pub spacing: Spacing,
    /// Only with `arrival = "ramp"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp: Option<Ramp>,
    /// Only with `arrival = "burst"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Burst>,
    /// Only with `arrival = "steps"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Steps>,
    /// OS threads that pace events; each owns the symbols whose index is its own modulo this number.
    pub generators: u32,
    /// How a generator waits for the next event.
    pub pacing: Pacing,
    /// When the groups receive.
    #[serde(default)]
    pub consume: Consume,
}

/// When the groups receive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Consume {
    /// While events are published.
    #[default]
    Live,
    /// Only when the load is over: how fast is a backlog read?
    Backlog,
}

/// The shape of the offered rate over the measure phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// One rate, evenly spaced.
    Constant,
    /// One rate, random spacing (exponential gaps, exact number of events).
    Poisson,
    /// A rate that changes linearly from `ramp.from` to `ramp.to`.
    Ramp,
    /// `load.rate`, and `burst.rate` for `burst.length` at the start of every `burst.every`.
    Burst,
    /// The rates of `steps.rates`, each for an equal part of the duration.
    Steps,
    /// As fast as the window lets it, at most `load.rate`: the bus sets the pace. For saturation, not for latency, since a
    /// bus that stalls is offered less (*coordinated omission*).
    Closed,
}

impl Load {
    /// How long events are sent: warm-up and measure phase.
    #[must_use]
    pub const fn sending(&self) -> Span {
        Span { ns: self.warmup.ns.saturating_add(self.duration.ns) }
    }

    /// Warm-up, measure phase and drain, up to its deadline.
    #[must_use]
    pub const fn total(&self) -> Span {
        Span { ns: self.sending().ns.saturating_add(self.drain.ns) }
    }

    /// Does the bus set the pace?
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.arrival == Arrival::Closed
    }

    /// Are latencies of this load those that an independent source would see?
    #[must_use]
    pub fn is_judged_by_latency(&self) -> bool {
        !self.is_closed() && self.consume == Consume::Live
    }
}

/// The spacing of events at a given rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Spacing {
    /// Evenly spaced.
    Constant,
    /// Exponential gaps, seeded; the number of events in a phase is still exact.
    Poisson,
}

/// A linear change of rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// Rate at the start of the measure phase.
    pub from: Rate,
    /// Rate at its end.
    pub to: Rate,
}

/// A rate that jumps, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// Rate inside a burst.
    pub rate: Rate,
    /// Time from the start of one burst to the start of the next.
    pub every: Span,
    /// Length of a burst.
    pub length: Span,
}

/// A staircase of rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// The rates, in order, each for an equal part of the duration.
    pub rates: Vec<Rate>,
}

/// How a generator waits for the next event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pacing {
    /// Absolute sleep with a timer slack of 1 ns.
    Sleep,
    /// Sleep, then spin over the last stretch: most exact, and takes a core.
    Spin,
}

/// The synthetic market.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Market {
    /// How many instruments, 1 to 65,536.
    pub symbols: u32,
    /// Everything random in a run follows from it.
    pub seed: u64,
    /// How events spread over symbols.
    pub popularity: Popularity,
    /// Exponent of the Zipf distribution.
    pub zipf_exponent: f64,
    /// Smallest size of an encoded event; a smaller one is padded, as [`Payload::padding`] says.
    pub event_size: Size,
}

impl Market {
    /// The content of an event has fewer bytes, on whatever topic.
    const CONTENT: u64 = 2048;

    /// An encoded event in the ADR's envelope has no more bytes.
    fn largest_event(&self) -> u64 {
        self.event_size.bytes.max(Self::CONTENT)
    }
}

/// How events spread over symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Popularity {
    /// Every symbol alike.
    Uniform,
    /// The k-th symbol in proportion to 1/k^exponent.
    Zipf,
}

/// Topics, as a tree with one prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Its name, for people.
    pub name: String,
    /// First token of every subject, for example `ai-trader`.
    pub prefix: String,
    /// Topics without the prefix, for example `market.quote.received`; at most 32.
    pub topics: Vec<String>,
    /// Append the symbol to the subject (`…quote.received.AAPL`).
    pub symbol_in_subject: bool,
}

/// A consumer group: every event once for the group, shared by its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Patterns over topics, with NATS wildcards, without the prefix.
    pub subscribe: Vec<String>,
    /// Number of consumers in it.
    pub members: u32,
    /// How the members share.
    pub delivery: Delivery,
    /// The consumer whose configuration the group's own copy, by default the one of the group's name; where the run is in
    /// a user's stream, the consumer that the group reads through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
}

/// How the members of a group share its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// One durable, the members take turns; gives no order per symbol with several members.
    Shared,
    /// Each symbol belongs to one member.
    Partitioned,
    /// One active member, the others stand by.
    Pinned,
}

/// The settings of the bus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    /// Which kind of bus.
    pub kind: BusKind,
    /// Copies of each event.
    pub replicas: u32,
    /// Where the stream keeps its events.
    pub storage: Storage,
    /// When a started broker forces its store to the disk.
    pub sync: Sync,
    /// How events are published.
    pub publish: Publish,
    /// Maximum events sent and not yet confirmed, for each generator.
    pub window: u32,
    /// Maximum events that wait for room in the window, for each generator; beyond it events are `unsent`.
    pub buffer: u32,
    /// Maximum bytes of the events that a generator has open (accepted and not answered); beyond it events are
    /// `unsent`. A member has no more asked for at once. A plan in a record of an earlier version has no such bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer_bytes: Option<Size>,
    /// An event without an answer for this long is `unconfirmed`.
    pub publish_timeout: Span,
    /// How long from its acceptance an event that is refused or unanswered is sent again with the same id; 0 sends each once.
    #[serde(default, skip_serializing_if = "Span::is_zero")]
    pub retry: Span,
    /// A copy without an answer for this long is sent again.
    #[serde(default = "retry_after", skip_serializing_if = "is_retry_after")]
    pub retry_after: Span,
    /// Whether events of a symbol wait for the answer to the one before.
    #[serde(default, skip_serializing_if = "RetryOrder::is_default")]
    pub retry_order: RetryOrder,
    /// How deliveries are acknowledged.
    pub ack: AckMode,
    /// The stream's bound in bytes; chosen from the plan's volume where the profile does not say.
    pub max_bytes: Size,
    /// The stream's bound in time.
    pub max_age: Span,
    /// Partitions of the topics (Kafka), or subject partitions of `partitioned` groups (NATS).
    pub partitions: u32,
    /// Read the stream back after the drain and check every acknowledged event.
    pub audit: bool,
    /// What only NATS is asked for.
    #[serde(default)]
    pub nats: Nats,
    /// What only Kafka is asked for.
    #[serde(default)]
    pub kafka: Kafka,
}

/// The usual time without an answer after which a copy is sent again.
const fn retry_after() -> Span {
    Bus::RETRY_AFTER
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_retry_after(span: &Span) -> bool {
    *span == Bus::RETRY_AFTER
}

impl Bus {
    /// The usual time without an answer after which a copy is sent again.
    pub const RETRY_AFTER: Span = Span::seconds(2);

    /// Returns whether tickgate itself sends events again, so that it knows how often; a client that batches does so by itself.
    #[must_use]
    pub fn counts_copies(&self) -> bool {
        self.retries() && !self.kind.product().batching
    }

    /// Returns whether a full store removes its oldest events, so that confirmed ones may be gone.
    #[must_use]
    pub fn discards_old(&self) -> bool {
        self.kind == BusKind::Nats && !self.nats.discard.is_new()
    }

    /// Returns whether events are sent again.
    #[must_use]
    pub const fn retries(&self) -> bool {
        self.retry.ns > 0
    }

    /// Bytes that a generator may have open.
    #[must_use]
    pub const fn most_bytes(&self) -> u64 {
        match self.buffer_bytes {
            Some(size) => size.bytes,
            None => u64::MAX,
        }
    }

    /// The stream or topic of the bus whose configuration the run's own copies.
    #[must_use]
    pub fn like(&self) -> Option<&str> {
        self.of_kind(self.nats.like.as_deref(), self.kafka.like.as_deref())
    }

    /// The existing stream or topic that the run publishes into.
    #[must_use]
    pub fn attach(&self) -> Option<&str> {
        self.of_kind(self.nats.attach.as_deref(), self.kafka.attach.as_deref())
    }

    fn of_kind<'a>(&self, nats: Option<&'a str>, kafka: Option<&'a str>) -> Option<&'a str> {
        if self.kind == BusKind::Nats { nats } else { kafka.filter(|_| self.kind == BusKind::Kafka) }
    }

    /// How often an event is delivered to a group at most; `None` without a limit.
    #[must_use]
    pub fn most_deliveries(&self) -> Option<u64> {
        self.nats.most_deliveries()
    }

    /// The number of events of the given size that fit, at least one.
    #[must_use]
    pub fn fitting(&self, event_bytes: u64) -> u64 {
        (self.most_bytes() / event_bytes.max(1)).max(1)
    }
}

/// Where a stream keeps its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// On disk.
    File,
    /// In memory.
    Memory,
}

/// When a broker that tickgate starts forces its store to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sync {
    /// As the broker does by itself (`nats-server`: every two minutes).
    Default,
    /// Before each acknowledgement.
    Always,
}

/// How events are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Publish {
    /// Up to `window` events await their acknowledgement.
    Async,
    /// One at a time; the others wait in the buffer.
    Sync,
    /// NATS's fast ingest: the events of a batch are stored as they come, and confirmed together.
    Fast,
    /// NATS's atomic batches: the events of a batch are stored together or not at all.
    Atomic,
}

impl Publish {
    /// Events are confirmed in batches.
    #[must_use]
    pub const fn in_batches(self) -> bool {
        matches!(self, Self::Fast | Self::Atomic)
    }
}

/// How deliveries are acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AckMode {
    /// Each delivery.
    Explicit,
    /// The last of each batch, which confirms all before it.
    All,
    /// Never: the broker takes a delivery for done.
    None,
}

impl Plan {
    /// Its keys: the units of ordering, `topics × symbols`.
    #[must_use]
    pub const fn keys(&self) -> Keys {
        Keys::new(self.topology.topics.len(), self.market.symbols)
    }

    /// Are events that a group has given up copied to topics of their own?
    #[must_use]
    pub fn dead_letters(&self) -> bool {
        self.bus.nats.dead_letter && self.bus.kind.product().faults.contains(&Action::Poison)
    }

    /// Returns what to change to make the largest events smaller, for a hint.
    #[must_use]
    pub fn smaller_events(&self) -> &'static str {
        match self.payload.content() {
            Content::Envelope if self.market.event_size.bytes > 0 => {
                "lower `market.event_size`, or leave the largest topics out of the mix"
            }
            Content::Envelope => "leave the largest topics out of the mix",
            Content::Template(_) => "shorten the template (`payload.template`, `payload.file`)",
            Content::Samples(_) => "take the longest lines out of `payload.samples`",
        }
    }

    /// An encoded event has no more bytes.
    #[must_use]
    pub fn largest_event(&self) -> u64 {
        let longest_topic = self.topology.topics.iter().map(String::len).max().unwrap_or(0);
        match self.payload.most_bytes(longest_topic) {
            Some(bytes) => crate::num::count(bytes).max(self.market.event_size.bytes),
            None => self.market.largest_event(),
        }
    }
}

mod mix_as_map {
    //! The mix as a map in the topics' order.
    use serde::de::{Deserializer, MapAccess, Visitor};
    use serde::ser::{SerializeMap, Serializer};

    pub(super) fn serialize<S: Serializer>(mix: &[(String, f64)], to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(mix.len()))?;
        for (topic, weight) in mix {
            map.serialize_entry(topic, weight)?;
        }
        map.end()
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, f64)>, D::Error> {
        struct Mix;
        impl<'de> Visitor<'de> for Mix {
            type Value = Vec<(String, f64)>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map of topics to weights")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut mix = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    mix.push(entry);
                }
                Ok(mix)
            }
        }
        from.deserialize_map(Mix)
    }
}
