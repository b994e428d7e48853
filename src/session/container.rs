//! Starts a server in a container.

use super::driver::Lodging;
use super::error::SessionError;
use crate::broker::{BrokerError, Container, ContainerConfig, Image, Server};
use crate::host::signal::Interrupt;
use crate::plan::BusKind;

/// Returns the named image; without a name, the tested version of the plan's product.
pub(super) fn image(named: &str, wanted: BusKind) -> Result<Image, SessionError> {
    let tested = Image::tested(wanted);
    let tested =
        tested.ok_or_else(|| SessionError::Asked(format!("there is no image of {}", wanted.name())))?;
    let image = Image::parse(if named.is_empty() { &tested } else { named }).map_err(SessionError::Asked)?;
    if image.kind() == wanted {
        return Ok(image);
    }
    let (held, kind) = (image.kind().name(), wanted.name());
    Err(SessionError::Asked(format!(
        "the image {} holds {held}, and the profile's `bus.kind` is `{kind}`; add `--set bus.kind={held}`, or take an \
         image of {kind}, such as `--broker container:{tested}`",
        image.reference
    )))
}

/// Starts the container with the profile settings that also apply to a local server.
pub(super) fn start(
    image: &Image,
    lodging: &Lodging<'_>,
    interrupt: &Interrupt,
) -> Result<Box<dyn Server>, SessionError> {
    let Lodging { plan, log, entry, port, .. } = lodging;
    let program = std::env::current_exe()
        .map_err(|source| BrokerError::Io { doing: "find the program of tickgate".into(), source })?;
    let mut config = ContainerConfig::new(image.clone(), *log, program, (*entry).clone());
    config.storage = plan.bus.storage;
    config.sync = plan.bus.sync;
    config.port = *port;
    config.max_file_store = config.max_file_store.max(plan.bus.max_bytes.bytes.saturating_mul(2));
    config.heap_bytes = plan.bus.kafka.heap.bytes;
    Ok(Box::new(Container::start(config, &|| interrupt.level() > 0)?))
}
