//! Apache Kafka: one topic for each of the plan's topics, with the symbol as the key, and one consumer group for each
//! of the plan's groups.
//!
//! librdkafka works on its own threads; this driver decides when an answer is stamped, how many events are in flight,
//! and what a report means.

mod access;
mod audit;
mod bell;
mod clean;
mod member;
mod names;
mod post;
mod progress;
mod provision;
mod publisher;
mod target;
mod throttle;
mod token;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::AdminClient;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::{ClientContext, Offset};
use tokio::runtime::Runtime;

pub use access::{Access, OAuth, Pem, Sasl, TlsFiles, Trust};
pub use clean::KafkaCleaner;
pub use member::KafkaMember;
pub use publisher::KafkaPublisher;
pub use target::Target;

use self::audit::{Audit, Ends};
use self::names::Names;
use self::progress::Progress;
use self::provision::{Admin, Made, explain};
use self::token::Tokens;
use self::watch::Watch;
use crate::bus::marks::Marks;
pub use crate::bus::secret::Secret;
use crate::bus::{Bus, BusError, BusFacts, BusSample, Delivery, Mark, environment};
use crate::host::clock::Clock;
use crate::num;
use crate::plan::{AckMode, Plan};
use crate::topology::Naming;

/// Maximum message size in bytes, with key and overhead, set for topics and producers.
const MAX_MESSAGE: &str = "1048576";
/// The same as a number.
const MAX_MESSAGE_BYTES: u64 = 1_048_576;
/// Maximum payload that is certain to fit into it.
const MAX_PAYLOAD: u64 = 1_000_000;
/// Maximum duration of [`Bus::observe`].
const OBSERVE: Duration = Duration::from_secs(2);

/// Maximum time for a consumer to leave its group.
const GOODBYE: Duration = Duration::from_secs(3);

/// A run's parameters for its driver, apart from the cluster's address.
#[derive(Debug, Clone)]
pub struct Setup<'a> {
    /// The plan to run.
    pub plan: &'a Plan,
    /// Run id, used in the names of topics and groups; characters other than letters, digits, `-` and `_` become `-`.
    pub run_id: &'a str,
    /// How topics are named; groups always have names that belong to the run.
    pub naming: Naming,
    /// Require that brokers have addresses of this machine: a load this high may not be sent to others.
    pub here_only: bool,
    /// Names of the symbols, by index; used as keys.
    pub symbols: &'a [String],
    /// The run's clock.
    pub clock: Clock,
    /// Version of a broker that tickgate started; no client can query it.
    pub version: Option<String>,
    /// Log folder of a broker that tickgate started, to measure its size.
    pub store: Option<PathBuf>,
    /// Whether to keep topics and groups at the end.
    pub keep: bool,
}

/// A client context that only watches for errors.
pub(crate) struct Watching(Watch);

impl ClientContext for Watching {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.0.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ConsumerContext for Watching {}

/// Gives an admin client, which nobody polls, the newest token of a login by tokens.
fn log_in(admin: &AdminClient<Watching>) {
    let client = admin.inner();
    client.context().0.log_in(client);
}

/// Closes a consumer. It leaves its group, but an unreachable broker must not block the caller for longer than
/// [`GOODBYE`].
fn end<C: ConsumerContext + 'static>(consumer: BaseConsumer<C>) {
    let (done, ended) = std::sync::mpsc::channel();
    let work = move || {
        drop(consumer);
        let _ = done.send(());
    };
    if std::thread::Builder::new().name("goodbye".to_owned()).spawn(work).is_ok() {
        let _ = ended.recv_timeout(GOODBYE);
    }
}

/// Creates an event loop for admin requests.
fn event_loop() -> Result<Runtime, BusError> {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| environment(&format!("cannot start an event loop: {error}"), "report this"))
}

/// Returns the error for settings from which librdkafka cannot create a client.
fn wrong_settings(target: &Target, error: &KafkaError) -> BusError {
    environment(
        &format!("librdkafka does not take the settings: {}", target.scrub(&error.to_string())),
        "check the address, the mechanism of SASL and the certificates",
    )
}

/// The control side of a run on Kafka.
pub struct KafkaBus {
    control: BaseConsumer<Watching>,
    admin: AdminClient<Watching>,
    target: Target,
    plan: Plan,
    names: Arc<Names>,
    made: Made,
    symbols: Arc<[String]>,
    progress: Vec<Arc<Progress>>,
    clock: Clock,
    marks: Marks,
    tokens: Option<Tokens>,
    facts: BusFacts,
    store: Option<PathBuf>,
    keep: bool,
    runtime: Runtime,
}

