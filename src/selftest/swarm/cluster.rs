//! What a cluster adds to a seed: elections, changes of leaders, and copies of the store. Drawn last, so that the other draws of a
//! seed do not change.

use super::{Dice, MS};
use crate::bus::sim::{Delay, Election, Faults, LeaderChange, Replica, Stretch};
use crate::plan::{Ns, Plan, grammar};

/// Draws them for a third of the plans each.
pub(super) fn draw(dice: &mut Dice, plan: &mut Plan, bus: &mut Faults) {
    let length = plan.load.sending().ns;
    if dice.chance(0.3) {
        draw_leaders(dice, length, bus);
    }
    if plan.bus.audit && dice.chance(0.3) {
        bus.replicas = draw_replicas(dice, length);
    }
    if !dice.chance(if bus.replicas.is_empty() { 0.05 } else { 0.7 }) {
        return;
    }
    for (name, few) in [("diverged", 100), ("ordering.stored", 10)] {
        let limit = format!("<= {}", dice.pick(&[0, few]));
        plan.objectives.extend(grammar::parse(name, &limit));
    }
}

/// Elections in the load, and leaders of the groups that change with them or by themselves.
pub(in crate::selftest) fn draw_leaders(dice: &mut Dice, length: Ns, bus: &mut Faults) {
    bus.acknowledgement = Delay::Fixed(dice.pick(&[0, MS, 20 * MS, 150 * MS]));
    for _ in 0..dice.within(0, 2) {
        let at = dice.within(0, length);
        let (lasts, later) = (dice.across(MS, 1000 * MS), dice.within(0, 700 * MS));
        let election = Election { at, length: lasts, deliveries_from: at + lasts + later };
        bus.elections.push(election);
        if dice.chance(0.5) {
            bus.leader_changes.push(LeaderChange { at, unacked_again: lasts + later });
        }
    }
    for _ in 0..dice.within(0, 2) {
        let (at, unacked_again) = (dice.within(0, length), dice.within(0, 300 * MS));
        bus.leader_changes.push(LeaderChange { at, unacked_again });
    }
}

/// Copies of which one at least is read.
fn draw_replicas(dice: &mut Dice, length: Ns) -> Vec<Replica> {
    let replica = |dice: &mut Dice| {
        let from = dice.within(0, length);
        let lasts = if dice.chance(0.3) { Ns::MAX / 2 } else { dice.across(MS, 1000 * MS) };
        Replica {
            behind: dice.pick(&[0, 0, MS, 30 * MS, 900 * MS]),
            still: dice.chance(0.4).then_some(Stretch { from, length: lasts }),
            catches_up: dice.chance(0.5),
            away: dice.chance(0.2),
        }
    };
    let mut all: Vec<Replica> = (0..dice.pick(&[2, 3, 5])).map(|_| replica(dice)).collect();
    if let Some(first) = all.first_mut() {
        first.away = false;
    }
    if dice.chance(0.5)
        && let Some(last) = all.last_mut()
    {
        // Most stores have a copy that lacks nothing.
        *last = Replica::default();
    }
    all
}
