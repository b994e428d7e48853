//! A simulated bus: a deterministic discrete-event simulation behind the interface that every driver implements,
//! which keeps a full account of what it does.
//!
//! In virtual time it serves tests, the selftest and studies: the caller sets the time, and the same seed gives a
//! bit-identical run. In real time it serves demonstrations with the threaded engine. It shares no code with
//! `measure`.

mod absence;
mod agenda;
mod cluster;
mod faults;
mod groups;
mod hits;
mod leading;
mod power;
mod poison;
mod random;
mod replay;
mod retrying;
mod server;
mod slots;
mod truth;
mod world;

pub use absence::{Absence, Restart};
pub use cluster::{Election, LeaderChange, Replica};
pub use faults::{Cut, Death, Delay, Fault, Faults, Hits, How, Mishap, Outage, Stretch};
pub use power::Forget;
pub use random::Random;
pub use replay::PACE_NS;
pub use truth::{
    Arrival, Copy, Delivered, Disturbance, Disturbed, Event, Handed, Handling, Outcome, Replay, Truth,
};
pub use world::Host;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{
    Ack, Bus, BusError, BusFacts, BusSample, Delivery, Handled, Mark, Member, Moved, Outgoing, Position,
    Publisher, Reached, Refused, Replayer, StoreCopies, StoreCopy, Successors,
};
use crate::host::clock::Clock;
use crate::num;
use crate::plan::{Ns, Plan};
use world::{MAX_PAYLOAD, World};

/// Maximum time a member waits for the bell before it checks again.
const NAP: Duration = Duration::from_millis(5);

/// The source of time.
#[derive(Debug, Clone)]
pub enum Time {
    /// The machine's clock.
    Real(Clock),
    /// The value set last.
    Virtual(Arc<AtomicU64>),
}

impl Time {
    /// Returns nanoseconds since the run's epoch.
    #[must_use]
    pub fn now(&self) -> Ns {
        match self {
            Self::Real(clock) => clock.now(),
            Self::Virtual(now) => now.load(Ordering::Relaxed),
        }
    }
}

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    /// Rung when a delivery may have become due earlier.
    bell: Condvar,
    time: Time,
    /// Subjects by topic, without a symbol.
    subjects: Vec<String>,
    /// Names of symbols, if subjects contain them.
    symbols: Option<Vec<String>>,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        if matches!(self.time, Time::Real(_)) {
            self.bell.notify_all();
        }
    }

    /// Returns the subject of an event; built in `into` if it contains a symbol.
    fn subject<'a>(&'a self, topic: u32, symbol: u32, into: &'a mut String) -> &'a str {
        let base = self.subjects.get(num::index32(topic)).map_or("", String::as_str);
        let Some(name) = self.symbols.as_ref().and_then(|names| names.get(num::index32(symbol))) else {
            return base;
        };
        into.clear();
        into.push_str(base);
        into.push('.');
        into.push_str(name);
        into
    }
}

/// Parameters of a simulated bus.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Its properties and faults.
    pub faults: Faults,
    /// Timing faults of the harness's machine.
    pub host: Host,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Origin of the faults' times.
    pub origin: Ns,
}

/// The control side of a simulated bus. Clones share the same bus.
#[derive(Debug, Clone)]
pub struct SimBus {
    shared: Arc<Shared>,
    facts: BusFacts,
}

impl SimBus {
    /// Creates a bus for one run of this plan; `symbols` are the names that appear in subjects.
    #[must_use]
    pub fn new(plan: &Plan, setup: Setup, symbols: &[String], time: Time) -> Self {
        let facts = facts(&setup);
        let mut world = World::new(plan, setup.faults, setup.host, setup.seed, setup.origin);
        world.terms.places_until_taken = matches!(time, Time::Real(_));
        let topology = &plan.topology;
        let shared = Shared {
            world: Mutex::new(world),
            bell: Condvar::new(),
            time,
            subjects: topology.topics.iter().map(|topic| format!("{}.{topic}", topology.prefix)).collect(),
            symbols: topology.symbol_in_subject.then(|| symbols.to_vec()),
        };
        Self { shared: Arc::new(shared), facts }
    }

    /// Returns the time of the next happening; `None` if nothing more will happen by itself.
    #[must_use]
    pub fn next(&self) -> Option<Ns> {
        self.shared.world().next()
    }

    /// Processes everything that happens up to and including this time.
    pub fn advance(&self, now: Ns) {
        self.shared.world().advance(now);
    }

    /// Takes the account of what has happened and leaves an empty one; call it when the run is over.
    #[must_use]
    pub fn truth(&self) -> Truth {
        let mut world = self.shared.world();
        let owed = world.groups.iter().map(|group| group.owed).collect();
        let (clock_offset_ns, replicas) = (world.host.clock_offset_ns, world.held());
        Truth { owed, clock_offset_ns, replicas, ..std::mem::take(&mut world.truth) }
    }

