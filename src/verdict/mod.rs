//! Judges a record: whether the run is fit to be judged, whether each objective holds, and the verdict.
//!
//! `pass < inconclusive < fail`; the verdict of a run is that of its worst objective, and no data is never a
//! pass. The verdict follows from the record alone, so that it can be recomputed from a file.

mod advice;
pub mod claims;
mod confidence;
mod curtail;
pub mod drift;
mod explain;
mod miss;
mod observe;
mod power;
mod quota;
mod replays;
mod scopes;
pub mod so_far;
mod steps;
mod takeovers;
mod validity;

pub use confidence::samples_needed;
pub use curtail::Curtailment;
pub use explain::{Explanation, Place, Untimed, explanation};
pub use quota::QUOTA;
pub use replays::{REPLAY_INCOMPLETE, in_words as replay_in_words};
pub use scopes::FAULT_LATE;
pub use takeovers::TAKEOVER_UNKNOWN;
pub use validity::{
    HICCUP_SHARE, SEND_LAG_SHARE, Unfit, is_throttled, lowest_limit_ns, others, others_are_material, reasons,
    tightest_limit_ns, usage,
};

use crate::measure::Limits;
use crate::num::{self, show};
use crate::plan::{Metric, Objective, Op, Outcome, Plan, Resource, Throughput, Timing, Value};
use crate::record::{self, Audit, End, Health, ObjectiveResult, Record, Step, Verdict};

use observe::{Counts, Observed};

/// Version of the rules of judgement. It changes with every change that can alter the verdict on a record, so
/// that a stored verdict can be checked against the rules that produced it.
pub const RULES: u32 = 4;

/// Rule of an objective on a quantile that has too few events.
pub const TOO_FEW: &str = "too-few-samples";

/// The result of [`assess`]: the parts of a record that are judgement rather than measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// Whether the harness was fit to measure, and why not.
    pub health: Health,
    /// Each objective, in the plan's order.
    pub objectives: Vec<ObjectiveResult>,
    /// Each step of a load of steps, with its own objectives.
    pub steps: Vec<Step>,
    /// The worst of the objectives' verdicts.
    pub verdict: Verdict,
}

/// Judges a record. Ignores its own `objectives`, `verdict`, `health.valid` and `health.reasons`.
#[must_use]
pub fn assess(record: &Record) -> Assessment {
    let reasons = validity::reasons(record);
    let health = Health { valid: reasons.is_empty(), reasons, ..record.health.clone() };
    let objectives: Vec<_> = record.plan.objectives.iter().map(|o| judge(record, o)).collect();
    let verdict = objectives.iter().map(|o| o.verdict).max().unwrap_or(Verdict::Inconclusive);
    let verdict = match record.run.end {
        End::Completed => verdict,
        _ => verdict.max(Verdict::Inconclusive),
    };
    Assessment { health, objectives, steps: steps::judged(record), verdict }
}

/// Returns the record with its judgement.
#[must_use]
pub fn judged(record: Record) -> Record {
    let Assessment { health, objectives, steps, verdict } = assess(&record);
    Record { rules: RULES, health, objectives, steps, verdict, ..record }
}

/// Judges one objective.
fn judge(record: &Record, objective: &Objective) -> ObjectiveResult {
    let view = scopes::view(record, objective);
    let record = view.as_ref();
    let observed = observe::observe(record, objective);
    let (verdict, reason, next) = match decide(record, objective, observed.as_ref()) {
        Judgement::Pass => (Verdict::Pass, None, None),
        Judgement::Unknown(unfit) => (Verdict::Inconclusive, Some(unfit.seen), Some(unfit.next)),
        Judgement::Fail { reason, next } => (Verdict::Fail, Some(reason), Some(next.to_owned())),
    };
    let value = observed.as_ref().map(|o| o.value).filter(|value| value.is_finite());
    ObjectiveResult {
        name: objective.name(),
        limit: objective.requirement(),
        observed: observed.as_ref().map(|o| o.text.clone()),
        observed_value: value,
        means: observe::offered(record, objective).and_then(|offered| means(objective, offered)),
        limit_value: limit_value(record, objective),
        samples: observed.as_ref().map_or(0, |o| o.samples),
        margin: value.and_then(|value| margin(record, objective, value)),
        verdict,
        reason,
        next,
    }
}

/// Why each objective that is inconclusive cannot be judged, with its name.
#[must_use]
pub fn unknown(record: &Record) -> Vec<(String, Unfit)> {
    let of = |objective: &Objective| {
        let view = scopes::view(record, objective);
        let record = view.as_ref();
        match decide(record, objective, observe::observe(record, objective).as_ref()) {
            Judgement::Unknown(unfit) => Some((objective.name(), unfit)),
            Judgement::Pass | Judgement::Fail { .. } => None,
        }
    };
    record.plan.objectives.iter().filter_map(of).collect()
}

