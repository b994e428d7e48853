//! Apache Kafka: a topic for each of the plan's, the symbol as the key, and a consumer group for each of its groups.
//!
//! librdkafka does the work on threads of its own; what is ours is when an answer is stamped, how many events are under
//! way, and what a report means.

mod access;
mod audit;
mod bell;
mod clean;
mod member;
mod names;
mod progress;
mod provision;
mod publisher;
mod target;
mod throttle;
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

pub use access::{Access, Pem, Sasl, TlsFiles};
pub use clean::KafkaCleaner;
pub use member::KafkaMember;
pub use publisher::KafkaPublisher;
pub use target::Target;

use self::audit::{Audit, Ends};
use self::names::Names;
use self::progress::Progress;
use self::provision::{Admin, Made, explain};
use self::watch::Watch;
use crate::bus::marks::Marks;
pub use crate::bus::secret::Secret;
use crate::bus::{Bus, BusError, BusFacts, BusSample, Delivery, Mark, environment};
use crate::host::clock::Clock;
use crate::num;
use crate::plan::{AckMode, Plan};
use crate::topology::Naming;

/// Largest message, with key and overhead: what topics and producers are told.
const MAX_MESSAGE: &str = "1048576";
/// The same as a number.
const MAX_MESSAGE_BYTES: u64 = 1_048_576;
/// Largest payload that surely fits into it.
const MAX_PAYLOAD: u64 = 1_000_000;
/// How long [`Bus::observe`] may take.
const OBSERVE: Duration = Duration::from_secs(2);

/// How long a consumer may take to leave its group.
const GOODBYE: Duration = Duration::from_secs(3);

/// What a run tells its driver besides where the cluster is.
#[derive(Debug, Clone)]
pub struct Setup<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// Names topics and groups; other characters than letters, digits, `-` and `_` become `-`.
    pub run_id: &'a str,
    /// Under whose topics the events go; groups are always the run's own.
    pub naming: Naming,
    /// Brokers must have addresses of this machine: so much may not be sent to others.
    pub here_only: bool,
    /// Names of the symbols, by index: the keys.
    pub symbols: &'a [String],
    /// The run's clock.
    pub clock: Clock,
    /// The version of a broker that we started; no client can see it.
    pub version: Option<String>,
    /// Where a broker that we started has its log, to see how large it gets.
    pub store: Option<PathBuf>,
    /// Leave topics and groups in place at the end.
    pub keep: bool,
}

/// A client whose errors are listened to, and nothing else.
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

/// Ends a consumer. It says goodbye to its group, and a broker that is gone must not hold anybody up by that.
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

/// An event loop for the answers of the admin side.
fn event_loop() -> Result<Runtime, BusError> {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| environment(&format!("cannot start an event loop: {error}"), "report this"))
}

/// Why librdkafka makes no client.
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
    facts: BusFacts,
    store: Option<PathBuf>,
    keep: bool,
    runtime: Runtime,
}

impl KafkaBus {
    /// Connects and checks the cluster against the plan; makes and changes nothing.
    ///
    /// # Errors
    /// When the cluster cannot be reached, or cannot do what the plan asks for.
    pub fn connect(target: Target, setup: &Setup<'_>) -> Result<Self, BusError> {
        let plan = setup.plan.clone();
        let names = Arc::new(Names::new(&plan, setup.naming, setup.run_id)?);
        let marks = Marks::new(setup.clock);
        let runtime = event_loop()?;
        let wrong = |error: KafkaError| wrong_settings(&target, &error);
        let control = target.config("control")?;
        let watch = Watch::new(marks.of("control".to_owned()));
        let control: BaseConsumer<Watching> =
            BaseConsumer::from_config_and_context(&control, Watching(watch)).map_err(wrong)?;
        let metadata = provision::reach(&control, &target)?;
        provision::check(&metadata, &target, &plan, setup.here_only)?;
        let watch = Watch::new(marks.of("admin".to_owned()));
        let admin =
            AdminClient::from_config_and_context(&target.config("admin")?, Watching(watch)).map_err(wrong)?;
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
            facts,
            store: setup.store.clone(),
            keep: setup.keep,
            runtime,
        })
    }

    /// The run's topics by their full names.
    #[must_use]
    pub fn topics(&self) -> &[String] {
        self.names.topics()
    }

    fn admin(&self) -> Admin<'_> {
        Admin { client: &self.admin, runtime: &self.runtime, names: &self.names }
    }

    /// A client's configuration and its listener.
    fn client(&self, name: &str) -> Result<(ClientConfig, Watch), BusError> {
        Ok((self.target.config(name)?, Watch::new(self.marks.of(name.to_owned()))))
    }

    /// Bytes of the run's logs on the disk of a broker that is ours; of others it is not known.
    fn disk_bytes(&self) -> Option<u64> {
        let store = self.store.as_ref()?;
        let logs = self.names.topics().iter().flat_map(|topic| {
            (0..self.names.partitions()).map(move |partition| store.join(format!("{topic}-{partition}")))
        });
        let files = logs.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
        // Indexes are files with holes, as large as they may become.
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
            // What was handed over comes again only where a member ends before it commits.
            sample.owed.push(there.saturating_sub(handed));
            sample.ack_pending.push(if acked { handed.saturating_sub(committed) } else { 0 });
        }
        Ok(sample)
    }

    fn teardown(&mut self) -> Result<(), BusError> {
        if self.keep { Ok(()) } else { self.admin().teardown(&self.made) }
    }
}
