//! Holds faults against the plan: their times, their targets, what they leave of the bus, and whether the load lets them be
//! judged.

use super::ROLES;
use crate::load::{peak_rate, shares};
use crate::num::u64_of;
use crate::plan::grammar::{did_you_mean, list, nearest};
use crate::plan::{Action, Arrival, Consume, Cut, Expect, Fault, Group, Plan, Quorum, Span, Target, Way};
use crate::profile::place::quoted;
use crate::profile::section::Reader;

/// A node in lame duck mode has ended after a few seconds: 2.7 s with two clients.
pub(super) const LAME_DUCK: Span = Span::seconds(5);
/// How long a bus may take to go on after the undo, for the size of a buffer.
const HEALING: Span = Span::seconds(10);
/// The most events that `bus.buffer` may hold.
const MOST_BUFFER: u64 = 1_000_000;
/// Availability is counted in slots of 10 ms: below this rate some have no event.
const LEAST_RATE: f64 = 100.0;

/// Checks the faults of a plan. Mistakes of single keys come first: with one of them the rest is left out.
pub(in crate::profile) fn check(plan: &Plan, reader: &mut Reader) {
    if plan.faults.is_empty() || !reader.sound(&["faults"]) {
        return;
    }
    load(plan, reader);
    if reader.sound(&["load.duration"]) {
        times(plan, reader);
    }
    upgrades(plan, reader);
    for fault in &plan.faults {
        if !product(fault, plan, reader) || !reader.sound(&["groups", "cluster", "bus.replicas"]) {
            continue;
        }
        let path = format!("faults.{}", fault.name);
        let unfit = match &fault.between {
            Some(ends) => link(fault, ends, plan),
            None => {
                fault.target.as_ref().and_then(|target| unfit(fault, target, plan)).map(|why| ("target", why))
            }
        };
        match unfit {
            Some((key, why)) => {
                let at = reader.at(&format!("{path}.{key}"));
                reader.wrong(at, || why);
            }
            None => quorum(fault, plan, reader),
        }
    }
}

/// There is one other version to upgrade to.
fn upgrades(plan: &Plan, reader: &mut Reader) {
    let mut upgrades = plan.faults.iter().filter(|fault| fault.action == Action::RollingUpgrade);
    let Some(first) = upgrades.next() else { return };
    for again in upgrades {
        let at = reader.at(&format!("faults.{}.do", again.name));
        reader.wrong(at, || {
            format!(
                "`{}` upgrades every node before `{}`; expected a single `rolling-upgrade`, or `rolling-restart`",
                first.name, again.name
            )
        });
    }
}

/// Refuses loads under which the parts of the measure phase cannot be compared, or have no times.
fn load(plan: &Plan, reader: &mut Reader) {
    let (key, why) = match plan.load.arrival {
        _ if plan.load.consume == Consume::Backlog => (
            "load.consume",
            "`consume = \"backlog\"` receives only after the load, so no group shows when the bus was available; expected `\"live\"`",
        ),
        Arrival::Closed => (
            "load.rate",
            "with `rate = \"max\"` the bus sets the pace and a bus that fails is offered nothing, so nothing shows how long it was \
             unavailable; expected a rate",
        ),
        Arrival::Ramp | Arrival::Steps => (
            "load.arrival",
            "the rate differs before and after a fault, so a difference in latency may come from either; expected `\"poisson\"`, \
             `\"constant\"` or `\"burst\"`",
        ),
        Arrival::Constant | Arrival::Poisson | Arrival::Burst => return,
    };
    if reader.sound(&["load"]) {
        let at = reader.at(key);
        reader.wrong(at, || format!("a profile with faults cannot be judged: {why}, or no [[faults]]"));
    }
}

/// Each fault is settled before the next one and before the end.
fn times(plan: &Plan, reader: &mut Reader) {
    // Poison events leave the bus as it is, so it may be broken meanwhile.
    let all: Vec<&Fault> = plan.faults.iter().filter(|fault| !fault.action.is_of_events()).collect();
    for pair in all.windows(2) {
        if let [first, next] = *pair
            && first.settled_at() > next.at.ns
        {
            let at = reader.at(&format!("faults.{}.at", next.name));
            reader.wrong(at, || too_soon(first, next));
        }
    }
    let duration = plan.load.duration;
    for fault in plan.faults.iter().filter(|fault| fault.settled_at() > duration.ns) {
        let at = reader.at(&format!("faults.{}.at", fault.name));
        reader.wrong(at, || too_late(fault, duration));
    }
}

