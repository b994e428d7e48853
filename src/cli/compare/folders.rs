//! Comparison of existing runs: paired by their start times; statistics only if they ran in turns.

use std::path::{Path, PathBuf};

use super::task;
use crate::cli::args::Compare;
use crate::cli::report::sound;
use crate::cli::run::{folder, readers};
use crate::cli::{Exit, Failure};
use crate::compare::{
    self, About, Design, Kind, Letter, Round, Setups, SideInput, Trial, not_in_turns, workload_differences,
};
use crate::host::clock::{Clock, utc};
use crate::num;
use crate::plan::Span;
use crate::profile::comparison::SideFile;
use crate::record::Record;
use crate::run::Identity;

/// An existing run.
struct Made {
    folder: String,
    record: Record,
}

/// The runs of one side.
struct Side {
    runs: Vec<Made>,
    setup: SideInput,
}

pub(super) fn compare(args: &Compare) -> Result<Exit, Failure> {
    if args.early {
        let text = "--early ends a comparison that tickgate makes; these runs exist: leave it out";
        return Err(Failure::usage(text));
    }
    let paths = || std::iter::once(Path::new(&args.what)).chain(args.others.iter().map(PathBuf::as_path));
    let sides: Vec<Side> =
        paths().zip(args.sides()).map(|(path, flags)| side(path, flags)).collect::<Result<_, _>>()?;
    let first = sides.iter().find_map(|side| side.runs.first()).ok_or_else(nothing)?;
    same_load(args, first, sides.iter().flat_map(|side| &side.runs))?;
    sides.iter().try_for_each(|side| same_durability(args, &side.runs))?;
    let reference = reference(args, &sides)?;
    let clock = Clock::start();
    let identity = Identity::new();
    let spans =
        |side: &Side| side.runs.iter().map(|made| compare::Made::of(&made.record)).collect::<Vec<_>>();
    let not_in_turns = not_in_turns(&sides.iter().map(spans).collect::<Vec<_>>(), reference);
    let default = Design::default();
    let design = Design {
        kind: if not_in_turns.is_none() { Kind::Interleaved } else { Kind::Folders },
        not_in_turns,
        pairs: num::count32(most(&sides)),
        seed: 0,
        cool_down: Span::seconds(0),
        min_effect: args.min_effect.unwrap_or(default.min_effect),
        equivalent: args.equivalent.unwrap_or(default.equivalent),
        equivalence_asked: args.equivalent.is_some(),
        allow_unequal: args.allow_unequal,
        allow_different_workload: args.allow_different_workload,
        worse_only: args.worse_only,
        decide: if args.decide.is_empty() { default.decide.clone() } else { args.decide.clone() },
        ..default
    };
    let labels: Vec<&str> = sides.iter().map(|side| side.setup.label.as_str()).collect();
    let about = About {
        id: identity.id.clone(),
        name: labels.join(" and "),
        profile: first.record.plan.name.clone(),
        tickgate: crate::host::build::VERSION.into(),
        started: first.record.run.started.clone(),
        ended: utc(clock.unix_ns_at_epoch()),
        ..About::default()
    };
    let setups =
        Setups::new(sides.iter().map(|side| &side.setup).collect(), reference).ok_or_else(nothing)?;
    let comparison = compare::compare_all(about, design, None, &setups, &rounds(&sides));
    let name = ("compare-folders", identity.id.as_str());
    let folder = folder(&args.about, &args.out, readers(args.share), clock, name)?;
    super::finish(&comparison, &folder, args.format)
}

/// A side of a folder, with its flags.
fn side(path: &Path, flags: &[String]) -> Result<Side, Failure> {
    let runs = runs(path)?;
    let name = || path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let setup = SideInput {
        label: SideFile::of_flags(flags).label.unwrap_or_else(name),
        overrides: vec![],
        sample: Some(typical(&runs)?.record.clone()),
    };
    Ok(Side { runs, setup })
}

