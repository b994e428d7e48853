//! The contract suite's requirements of a broker besides its driver, and small helpers.

use std::time::{Duration, Instant};

use tickgate::bus::nats::{NatsBus, Setup, Target};
use tickgate::bus::sim::{self, SimBus, Time};
use tickgate::bus::{Ack, Answer, Bus, Delivery, Member, Outgoing, Publisher, Refused};
use tickgate::host::clock::Clock;
use tickgate::plan::{Plan, Publish, Span};
use tickgate::topology::Naming;

use super::nats::{NatsServer, jetstream};

/// A broker of the test's own.
pub trait Rig: Sized {
    /// The driver under test.
    type Bus: Bus;
    /// What its acknowledgements mean.
    const DURABILITY: &'static str;
    /// Does its client resend by itself the events of a lost connection?
    const SENDS_AGAIN: bool = false;
    /// Is there such a broker? Where it is not, tests on it are left out.
    fn is_there() -> bool {
        true
    }
    /// Starts a broker.
    fn start() -> Self;
    /// Connects to it for a run of that name; provisions nothing.
    fn connect_as(&self, run: &str, plan: &Plan) -> Self::Bus;
    /// Stops the broker in its tracks.
    fn pause(&self);
    /// Lets it go on.
    fn resume(&self);
    /// Kills it and starts it again on the same address and store.
    fn restart(&mut self);
    /// How long an event is held for a broker that restarts.
    fn holds_out() -> Span {
        Span::seconds(5)
    }
    /// Publishes as another user to the first topic, and waits until it is stored.
    fn publish_foreign(&self, payload: &[u8]);
    /// Receives the given number of events of the plan's first group and acknowledges none.
    fn take_without_ack(&self, plan: &Plan, events: usize);

    /// Connects for the run `t1`.
    fn connect(&self, plan: &Plan) -> Self::Bus {
        self.connect_as("t1", plan)
    }

    /// Connects and provisions.
    fn provisioned(&self, plan: &Plan) -> Self::Bus {
        let mut bus = self.connect(plan);
        bus.provision().expect("provisions");
        bus
    }
}

/// NATS on a separate server.
pub struct Nats {
    pub server: NatsServer,
}

impl Rig for Nats {
    type Bus = NatsBus;
    const DURABILITY: &'static str = "page cache";

    fn start() -> Self {
        Self { server: NatsServer::start() }
    }

    fn connect_as(&self, run: &str, plan: &Plan) -> NatsBus {
        let symbols = super::symbols(plan);
        let setup = Setup {
            plan,
            run_id: run,
            naming: Naming::Profile,
            symbols: &symbols,
            clock: Clock::start(),
            volume_bytes: 0,
            model: None,
            sync_always: Some(false),
            keep: false,
        };
        NatsBus::connect(Target::parse(&self.server.url()).expect("a URL"), &setup).expect("connects")
    }

    fn pause(&self) {
        self.server.pause();
    }

    fn resume(&self) {
        self.server.resume();
    }

    fn restart(&mut self) {
        self.server.restart();
    }

    fn publish_foreign(&self, payload: &[u8]) {
        jetstream(&self.server.url(), async |jetstream| {
            let ack = jetstream.publish("ai-trader.market.quote.received", payload.to_vec().into()).await;
            ack.expect("published").await.expect("stored");
        });
    }

    fn take_without_ack(&self, plan: &Plan, events: usize) {
        use futures_util::StreamExt as _;
        jetstream(&self.server.url(), async |jetstream| {
            let name = format!("tickgate-t1-{}", plan.groups[0].name);
            let consumer: async_nats::jetstream::consumer::PullConsumer =
                jetstream.get_consumer_from_stream(name, "tickgate-t1").await.expect("a consumer");
            let batch =
                consumer.batch().max_messages(events).expires(Duration::from_mins(1)).messages().await;
            let taken: Vec<_> = batch.expect("messages").collect().await;
            assert_eq!(taken.len(), events);
        });
    }
}

/// The same, with events confirmed in batches.
pub struct NatsInBatches<const ATOMIC: bool>(pub Nats);

impl<const ATOMIC: bool> Rig for NatsInBatches<ATOMIC> {
    type Bus = NatsBus;
    const DURABILITY: &'static str = Nats::DURABILITY;

    fn start() -> Self {
        Self(Nats::start())
    }

    fn connect_as(&self, run: &str, plan: &Plan) -> NatsBus {
        let mut plan = plan.clone();
        plan.bus.publish = if ATOMIC { Publish::Atomic } else { Publish::Fast };
        plan.bus.nats.batch = plan.bus.nats.batch.min(plan.bus.window);
        self.0.connect_as(run, &plan)
    }

    fn pause(&self) {
        self.0.pause();
    }

    fn resume(&self) {
        self.0.resume();
    }

    fn restart(&mut self) {
        self.0.restart();
    }

    fn publish_foreign(&self, payload: &[u8]) {
        self.0.publish_foreign(payload);
    }

    fn take_without_ack(&self, plan: &Plan, events: usize) {
        self.0.take_without_ack(plan, events);
    }
}

