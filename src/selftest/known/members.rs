//! Known answers of members that crash and come back, and of groups whose members are replaced.

use super::{Answer, Answers, record_of, steady};
use crate::bus::sim::{Delay, Faults};
use crate::plan::{Action, Expect, Plan, Span, Target};
use crate::run::RunError;
use crate::selftest::swarm::fault;

/// A load of 1000 events/s for 20 s, with something done to the members of its group at 5 s.
fn plan(members: u32, action: Action, length: u64) -> Plan {
    let mut plan = steady(1000.0, Span::seconds(20));
    plan.bus.nats.ack_wait = Span::millis(500);
    plan.groups[0].members = members;
    let mut done = fault("members", [5, length, 8].map(Span::seconds));
    let member = (action == Action::CrashMember).then_some(1);
    done.action = action;
    done.target = Some(Target::Group(plan.groups[0].name.clone(), member));
    done.expect = Expect::Service;
    plan.faults = vec![done];
    plan
}

/// A run; redelivered, delivered, lost, and the time without service for the group in ms.
type Case = (&'static str, u32, Action, u64, [u64; 4]);

/// An event takes D = 5.5 ms to a member, and its acknowledgement A = 20.5 ms back. When a member crashes, those of the last A that
/// it had received are not acknowledged, and come again: A × rate, of each member its share. What is under way to it comes for the
/// first time later. A group without another member is away until its own is back, for 2 s; what comes within L = 100 ms of that is in
/// time. Members that end in order have taken and acknowledged everything.
pub(super) fn members() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("members that crash", Vec::new());
    let cases: [Case; 3] = [
        ("the only member crashes", 1, Action::CrashMember, 2, [20, 20_000, 0, 1900]),
        ("one of two crashes", 2, Action::CrashMember, 2, [10, 20_000, 0, 0]),
        ("all are replaced", 2, Action::RestartGroup, 0, [0, 20_000, 0, 0]),
    ];
    for (name, members, action, length, expected) in cases {
        let (downlink, acknowledgement) = (Delay::Fixed(5_500_000), Delay::Fixed(20_500_000));
        let faults = Faults { downlink, acknowledgement, ..Faults::default() };
        let record = record_of(&plan(members, action, length), faults)?;
        let group = &record.groups[0];
        let effect = record.faults.injected.first().and_then(|fault| fault.effect.as_ref());
        let away_ns =
            effect.and_then(|effect| effect.groups.first()).map(|group| group.outage.unavailable_ns);
        let unserved_ms = away_ns.map_or(u64::MAX, |ns| ns / 1_000_000);
        answers.equal(
            &format!("{name}: redelivered, delivered, lost, unavailable to the group in ms"),
            expected,
            [group.redelivered, group.delivered, group.lost, unserved_ms],
        );
    }
    Ok(answers.1)
}
