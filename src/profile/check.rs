//! What no key can tell by itself: the combinations that a plan must not have.

use super::kafka;
use super::load;
use super::section::Reader;
use super::setting;
use crate::load::volume_bytes;
use crate::market::MAX_SEQUENCE;
use crate::plan::{AckMode, BusKind, Compression, Delivery, Plan, Storage, Sync};

/// Checks a plan across its keys; keys that are wrong by themselves are left out.
pub(super) fn plan(plan: &Plan, reader: &mut Reader) {
    name(plan, reader);
    load(plan, reader);
    volume(plan, reader);
    if plan.bus.kind == BusKind::Nats {
        members(plan, reader);
        nats(plan, reader);
    } else {
        kafka::plan(plan, reader);
    }
    store(plan, reader);
}

/// What a plan may have, and will probably regret.
#[must_use]
pub fn warnings(plan: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    let (drain, ack_wait) = (plan.load.drain, plan.bus.nats.ack_wait);
    if plan.bus.kind == BusKind::Nats && plan.bus.ack != AckMode::None && drain <= ack_wait {
        found.push(format!(
            "`load.drain` is {drain} and `bus.nats.ack_wait` {ack_wait}: what is delivered again after a broken connection comes \
             after the drain, and is reported as pending; give the drain more than `ack_wait`"
        ));
    }
    let (bus, event) = (&plan.bus, plan.market.event_size);
    let fitting = bus.fitting(event.bytes);
    if let Some(bytes) = bus.buffer_bytes
        && fitting < u64::from(bus.window)
    {
        found.push(format!(
            "`bus.buffer_bytes` is {bytes}: {fitting} events of {event} fill it, so `bus.window`, {}, is never full; raise \
             `bus.buffer_bytes`, or lower the window",
            bus.window
        ));
    }
    found
}

fn name(plan: &Plan, reader: &mut Reader) {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name = &plan.name;
    if name.is_empty() || name.len() > 64 || !name.chars().all(legal) || name.starts_with(['.', '-']) {
        let at = reader.at("name");
        reader.wrong(at, || {
            format!("{} cannot name a profile (folders bear it); expected 1 to 64 letters, digits, `.`, `_` and `-`", super::place::quoted(name))
        });
    }
}

fn load(plan: &Plan, reader: &mut Reader) {
    let load = &plan.load;
    if let Some(burst) = load.burst
        && burst.length >= burst.every
        && reader.sound(&["load.burst"])
    {
        let at = reader.at("load.burst.length");
        reader.wrong(at, || {
            format!(
                "`load.burst.length` is {}; expected less than `load.burst.every`, {}",
                burst.length, burst.every
            )
        });
    }
    if load.generators > plan.market.symbols && reader.sound(&["load.generators", "market.symbols"]) {
        let at = reader.at("load.generators");
        reader.wrong(at, || {
            format!(
                "{} generators for {} symbols; expected no more, for no two generators share a symbol",
                load.generators, plan.market.symbols
            )
        });
    }
}

/// Enough events to measure, and not more than the probe can number.
fn volume(plan: &Plan, reader: &mut Reader) {
    if !reader.sound(&load::VOLUME) || !reader.sound(&["market", "mix", "topology"]) {
        return;
    }
    let (measured, warmup) = crate::load::expected_events(&plan.load);
    if measured < 1.0 {
        let at = reader.at("load.duration");
        reader.wrong(at, || {
            format!(
                "no event falls into a measure phase of {}; expected a longer one or a higher rate",
                plan.load.duration
            )
        });
    }
    let busiest = (measured + warmup) * crate::load::busiest_share(plan);
    if busiest > f64::from(MAX_SEQUENCE) {
        let at = reader.at("load.duration");
        reader.wrong(at, || {
            format!(
                "the busiest symbol would have about {busiest:.0} events of one topic; expected at most {MAX_SEQUENCE} \
                 (a shorter run, a lower rate, or more symbols)"
            )
        });
    }
}

