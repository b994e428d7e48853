//! The charts of a report, in display order.

use super::Chart;
use super::counts::{extents, symbols, topics};
use super::nodes;
use super::over_time::{Fold, Time};
use super::pen::Ink;
use super::plot::{Across, Cell, Line, Plot};
use super::scale::{Scale, percentile};
use super::spread::Spread;
use super::zoom;
use crate::num;
use crate::plan::{Metric, Objective, Stat, Timing, Value};
use crate::record::{Brief, Record, Row, heat_floor_ns};
use crate::report::show;
use crate::report::table::Table;

pub(super) const NO_LOAD: &str = "The run ended before its first second of load.";
const SINCE: &str = "time since the load began";
/// Position of the median on an axis of nines.
const MEDIAN: f64 = std::f64::consts::LOG10_2;
const HEAT_COLUMNS: u64 = 120;
/// Number of charts before those of the faults.
const FIRST: usize = 2;

/// Builds all charts; a chart without data has the reason.
pub(crate) fn all(record: &Record) -> Vec<Chart> {
    let time = Time::of(record);
    let mut charts = vec![
        percentiles(record),
        latency_over_time(record, &time),
        latency_by_group(record, &time),
        heat_map(record, &time),
        rates(record, &time),
        backlog(record, &time),
        ack_and_latency(record, &time),
        lag_and_hiccups(record, &time),
        extents(record),
        topics(record),
        cpu(&time),
        memory(&time),
        symbols(record),
    ];
    let of_faults: Vec<Chart> = nodes::chart(record, &time).into_iter().chain(zoom::charts(record)).collect();
    // After the first chart of latency over time.
    charts.splice(FIRST..FIRST, of_faults);
    charts
}

fn ns(value: f64) -> String {
    show::time(num::u64_of(value))
}

fn size(value: f64) -> String {
    show::size(num::u64_of(value))
}

fn count(value: f64) -> String {
    show::count(num::u64_of(value))
}

fn cores(value: f64) -> String {
    format!("{value:.2}")
}

fn series(n: usize) -> Ink {
    Ink::Series(num::low8(num::count(n)))
}

/// The limits on a timing as lines; `only` selects the statistics.
pub(super) fn limits(
    objectives: &[Objective],
    timing: Timing,
    only: impl Fn(Stat) -> bool,
) -> Vec<(f64, String)> {
    let all = objectives.iter().filter_map(|objective| match (objective.metric, objective.limit) {
        (Metric::Time(of, stat), Value::Time(span)) if of == timing && only(stat) => {
            Some((num::f64_of(span.ns), show::plain(&objective.name()), objective.requirement()))
        }
        _ => None,
    });
    let mut merged: Vec<(f64, Vec<String>, String)> = Vec::new();
    for (value, name, requirement) in all {
        match merged.iter_mut().find(|(known, _, of)| (known - value).abs() < 1.0 && *of == requirement) {
            Some((_, names, _)) => names.push(name),
            None => merged.push((value, vec![name], requirement)),
        }
    }
    let label = |(value, names, requirement): (f64, Vec<String>, String)| {
        (value, format!("{} {requirement}", names.join(", ")))
    };
    merged.into_iter().map(label).collect()
}

fn values<'a>(lines: &'a [Line], limits: &'a [(f64, String)]) -> impl Iterator<Item = f64> + 'a {
    let points = lines.iter().flat_map(|line| line.stretches.iter().flatten().map(|(_, y)| *y));
    points.chain(limits.iter().map(|(value, _)| *value))
}

fn no_samples(record: &Record) -> String {
    if record.timeline.is_empty() {
        NO_LOAD.into()
    } else {
        "No event was received in the measure phase.".into()
    }
}

