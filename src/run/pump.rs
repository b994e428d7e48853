//! The pump: while workers work, it gathers what they report, watches the broker and the machine, and tells
//! the observers.

use std::sync::mpsc::{Receiver as Inbox, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::host::clock::{Clock, utc};
use crate::host::hiccup::{HiccupMeter, Hiccups};
use crate::host::resources::{Process, ProcessUse};
use crate::host::signal::Interrupt;
use crate::num;
use crate::plan::Ns;
use crate::record::{self, End, Mark, Phase, PhaseName, Record};

use super::engine::Broker;
use super::events::{Event, Observer};
use super::keeper::{Keeper, Reply};
use super::rows::{Report, RowMaker, Sample, next_second_start, second_of};
use super::shared::Calendar;

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

/// A process that is watched.
struct Watched {
    name: Option<String>,
    process: Process,
    at_measure_start: Option<ProcessUse>,
    at_measure_end: Option<ProcessUse>,
    last: ProcessUse,
    peak_bytes: u64,
}

pub(super) struct Pump<'a, 'o> {
    record: Record,
    calendar: Calendar,
    clock: Clock,
    rows: RowMaker,
    inbox: Inbox<Report>,
    keeper: Keeper,
    broker: Broker,
    dead: Option<String>,
    interrupt: &'a Interrupt,
    observers: &'a mut [&'o mut dyn Observer],
    phase: Option<Phase>,
    next_second: Ns,
    sampled_at: Ns,
    meter: HiccupMeter,
    hiccups: Hiccups,
    watched: Vec<Watched>,
    silent: bool,
}

