//! `tickgate report`: renders the result of a run again from its record.

use std::io::ErrorKind;
use std::path::Path;

use super::args::{Format, Report};
use super::outside::clean_record;
use super::{Exit, Failure};
use crate::archive::{self, ACCOUNT, ArchiveError, CAPACITY, JOURNAL, MATRIX, RunFolder, Schema};
use crate::profile;
use crate::record::{Line, Record, Rows, SCHEMA_FAMILY, SCHEMA_VERSION};
use crate::report::{self, Beside, terminal};

const RECORD: &str = "record.json";
const PAGE: &str = "report.html";

/// The accepted schema of a `record.json`.
const SCHEMA: Schema = Schema {
    family: SCHEMA_FAMILY,
    newest: SCHEMA_VERSION,
    what: "record of a run",
    next: "it was truncated or changed after it was written: run again, or, if there is a journal.jsonl beside it, move it \
           away and use `tickgate report --recover FOLDER`",
};

pub(super) fn run(args: &Report) -> Result<Exit, Failure> {
    let folder = RunFolder::open(&args.folder).map_err(|error| Failure::environment(&error))?;
    let record = if args.recover { recover(&folder)? } else { read(&folder)? };
    let record = clean_record(record)?;
    match args.format {
        Format::Text => paint!("{}", terminal::summary(&record, super::progress::style_of_stdout())),
        Format::Json => {
            let json = record.to_json().map_err(|error| Failure::environment(&error))?;
            paint!("{}\n", report::outside::json(&json));
        }
    }
    write(&record, &folder)?;
    if args.recover
        && let Some(hint) = super::clean::hint_after(&record.run.id, &record.broker.mode)
    {
        eprintln!("note: {hint}");
    }
    if args.format == Format::Text {
        announce(&record, &folder);
    }
    Ok(Exit::of(&record))
}

fn read(folder: &RunFolder) -> Result<Record, Failure> {
    if !folder.file(RECORD).exists() && folder.file(JOURNAL).exists() {
        let folder = folder.path().display();
        let text = format!(
            "{folder} contains a journal but no record: `tickgate report --recover {folder}` rebuilds the record"
        );
        return Err(Failure { exit: Exit::Environment, text });
    }
    if !folder.file(RECORD).exists() && folder.file(ACCOUNT).exists() {
        let folder = folder.path().display();
        let text = format!(
            "{folder} contains a comparison: `tickgate compare {folder}` renders it, `tickgate report {folder}/a-01` its \
             first run"
        );
        return Err(Failure { exit: Exit::Environment, text });
    }
    if !folder.file(RECORD).exists() && folder.file(CAPACITY).exists() {
        let folder = folder.path().display();
        let text = format!(
            "{folder} contains a search: `tickgate capacity {folder}` renders it, `tickgate report {folder}/t-001` its first \
             trial"
        );
        return Err(Failure { exit: Exit::Environment, text });
    }
    if !folder.file(RECORD).exists() && folder.file(MATRIX).exists() {
        let folder = folder.path().display();
        let text = format!(
            "{folder} contains a matrix: `tickgate matrix {folder}` renders it, `tickgate report {folder}/m-001` its first run"
        );
        return Err(Failure { exit: Exit::Environment, text });
    }
    sound(folder.path())
}

/// Reads a record and checks that it is consistent.
pub(super) fn sound(path: &Path) -> Result<Record, Failure> {
    let record = archive::read_record(path, SCHEMA).map_err(|error| Failure::environment(&error))?;
    match archive::contradiction(&record) {
        None => Ok(record),
        Some(problem) => {
            let text = format!("{} contradicts itself: {problem}; {}", path.display(), SCHEMA.next);
            Err(Failure { exit: Exit::Environment, text })
        }
    }
}

/// Rebuilds and writes the record of a killed run. An existing record is never replaced.
fn recover(folder: &RunFolder) -> Result<Record, Failure> {
    let path = folder.file(RECORD);
    if path.exists() {
        let text = format!("{} exists: there is nothing to recover", path.display());
        return Err(Failure { exit: Exit::Usage, text });
    }
    let journal =
        archive::read_journal(&folder.file(JOURNAL)).map_err(|error| Failure::environment(&error))?;
    let record = archive::recover(journal.entries, &journal.damaged).map_err(|error| Failure {
        exit: Exit::Environment,
        text: format!("{}: {error}", folder.path().display()),
    })?;
    let record = clean_record(record)?;
    let json = record.to_json().map_err(|error| Failure::environment(&error))?;
    folder.write_whole(RECORD, json.as_bytes()).map_err(|error| Failure::environment(&error))?;
    Ok(record)
}

/// Prints the CI annotations and the path of the HTML report.
pub(super) fn announce(record: &Record, folder: &RunFolder) {
    for line in super::github::Job::of_environment().annotate(record) {
        paint!("{line}\n");
    }
    println!("report:  {}", folder.file("report.html").display());
}

/// Writes every file of a run's report into its folder. If the journal is gone, an existing log of distributions stays,
/// since it was made from the journal and cannot be made again.
pub(super) fn write(record: &Record, folder: &RunFolder) -> Result<(), Failure> {
    let plan_toml = profile::to_toml(&record.plan);
    let seconds = seconds(folder)?;
    let kept = if seconds.is_empty() && folder.file(report::HLOG).exists() { report::HLOG } else { "" };
    let files =
        report::files(record, &Beside { plan_toml: &plan_toml, seconds: &seconds, folder: &folder.name() });
    for (name, bytes) in files.into_iter().filter(|(name, _)| name != kept) {
        folder.write_whole(&name, &bytes).map_err(|error| Failure::environment(&error))?;
    }
    Ok(())
}

/// Writes the page of a run alone; `tickgate report` makes the other files.
pub(super) fn page(record: &Record, folder: &RunFolder) -> Result<(), Failure> {
    let (plan_toml, seconds) = (profile::to_toml(&record.plan), seconds(folder)?);
    let beside = Beside { plan_toml: &plan_toml, seconds: &seconds, folder: &folder.name() };
    for (name, bytes) in report::files(record, &beside).into_iter().filter(|(name, _)| name == PAGE) {
        folder.write_whole(&name, &bytes).map_err(|error| Failure::environment(&error))?;
    }
    Ok(())
}

/// The seconds of a run's journal; empty if there is no journal or it has another version.
fn seconds(folder: &RunFolder) -> Result<Vec<Rows>, Failure> {
    let mut seconds = Vec::new();
    let keep = |line| {
        if let Line::Second(rows) = line {
            seconds.push(rows);
        }
    };
    match archive::each_entry(&folder.file(JOURNAL), keep) {
        Ok(_) => Ok(seconds),
        Err(ArchiveError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(ArchiveError::Content { .. }) => Ok(Vec::new()),
        Err(error) => Err(Failure::environment(&error)),
    }
}
