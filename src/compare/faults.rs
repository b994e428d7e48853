//! What the faults of a run did to it; shown side by side, without statistical tests: an outage of 0 has no ratio.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::{Effect, Fault, Injection, Record};

/// What a fault did to the publishing of one run; no figures of one that did not go as planned.
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
    /// How it went and why, of a fault that did not go as planned: it has no figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_plan: Option<String>,
}

/// The faults of a run.
pub(super) fn figures(record: &Record) -> Vec<Struck> {
    record.faults.injected.iter().filter_map(struck).collect()
}

/// `None` where a fault went as planned, and the record has no figures of it.
fn struck(fault: &Fault) -> Option<Struck> {
    let named = Struck {
        fault: fault.name.clone(),
        what: format!("{} of {}", fault.action, fault.target),
        ..Struck::default()
    };
    match (fault.outcome, &fault.effect) {
        (Injection::Done, Some(effect)) => Some(with(named, effect)),
        (Injection::Done, None) => None,
        (outcome, _) => {
            let why = fault.reason.as_deref().filter(|why| !why.is_empty());
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            Some(Struck { off_plan: Some(format!("{}{why}", outcome.as_str())), ..named })
        }
    }
}

fn with(named: Struck, effect: &Effect) -> Struck {
    Struck {
        unavailable_ns: effect.publishing.unavailable_ns,
        longest_ns: effect.publishing.longest_ns,
        recovery_ns: effect.recovery_ns,
        due: effect.due,
        acked: effect.acked,
        ..named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_did_not_go_as_planned_has_a_reason_and_no_figures() {
        let fault = |outcome, reason: Option<&str>| Fault {
            name: "leader".into(),
            action: "kill".into(),
            target: "stream-leader".into(),
            outcome,
            reason: reason.map(str::to_owned),
            effect: Some(Effect { due: 9, acked: 8, recovery_ns: Some(7), ..Effect::default() }),
            ..Fault::default()
        };
        let done = struck(&fault(Injection::Done, None)).unwrap();
        assert_eq!((done.due, done.acked, done.recovery_ns, done.off_plan), (9, 8, Some(7), None));
        let skipped = struck(&fault(Injection::Skipped, Some("nobody leads"))).unwrap();
        assert_eq!(skipped.off_plan.as_deref(), Some("skipped: nobody leads"));
        assert_eq!(
            (skipped.what.as_str(), skipped.due, skipped.recovery_ns),
            ("kill of stream-leader", 0, None)
        );
        let dropped = struck(&fault(Injection::Dropped, None)).unwrap();
        assert_eq!(dropped.off_plan.as_deref(), Some("dropped"));
        assert_eq!(struck(&Fault { effect: None, ..fault(Injection::Done, None) }), None);
    }
}
