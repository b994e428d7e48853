//! The distributions as an `HdrHistogram` interval log (version 1.3, V2 histograms), as the standard tools read it.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use super::show;
use crate::measure;
use crate::num;
use crate::plan::Ns;
use crate::record::{PhaseName, Record, Rows};

/// How many intervals a log has at most, if they need not be longer than the last of [`LENGTHS`].
const ENOUGH: usize = 24;
/// Lengths of an interval, in seconds.
const LENGTHS: [usize; 5] = [1, 5, 10, 30, 60];

/// One line for each interval of the measure phase and each time and group, from the journal; without one, one
/// line each for the whole phase. Times are nanoseconds, the largest of an interval milliseconds.
///
/// An interval is a second in a short run and longer in a long one: a distribution of a second takes 2 to 4 kB,
/// and seven of them each second would be most of a run's folder. What each second looked like is in the record.
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
    let seconds: Vec<&Rows> = seconds.iter().filter(measured).collect();
    for interval in seconds.chunks(interval_seconds(record)) {
        let length = num::count(interval.len()) * 1_000_000_000;
        let load = ["send_lag", "ack"]
            .into_iter()
            .enumerate()
            .map(|(at, tag)| (tag, of(interval, |rows| rows.load.get(at))));
        let groups =
            tags.iter().enumerate().map(|(at, tag)| (tag.as_str(), of(interval, |rows| rows.groups.get(at))));
        for (tag, histogram) in load.chain(groups) {
            lines += u32::from(line(&mut out, tag, interval[0].row.at_ns, length, histogram));
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
            let length = phase.end_ns.saturating_sub(phase.start_ns);
            line(&mut out, &tag, phase.start_ns, length, measure::decode(histogram).ok());
        }
    }
    out
}

/// Seconds of an interval: the shortest that keeps the log small.
fn interval_seconds(record: &Record) -> usize {
    let seconds = num::index(record.plan.load.duration.ns.div_ceil(1_000_000_000));
    LENGTHS.into_iter().find(|length| seconds.div_ceil(*length) <= ENOUGH).unwrap_or(60)
}

/// The sum of one distribution over some seconds.
fn of<'a>(seconds: &[&'a Rows], text: impl Fn(&'a Rows) -> Option<&'a String>) -> Option<Histogram<u64>> {
    measure::sum(seconds.iter().filter_map(|rows| text(rows)))
}

/// One interval, if it has a histogram.
fn line(out: &mut String, tag: &str, at: Ns, length: Ns, histogram: Option<Histogram<u64>>) -> bool {
    let Some(read) = histogram else { return false };
    let Ok(text) = measure::encode(&read) else { return false };
    let _ = writeln!(
        out,
        "Tag={tag},{:.3},{:.3},{:.6},{text}",
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
