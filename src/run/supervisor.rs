//! The supervisor of a run: while the workers work, it gathers their reports, watches the broker and the
//! machine, checks for an interruption, records what happens on the agenda, and notifies the observers. Its
//! thread never waits longer than a step.

use std::sync::mpsc::{Receiver as Inbox, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::host::clock::{Clock, utc};
use crate::host::signal::Interrupt;
use crate::measure::Pauses;
use crate::plan::Ns;
use crate::record::{End, Mark, PhaseName, Record};
use crate::verdict::Curtailment;

use super::agenda::AgendaThread;
use super::broker_watch::BrokerWatch;
use super::control::Reply;
use super::log::RunLog;
use super::machine::MachineWatch;
use super::rows::{Backlogs, Report, RowMaker, next_second_start, second_of};
use super::shared::Calendar;

/// Why a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// The time was reached.
    Reached,
    /// The user interrupted.
    Interrupted,
    /// The broker's process exited.
    BrokerDied(String),
    /// The broker has refused the run something for good.
    Denied,
    /// A worker ended early.
    Lost,
    /// The run cannot pass any more.
    Curtailed(String),
}

/// The longest wait of a step for a report.
const STEP: Duration = Duration::from_millis(20);
/// A run has measured this long before it is ended since it cannot pass any more, so that it has figures.
pub(super) const MEASURED_NS: Ns = 1_000_000_000;
/// Delay of rows in seconds, so that the reports of all workers are in.
const ROWS_LATE: u64 = 1;
/// How long the control side of the bus may take to end.
const CONTROL_ENDS_WITHIN: Duration = Duration::from_secs(3);

/// The workers' reports, and the rows made of them.
pub(super) struct Timeline {
    inbox: Inbox<Report>,
    rows: RowMaker,
    calendar: Calendar,
    /// The end of the current second.
    next_second: Ns,
    /// Watches whether the run can still pass, where it is to be ended otherwise.
    curtailment: Option<Curtailment>,
    /// Has a report come since the curtailment last looked?
    news: bool,
}

impl Timeline {
    pub(super) const fn new(
        inbox: Inbox<Report>,
        rows: RowMaker,
        calendar: Calendar,
        curtailment: Option<Curtailment>,
    ) -> Self {
        let next_second = calendar.load_start + 1_000_000_000;
        Self { inbox, rows, calendar, next_second, curtailment, news: false }
    }

    fn enter(&mut self, report: Report) {
        self.rows.enter(report);
        self.news = true;
    }

    /// Why the run cannot pass any more, once it has measured for a moment.
    fn hopeless(&mut self, now: Ns) -> Option<String> {
        let curtailment = self.curtailment.as_mut()?;
        if now < self.calendar.measure_start + MEASURED_NS || !std::mem::take(&mut self.news) {
            return None;
        }
        curtailment.count(self.rows.counters(), self.rows.reach());
        curtailment.reason()
    }

    /// Waits for a report, up to `longest`.
    fn wait(&mut self, longest: Duration) {
        match self.inbox.recv_timeout(longest) {
            Ok(report) => self.enter(report),
            Err(RecvTimeoutError::Timeout) => {}
            // All workers have ended; no report will come.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(longest),
        }
    }

    /// Takes all reports that have arrived.
    fn gather(&mut self) {
        while let Ok(report) = self.inbox.try_recv() {
            self.enter(report);
        }
    }

    /// The number of the second that ended, if one did since the last call.
    fn ended(&mut self, now: Ns) -> Option<u64> {
        if now < self.next_second {
            return None;
        }
        let ended = second_of(self.next_second, self.calendar.load_start) - 1;
        self.next_second = next_second_start(now, self.calendar.load_start);
        Some(ended)
    }

    /// Emits the rows before a second.
    fn emit(&mut self, until: u64, log: &mut RunLog<'_, '_>) {
        let measure_start = self.calendar.measure_start;
        let counters = self.rows.counters();
        let load_end = log.measure_end().unwrap_or(self.calendar.measure_end);
        while let Some(rows) = self.rows.next_before(until, |at| match at {
            at if at < measure_start => PhaseName::Warmup,
            at if at < load_end => PhaseName::Measure,
            _ => PhaseName::Drain,
        }) {
            if let Some(curtailment) = &mut self.curtailment {
                curtailment.add(&rows.row);
            }
            log.second(rows, &counters);
        }
    }
}