fn percentiles(record: &Record) -> Chart {
    let spreads: Vec<Spread> =
        record.groups.iter().filter_map(|group| Spread::of(&group.name, &group.latency)).collect();
    let lines: Vec<Line> = spreads.iter().enumerate().map(|(n, spread)| spread.line(series(n))).collect();
    let limits = limits(&record.plan.objectives, Timing::Latency, |_| true);
    let nines = spreads.iter().map(Spread::nines).fold(1.0, f64::max);
    let mut table = Table::new(std::iter::once("percentile").chain(spreads.iter().map(|s| s.name.as_str())));
    for tick in (Scale::Nines { nines }).ticks(9) {
        let cells = spreads.iter().map(|s| show::time(s.at(tick)));
        table.row(std::iter::once(percentile(tick)).chain(cells));
    }
    let largest = record.groups.iter().filter(|g| Spread::of(&g.name, &g.latency).is_some());
    let largest = largest.map(|g| show::time(u64::try_from(g.latency.max_ns).unwrap_or(0)));
    table.row(std::iter::once("100% (largest)".to_owned()).chain(largest));
    let seen = spreads.iter().map(|s| {
        format!(
            "{}: median {}, 99% within {}, largest {}",
            s.name,
            show::time(s.at(MEDIAN)),
            show::time(s.at(2.0)),
            show::time(s.at(30.0))
        )
    });
    let seen = seen.collect::<Vec<_>>().join("; ");
    let plot = Plot {
        across: Across::Nines(nines),
        up: Scale::log(values(&lines, &limits)),
        titles: ("percentile, ten times rarer each step", "latency, intended to received (log)"),
        write: ns,
        lines,
        cells: vec![],
        limits,
        backdrop: None,
    };
    Chart {
        id: "latency-percentiles".to_owned(),
        title: "Latency by percentile".to_owned(),
        about: "Share of the load by latency. A line that stays low on the right has no tail.".into(),
        seen,
        picture: if spreads.is_empty() { Err(no_samples(record)) } else { Ok(plot.picture()) },
        table,
    }
}

type Of = fn(&Brief) -> u64;
const QUANTILES: [(&str, Of); 4] =
    [("p50", |b| b.p50_ns), ("p99", |b| b.p99_ns), ("p99.9", |b| b.p99_9_ns), ("max", |b| b.max_ns)];

/// The largest value over all groups in a second.
fn slowest(row: &Row, of: Of) -> Option<f64> {
    row.groups.iter().filter(|g| g.latency.count > 0).map(|g| num::f64_of(of(&g.latency))).reduce(f64::max)
}

/// One figure of a chart over time.
struct Wanted<'a> {
    name: String,
    fold: Fold,
    value: Figure<'a>,
}

/// Reads the value of a second, if there is one.
type Figure<'a> = Box<dyn Fn(&Row) -> Option<f64> + 'a>;

fn wanted<'a>(name: &str, fold: Fold, value: impl Fn(&Row) -> Option<f64> + 'a) -> Wanted<'a> {
    Wanted { name: show::plain(name), fold, value: Box::new(value) }
}

/// The vertical scale of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Up {
    Linear,
    Bytes,
    Log,
}

/// The texts and the scale of a chart over time.
struct Words {
    id: &'static str,
    title: &'static str,
    about: &'static str,
    axis: &'static str,
    up: Up,
    write: fn(f64) -> String,
    nothing: &'static str,
}

