//! From `--broker` to a bus: starts a server of our own, or resolves the target of an existing one.

use std::path::{Path, PathBuf};

use super::outside::{exposure, keep_out};
use super::progress::Progress;
use super::{Exit, Failure, args, container, with_sources};
use crate::broker::{BrokerError, Entry, LocalConfig, LocalNats, Password, Server, Shared, locate};
use crate::bus::nats::{Access, Auth, Target, TlsFiles};
use crate::bus::secret::Secret;
use crate::host::signal::Interrupt;
use crate::plan::{BatchCompression, BusKind, Compression, Plan, Storage, Sync};
use crate::record;
use crate::report::outside::address;
use crate::run::{self, Alive, Broker, RunError};

/// A broker that can be connected to; a server of our own lives as long as this.
pub(super) struct Reached {
    pub(super) target: Target,
    pub(super) engine: Broker,
    /// Known of a server of our own.
    pub(super) sync_always: Option<bool>,
    /// What the user should know.
    pub(super) warnings: Vec<String>,
    pub(super) server: Option<Shared>,
}

/// A server of our own, as it is reached, watched and ended.
pub(super) struct Own {
    pub(super) url: String,
    pub(super) entry: Entry,
    pub(super) engine: Broker,
    /// Where the protocol does not tell it.
    #[cfg_attr(not(feature = "kafka"), expect(dead_code, reason = "NATS tells its clients"))]
    pub(super) version: Option<String>,
    #[cfg_attr(not(feature = "kafka"), expect(dead_code, reason = "NATS tells its clients"))]
    pub(super) store: Option<PathBuf>,
    pub(super) warnings: Vec<String>,
    pub(super) server: Shared,
}

impl Own {
    /// A server of a kind that was started in a mode; `open` is what the user should know of its entry.
    pub(super) fn new(
        server: Box<dyn Server>,
        kind: &str,
        mode: &str,
        entry: Entry,
        open: Option<String>,
        log: &Path,
    ) -> Self {
        let record = record::Broker {
            kind: kind.into(),
            mode: mode.into(),
            address: server.url(),
            settings: server.facts().iter().cloned().collect(),
            ..record::Broker::default()
        };
        let (url, version, store, meters) = (server.url(), server.version(), server.store(), server.meters());
        let warnings = server.warnings().iter().cloned().chain(open).collect();
        let server = Shared::new(server);
        let watched = server.clone();
        let alive: Alive = Box::new(move || watched.alive().map_err(|error| death(&error)));
        let engine = Broker { record, meters, alive: Some(alive), log: Some(log.to_owned()) };
        Self { url, entry, engine, version, store, warnings, server }
    }
}

/// Does `--broker` ask for a container?
pub(super) fn in_container(at: &str) -> bool {
    at == "container" || at.starts_with("container:")
}

/// Who may use a broker of our own: nobody but this process, unless it was asked for an open one; and what the user should
/// know of that. The password is kept out of everything that is shown from now on.
pub(super) fn entry(args: &args::Broker) -> Result<(Entry, Option<String>), Failure> {
    if args.open {
        let warning = "the broker asks for no password (--open): every user of this machine can read, add and delete events \
                       while it runs";
        return Ok((Entry::Open, Some(warning.to_owned())));
    }
    let password = Password::random().map_err(|error| Failure::environment(&error))?;
    keep_out(&Secret::new(password.text()));
    Ok((Entry::Password(password), None))
}

/// A broker of our own, as this process gets in.
fn own(url: &str, entry: &Entry) -> Result<Target, Failure> {
    let auth = match entry {
        Entry::Open => Auth::None,
        Entry::Password(password) => {
            Auth::User { user: password.user().into(), password: Secret::new(password.text()) }
        }
    };
    Ok(Target { auth, ..Target::parse(url).map_err(Failure::usage)? })
}

/// Ends a server of our own in an orderly way.
pub(super) fn end(server: Option<Shared>) -> Result<(), Failure> {
    server.map_or(Ok(()), |server| server.hold().stop()).map_err(|error| start_failure(&error))
}

/// A broker that cannot be started or ended; or a start that was interrupted.
pub(super) fn start_failure(error: &BrokerError) -> Failure {
    match error {
        BrokerError::Interrupted => Failure { exit: Exit::Interrupted, text: error.to_string() },
        other => Failure::environment(other),
    }
}

/// The name of the simulated bus, which nothing has to be started for.
pub(super) const SIM: &str = "sim";

/// The simulated bus, as the engine knows it.
pub(super) fn simulated() -> Broker {
    let record = record::Broker {
        kind: SIM.into(),
        mode: SIM.into(),
        address: "in this process".into(),
        ..record::Broker::default()
    };
    Broker { record, meters: Vec::new(), alive: None, log: None }
}

