//! The engine: phases, switches, and the end of a run, whatever ends it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::bus::{Bus, BusError};
use crate::host::clock::Clock;
use crate::host::facts::Facts;
use crate::host::resources::Meter;
use crate::host::signal::Interrupt;
use crate::market::RunIdentity;
use crate::measure::Backlog;
use crate::num;
use crate::plan::{AckMode, Ns, Plan};
use crate::record::{self, End, PhaseName, Record};
use crate::topology;
use crate::verdict::{judged, tightest_limit_ns};

use super::assemble::{self, Parts};
use super::crew::Crew;
use super::events::Observer;
use super::identity::Identity;
use super::keeper::{Keeper, Reply};
use super::prepare::prepare;
use super::pump::{Pump, Stop};
use super::shared::{Calendar, GroupSignals, Switches};

/// The broker's side of a run, as far as it can be seen from here.
pub struct Broker {
    /// Kind, mode and address; the rest is filled in from the bus.
    pub record: record::Broker,
    /// Reads what its processes or containers use, by name.
    pub meters: Vec<(String, Meter)>,
    /// Says why the broker is dead, where that can be seen; returns at once.
    pub alive: Option<Alive>,
    /// The log of a broker of our own.
    pub log: Option<PathBuf>,
}

/// Says why a broker is dead, if it is.
pub type Alive = Box<dyn Fn() -> Result<(), String> + Send>;

/// Events a second that an audit reads at the least: on a busy machine a quarter of what nats-server gives.
const AUDIT_RATE: u64 = 50_000;

/// What a run may do beside its plan.
#[derive(Debug, Clone)]
pub struct Options {
    /// Leave streams and groups on the bus.
    pub keep: bool,
    /// Deadline for every group to be ready.
    pub ready_within: Duration,
    /// Deadline of the audit, to which comes a second for every 50,000 events in the store.
    pub audit_within: Duration,
    /// Where the broker's store is, for the record's file system.
    pub store: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keep: false,
            ready_within: Duration::from_secs(15),
            audit_within: Duration::from_mins(2),
            store: None,
        }
    }
}

/// Why a run never came to its load.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bus cannot be used.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A group does not receive.
    #[error(
        "not ready after {seconds} s: {silent} ({said}); check that the user may publish to the run's subjects, that \
         they reach the stream, and that nothing else consumes from this run's groups"
    )]
    NotReady {
        /// Who is silent.
        silent: String,
        /// The deadline.
        seconds: u64,
        /// What was said last, and by whom.
        said: String,
    },
    /// A broker of our own ended by itself.
    #[error("the broker died before the load started: {why}")]
    BrokerDied {
        /// How, and what it said.
        why: String,
    },
    /// Somebody ended it before there was anything to measure.
    #[error("interrupted before the load started; nothing was measured")]
    InterruptedBeforeLoad,
    /// A group's patterns are wrong; `profile` finds this first.
    #[error("group {group}: {problem}")]
    Topology {
        /// Which group.
        group: String,
        /// What is wrong.
        problem: String,
    },
    /// The machine gives no thread or no figures.
    #[error("this machine does not let tickgate work: {0}; raise the limits on threads and processes")]
    Machine(#[from] std::io::Error),
}

/// How long a broker that is gone, or a user who wants to go, is waited for.
const BRIEF: Duration = Duration::from_secs(2);
/// How long a broker that does not answer at the end of the drain gets to come back for the audit.
const LAST_CHANCE: Duration = Duration::from_secs(5);
/// From readiness to the first event.
const LEAD_NS: Ns = 50_000_000;
/// Deliveries after the last confirmed one (of events without confirmation) are waited for this long.
pub(super) const QUIET_NS: Ns = 300_000_000;
/// The last acknowledgements of members that have ended reach the broker within this.
const SETTLING_NS: Ns = 2_000_000_000;

/// What a run is given beside its bus.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// Under which names.
    pub identity: &'a Identity,
    /// The run's clock; the bus has a copy of the same one.
    pub clock: Clock,
    /// What it may do beside its plan.
    pub options: &'a Options,
    /// Tells when somebody wants it to end.
    pub interrupt: &'a Interrupt,
}

