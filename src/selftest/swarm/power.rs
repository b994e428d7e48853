//! What losses of power add to a seed. Drawn last, so that the other draws of a seed do not change.

use super::{Dice, MS};
use crate::bus::sim::{Faults, Forget};
use crate::plan::Plan;

/// Draws up to two of them for a tenth of the plans.
pub(super) fn draw(dice: &mut Dice, plan: &Plan, bus: &mut Faults) {
    if !dice.chance(0.1) {
        return;
    }
    for _ in 0..dice.within(1, 2) {
        let at = dice.within(0, plan.load.sending().ns);
        bus.forgets.push(Forget { at, last: dice.across(MS, 3000 * MS) });
    }
}
