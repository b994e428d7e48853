//! Resource use of a control group: the kernel's figures for all processes of a container.

use std::fs;
use std::path::{Path, PathBuf};

use super::resources::{Process, ProcessUse};

/// A control group, identified by its folder in the cgroup file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlGroup {
    folder: PathBuf,
    unified: bool,
}

impl ControlGroup {
    /// The group of a process; `None` if the process or its group is not visible from here.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Self::find(&groups, &mounts).filter(|group| group.usage().is_some())
    }

    /// Finds the group from `/proc/PID/cgroup` (`N:CONTROLLERS:PATH`, without controllers in version 2) and
    /// `/proc/self/mountinfo`. A separately mounted controller is of version 1, and then not available in version 2.
    fn find(groups: &str, mounts: &str) -> Option<Self> {
        let first = place(groups, mounts, "cpuacct").map(|folder| Self { folder, unified: false });
        first.or_else(|| place(groups, mounts, "").map(|folder| Self { folder, unified: true }))
    }

    /// Version of the cgroup interface: 1 or 2.
    #[must_use]
    pub const fn version(&self) -> u8 {
        if self.unified { 2 } else { 1 }
    }

    /// CPU time of the group, including ended processes, and resident memory of its processes. `None` once the group is gone
    /// or empty.
    ///
    /// The group's own memory counter is not comparable with a server's outside of a container: it includes the page cache of
    /// the store, and lacks pages of the program that another group read first.
    #[must_use]
    pub fn usage(&self) -> Option<ProcessUse> {
        let (user_ns, system_ns) = if self.unified {
            let stat = read(&self.folder, "cpu.stat")?;
            (field(&stat, "user_usec")? * 1000, field(&stat, "system_usec")? * 1000)
        } else {
            let number = |name| read(&self.folder, name)?.trim().parse::<u64>().ok();
            (number("cpuacct.usage_user")?, number("cpuacct.usage_sys")?)
        };
        let pids = read(&self.folder, "cgroup.procs")?;
        let pids = pids.lines().filter_map(|pid| pid.parse().ok());
        let processes = pids.filter_map(|pid| Process::of(pid).ok()?.usage().ok());
        let (mut rss_bytes, mut peak_rss_bytes) = (0, 0);
        for process in processes {
            rss_bytes += process.rss_bytes;
            peak_rss_bytes += process.peak_rss_bytes;
        }
        (peak_rss_bytes > 0).then_some(ProcessUse { user_ns, system_ns, rss_bytes, peak_rss_bytes })
    }
}

fn read(folder: &Path, name: &str) -> Option<String> {
    fs::read_to_string(folder.join(name)).ok()
}

fn field(text: &str, name: &str) -> Option<u64> {
    let mut fields = text.lines().filter_map(|line| line.split_once(' '));
    fields.find(|(other, _)| *other == name)?.1.trim().parse().ok()
}

/// The folder of the group for a controller; for the empty name, that of version 2.
fn place(groups: &str, mounts: &str, controller: &str) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        controllers.split(',').any(|name| name == controller).then_some(path)
    })?;
    mounts.lines().find_map(|line| {
        // ID PARENT MAJOR:MINOR ROOT POINT OPTIONS… - TYPE SOURCE OPTIONS
        let (head, tail) = line.split_once(" - ")?;
        let mut head = head.split(' ').skip(3);
        let (root, point) = (head.next()?, head.next()?);
        let mut tail = tail.split(' ');
        let (kind, options) = (tail.next()?, tail.nth(1)?);
        let found = match controller {
            "" => kind == "cgroup2",
            name => kind == "cgroup" && options.split(',').any(|option| option == name),
        };
        let below = path.strip_prefix(root.trim_end_matches('/')).filter(|_| found)?;
        Some(Path::new(point).join(below.trim_start_matches('/')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_both_versions_are_found() {
        let mounts = "31 30 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
                      32 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      33 30 0:28 / /sys/fs/cgroup/unified rw - cgroup2 none rw,nsdelegate\n";
        let groups = "4:memory:/docker/ab\n2:cpu,cpuacct:/docker/ab\n0::/docker/ab\n";
        let found = ControlGroup::find(groups, mounts).unwrap();
        assert_eq!(
            (found.folder.to_str().unwrap(), found.version()),
            ("/sys/fs/cgroup/cpu,cpuacct/docker/ab", 1)
        );
        let mounts = "30 22 0:25 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = ControlGroup::find("0::/system.slice/docker-ab.scope\n", mounts).unwrap();
        assert_eq!(found.folder, Path::new("/sys/fs/cgroup/system.slice/docker-ab.scope"));
        assert_eq!(found.version(), 2);
        // If only a part of the hierarchy is mounted, other groups are not visible.
        let part = "30 22 0:25 /ours /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(ControlGroup::find("0::/theirs\n", part), None);
        assert_eq!(ControlGroup::find("0::/ours/ab\n", part).unwrap().folder, Path::new("/sys/fs/cgroup/ab"));
        assert_eq!(ControlGroup::find("", ""), None);
        assert_eq!(ControlGroup::of(u32::MAX), None);
    }

    #[test]
    fn figures_of_both_versions_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let group = |unified| ControlGroup { folder: folder.path().to_owned(), unified };
        assert_eq!(group(true).usage(), None, "a group that is gone has no figures");
        write("cpu.stat", "usage_usec 50\nuser_usec 30\nsystem_usec 20\n");
        write("cpuacct.usage_user", "31\n");
        write("cpuacct.usage_sys", "21\n");
        write("cgroup.procs", "");
        assert_eq!(group(true).usage(), None, "nor has an empty one");
        write("cgroup.procs", &format!("{}\n0\n", std::process::id()));
        let own = Process::own().unwrap().usage().unwrap();
        for (unified, cpu) in [(true, (30_000, 20_000)), (false, (31, 21))] {
            let used = group(unified).usage().unwrap();
            assert_eq!((used.user_ns, used.system_ns), cpu);
            assert!(used.peak_rss_bytes >= own.peak_rss_bytes && used.rss_bytes > 0, "{used:?}");
        }
    }
}
