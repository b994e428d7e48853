//! NATS: servers, addresses, bus.

use std::net::ToSocketAddrs as _;
use std::sync::Arc;

use super::asked::{Asked, ContextName, NamedBy};
use super::door::keep_out;
use super::driver::{Driver, Lodging, Program};
use super::error::SessionError;
use super::monitor::{self, Monitored, PASSWORD};
use super::target::{Elsewhere, Environment, Going, Target, exposure};
use crate::broker::{
    self, Asset, BrokerError, Entry, Links, LocalCluster, LocalConfig, LocalNats, Password, Server, locate,
    locate_at, locate_previous,
};
use crate::bus::leftover::Cleaner;
use crate::bus::nats::{self, Access, Api, Auth, NatsBus, NatsCleaner, Setup, TlsFiles, Way};
use crate::bus::secret::Secret;
use crate::bus::{BusError, Model};
use crate::market;
use crate::num;
use crate::plan::{Action, Compression, Fault, Plan, Storage};
use crate::record::Record;
use crate::run::{self, Entrances};

/// The shortest lame duck mode that a server allows; the default takes two minutes.
const LAME_DUCK: &str = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"1s\"\n";

/// NATS's driver.
pub(super) const DRIVER: Driver = Driver { program, start, elsewhere, own };

impl Target for nats::Target {
    fn label(&self) -> &str {
        &self.label
    }

    fn hosts(&self) -> Vec<String> {
        let host = |url: &String| url.split_once("://").map_or(url.as_str(), |(_, host)| host).to_owned();
        self.urls.iter().map(host).collect()
    }

    fn run(&self, mut going: Going<'_, '_>) -> Result<Record, SessionError> {
        let job = going.job;
        if job.plan.faults.iter().any(|fault| fault.action == Action::StepDown) {
            let target = self.clone();
            let system = going.broker.server.is_some().then(|| system(self)).flatten();
            going.broker.step_down = Some(Box::new(move |asset| step_down(&target, system.as_ref(), asset)));
        }
        let target = behind_proxies(self, job.plan, &mut going.broker)?;
        // The proxies last until the run has ended: connections go through them after the last fault, too.
        let links = going.broker.entrances.as_ref().map(|entrances| Arc::clone(&entrances.links));
        let setup = Setup {
            plan: job.plan,
            run_id: &job.identity.id,
            naming: going.terms.naming,
            symbols: &market::names(&job.plan.market),
            clock: job.clock,
            volume_bytes: run::volume_bytes(job.plan),
            model: going.known.model.as_ref().and_then(Model::stream),
            sync_always: going.known.sync_always,
            keep: job.options.keep,
        };
        let stores = going.known.stores.clone();
        let bus = NatsBus::connect(target, &setup).map(|bus| bus.with_stores(stores));
        let record = going.on(bus);
        drop(links);
        record
    }

    fn model(&self, stream: &str) -> Result<Model, BusError> {
        NatsBus::model(self, stream).map(Model::Stream)
    }

    fn cleaner(&self) -> Result<Box<dyn Cleaner>, BusError> {
        Ok(Box::new(NatsCleaner::new(self.clone())?))
    }
}

/// Returns the target with proxies between its servers and generators and members, where faults need them on a bus that tickgate
/// did not start.
fn behind_proxies(
    target: &nats::Target,
    plan: &Plan,
    broker: &mut run::Broker,
) -> Result<nats::Target, SessionError> {
    let mut target = target.clone();
    if broker.server.is_some() || !plan.faults.iter().any(|fault| fault.action.is_of_links()) {
        return Ok(target);
    }
    let cannot = |problem: String, hint: &str| BusError::Environment { problem, hint: hint.to_owned() };
    let mut servers = Vec::new();
    for (host, port) in target.servers()? {
        let addresses = (host.as_str(), port).to_socket_addrs();
        let addresses = addresses.map_err(|error| {
            cannot(format!("no address is known for {host}: {error}"), "check the host's name")
        })?;
        servers.push(addresses.collect());
    }
    let links = Links::before(servers, plan.market.seed).map_err(|error| {
        cannot(
            format!("cannot start the proxies that the faults of links need: {error}"),
            "check the limits of this machine (`tickgate doctor`), or leave these faults out",
        )
    })?;
    target.entrances = links.entrances();
    broker.record.settings.insert("links".to_owned(), links.in_words());
    broker.entrances = Some(Entrances { links: Arc::new(links), servers: target.hosts() });
    Ok(target)
}

/// Returns the target for the system account of a server that tickgate started.
fn system(own: &nats::Target) -> Option<nats::Target> {
    let Auth::User { password, .. } = &own.auth else { return None };
    let user = Password::SYSTEM_USER.to_owned();
    Some(nats::Target { auth: Auth::User { user, password: password.clone() }, ..own.clone() })
}

