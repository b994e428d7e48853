//! Reads the figure of an objective from a record.

use crate::load::{planned_rate, totals};
use crate::measure::{Tally, decode, rank};
use crate::num::{self, show};
use crate::plan::{
    Metric, Objective, Op, Outcome, Rate, Resource, Size, Span, Stat, Throughput, Timing, Value,
};
use crate::record::{Audit, DeadLetters, Group, Latency, PhaseName, Record, Window};

use super::{compare, drift, number, replays, scopes, takeovers};

/// The observation for an objective.
pub(super) struct Observed {
    /// With its unit, for display.
    pub(super) text: String,
    /// As a plain number; infinite if the value at the quantile is an event that never arrived.
    pub(super) value: f64,
    /// The number of samples.
    pub(super) samples: u64,
    /// Is the limit met? Decided by exact counters where available.
    pub(super) holds: bool,
    /// The counts behind an objective on time.
    pub(super) counts: Option<Counts>,
}

/// The exact counts behind an objective on time, over the events due in its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// Events that were due.
    pub(super) due: u64,
    /// Of these, without a time: unsent, refused, unconfirmed or not delivered.
    pub(super) missing: u64,
    /// Of the missing ones, those for reasons other than the bus.
    pub(super) missing_own: u64,
    /// Events that break the limit, the missing ones included.
    pub(super) broken: u64,
    /// Of those with a time that break the limit: explained by lateness and pauses of the harness.
    pub(super) explained: u64,
    /// Of the explained ones: in seconds in which others used a material part of the machine.
    pub(super) disturbed: u64,
    /// Of the explained ones: in seconds in which tickgate and the broker used the whole machine.
    pub(super) saturated: u64,
    /// Of those with a time that break the limit without being explained by lateness: in seconds in which
    /// others left nothing of the machine.
    pub(super) contended: u64,
    /// A group to which events were due received none.
    pub(super) silent: bool,
}

/// The figure, or `None` where there is no data.
pub(super) fn observe(record: &Record, objective: &Objective) -> Option<Observed> {
    if objective.scope.windows {
        return windows(record, objective);
    }
    let limit = number(objective.limit);
    let plain = |value: Value, samples: u64| Observed {
        text: text(value),
        value: number(value),
        samples,
        holds: compare(number(value), objective.op, limit),
        counts: None,
    };
    match objective.metric {
        Metric::Time(timing, stat) => time(record, objective, timing, stat),
        Metric::Throughput(throughput) => {
            let carried = carried(record, objective, throughput)?;
            let seen = plain(Value::Rate(Rate::per_second(carried.rate)), carried.samples);
            match objective.limit {
                // By the counts: the rate of either side may be rounded.
                Value::OfOffered(share) => {
                    Some(Observed { holds: carried.holds(objective.op, share), ..seen })
                }
                _ => Some(seen),
            }
        }
        Metric::Count(Outcome::Replayed) => {
            let audit = record.audit.as_ref().filter(|audit| audit.settles_loss() && audit.acked > 0)?;
            Some(plain(Value::Share(num::share(audit.replayed, audit.acked)), audit.acked))
        }
        Metric::Count(outcome) => {
            let (count, samples) = counted(record, objective, outcome)?;
            Some(plain(Value::Count(count), samples))
        }
        Metric::Resource(resource) => Some(plain(used(record, resource)?, 1)),
        Metric::Unavailable(unavailable) => scopes::unavailable(record, objective, unavailable),
        Metric::Recovery(recovery) => scopes::recovery(record, objective, recovery),
        Metric::Replay(figure) => replays::observe(record, objective, figure),
    }
}

/// A figure with its unit, in short form.
pub(super) fn text(value: Value) -> String {
    match value {
        Value::Time(span) => show::time(span.ns),
        Value::Rate(Rate { per_second }) => show::fine_rate(per_second),
        Value::Size(Size { bytes }) => show::size(bytes),
        Value::Cores(cores) => format!("{cores:.2}"),
        // Rounded down, so that 99.9999 % is not shown as 100 %.
        Value::Share(share) => {
            format!("{}%", Value::Share((share * 1e6).floor() / 1e6).to_string().trim_end_matches('%'))
        }
        Value::Count(count) => count.to_string(),
        Value::OfOffered(_) => value.to_string(),
    }
}

