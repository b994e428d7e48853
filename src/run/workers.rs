//! Drives the steps of generators and receivers on OS threads, in real time.

use std::sync::Arc;
use std::sync::mpsc::{Receiver as Inbox, RecvTimeoutError, Sender};
use std::time::Duration;

use crate::bus::{BusError, Delivery, Member, Publisher};
use crate::host::clock::Clock;
use crate::host::sleep::Sleeper;
use crate::market::RunIdentity;
use crate::measure::Merger;
use crate::plan::{Ns, Pacing};

use super::dead_letters::DeadLetterTopics;
use super::generator::{Generated, Generator};
use super::poison::Refusals;
use super::receiver::{Reading, Received, Receiver, read_any};
use super::rows::{Report, next_second_start, second_of};
use super::shared::Switches;

/// The longest sleep of a generator: the interval at which answers are read and switches checked.
const LONGEST_SLEEP_NS: Ns = 10_000_000;
/// Interval at which answers are read while events wait for room in the window, or after the last event.
const BUSY_SLEEP_NS: Ns = 200_000;
/// Most late events sent in a row before answers are read.
const BURST: u32 = 64;
/// Limit on the readings of several members held back until their order is certain.
const HELD_BACK: usize = 1 << 20;
/// Interval at which a member that lets a backlog grow checks whether it is complete.
const HOLD: Duration = Duration::from_millis(2);
/// The longest wait of a member for an event.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// Detects when a second has passed.
struct Seconds {
    load_start: Ns,
    next: Ns,
}

impl Seconds {
    const fn new(load_start: Ns) -> Self {
        Self { load_start, next: load_start + 1_000_000_000 }
    }

    /// The number of the second that ended, if one did since the last call.
    fn ended(&mut self, now: Ns) -> Option<u64> {
        if now < self.next {
            return None;
        }
        let ended = second_of(self.next, self.load_start) - 1;
        self.next = next_second_start(now, self.load_start);
        Some(ended)
    }

    /// The number of the current second.
    fn current(&self) -> u64 {
        second_of(self.next, self.load_start) - 1
    }
}

/// Paces a generator to the end of its schedule, then waits for its answers.
pub(super) fn generate<P: Publisher>(
    mut generator: Generator<P>,
    clock: Clock,
    pacing: Pacing,
    index: usize,
    load_start: Ns,
    switches: &Switches,
    reports: &Sender<Report>,
) -> Generated {
    let sleeper = Sleeper::new(clock, pacing);
    let mut seconds = Seconds::new(load_start);
    let report = |generator: &mut Generator<P>, second, until| {
        let report = Box::new(generator.take_interval(until));
        // The engine may be gone already; then the report is not needed.
        let _ = reports.send(Report::Generator { generator: index, second, report });
    };
    let mut fired = 0;
    let mut now = clock.now();
    while let Some(due) = generator.due() {
        if Switches::on(&switches.stop_load) {
            // Events due by now belong to the load: send them, up to one burst, since a generator that kept
            // pace never has more.
            while fired < BURST && generator.due().is_some_and(|due| due <= now) {
                generator.fire(now, || clock.now());
                fired += 1;
            }
            generator.skip_until(now);
            break;
        }
        generator.end_by(now);
        if now >= due && fired < BURST && generator.admits() {
            now = generator.fire(now, || clock.now());
            fired += 1;
            continue;
        }
        fired = 0;
        generator.absorb();
        if let Some(second) = seconds.ended(now) {
            report(&mut generator, second, now);
        }
        let longest =
            if generator.waiting() || !generator.admits() { BUSY_SLEEP_NS } else { LONGEST_SLEEP_NS };
        // Sleep until the next event is due, or for the longest sleep while the window is full.
        let until = if generator.admits() { due.min(now + longest) } else { now + longest };
        generator.wait(until, &sleeper);
        now = clock.now();
    }
    loop {
        generator.absorb();
        let now = clock.now();
        if let Some(second) = seconds.ended(now) {
            report(&mut generator, second, now);
        }
        if generator.in_flight() == 0 {
            break;
        }
        if Switches::on(&switches.abandon) {
            generator.abandon();
            break;
        }
        generator.wait(now + BUSY_SLEEP_NS, &sleeper);
    }
    report(&mut generator, seconds.current(), Ns::MAX);
    generator.finish()
}

