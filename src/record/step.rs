//! The figures of one step of a load of steps. An event belongs to the step of its intended time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Latency, ObjectiveResult, Offered, Verdict};
use crate::num;
use crate::plan::Ns;

/// One step of a load of steps, judged as a run of this step alone would be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Its number, from 1.
    pub number: u64,
    /// Start, since the start of the measure phase.
    pub from_ns: Ns,
    /// End, since the start of the measure phase.
    pub until_ns: Ns,
    /// Events/s of the plan.
    pub planned_rate: f64,
    /// Events that were due.
    pub due: u64,
    /// Of these, handed to the client.
    pub sent: u64,
    /// Of these, confirmed by the broker.
    pub acked: u64,
    /// Of those due, unsent for reasons other than the bus.
    pub unsent_own: u64,
    /// How much of it the generator that offered the least offered in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<Offered>,
    /// How late the last event was sent.
    pub finished_late_ns: u64,
    /// sent − intended.
    pub send_lag: Latency,
    /// acked − intended; absent in a plan without an objective on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<Latency>,
    /// acked − sent; absent in a plan without an objective on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Latency>,
    /// Each group, in the order of the plan.
    pub groups: Vec<StepGroup>,
    /// The objectives that have a figure within a step: times and throughputs.
    pub objectives: Vec<ObjectiveResult>,
    /// The worst of them; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// What a group received of a step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepGroup {
    /// Its name.
    pub name: String,
    /// Events that were due on its topics.
    pub due: u64,
    /// Of these, unsent for reasons other than the bus.
    pub unsent_own: u64,
    /// Of these, delivered by the end of the step plus the tightest latency limit.
    pub in_time: u64,
    /// received − intended, of first deliveries.
    pub latency: Latency,
}

impl Step {
    /// Its length in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        num::f64_of(self.until_ns.saturating_sub(self.from_ns)) / 1e9
    }
}

impl StepGroup {
    /// Events due that took longer than a limit or have no time; `None` where the limit was not counted.
    #[must_use]
    pub fn over(&self, limit_ns: u64) -> Option<u64> {
        let missing = self.due.saturating_sub(self.latency.count);
        if self.latency.count == 0 {
            return Some(missing);
        }
        let limit = self.latency.over_limit.iter().find(|limit| limit.limit_ns == limit_ns)?;
        Some(limit.above.saturating_add(missing))
    }
}
