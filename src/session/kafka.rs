//! Kafka: brokers, addresses, bus.

use std::path::PathBuf;

use super::asked::{Asked, NamedBy};
use super::door::keep_out;
use super::driver::{Driver, Lodging, Program};
use super::error::SessionError;
use super::target::{Elsewhere, Environment, Going, Target, exposure};
use crate::broker::{BrokerError, Entry, KafkaCluster, KafkaConfig, LocalKafka, Server, locate_kafka};
use crate::bus::kafka::{self, Access, KafkaBus, KafkaCleaner, Pem, Sasl, Setup, TlsFiles};
use crate::bus::leftover::Cleaner;
use crate::bus::secret::Secret;
use crate::bus::{BusError, Model};
use crate::market;
use crate::num;
use crate::plan::BatchCompression;
use crate::record::Record;
use crate::run;

/// Kafka's driver.
pub(super) const DRIVER: Driver = Driver { program, start, elsewhere, own };

impl Target for kafka::Target {
    fn label(&self) -> &str {
        &self.label
    }

    fn hosts(&self) -> Vec<String> {
        self.brokers.clone()
    }

    fn run(&self, going: Going<'_, '_>) -> Result<Record, SessionError> {
        let job = going.job;
        let setup = Setup {
            plan: job.plan,
            run_id: &job.identity.id,
            naming: going.terms.naming,
            here_only: going.terms.here_only,
            symbols: &market::names(&job.plan.market),
            clock: job.clock,
            version: going.known.version.clone(),
            store: going.known.stores.first().cloned(),
            model: going.known.model.as_ref().and_then(Model::topic),
            keep: job.options.keep,
        };
        let bus = KafkaBus::connect(self.clone(), &setup);
        going.on(bus)
    }

    fn model(&self, topic: &str) -> Result<Model, BusError> {
        KafkaBus::model(self, topic).map(Model::Topic)
    }

    fn cleaner(&self) -> Result<Box<dyn Cleaner>, BusError> {
        Ok(Box::new(KafkaCleaner::new(self.clone())?))
    }
}

fn program() -> Result<Program, BrokerError> {
    let found = locate_kafka()?;
    let (version, libs) = (&found.version, found.libs.display());
    let what = format!("{version} at {libs}, with Java {}", found.java_version);
    Ok(Program { what, warning: found.warning })
}

fn start(lodging: &Lodging<'_>) -> Result<(Box<dyn Server>, Option<String>), SessionError> {
    let Lodging { plan, log, entry, port, store, .. } = lodging;
    let mut config = KafkaConfig::new(locate_kafka()?, *log, (*entry).clone());
    config.sync = plan.bus.sync;
    config.heap = plan.bus.kafka.heap;
    config.port = *port;
    config.power = lodging.power()?;
    if let Some(store) = store {
        (*store).clone_into(&mut config.store_parent);
    }
    // The stored size of compressed events is not known in advance.
    let known = plan.bus.kafka.compression == BatchCompression::None;
    config.needed = if known { run::memory::store(plan).needed() } else { 0 };
    let server: Box<dyn Server> = if plan.cluster.is_single() {
        Box::new(LocalKafka::start(config)?)
    } else {
        Box::new(KafkaCluster::start(&config, num::index32(plan.cluster.nodes))?)
    };
    Ok((server, None))
}

fn own(url: &str, entry: &Entry) -> Result<Box<dyn Target>, SessionError> {
    let sasl = match entry {
        Entry::Open => None,
        Entry::Password(password) => Some(Sasl {
            mechanism: "PLAIN".into(),
            user: password.user().into(),
            password: Secret::new(password.text()),
        }),
    };
    Ok(Box::new(kafka::Target { sasl, ..kafka::Target::parse(url).map_err(SessionError::asked)? }))
}

fn elsewhere(asked: &Asked, environment: Environment<'_>) -> Result<Elsewhere, SessionError> {
    let target =
        kafka::Target::parse(asked.at.as_deref().unwrap_or_default()).map_err(SessionError::asked)?;
    let on_the_command_line = target.sasl.is_some() && asked.named_by == NamedBy::CommandLine;
    target.secrets().for_each(keep_out);
    // A mistake in a user's file is for the user to correct.
    let access = access(asked, environment).map_err(SessionError::asked)?;
    access.secrets().for_each(keep_out);
    let (target, mut warnings) = target.completed(access).map_err(SessionError::asked)?;
    let open = (target.sasl.is_some() || target.oauth.is_some()) && !target.tls;
    let endpoint = target.open_endpoint();
    let hosts = target.brokers.iter().map(String::as_str).filter(|_| open).chain(endpoint.as_deref());
    warnings.extend(exposure(on_the_command_line, hosts));
    Ok(Elsewhere { target: Box::new(target), mode: "url".into(), warnings })
}

/// Returns the requested credentials, then those of a properties file, then those of the environment.
fn access(asked: &Asked, environment: Environment<'_>) -> Result<Access, BusError> {
    let file = |path: &Option<PathBuf>| path.clone().map(Pem::At);
    let (ca, cert, key) = (file(&asked.tls_ca), file(&asked.tls_cert), file(&asked.tls_key));
    let files = TlsFiles { ca, cert, key, ..TlsFiles::default() };
    let flags = Access { user: asked.user.clone(), files, ..Access::default() };
    let file = match &asked.creds {
        Some(path) => Access::from_properties(path)?,
        None => Access::default(),
    };
    if let (Some(user), Some(_)) = (&flags.user, &file.oauth) {
        return Err(BusError::Environment {
            problem: format!("--user {user} is given, and the properties file asks for a login by a token"),
            hint: "leave out one of them".to_owned(),
        });
    }
    let given = flags.or(file);
    // A file must not choose where the environment's credentials are sent.
    Ok(if asked.by_file() { given } else { given.or(Access::from_env(environment)) })
}
