//! What a seed does to members: one crashes and comes back, or all of a group are replaced. Drawn last, so that the other draws of a
//! seed do not change.

use super::{Dice, MS, fault};
use crate::bus::sim::{Absence, Delay, Faults, Stretch};
use crate::plan::{AckMode, Action, Expect, Ns, Plan, Span, Target};

/// Faults of members in plans that have no others; nothing comes again where nothing is acknowledged.
pub(super) fn draw(dice: &mut Dice, plan: &mut Plan, bus: &mut Faults) {
    if !plan.faults.is_empty() || plan.bus.ack == AckMode::None || !dice.chance(0.25) {
        return;
    }
    if dice.chance(0.5) {
        bus.acknowledgement = Delay::Fixed(dice.pick(&[0, MS, 20 * MS, 150 * MS]));
    }
    let length = plan.load.duration.ns / MS;
    let mut from = 0;
    for name in ["first", "second"] {
        if length.saturating_sub(from) < 100 {
            continue;
        }
        let at = dice.within(from + 1, from + (length - from) / 2);
        let group = dice.pick(&plan.groups);
        let crashes = dice.chance(0.7);
        let lasts = if crashes { dice.within(1, (length - at) / 3 + 1) } else { 0 };
        let settle = dice.within(1, (length - at).saturating_sub(lasts).max(1));
        from = at + lasts + settle;
        let member = crashes.then(|| dice.within32(1, group.members));
        let mut drawn = fault(name, [at, lasts, settle].map(Span::millis));
        drawn.action = if crashes { Action::CrashMember } else { Action::RestartGroup };
        drawn.target = Some(Target::Group(group.name, member));
        drawn.expect = Expect::Service;
        plan.faults.push(drawn);
    }
}

/// A member of a plan that is gone within these times.
pub(in crate::selftest) fn draw_absence(dice: &mut Dice, plan: &Plan, (from, until): (Ns, Ns)) -> Absence {
    let group = usize::from(plan.groups.len() > 1 && dice.chance(0.5));
    let members = plan.groups.get(group).map_or(1, |group| group.members);
    let begin = dice.within(from, until - MS);
    let time = Stretch { from: begin, length: dice.within(MS, until - begin) };
    Absence { group, member: dice.within32(0, members - 1), time }
}
