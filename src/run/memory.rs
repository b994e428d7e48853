//! Upper estimates of a run's memory and store, from its plan alone, to compare with the machine before the
//! load.
//!
//! Each part assumes the worst case: a broker that stalls, groups that fall behind. No part that holds events
//! exceeds the number of events in the run.

use crate::load::{self, volume_bytes};
use crate::measure::outage_bytes;
use crate::num;
use crate::plan::{Content, Plan, Storage};

use super::audit::STRETCH;
use super::by_fault;
use super::by_step::histograms;
use super::replay;

/// Where the broker runs, as far as its memory counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// On another machine, or unknown.
    Elsewhere,
    /// In another process on this machine.
    Beside,
    /// In this process: the simulated bus.
    Within,
}

/// A part of the memory of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its purpose.
    pub what: &'static str,
    /// The key of the profile with the most influence on it.
    pub key: &'static str,
    /// Upper bound, in bytes.
    pub bytes: u64,
}

/// The memory of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// The parts in this process.
    pub parts: Vec<Part>,
    /// The memory store of a broker that tickgate started, in bytes.
    pub beside: u64,
    /// Threads in this process.
    pub threads: u64,
}

impl Memory {
    /// Bytes in this process.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.bytes))
    }

    /// The largest part, where a change to the profile saves the most.
    #[must_use]
    pub fn largest(&self) -> Option<&Part> {
        self.parts.iter().filter(|part| !part.key.is_empty()).max_by_key(|part| part.bytes)
    }
}

/// The program, its libraries and the report's drawing.
const BASE: u64 = 48 << 20;
/// A thread with its stack and its share of the allocator.
const THREAD: u64 = 768 << 10;
/// A histogram.
const HISTOGRAM: u64 = 270_336;
/// The histograms of a generator or a group, including the current intervals.
const HISTOGRAMS: u64 = 12 * HISTOGRAM;
/// Overhead of an open event: its slot, token, subject and the client's own data.
const OPEN: u64 = 400;
/// Few events are smaller.
const LEAST_EVENT: u64 = 300;
/// A second of the timeline, in the record and in the report's formats.
const SECOND: u64 = 8 << 10;
/// An event with its time, waiting to be paired; several copies.
const STEP: u64 = 128;
/// Events that a NATS connection accepts at once although its buffer is nearly full.
const CHUNK: u64 = 20;
/// Events per second that a generator may reach in a closed load.
const CLOSED: u64 = 250_000;
/// The fixed overhead of a Kafka client.
const BATCHING_CLIENT: u64 = 3 << 20;
/// The most that librdkafka fetches from a broker at once.
const BATCHING_FETCH: u64 = 50 << 20;

/// The sizes of a plan.
struct Numbers<'a> {
    plan: &'a Plan,
    generators: u64,
    members: u64,
    groups: u64,
    events: u64,
    event: u64,
    /// Bytes of all events.
    all: u64,
    keys: u64,
}

impl<'a> Numbers<'a> {
    fn of(plan: &'a Plan) -> Self {
        let totals = load::totals(&plan.load);
        let event = plan.largest_event();
        let all = totals.warmup_events.saturating_add(totals.measure_events);
        let seconds = (plan.load.warmup.ns.saturating_add(plan.load.duration.ns)).div_ceil(1_000_000_000);
        let events = if plan.load.is_closed() {
            all.min(CLOSED * u64::from(plan.load.generators) * seconds)
        } else {
            all
        };
        Self {
            plan,
            generators: u64::from(plan.load.generators),
            members: plan.groups.iter().map(|group| u64::from(group.members)).sum(),
            groups: num::count(plan.groups.len()),
            events,
            event,
            all: events.saturating_mul(event),
            keys: num::count(plan.keys().count()),
        }
    }

    /// Does the client batch events on threads of its own?
    const fn batching(&self) -> bool {
        self.plan.bus.kind.product().batching
    }

    /// Adds a quarter for the allocator.
    const fn roomy(bytes: u64) -> u64 {
        bytes.saturating_add(bytes / 4)
    }

