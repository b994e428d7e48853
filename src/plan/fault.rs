//! Faults that a run injects, and the parts of the measure phase that they make.
//!
//! All times are planned: relative to the start of the measure phase, and known before the run.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Ns, Plan, Poison, Rate, Span};

/// A fault that the run injects, and undoes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Unique name: letters, digits and `-`.
    pub name: String,
    /// When it begins, from the start of the measure phase.
    pub at: Span,
    /// What is done.
    #[serde(rename = "do")]
    pub action: Action,
    /// To whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// The two ends of the link, for a fault of links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<[Target; 2]>,
    /// How long it lasts until it is undone; zero for a fault that needs no undo.
    #[serde(rename = "for", default, skip_serializing_if = "Span::is_zero")]
    pub length: Span,
    /// How long after the undo everything may take to be normal again.
    pub settle: Span,
    /// How a link is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<Cut>,
    /// In which direction, from the first end of `between` to the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// Added delay of a slow link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// Random part of the added delay, 0 to this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Span>,
    /// Rate of a slow link, bytes a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// The events that a group refuses, for `poison`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poison: Option<Poison>,
    /// What the fault is expected to do to the bus as a whole.
    #[serde(default, skip_serializing_if = "Expect::is_service")]
    pub expect: Expect,
}

/// What a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Kills nodes, as a crash would; undone by a start with the same store and address.
    Kill,
    /// Stops the processes of nodes (SIGSTOP); undone by SIGCONT.
    Stop,
    /// Ends nodes in an orderly way and starts them again.
    Restart,
    /// Asks nodes to move their clients and end (lame duck mode); undone by a start.
    LameDuck,
    /// Restarts all nodes in turn, each when the one before it is healthy.
    RollingRestart,
    /// Restarts all nodes in turn with another version of the server, each when the one before it is healthy.
    RollingUpgrade,
    /// Makes a leader give up its place.
    StepDown,
    /// Cuts links.
    Partition,
    /// Slows links down.
    Slow,
    /// Makes the writes of nodes fail; undone by a restart, since a write error stays.
    WriteError,
    /// Kills nodes, and cuts their stores back to what was on the disk; undone by a start with what is left.
    PowerLoss,
    /// Drops a member's connection without a word; undone by a new member.
    CrashMember,
    /// Restarts all members of a group.
    RestartGroup,
    /// Makes events that a group cannot process.
    Poison,
}

/// Whom a fault hits; a role is resolved when the fault begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The node that leads the run's stream; on Kafka, the first partition of the topic that most of the load goes to.
    StreamLeader,
    /// The node that leads the cluster's own group; on Kafka, the active controller.
    MetaLeader,
    /// The node that leads the consumer of a group.
    ConsumerLeader(String),
    /// A node that does not lead the stream; one that leads nothing and that the first generator is not connected to, if there
    /// is one.
    Follower,
    /// The node that the first generator is connected to.
    Connected,
    /// A node by its number, from 1.
    Node(u32),
    /// A node drawn from the plan's seed.
    Any,
    /// As many nodes as may fail.
    Minority,
    /// One node more than may fail.
    Majority,
    /// All nodes.
    All,
    /// All nodes but those at the other end of the link.
    Others,
    /// The clients: generators and members.
    Clients,
    /// A group, or one of its members by its number, from 1.
    Group(String, Option<u32>),
}

/// How a link is cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    /// Connections are reset, and new ones refused.
    #[default]
    Cut,
    /// Nothing is read, and nothing ends.
    Hole,
}

/// The direction of a fault of a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Both directions.
    #[default]
    Both,
    /// From the first end to the second.
    To,
    /// From the second end to the first.
    From,
}

/// What a fault is expected to do to the bus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// The bus keeps a majority, and goes on.
    #[default]
    Service,
    /// The bus has no majority until the undo.
    Outage,
}

impl Expect {
    /// Returns whether the bus is expected to go on.
    #[must_use]
    pub const fn is_service(&self) -> bool {
        matches!(self, Self::Service)
    }
}

