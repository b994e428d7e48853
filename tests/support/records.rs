//! Records of fixed runs, made of real distributions and judged by the real verdict.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "benches have it as a module of their own, and use a part of it"
)]
#![allow(
    clippy::too_many_lines,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_imports,
    reason = "records are long, and a test may fail"
)]

use std::collections::BTreeMap;
use tickgate::measure;
use tickgate::plan::Plan;
use tickgate::record::*;
use tickgate::verdict;

#[path = "faulted.rs"]
pub mod faulted;

const SECOND: u64 = 1_000_000_000;

/// How a run is to look.
pub struct Recipe {
    pub name: &'static str,
    pub groups: Vec<String>,
    pub seconds: u64,
    /// Of each measured event, in nanoseconds.
    pub median_ns: u64,
    pub objectives: Vec<(&'static str, &'static str)>,
    pub end: End,
    pub events_a_second: u64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            name: "passing",
            groups: vec!["trading-engine".into(), "analytics".into()],
            seconds: 12,
            median_ns: 400_000,
            objectives: vec![
                ("latency.p99", "< 100ms"),
                ("throughput.delivered", ">= 99% of offered"),
                ("delivery.lost", "== 0"),
            ],
            end: End::Completed,
            events_a_second: 1000,
        }
    }
}

/// All kinds of runs, by name.
pub fn all() -> Vec<(&'static str, Record)> {
    let missed =
        vec![("latency.p99", "< 1ms"), ("throughput.delivered", ">= 990/s"), ("delivery.lost", "== 0")];
    vec![
        ("passing", of(&Recipe::default())),
        ("failing", failing()),
        (
            "inconclusive",
            of(&Recipe {
                name: "inconclusive",
                objectives: vec![("latency.p99.99", "< 100ms"), ("delivery.lost", "== 0")],
                ..Recipe::default()
            }),
        ),
        (
            "interrupted",
            of(&Recipe {
                name: "interrupted",
                seconds: 4,
                end: End::Interrupted,
                objectives: missed,
                ..Recipe::default()
            }),
        ),
        ("empty", of(&Recipe { name: "empty", seconds: 0, end: End::BrokerFailed, ..Recipe::default() })),
        ("hostile", hostile()),
        ("crowded", crowded()),
        ("three-faults", faulted::three()),
        ("outcomes", faulted::outcomes()),
        ("many-faults", faulted::many()),
    ]
}

/// A run that lost, repeated and reordered events, with marks.
pub fn failing() -> Record {
    let mut record = of(&Recipe {
        name: "failing",
        median_ns: 3_000_000,
        objectives: vec![
            ("latency.p99", "< 1ms"),
            ("throughput.delivered", ">= 990/s"),
            ("delivery.lost", "== 0"),
            ("ordering.reordered", "== 0"),
        ],
        ..Recipe::default()
    });
    let group = &mut record.groups[0];
    group.lost = 7;
    group.lost_not_stored = 2;
    group.lost_not_delivered = 5;
    group.delivered -= 7;
    group.reordered = 9;
    group.extents = Extents { max: 6, late_max_ns: 12_000_000, by_power_of_two: vec![4, 3, 2] };
    let topic = "market.quote.received".to_owned();
    let range = |first, last, stored| LostRange {
        topic: topic.clone(),
        symbol: "AAPL".into(),
        first,
        last,
        stored: Some(stored),
    };
    group.lost_ranges = vec![range(17, 18, false), range(40, 44, true)];
    group.troubled_symbols = vec![SymbolTrouble {
        topic: topic.clone(),
        symbol: "AAPL".into(),
        lost: 7,
        duplicate: 0,
        reordered: 9,
    }];
    for (n, at) in [3, 6, 6, 9].into_iter().enumerate() {
        record.marks.push(Mark {
            at_ns: at * SECOND + 500_000_000,
            kind: "disconnected".into(),
            detail: format!("connection {n} to nats://127.0.0.1:4222 was closed by the server"),
        });
    }
    verdict::judged(record)
}

