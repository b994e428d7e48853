//! Naming of a run's subjects: the profile's names, or private ones that only the run listens to.

use crate::plan::Topology;

/// Naming scheme of a run's subjects and topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    /// The profile's names, `<prefix>.<topic>`: all their listeners receive the run's events.
    #[default]
    Profile,
    /// Private names, `tickgate-<run>.<prefix>.<topic>`: only the run's groups receive its events.
    Private,
}

impl Naming {
    /// Returns the prefix of a run's topics, without the final dot.
    #[must_use]
    pub fn prefix(self, topology: &Topology, run: &str) -> String {
        let before = match self {
            Self::Profile => String::new(),
            Self::Private => own_name(run),
        };
        [before.as_str(), topology.prefix.as_str()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(".")
    }
}

/// Prefix of the name of every object that a run creates on a bus.
pub const OWN: &str = "tickgate-";

/// Returns the prefix of the names of a run's private objects.
#[must_use]
pub fn own_name(run: &str) -> String {
    format!("{OWN}{}", name_part(run))
}

/// Makes a text usable as a part of a name: every character that a bus might not allow becomes `-`.
#[must_use]
pub fn name_part(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' }).collect()
}

/// Returns whether a prefix equals `this` or is below it.
#[must_use]
pub fn lies_below(prefix: &str, this: &str) -> bool {
    prefix.strip_prefix(this).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Pattern;
    use proptest::prelude::*;

    fn topology(prefix: &str) -> Topology {
        Topology {
            name: "t".to_owned(),
            prefix: prefix.to_owned(),
            topics: vec!["a".to_owned()],
            symbol_in_subject: false,
        }
    }

    #[test]
    fn private_names_stand_before_the_profiles_own() {
        let prefix = |naming: Naming, prefix| naming.prefix(&topology(prefix), "r.1");
        assert_eq!(prefix(Naming::Profile, "ai-trader"), "ai-trader");
        assert_eq!(prefix(Naming::Private, "ai-trader"), "tickgate-r-1.ai-trader");
        assert_eq!(
            (prefix(Naming::Profile, ""), prefix(Naming::Private, "")),
            (String::new(), own_name("r.1"))
        );
    }

    #[test]
    fn a_prefix_lies_below_itself_and_its_parents_only() {
        for (prefix, this, below) in [
            ("ai-trader", "ai-trader", true),
            ("ai-trader.test", "ai-trader", true),
            ("ai-trader2", "ai-trader", false),
            ("ai-trader", "ai-trader.test", false),
            ("ai-trader", "ai", false),
        ] {
            assert_eq!(lies_below(prefix, this), below, "{prefix} {this}");
        }
    }

    proptest! {
        /// A listener to subjects that begin with the profile's prefix receives no private one.
        #[test]
        fn a_private_subject_is_never_heard_by_the_profiles_listeners(
            prefix in "[a-z]{1,3}(\\.[a-z]{1,3}){0,2}", topic in "[a-z]{1,3}(\\.[a-z]{1,3}){0,3}",
            run in "[0-9a-z.]{1,8}", tail in "(\\.\\*){0,4}(\\.>)?",
        ) {
            let listens = Pattern::parse(&format!("{prefix}{tail}")).unwrap();
            let subject = |naming: Naming| format!("{}.{topic}", naming.prefix(&topology(&prefix), &run));
            prop_assert!(!listens.matches(&subject(Naming::Private)));
            let all = Pattern::parse(&format!("{prefix}.>")).unwrap();
            prop_assert!(all.matches(&subject(Naming::Profile)));
        }
    }
}
