//! The hiccup meter: the lateness of a thread that sleeps for 1 ms, which the machine adds to every time measured on it.
//!
//! After Gil Tene's jHiccup. A pause of 1 s is one late wake-up where a thousand were due, so the missed ones are added
//! (1 s, 999 ms, 998 ms, …): otherwise p99.9 over 10 s would not show it. This includes pauses of this process
//! (`SIGSTOP`, a frozen container), since `CLOCK_MONOTONIC` continues meanwhile.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use hdrhistogram::Histogram;

use super::Times;
use super::clock::Clock;
use super::sleep::Sleeper;
use crate::measure::Pauses;
use crate::plan::{Ns, Pacing};

/// Period of the meter.
const PERIOD_NS: u64 = 1_000_000;
/// Longest hiccup recorded; longer ones are clamped.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// The hiccups between two calls of [`HiccupMeter::take_interval`].
#[derive(Debug, Clone)]
pub struct Interval {
    /// Its start.
    pub start: Ns,
    /// Its end.
    pub end: Ns,
    /// Lateness of every wake-up that was due, in nanoseconds, including missed ones.
    pub late: Histogram<u64>,
}

impl Interval {
    fn starting(start: Ns) -> Self {
        Self { start, end: start, late: histogram() }
    }
}

/// The recordings of the meter's thread.
#[derive(Debug)]
struct Seen {
    interval: Interval,
    phase: Option<Phase>,
}

/// A watched phase, and the pauses of the run around it.
#[derive(Debug)]
struct Phase {
    from: Ns,
    until: Ns,
    late: Histogram<u64>,
    pauses: Pauses,
}

impl Seen {
    fn woke(&mut self, due: Ns, woke: Ns) {
        let late = woke - due;
        record(&mut self.interval.late, late);
        let Some(phase) = &mut self.phase else { return };
        // A pause belongs to the phase in which it began, however long it lasted.
        if phase.from <= due && due < phase.until {
            record(&mut phase.late, late);
        }
        if late >= PERIOD_NS {
            phase.pauses.add(due, late);
        }
    }
}

/// A running meter; dropping it stops it.
#[derive(Debug)]
pub struct HiccupMeter {
    clock: Clock,
    current: Arc<Mutex<Seen>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl HiccupMeter {
    /// Starts the meter's thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(clock: Clock) -> io::Result<Self> {
        let start = clock.now();
        let current = Arc::new(Mutex::new(Seen { interval: Interval::starting(start), phase: None }));
        let ended = Arc::new(AtomicBool::new(false));
        let (shared, end) = (Arc::clone(&current), Arc::clone(&ended));
        let thread = std::thread::Builder::new().name("hiccups".into()).spawn(move || {
            let sleeper = Sleeper::new(clock, Pacing::Sleep);
            // Measured from the caller's start: a thread that starts late already had a hiccup.
            let mut woke = start;
            loop {
                let due = woke + PERIOD_NS;
                woke = sleeper.sleep_until(due);
                shared.lock().unwrap_or_else(PoisonError::into_inner).woke(due, woke);
                if end.load(Ordering::Relaxed) {
                    break;
                }
            }
        })?;
        Ok(Self { clock, current, ended, thread: Some(thread) })
    }

    /// Watches a phase, which may be in the future, and records the pauses of the run from `start` on.
    pub fn watch(&mut self, start: Ns, from: Ns, until: Ns) {
        let phase = Phase { from, until, late: histogram(), pauses: Pauses::new(start) };
        self.seen().phase = Some(phase);
    }

    /// Ends the watched phase early, at `until`.
    pub fn end_phase(&mut self, until: Ns) {
        if let Some(phase) = &mut self.seen().phase {
            phase.until = phase.until.min(until);
        }
    }

