//! The folder of one run, and files that are written atomically.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use super::directory::Directory;
use super::{ArchiveError, Held, Journal, Lines};
use crate::host::resources::free_bytes;

/// Free space required for a run's files, approximately: a record and a report are a few megabytes, and the
/// journal of a day somewhat more.
const NEEDED: u64 = 64 << 20;

/// The file to which a run appends a line each second.
pub const JOURNAL: &str = "journal.jsonl";
/// Name of the link to the newest run in a folder of runs.
pub const LATEST: &str = "latest";
/// The file from which a comparison is rendered.
pub const ACCOUNT: &str = "compare.json";
/// The file from which a search is rendered.
pub const CAPACITY: &str = "capacity.json";
/// The file from which a matrix is rendered.
pub const MATRIX: &str = "matrix.json";

/// Who may read a new folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// The owner only: mode 0700.
    Owner,
    /// Everyone allowed by the process's umask.
    Umask,
}

/// The folder of one run. It is opened once, and its files are never accessed through a link.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
    directory: Directory,
    readers: Readers,
}

impl RunFolder {
    /// Creates `parent/<UTC time>-<profile>-<id>/`, such as `reports/20261124T081803Z-adr-002-4f1c/`, and
    /// checks that it is writable: before the load rather than after it.
    ///
    /// `unix_ns` is the run's start in nanoseconds since 1970. Characters of the profile's name that are not
    /// allowed in a file name become `-`.
    ///
    /// # Errors
    /// When the folder exists, cannot be created or written to, or its disk is almost full.
    pub fn create(
        parent: &Path,
        unix_ns: u64,
        profile: &str,
        id: &str,
        readers: Readers,
    ) -> Result<Self, ArchiveError> {
        let name = format!("{}-{}-{}", stamp(unix_ns), slug(profile), slug(id));
        Self::make(parent, &name, readers)
    }

