//! Facts on this machine that affect figures measured on it. Nothing secret.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread::available_parallelism;

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use super::resources::filesystem;

/// The machine, for the record. Unknown facts are empty, 0 or `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// `Linux (Debian GNU/Linux 12)`.
    pub os: String,
    /// `6.1.0-18-amd64`.
    pub kernel: String,
    /// `x86_64`.
    pub arch: String,
    /// The CPU's model name.
    pub cpu_model: String,
    /// Online cores (hardware threads) of the machine.
    pub cores: u64,
    /// Cores that this process may use, by affinity and cgroup limit.
    pub usable_cores: u64,
    /// CPU limit of the cgroup, in cores, if it has one.
    pub cpu_limit_cores: Option<f64>,
    /// Memory of the machine, bytes.
    pub memory_bytes: u64,
    /// Host name.
    pub hostname: String,
    /// Type of the file system under the broker's store.
    pub store_filesystem: Option<String>,
    /// The hypervisor, if there is one.
    pub virtualisation: Option<String>,
    /// The kind of container that tickgate runs in, if any.
    pub container: Option<String>,
    /// `performance`, `powersave`…
    pub cpu_governor: Option<String>,
    /// Clock source of the kernel: `tsc`, `kvm-clock`, `hpet`.
    pub clock_source: Option<String>,
    /// Load average over 1, 5 and 15 minutes.
    pub load_average: [f64; 3],
}

impl Facts {
    /// Collects the facts; `store` is the directory of a local broker's store.
    #[must_use]
    pub fn collect(store: Option<&Path>) -> Self {
        let wanted = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(wanted).ok();
        let cpus = system.as_ref().map_or(&[][..], System::cpus);
        let load = System::load_average().map_or([0.0; 3], |load| [load.one, load.five, load.fifteen]);
        Self {
            os: System::long_os_version().unwrap_or_default(),
            kernel: System::kernel_version().unwrap_or_default(),
            arch: System::cpu_arch(),
            cpu_model: cpus.first().map_or_else(String::new, |cpu| cpu.brand().trim().to_owned()),
            cores: crate::num::count(cpus.len()),
            usable_cores: usable_cores(),
            cpu_limit_cores: cpu_limit(Path::new("/")),
            memory_bytes: system.as_ref().map_or(0, System::total_memory),
            hostname: System::host_name().unwrap_or_default(),
            store_filesystem: store.and_then(|path| filesystem(path).ok()).map(|fs| fs.name),
            virtualisation: virtualisation(Path::new("/")),
            container: container(Path::new("/"), std::env::var("container").ok()),
            cpu_governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            clock_source: line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            load_average: load,
        }
    }
}

/// The first line of a file, unless it is empty.
fn line(path: impl AsRef<Path>) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().next().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned)
}

fn virtualisation(root: &Path) -> Option<String> {
    let cpus = fs::read_to_string(root.join("proc/cpuinfo")).unwrap_or_default();
    let flagged = cpus
        .lines()
        .filter(|line| line.starts_with("flags") || line.starts_with("Features"))
        .any(|line| line.split_ascii_whitespace().any(|flag| flag == "hypervisor"));
    let hypervisor = line(root.join("sys/hypervisor/type"));
    let board = ["sys_vendor", "product_name"]
        .iter()
        .filter_map(|file| line(root.join("sys/class/dmi/id").join(file)))
        .collect::<Vec<_>>()
        .join(" ");
    match (flagged || hypervisor.is_some(), hypervisor, board.is_empty()) {
        (false, ..) => None,
        (true, Some(hypervisor), _) => Some(hypervisor),
        (true, None, false) => Some(board),
        (true, None, true) => Some("a hypervisor without a name".into()),
    }
}

fn container(root: &Path, announced: Option<String>) -> Option<String> {
    if root.join(".dockerenv").exists() {
        return Some("docker".into());
    }
    if root.join("run/.containerenv").exists() {
        return Some("podman".into());
    }
    if root.join("var/run/secrets/kubernetes.io").exists() {
        return Some("kubernetes".into());
    }
    announced.filter(|name| !name.is_empty())
}

