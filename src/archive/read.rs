//! Reading a record: first its schema, then the rest.

use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ArchiveError;
use super::directory::regular;

/// A family of documents and its latest version that can be read, as in `tickgate.record/1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// E.g. `tickgate.record`.
    pub family: &'static str,
    /// E.g. `1`.
    pub newest: u32,
    /// E.g. `record of a run`.
    pub what: &'static str,
    /// Advice for a document that cannot be read.
    pub next: &'static str,
}

/// Largest document that is read, in bytes: a record of some days.
const LARGEST: u64 = 1 << 30;

fn read(path: &Path, linked: bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // The file may grow while it is read.
    regular(path, linked, LARGEST)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[derive(Deserialize)]
struct Head {
    schema: String,
}

/// Reads a document with a `schema`; `path` is the file, or a run folder with a `record.json`.
///
/// # Errors
/// When it cannot be read, is not such a document, or was written by a later version.
pub fn read_record<T: DeserializeOwned>(path: &Path, schema: Schema) -> Result<T, ArchiveError> {
    let inside = path.is_dir();
    let path = if inside { path.join("record.json") } else { path.to_owned() };
    let bytes = read(&path, !inside).map_err(ArchiveError::io("read", &path))?;
    let wrong = |problem: String| ArchiveError::Content {
        path: path.clone(),
        what: schema.what,
        problem: format!("{problem}; {}", schema.next),
    };
    if bytes.is_empty() {
        return Err(wrong("it is empty".into()));
    }
    let head: Head = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let version = head.schema.strip_prefix(schema.family).and_then(|rest| rest.strip_prefix('/'));
    let version: u32 = version
        .and_then(|version| version.parse().ok())
        .filter(|&version| version > 0)
        .ok_or_else(|| wrong(format!("its schema is `{}`, not {}/N", head.schema, schema.family)))?;
    if version > schema.newest {
        let newest = format!("{}/{}", schema.family, schema.newest);
        return Err(ArchiveError::Newer { path, found: head.schema, newest });
    }
    serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const SCHEMA: Schema =
        Schema { family: "tickgate.record", newest: 2, what: "record of a run", next: "run it again" };

    #[derive(Debug, PartialEq, Deserialize)]
    struct Record {
        verdict: String,
    }

    fn of(text: &str) -> Result<Record, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("record.json"), text).unwrap();
        read_record(folder.path(), SCHEMA).map_err(|error| error.to_string())
    }

    #[test]
    fn a_record_is_read_from_its_folder_or_file() {
        assert_eq!(of(r#"{"schema":"tickgate.record/1","verdict":"pass"}"#).unwrap().verdict, "pass");
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), r#"{"verdict":"fail","schema":"tickgate.record/2"}"#).unwrap();
        assert_eq!(read_record::<Record>(file.path(), SCHEMA).unwrap().verdict, "fail");
    }

    #[test]
    fn a_later_version_is_refused_before_anything_else_is_read() {
        let error = of(r#"{"schema":"tickgate.record/3","new":[]}"#).unwrap_err();
        assert!(error.contains("tickgate.record/3") && error.contains("up to tickgate.record/2"), "{error}");
        assert!(error.contains("update tickgate"), "{error}");
    }

    #[test]
    fn a_pipe_a_sparse_file_and_a_link_within_a_folder_are_not_records() {
        use rustix::fs::{CWD, Mode, mkfifoat};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        let error = || read_record::<Record>(folder.path(), SCHEMA).unwrap_err().to_string();
        mkfifoat(CWD, &path, Mode::RWXU).unwrap();
        assert!(error().contains("not a regular file"), "{}", error());
        fs::remove_file(&path).unwrap();
        fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert!(error().contains("at most"), "{}", error());
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(error().contains("a link"), "{}", error());
    }

    #[test]
    fn an_invalid_record_is_explained() {
        let cases = [
            ("", "it is empty; run it again"),
            (r#"{"schema":"tickgate.record/1","#, "EOF while parsing"),
            ("[1", "record of a run"),
            ("{}", "missing field `schema`"),
            (r#"{"schema":7}"#, "string"),
            (r#"{"schema":"tickgate.records/1"}"#, "not tickgate.record/N"),
            (r#"{"schema":"tickgate.record/0"}"#, "not tickgate.record/N"),
            (r#"{"schema":"tickgate.record/-1"}"#, "not tickgate.record/N"),
            (r#"{"schema":"tickgate.record/1"}"#, "missing field `verdict`"),
        ];
        for (text, expected) in cases {
            let error = of(text).unwrap_err();
            assert!(error.contains(expected) && error.contains("record.json"), "{text}: {error}");
        }
        assert!(read_record::<Record>(Path::new("/nonexistent"), SCHEMA).is_err());
    }
}