/// The result of a `windows.` objective.
pub(super) fn window<'a>(record: &'a Record, objective: &Objective) -> Option<&'a Window> {
    let name = objective.name();
    record.windows.iter().find(|w| w.name == name && w.total > 0)
}

fn windows(record: &Record, objective: &Objective) -> Option<Observed> {
    let window = window(record, objective)?;
    let value = num::share(window.met, window.total);
    let (due, missing, missing_own, silent) = due(record, objective, Timing::Latency);
    Some(Observed {
        text: format!("{} of {} windows", window.met, window.total),
        value,
        samples: window.samples,
        holds: value >= objective.share,
        counts: Some(Counts { due, missing, missing_own, silent, ..Counts::default() }),
    })
}

/// The distributions that an objective on time covers: one, or those of all groups.
fn distributions<'a>(record: &'a Record, objective: &Objective, timing: Timing) -> Vec<&'a Latency> {
    match timing {
        Timing::Ack => vec![&record.load.ack],
        Timing::Service => vec![&record.load.service],
        Timing::SendLag => vec![&record.load.send_lag],
        Timing::Latency => groups(record, objective).map(|group| &group.latency).collect(),
    }
}

/// The groups that an objective covers.
pub(super) fn groups<'a>(record: &'a Record, objective: &Objective) -> impl Iterator<Item = &'a Group> {
    let wanted = objective.scope.group.clone();
    record.groups.iter().filter(move |group| wanted.as_ref().is_none_or(|name| *name == group.name))
}

fn time(record: &Record, objective: &Objective, timing: Timing, stat: Stat) -> Option<Observed> {
    let parts = distributions(record, objective, timing);
    let count = num::sum(parts.iter().map(|part| part.count));
    let (due, missing, missing_own, silent) = due(record, objective, timing);
    if due.max(count) == 0 {
        return None;
    }
    let heard: Vec<&Latency> = parts.into_iter().filter(|part| part.count > 0).collect();
    let never = f64::INFINITY;
    // An event without a time never arrived, and so lies beyond any limit.
    let ns = match stat {
        Stat::Min => heard.iter().map(|p| p.min_ns).min().map_or(never, num::f64_of_signed),
        Stat::Max | Stat::Mean if missing > 0 || count == 0 => never,
        Stat::Max => num::f64_of_signed(heard.iter().map(|p| p.max_ns).max()?),
        Stat::Mean => {
            heard.iter().map(|p| p.mean_ns * num::f64_of(p.count)).sum::<f64>() / num::f64_of(count)
        }
        Stat::Quantile(q) => {
            let rank = rank(q, count.saturating_add(missing));
            if rank > count { never } else { num::f64_of(quantile(&heard, num::share(rank, count))?) }
        }
    };
    let tally = if count == 0 { Some(Tally::default()) } else { tally(&heard, objective.limit) };
    let limit = number(objective.limit);
    let holds = !silent
        && match stat {
            Stat::Quantile(q) => tally?.holds(q, objective.op, count, missing),
            // The smallest, largest and mean are exact. An event that never arrived is below any lower limit
            // and above any upper one.
            Stat::Min if upper(objective.op) => compare(ns, objective.op, limit),
            Stat::Max if matches!(objective.op, Op::AtLeast | Op::Above) => {
                heard.iter().any(|part| compare(num::f64_of_signed(part.max_ns), objective.op, limit))
            }
            Stat::Min | Stat::Max | Stat::Mean => missing == 0 && compare(ns, objective.op, limit),
        };
    let broken = tally.unwrap_or_default().exceedances(objective.op, count).saturating_add(missing);
    let sum = |of: fn(&crate::record::Limit) -> u64| {
        let limits = heard.iter().flat_map(|part| &part.over_limit);
        num::sum(limits.filter(|l| Value::Time(Span { ns: l.limit_ns }) == objective.limit).map(of))
    };
    let counts = Counts {
        due: count.saturating_add(missing),
        missing,
        missing_own,
        broken,
        explained: sum(|limit| limit.explained),
        disturbed: sum(|limit| limit.disturbed),
        saturated: sum(|limit| limit.saturated),
        contended: sum(|limit| limit.contended),
        silent,
    };
    let text = if ns.is_infinite() { "never".to_owned() } else { show::time(num::u64_of(ns)) };
    Some(Observed { text, value: ns, samples: count, holds, counts: Some(counts) })
}

