//! Three real servers of one cluster.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::nats::NatsServer;
use super::ports::free_ports;

/// Servers `n1` to `n3`, and the URL of each one's monitoring endpoint.
pub struct Cluster {
    pub servers: Vec<NatsServer>,
    pub urls: Vec<String>,
    monitors: Vec<u16>,
}

impl Cluster {
    /// Starts the servers, and waits until streams can be made.
    pub fn start() -> Self {
        Self::with("")
    }

    /// With more lines in the configuration of each server.
    pub fn with(extra: &str) -> Self {
        let ports = free_ports::<6>();
        let (monitors, routes) = ports.split_at(3);
        let all: Vec<String> = routes.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        let servers = monitors.iter().zip(routes).enumerate().map(|(n, (monitor, route))| {
            NatsServer::with(&format!(
                "server_name: n{}\nhttp: \"127.0.0.1:{monitor}\"\ncluster {{ name: trio, listen: \"127.0.0.1:{route}\", \
                 routes: [ {} ] }}\n{extra}",
                n + 1,
                all.join(", ")
            ))
        });
        let cluster = Self {
            servers: servers.collect(),
            urls: monitors.iter().map(|port| format!("http://127.0.0.1:{port}")).collect(),
            monitors: monitors.to_vec(),
        };
        cluster.until_ready();
        cluster
    }

    /// The addresses of all servers, as an option takes them.
    pub fn address(&self) -> String {
        self.servers.iter().map(NatsServer::url).collect::<Vec<_>>().join(",")
    }

    fn until_ready(&self) {
        let patience = Instant::now();
        while self.ready().is_none() {
            assert!(patience.elapsed() < Duration::from_secs(90), "no cluster:\n{}", self.servers[0].log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whether every server is healthy and names the same leader, and the leader's replicas are current: only the
    /// leader knows of both others.
    fn ready(&self) -> Option<()> {
        let ask = |path: &str| self.monitors.iter().map(|port| get(*port, path)).collect::<Option<Vec<_>>>();
        ask("/healthz")?;
        let metas: Vec<Value> = ask("/varz")?.iter().map(|varz| varz["jetstream"]["meta"].clone()).collect();
        let leader = metas[0]["leader"].as_str().filter(|name| !name.is_empty())?;
        let one = metas.iter().all(|meta| meta["leader"] == leader && meta["cluster_size"] == 3);
        let leads: usize = leader.strip_prefix('n')?.parse().ok()?;
        let replicas = metas.get(leads - 1)?["replicas"].as_array()?;
        let current = replicas.iter().filter(|replica| replica["current"] == true).count();
        (one && current == 2).then_some(())
    }
}

/// The JSON of a monitoring endpoint that says OK.
fn get(port: u16, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    (head.split(' ').nth(1)? == "200").then(|| serde_json::from_str(body).ok())?
}
