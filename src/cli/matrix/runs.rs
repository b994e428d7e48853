//! The runs of a matrix: one after the other, in the seeded order, each with a fresh broker and its own folder.

use std::path::Path;

use super::begun::{self, Begun};
use super::shown;
use super::task::{Task, Wishes};
use crate::archive::{Lines, RunFolder};
use crate::cli::args::Matrix;
use crate::cli::progress::Progress;
use crate::cli::volume::volume;
use crate::cli::{Exit, Failure, environment, outside, pause, run, tags};
use crate::host::clock::{Clock, utc};
use crate::host::signal::Interrupt;
use crate::host::sleep::Sleeper;
use crate::matrix::{self, About, Inputs, Next, Subject, Trial, conclude};
use crate::num;
use crate::plan::Pacing;
use crate::report::{self, show};
use crate::run::Identity;
use crate::session::{self, Keeping};

/// Valid seeds of a profile: 0 to 2^63 − 1.
const SEEDS: u64 = u64::MAX >> 1;
/// What a run takes beside its load: broker start, readiness, drain and audit, seconds.
const AROUND_S: u64 = 6;

/// The state of a matrix while its runs go on.
struct Runs<'a> {
    task: &'a Task,
    begun: &'a Begun,
    folder: &'a RunFolder,
    interrupt: &'a Interrupt,
    progress: Progress,
    lines: Lines,
    made: Vec<Trial>,
}

/// A new matrix.
pub(super) fn begin(args: &Matrix) -> Result<Exit, Failure> {
    let task = Task::resolve(args, Wishes::of(args)?)?;
    if args.dry {
        return Ok(super::dry::show(&task));
    }
    let tags = tags::tags(&args.about.tags, &environment)?;
    let (identity, clock) = (Identity::new(), Clock::start());
    let name = format!("matrix-{}", task.file.name);
    let folder = run::folder(&args.about, &args.out, run::readers(args.share), clock, (&name, &identity.id))?;
    let begun = Begun {
        schema: Begun::schema(),
        id: identity.id,
        file: task.what.clone(),
        sets: task.sets.clone(),
        only: task.only.clone(),
        tickgate: crate::host::build::VERSION.into(),
        tags,
        started: utc(clock.unix_ns_at_epoch()),
        design: task.design.clone(),
        cells: Begun::cells(&task),
    };
    go(args, &task, &begun, &folder, true)
}

/// A matrix that goes on.
pub(super) fn resume(args: &Matrix, path: &Path) -> Result<Exit, Failure> {
    let folder = RunFolder::open(path).map_err(|error| Failure::environment(&error))?;
    let begun = Begun::read(&folder)?;
    let wishes = Wishes {
        what: args.what.clone().unwrap_or_else(|| begun.file.clone()),
        sets: begun.sets.clone(),
        only: begun.only.clone(),
        runs: Some(begun.design.runs),
        seed: Some(begun.design.seed),
        cool_down: Some(begun.design.cool_down),
    };
    let task = Task::resolve(args, wishes)?;
    begun.continues(&task)?;
    if args.dry {
        return Ok(super::dry::show(&task));
    }
    go(args, &task, &begun, &folder, false)
}

