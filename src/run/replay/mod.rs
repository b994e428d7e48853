//! The replays of a run: each reads events again on a thread and a connection of its own, while the load goes on or after the
//! drain, and is compared with what was published once every event has its answer.

mod account;
mod cuts;
mod figures;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::bus::{Replayer, Replaying, Start};
use crate::host::clock::{Clock, thread_cpu_ns};
use crate::load;
use crate::market::RunIdentity;
use crate::num;
use crate::plan::{Begin, Ns, Origin, Plan, Replay, Speed};
use crate::record::PhaseName;

pub(super) use account::{Account, Now};
pub(super) use cuts::{Cuts, Edged};
pub(super) use figures::fill;

use super::shared::{Calendar, Switches};
use super::supervisor::Supervisor;

/// How long a replay may take, besides the time for reading its events.
const PATIENCE_NS: Ns = 60_000_000_000;
/// Lowest assumed reading rate, in events per second; that of an audit.
const LEAST_RATE: u64 = 50_000;
/// How long a replay may take to end once it was asked to.
const ENDS_WITHIN_NS: Ns = 3_000_000_000;
/// How often a replay that waits for its time looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(20);

/// What became of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was read to its end.
    Complete,
    /// It was not, for this reason.
    Incomplete(String),
    /// It was not begun, for this reason.
    NotBegun(String),
}

/// A replay that is over.
pub(super) struct Replayed {
    pub(super) outcome: Outcome,
    /// What came; `None` if nothing was asked for.
    pub(super) account: Option<Account>,
    /// When it was over.
    pub(super) ended: Ns,
    /// CPU time of its thread while it read.
    pub(super) cpu_ns: Option<u64>,
}

impl Replayed {
    pub(super) fn not_begun(why: &str) -> Self {
        Self { outcome: Outcome::NotBegun(why.to_owned()), account: None, ended: 0, cpu_ns: None }
    }
}

/// Where a replay begins, as a bus understands it.
pub(super) fn start_of(replay: &Replay, calendar: Calendar) -> Start {
    match replay.from {
        Origin::Start => Start::First,
        Origin::After(time) => Start::Since(calendar.epoch_unix_ns + calendar.measure_start + time.ns),
        Origin::Sequence(position) => Start::Position(position),
        Origin::LastPerSymbol => Start::LastOfEach,
    }
}

/// What every replay's thread needs.
struct Shared {
    plan: Plan,
    run: RunIdentity,
    clock: Clock,
    calendar: Calendar,
    switches: Arc<Switches>,
    replayer: Option<Replayer>,
    stop: AtomicBool,
}

impl Shared {
    /// How long a replay that begins now may take.
    fn deadline(&self, replay: &Replay) -> Ns {
        let totals = load::totals(&self.plan.load);
        let events = totals.warmup_events.saturating_add(totals.measure_events);
        let reading = (events / LEAST_RATE).saturating_mul(1_000_000_000);
        let now = self.clock.now();
        let stored = match replay.speed {
            Speed::Max => 0,
            Speed::Original => now.saturating_sub(self.calendar.load_start).saturating_mul(2),
        };
        now.saturating_add(PATIENCE_NS).saturating_add(reading).saturating_add(stored)
    }

    /// Waits for the time of a replay, then carries it out.
    fn carry_out(&self, number: usize) -> Replayed {
        let Some(replay) = self.plan.replays.get(number) else { return Replayed::not_begun("there is none") };
        let Some(replayer) = &self.replayer else {
            return Replayed::not_begun("this bus has nothing that reads events again");
        };
        if let Begin::During(time) = replay.at {
            let at = self.calendar.measure_start + time.ns;
            while self.clock.now() < at {
                if self.stop.load(Ordering::Relaxed) {
                    return Replayed::not_begun("the load ended before its time");
                }
                std::thread::sleep(LOOK.min(Duration::from_nanos(at.saturating_sub(self.clock.now()))));
            }
        }
        let wanted = Replaying {
            number,
            from: start_of(replay, self.calendar),
            original: replay.speed == Speed::Original,
            deadline: self.deadline(replay),
            stop: &self.stop,
        };
        let clock = self.clock;
        let now: Now = Arc::new(move || clock.now());
        let epoch = self.calendar.epoch_unix_ns;
        let mut account = Account::new(&self.plan, number, self.run.clone(), epoch, &self.switches, now);
        let before = thread_cpu_ns();
        let result = replayer(&wanted, &mut account);
        let outcome = match result {
            Ok(true) => Outcome::Complete,
            Ok(false) if self.stop.load(Ordering::Relaxed) => {
                Outcome::Incomplete("the run ended before it".to_owned())
            }
            Ok(false) => Outcome::Incomplete("the deadline passed before its end".to_owned()),
            Err(error) => Outcome::Incomplete(error.to_string()),
        };
        let ended = self.clock.now();
        Replayed {
            outcome,
            account: Some(account),
            ended,
            cpu_ns: Some(thread_cpu_ns().saturating_sub(before)),
        }
    }
}

