//! When a run cannot pass any more: more events break an objective than may break it in the whole measure phase, or a count
//! that only grows is beyond its limit.
//!
//! Nothing is predicted: what is beyond a limit stays there, and an event that was due a limit ago and has not come is beyond
//! it, too, whenever it comes. What only the end of a run shows, such as a loss, ends none.

use super::observe::upper;
use super::so_far::{SoFar, State};
use crate::load::{expected_by, totals};
use crate::measure::{Counted, Counters, Reach, rank};
use crate::num::{self, show};
use crate::plan::{Load, Metric, Ns, Objective, Plan, Span, Stat, Timing, Value, When};
use crate::record::Row;
use crate::topology;

/// Standard deviations by which a random number of events may differ from its mean: more do by chance in fewer than one of
/// 10^15 runs.
const AT_MOST: f64 = 8.0;

/// Watches whether a run can still pass.
#[derive(Debug, Clone)]
pub struct Curtailment {
    load: Load,
    so_far: SoFar,
    counters: Counters,
    reach: Reach,
    /// Each group's share of the load.
    shares: Vec<f64>,
    /// For each objective, what may break it, if it is one on a quantile.
    allowances: Vec<Option<Allowance>>,
}

/// What may break an objective on a quantile.
#[derive(Debug, Clone)]
struct Allowance {
    timing: Timing,
    limit_ns: Ns,
    /// Indexes of its groups.
    groups: Vec<usize>,
    /// Events that are due in its scope, at most.
    planned: u64,
    /// Of these, those that may break it.
    allowed: u64,
}

impl Curtailment {
    /// A run of this plan, before its load.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let shares: Vec<f64> = (0..plan.groups.len()).map(|group| share(plan, group)).collect();
        let of = |objective: &Objective| allowance(plan, &shares, objective);
        Self {
            load: plan.load.clone(),
            so_far: SoFar::of(plan),
            counters: Counters::default(),
            reach: Reach::default(),
            allowances: plan.objectives.iter().map(of).collect(),
            shares,
        }
    }

    /// Takes the counters of the measure phase so far.
    pub fn count(&mut self, counters: Counters, reach: Reach) {
        (self.counters, self.reach) = (counters, reach);
    }

    /// Adds a second.
    pub fn add(&mut self, row: &Row) {
        self.so_far.add(row);
    }

    /// The first objective that cannot be met any more, and why.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        let objectives = self.so_far.objectives().iter().zip(&self.allowances);
        objectives.into_iter().find_map(|(objective, allowance)| match objective.metric {
            Metric::Time(..) => self.times(objective, allowance.as_ref()?),
            Metric::Count(outcome) => {
                let count = self.so_far.counted(&objective.scope, outcome)?;
                let missed = self.so_far.state(objective) == State::Missed;
                let (name, wanted) = (objective.name(), objective.requirement());
                missed.then(|| format!("{name}: {} so far, {wanted} wanted", show::count(count)))
            }
            Metric::Throughput(_)
            | Metric::Resource(_)
            | Metric::Unavailable(_)
            | Metric::Recovery(_)
            | Metric::Replay(_) => None,
        })
    }

    fn times(&self, objective: &Objective, allowance: &Allowance) -> Option<String> {
        let &Allowance { timing, limit_ns, ref groups, planned, allowed } = allowance;
        let broken = |counted: &Counted, due: u64| {
            let beyond = counted.tally(limit_ns)?.exceedances(objective.op, counted.count);
            // Of those due a limit ago, no more than came in time can be within it.
            Some(beyond.max(due.saturating_sub(counted.count.saturating_sub(beyond))))
        };
        let answers = || {
            let all = self.reach.generators.len() == num::index32(self.load.generators);
            self.reach.generators.iter().copied().min().filter(|_| all).unwrap_or(0)
        };
        let beyond = match timing {
            Timing::Latency => {
                let of = |&group: &usize| {
                    let until = self.reach.groups.get(group).copied().unwrap_or(0);
                    let due = self.due_before(until, limit_ns, self.shares.get(group).copied()?);
                    broken(self.counters.latency.get(group)?, due)
                };
                num::sum(groups.iter().filter_map(of))
            }
            Timing::Ack => broken(&self.counters.ack, self.due_before(answers(), limit_ns, 1.0))?,
            Timing::Service => broken(&self.counters.service, 0)?,
            Timing::SendLag => return None,
        };
        (beyond > allowed).then(|| {
            let (beyond, allowed, of) = (show::count(beyond), show::count(allowed), show::count(planned));
            format!(
                "{}: {beyond} events are not {}, and at most {allowed} of the {of} planned ones may break it",
                objective.name(),
                objective.requirement()
            )
        })
    }

    /// Events of a share of the load that were due a limit and more before a time since the start of the load, at least.
    fn due_before(&self, until: Ns, limit_ns: Ns, share: f64) -> u64 {
        // The intended time is rounded to what an event id holds, by less than a microsecond.
        let since_start =
            until.saturating_sub(self.load.warmup.ns).saturating_sub(limit_ns).saturating_sub(1000);
        let all = num::f64_of(totals(&self.load).measure_events);
        let part = expected_by(&self.load, Span { ns: since_start }) / all.max(1.0);
        // Each generator rounds the number of its events.
        let least = between(all, part * share)[0] - f64::from(self.load.generators) - 1.0;
        num::u64_floor(least.max(0.0))
    }
}

