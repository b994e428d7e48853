//! A directory that is opened once; its files are accessed through its handle, and never through a link.
//!
//! A run folder may come from an untrusted source, or lie where others can write. A link in it must not
//! redirect a write or a read, and a file must not be endless.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

/// Attempts to find an unused file name.
const TRIES: u32 = 16;

const INSIDE: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An open directory.
#[derive(Debug, Clone)]
pub(super) struct Directory(Arc<OwnedFd>);

impl Directory {
    /// Opens a directory named by the user; links on the way to it are followed.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(Arc::new(fs::openat(CWD, path, flags, Mode::empty())?)))
    }

    /// Creates a new directory in this one and opens it.
    pub(super) fn create(&self, name: &Path, private: bool) -> io::Result<Self> {
        let mode = if private { Mode::RWXU } else { Mode::from_raw_mode(0o777) };
        fs::mkdirat(&self.0, name, mode)?;
        self.enter(name)
    }

    /// Opens a directory in this one; creates it if it is missing.
    pub(super) fn inside(&self, name: &Path) -> io::Result<Self> {
        match fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => self.enter(name),
            Err(error) => Err(error.into()),
        }
    }

    fn enter(&self, name: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(fs::openat(&self.0, name, INSIDE, Mode::empty())?)))
    }

    /// Writes a file atomically. An existing file of that name is replaced; a link is replaced, not followed.
    pub(super) fn replace(&self, name: &Path, bytes: &[u8]) -> io::Result<()> {
        let (new, file) = self.unnamed()?;
        let done = write(file, bytes).and_then(|()| Ok(fs::renameat(&self.0, &new, &self.0, name)?));
        if done.is_err() {
            let _ = fs::unlinkat(&self.0, &new, AtFlags::empty());
        }
        done.and_then(|()| Ok(fs::fsync(&self.0)?))
    }

    /// Makes a link of that name to `target`, in one step. A link is replaced; anything else of that name is an error.
    pub(super) fn link(&self, name: &Path, target: &Path) -> io::Result<()> {
        match fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if !FileType::from_raw_mode(found.st_mode).is_symlink() => {
                return Err(io::Error::other("it exists and is not a link"));
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let (new, ()) = Self::unused(|new| fs::symlinkat(target, &self.0, new))?;
        let done = fs::renameat(&self.0, &new, &self.0, name);
        if done.is_err() {
            let _ = fs::unlinkat(&self.0, &new, AtFlags::empty());
        }
        Ok(done?)
    }

    /// A new file with an unpredictable name.
    fn unnamed(&self) -> io::Result<(String, File)> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = Self::unused(|name| fs::openat(&self.0, name, flags, Mode::from_raw_mode(0o666)))?;
        Ok((made.0, made.1.into()))
    }

    /// Makes something under an unpredictable name that is not in use.
    fn unused<T>(make: impl Fn(&str) -> Result<T, Errno>) -> io::Result<(String, T)> {
        for turn in 0..TRIES {
            let name = format!(".new-{:016x}", RandomState::new().hash_one(turn));
            match make(&name) {
                Ok(entry) => return Ok((name, entry)),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Opens a file for appending and for reading its end; creates it if it is missing.
    pub(super) fn append(&self, name: &Path) -> io::Result<File> {
        append_at(&self.0, name)
    }

    /// Waits until the names of its files are on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.0)?)
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &Path) -> io::Result<()> {
        Ok(fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }
}

fn write(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

fn append_at(directory: impl std::os::fd::AsFd, name: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(fs::openat(directory, name, flags, Mode::from_raw_mode(0o666))?.into())
}

/// Opens a file for appending, by its path.
pub(super) fn append(path: &Path) -> io::Result<File> {
    append_at(CWD, path)
}

/// Opens a file of finite size for reading: a regular one of up to `limit` bytes. `linked` allows its path to
/// be a link, e.g. for a path given by the user.
pub(super) fn regular(path: &Path, linked: bool, limit: u64) -> io::Result<File> {
    // Without `NONBLOCK`, opening a pipe would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let flags = if linked { flags } else { flags | OFlags::NOFOLLOW };
    let file = match fs::openat(CWD, path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::LOOP) => return Err(io::Error::other("it is a link; links are not followed here")),
        Err(error) => return Err(error.into()),
    };
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if about.len() > limit {
        return Err(io::Error::other(format!("it has {} bytes; at most {limit} are supported", about.len())));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn nothing_is_written_through_a_link() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secret = other.path().join("secret");
        std::fs::write(&secret, "mine").unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink(&secret, at("a")).unwrap();
        symlink(other.path(), at("charts")).unwrap();
        let directory = Directory::open(folder.path()).unwrap();
        directory.replace(Path::new("a"), b"new").unwrap();
        assert_eq!(std::fs::read_to_string(at("a")).unwrap(), "new");
        assert!(!at("a").is_symlink(), "the link itself was replaced");
        assert!(directory.inside(Path::new("charts")).is_err());
        symlink(&secret, at("journal.jsonl")).unwrap();
        assert!(directory.append(Path::new("journal.jsonl")).is_err());
        assert!(append(&at("journal.jsonl")).is_err());
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), "mine");
        assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_moved_away_is_still_the_one_that_was_opened() {
        let parent = tempfile::tempdir().unwrap();
        let (was, is) = (parent.path().join("was"), parent.path().join("is"));
        std::fs::create_dir(&was).unwrap();
        let directory = Directory::open(&was).unwrap();
        std::fs::rename(&was, &is).unwrap();
        symlink("/proc", &was).unwrap();
        directory.replace(Path::new("a"), b"x").unwrap();
        assert_eq!(std::fs::read(is.join("a")).unwrap(), b"x");
    }

    #[test]
    fn temporary_names_are_never_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(folder.path()).unwrap();
        let names = [(); 8].map(|()| directory.unnamed().unwrap().0);
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), 8, "{names:?}");
    }

    #[test]
    fn a_private_directory_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(folder.path()).unwrap();
        directory.create(Path::new("a"), true).unwrap();
        let mode = std::fs::metadata(folder.path().join("a")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
        assert!(directory.create(Path::new("a"), true).is_err(), "it must be new");
    }

    #[test]
    fn only_a_file_with_an_end_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::mkfifoat(CWD, at("pipe"), Mode::RWXU).unwrap();
        std::fs::write(at("file"), "12345").unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink("/dev/zero", at("zero")).unwrap();
        let read = |name: &str, linked, limit| {
            regular(&at(name), linked, limit).map(|_| ()).map_err(|e| e.to_string())
        };
        assert_eq!(read("file", false, 5), Ok(()));
        assert_eq!(read("link", true, 5), Ok(()));
        for (name, linked, limit, expected) in [
            ("file", false, 4, "it has 5 bytes; at most 4"),
            ("link", false, 5, "it is a link"),
            ("zero", false, 5, "it is a link"),
            ("zero", true, 5, "not a regular file"),
            ("pipe", true, 5, "not a regular file"),
            ("", true, 5, "not a regular file"),
        ] {
            let error = read(name, linked, limit).unwrap_err();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }
}
