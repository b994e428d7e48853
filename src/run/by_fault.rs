//! What a generator and a group count around faults, and the figures that follow: the availability of the bus, each scope of the
//! measure phase, what each fault did, and the steps of its chart. Nothing for a plan without faults and without an objective
//! on availability.
//!
//! Everything is created before the first event: entering one allocates nothing.

use crate::bus::{Ack, Answer, Refused};
use crate::load;
use crate::measure::{
    Answers, Backlog, Confirmations, FirstDeliveries, GroupSide, Limits, Recovery, Slots, WINDOW_NS, Watched,
    mark_backlog, recovery, topics_of,
};
use crate::num;
use crate::plan::{Fault, Metric, Ns, Plan, Segment, Span, Target, When, segments};
use crate::record::{
    self, Availability, Effect, Fine, GroupOutage, Outage, Record, Recovered, ScopeFigures, Step,
};
use crate::topology::Subscriptions;
use crate::verdict::{limits, tightest_limit_ns};

use super::by_step::{BySteps, Got, Sent, merged};
use super::explain::OwnDelays;
use super::parts::Parts;
use super::shared::Calendar;

/// How long before a fault its chart begins.
const LEAD_NS: Ns = 2_000_000_000;

/// Is the availability of the bus watched in runs of this plan?
fn is_watched(plan: &Plan) -> bool {
    let of_availability = |metric: Metric| matches!(metric, Metric::Unavailable(_));
    !plan.faults.is_empty() || plan.objectives.iter().any(|objective| of_availability(objective.metric))
}

/// The number of parts that the faults of a plan make of its measure phase; `None` if nothing is counted.
pub(super) fn parts(plan: &Plan) -> Option<u64> {
    is_watched(plan).then(|| num::count(segments(plan).len()))
}

/// The backlog of a run, by window where its availability is watched.
pub(super) fn backlog(plan: &Plan, subscriptions: &Subscriptions, calendar: Calendar) -> Backlog {
    let backlog = Backlog::new(subscriptions, plan.keys(), num::index32(plan.load.generators));
    if is_watched(plan) { backlog.by_window(calendar.measure_start, plan.load.duration) } else { backlog }
}

/// What a plan wants to be counted.
#[derive(Debug, Clone)]
pub(super) struct AroundFaults {
    segments: Vec<Segment>,
    /// For each segment the end of the fault that it belongs to, or its own.
    ends: Vec<Ns>,
    within_ns: u64,
    duration: Span,
}

impl AroundFaults {
    /// `None` if nothing is counted.
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        let segments = segments(plan);
        let end = |segment: &Segment| {
            let during = |fault: &&Fault| fault.at.ns <= segment.from && segment.from < fault.settled_at();
            let of_fault = plan.faults.iter().find(during).map(Fault::settled_at);
            of_fault.map_or(segment.until, |end| end.min(plan.load.duration.ns))
        };
        is_watched(plan).then(|| Self {
            ends: segments.iter().map(end).collect(),
            segments,
            within_ns: tightest_limit_ns(plan),
            duration: plan.load.duration,
        })
    }

    /// A generator's counts, before the load.
    pub(super) fn sent(&self, plan: &Plan, calendar: Calendar) -> SentAround {
        let (start, topics) = (calendar.measure_start, plan.topology.topics.len());
        let limits = limits(plan);
        let part = |start, length| SentPart {
            sent: Sent::new(plan, &limits, true, start, length),
            refused: 0,
            unconfirmed: 0,
            unsent: 0,
            resent: 0,
        };
        SentAround {
            segments: BySteps::new(&self.segments, calendar, part),
            confirmations: Confirmations::new(start, self.duration, self.within_ns, topics),
        }
    }

    /// A group's counts, before the load.
    pub(super) fn got(&self, limits: &[u64], calendar: Calendar) -> GotAround {
        let start = calendar.measure_start;
        let part = |start, length| GotPart {
            got: Got::new(limits, start, length),
            in_time_of_fault: 0,
            in_time_until: 0,
        };
        let mut segments = BySteps::new(&self.segments, calendar, part);
        for (part, end) in segments.steps.iter_mut().zip(&self.ends) {
            part.in_time_until = start + end + self.within_ns;
        }
        let first = FirstDeliveries::new(start, self.duration, self.within_ns);
        GotAround { segments, first, within_ns: self.within_ns }
    }
}

/// What a generator did around faults.
#[derive(Debug)]
pub(super) struct SentAround {
    segments: BySteps<SentPart>,
    confirmations: Confirmations,
}

#[derive(Debug)]
struct SentPart {
    sent: Sent,
    refused: u64,
    unconfirmed: u64,
    unsent: u64,
    /// Sent more than once.
    resent: u64,
}