    /// Stops the meter; returns the hiccups of the watched phase and the pauses of the run.
    #[must_use]
    pub fn finish(mut self) -> (Times, Pauses) {
        self.join();
        let phase = self.seen().phase.take();
        phase.map_or_else(
            || (Times::default(), Pauses::new(0)),
            |phase| (Times::of(&phase.late), phase.pauses),
        )
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the current interval and starts the next; to be called every second. A hiccup belongs to the interval in which
    /// it ends.
    pub fn take_interval(&mut self) -> Interval {
        let mut next = Interval::starting(self.clock.now());
        let mut seen = self.seen();
        std::mem::swap(&mut seen.interval, &mut next);
        next.end = seen.interval.start;
        next
    }

    /// Whether the meter still runs; if it died, the run is unfit to judge.
    #[must_use]
    pub fn alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Stops the meter and returns its last interval.
    #[must_use]
    pub fn stop(mut self) -> Interval {
        self.join();
        self.take_interval()
    }

    fn join(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for HiccupMeter {
    fn drop(&mut self) {
        self.join();
    }
}

/// Merged hiccups of several intervals, and the worst of each.
#[derive(Debug, Clone)]
pub struct Hiccups {
    late: Histogram<u64>,
    worst: Vec<(Ns, u64)>,
}

impl Hiccups {
    /// No intervals.
    #[must_use]
    pub fn none() -> Self {
        Self { late: histogram(), worst: Vec::new() }
    }

    /// Adds an interval.
    pub fn add(&mut self, interval: &Interval) {
        // Fails only for different bounds, and they are the same.
        let _ = self.late.add(&interval.late);
        self.worst.push((interval.start, interval.late.max()));
    }

    /// Percentiles of all added intervals together.
    #[must_use]
    pub fn times(&self) -> Times {
        Times::of(&self.late)
    }

    /// Start and worst hiccup (nanoseconds) of each interval.
    #[must_use]
    pub fn worst(&self) -> &[(Ns, u64)] {
        &self.worst
    }
}

/// An empty histogram with the meter's range and 3 significant digits.
fn histogram() -> Histogram<u64> {
    // The bounds are constants, checked by `tests::bounds`.
    Histogram::new_with_bounds(1, LONGEST_NS, 3).unwrap_or_else(|_| unreachable!("constant bounds"))
}

/// Records a late wake-up and the wake-ups missed meanwhile.
fn record(into: &mut Histogram<u64>, late_ns: u64) {
    // Cannot fail: the value is clamped to the histogram's range.
    let _ = into.record_correct(late_ns.min(LONGEST_NS), PERIOD_NS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        assert_eq!(Times::of(&histogram()), Times::default());
    }

    #[test]
    fn a_pause_counts_for_every_wake_up_that_it_swallowed() {
        let mut late = histogram();
        for _ in 0..9_000 {
            record(&mut late, 20_000);
        }
        record(&mut late, 1_000_000_000);
        let times = Times::of(&late);
        assert_eq!(times.count, 9_000 + 1_000);
        // 10 s with one stall of 1 s: the quantile q is 1 s − (1 − q) · 10 s.
        assert!(times.p99_9_ns.abs_diff(990_000_000) < 2_000_000, "{times:?}");
        assert!(times.p99_ns.abs_diff(900_000_000) < 2_000_000, "{times:?}");
        assert!(times.p50_ns.abs_diff(20_000) < 100, "{times:?}");
        record(&mut late, u64::MAX);
        assert!(Times::of(&late).max_ns >= LONGEST_NS);
    }

    #[test]
    fn a_pause_belongs_to_the_phase_that_it_began_in() {
        let ms = 1_000_000;
        let phase = Phase { from: 10 * ms, until: 20 * ms, late: histogram(), pauses: Pauses::new(0) };
        let mut seen = Seen { interval: Interval::starting(0), phase: Some(phase) };
        // One that began before it, two within, of which one lasts far beyond its end, and one after it.
        for (due, woke) in [(9, 12), (13, 13), (15, 3015), (3016, 3019)] {
            seen.woke(due * ms, woke * ms);
        }
        let phase = seen.phase.unwrap();
        let times = Times::of(&phase.late);
        assert_eq!(times.count, 1 + 3000);
        assert!(times.max_ns >= 2999 * ms, "{times:?}");
        assert_eq!(phase.pauses.by_second(4).iter().sum::<u64>(), (3 + 3000 + 3) * ms);
    }

    #[test]
    fn a_meter_that_saw_no_phase_has_no_samples() {
        let clock = Clock::start();
        assert_eq!(HiccupMeter::start(clock).unwrap().finish().0.count, 0);
        let mut meter = HiccupMeter::start(clock).unwrap();
        meter.watch(0, 0, Ns::MAX);
        assert!(meter.finish().0.count > 0, "the wake-up that was under way counts");
    }

    #[test]
    fn intervals_touch_and_lose_nothing() {
        let clock = Clock::start();
        let mut meter = HiccupMeter::start(clock).unwrap();
        let mut all = Hiccups::none();
        let mut end = None;
        for _ in 0..3 {
            Sleeper::new(clock, Pacing::Sleep).sleep_until(clock.now() + 5_000_000);
            let interval = meter.take_interval();
            assert!(end.is_none_or(|end| end == interval.start));
            end = Some(interval.end);
            all.add(&interval);
        }
        assert!(meter.alive());
        let last = meter.stop();
        assert_eq!(end, Some(last.start));
        all.add(&last);
        assert!(all.times().count > 0);
        assert_eq!(all.worst().len(), 4);
    }

    /// The child of the next test: measures until its stdin closes, then prints its worst hiccup.
    #[test]
    #[ignore = "started by a_stopped_process_notices"]
    fn child_that_is_stopped() {
        let Ok(answer) = std::env::var("TICKGATE_TEST_ANSWER") else { return };
        let meter = HiccupMeter::start(Clock::start()).unwrap();
        std::fs::write(&answer, "measuring").unwrap();
        let _ = std::io::Read::read(&mut std::io::stdin(), &mut [0]);
        std::fs::write(&answer, meter.stop().late.max().to_string()).unwrap();
    }

    #[test]
    fn a_stopped_process_notices() {
        use rustix::process::{Pid, Signal, kill_process};
        let folder = tempfile::tempdir().unwrap();
        let answer = folder.path().join("answer");
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "host::hiccup::tests::child_that_is_stopped", "--ignored"])
            .env("TICKGATE_TEST_ANSWER", &answer)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let clock = Clock::start();
        while !answer.exists() {
            assert!(clock.now() < 120_000_000_000, "the child never started");
            std::thread::yield_now();
        }
        let pid = Pid::from_child(&child);
        let process = super::super::resources::Process::of(child.id()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        while !process.is_stopped() {
            std::thread::yield_now();
        }
        Sleeper::new(clock, Pacing::Sleep).sleep_until(clock.now() + 300_000_000);
        kill_process(pid, Signal::CONT).unwrap();
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        let worst: u64 = std::fs::read_to_string(&answer).unwrap().parse().unwrap();
        assert!(worst >= 290_000_000, "stopped for 300 ms, noticed {worst} ns");
    }
}
