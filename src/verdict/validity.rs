//! The harness's own part in a figure: causes that could have shortened a time, causes that lengthened it, and
//! who used the machine.
//!
//! Times count from the intended moment, so that lateness of the harness can only add to them: an upper limit
//! that is met stands, whatever the machine did, unless something that could *shorten* a time is in doubt.
//! Figures that the harness can falsify either way (`service`, lower limits) are judged on a fit run only: its
//! own lateness may be a share of the limit, at the quantile that is judged.

use crate::measure::{Usage, decode};
use crate::num::{self, show};
use crate::plan::{Consume, Metric, Objective, Plan, Span, Stat, Throughput, Timing, Value, When};
use crate::record::{Latency, Machine, Reason, Record, Row};

/// Largest send lag, as a share of a limit.
pub const SEND_LAG_SHARE: f64 = 0.10;
/// Largest hiccup, as a share of a limit.
pub const HICCUP_SHARE: f64 = 0.20;
/// Largest clock error between hosts, as a share of a limit.
const CLOCK_SHARE: f64 = 0.10;
/// Largest delay of the last slot of the measure phase, as a share of the phase; never more than a second.
const FINISH_SHARE: f64 = 0.01;
const FINISH_AT_MOST_NS: f64 = 1e9;
/// Smallest share of the planned rate that each step, each burst, or else the whole phase must have been
/// offered.
const OFFERED_SHARE: f64 = 0.95;
/// Others disturb a run when they use this share of the usable cores.
pub(super) const OTHERS_SHARE: f64 = 0.10;
/// A machine is full when this share of it is used.
const FULL_SHARE: f64 = 0.95;
/// A thread is at its limit when it uses this share of a core.
const BUSY_THREAD: f64 = 0.90;
/// A quota matters when it held threads back for this share of the phase.
const THROTTLED_SHARE: f64 = 0.01;
/// Quantiles from here on are tails.
const TAIL: f64 = 0.9;
/// The limit that is assumed for a plan without one on latency.
const DEFAULT_LIMIT_NS: u64 = 100_000_000;

/// The lowest latency limit that can be judged given this send lag and hiccup at the quantile that is judged.
#[must_use]
pub fn lowest_limit_ns(send_lag_ns: u64, hiccup_ns: u64) -> u64 {
    let by_lag = num::f64_of(send_lag_ns) / SEND_LAG_SHARE;
    num::u64_of(by_lag.max(num::f64_of(hiccup_ns) / HICCUP_SHARE))
}

/// Why a figure cannot be judged, and the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The rule's name.
    pub rule: &'static str,
    /// The observation.
    pub seen: String,
    /// The next step.
    pub next: String,
}

impl Unfit {
    pub(super) fn new(rule: &'static str, seen: impl Into<String>, next: impl Into<String>) -> Self {
        Self { rule, seen: seen.into(), next: next.into() }
    }
}

