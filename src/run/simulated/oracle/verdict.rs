//! The verdict that must follow from what happened, objective by objective.

use super::figures::{Figures, GroupFigures, is_tail, tightest};
use super::{Findings, quantile};
use crate::num;
use crate::plan::{self, Load, Metric, Objective, Op, Outcome, Plan, Stat, Throughput, Timing, Value};
use crate::record::{Health, Record, Verdict};
use crate::topology;

/// Compares every objective's verdict, and the run's.
pub(super) fn check(found: &mut Findings, record: &Record, figures: &Figures) {
    let mut worst = None;
    for (objective, result) in record.plan.objectives.iter().zip(&record.objectives) {
        let expected = judge(record, figures, objective);
        found.equal(
            &format!("verdict on {} {}", objective.name(), objective.requirement()),
            expected,
            result.verdict,
        );
        worst = worst.max(Some(expected));
    }
    found.equal("objectives judged", record.plan.objectives.len(), record.objectives.len());
    found.equal("the run's verdict", worst.unwrap_or(Verdict::Inconclusive), record.verdict);
}

fn judge(record: &Record, figures: &Figures, objective: &Objective) -> Verdict {
    let groups = groups(&record.plan, figures, objective);
    let Some((holds, samples)) = observed(record, figures, objective, &groups) else {
        return Verdict::Inconclusive;
    };
    let timed = matches!(
        objective.metric,
        Metric::Time(..) | Metric::Throughput(_) | Metric::Count(Outcome::Backlog)
    );
    if timed && unfit(record, figures, objective) {
        return Verdict::Inconclusive;
    }
    if let (Metric::Time(_, Stat::Quantile(q)), false) = (objective.metric, objective.scope.windows)
        && q.powi(i32::try_from(samples.min(100_000)).unwrap_or(0)) > 0.05
    {
        return Verdict::Inconclusive;
    }
    if holds { Verdict::Pass } else { Verdict::Fail }
}

fn groups<'a>(plan: &Plan, figures: &'a Figures, objective: &Objective) -> Vec<&'a GroupFigures> {
    let named = plan.groups.iter().zip(&figures.groups);
    let wanted = |name: &str| objective.scope.group.as_ref().is_none_or(|group| group == name);
    named.filter(|(group, _)| wanted(&group.name)).map(|(_, own)| own).collect()
}

/// Was the harness itself unfit to judge this? What it says of its own machine is taken as it says it.
fn unfit(record: &Record, figures: &Figures, objective: &Objective) -> bool {
    let health: &Health = &record.health;
    let late = num::f64_of(figures.finished_late_ns);
    if !health.dead_workers.is_empty() || late > (figures.seconds * 1e7).max(1e7) {
        return true;
    }
    let (limit, median) = match (objective.metric, objective.limit) {
        (Metric::Time(Timing::SendLag, _), _) => return false,
        (Metric::Time(_, stat), Value::Time(limit)) => (limit.ns, !is_tail(stat) && !objective.scope.windows),
        _ => (tightest(&record.plan), false),
    };
    let mut lag = figures.send_lag.clone();
    lag.sort_unstable();
    let (lag, hiccup) = if median {
        (quantile(&lag, 5000), health.hiccups.p50_ns)
    } else {
        (quantile(&lag, 9900), health.hiccups.p99_9_ns)
    };
    // The histogram tells a lag up to 0.1 % too high; no drawn lag lies so near to its bound.
    num::f64_of_signed(lag) > 0.1 * num::f64_of(limit)
        || num::f64_of(hiccup) > 0.2 * num::f64_of(limit)
        || num::f64_of(health.clock_error_ns) > 0.1 * num::f64_of(limit)
}

