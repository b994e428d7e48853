//! The final figures as `OpenMetrics` text, for a push gateway or textfile collector of Prometheus, and for GitLab.
//!
//! GitLab compares metrics by their names and labels, so the labels of two runs of a plan are the same. What belongs to one run
//! are values (its start), or the labels of `tickgate_run_info`, which GitLab's file does not have.

use std::collections::BTreeMap;
use std::fmt::Write as _;

mod dead_letters;
mod faults;
mod scopes;

use super::show;
use crate::num;
use crate::plan::{Kind, Objective};
use crate::record::{Latency, ObjectiveResult, Record, Verdict};

/// The text so far; writing to memory does not fail.
struct Out {
    text: String,
    common: String,
}

impl Out {
    fn family(&mut self, name: &str, kind: &str, unit: &str, help: &str) {
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
        if !unit.is_empty() {
            let _ = writeln!(self.text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(self.text, "# HELP {name} {help}");
    }

    /// A sample; a figure that the run does not have is `NaN`, so that two runs have the same samples.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let mut all = self.common.clone();
        for (label, value) in labels {
            let _ = write!(all, ",{label}=\"{}\"", escaped(value));
        }
        let value = if value.is_finite() { value.to_string() } else { "NaN".to_owned() };
        let _ = writeln!(self.text, "{name}{{{all}}} {value}");
    }
}

fn escaped(text: &str) -> String {
    show::plain(text).replace('\\', "\\\\").replace('"', "\\\"")
}

/// Renders the metrics; every sample has the label `profile`.
pub(crate) fn text(record: &Record) -> String {
    rendered(record, true)
}

/// The metrics for GitLab's report: without the run's info, whose labels (commit, branch, versions) differ between the runs that it
/// compares.
pub(crate) fn gitlab(record: &Record) -> String {
    rendered(record, false)
}

fn rendered(record: &Record, with_info: bool) -> String {
    let common = format!("profile=\"{}\"", escaped(&record.plan.name));
    let mut out = Out { text: String::new(), common };
    if with_info {
        info(&mut out, record);
    }
    out.family(
        "tickgate_run_start_time_seconds",
        "gauge",
        "seconds",
        "Start of the run, in seconds since 1970.",
    );
    out.sample("tickgate_run_start_time_seconds", &[], num::f64_of(record.run.epoch_unix_ns) / 1e9);
    verdict(&mut out, record);
    objectives(&mut out, record);
    latencies(&mut out, record);
    ledger(&mut out, record);
    resources(&mut out, record);
    faults::faults(&mut out, record);
    dead_letters::dead_letters(&mut out, record);
    scopes::scopes(&mut out, record);
    out.text.push_str("# EOF\n");
    out.text
}

fn info(out: &mut Out, record: &Record) {
    out.family("tickgate_run", "info", "", "tickgate, the bus, and the tags of the run.");
    let broker = &record.broker;
    let product = format!("{} {}", broker.product, broker.versions());
    let mut labels: BTreeMap<&str, &str> =
        record.run.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    labels.retain(|key, _| is_label(key));
    labels.extend([
        ("tickgate", record.run.tickgate.as_str()),
        ("broker", &product),
        ("durability", &broker.durability),
    ]);
    labels.remove("profile");
    out.sample("tickgate_run_info", &labels.into_iter().collect::<Vec<_>>(), 1.0);
}

/// Is it the name of a label that Prometheus does not reserve? A record may have been made elsewhere.
fn is_label(key: &str) -> bool {
    !key.starts_with("__")
        && key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn verdict(out: &mut Out, record: &Record) {
    out.family("tickgate_verdict", "gauge", "", "1 for the verdict of the run, 0 for the others.");
    for (verdict, is) in states(record.verdict) {
        out.sample("tickgate_verdict", &[("verdict", verdict)], is);
    }
}

/// Every verdict, with 1 for this one.
fn states(of: Verdict) -> [(&'static str, f64); 3] {
    [Verdict::Pass, Verdict::Inconclusive, Verdict::Fail]
        .map(|verdict| (verdict.as_str(), if verdict == of { 1.0 } else { 0.0 }))
}

/// The unit of a family of objectives: its suffix, and how many of the record's units it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unit {
    suffix: &'static str,
    per: u32,
}

/// The units of objectives, in the order of their families.
const UNITS: [Unit; 6] = [
    Unit { suffix: "seconds", per: 1_000_000_000 },
    Unit { suffix: "events_per_second", per: 1 },
    Unit { suffix: "events", per: 1 },
    Unit { suffix: "bytes", per: 1 },
    Unit { suffix: "ratio", per: 1 },
    Unit { suffix: "cores", per: 1 },
];

const fn unit(objective: &Objective) -> Unit {
    if objective.scope.windows {
        return UNITS[4];
    }
    match objective.metric.kind() {
        Kind::Time => UNITS[0],
        Kind::Rate => UNITS[1],
        Kind::Count => UNITS[2],
        Kind::Size => UNITS[3],
        Kind::Share => UNITS[4],
        Kind::Cores => UNITS[5],
    }
}

/// Observed figures, limits and verdicts of the objectives: a family for each unit, since a family has one.
fn objectives(out: &mut Out, record: &Record) {
    // The results are in the order of the plan.
    let judged: Vec<(Unit, &ObjectiveResult)> =
        record.plan.objectives.iter().map(unit).zip(&record.objectives).collect();
    for unit in UNITS {
        let of_unit = || judged.iter().filter(|(of, _)| *of == unit).map(|(_, result)| *result);
        if of_unit().next().is_none() {
            continue;
        }
        let per = f64::from(unit.per);
        let (observed, limit) = (
            format!("tickgate_objective_{}", unit.suffix),
            format!("tickgate_objective_limit_{}", unit.suffix),
        );
        out.family(&observed, "gauge", unit.suffix, "Observed figure of an objective.");
        for o in of_unit() {
            out.sample(&observed, &[("objective", &o.name)], o.observed_value.unwrap_or(f64::NAN) / per);
        }
        out.family(&limit, "gauge", unit.suffix, "Limit of an objective.");
        for o in of_unit() {
            out.sample(&limit, &[("objective", &o.name)], o.limit_value / per);
        }
    }
    if record.objectives.is_empty() {
        return;
    }
    let help = "1 for the verdict on an objective, 0 for the others.";
    out.family("tickgate_objective_verdict", "gauge", "", help);
    for o in &record.objectives {
        for (verdict, is) in states(o.verdict) {
            out.sample("tickgate_objective_verdict", &[("objective", &o.name), ("verdict", verdict)], is);
        }
    }
}

fn latencies(out: &mut Out, record: &Record) {
    out.family("tickgate_time_seconds", "summary", "seconds", "Times of the measure phase.");
    let load = &record.load;
    let all = [("send_lag", &load.send_lag), ("ack", &load.ack), ("service", &load.service)];
    for (name, latency) in all {
        summary(out, name, "", latency);
    }
    for group in &record.groups {
        summary(out, "latency", &group.name, &group.latency);
    }
}

fn summary(out: &mut Out, time: &str, group: &str, l: &Latency) {
    times(out, "tickgate_time_seconds", &[("time", time), ("group", group)], l);
}

/// A summary of a family, with these labels.
fn times(out: &mut Out, family: &str, labels: &[(&str, &str)], l: &Latency) {
    let quantiles = [
        ("0.5", l.p50_ns),
        ("0.9", l.p90_ns),
        ("0.99", l.p99_ns),
        ("0.999", l.p99_9_ns),
        ("0.9999", l.p99_99_ns),
    ];
    for (quantile, ns) in quantiles {
        let seconds = if l.count > 0 { num::f64_of(ns) / 1e9 } else { f64::NAN };
        let labels: Vec<_> = labels.iter().copied().chain([("quantile", quantile)]).collect();
        out.sample(family, &labels, seconds);
    }
    out.sample(&format!("{family}_count"), labels, num::f64_of(l.count));
    // A summary must not have a negative sum (clocks that disagree).
    let sum = (l.mean_ns * num::f64_of(l.count) / 1e9).max(0.0);
    out.sample(&format!("{family}_sum"), labels, sum);
}

fn ledger(out: &mut Out, record: &Record) {
    let load = &record.load;
    out.family("tickgate_published", "counter", "", "Events of the publishing side, over the whole run.");
    let published = [
        ("intended", load.intended),
        ("sent", load.sent),
        ("acked", load.acked),
        ("refused", load.refused),
        ("unsent", load.unsent),
        ("unconfirmed", load.unconfirmed),
        // Only a recovered run has any.
        ("open", load.open),
    ];
    for (outcome, n) in published {
        out.sample("tickgate_published_total", &[("outcome", outcome)], num::f64_of(n));
    }
    out.family("tickgate_delivered", "counter", "", "Events of each group, over the whole run.");
    for g in &record.groups {
        let outcomes = [
            ("delivered", g.delivered),
            ("lost", g.lost),
            ("recovered", g.recovered),
            ("redelivered", g.redelivered),
            ("duplicate", g.duplicate),
            ("reordered", g.reordered),
            ("corrupt", g.corrupt),
            ("foreign", g.foreign),
        ];
        for (outcome, n) in outcomes {
            out.sample(
                "tickgate_delivered_total",
                &[("group", &g.name), ("outcome", outcome)],
                num::f64_of(n),
            );
        }
    }
    out.family("tickgate_rate", "gauge", "", "Events per second of the measure phase.");
    for (of, rate) in [("offered", load.offered_rate), ("sent", load.sent_rate), ("acked", load.acked_rate)] {
        out.sample("tickgate_rate", &[("of", of)], rate);
    }
}

fn resources(out: &mut Out, record: &Record) {
    let r = &record.resources;
    let all: Vec<_> = std::iter::once(("tickgate", r.harness))
        .chain(r.brokers.iter().map(|(n, p)| (n.as_str(), *p)))
        .collect();
    out.family("tickgate_cpu_cores", "gauge", "cores", "Processor time over the measure phase.");
    for (process, figures) in &all {
        out.sample("tickgate_cpu_cores", &[("process", process)], figures.cpu_cores);
    }
    out.family("tickgate_memory_peak_bytes", "gauge", "bytes", "Peak resident memory.");
    for (process, figures) in &all {
        out.sample(
            "tickgate_memory_peak_bytes",
            &[("process", process)],
            num::f64_of(figures.peak_memory_bytes),
        );
    }
}
