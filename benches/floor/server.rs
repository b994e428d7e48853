//! Brokers of the bench's own, and the streams of the raw client on them.

use std::path::Path;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, stream};
use tickgate::broker::{Entry, LocalConfig, LocalNats, locate};

/// Where both clients send their load, in turn.
pub(crate) enum Server {
    Nats(Box<Nats>),
    #[cfg(feature = "kafka")]
    Kafka(Box<Kafka>),
}

pub(crate) struct Nats {
    server: LocalNats,
    runtime: tokio::runtime::Runtime,
    jetstream: jetstream::Context,
}

impl Server {
    pub(crate) fn start(bus: &str) -> Self {
        match bus {
            "nats" => Self::Nats(Box::new(Nats::start())),
            #[cfg(feature = "kafka")]
            "kafka" => Self::Kafka(Box::new(Kafka::start())),
            other => panic!("--bus {other}: nats or kafka"),
        }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Nats(nats) => nats.address(),
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => kafka.0.url().trim_start_matches("kafka://").to_owned(),
        }
    }

    /// Arguments that point tickgate to it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        match self {
            Self::Nats(_) => vec!["--broker".into(), format!("nats://{}", self.address())],
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => {
                let sets =
                    ["bus.kind=kafka", "bus.partitions=1"].map(|set| ["--set".to_owned(), set.to_owned()]);
                let at = ["--broker".to_owned(), format!("kafka://{}", self.address())];
                at.into_iter().chain(sets.into_iter().flatten()).collect()
            }
        }
    }

    /// The name of a stream for the raw client; on Kafka it makes the topic itself.
    pub(crate) fn fresh_stream(&self, number: usize) -> String {
        match self {
            Self::Nats(nats) => nats.fresh_stream(number),
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => format!("floor{number}"),
        }
    }

    pub(crate) fn remove(&self, stream: &str) {
        match self {
            Self::Nats(nats) => nats.remove(stream),
            // Its store goes with the broker.
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => {}
        }
    }
}

#[cfg(feature = "kafka")]
pub(crate) struct Kafka(tickgate::broker::LocalKafka);

#[cfg(feature = "kafka")]
impl Kafka {
    fn start() -> Self {
        use tickgate::broker::{KafkaConfig, LocalKafka, locate_kafka};
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("floor-kafka.log");
        let kafka = locate_kafka().expect("Kafka: scripts/kafka.sh");
        Self(LocalKafka::start(KafkaConfig::new(kafka, log, Entry::Open)).expect("it starts"))
    }
}

impl Nats {
    fn start() -> Self {
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("floor-nats.log");
        let program = locate().expect("nats-server: scripts/brokers.sh nats").path;
        let server = LocalNats::start(LocalConfig::new(program, log, Entry::Open)).expect("it starts");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let url = server.url();
        let jetstream =
            runtime.block_on(async { jetstream::new(async_nats::connect(url).await.expect("connects")) });
        Self { server, runtime, jetstream }
    }

    fn address(&self) -> String {
        self.server.url().trim_start_matches("nats://").to_owned()
    }

    /// A stream with a consumer `group`, as tickgate makes them.
    fn fresh_stream(&self, number: usize) -> String {
        let name = format!("floor{number}");
        let config = stream::Config {
            name: name.clone(),
            subjects: vec![format!("{name}.x")],
            storage: stream::StorageType::File,
            discard: stream::DiscardPolicy::New,
            max_bytes: 4 << 30,
            ..stream::Config::default()
        };
        let consumer = pull::Config {
            durable_name: Some("group".into()),
            ack_policy: AckPolicy::Explicit,
            max_ack_pending: 50_000,
            ..pull::Config::default()
        };
        self.runtime.block_on(async {
            let stream = self.jetstream.create_stream(config).await.expect("a stream");
            stream.create_consumer(consumer).await.expect("a consumer");
        });
        name
    }

    fn remove(&self, stream: &str) {
        self.runtime.block_on(self.jetstream.delete_stream(stream)).expect("removed");
    }
}
