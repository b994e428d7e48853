//! A run on Kafka: starts a broker of our own, or connects to an existing cluster.

use std::path::{Path, PathBuf};

use super::broker::{self, Own, environment};
use super::clean::Bus;
use super::consent::Terms;
use super::journal::Keeping;
use super::outside::{exposure, keep_out};
use super::progress::Progress;
use super::run::{bus_failure, run_failure};
use super::{Failure, args, container};
use crate::broker::{Entry, KafkaConfig, LocalKafka, Shared, locate_kafka};
use crate::bus::kafka::{Access, KafkaBus, KafkaCleaner, Sasl, Setup, Target, TlsFiles};
use crate::bus::secret::Secret;
use crate::host::signal::Interrupt;
use crate::market;
use crate::plan::Plan;
use crate::record::{self, Record};
use crate::report::outside::address;
use crate::run::{self, Broker, Job};

/// A broker that can be connected to.
struct Reached {
    target: Target,
    engine: Broker,
    version: Option<String>,
    store: Option<PathBuf>,
    warnings: Vec<String>,
    server: Option<Shared>,
}

/// `host:port` of each broker that a URL names.
pub(super) fn hosts(url: &str) -> Result<Vec<String>, Failure> {
    Target::parse(url).map(|target| target.brokers).map_err(Failure::usage)
}

/// Starts what has to be started, runs, and ends what was started.
pub(super) fn execute(
    args: &args::Broker,
    job: Job<'_>,
    terms: Terms,
    journal: &mut Keeping<'_>,
    progress: &mut Progress,
) -> Result<Record, Failure> {
    let log = journal.folder().file("broker.log");
    let reached = reach(args, job.plan, &log, job.interrupt, progress)?;
    for warning in &reached.warnings {
        progress.say(&format!("warning: {warning}"));
    }
    let symbols = market::names(&job.plan.market);
    let setup = Setup {
        plan: job.plan,
        run_id: &job.identity.id,
        naming: terms.naming,
        here_only: terms.here_only,
        symbols: &symbols,
        clock: job.clock,
        version: reached.version,
        store: reached.store,
        keep: job.options.keep,
    };
    let bus = KafkaBus::connect(reached.target, &setup)
        .map_err(|error| broker::death_of(&reached.engine).unwrap_or_else(|| bus_failure(&error)))?;
    let record = run::run(job, bus, reached.engine, &mut [journal, progress]).map_err(run_failure)?;
    if let Err(failure) = broker::end(reached.server) {
        progress.say(&format!("warning: {}", failure.text));
    }
    Ok(record)
}

fn reach(
    args: &args::Broker,
    plan: &Plan,
    log: &Path,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<Reached, Failure> {
    for_kafka(args)?;
    if args.at == "local" {
        return local(args, plan, log);
    }
    if broker::in_container(&args.at) {
        return hosted(container::start(args, plan, log, interrupt, progress)?);
    }
    elsewhere(args)
}

/// A cluster to clean.
pub(super) fn cleaner(args: &args::Broker) -> Result<Bus, Failure> {
    for_kafka(args)?;
    let reached = elsewhere(args)?;
    let label = reached.target.label.clone();
    let cleaner = KafkaCleaner::new(reached.target).map_err(|error| bus_failure(&error))?;
    Ok(Bus { cleaner: Box::new(cleaner), label, warnings: reached.warnings })
}

/// Refuses what is for NATS.
fn for_kafka(args: &args::Broker) -> Result<(), Failure> {
    let foreign = [
        ("--context", args.context.is_some()),
        ("--nkey", args.nkey.is_some()),
        ("--tls-first", args.tls_first),
        ("a NATS URL", ["nats://", "tls://"].iter().any(|scheme| args.at.starts_with(scheme))),
    ];
    if let Some((flag, _)) = foreign.iter().find(|(_, given)| *given) {
        return Err(Failure::usage(format!(
            "{flag} is for NATS, and the profile's `bus.kind` is `kafka`; leave it out, or add `--set bus.kind=nats`"
        )));
    }
    Ok(())
}

/// Resolves the target of an existing cluster.
fn elsewhere(args: &args::Broker) -> Result<Reached, Failure> {
    if !args.at.starts_with("kafka") {
        return Err(Failure::usage(format!(
            "`--broker {}` is no broker for `bus.kind = \"kafka\"`; expected `local`, `container:IMAGE`, `sim`, \
             kafka://HOST:PORT or kafka+tls://HOST:PORT",
            address(&args.at)
        )));
    }
    let target = Target::parse(&args.at).map_err(Failure::usage)?;
    let on_the_command_line = target.secret().is_some();
    target.secret().into_iter().for_each(keep_out);
    let target = target.with(access(args)?);
    target.secret().into_iter().for_each(keep_out);
    let open = target.secret().is_some() && !target.tls;
    let hosts = target.brokers.iter().map(String::as_str).filter(|_| open);
    let warnings = exposure(on_the_command_line, hosts);
    Ok(Reached {
        engine: Broker {
            record: described("url", &target.label),
            meters: Vec::new(),
            alive: None,
            log: None,
        },
        target,
        version: None,
        store: None,
        warnings,
        server: None,
    })
}

fn hosted(of: Own) -> Result<Reached, Failure> {
    Ok(Reached {
        target: own(&of.url, &of.entry)?,
        engine: of.engine,
        version: of.version,
        store: of.store,
        warnings: of.warnings,
        server: Some(of.server),
    })
}

/// A broker of our own, as this process gets in.
fn own(url: &str, entry: &Entry) -> Result<Target, Failure> {
    let sasl = match entry {
        Entry::Open => None,
        Entry::Password(password) => Some(Sasl {
            mechanism: "PLAIN".into(),
            user: password.user().into(),
            password: Secret::new(password.text()),
        }),
    };
    Ok(Target { sasl, ..Target::parse(url).map_err(Failure::usage)? })
}

fn described(mode: &str, address: &str) -> record::Broker {
    record::Broker {
        kind: "kafka".into(),
        mode: mode.into(),
        address: address.into(),
        ..record::Broker::default()
    }
}

/// What the flags say of credentials, then a properties file, then the environment.
fn access(args: &args::Broker) -> Result<Access, Failure> {
    let flags = Access {
        user: args.user.clone(),
        files: TlsFiles { ca: args.tls_ca.clone(), cert: args.tls_cert.clone(), key: args.tls_key.clone() },
        ..Access::default()
    };
    let file = match &args.creds {
        Some(path) => Access::from_properties(path).map_err(|error| bus_failure(&error))?,
        None => Access::default(),
    };
    let given = flags.or(file);
    // A file never chooses where the environment's credentials go.
    Ok(if args.by_file { given } else { given.or(Access::from_env(environment)) })
}

fn local(args: &args::Broker, plan: &Plan, log: &Path) -> Result<Reached, Failure> {
    let located = locate_kafka().map_err(|error| Failure::environment(&error))?;
    let (entry, open) = broker::entry(args)?;
    let mut config = KafkaConfig::new(located, log, entry.clone());
    config.sync = plan.bus.sync;
    config.heap = plan.bus.kafka.heap;
    config.port = args.port;
    if let Some(store) = &args.store {
        config.store_parent.clone_from(store);
    }
    config.needed = broker::needed_bytes(plan);
    let kafka = LocalKafka::start(config).map_err(|error| Failure::environment(&error))?;
    hosted(Own::new(Box::new(kafka), "kafka", "local", entry, open, log))
}
