//! The account of a search: `capacity.json`, from which everything that is shown follows.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::design::Design;
use super::trial::Trial;
use crate::compare::{self, Prices};
use crate::plan::Plan;
use crate::record::{Broker, Environment, Verdict};

/// The account of one search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// `tickgate.capacity/1`.
    pub schema: String,
    /// Version of the rules by which it was judged.
    pub rules: u32,
    /// Identity and circumstances.
    pub about: About,
    /// What the search did.
    pub design: Design,
    /// The bus, by the first trial that has a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<Broker>,
    /// The machine, by the same trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The plan of a confirming trial at the rate of the profile.
    pub plan: Plan,
    /// All trials, in their order.
    pub trials: Vec<Trial>,
    /// The capacity: estimate, floor and ceiling.
    pub answer: Answer,
    /// Each target.
    pub targets: Vec<Target>,
    /// When the load outgrows the capacity, if a growth was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
    /// What the load costs at the floor and at each target; absent without prices or without a floor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// The use of each resource by rate.
    pub resources: Vec<Use>,
    /// The first resource that was used up on the way from the floor to the ceiling: an association, not a cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<First>,
    /// Faults of delivery below the floor, each a sentence.
    pub faults: Vec<String>,
    /// `pass`: every target is at or below the floor; `fail`: one is at or above the ceiling, or events were lost.
    pub verdict: Verdict,
    /// The result in a few sentences.
    pub sentence: String,
    /// Why the verdict is not `pass`.
    pub reasons: Vec<String>,
}

/// Identity and circumstances of a search.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct About {
    /// Unique id.
    pub id: String,
    /// The profile, by name.
    pub profile: String,
    /// Overrides, in the syntax of `--set`.
    pub sets: Vec<String>,
    /// Version of tickgate.
    pub tickgate: String,
    /// Tags from `--tag`, and commit, branch and job from the variables of a CI system.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Start, RFC 3339, UTC.
    pub started: String,
    /// End, RFC 3339, UTC.
    pub ended: String,
}

/// A rate that the bus has to hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// Events/s.
    pub rate: f64,
    /// Was it asked for? Others are shown and decide nothing.
    pub asked: bool,
    /// floor / rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headroom: Option<f64>,
    /// Estimate / rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_estimate: Option<f64>,
    /// Does the bus hold it?
    pub verdict: Verdict,
}

/// When the load outgrows the capacity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Growth {
    /// Today's rate, in events/s: that of the profile.
    pub now: f64,
    /// Growth a month: 0.05 is 5 %.
    pub monthly: f64,
    /// Months until the floor, ln(floor / now) / ln(1 + monthly); negative if it is below today's rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_floor: Option<f64>,
    /// Months until the ceiling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_ceiling: Option<f64>,
}

/// What the broker's resources cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// The prices.
    pub prices: Prices,
    /// At the floor, then at each target that the floor covers.
    pub at: Vec<BillAt>,
}

/// The cost at one rate. Cores and memory are those of the broker at the floor, also at a lower rate; the disk holds the
/// events of the retention at this rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BillAt {
    /// Events/s.
    pub rate: f64,
    /// Share of the floor that this rate leaves idle: 1 − rate / floor.
    pub idle: f64,
    /// Resources and their price a month, and by it that of a million events.
    pub bill: compare::Bill,
}

/// The use of each resource at one rate: means over its trials, in shares of what is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Use {
    /// Events/s.
    pub rate: f64,
    /// Trials with figures.
    pub trials: u32,
    /// Of these, passed.
    pub passed: u32,
    /// Share by resource.
    pub shares: BTreeMap<Resource, f64>,
}

/// A resource that can be used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// The usable cores of the machine, used by tickgate and the broker.
    Cpu,
    /// One core, used by tickgate's busiest thread.
    Thread,
    /// `bus.window`: share of the time in which it was full.
    Window,
    /// The disk of the broker's store: share of the time in which it was busy.
    Disk,
    /// The machine's memory.
    Memory,
    /// The usable cores of the machine, taken by the hypervisor.
    Stolen,
}

crate::plan::choices! {
    Resource: Cpu, Thread, Window, Disk, Memory, Stolen;
}

impl Resource {
    /// The share from which on it counts as used up.
    #[must_use]
    pub const fn threshold(self) -> f64 {
        match self {
            Self::Cpu | Self::Disk | Self::Memory => 0.80,
            Self::Thread => 0.90,
            Self::Window => 0.50,
            Self::Stolen => 0.10,
        }
    }
}

/// The first resource over its threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct First {
    /// Which.
    pub resource: Resource,
    /// The lowest rate at which it was over it, in events/s.
    pub rate: f64,
    /// Its share there.
    pub share: f64,
}
