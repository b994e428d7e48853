//! A broker's log: its end, for errors, and what in it says that the store is full.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::num;

/// Lines of the log that an error carries.
const LAST_LINES: usize = 12;
/// Bytes from its end that are looked at.
const LAST_BYTES: u64 = 16 << 10;

/// Bytes of a log that are read at a time, and the most of a line that is looked at.
const AT_A_TIME: usize = 64 << 10;
/// What servers say, in lower case, when the disk of their store is full: the system's own words and nats-server's.
const FULL: [&str; 3] = ["no space left on device", "disk quota exceeded", "jetstream out of space"];

/// Reads a log as it grows, until it says that the store is full.
#[derive(Debug)]
pub struct StoreWatch {
    log: PathBuf,
    /// Up to which byte it was read.
    read: u64,
    /// The beginning of a line whose end is not there yet.
    line: Vec<u8>,
}

impl StoreWatch {
    /// Reads a log from its beginning.
    #[must_use]
    pub fn new(log: impl Into<PathBuf>) -> Self {
        Self { log: log.into(), read: 0, line: Vec::new() }
    }

    /// What the broker said when its store was full, if it has said so since the last call.
    pub fn full(&mut self) -> Option<String> {
        let mut file = File::open(&self.log).ok()?;
        file.seek(SeekFrom::Start(self.read)).ok()?;
        let mut bytes = vec![0; AT_A_TIME];
        loop {
            let length = file.read(&mut bytes).ok().filter(|&length| length > 0)?;
            self.read += num::count(length);
            for part in bytes.get(..length)?.split_inclusive(|&byte| byte == b'\n') {
                let room = AT_A_TIME.saturating_sub(self.line.len());
                self.line.extend(part.iter().take(room));
                if part.ends_with(b"\n") {
                    let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim_end().to_owned();
                    let lower = line.to_lowercase();
                    if FULL.iter().any(|words| lower.contains(words)) {
                        return Some(line);
                    }
                }
            }
        }
    }
}

/// The last lines of a log that were written after its first `from` bytes.
pub(in crate::broker) fn last_lines(log: &Path, from: u64) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(LAST_BYTES))))?;
        let mut bytes = Vec::new();
        file.take(LAST_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = String::from_utf8_lossy(&read().unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(LAST_LINES);
    if lines.is_empty() {
        "(nothing)".into()
    } else {
        lines.into_iter().skip(first).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_full_store_is_heard_once_its_line_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.log");
        let mut watch = StoreWatch::new(&path);
        assert_eq!(watch.full(), None, "no log yet");
        let mut log = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let mut say = |text: &str| log.write_all(text.as_bytes()).unwrap();
        say("[1] 2026/11/26 01:18:50 [INF] Server is ready\n");
        say(&format!("[1] {}\n", "long ".repeat(30_000)));
        assert_eq!(watch.full(), None);
        say("[1] [ERR] Filestore [s] Critical write error: write 1.blk: no space left");
        assert_eq!(watch.full(), None);
        say(" on device\n[1] [ERR] more\n");
        let said = watch.full().unwrap();
        assert_eq!(
            said,
            "[1] [ERR] Filestore [s] Critical write error: write 1.blk: no space left on device"
        );
        // Kafka's words are Java's.
        say("java.io.IOException: No space left on device\n");
        assert_eq!(watch.full().as_deref(), Some("java.io.IOException: No space left on device"));
        assert_eq!(watch.full(), None);
    }
}
