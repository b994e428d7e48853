//! Progress on stderr: one line that is overwritten on a terminal, a line every few seconds elsewhere.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::Path;

use crate::archive::JOURNAL;
use crate::record::{PhaseName, Row};
use crate::report::progress::{self, Lasting, Stage};
use crate::report::terminal::Style;
use crate::report::{show, words};
use crate::run::{Event, Observer};
use crate::session;
use crate::verdict::so_far::SoFar;

use super::volume;

/// Seconds between lines if stderr is not a terminal.
const PLAIN_EVERY_S: u64 = 5;
/// Width of a terminal that does not say how wide it is.
const COLUMNS: usize = 80;

/// Characters that fit on a line of the terminal now. The last column stays free: after a character in it, some terminals go on to
/// the next line.
fn room() -> usize {
    let columns = rustix::termios::tcgetwinsize(stderr()).map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { COLUMNS - 1 } else { columns.saturating_sub(1).max(1) }
}

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
    /// Characters of the line that is overwritten next; 0 where there is none.
    open: usize,
    /// Second of the load in which the drain ends at the latest, once it has begun.
    drain_until_s: Option<u64>,
    /// The objectives, as far as they are known.
    so_far: SoFar,
    /// The faults that last now.
    lasting: Lasting,
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
            open: 0,
            drain_until_s: None,
            so_far: SoFar::default(),
            lasting: Lasting::default(),
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
        if std::mem::take(&mut self.open) > 0 {
            eprintln!();
        }
    }

    fn over(&mut self, text: &str, room: usize) {
        // On a terminal that has become narrower, the old line covers several rows: it stays.
        if self.open > room {
            self.end_line();
        }
        // Carriage return, the text, and erase to the end of the line.
        super::paint_err(format_args!("\r{text}\u{1b}[K"));
        let _ = stderr().flush();
        self.open = text.chars().count();
    }

    /// Shows a second.
    fn second(&mut self, row: &Row) {
        self.elapsed_s += 1;
        self.so_far.add(row);
        if self.audit {
            return;
        }
        if self.terminal {
            let stage = match self.drain_until_s {
                Some(until_s) => Stage::Drain { left_s: until_s.saturating_sub(self.elapsed_s) },
                None => Stage::Load { elapsed_s: self.elapsed_s, of_s: self.load_s },
            };
            let (states, room) = (self.so_far.states().collect::<Vec<_>>(), room());
            self.over(&progress::live(row, stage, &states, &self.lasting, room), room);
        } else if self.detail == Detail::All
            && (self.elapsed_s.is_multiple_of(PLAIN_EVERY_S) || self.elapsed_s == 1)
        {
            self.say(&progress::line(row, self.elapsed_s, self.load_s));
        }
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
                (self.audit, self.drain_until_s) = (false, None);
                self.so_far = SoFar::of(&record.plan);
                self.lasting = Lasting::of(&record.plan);
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
            Event::PhaseStarted { name: PhaseName::Replay, .. } if self.detail == Detail::All => {
                self.say("replaying: reading events again");
            }
            Event::PhaseStarted { name: PhaseName::Drain, length_ns } => {
                let most_s = length_ns / 1_000_000_000;
                self.drain_until_s = Some(self.elapsed_s + most_s);
                if self.detail == Detail::All {
                    self.say(&format!("draining, at most {most_s} s"));
                }
            }
            Event::SoFar(counters) => self.so_far.count(counters),
            Event::Second(rows) => self.second(&rows.row),
            Event::Mark(mark) => {
                self.lasting.note(mark);
                self.say(&progress::mark(mark));
            }
            Event::PhaseStarted { .. } | Event::PhaseEnded(_) | Event::Undo(_) => {}
        }
    }
}
