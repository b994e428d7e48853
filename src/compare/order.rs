//! The run order: blocks of two rounds, the second in the reverse order of the first (with two sides ABBA or BAAB, with
//! three CABBAC and the like), drawn from the seed.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Order;
use crate::num;

/// The places of the sides in run order, for each round. In a block of two rounds each side has the same mean place, so that
/// a steady drift of the machine cancels for every two of them; the draw keeps a drift with the period of the blocks from
/// favouring a side.
#[must_use]
pub fn orders(seed: u64, sides: usize, rounds: u32) -> Vec<Vec<usize>> {
    (0..rounds)
        .map(|round| {
            let mut order = drawn(seed, sides, round / 2);
            if !round.is_multiple_of(2) {
                order.reverse();
            }
            order
        })
        .collect()
}

/// A permutation of the sides (Fisher and Yates).
fn drawn(seed: u64, sides: usize, block: u32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sides).collect();
    let mut draw = xxh3_64_with_seed(&block.to_le_bytes(), seed);
    for last in (1..sides).rev() {
        let back = num::index(draw % num::count(last + 1));
        order.swap(last, last - back);
        draw = xxh3_64_with_seed(&draw.to_le_bytes(), seed);
    }
    order
}

/// The order of each pair of two sides.
#[must_use]
pub fn order(seed: u64, pairs: u32) -> Vec<Order> {
    let of = |order: &Vec<usize>| if order.first() == Some(&0) { Order::Ab } else { Order::Ba };
    orders(seed, 2, pairs).iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_block_is_abba_or_baab_and_seeds_differ() {
        for seed in 0..50 {
            let order = order(seed, 8);
            assert!(order.chunks(2).all(|block| block[0] != block[1]), "{order:?}");
        }
        let starts: Vec<_> = (0..50).map(|seed| order(seed, 8)[0]).collect();
        assert!(starts.contains(&Order::Ab) && starts.contains(&Order::Ba));
        assert_eq!(order(7, 9), order(7, 9));
        assert_eq!(order(7, 9).len(), 9);
    }

    /// The order of two sides is the one that a seed has always given.
    #[test]
    fn the_order_of_two_sides_follows_from_one_bit_of_each_block() {
        for seed in 0..50 {
            for (pair, order) in (0_u32..).zip(order(seed, 9)) {
                let heads = xxh3_64_with_seed(&(pair / 2).to_le_bytes(), seed) & 1 == 0;
                assert_eq!(order == Order::Ab, heads == pair.is_multiple_of(2), "seed {seed}, pair {pair}");
            }
        }
    }

    #[test]
    fn each_round_holds_each_side_once_and_a_drift_cancels_in_each_block() {
        for sides in 2..=8 {
            for seed in 0..20 {
                let rounds = orders(seed, sides, 8);
                for block in rounds.chunks(2) {
                    let places = |side: usize| {
                        let of = |round: &Vec<usize>| round.iter().filter(|ran| **ran == side).count();
                        assert_eq!((of(&block[0]), of(&block[1])), (1, 1), "{block:?}");
                        let all = block.iter().flatten().enumerate().filter(|(_, ran)| **ran == side);
                        all.map(|(place, _)| place).sum::<usize>()
                    };
                    assert!((0..sides).all(|side| places(side) == 2 * sides - 1), "{block:?}");
                }
            }
        }
    }

    #[test]
    fn every_order_of_three_sides_is_drawn_alike() {
        let firsts: Vec<Vec<usize>> = (0..600).map(|seed| orders(seed, 3, 1).remove(0)).collect();
        let all: BTreeSet<&Vec<usize>> = firsts.iter().collect();
        assert_eq!(all.len(), 6);
        for order in all {
            let times = firsts.iter().filter(|drawn| *drawn == order).count();
            // 100 of each are expected; 9.1 is the standard deviation.
            assert!((60..140).contains(&times), "{order:?}: {times}");
        }
    }
}
