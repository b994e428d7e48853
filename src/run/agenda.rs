//! The agenda of a run: what is to be done to its surroundings, and when; faults are the use of it.
//!
//! A thread of its own carries it out, one action after the other, so that one that takes its time holds up nobody but the
//! next one. What happened, and when, comes back to the supervisor. Whatever ends a run, every action that was begun is
//! undone, the last one first; the thread does so even if the run that started it is gone.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver as Inbox, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::host::clock::Clock;
use crate::num;
use crate::plan::Ns;
use crate::record::Mark;

/// Something that can be done to the surroundings of a run, e.g. to a node of its broker.
pub trait Action: Send {
    /// In a few words: `kill node-2`.
    fn name(&self) -> String;

    /// Does it, and says what was seen to happen.
    ///
    /// # Errors
    /// Says why it could not be done, or not be seen to happen.
    fn act(&mut self) -> Result<String, String>;

    /// Undoes it, and says what was seen to happen. It is called after `act`, which may have failed halfway or panicked.
    ///
    /// # Errors
    /// Says what is left as `act` has made it.
    fn undo(&mut self) -> Result<String, String>;
}

/// An action with its times.
struct Entry {
    at: Ns,
    until: Option<Ns>,
    action: Box<dyn Action>,
}

/// Actions with their times, counted from the start of the measure phase.
#[derive(Default)]
pub struct Agenda(Vec<Entry>);

impl Agenda {
    /// Adds an action that is to begin at `at` and to be undone at `until`; without that there is nothing to undo.
    pub fn add(&mut self, at: Ns, until: Option<Ns>, action: Box<dyn Action>) {
        self.0.push(Entry { at, until, action });
    }
}

/// What became of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// It begins.
    Begun,
    /// It was done, and seen to happen.
    Done,
    /// It could not be done; it is undone at once, as far as that is needed.
    Failed,
    /// It was undone.
    Undone,
    /// It could not be undone.
    NotUndone,
    /// The run ended before its time came.
    Dropped,
}

impl What {
    /// The kind of its mark.
    const fn kind(self) -> &'static str {
        match self {
            Self::Begun => "action-begun",
            Self::Done => "action-done",
            Self::Failed => "action-failed",
            Self::Undone => "action-undone",
            Self::NotUndone => "action-not-undone",
            Self::Dropped => "action-dropped",
        }
    }
}

/// Something that happened on the agenda; times are the run's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Happening {
    pub(super) what: What,
    /// Of the action.
    pub(super) name: String,
    /// When it was to happen.
    pub(super) planned: Ns,
    /// When it had happened.
    pub(super) at: Ns,
    /// What was said of it.
    pub(super) said: String,
}

impl From<Happening> for Mark {
    fn from(happening: Happening) -> Self {
        let Happening { what, name, planned, at, said } = happening;
        let due = num::f64_of(planned) / 1e9;
        let said = if said.is_empty() { said } else { format!(": {said}") };
        Self { at_ns: at, kind: what.kind().into(), detail: format!("{name} (planned for {due:.3} s){said}") }
    }
}

/// The time that an agenda goes by.
trait Time {
    fn now(&self) -> Ns;

    /// Waits until a time; `false`, and at once, if somebody wants the end.
    fn wait_until(&self, due: Ns) -> bool;
}

/// An action that was begun.
struct Open {
    until: Ns,
    entry: Entry,
}

/// An agenda that is being carried out.
struct Work<'t> {
    /// The next one last.
    planned: Vec<Entry>,
    /// In the order in which they were begun. An entry is here before its action is.
    open: Vec<Open>,
    time: &'t dyn Time,
    tell: &'t mut dyn FnMut(Happening),
}

impl<'t> Work<'t> {
    /// `origin` is the start of the measure phase.
    fn new(agenda: Agenda, origin: Ns, time: &'t dyn Time, tell: &'t mut dyn FnMut(Happening)) -> Self {
        let later = |at: Ns| origin.saturating_add(at);
        let mut planned: Vec<Entry> = agenda
            .0
            .into_iter()
            .map(|entry| Entry { at: later(entry.at), until: entry.until.map(later), ..entry })
            .collect();
        // What was added first is to be popped first.
        planned.reverse();
        planned.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        Self { planned, open: Vec::new(), time, tell }
    }

