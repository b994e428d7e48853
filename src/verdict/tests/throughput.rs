//! Throughput is a share of the due events, and a run that was cut short is not judged by what it might still
//! have reached.

use super::*;

#[test]
fn what_a_cut_run_might_still_have_reached_is_not_held_against_it() {
    let lines = [
        ("throughput.offered", ">= 1k/s"),
        ("throughput.sent", ">= 1k/s"),
        ("throughput.acked", ">= 1k/s"),
        ("throughput.delivered", ">= 1k/s"),
        ("one.throughput.delivered", ">= 1k/s"),
        ("delivery.redelivered", ">= 1"),
        ("delivery.duplicate", "== 1"),
        ("delivery.recovered", "> 0"),
        ("backlog.max", ">= 5"),
    ];
    for line in lines {
        let mut record = good(&[line]);
        // 8 s of 10 are measured, and of these the last deliveries are missing.
        record.phases[0].end_ns = 8_000_000_000;
        let load = &mut record.load;
        (load.measured_intended, load.offered_rate) = (7_990, 998.75);
        (load.measured_sent, load.measured_acked) = (7_900, 7_800);
        for group in &mut record.groups {
            (group.measured_intended, group.measured_in_time) = (7_990, 7_000);
        }
        assert_eq!(verdict(&record), Verdict::Fail, "{line:?}");
        for end in [End::Recovered, End::Interrupted] {
            record.run.end = end;
            assert_eq!(verdict(&record), Verdict::Inconclusive, "{line:?}, {end:?}");
        }
    }
    // A broker that failed is judged by what was due until then.
    for (line, expected) in lines.into_iter().zip([Verdict::Inconclusive, Verdict::Fail]) {
        let mut record = good(&[line]);
        (record.run.end, record.load.measured_sent) = (End::BrokerFailed, 7_900);
        (record.load.measured_intended, record.load.offered_rate) = (7_990, 998.75);
        assert_eq!(verdict(&record), expected, "{line:?}");
    }
    // A count that was too large stays too large.
    let mut record = good(&[("delivery.duplicate", "== 1"), ("delivery.redelivered", "<= 1")]);
    (record.run.end, record.groups[0].duplicate) = (End::Recovered, 2);
    assert_eq!(verdict(&record), Verdict::Fail);
}

/// A schedule of whole slots on randomly drawn topics has slightly more or fewer events than planned.
#[test]
fn a_throughput_is_the_share_of_what_was_due_times_the_planned_rate() {
    for due in [9_973, 10_000, 10_027] {
        for (carried, expected) in [(due, Verdict::Pass), (due - 1, Verdict::Fail)] {
            for name in ["throughput.acked", "throughput.delivered", "one.throughput.delivered"] {
                for limit in [">= 1k/s", "== 1k/s", "<= 1k/s"] {
                    let mut record = good(&[(name, limit)]);
                    (record.load.measured_intended, record.load.measured_acked) = (due, carried);
                    for group in &mut record.groups {
                        (group.measured_intended, group.measured_in_time) = (due, carried);
                    }
                    let expected = if limit.starts_with('<') { Verdict::Pass } else { expected };
                    assert_eq!(verdict(&record), expected, "{name} {limit}: {carried} of {due}");
                }
            }
        }
    }
    // Three quarters of the mix are three quarters of the rate, whatever their number of events.
    let mut record = good(&[("one.throughput.delivered", ">= 750/s")]);
    let topics: Vec<String> = record.plan.topology.topics.iter().take(2).cloned().collect();
    record.plan.mix = vec![(topics[0].clone(), 0.75), (topics[1].clone(), 0.25)];
    record.groups[0].topics = topics[..1].to_vec();
    (record.groups[0].measured_intended, record.groups[0].measured_in_time) = (7_480, 7_480);
    assert_eq!(assess(&record).objectives[0].observed.as_deref(), Some("750.0/s"));
    assert_eq!(verdict(&record), Verdict::Pass);
    record.groups[0].measured_in_time = 7_479;
    assert_eq!(verdict(&record), Verdict::Fail);
    // Nothing was due to the group, so nothing is known about it.
    (record.groups[0].measured_intended, record.groups[0].measured_in_time) = (0, 0);
    assert_eq!(verdict(&record), Verdict::Inconclusive);
}

/// The share decides by the counts, whatever the rate that it means.
#[test]
fn a_share_of_the_offered_rate_is_decided_by_the_counts() {
    for (due, carried, limit, expected) in [
        (10_000, 9_990, ">= 99.9% of offered", Verdict::Pass),
        (10_000, 9_989, ">= 99.9% of offered", Verdict::Fail),
        (10_000, 9_990, "> 99.9% of offered", Verdict::Fail),
        (9_973, 9_973, ">= 100% of offered", Verdict::Pass),
        (9_973, 9_972, "== 100% of offered", Verdict::Fail),
        (3, 1, ">= 33.333333% of offered", Verdict::Pass),
        (3, 1, ">= 33.333334% of offered", Verdict::Fail),
        (999_983, 998_984, ">= 99.9% of offered", Verdict::Pass),
        (999_983, 998_983, ">= 99.9% of offered", Verdict::Fail),
    ] {
        for name in
            ["throughput.sent", "throughput.acked", "throughput.delivered", "one.throughput.delivered"]
        {
            let mut record = good(&[(name, limit)]);
            let load = &mut record.load;
            load.measured_intended = due;
            (load.measured_sent, load.measured_acked) = (carried, carried);
            for group in &mut record.groups {
                (group.measured_intended, group.measured_in_time) = (due, carried);
            }
            assert_eq!(verdict(&record), expected, "{name} {limit}: {carried} of {due}");
        }
    }
    let mut record = good(&[("throughput.delivered", ">= 99.9% of offered")]);
    record.groups[1].measured_in_time = 9_000;
    let judged = &assess(&record).objectives[0];
    assert_eq!(judged.limit, ">= 99.9% of offered");
    assert_eq!(judged.means.as_deref(), Some("99.9 % of 1,000/s = 999/s"));
    assert!((judged.limit_value - 999.0).abs() < 1e-9 && judged.margin.is_some_and(|margin| margin < 0.0));
    assert!(judged.reason.as_deref().unwrap().contains("(99.9 % of 1,000/s = 999/s) wanted"), "{judged:?}");
    record.plan.load.arrival = Arrival::Closed;
    let judged = &assess(&record).objectives[0];
    assert_eq!(judged.verdict, Verdict::Inconclusive, "there is nothing to take a share of");
    assert_eq!((judged.means.as_deref(), judged.limit_value), (None, 0.0));
}

