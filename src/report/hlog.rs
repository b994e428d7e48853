//! The distributions as an `HdrHistogram` interval log (version 1.3, V2 histograms) for the standard tools.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use super::show;
use crate::measure;
use crate::num;
use crate::plan::Ns;
use crate::record::{PhaseName, Record, Rows};

/// Maximum number of intervals, unless even the longest of [`LENGTHS`] gives more.
const ENOUGH: usize = 24;
/// Possible lengths of an interval, in seconds.
const LENGTHS: [usize; 5] = [1, 5, 10, 30, 60];

/// Tags of the publisher's times, in the order of the journal.
const LOAD_TAGS: [&str; 3] = ["send_lag", "ack", "service"];

/// Renders the log from the journal, with one line per interval and time or group; without a journal, one line each for
/// the whole phase. Times are in nanoseconds, the maximum of an interval in milliseconds.
///
/// The events are those intended in the measure phase, exactly as in the record. An interval contains the events sent,
/// confirmed or received in it: the first one begins in the warm-up if that is not a whole number of seconds, and late
/// events are in intervals of the drain. An interval is a second in a short run and longer in a long one: a distribution
/// takes 2 to 4 kB, and seven per second would be most of a run's folder. The record has figures for each second.
pub(crate) fn log(record: &Record, seconds: &[Rows]) -> String {
    let whole = whole(record);
    let seconds: Vec<&Rows> = seconds.iter().skip_while(|rows| !rows.is_measured()).collect();
    let mut lines = String::new();
    let mut told = vec![0; whole.len()];
    for interval in seconds.chunks(interval_seconds(record)) {
        let (Some(first), Some(last)) = (interval.first(), interval.last()) else { continue };
        // Seconds may be missing in between, where the journal is damaged.
        let length = last.row.at_ns.saturating_sub(first.row.at_ns) + 1_000_000_000;
        for (at, ((tag, _), told)) in whole.iter().zip(&mut told).enumerate() {
            let histogram = of(interval, |rows| match at.checked_sub(LOAD_TAGS.len()) {
                None => rows.load.get(at),
                Some(group) => rows.groups.get(group),
            });
            *told += histogram.as_ref().map_or(0, Histogram::len);
            line(&mut lines, tag, first.row.at_ns, length, histogram);
        }
    }
    let mut out = head(record);
    if lines.is_empty() {
        out.push_str(COLUMNS);
        let phase = record.phase(PhaseName::Measure);
        for (phase, (tag, histogram)) in phase.into_iter().cycle().zip(whole) {
            line(&mut out, &tag, phase.start_ns, phase.end_ns.saturating_sub(phase.start_ns), histogram);
        }
        return out;
    }
    remarks(&mut out, &seconds, whole.iter().zip(told));
    out.push_str(COLUMNS);
    out + &lines
}

const COLUMNS: &str =
    "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

fn head(record: &Record) -> String {
    format!(
        "#[tickgate {}: run {}, times in nanoseconds]\n#[Histogram log format version 1.3]\n\
         #[StartTime: {:.3} (seconds since epoch), {}]\n",
        show::plain(&record.run.tickgate),
        show::plain(&record.run.id),
        num::f64_of(record.run.epoch_unix_ns) / 1e9,
        show::plain(&record.run.started),
    )
}

/// Each tag with the record's distribution.
fn whole(record: &Record) -> Vec<(String, Option<Histogram<u64>>)> {
    let load = [&record.load.send_lag, &record.load.ack, &record.load.service];
    let load = LOAD_TAGS.into_iter().zip(load).map(|(name, of)| (name.to_owned(), of));
    let groups = record.groups.iter().map(|g| (tag(&format!("latency.{}", g.name)), &g.latency));
    load.chain(groups).map(|(tag, of)| (tag, measure::decode(&of.histogram).ok())).collect()
}

/// Comments on differences between the intervals and the record.
fn remarks<'a>(
    out: &mut String,
    seconds: &[&Rows],
    tags: impl Iterator<Item = (&'a (String, Option<Histogram<u64>>), u64)>,
) {
    if seconds.iter().any(|rows| rows.measured.is_none()) {
        out.push_str(
            "#[From the journal of an earlier version: whole seconds, including events of the warm-up received in them; \
             the record's figures are exact]\n",
        );
        return;
    }
    for ((tag, recorded), told) in tags {
        let recorded = recorded.as_ref().map_or(0, Histogram::len);
        if recorded != told {
            let _ = writeln!(out, "#[{tag}: {told} events here, {recorded} in the record]");
        }
    }
}

/// Seconds per interval: the shortest length that keeps the log small.
fn interval_seconds(record: &Record) -> usize {
    let seconds = num::index(record.plan.load.duration.ns.div_ceil(1_000_000_000));
    LENGTHS.into_iter().find(|length| seconds.div_ceil(*length) <= ENOUGH).unwrap_or(60)
}

/// Merges one distribution over several seconds.
fn of<'a>(seconds: &[&'a Rows], text: impl Fn(&'a Rows) -> Option<&'a String>) -> Option<Histogram<u64>> {
    measure::sum(seconds.iter().filter_map(|rows| text(rows)))
}

/// Writes the line of an interval, if it has a histogram.
fn line(out: &mut String, tag: &str, at: Ns, length: Ns, histogram: Option<Histogram<u64>>) {
    let Some(read) = histogram else { return };
    let Ok(text) = measure::encode(&read) else { return };
    let _ = writeln!(
        out,
        "Tag={tag},{:.3},{:.3},{:.6},{text}",
        num::f64_of(at) / 1e9,
        num::f64_of(length) / 1e9,
        num::f64_of(read.max()) / 1e6,
    );
}

/// A name as a tag, without commas and white space.
fn tag(name: &str) -> String {
    show::plain(name).replace(|c: char| c == ',' || c.is_whitespace(), "_")
}
