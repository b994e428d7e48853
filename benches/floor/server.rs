//! Brokers of the bench's own, and the streams of the raw client on them.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, stream};

/// Where both clients send their load, in turn.
pub(crate) enum Server {
    Nats(Nats),
    #[cfg(feature = "kafka")]
    Kafka(Kafka),
}

pub(crate) struct Nats {
    child: Child,
    port: u16,
    runtime: tokio::runtime::Runtime,
    jetstream: jetstream::Context,
    _store: tempfile::TempDir,
}

impl Server {
    pub(crate) fn start(bus: &str) -> Self {
        match bus {
            "nats" => Self::Nats(Nats::start()),
            #[cfg(feature = "kafka")]
            "kafka" => Self::Kafka(Kafka::start()),
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

    /// What tickgate is told of it.
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
        use tickgate::broker::{Entry, KafkaConfig, LocalKafka, locate_kafka};
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("floor-kafka.log");
        let kafka = locate_kafka().expect("Kafka: scripts/kafka.sh");
        Self(LocalKafka::start(KafkaConfig::new(kafka, log, Entry::Open)).expect("it starts"))
    }
}

fn program() -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("TICKGATE_NATS_SERVER").map_or_else(|| root.join(".brokers/nats-server"), Into::into)
}

impl Nats {
    fn start() -> Self {
        // On a disk, as tickgate's own server has it.
        let store = tempfile::tempdir_in("/var/tmp").expect("a folder");
        let folder = store.path().display();
        let config = format!(
            "listen: \"127.0.0.1:-1\"\nports_file_dir: \"{folder}\"\njetstream {{ store_dir: \"{folder}/store\", max_file: 8GB }}\n"
        );
        let file = store.path().join("nats.conf");
        std::fs::write(&file, config).expect("written");
        let mut child = Command::new(program())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server: scripts/brokers.sh nats");
        let ports = store.path().join(format!("nats-server_{}.ports", child.id()));
        let mut port = None;
        for _ in 0..600 {
            std::thread::sleep(Duration::from_millis(50));
            let mut text = String::new();
            if let Ok(mut file) = std::fs::File::open(&ports)
                && file.read_to_string(&mut text).is_ok()
                && let Ok(told) = serde_json::from_str::<serde_json::Value>(&text)
                && let Some(url) = told["nats"][0].as_str()
            {
                port = url.rsplit(':').next().and_then(|port| port.parse().ok());
                break;
            }
            assert!(child.try_wait().expect("a child").is_none(), "nats-server ended");
        }
        let port = port.expect("it listens within 30 s");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let jetstream = runtime.block_on(async {
            jetstream::new(async_nats::connect(format!("127.0.0.1:{port}")).await.expect("connects"))
        });
        Self { child, port, runtime, jetstream, _store: store }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
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

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
