//! A run on a broker in a container of our own.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use super::broker::{Reached, death, start_failure};
use super::progress::Progress;
use super::{Exit, Failure, args};
use crate::broker::{self, Container, ContainerConfig, Image, Product};
use crate::bus::nats::Target;
use crate::host::signal::Interrupt;
use crate::plan::{Plan, Sync};
use crate::record;
use crate::run::Broker;

/// Starts the container that `--broker container:IMAGE` names.
pub(super) fn reach(
    args: &args::Broker,
    plan: &Plan,
    log: &Path,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<Reached, Failure> {
    let named = args.at.strip_prefix("container").and_then(|rest| rest.strip_prefix(':')).unwrap_or_default();
    let image = Image::parse(named).map_err(Failure::usage)?;
    if image.product != Product::Nats {
        return Err(Failure::usage(format!(
            "the image {} holds no broker for this profile",
            image.reference
        )));
    }
    if args.store.is_some() {
        return Err(Failure::usage(
            "--store is for `--broker local`: the store of a container is a volume, where its engine keeps them",
        ));
    }
    progress.say(&format!("starting a container of {}", image.reference));
    let config = config(args, plan, log, image)?;
    let container =
        Container::start(config, &|| interrupt.level() > 0).map_err(|error| start_failure(&error))?;
    let record = record::Broker {
        kind: "nats".into(),
        mode: "container".into(),
        address: container.url(),
        settings: container.facts().iter().cloned().collect(),
        ..record::Broker::default()
    };
    let target = Target::parse(&container.url()).map_err(Failure::usage)?;
    let warnings = container.warnings().to_vec();
    let meters = container.meter().map(|meter| ("nats-server".to_owned(), meter)).into_iter().collect();
    let container = Rc::new(RefCell::new(container));
    let watched = Rc::clone(&container);
    let alive: Box<dyn Fn() -> Result<(), String>> =
        Box::new(move || watched.borrow().alive().map_err(|error| death(&error)));
    Ok(Reached {
        target,
        engine: Broker { record, processes: Vec::new(), meters, alive: Some(alive) },
        sync_always: Some(plan.bus.sync == Sync::Always),
        warnings,
        end: Some(Box::new(move || container.borrow_mut().stop())),
    })
}

/// The knobs of the profile, as for a local server.
fn config(args: &args::Broker, plan: &Plan, log: &Path, image: Image) -> Result<ContainerConfig, Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::environment(&error))?;
    let mut config = ContainerConfig::new(image, log, program);
    config.storage = plan.bus.storage;
    config.sync = plan.bus.sync;
    config.port = args.port;
    config.max_file_store = config.max_file_store.max(plan.bus.max_bytes.bytes.saturating_mul(2));
    Ok(config)
}

/// The work of a run's reaper, see [`broker::reap()`].
#[expect(clippy::unnecessary_wraps, reason = "a command as the others")]
pub(super) fn reap(name: &str) -> Result<Exit, Failure> {
    broker::reap(name);
    Ok(Exit::Pass)
}
