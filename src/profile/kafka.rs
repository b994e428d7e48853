//! The combinations that a plan for Kafka must not have.

use super::replay::wrong;
use super::section::Reader;
use super::setting;
use crate::bus::kafka_topics;
use crate::load::largest_event_bytes;
use crate::plan::{Acks, Content, Delivery, Origin, Plan, Replay, Speed, Storage};

/// Checks a plan for Kafka across its keys; keys that are wrong by themselves are left out.
pub(super) fn plan(plan: &Plan, reader: &mut Reader) {
    topics(plan, reader);
    size(plan, reader);
    members(plan, reader);
    producer(plan, reader);
    replays(plan, reader);
    let bus = &plan.bus;
    if bus.storage == Storage::Memory && reader.sound(&["bus.storage"]) {
        let at = reader.at("bus.storage");
        reader.wrong(at, || {
            "Kafka keeps its log in files; expected `storage = \"file\"` with `kind = \"kafka\"`".to_owned()
        });
    }
    if bus.publish.in_batches() && reader.sound(&["bus.publish"]) {
        let at = reader.at("bus.publish");
        reader.wrong(at, || {
            "`fast` and `atomic` are NATS's; expected `async` or `sync` with `kind = \"kafka\"`, whose client batches by \
             itself (`bus.kafka.linger`)"
                .to_owned()
        });
    }
    if bus.kafka.min_insync_replicas > bus.replicas
        && bus.like().or(bus.attach()).is_none()
        && reader.sound(&["bus.replicas", "bus.kafka.min_insync_replicas"])
    {
        let at = reader.at("bus.kafka.min_insync_replicas");
        reader.wrong(at, || {
            format!(
                "`bus.kafka.min_insync_replicas` is {}, but `bus.replicas` is {}; expected at most that",
                bus.kafka.min_insync_replicas, bus.replicas
            )
        });
    }
}

/// Replays that Kafka has not.
fn replays(plan: &Plan, reader: &mut Reader) {
    if !reader.sound(&["replay", "bus.kind", "bus.kafka.acks"]) {
        return;
    }
    for replay in &plan.replays {
        if replay.from == Origin::LastPerSymbol {
            wrong(replay, "from", reader, |path| {
                format!(
                    "`{path}` is \"last-per-symbol\", and only a compacted topic keeps the last event of each key, which the run's \
                     topics are not; expected \"start\", a time or \"seq N\""
                )
            });
        }
        if replay.speed == Speed::Original {
            wrong(replay, "speed", reader, |path| {
                format!(
                    "`{path}` is \"original\", and Kafka hands events out as fast as they are fetched: a consumer would have to wait \
                     by itself; expected \"max\""
                )
            });
        }
        unknown_positions(plan.bus.kafka.acks, replay, reader);
    }
}

/// Replays whose boundaries need more confirmation than there is.
fn unknown_positions(acks: Acks, replay: &Replay, reader: &mut Reader) {
    if replay.is_live() && acks != Acks::All {
        wrong(replay, "at", reader, |path| {
            format!(
                "`{path}` lies in the load, and with `bus.kafka.acks = \"{acks}\"` an event may be confirmed before a consumer can \
                 read it; expected `acks = \"all\"`, or \"drain\""
            )
        });
    }
    if matches!(replay.from, Origin::Sequence(_)) && acks == Acks::None {
        wrong(replay, "from", reader, |path| {
            format!(
                "`{path}` is a position, and with `bus.kafka.acks = \"none\"` nobody says where an event is stored; expected \
                 another `acks`, or \"start\""
            )
        });
    }
}

/// Topics that Kafka cannot hold.
fn topics(plan: &Plan, reader: &mut Reader) {
    if reader.sound(&["topology"]) {
        let at = reader.at("topology.topics");
        for fault in kafka_topics::faults(&plan.topology) {
            reader.wrong(at, || fault);
        }
    }
}

/// Events larger than a message may be, with room for key and overhead.
fn size(plan: &Plan, reader: &mut Reader) {
    const MOST: u64 = 1_000_000;
    if plan.market.event_size.bytes > MOST && reader.sound(&["market.event_size"]) {
        let at = reader.at("market.event_size");
        reader.wrong(at, || {
            format!(
                "`market.event_size` is {}; expected at most {MOST} bytes, for Kafka's topics take messages of 1MiB",
                plan.market.event_size
            )
        });
        return;
    }
    let key = match plan.payload.content() {
        Content::Envelope => return,
        Content::Template(_) if reader.written("payload.file") => "payload.file",
        Content::Template(_) => "payload.template",
        Content::Samples(_) => "payload.samples",
    };
    if !reader.sound(&setting::SIZES) {
        return;
    }
    let largest = largest_event_bytes(plan);
    if largest > MOST {
        let at = reader.at(key);
        reader.wrong(at, || {
            format!(
                "events of `{key}` have up to {largest} bytes; expected at most {MOST} bytes, because Kafka's topics accept \
                 messages up to 1MiB"
            )
        });
    }
}

/// Members that could receive nothing, and deliveries that Kafka does not have.
fn members(plan: &Plan, reader: &mut Reader) {
    if plan.bus.kafka.leaves_partitions() || plan.bus.kafka.attach.is_some() {
        // The number of partitions is known when the topic has been read.
        return;
    }
    for group in plan.groups.iter().filter(|group| group.members > 1) {
        let path = format!("groups.{}", group.name);
        if !reader.sound(&[&path, "bus.partitions"]) {
            continue;
        }
        let partitions = plan.bus.partitions;
        if group.delivery == Delivery::Pinned && partitions > 1 {
            let at = reader.at(&format!("{path}.delivery"));
            reader.wrong(at, || {
                format!(
                    "a pinned group is one member's on Kafka only where each topic has one partition, and there are \
                     {partitions}; expected `bus.partitions = 1`, or another delivery"
                )
            });
        } else if group.delivery != Delivery::Pinned && group.members > partitions {
            let at = reader.at(&format!("{path}.members"));
            reader.wrong(at, || {
                format!(
                    "{} members share {partitions} partitions, so that some receive nothing; expected at most as many members as `bus.partitions`",
                    group.members
                )
            });
        }
    }
}

/// Settings of the producer that exclude each other.
fn producer(plan: &Plan, reader: &mut Reader) {
    let kafka = &plan.bus.kafka;
    if !reader.sound(&["bus.kafka", "bus.publish_timeout"]) {
        return;
    }
    if kafka.idempotence && kafka.acks != Acks::All {
        let at = reader.at("bus.kafka.acks");
        reader.wrong(at, || {
            "an idempotent producer waits for all in-sync replicas; expected `acks = \"all\"`, or `idempotence = false`"
                .to_owned()
        });
    }
    if kafka.idempotence && kafka.max_in_flight > 5 {
        let at = reader.at("bus.kafka.max_in_flight");
        reader.wrong(at, || {
            "an idempotent producer has at most 5 requests under way; expected that, or `idempotence = false`"
                .to_owned()
        });
    }
    if plan.bus.retries() && !kafka.idempotence && reader.sound(&["bus.retry"]) {
        let at = reader.at("bus.retry");
        reader.wrong(at, || {
            "without `idempotence` a batch that is sent again may be stored twice and out of order; expected `idempotence = true`, \
             or `retry = \"0s\"`"
                .to_owned()
        });
    }
    if kafka.linger >= plan.bus.publish_timeout {
        let at = reader.at("bus.kafka.linger");
        reader.wrong(at, || {
            format!(
                "`bus.kafka.linger` is {}; expected less than `bus.publish_timeout`, {}",
                kafka.linger, plan.bus.publish_timeout
            )
        });
    }
}
