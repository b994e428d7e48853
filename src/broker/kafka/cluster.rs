//! Several Kafkas that form a cluster on loopback; each node is broker and controller.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::super::BrokerError;
use super::super::cluster::{Member, ServerCluster};
use super::super::process::child::{Child, check_room, check_store};
use super::super::process::ports::{Ports, free_ports};
use super::super::roles::Probe;
use super::super::server::{Deed, node_log};
use super::quorum::{Leader, missing};
use super::{KafkaConfig, LocalKafka, Membership, PORT_ATTEMPTS, READY_WITHIN, cluster_id, is_clash};
use crate::num;
use crate::plan::Storage;

/// Largest number of nodes.
const MOST: usize = 5;

/// A running cluster of Kafkas with their stores; dropping it ends all nodes and removes their stores.
pub type KafkaCluster = ServerCluster<LocalKafka>;

impl KafkaCluster {
    /// Formats the stores of `nodes` Kafkas with the same settings, starts them, and returns when all of them answer clients
    /// and see the same controller. `config.port` is the first node's, and the log of each node is named after `config.log`
    /// (see [`node_log`]).
    ///
    /// # Errors
    /// When a store cannot be in the requested place, when a node ends, or when they are not ready within 180 s.
    pub fn start(config: &KafkaConfig, nodes: usize) -> Result<Self, BrokerError> {
        let warning = check_store(&config.store_parent, Storage::File, config.sync)?;
        check_room(&config.store_parent, config.needed)?;
        let mut attempt = 1;
        loop {
            let mut cluster = Self::prepare(config, nodes)?;
            match cluster.begin() {
                Err(BrokerError::Ended { log, .. })
                    if is_clash(&log) && config.port.is_none() && attempt < PORT_ATTEMPTS =>
                {
                    attempt += 1;
                }
                started => {
                    cluster.warn(warning.into_iter().chain(config.kafka.warning.clone()));
                    return started.map(|()| cluster);
                }
            }
        }
    }

    /// Prepares the nodes and formats their stores, all at once.
    fn prepare(config: &KafkaConfig, nodes: usize) -> Result<Self, BrokerError> {
        let ports: [u16; 2 * MOST] = free_ports(config.port).map_err(BrokerError::io("find free ports"))?;
        let ports: Vec<[u16; 2]> = ports.as_chunks::<2>().0.iter().take(nodes.max(1)).copied().collect();
        let controllers: Vec<u16> = ports.iter().map(|[_, controller]| *controller).collect();
        let cluster = cluster_id();
        let mut servers = Vec::new();
        for (index, [client, monitor]) in ports.into_iter().enumerate() {
            let own = KafkaConfig { log: node_log(&config.log, index), ..config.clone() };
            let place =
                Membership { id: index + 1, controllers: controllers.clone(), cluster: cluster.clone() };
            let name = format!("kafka-{}", index + 1);
            servers.push(LocalKafka::prepare(own, name, Ports { client, monitor }, place)?);
        }
        let mut formatting = Vec::new();
        for server in &mut servers {
            formatting.push(server.begin_format()?);
        }
        for (server, tool) in servers.iter().zip(formatting) {
            server.end_format(tool)?;
        }
        let addresses = servers.iter().map(Member::address).collect::<Vec<_>>().join(",");
        let version = Some(config.kafka.version.clone());
        let heap = ("heap of a node".to_owned(), num::show::size(config.heap.bytes));
        Ok(Self::of(servers, format!("kafka://{addresses}"), version, vec![heap]))
    }
}

impl Member for LocalKafka {
    type View = (String, Result<Leader, String>);
    const SERVERS: &'static str = "Kafkas";
    /// The nodes of a cluster share the machine while they start.
    const READY_WITHIN: Duration = READY_WITHIN.saturating_mul(2);

    fn name(&self) -> &str {
        &self.name
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.client)
    }

    fn begin(&mut self) -> Result<(), BrokerError> {
        self.begin()
    }

    fn has_opened(&self) -> bool {
        self.endpoint().answers()
    }

    fn view(&self) -> Self::View {
        let endpoint = self.endpoint();
        (self.name.clone(), endpoint.leader())
    }

    fn missing(views: &[Self::View]) -> Vec<String> {
        missing(views)
    }

    fn probe(&self) -> Arc<dyn Probe> {
        Arc::new(self.endpoint())
    }

    fn store(&self) -> PathBuf {
        self.store()
    }

    fn carry_out(&mut self, deed: Deed) -> Result<(), BrokerError> {
        match deed {
            Deed::Terminate => self.child.carry_out(deed),
            // There is no such mode, and no test of another version and of failing writes.
            Deed::LameDuck | Deed::Upgrade | Deed::FailWrites | Deed::AllowWrites => {
                Err(BrokerError::NoSuchControl)
            }
        }
    }

    fn child(&self) -> &Child {
        &self.child
    }

    fn child_mut(&mut self) -> &mut Child {
        &mut self.child
    }
}
