//! Is there time for what comes again after a member crashed?

use crate::plan::{Action, Plan, Span};

/// What a member leaves open comes again `ack_wait` later: after the load, the run may not wait that long.
pub(super) fn regret(plan: &Plan) -> Option<String> {
    let judged = plan.objectives.iter().any(|objective| objective.metric.of_takeovers());
    let wait = plan.bus.nats.ack_wait;
    let again = |at: Span| Span { ns: at.ns.saturating_add(wait.ns) };
    let mut crashes = plan.faults.iter().filter(|fault| fault.action == Action::CrashMember);
    let late = crashes.find(|fault| judged && again(fault.at) >= plan.load.duration)?;
    Some(format!(
        "what the member leaves open at the fault `{}` comes again at {}, and the load ends at {}: the objectives on it may count it as \
         missing; give `bus.nats.ack_wait` less than {wait}, or `load.duration` more",
        late.name,
        again(late.at),
        plan.load.duration
    ))
}
