//! What connections leave for the record: a mark for each thing that happened, once.

use std::sync::{Arc, Mutex, PoisonError};

use super::Mark;
use crate::host::clock::Clock;

/// The marks of all connections of a run.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    clock: Clock,
    list: Arc<Mutex<Vec<Mark>>>,
}

impl Marks {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, list: Arc::default() }
    }

    /// Moves the marks since the last call.
    pub(super) fn take(&self, into: &mut Vec<Mark>) {
        into.append(&mut self.list.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The marks of one connection, called `name`.
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
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Some conditions report themselves again with every attempt; the first one tells it.
        let repeats = matches!(kind, "client-error" | "broker-error" | "slow-consumer" | "no-responders");
        if repeats && *last == kind {
            return;
        }
        *last = kind;
        let detail =
            if detail.is_empty() { self.name.to_string() } else { format!("{}: {detail}", self.name) };
        let mark = Mark { at: self.marks.clock.now(), kind, detail };
        self.marks.list.lock().unwrap_or_else(PoisonError::into_inner).push(mark);
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
}
