//! The timeline as lines: seconds are combined to at most as many points as a picture can show.

use std::ops::Range;

use super::bands;
use super::pen::Ink;
use super::plot::{Backdrop, Line};
use crate::num;
use crate::plan::Ns;
use crate::record::{PhaseName, Record, Row};
use crate::report::show;

/// Maximum number of points of a line.
const POINTS: u64 = 240;
/// Maximum number of rows of a chart's table.
pub(super) const TABLE_ROWS: u64 = 60;

/// How seconds are combined to one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    /// The largest value.
    Worst,
    /// The mean; for rates, never for percentiles.
    Mean,
}

/// A record's timeline.
#[derive(Debug, Clone)]
pub(super) struct Time<'a> {
    pub(super) rows: &'a [Row],
    start: Ns,
    /// End of the axis in seconds.
    pub(super) to: f64,
    pub(super) backdrop: Backdrop,
}

impl<'a> Time<'a> {
    pub(super) fn of(record: &'a Record) -> Self {
        let rows = record.timeline.as_slice();
        let start = rows.first().map_or(0, |row| row.at_ns);
        let since = |at: Ns| num::f64_of(at.saturating_sub(start)) / 1e9;
        let to = rows.last().map_or(1.0, |row| since(row.at_ns) + 1.0);
        let shown = record.phases.iter().filter(|phase| phase.end_ns > start && since(phase.start_ns) < to);
        let phases = shown.map(|phase| {
            let measured = phase.name == PhaseName::Measure;
            (phase.name.as_str().to_owned(), since(phase.start_ns), since(phase.end_ns).min(to), measured)
        });
        let marks = record.marks.iter().map(|mark| since(mark.at_ns).min(to)).collect();
        let bands = bands::of(record, since, (0.0, to));
        Self { rows, start, to, backdrop: Backdrop { phases: phases.collect(), marks, bands } }
    }

    /// Seconds since the load began; 0 before it.
    pub(super) fn since(&self, at: Ns) -> f64 {
        num::f64_of(at.saturating_sub(self.start)) / 1e9
    }

    /// The text alternative of a chart, with the faults that it shows.
    pub(super) fn seen(&self, of_lines: String) -> String {
        let of_faults = bands::seen(&self.backdrop.bands);
        match (of_lines.is_empty(), of_faults.is_empty()) {
            (_, true) => of_lines,
            (true, false) => of_faults,
            (false, false) => format!("{of_lines}; {of_faults}"),
        }
    }

    /// The ranges of seconds of at most `most` points.
    fn bins(&self, most: u64) -> Vec<Range<usize>> {
        let total = num::count(self.rows.len());
        let size = num::index(total.div_ceil(most)).max(1);
        (0..self.rows.len()).step_by(size).map(|at| at..(at + size).min(self.rows.len())).collect()
    }

    /// Seconds in one point.
    pub(super) fn seconds_a_point(&self) -> usize {
        self.bins(POINTS).first().map_or(1, Range::len)
    }

    fn seconds(&self, at: usize) -> f64 {
        num::f64_of(self.rows[at].at_ns.saturating_sub(self.start)) / 1e9
    }

    fn folded(&self, bin: &Range<usize>, fold: Fold, value: &dyn Fn(&Row) -> Option<f64>) -> Option<f64> {
        let values: Vec<f64> = self.rows[bin.clone()].iter().filter_map(value).collect();
        if values.is_empty() {
            return None;
        }
        Some(match fold {
            Fold::Worst => values.iter().copied().fold(f64::MIN, f64::max),
            Fold::Mean => values.iter().sum::<f64>() / num::f64_of(num::count(values.len())),
        })
    }

    /// A line of the value of each second; a gap where there is none.
    pub(super) fn line(&self, name: &str, ink: Ink, fold: Fold, value: impl Fn(&Row) -> Option<f64>) -> Line {
        let mut stretches = vec![vec![]];
        for bin in self.bins(POINTS) {
            match self.folded(&bin, fold, &value) {
                // Drawn in the middle of its seconds.
                Some(v) => {
                    let middle = f64::midpoint(self.seconds(bin.start), self.seconds(bin.end - 1) + 1.0);
                    if let Some(last) = stretches.last_mut() {
                        last.push((middle, v));
                    }
                }
                None => stretches.push(vec![]),
            }
        }
        stretches.retain(|stretch| !stretch.is_empty());
        Line { name: show::plain(name), ink, stretches }
    }

    /// The column of a table for the same values.
    pub(super) fn column(
        &self,
        fold: Fold,
        value: impl Fn(&Row) -> Option<f64>,
        write: fn(f64) -> String,
    ) -> Vec<String> {
        let cells = self.bins(TABLE_ROWS).into_iter().map(|bin| self.folded(&bin, fold, &value));
        cells.map(|v| v.map_or_else(|| "–".to_owned(), write)).collect()
    }

    /// The first column of such a table: the start of each row.
    pub(super) fn starts(&self) -> Vec<String> {
        self.bins(TABLE_ROWS)
            .into_iter()
            .map(|bin| format!("{:.0}", self.seconds(bin.start).round()))
            .collect()
    }

    /// Start, end and seconds of each of at most `most` points.
    pub(super) fn columns(&self, most: u64) -> Vec<(f64, f64, &'a [Row])> {
        let bins = self.bins(most).into_iter();
        bins.map(|bin| (self.seconds(bin.start), self.seconds(bin.end - 1) + 1.0, &self.rows[bin])).collect()
    }
}