/// Every text that comes from outside tries to leave its place.
pub fn hostile() -> Record {
    const BAD: &str = "</script><img src=x onerror=alert(1)>\"'&`|]]>-->\u{0}\u{202e}\n::error::x";
    let mut record =
        of(&Recipe { name: "hostile", groups: vec!["trading-engine".into()], ..Recipe::default() });
    record.plan.name = BAD.into();
    record.plan.description = BAD.into();
    record.plan.groups[0].name = BAD.into();
    record.groups[0].name = BAD.into();
    record.groups[0].lost_ranges =
        vec![LostRange { topic: BAD.into(), symbol: BAD.into(), first: 1, last: 1, stored: None }];
    record.groups[0].troubled_symbols =
        vec![SymbolTrouble { topic: BAD.into(), symbol: BAD.into(), lost: 1, duplicate: 1, reordered: 1 }];
    record.groups[0].by_topic[0].topic = BAD.into();
    record.load.by_topic[0].topic = BAD.into();
    for text in
        [&mut record.run.id, &mut record.run.profile, &mut record.run.tickgate, &mut record.run.started]
    {
        *text = BAD.into();
    }
    record.run.reason = Some(BAD.into());
    let broker = &mut record.broker;
    for text in [
        &mut broker.address,
        &mut broker.product,
        &mut broker.version,
        &mut broker.durability,
        &mut broker.mode,
    ] {
        *text = BAD.into();
    }
    broker.settings.insert(BAD.into(), BAD.into());
    broker.stream_leader = Some(BAD.into());
    broker.nodes = vec![tickgate::record::Node {
        name: BAD.into(),
        url: BAD.into(),
        version: BAD.into(),
        cluster: Some(BAD.into()),
        started: BAD.into(),
        meta_leader: Some(BAD.into()),
        ..tickgate::record::Node::default()
    }];
    record.environment.facts.insert(BAD.into(), BAD.into());
    record.resources.brokers.insert(BAD.into(), Process::default());
    record.faults = faulted::hostile(BAD, &[BAD.into()]);
    record.marks.push(Mark { at_ns: 2 * SECOND, kind: BAD.into(), detail: BAD.into() });
    record.health.dead_workers.push(BAD.into());
    record.health.reasons.push(Reason { rule: BAD.into(), seen: BAD.into(), next: BAD.into() });
    for (n, o) in record.objectives.iter_mut().enumerate() {
        o.name = format!("{BAD}{n}");
        o.limit = BAD.into();
        o.observed = Some(BAD.into());
        o.reason = Some(BAD.into());
        o.next = Some(BAD.into());
        o.verdict = Verdict::Fail;
    }
    record.verdict = Verdict::Fail;
    record
}

/// Twelve groups with long names, two hours, and times from 1 ns to 1 h.
pub fn crowded() -> Record {
    let groups = (0..12).map(|n| format!("group-{n}-with-a-name-longer-than-anybody-would-ever-want"));
    let mut record = of(&Recipe {
        name: "crowded",
        groups: groups.collect(),
        seconds: 7200,
        events_a_second: 20,
        objectives: vec![("latency.p99", "< 100ms"), ("delivery.lost", "== 0")],
        ..Recipe::default()
    });
    for (n, row) in record.timeline.iter_mut().enumerate() {
        let n = u64::try_from(n).unwrap();
        for (g, group) in row.groups.iter_mut().enumerate() {
            group.latency.p50_ns = 1 + n % 7;
            group.latency.p99_ns = 1000 * (u64::try_from(g).unwrap() + 1) + n;
            group.latency.max_ns = 3_600_000_000_000 / (1 + n % 5);
        }
        if n.is_multiple_of(90) {
            record.marks.push(Mark {
                at_ns: n * SECOND,
                kind: "fault".into(),
                detail: format!("number {n}"),
            });
        }
    }
    record
}

/// An hour of five groups at a rate that fills the charts.
pub fn hour() -> Record {
    let groups = ["trading-engine", "ai-service", "analytics", "orchestrator", "dead-letter"];
    of(&Recipe {
        name: "hour",
        groups: groups.map(str::to_owned).to_vec(),
        seconds: 3600,
        events_a_second: 100,
        objectives: vec![("latency.p99", "< 100ms"), ("delivery.lost", "== 0")],
        ..Recipe::default()
    })
}

/// A latency that varies without chance: a bell of a kind with a long tail.
fn latency_ns(median: u64, k: u64) -> u64 {
    let mixed = k.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    let body = median / 2 + median * (mixed % 1000) / 1000;
    body * if mixed.is_multiple_of(211) { 9 } else { 1 }
}

fn brief(median: u64, count: u64, k: u64) -> Brief {
    if count == 0 {
        return Brief::default();
    }
    let wave = median + median * (k % 7) / 10;
    Brief { count, p50_ns: wave, p99_ns: wave * 3, p99_9_ns: wave * 7, max_ns: wave * 9 }
}

