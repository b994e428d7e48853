//! The journal: one JSON line each second, from which a run can be recovered if the harness is killed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::ArchiveError;
use super::directory::{append, regular};

/// An append-only file of JSON lines.
///
/// A line is written in one call and is then held by the kernel: it survives a kill of this process, but not a
/// loss of power. Syncing to disk each second would disturb the very disk that is measured.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    line: Vec<u8>,
    torn: bool,
}

impl Journal {
    /// Opens a journal for appending.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn append_to(path: &Path) -> Result<Self, ArchiveError> {
        let file = append(path).map_err(ArchiveError::io("open", path))?;
        Ok(Self::of(file, path.to_owned()))
    }

    /// The journal in a file that is open for appending and reading.
    pub(super) fn of(file: File, path: PathBuf) -> Self {
        // Ends a torn line of an earlier process before the first new line.
        let mut last = *b"\n";
        let length = file.metadata().map_or(0, |file| file.len());
        let torn = length > 0 && file.read_exact_at(&mut last, length - 1).is_ok() && last != *b"\n";
        Self { file, path, line: Vec::new(), torn }
    }

    /// Appends an entry as one line.
    ///
    /// # Errors
    /// When it cannot be written, as on a full disk; later entries may still succeed.
    pub fn append(&mut self, entry: &impl Serialize) -> Result<(), ArchiveError> {
        self.line.clear();
        if self.torn {
            self.line.push(b'\n');
        }
        let serialised = serde_json::to_writer(&mut self.line, entry);
        serialised.map_err(|error| ArchiveError::io("write an entry of", &self.path)(error.into()))?;
        self.line.push(b'\n');
        let written = self.file.write_all(&self.line);
        self.torn = written.is_err();
        written.map_err(ArchiveError::io("append to", &self.path))
    }
}

/// Longest line that is read, in bytes: about a thousand times a second of many groups.
const LONGEST_LINE: u64 = 16 << 20;
/// Largest number of lines that are not JSON in a journal; a file with more is rejected.
const MOST_DAMAGED: usize = 100_000;

/// The content of a journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Journalled<T> {
    /// Its entries, in order.
    pub entries: Vec<T>,
    /// Numbers of the lines that are not JSON, from 1; empty lines are not listed.
    pub damaged: Vec<usize>,
    /// Does the file end within a line?
    pub torn: bool,
}

/// Reads a journal.
///
/// Only lines with a line end count, so a journal that was cut anywhere yields exactly the entries before the
/// cut. A line that is not JSON (a disk error, zeros after a loss of power) is damaged, and is the only entry
/// lost.
///
/// # Errors
/// When the file cannot be read, or a complete line is valid JSON but not an entry: then it is of
/// another version.
pub fn read_journal<T: DeserializeOwned>(path: &Path) -> Result<Journalled<T>, ArchiveError> {
    let mut entries = Vec::new();
    let Journalled { damaged, torn, .. } = each_entry(path, |entry| entries.push(entry))?;
    Ok(Journalled { entries, damaged, torn })
}

/// Like [`read_journal`], but passes on each entry while the file is read; the returned journal has no entries.
///
/// # Errors
/// As for [`read_journal`].
pub fn each_entry<T: DeserializeOwned>(
    path: &Path,
    mut take: impl FnMut(T),
) -> Result<Journalled<T>, ArchiveError> {
    let file = regular(path, false, u64::MAX).map_err(ArchiveError::io("read", path))?;
    let wrong = |number: usize, problem: &str| ArchiveError::Content {
        path: path.to_owned(),
        what: "journal of this version",
        problem: format!("line {number}: {problem}"),
    };
    let mut journal = Journalled { entries: Vec::new(), damaged: Vec::new(), torn: false };
    let (mut file, mut line) = (BufReader::new(file), Vec::new());
    for number in 1.. {
        let read = next_line(&mut file, &mut line).map_err(ArchiveError::io("read", path))?;
        if read == 0 {
            break;
        }
        let Some(line) = line.strip_suffix(b"\n") else {
            if read > LONGEST_LINE {
                return Err(wrong(number, &format!("it has more than {LONGEST_LINE} bytes")));
            }
            journal.torn = true;
            break;
        };
        match serde_json::from_slice(line) {
            Ok(entry) => take(entry),
            Err(error) if is_json(line) => return Err(wrong(number, &error.to_string())),
            // An empty line separates a torn one from its successor.
            Err(_) if line.is_empty() => {}
            Err(_) if journal.damaged.len() < MOST_DAMAGED => journal.damaged.push(number),
            Err(_) => return Err(wrong(number, &format!("more than {MOST_DAMAGED} lines are not JSON"))),
        }
    }
    Ok(journal)
}

