//! The figures and the verdict of each step of a load of steps: those of a run that measures this step alone.

use super::figures::Figures;
use super::{Findings, verdict};
use crate::bus::sim::Truth;
use crate::num;
use crate::plan::{Arrival, Metric, Ns, Rate, Span, Throughput, Timing, Value};
use crate::record::{PhaseName, Record, Step};

/// Compares every step.
pub(super) fn check(found: &mut Findings, record: &Record, truth: &Truth) {
    let load = &record.plan.load;
    let rates = match (load.arrival, &load.steps) {
        (Arrival::Steps, Some(steps)) => steps.rates.as_slice(),
        _ => &[],
    };
    found.equal("steps", rates.len(), record.steps.len());
    let length = load.duration.as_seconds() / num::f64_of(num::count(rates.len().max(1)));
    let edge = |n: u64| num::u64_of(length * num::f64_of(n) * 1e9).min(load.duration.ns);
    for ((number, rate), step) in (0_u64..).zip(rates).zip(&record.steps) {
        let of = Part { from: edge(number), until: edge(number + 1), rate: *rate };
        found.equal("step", (number + 1, of.from, of.until), (step.number, step.from_ns, step.until_ns));
        found.near("step: planned rate", rate.per_second, step.planned_rate);
        one(found, &of.alone(record), step, truth);
    }
}

struct Part {
    from: Ns,
    until: Ns,
    rate: Rate,
}

impl Part {
    /// The record with this step as its measure phase.
    fn alone(&self, record: &Record) -> Record {
        let mut alone = record.clone();
        alone.plan.load.arrival = Arrival::Constant;
        alone.plan.load.steps = None;
        alone.plan.load.rate = self.rate;
        alone.plan.load.duration = Span { ns: self.until - self.from };
        for phase in alone.phases.iter_mut().filter(|phase| phase.name == PhaseName::Measure) {
            phase.end_ns = phase.start_ns + self.until;
            phase.start_ns += self.from;
        }
        alone
    }
}

fn one(found: &mut Findings, alone: &Record, step: &Step, truth: &Truth) {
    let figures = Figures::of(alone, truth);
    let name = format!("step {}", step.number);
    found.equal(&format!("{name}: due"), figures.measured_intended, step.due);
    found.equal(&format!("{name}: sent"), figures.measured_sent, step.sent);
    found.equal(&format!("{name}: acked"), figures.measured_acked, step.acked);
    found.equal(&format!("{name}: finished late"), figures.finished_late_ns, step.finished_late_ns);
    found.latency(&format!("{name}: send_lag"), &figures.send_lag, &step.send_lag);
    let wanted = |timing| {
        alone.plan.objectives.iter().any(|o| matches!(o.metric, Metric::Time(of, _) if of == timing))
    };
    found.equal(&format!("{name}: has ack"), wanted(Timing::Ack), step.ack.is_some());
    found.equal(&format!("{name}: has service"), wanted(Timing::Service), step.service.is_some());
    if let Some(ack) = &step.ack {
        found.latency(&format!("{name}: ack"), &figures.ack, ack);
    }
    if let Some(service) = &step.service {
        found.latency(&format!("{name}: service"), &figures.service, service);
    }
    found.equal(&format!("{name}: groups"), figures.groups.len(), step.groups.len());
    for (own, group) in figures.groups.iter().zip(&step.groups) {
        let name = format!("{name}: {}", group.name);
        found.equal(&format!("{name}: due"), own.measured_intended, group.due);
        found.equal(&format!("{name}: in time"), own.measured_in_time, group.in_time);
        found.latency(&format!("{name}: latency"), &own.latency, &group.latency);
    }
    judged(found, alone, &figures, step, &name);
}

/// Every objective on a time or on a throughput within reach of the step is judged, and rightly.
fn judged(found: &mut Findings, alone: &Record, figures: &Figures, step: &Step, name: &str) {
    let within = alone.plan.objectives.iter().filter(|objective| match (objective.metric, objective.limit) {
        (Metric::Time(..), _) => !objective.scope.windows,
        (Metric::Throughput(Throughput::Offered), _) => false,
        (Metric::Throughput(_), Value::Rate(limit)) => {
            verdict::reachable(&alone.plan, objective, limit.per_second)
        }
        (Metric::Throughput(_), _) => true,
        _ => false,
    });
    let mut worst = None;
    let mut results = step.objectives.iter();
    for objective in within {
        let Some(result) = results.next().filter(|result| result.name == objective.name()) else {
            found.equal(&format!("{name}: judged"), true, false);
            return;
        };
        verdict::one(found, alone, figures, objective, result);
        worst = worst.max(Some(result.verdict));
    }
    found.equal(&format!("{name}: judged beyond"), 0, results.count());
    found.equal(&format!("{name}: verdict"), worst, step.verdict);
}
