//! Merges several members' records into one order of receive times.
//!
//! Members report in batches, each in its own order, with the time up to which they have reported everything. A
//! record is released once every other member has reported beyond its time. So the result is the same as
//! sorting everything by (received time, member), regardless of how the batches arrived.

use std::collections::VecDeque;

use crate::plan::Ns;

/// Merges the records of a group's members.
#[derive(Debug)]
pub struct Merger<T> {
    members: Vec<Member<T>>,
    /// Records waiting, over all members.
    waiting: usize,
    capacity: usize,
    forced: u64,
}

#[derive(Debug)]
struct Member<T> {
    queue: VecDeque<(Ns, T)>,
    /// No earlier record will come; `None` when no record will come at all.
    watermark: Option<Ns>,
}

impl<T> Member<T> {
    /// The earliest possible time of a further record of this member: that of its first waiting one, or of a
    /// new one.
    fn frontier(&self) -> Ns {
        self.queue.front().map(|&(at, _)| at).or(self.watermark).unwrap_or(Ns::MAX)
    }
}

impl<T> Merger<T> {
    /// A merger for `members` members that holds back about `capacity` records.
    #[must_use]
    pub fn new(members: usize, capacity: usize) -> Self {
        let member = || Member { queue: VecDeque::new(), watermark: Some(0) };
        Self { members: (0..members).map(|_| member()).collect(), waiting: 0, capacity, forced: 0 }
    }

    /// Takes a member's next records, in the order of their receive times; it will report none before
    /// `watermark` later. A member that receives nothing must still call this from time to time.
    pub fn push(&mut self, member: usize, records: impl IntoIterator<Item = (Ns, T)>, watermark: Ns) {
        let Some(member) = self.members.get_mut(member) else { return };
        let before = member.queue.len();
        member.queue.extend(records);
        self.waiting += member.queue.len() - before;
        member.watermark = member.watermark.map(|old| old.max(watermark));
    }

    /// Ends a member's records: it will report nothing further.
    pub fn close(&mut self, member: usize) {
        if let Some(member) = self.members.get_mut(member) {
            member.watermark = None;
        }
    }

    /// Passes on the records whose order is certain, as (member, received, record); beyond the capacity also
    /// the earliest uncertain ones, which are counted as forced.
    pub fn release(&mut self, mut sink: impl FnMut(usize, Ns, T)) {
        while let Some((member, sure)) = self.earliest() {
            if !sure && self.waiting <= self.capacity {
                return;
            }
            if let Some((at, record)) = self.members[member].queue.pop_front() {
                self.forced += u64::from(!sure);
                self.waiting -= 1;
                sink(member, at, record);
            }
        }
    }

    /// Records released before every other member had reported up to their time, so that their order is
    /// uncertain.
    #[must_use]
    pub const fn forced(&self) -> u64 {
        self.forced
    }

    /// No record earlier than this will be released; `Ns::MAX` once every member is closed.
    #[must_use]
    pub fn frontier(&self) -> Ns {
        self.members.iter().map(Member::frontier).min().unwrap_or(Ns::MAX)
    }

    /// The number of members.
    #[must_use]
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// Records held back.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// The member with the earliest record, and whether an earlier one is ruled out.
    fn earliest(&self) -> Option<(usize, bool)> {
        let heads =
            self.members.iter().enumerate().filter_map(|(m, member)| Some((member.queue.front()?.0, m)));
        let first = heads.min()?;
        // Its own member's frontier is the record itself.
        let sure = |(m, member): (usize, &Member<T>)| first <= (member.frontier(), m);
        Some((first.1, self.members.iter().enumerate().all(sure)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn released(merger: &mut Merger<u32>) -> Vec<u32> {
        let mut all = Vec::new();
        merger.release(|_, _, record| all.push(record));
        all
    }

    #[test]
    fn a_record_waits_for_every_other_members_word() {
        let mut merger = Merger::new(2, 100);
        merger.push(0, [(10, 1), (20, 2)], 20);
        assert_eq!(released(&mut merger), [0; 0]);
        merger.push(1, [], 15);
        assert_eq!(released(&mut merger), [1]);
        merger.push(1, [(16, 3)], 20);
        assert_eq!(
            (released(&mut merger), merger.waiting()),
            (vec![3, 2], 0),
            "of equal times the lower member is first"
        );
        merger.push(1, [(30, 4)], 30);
        assert_eq!(released(&mut merger), [0; 0]);
        merger.close(0);
        assert_eq!((released(&mut merger), merger.forced()), (vec![4], 0));
    }

    #[test]
    fn of_equal_times_the_higher_member_waits() {
        let mut merger = Merger::new(2, 100);
        merger.push(1, [(10, 1)], 10);
        merger.push(0, [], 10);
        assert_eq!(released(&mut merger), [0; 0], "the other may still report a record with the same time");
        merger.push(0, [(10, 2)], 10);
        assert_eq!(released(&mut merger), [2]);
        merger.push(0, [], 11);
        assert_eq!(released(&mut merger), [1]);
    }

    #[test]
    fn a_silent_member_holds_back_no_more_than_the_capacity() {
        let mut merger = Merger::new(2, 2);
        merger.push(0, [(1, 1), (2, 2), (3, 3), (4, 4)], 4);
        assert_eq!((released(&mut merger), merger.forced(), merger.waiting()), (vec![1, 2], 2, 2));
        merger.push(1, [(1, 9)], 9);
        assert_eq!((released(&mut merger), merger.forced()), (vec![9, 3, 4], 2), "late, and not lost");
    }

    proptest! {
        #[test]
        fn merging_is_sorting_whatever_way_the_batches_come(
            gaps in proptest::collection::vec((0_usize..4, 0_u64..3), 0..150),
            batches in proptest::collection::vec((0_usize..4, 1_usize..9, 0_u64..3), 0..80),
        ) {
            let mut queues = vec![VecDeque::new(); 4];
            let mut times = [0; 4];
            for (record, &(member, gap)) in gaps.iter().enumerate() {
                times[member] += gap;
                queues[member].push_back((times[member], record));
            }
            let mut sorted: Vec<(Ns, usize, usize)> = Vec::new();
            for (member, queue) in queues.iter().enumerate() {
                sorted.extend(queue.iter().map(|&(at, record)| (at, member, record)));
            }
            sorted.sort_by_key(|&(at, member, _)| (at, member));

            let mut merger = Merger::new(4, 1000);
            let mut merged = Vec::new();
            let rest = (0..4).map(|member| (member, usize::MAX, 0));
            for (member, size, early) in batches.into_iter().chain(rest) {
                let size = size.min(queues[member].len());
                let batch: Vec<(Ns, usize)> = queues[member].drain(..size).collect();
                // The watermark reaches at most to the member's next record.
                let said = batch.last().map_or(0, |last| last.0) + early;
                let said = queues[member].front().map_or(said, |next| said.min(next.0));
                merger.push(member, batch, said);
                merger.release(|member, at, record| merged.push((at, member, record)));
                prop_assert!(sorted.starts_with(&merged), "{merged:?}");
            }
            (0..4).for_each(|member| merger.close(member));
            merger.release(|member, at, record| merged.push((at, member, record)));
            prop_assert_eq!((merged, merger.forced(), merger.waiting()), (sorted, 0, 0));
        }
    }
}
