//! What ADR-002 claims of NATS against Kafka, beside what a comparison of the two measured.

use super::cost::Cost;
use super::{Claim, MetricResult};
use crate::record::Record;

/// The claims, where one side is NATS and the other Kafka. They are of the same load; only the price of an event can be
/// told of unequal ones.
pub(super) fn claims(
    (a, b): (&Record, &Record),
    unequal_load: bool,
    metrics: &[MetricResult],
    cost: Option<&Cost>,
) -> Vec<Claim> {
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
    vec![
        latency(both("latency.p50")),
        memory(both("broker.memory")),
        money(cost.map(|cost| if nats_is_a { 1.0 / cost.ratio } else { cost.ratio })),
    ]
}

fn claim(says: &str, measured: Option<(String, bool)>, otherwise: &str) -> Claim {
    let borne = match &measured {
        Some((_, true)) => "supported",
        Some((_, false)) => "contradicted",
        None => "not tested",
    };
    let measured = measured.map_or_else(|| otherwise.to_owned(), |(text, _)| text);
    Claim { says: says.into(), measured, borne: borne.into() }
}

fn latency(both: Option<(f64, f64)>) -> Claim {
    let measured = both.map(|(nats, kafka)| {
        let text =
            format!("medians of the runs' p50: NATS {:.2} ms, Kafka {:.2} ms", nats / 1e6, kafka / 1e6);
        (text, nats < 1.5e6 && (4.5e6..10.5e6).contains(&kafka))
    });
    claim(
        "NATS takes about 1 ms, Kafka 5 to 10 ms",
        measured,
        "the sides did not carry the same load, or one has no end-to-end latency",
    )
}

fn memory(both: Option<(f64, f64)>) -> Claim {
    let measured = both.map(|(nats, kafka)| {
        let text = format!("peak resident memory: NATS {:.0} MB, Kafka {:.0} MB", nats / 1e6, kafka / 1e6);
        (text, nats <= 60e6 && kafka >= 0.9e9)
    });
    claim(
        "NATS takes about 50 MB, Kafka 1 GB or more",
        measured,
        "the sides did not carry the same load, or a broker's process could not be seen",
    )
}

/// `nats` over `kafka`, in money.
fn money(ratio: Option<f64>) -> Claim {
    let measured = ratio.map(|ratio| {
        let text = if ratio <= 1.0 {
            format!(
                "an event on NATS costs {:.0} % less than on Kafka at the given prices",
                (1.0 - ratio) * 100.0
            )
        } else {
            format!("an event on NATS costs {ratio:.2} times what it does on Kafka at the given prices")
        };
        (text, ratio <= 0.35)
    });
    claim(
        "NATS costs about 70 % less than Kafka",
        measured,
        "no prices were given, or a broker's use could not be seen",
    )
}
