//! The judgement, on records made by hand.

use super::*;
use crate::measure;
use crate::plan::{Arrival, Delivery, Rate, Span, grammar};
use crate::record::{
    self, Audit, Broker, Environment, Extents, Group, Load, Phase, PhaseName, Resources, Run, Window,
};

mod figures;
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

/// A run in which nothing happened.
fn empty(objectives: &[(&str, &str)]) -> Record {
    let plan = plan(objectives);
    let group = |name| Group { topics: plan.topology.topics.clone(), ..group(name) };
    Record {
        schema: record::SCHEMA.into(),
        run: Run {
            id: "0".into(),
            profile: plan.name.clone(),
            tickgate: "0".into(),
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

/// A run of 10 s at 1000/s in which everything went well, 5 ms late.
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

/// All that was due to a group came, so many times of `ms`.
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

/// One line of each metric, each of which a good run meets.
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
    assert_eq!(verdict(&good(&[])), Verdict::Inconclusive, "nothing asked is nothing passed");
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
fn a_quantile_needs_its_events() {
    let judge = |fast, slow| {
        let mut record = good(&[("one.latency.p99.9", "< 100ms")]);
        received(&mut record, 0, &[(fast, 1), (slow, 200)]);
        assess(&record)
    };
    assert_eq!(judge(2995, 0).verdict, Verdict::Pass);
    let short = judge(2994, 0);
    assert_eq!((short.verdict, short.health.valid), (Verdict::Inconclusive, true));
    let reason = |judged: &Assessment| judged.objectives[0].reason.clone().unwrap_or_default();
    assert!(reason(&short).contains("2994 events: one.latency.p99.9 needs 2995"), "{}", reason(&short));
    // Two of 2,995 are within the 99.9 %, and what a bus at its limit shows in 42 of 100 runs.
    let chance = judge(2993, 2);
    assert_eq!(chance.verdict, Verdict::Inconclusive);
    assert!(
        reason(&chance).contains("2 of them beyond the limit") && reason(&chance).contains("6294"),
        "{}",
        reason(&chance)
    );
    assert_eq!(judge(6292, 2).verdict, Verdict::Pass);
    // A miss is a fact of the run where a pass was possible, or where chance is out.
    assert_eq!(judge(2995, 4).verdict, Verdict::Fail);
    assert_eq!(judge(49, 1).verdict, Verdict::Fail, "one of 50 beyond a p99.9");
    assert_eq!(judge(99, 1).verdict, Verdict::Inconclusive, "one of 100 may be chance");
}

#[test]
fn what_was_due_and_has_no_time_lies_beyond_every_limit() {
    let lines =
        [("latency.p99", "< 1s"), ("ack.p99", "< 1s"), ("service.p99", "< 1s"), ("latency.max", "< 1s")];
    let judge = |damage: fn(&mut Record)| {
        let mut record = good(&lines);
        damage(&mut record);
        assess(&record)
    };
    let verdicts = |judged: &Assessment| judged.objectives.iter().map(|o| o.verdict).collect::<Vec<_>>();
    // 101 of 10,100 that were due were never sent, refused or confirmed: more than one in a hundred.
    let unsent: fn(&mut Record) = |record| {
        (record.load.measured_intended, record.load.unsent) = (10_102, 102);
        for group in &mut record.groups {
            group.measured_intended = 10_102;
        }
    };
    let judged = judge(unsent);
    assert_eq!(verdicts(&judged), [Verdict::Fail; 4]);
    let reason = judged.objectives[0].reason.clone().unwrap_or_default();
    assert!(
        reason.contains("204 of 20204 events that were due have no time") && reason.contains("102 unsent"),
        "{reason}"
    );
    assert_eq!(judged.objectives[0].observed.as_deref(), Some("never"));
    assert_eq!((judged.objectives[0].observed_value, judged.objectives[0].margin), (None, None));
    // Half as many are within the 99 %, but not within all.
    let few: fn(&mut Record) = |record| {
        record.load.measured_intended = 10_040;
        for group in &mut record.groups {
            group.measured_intended = 10_040;
        }
    };
    assert_eq!(verdicts(&judge(few)), [Verdict::Pass, Verdict::Pass, Verdict::Pass, Verdict::Fail]);
    // Where the bus had no part in it, nobody knows.
    let own: fn(&mut Record) = |record| {
        (record.load.measured_intended, record.load.measured_unsent_own) = (10_102, 102);
        for group in &mut record.groups {
            (group.measured_intended, group.measured_unsent_own) = (10_102, 102);
        }
    };
    assert_eq!(verdicts(&judge(own)), [Verdict::Inconclusive; 4]);
    // An interrupted run had them under way.
    let judged = judge(|record| {
        record.run.end = End::Interrupted;
        record.groups[0].measured_intended = 10_500;
    });
    assert_eq!(judged.objectives[0].verdict, Verdict::Inconclusive);
}

#[test]
fn a_group_that_received_nothing_has_not_met_anything() {
    for line in [("latency.p50", "< 1s"), ("latency.min", "< 1s"), ("latency.mean", "< 1s")] {
        let mut record = good(&[line]);
        record.groups[1].latency = record::Latency::default();
        let judged = assess(&record);
        assert_eq!(judged.verdict, Verdict::Fail, "{line:?}");
        let reason = judged.objectives[0].reason.clone().unwrap_or_default();
        assert!(reason.contains("two received nothing"), "{reason}");
    }
}

/// Damages a good run whose limits are met with much to spare.
fn met(damage: impl Fn(&mut Record)) -> Vec<Verdict> {
    let lines = [
        ("latency.p99", "< 100ms"),
        ("ack.p99", "< 100ms"),
        ("throughput.delivered", ">= 1k/s"),
        ("service.p99", "< 100ms"),
    ];
    let mut record = good(&lines);
    damage(&mut record);
    assess(&record).objectives.iter().map(|o| o.verdict).collect()
}

#[test]
fn what_is_met_stands_whatever_the_machine_did() {
    use Verdict::{Inconclusive, Pass};
    let late = met(|record| {
        record.load.send_lag.p99_ns = 90_000_000;
        record.health.hiccups.p99_9_ns = 90_000_000;
        record.health.hiccups.max_ns = 3_000_000_000;
        record.load.finished_late_ns = 900_000_000;
    });
    assert_eq!(late, [Pass, Pass, Pass, Inconclusive], "service counts from sending");
    assert_eq!(met(|record| record.health.hiccups.count = 0), [Pass, Pass, Pass, Inconclusive]);
    let busy = |record: &mut Record| {
        record.health.machine = Some(record::Machine {
            usable_cores: 2.0,
            busy_cores: 2.0,
            others_cores: Some(1.0),
            throttled_ns: 5_000_000_000,
            ..record::Machine::default()
        });
    };
    assert_eq!(met(busy), [Pass; 4]);
}

#[test]
fn what_could_have_shortened_a_time_leaves_a_doubt() {
    use Verdict::{Inconclusive, Pass};
    let offered = |due, offered, soon_after| {
        move |record: &mut Record| {
            let part = "burst 3 of 12".into();
            record.load.least_offered = Some(record::Offered { part, due, offered, soon_after });
        }
    };
    assert_eq!(met(offered(1000, 949, 999)), [Inconclusive, Inconclusive, Pass, Inconclusive]);
    assert_eq!(met(offered(1000, 950, 999)), [Pass; 4]);
    assert_eq!(met(offered(3, 2, 3)), [Pass; 4], "all came within a nineteenth of its length more");
    assert_eq!(met(|record| record.health.dead_workers = vec!["x".into()]), [Inconclusive; 4]);
    let overflow = |record: &mut Record| record.groups[1].latency.overflow = 1;
    assert_eq!(met(overflow), [Inconclusive, Inconclusive, Pass, Inconclusive]);
    let clock = |record: &mut Record| record.health.clock_error_ns = 10_000_001;
    assert_eq!(met(clock), [Inconclusive, Inconclusive, Pass, Inconclusive]);
}

/// A p99 of which 200 of 20,000 events may break the limit, and 400 do; some are explained.
fn missed(damage: impl Fn(&mut Record, &mut record::Limit)) -> (Verdict, String) {
    let mut record = good(&[("latency.p99", "< 100ms")]);
    for group in 0..2 {
        received(&mut record, group, &[(9_800, 5), (200, 300)]);
    }
    let mut limit = record.groups[0].latency.over_limit[0];
    damage(&mut record, &mut limit);
    record.groups[0].latency.over_limit[0] = limit;
    let judged = assess(&record);
    (judged.verdict, judged.objectives[0].reason.clone().unwrap_or_default())
}

fn machine(record: &mut Record, all: f64, others: f64) {
    record.health.machine = Some(record::Machine {
        usable_cores: 2.0,
        busy_cores: all,
        others_cores: Some(others),
        broker_here: true,
        ..record::Machine::default()
    });
}

#[test]
fn a_miss_stands_that_lateness_does_not_explain() {
    assert_eq!(missed(|_, _| ()).0, Verdict::Fail);
    assert_eq!(missed(|_, limit| limit.explained = 199).0, Verdict::Fail, "201 are left");
    let (verdict, reason) = missed(|record, limit| {
        limit.explained = 200;
        record.load.send_lag.p99_ns = 40_000_000;
    });
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reason.contains("own lateness explains it: send lag p99 40.0ms"), "{reason}");
    // However late it was: what is explained is counted, not guessed.
    assert_eq!(missed(|record, _| record.load.send_lag.p99_ns = 90_000_000).0, Verdict::Fail);
}

#[test]
fn who_used_the_machine_decides_about_a_miss_that_lateness_explains() {
    let (verdict, reason) = missed(|record, limit| {
        machine(record, 1.9, 0.8);
        (limit.explained, limit.disturbed) = (200, 150);
    });
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(
        reason.contains("others used 0.8 of 2 usable cores") && reason.contains("150 of the 400 events"),
        "{reason}"
    );
    let (verdict, reason) = missed(|record, limit| {
        machine(record, 1.97, 0.05);
        (limit.explained, limit.saturated) = (200, 200);
    });
    assert_eq!(verdict, Verdict::Fail);
    assert!(
        reason.contains("saturated: this machine (tickgate and the broker used 2.0 of 2 usable cores)"),
        "{reason}"
    );
}

#[test]
fn a_broker_that_others_left_no_core_is_not_blamed() {
    let contended = |here: bool, contended: u64| {
        missed(move |record, limit| {
            machine(record, 2.0, 1.0);
            if let Some(machine) = &mut record.health.machine {
                machine.broker_here = here;
            }
            limit.contended = contended;
        })
    };
    assert_eq!(contended(true, 200).0, Verdict::Inconclusive);
    assert_eq!(contended(true, 199).0, Verdict::Fail);
    assert_eq!(contended(false, 200).0, Verdict::Fail, "on another machine it had its cores");
}

#[test]
fn a_starved_harness_never_blames_the_bus() {
    let (verdict, reason) = missed(|record, _| {
        machine(record, 0.5, 0.0);
        if let Some(machine) = &mut record.health.machine {
            (machine.usable_cores, machine.throttled_ns) = (0.2, 7_000_000_000);
        }
    });
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(
        reason.contains("a CPU quota held tickgate's threads back for 7.0 s in 10 s, at 0.20 usable cores"),
        "{reason}"
    );
    let thread = |cores: f64| {
        missed(move |record, _| {
            machine(record, 1.0, 0.0);
            if let Some(machine) = &mut record.health.machine {
                machine.busiest_thread = Some(record::Thread { name: "generator-0".into(), cores });
            }
        })
    };
    assert_eq!(thread(0.89).0, Verdict::Fail);
    let (verdict, reason) = thread(0.9);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reason.contains("tickgate's thread generator-0 used 0.90 of a core"), "{reason}");
}

#[test]
fn a_figure_that_the_harness_falsifies_either_way_is_judged_on_a_fit_run() {
    let judge = |name: &str, limit: &str, damage: &dyn Fn(&mut Record)| {
        let mut record = good(&[(name, limit)]);
        damage(&mut record);
        verdict(&record)
    };
    let tenth = 10_000_000;
    let lag = |of: fn(&mut record::Latency) -> &mut u64, ns: u64| {
        move |record: &mut Record| *of(&mut record.load.send_lag) = ns
    };
    // At the quantile that is judged, and not at another.
    for (name, of) in [
        ("service.p50", (|lag| &mut lag.p50_ns) as fn(&mut record::Latency) -> &mut u64),
        ("service.p90", |lag| &mut lag.p90_ns),
        ("service.p99", |lag| &mut lag.p99_ns),
        ("service.p99.9", |lag| &mut lag.p99_9_ns),
        ("service.mean", |lag| &mut lag.p99_ns),
    ] {
        assert_eq!(judge(name, "< 100ms", &lag(of, tenth)), Verdict::Pass, "{name}");
        assert_eq!(judge(name, "< 100ms", &lag(of, tenth + 1)), Verdict::Inconclusive, "{name}");
    }
    assert_eq!(judge("service.p50", "< 100ms", &lag(|lag| &mut lag.p99_ns, 10 * tenth)), Verdict::Pass);
    let max = |record: &mut Record| record.load.send_lag.max_ns = 10_000_001;
    assert_eq!(
        [judge("service.max", "< 100ms", &max), judge("service.p99.9", "< 100ms", &max)],
        [Verdict::Inconclusive, Verdict::Pass]
    );
    let pause = |record: &mut Record| record.health.hiccups.max_ns = 20_000_001;
    assert_eq!(
        [judge("service.max", "< 100ms", &pause), judge("service.p99.9", "< 100ms", &pause)],
        [Verdict::Inconclusive, Verdict::Pass]
    );
    // A lower limit may be met by lateness alone.
    assert_eq!(judge("latency.p50", "> 1ms", &lag(|lag| &mut lag.p50_ns, 100_001)), Verdict::Inconclusive);
    assert_eq!(
        judge("send_lag.p99", "< 100ms", &lag(|lag| &mut lag.p99_ns, tenth + 1)),
        Verdict::Pass,
        "its own lag is what is judged"
    );
}

#[test]
fn hiccups_are_judged_against_a_fifth_of_the_limit() {
    let judge = |name: &str, p50_ns, p99_9_ns| {
        let mut record = good(&[(name, "< 100ms")]);
        (record.health.hiccups.p50_ns, record.health.hiccups.p99_9_ns) = (p50_ns, p99_9_ns);
        (verdict(&record), rules(&record))
    };
    let fifth = 20_000_000;
    assert_eq!(judge("service.p99", 0, fifth), (Verdict::Pass, vec![]));
    assert_eq!(judge("service.p99", 0, fifth + 1), (Verdict::Inconclusive, vec!["hiccups".into()]));
    assert_eq!(judge("service.p50", fifth, fifth + 1).0, Verdict::Pass);
    assert_eq!(judge("service.p50", fifth + 1, fifth + 1).0, Verdict::Inconclusive);
}

#[test]
fn events_that_may_still_come_are_not_lost_and_not_there() {
    let judge = |name: &str, limit: &str, lost, pending| {
        let mut record = good(&[(name, limit)]);
        (record.groups[0].lost, record.groups[0].pending) = (lost, pending);
        (record.groups[0].lost_not_delivered, record.plan.load.drain) = (lost, crate::plan::Span::millis(30));
        let judged = assess(&record);
        (judged.verdict, judged.objectives[0].reason.clone().unwrap_or_default())
    };
    for name in ["delivery.lost", "delivery.not_delivered", "one.delivery.lost"] {
        let (verdict, reason) = judge(name, "== 0", 0, 7);
        assert_eq!(verdict, Verdict::Inconclusive, "{name}");
        assert_eq!(reason, "7 events were still pending at the broker when the drain ended (30ms)");
        assert_eq!(judge(name, "== 0", 1, 7).0, Verdict::Fail, "{name}: one is lost whatever comes");
        assert_eq!(judge(name, "<= 8", 1, 7).0, Verdict::Pass, "{name}: whatever comes");
    }
    assert_eq!(judge("two.delivery.lost", "== 0", 0, 7).0, Verdict::Pass);
}

#[test]
fn what_a_dead_worker_did_not_see_is_not_known() {
    let judge = |name: &str, count: fn(&mut Record)| {
        let mut record = good(&[(name, "== 0")]);
        record.health.dead_workers = vec!["the member of one".into()];
        count(&mut record);
        verdict(&record)
    };
    let (unknown, fail) = (Verdict::Inconclusive, Verdict::Fail);
    for name in [
        "delivery.lost",
        "delivery.duplicate",
        "ordering.reordered",
        "publish.refused",
        "delivery.not_stored",
    ] {
        assert_eq!(judge(name, |_| ()), unknown, "{name}: it may have seen one");
    }
    assert_eq!(judge("delivery.lost", |r| r.groups[0].lost = 3), unknown);
    assert_eq!(judge("delivery.not_delivered", |r| r.groups[0].lost_not_delivered = 3), unknown);
    assert_eq!(judge("publish.unconfirmed", |r| r.load.unconfirmed = 3), unknown);
    assert_eq!(judge("delivery.duplicate", |r| r.groups[0].duplicate = 3), fail, "what was seen was");
    assert_eq!(judge("ordering.reordered", |r| r.groups[0].reordered = 3), fail);
}

#[test]
fn what_is_not_known_is_not_zero() {
    let judge = |unknown: bool| {
        let mut record = good(&[("broker.cpu", "< 1")]);
        let process = record::Process { cpu_unknown: unknown, ..record::Process::default() };
        record.resources.brokers.insert("b".into(), process);
        verdict(&record)
    };
    assert_eq!([judge(false), judge(true)], [Verdict::Pass, Verdict::Inconclusive]);
}

#[test]
fn windows_that_lateness_explains_are_not_held_against_the_bus() {
    let judge = |window: Window, others: f64| {
        let mut record = good(&[("windows.latency.p99", "< 1ms in 90%")]);
        record.windows =
            vec![Window { name: "windows.latency.p99".into(), total: 10, samples: 100, ..window }];
        machine(&mut record, 2.0, others);
        verdict(&record)
    };
    let window =
        |met, unsure, saturated, contended| Window { met, unsure, saturated, contended, ..Window::default() };
    assert_eq!(judge(window(8, 0, 0, 0), 0.0), Verdict::Fail);
    assert_eq!(judge(window(8, 1, 0, 0), 0.0), Verdict::Inconclusive);
    assert_eq!(
        judge(window(8, 1, 1, 0), 0.0),
        Verdict::Fail,
        "only tickgate and the broker used the machine"
    );
    assert_eq!(judge(window(7, 1, 0, 0), 0.0), Verdict::Fail);
    assert_eq!(judge(window(7, 1, 0, 1), 1.0), Verdict::Inconclusive, "others left nothing");
    assert_eq!(judge(window(9, 1, 0, 0), 0.0), Verdict::Pass);
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
        // It saves no run from what it cannot have made up.
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
    // Nor does it say where a loss is.
    record.plan.objectives = vec![objective("delivery.lost", "== 0")];
    record.groups[0].lost = 3;
    let reason = assess(&record).objectives[0].reason.clone().unwrap_or_default();
    assert!(reason.contains("no whole audit to say where"), "{reason}");
}

#[test]
fn windows_are_a_share_and_none_is_no_pass() {
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
    record.load.refusals = vec![record::Refusal { reason: "overload".into(), count: 7 }];
    record.groups[0].measured_in_time = 5_000;
    let judged = assess(&record);
    let reason = |at: usize| judged.objectives[at].reason.clone().unwrap_or_default();
    assert!(reason(0).starts_with("6 observed, == 0 wanted"), "{}", reason(0));
    assert!(reason(0).contains("one: 3 confirmed and not stored: the bus lost them"), "{}", reason(0));
    assert!(reason(0).contains("two: 1 confirmed and not stored (the bus), 2 stored and never delivered"));
    assert!(reason(1).contains("7 × overload"), "{}", reason(1));
    assert!(
        reason(2).contains("50 % beyond the limit") && reason(2).contains("2 unsent, 7 refused"),
        "{}",
        reason(2)
    );
    assert!(judged.objectives.iter().all(|objective| objective.next.is_some()));
}

#[test]
fn what_is_missing_is_named() {
    let reason = |name: &str, limit: &str, damage: fn(&mut Record)| {
        let mut record = good(&[(name, limit)]);
        damage(&mut record);
        assess(&record).objectives[0].reason.clone().unwrap_or_default()
    };
    let unread: fn(&mut Record) = |record| record.audit = None;
    let table = [
        ("delivery.not_stored", "== 0", unread, "the audit did not read the whole stream back"),
        ("delivery.not_delivered", "== 0", unread, "the audit did not read the whole stream back"),
        ("replay.complete", ">= 100%", unread, "the audit did not read the whole stream back"),
        ("broker.cpu", "< 1", |_| (), "the broker's process cannot be seen from here"),
        ("broker.memory", "< 1GiB", |_| (), "the broker's process cannot be seen from here"),
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
    assert_eq!(tightest_limit_ns(&plan), 100_000_000, "a median is no tail");
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
