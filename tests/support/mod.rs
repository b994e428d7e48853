//! Shared by the test binaries: servers, credentials, certificates, plans, records, the machine itself.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "for tests, each of whose binaries uses its part of it"
)]

pub mod attempts;
pub mod capacities;
pub mod certificates;
pub mod cluster;
pub mod comparisons;
pub mod contract;
pub mod draw;
pub mod faults;
pub mod jwt;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod machine;
pub mod nats;
pub mod natscli;
pub mod outside;
pub mod pairs;
pub mod ports;
pub mod program;
pub mod proxy;
pub mod pty;
pub mod records;
pub mod rig;
pub mod spelling;
pub mod strangers;
pub mod toy;

use std::path::PathBuf;

use tickgate::plan::{
    AckMode, Arrival, Bus, BusKind, Cluster, Delivery, Group, Kafka, Load, Market, Nats, Pacing, Payload,
    Plan, Popularity, Publish, Rate, RetryOrder, Size, Spacing, Span, Storage, Sync, Topology,
};

/// The `nats-server` to test with.
pub fn nats_server() -> PathBuf {
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let given = std::env::var_os("TICKGATE_NATS_SERVER").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
    let mut candidates = given.into_iter().chain(on_path).chain([repository.join(".brokers/nats-server")]);
    candidates.find(|file| file.is_file()).expect(
        "no nats-server in $TICKGATE_NATS_SERVER, on the PATH or in .brokers/: get one with `scripts/brokers.sh nats`",
    )
}

/// A plan with two topics and one group that receives both; tests change the parts that they test.
pub fn plan() -> Plan {
    Plan {
        name: "test".to_owned(),
        description: String::new(),
        load: Load {
            rate: Rate::per_second(1000.0),
            warmup: Span::seconds(0),
            duration: Span::seconds(1),
            drain: Span::seconds(10),
            arrival: Arrival::Constant,
            spacing: Spacing::Constant,
            ramp: None,
            burst: None,
            steps: None,
            generators: 1,
            pacing: Pacing::Sleep,
            consume: tickgate::plan::Consume::Live,
        },
        payload: Payload::default(),
        market: Market {
            symbols: 4,
            seed: 1,
            popularity: Popularity::Uniform,
            zipf_exponent: 1.0,
            event_size: Size { bytes: 300 },
        },
        topology: Topology {
            name: "test".to_owned(),
            prefix: "ai-trader".to_owned(),
            topics: vec![
                "market.quote.received".to_owned(),
                "market.bar.1m".to_owned(),
                "system.heartbeat".to_owned(),
            ],
            symbol_in_subject: false,
        },
        mix: vec![("market.quote.received".to_owned(), 1.0)],
        bus: Bus {
            kind: BusKind::Nats,
            replicas: 1,
            storage: Storage::File,
            sync: Sync::Default,
            publish: Publish::Async,
            window: 256,
            buffer: 1024,
            buffer_bytes: Some(Size { bytes: 64 << 20 }),
            publish_timeout: Span::seconds(10),
            retry: Span::default(),
            retry_after: Bus::RETRY_AFTER,
            retry_order: RetryOrder::PerSymbol,
            ack: AckMode::Explicit,
            max_bytes: Size { bytes: 64 << 20 },
            max_age: Span::seconds(3600),
            partitions: 8,
            audit: true,
            nats: Nats { max_ack_pending: 10_000, pull_batch: 100, ..Nats::default() },
            kafka: Kafka::default(),
        },
        groups: vec![Group {
            name: "engine".to_owned(),
            subscribe: vec!["market.>".to_owned(), "market.quote.*".to_owned()],
            members: 1,
            delivery: Delivery::Shared,
            consumer: None,
        }],
        objectives: Vec::new(),
        cluster: Cluster::default(),
        faults: Vec::new(),
        replays: Vec::new(),
        dropped: Vec::new(),
    }
}

/// The names of the plan's symbols.
pub fn symbols(plan: &Plan) -> Vec<String> {
    (0..plan.market.symbols).map(|at| format!("SYM{at}")).collect()
}
