//! Whether the latency of a run's seconds still moves.

use super::Steady;
use crate::num;
use crate::record::{PhaseName, Row};
use crate::stats::{self, Trend};

/// A trend counts if its p-value is at most this …
const TREND_P: f64 = 0.01;
/// … and if the halves of the measure phase differ by this factor.
const TREND_SIZE: f64 = 1.25;
/// Fewest measured seconds for a trend in either direction.
const TREND_SECONDS: usize = 8;

/// How the medians of the measured seconds move. Neighbouring seconds are correlated, so the test alone raises false alarms: a
/// trend must be large too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// Measured seconds with deliveries.
    pub seconds: usize,
    /// Their trend.
    pub trend: Trend,
    /// Median of the second half over that of the first.
    pub halves: f64,
}

impl Drift {
    /// The drift of end-to-end latency, of the slowest group in each second; `None` for fewer than four seconds.
    #[must_use]
    pub fn of(timeline: &[Row]) -> Option<Self> {
        let measured = timeline.iter().filter(|row| row.phase == PhaseName::Measure);
        let slowest = |row: &Row| {
            let heard = row.groups.iter().filter(|group| group.latency.count > 0);
            heard.map(|group| num::f64_of(group.latency.p50_ns)).reduce(f64::max)
        };
        let medians: Vec<f64> = measured.filter_map(slowest).collect();
        let trend = stats::trend(&medians)?;
        let (first, second) = medians.split_at(medians.len() / 2);
        let halves = stats::median(second)? / stats::median(first)?.max(1.0);
        Some(Self { seconds: medians.len(), trend, halves })
    }

    /// Does the latency rise, by the test in this direction alone?
    #[must_use]
    pub fn rises(&self) -> bool {
        self.trend.tau > 0.0 && self.trend.p / 2.0 <= TREND_P && self.halves >= TREND_SIZE
    }
}

/// Tests the latency of the measured seconds for a trend in either direction.
pub(super) fn steady(timeline: &[Row]) -> Option<Steady> {
    let Drift { seconds, trend, halves } = Drift::of(timeline)?;
    let large = !(1.0 / TREND_SIZE..=TREND_SIZE).contains(&halves);
    let steady = !(large && trend.p <= TREND_P);
    (seconds >= TREND_SECONDS).then_some(Steady { tau: trend.tau, p: trend.p, halves, steady })
}
