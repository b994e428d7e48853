//! A cluster of real nats-servers as children: ready, roles, the loss and the return of nodes, and nothing left behind.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tickgate::broker::{LocalCluster, Password, Server as _};
use tickgate::host::resources::Process;

use crate::local_broker::{Place, config_in, eventually, stores};
use crate::support::strangers::NatsClient;

const NAMES: [&str; 3] = ["nats-1", "nats-2", "nats-3"];

fn start(place: &Place) -> LocalCluster {
    LocalCluster::start(&config_in(place.folder.path()), 3, &Password::random().unwrap()).unwrap()
}

fn client(cluster: &LocalCluster, node: usize) -> NatsClient {
    NatsClient::connect(&cluster.nodes()[node].address)
}

/// Kills a node as another user of the machine could.
fn kill_from_outside(cluster: &LocalCluster, node: usize) {
    let pid = cluster.nodes()[node].pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

/// A node that leads neither the cluster nor the stream, by what the stream's creation said.
fn follower(cluster: &LocalCluster, made: &serde_json::Value) -> usize {
    let meta = cluster.monitor(0).unwrap().varz().unwrap().jetstream.meta.unwrap().leader;
    let leads = |name: &str| name == meta || made["cluster"]["leader"] == *name;
    (0..3).find(|node| !leads(NAMES[*node])).unwrap()
}

#[test]
fn it_survives_a_node_and_takes_it_back() {
    let place = Place::new();
    let mut cluster = start(&place);
    let nodes = cluster.nodes();
    assert_eq!(nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), NAMES);
    assert_eq!(
        cluster.url(),
        nodes.iter().map(|n| format!("nats://{}", n.address)).collect::<Vec<_>>().join(",")
    );
    for (node, name) in NAMES.iter().enumerate() {
        let varz = cluster.monitor(node).unwrap().varz().unwrap();
        assert_eq!((varz.server_name.as_str(), varz.jetstream.meta.unwrap().cluster_size), (*name, 3));
    }
    let stream = "{\"name\":\"S\",\"subjects\":[\"s\"],\"num_replicas\":3}";
    let made = client(&cluster, 0).request("$JS.API.STREAM.CREATE.S", stream);
    assert!(made.get("error").is_none(), "{made}");
    assert_eq!(client(&cluster, 1).request("s", "event")["seq"], 1);

    let lost = follower(&cluster, &made);
    let other = (lost + 1) % 3;
    let meter = |cluster: &LocalCluster| cluster.meters().remove(lost).1;
    let before = meter(&cluster)().unwrap();
    let meter = meter(&cluster);
    kill_from_outside(&cluster, lost);
    let mut died = Vec::new();
    eventually("the end of the node is seen", || {
        died.extend(cluster.died());
        !died.is_empty()
    });
    assert_eq!((died.len(), died[0].node.as_str()), (1, NAMES[lost]));
    assert!(died[0].status.contains("SIGKILL") && died[0].log.ends_with(format!("broker-{}.log", lost + 1)));
    cluster.alive().unwrap();
    assert!(cluster.died().is_empty(), "each end is reported once");
    assert_eq!(client(&cluster, other).request("s", "event")["seq"], 2, "two of three go on");

    let pid = cluster.nodes()[lost].pid;
    cluster.restart(lost).unwrap();
    assert_ne!(cluster.nodes()[lost].pid, pid);
    assert_eq!(cluster.nodes()[lost].address, nodes[lost].address);
    let monitor = cluster.monitor(lost).unwrap();
    eventually("it has what it missed", || monitor.jsz().unwrap().messages == 2);
    let after = meter().unwrap();
    assert!(after.user_ns + after.system_ns > before.user_ns + before.system_ns, "CPU time adds up");
    assert!(after.peak_rss_bytes >= before.peak_rss_bytes && after.rss_bytes > 0);

    cluster.kill(lost).unwrap();
    cluster.kill(other).unwrap();
    let error = cluster.alive().unwrap_err().to_string();
    assert!(error.starts_with("no majority of the 3 nodes is left: nats-"), "{error}");
    assert!(cluster.died().is_empty(), "they were to end");
    cluster.stop().unwrap();
    let processes: Vec<_> = nodes.iter().map(|node| node.pid.unwrap()).collect();
    drop(cluster);
    assert!(processes.iter().all(|pid| Process::of(*pid).is_err()), "{processes:?}");
    place.assert_empty();
    for node in &nodes {
        TcpListener::bind(&node.address).unwrap();
    }
    for log in 1..=3 {
        assert!(place.folder.path().join(format!("broker-{log}.log")).metadata().unwrap().len() > 0);
    }
}

/// Not a separate test: a process that owns a cluster, started by the test below.
#[test]
#[ignore = "the test below starts it as a separate process"]
fn owner() {
    let Some(folder) = std::env::var_os("TICKGATE_TEST_OWNER").map(PathBuf::from) else { return };
    let cluster = LocalCluster::start(&config_in(&folder), 3, &Password::random().unwrap()).unwrap();
    let pids: Vec<String> = cluster.nodes().iter().map(|node| node.pid.unwrap().to_string()).collect();
    fs::write(folder.join("new"), pids.join(" ")).unwrap();
    fs::rename(folder.join("new"), folder.join("servers")).unwrap();
    // Until the test ends us.
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn an_owner_that_is_killed_leaves_no_node_and_no_store() {
    let place = Place::new();
    let folder = place.folder.path();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "cluster::owner", "--ignored"]).env("TICKGATE_TEST_OWNER", folder);
    let mut owner = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut pids = None;
    eventually("the owner's cluster", || {
        pids = fs::read_to_string(folder.join("servers")).ok();
        pids.is_some()
    });
    let servers: Vec<Process> =
        pids.unwrap().split(' ').map(|pid| Process::of(pid.parse().unwrap()).unwrap()).collect();
    assert_eq!((servers.len(), stores(folder).len()), (3, 3));
    kill_process(Pid::from_child(&owner), Signal::KILL).unwrap();
    owner.wait().unwrap();
    eventually("all servers are gone", || servers.iter().all(|server| !server.is_alive()));
    eventually("all stores are gone", || stores(folder).is_empty());
}
