//! The objective grammar: text to [`Objective`], with errors that name the legal words.

use super::Objective;

/// Why a line is no objective.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GrammarError {
    /// What was wrong and what to write instead.
    pub message: String,
}

/// Parses `name = requirement`, for example `latency.p99` and `< 100ms`.
///
/// # Errors
/// When the name is no metric or the requirement does not fit it.
pub fn parse(name: &str, requirement: &str) -> Result<Objective, GrammarError> {
    Err(GrammarError { message: format!("{name} {requirement}") })
}
