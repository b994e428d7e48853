//! The swarm: each seed gives a plan and a mix of faults, and the record of that run must equal the oracle's.

mod cluster;
mod replays;
mod power;
mod poison;
mod members;

use crate::bus::sim::{Cut, Death, Delay, Fault, Faults, Hits, Host, How, Mishap, Outage, Random, Stretch};
use crate::num;
use crate::plan::{
    self, AckMode, Arrival, Burst, Bus, BusKind, Cluster, Delivery, Draw, Group, Kafka, Lines, Load, Market,
    Nats, Ns, Pacing, Padding, Payload, Plan, Popularity, Publish, Ramp, Rate, RetryOrder, Size, Spacing,
    Span, Steps, Storage, Sync, Topology, grammar,
};

use super::oracle;
use crate::run::simulated::{MachineSecond, Scenario, simulate};

pub(super) use cluster::draw_leaders;
pub(super) use members::draw_absence;

pub(super) const MS: Ns = 1_000_000;

/// A sequence of random draws.
pub(super) struct Dice {
    random: Random,
    drawn: u64,
}

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), drawn: 0 }
    }

    fn unit(&mut self) -> f64 {
        self.drawn += 1;
        self.random.unit([self.drawn, 1 << 40])
    }

    /// A uniform choice from `from..=to`.
    pub(super) fn within(&mut self, from: u64, to: u64) -> u64 {
        from + num::u64_floor(self.unit() * num::f64_of(to - from + 1)).min(to - from)
    }

    pub(super) fn within32(&mut self, from: u32, to: u32) -> u32 {
        num::low32(self.within(u64::from(from), u64::from(to)))
    }

    /// A choice between the two, with all orders of magnitude equally likely.
    pub(super) fn across(&mut self, from: u64, to: u64) -> u64 {
        num::u64_of((num::f64_of(from).ln() + self.unit() * num::f64_of(to / from).ln()).exp())
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() <= probability
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[num::index(self.within(0, num::count(from.len()) - 1))].clone()
    }
}

/// A plan and the scenario of its run.
#[must_use]
pub fn draw(seed: u64) -> (Plan, Scenario) {
    let mut dice = Dice::new(seed);
    let mut plan = base(seed);
    draw_load(&mut dice, &mut plan);
    draw_market(&mut dice, &mut plan);
    draw_bus(&mut dice, &mut plan.bus);
    draw_groups(&mut dice, &mut plan);
    draw_objectives(&mut dice, &mut plan);
    let mut scenario = draw_scenario(&mut dice, &plan);
    plan.bus.buffer_bytes =
        dice.pick(&[None, Some(64 << 20), Some(50_000), Some(5_000), Some(1)]).map(|bytes| Size { bytes });
    draw_payload(&mut dice, &mut plan);
    draw_faults(&mut dice, &mut plan, &mut scenario.faults);
    draw_retry(&mut dice, &mut plan);
    draw_availability(&mut dice, &mut plan);
    cluster::draw(&mut dice, &mut plan, &mut scenario.faults);
    replays::draw(&mut dice, &mut plan, &mut scenario.faults);
    power::draw(&mut dice, &plan, &mut scenario.faults);
    poison::draw(&mut dice, &mut plan);
    members::draw(&mut dice, &mut plan, &mut scenario.faults);
    (plan, scenario)
}

