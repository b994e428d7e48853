//! The engine: takes a plan and a bus through the phases of a run, and ends the run in order whatever stops it.

use std::sync::Arc;
use std::sync::mpsc::channel;

use crate::bus::{Bus, BusFacts};
use crate::host::facts::Facts;
use crate::market::RunIdentity;
use crate::plan::{Ns, Plan};
use crate::record::{self, End, PhaseName, Record};
use crate::topology::Subscriptions;
use crate::verdict::{Curtailment, judged};

use super::agenda::{Agenda, AgendaThread};
use super::assemble;
use super::broker_watch::BrokerWatch;
use super::by_fault;
use super::control::Control;
use super::crew::Crew;
use super::ending::{self, SETTLING_NS};
use super::events::Observer;
use super::faults::{Means, Scene};
use super::identity::run_identity;
use super::job::{Broker, Job, RunError};
use super::log::RunLog;
use super::machine::MachineWatch;
use super::parts::Parts;
use super::prepare::{Prepared, prepare};
use super::replay::Replays;
use super::rows::RowMaker;
use super::shared::{Calendar, GroupSignals};
use super::slot::{Orders, Roster, Staff};
use super::supervisor::{Stop, Supervised, Supervisor, Timeline};
use super::threads::Threads;

/// Executes a plan on a bus and returns the judged record; that of a rehearsal has only the facts known before the load.
///
/// # Errors
/// When the load could not be started. Any later failure is in the record.
pub fn run<B: Bus + Send + 'static>(
    job: Job<'_>,
    bus: B,
    broker: Broker,
    observers: &mut [&mut dyn Observer],
) -> Result<Record, RunError> {
    run_with_agenda(job, bus, broker, Agenda::default(), observers)
}

/// Like [`run`], with actions on the run's surroundings. Each of them leaves marks in the record.
///
/// # Errors
/// When the load could not be started; then no action was begun.
pub fn run_with_agenda<B: Bus + Send + 'static>(
    job: Job<'_>,
    bus: B,
    mut broker: Broker,
    mut agenda: Agenda,
    observers: &mut [&mut dyn Observer],
) -> Result<Record, RunError> {
    let Job { plan, identity, clock, interrupt, .. } = job;
    let subscriptions = Subscriptions::of(plan)?;
    let started = clock.now();
    let run_identity = run_identity(plan, identity.tag, clock.unix_ns_at_epoch());
    let (reports, inbox) = channel();

    let mut crew = Threads::new(plan, clock, run_identity.clone(), reports);
    let Prepared { mut bus, orders } = prepare(&job, bus, &mut crew, &subscriptions, &broker)?;
    let facts = bus.facts().clone();
    let calendar = Calendar::planned(plan, clock.unix_ns_at_epoch(), clock.now());

    let record = begun(&job, &facts, &broker.record, started, calendar);
    if job.options.rehearsal {
        dismiss(crew);
        bus.teardown()?;
        return Ok(record);
    }
    // A redelivery is due after `ack_wait`, and a busy broker may be a little late.
    let means = Means {
        server: broker.server.take(),
        step_down: broker.step_down.take(),
        entrances: broker.entrances.take(),
        staff: staff(plan, &bus, orders, crew.signals()),
    };
    let scene = Scene::begin(plan, means, &bus.names(), clock, calendar.measure_start, &mut agenda)?;
    let replayer = if plan.replays.is_empty() { None } else { bus.replayer() };
    let replays = Replays::new(plan, run_identity.clone(), clock, calendar, crew.switches(), replayer);
    let again_within = plan.bus.nats.ack_wait.ns + SETTLING_NS;
    let control = Control::start(bus, clock, again_within)?;
    let backlog = by_fault::backlog(plan, &subscriptions, calendar);
    let curtailment = job.options.curtail.then(|| Curtailment::of(plan));
    let timeline = Timeline::new(inbox, RowMaker::new(calendar.load_start, backlog), calendar, curtailment);
    let machine = MachineWatch::start(clock, calendar, &mut broker)?;
    let watch = BrokerWatch::new(broker, control, scene);
    let log = RunLog::start(record, observers);
    let agenda = AgendaThread::start(agenda, clock, calendar.measure_start)?;
    let supervisor = Supervisor::new(clock, interrupt, agenda, timeline, log, machine, watch);
    let mut record = carry_out(
        &job,
        &mut crew,
        supervisor,
        BeforeLoad { run: run_identity, calendar, subscriptions, replays },
    )?;
    record.health.wall_drift_ns = clock.wall_drift_ns();
    Ok(judged(record))
}

/// Returns what acts on the members of a plan with such faults, on a bus that can replace them.
fn staff<B: Bus>(
    plan: &Plan,
    bus: &B,
    orders: Orders<B::Member>,
    signals: &[Arc<GroupSignals>],
) -> Option<Arc<dyn Staff>> {
    let wanted = plan.faults.iter().any(|fault| fault.action.is_of_members());
    let successors = bus.successors().filter(|_| wanted)?;
    Some(Arc::new(Roster::new(orders, successors, signals.to_vec())))
}

