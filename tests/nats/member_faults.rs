//! Faults of members on a real server: what a crash leaves open is delivered again and counted as such, and nothing is lost.

#![expect(clippy::expect_used, reason = "a test may fail")]

use tickgate::host::signal::Interrupt;
use tickgate::plan::{Action, Delivery, Fault, Group, Plan, Span, Target};
use tickgate::record::{self, End, Record};
use tickgate::session::Asked;

use crate::local_broker::Place;
use crate::support::faults::{On, carried_out, fault, of, plan, run, run_at};
use crate::support::machine;
use crate::support::nats::NatsServer;

/// A plan for one server, with a group of two members, one of a single member and one with a standby member.
/// Acknowledgements wait for a while, so that a crash leaves some events open.
fn with(seconds: u64, faults: Vec<Fault>) -> Plan {
    let mut plan = plan(seconds, faults);
    (plan.bus.replicas, plan.cluster.nodes) = (1, 1);
    (plan.bus.nats.ack_linger, plan.bus.nats.ack_wait) = (Span::millis(300), Span::seconds(2));
    plan.groups[0].members = 2;
    plan.groups.push(Group { name: "alone".to_owned(), members: 1, ..plan.groups[0].clone() });
    let pinned = Delivery::Pinned;
    plan.groups.push(Group { name: "standby".to_owned(), delivery: pinned, ..plan.groups[0].clone() });
    plan
}

/// Exactly what the member had left open came again, when the server had waited for it for long enough.
#[track_caller]
fn taken_over(record: &Record, name: &str) {
    let taken = of(record, name).takeover.as_ref().expect("what it left open is known");
    assert!(taken.open > 0 && taken.redelivered == taken.open && taken.is_exact(), "{name}: {taken:?}");
    // The first one had waited for its acknowledgement for 300 ms, and more on a busy machine.
    let waited = 1_000_000_000..=taken.last_ns.expect("a time");
    assert!(waited.contains(&taken.first_ns.expect("a time")), "{name}: {taken:?}");
}

fn crash(name: &str, at: u64, group: &str, length: u64) -> Fault {
    fault(name, at, Action::CrashMember, Target::Group(group.to_owned(), Some(1)), length)
}

/// Every event came to every group, and all that came again is counted as such.
#[track_caller]
fn assert_exact(record: &Record) {
    assert_eq!(record.run.end, End::Completed, "{:?}", record.run.reason);
    assert_eq!(record.health.dead_workers, [""; 0]);
    assert_eq!(record.load.acked, record.load.intended, "{:?}", record.load);
    for group in &record.groups {
        assert_eq!((group.delivered, group.expected), (record.load.acked, record.load.acked), "{group:?}");
        let wrong =
            [group.lost, group.pending, group.duplicate, group.corrupt, group.foreign, group.unexpected];
        assert_eq!(wrong, [0; 6], "{group:?}");
        let rows = record.timeline.iter().flat_map(|row| &row.groups);
        assert!(rows.map(|row| row.redelivered).sum::<u64>() >= group.redelivered, "{group:?}");
    }
}

/// The deliveries to a group in the whole seconds between two instants.
fn delivered(record: &Record, group: usize, from: u64, until: u64) -> Vec<u64> {
    let within = |row: &&record::Row| from <= row.at_ns && row.at_ns + 1_000_000_000 <= until;
    record.timeline.iter().filter(within).map(|row| row.groups[group].delivered).collect()
}

#[test]
fn members_crash_and_a_group_is_restarted_and_nothing_is_lost() {
    let _machine = machine::beside_clusters();
    let place = Place::new();
    let restart = fault("deploy", 33, Action::RestartGroup, Target::Group("engine".into(), None), 0);
    let faults = vec![
        crash("one-of-two", 2, "engine", 2),
        crash("the-only-one", 9, "alone", 4),
        crash("the-pinned-one", 18, "standby", 10),
        restart,
    ];
    let record = run(&with(38, faults), place.folder.path(), &Interrupt::default(), &mut On(|_| {}));
    place.assert_empty();
    assert_exact(&record);
    for (name, resolved) in [
        ("one-of-two", &["engine/1"][..]),
        ("the-only-one", &["alone/1"]),
        ("the-pinned-one", &["standby/1"]),
        ("deploy", &["engine/1", "engine/2"]),
    ] {
        let fault = of(&record, name);
        carried_out(fault);
        assert_eq!(fault.resolved, resolved);
        assert!(fault.verified_ns <= fault.undone_ns, "{fault:?}");
    }
    for name in ["one-of-two", "the-only-one"] {
        taken_over(&record, name);
    }
    let only = of(&record, "the-only-one");
    let gap = delivered(&record, 1, only.verified_ns.unwrap(), only.undone_ns.unwrap());
    assert!(gap.len() >= 2 && gap.iter().all(|n| *n == 0), "nobody receives for the group: {gap:?}");
    let others = delivered(&record, 0, only.verified_ns.unwrap(), only.undone_ns.unwrap());
    assert!(others.iter().sum::<u64>() > 0, "the other group goes on: {others:?}");
    let unavailable = |name: &str, group: usize| {
        of(&record, name).effect.as_ref().unwrap().groups[group].outage.unavailable_ns
    };
    assert!(unavailable("the-only-one", 1) > 3_000_000_000, "{:?}", only.effect);
    // The server pins the member that asks first, on a busy machine perhaps the second one: then nothing happens to the group.
    let pinned = of(&record, "the-pinned-one");
    let gap = unavailable("the-pinned-one", 2);
    let taken = pinned.takeover.as_ref().expect("what it left open is known");
    if taken.open == 0 {
        assert!(gap == 0 && taken.is_exact() && record.groups[2].redelivered == 0, "{pinned:?}");
        return;
    }
    taken_over(&record, "the-pinned-one");
    // The standby member receives while the other one is gone.
    assert!(gap > 0 && gap < 9_000_000_000, "{:?}", pinned.effect);
    assert!(taken.last_ns < Some(10_000_000_000), "{pinned:?}");
}

#[test]
fn members_of_a_bus_that_is_not_ours_crash_where_that_is_allowed() {
    let _machine = machine::beside_clusters();
    let server = NatsServer::start();
    let asked = Asked { at: Some(server.url()), allow_faults: true, ..Asked::default() };
    let plan = with(9, vec![crash("crash", 2, "alone", 2)]);
    let record = run_at(&asked, &plan, &Interrupt::default(), &mut On(|_| {}));
    assert_exact(&record);
    carried_out(of(&record, "crash"));
    taken_over(&record, "crash");
    assert!(server.streams().is_empty(), "its stream is removed");
}
