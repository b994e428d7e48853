//! The objectives of a run that goes on: met or missed so far, by exact counters, or not known before its end.
//!
//! For display, and to end a trial that cannot pass any more: the verdict follows from the record.

use super::{compare, number};
use crate::measure::{Counted, Counters};
use crate::num;
use crate::plan::{Metric, Objective, Op, Outcome, Plan, Resource, Scope, Stat, Timing, Value, When};
use crate::record::Row;

/// The state of an objective while the run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It holds for what was measured so far.
    Met,
    /// It does not hold for what was measured so far.
    Missed,
    /// It has no data yet, or is known only at the end.
    Open,
}

/// What the seconds of a run add up to.
#[derive(Debug, Clone, Default)]
pub struct SoFar {
    objectives: Vec<Objective>,
    groups: Vec<String>,
    counters: Counters,
    /// Sums of the rows, in the order of the plan's groups.
    of_groups: Vec<GroupSums>,
    refused: u64,
    unsent: u64,
    unconfirmed: u64,
    harness_memory: u64,
    broker_memory: Option<u64>,
    /// Has the load begun?
    begun: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct GroupSums {
    redelivered: u64,
    duplicate: u64,
    reordered: u64,
    corrupt: u64,
    foreign: u64,
    backlog_max: u64,
}

impl SoFar {
    /// Nothing, of a run of this plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        Self {
            objectives: plan.objectives.clone(),
            groups: plan.groups.iter().map(|group| group.name.clone()).collect(),
            of_groups: vec![GroupSums::default(); plan.groups.len()],
            ..Self::default()
        }
    }

    /// Takes the counters of the measure phase so far.
    pub fn count(&mut self, counters: &Counters) {
        self.counters = counters.clone();
    }

    /// Adds a second.
    pub fn add(&mut self, row: &Row) {
        self.begun = true;
        self.refused += row.refused;
        self.unsent += row.unsent;
        self.unconfirmed += row.unconfirmed;
        self.harness_memory = self.harness_memory.max(row.harness_memory_bytes);
        self.broker_memory = self.broker_memory.max(row.broker_memory_bytes);
        for (sums, group) in self.of_groups.iter_mut().zip(&row.groups) {
            sums.redelivered += group.redelivered;
            sums.duplicate += group.duplicate;
            sums.reordered += group.reordered;
            sums.corrupt += group.corrupt;
            sums.foreign += group.foreign;
            sums.backlog_max = sums.backlog_max.max(group.backlog);
        }
    }

    /// Each objective's name and state, in the plan's order.
    pub fn states(&self) -> impl Iterator<Item = (String, State)> {
        self.objectives.iter().map(|objective| (objective.name(), self.state(objective)))
    }

    /// The objectives, in the plan's order.
    pub(super) fn objectives(&self) -> &[Objective] {
        &self.objectives
    }

    pub(super) fn state(&self, objective: &Objective) -> State {
        if objective.scope.windows || objective.scope.when != When::Whole || !self.begun {
            return State::Open;
        }
        match objective.metric {
            Metric::Time(timing, stat) => self.time(objective, timing, stat),
            Metric::Count(outcome) => self
                .counted(&objective.scope, outcome)
                .map_or(State::Open, |count| growing(num::f64_of(count), objective)),
            Metric::Resource(Resource::HarnessMemory) => growing(num::f64_of(self.harness_memory), objective),
            Metric::Resource(Resource::BrokerMemory) => {
                self.broker_memory.map_or(State::Open, |bytes| growing(num::f64_of(bytes), objective))
            }
            Metric::Resource(_)
            | Metric::Throughput(_)
            | Metric::Unavailable(_)
            | Metric::Recovery(_)
            | Metric::Replay(_) => State::Open,
        }
    }

    fn time(&self, objective: &Objective, timing: Timing, stat: Stat) -> State {
        let q = match stat {
            Stat::Min => 0.0,
            Stat::Max => 1.0,
            Stat::Quantile(q) => q,
            Stat::Mean => return State::Open,
        };
        let counted = match timing {
            Timing::Latency => Counted::sum(self.in_scope(&objective.scope, &self.counters.latency)),
            Timing::Ack => self.counters.ack.clone(),
            Timing::Service => self.counters.service.clone(),
            Timing::SendLag => self.counters.send_lag.clone(),
        };
        let Value::Time(limit) = objective.limit else { return State::Open };
        match counted.tally(limit.ns).filter(|_| counted.count > 0) {
            None => State::Open,
            Some(tally) if tally.holds(q, objective.op, counted.count, 0) => State::Met,
            Some(_) => State::Missed,
        }
    }

    /// What an objective's groups have, of a list with an item for each group.
    fn in_scope<'a, T>(&'a self, scope: &'a Scope, all: &'a [T]) -> impl Iterator<Item = &'a T> {
        let of_scope = move |name: &String| scope.group.as_ref().is_none_or(|wanted| wanted == name);
        self.groups.iter().zip(all).filter(move |(name, _)| of_scope(name)).map(|(_, item)| item)
    }

    /// A count of the ledger that only grows; `None` for one that is known only at the end.
    pub(super) fn counted(&self, scope: &Scope, outcome: Outcome) -> Option<u64> {
        let sum = |of: fn(&GroupSums) -> u64| Some(self.in_scope(scope, &self.of_groups).map(of).sum());
        match outcome {
            Outcome::Refused => Some(self.refused),
            Outcome::Unsent => Some(self.unsent),
            Outcome::Unconfirmed => Some(self.unconfirmed),
            Outcome::Redelivered => sum(|group| group.redelivered),
            Outcome::Duplicate => sum(|group| group.duplicate),
            Outcome::Reordered => sum(|group| group.reordered),
            Outcome::Corrupt => sum(|group| group.corrupt),
            Outcome::Foreign => sum(|group| group.foreign),
            Outcome::Backlog => self.in_scope(scope, &self.of_groups).map(|group| group.backlog_max).max(),
            Outcome::GaveUp
            | Outcome::Resent
            | Outcome::Lost
            | Outcome::NotStored
            | Outcome::NotDelivered
            | Outcome::Recovered
            | Outcome::Replayed
            | Outcome::StoredLate
            | Outcome::Diverged
            | Outcome::DeadLetterMissing
            | Outcome::DeadLetterDuplicate
            | Outcome::DeadLetterUnexpected
            | Outcome::RedeliveredMissing
            | Outcome::RedeliveredUnexpected
            | Outcome::Extent => None,
        }
    }
}

