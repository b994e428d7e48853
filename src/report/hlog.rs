//! The distributions as an `HdrHistogram` interval log (version 1.3, V2 histograms), as the standard tools read it.

use std::fmt::Write as _;

use super::show;
use crate::measure;
use crate::num;
use crate::plan::Ns;
use crate::record::{PhaseName, Record, Rows};

/// One line for each second of the measure phase and each time and group, from the journal; without one, one
/// line each for the whole phase. Times are nanoseconds, the largest of an interval milliseconds.
pub(crate) fn log(record: &Record, seconds: &[Rows]) -> String {
    let start = num::f64_of(record.run.epoch_unix_ns) / 1e9;
    let mut out = format!(
        "#[tickgate {}: run {}, times in nanoseconds]\n#[Histogram log format version 1.3]\n\
         #[StartTime: {start:.3} (seconds since epoch), {}]\n\
         \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
        show::plain(&record.run.tickgate),
        show::plain(&record.run.id),
        show::plain(&record.run.started),
    );
    let tags: Vec<String> = record.plan.groups.iter().map(|g| tag(&format!("latency.{}", g.name))).collect();
    let measured = |rows: &&Rows| rows.row.phase == PhaseName::Measure || rows.row.phase == PhaseName::Drain;
    let mut lines = 0_u32;
    for rows in seconds.iter().filter(measured) {
        let load = ["send_lag", "ack", "service"].into_iter().map(str::to_owned).zip(&rows.load);
        for (tag, histogram) in load.chain(tags.iter().cloned().zip(&rows.groups)) {
            lines += u32::from(line(&mut out, &tag, rows.row.at_ns, 1_000_000_000, histogram));
        }
    }
    if lines == 0
        && let Some(phase) = record.phase(PhaseName::Measure)
    {
        let load = &record.load;
        let all = [("send_lag", &load.send_lag), ("ack", &load.ack), ("service", &load.service)];
        let load = all.map(|(name, l)| (name.to_owned(), &l.histogram));
        let groups =
            record.groups.iter().map(|g| (tag(&format!("latency.{}", g.name)), &g.latency.histogram));
        for (tag, histogram) in load.into_iter().chain(groups) {
            line(&mut out, &tag, phase.start_ns, phase.end_ns.saturating_sub(phase.start_ns), histogram);
        }
    }
    out
}

/// One interval, if it has a histogram.
fn line(out: &mut String, tag: &str, at: Ns, length: Ns, histogram: &str) -> bool {
    let Ok(read) = measure::decode(histogram) else { return false };
    let _ = writeln!(
        out,
        "Tag={tag},{:.3},{:.3},{:.6},{histogram}",
        num::f64_of(at) / 1e9,
        num::f64_of(length) / 1e9,
        num::f64_of(read.max()) / 1e6,
    );
    true
}

/// A name as a tag: neither commas nor white space.
fn tag(name: &str) -> String {
    show::plain(name).replace(|c: char| c == ',' || c.is_whitespace(), "_")
}
