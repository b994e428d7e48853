//! What a simulated bus shows of a cluster: times without a leader, changes of leaders, and copies of the store. Plain data; nothing
//! here acts.

use super::faults::Stretch;
use crate::plan::Ns;

/// A time in which no server leads. Every event that arrives is refused. The groups elect leaders of their own, so their deliveries
/// begin again at another time, usually later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Election {
    /// When the leader is lost.
    pub at: Ns,
    /// Time until another one takes events.
    pub length: Ns,
    /// From when events are delivered again.
    pub deliveries_from: Ns,
}

impl Election {
    /// Returns the time in which events are refused.
    #[must_use]
    pub const fn refuses(self) -> Stretch {
        Stretch { from: self.at, length: self.length }
    }

    /// Returns the time in which nothing is delivered.
    #[must_use]
    pub const fn withholds(self) -> Stretch {
        Stretch { from: self.at, length: self.deliveries_from.saturating_sub(self.at) }
    }
}

/// Another server takes over the groups. It does not know the acknowledgements that the one before it had not received, and
/// delivers those events again. A plan without acknowledgements has none that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaderChange {
    /// When it takes over.
    pub at: Ns,
    /// Time from then until it delivers again what was not acknowledged.
    pub unacked_again: Ns,
}

/// A copy of the store on one of several servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replica {
    /// Time after which it holds an event that is stored.
    pub behind: Ns,
    /// A time in which it takes nothing in.
    pub still: Option<Stretch>,
    /// Whether it takes in afterwards what it missed in that time; otherwise it lacks that for ever.
    pub catches_up: bool,
    /// Whether its server is away when the store is read back.
    pub away: bool,
}

impl Replica {
    /// Returns when it holds an event that is stored at `at`; `None` if it never does.
    #[must_use]
    pub fn takes_in(&self, at: Ns) -> Option<Ns> {
        let due = at.saturating_add(self.behind);
        match self.still.filter(|still| still.contains(due)) {
            None => Some(due),
            Some(still) => self.catches_up.then_some(still.end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_election_holds_back_deliveries_for_longer_than_it_refuses() {
        let election = Election { at: 10, length: 5, deliveries_from: 22 };
        assert_eq!((election.refuses().end(), election.withholds().end()), (15, 22));
        let early = Election { deliveries_from: 3, ..election };
        assert_eq!(early.withholds().length, 0);
    }

    #[test]
    fn a_copy_holds_an_event_after_its_delay_and_never_what_it_missed() {
        let behind = Replica { behind: 3, ..Replica::default() };
        assert_eq!(behind.takes_in(10), Some(13));
        let still = Some(Stretch { from: 10, length: 5 });
        let missing = Replica { still, ..behind };
        assert_eq!([6, 7, 11, 12].map(|at| missing.takes_in(at)), [Some(9), None, None, Some(15)]);
        let healing = Replica { catches_up: true, ..missing };
        assert_eq!([6, 7, 11, 12].map(|at| healing.takes_in(at)), [Some(9), Some(15), Some(15), Some(15)]);
    }
}