    /// Open events of the generators, and their clients' overhead.
    fn open(&self) -> u64 {
        let bus = &self.plan.bus;
        let fitting = bus.fitting(self.plan.market.event_size.bytes.max(LEAST_EVENT));
        let each = (u64::from(bus.window) + u64::from(bus.buffer)).min(self.events).min(fitting);
        let bytes = each.saturating_mul(self.event).min(bus.most_bytes().max(self.event));
        let all = bytes.saturating_mul(self.generators).min(self.all);
        let client = if self.batching() {
            (u64::from(bus.kafka.max_in_flight) + 1) * bus.kafka.batch_size.bytes
        } else {
            CHUNK * self.event
        };
        Self::roomy(all) + self.generators.saturating_mul(client.min(self.all) + each * OPEN)
    }

    /// Events that members have requested and not read; the audit does the same once they have ended.
    fn asked_for(&self) -> u64 {
        let bus = &self.plan.bus;
        let each = if self.batching() {
            bus.most_bytes().saturating_add(BATCHING_FETCH.min(bus.most_bytes()))
        } else {
            // One and a half batches can be requested, and part of that twice after a reconnect.
            2 * bus.fitting(self.event).min(u64::from(bus.nats.pull_batch)) * self.event
        };
        let each = Self::roomy(each.min(self.all)).saturating_add(2 * self.event);
        each.saturating_mul(self.members.max(u64::from(bus.audit)))
    }

    /// The readers of an audit of every copy: their connections, what each of them has asked for, and what waits of each copy to be
    /// compared with the others.
    fn readers_of_copies(&self) -> u64 {
        const BATCH: u64 = 1000;
        const CONNECTION: u64 = 256 << 10;
        /// An event that waits, in a list that doubles.
        const HELD: u64 = 2 * 80;
        let bus = &self.plan.bus;
        if !bus.audit || self.batching() || bus.replicas < 2 {
            return 0;
        }
        let asked_for = (2 * bus.fitting(self.event).min(BATCH)).min(self.events).saturating_mul(self.event);
        let waits = (STRETCH + BATCH).min(self.events) * HELD;
        u64::from(bus.replicas).saturating_mul(CONNECTION + Self::roomy(asked_for) + waits)
    }

    /// Ledgers of generators and groups, prices of symbols, subjects.
    fn ledgers(&self) -> u64 {
        let (plan, keys) = (self.plan, self.keys);
        let published = 4 * keys * (self.generators + 1);
        let received = 10 * keys * (self.groups + 1);
        let market = u64::from(plan.market.symbols) * (320 + 32 * self.generators) + self.own_format();
        let subjects = if self.batching() {
            0
        } else {
            let by_symbol = plan.topology.symbol_in_subject;
            let (subjects, text) = if by_symbol { (keys, 96) } else { (32, 96) };
            subjects * (32 * self.generators + text)
        };
        // Gaps and exceptions: in the worst case one for each key.
        let gaps = keys.min(self.events) * 64 * (self.generators + 2 * self.groups);
        published + received + market + subjects + gaps
    }

    /// What each generator and the receiving side hold for a template or samples: the symbols, and the samples in pieces.
    fn own_format(&self) -> u64 {
        const SYMBOL: u64 = 112;
        const SAMPLE: u64 = 256;
        let lines = match self.plan.payload.content() {
            Content::Envelope => return 0,
            Content::Template(_) => &[][..],
            Content::Samples(lines) => lines,
        };
        let samples = num::sum(lines.iter().map(|line| num::count(line.len()) + SAMPLE));
        let each = u64::from(self.plan.market.symbols) * SYMBOL + samples;
        samples + each * (self.generators + 2)
    }

    /// Bits of the positions that each group has had.
    fn positions(&self) -> u64 {
        const PARTITION: u64 = 128 << 10;
        const GROUP: u64 = 16 << 20;
        let topics = num::count(self.plan.topology.topics.len());
        let partitions = if self.plan.bus.kind.product().partitioned {
            topics * u64::from(self.plan.bus.partitions)
        } else {
            1
        };
        (partitions * PARTITION).min(GROUP) * self.groups
    }