impl<'a, 'o> Pump<'a, 'o> {
    #[expect(clippy::too_many_arguments, reason = "called once; a struct would only rename them")]
    pub(super) fn new(
        record: Record,
        calendar: Calendar,
        clock: Clock,
        subscribed: Vec<Vec<bool>>,
        inbox: Inbox<Report>,
        keeper: Keeper,
        broker: Broker,
        interrupt: &'a Interrupt,
        observers: &'a mut [&'o mut dyn Observer],
    ) -> std::io::Result<Self> {
        let own = Process::own().ok().map(|process| (None, process));
        let brokers = broker
            .processes
            .iter()
            .filter_map(|(name, pid)| Some((Some(name.clone()), Process::of(*pid).ok()?)));
        let watched = own
            .into_iter()
            .chain(brokers)
            .map(|(name, process)| Watched {
                name,
                last: process.usage().unwrap_or_default(),
                process,
                at_measure_start: None,
                at_measure_end: None,
                peak_bytes: 0,
            })
            .collect();
        let mut pump = Self {
            rows: RowMaker::new(calendar.load_start, subscribed),
            record,
            calendar,
            clock,
            inbox,
            keeper,
            broker,
            dead: None,
            interrupt,
            observers,
            phase: None,
            next_second: calendar.load_start + 1_000_000_000,
            sampled_at: clock.now(),
            meter: HiccupMeter::start(clock)?,
            hiccups: Hiccups::none(),
            watched,
            silent: false,
        };
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
        self.tell(&Event::Mark(&mark));
        self.record.marks.push(mark);
    }

    pub(super) fn start_phase(&mut self, name: PhaseName, start_ns: Ns, until: Ns) {
        if name == PhaseName::Measure {
            // What the meter saw before is none of the measure phase.
            self.meter.take_interval();
            self.each_watched(|watched, used| watched.at_measure_start = Some(used));
        }
        self.phase = Some(Phase { name, start_ns, end_ns: until });
        self.tell(&Event::PhaseStarted { name, length_ns: until.saturating_sub(start_ns) });
    }

    pub(super) fn end_phase(&mut self, end_ns: Ns) {
        let Some(phase) = self.phase.take() else { return };
        let phase = Phase { end_ns, ..phase };
        if phase.name == PhaseName::Measure {
            let interval = self.meter.take_interval();
            self.hiccups.add(&interval);
            self.each_watched(|watched, used| watched.at_measure_end = Some(used));
        }
        self.tell(&Event::PhaseEnded(&phase));
        self.record.phases.push(phase);
    }

    fn each_watched(&mut self, note: impl Fn(&mut Watched, ProcessUse)) {
        for watched in &mut self.watched {
            if let Ok(used) = watched.process.usage() {
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
        match (&seen.silent, self.silent) {
            (Some(why), false) => {
                self.silent = true;
                self.mark("broker-silent", why);
            }
            (None, true) => {
                self.silent = false;
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

    /// A second ended: samples the machine and tells what is complete.
    fn second(&mut self) {
        let now = self.clock.now();
        let second = second_of(self.next_second, self.calendar.load_start) - 1;
        self.next_second = next_second_start(now, self.calendar.load_start);
        let sample = self.sample(now);
        self.rows.enter(Report::Sample { second, sample });
        self.tell_rows(second.saturating_sub(ROWS_LATE - 1));
    }

    fn sample(&mut self, now: Ns) -> Sample {
        let interval = self.meter.take_interval();
        if self.phase.as_ref().is_some_and(|phase| phase.name == PhaseName::Measure) {
            self.hiccups.add(&interval);
        }
        let seconds = num::f64_of(now.saturating_sub(self.sampled_at).max(1)) / 1e9;
        self.sampled_at = now;
        let mut sample = Sample {
            hiccup_max_ns: interval.late.max(),
            store_bytes: self.keeper.newest().map(|sample| sample.stored_bytes),
            ..Sample::default()
        };
        for watched in &mut self.watched {
            let Ok(used) = watched.process.usage() else { continue };
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

    /// Tells what is left of the timeline, once all workers have ended.
    pub(super) fn finish_seconds(&mut self) {
        while let Ok(report) = self.inbox.try_recv() {
            self.rows.enter(report);
        }
        let last = self.rows.last_second();
        self.tell_rows(last);
    }

    /// Notes the broker's own account of the stream, fresh after the drain.
    pub(super) fn remember_store(&mut self) {
        self.keeper.observe();
        if self.reply(Duration::from_secs(3)).is_none() {
            return;
        }
        if let Some(sample) = self.keeper.newest() {
            self.record.resources.store_bytes = Some(sample.stored_bytes);
            self.record.resources.store_events = Some(sample.stored_events);
        }
    }

    /// Waits for the keeper's reply, unless it does not come in time or somebody cannot wait.
    pub(super) fn reply(&mut self, within: Duration) -> Option<Reply> {
        let until = Instant::now() + within;
        while Instant::now() < until && self.interrupt.level() < 2 && self.keeper.alive() {
            if let Ok(reply) = self.keeper.replies.try_recv() {
                return Some(reply);
            }
            if matches!(self.step(), Some(Stop::BrokerDied(_))) {
                break;
            }
        }
        self.keeper.replies.try_recv().ok()
    }

    /// Ends the pump: the record with everything but the workers' figures, the highest backlog of each group,
    /// and the hiccups of the measure phase.
    pub(super) fn finish(mut self, dead: &[String]) -> (Record, Vec<u64>, record::Hiccups) {
        let meter_lives = self.meter.alive();
        let keeper_lives = self.keeper.alive();
        self.record.health.dead_workers = dead.to_vec();
        if !meter_lives {
            self.record.health.dead_workers.push("the hiccup meter".into());
        }
        if !keeper_lives {
            self.record.health.dead_workers.push("the keeper of the bus".into());
        }
        let seconds = self.record.measured_seconds();
        for watched in &self.watched {
            let spent = match (watched.at_measure_start, watched.at_measure_end) {
                (Some(start), Some(end)) => num::f64_of(cpu_ns(&end).saturating_sub(cpu_ns(&start))) / 1e9,
                _ => 0.0,
            };
            let process = record::Process {
                cpu_seconds: spent,
                cpu_cores: if seconds > 0.0 { spent / seconds } else { 0.0 },
                peak_memory_bytes: watched.peak_bytes,
            };
            match &watched.name {
                None => self.record.resources.harness = process,
                Some(name) => {
                    self.record.resources.brokers.insert(name.clone(), process);
                }
            }
        }
        let times = self.hiccups.times();
        let hiccups = record::Hiccups {
            count: times.count,
            p50_ns: times.p50_ns,
            p99_ns: times.p99_ns,
            p99_9_ns: times.p99_9_ns,
            max_ns: times.max_ns,
        };
        self.record.run.ended = utc(self.calendar.epoch_unix_ns + self.clock.now());
        self.keeper.end(Duration::from_secs(2));
        (self.record, self.rows.backlog_max, hiccups)
    }
}

const fn cpu_ns(used: &ProcessUse) -> u64 {
    used.user_ns + used.system_ns
}
