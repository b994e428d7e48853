//! The pause before a load that the environment has sent somewhere: the user sees where, and can end it.

use std::io::{IsTerminal as _, stdin, stdout};
use std::time::Duration;

use super::{Exit, Failure};
use crate::host::signal::Interrupt;

/// How long target and load are shown.
const SECONDS: u32 = 3;
/// Time between two looks at the interrupt.
const SLICE: Duration = Duration::from_millis(50);

/// Shows these lines for three seconds where a person is at the terminal; elsewhere it returns at once.
///
/// # Errors
/// When the user ends it.
pub(super) fn pause(lines: &[String], interrupt: &Interrupt) -> Result<(), Failure> {
    if stdin().is_terminal() && stdout().is_terminal() {
        for line in lines {
            eprintln!("{line}");
        }
        eprintln!("starting in {SECONDS} s; Ctrl-C ends it, --yes skips this");
        return wait(SLICE * (SECONDS * 20), interrupt);
    }
    Ok(())
}

fn wait(time: Duration, interrupt: &Interrupt) -> Result<(), Failure> {
    let mut left = time;
    while !left.is_zero() && interrupt.level() == 0 {
        std::thread::sleep(SLICE);
        left = left.saturating_sub(SLICE);
    }
    if interrupt.level() == 0 {
        return Ok(());
    }
    let text = "interrupted before the load; nothing was sent".to_owned();
    Err(Failure { exit: Exit::Interrupted, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_ends_it_before_anything_is_sent() {
        let interrupt = Interrupt::default();
        assert!(wait(SLICE, &interrupt).is_ok());
        interrupt.raise();
        let failure = wait(Duration::from_mins(5), &interrupt).unwrap_err();
        assert_eq!(failure.exit.code(), 130);
    }
}
