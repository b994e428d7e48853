//! The right verdict for each objective, derived from the truth about the run.
//!
//! For times that lateness of the harness can only lengthen, two laws hold whatever the rules of `verdict`: after a pass,
//! the measured times meet the objective, and so do the bus's own times without the harness's delays; after a fail, the
//! bus's own times miss it. And a clear case must not be inconclusive: an objective that is met under a load that was
//! offered passes, and one that is missed with a harness that was never late, on an otherwise idle machine, fails.

use super::figures::{Figures, GroupFigures, tightest};
use super::{Findings, outages, quantile};
use crate::num;
use crate::plan::{self, Load, Metric, Objective, Op, Outcome, Plan, Stat, Throughput, Timing, Value};
use crate::record::{Health, ObjectiveResult, Record, Verdict};
use crate::topology;

/// Compares every objective's verdict, and the run's.
pub(super) fn check(found: &mut Findings, record: &Record, figures: &Figures) {
    let mut worst = None;
    for (objective, result) in record.plan.objectives.iter().zip(&record.objectives) {
        one(found, record, figures, objective, result);
        worst = worst.max(Some(result.verdict));
    }
    found.equal("objectives judged", record.plan.objectives.len(), record.objectives.len());
    found.equal("the run's verdict", worst.unwrap_or(Verdict::Inconclusive), record.verdict);
}

/// Compares an objective's verdict.
pub(super) fn one(
    found: &mut Findings,
    record: &Record,
    figures: &Figures,
    objective: &Objective,
    result: &ObjectiveResult,
) {
    let allowed = allowed(record, figures, objective);
    if !allowed.contains(&result.verdict) {
        found.0.push(format!(
            "verdict on {} {}: {allowed:?} is right, {:?} is reported ({})",
            objective.name(),
            objective.requirement(),
            result.verdict,
            result.reason.as_deref().unwrap_or("no reason")
        ));
    }
}

/// Does a bus that carries the whole load of a plan meet this limit on a throughput?
pub(super) fn reachable(plan: &Plan, objective: &Objective, limit: f64) -> bool {
    let planned = mean_rate(&plan.load, 0.0) * part_of_the_mix(plan, objective);
    compare((planned * 1e6).round() / 1e6, objective.op, limit)
}

/// The right verdicts for an objective; usually one.
fn allowed(record: &Record, figures: &Figures, objective: &Objective) -> Vec<Verdict> {
    let groups = groups(&record.plan, figures, objective);
    let upper = matches!(objective.op, Op::Below | Op::AtMost);
    match objective.metric {
        Metric::Time(Timing::Latency | Timing::Ack, _) if upper => {
            seen_late(record, figures, objective, &groups)
        }
        _ => vec![judge(record, figures, objective, &groups)],
    }
}

/// A time that lateness can only lengthen.
fn seen_late(
    record: &Record,
    figures: &Figures,
    objective: &Objective,
    groups: &[&GroupFigures],
) -> Vec<Verdict> {
    let seen = Times::of(figures, objective, groups, false);
    let bus = Times::of(figures, objective, groups, true);
    if seen.due() == 0 {
        return vec![Verdict::Inconclusive];
    }
    let health: &Health = &record.health;
    let limit = bare(objective.limit);
    let doubtful = !health.dead_workers.is_empty() || num::f64_of(health.clock_error_ns) > 0.1 * limit;
    let flattened = figures.offered.iter().any(|&share| share < 0.95);
    if seen.meet(objective) {
        if doubtful || flattened {
            return vec![Verdict::Inconclusive];
        }
        let few = !objective.scope.windows && !seen.sure_to_pass(objective);
        return vec![if few { Verdict::Inconclusive } else { Verdict::Pass }];
    }
    if doubtful || (!objective.scope.windows && !seen.enough_to_fail(objective)) {
        return vec![Verdict::Inconclusive];
    }
    // Who used the machine of two cores, by the record.
    let seconds = || record.timeline.iter().filter_map(|row| row.machine_cpu.zip(row.others_cpu));
    let saturated = seconds().any(|(all, others)| all >= 1.9 && others < 0.2);
    let contended = seconds().any(|(all, others)| all >= 1.9 && others >= 0.2);
    let punctual = record.timeline.iter().all(|row| row.paused_ns.unwrap_or(0) == 0)
        && figures.send_lag.iter().all(|&lag| lag == 0);
    let open = still_open(&record.plan, objective, groups);
    if seen.with(&open).meet(objective) {
        return vec![Verdict::Inconclusive];
    }
    let to_come = bus.with(&open).meet(objective);
    let mut allowed = Vec::new();
    if !to_come || saturated {
        allowed.push(Verdict::Fail);
    }
    if !punctual || contended || to_come {
        allowed.push(Verdict::Inconclusive);
    }
    allowed
}

