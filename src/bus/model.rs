//! The configuration of an existing stream or topic as a model for those of a run, and a plan with it applied.

use std::fmt::Display;

use super::kafka_model::TopicModel;
use super::nats::model::Model as StreamModel;
use crate::plan::Plan;

/// A configuration that a run copies, or of what it attaches to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Model {
    /// A stream and its consumers.
    Stream(StreamModel),
    /// A topic.
    Topic(TopicModel),
}

/// A plan with a model's configuration, and where the two differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The plan to run.
    pub plan: Plan,
    /// One message for each key of the profile that the model overrides, and each default of the model's source.
    pub differs: Vec<String>,
}

impl Model {
    /// Reads the configuration of a stream and of consumers from files, each with its name and its text. `only` names the
    /// stream to take from a file with several.
    ///
    /// # Errors
    /// When a text holds no such configuration; the message names the file.
    pub fn read(
        stream: Option<(&str, &str)>,
        only: Option<&str>,
        consumers: &[(&str, &str)],
    ) -> Result<Self, String> {
        StreamModel::read(stream, only, consumers).map(Self::Stream)
    }

    /// Returns the source of the configuration.
    #[must_use]
    pub fn of(&self) -> &str {
        match self {
            Self::Stream(model) => &model.of,
            Self::Topic(model) => &model.of,
        }
    }

    /// Returns the model, for a run that uses the very stream or topic or not.
    #[must_use]
    pub fn attached(self, attached: bool) -> Self {
        match self {
            Self::Stream(model) => Self::Stream(StreamModel { attached, ..model }),
            Self::Topic(model) => Self::Topic(TopicModel { attached, ..model }),
        }
    }

    /// Applies this configuration to a plan.
    ///
    /// # Errors
    /// When the plan cannot run on it: the reason, and what to do.
    pub fn applied(&self, plan: &Plan) -> Result<Applied, String> {
        match self {
            Self::Stream(model) => model.applied(plan),
            Self::Topic(model) => model.applied(plan),
        }
    }

    /// Returns the settings that are not copied, as far as they are known without a server.
    #[must_use]
    pub fn not_copied(&self, plan: &Plan) -> Vec<String> {
        match self {
            Self::Stream(model) => model.not_copied(plan),
            Self::Topic(model) => model.copy(plan).left,
        }
    }

    /// Returns warnings about a run with the applied plan.
    #[must_use]
    pub fn warnings(&self, plan: &Plan) -> Vec<String> {
        match self {
            Self::Stream(_) => Vec::new(),
            Self::Topic(model) => model.warnings(plan),
        }
    }

    /// Returns the model of a stream.
    #[must_use]
    pub const fn stream(&self) -> Option<&StreamModel> {
        match self {
            Self::Stream(model) => Some(model),
            Self::Topic(_) => None,
        }
    }

    /// Returns the model of a topic.
    #[must_use]
    pub const fn topic(&self) -> Option<&TopicModel> {
        match self {
            Self::Topic(model) => Some(model),
            Self::Stream(_) => None,
        }
    }
}

/// Records what a model changes in a plan.
pub(super) struct Changes<'a> {
    of: &'a str,
    pub(super) differs: Vec<String>,
}

impl<'a> Changes<'a> {
    pub(super) const fn of(of: &'a str) -> Self {
        Self { of, differs: Vec::new() }
    }

    pub(super) fn set<T: PartialEq + Display>(&mut self, key: &str, into: &mut T, value: T) {
        if *into != value {
            self.differs.push(format!("`{key}` is {into} in the profile, and {value} in {}", self.of));
            *into = value;
        }
    }
}