/// Whether the requirement holds, and the number of samples; `None` without data.
fn observed(
    record: &Record,
    figures: &Figures,
    objective: &Objective,
    groups: &[&GroupFigures],
) -> Option<(bool, u64)> {
    let compared = |value: f64, samples: u64| (compare(value, objective.op, bare(objective.limit)), samples);
    if objective.scope.windows {
        return windows(figures, objective, groups);
    }
    match objective.metric {
        Metric::Time(timing, stat) => {
            let all: Vec<i64> = match timing {
                Timing::Ack => figures.ack.clone(),
                Timing::Service => figures.service.clone(),
                Timing::SendLag => figures.send_lag.clone(),
                Timing::Latency => groups.iter().flat_map(|own| own.latency.iter().copied()).collect(),
            };
            let samples = num::count(all.len());
            (samples > 0).then(|| compared(statistic(all, stat), samples))
        }
        Metric::Throughput(throughput) => {
            if figures.measured_intended == 0 {
                return None;
            }
            let share = |own: &&GroupFigures| num::share(own.measured_in_time, own.measured_intended);
            let of_due = |events: u64| num::share(events, figures.measured_intended);
            let (share, part) = match throughput {
                Throughput::Offered => (1.0, 1.0),
                Throughput::Sent => (of_due(figures.measured_sent), 1.0),
                Throughput::Acked => (of_due(figures.measured_acked), 1.0),
                Throughput::Delivered if objective.scope.group.is_some() => {
                    let own = groups.first().filter(|own| own.measured_intended > 0)?;
                    (share(own), part_of_the_mix(&record.plan, objective))
                }
                Throughput::Delivered => {
                    let owed = groups.iter().filter(|own| own.measured_intended > 0);
                    (owed.map(share).min_by(f64::total_cmp)?, 1.0)
                }
            };
            let planned = mean_rate(&record.plan.load) * part;
            Some(compared(share * (planned * 1e6).round() / 1e6, 0))
        }
        Metric::Count(outcome) => {
            let value = counted(record, figures, outcome, groups)?;
            Some(compared(value, 0))
        }
        Metric::Resource(_) => None,
    }
}

/// The rate that a plan has on average over its measure phase: areas of rectangles and of a trapezium.
fn mean_rate(load: &Load) -> f64 {
    let seconds = load.duration.as_seconds();
    if let Some(ramp) = load.ramp {
        return f64::midpoint(ramp.from.per_second, ramp.to.per_second);
    }
    if let Some(burst) = load.burst {
        let (every, length) = (burst.every.as_seconds(), burst.length.as_seconds());
        let whole = (seconds / every).floor();
        let in_bursts = whole * length + length.min(seconds - whole * every);
        let events = burst.rate.per_second * in_bursts + load.rate.per_second * (seconds - in_bursts);
        return events / seconds;
    }
    let Some(steps) = &load.steps else { return load.rate.per_second };
    let sum: f64 = steps.rates.iter().map(|rate| rate.per_second).sum();
    sum / num::f64_of(num::count(steps.rates.len()))
}

/// The part of a plan's events that are on the topics of an objective's group.
fn part_of_the_mix(plan: &Plan, objective: &Objective) -> f64 {
    let named = |group: &&plan::Group| objective.scope.group.as_ref() == Some(&group.name);
    let Some(group) = plan.groups.iter().find(named) else { return 1.0 };
    let topics = topology::receives(group, &plan.topology.topics).unwrap_or_default();
    let own = |topic: &String| topics.iter().any(|at| plan.topology.topics[*at] == *topic);
    let weight = |(_, weight): &(String, f64)| *weight;
    let all: f64 = plan.mix.iter().map(weight).sum();
    plan.mix.iter().filter(|(topic, _)| own(topic)).map(weight).sum::<f64>() / all
}

fn statistic(mut all: Vec<i64>, stat: Stat) -> f64 {
    all.sort_unstable();
    match stat {
        Stat::Min => num::f64_of_signed(all[0]),
        Stat::Max => num::f64_of_signed(all[all.len() - 1]),
        Stat::Mean => {
            let sum: i128 = all.iter().map(|&ns| i128::from(ns)).sum();
            num::f64_of_signed(i64::try_from(sum).unwrap_or(i64::MAX)) / num::f64_of(num::count(all.len()))
        }
        // A negative time counts as none against a limit.
        Stat::Quantile(q) => num::f64_of_signed(quantile(&all, num::u64_of(q * 10_000.0)).max(0)),
    }
}

