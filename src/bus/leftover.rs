//! What runs left on a bus, and whether it may be removed: the types and the rule. Drivers find it and remove it.

use super::BusError;

/// The characters of a run's id.
pub const ID_ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// How many of them a run's id has.
pub const ID_LENGTH: usize = 8;

/// Is it a valid run id? Only a valid id may appear in a command that an error suggests.
#[must_use]
pub fn is_run_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|byte| ID_ALPHABET.contains(&byte))
}

/// What a part of a leftover is on its bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A stream of NATS, with its consumers.
    Stream,
    /// A topic of Kafka.
    Topic,
    /// A consumer group of Kafka.
    Group,
}

impl Kind {
    /// Its name, in lower case.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Topic => "topic",
            Self::Group => "group",
        }
    }
}

/// One thing on a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: Kind,
    /// Its name, in the words of the bus.
    pub name: String,
}

/// Did tickgate make it?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It has both the name and the mark that tickgate gives.
    Ours,
    /// It has the name, and whether it has the mark cannot be read, for this reason.
    NameOnly(String),
    /// It has only one of the two, or does not answer: it is left alone, for this reason.
    No(String),
}

/// What one run left on a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The run's id, by mark or name; empty where there is none.
    pub run: String,
    /// What there is.
    pub parts: Vec<Part>,
    /// Whether tickgate made it.
    pub proof: Proof,
    /// When it was made, in nanoseconds since 1970, where the bus says so.
    pub created: Option<u64>,
    /// When it was used last, by the newest event or delivery.
    pub last_used: Option<u64>,
    /// The time of the look, by the clock that the other times come from where the bus shows it.
    pub now: u64,
    /// Current users: consumers with waiting pull requests, members of groups.
    pub users: u64,
    /// Events that it holds.
    pub events: u64,
    /// Bytes that it holds, where the bus says so.
    pub bytes: Option<u64>,
    /// Consumers, or groups.
    pub consumers: u64,
}

/// What may become of a leftover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has used it for long enough: it may be removed.
    Abandoned,
    /// So many use it now.
    Used {
        /// Consumers or members.
        users: u64,
    },
    /// It was used this many nanoseconds ago, which is not long enough.
    Young {
        /// The age of the last use.
        age_ns: u64,
    },
    /// Its age is not known.
    Ageless,
    /// Whether tickgate made it is not known, for this reason.
    Unproven(String),
    /// It is not known to be tickgate's, for this reason.
    Foreign(String),
}

/// Judges a leftover: whoever uses it now keeps it, and so does a use within `older_than_ns`. Of what has no age, or no proof
/// that can be read, only the run that was `named` may be removed.
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
    /// How long ago it was used.
    #[must_use]
    pub fn age_ns(&self) -> Option<u64> {
        self.last_used.map(|at| self.now.saturating_sub(at))
    }
}

/// Finds and removes what runs left on one bus.
pub trait Cleaner {
    /// Everything with tickgate's name or mark, sorted by the name of its first part.
    ///
    /// # Errors
    /// When the bus cannot be asked.
    fn find(&mut self) -> Result<Vec<Leftover>, BusError>;

    /// Removes one leftover. It was found a moment ago, and judged.
    ///
    /// # Errors
    /// Names what is still there.
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
        // A clock that is behind the bus's makes nothing old.
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