pub(super) struct Supervisor<'a, 'o, 'p> {
    clock: Clock,
    interrupt: &'a Interrupt,
    agenda: AgendaThread,
    timeline: Timeline,
    log: RunLog<'o, 'p>,
    machine: MachineWatch,
    pub(super) broker: BrokerWatch,
}

impl<'a, 'o, 'p> Supervisor<'a, 'o, 'p> {
    pub(super) const fn new(
        clock: Clock,
        interrupt: &'a Interrupt,
        agenda: AgendaThread,
        timeline: Timeline,
        log: RunLog<'o, 'p>,
        machine: MachineWatch,
        broker: BrokerWatch,
    ) -> Self {
        Self { clock, interrupt, agenda, timeline, log, machine, broker }
    }

    pub(super) fn now(&self) -> Ns {
        self.clock.now()
    }

    pub(super) fn interrupt_level(&self) -> u8 {
        self.interrupt.level()
    }

    pub(super) fn broker_is_dead(&self) -> bool {
        self.broker.death().is_some()
    }

    /// Records how the run ended; only the first call counts.
    pub(super) fn ends_as(&mut self, end: End, why: &str) {
        self.log.ends_as(end, why);
    }

    pub(super) fn mark(&mut self, kind: &str, detail: &str) {
        self.log.mark(self.clock.now(), kind, detail);
    }

    pub(super) fn start_phase(&mut self, name: PhaseName, start_ns: Ns, until: Ns) {
        if name == PhaseName::Measure {
            self.machine.start_measuring();
        }
        self.log.start_phase(name, start_ns, until);
    }

    pub(super) fn end_phase(&mut self, end_ns: Ns) {
        self.broker.look_at_the_store(self.clock.now(), &mut self.log);
        if self.log.phase() == Some(PhaseName::Measure) {
            self.machine.end_measuring(end_ns);
        }
        self.log.end_phase(end_ns);
    }

    /// Works until a time, or until something ends the wait early.
    pub(super) fn until(&mut self, time: Ns, lost: impl Fn() -> bool) -> Stop {
        while self.clock.now() < time {
            if let Some(stop) = self.step_until(time) {
                return stop;
            }
            if lost() {
                return Stop::Lost;
            }
            if let Some(why) = self.hopeless() {
                return Stop::Curtailed(why);
            }
        }
        Stop::Reached
    }

    /// Why the run cannot pass any more, if it is to be ended then.
    pub(super) fn hopeless(&mut self) -> Option<String> {
        self.timeline.hopeless(self.clock.now())
    }

    /// Records that the load or the drain ended early, since the run cannot pass any more.
    pub(super) fn curtailed(&mut self, why: &str) {
        self.log.curtailed(self.clock.now(), why);
    }

    /// One step of up to 20 ms.
    pub(super) fn step(&mut self) -> Option<Stop> {
        self.step_until(Ns::MAX)
    }

    fn step_until(&mut self, time: Ns) -> Option<Stop> {
        let left = time.min(self.timeline.next_second).saturating_sub(self.clock.now());
        self.timeline.wait(STEP.min(Duration::from_nanos(left)));
        self.broker.look(self.clock.now(), &mut self.log);
        self.note_agenda();
        if let Some(second) = self.timeline.ended(self.clock.now()) {
            self.second(second);
        }
        if let Some(why) = self.broker.death() {
            return Some(Stop::BrokerDied(why.to_owned()));
        }
        if self.broker.denied().is_some() {
            return Some(Stop::Denied);
        }
        (self.interrupt.level() > 0).then_some(Stop::Interrupted)
    }

    fn note_agenda(&mut self) {
        for told in self.agenda.happened() {
            if let Some(undo) = told.change.undo() {
                self.log.undo(&undo);
            }
            self.log.keep(told.change.into());
        }
    }

    /// Signals the end of the agenda: its thread drops what has not begun and undoes the rest. Does not wait.
    pub(super) fn end_agenda(&mut self) {
        self.agenda.end();
    }

