//! What an acknowledgement promises about a fault, by what it means and by what the fault takes away.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::compare::{Kept, acknowledged};
use crate::plan::{Action, Fault, Plan, choices};

/// The word of the action that emulates a loss of power.
pub const POWER_LOSS: &str = "power-loss";

/// What an acknowledgement promises about a confirmed event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Promise {
    /// It survives the fault.
    Survives,
    /// Nothing: it may be lost.
    Nothing,
    /// It is not known what the acknowledgement means.
    #[default]
    Unknown,
}

choices! {
    Promise: Survives, Nothing, Unknown;
}

/// A promise, and the reason for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pledge {
    /// The promise.
    pub promise: Promise,
    /// Why, as the end of a sentence.
    pub why: String,
}

/// What a fault takes away from the nodes that it hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Nothing of a node.
    Nothing,
    /// The node for a while, with all that it holds.
    Node,
    /// The memory of its processes.
    Memory,
    /// All that was not forced to the disk.
    PageCache,
}

fn takes(action: Action) -> Takes {
    match action {
        action if action.to_string() == POWER_LOSS => Takes::PageCache,
        Action::Stop | Action::StepDown => Takes::Node,
        action if action.is_of_links() => Takes::Node,
        action if action.is_of_processes() => Takes::Memory,
        _ => Takes::Nothing,
    }
}

/// The most nodes that are hit at the same time.
fn hit(fault: &Fault, nodes: u32) -> u32 {
    match &fault.target {
        _ if fault.action.is_in_turn() => 1,
        Some(target) => target.of_nodes(nodes).max(1),
        None => 1,
    }
}

/// What an acknowledgement of this durability, in the words of the drivers, promises about the faults of a plan.
#[must_use]
pub fn pledge(durability: &str, plan: &Plan) -> Pledge {
    let Some((copies, kept)) = acknowledged(durability) else {
        let why = format!("it is not known what an acknowledgement means (`{durability}`)");
        return Pledge { promise: Promise::Unknown, why };
    };
    if plan.bus.discards_old() {
        let why = "a full stream removes its oldest events, confirmed or not".to_owned();
        return Pledge { promise: Promise::Nothing, why };
    }
    let refused = plan.faults.iter().find_map(|fault| nothing(copies, kept, plan, fault));
    match refused {
        Some(why) => Pledge { promise: Promise::Nothing, why },
        None if kept == Kept::Nowhere => Pledge {
            promise: Promise::Nothing,
            why: "an acknowledgement says that the event was sent".into(),
        },
        None => Pledge { promise: Promise::Survives, why: survives(copies, kept, plan) },
    }
}

/// Why nothing is promised about a fault, where that is so.
fn nothing(copies: u32, kept: Kept, plan: &Plan, fault: &Fault) -> Option<String> {
    let takes = takes(fault.action);
    if takes == Takes::Nothing || kept == Kept::Nowhere {
        return None;
    }
    let (nodes, replicas) = (plan.cluster.nodes.max(1), plan.bus.replicas.max(1));
    if replicas > 1 && copies < 2 {
        return Some(format!(
            "one of {replicas} copies confirms, and the nodes may go on with another copy that lacks the event"
        ));
    }
    let hit = hit(fault, nodes);
    let lost = match takes {
        Takes::Memory => kept == Kept::Memory,
        Takes::PageCache => kept <= Kept::PageCache,
        Takes::Nothing | Takes::Node => false,
    };
    if !lost || copies > hit {
        return None;
    }
    let place = if kept == Kept::Memory { "in memory" } else { "in the page cache" };
    Some(if copies > 1 {
        format!("the event is {place} of {copies} nodes, and {hit} are hit at once")
    } else {
        format!("the event is {place}, which the fault takes away")
    })
}

fn survives(copies: u32, kept: Kept, plan: &Plan) -> String {
    let place = match kept {
        Kept::Nowhere => "sent",
        Kept::Memory => "in memory",
        Kept::PageCache => "in the page cache",
        Kept::Disk => "on the disk",
    };
    let of = if copies > 1 { format!(" of {copies} nodes") } else { String::new() };
    match plan.faults.first() {
        None => format!("the event is {place}{of}, and nothing fails"),
        Some(fault) => match takes(fault.action) {
            Takes::Nothing => format!("the event is {place}{of}, and no node fails"),
            Takes::Node => format!("the event is {place}{of}, which the fault leaves as it is"),
            Takes::Memory | Takes::PageCache => format!("the event is {place}{of}, which outlives the fault"),
        },
    }
}
