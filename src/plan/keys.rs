//! The keys of a plan: the units in which order is held.

use crate::num;

/// Every topic and symbol together are a key, whose events have a sequence of their own. Keys are dense: `0..count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// Number of topics.
    pub topics: usize,
    /// Number of symbols, the same for each topic.
    pub symbols: usize,
}

impl Keys {
    /// The keys of the given numbers of topics and symbols.
    #[must_use]
    pub const fn new(topics: usize, symbols: u32) -> Self {
        Self { topics, symbols: num::index32(symbols) }
    }

    /// How many there are.
    #[must_use]
    pub const fn count(self) -> usize {
        self.topics * self.symbols
    }

    /// The key of a topic and a symbol.
    #[must_use]
    pub const fn key(self, topic: usize, symbol: usize) -> usize {
        topic * self.symbols + symbol
    }

    /// The topic of a key.
    #[must_use]
    pub const fn topic(self, key: usize) -> usize {
        key / self.symbols
    }

    /// The symbol of a key.
    #[must_use]
    pub const fn symbol(self, key: usize) -> usize {
        key % self.symbols
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_and_symbol_has_a_key_of_its_own_and_the_keys_are_dense() {
        let keys = Keys::new(3, 5);
        let all: Vec<usize> =
            (0..3).flat_map(|topic| (0..5).map(move |symbol| keys.key(topic, symbol))).collect();
        assert_eq!(all, (0..keys.count()).collect::<Vec<_>>());
        assert!(all.iter().all(|&key| keys.key(keys.topic(key), keys.symbol(key)) == key));
    }
}
