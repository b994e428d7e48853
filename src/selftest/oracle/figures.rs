//! The figures of a run by their definitions, from lists of everything that happened.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::bus::sim::{Delivered, Event, Outcome, Truth};
use crate::num;
use crate::plan::{Arrival, Metric, Ns, Plan, Stat, Timing, Value, When};
use crate::record::{PhaseName, Record};
use crate::topology;

/// The figures of the publishing side and of all groups.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the names are those of the record")]
pub struct Figures {
    pub seconds: f64,
    /// Seconds of the measure phase, a partial last one included.
    pub whole_seconds: usize,
    pub intended: u64,
    pub acked: u64,
    pub acked_duplicate: u64,
    pub refused: u64,
    pub unsent: u64,
    pub unconfirmed: u64,
    pub unconfirmed_disconnected: u64,
    /// Copies beyond the first of each event, and events whose time for being sent again was over.
    pub resent: u64,
    pub gave_up: u64,
    /// Of the refused ones, those that never left the client.
    pub not_sent: u64,
    pub measured_intended: u64,
    pub measured_sent: u64,
    pub measured_acked: u64,
    pub finished_late_ns: u64,
    pub send_lag: Vec<i64>,
    pub ack: Vec<i64>,
    /// The same without the harness's delays: from the actual moment of sending to that of arrival.
    pub ack_of_the_bus: Vec<i64>,
    /// The share of each step, each burst, or else the phase that each publisher offered in time.
    pub offered: Vec<f64>,
    pub service: Vec<i64>,
    pub by_topic: Vec<u64>,
    pub audit: AuditFigures,
    pub groups: Vec<GroupFigures>,
}

/// The figures of one group.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the names are those of the record")]
pub struct GroupFigures {
    pub expected: u64,
    pub delivered: u64,
    pub lost_not_stored: u64,
    pub lost_not_delivered: u64,
    /// Of the undelivered ones, those that may still come.
    pub pending: u64,
    /// As (topic, symbol, sequence).
    pub lost_events: Vec<(u32, u32, u32)>,
    pub recovered: u64,
    pub unexpected: u64,
    pub redelivered: u64,
    pub duplicate: u64,
    /// Of each reordered event.
    pub extents: Vec<u64>,
    pub late_max_ns: u64,
    pub corrupt: u64,
    pub foreign: u64,
    pub measured_intended: u64,
    pub measured_in_time: u64,
    pub latency: Vec<i64>,
    /// The same without the harness's delays.
    pub latency_of_the_bus: Vec<i64>,
    /// The same by second of the measure phase.
    pub by_second: Vec<Vec<i64>>,
    /// The same without the harness's delays, by second.
    pub of_the_bus_by_second: Vec<Vec<i64>>,
    /// Events that were due, by second of the measure phase.
    pub due_by_second: Vec<u64>,
    /// The most events that were confirmed and not delivered at any one time.
    pub backlog_max: u64,
    pub by_topic: Vec<u64>,
}

impl GroupFigures {
    /// The outcome of each event that the group subscribes to, given those that it has seen.
    fn settle(
        &mut self,
        truth: &Truth,
        topics: &BTreeSet<u32>,
        seen: &HashSet<u32>,
        stored: &HashSet<u32>,
        phase: Phase,
    ) {
        let subscribed = (0_u32..).zip(&truth.events).filter(|(_, event)| topics.contains(&event.topic));
        for (number, event) in subscribed {
            if phase.holds(event) {
                self.measured_intended += 1;
                self.due_by_second[num::index((phase.intended(event) - phase.start) / 1_000_000_000)] += 1;
            }
            let acked = matches!(event.outcome, Outcome::Acked(_));
            self.expected += u64::from(acked);
            match (acked, seen.contains(&number)) {
                (true, true) | (false, false) => {}
                (true, false) => {
                    self.lost_events.push((event.topic, event.symbol, event.sequence));
                    let kept = stored.contains(&number);
                    *(if kept { &mut self.lost_not_delivered } else { &mut self.lost_not_stored }) += 1;
                }
                (false, true) if is_in_doubt(event.outcome) => self.recovered += 1,
                (false, true) => self.unexpected += 1,
            }
        }
    }

