//! The entry point from a plan and a choice of broker to a record: starts the broker if needed, connects, runs, and
//! stops the broker that it started. It does not use the command line, prints nothing, and reports everything as events
//! of the engine.
//!
//! The request ([`Asked`]) is resolved once, into a [`Choice`]; each product is a row of [`PRODUCTS`].

mod admit;
mod asked;
mod attach;
mod choice;
mod cluster;
#[cfg(feature = "containers")]
mod container;
pub(crate) mod door;
mod driver;
mod entrances;
mod error;
mod faults;
mod journal;
#[cfg(feature = "kafka")]
mod kafka;
pub(crate) mod lint;
pub(crate) mod model;
mod monitor;
mod named;
mod nats;
mod nodes;
mod own;
mod product;
mod sim;
mod target;
mod telling;
mod terms;
mod way;

pub(crate) use admit::{admit, store_bound, told};
pub use asked::{Asked, ContextName, NamedBy};
pub use choice::Choice;
pub use driver::{Driver, Flag, GetIn, Lodging, Program, Resolve, Start};
pub use error::SessionError;
pub(crate) use error::with_sources;
pub use journal::Keeping;
#[cfg(not(feature = "containers"))]
pub(crate) use own::NO_CONTAINERS;
pub use product::{PRODUCTS, Product, Variables};
pub use target::{Elsewhere, Environment, Going, Known, Target};
pub use terms::Terms;
pub(crate) use way::Way;

use crate::host::clock::Clock;
use crate::host::signal::Interrupt;
use crate::plan::Plan;
use crate::record::{self, Record};
use crate::run::{Event, Identity, Job, Observer, Options};
use choice::Place;
use own::Log;
use telling::{tell, warn};

/// Inputs of a run besides its plan and its broker.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// Names of the run.
    pub identity: &'a Identity,
    /// Clock of the run.
    pub clock: Clock,
    /// Set to end the run early.
    pub interrupt: &'a Interrupt,
    /// Leave streams and groups on the bus.
    pub keep: bool,
    /// End the load as soon as the run cannot pass any more: for a trial, of which only that is of interest.
    pub curtail: bool,
}

impl<'a> Order<'a> {
    /// A run that goes on to its end and leaves nothing on the bus.
    #[must_use]
    pub const fn new(identity: &'a Identity, clock: Clock, interrupt: &'a Interrupt) -> Self {
        Self { identity, clock, interrupt, keep: false, curtail: false }
    }
}

/// Runs a plan on the chosen broker and returns the record, judged and safe to show.
///
/// With a journal, the run's folder also keeps the log of a broker that tickgate starts; without one, that log is a
/// temporary file. An empty folder is removed if there is no record.
///
/// # Errors
/// When the load could not be started. Later failures are in the record.
pub fn run(
    plan: &Plan,
    choice: &Choice,
    order: Order<'_>,
    journal: Option<&mut Keeping<'_>>,
    observers: &mut [&mut dyn Observer],
) -> Result<Record, SessionError> {
    let folder = journal.as_deref().map(Keeping::folder);
    let mut all: Vec<&mut dyn Observer> = Vec::new();
    if let Some(journal) = journal {
        all.push(journal);
    }
    for observer in observers {
        all.push(&mut **observer);
    }
    let record = Log::of(folder, order.identity, plan.cluster)
        .and_then(|log| measure(plan, choice, order, false, &log, &mut all));
    if let (Err(_), Some(folder)) = (&record, folder) {
        // Nothing was measured: remove an empty folder, but keep one with the broker's log.
        folder.discard_if_empty();
    }
    Ok(door::clean_record(record?)?)
}

/// Does everything that a run does before its load: starts or reaches the bus, provisions it, and proves that every group
/// receives. Then removes what it created, stops the broker that it started, and returns the facts of the broker.
///
/// # Errors
/// When a run could not start its load.
pub fn rehearse(plan: &Plan, choice: &Choice, order: Order<'_>) -> Result<record::Broker, SessionError> {
    let log = Log::of(None, order.identity, plan.cluster)?;
    Ok(measure(plan, choice, order, true, &log, &mut [])?.broker)
}

fn measure(
    plan: &Plan,
    choice: &Choice,
    order: Order<'_>,
    rehearsal: bool,
    log: &Log,
    observers: &mut [&mut dyn Observer],
) -> Result<Record, SessionError> {
    let Order { identity, clock, interrupt, keep, curtail } = order;
    let (plan, model) = choice.modelled(plan)?;
    let plan = &plan;
    let warning = admit(plan, choice.whereabouts())?;
    let subjects = choice.subjects(plan, &identity.id);
    tell(observers, &Event::Planned { plan, subjects: &subjects });
    let of_model = model.as_ref().map(|model| model.warnings(plan)).unwrap_or_default();
    warn(observers, choice.warnings.iter().chain(&of_model).chain(&warning));
    let store = choice.store().map(ToOwned::to_owned);
    let options = Options { keep, store, rehearsal, curtail, ..Options::default() };
    let job = Job { plan, identity, clock, options: &options, interrupt };
    match &choice.place {
        Place::Simulated => sim::run(job, observers),
        Place::Elsewhere(elsewhere) => {
            let (mut broker, warnings) = elsewhere.watched(choice.product.name(), clock)?;
            broker.record.named_by.clone_from(&choice.named_by);
            warn(observers, &warnings);
            elsewhere.target.run(Going {
                job,
                terms: choice.terms,
                known: Known { sync_always: broker.record.sync_always(), model, ..Known::default() },
                broker,
                observers,
            })
        }
        Place::Own(own) => own.run(choice.product, job, choice.terms, model, log, observers),
    }
}
