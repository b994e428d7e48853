//! A group's receiving side as steps: read an event, enter it in the ledger, time it.
//!
//! Reading (decoding, verifying) depends on the delivery alone, so that each member can do it on its own
//! thread; entering is done by one thread, in the order of the receive times.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::bus::{Delivery, Handled, Position};
use crate::load::steps;
use crate::market::{self, Decoded, Probe, RunIdentity};
use crate::measure::{
    Counted, Excess, Fate, GroupInterval, GroupLedger, Known, Latency, Limits, Missing, Positions, Step,
    StoreLedger, Windows,
};
use crate::num;
use crate::plan::{self, Keys, Ns, Plan, Segment, Span};
use crate::record;
use crate::topology::TopicSet;
use crate::verdict::limits;

use super::by_fault::{AroundFaults, GotAround};
use super::by_step::{BySteps, Got, parts_of};
use super::dead_letters::DeadLetterTopics;
use super::poison::{DeadLetters, Drawn, Event, Refusals, Refused};
use super::shared::{Calendar, GroupSignals, Switches};
use super::takeover::{Again, Crash};

/// Width of the windows of `windows.` objectives.
pub(super) const WINDOW: Span = Span::seconds(1);

/// An empty interval of the timeline. Its limits are those of the histograms of the whole run.
fn fresh() -> GroupInterval {
    GroupInterval::new(&Limits::default())
}

/// The kind of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// An event of this run.
    Ours { topic: u8, symbol: u16, sequence: u32, intended: Ns, verified: bool },
    /// An event of this run whose content does not match its checksum.
    Corrupt,
    /// Not an event of this run.
    Foreign,
    /// A copy of an event of this run that a group has given up.
    DeadLetter { group: u16, topic: u8, symbol: u16, sequence: u32 },
    /// An event sent before the load to check that the group receives.
    Readiness { topic: u8 },
}

/// A delivery after decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) received: Ns,
    pub(super) position: Position,
    pub(super) attempt: u32,
    pub(super) seen: Seen,
}

impl Reading {
    /// The event of the run that it is a copy of, unless as a dead letter.
    pub(super) fn event(&self) -> Option<Event> {
        let Seen::Ours { topic, symbol, sequence, intended, .. } = self.seen else { return None };
        Some(Event { topic: usize::from(topic), symbol: u32::from(symbol), sequence, intended })
    }
}

/// Reads a delivery of a run that may have dead letters.
pub(super) fn read_any(
    delivery: &Delivery<'_>,
    run: &RunIdentity,
    epoch_unix_ns: u64,
    dead_letters: Option<&DeadLetterTopics>,
) -> Reading {
    let reading = read(delivery, run, epoch_unix_ns);
    let (Some(topics), Seen::Ours { topic, symbol, sequence, .. }) = (dead_letters, reading.seen) else {
        return reading;
    };
    match topics.of(topic, delivery.subject) {
        Some(group) => Reading { seen: Seen::DeadLetter { group, topic, symbol, sequence }, ..reading },
        None => reading,
    }
}

/// Reads a delivery.
pub(super) fn read(delivery: &Delivery<'_>, run: &RunIdentity, epoch_unix_ns: u64) -> Reading {
    let seen = match market::decode(delivery.payload, run) {
        Decoded::Ours(probe) => ours(probe, epoch_unix_ns, true),
        Decoded::Unverified(probe) => ours(probe, epoch_unix_ns, false),
        Decoded::Corrupt(_) => Seen::Corrupt,
        Decoded::Readiness { topic, .. } => Seen::Readiness { topic },
        Decoded::Foreign => Seen::Foreign,
    };
    Reading { received: delivery.received, position: delivery.position, attempt: delivery.attempt, seen }
}

const fn ours(probe: Probe, epoch_unix_ns: u64, verified: bool) -> Seen {
    Seen::Ours {
        topic: probe.topic,
        symbol: probe.symbol,
        sequence: probe.sequence,
        intended: probe.intended_unix_ns.saturating_sub(epoch_unix_ns),
        verified,
    }
}

/// A group's report of one second.
#[derive(Debug)]
pub(super) struct GroupReport {
    /// Counts and distributions.
    pub(super) interval: GroupInterval,
    /// First deliveries, in the order of their times.
    pub(super) steps: Vec<(Ns, Step)>,
    /// No later report has anything before this time.
    pub(super) until: Ns,
    /// The counters of the measure phase so far.
    pub(super) latency: Counted,
}

