//! What a generator and a group count of each part of a measure phase: of each step of a load of steps, and of each part that
//! the plan's faults make; nothing for other plans.
//!
//! Everything is created before the first event: entering one allocates nothing.

use crate::load::{self, Part, PartOffered};
use crate::measure::{Excess, Latency, Limits};
use crate::num;
use crate::plan::{Ns, Plan, Segment, Span};
use crate::record::{self, Step, StepGroup};
use crate::verdict::limits;

use super::explain::OwnDelays;
use super::generator::Generated;
use super::parts::Parts;
use super::shared::Calendar;

/// The steps and what is counted of each.
#[derive(Debug)]
pub(super) struct BySteps<T> {
    measure_start: Ns,
    /// End of each step, since the start of the measure phase.
    ends: Vec<Ns>,
    pub(super) steps: Vec<T>,
}

impl<T> BySteps<T> {
    /// Nothing is counted.
    pub(super) const fn none() -> Self {
        Self { measure_start: 0, ends: Vec::new(), steps: Vec::new() }
    }

    pub(super) fn new(parts: &[Segment], calendar: Calendar, of: impl Fn(Ns, Span) -> T) -> Self {
        let count =
            |part: &Segment| of(calendar.measure_start + part.from, Span { ns: part.until - part.from });
        Self {
            measure_start: calendar.measure_start,
            ends: parts.iter().map(|part| part.until).collect(),
            steps: parts.iter().map(count).collect(),
        }
    }

    /// The step of an event of the measure phase, and the step's end.
    #[inline]
    pub(super) fn of(&mut self, intended: Ns) -> Option<(&mut T, Ns)> {
        if self.ends.is_empty() {
            return None;
        }
        let since_start = intended.saturating_sub(self.measure_start);
        let at = self.ends.partition_point(|&end| end <= since_start);
        let end = *self.ends.get(at)?;
        Some((self.steps.get_mut(at)?, self.measure_start + end))
    }
}

/// What a generator did of a step.
#[derive(Debug)]
pub(super) struct Sent {
    /// Slots by topic, and those of them that it failed to send without the bus.
    due: Vec<u64>,
    unsent_own: Vec<u64>,
    /// Events that the client took.
    taken: u64,
    acked: u64,
    finished_late_ns: u64,
    send_lag: Latency,
    /// Only with an objective on it.
    ack: Option<(Latency, Excess)>,
    service: Option<Latency>,
}

impl Sent {
    /// The counts of all steps, before the first event.
    pub(super) fn of(parts: &[Segment], plan: &Plan, calendar: Calendar) -> BySteps<Self> {
        let limits = limits(plan);
        let ack = !limits.ack.is_empty();
        BySteps::new(parts, calendar, |start, length| Self::new(plan, &limits, ack, start, length))
    }

    /// The counts of a part; the times to the acknowledgement only if they are wanted.
    pub(super) fn new(plan: &Plan, limits: &Limits, ack: bool, start: Ns, length: Span) -> Self {
        let topics = plan.topology.topics.len();
        Self {
            due: vec![0; topics],
            unsent_own: vec![0; topics],
            taken: 0,
            acked: 0,
            finished_late_ns: 0,
            send_lag: Latency::new(&limits.send_lag),
            ack: ack.then(|| (Latency::new(&limits.ack), Excess::new(start, length, &limits.ack))),
            service: (!limits.service.is_empty()).then(|| Latency::new(&limits.service)),
        }
    }

    /// An event came due and had its turn so much later.
    pub(super) fn due(&mut self, topic: usize, late_ns: u64) {
        self.due[topic] += 1;
        self.finished_late_ns = late_ns;
    }

    /// The client took it.
    pub(super) fn sent(&mut self, intended: Ns, sent: Ns) {
        self.taken += 1;
        self.send_lag.record_between(intended, sent);
    }

    /// Events that came due.
    pub(super) fn due_events(&self) -> u64 {
        self.due.iter().sum()
    }

    /// Events that were confirmed.
    pub(super) const fn acked_events(&self) -> u64 {
        self.acked
    }

    /// It was not sent, and the bus had no part in that.
    pub(super) fn unsent_own(&mut self, topic: usize) {
        self.unsent_own[topic] += 1;
    }

    /// It was confirmed.
    pub(super) fn acked(&mut self, intended: Ns, sent: Ns, at: Ns) {
        self.acked += 1;
        if let Some((ack, excess)) = &mut self.ack {
            ack.record_between(intended, at);
            excess.record(intended, at);
        }
        if let Some(service) = &mut self.service {
            service.record_between(sent, at);
        }
    }
}

/// What a group received of a step.
#[derive(Debug)]
pub(super) struct Got {
    latency: Latency,
    excess: Excess,
    in_time: u64,
}

impl Got {
    /// The counts of all steps, before the first event.
    pub(super) fn of(parts: &[Segment], limits: &[u64], calendar: Calendar) -> BySteps<Self> {
        BySteps::new(parts, calendar, |start, length| Self::new(limits, start, length))
    }

    /// The counts of a part.
    pub(super) fn new(limits: &[u64], start: Ns, length: Span) -> Self {
        Self { latency: Latency::new(limits), excess: Excess::new(start, length, limits), in_time: 0 }
    }

    /// A first delivery.
    pub(super) fn first(&mut self, intended: Ns, received: Ns, in_time_until: Ns) {
        self.latency.record_between(intended, received);
        self.excess.record(intended, received);
        self.in_time += u64::from(received <= in_time_until);
    }
}

