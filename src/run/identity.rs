//! The identity of a run: its id, the tag of its events, and the tags of its record.

use std::collections::BTreeMap;

use crate::bus::leftover::{ID_ALPHABET, ID_LENGTH};
use crate::market::RunIdentity;
use crate::plan::Plan;

/// A run's id, event tag and tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Eight lower-case characters, unique among the runs of a team.
    pub id: String,
    /// 12 bits, part of every event id of the run.
    pub tag: u16,
    /// Tags of the run for its record; the bus does not see them.
    pub tags: BTreeMap<String, String>,
}

impl Identity {
    /// Derives an identity from 64 random bits.
    #[must_use]
    pub fn from_random(random: u64) -> Self {
        let id = (0..ID_LENGTH)
            .map(|at| char::from(ID_ALPHABET[crate::num::index((random >> (at * 5)) & 31)]))
            .collect();
        Self { id, tag: crate::num::low16((random >> 40) & 0xfff), tags: BTreeMap::new() }
    }

    /// Draws an identity from the operating system's random numbers.
    #[must_use]
    pub fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        Self::from_random(RandomState::new().hash_one(std::process::id()))
    }

    /// The same identity with these tags.
    #[must_use]
    pub fn tagged(self, tags: BTreeMap<String, String>) -> Self {
        Self { tags, ..self }
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self::new()
    }
}

/// The fields by which an event is recognised as one of this run.
pub(super) fn run_identity(plan: &Plan, run_tag: u16, from_unix_ns: u64) -> RunIdentity {
    const HOUR_NS: u64 = 3_600_000_000_000;
    // An hour longer than the plan: provisioning, drain and audit have deadlines far below that.
    let length = plan.load.total().ns.saturating_add(HOUR_NS);
    RunIdentity::new(plan, run_tag, from_unix_ns, from_unix_ns.saturating_add(length))
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
