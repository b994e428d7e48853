//! The runs of a comparison: one after the other, in the seeded order, each with a fresh broker and its own folder.

use std::collections::BTreeMap;

use crate::archive::RunFolder;
use crate::cli::args::Compare;
use crate::cli::progress::Progress;
use crate::cli::volume::volume;
use crate::cli::{Exit, Failure, pause, run};
use crate::compare::{
    self, About, Contrast, FEWEST_PAIRS, Letter, Outcome, Round, Setups, SideInput, Trial, orders,
};
use crate::host::clock::{Clock, utc};
use crate::host::signal::Interrupt;
use crate::host::sleep::Sleeper;
use crate::num;
use crate::plan::Pacing;
use crate::record::Record;
use crate::report::{compare as words, show};
use crate::run::Identity;
use crate::session::{self, Keeping};
use crate::stats::LOOKS;

use super::task::{Side, Task};

/// Valid seeds of a profile: 0 to 2^63 − 1.
const SEEDS: u64 = u64::MAX >> 1;

/// The state of a comparison while its runs go on.
struct Turns<'a> {
    task: &'a Task,
    folder: &'a RunFolder,
    interrupt: &'a Interrupt,
    progress: Progress,
    /// Tags of each run.
    tags: BTreeMap<String, String>,
    setups: Vec<SideInput>,
    /// The first failure before the load of a run began.
    failure: Option<Failure>,
}

pub(super) fn compare(args: &Compare) -> Result<Exit, Failure> {
    let task = Task::resolve(args)?;
    if args.dry {
        return Ok(super::dry::show(&task));
    }
    let tags = crate::cli::tags::tags(&args.about.tags, &crate::cli::environment)?;
    let interrupt = Interrupt::install().map_err(|error| Failure::environment(&error))?;
    let (identity, clock) = (Identity::new(), Clock::start());
    let name = format!("compare-{}", task.name);
    let folder = run::folder(&args.about, &args.out, run::readers(args.share), clock, (&name, &identity.id))?;
    let setup = |side: &Side| SideInput {
        label: side.label.clone(),
        overrides: side.overrides.clone(),
        sample: None,
    };
    let mut turns = Turns {
        task: &task,
        folder: &folder,
        interrupt: &interrupt,
        progress: Progress::brief(args.quiet),
        tags,
        setups: task.sides.iter().map(setup).collect(),
        failure: None,
    };
    turns.announce();
    if let Err(failure) = turns.pause(args).and_then(|()| turns.check_all()) {
        turns.progress.end_line();
        folder.discard_if_empty();
        return Err(failure);
    }
    let done = turns.rounds(clock);
    turns.progress.end_line();
    let Turns { setups, failure, mut progress, .. } = turns;
    let (rounds, stopped) = match done {
        Ok(done) => done,
        Err(failure) => {
            folder.discard_if_empty();
            return Err(failure);
        }
    };
    if setups.iter().all(|setup| setup.sample.is_none()) {
        folder.discard_if_empty();
        return Err(failure.unwrap_or_else(interrupted));
    }
    let about = About {
        id: identity.id,
        name: task.name.clone(),
        description: task.description.clone(),
        profile: task.profile.clone(),
        sets: task.sets.clone(),
        notes: task.notes.clone(),
        tickgate: crate::host::build::VERSION.into(),
        started: utc(clock.unix_ns_at_epoch()),
        ended: utc(clock.unix_ns_at_epoch() + clock.now()),
        interrupted: stopped,
    };
    let setups = Setups::new(setups.iter().collect(), task.reference)
        .ok_or_else(|| Failure::usage("expected 2 to 8 sides"))?;
    let comparison = compare::compare_all(about, task.design.clone(), task.prices.as_ref(), &setups, &rounds);
    let exit = super::finish(&comparison, &folder, args.format)?;
    run::latest(&args.about, &folder, &mut progress);
    Ok(if interrupt.level() > 0 { Exit::Interrupted } else { exit })
}

fn interrupted() -> Failure {
    Failure { exit: Exit::Interrupted, text: "interrupted before anything was measured".into() }
}

/// Where the runs of each side send how much.
pub(super) fn targets(task: &Task) -> impl Iterator<Item = String> {
    task.lettered().filter(|(_, side)| !side.choice.is_simulated()).map(|(letter, side)| {
        let volume = volume(&side.plan, &side.choice.subjects(&side.plan, "RUN"));
        format!("each run of {letter} sends to {}: {volume}", side.choice.target())
    })
}

