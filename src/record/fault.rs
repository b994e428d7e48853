//! Faults that a run has injected, what they did to the bus, and the figures of each part of the run that they make.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DeadLetters, Latency, LostFiles, Step, Takeover};
use crate::plan::Ns;

/// A fault of the plan, as it was injected, and what it did to the bus. Times are since the run's epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// Its name.
    pub name: String,
    /// What was done, as in the profile: `kill`.
    #[serde(rename = "do")]
    pub action: String,
    /// To whom, as in the profile: `stream-leader`; for a link both ends.
    pub target: String,
    /// The nodes or members that the target was resolved to.
    pub resolved: Vec<String>,
    /// How that is known: which nodes named it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub how_known: String,
    /// The planned start.
    pub planned_ns: Ns,
    /// When it was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_ns: Option<Ns>,
    /// When its effect was observed: the process reaped, the links closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_ns: Option<Ns>,
    /// The planned start of the undo; absent for a fault without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_planned_ns: Option<Ns>,
    /// When the undo was done: the process runs, the links are open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_ns: Option<Ns>,
    /// When the nodes were healthy again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy_ns: Option<Ns>,
    /// Until when everything had to be normal again.
    pub settled_ns: Ns,
    /// How it went.
    pub outcome: Injection,
    /// Why, unless it went as planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a loss of power did to the files of the stores; absent of any other fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<LostFiles>,
    /// What a member that crashed left open, and what of it came again; absent of any other fault, and where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takeover: Option<Takeover>,
    /// Leader of the run's stream before it; of the cluster's own group, if that one is made to step down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_before: Option<String>,
    /// The same when it was to be settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_after: Option<String>,
    /// What it did to the events that were due from its planned start until it was to be settled; absent where it was not
    /// injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
}

/// How the injection of a fault went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Injection {
    /// Injected and undone as planned.
    Done,
    /// Begun or undone more than 250 ms off its plan: what is timed relative to it is not judged.
    Late,
    /// Not injected: its target could not be resolved, or it had no effect.
    Skipped,
    /// It failed halfway, and was undone as far as necessary.
    Failed,
    /// Its undo failed.
    NotUndone,
    /// The run ended before its time came.
    #[default]
    Dropped,
}

/// What a fault did to the events that were due in its scope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Effect {
    /// Events that were due.
    pub due: u64,
    /// Of these, confirmed.
    pub acked: u64,
    /// Refused for good.
    pub refused: u64,
    /// Given up without an answer.
    pub unconfirmed: u64,
    /// Never sent.
    pub unsent: u64,
    /// Sent more than once.
    pub resent: u64,
    /// Availability for publishing.
    pub publishing: Outage,
    /// Availability for each group, in the order of the plan.
    pub groups: Vec<GroupOutage>,
    /// Whether all was normal again for 5 s before it had to be settled.
    #[serde(default)]
    pub recovered: Recovered,
    /// From the planned start to the first instant from which all is normal for 5 s; absent where that was not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_ns: Option<u64>,
    /// From the end of the undo to that instant; absent as above, and without an undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_undo_ns: Option<u64>,
    /// Until when the recovery was observed, from the planned start: that instant, or, without one, the time by which there was
    /// none.
    pub observed_ns: u64,
}

/// Whether the bus recovered from a fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Recovered {
    /// It was normal again for 5 s, from an instant before it had to be settled.
    Yes,
    /// Not before it had to be settled.
    No,
    /// The run, or the time until the next fault, ended within 5 s of the last trouble.
    #[default]
    Unknown,
}

/// How long a side of the bus was unavailable: 10 ms slots of intended time with events, none of which was handled within the
/// limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outage {
    /// The slots together.
    pub unavailable_ns: u64,
    /// The longest run of them.
    pub longest_ns: u64,
}

/// The availability for a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupOutage {
    /// Its name.
    pub name: String,
    /// By first delivery.
    pub outage: Outage,
}

/// The availability of the bus over the measure phase.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Availability {
    /// An event counts as handled if it was handled within this time of its intended time.
    pub within_ns: u64,
    /// For publishing: confirmed.
    pub publishing: Outage,
    /// For each group, in the order of the plan: first delivered.
    pub groups: Vec<GroupOutage>,
}

/// The figures of a part of the measure phase, by intended time: one step's figures over its ranges.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScopeFigures {
    /// `before`, `during`, `recovery`, `after`, `fault.NAME`.
    pub name: String,
    /// Its ranges, since the start of the measure phase.
    pub ranges: Vec<(Ns, Ns)>,
    /// Its availability.
    pub availability: Availability,
    /// Its figures; `from_ns` and `until_ns` are 0 and the length of all ranges together.
    pub figures: Step,
}

