//! Memory that this process may still use, by the machine, its control groups and its own limits.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

use super::facts::control_groups;
use super::resources::kib_field;

/// A limit on memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// The memory of the machine.
    Machine,
    /// A control group, identified by its folder.
    Group(PathBuf),
    /// The address space of this process (`ulimit -v`).
    AddressSpace,
    /// The data of this process (`ulimit -d`).
    Data,
}

/// Memory left below a bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// The bound.
    pub bound: Bound,
    /// Bytes.
    pub bytes: u64,
}

/// Required memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Need {
    /// By this process.
    pub own: u64,
    /// By processes beside it.
    pub beside: u64,
    /// Threads of this process.
    pub threads: u64,
}

/// Address space that a thread reserves beyond the memory it uses: its stack and an arena of the C library's allocator.
const OF_A_THREAD: u64 = 66 << 20;

impl Need {
    /// The part that a bound counts.
    #[must_use]
    pub const fn of(&self, bound: &Bound) -> u64 {
        match bound {
            Bound::Machine | Bound::Group(_) => self.own.saturating_add(self.beside),
            Bound::AddressSpace => self.own.saturating_add(self.threads.saturating_mul(OF_A_THREAD)),
            Bound::Data => self.own,
        }
    }

    /// The bound that is exceeded most, if any is.
    #[must_use]
    pub fn beyond(&self, rooms: &[Room]) -> Option<Room> {
        let short = |room: &Room| self.of(&room.bound).saturating_sub(room.bytes);
        rooms.iter().filter(|room| short(room) > 0).max_by_key(|room| short(room)).cloned()
    }
}

/// The memory left below every visible bound.
#[must_use]
pub fn rooms() -> Vec<Room> {
    let mut rooms = at(Path::new("/"));
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for (bound, resource, used) in
        [(Bound::AddressSpace, Resource::As, "VmSize:"), (Bound::Data, Resource::Data, "VmData:")]
    {
        if let (Some(most), Some(used)) = (getrlimit(resource).current, kib_field(&status, used)) {
            rooms.push(Room { bound, bytes: most.saturating_sub(used) });
        }
    }
    rooms
}

fn at(root: &Path) -> Vec<Room> {
    let machine = fs::read_to_string(root.join("proc/meminfo")).unwrap_or_default();
    let machine = kib_field(&machine, "MemAvailable:").map(|bytes| Room { bound: Bound::Machine, bytes });
    let groups = control_groups(root, "memory").into_iter().filter_map(|group| {
        let bytes = left_in(&group)?;
        Some(Room { bound: Bound::Group(group), bytes })
    });
    machine.into_iter().chain(groups).collect()
}

/// All memory that tickgate and what runs beside it may use: the machine's, or the lowest limit of a control group.
#[must_use]
pub fn whole() -> Option<u64> {
    whole_of(Path::new("/"))
}

fn whole_of(root: &Path) -> Option<u64> {
    let machine = fs::read_to_string(root.join("proc/meminfo")).unwrap_or_default();
    let limits = control_groups(root, "memory").into_iter().filter_map(|group| {
        let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
        number("memory.max").or_else(|| number("memory.limit_in_bytes"))
    });
    kib_field(&machine, "MemTotal:").into_iter().chain(limits).min()
}

/// Memory left in a control group: its limit minus its use without reclaimable page cache. `None` if it has no limit.
fn left_in(group: &Path) -> Option<u64> {
    let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    let (most, used, cache) = match number("memory.max") {
        Some(most) => (most, number("memory.current")?, "inactive_file "),
        None => (number("memory.limit_in_bytes")?, number("memory.usage_in_bytes")?, "total_inactive_file "),
    };
    // In version 1, a group without a limit reports nearly 2^63.
    if most > 1 << 60 {
        return None;
    }
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let cache = stat.lines().find_map(|line| line.strip_prefix(cache)?.trim().parse::<u64>().ok());
    Some(most.saturating_sub(used.saturating_sub(cache.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::scratch::machine;

    fn found(root: &tempfile::TempDir) -> Vec<(String, u64)> {
        let name = |bound: Bound| match bound {
            Bound::Group(path) => path.strip_prefix(root.path()).unwrap().display().to_string(),
            other => format!("{other:?}"),
        };
        at(root.path()).into_iter().map(|room| (name(room.bound), room.bytes)).collect()
    }

    #[test]
    fn every_group_above_counts_with_what_it_can_give_back() {
        let root = machine(&[
            ("proc/meminfo", "MemTotal: 100 kB\nMemAvailable:      50 kB\n"),
            ("proc/self/cgroup", "0::/jobs/job 7\n"),
            ("sys/fs/cgroup/jobs/job 7/memory.max", "max\n"),
            ("sys/fs/cgroup/jobs/job 7/memory.current", "9000\n"),
            ("sys/fs/cgroup/jobs/memory.max", "20000\n"),
            ("sys/fs/cgroup/jobs/memory.current", "12000\n"),
            ("sys/fs/cgroup/jobs/memory.stat", "anon 1\nfile 9000\ninactive_file 2000\n"),
        ]);
        let jobs = "sys/fs/cgroup/jobs".to_owned();
        assert_eq!(found(&root), [("Machine".to_owned(), 51_200), (jobs, 10_000)]);
        assert_eq!(whole_of(root.path()), Some(20_000));
    }

    #[test]
    fn version_1_has_other_names_and_no_word_for_no_limit() {
        let root = machine(&[
            ("proc/self/cgroup", "4:cpu:/x\n3:memory,hugetlb:/docker/ab\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n"),
            ("sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes", "5000\n"),
            ("sys/fs/cgroup/memory/docker/ab/memory.usage_in_bytes", "6000\n"),
            ("sys/fs/cgroup/memory/docker/ab/memory.stat", "inactive_file 9\ntotal_inactive_file 1500\n"),
        ]);
        assert_eq!(found(&root), [("sys/fs/cgroup/memory/docker/ab".to_owned(), 500)]);
        assert_eq!((found(&machine(&[])), whole_of(machine(&[]).path())), (vec![], None));
    }

    #[test]
    fn the_tightest_bound_is_named_by_what_it_lacks() {
        let need = Need { own: 100, beside: 50, threads: 0 };
        let room = |bound, bytes| Room { bound, bytes };
        assert_eq!(need.beyond(&[room(Bound::Machine, 150), room(Bound::Data, 100)]), None);
        let rooms = [room(Bound::Machine, 149), room(Bound::AddressSpace, 80), room(Bound::Data, 99)];
        assert_eq!(need.beyond(&rooms), Some(rooms[1].clone()));
        assert!(super::rooms().iter().any(|room| room.bound == Bound::Machine && room.bytes > 0));
    }
}
