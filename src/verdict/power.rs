//! Times of a run whose servers were supervised to emulate losses of power: each of their syncs takes longer, so they are not judged.

use super::validity::Unfit;
use crate::plan::{Metric, Objective, Timing};
use crate::record::Record;

/// Rule of an objective on a time that the supervision of the servers makes longer.
pub(super) const SUPERVISED: &str = "power-supervised";

/// Why an objective on the times of the bus cannot be judged.
pub(super) fn unjudged(record: &Record, objective: &Objective) -> Option<Unfit> {
    let Metric::Time(Timing::Latency | Timing::Ack | Timing::Service, _) = objective.metric else {
        return None;
    };
    record.broker.power.as_ref()?;
    Some(Unfit::new(
        SUPERVISED,
        "the servers ran below a supervisor that emulates losses of power, which makes each of their syncs longer: the times are not those \
         of the bus",
        "judge times in a run without `power-loss` and without `cluster.power`",
    ))
}
