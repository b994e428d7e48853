//! The agenda of a run: actions on its surroundings, each at a given time, e.g. to inject faults.
//!
//! A dedicated thread carries it out, one action after the other, so that a slow action delays only the next
//! one. It reports to the supervisor what happened and when. However a run ends, every action that was begun is
//! undone, the last one first; the thread does so even if the run that started it is gone.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver as Inbox, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::host::clock::Clock;
use crate::num;
use crate::plan::Ns;
use crate::record::{Mark, Undo};

/// An action on the surroundings of a run, e.g. on a node of its broker.
pub trait Action: Send {
    /// A short name, e.g. `kill node-2`.
    fn name(&self) -> String;

    /// The first part of the kind of its marks.
    fn kind(&self) -> &'static str {
        "action"
    }

    /// Finds out what to act on, at the time of the action. Changes nothing.
    ///
    /// # Errors
    /// The reason why the action is skipped.
    fn prepare(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Carries out the action and returns the effect that was observed.
    ///
    /// # Errors
    /// The reason why it failed or why its effect was not observed.
    fn act(&mut self) -> Result<String, String>;

    /// Undoes the action and returns the effect that was observed. Called after `act`, which may have failed
    /// halfway or panicked.
    ///
    /// # Errors
    /// The part of the action that was not undone.
    fn undo(&mut self) -> Result<String, String>;

    /// How long the undo may take, by its own limits.
    fn undo_within(&self) -> Duration {
        UNDO_WITHIN
    }

    /// What is done if the undo hangs: it is carried out on another thread than the one that hangs.
    fn last_resort(&self) -> Option<LastResort> {
        None
    }
}

/// Ends what hinders an undo, e.g. a process that does not react, and says what was ended.
pub type LastResort = Box<dyn FnOnce() -> String + Send>;

/// How long an undo may take that says nothing else.
const UNDO_WITHIN: Duration = Duration::from_secs(10);

/// An action with its times.
struct Entry {
    at: Ns,
    until: Option<Ns>,
    action: Box<dyn Action>,
}

/// Actions with their times, relative to the start of the measure phase.
#[derive(Default)]
pub struct Agenda {
    entries: Vec<Entry>,
    ending: Ending,
}

/// Whether an agenda is to end: an action that takes long is then to be cut short.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending(Arc<AtomicBool>);

impl Ending {
    pub(super) fn is_near(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn declare(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Agenda {
    pub(super) fn ending(&self) -> Ending {
        self.ending.clone()
    }

    /// Adds an action that begins at `at` and is undone at `until`; without `until` there is nothing to undo.
    pub fn add(&mut self, at: Ns, until: Option<Ns>, action: Box<dyn Action>) {
        self.entries.push(Entry { at, until, action });
    }
}

/// The outcome of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It has begun.
    Begun,
    /// It was done, and its effect was observed.
    Done,
    /// It failed; it is undone at once, as far as necessary.
    Failed,
    /// It was undone.
    Undone,
    /// It could not be undone.
    NotUndone,
    /// Its undo has not ended in its time.
    Hangs,
    /// It was not begun: there was nothing to act on.
    Skipped,
    /// The run ended before its time came.
    Dropped,
}

impl Outcome {
    /// The second part of the kind of the mark that records it.
    const fn word(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Undone => "undone",
            Self::NotUndone => "not-undone",
            Self::Hangs => "hangs",
            Self::Skipped => "skipped",
            Self::Dropped => "dropped",
        }
    }
}

/// A change on the agenda, in the run's time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) outcome: Outcome,
    /// The first part of the kind of its mark.
    pub(super) kind: &'static str,
    /// The name of the action.
    pub(super) name: String,
    /// The planned time.
    pub(super) planned: Ns,
    /// The actual time.
    pub(super) at: Ns,
    /// The observed effect, or the error.
    pub(super) detail: String,
    /// When it is to be undone, of an action that has just begun.
    pub(super) until: Option<Ns>,
}

impl Change {
    /// What is to be undone of an action that has begun.
    pub(super) fn undo(&self) -> Option<Undo> {
        (self.outcome == Outcome::Begun).then(|| Undo {
            action: self.name.clone(),
            at_ns: self.at,
            until_ns: self.until,
        })
    }
}

/// A change, as the supervisor gets it.
pub(super) struct Told {
    pub(super) change: Change,
    /// Dropped once the change is noted: an action is carried out only then.
    _noted: Option<Sender<Infallible>>,
}

impl From<Change> for Mark {
    fn from(change: Change) -> Self {
        let Change { outcome, kind, name, planned, at, detail, .. } = change;
        let due = num::f64_of(planned) / 1e9;
        let detail = if detail.is_empty() { detail } else { format!(": {detail}") };
        Self {
            at_ns: at,
            kind: format!("{kind}-{}", outcome.word()),
            detail: format!("{name} (planned for {due:.3} s){detail}"),
        }
    }
}

