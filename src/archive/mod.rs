//! Run folders: files that are whole or not there, a journal that survives a kill, and reading both back.
//!
//! What is inside the files is the business of others; here they are bytes, JSON lines, and a JSON document with a
//! `schema`.

mod consistent;
mod directory;
mod folder;
mod journal;
mod read;
mod recover;

use std::io;
use std::path::PathBuf;

pub use consistent::contradiction;
pub use folder::{ACCOUNT, JOURNAL, Readers, RunFolder};
pub use journal::{Journal, Journalled, each_entry, read_journal};
pub use read::{Schema, read_record};
pub use recover::{RecoverError, recover};

/// Why a run's files cannot be written or read, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file or directory cannot be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// There is too little room for a run's files.
    #[error(
        "{} has {free} bytes of free space, and a run needs {needed}: make room, or name another place with --out",
        path.display()
    )]
    Full {
        /// Where.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that are needed.
        needed: u64,
    },
    /// A file name leads out of the run folder.
    #[error("`{name}` is no name of a file inside a run folder")]
    Name {
        /// The name.
        name: String,
    },
    /// A file's content is not what it should be.
    #[error("{} is no {what}: {problem}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// What is wrong, and where.
        problem: String,
    },
    /// A file was written by a later version of tickgate.
    #[error(
        "{} has schema {found}, and this tickgate reads up to {newest}: it was written by a later version; update \
         tickgate",
        path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its schema.
        found: String,
        /// The latest that can be read.
        newest: String,
    },
}

impl ArchiveError {
    fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
