//! The run's clock: monotonic nanoseconds since an epoch, anchored to wall time once.
//!
//! It reads `CLOCK_MONOTONIC` itself, so that its times are also absolute deadlines for the kernel, to the nanosecond.

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::num;
use crate::plan::Ns;

/// Number of readings of both clocks; the closest pair is the anchor.
const ANCHORS: usize = 8;

/// A copyable clock; all times of a run come from copies of one clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// `CLOCK_MONOTONIC` at the epoch, nanoseconds.
    epoch_ns: u64,
    unix_ns_at_epoch: u64,
}

impl Clock {
    /// Starts a clock with its epoch at the current time.
    ///
    /// The wall clock is read between two readings of the monotonic one, several times; the closest pair counts, so that a
    /// preemption between the readings does not shift the whole run.
    #[must_use]
    pub fn start() -> Self {
        let read = || {
            let before = nanoseconds(clock_gettime(ClockId::Monotonic));
            let wall = nanoseconds(clock_gettime(ClockId::Realtime));
            let after = nanoseconds(clock_gettime(ClockId::Monotonic));
            (after - before, before.midpoint(after), wall)
        };
        let (_, epoch_ns, unix_ns_at_epoch) = (1..ANCHORS).fold(read(), |best, _| best.min(read()));
        Self { epoch_ns, unix_ns_at_epoch }
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub fn now(&self) -> Ns {
        nanoseconds(clock_gettime(ClockId::Monotonic)).saturating_sub(self.epoch_ns)
    }

    /// Wall time at the epoch, nanoseconds since 1970.
    #[must_use]
    pub const fn unix_ns_at_epoch(&self) -> u64 {
        self.unix_ns_at_epoch
    }

    /// Drift of the wall clock against the monotonic one since the epoch, in nanoseconds; about 0 unless the wall clock was
    /// stepped.
    #[must_use]
    pub fn wall_drift_ns(&self) -> i64 {
        let now = Self::start();
        let expected = self.unix_ns_at_epoch.saturating_add(now.epoch_ns.saturating_sub(self.epoch_ns));
        num::difference(now.unix_ns_at_epoch, expected)
    }

    /// Converts a time of this clock to a deadline on `CLOCK_MONOTONIC`.
    #[must_use]
    pub fn deadline(&self, at: Ns) -> Timespec {
        let ns = self.epoch_ns.saturating_add(at);
        let seconds = i64::try_from(ns / 1_000_000_000).unwrap_or(i64::MAX);
        Timespec { tv_sec: seconds, tv_nsec: i64::from(num::low32(ns % 1_000_000_000)) }
    }
}

/// CPU time that the calling thread has used, in nanoseconds.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ThreadCPUTime))
}

/// Converts a kernel time to nanoseconds; times before 1970 (or boot) become 0.
fn nanoseconds(time: Timespec) -> u64 {
    let part = |n: i64| u64::try_from(n).unwrap_or(0);
    part(time.tv_sec).saturating_mul(1_000_000_000).saturating_add(part(time.tv_nsec))
}

/// Formats a wall time as RFC 3339 in UTC, to the millisecond: `2026-01-02T03:04:05.678Z`.
#[must_use]
pub fn utc(unix_ns: u64) -> String {
    let ms = unix_ns / 1_000_000 * 1_000_000;
    time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms))
        .ok()
        .and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_the_same_instant_to_the_nanosecond() {
        let clock = Clock { epoch_ns: 1_999_999_999, unix_ns_at_epoch: 0 };
        for at in [0, 1, 2, 999_999_999, 1_000_000_000, 86_400_000_000_001] {
            assert_eq!(nanoseconds(clock.deadline(at)), 1_999_999_999 + at);
        }
        assert!(clock.deadline(u64::MAX).tv_sec > 0);
    }

    #[test]
    fn time_goes_forward_and_agrees_with_the_wall_clock() {
        let clock = Clock::start();
        let (first, second) = (clock.now(), clock.now());
        assert!(first <= second);
        assert!(clock.unix_ns_at_epoch() > 1_700_000_000_000_000_000);
        assert!(clock.wall_drift_ns().abs() < 1_000_000_000, "nobody steps the clock here");
    }
}
