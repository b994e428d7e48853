//! The account between published and delivered events: which are lost, where, and when a drain is complete.

use std::sync::Arc;

use crate::measure::ledger::GroupLedger;
use crate::measure::publish::PublishLedger;
use crate::measure::ranges::{Stretch, common, total, without};
use crate::num;

/// Largest number of listed ranges of lost events; further ones are only counted.
pub const MAX_RANGES: usize = 1000;

/// Consecutive lost events of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostRange {
    /// The key, `topic × symbols + symbol`.
    pub key: usize,
    /// The first sequence.
    pub first: u32,
    /// The last sequence, included.
    pub last: u32,
    /// Are they in the store? `None` without an audit.
    pub stored: Option<bool>,
}

/// The outcome of the events that a group subscribes to: `delivered = expected − lost − pending + recovered +
/// unexpected`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Acked events of subscribed keys.
    pub expected: u64,
    /// Events delivered at least once.
    pub delivered: u64,
    /// Acked, never delivered, and not expected any more.
    pub lost: u64,
    /// Acked, not delivered, and possibly still to come.
    pub pending: u64,
    /// Of the lost ones, those not in the store; `None` without an audit.
    pub lost_not_stored: Option<u64>,
    /// Of the lost ones, those in the store; `None` without an audit.
    pub lost_not_delivered: Option<u64>,
    /// Unconfirmed, but delivered.
    pub recovered: u64,
    /// Delivered, though refused, unsent, never published, or of no subscribed key: an error of the bus or the
    /// harness.
    pub unexpected: u64,
    /// Events without an answer yet. They count as acked, so the account is right only where this is 0.
    pub open: u64,
    /// The number of undelivered acked events of each key that has some, by ascending key; where stored events
    /// are partly pending and partly lost, it is unknown which are which.
    pub lost_by_key: Vec<(usize, u64)>,
    /// Their key and sequences, up to [`MAX_RANGES`].
    pub ranges: Vec<LostRange>,
    /// The number of further ranges.
    pub ranges_left_out: u64,
}

/// One key's part of the account.
pub(super) struct KeyAccount {
    pub(super) acked: u64,
    pub(super) lost: Vec<Stretch>,
    recovered: u64,
}

pub(super) fn account(published: &PublishLedger, received: &GroupLedger, key: usize) -> KeyAccount {
    let end = published.intended(key);
    let missing = received.missing(key, end);
    let exceptions = published.exceptions(key);
    let unconfirmed = published.unconfirmed_of(key);
    KeyAccount {
        acked: u64::from(end) - total(&exceptions),
        recovered: total(&unconfirmed) - total(&common(&unconfirmed, &missing)),
        lost: without(&missing, &exceptions),
    }
}

/// Settles a group's account with the published events, once every event has its answer and the drain is over.
/// `stored` is the ledger of a *complete* audit, which read the store as if it were a group. `owed` is the
/// number of deliveries that may still come to the group by the broker's account: that many of the undelivered
/// stored events (or of all undelivered events without an audit) are not lost but pending.
#[must_use]
pub fn settle(
    published: &PublishLedger,
    group: &GroupLedger,
    subscribed: impl Fn(usize) -> bool,
    stored: Option<&GroupLedger>,
    owed: u64,
) -> Settled {
    let mut settled = Settled {
        delivered: group.totals().delivered,
        open: published.totals().open(),
        lost_not_stored: stored.map(|_| 0),
        lost_not_delivered: stored.map(|_| 0),
        ..Settled::default()
    };
    for key in (0..published.keys()).filter(|&key| subscribed(key)) {
        let own = account(published, group, key);
        settled.expected += own.acked;
        settled.recovered += own.recovered;
        if !own.lost.is_empty() {
            settled.lost += total(&own.lost);
            settled.lost_by_key.push((key, total(&own.lost)));
        }
        settled.locate(key, &own.lost, stored.map(|stored| stored.missing(key, published.intended(key))));
    }
    let explained = settled.expected - settled.lost + settled.recovered;
    settled.unexpected = settled.delivered.saturating_sub(explained);
    // Events that are not stored cannot arrive.
    settled.pending = owed.min(settled.lost_not_delivered.unwrap_or(settled.lost));
    settled.lost -= settled.pending;
    settled.lost_not_delivered = settled.lost_not_delivered.map(|n| n - settled.pending);
    if settled.lost_not_delivered.unwrap_or(settled.lost) == 0 {
        settled.ranges.retain(|range| range.stored == Some(false));
    }
    settled
}