/// The clock of an agenda.
trait Time {
    fn now(&self) -> Ns;

    /// Waits until `due`; returns `false` at once when the agenda is to end.
    fn wait_until(&self, due: Ns) -> bool;
}

/// An action that was begun and is not undone yet.
struct Open {
    until: Ns,
    entry: Entry,
}

/// An agenda in progress.
struct Work<'t> {
    /// The next one is last.
    planned: Vec<Entry>,
    /// In the order in which they were begun. An action is entered before it is carried out.
    open: Vec<Open>,
    time: &'t dyn Time,
    report: &'t mut dyn FnMut(Change),
}

impl<'t> Work<'t> {
    /// `origin` is the start of the measure phase.
    fn new(agenda: Agenda, origin: Ns, time: &'t dyn Time, report: &'t mut dyn FnMut(Change)) -> Self {
        let later = |at: Ns| origin.saturating_add(at);
        let mut planned: Vec<Entry> = agenda
            .entries
            .into_iter()
            .map(|entry| Entry { at: later(entry.at), until: entry.until.map(later), ..entry })
            .collect();
        // The action that was added first is popped first.
        planned.reverse();
        planned.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        Self { planned, open: Vec::new(), time, report }
    }

    /// Carries out each action at its time, until the agenda is to end.
    fn carry_out(&mut self) {
        loop {
            let begin = self.planned.last().map(|entry| entry.at);
            let undo = self.open.iter().enumerate().map(|(at, open)| (open.until, at)).min();
            // At the same moment, undo comes before begin.
            match (undo, begin) {
                (Some((until, at)), begin) if begin.is_none_or(|begin| until <= begin) => {
                    if !self.time.wait_until(until) {
                        break;
                    }
                    let open = self.open.remove(at);
                    self.undo(open);
                }
                (_, Some(begin)) => {
                    if !self.time.wait_until(begin) {
                        break;
                    }
                    self.begin();
                }
                _ => break,
            }
        }
        self.end();
    }

    /// Drops the actions that have not begun and undoes those that have.
    fn end(&mut self) {
        while let Some(open) = self.open.pop() {
            self.undo(open);
        }
        while let Some(entry) = self.planned.pop() {
            self.happened(Outcome::Dropped, &*entry.action, entry.at, String::new());
        }
    }

    fn begin(&mut self) {
        let Some(mut entry) = self.planned.pop() else { return };
        let planned = entry.at;
        if let Err(why) = guarded(|| entry.action.prepare().map(|()| String::new())) {
            self.happened(Outcome::Skipped, &*entry.action, planned, why);
            return;
        }
        let until = entry.until.map(|until| format!("to be undone at {:.3} s", num::f64_of(until) / 1e9));
        let begun = self.change(Outcome::Begun, &*entry.action, planned, until.unwrap_or_default());
        (self.report)(Change { until: entry.until, ..begun });
        self.open.push(Open { until: entry.until.unwrap_or(Ns::MAX), entry });
        let acted = self.open.last_mut().map(|open| guarded(|| open.entry.action.act()));
        let Some(open) = self.open.pop() else { return };
        match acted {
            Some(Ok(detail)) => {
                self.happened(Outcome::Done, &*open.entry.action, planned, detail);
                if open.entry.until.is_some() {
                    self.open.push(open);
                }
            }
            Some(Err(why)) => {
                self.happened(Outcome::Failed, &*open.entry.action, planned, why);
                if open.entry.until.is_some() {
                    self.undo(open);
                }
            }
            None => {}
        }
    }

    /// Undoes an action, on a thread of its own: an undo that hangs is not waited for, and the agenda goes on.
    fn undo(&mut self, open: Open) {
        let Open { until, entry: Entry { action, .. } } = open;
        let (kind, name) = (action.kind(), action.name());
        let (within, last_resort) = (action.undo_within(), action.last_resort());
        let mut tell = |outcome, detail| {
            let at = self.time.now();
            (self.report)(Change {
                outcome,
                kind,
                name: name.clone(),
                planned: until,
                at,
                detail,
                until: None,
            });
        };
        let undoing = Undoing::begin(action);
        match undoing.ended(within + GRACE) {
            Some(Ok(detail)) => tell(Outcome::Undone, detail),
            Some(Err(why)) => tell(Outcome::NotUndone, why),
            None => {
                let ended = last_resort.map_or_else(|| "nothing of it can be ended".to_owned(), |end| end());
                let limit = (within + GRACE).as_secs();
                tell(Outcome::Hangs, format!("its undo has not ended within {limit} s; {ended}"));
                let why = match undoing.ended(GRACE) {
                    Some(Err(why)) => why,
                    Some(Ok(_)) => "its undo ended only then".to_owned(),
                    None => "its undo still hangs".to_owned(),
                };
                tell(Outcome::NotUndone, why);
            }
        }
    }

