//! The legal keys of each table of a profile.

pub(super) use crate::plan::grammar::list;

pub(super) const TOP: &[&str] = &[
    "name",
    "description",
    "topology",
    "load",
    "market",
    "payload",
    "mix",
    "bus",
    "cluster",
    "groups",
    "faults",
    "replay",
    "objectives",
    "prices",
];
pub(super) const LOAD: &[&str] = &[
    "rate",
    "warmup",
    "duration",
    "drain",
    "arrival",
    "spacing",
    "ramp",
    "burst",
    "steps",
    "generators",
    "pacing",
    "consume",
];
pub(super) const RAMP: &[&str] = &["from", "to"];
pub(super) const BURST: &[&str] = &["rate", "every", "length"];
pub(super) const STEPS: &[&str] = &["rates"];
pub(super) const MARKET: &[&str] = &["symbols", "seed", "popularity", "zipf_exponent", "event_size"];
pub(super) const PAYLOAD: &[&str] =
    &["template", "file", "samples", "id", "draw", "digest", "name", "padding"];
pub(super) const TOPOLOGY: &[&str] = &["base", "name", "prefix", "topics", "symbol_in_subject"];
pub(super) const GROUP: &[&str] = &["name", "subscribe", "members", "delivery", "consumer"];
pub(super) const BUS: &[&str] = &[
    "kind",
    "replicas",
    "storage",
    "sync",
    "publish",
    "window",
    "buffer",
    "buffer_bytes",
    "publish_timeout",
    "retry",
    "retry_after",
    "retry_order",
    "ack",
    "max_bytes",
    "max_age",
    "partitions",
    "audit",
    "nats",
    "kafka",
];
pub(super) const NATS: &[&str] = &[
    "compression",
    "persist",
    "discard",
    "msg_id",
    "ack_wait",
    "max_ack_pending",
    "max_deliver",
    "dead_letter",
    "pull_batch",
    "ack_linger",
    "batch",
    "linger",
    "like",
    "attach",
];
pub(super) const KAFKA: &[&str] = &[
    "acks",
    "idempotence",
    "linger",
    "batch_size",
    "max_in_flight",
    "compression",
    "min_insync_replicas",
    "commit_interval",
    "heap",
    "like",
    "attach",
];

pub(super) const FAULT: &[&str] = &[
    "name", "at", "do", "target", "between", "for", "settle", "times", "every", "how", "way", "delay",
    "jitter", "rate", "share", "expect", WRITEBACK,
];
pub(super) const REPLAY: &[&str] = &["name", "at", "from", "speed"];
/// The key of a fault that names the model of a loss of power.
pub(super) const WRITEBACK: &str = "writeback";
pub(super) const CLUSTER: &[&str] = &["nodes", "links", "power"];
pub(super) const PRICES: &[&str] = &["currency", "core", "gib_memory", "gb_disk", "retention"];

/// The tables whose keys are words of this module, by path.
const TABLES: [(&str, &[&str]); 16] = [
    ("", TOP),
    ("load", LOAD),
    ("load.ramp", RAMP),
    ("load.burst", BURST),
    ("load.steps", STEPS),
    ("market", MARKET),
    ("payload", PAYLOAD),
    ("topology", TOPOLOGY),
    ("groups", GROUP),
    ("bus", BUS),
    ("bus.nats", NATS),
    ("bus.kafka", KAFKA),
    ("cluster", CLUSTER),
    ("faults", FAULT),
    ("replay", REPLAY),
    ("prices", PRICES),
];

/// Every key by its full name, `load.rate`; the keys of `mix` and `objectives` are topics and metrics instead.
#[must_use]
pub fn all_keys() -> Vec<String> {
    let full =
        |table: &str, key: &str| if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
    TABLES.iter().flat_map(|(table, keys)| keys.iter().map(move |key| full(table, key))).collect()
}

/// The first table that knows a key.
pub(super) fn table_of(key: &str) -> Option<&'static str> {
    TABLES.iter().find(|(table, keys)| !table.is_empty() && keys.contains(&key)).map(|(table, _)| *table)
}
