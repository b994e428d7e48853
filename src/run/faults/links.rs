//! Cuts the links between two ends, or slows them down, and opens them again. Which links these are is a pure function of what
//! the nodes say.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Stage;
use super::inject::{AGAIN, ANSWER, EFFECT_WITHIN};
use super::resolve::{Found, View, resolve};
use crate::broker::{End, Flow, Links, Shape};
use crate::num;
use crate::plan::{Action, Cut, Fault, Target, Way};
use crate::record::NodeState;

/// Why no link is cut.
pub(super) const NO_PROXIES: &str = "this broker's links do not go through proxies of tickgate";

/// One end of links.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Side {
    Nodes(Vec<usize>),
    Clients,
}

/// The two ends of links, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ends {
    sides: [Side; 2],
    how: String,
}

impl Ends {
    /// Resolves both ends. The others are all nodes that are not at the other end.
    ///
    /// # Errors
    /// Why they cannot be resolved, or why there is no link between them.
    pub(super) fn resolve(between: &[Target; 2], view: &View) -> Result<Self, String> {
        let found = |end: &Target| match end {
            Target::Others => Ok(None),
            Target::Clients => Ok(Some((Side::Clients, String::new()))),
            target => resolve(target, view).map(|Found { nodes, how }| Some((Side::Nodes(nodes), how))),
        };
        let others = |side: &Side| match side {
            Side::Nodes(nodes) => Side::Nodes((0..view.nodes).filter(|node| !nodes.contains(node)).collect()),
            Side::Clients => Side::Nodes((0..view.nodes).collect()),
        };
        let [one, other] = between;
        let (sides, hows) = match (found(one)?, found(other)?) {
            (Some((one, how)), Some((other, why))) => ([one, other], [how, why]),
            (Some((one, how)), None) => ([one.clone(), others(&one)], [how, String::new()]),
            (None, Some((other, how))) => ([others(&other), other], [how, String::new()]),
            (None, None) => return Err("both ends are the others, of nobody".to_owned()),
        };
        let hows: Vec<&str> = hows.iter().map(String::as_str).filter(|how| !how.is_empty()).collect();
        let ends = Self { sides, how: hows.join("; ") };
        if ends.links().is_empty() {
            return Err(format!("`{one}` and `{other}` are the same node, or there is none of them"));
        }
        Ok(ends)
    }

    /// The nodes of the first end, or of the second where the first is the clients: whom a partition takes out.
    pub(super) fn subjects(&self) -> Vec<usize> {
        let nodes = self.sides.iter().find_map(|side| match side {
            Side::Nodes(nodes) => Some(nodes.clone()),
            Side::Clients => None,
        });
        nodes.unwrap_or_default()
    }

    /// How the ends are known.
    pub(super) fn how(&self) -> &str {
        &self.how
    }

    /// All nodes of both ends.
    pub(super) fn nodes(&self) -> BTreeSet<usize> {
        let nodes = self.sides.iter().filter_map(|side| match side {
            Side::Nodes(nodes) => Some(nodes),
            Side::Clients => None,
        });
        nodes.flatten().copied().collect()
    }

    /// Every link, from the first end to the second.
    fn links(&self) -> Vec<(End, End)> {
        let ends = |side: &Side| match side {
            Side::Nodes(nodes) => nodes.iter().map(|node| End::Node(*node)).collect(),
            Side::Clients => vec![End::Clients],
        };
        let [one, other] = &self.sides;
        let all = ends(one).into_iter().flat_map(|a| ends(other).into_iter().map(move |b| (a, b)));
        all.filter(|(a, b)| a != b).collect()
    }

    /// The directions of the links in which something is done, as (from, to).
    fn directions(&self, way: Way) -> BTreeSet<(End, End)> {
        let there = || self.links().into_iter();
        let back = || there().map(|(a, b)| (b, a));
        match way {
            Way::Both => there().chain(back()).collect(),
            Way::To => there().collect(),
            Way::From => back().collect(),
        }
    }

    /// The pairs of nodes that have a link, each once.
    fn pairs(&self) -> BTreeSet<(usize, usize)> {
        let nodes = |link: (End, End)| match link {
            (End::Node(a), End::Node(b)) => Some((a.min(b), a.max(b))),
            _ => None,
        };
        self.links().into_iter().filter_map(nodes).collect()
    }