#[test]
fn throughput_is_that_of_the_worst_group() {
    let mut record = good(&[("throughput.delivered", ">= 1k/s")]);
    record.groups[1].measured_in_time = 9_000;
    let judged = assess(&record);
    assert_eq!(judged.verdict, Verdict::Fail);
    assert!(judged.objectives[0].observed_value.is_some_and(|rate| (rate - 900.0).abs() < 1e-9));
    assert!(judged.objectives[0].margin.is_some_and(|margin| (margin + 0.1).abs() < 1e-9));
    // A group that is owed nothing does not count.
    (record.groups[1].measured_in_time, record.groups[1].measured_intended) = (0, 0);
    assert_eq!(verdict(&record), Verdict::Pass);
}

#[test]
fn a_full_disk_under_the_broker_is_not_held_against_the_bus() {
    let lines = [
        ("latency.p99", "< 1ms"),
        ("throughput.acked", ">= 1k/s"),
        ("publish.unconfirmed", "== 0"),
        ("publish.refused", "== 0"),
        ("delivery.not_stored", "== 0"),
    ];
    let mut record = good(&lines);
    record.load.measured_acked = 5_000;
    (record.load.unconfirmed, record.load.refused) = (3_000, 2_000);
    record.audit.iter_mut().for_each(|audit| audit.missing = 7);
    record.run.end = End::BrokerFailed;
    assert_eq!(verdict(&record), Verdict::Fail);
    record.marks.push(record::Mark { at_ns: 0, kind: record::STORE_FULL.into(), detail: "no space".into() });
    let judged = assess(&record);
    assert!(judged.objectives.iter().all(|o| o.verdict == Verdict::Inconclusive), "{judged:#?}");
    assert!(judged.objectives.iter().all(|o| o.next.as_deref() == Some("make room for the store")));
    // Events that arrived out of order did so regardless.
    record.plan.objectives.push(objective("ordering.reordered", "== 0"));
    record.groups[0].reordered = 1;
    assert_eq!(verdict(&record), Verdict::Fail);
}

#[test]
fn a_quota_that_holds_the_producer_back_makes_misses_inconclusive() {
    use crate::record::quota::{Side, held_ns};
    let lines =
        [("throughput.acked", ">= 1k/s"), ("publish.unconfirmed", "== 0"), ("ordering.reordered", "== 0")];
    let mut record = good(&lines);
    record.load.measured_acked = 1;
    record.load.unconfirmed = 3_000;
    assert_eq!(verdict(&record), Verdict::Fail);
    let (start, end) = record.phase(record::PhaseName::Measure).map(|p| (p.start_ns, p.end_ns)).unwrap();
    let mark = |at_ns, kind: &str| record::Mark { at_ns, kind: kind.into(), detail: "publisher 0: x".into() };
    // Before and after the measure phase it moves nothing.
    record.marks = vec![
        mark(start.saturating_sub(2), "producer-throttled"),
        mark(start.saturating_sub(1), "producer-released"),
        mark(end + 1, "producer-throttled"),
    ];
    assert_eq!((held_ns(&record, Side::Producer), verdict(&record)), (0, Verdict::Fail));
    // Two publishers at once count once, and one that is not released is held back until the end.
    record.marks = vec![
        mark(end - 400, "producer-throttled"),
        mark(end - 300, "producer-throttled"),
        mark(end - 200, "producer-released"),
        mark(end - 150, "producer-released"),
        mark(end - 100, "producer-throttled"),
    ];
    assert_eq!((held_ns(&record, Side::Producer), held_ns(&record, Side::Consumer)), (350, 0));
    let judged = assess(&record);
    let verdicts: Vec<_> = judged.objectives.iter().map(|o| o.verdict).collect();
    assert_eq!(verdicts, [Verdict::Inconclusive, Verdict::Inconclusive, Verdict::Pass]);
    let reason = judged.objectives[0].reason.clone().unwrap();
    assert!(
        reason.contains("quota held the producer back for") && reason.contains("not the bus's"),
        "{reason}"
    );
    assert!(judged.health.reasons.iter().any(|reason| reason.rule == "quota"), "{:?}", judged.health.reasons);
    // A consumer's quota excuses no producer.
    record.marks.iter_mut().for_each(|mark| mark.kind = mark.kind.replace("producer", "consumer"));
    assert_eq!(verdict(&record), Verdict::Fail);
    // What arrived out of order did.
    record.marks.iter_mut().for_each(|mark| mark.kind = mark.kind.replace("consumer", "producer"));
    record.groups[0].reordered = 1;
    assert_eq!(verdict(&record), Verdict::Fail);
}
