//! Borders of what may still be met.

use super::*;
use crate::load::{Picker, Schedule, shares};
use crate::measure::{Counted, Latency};
use crate::plan::{Delivery, Group, Rate, Spacing, grammar};
use crate::record::{GroupRow, PhaseName};
use crate::selftest::swarm;

/// 1000 events/s for five seconds, to one group.
fn plan(objectives: &[(&str, &str)]) -> Plan {
    let mut plan = swarm::base(1);
    plan.load.duration = Span::seconds(5);
    plan.objectives = objectives.iter().map(|(name, limit)| grammar::parse(name, limit).unwrap()).collect();
    plan
}

/// So many times on a limit of a millisecond, beyond it, and below it.
fn counted(on: u64, beyond: u64) -> Counted {
    let mut latency = Latency::new(&[1_000_000]);
    (0..on).for_each(|_| latency.record(1_000_000));
    (0..beyond).for_each(|_| latency.record(2_000_000));
    (0..10).for_each(|_| latency.record(1));
    Counted::of(&latency)
}

fn reason(objective: (&str, &str), counters: &Counters, row: Option<&Row>) -> Option<String> {
    let mut curtailment = Curtailment::of(&plan(&[objective]));
    curtailment.count(counters.clone(), Reach::default());
    if let Some(row) = row {
        curtailment.add(row);
    }
    curtailment.reason()
}

#[test]
fn a_quantile_is_lost_with_one_event_more_than_may_break_it() {
    for (name, requirement, allowed) in [
        ("latency.p99", "< 1ms", 50),
        ("engine.latency.p99", "< 1ms", 50),
        ("latency.p99.9", "<= 1ms", 5),
        ("latency.max", "<= 1ms", 0),
        ("ack.p90", "<= 1ms", 500),
        ("service.p50", "< 1ms", 2500),
    ] {
        let of = |beyond| {
            let times =
                if requirement.starts_with("<=") { counted(9999, beyond) } else { counted(beyond, 0) };
            let counters = Counters {
                latency: vec![times.clone()],
                ack: times.clone(),
                service: times.clone(),
                send_lag: times,
            };
            reason((name, requirement), &counters, None)
        };
        assert_eq!(of(allowed), None, "{name}");
        let why = of(allowed + 1).unwrap();
        let (beyond, at_most) = (show::count(allowed + 1), show::count(allowed));
        assert_eq!(
            why,
            format!(
                "{name}: {beyond} events are not {requirement}, and at most {at_most} of the 5,000 planned ones may break it"
            )
        );
    }
}

#[test]
fn what_only_the_end_shows_ends_no_run() {
    let times = counted(0, 4000);
    let counters = Counters {
        latency: vec![times.clone()],
        ack: times.clone(),
        service: times.clone(),
        send_lag: times,
    };
    let row = row(GroupRow {
        redelivered: 9,
        duplicate: 9,
        reordered: 9,
        corrupt: 9,
        foreign: 9,
        backlog: 9,
        ..GroupRow::default()
    });
    for objective in [
        ("latency.p99", "> 1ms"),
        ("latency.mean", "< 1ms"),
        ("windows.latency.p99", "< 1ms"),
        ("send_lag.p99", "< 1ms"),
        ("delivery.lost", "== 0"),
        ("delivery.recovered", "== 0"),
        ("delivery.duplicate", ">= 99"),
        ("ordering.extent", "== 0"),
        ("replay.complete", "== 100%"),
        ("throughput.delivered", ">= 99.9% of offered"),
        ("harness.memory", "< 1GiB"),
    ] {
        assert_eq!(reason(objective, &counters, Some(&row)), None, "{objective:?}");
    }
}

fn row(group: GroupRow) -> Row {
    Row {
        at_ns: 0,
        phase: PhaseName::Measure,
        intended: 10,
        sent: 10,
        acked: 10,
        refused: 9,
        unsent: 9,
        unconfirmed: 9,
        in_flight: 0,
        send_lag: crate::record::Brief::default(),
        ack: crate::record::Brief::default(),
        groups: vec![group],
        heat: Vec::new(),
        hiccup_max_ns: 0,
        paused_ns: None,
        machine_cpu: None,
        others_cpu: None,
        harness_cpu: 0.0,
        harness_memory_bytes: 1,
        broker_cpu: None,
        broker_memory_bytes: None,
        store_bytes: None,
    }
}

