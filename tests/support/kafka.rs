//! A real Kafka, one for a test binary: its tests take turns, for some stop it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use tickgate::broker::{Entry, KafkaConfig, LocalKafka, locate_kafka};
use tickgate::bus::kafka::{KafkaBus, Setup, Target};
use tickgate::host::clock::Clock;
use tickgate::plan::{Plan, Size, Span};
use tickgate::topology::Naming;

use super::outside;
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

/// A Kafka with a small heap and more lines of configuration.
pub fn started(extra: &str) -> LocalKafka {
    static LOGS: OnceLock<tempfile::TempDir> = OnceLock::new();
    let logs = LOGS.get_or_init(|| tempfile::tempdir().expect("a folder"));
    let kafka = locate_kafka().expect("a Kafka");
    let mut config = KafkaConfig::new(kafka, logs.path().join("kafka.log"), Entry::Open);
    config.heap = Size { bytes: 512 << 20 };
    extra.clone_into(&mut config.extra);
    LocalKafka::start(config).expect("Kafka starts")
}

/// The Kafka of a test binary, for one test at a time.
pub struct Kafka {
    broker: RefCell<MutexGuard<'static, LocalKafka>>,
    run: String,
}

impl Kafka {
    /// Takes a turn; the first one starts it.
    pub fn with(extra: impl FnOnce() -> String) -> Self {
        static BROKER: OnceLock<Mutex<LocalKafka>> = OnceLock::new();
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let broker = BROKER.get_or_init(|| Mutex::new(started(&extra())));
        Self {
            broker: RefCell::new(broker.lock().unwrap_or_else(PoisonError::into_inner)),
            run: format!("t{}", RUNS.fetch_add(1, Ordering::Relaxed)),
        }
    }

    pub fn url(&self) -> String {
        self.broker.borrow().url()
    }

    /// Connects somewhere else or as somebody else.
    pub fn connect_to(&self, plan: &Plan, target: Target) -> Result<KafkaBus, String> {
        self.connect_run(&self.run, plan, target)
    }

    fn connect_run(&self, run: &str, plan: &Plan, target: Target) -> Result<KafkaBus, String> {
        let symbols = super::symbols(plan);
        let broker = self.broker.borrow();
        let setup = Setup {
            plan,
            run_id: run,
            naming: Naming::Private,
            here_only: false,
            symbols: &symbols,
            clock: Clock::start(),
            version: Some(broker.version().to_owned()),
            store: Some(broker.store()),
            keep: false,
        };
        KafkaBus::connect(target, &setup).map_err(|error| error.to_string())
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // A test that failed may have left it standing still.
        let _ = self.broker.borrow_mut().resume();
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
        Self::with(String::new)
    }

    fn connect(&self, plan: &Plan) -> KafkaBus {
        self.connect_to(plan, Target::parse(&self.url()).expect("a URL")).expect("connects")
    }

    fn connect_as(&self, run: &str, plan: &Plan) -> KafkaBus {
        let run = format!("{}-{run}", self.run);
        self.connect_run(&run, plan, Target::parse(&self.url()).expect("a URL")).expect("connects")
    }

    fn pause(&self) {
        self.broker.borrow_mut().pause().expect("pauses");
    }

    fn resume(&self) {
        self.broker.borrow_mut().resume().expect("goes on");
    }

    fn restart(&mut self) {
        let mut broker = self.broker.borrow_mut();
        broker.kill().expect("is killed");
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