fn go(args: &Matrix, task: &Task, begun: &Begun, folder: &RunFolder, new: bool) -> Result<Exit, Failure> {
    let interrupt = Interrupt::install().map_err(|error| Failure::environment(&error))?;
    let mut progress = Progress::brief(args.quiet);
    // A matrix that goes on is taken before anything is started, so that no other process does.
    let kept = if new { None } else { Some(begun::trials(folder, &task.design)?) };
    let over = kept.as_ref().is_some_and(|(_, held)| matrix::next(&task.design, &held.entries).is_none());
    if !over {
        announce(task, &mut progress);
        let before = pause(args, task, &interrupt)
            .and_then(|()| if new { rehearse(task, &mut progress, &interrupt) } else { Ok(()) });
        if let Err(failure) = before {
            progress.end_line();
            folder.discard_if_empty();
            return Err(failure);
        }
    }
    let (lines, held) = match kept {
        Some(kept) => kept,
        None => begun.write(folder).and_then(|()| begun::trials(folder, &task.design))?,
    };
    if held.torn {
        progress.say("note: the last run was not stored whole; it is made again");
    }
    if !held.entries.is_empty() {
        let made = show::several(num::count(held.entries.len()), "run");
        progress.say(&format!("continuing after {made}"));
    }
    let interrupt = &interrupt;
    let mut runs = Runs { task, begun, folder, interrupt, progress, lines, made: held.entries };
    let done = runs.all();
    runs.progress.end_line();
    let stopped = done.map_err(|failure| Failure {
        text: format!("{}; the runs so far are kept: {}", failure.text, how_to_continue(folder)),
        ..failure
    })?;
    let Runs { made, mut progress, .. } = runs;
    if made.is_empty() {
        let text = format!("interrupted before the end of the first run; {}", how_to_continue(folder));
        return Err(Failure { exit: Exit::Interrupted, text });
    }
    let about = about(task, begun, stopped.then(|| "interrupted".to_owned()));
    let account = conclude(Inputs { about, design: task.design.clone(), trials: made });
    let exit = shown::finish(&account, folder, args.format)?;
    if new {
        run::latest(&args.about, folder, &mut progress);
    }
    if stopped {
        eprintln!("interrupted; {}", how_to_continue(folder));
        return Ok(Exit::Interrupted);
    }
    Ok(exit)
}

/// How to go on with a matrix.
fn how_to_continue(folder: &RunFolder) -> String {
    format!("continue with: tickgate matrix --resume {}", folder.path().display())
}

fn about(task: &Task, begun: &Begun, interrupted: Option<String>) -> About {
    About {
        id: begun.id.clone(),
        name: task.file.name.clone(),
        description: task.file.description.clone(),
        file: begun.file.clone(),
        sets: begun.sets.clone(),
        notes: task.file.notes.clone(),
        tickgate: begun.tickgate.clone(),
        tags: begun.tags.clone(),
        started: begun.started.clone(),
        ended: utc(Clock::start().unix_ns_at_epoch()),
        interrupted,
    }
}

/// The matrix in a line: cells, runs, time and seed.
pub(super) fn head(task: &Task) -> String {
    let design = &task.design;
    let seconds = task
        .cells
        .iter()
        .map(|ready| (ready.plan.load.sending().ns + design.cool_down.ns) / 1_000_000_000 + AROUND_S);
    let minutes = (seconds.sum::<u64>() * u64::from(design.runs)).div_ceil(60);
    format!(
        "{}: {} of {}, {} each, about {minutes} min; seed {}",
        task.file.name,
        show::several(num::count(task.file.configurations.len()), "configuration"),
        show::several(num::count(task.cells.len()), "cell"),
        show::several(u64::from(design.runs), "run"),
        design.seed
    )
}

/// Where the runs send how much; cells of one volume and target are said once.
fn targets(task: &Task) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for ready in task.cells.iter().filter(|ready| !ready.choice.is_simulated()) {
        let load = volume(&ready.plan, &ready.choice.subjects(&ready.plan, "RUN"));
        let line = format!("each run sends to {}: {load}", ready.choice.target());
        if !said.contains(&line) {
            said.push(line);
        }
    }
    said
}

fn announce(task: &Task, progress: &mut Progress) {
    for warning in &task.warnings {
        progress.say(&format!("warning: {warning}"));
    }
    progress.say(&head(task));
    for line in targets(task) {
        progress.say(&line);
    }
}

/// Lets the user see where the environment has sent the runs.
fn pause(args: &Matrix, task: &Task, interrupt: &Interrupt) -> Result<(), Failure> {
    if args.yes || !task.cells.iter().any(|ready| ready.choice.is_by_environment()) {
        return Ok(());
    }
    // Unless it is quiet, they stand there already.
    pause::pause(&if args.quiet { targets(task) } else { Vec::new() }, interrupt)
}