/// The state of an objective on a figure that only grows: what is beyond an upper limit stays there, and what has not reached a
/// lower one may still do so.
fn growing(figure: f64, objective: &Objective) -> State {
    let limit = number(objective.limit);
    let holds = compare(figure, objective.op, limit);
    match objective.op {
        Op::Below | Op::AtMost => {
            if holds {
                State::Met
            } else {
                State::Missed
            }
        }
        Op::Equal if figure > limit => State::Missed,
        _ if holds => State::Met,
        _ => State::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Latency;
    use crate::plan::grammar::parse;

    fn state(name: &str, requirement: &str, prepare: impl Fn(&mut SoFar)) -> State {
        let mut so_far = SoFar {
            objectives: vec![parse(name, requirement).unwrap()],
            groups: vec!["a".into(), "b".into()],
            of_groups: vec![GroupSums::default(); 2],
            begun: true,
            ..SoFar::default()
        };
        prepare(&mut so_far);
        so_far.states().next().unwrap().1
    }

    /// 100 times, so many of them beyond 5 ms.
    fn counted(beyond: usize) -> Counted {
        let mut latency = Latency::new(&[5_000_000]);
        (0..100).for_each(|n| latency.record(if n < beyond { 6_000_000 } else { 1 }));
        Counted::of(&latency)
    }

    #[test]
    fn a_quantile_is_judged_by_exact_counters() {
        for (beyond, expected) in [(0, State::Met), (1, State::Met), (2, State::Missed)] {
            let state = |name| {
                state(name, "< 5ms", |so_far| {
                    so_far.counters.latency = vec![counted(beyond), Counted::default()];
                })
            };
            assert_eq!((state("latency.p99"), state("a.latency.p99")), (expected, expected), "{beyond}");
            assert_eq!(state("b.latency.p99"), State::Open, "it has received nothing");
            assert_eq!(state("ack.p99"), State::Open);
        }
        assert_eq!(state("ack.max", "< 5ms", |so_far| so_far.counters.ack = counted(1)), State::Missed);
        assert_eq!(state("ack.mean", "< 5ms", |so_far| so_far.counters.ack = counted(0)), State::Open);
    }

    #[test]
    fn what_only_grows_is_missed_for_good_and_what_ends_with_the_run_is_open() {
        let duplicates = |so_far: &mut SoFar| so_far.of_groups[1].duplicate = 3;
        for (name, requirement, expected) in [
            ("delivery.duplicate", "== 0", State::Missed),
            ("a.delivery.duplicate", "== 0", State::Met),
            ("delivery.duplicate", "<= 3", State::Met),
            ("delivery.duplicate", ">= 4", State::Open),
            ("delivery.lost", "== 0", State::Open),
            ("replay.complete", "== 100%", State::Open),
            ("throughput.delivered", ">= 1k/s", State::Open),
            ("broker.memory", "< 1MiB", State::Open),
        ] {
            assert_eq!(state(name, requirement, duplicates), expected, "{name} {requirement}");
        }
        let nothing_yet = |so_far: &mut SoFar| so_far.begun = false;
        assert_eq!(state("publish.refused", "== 0", nothing_yet), State::Open);
    }
}