/// Seconds of the measure phase that meet the limit, of those in which events were due; one without a sample does
/// not.
fn windows(figures: &Figures, objective: &Objective, groups: &[&GroupFigures]) -> Option<(bool, u64)> {
    let Metric::Time(_, stat) = objective.metric else { return None };
    let due = |second: usize| groups.iter().any(|own| own.due_by_second[second] > 0);
    let seconds: Vec<usize> = (0..figures.whole_seconds).filter(|&second| due(second)).collect();
    let of = |second: usize| -> Vec<i64> {
        groups.iter().flat_map(|own| own.by_second[second].iter().copied()).collect()
    };
    let met = seconds.iter().map(|&second| of(second)).filter(|all| {
        !all.is_empty() && compare(statistic(all.clone(), stat), objective.op, bare(objective.limit))
    });
    let share = num::share(num::count(met.count()), num::count(seconds.len()));
    seconds.iter().any(|&second| !of(second).is_empty()).then_some((share >= objective.share, 0))
}

fn counted(record: &Record, figures: &Figures, outcome: Outcome, groups: &[&GroupFigures]) -> Option<f64> {
    let sum = |of: fn(&GroupFigures) -> u64, samples: fn(&GroupFigures) -> u64| {
        let samples: u64 = groups.iter().map(|own| samples(own)).sum();
        (samples > 0).then(|| num::f64_of(groups.iter().map(|own| of(own)).sum()))
    };
    let published = |count: u64| (figures.intended > 0).then_some(num::f64_of(count));
    let audited = record.audit.is_some() && figures.acked > 0;
    match outcome {
        Outcome::Lost => sum(GroupFigures::lost, |own| own.expected),
        Outcome::NotStored => audited.then_some(num::f64_of(figures.audit.missing)),
        Outcome::NotDelivered => {
            record.audit.as_ref().and_then(|_| sum(|own| own.lost_not_delivered, |own| own.expected))
        }
        Outcome::Replayed => audited.then(|| num::share(figures.audit.perfect, figures.acked)),
        Outcome::Recovered => sum(|own| own.recovered, |own| own.delivered),
        Outcome::Redelivered => sum(|own| own.redelivered, |own| own.delivered),
        Outcome::Duplicate => sum(|own| own.duplicate, |own| own.delivered),
        Outcome::Reordered => sum(|own| num::count(own.extents.len()), |own| own.delivered),
        Outcome::Corrupt => sum(|own| own.corrupt, |own| own.delivered + own.corrupt),
        Outcome::Foreign => sum(|own| own.foreign, |own| own.delivered + own.foreign),
        Outcome::Refused => published(figures.refused),
        Outcome::Unsent => published(figures.unsent),
        Outcome::Unconfirmed => published(figures.unconfirmed),
        Outcome::Extent => {
            let delivered: u64 = groups.iter().map(|own| own.delivered).sum();
            let extents = groups.iter().flat_map(|own| own.extents.iter().copied());
            (delivered > 0).then(|| num::f64_of(extents.max().unwrap_or(0)))
        }
        // Sampled once a second: what the samples saw is the record's own.
        Outcome::Backlog => {
            let seen = groups.iter().map(|own| own.backlog_max).max();
            groups.iter().any(|own| own.delivered > 0).then(|| num::f64_of(seen.unwrap_or(0)))
        }
    }
}

fn bare(value: Value) -> f64 {
    match value {
        Value::Time(span) => num::f64_of(span.ns),
        Value::Rate(rate) => rate.per_second,
        Value::Count(count) => num::f64_of(count),
        Value::Size(size) => num::f64_of(size.bytes),
        Value::Share(share) => share,
        Value::Cores(cores) => cores,
    }
}

fn compare(value: f64, op: Op, limit: f64) -> bool {
    match op {
        Op::Below => value < limit,
        Op::AtMost => value <= limit,
        Op::Equal => value.total_cmp(&limit).is_eq(),
        Op::AtLeast => value >= limit,
        Op::Above => value > limit,
    }
}