#[test]
fn a_count_that_grows_is_lost_beyond_its_limit() {
    let group = GroupRow {
        redelivered: 9,
        duplicate: 9,
        reordered: 9,
        corrupt: 9,
        foreign: 9,
        backlog: 9,
        ..GroupRow::default()
    };
    let row = row(group);
    for name in [
        "publish.refused",
        "publish.unsent",
        "publish.unconfirmed",
        "delivery.redelivered",
        "delivery.duplicate",
        "delivery.corrupt",
        "delivery.foreign",
        "ordering.reordered",
        "backlog.max",
    ] {
        let of = |requirement| reason((name, requirement), &Counters::default(), Some(&row));
        for requirement in ["<= 9", "< 10", "== 9"] {
            assert_eq!(of(requirement), None, "{name} {requirement}");
        }
        for requirement in ["<= 8", "< 9", "== 0"] {
            assert_eq!(of(requirement), Some(format!("{name}: 9 so far, {requirement} wanted")));
        }
        assert_eq!(reason((name, "== 0"), &Counters::default(), None), None);
    }
}

#[test]
fn a_group_of_some_topics_has_no_more_events_than_assumed() {
    for seed in 0..200 {
        let mut plan = swarm::base(seed);
        plan.load.rate = Rate::per_second(1500.0);
        plan.load.generators = 1 + u32::try_from(seed % 3).unwrap();
        plan.topology.topics = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
        plan.mix = vec![("a".to_owned(), 0.9), ("b".to_owned(), 0.09), ("c".to_owned(), 0.01)];
        let group = |topics: &[&str]| Group {
            name: topics.concat(),
            subscribe: topics.iter().map(|&topic| topic.to_owned()).collect(),
            members: 1,
            delivery: Delivery::Shared,
            consumer: None,
        };
        plan.groups = vec![group(&["a"]), group(&["b"]), group(&["c"]), group(&["a", "c"]), group(&[">"])];
        let mut drawn = [0_u64; 3];
        for generator in 0..plan.load.generators {
            let picker = Picker::new(&plan, generator);
            for due in Schedule::new(&plan.load, plan.market.seed, &shares(&plan), num::index32(generator)) {
                drawn[picker.pick(due.index).0] += 1;
            }
        }
        let [a, b, c] = drawn;
        for (group, drawn) in [a, b, c, a + c, a + b + c].into_iter().enumerate() {
            let most = most(3000, share(&plan, group));
            assert!(drawn <= most && most <= 3000, "seed {seed}: {drawn} of {group} and {most}");
        }
        assert_eq!(most(3000, share(&plan, 4)), 3000);
    }
}

#[test]
fn events_that_were_due_a_limit_ago_and_have_not_come_are_beyond_it() {
    let mut curtailment = Curtailment::of(&plan(&[("latency.p99", "< 1ms"), ("ack.p90", "< 1ms")]));
    let (nothing, some) = (counted(0, 0), counted(0, 0));
    let mut look = |delivered: u64, answered: u64, until_ms: u64| {
        let counters = Counters { latency: vec![nothing.clone()], ack: some.clone(), ..Counters::default() };
        let reach = Reach { groups: vec![delivered * 1_000_000], generators: vec![answered * 1_000_000] };
        curtailment.count(counters, reach);
        assert!(until_ms >= delivered.max(answered));
        curtailment.reason()
    };
    assert_eq!(look(0, 0, 0), None);
    // 50 of 5,000 may be late; ten came in time, and by 30 ms not even 50 were due.
    assert_eq!(look(30, 0, 30), None);
    let why = look(300, 0, 300).unwrap();
    assert!(why.starts_with("latency.p99: 1"), "{why}");
    assert_eq!(look(0, 500, 500), None, "500 of 5,000 answers may be late");
    assert!(look(0, 1000, 1000).unwrap().starts_with("ack.p90: "));
}

#[test]
fn no_more_events_are_taken_for_due_than_are() {
    for seed in 0..100 {
        let mut plan = plan(&[]);
        plan.load.rate = Rate::per_second(300.0);
        plan.load.warmup = Span::millis(500 * (seed % 3));
        plan.load.generators = 1 + u32::try_from(seed % 4).unwrap();
        plan.load.spacing = if seed % 2 == 0 { Spacing::Poisson } else { Spacing::Constant };
        plan.market.seed = seed;
        let curtailment = Curtailment::of(&plan);
        let mut due: Vec<Ns> = (0..plan.load.generators)
            .flat_map(|generator| {
                Schedule::new(&plan.load, seed, &shares(&plan), num::index32(generator)).map(|due| due.at)
            })
            .filter(|at| *at >= plan.load.warmup.ns)
            .collect();
        due.sort_unstable();
        for until in (0..8000).map(|step| step * 1_000_000) {
            let really = num::count(due.partition_point(|at| at + 7_000_000 <= until));
            let taken = curtailment.due_before(until, 7_000_000, 1.0);
            assert!(taken <= really, "seed {seed}: {taken} for {really} by {until}");
        }
        assert!(curtailment.due_before(Ns::MAX, 7_000_000, 1.0) >= 1490, "nearly all at the end");
    }
}
