//! Runs on a NATS cluster of three nodes, each in a container: `make cluster` (`scripts/cluster.sh` says what they need).

use std::collections::HashMap;
use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testcontainers::bollard::models::PortBinding;
use testcontainers::core::{ImageExt as _, IntoContainerPort as _};
use testcontainers::runners::SyncRunner as _;
use testcontainers::{Container, GenericImage};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const NODES: [&str; 3] = ["n1", "n2", "n3"];
const PATIENCE: Duration = Duration::from_secs(120);

const PROFILE: &str = r#"
[load]
rate = "500/s"
warmup = "500ms"
duration = "6s"
drain = "30s"

[market]
symbols = 20

[bus]
replicas = 3

[[groups]]
name = "trading-engine"

[objectives]
"delivery.lost" = "== 0"
"delivery.corrupt" = "== 0"
"publish.unsent" = "== 0"
"#;

fn variable(name: &str) -> Outcome<String> {
    std::env::var(name).map_err(|_| format!("${name} is not set: run scripts/cluster.sh").into())
}

/// Three nodes of one cluster in a network of their own; gone with the value.
struct Cluster {
    nodes: Vec<Container<GenericImage>>,
    monitors: Vec<u16>,
    clients: Vec<u16>,
}

/// Free ports: all are bound until each has its number.
fn free_ports(count: usize) -> Outcome<Vec<u16>> {
    let held: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    Ok(held
        .iter()
        .map(|listener| listener.local_addr().map(|address| address.port()))
        .collect::<Result<_, _>>()?)
}

/// A node whose ports are bound to the loopback: `testcontainers` itself binds ports to every address of the machine.
fn node(name: &str, network: &str, client: u16, monitor: u16) -> Outcome<Container<GenericImage>> {
    let (image, tag) = variable("TICKGATE_NATS_IMAGE")?
        .split_once(':')
        .map(|(i, t)| (i.to_owned(), t.to_owned()))
        .ok_or("a tag")?;
    let routes: Vec<String> = NODES.iter().map(|other| format!("nats://{network}-{other}:6222")).collect();
    let words = [
        "--name",
        name,
        "--cluster_name",
        "trio",
        "--cluster",
        "nats://0.0.0.0:6222",
        "--routes",
        &routes.join(","),
        "--jetstream",
        "--store_dir",
        "/store",
        "--http_port",
        "8222",
        "--no_advertise",
    ];
    let container = GenericImage::new(image, tag)
        .with_exposed_port(4222.tcp())
        .with_exposed_port(8222.tcp())
        .with_container_name(format!("{network}-{name}"))
        .with_network(network)
        .with_cmd(words)
        .with_host_config_modifier(move |host| {
            let at = |port: u16| {
                let address = Some("127.0.0.1".to_owned());
                let binding = PortBinding { host_ip: address, host_port: Some(port.to_string()) };
                Some(vec![binding])
            };
            let ports = [("4222/tcp".to_owned(), at(client)), ("8222/tcp".to_owned(), at(monitor))];
            host.publish_all_ports = Some(false);
            host.port_bindings = Some(HashMap::from(ports));
        });
    Ok(container.start()?)
}