/// Is it a limit that lateness can only break?
pub(super) const fn upper(op: Op) -> bool {
    matches!(op, Op::Below | Op::AtMost)
}

/// The events due in an objective's scope; the missing ones among them; among those, the ones missing for
/// reasons other than the bus; and whether a group was due events and received none.
fn due(record: &Record, objective: &Objective, timing: Timing) -> (u64, u64, u64, bool) {
    let load = &record.load;
    let published = |timed: u64| {
        let missing = load.measured_intended.saturating_sub(timed);
        (load.measured_intended, missing, load.measured_unsent_own.min(missing), false)
    };
    match timing {
        Timing::Ack => published(load.ack.count),
        Timing::Service => published(load.service.count),
        Timing::SendLag => published(load.send_lag.count),
        Timing::Latency => {
            let mut sum = (0, 0, 0, false);
            for group in groups(record, objective) {
                let missing = group.measured_intended.saturating_sub(group.latency.count);
                sum.0 += group.measured_intended;
                sum.1 += missing;
                sum.2 += group.measured_unsent_own.min(missing);
                sum.3 |= group.measured_intended > 0 && group.latency.count == 0;
            }
            sum
        }
    }
}

/// The exact counters around the objective's limit, over all parts.
fn tally(parts: &[&Latency], limit: Value) -> Option<Tally> {
    let Value::Time(span) = limit else { return None };
    let mut sum = Tally::default();
    for part in parts {
        let limit = part.over_limit.iter().find(|limit| limit.limit_ns == span.ns)?;
        sum.merge(Tally { above: limit.above, equal: limit.equal });
    }
    Some(sum)
}

fn quantile(parts: &[&Latency], q: f64) -> Option<u64> {
    let mut merged = None;
    for part in parts {
        let histogram = decode(&part.histogram).ok()?;
        match &mut merged {
            None => merged = Some(histogram),
            Some(merged) => merged.add(&histogram).ok()?,
        }
    }
    merged.map(|merged| merged.value_at_quantile(q))
}

/// What was carried of the due events.
struct Carried {
    /// Of the due events, or of those of the group with the smallest share.
    events: u64,
    due: u64,
    /// As a rate, for display and absolute limits.
    rate: f64,
    /// The number of events behind it.
    samples: u64,
}

impl Carried {
    /// Is this share of the due events carried, exactly?
    fn holds(&self, op: Op, share: f64) -> bool {
        // A share has at most eight decimals, so that both sides are whole numbers.
        const WHOLE: u64 = 100_000_000;
        let wanted = u128::from(num::u64_of(share * num::f64_of(WHOLE))) * u128::from(self.due);
        let seen = u128::from(self.events) * u128::from(WHOLE);
        match op {
            Op::Below => seen < wanted,
            Op::AtMost => seen <= wanted,
            Op::Equal => seen == wanted,
            Op::AtLeast => seen >= wanted,
            Op::Above => seen > wanted,
        }
    }
}

/// The measured length of the phase.
fn measured(record: &Record) -> Span {
    Span { ns: num::u64_of(record.measured_seconds() * 1e9) }
}

/// The planned rate in an objective's scope, in events per second; `None` under a closed load, which has none.
pub(super) fn offered(record: &Record, objective: &Objective) -> Option<f64> {
    if record.plan.load.is_closed() {
        return None;
    }
    let over = match measured(record) {
        Span { ns: 0 } => record.plan.load.duration,
        measured => measured,
    };
    let group = groups(record, objective).next().filter(|_| objective.scope.group.is_some());
    let wanted = |topic: &str| group.is_none_or(|group| group.topics.iter().any(|own| own == topic));
    Some(planned_rate(&record.plan, over, wanted))
}

