//! Judges each step of a load of steps: as a run whose measure phase is the step.
//!
//! Only objectives with a figure within a step are judged: times, and throughputs that the step's rate can reach. Losses, order
//! and resources are accounts of the whole run. The verdict of the run remains that of its own objectives.

use super::{compare, judge};
use crate::load::planned_rate;
use crate::plan::{Arrival, Metric, Objective, Plan, Rate, Span, Throughput, Value, When};
use crate::record::{Latency, PhaseName, Record, Step};

/// The steps of a record with their objectives and verdicts.
pub(super) fn judged(record: &Record) -> Vec<Step> {
    if record.steps.is_empty() {
        return Vec::new();
    }
    let mut view = Record { steps: Vec::new(), windows: Vec::new(), ..record.clone() };
    let of = |step: &Step| {
        narrow(&mut view, record, step);
        let applies = |objective: &&Objective| applies(&view.plan, objective);
        let objectives: Vec<_> =
            view.plan.objectives.iter().filter(applies).map(|objective| judge(&view, objective)).collect();
        let verdict = objectives.iter().map(|objective| objective.verdict).max();
        Step { objectives, verdict, ..step.clone() }
    };
    record.steps.iter().map(of).collect()
}

/// Has the objective a figure within a step? `plan` is that of the step.
fn applies(plan: &Plan, objective: &Objective) -> bool {
    match (objective.metric, objective.limit) {
        _ if objective.scope.windows || objective.scope.when != When::Whole => false,
        (Metric::Throughput(Throughput::Offered), _) => false,
        (Metric::Throughput(_), Value::Rate(limit)) => {
            compare(offered(plan, objective), objective.op, limit.per_second)
        }
        (Metric::Time(..) | Metric::Throughput(_), _) => true,
        _ => false,
    }
}

/// The planned rate in an objective's scope.
fn offered(plan: &Plan, objective: &Objective) -> f64 {
    let group = plan.groups.iter().find(|group| objective.scope.group.as_ref() == Some(&group.name));
    let topics =
        group.map(|group| crate::topology::receives(group, &plan.topology.topics).unwrap_or_default());
    let wanted = |topic: &str| {
        topics.as_ref().is_none_or(|own| own.iter().any(|&at| plan.topology.topics[at] == topic))
    };
    planned_rate(plan, plan.load.duration, wanted)
}

/// Turns a copy of a record into that of a run of one of its steps.
pub(super) fn narrow(view: &mut Record, whole: &Record, step: &Step) {
    let plan = &mut view.plan.load;
    (plan.arrival, plan.steps) = (Arrival::Constant, None);
    plan.rate = Rate::per_second(step.planned_rate);
    plan.duration = Span { ns: step.until_ns.saturating_sub(step.from_ns) };
    let start = whole.phase(PhaseName::Measure).map_or(0, |phase| phase.start_ns);
    for phase in view.phases.iter_mut().filter(|phase| phase.name == PhaseName::Measure) {
        (phase.start_ns, phase.end_ns) =
            (start.saturating_add(step.from_ns), start.saturating_add(step.until_ns));
    }
    let load = &mut view.load;
    load.measured_intended = step.due;
    (load.measured_sent, load.measured_acked) = (step.sent, step.acked);
    load.measured_unsent_own = step.unsent_own;
    load.least_offered.clone_from(&step.offered);
    load.finished_late_ns = step.finished_late_ns;
    load.send_lag.clone_from(&step.send_lag);
    let of = |latency: Option<&Latency>| latency.cloned().unwrap_or_default();
    (load.ack, load.service) = (of(step.ack.as_ref()), of(step.service.as_ref()));
    for (group, own) in view.groups.iter_mut().zip(&step.groups) {
        group.measured_intended = own.due;
        group.measured_unsent_own = own.unsent_own;
        group.measured_in_time = own.in_time;
        group.latency.clone_from(&own.latency);
    }
}
