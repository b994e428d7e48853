//! What a member that crashed left open, and how the others took it over.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::num::show;

/// The deliveries that a crashed member had received and not acknowledged, and those that came to its group again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Takeover {
    /// Events that it had received and not acknowledged.
    pub open: u64,
    /// Events that it had acknowledged so shortly before that the broker may not have read it: each may come again or not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub in_doubt: u64,
    /// Open events that came to the group again.
    pub redelivered: u64,
    /// Open events that did not.
    pub missing: u64,
    /// Events that came again before the fault had to be settled, and were neither open nor in doubt.
    pub unexpected: u64,
    /// From its last delivery to the first open event that came again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_ns: Option<u64>,
    /// From its last delivery to the last open event that came again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_ns: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Takeover {
    /// Returns whether exactly the open events were redelivered.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.missing == 0 && self.unexpected == 0
    }

    /// In words: `120 events open, all 120 delivered again after 1.71s to 2.01s`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let events = |n: u64| format!("{} {}", show::count(n), if n == 1 { "event" } else { "events" });
        let again = match (self.redelivered, self.first_ns, self.last_ns) {
            (_, Some(first), Some(last)) => {
                let all = if self.missing == 0 { "all " } else { "" };
                let (again, first, last) =
                    (show::count(self.redelivered), show::time(first), show::time(last));
                format!(", {all}{again} delivered again after {first} to {last}")
            }
            _ => String::new(),
        };
        let part =
            |n: u64, what: &str| if n == 0 { String::new() } else { format!(", {} {what}", events(n)) };
        format!(
            "{} open{again}{}{}{}",
            events(self.open),
            part(self.missing, "not delivered again"),
            part(self.unexpected, "delivered again that were not open"),
            part(self.in_doubt, "in doubt"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_takeover_in_words() {
        let all = Takeover {
            open: 120,
            redelivered: 120,
            first_ns: Some(1_710_000_000),
            last_ns: Some(2_010_000_000),
            ..Takeover::default()
        };
        assert_eq!(all.in_words(), "120 events open, all 120 delivered again after 1.71s to 2.01s");
        assert!(all.is_exact());
        let wrong = Takeover { open: 3, redelivered: 2, missing: 1, unexpected: 4, in_doubt: 5, ..all };
        assert_eq!(
            wrong.in_words(),
            "3 events open, 2 delivered again after 1.71s to 2.01s, 1 event not delivered again, 4 events delivered again \
             that were not open, 5 events in doubt"
        );
        assert!(!wrong.is_exact());
        assert_eq!(Takeover::default().in_words(), "0 events open");
    }
}
