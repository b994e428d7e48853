//! The market of a template: figures derived from an event's probe and the seed alone, so that a receiver can compute
//! the event that was sent.
//!
//! ```text
//! price(n) = start + Σ over spacings s of the line between even draws at the multiples of s around n
//! ```
//!
//! The draws with the widest spacing have the largest range, so the price resembles the random walk of the envelope's
//! market.

use crate::market::probe::Probe;
use crate::market::random::Random;
use crate::market::symbols::Instrument;

/// Spacing in events of the symbol, and range in multiples of its volatility.
const SWINGS: [(u32, u32); 3] = [(1024, 24), (64, 6), (8, 2)];
/// Events of the symbol per bar.
const BAR: u32 = 64;

/// The figures of an event; prices in ticks.
pub(super) struct Quote<'a> {
    seed: u64,
    instrument: &'a Instrument,
    probe: Probe,
    pub(super) price: i64,
    pub(super) bid: i64,
    pub(super) ask: i64,
    pub(super) volume: u64,
}

impl<'a> Quote<'a> {
    /// Creates the figures of an event, without prices.
    pub(super) const fn of(seed: u64, instrument: &'a Instrument, probe: Probe) -> Self {
        Self { seed, instrument, probe, price: 0, bid: 0, ask: 0, volume: 0 }
    }

    /// Adds prices and volume.
    pub(super) fn priced(self) -> Self {
        let mut random = self.random(1);
        let spread = random.within(1, self.instrument.spread);
        let below = random.within(0, u32::try_from(spread).unwrap_or(1));
        let price = self.price_at(self.probe.sequence);
        let volume = (i64::from(self.instrument.volume) * random.within(1, 20) / 10).unsigned_abs();
        Self { price, bid: price - below, ask: price - below + spread, volume, ..self }
    }

    /// Returns random numbers for the event that differ between purposes.
    pub(super) fn random(&self, purpose: u64) -> Random {
        Random::of(&[self.seed ^ (purpose << 56), key(self.probe)])
    }

    fn price_at(&self, sequence: u32) -> i64 {
        let swings = SWINGS.iter().map(|&(spacing, reach)| self.swing(sequence, spacing, reach));
        self.instrument.start + swings.sum::<i64>()
    }

    fn swing(&self, sequence: u32, spacing: u32, reach: u32) -> i64 {
        let reach = self.instrument.volatility.saturating_mul(reach);
        let draw = |at: u32| {
            let key = (u64::from(self.probe.symbol) << 48) | (u64::from(spacing) << 32) | u64::from(at);
            Random::of(&[self.seed ^ (2 << 56), key]).within(0, reach.saturating_mul(2)) - i64::from(reach)
        };
        let (at, behind) = (sequence / spacing, sequence % spacing);
        let before = i64::from(spacing - behind);
        (draw(at) * before + draw(at + 1) * i64::from(behind)) / i64::from(spacing)
    }

    /// Returns the price at the start of the bar.
    pub(super) fn open(&self) -> i64 {
        self.price_at(self.probe.sequence - self.probe.sequence % BAR)
    }

    pub(super) fn high(&self) -> i64 {
        self.open().max(self.price) + self.random(3).within(0, self.instrument.volatility)
    }

    pub(super) fn low(&self) -> i64 {
        self.open().min(self.price) - self.random(4).within(0, self.instrument.volatility)
    }

    /// Returns the number of trades in the bar so far.
    pub(super) fn trades(&self) -> u64 {
        u64::from(self.probe.sequence % BAR) + 1
    }

    pub(super) fn side(&self) -> &'static str {
        if self.random(5).bits() >> 63 == 0 { "buy" } else { "sell" }
    }

    /// Returns a number of shares in round lots.
    pub(super) fn quantity(&self) -> u64 {
        self.random(7).within(1, 20).unsigned_abs() * 100
    }
}

/// Returns the key that selects an event's random numbers within a run.
pub(super) fn key(probe: Probe) -> u64 {
    (u64::from(probe.topic) << 48) | (u64::from(probe.symbol) << 32) | u64::from(probe.sequence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::encode::tests::plan;
    use crate::market::symbols::instruments;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prices_stay_near_their_start_and_quotes_consistent(
            seed: u64, symbol in 0_u16..50, sequence in 0_u32..1 << 29, topic in 0_u8..32,
        ) {
            let instrument = &instruments(&plan().market)[usize::from(symbol)];
            let of = |sequence| {
                let probe = Probe { run_tag: 1, topic, symbol, sequence, intended_unix_ns: 1 };
                Quote::of(seed, instrument, probe).priced()
            };
            let (quote, next) = (of(sequence), of(sequence + 1));
            prop_assert!(quote.price * 10 > instrument.start * 9 && quote.price * 10 < instrument.start * 11);
            prop_assert!(0 < quote.bid && quote.bid <= quote.price && quote.price <= quote.ask);
            prop_assert!((1..=i64::from(instrument.spread)).contains(&(quote.ask - quote.bid)));
            prop_assert!(quote.low() <= quote.price.min(quote.open()) && quote.high() >= quote.price.max(quote.open()));
            prop_assert!(0 < quote.low() && quote.volume > 0 && quote.quantity() > 0);
            // Between consecutive events a price moves by a step or two.
            let step = (next.price - quote.price).abs();
            prop_assert!(step <= 2 * i64::from(instrument.volatility) + 3, "{step}");
        }
    }
}
