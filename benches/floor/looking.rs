//! The cost of a process: CPU and context switches, by thread, as the kernel counts them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::process::Child;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The kernel's counters of a thread so far.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    cpu_ns: u64,
    switches: u64,
}

/// All threads of a process at a moment, by their names; threads of one name together.
pub(crate) struct Look {
    unix_ns: u64,
    threads: BTreeMap<String, Counted>,
}

/// Microseconds of CPU an event, and context switches an event.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) cpu_us: f64,
    pub(crate) switches: f64,
    /// By thread: both.
    pub(crate) threads: BTreeMap<String, (f64, f64)>,
}

/// Waits for a child, samples it meanwhile, and collects its output.
pub(crate) fn watch(mut child: Child) -> (String, Vec<Look>) {
    let mut out = child.stdout.take().expect("its output");
    let reading = std::thread::spawn(move || {
        let mut said = String::new();
        out.read_to_string(&mut said).expect("text");
        said
    });
    let mut looks = Vec::new();
    while child.try_wait().expect("a child").is_none() {
        looks.extend(look(child.id()));
        std::thread::sleep(Duration::from_millis(100));
    }
    let status = child.wait().expect("a child");
    let said = reading.join().expect("read");
    assert!(status.success() || said.contains("\"schema\""), "it ended with {status}");
    (said, looks)
}

fn look(pid: u32) -> Option<Look> {
    let mut threads: BTreeMap<String, Counted> = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let name = read("comm").trim().to_owned();
        let counted = threads.entry(name).or_default();
        counted.cpu_ns += read("schedstat").split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0);
        let status = read("status");
        let switches = status.lines().filter(|line| line.contains("ctxt_switches"));
        counted.switches +=
            switches.filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok()).sum::<u64>();
    }
    let unix_ns = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_nanos().try_into().ok()?;
    Some(Look { unix_ns, threads })
}

impl Cost {
    /// Between two moments, from the looks nearest to them within; an event's share.
    pub(crate) fn between(looks: &[Look], from: u64, until: u64, events: u64) -> Self {
        let within: Vec<&Look> = looks.iter().filter(|look| (from..=until).contains(&look.unix_ns)).collect();
        let (Some(first), Some(last)) = (within.first(), within.last()) else { return Self::default() };
        let seconds = (last.unix_ns - first.unix_ns) as f64;
        let share = events as f64 * seconds / (until - from) as f64;
        let mut cost = Self::default();
        for (name, end) in &last.threads {
            let start = first.threads.get(name).copied().unwrap_or_default();
            let us = end.cpu_ns.saturating_sub(start.cpu_ns) as f64 / 1_000.0 / share;
            let switches = end.switches.saturating_sub(start.switches) as f64 / share;
            cost.cpu_us += us;
            cost.switches += switches;
            if us > 0.05 {
                cost.threads.insert(name.clone(), (us, switches));
            }
        }
        cost
    }
}
