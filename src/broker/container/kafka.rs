//! Kafka in a container.

use std::net::{Ipv4Addr, SocketAddr};

use super::super::BrokerError;
use super::super::entry::Entry;
use super::super::kafka::{NAME, SASL, SESSION_MS, TESTED_KAFKA, login};
use super::super::process::ports::Ports;
use super::ContainerConfig;
use super::recipe::{Contents, Ready, Recipe};
use crate::plan::BusKind;

/// The row for Kafka.
pub(super) const CONTENTS: Contents = Contents {
    kind: BusKind::Kafka,
    node: NAME,
    tested: || format!("apache/kafka:{TESTED_KAFKA}"),
    recipe: kafka,
    version: Some(version),
    has_heap: true,
};

/// Sets up one node that is broker and controller (`KRaft`), as the image's documentation describes: a variable
/// `KAFKA_A_B` is the property `a.b`.
///
/// Clients connect to the advertised address, so it is the port on the host's loopback. That port does not exist inside
/// the container, so the broker uses a separate listener for itself; this one and the controller's are on the
/// container's loopback. The password is in a Java login file (JAAS), which every image finds through `KAFKA_OPTS`,
/// because everyone with access to the engine can read a container's environment. The store is the volume that the
/// image declares, so it belongs to the image's user.
#[expect(clippy::unnecessary_wraps, reason = "as every recipe")]
fn kafka(config: &ContainerConfig, _: &str, ports: Ports) -> Result<Recipe, BrokerError> {
    const LOGINS: &str = "tickgate/jaas.conf";
    let advertised = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.client));
    let megabytes = config.heap_bytes >> 20;
    let (protocol, asks, files) = match &config.entry {
        Entry::Open => ("PLAINTEXT", Vec::new(), Vec::new()),
        Entry::Password(password) => {
            let asks = SASL.iter().map(|(name, value)| (variable(name), (*value).to_owned()));
            let file = format!("-Djava.security.auth.login.config=/{LOGINS}");
            let text = format!("KafkaServer {{\n  {}\n}};\n", login(password));
            let asks = asks.chain([("KAFKA_OPTS".to_owned(), file)]).collect();
            ("SASL_PLAINTEXT", asks, vec![(LOGINS, text)])
        }
    };
    let environment = [
        ("KAFKA_NODE_ID", "1".to_owned()),
        ("KAFKA_PROCESS_ROLES", "broker,controller".into()),
        ("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@127.0.0.1:29093".into()),
        ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER".into()),
        ("KAFKA_INTER_BROKER_LISTENER_NAME", "BROKER".into()),
        ("KAFKA_LISTENERS", "CLIENT://:9092,BROKER://127.0.0.1:19092,CONTROLLER://127.0.0.1:29093".into()),
        ("KAFKA_ADVERTISED_LISTENERS", format!("CLIENT://{advertised},BROKER://127.0.0.1:19092")),
        (
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
            format!("CLIENT:{protocol},BROKER:{protocol},CONTROLLER:{protocol}"),
        ),
        ("KAFKA_LOG_DIRS", "/var/lib/kafka/data".into()),
        ("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false".into()),
        ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1".into()),
        ("KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS", "4".into()),
        ("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1".into()),
        ("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1".into()),
        ("KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR", "1".into()),
        ("KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR", "1".into()),
        ("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0".into()),
        // Same as for a local broker: a killed broker can rejoin sooner.
        ("KAFKA_BROKER_SESSION_TIMEOUT_MS", SESSION_MS.to_string()),
        ("KAFKA_BROKER_HEARTBEAT_INTERVAL_MS", "500".into()),
        ("KAFKA_HEAP_OPTS", format!("-Xms{megabytes}m -Xmx{megabytes}m")),
    ];
    let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(asks);
    Ok(Recipe {
        command: Vec::new(),
        environment: environment.map(|(name, value)| format!("{name}={value}")).collect(),
        files,
        ports: vec![(9092, ports.client)],
        store: "/var/lib/kafka/data",
        ready: Ready::Answers(advertised),
    })
}

/// Returns the variable that a Kafka container translates to this property.
fn variable(property: &str) -> String {
    format!("KAFKA_{}", property.to_uppercase().replace('.', "_"))
}

/// Returns the version from the broker's log; `None` until it is logged.
fn version(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("Kafka version: ")?;
    let version: String =
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || ".-_".contains(*c)).take(40).collect();
    (!version.is_empty()).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kafka_names_its_version_in_its_log() {
        let line = "[2026-11-24 10:00:00,000] INFO Kafka version: 4.3.1 (org.apache.kafka.common.utils.AppInfoParser)";
        assert_eq!(version(&format!("x\n{line}\n")).as_deref(), Some("4.3.1"));
        assert_eq!(version("Kafka version: \u{1b}[31m"), None);
        assert_eq!(version("Kafka Server started"), None);
    }
}