    /// Marks up to `owed` of the missing events as pending. Events that are not stored cannot come; without an
    /// audit it is unknown which are stored.
    fn mark_pending(&mut self, owed: u64, audited: bool) {
        let stored = if audited { self.lost_not_delivered } else { num::count(self.lost_events.len()) };
        self.pending = stored.min(owed);
        if audited {
            self.lost_not_delivered -= self.pending;
        }
    }

    /// Acked, never delivered, and not expected any more.
    #[must_use]
    pub fn lost(&self) -> u64 {
        num::count(self.lost_events.len()) - self.pending
    }
}

/// The content of the store.
#[derive(Debug, Clone, Default)]
pub struct AuditFigures {
    pub read: u64,
    pub stored_once: u64,
    pub missing: u64,
    pub stored_twice: u64,
    pub out_of_order: u64,
    pub unconfirmed_stored: u64,
    pub foreign: u64,
    pub corrupt: u64,
    /// Acked events stored exactly once and in order.
    pub perfect: u64,
    /// Positions that one of the copies that were read holds and another one lacks; none for a single log.
    pub diverged: Option<u64>,
    /// For each copy, the events in it; none for one that was not read.
    pub replicas: Vec<Option<u64>>,
    /// Whether missing events are lost: every copy that may hold them was read.
    pub settled: bool,
}

/// The times of the measure phase.
#[derive(Clone, Copy)]
struct Phase {
    start: Ns,
    end: Ns,
    in_time_until: Ns,
    epoch_unix_ns: u64,
}

impl Phase {
    fn of(record: &Record) -> Self {
        let (start, end) =
            record.phase(PhaseName::Measure).map_or((0, 0), |phase| (phase.start_ns, phase.end_ns));
        Self {
            start,
            end,
            in_time_until: end + tightest(&record.plan),
            epoch_unix_ns: record.run.epoch_unix_ns,
        }
    }

    fn intended(self, event: &Event) -> Ns {
        event.intended_unix_ns - self.epoch_unix_ns
    }

    fn holds(self, event: &Event) -> bool {
        (self.start..self.end).contains(&self.intended(event))
    }
}

/// The tightest limit on a tail of the latency outside of faults, or 100 ms.
pub(super) fn tightest(plan: &Plan) -> Ns {
    let in_a_fault = |when: &When| matches!(when, When::During | When::Recovery | When::Fault(_));
    let outside = plan.objectives.iter().filter(|objective| !in_a_fault(&objective.scope.when));
    let limits = outside.filter_map(|objective| match (objective.metric, objective.limit) {
        (Metric::Time(Timing::Latency, stat), Value::Time(limit)) if is_tail(stat) => Some(limit.ns),
        _ => None,
    });
    limits.min().unwrap_or(100_000_000)
}

pub(super) fn is_tail(stat: Stat) -> bool {
    match stat {
        Stat::Quantile(q) => q >= 0.9,
        Stat::Min => false,
        Stat::Mean | Stat::Max => true,
    }
}

/// It left the client, and its outcome is unknown.
const fn is_in_doubt(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Unconfirmed | Outcome::Disconnected | Outcome::Open)
}

fn between(from: Ns, to: Ns) -> i64 {
    i64::try_from(i128::from(to) - i128::from(from)).unwrap_or(i64::MAX)
}

