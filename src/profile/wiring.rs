//! Named topologies and subject patterns, behind one call site each.

use crate::plan::{Delivery, Group, Topology};

/// The names that `topology` and `base` may hold.
pub(super) const NAMED: [&str; 2] = ["adr-002", "adr-002-as-written"];

/// A topology and its default groups, by name.
pub(super) fn named_topology(name: &str) -> Option<(Topology, Vec<Group>)> {
    let groups: [(&str, &[&str]); 5] = match name {
        "adr-002" => [
            ("trading-engine", &["market.quote.>", "ai.decision.>"]),
            ("ai-service", &["market.>", "trade.position.>"]),
            ("analytics", &["trade.>", "market.bar.>"]),
            ("orchestrator", &["system.>"]),
            ("dead-letter", &["*.dlq"]),
        ],
        "adr-002-as-written" => [
            ("trading-engine", &["market.quote.*", "ai.decision.*"]),
            ("ai-service", &["market.*", "trade.position.*"]),
            ("analytics", &["trade.*", "market.bar.*"]),
            ("orchestrator", &["*.heartbeat", "*.error.*"]),
            ("dead-letter", &["*.dlq"]),
        ],
        _ => return None,
    };
    let topics = [
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
    let group = |(name, subscribe): (&str, &[&str])| Group {
        name: name.to_owned(),
        subscribe: subscribe.iter().map(|&pattern| pattern.to_owned()).collect(),
        members: 1,
        delivery: Delivery::Shared,
    };
    let topology = Topology {
        name: name.to_owned(),
        prefix: "ai-trader".to_owned(),
        topics: topics.map(str::to_owned).to_vec(),
        symbol_in_subject: false,
    };
    Some((topology, groups.map(group).to_vec()))
}

/// Is this a legal token of a subject?
pub(super) fn is_token(token: &str) -> bool {
    !token.is_empty() && token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// Is this a legal topic: tokens with dots between them?
pub(super) fn is_topic(topic: &str) -> bool {
    topic.len() <= 200 && topic.split('.').all(is_token)
}

/// Is this a legal pattern: a topic in which `*` stands for one token, and a last `>` for one or more?
pub(super) fn is_pattern(pattern: &str) -> bool {
    let head = pattern.strip_suffix(".>").unwrap_or(pattern);
    pattern.len() <= 200 && (pattern == ">" || head.split('.').all(|token| token == "*" || is_token(token)))
}

/// Does a group with this pattern receive the topic (whose subject may end in the symbol)?
pub(super) fn receives(pattern: &str, topic: &str, symbol_in_subject: bool) -> bool {
    let symbol = symbol_in_subject.then_some("SYMBOL");
    let mut subject = topic.split('.').chain(symbol);
    for token in pattern.split('.') {
        match (token, subject.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (token, Some(found)) if token == found => {}
            _ => return false,
        }
    }
    subject.next().is_none()
}

/// Is there a subject that both patterns match?
pub(super) fn overlap(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        match (a.next(), b.next()) {
            (Some(">"), Some(_)) | (Some(_), Some(">")) | (None, None) => return true,
            (Some(x), Some(y)) if x == "*" || y == "*" || x == y => {}
            _ => return false,
        }
    }
}
