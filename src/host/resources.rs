//! Resource use of processes, the machine and its disks: CPU time, memory, bytes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::HostError;
use crate::num;

/// A process, identified by number and start time, since the number may be reused by another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    pid: u32,
    born: u64,
}

/// Resource use of a process so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcessUse {
    /// CPU time in user mode, nanoseconds (the kernel counts in ticks of 10 ms).
    pub user_ns: u64,
    /// CPU time in the kernel, nanoseconds.
    pub system_ns: u64,
    /// Resident memory now, bytes.
    pub rss_bytes: u64,
    /// Peak resident memory, bytes.
    pub peak_rss_bytes: u64,
}

/// Reads the use so far of something other than a single process, such as a container; `None` if it is unavailable.
pub type Meter = Box<dyn Fn() -> Option<ProcessUse> + Send>;

impl Process {
    /// The process with this number.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(pid: u32) -> Result<Self, HostError> {
        Ok(Self { pid, born: Stat::of(pid)?.born })
    }

    /// This process.
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn own() -> Result<Self, HostError> {
        Self::of(std::process::id())
    }

    /// Process number.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Its start time, in clock ticks since the machine's start.
    #[must_use]
    pub const fn born(&self) -> u64 {
        self.born
    }

    /// Whether it still runs; a zombie does not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.stat().is_ok_and(|stat| !matches!(stat.state, 'Z' | 'X'))
    }

    /// Whether it is stopped (SIGSTOP).
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stat().is_ok_and(|stat| stat.state == 'T')
    }

    /// Whether it was started by the process with this number.
    #[must_use]
    pub fn is_child_of(&self, parent: u32) -> bool {
        self.stat().is_ok_and(|stat| stat.parent == parent)
    }

    /// Its use so far.
    ///
    /// # Errors
    /// When it has ended.
    pub fn usage(&self) -> Result<ProcessUse, HostError> {
        let stat = self.stat()?;
        let path = format!("/proc/{}/status", self.pid);
        let status = fs::read_to_string(&path).map_err(|_| HostError::Gone { pid: self.pid })?;
        let tick_ns = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
        Ok(ProcessUse {
            user_ns: stat.user_ticks * tick_ns,
            system_ns: stat.system_ticks * tick_ns,
            // A process that is exiting has no memory any more.
            rss_bytes: kib_field(&status, "VmRSS:").unwrap_or(0),
            peak_rss_bytes: kib_field(&status, "VmHWM:").unwrap_or(0),
        })
    }

    fn stat(&self) -> Result<Stat, HostError> {
        let stat = Stat::of(self.pid)?;
        if stat.born == self.born { Ok(stat) } else { Err(HostError::Gone { pid: self.pid }) }
    }
}

/// The fields used of `/proc/PID/stat` (`proc_pid_stat(5)`).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    parent: u32,
    user_ticks: u64,
    system_ticks: u64,
    born: u64,
}

impl Stat {
    fn of(pid: u32) -> Result<Self, HostError> {
        let path = format!("/proc/{pid}/stat");
        let text = fs::read_to_string(&path).map_err(|_| HostError::Gone { pid })?;
        Self::parse(&text).ok_or_else(|| HostError::Malformed { path: path.into() })
    }

    /// The second field is the program's name in parentheses, which may contain spaces and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let (_, after_name) = text.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: number(4)?.try_into().ok()?,
            user_ticks: number(14)?,
            system_ticks: number(15)?,
            born: number(22)?,
        })
    }
}

/// Reads a field in kB from a `/proc` file; returns bytes.
pub(super) fn kib_field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// CPU time of all cores since the machine's start, in clock ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MachineCpu {
    /// Total, including idle time.
    pub total: u64,
    /// Idle, or waiting for a disk.
    pub idle: u64,
    /// Stolen by the hypervisor for other guests.
    pub steal: u64,
}

impl MachineCpu {
    /// Reads the counters.
    ///
    /// # Errors
    /// When `/proc/stat` is missing or malformed.
    pub fn now() -> Result<Self, HostError> {
        let path = Path::new("/proc/stat");
        let text = fs::read_to_string(path).map_err(HostError::io(path))?;
        Self::parse(&text).ok_or_else(|| HostError::Malformed { path: path.into() })
    }

    /// Parses `cpu user nice system idle iowait irq softirq steal …`; guest time is part of user time.
    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> = line.split_ascii_whitespace().map_while(|n| n.parse().ok()).take(8).collect();
        let field = |n: usize| ticks.get(n).copied().unwrap_or(0);
        (ticks.len() >= 4).then(|| Self {
            total: ticks.iter().sum(),
            idle: field(3) + field(4),
            steal: field(7),
        })
    }

    /// Busy share of all CPU time between two readings, 0 to 1.
    #[must_use]
    pub fn busy_share_since(&self, earlier: &Self) -> f64 {
        let total = self.total.saturating_sub(earlier.total);
        num::share(total.saturating_sub(self.idle.saturating_sub(earlier.idle)), total)
    }

    /// Stolen share of all CPU time between two readings, 0 to 1.
    #[must_use]
    pub fn steal_share_since(&self, earlier: &Self) -> f64 {
        num::share(self.steal.saturating_sub(earlier.steal), self.total.saturating_sub(earlier.total))
    }
}

