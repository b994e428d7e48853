//! The replays of a run, compared with what was published.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::num;
use crate::plan::{Begin, Ns, Origin, Speed, choices};

/// A replay, compared with what was published.
///
/// What was to come are the confirmed events behind its begin and before its end. An event that was sent before such a boundary
/// and confirmed no earlier may be stored on either side of it: the store has its own time. So may an unconfirmed event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Replay {
    /// Its name in the plan.
    pub name: String,
    /// When it was to begin.
    pub at: Begin,
    /// Where it began.
    pub from: Origin,
    /// How fast events were handed out.
    pub speed: Speed,
    /// How it ended.
    pub end: ReplayEnd,
    /// Why, where it was not read to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When its end was fixed: nothing that was stored later belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_ns: Option<Ns>,
    /// When its last event was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ns: Option<Ns>,
    /// Events that came.
    pub events: u64,
    /// Events that were to come.
    pub expected: u64,
    /// Of these: came once, in the order of their symbol, and intact.
    pub equal: u64,
    /// Of these: did not come, or not intact.
    pub missing: u64,
    /// Events of the run that came and were not to come.
    pub extra: u64,
    /// Events that came and need not have come.
    pub either: u64,
    /// Copies beyond the first of an event.
    pub twice: u64,
    /// Events that came after one of their symbol with a higher sequence.
    pub reordered: u64,
    /// Events with another content.
    pub corrupt: u64,
    /// Events that are none of the run's.
    pub foreign: u64,
    /// Events per second, from its begin to its last event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Share of a core that the thread that read it used meanwhile, its connecting included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy: Option<f64>,
    /// At the original speed: the sum, over all neighbours, of the difference between their pause as received and as stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_ns: Option<u64>,
    /// At the original speed: the time from the first to the last event as stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_ns: Option<u64>,
    /// At the original speed: by how much the time from the first to the last event as received was longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longer_ns: Option<i64>,
    /// While the load went on: the usual p99 of the end-to-end latency before the first replay, as the median over its seconds of
    /// the slowest group's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_p99_before_ns: Option<u64>,
    /// The same during this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_p99_during_ns: Option<u64>,
}

impl Default for Replay {
    fn default() -> Self {
        Self {
            name: String::new(),
            at: Begin::Drain,
            from: Origin::Start,
            speed: Speed::Max,
            end: ReplayEnd::NotBegun,
            reason: None,
            began_ns: None,
            ended_ns: None,
            events: 0,
            expected: 0,
            equal: 0,
            missing: 0,
            extra: 0,
            either: 0,
            twice: 0,
            reordered: 0,
            corrupt: 0,
            foreign: 0,
            rate: None,
            busy: None,
            drift_ns: None,
            stored_ns: None,
            longer_ns: None,
            live_p99_before_ns: None,
            live_p99_during_ns: None,
        }
    }
}

/// How a replay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReplayEnd {
    /// It was read to its end.
    Complete,
    /// It was not.
    Incomplete,
    /// It was not begun.
    NotBegun,
}

choices! {
    ReplayEnd: Complete, Incomplete, NotBegun;
}

impl Replay {
    /// The events that were to come, and those that came without that.
    #[must_use]
    pub fn judged(&self) -> u64 {
        num::sum([self.expected, self.extra, self.foreign])
    }

    /// The share of them that came once, in order and intact; `None` where there are none, or where it was not read to its end.
    #[must_use]
    pub fn share_equal(&self) -> Option<f64> {
        let known = self.end == ReplayEnd::Complete && self.expected > 0;
        known.then(|| num::share(self.equal, self.judged()))
    }

    /// From its begin to its last event.
    #[must_use]
    pub fn took_ns(&self) -> Option<u64> {
        Some(self.ended_ns?.saturating_sub(self.began_ns?))
    }
}
