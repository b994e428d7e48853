//! Disk usage of a stream on servers that tickgate started, all copies together. The server itself reports the bytes that it received,
//! before compression.

use std::path::{Path, PathBuf};

/// Returns the size of a stream's message blocks in all stores, bytes; `None` if none are found.
pub(super) fn bytes(stores: &[PathBuf], stream: &str) -> Option<u64> {
    stores.iter().filter_map(|store| copy(store, stream)).reduce(|sum, bytes| sum + bytes)
}

/// Returns the size of one copy.
fn copy(store: &Path, stream: &str) -> Option<u64> {
    let accounts = std::fs::read_dir(store.join("jetstream")).ok()?.flatten();
    let folders = accounts.map(|account| account.path().join("streams").join(stream).join("msgs"));
    let files = folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let blocks = files.filter(|file| file.path().extension().is_some_and(|end| end == "blk"));
    let sizes: Vec<u64> = blocks.filter_map(|file| Some(file.metadata().ok()?.len())).collect();
    (!sizes.is_empty()).then(|| sizes.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blocks_of_a_stream_are_counted_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let stores = |nodes: &[&str]| nodes.iter().map(|node| root.path().join(node)).collect::<Vec<_>>();
        assert_eq!(bytes(&stores(&["1"]), "run"), None);
        for (place, length) in [
            ("1/jetstream/$G/streams/run/msgs/1.blk", 10),
            ("1/jetstream/$G/streams/run/msgs/2.blk", 5),
            ("1/jetstream/$G/streams/run/msgs/index.db", 100),
            ("1/jetstream/$G/streams/other/msgs/1.blk", 1000),
            ("3/jetstream/$G/streams/run/msgs/1.blk", 7),
        ] {
            let file = root.path().join(place);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, vec![0; length]).unwrap();
        }
        assert_eq!(bytes(&stores(&["1"]), "run"), Some(15));
        assert_eq!(bytes(&stores(&["1", "2", "3"]), "run"), Some(22), "no copy at the second node");
    }
}
