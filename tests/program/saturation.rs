//! A load that the window closes, publishing only, and reading a backlog, on a real server.

use tickgate::record::Verdict;

use crate::support::program::Place;

const SHORT: [&str; 6] =
    ["--set", "load.warmup=100ms", "--set", "load.duration=400ms", "--set", "load.rate=max"];

#[test]
fn the_window_closes_a_load_without_a_rate_and_its_times_are_not_judged() {
    let place = Place::new();
    let sets = ["--set", "bus.window=50", "--set", "objectives.latency.p99=< 1h"];
    let done = place.start_gate(&[&SHORT[..], &sets].concat()).wait();
    done.ends(0);
    assert!(done.err.contains("note: left out with load.rate = \"max\": latency.p99 < 1h: "), "{}", done.err);
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
    assert!(record.objectives.iter().all(|o| o.verdict == Verdict::Pass), "{:?}", record.objectives);
    assert!(record.objectives.iter().all(|o| o.name != "latency.p99"));
    assert_eq!(record.plan.dropped[0].what, "latency.p99 < 1h");
}

/// The first run of a new user, at another rate than the profile's.
#[test]
fn the_profile_quick_ends_with_a_verdict_at_any_rate() {
    let short = ["run", "quick", "--set", "load.warmup=200ms", "--set", "load.duration=1s"];
    for (rate, left) in [("load.rate=500/s", true), ("load.rate=max", false)] {
        let place = Place::new();
        // A busy machine may miss the time limit, but never the objectives on loss, order and duplicates.
        let busy = ["--set", "objectives.latency.p99=< 1h", "--set", rate];
        let done = place.run(&[&short[..], &busy].concat());
        done.ends(0);
        assert!(done.out.contains("verdict: PASS"), "{}", done.out);
        for part in ["offered", "sent", "confirmed", "in time to trading-engine"] {
            assert!(done.out.contains(part), "{part}: {}", done.out);
        }
        let meant = done.out.contains("≥ 99.9 % of 500/s = 499.5/s");
        assert_eq!(meant, left, "{}", done.out);
        let dropped: Vec<_> = place.record().plan.dropped.into_iter().map(|dropped| dropped.what).collect();
        let expected =
            ["load.arrival = \"poisson\"", "latency.p99 < 1h", "throughput.delivered >= 99.9% of offered"];
        assert_eq!(dropped, if left { &[][..] } else { &expected[..] });
        assert!(dropped.iter().all(|what| done.err.contains(what)), "{}", done.err);
    }
}

#[test]
fn a_load_without_a_rate_and_any_objective_left_says_so() {
    let place = Place::new();
    let none = ["--set", "objectives={\"latency.p99\"=\"< 1ms\"}"];
    let done = place.start_gate(&[&SHORT[..], &none].concat()).wait();
    done.ends(3);
    assert!(done.err.contains("no objective is left") && done.err.contains("exit code 3"), "{}", done.err);
    assert!(done.out.contains("no objectives left: nothing to judge"), "{}", done.out);
}

#[test]
fn steps_have_a_line_each() {
    let place = Place::new();
    let steps = ["--set", "load.arrival=steps", "--set", "load.steps.rates=[\"200/s\", \"1k/s\"]"];
    let judged =
        ["--set", "objectives.latency.p90=< 1h", "--set", "objectives.throughput.delivered=>= 1% of offered"];
    let done = place.start_gate(&[&steps[..], &judged].concat()).wait();
    done.ends(0);
    for part in ["1 of 2", "2 of 2", "200.0/s", "1.000k/s"] {
        assert!(done.out.contains(part), "{part}: {}", done.out);
    }
    let record = place.record();
    // Random gaps: only the number of events of the whole phase is exact.
    assert_eq!(record.steps.iter().map(|step| step.due).sum::<u64>(), record.load.measured_intended);
    assert!(record.steps[0].due < 300 && record.steps[1].due > 900, "{:?}", record.steps);
    for step in &record.steps {
        assert_eq!((step.sent, step.acked, step.groups[0].latency.count), (step.due, step.due, step.due));
        assert_eq!(step.objectives.len(), 2);
        assert_eq!(step.verdict, Some(Verdict::Pass), "{:?}", step.objectives);
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
