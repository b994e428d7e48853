//! What of a store is on the disk: each file with the length that was last kept of it. Pure.
//!
//! A file is known by [`Key`], not by its name: it keeps its content when it is renamed, and one that gets the number of a deleted
//! file starts without a copy.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::plan::Ns;

/// Up to this length a file that has grown is compared with what was kept of it, so that a change below its end is found. A
/// longer one is taken as appended to, which [`super::cut()`] checks.
pub(super) const COMPARED: u64 = 1 << 20;
/// A file that so many looks at the store have not met is deleted; a single look can miss one that is renamed meanwhile.
const MISSED: u32 = 3;

/// A file: no later one has the same, as far as the file system tells when a file was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) device: u64,
    pub(super) inode: u64,
    /// When it was made, ns; 0 where the file system does not say.
    pub(super) born: i128,
}

/// How a file looks, to see whether it has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub(super) size: u64,
    /// When its content changed, ns.
    pub(super) modified: i128,
}

/// What survives of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// All of it, as it is.
    Whole,
    /// What was kept of it.
    Kept(Kept),
    /// Its name.
    Nothing,
}

/// What was last kept of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Length of the copy.
    pub(super) length: u64,
    /// How the file looked before it was copied.
    pub(super) stamp: Stamp,
    /// A part of it was not compared when the file had grown.
    pub(super) assumed: bool,
}

/// What is known of one file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct File {
    /// Each write to it is on the disk when it returns.
    synchronous: bool,
    kept: Option<Kept>,
    /// Since when it has been seen to differ from what was kept; on the clock of one supervisor only.
    #[serde(skip)]
    dirty_since: Option<Ns>,
    #[serde(skip)]
    missed: u32,
}

/// All files of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table {
    files: HashMap<Key, File>,
}

impl Table {
    /// The table of entries that were saved.
    pub(super) fn restore(text: &[u8]) -> Result<Self, serde_json::Error> {
        let files: Vec<(Key, File)> = serde_json::from_slice(text)?;
        Ok(Self { files: files.into_iter().collect() })
    }

    /// The text of the table, in the order of the files.
    pub(super) fn save(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut files: Vec<(&Key, &File)> = self.files.iter().collect();
        files.sort_by_key(|(key, _)| **key);
        serde_json::to_vec(&files)
    }

    /// From which byte on a file must be compared with its copy. The bytes below are equal, or assumed to be.
    pub(super) fn compared_from(&self, key: Key, size: u64) -> u64 {
        let length = self.kept(key).map_or(0, |kept| kept.length);
        if length > COMPARED && size > length { length } else { 0 }
    }

    /// Enters that the copy of a file is complete.
    pub(super) fn keep(&mut self, key: Key, from: u64, length: u64, stamp: Stamp) {
        let file = self.files.entry(key).or_default();
        // What was assumed once is known again after a whole comparison only.
        let assumed = from > 0;
        file.kept = Some(Kept { length, stamp, assumed });
        file.dirty_since = None;
    }

    /// Enters that a file is open for synchronous writes.
    pub(super) fn synchronous(&mut self, key: Key) {
        self.files.entry(key).or_default().synchronous = true;
    }

    /// Is each write to the file on the disk?
    pub(super) fn is_synchronous(&self, key: Key) -> bool {
        self.files.get(&key).is_some_and(|file| file.synchronous)
    }

    /// What was kept of a file.
    pub(super) fn kept(&self, key: Key) -> Option<Kept> {
        self.files.get(&key)?.kept
    }

    /// What survives of a file.
    pub(super) fn fate(&self, key: Key) -> Fate {
        match self.files.get(&key) {
            Some(File { synchronous: true, .. }) => Fate::Whole,
            Some(File { kept: Some(kept), .. }) => Fate::Kept(*kept),
            _ => Fate::Nothing,
        }
    }

    /// Looks at a file as the kernel's flusher does: returns whether it writes the file back now, since it was first changed
    /// `after` ago or earlier.
    pub(super) fn is_due(&mut self, key: Key, stamp: Stamp, now: Ns, after: Ns) -> bool {
        let file = self.files.entry(key).or_default();
        if file.synchronous || file.kept.is_some_and(|kept| kept.stamp == stamp) {
            file.dirty_since = None;
            return false;
        }
        let since = *file.dirty_since.get_or_insert(now);
        now.saturating_sub(since) >= after
    }

