//! Keeps the journal: writes every event of the engine to `journal.jsonl` immediately.

use crate::archive::{ArchiveError, Journal, RunFolder};
use crate::record::Line;
use crate::run::{Event, Observer};

/// The journal of a run and its folder.
pub struct Keeping<'a> {
    folder: &'a RunFolder,
    /// Created with its first line, so a run that fails before its load has no journal.
    journal: Option<Journal>,
    failed: Option<ArchiveError>,
}

impl<'a> Keeping<'a> {
    /// Creates a journal in this folder that begins with the load.
    #[must_use]
    pub const fn new(folder: &'a RunFolder) -> Self {
        Self { folder, journal: None, failed: None }
    }

    /// Returns the folder of the run.
    #[must_use]
    pub const fn folder(&self) -> &'a RunFolder {
        self.folder
    }

    fn write(&mut self, line: &Line) {
        // After a failed write the journal would have a gap, so the run continues without it.
        if self.failed.is_none() {
            self.failed = self.append(line).err();
        }
    }

    /// Writes a line that contains text.
    fn write_clean(&mut self, line: &Line) {
        // Cleaning does not fail; if it ever did, the line might hold a secret, so drop it.
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

    /// Ends the journal after the record is written; returns the error if the journal could not be kept.
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
            Event::Undo(undo) => self.write_clean(&Line::Undo((*undo).clone())),
            Event::Mark(mark) => self.write_clean(&Line::Mark((*mark).clone())),
            Event::Planned { .. }
            | Event::Note(_)
            | Event::Warning(_)
            | Event::PhaseStarted { .. }
            | Event::SoFar(_) => {}
        }
    }
}
