//! NATS: its servers, its addresses, its bus.

use super::asked::Asked;
use super::door::keep_out;
use super::driver::{Driver, Lodging, Program};
use super::error::SessionError;
use super::monitor::{self, Monitored};
use super::target::{Elsewhere, Environment, Going, Target, exposure};
use crate::broker::{BrokerError, Entry, LocalConfig, LocalNats, Server, locate};
use crate::bus::BusError;
use crate::bus::leftover::Cleaner;
use crate::bus::nats::{self, Access, Auth, NatsBus, NatsCleaner, Setup, TlsFiles};
use crate::bus::secret::Secret;
use crate::market;
use crate::plan::{Compression, Plan, Storage};
use crate::record::Record;
use crate::run;

/// Its driver.
pub(super) const DRIVER: Driver = Driver { program, start, elsewhere, own };

impl Target for nats::Target {
    fn label(&self) -> &str {
        &self.label
    }

    fn hosts(&self) -> Vec<String> {
        let host = |url: &String| url.split_once("://").map_or(url.as_str(), |(_, host)| host).to_owned();
        self.urls.iter().map(host).collect()
    }

    fn run(&self, going: Going<'_, '_>) -> Result<Record, SessionError> {
        let job = going.job;
        let setup = Setup {
            plan: job.plan,
            run_id: &job.identity.id,
            naming: going.terms.naming,
            symbols: &market::names(&job.plan.market),
            clock: job.clock,
            volume_bytes: run::volume_bytes(job.plan),
            sync_always: going.known.sync_always,
            keep: job.options.keep,
        };
        let bus = NatsBus::connect(self.clone(), &setup);
        going.on(bus)
    }

    fn cleaner(&self) -> Result<Box<dyn Cleaner>, BusError> {
        Ok(Box::new(NatsCleaner::new(self.clone())?))
    }
}

fn program() -> Result<Program, BrokerError> {
    let found = locate()?;
    let what = format!("nats-server {} at {}", found.version, found.path.display());
    Ok(Program { what, warning: found.warning })
}

fn start(lodging: &Lodging<'_>) -> Result<(Box<dyn Server>, Option<String>), SessionError> {
    let Lodging { plan, log, entry, port, store } = lodging;
    let program = locate()?;
    let mut config = LocalConfig::new(&program.path, *log, (*entry).clone());
    config.storage = plan.bus.storage;
    config.sync = plan.bus.sync;
    config.port = *port;
    config.max_file_store = config.max_file_store.max(plan.bus.max_bytes.bytes.saturating_mul(2));
    if let Some(store) = store {
        (*store).clone_into(&mut config.store_parent);
    }
    config.needed = needed_bytes(plan);
    Ok((Box::new(LocalNats::start(config)?), program.warning))
}

/// Bytes of the disk that a plan's events take. What becomes of compressed ones is not known before.
fn needed_bytes(plan: &Plan) -> u64 {
    let known = plan.bus.nats.compression == Compression::None && plan.bus.storage == Storage::File;
    if known { run::memory::store(plan).needed() } else { 0 }
}

fn own(url: &str, entry: &Entry) -> Result<Box<dyn Target>, SessionError> {
    let auth = match entry {
        Entry::Open => Auth::None,
        Entry::Password(password) => {
            Auth::User { user: password.user().into(), password: Secret::new(password.text()) }
        }
    };
    Ok(Box::new(nats::Target { auth, ..nats::Target::parse(url).map_err(SessionError::asked)? }))
}

fn elsewhere(asked: &Asked, environment: Environment<'_>) -> Result<Elsewhere, SessionError> {
    let (target, mode) = match &asked.context {
        Some(name) => (nats::Target::context(name, environment)?, format!("context {name}")),
        None => (nats::Target::parse(&asked.at).map_err(SessionError::asked)?, "url".to_owned()),
    };
    // The URL's credentials are secret, too, even where others take precedence.
    let on_the_command_line = asked.context.is_none() && target.secret().is_some();
    target.secret().into_iter().for_each(keep_out);
    let target = target.with(access(asked, environment));
    target.secret().into_iter().for_each(keep_out);
    let plain = target.urls.iter().map(String::as_str).filter(|url| !url.starts_with("tls://"));
    let open = target.secret().is_some() && !target.requires_tls();
    let warnings = exposure(on_the_command_line, plain.filter(|_| open));
    let endpoints = monitor::endpoints(asked)?;
    let target: Box<dyn Target> =
        if endpoints.is_empty() { Box::new(target) } else { Box::new(Monitored { target, endpoints }) };
    Ok(Elsewhere { target, mode, warnings })
}

/// The requested credentials, or those of the environment if none are requested.
fn access(asked: &Asked, environment: Environment<'_>) -> Access {
    let given = Access {
        user: asked.user.clone(),
        password: None,
        token: None,
        nkey: asked.nkey.clone(),
        creds: asked.creds.clone(),
        tls: TlsFiles {
            ca: asked.tls_ca.clone(),
            cert: asked.tls_cert.clone(),
            key: asked.tls_key.clone(),
            first: asked.tls_first,
        },
    };
    // A file never chooses where the environment's credentials go.
    if asked.by_file { given } else { given.or(Access::from_env(environment)) }
}
