//! A generator as steps: fire the event that is due, absorb the answers that have arrived.
//!
//! It owns its symbols, its ledger and its histograms; nothing here waits or is shared.

use std::collections::BTreeMap;

use crate::bus::{Ack, Answer, Doubt, Outgoing, Publisher, Refusal};
use crate::host::sleep::Sleeper;
use crate::load::{self, Due, OfferedParts, PartOffered, Picker, Schedule};
use crate::market::{self, EventId, Market};
use crate::measure::{
    Counted, Excess, FullWindow, GeneratorInterval, Latency, Lateness, Limits, PublishLedger, Step,
};
use crate::num;
use crate::plan::{Keys, Ns, Plan, Publish};
use crate::verdict::limits;

use super::by_fault::{AroundFaults, SentAround};
use super::by_step::{BySteps, Sent, parts_of};
use super::poison::{Drawing, Drawn};
use super::receiver::WINDOW;
use super::replay::{Cuts, Edged};
use super::shared::Calendar;

/// An event that is accepted and not answered yet.
#[derive(Debug, Clone, Copy)]
struct Open {
    key: u32,
    sequence: u32,
    intended: Ns,
    sent: Ns,
}

/// The open events by token; a token is an index, which is reused once its event is answered.
#[derive(Debug, Default)]
struct OpenEvents {
    slots: Vec<Open>,
    free: Vec<u32>,
}

impl OpenEvents {
    fn insert(&mut self, open: Open) -> u64 {
        if let Some(place) = self.free.pop() {
            self.slots[num::index32(place)] = open;
            return u64::from(place);
        }
        self.slots.push(open);
        num::count(self.slots.len() - 1)
    }

    fn take(&mut self, token: u64) -> Option<Open> {
        let open = *self.slots.get(num::index(token))?;
        self.free.push(num::low32(token));
        Some(open)
    }

    fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

/// The results of a generator.
#[derive(Debug)]
pub(super) struct Generated {
    /// The outcome of every slot.
    pub(super) ledger: PublishLedger,
    /// sent − intended, acked − intended, acked − sent; measure phase only.
    pub(super) send_lag: Latency,
    pub(super) ack: Latency,
    pub(super) service: Latency,
    /// Acknowledgements beyond a limit.
    pub(super) ack_excess: Excess,
    /// How late events were sent, by when they were due.
    pub(super) lateness: Lateness,
    /// The part of the load with the smallest share offered.
    pub(super) least_offered: Option<PartOffered>,
    /// Of a load of steps: each step in which something was due.
    pub(super) offered_steps: Vec<PartOffered>,
    pub(super) by_step: BySteps<Sent>,
    /// Only of a plan whose availability is watched.
    pub(super) around_faults: Option<Box<SentAround>>,
    /// Slots by topic, over the whole run.
    pub(super) by_topic: Vec<u64>,
    /// Slots by topic of the measure phase.
    pub(super) measured_by_topic: Vec<u64>,
    /// Slots by topic for each window of the measure phase.
    pub(super) measured_by_window: Vec<Vec<u64>>,
    pub(super) measured_sent: u64,
    pub(super) measured_acked: u64,
    /// Encoded bytes handed to the client.
    pub(super) bytes: u64,
    /// How late the last slot of the measure phase was fired.
    pub(super) finished_late_ns: u64,
    /// Refusals, by the broker or before the event left.
    pub(super) refusals: BTreeMap<Refusal, u64>,
    /// Unconfirmed events whose connection was lost.
    pub(super) unconfirmed_disconnected: u64,
    /// Copies beyond the first of each event, and events whose time for being sent again is over.
    pub(super) resent: u64,
    pub(super) gave_up: u64,
    /// Events that the client refused as too large.
    pub(super) too_large: u64,
    /// Time in the measure phase in which as many events were open as the window allows.
    pub(super) window_full_ns: Ns,
    /// Slots that the generator itself failed to send; the bus had no part in it.
    pub(super) unsent_own: u64,
    /// The same for the measure phase, by topic.
    pub(super) measured_unsent_own: Vec<u64>,
    /// On which side of the boundaries of replays its events are stored.
    pub(super) edges: Vec<Edged>,
    /// Events that are poison for a group.
    pub(super) drawn: Vec<Drawn>,
}

impl Generated {
    /// Counts an event of the measure phase that is due `since_start` after its start.
    fn due(&mut self, topic: usize, since_start: Ns) {
        self.measured_by_topic[topic] += 1;
        let window = num::index(since_start / WINDOW.ns);
        if window >= self.measured_by_window.len() {
            self.measured_by_window.resize_with(window + 1, || vec![0; self.measured_by_topic.len()]);
        }
        self.measured_by_window[window][topic] += 1;
    }
}

/// A generator's report of one second.
#[derive(Debug)]
pub(super) struct GeneratorReport {
    /// Counts and distributions, warm-up included.
    pub(super) counts: GeneratorInterval,
    /// Accepted events without an answer, at the end of the second.
    pub(super) in_flight: u64,
    /// Answers, in the order of their times.
    pub(super) steps: Vec<(Ns, Step)>,
    /// No later report has anything before this time.
    pub(super) until: Ns,
    /// The counters of the measure phase so far: acknowledgement, service, send lag.
    pub(super) so_far: [Counted; 3],
}

fn fresh(steps: usize) -> GeneratorReport {
    GeneratorReport {
        counts: GeneratorInterval::new(&Limits::default()),
        in_flight: 0,
        steps: Vec::with_capacity(steps),
        until: 0,
        so_far: Default::default(),
    }
}

/// Places of the window: events that may be sent and not answered.
fn places(plan: &Plan) -> usize {
    let window = if plan.bus.publish == Publish::Sync { 1 } else { u64::from(plan.bus.window) };
    num::index(window.min(plan.bus.fitting(plan.largest_event())))
}

/// A generator with its publisher.
pub(super) struct Generator<P> {
    publisher: P,
    schedule: Schedule,
    picker: Picker,
    market: Market,
    calendar: Calendar,
    keys: Keys,
    window: usize,
    /// The bus sets the pace: no event is due while the window is full, and the load ends at a given time.
    closed: bool,
    next: Option<Due>,
    open: OpenEvents,
    full: FullWindow,
    payload: Vec<u8>,
    answers: Vec<Ack>,
    parts: OfferedParts,
    /// Only of a plan with replays.
    cuts: Option<Cuts>,
    poison: Drawing,
    done: Generated,
    interval: GeneratorReport,
}

impl<P: Publisher> Generator<P> {
    pub(super) fn new(
        plan: &Plan,
        index: u32,
        shares: &[f64],
        tag: u16,
        calendar: Calendar,
        publisher: P,
    ) -> Self {
        let topics = plan.topology.topics.len();
        let limits = limits(plan);
        let mut schedule = Schedule::new(&plan.load, plan.market.seed, shares, num::index32(index));
        let next = schedule.next();
        Self {
            publisher,
            next,
            schedule,
            picker: Picker::new(plan, index),
            market: Market::new(plan, tag, index, plan.load.generators),
            calendar,
            keys: plan.keys(),
            window: num::index(u64::from(plan.bus.window).min(plan.bus.fitting(plan.largest_event()))),
            closed: plan.load.is_closed(),
            open: OpenEvents::default(),
            full: FullWindow::new(places(plan), calendar.measure_start, calendar.measure_end),
            payload: Vec::with_capacity(2048),
            answers: Vec::with_capacity(1024),
            parts: OfferedParts::new(&plan.load),
            cuts: None,
            poison: Drawing::of(plan),
            done: Generated {
                ack_excess: Excess::new(calendar.measure_start, plan.load.duration, &limits.ack),
                lateness: Lateness::new(calendar.measure_start, plan.load.duration),
                least_offered: None,
                offered_steps: Vec::new(),
                by_step: Sent::of(&parts_of(&load::steps(&plan.load)), plan, calendar),
                around_faults: AroundFaults::of(plan).map(|around| Box::new(around.sent(plan, calendar))),
                ledger: PublishLedger::new(plan.keys().count()),
                send_lag: Latency::new(&limits.send_lag),
                ack: Latency::new(&limits.ack),
                service: Latency::new(&limits.service),
                by_topic: vec![0; topics],
                measured_by_topic: vec![0; topics],
                measured_by_window: Vec::new(),
                measured_sent: 0,
                measured_acked: 0,
                bytes: 0,
                finished_late_ns: 0,
                refusals: BTreeMap::new(),
                unconfirmed_disconnected: 0,
                resent: 0,
                gave_up: 0,
                too_large: 0,
                window_full_ns: 0,
                unsent_own: 0,
                measured_unsent_own: vec![0; topics],
                edges: Vec::new(),
                drawn: Vec::new(),
            },
            interval: fresh(0),
        }
    }

