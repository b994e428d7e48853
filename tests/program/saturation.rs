//! A load that the window closes, publishing only, and reading a backlog, on a real server.

use tickgate::record::Verdict;

use crate::support::program::Place;

const SHORT: [&str; 6] =
    ["--set", "load.warmup=100ms", "--set", "load.duration=400ms", "--set", "load.rate=max"];

#[test]
fn the_window_closes_a_load_without_a_rate_and_its_times_are_not_judged() {
    let place = Place::new();
    let sets = ["--set", "bus.window=50", "--set", "objectives.latency.p99=< 1h"];
    place.start_gate(&[&SHORT[..], &sets].concat()).wait().ends(3);
    let record = place.record();
    let (load, group) = (&record.load, &record.groups[0]);
    assert!(load.intended > 100, "{}", load.intended);
    assert_eq!(
        (load.acked, load.unsent, load.unconfirmed),
        (load.intended, 0, 0),
        "what has no room is not due"
    );
    assert_eq!((group.delivered, group.lost), (load.acked, 0));
    assert!(record.timeline.iter().all(|row| row.in_flight <= 50), "the window is the bound");
    for objective in &record.objectives {
        let time = objective.name.contains("latency");
        assert_eq!(objective.verdict == Verdict::Inconclusive, time, "{objective:?}");
        assert_eq!(objective.reason.as_ref().is_some_and(|why| why.contains("closed by the window")), time);
    }
}

#[test]
fn publishing_alone_is_a_run() {
    let place = Place::new();
    // Objectives on deliveries have no data, which is never a pass.
    place.start_gate(&[&SHORT[..], &["--set", "groups=[]"]].concat()).wait().ends(3);
    let record = place.record();
    assert_eq!(record.groups.len(), 0);
    let audit = record.audit.unwrap();
    assert_eq!((audit.complete, audit.stored_once), (true, record.load.acked));
}

#[test]
fn a_backlog_is_read_when_the_load_is_over() {
    let place = Place::new();
    let sets = ["--set", "load.consume=backlog", "--set", "load.rate=2k/s"];
    place.start_gate(&[&SHORT[..4], &sets].concat()).wait().ends(0);
    let record = place.record();
    let (load, group) = (&record.load, &record.groups[0]);
    assert_eq!((load.intended, group.delivered, group.lost), (1000, 1000, 0));
    let over =
        record.phases.iter().find(|phase| phase.name == tickgate::record::PhaseName::Measure).unwrap().end_ns;
    let (first, last) = (group.first_received_ns.unwrap(), group.last_received_ns.unwrap());
    assert!(over <= first && first <= last, "received from {first} to {last}, the load ended at {over}");
}