/// Members that could not work as the delivery says.
fn members(plan: &Plan, reader: &mut Reader) {
    for group in
        plan.groups.iter().filter(|group| group.delivery == Delivery::Partitioned && group.members > 1)
    {
        let path = format!("groups.{}", group.name);
        if !reader.sound(&[&path, "topology", "bus.partitions"]) {
            continue;
        }
        if !plan.topology.symbol_in_subject {
            let at = reader.at(&format!("{path}.delivery"));
            reader.wrong(at, || {
                "a partitioned group with several members needs the symbol in the subject; expected \
                 `symbol_in_subject = true` in [topology], or another delivery"
                    .to_owned()
            });
        }
        if group.members > plan.bus.partitions {
            let at = reader.at(&format!("{path}.members"));
            reader.wrong(at, || {
                format!(
                    "{} members share {} partitions, so that some receive nothing; expected at most as many members as `bus.partitions`",
                    group.members, plan.bus.partitions
                )
            });
        }
    }
}

/// Times and numbers of NATS that do not fit together.
fn nats(plan: &Plan, reader: &mut Reader) {
    let (bus, nats) = (&plan.bus, &plan.bus.nats);
    if nats.ack_linger >= nats.ack_wait
        && bus.ack != AckMode::None
        && reader.sound(&["bus.nats.ack_linger", "bus.nats.ack_wait"])
    {
        let at = reader.at("bus.nats.ack_linger");
        reader.wrong(at, || {
            format!(
                "acknowledgements that wait for {} come too late for `ack_wait = \"{}\"`; expected less than that",
                nats.ack_linger, nats.ack_wait
            )
        });
    }
    if !bus.publish.in_batches() {
        return;
    }
    if nats.batch > bus.window && reader.sound(&["bus.nats.batch", "bus.window"]) {
        let at = reader.at("bus.nats.batch");
        reader.wrong(at, || {
            format!(
                "a batch of {} is never full with `window = {}`; expected at most the window",
                nats.batch, bus.window
            )
        });
    }
    if nats.linger >= bus.publish_timeout && reader.sound(&["bus.nats.linger", "bus.publish_timeout"]) {
        let at = reader.at("bus.nats.linger");
        reader.wrong(at, || {
            format!(
                "a batch that waits for {} is answered after `publish_timeout = \"{}\"`; expected less than that",
                nats.linger, bus.publish_timeout
            )
        });
    }
}

/// A store that cannot do what is asked of it, or is too small for the run.
fn store(plan: &Plan, reader: &mut Reader) {
    let bus = &plan.bus;
    if bus.kind == BusKind::Nats
        && bus.storage == Storage::Memory
        && reader.sound(&["bus.storage", "bus.sync", "bus.nats.compression"])
    {
        if bus.sync == Sync::Always {
            let at = reader.at("bus.sync");
            reader.wrong(at, || {
                "`sync = \"always\"` has no effect in memory; expected `storage = \"file\"`, or no `sync`"
                    .to_owned()
            });
        }
        if bus.nats.compression != Compression::None {
            let at = reader.at("bus.nats.compression");
            reader.wrong(at, || {
                "a store in memory is not compressed; expected `storage = \"file\"`, or no `compression`"
                    .to_owned()
            });
        }
    }
    let total = plan.load.total();
    if bus.max_age < total && reader.sound(&["bus.max_age", "load.warmup", "load.duration", "load.drain"]) {
        let at = reader.at("bus.max_age");
        reader.wrong(at, || {
            format!("`bus.max_age` is {}; expected at least the length of the run, {total}, or events expire in it", bus.max_age)
        });
    }
    let sound = reader.sound(&load::VOLUME) && reader.sound(&setting::SIZES);
    if bus.audit && reader.written("bus.max_bytes") && sound && reader.sound(&["bus.max_bytes", "bus.audit"])
    {
        small_store(plan, reader);
    }
}

/// A store that is smaller than the events of the run.
fn small_store(plan: &Plan, reader: &mut Reader) {
    let (bus, needed) = (&plan.bus, volume_bytes(plan));
    if bus.max_bytes.bytes < needed {
        let at = reader.at("bus.max_bytes");
        reader.wrong(at, || {
            let mebibytes = needed.div_ceil(1 << 20);
            format!(
                "`bus.max_bytes` is {}, but the events of this run take about {mebibytes}MiB; expected at least that, or `audit = false`",
                bus.max_bytes
            )
        });
    }
}