    fn happened(&mut self, outcome: Outcome, action: &dyn Action, planned: Ns, detail: String) {
        let change = self.change(outcome, action, planned, detail);
        (self.report)(change);
    }

    fn change(&self, outcome: Outcome, action: &dyn Action, planned: Ns, detail: String) -> Change {
        let (kind, name) = (action.kind(), action.name());
        Change { outcome, kind, name, planned, at: self.time.now(), detail, until: None }
    }
}

/// How long an undo may take beyond its own limits, and, once what hinders it was ended, to end itself.
const GRACE: Duration = Duration::from_secs(1);

/// An undo in progress.
struct Undoing(Inbox<Result<String, String>>);

impl Undoing {
    fn begin(action: Box<dyn Action>) -> Self {
        let (end, ended) = channel();
        // Shared, since a thread that cannot be started drops what it was given.
        let action = Arc::new(Mutex::new(action));
        let undo = {
            let (action, end) = (Arc::clone(&action), end.clone());
            move || {
                let mut action = action.lock().unwrap_or_else(PoisonError::into_inner);
                // Nobody listens to an undo that was given up.
                let _ = end.send(guarded(|| action.undo()));
            }
        };
        if Builder::new().name("undo".into()).spawn(undo.clone()).is_err() {
            undo();
        }
        Self(ended)
    }

    /// How it ended; `None` if it has not ended in time.
    fn ended(&self, within: Duration) -> Option<Result<String, String>> {
        self.0.recv_timeout(within).ok()
    }
}

/// Catches a panic of an action, so that the others are still undone.
fn guarded(step: impl FnOnce() -> Result<String, String>) -> Result<String, String> {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| Err("it panicked".into()))
}

/// The run's clock; the agenda is to end once the channel's sender is dropped.
struct RunTime {
    clock: Clock,
    end: Inbox<Infallible>,
}

impl Time for RunTime {
    fn now(&self) -> Ns {
        self.clock.now()
    }

    fn wait_until(&self, due: Ns) -> bool {
        loop {
            let left = due.saturating_sub(self.clock.now());
            if matches!(
                self.end.recv_timeout(Duration::from_nanos(left)),
                Err(RecvTimeoutError::Disconnected)
            ) {
                return false;
            }
            if self.clock.now() >= due {
                return true;
            }
        }
    }
}

/// How long an action waits until it is noted that it begins. A supervisor looks every 20 ms.
const NOTED_WITHIN: Duration = Duration::from_millis(100);

/// Tells the supervisor of a change, and waits until it is noted that an action begins.
fn tell(to: &Sender<Told>, change: Change) {
    let (noted, heard) = channel::<Infallible>();
    let waits = change.outcome == Outcome::Begun;
    // Without a supervisor, nothing reads the reports.
    let sent = to.send(Told { change, _noted: waits.then_some(noted) });
    if waits && sent.is_ok() {
        let _ = heard.recv_timeout(NOTED_WITHIN);
    }
}

/// How long the end of a run waits for actions to be undone.
const UNDONE_WITHIN: Duration = Duration::from_secs(10);

/// The thread that carries out an agenda.
pub(super) struct AgendaThread {
    /// Never used to send: dropping it signals the end.
    end: Option<Sender<Infallible>>,
    changes: Inbox<Told>,
    thread: Option<JoinHandle<()>>,
    ending: Ending,
}

impl AgendaThread {
    /// Starts the thread; an empty agenda needs none.
    pub(super) fn start(agenda: Agenda, clock: Clock, origin: Ns) -> std::io::Result<Self> {
        let (sender, changes) = channel();
        let ending = agenda.ending();
        if agenda.entries.is_empty() {
            return Ok(Self { end: None, changes, thread: None, ending });
        }
        let (end, wanted) = channel();
        let thread = Builder::new().name("agenda".into()).spawn(move || {
            let time = RunTime { clock, end: wanted };
            let report = &mut |change| tell(&sender, change);
            Work::new(agenda, origin, &time, report).carry_out();
        })?;
        Ok(Self { end: Some(end), changes, thread: Some(thread), ending })
    }

    /// Returns the changes since the last call.
    pub(super) fn happened(&self) -> impl Iterator<Item = Told> {
        self.changes.try_iter()
    }

    /// Signals the end: the thread drops actions that have not begun and undoes the others. Does not wait.
    pub(super) fn end(&mut self) {
        self.ending.declare();
        self.end = None;
    }

    /// Has the whole agenda been carried out?
    pub(super) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Until when a run that ends now waits for its actions to be undone.
    pub(super) fn deadline() -> Instant {
        Instant::now() + UNDONE_WITHIN
    }

    /// Detaches the thread.
    pub(super) fn abandon(&mut self) {
        self.end = None;
        self.thread = None;
    }
}

impl Drop for AgendaThread {
    /// A panicking run also waits for its actions to be undone.
    fn drop(&mut self) {
        self.end();
        let deadline = Self::deadline();
        while !self.is_over() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[cfg(test)]
mod tests;
