//! The timeline: one row for each second of the run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PhaseName;
use crate::num;
use crate::plan::Ns;

/// One second of the run. Counts are of that second; latencies are of the events *received* in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Start of the second.
    pub at_ns: Ns,
    /// The phase at its start.
    pub phase: PhaseName,
    /// Slots of the schedule.
    pub intended: u64,
    /// Handed to the client.
    pub sent: u64,
    /// Confirmed.
    pub acked: u64,
    /// Refused by the broker.
    pub refused: u64,
    /// Refused by the client.
    pub unsent: u64,
    /// Given up without an answer.
    pub unconfirmed: u64,
    /// Sent and not yet answered, at the end of the second.
    pub in_flight: u64,
    /// sent − intended.
    pub send_lag: Brief,
    /// acked − intended.
    pub ack: Brief,
    /// One for each group, in the plan's order.
    pub groups: Vec<GroupRow>,
    /// Latency density of all groups: (bucket, events), see [`heat_bucket`].
    pub heat: Vec<(u16, u64)>,
    /// Largest hiccup.
    pub hiccup_max_ns: u64,
    /// How long the harness paused: the sum of its pauses of a millisecond or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_ns: Option<u64>,
    /// Busy and stolen time of the machine, in cores, by all processes; absent where its kernel does not report
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_cpu: Option<f64>,
    /// The part of it used by neither tickgate nor a broker whose use is visible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others_cpu: Option<f64>,
    /// CPU of tickgate, in cores.
    pub harness_cpu: f64,
    /// Resident memory of tickgate.
    pub harness_memory_bytes: u64,
    /// CPU of the broker, in cores; absent where it is not visible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_cpu: Option<f64>,
    /// Resident memory of the broker; absent where it is not visible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_memory_bytes: Option<u64>,
    /// Bytes in the run's stream, as `resources.store_bytes_are` says; absent where the broker did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_bytes: Option<u64>,
}

/// One group in one second.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupRow {
    /// First deliveries.
    pub delivered: u64,
    /// Redeliveries.
    pub redelivered: u64,
    /// Duplicates.
    pub duplicate: u64,
    /// Reordered first deliveries.
    pub reordered: u64,
    /// Corrupt.
    pub corrupt: u64,
    /// Foreign.
    pub foreign: u64,
    /// Confirmed and not yet delivered, at the end of the second.
    pub backlog: u64,
    /// received − intended, of first deliveries of the load (warm-up included).
    pub latency: Brief,
}

/// A distribution in five numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Brief {
    /// Samples.
    pub count: u64,
    /// Median.
    pub p50_ns: u64,
    /// 99 %.
    pub p99_ns: u64,
    /// 99.9 %.
    pub p99_9_ns: u64,
    /// Largest.
    pub max_ns: u64,
}

/// Buckets of the latency density in one decade.
pub const HEAT_PER_DECADE: u16 = 10;

/// The density bucket of a latency: `floor(10 · log10(ns))`, and 0 for less than 1 ns.
#[must_use]
pub fn heat_bucket(ns: u64) -> u16 {
    let position = num::f64_of(ns.max(1)).log10() * f64::from(HEAT_PER_DECADE);
    num::low16(num::u64_floor(position + 1e-9))
}

/// The lower edge of a density bucket.
#[must_use]
pub fn heat_floor_ns(bucket: u16) -> f64 {
    10_f64.powf(f64::from(bucket) / f64::from(HEAT_PER_DECADE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_lies_in_its_density_bucket() {
        for ns in [1, 2, 9, 10, 99, 100, 1_000, 123_456, 1_000_000, 3_600_000_000_000] {
            let bucket = heat_bucket(ns);
            let value = num::f64_of(ns);
            assert!(heat_floor_ns(bucket) <= value * (1.0 + 1e-9), "{ns}");
            assert!(value < heat_floor_ns(bucket + 1) * (1.0 + 1e-9), "{ns}");
        }
        assert_eq!(heat_bucket(0), 0);
    }
}