    /// The ends in words, with the names of the nodes: `nats-2 and nats-1, nats-3`.
    pub(super) fn in_words(&self, names: &[String]) -> String {
        let name = |node: &usize| names.get(*node).map_or("", String::as_str);
        let side = |side: &Side| match side {
            Side::Nodes(nodes) => nodes.iter().map(name).collect::<Vec<_>>().join(", "),
            Side::Clients => "clients".to_owned(),
        };
        self.sides.iter().map(side).collect::<Vec<_>>().join(" and ")
    }
}

/// What a fault makes of the bytes on a link.
pub(super) fn flow(fault: &Fault) -> Flow {
    let ns = |span: Option<crate::plan::Span>| span.map_or(0, |span| span.ns);
    match (fault.action, fault.how.unwrap_or_default()) {
        (Action::Slow, _) => Flow::Shaped(Shape {
            delay_ns: ns(fault.delay),
            jitter_ns: ns(fault.jitter),
            // 0 is no limit.
            bytes_a_second: fault.rate.map_or(0, |rate| num::u64_of(rate.per_second).max(1)),
        }),
        (_, Cut::Cut) => Flow::Cut,
        (_, Cut::Hole) => Flow::Hole,
    }
}

pub(super) fn set(links: &Links, ends: &Ends, way: Way, flow: Flow) -> Result<(), String> {
    let mut trouble = BTreeSet::new();
    // All of them: what one proxy refuses is still done or undone at the others.
    for (from, to) in ends.directions(way) {
        trouble.extend(links.set(from, to, flow).err().map(|error| error.to_string()));
    }
    if trouble.is_empty() { Ok(()) } else { Err(trouble.into_iter().collect::<Vec<_>>().join("; ")) }
}

/// Does to the links what the fault says, and returns when the effect is observed: nodes that are cut off see it by
/// themselves; anything else is in force when the proxies say so.
pub(super) fn close(stage: &Stage, fault: &Fault, ends: &Ends) -> Result<(), String> {
    let links = stage.links.as_ref().ok_or(NO_PROXIES)?;
    let flow = flow(fault);
    let done = set(links, ends, fault.way.unwrap_or_default(), flow);
    if fault.action == Action::Partition {
        stage.account.with(|book| {
            for node in ends.subjects() {
                book.set_state(node, stage.clock.now(), NodeState::Cut);
            }
        });
    }
    done?;
    if flow == Flow::Cut { until_apart(stage, ends, Duration::from_nanos(fault.length.ns)) } else { Ok(()) }
}

/// Opens the links.
pub(super) fn open(stage: &Stage, index: usize, ends: &Ends) -> Result<(), String> {
    let links = stage.links.as_ref().ok_or(NO_PROXIES)?;
    let done = set(links, ends, Way::Both, Flow::Open);
    stage.account.with(|book| {
        let now = stage.clock.now();
        for node in ends.subjects() {
            if book.state(node) == NodeState::Cut {
                book.set_state(node, now, NodeState::Up);
            }
        }
        book.undone(index, now);
        for node in ends.nodes() {
            book.recovers(index, node);
        }
    });
    done
}

