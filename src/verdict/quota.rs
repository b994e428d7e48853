//! What a quota of the cluster does to a figure: a run that it held back measured the quota, not the bus.

use crate::num::show;
use crate::plan::{Metric, Objective, Op, Outcome, Throughput, Timing};
use crate::record::quota::{Side, held_ns};
use crate::record::{PhaseName, Record};

use super::validity::Unfit;

/// Rule of an objective that a quota may have made miss its limit.
pub const QUOTA: &str = "quota";

/// The quota that held clients of these sides back within the measure phase.
fn held_back(record: &Record, sides: &[(Side, &str)]) -> Option<Unfit> {
    let phase = record.phase(PhaseName::Measure)?;
    let length = show::time(phase.end_ns.saturating_sub(phase.start_ns));
    sides.iter().map(|&(side, who)| (held_ns(record, side), who)).find(|&(held, _)| held > 0).map(|(held, who)| {
        Unfit::new(
            QUOTA,
            format!(
                "the cluster's quota held the {who} back for {} of {length}: the figures are the quota's, not the bus's",
                show::time(held)
            ),
            "raise the quota of this user or client on the cluster, or lower load.rate below it",
        )
    })
}

const PRODUCER: (Side, &str) = (Side::Producer, "producer");
const CONSUMER: (Side, &str) = (Side::Consumer, "consumer");

/// The quota, whomever it held back.
pub(super) fn any(record: &Record) -> Option<Unfit> {
    held_back(record, &[PRODUCER, CONSUMER])
}

/// The quota, where it can have made a figure miss its limit: it only lengthens times, and lowers rates.
pub(super) fn excuse(record: &Record, objective: &Objective) -> Option<Unfit> {
    let at_most = !matches!(objective.op, Op::AtLeast | Op::Above);
    match objective.metric {
        Metric::Time(Timing::Latency, _)
        | Metric::Count(Outcome::Backlog)
        | Metric::Unavailable(_)
        | Metric::Recovery(_)
            if at_most =>
        {
            any(record)
        }
        Metric::Throughput(Throughput::Delivered) if !at_most => any(record),
        Metric::Time(Timing::Ack | Timing::Service, _)
        | Metric::Count(
            Outcome::Unsent | Outcome::Unconfirmed | Outcome::Refused | Outcome::GaveUp | Outcome::Resent,
        ) if at_most => held_back(record, &[PRODUCER]),
        Metric::Throughput(Throughput::Offered) => None,
        Metric::Throughput(_) if !at_most => held_back(record, &[PRODUCER]),
        _ => None,
    }
}