/// The results of a group.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) ledger: GroupLedger,
    /// received − intended of first deliveries, measure phase only.
    pub(super) latency: Latency,
    /// For each limit of a `windows.` objective: exact counters for each second of intended time.
    pub(super) windows: Windows,
    /// Deliveries beyond a limit.
    pub(super) excess: Excess,
    pub(super) by_topic: Vec<u64>,
    /// When the first and the last event of the load were received.
    pub(super) between: Option<(Ns, Ns)>,
    pub(super) by_step: BySteps<Got>,
    /// Only of a plan whose availability is watched.
    pub(super) around_faults: Option<Box<GotAround>>,
    pub(super) measured_in_time: u64,
    pub(super) corrupt: u64,
    pub(super) foreign: u64,
    pub(super) unverified: u64,
    /// Poison events, and the dead letters that came.
    pub(super) refused: Refused,
    /// Events that came again, other than poison; only of a plan with members that crash.
    pub(super) again: Option<Again>,
    /// Members that have crashed.
    pub(super) crashes: Vec<Crash>,
}

/// The receiving side of one group.
pub(super) struct Receiver {
    calendar: Option<Calendar>,
    keys: Keys,
    subscribed: TopicSet,
    missing: Option<Missing>,
    signals: Arc<GroupSignals>,
    switches: Arc<Switches>,
    deliveries: u64,
    /// Does one member at a time receive everything, in the broker's order?
    in_line: bool,
    positions: Positions,
    limits: Vec<u64>,
    duration: Span,
    step_parts: Vec<Segment>,
    around_faults: Option<AroundFaults>,
    refusals: Refusals,
    done: Received,
    interval: GroupInterval,
    steps: Vec<(Ns, Step)>,
}

impl Receiver {
    pub(super) fn new(
        plan: &Plan,
        group: usize,
        subscribed: TopicSet,
        signals: Arc<GroupSignals>,
        switches: Arc<Switches>,
    ) -> Self {
        let limits = limits(plan).latency;
        Self {
            calendar: None,
            keys: plan.keys(),
            missing: None,
            signals,
            switches,
            deliveries: 0,
            in_line: plan
                .groups
                .get(group)
                .is_some_and(|g| g.members == 1 || g.delivery == plan::Delivery::Pinned),
            positions: Positions::new(partitions(plan, &subscribed)),
            done: Received {
                ledger: GroupLedger::new(plan.keys().count()),
                latency: Latency::new(&limits),
                windows: Windows::new(0, Span::default(), WINDOW, &limits),
                excess: Excess::new(0, Span::default(), &limits),
                by_topic: vec![0; subscribed.of_topics()],
                between: None,
                by_step: BySteps::none(),
                around_faults: None,
                measured_in_time: 0,
                corrupt: 0,
                foreign: 0,
                unverified: 0,
                refused: Refused::default(),
                again: Again::of(plan),
                crashes: Vec::new(),
            },
            refusals: Refusals::of(plan, group),
            interval: fresh(),
            steps: Vec::new(),
            limits,
            duration: plan.load.duration,
            step_parts: parts_of(&steps(&plan.load)),
            around_faults: AroundFaults::of(plan),
            subscribed,
        }
    }

    /// Enters a reading. Must be called in the order of the receive times.
    pub(super) fn take(&mut self, reading: Reading) {
        self.deliveries += 1;
        let attempt = self.attempt(&reading);
        if !self.refusals.is_empty() {
            self.note_refused(&reading);
        }
        if attempt > 1 {
            self.note_again(&reading);
        }
        match reading.seen {
            Seen::Ours { topic, symbol, sequence, intended, verified } => {
                self.done.unverified += u64::from(!verified);
                let topic = usize::from(topic);
                let key = self.keys.key(topic, usize::from(symbol));
                let fate = self.done.ledger.deliver(key, sequence, reading.received, attempt);
                self.interval.count(fate);
                match fate {
                    Fate::First | Fate::Reordered { .. } => {
                        self.first(topic, key, sequence, intended, reading.received);
                    }
                    Fate::Duplicate | Fate::Redelivered => {}
                    Fate::Stray => self.done.foreign += 1,
                }
            }
            Seen::Corrupt => {
                self.done.corrupt += 1;
                self.interval.corrupt += 1;
            }
            Seen::Foreign => {
                self.done.foreign += 1;
                self.interval.foreign += 1;
            }
            Seen::DeadLetter { group, .. } => {
                if attempt == 1 {
                    self.done.refused.dead_letter(group);
                }
            }
            Seen::Readiness { topic } => {
                self.signals.ready.fetch_or(1 << topic, Ordering::Relaxed);
            }
        }
    }

