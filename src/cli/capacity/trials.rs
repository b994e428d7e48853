//! The trials of a search: one after the other, each at the rate that follows from the ones before, with a fresh broker.

use std::collections::BTreeMap;

use crate::archive::{Lines, RunFolder};
use crate::capacity::{
    self, About, Ended, Inputs, Next, Outcome, Purpose, Search, Stage, Step, Trial, conclude,
};
use crate::cli::args::Capacity;
use crate::cli::progress::Progress;
use crate::cli::volume::volume;
use crate::cli::{Exit, Failure, environment, outside, pause, run, tags};
use crate::host::clock::{Clock, utc};
use crate::host::signal::Interrupt;
use crate::host::sleep::Sleeper;
use crate::plan::{Pacing, Rate, Span};
use crate::record::{self, Record};
use crate::report::{self, show};
use crate::run::Identity;
use crate::session::{self, Keeping};

use super::begun::{self, Begun};
use super::shown;
use super::task::{Task, usual_minutes, usual_trials};

/// Broker and machine of a trial.
type Facts = (record::Broker, record::Environment);

/// The state of a search while its trials go on.
struct Trials<'a> {
    task: &'a Task,
    folder: &'a RunFolder,
    interrupt: &'a Interrupt,
    progress: Progress,
    /// Tags of each run.
    tags: BTreeMap<String, String>,
    lines: Lines,
    made: Vec<Trial>,
    /// Broker and machine of the first trial that has a record.
    facts: Option<Facts>,
    /// The last failure before the load of a trial began.
    failure: Option<Failure>,
}

/// A new search.
pub(super) fn begin(args: &Capacity) -> Result<Exit, Failure> {
    let task = Task::resolve(args)?;
    if args.dry {
        return Ok(super::dry::show(args, &task));
    }
    let tags = tags::tags(&args.about.tags, &environment)?;
    let (identity, clock) = (Identity::new(), Clock::start());
    let name = format!("capacity-{}", task.plan.name);
    let folder = run::folder(&args.about, &args.out, run::readers(args.share), clock, (&name, &identity.id))?;
    let begun = Begun {
        schema: Begun::schema(),
        id: identity.id,
        profile: task.profile.clone(),
        sets: task.sets.clone(),
        tickgate: crate::host::build::VERSION.into(),
        tags,
        started: utc(clock.unix_ns_at_epoch()),
        design: task.design.clone(),
        plan: task.plan.clone(),
        prices: task.prices.clone(),
        targets: task.targets.clone(),
        growth: task.growth,
        audit_all: task.audit_all,
        bus: task.choice.bus(),
    };
    go(args, &task, &begun, &folder, true)
}

/// A search that goes on.
pub(super) fn resume(args: &Capacity, path: &std::path::Path) -> Result<Exit, Failure> {
    let folder = RunFolder::open(path).map_err(|error| Failure::environment(&error))?;
    let begun = Begun::read(&folder)?;
    let task = Task::again(args, &begun)?;
    if args.dry {
        return Ok(super::dry::show(args, &task));
    }
    go(args, &task, &begun, &folder, false)
}

fn go(args: &Capacity, task: &Task, begun: &Begun, folder: &RunFolder, new: bool) -> Result<Exit, Failure> {
    let interrupt = Interrupt::install().map_err(|error| Failure::environment(&error))?;
    let mut progress = Progress::brief(args.quiet);
    // A search that goes on is taken before anything is started, so that no other process does.
    let kept = if new { None } else { Some(begun::trials(folder)?) };
    let is_over = |made: &[Trial]| matches!(capacity::next(&task.design, made), Step::Done(_));
    if !kept.as_ref().is_some_and(|(_, held)| is_over(&held.entries)) {
        announce(task, &mut progress);
        let before = pause(args, task, &interrupt).and_then(|()| rehearse(task, &mut progress, &interrupt));
        if let Err(failure) = before {
            progress.end_line();
            folder.discard_if_empty();
            return Err(failure);
        }
    }
    let (lines, held) = match kept {
        Some(kept) => kept,
        None => begun.write(folder).and_then(|()| begun::trials(folder))?,
    };
    if held.torn {
        progress.say("note: the last trial was not stored whole; it is made again");
    }
    if !held.entries.is_empty() {
        let made = show::several(crate::num::count(held.entries.len()), "trial");
        progress.say(&format!("continuing after {made}"));
    }
    let facts = held.entries.iter().find_map(|trial| facts_of(folder, trial));
    let (tags, made, interrupt) = (begun.tags.clone(), held.entries, &interrupt);
    let mut trials = Trials { task, folder, interrupt, progress, tags, lines, made, facts, failure: None };
    let done = trials.all();
    trials.progress.end_line();
    let ended = done.map_err(|failure| Failure {
        text: format!("{}; the trials so far are kept: {}", failure.text, how_to_continue(folder)),
        ..failure
    })?;
    let Trials { made, facts, failure, mut progress, .. } = trials;
    if made.is_empty() && ended == Ended::Interrupted {
        let text = format!("interrupted before the end of the first trial; {}", how_to_continue(folder));
        return Err(Failure { exit: Exit::Interrupted, text });
    }
    let exit = shown::finish(&account(task, begun, made, facts), folder, args.format)?;
    if new {
        run::latest(&args.about, folder, &mut progress);
    }
    match (ended, failure) {
        (Ended::Interrupted, _) => {
            eprintln!("interrupted; {}", how_to_continue(folder));
            Ok(Exit::Interrupted)
        }
        (Ended::Broken, Some(failure)) => {
            Err(Failure { text: format!("{}; {}", failure.text, how_to_continue(folder)), ..failure })
        }
        (Ended::Broken, None) => Ok(Exit::Environment),
        (Ended::Disturbed | Ended::Unfit, _) => {
            eprintln!("`tickgate doctor` shows whether this machine is fit to measure");
            Ok(exit)
        }
        _ => Ok(exit),
    }
}

