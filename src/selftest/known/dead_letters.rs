//! Known answers of events that a group cannot process: every one of them is delivered as often as the limit says, has one dead letter,
//! and delays nothing.

use super::{Answer, Answers, record_of, steady};
use crate::bus::sim::Faults;
use crate::plan::{Action, Expect, Plan, Poison, Refuse, Share, Span, Target};
use crate::run::RunError;
use crate::selftest::swarm::fault;
use crate::topology::dead_letter_topic;

/// A load of 1000 events/s for 10 s, of which the group refuses all that are due from 2 s to 4 s; another group gets the dead letters.
fn plan(how: Refuse, most: i64) -> Plan {
    let mut plan = steady(1000.0, Span::seconds(10));
    let topic = dead_letter_topic(&plan.groups[0].name);
    let mut letters = plan.groups[0].clone();
    (letters.name, letters.subscribe) = ("letters".into(), vec![topic.clone()]);
    plan.groups[0].subscribe = vec!["market.>".into()];
    plan.groups.push(letters);
    plan.topology.topics.push(topic);
    (plan.bus.nats.max_deliver, plan.bus.nats.dead_letter) = (most, true);
    let mut poison = fault("poison", [2, 2, 1].map(Span::seconds));
    (poison.action, poison.expect) = (Action::Poison, Expect::Service);
    poison.target = Some(Target::Group(plan.groups[0].name.clone(), None));
    poison.poison = Some(Poison { share: Share { of_one: 1.0 }, how });
    plan.faults = vec![poison];
    plan
}

/// 2000 events are refused, each of them as often as it is delivered.
pub(super) fn poison() -> Result<Vec<Answer>, RunError> {
    let mut answers = Answers("poison events", Vec::new());
    for (name, how, most, deliveries) in [
        ("negative acknowledgements", Refuse::Nak, 3, 3),
        ("a single delivery", Refuse::Nak, 1, 1),
        ("no acknowledgements", Refuse::Silent, 3, 3),
        ("termination", Refuse::Term, 3, 1),
    ] {
        let record = record_of(&plan(how, most), Faults::default())?;
        let of = record.faults.dead_letters.first().cloned().unwrap_or_default();
        answers.equal(
            &format!("{name}: poison events, dead letters, missing, duplicate, unexpected, received"),
            [2000, 2000, 0, 0, 0, 2000],
            [of.poison, of.stored, of.missing, of.duplicate, of.unexpected, of.received],
        );
        let group = &record.groups[0];
        answers.equal(
            &format!("{name}: refused, delivered, redelivered, lost"),
            [deliveries * 2000, 10_000, (deliveries - 1) * 2000, 0],
            [of.refused, group.delivered, group.redelivered, group.lost],
        );
        let worst = group.latency.max_ns;
        answers.equal(
            &format!("{name}: the largest latency is that of a run without them"),
            0,
            worst / 1_000_000,
        );
    }
    Ok(answers.1)
}