/// For each group, the events that the broker had for it when a drain ended that was shorter than the limit: they may have
/// kept it.
fn still_open(plan: &Plan, objective: &Objective, groups: &[&GroupFigures]) -> Vec<u64> {
    let judged = matches!(objective.metric, Metric::Time(Timing::Latency, Stat::Quantile(_) | Stat::Max));
    let short = num::f64_of(plan.load.drain.ns) < bare(objective.limit);
    let counts = judged && short && !objective.scope.windows;
    groups.iter().map(|own| if counts { own.pending } else { 0 }).collect()
}

/// The times of the due events: for each group separately, and for each second where the objective asks for
/// that.
struct Times {
    /// For each second (or all in one) and each group: the times, and the number of due events.
    parts: Vec<Vec<(Vec<i64>, u64)>>,
}

impl Times {
    fn of(figures: &Figures, objective: &Objective, groups: &[&GroupFigures], bus: bool) -> Self {
        if matches!(objective.metric, Metric::Time(Timing::Ack, _)) {
            let all = if bus { &figures.ack_of_the_bus } else { &figures.ack };
            return Self { parts: vec![vec![(all.clone(), figures.measured_intended)]] };
        }
        if objective.scope.windows {
            let of = |own: &&GroupFigures, second: usize| {
                let all = if bus { &own.of_the_bus_by_second } else { &own.by_second };
                (all[second].clone(), own.due_by_second[second])
            };
            let seconds = 0..figures.whole_seconds;
            return Self { parts: seconds.map(|s| groups.iter().map(|own| of(own, s)).collect()).collect() };
        }
        let of = |own: &&GroupFigures| {
            let all = if bus { &own.latency_of_the_bus } else { &own.latency };
            (all.clone(), own.measured_intended)
        };
        Self { parts: vec![groups.iter().map(of).collect()] }
    }

    /// The same, had so many events of each group come at once.
    fn with(&self, open: &[u64]) -> Self {
        let of = |(group, (times, due)): (usize, &(Vec<i64>, u64))| {
            let missing = num::index(*due) - times.len();
            // A group that received nothing has missed it.
            let missing = if times.is_empty() { 0 } else { missing };
            let come = missing.min(open.get(group).map_or(0, |open| num::index(*open)));
            (times.iter().copied().chain(std::iter::repeat_n(0, come)).collect(), *due)
        };
        Self { parts: self.parts.iter().map(|groups| groups.iter().enumerate().map(of).collect()).collect() }
    }

    fn due(&self) -> u64 {
        self.parts.iter().flatten().map(|(_, due)| due).sum()
    }

    /// Do they meet the objective, with missing events beyond any limit?
    fn meet(&self, objective: &Objective) -> bool {
        let due = self.parts.iter().filter(|groups| groups.iter().any(|(_, due)| *due > 0));
        let (mut met, mut total) = (0, 0);
        for groups in due {
            total += 1;
            met += u64::from(met_by(groups, objective));
        }
        let share = if objective.scope.windows { objective.share } else { 1.0 };
        total > 0 && num::share(met, total) >= share
    }

    /// The number of events that break the limit, and of all that were due.
    fn broken(&self, objective: &Objective) -> (u64, u64) {
        let limit = bare(objective.limit);
        let of = |(times, due): &(Vec<i64>, u64)| {
            let within =
                times.iter().filter(|&&ns| compare(num::f64_of_signed(ns.max(0)), objective.op, limit));
            due - num::count(within.count())
        };
        (self.parts.iter().flatten().map(of).sum(), self.due())
    }

