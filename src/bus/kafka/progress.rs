//! The progress of each group as seen by its members: delivered and committed offsets, and assigned partitions.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::num;

/// The progress of one group.
#[derive(Debug)]
pub(super) struct Progress {
    /// For each place: the highest delivered offset plus one.
    handed: Vec<AtomicU64>,
    /// For each place: the committed offset, which is the next one to read.
    committed: Vec<AtomicU64>,
    /// For each member: the number of partitions it holds, once it has joined.
    assigned: Mutex<Vec<Option<u32>>>,
    /// Number of partitions to distribute within the group.
    shares: u32,
    /// Every member has joined and every partition is assigned; never reset.
    balanced: AtomicBool,
}

impl Progress {
    /// Creates a group of `members` members that share `shares` of the run's `places` partitions.
    pub(super) fn new(places: u32, members: u32, shares: u32) -> Self {
        let zeros = || (0..places).map(|_| AtomicU64::new(0)).collect();
        Self {
            handed: zeros(),
            committed: zeros(),
            assigned: Mutex::new(vec![None; num::index32(members)]),
            shares,
            // A single member does not wait for others.
            balanced: AtomicBool::new(members <= 1 || shares == 0),
        }
    }

    /// Sets the offset at which the group starts to read a partition.
    pub(super) fn start_at(&self, place: u32, offset: u64) {
        for all in [&self.handed, &self.committed] {
            if let Some(at) = all.get(num::index32(place)) {
                at.store(offset, Ordering::Relaxed);
            }
        }
    }

    /// Records a delivered event; returns the attempt number, as far as this run knows.
    pub(super) fn hand_over(&self, place: u32, offset: u64) -> u32 {
        let Some(handed) = self.handed.get(num::index32(place)) else { return 1 };
        // Only one member at a time holds a partition, so no other thread writes between the load and the store.
        if offset < handed.load(Ordering::Relaxed) {
            return 2;
        }
        handed.store(offset.saturating_add(1), Ordering::Relaxed);
        1
    }

    pub(super) fn commit(&self, place: u32, next: u64) {
        if let Some(committed) = self.committed.get(num::index32(place)) {
            committed.fetch_max(next, Ordering::Relaxed);
        }
    }

    /// Returns the delivered and the committed offset of a partition, each plus one.
    pub(super) fn of(&self, place: u32) -> Option<(u64, u64)> {
        let at = |all: &[AtomicU64]| all.get(num::index32(place)).map(|n| n.load(Ordering::Relaxed));
        at(&self.handed).zip(at(&self.committed))
    }

    /// Returns the sums of the delivered and of the committed offsets.
    pub(super) fn totals(&self) -> (u64, u64) {
        let sum = |all: &[AtomicU64]| all.iter().map(|n| n.load(Ordering::Relaxed)).sum();
        (sum(&self.handed), sum(&self.committed))
    }

    /// Sets the number of partitions that a member holds; `None` if it has left or is between two assignments.
    pub(super) fn assign(&self, member: u32, partitions: Option<u32>) {
        let mut assigned = self.assigned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = assigned.get_mut(num::index32(member)) {
            *own = partitions;
        }
        let held: Option<u32> = assigned.iter().copied().sum();
        if held == Some(self.shares) {
            self.balanced.store(true, Ordering::Relaxed);
        }
    }

    /// Returns whether every member has had its share.
    pub(super) fn balanced(&self) -> bool {
        self.balanced.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_balanced_when_everybody_has_joined_and_nothing_is_left_over() {
        assert!(Progress::new(8, 1, 8).balanced());
        let group = Progress::new(8, 2, 8);
        group.assign(0, Some(8));
        assert!(!group.balanced(), "the other one has not joined");
        group.assign(0, None);
        group.assign(1, Some(4));
        assert!(!group.balanced());
        group.assign(0, Some(4));
        assert!(group.balanced());
        group.assign(0, None);
        assert!(group.balanced(), "later changes are the load's");
        let pinned = Progress::new(3, 2, 3);
        pinned.assign(0, Some(3));
        pinned.assign(1, Some(0));
        assert!(pinned.balanced());
    }

    #[test]
    fn a_position_that_was_handed_over_is_a_second_attempt() {
        let group = Progress::new(2, 1, 2);
        assert_eq!([0, 1, 2, 1, 3].map(|offset| group.hand_over(1, offset)), [1, 1, 1, 2, 1]);
        group.commit(1, 3);
        group.commit(1, 2);
        assert_eq!((group.totals(), group.of(1), group.of(2)), ((4, 3), Some((4, 3)), None));
        assert_eq!(group.hand_over(0, 7), 1, "another partition");
        assert_eq!(group.hand_over(9, 0), 1, "a place that is none");
    }
}