/// The tightest CPU limit of our cgroup and its ancestors, in cores (version 2: `cpu.max`; version 1: `cpu.cfs_quota_us`).
pub(super) fn cpu_limit(root: &Path) -> Option<f64> {
    control_groups(root, "cpu").iter().filter_map(|group| quota(group)).reduce(f64::min)
}

/// The folders of our control group and its ancestors for a controller, in both versions.
pub(super) fn control_groups(root: &Path, controller: &str) -> Vec<PathBuf> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    groups
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            Some((fields.next()?, fields.next()?.trim_start_matches('/')))
        })
        .flat_map(|(controllers, path)| {
            let mount = match controllers {
                "" => Some(PathBuf::from("sys/fs/cgroup")),
                list if list.split(',').any(|name| name == controller) => {
                    Some(Path::new("sys/fs/cgroup").join(controller))
                }
                _ => None,
            };
            let above: Vec<PathBuf> = Path::new(path).ancestors().map(Path::to_owned).collect();
            mount
                .into_iter()
                .flat_map(move |mount| above.clone().into_iter().map(move |up| (mount.clone(), up)))
        })
        .map(|(mount, group)| root.join(mount).join(group))
        .collect()
}

fn quota(group: &Path) -> Option<f64> {
    let (quota, period) = match line(group.join("cpu.max")) {
        Some(both) => both.split_once(' ').map(|(quota, period)| (quota.to_owned(), period.to_owned()))?,
        None => (line(group.join("cpu.cfs_quota_us"))?, line(group.join("cpu.cfs_period_us"))?),
    };
    let (quota, period) = (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

/// Cores that this process was allowed to use at the first call; a later placement does not change the result.
fn usable_cores() -> u64 {
    static CORES: OnceLock<u64> = OnceLock::new();
    *CORES.get_or_init(|| available_parallelism().map_or(0, |cores| crate::num::count(cores.get())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::scratch::machine;

    #[test]
    fn this_machine_has_the_basics() {
        let facts = Facts::collect(Some(Path::new("/proc")));
        assert!(facts.cores >= 1 && facts.usable_cores >= 1 && facts.memory_bytes > 1 << 20, "{facts:?}");
        assert!(!facts.kernel.is_empty() && !facts.os.is_empty(), "{facts:?}");
        assert_eq!(facts.store_filesystem.as_deref(), Some("proc"));
    }

    #[test]
    fn the_tightest_cgroup_limit_counts() {
        let root = machine(&[
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/a/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/cpu.max", "400000 100000\n"),
        ]);
        assert_eq!(cpu_limit(root.path()), Some(1.5));
        let root = machine(&[
            ("proc/self/cgroup", "4:memory:/x\n2:cpu,cpuacct:/x\n"),
            ("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "50000\n"),
            ("sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        ]);
        assert_eq!(cpu_limit(root.path()), Some(0.5));
        assert_eq!(cpu_limit(machine(&[]).path()), None);
    }

    #[test]
    fn a_hypervisor_shows_in_the_flags() {
        let board = ("sys/class/dmi/id/product_name", "KVM Virtual Machine\n");
        let guest = ("proc/cpuinfo", "flags : fpu hypervisor tsc\n");
        let metal = ("proc/cpuinfo", "flags : fpu tsc\n");
        assert_eq!(virtualisation(machine(&[guest, board]).path()).as_deref(), Some("KVM Virtual Machine"));
        assert_eq!(virtualisation(machine(&[guest]).path()).as_deref(), Some("a hypervisor without a name"));
        assert_eq!(virtualisation(machine(&[metal, board]).path()), None);
    }

    #[test]
    fn a_container_is_known_by_what_it_leaves() {
        assert_eq!(container(machine(&[(".dockerenv", "")]).path(), None).as_deref(), Some("docker"));
        assert_eq!(container(machine(&[]).path(), Some("lxc".into())).as_deref(), Some("lxc"));
        assert_eq!(container(machine(&[]).path(), None), None);
    }
}
