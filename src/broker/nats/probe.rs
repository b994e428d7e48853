//! The leaders that a nats-server sees, and its connections, from its monitoring endpoint.

use serde::Deserialize;

use super::super::BrokerError;
use super::super::roles::{Asset, Claim, Probe};
use super::monitor::Monitor;

/// The monitoring endpoint of a server that tickgate started.
#[derive(Debug)]
pub(super) struct NatsProbe {
    pub(super) name: String,
    pub(super) monitor: Monitor,
}

impl Probe for NatsProbe {
    fn name(&self) -> &str {
        &self.name
    }

    fn claims(&self, _: &[Asset]) -> Result<Vec<Claim>, BrokerError> {
        let assets: Assets = self.monitor.json("/jsz?accounts=1&streams=1&consumers=1")?;
        Ok(assets.claims(&self.name))
    }

    fn clients(&self) -> Result<Vec<String>, BrokerError> {
        let connections: Connections = self.monitor.json("/connz")?;
        Ok(connections.connections.into_iter().map(|connection| connection.name).collect())
    }

    fn peers(&self) -> Result<Vec<String>, BrokerError> {
        let routes: Routes = self.monitor.json("/routez")?;
        Ok(routes.peers())
    }

    fn is_healthy(&self) -> bool {
        self.monitor.healthy().is_ok()
    }

    fn trouble(&self) -> Option<String> {
        self.monitor.healthy().err().map(|error| match error {
            BrokerError::Monitor { problem, .. } => problem,
            error => error.to_string(),
        })
    }

    fn version(&self) -> Result<String, BrokerError> {
        self.monitor.varz().map(|varz| varz.version)
    }
}

/// The used fields of `/connz`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Connections {
    connections: Vec<Connection>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Connection {
    name: String,
}

/// The used fields of `/routez`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Routes {
    routes: Vec<Route>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Route {
    remote_name: String,
}

impl Routes {
    /// Returns the servers at the other ends, each once: servers have several routes to each other.
    fn peers(self) -> Vec<String> {
        let mut peers: Vec<String> = self.routes.into_iter().map(|route| route.remote_name).collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }
}

/// The used fields of `/jsz` with the details of accounts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Assets {
    meta_cluster: Option<Raft>,
    account_details: Vec<Account>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Account {
    stream_detail: Vec<Stream>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stream {
    name: String,
    cluster: Option<Raft>,
    consumer_detail: Vec<Consumer>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Consumer {
    name: String,
    cluster: Option<Raft>,
}

/// A group of servers that elects a leader.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Raft {
    leader: String,
    leader_since: Option<String>,
}

impl Assets {
    /// Returns whom the server of this name sees as leaders.
    fn claims(self, by: &str) -> Vec<Claim> {
        let claim = |asset, raft: Option<Raft>| {
            let Raft { leader, leader_since } = raft?;
            Some(Claim { by: by.to_owned(), asset, leader, since: leader_since })
        };
        let mut all: Vec<Claim> = claim(Asset::Meta, self.meta_cluster).into_iter().collect();
        for stream in self.account_details.into_iter().flat_map(|account| account.stream_detail) {
            for consumer in stream.consumer_detail {
                let asset = Asset::Consumer { stream: stream.name.clone(), name: consumer.name };
                all.extend(claim(asset, consumer.cluster));
            }
            all.extend(claim(Asset::Stream(stream.name), stream.cluster));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::roles::leader;
    use super::*;

    /// Answers of three servers of version 2.15.1 about a stream S with a consumer g, shortened.
    const ANSWERS: [(&str, &str); 3] = [
        (
            "nats-1",
            r#"{"streams":1,"meta_cluster":{"name":"tg","leader":"nats-1","peer":"yrzKKRBu","cluster_size":3},
                "account_details":[{"name":"$G","stream_detail":[{"name":"S","cluster":{"name":"tg","leader":"nats-3"},
                  "consumer_detail":[{"stream_name":"S","name":"g","cluster":{"name":"tg","leader":"nats-1",
                    "leader_since":"2026-11-26T22:17:59.412101951Z"}}]}]}]}"#,
        ),
        (
            "nats-2",
            r#"{"streams":1,"meta_cluster":{"name":"tg","leader":"nats-1","peer":"yrzKKRBu","cluster_size":3},
                "account_details":[{"name":"$G","stream_detail":[{"name":"S","cluster":{"name":"tg","leader":"nats-3"},
                  "consumer_detail":[{"stream_name":"S","name":"g","cluster":{"name":"tg","leader":"nats-1"}}]}]}]}"#,
        ),
        (
            "nats-3",
            r#"{"streams":1,"meta_cluster":{"name":"tg","leader":"nats-1","peer":"yrzKKRBu","cluster_size":3},
                "account_details":[{"name":"$G","stream_detail":[{"name":"S","cluster":{"name":"tg","leader":"nats-3",
                  "leader_since":"2026-11-26T22:17:59.343192056Z"},
                  "consumer_detail":[{"stream_name":"S","name":"g","cluster":{"name":"tg","leader":"nats-1"}}]}]}]}"#,
        ),
    ];

    fn claims(answers: &[(&str, &str)]) -> Vec<Claim> {
        let of = |(name, text): &(&str, &str)| serde_json::from_str::<Assets>(text).unwrap().claims(name);
        answers.iter().flat_map(of).collect()
    }

    #[test]
    fn the_leaders_of_a_cluster_are_read_from_its_servers_answers() {
        let all = claims(&ANSWERS);
        let of = |asset: Asset| leader(&all, &asset, 3).map(|known| known.leader);
        assert_eq!(of(Asset::Meta).as_deref(), Some("nats-1"));
        assert_eq!(of(Asset::Stream("S".into())).as_deref(), Some("nats-3"));
        let consumer = |name: &str| Asset::Consumer { stream: "S".into(), name: name.into() };
        assert_eq!(of(consumer("g")).as_deref(), Some("nats-1"));
        assert_eq!(of(consumer("h")), None);
        let two = claims(&ANSWERS[..2]);
        assert_eq!(leader(&two, &Asset::Stream("S".into()), 3).unwrap().how, "named by nats-1, nats-2");
        assert_eq!(leader(&claims(&ANSWERS[..1]), &Asset::Stream("S".into()), 3), None);
    }

    #[test]
    fn each_peer_is_named_once_however_many_routes_there_are() {
        let answer = r#"{"server_id":"NA","server_name":"nats-1","num_routes":3,"routes":[
            {"rid":7,"remote_id":"NB","remote_name":"nats-3","did_solicit":true,"ip":"127.0.0.1","port":1},
            {"rid":8,"remote_id":"NC","remote_name":"nats-2"},{"rid":9,"remote_id":"NB","remote_name":"nats-3"}]}"#;
        assert_eq!(serde_json::from_str::<Routes>(answer).unwrap().peers(), ["nats-2", "nats-3"]);
        assert_eq!(serde_json::from_str::<Routes>("{}").unwrap().peers(), [""; 0]);
    }

    #[test]
    fn a_server_without_a_cluster_claims_nothing() {
        let alone = r#"{"streams":1,"account_details":[{"name":"$G","stream_detail":[{"name":"S","consumer_detail":[]}]}]}"#;
        assert_eq!(claims(&[("n", alone), ("n", "{}")]), []);
    }
}
