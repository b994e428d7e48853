//! Reads a broker's log: the last lines for errors, and messages that the store is full.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::num;

/// Number of last lines that an error includes.
const LAST_LINES: usize = 12;
/// Bytes at the end of the log that are searched for these lines.
const LAST_BYTES: u64 = 16 << 10;

/// Bytes of a log that are read at a time, and the maximum length of a line that is examined.
const AT_A_TIME: usize = 64 << 10;
/// Messages, in lower case, that servers log when the disk of their store is full: the system's and nats-server's.
const FULL: [&str; 3] = ["no space left on device", "disk quota exceeded", "jetstream out of space"];

/// Follows a log until it reports a full store.
#[derive(Debug)]
pub struct StoreWatch {
    log: PathBuf,
    /// Number of bytes read so far.
    read: u64,
    /// Beginning of a line that is still incomplete.
    line: Vec<u8>,
}

impl StoreWatch {
    /// Creates a watch that starts at the beginning of a log.
    #[must_use]
    pub fn new(log: impl Into<PathBuf>) -> Self {
        Self { log: log.into(), read: 0, line: Vec::new() }
    }

    /// Returns the broker's message that its store is full, if it was logged since the last call.
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

/// Returns the last lines of a log that were written after its first `from` bytes.
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
        // Kafka logs Java's message.
        say("java.io.IOException: No space left on device\n");
        assert_eq!(watch.full().as_deref(), Some("java.io.IOException: No space left on device"));
        assert_eq!(watch.full(), None);
    }
}
