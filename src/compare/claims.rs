//! Collects the figures for ADR-002's claims from a comparison of NATS with Kafka; `verdict::claims` judges them.

use super::MetricResult;
use super::cost::Cost;
use crate::record::Record;
use crate::topology::adr::is_adr;
use crate::verdict::claims::{Both, Claim, of_both};

/// The claims, if one side is NATS and the other Kafka. They require the same load on both sides, except the price per
/// event.
pub(super) fn claims(
    (a, b): (&Record, &Record),
    unequal_load: bool,
    metrics: &[MetricResult],
    cost: Option<&Cost>,
) -> Vec<Claim> {
    if !is_adr(&a.plan.topology) || !is_adr(&b.plan.topology) {
        return vec![];
    }
    let nats_is_a = match (a.broker.kind.as_str(), b.broker.kind.as_str()) {
        ("nats", "kafka") => true,
        ("kafka", "nats") => false,
        _ => return vec![],
    };
    let both = |name: &str| {
        if unequal_load {
            return None;
        }
        let metric = metrics.iter().find(|m| m.name == name)?;
        let (a, b) = (metric.a?, metric.b?);
        Some(if nats_is_a { (a, b) } else { (b, a) })
    };
    of_both(&Both {
        latency_ns: both("latency.p50"),
        memory_bytes: both("broker.memory"),
        price_ratio: cost.map(|cost| if nats_is_a { 1.0 / cost.ratio } else { cost.ratio }),
    })
}
