//! What poison events show of the ADR's consumer groups: an event that a group cannot process goes to `*.dlq`, and blocks nothing.

use super::{Claim, Support};
use crate::num::{self, show};
use crate::record::{Audit, DeadLetters, Record};

/// The claim on dead letters; none for a run without poison events.
pub(super) fn kept(record: &Record) -> Option<Claim> {
    let all: Vec<&DeadLetters> = record.faults.dead_letters.iter().filter(|of| of.poison > 0).collect();
    if all.is_empty() {
        return None;
    }
    let sum = |of: fn(&DeadLetters) -> u64| num::sum(all.iter().map(|group| of(group)));
    let (poison, stored) = (sum(|of| of.poison), sum(|of| of.stored));
    let wrong = [sum(|of| of.missing), sum(|of| of.duplicate), sum(|of| of.unexpected)];
    let known = record.plan.dead_letters() && record.audit.as_ref().is_some_and(Audit::settles_loss);
    let (measured, support) = if known {
        let [missing, duplicate, unexpected] = wrong.map(show::count);
        let measured = format!(
            "{} poison events of {} have {} dead letters: {missing} missing, {duplicate} duplicate, {unexpected} unexpected",
            show::count(poison),
            show::several(num::count(all.len()), "group"),
            show::count(stored),
        );
        (measured, Support::of(wrong == [0; 3]))
    } else {
        (format!("{} poison events, and no account of dead letters", show::count(poison)), Support::NotTested)
    };
    Some(Claim::new("Events that a group cannot process go to its dead letters (`*.dlq`)", measured, support))
}
