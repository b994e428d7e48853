//! The names of a run: its id, and the tag of its events.

use crate::bus::leftover::{ID_ALPHABET, ID_LENGTH};
use crate::market::RunIdentity;
use crate::num;
use crate::plan::Plan;

/// A run's id and event tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Eight characters, lower case: unique among the runs of a team.
    pub id: String,
    /// 12 bits, in every event id of the run.
    pub tag: u16,
}

impl Identity {
    /// The identity that follows from 64 random bits.
    #[must_use]
    pub fn from_random(random: u64) -> Self {
        let id = (0..ID_LENGTH)
            .map(|at| char::from(ID_ALPHABET[crate::num::index((random >> (at * 5)) & 31)]))
            .collect();
        Self { id, tag: crate::num::low16((random >> 40) & 0xfff) }
    }

    /// A new identity from the operating system's randomness.
    #[must_use]
    pub fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        Self::from_random(RandomState::new().hash_one(std::process::id()))
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self::new()
    }
}

/// What makes an event one of this run.
pub(super) fn run_identity(plan: &Plan, run_tag: u16, from_unix_ns: u64) -> RunIdentity {
    // An hour more than the plan needs: provisioning, drain and audit have deadlines far below it.
    let length = plan.load.warmup.ns + plan.load.duration.ns + plan.load.drain.ns + 3_600_000_000_000;
    RunIdentity {
        run_tag,
        topics: num::count32(plan.topology.topics.len()),
        symbols: plan.market.symbols,
        from_unix_ns,
        until_unix_ns: from_unix_ns.saturating_add(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_safe_and_differ() {
        let (a, b) = (Identity::new(), Identity::new());
        assert_ne!(a.id, b.id);
        assert!(crate::bus::leftover::is_run_id(&a.id), "{}", a.id);
        assert!(a.tag < 4096);
        assert_eq!(Identity::from_random(7), Identity::from_random(7));
    }
}