/// The comparison in a line: sides, rounds, time and seed.
pub(super) fn head(task: &Task) -> String {
    let design = &task.design;
    let seconds = task.sides.iter().map(|side| {
        // Broker start, readiness, drain and audit add a few seconds.
        (side.plan.load.sending().ns + design.cool_down.ns) / 1_000_000_000 + 3
    });
    let seconds = seconds.sum::<u64>() * u64::from(design.pairs);
    let sides: Vec<String> =
        task.lettered().map(|(letter, side)| format!("{letter} ({})", side.label)).collect();
    let reference = match task.reference {
        Letter::A if sides.len() == 2 => String::new(),
        letter => format!("; the reference is {}", letter.as_str()),
    };
    format!(
        "{}: {}{reference}, {}{}, about {} min; seed {}",
        task.name,
        sides.join(" against "),
        if design.early { "up to " } else { "" },
        show::several(u64::from(design.pairs), words::noun(sides.len())),
        seconds.div_ceil(60),
        design.seed
    )
}

/// When the figures are looked at, and how often that is a false alarm.
pub(super) fn looks(task: &Task) -> Option<String> {
    let share = compare::simulated_false_alarms(&task.design, task.sides.len() - 1)?;
    Some(format!(
        "looks after {} pairs that count; false alarms, simulated: {:.1} % of comparisons without a difference",
        LOOKS.map(|pairs| pairs.to_string()).join(", "),
        share * 100.0
    ))
}