/// The account of these trials.
fn account(task: &Task, begun: &Begun, trials: Vec<Trial>, facts: Option<Facts>) -> capacity::Capacity {
    let (broker, environment) = facts.unzip();
    conclude(Inputs {
        about: about(begun),
        design: task.design.clone(),
        plan: task.trial(task.plan.load.rate.per_second, task.design.seed, Purpose::Confirming),
        broker,
        environment,
        prices: task.prices.clone(),
        targets: task.targets.clone(),
        growth: task.growth,
        trials,
    })
}

/// How to go on with a search.
fn how_to_continue(folder: &RunFolder) -> String {
    format!("continue with: tickgate capacity --resume {}", folder.path().display())
}

fn about(begun: &Begun) -> About {
    About {
        id: begun.id.clone(),
        profile: begun.profile.clone(),
        sets: begun.sets.clone(),
        tickgate: begun.tickgate.clone(),
        tags: begun.tags.clone(),
        started: begun.started.clone(),
        ended: utc(Clock::start().unix_ns_at_epoch()),
    }
}

/// Broker and machine, from the record of a trial.
fn facts_of(folder: &RunFolder, trial: &Trial) -> Option<Facts> {
    let path = folder.path().join(&trial.folder);
    let record = (!trial.folder.is_empty()).then(|| crate::cli::report::sound(&path).ok())??;
    Some((record.broker, record.environment))
}

/// The search in a line: rates, trials, time and seed.
pub(super) fn head(task: &Task) -> String {
    let design = &task.design;
    let ((fewest, most), (from, to)) = (usual_trials(design), usual_minutes(design));
    let what = match design.at {
        Some(rate) => format!("does the bus hold {}?", Rate::per_second(rate)),
        None => format!(
            "from {}, between {} and {}, until the 95 % interval is {} wide",
            Rate::per_second(design.start),
            show::rate(design.min),
            show::rate(design.max),
            show::percent(design.precision)
        ),
    };
    let within = design.within.map(|within| format!(", at most {within}")).unwrap_or_default();
    let minutes = if from == to { from.to_string() } else { format!("{from} to {to}") };
    format!(
        "capacity of {}: {what}; usually {fewest} to {most} trials, {minutes} min{within}; seed {}",
        task.plan.name, design.seed
    )
}

/// Where the trials send how much.
pub(super) fn target(task: &Task) -> String {
    let design = &task.design;
    let purpose = if design.at.is_some() { Purpose::Confirming } else { Purpose::Searching };
    let first = task.trial(design.start, design.seed, purpose);
    let (to, load) = (task.choice.target(), volume(&first, &task.choice.subjects(&first, "RUN")));
    match design.at {
        Some(_) => format!("each trial sends to {to}: {load}"),
        None => format!(
            "the first trial sends to {to}: {load}; later ones at rates up to {}",
            Rate::per_second(design.max)
        ),
    }
}

fn announce(task: &Task, progress: &mut Progress) {
    for warning in &task.warnings {
        progress.say(&format!("warning: {warning}"));
    }
    progress.say(&head(task));
    if !task.choice.is_simulated() {
        progress.say(&target(task));
    }
}

/// Lets the user see where the environment has sent the trials.
fn pause(args: &Capacity, task: &Task, interrupt: &Interrupt) -> Result<(), Failure> {
    if args.yes || !task.choice.is_by_environment() {
        return Ok(());
    }
    // Unless it is quiet, it stands there already.
    let lines: Vec<String> = args.quiet.then(|| target(task)).into_iter().collect();
    pause::pause(&lines, interrupt)
}

/// Starts or reaches the bus once, and proves that every group receives, so that no trial is wasted on a bus that cannot run.
fn rehearse(task: &Task, progress: &mut Progress, interrupt: &Interrupt) -> Result<(), Failure> {
    let (identity, clock) = (Identity::new(), Clock::start());
    let order = session::Order::new(&identity, clock, interrupt);
    let plan = task.trial(task.design.start, task.design.seed, Purpose::Confirming);
    let broker = session::rehearse(&plan, &task.choice, order)?;
    progress.say(&show::plain(&format!(
        "checked: {} {}, an acknowledgement means {}",
        broker.product, broker.version, broker.durability
    )));
    Ok(())
}

