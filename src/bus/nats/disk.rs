//! Disk usage of a stream on a server that tickgate started. The server itself reports the bytes that it received,
//! before compression.

use std::path::Path;

/// Returns the size of a stream's message blocks, bytes; `None` if none are found.
pub(super) fn bytes(store: &Path, stream: &str) -> Option<u64> {
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
        assert_eq!(bytes(root.path(), "run"), None);
        for (place, length) in [
            ("$G/streams/run/msgs/1.blk", 10),
            ("$G/streams/run/msgs/2.blk", 5),
            ("$G/streams/run/msgs/index.db", 100),
            ("$G/streams/other/msgs/1.blk", 1000),
        ] {
            let file = root.path().join("jetstream").join(place);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, vec![0; length]).unwrap();
        }
        assert_eq!(bytes(root.path(), "run"), Some(15));
    }
}