/// The format of events: it moves no figure.
fn draw_payload(dice: &mut Dice, plan: &mut Plan) {
    const TEMPLATE: &str =
        r#"{"s":{{symbol}},"p":{{price}},"id":"e-{{eventId}}","v":"{{volume}}","pad":"{{padding}}"}"#;
    const SAMPLES: [&str; 2] = [r#"{"id":"1","kind":"a"}"#, r#"{"kind": "bb", "id": "2"}"#];
    let payload = &mut plan.payload;
    payload.padding = Some(dice.pick(&[Padding::Random, Padding::Blank]));
    match dice.within(0, 4) {
        0 => payload.template = Some(TEMPLATE.to_owned()),
        1 => {
            payload.samples = Some("drawn".to_owned());
            payload.id = Some("id".to_owned());
            payload.draw = Some(dice.pick(&[Draw::InOrder, Draw::Random]));
            payload.lines = Lines(SAMPLES.map(Box::from).into());
        }
        _ => {}
    }
}

/// Faults of the plan, and outages around them. Drawn last, so that the other draws of a seed do not change.
fn draw_faults(dice: &mut Dice, plan: &mut Plan, bus: &mut Faults) {
    if !dice.chance(0.3) {
        return;
    }
    if dice.chance(0.4) {
        // Long enough to recover.
        plan.load.duration = Span::seconds(8);
    }
    let length = plan.load.duration.ns / MS;
    let mut from = 0;
    for name in ["one", "two"] {
        if length.saturating_sub(from) < 100 || dice.chance(0.3) {
            continue;
        }
        // Not at the very end of the one before: their parts would be one.
        let at = dice.within(if from > 0 { from + 1 } else { 0 }, from + (length - from) / 2);
        let lasts = if dice.chance(0.2) { 0 } else { dice.within(0, (length - at) / 3) };
        let settle = dice.within(1, (length - at - lasts).max(1));
        from = at + lasts + settle;
        plan.faults.push(fault(name, [at, lasts, settle].map(Span::millis)));
        let start = plan.load.warmup.ns + at * MS;
        // Within the fault that the plan claims.
        let start = start + dice.pick(&[0, 0, 7 * MS + 1]).min((lasts + settle) * MS - 1);
        let how = dice.pick(&[
            How::Refuse,
            How::Unanswered { stored: true },
            How::Unanswered { stored: false },
            How::Withhold,
        ]);
        let time = Stretch { from: start, length: dice.within(0, (lasts + settle) * MS).max(1) };
        bus.outages.push(Outage { time, how });
    }
}

/// Objectives on availability and on recovery, with limits that runs meet and miss.
fn draw_availability(dice: &mut Dice, plan: &mut Plan) {
    if !dice.chance(if plan.faults.is_empty() { 0.05 } else { 0.7 }) {
        return;
    }
    for name in ["unavailable.time", "engine.unavailable.longest", "recovery.time", "recovery.after_undo"] {
        let limit = format!("{} {}ms", dice.pick(&["<", "<="]), dice.across(10, 5000));
        plan.objectives.extend(grammar::parse(name, &limit));
    }
}

/// A kill of all nodes by its times: start, length, and the time to settle. Tests change what they need otherwise.
#[must_use]
pub fn fault(name: &str, [at, length, settle]: [Span; 3]) -> plan::Fault {
    plan::Fault {
        name: name.into(),
        at,
        action: plan::Action::Kill,
        target: Some(plan::Target::All),
        between: None,
        length,
        settle,
        how: None,
        way: None,
        delay: None,
        jitter: None,
        rate: None,
        poison: None,
        expect: plan::Expect::Outage,
    }
}

/// How events are sent again; drawn last, so that the other draws of a seed do not change.
fn draw_retry(dice: &mut Dice, plan: &mut Plan) {
    if !dice.chance(0.3) {
        return;
    }
    let bus = &mut plan.bus;
    bus.retry = Span::millis(dice.pick(&[40, 300, 2000, 10_000]));
    bus.retry_after = Span { ns: bus.retry.ns / dice.pick(&[2, 5, 10]) };
    bus.retry_order = dice.pick(&[RetryOrder::PerSymbol, RetryOrder::None]);
    bus.nats.msg_id = true;
    for name in ["publish.gave_up", "publish.resent"] {
        let limit = format!("<= {}", dice.pick(&[0, 10, 1000]));
        plan.objectives.extend(grammar::parse(name, &limit));
    }
}

/// What is wrong with the record of a seed; empty where all is right.
#[must_use]
pub fn findings(seed: u64) -> Vec<String> {
    let (plan, scenario) = draw(seed);
    match simulate(&plan, &scenario, seed) {
        Ok((record, truth)) => oracle::differences(&record, &truth),
        Err(error) => vec![format!("the simulation fails: {error}")],
    }
}

/// The settings of the bus of a plain plan.
fn base_bus() -> Bus {
    Bus {
        kind: BusKind::Nats,
        replicas: 1,
        storage: Storage::Memory,
        sync: Sync::Default,
        publish: Publish::Async,
        window: 100_000,
        buffer: 100_000,
        buffer_bytes: None,
        publish_timeout: Span::seconds(10),
        retry: Span::default(),
        retry_after: Bus::RETRY_AFTER,
        retry_order: RetryOrder::PerSymbol,
        ack: AckMode::Explicit,
        max_bytes: Size { bytes: 1 << 30 },
        max_age: Span::seconds(3600),
        partitions: 8,
        audit: true,
        nats: Nats {
            ack_wait: Span::millis(500),
            max_ack_pending: 100_000,
            pull_batch: 100,
            ..Nats::default()
        },
        kafka: Kafka::default(),
    }
}

/// A plain plan: 1000 quotes/s of ten symbols for two seconds, to one group, on a bus without faults.
#[must_use]
pub fn base(seed: u64) -> Plan {
    Plan {
        name: format!("seed-{seed}"),
        description: "Drawn from a seed.".into(),
        load: Load {
            rate: Rate::per_second(1000.0),
            warmup: Span::default(),
            duration: Span::seconds(2),
            drain: Span::seconds(5),
            arrival: Arrival::Constant,
            spacing: Spacing::Constant,
            ramp: None,
            burst: None,
            steps: None,
            generators: 1,
            pacing: Pacing::Sleep,
            consume: crate::plan::Consume::Live,
        },
        payload: Payload::default(),
        market: Market {
            symbols: 10,
            seed,
            popularity: Popularity::Uniform,
            zipf_exponent: 1.0,
            event_size: Size { bytes: 0 },
        },
        topology: Topology {
            name: "simulated".into(),
            prefix: "sim".into(),
            topics: vec!["market.quote.received".into()],
            symbol_in_subject: false,
        },
        mix: vec![("market.quote.received".into(), 1.0)],
        bus: base_bus(),
        groups: vec![Group {
            name: "engine".into(),
            subscribe: vec![">".into()],
            members: 1,
            delivery: Delivery::Shared,
            consumer: None,
        }],
        objectives: Vec::new(),
        cluster: Cluster::default(),
        faults: Vec::new(),
        replays: Vec::new(),
        dropped: Vec::new(),
    }
}

fn draw_load(dice: &mut Dice, plan: &mut Plan) {
    let load = &mut plan.load;
    let rate = |dice: &mut Dice| Rate::per_second(num::f64_of(dice.across(100, 3000)));
    load.rate = rate(dice);
    load.warmup = Span::millis(dice.pick(&[0, 1, 250, 333]));
    load.duration = Span::millis(dice.pick(&[400, 1000, 1500, 2001]));
    load.drain = Span::millis(dice.pick(&[0, 100, 1000, 3000]));
    load.arrival =
        dice.pick(&[Arrival::Constant, Arrival::Poisson, Arrival::Ramp, Arrival::Burst, Arrival::Steps]);
    load.spacing = dice.pick(&[Spacing::Constant, Spacing::Poisson]);
    match load.arrival {
        Arrival::Ramp => load.ramp = Some(Ramp { from: rate(dice), to: rate(dice) }),
        Arrival::Burst => {
            load.burst =
                Some(Burst { rate: rate(dice), every: Span::millis(300), length: Span::millis(100) });
        }
        Arrival::Steps => load.steps = Some(Steps { rates: vec![rate(dice), rate(dice), rate(dice)] }),
        Arrival::Constant | Arrival::Poisson | Arrival::Closed => {}
    }
    load.generators = dice.within32(1, 3);
}

fn draw_market(dice: &mut Dice, plan: &mut Plan) {
    plan.market.symbols = dice.within32(plan.load.generators, 40);
    plan.market.popularity = dice.pick(&[Popularity::Uniform, Popularity::Zipf]);
    plan.market.event_size = Size { bytes: dice.pick(&[0, 0, 600, 1500]) };
    let topics = ["market.quote.received", "market.bar.1m", "trade.order.filled", "trade.dlq"];
    let topics = &topics[..num::index(dice.within(1, 4))];
    plan.topology.topics = topics.iter().map(ToString::to_string).collect();
    plan.topology.symbol_in_subject = dice.chance(0.3);
    let share = 1.0 / num::f64_of(num::count(topics.len()));
    plan.mix = topics.iter().map(|&topic| (topic.to_owned(), share)).collect();
}

fn draw_bus(dice: &mut Dice, bus: &mut Bus) {
    bus.publish = if dice.chance(0.1) { Publish::Sync } else { Publish::Async };
    bus.window = dice.pick(&[1, 8, 64, 1000, 100_000]);
    bus.buffer = dice.pick(&[0, 10, 1000, 100_000]);
    bus.publish_timeout = Span::millis(dice.pick(&[5, 50, 300, 2000]));
    bus.nats.ack_wait = Span::millis(dice.pick(&[1, 20, 200, 700]));
    bus.nats.msg_id = dice.chance(0.3);
    bus.audit = dice.chance(0.8);
}

fn draw_groups(dice: &mut Dice, plan: &mut Plan) {
    let names = ["engine", "store", "watch"];
    let names = &names[..num::index(dice.within(1, 3))];
    let patterns: [&[&str]; 4] = [&[">"], &["market.>"], &["*.*.received", "trade.>"], &["trade.dlq"]];
    let group = |(at, name): (usize, &&str)| Group {
        name: (*name).to_owned(),
        // The first group receives everything.
        subscribe: dice
            .pick(&patterns[if at == 0 { 0..1 } else { 0..4 }])
            .iter()
            .map(ToString::to_string)
            .collect(),
        members: dice.within32(1, 3),
        delivery: dice.pick(&[Delivery::Shared, Delivery::Partitioned, Delivery::Pinned]),
        consumer: None,
    };
    plan.groups = names.iter().enumerate().map(group).collect();
}

/// Draws objectives whose limits records may meet or miss.
fn draw_objectives(dice: &mut Dice, plan: &mut Plan) {
    let quantile = |dice: &mut Dice| dice.pick(&["min", "mean", "p50", "p90", "p99", "p99.9", "max"]);
    for _ in 0..dice.within(2, 8) {
        let group = plan.groups[num::index(dice.within(0, num::count(plan.groups.len()) - 1))].name.clone();
        let scope = if dice.chance(0.4) { format!("{group}.") } else { String::new() };
        let below = dice.pick(&["<", "<=", ">", ">="]);
        let us = dice.across(50, 1_000_000);
        let few = dice.pick(&[0, 1, 10, 100]);
        let (name, limit) = match dice.within(0, 7) {
            0 | 1 => (format!("{scope}latency.{}", quantile(dice)), format!("{below} {us}us")),
            2 => {
                let timing = dice.pick(&["ack", "service", "send_lag"]);
                (format!("{timing}.{}", quantile(dice)), format!("{below} {us}us"))
            }
            3 => {
                let rate = plan.load.rate.per_second * dice.pick(&[0.5, 0.9, 1.0, 1.1]);
                let side = dice.pick(&["offered", "sent", "acked", "delivered"]);
                // Of the number drawn for another line, so that the other draws of a seed do not change.
                let share = ["100%", "99.9%", "50%"].get(num::index(us % 6)).filter(|_| side != "offered");
                let limit =
                    share.map_or_else(|| format!("{rate:.0}/s"), |share| format!("{share} of offered"));
                (format!("throughput.{side}"), format!(">= {limit}"))
            }
            4 => {
                let what = dice.pick(&[
                    "publish.refused",
                    "publish.unsent",
                    "publish.unconfirmed",
                    "delivery.not_stored",
                ]);
                (what.to_owned(), format!("<= {few}"))
            }
            5 => {
                let what = dice.pick(&[
                    "lost",
                    "not_delivered",
                    "recovered",
                    "redelivered",
                    "duplicate",
                    "corrupt",
                    "foreign",
                ]);
                (format!("{scope}delivery.{what}"), format!("<= {few}"))
            }
            6 => {
                let what = dice.pick(&["ordering.reordered", "ordering.extent", "backlog.max"]);
                (format!("{scope}{what}"), format!("<= {few}"))
            }
            _ if dice.chance(0.5) => {
                ("replay.complete".to_owned(), dice.pick(&[">= 100%", ">= 99%", ">= 90%"]).to_owned())
            }
            _ => (
                format!("windows.latency.{}", quantile(dice)),
                format!("{below} {us}us in {}", dice.pick(&["100%", "50%"])),
            ),
        };
        // Ignores names that the grammar rejects, and repeated names, as a profile would.
        if let Ok(objective) = grammar::parse(&name, &limit)
            && plan.objectives.iter().all(|other| other.name() != name)
        {
            plan.objectives.push(objective);
        }
    }
}

fn draw_delay(dice: &mut Dice) -> Delay {
    let median_ns = dice.across(1000, 20 * MS);
    match dice.within(0, 4) {
        0 => Delay::Fixed(0),
        1 => Delay::Fixed(median_ns),
        2 => Delay::LogNormal { median_ns, sigma: dice.unit() },
        3 => Delay::Bimodal { fast_ns: median_ns, slow_ns: median_ns * 20, slow_share: dice.unit() / 10.0 },
        _ => Delay::Drifting { median_ns, sigma: 0.3, swing: 0.5, period_ns: 700 * MS },
    }
}

fn draw_stretch(dice: &mut Dice, from: Ns, until: Ns) -> Stretch {
    Stretch { from: dice.within(from, until), length: dice.across(MS, 400 * MS) }
}

/// Stretches in ascending order that do not overlap.
fn draw_stretches(dice: &mut Dice, length: Ns) -> Vec<Stretch> {
    let mut all: Vec<Stretch> = Vec::new();
    for _ in 0..dice.pick(&[0, 0, 0, 1, 2]) {
        let from = all.last().map_or(0, |last| last.end() + 1);
        all.push(draw_stretch(dice, from, from + length));
    }
    all
}

fn draw_scenario(dice: &mut Dice, plan: &Plan) -> Scenario {
    let length = plan.load.sending().ns;
    let mut faults = Faults {
        uplink: draw_delay(dice),
        answer: draw_delay(dice),
        downlink: draw_delay(dice),
        ..Faults::default()
    };
    if dice.chance(0.5) {
        let utilisation = dice.pick(&[0.1, 0.5, 0.9, 1.2]);
        faults.service = Delay::Fixed(num::u64_of(1e9 / plan.load.rate.per_second * utilisation));
        faults.queue = dice.pick(&[usize::MAX, 3, 100]);
    }
    faults.stalls = draw_stretches(dice, length);
    let cuts = draw_stretches(dice, length);
    faults.cuts = cuts.into_iter().map(|time| Cut { time, resend: dice.chance(0.5) }).collect();
    for _ in 0..dice.pick(&[0, 0, 1, 2, 3, 5, 8]) {
        faults.mishaps.push(draw_mishap(dice));
    }
    if dice.chance(0.15) {
        let group = num::index(dice.within(0, num::count(plan.groups.len()) - 1));
        let member = dice.within32(0, plan.groups[group].members - 1);
        faults.deaths.push(Death { group, member, at: dice.within(0, length) });
    }
    let mut host = Host::default();
    if dice.chance(0.15) {
        // Not at the very end, where the drain's deadline could fall into it.
        host.stalls = vec![Stretch { from: dice.within(0, length / 2), length: dice.across(MS, length / 3) }];
    }
    if dice.chance(0.15) {
        host.clock_offset_ns = i64::try_from(dice.within(0, 20 * MS)).unwrap_or(0) - 10_000_000;
    }
    let clock_error_ns = if dice.chance(0.1) { dice.across(1000, 100 * MS) } else { 0 };
    let dead_workers = if dice.chance(0.03) { vec!["the sampler".to_owned()] } else { Vec::new() };
    // Drawn last, so that the other draws of a seed do not change.
    let machine = if dice.chance(0.4) {
        let second = |dice: &mut Dice| MachineSecond {
            all: dice.pick(&[0.7, 1.2, 1.9, 2.0]),
            others: dice.pick(&[0.0, 0.05, 0.3, 0.6]),
        };
        (0..dice.within(1, 4)).map(|_| second(dice)).collect()
    } else {
        Vec::new()
    };
    // With time in the drain for the last of them: slots that are never fired are not in the simulation's own
    // account.
    let time_to_end = plan.load.drain >= Span::seconds(1);
    if dice.chance(0.2) && time_to_end {
        // Late for each event, but fast enough for the rate.
        let gap_ns = 1e9 / crate::load::peak_rate(&plan.load).per_second;
        let most = num::u64_of(gap_ns * 0.3).clamp(20_000, 20 * MS);
        host.late = Some(Delay::LogNormal { median_ns: dice.across(10_000, most), sigma: dice.unit() });
    }
    if host.stalls.is_empty() && dice.chance(0.25) && time_to_end {
        let stalls = [draw_stretches(dice, length / 3), draw_stretches(dice, length / 3)];
        host.stalls = stalls.into_iter().max_by_key(Vec::len).unwrap_or_default();
    }
    Scenario { faults, host, clock_error_ns, dead_workers, machine, curtail: false }
}

fn draw_mishap(dice: &mut Dice) -> Mishap {
    let by = dice.across(MS / 10, 300 * MS);
    let faults = [
        Fault::Dropped,
        Fault::Refused,
        Fault::Unstored,
        Fault::AckLost,
        Fault::StoredTwice(by),
        Fault::StoredLate(by),
        Fault::StoredCorrupt,
        Fault::Stranger,
        Fault::Undelivered,
        Fault::AttemptLost,
        Fault::DeliveredAgain,
        Fault::DeliveredLate(by),
        Fault::DeliveredCorrupt,
    ];
    let fault = dice.pick(&faults);
    let from = dice.within32(0, 200);
    let hits = if dice.chance(0.8) {
        Hits::Share(dice.pick(&[0.001, 0.01, 0.05, 0.3]))
    } else {
        let symbol = dice.chance(0.5).then(|| dice.within32(0, 5));
        Hits::Events { symbol, from, to: from + dice.within32(0, 50) }
    };
    Mishap { fault, hits }
}