/// The side that a letter or a label names; the first if nothing does.
fn reference(args: &Compare, sides: &[Side]) -> Result<Letter, Failure> {
    let labels: Vec<&str> = sides.iter().map(|side| side.setup.label.as_str()).collect();
    task::reference(args.reference.as_ref(), &labels)
}

/// The most runs of a side.
fn most(sides: &[Side]) -> usize {
    sides.iter().map(|side| side.runs.len()).max().unwrap_or(0)
}

/// The runs of a folder, sorted by start time: the folder itself, or the run folders in it.
fn runs(path: &Path) -> Result<Vec<Made>, Failure> {
    let made = |path: &Path| Ok(Made { folder: path.display().to_string(), record: sound(path)? });
    if path.join("record.json").is_file() || path.is_file() {
        return Ok(vec![made(path)?]);
    }
    let unreadable = |error: std::io::Error| {
        Failure::usage(format!("`{}` is not a folder of runs: {error}", path.display()))
    };
    let entries: Result<Vec<PathBuf>, _> =
        std::fs::read_dir(path).map_err(unreadable)?.map(|entry| entry.map(|entry| entry.path())).collect();
    // A link, such as `latest`, is one of the other folders.
    let folders = entries
        .map_err(unreadable)?
        .into_iter()
        .filter(|path| !path.is_symlink() && path.join("record.json").is_file());
    let mut all: Vec<Made> = folders.map(|path| made(&path)).collect::<Result<_, Failure>>()?;
    if all.is_empty() {
        let text = format!(
            "`{}` contains no run: expected a folder with a record.json, or a folder of such folders",
            path.display()
        );
        return Err(Failure::usage(text));
    }
    all.sort_by_key(|made| made.record.run.epoch_unix_ns);
    Ok(all)
}

fn nothing() -> Failure {
    Failure::usage("no runs to compare")
}

/// The run that provides a side's facts: the first measured one, else the first.
fn typical(runs: &[Made]) -> Result<&Made, Failure> {
    runs.iter().find(|made| compare::is_measured(&made.record)).or_else(|| runs.first()).ok_or_else(nothing)
}

/// Fails unless all runs of a side have the same durability.
fn same_durability(args: &Compare, side: &[Made]) -> Result<(), Failure> {
    let known = || side.iter().filter(|made| !made.record.broker.durability.is_empty());
    let Some(first) = known().next().filter(|_| !args.allow_unequal) else { return Ok(()) };
    let of = |made: &Made| made.record.broker.durability.clone();
    match known().find(|made| of(made) != of(first)) {
        None => Ok(()),
        Some(other) => Err(Failure::usage(format!(
            "{} and {} are runs of one side, but an acknowledgement means `{}` in one and `{}` in the other; use \
             --allow-unequal to compare them anyway",
            first.folder,
            other.folder,
            of(first),
            of(other)
        ))),
    }
}

/// Fails unless every run has the load of the first.
fn same_load<'a>(args: &Compare, first: &Made, all: impl Iterator<Item = &'a Made>) -> Result<(), Failure> {
    for made in all.filter(|_| !args.allow_different_workload) {
        if let Some(difference) = workload_differences(&first.record.plan, &made.record.plan).first() {
            return Err(Failure::usage(format!(
                "{} and {} do not have the same load: {} is {} and {}; use --allow-different-workload to compare them \
                 anyway",
                first.folder, made.folder, difference.key, difference.a, difference.b
            )));
        }
    }
    Ok(())
}

fn rounds(sides: &[Side]) -> Vec<Round> {
    let trial =
        |made: Option<&Made>| made.map_or_else(Trial::default, |made| Trial::of(&made.folder, &made.record));
    (0..most(sides))
        .map(|at| {
            let made: Vec<Option<&Made>> = sides.iter().map(|side| side.runs.get(at)).collect();
            let mut order: Vec<usize> = (0..sides.len()).collect();
            order.sort_by_key(|side| made[*side].map(|made| made.record.run.epoch_unix_ns));
            Round { number: num::count32(at) + 1, order, trials: made.into_iter().map(trial).collect() }
        })
        .collect()
}