/// Executes a plan on a bus and returns the record, judged.
///
/// # Errors
/// When the load could not be started. Whatever goes wrong later ends up in the record.
pub fn run<B: Bus + Send + 'static>(
    job: Job<'_>,
    bus: B,
    broker: Broker,
    observers: &mut [&mut dyn Observer],
) -> Result<Record, RunError> {
    let Job { plan, identity, clock, options, interrupt } = job;
    let subscribed = subscribed(plan)?;
    let started = clock.now();
    let run_identity = run_identity(plan, identity.tag, clock.unix_ns_at_epoch());
    let switches = Arc::new(Switches::default());
    let signals: Vec<_> = plan.groups.iter().map(|_| Arc::new(GroupSignals::default())).collect();
    let (reports, inbox) = channel();

    let mut crew = Crew::new(plan, clock, run_identity, Arc::clone(&switches), reports);
    let prepared = prepare(&job, bus, &mut crew, &subscribed, &signals, &broker);
    let (bus, publishers) = prepared.inspect_err(|_| Switches::turn_on(&switches.stop_receiving))?;
    let facts = bus.facts().clone();
    let calendar = calendar(plan, clock.unix_ns_at_epoch(), clock.now());
    let _ = switches.calendar.set(calendar);

    let environment = assemble::environment(&Facts::collect(options.store.as_deref()));
    let mut record =
        assemble::empty(plan, identity, clock.unix_ns_at_epoch(), &facts, &broker.record, environment);
    record.phases.push(record::Phase {
        name: PhaseName::Provision,
        start_ns: started,
        end_ns: calendar.load_start,
    });
    // A redelivery is due after `ack_wait`, and a broker that is busy may be a little late with it.
    let again_within = plan.bus.nats.ack_wait.ns + SETTLING_NS;
    let keeper = Keeper::start(bus, clock, again_within)?;
    let backlog = Backlog::new(&subscribed, plan.market.symbols, publishers.len());
    let mut pump = Pump::new(record, calendar, clock, backlog, inbox, keeper, broker, interrupt, observers)?;
    crew.start_generators(publishers, identity.tag, calendar)?;

    let stop = load(&mut pump, &crew, &switches, calendar);
    let (brief, audited) = end_of_load(&mut pump, stop);
    drain(&mut pump, &mut crew, &switches, &signals, plan, brief);
    // Members that have ended have said what they acknowledge: only now is what the broker still owes a group an account.
    let ended = crew.join();
    pump.tell_ended_seconds();
    let owed = owed(&mut pump, plan, &signals);
    let audit = if audited && plan.bus.audit && pump.interrupt_level() < 2 {
        read_back(&mut pump, plan, run_identity, options, brief)
    } else {
        None
    };
    pump.finish_seconds();
    if !options.keep {
        tear_down(&mut pump);
    }
    let super::pump::Ended { mut record, backlog_max, pauses } = pump.finish(&ended.dead);
    let nothing = Arc::default();
    let published = switches.published.get().unwrap_or(&nothing);
    let parts =
        Parts { plan, calendar, subscribed: &subscribed, published, ended, audit, owed, backlog_max, pauses };
    assemble::fill(&mut record, &parts);
    record.health.wall_drift_ns = clock.wall_drift_ns();
    Ok(judged(record))
}

/// For each group and topic: does the group receive it?
pub(super) fn subscribed(plan: &Plan) -> Result<Vec<Vec<bool>>, RunError> {
    let topics = &plan.topology.topics;
    plan.groups
        .iter()
        .map(|group| {
            let received = topology::receives(group, topics).map_err(|error| RunError::Topology {
                group: group.name.clone(),
                problem: error.to_string(),
            })?;
            Ok((0..topics.len()).map(|topic| received.contains(&topic)).collect())
        })
        .collect()
}

/// What makes an event one of this run.
pub(super) fn run_identity(plan: &Plan, run_tag: u16, from_unix_ns: u64) -> RunIdentity {
    // An hour more than the plan needs: provisioning, drain and audit have deadlines far below it.
    let length = plan.load.warmup.ns + plan.load.duration.ns + plan.load.drain.ns + 3_600_000_000_000;
    RunIdentity {
        run_tag,
        topics: num::count32(plan.topology.topics.len()),
        symbols: plan.market.symbols,
        from_unix_ns,
        until_unix_ns: from_unix_ns.saturating_add(length),
    }
}