impl Cluster {
    fn start(test: &str) -> Outcome<Self> {
        let network = format!("tickgate-{test}-{}", std::process::id());
        let ports = free_ports(6)?;
        let (clients, monitors) = ports.split_at(3);
        let mut nodes = vec![];
        for (at, name) in NODES.iter().enumerate() {
            nodes.push(node(name, &network, clients[at], monitors[at])?);
        }
        let cluster = Self { nodes, monitors: monitors.to_vec(), clients: clients.to_vec() };
        let start = Instant::now();
        while !cluster.monitors.iter().all(|&port| leader(port).is_some()) {
            if start.elapsed() > PATIENCE {
                return Err("the nodes have not found a leader".into());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(cluster)
    }

    /// Starts a run on it.
    fn run(&self, folder: &Path) -> Outcome<Child> {
        std::fs::write(folder.join("gate.toml"), PROFILE)?;
        let monitors: Vec<String> =
            self.monitors.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
        let clients: Vec<String> =
            self.clients.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        let mut run = Command::new(variable("TICKGATE_PROGRAM")?);
        run.args(["run", "./gate.toml", "--broker", &clients.join(","), "--monitor", &monitors.join(",")]);
        let log = std::fs::File::create(folder.join("log"))?;
        Ok(run.current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?)
    }
}

/// What a node's monitoring endpoint answers.
fn monitor(port: u16, path: &str) -> Option<Value> {
    use std::io::{Read as _, Write as _};
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

/// The leader of the whole, as a node knows it, once that sees all three.
fn leader(port: u16) -> Option<String> {
    let meta = monitor(port, "/jsz")?["meta_cluster"].clone();
    let leader = meta["leader"].as_str().filter(|name| !name.is_empty())?;
    (meta["cluster_size"] == 3).then(|| leader.to_owned())
}

fn only_run(folder: &Path) -> Outcome<PathBuf> {
    let runs: Vec<_> = std::fs::read_dir(folder.join("reports"))?.collect::<Result<_, _>>()?;
    let runs: Vec<PathBuf> =
        runs.iter().map(|entry| entry.path()).filter(|path| !path.is_symlink()).collect();
    match &runs[..] {
        [run] => Ok(run.clone()),
        other => Err(format!("one run: {other:?}").into()),
    }
}

/// The record of a run that has ended, its exit code and what it printed.
fn record(mut run: Child, folder: &Path) -> Outcome<(Value, i32, String)> {
    let code = run.wait()?.code().unwrap_or(-1);
    let log = std::fs::read_to_string(folder.join("log"))?;
    let path = only_run(folder).map_err(|error| format!("{error}: {log}"))?.join("record.json");
    Ok((serde_json::from_str(&std::fs::read_to_string(path)?)?, code, log))
}

#[test]
fn a_run_on_three_nodes_is_exact_and_their_ports_are_on_loopback_alone() -> Outcome {
    let cluster = Cluster::start("exact")?;
    for node in &cluster.nodes {
        let ports = Command::new("docker").args(["port", node.id()]).output()?;
        let ports = String::from_utf8(ports.stdout)?;
        assert_eq!(ports.lines().count(), 2, "{ports}");
        assert!(ports.lines().all(|line| line.contains("-> 127.0.0.1:")), "{ports}");
    }
    let folder = tempfile::tempdir()?;
    let (record, code, log) = record(cluster.run(folder.path())?, folder.path())?;
    assert!([0, 3].contains(&code), "{code}: {log}");
    let load = &record["load"];
    assert_eq!(load["intended"], load["acked"], "{log}");
    assert_eq!(record["groups"][0]["lost"], 0);
    let nodes = record["broker"]["nodes"].as_array().ok_or("nodes")?;
    assert_eq!(nodes.iter().filter_map(|node| node["name"].as_str()).collect::<Vec<_>>(), NODES);
    assert_eq!(record["broker"]["durability"], "replicated 2/3, page cache");
    let leader = record["broker"]["stream_leader"].as_str().ok_or("a leader")?;
    assert!(NODES.contains(&leader), "{leader}");
    Ok(())
}

/// A node that stops answering without closing a connection, as a machine does that hangs: what a process on this machine cannot
/// show as a whole, its network included.
#[test]
fn a_node_that_hangs_during_a_run_loses_nothing() -> Outcome {
    let cluster = Cluster::start("hangs")?;
    let folder = tempfile::tempdir()?;
    let run = cluster.run(folder.path())?;
    // For two seconds of the measure phase.
    let start = Instant::now();
    let measures = || {
        let journal = only_run(folder.path())
            .map(|run| run.join("journal.jsonl"))
            .and_then(|path| Ok(std::fs::read_to_string(path)?));
        journal.is_ok_and(|text| text.contains(r#""line":"phase""#))
    };
    while !measures() {
        assert!(start.elapsed() < PATIENCE, "{}", std::fs::read_to_string(folder.path().join("log"))?);
        std::thread::sleep(Duration::from_millis(20));
    }
    let pause = |what: &str| Command::new("docker").args([what, cluster.nodes[2].id()]).output();
    assert!(pause("pause")?.status.success());
    std::thread::sleep(Duration::from_secs(2));
    assert!(pause("unpause")?.status.success());
    let (record, code, log) = record(run, folder.path())?;
    assert!([0, 1, 3].contains(&code), "{code}: {log}");
    assert_eq!(record["groups"][0]["lost"], 0, "{log}");
    assert_eq!(record["load"]["acked"], record["load"]["intended"], "{log}");
    Ok(())
}