/// Starts or reaches the bus of each configuration once, and proves that every group receives, so that no run is wasted on one
/// that cannot run.
fn rehearse(task: &Task, progress: &mut Progress, interrupt: &Interrupt) -> Result<(), Failure> {
    for configuration in &task.file.configurations {
        let of = |ready: &&super::task::Ready| {
            task.design.cells[ready.at].configuration == outside::shown(&configuration.name)
        };
        let Some(ready) = task.cells.iter().find(of) else { continue };
        if interrupt.level() > 0 {
            return Err(Failure { exit: Exit::Interrupted, text: "interrupted before the first run".into() });
        }
        let (identity, clock) = (Identity::new(), Clock::start());
        let order = session::Order::new(&identity, clock, interrupt);
        let broker = session::rehearse(&ready.plan, &ready.choice, order).map_err(|error| {
            let failure = Failure::from(error);
            Failure { text: format!("configuration {}: {}", configuration.name, failure.text), ..failure }
        })?;
        progress.say(&show::plain(&format!(
            "checked {}: {} {}, an acknowledgement means {}",
            configuration.name, broker.product, broker.version, broker.durability
        )));
    }
    Ok(())
}

impl Runs<'_> {
    /// Makes the runs that are left; returns whether it was interrupted.
    fn all(&mut self) -> Result<bool, Failure> {
        while let Some(next) = matrix::next(&self.task.design, &self.made) {
            self.cool_down();
            if self.interrupt.level() > 0 {
                return Ok(true);
            }
            let Some(trial) = self.one(next)? else { return Ok(true) };
            let trial = outside::clean(&trial)?;
            self.lines.append(&trial).map_err(|error| Failure::environment(&error))?;
            self.progress.say(&report::matrix::progress(
                &trial,
                self.task.cells.len(),
                self.task.design.runs,
            ));
            self.made.push(trial);
        }
        Ok(false)
    }

    /// Lets the machine settle; returns early when interrupted.
    fn cool_down(&self) {
        const SLICE: u64 = 100_000_000;
        let clock = Clock::start();
        let sleeper = Sleeper::new(clock, Pacing::Sleep);
        let end = self.task.design.cool_down.ns;
        while clock.now() < end && self.interrupt.level() == 0 {
            sleeper.sleep_until((clock.now() + SLICE).min(end));
        }
    }

    /// Makes one run; `None` if it was interrupted. A failed broker is a result of the run; a plan that the broker rejects is an error.
    fn one(&mut self, next: Next) -> Result<Option<Trial>, Failure> {
        let Some(ready) = self.task.ready(next.cell) else {
            return Err(Failure::usage(format!("{} has no plan", self.task.name(next.cell))));
        };
        let folder = self.new_folder(next.number)?;
        let name =
            folder.path().file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        // Each round has its own event schedule, the same for all its cells.
        let mut plan = ready.plan.clone();
        plan.market.seed = plan.market.seed.wrapping_add(u64::from(next.round - 1)) & SEEDS;
        let (identity, clock) = (Identity::new().tagged(self.begun.tags.clone()), Clock::start());
        let mut journal = Keeping::new(&folder);
        let order = session::Order::new(&identity, clock, self.interrupt);
        let done = session::run(&plan, &ready.choice, order, Some(&mut journal), &mut [&mut self.progress]);
        self.progress.end_line();
        let subject = Subject { next, cell: &self.task.design.cells[next.cell], folder: &name };
        match done {
            Ok(record) => {
                let json = record.to_json().map_err(|error| Failure::environment(&error))?;
                folder
                    .write_whole("record.json", json.as_bytes())
                    .map_err(|error| Failure::environment(&error))?;
                run::write_report(&record, journal, &mut self.progress);
                let interrupted = record.run.end == crate::record::End::Interrupted;
                Ok((!interrupted).then(|| Trial::of(subject, &record)))
            }
            Err(error) => {
                let failure = Failure::from(error);
                match failure.exit {
                    Exit::Usage => Err(failure),
                    Exit::Interrupted => Ok(None),
                    _ => {
                        let folder = if folder.path().is_dir() { name.as_str() } else { "" };
                        Ok(Some(Trial::failed(Subject { folder, ..subject }, &show::plain(&failure.text))))
                    }
                }
            }
        }
    }

    /// The folder of a run: `m-007`, or `m-007-2` after a run of that number that was killed or interrupted.
    fn new_folder(&self, number: u32) -> Result<RunFolder, Failure> {
        let name = format!("m-{number:03}");
        let names = std::iter::once(name.clone()).chain((2..).map(|again| format!("{name}-{again}")));
        let free = names.into_iter().find(|name| !self.folder.file(name).exists());
        self.folder.inside(&free.unwrap_or(name)).map_err(|error| Failure::environment(&error))
    }
}