/// When the phases are to be, from `now` on.
pub(super) fn calendar(plan: &Plan, epoch_unix_ns: u64, now: Ns) -> Calendar {
    const MS: u64 = 1_000_000;
    let earliest = epoch_unix_ns + now + LEAD_NS + plan.load.warmup.ns;
    let measure_start = earliest.div_ceil(MS) * MS - epoch_unix_ns;
    let measure_end = measure_start + plan.load.duration.ns;
    Calendar {
        load_start: measure_start - plan.load.warmup.ns,
        measure_start,
        measure_end,
        in_time_until: measure_end + tightest_limit_ns(plan),
        epoch_unix_ns,
    }
}

/// Warm-up and measure phase, until their end or whatever ends them.
fn load(pump: &mut Pump<'_, '_>, crew: &Crew, switches: &Switches, calendar: Calendar) -> Stop {
    pump.start_phase(PhaseName::Warmup, calendar.load_start, calendar.measure_start);
    let mut stop = pump.until(calendar.measure_start, || crew.lost_generator());
    if stop == Stop::Reached {
        pump.end_phase(calendar.measure_start);
        pump.start_phase(PhaseName::Measure, calendar.measure_start, calendar.measure_end);
        stop = pump.until(calendar.measure_end, || crew.lost_generator());
    }
    let end = if stop == Stop::Reached { calendar.measure_end } else { pump.now() };
    pump.end_phase(end);
    if stop != Stop::Reached {
        Switches::turn_on(&switches.stop_load);
    }
    stop
}

/// What the end of the load means for what follows: is the drain brief, and is there anything to audit?
fn end_of_load(pump: &mut Pump<'_, '_>, stop: Stop) -> (bool, bool) {
    match stop {
        Stop::Reached => (false, true),
        Stop::Interrupted => {
            pump.ends_as(End::Interrupted, "interrupted: the load was ended early, what was measured stands");
            (true, pump.interrupt_level() < 2)
        }
        Stop::BrokerDied(why) => {
            pump.ends_as(End::BrokerFailed, &why);
            (true, false)
        }
        Stop::Lost => {
            pump.ends_as(End::HarnessFailed, "a generator ended before its time");
            (true, true)
        }
    }
}

/// Waits for answers, then for deliveries, until nothing is missing or the deadline.
fn drain(
    pump: &mut Pump<'_, '_>,
    crew: &mut Crew,
    switches: &Switches,
    signals: &[Arc<GroupSignals>],
    plan: &Plan,
    brief: bool,
) {
    let start = pump.now();
    let length = if brief { num::count(2_000_000_000).min(plan.load.drain.ns) } else { plan.load.drain.ns };
    let deadline = start + length;
    pump.start_phase(PhaseName::Drain, start, deadline);
    let mut broker_died = pump.broker_is_dead();
    while !crew.generators_done() && pump.now() < deadline && pump.interrupt_level() < 2 && !broker_died {
        broker_died = matches!(pump.step(), Some(Stop::BrokerDied(_)));
    }
    Switches::turn_on(&switches.stop_load);
    Switches::turn_on(&switches.abandon);
    let published = crew.join_generators();
    Switches::turn_on(&switches.read_backlog);
    let open = published.totals().unconfirmed + published.totals().refused > 0;
    let _ = switches.published.set(Arc::new(published));
    // The receivers get a moment to count what is missing, even when the deadline is over.
    let deadline = deadline.max(pump.now() + QUIET_NS);
    let mut silence = Silence::new(pump.now());
    while pump.now() < deadline && pump.interrupt_level() < 2 {
        broker_died |= matches!(pump.step(), Some(Stop::BrokerDied(_)));
        silence.look(pump.now(), signals);
        let quiet = silence.lasts(pump.now());
        let missing = signals.iter().any(|s| s.missing.load(Ordering::Relaxed) > 0);
        // An event without an answer may be stored, and delivered, at any time: it is waited for as long as the broker
        // has something for anybody, and until it has said that it has not.
        let nothing_owed =
            || pump.account_since(silence.since()).is_some_and(|sample| sample.owed.iter().all(|&n| n == 0));
        if (!missing && (!open || (quiet && nothing_owed()))) || (broker_died && quiet) {
            break;
        }
    }
    pump.quiet = silence.lasts(pump.now());
    Switches::turn_on(&switches.stop_receiving);
    if let (true, Some(why)) = (broker_died, pump.broker_death()) {
        pump.ends_as(End::BrokerFailed, &why);
    }
    let now = pump.now();
    pump.end_phase(now);
}

/// Since when no group has received anything.
struct Silence {
    deliveries: u64,
    since: Ns,
}

