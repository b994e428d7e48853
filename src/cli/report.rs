//! `tickgate report`: the result of a run, rendered again from its record.

use std::path::Path;

use super::args::{Format, Report};
use super::{Exit, Failure};
use crate::archive;
use crate::profile;
use crate::record::{Line, Record, Rows, SCHEMA};
use crate::report::{self, Beside, terminal};

pub(super) fn run(args: &Report) -> Result<Exit, Failure> {
    let path = args.folder.join("record.json");
    let record: Record = archive::read_record(&path, SCHEMA).map_err(|error| Failure::environment(&error))?;
    match args.format {
        Format::Text => print!("{}", terminal::summary(&record, super::progress::style_of_stdout())),
        Format::Json => {
            let json = serde_json::to_string_pretty(&record).map_err(|error| Failure::environment(&error))?;
            println!("{json}");
        }
    }
    let page = write(&record, &args.folder)?;
    if args.format == Format::Text {
        super::github::Job::of_environment().tell(&record).iter().for_each(|line| println!("{line}"));
        println!("report:  {page}");
    }
    Ok(Exit::of(&record))
}

/// Writes every file of the report of a record into the folder of its run; gives the path of the page.
pub(super) fn write(record: &Record, folder: &Path) -> Result<String, Failure> {
    let toml = profile::to_toml(&record.plan);
    let seconds = seconds(&folder.join("journal.jsonl"));
    for (name, bytes) in report::files(record, &Beside { plan_toml: &toml, seconds: &seconds }) {
        whole(&folder.join(&name), &bytes).map_err(|error| Failure {
            exit: Exit::Environment,
            text: format!("{name} cannot be written into {}: {error}", folder.display()),
        })?;
    }
    Ok(folder.join("report.html").display().to_string())
}

/// A file under its name only when it is whole.
fn whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    std::fs::write(&new, bytes)?;
    std::fs::rename(&new, path)
}

/// The seconds of a journal; none without one. A torn last line is one second less.
fn seconds(journal: &Path) -> Vec<Rows> {
    let text = std::fs::read_to_string(journal).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    let rows = lines.filter_map(|line| if let Line::Second(rows) = line { Some(rows) } else { None });
    let mut seconds: Vec<Rows> = Vec::new();
    seconds.extend(rows);
    seconds
}
