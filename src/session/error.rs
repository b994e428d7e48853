//! Errors of a run that has no record.

use crate::broker::BrokerError;
use crate::bus::BusError;
use crate::run::RunError;

/// Error of resolving a broker, or of a run that has no record.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The request is wrong or not allowed; the text says what to change.
    #[error("{0}")]
    Asked(String),
    /// This machine has too little memory for the run.
    #[error("{0}")]
    Memory(String),
    /// The broker cannot be started.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The bus cannot be used.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The load could not be started.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The broker's log cannot be created.
    #[error("cannot make a file for the broker's log: {0}")]
    Log(#[source] std::io::Error),
    /// The record cannot be prepared for output.
    #[error("the record cannot be written: {0}")]
    Record(#[from] serde_json::Error),
}

impl SessionError {
    /// Wraps any driver error as a usage error.
    pub(super) fn asked(error: impl std::fmt::Display) -> Self {
        Self::Asked(error.to_string())
    }
}

/// Formats an error with all its causes, in one sentence.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some errors already quote their cause.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
