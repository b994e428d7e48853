//! Choices and their words. A choice is written in a profile, a record and a text by the word that serde has for it, so
//! no table beside the type can differ from it.

use std::fmt;

/// A choice among named values.
pub trait Choice: Copy + fmt::Display + 'static {
    /// Every value, in the order in which they are listed.
    const ALL: &'static [Self];

    /// The value of a word.
    #[must_use]
    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.to_string() == word)
    }
}

/// Makes enums choices: lists their values, and displays each by its word of serde.
macro_rules! choices {
    ($($type:ty: $($variant:ident),+;)+) => {$(
        impl $crate::plan::Choice for $type {
            const ALL: &'static [Self] = &[$(Self::$variant),+];
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                // Exhaustive, so that a new value is missing in no list.
                match self {
                    $(Self::$variant)|+ => serde::Serialize::serialize(self, f),
                }
            }
        }
    )+};
}

pub(crate) use choices;

choices! {
    super::Arrival: Constant, Poisson, Ramp, Burst, Steps, Closed;
    super::Spacing: Constant, Poisson;
    super::Consume: Live, Backlog;
    super::Pacing: Sleep, Spin;
    super::Popularity: Uniform, Zipf;
    super::Draw: InOrder, Random;
    super::Padding: Blank, Random;
    super::Delivery: Shared, Partitioned, Pinned;
    super::Storage: File, Memory;
    super::Sync: Default, Always;
    super::Publish: Async, Sync, Fast, Atomic;
    super::RetryOrder: PerSymbol, None;
    super::AckMode: Explicit, All, None;
    super::Compression: None, S2;
    super::Persist: Default, Async;
    super::Discard: New, Old;
    super::Acks: All, Leader, None;
    super::BatchCompression: None, Gzip, Snappy, Lz4;
    super::Action: Kill, Stop, Restart, LameDuck, RollingRestart, RollingUpgrade, StepDown, Partition, Slow, WriteError, PowerLoss,
        CrashMember, RestartGroup, Poison;
    super::Cut: Cut, Hole;
    super::Way: Both, To, From;
    super::Refuse: Nak, Silent, Term;
    super::Expect: Service, Outage;
    super::Linking: Auto, Direct, Proxied;
    super::Speed: Max, Original;
}

impl Choice for super::BusKind {
    const ALL: &'static [Self] = &Self::ALL;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{AckMode, Arrival, BatchCompression, Compression};

    fn words<T: Choice>() -> Vec<String> {
        T::ALL.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_word_is_serdes_and_comes_back() {
        assert_eq!(words::<Arrival>(), ["constant", "poisson", "ramp", "burst", "steps", "closed"]);
        assert_eq!(words::<Compression>(), ["none", "s2"]);
        assert_eq!(words::<BatchCompression>(), ["none", "gzip", "snappy", "lz4"]);
        for &ack in AckMode::ALL {
            assert_eq!(AckMode::of_word(&ack.to_string()), Some(ack));
            assert_eq!(serde_json::to_value(ack).expect("JSON"), ack.to_string());
        }
        assert_eq!(AckMode::of_word("All"), None);
    }
}
