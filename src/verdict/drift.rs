//! Whether a figure rises over a run: the trend of its windows, outside of faults.
//!
//! The measure phase is divided into windows of equal length. Of each window counts the median of its calm seconds: those that lie in no
//! fault and in no time that a fault has to settle. The first quarter of the phase is left out, in which caches fill. A rise counts if the
//! test of Mann and Kendall finds one with p ≤ 1 %; its size is the slope of Theil and Sen, over the windows that count.

use crate::num;
use crate::plan::Resource;
use crate::record::{Record, Row};
use crate::stats;

/// Windows of the measure phase.
const WINDOWS: u64 = 20;
/// Of these, the first ones that are left out.
const LEFT_OUT: u64 = 5;
/// The fewest windows with calm seconds.
const FEWEST: usize = 8;
/// The fewest calm seconds of a window.
const CALM: usize = 3;
/// A rise counts if its one-sided p is at most this.
const P: f64 = 0.01;

/// Why there is no drift, and what to do about it.
pub(super) const NO_DATA: (&str, &str) = (
    "fewer than 8 of the last 15 twentieths of the measure phase have 3 calm seconds",
    "run longer, or with longer times between the faults",
);

/// How a figure moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// Windows with calm seconds.
    pub windows: usize,
    /// One-sided p of “it does not rise”.
    pub p: f64,
    /// By which share the line through the windows rises, from the first to the last; negative where it falls.
    pub change: f64,
}

impl Drift {
    /// The rise: 0 where chance explains it, or where it falls.
    #[must_use]
    pub fn rise(&self) -> f64 {
        if self.p <= P { self.change.max(0.0) } else { 0.0 }
    }
}

/// The drift of a figure of a record; `None` with too few calm windows, or of a figure that has none.
#[must_use]
pub fn of(record: &Record, resource: Resource) -> Option<Drift> {
    let start = record.phase(crate::record::PhaseName::Measure)?.start_ns;
    let length = record.plan.load.duration.ns;
    let troubled: Vec<(u64, u64)> =
        record.faults.injected.iter().map(|fault| (fault.planned_ns, fault.settled_ns)).collect();
    let calm = |row: &&Row| {
        let (from, until) = (row.at_ns, row.at_ns.saturating_add(1_000_000_000));
        let apart = |(begins, settled): &(u64, u64)| until <= *begins || from >= *settled;
        from >= start && until <= start.saturating_add(length) && troubled.iter().all(apart)
    };
    let mut windows: Vec<Vec<f64>> = (0..WINDOWS).map(|_| Vec::new()).collect();
    for row in record.timeline.iter().filter(calm) {
        let window = (row.at_ns - start).saturating_mul(WINDOWS) / length.max(1);
        if let (Some(values), Some(value)) = (windows.get_mut(num::index(window)), figure(row, resource)) {
            values.push(value);
        }
    }
    let points: Vec<(f64, f64)> = (0..WINDOWS)
        .zip(&windows)
        .filter(|(at, values)| *at >= LEFT_OUT && values.len() >= CALM)
        .filter_map(|(at, values)| Some((num::f64_of(at), stats::median(values)?)))
        .collect();
    drift(&points)
}

/// The figure of a second.
fn figure(row: &Row, resource: Resource) -> Option<f64> {
    match resource {
        Resource::LatencyDrift => {
            let heard = row.groups.iter().filter(|group| group.latency.count > 0);
            heard.map(|group| num::f64_of(group.latency.p99_ns)).reduce(f64::max)
        }
        Resource::BrokerMemoryDrift => row.broker_memory_bytes.map(num::f64_of),
        Resource::HarnessMemoryDrift => Some(num::f64_of(row.harness_memory_bytes)),
        Resource::BrokerMemory
        | Resource::BrokerCpu
        | Resource::BrokerStore
        | Resource::HarnessMemory
        | Resource::HarnessCpu => None,
    }
}

/// The drift of points in the order of their places.
fn drift(points: &[(f64, f64)]) -> Option<Drift> {
    if points.len() < FEWEST {
        return None;
    }
    let (first, last) = (points.first()?.0, points.last()?.0);
    let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    let trend = stats::trend(&values)?;
    let slope = stats::slope(points)?;
    // The line through the median of what is left when the slope is taken away.
    let starts: Vec<f64> = points.iter().map(|(at, value)| value - slope * (at - first)).collect();
    let start = stats::median(&starts)?;
    let change = if start > 0.0 { slope * (last - first) / start } else { 0.0 };
    let p = if trend.tau > 0.0 { trend.p / 2.0 } else { 1.0 };
    Some(Drift { windows: points.len(), p, change })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(of: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (5..20).map(f64::from).map(|at| (at, of(at))).collect()
    }

    /// A jitter without a trend.
    fn noise(at: f64) -> f64 {
        (at * 7.3).sin()
    }

    #[test]
    fn a_rise_is_measured_and_noise_is_none() {
        let rising = drift(&points(|at| 100.0 + 5.0 * (at - 5.0) + noise(at))).unwrap();
        assert!((rising.rise() - 0.7).abs() < 0.05 && rising.p < 1e-4, "{rising:?}");
        let level = drift(&points(|at| 100.0 + 10.0 * noise(at))).unwrap();
        assert!(level.rise() <= 0.0, "{level:?}");
        let falling = drift(&points(|at| 200.0 - 5.0 * at)).unwrap();
        assert!(falling.rise() <= 0.0 && falling.change < 0.0, "{falling:?}");
        let flat = drift(&points(|_| 3.0)).unwrap();
        assert!(flat.rise() <= 0.0, "{flat:?}");
    }

    /// A single window that is out of line, such as one beside a fault, is no rise.
    #[test]
    fn a_wild_window_is_no_rise() {
        let wild = drift(&points(|at| if at > 18.0 { 900.0 } else { 100.0 + noise(at) })).unwrap();
        assert!(wild.rise() <= 0.0, "{wild:?}");
    }

    #[test]
    fn a_few_windows_say_nothing() {
        assert_eq!(drift(&points(|at| at)[..7]), None);
    }
}
