//! What a comparison of NATS with Kafka measured of what ADR-002 claims of the two; `verdict::claims` judges it.

use super::MetricResult;
use super::cost::Cost;
use crate::record::Record;
use crate::topology::adr::is_adr;
use crate::verdict::claims::{Both, Claim, of_both};

/// The claims, where one side is NATS and the other Kafka, both with the topology of the ADR. They are of the same load; only the price of an event can be
/// told of unequal ones.
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
