//! Reads `[market]` and `[bus]`: the events, and the settings of the bus.

use super::keys;
use super::section::{Reader, Section};
use super::tree::{Table, Value};
use crate::load::LEAST_STORE;
use crate::market::MAX_SYMBOLS;
use crate::plan::{
    AckMode, Bus, BusKind, Delivery, Group, Kafka, Load, Market, Nats, Popularity, Publish, RetryOrder, Size,
    Span, Storage, Sync,
};

/// The longest time for which an event is sent again.
const LONGEST_RETRY: Span = Span::seconds(600);
const MIB: u64 = 1 << 20;
/// The smallest default for the bound of a store.
const DAY: Span = Span::seconds(86_400);
/// The most deliveries of an event that a limit may allow.
const MOST_DELIVERIES: i64 = 1_000;
/// The time of a redelivery after `ack_wait`, on a busy broker.
const AFTER_ACK_WAIT: Span = Span::seconds(5);

/// `[market]`.
pub(super) fn market(root: &Table, reader: &mut Reader) -> Market {
    let mut section = Section::open(root, "market", keys::MARKET, reader);
    Market {
        symbols: section.checked("symbols", 500, &format!("1 to {MAX_SYMBOLS} symbols"), |n| {
            (1..=MAX_SYMBOLS).contains(n)
        }),
        seed: section.value("seed", 1),
        popularity: section.word("popularity", Popularity::Zipf),
        zipf_exponent: section.checked("zipf_exponent", 1.0, "0 to 10", |x| (0.0..=10.0).contains(x)),
        event_size: section
            .checked("event_size", Size { bytes: 0 }, "at most 1MiB", |size| size.bytes <= MIB),
    }
}

/// `[bus]`; Kafka's partitions follow from the groups. The bound of the store is the least one where the profile has none: see
/// [`crate::load::usual_max_bytes`].
pub(super) fn bus(root: &Table, reader: &mut Reader, load: &Load, groups: &[Group]) -> Bus {
    let mut section = Section::open(root, "bus", keys::BUS, reader);
    let kind = section.word("kind", BusKind::Nats);
    let replicas = number(&mut section, "replicas", 1, 1, 5);
    let window = number(&mut section, "window", 512, 1, 60_000);
    let buffer = number(&mut section, "buffer", 65_536, 0, 1_000_000);
    let partitions = if kind.product().partitioned { members(groups) } else { 8 };
    Bus {
        kind,
        replicas,
        storage: section.word("storage", Storage::File),
        sync: section.word("sync", Sync::Default),
        publish: section.word("publish", Publish::Async),
        window,
        buffer,
        buffer_bytes: Some(section.checked(
            "buffer_bytes",
            buffer_bytes(window, buffer),
            "1MiB to 64GiB",
            |size| (MIB..=64 * 1024 * MIB).contains(&size.bytes),
        )),
        publish_timeout: time(&mut section, "publish_timeout", Span::seconds(10), Span::seconds(600)),
        retry: section.checked("retry", Span::default(), &format!("at most {LONGEST_RETRY}"), |span| {
            *span <= LONGEST_RETRY
        }),
        retry_after: time(&mut section, "retry_after", Bus::RETRY_AFTER, LONGEST_RETRY),
        retry_order: section.word("retry_order", RetryOrder::PerSymbol),
        ack: section.word("ack", AckMode::Explicit),
        max_bytes: section.checked("max_bytes", LEAST_STORE, "at least 1MiB", |size| size.bytes >= MIB),
        max_age: time(
            &mut section,
            "max_age",
            DAY.max(Span { ns: load.total().ns * 2 }),
            Span::seconds(365 * 86_400),
        ),
        partitions: number(&mut section, "partitions", partitions, 1, 256),
        audit: section.value("audit", true),
        nats: nats(&mut section, window),
        kafka: kafka(&mut section, replicas),
    }
}

/// Bytes for a full window and a full buffer of events of their natural size, in whole mebibytes, at least 64.
fn buffer_bytes(window: u32, buffer: u32) -> Size {
    const EVENT: u64 = 1000;
    const LEAST: u64 = 64;
    let full = (u64::from(window) + u64::from(buffer)) * EVENT;
    Size { bytes: full.div_ceil(MIB).max(LEAST) * MIB }
}

/// The most members that share a group: as many partitions as these need, for each more costs latency and CPU.
fn members(groups: &[Group]) -> u32 {
    let sharing = groups.iter().filter(|group| group.delivery != Delivery::Pinned);
    sharing.map(|group| group.members).max().unwrap_or(1).max(1)
}

