//! The topics and consumer groups of ADR-002, as written and as intended.

use crate::plan::{Delivery, Group, Topology};

/// Names that [`named`] accepts.
pub const NAMES: [&str; 2] = ["adr-002", "adr-002-as-written"];

/// The ADR's tree of topics, in its order.
const TOPICS: [&str; 15] = [
    "market.quote.received",
    "market.bar.1m",
    "market.bar.1d",
    "market.news.published",
    "trade.order.submitted",
    "trade.order.filled",
    "trade.order.rejected",
    "trade.position.updated",
    "ai.decision.generated",
    "ai.decision.executed",
    "ai.calibration.completed",
    "analytics.pnl.calculated",
    "analytics.metrics.snapshot",
    "system.heartbeat",
    "system.error.occurred",
];

/// Dead letter topics for the ADR's `*.dlq`, which its tree leaves out.
///
/// There is one topic for each group that can fail on a message, named after the group. If they were named after the
/// domains (`market.dlq`), dead letters would return to the groups that failed on them: `market.>` receives
/// `market.dlq`.
const DEAD_LETTERS: [&str; 4] = ["trading-engine.dlq", "ai-service.dlq", "analytics.dlq", "orchestrator.dlq"];

/// The ADR's table: group, subscriptions as written, and patterns that match its Purpose column.
///
/// `market.*` has two tokens but every topic of the market domain has three, so the pattern matches nothing. The table
/// also leaves out the prefix, which [`super::filters`] adds.
const GROUPS: [(&str, &[&str], &[&str]); 5] = [
    ("trading-engine", &["market.quote.*", "ai.decision.*"], &["market.quote.>", "ai.decision.>"]),
    ("ai-service", &["market.*", "trade.position.*"], &["market.>", "trade.position.>"]),
    ("analytics", &["trade.*", "market.bar.*"], &["trade.>", "market.bar.>"]),
    ("orchestrator", &["*.heartbeat", "*.error.*"], &["system.heartbeat", "system.error.>"]),
    ("dead-letter", &["*.dlq"], &["*.dlq"]),
];

/// Returns a topology with its groups by name: `adr-002` is the one that the ADR intends, `adr-002-as-written` has its
/// topics and patterns verbatim. Each group has one member.
#[must_use]
pub fn named(name: &str) -> Option<(Topology, Vec<Group>)> {
    let as_written = match name {
        "adr-002" => false,
        "adr-002-as-written" => true,
        _ => return None,
    };
    let dead_letters: &[&str] = if as_written { &[] } else { &DEAD_LETTERS };
    let topology = Topology {
        name: name.to_owned(),
        prefix: "ai-trader".to_owned(),
        topics: owned(TOPICS.iter().chain(dead_letters)),
        symbol_in_subject: false,
    };
    let group = |(name, written, meant): (&str, &[&str], &[&str])| Group {
        name: name.to_owned(),
        subscribe: owned(if as_written { written } else { meant }),
        members: 1,
        delivery: Delivery::Shared,
        consumer: None,
    };
    Some((topology, GROUPS.map(group).into()))
}

/// Returns whether a topology contains the ADR's tree, with any prefix and any additional topics.
#[must_use]
pub fn is_adr(topology: &Topology) -> bool {
    TOPICS.iter().all(|topic| topology.topics.iter().any(|own| own == topic))
}

fn owned<'a>(texts: impl IntoIterator<Item = &'a &'a str>) -> Vec<String> {
    texts.into_iter().map(|&text| text.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::receives;

    fn received(name: &str) -> Vec<(String, Vec<String>)> {
        let (topology, groups) = named(name).unwrap();
        let topics = |group| {
            receives(group, &topology.topics).unwrap().into_iter().map(|i| topology.topics[i].clone())
        };
        groups.iter().map(|group| (group.name.clone(), topics(group).collect())).collect()
    }

    #[test]
    fn the_tree_of_the_adr_is_known_by_its_topics() {
        for name in NAMES {
            let (mut topology, _) = named(name).unwrap();
            (topology.name, topology.prefix) = ("mine".to_owned(), "mine".to_owned());
            topology.topics.push("orders.created".to_owned());
            assert!(is_adr(&topology));
            topology.topics.remove(3);
            assert!(!is_adr(&topology));
        }
    }

    #[test]
    fn every_name_is_known_and_no_other() {
        for name in NAMES {
            assert_eq!(named(name).unwrap().0.name, name);
        }
        assert_eq!(named("adr-001"), None);
    }

    #[test]
    fn as_meant_every_group_receives_what_its_purpose_needs() {
        insta::assert_debug_snapshot!(received("adr-002"));
    }

    #[test]
    fn as_written_three_groups_go_without() {
        insta::assert_debug_snapshot!(received("adr-002-as-written"));
    }
}
