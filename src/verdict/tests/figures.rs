//! Every figure, on a record in which all counts differ: the observation, its samples and its wording.

use super::*;
use crate::plan::{Arrival, Consume};
use crate::record::{Process, Replica};

/// Damages a record.
type Damage = fn(&mut Record);

/// A run in which each fault has a different count.
fn odd(name: &str, limit: &str) -> Record {
    let mut record = empty(&[(name, limit)]);
    let [one, two] = &mut record.groups[..] else { panic!("two groups") };
    (one.expected, one.delivered, one.lost, one.lost_not_delivered) = (100, 110, 1, 2);
    (one.recovered, one.redelivered, one.duplicate, one.reordered) = (3, 4, 5, 6);
    (one.corrupt, one.foreign, one.extents.max, one.backlog_max) = (7, 8, 9, 10);
    (one.measured_intended, one.measured_in_time) = (100, 75);
    (two.expected, two.delivered, two.lost, two.lost_not_delivered) = (1000, 1100, 11, 22);
    (two.recovered, two.redelivered, two.duplicate, two.reordered) = (33, 44, 55, 66);
    (two.corrupt, two.foreign, two.extents.max, two.backlog_max) = (77, 88, 5, 6);
    (two.measured_intended, two.measured_in_time) = (300, 285);
    one.latency = times(&record.plan, Timing::Latency, &[(100, 10)]);
    two.latency = times(&record.plan, Timing::Latency, &[(300, 50)]);
    let load = &mut record.load;
    (load.intended, load.refused, load.unsent, load.unconfirmed) = (5000, 21, 22, 23);
    (load.gave_up, load.resent) = (Some(24), Some(25));
    (load.measured_intended, load.measured_sent, load.measured_acked) = (600, 500, 400);
    (load.offered_rate, load.sent_rate, load.acked_rate) = (999.94, 1000.0, 1e6);
    load.ack = times(&record.plan, Timing::Ack, &[(600, 2)]);
    load.service = times(&record.plan, Timing::Service, &[(600, 1)]);
    load.send_lag = times(&record.plan, Timing::SendLag, &[(600, 0)]);
    record.health.hiccups.count = 10_000;
    record.audit =
        Some(Audit { complete: true, acked: 4000, missing: 31, replayed: 3999, ..Audit::default() });
    record.audit.iter_mut().for_each(|a| (a.read, a.out_of_order, a.diverged) = (4100, 5, Some(6)));
    let process =
        |cpu_cores, mib: u64| Process { cpu_cores, peak_memory_bytes: mib << 20, ..Process::default() };
    record.resources.harness = process(0.25, 3);
    record.resources.brokers =
        [("a".into(), process(0.5, 1)), ("b".into(), process(0.75, 4))].into_iter().collect();
    record.resources.store_bytes = Some(7 << 19);
    record
}

