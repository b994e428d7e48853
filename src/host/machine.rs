//! CPU use of the machine: busy and stolen time of the cores that this process may use, pressure, throttling by its control
//! group, and CPU time of its own threads.

use std::fs;
use std::path::{Path, PathBuf};

use super::facts::{control_groups, cpu_limit};
use super::placement;
use crate::num;

/// The part of the machine that this process may use.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
    /// Numbers of the cores in this process's affinity; empty (unknown) means all cores.
    cores: Vec<usize>,
    usable_cores: f64,
    groups: Vec<PathBuf>,
}

/// Counters since the machine's start, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Busy time, including interrupts.
    pub busy_ns: u64,
    /// Time in interrupts, which the kernel attributes to no process.
    pub interrupts_ns: u64,
    /// Time stolen by other guests of the hypervisor while this machine had work.
    pub stolen_ns: u64,
    /// Time in which some thread waited for a core; `None` if the kernel does not report it.
    pub pressure_ns: Option<u64>,
    /// Time in which a quota throttled threads of the control group.
    pub throttled_ns: u64,
}

/// CPU time of a thread of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadUse {
    /// Thread id.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// CPU time so far.
    pub cpu_ns: u64,
}

impl Machine {
    /// This machine; `None` if the kernel does not report its use.
    #[must_use]
    pub fn here() -> Option<Self> {
        let cores = placement::cores().map_or_else(Vec::new, |set| placement::numbers(&set));
        Self::at(Path::new("/"), cores)
    }

    fn at(root: &Path, cores: Vec<usize>) -> Option<Self> {
        let all = online(&fs::read_to_string(root.join("proc/stat")).ok()?);
        let cores: Vec<usize> = cores.into_iter().filter(|core| all.contains(core)).collect();
        let count = if cores.is_empty() { all.len() } else { cores.len() };
        let usable_cores = num::f64_of(num::count(count)).min(cpu_limit(root).unwrap_or(f64::MAX));
        let groups = control_groups(root, "cpu");
        let machine = Self { root: root.to_owned(), cores, usable_cores, groups };
        machine.read().is_some().then_some(machine)
    }

    /// Cores of the affinity, limited by a quota.
    #[must_use]
    pub const fn usable_cores(&self) -> f64 {
        self.usable_cores
    }

    /// Reads the counters; `None` if the kernel does not report them.
    #[must_use]
    pub fn read(&self) -> Option<Reading> {
        let stat = fs::read_to_string(self.root.join("proc/stat")).ok()?;
        let tick_ns = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
        let mut reading = Reading::default();
        let mut seen = false;
        for (core, ticks) in cores(&stat) {
            if !self.cores.is_empty() && !self.cores.contains(&core) {
                continue;
            }
            // user nice system idle iowait irq softirq steal
            let of = |field: usize| ticks.get(field).copied().unwrap_or(0) * tick_ns;
            reading.busy_ns += of(0) + of(1) + of(2) + of(5) + of(6);
            reading.interrupts_ns += of(5) + of(6);
            reading.stolen_ns += of(7);
            seen = true;
        }
        let pressure = fs::read_to_string(self.root.join("proc/pressure/cpu")).ok();
        reading.pressure_ns = pressure.as_deref().and_then(some_total_us).map(|us| us * 1000);
        reading.throttled_ns = self.groups.iter().filter_map(|group| throttled_ns(group)).sum();
        seen.then_some(reading)
    }
}

/// The lines `cpuN …` of `/proc/stat`.
fn cores(stat: &str) -> impl Iterator<Item = (usize, Vec<u64>)> + '_ {
    stat.lines().filter_map(|line| {
        let mut fields = line.strip_prefix("cpu")?.split_ascii_whitespace();
        let core = fields.next().filter(|_| !line.starts_with("cpu "))?.parse().ok()?;
        Some((core, fields.map_while(|field| field.parse().ok()).collect()))
    })
}

fn online(stat: &str) -> Vec<usize> {
    cores(stat).map(|(core, _)| core).collect()
}

/// Parses `some avg10=0.00 … total=N`, in microseconds.
fn some_total_us(pressure: &str) -> Option<u64> {
    let line = pressure.lines().find(|line| line.starts_with("some "))?;
    line.rsplit_once("total=")?.1.trim().parse().ok()
}