impl Silence {
    const fn new(now: Ns) -> Self {
        Self { deliveries: 0, since: now }
    }

    fn look(&mut self, now: Ns, signals: &[Arc<GroupSignals>]) {
        let deliveries = signals.iter().map(|s| s.deliveries.load(Ordering::Relaxed)).sum();
        if deliveries != self.deliveries {
            *self = Self { deliveries, since: now };
        }
    }

    const fn since(&self) -> Ns {
        self.since
    }

    const fn lasts(&self, now: Ns) -> bool {
        now > self.since + QUIET_NS
    }
}

/// What the broker still owes each group, once the members have ended: an event that is missing is not lost as long as
/// it may come. Acknowledgements that are on their way get a moment to arrive.
fn owed(pump: &mut Pump<'_, '_>, plan: &Plan, signals: &[Arc<GroupSignals>]) -> Vec<u64> {
    let missing = |group: &GroupSignals| group.missing.load(Ordering::Relaxed);
    if signals.iter().all(|group| missing(group) == 0) {
        return vec![0; signals.len()];
    }
    let unknown = vec![u64::MAX; signals.len()];
    // What was sent without waiting for an acknowledgement is in nobody's account while it is on its way.
    if plan.bus.ack == AckMode::None && !pump.quiet {
        return unknown;
    }
    let until = pump.now() + SETTLING_NS;
    loop {
        if pump.broker_is_dead() || pump.interrupt_level() > 1 || !pump.remember_store() {
            return unknown;
        }
        let owed = pump.still_owed();
        if pump.now() >= until
            || owed.iter().zip(signals).all(|(&owed, group)| owed == 0 || missing(group) == 0)
        {
            return owed;
        }
        let _ = pump.step();
    }
}

/// Reads the store back; a broker that does not answer has failed.
fn read_back(
    pump: &mut Pump<'_, '_>,
    plan: &Plan,
    run: RunIdentity,
    options: &Options,
    brief: bool,
) -> Option<super::receiver::Stored> {
    if pump.broker_is_dead() {
        return None;
    }
    let start = pump.now();
    let _ = pump.remember_store();
    let within = match (brief, pump.silence()) {
        (true, _) => BRIEF,
        (false, Some(_)) => LAST_CHANCE,
        (false, None) => {
            options.audit_within + Duration::from_secs(pump.stored_events().unwrap_or(0) / AUDIT_RATE)
        }
    };
    pump.start_phase(PhaseName::Audit, start, start + u64::try_from(within.as_nanos()).unwrap_or(u64::MAX));
    pump.keeper().audit(plan, run, pump.epoch_unix_ns(), within);
    // The keeper may be in the middle of another question to the broker when it gets the order.
    let reply =
        pump.reply(|reply| matches!(reply, Reply::Audited { .. }), within + 2 * BRIEF, Duration::ZERO);
    let now = pump.now();
    pump.end_phase(now);
    let mut stored = None;
    let failed = match reply {
        Some(Reply::Audited { stored: read, result, took }) => {
            let read = stored.insert(*read);
            read.figures.took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            match result {
                Ok(complete) => {
                    read.figures.complete = complete;
                    (!complete).then(|| "the deadline came before the stream's end".to_owned())
                }
                Err(error) => Some(error.to_string()),
            }
        }
        _ => Some("no answer within the deadline".to_owned()),
    };
    if let Some(why) = failed {
        pump.mark("audit-failed", &why);
        if let Some(silence) = pump.silence() {
            pump.ends_as(End::BrokerFailed, &silence);
        } else if !brief && stored.as_ref().is_none_or(|read| read.figures.read == 0) {
            pump.ends_as(End::BrokerFailed, &format!("the stream could not be read back: {why}"));
        }
    }
    stored
}

fn tear_down(pump: &mut Pump<'_, '_>) {
    if pump.broker_is_dead() {
        return;
    }
    pump.keeper().teardown();
    let within = if pump.silence().is_some() { 2 * BRIEF } else { Duration::from_secs(10) };
    match pump.reply(|reply| matches!(reply, Reply::TornDown(_)), within, BRIEF / 2) {
        Some(Reply::TornDown(Ok(()))) => {}
        Some(Reply::TornDown(Err(error))) => pump.mark("left-behind", &error.to_string()),
        _ => {
            let hint = "the broker did not answer; on a bus that tickgate did not start, `tickgate clean` removes what is left";
            pump.mark("left-behind", hint);
        }
    }
}