/// The replays of a run.
pub(super) struct Replays {
    shared: Arc<Shared>,
    /// Of each replay of the plan that has begun, or waits for its time.
    threads: Vec<Option<JoinHandle<Replayed>>>,
}

impl Replays {
    /// Replays that have not begun.
    pub(super) fn new(
        plan: &Plan,
        run: RunIdentity,
        clock: Clock,
        calendar: Calendar,
        switches: Arc<Switches>,
        replayer: Option<Replayer>,
    ) -> Self {
        let threads = plan.replays.iter().map(|_| None).collect();
        let stop = AtomicBool::new(false);
        let shared = Shared { plan: plan.clone(), run, clock, calendar, switches, replayer, stop };
        Self { shared: Arc::new(shared), threads }
    }

    /// Starts a thread for each replay that begins while the load goes on.
    pub(super) fn start(&mut self) -> std::io::Result<()> {
        for number in 0..self.threads.len() {
            if self.shared.plan.replays.get(number).is_some_and(Replay::is_live) {
                self.begin(number)?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, number: usize) -> std::io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let thread =
            Builder::new().name(format!("replay-{number}")).spawn(move || shared.carry_out(number))?;
        if let Some(place) = self.threads.get_mut(number) {
            *place = Some(thread);
        }
        Ok(())
    }

    /// Waits for the replays that have begun, then carries out the others one after another, if the load came to its end.
    pub(super) fn finish(
        mut self,
        supervisor: &mut Supervisor<'_, '_, '_>,
        to_the_end: bool,
    ) -> Vec<Replayed> {
        if self.threads.is_empty() {
            return Vec::new();
        }
        let start = supervisor.now();
        supervisor.start_phase(PhaseName::Replay, start, start.saturating_add(PATIENCE_NS));
        if !to_the_end {
            self.shared.stop.store(true, Ordering::Relaxed);
        }
        let mut done: Vec<Option<Replayed>> = Vec::new();
        for number in 0..self.threads.len() {
            done.push(self.wait(number, supervisor));
        }
        for (number, done) in done.iter_mut().enumerate().filter(|(_, done)| done.is_none()) {
            let stopped = self.shared.stop.load(Ordering::Relaxed) || supervisor.broker_is_dead();
            *done = if stopped {
                Some(Replayed::not_begun("the run ended before its time"))
            } else {
                match self.begin(number) {
                    Ok(()) => self.wait(number, supervisor),
                    Err(error) => Some(Replayed::not_begun(&format!("cannot start a thread: {error}"))),
                }
            };
        }
        let now = supervisor.now();
        supervisor.end_phase(now);
        done.into_iter().map(|done| done.unwrap_or_else(|| Replayed::not_begun("it was not begun"))).collect()
    }

    /// Works until a replay that has begun is over; a run that is interrupted, or whose broker is dead, waits for none.
    fn wait(&mut self, number: usize, supervisor: &mut Supervisor<'_, '_, '_>) -> Option<Replayed> {
        let thread = self.threads.get_mut(number)?.take()?;
        let most = self.shared.plan.replays.get(number).map_or(0, |replay| self.shared.deadline(replay));
        let mut until = most.saturating_add(ENDS_WITHIN_NS);
        let mut asked = false;
        while !thread.is_finished() && supervisor.now() < until {
            let over = supervisor.interrupt_level() > 0 || supervisor.broker_is_dead();
            if !asked && (over || self.shared.stop.load(Ordering::Relaxed)) {
                self.shared.stop.store(true, Ordering::Relaxed);
                (asked, until) = (true, supervisor.now().saturating_add(ENDS_WITHIN_NS));
            }
            let _ = supervisor.step();
        }
        if !thread.is_finished() {
            self.shared.stop.store(true, Ordering::Relaxed);
            let why = "the broker did not answer in time, and nothing is known of what came".to_owned();
            return Some(Replayed { outcome: Outcome::Incomplete(why), ..Replayed::not_begun("") });
        }
        let panicked = |_| Replayed {
            outcome: Outcome::Incomplete("its thread panicked".to_owned()),
            ..Replayed::not_begun("")
        };
        Some(thread.join().unwrap_or_else(panicked))
    }
}

impl Drop for Replays {
    /// An abandoned run leaves no thread at work.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

/// The bytes that the replays of a plan hold at most, for this many keys and generators.
pub(super) fn bytes(plan: &Plan, keys: u64, events: u64, generators: u64) -> u64 {
    /// A ledger's part of a key, and a gap that begins it.
    const KEY: u64 = 8 + 64;
    let replays = num::count(plan.replays.len());
    let edges = plan.replays.iter().map(|replay| {
        let begins = matches!(replay.from, Origin::After(_) | Origin::Sequence(_));
        u64::from(begins) + u64::from(replay.is_live())
    });
    // In the worst case each key has a run of events that a boundary leaves open.
    let cuts =
        num::sum(edges).saturating_mul((4 * keys).saturating_add(64 * keys.min(events)) * (generators + 1));
    replays.saturating_mul(KEY * keys).saturating_add(cuts)
}
