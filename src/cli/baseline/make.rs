//! Makes the runs of sessions and checks: each with a fresh broker and its own folder.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::archive::RunFolder;
use crate::baseline::{
    Baseline, Figures, Fingerprint, Mismatch, Probes, RunLine, SettingsFile, Stage, Subject,
};
use crate::cli::args::Making;
use crate::cli::progress::Progress;
use crate::cli::{Exit, Failure, environment, pause, run, tags};
use crate::compare::Trial;
use crate::host::clock::Clock;
use crate::host::probe;
use crate::host::signal::Interrupt;
use crate::host::sleep::Sleeper;
use crate::plan::{Pacing, Plan, Span};
use crate::record::{Broker, Record};
use crate::report::show;
use crate::run::Identity;
use crate::session::{self, Asked, Choice, Keeping};

use super::settings;

/// Valid seeds of a profile: 0 to 2^63 − 1.
const SEEDS: u64 = u64::MAX >> 1;

/// A hash of the configuration under test: the plan without its seed, the bus, and what its files of settings say.
pub(super) fn config(plan: &Plan, choice: &Choice, settings: &[SettingsFile]) -> String {
    let mut plan = plan.clone();
    plan.market.seed = 0;
    // A plan always serialises.
    let text = serde_json::to_string(&plan).unwrap_or_default();
    let mut text = format!("{text}\n{}", choice.bus());
    for hash in settings::hashes(settings) {
        text.push('\n');
        text.push_str(hash);
    }
    format!("{:016x}", xxh3_64(text.as_bytes()))
}

/// A side: its plan, and its bus.
pub(super) struct Ground {
    pub(super) plan: Plan,
    pub(super) choice: Choice,
    pub(super) subject: Subject,
}

/// Makes runs until it is interrupted.
pub(super) struct Maker {
    /// The folder of the runs.
    pub(super) folder: RunFolder,
    interrupt: Interrupt,
    pub(super) progress: Progress,
    tags: BTreeMap<String, String>,
    cool_down: Span,
    /// Only warn of another speed.
    ignore_speed: bool,
    /// The first failure before the load of a run began.
    failure: Option<Failure>,
}

/// A run that was made.
pub(super) struct Made {
    pub(super) id: String,
    pub(super) record: Option<Record>,
    pub(super) figures: Figures,
    pub(super) seed: u64,
}

impl Made {
    /// Its line in the history.
    pub(super) fn line(
        &self,
        session: &str,
        purpose: Stage,
        subject: &Subject,
        probes: Option<Probes>,
    ) -> RunLine {
        let fingerprint = self.record.as_ref().map_or_else(String::new, |record| of(record).hash());
        RunLine {
            session: session.to_owned(),
            purpose,
            subject: subject.clone(),
            fingerprint,
            probes,
            seed: self.seed,
            figures: self.figures.clone(),
        }
    }
}

/// The fingerprint of a run.
pub(super) fn of(record: &Record) -> Fingerprint {
    Fingerprint::of(&record.environment, &record.broker, &record.run.tickgate)
}

/// Product and version of a broker, in words.
pub(super) fn product(broker: &Broker) -> String {
    format!("{} {}", broker.product, broker.version).trim().to_owned()
}

/// The flags that name a bus, over the one of a baseline.
pub(super) fn asked(making: &Making, baseline: Option<&Baseline>) -> Asked {
    let asked = making.like.over(making.broker.asked());
    let Some(baseline) = baseline else { return asked };
    let asked = settings::inherited(asked, baseline);
    match (&asked.at, &asked.context, &baseline.at) {
        (None, None, Some(at)) => Asked { at: Some(at.clone()), ..asked },
        _ => asked,
    }
}

/// The bus of a baseline's old side: the flags apply to both sides, except those that name the new one.
pub(super) fn asked_of(baseline: &Baseline, making: &Making) -> Asked {
    settings::only(Asked { at: baseline.at.clone(), context: None, ..making.broker.asked() }, baseline)
}

pub(super) fn resolved(asked: &Asked, plan: &Plan) -> Result<Choice, Failure> {
    Ok(Choice::resolve(asked, plan, &environment)?)
}

impl Maker {
    /// Prepares the folder of the runs.
    pub(super) fn new(making: &Making, name: &str, grounds: &[&Choice]) -> Result<Self, Failure> {
        let tags = tags::tags(&making.about.tags, &environment)?;
        let interrupt = Interrupt::install().map_err(|error| Failure::environment(&error))?;
        let mut progress = Progress::brief(making.quiet);
        let mut targets: Vec<String> = grounds.iter().map(|choice| choice.target().clone()).collect();
        targets.dedup();
        for target in &targets {
            progress.say(&format!("target: {target}"));
        }
        if !making.yes && grounds.iter().any(|choice| choice.is_by_environment()) {
            let lines = targets.iter().map(|target| format!("target: {target}"));
            let lines: Vec<String> = if making.quiet { lines.collect() } else { Vec::new() };
            pause::pause(&lines, &interrupt)?;
        }
        let (identity, clock) = (Identity::new(), Clock::start());
        let name = format!("baseline-{name}");
        let readers = run::readers(making.share);
        let folder = run::folder(&making.about, &making.out, readers, clock, (&name, &identity.id))?;
        let Making { cool_down, ignore_speed, .. } = *making;
        Ok(Self { folder, interrupt, progress, tags, cool_down, ignore_speed, failure: None })
    }

