//! Keeps the journal: whatever the engine tells goes to `journal.jsonl` at once.

use crate::archive::{ArchiveError, Journal};
use crate::record::Line;
use crate::run::{Event, Observer};

pub(super) struct Keeping {
    journal: Journal,
    failed: Option<ArchiveError>,
}

impl Keeping {
    pub(super) const fn new(journal: Journal) -> Self {
        Self { journal, failed: None }
    }

    fn write(&mut self, line: &Line) {
        // After the first failure the rest of the journal would have a hole: the run goes on without one.
        if self.failed.is_none() {
            self.failed = self.journal.append(line).err();
        }
    }

    /// Ends it; says why it could not be kept.
    pub(super) fn end(mut self) -> Option<ArchiveError> {
        self.write(&Line::End);
        self.failed
    }
}

impl Observer for Keeping {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Ready(record) => self.write(&Line::Start {
                schema: record.schema.clone(),
                run: record.run.clone(),
                plan: record.plan.clone(),
                environment: record.environment.clone(),
                broker: record.broker.clone(),
            }),
            Event::PhaseEnded(phase) => self.write(&Line::Phase((*phase).clone())),
            Event::Second(rows) => self.write(&Line::Second((*rows).clone())),
            Event::Mark(mark) => self.write(&Line::Mark((*mark).clone())),
            Event::PhaseStarted { .. } => {}
        }
    }
}
