//! `tickgate compare`: runs sides in turns, or reads existing runs, and judges which is better than the reference.

mod dry;
mod folders;
mod task;
mod turns;

use std::path::Path;

use super::args::{Compare, Format};
use super::progress::style_of_stdout;
use super::{Exit, Failure};
use crate::archive::{self, ACCOUNT, RunFolder, Schema};
use crate::compare::{self, Comparison, Design, Finding, SCHEMA_FAMILY, SCHEMA_VERSION};
use crate::report;

/// The accepted schema of a `compare.json`.
const SCHEMA: Schema = Schema {
    family: SCHEMA_FAMILY,
    newest: SCHEMA_VERSION,
    what: "account of a comparison",
    next: "it was truncated or changed after it was written: compare again; `tickgate report` still renders the runs in \
           the folders beside it",
};

pub(super) fn run(args: &Compare) -> Result<Exit, Failure> {
    if !args.others.is_empty() {
        return folders::compare(args);
    }
    let folder = Path::new(&args.what);
    let folder = if folder.ends_with(ACCOUNT) { folder.parent().unwrap_or(folder) } else { folder };
    let made = folder.join(ACCOUNT);
    if made.is_file() {
        let comparison: Comparison =
            archive::read_record(&made, SCHEMA).map_err(|error| Failure::environment(&error))?;
        if let Some(problem) = compare::contradiction(&comparison) {
            let text = format!("{} contradicts itself: {problem}; {}", made.display(), SCHEMA.next);
            return Err(Failure { exit: Exit::Environment, text });
        }
        let folder = RunFolder::open(folder).map_err(|error| Failure::environment(&error))?;
        return finish(&comparison, &folder, args.format);
    }
    turns::compare(args)
}

/// Writes `compare.json`, shows it, and writes the other files. If it cannot be written, it is printed.
fn finish(comparison: &Comparison, folder: &RunFolder, format: Format) -> Result<Exit, Failure> {
    let comparison = &super::outside::clean(comparison)?;
    let json = serde_json::to_string_pretty(comparison).map_err(|error| Failure::environment(&error))?;
    let written = folder.write_whole(ACCOUNT, json.as_bytes());
    match format {
        Format::Json => paint!("{}\n", report::outside::json(&json)),
        Format::Text => paint!("{}", report::compare::terminal(comparison, style_of_stdout())),
    }
    if let Err(error) = written {
        if format == Format::Text {
            paint!("{}\n", report::outside::json(&json));
        }
        let text = format!("{}; the comparison is on stdout above", super::with_sources(&error));
        return Err(Failure { exit: Exit::Environment, text });
    }
    for (name, bytes) in report::compare::files(comparison) {
        folder.write_whole(&name, &bytes).map_err(|error| Failure::environment(&error))?;
    }
    if format == Format::Text {
        let job = super::github::Job::of_environment();
        let level = match exit(comparison) {
            Exit::Missed => Some("error"),
            Exit::Inconclusive => Some("warning"),
            _ => None,
        };
        let sentences: Vec<String> =
            comparison.contrasts().into_iter().map(|contrast| contrast.verdict.sentence).collect();
        let sentence = sentences.join(" ");
        let annotation = level.and_then(|level| job.annotation(level, &comparison.about.name, &sentence));
        for line in annotation.into_iter().chain(job.summarise(&report::compare::markdown(comparison))) {
            paint!("{line}\n");
        }
        println!("report:  {}", folder.file("compare.html").display());
    }
    Ok(exit(comparison))
}

/// Exit code 1 means that a side is worse than the reference; else 3 that one is inconclusive. If equivalence was required,
/// "no difference shown" is inconclusive.
fn exit(comparison: &Comparison) -> Exit {
    let Design { equivalence_asked, .. } = comparison.design;
    let findings = || {
        let others = comparison.others.iter().map(|other| other.verdict.finding);
        std::iter::once(comparison.verdict.finding).chain(others)
    };
    let open = |finding: Finding| match finding {
        Finding::Inconclusive => true,
        Finding::NoDifferenceShown => equivalence_asked,
        Finding::Better | Finding::Equivalent | Finding::Worse => false,
    };
    if findings().any(|finding| finding == Finding::Worse) {
        Exit::Missed
    } else if findings().any(open) {
        Exit::Inconclusive
    } else {
        Exit::Pass
    }
}