/// Makes the leader of a stream or a consumer step down; that of the cluster only as a user of the system account.
fn step_down(
    target: &nats::Target,
    system: Option<&nats::Target>,
    asset: &Asset,
) -> Result<[String; 2], String> {
    let (kind, name) = match asset {
        Asset::Stream(stream) => ("STREAM", stream.clone()),
        Asset::Consumer { stream, name } => ("CONSUMER", format!("{stream}.{name}")),
        Asset::Meta => {
            let system = system.ok_or("only the system account may make the cluster's leader step down")?;
            return nats::step_down_meta(system).map_err(|error| error.to_string());
        }
    };
    nats::step_down(target, kind, &name).map_err(|error| error.to_string())
}

fn program() -> Result<Program, BrokerError> {
    let found = locate()?;
    let what = format!("nats-server {} at {}", found.version, found.path.display());
    Ok(Program { what, warning: found.warning })
}

fn start(lodging: &Lodging<'_>) -> Result<(Box<dyn Server>, Option<String>), SessionError> {
    let Lodging { plan, log, entry, port, store, program, config: theirs } = lodging;
    let program = program.map_or_else(locate, locate_at)?;
    let mut config = LocalConfig::new(&program.path, *log, (*entry).clone());
    if plan.faults.iter().any(|fault| fault.action == Action::RollingUpgrade) {
        let previous = locate_previous()?;
        differs(&previous, &program)?;
        config.upgrade = Some(std::mem::replace(&mut config.server, previous.path));
    }
    config.storage = plan.bus.storage;
    config.sync = plan.bus.sync;
    config.port = *port;
    config.max_file_store = config.max_file_store.max(plan.bus.max_bytes.bytes.saturating_mul(2));
    if let Some(store) = store {
        (*store).clone_into(&mut config.store_parent);
    }
    config.theirs = theirs.map(ToOwned::to_owned);
    config.needed = needed_bytes(plan);
    (config.proxied, config.seed) = (plan.proxied(), plan.market.seed);
    if plan.faults.iter().any(|fault| fault.action == Action::LameDuck) {
        config.extra.push_str(LAME_DUCK);
    }
    config.power = lodging.power()?;
    config.system = plan.faults.iter().any(Fault::is_of_the_meta_leader);
    let server: Box<dyn Server> = if plan.cluster.is_single() {
        Box::new(LocalNats::start(config)?)
    } else {
        let routes = Password::random()?;
        keep_out(&Secret::new(routes.text()));
        Box::new(LocalCluster::start(&config, num::index32(plan.cluster.nodes), &routes)?)
    };
    Ok((server, program.warning))
}

/// Refuses an upgrade from a version to itself.
fn differs(previous: &broker::Program, program: &broker::Program) -> Result<(), SessionError> {
    if previous.version != program.version {
        return Ok(());
    }
    Err(SessionError::Asked(format!(
        "a rolling upgrade needs two versions of nats-server, and {} and {} are both {}; name another program with \
         TICKGATE_NATS_SERVER_PREVIOUS=/path/to/nats-server, or get one with `scripts/brokers.sh nats-previous`",
        previous.path.display(),
        program.path.display(),
        program.version
    )))
}

/// Returns the disk space that a plan's events take, in bytes; 0 with compression, whose result is not known in
/// advance.
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
    let (target, mode, mut warnings) = named(asked, environment)?;
    // Credentials in the URL are secret even if other credentials override them.
    let on_the_command_line = asked.named_by == NamedBy::CommandLine && asked.context.is_none();
    let on_the_command_line = on_the_command_line && target.secret().is_some();
    target.secrets().for_each(keep_out);
    let access = access(asked, environment)?;
    if access.password.is_some() && access.ways().is_empty() && !matches!(target.auth, Auth::User { .. }) {
        return Err(SessionError::asked(
            "$NATS_PASSWORD is set, and nothing names its user; set NATS_USER, or give --user",
        ));
    }
    if access.seed.is_some() && access.jwt.is_none() && access.ways().is_empty() {
        return Err(SessionError::asked("$NATS_SEED is set, and nothing gives its JWT; set NATS_JWT"));
    }
    let target = target.with(access);
    target.secrets().for_each(keep_out);
    target.check_subjects().map_err(SessionError::asked)?;
    let plain = target.urls.iter().map(String::as_str).filter(|url| !url.starts_with("tls://"));
    let open = target.secret().is_some() && !target.requires_tls();
    warnings.extend(exposure(on_the_command_line, plain.filter(|_| open)));
    if matches!(target.api, Api::Prefix(_)) && asked.allow_prefix.is_empty() {
        warnings.push(format!(
            "JetStream is reached under `{}`, as another account exports it; that account must take the events, too: \
             their subjects are `tickgate-RUN.…`, or the profile's own with --allow-prefix",
            target.api.subject()
        ));
    }
    let (source, further) = monitor::source(asked, &target, environment)?;
    warnings.extend(further);
    let target: Box<dyn Target> = match source {
        None => Box::new(target),
        Some(source) => Box::new(Monitored { target, source }),
    };
    Ok(Elsewhere { target, mode, warnings })
}

