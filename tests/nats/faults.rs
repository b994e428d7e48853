//! Runs with faults on a cluster of real servers: the record says what was injected, when, on which server and with what effect; and nothing is left
//! behind by a run that is killed in the middle of a fault.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tickgate::broker::{locate, locate_previous};
use tickgate::host::resources::Process;
use tickgate::host::signal::Interrupt;
use tickgate::plan::{Action, Cut, Expect, Fault, Plan, Span, Target, Way};
use tickgate::record::{End, Injection, NodeState, Record};
use tickgate::run::Event;

use crate::local_broker::{Place, eventually, stores};
use crate::support::faults::{On, carried_out, fault, of, plan, run};
use crate::support::{machine, outside};

fn record_of(plan: &Plan) -> Record {
    let _machine = machine::beside_clusters();
    let place = Place::new();
    let record = run(plan, place.folder.path(), &Interrupt::default(), &mut On(|_| {}));
    place.assert_empty();
    assert_eq!(record.run.end, End::Completed, "{:?}", record.run.reason);
    assert_eq!((record.groups[0].lost, record.groups[0].corrupt), (0, 0), "{:?}", record.groups[0]);
    assert!(record.load.acked > record.load.intended / 4, "{:?}", record.load);
    assert!(record.marks.iter().all(|mark| mark.kind != "node-died" && mark.kind != "broker-died"));
    record
}

/// The states of a node by its name.
fn states(record: &Record, node: &str) -> Vec<NodeState> {
    let node = record.faults.nodes.iter().find(|started| started.name == node).unwrap();
    assert!(node.states.is_sorted_by_key(|(at, _)| *at), "{node:?}");
    node.states.iter().map(|(_, state)| *state).collect()
}

