//! Checks across keys: the combinations that a plan must not have.

use super::section::Reader;
use super::{cluster, faults, kafka, load, nats, payload, replay, setting};
use crate::load::volume_bytes;
use crate::market::MAX_SEQUENCE;
use crate::plan::{BusKind, Plan};

/// Combinations that a plan for a product must not have, and those that are probably a mistake.
struct Checks {
    kind: BusKind,
    plan: fn(&Plan, &mut Reader),
    regret: fn(&Plan) -> Option<String>,
}

/// A row for each product that a profile can name.
const CHECKS: [Checks; 2] = [
    Checks { kind: BusKind::Nats, plan: nats::plan, regret: nats::regret },
    Checks { kind: BusKind::Kafka, plan: kafka::plan, regret: |_| None },
];

fn of(plan: &Plan) -> Option<&'static Checks> {
    CHECKS.iter().find(|checks| checks.kind == plan.bus.kind)
}

/// Checks a plan across its keys; keys that are wrong by themselves are left out.
pub(super) fn plan(plan: &Plan, reader: &mut Reader) {
    name(plan, reader);
    load(plan, reader);
    retry(plan, reader);
    volume(plan, reader);
    payload::check(plan, reader);
    cluster::check(plan, reader);
    cluster::check_links(plan, reader);
    if let Some(checks) = of(plan) {
        (checks.plan)(plan, reader);
    }
    store(plan, reader);
    faults::check(plan, reader);
    replay::check(plan, reader);
}

/// Combinations that are allowed, but probably a mistake.
#[must_use]
pub fn warnings(plan: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(of(plan).and_then(|checks| (checks.regret)(plan)));
    let (bus, event) = (&plan.bus, plan.market.event_size);
    if bus.retry > plan.load.drain {
        found.push(format!(
            "`load.drain` is {} and `bus.retry` {}: what is due last has less time than the rest; give the drain more than \
             `bus.retry`",
            plan.load.drain, bus.retry
        ));
    }
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
    found.extend(faults::regrets(plan));
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

/// Copies that would leave only when the time for them is over.
fn retry(plan: &Plan, reader: &mut Reader) {
    let bus = &plan.bus;
    if bus.retries() && bus.retry_after >= bus.retry && reader.sound(&["bus.retry", "bus.retry_after"]) {
        let at = reader.at("bus.retry_after");
        reader.wrong(at, || {
            format!(
                "`bus.retry_after` is {}: an event without an answer is never sent again within `bus.retry`, {}; expected less \
                 than that",
                bus.retry_after, bus.retry
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

/// A store that is too small for the run, or forgets it too soon.
fn store(plan: &Plan, reader: &mut Reader) {
    let bus = &plan.bus;
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
    // Discarding what is old is then what is put to the test.
    let discards = bus.discards_old();
    if bus.max_bytes.bytes < needed && !discards {
        let at = reader.at("bus.max_bytes");
        reader.wrong(at, || {
            let mebibytes = needed.div_ceil(1 << 20);
            let of_nats = bus.kind == BusKind::Nats;
            let discard = if of_nats { ", or `nats.discard = \"old\"`, which loses the oldest" } else { "" };
            format!(
                "`bus.max_bytes` is {}, but the events of this run take about {mebibytes}MiB; expected at least that, or \
                 `audit = false`{discard}",
                bus.max_bytes
            )
        });
    }
}
