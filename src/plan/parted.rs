//! What cut links leave of the majorities that a bus needs. Every place that roles and copies may have is tried, since a bus has
//! five servers at most.

use super::Target;
use super::quorum::{Quorum, majority};

/// Some nodes, a bit for each.
type Nodes = u32;
/// The most nodes whose places are tried.
const MOST: u32 = 9;

/// What becomes of the majorities of `nodes` servers and of `replicas` copies while the links between two ends are cut.
pub(super) fn quorum([one, other]: &[Target; 2], nodes: u32, replicas: u32) -> Quorum {
    match (one, other) {
        (Target::Clients, end) | (end, Target::Clients) => from_clients(end, nodes),
        _ => between_servers([one, other], nodes.clamp(1, MOST), replicas),
    }
}

/// A server that clients reach passes their events on. Who is connected where, and whether a client notices, is not known before.
const fn from_clients(end: &Target, nodes: u32) -> Quorum {
    if end.of_nodes(nodes) >= nodes { Quorum::Lost } else { Quorum::Unsure }
}

fn between_servers([one, other]: [&Target; 2], nodes: u32, replicas: u32) -> Quorum {
    let (mut kept, mut lost) = (false, false);
    for place in places(nodes, replicas.clamp(1, nodes)) {
        for cut in place.cuts(one, other) {
            if place.serves(cut) {
                kept = true;
            } else {
                lost = true;
            }
        }
    }
    match (kept, lost) {
        (true, false) => Quorum::Kept,
        (false, true) => Quorum::Lost,
        _ => Quorum::Unsure,
    }
}

/// Where the copies of the stream and its leader are.
#[derive(Debug, Clone, Copy)]
struct Place {
    nodes: u32,
    replicas: u32,
    copies: Nodes,
    leader: Nodes,
}

fn places(nodes: u32, replicas: u32) -> impl Iterator<Item = Place> {
    let of = move |copies: Nodes| {
        singles(nodes).filter(move |leader| copies & leader != 0).map(move |leader| Place {
            nodes,
            replicas,
            copies,
            leader,
        })
    };
    sets(nodes, replicas).flat_map(of)
}

/// All sets of `size` nodes.
fn sets(nodes: u32, size: u32) -> impl Iterator<Item = Nodes> {
    (0..=all(nodes)).filter(move |set: &Nodes| set.count_ones() == size)
}

fn singles(nodes: u32) -> impl Iterator<Item = Nodes> {
    (0..nodes).map(|node| 1 << node)
}

const fn all(nodes: u32) -> Nodes {
    (1 << nodes) - 1
}

impl Place {
    /// The nodes that an end may be; `None` for the others.
    fn of(&self, end: &Target) -> Option<Vec<Nodes>> {
        let single = |fits: &dyn Fn(Nodes) -> bool| -> Vec<Nodes> {
            singles(self.nodes).filter(|node| fits(*node)).collect()
        };
        Some(match end {
            Target::Others => return None,
            Target::StreamLeader => vec![self.leader],
            Target::ConsumerLeader(_) => single(&|node| self.copies & node != 0),
            Target::Follower => single(&|node| node != self.leader),
            Target::Node(number) => single(&|node| node.trailing_zeros() + 1 == *number),
            end => sets(self.nodes, end.of_nodes(self.nodes)).collect(),
        })
    }

    /// The ends of the cut links, as far as there are links between them.
    fn cuts(&self, one: &Target, other: &Target) -> Vec<[Nodes; 2]> {
        let others = |ends: Vec<Nodes>| ends.into_iter().map(|end| [end, all(self.nodes) & !end]).collect();
        let cuts: Vec<[Nodes; 2]> = match (self.of(one), self.of(other)) {
            (Some(one), Some(other)) => {
                one.iter().flat_map(|a| other.iter().map(move |b| [*a, *b])).collect()
            }
            (Some(ends), None) | (None, Some(ends)) => others(ends),
            (None, None) => Vec::new(),
        };
        let has_links = |[a, b]: &[Nodes; 2]| *a != 0 && *b != 0 && (a != b || a.count_ones() > 1);
        cuts.into_iter().filter(has_links).collect()
    }

    /// Is there a node with a copy that reaches a majority of the nodes, and of the copies?
    fn serves(&self, [a, b]: [Nodes; 2]) -> bool {
        let reached = |node: Nodes| {
            let cut = if a & node == 0 { 0 } else { b } | if b & node == 0 { 0 } else { a };
            (all(self.nodes) & !cut) | node
        };
        singles(self.nodes).filter(|node| self.copies & node != 0).map(reached).any(|reached| {
            reached.count_ones() >= majority(self.nodes)
                && (reached & self.copies).count_ones() >= majority(self.replicas)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Quorum::{Kept, Lost, Unsure};

    fn cut(one: &str, other: &str, nodes: u32, replicas: u32) -> Quorum {
        quorum(&[one.parse().unwrap(), other.parse().unwrap()], nodes, replicas)
    }

    #[test]
    fn the_side_with_a_majority_of_servers_and_copies_goes_on() {
        for (one, other, nodes, replicas, expected) in [
            ("stream-leader", "others", 3, 3, Kept),
            ("others", "stream-leader", 3, 3, Kept),
            ("majority", "others", 3, 3, Kept),
            ("minority", "majority", 3, 3, Kept),
            ("minority", "majority", 5, 5, Kept),
            ("node-1", "node-2", 3, 3, Kept),
            ("all", "all", 3, 3, Lost),
            ("all", "all", 5, 1, Lost),
            ("stream-leader", "others", 3, 1, Lost),
            ("consumer-leader:g", "others", 3, 1, Lost),
            ("node-2", "others", 3, 1, Unsure),
            ("follower", "others", 3, 1, Kept),
            ("stream-leader", "others", 5, 3, Kept),
            ("minority", "others", 5, 3, Unsure),
            ("majority", "others", 5, 3, Unsure),
            ("all", "stream-leader", 3, 3, Kept),
        ] {
            let found = cut(one, other, nodes, replicas);
            assert_eq!(found, expected, "{one} and {other} of {nodes}, {replicas} copies");
        }
    }

    #[test]
    fn clients_without_any_server_have_none_that_passes_events_on() {
        assert_eq!(cut("clients", "all", 3, 3), Lost);
        assert_eq!(cut("node-1", "clients", 1, 1), Lost);
        assert_eq!(cut("connected", "clients", 3, 3), Unsure);
        assert_eq!(cut("clients", "majority", 3, 3), Unsure);
    }

    #[test]
    fn what_has_no_links_leaves_nothing_to_say() {
        assert_eq!(cut("others", "others", 3, 3), Unsure);
        assert_eq!(cut("node-1", "node-1", 3, 3), Unsure);
        assert_eq!(cut("all", "others", 3, 3), Unsure);
        assert_eq!(cut("all", "all", 1, 1), Unsure);
    }
}
