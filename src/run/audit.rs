//! Reads the store back: one log from its start, or every copy of it side by side.

use std::time::{Duration, Instant};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::bus::{Bus, BusError, Delivery, Reached, StoreCopies, StoreCopy};
use crate::market::RunIdentity;
use crate::measure::{Copies, Held};
use crate::num::show;
use crate::record::Replica;

use super::receiver::{Reading, Stored, read_any};

/// Positions that are read of one copy before the next copy is read.
pub(super) const STRETCH: u64 = 8192;

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
    let topics = stored.topics();
    let decoded = |delivery: &Delivery<'_>| read_any(delivery, run, epoch_unix_ns, topics.as_deref());
    let left = || within.saturating_sub(began.elapsed());
    if let Some(copies) = bus.copies(within)? {
        return read_copies(bus, &copies, left, stored, &decoded);
    }
    let mut first = true;
    bus.audit(left(), &mut |delivery| {
        if std::mem::take(&mut first) {
            stored.begins_at(delivery.position.offset);
        }
        stored.take(decoded(delivery));
    })
}

/// A copy that is being read.
struct Progress {
    replica: Replica,
    /// The last position that was read.
    at: u64,
    open: bool,
}

impl Progress {
    fn new(copy: &StoreCopy) -> Self {
        let replica = Replica {
            node: copy.node.clone(),
            read: copy.unread.is_none(),
            why: copy.unread.clone(),
            ..Replica::default()
        };
        Self { replica, at: 0, open: copy.unread.is_none() }
    }

    /// The position that was read last, and the last one.
    fn of(&self, last: u64) -> String {
        format!("{} of {}", show::count(self.at), show::count(last))
    }

