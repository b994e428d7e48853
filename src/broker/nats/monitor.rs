//! Reads a server's figures from its monitoring endpoint (plain HTTP, on loopback or elsewhere).

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::BrokerError;
use super::endpoint::Endpoint;

/// Maximum time for a complete answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Maximum size of an answer, bytes.
const LONGEST: u64 = 16 << 20;

/// The monitoring endpoint of one server.
#[derive(Debug, Clone)]
pub struct Monitor {
    address: SocketAddr,
    /// `host:port` for the request's header.
    host: String,
    /// Path prefix of the endpoint, empty or `/base`.
    base: String,
}

/// The used fields of `/varz`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Varz {
    /// Unique ID of the server, which changes with a restart.
    pub server_id: String,
    /// Name of the server.
    pub server_name: String,
    /// Start time, RFC 3339.
    pub start: String,
    /// Cluster of the server, if any.
    pub cluster: ClusterName,
    /// Version, such as `2.15.1`.
    pub version: String,
    /// Resident memory, bytes.
    pub mem: u64,
    /// Current CPU use, per cent of one core.
    pub cpu: f64,
    /// Cores of the server's machine.
    pub cores: u32,
    /// Cores that the server's runtime uses.
    pub gomaxprocs: u32,
    /// Connected clients.
    pub connections: u64,
    /// Maximum payload size, bytes.
    pub max_payload: u64,
    /// Host that clients connect to.
    pub host: String,
    /// Host of the monitoring endpoint.
    pub http_host: String,
    /// Port of the monitoring endpoint; 0 if there is none.
    pub http_port: u16,
    /// Whether clients need credentials.
    pub auth_required: bool,
    /// Whether clients need TLS.
    pub tls_required: bool,
    /// Clients disconnected because they read too slowly.
    pub slow_consumers: u64,
    /// Hash of the configuration.
    pub config_digest: String,
    /// `JetStream`, if enabled.
    pub jetstream: JetStream,
}

/// The used fields of `/varz` about the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ClusterName {
    /// Name of the cluster; empty if the server is in none.
    pub name: String,
    /// Routes of the configuration, `host:port`, whether they exist or not.
    pub urls: Vec<String>,
}

/// The used fields of `/routez`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Routez {
    /// Its connections to other servers, several for each.
    pub routes: Vec<Route>,
}

/// A connection to another server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Route {
    /// Name of the other server.
    pub remote_name: String,
}

impl Routez {
    /// Returns the names of the servers that the routes lead to.
    #[must_use]
    pub fn names(self) -> BTreeSet<String> {
        self.routes.into_iter().map(|route| route.remote_name).collect()
    }
}

/// The used fields of `/varz` about `JetStream`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct JetStream {
    /// Configuration; `None` if `JetStream` is off.
    pub config: Option<JetStreamConfig>,
    /// Space that the streams use now.
    pub stats: JetStreamStats,
    /// Role in a cluster; a server without it is not clustered, whatever its configuration says.
    pub meta: Option<Meta>,
}

/// Space that a server's streams use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct JetStreamStats {
    /// Size of memory streams, bytes.
    pub memory: u64,
    /// Size of file streams, bytes.
    pub storage: u64,
}

/// The group of servers that decides where streams are placed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// Name of the leader's server; empty while there is no leader.
    pub leader: String,
    /// Number of servers.
    pub cluster_size: u32,
    /// The other servers, as this one sees them: only the leader knows their states.
    pub replicas: Vec<Peer>,
}

/// Another server of the group that decides where streams are placed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Peer {
    /// Name of the server.
    pub name: String,
    /// Whether it has everything that the leader has.
    pub current: bool,
    /// Whether it is not connected.
    pub offline: bool,
}

/// The configuration of `JetStream`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct JetStreamConfig {
    /// Maximum size of memory streams, bytes.
    pub max_memory: u64,
    /// Maximum size of file streams, bytes.
    pub max_storage: u64,
    /// Directory of file streams.
    pub store_dir: String,
    /// Time between two forced writes to the disk, nanoseconds.
    pub sync_interval: u64,
    /// Whether each write is forced to the disk.
    pub sync_always: bool,
}

/// The used fields of `/jsz`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Jsz {
    /// Size of memory streams, bytes.
    pub memory: u64,
    /// Size of file streams, bytes.
    pub storage: u64,
    /// Number of streams.
    pub streams: u64,
    /// Number of consumers.
    pub consumers: u64,
    /// Number of stored events.
    pub messages: u64,
}

