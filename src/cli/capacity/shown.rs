//! The result of a search: written, shown, shown again, and beside another one.

use std::path::{Path, PathBuf};

use crate::archive::{self, CAPACITY, RunFolder, Schema};
use crate::capacity::{Capacity, SCHEMA_FAMILY, SCHEMA_VERSION, beside, contradiction};
use crate::cli::args::{self, Format};
use crate::cli::outside::clean;
use crate::cli::progress::style_of_stdout;
use crate::cli::{Exit, Failure, github, run, with_sources};
use crate::host::clock::Clock;
use crate::record::Verdict;
use crate::report;
use crate::run::Identity;

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
        Format::Text => paint!("{}", report::capacity::terminal(capacity, style_of_stdout())),
    }
    if let Err(error) = written {
        if format == Format::Text {
            paint!("{}\n", report::outside::json(&json));
        }
        let text = format!("{}; the result is on stdout above", with_sources(&error));
        return Err(Failure { exit: Exit::Environment, text });
    }
    for (name, bytes) in report::capacity::files(capacity) {
        folder.write_whole(&name, &bytes).map_err(|error| Failure::environment(&error))?;
    }
    if format == Format::Text {
        annotate(capacity);
        println!("report:  {}", folder.file("capacity.html").display());
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
    for line in annotation.into_iter().chain(job.summarise(&report::capacity::markdown(capacity))) {
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

/// Shows two searches side by side, and writes that into a folder of its own. It judges nothing: a target is one of each search.
pub(super) fn side_by_side(args: &args::Capacity, a: &Path, b: &Path) -> Result<Exit, Failure> {
    let (a, b) = (clean(&read(a)?)?, clean(&read(b)?)?);
    let pair = beside(&a, &b, args.allow_unequal).map_err(Failure::usage)?;
    let shown = report::capacity::side_by_side(&pair);
    let (identity, clock) = (Identity::new(), Clock::start());
    let name = ("capacity-side-by-side", identity.id.as_str());
    let folder = run::folder(&args.about, &args.out, run::readers(args.share), clock, name)?;
    for (name, text) in [("beside.html", &shown.html), ("beside.md", &shown.markdown)] {
        folder.write_whole(name, text.as_bytes()).map_err(|error| Failure::environment(&error))?;
    }
    match args.format {
        Format::Json => {
            let both =
                serde_json::to_string_pretty(&[&a, &b]).map_err(|error| Failure::environment(&error))?;
            paint!("{}\n", report::outside::json(&both));
        }
        Format::Text => {
            paint!("{}", shown.terminal);
            if let Some(line) = github::Job::of_environment().summarise(&shown.markdown) {
                paint!("{line}\n");
            }
            println!("report:  {}", folder.file("beside.html").display());
        }
    }
    Ok(Exit::Pass)
}