    /// Notes an event that came again and was not refused.
    fn note_again(&mut self, reading: &Reading) {
        let (Some(again), Some(event)) = (&mut self.done.again, reading.event()) else { return };
        if self.refusals.handling(self.switches.calendar.get(), Some(event)) == Handled::Processed {
            again.note(reading.position, reading.received);
        }
    }

    /// Notes a delivery that its member has refused.
    fn note_refused(&mut self, reading: &Reading) {
        let Some(event) = reading.event() else { return };
        if self.refusals.handling(self.switches.calendar.get(), Some(event)) == Handled::Processed {
            return;
        }
        let key = self.keys.key(event.topic, num::index32(event.symbol));
        let refused = &mut self.done.refused;
        refused.deliveries += 1;
        refused.events.insert((num::count32(key), event.sequence));
        self.signals.refused.store(num::count(refused.events.len()), Ordering::Relaxed);
    }

    /// How often the group has received this position, this time included: 1 or 2, where 2 stands for "again".
    /// The group keeps its own account, since a killed broker may restart its count, and a broker whose first
    /// attempt got lost has counted it. For a position too far back to be in that account the broker's count is
    /// used, unless the group receives in order and so knows that it has received the position before.
    fn attempt(&mut self, reading: &Reading) -> u32 {
        match self.positions.enter(reading.position.partition, reading.position.offset) {
            Known::New => 1,
            Known::Again => 2,
            Known::Forgotten if self.in_line => 2,
            Known::Forgotten => reading.attempt,
        }
    }

    fn first(&mut self, topic: usize, key: usize, sequence: u32, intended: Ns, received: Ns) {
        self.done.by_topic[topic] += 1;
        self.done.between = Some((self.done.between.map_or(received, |(first, _)| first), received));
        self.steps.push((received, Step::Delivered { key: num::count32(key), sequence }));
        if let Some(missing) = &mut self.missing {
            missing.first_delivery(key, sequence);
        }
        // Set before the first event of the load is due, and so before one can arrive.
        if self.calendar.is_none()
            && let Some(calendar) = self.switches.calendar.get().copied()
        {
            self.calendar = Some(calendar);
            self.done.windows = Windows::new(calendar.measure_start, self.duration, WINDOW, &self.limits);
            self.done.excess = Excess::new(calendar.measure_start, self.duration, &self.limits);
            self.done.by_step = Got::of(&self.step_parts, &self.limits, calendar);
            let around = self.around_faults.as_ref();
            self.done.around_faults = around.map(|around| Box::new(around.got(&self.limits, calendar)));
        }
        let measured = self.calendar.filter(|calendar| calendar.measured(intended));
        self.interval.latency.record_between(measured.is_some(), intended, received);
        if let Some(calendar) = measured {
            self.done.latency.record_between(intended, received);
            self.done.windows.record(intended, num::difference(received, intended));
            self.done.excess.record(intended, received);
            self.done.measured_in_time += u64::from(received <= calendar.in_time_until);
            if let Some((step, end)) = self.done.by_step.of(intended) {
                step.first(intended, received, end + (calendar.in_time_until - calendar.measure_end));
            }
        }
        if let Some(around) = &mut self.done.around_faults {
            around.first(measured.is_some(), intended, received);
        }
    }

    /// Updates the signals to the engine; called after each batch, and when idle.
    pub(super) fn signal(&mut self) {
        self.signals.deliveries.store(self.deliveries, Ordering::Relaxed);
        if self.missing.is_none()
            && let Some(published) = self.switches.published.get()
        {
            let (subscribed, keys) = (&self.subscribed, self.keys);
            let subscribed = |key: usize| subscribed.contains(keys.topic(key));
            self.missing = Some(Missing::new(Arc::clone(published), &self.done.ledger, subscribed));
        }
        if let Some(missing) = &self.missing {
            self.signals.missing.store(missing.left(), Ordering::Relaxed);
        }
    }

    /// Takes the figures since the last call; nothing received before `until` is entered later.
    pub(super) fn take_report(&mut self, until: Ns) -> GroupReport {
        let steps = Vec::with_capacity(self.steps.len());
        GroupReport {
            interval: std::mem::replace(&mut self.interval, fresh()),
            steps: std::mem::replace(&mut self.steps, steps),
            until,
            latency: Counted::of(&self.done.latency),
        }
    }

