//! The bytes of an event: the ADR's envelope, a template or sample events of the user's own, and the padding.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The bytes of an event. Without a template and samples it is the ADR's envelope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// JSON text with placeholders, `{"id": "{{eventId}}", "px": {{price}}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Path of a file of sample events, one JSON text a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<String>,
    /// Path of the field of a sample whose text the probe replaces: `meta.id`, or a JSON pointer, `/meta/id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The order in which samples are drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw: Option<Draw>,
    /// Hash of the file of samples (XXH3, 128 bits), so that two runs are known to have had the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Name of the template or of the samples in reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What fills an event up to `market.event_size`; absent where events are not padded, and in a plan of an earlier
    /// version, whose padding is blank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding: Option<Padding>,
    /// The samples themselves. They stay out of the record, since they may be production data: a plan that comes from a
    /// record has none.
    #[serde(skip)]
    pub lines: Lines,
}

/// Sample events, shared by all who hold the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines(pub Arc<[Box<str>]>);

impl Default for Lines {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

/// The order in which samples are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Draw {
    /// As they stand in the file: the events of a symbol go through it line by line, from a line of the symbol's own.
    #[default]
    InOrder,
    /// At random, from the seed.
    Random,
}

/// What fills an event up to `market.event_size`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// White space, which compresses to almost nothing.
    #[default]
    Blank,
    /// Random characters, from the seed: what LZ compression (S2, Snappy, LZ4) cannot shorten.
    Random,
}

/// What events are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// The ADR's envelope.
    Envelope,
    /// A template.
    Template(&'a str),
    /// Sample events.
    Samples(&'a [Box<str>]),
}

impl Payload {
    /// The longest value of a placeholder, but for names of topics.
    const VALUE: usize = 40;
    /// The text of a probe, in quotes.
    const ID: usize = 38;

    /// What events are made of.
    #[must_use]
    pub fn content(&self) -> Content<'_> {
        match (&self.template, &self.samples) {
            (Some(template), _) => Content::Template(template),
            (None, Some(_)) => Content::Samples(&self.lines.0),
            (None, None) => Content::Envelope,
        }
    }

    /// What fills an event up.
    #[must_use]
    pub fn padding(&self) -> Padding {
        self.padding.unwrap_or_default()
    }

    /// No event of a template or of samples has more bytes before it is padded; nothing for the envelope.
    pub(super) fn most_bytes(&self, longest_topic: usize) -> Option<usize> {
        match self.content() {
            Content::Envelope => None,
            Content::Template(text) => {
                Some(text.len() + text.matches("{{").count() * (Self::VALUE + longest_topic))
            }
            Content::Samples(lines) => {
                Some(lines.iter().map(|line| line.len()).max().unwrap_or(0) + Self::ID)
            }
        }
    }

    /// The format of events in a few words, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let name = |kind: &str| match &self.name {
            Some(name) => format!("{kind} {name}"),
            None => kind.to_owned(),
        };
        match self.content() {
            Content::Envelope => "envelope of ADR-002".to_owned(),
            Content::Template(_) => name("template"),
            Content::Samples(_) => name("samples"),
        }
    }
}
