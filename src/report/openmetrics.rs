//! The final figures as `OpenMetrics` text, for a push gateway or textfile collector of Prometheus.

use std::fmt::Write as _;

use super::show;
use crate::num;
use crate::record::{Latency, Record, Verdict};

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

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        if !value.is_finite() {
            return;
        }
        let mut all = self.common.clone();
        for (label, value) in labels {
            let _ = write!(all, ",{label}=\"{}\"", escaped(value));
        }
        let _ = writeln!(self.text, "{name}{{{all}}} {value}");
    }
}

fn escaped(text: &str) -> String {
    show::plain(text).replace('\\', "\\\\").replace('"', "\\\"")
}

/// Renders the metrics; every sample has the labels `run` and `profile`.
pub(crate) fn text(record: &Record) -> String {
    let common = format!("run=\"{}\",profile=\"{}\"", escaped(&record.run.id), escaped(&record.plan.name));
    let mut out = Out { text: String::new(), common };
    out.family("tickgate_run", "info", "", "The run and its bus.");
    let broker = &record.broker;
    let product = format!("{} {}", broker.product, broker.version);
    let labels = [
        ("tickgate", record.run.tickgate.as_str()),
        ("broker", &product),
        ("durability", &broker.durability),
    ];
    out.sample("tickgate_run_info", &labels, 1.0);
    out.family("tickgate_verdict", "gauge", "", "1 for the verdict of the run, 0 for the others.");
    for verdict in [Verdict::Pass, Verdict::Inconclusive, Verdict::Fail] {
        let is = if record.verdict == verdict { 1.0 } else { 0.0 };
        out.sample("tickgate_verdict", &[("verdict", verdict.as_str())], is);
    }
    objectives(&mut out, record);
    latencies(&mut out, record);
    ledger(&mut out, record);
    resources(&mut out, record);
    out.text.push_str("# EOF\n");
    out.text
}

fn objectives(out: &mut Out, record: &Record) {
    out.family(
        "tickgate_objective",
        "gauge",
        "",
        "Observed figure of an objective: nanoseconds, events/s, events, bytes, a share or cores.",
    );
    for o in &record.objectives {
        let labels =
            [("objective", o.name.as_str()), ("limit", o.limit.as_str()), ("verdict", o.verdict.as_str())];
        if let Some(value) = o.observed_value {
            out.sample("tickgate_objective", &labels, value);
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
    let labels = [("time", time), ("group", group)];
    let quantiles = [
        ("0.5", l.p50_ns),
        ("0.9", l.p90_ns),
        ("0.99", l.p99_ns),
        ("0.999", l.p99_9_ns),
        ("0.9999", l.p99_99_ns),
    ];
    if l.count > 0 {
        for (quantile, ns) in quantiles {
            let labels = [labels[0], labels[1], ("quantile", quantile)];
            out.sample("tickgate_time_seconds", &labels, num::f64_of(ns) / 1e9);
        }
    }
    out.sample("tickgate_time_seconds_count", &labels, num::f64_of(l.count));
    // A summary must not have a negative sum (clocks that disagree).
    out.sample("tickgate_time_seconds_sum", &labels, (l.mean_ns * num::f64_of(l.count) / 1e9).max(0.0));
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
    ];
    // Only in a recovered run.
    let open = Some(("open", load.open)).filter(|(_, open)| *open > 0);
    for (outcome, n) in published.into_iter().chain(open) {
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
