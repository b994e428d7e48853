//! A boundary in the store, by what a publisher knows of it: which events are stored before it, which behind it, and which may
//! be stored on either side.
//!
//! At an instant, an event that was confirmed earlier is stored before the boundary, and one that is sent later behind it. What
//! was sent earlier and confirmed no earlier may be on either side: the store has its time, and the publisher does not know it.
//! At a position, the confirmation says where an event is stored.

use crate::measure::publish::PublishLedger;
use crate::measure::ranges::{Ranges, Stretch, common, without};
use crate::num;
use crate::plan::Ns;

/// Where a boundary is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Boundary {
    Instant(Ns),
    Position(u64),
}

/// A boundary, and the events around it. Memory is 4 bytes a key once it is passed, and a map entry for each run of
/// events that are not known to be behind it.
#[derive(Debug, Clone)]
pub struct Cut {
    boundary: Boundary,
    /// At an instant: the first sequence of each key that was sent behind it; `None` while everything sent lies before it.
    first: Option<Vec<u32>>,
    /// At a position: stored before it.
    before: Ranges,
    /// May be stored on either side.
    either: Ranges,
}

impl Cut {
    /// A boundary at an instant.
    #[must_use]
    pub fn at(instant: Ns) -> Self {
        Self::new(Boundary::Instant(instant))
    }

    /// A boundary in front of a position; in each partition, where there are several.
    #[must_use]
    pub fn before_position(offset: u64) -> Self {
        Self::new(Boundary::Position(offset))
    }

    fn new(boundary: Boundary) -> Self {
        Self { boundary, first: None, before: Ranges::default(), either: Ranges::default() }
    }

    /// What is sent from now on lies behind the boundary, if it is one at an instant. Only the first call counts.
    pub fn pass(&mut self, ledger: &PublishLedger) {
        if self.first.is_none() && matches!(self.boundary, Boundary::Instant(_)) {
            self.first = Some(ledger.taken().to_vec());
        }
    }

    /// Enters a confirmed event, with the time of its confirmation and its position; `u64::MAX` for one that is not known.
    pub fn acked(&mut self, key: usize, sequence: u32, at: Ns, position: u64) {
        let name = num::count32(key);
        match self.boundary {
            Boundary::Instant(instant) => {
                let behind = self
                    .first
                    .as_ref()
                    .is_some_and(|first| first.get(key).is_some_and(|&first| sequence >= first));
                if !behind && at >= instant {
                    self.either.insert(name, sequence);
                }
            }
            Boundary::Position(_) if position == u64::MAX => {
                self.either.insert(name, sequence);
            }
            Boundary::Position(offset) => {
                if position < offset {
                    self.before.insert(name, sequence);
                }
            }
        }
    }

    /// Ends the boundary of a generator that sends nothing further: a boundary that it has not passed lies behind everything.
    pub fn end(&mut self, ledger: &PublishLedger) {
        self.pass(ledger);
    }

    /// Adds the same boundary of another generator, whose keys are different.
    pub fn merge(&mut self, other: &Self) {
        if let Some(theirs) = &other.first {
            let mine = self.first.get_or_insert_default();
            mine.resize(mine.len().max(theirs.len()), 0);
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine = (*mine).max(*theirs));
        }
        self.before.extend_with_other_keys(&other.before);
        self.either.extend_with_other_keys(&other.either);
    }

    /// The sequences of a key below `end` on each side, and those that may be on either, all in ascending order. What was not
    /// confirmed is on the side on which it was sent; at a position it counts as behind.
    pub(super) fn sides(&self, key: usize, end: u32) -> Sides {
        let name = num::count32(key);
        let Some(last) = end.checked_sub(1) else { return Sides::default() };
        let all = [Stretch { first: 0, last }];
        let either = common(&self.either.of(name).collect::<Vec<_>>(), &all);
        let before = match self.boundary {
            Boundary::Position(_) => common(&self.before.of(name).collect::<Vec<_>>(), &all),
            Boundary::Instant(_) => {
                let first =
                    self.first.as_ref().map_or(end, |all| all.get(key).copied().unwrap_or(0)).min(end);
                first.checked_sub(1).map(|last| Stretch { first: 0, last }).into_iter().collect()
            }
        };
        Sides { before: without(&before, &either), behind: without(&without(&all, &before), &either), either }
    }
}