/// Ends a crew that has sent no load. A group that still has members cannot be removed from every bus.
fn dismiss(mut crew: impl Crew) {
    crew.end_generators();
    crew.stop_receiving();
    crew.finish();
}

/// What is known before the load.
struct BeforeLoad {
    run: RunIdentity,
    calendar: Calendar,
    subscriptions: Subscriptions,
    replays: Replays,
}

/// Takes a crew through the load to the end of the run and fills in the record.
fn carry_out(
    job: &Job<'_>,
    crew: &mut dyn Crew,
    mut supervisor: Supervisor<'_, '_, '_>,
    before: BeforeLoad,
) -> Result<Record, RunError> {
    let (plan, options) = (job.plan, job.options);
    let BeforeLoad { run, calendar, ref subscriptions, mut replays } = before;
    crew.start(calendar)?;
    replays.start()?;
    let stop = load(&mut supervisor, crew, calendar);
    let to_the_end = stop == Stop::Reached;
    let After { brief_drain, audited, brief_audit } = end_of_load(&mut supervisor, stop);
    let quiet = ending::drain(&mut supervisor, crew, plan, brief_drain);
    supervisor.finish_agenda();
    // Only once the members have ended, with all acknowledgements sent, is the broker's account of what it owes
    // final.
    let ended = crew.finish();
    supervisor.emit_ended_seconds();
    let owed = ending::owed(&mut supervisor, plan, &crew.missing(), quiet);
    let replayed = replays.finish(&mut supervisor, to_the_end);
    supervisor.broker.settle();
    let audit = if audited && plan.bus.audit && supervisor.interrupt_level() < 2 {
        let within = options.audit_within;
        ending::read_back(&mut supervisor, plan, run, calendar.epoch_unix_ns, within, brief_audit)
    } else {
        None
    };
    let owed =
        if audit.is_some() { ending::owed_by_now(&mut supervisor, owed, &crew.missing()) } else { owed };
    supervisor.finish_seconds();
    if !options.keep {
        ending::tear_down(&mut supervisor);
    }
    let Supervised { mut record, backlogs, pauses } = supervisor.finish(&ended.dead);
    let parts = Parts { plan, subscriptions, ended, audit, replayed, owed, backlogs, pauses, calendar };
    assemble::fill(&mut record, &parts);
    Ok(record)
}

/// The record of a run whose load is about to start.
fn begun(
    job: &Job<'_>,
    facts: &BusFacts,
    broker: &record::Broker,
    start_ns: Ns,
    calendar: Calendar,
) -> Record {
    let environment = assemble::machine(&Facts::collect(job.options.store.as_deref()));
    let mut record =
        assemble::empty(job.plan, job.identity, calendar.epoch_unix_ns, facts, broker, environment);
    let end_ns = calendar.load_start;
    record.phases.push(record::Phase { name: PhaseName::Provision, start_ns, end_ns });
    record
}

/// Runs the warm-up and measure phases to their end, or until something stops them.
fn load(supervisor: &mut Supervisor<'_, '_, '_>, crew: &mut dyn Crew, calendar: Calendar) -> Stop {
    supervisor.start_phase(PhaseName::Warmup, calendar.load_start, calendar.measure_start);
    let mut stop = supervisor.until(calendar.measure_start, || crew.lost_generator());
    if stop == Stop::Reached {
        supervisor.end_phase(calendar.measure_start);
        supervisor.start_phase(PhaseName::Measure, calendar.measure_start, calendar.measure_end);
        stop = supervisor.until(calendar.measure_end, || crew.lost_generator());
    }
    let end = if stop == Stop::Reached { calendar.measure_end } else { supervisor.now() };
    supervisor.end_phase(end);
    supervisor.end_agenda();
    if stop != Stop::Reached {
        crew.stop_load();
    }
    stop
}

/// How the end of the load affects the rest of the run.
#[derive(Clone, Copy)]
struct After {
    /// Is the drain brief?
    brief_drain: bool,
    /// Is there anything to audit?
    audited: bool,
    /// Is the audit brief?
    brief_audit: bool,
}

impl After {
    /// The end that the user or the broker made.
    const fn cut(audited: bool) -> Self {
        Self { brief_drain: true, audited, brief_audit: true }
    }
}

fn end_of_load(supervisor: &mut Supervisor<'_, '_, '_>, stop: Stop) -> After {
    match stop {
        Stop::Reached => After { brief_drain: false, audited: true, brief_audit: false },
        Stop::Curtailed(why) => {
            supervisor.curtailed(&why);
            After { brief_drain: true, audited: true, brief_audit: false }
        }
        Stop::Interrupted => {
            supervisor.ends_as(
                End::Interrupted,
                "interrupted: the load ended early; what was measured until then is valid",
            );
            After::cut(supervisor.interrupt_level() < 2)
        }
        Stop::BrokerDied(why) => {
            supervisor.ends_as(End::BrokerFailed, &why);
            // What a full store has confirmed can still be read.
            After::cut(supervisor.broker.is_full())
        }
        // Its words are the reason already.
        Stop::Denied => After::cut(true),
        Stop::Lost => {
            supervisor.ends_as(End::HarnessFailed, "a generator ended early");
            After::cut(true)
        }
    }
}