/// Reads a line with its end, up to the longest allowed line, and returns the number of bytes.
fn next_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    line.clear();
    file.take(LONGEST_LINE + 1).read_until(b'\n', line).map(crate::num::count)
}

/// Is a line JSON, whatever its content? JSON is UTF-8, which the parser does not check in parts that it skips.
fn is_json(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok_and(|line| serde_json::from_str::<IgnoredAny>(line).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::Value;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Entry {
        second: u64,
        note: String,
    }

    fn entry() -> impl Strategy<Value = Entry> {
        (any::<u64>(), ".{0,12}").prop_map(|(second, note)| Entry { second, note })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_journal_cut_at_any_byte_yields_what_was_whole(entries in prop::collection::vec(entry(), 0..6)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("journal.jsonl");
            let mut journal = Journal::append_to(&path).unwrap();
            let mut ends = vec![0];
            for entry in &entries {
                journal.append(entry).unwrap();
                ends.push(fs::metadata(&path).unwrap().len());
            }
            let whole = fs::read(&path).unwrap();
            for cut in 0..=whole.len() {
                fs::write(&path, &whole[..cut]).unwrap();
                let length = crate::num::count(cut);
                let kept = ends.iter().filter(|&&end| end <= length).count() - 1;
                let read = read_journal::<Entry>(&path).unwrap();
                prop_assert_eq!(&read.entries[..], &entries[..kept]);
                prop_assert_eq!((read.torn, read.damaged), (!ends.contains(&length), vec![]));
                // Appending after the cut loses no new entry.
                Journal::append_to(&path).unwrap().append(&Entry { second: 7, note: "on".into() }).unwrap();
                let read = read_journal::<Entry>(&path).unwrap().entries;
                let complete = entries.get(kept).filter(|_| ends[kept + 1] == length + 1);
                let expected = entries[..kept].iter().chain(complete);
                prop_assert!(read.iter().take(read.len() - 1).eq(expected));
                prop_assert_eq!(read.last().map(|entry| entry.second), Some(7));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("journal.jsonl");
            fs::write(&path, bytes).unwrap();
            let _ = read_journal::<Value>(&path);
        }
    }

    #[test]
    fn zeros_after_a_loss_of_power_and_a_torn_middle_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        fs::write(&path, b"1\n\0\0\0\n{\"a\":\n\n2\n\0\0").unwrap();
        let read = read_journal::<u64>(&path).unwrap();
        assert_eq!(read, Journalled { entries: vec![1, 2], damaged: vec![2, 3], torn: true });
    }

    #[test]
    fn a_line_that_is_not_utf_8_is_damaged_and_the_rest_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let entries = [1, 2, 3].map(|second| Entry { second, note: "a note".into() });
        let mut journal = Journal::append_to(&path).unwrap();
        for entry in &entries {
            journal.append(entry).unwrap();
        }
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.windows(6).enumerate().filter(|(_, window)| window == b"a note").nth(1).unwrap().0;
        bytes[at] = 0xff;
        fs::write(&path, bytes).unwrap();
        let read = read_journal::<Entry>(&path).unwrap();
        assert_eq!((read.damaged, read.torn), (vec![2], false));
        assert_eq!(read.entries, [entries[0].clone(), entries[2].clone()]);
    }

    #[test]
    fn an_entry_of_another_version_is_an_error_that_names_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        fs::write(&path, "1\n{\"a\":2}\n").unwrap();
        let error = read_journal::<u64>(&path).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(read_journal::<u64>(&folder.path().join("absent")).is_err());
    }

    #[test]
    fn an_endless_file_is_not_a_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(read_journal::<u64>(&path).unwrap_err().to_string().contains("a link"));
        assert!(
            read_journal::<u64>(Path::new("/dev/zero"))
                .unwrap_err()
                .to_string()
                .contains("not a regular file")
        );
        fs::remove_file(&path).unwrap();
        // A sparse file: as large as a disk, but empty.
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let error = read_journal::<u64>(&path).unwrap_err().to_string();
        assert!(error.contains("line 1: it has more than"), "{error}");
    }

    #[test]
    fn a_full_disk_is_an_error_and_no_panic() {
        let mut journal = Journal::append_to(Path::new("/dev/full")).unwrap();
        assert!(journal.append(&1).is_err());
        assert!(journal.append(&2).is_err());
    }
}
