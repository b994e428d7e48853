//! Distributions: latency by percentile, from the histograms of a record.

use super::pen::Ink;
use super::plot::Line;
use crate::measure;
use crate::num;
use crate::record::Latency;
use crate::report::show;

/// A distribution with at least one value.
pub(super) struct Spread {
    pub(super) name: String,
    histogram: hdrhistogram::Histogram<u64>,
    pub(super) count: u64,
    max: u64,
}

impl Spread {
    pub(super) fn of(name: &str, latency: &Latency) -> Option<Self> {
        let histogram = measure::decode(&latency.histogram).ok()?;
        let max = u64::try_from(latency.max_ns).unwrap_or(0);
        (!histogram.is_empty()).then(|| Self {
            name: show::plain(name),
            count: latency.count,
            histogram,
            max,
        })
    }

    /// The value at this number of nines.
    pub(super) fn at(&self, nines: f64) -> u64 {
        let quantile = 1.0 - 10_f64.powf(-nines);
        self.histogram.value_at_quantile(quantile).min(self.max)
    }

    /// The position of the last sample, in nines.
    pub(super) fn nines(&self) -> f64 {
        num::f64_of(self.count.max(1)).log10().max(0.31)
    }

    /// The distribution as a line on an axis of nines.
    pub(super) fn line(&self, ink: Ink) -> Line {
        let end = self.nines();
        let points = (0..=160_u32).map(|i| f64::from(i) / 160.0 * end);
        let points = points.map(|x| (x, num::f64_of(self.at(x).max(1)))).collect();
        Line { name: self.name.clone(), ink, stretches: vec![points] }
    }
}
