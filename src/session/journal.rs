//! Keeps the journal: every event of the engine is written to `journal.jsonl` at once.

use crate::archive::{ArchiveError, Journal, RunFolder};
use crate::record::Line;
use crate::run::{Event, Observer};

/// The journal of a run, and the folder that it is in.
pub struct Keeping<'a> {
    folder: &'a RunFolder,
    /// Made with its first line: a run that never came to its load has none.
    journal: Option<Journal>,
    failed: Option<ArchiveError>,
}

impl<'a> Keeping<'a> {
    /// A journal in this folder, which begins with the load.
    #[must_use]
    pub const fn new(folder: &'a RunFolder) -> Self {
        Self { folder, journal: None, failed: None }
    }

    /// The folder of the run.
    #[must_use]
    pub const fn folder(&self) -> &'a RunFolder {
        self.folder
    }

    fn write(&mut self, line: &Line) {
        // After the first failure the rest of the journal would have a hole: the run goes on without one.
        if self.failed.is_none() {
            self.failed = self.append(line).err();
        }
    }

    /// Writes a line that has texts.
    fn write_clean(&mut self, line: &Line) {
        // It cannot fail; a line that did might hold a secret.
        if let Ok(line) = super::door::clean(line) {
            self.write(&line);
        }
    }

    fn append(&mut self, line: &Line) -> Result<(), ArchiveError> {
        if self.journal.is_none() {
            self.journal = Some(self.folder.journal()?);
        }
        self.journal.as_mut().map_or(Ok(()), |journal| journal.append(line))
    }

    /// Ends it, once the record is written; returns why it could not be kept.
    #[must_use]
    pub fn end(mut self) -> Option<ArchiveError> {
        self.write(&Line::End);
        self.failed
    }
}

impl Observer for Keeping<'_> {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Ready(record) => self.write_clean(&Line::Start {
                schema: record.schema.clone(),
                run: record.run.clone(),
                plan: record.plan.clone(),
                environment: record.environment.clone(),
                broker: record.broker.clone(),
            }),
            Event::PhaseEnded(phase) => self.write(&Line::Phase((*phase).clone())),
            Event::Second(rows) => self.write(&Line::Second((*rows).clone())),
            Event::Mark(mark) => self.write_clean(&Line::Mark((*mark).clone())),
            Event::Planned { .. } | Event::Note(_) | Event::Warning(_) | Event::PhaseStarted { .. } => {}
        }
    }
}
