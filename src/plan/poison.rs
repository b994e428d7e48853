//! Events that a group cannot process: which ones, and how its members refuse them.
//!
//! Which events are poison follows from the event's number and the plan's seed alone, so every member refuses the same event each
//! time, whoever gets it, and the account knows their number without asking a member.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Fault, Ns, Plan, Share, Target};
use crate::num;

/// What a fault `poison` does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Poison {
    /// The share of the group's events that are poison.
    pub share: Share,
    /// How its members refuse them.
    #[serde(default)]
    pub how: Refuse,
}

/// How a member refuses an event that it cannot process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Refuse {
    /// It says so, and the event is delivered again at once.
    #[default]
    Nak,
    /// It says nothing, and the event is delivered again when the time for its acknowledgement is over.
    Silent,
    /// It says that no member can, and the event is not delivered again.
    Term,
}

/// The events that one fault makes poison for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoisonEvents {
    /// Index of the group.
    pub group: usize,
    /// How its members refuse them.
    pub how: Refuse,
    /// The intended times of these events, since the start of the measure phase: from this one…
    pub from: Ns,
    /// … to before this one.
    pub until: Ns,
    /// An event is poison if its number is below.
    below: u64,
    salt: u64,
}

impl PoisonEvents {
    /// The poison events of a plan, in the order of its faults.
    #[must_use]
    pub fn of(plan: &Plan) -> Vec<Self> {
        plan.faults.iter().filter_map(|fault| Self::of_fault(plan, fault)).collect()
    }

    fn of_fault(plan: &Plan, fault: &Fault) -> Option<Self> {
        let (Action::Poison, Some(poison), Some(Target::Group(name, _))) =
            (fault.action, fault.poison, &fault.target)
        else {
            return None;
        };
        let group = plan.groups.iter().position(|group| group.name == *name)?;
        Some(Self {
            group,
            how: poison.how,
            from: fault.at.ns,
            until: fault.undo_at(),
            below: num::u64_of(poison.share.of_one * TWO_TO_53),
            salt: mixed(plan.market.seed ^ mixed(num::count(group) + 1)),
        })
    }

    /// Is this event poison? `since_start` is its intended time since the start of the measure phase.
    #[inline]
    #[must_use]
    pub fn hits(&self, since_start: Ns, topic: usize, symbol: u32, sequence: u32) -> bool {
        if since_start < self.from || self.until <= since_start {
            return false;
        }
        let name = (num::count(topic) << 48) ^ (u64::from(symbol) << 32) ^ u64::from(sequence);
        mixed(self.salt ^ mixed(name)) >> 11 < self.below
    }
}

/// A draw has 53 bits, so that a share of 1 is all of them.
const TWO_TO_53: f64 = 9_007_199_254_740_992.0;

/// The finaliser of `SplitMix64` (Steele, Lea and Flood, 2014): every bit of the result depends on every bit of `x`.
const fn mixed(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Expect, Span};
    use crate::selftest::swarm::base;

    /// The draws of a plan in which `share` of a group's events are poison from 2 s for 3 s.
    fn draws(seed: u64, share: f64) -> Vec<PoisonEvents> {
        let mut plan = base(1);
        plan.market.seed = seed;
        plan.faults = vec![Fault {
            name: "x".into(),
            at: Span::seconds(2),
            action: Action::Poison,
            target: Some(Target::Group(plan.groups[0].name.clone(), None)),
            between: None,
            length: Span::seconds(3),
            settle: Span::seconds(1),
            how: None,
            way: None,
            delay: None,
            jitter: None,
            rate: None,
            poison: Some(Poison { share: Share { of_one: share }, how: Refuse::Term }),
            expect: Expect::Service,
        }];
        PoisonEvents::of(&plan)
    }

    fn count(draw: &PoisonEvents, events: u32) -> usize {
        let of = |n: u32| draw.hits(2_000_000_000, num::index32(n % 7), n % 50, n / 350);
        (0..events).filter(|n| of(*n)).count()
    }

    #[test]
    fn the_share_is_drawn_and_the_same_each_time() {
        let [draw] = draws(1, 0.01)[..] else { panic!("one draw") };
        assert_eq!((draw.group, draw.how), (0, Refuse::Term));
        // 100,000 draws of 1 %: 1,000, with a standard deviation of 31.5.
        let hits = count(&draw, 100_000);
        assert!((850..=1150).contains(&hits), "{hits}");
        assert_eq!(hits, count(&draws(1, 0.01)[0], 100_000));
        assert_eq!(count(&draws(1, 1.0)[0], 1_000), 1_000);
        let other = draws(2, 0.01)[0];
        let both =
            (0..100_000_u32).filter(|n| draw.hits(draw.from, 0, 0, *n) && other.hits(draw.from, 0, 0, *n));
        assert!(both.count() < 40, "another seed draws others");
    }

    #[test]
    fn only_events_of_its_time_are_poison() {
        let draw = draws(1, 1.0)[0];
        let at = |ns: Ns| draw.hits(ns, 0, 0, 0);
        assert_eq!(
            [1_999_999_999, 2_000_000_000, 4_999_999_999, 5_000_000_000].map(at),
            [false, true, true, false]
        );
    }
}