fn over_time(time: &Time<'_>, words: &Words, wanted: &[Wanted<'_>], limits: Vec<(f64, String)>) -> Chart {
    let lines: Vec<Line> =
        wanted.iter().enumerate().map(|(n, w)| time.line(&w.name, series(n), w.fold, &w.value)).collect();
    let empty = lines.iter().all(|line| line.stretches.is_empty());
    let picture = if time.rows.is_empty() {
        Err(NO_LOAD.to_owned())
    } else if empty {
        Err(words.nothing.to_owned())
    } else {
        let up = match (words.up, Scale::linear(values(&lines, &limits))) {
            (Up::Log, _) => Scale::log(values(&lines, &limits)),
            (Up::Bytes, Scale::Linear { to }) => Scale::Bytes { to },
            (_, linear) => linear,
        };
        let plot = Plot {
            across: Across::Time(time.to),
            up,
            titles: (SINCE, words.axis),
            write: words.write,
            lines,
            cells: vec![],
            limits,
            backdrop: Some(&time.backdrop),
        };
        Ok(plot.picture())
    };
    let mut table = Table::new(std::iter::once("second").chain(wanted.iter().map(|w| w.name.as_str())));
    let columns: Vec<Vec<String>> =
        wanted.iter().map(|w| time.column(w.fold, &w.value, words.write)).collect();
    for (at, start) in time.starts().into_iter().enumerate() {
        table.row(std::iter::once(start).chain(columns.iter().map(|column| column[at].clone())));
    }
    let seen = wanted.iter().filter_map(|w| {
        let largest = time.rows.iter().filter_map(|row| (w.value)(row)).reduce(f64::max)?;
        Some(format!("{}: at most {}", w.name, (words.write)(largest)))
    });
    let seen = time.seen(seen.collect::<Vec<_>>().join("; "));
    let each = time.seconds_a_point();
    let about = if each > 1 {
        format!(
            "{} Each point covers {each} seconds: the worst for times, memory and backlog, the mean for rates and cores.",
            words.about
        )
    } else {
        words.about.to_owned()
    };
    Chart { id: words.id.to_owned(), title: words.title.to_owned(), about, seen, picture, table }
}

fn latency_over_time(record: &Record, time: &Time<'_>) -> Chart {
    let words = Words {
        id: "latency-over-time",
        title: "Latency over time",
        about: "Median and tail of the slowest group, for the events received in each second.",
        axis: "latency of the slowest group (log)",
        up: Up::Log,
        write: ns,
        nothing: "No event was received.",
    };
    let all = QUANTILES.map(|(name, of)| wanted(name, Fold::Worst, move |row| slowest(row, of)));
    over_time(time, &words, &all, limits(&record.plan.objectives, Timing::Latency, |_| true))
}

fn latency_by_group(record: &Record, time: &Time<'_>) -> Chart {
    let words = Words {
        id: "latency-by-group",
        title: "p99 of each group",
        about: "Which group is slow, and when.",
        axis: "p99 of each second (log)",
        up: Up::Log,
        write: ns,
        nothing: "No event was received.",
    };
    let of = |n: usize| {
        move |row: &Row| {
            row.groups.get(n).filter(|g| g.latency.count > 0).map(|g| num::f64_of(g.latency.p99_ns))
        }
    };
    let all: Vec<_> =
        record.groups.iter().enumerate().map(|(n, group)| wanted(&group.name, Fold::Worst, of(n))).collect();
    // Only limits on the statistic that is drawn.
    let p99 = |stat| matches!(stat, Stat::Quantile(q) if (q - 0.99).abs() < 1e-9);
    over_time(time, &words, &all, limits(&record.plan.objectives, Timing::Latency, p99))
}

/// A cell of the heat map: its seconds, its bucket and its events per second.
type Dense = ((f64, f64), u16, f64);