    /// Data that grows with the length of the run: rows, windows, lateness, exceedances.
    fn timeline(&self) -> u64 {
        let load = &self.plan.load;
        let seconds = load.total().ns / 1_000_000_000 + 1;
        let limits = num::count(self.plan.objectives.len()) + 1;
        let slots = if load.duration.ns > 600_000_000_000 { 1 } else { 10 };
        let workers = self.generators + self.groups;
        let topics = num::count(self.plan.topology.topics.len());
        let second = SECOND + 1024 * self.groups + workers * (slots * (16 + 140 * limits) + 8 * topics);
        seconds.saturating_mul(second)
    }

    /// What is counted of each step: its histograms, and the exceedances of its limits by time.
    fn steps_of_load(&self) -> u64 {
        let steps = num::count(load::steps(&self.plan.load).len());
        let topics = num::count(self.plan.topology.topics.len());
        let each =
            histograms(self.plan) * HISTOGRAM + SECOND * (1 + self.groups) + 16 * topics * self.generators;
        if steps == 0 { 0 } else { steps.saturating_mul(each).saturating_add(self.timeline()) }
    }

    /// What is counted around faults: the parts of the measure phase that they make, and the availability.
    fn around_faults(&self) -> u64 {
        let Some(parts) = by_fault::parts(self.plan) else { return 0 };
        let topics = num::count(self.plan.topology.topics.len());
        let each = (histograms(self.plan) + self.generators) * HISTOGRAM + SECOND * (1 + self.groups);
        let (generator, group) = outage_bytes(self.plan.load.duration, topics);
        let slots = generator * (self.generators + 1) + group * self.groups;
        slots.saturating_add(parts.saturating_mul(each)).saturating_add(self.timeline())
    }

    /// The ledgers of replays, the boundaries that generators watch for them, and what each has asked for.
    fn replays(&self) -> u64 {
        const BATCH: u64 = 5000;
        let replays = num::count(self.plan.replays.len());
        let asked_for =
            (2 * self.plan.bus.fitting(self.event).min(BATCH)).min(self.events).saturating_mul(self.event);
        let ledgers = replay::bytes(self.plan, self.keys, self.events, self.generators);
        ledgers.saturating_add(replays.saturating_mul(Self::roomy(asked_for)))
    }

    /// Events whose times wait to be paired.
    fn steps(&self) -> u64 {
        let load = &self.plan.load;
        let peak = num::u64_of(load::peak_rate(load).per_second);
        let second = if load.is_closed() { CLOSED * self.generators } else { peak }.min(self.events);
        second.saturating_mul(STEP).saturating_mul(1 + self.groups)
    }

    fn clients(&self) -> u64 {
        let clients = self.generators + self.members + 3;
        if self.batching() { clients * BATCHING_CLIENT } else { clients * (256 << 10) }
    }

    fn threads(&self) -> u64 {
        let each = if self.batching() { 5 } else { 1 };
        8 + self.groups + each * (self.generators + self.members)
    }

    /// The simulated server: its store, and its account of every event.
    fn simulated(&self) -> u64 {
        let account = self.events.saturating_mul(256 + 96 * self.groups);
        Self::roomy(volume_bytes(self.plan)).saturating_add(Self::roomy(account))
    }
}