    /// Carries everything out at its time, or until somebody wants the end.
    fn carry_out(&mut self) {
        loop {
            let begin = self.planned.last().map(|entry| entry.at);
            let undo = self.open.iter().enumerate().map(|(at, open)| (open.until, at)).min();
            // What is to be undone comes before what is to begin at the same moment.
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

    /// Drops what has not begun, and undoes what has.
    fn end(&mut self) {
        while let Some(open) = self.open.pop() {
            self.undo(open);
        }
        while let Some(entry) = self.planned.pop() {
            let name = entry.action.name();
            self.happened(What::Dropped, name, entry.at, String::new());
        }
    }

    fn begin(&mut self) {
        let Some(entry) = self.planned.pop() else { return };
        let (name, planned) = (entry.action.name(), entry.at);
        self.happened(What::Begun, name.clone(), planned, String::new());
        self.open.push(Open { until: entry.until.unwrap_or(Ns::MAX), entry });
        let acted = self.open.last_mut().map(|open| guarded(|| open.entry.action.act()));
        let Some(open) = self.open.pop() else { return };
        match acted {
            Some(Ok(said)) => {
                self.happened(What::Done, name, planned, said);
                if open.entry.until.is_some() {
                    self.open.push(open);
                }
            }
            Some(Err(why)) => {
                self.happened(What::Failed, name, planned, why);
                if open.entry.until.is_some() {
                    self.undo(open);
                }
            }
            None => {}
        }
    }

    fn undo(&mut self, mut open: Open) {
        let undone = guarded(|| open.entry.action.undo());
        let name = open.entry.action.name();
        match undone {
            Ok(said) => self.happened(What::Undone, name, open.until, said),
            Err(why) => self.happened(What::NotUndone, name, open.until, why),
        }
    }

    fn happened(&mut self, what: What, name: String, planned: Ns, said: String) {
        (self.tell)(Happening { what, name, planned, at: self.time.now(), said });
    }
}

/// An action that panics must not keep others from being undone.
fn guarded(step: impl FnOnce() -> Result<String, String>) -> Result<String, String> {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| Err("it panicked".into()))
}

/// The run's clock, and the word that the agenda is to end: nobody holds the other end of the channel any more.
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

/// How long a run that ends waits for what is to be undone.
const UNDONE_WITHIN: Duration = Duration::from_secs(10);

/// The thread that carries an agenda out.
pub(super) struct AgendaThread {
    /// Nobody sends anything here: that it is gone is the word to end.
    end: Option<Sender<Infallible>>,
    happenings: Inbox<Happening>,
    thread: Option<JoinHandle<()>>,
}

impl AgendaThread {
    /// Starts to carry an agenda out; an empty one needs no thread.
    pub(super) fn start(agenda: Agenda, clock: Clock, origin: Ns) -> std::io::Result<Self> {
        let (sender, happenings) = channel();
        if agenda.0.is_empty() {
            return Ok(Self { end: None, happenings, thread: None });
        }
        let (end, wanted) = channel();
        let thread = Builder::new().name("agenda".into()).spawn(move || {
            let time = RunTime { clock, end: wanted };
            // If the supervisor is gone nobody wants to know.
            let tell = &mut |happening| drop(sender.send(happening));
            Work::new(agenda, origin, &time, tell).carry_out();
        })?;
        Ok(Self { end: Some(end), happenings, thread: Some(thread) })
    }

    /// What has happened since the last call.
    pub(super) fn happened(&self) -> impl Iterator<Item = Happening> {
        self.happenings.try_iter()
    }

    /// Ends it: what has not begun is dropped, what has is undone. Waits for neither.
    pub(super) fn end(&mut self) {
        self.end = None;
    }

    /// Has everything been done that is to be done?
    pub(super) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// The moment until which a run that ends waits for it.
    pub(super) fn deadline() -> Instant {
        Instant::now() + UNDONE_WITHIN
    }

    /// Leaves it to itself.
    pub(super) fn abandon(&mut self) {
        self.end = None;
        self.thread = None;
    }
}

impl Drop for AgendaThread {
    /// A run that panics waits for what is to be undone, too.
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