/// The simulated bus in real time: one world for a rig, until another plan comes.
pub struct Sim {
    clock: Clock,
    world: std::cell::RefCell<Option<SimBus>>,
}

impl Sim {
    fn world(&self) -> SimBus {
        self.world.borrow().clone().expect("connected")
    }
}

impl Rig for Sim {
    type Bus = SimBus;
    const DURABILITY: &'static str = "memory";

    fn start() -> Self {
        Self { clock: Clock::start(), world: std::cell::RefCell::new(None) }
    }

    fn connect_as(&self, _: &str, plan: &Plan) -> SimBus {
        let setup = sim::Setup { origin: self.clock.now(), ..sim::Setup::default() };
        let bus = SimBus::new(plan, setup, &super::symbols(plan), Time::Real(self.clock));
        *self.world.borrow_mut() = Some(bus.clone());
        bus
    }

    fn pause(&self) {
        self.world().stop(true);
    }

    fn resume(&self) {
        self.world().stop(false);
    }

    fn restart(&mut self) {
        self.world().reconnect();
    }

    fn publish_foreign(&self, payload: &[u8]) {
        self.world().publish_foreign(0, payload);
    }

    fn take_without_ack(&self, _: &Plan, events: usize) {
        assert_eq!(self.world().take_without_ack(0, events), events);
    }
}

/// How long a test waits for what must happen; reaching it is a failure.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// Publishes `payload` under `token` as an event of the first topic.
pub fn publish(publisher: &mut impl Publisher, token: u64, payload: &[u8]) -> Result<(), Refused> {
    publish_symbol(publisher, token, 0, payload)
}

/// The same of a symbol.
pub fn publish_symbol(
    publisher: &mut impl Publisher,
    token: u64,
    symbol: u32,
    payload: &[u8],
) -> Result<(), Refused> {
    let id = format!("00000000-0000-7000-8000-{token:012}");
    publisher.publish(&Outgoing { token, topic: 0, symbol, id: &id, payload })
}

/// Publishes `payload`; while the client is full, collects answers.
pub fn publish_patiently(publisher: &mut impl Publisher, token: u64, payload: &[u8], acks: &mut Vec<Ack>) {
    let patience = Instant::now();
    while let Err(refused) = publish(publisher, token, payload) {
        assert_eq!(refused, Refused::Full);
        assert!(patience.elapsed() < PATIENCE, "the client stays full");
        publisher.acks(acks);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Collects answers until none is open.
pub fn settle(publisher: &mut impl Publisher, acks: &mut Vec<Ack>) {
    let patience = Instant::now();
    while publisher.in_flight() > 0 {
        assert!(patience.elapsed() < PATIENCE, "{} events are never answered", publisher.in_flight());
        publisher.acks(acks);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Asserts that exactly these tokens are answered, each once, and returns the positions of the stored ones,
/// by token.
#[track_caller]
pub fn answered_once(acks: &[Ack], tokens: std::ops::Range<u64>) -> Vec<Option<u64>> {
    let mut sorted: Vec<_> = acks.iter().collect();
    sorted.sort_by_key(|ack| ack.token);
    assert_eq!(sorted.iter().map(|a| a.token).collect::<Vec<_>>(), tokens.collect::<Vec<_>>());
    sorted
        .iter()
        .map(|ack| match ack.outcome {
            Answer::Stored { position, .. } => Some(position.offset),
            _ => None,
        })
        .collect()
}

/// A delivery, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub subject: String,
    pub payload: Vec<u8>,
    pub offset: u64,
    pub attempt: u32,
}

impl From<&Delivery<'_>> for Received {
    fn from(d: &Delivery<'_>) -> Self {
        Self {
            subject: d.subject.to_owned(),
            payload: d.payload.to_vec(),
            offset: d.position.offset,
            attempt: d.attempt,
        }
    }
}

/// Receives until there are `count`, and then for a moment more: too many is as wrong as too few.
#[track_caller]
pub fn receive(member: &mut impl Member, count: usize) -> Vec<Received> {
    let seen = receive_at_least(member, count);
    assert_eq!(seen.len(), count, "more than expected");
    seen
}

/// Receives until there are `count`, and then for a moment more.
#[track_caller]
pub fn receive_at_least(member: &mut impl Member, count: usize) -> Vec<Received> {
    let mut seen: Vec<Received> = Vec::new();
    let patience = Instant::now();
    while seen.len() < count {
        assert!(patience.elapsed() < PATIENCE, "{} of {count} received", seen.len());
        let n = member.receive(Duration::from_millis(50), &mut |d| seen.push(d.into())).expect("receives");
        assert!(n <= seen.len());
    }
    for _ in 0..3 {
        member.receive(Duration::from_millis(50), &mut |d| seen.push(d.into())).expect("receives");
    }
    seen
}

/// Everything stored.
pub fn audit(bus: &mut impl Bus) -> Vec<Received> {
    let mut seen = Vec::new();
    assert!(bus.audit(PATIENCE, &mut |d| seen.push(d.into())).expect("an audit"), "the audit saw no end");
    seen
}
