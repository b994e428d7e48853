//! What a fault does to the majorities that a bus needs: that of its servers, and that of a stream's copies.

use super::{Action, Fault, Plan, Target, parted};

/// What becomes of the majorities while a fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quorum {
    /// A majority is left, whichever nodes are hit.
    Kept,
    /// It depends on whether the nodes hold a copy of the stream, or on where clients are connected.
    Unsure,
    /// None is left.
    Lost,
}

impl Fault {
    /// What the fault does to the majorities of the plan's servers and copies.
    #[must_use]
    pub fn quorum(&self, plan: &Plan) -> Quorum {
        let nodes = plan.cluster.nodes.max(1);
        match self.action {
            Action::Kill
            | Action::Stop
            | Action::Restart
            | Action::LameDuck
            | Action::WriteError
            | Action::PowerLoss => {
                self.target.as_ref().map_or(Quorum::Unsure, |target| target.quorum(nodes, plan.bus.replicas))
            }
            Action::RollingRestart | Action::RollingUpgrade => Target::Any.quorum(nodes, plan.bus.replicas),
            Action::Partition => self
                .between
                .as_ref()
                .map_or(Quorum::Unsure, |ends| parted::quorum(ends, nodes, plan.bus.replicas)),
            Action::Slow | Action::StepDown | Action::CrashMember | Action::RestartGroup | Action::Poison => {
                Quorum::Kept
            }
        }
    }
}

impl Target {
    /// How many of `nodes` servers it names; none for a member, a group or the clients.
    #[must_use]
    pub const fn of_nodes(&self, nodes: u32) -> u32 {
        let may_fail = nodes.saturating_sub(majority(nodes));
        match self {
            Self::StreamLeader
            | Self::MetaLeader
            | Self::ConsumerLeader(_)
            | Self::Follower
            | Self::Connected
            | Self::Node(_)
            | Self::Any => 1,
            Self::Minority => may_fail,
            Self::Majority => may_fail + 1,
            Self::All => nodes,
            Self::Others | Self::Clients | Self::Group(..) => 0,
        }
    }

    /// Is it the node of a leader, which has a copy of the stream?
    const fn has_a_copy(&self) -> bool {
        matches!(self, Self::StreamLeader | Self::ConsumerLeader(_))
    }

    /// What the loss of its nodes does to the majorities of `nodes` servers and of `replicas` copies on some of them.
    fn quorum(&self, nodes: u32, replicas: u32) -> Quorum {
        let lost = self.of_nodes(nodes);
        let copies_may_fail = replicas.saturating_sub(majority(replicas));
        // At least so many of the lost nodes have a copy, and at most so many.
        let elsewhere = nodes.saturating_sub(replicas);
        let surely = lost.saturating_sub(elsewhere).max(u32::from(self.has_a_copy()));
        let at_worst = lost.min(replicas);
        if lost > nodes.saturating_sub(majority(nodes)) || surely > copies_may_fail {
            Quorum::Lost
        } else if at_worst > copies_may_fail {
            Quorum::Unsure
        } else {
            Quorum::Kept
        }
    }
}

pub(super) const fn majority(of: u32) -> u32 {
    of / 2 + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use Quorum::{Kept, Lost, Unsure};

    #[test]
    fn a_majority_is_lost_by_the_servers_or_by_the_copies() {
        for (target, nodes, replicas, quorum) in [
            (Target::Any, 1, 1, Lost),
            (Target::StreamLeader, 3, 3, Kept),
            (Target::Minority, 3, 3, Kept),
            (Target::Majority, 3, 3, Lost),
            (Target::All, 3, 3, Lost),
            (Target::StreamLeader, 3, 1, Lost),
            (Target::StreamLeader, 3, 2, Lost),
            (Target::Node(2), 3, 1, Unsure),
            (Target::MetaLeader, 3, 2, Unsure),
            (Target::Minority, 5, 3, Unsure),
            (Target::Minority, 5, 5, Kept),
            (Target::Majority, 5, 5, Lost),
            (Target::Minority, 5, 4, Unsure),
            (Target::ConsumerLeader("g".into()), 3, 1, Lost),
        ] {
            assert_eq!(target.quorum(nodes, replicas), quorum, "{target} of {nodes}, {replicas} copies");
        }
        let counts = [Target::Minority, Target::Majority, Target::All].map(|target| target.of_nodes(5));
        assert_eq!(counts, [2, 3, 5]);
        assert_eq!(Target::Clients.of_nodes(3), 0);
    }
}
