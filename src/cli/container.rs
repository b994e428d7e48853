//! A run on a broker in a container of our own.

use std::path::Path;

use super::broker::{Own, entry, start_failure};
use super::progress::Progress;
use super::{Exit, Failure, args};
use crate::broker::{self, Container, ContainerConfig, Entry, Image, Product};
use crate::host::signal::Interrupt;
use crate::plan::{BusKind, Plan};

/// Starts the container that `--broker container:IMAGE` names, for the kind of bus that the plan is for.
pub(super) fn start(
    args: &args::Broker,
    plan: &Plan,
    log: &Path,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<Own, Failure> {
    let image = image(args, plan)?;
    let product = image.product;
    if args.store.is_some() {
        return Err(Failure::usage(
            "--store is for `--broker local`: the store of a container is a volume, where its engine keeps them",
        ));
    }
    progress.say(&format!("starting a container of {}", image.reference));
    let (entry, open) = entry(args)?;
    let config = config(args, plan, log, image, entry.clone())?;
    let container =
        Container::start(config, &|| interrupt.level() > 0).map_err(|error| start_failure(&error))?;
    Ok(Own::new(Box::new(container), product.name(), "container", entry, open, log))
}

/// The image that is named; nothing at all is the tested version of what the plan is for.
fn image(args: &args::Broker, plan: &Plan) -> Result<Image, Failure> {
    let wanted = match plan.bus.kind {
        BusKind::Nats => Product::Nats,
        BusKind::Kafka => Product::Kafka,
    };
    let named = args.at.strip_prefix("container").and_then(|rest| rest.strip_prefix(':')).unwrap_or_default();
    let image = if named.is_empty() { &wanted.tested() } else { named };
    let image = Image::parse(image).map_err(Failure::usage)?;
    if image.product == wanted {
        return Ok(image);
    }
    let (held, kind) = (image.product.name(), wanted.name());
    Err(Failure::usage(format!(
        "the image {} holds {held}, and the profile's `bus.kind` is `{kind}`; add `--set bus.kind={held}`, or take an \
         image of {kind}, such as `--broker container:{}`",
        image.reference,
        wanted.tested()
    )))
}

/// The knobs of the profile, as for a local server.
fn config(
    args: &args::Broker,
    plan: &Plan,
    log: &Path,
    image: Image,
    entry: Entry,
) -> Result<ContainerConfig, Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::environment(&error))?;
    let mut config = ContainerConfig::new(image, log, program, entry);
    config.storage = plan.bus.storage;
    config.sync = plan.bus.sync;
    config.port = args.port;
    config.max_file_store = config.max_file_store.max(plan.bus.max_bytes.bytes.saturating_mul(2));
    config.heap_bytes = plan.bus.kafka.heap.bytes;
    Ok(config)
}

/// The work of a run's reaper, see [`broker::reap()`].
pub(super) fn reap(name: &str) -> Result<Exit, Failure> {
    broker::reap(name).map_err(|error| Failure::environment(&error))?;
    Ok(Exit::Pass)
}