/// How many of the planned events may break an objective on a quantile, or on the largest time.
fn allowance(plan: &Plan, shares: &[f64], objective: &Objective) -> Option<Allowance> {
    let (Metric::Time(timing, stat), Value::Time(limit)) = (objective.metric, objective.limit) else {
        return None;
    };
    let part = objective.scope.windows || objective.scope.when != When::Whole;
    if part || !upper(objective.op) || timing == Timing::SendLag {
        return None;
    }
    let named = |group: &usize| {
        let own = plan.groups.get(*group).map(|group| &group.name);
        objective.scope.group.is_none() || own == objective.scope.group.as_ref()
    };
    let groups: Vec<usize> = (0..plan.groups.len()).filter(named).collect();
    let all = totals(&plan.load).measure_events;
    let planned = match timing {
        Timing::Latency => num::sum(groups.iter().filter_map(|&group| Some(most(all, *shares.get(group)?)))),
        _ => all,
    };
    let allowed = match stat {
        Stat::Quantile(q) => planned.saturating_sub(rank(q, planned)),
        Stat::Max => 0,
        Stat::Min | Stat::Mean => return None,
    };
    Some(Allowance { timing, limit_ns: limit.ns, groups, planned, allowed })
}

/// Events of a share of all of them, at most.
fn most(all: u64, share: f64) -> u64 {
    if share >= 1.0 {
        return all;
    }
    num::u64_of(between(num::f64_of(all), share)[1] + AT_MOST).min(all)
}

/// Between which numbers a random share of the events lies.
fn between(events: f64, share: f64) -> [f64; 2] {
    let share = share.clamp(0.0, 1.0);
    let spread = AT_MOST * (events * share * (1.0 - share)).sqrt();
    [events * share - spread, events * share + spread]
}

/// The share of the load that a group receives: topics are drawn by chance.
fn share(plan: &Plan, group: usize) -> f64 {
    let topics = &plan.topology.topics;
    let received = plan.groups.get(group).and_then(|group| topology::receives(group, topics).ok());
    let is_received = |name: &String| received.iter().flatten().any(|&at| topics.get(at) == Some(name));
    let weight = |wanted: bool| -> f64 {
        plan.mix.iter().filter(|(topic, _)| !wanted || is_received(topic)).map(|(_, weight)| weight).sum()
    };
    let (own, whole) = (weight(true), weight(false));
    if own >= whole { 1.0 } else { own / whole }
}

#[cfg(test)]
mod tests;
