//! Runs in virtual time: the whole pipeline (arrival, encoding, bus, decoding, ledger, histograms, verdict) on
//! the simulated bus, on one thread, as fast as the processor allows, and bit-identical for the same seed.
//!
//! The steps are those of the threaded engine (`fire`, `absorb`, `take`, `signal`), and so is the processing of
//! their results; only waiting differs: the clock jumps to the next due event.

mod clockwork;
mod members;

use std::ops::Range;
use std::time::Duration;

use crate::bus::sim::{Faults, Host, Setup, SimBus, Stretch, Time, Truth};
use crate::bus::{Bus, Mark};
use crate::host::clock::utc;
use crate::market;
use crate::measure::Pauses;
use crate::num;
use crate::plan::{AckMode, Ns, Plan};
use crate::record::{self, Environment, Hiccups, PhaseName, Record, Rows};
use crate::topology::Subscriptions;
use crate::verdict::judged;

use super::RunError;
use super::assemble;
use super::audit;
use super::by_fault;
use super::crew::Ended;
use super::ending::BRIEF_NS;
use super::identity::{Identity, run_identity};
use super::log::ended_early;
use super::parts::Parts;
use super::receiver::Stored;
use super::shared::Calendar;
use clockwork::{Clockwork, Drained};

/// Wall time at the epoch of every simulated run, in nanoseconds since 1970: 2026-01-01 plus a fraction that is
/// not a whole millisecond.
pub const EPOCH_UNIX_NS: u64 = 1_767_225_600_000_123_457;

/// The conditions of a simulated run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scenario {
    /// Faults of the bus.
    pub faults: Faults,
    /// The harness's own machine.
    pub host: Host,
    /// Assumed bound on the error between the clocks of the hosts.
    pub clock_error_ns: u64,
    /// Workers assumed to have died.
    pub dead_workers: Vec<String>,
    /// Assumed CPU use of the machine, second by second from the start of the load; the last entry repeats.
    pub machine: Vec<MachineSecond>,
    /// End the load as soon as the run cannot pass any more.
    pub curtail: bool,
}

/// CPU use of the simulated two-core machine in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MachineSecond {
    /// Cores in use by all processes.
    pub all: f64,
    /// Of these, cores used by others than the harness and the broker.
    pub others: f64,
}

/// Cores of the simulated machine.
const CORES: f64 = 2.0;

impl From<Faults> for Scenario {
    fn from(faults: Faults) -> Self {
        Self { faults, ..Self::default() }
    }
}

/// Executes a plan in virtual time; returns the judged record and the truth of the simulated bus.
///
/// # Errors
/// When a group's patterns are invalid.
pub fn simulate(plan: &Plan, scenario: &Scenario, seed: u64) -> Result<(Record, Truth), RunError> {
    simulate_with_seconds(plan, scenario, seed).map(|(record, truth, _)| (record, truth))
}

/// Like [`simulate`], with the seconds as a run's journal would hold them.
///
/// # Errors
/// When a group's patterns are invalid.
pub fn simulate_with_seconds(
    plan: &Plan,
    scenario: &Scenario,
    seed: u64,
) -> Result<(Record, Truth, Vec<Rows>), RunError> {
    let subscriptions = Subscriptions::of(plan)?;
    let identity = Identity::from_random(crate::bus::sim::Random::new(seed).bits([0, 0]));
    let calendar = Calendar::planned(plan, EPOCH_UNIX_NS, 0);
    let time = std::sync::Arc::default();
    let setup = Setup {
        faults: members::entered(plan, calendar, scenario.faults.clone()),
        host: scenario.host.clone(),
        seed,
        origin: calendar.load_start,
    };
    let mut bus =
        SimBus::new(plan, setup, &market::names(&plan.market), Time::Virtual(std::sync::Arc::clone(&time)));
    let mut record = empty(plan, &identity, &bus, calendar);

    let mut work = Clockwork::new(plan, &mut bus, time, identity.tag, calendar, &subscriptions, scenario)?;
    let mut note = |name, start_ns, end_ns| record.phases.push(record::Phase { name, start_ns, end_ns });
    note(PhaseName::Provision, 0, calendar.load_start);
    work.until(calendar.measure_start);
    note(PhaseName::Warmup, calendar.load_start, calendar.measure_start);
    let curtailed = work.until(calendar.measure_end);
    let load_end = work.load_end();
    note(PhaseName::Measure, calendar.measure_start, load_end);
    let drain = if curtailed.is_some() { BRIEF_NS.min(plan.load.drain.ns) } else { plan.load.drain.ns };
    let Drained { generated, published, at } = work.drain(drain);
    note(PhaseName::Drain, load_end, at);
    let replayed = work.replays(curtailed.is_none());
    let (received, mut dead, rows) = work.finish();

    let replays = (!plan.replays.is_empty()).then_some(PhaseName::Replay);
    let audits = plan.bus.audit.then_some(PhaseName::Audit);
    replays.into_iter().chain(audits).for_each(|name| note(name, at, at));
    let audit = if plan.bus.audit { Some(read_back(plan, identity.tag, &mut bus)?) } else { None };
    let mut marks = Vec::new();
    bus.marks(&mut marks);
    record.marks = marks
        .into_iter()
        .map(|Mark { at, kind, detail }| record::Mark { at_ns: at, kind: kind.into(), detail })
        .collect();
    note_curtailed(&mut record, curtailed, load_end);
    let owed = owed(&mut record, plan, &mut bus, rows.quiet);
    record.timeline = rows.seconds.iter().map(|second| second.row.clone()).collect();
    note_machine(&mut record, scenario);
    record.faults.injected = by_fault::as_planned(plan, calendar, load_end);
    record.run.ended = utc(EPOCH_UNIX_NS + at);
    record.health.clock_error_ns = scenario.clock_error_ns;
    dead.extend(scenario.dead_workers.iter().cloned());
    record.health.dead_workers.clone_from(&dead);
    let parts = Parts {
        plan,
        subscriptions: &subscriptions,
        ended: Ended { published, generated, received, dead },
        audit,
        replayed,
        backlogs: rows.backlogs,
        owed,
        pauses: pauses(&stalls(scenario, calendar), calendar),
        calendar,
    };
    record.health.hiccups = hiccups(&stalls(scenario, calendar), calendar.measure_start..load_end);
    assemble::fill(&mut record, &parts);
    Ok((judged(record), bus.truth(), rows.seconds))
}

