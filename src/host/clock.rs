//! The run's clock: monotonic nanoseconds since an epoch, anchored to wall time once.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::plan::Ns;

/// A cheap, copyable clock; all times of a run come from copies of one.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: Instant,
    unix_ns_at_epoch: u64,
}

impl Clock {
    /// Starts a clock: its epoch is now.
    #[must_use]
    pub fn start() -> Self {
        let epoch = Instant::now();
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { epoch, unix_ns_at_epoch: u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX) }
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub fn now(&self) -> Ns {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Wall time at the epoch, nanoseconds since 1970.
    #[must_use]
    pub const fn unix_ns_at_epoch(&self) -> u64 {
        self.unix_ns_at_epoch
    }

    /// How far the wall clock has moved against the monotonic one since the epoch, in nanoseconds:
    /// about 0 unless somebody stepped it.
    #[must_use]
    pub fn wall_drift_ns(&self) -> i64 {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let wall = u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX);
        crate::num::difference(wall, self.unix_ns_at_epoch.saturating_add(self.now()))
    }
}
