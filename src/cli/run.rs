//! `tickgate run`: one run, from a profile to a verdict.

use super::args::{Format, Run};
use super::broker;
use super::consent;
use super::journal::Keeping;
use super::kafka;
use super::outside;
use super::progress::{Progress, style_of_stdout};
use super::{Exit, Failure, needs};
use crate::archive::{ArchiveError, Readers, RunFolder};
use crate::bus::BusError;
use crate::bus::nats::{NatsBus, Setup};
use crate::bus::sim::{self, SimBus};
use crate::host::clock::Clock;
use crate::host::signal::Interrupt;
use crate::market;
use crate::plan::{BusKind, Plan};
use crate::record::Record;
use crate::report::{self, show, terminal};
use crate::run::{self, Identity, Job, Options, RunError};
use crate::topology::{Severity, lint};

pub(super) fn run(args: &Run) -> Result<Exit, Failure> {
    let plan = super::check::plan(&args.profile, &args.sets)?;
    let mut progress = Progress::new(args.quiet);
    for finding in lint(&plan.topology, &plan.groups) {
        if finding.severity == Severity::Warning {
            progress.say(&format!("warning: {}; {}", finding.message, finding.hint));
        }
    }
    let interrupt = Interrupt::install().map_err(|error| Failure::environment(&error))?;
    let identity = Identity::new();
    let clock = Clock::start();
    let folder =
        RunFolder::create(&args.out, clock.unix_ns_at_epoch(), &plan.name, &identity.id, readers(args.share))
            .map_err(|error| no_folder(&error))?;
    let mut journal = Keeping::new(&folder);
    progress.keeps_journal_in(folder.path());
    let done = execute(args, &plan, &identity, clock, &interrupt, &mut journal, &mut progress);
    progress.end_line();
    match done {
        Ok(record) => finish(args, &record, journal, &mut progress),
        Err(failure) => {
            // Nothing was measured: an empty folder is of no use, but the broker's log may be.
            folder.discard_if_empty();
            Err(failure)
        }
    }
}

/// Who may look into the folders of runs.
pub(super) const fn readers(share: bool) -> Readers {
    if share { Readers::Umask } else { Readers::Owner }
}

/// There is no place for results, so there is no load either.
pub(super) fn no_folder(error: &ArchiveError) -> Failure {
    let mut failure = Failure::environment(error);
    if !failure.text.contains("--out") {
        failure.text.push_str("; name a folder that can be written to with --out");
    }
    failure
}

/// Starts what has to be started, runs, and ends what was started. The record is fit to be shown.
pub(super) fn execute(
    args: &Run,
    plan: &Plan,
    identity: &Identity,
    clock: Clock,
    interrupt: &Interrupt,
    journal: &mut Keeping<'_>,
    progress: &mut Progress,
) -> Result<Record, Failure> {
    measure(args, plan, identity, clock, interrupt, journal, progress).and_then(outside::clean_record)
}

