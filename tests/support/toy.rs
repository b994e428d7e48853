//! A product of the tests' own: a bus in memory behind a server that can be paused and killed. One row registers it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tickgate::broker::{BrokerError, Entry, Node, Server};
use tickgate::bus::leftover::Cleaner;
use tickgate::bus::sim::{self, SimBus, SimMember, SimPublisher, Time};
use tickgate::bus::{Bus, BusError, BusFacts, BusSample, Delivery, Mark};
use tickgate::host::clock::Clock;
use tickgate::host::resources::Meter;
use tickgate::plan::{self, BusKind, Plan, Words};
use tickgate::record::Record;
use tickgate::session::{
    Asked, Driver, Elsewhere, Environment, Going, Lodging, Product, Program, SessionError, Target, Variables,
};
use tickgate::topology::Naming;

use super::rig::Rig;

/// Its row.
pub static PRODUCTS: [Product; 1] = [Product {
    kind: KIND,
    listed_as: "toy",
    prefixes: &["toy://"],
    addresses: "toy://NUMBER",
    flags: &[],
    variables: &Variables {
        address: "TOY_ADDRESS",
        scheme: "toy",
        others: &[],
        context: None,
        entry: &["TOY_PASSWORD"],
    },
    own_naming: Naming::Profile,
    everything: ">",
    driver: Some(Driver { program, start, elsewhere, own }),
}];

/// The kind of bus that a plan for it names.
pub const KIND: BusKind = BusKind::of(&plan::Product {
    name: "toy",
    title: "Toy",
    description: "In memory.",
    partitioned: false,
    batching: false,
    in_memory: true,
    most_nodes: 1,
    faults: &[],
    no_links: Some("it has no servers"),
    no_dead_letters: Some("it delivers each event once"),
    log: "stream",
    size_limit: "max_payload",
    words: Words {
        confirmed_by: |_| "memory".to_owned(),
        forced: |_, _| "never".to_owned(),
        sent: |_| "none".to_owned(),
        fetched: |_, _| "all there are".to_owned(),
        acknowledged: |_| "each".to_owned(),
        unseen: "the CPU and memory of toys are not known",
        to_see: "look elsewhere",
    },
});

/// The contents of a server.
#[derive(Default)]
struct Held {
    /// Its bus, once a plan has come.
    bus: Option<SimBus>,
    killed: bool,
}

/// The servers by their numbers.
static SERVERS: Mutex<BTreeMap<u32, Held>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU32 = AtomicU32::new(0);