/// The inputs of a member's thread.
#[derive(Clone)]
pub(super) struct MemberContext {
    pub(super) clock: Clock,
    pub(super) run: RunIdentity,
    pub(super) switches: Arc<Switches>,
    pub(super) reports: Sender<Report>,
    pub(super) group: usize,
    /// Receive nothing from the first event on until the load is over.
    pub(super) backlog: bool,
    /// Events that the members refuse.
    pub(super) refusals: Refusals,
    /// How dead letters are told apart, where the plan has some.
    pub(super) dead_letters: Option<Arc<DeadLetterTopics>>,
}

impl MemberContext {
    /// Is the backlog still growing? Sleeps for a moment if so.
    fn holds_back(&self, member: &mut impl Member) -> bool {
        let holds = self.backlog
            && self.switches.calendar.get().is_some()
            && !Switches::on(&self.switches.read_backlog);
        if holds {
            member.hold();
            std::thread::sleep(HOLD);
        }
        holds
    }

    fn seconds(&self) -> Option<Seconds> {
        self.switches.calendar.get().map(|calendar| Seconds::new(calendar.load_start))
    }

    fn send_report(&self, receiver: &mut Receiver, second: u64, until: Ns) {
        let report = Box::new(receiver.take_report(until));
        let _ = self.reports.send(Report::Group { second, group: self.group, report });
    }

    fn read(&self, delivery: &Delivery<'_>) -> Reading {
        read_any(delivery, &self.run, self.clock.unix_ns_at_epoch(), self.dead_letters.as_deref())
    }

    /// Receives for a member, and refuses what it cannot process.
    fn receive(&self, member: &mut impl Member, mut take: impl FnMut(Reading)) -> Result<usize, BusError> {
        if self.refusals.is_empty() {
            return member.receive(LONGEST_WAIT, &mut |delivery| take(self.read(delivery)));
        }
        let calendar = self.switches.calendar.get();
        member.receive_or_refuse(LONGEST_WAIT, &mut |delivery| {
            let reading = self.read(delivery);
            let handling = self.refusals.handling(calendar, reading.event());
            take(reading);
            handling
        })
    }
}

