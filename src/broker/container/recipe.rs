//! The settings of a broker in a container, equivalent to those of a local broker; pure decisions, carried out
//! elsewhere.

use std::fmt;
use std::net::SocketAddr;

use super::super::BrokerError;
use super::super::nats::{Monitor, TESTED_VERSION};
use super::super::process::ports::Ports;
use super::{ContainerConfig, kafka, nats};
use crate::plan::BusKind;

/// The contents of a product's container: one row per product.
pub(super) struct Contents {
    pub(super) kind: BusKind,
    /// Name of the process, same as for a local server.
    pub(super) node: &'static str,
    /// Name of the image with the tested version.
    pub(super) tested: fn() -> String,
    pub(super) recipe: fn(&ContainerConfig, &str, Ports) -> Result<Recipe, BrokerError>,
    /// Extracts the version from the broker's log once it accepts clients, if the protocol does not report it.
    pub(super) version: Option<fn(&str) -> Option<String>>,
    /// Whether the broker has a heap of fixed size.
    pub(super) has_heap: bool,
}

static CONTENTS: [Contents; 2] = [nats::CONTENTS, kafka::CONTENTS];

/// An image, by name and tag or digest.
#[derive(Clone)]
pub struct Image {
    /// Name with tag or digest: `nats:2.15.1`.
    pub reference: String,
    /// Contents, derived from the image's name.
    pub(super) contents: &'static Contents,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Image").field(&self.reference).finish()
    }
}

impl Image {
    /// Returns the kind of broker in the image.
    #[must_use]
    pub const fn kind(&self) -> BusKind {
        self.contents.kind
    }

    /// Returns the name of a product's image with the tested version, if there is one.
    #[must_use]
    pub fn tested(kind: BusKind) -> Option<String> {
        CONTENTS.iter().find(|contents| contents.kind == kind).map(|contents| (contents.tested)())
    }

    /// Parses `IMAGE[:TAG]` or `IMAGE@DIGEST`; a product's name alone means its tested version.
    ///
    /// # Errors
    /// A message if the name is invalid or does not identify the broker in the image.
    pub fn parse(text: &str) -> Result<Self, String> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "./_:@-".contains(c);
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) || !text.chars().all(legal) {
            return Err(format!(
                "`{text}` is no name of an image; expected IMAGE:TAG, such as nats:{TESTED_VERSION}"
            ));
        }
        // A colon before the last slash belongs to the registry's port.
        let last = text.rsplit('/').next().unwrap_or(text);
        let name = last.split(['@', ':']).next().unwrap_or(last);
        let lower = name.to_ascii_lowercase();
        let contents = CONTENTS.iter().find(|contents| lower.contains(contents.kind.name())).ok_or_else(|| {
            let names = CONTENTS.iter().map(|contents| format!("`{}`", contents.kind.name()));
            format!(
                "the image `{text}` does not tell which broker it holds; give it a name with {} in its last part: docker \
                 tag {text} local/{}:TAG",
                names.collect::<Vec<_>>().join(" or "),
                BusKind::Nats.name()
            )
        })?;
        let tested = (contents.tested)();
        let reference = if last != name {
            text.to_owned()
        } else if last == text && tested.split(':').next() == Some(text) {
            tested
        } else {
            format!("{text}:latest")
        };
        Ok(Self { reference, contents })
    }
}

/// How to tell that the broker accepts clients.
#[derive(Debug, Clone)]
pub(super) enum Ready {
    /// The NATS monitoring endpoint reports it.
    Monitor(Monitor),
    /// The broker answers a Kafka client at this address.
    Answers(SocketAddr),
}

