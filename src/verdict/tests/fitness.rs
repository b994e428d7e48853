//! Due events, the number of events that a verdict needs, and the causes of a miss.

use super::*;

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
    // Two of 2,995 are within the 99.9 %, and a bus at its limit shows that in 42 of 100 runs.
    let chance = judge(2993, 2);
    assert_eq!(chance.verdict, Verdict::Inconclusive);
    assert!(
        reason(&chance).contains("2 of them beyond the limit") && reason(&chance).contains("6294"),
        "{}",
        reason(&chance)
    );
    assert_eq!(judge(6292, 2).verdict, Verdict::Pass);
    // A miss is a fact of the run where a pass was possible, or where chance is ruled out.
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
    // 101 of 10,100 due events were never sent, refused or confirmed: more than one in a hundred.
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
        reason.contains("204 of 20204 due events have no time") && reason.contains("102 unsent"),
        "{reason}"
    );
    let next = judged.objectives[0].next.clone().unwrap_or_default();
    assert!(next.contains("see the ledger for what was unsent"), "{next}");
    assert!(reason.starts_with("it lies among the events that never came, < 1s wanted; "), "{reason}");
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
    // Unknown if the bus had no part in it.
    let own: fn(&mut Record) = |record| {
        (record.load.measured_intended, record.load.measured_unsent_own) = (10_102, 102);
        for group in &mut record.groups {
            (group.measured_intended, group.measured_unsent_own) = (10_102, 102);
        }
    };
    assert_eq!(verdicts(&judge(own)), [Verdict::Inconclusive; 4]);
    // In an interrupted run they were in flight.
    let judged = judge(|record| {
        record.run.end = End::Interrupted;
        record.groups[0].measured_intended = 10_500;
    });
    assert_eq!(judged.objectives[0].verdict, Verdict::Inconclusive);
}

#[test]
fn a_miss_of_what_all_came_looks_at_the_timeline() {
    let mut record = good(&[("latency.p99", "< 1ms")]);
    let next = |record: &Record| assess(record).objectives[0].next.clone().unwrap_or_default();
    assert!(next(&record).contains("timeline"), "{}", next(&record));
    record.groups[0].measured_intended += 1;
    assert!(next(&record).contains("ledger"), "{}", next(&record));
}

#[test]
fn what_was_read_back_of_a_run_that_was_cut_is_a_fact() {
    let mut record = good(&[("replay.complete", ">= 100%")]);
    record.run.end = End::Interrupted;
    record.audit.iter_mut().for_each(|audit| audit.replayed -= 1);
    assert_eq!(verdict(&record), Verdict::Fail);
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

/// The verdicts on a good run, with wide margins, after some damage.
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
fn a_met_limit_stands_whatever_the_machine_did() {
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
    // However late the harness was: explained events are counted, not guessed.
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

/// A quantile of a distribution, to be changed.
type Of = fn(&mut record::Latency) -> &mut u64;

#[test]
fn a_figure_that_the_harness_falsifies_either_way_is_judged_on_a_fit_run() {
    let judge = |name: &str, limit: &str, damage: &dyn Fn(&mut Record)| {
        let mut record = good(&[(name, limit)]);
        damage(&mut record);
        verdict(&record)
    };
    let tenth = 10_000_000;
    let lag = |of: Of, ns: u64| move |record: &mut Record| *of(&mut record.load.send_lag) = ns;
    // At the quantile that is judged, and at no other.
    let quantiles: [(&str, Of); 5] = [
        ("service.p50", |lag| &mut lag.p50_ns),
        ("service.p90", |lag| &mut lag.p90_ns),
        ("service.p99", |lag| &mut lag.p99_ns),
        ("service.p99.9", |lag| &mut lag.p99_9_ns),
        ("service.mean", |lag| &mut lag.p99_ns),
    ];
    for (name, of) in quantiles {
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
        "the objective is about its own lag"
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
        assert_eq!(reason, "7 events still to come when the drain ended (30ms)");
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
fn an_unknown_count_is_not_zero() {
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
fn what_is_still_to_come_may_be_in_time_where_the_drain_is_shorter_than_the_limit() {
    let judge = |drain: Span, pending| {
        let mut record = good(&[("latency.p99", "< 100ms")]);
        record.plan.load.drain = drain;
        let group = &mut record.groups[0];
        group.latency.count -= group.latency.count / 10;
        group.pending = pending;
        let judged = assess(&record).objectives.remove(0);
        (judged.verdict, judged.reason.unwrap_or_default())
    };
    let (verdict, reason) = judge(Span::millis(30), 10_000_000);
    assert_eq!(verdict, Verdict::Inconclusive, "{reason}");
    assert!(reason.ends_with("events still to come when the drain ended (30ms)"), "{reason}");
    assert_eq!(judge(Span::millis(30), 0).0, Verdict::Fail, "nothing is to come");
    assert_eq!(judge(Span::millis(100), 10_000_000).0, Verdict::Fail, "it is late by now");
}

#[test]
fn what_the_broker_said_beside_the_data_keeps_a_run_from_passing() {
    let judge = |kind: &str, at_ns| {
        let mut record = good(&[("delivery.lost", "== 0")]);
        let phase = |name, start_ns, end_ns| Phase { name, start_ns, end_ns };
        record.phases = vec![
            phase(PhaseName::Warmup, 10, 20),
            phase(PhaseName::Measure, 20, 30),
            phase(PhaseName::Drain, 30, 40),
        ];
        record.marks.push(record::Mark {
            at_ns,
            kind: kind.to_owned(),
            detail: "member 0: Stale Connection".to_owned(),
        });
        let judged = assess(&record).objectives.remove(0);
        (judged.verdict, judged.reason.unwrap_or_default())
    };
    for kind in [record::DENIED, record::SERVER_ERROR] {
        let (verdict, reason) = judge(kind, 25);
        assert_eq!(verdict, Verdict::Inconclusive);
        assert!(reason.contains("member 0: Stale Connection"), "{reason}");
        assert_eq!(
            (judge(kind, 5).0, judge(kind, 41).0),
            (Verdict::Pass, Verdict::Pass),
            "before and after the load"
        );
    }
    assert_eq!(judge("disconnected", 25).0, Verdict::Pass);
}