/// Returns the target that a URL or context names, its name in a record, and warnings for the user.
fn named(
    asked: &Asked,
    environment: Environment<'_>,
) -> Result<(nats::Target, String, Vec<String>), SessionError> {
    let found = match &asked.context {
        None => {
            let url = asked.at.as_deref().unwrap_or_default();
            return Ok((nats::Target::parse(url).map_err(SessionError::asked)?, "url".into(), Vec::new()));
        }
        Some(ContextName::Named(name)) => nats::Found::named(name, environment)?,
        Some(ContextName::Selected) => nats::Found::selected(environment)?,
    };
    let nats::ContextFile { target, warnings } = found.read(environment)?;
    let target = match &asked.at {
        // The environment's address replaces the context's, as in the `nats` tool.
        Some(url) => target.moved(url).map_err(SessionError::asked)?,
        None => target,
    };
    Ok((target, format!("context {}", found.name), warnings))
}

/// Returns the requested credentials, else those of the environment.
fn access(asked: &Asked, environment: Environment<'_>) -> Result<Access, SessionError> {
    let domain = asked.js_domain.clone().map(Api::Domain);
    let given = Access {
        user: asked.user.clone(),
        nkey: asked.nkey.clone(),
        creds: asked.creds.clone(),
        tls: TlsFiles {
            ca: asked.tls_ca.clone(),
            cert: asked.tls_cert.clone(),
            key: asked.tls_key.clone(),
            first: asked.tls_first,
        },
        api: asked.js_api_prefix.clone().map(Api::Prefix).or(domain),
        inbox_prefix: asked.inbox_prefix.clone(),
        ..Access::default()
    };
    one_way(&given, |way| match way {
        Way::Creds => "--creds",
        Way::Nkey => "--nkey",
        Way::User | Way::Jwt | Way::Token => "--user",
    })?;
    // A file must not choose where the environment's credentials are sent.
    if asked.by_file() {
        return Ok(given);
    }
    if environment("NATS_SOCKS_PROXY").is_some_and(|proxy| !proxy.is_empty()) {
        return Err(SessionError::asked(
            "$NATS_SOCKS_PROXY is set, and tickgate does not connect through a proxy; unset it, or connect through a \
             forwarded port (`ssh -L`)",
        ));
    }
    no_references(environment)?;
    let variables = Access::from_env(environment);
    if given.ways().is_empty() {
        one_way(&variables, |way| match way {
            Way::Creds => "$NATS_CREDS",
            Way::Nkey => "$NATS_NKEY",
            Way::Jwt => "$NATS_JWT",
            Way::Token => "$NATS_TOKEN",
            Way::User => "$NATS_USER",
        })?;
    }
    Ok(given.or(variables))
}

/// Refuses references in variables: the `nats` tool follows them, but here they would be taken for the secret itself.
fn no_references(environment: Environment<'_>) -> Result<(), SessionError> {
    const REFERENCES: [&str; 5] = ["env://", "file://", "data:", "op://", "nsc://"];
    for name in [
        "NATS_PASSWORD",
        "NATS_TOKEN",
        "NATS_JWT",
        "NATS_SEED",
        "NATS_CREDS",
        "NATS_NKEY",
        "NATS_USER",
        PASSWORD,
    ] {
        let value = environment(name).unwrap_or_default().to_ascii_lowercase();
        if let Some(scheme) = REFERENCES.iter().find(|scheme| value.starts_with(**scheme)) {
            return Err(SessionError::Asked(format!(
                "${name} is a reference ({scheme}…), which tickgate follows in a context only; give the value or the path \
                 itself, or a context"
            )));
        }
    }
    Ok(())
}

/// Refuses several credentials: the server accepts one, and the others would be ignored silently.
fn one_way(access: &Access, word: impl Fn(Way) -> &'static str) -> Result<(), SessionError> {
    match access.ways()[..] {
        [first, second, ..] => Err(SessionError::Asked(format!(
            "{} and {} are two ways in, and the server takes one; leave one of them out",
            word(first),
            word(second)
        ))),
        _ => Ok(()),
    }
}
