//! Stand-in.
mod recover;
pub use recover::{RecoverError, recover};

use std::io::Write;
use std::path::{Path, PathBuf};
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ArchiveError(String);
pub struct RunFolder {
    path: PathBuf,
}
impl RunFolder {
    pub fn create(parent: &Path, profile: &str, id: &str) -> Result<Self, ArchiveError> {
        let path = parent.join(format!("{profile}-{id}"));
        std::fs::create_dir_all(&path).map_err(|e| ArchiveError(e.to_string()))?;
        Ok(Self { path })
    }
    pub fn path(&self) -> &Path {
        &self.path
    }
    pub fn write_whole(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        std::fs::write(self.path.join(name), bytes).map_err(|e| ArchiveError(e.to_string()))
    }
    pub fn discard_if_empty(&self) {}
}
pub struct Journal(std::fs::File);
impl Journal {
    pub fn create(path: &Path) -> Result<Self, ArchiveError> {
        Ok(Self(std::fs::File::create(path).map_err(|e| ArchiveError(e.to_string()))?))
    }
    pub fn append<T: serde::Serialize>(&mut self, line: &T) -> Result<(), ArchiveError> {
        let mut t = serde_json::to_string(line).map_err(|e| ArchiveError(e.to_string()))?;
        t.push('\n');
        self.0.write_all(t.as_bytes()).map_err(|e| ArchiveError(e.to_string()))
    }
}
pub fn read_record<T: serde::de::DeserializeOwned>(path: &Path, _schema: &str) -> Result<T, ArchiveError> {
    serde_json::from_slice(&std::fs::read(path).map_err(|e| ArchiveError(e.to_string()))?)
        .map_err(|e| ArchiveError(e.to_string()))
}