    /// Stops the server immediately (`true`) or resumes it.
    pub fn stop(&self, stop: bool) {
        self.shared.world().stop_server(self.shared.time.now(), stop);
        self.shared.ring();
    }

    /// Cuts every connection for a moment.
    pub fn reconnect(&self) {
        let mut world = self.shared.world();
        let now = self.shared.time.now();
        world.advance(now);
        world.mark(now, false);
        world.disconnect(now);
        world.mark(now, true);
    }

    /// Publishes an event as a foreign client.
    pub fn publish_foreign(&self, topic: u32, payload: &[u8]) {
        let mut world = self.shared.world();
        world.advance(self.shared.time.now());
        let now = world.now;
        world.append_foreign(now, payload, topic, 0);
        drop(world);
        self.shared.ring();
    }

    /// Takes up to `events` events of a group as a consumer that acknowledges none; returns their number.
    #[must_use]
    pub fn take_without_ack(&self, group: usize, events: usize) -> usize {
        self.shared.world().take_without_ack(self.shared.time.now(), group, events)
    }
}

fn facts(setup: &Setup) -> BusFacts {
    let faults = &setup.faults;
    let text = |name: &str, value: String| (name.to_owned(), value);
    BusFacts {
        product: "simulated bus".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        durability: "memory".into(),
        max_payload: num::count(MAX_PAYLOAD),
        settings: vec![
            text("seed", setup.seed.to_string()),
            text("uplink", format!("{:?}", faults.uplink)),
            text("answer", format!("{:?}", faults.answer)),
            text("downlink", format!("{:?}", faults.downlink)),
            text("service", format!("{:?}", faults.service)),
            text("stalls", faults.stalls.len().to_string()),
            text("cuts", faults.cuts.len().to_string()),
            text("mishaps", format!("{:?}", faults.mishaps)),
        ],
        made: None,
    }
}

impl Bus for SimBus {
    type Publisher = SimPublisher;
    type Member = SimMember;

    fn facts(&self) -> &BusFacts {
        &self.facts
    }

    fn provision(&mut self) -> Result<(), BusError> {
        Ok(())
    }

    fn publisher(&mut self, generator: u32) -> Result<SimPublisher, BusError> {
        let mut world = self.shared.world();
        let needed = num::index32(generator) + 1;
        if world.senders.len() < needed {
            world.senders.resize_with(needed, world::Sender::default);
        }
        world.prepare(num::index32(generator));
        drop(world);
        Ok(SimPublisher { shared: Arc::clone(&self.shared), sender: generator })
    }

    fn member(&mut self, group: usize, member: u32) -> Result<SimMember, BusError> {
        self.shared.world().join(self.shared.time.now(), group, member);
        Ok(SimMember { shared: Arc::clone(&self.shared), group, member })
    }

    fn replayer(&self) -> Option<Replayer> {
        let Time::Real(clock) = &self.shared.time else { return None };
        let (bus, epoch_unix_ns) = (self.clone(), clock.unix_ns_at_epoch());
        Some(Box::new(move |wanted, sink| bus.replay(wanted, epoch_unix_ns, sink)))
    }

    fn successors(&self) -> Option<Successors<SimMember>> {
        let bus = self.clone();
        Some(Box::new(move |group, member| bus.clone().member(group, member)))
    }

