//! What a lint looks at: configuration files with what they include, the machine, and running servers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::asked::Asked;
use super::door::keep_out;
use super::error::SessionError;
use super::monitor::{self, Source};
use super::target::Environment;
use crate::broker::observe;
use crate::bus::BusError;
use crate::bus::nats::{Access, Target, TlsFiles};
use crate::host::facts::Facts;
use crate::host::resources::{disk_use, filesystem, free_bytes};
use crate::lint::conf::World;
use crate::lint::live::Server;
use crate::lint::{Conf, Finding, Here};

/// Maximum size of a configuration file, bytes.
const LARGEST: u64 = 1 << 20;

/// A configuration with what this machine has for it, or the finding that it cannot be read as one.
pub(crate) type Linted = Result<(Conf, Option<Here>), Box<Finding>>;

/// Reads a configuration and the files that it includes.
///
/// # Errors
/// When the file itself cannot be read; an included one is a finding.
pub(crate) fn read(path: &Path, environment: Environment<'_>) -> Result<Linted, SessionError> {
    let name = path.display().to_string();
    let text = text(path).map_err(|why| SessionError::Asked(format!("cannot read {name}: {why}")))?;
    // Names are shown, and may not be the path itself.
    let paths = RefCell::new(BTreeMap::from([(name.clone(), path.to_owned())]));
    let include = |from: &str, written: &str| {
        let from = paths.borrow().get(from).cloned().unwrap_or_default();
        // The server takes an absolute path as one below the file's directory as well.
        let path: PathBuf = from.parent().unwrap_or(Path::new("")).join(written.trim_start_matches('/'));
        let name = path.display().to_string();
        let text = self::text(&path).map_err(|why| format!("cannot read the included file {name}: {why}"))?;
        paths.borrow_mut().insert(name.clone(), path);
        Ok((name, text))
    };
    let conf = Conf::read(&name, &text, World::new(&include, environment));
    Ok(conf.map(|conf| {
        let here = conf.store().and_then(|store| here(Path::new(store)));
        (conf, here)
    }))
}

fn text(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    if !file.metadata().is_ok_and(|file| file.is_file()) {
        return Err("it is no regular file".into());
    }
    let mut bytes = vec![];
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > crate::num::index(LARGEST) {
        return Err("it has more than 1 MiB".into());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns what this machine has for a store, if the store exists here.
fn here(store: &Path) -> Option<Here> {
    if !store.is_absolute() || !store.is_dir() {
        return None;
    }
    let filesystem = filesystem(store).ok()?;
    Some(Here {
        filesystem: filesystem.name,
        in_memory: filesystem.in_memory,
        disk_bytes: free_bytes(store).ok()?.saturating_add(disk_use(store)),
        memory_bytes: Facts::collect(None).memory_bytes,
    })
}

/// Asks running servers; the request names their endpoints as `monitor`, or a user of the system account and `at`.
///
/// # Errors
/// When the request is contradictory, or a server does not answer.
pub(crate) fn servers(asked: &Asked, environment: Environment<'_>) -> Result<Vec<Server>, SessionError> {
    if !asked.monitor.is_empty() {
        let endpoints = monitor::endpoints(asked).map_err(|error| named("--live", &error))?;
        return observe(&endpoints).map_err(|error| {
            let hint = "check the address: `http_port` in the server's configuration opens the endpoint, 8222 by custom";
            BusError::Environment { problem: error.to_string(), hint: hint.into() }.into()
        });
    }
    let target = Target::parse(asked.at.as_deref().unwrap_or_default()).map_err(SessionError::asked)?;
    target.secrets().for_each(keep_out);
    let ca = asked.tls_ca.clone().or_else(|| environment("NATS_CA").map(PathBuf::from));
    let target = target.with(Access { tls: TlsFiles { ca, ..TlsFiles::default() }, ..Access::default() });
    match monitor::source(asked, &target, environment)?.0 {
        Some(Source::System(system)) => system.observe().map_err(SessionError::from),
        _ => Err(SessionError::Asked(
            "--live with the address of a server needs a user of the system account: give --monitor-creds, \
             --monitor-context or --monitor-user; or name the monitoring endpoints, --live http://HOST:8222"
                .into(),
        )),
    }
}

/// An error that speaks of another flag.
fn named(flag: &str, error: &SessionError) -> SessionError {
    SessionError::Asked(error.to_string().replacen("--monitor", flag, 1))
}
