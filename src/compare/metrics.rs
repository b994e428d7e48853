//! What is compared: one figure of each run, and every one of them is better when it is lower.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::num;
use crate::record::{Group, Latency, Process, Record};
use crate::verdict::samples_needed;

/// The unit of a metric's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Nanoseconds.
    Time,
    /// Events; the ratio is of one more than each, since none is a count too.
    Events,
    /// Cores.
    Cores,
    /// Bytes.
    Bytes,
}

/// Metrics that are corrected together for being many; at most three, so that seven pairs are enough for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Those that decide, fixed beforehand.
    Deciding,
    /// The other end-to-end times.
    Latency,
    /// Times to the acknowledgement.
    Ack,
    /// CPU and memory.
    Resources,
    /// What piles up: backlog and store.
    Stock,
}

/// A figure of a run, or why there is none.
pub(super) type Figure = Result<f64, String>;

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// As in objectives: `latency.p99`.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Unit of its figures.
    pub unit: Unit,
    /// Its family, unless it decides.
    pub family: Family,
    pub(super) of: fn(&Record) -> Figure,
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

/// Every metric, in the order in which they are shown.
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
        brokers(r, |p| p.cpu_cores)
    }),
    metric("broker.memory", "memory of the broker", Unit::Bytes, Family::Resources, |r| {
        brokers(r, |p| num::f64_of(p.peak_memory_bytes))
    }),
    metric("harness.cpu", "CPU of the client", Unit::Cores, Family::Resources, |r| {
        positive(r.resources.harness.cpu_cores, "its CPU time was too short to be seen")
    }),
    metric("backlog.max", "highest backlog", Unit::Events, Family::Stock, backlog),
    metric("broker.store", "bytes stored", Unit::Bytes, Family::Stock, stored),
];

/// The metric of a name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

fn positive(value: f64, otherwise: &str) -> Figure {
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err(otherwise.to_owned()) }
}

/// A quantile of one distribution, if it has enough samples for it.
pub(super) fn quantile(latency: &Latency, q: f64, of: fn(&Latency) -> u64) -> Figure {
    let needed = samples_needed(q);
    if latency.count < needed {
        return Err(format!("{} samples, and this quantile needs {needed}", latency.count));
    }
    positive(num::f64_of(of(latency)), "no time was measured")
}

/// The largest over the groups: a bus is as slow as its slowest group.
fn slowest(record: &Record, q: f64, of: fn(&Latency) -> u64) -> Figure {
    let groups = record.groups.iter().filter(|group| group.measured_intended > 0);
    groups
        .map(|group| quantile(&group.latency, q, of))
        .reduce(|a, b| Ok(a?.max(b?)))
        .unwrap_or_else(|| Err("no group received an event of the measure phase".to_owned()))
}

fn ack(record: &Record, q: f64, of: fn(&Latency) -> u64) -> Figure {
    quantile(&record.load.ack, q, of)
}

fn backlog(record: &Record) -> Figure {
    let most = record.groups.iter().map(|group: &Group| group.backlog_max).max();
    most.map(num::f64_of).ok_or_else(|| "the run has no group".to_owned())
}

/// The sum over all broker processes that could be seen.
fn brokers(record: &Record, of: fn(&Process) -> f64) -> Figure {
    positive(record.resources.brokers.values().map(of).sum(), "the broker's process could not be seen")
}

fn stored(record: &Record) -> Figure {
    let bytes = record.resources.store_bytes.map_or(0.0, num::f64_of);
    positive(bytes, "the broker did not tell")
}
