//! The pump: while workers work, it gathers what they report, watches the broker and the machine, and tells
//! the observers.

use std::sync::mpsc::{Receiver as Inbox, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::broker::StoreWatch;
use crate::bus::BusSample;
use crate::host::clock::{Clock, utc};
use crate::host::hiccup::HiccupMeter;
use crate::host::resources::ProcessUse;
use crate::host::signal::Interrupt;
use crate::measure::{Backlog, Pauses};
use crate::num;
use crate::plan::Ns;
use crate::record::{self, End, Mark, Phase, PhaseName, Record, STORE_FULL};

use super::drift::clock_step;
use super::engine::Broker;
use super::events::{Event, Observer};
use super::keeper::{Keeper, Reply};
use super::machine::MachineWatch;
use super::marks::Marks;
use super::rows::{Report, RowMaker, Sample, next_second_start, second_of};
use super::shared::Calendar;
use super::watched::{self, Watched, cpu_ns};

/// Why a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// The time came.
    Reached,
    /// Somebody asked for the end.
    Interrupted,
    /// The broker's process ended.
    BrokerDied(String),
    /// A worker ended before its time.
    Lost,
}

/// The longest that a step waits for a report.
const STEP: Duration = Duration::from_millis(20);
/// Rows are told this many seconds late, so that the reports of all workers are in.
const ROWS_LATE: u64 = 1;

pub(super) struct Pump<'a, 'o> {
    record: Record,
    calendar: Calendar,
    clock: Clock,
    rows: RowMaker,
    inbox: Inbox<Report>,
    keeper: Keeper,
    broker: Broker,
    dead: Option<String>,
    /// Of a broker of our own: does its log say that its store is full?
    store: Option<StoreWatch>,
    interrupt: &'a Interrupt,
    observers: &'a mut [&'o mut dyn Observer],
    phase: Option<Phase>,
    next_second: Ns,
    sampled_at: Ns,
    meter: HiccupMeter,
    machine: MachineWatch,
    watched: Vec<Watched>,
    /// Nothing was being delivered when the drain ended.
    pub(super) quiet: bool,
    /// Since when the broker does not answer, and what was said.
    silent: Option<(Ns, String)>,
    marks: Marks,
    wall_drift_ns: i64,
}