/// The judgement on one objective.
enum Judgement {
    Pass,
    Unknown(Unfit),
    Fail { reason: String, next: &'static str },
}

fn decide(record: &Record, objective: &Objective, observed: Option<&Observed>) -> Judgement {
    if let Some(unfit) = scopes::unjudged(record, objective).or_else(|| replays::unjudged(record, objective))
    {
        return Judgement::Unknown(unfit);
    }
    if let Some(unfit) = takeovers::unjudged(record, objective) {
        return Judgement::Unknown(unfit);
    }
    if let Some(unfit) = power::unjudged(record, objective) {
        return Judgement::Unknown(unfit);
    }
    let Some(observed) = observed else {
        return Judgement::Unknown(no_data(record, objective));
    };
    if let Some(unfit) = validity::not_open(record, objective) {
        return Judgement::Unknown(unfit);
    }
    // Lateness can only make it worse: a limit that is met stands, and a miss is examined.
    let one_sided = one_sided(objective);
    if timed(objective.metric)
        && !one_sided
        && let Some(unfit) = validity::unfit(record, objective)
    {
        return Judgement::Unknown(unfit);
    }
    if observed.holds {
        let doubt = if one_sided { miss::doubt(record, objective) } else { None };
        let doubt = doubt
            .or_else(|| few(objective, observed, true))
            .or_else(|| miss::unseen(record, objective))
            .or_else(|| miss::still_to_come(record, objective, observed.value))
            .or_else(|| (record.run.end != End::Completed).then(|| cut_short(record)))
            .or_else(|| ended_early(record, objective))
            .or_else(|| miss::said_beside(record));
        return doubt.map_or(Judgement::Pass, Judgement::Unknown);
    }
    if open(record, objective, observed) {
        return Judgement::Unknown(cut_short(record));
    }
    let excuse = few(objective, observed, false).or_else(|| miss::excuse(record, objective, observed));
    if let Some(unfit) = excuse {
        return Judgement::Unknown(unfit);
    }
    Judgement::Fail {
        reason: explain::of(record, objective, observed).to_string(),
        next: next_step(record, objective, observed),
    }
}

/// The next step after a miss: for events without a time, the ledger shows their outcome.
fn next_step(record: &Record, objective: &Objective, observed: &Observed) -> &'static str {
    match observed.counts {
        Some(counts) if counts.missing > 0 => {
            "see the ledger for what was unsent, refused, unconfirmed or not delivered, and the marks for why"
        }
        _ => advice::next_step(record, objective),
    }
}

/// Can lateness of the harness only make this figure worse?
const fn one_sided(objective: &Objective) -> bool {
    match objective.metric {
        Metric::Time(Timing::Latency | Timing::Ack, _)
        | Metric::Count(Outcome::Backlog)
        | Metric::Unavailable(_)
        | Metric::Recovery(_) => observe::upper(objective.op),
        Metric::Throughput(_) => matches!(objective.op, Op::AtLeast | Op::Above),
        _ => false,
    }
}

/// A reason, if there are too few events for the verdict that the counts give.
fn few(objective: &Objective, observed: &Observed, holds: bool) -> Option<Unfit> {
    let (Metric::Time(_, stat), Some(counts), false) =
        (objective.metric, observed.counts, objective.scope.windows)
    else {
        return None;
    };
    let Counts { due, broken, .. } = counts;
    let needed = if holds {
        confidence::too_few_to_pass(stat, objective.op, due, broken)?
    } else {
        confidence::too_few_to_fail(stat, objective.op, due, broken)?
    };
    let beyond = if broken == 0 { String::new() } else { format!(", {broken} of them beyond the limit") };
    Some(Unfit::new(
        TOO_FEW,
        format!("{due} events{beyond}: {} needs {needed} of them at 95 % confidence", objective.name()),
        "run longer or faster, or ask for a lower quantile",
    ))
}

/// Does a slow harness affect this figure?
const fn timed(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::Time(..)
            | Metric::Throughput(_)
            | Metric::Count(Outcome::Backlog)
            | Metric::Unavailable(_)
            | Metric::Recovery(_)
            | Metric::Resource(Resource::LatencyDrift)
    )
}

