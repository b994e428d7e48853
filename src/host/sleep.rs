//! Sleeping until an absolute time of the run's clock, as exactly as the kernel allows.

use std::marker::PhantomData;
use std::num::NonZeroU64;

use rustix::io::Errno;
use rustix::thread::{ClockId, clock_nanosleep_absolute, set_current_timer_slack};

use super::clock::Clock;
use crate::plan::{Ns, Pacing};

/// Length of the spin before a deadline with `Pacing::Spin`; longer than most late wake-ups of a healthy machine.
const SPIN_NS: u64 = 60_000;

/// Sleeps on the thread that created it.
///
/// Creation sets the thread's timer slack to 1 ns: by default the kernel may wake a thread 50 µs late to save a timer
/// interrupt. It therefore stays on its thread.
#[derive(Debug)]
pub struct Sleeper {
    clock: Clock,
    spin_ns: u64,
    on_this_thread: PhantomData<*const ()>,
}

impl Sleeper {
    /// Prepares the calling thread.
    #[must_use]
    pub fn new(clock: Clock, pacing: Pacing) -> Self {
        // A sandbox may forbid this; then wake-ups are later, which the send lag and the hiccup meter show.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        let spin_ns = match pacing {
            Pacing::Sleep => 0,
            Pacing::Spin => SPIN_NS,
        };
        Self { clock, spin_ns, on_this_thread: PhantomData }
    }

    /// Time before a deadline at which it stops sleeping and spins.
    #[must_use]
    pub const fn spin_ns(&self) -> u64 {
        self.spin_ns
    }

    /// Sleeps until `at` and returns the current time. Never returns early; returns at once for a time in the past.
    #[expect(clippy::must_use_candidate, reason = "it is called for the wait; the time is a convenience")]
    pub fn sleep_until(&self, at: Ns) -> Ns {
        let wake = at.saturating_sub(self.spin_ns);
        if self.clock.now() < wake {
            let deadline = self.clock.deadline(wake);
            while clock_nanosleep_absolute(ClockId::Monotonic, &deadline) == Err(Errno::INTR) {}
        }
        loop {
            let now = self.clock.now();
            if now >= at {
                return now;
            }
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_early_and_at_once_when_late() {
        let clock = Clock::start();
        for pacing in [Pacing::Sleep, Pacing::Spin] {
            let sleeper = Sleeper::new(clock, pacing);
            for step in [0, 1, 10_000, 300_000] {
                let at = clock.now() + step;
                assert!(sleeper.sleep_until(at) >= at);
            }
            assert!(sleeper.sleep_until(0) > 0, "a time that is past returns");
        }
    }

    #[test]
    fn the_thread_has_a_timer_slack_of_one_nanosecond() {
        let _sleeper = Sleeper::new(Clock::start(), Pacing::Sleep);
        assert_eq!(rustix::thread::current_timer_slack(), Ok(1));
    }
}
