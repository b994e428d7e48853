//! `tickgate report`: the result of a run, rendered again from its record.

use std::path::Path;

use super::args::{Format, Report};
use super::{Exit, Failure};
use crate::archive;
use crate::profile;
use crate::record::{Line, Record, Rows, SCHEMA};
use crate::report::{self, Beside, terminal};

pub(super) fn run(args: &Report) -> Result<Exit, Failure> {
    let record = if args.recover { recover(&args.folder)? } else { read(&args.folder)? };
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

fn read(folder: &Path) -> Result<Record, Failure> {
    let path = folder.join("record.json");
    if !path.exists() && folder.join("journal.jsonl").exists() {
        let folder = folder.display();
        let text = format!(
            "{folder} holds no record, but a journal: `tickgate report --recover {folder}` rebuilds what it tells"
        );
        return Err(Failure { exit: Exit::Environment, text });
    }
    archive::read_record(&path, SCHEMA).map_err(|error| Failure::environment(&error))
}

/// Rebuilds the record of a run that was killed, and writes it. A record that is there is never replaced.
fn recover(folder: &Path) -> Result<Record, Failure> {
    let path = folder.join("record.json");
    if path.exists() {
        let text = format!("{} is there: there is nothing to recover", path.display());
        return Err(Failure { exit: Exit::Usage, text });
    }
    let record = archive::recover(lines(&folder.join("journal.jsonl"))).map_err(|error| Failure {
        exit: Exit::Environment,
        text: format!("{}: {error}", folder.display()),
    })?;
    let json = serde_json::to_vec_pretty(&record).map_err(|error| Failure::environment(&error))?;
    whole(&path, &json).map_err(|error| Failure::environment(&error))?;
    Ok(record)
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

/// The lines of a journal that can be read; a killed run may leave its last one torn.
fn lines(journal: &Path) -> Vec<Line> {
    let text = String::from_utf8_lossy(&std::fs::read(journal).unwrap_or_default()).into_owned();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The seconds of a journal; none without one. A torn last line is one second less.
fn seconds(journal: &Path) -> Vec<Rows> {
    let lines = lines(journal).into_iter();
    lines.filter_map(|line| if let Line::Second(rows) = line { Some(rows) } else { None }).collect()
}
