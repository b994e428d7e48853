//! The process that removes a container when the one that started it has ended.

use std::io::{Read as _, stdin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::super::BrokerError;
use super::engine::Engine;

/// How long it looks for a container that may still be on its way, or for an engine that does not answer.
const WITHIN: Duration = Duration::from_secs(5);

/// The work of a reaper: waits for the end of its input, then removes the container of that name.
///
/// Its input is a pipe that only the process holds open that started it. Before a line has come, the container may still be
/// on its way, so it is looked for a while.
///
/// # Errors
/// When the container of that name is not one that tickgate made under it: it is left alone.
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
