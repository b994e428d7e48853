//! Kafka, as a plan sees it.

use super::{Product, Pushed, Words};
use crate::plan::{AckMode, Acks, Action, Bus, Sync};

pub(super) static PRODUCT: Product = Product {
    name: "kafka",
    title: "Kafka",
    description: "Apache Kafka.",
    partitioned: true,
    batching: true,
    in_memory: false,
    most_nodes: 5,
    faults: &[
        Action::Kill,
        Action::Stop,
        Action::Restart,
        Action::PowerLoss,
        Action::CrashMember,
        Action::RestartGroup,
    ],
    no_links: Some(
        "a node of Kafka has one address for all of its peers and one for all of its clients, so a proxy cannot tell its peers apart",
    ),
    no_dead_letters: Some(
        "its brokers count no deliveries and have no negative acknowledgement: a consumer that cannot process an event copies it to a \
         dead letter topic itself and goes on, so a run would only check itself",
    ),
    log: "topic",
    size_limit: "max.message.bytes",
    words: Words {
        confirmed_by,
        forced,
        sent,
        fetched,
        acknowledged,
        unseen: "the CPU and memory of the brokers are not known: they do not report them to clients",
        to_see: "run with --broker local or --broker container",
    },
};

fn confirmed_by(bus: &Bus) -> String {
    match bus.kafka.acks {
        Acks::None => "nobody".into(),
        Acks::Leader => "the leader".into(),
        Acks::All if bus.replicas == 1 => "the broker".into(),
        Acks::All => {
            format!("every copy in step, at least {} of {}", bus.kafka.min_insync_replicas, bus.replicas)
        }
    }
}

/// The configuration of each topic sets it, so it holds on any cluster.
fn forced(bus: &Bus, _: &str) -> String {
    match bus.sync {
        Sync::Always => "for each batch of a partition, before it is confirmed",
        Sync::Default => "when the system does",
    }
    .into()
}

fn sent(bus: &Bus) -> String {
    format!(
        "those of {} (linger), up to {}; {} requests under way",
        bus.kafka.linger, bus.kafka.batch_size, bus.kafka.max_in_flight
    )
}

fn fetched(_: &Bus, _: Pushed) -> String {
    "all there are, as soon as there is one".into()
}

fn acknowledged(bus: &Bus) -> String {
    match bus.ack {
        AckMode::None => "never".into(),
        AckMode::Explicit | AckMode::All => {
            format!("by their position, every {}", bus.kafka.commit_interval)
        }
    }
}