impl Action {
    /// Returns whether the action ends by itself, without an undo at a planned time.
    #[must_use]
    pub const fn is_instant(self) -> bool {
        matches!(
            self,
            Self::Restart | Self::RollingRestart | Self::RollingUpgrade | Self::StepDown | Self::RestartGroup
        )
    }

    /// Returns whether it acts on nodes of the broker by their processes, which only tickgate's own servers allow.
    #[must_use]
    pub const fn is_of_processes(self) -> bool {
        matches!(
            self,
            Self::Kill
                | Self::Stop
                | Self::Restart
                | Self::LameDuck
                | Self::RollingRestart
                | Self::RollingUpgrade
                | Self::WriteError
                | Self::PowerLoss
        )
    }

    /// Returns whether it acts on all nodes, one after another.
    #[must_use]
    pub const fn is_in_turn(self) -> bool {
        matches!(self, Self::RollingRestart | Self::RollingUpgrade)
    }

    /// Returns whether it acts on links.
    #[must_use]
    pub const fn is_of_links(self) -> bool {
        matches!(self, Self::Partition | Self::Slow)
    }

    /// Returns whether it acts on members of a group.
    #[must_use]
    pub const fn is_of_members(self) -> bool {
        matches!(self, Self::CrashMember | Self::RestartGroup)
    }

    /// Returns whether it acts on events, and leaves the bus and its clients as they are.
    #[must_use]
    pub const fn is_of_events(self) -> bool {
        matches!(self, Self::Poison)
    }
}

impl Fault {
    /// When the undo begins: the start of an instant fault.
    #[must_use]
    pub const fn undo_at(&self) -> Ns {
        self.at.ns.saturating_add(self.length.ns)
    }

    /// Makes the leader of the cluster's own group give up its place.
    #[must_use]
    pub fn is_of_the_meta_leader(&self) -> bool {
        self.action == Action::StepDown && self.target == Some(Target::MetaLeader)
    }

    /// What is done to whom: `kill of stream-leader`, `partition between clients and all`.
    #[must_use]
    pub fn in_words(&self) -> String {
        match (&self.between, &self.target) {
            (Some([one, other]), _) => format!("{} between {one} and {other}", self.action),
            (None, Some(target)) => format!("{} of {target}", self.action),
            (None, None) => self.action.to_string(),
        }
    }

    /// Until when everything must be normal again.
    #[must_use]
    pub const fn settled_at(&self) -> Ns {
        self.undo_at().saturating_add(self.settle.ns)
    }
}

/// A part of the measure phase by what the faults do in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum When {
    /// The whole measure phase.
    #[default]
    Whole,
    /// Before the first fault.
    Before,
    /// While a fault lasts.
    During,
    /// From the undo of a fault until it is to be settled.
    Recovery,
    /// After a fault is settled, until the next one or the end.
    After,
    /// From the start of this fault until it is to be settled.
    Fault(String),
}

/// A stretch of the measure phase in which nothing changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Start, since the start of the measure phase.
    pub from: Ns,
    /// End, since the start of the measure phase.
    pub until: Ns,
}

/// The segments of a plan's measure phase: without faults none, else they cover it without gaps. Empty ones are left out.
#[must_use]
pub fn segments(plan: &Plan) -> Vec<Segment> {
    if plan.faults.is_empty() {
        return Vec::new();
    }
    let end = plan.load.duration.ns;
    let mut cuts: Vec<Ns> =
        plan.faults.iter().flat_map(|fault| [fault.at.ns, fault.undo_at(), fault.settled_at()]).collect();
    cuts.extend([0, end]);
    cuts.retain(|cut| *cut <= end);
    cuts.sort_unstable();
    cuts.dedup();
    cuts.windows(2).map(|pair| Segment { from: pair[0], until: pair[1] }).collect()
}

