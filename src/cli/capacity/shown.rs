//! The result of a search: written, shown, shown again, and beside another one.

use std::path::{Path, PathBuf};

use crate::archive::{self, CAPACITY, RunFolder, Schema};
use crate::capacity::{Capacity, SCHEMA_FAMILY, SCHEMA_VERSION, contradiction};
use crate::cli::args::{self, Format};
use crate::cli::outside::clean;
use crate::cli::{Exit, Failure, github, with_sources};
use crate::record::Verdict;
use crate::report;

use super::plain;

/// The accepted schema of a `capacity.json`.
const SCHEMA: Schema = Schema {
    family: SCHEMA_FAMILY,
    newest: SCHEMA_VERSION,
    what: "account of a search",
    next: "it was truncated or changed after it was written: `tickgate capacity --resume FOLDER` makes it again from the \
           trials",
};

/// Shows a finished search again.
pub(super) fn again(args: &args::Capacity, path: &Path) -> Result<Exit, Failure> {
    let capacity = read(path)?;
    let folder = RunFolder::open(&folder_of(path)).map_err(|error| Failure::environment(&error))?;
    finish(&capacity, &folder, args.format)
}

fn folder_of(path: &Path) -> PathBuf {
    if path.is_file() { path.parent().unwrap_or(path).to_owned() } else { path.to_owned() }
}

/// Reads an account, by its file or its folder.
fn read(path: &Path) -> Result<Capacity, Failure> {
    let file = if path.is_dir() { path.join(CAPACITY) } else { path.to_owned() };
    if !file.is_file() {
        let text = format!("`{}` is not the folder of a search: it has no {CAPACITY}", path.display());
        return Err(Failure::usage(text));
    }
    let capacity: Capacity =
        archive::read_record(&file, SCHEMA).map_err(|error| Failure::environment(&error))?;
    match contradiction(&capacity) {
        None => Ok(capacity),
        Some(problem) => {
            let text = format!("{} contradicts itself: {problem}; {}", file.display(), SCHEMA.next);
            Err(Failure { exit: Exit::Environment, text })
        }
    }
}

/// Writes `capacity.json`, shows it, and writes the other files. If it cannot be written, it is printed.
pub(super) fn finish(capacity: &Capacity, folder: &RunFolder, format: Format) -> Result<Exit, Failure> {
    let capacity = &clean(capacity)?;
    let json = serde_json::to_string_pretty(capacity).map_err(|error| Failure::environment(&error))?;
    let written = folder.write_whole(CAPACITY, json.as_bytes());
    match format {
        Format::Json => paint!("{}\n", report::outside::json(&json)),
        Format::Text => paint!("{}", plain::terminal(capacity)),
    }
    if let Err(error) = written {
        if format == Format::Text {
            paint!("{}\n", report::outside::json(&json));
        }
        let text = format!("{}; the result is on stdout above", with_sources(&error));
        return Err(Failure { exit: Exit::Environment, text });
    }
    if format == Format::Text {
        annotate(capacity);
        println!("report:  {}", folder.file(CAPACITY).display());
    }
    Ok(exit(capacity.verdict))
}

/// Prints what a CI system shows beside its job.
fn annotate(capacity: &Capacity) {
    let job = github::Job::of_environment();
    let level = match capacity.verdict {
        Verdict::Fail => Some("error"),
        Verdict::Inconclusive => Some("warning"),
        Verdict::Pass => None,
    };
    let annotation =
        level.and_then(|level| job.annotation(level, &capacity.about.profile, &capacity.sentence));
    for line in annotation.into_iter().chain(job.summarise(&plain::terminal(capacity))) {
        paint!("{line}\n");
    }
}

const fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Pass => Exit::Pass,
        Verdict::Fail => Exit::Missed,
        Verdict::Inconclusive => Exit::Inconclusive,
    }
}

/// Shows two searches side by side.
pub(super) fn side_by_side(args: &args::Capacity, a: &Path, b: &Path) -> Result<Exit, Failure> {
    let (a, b) = (read(a)?, read(b)?);
    for capacity in [&a, &b] {
        paint!("{}", plain::terminal(&clean(capacity)?));
    }
    let _ = args.allow_unequal;
    Ok(Exit::Pass)
}
