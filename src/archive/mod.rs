//! Run folders: atomically written files, a journal that survives a kill, and reading both.
//!
//! The content of the files is defined elsewhere; here they are bytes, JSON lines, and a JSON document with a
//! `schema`.

mod consistent;
mod directory;
mod folder;
mod journal;
mod lines;
mod read;
mod recover;

use std::io;
use std::path::PathBuf;

pub use consistent::contradiction;
pub use folder::{ACCOUNT, CAPACITY, JOURNAL, LATEST, MATRIX, Readers, RunFolder};
pub use journal::{Journal, Journalled, each_entry, read_journal};
pub use lines::{Held, Lines};
pub use read::{Schema, read_record};
pub use recover::{RecoverError, recover};

/// Why a run's files cannot be written or read, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file or directory cannot be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The attempted action.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Too little free space for a run's files.
    #[error(
        "{} has {free} bytes of free space, but a run needs {needed}: make room, or name another directory with --out",
        path.display()
    )]
    Full {
        /// The directory.
        path: PathBuf,
        /// Free bytes.
        free: u64,
        /// Required bytes.
        needed: u64,
    },
    /// The folder named for a run has files.
    #[error("{} is not empty, and a run overwrites nothing: name another folder, or empty it first", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// A file name leads out of the run folder.
    #[error("`{name}` is not the name of a file inside a run folder")]
    Name {
        /// The name.
        name: String,
    },
    /// The content of a file is not valid.
    #[error("{} is not a valid {what}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The expected kind of file.
        what: &'static str,
        /// The error, and its position.
        problem: String,
    },
    /// A file was written by a later version of tickgate.
    #[error(
        "{} has schema {found}, but this tickgate reads up to {newest}: it was written by a later version; update \
         tickgate",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: String,
        /// The latest version that can be read.
        newest: String,
    },
}

impl ArchiveError {
    fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