fn too_soon(first: &Fault, next: &Fault) -> String {
    let (undo, settled) = (Span { ns: first.undo_at() }, Span { ns: first.settled_at() });
    let what = if undo > next.at {
        format!("overlaps `{}`, which lasts until {undo} and", first.name)
    } else {
        format!("leaves `{}` no time to settle, which", first.name)
    };
    format!(
        "`{}` begins at {} and {what} is settled at {settled}; expected `at` of at least {settled}, or a shorter `settle` or `for` \
         of `{}`",
        next.name, next.at, first.name
    )
}

fn too_late(fault: &Fault, duration: Span) -> String {
    let (name, needed) = (&fault.name, Span { ns: fault.settled_at() });
    let takes = needed.ns.saturating_sub(fault.at.ns);
    let earlier = match duration.ns.checked_sub(takes) {
        Some(latest) => format!("`at` of at most {}, ", Span { ns: latest }),
        None => String::new(),
    };
    let what = if fault.at >= duration {
        format!("`{name}` begins at {}, outside the measure phase of {duration}", fault.at)
    } else {
        format!(
            "`{name}` is settled at {needed} (`at` + `for` + `settle`), and the measure phase ends at {duration}"
        )
    };
    format!(
        "{what}; expected {earlier}`duration` of at least {needed} in [load], or a shorter `for` or `settle`"
    )
}

/// Can this version do it to such a product?
fn product(fault: &Fault, plan: &Plan, reader: &mut Reader) -> bool {
    let product = plan.bus.kind.product();
    let action = fault.action;
    if product.faults.contains(&action) || !reader.sound(&["bus.kind"]) {
        return true;
    }
    let at = reader.at(&format!("faults.{}.do", fault.name));
    reader.wrong(at, || {
        let why = product.no_links.filter(|_| action.is_of_links());
        let why = why.or(product.no_dead_letters.filter(|_| action.is_of_events()));
        let why = why.map_or_else(String::new, |why| format!(", since {why}"));
        format!(
            "this version injects no `{action}` on {}{why}; expected {}",
            product.title,
            list(product.faults)
        )
    });
    false
}

/// Why there is no such link, and the key that says so.
fn link(fault: &Fault, ends: &[Target; 2], plan: &Plan) -> Option<(&'static str, String)> {
    if let Some(why) = ends.iter().find_map(|end| end_of_link(end, plan)) {
        return Some(("between", why));
    }
    if fault.how == Some(Cut::Cut) && fault.way.is_some_and(|way| way != Way::Both) {
        let why =
            "a connection that is reset ends in both directions; expected `how = \"hole\"`, or no `way`";
        return Some(("way", why.to_owned()));
    }
    let nodes = plan.cluster.nodes.max(1);
    let [one, other] = ends;
    let why = match (one, other) {
        (Target::Clients, Target::Clients) | (Target::Others, Target::Others) => {
            format!("both ends are `{one}`; expected a node or a set of nodes at one of them")
        }
        (Target::Clients, Target::Others) | (Target::Others, Target::Clients) => {
            "`others` is all nodes but those at the other end, which has none; expected `all` instead of it".to_owned()
        }
        (Target::Clients, _) | (_, Target::Clients) => return None,
        _ if nodes == 1 => {
            "a single server has no links to others; expected `clients` at one end, or `nodes = 3` in [cluster]".to_owned()
        }
        (Target::Others, end) | (end, Target::Others) if end.of_nodes(nodes) >= nodes => {
            format!("`{end}` is all nodes, so there are no `others`; expected a part of the nodes, or `clients`")
        }
        (one, other) if one == other && one.of_nodes(nodes) == 1 => {
            format!("both ends are `{one}`, and a node has no link to itself; expected `others` at one of them")
        }
        _ => return None,
    };
    Some(("between", why))
}

/// Why an end of a link does not exist.
fn end_of_link(end: &Target, plan: &Plan) -> Option<String> {
    match end {
        Target::Others | Target::Clients => None,
        Target::Group(word, _) => Some(unknown_role(word, plan, &["others", "clients"])),
        end => missing(end, plan),
    }
}

