//! A run on a cluster that tickgate starts.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use tickgate::host::resources::Process;
use tickgate::record::End;

use crate::support::program::{Place, balances};

const NAMES: [&str; 3] = ["nats-1", "nats-2", "nats-3"];

/// The process of a node, by the configuration in its private directory below `stores`.
fn process_of(stores: &Path, name: &str) -> Process {
    let configuration = |folder: &Path| std::fs::read_to_string(folder.join("nats.conf")).unwrap_or_default();
    let mut folders = std::fs::read_dir(stores).expect("stores").map(|entry| entry.expect("a folder").path());
    let folder = folders.find(|folder| configuration(folder).contains(&format!("server_name: {name}\n")));
    let ports = std::fs::read_dir(folder.expect("of that node").join("ports")).expect("ports");
    let file = ports.map(|entry| entry.expect("a file").file_name().into_string().expect("a name")).next();
    let pid = file.and_then(|file| file.strip_suffix(".ports")?.rsplit_once('_')?.1.parse().ok());
    Process::of(pid.expect("a process")).expect("it runs")
}

#[test]
fn three_copies_are_on_three_servers_and_the_run_survives_the_loss_of_one() {
    let place = Place::new();
    let stores = place.path().join("stores");
    std::fs::create_dir(&stores).expect("a folder");
    let nodes = &["--set", "cluster.nodes=3", "--set", "bus.replicas=3", "--store", "stores"][..];
    // What was on the way to a member of the lost node comes again soon.
    let again = ["--set", "bus.nats.ack_wait=2s", "--set", "load.drain=20s"];
    let mut running = place.start_gate(&[nodes, &again].concat());
    running.until_it_measures();
    let servers = NAMES.map(|name| process_of(&stores, name));
    // One replica is lost. Whether it led decides how many events are refused, not whether the run continues.
    let pid = i32::try_from(servers[2].pid()).ok().and_then(Pid::from_raw).expect("a process");
    kill_process(pid, Signal::KILL).expect("it is ours");
    let done = running.wait();
    let record = place.record();
    balances(&record);
    assert_eq!(record.run.end, End::Completed, "{} {}", done.out, done.err);
    let died: Vec<_> = record.marks.iter().filter(|mark| mark.kind == "node-died").collect();
    assert_eq!(died.len(), 1, "{:?}", record.marks);
    assert!(died[0].detail.starts_with("nats-3 ended (signal: 9 (SIGKILL))"), "{}", died[0].detail);
    assert!(died[0].detail.contains("broker-3.log in the run's folder"), "{}", died[0].detail);
    assert_eq!(record.plan.cluster.nodes, 3);
    let broker = &record.broker;
    assert_eq!(broker.durability, "replicated 2/3, page cache");
    assert!(NAMES.iter().all(|name| broker.settings["nodes"].contains(name)), "{:?}", broker.settings);
    assert_eq!(record.resources.brokers.keys().map(String::as_str).collect::<Vec<_>>(), NAMES);
    let audit = record.audit.as_ref().expect("an audit");
    assert_eq!((audit.complete, audit.missing), (true, 0), "{audit:?}");
    assert_eq!(record.groups[0].lost, 0);
    for log in 1..=3 {
        let log = place.run_folder().join(format!("broker-{log}.log"));
        assert!(log.metadata().expect("a log").len() > 0);
    }
    assert!(servers.iter().all(|server| !server.is_alive()), "nothing is left");
}
