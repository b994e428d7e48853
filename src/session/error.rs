//! Why there is no record.

use crate::broker::BrokerError;
use crate::bus::BusError;
use crate::run::RunError;

/// Why a choice of broker is none, or a run has no record.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The request is wrong or not allowed: the text says what to change.
    #[error("{0}")]
    Asked(String),
    /// This machine has too little memory for it.
    #[error("{0}")]
    Memory(String),
    /// A broker of our own cannot be started.
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
    /// The record cannot be made fit to be shown.
    #[error("the record cannot be written: {0}")]
    Record(#[from] serde_json::Error),
}

impl SessionError {
    /// A usage error, whatever its kind in the driver.
    pub(super) fn asked(error: impl std::fmt::Display) -> Self {
        Self::Asked(error.to_string())
    }
}

/// An error with all its causes, in one sentence.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some errors quote their cause already.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