impl KafkaBus {
    /// Connects and checks the cluster against the plan; creates and changes nothing.
    ///
    /// # Errors
    /// When the cluster cannot be reached, or does not support what the plan asks for.
    pub fn connect(target: Target, setup: &Setup<'_>) -> Result<Self, BusError> {
        let plan = setup.plan.clone();
        let names = Arc::new(Names::new(&plan, setup.naming, setup.run_id)?);
        let marks = Marks::new(setup.clock);
        let runtime = event_loop()?;
        let wrong = |error: KafkaError| wrong_settings(&target, &error);
        let tokens = target.tokens(&marks)?;
        let control = target.config("control")?;
        let watch = Watch::new(marks.of("control".to_owned()), tokens.clone());
        let control: BaseConsumer<Watching> =
            BaseConsumer::from_config_and_context(&control, Watching(watch)).map_err(wrong)?;
        let metadata = provision::reach(&control, &target)?;
        provision::check(&metadata, &target, &plan, setup.here_only)?;
        let watch = Watch::new(marks.of("admin".to_owned()), tokens.clone());
        let admin =
            AdminClient::from_config_and_context(&target.config("admin")?, Watching(watch)).map_err(wrong)?;
        log_in(&admin);
        let mut facts = Admin { client: &admin, runtime: &runtime, names: &names }.facts(
            &metadata,
            &target,
            &plan,
            setup.version.as_deref(),
            setup.store.is_some(),
        );
        let id = control.client().fetch_cluster_id(provision::PATIENCE);
        facts.settings.extend(id.map(|id| ("cluster_id".to_owned(), id)));
        let progress = plan.groups.iter().enumerate().map(|(at, group)| {
            let shares = num::count32(names.subscribed(at).len()) * names.partitions();
            Arc::new(Progress::new(names.places(), group.members, shares))
        });
        Ok(Self {
            control,
            admin,
            progress: progress.collect(),
            target,
            plan,
            names,
            made: Made::default(),
            symbols: setup.symbols.into(),
            clock: setup.clock,
            marks,
            tokens,
            facts,
            store: setup.store.clone(),
            keep: setup.keep,
            runtime,
        })
    }

    /// Returns the full names of the run's topics.
    #[must_use]
    pub fn topics(&self) -> &[String] {
        self.names.topics()
    }

    fn admin(&self) -> Admin<'_> {
        log_in(&self.admin);
        Admin { client: &self.admin, runtime: &self.runtime, names: &self.names }
    }

    /// Returns a client's configuration and its watch.
    fn client(&self, name: &str) -> Result<(ClientConfig, Watch), BusError> {
        Ok((self.target.config(name)?, Watch::new(self.marks.of(name.to_owned()), self.tokens.clone())))
    }

    /// Returns the bytes of the run's logs on disk for a broker that tickgate started; `None` for others.
    fn disk_bytes(&self) -> Option<u64> {
        let store = self.store.as_ref()?;
        let logs = self.names.topics().iter().flat_map(|topic| {
            (0..self.names.partitions()).map(move |partition| store.join(format!("{topic}-{partition}")))
        });
        let files = logs.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
        // Index files are sparse and preallocated to their maximum size, so they do not count.
        let logs = files.filter(|file| file.path().extension().is_some_and(|end| end == "log"));
        Some(logs.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum())
    }
}

impl Bus for KafkaBus {
    type Publisher = KafkaPublisher;
    type Member = KafkaMember;

    fn facts(&self) -> &BusFacts {
        &self.facts
    }

    fn provision(&mut self) -> Result<(), BusError> {
        let mut made = Made::default();
        let done = self.admin().provision(&self.plan, &self.control, &mut made);
        self.made = made;
        done
    }

    fn publisher(&mut self, generator: u32) -> Result<KafkaPublisher, BusError> {
        let (config, watch) = self.client(&format!("publisher {generator}"))?;
        KafkaPublisher::connect(publisher::Setup {
            config,
            bus: &self.plan.bus,
            names: Arc::clone(&self.names),
            symbols: Arc::clone(&self.symbols),
            clock: self.clock,
            watch,
        })
    }

    fn member(&mut self, group: usize, member: u32) -> Result<KafkaMember, BusError> {
        let (Some(described), Some(progress)) = (self.plan.groups.get(group), self.progress.get(group))
        else {
            return Err(environment(&format!("the plan has no group number {group}"), "report this"));
        };
        let (config, watch) = self.client(&format!("member {member} of {}", described.name))?;
        let setup = member::Setup {
            config,
            bus: &self.plan.bus,
            names: Arc::clone(&self.names),
            progress: Arc::clone(progress),
            clock: self.clock,
            watch,
        };
        KafkaMember::join(setup, group, member)
    }

    fn audit(&mut self, deadline: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<bool, BusError> {
        let (mut config, watch) = self.client("audit")?;
        member::fetch_at_most(&mut config, self.plan.bus.most_bytes());
        let audit = Audit { control: &self.control, config, names: &self.names, watch, clock: self.clock };
        audit.read(Instant::now() + deadline, sink)
    }

    fn marks(&mut self, into: &mut Vec<Mark>) {
        self.marks.take(into);
    }

    fn observe(&mut self) -> Result<BusSample, BusError> {
        provision::listen(&self.control);
        let ends = Ends::ask(&self.control, &self.names, Offset::End, OBSERVE)
            .map_err(|error| provision::observing(&error))?;
        self.control.context().0.came_through();
        let acked = self.plan.bus.ack != AckMode::None;
        let mut sample =
            BusSample { stored_events: ends.total(), disk_bytes: self.disk_bytes(), ..BusSample::default() };
        for (group, progress) in self.progress.iter().enumerate() {
            let (handed, committed) = progress.totals();
            let there: u64 = self.names.received(group).map(|place| ends.at(place)).sum();
            sample.pending.push(there.saturating_sub(handed));
            // A delivered event is delivered again only if a member ends before it commits.
            sample.owed.push(there.saturating_sub(handed));
            sample.ack_pending.push(if acked { handed.saturating_sub(committed) } else { 0 });
        }
        Ok(sample)
    }

    fn teardown(&mut self) -> Result<(), BusError> {
        if self.keep { Ok(()) } else { self.admin().teardown(&self.made) }
    }
}