/// Disk space of a directory tree, in bytes; files that vanish meanwhile are ignored.
#[must_use]
pub fn disk_use(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let of = |entry: &fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_use(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(|entry| of(&entry)).sum()
}

/// Free bytes of the file system of a path, available to this user.
///
/// # Errors
/// When the path does not exist.
pub fn free_bytes(path: &Path) -> Result<u64, HostError> {
    let stat = rustix::fs::statvfs(path).map_err(|errno| HostError::io(path)(errno.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The type of a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// `ext4`, `xfs`, `overlay`, `tmpfs`…
    pub name: String,
    /// It keeps files only in memory, so nothing written to it is durable.
    pub in_memory: bool,
}

/// The file system of a path.
///
/// # Errors
/// When the path does not exist.
pub fn filesystem(path: &Path) -> Result<Filesystem, HostError> {
    const TMPFS: u64 = 0x0102_1994;
    const RAMFS: u64 = 0x8584_58f6;
    let stat = rustix::fs::statfs(path).map_err(|errno| HostError::io(path)(errno.into()))?;
    // The type of this field differs between platforms (signedness, 32 or 64 bits).
    let magic = u64::try_from(stat.f_type).unwrap_or(0) & 0xffff_ffff;
    let device = fs::metadata(path).map_err(HostError::io(path))?.dev();
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let name = mount_type(&mounts, &device).map_or_else(|| format!("{magic:#x}"), str::to_owned);
    Ok(Filesystem { name, in_memory: magic == TMPFS || magic == RAMFS })
}

/// Finds the type of the file system with this device (`major:minor`) in `/proc/PID/mountinfo`
/// (`ID PARENT MAJOR:MINOR ROOT POINT OPTIONS… - TYPE SOURCE …`).
fn mount_type<'a>(mounts: &'a str, device: &str) -> Option<&'a str> {
    let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some(device))?;
    line.split_once(" - ")?.1.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_call_itself_anything() {
        let stat = "7 (a) b) 1 2) S 1 7 7 0 -1 4194560 1 0 0 0 31 17 0 0 20 0 9 0 4242 1 1";
        let expected = Stat { state: 'S', parent: 1, user_ticks: 31, system_ticks: 17, born: 4242 };
        assert_eq!(Stat::parse(stat), Some(expected));
        for cut in 0..stat.len() {
            let _ = Stat::parse(&stat[..cut]);
        }
        assert_eq!(Stat::parse("7 (x) S 1"), None);
    }

    #[test]
    fn this_process_uses_memory_and_time() {
        let own = Process::own().unwrap();
        let mut sum = 0_u64;
        while own.usage().unwrap().user_ns == 0 {
            sum = std::hint::black_box(sum + 1);
        }
        let used = own.usage().unwrap();
        assert!(used.rss_bytes > 100_000 && used.peak_rss_bytes >= used.rss_bytes / 2, "{used:?}");
        assert!(own.is_alive() && !own.is_stopped());
    }

    #[test]
    fn a_number_that_went_to_another_process_is_gone() {
        let other = Process { pid: std::process::id(), born: 1 };
        assert!(!other.is_alive());
        assert!(matches!(other.usage(), Err(HostError::Gone { .. })));
        assert!(Process::of(u32::MAX).is_err());
    }

    #[test]
    fn cpu_shares_follow_from_two_readings() {
        let first = MachineCpu::parse("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 1").unwrap();
        let second = MachineCpu::parse("cpu  130 0 60 850 50 0 0 10 0 0").unwrap();
        assert!((second.busy_share_since(&first) - 0.5).abs() < 1e-9);
        assert!((second.steal_share_since(&first) - 0.1).abs() < 1e-9);
        assert!(first.steal_share_since(&first).abs() < 1e-9);
        assert_eq!(MachineCpu::parse("intr 5"), None);
        assert!(MachineCpu::now().unwrap().total > 0);
    }

    #[test]
    fn disk_use_counts_what_lies_below() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("below/file"), vec![1; 1 << 20]).unwrap();
        assert!(disk_use(folder.path()) >= 1 << 20);
        assert_eq!(disk_use(&folder.path().join("nothing")), 0);
        assert!(free_bytes(folder.path()).unwrap() > 0);
        assert!(free_bytes(&folder.path().join("nothing")).is_err());
    }

    #[test]
    fn a_file_system_is_known_by_its_device() {
        let mounts =
            "22 1 254:0 / / rw - ext4 /dev/vda rw\n30 22 0:25 / /dev/shm rw shared:3 - tmpfs tmpfs rw\n";
        assert_eq!(mount_type(mounts, "0:25"), Some("tmpfs"));
        assert_eq!(mount_type(mounts, "254:0"), Some("ext4"));
        assert_eq!(mount_type(mounts, "1:1"), None);
        let proc = filesystem(Path::new("/proc")).unwrap();
        assert_eq!(proc, Filesystem { name: "proc".into(), in_memory: false });
    }
}