/// Why a target does not exist, or does not fit the action, and what would.
fn unfit(fault: &Fault, target: &Target, plan: &Plan) -> Option<String> {
    let action = fault.action;
    let nodes = plan.cluster.nodes.max(1);
    match (action, target) {
        (Action::CrashMember | Action::RestartGroup | Action::Poison, target) => {
            member(action, target, &plan.groups)
        }
        (_, Target::Group(word, _)) => Some(unknown_role(word, plan, &[])),
        (_, Target::Others | Target::Clients) => Some(format!(
            "`{target}` is an end of a link, for `between` of `partition` and `slow`; expected {}",
            list(ROLES)
        )),
        (Action::StepDown, Target::StreamLeader) if plan.bus.replicas < 2 => Some(
            "`bus.replicas` is 1, so no other server can lead the stream; expected `replicas = 3` in [bus] for `step-down`"
                .to_owned(),
        ),
        (Action::StepDown, Target::StreamLeader | Target::MetaLeader) => missing(target, plan),
        (Action::StepDown, _) => {
            Some(format!("`{target}` cannot step down; expected `stream-leader` or `meta-leader`"))
        }
        (action, target) if action.is_in_turn() => (*target != Target::All)
            .then(|| format!("`{action}` restarts every node in turn, not `{target}`; expected `all`, or `restart`")),
        (Action::LameDuck, Target::Minority | Target::Majority | Target::All) if target.of_nodes(nodes) > 1 => {
            Some(format!("`lame-duck` acts on one node, and `{target}` is {}; expected a single one", target.of_nodes(nodes)))
        }
        (_, target) => missing(target, plan),
    }
}

/// Why a node does not exist in the plan.
fn missing(target: &Target, plan: &Plan) -> Option<String> {
    let (nodes, replicas) = (plan.cluster.nodes.max(1), plan.bus.replicas);
    match target {
        Target::Node(number) if !(1..=nodes).contains(number) => {
            let expected = if nodes == 1 { "`node-1`".to_owned() } else { format!("`node-1` to `node-{nodes}`") };
            Some(format!("`{target}` does not exist, since `cluster.nodes` is {nodes}; expected {expected}"))
        }
        Target::Follower | Target::MetaLeader | Target::Minority if nodes == 1 => Some(format!(
            "a single server has no `{target}`; expected `node-1`, or `nodes = 3` in [cluster] with `replicas = 3` in [bus]"
        )),
        Target::Follower if replicas < 2 => Some(
            "`bus.replicas` is 1, so no node follows the leader of the stream; expected `replicas = 3` in [bus], or another target"
                .to_owned(),
        ),
        Target::ConsumerLeader(group) => {
            unknown_group(group, &plan.groups, |group| format!("consumer-leader:{group}"))
        }
        _ => None,
    }
}

/// Why a member or a group does not exist.
fn member(action: Action, target: &Target, groups: &[Group]) -> Option<String> {
    let whole = action != Action::CrashMember;
    let word = |group: &str| if whole { group.to_owned() } else { format!("{group}/1") };
    let Target::Group(name, number) = target else {
        let legal = groups.iter().map(|group| word(&group.name));
        return Some(format!(
            "`{action}` acts on a group's members, not on `{target}`; expected {}",
            list(legal)
        ));
    };
    let Some(group) = groups.iter().find(|group| group.name == *name) else {
        return unknown_group(name, groups, word);
    };
    let members = group.members;
    let all = if members == 1 { format!("`{name}/1`") } else { format!("`{name}/1` to `{name}/{members}`") };
    match number {
        Some(_) if action == Action::Poison => {
            Some(format!("`poison` is refused by all members of a group, whoever gets it; expected `{name}`"))
        }
        Some(number) if whole => Some(format!(
            "`restart-group` restarts all members of a group, not member {number}; expected `{name}`, or `crash-member`"
        )),
        None if !whole => {
            Some(format!("`crash-member` acts on one member; expected {all}, or `restart-group`"))
        }
        Some(number) if !(1..=members).contains(number) => {
            Some(format!("`{target}` does not exist, since `{name}` has {members} members; expected {all}"))
        }
        _ => None,
    }
}

fn unknown_group(name: &str, groups: &[Group], word: impl Fn(&str) -> String) -> Option<String> {
    if groups.iter().any(|group| group.name == name) {
        return None;
    }
    let near = nearest(name, groups.iter().map(|group| group.name.as_str())).map(&word);
    let words = groups.iter().map(|group| word(&group.name));
    let expected = if groups.is_empty() { "a profile with groups".to_owned() } else { list(words) };
    Some(format!("no group {}; expected {expected}{}", quoted(name), did_you_mean(near.as_deref())))
}

