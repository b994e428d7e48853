//! Where `scripts/brokers.sh` puts the programs that it gets: `.brokers/`.

use std::path::{Path, PathBuf};

/// `.brokers/` in each of these directories and those above it, up to the project's root. Outside of a project nothing
/// above counts: it may belong to another process.
pub(in crate::broker) fn brokers_directories<'a>(starts: impl Iterator<Item = &'a Path>) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for start in starts {
        let is_root = |path: &Path| path.join("Cargo.toml").exists() || path.join(".git").exists();
        let levels = start.ancestors().position(is_root).map_or(1, |root| root + 1);
        for directory in start.ancestors().take(levels).map(|path| path.join(".brokers")) {
            if !all.contains(&directory) {
                all.push(directory);
            }
        }
    }
    all
}

/// The folder that holds a `.brokers`: who can write there can put another one in its place.
pub(in crate::broker) fn project_of(brokers: &Path) -> PathBuf {
    brokers.parent().unwrap_or(brokers).to_owned()
}
