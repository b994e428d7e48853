//! The result of a matrix: written, shown, and shown again.

use std::path::Path;

use crate::archive::{self, MATRIX, RunFolder, Schema};
use crate::cli::args::{self, Format};
use crate::cli::outside::clean;
use crate::cli::progress::style_of_stdout;
use crate::cli::{Exit, Failure, github, with_sources};
use crate::matrix::{Matrix, Outcome, SCHEMA_FAMILY, SCHEMA_VERSION, contradiction};
use crate::record::Verdict;
use crate::report;

/// The accepted schema of a `matrix.json`.
const SCHEMA: Schema = Schema {
    family: SCHEMA_FAMILY,
    newest: SCHEMA_VERSION,
    what: "account of a matrix",
    next: "it was truncated or changed after it was written: `tickgate matrix --resume FOLDER` makes it again from the runs",
};

/// Shows a finished matrix again.
pub(super) fn again(args: &args::Matrix, path: &Path) -> Result<Exit, Failure> {
    let (file, folder) = if path.is_dir() {
        (path.join(MATRIX), path)
    } else {
        (path.to_owned(), path.parent().unwrap_or(path))
    };
    let matrix: Matrix = archive::read_record(&file, SCHEMA).map_err(|error| Failure::environment(&error))?;
    if let Some(problem) = contradiction(&matrix) {
        let text = format!("{} contradicts itself: {problem}; {}", file.display(), SCHEMA.next);
        return Err(Failure { exit: Exit::Environment, text });
    }
    let folder = RunFolder::open(folder).map_err(|error| Failure::environment(&error))?;
    finish(&matrix, &folder, args.format)
}

/// Writes `matrix.json`, shows it, and writes the other files. If it cannot be written, it is printed.
pub(super) fn finish(matrix: &Matrix, folder: &RunFolder, format: Format) -> Result<Exit, Failure> {
    let matrix = &clean(matrix)?;
    let json = serde_json::to_string_pretty(matrix).map_err(|error| Failure::environment(&error))?;
    let written = folder.write_whole(MATRIX, json.as_bytes());
    match format {
        Format::Json => paint!("{}\n", report::outside::json(&json)),
        Format::Text => paint!("{}", report::matrix::terminal(matrix, style_of_stdout())),
    }
    if let Err(error) = written {
        if format == Format::Text {
            paint!("{}\n", report::outside::json(&json));
        }
        let text = format!("{}; the result is on stdout above", with_sources(&error));
        return Err(Failure { exit: Exit::Environment, text });
    }
    for (name, bytes) in report::matrix::files(matrix) {
        folder.write_whole(&name, &bytes).map_err(|error| Failure::environment(&error))?;
    }
    if format == Format::Text {
        annotate(matrix);
        println!("report:  {}", folder.file("matrix.html").display());
    }
    Ok(exit(matrix))
}

/// Prints what a CI system shows beside its job.
fn annotate(matrix: &Matrix) {
    let job = github::Job::of_environment();
    let level = match matrix.verdict {
        Verdict::Fail => Some("error"),
        Verdict::Inconclusive => Some("warning"),
        Verdict::Pass => None,
    };
    let annotation =
        level.and_then(|level| job.annotation(level, &matrix.about.name, &matrix.sentences.join(" ")));
    for line in annotation.into_iter().chain(job.summarise(&report::matrix::markdown(matrix))) {
        paint!("{line}\n");
    }
}

/// As of a run: a broken expectation outranks a failure of the broker, and that outranks an inconclusive verdict.
fn exit(matrix: &Matrix) -> Exit {
    let failed = matrix.trials.iter().any(|trial| trial.outcome == Outcome::Failed);
    match matrix.verdict {
        Verdict::Pass => Exit::Pass,
        Verdict::Fail => Exit::Missed,
        Verdict::Inconclusive if failed => Exit::Environment,
        Verdict::Inconclusive => Exit::Inconclusive,
    }
}
