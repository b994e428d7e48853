//! Watches the machine of a run: how late its threads wake, who uses its CPUs, what tickgate and its brokers
//! use, and whether its wall clock was stepped.

mod cpu;
mod drift;
mod processes;

use crate::host::clock::Clock;
use crate::host::disk::Disk;
use crate::host::hiccup::HiccupMeter;
use crate::host::memory;
use crate::measure::Pauses;
use crate::num;
use crate::plan::Ns;
use crate::record::{self, Record};

use super::job::Broker;
use super::rows::Sample;
use super::shared::Calendar;
use cpu::CpuWatch;
use drift::clock_step;
use processes::{Watched, cpu_ns};

/// Watches the machine for the duration of a run.
pub(super) struct MachineWatch {
    clock: Clock,
    meter: HiccupMeter,
    cpu: CpuWatch,
    processes: Vec<Watched>,
    /// The disk of the broker's store.
    disk: Option<Disk>,
    /// When it was busy so far, in milliseconds, at the start and at the end of the measure phase.
    disk_busy_ms: [Option<(Ns, u64)>; 2],
    /// When the use of processes was read at the start and at the end of the measure phase: later than these, where the
    /// supervisor is late.
    read_at: [Option<Ns>; 2],
    sampled_at: Ns,
    wall_drift_ns: i64,
}

impl MachineWatch {
    /// Starts to watch the machine, tickgate and the broker, whose meters are taken.
    pub(super) fn start(clock: Clock, calendar: Calendar, broker: &mut Broker) -> std::io::Result<Self> {
        let processes = processes::all(broker);
        let broker_seen = processes.iter().any(|watched| watched.name.is_some() && !watched.apart);
        let mut meter = HiccupMeter::start(clock)?;
        meter.watch(calendar.load_start, calendar.measure_start, calendar.measure_end);
        Ok(Self {
            clock,
            meter,
            cpu: CpuWatch::new(&broker.record, broker_seen, clock.now()),
            processes,
            disk: broker.store.as_deref().and_then(Disk::under),
            disk_busy_ms: [None; 2],
            read_at: [None; 2],
            sampled_at: clock.now(),
            wall_drift_ns: clock.wall_drift_ns(),
        })
    }

    pub(super) fn start_measuring(&mut self) {
        processes::read(&mut self.processes, |watched, used| watched.at_measure_start = Some(used));
        self.read_at[0] = Some(self.clock.now());
        self.cpu.start_measuring(self.clock.now());
        self.disk_busy_ms[0] = self.disk_busy();
    }

    fn disk_busy(&self) -> Option<(Ns, u64)> {
        Some((self.clock.now(), self.disk.as_ref()?.busy_ms()?))
    }

    pub(super) fn end_measuring(&mut self, end_ns: Ns) {
        self.meter.end_phase(end_ns);
        processes::read(&mut self.processes, |watched, used| watched.at_measure_end = Some(used));
        self.read_at[1] = Some(self.clock.now());
        self.cpu.end_measuring(self.clock.now());
        self.disk_busy_ms[1] = self.disk_busy();
    }

    /// A warning if the wall clock was stepped since the last call.
    pub(super) fn clock_step(&mut self) -> Option<String> {
        let before = std::mem::replace(&mut self.wall_drift_ns, self.clock.wall_drift_ns());
        clock_step(before, self.wall_drift_ns)
    }

    /// The use since the last call, without the broker's store, which the caller fills in.
    pub(super) fn sample(&mut self, now: Ns) -> Sample {
        let interval = self.meter.take_interval();
        let seconds = num::f64_of(now.saturating_sub(self.sampled_at).max(1)) / 1e9;
        self.sampled_at = now;
        let mut sample = Sample { hiccup_max_ns: interval.late.max(), ..Sample::default() };
        let mut ours = 0.0;
        processes::read(&mut self.processes, |watched, used| {
            let cores = num::f64_of(cpu_ns(&used).saturating_sub(cpu_ns(&watched.last))) / 1e9 / seconds;
            watched.last = used;
            if !watched.apart {
                ours += cores;
            }
            if watched.name.is_none() {
                sample.harness_cpu = cores;
                sample.harness_memory_bytes = used.rss_bytes;
            } else {
                sample.broker_cpu = Some(sample.broker_cpu.unwrap_or(0.0) + cores);
                sample.broker_memory_bytes = Some(sample.broker_memory_bytes.unwrap_or(0) + used.rss_bytes);
            }
        });
        let used = self.cpu.second(now, ours);
        (sample.machine_cpu, sample.others_cpu) = (used.all, used.others);
        sample
    }

    /// Enters the figures in the record and returns the harness's pauses.
    pub(super) fn finish(self, record: &mut Record) -> Pauses {
        if !self.meter.alive() {
            record.health.dead_workers.push("the hiccup meter".into());
        }
        let seconds = seconds_between(self.read_at).unwrap_or_else(|| record.measured_seconds());
        let ours = processes::note(&self.processes, seconds, &mut record.resources);
        record.health.machine = self.cpu.finish(ours);
        record.resources.disk_busy = busy_share(self.disk_busy_ms);
        record.resources.memory_used =
            memory::whole().map(|whole| num::share(processes::peak(&self.processes), whole));
        let (times, pauses) = self.meter.finish();
        record.health.hiccups = record::Hiccups {
            count: times.count,
            p50_ns: times.p50_ns,
            p99_ns: times.p99_ns,
            p99_9_ns: times.p99_9_ns,
            max_ns: times.max_ns,
        };
        pauses
    }
}

/// The time between two readings, in seconds.
fn seconds_between(readings: [Option<Ns>; 2]) -> Option<f64> {
    let [Some(start), Some(end)] = readings else { return None };
    (end > start).then(|| num::f64_of(end - start) / 1e9)
}

/// The share of the time between two readings in which a disk was busy.
fn busy_share(readings: [Option<(Ns, u64)>; 2]) -> Option<f64> {
    let [Some((start, before)), Some((end, after))] = readings else { return None };
    let (busy, all) = (after.saturating_sub(before).saturating_mul(1_000_000), end.saturating_sub(start));
    (all > 0).then(|| num::share(busy, all).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_busy_for_a_share_of_the_phase() {
        let of = |before, after| busy_share([Some((1_000_000_000, before)), Some((3_000_000_000, after))]);
        assert_eq!(of(100, 600), Some(0.25));
        assert_eq!(of(100, 2101), Some(1.0), "both are rounded");
        assert_eq!(seconds_between([Some(1_000_000_000), Some(3_500_000_000)]), Some(2.5));
        assert_eq!((seconds_between([Some(7), Some(7)]), seconds_between([Some(7), None])), (None, None));
        assert_eq!(busy_share([None, Some((1, 1))]), None);
        assert_eq!(busy_share([Some((1, 1)), Some((1, 1))]), None);
    }
}
