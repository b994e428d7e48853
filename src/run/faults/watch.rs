//! Watches the nodes of a broker during a run with faults: who leads, which nodes end, and when they are healthy again.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{Receiver as Inbox, RecvTimeoutError};
use std::time::Duration;

use super::Stage;
use crate::plan::Ns;
use crate::record::NodeState;

/// Time between two questions for the leaders.
const LEADERS_NS: Ns = 250_000_000;
/// Time between two looks at the nodes.
const LOOK: Duration = Duration::from_millis(50);
/// How long a node may take to answer.
const ANSWER: Duration = Duration::from_secs(1);

pub(super) struct Watch {
    stage: Arc<Stage>,
    leaders_at: Ns,
}

impl Watch {
    pub(super) const fn new(stage: Arc<Stage>) -> Self {
        Self { stage, leaders_at: 0 }
    }

    /// Watches until the sender is gone.
    pub(super) fn go_on_until(mut self, end: &Inbox<Infallible>) {
        loop {
            self.note_ends();
            self.note_health();
            if self.stage.clock.now() >= self.leaders_at {
                self.leaders_at = self.stage.clock.now() + LEADERS_NS;
                self.note_leaders();
            }
            if matches!(end.recv_timeout(LOOK), Err(RecvTimeoutError::Disconnected)) {
                return;
            }
        }
    }

    /// The nodes that run and are not stopped, those with cut links included: no other is asked anything.
    fn up(&self) -> Vec<usize> {
        let Stage { roles, account, .. } = &*self.stage;
        account.with(|book| (0..roles.nodes.len()).filter(|node| book.state(*node).runs()).collect())
    }

    /// Notes which nodes have ended, planned or not. A node is entered as running by the one who starts it.
    fn note_ends(&self) {
        let Stage { server, roles, clock, account, .. } = &*self.stage;
        // The server is held until the state is entered, so that no start comes in between.
        let Some(mut server) = server.try_hold() else { return };
        for node in 0..roles.nodes.len() {
            if !server.runs(node) {
                account.with(|book| book.set_state(node, clock.now(), NodeState::Down));
            }
        }
    }

    fn note_health(&self) {
        let Stage { roles, clock, account, links, .. } = &*self.stage;
        let up = self.up();
        let mut recovering = account.with(|book| book.recovering());
        recovering.retain(|node| up.contains(node));
        if recovering.is_empty() {
            return;
        }
        let mut healthy = roles.healthy(&recovering, ANSWER);
        // A node whose links were cut may report itself healthy before it is connected again.
        if links.is_some() && roles.nodes.len() > 1 {
            let peers = roles.peers(&healthy, ANSWER);
            let linked = |node: &usize| {
                let of_node = peers.iter().find(|(other, _)| other == node);
                of_node.is_some_and(|(_, peers)| up.len() <= peers.len() + 1)
            };
            healthy.retain(linked);
        }
        for node in healthy {
            account.with(|book| book.healthy(node, clock.now()));
        }
    }

    fn note_leaders(&self) {
        let Stage { roles, clock, account, .. } = &*self.stage;
        let claims = roles.claims(&self.up(), ANSWER);
        // A node that was stopped or ended meanwhile leads nothing, whatever the others still say.
        let up = self.up();
        for role in &roles.all {
            let leader = roles.leader(role, &claims).filter(|(node, _)| up.contains(node));
            let who = leader.and_then(|(node, _)| roles.nodes.get(node)).map_or("", String::as_str);
            account.with(|book| book.led(clock.now(), &role.what, who));
        }
    }
}
