//! Connections that end or fall silent, a server and a program that are stopped: exactly the known facts about each
//! event are reported, and a run always ends.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tickgate::record::{End, ObjectiveResult, Record, Verdict};

use super::{
    MEMBER, Miss, PUBLISHER, after_a_stall, beside_others, both, compare_after, measured, quantile, run,
    whole,
};
use crate::support::nats::NatsServer;
use crate::support::program::Running;
use crate::support::proxy::Direction::{ToClient, ToServer};
use crate::support::proxy::{Proxy, Shape};

const SECOND: Duration = Duration::from_secs(1);

fn kinds(record: &Record) -> Vec<&str> {
    record.marks.iter().map(|mark| mark.kind.as_str()).collect()
}

fn rules(record: &Record) -> Vec<&str> {
    record.health.reasons.iter().map(|reason| reason.rule.as_str()).collect()
}

#[track_caller]
fn objective<'a>(record: &'a Record, name: &str) -> &'a ObjectiveResult {
    record.objectives.iter().find(|objective| objective.name == name).expect("an objective")
}

/// 20 ms each way keep about ten events, ten acknowledgements and ten deliveries on the lines, which end with them.
#[test]
fn a_cut_loses_what_was_under_way_and_nothing_that_was_confirmed() {
    let _beside = beside_others();
    let server = NatsServer::start();
    let proxy = Proxy::to(server.port());
    for direction in [ToServer, ToClient] {
        proxy.shape(direction, Shape { delay_ns: 20_000_000, ..Shape::default() });
    }
    // Events that the server had sent to the member are sent again after a while, and so out of order.
    let sets = ["load.duration=3s", "load.drain=30s", "bus.publish_timeout=3s", "bus.nats.ack_wait=2s"];
    let (done, record) = run(&proxy.url(), &sets, |_| {
        std::thread::sleep(SECOND / 2);
        proxy.cut(SECOND);
    });
    done.ends(0);
    assert_eq!((record.run.end, record.verdict), (End::Completed, Verdict::Pass));
    let (load, group) = (&record.load, &record.groups[0]);
    let audit = record.audit.as_ref().expect("an audit");
    assert_eq!((load.intended, load.refused, load.unsent), (1650, 0, 0), "the schedule waits for nobody");
    assert_eq!((group.lost, audit.missing, audit.stored_once), (0, 0, load.acked));
    assert!(0 < group.recovered && group.recovered < load.unconfirmed, "{load:?} {group:?}");
    assert_eq!(
        load.unconfirmed, load.unconfirmed_disconnected,
        "nobody waits for an answer on a dead connection"
    );
    let shown = done.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("on a connection that was lost)"), "{shown}");
    assert_eq!(group.recovered, audit.unconfirmed_stored, "all that is stored arrives, confirmed or not");
    assert_eq!((group.duplicate, audit.stored_twice, audit.out_of_order), (0, 0, 0));
    assert!(group.reordered > 0, "deliveries that the cut destroyed came again, later than others");
    assert!(group.redelivered > 0, "the member's own acknowledgements were under way too");
    for kind in ["disconnected", "connected"] {
        assert!(kinds(&record).iter().filter(|other| **other == kind).count() >= 3, "{:?}", record.marks);
    }
}

/// Answers take a second, so that half a second of events fills the window; the other connections are whole.
#[test]
fn a_reset_with_a_full_window_costs_the_window_and_no_more() {
    let _beside = beside_others();
    let server = NatsServer::start();
    let proxy = Proxy::to(server.port());
    let sets = ["load.duration=3s", "load.drain=30s", "bus.window=100", "bus.publish_timeout=1m"];
    let sets = [&sets[..], &["bus.nats.ack_wait=2s"]].concat();
    let (done, record) = run(&proxy.url(), &sets, |_| {
        proxy.shape(ToClient, Shape { delay_ns: 60_000_000_000, only: PUBLISHER, ..Shape::default() });
        std::thread::sleep(SECOND);
        proxy.cut(Duration::from_millis(50));
    });
    done.ends(0);
    let (load, group) = (&record.load, &record.groups[0]);
    assert_eq!((load.intended, load.refused, load.unsent), (1650, 0, 0), "the schedule waits for nobody");
    assert_eq!((load.unconfirmed, load.unconfirmed_disconnected), (100, 100), "the window: {load:?}");
    assert_eq!(load.acked, 1550, "all that waited leaves with the next connection");
    assert_eq!(
        (group.recovered, group.delivered, group.lost),
        (100, 1650, 0),
        "and the server had the others"
    );
}

