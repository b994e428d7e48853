//! The files of a store: which there are, and how a copy of one is brought up to date.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;

use super::table::{Key, Stamp};

/// Bytes that are compared and copied at once.
const PIECE: usize = 1 << 16;

/// Reads and compares pieces of two files.
#[derive(Debug)]
pub(super) struct Pieces {
    of_file: Vec<u8>,
    of_copy: Vec<u8>,
}

impl Pieces {
    pub(super) fn new() -> Self {
        Self { of_file: vec![0; PIECE], of_copy: vec![0; PIECE] }
    }

    /// Makes `copy` equal to the first `length` bytes of `file`, of which those below `from` are equal already. Only what differs is
    /// written. Returns the length, which is less if the file has become shorter meanwhile.
    pub(super) fn bring_up(&mut self, file: &File, copy: &File, from: u64, length: u64) -> io::Result<u64> {
        let mut at = from;
        while at < length {
            let (here, there) =
                (piece(file, &mut self.of_file, at, length)?, piece(copy, &mut self.of_copy, at, length)?);
            if here.is_empty() {
                break;
            }
            if there.get(..here.len()) != Some(here) {
                copy.write_all_at(here, at)?;
            }
            at = at.saturating_add(crate::num::count(here.len()));
        }
        copy.set_len(at)?;
        Ok(at)
    }

    /// Are the first `length` bytes of two files equal?
    pub(super) fn are_equal(&mut self, file: &File, copy: &File, length: u64) -> io::Result<bool> {
        let mut at = 0;
        while at < length {
            let (here, there) =
                (piece(file, &mut self.of_file, at, length)?, piece(copy, &mut self.of_copy, at, length)?);
            if here != there || here.is_empty() {
                return Ok(false);
            }
            at = at.saturating_add(crate::num::count(here.len()));
        }
        Ok(true)
    }
}

/// Reads a piece of a file at a place, up to `end`; less only at the end of the file.
fn piece<'a>(file: &File, into: &'a mut [u8], at: u64, end: u64) -> io::Result<&'a [u8]> {
    let wanted = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(into.len());
    let mut read = 0;
    while let Some(rest) = into.get_mut(read..wanted).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at.saturating_add(crate::num::count(read))) {
            Ok(0) => break,
            Ok(some) => read += some,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(into.get(..read).unwrap_or_default())
}

/// Opens a file to read it, and never waits for the other end of a pipe.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Which file it is.
pub(super) fn key(metadata: &Metadata) -> Key {
    let born = metadata.created().map_or(0, since_epoch);
    Key { device: metadata.dev(), inode: metadata.ino(), born }
}

/// How a file looks.
pub(super) fn stamp(metadata: &Metadata) -> Stamp {
    Stamp { size: metadata.len(), modified: metadata.modified().map_or(0, since_epoch) }
}

fn since_epoch(time: SystemTime) -> i128 {
    let ns = |duration: std::time::Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
    time.duration_since(UNIX_EPOCH).map_or_else(|before| -ns(before.duration()), ns)
}

/// All regular files below a directory, without following links; what vanishes meanwhile is left out.
pub(super) fn walk(directory: &Path) -> io::Result<Vec<(PathBuf, Metadata)>> {
    let (mut found, mut open) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = open.pop() {
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            if metadata.is_dir() {
                open.push(entry.path());
            } else if metadata.is_file() {
                found.push((entry.path(), metadata));
            }
        }
    }
    Ok(found)
}

/// The file that a process has mapped at an address, from a text like `/proc/PID/maps`: its path and its number, for each mapping
/// that has a part of the stretch.
pub(super) fn mapped(maps: &str, address: u64, length: u64) -> Vec<(PathBuf, u64)> {
    let end = address.saturating_add(length.max(1));
    let one = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (from, until) = range.split_once('-')?;
        let (from, until) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(until, 16).ok()?);
        let mut fields = rest.splitn(4, ' ').skip(3);
        let (inode, path) = fields.next()?.split_once(' ')?;
        let path = path.trim_start();
        let hit = from < end && address < until && path.starts_with('/');
        hit.then_some((PathBuf::from(path), inode.parse().ok()?))
    };
    let mut all: Vec<_> = maps.lines().filter_map(one).collect();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(directory: &Path, name: &str, content: &[u8]) -> File {
        fs::write(directory.join(name), content).unwrap();
        OpenOptions::new().read(true).write(true).open(directory.join(name)).unwrap()
    }

    #[test]
    fn a_copy_is_brought_up_to_date_and_only_up_to_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let long: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let (of, copy) = (file(folder.path(), "of", &long), file(folder.path(), "copy", b""));
        let mut pieces = Pieces::new();
        let content = || fs::read(folder.path().join("copy")).unwrap();
        assert_eq!(pieces.bring_up(&of, &copy, 0, 150_000).unwrap(), 150_000);
        assert_eq!(content(), long[..150_000]);
        assert!(pieces.are_equal(&of, &copy, 150_000).unwrap());
        assert!(!pieces.are_equal(&of, &copy, 150_001).unwrap(), "the copy is shorter");
        // A change in the middle is found, unless it is below what is taken as equal.
        of.write_all_at(b"###", 70_000).unwrap();
        assert_eq!(pieces.bring_up(&of, &copy, 150_000, 200_000).unwrap(), 200_000);
        assert_eq!(content(), long, "from there on");
        assert!(!pieces.are_equal(&of, &copy, 200_000).unwrap());
        assert_eq!(pieces.bring_up(&of, &copy, 0, 200_000).unwrap(), 200_000);
        assert_eq!(&content()[70_000..70_003], b"###");
        of.set_len(10).unwrap();
        assert_eq!(pieces.bring_up(&of, &copy, 0, 200_000).unwrap(), 10, "it became shorter meanwhile");
        assert_eq!(content(), long[..10]);
    }

    #[test]
    fn the_file_of_a_mapping_is_found_by_an_address() {
        let maps = "00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/dbus-daemon\n\
                    7f00-8000 rw-s 00000000 08:02 42 /store/a b.index\n\
                    8000-9000 rw-p 00000000 00:00 0 \n\
                    9000-a000 rw-p 00000000 00:00 0                  [heap]\n";
        let of = |address, length| mapped(maps, address, length);
        let file = vec![(PathBuf::from("/store/a b.index"), 42)];
        assert_eq!(of(0x7f10, 8), file);
        assert_eq!(of(0x7000, 0x1000), file, "a part of it");
        assert_eq!(of(0x7000, 0xf00), []);
        assert_eq!(of(0x8000, 0x3000), [], "no file");
    }

    #[test]
    fn a_new_file_is_another_one_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        file(folder.path(), "sub/a", b"1");
        std::os::unix::fs::symlink("/etc", folder.path().join("link")).unwrap();
        let found = walk(folder.path()).unwrap();
        assert_eq!(
            found.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(),
            [folder.path().join("sub/a")]
        );
        let first = key(&found[0].1);
        fs::rename(folder.path().join("sub/a"), folder.path().join("sub/b")).unwrap();
        assert_eq!(key(&walk(folder.path()).unwrap()[0].1), first, "a name is not what a file is");
        assert!(walk(&folder.path().join("none")).unwrap().is_empty());
    }
}
