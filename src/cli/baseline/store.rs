//! The files of a baseline: its description, and its history, which is only ever added to.

use std::path::Path;

use crate::archive::{self, Lines, Readers, RunFolder, Schema, each_entry};
use crate::baseline::{
    self, BASELINE_FAMILY, BASELINE_VERSION, Baseline, History, HistoryError, Line, SCHEMA as LINE, What,
};
use crate::cli::args::Which;
use crate::cli::outside::clean;
use crate::cli::{Exit, Failure};
use crate::host::clock::{Clock, utc};
use crate::run::Identity;

/// The description.
const FILE: &str = "baseline.json";
/// The lines.
const HISTORY: &str = "history.jsonl";
/// Descriptions of what was checked, by the hash of their configuration: an accepted one becomes the baseline's.
const SUBJECTS: &str = "subjects";
/// The longest name.
const LONGEST: usize = 60;
/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// The accepted schema of a `baseline.json`.
const SCHEMA: Schema = Schema {
    family: BASELINE_FAMILY,
    newest: BASELINE_VERSION,
    what: "description of a baseline",
    next: "it was truncated or changed after it was written: restore it from a copy; the history beside it has every run",
};

/// A baseline that this process alone may add to.
pub(super) struct Store {
    folder: RunFolder,
    name: String,
    lines: Lines,
    held: Vec<Line>,
    /// What to tell about the files.
    pub(super) notes: Vec<String>,
}

impl Store {
    /// Opens a baseline for this process alone; `create` makes its folder where there is none.
    pub(super) fn open(which: &Which, create: bool) -> Result<Self, Failure> {
        let path = named(which)?;
        let folder = if path.is_dir() {
            RunFolder::open(&path)
        } else if create {
            RunFolder::at(&path, Readers::Umask)
        } else {
            return Err(missing(which));
        };
        let folder = folder.map_err(|error| Failure::environment(&error))?;
        let opened = folder.lines::<Line>(HISTORY, "history of a baseline");
        let (lines, held) = opened.map_err(|error| Failure::environment(&error))?;
        let mut notes = Vec::new();
        if held.torn {
            notes.push(format!("the last line of {HISTORY} was torn by a kill and is left out"));
        }
        let store = Self { folder, name: which.name.clone(), lines, held: held.entries, notes };
        store.history()?;
        Ok(store)
    }

    /// The description; `None` before the first session.
    pub(super) fn baseline(&self) -> Result<Option<Baseline>, Failure> {
        read(&self.folder)
    }

    pub(super) fn write(&self, baseline: &Baseline) -> Result<(), Failure> {
        self.write_as(FILE, baseline)
    }

    /// Keeps the description of what is checked.
    pub(super) fn write_subject(&self, config: &str, baseline: &Baseline) -> Result<(), Failure> {
        self.write_as(&format!("{SUBJECTS}/{config}.json"), baseline)
    }

    /// The description of what was checked.
    pub(super) fn subject(&self, config: &str) -> Result<Baseline, Failure> {
        let path = self.folder.file(SUBJECTS).join(format!("{config}.json"));
        archive::read_record(&path, SCHEMA).map_err(|error| Failure::environment(&error))
    }

    fn write_as(&self, name: &str, baseline: &Baseline) -> Result<(), Failure> {
        let json =
            serde_json::to_string_pretty(&clean(baseline)?).map_err(|error| Failure::environment(&error))?;
        self.folder.write_whole(name, json.as_bytes()).map_err(|error| Failure::environment(&error))
    }

    pub(super) fn history(&self) -> Result<History, Failure> {
        history(&self.folder, &self.name, self.held.clone())
    }

    /// Runs in the history.
    pub(super) fn runs(&self) -> u64 {
        let is_run = |line: &&Line| matches!(line.what, What::Run(_));
        crate::num::count(self.held.iter().filter(is_run).count())
    }

    /// Appends a line; it is on the disk when this returns.
    pub(super) fn append(&mut self, id: Option<String>, what: What) -> Result<String, Failure> {
        let id = id.unwrap_or_else(|| Identity::new().id);
        let line = Line {
            schema: LINE.into(),
            id: id.clone(),
            baseline: self.name.clone(),
            at: now(),
            tickgate: crate::host::build::VERSION.into(),
            what,
        };
        self.add(&line)?;
        Ok(id)
    }

    fn add(&mut self, line: &Line) -> Result<(), Failure> {
        let line = clean(line)?;
        self.lines.append(&line).map_err(|error| Failure::environment(&error))?;
        self.held.push(line);
        Ok(())
    }

    /// Adds the lines of another history that are not there yet; returns how many.
    pub(super) fn merge(&mut self, path: &Path) -> Result<u64, Failure> {
        let mut all = self.held.clone();
        all.extend(read_lines(path)?);
        let merged = baseline::merged(&self.name, all).map_err(|error| wrong(path, &error))?;
        let new: Vec<Line> = merged.into_iter().filter(|line| !self.held.contains(line)).collect();
        let added = crate::num::count(new.len());
        new.into_iter().try_for_each(|line| self.add(&line))?;
        Ok(added)
    }
}

/// Now, to the second: lines of one second keep the order in which they were written.
pub(super) fn now() -> String {
    utc(Clock::start().unix_ns_at_epoch() / SECOND * SECOND)
}

/// A baseline, its history and its folder, without keeping other processes out.
pub(super) fn look(which: &Which) -> Result<(Baseline, History, RunFolder), Failure> {
    let path = named(which)?;
    if !path.is_dir() {
        return Err(missing(which));
    }
    let folder = RunFolder::open(&path).map_err(|error| Failure::environment(&error))?;
    let baseline = read(&folder)?.ok_or_else(|| missing(which))?;
    let lines = read_lines(&folder.file(HISTORY))?;
    let history = history(&folder, &which.name, lines)?;
    Ok((baseline, history, folder))
}

fn read(folder: &RunFolder) -> Result<Option<Baseline>, Failure> {
    let path = folder.file(FILE);
    if !path.exists() {
        return Ok(None);
    }
    archive::read_record(&path, SCHEMA).map(Some).map_err(|error| Failure::environment(&error))
}

fn read_lines(path: &Path) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    let found = each_entry(path, |line| lines.push(line)).map_err(|error| Failure::environment(&error))?;
    if let Some(number) = found.damaged.first() {
        let text = format!(
            "{}, line {number} is damaged: restore the history from a copy, or remove that line if its run may be lost",
            path.display()
        );
        return Err(Failure { exit: Exit::Environment, text });
    }
    Ok(lines)
}

fn history(folder: &RunFolder, name: &str, lines: Vec<Line>) -> Result<History, Failure> {
    History::of(name, lines).map_err(|error| wrong(&folder.file(HISTORY), &error))
}

fn wrong(path: &Path, error: &HistoryError) -> Failure {
    Failure { exit: Exit::Environment, text: format!("{}: {error}", path.display()) }
}

/// The folder of a baseline.
fn named(which: &Which) -> Result<std::path::PathBuf, Failure> {
    let name = &which.name;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > LONGEST || name.starts_with('.') || !name.chars().all(plain) {
        return Err(Failure::usage(format!(
            "`{name}` is not a name for a baseline: use up to {LONGEST} letters, digits, `-`, `_` and `.`"
        )));
    }
    Ok(which.folder.join(name))
}

fn missing(which: &Which) -> Failure {
    let Which { name, folder } = which;
    Failure::usage(format!(
        "there is no baseline `{name}` in {}: make it with `tickgate baseline save {name} PROFILE`, or name its directory with \
         --in",
        folder.display()
    ))
}
