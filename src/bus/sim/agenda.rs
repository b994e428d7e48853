//! What is to come, in the order of its times; what has the same time happens in the order in which it was foreseen.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use super::world::Happening;
use crate::plan::Ns;

/// Things to come. What happens without a delay is foreseen for the present moment: that waits in a queue, and
/// only what lies ahead in a heap.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// The present: it moves on when nothing of it is left.
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

    /// When the next thing happens.
    pub(super) fn next(&self) -> Option<Ns> {
        let ahead = self.ahead.peek().map(|entry| entry.at);
        let present = (!self.present.is_empty()).then_some(self.now);
        ahead.into_iter().chain(present).min()
    }

    /// Takes the next thing that happens by `until`.
    #[inline]
    pub(super) fn take(&mut self, until: Ns) -> Option<(Ns, Happening)> {
        // What was foreseen for this moment before it came is first.
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

/// The greatest of a heap is the first to come.
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
