//! The judgement of hand-made records.

use super::*;
use crate::measure;
use crate::plan::{Arrival, Delivery, Rate, Span, grammar};
use crate::record::{
    self, Audit, Broker, Environment, Extents, Group, Load, Phase, PhaseName, Resources, Run, Window,
};

mod faults;
mod figures;
mod fitness;
mod replays;
mod takeovers;
mod throughput;

const MS: i64 = 1_000_000;
/// Samples of a good run: enough for a p99.9.
const SAMPLES: u64 = 10_000;

fn objective(name: &str, limit: &str) -> Objective {
    grammar::parse(name, limit).expect("an objective")
}

fn plan(objectives: &[(&str, &str)]) -> Plan {
    let mut plan: Plan =
        serde_json::from_str(include_str!("../../tests/data/market-plan.json")).expect("a plan");
    plan.objectives = objectives.iter().map(|(name, limit)| objective(name, limit)).collect();
    (plan.load.rate, plan.load.duration) = (Rate::per_second(1000.0), Span::seconds(10));
    (plan.load.arrival, plan.load.ramp, plan.load.burst, plan.load.steps) =
        (Arrival::Constant, None, None, None);
    plan
}

fn group(name: &str) -> Group {
    Group {
        name: name.into(),
        members: 1,
        delivery: Delivery::Shared,
        topics: Vec::new(),
        expected: 0,
        delivered: 0,
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
        measured_intended: 0,
        measured_unsent_own: 0,
        measured_in_time: 0,
        first_received_ns: None,
        last_received_ns: None,
        backlog_max: 0,
        latency: record::Latency::default(),
        lost_ranges: Vec::new(),
        lost_ranges_left_out: 0,
        troubled_symbols: Vec::new(),
        by_topic: Vec::new(),
    }
}

/// A run without events.
fn empty(objectives: &[(&str, &str)]) -> Record {
    let plan = plan(objectives);
    let group = |name| Group { topics: plan.topology.topics.clone(), ..group(name) };
    Record {
        rules: 0,
        schema: record::SCHEMA.into(),
        run: Run {
            id: "0".into(),
            profile: plan.name.clone(),
            tickgate: "0".into(),
            tickgate_commit: None,
            tags: std::collections::BTreeMap::new(),
            tag: 0,
            started: String::new(),
            ended: String::new(),
            epoch_unix_ns: 0,
            end: End::Completed,
            reason: None,
        },
        groups: vec![group("one"), group("two")],
        plan,
        environment: Environment::default(),
        broker: Broker::default(),
        phases: vec![Phase { name: PhaseName::Measure, start_ns: 0, end_ns: 10_000_000_000 }],
        marks: Vec::new(),
        load: Load::default(),
        audit: None,
        windows: Vec::new(),
        steps: Vec::new(),
        faults: record::Faults::default(),
        replays: Vec::new(),
        timeline: Vec::new(),
        resources: Resources::default(),
        health: Health::default(),
        objectives: Vec::new(),
        verdict: Verdict::Inconclusive,
    }
}

/// `count` times of `ms`, with counters for the plan's limits.
fn times(plan: &Plan, timing: Timing, all: &[(u64, i64)]) -> record::Latency {
    let limits = limits(plan);
    let mut latency = measure::Latency::new(match timing {
        Timing::Latency => &limits.latency,
        Timing::Ack => &limits.ack,
        Timing::Service => &limits.service,
        Timing::SendLag => &limits.send_lag,
    });
    for &(count, ms) in all {
        (0..count).for_each(|_| latency.record(ms * MS));
    }
    record::Latency::from(&latency)
}

