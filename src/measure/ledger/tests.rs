//! The ledger against worked examples, and against an oracle that stores every delivery.

use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

/// Delivers the sequences of one key, one a millisecond; returns (sequence, extent, late time in ms) of the
/// reordered ones.
fn reordered(arrivals: &[u32]) -> Vec<(u32, u64, u64)> {
    let mut ledger = GroupLedger::new(1);
    let mut found = Vec::new();
    for (&sequence, at) in arrivals.iter().zip(1_u64..) {
        if let Fate::Reordered { extent, late } = ledger.deliver(0, sequence, at * 1_000_000, 1) {
            found.push((sequence, extent, late / 1_000_000));
        }
    }
    found
}

#[test]
fn the_orders_of_rfc_4737_have_its_extents() {
    // The kinds of order in section 7 of RFC 4737, with sequences from 0.
    assert_eq!(reordered(&[0, 1, 2, 4, 5, 6, 7, 3, 8, 9]), [(3, 4, 4)], "one packet, late by four");
    assert_eq!(reordered(&[0, 1, 2, 3, 6, 4, 5, 7, 8, 9]), [(4, 1, 1), (5, 2, 2)], "one packet early by two");
    let overtaken = [0, 1, 2, 6, 7, 8, 9, 3, 4, 5, 10];
    assert_eq!(reordered(&overtaken), [(3, 4, 4), (4, 5, 5), (5, 6, 6)], "three overtaken by four");
}

#[test]
fn the_parts_of_a_gap_keep_its_opening() {
    // 9 opens 0..=8; filling it from the middle leaves two gaps that the same arrival opened.
    assert_eq!(reordered(&[9, 4, 0, 8]), [(4, 1, 1), (0, 2, 2), (8, 3, 3)]);
    // 12 opens a second gap, and 10 was overtaken by that one alone.
    assert_eq!(reordered(&[9, 12, 10, 3]), [(10, 1, 1), (3, 3, 3)]);
}

#[test]
fn copies_take_no_part_in_the_order() {
    let mut ledger = GroupLedger::new(1);
    let fates = [0, 2, 2, 0, 1].map(|sequence| ledger.deliver(0, sequence, 0, 1));
    let late = Fate::Reordered { extent: 1, late: 0 };
    assert_eq!(fates, [Fate::First, Fate::First, Fate::Duplicate, Fate::Duplicate, late]);
}

#[test]
fn the_attempt_distinguishes_a_redelivery_from_a_duplicate() {
    let mut ledger = GroupLedger::new(2);
    assert_eq!(ledger.deliver(1, 0, 0, 2), Fate::First, "its first attempt got lost on the way");
    assert_eq!(ledger.deliver(1, 0, 0, 3), Fate::Redelivered);
    assert_eq!(ledger.deliver(1, 0, 0, 1), Fate::Duplicate);
    let totals = Deliveries { delivered: 1, duplicate: 1, redelivered: 1, ..Deliveries::default() };
    assert_eq!(*ledger.totals(), totals);
    assert_eq!(ledger.worst(9), [(1, Trouble { duplicate: 1, redelivered: 1, ..Trouble::default() })]);
}

#[test]
fn one_late_event_is_one_gap_and_a_lost_tail_is_missing() {
    let mut ledger = GroupLedger::new(1);
    for sequence in [0, 1, 3, 4, 5] {
        ledger.deliver(0, sequence, 0, 1);
    }
    let gap = Stretch { first: 2, last: 2 };
    assert_eq!((ledger.open_gaps(), ledger.missing(0, 6)), (1, vec![gap]));
    assert_eq!(ledger.missing(0, 9), [gap, Stretch { first: 6, last: 8 }]);
    ledger.deliver(0, 2, 0, 1);
    assert_eq!((ledger.open_gaps(), ledger.missing(0, 6)), (0, vec![]));
}

#[test]
fn unknown_keys_and_sequences_are_stray() {
    let mut ledger = GroupLedger::new(1);
    assert_eq!(ledger.deliver(1, 0, 0, 1), Fate::Stray);
    assert_eq!(ledger.deliver(0, u32::MAX, 0, 1), Fate::Stray);
    assert_eq!(ledger.deliver(0, u32::MAX - 1, 0, 1), Fate::First);
    assert_eq!(ledger.deliver(0, u32::MAX, 0, 1), Fate::Stray);
    assert_eq!(ledger.totals().stray, 3);
    assert_eq!(ledger.missing(0, u32::MAX), [Stretch { first: 0, last: u32::MAX - 2 }]);
}

