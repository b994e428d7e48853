//! Objectives on what comes again after a member crashed: is there such a crash?

use super::super::section::Reader;
use super::super::tree::Entry;
use crate::plan::{Action, Fault, Objective, Plan, When};

/// Holds an objective on what comes again against the faults of the plan.
pub(super) fn check(objective: &Objective, entry: &Entry, reader: &mut Reader, plan: &Plan) {
    if !objective.metric.of_takeovers() || !reader.sound(&["faults"]) {
        return;
    }
    let when = &objective.scope.when;
    let known = |name: &String| plan.faults.iter().any(|fault| fault.name == *name);
    let concerned = |fault: &&Fault| match when {
        When::Fault(name) => fault.name == *name,
        _ => true,
    };
    let crash = plan.faults.iter().filter(concerned).any(|fault| fault.action == Action::CrashMember);
    if !crash {
        let why = match when {
            // A name that no fault has is another mistake.
            When::Fault(name) if !known(name) => return,
            When::Fault(name) => format!("the fault `{name}` is another"),
            _ => "the profile has none".to_owned(),
        };
        let metric = objective.metric;
        reader.wrong(entry.key_at, || {
            format!(
                "`{metric}` counts what comes again after a `crash-member`, and {why}; expected such a fault, or no such objective"
            )
        });
    }
}