/// A run of 10 s at 1000/s without faults, 5 ms late.
fn good(objectives: &[(&str, &str)]) -> Record {
    let mut record = empty(objectives);
    let latency = times(&record.plan, Timing::Latency, &[(SAMPLES, 5)]);
    for group in &mut record.groups {
        group.latency = latency.clone();
        (group.expected, group.delivered) = (11_000, 11_000);
        (group.measured_intended, group.measured_in_time) = (10_000, 10_000);
    }
    let plan = record.plan.clone();
    record.load = Load {
        intended: 11_000,
        sent: 11_000,
        acked: 11_000,
        measured_intended: 10_000,
        measured_sent: 10_000,
        measured_acked: 10_000,
        offered_rate: 1000.0,
        sent_rate: 1000.0,
        acked_rate: 1000.0,
        send_lag: times(&plan, Timing::SendLag, &[(SAMPLES, 0)]),
        ack: times(&plan, Timing::Ack, &[(SAMPLES, 2)]),
        service: times(&plan, Timing::Service, &[(SAMPLES, 2)]),
        ..Load::default()
    };
    record.audit = Some(Audit {
        complete: true,
        read: 11_000,
        acked: 11_000,
        stored_once: 11_000,
        replayed: 11_000,
        ..Audit::default()
    });
    record.health.hiccups.count = 10_000;
    record
}

/// Everything due to a group arrived: (number, ms) for each value of latency.
fn received(record: &mut Record, group: usize, all: &[(u64, i64)]) {
    let latency = times(&record.plan, Timing::Latency, all);
    let group = &mut record.groups[group];
    (group.measured_intended, group.measured_in_time) = (latency.count, latency.count);
    group.latency = latency;
}

fn verdict(record: &Record) -> Verdict {
    assess(record).verdict
}

fn rules(record: &Record) -> Vec<String> {
    reasons(record).into_iter().map(|reason| reason.rule).collect()
}

/// One objective of each metric; a good run meets them all.
const EVERY: [(&str, &str); 29] = [
    ("latency.p99", "< 100ms"),
    ("latency.min", "< 100ms"),
    ("latency.mean", "< 100ms"),
    ("latency.max", "< 100ms"),
    ("one.latency.p50", "< 100ms"),
    ("ack.p99", "< 100ms"),
    ("service.p99", "< 100ms"),
    ("send_lag.p99", "< 100ms"),
    ("throughput.offered", ">= 1k/s"),
    ("throughput.sent", ">= 1k/s"),
    ("throughput.acked", ">= 1k/s"),
    ("throughput.delivered", ">= 1k/s"),
    ("one.throughput.delivered", ">= 1k/s"),
    ("delivery.lost", "== 0"),
    ("delivery.not_stored", "== 0"),
    ("delivery.not_delivered", "== 0"),
    ("delivery.recovered", "== 0"),
    ("delivery.redelivered", "== 0"),
    ("delivery.duplicate", "== 0"),
    ("delivery.corrupt", "== 0"),
    ("delivery.foreign", "== 0"),
    ("ordering.reordered", "== 0"),
    ("ordering.extent", "== 0"),
    ("backlog.max", "<= 10"),
    ("publish.refused", "== 0"),
    ("publish.unsent", "== 0"),
    ("publish.unconfirmed", "== 0"),
    ("replay.complete", ">= 100%"),
    ("harness.memory", "< 1GiB"),
];

#[test]
fn a_good_run_passes_and_a_run_without_data_never_does() {
    let record = good(&EVERY);
    let judged = assess(&record);
    for result in &judged.objectives {
        assert_eq!(result.verdict, Verdict::Pass, "{result:?}");
        assert!(result.reason.is_none() && result.next.is_none() && result.observed.is_some());
    }
    assert!(judged.health.valid && judged.verdict == Verdict::Pass);

    let mut nothing = empty(&EVERY);
    nothing.phases.clear();
    for result in assess(&nothing).objectives {
        assert_eq!(result.verdict, Verdict::Inconclusive, "{result:?}");
        assert!(result.reason.is_some() && result.next.is_some(), "{}", result.name);
    }
    assert_eq!(verdict(&good(&[])), Verdict::Inconclusive, "no objective, no pass");
}

#[test]
fn the_worst_objective_is_the_runs_verdict() {
    let mut record =
        good(&[("latency.p99", "< 100ms"), ("broker.memory", "< 1GiB"), ("delivery.lost", "== 0")]);
    assert_eq!(verdict(&record), Verdict::Inconclusive, "the broker's memory is not known");
    record.groups[1].lost = 1;
    assert_eq!(verdict(&record), Verdict::Fail);
    assert_eq!(assess(&record).objectives.iter().map(|o| o.verdict).max(), Some(Verdict::Fail));
}

