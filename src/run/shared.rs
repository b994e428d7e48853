//! State shared by the threads of a run: the calendar and the switches; nothing here is written per event.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::takeover::Crash;
use crate::measure::PublishLedger;
use crate::plan::{Ns, Plan};
use crate::verdict::tightest_limit_ns;

/// From readiness to the first event.
const LEAD_NS: Ns = 50_000_000;

/// The times of the phases, in nanoseconds since the run's epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Calendar {
    /// Start of the warm-up.
    pub(super) load_start: Ns,
    /// Start of the measure phase: a whole millisecond of wall time, since event ids hold intended times in
    /// steps of 1/4096 ms and that rounding must not move an event to another phase.
    pub(super) measure_start: Ns,
    /// Planned end of the measure phase.
    pub(super) measure_end: Ns,
    /// An event of the measure phase is delivered in time if it is delivered by then.
    pub(super) in_time_until: Ns,
    /// Wall time at the epoch.
    pub(super) epoch_unix_ns: u64,
}

impl Calendar {
    /// The phases of a plan when the load is prepared at `now`.
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
    /// Generators: send nothing further.
    pub(super) stop_load: AtomicBool,
    /// Generators: give up the unanswered events.
    pub(super) abandon: AtomicBool,
    /// Receivers of a backlog: it is complete, start to read.
    pub(super) read_backlog: AtomicBool,
    /// Receivers: end.
    pub(super) stop_receiving: AtomicBool,
    /// Set when every answer is in: the ledger by which the receivers count what is missing.
    pub(super) published: OnceLock<Arc<PublishLedger>>,
    /// Set by a panicking generator.
    pub(super) died: AtomicBool,
    /// Bit n: what the n-th replay of the plan returns is fixed, and what is sent from now on is not part of it.
    pub(super) opened: AtomicU32,
}

impl Switches {
    pub(super) fn on(switch: &AtomicBool) -> bool {
        switch.load(Ordering::Relaxed)
    }

    pub(super) fn turn_on(switch: &AtomicBool) {
        switch.store(true, Ordering::Relaxed);
    }
}

/// A group's signals to the engine while it receives.
#[derive(Debug)]
pub(super) struct GroupSignals {
    /// Bit t: a readiness event of topic t was received.
    pub(super) ready: AtomicU32,
    /// Confirmed events that are not delivered yet; `u64::MAX` until that is known.
    pub(super) missing: AtomicU64,
    /// Deliveries of any kind so far, updated after each batch.
    pub(super) deliveries: AtomicU64,
    /// Poison events that came so far.
    pub(super) refused: AtomicU64,
    /// Members that have crashed, in their order.
    crashes: Mutex<Vec<Crash>>,
}

impl GroupSignals {
    pub(super) fn note_crash(&self, crash: Crash) {
        self.crashes.lock().unwrap_or_else(PoisonError::into_inner).push(crash);
    }

    pub(super) fn take_crashes(&self) -> Vec<Crash> {
        std::mem::take(&mut self.crashes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for GroupSignals {
    fn default() -> Self {
        Self {
            ready: AtomicU32::new(0),
            missing: AtomicU64::new(u64::MAX),
            deliveries: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            crashes: Mutex::default(),
        }
    }
}