impl SentAround {
    /// An event of the measure phase came due, and was handed to the client.
    pub(super) fn fired(&mut self, topic: usize, intended: Ns, sent: Ns, taken: Result<(), Refused>) {
        let own = taken == Err(Refused::TooLarge);
        if !own {
            self.confirmations.due(topic, intended);
            if taken.is_err() {
                self.confirmations.refused(intended, sent);
            }
        }
        let Some((part, _)) = self.segments.of(intended) else { return };
        part.sent.due(topic, sent.saturating_sub(intended));
        if taken.is_ok() {
            part.sent.sent(intended, sent);
        } else {
            part.unsent += 1;
        }
        if own {
            part.sent.unsent_own(topic);
        }
    }

    /// An event of the measure phase was not sent, and the bus had no part in that.
    pub(super) fn skipped(&mut self, topic: usize, intended: Ns, now: Ns) {
        let Some((part, _)) = self.segments.of(intended) else { return };
        part.sent.due(topic, now.saturating_sub(intended));
        part.sent.unsent_own(topic);
        part.unsent += 1;
    }

    /// An event has its answer.
    pub(super) fn answered(&mut self, measured: bool, intended: Ns, sent: Ns, ack: &Ack) {
        match ack.outcome {
            Answer::Stored { .. } => self.confirmations.confirmed(intended, ack.at),
            Answer::Refused(_) => self.confirmations.refused(intended, ack.at),
            Answer::Unconfirmed(_) => self.confirmations.given_up(ack.at),
        }
        if !measured {
            return;
        }
        let Some((part, _)) = self.segments.of(intended) else { return };
        part.resent += u64::from(ack.tries.copies > 1);
        match ack.outcome {
            Answer::Stored { .. } => part.sent.acked(intended, sent, ack.at),
            Answer::Refused(_) => part.refused += 1,
            Answer::Unconfirmed(_) => part.unconfirmed += 1,
        }
    }

    /// An event of the measure phase was left without an answer.
    pub(super) fn unanswered(&mut self, intended: Ns) {
        if let Some((part, _)) = self.segments.of(intended) {
            part.unconfirmed += 1;
        }
    }
}

/// What a group received around faults.
#[derive(Debug)]
pub(super) struct GotAround {
    segments: BySteps<GotPart>,
    first: FirstDeliveries,
    within_ns: u64,
}

#[derive(Debug)]
struct GotPart {
    got: Got,
    /// In time as a part of its fault, which ends later.
    in_time_of_fault: u64,
    in_time_until: Ns,
}

impl GotAround {
    /// A first delivery.
    pub(super) fn first(&mut self, measured: bool, intended: Ns, received: Ns) {
        self.first.first(intended, received);
        if measured && let Some((part, end)) = self.segments.of(intended) {
            part.got.first(intended, received, end + self.within_ns);
            part.in_time_of_fault += u64::from(received <= part.in_time_until);
        }
    }
}

/// Fills in the availability, the scopes, the steps around each fault, and what each injected fault did.
pub(super) fn fill(record: &mut Record, parts: &Parts<'_>, own: &OwnDelays, measured_ns: Ns) {
    let Some(seen) = Seen::of(parts, measured_ns) else { return };
    let limits = limits(parts.plan);
    record.faults.availability = seen.availability(&[Segment { from: 0, until: measured_ns }]);
    let scopes = When::of(parts.plan);
    record.faults.scopes = scopes.iter().filter_map(|when| seen.scope(own, &limits, when)).collect();
    let planned = &parts.plan.faults;
    record.faults.fine = planned.iter().filter_map(|fault| seen.fine(fault)).collect();
    let start = parts.calendar.measure_start;
    for injected in &mut record.faults.injected {
        let happened = injected.happened();
        let fault = planned.iter().find(|fault| fault.name == injected.name).filter(|_| happened);
        let undone = injected.undone_ns.map(|at| at.saturating_sub(start));
        injected.effect = fault.and_then(|fault| seen.effect(fault, undone));
    }
}

/// Everything that the workers of a run have counted.
struct Seen<'a> {
    parts: &'a Parts<'a>,
    measured_ns: Ns,
    confirmations: Confirmations,
    publishing: Slots,
    groups: Vec<Slots>,
    segments: Vec<Segment>,
    /// Windows in which all was normal.
    normal: Vec<bool>,
}

