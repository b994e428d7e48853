//! The names of a run: its id, and the tag of its events.

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
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let id =
            (0..8).map(|at| char::from(ALPHABET[crate::num::index((random >> (at * 5)) & 31)])).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_safe_and_differ() {
        let (a, b) = (Identity::new(), Identity::new());
        assert_ne!(a.id, b.id);
        assert_eq!(a.id.len(), 8);
        assert!(a.id.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
        assert!(a.tag < 4096);
        assert_eq!(Identity::from_random(7), Identity::from_random(7));
    }
}