/// Records that the load was ended early, as the engine does.
fn note_curtailed(record: &mut Record, why: Option<String>, at_ns: Ns) {
    let Some(detail) = why else { return };
    record.run.reason = Some(ended_early(&detail));
    record.marks.push(record::Mark { at_ns, kind: record::CURTAILED.to_owned(), detail });
    record.marks.sort_by_key(|mark| mark.at_ns);
}

/// Reads the simulated store back.
fn read_back(plan: &Plan, tag: u16, bus: &mut SimBus) -> Result<Stored, RunError> {
    let run = run_identity(plan, tag, EPOCH_UNIX_NS);
    let mut stored = Stored::new(plan);
    stored.figures.complete = audit::read_back(bus, Duration::MAX, &mut stored, &run, EPOCH_UNIX_NS)?;
    Ok(stored)
}

/// Records the bus's own account and returns what it still owes each group, as the engine does.
fn owed(record: &mut Record, plan: &Plan, bus: &mut SimBus, quiet: bool) -> Vec<u64> {
    let unknown = vec![u64::MAX; plan.groups.len()];
    let Ok(sample) = bus.observe() else { return unknown };
    record.resources.note_store(sample.stored_bytes, sample.disk_bytes);
    record.resources.store_events = Some(sample.stored_events);
    if plan.bus.ack != AckMode::None || quiet { sample.owed } else { unknown }
}

/// The record of a simulated run before its load.
fn empty(plan: &Plan, identity: &Identity, bus: &SimBus, calendar: Calendar) -> Record {
    let broker = record::Broker {
        kind: "sim".into(),
        mode: "sim".into(),
        address: "in this process, in virtual time".into(),
        ..record::Broker::default()
    };
    let environment = Environment { cores: 1, ..Environment::default() };
    assemble::empty(plan, identity, calendar.epoch_unix_ns, bus.facts(), &broker, environment)
}

/// The stalls of the harness, in the run's time.
fn stalls(scenario: &Scenario, calendar: Calendar) -> Vec<Stretch> {
    let later = |stall: &Stretch| Stretch { from: stall.from + calendar.load_start, ..*stall };
    scenario.host.stalls.iter().map(later).collect()
}

/// The pauses that the hiccup meter would have recorded.
fn pauses(stalls: &[Stretch], calendar: Calendar) -> Pauses {
    let mut pauses = Pauses::new(calendar.load_start);
    let long = stalls.iter().filter(|stall| stall.length >= 1_000_000);
    long.for_each(|stall| pauses.add(stall.from, stall.length));
    pauses
}

/// Enters the machine's CPU use, as the engine's watch would.
fn note_machine(record: &mut Record, scenario: &Scenario) {
    let Some(last) = scenario.machine.last() else { return };
    let seconds = scenario.machine.iter().chain(std::iter::repeat(last));
    let mut measured = Vec::new();
    for (row, second) in record.timeline.iter_mut().zip(seconds) {
        (row.machine_cpu, row.others_cpu) = (Some(second.all), Some(second.others));
        if row.phase == PhaseName::Measure {
            measured.push(*second);
        }
    }
    let mean = |of: fn(&MachineSecond) -> f64| {
        measured.iter().map(of).sum::<f64>() / num::f64_of(num::count(measured.len().max(1)))
    };
    record.health.machine = Some(record::Machine {
        usable_cores: CORES,
        busy_cores: mean(|second| second.all),
        others_cores: Some(mean(|second| second.others)),
        broker_here: true,
        ..record::Machine::default()
    });
}

/// What the hiccup meter would have recorded over the measure phase: a wake-up each millisecond, those during a
/// stall late by the rest of the stall.
fn hiccups(stalls: &[Stretch], phase: Range<Ns>) -> Hiccups {
    let wakes = phase.step_by(1_000_000);
    let mut late: Vec<Ns> = wakes.map(|due| Stretch::after(stalls, due) - due).collect();
    late.sort_unstable();
    let count = num::count(late.len());
    let at = |permille: u64| {
        late.get(num::index((permille * count).div_ceil(1000).max(1) - 1)).copied().unwrap_or(0)
    };
    Hiccups { count, p50_ns: at(500), p99_ns: at(990), p99_9_ns: at(999), max_ns: at(1000) }
}