/// 100 ms steps around a fault, for its chart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fine {
    /// The fault.
    pub fault: String,
    /// Start of the first step, since the run's epoch.
    pub from_ns: Ns,
    /// Length of a step.
    pub step_ns: u64,
    /// Confirmed in each step.
    pub acked: Vec<u32>,
    /// Refused or given up in each step.
    pub refused: Vec<u32>,
    /// First deliveries to all groups in each step.
    pub delivered: Vec<u32>,
    /// The largest acked − intended of each step; 0 without an acknowledgement.
    pub ack_max_ns: Vec<u64>,
}

/// A leader as it was seen at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Led {
    /// When it was seen first.
    pub at_ns: Ns,
    /// What is led: `stream`, `meta`, `consumer GROUP`.
    pub what: String,
    /// Its leader; empty while there was none.
    pub who: String,
}

/// A node of a broker that tickgate started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StartedNode {
    /// Its name.
    pub name: String,
    /// Its address for clients.
    pub address: String,
    /// Changes of its state: `up`, `down`, `stopped`, `cut`; it is up at first.
    pub states: Vec<(Ns, NodeState)>,
    /// Versions of its server, each from the time at which it was seen first; only of a run that upgrades the nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<(Ns, String)>,
}

/// The state of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeState {
    /// Its process runs.
    #[default]
    Up,
    /// Its process has ended.
    Down,
    /// Its process is stopped.
    Stopped,
    /// Some of its links are cut.
    Cut,
}

impl NodeState {
    /// Returns whether its process runs and is not stopped.
    #[must_use]
    pub const fn runs(self) -> bool {
        matches!(self, Self::Up | Self::Cut)
    }
}

/// All that a run with faults has recorded of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Faults {
    /// The faults, in the order of the plan.
    #[serde(default)]
    pub injected: Vec<Fault>,
    /// The nodes of a broker that tickgate started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<StartedNode>,
    /// Leaders over time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaders: Vec<Led>,
    /// The availability over the whole measure phase.
    #[serde(default)]
    pub availability: Availability,
    /// The figures of each scope.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<ScopeFigures>,
    /// The steps around each fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fine: Vec<Fine>,
    /// The dead letters of each group that has some, or whose events were made poison.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead_letters: Vec<DeadLetters>,
}

impl Faults {
    /// Returns whether nothing was recorded: a run without faults, and without an objective on its availability.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The versions of the nodes at the end, where some node has changed its own; several if they differ.
    #[must_use]
    pub fn version_after(&self) -> Option<String> {
        let changed = |node: &StartedNode| {
            node.versions
                .first()
                .zip(node.versions.last())
                .is_some_and(|((_, first), (_, last))| first != last)
        };
        if !self.nodes.iter().any(changed) {
            return None;
        }
        let last = self.nodes.iter().filter_map(|node| node.versions.last());
        let all: BTreeSet<&str> = last.map(|(_, version)| version.as_str()).collect();
        Some(all.into_iter().collect::<Vec<_>>().join(", "))
    }

    /// The figures of a scope by its name.
    #[must_use]
    pub fn scope(&self, name: &str) -> Option<&ScopeFigures> {
        self.scopes.iter().find(|scope| scope.name == name)
    }
}

impl ScopeFigures {
    /// acked − intended, where it was kept.
    #[must_use]
    pub const fn ack(&self) -> Option<&Latency> {
        self.figures.ack.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Broker;

    #[test]
    fn a_bus_has_the_version_that_its_nodes_end_with() {
        let node = |versions: &[&str]| StartedNode {
            versions: (0..).zip(versions.iter().map(|version| (*version).to_owned())).collect(),
            ..StartedNode::default()
        };
        let after = |nodes: &[&[&str]]| {
            Faults { nodes: nodes.iter().map(|of| node(of)).collect(), ..Faults::default() }.version_after()
        };
        assert_eq!(after(&[&[], &[]]), None, "nothing was upgraded");
        assert_eq!(after(&[&["2.14.6"], &["2.14.6"]]), None);
        let upgraded: &[&str] = &["2.14.6", "2.15.1"];
        assert_eq!(after(&[upgraded, upgraded]).as_deref(), Some("2.15.1"));
        assert_eq!(after(&[upgraded, &["2.14.6"]]).as_deref(), Some("2.14.6, 2.15.1"), "halfway");
        let broker = Broker { version: "2.14.6".into(), ..Broker::default() };
        assert_eq!(broker.versions(), "2.14.6");
        let broker = Broker { version_after: Some("2.15.1".into()), ..broker };
        assert_eq!(broker.versions(), "2.14.6 → 2.15.1");
    }
}
