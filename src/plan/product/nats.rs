//! NATS, as a plan sees it.

use super::{Product, Pushed, Words};
use crate::plan::{AckMode, Action, Bus, Publish, Sync};

pub(super) static PRODUCT: Product = Product {
    name: "nats",
    title: "NATS",
    description: "NATS `JetStream`.",
    partitioned: false,
    batching: false,
    in_memory: true,
    most_nodes: 5,
    faults: &[
        Action::Kill,
        Action::Stop,
        Action::Restart,
        Action::LameDuck,
        Action::RollingRestart,
        Action::RollingUpgrade,
        Action::StepDown,
        Action::Partition,
        Action::Slow,
        Action::WriteError,
        Action::PowerLoss,
        Action::CrashMember,
        Action::RestartGroup,
        Action::Poison,
    ],
    no_links: None,
    no_dead_letters: None,
    log: "stream",
    size_limit: "max_payload",
    words: Words {
        confirmed_by,
        forced,
        sent,
        fetched,
        acknowledged,
        unseen: "the CPU and memory of the servers are not known",
        to_see: "name their monitoring endpoints with --monitor, or run with --broker local",
    },
};

fn confirmed_by(bus: &Bus) -> String {
    match bus.replicas {
        1 => "the server".into(),
        servers => format!("most of {servers} servers"),
    }
}

/// The server's configuration sets it.
fn forced(bus: &Bus, mode: &str) -> String {
    match bus.sync {
        _ if !["local", "container"].contains(&mode) => "as the server is set up",
        Sync::Always => "for each event, before it is confirmed",
        Sync::Default => "every two minutes",
    }
    .into()
}

fn sent(bus: &Bus) -> String {
    match bus.publish {
        Publish::Async | Publish::Sync => "none: each is a message".into(),
        Publish::Fast => format!("none: each is a message, up to {} are confirmed at once", bus.nats.batch),
        Publish::Atomic => format!("up to {}, stored as one", bus.nats.batch),
    }
}

fn fetched(bus: &Bus, pushed: Pushed) -> String {
    let pulled = format!("up to {}, as soon as there is one", bus.nats.pull_batch);
    match pushed {
        Pushed { consumers: 0, .. } => pulled,
        _ if pushed.all() => "none: the server pushes each".into(),
        Pushed { consumers, of } => format!("{pulled}; {consumers} of {of} consumers are pushed to"),
    }
}

fn acknowledged(bus: &Bus) -> String {
    match bus.ack {
        AckMode::None => "never".into(),
        AckMode::Explicit if bus.nats.ack_linger.ns == 0 => "each".into(),
        AckMode::Explicit => format!("each, within {}", bus.nats.ack_linger),
        AckMode::All => "the last of several for all".into(),
    }
}
