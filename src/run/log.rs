//! The record of a run while it grows, and the observers that are notified of each addition.

use crate::bus::BusSample;
use crate::measure::Counters;
use crate::plan::Ns;
use crate::record::{CURTAILED, End, Made, Mark, Phase, PhaseName, Record, Rows, Undo};

use super::events::{Event, Observer};
use super::marks::Marks;

pub(super) struct RunLog<'o, 'p> {
    record: Record,
    observers: &'o mut [&'p mut dyn Observer],
    marks: Marks,
    phase: Option<Phase>,
}

impl<'o, 'p> RunLog<'o, 'p> {
    /// Starts with the record of a ready run and notifies the observers.
    pub(super) fn start(record: Record, observers: &'o mut [&'p mut dyn Observer]) -> Self {
        for observer in &mut *observers {
            observer.event(&Event::Ready(&record));
            for warning in record.broker.made.iter().flat_map(Made::warnings) {
                observer.event(&Event::Warning(&warning));
            }
        }
        Self { record, observers, marks: Marks::default(), phase: None }
    }

    fn notify(&mut self, event: &Event<'_>) {
        for observer in &mut *self.observers {
            observer.event(event);
        }
    }

    /// Records how the run ended; only the first call counts.
    pub(super) fn ends_as(&mut self, end: End, why: &str) {
        if self.record.run.end == End::Completed {
            self.record.run.end = end;
            self.record.run.reason = Some(why.to_owned());
        }
    }

    /// Records that the run was ended early, since it cannot pass any more.
    pub(super) fn curtailed(&mut self, at_ns: Ns, why: &str) {
        self.mark(at_ns, CURTAILED, why);
        self.record.run.reason.get_or_insert_with(|| ended_early(why));
    }

    pub(super) fn mark(&mut self, at_ns: Ns, kind: &str, detail: &str) {
        self.keep(Mark { at_ns, kind: kind.to_owned(), detail: detail.to_owned() });
    }

    /// Notifies the observers of what is to be undone.
    pub(super) fn undo(&mut self, undo: &Undo) {
        self.notify(&Event::Undo(undo));
    }

    /// Records a mark, unless there are too many of its kind.
    pub(super) fn keep(&mut self, mark: Mark) {
        if let Some(mark) = self.marks.keep(mark) {
            self.enter(mark);
        }
    }

    /// Records the mark of a connection, which those that repeat it within a second join.
    pub(super) fn hold(&mut self, mark: Mark) {
        self.marks.hold(mark);
    }

    /// Records the marks that nothing can join any more.
    pub(super) fn release(&mut self, now: Ns) {
        for mark in self.marks.release(now) {
            self.keep(mark);
        }
    }

    fn enter(&mut self, mark: Mark) {
        self.notify(&Event::Mark(&mark));
        self.record.marks.push(mark);
    }

    pub(super) fn start_phase(&mut self, name: PhaseName, start_ns: Ns, until: Ns) {
        self.phase = Some(Phase { name, start_ns, end_ns: until });
        self.notify(&Event::PhaseStarted { name, length_ns: until.saturating_sub(start_ns) });
    }

    /// The current phase.
    pub(super) fn phase(&self) -> Option<PhaseName> {
        self.phase.as_ref().map(|phase| phase.name)
    }

    pub(super) fn end_phase(&mut self, end_ns: Ns) {
        let Some(phase) = self.phase.take() else { return };
        let phase = Phase { end_ns, ..phase };
        self.notify(&Event::PhaseEnded(&phase));
        self.record.phases.push(phase);
    }

    /// Records a second; `counters` are those of the run so far.
    pub(super) fn second(&mut self, rows: Rows, counters: &Counters) {
        self.notify(&Event::SoFar(counters));
        self.notify(&Event::Second(&rows));
        self.record.timeline.push(rows.row);
    }

    /// When the measure phase ended, once it has.
    pub(super) fn measure_end(&self) -> Option<Ns> {
        self.record.phase(PhaseName::Measure).map(|phase| phase.end_ns)
    }

    /// Records the size of the broker's store.
    pub(super) fn note_store(&mut self, sample: &BusSample) {
        self.record.resources.note_store(sample.stored_bytes, sample.disk_bytes);
        self.record.resources.store_events = Some(sample.stored_events);
    }

    /// Events in the store, as recorded.
    pub(super) const fn stored_events(&self) -> Option<u64> {
        self.record.resources.store_events
    }

    /// The complete record, with its marks in the order of their times.
    pub(super) fn finish(mut self) -> Record {
        self.release(Ns::MAX);
        for mark in self.marks.rest() {
            self.enter(mark);
        }
        // Marks of connections are collected late.
        self.record.marks.sort_by_key(|mark| mark.at_ns);
        self.record
    }
}

/// The reason of a run that was ended early, since it cannot pass any more.
pub(super) fn ended_early(why: &str) -> String {
    format!("ended early, since it could not pass any more: {why}")
}