/// The memory of a run of this plan.
#[must_use]
pub fn memory(plan: &Plan, at: Where) -> Memory {
    let numbers = Numbers::of(plan);
    let threads = numbers.threads();
    let mut parts = Vec::new();
    let mut part = |what, key, bytes| parts.push(Part { what, key, bytes });
    part("events that are open", "bus.buffer_bytes", numbers.open());
    if at == Where::Within {
        part("the simulated server", "load.duration", numbers.simulated());
    } else {
        part("events that are asked for", "bus.buffer_bytes", numbers.asked_for());
        part("readers of copies", "bus.replicas", numbers.readers_of_copies());
        part("connections", "load.generators", numbers.clients());
    }
    part("ledgers", "market.symbols", numbers.ledgers());
    part("replays", "market.symbols", numbers.replays());
    part("positions", "groups", numbers.positions());
    let workers = numbers.generators + numbers.groups + 2;
    part("histograms", "load.generators", workers * HISTOGRAMS);
    part("the timeline", "load.duration", numbers.timeline());
    part("figures of each step", "load.steps", numbers.steps_of_load());
    part("figures around faults", "load.duration", numbers.around_faults());
    part("answers and deliveries of a second", "load.rate", numbers.steps());
    part("program and threads", "", BASE + threads * THREAD);
    let kept_in_memory = plan.bus.kind.product().in_memory && plan.bus.storage == Storage::Memory;
    let beside = if at == Where::Beside && kept_in_memory { store(plan).needed() } else { 0 };
    Memory { parts, beside, threads }
}

/// The store of a run: its volume and its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Store {
    /// The volume of its events, one copy.
    pub volume: u64,
    /// `bus.max_bytes`.
    pub max_bytes: u64,
    /// Topics with load, on a bus that bounds each topic separately (Kafka). Other topics hold only a few
    /// readiness events.
    pub topics: Option<u64>,
    /// Logs to which `bus.max_bytes` applies: one stream on NATS, each partition of these topics on Kafka.
    pub logs: u64,
    /// Copies of each log.
    pub replicas: u64,
}

/// The store of a run of this plan.
#[must_use]
pub fn store(plan: &Plan) -> Store {
    let bus = &plan.bus;
    let topics = bus
        .kind
        .product()
        .partitioned
        .then(|| num::count(plan.mix.iter().filter(|(_, share)| *share > 0.0).count()));
    Store {
        volume: volume_bytes(plan),
        max_bytes: bus.max_bytes.bytes,
        topics,
        logs: topics.map_or(1, |topics| topics * u64::from(bus.partitions)),
        replicas: u64::from(bus.replicas.max(1)),
    }
}

impl Store {
    /// The bound of all copies together.
    #[must_use]
    pub const fn bound(&self) -> u64 {
        self.max_bytes.saturating_mul(self.logs).saturating_mul(self.replicas)
    }

    /// The space that the run needs, all copies together: the volume of its events, up to the bound.
    #[must_use]
    pub fn needed(&self) -> u64 {
        self.volume.saturating_mul(self.replicas).min(self.bound())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Size, Span};
    use crate::selftest::swarm;

    fn plan() -> Plan {
        let mut plan = swarm::base(1);
        plan.load.duration = Span::seconds(60);
        (plan.bus.window, plan.bus.buffer, plan.bus.buffer_bytes) =
            (512, 65_536, Some(Size { bytes: 64 << 20 }));
        plan
    }

    fn of(plan: &Plan, what: &str) -> u64 {
        let memory = memory(plan, Where::Elsewhere);
        memory.parts.iter().find(|part| part.what == what).unwrap().bytes
    }

    #[test]
    fn open_events_are_bounded_in_bytes_and_by_what_the_run_has() {
        const MIB: u64 = 1 << 20;
        let mut plan = plan();
        plan.market.event_size = Size { bytes: 900 << 10 };
        plan.load.generators = 4;
        let open = of(&plan, "events that are open");
        assert!((4 * 80 * MIB..4 * 120 * MIB).contains(&open), "{open}");
        plan.bus.buffer_bytes = Some(Size { bytes: 8 << 20 });
        assert!((4 * 10 * MIB..4 * 55 * MIB).contains(&of(&plan, "events that are open")));
        // The total of ten events is the bound.
        plan.load.rate = crate::plan::Rate::per_second(1.0);
        plan.load.duration = Span::seconds(10);
        plan.load.arrival = crate::plan::Arrival::Constant;
        plan.bus.buffer_bytes = Some(Size { bytes: 1 << 36 });
        let ten = 10 * (900 << 10);
        let open = of(&plan, "events that are open");
        assert!((ten..8 * ten).contains(&open), "{open}");
    }