fn measure(
    args: &Run,
    plan: &Plan,
    identity: &Identity,
    clock: Clock,
    interrupt: &Interrupt,
    journal: &mut Keeping<'_>,
    progress: &mut Progress,
) -> Result<Record, Failure> {
    let terms = consent::terms(&args.broker, plan)?;
    progress.will_send(|| consent::volume(plan, &consent::subjects(plan, terms.naming, &identity.id)));
    let known = needs::admit(plan, needs::place(&args.broker))?;
    known.store.into_iter().for_each(|line| progress.at_start(line));
    known.warning.iter().for_each(|line| progress.say(&format!("warning: {line}")));
    let options = Options { keep: args.keep, store: args.broker.store.clone(), ..Options::default() };
    let job = Job { plan, identity, clock, options: &options, interrupt };
    let symbols = market::names(&plan.market);
    if args.broker.at == broker::SIM {
        let setup = sim::Setup {
            faults: sim::Faults::demo(),
            seed: plan.market.seed,
            origin: clock.now(),
            ..sim::Setup::default()
        };
        let bus = SimBus::new(plan, setup, &symbols, sim::Time::Real(clock));
        return run::run(job, bus, broker::simulated(), &mut [journal, progress]).map_err(run_failure);
    }
    if plan.bus.kind == BusKind::Kafka {
        return kafka::execute(&args.broker, job, terms, journal, progress);
    }
    let reached =
        broker::reach(&args.broker, plan, &journal.folder().file("broker.log"), interrupt, progress)?;
    for warning in &reached.warnings {
        progress.say(&format!("warning: {warning}"));
    }
    let setup = Setup {
        plan,
        run_id: &identity.id,
        naming: terms.naming,
        symbols: &symbols,
        clock,
        volume_bytes: run::volume_bytes(plan),
        sync_always: reached.sync_always,
        keep: args.keep,
    };
    let bus = NatsBus::connect(reached.target.clone(), &setup)
        .map_err(|error| broker::death_of(&reached.engine).unwrap_or_else(|| bus_failure(&error)))?;
    let record = run::run(job, bus, reached.engine, &mut [journal, progress]);
    let ended = broker::end(reached.server);
    let record = record.map_err(run_failure)?;
    if let Err(failure) = ended {
        progress.say(&format!("warning: {}", failure.text));
    }
    Ok(record)
}

pub(super) fn bus_failure(error: &BusError) -> Failure {
    match error {
        // A broker's words may have lines.
        BusError::Plan { .. } => Failure::usage(show::plain(&error.to_string())),
        BusError::Environment { .. } => Failure::plain(error),
    }
}

pub(super) fn run_failure(error: RunError) -> Failure {
    match error {
        RunError::Bus(error) => bus_failure(&error),
        RunError::InterruptedBeforeLoad => Failure { exit: Exit::Interrupted, text: error.to_string() },
        RunError::Topology { .. } => Failure::usage(error),
        RunError::NotReady { .. } | RunError::BrokerDied { .. } | RunError::Machine(_) => {
            Failure::plain(&error)
        }
    }
}

/// Writes the record and shows it. A record that cannot be written is printed, so that nothing is lost.
fn finish(
    args: &Run,
    record: &Record,
    journal: Keeping<'_>,
    progress: &mut Progress,
) -> Result<Exit, Failure> {
    let folder = journal.folder();
    let json = record.to_json().map_err(|error| Failure::environment(&error))?;
    let written = folder.write_whole("record.json", json.as_bytes());
    match args.format {
        Format::Json => paint!("{}\n", report::outside::json(&json)),
        Format::Text => {
            paint!("{}", terminal::summary(record, style_of_stdout()));
            println!("record:  {}", folder.file("record.json").display());
        }
    }
    if let Err(error) = written {
        if args.format == Format::Text {
            paint!("{}\n", report::outside::json(&json));
        }
        let text = format!("{}; the record is on stdout above", super::with_sources(&error));
        return Err(Failure { exit: Exit::Environment, text });
    }
    if rest(record, journal, progress) && args.format == Format::Text {
        super::report::tell(record, folder);
    }
    Ok(Exit::of(record))
}

/// Writes what follows from a record that is safe, and ends the journal; says whether it is whole. `tickgate report`
/// can make the rest again, from the journal where it must, so nothing that goes wrong here is an error.
pub(super) fn rest(record: &Record, journal: Keeping<'_>, progress: &mut Progress) -> bool {
    let folder = journal.folder();
    if let Some(error) = journal.end() {
        progress.say(&format!("warning: the journal of run {} is incomplete: {error}", record.run.id));
    }
    let done = super::report::write(record, folder)
        .and_then(|()| folder.end_journal().map_err(|error| Failure::environment(&error)));
    if let Err(failure) = &done {
        progress.say(&format!("warning: the report is incomplete: {}", failure.text));
    }
    done.is_ok()
}
