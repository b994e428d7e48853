//! The directory in which `scripts/brokers.sh` puts programs: `.brokers/`.

use std::path::{Path, PathBuf};

/// Returns `.brokers/` in each of these directories and their parents, up to the project's root. Outside a project no
/// parent is searched: it may belong to another process.
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

/// Returns the folder that holds a `.brokers`: write access to it is enough to replace `.brokers`.
pub(in crate::broker) fn project_of(brokers: &Path) -> PathBuf {
    brokers.parent().unwrap_or(brokers).to_owned()
}
