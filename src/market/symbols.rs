//! The instruments of the market: ticker, exchange, price level and volatility, all derived from the seed.

use std::collections::HashSet;

use super::probe::MAX_SYMBOLS;
use super::random::Random;
use crate::{num, plan};

/// The properties of a symbol that are constant during a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instrument {
    /// 1 to 5 upper-case letters, unique; usable as a token of a subject.
    pub ticker: String,
    /// Its exchange.
    pub exchange: &'static str,
    /// Smallest change of its price, in 1/10,000 of the currency.
    pub tick: i64,
    /// The price that its walk reverts to, in ticks; at least 1,000.
    pub start: i64,
    /// Largest change from one event to the next, in ticks; at least 1.
    pub volatility: u32,
    /// Widest spread, in ticks; at least 1 and below `start / 10`.
    pub spread: u32,
    /// Typical number of shares in a quote.
    pub volume: u32,
}

/// Well-known tickers, with exchange and rough price in whole dollars: the most popular symbols.
const KNOWN: [(&str, &str, i64); 32] = [
    ("AAPL", "NASDAQ", 230),
    ("MSFT", "NASDAQ", 430),
    ("NVDA", "NASDAQ", 140),
    ("AMZN", "NASDAQ", 200),
    ("GOOGL", "NASDAQ", 175),
    ("META", "NASDAQ", 570),
    ("TSLA", "NASDAQ", 330),
    ("AVGO", "NASDAQ", 170),
    ("JPM", "NYSE", 240),
    ("V", "NYSE", 310),
    ("UNH", "NYSE", 590),
    ("XOM", "NYSE", 120),
    ("MA", "NYSE", 520),
    ("COST", "NASDAQ", 930),
    ("PG", "NYSE", 170),
    ("HD", "NYSE", 405),
    ("NFLX", "NASDAQ", 870),
    ("BAC", "NYSE", 46),
    ("KO", "NYSE", 63),
    ("CVX", "NYSE", 160),
    ("AMD", "NASDAQ", 137),
    ("PEP", "NASDAQ", 160),
    ("ADBE", "NASDAQ", 510),
    ("WFC", "NYSE", 74),
    ("DIS", "NYSE", 115),
    ("INTC", "NASDAQ", 24),
    ("F", "NYSE", 11),
    ("T", "NYSE", 23),
    ("GE", "NYSE", 180),
    ("IBM", "NYSE", 220),
    ("QQQ", "NASDAQ", 505),
    ("SPY", "ARCA", 590),
];

const EXCHANGES: [&str; 5] = ["NASDAQ", "NASDAQ", "NYSE", "NYSE", "ARCA"];

/// Every instrument of a market, by symbol index; at most [`MAX_SYMBOLS`]. The first ones do not depend on the
/// total number.
#[must_use]
pub fn instruments(market: &plan::Market) -> Vec<Instrument> {
    let wanted = num::index32(market.symbols.min(MAX_SYMBOLS));
    let mut tickers = Random::of(&[market.seed, 1]);
    let mut taken: HashSet<String> = KNOWN.iter().map(|(ticker, ..)| (*ticker).to_owned()).collect();
    (0..wanted)
        .map(|index| {
            let mut random = Random::of(&[market.seed, 2, num::count(index)]);
            if let Some((ticker, exchange, dollars)) = KNOWN.get(index) {
                let price = dollars * random.within(9_000, 11_000);
                instrument((*ticker).to_owned(), exchange, price, &mut random)
            } else {
                let exchange = random.pick(&EXCHANGES);
                let price = price(&mut random);
                instrument(fresh(&mut tickers, &mut taken), exchange, price, &mut random)
            }
        })
        .collect()
}

/// The tickers by symbol index, for subjects.
#[must_use]
pub fn names(market: &plan::Market) -> Vec<String> {
    instruments(market).into_iter().map(|instrument| instrument.ticker).collect()
}

/// A ticker that is not taken; most have three or four letters.
fn fresh(random: &mut Random, taken: &mut HashSet<String>) -> String {
    loop {
        let letters = random.pick(&[2, 3, 3, 3, 4, 4, 4, 4, 4, 5]);
        let ticker: String =
            (0..letters).map(|_| char::from(random.pick(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"))).collect();
        if taken.insert(ticker.clone()) {
            return ticker;
        }
    }
}

/// A price in 1/10,000: from penny stocks to a thousand dollars, most of them below a hundred.
fn price(random: &mut Random) -> i64 {
    let (from, to) = random.pick(&[
        (2_000, 9_900),
        (10_000, 100_000),
        (10_000, 100_000),
        (100_000, 500_000),
        (100_000, 1_000_000),
        (100_000, 1_000_000),
        (1_000_000, 3_000_000),
        (1_000_000, 10_000_000),
    ]);
    random.within(from, to)
}

fn instrument(ticker: String, exchange: &'static str, price: i64, random: &mut Random) -> Instrument {
    // Below a dollar prices move by 1/10,000; above by a cent, a few by half a cent or by five.
    let tick = match price {
        ..10_000 => 1,
        10_000..200_000 => random.pick(&[10, 10, 10, 50]),
        200_000..5_000_000 => random.pick(&[100, 100, 100, 100, 100, 100, 50]),
        _ => random.pick(&[100, 100, 500]),
    };
    let start = (price / tick).max(1_000);
    // Between 1 and 5 basis points for a step, between 2 and 20 for the widest spread.
    let points = |n: i64| u32::try_from((start * n / 10_000).max(1)).unwrap_or(1);
    Instrument {
        ticker,
        exchange,
        tick,
        start,
        volatility: points(random.within(1, 5)),
        spread: points(random.within(2, 20)),
        volume: num::low32(100 * random.within(1, 50).unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::encode::tests::plan;

    #[test]
    fn the_largest_market_has_distinct_tickers_fit_for_subjects() {
        let mut market = plan().market;
        market.symbols = 1 << 20;
        let all = names(&market);
        assert_eq!(all.len(), 65_535);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        for ticker in &all {
            assert!((1..=5).contains(&ticker.len()), "{ticker}");
            assert!(ticker.bytes().all(|letter| letter.is_ascii_uppercase()), "{ticker}");
        }
    }

    #[test]
    fn every_instrument_leaves_its_walk_room() {
        let mut market = plan().market;
        market.symbols = MAX_SYMBOLS;
        for instrument in instruments(&market) {
            assert!(instrument.tick > 0 && instrument.start >= 1_000, "{instrument:?}");
            assert!(instrument.volatility >= 1 && instrument.volume >= 100, "{instrument:?}");
            assert!(instrument.spread >= 1, "{instrument:?}");
            assert!(i64::from(instrument.spread) < instrument.start / 10, "{instrument:?}");
        }
    }

    #[test]
    fn a_market_follows_from_its_seed_and_grows_at_its_end() {
        let small = plan().market;
        let large = plan::Market { symbols: small.symbols * 3, ..small.clone() };
        assert_eq!(instruments(&small), instruments(&small));
        assert_eq!(instruments(&small), instruments(&large)[..num::index32(small.symbols)]);
        let other = plan::Market { seed: small.seed + 1, ..small.clone() };
        assert_ne!(names(&small), names(&other));
        assert_ne!(instruments(&small)[0], instruments(&other)[0]);
    }
}
