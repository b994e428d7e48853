//! The history of a baseline: what was measured and decided, one line each, only ever added to.
//!
//! Lines of several machines or branches merge by union: each has an id, and their order is that of their times.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Decision, Design, Figures, Finding, Run, Side, Stage};
use super::fingerprint::Probes;
use super::session::Session;

/// The schema that this version writes.
pub const SCHEMA: &str = "tickgate.history/1";
/// Runs that a session of a baseline has at least.
const RUNS: usize = 2;
/// Runs of a pair that stand for a session where a check had no first stage.
const RUNS_OF_PAIRS: usize = 3;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// `tickgate.history/1`.
    pub schema: String,
    /// Its own id: that of the run, or one of its own.
    pub id: String,
    /// The baseline's name.
    pub baseline: String,
    /// When, RFC 3339, UTC.
    pub at: String,
    /// Version of tickgate.
    pub tickgate: String,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum What {
    /// A run.
    Run(Box<RunLine>),
    /// A check begins.
    Check(Box<Begun>),
    /// A check is decided.
    Decided(Decided),
    /// Sessions become a part of the baseline.
    Joined(Joined),
    /// A change is accepted: what follows is compared with what follows.
    Epoch(Accepted),
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunLine {
    /// The session, or the check that it belongs to.
    pub session: String,
    /// What it was for.
    #[serde(flatten)]
    pub purpose: Stage,
    /// What was run.
    pub subject: Subject,
    /// The hash of the machine's fingerprint.
    pub fingerprint: String,
    /// The speed probes of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,
    /// Seed of the events.
    pub seed: u64,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// What is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    /// The commit, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<String>,
    /// Product and version of the broker.
    pub broker: String,
    /// Hash of the plan and of the choice of broker.
    pub config: String,
}

/// The begin of a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Begun {
    /// What is checked.
    pub subject: Subject,
    /// How.
    pub design: Design,
    /// Why it is checked again although it was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<String>,
}

/// The end of a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decided {
    /// The check.
    pub check: String,
    /// Its decision.
    pub decision: Decision,
}

/// Sessions that become a part of the baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Joined {
    /// Sessions or checks.
    pub sessions: Vec<String>,
}

/// An intended change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Accepted {
    /// The number of the new epoch; the first is 1.
    pub epoch: u32,
    /// Why the change is intended.
    pub reason: String,
    /// The checks that are its first sessions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<String>,
}

/// Why lines are not the history of a baseline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// A line of another baseline.
    #[error(
        "line {line} belongs to the baseline `{found}`, not to `{expected}`: move it to that baseline's history"
    )]
    Foreign {
        /// From 1.
        line: usize,
        /// Its baseline.
        found: String,
        /// The one whose history it is.
        expected: String,
    },
    /// A line of another schema.
    #[error(
        "line {line} has schema {found}, but this tickgate reads {SCHEMA}: update tickgate, or remove the line if it is none of its own"
    )]
    Schema {
        /// From 1.
        line: usize,
        /// Its schema.
        found: String,
    },
    /// Two lines with one id that say different things.
    #[error(
        "lines {first} and {second} have the id {id} and differ: restore the history from a copy in which they do not"
    )]
    Conflict {
        /// From 1.
        first: usize,
        /// From 1.
        second: usize,
        /// The id.
        id: String,
    },
}

/// A session of any epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Sitting {
    /// The epoch.
    pub epoch: u32,
    /// Its runs that count.
    pub session: Session,
    /// The commit, if it is known.
    pub git: Option<String>,
    /// The broker's product and version.
    pub broker: String,
    /// The hash of its machine.
    pub fingerprint: String,
    /// Its speed probes.
    pub probes: Option<Probes>,
    /// Is it a part of the baseline?
    pub joined: bool,
    /// Runs that do not count.
    pub unusable: u32,
}

/// A check and how it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// Its id.
    pub id: String,
    /// When it began.
    pub at: String,
    /// The epoch.
    pub epoch: u32,
    /// What was checked, and how.
    pub begun: Begun,
    /// Its runs.
    pub runs: Vec<Run>,
    /// The decision; `None` if it was interrupted.
    pub decision: Option<Decision>,
    /// Is its session a part of the baseline?
    pub joined: bool,
}

