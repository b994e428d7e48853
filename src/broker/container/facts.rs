//! What is known of a container that matters to figures.

use bollard::models::ImageInspect;

use super::ContainerConfig;
use super::engine::Engine;
use crate::plan::{BusKind, Size};

/// What matters to figures: image, digest, engine, limits.
pub(super) fn facts(
    config: &ContainerConfig,
    engine: &Engine,
    image: &ImageInspect,
) -> Vec<(String, String)> {
    let digest = image.repo_digests.iter().flatten().next().and_then(|digest| digest.split_once('@'));
    let digest = match (digest, &image.id) {
        (Some((_, digest)), _) => digest.to_owned(),
        (None, Some(id)) => format!("{id} (made here, not pulled)"),
        (None, None) => "not known".into(),
    };
    let cores = config.cores.map_or_else(|| "no limit".into(), |cores| cores.to_string());
    let memory = config.memory_bytes.map_or_else(|| "no limit".into(), |bytes| bytes.to_string());
    let all = [
        ("container.image", config.image.reference.clone()),
        ("container.digest", digest),
        ("container.engine", format!("docker {}", engine.version)),
        ("container.cpu_limit", cores),
        ("container.memory_limit", memory),
        ("container.store", "volume".into()),
    ];
    let heap = (config.image.kind == BusKind::Kafka)
        .then(|| ("container.heap", Size { bytes: config.heap_bytes }.to_string()));
    all.into_iter().chain(heap).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The version that a Kafka names in its log, once it has.
pub(super) fn kafka_version(log: &str) -> Option<String> {
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
        assert_eq!(kafka_version(&format!("x\n{line}\n")).as_deref(), Some("4.3.1"));
        assert_eq!(kafka_version("Kafka version: \u{1b}[31m"), None);
        assert_eq!(kafka_version("Kafka Server started"), None);
    }
}