    fn audit(&mut self, _: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<bool, BusError> {
        let mut world = self.shared.world();
        let received = self.shared.time.now();
        world.advance(received);
        if world.server.stopped.is_some() {
            return Ok(false);
        }
        let mut text = String::new();
        world.read_back(|offset, stored, payload| {
            let subject = self.shared.subject(stored.topic, stored.symbol, &mut text);
            let position = Position { partition: 0, offset };
            sink(&Delivery { subject, payload, received, position, attempt: 1 });
        });
        Ok(true)
    }

    fn copies(&mut self, _: Duration) -> Result<Option<StoreCopies>, BusError> {
        let mut world = self.shared.world();
        world.advance(self.shared.time.now());
        if world.faults.replicas.is_empty() || world.server.stopped.is_some() {
            return Ok(None);
        }
        world.open_copies();
        let copy = |(number, replica): (usize, &Replica)| StoreCopy {
            node: format!("sim-{}", number + 1),
            unread: replica.away.then(|| "its server is away".to_owned()),
        };
        let of = world.faults.replicas.iter().enumerate().map(copy).collect();
        Ok(Some(StoreCopies { of, first: 1, last: num::count(world.server.stored.len()) }))
    }

    fn audit_copy(
        &mut self,
        copy: usize,
        to: u64,
        _: Duration,
        sink: &mut dyn FnMut(&Delivery<'_>),
    ) -> Result<Reached, BusError> {
        let received = self.shared.time.now();
        let mut text = String::new();
        let end = self.shared.world().read_copy(copy, to, |offset, topic, symbol, payload| {
            let subject = self.shared.subject(topic, symbol, &mut text);
            let position = Position { partition: 0, offset };
            sink(&Delivery { subject, payload, received, position, attempt: 1 });
        });
        Ok(if end { Reached::End } else { Reached::Position })
    }

    fn marks(&mut self, into: &mut Vec<Mark>) {
        let mut world = self.shared.world();
        world.advance(self.shared.time.now());
        into.append(&mut world.marks);
    }

    fn observe(&mut self) -> Result<BusSample, BusError> {
        let mut world = self.shared.world();
        world.advance(self.shared.time.now());
        if world.server.stopped.is_some() {
            return Err(BusError::Environment {
                problem: "cannot observe the simulated server: it is stopped".into(),
                hint: "let it go on".into(),
            });
        }
        let waiting = |group: &groups::GroupSide| {
            group.taken + group.members.iter().map(|member| num::count(member.inbox.len())).sum::<u64>()
        };
        Ok(BusSample {
            stored_events: num::count(world.server.stored.len()),
            stored_bytes: Some(world.server.stored_bytes),
            disk_bytes: None,
            pending: world.groups.iter().map(|group| num::count(group.backlog.len())).collect(),
            ack_pending: world.groups.iter().map(waiting).collect(),
            owed: world.groups.iter().map(|group| group.owed).collect(),
            leader: None,
            gone: None,
            dead_letters: world
                .terms
                .limits
                .dead_letters
                .then(|| Moved { waiting: 0, moved: num::count(world.given_up.len()) }),
        })
    }

    fn teardown(&mut self) -> Result<(), BusError> {
        Ok(())
    }
}

/// The sending end of one generator.
#[derive(Debug)]
pub struct SimPublisher {
    shared: Arc<Shared>,
    sender: u32,
}

impl Publisher for SimPublisher {
    fn publish(&mut self, event: &Outgoing<'_>) -> Result<(), Refused> {
        let done = self.shared.world().publish(self.shared.time.now(), self.sender, event);
        self.shared.ring();
        done
    }

    fn acks(&mut self, into: &mut Vec<Ack>) {
        let mut world = self.shared.world();
        world.advance(self.shared.time.now());
        into.append(&mut world.senders[num::index32(self.sender)].answers);
    }

    fn in_flight(&self) -> usize {
        let world = self.shared.world();
        let own = &world.senders[num::index32(self.sender)];
        num::index32(own.open) + own.answers.len()
    }

    fn abandon(&mut self) {
        self.shared.world().abandon(self.shared.time.now(), self.sender);
    }
}

/// One consumer inside a group; dropping it disconnects it.
#[derive(Debug)]
pub struct SimMember {
    shared: Arc<Shared>,
    group: usize,
    member: u32,
}

impl SimMember {
    /// Takes the events that have arrived.
    fn take(&self, world: &mut World, sink: &mut dyn FnMut(&Delivery<'_>) -> Handled) -> usize {
        let now = self.shared.time.now();
        world.advance(now);
        let real = matches!(self.shared.time, Time::Real(_));
        let mut text = String::new();
        let stamp = |scheduled: Ns| if real { now.max(scheduled) } else { scheduled };
        world.hand_over(self.group, self.member, stamp, |incoming, topic, symbol, payload| {
            let position = Position { partition: 0, offset: u64::from(incoming.copy) + 1 };
            let subject = self.shared.subject(topic, symbol, &mut text);
            sink(&Delivery {
                subject,
                payload,
                received: incoming.received,
                position,
                attempt: incoming.attempt,
            })
        })
    }
}

impl Member for SimMember {
    /// Takes the events that have arrived; in virtual time it does not wait.
    fn receive(&mut self, wait: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<usize, BusError> {
        self.receive_or_refuse(wait, &mut |delivery| {
            sink(delivery);
            Handled::Processed
        })
    }

    fn receive_or_refuse(
        &mut self,
        wait: Duration,
        sink: &mut dyn FnMut(&Delivery<'_>) -> Handled,
    ) -> Result<usize, BusError> {
        let until = self.shared.time.now().saturating_add(num::nanoseconds(wait));
        let mut world = self.shared.world();
        loop {
            let taken = self.take(&mut world, sink);
            if taken == 0 && world.is_dead(self.group, self.member) {
                return Err(BusError::Environment {
                    problem: "the simulated member died".into(),
                    hint: "the simulation was asked for it".into(),
                });
            }
            let now = self.shared.time.now();
            if taken > 0 || now >= until || matches!(self.shared.time, Time::Virtual(_)) {
                return Ok(taken);
            }
            let next = world.next().unwrap_or(until).min(until).max(now + 1);
            let nap = NAP.min(Duration::from_nanos(next - now));
            world = self.shared.bell.wait_timeout(world, nap).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for SimMember {
    fn drop(&mut self) {
        self.shared.world().leave(self.shared.time.now(), self.group, self.member);
    }
}

#[cfg(test)]
mod tests;
