//! A cluster of real Kafkas as children: ready, the loss and the return of nodes, and nothing left behind.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use tickgate::broker::{Asset, Entry, KafkaCluster, KafkaConfig, Password, Server as _, locate_kafka};
use tickgate::host::resources::Process;
use tickgate::plan::Size;

use crate::support::kafka::{self, starts_alone};
use crate::support::machine;

#[test]
fn it_survives_a_node_and_takes_it_back_and_leaves_nothing() {
    if !kafka::is_there() {
        return;
    }
    let (_turn, _machine) = (starts_alone(), machine::alone());
    let place = tempfile::tempdir().unwrap();
    let entry = Entry::Password(Password::random().unwrap());
    let kafka = locate_kafka().unwrap();
    let mut config = KafkaConfig::new(kafka, place.path().join("broker.log"), entry);
    config.heap = Size { bytes: 256 << 20 };
    place.path().clone_into(&mut config.store_parent);
    let mut cluster = KafkaCluster::start(&config, 3).unwrap();

    let nodes = cluster.nodes();
    assert_eq!(
        nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(),
        ["kafka-1", "kafka-2", "kafka-3"]
    );
    let addresses: Vec<&str> = nodes.iter().map(|node| node.address.as_str()).collect();
    assert_eq!(cluster.url(), format!("kafka://{}", addresses.join(",")));
    let claims = |cluster: &KafkaCluster, node: usize| cluster.probes()[node].claims(&[Asset::Meta]);
    let leader = claims(&cluster, 0).unwrap()[0].leader.clone();
    assert!((0..3).all(|node| claims(&cluster, node).unwrap()[0].leader == leader), "all see {leader}");

    let lost = nodes.iter().position(|node| node.name == leader).unwrap();
    cluster.kill(lost).unwrap();
    cluster.alive().unwrap();
    assert!(cluster.died().is_empty(), "its end was asked for");
    assert!(claims(&cluster, lost).is_err() && !cluster.probes()[lost].is_healthy());
    cluster.restart(lost).unwrap();
    assert_ne!(cluster.nodes()[lost].pid, nodes[lost].pid);
    assert_eq!(cluster.nodes()[lost].address, nodes[lost].address);
    assert!(cluster.probes().iter().all(|probe| probe.is_healthy()));

    cluster.kill(lost).unwrap();
    cluster.kill((lost + 1) % 3).unwrap();
    let error = cluster.alive().unwrap_err().to_string();
    assert!(error.starts_with("no majority of the 3 nodes is left: kafka-"), "{error}");

    let left = cluster.nodes().iter().filter_map(|node| Process::of(node.pid?).ok()).collect::<Vec<_>>();
    let stores = cluster.stores();
    assert!(stores.len() == 3 && !left.is_empty() && stores.iter().all(|store| store.is_dir()));
    drop(cluster);
    assert!(stores.iter().all(|store| !store.exists()) && is_empty_but_logs(place.path()));
    assert!(left.iter().all(|process| process.usage().is_err()), "all processes have ended");
}

fn is_empty_but_logs(folder: &Path) -> bool {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.into_iter().all(|name| name.to_string_lossy().starts_with("broker-"))
}