    /// Ends the receiver.
    pub(super) fn finish(mut self) -> Received {
        self.done.crashes = self.signals.take_crashes();
        self.done
    }
}

/// The partitions from which a group receives, by their positions.
fn partitions(plan: &Plan, subscribed: &TopicSet) -> usize {
    let topics = subscribed.iter().count();
    if plan.bus.kind.product().partitioned { topics * num::index32(plan.bus.partitions) } else { 1 }
}

/// The events read back from the store.
pub(super) struct Stored {
    keys: Keys,
    pub(super) ledger: StoreLedger,
    pub(super) figures: record::Audit,
    pub(super) dead_letters: DeadLetters,
    topics: Option<Arc<DeadLetterTopics>>,
    /// The stream removes its oldest events when it is full.
    discards: bool,
}

impl Stored {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            keys: plan.keys(),
            ledger: StoreLedger::new(plan.keys().count()),
            figures: record::Audit::default(),
            dead_letters: DeadLetters::new(),
            topics: DeadLetterTopics::of_plan(plan),
            discards: plan.bus.discards_old(),
        }
    }

    /// Notes the first position that is left: the run's stream began at 1.
    pub(super) fn begins_at(&mut self, position: u64) {
        if self.discards {
            self.figures.discarded = position.saturating_sub(1);
        }
    }

    /// How dead letters are told from the events themselves; `None` without dead letters.
    pub(super) fn topics(&self) -> Option<Arc<DeadLetterTopics>> {
        self.topics.clone()
    }

    /// Enters an event in the broker's order.
    pub(super) fn take(&mut self, reading: Reading) {
        match reading.seen {
            Seen::Ours { topic, symbol, sequence, .. } => {
                self.figures.read += 1;
                let key = self.keys.key(usize::from(topic), usize::from(symbol));
                self.ledger.store(key, sequence, reading.received);
            }
            Seen::DeadLetter { group, topic, symbol, sequence } => {
                self.figures.read += 1;
                let key = num::count32(self.keys.key(usize::from(topic), usize::from(symbol)));
                let event = Drawn { group: usize::from(group), key, sequence };
                *self.dead_letters.entry(event).or_insert(0) += 1;
            }
            Seen::Corrupt => {
                self.figures.read += 1;
                self.figures.corrupt += 1;
            }
            Seen::Foreign => {
                self.figures.read += 1;
                self.figures.foreign += 1;
            }
            Seen::Readiness { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, Source};

    fn group_of(members: u32) -> Receiver {
        let sets = [format!("groups=[{{name=\"trading-engine\",members={members}}}]")];
        let plan = profile::read(&Source::find("quick").unwrap(), &sets).unwrap();
        let subscribed = TopicSet::all(plan.topology.topics.len());
        Receiver::new(&plan, 0, subscribed, Arc::default(), Arc::default())
    }

    /// The event `sequence` of a single symbol at a position; always attempt 1.
    fn delivery(sequence: u32, offset: u64) -> Reading {
        let seen = Seen::Ours { topic: 0, symbol: 0, sequence, intended: 0, verified: true };
        Reading { received: 1, position: Position { partition: 0, offset }, attempt: 1, seen }
    }

    #[test]
    fn a_redelivery_by_a_restarted_broker_with_attempt_1_is_not_a_duplicate() {
        for members in [1, 4] {
            let mut group = group_of(members);
            for (sequence, offset) in [(0, 11), (1, 12), (2, 13), (1, 12), (2, 13), (3, 14)] {
                group.take(delivery(sequence, offset));
            }
            let totals = *group.finish().ledger.totals();
            assert_eq!((totals.delivered, totals.redelivered, totals.duplicate), (4, 2, 0));
        }
    }

    #[test]
    fn a_second_copy_is_a_duplicate_however_many_members_there_are() {
        for members in [1, 4] {
            let mut group = group_of(members);
            for (sequence, offset) in [(0, 11), (1, 12), (1, 13), (2, 14)] {
                group.take(delivery(sequence, offset));
            }
            let totals = *group.finish().ledger.totals();
            assert_eq!((totals.delivered, totals.redelivered, totals.duplicate), (3, 0, 1));
        }
        // The copy at 13 may come after 14: members take turns, or the broker reorders.
        for members in [1, 4] {
            let mut group = group_of(members);
            for (sequence, offset) in [(0, 11), (1, 12), (2, 14), (1, 13)] {
                group.take(delivery(sequence, offset));
            }
            assert_eq!(group.finish().ledger.totals().duplicate, 1, "{members} members");
        }
    }
}