/// Objective, limit, and the expected observation: text and samples.
const OBSERVED: [(&str, &str, &str, u64); 38] = [
    ("latency.min", "< 1s", "10.0ms", 400),
    ("latency.max", "< 1s", "50.0ms", 400),
    ("latency.mean", "< 1s", "40.0ms", 400),
    ("latency.p20", "< 1s", "10.0ms", 400),
    ("latency.p30", "< 1s", "50.0ms", 400),
    ("one.latency.max", "< 1s", "10.0ms", 100),
    ("ack.max", "< 1s", "2.00ms", 600),
    ("service.max", "< 1s", "1.00ms", 600),
    ("send_lag.max", "< 1s", "0ns", 600),
    ("throughput.offered", ">= 1k/s", "999.9/s", 600),
    ("throughput.sent", ">= 1k/s", "833.3/s", 500),
    ("throughput.acked", ">= 1k/s", "666.7/s", 400),
    ("throughput.delivered", ">= 1k/s", "750.0/s", 360),
    ("two.throughput.delivered", ">= 1k/s", "950.0/s", 285),
    ("delivery.lost", "== 0", "12", 1100),
    ("delivery.not_stored", "== 0", "31", 4000),
    ("delivery.not_delivered", "== 0", "24", 1100),
    ("delivery.recovered", "== 0", "36", 1210),
    ("delivery.redelivered", "== 0", "48", 1210),
    ("delivery.duplicate", "== 0", "60", 1210),
    ("delivery.corrupt", "== 0", "84", 1294),
    ("delivery.foreign", "== 0", "96", 1306),
    ("ordering.reordered", "== 0", "72", 1210),
    ("ordering.extent", "== 0", "9", 1210),
    ("backlog.max", "<= 1", "10", 1210),
    ("publish.refused", "== 0", "21", 5000),
    ("publish.unsent", "== 0", "22", 5000),
    ("publish.unconfirmed", "== 0", "23", 5000),
    ("publish.gave_up", "== 0", "24", 5000),
    ("publish.resent", "== 0", "25", 5000),
    ("replay.complete", ">= 100%", "99.975%", 4000),
    ("ordering.stored", "== 0", "5", 4100),
    ("diverged", "== 0", "6", 4100),
    ("broker.memory", "< 1GiB", "5.0MiB", 1),
    ("broker.store", "< 1GiB", "3.5MiB", 1),
    ("broker.cpu", "< 1", "1.25", 1),
    ("harness.memory", "< 1GiB", "3.0MiB", 1),
    ("harness.cpu", "< 1", "0.25", 1),
];

#[test]
fn every_metric_observes_its_own_figure() {
    for (name, limit, text, samples) in OBSERVED {
        let judged = &assess(&odd(name, limit)).objectives[0];
        assert_eq!((judged.observed.as_deref(), judged.samples), (Some(text), samples), "{name}");
    }
}

#[test]
fn a_rate_is_shown_with_its_unit() {
    for (rate, shown) in [(999.94, "999.9/s"), (1000.0, "1.000k/s"), (1e6, "1.000M/s")] {
        let mut record = odd("throughput.offered", ">= 1/s");
        record.load.offered_rate = rate;
        assert_eq!(assess(&record).objectives[0].observed.as_deref(), Some(shown));
    }
}

#[test]
fn nothing_is_observed_where_there_is_nothing() {
    let observed = |name: &str, limit: &str, damage: Damage| {
        let mut record = odd(name, limit);
        damage(&mut record);
        assess(&record).objectives[0].observed.clone()
    };
    for (name, limit, ..) in OBSERVED {
        let nothing: Damage = |record| *record = Record { plan: record.plan.clone(), ..empty(&[]) };
        // tickgate's own use is always known once there is a measure phase.
        if !name.starts_with("harness") {
            assert_eq!(observed(name, limit, nothing), None, "{name}");
        }
        if name.starts_with("throughput") || name.starts_with("harness") {
            assert_eq!(observed(name, limit, |record| record.phases.clear()), None, "{name}");
        }
    }
    for name in ["delivery.not_stored", "delivery.not_delivered"] {
        let partly: Damage = |record| record.audit.iter_mut().for_each(|audit| audit.complete = false);
        assert_eq!(observed(name, "== 0", partly), None, "{name}");
    }
    let none_acked: Damage = |record| record.audit.iter_mut().for_each(|audit| audit.acked = 0);
    assert_eq!(observed("delivery.not_stored", "== 0", none_acked), None);
    assert_eq!(observed("replay.complete", ">= 100%", none_acked), None);
    // A group that was due nothing takes no part in the distribution of all groups.
    let one_idle: Damage = |record| {
        (record.groups[0].latency, record.groups[0].measured_intended) = (record::Latency::default(), 0);
    };
    for stat in ["latency.min", "latency.p50"] {
        assert_eq!(observed(stat, "< 1s", one_idle).as_deref(), Some("50.0ms"), "{stat}");
    }
}