/// The message for a word that is not a node of the broker.
fn unknown_role(word: &str, plan: &Plan, more: &[&str]) -> String {
    let legal: Vec<&str> = ROLES.iter().chain(more).copied().collect();
    if plan.groups.iter().any(|group| group.name == word) {
        return format!(
            "`{word}` is a group, not a node of the broker; expected {}, or `do` of `crash-member`, `restart-group` or `poison`",
            list(legal)
        );
    }
    let near = did_you_mean(nearest(word, legal.iter().copied()));
    format!("{} is not a node of the broker; expected {}{near}", quoted(word), list(legal))
}

/// A fault that takes the bus away must say so, and one that says so must do it.
fn quorum(fault: &Fault, plan: &Plan, reader: &mut Reader) {
    let nodes = plan.cluster.nodes.max(1);
    let path = format!("faults.{}", fault.name);
    let in_turn = fault.action.is_in_turn();
    let said = if in_turn { fault.action.to_string() } else { fault.in_words() };
    match (fault.quorum(plan), fault.expect) {
        (Quorum::Lost, Expect::Service) => {
            let (key, instead) = match fault.between {
                Some(_) => ("between", "ends that leave one"),
                None => ("target", "a target that leaves one"),
            };
            let at = reader.at(&format!("{path}.{key}"));
            reader.wrong(at, || {
                format!(
                    "`{said}` leaves no majority, since {}: nothing is confirmed until the undo; expected `expect = \"outage\"` in this \
                     table, or {instead}",
                    no_majority(fault, plan)
                )
            });
        }
        (Quorum::Kept, Expect::Outage) => {
            let at = reader.at(&format!("{path}.expect"));
            reader.wrong(at, || {
                format!(
                    "`{said}` leaves a majority of the {nodes} servers, so the bus is expected to go on; expected no `expect`"
                )
            });
        }
        _ => {}
    }
}

/// Why a fault leaves no majority.
fn no_majority(fault: &Fault, plan: &Plan) -> String {
    let (nodes, replicas) = (plan.cluster.nodes.max(1), plan.bus.replicas);
    match (&fault.between, fault.target.as_ref().map_or(0, |target| target.of_nodes(nodes))) {
        (Some([Target::Clients, _] | [_, Target::Clients]), _) => "no client reaches a server".to_owned(),
        _ if nodes == 1 => "there is only one server".to_owned(),
        (Some(_), _) => format!(
            "no server with a copy reaches a majority of the {nodes} servers and of the {}",
            if replicas == 1 { "only copy".to_owned() } else { format!("{replicas} copies") }
        ),
        (None, hit) if hit < nodes - nodes / 2 => {
            format!("the stream has copies on {replicas} of {nodes} servers")
        }
        (None, hit) => format!("{hit} of {nodes} servers are no minority"),
    }
}

/// What is allowed in a plan with faults, and probably a mistake.
pub(in crate::profile) fn regrets(plan: &Plan) -> Vec<String> {
    if plan.faults.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<String> = buffer(plan).into_iter().collect();
    let rate = plan.load.rate;
    if rate.per_second < LEAST_RATE {
        found.push(format!(
            "`load.rate` is {rate}: the time without service is counted in slots of 10 ms that have an event, and many have none, \
             so it is too short; take at least {LEAST_RATE}/s"
        ));
    }
    found
}

/// A buffer that the longest fault fills: the rest of its events are never sent.
fn buffer(plan: &Plan) -> Option<String> {
    let publishing =
        plan.faults.iter().filter(|fault| !fault.action.is_of_members() && !fault.action.is_of_events());
    let longest = publishing.max_by_key(|fault| fault.length)?;
    let most = shares(plan).into_iter().fold(0.0, f64::max);
    let open = Span { ns: longest.length.ns.saturating_add(HEALING.ns) };
    let peak = peak_rate(&plan.load);
    let needed = u64_of((peak.per_second * most * open.as_seconds()).ceil());
    if needed <= u64::from(plan.bus.buffer) {
        return None;
    }
    let what = if needed > MOST_BUFFER {
        format!("lower `load.rate` or the `for` of `{}`, since it can be at most {MOST_BUFFER}", longest.name)
    } else {
        format!("set `buffer = {needed}` in [bus]")
    };
    Some(format!(
        "`bus.buffer` is {}, and in {open} (`for` of `{}` and 10 s to heal) a generator has up to {needed} events to send: what does not \
         fit is unsent; {what}",
        plan.bus.buffer, longest.name
    ))
}
