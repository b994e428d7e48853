//! What the faults of a run did to it; shown side by side, without statistical tests: an outage of 0 has no ratio.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::{Injection, Record};

/// What a fault that went as planned did to the publishing of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Struck {
    /// The fault's name.
    pub fault: String,
    /// What was done to whom, as in the profile: `kill of stream-leader`.
    pub what: String,
    /// How long nothing was confirmed in time.
    pub unavailable_ns: u64,
    /// The longest stretch of it.
    pub longest_ns: u64,
    /// From the planned start until all was normal again; absent where that was not reached, or is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_ns: Option<u64>,
    /// Events that were due from its planned start until it had to be settled.
    pub due: u64,
    /// Of these, confirmed.
    pub acked: u64,
}

/// The faults of a run that went as planned.
pub(super) fn figures(record: &Record) -> Vec<Struck> {
    let done = record.faults.injected.iter().filter(|fault| fault.outcome == Injection::Done);
    let struck = done.filter_map(|fault| {
        let effect = fault.effect.as_ref()?;
        Some(Struck {
            fault: fault.name.clone(),
            what: format!("{} of {}", fault.action, fault.target),
            unavailable_ns: effect.publishing.unavailable_ns,
            longest_ns: effect.publishing.longest_ns,
            recovery_ns: effect.recovery_ns,
            due: effect.due,
            acked: effect.acked,
        })
    });
    struck.collect()
}
