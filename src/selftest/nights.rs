//! Nights of a baseline on simulated buses whose truth is known: every figure is that of a simulated run, and sessions, checks and
//! updates take the way of the commands, by lines of a history.

use std::collections::BTreeMap;

use crate::baseline::{
    BASELINE_FAMILY, BASELINE_VERSION, Baseline, Begun, Check, Decided, Decision, Figures, Fingerprint,
    History, HistoryError, Joined, Line, Run, RunLine, SCHEMA, Side, Stage, Step, Subject, What,
};
use crate::bus::sim::{Delay, Faults};
use crate::compare::Trial;
use crate::host::clock::utc;
use crate::num;
use crate::plan::{Plan, Span};
use crate::run::RunError;
use crate::run::simulated::{EPOCH_UNIX_NS, Scenario, simulate};
use crate::stats::Random;

use super::swarm::base;

/// The metric that decides.
const METRIC: &str = "latency.p99";
/// Runs of a session of the baseline.
const RUNS: u32 = 3;
/// Median of the server's service time: with an event each millisecond nothing ever waits, so latencies are proportional to it.
const SERVICE_NS: f64 = 100_000.0;
/// Spread of the service time within a run: it adds about a percent to the deviation of a run's p99.
const SPREAD: f64 = 0.05;
/// How far off a freak run is: the deviation of its logarithm.
const FREAK: f64 = 0.4;
/// Nanoseconds of a day.
const DAY: u64 = 86_400_000_000_000;

/// How the service time varies: its logarithm is that of the night, plus a drift within it, plus that of the run, plus a freak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct World {
    /// Deviation of runs.
    pub sd: f64,
    /// Deviation of nights.
    pub tau: f64,
    /// Deviation of the drift within a night, relative to that of runs; it decays by a fifth with each run.
    pub drift: f64,
    /// Share of runs that are far off.
    pub freaks: f64,
}

/// Why nights could not be simulated.
#[derive(Debug, thiserror::Error)]
pub enum NightsError {
    /// A simulated run did not begin.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The lines contradict each other.
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// One sitting of the machine.
struct Sitting {
    level: f64,
    drift: f64,
}

/// A night that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Night {
    /// What the check decided.
    pub decision: Decision,
    /// How many runs it made.
    pub runs: usize,
}

/// A baseline, its history and the bus that it is about.
pub struct Nights {
    world: World,
    random: Random,
    baseline: Baseline,
    lines: Vec<Line>,
    day: u64,
}

impl Nights {
    /// A baseline with as many sessions, a day apart.
    ///
    /// # Errors
    /// When a run cannot be simulated.
    pub fn new(world: World, seed: u64, sessions: u32) -> Result<Self, NightsError> {
        let mut nights =
            Self { world, random: Random::new(seed), baseline: baseline(), lines: vec![], day: 0 };
        for number in 1..=sessions {
            let mut sitting = nights.sitting();
            for _ in 0..RUNS {
                let figures = nights.run(&mut sitting, 0.0)?;
                nights.note_run(&format!("s{number}"), Stage::Saved, figures);
            }
        }
        Ok(nights)
    }

    /// A check of a new commit whose service times are longer by `change`, and an update if it passes.
    ///
    /// # Errors
    /// When a run cannot be simulated.
    pub fn night(&mut self, change: f64) -> Result<Night, NightsError> {
        let history = self.history()?;
        let past = history.past("~");
        let worth = self.baseline.worth(&past);
        let mut sitting = self.sitting();
        let design = self.baseline.design(&worth, self.day);
        let begun = Begun { subject: self.subject(), design: design.clone(), again: None };
        let check = self.append(What::Check(Box::new(begun)));
        let mut runs = Vec::new();
        let decision = loop {
            let stage = match (Check { design: &design, past: &past, runs: &runs }).next() {
                Step::Fresh => Stage::Fresh,
                Step::Pair { number, side } => Stage::Pair { number, side },
                Step::Done(decision) => break decision,
            };
            let is_old = matches!(stage, Stage::Pair { side: Side::Old, .. });
            let figures = self.run(&mut sitting, if is_old { 0.0 } else { change })?;
            self.note_run(&check, stage, figures.clone());
            runs.push(Run { stage, figures });
        };
        self.append(What::Decided(Decided { check, decision: decision.clone() }));
        let sessions: Vec<String> = self.history()?.to_join().iter().map(|check| check.id.clone()).collect();
        if !sessions.is_empty() {
            self.append(What::Joined(Joined { sessions }));
        }
        Ok(Night { decision, runs: runs.len() })
    }