impl When {
    /// The scopes that a plan has, in the order in which they are shown: none without faults.
    #[must_use]
    pub fn of(plan: &Plan) -> Vec<Self> {
        if plan.faults.is_empty() {
            return Vec::new();
        }
        Self::PARTS
            .into_iter()
            .chain(plan.faults.iter().map(|fault| Self::Fault(fault.name.clone())))
            .collect()
    }

    /// The stretches of the measure phase that the scope consists of, in order; neighbours are joined.
    #[must_use]
    pub fn stretches(&self, plan: &Plan) -> Vec<Segment> {
        let mut all: Vec<Segment> = Vec::new();
        for segment in segments(plan).into_iter().filter(|segment| self.holds(plan, segment.from)) {
            match all.last_mut().filter(|last| last.until == segment.from) {
                Some(last) => last.until = segment.until,
                None => all.push(segment),
            }
        }
        all
    }

    /// Is this instant, relative to the start of the measure phase, in the scope?
    #[must_use]
    pub fn holds(&self, plan: &Plan, at: Ns) -> bool {
        let within = |from: Ns, until: Ns| from <= at && at < until;
        let mut faults = plan.faults.iter();
        match self {
            Self::Whole => true,
            Self::Before => faults.all(|fault| at < fault.at.ns),
            Self::During => faults.any(|fault| within(fault.at.ns, fault.undo_at())),
            Self::Recovery => faults.any(|fault| within(fault.undo_at(), fault.settled_at())),
            Self::After => {
                let begun = faults.clone().any(|fault| fault.at.ns <= at);
                begun && !faults.any(|fault| within(fault.at.ns, fault.settled_at()))
            }
            Self::Fault(name) => {
                faults.any(|fault| fault.name == *name && within(fault.at.ns, fault.settled_at()))
            }
        }
    }
}

impl When {
    /// The parts of a measure phase that have a word of their own; such a word is no name of a group.
    pub const PARTS: [Self; 4] = [Self::Before, Self::During, Self::Recovery, Self::After];
    /// The word before the name of a fault.
    pub const FAULT: &str = "fault";

    /// What stands in front of an objective: `before.`, `fault.NAME.`; nothing for the whole measure phase.
    #[must_use]
    pub fn prefix(&self) -> String {
        if *self == Self::Whole { String::new() } else { format!("{self}.") }
    }

    /// The length of the scope: zero where the plan has no such part.
    #[must_use]
    pub fn length(&self, plan: &Plan) -> Span {
        self.stretches(plan)
            .iter()
            .fold(Span::default(), |sum, range| Span { ns: sum.ns + range.until - range.from })
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Before => f.write_str("before"),
            Self::During => f.write_str("during"),
            Self::Recovery => f.write_str("recovery"),
            Self::After => f.write_str("after"),
            Self::Fault(name) => write!(f, "{}.{name}", Self::FAULT),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StreamLeader => f.write_str("stream-leader"),
            Self::MetaLeader => f.write_str("meta-leader"),
            Self::ConsumerLeader(group) => write!(f, "consumer-leader:{group}"),
            Self::Follower => f.write_str("follower"),
            Self::Connected => f.write_str("connected"),
            Self::Node(number) => write!(f, "node-{number}"),
            Self::Any => f.write_str("any"),
            Self::Minority => f.write_str("minority"),
            Self::Majority => f.write_str("majority"),
            Self::All => f.write_str("all"),
            Self::Others => f.write_str("others"),
            Self::Clients => f.write_str("clients"),
            Self::Group(group, None) => f.write_str(group),
            Self::Group(group, Some(member)) => write!(f, "{group}/{member}"),
        }
    }
}

impl FromStr for Target {
    type Err = std::convert::Infallible;