impl<'a> Seen<'a> {
    /// `None` if nothing was counted.
    fn of(parts: &'a Parts<'a>, measured_ns: Ns) -> Option<Self> {
        let mut all = parts.ended.generated.iter().filter_map(|own| own.around_faults.as_ref());
        let mut confirmations = all.next()?.confirmations.clone();
        all.for_each(|own| confirmations.merge(&own.confirmations));
        let side = |group: usize| GroupSide {
            topics: topics_of(parts.subscriptions.group(group).iter()),
            received: of_group(parts, group).map(|got| &got.first),
        };
        let sides: Vec<GroupSide<'_>> = (0..parts.plan.groups.len()).map(side).collect();
        let mut normal = confirmations.normal(&sides);
        if let Some(first) = parts.plan.faults.iter().map(|fault| fault.at.ns).min() {
            let backlogs = parts.backlogs.by_window.iter();
            backlogs.for_each(|backlog| mark_backlog(&mut normal, backlog, first));
        }
        Some(Self {
            publishing: confirmations.slots(),
            groups: sides.iter().map(|side| confirmations.slots_of(side)).collect(),
            segments: segments(parts.plan),
            parts,
            measured_ns,
            confirmations,
            normal,
        })
    }

    fn availability(&self, stretches: &[Segment]) -> Availability {
        let outage = |slots: &Slots| {
            let down = slots.down(stretches.iter().map(|stretch| (stretch.from, stretch.until)));
            Outage { unavailable_ns: down.total_ns, longest_ns: down.longest_ns }
        };
        let named = self.parts.plan.groups.iter().zip(&self.groups);
        Availability {
            within_ns: tightest_limit_ns(self.parts.plan),
            publishing: outage(&self.publishing),
            groups: named
                .map(|(group, slots)| GroupOutage { name: group.name.clone(), outage: outage(slots) })
                .collect(),
        }
    }

    /// The stretches of a scope, as far as the run came.
    fn stretches(&self, when: &When) -> Vec<Segment> {
        let reached = |stretch: Segment| Segment { until: stretch.until.min(self.measured_ns), ..stretch };
        let all = when.stretches(self.parts.plan).into_iter().map(reached);
        all.filter(|stretch| stretch.from < stretch.until).collect()
    }

    /// What the generators and a group counted of a scope.
    fn sent(&self, when: &When) -> Vec<&'a SentPart> {
        let all = self.parts.ended.generated.iter().filter_map(|own| own.around_faults.as_ref());
        all.flat_map(|around| self.held(when, &around.segments.steps)).collect()
    }

    fn got(&self, when: &When, group: usize) -> Vec<&'a GotPart> {
        of_group(self.parts, group).map_or_else(Vec::new, |got| self.held(when, &got.segments.steps))
    }

    fn held<T>(&self, when: &When, parts: &'a [T]) -> Vec<&'a T> {
        let of_scope = self.segments.iter().map(|segment| when.holds(self.parts.plan, segment.from));
        parts.iter().zip(of_scope).filter(|(_, held)| *held).map(|(part, _)| part).collect()
    }

    /// The figures of a scope that the run has reached.
    fn scope(&self, own: &OwnDelays, limits: &Limits, when: &When) -> Option<ScopeFigures> {
        let stretches = self.stretches(when);
        let length: u64 = stretches.iter().map(|stretch| stretch.until - stretch.from).sum();
        if length == 0 {
            return None;
        }
        let sent: Vec<&Sent> = self.sent(when).into_iter().map(|part| &part.sent).collect();
        let groups = 0..self.parts.plan.groups.len();
        let of_groups: Vec<Vec<&GotPart>> = groups.map(|group| self.got(when, group)).collect();
        let got: Vec<Vec<&Got>> =
            of_groups.iter().map(|parts| parts.iter().map(|part| &part.got).collect()).collect();
        let mut figures = Step {
            until_ns: length,
            planned_rate: planned_rate(self.parts.plan, &stretches, length),
            ..merged(self.parts, own, limits, &sent, &got)
        };
        if matches!(when, When::Fault(_)) {
            for (group, parts) in figures.groups.iter_mut().zip(&of_groups) {
                group.in_time = parts.iter().map(|part| part.in_time_of_fault).sum();
            }
        }
        Some(ScopeFigures {
            name: when.to_string(),
            ranges: stretches.iter().map(|stretch| (stretch.from, stretch.until)).collect(),
            availability: self.availability(&stretches),
            figures,
        })
    }

    /// The steps around a fault, from two seconds before it, if the run reached it.
    fn fine(&self, fault: &Fault) -> Option<Fine> {
        let (at, until) = (fault.at.ns, fault.settled_at().min(self.measured_ns));
        if self.measured_ns <= at {
            return None;
        }
        let (first, end) = (at.saturating_sub(LEAD_NS) / WINDOW_NS, until.div_ceil(WINDOW_NS));
        let windows = (first..end).map(num::index);
        let received = self.parts.ended.received.iter().flatten();
        let first_deliveries: Vec<&[u32]> = received
            .filter_map(|received| received.around_faults.as_ref())
            .map(|got| got.first.delivered())
            .collect();
        let delivered = |window: usize| {
            first_deliveries
                .iter()
                .filter_map(|group| group.get(window))
                .fold(0, |sum: u32, n| sum.saturating_add(*n))
        };
        let answers: Vec<Answers> = windows
            .clone()
            .map(|window| self.confirmations.answers().get(window).copied().unwrap_or_default())
            .collect();
        Some(Fine {
            fault: fault.name.clone(),
            from_ns: self.parts.calendar.measure_start + first * WINDOW_NS,
            step_ns: WINDOW_NS,
            acked: answers.iter().map(|answers| answers.acked).collect(),
            refused: answers.iter().map(|answers| answers.refused).collect(),
            delivered: windows.map(delivered).collect(),
            ack_max_ns: answers.iter().map(|answers| answers.ack_max_ns).collect(),
        })
    }

    /// What a fault did, if the run reached it; `undone` is when its undo was done, since the start of the measure phase.
    fn effect(&self, fault: &Fault, undone: Option<Ns>) -> Option<Effect> {
        let at = fault.at.ns;
        if self.measured_ns <= at {
            return None;
        }
        let when = When::Fault(fault.name.clone());
        let sent = self.sent(&when);
        let sum = |of: fn(&SentPart) -> u64| sent.iter().map(|part| of(part)).sum::<u64>();
        let next = self.parts.plan.faults.iter().map(|other| other.at.ns).filter(|other| *other > at).min();
        let until = next.unwrap_or(Ns::MAX).min(self.measured_ns);
        let watched = Watched { at, settled: fault.settled_at(), until };
        let (recovered, after, observed_ns) = match recovery(&self.normal, watched) {
            Recovery::After(ns) => (Recovered::Yes, Some(ns), ns),
            Recovery::Not => (Recovered::No, None, watched.settled - at),
            Recovery::TooShort => (Recovered::Unknown, None, until - at),
        };
        let Availability { publishing, groups, .. } = self.availability(&self.stretches(&when));
        Some(Effect {
            due: sum(|part| part.sent.due_events()),
            acked: sum(|part| part.sent.acked_events()),
            refused: sum(|part| part.refused),
            unconfirmed: sum(|part| part.unconfirmed),
            unsent: sum(|part| part.unsent),
            resent: sum(|part| part.resent),
            publishing,
            groups,
            recovered,
            recovery_ns: after,
            after_undo_ns: after.zip(undone).map(|(after, undone)| (at + after).saturating_sub(undone)),
            observed_ns,
        })
    }
}