    /// Would a bus with a share of 1 − q beyond the limit rarely look as good?
    fn sure_to_pass(&self, objective: &Objective) -> bool {
        let Metric::Time(_, Stat::Quantile(q)) = objective.metric else { return true };
        let (broken, due) = self.broken(objective);
        up_to(broken, due, 1.0 - q) <= 0.05
    }

    /// Was a pass possible at all, or is chance ruled out?
    fn enough_to_fail(&self, objective: &Objective) -> bool {
        let Metric::Time(_, Stat::Quantile(q)) = objective.metric else { return true };
        let (broken, due) = self.broken(objective);
        up_to(0, due, 1.0 - q) <= 0.05 || broken == 0 || 1.0 - up_to(broken - 1, due, 1.0 - q) <= 0.05
    }
}

fn met_by(groups: &[(Vec<i64>, u64)], objective: &Objective) -> bool {
    let Metric::Time(_, stat) = objective.metric else { return false };
    if groups.iter().any(|(times, due)| *due > 0 && times.is_empty()) {
        return false;
    }
    let mut all: Vec<i64> = groups.iter().flat_map(|(times, _)| times.iter().copied()).collect();
    let due: u64 = groups.iter().map(|(_, due)| due).sum();
    let missing = num::index(due) - all.len();
    if missing > 0 && stat == Stat::Mean {
        return false;
    }
    // Missing events are later than all others.
    all.extend(std::iter::repeat_n(i64::MAX, missing));
    compare(statistic(all, stat), objective.op, bare(objective.limit))
}

/// The probability of at most `k` of `n`, summed naively in logarithms.
fn up_to(k: u64, n: u64, p: f64) -> f64 {
    let (mut ln_choose, mut sum) = (0.0, 0.0);
    for j in 0..=k.min(n) {
        if j > 0 {
            ln_choose += (num::f64_of(n - j + 1) / num::f64_of(j)).ln();
        }
        sum += (ln_choose + num::f64_of(j) * p.ln() + num::f64_of(n - j) * (-p).ln_1p()).exp();
    }
    sum
}

/// A time without service, or to a recovery, which lateness can only lengthen.
fn around_faults(record: &Record, figures: &Figures, objective: &Objective) -> Verdict {
    let Some(ns) = outages::figure(record, figures, objective) else { return Verdict::Inconclusive };
    let flattened = figures.offered.iter().any(|&share| share < 0.95);
    if compare(ns, objective.op, bare(objective.limit)) {
        let doubtful = !record.health.dead_workers.is_empty() || flattened;
        if doubtful { Verdict::Inconclusive } else { Verdict::Pass }
    } else if unfit(record, figures, objective) {
        Verdict::Inconclusive
    } else {
        Verdict::Fail
    }
}

fn judge(record: &Record, figures: &Figures, objective: &Objective, groups: &[&GroupFigures]) -> Verdict {
    if let Metric::Unavailable(_) | Metric::Recovery(_) = objective.metric {
        return around_faults(record, figures, objective);
    }
    if let Metric::Replay(figure) = objective.metric {
        return super::replays::verdict(record, objective, figure);
    }
    let Some((holds, enough)) = observed(record, figures, objective, groups) else {
        return Verdict::Inconclusive;
    };
    let dead = !record.health.dead_workers.is_empty();
    match objective.metric {
        Metric::Throughput(Throughput::Offered) => match (holds, dead) {
            (_, true) => Verdict::Inconclusive,
            (true, false) => Verdict::Pass,
            (false, false) => Verdict::Fail,
        },
        Metric::Throughput(_) | Metric::Count(Outcome::Backlog) => {
            if if holds { dead } else { unfit(record, figures, objective) } {
                Verdict::Inconclusive
            } else if holds {
                Verdict::Pass
            } else {
                Verdict::Fail
            }
        }
        Metric::Time(..) if unfit(record, figures, objective) || !enough => Verdict::Inconclusive,
        Metric::Count(outcome) => of_count(objective, outcome, groups, holds, dead),
        _ if holds => Verdict::Pass,
        _ => Verdict::Fail,
    }
}

