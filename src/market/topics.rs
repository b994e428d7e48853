//! The kind of payload and the source of each topic's events.

use super::format::AnyText;
use super::probe::MAX_TOPICS;
use crate::plan;

/// The kinds of payload; every topic outside the ADR's tree has a [`Kind::Generic`] one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Quote,
    MinuteBar,
    DayBar,
    News,
    OrderSubmitted,
    OrderFilled,
    OrderRejected,
    PositionUpdated,
    DecisionGenerated,
    DecisionExecuted,
    CalibrationCompleted,
    PnlCalculated,
    MetricsSnapshot,
    Heartbeat,
    ErrorOccurred,
    DeadLetter,
    Generic,
}

impl Kind {
    fn of(topic: &str) -> Self {
        match topic {
            "market.quote.received" => Self::Quote,
            "market.bar.1m" => Self::MinuteBar,
            "market.bar.1d" => Self::DayBar,
            "market.news.published" => Self::News,
            "trade.order.submitted" => Self::OrderSubmitted,
            "trade.order.filled" => Self::OrderFilled,
            "trade.order.rejected" => Self::OrderRejected,
            "trade.position.updated" => Self::PositionUpdated,
            "ai.decision.generated" => Self::DecisionGenerated,
            "ai.decision.executed" => Self::DecisionExecuted,
            "ai.calibration.completed" => Self::CalibrationCompleted,
            "analytics.pnl.calculated" => Self::PnlCalculated,
            "analytics.metrics.snapshot" => Self::MetricsSnapshot,
            "system.heartbeat" => Self::Heartbeat,
            "system.error.occurred" => Self::ErrorOccurred,
            _ if topic.rsplit('.').next() == Some("dlq") => Self::DeadLetter,
            _ => Self::Generic,
        }
    }

    /// Does an event name the previous event of its symbol as its cause? Market data and health events do not.
    pub(super) const fn has_cause(self) -> bool {
        !matches!(
            self,
            Self::Quote | Self::MinuteBar | Self::DayBar | Self::News | Self::Heartbeat | Self::Generic
        )
    }

    /// May a later event of the symbol name it as its cause?
    pub(super) const fn causes(self) -> bool {
        !matches!(self, Self::Heartbeat | Self::DeadLetter)
    }
}

/// A topic of the plan, prepared for encoding.
#[derive(Debug, Clone)]
pub(super) struct Topic {
    /// The name without the topology's prefix.
    pub(super) name: AnyText,
    /// The kind of its payload.
    pub(super) kind: Kind,
    /// The publishing service.
    pub(super) source: AnyText,
    /// The topic of a dead letter's failed event.
    pub(super) failed: usize,
}

/// The plan's topics by index, up to the number that an event id can distinguish.
pub(super) fn topics(topology: &plan::Topology) -> Vec<Topic> {
    let named = || topology.topics.iter().take(MAX_TOPICS);
    let kinds: Vec<_> = named().map(|name| (domain(name), Kind::of(name))).collect();
    let living = |only: Option<&str>| {
        kinds
            .iter()
            .position(|(domain, kind)| *kind != Kind::DeadLetter && only.is_none_or(|only| only == *domain))
    };
    named()
        .zip(&kinds)
        .map(|(name, (domain, kind))| Topic {
            failed: living(Some(domain)).or_else(|| living(None)).unwrap_or_default(),
            name: AnyText::new(name.clone()),
            kind: *kind,
            source: AnyText::new(source(domain)),
        })
        .collect()
}

/// The first token of a topic.
fn domain(topic: &str) -> &str {
    topic.split('.').next().unwrap_or(topic)
}

/// The service that publishes a domain's events.
fn source(domain: &str) -> String {
    match domain {
        "market" => "market-data".to_owned(),
        "trade" => "trading-engine".to_owned(),
        "ai" => "ai-service".to_owned(),
        "analytics" => "analytics".to_owned(),
        "system" => "orchestrator".to_owned(),
        "dlq" => "dead-letter".to_owned(),
        other => format!("{other}-service"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::encode::tests::plan;

    fn of(names: &[&str]) -> Vec<Topic> {
        let mut topology = plan().topology;
        topology.topics = names.iter().map(|&name| name.to_owned()).collect();
        topics(&topology)
    }

    #[test]
    fn dead_letters_name_a_topic_of_their_own_domain_where_there_is_one() {
        let topics = of(&["market.dlq", "trade.order.filled", "market.bar.1m", "dlq", "ai.dlq"]);
        assert_eq!(topics.iter().map(|topic| topic.failed).collect::<Vec<_>>(), [2, 1, 2, 1, 1]);
        assert_eq!(of(&["dlq"])[0].failed, 0);
    }
}