/// The steps that the run began, without a judgement.
pub(super) fn figures(parts: &Parts<'_>, own: &OwnDelays, measured_ns: Ns) -> Vec<Step> {
    let limits = limits(parts.plan);
    let begun = load::steps(&parts.plan.load).into_iter().filter(|part| part.from < measured_ns);
    begun.enumerate().map(|(at, part)| step(parts, own, &limits, at, part, measured_ns)).collect()
}

fn step(parts: &Parts<'_>, own: &OwnDelays, limits: &Limits, at: usize, part: Part, measured_ns: Ns) -> Step {
    let all: Vec<&Sent> = parts.ended.generated.iter().filter_map(|g| g.by_step.steps.get(at)).collect();
    let received = parts.ended.received.iter();
    let got: Vec<Vec<&Got>> =
        received.map(|own| own.iter().filter_map(|own| own.by_step.steps.get(at)).collect()).collect();
    let offered = parts.ended.generated.iter().filter_map(|g| offered_in(g, part.number));
    let rate = parts.plan.load.steps.as_ref().and_then(|steps| steps.rates.get(at));
    Step {
        number: part.number,
        from_ns: part.from,
        until_ns: part.until.min(measured_ns),
        planned_rate: rate.map_or(0.0, |rate| rate.per_second),
        offered: offered.min_by(|a, b| a.reached().total_cmp(&b.reached())).map(offered_words),
        ..merged(parts, own, limits, &all, &got)
    }
}

/// The figures of what was counted of a part, in one place or in several.
pub(super) fn merged(
    parts: &Parts<'_>,
    own: &OwnDelays,
    limits: &Limits,
    all: &[&Sent],
    got: &[Vec<&Got>],
) -> Step {
    let sum = |of: fn(&Sent) -> u64| all.iter().map(|sent| of(sent)).sum::<u64>();
    let mut send_lag = Latency::new(&limits.send_lag);
    for sent in all {
        send_lag.merge(&sent.send_lag);
    }
    let none = Vec::new();
    let of_group = |group: usize| group_of(parts, own, limits, group, all, got.get(group).unwrap_or(&none));
    Step {
        due: sum(|sent| sent.due.iter().sum()),
        sent: sum(|sent| sent.taken),
        acked: sum(|sent| sent.acked),
        unsent_own: sum(|sent| sent.unsent_own.iter().sum()),
        finished_late_ns: all.iter().map(|sent| sent.finished_late_ns).max().unwrap_or(0),
        send_lag: record::Latency::from(&send_lag),
        ack: ack(own, limits, all),
        service: service(limits, all),
        groups: (0..parts.plan.groups.len()).map(of_group).collect(),
        ..Step::default()
    }
}

/// A part of the load as a record has it.
pub(super) fn offered_words(offered: PartOffered) -> record::Offered {
    record::Offered {
        part: offered.part.name(),
        due: offered.due,
        offered: offered.offered,
        soon_after: offered.soon_after,
    }
}

fn offered_in(generated: &Generated, number: u64) -> Option<PartOffered> {
    generated.offered_steps.iter().find(|offered| offered.part.number == number).copied()
}

fn ack(own: &OwnDelays, limits: &Limits, all: &[&Sent]) -> Option<record::Latency> {
    let counted: Vec<_> = all.iter().filter_map(|sent| sent.ack.as_ref()).collect();
    let mut sum = Latency::new(&limits.ack);
    for (latency, _) in &counted {
        sum.merge(latency);
    }
    let excesses: Vec<&Excess> = counted.iter().map(|(_, excess)| excess).collect();
    (!counted.is_empty()).then(|| own.explained_by(&sum, &excesses))
}

fn service(limits: &Limits, all: &[&Sent]) -> Option<record::Latency> {
    let mut sum: Option<Latency> = None;
    for service in all.iter().filter_map(|sent| sent.service.as_ref()) {
        sum.get_or_insert_with(|| Latency::new(&limits.service)).merge(service);
    }
    sum.as_ref().map(record::Latency::from)
}

fn group_of(
    parts: &Parts<'_>,
    own: &OwnDelays,
    limits: &Limits,
    group: usize,
    all: &[&Sent],
    got: &[&Got],
) -> StepGroup {
    let topics = parts.subscriptions.group(group);
    let count = |of: fn(&Sent) -> &Vec<u64>| -> u64 {
        topics.iter().map(|topic| all.iter().map(|sent| of(sent)[topic]).sum::<u64>()).sum()
    };
    let mut latency = Latency::new(&limits.latency);
    for got in got {
        latency.merge(&got.latency);
    }
    let excesses: Vec<&Excess> = got.iter().map(|got| &got.excess).collect();
    StepGroup {
        name: parts.plan.groups[group].name.clone(),
        due: count(|sent| &sent.due),
        unsent_own: count(|sent| &sent.unsent_own),
        in_time: got.iter().map(|got| got.in_time).sum(),
        latency: own.explained_by(&latency, &excesses),
    }
}

/// The steps of a load as parts of the measure phase.
pub(super) fn parts_of(steps: &[Part]) -> Vec<Segment> {
    steps.iter().map(|part| Segment { from: part.from, until: part.until }).collect()
}

/// Histograms that a run keeps for each step: of all groups, and of all generators.
pub(super) fn histograms(plan: &Plan) -> u64 {
    let limits = limits(plan);
    let of_generator =
        1 + num::count([&limits.ack, &limits.service].iter().filter(|limits| !limits.is_empty()).count());
    num::count(plan.groups.len()) + u64::from(plan.load.generators) * of_generator
}