/// Receives for a group with a single member, all on one thread.
pub(super) fn receive_alone<M: Member>(
    mut member: M,
    mut receiver: Receiver,
    context: &MemberContext,
) -> (Received, Option<BusError>) {
    let mut seconds = None;
    let mut failed = None;
    while !Switches::on(&context.switches.stop_receiving) {
        if context.holds_back(&mut member) {
            continue;
        }
        match context.receive(&mut member, |reading| receiver.take(reading)) {
            Ok(_) => {}
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
        tick(&mut receiver, &mut seconds, context, Ns::MAX);
    }
    finish(receiver, seconds.as_ref(), context, failed)
}

/// Reports a second that has ended; readings before `until` may still be entered.
fn tick(receiver: &mut Receiver, seconds: &mut Option<Seconds>, context: &MemberContext, until: Ns) {
    receiver.signal();
    if seconds.is_none() {
        *seconds = context.seconds();
    }
    let now = context.clock.now();
    if let Some(second) = seconds.as_mut().and_then(|seconds| seconds.ended(now)) {
        context.send_report(receiver, second, until.min(now));
    }
}

fn finish(
    mut receiver: Receiver,
    seconds: Option<&Seconds>,
    context: &MemberContext,
    failed: Option<BusError>,
) -> (Received, Option<BusError>) {
    receiver.signal();
    if let Some(seconds) = seconds {
        context.send_report(&mut receiver, seconds.current(), Ns::MAX);
    }
    (receiver.finish(), failed)
}

/// A message of one of several members to its group: readings in receive order, and the time up to which it has
/// received.
pub(super) struct Batch {
    member: usize,
    readings: Vec<Reading>,
    until: Ns,
}

/// One member's ends of the channels: to its group, and for the emptied lists that come back to be filled
/// again.
///
/// When the member ends, even by a panic, the group learns that nothing more comes from it: otherwise it would
/// hold back the others' readings forever.
pub(super) struct ToGroup {
    pub(super) member: usize,
    pub(super) batches: Sender<Batch>,
    pub(super) emptied: Inbox<Vec<Reading>>,
}

impl Drop for ToGroup {
    fn drop(&mut self) {
        let last = Batch { member: self.member, readings: Vec::new(), until: Ns::MAX };
        let _ = self.batches.send(last);
    }
}

/// Receives for one of several members: reads on its own thread and leaves the ledger to the group's thread.
pub(super) fn receive_as_member<M: Member>(
    mut member: M,
    context: &MemberContext,
    to_group: &ToGroup,
) -> Option<BusError> {
    let mut failed = None;
    while failed.is_none() && !Switches::on(&context.switches.stop_receiving) {
        if context.holds_back(&mut member) {
            continue;
        }
        let mut readings = to_group.emptied.try_recv().unwrap_or_default();
        // Later events are received later, so this is how far the member has got even if nothing arrives.
        let idle_until = context.clock.now();
        failed = context.receive(&mut member, |reading| readings.push(reading)).err();
        let until = readings.last().map_or(idle_until, |last| last.received);
        let batch = Batch { member: to_group.member, readings, until };
        if to_group.batches.send(batch).is_err() {
            break;
        }
    }
    failed
}

/// Keeps the ledger of a group with several members: enters their readings in the order of the receive times,
/// and returns the emptied lists to each (`emptied`, by member).
pub(super) fn receive_together(
    mut receiver: Receiver,
    context: &MemberContext,
    from_members: &Inbox<Batch>,
    emptied: &[Sender<Vec<Reading>>],
) -> (Received, Option<BusError>) {
    let mut merger = Merger::new(emptied.len(), HELD_BACK);
    let mut seconds = None;
    loop {
        match from_members.recv_timeout(LONGEST_WAIT) {
            Ok(Batch { member, mut readings, until }) => {
                merger.push(member, readings.drain(..).map(|reading| (reading.received, reading)), until);
                if until == Ns::MAX {
                    merger.close(member);
                } else if let Some(emptied) = emptied.get(member) {
                    // A member that has ended needs none.
                    let _ = emptied.send(readings);
                }
                merger.release(|_, _, reading| receiver.take(reading));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        tick(&mut receiver, &mut seconds, context, merger.frontier());
    }
    finish(receiver, seconds.as_ref(), context, None)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::bus::Position;
    use crate::profile::{self, Source};
    use crate::topology::TopicSet;

    /// Hands over the given number of foreign events, one at a time, then ends in its way.
    struct Scripted {
        events: u64,
        end: fn() -> BusError,
        clock: Clock,
    }

    impl Member for Scripted {
        fn receive(&mut self, _: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<usize, BusError> {
            self.events = self.events.checked_sub(1).ok_or_else(self.end)?;
            let position = Position { partition: 0, offset: self.events };
            let received = self.clock.now();
            sink(&Delivery { subject: "", payload: b"foreign", received, position, attempt: 1 });
            Ok(1)
        }
    }

    #[test]
    fn a_member_that_panics_does_not_hold_back_what_the_others_received() {
        let plan = profile::read(&Source::find("quick").unwrap(), &[]).unwrap();
        let (switches, clock) = (Arc::<Switches>::default(), Clock::start());
        let subscribed = TopicSet::all(plan.topology.topics.len());
        let receiver = Receiver::new(&plan, 0, subscribed, Arc::default(), Arc::clone(&switches));
        let run = crate::run::identity::run_identity(&plan, 1, clock.unix_ns_at_epoch());
        let reports = channel().0;
        let (refusals, dead_letters) = (Refusals::default(), None);
        let context =
            MemberContext { clock, run, switches, reports, group: 0, backlog: false, refusals, dead_letters };
        let failed = || BusError::Environment { problem: "over".into(), hint: String::new() };
        let ends: [fn() -> BusError; 2] = [|| panic!("as it is meant to"), failed];
        let (batches, from_members) = channel();
        let (mut back, mut threads) = (Vec::new(), Vec::new());
        for (index, end) in ends.into_iter().enumerate() {
            let (give_back, emptied) = channel();
            back.push(give_back);
            let to_group = ToGroup { member: index, batches: batches.clone(), emptied };
            let (member, context) = (Scripted { events: 100, end, clock }, context.clone());
            threads
                .push(std::thread::spawn(move || receive_as_member(member, &context, &to_group).is_some()));
        }
        drop(batches);
        let (account, _) = receive_together(receiver, &context, &from_members, &back);
        let ended: Vec<_> = threads.into_iter().map(|thread| thread.join().ok()).collect();
        assert_eq!((ended, account.foreign), (vec![None, Some(true)], 200));
    }
}
