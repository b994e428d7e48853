//! Cuts a store back to what was on the disk, after its server was killed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use super::files::{self, Pieces};
use super::table::{Fate, Kept};
use super::{COPIES, TABLE, Table};
use crate::record::LostFiles;

/// Gives each file of a store the content that was on the disk: of its last sync, or, if it was opened for synchronous writes, all of it.
/// Names and directories stay as they are.
///
/// # Errors
/// When what was synced is not known, or when a file cannot be read or written.
pub fn cut(store: &Path, power: &Path) -> io::Result<LostFiles> {
    let saved = fs::read(power.join(TABLE)).map_err(|error| {
        let why = format!(
            "what was synced is not known ({error}): the supervisor of the server has not ended in order"
        );
        io::Error::new(error.kind(), why)
    })?;
    let table = Table::restore(&saved)?;
    let mut pieces = Pieces::new();
    let mut lost = LostFiles::default();
    for (path, metadata) in files::walk(store)? {
        let size = metadata.len();
        let key = files::key(&metadata);
        match table.fate(key) {
            Fate::Whole => lost.whole += 1,
            Fate::Nothing if size == 0 => lost.whole += 1,
            Fate::Nothing => {
                OpenOptions::new().write(true).open(&path)?.set_len(0)?;
                lost.emptied += 1;
                lost.bytes += size;
            }
            Fate::Kept(kept) => {
                let copy = files::open(&power.join(COPIES).join(key.name()))?;
                restore(&path, size, &copy, kept, &mut pieces, &mut lost)?;
            }
        }
    }
    Ok(lost)
}

/// Gives a file the content of its copy.
fn restore(
    path: &Path,
    size: u64,
    copy: &File,
    kept: Kept,
    pieces: &mut Pieces,
    lost: &mut LostFiles,
) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    lost.bytes += size.saturating_sub(kept.length);
    if size >= kept.length && pieces.are_equal(&file, copy, kept.length)? {
        if size == kept.length {
            lost.whole += 1;
        } else {
            file.set_len(kept.length)?;
            lost.cut += 1;
        }
        return Ok(());
    }
    // It was changed below its end: after its last sync, unless that is not known.
    lost.unsure += u64::from(kept.assumed);
    lost.restored += 1;
    pieces.bring_up(copy, &file, 0, kept.length).map(|_| ())
}
