//! Runs as the supervisor of a server on which losses of power are emulated.

use std::process::ExitCode;

use super::Failure;
use super::args::SupervisePower;
use crate::broker::{BrokerError, Watched, end_like, supervise};

/// Runs the server, and ends as it has ended.
pub(super) fn run(args: SupervisePower) -> Result<ExitCode, Failure> {
    let SupervisePower { store, power, writeback, command } = args;
    let ended = supervise(&Watched { store, power, writeback, command });
    let status = ended.map_err(|source| {
        let doing = "supervise the server, which the emulated loss of power needs".to_owned();
        Failure::environment(&BrokerError::Io { doing, source })
    })?;
    Ok(ExitCode::from(end_like(status)))
}