impl<'a, 'o> Pump<'a, 'o> {
    #[expect(clippy::too_many_arguments, reason = "called once; a struct would only rename them")]
    pub(super) fn new(
        record: Record,
        calendar: Calendar,
        clock: Clock,
        backlog: Backlog,
        inbox: Inbox<Report>,
        keeper: Keeper,
        mut broker: Broker,
        interrupt: &'a Interrupt,
        observers: &'a mut [&'o mut dyn Observer],
    ) -> std::io::Result<Self> {
        let watched = watched::all(&mut broker);
        let log = broker.log.take();
        let mut pump = Self {
            machine: MachineWatch::new(&record.broker, watched.iter().any(|w| w.name.is_some()), clock.now()),
            rows: RowMaker::new(calendar.load_start, backlog),
            record,
            calendar,
            clock,
            inbox,
            keeper,
            broker,
            dead: None,
            store: log.map(StoreWatch::new),
            interrupt,
            observers,
            phase: None,
            next_second: calendar.load_start + 1_000_000_000,
            sampled_at: clock.now(),
            meter: HiccupMeter::start(clock)?,
            watched,
            quiet: true,
            silent: None,
            marks: Marks::default(),
            wall_drift_ns: clock.wall_drift_ns(),
        };
        let Calendar { load_start, measure_start, measure_end, .. } = calendar;
        pump.meter.watch(load_start, measure_start, measure_end);
        let record = pump.record.clone();
        pump.tell(&Event::Ready(&record));
        Ok(pump)
    }

    pub(super) fn now(&self) -> Ns {
        self.clock.now()
    }

    pub(super) fn epoch_unix_ns(&self) -> u64 {
        self.calendar.epoch_unix_ns
    }

    pub(super) fn interrupt_level(&self) -> u8 {
        self.interrupt.level()
    }

    pub(super) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    pub(super) fn broker_is_dead(&self) -> bool {
        self.dead.is_some()
    }

    pub(super) fn broker_death(&self) -> Option<String> {
        self.dead.clone()
    }

    /// Why the broker counts as failed, if it does not answer now.
    pub(super) fn silence(&self) -> Option<String> {
        let (since, why) = self.silent.as_ref()?;
        let at = num::f64_of(*since) / 1e9;
        Some(format!(
            "the broker at {} stopped answering {at:.1} s into the run and has not come back ({why})",
            self.record.broker.address
        ))
    }

    fn tell(&mut self, event: &Event<'_>) {
        for observer in &mut *self.observers {
            observer.event(event);
        }
    }

    /// Says how the run ended; the first word stands.
    pub(super) fn ends_as(&mut self, end: End, why: &str) {
        if self.record.run.end == End::Completed {
            self.record.run.end = end;
            self.record.run.reason = Some(why.to_owned());
        }
    }

    pub(super) fn mark(&mut self, kind: &str, detail: &str) {
        self.keep_mark(Mark { at_ns: self.clock.now(), kind: kind.to_owned(), detail: detail.to_owned() });
    }

    fn keep_mark(&mut self, mark: Mark) {
        if let Some(mark) = self.marks.keep(mark) {
            self.enter_mark(mark);
        }
    }

    fn enter_mark(&mut self, mark: Mark) {
        self.tell(&Event::Mark(&mark));
        self.record.marks.push(mark);
    }

    pub(super) fn start_phase(&mut self, name: PhaseName, start_ns: Ns, until: Ns) {
        if name == PhaseName::Measure {
            self.each_watched(|watched, used| watched.at_measure_start = Some(used));
            self.machine.start_measuring(self.clock.now());
        }
        self.phase = Some(Phase { name, start_ns, end_ns: until });
        self.tell(&Event::PhaseStarted { name, length_ns: until.saturating_sub(start_ns) });
    }

    pub(super) fn end_phase(&mut self, end_ns: Ns) {
        self.look_at_the_store();
        let Some(phase) = self.phase.take() else { return };
        let phase = Phase { end_ns, ..phase };
        if phase.name == PhaseName::Measure {
            self.meter.end_phase(end_ns);
            self.each_watched(|watched, used| watched.at_measure_end = Some(used));
            self.machine.end_measuring(self.clock.now());
        }
        self.tell(&Event::PhaseEnded(&phase));
        self.record.phases.push(phase);
    }

    fn each_watched(&mut self, note: impl Fn(&mut Watched, ProcessUse)) {
        for watched in &mut self.watched {
            if let Some(used) = watched.user.usage() {
                watched.peak_bytes = watched.peak_bytes.max(used.peak_rss_bytes);
                note(watched, used);
            }
        }
    }

    /// Pumps until a time, or until something ends it first.
    pub(super) fn until(&mut self, time: Ns, lost: impl Fn() -> bool) -> Stop {
        while self.clock.now() < time {
            if let Some(stop) = self.step_until(time) {
                return stop;
            }
            if lost() {
                return Stop::Lost;
            }
        }
        Stop::Reached
    }

    /// One step: at most 20 ms.
    pub(super) fn step(&mut self) -> Option<Stop> {
        self.step_until(Ns::MAX)
    }

    fn step_until(&mut self, time: Ns) -> Option<Stop> {
        let left = time.min(self.next_second).saturating_sub(self.clock.now());
        match self.inbox.recv_timeout(STEP.min(Duration::from_nanos(left))) {
            Ok(report) => self.rows.enter(report),
            Err(RecvTimeoutError::Timeout) => {}
            // Every worker is done; there is nobody to wait for.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(STEP.min(Duration::from_nanos(left))),
        }
        self.watch();
        if self.clock.now() >= self.next_second {
            self.second();
        }
        if let Some(why) = &self.dead {
            return Some(Stop::BrokerDied(why.clone()));
        }
        (self.interrupt.level() > 0).then_some(Stop::Interrupted)
    }

    fn watch(&mut self) {
        let seen = self.keeper.look();
        for mark in seen.marks {
            self.keep_mark(Mark { at_ns: mark.at, kind: mark.kind.to_owned(), detail: mark.detail });
        }
        match (seen.silent, self.silent.is_some()) {
            (Some(why), false) => {
                self.mark("broker-silent", &why);
                self.silent = Some((self.clock.now(), why));
            }
            (None, true) => {
                self.silent = None;
                self.mark("broker-answers", "the broker answers again");
            }
            _ => {}
        }
        if self.dead.is_none()
            && let Some(Err(why)) = self.broker.alive.as_ref().map(|alive| alive())
        {
            self.mark("broker-died", &why);
            self.dead = Some(why);
        }
    }

    /// A broker whose store is full takes nothing any more: to the run it is as good as dead.
    fn look_at_the_store(&mut self) {
        let Some(said) = self.store.as_mut().and_then(StoreWatch::full) else { return };
        self.store = None;
        self.mark(STORE_FULL, &said);
        let why = format!(
            "the broker's store is full: it said `{said}`; make room, or name another directory with --store"
        );
        self.ends_as(End::BrokerFailed, &why);
        self.dead.get_or_insert(why);
    }

    /// A second ended: samples the machine and tells what is complete.
    fn second(&mut self) {
        self.look_at_the_store();
        let now = self.clock.now();
        let second = second_of(self.next_second, self.calendar.load_start) - 1;
        self.next_second = next_second_start(now, self.calendar.load_start);
        let before = std::mem::replace(&mut self.wall_drift_ns, self.clock.wall_drift_ns());
        if let Some(detail) = clock_step(before, self.wall_drift_ns) {
            self.mark("clock-stepped", &detail);
        }
        let sample = self.sample(now);
        self.rows.enter(Report::Sample { second, sample });
        self.tell_rows(second.saturating_sub(ROWS_LATE - 1));
    }

    fn sample(&mut self, now: Ns) -> Sample {
        let interval = self.meter.take_interval();
        let seconds = num::f64_of(now.saturating_sub(self.sampled_at).max(1)) / 1e9;
        self.sampled_at = now;
        let mut sample = Sample {
            hiccup_max_ns: interval.late.max(),
            store_bytes: self.keeper.newest().and_then(|newest| newest.sample.stored_bytes),
            ..Sample::default()
        };
        for watched in &mut self.watched {
            let Some(used) = watched.user.usage() else { continue };
            let cores = num::f64_of(cpu_ns(&used).saturating_sub(cpu_ns(&watched.last))) / 1e9 / seconds;
            watched.last = used;
            watched.peak_bytes = watched.peak_bytes.max(used.peak_rss_bytes);
            if watched.name.is_none() {
                sample.harness_cpu = cores;
                sample.harness_memory_bytes = used.rss_bytes;
            } else {
                sample.broker_cpu = Some(sample.broker_cpu.unwrap_or(0.0) + cores);
                sample.broker_memory_bytes = Some(sample.broker_memory_bytes.unwrap_or(0) + used.rss_bytes);
            }
        }
        let ours = sample.harness_cpu + sample.broker_cpu.unwrap_or(0.0);
        let used = self.machine.second(now, ours);
        (sample.machine_cpu, sample.others_cpu) = (used.all, used.others);
        sample
    }

    fn tell_rows(&mut self, until: u64) {
        let (measure_start, load_end) = (self.calendar.measure_start, self.load_end());
        while let Some(rows) = self.rows.next_before(until, |at| match at {
            at if at < measure_start => PhaseName::Warmup,
            at if at < load_end => PhaseName::Measure,
            _ => PhaseName::Drain,
        }) {
            self.tell(&Event::Second(&rows));
            self.record.timeline.push(rows.row);
        }
    }

    fn load_end(&self) -> Ns {
        self.record.phase(PhaseName::Measure).map_or(self.calendar.measure_end, |phase| phase.end_ns)
    }

    /// Tells the seconds that are over, once all workers have ended.
    pub(super) fn tell_ended_seconds(&mut self) {
        while let Ok(report) = self.inbox.try_recv() {
            self.rows.enter(report);
        }
        let current = second_of(self.clock.now(), self.calendar.load_start);
        self.tell_rows(current.min(self.rows.last_second()));
    }

    /// Tells what is left of the timeline, once all workers have ended.
    pub(super) fn finish_seconds(&mut self) {
        while let Ok(report) = self.inbox.try_recv() {
            self.rows.enter(report);
        }
        let last = self.rows.last_second();
        self.tell_rows(last);
    }

    /// Notes the broker's own account of the stream, fresh after the drain; `false` where it gives none.
    pub(super) fn remember_store(&mut self) -> bool {
        let asked = self.clock.now();
        self.keeper.observe();
        let answered = |reply: &Reply| matches!(reply, Reply::Observed);
        if self.reply(answered, Duration::from_secs(3), Duration::ZERO).is_none() {
            return false;
        }
        let Some(sample) = self.account_since(asked) else { return false };
        self.record.resources.store_bytes = sample.stored_bytes;
        self.record.resources.store_events = Some(sample.stored_events);
        true
    }

    /// The broker's newest figures, if they were asked for after a moment.
    pub(super) fn account_since(&self, moment: Ns) -> Option<BusSample> {
        self.keeper.newest().filter(|newest| newest.asked >= moment).map(|newest| newest.sample)
    }

    /// What the broker owes each group by its newest account.
    pub(super) fn still_owed(&self) -> Vec<u64> {
        self.keeper.newest().map_or_else(Vec::new, |newest| newest.owed(self.clock.now()))
    }

    /// Events in the store, as it was remembered.
    pub(super) const fn stored_events(&self) -> Option<u64> {
        self.record.resources.store_events
    }

    /// Waits for the keeper's reply, unless it does not come in time, or not in a shorter one where somebody
    /// cannot wait. A late reply to an earlier question is passed over.
    pub(super) fn reply(
        &mut self,
        wanted: fn(&Reply) -> bool,
        within: Duration,
        at_once: Duration,
    ) -> Option<Reply> {
        let asked = Instant::now();
        let patience = |level| if level < 2 { within } else { at_once };
        while asked.elapsed() < patience(self.interrupt.level()) && self.keeper.alive() {
            if let Some(reply) = self.keeper.replies.try_iter().find(wanted) {
                return Some(reply);
            }
            if matches!(self.step(), Some(Stop::BrokerDied(_))) {
                break;
            }
        }
        self.keeper.replies.try_iter().find(wanted)
    }

    /// Ends the pump: the record with everything but the workers' figures, and what the judgement of those needs.
    pub(super) fn finish(mut self, dead: &[String]) -> Ended {
        let keeper_lives = self.keeper.alive();
        self.record.health.dead_workers = dead.to_vec();
        if !self.meter.alive() {
            self.record.health.dead_workers.push("the hiccup meter".into());
        }
        if !keeper_lives {
            self.record.health.dead_workers.push("the keeper of the bus".into());
        }
        let seconds = self.record.measured_seconds();
        let ours = watched::note(&self.watched, seconds, &mut self.record.resources);
        self.record.health.machine = self.machine.finish(ours);
        self.record.run.ended = utc(self.calendar.epoch_unix_ns + self.clock.now());
        for mark in self.keeper.end(Duration::from_secs(3)) {
            self.keep_mark(Mark { at_ns: mark.at, kind: mark.kind.to_owned(), detail: mark.detail });
        }
        for mark in self.marks.rest() {
            self.enter_mark(mark);
        }
        // Connections leave theirs for others to collect.
        self.record.marks.sort_by_key(|mark| mark.at_ns);
        let (times, pauses) = self.meter.finish();
        self.record.health.hiccups = record::Hiccups {
            count: times.count,
            p50_ns: times.p50_ns,
            p99_ns: times.p99_ns,
            p99_9_ns: times.p99_9_ns,
            max_ns: times.max_ns,
        };
        Ended { record: self.record, backlog_max: self.rows.backlog_max(), pauses }
    }
}

/// What a pump leaves.
pub(super) struct Ended {
    /// The record, without the workers' figures.
    pub(super) record: Record,
    /// The highest backlog of each group.
    pub(super) backlog_max: Vec<u64>,
    /// When the harness stood still.
    pub(super) pauses: Pauses,
}