impl Trials<'_> {
    /// Makes trials until the search is over or interrupted.
    fn all(&mut self) -> Result<Ended, Failure> {
        let mut search = Search::of(&self.task.design, &self.made);
        loop {
            let next = match search.step() {
                Step::Done(ended) => return Ok(ended),
                Step::Try(next) => next,
            };
            let clock = Clock::start();
            self.cool_down(clock, next.cool_down);
            if self.interrupt.level() > 0 {
                return Ok(Ended::Interrupted);
            }
            let trial = self.one(&next, clock)?;
            if trial.outcome == Outcome::Interrupted {
                return Ok(Ended::Interrupted);
            }
            let trial = outside::clean(&trial)?;
            search.take(&trial);
            let gives_up = trial.outcome == Outcome::Broken && matches!(search.step(), Step::Done(_));
            // The last attempt without a broker is not stored, so that the search can go on when there is one again.
            if !gives_up {
                self.lines.append(&trial).map_err(|error| Failure::environment(&error))?;
            }
            self.made.push(trial.clone());
            let so_far = capacity::answer(&self.task.design, &self.made);
            self.progress.say(&report::capacity::progress(&trial, &so_far));
        }
    }

    /// Lets the machine settle; returns early when interrupted.
    fn cool_down(&self, clock: Clock, pause: Span) {
        const SLICE: u64 = 100_000_000;
        let sleeper = Sleeper::new(clock, Pacing::Sleep);
        while clock.now() < pause.ns && self.interrupt.level() == 0 {
            sleeper.sleep_until((clock.now() + SLICE).min(pause.ns));
        }
    }

    /// Makes one trial. `since` counts from the start of its pause.
    fn one(&mut self, next: &Next, since: Clock) -> Result<Trial, Failure> {
        let purpose = match next.stage {
            Stage::Floor | Stage::Ceiling => Purpose::Confirming,
            Stage::Probe | Stage::Climb | Stage::Narrow => Purpose::Searching,
        };
        let plan = self.task.trial(next.rate, next.seed, purpose);
        let folder = self.new_folder(next.number)?;
        let name =
            folder.path().file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let (identity, clock) = (Identity::new().tagged(self.tags.clone()), Clock::start());
        let mut journal = Keeping::new(&folder);
        let order = session::Order { curtail: true, ..session::Order::new(&identity, clock, self.interrupt) };
        let done =
            session::run(&plan, &self.task.choice, order, Some(&mut journal), &mut [&mut self.progress]);
        self.progress.end_line();
        let took = |since: Clock| Span { ns: since.now() };
        match done {
            Ok(record) => {
                let trial = Trial::of(next, &name, &record, took(since));
                self.write(&folder, journal, &record, &trial)?;
                self.facts.get_or_insert((record.broker, record.environment));
                Ok(Trial { took: took(since), ..trial })
            }
            Err(error) => {
                let failure = Failure::from(error);
                match failure.exit {
                    Exit::Usage => Err(failure),
                    Exit::Interrupted => Ok(Trial::interrupted(next, took(since))),
                    _ => {
                        let name = if folder.path().is_dir() { name.as_str() } else { "" };
                        let trial = Trial::broken(next, name, &show::plain(&failure.text), took(since));
                        self.failure = Some(failure);
                        Ok(trial)
                    }
                }
            }
        }
    }

    /// The folder of a trial: `t-007`, or `t-007-2` after a trial of that number that was killed or interrupted.
    fn new_folder(&self, number: u32) -> Result<RunFolder, Failure> {
        let name = format!("t-{number:03}");
        let names = std::iter::once(name.clone()).chain((2..).map(|again| format!("{name}-{again}")));
        let free = names.into_iter().find(|name| !self.folder.file(name).exists());
        self.folder.inside(&free.unwrap_or(name)).map_err(|error| Failure::environment(&error))
    }

    /// Writes the record of a trial, and its page where people look at it first: trials that confirm, and those that are no
    /// evidence.
    fn write(
        &mut self,
        folder: &RunFolder,
        journal: Keeping<'_>,
        record: &Record,
        trial: &Trial,
    ) -> Result<(), Failure> {
        let json = record.to_json().map_err(|error| Failure::environment(&error))?;
        folder.write_whole("record.json", json.as_bytes()).map_err(|error| Failure::environment(&error))?;
        let confirms = matches!(trial.stage, Stage::Floor | Stage::Ceiling);
        let usual = matches!(trial.outcome, Outcome::Passed | Outcome::NotPassed);
        if (confirms || !usual)
            && let Err(failure) = crate::cli::report::page(record, folder)
        {
            self.progress.say(&format!("warning: the page of {} is missing: {}", trial.folder, failure.text));
        }
        if let Some(error) = journal.end() {
            self.progress
                .say(&format!("warning: the journal of run {} is incomplete: {error}", record.run.id));
        }
        folder.end_journal().map_err(|error| Failure::environment(&error))
    }
}
