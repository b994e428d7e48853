//! What the engine makes of a broker of our own that dies before the load, or whose store is full: on the simulated bus,
//! with what a broker's process and log would say.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tickgate::bus::sim::{Delay, Faults, Setup, SimBus, SimMember, SimPublisher, Time};
use tickgate::bus::{Bus, BusError, BusFacts, BusSample, Delivery, Mark};
use tickgate::host::clock::Clock;
use tickgate::host::signal::Interrupt;
use tickgate::market;
use tickgate::plan::{Plan, Span, grammar};
use tickgate::record::{End, PhaseName, Record, STORE_FULL, Verdict};
use tickgate::run::{self, Broker, Event, Identity, Job, Observer, Options, RunError};
use tickgate::selftest::swarm::base;

/// Where a client waits for its broker, until the test lets it go.
#[derive(Clone, Copy, PartialEq)]
enum Waits {
    Nowhere,
    Provisioning,
    ForAMember,
}

/// The simulated bus, whose client may wait for a broker that is dead.
struct Waiting {
    bus: SimBus,
    at: Waits,
    until: Mutex<Receiver<()>>,
}

impl Waiting {
    fn wait(&self, at: Waits) -> Result<(), BusError> {
        if self.at != at {
            return Ok(());
        }
        // Long enough that only a test that fails comes to its end.
        let _ = self.until.lock().unwrap().recv_timeout(Duration::from_mins(1));
        Err(BusError::Environment { problem: "no answer within 12 s".into(), hint: "try again".into() })
    }
}

impl Bus for Waiting {
    type Publisher = SimPublisher;
    type Member = SimMember;

    fn facts(&self) -> &BusFacts {
        self.bus.facts()
    }

    fn provision(&mut self) -> Result<(), BusError> {
        self.wait(Waits::Provisioning)?;
        self.bus.provision()
    }

    fn publisher(&mut self, generator: u32) -> Result<SimPublisher, BusError> {
        self.bus.publisher(generator)
    }

    fn member(&mut self, group: usize, member: u32) -> Result<SimMember, BusError> {
        self.wait(Waits::ForAMember)?;
        self.bus.member(group, member)
    }

    fn audit(&mut self, deadline: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<bool, BusError> {
        self.bus.audit(deadline, sink)
    }

    fn marks(&mut self, into: &mut Vec<Mark>) {
        self.bus.marks(into);
    }

    fn observe(&mut self) -> Result<BusSample, BusError> {
        self.bus.observe()
    }

    fn teardown(&mut self) -> Result<(), BusError> {
        self.bus.teardown()
    }
}

fn go(plan: &Plan, at: Waits, broker: Broker, observer: &mut dyn Observer) -> Result<Record, RunError> {
    let clock = Clock::start();
    // Readiness takes a moment, as on any bus.
    let faults = Faults { uplink: Delay::Fixed(50_000_000), ..Faults::default() };
    let setup = Setup { faults, origin: clock.now(), ..Setup::default() };
    let (let_go, until) = channel();
    let bus = SimBus::new(plan, setup, &market::names(&plan.market), Time::Real(clock));
    let bus = Waiting { bus, at, until: Mutex::new(until) };
    let identity = Identity::new();
    let options = Options::default();
    let interrupt = Interrupt::default();
    let job = Job { plan, identity: &identity, clock, options: &options, interrupt: &interrupt };
    let done = run::run(job, bus, broker, &mut [observer]);
    drop(let_go);
    done
}

fn broker(alive: impl Fn() -> Result<(), String> + Send + 'static) -> Broker {
    Broker { alive: Some(Box::new(alive)), ..Broker::default() }
}

struct Nobody;

impl Observer for Nobody {
    fn event(&mut self, _: &Event<'_>) {}
}

#[test]
fn a_broker_that_dies_while_it_is_provisioned_is_told_and_not_waited_for() {
    for at in [Waits::Provisioning, Waits::ForAMember] {
        let dead = broker(|| Err("nats-server ended (exit status: 1) while it was needed".into()));
        let error = go(&base(1), at, dead, &mut Nobody).unwrap_err();
        assert!(matches!(error, RunError::BrokerDied { .. }), "{error}");
        assert!(error.to_string().contains("nats-server ended (exit status: 1)"), "{error}");
    }
}

#[test]
fn a_broker_that_dies_before_it_is_ready_is_told() {
    let dead = broker(|| Err("nats-server ended".into()));
    let error = go(&short(), Waits::Nowhere, dead, &mut Nobody).unwrap_err();
    assert!(matches!(error, RunError::BrokerDied { .. }), "{error}");
}

#[test]
fn a_broker_that_lives_is_ready_and_ends_well() {
    let record = go(&short(), Waits::Nowhere, broker(|| Ok(())), &mut Nobody).unwrap();
    assert_eq!(record.run.end, End::Completed);
}

fn short() -> Plan {
    let mut plan = base(1);
    plan.load.duration = Span::millis(200);
    plan
}

/// Fills the store once the load goes on.
struct Filling(tempfile::NamedTempFile);

impl Observer for Filling {
    fn event(&mut self, event: &Event<'_>) {
        if matches!(event, Event::PhaseStarted { name: PhaseName::Measure, .. }) {
            writeln!(self.0, "[7] [ERR] Critical write error: write 1.blk: no space left on device").unwrap();
        }
    }
}

#[test]
fn a_full_store_ends_the_run_with_a_mark_and_is_not_held_against_the_bus() {
    let mut plan = base(1);
    plan.load.duration = Span::seconds(30);
    for (name, limit) in [("throughput.acked", ">= 1k/s"), ("latency.max", "< 1ns")] {
        plan.objectives.push(grammar::parse(name, limit).unwrap());
    }
    let log = tempfile::NamedTempFile::new().unwrap();
    let full = Broker { logs: vec![log.path().to_owned()], ..broker(|| Ok(())) };
    let record = go(&plan, Waits::Nowhere, full, &mut Filling(log)).unwrap();
    assert_eq!(record.run.end, End::BrokerFailed);
    assert!(record.measured_seconds() < 29.0, "it went on for {} s", record.measured_seconds());
    let reason = record.run.reason.as_deref().unwrap();
    assert!(reason.contains("store is full") && reason.contains("no space left on device"), "{reason}");
    let marks: Vec<&str> = record.marks.iter().map(|mark| mark.kind.as_str()).collect();
    assert!(marks.contains(&STORE_FULL), "{marks:?}");
    assert_eq!(record.verdict, Verdict::Inconclusive, "{:#?}", record.objectives);
}