    /// The tags of the runs.
    pub(super) fn tags(&self) -> BTreeMap<String, String> {
        self.tags.clone()
    }

    /// The commit, if a CI system or a tag says it.
    pub(super) fn commit(&self) -> Option<String> {
        self.tags.get("commit").cloned()
    }

    /// How fast the machine is now, held against earlier sessions. Probes that cannot be taken are a note.
    pub(super) fn probes(&mut self, past: &[Probes]) -> Result<Option<Probes>, Failure> {
        let probes = match probe::measure(self.folder.path()) {
            Ok(probes) => probes,
            Err(error) => {
                self.progress.say(&format!("note: the speed of the machine is not known: {error}"));
                return Ok(None);
            }
        };
        let mut found = probes.off(past);
        for one in found.iter_mut().filter(|_| self.ignore_speed) {
            one.refused = false;
        }
        same_machine(&found, &mut self.progress)?;
        Ok(Some(probes))
    }

    /// The facts of a broker, without a run.
    pub(super) fn rehearse(&self, plan: &Plan, choice: &Choice) -> Result<Broker, Failure> {
        let (identity, clock) = (Identity::new(), Clock::start());
        let order = session::Order::new(&identity, clock, &self.interrupt);
        session::rehearse(plan, choice, order).map_err(Failure::from)
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupt.level() > 0
    }

    /// Waits; returns early when interrupted.
    pub(super) fn wait(&self, pause: Span) {
        const SLICE: u64 = 100_000_000;
        let clock = Clock::start();
        let sleeper = Sleeper::new(clock, Pacing::Sleep);
        while clock.now() < pause.ns && !self.is_interrupted() {
            sleeper.sleep_until((clock.now() + SLICE).min(pause.ns));
        }
    }

    /// Makes one run; `None` if it was interrupted. Its events follow from the profile's seed and `variant`.
    pub(super) fn one(&mut self, ground: &Ground, name: &str, variant: u64) -> Result<Option<Made>, Failure> {
        self.wait(self.cool_down);
        if self.is_interrupted() {
            return Ok(None);
        }
        let folder = self.folder.inside(name).map_err(|error| Failure::environment(&error))?;
        let mut plan = ground.plan.clone();
        plan.market.seed = plan.market.seed.wrapping_add(variant) & SEEDS;
        let seed = plan.market.seed;
        let (identity, clock) = (Identity::new().tagged(self.tags.clone()), Clock::start());
        let mut journal = Keeping::new(&folder);
        let order = session::Order::new(&identity, clock, &self.interrupt);
        let done = session::run(&plan, &ground.choice, order, Some(&mut journal), &mut [&mut self.progress]);
        self.progress.end_line();
        let trial = match done {
            Ok(record) => {
                let json = record.to_json().map_err(|error| Failure::environment(&error))?;
                folder
                    .write_whole("record.json", json.as_bytes())
                    .map_err(|error| Failure::environment(&error))?;
                run::write_report(&record, journal, &mut self.progress);
                if self.is_interrupted() {
                    return Ok(None);
                }
                (Trial::of(name, &record), Some(record))
            }
            Err(error) => {
                let failure = Failure::from(error);
                match failure.exit {
                    Exit::Usage => return Err(failure),
                    Exit::Interrupted => return Ok(None),
                    _ => {
                        let trial = Trial::failed(name, &show::plain(&failure.text));
                        self.failure.get_or_insert(failure);
                        (trial, None)
                    }
                }
            }
        };
        let (trial, record) = trial;
        let figures = Figures::of(&trial);
        let said = figures.unusable.clone().unwrap_or_else(|| "counts".to_owned());
        self.progress.say(&show::plain(&format!("{name}: {said}")));
        Ok(Some(Made { id: identity.id, record, figures, seed }))
    }

    /// The error where not one run began.
    pub(super) fn failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// Removes the folder if nothing was made.
    pub(super) fn discard(&self) {
        self.folder.discard_if_empty();
    }
}

/// The error of an interruption; the runs so far are in the history.
pub(super) fn interrupted() -> Failure {
    let text =
        "interrupted; the runs that were made are in the history, and a check goes on from them".into();
    Failure { exit: Exit::Interrupted, text }
}

/// Differences that make another machine: an error with exit code 3. Others are reported.
pub(super) fn same_machine(found: &[Mismatch], progress: &mut Progress) -> Result<(), Failure> {
    for one in found.iter().filter(|one| !one.refused) {
        progress.say(&format!("warning: {}", one.in_words()));
    }
    let refused: Vec<String> = found.iter().filter(|one| one.refused).map(Mismatch::in_words).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let text = format!(
        "this is not the machine or not the broker of the baseline, and no figure is compared: {}; check where these are the \
         same, or save another baseline",
        refused.join("; ")
    );
    Err(Failure { exit: Exit::Inconclusive, text: show::plain(&text) })
}
