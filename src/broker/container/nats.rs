//! NATS in a container.

use std::path::Path;

use super::super::BrokerError;
use super::super::nats::settings::Settings;
use super::super::nats::{Monitor, NAME, TESTED_VERSION};
use super::super::process::ports::Ports;
use super::ContainerConfig;
use super::recipe::{Contents, Ready, Recipe};
use crate::plan::BusKind;

/// The row for NATS.
pub(super) const CONTENTS: Contents = Contents {
    kind: BusKind::Nats,
    node: NAME,
    tested: || format!("nats:{TESTED_VERSION}"),
    recipe: nats,
    version: None,
    has_heap: false,
};

/// Sets up the same server as `local` starts, except that it listens on all addresses of the container.
///
/// Passes only flags and no program, so the images' entry points can be used: the image from scratch runs
/// `/nats-server` with these arguments; Alpine's has a script that puts `nats-server` before a first argument that is a
/// flag. Their default configuration is not read, since the arguments name another file.
fn nats(config: &ContainerConfig, name: &str, ports: Ports) -> Result<Recipe, BrokerError> {
    const FILE: &str = "tickgate/nats.conf";
    const STORE: &str = "/tickgate/store";
    let settings = Settings {
        name,
        listen: "0.0.0.0:4222",
        advertised: None,
        http: "0.0.0.0:8222",
        store: Path::new(STORE),
        max_file_store: config.max_file_store,
        sync: config.sync,
        entry: &config.entry,
        system: false,
        cluster: None,
        theirs: None,
        extra: &config.extra,
    };
    Ok(Recipe {
        command: vec!["--config".into(), format!("/{FILE}")],
        environment: Vec::new(),
        files: vec![(FILE, settings.text()?)],
        ports: vec![(4222, ports.client), (8222, ports.monitor)],
        store: STORE,
        ready: Ready::Monitor(Monitor::at(ports.monitor_address())),
    })
}
