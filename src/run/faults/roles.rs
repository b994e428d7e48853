//! Asks the nodes of a broker for leaders and connections. No answer is waited for longer than allowed,
//! whatever state a node is in.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::Builder;
use std::time::{Duration, Instant};

use crate::broker::{Asset, BrokerError, Claim, Known, Node, Probe, leader};
use crate::bus::Names;
use crate::num;
use crate::plan::Plan;

/// Something that nodes elect a leader for, and that a record lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Role {
    /// As in a record: `stream`, `meta`, `consumer GROUP`.
    pub(super) what: String,
    /// The group, of a consumer.
    pub(super) group: Option<String>,
    pub(super) asset: Asset,
    /// How many nodes have a copy.
    pub(super) copies: usize,
}

/// The nodes, and what they elect leaders for.
pub(super) struct Roles {
    /// Names of the nodes in a record.
    pub(super) nodes: Vec<String>,
    /// Addresses for clients.
    pub(super) addresses: Vec<String>,
    pub(super) all: Vec<Role>,
    /// How the nodes call the connection of the first generator.
    pub(super) publisher: String,
    probes: Vec<Arc<dyn Probe>>,
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roles").field("nodes", &self.nodes).field("all", &self.all).finish_non_exhaustive()
    }
}

impl Roles {
    pub(super) fn new(plan: &Plan, names: &Names, nodes: Vec<Node>, probes: Vec<Arc<dyn Probe>>) -> Self {
        let copies = num::index32(plan.bus.replicas.max(1));
        let role = |what: &str, group: Option<&str>, asset, copies| Role {
            what: what.to_owned(),
            group: group.map(str::to_owned),
            asset,
            copies,
        };
        let stream = names.stream.clone();
        let mut all = vec![
            role("stream", None, Asset::Stream(stream.clone()), copies),
            role("meta", None, Asset::Meta, nodes.len()),
        ];
        for (group, consumer) in plan.groups.iter().zip(&names.consumers) {
            let asset = Asset::Consumer { stream: stream.clone(), name: consumer.clone() };
            all.push(role(&format!("consumer {}", group.name), Some(&group.name), asset, copies));
        }
        let (nodes, addresses) = nodes.into_iter().map(|node| (node.name, node.address)).unzip();
        Self { nodes, addresses, all, publisher: names.publisher.clone(), probes }
    }

    /// Asks these nodes for the leaders that they see.
    pub(super) fn claims(&self, nodes: &[usize], within: Duration) -> Vec<Claim> {
        let of: Arc<[Asset]> = self.all.iter().map(|role| role.asset.clone()).collect();
        let answers = self.ask(nodes, within, move |probe| probe.claims(&of));
        answers.into_iter().flat_map(|(_, claims)| claims).collect()
    }

    /// Asks these nodes for their clients.
    pub(super) fn clients(&self, nodes: &[usize], within: Duration) -> Vec<(usize, Vec<String>)> {
        self.ask(nodes, within, |probe| probe.clients())
    }

    /// Asks these nodes which nodes they are connected to, by [`Self::probe_name`].
    pub(super) fn peers(&self, nodes: &[usize], within: Duration) -> Vec<(usize, Vec<String>)> {
        self.ask(nodes, within, |probe| probe.peers())
    }

    /// Returns how nodes call each other.
    pub(super) fn probe_name(&self, node: usize) -> Option<&str> {
        self.probes.get(node).map(|probe| probe.name())
    }

    /// Returns which of these nodes are healthy.
    pub(super) fn healthy(&self, nodes: &[usize], within: Duration) -> Vec<usize> {
        let answers = self.ask(nodes, within, |probe| Ok(probe.is_healthy()));
        answers.into_iter().filter_map(|(node, healthy)| healthy.then_some(node)).collect()
    }

    /// Asks these nodes why they are not healthy.
    pub(super) fn troubles(&self, nodes: &[usize], within: Duration) -> Vec<(usize, String)> {
        let answers = self.ask(nodes, within, |probe| Ok(probe.trouble()));
        answers.into_iter().filter_map(|(node, trouble)| Some((node, trouble?))).collect()
    }

    /// Asks these nodes for the versions of their servers.
    pub(super) fn versions(&self, nodes: &[usize], within: Duration) -> Vec<(usize, String)> {
        self.ask(nodes, within, |probe| probe.version())
    }

    /// Returns the leader of a role and how it is known, by these claims. The only node leads everything.
    pub(super) fn leader(&self, role: &Role, claims: &[Claim]) -> Option<(usize, String)> {
        if self.nodes.len() == 1 {
            return Some((0, "the only node".to_owned()));
        }
        let Known { leader, how } = leader(claims, &role.asset, role.copies)?;
        let node = self.probes.iter().position(|probe| probe.name() == leader)?;
        Some((node, how))
    }

    /// Asks these nodes at the same time, each on a thread of its own, which ends by the question's own deadline.
    fn ask<T: Send + 'static>(
        &self,
        nodes: &[usize],
        within: Duration,
        question: impl Fn(&dyn Probe) -> Result<T, BrokerError> + Clone + Send + 'static,
    ) -> Vec<(usize, T)> {
        let (answer, answers) = channel();
        for node in nodes {
            let Some(probe) = self.probes.get(*node).map(Arc::clone) else { continue };
            let (node, answer, question) = (*node, answer.clone(), question.clone());
            let ask = move || {
                if let Ok(said) = question(&*probe) {
                    let _ = answer.send((node, said));
                }
            };
            // Without a thread, the node counts as one that does not answer.
            let _ = Builder::new().name("ask".into()).spawn(ask);
        }
        drop(answer);
        let (deadline, mut all) = (Instant::now() + within, Vec::new());
        // Until all have answered, or the time is over.
        while let Ok(said) = answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            all.push(said);
        }
        all.sort_by_key(|(node, _)| *node);
        all
    }
}
