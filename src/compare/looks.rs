//! Looks at the figures before the last pair, as accounts store them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stats;

/// One look: what a fixed number of pairs said of a metric, in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LookTaken {
    /// The pairs that it saw.
    pub pairs: u32,
    /// Exact one-sided p of the signed-rank test.
    pub p: f64,
    /// The largest p that would have settled it.
    pub level: f64,
    /// The ratio of the sides after these pairs (Hodges–Lehmann).
    pub ratio: f64,
}

/// The looks of a comparison at a metric.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricLooks {
    /// The tests for "higher than the reference".
    pub higher: Vec<LookTaken>,
    /// The tests for "lower"; none if only worse was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lower: Vec<LookTaken>,
    /// The number of pairs at which the looks at this metric stopped; absent if more pairs were needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<u32>,
}

impl From<&stats::Look> for LookTaken {
    fn from(look: &stats::Look) -> Self {
        Self { pairs: look.pairs, p: look.p, level: look.level, ratio: look.estimate.exp() }
    }
}