/// A record whose audit read two copies, the second one to its end or not; `missing` acked events are in neither.
fn copies(objective: (&str, &str), complete: bool, missing: u64, diverged: u64) -> Record {
    let mut record = good(&[objective]);
    let why = (!complete).then(|| "its server is offline".to_owned());
    let one = |node: &str| Replica { node: node.into(), complete: true, ..Replica::default() };
    record.audit.iter_mut().for_each(|audit| {
        audit.replicas = vec![one("n1"), Replica { complete, why: why.clone(), ..one("n2") }];
        (audit.missing, audit.replayed, audit.diverged) = (missing, audit.acked - missing, Some(diverged));
    });
    record
}

#[test]
fn what_a_copy_that_was_not_read_may_hold_is_not_lost() {
    let lost = ("delivery.not_stored", "== 0");
    for (objective, complete, missing, diverged, verdict) in [
        (lost, true, 0, 0, Verdict::Pass),
        (lost, true, 7, 0, Verdict::Fail),
        (lost, false, 0, 0, Verdict::Pass),
        (lost, false, 7, 0, Verdict::Inconclusive),
        (("replay.complete", ">= 100%"), false, 7, 0, Verdict::Inconclusive),
        (("replay.complete", ">= 100%"), false, 0, 0, Verdict::Pass),
        (("ordering.stored", "== 0"), false, 7, 0, Verdict::Inconclusive),
        (("diverged", "== 0"), true, 0, 0, Verdict::Pass),
        (("diverged", "== 0"), true, 0, 3, Verdict::Fail),
        (("diverged", "== 0"), false, 0, 0, Verdict::Inconclusive),
        (("diverged", "== 0"), false, 0, 3, Verdict::Fail),
    ] {
        let judged = assess(&copies(objective, complete, missing, diverged));
        let found = &judged.objectives[0];
        assert_eq!(found.verdict, verdict, "{objective:?} {complete} {missing} {diverged}: {found:?}");
        if verdict == Verdict::Inconclusive {
            let why = format!("{:?}", found.reason);
            assert!(why.contains("the copy on n2 was not read to its end (its server is offline)"), "{why}");
            assert_eq!(why.contains("may hold the 7 acknowledged events"), missing > 0, "{why}");
        }
    }
}

#[test]
fn a_single_log_cannot_diverge() {
    let judged = assess(&good(&[("diverged", "== 0")]));
    assert_eq!(judged.objectives[0].verdict, Verdict::Inconclusive);
    let why = format!("{:?}", judged.objectives[0].reason);
    assert!(why.contains("the store was read as one log"), "{why}");
}

#[test]
fn a_share_is_never_rounded_up() {
    let mut record = odd("replay.complete", ">= 100%");
    record.audit = Some(Audit { complete: true, acked: 3_000_000, replayed: 2_999_999, ..Audit::default() });
    assert_eq!(assess(&record).objectives[0].observed.as_deref(), Some("99.9999%"));
}

#[test]
fn a_window_is_found_by_its_name_and_judged_by_its_share() {
    let mut record = good(&[("windows.latency.p99", "< 1ms in 80%")]);
    let window =
        |name: &str, met, total| Window { name: name.into(), met, total, samples: 50, ..Window::default() };
    record.windows = vec![window("one.windows.latency.p99", 1, 10), window("windows.latency.p99", 9, 10)];
    let judged = &assess(&record).objectives[0];
    assert_eq!((judged.observed.as_deref(), judged.samples), (Some("9 of 10 windows"), 50));
    assert!(judged.margin.is_some_and(|margin| (margin - 0.125).abs() < 1e-12));
    record.windows[1].total = 0;
    assert_eq!(assess(&record).objectives[0].observed, None);
}

#[test]
fn a_margin_is_a_share_of_the_limit_and_negative_beyond_it() {
    let margin = |name: &str, limit: &str| assess(&odd(name, limit)).objectives[0].margin;
    let near = |found: Option<f64>, wanted: f64| found.is_some_and(|margin| (margin - wanted).abs() < 1e-9);
    assert!(near(margin("latency.max", "< 200ms"), 0.75), "{:?}", margin("latency.max", "< 200ms"));
    assert!(near(margin("latency.max", "<= 40ms"), -0.25));
    assert!(near(margin("two.throughput.delivered", ">= 760/s"), 0.25));
    assert!(near(margin("two.throughput.delivered", "> 1.9k/s"), -0.5));
    assert_eq!((margin("delivery.lost", "<= 0"), margin("delivery.lost", "== 3")), (None, None));
}