#[test]
fn exact_counters_decide_and_not_the_histogram() {
    let judge = |slow: u64, ms: i64, limit: &str| {
        let mut record = good(&[("one.latency.p99", limit)]);
        received(&mut record, 0, &[(1000 - slow, 1), (slow, ms)]);
        verdict(&record)
    };
    assert_eq!(judge(4, 100, "< 100ms"), Verdict::Pass, "1 % may break it");
    assert_eq!(judge(11, 100, "< 100ms"), Verdict::Fail, "on the limit is not below it");
    assert_eq!(judge(11, 100, "<= 100ms"), Verdict::Pass);
    // Within one bucket of the histogram on either side of the limit.
    assert_eq!(judge(11, 99, "< 99.0001ms"), Verdict::Pass);
    assert_eq!(judge(11, 99, "< 98.9999ms"), Verdict::Fail);
}

#[test]
fn all_groups_together_are_one_distribution_and_a_scope_is_one_group() {
    let mut record =
        good(&[("latency.p90", "< 10ms"), ("one.latency.p90", "< 10ms"), ("two.latency.p90", "< 10ms")]);
    received(&mut record, 1, &[(SAMPLES, 50)]);
    let verdicts: Vec<Verdict> = assess(&record).objectives.iter().map(|o| o.verdict).collect();
    assert_eq!(verdicts, [Verdict::Fail, Verdict::Pass, Verdict::Fail]);
    let mut record =
        good(&[("latency.mean", "<= 10ms"), ("latency.max", "< 16ms"), ("latency.min", "> 4ms")]);
    received(&mut record, 1, &[(SAMPLES, 15)]);
    assert_eq!(verdict(&record), Verdict::Pass, "the mean of both is 10 ms");
}

#[test]
fn each_rule_fires_at_its_bound_and_not_below() {
    type Damage = fn(&mut Record, bool);
    let rules_at: [(&str, Damage); 6] = [
        ("clock", |record, over| record.health.clock_error_ns = 10_000_000 + u64::from(over)),
        // 1 % of 10 s.
        ("rate-missed", |record, over| record.load.finished_late_ns = 100_000_000 + u64::from(over)),
        ("overflow", |record, over| record.groups[1].latency.overflow = u64::from(over)),
        ("overflow", |record, over| record.load.service.overflow = u64::from(over)),
        ("no-hiccups", |record, over| record.health.hiccups.count = u64::from(!over)),
        ("worker-died", |record, over| {
            record.health.dead_workers = if over { vec!["the sampler".into()] } else { Vec::new() };
        }),
    ];
    for (rule, damage) in rules_at {
        let lines =
            [("service.p99", "< 100ms"), ("service.p99.9", "< 100ms"), ("ordering.reordered", "== 0")];
        let mut record = good(&lines);
        damage(&mut record, false);
        assert_eq!((verdict(&record), rules(&record)), (Verdict::Pass, vec![]), "{rule}");
        damage(&mut record, true);
        assert_eq!(rules(&record), [rule]);
        assert_eq!(assess(&record).health.reasons, reasons(&record));
        let verdicts: Vec<Verdict> = assess(&record).objectives.iter().map(|o| o.verdict).collect();
        assert_eq!(verdicts[..2], [Verdict::Inconclusive, Verdict::Inconclusive], "{rule}");
        // A dead worker does not excuse what it cannot have caused.
        record.groups[0].reordered = 3;
        assert_eq!(verdict(&record), Verdict::Fail, "{rule}");
    }
}