/// Is it unknown whether a miss of this figure would have stood? A broker that failed may still hold events
/// that it has not delivered; events in flight when a run was interrupted had no time to arrive; the last
/// second of a killed run is missing from its journal. Since counts only grow, one that is too small so far
/// might have become large enough.
fn open(record: &Record, objective: &Objective, observed: &Observed) -> bool {
    let end = record.run.end;
    match objective.metric {
        _ if end == End::Completed => false,
        metric if store_was_full(record) && moved_by_a_full_store(metric) => true,
        Metric::Count(Outcome::Lost | Outcome::NotDelivered | Outcome::RedeliveredMissing)
        | Metric::Throughput(Throughput::Offered)
        | Metric::Replay(_) => true,
        Metric::Count(Outcome::Unconfirmed)
        | Metric::Throughput(_)
        | Metric::Unavailable(_)
        | Metric::Recovery(_)
            if matches!(end, End::Interrupted | End::Recovered) =>
        {
            true
        }
        Metric::Count(outcome) if outcome != Outcome::Replayed => match objective.op {
            Op::AtLeast | Op::Above => true,
            Op::Equal => observed.value < number(objective.limit),
            Op::Below | Op::AtMost => false,
        },
        _ => false,
    }
}

/// Was the disk of the broker's store full? Then the environment is at fault, not the bus.
fn store_was_full(record: &Record) -> bool {
    record.marks.iter().any(|mark| mark.kind == record::STORE_FULL)
}

/// Does a full store affect this figure? Order, copies and content are not affected.
const fn moved_by_a_full_store(metric: Metric) -> bool {
    match metric {
        Metric::Time(..) | Metric::Throughput(_) | Metric::Unavailable(_) | Metric::Recovery(_) => true,
        Metric::Count(outcome) => !matches!(
            outcome,
            Outcome::Reordered
                | Outcome::Extent
                | Outcome::StoredLate
                | Outcome::Duplicate
                | Outcome::Corrupt
                | Outcome::Foreign
        ),
        Metric::Resource(_) | Metric::Replay(_) => false,
    }
}

fn cut_short(record: &Record) -> Unfit {
    let why = record.run.reason.clone().unwrap_or_else(|| "the run did not complete".into());
    let denied = record.marks.iter().any(|mark| mark.kind == record::DENIED);
    let next = match record.run.end {
        _ if store_was_full(record) => "make room for the store",
        End::BrokerFailed if denied => "allow what the broker refused, then run again",
        End::BrokerFailed => "see the marks and the broker's log for why it failed, then run again",
        End::Completed => "see the objective that was missed",
        _ => "let the run complete",
    };
    Unfit::new("cut-short", why, next)
}

/// An event counts as delivered if it came by the planned end of the phase and a little: in a load that was ended early, more
/// events had that time.
fn ended_early(record: &Record, objective: &Objective) -> Option<Unfit> {
    let early = record.marks.iter().any(|mark| mark.kind == record::CURTAILED);
    (early && objective.metric == Metric::Throughput(Throughput::Delivered)).then(|| cut_short(record))
}

/// Why the store was not read back, where events are removed from it by its own rules.
fn unaudited(record: &Record) -> Option<&str> {
    record.marks.iter().find(|mark| mark.kind == record::UNAUDITED).map(|mark| mark.detail.as_str())
}

fn no_data(record: &Record, objective: &Objective) -> Unfit {
    if record.run.end != End::Completed {
        return cut_short(record);
    }
    if let Some(why) = unaudited(record).filter(|_| objective.metric.of_the_audit()) {
        let next =
            "leave this objective out for such a stream: `delivery.lost` counts what the groups missed";
        return Unfit::new("no-data", why.to_owned(), next);
    }
    let (seen, next) = match objective.metric {
        Metric::Count(Outcome::Diverged) if record.audit.as_ref().is_some_and(one_log) => (
            "the store was read as one log",
            "use it with `bus.replicas` above 1, on a bus whose copies can be read one by one",
        ),
        metric if metric.of_the_audit() => return no_audit(record),
        Metric::Resource(figure) if figure.is_drift() => drift::NO_DATA,
        Metric::Resource(Resource::BrokerCpu | Resource::BrokerMemory) if record.broker.unwatched() > 0 => (
            "not every server of the cluster is monitored",
            if record.broker.is_seen_by_system_account() {
                "check why the other servers do not answer the system account"
            } else {
                "name the monitoring endpoints of all servers with --monitor"
            },
        ),
        Metric::Resource(Resource::BrokerCpu) if !record.broker.nodes.is_empty() => (
            "a monitored server did not answer for a part of the measure phase",
            "see the marks for when and why",
        ),
        Metric::Resource(Resource::BrokerCpu | Resource::BrokerMemory) if !record.broker.is_own() => {
            let words = &record.plan.bus.kind.product().words;
            (words.unseen, words.to_see)
        }
        Metric::Resource(Resource::BrokerCpu | Resource::BrokerMemory) => (
            "the broker's process cannot be seen from here",
            "run with --broker local, or where the broker runs",
        ),
        Metric::Resource(Resource::BrokerStore) => {
            ("the broker did not say how much it stores", "see the marks for why")
        }
        _ => ("no samples", "see the ledger: nothing of this kind arrived in the measure phase"),
    };
    Unfit::new("no-data", seen, next)
}