/// What was on the wire of a connection that broke comes again after `ack_wait`: a drain that ends before that loses nothing.
#[test]
fn what_a_cut_took_is_pending_until_it_is_delivered_again() {
    let _beside = beside_others();
    for (drain, code) in [("2s", 3), ("60s", 0)] {
        let server = NatsServer::start();
        let proxy = Proxy::to(server.port());
        proxy.shape(ToClient, Shape { delay_ns: 400_000_000, only: MEMBER, ..Shape::default() });
        let drain = format!("load.drain={drain}");
        let (done, record) = run(&proxy.url(), &[&drain, "bus.nats.ack_wait=20s"], |_| {
            std::thread::sleep(SECOND);
            proxy.cut(Duration::from_millis(50));
        });
        done.ends(code);
        let group = &record.groups[0];
        assert_eq!(group.lost, 0, "{group:?}");
        let lost = objective(&record, "delivery.lost");
        if code == 0 {
            assert_eq!((group.pending, lost.verdict), (0, Verdict::Pass), "{group:?}");
            assert!(
                group.redelivered > 0 || group.delivered == group.expected + group.recovered,
                "{group:?}"
            );
        } else {
            assert!(group.pending > 0, "{group:?}");
            assert_eq!(lost.verdict, Verdict::Inconclusive, "{lost:?}");
            assert!(
                lost.reason.as_ref().expect("a reason").contains("still to come when the drain ended"),
                "{lost:?}"
            );
        }
    }
}

fn half_open(proxy: &Proxy, only: Option<usize>) {
    for direction in [ToServer, ToClient] {
        proxy.shape(direction, Shape { vanish: true, only, ..Shape::default() });
    }
}

/// Jitter lets acknowledgements overtake deliveries, so that some events are confirmed whose delivery vanishes.
#[test]
fn half_open_connections_end_the_run_and_are_no_loss() {
    let _beside = beside_others();
    let server = NatsServer::start();
    let proxy = Proxy::to(server.port());
    proxy.shape(ToClient, Shape { jitter_ns: 200_000_000, ..Shape::default() });
    let (done, record) = run(&proxy.url(), &["load.duration=4s", "load.drain=2s"], |_| {
        std::thread::sleep(SECOND / 2);
        half_open(&proxy, None);
    });
    done.ends(4);
    assert_eq!((record.run.end, record.verdict), (End::BrokerFailed, Verdict::Inconclusive));
    let reason = record.run.reason.as_deref().expect("a reason");
    assert!(reason.contains("stopped answering"), "{reason}");
    let (load, group) = (&record.load, &record.groups[0]);
    assert_eq!((load.intended, load.unsent), (2150, 0), "the schedule waits for nobody");
    assert!(load.unconfirmed > 500, "{load:?}");
    assert_eq!(load.refused, load.not_sent(), "what waited for room never left");
    let lost = objective(&record, "delivery.lost");
    assert_eq!(lost.verdict, Verdict::Inconclusive, "{} confirmed and not here, yet: {lost:?}", group.lost);
    for claim in [" lost, 0 dup", "missing, ", "the delivery lost", "the bus lost"] {
        assert!(group.lost == 0 || !done.out.contains(claim), "`{claim}` is in:\n{}", done.out);
    }
    for kind in ["broker-silent", "left-behind"] {
        assert!(kinds(&record).contains(&kind), "{:?}", record.marks);
    }
    let length = record.phases.last().expect("phases").end_ns - record.phases[1].start_ns;
    assert!(length < 120_000_000_000, "its deadlines are far below {length} ns");
}

