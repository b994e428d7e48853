//! Which nodes a target means, by what the nodes say. Pure.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::num;
use crate::plan::{Cluster, Target};

/// What is known when a target is resolved.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    /// Number of nodes.
    pub(super) nodes: usize,
    /// Each role, with its group if it is a consumer, and with its leader and how that is known, if it is.
    pub(super) leaders: Vec<Leadership>,
    /// The nodes that the first generator is connected to: on some products it is to several.
    pub(super) connected: Vec<usize>,
    /// Decides where a target leaves the choice.
    pub(super) draw: u64,
}

/// A role and who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leadership {
    /// As in a record.
    pub(super) what: String,
    /// The group, of a consumer.
    pub(super) group: Option<String>,
    /// The leader, and how it is known.
    pub(super) leader: Option<(usize, String)>,
}

/// The nodes that a target means, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) nodes: Vec<usize>,
    pub(super) how: String,
}

/// Draws a number for a fault, the same in each run of the plan.
pub(super) fn draw(seed: u64, fault: &str) -> u64 {
    xxh3_64_with_seed(fault.as_bytes(), seed)
}

/// Returns whether the nodes must be asked to resolve a target.
pub(super) const fn needs_answers(target: &Target) -> bool {
    matches!(
        target,
        Target::StreamLeader
            | Target::MetaLeader
            | Target::ConsumerLeader(_)
            | Target::Follower
            | Target::Connected
    )
}

/// Resolves a target.
///
/// # Errors
/// Why it cannot be resolved.
pub(super) fn resolve(target: &Target, view: &View) -> Result<Found, String> {
    let some = |count: usize| Found { nodes: drawn(view, count), how: "drawn from the seed".to_owned() };
    let led = |leadership: Option<&Leadership>, what: &str| match leadership
        .and_then(|leadership| leadership.leader.clone())
    {
        Some((node, how)) => Ok(Found { nodes: vec![node], how }),
        None => Err(format!("no majority of the nodes names the leader of {what}")),
    };
    let leadership = |what: &str| view.leaders.iter().find(|leadership| leadership.what == what);
    match target {
        Target::StreamLeader => led(leadership("stream"), "the stream"),
        Target::MetaLeader => led(leadership("meta"), "the cluster"),
        Target::ConsumerLeader(group) => {
            let leadership = view.leaders.iter().find(|leadership| leadership.group.as_ref() == Some(group));
            led(leadership, &format!("the consumer of {group}"))
        }
        Target::Follower => follower(view),
        Target::Connected => connected(view),
        Target::Node(number) => {
            let node = num::index32(*number).checked_sub(1).filter(|node| *node < view.nodes);
            let node = node.ok_or_else(|| format!("the broker has {} nodes", view.nodes))?;
            Ok(Found { nodes: vec![node], how: "by its number".to_owned() })
        }
        Target::Any => Ok(some(1)),
        Target::Minority => match view.nodes - Cluster::majority(view.nodes) {
            0 => Err("no node of the broker may fail".to_owned()),
            count => Ok(some(count)),
        },
        Target::Majority => Ok(some(view.nodes - Cluster::majority(view.nodes) + 1)),
        Target::All => Ok(Found { nodes: (0..view.nodes).collect(), how: "all nodes".to_owned() }),
        Target::Others | Target::Clients | Target::Group(..) => Err(format!("`{target}` is not a node")),
    }
}

/// As many nodes, beginning with a drawn one, in order.
fn drawn(view: &View, count: usize) -> Vec<usize> {
    let nodes = num::count(view.nodes).max(1);
    let first = num::index(view.draw % nodes);
    let mut all: Vec<usize> = (0..count).map(|next| (first + next) % view.nodes.max(1)).collect();
    all.sort_unstable();
    all
}

fn connected(view: &View) -> Result<Found, String> {
    const NONE: &str = "no node names the first generator among its clients";
    let all = &view.connected;
    let first = all.get(num::index(view.draw % num::count(all.len()).max(1)));
    let how = match all.len() {
        0 | 1 => "names the first generator among its clients".to_owned(),
        several => {
            format!("drawn from the {several} nodes that name the first generator among their clients")
        }
    };
    Ok(Found { nodes: vec![*first.ok_or(NONE)?], how })
}