impl Settled {
    /// Enters the lost events of a key, given those that are not in the store.
    fn locate(&mut self, key: usize, lost: &[Stretch], not_stored: Option<Vec<Stretch>>) {
        let range = |stored| move |s: &Stretch| LostRange { key, first: s.first, last: s.last, stored };
        let Some(holes) = not_stored else {
            return self.list(lost.iter().map(range(None)));
        };
        let (not_stored, not_delivered) = (common(lost, &holes), without(lost, &holes));
        self.lost_not_stored = self.lost_not_stored.map(|n| n + total(&not_stored));
        self.lost_not_delivered = self.lost_not_delivered.map(|n| n + total(&not_delivered));
        let mut ranges: Vec<LostRange> = not_stored.iter().map(range(Some(false))).collect();
        ranges.extend(not_delivered.iter().map(range(Some(true))));
        ranges.sort_unstable_by_key(|range| range.first);
        self.list(ranges.into_iter());
    }

    fn list(&mut self, mut ranges: impl Iterator<Item = LostRange>) {
        let room = MAX_RANGES - self.ranges.len();
        self.ranges.extend(ranges.by_ref().take(room));
        self.ranges_left_out += num::count(ranges.count());
    }
}

/// Counts down the acked events that a group has not received yet; at 0 its drain is complete.
#[derive(Debug, Clone)]
pub struct Missing {
    published: Arc<PublishLedger>,
    subscribed: Vec<bool>,
    left: u64,
}

impl Missing {
    /// Counts the missing events, once every event has its answer.
    #[must_use]
    pub fn new(
        published: Arc<PublishLedger>,
        group: &GroupLedger,
        subscribed: impl Fn(usize) -> bool,
    ) -> Self {
        let subscribed: Vec<bool> = (0..published.keys()).map(subscribed).collect();
        let keys = subscribed.iter().enumerate().filter(|&(_, &of_group)| of_group);
        let left = keys.map(|(key, _)| total(&account(&published, group, key).lost)).sum();
        Self { published, subscribed, left }
    }

    /// Counts a first delivery ([`super::Fate::First`] or `Reordered`) after the initial count.
    pub fn first_delivery(&mut self, key: usize, sequence: u32) {
        let expected =
            self.subscribed.get(key).copied().unwrap_or(false) && self.published.is_acked(key, sequence);
        self.left = self.left.saturating_sub(u64::from(expected));
    }

