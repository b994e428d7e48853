//! The process that removes a container after the process that started it has ended.

use std::io::{Read as _, stdin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::super::BrokerError;
use super::engine::Engine;

/// Maximum time to wait for a container that is still being created, or for an engine that does not answer.
const WITHIN: Duration = Duration::from_secs(5);

/// Runs the reaper: waits for the end of its input, then removes the container with this name.
///
/// Its input is a pipe that only the starting process holds open. Until a line arrives, the container may still be in
/// creation, so the reaper keeps looking for it for a while.
///
/// # Errors
/// When tickgate did not create the container with this name, which is then left alone.
pub fn reap(name: &str) -> Result<(), BrokerError> {
    let ignored = Arc::default();
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        let _ = signal_hook::flag::register(signal, Arc::clone(&ignored));
    }
    let mut told = String::new();
    let _ = stdin().read_to_string(&mut told);
    let deadline = Instant::now() + WITHIN;
    loop {
        match Engine::reach().and_then(|engine| engine.remove(name)) {
            Ok(true) => return Ok(()),
            Ok(false) if !told.is_empty() => return Ok(()),
            Err(error @ BrokerError::NotOurs { .. }) => return Err(error),
            _ if Instant::now() >= deadline => return Ok(()),
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}