/// The tightest limit on the tail of end-to-end latency outside of faults, or 100 ms where the plan has none.
#[must_use]
pub fn tightest_limit_ns(plan: &Plan) -> u64 {
    plan.objectives
        .iter()
        .filter(|o| matches!(o.metric, Metric::Time(Timing::Latency, stat) if is_tail(stat)))
        .filter(|o| matches!(o.scope.when, When::Whole | When::Before | When::After))
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

/// Every reason why a material part of a run's figures is the harness's own, by the tightest tail limit: such a
/// run is not a valid sample for a comparison, and its times are upper bounds.
#[must_use]
pub fn reasons(record: &Record) -> Vec<Reason> {
    let limit = tightest_limit_ns(&record.plan);
    doubts(record)
        .into_iter()
        .chain(behind(record))
        .chain(super::quota::any(record))
        .chain(lateness(record, Stat::Quantile(0.99), limit))
        .map(|unfit| Reason { rule: unfit.rule.into(), seen: unfit.seen, next: unfit.next })
        .collect()
}

/// What could have shortened or hidden a time: with any of these, no objective on time is met.
pub(super) fn doubts(record: &Record) -> Vec<Unfit> {
    let mut found = dead_workers(record);
    found.extend(not_offered(record));
    let latencies =
        [("send lag", &record.load.send_lag), ("ack", &record.load.ack), ("service", &record.load.service)];
    let groups = record.groups.iter().map(|g| (g.name.as_str(), &g.latency));
    for (name, latency) in latencies.into_iter().chain(groups) {
        found.extend(overflow(name, latency));
    }
    found
}

pub(super) fn dead_workers(record: &Record) -> Vec<Unfit> {
    let dead = record.health.dead_workers.iter();
    dead.map(|worker| {
        Unfit::new(
            "worker-died",
            format!("{worker} ended early"),
            "what it missed is unknown: see the marks and the log for why it ended",
        )
    })
    .collect()
}

/// A late generator flattens the load it offers, and a bus that fails under the real load may look sound.
fn not_offered(record: &Record) -> Option<Unfit> {
    let least = record.load.least_offered.as_ref()?;
    let share = num::share(least.offered, least.due);
    if share >= OFFERED_SHARE || least.soon_after == least.due {
        return None;
    }
    Some(Unfit::new(
        "not-offered",
        format!(
            "{} was not offered as planned: {} of its {} events were offered before it ended ({:.0} %; at least {} required)",
            least.part,
            least.offered,
            least.due,
            (share * 100.0).floor(),
            show::percent(OFFERED_SHARE)
        ),
        "lower load.rate, add generators, or give tickgate more cores",
    ))
}

fn overflow(name: &str, latency: &Latency) -> Option<Unfit> {
    (latency.overflow > 0).then(|| {
        Unfit::new(
            "overflow",
            format!("{} samples of {name} above the histogram's range of 1 h", latency.overflow),
            "the run stalled for over an hour: see the timeline and the marks",
        )
    })
}

/// The generators did not keep up, or the machine's pauses were not measured.
fn behind(record: &Record) -> Vec<Unfit> {
    let mut found = Vec::new();
    let allowed = (FINISH_SHARE * record.measured_seconds() * 1e9).clamp(1e7, FINISH_AT_MOST_NS);
    if record.load.measured_intended > 0 && num::f64_of(record.load.finished_late_ns) > allowed {
        found.push(Unfit::new(
            "rate-missed",
            format!(
                "the generators fell behind: the last event was sent {} late",
                show::time(record.load.finished_late_ns)
            ),
            "lower load.rate, add generators, or give tickgate more cores",
        ));
    }
    if record.health.hiccups.count == 0 {
        found.push(Unfit::new(
            "no-hiccups",
            "the hiccup meter has no samples, so pauses of the machine are unknown",
            "use a machine with a core left for the meter, or run longer",
        ));
    }
    found
}

/// Lateness, pauses and clock error that exceed their share of a limit, at the quantile that is judged.
fn lateness(record: &Record, stat: Stat, limit_ns: u64) -> Vec<Unfit> {
    let (lag, lag_name) = lag_at(&record.load.send_lag, stat);
    let (hiccup, hiccup_name) = hiccup_at(record, stat);
    let late = late(lag, lag_name, limit_ns);
    late.into_iter().chain(hiccups(hiccup, hiccup_name, limit_ns)).chain(clock(record, limit_ns)).collect()
}

/// The send lag at the quantile that is judged; for a mean, its p99.
fn lag_at(lag: &Latency, stat: Stat) -> (u64, &'static str) {
    match stat {
        Stat::Min => (lag.p50_ns, "p50"),
        Stat::Max => (u64::try_from(lag.max_ns).unwrap_or(0), "max"),
        Stat::Mean => (lag.p99_ns, "p99"),
        Stat::Quantile(q) if q <= 0.5 => (lag.p50_ns, "p50"),
        Stat::Quantile(q) if q <= 0.9 => (lag.p90_ns, "p90"),
        Stat::Quantile(q) if q <= 0.99 => (lag.p99_ns, "p99"),
        Stat::Quantile(q) if q <= 0.999 => (lag.p99_9_ns, "p99.9"),
        Stat::Quantile(q) => {
            (decode(&lag.histogram).map_or(lag.p99_99_ns, |all| all.value_at_quantile(q)), "at that quantile")
        }
    }
}

/// The hiccups at the quantile that is judged, or at the next higher known one.
fn hiccup_at(record: &Record, stat: Stat) -> (u64, &'static str) {
    let hiccups = &record.health.hiccups;
    match stat {
        Stat::Min => (hiccups.p50_ns, "p50"),
        Stat::Quantile(q) if q <= 0.5 => (hiccups.p50_ns, "p50"),
        Stat::Quantile(q) if q <= 0.9 => (hiccups.p99_ns, "p99"),
        Stat::Quantile(q) if q > 0.999 => (hiccups.max_ns, "max"),
        Stat::Max => (hiccups.max_ns, "max"),
        Stat::Quantile(_) | Stat::Mean => (hiccups.p99_9_ns, "p99.9"),
    }
}

/// The first reason why the run is not fit to judge an objective that the harness can falsify either way.
pub(super) fn unfit(record: &Record, objective: &Objective) -> Option<Unfit> {
    let general = || doubts(record).into_iter().chain(behind(record));
    let (stat, limit) = match objective.metric {
        Metric::Time(Timing::SendLag, _) => return general().next(),
        Metric::Time(_, stat) => (stat, limit_ns(objective).unwrap_or(DEFAULT_LIMIT_NS)),
        _ => (Stat::Quantile(0.99), tightest_limit_ns(&record.plan)),
    };
    let stat = if objective.scope.windows { Stat::Max } else { stat };
    general().chain(lateness(record, stat, limit)).next()
}

/// Times mean nothing where the bus sets the pace, or where groups deliberately receive only after the load.
pub(super) fn not_open(record: &Record, objective: &Objective) -> Option<Unfit> {
    let load = &record.plan.load;
    let (rule, seen) = match objective.metric {
        Metric::Time(..) if load.is_closed() => (
            "closed-load",
            "the load was closed by the window: a stalling bus is offered less load, so its latencies look better than they are",
        ),
        Metric::Throughput(_) if load.is_closed() && !objective.of_closed_load() => {
            ("closed-load", "the load was closed by the window: there is no planned rate to take a share of")
        }
        Metric::Time(Timing::Latency, _) | Metric::Throughput(Throughput::Delivered)
            if load.consume == Consume::Backlog =>
        {
            ("backlog", "the groups received only after the load: the times are those of the backlog")
        }
        _ => return None,
    };
    Some(Unfit::new(
        rule,
        seen,
        "judge times under an open load: give `load.rate` a rate, and `load.consume` the value `live`",
    ))
}

/// The clock error, if it exceeds its share of the limit.
pub(super) fn clock(record: &Record, limit_ns: u64) -> Option<Unfit> {
    let allowed = CLOCK_SHARE * num::f64_of(limit_ns);
    (num::f64_of(record.health.clock_error_ns) > allowed).then(|| {
        Unfit::new(
            "clock",
            format!(
                "the clocks of the hosts may differ by {}, over {} of the limit {}",
                show::time(record.health.clock_error_ns),
                show::percent(CLOCK_SHARE),
                Span { ns: limit_ns }
            ),
            "synchronise the hosts' clocks, or measure on one host",
        )
    })
}

fn late(lag_ns: u64, quantile: &str, limit_ns: u64) -> Option<Unfit> {
    let allowed = SEND_LAG_SHARE * num::f64_of(limit_ns);
    (num::f64_of(lag_ns) > allowed).then(|| {
        Unfit::new(
            "send-lag",
            format!(
                "tickgate itself sent late: send lag {quantile} {} is over {} of the limit {}",
                show::time(lag_ns),
                show::percent(SEND_LAG_SHARE),
                Span { ns: limit_ns }
            ),
            "give tickgate more cores or a quieter machine, add generators, or raise the limit",
        )
    })
}

fn hiccups(hiccup_ns: u64, quantile: &str, limit_ns: u64) -> Option<Unfit> {
    let allowed = HICCUP_SHARE * num::f64_of(limit_ns);
    (num::f64_of(hiccup_ns) > allowed).then(|| {
        Unfit::new(
            "hiccups",
            format!(
                "the machine paused: hiccup {quantile} {} is over {} of the limit {}",
                show::time(hiccup_ns),
                show::percent(HICCUP_SHARE),
                Span { ns: limit_ns }
            ),
            "use a quieter machine, or raise the limit; `tickgate doctor` shows what this machine can judge",
        )
    })
}

/// Who used the machine in a second of the timeline, given its usable cores.
#[must_use]
pub fn usage(row: &Row, usable_cores: f64) -> Usage {
    let (Some(all), Some(others)) = (row.machine_cpu, row.others_cpu) else { return Usage::Free };
    if usable_cores <= 0.0 {
        return Usage::Free;
    }
    match (others >= OTHERS_SHARE * usable_cores, all >= FULL_SHARE * usable_cores) {
        (true, true) => Usage::Contended,
        (true, false) => Usage::Shared,
        (false, true) => Usage::Saturated,
        (false, false) => Usage::Free,
    }
}

/// Did tickgate and the broker leave nothing of the machine that both are on?
pub(super) fn is_used_up(record: &Record) -> bool {
    let Some(machine) = &record.health.machine else { return false };
    machine.broker_here
        && machine.usable_cores > 0.0
        && machine.busy_cores >= FULL_SHARE * machine.usable_cores
        && !others_are_material(machine)
}

/// Did a CPU quota hold tickgate's threads back for a material part of so many seconds?
#[must_use]
pub fn is_throttled(machine: &Machine, seconds: f64) -> bool {
    seconds > 0.0 && num::f64_of(machine.throttled_ns) / 1e9 > THROTTLED_SHARE * seconds
}

/// The harness did not get enough of the machine: a miss may be its own.
pub(super) fn starved(record: &Record) -> Option<Unfit> {
    let machine = record.health.machine.as_ref()?;
    let seconds = record.measured_seconds();
    let throttled = num::f64_of(machine.throttled_ns) / 1e9;
    if is_throttled(machine, seconds) {
        return Some(Unfit::new(
            "throttled",
            format!(
                "a CPU quota held tickgate's threads back for {throttled:.1} s in {seconds:.0} s, at {:.2} usable cores",
                machine.usable_cores
            ),
            "raise the quota of the container or control group, or lower load.rate",
        ));
    }
    let thread = machine.busiest_thread.as_ref().filter(|thread| thread.cores >= BUSY_THREAD)?;
    Some(Unfit::new(
        "client-limited",
        format!("tickgate's thread {} used {:.2} of a core", thread.name, thread.cores),
        "lower load.rate, add generators or members, or give tickgate more cores",
    ))
}

/// Others and the hypervisor used a material part of the machine.
pub(super) fn disturbed(record: &Record, events: &str) -> Option<Unfit> {
    let machine = record.health.machine.as_ref()?;
    let others = machine.others_cores?;
    let stolen = if machine.stolen_cores >= 0.01 {
        format!(", {:.2} of it taken by the hypervisor", machine.stolen_cores)
    } else {
        String::new()
    };
    Some(Unfit::new(
        "disturbed",
        format!("others used {others:.1} of {} usable cores{stolen}{events}", cores(machine.usable_cores)),
        "run again on a quieter machine, or stop the other processes",
    ))
}

/// How much of the machine others used, in words; `None` where it is not known.
#[must_use]
pub fn others(record: &Record) -> Option<String> {
    disturbed(record, "").map(|unfit| unfit.seen)
}

/// Did others use a material part of the machine, over the whole measure phase?
#[must_use]
pub fn others_are_material(machine: &Machine) -> bool {
    machine.others_cores.is_some_and(|others| others >= OTHERS_SHARE * machine.usable_cores)
}

/// Tickgate and the broker used up the machine.
pub(super) fn saturated(record: &Record) -> Option<String> {
    record.health.machine.as_ref().map(|machine| {
        format!(
            "saturated: this machine (tickgate and the broker used {:.1} of {} usable cores)",
            machine.busy_cores,
            cores(machine.usable_cores)
        )
    })
}

fn cores(cores: f64) -> String {
    if (cores - cores.round()).abs() < 1e-9 { format!("{cores:.0}") } else { format!("{cores:.1}") }
}

/// The lateness that explains a miss, in figures: the larger one first.
pub(super) fn explained(record: &Record, objective: &Objective) -> Unfit {
    let stat = match objective.metric {
        _ if objective.scope.windows => Stat::Max,
        Metric::Time(_, stat) => stat,
        _ => Stat::Quantile(0.99),
    };
    let ((lag, lag_name), (hiccup, hiccup_name)) =
        (lag_at(&record.load.send_lag, stat), hiccup_at(record, stat));
    let paused: u64 = record.timeline.iter().filter_map(|row| row.paused_ns).sum();
    Unfit::new(
        "late",
        format!(
            "tickgate's own lateness explains it: send lag {lag_name} {}, hiccup {hiccup_name} {}, {} of pauses in all",
            show::time(lag),
            show::time(hiccup),
            show::time(paused)
        ),
        "give tickgate more cores or a quieter machine, add generators, or raise the limit",
    )
}
