//! Types for what runs left on a bus, and the rule that decides whether it may be removed. Drivers find and remove
//! it.

use super::BusError;

/// The characters of a run id.
pub const ID_ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Number of characters in a run id.
pub const ID_LENGTH: usize = 8;

/// Returns whether the text is a valid run id. Only a valid id may appear in a command that an error suggests.
#[must_use]
pub fn is_run_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|byte| ID_ALPHABET.contains(&byte))
}

/// The kind of a leftover's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A NATS stream, with its consumers.
    Stream,
    /// A Kafka topic.
    Topic,
    /// A Kafka consumer group.
    Group,
}

impl Kind {
    /// Returns the kind's name in lower case.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Topic => "topic",
            Self::Group => "group",
        }
    }
}

/// One object on a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its kind.
    pub kind: Kind,
    /// Its name on the bus.
    pub name: String,
}

/// Evidence that tickgate created a leftover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It has both the name and the mark that tickgate gives.
    Ours,
    /// It has the name, but its mark cannot be read, for this reason.
    NameOnly(String),
    /// It has only one of the two, or does not answer; it is left alone, for this reason.
    No(String),
}

/// Everything that one run left on a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The run id, from the mark or the name; empty if neither has one.
    pub run: String,
    /// The run's objects.
    pub parts: Vec<Part>,
    /// Whether tickgate created it.
    pub proof: Proof,
    /// Creation time in nanoseconds since 1970, if the bus reports it.
    pub created: Option<u64>,
    /// Time of the last use: the newest event or delivery.
    pub last_used: Option<u64>,
    /// Time of the observation, by the same clock as the other times if the bus exposes that clock.
    pub now: u64,
    /// Current users: consumers with waiting pull requests, or members of groups.
    pub users: u64,
    /// Number of stored events.
    pub events: u64,
    /// Number of stored bytes, if the bus reports it.
    pub bytes: Option<u64>,
    /// Number of consumers or groups.
    pub consumers: u64,
}

/// The verdict on a leftover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has been unused for long enough and may be removed.
    Abandoned,
    /// It is in use.
    Used {
        /// Number of consumers or members.
        users: u64,
    },
    /// Its last use is too recent.
    Young {
        /// Time since the last use, in nanoseconds.
        age_ns: u64,
    },
    /// Its age is unknown.
    Ageless,
    /// It is unknown whether tickgate created it, for this reason.
    Unproven(String),
    /// It is not known to belong to tickgate, for this reason.
    Foreign(String),
}

/// Judges a leftover. It is kept while it is in use and if it was used within `older_than_ns`. If its age is unknown
/// or its mark cannot be read, it may be removed only if its run was `named`.
#[must_use]
pub fn judge(found: &Leftover, older_than_ns: u64, named: bool) -> Standing {
    if let Proof::No(why) = &found.proof {
        return Standing::Foreign(why.clone());
    }
    if found.users > 0 {
        return Standing::Used { users: found.users };
    }
    let age = found.age_ns();
    match (age, &found.proof) {
        (Some(age_ns), _) if age_ns < older_than_ns => Standing::Young { age_ns },
        (_, Proof::NameOnly(why)) if !named => Standing::Unproven(why.clone()),
        (None, _) if !named => Standing::Ageless,
        _ => Standing::Abandoned,
    }
}

impl Leftover {
    /// Returns the time since its last use.
    #[must_use]
    pub fn age_ns(&self) -> Option<u64> {
        self.last_used.map(|at| self.now.saturating_sub(at))
    }
}

/// Finds and removes what runs left on one bus.
pub trait Cleaner {
    /// Returns everything with tickgate's name or mark, sorted by the name of the first part.
    ///
    /// # Errors
    /// When the bus cannot be queried.
    fn find(&mut self) -> Result<Vec<Leftover>, BusError>;

    /// Removes one leftover, which was found and judged just before.
    ///
    /// # Errors
    /// When something could not be removed; the error names it.
    fn remove(&mut self, found: &Leftover) -> Result<(), BusError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000_000;

    fn found() -> Leftover {
        Leftover {
            run: "0f3k2m1a".into(),
            parts: vec![Part { kind: Kind::Stream, name: "tickgate-0f3k2m1a".into() }],
            proof: Proof::Ours,
            created: Some(1),
            last_used: Some(10 * HOUR),
            now: 12 * HOUR,
            users: 0,
            events: 7,
            bytes: Some(7),
            consumers: 1,
        }
    }

    #[test]
    fn only_what_nobody_uses_any_more_may_be_removed() {
        assert_eq!(judge(&found(), HOUR, false), Standing::Abandoned);
        assert_eq!(judge(&found(), 2 * HOUR, false), Standing::Abandoned);
        assert_eq!(judge(&found(), 2 * HOUR + 1, true), Standing::Young { age_ns: 2 * HOUR });
        // A local clock behind the bus's clock does not make anything old.
        let ahead = Leftover { last_used: Some(13 * HOUR), ..found() };
        assert_eq!(judge(&ahead, 1, true), Standing::Young { age_ns: 0 });
        for (older, named) in [(0, true), (0, false), (HOUR, true)] {
            let used = Leftover { users: 2, ..found() };
            assert_eq!(judge(&used, older, named), Standing::Used { users: 2 });
        }
    }

    #[test]
    fn what_has_no_age_or_no_proof_goes_only_by_the_name_of_its_run() {
        let ageless = Leftover { last_used: None, ..found() };
        assert_eq!(judge(&ageless, 0, false), Standing::Ageless);
        assert_eq!(judge(&ageless, HOUR, true), Standing::Abandoned);
        let unproven = Leftover { proof: Proof::NameOnly("no right".into()), ..found() };
        assert_eq!(judge(&unproven, 0, false), Standing::Unproven("no right".into()));
        assert_eq!(judge(&unproven, 0, true), Standing::Abandoned);
        assert_eq!(judge(&unproven, 3 * HOUR, true), Standing::Young { age_ns: 2 * HOUR });
    }

    #[test]
    fn what_is_not_ours_is_left_alone_whatever_is_asked() {
        let foreign = Leftover { proof: Proof::No("no mark".into()), ..found() };
        for named in [false, true] {
            assert_eq!(judge(&foreign, 0, named), Standing::Foreign("no mark".into()));
        }
    }

    #[test]
    fn an_id_has_eight_characters_of_the_alphabet() {
        for id in ["6s99ndrw", "00000000"] {
            assert!(is_run_id(id), "{id}");
        }
        for text in
            ["", "6s99ndr", "6s99ndrw0", "6S99NDRW", "6s99ndri", "6s99 drw", "6s99nd\u{e9}", "$(reboot"]
        {
            assert!(!is_run_id(text), "{text}");
        }
    }
}
