//! What the threads of a run share: the calendar, the switches, and nothing that is written per event.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::measure::PublishLedger;
use crate::plan::{Ns, Plan};
use crate::verdict::tightest_limit_ns;

/// From readiness to the first event.
const LEAD_NS: Ns = 50_000_000;

/// When the phases are, in nanoseconds since the run's epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Calendar {
    /// Start of the warm-up.
    pub(super) load_start: Ns,
    /// Start of the measure phase: a whole millisecond of wall time, since event ids hold intended times in
    /// steps of 1/4096 ms and no event may change its phase by that rounding.
    pub(super) measure_start: Ns,
    /// Planned end of the measure phase.
    pub(super) measure_end: Ns,
    /// An event of the measure phase that is delivered by then was delivered in time.
    pub(super) in_time_until: Ns,
    /// Wall time at the epoch.
    pub(super) epoch_unix_ns: u64,
}

impl Calendar {
    /// When the phases of a plan are to be, from `now` on.
    pub(super) fn planned(plan: &Plan, epoch_unix_ns: u64, now: Ns) -> Self {
        const MS: u64 = 1_000_000;
        let earliest = epoch_unix_ns + now + LEAD_NS + plan.load.warmup.ns;
        let measure_start = earliest.div_ceil(MS) * MS - epoch_unix_ns;
        let measure_end = measure_start + plan.load.duration.ns;
        Self {
            load_start: measure_start - plan.load.warmup.ns,
            measure_start,
            measure_end,
            in_time_until: measure_end + tightest_limit_ns(plan),
            epoch_unix_ns,
        }
    }

    /// Is this intended time in the measure phase?
    pub(super) const fn measured(&self, intended: Ns) -> bool {
        self.measure_start <= intended && intended < self.measure_end
    }
}

/// The switches of a run.
#[derive(Debug, Default)]
pub(super) struct Switches {
    /// Set when every group is ready, before the first event is due.
    pub(super) calendar: OnceLock<Calendar>,
    /// Generators: no further slots.
    pub(super) stop_load: AtomicBool,
    /// Generators: give up what is unanswered.
    pub(super) abandon: AtomicBool,
    /// Receivers of a backlog: it is complete, read it.
    pub(super) read_backlog: AtomicBool,
    /// Receivers: end.
    pub(super) stop_receiving: AtomicBool,
    /// Set when every answer is in: what was published, for the receivers to count what is missing.
    pub(super) published: OnceLock<Arc<PublishLedger>>,
    /// Set by a generator that panics.
    pub(super) died: AtomicBool,
}

impl Switches {
    pub(super) fn on(switch: &AtomicBool) -> bool {
        switch.load(Ordering::Relaxed)
    }

    pub(super) fn turn_on(switch: &AtomicBool) {
        switch.store(true, Ordering::Relaxed);
    }
}

/// What a group tells the engine while it receives.
#[derive(Debug)]
pub(super) struct GroupSignals {
    /// Bit t: a readiness event of topic t was received.
    pub(super) ready: AtomicU32,
    /// Confirmed events that are not delivered yet; `u64::MAX` until that is known.
    pub(super) missing: AtomicU64,
    /// Deliveries of any kind so far, brought up to date after each batch.
    pub(super) deliveries: AtomicU64,
}

impl Default for GroupSignals {
    fn default() -> Self {
        Self { ready: AtomicU32::new(0), missing: AtomicU64::new(u64::MAX), deliveries: AtomicU64::new(0) }
    }
}
