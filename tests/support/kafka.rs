//! A real Kafka for a test: starting one takes seconds, so tests share a few and take turns.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{
    Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use tickgate::broker::{Entry, KafkaConfig, LocalKafka, locate_kafka};
use tickgate::bus::kafka::{KafkaBus, Setup, Target};
use tickgate::host::clock::Clock;
use tickgate::plan::{Plan, Size, Span};
use tickgate::topology::Naming;

use super::certificates::Certificates;
use super::outside;
use super::ports::free_ports;
use super::rig::Rig;

/// Is there a Kafka that can be started? Asked once.
pub fn is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| {
        outside::brought(
            "kafka",
            "scripts/kafka.sh check",
            "scripts/kafka.sh says what it takes (Java, Maven)",
        )
    })
}

/// Kafkas that start at the same time; one in a container starts alone, for two busy cores may not be enough for it and
/// another one to be ready in time. A test that also takes the machine does so after this, or two of them wait for each other.
static STARTING: RwLock<()> = RwLock::new(());

/// Waits until no other Kafka is started by a test of this binary, and keeps others away.
pub fn starts_alone() -> RwLockWriteGuard<'static, ()> {
    STARTING.write().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until no test starts one alone.
pub fn starts_beside_others() -> RwLockReadGuard<'static, ()> {
    STARTING.read().unwrap_or_else(PoisonError::into_inner)
}

/// First and next offset of a partition; waits for a leader, which a busy broker elects a while after it has made the topic.
pub fn ends(consumer: &BaseConsumer, topic: &str, partition: i32) -> (i64, i64) {
    let (patience, a_second) = (Instant::now(), Duration::from_secs(1));
    loop {
        match consumer.fetch_watermarks(topic, partition, a_second) {
            Ok(ends) => return ends,
            Err(error) => {
                assert!(patience.elapsed() < Duration::from_mins(1), "{topic}/{partition}: {error}");
            }
        }
        std::thread::sleep(Duration::from_millis(50));
        // The client's own is from before the election.
        let _ = consumer.fetch_metadata(Some(topic), a_second);
    }
}

/// A Kafka with a small heap and more lines of configuration.
pub fn started(extra: &str) -> LocalKafka {
    static LOGS: OnceLock<tempfile::TempDir> = OnceLock::new();
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let logs = LOGS.get_or_init(|| tempfile::tempdir().expect("a folder"));
    let log = format!("kafka-{}.log", STARTED.fetch_add(1, Ordering::Relaxed));
    let kafka = locate_kafka().expect("a Kafka");
    let mut config = KafkaConfig::new(kafka, logs.path().join(log), Entry::Open);
    config.heap = Size { bytes: 512 << 20 };
    extra.clone_into(&mut config.extra);
    let _beside = starts_beside_others();
    LocalKafka::start(config).expect("Kafka starts")
}

/// Ports of listeners beside the plain one: users, TLS, and one whose advertised address leads nowhere.
pub struct Doors {
    pub certificates: Certificates,
    pub users: u16,
    pub tls: u16,
    pub lost: u16,
}

impl Doors {
    fn new() -> Self {
        let [users, tls, lost] = free_ports();
        Self { certificates: Certificates::new(), users, tls, lost }
    }

    fn config(&self) -> String {
        let Self { certificates, users, tls, lost } = self;
        let pem = certificates.file("keystore.pem");
        let read = |name| std::fs::read_to_string(certificates.file(name)).expect("a file");
        std::fs::write(&pem, format!("{}{}", read("server.key"), read("server.pem"))).expect("a file");
        format!(
            "listeners=CLIENT://127.0.0.1:{{client}},CONTROLLER://127.0.0.1:{{controller}},USERS://127.0.0.1:{users},\
             SAFE://127.0.0.1:{tls},LOST://127.0.0.1:{lost}\n\
             advertised.listeners=CLIENT://127.0.0.1:{{client}},USERS://127.0.0.1:{users},SAFE://127.0.0.1:{tls},\
             LOST://127.0.0.1:1\n\
             listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,USERS:SASL_PLAINTEXT,SAFE:SSL,\
             LOST:PLAINTEXT\n\
             sasl.enabled.mechanisms=PLAIN\n\
             listener.name.users.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
             user_gate=\"s3cret\";\n\
             ssl.keystore.type=PEM\n\
             ssl.keystore.location={}\n",
            pem.display()
        )
    }
}

/// A broker that tests share, for one test at a time.
struct Shared {
    broker: Mutex<LocalKafka>,
    doors: Option<Doors>,
}

/// Brokers that tests share: each has one for itself, since some stop it, and leaves it to the next.
pub struct Pool {
    most: usize,
    state: Mutex<State>,
    left: Condvar,
}

struct State {
    idle: Vec<&'static Shared>,
    running: usize,
}

