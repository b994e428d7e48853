//! The price of a symbol: a random walk in whole ticks that reverts to its start and stays positive.

use super::random::Random;
use super::symbols::Instrument;

/// The part of its distance to the start that a price reverts with each event: 1/256.
const PULL: i64 = 256;

/// The state of a symbol, which changes from event to event; prices in ticks.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    /// The last trade's price; between half and twice the start.
    pub(super) price: i64,
    /// Best offer to buy, at most the price.
    pub(super) bid: i64,
    /// Best offer to sell, at least the price and above the bid.
    pub(super) ask: i64,
    /// Shares of the last trade.
    pub(super) volume: u64,
    /// The open bars: a minute's and a day's.
    pub(super) bars: [Bar; 2],
    /// Shares held; negative when sold short.
    pub(super) position: i64,
}

/// Prices in ticks and volume since the last bar was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) open: i64,
    pub(super) high: i64,
    pub(super) low: i64,
    pub(super) close: i64,
    pub(super) volume: u64,
    pub(super) trades: u64,
}

impl Bar {
    const fn at(price: i64) -> Self {
        Self { open: price, high: price, low: price, close: price, volume: 0, trades: 0 }
    }

    fn trade(&mut self, price: i64, volume: u64) {
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.close = price;
        self.volume = self.volume.saturating_add(volume);
        self.trades += 1;
    }
}

impl Walk {
    /// The state before the first event.
    pub(super) fn of(instrument: &Instrument) -> Self {
        let price = instrument.start;
        Self { price, bid: price, ask: price + 1, volume: 0, bars: [Bar::at(price); 2], position: 0 }
    }

    /// Moves on by one trade.
    pub(super) fn step(&mut self, instrument: &Instrument, random: &mut Random) {
        let (start, reach) = (instrument.start, instrument.volatility);
        let change = random.within(0, 2 * reach) - i64::from(reach) + (start - self.price) / PULL;
        self.price = (self.price + change).clamp(start / 2, start * 2);
        // The price is the last trade's: anywhere between bid and ask, often at one of them.
        let spread = random.within(1, instrument.spread);
        let below = random.within(0, u32::try_from(spread).unwrap_or(1));
        (self.bid, self.ask) = (self.price - below, self.price - below + spread);
        self.volume = (i64::from(instrument.volume) * random.within(1, 20) / 10).unsigned_abs();
        for bar in &mut self.bars {
            bar.trade(self.price, self.volume);
        }
    }

    /// Closes the open bar and opens the next at the last price.
    pub(super) fn close(&mut self, bar: usize) -> Bar {
        std::mem::replace(&mut self.bars[bar], Bar::at(self.price))
    }

    /// Buys (or, below zero, sells) this number of shares; the position stays within ± 1,000,000.
    pub(super) fn fill(&mut self, shares: i64) -> i64 {
        self.position = (self.position + shares).clamp(-1_000_000, 1_000_000);
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::encode::tests::plan;
    use crate::market::symbols::instruments;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn prices_stay_positive_and_quotes_consistent(seed: u64, symbol in 0_usize..60) {
            let mut market = plan().market;
            (market.seed, market.symbols) = (seed, 60);
            let instrument = &instruments(&market)[symbol];
            let (mut walk, mut random) = (Walk::of(instrument), Random::of(&[seed]));
            for _ in 0..5_000 {
                let before = walk.price;
                walk.step(instrument, &mut random);
                prop_assert!(0 < walk.bid && walk.bid <= walk.price && walk.price <= walk.ask);
                prop_assert!((1..=i64::from(instrument.spread)).contains(&(walk.ask - walk.bid)));
                let most = i64::from(instrument.volatility) + instrument.start / PULL + 1;
                prop_assert!((walk.price - before).abs() <= most);
                prop_assert!(walk.volume > 0);
            }
            prop_assert_ne!(walk.price, instrument.start / 2);
            prop_assert_ne!(walk.price, instrument.start * 2);
        }
    }

    #[test]
    fn a_walk_at_the_edge_turns_back() {
        let instrument = &instruments(&plan().market)[0];
        let mut random = Random::of(&[3]);
        for edge in [instrument.start / 2, instrument.start * 2] {
            let mut walk = Walk { price: edge, ..Walk::of(instrument) };
            for _ in 0..20_000 {
                walk.step(instrument, &mut random);
                assert!((instrument.start / 2..=instrument.start * 2).contains(&walk.price));
            }
            assert!((walk.price - instrument.start).abs() < instrument.start / 4, "{walk:?}");
        }
    }

    #[test]
    fn a_bar_spans_the_trades_since_the_last_one() {
        let instrument = &instruments(&plan().market)[0];
        let (mut walk, mut random) = (Walk::of(instrument), Random::of(&[4]));
        for _ in 0..3 {
            let open = walk.price;
            let (mut prices, mut volume) = (vec![open], 0);
            for _ in 0..100 {
                walk.step(instrument, &mut random);
                prices.push(walk.price);
                volume += walk.volume;
            }
            let (high, low) = (*prices.iter().max().expect("some"), *prices.iter().min().expect("some"));
            assert_eq!(walk.close(0), Bar { open, high, low, close: walk.price, volume, trades: 100 });
        }
        assert_eq!(walk.close(1).trades, 300);
    }
}
