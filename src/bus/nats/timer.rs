//! A timer that an event loop waits on and that wakes to the microsecond; the loop's own timers tick once a
//! millisecond, which would be most of what is measured here.

use std::io;
use std::os::fd::OwnedFd;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::host::clock::Clock;
use crate::plan::Ns;

/// One deadline at a time, on the run's clock.
pub(super) struct Timer {
    fd: AsyncFd<OwnedFd>,
    clock: Clock,
}

impl Timer {
    /// Makes one; to be called inside the event loop that will wait on it.
    ///
    /// # Errors
    /// When the system grants no further file descriptor.
    pub(super) fn new(clock: Clock) -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(
            unsafe_code,
            reason = "the event loop must know the timer, and tokio has no safe call for that"
        )]
        // SAFETY: the descriptor is owned by the `AsyncFd` from here on, so it stays open while it is registered.
        let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?;
        Ok(Self { fd, clock })
    }

    /// Sets the deadline; one that is past wakes at once.
    ///
    /// # Errors
    /// Never, as far as the kernel's documentation goes.
    pub(super) fn set(&self, at: Ns) -> io::Result<()> {
        // Setting it anew takes back an expiry that nobody has read.
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let when = Itimerspec { it_interval: never, it_value: self.clock.deadline(at) };
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &when)?;
        Ok(())
    }

    /// Waits until the deadline that was set has come.
    pub(super) async fn expired(&self, at: Ns) {
        while self.clock.now() < at {
            match self.fd.readable().await {
                Ok(mut guard) => guard.clear_ready(),
                // The event loop is ending; there is nothing to wait for.
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_wakes_early_and_can_be_set_again() {
        let runtime = super::super::publisher::runtime().expect("an event loop");
        let clock = Clock::start();
        runtime.block_on(async {
            let timer = Timer::new(clock).expect("a timer");
            for step in [2_000_000, 0, 300_000, 10_000] {
                let at = clock.now() + step;
                timer.set(at).expect("set");
                timer.expired(at).await;
                assert!(clock.now() >= at);
            }
        });
    }
}