#[test]
fn a_leader_is_killed_and_a_follower_stopped() {
    let faults = vec![
        // Longer than an election takes: otherwise the node that was killed may lead again.
        fault("leader", 2, Action::Kill, Target::StreamLeader, 11),
        fault("dead", 4, Action::Kill, Target::All, 1),
        fault("frozen", 21, Action::Stop, Target::Follower, 2),
    ];
    let record = record_of(&plan(27, faults));
    assert_eq!(record.faults.nodes.len(), 3);

    let leader = of(&record, "leader");
    carried_out(leader);
    assert_eq!((leader.action.as_str(), leader.target.as_str()), ("kill", "stream-leader"));
    assert_eq!(leader.resolved, leader.leader_before.iter().cloned().collect::<Vec<_>>());
    assert!(leader.how_known.starts_with("named by nats-"), "{leader:?}");
    assert!(leader.leader_after.is_some() && leader.leader_after != leader.leader_before, "{leader:?}");
    assert!(leader.undone_ns < leader.healthy_ns, "{leader:?}");
    assert_eq!(states(&record, &leader.resolved[0])[..2], [NodeState::Down, NodeState::Up]);
    let gone = record.faults.leaders.iter().any(|led| led.what == "stream" && led.who.is_empty());
    assert!(gone, "an election takes 4 s: {:?}", record.faults.leaders);

    let dead = of(&record, "dead");
    assert_eq!((dead.outcome, dead.begun_ns), (Injection::Skipped, None));
    assert!(dead.reason.as_ref().unwrap().ends_with("does not run"), "{dead:?}");

    let frozen = of(&record, "frozen");
    if frozen.outcome == Injection::Skipped {
        let why = frozen.reason.as_ref().unwrap();
        assert!(why.contains("every node leads something"), "{frozen:?}");
    } else {
        carried_out(frozen);
        assert_eq!(frozen.leader_before, frozen.leader_after);
        assert!(states(&record, &frozen.resolved[0]).ends_with(&[NodeState::Stopped, NodeState::Up]));
        assert!(frozen.healthy_ns.is_some());
    }
    let kinds: Vec<&str> = record.marks.iter().map(|mark| mark.kind.as_str()).collect();
    for kind in ["fault-begun", "fault-undone", "fault-healthy", "fault-skipped"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
}

#[test]
fn a_leader_steps_down_and_the_cluster_is_restarted_in_turn() {
    let faults = vec![
        fault("hand-over", 1, Action::StepDown, Target::StreamLeader, 0),
        Fault { target: None, ..fault("rolling", 5, Action::RollingRestart, Target::All, 0) },
    ];
    let record = record_of(&plan(22, faults));
    let step_down = of(&record, "hand-over");
    carried_out(step_down);
    assert_ne!(step_down.leader_after, step_down.leader_before);
    assert_eq!((step_down.undone_ns, step_down.undo_planned_ns), (None, None));
    let rolling = of(&record, "rolling");
    carried_out(rolling);
    assert_eq!(rolling.resolved, ["nats-1", "nats-2", "nats-3"]);
    assert!(rolling.verified_ns < rolling.undone_ns && rolling.undone_ns < rolling.healthy_ns);
    for node in &rolling.resolved {
        assert_eq!(states(&record, node), [NodeState::Down, NodeState::Up], "{node}");
    }
}

#[test]
fn servers_are_upgraded_in_turn_to_another_version() {
    let script = "scripts/brokers.sh nats-previous";
    if !outside::brought("nats-previous", script, script) {
        return;
    }
    let upgrade =
        Fault { settle: Span::seconds(20), ..fault("upgrade", 3, Action::RollingUpgrade, Target::All, 0) };
    let record = record_of(&plan(28, vec![upgrade]));
    let fault = of(&record, "upgrade");
    carried_out(fault);
    assert_eq!(fault.resolved, ["nats-1", "nats-2", "nats-3"]);
    let (before, after) = (locate_previous().unwrap().version, locate().unwrap().version);
    for node in &record.faults.nodes {
        let versions: Vec<&String> = node.versions.iter().map(|(_, version)| version).collect();
        assert_eq!(versions, [&before, &after], "{node:?}");
        assert_eq!(states(&record, &node.name), [NodeState::Down, NodeState::Up]);
    }
    assert_eq!(record.broker.versions(), format!("{before} → {after}"));
    let audit = record.audit.unwrap();
    assert!(audit.complete && audit.missing == 0 && audit.diverged == Some(0), "{audit:?}");
}

#[test]
fn the_leader_of_the_clusters_own_group_steps_down() {
    let record = record_of(&plan(8, vec![fault("meta", 2, Action::StepDown, Target::MetaLeader, 0)]));
    let fault = of(&record, "meta");
    carried_out(fault);
    assert_eq!(fault.resolved, fault.leader_before.iter().cloned().collect::<Vec<_>>());
    assert!(fault.how_known.starts_with("named by nats-"), "{fault:?}");
    assert!(fault.leader_after.is_some() && fault.leader_after != fault.leader_before, "{fault:?}");
    assert_eq!(record.load.acked, record.load.intended, "the stream has its own leader: {:?}", record.load);
}

#[test]
fn a_node_cannot_write_and_another_one_leaves_in_lame_duck_mode() {
    let faults = vec![
        fault("disk", 2, Action::WriteError, Target::StreamLeader, 3),
        fault("leaving", 13, Action::LameDuck, Target::Connected, 4),
    ];
    let record = record_of(&plan(22, faults));
    for name in ["disk", "leaving"] {
        let fault = of(&record, name);
        carried_out(fault);
        assert!(fault.undone_ns.is_some(), "{fault:?}");
        assert!(states(&record, &fault.resolved[0]).ends_with(&[NodeState::Down, NodeState::Up]));
    }
    // The node that cannot write says so of itself, and no other one does.
    let frozen = format!("{} reports: ", of(&record, "disk").resolved[0]);
    let troubles: Vec<&str> = record
        .marks
        .iter()
        .filter(|mark| mark.kind == "node-trouble")
        .map(|mark| mark.detail.as_str())
        .collect();
    assert!(matches!(troubles[..], [said] if said.starts_with(&frozen)), "{troubles:?}");
}

#[test]
fn an_outage_by_plan_is_no_end_of_the_run_and_an_interruption_undoes_it() {
    let _machine = machine::beside_clusters();
    let place = Place::new();
    let mut all = fault("all", 1, Action::Kill, Target::All, 600);
    all.expect = Expect::Outage;
    let (interrupt, mut seconds) = (Interrupt::default(), None);
    let mut observer = On(|event: &Event<'_>| match event {
        Event::Mark(mark) if mark.kind == "fault-done" => seconds = Some(0),
        Event::Second(_) => {
            seconds = seconds.map(|seconds| seconds + 1);
            if seconds == Some(3) {
                interrupt.raise();
            }
        }
        _ => {}
    });
    let record = run(&plan(1200, vec![all]), place.folder.path(), &interrupt, &mut observer);
    place.assert_empty();
    assert_eq!(record.run.end, End::Interrupted, "{:?}", record.run.reason);
    let fault = of(&record, "all");
    assert_eq!(fault.outcome, Injection::Late, "it is undone long before its time: {fault:?}");
    assert!(fault.undone_ns < fault.undo_planned_ns && fault.begun_ns < fault.undone_ns, "{fault:?}");
    for node in &record.faults.nodes {
        assert_eq!(states(&record, &node.name), [NodeState::Down, NodeState::Up]);
    }
    assert_eq!(record.groups[0].lost, 0);
}

