//! Reads the store back: one log from its start, or every copy of it side by side.

use std::time::{Duration, Instant};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::bus::{Bus, BusError, Delivery, Reached, StoreCopies};
use crate::market::RunIdentity;
use crate::measure::{Copies, Held};
use crate::record::Replica;

use super::receiver::{Reading, Stored, read};

/// Positions that are read of one copy before the next one has its turn.
const STRETCH: u64 = 8192;

/// Reads everything that is stored into the account of the store. Returns whether the end was reached: with several copies,
/// that of one of them.
///
/// # Errors
/// When the store cannot be read: with several copies, when none of them can.
pub(super) fn read_back<B: Bus>(
    bus: &mut B,
    within: Duration,
    stored: &mut Stored,
    run: &RunIdentity,
    epoch_unix_ns: u64,
) -> Result<bool, BusError> {
    let began = Instant::now();
    let decoded = |delivery: &Delivery<'_>| read(delivery, run, epoch_unix_ns);
    match bus.copies(within)? {
        Some(copies) => {
            read_copies(bus, &copies, || within.saturating_sub(began.elapsed()), stored, &decoded)
        }
        None => {
            bus.audit(within.saturating_sub(began.elapsed()), &mut |delivery| stored.take(decoded(delivery)))
        }
    }
}

/// A copy that is being read.
struct Progress {
    replica: Replica,
    /// The last position that was read.
    at: u64,
    open: bool,
}

impl Progress {
    fn of(copy: &crate::bus::StoreCopy) -> Self {
        let replica = Replica {
            node: copy.node.clone(),
            read: copy.unread.is_none(),
            why: copy.unread.clone(),
            ..Replica::default()
        };
        Self { replica, at: 0, open: copy.unread.is_none() }
    }

    /// Takes note of how far it was read, and of an end that came too early.
    fn look(&mut self, reached: &Result<Reached, BusError>, last: u64) {
        match reached {
            Ok(Reached::Position) => return,
            Ok(Reached::End) => {
                self.replica.complete = true;
                self.replica.why =
                    (self.at < last).then(|| format!("it ends at position {} of {last}", self.at));
            }
            Ok(Reached::Deadline) => {
                self.replica.why = Some(format!("the deadline passed at position {} of {last}", self.at));
            }
            Err(error) => self.replica.why = Some(error.to_string()),
        }
        self.open = false;
    }
}

fn read_copies<B: Bus>(
    bus: &mut B,
    copies: &StoreCopies,
    left: impl Fn() -> Duration,
    stored: &mut Stored,
    decoded: &impl Fn(&Delivery<'_>) -> Reading,
) -> Result<bool, BusError> {
    let mut merged = Copies::new(copies.of.len());
    let mut all: Vec<Progress> = copies.of.iter().map(Progress::of).collect();
    for (copy, _) in all.iter().enumerate().filter(|(_, progress)| !progress.open) {
        merged.unknown_behind(copy, 0);
    }
    let (mut to, mut failed) = (copies.first.saturating_sub(1), None);
    while all.iter().any(|progress| progress.open) {
        to = to.saturating_add(STRETCH);
        for (copy, progress) in all.iter_mut().enumerate().filter(|(_, progress)| progress.open) {
            let reached = bus.audit_copy(copy, to, left(), &mut |delivery| {
                progress.at = delivery.position.offset;
                let held = Held { position: progress.at, content: digest(delivery), what: decoded(delivery) };
                merged.take(copy, held);
            });
            progress.look(&reached, copies.last);
            if !progress.open && !progress.replica.complete {
                merged.unknown_behind(copy, progress.at);
                failed = failed.or(reached.err());
            }
        }
        merged.merge(to, |reading| stored.take(*reading));
    }
    merged.merge(u64::MAX, |reading| stored.take(*reading));
    for (copy, progress) in all.iter_mut().enumerate() {
        progress.replica.events = merged.events(copy);
    }
    let nothing = all.iter().all(|progress| progress.at == 0 && !progress.replica.complete);
    let complete = all.iter().any(|progress| progress.replica.complete);
    stored.figures.diverged = Some(merged.diverged());
    stored.figures.replicas = all.into_iter().map(|progress| progress.replica).collect();
    match failed {
        Some(error) if nothing => Err(error),
        _ => Ok(complete),
    }
}

/// A digest of an event's subject and payload.
fn digest(delivery: &Delivery<'_>) -> u64 {
    xxh3_64_with_seed(delivery.payload, xxh3_64(delivery.subject.as_bytes()))
}
