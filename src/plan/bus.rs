//! What belongs to one kind of bus alone; the other kinds leave it aside, so that a plan can be run on each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Size, Span};

/// Deliveries of an event without a limit.
const UNLIMITED: i64 = -1;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
const fn is_unlimited(most: &i64) -> bool {
    *most == UNLIMITED
}

/// What only NATS is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Nats {
    /// Compression of the store.
    pub compression: Compression,
    /// Whether an event is in the store's file before it is confirmed.
    #[serde(default, skip_serializing_if = "Persist::is_default")]
    pub persist: Persist,
    /// What a full stream does.
    #[serde(default, skip_serializing_if = "Discard::is_new")]
    pub discard: Discard,
    /// Send the event id as `Nats-Msg-Id`, so that the broker drops repeated ids.
    pub msg_id: bool,
    /// A delivery that is not acknowledged for this long is delivered again.
    pub ack_wait: Span,
    /// Maximum deliveries without acknowledgement, for each group.
    pub max_ack_pending: u32,
    /// How often an event is delivered at most; -1 for no limit.
    #[serde(skip_serializing_if = "is_unlimited")]
    pub max_deliver: i64,
    /// Copy each event that a group has given up to the topic `GROUP.dlq`.
    #[serde(skip_serializing_if = "is_false")]
    pub dead_letter: bool,
    /// Messages asked for at once by a pulling member.
    pub pull_batch: u32,
    /// How long acknowledgements of deliveries may wait to be written together; 0 writes each by itself.
    pub ack_linger: Span,
    /// Maximum events that one answer confirms, with `publish` `fast` or `atomic`.
    pub batch: u32,
    /// How long the oldest event of a batch that is not full waits for an answer before the batch is ended.
    pub linger: Span,
    /// The stream whose configuration, with that of its consumers, the run's own copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
    /// The stream of a user's that the run publishes into and reads from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attach: Option<String>,
}

impl Nats {
    /// Returns how long the server must remember ids where events are sent again for `retry`: a copy may be on its way.
    #[must_use]
    pub const fn remembers(retry: Span) -> Span {
        Span { ns: retry.ns.saturating_add(Span::seconds(30).ns) }
    }

    /// How often an event is delivered at most; `None` without a limit.
    #[must_use]
    pub fn most_deliveries(&self) -> Option<u64> {
        u64::try_from(self.max_deliver).ok().filter(|&most| most > 0)
    }
}

impl Default for Nats {
    fn default() -> Self {
        Self {
            compression: Compression::None,
            persist: Persist::Default,
            discard: Discard::New,
            msg_id: false,
            ack_wait: Span::seconds(30),
            max_ack_pending: 50_000,
            max_deliver: UNLIMITED,
            dead_letter: false,
            pull_batch: 1_000,
            ack_linger: Span::millis(1),
            batch: 100,
            linger: Span::millis(20),
            like: None,
            attach: None,
        }
    }
}

/// Compression of a stream's store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// None.
    None,
    /// The S2 algorithm.
    S2,
}

/// What a full stream does with the next event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Discard {
    /// It refuses it.
    #[default]
    New,
    /// It removes the oldest ones, confirmed or not.
    Old,
}

impl Discard {
    /// Returns whether confirmed events are kept.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        matches!(self, Self::New)
    }
}

/// When the store writes events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Persist {
    /// Before they are confirmed.
    #[default]
    Default,
    /// Later, from memory.
    Async,
}

impl Persist {
    /// Returns whether events are written before they are confirmed.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        matches!(self, Self::Default)
    }
}

/// Which events wait for each other while events are sent again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RetryOrder {
    /// An event waits for the answer to the one before it of its topic and symbol.
    #[default]
    PerSymbol,
    /// None does: an event that is sent again may be stored behind later ones.
    None,
}

impl RetryOrder {
    /// Returns whether it is the default.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
    #[must_use]
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What only Kafka is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// Whose confirmation an event waits for.
    pub acks: Acks,
    /// Numbers the producer's batches, so that a retry is neither stored twice nor out of order.
    pub idempotence: bool,
    /// How long an event waits for others to share its batch: a part of its latency.
    pub linger: Span,
    /// Maximum bytes of a batch.
    pub batch_size: Size,
    /// Maximum requests in flight to a broker.
    pub max_in_flight: u32,
    /// Compression of batches, by the producer.
    pub compression: BatchCompression,
    /// Replicas that must be in sync for an event to be confirmed with `acks = "all"`.
    pub min_insync_replicas: u32,
    /// How often a member's handled offsets are committed.
    pub commit_interval: Span,
    /// Heap of a broker that tickgate starts.
    pub heap: Size,
    /// The topic whose configuration the run's topics copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
    /// The existing topic that the run publishes into and reads from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attach: Option<String>,
    /// With `like`: the profile sets `bus.partitions`; otherwise the topics have as many as the model.
    #[serde(default, skip_serializing_if = "is_false")]
    pub own_partitions: bool,
}

impl Kafka {
    /// Whether the number of partitions is left to the model.
    #[must_use]
    pub const fn leaves_partitions(&self) -> bool {
        self.like.is_some() && !self.own_partitions
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            idempotence: true,
            linger: Span { ns: 500_000 },
            batch_size: Size { bytes: 1_000_000 },
            max_in_flight: 5,
            compression: BatchCompression::None,
            min_insync_replicas: 1,
            commit_interval: Span::millis(100),
            heap: Size { bytes: 1 << 30 },
            like: None,
            attach: None,
            own_partitions: false,
        }
    }
}

/// Whose confirmation a Kafka producer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Acks {
    /// That of every in-sync replica.
    All,
    /// That of the leader.
    Leader,
    /// No confirmation: an event counts as confirmed when it is written to the socket.
    None,
}

/// Compression of a Kafka producer's batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BatchCompression {
    /// None.
    None,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4.
    Lz4,
}