fn of_group<'a>(parts: &'a Parts<'a>, group: usize) -> Option<&'a GotAround> {
    parts.ended.received.get(group)?.as_ref()?.around_faults.as_deref()
}

/// The planned rate over some stretches of the measure phase.
fn planned_rate(plan: &Plan, stretches: &[Segment], length: u64) -> f64 {
    if plan.load.is_closed() {
        return 0.0;
    }
    let by = |ns: Ns| load::expected_by(&plan.load, Span { ns });
    let events: f64 = stretches.iter().map(|stretch| by(stretch.until) - by(stretch.from)).sum();
    (events / (num::f64_of(length) / 1e9) * 1e6).round() / 1e6
}

/// The faults of a plan as they are when each goes as planned, but for those whose time had not come when the load ended.
pub(super) fn as_planned(plan: &Plan, calendar: Calendar, load_end: Ns) -> Vec<record::Fault> {
    let at = |since: Ns| calendar.measure_start + since;
    let of = |fault: &Fault| {
        let undo = (!fault.length.is_zero()).then(|| at(fault.undo_at()));
        let ends = fault.between.as_ref().map(|[from, to]| format!("{from}, {to}"));
        let planned = record::Fault {
            name: fault.name.clone(),
            action: fault.action.to_string(),
            target: fault.target.as_ref().map(ToString::to_string).or(ends).unwrap_or_default(),
            planned_ns: at(fault.at.ns),
            undo_planned_ns: undo,
            settled_ns: at(fault.settled_at()),
            resolved: members(plan, fault),
            outcome: record::Injection::Dropped,
            ..record::Fault::default()
        };
        if load_end <= planned.planned_ns {
            return planned;
        }
        record::Fault {
            begun_ns: Some(planned.planned_ns),
            verified_ns: Some(planned.planned_ns),
            undone_ns: undo,
            healthy_ns: undo,
            outcome: record::Injection::Done,
            ..planned
        }
    };
    plan.faults.iter().map(of).collect()
}

/// The members that a fault acts on, by their names; none for one of nodes.
fn members(plan: &Plan, fault: &Fault) -> Vec<String> {
    let Some(Target::Group(name, number)) = &fault.target else { return Vec::new() };
    let members = plan.groups.iter().find(|group| group.name == *name).map_or(0, |group| group.members);
    let fits = |member: &u32| number.is_none_or(|number| number == *member);
    (1..=members).filter(fits).map(|member| format!("{name}/{member}")).collect()
}
