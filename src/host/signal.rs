//! Ctrl-C and SIGTERM: the first ends the phase, the second stops at once, the third kills the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Counts interrupts; copies share the count.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    level: Arc<AtomicU8>,
}

impl Interrupt {
    /// Handles SIGINT and SIGTERM until the process ends.
    ///
    /// # Errors
    /// When the system refuses the handler or its thread.
    pub fn install() -> io::Result<Self> {
        let interrupt = Self::default();
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let counted = interrupt.clone();
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                if counted.level() >= 2 {
                    let _ = signal_hook::low_level::emulate_default_handler(signal);
                }
                counted.raise();
            }
        })?;
        Ok(interrupt)
    }

    /// 0: no interrupt; 1: end the phase and report; 2: stop at once.
    #[must_use]
    pub fn level(&self) -> u8 {
        self.level.load(Ordering::Relaxed)
    }

    /// Counts one more interrupt, as a signal does.
    pub fn raise(&self) {
        let _ =
            self.level.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |level| Some((level + 1).min(2)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_request_is_the_last_level_and_copies_share_it() {
        let interrupt = Interrupt::default();
        let copy = interrupt.clone();
        assert_eq!(interrupt.level(), 0);
        copy.raise();
        assert_eq!(interrupt.level(), 1);
        copy.raise();
        copy.raise();
        assert_eq!(interrupt.level(), 2);
    }
}