/// The contents of a container besides its image.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    /// Arguments for the image's entry point.
    pub(super) command: Vec<String>,
    /// Environment, `NAME=VALUE`.
    pub(super) environment: Vec<String>,
    /// Files to copy in before the start: path without the first slash, and text.
    pub(super) files: Vec<(&'static str, String)>,
    /// Ports in the container, each with the host's loopback port that leads to it.
    pub(super) ports: Vec<(u16, u16)>,
    /// Mount point of the volume for the store.
    pub(super) store: &'static str,
    pub(super) ready: Ready,
}

impl Recipe {
    pub(super) fn of(config: &ContainerConfig, name: &str, ports: Ports) -> Result<Self, BrokerError> {
        (config.image.contents.recipe)(config, name, ports)
    }
}

/// Returns files as a tar archive (ustar), owned by root and readable by every user in the container: images define
/// different users, and only the broker runs there.
pub(super) fn tar(files: &[(&'static str, String)]) -> Vec<u8> {
    const BLOCK: usize = 512;
    let mut archive = Vec::new();
    for (path, text) in files {
        let mut header = [0_u8; BLOCK];
        let mut put = |at: usize, field: &str| header[at..at + field.len()].copy_from_slice(field.as_bytes());
        put(0, path);
        put(100, "0000644");
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{:011o}", text.len()));
        put(136, "00000000000");
        // The checksum is computed over the header with blanks in the checksum field.
        put(148, "        ");
        put(156, "0");
        put(257, "ustar");
        put(263, "00");
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend(header);
        archive.extend(text.as_bytes());
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

#[cfg(test)]
mod tests {
    use super::super::super::entry::{Entry, Password};
    use super::*;
    use crate::plan::Sync;

    const PORTS: Ports = Ports { client: 11_001, monitor: 11_002 };

    fn config(image: &str) -> ContainerConfig {
        let entry = Entry::Password(Password::of("c0ffee"));
        ContainerConfig::new(Image::parse(image).unwrap(), "broker.log", "tickgate", entry)
    }

    fn value(recipe: &Recipe, name: &str) -> String {
        let found = recipe.environment.iter().filter_map(|line| line.split_once('='));
        found.filter(|(other, _)| *other == name).map(|(_, value)| value).collect::<Vec<_>>().join(";")
    }

    #[test]
    fn an_image_tells_its_broker_by_its_name() {
        let read = |text: &str| Image::parse(text).map(|image| (image.reference.clone(), image.kind()));
        let tested = format!("nats:{TESTED_VERSION}");
        for (text, reference, product) in [
            ("nats", tested.as_str(), BusKind::Nats),
            ("nats:2.12-alpine", "nats:2.12-alpine", BusKind::Nats),
            ("synadia/nats-server", "synadia/nats-server:latest", BusKind::Nats),
            ("localhost:5000/team/nats", "localhost:5000/team/nats:latest", BusKind::Nats),
            ("nats@sha256:00ff", "nats@sha256:00ff", BusKind::Nats),
            ("apache/kafka:4.3.1", "apache/kafka:4.3.1", BusKind::Kafka),
            ("apache/kafka-native", "apache/kafka-native:latest", BusKind::Kafka),
        ] {
            assert_eq!(read(text), Ok((reference.to_owned(), product)), "{text}");
        }
        for bad in ["redis:8", "nats/redis", "nats:2 --privileged", "-v", "nats\n", "kafka.example:5000/bus"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read("redis:8").unwrap_err().contains("docker tag redis:8"));
    }

    #[test]
    fn nats_gets_the_configuration_of_a_local_server_on_all_its_addresses() {
        let mut config = config("nats");
        config.sync = Sync::Always;
        config.max_file_store = 7 << 30;
        let recipe = Recipe::of(&config, "tickgate-1", PORTS).unwrap();
        assert_eq!(recipe.command, ["--config", "/tickgate/nats.conf"], "flags alone, for both entry points");
        let (path, text) = &recipe.files[0];
        assert_eq!(*path, "tickgate/nats.conf");
        for line in [
            "server_name: tickgate-1\n",
            "listen: \"0.0.0.0:4222\"\n",
            "http: \"0.0.0.0:8222\"\n",
            "store_dir: \"/tickgate/store\"\n",
            "max_file_store: 7516192768\n",
            "password: \"c0ffee\"\n",
            "sync_interval: always\n",
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
        assert_eq!(recipe.ports, [(4222, 11_001), (8222, 11_002)]);
    }

    #[test]
    fn kafka_is_one_node_that_advertises_the_port_on_our_loopback() {
        let mut config = config("apache/kafka:4.3.1");
        config.heap_bytes = 512 << 20;
        let recipe = Recipe::of(&config, "tickgate-1", PORTS).unwrap();
        let value = |name: &str| value(&recipe, name);
        assert_eq!(value("KAFKA_ADVERTISED_LISTENERS"), "CLIENT://127.0.0.1:11001,BROKER://127.0.0.1:19092");
        assert_eq!(value("KAFKA_HEAP_OPTS"), "-Xms512m -Xmx512m");
        assert_eq!(value("KAFKA_LOG_DIRS"), recipe.store);
        // Every listener has a protocol, and the roles name existing listeners.
        let listeners = value("KAFKA_LISTENERS");
        let protocols = value("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP");
        for listener in listeners.split(',').filter_map(|listener| listener.split_once("://")) {
            assert!(protocols.contains(&format!("{}:SASL_PLAINTEXT", listener.0)), "{listener:?}");
        }
        for role in ["KAFKA_INTER_BROKER_LISTENER_NAME", "KAFKA_CONTROLLER_LISTENER_NAMES"] {
            assert!(listeners.contains(&format!("{}://", value(role))), "{role}");
        }
        let voter = value("KAFKA_CONTROLLER_QUORUM_VOTERS");
        assert_eq!(voter.split('@').next(), Some(value("KAFKA_NODE_ID").as_str()));
        assert!(listeners.contains(&format!("CONTROLLER://{}", voter.rsplit('@').next().unwrap())));
        assert_eq!(recipe.ports, [(9092, 11_001)]);
        assert!(recipe.command.is_empty(), "the image's own entry point does it");
    }

    #[test]
    fn kafkas_password_is_in_a_file_that_is_put_into_the_container_and_nowhere_else() {
        let mut config = config("apache/kafka:4.3.1");
        let recipe = Recipe::of(&config, "tickgate-1", PORTS).unwrap();
        let [(path, text)] = &recipe.files[..] else { unreachable!("{:?}", recipe.files) };
        assert_eq!(value(&recipe, "KAFKA_OPTS"), format!("-Djava.security.auth.login.config=/{path}"));
        assert!(
            text.starts_with("KafkaServer {\n") && text.contains("user_tickgate=\"c0ffee\";\n};"),
            "{text}"
        );
        assert!(!recipe.environment.iter().any(|line| line.contains("c0ffee")), "{:?}", recipe.environment);
        assert_eq!(value(&recipe, "KAFKA_SASL_MECHANISM_CONTROLLER_PROTOCOL"), "PLAIN");
        config.entry = Entry::Open;
        let open = Recipe::of(&config, "tickgate-1", PORTS).unwrap();
        assert!(open.files.is_empty() && value(&open, "KAFKA_OPTS").is_empty());
        assert!(value(&open, "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP").starts_with("CLIENT:PLAINTEXT,"));
    }

    #[test]
    fn an_archive_is_one_that_tar_reads() {
        let folder = tempfile::tempdir().unwrap();
        let text = "x".repeat(700);
        let file = folder.path().join("a.tar");
        std::fs::write(&file, tar(&[("below/one", text.clone()), ("two", String::new())])).unwrap();
        let done =
            std::process::Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(folder.path()).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(std::fs::read_to_string(folder.path().join("below/one")).unwrap(), text);
        assert_eq!(std::fs::read_to_string(folder.path().join("two")).unwrap(), "");
    }
}
