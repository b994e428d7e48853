//! Validity: when a run may not be used to judge latency and throughput, and what to do about it.
//!
//! A run is unfit when the harness itself was late, the machine was hiccuping, or the figures are incomplete.
//! The rules compare with the limit that is judged: a limit on a median is held against the harness's own
//! median, a limit on a tail (p90 and above, mean, max) against the harness's tail (send lag p99, hiccup
//! p99.9). Loss, corruption and order stay as measured, since a slow harness cannot invent them.

use crate::num;
use crate::plan::{Consume, Metric, Objective, Plan, Span, Stat, Throughput, Timing, Value};
use crate::record::{Latency, Reason, Record};

/// Send lag may take this share of a limit.
const SEND_LAG_SHARE: f64 = 0.10;
/// Hiccups may take this share of a limit.
const HICCUP_SHARE: f64 = 0.20;
/// The clock error between hosts may take this share of a limit.
const CLOCK_SHARE: f64 = 0.10;
/// The last slot of the measure phase may come this share of the phase too late.
const FINISH_SHARE: f64 = 0.01;
/// A quantile from here on is a tail.
const TAIL: f64 = 0.9;
/// The limit that counts where a plan has none on latency.
const DEFAULT_LIMIT_NS: u64 = 100_000_000;

/// Why something cannot be judged, and the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The rule, in a word.
    pub rule: &'static str,
    /// What was seen.
    pub seen: String,
    /// What to do next.
    pub next: String,
}

/// The tightest limit on the tail of end-to-end latency, or 100 ms where the plan has none.
#[must_use]
pub fn tightest_limit_ns(plan: &Plan) -> u64 {
    plan.objectives
        .iter()
        .filter(|o| matches!(o.metric, Metric::Time(Timing::Latency, stat) if is_tail(stat)))
        .filter_map(limit_ns)
        .min()
        .unwrap_or(DEFAULT_LIMIT_NS)
}

const fn is_tail(stat: Stat) -> bool {
    match stat {
        Stat::Quantile(q) => q >= TAIL,
        Stat::Max | Stat::Mean => true,
        Stat::Min => false,
    }
}

const fn limit_ns(objective: &Objective) -> Option<u64> {
    match objective.limit {
        Value::Time(span) => Some(span.ns),
        _ => None,
    }
}

/// Every reason why the run as a whole is unfit, judged by its tightest tail limit.
#[must_use]
pub fn reasons(record: &Record) -> Vec<Reason> {
    let limit = tightest_limit_ns(&record.plan);
    let own = &record.load.send_lag;
    general(record)
        .into_iter()
        .chain(late(own.p99_ns, "p99", limit))
        .chain(hiccups(record.health.hiccups.p99_9_ns, "p99.9", limit))
        .chain(clock(record, limit))
        .map(|unfit| Reason { rule: unfit.rule.into(), seen: unfit.seen, next: unfit.next })
        .collect()
}

/// The first reason why one objective on time or throughput cannot be judged.
pub(super) fn unfit(record: &Record, objective: &Objective) -> Option<Unfit> {
    if let Some(unfit) = not_open(record, objective) {
        return Some(unfit);
    }
    let limit = match objective.metric {
        Metric::Time(Timing::SendLag, _) => return general(record).into_iter().next(),
        Metric::Time(..) => limit_ns(objective).unwrap_or(DEFAULT_LIMIT_NS),
        _ => tightest_limit_ns(&record.plan),
    };
    let median =
        matches!(objective.metric, Metric::Time(_, stat) if !is_tail(stat)) && !objective.scope.windows;
    let (lag, hiccup) = (&record.load.send_lag, &record.health.hiccups);
    let (late, stalled) = if median {
        (late(lag.p50_ns, "p50", limit), hiccups(hiccup.p50_ns, "p50", limit))
    } else {
        (late(lag.p99_ns, "p99", limit), hiccups(hiccup.p99_9_ns, "p99.9", limit))
    };
    general(record).into_iter().next().or(late).or(stalled).or_else(|| clock(record, limit))
}

/// Times mean nothing where the bus sets the pace, nor where its events are left lying on purpose.
fn not_open(record: &Record, objective: &Objective) -> Option<Unfit> {
    let load = &record.plan.load;
    let (rule, seen) = match objective.metric {
        Metric::Time(..) if load.is_closed() => (
            "closed-load",
            "the load was closed by the window: a bus that stalls is offered less, and its times look short",
        ),
        Metric::Time(Timing::Latency, _) | Metric::Throughput(Throughput::Delivered)
            if load.consume == Consume::Backlog =>
        {
            ("backlog", "the groups received only after the load: the times are those of the backlog")
        }
        _ => return None,
    };
    let next = "judge times under an open load: give `load.rate` a rate, and `load.consume` the value `live`";
    Some(Unfit { rule, seen: seen.into(), next: next.into() })
}