    /// The same, with the boundaries that it watches for replays.
    pub(super) fn with_cuts(self, cuts: Option<Cuts>) -> Self {
        Self { cuts, ..self }
    }

    /// When the next event is due; `None` after the last one.
    pub(super) fn due(&self) -> Option<Ns> {
        self.next.map(|due| self.calendar.load_start + due.at)
    }

    /// Is there room for an event of a closed load? Not used for an open load.
    pub(super) fn admits(&self) -> bool {
        !self.closed || self.open.len() < self.window
    }

    /// Ends a closed load whose time is over.
    pub(super) fn end_by(&mut self, now: Ns) {
        if self.closed && now >= self.calendar.measure_end {
            self.next = None;
        }
    }

    /// Events accepted and not answered yet.
    pub(super) fn in_flight(&self) -> usize {
        self.open.len()
    }

    /// Waits until `until` or less.
    pub(super) fn wait(&mut self, until: Ns, sleeper: &Sleeper) {
        self.publisher.wait(until, sleeper);
    }

    /// Do accepted events wait for room in the window?
    pub(super) fn waiting(&self) -> bool {
        self.open.len() > self.window
    }

    /// Sends the next event, whatever the time. `now` was read from the clock just before: a closed load's
    /// event is due then. Returns the time at which the client had taken the event.
    pub(super) fn fire(&mut self, now: Ns, clock: impl Fn() -> Ns) -> Ns {
        let Some(due) = self.next else { return now };
        self.next = self.schedule.next();
        if let Some(cuts) = &mut self.cuts {
            cuts.fire(now, &self.done.ledger);
        }
        // The intended time is rounded to what the event id can hold, so that all sides agree on it to the
        // nanosecond.
        let at = if self.closed { now } else { self.calendar.load_start + due.at };
        let unix = market::on_the_grid(self.calendar.epoch_unix_ns + at);
        let intended = unix - self.calendar.epoch_unix_ns;
        let measured = self.calendar.measured(intended);
        let (topic, symbol) = self.picker.pick(due.index);
        let key = self.keys.key(topic, num::index32(symbol));
        let Some(sequence) = self.done.ledger.assign(key) else { return now };
        let id = self.market.encode(&mut self.payload, topic, symbol, sequence, unix);
        let token = self.open.insert(Open { key: num::count32(key), sequence, intended, sent: 0 });
        let id = id.map_or("", EventId::as_str);
        let accepted = self.publisher.publish(&Outgoing { token, topic, symbol, id, payload: &self.payload });
        let sent = clock();
        self.interval.counts.intended += 1;
        self.interval.counts.measured_intended += u64::from(measured);
        self.done.by_topic[topic] += 1;
        if measured {
            let since_start = intended - self.calendar.measure_start;
            self.done.due(topic, since_start);
            self.poison.look(since_start, (topic, symbol), (key, sequence), &mut self.done.drawn);
            self.done.finished_late_ns = sent.saturating_sub(intended);
            self.done.lateness.sent(intended, sent.saturating_sub(intended));
            self.parts.fired(since_start, Some(sent.saturating_sub(self.calendar.measure_start)));
            if let Some((step, _)) = self.done.by_step.of(intended) {
                step.due(topic, sent.saturating_sub(intended));
            }
        }
        if measured && let Some(around) = &mut self.done.around_faults {
            around.fired(topic, intended, sent, accepted);
        }
        match accepted {
            Ok(()) => {
                self.open.slots[num::index(token)].sent = sent;
                self.full.sent(self.open.len(), sent);
                self.done.bytes += num::count(self.payload.len());
                self.interval.counts.sent += 1;
                self.interval.counts.send_lag.record_between(measured, intended, sent);
                if measured {
                    self.done.measured_sent += 1;
                    self.done.send_lag.record_between(intended, sent);
                    if let Some((step, _)) = self.done.by_step.of(intended) {
                        step.sent(intended, sent);
                    }
                }
            }
            Err(refused) => {
                self.open.take(token);
                self.done.too_large += u64::from(refused == crate::bus::Refused::TooLarge);
                let own = refused == crate::bus::Refused::TooLarge;
                self.unsent(key, sequence, measured.then_some(intended), own);
            }
        }
        sent
    }