/// Starts or finds the broker.
pub(super) fn reach(
    args: &args::Broker,
    plan: &Plan,
    log: &Path,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<Reached, Failure> {
    if let Some(name) = &args.context {
        let target = Target::context(name, environment).map_err(|error| Failure::environment(&error))?;
        return Ok(remote(target, access(args), &format!("context {name}")));
    }
    match args.at.as_str() {
        "local" => local(args, plan, log),
        at if in_container(at) => hosted(container::start(args, plan, log, interrupt, progress)?, plan),
        url if ["nats://", "tls://"].iter().any(|scheme| url.starts_with(scheme)) => {
            let target = Target::parse(url).map_err(Failure::usage)?;
            Ok(remote(target, access(args), "url"))
        }
        url if url.starts_with("kafka") => Err(Failure::usage(
            "`--broker` names Kafka, and the profile's `bus.kind` is `nats`; add `--set bus.kind=kafka`",
        )),
        other => Err(Failure::usage(format!(
            "`--broker {}` is no broker; expected `local`, `container:IMAGE`, `sim`, nats://HOST:PORT or tls://HOST:PORT",
            address(other)
        ))),
    }
}

pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What the flags say of credentials, and the environment where they do not.
pub(super) fn access(args: &args::Broker) -> Access {
    let given = Access {
        user: args.user.clone(),
        password: None,
        token: None,
        nkey: args.nkey.clone(),
        creds: args.creds.clone(),
        tls: TlsFiles {
            ca: args.tls_ca.clone(),
            cert: args.tls_cert.clone(),
            key: args.tls_key.clone(),
            first: args.tls_first,
        },
    };
    // A file never chooses where the environment's credentials go.
    if args.by_file { given } else { given.or(Access::from_env(environment)) }
}

fn hosted(of: Own, plan: &Plan) -> Result<Reached, Failure> {
    Ok(Reached {
        target: own(&of.url, &of.entry)?,
        engine: of.engine,
        sync_always: Some(plan.bus.sync == Sync::Always),
        warnings: of.warnings,
        server: Some(of.server),
    })
}

pub(super) fn remote(target: Target, access: Access, mode: &str) -> Reached {
    // What the URL says is a secret, too, where other credentials win over it.
    let on_the_command_line = mode == "url" && target.secret().is_some();
    target.secret().into_iter().for_each(keep_out);
    let target = target.with(access);
    target.secret().into_iter().for_each(keep_out);
    let plain = target.urls.iter().map(String::as_str).filter(|url| !url.starts_with("tls://"));
    let open = target.secret().is_some() && !target.requires_tls();
    let warnings = exposure(on_the_command_line, plain.filter(|_| open));
    let record = record::Broker {
        kind: "nats".into(),
        mode: mode.to_owned(),
        address: target.label.clone(),
        ..record::Broker::default()
    };
    Reached {
        target,
        engine: Broker { record, meters: Vec::new(), alive: None, log: None },
        sync_always: None,
        warnings,
        server: None,
    }
}

/// Why a server of our own is dead, in a line: its log is kept beside the record and need not stand in it.
pub(super) fn death(error: &BrokerError) -> String {
    match error {
        BrokerError::Container { image, problem, .. } => {
            format!("the container of {image} {problem}; broker.log in the run's folder has its last words")
        }
        BrokerError::Ended { program, status, moment, .. } => {
            format!("{program} ended ({status}) {moment}; broker.log in the run's folder has its last words")
        }
        other => with_sources(other),
    }
}

/// A server of our own that has died, where that is so: what its client says of it is a consequence.
pub(super) fn death_of(engine: &Broker) -> Option<Failure> {
    let why = engine.alive.as_ref()?().err()?;
    Some(Failure::environment(&RunError::BrokerDied { why }))
}

/// Bytes of the disk that a plan's events take in the store of a server of our own. What becomes of compressed ones is
/// not known before.
pub(super) fn needed_bytes(plan: &Plan) -> u64 {
    let bus = &plan.bus;
    let compressed = match bus.kind {
        BusKind::Nats => bus.nats.compression != Compression::None,
        BusKind::Kafka => bus.kafka.compression != BatchCompression::None,
    };
    if compressed || (bus.kind == BusKind::Nats && bus.storage == Storage::Memory) {
        return 0;
    }
    run::memory::store(plan).needed()
}

fn local(args: &args::Broker, plan: &Plan, log: &Path) -> Result<Reached, Failure> {
    let server = locate().map_err(|error| Failure::environment(&error))?;
    let (entry, open) = entry(args)?;
    let mut config = LocalConfig::new(&server.path, log, entry.clone());
    config.storage = plan.bus.storage;
    config.sync = plan.bus.sync;
    config.port = args.port;
    config.max_file_store = config.max_file_store.max(plan.bus.max_bytes.bytes.saturating_mul(2));
    if let Some(store) = &args.store {
        config.store_parent.clone_from(store);
    }
    config.needed = needed_bytes(plan);
    let nats = LocalNats::start(config).map_err(|error| Failure::environment(&error))?;
    let mut own = Own::new(Box::new(nats), "nats", "local", entry, open, log);
    own.warnings.splice(0..0, server.warning);
    hosted(own, plan)
}