    /// Creates the folder of a run at exactly this path, or takes an empty one that is there.
    ///
    /// # Errors
    /// When it has files, cannot be created or written to, or its disk is almost full.
    pub fn at(path: &Path, readers: Readers) -> Result<Self, ArchiveError> {
        if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(ArchiveError::Occupied { path: path.to_owned() });
        }
        if path.is_dir() {
            let folder = Self { readers, ..Self::open(path)? };
            folder.try_out()?;
            return Ok(folder);
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| ArchiveError::Name { name: path.display().to_string() })?;
        Self::make(parent, name, readers).map(|made| Self { path: path.to_owned(), ..made })
    }

    fn make(parent: &Path, name: &str, readers: Readers) -> Result<Self, ArchiveError> {
        let path = parent.join(name);
        fs::create_dir_all(parent).map_err(ArchiveError::io("make", parent))?;
        let made = Directory::open(parent)
            .and_then(|parent| parent.create(Path::new(name), readers == Readers::Owner));
        let folder = Self { directory: made.map_err(ArchiveError::io("make", &path))?, path, readers };
        folder.try_out().inspect_err(|_| {
            let _ = fs::remove_dir_all(&folder.path);
        })?;
        Ok(folder)
    }

    /// Lets the link [`LATEST`] beside this folder point to it. The link is replaced in one step; anything else of that name is
    /// left alone.
    ///
    /// # Errors
    /// When there is something else of that name, or the link cannot be made.
    pub fn becomes_latest(&self) -> Result<(), ArchiveError> {
        let parent =
            self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let link = parent.join(LATEST);
        let Some(name) = self.path.file_name() else { return Ok(()) };
        Directory::open(parent)
            .and_then(|parent| parent.link(Path::new(LATEST), Path::new(name)))
            .map_err(ArchiveError::io("link", link))
    }

    /// Creates the folder of a run inside this one.
    ///
    /// # Errors
    /// When the name leads out of this folder, exists or cannot be created.
    pub fn inside(&self, name: &str) -> Result<Self, ArchiveError> {
        if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) || name.is_empty() {
            return Err(ArchiveError::Name { name: name.to_owned() });
        }
        let (path, readers) = (self.path.join(name), self.readers);
        let made = self.directory.create(Path::new(name), readers == Readers::Owner);
        Ok(Self { directory: made.map_err(ArchiveError::io("make", &path))?, path, readers })
    }

    /// Opens the existing folder of a run.
    ///
    /// # Errors
    /// When it is missing or cannot be opened.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        // An empty path is the current directory, as for the files in it.
        let named = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let directory = Directory::open(named).map_err(ArchiveError::io("open", path))?;
        Ok(Self { path: path.to_owned(), directory, readers: Readers::Umask })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name, also where it was named by a link or as `.`, and after the name of the comparison that it belongs to; empty if
    /// that is not known.
    #[must_use]
    pub fn name(&self) -> String {
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let last = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = last(&path).unwrap_or_default();
        match path.parent().and_then(last).filter(|_| is_of_a_side(&name)) {
            Some(comparison) => format!("{comparison}/{name}"),
            None => name,
        }
    }

    /// The path of a file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file atomically, even if the process is killed meanwhile. `name` may be in a folder below
    /// (`charts/latency.svg`).
    ///
    /// # Errors
    /// When the name leads out of this folder, or the file cannot be written.
    pub fn write_whole(&self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        let (Some(parent), Some(file)) =
            (Path::new(name).parent(), Path::new(name).file_name().filter(|_| inside && !name.is_empty()))
        else {
            return Err(ArchiveError::Name { name: name.to_owned() });
        };
        let mut steps = parent.components();
        let parent =
            steps.try_fold(self.directory.clone(), |at, step| at.inside(Path::new(step.as_os_str())));
        parent
            .and_then(|parent| parent.replace(Path::new(file), bytes))
            .map_err(ArchiveError::io("write", self.path.join(name)))
    }

    /// Removes the folder if it is empty.
    pub fn discard_if_empty(&self) {
        // Fails, as intended, while the directory has any files.
        let _ = fs::remove_dir(&self.path);
    }

    /// Starts the folder's journal, `journal.jsonl`.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn journal(&self) -> Result<Journal, ArchiveError> {
        let path = self.file(JOURNAL);
        let file = self.directory.append(Path::new(JOURNAL)).map_err(ArchiveError::io("open", &path))?;
        Ok(Journal::of(file, path))
    }

    /// Opens a file of lines for this process alone, with the lines that it has; creates it if it is missing. `what` describes it
    /// in errors.
    ///
    /// # Errors
    /// When another process has it, it cannot be read or created, or a line before its end is damaged.
    pub fn lines<T: DeserializeOwned>(
        &self,
        name: &str,
        what: &'static str,
    ) -> Result<(Lines, Held<T>), ArchiveError> {
        let path = self.file(name);
        let file = self.directory.append(Path::new(name)).map_err(ArchiveError::io("open", &path))?;
        let opened = Lines::of(file, path, what)?;
        self.directory.sync().map_err(ArchiveError::io("write", &self.path))?;
        Ok(opened)
    }

    /// Removes the journal of a run whose record and report are written: its rows are in the record's timeline,
    /// and its distributions in `latency.hlog`.
    ///
    /// # Errors
    /// When it exists and cannot be removed.
    pub fn end_journal(&self) -> Result<(), ArchiveError> {
        let path = self.file(JOURNAL);
        match self.directory.remove(Path::new(JOURNAL)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ArchiveError::io("remove", path)(error))
            }
            _ => Ok(()),
        }
    }

    fn try_out(&self) -> Result<(), ArchiveError> {
        let free = free_bytes(&self.path)
            .map_err(|error| ArchiveError::io("look at", &self.path)(io::Error::other(error)))?;
        if free < NEEDED {
            return Err(ArchiveError::Full { path: self.path.clone(), free, needed: NEEDED });
        }
        self.write_whole(".trial", &[0; 4096])?;
        self.directory.remove(Path::new(".trial")).map_err(ArchiveError::io("remove", self.file(".trial")))
    }
}

/// Is it the name of a run in a comparison, such as `a-01`?
fn is_of_a_side(name: &str) -> bool {
    name.split_once('-').is_some_and(|(side, number)| {
        side.len() == 1
            && side.chars().all(|c| c.is_ascii_lowercase())
            && number.len() >= 2
            && number.chars().all(|c| c.is_ascii_digit())
    })
}

/// A UTC time as `20261124T081803Z`: sorts by time, and needs no quoting.
fn stamp(unix_ns: u64) -> String {
    // Cannot fail: u64 nanoseconds end in the year 2554.
    let time =
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ns)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, clock) = (time.date(), time.time());
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}

