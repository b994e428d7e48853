//! The compared metrics: one figure per run each, lower is better.

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure;
use crate::num;
use crate::plan::Consume;
use crate::record::{Group, Latency, Process, Record};
use crate::verdict::samples_needed;

/// The unit of a metric's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Nanoseconds.
    Time,
    /// Events; ratios are of each count plus one, since a count may be 0.
    Events,
    /// Cores.
    Cores,
    /// Bytes.
    Bytes,
}

/// A family of metrics, corrected together for multiple tests; at most three each, so that seven pairs are enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// The deciding metrics, fixed beforehand.
    Deciding,
    /// The other end-to-end times.
    Latency,
    /// Times to the acknowledgement.
    Ack,
    /// CPU and memory.
    Resources,
    /// Backlog and store.
    Stock,
}

/// A figure of a run, or the reason why it is missing.
pub(super) type Figure = Result<f64, String>;

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Name, as in objectives: `latency.p99`.
    pub name: &'static str,
    /// Title for people.
    pub title: &'static str,
    /// Unit of its figures.
    pub unit: Unit,
    /// Its family, unless it decides.
    pub family: Family,
    pub(super) of: fn(&Record) -> Figure,
}

impl Metric {
    /// The figure of a run; `None` where it has none.
    #[must_use]
    pub fn figure(&self, record: &Record) -> Option<f64> {
        (self.of)(record).ok()
    }
}

const fn metric(
    name: &'static str,
    title: &'static str,
    unit: Unit,
    family: Family,
    of: fn(&Record) -> Figure,
) -> Metric {
    Metric { name, title, unit, family, of }
}

/// Every metric, in display order. Unavailable times and recoveries are not among them: they are 0 in a run without trouble, and a
/// ratio needs a figure; objectives judge them.
pub const METRICS: [Metric; 11] = [
    metric("latency.p50", "end-to-end p50", Unit::Time, Family::Latency, |r| slowest(r, 0.5, |l| l.p50_ns)),
    metric("latency.p99", "end-to-end p99", Unit::Time, Family::Latency, |r| slowest(r, 0.99, |l| l.p99_ns)),
    metric("latency.p99.9", "end-to-end p99.9", Unit::Time, Family::Latency, |r| {
        slowest(r, 0.999, |l| l.p99_9_ns)
    }),
    metric("ack.p50", "acknowledged p50", Unit::Time, Family::Ack, |r| ack(r, 0.5, |l| l.p50_ns)),
    metric("ack.p99", "acknowledged p99", Unit::Time, Family::Ack, |r| ack(r, 0.99, |l| l.p99_ns)),
    metric("ack.p99.9", "acknowledged p99.9", Unit::Time, Family::Ack, |r| ack(r, 0.999, |l| l.p99_9_ns)),
    metric("broker.cpu", "CPU of the broker", Unit::Cores, Family::Resources, |r| {
        cpu_known(r)?;
        brokers(r, |p| p.cpu_cores)
    }),
    metric("broker.memory", "memory of the broker", Unit::Bytes, Family::Resources, |r| {
        brokers(r, |p| num::f64_of(p.peak_memory_bytes))
    }),
    metric("harness.cpu", "CPU of the client", Unit::Cores, Family::Resources, |r| {
        positive(r.resources.harness.cpu_cores, "its CPU time was too short to measure")
    }),
    metric("backlog.max", "highest backlog", Unit::Events, Family::Stock, backlog),
    metric("broker.store", "bytes stored", Unit::Bytes, Family::Stock, stored),
];

/// Finds a metric by name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

fn positive(value: f64, otherwise: &str) -> Figure {
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err(otherwise.to_owned()) }
}

/// The distribution of times over the due events: events without a time rank after all others.
pub(super) struct Measured {
    times: Histogram<u64>,
    largest: u64,
    due: u64,
}

