//! The run order: ABBA or BAAB in blocks of two pairs, chosen by a seeded coin.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Order;

/// The order of each pair. In a block of two pairs each side is first once, so that a steady drift of the machine cancels;
/// the coin keeps a drift with the period of the blocks from favouring a side.
#[must_use]
pub fn order(seed: u64, pairs: u32) -> Vec<Order> {
    (0..pairs)
        .map(|pair| {
            let heads = xxh3_64_with_seed(&(pair / 2).to_le_bytes(), seed) & 1 == 0;
            if heads == pair.is_multiple_of(2) { Order::Ab } else { Order::Ba }
        })
        .collect()
}

#[cfg(test)]
mod tests {
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
}