/// Both sides account for the same events, and every confirmed event is stored.
fn account_is_exact(record: &Record) {
    let load = &record.load;
    assert_eq!(load.acked + load.refused + load.unconfirmed + load.unsent, load.intended, "{load:?}");
    let audit = record.audit.as_ref().unwrap();
    assert_eq!((audit.missing, audit.diverged.unwrap_or(0)), (0, 0), "{audit:?}");
    assert!(audit.replicas.iter().all(|replica| replica.complete), "{audit:?}");
}

/// A fault of the links between two ends.
fn of_links(name: &str, at: u64, action: Action, ends: [Target; 2], length: u64) -> Fault {
    Fault { target: None, between: Some(ends), ..fault(name, at, action, Target::All, length) }
}

#[test]
fn a_leader_is_cut_off_and_comes_back() {
    let ends = || [Target::StreamLeader, Target::Others];
    let cut = Fault { how: Some(Cut::Cut), ..of_links("cut", 2, Action::Partition, ends(), 11) };
    let hole = Fault { how: Some(Cut::Hole), ..of_links("hole", 22, Action::Partition, ends(), 6) };
    let (mut plan, place) = (plan(36, vec![cut, hole]), Place::new());
    plan.bus.retry = Span::seconds(30);
    plan.bus.nats.msg_id = true;
    plan.bus.buffer = 65_536;
    let _machine = machine::beside_clusters();
    let mut apart = Vec::new();
    let mut observer = On(|event: &Event<'_>| match event {
        Event::Mark(mark) if mark.kind == "fault-done" => {
            let (name, whom) = mark.detail.split_once(": partition between ").unwrap();
            let node = whom.split(' ').next().unwrap();
            apart.push((name.to_owned(), routes(place.folder.path(), node)));
        }
        _ => {}
    });
    let record = run(&plan, place.folder.path(), &Interrupt::default(), &mut observer);
    place.assert_empty();
    assert_eq!(record.run.end, End::Completed, "{:?}", record.run.reason);
    assert_eq!(record.broker.settings.get("links").unwrap(), "proxied, 6 between the nodes");
    account_is_exact(&record);
    assert_eq!((record.groups[0].lost, record.groups[0].corrupt), (0, 0), "{:?}", record.groups[0]);
    assert_eq!(record.load.acked, record.load.intended, "what was not answered was sent again");
    let [(cut, none), (hole, some)] = apart.as_slice() else { panic!("{apart:?}") };
    assert_eq!((cut.as_str(), *none, hole.as_str()), ("cut", 0, "hole"));
    assert!(*some > 0, "in a hole no connection ends");
    for name in ["cut", "hole"] {
        let fault = of(&record, name);
        carried_out(fault);
        assert_eq!((fault.target.as_str(), fault.resolved.len()), ("stream-leader, others", 1));
        assert!(fault.undone_ns < fault.healthy_ns, "{fault:?}");
        assert!(states(&record, &fault.resolved[0]).ends_with(&[NodeState::Cut, NodeState::Up]));
    }
    let cut = of(&record, "cut");
    assert!(cut.leader_after.is_some() && cut.leader_after != cut.leader_before, "{cut:?}");
}

#[test]
fn slow_links_between_servers_delay_acknowledgements_by_both_ways() {
    let delay = Span::millis(20);
    let slow = of_links("slow", 3, Action::Slow, [Target::All, Target::All], 4);
    let record = record_of(&plan(12, vec![Fault { delay: Some(delay), ..slow }]));
    carried_out(of(&record, "slow"));
    account_is_exact(&record);
    let median = |scope: &str| {
        let scope = record.faults.scope(scope).unwrap();
        scope.figures.ack.as_ref().unwrap().p50_ns
    };
    // From the leader to a follower, and back.
    assert!(median("during") >= 2 * delay.ns, "{}", median("during"));
    assert!(median("before") < median("during"), "{} and {}", median("before"), median("during"));
}

#[test]
fn clients_are_cut_off_from_a_server_and_connect_again() {
    let cut = of_links("cut", 1, Action::Partition, [Target::Clients, Target::Connected], 2);
    let hole = of_links("hole", 8, Action::Partition, [Target::Node(1), Target::Clients], 2);
    let hole = Fault { how: Some(Cut::Hole), way: Some(Way::To), ..hole };
    let mut plan = plan(15, vec![cut, hole]);
    (plan.cluster.nodes, plan.bus.replicas) = (1, 1);
    let record = record_of(&plan);
    assert_eq!(record.broker.settings.get("links").unwrap(), "proxied, 1 of clients");
    account_is_exact(&record);
    for name in ["cut", "hole"] {
        carried_out(of(&record, name));
    }
    let node = &record.faults.nodes[0].name;
    let cut = [NodeState::Cut, NodeState::Up];
    assert_eq!(states(&record, node), [cut, cut].concat());
    let kinds: Vec<&str> = record.marks.iter().map(|mark| mark.kind.as_str()).collect();
    assert!(kinds.contains(&"disconnected") && kinds.contains(&"connected"), "{kinds:?}");
}