    /// Works until every action of the agenda is undone, or the deadline passes.
    pub(super) fn finish_agenda(&mut self) {
        self.agenda.end();
        let deadline = AgendaThread::deadline();
        while !self.agenda.is_over() && Instant::now() < deadline {
            let _ = self.step();
        }
        self.note_agenda();
        if !self.agenda.is_over() {
            self.mark(
                "action-hangs",
                "an action of the agenda has not finished; what it did may not be undone",
            );
            self.agenda.abandon();
        }
    }

    /// Ends a second: samples the machine and emits the complete rows.
    fn second(&mut self, second: u64) {
        let now = self.clock.now();
        self.broker.look_at_the_store(now, &mut self.log);
        self.broker.look_at_the_nodes(now, &mut self.log);
        if let Some(detail) = self.machine.clock_step() {
            self.log.mark(now, "clock-stepped", &detail);
        }
        let mut sample = self.machine.sample(now);
        sample.store_bytes = self.broker.stored_bytes();
        self.timeline.enter(Report::Sample { second, sample });
        self.timeline.emit(second.saturating_sub(ROWS_LATE - 1), &mut self.log);
    }

    /// Emits the seconds that are over, once all workers have ended.
    pub(super) fn emit_ended_seconds(&mut self) {
        self.timeline.gather();
        let current = second_of(self.clock.now(), self.timeline.calendar.load_start);
        self.timeline.emit(current.min(self.timeline.rows.last_second()), &mut self.log);
    }

    /// Emits the rest of the timeline, once all workers have ended.
    pub(super) fn finish_seconds(&mut self) {
        self.timeline.gather();
        self.timeline.emit(self.timeline.rows.last_second(), &mut self.log);
    }

    /// Records the broker's account of the stream, taken after the drain; returns `false` where the broker
    /// gives none.
    pub(super) fn record_store(&mut self) -> bool {
        let asked = self.clock.now();
        self.broker.control.observe();
        let answered = |reply: &Reply| matches!(reply, Reply::Observed);
        if self.reply(answered, Duration::from_secs(3), Duration::ZERO).is_none() {
            return false;
        }
        let Some(sample) = self.broker.account_since(asked) else { return false };
        self.log.note_store(&sample);
        true
    }

    /// Events in the store, as recorded.
    pub(super) const fn stored_events(&self) -> Option<u64> {
        self.log.stored_events()
    }

    /// Waits for a reply of the control side until the deadline, or until a shorter one after an interruption.
    /// Late replies to earlier requests are skipped.
    pub(super) fn reply(
        &mut self,
        wanted: fn(&Reply) -> bool,
        within: Duration,
        at_once: Duration,
    ) -> Option<Reply> {
        let asked = Instant::now();
        let patience = |level| if level < 2 { within } else { at_once };
        while asked.elapsed() < patience(self.interrupt.level()) && self.broker.control.alive() {
            if let Some(reply) = self.broker.control.replies.try_iter().find(wanted) {
                return Some(reply);
            }
            if matches!(self.step(), Some(Stop::BrokerDied(_))) && !self.broker.is_full() {
                break;
            }
        }
        self.broker.control.replies.try_iter().find(wanted)
    }

    /// Ends the supervision and returns the record without the workers' figures, and what is needed to judge
    /// those.
    pub(super) fn finish(mut self, dead: &[String]) -> Supervised {
        let control_lives = self.broker.control.alive();
        let ended = utc(self.timeline.calendar.epoch_unix_ns + self.clock.now());
        for mark in self.broker.control.end(CONTROL_ENDS_WITHIN) {
            self.log.hold(Mark { at_ns: mark.at, kind: mark.kind.to_owned(), detail: mark.detail });
        }
        let now = self.clock.now();
        self.broker.look_at_the_nodes(now, &mut self.log);
        let mut record = self.log.finish();
        record.run.ended = ended;
        record.health.dead_workers = dead.to_vec();
        let pauses = self.machine.finish(&mut record);
        self.broker.note_nodes(now, &mut record);
        if !control_lives {
            record.health.dead_workers.push("the control side of the bus".into());
        }
        Supervised { record, backlogs: self.timeline.rows.backlogs(), pauses }
    }
}

/// The results of a supervisor.
pub(super) struct Supervised {
    /// The record, without the workers' figures.
    pub(super) record: Record,
    /// The backlogs of the groups.
    pub(super) backlogs: Backlogs,
    /// The harness's own pauses.
    pub(super) pauses: Pauses,
}
