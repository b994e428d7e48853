//! A nats-server of the bench's own, and the streams of the raw client on it.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, stream};

pub(crate) struct Server {
    child: Child,
    port: u16,
    runtime: tokio::runtime::Runtime,
    jetstream: jetstream::Context,
    streams: std::cell::Cell<u32>,
    _store: tempfile::TempDir,
}

fn program() -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("TICKGATE_NATS_SERVER").map_or_else(|| root.join(".brokers/nats-server"), Into::into)
}

impl Server {
    pub(crate) fn start() -> Self {
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
        let client = runtime.block_on(async_nats::connect(format!("127.0.0.1:{port}"))).expect("connects");
        let jetstream = jetstream::new(client);
        Self { child, port, runtime, jetstream, streams: std::cell::Cell::new(0), _store: store }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A stream with a consumer `group`, as tickgate makes them.
    pub(crate) fn fresh_stream(&self) -> String {
        let number = self.streams.get() + 1;
        self.streams.set(number);
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

    pub(crate) fn remove(&self, stream: &str) {
        self.runtime.block_on(self.jetstream.delete_stream(stream)).expect("removed");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
