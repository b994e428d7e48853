//! One trial of a search: a run at one rate, with a fresh broker and events of its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::compare::Ledger;
use crate::plan::{Span, choices};
use crate::record::Thread;

/// The part of a search that a trial belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The first: can this machine hold the start rate at all?
    #[default]
    Probe,
    /// Doubling or halving until one trial passed and one did not.
    Climb,
    /// Near the estimate, until its interval is narrow.
    Narrow,
    /// At the floor: passes in a row.
    Floor,
    /// At the ceiling: misses in a row.
    Ceiling,
}

choices! {
    Stage: Probe, Climb, Narrow, Floor, Ceiling;
}

/// What came of a trial: the first that applies, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The user ended it.
    #[default]
    Interrupted,
    /// The broker could not be started or reached, so that no load began.
    Broken,
    /// The broker ended under load: not passed.
    Died,
    /// Others used the machine, and the run could not be judged for it.
    Disturbed,
    /// tickgate and the broker used the machine up, so that the load could not be offered or judged: not passed.
    Saturated,
    /// A thread of tickgate was at its limit: says nothing about the bus.
    Client,
    /// The run could not be judged for another reason.
    Unfit,
    /// An objective was missed, the queue still grew, or a pass could not be shown.
    NotPassed,
    /// All objectives were met.
    Passed,
}

choices! {
    Outcome: Interrupted, Broken, Died, Disturbed, Saturated, Client, Unfit, NotPassed, Passed;
}

impl Outcome {
    /// Did the bus carry the rate? `None` for a trial that says nothing about it.
    #[must_use]
    pub const fn evidence(self) -> Option<bool> {
        match self {
            Self::Passed => Some(true),
            Self::Died | Self::Saturated | Self::NotPassed => Some(false),
            Self::Interrupted | Self::Broken | Self::Disturbed | Self::Client | Self::Unfit => None,
        }
    }
}

/// What limited a trial that did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// The bus, with a machine that had room.
    Bus,
    /// The machine: tickgate and the broker used it up.
    Machine,
    /// `bus.window`: as many events were in flight as it allows.
    Window,
    /// tickgate itself.
    Client,
    /// Not known.
    Unknown,
}

choices! {
    Limit: Bus, Machine, Window, Client, Unknown;
}

/// One trial: a line of `trials.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// 1, 2, 3…
    pub number: u32,
    /// What it was for.
    pub stage: Stage,
    /// Rate of the load, in events/s.
    pub rate: f64,
    /// Seed of its events.
    pub seed: u64,
    /// Its run folder, relative to the search's; empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub folder: String,
    /// Its run's id; empty if no load began.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What limited it, where it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// Why, where it did not pass: one sentence without a full stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Time from the start of its cool-down to its end.
    pub took: Span,
    /// Was it ended early, when it could not pass any more?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub curtailed: bool,
    /// Its figures; absent if no load began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
}

/// The figures of a trial, over its measure phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Length of the measure phase, in seconds.
    pub seconds: f64,
    /// Events that were due.
    pub intended: u64,
    /// Events/s of the schedule.
    pub offered: f64,
    /// Events/s that the broker confirmed.
    pub achieved: f64,
    /// End-to-end latency of the slowest group, of the events that were due: median; absent if more events never came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_ns: Option<u64>,
    /// 99 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_ns: Option<u64>,
    /// 99.9 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_9_ns: Option<u64>,
    /// Cores used by the broker's processes on this machine or nodes that are watched; absent where they are not visible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_cores: Option<f64>,
    /// Peak memory of the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_memory_bytes: Option<u64>,
    /// Cores used by tickgate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harness_cores: Option<f64>,
    /// Cores that tickgate may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usable_cores: Option<f64>,
    /// Of these, in use by any process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_cores: Option<f64>,
    /// Of these, used by others, stolen ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others_cores: Option<f64>,
    /// Taken by the hypervisor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stolen_cores: Option<f64>,
    /// tickgate's busiest thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busiest_thread: Option<Thread>,
    /// Share of the time in which as many events were in flight as `bus.window` allows, of the generator with most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_full: Option<f64>,
    /// Share of the time in which the disk of the broker's store was busy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_busy: Option<f64>,
    /// Share of the machine's memory in use by tickgate and the broker, at its peak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used: Option<f64>,
    /// Highest number of confirmed events that were not delivered yet, of the group with most.
    pub backlog_max: u64,
    /// Bytes of one event in the broker's stores, all copies; absent where they are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_bytes_per_event: Option<f64>,
    /// Faults: losses, duplicates, damage, order.
    pub ledger: Ledger,
}