/// A throughput: the share of the due events that were carried, times the planned rate. The number of slots in a
/// schedule, and their topics, depend on rounding and chance; the bus answers for the share alone. A closed load has no
/// planned rate: there it is the number carried per second.
fn carried(record: &Record, objective: &Objective, throughput: Throughput) -> Option<Carried> {
    let (load, seconds) = (&record.load, record.measured_seconds());
    if load.measured_intended == 0 || seconds == 0.0 {
        return None;
    }
    let planned = offered(record, objective);
    let carried = |events: u64, due: u64| {
        let per_second = num::f64_of(events) / seconds;
        let rate = planned.map_or(per_second, |planned| num::share(events, due) * planned);
        Carried { events, due, rate, samples: events }
    };
    let all = |events: u64| Some(carried(events, load.measured_intended));
    match throughput {
        // A schedule that was cut short has offered what it had offered by then.
        Throughput::Offered if load.measured_intended != totals(&record.plan.load).measure_events => {
            Some(Carried { rate: load.offered_rate, ..all(load.measured_intended)? })
        }
        Throughput::Offered => all(load.measured_intended),
        Throughput::Sent => all(load.measured_sent),
        Throughput::Acked => all(load.measured_acked),
        Throughput::Delivered if objective.scope.group.is_some() => {
            let group = groups(record, objective).next().filter(|group| group.measured_intended > 0)?;
            Some(carried(group.measured_in_time, group.measured_intended))
        }
        Throughput::Delivered => {
            let share = |group: &&Group| num::share(group.measured_in_time, group.measured_intended);
            let owed = record.groups.iter().filter(|group| group.measured_intended > 0);
            let worst = owed.min_by(|a, b| share(a).total_cmp(&share(b)))?;
            let delivered = num::sum(record.groups.iter().map(|group| group.measured_in_time));
            let whole = carried(load.measured_intended, load.measured_intended).rate;
            Some(Carried {
                rate: whole * share(&worst),
                samples: delivered,
                ..carried(worst.measured_in_time, worst.measured_intended)
            })
        }
    }
}

fn counted(record: &Record, objective: &Objective, outcome: Outcome) -> Option<(u64, u64)> {
    let load = &record.load;
    let audited = record.audit.as_ref().filter(|audit| audit.settles_loss());
    let of_groups = |what: fn(&Group) -> u64, samples: fn(&Group) -> u64| {
        let looked_at: Vec<&Group> = groups(record, objective).collect();
        let samples = num::sum(looked_at.iter().map(|g| samples(g)));
        (samples > 0).then(|| (num::sum(looked_at.iter().map(|g| what(g))), samples))
    };
    let highest = |what: fn(&Group) -> u64| {
        let samples = num::sum(groups(record, objective).map(|g| g.delivered));
        (samples > 0).then(|| (groups(record, objective).map(what).max().unwrap_or(0), samples))
    };
    let published = |count: u64| (load.intended > 0).then_some((count, load.intended));
    match outcome {
        Outcome::Lost => of_groups(|g| g.lost, |g| g.expected),
        Outcome::NotStored => audited.filter(|a| a.acked > 0).map(|audit| (audit.missing, audit.acked)),
        Outcome::NotDelivered => audited.and_then(|_| of_groups(|g| g.lost_not_delivered, |g| g.expected)),
        Outcome::Recovered => of_groups(|g| g.recovered, |g| g.delivered),
        Outcome::Redelivered => of_groups(|g| g.redelivered, |g| g.delivered),
        Outcome::Duplicate => of_groups(|g| g.duplicate, |g| g.delivered),
        Outcome::Reordered => of_groups(|g| g.reordered, |g| g.delivered),
        Outcome::Corrupt => of_groups(|g| g.corrupt, |g| g.delivered.saturating_add(g.corrupt)),
        Outcome::Foreign => of_groups(|g| g.foreign, |g| g.delivered.saturating_add(g.foreign)),
        Outcome::Refused => published(load.refused),
        Outcome::Unsent => published(load.unsent),
        Outcome::Unconfirmed => published(load.unconfirmed),
        Outcome::GaveUp => load.gave_up.and_then(published),
        Outcome::Resent => load.resent.and_then(published),
        // A copy that was not read may hold further events, but does not put those that were read in order.
        Outcome::StoredLate => record.audit.as_ref().and_then(|audit| {
            let known = audit.complete && audit.read > 0 && (audit.out_of_order > 0 || audit.settles_loss());
            known.then_some((audit.out_of_order, audit.read))
        }),
        // Copies that were not read may differ, too: only a difference that was seen is known.
        Outcome::Diverged => record.audit.as_ref().and_then(|audit| {
            let diverged = audit.diverged.filter(|&seen| seen > 0 || audit.unread().next().is_none())?;
            audit.complete.then_some((diverged, audit.read))
        }),
        Outcome::DeadLetterMissing => dead_letters(record, objective, |of| [of.missing, of.poison]),
        Outcome::DeadLetterDuplicate => dead_letters(record, objective, |of| [of.duplicate, of.stored]),
        Outcome::DeadLetterUnexpected => dead_letters(record, objective, |of| [of.unexpected, of.stored]),
        Outcome::RedeliveredMissing => takeovers::missing(record, objective),
        Outcome::RedeliveredUnexpected => takeovers::unexpected(record, objective),
        Outcome::Backlog => highest(|g| g.backlog_max),
        Outcome::Extent => highest(|g| g.extents.max),
        // A share, observed by the caller.
        Outcome::Replayed => None,
    }
}