/// A text as a part of a file name.
fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '.' { c } else { '-' };
    let slug: String = text.chars().map(plain).take(60).collect();
    let slug = slug.trim_matches(['-', '.']);
    if slug.is_empty() { "run".into() } else { slug.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(parent: &Path) -> RunFolder {
        RunFolder::create(parent, 1_795_508_283_000_000_000, "adr-002", "4f1c", Readers::Owner).unwrap()
    }

    #[test]
    fn a_folder_is_named_by_time_profile_and_id() {
        let parent = tempfile::tempdir().unwrap();
        let below = parent.path().join("reports");
        let made = folder(&below);
        assert_eq!(made.path(), below.join("20261124T081803Z-adr-002-4f1c"));
        assert_eq!(fs::read_dir(made.path()).unwrap().count(), 0, "the trial leaves nothing");
        let again = RunFolder::create(&below, 1_795_508_283_000_000_000, "adr-002", "4f1c", Readers::Owner);
        assert!(again.unwrap_err().to_string().contains("20261124T081803Z"), "no run overwrites another");
    }

    #[test]
    fn a_place_that_cannot_be_written_to_is_an_error_at_once() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        let error = RunFolder::create(&file, 0, "p", "i", Readers::Owner).unwrap_err().to_string();
        assert!(error.contains(&file.display().to_string()), "{error}");
        assert!(RunFolder::create(Path::new("/proc/reports"), 0, "p", "i", Readers::Owner).is_err());
    }

    #[test]
    fn a_folder_of_a_given_name_is_made_or_taken_if_empty() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("below/pr");
        let made = RunFolder::at(&path, Readers::Owner).unwrap();
        assert_eq!(made.path(), path);
        assert!(RunFolder::at(&path, Readers::Owner).is_ok(), "it is empty");
        made.write_whole("record.json", b"mine").unwrap();
        let error = RunFolder::at(&path, Readers::Owner).unwrap_err().to_string();
        assert!(error.contains("is not empty"), "{error}");
        assert!(RunFolder::at(&made.file("record.json"), Readers::Owner).is_err(), "it is a file");
        assert!(RunFolder::at(Path::new("/"), Readers::Owner).is_err());
        assert_eq!(fs::read(made.file("record.json")).unwrap(), b"mine");
    }

    #[test]
    fn a_folder_knows_its_name_by_whatever_path_it_was_opened() {
        let parent = tempfile::tempdir().unwrap();
        let made = RunFolder::at(&parent.path().join("pr"), Readers::Owner).unwrap();
        assert_eq!(made.name(), "pr");
        assert_eq!(made.inside("a-01").unwrap().name(), "pr/a-01");
        assert_eq!(made.inside("ab-01").unwrap().name(), "ab-01");
        made.becomes_latest().unwrap();
        for path in ["latest", "pr/.", "pr/../latest"] {
            assert_eq!(RunFolder::open(&parent.path().join(path)).unwrap().name(), "pr", "{path}");
        }
    }

    #[test]
    fn the_latest_folder_is_linked_and_what_is_not_a_link_stays() {
        let parent = tempfile::tempdir().unwrap();
        let link = parent.path().join(LATEST);
        let (first, second) =
            (folder(parent.path()), RunFolder::at(&parent.path().join("b"), Readers::Owner).unwrap());
        for made in [&first, &second, &second] {
            made.becomes_latest().unwrap();
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(made.path().file_name().unwrap()));
        }
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 3, "no temporary link stays");
        fs::remove_file(&link).unwrap();
        fs::write(&link, "mine").unwrap();
        assert!(first.becomes_latest().is_err());
        assert_eq!(fs::read(&link).unwrap(), b"mine");
        fs::remove_file(&link).unwrap();
        fs::create_dir(&link).unwrap();
        assert!(first.becomes_latest().unwrap_err().to_string().contains("not a link"));
        assert!(link.is_dir() && !link.is_symlink());
    }

    #[test]
    fn names_are_made_fit_for_files() {
        assert_eq!(slug("my profile/../x"), "my-profile-..-x");
        assert_eq!(slug("../.."), "run");
        assert_eq!(slug("é"), "run");
        assert_eq!(slug(&"x".repeat(500)).len(), 60);
        assert_eq!(stamp(0), "19700101T000000Z");
        assert_eq!(stamp(u64::MAX), "25540721T233433Z");
    }

    #[test]
    fn a_file_is_written_whole_and_replaced_whole() {
        let parent = tempfile::tempdir().unwrap();
        let folder = folder(parent.path());
        folder.write_whole("charts/a.svg", b"first").unwrap();
        folder.write_whole("charts/a.svg", b"second").unwrap();
        assert_eq!(fs::read(folder.file("charts/a.svg")).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.file("charts")).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let parent = tempfile::tempdir().unwrap();
        let folder = folder(parent.path());
        for name in ["", "..", "../x", "/etc/x", "a/../../x", "."] {
            assert!(matches!(folder.write_whole(name, b""), Err(ArchiveError::Name { .. })), "{name}");
        }
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let parent = tempfile::tempdir().unwrap();
        let folder = folder(parent.path());
        fs::create_dir_all(folder.file("record.json/occupied")).unwrap();
        assert!(folder.write_whole("record.json", b"new").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
