//! The harness's own part in the figures of a run: how many exceedances of each limit are explained by its late
//! sends, its pauses and the load of the machine, and how many windows of each objective pass with and without
//! them.

use crate::measure::{Due, Excess, Excused, Harness, Latency, Lateness, Met, Seconds, Windows};
use crate::plan::{Metric, Objective, Value, When};
use crate::record::{self, Record};

use super::generator::Generated;
use super::parts::Parts;
use super::receiver::WINDOW;
use super::shared::Calendar;

/// The delays that the harness itself adds.
pub(super) struct OwnDelays {
    lateness: Lateness,
    usage: Seconds,
}

impl OwnDelays {
    pub(super) fn of(record: &mut Record, parts: &Parts<'_>) -> Self {
        let Calendar { load_start, measure_start, .. } = parts.calendar;
        let mut lateness = Lateness::new(measure_start, parts.plan.load.duration);
        for generated in &parts.ended.generated {
            lateness.merge(&generated.lateness);
        }
        lateness.pauses(&parts.pauses);
        let paused = parts.pauses.by_second(record.timeline.len());
        for (row, paused) in record.timeline.iter_mut().zip(paused) {
            row.paused_ns = Some(paused);
        }
        let usable = record.health.machine.as_ref().map_or(0.0, |machine| machine.usable_cores);
        let usage = record.timeline.iter().map(|row| crate::verdict::usage(row, usable)).collect();
        Self { lateness, usage: Seconds::new(load_start, usage) }
    }

    fn excused(&self, excess: &Excess, limit: u64) -> Vec<Excused> {
        excess.excused(limit, &Harness { lateness: &self.lateness, usage: &self.usage })
    }

    /// The figures of a distribution, with the share of each limit's exceedances that the harness explains.
    pub(super) fn explained(&self, measured: &Latency, excess: &Excess) -> record::Latency {
        self.explained_by(measured, &[excess])
    }

    /// The same for a distribution whose exceedances are counted in several places.
    pub(super) fn explained_by(&self, measured: &Latency, excesses: &[&Excess]) -> record::Latency {
        let mut latency = record::Latency::from(measured);
        self.explain(&mut latency, excesses);
        latency
    }

    /// The same for the acknowledgements of all generators.
    pub(super) fn explained_of_all(&self, limits: &[u64], all: &[Generated]) -> record::Latency {
        let mut sum = Latency::new(limits);
        let mut excess: Option<Excess> = None;
        for generated in all {
            sum.merge(&generated.ack);
            match &mut excess {
                None => excess = Some(generated.ack_excess.clone()),
                Some(excess) => excess.merge(&generated.ack_excess),
            }
        }
        excess.map_or_else(|| record::Latency::from(&sum), |excess| self.explained(&sum, &excess))
    }

    /// Enters, for each limit of a distribution, how many exceedances the harness explains.
    fn explain(&self, latency: &mut record::Latency, excesses: &[&Excess]) {
        for limit in &mut latency.over_limit {
            let mut sum = Excused::default();
            let seconds = excesses.iter().flat_map(|excess| self.excused(excess, limit.limit_ns));
            seconds.for_each(|second| sum.merge(second));
            limit.explained = sum.explained();
            limit.disturbed = sum.disturbed;
            limit.saturated = sum.saturated;
            limit.contended = sum.contended;
        }
    }
}

/// The exact result of each `windows.` objective on end-to-end latency.
pub(super) fn windows(parts: &Parts<'_>, own: &OwnDelays) -> Vec<record::Window> {
    let whole = |objective: &&Objective| objective.scope.windows && objective.scope.when == When::Whole;
    let wanted = parts.plan.objectives.iter().filter(whole);
    wanted.filter_map(|objective| window(parts, own, objective)).collect()
}

fn window(parts: &Parts<'_>, own: &OwnDelays, objective: &Objective) -> Option<record::Window> {
    let (Metric::Time(_, stat), Value::Time(limit)) = (objective.metric, objective.limit) else {
        return None;
    };
    let limits = crate::verdict::limits(parts.plan).latency;
    let (from, duration) = (parts.calendar.measure_start, parts.plan.load.duration);
    let mut merged = Windows::new(from, duration, WINDOW, &limits);
    let mut excess = Excess::new(from, duration, &limits);
    let mut due: Vec<Due> = Vec::new();
    for (group, named) in parts.plan.groups.iter().enumerate() {
        if objective.scope.group.as_ref().is_some_and(|name| *name != named.name) {
            continue;
        }
        let received = parts.ended.received[group].as_ref()?;
        // A group that received nothing has no windows; only its due events count.
        let _ = merged.merge(&received.windows);
        excess.merge(&received.excess);
        due_to_group(&mut due, parts, group, received.windows.counts());
    }
    let excused = own.excused(&excess, limit.ns);
    let met = |of: fn(&Excused) -> u64| -> Option<Met> {
        let excused = excused.iter().map(of).chain(std::iter::repeat(0));
        let due: Vec<Due> = due.iter().zip(excused).map(|(due, excused)| Due { excused, ..*due }).collect();
        merged.met(stat, objective.op, limit.ns, &due)
    };
    let found = met(|second| second.explained())?;
    let without_saturated = met(|second| second.late + second.disturbed)?;
    let with_contended = met(|second| second.explained() + second.contended)?;
    Some(record::Window {
        name: objective.name(),
        met: found.met,
        total: found.total,
        unsure: found.unsure,
        saturated: found.unsure - without_saturated.unsure,
        contended: with_contended.unsure - found.unsure,
        samples: merged.counts().iter().sum(),
    })
}

/// Adds the events due to a group in each window. The actual number is used, since random arrival may leave a
/// window empty.
fn due_to_group(due: &mut Vec<Due>, parts: &Parts<'_>, group: usize, counts: &[u64]) {
    let topics = parts.subscriptions.group(group);
    let mut of_group: Vec<u64> = Vec::new();
    for windows in parts.ended.generated.iter().map(|generated| &generated.measured_by_window) {
        of_group.resize(of_group.len().max(windows.len()), 0);
        for (sum, by_topic) in of_group.iter_mut().zip(windows) {
            *sum += topics.iter().filter_map(|topic| by_topic.get(topic)).sum::<u64>();
        }
    }
    due.resize(due.len().max(of_group.len()), Due::default());
    for (window, (sum, events)) in due.iter_mut().zip(of_group).enumerate() {
        sum.events += events;
        sum.silent |= events > 0 && counts.get(window).copied().unwrap_or(0) == 0;
    }
}
