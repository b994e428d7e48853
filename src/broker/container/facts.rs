//! Facts about a container that affect measured figures.

use bollard::models::ImageInspect;

use super::ContainerConfig;
use super::engine::Engine;
use crate::plan::Size;

/// Returns the facts that affect measured figures: image, digest, engine, limits.
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
    let heap = config
        .image
        .contents
        .has_heap
        .then(|| ("container.heap", Size { bytes: config.heap_bytes }.to_string()));
    all.into_iter().chain(heap).map(|(name, value)| (name.to_owned(), value)).collect()
}