    /// Takes in which files a look at the whole store has met; returns those that are gone.
    pub(super) fn met(&mut self, met: &[Key]) -> Vec<Key> {
        let mut gone = Vec::new();
        for file in self.files.values_mut() {
            file.missed += 1;
        }
        for key in met {
            if let Some(file) = self.files.get_mut(key) {
                file.missed = 0;
            }
        }
        self.files.retain(|key, file| {
            let stays = file.missed < MISSED;
            if !stays {
                gone.push(*key);
            }
            stays
        });
        gone
    }
}

impl Key {
    /// Name of the copy of this file.
    pub(super) fn name(&self) -> String {
        format!("{:x}-{:x}-{:x}", self.device, self.inode, self.born)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Ns = 1_000_000_000;

    fn key(inode: u64, born: i128) -> Key {
        Key { device: 1, inode, born }
    }

    fn stamp(size: u64, modified: i128) -> Stamp {
        Stamp { size, modified }
    }

    #[test]
    fn only_what_was_kept_survives() {
        let mut table = Table::default();
        assert_eq!(table.fate(key(7, 1)), Fate::Nothing);
        table.keep(key(7, 1), 0, 10, stamp(10, 5));
        let kept = Kept { length: 10, stamp: stamp(10, 5), assumed: false };
        assert_eq!(table.fate(key(7, 1)), Fate::Kept(kept));
        assert_eq!(table.fate(key(7, 2)), Fate::Nothing, "another file with the number of the first");
        table.synchronous(key(8, 1));
        assert_eq!(table.fate(key(8, 1)), Fate::Whole);
        let again = Table::restore(&table.save().unwrap()).unwrap();
        assert_eq!(again, table);
        assert!(Table::restore(b"{}").is_err());
    }

    #[test]
    fn a_long_file_that_has_grown_is_taken_as_appended_to() {
        let mut table = Table::default();
        let file = key(7, 1);
        assert_eq!(table.compared_from(file, 5), 0, "nothing was kept");
        table.keep(file, 0, COMPARED, stamp(COMPARED, 1));
        assert_eq!(table.compared_from(file, COMPARED + 1), 0, "short enough to compare");
        table.keep(file, 0, COMPARED + 1, stamp(COMPARED + 1, 2));
        assert_eq!(table.compared_from(file, COMPARED + 1), 0, "it has not grown");
        assert_eq!(table.compared_from(file, COMPARED), 0, "it was cut");
        assert_eq!(table.compared_from(file, COMPARED + 2), COMPARED + 1);
        table.keep(file, COMPARED + 1, COMPARED + 2, stamp(COMPARED + 2, 3));
        assert!(table.kept(file).unwrap().assumed);
        table.keep(file, 0, COMPARED + 2, stamp(COMPARED + 2, 4));
        assert!(!table.kept(file).unwrap().assumed, "all of it was compared");
    }

    #[test]
    fn the_flusher_writes_what_was_first_changed_long_enough_ago() {
        let mut table = Table::default();
        let file = key(7, 1);
        assert!(!table.is_due(file, stamp(1, 1), 10 * S, 4 * S));
        assert!(!table.is_due(file, stamp(2, 2), 13 * S, 4 * S), "the first change counts");
        assert!(table.is_due(file, stamp(3, 3), 14 * S, 4 * S));
        table.keep(file, 0, 3, stamp(3, 3));
        assert!(!table.is_due(file, stamp(3, 3), 99 * S, 4 * S), "it has not changed");
        assert!(!table.is_due(file, stamp(4, 4), 100 * S, 4 * S));
        table.keep(file, 0, 4, stamp(4, 4));
        assert!(!table.is_due(file, stamp(5, 5), 105 * S, 4 * S), "it was synced meanwhile");
        table.synchronous(file);
        assert!(!table.is_due(file, stamp(6, 6), 200 * S, 0));
    }

    #[test]
    fn a_file_is_forgotten_after_three_looks_without_it() {
        let mut table = Table::default();
        table.keep(key(1, 1), 0, 1, stamp(1, 1));
        table.keep(key(2, 1), 0, 1, stamp(1, 1));
        assert_eq!(table.met(&[key(1, 1)]), []);
        assert_eq!(table.met(&[key(1, 1), key(2, 1)]), [], "it was only renamed");
        assert_eq!(table.met(&[key(1, 1)]), []);
        assert_eq!(table.met(&[key(1, 1)]), []);
        assert_eq!(table.met(&[key(1, 1)]), [key(2, 1)]);
        assert_eq!(table.fate(key(2, 1)), Fate::Nothing);
    }
}
