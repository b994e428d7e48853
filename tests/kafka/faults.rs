//! Runs with faults on a Kafka of their own: the only node is killed, stopped and restarted.

use tickgate::host::signal::Interrupt;
use tickgate::plan::{Action, BusKind, Expect, Fault, Rate, Size, Span, Target};
use tickgate::record::{End, NodeState};

use crate::support::faults::{On, carried_out, fault, of, plan, run};
use crate::support::kafka::{is_there, starts_alone, starts_beside_others};
use crate::support::machine;

#[test]
fn a_kafka_is_killed_and_stopped_by_plan_and_comes_back() {
    if !is_there() {
        return;
    }
    let (_beside, _machine) = (starts_beside_others(), machine::beside_others());
    let outage = |fault: Fault| Fault { expect: Expect::Outage, ..fault };
    let faults = vec![
        outage(fault("leader", 2, Action::Kill, Target::StreamLeader, 1)),
        outage(fault("frozen", 16, Action::Stop, Target::Node(1), 1)),
        outage(fault("again", 20, Action::Restart, Target::Any, 0)),
    ];
    let mut plan = plan(34, faults);
    (plan.bus.kind, plan.bus.replicas, plan.cluster.nodes) = (BusKind::Kafka, 1, 1);
    plan.bus.kafka.heap = Size { bytes: 512 << 20 };
    let folder = tempfile::Builder::new().prefix("tickgate-test-").tempdir_in("/var/tmp").expect("a folder");
    let record = run(&plan, folder.path(), &Interrupt::default(), &mut On(|_| {}));
    assert_eq!(record.run.end, End::Completed, "{:?}", record.run.reason);
    for name in ["leader", "frozen", "again"] {
        let fault = of(&record, name);
        carried_out(fault);
        assert_eq!((&fault.resolved[..], fault.healthy_ns.is_some()), (&["kafka".to_owned()][..], true));
    }
    assert_eq!(of(&record, "leader").how_known, "the only node");
    let states: Vec<_> = record.faults.nodes[0].states.iter().map(|(_, state)| *state).collect();
    let (down, stopped, up) = (NodeState::Down, NodeState::Stopped, NodeState::Up);
    assert_eq!(states, [down, up, stopped, up, down, up]);
    assert_eq!((record.groups[0].lost, record.groups[0].corrupt), (0, 0), "{:?}", record.groups[0]);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

/// The broker learns of a crash by the member's silence; what had been handed over and not committed comes again.
#[test]
fn a_member_crashes_and_the_group_is_restarted_and_nothing_is_lost() {
    if !is_there() {
        return;
    }
    let (_beside, _machine) = (starts_beside_others(), machine::beside_others());
    let group = |member| Target::Group("engine".into(), member);
    let settles = |fault: Fault, seconds| Fault { settle: Span::seconds(seconds), ..fault };
    let faults = vec![
        settles(fault("crash", 2, Action::CrashMember, group(Some(1)), 3), 15),
        settles(fault("deploy", 20, Action::RestartGroup, group(None), 0), 10),
    ];
    let mut plan = plan(31, faults);
    (plan.bus.kind, plan.bus.replicas, plan.cluster.nodes) = (BusKind::Kafka, 1, 1);
    plan.bus.kafka.heap = Size { bytes: 512 << 20 };
    plan.bus.kafka.commit_interval = Span::seconds(2);
    plan.groups[0].members = 2;
    let folder = tempfile::Builder::new().prefix("tickgate-test-").tempdir_in("/var/tmp").expect("a folder");
    let record = run(&plan, folder.path(), &Interrupt::default(), &mut On(|_| {}));
    assert_eq!(record.run.end, End::Completed, "{:?}", record.run.reason);
    assert_eq!(record.health.dead_workers, [""; 0]);
    carried_out(of(&record, "crash"));
    carried_out(of(&record, "deploy"));
    assert_eq!(of(&record, "deploy").resolved, ["engine/1", "engine/2"]);
    let engine = &record.groups[0];
    assert_eq!((engine.delivered, engine.lost, engine.pending), (record.load.acked, 0, 0), "{engine:?}");
    assert_eq!((engine.duplicate, engine.corrupt, engine.unexpected), (0, 0, 0), "{engine:?}");
    assert!(engine.redelivered > 0, "what was not committed: {engine:?}");
    let taken = of(&record, "crash").takeover.as_ref().expect("what it left open is known");
    assert!(taken.open > 0 && taken.is_exact(), "{taken:?}");
    // The session of a member that is silent lasts for 10 s.
    assert!(taken.first_ns > Some(5_000_000_000), "{taken:?}");
    // Nothing is delivered until the silence of the member is noticed.
    let outage = &of(&record, "crash").effect.as_ref().expect("an effect").groups[0].outage;
    assert!(outage.longest_ns > 2_000_000_000, "{outage:?}");
}

/// Of a cluster, the leader of a partition is found by what the nodes say, and another node leads after it was killed.
#[test]
fn the_leader_of_a_partition_is_killed_and_another_node_leads() {
    if !is_there() {
        return;
    }
    let (_turn, _machine) = (starts_alone(), machine::alone());
    let faults = vec![
        fault("leader", 3, Action::Kill, Target::StreamLeader, 20),
        fault("coordinator", 40, Action::Stop, Target::ConsumerLeader("engine".into()), 1),
    ];
    let mut plan = plan(60, faults);
    plan.load.rate = Rate::per_second(200.0);
    plan.load.drain = Span::seconds(60);
    // One partition of one topic has a single leader; a publisher that waits loses nothing.
    plan.topology.topics.truncate(1);
    (plan.bus.partitions, plan.bus.buffer, plan.bus.publish_timeout) = (1, 20_000, Span::seconds(60));
    (plan.bus.kind, plan.bus.kafka.heap) = (BusKind::Kafka, Size { bytes: 256 << 20 });
    let folder = tempfile::Builder::new().prefix("tickgate-test-").tempdir_in("/var/tmp").expect("a folder");
    let record = run(&plan, folder.path(), &Interrupt::default(), &mut On(|_| {}));
    assert_eq!(record.run.end, End::Completed, "{:?}", record.run.reason);
    let leader = of(&record, "leader");
    carried_out(leader);
    assert_eq!(leader.resolved, leader.leader_before.iter().cloned().collect::<Vec<_>>());
    assert!(leader.how_known.starts_with("named by kafka-"), "{leader:?}");
    assert!(leader.leader_after.is_some() && leader.leader_after != leader.leader_before, "{leader:?}");
    let coordinator = of(&record, "coordinator");
    carried_out(coordinator);
    assert!(coordinator.how_known.starts_with("named by kafka-"), "{coordinator:?}");
    let led = record.faults.leaders.iter().map(|led| led.what.as_str()).collect::<Vec<_>>();
    assert!(led.contains(&"stream") && led.contains(&"meta") && led.contains(&"consumer engine"), "{led:?}");
    assert_eq!((record.groups[0].lost, record.groups[0].corrupt), (0, 0), "{:?}", record.groups[0]);
    assert!(record.load.acked > record.load.intended / 2, "{:?}", record.load);
}
