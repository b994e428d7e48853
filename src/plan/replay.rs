//! Replays: what a run reads of its events again, as a consumer that exists for nothing else, to compare it with what was
//! published.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Plan, Span};

/// A replay of the run's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Unique name: letters, digits and `-`.
    pub name: String,
    /// When it begins.
    pub at: Begin,
    /// Where it begins.
    pub from: Origin,
    /// How fast events are handed out.
    #[serde(default)]
    pub speed: Speed,
}

/// When a replay begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// After the drain: the load is over, and every event has its answer.
    Drain,
    /// This long after the start of the measure phase, while the load goes on. It ends where the store ended then.
    During(Span),
}

/// Where a replay begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// At the first event.
    Start,
    /// At the first event stored at or after a time, counted from the start of the measure phase.
    After(Span),
    /// At a position of the store: the stream sequence on NATS, the offset in each partition on Kafka.
    Sequence(u64),
    /// At nothing but the last event of each symbol of each topic.
    LastPerSymbol,
}

/// How fast a replay hands events out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Speed {
    /// As fast as they are read.
    #[default]
    Max,
    /// With the pauses with which they were stored.
    Original,
}

impl Begin {
    const DRAIN: &str = "drain";
    /// What a profile may say.
    pub const EXPECTED: &str = "\"drain\", or a time after the start of the measure phase such as \"30s\"";
}

impl Origin {
    const START: &str = "start";
    const LAST: &str = "last-per-symbol";
    const SEQUENCE: &str = "seq";
    /// What a profile may say.
    pub const EXPECTED: &str = "\"start\", a time after the start of the measure phase such as \"10s\", \"seq 1000\" or \"last-per-symbol\"";
}

impl Replay {
    /// Does it begin while the load goes on?
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self.at, Begin::During(_))
    }

    /// Where, when and how fast: `from start, at drain, max speed`.
    #[must_use]
    pub fn in_words(&self) -> String {
        format!("from {}, at {}, {} speed", self.from, self.at, self.speed)
    }
}

impl Plan {
    /// The replay of this name.
    #[must_use]
    pub fn replay(&self, name: &str) -> Option<&Replay> {
        self.replays.iter().find(|replay| replay.name == name)
    }
}

impl fmt::Display for Begin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drain => f.write_str(Self::DRAIN),
            Self::During(after) => after.fmt(f),
        }
    }
}

impl FromStr for Begin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == Self::DRAIN {
            return Ok(Self::Drain);
        }
        text.parse().map(Self::During).map_err(|_| Self::EXPECTED.to_owned())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str(Self::START),
            Self::After(time) => time.fmt(f),
            Self::Sequence(sequence) => write!(f, "{} {sequence}", Self::SEQUENCE),
            Self::LastPerSymbol => f.write_str(Self::LAST),
        }
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |rest: &str| {
            let digits = rest.starts_with(' ') && rest.trim().bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| rest.trim().parse().ok()).flatten()
        };
        match text {
            Self::START => Ok(Self::Start),
            Self::LAST => Ok(Self::LastPerSymbol),
            _ => text
                .strip_prefix(Self::SEQUENCE)
                .and_then(number)
                .map(Self::Sequence)
                .or_else(|| text.parse().ok().map(Self::After))
                .ok_or_else(|| Self::EXPECTED.to_owned()),
        }
    }
}

macro_rules! as_text {
    ($type:ty, $what:literal) => {
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                text.parse().map_err(|expected| {
                    serde::de::Error::custom(format!("`{text}` is not right; expected {expected}"))
                })
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                concat!("Replay", stringify!($type)).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $what })
            }
        }
    };
}

as_text!(Begin, "`drain`, or a time after the start of the measure phase.");
as_text!(
    Origin,
    "`start`, a time after the start of the measure phase, `seq` and a position of the store, or `last-per-symbol`."
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_replay_come_back() {
        for word in ["start", "10s", "seq 1000", "last-per-symbol", "0s"] {
            assert_eq!(word.parse::<Origin>().unwrap().to_string(), word);
        }
        for word in ["drain", "30s"] {
            assert_eq!(word.parse::<Begin>().unwrap().to_string(), word);
        }
        for word in [
            "",
            "seq",
            "seq1000",
            "seq -1",
            "seq 1 2",
            "sequence 5",
            "beginning",
            "-1s",
            "seq 99999999999999999999",
        ] {
            assert_eq!(word.parse::<Origin>(), Err(Origin::EXPECTED.to_owned()), "{word}");
        }
        assert!("start".parse::<Begin>().is_err());
    }

    #[test]
    fn a_replay_is_written_in_the_words_of_a_profile() {
        let replay = Replay {
            name: "late".into(),
            at: Begin::During(Span::seconds(30)),
            from: Origin::Sequence(7),
            speed: Speed::Max,
        };
        let text = serde_json::to_string(&replay).unwrap();
        assert_eq!(text, r#"{"name":"late","at":"30s","from":"seq 7","speed":"max"}"#);
        assert_eq!(serde_json::from_str::<Replay>(&text).unwrap(), replay);
        let wrong = serde_json::from_str::<Replay>(&text.replace("seq 7", "seven")).unwrap_err();
        assert!(wrong.to_string().contains("`seven` is not right; expected \"start\""), "{wrong}");
        assert_eq!(replay.in_words(), "from seq 7, at 30s, max speed");
    }
}