/// The plan of a recipe.
#[cfg(not(pure))]
pub fn plan(recipe: &Recipe) -> Plan {
    use std::fmt::Write as _;
    use tickgate::profile::{self, Source};
    let mut text = format!(
        "name = \"{}\"\ndescription = \"a fixed run\"\n[load]\nrate = \"{}/s\"\nduration = \"{}s\"\nwarmup = \"2s\"\n\
         arrival = \"constant\"\n[objectives]\n",
        recipe.name,
        recipe.events_a_second,
        recipe.seconds.max(10)
    );
    for (name, limit) in &recipe.objectives {
        let _ = writeln!(text, "\"{name}\" = \"{limit}\"");
    }
    text.push_str("[mix]\n\"market.quote.received\" = 1\n");
    for group in &recipe.groups {
        let _ = writeln!(text, "[[groups]]\nname = \"{group}\"\nsubscribe = [\"market.quote.>\"]");
    }
    profile::read(&Source::new("fixed", text), &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The plan of the default recipe, where no profile can be read.
#[cfg(pure)]
pub fn plan(_: &Recipe) -> Plan {
    serde_json::from_str(include_str!("../../benches/instructions/plans/run.json")).unwrap()
}

/// A record by its recipe.
pub fn of(recipe: &Recipe) -> Record {
    let plan = plan(recipe);
    let limits = verdict::limits(&plan);
    let events = recipe.seconds * recipe.events_a_second;
    let filled = |median: u64, limits: &[u64]| {
        let mut latency = measure::Latency::new(limits);
        for k in 0..events {
            latency.record(i64::try_from(latency_ns(median, k)).unwrap());
        }
        Latency::from(&latency)
    };
    let (start, load_s) = (SECOND / 10, if recipe.seconds == 0 { 0 } else { recipe.seconds + 2 });
    let all = load_s * recipe.events_a_second;
    let topic = || vec![TopicCount { topic: "market.quote.received".into(), count: all }];
    let row = |n: u64| Row {
        at_ns: start + n * SECOND,
        phase: if n < 2 { PhaseName::Warmup } else { PhaseName::Measure },
        intended: recipe.events_a_second,
        sent: recipe.events_a_second,
        acked: recipe.events_a_second,
        refused: 0,
        unsent: 0,
        unconfirmed: 0,
        in_flight: n % 5,
        send_lag: brief(20_000, recipe.events_a_second, n),
        ack: brief(recipe.median_ns / 2, recipe.events_a_second, n),
        groups: recipe
            .groups
            .iter()
            .zip(0..)
            .map(|(_, g)| GroupRow {
                delivered: recipe.events_a_second,
                backlog: (n * (g + 1)) % 40,
                latency: brief(recipe.median_ns + g * 30_000, recipe.events_a_second, n + g),
                ..GroupRow::default()
            })
            .collect(),
        heat: (0..30)
            .map(|b| {
                (
                    heat_bucket(recipe.median_ns) - 6 + b,
                    1 + recipe.events_a_second / (u64::from(b) + n % 3 + 1),
                )
            })
            .collect(),
        hiccup_max_ns: 90_000 + n % 11 * 8000,
        paused_ns: Some(n % 4 * 1_000_000),
        machine_cpu: Some(0.9),
        others_cpu: Some(0.2),
        harness_cpu: 0.4,
        harness_memory_bytes: 30_000_000,
        broker_cpu: Some(0.25),
        broker_memory_bytes: Some(40_000_000 + n * 1000),
        store_bytes: Some(n * 300_000),
    };
    let rate = if recipe.seconds == 0 { 0.0 } else { tickgate::num::f64_of(recipe.events_a_second) };
    let mut phases = vec![(PhaseName::Provision, 0, start)];
    if load_s > 0 {
        let end = start + load_s * SECOND;
        phases.extend([
            (PhaseName::Warmup, start, start + 2 * SECOND),
            (PhaseName::Measure, start + 2 * SECOND, end),
        ]);
        phases.extend([
            (PhaseName::Drain, end, end + 5_000_000),
            (PhaseName::Audit, end + 5_000_000, end + SECOND),
        ]);
    }
    let completed = recipe.end == End::Completed;
    verdict::judged(Record {
        rules: 0,
        schema: SCHEMA.into(),
        run: Run {
            id: "3tej5694".into(),
            profile: plan.name.clone(),
            tickgate: "0.1.0".into(),
            tickgate_commit: None,
            tags: std::collections::BTreeMap::new(),
            tag: 39,
            started: "2026-11-24T08:54:13.983Z".into(),
            ended: "2026-11-24T08:54:30.001Z".into(),
            epoch_unix_ns: 1_795_510_453_983_040_240,
            end: recipe.end,
            reason: match recipe.end {
                End::Completed => None,
                End::Interrupted => Some("interrupted by SIGINT".into()),
                _ => Some("nats-server ended with exit code 1".into()),
            },
        },
        environment: Environment {
            cores: 4,
            memory_bytes: 8 << 30,
            facts: BTreeMap::from([("kernel".into(), "6.12".into()), ("cpu".into(), "a processor".into())]),
        },
        broker: Broker {
            kind: "nats".into(),
            mode: "local".into(),
            address: "nats://127.0.0.1:4222".into(),
            named_by: None,
            product: "nats-server".into(),
            version: "2.15.1".into(),
            version_after: None,
            durability: "page cache".into(),
            settings: BTreeMap::from([("storage".into(), "file".into()), ("replicas".into(), "1".into())]),
            made: None,
            power: None,
            nodes: vec![],
            stream_leader: None,
        },
        phases: phases.into_iter().map(|(name, start_ns, end_ns)| Phase { name, start_ns, end_ns }).collect(),
        marks: vec![],
        load: Load {
            intended: all,
            sent: all,
            acked: all,
            measured_intended: events,
            measured_sent: events,
            measured_acked: events,
            offered_rate: rate,
            sent_rate: rate,
            acked_rate: rate,
            finished_late_ns: 20_000,
            send_lag: filled(20_000, &limits.send_lag),
            ack: filled(recipe.median_ns / 2, &limits.ack),
            service: filled(recipe.median_ns / 2, &limits.service),
            bytes: all * 320,
            by_topic: topic(),
            ..Load::default()
        },
        groups: plan
            .groups
            .iter()
            .map(|group| Group {
                name: group.name.clone(),
                members: group.members,
                delivery: group.delivery,
                topics: vec!["market.quote.received".into()],
                expected: all,
                delivered: all,
                lost: 0,
                pending: 0,
                lost_not_stored: 0,
                lost_not_delivered: 0,
                recovered: 0,
                unexpected: 0,
                redelivered: 0,
                duplicate: 0,
                reordered: 0,
                extents: Extents::default(),
                corrupt: 0,
                foreign: 0,
                unverified: 0,
                measured_intended: events,
                measured_unsent_own: 0,
                measured_in_time: events,
                first_received_ns: None,
                last_received_ns: None,
                backlog_max: 39,
                latency: filled(recipe.median_ns, &limits.latency),
                lost_ranges: vec![],
                lost_ranges_left_out: 0,
                troubled_symbols: vec![],
                by_topic: topic(),
            })
            .collect(),
        audit: completed.then(|| Audit {
            complete: true,
            read: all,
            acked: all,
            stored_once: all,
            took_ns: 400_000_000,
            ..Audit::default()
        }),
        windows: vec![],
        steps: vec![],
        faults: Faults::default(),
        replays: Vec::new(),
        timeline: (0..load_s).map(row).collect(),
        resources: Resources {
            harness: Process {
                cpu_seconds: 4.0,
                cpu_cores: 0.4,
                peak_memory_bytes: 31_000_000,
                cpu_unknown: false,
            },
            brokers: BTreeMap::from([(
                "nats-server".into(),
                Process {
                    cpu_seconds: 2.5,
                    cpu_cores: 0.25,
                    peak_memory_bytes: 48_000_000,
                    cpu_unknown: false,
                },
            )]),
            store_bytes: Some(all * 380),
            store_events: Some(all),
            ..Resources::default()
        },
        health: Health {
            hiccups: Hiccups {
                count: 9000,
                p50_ns: 30_000,
                p99_ns: 60_000,
                p99_9_ns: 90_000,
                max_ns: 170_000,
            },
            machine: Some(Machine {
                usable_cores: 2.0,
                busy_cores: 0.9,
                stolen_cores: 0.02,
                others_cores: Some(0.2),
                broker_here: true,
                pressure: Some(0.03),
                throttled_ns: 0,
                busiest_thread: Some(Thread { name: "generator-0".into(), cores: 0.31 }),
            }),
            ..Health::default()
        },
        objectives: vec![],
        verdict: Verdict::Pass,
        plan,
    })
}