    /// Takes note of how far it was read, and of an end that came too early.
    fn look(&mut self, reached: &Result<Reached, BusError>, last: u64) {
        match reached {
            Ok(Reached::Position) => return,
            Ok(Reached::End) => {
                self.replica.complete = true;
                self.replica.why = (self.at < last).then(|| format!("it ends at position {}", self.of(last)));
            }
            Ok(Reached::Deadline) => {
                self.replica.why = Some(format!("the deadline passed at position {}", self.of(last)));
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
    let mut all: Vec<Progress> = copies.of.iter().map(Progress::new).collect();
    for (copy, _) in all.iter().enumerate().filter(|(_, progress)| !progress.open) {
        merged.unknown_behind(copy, 0);
    }
    stored.begins_at(copies.first);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::sim::{SimMember, SimPublisher};
    use crate::bus::{BusFacts, BusSample, Mark, Position};
    use crate::profile::{self, Source};
    use crate::run::identity::run_identity;

    /// What one copy holds, why it is not read, and the position at which its reader breaks off.
    #[derive(Default)]
    struct Log {
        positions: Vec<u64>,
        unread: Option<&'static str>,
        breaks: Option<u64>,
        read: usize,
    }

    /// A bus that has nothing but the copies of a store.
    #[derive(Default)]
    struct Store {
        facts: BusFacts,
        logs: Vec<Log>,
    }

    fn none() -> BusError {
        BusError::Refused { problem: "the reader broke off".into(), hint: "none".into() }
    }

    impl Bus for Store {
        type Publisher = SimPublisher;
        type Member = SimMember;

        fn facts(&self) -> &BusFacts {
            &self.facts
        }

        fn provision(&mut self) -> Result<(), BusError> {
            Err(none())
        }

        fn publisher(&mut self, _: u32) -> Result<SimPublisher, BusError> {
            Err(none())
        }

        fn member(&mut self, _: usize, _: u32) -> Result<SimMember, BusError> {
            Err(none())
        }

        fn audit(&mut self, _: Duration, _: &mut dyn FnMut(&Delivery<'_>)) -> Result<bool, BusError> {
            Err(none())
        }

        fn copies(&mut self, _: Duration) -> Result<Option<StoreCopies>, BusError> {
            let copy = |(number, log): (usize, &Log)| StoreCopy {
                node: format!("n{}", number + 1),
                unread: log.unread.map(str::to_owned),
            };
            let of = self.logs.iter().enumerate().map(copy).collect();
            let last = self.logs.iter().filter_map(|log| log.positions.last()).max();
            let first = self.logs.iter().filter_map(|log| log.positions.first()).min();
            Ok(Some(StoreCopies { of, first: first.copied().unwrap_or(1), last: last.copied().unwrap_or(0) }))
        }

        fn audit_copy(
            &mut self,
            copy: usize,
            to: u64,
            _: Duration,
            sink: &mut dyn FnMut(&Delivery<'_>),
        ) -> Result<Reached, BusError> {
            let log = &mut self.logs[copy];
            while let Some(&offset) = log.positions.get(log.read) {
                if log.breaks.is_some_and(|at| offset >= at) {
                    return Err(none());
                }
                if offset > to {
                    return Ok(Reached::Position);
                }
                let position = Position { partition: 0, offset };
                let payload = b"not of this run";
                sink(&Delivery { subject: "s", payload, received: offset, position, attempt: 1 });
                log.read += 1;
            }
            Ok(Reached::End)
        }

        fn marks(&mut self, _: &mut Vec<Mark>) {}

        fn observe(&mut self) -> Result<BusSample, BusError> {
            Err(none())
        }

        fn teardown(&mut self) -> Result<(), BusError> {
            Ok(())
        }
    }

    fn log(positions: std::ops::RangeInclusive<u64>) -> Log {
        Log { positions: positions.collect(), ..Log::default() }
    }

    fn read_all(logs: Vec<Log>) -> (Result<bool, BusError>, crate::record::Audit) {
        let plan = profile::read(&Source::find("quick").unwrap(), &[]).unwrap();
        let mut stored = Stored::new(&plan);
        let mut bus = Store { logs, ..Store::default() };
        let identity = run_identity(&plan, 1, 0);
        let result = read_back(&mut bus, Duration::MAX, &mut stored, &identity, 0);
        (result, stored.figures)
    }

    #[test]
    fn what_a_full_stream_has_discarded_is_said() {
        let of = |sets: &[&str], positions| {
            let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
            let plan = profile::read(&Source::find("quick").unwrap(), &sets).unwrap();
            let mut stored = Stored::new(&plan);
            let mut bus = Store { logs: vec![log(positions), Log::default()], ..Store::default() };
            let identity = run_identity(&plan, 1, 0);
            read_back(&mut bus, Duration::MAX, &mut stored, &identity, 0).unwrap();
            stored.figures.discarded
        };
        assert_eq!(of(&["bus.nats.discard=old"], 101..=300), 100);
        assert_eq!(of(&["bus.nats.discard=old"], 1..=300), 0);
        assert_eq!(of(&[], 101..=300), 0, "a stream of a user's may begin anywhere");
    }

    #[test]
    fn a_copy_that_lacks_events_takes_none_from_the_others() {
        let (result, audit) = read_all(vec![log(1..=20_000), log(1..=899), log(1..=20_000)]);
        assert!(result.unwrap());
        assert_eq!((audit.read, audit.diverged), (20_000, Some(19_101)));
        let ends = "it ends at position 899 of 20,000";
        let whys: Vec<_> = audit.replicas.iter().map(|replica| replica.why.as_deref()).collect();
        assert_eq!(whys, [None, Some(ends), None]);
        assert_eq!(audit.replicas.iter().map(|r| r.events).collect::<Vec<_>>(), [20_000, 899, 20_000]);
        assert!(audit.unread().next().is_none());
    }

    #[test]
    fn a_copy_is_compared_as_far_as_it_is_read() {
        let still = Log { unread: Some("its server is offline"), ..log(1..=5) };
        let broken = Log { breaks: Some(10_001), ..log(1..=20_000) };
        let (result, audit) = read_all(vec![log(1..=20_000), still, broken]);
        assert!(result.unwrap(), "one copy was read to its end");
        assert_eq!((audit.read, audit.diverged), (20_000, Some(0)));
        let unread: Vec<_> = audit.unread().map(|r| (r.node.as_str(), r.read, r.events)).collect();
        assert_eq!(unread, [("n2", false, 0), ("n3", true, 10_000)]);
        assert_eq!(audit.why_unread().unwrap().matches("was not read to its end").count(), 2);
    }

    #[test]
    fn it_fails_when_no_copy_can_be_read() {
        let broken = || Log { breaks: Some(1), ..log(1..=5) };
        let (result, audit) = read_all(vec![broken(), broken()]);
        assert!(matches!(result, Err(BusError::Refused { .. })));
        assert_eq!((audit.read, audit.unread().count()), (0, 2));
    }
}