/// Waits until no node names one as connected to it that it is cut off from.
fn until_apart(stage: &Stage, ends: &Ends, length: Duration) -> Result<(), String> {
    let roles = &stage.roles;
    let pairs = ends.pairs();
    let nodes: BTreeSet<usize> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
    let nodes: Vec<usize> = nodes.into_iter().collect();
    let deadline = Instant::now() + EFFECT_WITHIN.min(length);
    loop {
        let peers = roles.peers(&nodes, ANSWER);
        let names = |a: &usize, b: &usize| {
            let said = peers.iter().find(|(node, _)| node == a).map(|(_, peers)| peers);
            said.is_none_or(|peers| {
                roles.probe_name(*b).is_none_or(|name| peers.iter().any(|peer| peer == name))
            })
        };
        let Some((a, b)) = pairs.iter().find(|(a, b)| names(a, b) || names(b, a)) else { return Ok(()) };
        if Instant::now() >= deadline {
            let name = |node: usize| roles.nodes.get(node).map_or("", String::as_str);
            return Err(format!("{} and {} are still connected", name(*a), name(*b)));
        }
        std::thread::sleep(AGAIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Rate, Span};
    use crate::run::faults::resolve::Leadership;
    use crate::selftest::swarm;

    fn view(nodes: usize, leader: usize) -> View {
        let leadership = |what: &str, node: usize| Leadership {
            what: what.into(),
            group: None,
            leader: Some((node, format!("named by {what}"))),
        };
        let leaders = vec![leadership("stream", leader), leadership("meta", 0)];
        View { nodes, leaders, connected: vec![0], draw: 1 }
    }

    fn ends(one: &str, other: &str, view: &View) -> Result<Ends, String> {
        Ends::resolve(&[one.parse().unwrap(), other.parse().unwrap()], view)
    }

    fn node(a: usize, b: usize) -> (End, End) {
        (End::Node(a), End::Node(b))
    }

    #[test]
    fn the_others_are_all_nodes_but_those_at_the_other_end() {
        let three = view(3, 1);
        let cut = ends("stream-leader", "others", &three).unwrap();
        assert_eq!(cut.links(), [node(1, 0), node(1, 2)]);
        assert_eq!((cut.subjects(), cut.how()), (vec![1], "named by stream"));
        let names = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(cut.in_words(&names), "b and a, c");
        let turned = ends("others", "stream-leader", &three).unwrap();
        assert_eq!(turned.links(), [node(0, 1), node(2, 1)]);
        assert_eq!(turned.subjects(), [0, 2]);
        assert_eq!(turned.nodes().into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_node_has_no_link_to_itself() {
        let three = view(3, 1);
        let part = ends("stream-leader", "minority", &three);
        assert!(part.unwrap_err().contains("are the same node"), "the draw is node 1, too");
        let whole = ends("all", "all", &three).unwrap();
        assert_eq!((whole.links().len(), whole.directions(Way::Both).len()), (6, 6));
        assert_eq!(whole.pairs().into_iter().collect::<Vec<_>>(), [(0, 1), (0, 2), (1, 2)]);
        assert!(ends("all", "others", &three).is_err());
        assert!(ends("others", "others", &three).is_err());
        assert!(ends("clients", "clients", &three).is_err());
        assert!(ends("node-4", "others", &three).unwrap_err().contains("the broker has 3 nodes"));
    }

    #[test]
    fn clients_have_a_link_to_each_node() {
        let three = view(3, 1);
        let cut = ends("clients", "stream-leader", &three).unwrap();
        assert_eq!(cut.links(), [(End::Clients, End::Node(1))]);
        assert_eq!((cut.subjects(), cut.pairs().len()), (vec![1], 0));
        assert_eq!(ends("clients", "all", &three).unwrap().links().len(), 3);
        assert_eq!(ends("clients", "node-1", &view(1, 0)).unwrap().links(), [(End::Clients, End::Node(0))]);
    }

    #[test]
    fn a_way_is_from_the_first_end_to_the_second() {
        let cut = ends("stream-leader", "others", &view(3, 1)).unwrap();
        let of = |way| cut.directions(way).into_iter().collect::<Vec<_>>();
        assert_eq!(of(Way::To), [node(1, 0), node(1, 2)]);
        assert_eq!(of(Way::From), [node(0, 1), node(2, 1)]);
        assert_eq!(of(Way::Both), [node(0, 1), node(1, 0), node(1, 2), node(2, 1)]);
    }

    #[test]
    fn a_flow_is_what_the_keys_of_the_fault_say() {
        let mut fault = Fault {
            action: Action::Partition,
            target: None,
            between: Some([Target::StreamLeader, Target::Others]),
            ..swarm::fault("x", [Span::seconds(1); 3])
        };
        assert_eq!(flow(&fault), Flow::Cut);
        fault.how = Some(Cut::Hole);
        assert_eq!(flow(&fault), Flow::Hole);
        (fault.action, fault.how) = (Action::Slow, None);
        fault.rate = Some(Rate::per_second(0.1));
        assert_eq!(flow(&fault), Flow::Shaped(Shape { bytes_a_second: 1, ..Shape::default() }));
        (fault.delay, fault.jitter) = (Some(Span::millis(2)), Some(Span::millis(3)));
        fault.rate = None;
        let shape = Shape { delay_ns: 2_000_000, jitter_ns: 3_000_000, bytes_a_second: 0 };
        assert_eq!(flow(&fault), Flow::Shaped(shape));
    }
}