    #[test]
    fn an_audit_of_every_copy_has_a_reader_for_each() {
        let mut plan = plan();
        assert_eq!(of(&plan, "readers of copies"), 0, "a single copy is one log");
        plan.bus.replicas = 3;
        let three = of(&plan, "readers of copies");
        // What was measured of three copies of small events is 6 to 8 MB; the largest events of the plan have 2 KB.
        assert!((8_000_000..32_000_000).contains(&three), "{three}");
        plan.bus.replicas = 5;
        assert_eq!(of(&plan, "readers of copies"), three / 3 * 5);
        plan.bus.audit = false;
        assert_eq!(of(&plan, "readers of copies"), 0);
        (plan.bus.audit, plan.bus.kind) = (true, crate::plan::BusKind::Kafka);
        assert_eq!(of(&plan, "readers of copies"), 0, "its log is read once");
    }

    #[test]
    fn each_step_has_its_histograms() {
        let mut plan = plan();
        assert_eq!(of(&plan, "figures of each step"), 0);
        let rates =
            |n: usize| Some(crate::plan::Steps { rates: vec![crate::plan::Rate::per_second(1e3); n] });
        plan.load.arrival = crate::plan::Arrival::Steps;
        plan.load.steps = rates(10);
        let ten = of(&plan, "figures of each step");
        plan.load.steps = rates(100);
        let hundred = of(&plan, "figures of each step");
        // A group and a generator: two histograms a step.
        assert!(hundred - ten >= 90 * 2 * HISTOGRAM, "{ten} {hundred}");
        plan.objectives = vec![crate::plan::grammar::parse("ack.p99", "< 1s").unwrap()];
        assert!(of(&plan, "figures of each step") >= hundred + 100 * HISTOGRAM, "its acknowledgements too");
    }

    #[test]
    fn the_largest_part_names_its_key() {
        let mut plan = plan();
        plan.market.event_size = Size { bytes: 900 << 10 };
        assert_eq!(memory(&plan, Where::Elsewhere).largest().unwrap().key, "bus.buffer_bytes");
        // The simulated server's store is in this process.
        let simulated = memory(&plan, Where::Within);
        assert!(simulated.total() > volume_bytes(&plan));
        assert_eq!(simulated.largest().unwrap().key, "load.duration");
        plan.market.event_size = Size { bytes: 0 };
        plan.bus.buffer_bytes = Some(Size { bytes: 1 << 20 });
        plan.market.symbols = 65_535;
        plan.load.generators = 64;
        plan.topology.topics = (0..32).map(|n| format!("t.{n}")).collect();
        assert_eq!(memory(&plan, Where::Elsewhere).largest().unwrap().key, "market.symbols");
        assert!(of(&plan, "ledgers") > 65_535 * 32 * 4 * 65);
    }

    #[test]
    fn a_store_in_memory_counts_where_the_broker_is_ours() {
        let mut plan = plan();
        plan.bus.storage = Storage::Memory;
        let beside = memory(&plan, Where::Beside).beside;
        assert_eq!(beside, volume_bytes(&plan));
        assert_eq!(memory(&plan, Where::Elsewhere).beside, 0);
        plan.bus.storage = Storage::File;
        assert_eq!(memory(&plan, Where::Beside).beside, 0);
    }

    #[test]
    fn the_bound_of_the_store_is_of_all_its_logs_and_copies() {
        let mut plan = plan();
        plan.bus.max_bytes = Size { bytes: 1 << 20 };
        plan.bus.replicas = 3;
        plan.topology.topics = vec!["a".into(), "b".into(), "c".into()];
        plan.mix = vec![("a".into(), 0.5), ("b".into(), 0.5)];
        plan.bus.partitions = 4;
        assert_eq!(
            (store(&plan).bound(), store(&plan).needed()),
            (3 << 20, 3 << 20),
            "it is one stream on NATS"
        );
        plan.bus.kind = crate::plan::BusKind::Kafka;
        let store = store(&plan);
        assert_eq!((store.logs, store.bound()), (8, 24 << 20));
        assert_eq!(store.needed(), (3 * store.volume).min(24 << 20));
    }
}