/// It finds that out by itself, connects again, and gets what the server has kept for it.
#[test]
fn a_half_open_member_is_late_and_nobody_else_is() {
    let _beside = beside_others();
    let server = NatsServer::start();
    let proxy = Proxy::to(server.port());
    let sets = ["load.duration=4s", "load.drain=2m", "bus.nats.ack_wait=2s"];
    let (done, record) = run(&proxy.url(), &sets, |_| {
        std::thread::sleep(SECOND / 2);
        half_open(&proxy, MEMBER);
    });
    done.ends(0);
    let (load, group) = (&record.load, &record.groups[0]);
    assert_eq!(
        (load.acked, group.delivered, group.lost, group.duplicate),
        (load.intended, load.intended, 0, 0)
    );
    let (late, answered) = (quantile(&group.latency, 0.9), quantile(&load.ack, 0.9));
    assert!(late > 5.0 && answered < late / 2.0, "{late} s and {answered} s: {:?}", record.timeline);
    let of_member = record.marks.iter().filter(|mark| mark.detail.starts_with("member"));
    let kinds: Vec<_> = of_member.map(|mark| mark.kind.as_str()).collect();
    assert!(kinds.contains(&"disconnected") && kinds.contains(&"connected"), "{:?}", record.marks);
}

/// Stops something for a second, and says for how long it was.
fn stopped(stop: impl FnOnce(), resume: impl FnOnce()) -> f64 {
    std::thread::sleep(SECOND / 2);
    let since = Instant::now();
    stop();
    std::thread::sleep(SECOND);
    resume();
    since.elapsed().as_secs_f64()
}

mod alone {
    use super::*;

    #[test]
    fn a_server_that_is_stopped_misses_its_objective_and_the_machine_is_not_blamed() {
        let _alone = crate::support::machine::alone();
        let server = NatsServer::start();
        let sets = ["load.duration=3s", "objectives.latency.p99=< 500ms"];
        measured(|| {
            let mut stall = 0.0;
            let (done, record) =
                run(&server.url(), &sets, |_| stall = stopped(|| server.pause(), || server.resume()));
            whole(&record);
            if stall > 1.5 {
                return Err(Miss::Disturbed(format!(
                    "the server was stopped for {stall:.1} s and not for one"
                )));
            }
            assert_eq!(kinds(&record), [""; 0], "a second is within every patience");
            let computed = after_a_stall(stall, 3.0);
            compare_after(&record, &both(&record, &[0.75, 0.9, 0.95, 0.99], computed), stall, 3.0)?;
            let judged = objective(&record, "latency.p99");
            if judged.verdict == Verdict::Inconclusive {
                return Err(Miss::Disturbed(format!("{:?}", judged.reason)));
            }
            assert_eq!(judged.verdict, Verdict::Fail);
            done.ends(1);
            Ok(())
        });
    }
}

#[test]
fn a_program_that_was_stopped_blames_itself() {
    let _beside = beside_others();
    let server = NatsServer::start();
    let sets = ["load.duration=3s", "objectives.latency.p99=< 500ms", "objectives.ordering.reordered=== 0"];
    let (done, record) = run(&server.url(), &sets, |running: &Running| {
        stopped(|| running.signal(Signal::STOP), || running.signal(Signal::CONT));
    });
    done.ends(3);
    whole(&record);
    assert_eq!(record.run.end, End::Completed);
    for rule in ["hiccups", "send-lag"] {
        assert!(rules(&record).contains(&rule), "{:?}", record.health);
    }
    let judged = record.objectives.iter().map(|objective| (objective.name.as_str(), objective.verdict));
    for (name, verdict) in judged {
        let timed = name == "latency.p99";
        assert_eq!(verdict, if timed { Verdict::Inconclusive } else { Verdict::Pass }, "{name}");
    }
    assert!(record.health.hiccups.max_ns > 900_000_000, "{:?}", record.health.hiccups);
    assert!(quantile(&record.load.send_lag, 0.99) > 0.5);
}
