//! Poison events of a seed, and their dead letters. Drawn last, so that the other draws of a seed do not change.

use super::{Dice, MS, fault};
use crate::plan::{Action, Expect, Plan, Poison, Refuse, Share, Span, Target};
use crate::topology::dead_letter_topic;

/// Draws them for some of the plans without other faults.
pub(super) fn draw(dice: &mut Dice, plan: &mut Plan) {
    let length = plan.load.duration.ns / MS;
    if !plan.faults.is_empty() || !dice.chance(0.15) {
        return;
    }
    let group = plan.groups[0].name.clone();
    plan.topology.topics.push(dead_letter_topic(&group));
    plan.bus.nats.max_deliver = dice.pick(&[1, 2, 5]);
    plan.bus.nats.dead_letter = dice.chance(0.8);
    let at = dice.within(0, length / 2);
    let lasts = dice.within(1, (length - at) / 2);
    let settle = dice.within(1, length - at - lasts);
    let mut poison = fault("poison", [at, lasts, settle].map(Span::millis));
    (poison.action, poison.expect) = (Action::Poison, Expect::Service);
    poison.target = Some(Target::Group(group, None));
    let share = Share { of_one: dice.pick(&[0.01, 0.3, 1.0]) };
    poison.poison = Some(Poison { share, how: dice.pick(&[Refuse::Nak, Refuse::Silent, Refuse::Term]) });
    plan.faults.push(poison);
}