    /// Counts an event that was not sent, with its intended time if that is in the measure phase; `own` if the bus had no
    /// part in it.
    fn unsent(&mut self, key: usize, sequence: u32, measured: Option<Ns>, own: bool) {
        self.done.ledger.unsent(key, sequence);
        self.interval.counts.unsent += 1;
        self.done.unsent_own += u64::from(own);
        if let Some(intended) = measured.filter(|_| own) {
            let topic = self.keys.topic(key);
            self.done.measured_unsent_own[topic] += 1;
            if let Some((step, _)) = self.done.by_step.of(intended) {
                step.unsent_own(topic);
            }
        }
    }

    /// Counts every slot due by `now` that was never sent as unsent: the load ends here.
    pub(super) fn skip_until(&mut self, now: Ns) {
        self.full.ended(now);
        if self.closed {
            // Events that were not offered were not due.
            self.next = None;
        }
        while let Some(due) = self.next.filter(|due| self.calendar.load_start + due.at <= now) {
            self.next = self.schedule.next();
            let (topic, symbol) = self.picker.pick(due.index);
            let key = self.keys.key(topic, num::index32(symbol));
            let Some(sequence) = self.done.ledger.assign(key) else { continue };
            self.done.by_topic[topic] += 1;
            self.interval.counts.intended += 1;
            let intended = self.calendar.load_start + due.at;
            let measured = self.calendar.measured(intended);
            self.unsent(key, sequence, measured.then_some(intended), true);
            if measured {
                let since_start = intended - self.calendar.measure_start;
                self.interval.counts.measured_intended += 1;
                self.done.due(topic, since_start);
                self.done.finished_late_ns = now.saturating_sub(intended);
                self.parts.fired(since_start, None);
                if let Some((step, _)) = self.done.by_step.of(intended) {
                    step.due(topic, now.saturating_sub(intended));
                }
                if let Some(around) = &mut self.done.around_faults {
                    around.skipped(topic, intended, now);
                }
            }
        }
    }

    /// Ends the load: what was due by `now` and was never sent counts as unsent, and nothing later is due.
    pub(super) fn end_load(&mut self, now: Ns) {
        self.skip_until(now);
        self.next = None;
    }

