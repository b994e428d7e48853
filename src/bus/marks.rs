//! Marks that connections leave for the record: one for each incident, without repeats.

use std::sync::{Arc, Mutex, PoisonError};

use super::{BusError, Mark};
use crate::host::clock::Clock;
use crate::plan::Ns;
use crate::record;

/// Maximum number of marks waiting to be taken; further ones are only counted.
const WAITING: usize = 4096;

/// The marks of all connections of a run.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    clock: Clock,
    list: Arc<Mutex<List>>,
}

#[derive(Debug, Default)]
struct List {
    waiting: Vec<Mark>,
    more: u64,
    /// The first denial of each connection, by its name.
    denials: Vec<(Arc<str>, Denial)>,
}

/// A permanent refusal of a connection's request by the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denial {
    /// What is refused, and the broker's message.
    pub(super) problem: String,
    /// What to do about it.
    pub(super) hint: String,
}

impl From<Denial> for BusError {
    fn from(Denial { problem, hint }: Denial) -> Self {
        Self::Environment { problem, hint }
    }
}

impl Marks {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, list: Arc::default() }
    }

    /// Moves the marks since the last call into `into`.
    pub(super) fn take(&self, into: &mut Vec<Mark>) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        into.append(&mut list.waiting);
        let more = std::mem::take(&mut list.more);
        if more > 0 {
            let detail = format!("{more} more marks came at once and are not told");
            into.push(Mark { at: self.clock.now(), kind: "marks-left-out", detail });
        }
    }

    /// Returns the first denial of any connection.
    pub(super) fn denied(&self) -> Option<Denial> {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.denials.first().map(|(_, denial)| denial.clone())
    }

    /// Returns the first denial of the connection with that name.
    pub(super) fn denied_to(&self, name: &str) -> Option<Denial> {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.denials.iter().find(|(by, _)| **by == *name).map(|(_, denial)| denial.clone())
    }

    /// Returns a writer of marks for the connection called `name`.
    pub(super) fn of(&self, name: String) -> Notes {
        Notes { marks: self.clone(), name: Arc::from(name), last: Arc::default() }
    }
}

/// Writes the marks of one connection.
#[derive(Debug, Clone)]
pub(super) struct Notes {
    marks: Marks,
    pub(super) name: Arc<str>,
    last: Arc<Mutex<&'static str>>,
}

impl Notes {
    pub(super) fn mark(&self, kind: &'static str, detail: &str) {
        self.mark_at(self.now(), kind, detail);
    }

    /// Returns the time by the marks' clock.
    pub(super) fn now(&self) -> Ns {
        self.marks.clock.now()
    }

    /// Records a mark for something that may have begun earlier.
    pub(super) fn mark_at(&self, at: Ns, kind: &'static str, detail: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Some conditions are reported again with every attempt; only the first is recorded.
        let repeats = matches!(
            kind,
            "client-error" | "broker-error" | "slow-consumer" | "no-responders" | record::DENIED
        );
        if repeats && *last == kind {
            return;
        }
        *last = kind;
        let mut all = self.marks.list.lock().unwrap_or_else(PoisonError::into_inner);
        if all.waiting.len() >= WAITING {
            all.more += 1;
            return;
        }
        let detail =
            if detail.is_empty() { self.name.to_string() } else { format!("{}: {detail}", self.name) };
        all.waiting.push(Mark { at, kind, detail });
    }
}

impl Notes {
    /// Records a permanent refusal for this connection; only the first one is kept.
    pub(super) fn deny(&self, denial: Denial) {
        self.mark(record::DENIED, &denial.problem);
        let mut list = self.marks.list.lock().unwrap_or_else(PoisonError::into_inner);
        if list.denials.iter().all(|(by, _)| *by != self.name) {
            list.denials.push((Arc::clone(&self.name), denial));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_itself_is_marked_once_until_something_else_happens() {
        let marks = Marks::new(Clock::start());
        let notes = marks.of("publisher 0".to_owned());
        let other = marks.of("publisher 1".to_owned());
        for kind in
            ["disconnected", "client-error", "client-error", "connected", "client-error", "disconnected"]
        {
            notes.mark(kind, "x");
        }
        other.mark("client-error", "");
        let mut taken = Vec::new();
        marks.take(&mut taken);
        let kinds: Vec<_> = taken.iter().map(|mark| mark.kind).collect();
        assert_eq!(
            kinds,
            ["disconnected", "client-error", "connected", "client-error", "disconnected", "client-error"]
        );
        assert_eq!((taken[0].detail.as_str(), taken[5].detail.as_str()), ("publisher 0: x", "publisher 1"));
        assert!(taken.windows(2).all(|pair| pair[0].at <= pair[1].at));
        taken.clear();
        marks.take(&mut taken);
        assert_eq!(taken, []);
    }

    #[test]
    fn a_burst_takes_no_more_memory_than_what_waits_and_is_counted() {
        let marks = Marks::new(Clock::start());
        let notes = marks.of("publisher 0".to_owned());
        (0..20_000).for_each(|_| notes.mark("lame-duck", "the server is about to stop"));
        let mut taken = Vec::new();
        marks.take(&mut taken);
        assert_eq!(taken.len(), WAITING + 1);
        let last = taken.last().unwrap();
        assert_eq!((last.kind, last.detail.split(' ').next().unwrap()), ("marks-left-out", "15904"));
    }
}