#[test]
fn a_reason_names_the_counts_behind_it() {
    let reason = |name: &str, limit: &str, damage: Damage| {
        let mut record = good(&[(name, limit)]);
        damage(&mut record);
        assess(&record).objectives[0].reason.clone().unwrap_or_default()
    };
    // A value on the limit is not beyond it.
    assert_eq!(reason("latency.max", "< 5ms", |_| ()), "5.00ms observed, < 5ms wanted");
    assert_eq!(reason("publish.refused", "== 0", |r| r.load.refused = 1), "1 observed, == 0 wanted");
    assert_eq!(reason("delivery.lost", "> 0", |_| ()), "0 observed, > 0 wanted");
    let late: Damage = |r| r.groups[1].measured_in_time = 5_000;
    let short = "500.0/s observed, >= 1k/s wanted, 50 % beyond the limit";
    assert_eq!(reason("throughput.delivered", ">= 1k/s", late), short);
    let unpublished: [(Damage, &str); 4] = [
        (|r| r.load.unsent = 4, "4 unsent, 0 refused, 0 unconfirmed"),
        (|r| r.load.refused = 5, "0 unsent, 5 refused, 0 unconfirmed"),
        (|r| r.load.unconfirmed = 6, "0 unsent, 0 refused, 6 unconfirmed"),
        (
            |r| (r.load.unsent, r.load.refused, r.load.unconfirmed) = (2, 2, 1),
            "2 unsent, 2 refused, 1 unconfirmed",
        ),
    ];
    for (damage, text) in unpublished {
        let mut record = good(&[("throughput.delivered", ">= 1k/s")]);
        late(&mut record);
        damage(&mut record);
        assert_eq!(assess(&record).objectives[0].reason, Some(format!("{short}; {text}")));
    }
    let lost = "3 observed, == 0 wanted; one: 3";
    let losses: [(Damage, &str); 3] = [
        (|r| r.audit = None, " lost; without a complete audit it is unknown where"),
        (|r| r.groups[0].lost_not_delivered = 3, " stored and never delivered: the delivery lost them"),
        (|r| r.groups[0].lost_not_stored = 3, " confirmed and not stored: the bus lost them"),
    ];
    for (damage, text) in losses {
        let mut record = good(&[("delivery.lost", "== 0")]);
        record.groups[0].lost = 3;
        damage(&mut record);
        assert_eq!(assess(&record).objectives[0].reason, Some(format!("{lost}{text}")));
    }
}

#[test]
fn the_next_step_fits_the_metric() {
    for (words, names) in [
        ("tickgate's own lateness", &["send_lag.max"][..]),
        ("timeline", &["latency.max", "ack.max", "service.max"]),
        ("lower the rate", &["throughput.acked", "throughput.delivered"]),
        ("lost ranges", &["delivery.lost", "delivery.not_stored", "delivery.not_delivered"]),
        ("no order per symbol", &["ordering.reordered", "ordering.extent"]),
        ("msg_id", &["delivery.duplicate"]),
        ("ack_wait", &["delivery.redelivered"]),
        ("window and buffer", &["publish.unsent"]),
        ("refusals in record.json", &["publish.refused", "publish.unconfirmed"]),
        ("group's ledger", &["delivery.corrupt", "delivery.recovered"]),
        ("resources in the timeline", &["harness.cpu", "broker.memory"]),
    ] {
        for name in names {
            let (_, limit, ..) = OBSERVED.iter().find(|line| line.0 == *name).expect("a line");
            let objective = objective(name, limit);
            let mut record = good(&[]);
            record.groups.iter_mut().for_each(|group| {
                (group.members, group.delivery, group.reordered) = (2, Delivery::Shared, 1);
            });
            let step = advice::next_step(&record, &objective);
            assert!(step.contains(words), "{name}: {step}");
        }
    }
}