/// The begin of an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// From 1.
    pub number: u32,
    /// When.
    pub at: String,
    /// Why; empty for the first.
    pub reason: String,
}

/// A history, read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Every epoch, in order; none without a line.
    pub epochs: Vec<Epoch>,
    /// Every session and every check that has fit runs, in order.
    pub sittings: Vec<Sitting>,
    /// Every check, in order.
    pub checks: Vec<Checked>,
}

/// Whether a subject may be checked.
#[derive(Debug, Clone, PartialEq)]
pub enum Again<'a> {
    /// It is a new check.
    New,
    /// It goes on with one that is not decided, or could not be with what was there then.
    Continue(&'a Checked),
    /// It was decided, and stays so.
    Decided(&'a Checked, &'a Decision),
}

/// The union of lines: equal ones once, in the order of their times.
///
/// # Errors
/// When a line is of another baseline or schema, or two lines contradict each other.
pub fn merged(name: &str, lines: Vec<Line>) -> Result<Vec<Line>, HistoryError> {
    let mut seen: BTreeMap<String, (usize, Line)> = BTreeMap::new();
    for (number, line) in (1..).zip(lines) {
        if line.schema != SCHEMA {
            return Err(HistoryError::Schema { line: number, found: line.schema });
        }
        if line.baseline != name {
            return Err(HistoryError::Foreign {
                line: number,
                found: line.baseline,
                expected: name.to_owned(),
            });
        }
        match seen.get(&line.id) {
            Some((first, known)) if *known != line => {
                return Err(HistoryError::Conflict { first: *first, second: number, id: line.id });
            }
            Some(_) => {}
            None => {
                seen.insert(line.id.clone(), (number, line));
            }
        }
    }
    let mut all: Vec<(usize, Line)> = seen.into_values().collect();
    all.sort_by(|(a, one), (b, other)| one.at.cmp(&other.at).then(a.cmp(b)));
    Ok(all.into_iter().map(|(_, line)| line).collect())
}

impl History {
    /// The history of a baseline from its lines, in any order.
    ///
    /// # Errors
    /// As [`merged`].
    pub fn of(name: &str, lines: Vec<Line>) -> Result<Self, HistoryError> {
        let mut history = Self::default();
        for line in merged(name, lines)? {
            history.take(line);
        }
        Ok(history)
    }

    fn take(&mut self, line: Line) {
        if self.epochs.is_empty() {
            self.epochs.push(Epoch { number: 1, at: line.at.clone(), reason: String::new() });
        }
        let epoch = self.epoch();
        match line.what {
            What::Run(run) => self.take_run(&line.at, epoch, *run),
            What::Check(begun) => self.checks.push(Checked {
                id: line.id,
                at: line.at,
                epoch,
                begun: *begun,
                runs: vec![],
                decision: None,
                joined: false,
            }),
            What::Decided(decided) => {
                if let Some(check) = self.checks.iter_mut().find(|check| check.id == decided.check) {
                    check.decision = Some(decided.decision);
                }
            }
            What::Joined(joined) => self.join(&joined.sessions, None),
            What::Epoch(accepted) => {
                // Two branches may have accepted a change each; both are epochs.
                let number = accepted.epoch.max(epoch + 1);
                self.epochs.push(Epoch { number, at: line.at, reason: accepted.reason });
                self.join(&accepted.sessions, Some(number));
            }
        }
    }

