//! Maps topics to subjects, patterns to filters, and groups to the topics that they receive.

use crate::num;
use crate::plan::{Group, Topology};

use super::pattern::{Pattern, PatternError};

/// Returns the indexes of the topics that a group receives, ascending; patterns and topics are without the prefix.
///
/// # Errors
/// When one of the group's patterns is invalid.
pub fn receives(group: &Group, topics: &[String]) -> Result<Vec<usize>, PatternError> {
    let patterns = group.subscribe.iter().map(|text| Pattern::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let received = |topic: &String| patterns.iter().any(|pattern| pattern.matches(topic));
    Ok(topics.iter().enumerate().filter(|(_, topic)| received(topic)).map(|(index, _)| index).collect())
}

/// Returns a group's patterns as filters over whole subjects, in their order: with the prefix, and with a `*` for the
/// symbol if the subject contains it (a pattern that ends in `>` matches the symbol already).
#[must_use]
pub fn filters(topology: &Topology, group: &Group) -> Vec<String> {
    group.subscribe.iter().map(|pattern| filter(topology, pattern)).collect()
}

/// Returns one pattern as a filter over whole subjects.
pub(super) fn filter(topology: &Topology, pattern: &str) -> String {
    let subject = subject(topology, pattern);
    if topology.symbol_in_subject && !subject.ends_with('>') { format!("{subject}.*") } else { subject }
}

/// Prepends the prefix to a topic or pattern.
#[must_use]
pub fn subject(topology: &Topology, topic: &str) -> String {
    if topology.prefix.is_empty() { topic.to_owned() } else { format!("{}.{topic}", topology.prefix) }
}

/// The subjects of a plan's events, computed once before the load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subjects {
    all: Vec<String>,
    /// Number of subjects of one topic: one for each symbol, or a single one.
    per_topic: usize,
}

/// Returns the subjects of all topics; one per symbol if the topology has symbols in its subjects.
#[must_use]
pub fn subjects(topology: &Topology, symbols: &[String]) -> Subjects {
    let topics = topology.topics.iter().map(|topic| subject(topology, topic));
    if topology.symbol_in_subject {
        let all =
            topics.flat_map(|topic| symbols.iter().map(move |symbol| format!("{topic}.{symbol}"))).collect();
        Subjects { all, per_topic: symbols.len() }
    } else {
        Subjects { all: topics.collect(), per_topic: 1 }
    }
}

impl Subjects {
    /// Returns the subject of a topic's event about a symbol, by the plan's indexes; `None` beyond the last topic.
    #[must_use]
    pub fn get(&self, topic: usize, symbol: u32) -> Option<&str> {
        self.all.get(self.index(topic, symbol)).map(String::as_str)
    }

    /// Returns the index in [`Self::as_slice`] of the subject of a topic's event about a symbol.
    #[must_use]
    pub fn index(&self, topic: usize, symbol: u32) -> usize {
        if self.per_topic == 1 { topic } else { topic * self.per_topic + num::index32(symbol) }
    }

    /// Returns all subjects: by topic and, if subjects contain the symbol, by symbol within each topic.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Delivery;
    use proptest::prelude::*;

    fn group(subscribe: &[&str]) -> Group {
        Group {
            name: "g".to_owned(),
            subscribe: subscribe.iter().map(|&text| text.to_owned()).collect(),
            members: 1,
            delivery: Delivery::Shared,
            consumer: None,
        }
    }

    fn topology(topics: &[&str], symbol_in_subject: bool) -> Topology {
        Topology {
            name: "t".to_owned(),
            prefix: "ai-trader".to_owned(),
            topics: topics.iter().map(|&text| text.to_owned()).collect(),
            symbol_in_subject,
        }
    }

    #[test]
    fn a_group_receives_what_its_patterns_match_once_each() {
        let topics =
            topology(&["market.quote.received", "market.bar.1m", "trade.order.filled"], false).topics;
        assert_eq!(receives(&group(&["market.>", "market.bar.*"]), &topics), Ok(vec![0, 1]));
        assert_eq!(receives(&group(&["market.*"]), &topics), Ok(vec![]));
        assert!(receives(&group(&["market."]), &topics).is_err());
    }

    #[test]
    fn subjects_and_filters_carry_prefix_and_symbol() {
        let symbols = ["AAPL".to_owned(), "MSFT".to_owned()];
        let plain = topology(&["market.quote.received", "ai.x"], false);
        let by_symbol = topology(&["market.quote.received", "ai.x"], true);
        assert_eq!(
            subjects(&plain, &symbols).as_slice(),
            ["ai-trader.market.quote.received", "ai-trader.ai.x"]
        );
        assert_eq!(
            subjects(&by_symbol, &symbols).as_slice(),
            [
                "ai-trader.market.quote.received.AAPL",
                "ai-trader.market.quote.received.MSFT",
                "ai-trader.ai.x.AAPL",
                "ai-trader.ai.x.MSFT",
            ]
        );
        assert_eq!(subjects(&by_symbol, &symbols).get(1, 1), Some("ai-trader.ai.x.MSFT"));
        assert_eq!(subjects(&plain, &symbols).get(1, 1), Some("ai-trader.ai.x"));
        assert_eq!(subjects(&by_symbol, &symbols).get(2, 0), None);
        let group = group(&["market.>", "ai.x"]);
        assert_eq!(filters(&plain, &group), ["ai-trader.market.>", "ai-trader.ai.x"]);
        assert_eq!(filters(&by_symbol, &group), ["ai-trader.market.>", "ai-trader.ai.x.*"]);
    }

    proptest! {
        /// A filter on the bus passes exactly the events that the group is meant to receive. Topics have two tokens or
        /// more: `lint` rejects a topic that a pattern's `>` would take for a symbol.
        #[test]
        fn filters_agree_with_patterns(
            topic in "(a|b)(\\.(a|b)){1,3}",
            pattern in "(a|b|\\*)(\\.(a|b|\\*)){0,3}|((a|b|\\*)\\.)?>",
            symbol_in_subject in any::<bool>(),
        ) {
            let topology = topology(&[&topic], symbol_in_subject);
            let group = group(&[&pattern]);
            let subject = &subjects(&topology, &["S".to_owned()]).as_slice()[0].clone();
            let passes = filters(&topology, &group).iter().any(|filter| Pattern::parse(filter).unwrap().matches(subject));
            prop_assert_eq!(passes, !receives(&group, &topology.topics).unwrap().is_empty());
        }
    }
}
