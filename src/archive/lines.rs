//! A file of JSON lines in which each line is on the disk before the next action: the state of a long piece of work, which
//! outlives the process and a loss of power.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ArchiveError;
use super::journal::each_entry;

/// A file of lines that this process alone writes.
#[derive(Debug)]
pub struct Lines {
    file: File,
    path: PathBuf,
}

/// What a file of lines holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Held<T> {
    /// Its lines, in order.
    pub entries: Vec<T>,
    /// Did it end within a line? That line is dropped.
    pub torn: bool,
}

impl Lines {
    /// Takes an open file for this process alone, reads its lines, and cuts off a torn line at its end, which a kill while it was
    /// written leaves behind.
    ///
    /// # Errors
    /// When another process has it, when it cannot be read, or when a line before the end is not an entry.
    pub(super) fn of<T: DeserializeOwned>(
        file: File,
        path: PathBuf,
        what: &'static str,
    ) -> Result<(Self, Held<T>), ArchiveError> {
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            let source = match error {
                Errno::WOULDBLOCK => io::Error::other("another tickgate has it open"),
                error => error.into(),
            };
            ArchiveError::io("continue", &path)(source)
        })?;
        let held = read(&path, what)?;
        if held.torn {
            let whole = whole_bytes(&path)?;
            file.set_len(whole).map_err(ArchiveError::io("shorten", &path))?;
        }
        Ok((Self { file, path }, held))
    }

    /// Appends an entry as one line, and waits until it is on the disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&mut self, entry: &impl Serialize) -> Result<(), ArchiveError> {
        let mut line = serde_json::to_vec(entry)
            .map_err(|error| ArchiveError::io("write an entry of", &self.path)(error.into()))?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.map_err(ArchiveError::io("append to", &self.path))
    }
}

/// The whole lines of a file. Unlike in a journal, none may be missing: what follows depends on all of them.
fn read<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<Held<T>, ArchiveError> {
    let mut entries = Vec::new();
    let found = each_entry(path, |entry| entries.push(entry)).map_err(|error| match error {
        ArchiveError::Content { path, problem, .. } => ArchiveError::Content { path, what, problem },
        error => error,
    })?;
    match found.damaged.first() {
        None => Ok(Held { entries, torn: found.torn }),
        Some(number) => Err(ArchiveError::Content {
            path: path.to_owned(),
            what,
            problem: format!("line {number} is damaged, and it is not the last"),
        }),
    }
}

/// Bytes up to the last line end.
fn whole_bytes(path: &Path) -> Result<u64, ArchiveError> {
    let bytes = std::fs::read(path).map_err(ArchiveError::io("read", path))?;
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Ok(crate::num::count(end))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{Readers, RunFolder};
    use super::*;

    const WHAT: &str = "list of numbers";

    fn folder() -> (tempfile::TempDir, RunFolder) {
        let parent = tempfile::tempdir().unwrap();
        let folder = RunFolder::at(&parent.path().join("search"), Readers::Owner).unwrap();
        (parent, folder)
    }

    #[test]
    fn lines_are_read_again_and_a_torn_one_is_cut_off_wherever_it_was_torn() {
        let (_parent, folder) = folder();
        let (mut lines, held) = folder.lines::<u64>("n.jsonl", WHAT).unwrap();
        assert_eq!(held, Held { entries: vec![], torn: false });
        for number in [100_u64, 200, 300] {
            lines.append(&number).unwrap();
        }
        drop(lines);
        for cut in 0..4 {
            let bytes = b"100\n200\n300\n";
            fs::write(folder.file("n.jsonl"), &bytes[..bytes.len() - cut]).unwrap();
            let (mut lines, held) = folder.lines::<u64>("n.jsonl", WHAT).unwrap();
            let whole = if cut == 0 { vec![100, 200, 300] } else { vec![100, 200] };
            assert_eq!(held, Held { entries: whole.clone(), torn: cut > 0 }, "{cut}");
            lines.append(&400_u64).unwrap();
            drop(lines);
            let (_, held) = folder.lines::<u64>("n.jsonl", WHAT).unwrap();
            assert_eq!(held, Held { entries: [whole, vec![400]].concat(), torn: false });
        }
    }

    #[test]
    fn a_damaged_line_before_the_end_is_an_error_that_names_it() {
        let (_parent, folder) = folder();
        for (text, expected) in
            [("1\n{\"a\n3\n", "line 2 is damaged"), ("1\n\"x\"\n3\n", "line 2"), ("\0\0\n2\n", "line 1")]
        {
            fs::write(folder.file("n.jsonl"), text).unwrap();
            let error = folder.lines::<u64>("n.jsonl", WHAT).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(WHAT), "{error}");
            assert_eq!(fs::read_to_string(folder.file("n.jsonl")).unwrap(), text, "it is left as it was");
        }
    }

    #[test]
    fn only_one_process_writes_it() {
        let (_parent, folder) = folder();
        let (_lines, _) = folder.lines::<u64>("n.jsonl", WHAT).unwrap();
        let error = folder.lines::<u64>("n.jsonl", WHAT).unwrap_err().to_string();
        assert!(error.contains("another tickgate"), "{error}");
    }
}