fn heat_map(record: &Record, time: &Time<'_>) -> Chart {
    let columns = time.columns(HEAT_COLUMNS);
    let mut densest = 0.0_f64;
    let mut cells: Vec<Dense> = Vec::new();
    let mut rows: std::collections::BTreeMap<u16, u64> = std::collections::BTreeMap::new();
    for (from, to, seconds) in columns {
        let mut sum: std::collections::BTreeMap<u16, u64> = std::collections::BTreeMap::new();
        for (bucket, events) in seconds.iter().flat_map(|row| &row.heat) {
            *sum.entry(*bucket).or_insert(0) += events;
            *rows.entry(*bucket).or_insert(0) += events;
        }
        for (bucket, events) in sum {
            let density = num::f64_of(events) / (to - from).max(1e-9);
            densest = densest.max(density);
            cells.push(((from, to), bucket, density));
        }
    }
    // Logarithmic, so that a handful of slow events is visible beside ten thousand fast ones.
    let level = |density: f64| {
        let share = (1.0 + density).ln() / (1.0 + densest).ln().max(1e-9);
        num::low8(num::u64_of((share * 7.0).ceil())).clamp(1, 7)
    };
    let limits = limits(&record.plan.objectives, Timing::Latency, |_| true);
    let edges = rows.keys().flat_map(|b| [heat_floor_ns(*b), heat_floor_ns(b.saturating_add(1))]);
    let up = Scale::log(edges.chain(limits.iter().map(|(v, _)| *v)));
    let cells = cells.iter().map(|(x, bucket, density)| Cell {
        x: *x,
        y: (heat_floor_ns(*bucket), heat_floor_ns(bucket.saturating_add(1))),
        level: level(*density),
    });
    let cells: Vec<Cell> = cells.collect();
    let mut table = Table::new(["latency from", "to", "events"]);
    for (bucket, events) in rows.iter().rev() {
        let edge = |b: u16| ns(heat_floor_ns(b));
        table.row([edge(*bucket), edge(bucket.saturating_add(1)), show::count(*events)]);
    }
    let common = rows.iter().max_by_key(|(_, events)| **events);
    let seen = common.map_or_else(String::new, |(bucket, events)| {
        format!("Most events, {}, took about {}", show::count(*events), ns(heat_floor_ns(*bucket)))
    });
    let seen = time.seen(seen);
    let picture = if cells.is_empty() {
        Err(no_samples(record))
    } else {
        let titles = (SINCE, "latency of all groups (log)");
        let across = Across::Time(time.to);
        Ok(Plot {
            across,
            up,
            titles,
            write: ns,
            lines: vec![],
            cells,
            limits,
            backdrop: Some(&time.backdrop),
        }
        .picture())
    };
    Chart {
        id: "latency-heat".to_owned(),
        title: "Latency heat map".to_owned(),
        about: "Number of events by time and latency: the stronger the colour, the more events per second (log). Two bands are two populations, which no percentile shows; a vertical column of dots is a stall.".into(),
        seen,
        picture,
        table,
    }
}

fn rates(record: &Record, time: &Time<'_>) -> Chart {
    let words = Words {
        id: "rates",
        title: "Rates",
        about: "Events scheduled, sent, confirmed by the broker and received by each group.",
        axis: "events a second",
        up: Up::Linear,
        write: show::rate,
        nothing: "No event was sent.",
    };
    let mut all = vec![
        wanted("intended", Fold::Mean, |row| Some(num::f64_of(row.intended))),
        wanted("sent", Fold::Mean, |row| Some(num::f64_of(row.sent))),
        wanted("acked", Fold::Mean, |row| Some(num::f64_of(row.acked))),
    ];
    for (n, group) in record.groups.iter().enumerate() {
        let of = move |row: &Row| row.groups.get(n).map(|g| num::f64_of(g.delivered));
        all.push(wanted(&format!("delivered to {}", group.name), Fold::Mean, of));
    }
    let judged = record.plan.objectives.iter().zip(&record.objectives);
    let limits = judged.filter(|(o, _)| matches!(o.metric, Metric::Throughput(_)));
    let limits = limits
        .map(|(o, result)| (result.limit_value, format!("{} {}", show::plain(&o.name()), o.requirement())));
    over_time(time, &words, &all, limits.collect())
}

