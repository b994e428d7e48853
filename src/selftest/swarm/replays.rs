//! Draws replays of a plan, the objectives on them, and what the bus does wrong in them.

use super::{Dice, MS};
use crate::bus::sim::{Fault, Faults, Hits, Mishap};
use crate::plan::{Begin, Origin, Plan, Replay, RetryOrder, Span, Speed, grammar};

/// Drawn last, so that the other draws of a seed do not change.
pub(super) fn draw(dice: &mut Dice, plan: &mut Plan, bus: &mut Faults) {
    if !dice.chance(0.4) {
        return;
    }
    let length = plan.load.duration.ns / MS;
    for name in ["a", "b", "c"] {
        if dice.chance(0.4) {
            continue;
        }
        let at = if dice.chance(0.5) {
            Begin::Drain
        } else {
            Begin::During(Span::millis(dice.within(1, length - 1)))
        };
        let end = if let Begin::During(at) = at { at.ns / MS } else { length };
        let from = match dice.within(0, 3) {
            0 => Origin::Start,
            1 => Origin::After(Span::millis(dice.within(0, end - 1))),
            2 => Origin::Sequence(dice.within(1, 3000)),
            // The last of a symbol is known by its sequence only where order is kept.
            _ if plan.bus.retries() && plan.bus.retry_order == RetryOrder::None => Origin::Start,
            _ => Origin::LastPerSymbol,
        };
        let speed = if dice.chance(0.3) { Speed::Original } else { Speed::Max };
        plan.replays.push(Replay { name: name.to_owned(), at, from, speed });
        let limits = [("equal", "== 100%"), ("rate", ">= 100k/s"), ("drift", "<= 10ms")];
        for (figure, limit) in limits {
            plan.objectives.extend(grammar::parse(&format!("replay.{name}.{figure}"), limit));
        }
    }
    bus.replay_pause = dice.pick(&[0, 0, 1000, MS]);
    if dice.chance(0.4) {
        let fault = dice.pick(&[
            Fault::ReplayLost,
            Fault::ReplayTwice,
            Fault::ReplayLate,
            Fault::ReplayCorrupt,
            Fault::ReplayEarly,
        ]);
        bus.mishaps.push(Mishap { fault, hits: Hits::Share(dice.pick(&[0.001, 0.05, 0.5])) });
    }
}