#[test]
fn a_run_that_was_cut_short_passes_nothing_and_fails_only_for_what_stands() {
    let lines = [("latency.p99", "< 100ms"), ("delivery.lost", "== 0"), ("ordering.reordered", "== 0")];
    for end in [End::Interrupted, End::BrokerFailed, End::HarnessFailed, End::Recovered] {
        let mut record = good(&lines);
        record.run.end = end;
        assert_eq!(verdict(&record), Verdict::Inconclusive, "{end:?}");
        record.groups[0].reordered = 1;
        assert_eq!(verdict(&record), Verdict::Fail, "{end:?}: what arrived out of order did");
    }
    for end in [End::Interrupted, End::BrokerFailed, End::HarnessFailed, End::Recovered] {
        let mut record = good(&lines);
        record.run.end = end;
        record.groups[0].lost = 1;
        assert_eq!(verdict(&record), Verdict::Inconclusive, "{end:?}: the broker may still have it");
    }
    for (end, expected) in [
        (End::Interrupted, Verdict::Inconclusive),
        (End::Recovered, Verdict::Inconclusive),
        (End::BrokerFailed, Verdict::Fail),
    ] {
        let mut record = good(&[("publish.unconfirmed", "== 0")]);
        record.run.end = end;
        record.load.unconfirmed = 1;
        assert_eq!(
            verdict(&record),
            expected,
            "{end:?}: no answer by the end of a whole drain is what it says"
        );
    }
}

#[test]
fn counts_are_sums_and_highest_ones_are_maxima() {
    let observed = |name: &str, damage: fn(&mut Record)| {
        let mut record = good(&[(name, "<= 6")]);
        damage(&mut record);
        let judged = assess(&record);
        (judged.objectives[0].observed_value.map(num::u64_of), judged.verdict)
    };
    let lost: fn(&mut Record) = |record| (record.groups[0].lost, record.groups[1].lost) = (3, 4);
    assert_eq!(observed("delivery.lost", lost), (Some(7), Verdict::Fail));
    assert_eq!(observed("one.delivery.lost", lost), (Some(3), Verdict::Pass));
    let extents: fn(&mut Record) =
        |record| (record.groups[0].extents.max, record.groups[1].extents.max) = (3, 4);
    assert_eq!(observed("ordering.extent", extents), (Some(4), Verdict::Pass));
    let backlog: fn(&mut Record) =
        |record| (record.groups[0].backlog_max, record.groups[1].backlog_max) = (7, 4);
    assert_eq!(observed("backlog.max", backlog), (Some(7), Verdict::Fail));
    assert_eq!(observed("two.backlog.max", backlog), (Some(4), Verdict::Pass));
}

#[test]
fn an_audit_that_did_not_see_the_end_proves_nothing() {
    let mut record = good(&[("replay.complete", ">= 100%"), ("delivery.not_stored", "== 0")]);
    let audit = record.audit.as_mut().expect("an audit");
    audit.replayed -= 1;
    assert_eq!(verdict(&record), Verdict::Fail);
    record.audit.as_mut().expect("an audit").complete = false;
    assert_eq!(verdict(&record), Verdict::Inconclusive);
    // Nor does it say where an event was lost.
    record.plan.objectives = vec![objective("delivery.lost", "== 0")];
    record.groups[0].lost = 3;
    let reason = assess(&record).objectives[0].reason.clone().unwrap_or_default();
    assert!(reason.contains("without a complete audit it is unknown where"), "{reason}");
}

#[test]
fn windows_are_a_share_and_none_is_not_a_pass() {
    let judge = |met, total, samples, limit: &str| {
        let mut record = good(&[("windows.latency.p99", limit)]);
        let name = "windows.latency.p99".into();
        record.windows = vec![Window { name, met, total, samples, ..Window::default() }];
        verdict(&record)
    };
    assert_eq!(judge(9, 10, 100, "< 1ms in 90%"), Verdict::Pass);
    assert_eq!(judge(8, 10, 100, "< 1ms in 90%"), Verdict::Fail);
    assert_eq!(judge(0, 0, 0, "< 1ms in 90%"), Verdict::Inconclusive);
    assert_eq!(judge(0, 10, 0, "< 1ms in 90%"), Verdict::Fail, "events were due, and none came");
}