/// A node that does not lead the stream; of these one that leads nothing and that the first generator is not connected to, else one
/// that it is not connected to, else any.
fn follower(view: &View) -> Result<Found, String> {
    type Fits<'a> = &'a dyn Fn(&usize) -> bool;
    const STREAM: &str = "stream";
    let unknown = |what: &str| format!("no majority of the nodes names the leader of the {what}");
    connected(view)?;
    let mut leading: Vec<usize> = Vec::new();
    let mut of_stream: Option<usize> = None;
    for leadership in &view.leaders {
        let (node, _) = leadership.leader.as_ref().ok_or_else(|| unknown(&leadership.what))?;
        leading.push(*node);
        if leadership.what == STREAM {
            of_stream = Some(*node);
        }
    }
    let of_stream = of_stream.ok_or_else(|| unknown(STREAM))?;
    let follows = |node: &usize| *node != of_stream;
    let apart = |node: &usize| !view.connected.contains(node);
    let idle = |node: &usize| !leading.contains(node);
    let stages: [(Fits<'_>, &str); 3] = [
        (&|node| idle(node) && apart(node), "leads nothing, and the first generator is connected elsewhere"),
        (
            &|node| follows(node) && apart(node),
            "does not lead the stream, and the first generator is connected elsewhere; every such node leads something else",
        ),
        (&follows, "does not lead the stream; the first generator is connected to every such node"),
    ];
    for (fits, how) in stages {
        let free: Vec<usize> = (0..view.nodes).filter(|node| fits(node)).collect();
        if let Some(node) = free.get(num::index(view.draw % num::count(free.len()).max(1))) {
            return Ok(Found { nodes: vec![*node], how: how.to_owned() });
        }
    }
    Err("there is no node but the leader of the stream".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(stream: Option<usize>, meta: usize, consumer: usize, connected: Option<usize>) -> View {
        let connected = connected.into_iter().collect();
        let leadership = |what: &str, group: Option<&str>, node: Option<usize>| Leadership {
            what: what.into(),
            group: group.map(str::to_owned),
            leader: node.map(|node| (node, format!("named by {what}"))),
        };
        View {
            nodes: 3,
            leaders: vec![
                leadership("stream", None, stream),
                leadership("meta", None, Some(meta)),
                leadership("consumer g", Some("g"), Some(consumer)),
            ],
            connected,
            draw: 7,
        }
    }

    fn nodes(target: &str, view: &View) -> Result<Vec<usize>, String> {
        resolve(&target.parse().unwrap(), view).map(|found| found.nodes)
    }

    #[test]
    fn roles_are_who_has_them() {
        let known = view(Some(2), 0, 0, Some(0));
        assert_eq!(nodes("stream-leader", &known), Ok(vec![2]));
        assert_eq!(resolve(&Target::StreamLeader, &known).unwrap().how, "named by stream");
        assert_eq!(nodes("meta-leader", &known), Ok(vec![0]));
        assert_eq!(nodes("consumer-leader:g", &known), Ok(vec![0]));
        assert_eq!(nodes("connected", &known), Ok(vec![0]));
        assert_eq!(nodes("follower", &known), Ok(vec![1]), "the only one that is left");
        let several = View { connected: vec![0, 2], ..known.clone() };
        assert_eq!(nodes("connected", &several), Ok(vec![2]), "7 modulo 2");
        assert_eq!(nodes("follower", &several), Ok(vec![1]));
        assert!(nodes("consumer-leader:h", &known).unwrap_err().contains("the consumer of h"));
    }

    #[test]
    fn what_is_not_known_is_no_target() {
        let unknown = view(None, 0, 0, None);
        assert!(nodes("stream-leader", &unknown).unwrap_err().contains("the leader of the stream"));
        assert!(nodes("connected", &unknown).unwrap_err().contains("no node names"));
        assert!(nodes("follower", &unknown).is_err());
        assert!(nodes("follower", &view(None, 0, 0, Some(0))).unwrap_err().contains("leader of the stream"));
        assert!(nodes("clients", &view(Some(2), 1, 1, Some(0))).unwrap_err().contains("not a node"));
    }

    #[test]
    fn a_follower_leads_nothing_else_not_the_stream_and_is_apart_from_the_generator_if_possible() {
        let how = |view: &View| resolve(&Target::Follower, view).map(|found| (found.nodes[0], found.how));
        let begins = |found: Result<(usize, String), String>, node, with: &str| {
            let (found, how) = found.unwrap();
            assert!(found == node && how.starts_with(with), "{found} {how}");
        };
        begins(how(&view(Some(2), 0, 0, Some(0))), 1, "leads nothing");
        begins(how(&view(Some(2), 1, 1, Some(0))), 1, "does not lead the stream, and the first generator");
        begins(how(&view(Some(2), 0, 1, Some(2))), 1, "does not lead the stream, and the first generator");
        let all = View { connected: vec![0, 1, 2], ..view(Some(2), 0, 0, None) };
        begins(how(&all), 1, "does not lead the stream; the first generator");
        let led = View { nodes: 1, connected: vec![0], ..view(Some(0), 0, 0, None) };
        assert!(how(&led).unwrap_err().contains("no node but the leader"));
    }

    #[test]
    fn sets_of_nodes_are_drawn_from_the_seed_and_counted() {
        let three = view(None, 0, 0, None);
        assert_eq!(nodes("any", &three), Ok(vec![1]), "7 modulo 3");
        assert_eq!(nodes("minority", &three), Ok(vec![1]));
        assert_eq!(nodes("majority", &three), Ok(vec![1, 2]));
        assert_eq!(nodes("all", &three), Ok(vec![0, 1, 2]));
        assert_eq!(nodes("node-3", &three), Ok(vec![2]));
        assert!(nodes("node-4", &three).is_err() && nodes("node-0", &three).is_err());
        let five = View { nodes: 5, draw: 4, ..View::default() };
        assert_eq!(nodes("minority", &five), Ok(vec![0, 4]));
        assert_eq!(nodes("majority", &five), Ok(vec![0, 1, 4]));
        let one = View { nodes: 1, ..View::default() };
        assert_eq!(nodes("all", &one), Ok(vec![0]));
        assert!(nodes("minority", &one).is_err());
        assert_eq!(nodes("majority", &one), Ok(vec![0]));
        assert_eq!(draw(1, "leader"), draw(1, "leader"));
        assert_ne!(draw(1, "leader"), draw(2, "leader"));
    }
}