fn backlog(record: &Record, time: &Time<'_>) -> Chart {
    let words = Words {
        id: "backlog",
        title: "Backlog",
        about: "Events confirmed by the broker but not yet received by a group, at the end of each second; a rising line is a group that cannot keep up.",
        axis: "events",
        up: Up::Linear,
        write: count,
        nothing: "The run has no group.",
    };
    let of = |n: usize| move |row: &Row| row.groups.get(n).map(|g| num::f64_of(g.backlog));
    let mut all: Vec<_> =
        record.groups.iter().enumerate().map(|(n, group)| wanted(&group.name, Fold::Worst, of(n))).collect();
    all.push(wanted("sent, not yet answered", Fold::Worst, |row| Some(num::f64_of(row.in_flight))));
    over_time(time, &words, &all, vec![])
}

fn ack_and_latency(record: &Record, time: &Time<'_>) -> Chart {
    let words = Words {
        id: "ack-and-latency",
        title: "Acknowledged against delivered",
        about: "Time until the publisher had the acknowledgement, and until the slowest group had the event.",
        axis: "since the intended time (log)",
        up: Up::Log,
        write: ns,
        nothing: "No event was confirmed or received.",
    };
    let ack = |of: Of| move |row: &Row| (row.ack.count > 0).then(|| num::f64_of(of(&row.ack)));
    let all = [
        wanted("acked p50", Fold::Worst, ack(|b| b.p50_ns)),
        wanted("acked p99", Fold::Worst, ack(|b| b.p99_ns)),
        wanted("received p50", Fold::Worst, |row| slowest(row, |b| b.p50_ns)),
        wanted("received p99", Fold::Worst, |row| slowest(row, |b| b.p99_ns)),
    ];
    over_time(time, &words, &all, limits(&record.plan.objectives, Timing::Ack, |_| true))
}

fn lag_and_hiccups(record: &Record, time: &Time<'_>) -> Chart {
    let words = Words {
        id: "send-lag",
        title: "Send lag and hiccups",
        about: "Lateness of tickgate itself and pauses of the machine: latencies below these lines are not the broker's.",
        axis: "time (log)",
        up: Up::Log,
        write: ns,
        nothing: "Nothing was sent.",
    };
    let lag = |of: Of| move |row: &Row| (row.send_lag.count > 0).then(|| num::f64_of(of(&row.send_lag)));
    let all = [
        wanted("send lag p50", Fold::Worst, lag(|b| b.p50_ns)),
        wanted("send lag p99", Fold::Worst, lag(|b| b.p99_ns)),
        wanted("send lag max", Fold::Worst, lag(|b| b.max_ns)),
        wanted("largest hiccup", Fold::Worst, |row| {
            (row.hiccup_max_ns > 0).then(|| num::f64_of(row.hiccup_max_ns))
        }),
    ];
    over_time(time, &words, &all, limits(&record.plan.objectives, Timing::SendLag, |_| true))
}

fn cpu(time: &Time<'_>) -> Chart {
    let words = Words {
        id: "cpu",
        title: "CPU",
        about: "Processor time of tickgate and of the broker.",
        axis: "cores",
        up: Up::Linear,
        write: cores,
        nothing: "No process could be measured.",
    };
    let all = [
        wanted("tickgate", Fold::Mean, |row| Some(row.harness_cpu)),
        wanted("broker", Fold::Mean, |row| row.broker_cpu),
    ];
    over_time(time, &words, &all, vec![])
}

fn memory(time: &Time<'_>) -> Chart {
    let words = Words {
        id: "memory",
        title: "Memory and store",
        about: "Resident memory of tickgate and of the broker, and the bytes in the run's stream.",
        axis: "bytes",
        up: Up::Bytes,
        write: size,
        nothing: "No process could be measured.",
    };
    let all = [
        wanted("tickgate", Fold::Worst, |row| Some(num::f64_of(row.harness_memory_bytes))),
        wanted("broker", Fold::Worst, |row| row.broker_memory_bytes.map(num::f64_of)),
        wanted("stored", Fold::Worst, |row| row.store_bytes.map(num::f64_of)),
    ];
    over_time(time, &words, &all, vec![])
}