fn servers<T>(work: impl FnOnce(&mut BTreeMap<u32, Held>) -> T) -> T {
    work(&mut SERVERS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// How many servers there are now.
pub fn running() -> usize {
    servers(|all| all.len())
}

/// Kills all servers, as another user of the machine could.
pub fn kill_all() {
    servers(|all| {
        for held in all.values_mut() {
            held.kill();
        }
    });
}

impl Held {
    fn kill(&mut self) {
        self.killed = true;
        if let Some(bus) = &self.bus {
            bus.stop(true);
        }
    }
}

/// A server, while it runs.
pub struct ToyServer {
    number: u32,
    warnings: Vec<String>,
}

impl ToyServer {
    pub fn start() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        servers(|all| all.insert(number, Held::default()));
        Self { number, warnings: vec!["it is a toy".to_owned()] }
    }

    fn bus(&self, work: impl FnOnce(&SimBus)) -> Result<(), BrokerError> {
        self.alive_now()?;
        servers(|all| all.get(&self.number).and_then(|held| held.bus.as_ref()).map(work));
        Ok(())
    }

    fn alive_now(&self) -> Result<(), BrokerError> {
        let ended = BrokerError::Ended {
            program: "toy",
            status: "killed".to_owned(),
            moment: "while it was needed",
            log: String::new(),
        };
        let killed = servers(|all| all.get(&self.number).is_none_or(|held| held.killed));
        if killed { Err(ended) } else { Ok(()) }
    }
}

impl Server for ToyServer {
    fn nodes(&self) -> Vec<Node> {
        vec![Node { name: "toy".to_owned(), address: self.number.to_string(), pid: None, container: None }]
    }

    fn url(&self) -> String {
        format!("toy://{}", self.number)
    }

    fn alive(&mut self) -> Result<(), BrokerError> {
        self.alive_now()
    }

    fn pause(&mut self, _: usize) -> Result<(), BrokerError> {
        self.bus(|bus| bus.stop(true))
    }

    fn resume(&mut self, _: usize) -> Result<(), BrokerError> {
        self.bus(|bus| bus.stop(false))
    }

    fn kill(&mut self, _: usize) -> Result<(), BrokerError> {
        self.alive_now()?;
        servers(|all| all.get_mut(&self.number).map(Held::kill));
        Ok(())
    }

    fn restart(&mut self, _: usize) -> Result<(), BrokerError> {
        servers(|all| all.get_mut(&self.number).map(|held| held.killed = false));
        self.bus(SimBus::reconnect)
    }

    fn stop(&mut self) -> Result<(), BrokerError> {
        Ok(())
    }

    fn meters(&self) -> Vec<(String, Meter)> {
        Vec::new()
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl Drop for ToyServer {
    fn drop(&mut self) {
        servers(|all| all.remove(&self.number));
    }
}

/// Its bus.
#[derive(Clone)]
pub struct ToyBus {
    bus: SimBus,
    facts: BusFacts,
}

impl ToyBus {
    /// Connects to the server of this number.
    fn connect(number: u32, plan: &Plan, clock: Clock) -> Result<Self, BusError> {
        let setup = sim::Setup { origin: clock.now(), ..sim::Setup::default() };
        let bus = SimBus::new(plan, setup, &super::symbols(plan), Time::Real(clock));
        let facts = BusFacts { product: "toy".to_owned(), ..bus.facts().clone() };
        let gone = || BusError::Environment {
            problem: format!("there is no toy {number}"),
            hint: "start one".to_owned(),
        };
        servers(|all| all.get_mut(&number).map(|held| held.bus = Some(bus.clone()))).ok_or_else(gone)?;
        Ok(Self { bus, facts })
    }
}

impl Bus for ToyBus {
    type Publisher = SimPublisher;
    type Member = SimMember;

    fn facts(&self) -> &BusFacts {
        &self.facts
    }

    fn provision(&mut self) -> Result<(), BusError> {
        self.bus.provision()
    }

    fn publisher(&mut self, generator: u32) -> Result<SimPublisher, BusError> {
        self.bus.publisher(generator)
    }

    fn member(&mut self, group: usize, member: u32) -> Result<SimMember, BusError> {
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

/// Where a server is.
#[derive(Debug)]
struct ToyTarget {
    number: u32,
    label: String,
}

impl Target for ToyTarget {
    fn label(&self) -> &str {
        &self.label
    }

    fn hosts(&self) -> Vec<String> {
        vec!["localhost:1".to_owned()]
    }

    fn run(&self, going: Going<'_, '_>) -> Result<Record, SessionError> {
        let bus = ToyBus::connect(self.number, going.job.plan, going.job.clock);
        going.on(bus)
    }

    fn cleaner(&self) -> Result<Box<dyn Cleaner>, BusError> {
        Err(BusError::Plan { problem: "nothing is left".to_owned(), hint: "it is in memory".to_owned() })
    }
}

#[allow(clippy::unnecessary_wraps, reason = "as every driver has it")]
fn program() -> Result<Program, BrokerError> {
    Ok(Program { what: "in this process".to_owned(), warning: None })
}

#[allow(clippy::unnecessary_wraps, reason = "as every driver has it")]
fn start(_: &Lodging<'_>) -> Result<(Box<dyn Server>, Option<String>), SessionError> {
    Ok((Box::new(ToyServer::start()), None))
}

fn target(url: &str) -> Result<Box<dyn Target>, SessionError> {
    let number = url.strip_prefix("toy://").and_then(|number| number.parse().ok());
    let number = number.ok_or_else(|| SessionError::Asked(format!("`{url}` is not a toy")))?;
    Ok(Box::new(ToyTarget { number, label: url.to_owned() }))
}

fn elsewhere(asked: &Asked, _: Environment<'_>) -> Result<Elsewhere, SessionError> {
    Ok(Elsewhere {
        target: target(asked.at.as_deref().unwrap_or_default())?,
        mode: "url".to_owned(),
        warnings: Vec::new(),
    })
}

fn own(url: &str, _: &Entry) -> Result<Box<dyn Target>, SessionError> {
    target(url)
}

/// A server for the contract suite, started as a run starts one.
pub struct Toy {
    server: Mutex<Box<dyn Server>>,
    number: u32,
    clock: Clock,
}

impl Toy {
    fn server<T>(&self, act: impl FnOnce(&mut dyn Server) -> Result<T, BrokerError>) -> T {
        act(self.server.lock().expect("nobody has died").as_mut()).expect("it obeys")
    }

    fn world(&self) -> SimBus {
        servers(|all| all.get(&self.number).and_then(|held| held.bus.clone())).expect("connected")
    }
}

impl Rig for Toy {
    type Bus = ToyBus;
    const DURABILITY: &'static str = "memory";

    fn start() -> Self {
        let driver = PRODUCTS[0].driver.as_ref().expect("it is there");
        let (plan, log) = (super::plan(), PathBuf::from("/dev/null"));
        let lodging = Lodging {
            plan: &plan,
            log: &log,
            entry: &Entry::Open,
            port: None,
            store: None,
            program: None,
            config: None,
        };
        let (server, _) = (driver.start)(&lodging).expect("it starts");
        let number = server.url().trim_start_matches("toy://").parse().expect("a number");
        Self { server: Mutex::new(server), number, clock: Clock::start() }
    }

    fn connect_as(&self, _: &str, plan: &Plan) -> ToyBus {
        ToyBus::connect(self.number, plan, self.clock).expect("connects")
    }

    fn pause(&self) {
        self.server(|server| server.pause(0));
    }

    fn resume(&self) {
        self.server(|server| server.resume(0));
    }

    fn restart(&mut self) {
        self.server(|server| server.restart(0));
    }

    fn publish_foreign(&self, payload: &[u8]) {
        self.world().publish_foreign(0, payload);
    }

    fn take_without_ack(&self, _: &Plan, events: usize) {
        assert_eq!(self.world().take_without_ack(0, events), events);
    }
}