/// Was the store read as one log?
const fn one_log(audit: &Audit) -> bool {
    audit.complete && audit.replicas.is_empty()
}

/// Nothing is known of the store.
fn no_audit(record: &Record) -> Unfit {
    if let Some(audit) = record.audit.as_ref().filter(|audit| audit.complete)
        && let Some(unread) = audit.why_unread()
    {
        let missing = show::several(audit.missing, "acknowledged event");
        let holds = match audit.missing {
            0 => "what it holds is not known".to_owned(),
            _ => format!("it may hold the {missing} that the others lack"),
        };
        let next = "run again when every server of the stream is up and current";
        return Unfit::new("replica-unread", format!("{unread}: {holds}"), next);
    }
    let why = record.marks.iter().rev().find(|mark| mark.kind == record::AUDIT_FAILED);
    let seen = "the audit did not read the whole stream back";
    match why {
        Some(mark) => Unfit::new(
            "no-data",
            format!("{seen}: {}", mark.detail),
            "remove what kept it from reading: without the audit nothing says what is stored",
        ),
        None if !record.plan.bus.audit => {
            Unfit::new("no-data", format!("{seen}: the plan has none"), "set `bus.audit = true`")
        }
        None => Unfit::new("no-data", seen, "see the marks for why, and give the drain more time"),
    }
}

/// How far inside the limit an observation lies, as a share of the limit; negative beyond it; `None` where the
/// limit is zero or exact.
fn margin(record: &Record, objective: &Objective, observed: f64) -> Option<f64> {
    let limit = limit_value(record, objective);
    let op = if objective.scope.windows { Op::AtLeast } else { objective.op };
    if limit == 0.0 {
        return None;
    }
    match op {
        Op::Below | Op::AtMost => Some((limit - observed) / limit),
        Op::AtLeast | Op::Above => Some((observed - limit) / limit),
        Op::Equal => None,
    }
}

/// The limit as a plain number in the unit of the figure: for `windows.` the share of windows, for a share of the planned
/// rate the rate that it means.
fn limit_value(record: &Record, objective: &Objective) -> f64 {
    match objective.limit {
        _ if objective.scope.windows => objective.share,
        Value::OfOffered(share) => share * observe::offered(record, objective).unwrap_or(0.0),
        limit => number(limit),
    }
}

/// What a share of the planned rate means: `99.9 % of 10,000/s = 9,990/s`.
fn means(objective: &Objective, offered: f64) -> Option<String> {
    let Value::OfOffered(share) = objective.limit else { return None };
    let percent = Value::Share(share).to_string();
    let percent = percent.trim_end_matches('%');
    Some(format!("{percent} % of {} = {}", show::full_rate(offered), show::full_rate(share * offered)))
}

/// A value as a plain number: nanoseconds, events/s, events, bytes, a share or cores.
#[must_use]
pub fn number(value: Value) -> f64 {
    match value {
        Value::Time(span) => num::f64_of(span.ns),
        Value::Rate(rate) => rate.per_second,
        Value::Count(count) => num::f64_of(count),
        Value::Size(size) => num::f64_of(size.bytes),
        Value::Share(share) | Value::OfOffered(share) => share,
        Value::Cores(cores) => cores,
    }
}

/// Does `observed op limit` hold?
#[must_use]
pub fn compare(observed: f64, op: Op, limit: f64) -> bool {
    match op {
        Op::Below => observed < limit,
        Op::AtMost => observed <= limit,
        Op::Equal => (observed - limit).abs() == 0.0,
        Op::AtLeast => observed >= limit,
        Op::Above => observed > limit,
    }
}

/// The exact counters that a plan's objectives need for a timing, in nanoseconds.
#[must_use]
pub fn limits(plan: &Plan) -> Limits {
    let of = |timing: Timing| {
        let limits =
            plan.objectives.iter().filter_map(|objective| match (objective.metric, objective.limit) {
                (Metric::Time(of, _), Value::Time(span)) if of == timing => Some(span.ns),
                _ => None,
            });
        let mut limits: Vec<u64> = limits.collect();
        limits.sort_unstable();
        limits.dedup();
        limits
    };
    Limits {
        latency: of(Timing::Latency),
        ack: of(Timing::Ack),
        service: of(Timing::Service),
        send_lag: of(Timing::SendLag),
    }
}

#[cfg(test)]
mod tests;
