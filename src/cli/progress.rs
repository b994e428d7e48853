//! Progress on stderr: one line that is overwritten on a terminal, a line every few seconds elsewhere.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::Path;

use crate::archive::JOURNAL;
use crate::record::PhaseName;
use crate::report::terminal::Style;
use crate::report::{progress, show, words};
use crate::run::{Event, Observer};
use crate::session;

use super::volume;

/// Seconds between lines if stderr is not a terminal.
const PLAIN_EVERY_S: u64 = 5;

/// Colours if stdout is a terminal and `NO_COLOR` is not set.
pub(super) fn style_of_stdout() -> Style {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Style { colour: stdout().is_terminal() && !no_colour }
}

/// How much progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    All,
    Brief,
    Nothing,
}

/// Shows the progress of a run.
pub(super) struct Progress {
    terminal: bool,
    detail: Detail,
    /// What the run will send, in words.
    volume: String,
    load_s: u64,
    elapsed_s: u64,
    open_line: bool,
    /// The audit has begun: rows that arrive now belong to earlier seconds and are not shown.
    audit: bool,
    at_start: Vec<String>,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let detail = if quiet { Detail::Nothing } else { Detail::All };
        Self {
            terminal: stderr().is_terminal(),
            detail,
            volume: String::new(),
            load_s: 0,
            elapsed_s: 0,
            open_line: false,
            audit: false,
            at_start: Vec::new(),
        }
    }

    /// For one run of many: an overwritten line on a terminal, only exceptional events elsewhere.
    pub(super) fn brief(quiet: bool) -> Self {
        let new = Self::new(quiet);
        Self { detail: if quiet { new.detail } else { Detail::Brief }, ..new }
    }

    /// Adds a line to show when the load begins.
    pub(super) fn at_start(&mut self, text: String) {
        self.at_start.push(text);
    }

    /// Adds a line on how to recover the record if tickgate is killed or runs out of memory: afterwards it is too late.
    pub(super) fn keeps_journal_in(&mut self, folder: &Path) {
        let folder = folder.display();
        self.at_start(format!(
            "journal: {folder}/{JOURNAL}; if tickgate is killed or runs out of memory: tickgate report --recover {folder}"
        ));
    }

    /// Prints a line that stays.
    pub(super) fn say(&mut self, text: &str) {
        if self.detail == Detail::Nothing {
            return;
        }
        self.end_line();
        eprintln!("{text}");
    }

    /// Ends a line that would be overwritten.
    pub(super) fn end_line(&mut self) {
        if std::mem::take(&mut self.open_line) {
            eprintln!();
        }
    }

    fn over(&mut self, text: &str) {
        // Carriage return, the text, and erase to the end of the line.
        super::paint_err(format_args!("\r{text}\u{1b}[K"));
        let _ = stderr().flush();
        self.open_line = true;
    }
}

impl Observer for Progress {
    fn event(&mut self, event: &Event<'_>) {
        if self.detail == Detail::Nothing {
            return;
        }
        match event {
            Event::Planned { plan, subjects } => {
                // Computed now, since the load starts as soon as the run is ready.
                if self.detail == Detail::All {
                    self.volume = volume::volume(plan, subjects);
                }
                self.at_start.extend(session::store_bound(plan));
            }
            Event::Note(text) => self.say(text),
            Event::Warning(text) => self.say(&format!("warning: {text}")),
            Event::Ready(record) => {
                self.load_s = record.plan.load.sending().ns.div_ceil(1_000_000_000);
                self.elapsed_s = 0;
                self.audit = false;
                let at_start = std::mem::take(&mut self.at_start);
                if self.detail == Detail::All {
                    let broker = &record.broker;
                    self.say(&show::plain(&format!(
                        "ready: {} {} at {}{}; sending {}",
                        broker.product,
                        broker.version,
                        broker.address,
                        words::names(&broker.settings),
                        self.volume
                    )));
                    for line in at_start {
                        self.say(&show::plain(&line));
                    }
                }
            }
            Event::PhaseStarted { name: PhaseName::Audit, .. } => {
                self.audit = true;
                if self.detail == Detail::All {
                    self.say("auditing: reading the stream back");
                }
            }
            Event::PhaseStarted { name: PhaseName::Drain, .. } if self.detail == Detail::Brief => {}
            Event::PhaseStarted { name: PhaseName::Drain, length_ns } => {
                self.say(&format!("draining, at most {} s", length_ns / 1_000_000_000));
            }
            Event::Second(rows) => {
                self.elapsed_s += 1;
                let line = progress::line(&rows.row, self.elapsed_s, self.load_s);
                if self.audit {
                    return;
                }
                if self.terminal {
                    self.over(&line);
                } else if self.detail == Detail::All
                    && (self.elapsed_s.is_multiple_of(PLAIN_EVERY_S) || self.elapsed_s == 1)
                {
                    self.say(&line);
                }
            }
            Event::Mark(mark) => self.say(&show::plain(&format!("{}: {}", mark.kind, mark.detail))),
            Event::PhaseStarted { .. } | Event::PhaseEnded(_) => {}
        }
    }
}
