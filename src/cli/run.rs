//! `tickgate run`: one run, from a profile to a verdict.

use std::path::Path;

use super::args::{About, Format, Run};
use super::progress::{Progress, style_of_stdout};
use super::volume::volume;
use super::{Exit, Failure, environment, pause};
use crate::archive::{ArchiveError, Readers, RunFolder};
use crate::host::clock::Clock;
use crate::host::signal::Interrupt;
use crate::record::Record;
use crate::report::{self, terminal};
use crate::run::Identity;
use crate::session::{self, Choice, Keeping, Order};
use crate::topology::Severity;

pub(super) fn run(args: &Run) -> Result<Exit, Failure> {
    let (plan, prices) = super::check::with_prices(&args.profile, &args.short.with(&args.sets, &[])?)?;
    let choice = Choice::resolve(&args.like.over(args.broker.asked()), &plan, &environment)?;
    let tags = super::tags::tags(&args.about.tags, &environment)?;
    if args.dry {
        return super::dry::show(args, &plan, prices.as_ref(), &choice);
    }
    let mut progress = Progress::new(args.quiet);
    progress.say(&format!("target: {}", choice.target()));
    for warning in super::check::lint_warnings(&plan, &[Severity::Warning]) {
        progress.say(&format!("warning: {warning}"));
    }
    for note in crate::profile::notes(&plan) {
        progress.say(&format!("note: {note}"));
    }
    let interrupt = Interrupt::install().map_err(|error| Failure::environment(&error))?;
    let identity = Identity::new().tagged(tags);
    if choice.is_by_environment() && !args.yes {
        let load = format!("load: {}", volume(&plan, &choice.subjects(&plan, &identity.id)));
        // Unless it is quiet, the target stands there already.
        let target = args.quiet.then(|| format!("target: {}", choice.target()));
        pause::pause(&target.into_iter().chain([load]).collect::<Vec<_>>(), &interrupt)?;
    }
    let clock = Clock::start();
    let folder = folder(&args.about, &args.out, readers(args.share), clock, (&plan.name, &identity.id))?;
    let mut journal = Keeping::new(&folder);
    progress.keeps_journal_in(folder.path());
    let order = Order { keep: args.keep, ..Order::new(&identity, clock, &interrupt) };
    let done = session::run(&plan, &choice, order, Some(&mut journal), &mut [&mut progress]);
    progress.end_line();
    finish(args, &done?, journal, &mut progress)
}

/// Creates the folder that `--run-dir` names, else a new one for a run of that name and id in `--out`.
pub(super) fn folder(
    about: &About,
    out: &Path,
    readers: Readers,
    clock: Clock,
    (name, id): (&str, &str),
) -> Result<RunFolder, Failure> {
    match &about.run_dir {
        Some(folder) => RunFolder::at(folder, readers).map_err(|error| match error {
            ArchiveError::Occupied { .. } => Failure::usage(format!("--run-dir: {error}")),
            error => Failure::environment(&error),
        }),
        None => RunFolder::create(out, clock.unix_ns_at_epoch(), name, id, readers)
            .map_err(|error| no_folder(&error)),
    }
}

/// Lets the link to the newest run point to this folder. Nothing depends on the link, so a failure is only a note.
pub(super) fn latest(about: &About, folder: &RunFolder, progress: &mut Progress) {
    // A folder of a fixed name is found without it.
    if about.run_dir.is_none()
        && let Err(error) = folder.becomes_latest()
    {
        progress.say(&format!("note: {}", super::with_sources(&error)));
    }
}

/// Who may read the run folders.
pub(super) const fn readers(share: bool) -> Readers {
    if share { Readers::Umask } else { Readers::Owner }
}

/// The error if the run folder cannot be created: without a place for results there is no load.
pub(super) fn no_folder(error: &ArchiveError) -> Failure {
    let mut failure = Failure::environment(error);
    if !failure.text.contains("--out") {
        failure.text.push_str("; name a writable folder with --out");
    }
    failure
}

/// Writes the record and shows it. A record that cannot be written is printed, so that it is not lost.
fn finish(
    args: &Run,
    record: &Record,
    journal: Keeping<'_>,
    progress: &mut Progress,
) -> Result<Exit, Failure> {
    let folder = journal.folder();
    let json = record.to_json().map_err(|error| Failure::environment(&error))?;
    let written = folder.write_whole("record.json", json.as_bytes());
    match args.format {
        Format::Json => paint!("{}\n", report::outside::json(&json)),
        Format::Text => {
            paint!("{}", terminal::summary(record, style_of_stdout()));
            println!("record:  {}", folder.file("record.json").display());
        }
    }
    if let Err(error) = written {
        if args.format == Format::Text {
            paint!("{}\n", report::outside::json(&json));
        }
        let text = format!("{}; the record is on stdout above", super::with_sources(&error));
        return Err(Failure { exit: Exit::Environment, text });
    }
    let whole = write_report(record, journal, progress);
    latest(&args.about, folder, progress);
    if whole && args.format == Format::Text {
        super::report::announce(record, folder);
    }
    Ok(Exit::of(record))
}

/// Writes the report of a record that is already saved, and ends the journal; returns whether all was written.
/// `tickgate report` can make these files again, if needed from the journal, so a failure here is only a warning.
pub(super) fn write_report(record: &Record, journal: Keeping<'_>, progress: &mut Progress) -> bool {
    let folder = journal.folder();
    if let Some(error) = journal.end() {
        progress.say(&format!("warning: the journal of run {} is incomplete: {error}", record.run.id));
    }
    let done = super::report::write(record, folder)
        .and_then(|()| folder.end_journal().map_err(|error| Failure::environment(&error)));
    if let Err(failure) = &done {
        progress.say(&format!("warning: the report is incomplete: {}", failure.text));
    }
    done.is_ok()
}
