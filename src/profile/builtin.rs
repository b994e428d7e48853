//! The profiles that are shipped in the binary.

use super::{Source, read};

const ALL: [(&str, &str); 14] = [
    ("quick", include_str!("../../profiles/quick.toml")),
    ("adr-002", include_str!("../../profiles/adr-002.toml")),
    ("ci-gate", include_str!("../../profiles/ci-gate.toml")),
    ("cluster", include_str!("../../profiles/cluster.toml")),
    ("failover", include_str!("../../profiles/failover.toml")),
    ("rolling-restart", include_str!("../../profiles/rolling-restart.toml")),
    ("partition", include_str!("../../profiles/partition.toml")),
    ("rolling-upgrade", include_str!("../../profiles/rolling-upgrade.toml")),
    ("replay", include_str!("../../profiles/replay.toml")),
    ("dead-letter", include_str!("../../profiles/dead-letter.toml")),
    ("durability", include_str!("../../profiles/durability.toml")),
    ("market-open", include_str!("../../profiles/market-open.toml")),
    ("soak", include_str!("../../profiles/soak.toml")),
    ("soak-faults", include_str!("../../profiles/soak-faults.toml")),
];

/// The names, in the order in which they are shown.
#[must_use]
pub fn names() -> [&'static str; 14] {
    ALL.map(|(name, _)| name)
}

/// The text of a shipped profile.
#[must_use]
pub fn get(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Every name with the one-sentence description that the profile gives of itself.
#[must_use]
pub fn descriptions() -> Vec<(&'static str, String)> {
    let description =
        |text: &str, name: &str| read(&Source::new(name, text), &[]).map(|plan| plan.description);
    ALL.iter().map(|(name, text)| (*name, description(text, name).unwrap_or_default())).collect()
}