/// Reads `throttled_usec` of version 2, or `throttled_time` (in nanoseconds) of version 1.
fn throttled_ns(group: &Path) -> Option<u64> {
    let stat = fs::read_to_string(group.join("cpu.stat")).ok()?;
    let field = |name: &str| {
        let line = stat.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse::<u64>().ok()
    };
    field("throttled_usec ").map(|us| us * 1000).or_else(|| field("throttled_time "))
}

/// The threads of this process.
#[must_use]
pub fn threads() -> Vec<ThreadUse> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    let of = |task: &Path| {
        let id = task.file_name()?.to_str()?.parse().ok()?;
        let name = fs::read_to_string(task.join("comm")).ok()?.trim().to_owned();
        // Time on a core, time ready to run, slices.
        let run = fs::read_to_string(task.join("schedstat")).ok()?;
        let cpu_ns = run.split_ascii_whitespace().next()?.parse().ok()?;
        Some(ThreadUse { id, name, cpu_ns })
    };
    tasks.flatten().filter_map(|task| of(&task.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::scratch::machine;

    const STAT: &str =
        "cpu  30 0 20 500 0 1 2 7 0 0\ncpu0 10 0 5 300 0 1 0 3 0 0\ncpu1 20 0 15 200 0 0 2 4 0 0\nintr 1\n";

    #[test]
    fn only_the_cores_that_we_may_use_count() {
        let tick = 1_000_000_000 / rustix::param::clock_ticks_per_second();
        let root =
            machine(&[("proc/stat", STAT), ("proc/pressure/cpu", "some avg10=0 total=1500\nfull total=9\n")]);
        let both = Machine::at(root.path(), vec![]).unwrap();
        let reading = both.read().unwrap();
        assert_eq!(
            [reading.busy_ns, reading.interrupts_ns, reading.stolen_ns].map(|ns| ns / tick),
            [53, 3, 7]
        );
        assert_eq!((reading.pressure_ns, reading.throttled_ns), (Some(1_500_000), 0));
        assert!((both.usable_cores() - 2.0).abs() < 1e-9);
        let second = Machine::at(root.path(), vec![1, 7]).unwrap();
        assert_eq!(second.read().unwrap().busy_ns / tick, 37);
        assert!((second.usable_cores() - 1.0).abs() < 1e-9);
        assert!(Machine::at(machine(&[]).path(), vec![]).is_none());
    }

    #[test]
    fn a_quota_makes_fewer_cores_and_says_when_it_holds_back() {
        for (group, stat) in
            [("cpu.max", "throttled_usec 2500\n"), ("cpu.cfs_quota_us", "throttled_time 2500000\n")]
        {
            let unified = group == "cpu.max";
            let mount = if unified { "sys/fs/cgroup/a" } else { "sys/fs/cgroup/cpu/a" };
            let root = machine(&[
                ("proc/stat", STAT),
                ("proc/self/cgroup", if unified { "0::/a\n" } else { "1:cpu:/a\n" }),
                (&format!("{mount}/{group}"), if unified { "20000 100000\n" } else { "20000\n" }),
                (&format!("{mount}/cpu.cfs_period_us"), "100000\n"),
                (&format!("{mount}/cpu.stat"), &format!("nr_periods 3\n{stat}")),
            ]);
            let machine = Machine::at(root.path(), vec![]).unwrap();
            assert!((machine.usable_cores() - 0.2).abs() < 1e-9, "{group}");
            assert_eq!(machine.read().unwrap().throttled_ns, 2_500_000, "{group}");
        }
    }

    #[test]
    fn this_machine_is_used_and_this_thread_runs() {
        let machine = Machine::here().unwrap();
        assert!(machine.usable_cores() > 0.0 && machine.read().unwrap().busy_ns > 0);
        let thread = std::thread::Builder::new().name("a-busy-thread".into()).spawn(|| {
            let mut sum = 0_u64;
            loop {
                sum = std::hint::black_box(sum + 1);
                let own = threads().into_iter().find(|thread| thread.name == "a-busy-thread")?;
                if own.cpu_ns > 0 {
                    return Some(own);
                }
            }
        });
        assert!(thread.unwrap().join().unwrap().is_some());
    }
}