/// `[bus.nats]`.
fn nats(bus: &mut Section<'_>, window: u32) -> Nats {
    let defaults = Nats { batch: Nats::default().batch.min(window), ..Nats::default() };
    let entry = bus.entry("nats");
    let Some(entry) = entry else { return defaults };
    let mut section = Section::inner(Some(entry), "bus.nats".to_owned(), keys::NATS, bus.reader);
    Nats {
        compression: section.word("compression", defaults.compression),
        persist: section.word("persist", defaults.persist),
        discard: section.word("discard", defaults.discard),
        msg_id: section.value("msg_id", defaults.msg_id),
        ack_wait: time(&mut section, "ack_wait", defaults.ack_wait, Span::seconds(3600)),
        max_ack_pending: number(&mut section, "max_ack_pending", defaults.max_ack_pending, 1, 1_000_000),
        max_deliver: section.checked(
            "max_deliver",
            defaults.max_deliver,
            &format!("1 to {MOST_DELIVERIES}, or -1 for no limit"),
            |&most| most == defaults.max_deliver || (1..=MOST_DELIVERIES).contains(&most),
        ),
        dead_letter: section.value("dead_letter", defaults.dead_letter),
        pull_batch: number(&mut section, "pull_batch", defaults.pull_batch, 1, 10_000),
        ack_linger: section
            .checked("ack_linger", defaults.ack_linger, "at most 1s", |span| *span <= Span::seconds(1)),
        batch: number(&mut section, "batch", defaults.batch, 1, 1_000),
        linger: time(&mut section, "linger", defaults.linger, Span::seconds(5)),
        like: section.name("like"),
        attach: section.name("attach"),
    }
}

/// `[bus.kafka]`.
fn kafka(bus: &mut Section<'_>, replicas: u32) -> Kafka {
    // A majority, as is usual: 2 of 3.
    let defaults = Kafka { min_insync_replicas: replicas / 2 + 1, ..Kafka::default() };
    let entry = bus.entry("kafka");
    let Some(entry) = entry else { return defaults };
    let mut section = Section::inner(Some(entry), "bus.kafka".to_owned(), keys::KAFKA, bus.reader);
    let (least_batch, most_batch) = (Size { bytes: 1024 }, Size { bytes: MIB });
    let (least_heap, most_heap) = (Size { bytes: 256 * MIB }, Size { bytes: 64 * 1024 * MIB });
    let like = topic(&mut section, "like");
    Kafka {
        acks: section.word("acks", defaults.acks),
        idempotence: section.value("idempotence", defaults.idempotence),
        linger: section.checked("linger", defaults.linger, "at most 1s", |span| *span <= Span::seconds(1)),
        batch_size: section.checked("batch_size", defaults.batch_size, "1KiB to 1MiB", |size| {
            (least_batch..=most_batch).contains(size)
        }),
        max_in_flight: number(&mut section, "max_in_flight", defaults.max_in_flight, 1, 1_000),
        compression: section.word("compression", defaults.compression),
        min_insync_replicas: number(&mut section, "min_insync_replicas", defaults.min_insync_replicas, 1, 5),
        commit_interval: time(&mut section, "commit_interval", defaults.commit_interval, Span::seconds(60)),
        heap: section.checked("heap", defaults.heap, "256MiB to 64GiB", |size| {
            (least_heap..=most_heap).contains(size)
        }),
        own_partitions: like.is_some() && section.reader.written("bus.partitions"),
        like,
        attach: topic(&mut section, "attach"),
    }
}

/// The name of an existing topic, if it is written.
fn topic(section: &mut Section<'_>, key: &str) -> Option<String> {
    const EXPECTED: &str =
        "the name of a topic: letters, digits, `.`, `_` and `-`, at most 249, not beginning with `__`";
    let legal = |name: &String| {
        let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        (1..=249).contains(&name.len()) && name.chars().all(legal) && !name.starts_with("__")
    };
    let name = section.checked(key, String::new(), EXPECTED, legal);
    (!name.is_empty()).then_some(name)
}

fn time(section: &mut Section<'_>, key: &str, default: Span, longest: Span) -> Span {
    section.checked(key, default, &format!("more than 0s and at most {longest}"), |span: &Span| {
        span.ns > 0 && *span <= longest
    })
}

fn number(section: &mut Section<'_>, key: &str, default: u32, from: u32, to: u32) -> u32 {
    section.checked(key, default, &format!("{from} to {to}"), |n| (from..=to).contains(n))
}

/// The keys that decide how large events are.
pub(super) const SIZES: [&str; 4] = ["market", "payload", "topology", "mix"];

/// The drain where the profile has none: long enough for a delivery that the bus repeats because its acknowledgement got
/// lost, or else what was on the wire of a broken connection would not be there when the account is made. It is the same for
/// every bus and way of acknowledging, so that the sides of a comparison are alike in it.
pub(super) fn drain(root: &Table) -> Span {
    let written = match of_nats(root, "ack_wait") {
        Some(Value::Text(text)) => text.parse::<Span>().ok(),
        _ => None,
    };
    after(written.unwrap_or(Nats::default().ack_wait))
}

/// Are events that a group has given up copied to topics of their own?
pub(super) fn dead_letters(root: &Table) -> bool {
    matches!(of_nats(root, "dead_letter"), Some(Value::Boolean(true)))
}

/// A value of `[bus.nats]` as it is written.
fn of_nats<'a>(root: &'a Table, key: &str) -> Option<&'a Value> {
    fn inner<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
        table.get(key).map(|entry| &entry.node.value)
    }
    let Value::Table(bus) = inner(root, "bus")? else { return None };
    let Value::Table(nats) = inner(bus, "nats")? else { return None };
    inner(nats, key)
}

fn after(ack_wait: Span) -> Span {
    super::load::DRAIN.max(Span { ns: ack_wait.ns.saturating_add(AFTER_ACK_WAIT.ns) })
}