impl Figures {
    /// The figures of a run, from the full truth about it.
    #[must_use]
    pub fn of(record: &Record, truth: &Truth) -> Self {
        let phase = Phase::of(record);
        let mut own = Self {
            seconds: num::f64_of(phase.end - phase.start) / 1e9,
            whole_seconds: num::index((phase.end - phase.start).div_ceil(1_000_000_000)),
            by_topic: vec![0; record.plan.topology.topics.len()],
            ..Self::default()
        };
        let mut last_turn: BTreeMap<u32, u64> = BTreeMap::new();
        for event in &truth.events {
            let (intended, measured) = (phase.intended(event), phase.holds(event));
            own.intended += 1;
            own.by_topic[num::index32(event.topic)] += 1;
            own.measured_intended += u64::from(measured);
            if measured {
                last_turn.insert(event.publisher, event.sent.saturating_sub(intended));
            }
            if !matches!(event.outcome, Outcome::Unsent(_)) && measured {
                own.measured_sent += 1;
                own.send_lag.push(between(intended, event.sent));
            }
            match event.outcome {
                Outcome::Unsent(_) => own.unsent += 1,
                Outcome::Refused => own.refused += 1,
                Outcome::NotSent => {
                    own.refused += 1;
                    own.not_sent += 1;
                }
                Outcome::Unconfirmed | Outcome::Open => own.unconfirmed += 1,
                Outcome::Disconnected => {
                    own.unconfirmed += 1;
                    own.unconfirmed_disconnected += 1;
                }
                Outcome::Acked(duplicate) => {
                    own.acked += 1;
                    own.acked_duplicate += u64::from(duplicate);
                    if measured {
                        own.measured_acked += 1;
                        own.ack.push(between(intended, event.answered));
                        own.service.push(between(event.sent, event.answered));
                        own.ack_of_the_bus.push(between(event.sent, event.answer_arrived));
                    }
                }
            }
        }
        own.resent = truth.events.iter().map(|event| u64::from(event.copies.saturating_sub(1))).sum();
        own.gave_up = num::count(truth.events.iter().filter(|event| event.gave_up).count());
        own.offered = offered(record, truth, phase);
        own.finished_late_ns = last_turn.values().copied().max().unwrap_or(0);
        let kept = kept(truth);
        let intact = truth.copies.iter().zip(&kept).filter(|(copy, kept)| **kept && !copy.damaged);
        let stored: HashSet<u32> = intact.filter_map(|(copy, _)| copy.itself()).collect();
        own.audit = audit(truth, &kept, &stored);
        own.audit.settled &= record.audit.is_some();
        for (index, group) in record.plan.groups.iter().enumerate() {
            let topics = topology::receives(group, &record.plan.topology.topics).unwrap_or_default();
            let topics: BTreeSet<u32> = topics.into_iter().map(num::count32).collect();
            let mut figures =
                of_group(truth, &truth.deliveries[index], &topics, &stored, phase, own.by_topic.len());
            figures.mark_pending(truth.owed.get(index).copied().unwrap_or(0), own.audit.settled);
            figures.backlog_max = backlog_max(truth, &truth.deliveries[index], &topics);
            own.groups.push(figures);
        }
        own
    }
}

/// For each publisher and each step, burst or else the phase: the share of its events that were fired before it
/// ended; counted as 95 % or more where all were fired by a nineteenth of its length later.
fn offered(record: &Record, truth: &Truth, phase: Phase) -> Vec<f64> {
    let load = &record.plan.load;
    let length = phase.end - phase.start;
    let parts: Vec<(Ns, Ns)> = match (load.arrival, &load.steps, load.burst) {
        (Arrival::Steps, Some(steps), _) => {
            let seconds = num::f64_of(length) / 1e9 / num::f64_of(num::count(steps.rates.len()));
            let edge = |n: usize| num::u64_of(seconds * num::f64_of(num::count(n)) * 1e9).min(length);
            (0..steps.rates.len()).map(|n| (edge(n), edge(n + 1))).collect()
        }
        (Arrival::Burst, _, Some(burst)) => {
            let starts = (0..length.div_ceil(burst.every.ns)).map(|n| n * burst.every.ns);
            starts.map(|from| (from, (from + burst.length.ns).min(length))).collect()
        }
        _ => vec![(0, length)],
    };
    let mut shares = Vec::new();
    let publishers: BTreeSet<u32> = truth.events.iter().map(|event| event.publisher).collect();
    for publisher in publishers {
        let own = || truth.events.iter().filter(|e| e.publisher == publisher && phase.holds(e));
        for &(from, until) in &parts {
            let due: Vec<Ns> = own()
                .filter(|e| (from..until).contains(&(phase.intended(e) - phase.start)))
                .map(|e| e.sent - phase.start)
                .collect();
            if due.is_empty() {
                continue;
            }
            let by = |end: Ns| num::count(due.iter().filter(|&&turn| turn <= end).count());
            let share = num::share(by(until), num::count(due.len()));
            let all_soon = by(until + (until - from) / 19) == num::count(due.len());
            shares.push(if all_soon { share.max(0.95) } else { share });
        }
    }
    shares
}

