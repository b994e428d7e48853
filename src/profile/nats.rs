//! The combinations that a plan for NATS must not have.

mod dead_letters;
mod takeovers;

use super::section::Reader;
use crate::plan::{AckMode, Compression, Delivery, Nats, Persist, Plan, Publish, Storage, Sync};

/// Checks a plan for NATS across its keys; keys that are wrong by themselves are left out.
pub(super) fn plan(plan: &Plan, reader: &mut Reader) {
    members(plan, reader);
    times(plan, reader);
    retries(plan, reader);
    memory(plan, reader);
    persist(plan, reader);
    dead_letters::check(plan, reader);
}

/// Settings that are allowed, but probably a mistake.
pub(super) fn regret(plan: &Plan) -> Option<String> {
    let (drain, ack_wait) = (plan.load.drain, plan.bus.nats.ack_wait);
    let late = (plan.bus.ack != AckMode::None && drain <= ack_wait).then(|| {
        format!(
            "`load.drain` is {drain} and `bus.nats.ack_wait` {ack_wait}: what is delivered again after a broken connection comes \
             after the drain, and is reported as pending; give the drain more than `ack_wait`"
        )
    });
    late.or_else(|| takeovers::regret(plan))
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

/// Times and numbers that do not fit together.
fn times(plan: &Plan, reader: &mut Reader) {
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

/// Events that are sent again, and would be stored twice or never.
fn retries(plan: &Plan, reader: &mut Reader) {
    let bus = &plan.bus;
    if !bus.retries() {
        return;
    }
    if bus.publish.in_batches() && reader.sound(&["bus.retry", "bus.publish"]) {
        let at = reader.at("bus.retry");
        reader.wrong(at, || {
            format!(
                "the events of a batch are confirmed together and cannot be sent again one by one (`publish = \"{}\"`); \
                 expected `publish = \"async\"` or `\"sync\"`, or `retry = \"0s\"`",
                bus.publish
            )
        });
    }
    if !bus.nats.msg_id && reader.sound(&["bus.retry", "bus.nats.msg_id"]) {
        let at = reader.at("bus.retry");
        reader.wrong(at, || {
            "an event that is sent again is stored twice unless the server knows its id; expected `msg_id = true` in \
             [bus.nats], or `retry = \"0s\"`"
                .to_owned()
        });
    }
    let window = Nats::remembers(bus.retry);
    if bus.max_age < window && reader.sound(&["bus.retry", "bus.max_age"]) {
        let at = reader.at("bus.max_age");
        reader.wrong(at, || {
            format!(
                "the server remembers ids for at most `bus.max_age`, {}, and events are sent again for {}; expected at least \
                 {window}",
                bus.max_age, bus.retry
            )
        });
    }
}

/// A store that writes later, where the server refuses that.
fn persist(plan: &Plan, reader: &mut Reader) {
    let bus = &plan.bus;
    if bus.nats.persist == Persist::Default || !reader.sound(&["bus.nats.persist"]) {
        return;
    }
    let why = if bus.replicas > 1 {
        "the server has it for a single copy only; expected `replicas = 1`"
    } else if bus.storage == Storage::Memory {
        "a store in memory is never written; expected `storage = \"file\"`"
    } else if bus.publish == Publish::Atomic {
        "the server does not take atomic batches into such a store; expected another `publish`"
    } else {
        return;
    };
    let at = reader.at("bus.nats.persist");
    reader.wrong(at, || format!("`persist = \"async\"`: {why}, or no `persist`"));
}

/// A store in memory that cannot meet the plan.
fn memory(plan: &Plan, reader: &mut Reader) {
    let bus = &plan.bus;
    if bus.storage == Storage::Memory && reader.sound(&["bus.storage", "bus.sync", "bus.nats.compression"]) {
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
}