/// A count of dead letters over the groups of an objective, and how many were looked at. They are known where the whole store was
/// read; without a poison event nothing shows that one would have a dead letter.
fn dead_letters(
    record: &Record,
    objective: &Objective,
    count: fn(&DeadLetters) -> [u64; 2],
) -> Option<(u64, u64)> {
    let wanted = &objective.scope.group;
    let of_scope = |of: &&DeadLetters| wanted.as_ref().is_none_or(|name| *name == of.group);
    let all: Vec<&DeadLetters> = record.faults.dead_letters.iter().filter(of_scope).collect();
    let known = record.audit.as_ref().is_some_and(Audit::settles_loss)
        && all.iter().any(|of| of.poison > 0 || of.stored > 0);
    let [found, samples] = [0, 1].map(|which| num::sum(all.iter().map(|of| count(of)[which])));
    known.then_some((found, samples))
}

fn used(record: &Record, resource: Resource) -> Option<Value> {
    let (all, harness) = (&record.resources, &record.resources.harness);
    let brokers = || all.brokers.values();
    // A sum that leaves out nodes would meet limits that all of them together miss.
    let seen = !all.brokers.is_empty() && record.broker.unwatched() == 0;
    record.phase(PhaseName::Measure)?;
    match resource {
        Resource::BrokerMemory => {
            seen.then(|| Value::Size(Size { bytes: num::sum(brokers().map(|b| b.peak_memory_bytes)) }))
        }
        Resource::BrokerCpu => {
            let known = seen && brokers().all(|b| !b.cpu_unknown);
            known.then(|| Value::Cores(brokers().map(|b| b.cpu_cores).sum()))
        }
        Resource::BrokerStore => all.stored().map(|(bytes, _)| Value::Size(Size { bytes })),
        Resource::HarnessMemory => Some(Value::Size(Size { bytes: harness.peak_memory_bytes })),
        Resource::HarnessCpu => (!harness.cpu_unknown).then_some(Value::Cores(harness.cpu_cores)),
        Resource::BrokerMemoryDrift if !seen => None,
        Resource::LatencyDrift | Resource::BrokerMemoryDrift | Resource::HarnessMemoryDrift => {
            // Rounded up, in tenths of a percent.
            Some(Value::Share((drift::of(record, resource)?.rise() * 1e3).ceil() / 1e3))
        }
    }
}