/// The largest number of events of a group that were confirmed and not delivered at any one time, found by
/// trying every moment of a confirmation.
fn backlog_max(truth: &Truth, deliveries: &[Delivered], topics: &BTreeSet<u32>) -> u64 {
    let mut first: HashMap<u32, Ns> = HashMap::new();
    for delivery in deliveries.iter().filter(|delivery| !delivery.damaged) {
        let Some(event) = truth.copies[num::index32(delivery.copy)].itself() else { continue };
        let at = first.entry(event).or_insert(delivery.received);
        *at = (*at).min(delivery.received);
    }
    let mut steps: Vec<(Ns, i64)> = Vec::new();
    for (number, event) in (0_u32..).zip(&truth.events) {
        if !matches!(event.outcome, Outcome::Acked(_)) || !topics.contains(&event.topic) {
            continue;
        }
        let gone = first.get(&number).copied().unwrap_or(Ns::MAX);
        if gone > event.answered {
            steps.extend([(event.answered, 1), (gone, -1)]);
        }
    }
    // At the same moment, departures come before arrivals.
    steps.sort_unstable();
    let (mut now, mut max) = (0, 0);
    for (_, step) in steps {
        now += step;
        max = max.max(now);
    }
    u64::try_from(max).unwrap_or(0)
}

/// First occurrences of events: when each of a key came, and how far out of order it was.
#[derive(Default)]
struct Order {
    /// For each (topic, symbol): sequences and times in the order of arrival.
    arrivals: HashMap<(u32, u32), Vec<(u32, Ns)>>,
    highest: HashMap<(u32, u32), u32>,
}

impl Order {
    /// Extent and late time of a reordered arrival, literally by RFC 4737, section 4.2.2.
    fn arrive(&mut self, event: &Event, at: Ns) -> Option<(u64, Ns)> {
        let key = (event.topic, event.symbol);
        let arrivals = self.arrivals.entry(key).or_default();
        let highest = self.highest.entry(key).or_insert(0);
        let overtaken = !arrivals.is_empty() && *highest > event.sequence;
        *highest = (*highest).max(event.sequence);
        let i = arrivals.len();
        let late =
            overtaken.then(|| arrivals.iter().position(|&(other, _)| other > event.sequence)).flatten();
        let late = late.map(|j| (num::count(i - j), at.saturating_sub(arrivals[j].1)));
        arrivals.push((event.sequence, at));
        late
    }
}