impl Pool {
    pub const fn of(most: usize) -> Self {
        Self { most, state: Mutex::new(State { idle: Vec::new(), running: 0 }), left: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for one that is idle, or starts one where there are fewer than the most.
    fn take(&self, start: impl FnOnce() -> Shared) -> &'static Shared {
        let full = |state: &mut State| state.idle.is_empty() && state.running == self.most;
        let mut state = self.left.wait_while(self.state(), full).unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = state.idle.pop() {
            return shared;
        }
        state.running += 1;
        drop(state);
        // One that does not start leaves its place.
        let place = Place(self);
        let shared = Box::leak(Box::new(start()));
        std::mem::forget(place);
        shared
    }

    fn leave(&self, shared: &'static Shared) {
        self.state().idle.push(shared);
        self.left.notify_one();
    }
}

struct Place<'a>(&'a Pool);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.state().running -= 1;
        self.0.left.notify_one();
    }
}

/// A Kafka of the test's own while it lasts.
pub struct Kafka {
    pool: &'static Pool,
    shared: &'static Shared,
    run: String,
}

impl Kafka {
    /// One of a pool, whose brokers have these lines of configuration.
    pub fn with(pool: &'static Pool, extra: impl FnOnce() -> String) -> Self {
        Self::of(pool, || Shared { broker: Mutex::new(started(&extra())), doors: None })
    }

    /// One with a listener for each kind of access, for the driver's tests beyond the contract.
    pub fn with_doors() -> Self {
        static POOL: Pool = Pool::of(2);
        Self::of(&POOL, || {
            let doors = Doors::new();
            Shared { broker: Mutex::new(started(&doors.config())), doors: Some(doors) }
        })
    }

    fn of(pool: &'static Pool, start: impl FnOnce() -> Shared) -> Self {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let shared = pool.take(start);
        Self { pool, shared, run: format!("t{}", RUNS.fetch_add(1, Ordering::Relaxed)) }
    }

    fn broker(&self) -> MutexGuard<'_, LocalKafka> {
        self.shared.broker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn doors(&self) -> &Doors {
        self.shared.doors.as_ref().expect("a broker with all doors")
    }

    pub fn url(&self) -> String {
        self.broker().url()
    }

    /// Connects to another address or as another user.
    pub fn connect_to(&self, plan: &Plan, target: Target) -> Result<KafkaBus, String> {
        self.connect_run(&self.run, plan, target)
    }

    fn connect_run(&self, run: &str, plan: &Plan, target: Target) -> Result<KafkaBus, String> {
        let symbols = super::symbols(plan);
        let broker = self.broker();
        let setup = Setup {
            plan,
            run_id: run,
            naming: Naming::Private,
            here_only: false,
            symbols: &symbols,
            clock: Clock::start(),
            version: Some(broker.version().to_owned()),
            store: Some(broker.store()),
            model: None,
            keep: false,
        };
        KafkaBus::connect(target, &setup).map_err(|error| error.to_string())
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // A test that failed may have left it standing still.
        let _ = self.broker().resume();
        self.pool.leave(self.shared);
    }
}

impl Rig for Kafka {
    type Bus = KafkaBus;
    const DURABILITY: &'static str = "page cache";
    const SENDS_AGAIN: bool = true;

    fn is_there() -> bool {
        is_there()
    }

    fn start() -> Self {
        static POOL: Pool = Pool::of(2);
        Self::with(&POOL, String::new)
    }

    fn connect(&self, plan: &Plan) -> KafkaBus {
        self.connect_to(plan, Target::parse(&self.url()).expect("a URL")).expect("connects")
    }

    fn connect_as(&self, run: &str, plan: &Plan) -> KafkaBus {
        let run = format!("{}-{run}", self.run);
        self.connect_run(&run, plan, Target::parse(&self.url()).expect("a URL")).expect("connects")
    }

    fn pause(&self) {
        self.broker().pause().expect("pauses");
    }

    fn resume(&self) {
        self.broker().resume().expect("goes on");
    }

    fn restart(&mut self) {
        let mut broker = self.broker();
        broker.kill().expect("is killed");
        let _beside = starts_beside_others();
        broker.restart().expect("starts again");
    }

    fn holds_out() -> Span {
        // Its controller lets it come back only when the old session is over; the client sends again until then.
        Span::seconds(45)
    }

    fn publish_foreign(&self, payload: &[u8]) {
        let brokers = self.url().replace("kafka://", "");
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a producer");
        let topic = format!("tickgate-{}.ai-trader.market.quote.received", self.run);
        let record: BaseRecord<'_, (), [u8]> = BaseRecord::to(&topic).partition(0).payload(payload);
        producer.send(record).map_err(|(error, _)| error).expect("taken");
        producer.flush(Duration::from_secs(20)).expect("stored");
    }

    fn take_without_ack(&self, _: &Plan, _: usize) {
        unreachable!("Kafka does not know of it");
    }
}
