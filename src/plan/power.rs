//! Loss of power, emulated: what of a server's files survives it without a sync.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Plan, Span, UnitError};

/// What of a file survives that the server has not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Writeback {
    /// Nothing.
    Never,
    /// What was first changed this long ago, as the kernel writes it back by itself.
    After(Span),
}

impl Writeback {
    /// What the model of a loss of power is called in a record.
    pub const MODE: &str = "fsync only, directory entries kept";

    /// How long after its first change a file is on the disk, if it is without a sync.
    #[must_use]
    pub const fn after(self) -> Option<Span> {
        match self {
            Self::Never => None,
            Self::After(span) => Some(span),
        }
    }
}

impl Plan {
    /// Do servers of the run lose power?
    #[must_use]
    pub fn loses_power(&self) -> bool {
        self.faults.iter().any(|fault| fault.action == Action::PowerLoss)
    }
}

impl fmt::Display for Writeback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::After(span) => span.fmt(f),
        }
    }
}

impl FromStr for Writeback {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text == "never" { Ok(Self::Never) } else { text.parse().map(Self::After) }
    }
}

impl Serialize for Writeback {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Writeback {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Writeback {
    fn schema_name() -> Cow<'static, str> {
        "Writeback".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "What of a file survives a loss of power that was not synced: `never` for nothing, or what was first changed \
                            this long ago (`30s`).",
            "type": "string"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_its_word() {
        for (text, model) in [("never", Writeback::Never), ("30s", Writeback::After(Span::seconds(30)))] {
            assert_eq!((text.parse(), model.to_string()), (Ok(model), text.to_owned()));
            assert_eq!(serde_json::from_str::<Writeback>(&format!("\"{text}\"")).unwrap(), model);
        }
        assert!("always".parse::<Writeback>().is_err());
    }
}