    /// Any other word is the name of a group, which `profile` checks.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "stream-leader" => Self::StreamLeader,
            "meta-leader" => Self::MetaLeader,
            "follower" => Self::Follower,
            "connected" => Self::Connected,
            "any" => Self::Any,
            "minority" => Self::Minority,
            "majority" => Self::Majority,
            "all" => Self::All,
            "others" => Self::Others,
            "clients" => Self::Clients,
            _ => {
                if let Some(group) = text.strip_prefix("consumer-leader:") {
                    Self::ConsumerLeader(group.to_owned())
                } else if let Some(number) = text.strip_prefix("node-").and_then(|number| number.parse().ok())
                {
                    Self::Node(number)
                } else if let Some((group, Ok(member))) =
                    text.rsplit_once('/').map(|(group, member)| (group, member.parse()))
                {
                    Self::Group(group.to_owned(), Some(member))
                } else {
                    Self::Group(text.to_owned(), None)
                }
            }
        })
    }
}

impl Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Target {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Target".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A role (`stream-leader`, `follower`, `consumer-leader:GROUP`…), a node (`node-2`), a set of nodes, \
                            or a group or one of its members (`trading-engine/1`).",
            "type": "string"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selftest::swarm::base;

    fn fault(name: &str, at: u64, length: u64, settle: u64) -> Fault {
        Fault {
            name: name.into(),
            at: Span::seconds(at),
            action: Action::Kill,
            target: Some(Target::StreamLeader),
            between: None,
            length: Span::seconds(length),
            settle: Span::seconds(settle),
            how: None,
            way: None,
            delay: None,
            jitter: None,
            rate: None,
            poison: None,
            expect: Expect::Service,
        }
    }

    #[test]
    fn the_segments_cover_the_measure_phase_and_each_scope_is_a_union_of_them() {
        let mut plan = base(1);
        assert!(segments(&plan).is_empty() && When::of(&plan).is_empty());
        plan.load.duration = Span::seconds(100);
        plan.faults = vec![fault("one", 20, 10, 15), fault("two", 60, 0, 15)];
        let all = segments(&plan);
        let cuts: Vec<u64> = all.iter().map(|segment| segment.until / 1_000_000_000).collect();
        assert_eq!((all[0].from, cuts), (0, vec![20, 30, 45, 60, 75, 100]));
        let of = |when: &When| -> Vec<u64> {
            let held = all.iter().filter(|segment| when.holds(&plan, segment.from));
            held.map(|segment| segment.from / 1_000_000_000).collect()
        };
        assert_eq!(of(&When::Whole), [0, 20, 30, 45, 60, 75]);
        assert_eq!(of(&When::Before), [0]);
        assert_eq!(of(&When::During), [20], "an instant fault lasts no time");
        assert_eq!(of(&When::Recovery), [30, 60]);
        assert_eq!(of(&When::After), [45, 75]);
        assert_eq!(of(&When::Fault("one".into())), [20, 30]);
        assert_eq!(of(&When::Fault("two".into())), [60]);
        let stretches = |when: &When| -> Vec<(u64, u64)> {
            let seconds = |ns: Ns| ns / 1_000_000_000;
            when.stretches(&plan).iter().map(|of| (seconds(of.from), seconds(of.until))).collect()
        };
        assert_eq!(stretches(&When::Fault("one".into())), [(20, 45)], "neighbours are one");
        assert_eq!(stretches(&When::After), [(45, 60), (75, 100)]);
        let seconds = |when: &When| when.length(&plan).ns / 1_000_000_000;
        assert_eq!(
            [When::Before, When::After, When::Fault("one".into())].map(|when| seconds(&when)),
            [20, 40, 25]
        );
    }

    #[test]
    fn a_target_is_its_word() {
        for word in [
            "stream-leader",
            "meta-leader",
            "consumer-leader:a-b",
            "follower",
            "connected",
            "node-2",
            "any",
            "minority",
            "majority",
            "all",
            "others",
            "clients",
            "trading-engine",
            "trading-engine/1",
        ] {
            assert_eq!(word.parse::<Target>().unwrap().to_string(), word);
        }
        assert_eq!("x/1".parse::<Target>(), Ok(Target::Group("x".into(), Some(1))));
        assert_eq!("node-x".parse::<Target>(), Ok(Target::Group("node-x".into(), None)));
    }
}