/// The rules that no limit enters.
fn general(record: &Record) -> Vec<Unfit> {
    let mut found = Vec::new();
    for worker in &record.health.dead_workers {
        found.push(Unfit {
            rule: "worker-died",
            seen: format!("{worker} ended before its time"),
            next: "this is a defect of tickgate or of the machine: see the marks and the log".into(),
        });
    }
    let allowed = FINISH_SHARE * record.measured_seconds() * 1e9;
    if record.load.measured_intended > 0 && num::f64_of(record.load.finished_late_ns) > allowed.max(1e7) {
        found.push(Unfit {
            rule: "rate-missed",
            seen: format!(
                "the generators missed the rate: the last event had its turn {} too late",
                show(record.load.finished_late_ns)
            ),
            next: "lower load.rate, add generators, or give tickgate more cores".into(),
        });
    }
    let latencies =
        [("send lag", &record.load.send_lag), ("ack", &record.load.ack), ("service", &record.load.service)];
    let groups = record.groups.iter().map(|g| (g.name.as_str(), &g.latency));
    for (name, latency) in latencies.into_iter().chain(groups) {
        found.extend(overflow(name, latency));
    }
    found
}

fn overflow(name: &str, latency: &Latency) -> Option<Unfit> {
    (latency.overflow > 0).then(|| Unfit {
        rule: "overflow",
        seen: format!("{} samples of {name} above the histogram's range of 1 h", latency.overflow),
        next: "the run stalled for over an hour: see the timeline and the marks".into(),
    })
}

fn late(lag_ns: u64, quantile: &str, limit_ns: u64) -> Option<Unfit> {
    let allowed = SEND_LAG_SHARE * num::f64_of(limit_ns);
    (num::f64_of(lag_ns) > allowed).then(|| Unfit {
        rule: "send-lag",
        seen: format!(
            "tickgate itself sent late: send lag {quantile} {} is over 10 % of the limit {}",
            show(lag_ns),
            Span { ns: limit_ns }
        ),
        next:
            "give tickgate more cores or lower the rate; `tickgate doctor` shows what this machine can judge"
                .into(),
    })
}

fn hiccups(hiccup_ns: u64, quantile: &str, limit_ns: u64) -> Option<Unfit> {
    let allowed = HICCUP_SHARE * num::f64_of(limit_ns);
    (num::f64_of(hiccup_ns) > allowed).then(|| Unfit {
        rule: "hiccups",
        seen: format!(
            "the machine paused: hiccup {quantile} {} is over 20 % of the limit {}",
            show(hiccup_ns),
            Span { ns: limit_ns }
        ),
        next:
            "use a quieter machine, or raise the limit; `tickgate doctor` shows what this machine can judge"
                .into(),
    })
}

fn clock(record: &Record, limit_ns: u64) -> Option<Unfit> {
    let allowed = CLOCK_SHARE * num::f64_of(limit_ns);
    (num::f64_of(record.health.clock_error_ns) > allowed).then(|| Unfit {
        rule: "clock",
        seen: format!(
            "the clocks of the hosts may differ by {}, over 10 % of the limit {}",
            show(record.health.clock_error_ns),
            Span { ns: limit_ns }
        ),
        next: "synchronise the hosts' clocks, or measure on one host".into(),
    })
}

/// Samples needed so that a quantile without an exceedance is below its limit at 95 % confidence:
/// the smallest n with qⁿ ≤ 0.05 (2,995 for p99.9, 299 for p99).
#[must_use]
pub fn samples_needed(q: f64) -> u64 {
    if q <= 0.0 || q >= 1.0 {
        return 1;
    }
    num::u64_of((0.05_f64.ln() / q.ln()).ceil())
}

/// How many samples the objective needs, if it has fewer.
pub(super) fn missing_samples(objective: &Objective, samples: u64) -> Option<u64> {
    let needed = match objective.metric {
        _ if objective.scope.windows => 1,
        Metric::Time(_, Stat::Quantile(q)) => samples_needed(q),
        // Whatever else is observed has its samples, or is no observation.
        _ => 0,
    };
    (samples < needed).then_some(needed)
}

/// A time for people: three significant digits.
pub(super) fn show(ns: u64) -> String {
    let ns = num::f64_of(ns);
    let (value, unit) = match ns {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "µs"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    let digits = match value {
        v if v >= 100.0 || unit == "ns" => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}{unit}")
}
