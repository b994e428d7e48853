//! How a run reads its events again while or after it publishes them: as a consumer that exists for that alone, over a
//! connection of its own, on the thread of its caller.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{BusError, Delivery};
use crate::plan::Ns;

/// Where a replay begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the run's first event.
    First,
    /// At the first event that the store's clock puts at or after this time, in nanoseconds since 1970.
    Since(u64),
    /// At a position, or the first one behind it; in each partition, where there are several.
    Position(u64),
    /// At nothing but the last event of each subject.
    LastOfEach,
}

/// What a replay is to return.
#[derive(Debug, Clone, Copy)]
pub struct Replaying<'a> {
    /// The number of the replay, for the names on the broker.
    pub number: usize,
    /// Where it begins.
    pub from: Start,
    /// Hand events out with the pauses with which they were stored, instead of as fast as they are read.
    pub original: bool,
    /// Return at this time at the latest.
    pub deadline: Ns,
    /// Return soon after it is set.
    pub stop: &'a AtomicBool,
}

impl Replaying<'_> {
    /// Is the time over, or was it asked to stop?
    #[must_use]
    pub fn is_over(&self, now: Ns) -> bool {
        now >= self.deadline || self.stop.load(Ordering::Relaxed)
    }
}

/// Takes what a replay returns.
pub trait ReplaySink {
    /// Its end is fixed: what is stored from now on is not part of it. Called once, before the first event.
    fn opened(&mut self);

    /// An event, in the broker's order, and when it was stored by the broker's clock, in nanoseconds since 1970; 0 where that is
    /// not known.
    fn event(&mut self, delivery: &Delivery<'_>, stored_unix_ns: u64);
}

/// Carries out replays, several at once if need be. Returns whether the end was reached: the event that was last, or the last
/// one of its subject, when the replay began. Leaves nothing on the broker, or what the broker removes by itself once it is
/// unused.
///
/// # Errors
/// When the events cannot be read.
pub type Replayer = Box<dyn Fn(&Replaying<'_>, &mut dyn ReplaySink) -> Result<bool, BusError> + Send + Sync>;