fn of_group(
    truth: &Truth,
    deliveries: &[Delivered],
    topics: &BTreeSet<u32>,
    stored: &HashSet<u32>,
    phase: Phase,
    all_topics: usize,
) -> GroupFigures {
    let seconds = num::index((phase.end - phase.start).div_ceil(1_000_000_000));
    let mut own = GroupFigures {
        by_topic: vec![0; all_topics],
        by_second: vec![Vec::new(); seconds],
        of_the_bus_by_second: vec![Vec::new(); seconds],
        due_by_second: vec![0; seconds],
        ..GroupFigures::default()
    };
    let mut in_order = deliveries.to_vec();
    in_order.sort_by_key(|delivery| (delivery.received, delivery.member));
    let mut order = Order::default();
    let mut seen: HashSet<u32> = HashSet::new();
    let mut positions: HashSet<u32> = HashSet::new();
    for delivery in &in_order {
        let again = !positions.insert(delivery.copy);
        let Some(number) = truth.copies[num::index32(delivery.copy)].event else {
            own.foreign += 1;
            continue;
        };
        if delivery.damaged {
            own.corrupt += 1;
            continue;
        }
        if truth.copies[num::index32(delivery.copy)].dead_letter.is_some() {
            continue;
        }
        let event = &truth.events[num::index32(number)];
        if !seen.insert(number) {
            let counter = if again { &mut own.redelivered } else { &mut own.duplicate };
            *counter += 1;
            continue;
        }
        own.delivered += 1;
        own.by_topic[num::index32(event.topic)] += 1;
        if let Some((extent, late)) = order.arrive(event, delivery.received) {
            own.extents.push(extent);
            own.late_max_ns = own.late_max_ns.max(late);
        }
        if phase.holds(event) {
            let ns = between(phase.intended(event), delivery.received);
            // On the member's clock, like its receive time.
            let bus = between(event.sent, delivery.arrived).saturating_add(truth.clock_offset_ns);
            let second = num::index((phase.intended(event) - phase.start) / 1_000_000_000);
            own.latency.push(ns);
            own.by_second[second].push(ns);
            own.latency_of_the_bus.push(bus);
            own.of_the_bus_by_second[second].push(bus);
            own.measured_in_time += u64::from(delivery.received <= phase.in_time_until);
        }
    }
    own.settle(truth, topics, &seen, stored, phase);
    own
}

/// Whether each position is in a copy of the store that can be read.
pub(super) fn kept(truth: &Truth) -> Vec<bool> {
    let one_log = truth.replicas.is_empty();
    let mut kept: Vec<bool> = truth.copies.iter().map(|copy| one_log && !copy.forgotten).collect();
    for position in truth.replicas.iter().flatten().flatten() {
        kept[num::index(position - 1)] = true;
    }
    kept
}

/// Positions that some of the copies hold which can be read, and others lack.
fn diverged(truth: &Truth) -> Option<u64> {
    if truth.replicas.is_empty() {
        return None;
    }
    let readable: Vec<BTreeSet<u64>> =
        truth.replicas.iter().flatten().map(|held| held.iter().copied().collect()).collect();
    let differs = |position: &u64| {
        let holders = readable.iter().filter(|held| held.contains(position)).count();
        0 < holders && holders < readable.len()
    };
    Some(num::count((1..=num::count(truth.copies.len())).filter(differs).count()))
}

fn audit(truth: &Truth, kept: &[bool], stored: &HashSet<u32>) -> AuditFigures {
    let mut own = AuditFigures {
        diverged: diverged(truth),
        replicas: truth
            .replicas
            .iter()
            .map(|held| held.as_ref().map(|held| num::count(held.len())))
            .collect(),
        ..AuditFigures::default()
    };
    let mut order = Order::default();
    let mut copies: HashMap<u32, u64> = HashMap::new();
    let mut late: HashSet<u32> = HashSet::new();
    for (at, copy) in (0..).zip(&truth.copies).filter(|(at, _)| kept[num::index(*at)]) {
        own.read += 1;
        match copy.event {
            None => own.foreign += 1,
            Some(_) if copy.damaged => own.corrupt += 1,
            Some(_) if copy.dead_letter.is_some() => {}
            Some(number) => {
                let count = copies.entry(number).or_insert(0);
                *count += 1;
                own.stored_twice += u64::from(*count > 1);
                if *count == 1 && order.arrive(&truth.events[num::index32(number)], at).is_some() {
                    late.insert(number);
                }
            }
        }
    }
    own.out_of_order = num::count(late.len());
    for (number, event) in (0_u32..).zip(&truth.events) {
        let count = copies.get(&number).copied().unwrap_or(0);
        match event.outcome {
            Outcome::Acked(_) => {
                own.missing += u64::from(!stored.contains(&number));
                own.stored_once += u64::from(count == 1);
                own.perfect += u64::from(count == 1 && !late.contains(&number));
            }
            outcome if is_in_doubt(outcome) => own.unconfirmed_stored += u64::from(count > 0),
            _ => {}
        }
    }
    own.settled = own.missing == 0 || truth.replicas.iter().all(Option::is_some);
    own
}