    /// The history so far.
    ///
    /// # Errors
    /// When its lines contradict each other.
    pub fn history(&self) -> Result<History, NightsError> {
        Ok(History::of(&self.baseline.name, self.lines.clone())?)
    }

    /// The machine of another day.
    fn sitting(&mut self) -> Sitting {
        self.day += 1;
        let World { sd, tau, drift, .. } = self.world;
        Sitting { level: tau * self.random.normal(), drift: drift * sd * self.random.normal() }
    }

    /// A run of a bus whose service times are longer by `change`.
    fn run(&mut self, sitting: &mut Sitting, change: f64) -> Result<Figures, NightsError> {
        let World { sd, drift, freaks, .. } = self.world;
        let is_freak = self.random.uniform() < freaks;
        let freak = if is_freak { (FREAK * self.random.normal()).abs() } else { 0.0 };
        let off = sitting.level + sitting.drift + sd * self.random.normal() + freak + change.ln_1p();
        sitting.drift = 0.8 * sitting.drift + 0.6 * drift * sd * self.random.normal();
        let median_ns = num::u64_of(SERVICE_NS * off.exp());
        let service = Delay::LogNormal { median_ns, sigma: SPREAD };
        let faults = Faults { service, ..Faults::default() };
        let seed = num::count(self.lines.len());
        let plan = plan(self.baseline.plan.market.seed.wrapping_add(seed));
        // The spread within the run is another one in each world.
        let seed = seed ^ num::u64_of(self.random.uniform() * SERVICE_NS * SERVICE_NS);
        let (record, _) = simulate(&plan, &Scenario::from(faults), seed)?;
        Ok(Figures::of(&Trial::of("", &record)))
    }

    /// Each day has a commit of its own.
    fn subject(&self) -> Subject {
        let git = Some(format!("{:040x}", self.day));
        Subject { git, broker: self.baseline.broker.clone(), config: "simulated".into() }
    }

    fn note_run(&mut self, session: &str, purpose: Stage, figures: Figures) {
        let metrics: BTreeMap<String, f64> = figures
            .metrics
            .iter()
            .filter(|(name, _)| *name == METRIC)
            .map(|(n, f)| (n.clone(), *f))
            .collect();
        let line = RunLine {
            session: session.to_owned(),
            purpose,
            subject: self.subject(),
            fingerprint: String::new(),
            probes: None,
            seed: num::count(self.lines.len()),
            figures: Figures { metrics, ..figures },
        };
        self.append(What::Run(Box::new(line)));
    }

    fn append(&mut self, what: What) -> String {
        let id = format!("l{}", self.lines.len());
        self.lines.push(Line {
            schema: SCHEMA.into(),
            id: id.clone(),
            baseline: self.baseline.name.clone(),
            // Lines of one second keep the order in which they were written.
            at: utc(EPOCH_UNIX_NS + self.day * DAY),
            tickgate: "simulated".into(),
            what,
        });
        id
    }
}

/// An event each millisecond: 400 of them are enough for a p99.
fn plan(seed: u64) -> Plan {
    let mut plan = base(seed);
    plan.load.duration = Span::millis(400);
    plan.bus.audit = false;
    plan
}

fn baseline() -> Baseline {
    Baseline {
        schema: format!("{BASELINE_FAMILY}/{BASELINE_VERSION}"),
        name: "simulated".into(),
        epoch: 1,
        profile: "simulated".into(),
        sets: vec![],
        at: None,
        settings: vec![],
        plan: plan(1),
        broker: "simulated".into(),
        fingerprint: Fingerprint::default(),
        decide: vec![METRIC.to_owned()],
        min_effect: 0.05,
        false_alarms: 0.5,
        tickgate: "simulated".into(),
        created: utc(EPOCH_UNIX_NS),
    }
}