impl Turns<'_> {
    fn announce(&mut self) {
        for warning in &self.task.warnings {
            self.progress.say(&format!("warning: {warning}"));
        }
        for (name, side) in self.task.lettered() {
            if let Some(bound) = session::store_bound(&side.plan) {
                self.progress.say(&format!("{name}: {bound}"));
            }
        }
        self.progress.say(&head(self.task));
        if let Some(line) = looks(self.task) {
            self.progress.say(&line);
        }
        for line in targets(self.task) {
            self.progress.say(&line);
        }
    }

    /// Lets the user see where the environment has sent the runs.
    fn pause(&self, args: &Compare) -> Result<(), Failure> {
        if args.yes || !self.task.sides.iter().any(|side| side.choice.is_by_environment()) {
            return Ok(());
        }
        // Unless it is quiet, they stand there already.
        let lines: Vec<String> = if args.quiet { targets(self.task).collect() } else { Vec::new() };
        pause::pause(&lines, self.interrupt)
    }

    /// Starts or reaches the bus of each side once, and proves that every group receives, so that no run is wasted on a
    /// side that cannot run.
    fn check_all(&mut self) -> Result<(), Failure> {
        for (letter, side) in self.task.lettered() {
            if self.interrupt.level() > 0 {
                return Err(interrupted());
            }
            let (identity, clock) = (Identity::new(), Clock::start());
            let order = session::Order::new(&identity, clock, self.interrupt);
            let broker = session::rehearse(&side.plan, &side.choice, order).map_err(|error| {
                let failure = Failure::from(error);
                Failure { text: format!("side {letter}: {}", failure.text), ..failure }
            })?;
            let line = format!(
                "checked {letter}: {} {}, an acknowledgement means {}",
                broker.product, broker.version, broker.durability
            );
            self.progress.say(&show::plain(&line));
        }
        Ok(())
    }

    /// Runs the rounds: all of them, or up to an interruption or to the point where more runs cannot change the result. The
    /// measured figures stop it only at the looks that the design has fixed.
    fn rounds(&mut self, clock: Clock) -> Result<(Vec<Round>, Option<String>), Failure> {
        let design = &self.task.design;
        let sides = self.task.sides.len();
        let mut rounds: Vec<Round> = Vec::new();
        for (number, order) in (1..).zip(orders(design.seed, sides, design.pairs)) {
            let mut round = Round { number, order: order.clone(), trials: vec![Trial::default(); sides] };
            for at in order {
                if self.interrupt.level() == 0 {
                    self.cool_down(clock);
                }
                if self.interrupt.level() > 0 {
                    break;
                }
                let trial = self.one(at, number)?;
                self.progress.say(&words::progress(&trial, words::noun(sides), number, design.pairs));
                round.trials[at] = trial;
            }
            if round.trials.iter().any(|trial| trial.outcome != Outcome::NotRun) {
                rounds.push(round);
            }
            if let Some(why) = self.stops(&rounds) {
                return Ok((rounds, Some(why)));
            }
            if self.is_settled(&rounds) {
                break;
            }
        }
        Ok((rounds, None))
    }

    /// Has a look settled it?
    fn is_settled(&self, rounds: &[Round]) -> bool {
        let setups = Setups::new(self.setups.iter().collect(), self.task.reference);
        setups.is_some_and(|setups| compare::settled(&self.task.design, &setups, rounds))
    }

    /// The reason to stop, if there is one: no contrast can come to a finding any more.
    fn stops(&self, rounds: &[Round]) -> Option<String> {
        if self.interrupt.level() > 0 {
            return Some("interrupted".into());
        }
        let setups = Setups::new(self.setups.iter().collect(), self.task.reference)?;
        let (first, others) = setups.contrasts();
        let mut hopeless = None;
        for contrast in std::iter::once(first).chain(others) {
            hopeless = Some(self.hopeless(contrast, rounds)?);
        }
        hopeless
    }

    /// Why no more rounds can lead to a finding on this contrast.
    fn hopeless(&self, contrast: Contrast, rounds: &[Round]) -> Option<String> {
        let design = &self.task.design;
        let durability =
            |at: Letter| self.setups[at.index()].sample.as_ref().map(|record| &record.broker.durability);
        if let (Some(a), Some(b), false) =
            (durability(contrast.reference), durability(contrast.side), design.allow_unequal)
            && a != b
        {
            return Some("the sides turned out to differ in durability".into());
        }
        let measured = |round: &&Round| {
            let of = |letter: Letter| round.trials[letter.index()].outcome == Outcome::Measured;
            of(contrast.reference) && of(contrast.side)
        };
        let whole = num::count32(rounds.iter().filter(measured).count());
        let left = design.pairs - num::count32(rounds.len());
        (left > 0 && design.pairs >= FEWEST_PAIRS && whole + left < FEWEST_PAIRS)
            .then(|| format!("usable pairs so far: {whole}; remaining: {left}; needed: {FEWEST_PAIRS}"))
    }

    /// Lets the machine settle; returns early when interrupted.
    fn cool_down(&self, clock: Clock) {
        const SLICE: u64 = 100_000_000;
        let sleeper = Sleeper::new(clock, Pacing::Sleep);
        let end = clock.now() + self.task.design.cool_down.ns;
        while clock.now() < end && self.interrupt.level() == 0 {
            sleeper.sleep_until((clock.now() + SLICE).min(end));
        }
    }

    /// Makes one run of a side. A failed broker is a result of the run; a plan that the broker rejects is an error.
    fn one(&mut self, at: usize, number: u32) -> Result<Trial, Failure> {
        let side = &self.task.sides[at];
        let letter = Letter::ALL.get(at).map_or("a", |letter| letter.lower());
        let name = format!("{letter}-{number:02}");
        let folder = self.folder.inside(&name).map_err(|error| Failure::environment(&error))?;
        // Each round has its own event schedule, the same for all its runs: else the peculiarities of one schedule affect all rounds.
        let mut plan = side.plan.clone();
        plan.market.seed = plan.market.seed.wrapping_add(u64::from(number - 1)) & SEEDS;
        let (identity, clock) = (Identity::new().tagged(self.tags.clone()), Clock::start());
        let mut journal = Keeping::new(&folder);
        let order = session::Order::new(&identity, clock, self.interrupt);
        let done = session::run(&plan, &side.choice, order, Some(&mut journal), &mut [&mut self.progress]);
        self.progress.end_line();
        match done {
            Ok(record) => {
                let json = record.to_json().map_err(|error| Failure::environment(&error))?;
                folder
                    .write_whole("record.json", json.as_bytes())
                    .map_err(|error| Failure::environment(&error))?;
                run::write_report(&record, journal, &mut self.progress);
                let trial = Trial::of(&name, &record);
                self.keep(at, record);
                Ok(trial)
            }
            Err(error) => {
                let failure = Failure::from(error);
                match failure.exit {
                    Exit::Usage => Err(failure),
                    Exit::Interrupted => Ok(Trial::default()),
                    _ => {
                        let trial = Trial::failed(&name, &show::plain(&failure.text));
                        self.failure.get_or_insert(failure);
                        Ok(trial)
                    }
                }
            }
        }
    }

    /// Keeps the record as the source of its side's facts, unless a measured one is already there.
    fn keep(&mut self, at: usize, record: Record) {
        let sample = &mut self.setups[at].sample;
        let sound = sample.as_ref().is_some_and(compare::is_measured);
        if sample.is_none() || (!sound && compare::is_measured(&record)) {
            *sample = Some(record);
        }
    }
}