#[test]
fn a_failure_says_what_was_seen_where_and_what_next() {
    let mut record =
        good(&[("delivery.lost", "== 0"), ("publish.refused", "== 0"), ("throughput.delivered", ">= 1k/s")]);
    (record.groups[0].lost, record.groups[0].lost_not_stored) = (3, 3);
    (record.groups[1].lost, record.groups[1].lost_not_stored, record.groups[1].lost_not_delivered) =
        (3, 1, 2);
    (record.load.refused, record.load.unsent) = (7, 2);
    record.load.refusals = vec![record::Refusal { reason: "overload".into(), said: None, count: 7 }];
    record.groups[0].measured_in_time = 5_000;
    let judged = assess(&record);
    let reason = |at: usize| judged.objectives[at].reason.clone().unwrap_or_default();
    assert!(reason(0).starts_with("6 observed, == 0 wanted"), "{}", reason(0));
    assert!(reason(0).contains("one: 3 confirmed and not stored: the bus lost them"), "{}", reason(0));
    assert!(reason(0).contains("two: 1 confirmed and not stored (the bus), 2 stored and never delivered"));
    assert!(reason(1).contains("7 × the broker's queue was full"), "{}", reason(1));
    assert!(
        reason(2).contains("50 % beyond the limit") && reason(2).contains("2 unsent, 7 refused"),
        "{}",
        reason(2)
    );
    assert!(judged.objectives.iter().all(|objective| objective.next.is_some()));
}

#[test]
fn missing_data_is_named() {
    let reason = |name: &str, limit: &str, damage: fn(&mut Record)| {
        let mut record = good(&[(name, limit)]);
        damage(&mut record);
        assess(&record).objectives[0].reason.clone().unwrap_or_default()
    };
    let unread: fn(&mut Record) = |record| record.audit = None;
    let part_of_a_cluster: fn(&mut Record) = |record| {
        let node = crate::record::Node { meta_size: Some(3), ..crate::record::Node::default() };
        record.broker.nodes = vec![node];
        record.resources.brokers.insert("n1".into(), crate::record::Process::default());
    };
    let table = [
        ("delivery.not_stored", "== 0", unread, "the audit did not read the whole stream back"),
        ("delivery.not_delivered", "== 0", unread, "the audit did not read the whole stream back"),
        ("replay.complete", ">= 100%", unread, "the audit did not read the whole stream back"),
        ("broker.cpu", "< 1", |_| (), "the broker's process cannot be seen from here"),
        ("broker.memory", "< 1GiB", |_| (), "the broker's process cannot be seen from here"),
        (
            "broker.cpu",
            "< 1",
            |record| record.broker.mode = "url".into(),
            "the CPU and memory of the servers are not known",
        ),
        ("broker.memory", "< 1GiB", part_of_a_cluster, "not every server of the cluster is monitored"),
        ("broker.store", "< 1GiB", |_| (), "the broker did not say how much it stores"),
        ("delivery.lost", "== 0", |record| record.groups.clear(), "no samples"),
        (
            "replay.complete",
            ">= 100%",
            |record| (record.audit, record.run.end) = (None, End::Interrupted),
            "the run did not complete",
        ),
    ];
    for (name, limit, damage, expected) in table {
        assert_eq!(reason(name, limit, damage), expected, "{name}");
    }
}

#[test]
fn limits_are_the_plans_sorted_and_once() {
    let plan = plan(&[
        ("latency.p99", "< 100ms"),
        ("one.latency.p50", "< 5ms"),
        ("latency.max", "< 100ms"),
        ("ack.p99", "< 7ms"),
        ("service.p99", "< 8ms"),
        ("send_lag.p99", "< 9ms"),
        ("throughput.acked", ">= 1k/s"),
    ]);
    let limits = limits(&plan);
    assert_eq!(limits.latency, [5_000_000, 100_000_000]);
    assert_eq!(
        (limits.ack, limits.service, limits.send_lag),
        (vec![7_000_000], vec![8_000_000], vec![9_000_000])
    );
    assert_eq!(tightest_limit_ns(&plan), 100_000_000, "a median is not a tail");
    assert_eq!(tightest_limit_ns(&empty(&[("ack.p99", "< 1ms")]).plan), 100_000_000, "the default");
}

#[test]
fn every_comparison_is_its_sign() {
    let holds = |op| [compare(1.0, op, 2.0), compare(2.0, op, 2.0), compare(3.0, op, 2.0)];
    assert_eq!(holds(Op::Below), [true, false, false]);
    assert_eq!(holds(Op::AtMost), [true, true, false]);
    assert_eq!(holds(Op::Equal), [false, true, false]);
    assert_eq!(holds(Op::AtLeast), [false, true, true]);
    assert_eq!(holds(Op::Above), [false, false, true]);
}