/// The texts of the configurations of all servers.
fn configurations(folder: &Path) -> Vec<String> {
    stores(folder).into_iter().filter_map(|store| fs::read_to_string(store.join("nats.conf")).ok()).collect()
}

/// The number of a node's routes to others, by its monitoring endpoint.
fn routes(folder: &Path, node: &str) -> u64 {
    let of_node = |text: &String| text.lines().any(|line| line == format!("server_name: {node}"));
    let text = configurations(folder).into_iter().find(of_node).unwrap();
    let http = text.lines().find_map(|line| line.strip_prefix("http: \"")).unwrap().trim_end_matches('"');
    let mut stream = TcpStream::connect(http).unwrap();
    write!(stream, "GET /varz HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str::<serde_json::Value>(body).unwrap()["routes"].as_u64().unwrap()
}

/// Not a separate test: a process that runs with a fault, started by the test below.
#[test]
#[ignore = "the test below starts it as a separate process"]
fn owner() {
    let Some(folder) = std::env::var_os("TICKGATE_TEST_FAULT").map(PathBuf::from) else { return };
    let action = fs::read_to_string(folder.join("action")).unwrap();
    let action: Action = serde_json::from_str(&action).unwrap();
    let mut all = vec![fault("fault", 1, action, Target::StreamLeader, 600)];
    if action.is_of_links() {
        let ends = [Target::StreamLeader, Target::Others];
        all = vec![Fault { how: Some(Cut::Hole), ..of_links("fault", 1, action, ends, 600) }];
    }
    let mut observer = On(|event: &Event<'_>| {
        if let Event::Mark(mark) = event
            && mark.kind == "fault-done"
        {
            fs::write(folder.join("done"), &mark.detail).unwrap();
        }
    });
    run(&plan(1200, all), &folder, &Interrupt::default(), &mut observer);
}

#[test]
fn a_run_that_is_killed_in_the_middle_of_a_fault_leaves_nothing() {
    let _machine = machine::beside_clusters();
    let of_processes = [Action::Kill, Action::Stop, Action::Restart, Action::LameDuck, Action::WriteError];
    for action in of_processes.into_iter().chain([Action::Partition]) {
        let place = Place::new();
        let folder = place.folder.path();
        fs::write(folder.join("action"), serde_json::to_string(&action).unwrap()).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "faults::owner", "--ignored"]);
        command.env("TICKGATE_TEST_FAULT", folder).env("TMPDIR", folder);
        let mut owner = command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        eventually("the fault is done", || folder.join("done").exists());
        let servers: Vec<Process> = children(owner.id());
        let mut ports = ports(folder);
        assert!(servers.len() >= 2 && ports.len() == 3, "{action}: {servers:?} {ports:?}");
        if action.is_of_links() {
            let proxies = proxies(folder);
            assert_eq!(proxies.len(), 6, "one for each server and each of its peers");
            assert!(proxies.iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_err()));
            ports.extend(proxies);
        }
        kill_process(Pid::from_child(&owner), Signal::KILL).unwrap();
        owner.wait().unwrap();
        eventually("all servers are gone", || servers.iter().all(|server| !server.is_alive()));
        eventually("all stores are gone", || stores(folder).is_empty());
        for port in ports {
            TcpListener::bind(("127.0.0.1", port)).unwrap();
        }
    }
}

/// The servers that a process has started, stopped ones included.
fn children(parent: u32) -> Vec<Process> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let of_parent = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        stat.contains("(nats-server)") && rest.split_whitespace().nth(1) == Some(&parent.to_string())
    };
    pids.filter(of_parent).map(|pid| Process::of(pid).unwrap()).collect()
}

/// The ports by which servers connect to each other, by their configurations.
fn proxies(folder: &Path) -> Vec<u16> {
    let all = configurations(folder);
    let routes = all.iter().flat_map(|text| text.split("nats-route://").skip(1));
    routes.map(|route| route.split([':', '"']).nth(2).unwrap().parse().unwrap()).collect()
}

/// The ports for clients, by the configurations of the servers.
fn ports(folder: &Path) -> Vec<u16> {
    let port = |text: String| {
        let line = text.lines().find_map(|line| line.strip_prefix("listen: \"127.0.0.1:"))?;
        line.trim_end_matches('"').parse().ok()
    };
    configurations(folder).into_iter().filter_map(port).collect()
}