fn of_count(
    objective: &Objective,
    outcome: Outcome,
    groups: &[&GroupFigures],
    holds: bool,
    dead: bool,
) -> Verdict {
    let hidden = matches!(
        outcome,
        Outcome::Lost | Outcome::NotDelivered | Outcome::NotStored | Outcome::Unconfirmed | Outcome::Replayed
    );
    if dead && (holds || hidden) {
        return Verdict::Inconclusive;
    }
    let lost = match outcome {
        Outcome::Lost => groups.iter().map(|own| own.lost()).sum(),
        Outcome::NotDelivered => groups.iter().map(|own| own.lost_not_delivered).sum(),
        _ => 0,
    };
    let pending: u64 = groups.iter().map(|own| own.pending).sum();
    let open = matches!(outcome, Outcome::Lost | Outcome::NotDelivered)
        && pending > 0
        && !compare(num::f64_of(lost + pending), objective.op, bare(objective.limit));
    match (holds, open) {
        (true, true) => Verdict::Inconclusive,
        (true, false) => Verdict::Pass,
        (false, _) => Verdict::Fail,
    }
}

fn groups<'a>(plan: &Plan, figures: &'a Figures, objective: &Objective) -> Vec<&'a GroupFigures> {
    let named = plan.groups.iter().zip(&figures.groups);
    let wanted = |name: &str| objective.scope.group.as_ref().is_none_or(|group| group == name);
    named.filter(|(group, _)| wanted(&group.name)).map(|(_, own)| own).collect()
}

/// Was the harness itself unfit to judge this? Its figures about its own machine are taken as true.
fn unfit(record: &Record, figures: &Figures, objective: &Objective) -> bool {
    let health: &Health = &record.health;
    let late = num::f64_of(figures.finished_late_ns);
    let flattened = figures.offered.iter().any(|&share| share < 0.95);
    if !health.dead_workers.is_empty()
        || flattened
        || late > (figures.seconds * 1e7).clamp(1e7, 1e9)
        || health.hiccups.count == 0
    {
        return true;
    }
    let (limit, stat) = match (objective.metric, objective.limit) {
        (Metric::Time(Timing::SendLag, _), _) => return false,
        (Metric::Time(..), Value::Time(limit)) if objective.scope.windows => (limit.ns, Stat::Max),
        (Metric::Time(_, stat), Value::Time(limit)) => (limit.ns, stat),
        _ => (tightest(&record.plan), Stat::Quantile(0.99)),
    };
    let mut lag = figures.send_lag.clone();
    lag.sort_unstable();
    let (lag, hiccup) = match stat {
        Stat::Min => (quantile(&lag, 5000), health.hiccups.p50_ns),
        Stat::Max => (lag.last().copied().unwrap_or(0), health.hiccups.max_ns),
        Stat::Mean => (quantile(&lag, 9900), health.hiccups.p99_9_ns),
        Stat::Quantile(q) => {
            let hiccup = match q {
                q if q <= 0.5 => health.hiccups.p50_ns,
                q if q <= 0.9 => health.hiccups.p99_ns,
                q if q <= 0.999 => health.hiccups.p99_9_ns,
                _ => health.hiccups.max_ns,
            };
            (quantile(&lag, num::u64_of(q * 10_000.0)), hiccup)
        }
    };
    // The histogram reports a lag up to 0.1 % too high; no drawn lag is that close to its bound.
    num::f64_of_signed(lag) > 0.1 * num::f64_of(limit)
        || num::f64_of(hiccup) > 0.2 * num::f64_of(limit)
        || num::f64_of(health.clock_error_ns) > 0.1 * num::f64_of(limit)
}