/// The events of a key by their side of a boundary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sides {
    pub(super) before: Vec<Stretch>,
    pub(super) behind: Vec<Stretch>,
    pub(super) either: Vec<Stretch>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One key: events 0 to 9, each sent at 10·n and confirmed 25 later, but event 4, which is unconfirmed. The boundary is looked at
    /// before each event is sent.
    fn around(mut cut: Cut, passes_at: Ns) -> Sides {
        let mut ledger = PublishLedger::new(1);
        let acks = |cut: &mut Cut, now: Ns, from: Ns| {
            for sequence in (0_u32..10).filter(|sequence| *sequence != 4) {
                let at = Ns::from(sequence) * 10 + 25;
                if (from..now).contains(&at) {
                    cut.acked(0, sequence, at, u64::from(sequence) + 100);
                }
            }
        };
        let mut looked = 0;
        for sequence in 0_u32..10 {
            let now = Ns::from(sequence) * 10;
            acks(&mut cut, now, looked);
            looked = now;
            if now >= passes_at {
                cut.pass(&ledger);
            }
            ledger.assign(0);
        }
        acks(&mut cut, Ns::MAX, looked);
        cut.end(&ledger);
        cut.sides(0, 10)
    }

    fn numbers(stretches: &[Stretch]) -> Vec<u32> {
        stretches.iter().flat_map(|s| s.first..=s.last).collect()
    }

    #[test]
    fn an_instant_leaves_open_what_was_sent_before_it_and_confirmed_no_earlier() {
        // Sent at 50 or later is behind. Event 2 is confirmed at 45, event 3 at 55.
        let sides = around(Cut::at(50), 50);
        assert_eq!(numbers(&sides.behind), [5, 6, 7, 8, 9]);
        assert_eq!(numbers(&sides.either), [3]);
        assert_eq!(numbers(&sides.before), [0, 1, 2, 4], "the unconfirmed one is where it was sent");
        // Confirmed at the very instant: it may be stored then.
        assert_eq!(numbers(&around(Cut::at(45), 45).either), [2, 3]);
    }

    #[test]
    fn a_boundary_that_is_noticed_late_leaves_more_open() {
        let sides = around(Cut::at(50), 80);
        assert_eq!((numbers(&sides.behind), numbers(&sides.either)), (vec![8, 9], vec![3, 5, 6, 7]));
        let never = around(Cut::at(1000), 1000);
        assert_eq!((numbers(&never.before).len(), never.behind, never.either), (10, vec![], vec![]));
    }

    #[test]
    fn a_position_is_exact_where_it_is_known() {
        let sides = around(Cut::before_position(103), 0);
        assert_eq!(
            (numbers(&sides.before), numbers(&sides.behind)),
            (vec![0, 1, 2], vec![3, 4, 5, 6, 7, 8, 9])
        );
        let mut unknown = Cut::before_position(103);
        unknown.acked(0, 1, 7, u64::MAX);
        assert_eq!(numbers(&unknown.sides(0, 2).either), [1]);
        assert_eq!(unknown.sides(0, 0), Sides::default());
    }

    #[test]
    fn the_boundaries_of_generators_are_one() {
        let mut ledger = PublishLedger::new(2);
        let mut other = PublishLedger::new(2);
        ledger.assign(0);
        other.assign(1);
        let (mut one, mut two) = (Cut::at(5), Cut::at(5));
        one.pass(&ledger);
        ledger.assign(0);
        two.end(&other);
        two.acked(1, 0, 9, 0);
        one.merge(&two);
        assert_eq!(numbers(&one.sides(0, 2).behind), [1]);
        assert_eq!((numbers(&one.sides(1, 1).behind), numbers(&one.sides(1, 1).either)), (vec![], vec![0]));
    }
}