    /// Acked events not delivered yet.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Answer {
        Acked,
        Refused,
        Unconfirmed,
        Unsent,
    }
    use Answer::{Acked, Refused, Unconfirmed, Unsent};

    fn publish(answers: &[(usize, Answer)]) -> (PublishLedger, Vec<(usize, u32, Answer)>) {
        let mut ledger = PublishLedger::new(3);
        let mut events = Vec::new();
        for &(key, answer) in answers {
            let sequence = ledger.assign(key).unwrap();
            match answer {
                Acked => ledger.acked(false),
                Refused => ledger.refused(key, sequence),
                Unconfirmed => ledger.unconfirmed(key, sequence),
                Unsent => ledger.unsent(key, sequence),
            }
            events.push((key, sequence, answer));
        }
        (ledger, events)
    }

    fn deliver(events: &[(usize, u32)]) -> GroupLedger {
        let mut ledger = GroupLedger::new(3);
        for &(key, sequence) in events {
            ledger.deliver(key, sequence, 0, 1);
        }
        ledger
    }

    #[test]
    fn a_loss_is_named_and_attributed() {
        let (published, _) = publish(&[(0, Acked); 10]);
        let group = deliver(&[(0, 0), (0, 1), (0, 8)]);
        let stored = deliver(&[(0, 0), (0, 1), (0, 2), (0, 3), (0, 7), (0, 8), (0, 9)]);
        let settled = settle(&published, &group, |_| true, Some(&stored), 0);
        let range = |first, last, stored| LostRange { key: 0, first, last, stored: Some(stored) };
        assert_eq!(
            settled.ranges,
            [range(2, 3, true), range(4, 6, false), range(7, 7, true), range(9, 9, true)]
        );
        assert_eq!(
            (settled.lost, settled.lost_not_stored, settled.lost_not_delivered),
            (7, Some(3), Some(4))
        );
        let blind = settle(&published, &group, |_| true, None, 0);
        assert_eq!((blind.lost, blind.lost_not_stored, blind.lost_not_delivered), (7, None, None));
        let ranges = [(2, 7), (9, 9)].map(|(first, last)| LostRange { key: 0, first, last, stored: None });
        assert_eq!(blind.ranges, ranges);
    }

    #[test]
    fn what_may_still_come_is_not_lost_unless_it_is_not_stored() {
        let (published, _) = publish(&[(0, Acked); 10]);
        let group = deliver(&[(0, 0), (0, 1), (0, 2)]);
        let stored = deliver(&[(0, 0), (0, 1), (0, 2), (0, 5), (0, 6), (0, 7), (0, 8), (0, 9)]);
        let account = |stored: Option<&GroupLedger>, owed| {
            let s = settle(&published, &group, |_| true, stored, owed);
            (s.lost, s.pending, s.lost_not_stored, s.lost_not_delivered, s.ranges.len())
        };
        assert_eq!(account(Some(&stored), 0), (7, 0, Some(2), Some(5), 2));
        assert_eq!(account(Some(&stored), 3), (4, 3, Some(2), Some(2), 2));
        assert_eq!(
            account(Some(&stored), 9),
            (2, 5, Some(2), Some(0), 1),
            "two are not stored, whatever is owed"
        );
        assert_eq!(account(None, 6), (1, 6, None, None, 1));
        assert_eq!(account(None, u64::MAX), (0, 7, None, None, 0));
    }

    #[test]
    fn what_was_not_confirmed_cannot_be_lost() {
        let (published, _) =
            publish(&[(0, Refused), (0, Unconfirmed), (0, Unsent), (0, Unconfirmed), (0, Acked)]);
        let settled = settle(&published, &deliver(&[(0, 3), (0, 4)]), |_| true, None, 0);
        let expected = Settled { expected: 1, delivered: 2, recovered: 1, ..Settled::default() };
        assert_eq!(settled, expected);
    }

    #[test]
    fn events_that_were_never_sent_are_unexpected() {
        let (published, _) = publish(&[(0, Refused), (0, Unsent), (1, Acked)]);
        let group = deliver(&[(0, 0), (0, 1), (0, 2), (1, 0), (2, 0)]);
        let settled = settle(&published, &group, |key| key != 1, None, 0);
        assert_eq!((settled.expected, settled.delivered, settled.unexpected), (0, 5, 5));
    }

    #[test]
    fn the_list_of_losses_is_bounded_and_the_count_is_not() {
        // For one key, and for two that share the room.
        for keys in [vec![(0, 2 * MAX_RANGES + 20)], vec![(0, MAX_RANGES), (1, MAX_RANGES + 20)]] {
            let all: Vec<_> = keys.iter().flat_map(|&(key, events)| vec![(key, Acked); events]).collect();
            let (published, _) = publish(&all);
            let odd = |&(key, events): &(usize, usize)| {
                (0..num::count32(events) / 2).map(move |i| (key, 2 * i + 1)).collect::<Vec<_>>()
            };
            let odd: Vec<(usize, u32)> = keys.iter().flat_map(odd).collect();
            let settled = settle(&published, &deliver(&odd), |_| true, None, 0);
            assert_eq!((settled.lost, settled.ranges.len(), settled.ranges_left_out), (1010, MAX_RANGES, 10));
            let lost: Vec<_> = keys.iter().map(|&(key, events)| (key, num::count(events / 2))).collect();
            assert_eq!(settled.lost_by_key, lost);
        }
    }

    #[test]
    fn an_open_event_shows() {
        let mut published = PublishLedger::new(1);
        published.assign(0);
        assert_eq!(settle(&published, &GroupLedger::new(1), |_| true, None, 0).open, 1);
    }

    fn any_answers() -> impl Strategy<Value = Vec<(usize, Answer)>> {
        let answer =
            prop_oneof![6 => Just(Acked), 1 => Just(Refused), 1 => Just(Unconfirmed), 1 => Just(Unsent)];
        proptest::collection::vec((0_usize..3, answer), 0..80)
    }

    proptest! {
        #[test]
        fn the_account_is_that_of_sets(
            answers in any_answers(),
            delivered in proptest::collection::vec((0_usize..3, 0_u32..40), 0..100),
            stored in proptest::collection::vec((0_usize..3, 0_u32..40), 0..100),
            skipped in 0_usize..4,
            owed in 0_u64..6,
        ) {
            let (published, events) = publish(&answers);
            let (group, store) = (deliver(&delivered), deliver(&stored));
            let settled = settle(&published, &group, |key| key != skipped, Some(&store), owed);
            let (seen, kept): (HashSet<_>, HashSet<_>) = (delivered.iter().collect(), stored.iter().collect());
            let count = |wanted: &dyn Fn(&(usize, u32), Answer) -> bool| {
                let of_group = events.iter().filter(|event| event.0 != skipped);
                num::count(of_group.filter(|&&(key, sequence, answer)| wanted(&(key, sequence), answer)).count())
            };
            prop_assert_eq!(settled.expected, count(&|_, answer| answer == Acked));
            let lost = |event: &(usize, u32), answer| answer == Acked && !seen.contains(event);
            let stored_ones = count(&|e, a| lost(e, a) && kept.contains(e));
            prop_assert_eq!(settled.lost + settled.pending, count(&lost));
            prop_assert_eq!(settled.pending, stored_ones.min(owed));
            prop_assert_eq!(settled.lost_not_stored, Some(count(&|e, a| lost(e, a) && !kept.contains(e))));
            prop_assert_eq!(settled.lost_not_delivered, Some(stored_ones - settled.pending));
            prop_assert_eq!(settled.recovered, count(&|e, a| a == Unconfirmed && seen.contains(e)));
            prop_assert_eq!(settled.delivered, num::count(seen.len()));
            prop_assert_eq!(settled.delivered, settled.expected - settled.lost - settled.pending + settled.recovered + settled.unexpected);
            let listed: u64 = settled.ranges.iter().map(|r| u64::from(r.last - r.first) + 1).sum();
            let not_stored = settled.lost_not_stored.unwrap();
            let all = settled.lost + settled.pending;
            let expected = if settled.lost_not_delivered == Some(0) { not_stored } else { all };
            prop_assert_eq!((listed, settled.open), (expected, 0));
            prop_assert_eq!(settled.lost_by_key.iter().map(|(_, lost)| lost).sum::<u64>(), all);
            for range in &settled.ranges {
                let mut all = range.first..=range.last;
                prop_assert!(all.all(|s| !seen.contains(&(range.key, s)) && Some(kept.contains(&(range.key, s))) == range.stored));
            }
        }

        #[test]
        fn a_drain_is_complete_when_and_only_when_nothing_acked_is_missing(
            answers in any_answers(),
            delivered in proptest::collection::vec((0_usize..3, 0_u32..40), 0..150),
            before in 0_usize..150,
        ) {
            let (published, _) = publish(&answers);
            let published = Arc::new(published);
            let (before, after) = delivered.split_at(before.min(delivered.len()));
            let mut group = deliver(before);
            let mut missing = Missing::new(Arc::clone(&published), &group, |key| key != 2);
            for &(key, sequence) in after {
                let known = group.delivered(key);
                group.deliver(key, sequence, 0, 1);
                if group.delivered(key) > known {
                    missing.first_delivery(key, sequence);
                }
                prop_assert_eq!(missing.left(), settle(&published, &group, |key| key != 2, None, 0).lost);
            }
        }
    }
}