impl Monitor {
    /// Returns the endpoint at an address.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self { address, host: address.to_string(), base: String::new() }
    }

    /// Returns the endpoint at a URL, whose host is resolved now.
    ///
    /// # Errors
    /// When the host has no address.
    pub fn of(endpoint: &Endpoint) -> Result<Self, BrokerError> {
        let no_address = |problem: String| BrokerError::Monitor { url: endpoint.to_string(), problem };
        let addresses = (endpoint.host(), endpoint.port())
            .to_socket_addrs()
            .map_err(|error| no_address(error.to_string()))?
            .collect::<Vec<_>>();
        // A server often listens on IPv4 only, while its name resolves to both families.
        let answering =
            addresses.iter().find(|address| TcpStream::connect_timeout(address, PATIENCE).is_ok());
        let address = answering.or(addresses.first()).copied();
        Ok(Self {
            address: address.ok_or_else(|| no_address("its host has no address".into()))?,
            host: endpoint.authority(),
            base: endpoint.base().to_owned(),
        })
    }

    /// Reads general figures.
    ///
    /// # Errors
    /// When the server does not answer with JSON within 2 s.
    pub fn varz(&self) -> Result<Varz, BrokerError> {
        self.json("/varz")
    }

    /// Reads figures of `JetStream`.
    ///
    /// # Errors
    /// When the server does not answer with JSON within 2 s.
    pub fn jsz(&self) -> Result<Jsz, BrokerError> {
        self.json("/jsz")
    }

    /// Reads the routes to other servers.
    ///
    /// # Errors
    /// When the server does not answer with JSON within 2 s.
    pub fn routez(&self) -> Result<Routez, BrokerError> {
        self.json("/routez")
    }

    /// Checks that the server reports itself healthy, streams included.
    ///
    /// # Errors
    /// When it does not, or does not answer.
    pub fn healthy(&self) -> Result<(), BrokerError> {
        self.get("/healthz").map(|_| ())
    }

    pub(super) fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, BrokerError> {
        let body = self.get(path)?;
        serde_json::from_slice(&body).map_err(|error| self.error(path, format!("not as expected: {error}")))
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, BrokerError> {
        let answer = self.exchange(path).map_err(|error| self.error(path, error.to_string()))?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = answer.split_at(end.map_or(answer.len(), |end| end + 4));
        let head = String::from_utf8_lossy(head);
        match head.split(' ').nth(1).filter(|_| head.starts_with("HTTP/")) {
            Some("200") if end.is_some() => Ok(body.to_owned()),
            Some(status) => {
                let detail: String = String::from_utf8_lossy(body).chars().take(300).collect();
                Err(self.error(path, format!("status {status}: {detail}")))
            }
            None => Err(self.error(path, "not an HTTP answer".into())),
        }
    }

    /// Requests with HTTP 1.0, so that the answer ends with the connection and is never chunked.
    fn exchange(&self, path: &str) -> std::io::Result<Vec<u8>> {
        let deadline = Instant::now() + PATIENCE;
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // Send it in one write: a server that answers the first part would reset the connection when the rest arrives.
        stream.write_all(
            format!("GET {}{path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.base, self.host).as_bytes(),
        )?;
        let mut answer = Vec::new();
        let mut part = [0; 16 << 10];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(std::io::Error::other("no whole answer within 2 s"));
            }
            stream.set_read_timeout(Some(left))?;
            match stream.read(&mut part) {
                Ok(0) => return Ok(answer),
                Ok(n) => answer.extend_from_slice(part.get(..n).unwrap_or_default()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
            if crate::num::count(answer.len()) > LONGEST {
                return Err(std::io::Error::other("the answer is too long"));
            }
        }
    }

    fn error(&self, path: &str, problem: String) -> BrokerError {
        BrokerError::Monitor { url: format!("http://{}{}{path}", self.host, self.base), problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Serves one answer and returns the endpoint.
    fn answers(text: &'static str) -> Monitor {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let _ = client.read(&mut [0; 1024]);
            client.write_all(text.as_bytes()).unwrap();
        });
        Monitor::at(address)
    }

    #[test]
    fn an_answer_is_read_as_far_as_it_is_known() {
        let varz = answers(
            "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"version\":\"2.15.1\",\"mem\":7,\"new\":[1],\
             \"jetstream\":{\"config\":{\"sync_always\":true}}}",
        )
        .varz()
        .unwrap();
        assert_eq!((varz.version.as_str(), varz.mem, varz.slow_consumers), ("2.15.1", 7, 0));
        assert!(varz.jetstream.config.unwrap().sync_always);
        assert!(varz.jetstream.meta.is_none());
    }

    #[test]
    fn bad_answers_are_errors_that_say_what_came() {
        let bad =
            answers("HTTP/1.0 503 Unavailable\r\n\r\n{\"error\":\"no\"}").healthy().unwrap_err().to_string();
        assert!(bad.contains("status 503") && bad.contains("\"error\":\"no\""), "{bad}");
        let clients = answers("INFO {\"server_id\":\"N\"} \r\n").varz().unwrap_err().to_string();
        assert!(clients.ends_with("not an HTTP answer"), "{clients}");
        for text in ["", "garbage", "HTTP/1.0 200 OK\r\n", "HTTP/1.0 200 OK\r\n\r\n{\"mem\":"] {
            assert!(answers(text).varz().is_err(), "{text}");
        }
        assert!(Monitor::at("127.0.0.1:1".parse().unwrap()).varz().is_err());
    }
}
