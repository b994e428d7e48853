//! How busy the disk under a folder is, by the kernel's account of its block device.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Place of "time spent doing I/O" in a device's `stat`, from 0 (Documentation/block/stat.rst).
const IO_TICKS: usize = 9;

/// A block device of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk(PathBuf);

impl Disk {
    /// The device under a folder; `None` for a file system without one, such as tmpfs, overlayfs or NFS.
    #[must_use]
    pub fn under(folder: &Path) -> Option<Self> {
        let device = fs::metadata(folder).ok()?.dev();
        Self::of(Path::new("/"), rustix::fs::major(device), rustix::fs::minor(device))
    }

    fn of(root: &Path, major: u32, minor: u32) -> Option<Self> {
        let disk = Self(root.join(format!("sys/dev/block/{major}:{minor}/stat")));
        disk.busy_ms().is_some().then_some(disk)
    }

    /// Milliseconds since the machine's start in which it had requests, of any process.
    #[must_use]
    pub fn busy_ms(&self) -> Option<u64> {
        let stat = fs::read_to_string(&self.0).ok()?;
        stat.split_whitespace().nth(IO_TICKS)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::scratch::machine;

    #[test]
    fn a_device_says_how_long_it_was_busy_and_a_file_system_without_one_does_not() {
        let stat = "  5551  2052 549022  2281  9421  9152 1028288  9284   0   6252   11909   0  0  0  0  1543  343\n";
        let root = machine(&[("sys/dev/block/254:1/stat", stat), ("sys/dev/block/7:0/stat", "1 2 3\n")]);
        assert_eq!(Disk::of(root.path(), 254, 1).and_then(|disk| disk.busy_ms()), Some(6252));
        assert_eq!(Disk::of(root.path(), 7, 0), None, "an old kernel");
        assert_eq!(Disk::of(root.path(), 0, 25), None, "an overlay");
        assert_eq!(Disk::under(Path::new("/proc/self")), None);
    }
}
