//! The end of a broker's log, for errors.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Lines of the log that an error carries.
const LAST_LINES: usize = 12;
/// Bytes from its end that are looked at.
const LAST_BYTES: u64 = 16 << 10;

/// The last lines of a log that were written after its first `from` bytes.
pub(super) fn last_lines(log: &Path, from: u64) -> String {
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