/// Whether the requirement holds, and whether there are enough events to decide; `None` without data.
fn observed(
    record: &Record,
    figures: &Figures,
    objective: &Objective,
    groups: &[&GroupFigures],
) -> Option<(bool, bool)> {
    let compared = |value: f64| (compare(value, objective.op, bare(objective.limit)), true);
    match objective.metric {
        Metric::Time(timing, _) => {
            let times = match timing {
                Timing::Service => {
                    Times { parts: vec![vec![(figures.service.clone(), figures.measured_intended)]] }
                }
                Timing::SendLag => {
                    Times { parts: vec![vec![(figures.send_lag.clone(), figures.measured_intended)]] }
                }
                Timing::Latency | Timing::Ack => Times::of(figures, objective, groups, false),
            };
            (times.due() > 0).then(|| two_sided(&times, objective))
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
            if let Value::OfOffered(_) = objective.limit {
                return Some(compared(share));
            }
            let planned = mean_rate(&record.plan.load, figures.seconds) * part;
            Some(compared(share * (planned * 1e6).round() / 1e6))
        }
        Metric::Count(outcome) => counted(record, figures, outcome, groups).map(compared),
        Metric::Resource(_) | Metric::Unavailable(_) | Metric::Recovery(_) | Metric::Replay(_) => None,
    }
}

/// A time that the harness can falsify either way; missing events break a limit of either direction.
fn two_sided(times: &Times, objective: &Objective) -> (bool, bool) {
    let Metric::Time(_, stat) = objective.metric else { return (false, true) };
    let lower = !matches!(objective.op, Op::Below | Op::AtMost);
    if !lower {
        let holds = times.meet(objective);
        let enough = if holds { times.sure_to_pass(objective) } else { times.enough_to_fail(objective) };
        return (holds, enough || objective.scope.windows);
    }
    let limit = bare(objective.limit);
    let met = |groups: &Vec<(Vec<i64>, u64)>| {
        if groups.iter().any(|(times, due)| *due > 0 && times.is_empty()) {
            return false;
        }
        let mut all: Vec<i64> = groups.iter().flat_map(|(times, _)| times.iter().copied()).collect();
        let due: u64 = groups.iter().map(|(_, due)| due).sum();
        let missing = num::index(due) - all.len();
        if missing > 0 && stat == Stat::Mean {
            return false;
        }
        // For a lower limit, missing events come before all others.
        all.extend(std::iter::repeat_n(i64::MIN, missing));
        compare(statistic(all, stat), objective.op, limit)
    };
    let due: Vec<_> = times.parts.iter().filter(|groups| groups.iter().any(|(_, due)| *due > 0)).collect();
    let share = if objective.scope.windows { objective.share } else { 1.0 };
    let holds =
        num::share(num::count(due.iter().filter(|groups| met(groups)).count()), num::count(due.len()))
            >= share;
    let (Stat::Quantile(q), false) = (stat, objective.scope.windows) else { return (holds, true) };
    let (broken, all) = times.broken(objective);
    let enough = if holds {
        up_to(broken, all, q) <= 0.05
    } else {
        up_to(0, all, q) <= 0.05 || broken == 0 || 1.0 - up_to(broken - 1, all, q) <= 0.05
    };
    (holds, enough)
}

/// A plan's average rate over the first seconds of its measure phase, which a load that was ended early has: areas of rectangles
/// and of a trapezium.
fn mean_rate(load: &Load, seconds: f64) -> f64 {
    let whole = load.duration.as_seconds();
    let seconds = if seconds > 0.0 { seconds.min(whole) } else { whole };
    if let Some(ramp) = load.ramp {
        let last = ramp.from.per_second + (ramp.to.per_second - ramp.from.per_second) * seconds / whole;
        return f64::midpoint(ramp.from.per_second, last);
    }
    if let Some(burst) = load.burst {
        let (every, length) = (burst.every.as_seconds(), burst.length.as_seconds());
        let periods = (seconds / every).floor();
        let in_bursts = periods * length + length.min(seconds - periods * every);
        let events = burst.rate.per_second * in_bursts + load.rate.per_second * (seconds - in_bursts);
        return events / seconds;
    }
    let Some(steps) = &load.steps else { return load.rate.per_second };
    let each = whole / num::f64_of(num::count(steps.rates.len()));
    let events = (0_u64..)
        .zip(&steps.rates)
        .map(|(n, rate)| rate.per_second * (seconds - num::f64_of(n) * each).clamp(0.0, each));
    events.sum::<f64>() / seconds
}

