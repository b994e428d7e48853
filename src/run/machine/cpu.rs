//! The CPU use of this machine, by whom: each second, and over the measure phase.

use std::collections::BTreeMap;

use crate::host::machine::{Machine, Reading, ThreadUse, threads};
use crate::num;
use crate::plan::Ns;
use crate::record;

/// CPU use of a second, in cores.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Used {
    /// By all processes, stolen time included.
    pub(super) all: Option<f64>,
    /// By all processes except tickgate and visible brokers.
    pub(super) others: Option<f64>,
}

/// A reading with its time.
#[derive(Debug, Clone)]
struct Moment {
    at: Ns,
    reading: Reading,
    threads: Vec<ThreadUse>,
}

/// Reads the machine's CPU counters.
pub(super) struct CpuWatch {
    machine: Option<Machine>,
    /// A broker runs on this machine.
    broker_here: bool,
    /// The broker's use can be separated from that of others.
    broker_seen: bool,
    last: Option<(Ns, Reading)>,
    start: Option<Moment>,
    end: Option<Moment>,
}

impl CpuWatch {
    pub(super) fn new(broker: &record::Broker, broker_seen: bool, now: Ns) -> Self {
        let machine = Machine::here();
        let last = machine.as_ref().and_then(|machine| Some((now, machine.read()?)));
        Self { machine, broker_here: is_here(broker), broker_seen, last, start: None, end: None }
    }

    /// The use since the last call; `ours` is the number of cores used by tickgate and the brokers.
    pub(super) fn second(&mut self, now: Ns, ours: f64) -> Used {
        let Some(reading) = self.machine.as_ref().and_then(Machine::read) else { return Used::default() };
        let Some((before, last)) = self.last.replace((now, reading)) else { return Used::default() };
        let seconds = num::f64_of(now.saturating_sub(before).max(1)) / 1e9;
        let cores = |of: fn(&Reading) -> u64| cores(of, &last, &reading, seconds);
        let (busy, stolen) = (cores(|r| r.busy_ns), cores(|r| r.stolen_ns));
        let others = (busy - cores(|r| r.interrupts_ns) - ours).max(0.0) + stolen;
        Used { all: Some(busy + stolen), others: (!self.blind()).then_some(others) }
    }

    /// The broker runs on this machine but cannot be seen, so it would count among the others.
    const fn blind(&self) -> bool {
        self.broker_here && !self.broker_seen
    }

    pub(super) fn start_measuring(&mut self, now: Ns) {
        self.start = self.moment(now);
    }

    pub(super) fn end_measuring(&mut self, now: Ns) {
        self.end = self.moment(now);
    }

    fn moment(&self, at: Ns) -> Option<Moment> {
        Some(Moment { at, reading: self.machine.as_ref()?.read()?, threads: threads() })
    }

    /// The use over the measure phase; `ours` is the number of cores used by tickgate and the brokers.
    pub(super) fn finish(&self, ours: f64) -> Option<record::Machine> {
        let (machine, start, end) = (self.machine.as_ref()?, self.start.as_ref()?, self.end.as_ref()?);
        let seconds = num::f64_of(end.at.saturating_sub(start.at).max(1)) / 1e9;
        let cores = |of: fn(&Reading) -> u64| cores(of, &start.reading, &end.reading, seconds);
        let (busy_cores, stolen_cores) = (cores(|r| r.busy_ns), cores(|r| r.stolen_ns));
        let others = (busy_cores - cores(|r| r.interrupts_ns) - ours).max(0.0) + stolen_cores;
        let waited = end.reading.pressure_ns.zip(start.reading.pressure_ns);
        Some(record::Machine {
            usable_cores: machine.usable_cores(),
            busy_cores,
            stolen_cores,
            others_cores: (!self.blind()).then_some(others),
            broker_here: self.broker_here,
            pressure: waited.map(|(end, start)| num::f64_of(end.saturating_sub(start)) / 1e9 / seconds),
            throttled_ns: end.reading.throttled_ns.saturating_sub(start.reading.throttled_ns),
            busiest_thread: busiest(&start.threads, &end.threads, seconds),
        })
    }
}

fn cores(of: fn(&Reading) -> u64, from: &Reading, to: &Reading, seconds: f64) -> f64 {
    num::f64_of(of(to).saturating_sub(of(from))) / 1e9 / seconds
}

fn busiest(start: &[ThreadUse], end: &[ThreadUse], seconds: f64) -> Option<record::Thread> {
    let before: BTreeMap<u32, u64> = start.iter().map(|thread| (thread.id, thread.cpu_ns)).collect();
    let used = |thread: &ThreadUse| {
        // A thread that was not there at the start began during the phase.
        let cpu_ns = thread.cpu_ns.saturating_sub(before.get(&thread.id).copied().unwrap_or(0));
        record::Thread { name: thread.name.clone(), cores: num::f64_of(cpu_ns) / 1e9 / seconds }
    };
    end.iter().map(used).max_by(|a, b| a.cores.total_cmp(&b.cores))
}

/// Does the broker run on this machine?
fn is_here(broker: &record::Broker) -> bool {
    match broker.mode.as_str() {
        "local" | "container" => true,
        // In this process.
        "sim" => false,
        _ => broker.address.split(',').any(is_loopback),
    }
}

fn is_loopback(address: &str) -> bool {
    let address = address.trim();
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    ["127.", "localhost", "[::1]", "::1"].iter().any(|start| host.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(mode: &str, address: &str) -> record::Broker {
        record::Broker { mode: mode.into(), address: address.into(), ..record::Broker::default() }
    }

    #[test]
    fn a_broker_is_here_if_it_is_reached_without_a_network() {
        for (mode, address, here) in [
            ("local", "nats://127.0.0.1:1", true),
            ("container", "whatever", true),
            ("sim", "in this process", false),
            ("url", "nats://127.0.0.1:4222", true),
            ("url", "kafka://broker.example:9092,localhost:9092", true),
            ("url", "[::1]:4222", true),
            ("url", "tls://bus.example:4222", false),
        ] {
            assert_eq!(is_here(&broker(mode, address)), here, "{mode} {address}");
        }
    }

    #[test]
    fn the_busiest_thread_is_that_of_the_phase() {
        let thread = |id, name: &str, cpu_ns| ThreadUse { id, name: name.into(), cpu_ns };
        let start = [thread(1, "old", 9_000_000_000), thread(2, "steady", 0)];
        let end = [
            thread(1, "old", 9_100_000_000),
            thread(2, "steady", 1_900_000_000),
            thread(3, "new", 50_000_000),
        ];
        let busiest = busiest(&start, &end, 2.0).unwrap();
        assert_eq!(busiest.name, "steady");
        assert!((busiest.cores - 0.95).abs() < 1e-9);
    }

    #[test]
    fn a_broker_that_cannot_be_seen_is_not_taken_for_others() {
        let mut watch = CpuWatch::new(&broker("url", "nats://127.0.0.1:1"), false, 0);
        let used = watch.second(1_000_000_000, 0.0);
        assert!(used.all.is_some() && used.others.is_none());
        let mut watch = CpuWatch::new(&broker("local", ""), true, 0);
        assert!(watch.second(1_000_000_000, 0.0).others.is_some());
        watch.start_measuring(0);
        watch.end_measuring(1_000_000_000);
        let machine = watch.finish(0.0).unwrap();
        assert!(machine.usable_cores > 0.0 && machine.busiest_thread.is_some(), "{machine:?}");
    }
}
