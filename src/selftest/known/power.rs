//! Known answers of a loss of power: the events stored in the last moments before it are gone.

use super::{Answer, Answers, record_of, steady};
use crate::bus::sim::{Faults, Forget};
use crate::plan::{Ns, Span, grammar};
use crate::record::Verdict;
use crate::run::RunError;

const MS: Ns = 1_000_000;

/// Between two events, after 10 s of a load of 1000 events/s for 20 s whose first event is due at half a millisecond: the last x before
/// it are x × rate, acknowledged or not.
const AT: Ns = 10_000 * MS;

/// What was stored in the last x is gone: x × rate of the acknowledged events are not stored. The group has received them, so they are
/// not lost to it.
pub(super) fn losses() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("loss of power", Vec::new());
    let cases: [(&str, &[Forget], u64); 4] = [
        ("the last 2 s", &[Forget { at: AT, last: 2000 * MS }], 2000),
        ("everything", &[Forget { at: AT, last: Ns::MAX }], 10_000),
        ("nothing", &[Forget { at: AT, last: 0 }], 0),
        (
            "twice the last second",
            &[Forget { at: AT, last: 1000 * MS }, Forget { at: AT + 5000 * MS, last: 1000 * MS }],
            2000,
        ),
    ];
    for (name, losses, expected) in cases {
        let mut plan = steady(1000.0, Span::seconds(20));
        plan.load.warmup = Span::default();
        plan.objectives.extend(grammar::parse("delivery.not_stored", "== 0"));
        let record = record_of(&plan, Faults { forgets: losses.to_vec(), ..Faults::default() })?;
        let Some(audit) = &record.audit else {
            answers.equal(name, "an audit", "none");
            continue;
        };
        let reported = (record.load.acked, audit.missing, audit.read);
        answers.equal(
            &format!("{name}: acked, not stored, read back"),
            (20_000, expected, 20_000 - expected),
            reported,
        );
        let group = &record.groups[0];
        answers.equal(
            &format!("{name}: delivered, lost to the group"),
            (20_000, 0),
            (group.delivered, group.lost),
        );
        let judged = record.objectives.last().map(|objective| objective.verdict);
        let verdict = if expected == 0 { Verdict::Pass } else { Verdict::Fail };
        answers.equal(&format!("{name}: verdict on not stored"), Some(verdict), judged);
    }
    Ok(answers.1)
}