/// The part of a plan's events on the topics of an objective's group.
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
        // Against a limit, a negative time counts as 0.
        Stat::Quantile(q) => num::f64_of_signed(quantile(&all, num::u64_of(q * 10_000.0)).max(0)),
    }
}

fn counted(record: &Record, figures: &Figures, outcome: Outcome, groups: &[&GroupFigures]) -> Option<f64> {
    let sum = |of: fn(&GroupFigures) -> u64, samples: fn(&GroupFigures) -> u64| {
        let samples: u64 = groups.iter().map(|own| samples(own)).sum();
        (samples > 0).then(|| num::f64_of(groups.iter().map(|own| of(own)).sum()))
    };
    let published = |count: u64| (figures.intended > 0).then_some(num::f64_of(count));
    let settled = figures.audit.settled;
    let audited = settled && figures.acked > 0;
    match outcome {
        Outcome::Lost => sum(GroupFigures::lost, |own| own.expected),
        Outcome::NotStored => audited.then_some(num::f64_of(figures.audit.missing)),
        Outcome::NotDelivered => {
            settled.then(|| sum(|own| own.lost_not_delivered, |own| own.expected)).flatten()
        }
        Outcome::Replayed => audited.then(|| num::share(figures.audit.perfect, figures.acked)),
        Outcome::StoredLate => {
            let read = record.audit.is_some() && figures.audit.read > 0;
            (read && (settled || figures.audit.out_of_order > 0))
                .then(|| num::f64_of(figures.audit.out_of_order))
        }
        Outcome::Diverged => {
            let all_read = figures.audit.replicas.iter().all(Option::is_some);
            let diverged = figures.audit.diverged.filter(|&seen| seen > 0 || all_read);
            record.audit.as_ref().and(diverged).map(num::f64_of)
        }
        Outcome::DeadLetterMissing
        | Outcome::DeadLetterDuplicate
        | Outcome::DeadLetterUnexpected
        | Outcome::RedeliveredMissing
        | Outcome::RedeliveredUnexpected => None,
        Outcome::Recovered => sum(|own| own.recovered, |own| own.delivered),
        Outcome::Redelivered => sum(|own| own.redelivered, |own| own.delivered),
        Outcome::Duplicate => sum(|own| own.duplicate, |own| own.delivered),
        Outcome::Reordered => sum(|own| num::count(own.extents.len()), |own| own.delivered),
        Outcome::Corrupt => sum(|own| own.corrupt, |own| own.delivered + own.corrupt),
        Outcome::Foreign => sum(|own| own.foreign, |own| own.delivered + own.foreign),
        Outcome::Refused => published(figures.refused),
        Outcome::Unsent => published(figures.unsent),
        Outcome::Unconfirmed => published(figures.unconfirmed),
        Outcome::GaveUp => record.plan.bus.retries().then(|| published(figures.gave_up)).flatten(),
        Outcome::Resent => record.plan.bus.retries().then(|| published(figures.resent)).flatten(),
        Outcome::Extent => {
            let delivered: u64 = groups.iter().map(|own| own.delivered).sum();
            let extents = groups.iter().flat_map(|own| own.extents.iter().copied());
            (delivered > 0).then(|| num::f64_of(extents.max().unwrap_or(0)))
        }
        Outcome::Backlog => {
            let most = groups.iter().map(|own| own.backlog_max).max();
            groups.iter().any(|own| own.delivered > 0).then(|| num::f64_of(most.unwrap_or(0)))
        }
    }
}

fn bare(value: Value) -> f64 {
    match value {
        Value::Time(span) => num::f64_of(span.ns),
        Value::Rate(rate) => rate.per_second,
        Value::Count(count) => num::f64_of(count),
        Value::Size(size) => num::f64_of(size.bytes),
        Value::Share(share) | Value::OfOffered(share) => share,
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