#[test]
fn an_objective_shows_a_time_as_the_tables_of_the_report_do() {
    for (ns, shown) in [(9_996_000_u64, "10.0ms"), (999_600, "1.00ms")] {
        let mut record = good(&[("send_lag.max", "< 1s")]);
        record.load.send_lag.max_ns = i64::try_from(ns).expect("a time");
        let record = judged(record);
        assert_eq!(record.objectives[0].observed.as_deref(), Some(shown), "the objective");
        let files = crate::report::files(&record, &crate::report::Beside::default());
        let (_, page) = files.into_iter().find(|(path, _)| path == "report.html").expect("a report");
        let page = String::from_utf8(page).expect("text");
        assert!(page.matches(shown).count() > 1, "the objective and the table of times");
        assert!(!page.contains("10.00ms") && !page.contains("1000µs"));
    }
}

#[test]
fn validity_has_its_edges() {
    // A short run may end 10 ms late, and a run that never measured was not late at all.
    let mut record = good(&[("throughput.acked", ">= 1k/s")]);
    record.phases[0].end_ns = 100_000_000;
    for (late, found) in [(10_000_000, 0), (10_000_001, 1)] {
        record.load.finished_late_ns = late;
        assert_eq!(reasons(&record).len(), found, "{late}");
    }
    record.load.measured_intended = 0;
    assert_eq!(reasons(&record), []);
    // However long the phase, one second is too late: 1 % of a week would be 1.7 hours.
    record.load.measured_intended = 1;
    record.phases[0].end_ns = 604_800_000_000_000;
    for (late, found) in [(1_000_000_000, 0), (1_000_000_001, 1)] {
        record.load.finished_late_ns = late;
        assert_eq!(reasons(&record).len(), found, "{late}");
    }
    // Figures that a slow harness affects: times and the backlog, but no other count.
    for (name, limit, expected) in
        [("backlog.max", ">= 0", Verdict::Inconclusive), ("ordering.extent", "== 0", Verdict::Pass)]
    {
        let mut record = good(&[(name, limit)]);
        record.health.clock_error_ns = 10_000_001;
        assert_eq!(verdict(&record), expected, "{name}");
    }
}

#[test]
fn times_are_judged_under_an_open_load_that_is_received_as_it_comes() {
    let lines = [("ack.max", "< 1s"), ("latency.max", "< 1s"), ("throughput.delivered", ">= 1k/s")];
    let verdicts = |change: Damage| {
        let mut record = good(&lines);
        change(&mut record);
        assess(&record).objectives.iter().map(|o| o.verdict).collect::<Vec<_>>()
    };
    let (pass, unknown) = (Verdict::Pass, Verdict::Inconclusive);
    assert_eq!(verdicts(|_| ()), [pass; 3]);
    assert_eq!(verdicts(|r| r.plan.load.arrival = Arrival::Closed), [unknown, unknown, pass]);
    assert_eq!(verdicts(|r| r.plan.load.consume = Consume::Backlog), [pass, unknown, unknown]);
}

#[test]
fn what_a_longer_drain_might_bring_is_not_held_against_a_run_that_was_interrupted() {
    for (name, limit, expected) in [
        ("delivery.lost", "== 0", Verdict::Inconclusive),
        ("delivery.not_delivered", "== 0", Verdict::Inconclusive),
        ("publish.unconfirmed", "== 0", Verdict::Inconclusive),
        ("throughput.delivered", ">= 1k/s", Verdict::Inconclusive),
        ("delivery.not_stored", "== 0", Verdict::Fail),
        ("publish.refused", "== 0", Verdict::Fail),
    ] {
        let mut record = odd(name, limit);
        record.run.end = End::Interrupted;
        assert_eq!(verdict(&record), expected, "{name}");
        record.run.end = End::Completed;
        assert_eq!(verdict(&record), Verdict::Fail, "{name}");
    }
}