#[test]
fn the_worst_keys_come_first() {
    let mut ledger = GroupLedger::new(4);
    for (key, copies) in [(3, 1), (0, 3), (2, 1)] {
        (0..=copies).for_each(|_| {
            ledger.deliver(key, 0, 0, 1);
        });
    }
    let keys: Vec<usize> = ledger.worst(2).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [0, 2]);
}

/// Stores all first deliveries and answers by the definitions.
#[derive(Default)]
struct Oracle {
    arrivals: Vec<Vec<(u32, Ns)>>,
}

impl Oracle {
    fn deliver(&mut self, key: usize, sequence: u32, received: Ns, attempt: u32) -> Fate {
        self.arrivals.resize(self.arrivals.len().max(key + 1), Vec::new());
        let arrivals = &mut self.arrivals[key];
        if arrivals.iter().any(|&(s, _)| s == sequence) {
            return if attempt > 1 { Fate::Redelivered } else { Fate::Duplicate };
        }
        let i = arrivals.len();
        let fate = arrivals.iter().position(|&(s, _)| s > sequence).map_or(Fate::First, |j| {
            Fate::Reordered { extent: num::count(i - j), late: received - arrivals[j].1 }
        });
        arrivals.push((sequence, received));
        fate
    }
}

/// Deliveries of up to 60 events of each of three keys: shuffled locally or globally, with losses, copies and
/// redeliveries, as (key, sequence, attempt).
fn any_deliveries() -> impl Strategy<Value = Vec<(usize, u32, u32)>> {
    let event = (0_usize..3, 0_u32..60, 0_u32..100, prop_oneof![4 => Just(1_u32), 1 => Just(2_u32)]);
    (proptest::collection::vec(event, 0..200), 0_u32..100).prop_map(|(mut events, spread)| {
        events.sort_by_key(|&(_, sequence, jitter, _)| sequence * 10 + jitter * spread / 10);
        events.into_iter().map(|(key, sequence, _, attempt)| (key, sequence, attempt)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4 * ProptestConfig::default().cases))]
    #[test]
    fn the_ledger_says_what_an_oracle_with_all_deliveries_says(deliveries in any_deliveries(), end in 0_u32..70) {
        let mut ledger = GroupLedger::new(3);
        let mut oracle = Oracle::default();
        let mut expected = Deliveries::default();
        let mut extents = 0;
        for (&(key, sequence, attempt), at) in deliveries.iter().zip(0_u64..) {
            let received = at * at;
            let fate = ledger.deliver(key, sequence, received, attempt);
            prop_assert_eq!(fate, oracle.deliver(key, sequence, received, attempt));
            match fate {
                Fate::First => expected.delivered += 1,
                Fate::Reordered { extent, late } => {
                    expected.delivered += 1;
                    expected.reordered += 1;
                    expected.extent_max = expected.extent_max.max(extent);
                    expected.late_max_ns = expected.late_max_ns.max(late);
                    extents += 1_u64 << (2 * extent.ilog2());
                }
                Fate::Duplicate => expected.duplicate += 1,
                Fate::Redelivered => expected.redelivered += 1,
                Fate::Stray => prop_assert!(false, "no stray was made"),
            }
        }
        prop_assert_eq!(*ledger.totals(), expected);
        // Weighted so that a count under a wrong power shows.
        let weighted: u64 = ledger.extents().iter().zip(0_u32..).map(|(n, power)| n << (2 * power)).sum();
        prop_assert_eq!(weighted, extents);
        oracle.arrivals.resize(3, Vec::new());
        let mut troubles = 0;
        for (key, arrivals) in oracle.arrivals.iter().enumerate() {
            let seen: HashSet<u32> = arrivals.iter().map(|&(s, _)| s).collect();
            let missing: Vec<u32> = (0..end).filter(|s| !seen.contains(s)).collect();
            let found: Vec<u32> = ledger.missing(key, end).iter().flat_map(|s| s.first..=s.last).collect();
            prop_assert_eq!(found, missing);
            prop_assert_eq!(ledger.delivered(key), num::count(arrivals.len()));
            troubles += ledger.worst(9).iter().filter(|(k, _)| *k == key).map(|(_, t)| t.total()).sum::<u64>();
        }
        prop_assert_eq!(troubles, expected.reordered + expected.duplicate + expected.redelivered);
    }
}
