//! Future happenings in time order; those with equal times happen in the order in which they were scheduled.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use super::world::Happening;
use crate::plan::Ns;

/// Future happenings. Those without a delay are scheduled for the current time and wait in a queue; only later ones
/// go to the heap.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// The current time: it advances once the queue for it is empty.
    now: Ns,
    present: VecDeque<Happening>,
    ahead: BinaryHeap<Entry>,
    foreseen: u64,
}

#[derive(Debug)]
struct Entry {
    at: Ns,
    serial: u64,
    what: Happening,
}

impl Agenda {
    pub(super) fn enter(&mut self, at: Ns, what: Happening) {
        if at == self.now {
            return self.present.push_back(what);
        }
        self.foreseen += 1;
        self.ahead.push(Entry { at, serial: self.foreseen, what });
    }

    /// Returns the current time.
    pub(super) const fn now(&self) -> Ns {
        self.now
    }

    /// Returns the time of the next happening.
    pub(super) fn next(&self) -> Option<Ns> {
        let ahead = self.ahead.peek().map(|entry| entry.at);
        let present = (!self.present.is_empty()).then_some(self.now);
        ahead.into_iter().chain(present).min()
    }

    /// Takes the next happening that is due by `until`.
    #[inline]
    pub(super) fn take(&mut self, until: Ns) -> Option<(Ns, Happening)> {
        // Happenings scheduled for this time while it was still in the future come first.
        if self.ahead.peek().is_none_or(|entry| entry.at > self.now)
            && self.now <= until
            && let Some(what) = self.present.pop_front()
        {
            return Some((self.now, what));
        }
        if self.ahead.peek().is_some_and(|entry| entry.at <= until) {
            let Entry { at, what, .. } = self.ahead.pop()?;
            self.now = self.now.max(at);
            return Some((at, what));
        }
        if self.present.is_empty() {
            self.now = self.now.max(until);
        }
        None
    }
}

/// Reversed, because the heap returns its greatest element first.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.serial).cmp(&(self.at, self.serial))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.serial == other.serial
    }
}

impl Eq for Entry {}