    /// Processes the answers that have arrived.
    pub(super) fn absorb(&mut self) {
        self.publisher.acks(&mut self.answers);
        for at in 0..self.answers.len() {
            let ack = self.answers[at];
            if let Some(open) = self.open.take(ack.token) {
                self.full.answered(self.open.len(), ack.at);
                self.answered(open, &ack);
            }
        }
        self.answers.clear();
    }

    fn answered(&mut self, open: Open, ack: &Ack) {
        let key = num::index32(open.key);
        let (name, sequence) = (open.key, open.sequence);
        let step = match ack.outcome {
            Answer::Stored { .. } => Step::Acked { key: name, sequence },
            _ => Step::Settled { key: name, sequence },
        };
        self.interval.steps.push((ack.at, step));
        if let Some(around) = &mut self.done.around_faults {
            let measured = self.calendar.measured(open.intended);
            around.answered(measured, open.intended, open.sent, ack);
        }
        if let Some(cuts) = &mut self.cuts {
            cuts.answered(key, sequence, ack);
        }
        self.done.resent += u64::from(ack.tries.copies.saturating_sub(1));
        self.done.gave_up += u64::from(ack.tries.gave_up);
        match ack.outcome {
            Answer::Stored { duplicate, .. } => {
                self.done.ledger.acked(duplicate);
                self.interval.counts.acked += 1;
                let measured = self.calendar.measured(open.intended);
                self.interval.counts.ack.record_between(measured, open.intended, ack.at);
                if measured {
                    self.done.measured_acked += 1;
                    self.done.ack.record_between(open.intended, ack.at);
                    self.done.ack_excess.record(open.intended, ack.at);
                    self.done.service.record_between(open.sent, ack.at);
                    self.interval.counts.service.record_between(open.sent, ack.at);
                    if let Some((step, _)) = self.done.by_step.of(open.intended) {
                        step.acked(open.intended, open.sent, ack.at);
                    }
                }
            }
            Answer::Refused(why) => {
                self.done.ledger.refused(key, open.sequence);
                *self.done.refusals.entry(why).or_insert(0) += 1;
                self.interval.counts.refused += 1;
            }
            Answer::Unconfirmed(why) => {
                self.done.ledger.unconfirmed(key, open.sequence);
                self.done.unconfirmed_disconnected += u64::from(why == Doubt::Disconnected);
                self.interval.counts.unconfirmed += 1;
            }
        }
    }

    /// Gives up the unanswered events.
    pub(super) fn abandon(&mut self) {
        self.publisher.abandon();
        self.absorb();
    }

    /// Takes the figures since the last call; no later report has anything before `until`.
    pub(super) fn take_interval(&mut self, until: Ns) -> GeneratorReport {
        let room = self.interval.steps.len();
        let mut taken = std::mem::replace(&mut self.interval, fresh(room));
        taken.in_flight = num::count(self.open.len());
        taken.until = until;
        taken.so_far = [&self.done.ack, &self.done.service, &self.done.send_lag].map(Counted::of);
        // Some drivers stamp answers on threads of their own, and abandoned events are stamped when given up.
        taken.steps.sort_by_key(|&(at, _)| at);
        taken
    }

    /// Ends the generator. Unanswered events count as unconfirmed, so that every event is in the account.
    pub(super) fn finish(mut self) -> Generated {
        self.abandon();
        let free: std::collections::HashSet<u32> = self.open.free.iter().copied().collect();
        for (place, open) in (0_u32..).zip(&self.open.slots) {
            if !free.contains(&place) {
                self.done.ledger.unconfirmed(num::index32(open.key), open.sequence);
                if let Some(around) = &mut self.done.around_faults
                    && self.calendar.measured(open.intended)
                {
                    around.unanswered(open.intended);
                }
            }
        }
        (self.done.least_offered, self.done.offered_steps) = self.parts.ended();
        self.done.window_full_ns = self.full.full_ns();
        if let Some(cuts) = self.cuts {
            self.done.edges = cuts.ended(&self.done.ledger);
        }
        self.done
    }
}