    fn take_run(&mut self, at: &str, epoch: u32, line: RunLine) {
        let RunLine { session, purpose, subject, fingerprint, probes, figures, .. } = line;
        let counts = match purpose {
            Stage::Saved | Stage::Fresh => true,
            Stage::Pair { side, .. } => side == Side::New,
        };
        if let Some(check) = self.checks.iter_mut().find(|check| check.id == session) {
            check.runs.push(Run { stage: purpose, figures: figures.clone() });
            let first_stage = check.runs.iter().any(|run| run.stage == Stage::Fresh);
            let is_of_pair = matches!(purpose, Stage::Pair { .. });
            let enough = check.runs.iter().filter(|run| is_new_of_pair(run)).count() > RUNS_OF_PAIRS;
            if is_of_pair && (first_stage || enough) {
                return;
            }
        }
        if !counts {
            return;
        }
        let at_once = purpose == Stage::Saved;
        let known = self.sittings.iter().position(|sitting| sitting.session.id == session);
        let index = known.unwrap_or_else(|| {
            self.sittings.push(Sitting {
                epoch,
                session: Session { id: session, at: at.to_owned(), ..Session::default() },
                git: subject.git,
                broker: subject.broker,
                fingerprint,
                probes,
                joined: at_once,
                unusable: 0,
            });
            self.sittings.len() - 1
        });
        let sitting = &mut self.sittings[index];
        if figures.unusable.is_some() {
            sitting.unusable += 1;
        } else {
            sitting.session.faults = sitting.session.faults.saturating_add(figures.faults);
            sitting.session.runs.push(figures.metrics);
        }
    }

    fn join(&mut self, sessions: &[String], epoch: Option<u32>) {
        for sitting in self.sittings.iter_mut().filter(|sitting| sessions.contains(&sitting.session.id)) {
            sitting.joined = true;
            sitting.epoch = epoch.unwrap_or(sitting.epoch);
        }
        for check in self.checks.iter_mut().filter(|check| sessions.contains(&check.id)) {
            check.joined = true;
        }
    }

    /// The epoch that goes on; 1 for an empty history.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epochs.last().map_or(1, |epoch| epoch.number)
    }

    /// The sittings of this epoch that are the baseline; a single run says nothing about its session.
    pub fn baseline(&self) -> impl Iterator<Item = &Sitting> {
        let epoch = self.epoch();
        let is_whole = |sitting: &Sitting| sitting.session.runs.len() >= RUNS;
        self.sittings
            .iter()
            .filter(move |sitting| sitting.joined && sitting.epoch == epoch && is_whole(sitting))
    }

    /// The sessions of the baseline that began before a time.
    #[must_use]
    pub fn past(&self, before: &str) -> Vec<Session> {
        let earlier = self.baseline().filter(|sitting| sitting.session.at.as_str() < before);
        earlier.map(|sitting| sitting.session.clone()).collect()
    }

    /// What becomes of another check of a subject in this epoch. Nobody measures until the answer pleases: what was found to be
    /// worse stays so, and a check that is not decided goes on with its runs. One that passed is checked again each night, and
    /// so is one in which too few runs counted, since that does not depend on a judged figure.
    #[must_use]
    pub fn again(&self, subject: &Subject) -> Again<'_> {
        let epoch = self.epoch();
        let of_subject = |check: &&Checked| check.epoch == epoch && check.begun.subject == *subject;
        let Some(last) = self.checks.iter().rev().find(of_subject) else { return Again::New };
        let Some(decision) = &last.decision else { return Again::Continue(last) };
        match decision.finding {
            Finding::Worse => Again::Decided(last, decision),
            Finding::Unknown if !decision.repeatable => Again::Continue(last),
            Finding::Unknown | Finding::NoSign | Finding::NotConfirmed => Again::New,
        }
    }

    /// Checks of this epoch that passed and are not yet a part of the baseline.
    #[must_use]
    pub fn to_join(&self) -> Vec<&Checked> {
        let passed = |check: &&Checked| {
            let finding = check.decision.as_ref().map(|decision| decision.finding);
            !check.joined
                && check.epoch == self.epoch()
                && matches!(finding, Some(Finding::NoSign | Finding::NotConfirmed))
        };
        self.checks.iter().filter(passed).collect()
    }
}

fn is_new_of_pair(run: &Run) -> bool {
    matches!(run.stage, Stage::Pair { side: Side::New, .. }) && run.figures.unusable.is_none()
}

#[cfg(test)]
mod tests;