impl Measured {
    /// `None` if the record's histogram cannot be read.
    pub(super) fn of(latency: &Latency, due: u64) -> Option<Self> {
        let times = measure::decode(&latency.histogram).ok()?;
        let largest = u64::try_from(latency.max_ns).unwrap_or(0);
        Some(Self { times, largest, due: due.max(latency.count) })
    }

    /// Number of due events.
    pub(super) const fn due(&self) -> u64 {
        self.due
    }

    /// The q-quantile over the due events; `None` if it falls on events without a time.
    pub(super) fn at(&self, q: f64) -> Option<u64> {
        let rank = measure::rank(q, self.due);
        if rank > self.times.len() {
            return None;
        }
        let own = (num::f64_of(rank) - 0.5) / num::f64_of(self.times.len());
        Some(self.times.value_at_quantile(own).min(self.largest))
    }
}

/// A quantile over the due events, if there are enough. If each has a time, it is the record's own figure.
pub(super) fn quantile(latency: &Latency, due: u64, q: f64, of: fn(&Latency) -> u64) -> Figure {
    let due = due.max(latency.count);
    let needed = samples_needed(q);
    if due < needed {
        return Err(format!("{due} samples, but this quantile needs {needed}"));
    }
    if latency.negative > 0 {
        return Err(format!("{} times are below zero: the clocks of the hosts disagree", latency.negative));
    }
    let timed = latency.count.saturating_sub(latency.overflow);
    if timed == due {
        return positive(num::f64_of(of(latency)), "no time was measured");
    }
    if measure::rank(q, due) > timed {
        return Err(format!(
            "{} of {due} due events have no time and so rank beyond this quantile",
            due - timed
        ));
    }
    let measured = Measured::of(latency, due).ok_or("its histogram cannot be read")?;
    positive(measured.at(q).map_or(0.0, num::f64_of), "no time was measured")
}

/// The largest figure over the groups: a bus is as slow as its slowest group.
fn slowest(record: &Record, q: f64, of: fn(&Latency) -> u64) -> Figure {
    open(record)?;
    if record.plan.load.consume == Consume::Backlog {
        return Err("the groups received only after the load, so the times are those of the backlog".into());
    }
    let groups = record.groups.iter().filter(|group| group.measured_intended > 0);
    groups
        .map(|group| quantile(&group.latency, group.measured_intended, q, of))
        .reduce(|a, b| Ok(a?.max(b?)))
        .unwrap_or_else(|| Err("no event of the measure phase was due to any group".to_owned()))
}

fn ack(record: &Record, q: f64, of: fn(&Latency) -> u64) -> Figure {
    open(record)?;
    quantile(&record.load.ack, record.load.measured_intended, q, of)
}

/// Fails for a closed load, where the bus sets the pace and times mean nothing.
fn open(record: &Record) -> Result<(), String> {
    if record.plan.load.is_closed() {
        return Err(
            "the load was closed: a stalling bus is offered less load, so its latencies look better than they are"
                .into(),
        );
    }
    Ok(())
}

fn backlog(record: &Record) -> Figure {
    let most = record.groups.iter().map(|group: &Group| group.backlog_max).max();
    most.map(num::f64_of).ok_or_else(|| "the run has no group".to_owned())
}

/// Was every monitored server seen during the measure phase?
fn cpu_known(record: &Record) -> Result<(), String> {
    let nodes = record.broker.nodes.iter().filter_map(|node| record.resources.brokers.get(&node.name));
    match nodes.filter(|process| process.cpu_unknown).count() {
        0 => Ok(()),
        _ => Err("a monitored server did not answer for a part of the measure phase".into()),
    }
}

/// The sum over all broker processes that could be seen.
fn brokers(record: &Record, of: fn(&Process) -> f64) -> Figure {
    if record.broker.unwatched() > 0 {
        return Err("not every server of the cluster is monitored".into());
    }
    positive(record.resources.brokers.values().map(of).sum(), "the broker's process could not be measured")
}

fn stored(record: &Record) -> Figure {
    let bytes = record.resources.stored().map_or(0.0, |(bytes, _)| num::f64_of(bytes));
    positive(bytes, "the broker did not report it")
}
