//! Apache Kafka: one topic for each of the plan's topics, with the symbol as the key, and one consumer group for each
//! of the plan's groups.
//!
//! librdkafka works on its own threads; this driver decides when an answer is stamped, how many events are in flight,
//! and what a report means.

mod access;
mod attach;
mod audit;
mod bell;
mod clean;
mod like;
mod member;
mod names;
mod post;
mod progress;
mod provision;
mod reach;
mod publisher;
mod replay;
mod rights;
mod target;
mod throttle;
mod token;
mod watch;

use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::AdminClient;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::{ClientContext, Offset, bindings};
use tokio::runtime::Runtime;

pub use access::{Access, OAuth, Pem, Sasl, TlsFiles, Trust, jaas, properties};
pub use clean::KafkaCleaner;
pub use member::KafkaMember;
pub use publisher::KafkaPublisher;
pub use target::Target;

use self::audit::{Audit, Ends};
use self::like::Reader;
use self::member::Maker;
use self::names::Names;
use self::progress::Progress;
use self::provision::{Admin, Made, explain};
use self::token::Tokens;
use self::watch::Watch;
use crate::bus::kafka_model::TopicModel;
use crate::bus::kafka_topics;
use crate::bus::marks::Marks;
pub use crate::bus::secret::Secret;
use crate::bus::{
    Bus, BusError, BusFacts, BusSample, Delivery, Mark, Replayer, Successors, environment, successors,
};
use crate::host::clock::Clock;
use crate::num;
use crate::plan::{AckMode, Plan};
use crate::record;
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
const END_WITHIN: Duration = Duration::from_secs(3);

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
    /// Topic whose configuration the run's topics copy, or that the run attaches to; already applied to `plan`.
    pub model: Option<&'a TopicModel>,
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

/// Gives an admin client, which is not polled, the newest token of a login by tokens.
fn log_in(admin: &AdminClient<Watching>) {
    let client = admin.inner();
    client.context().0.log_in(client);
}

/// Closes a consumer. It leaves its group, but an unreachable broker must not block the caller for longer than
/// [`END_WITHIN`].
fn end<C: ConsumerContext + 'static>(consumer: BaseConsumer<C>) {
    let (done, ended) = std::sync::mpsc::channel();
    let work = move || {
        drop(consumer);
        let _ = done.send(());
    };
    if std::thread::Builder::new().name("leave-group".to_owned()).spawn(work).is_ok() {
        let _ = ended.recv_timeout(END_WITHIN);
    }
}

/// Ends a consumer as a crash of its process does: nothing is committed, and its group learns of it only by its silence.
/// Returns when its connections are closed, or after [`END_WITHIN`].
fn crash<C: ConsumerContext + 'static>(consumer: BaseConsumer<C>) {
    // Its end would take leave of the group. What stays in memory is the queue's handle and the context.
    let consumer = ManuallyDrop::new(consumer);
    let (done, ended) = std::sync::mpsc::channel();
    let work = move || {
        let flags = bindings::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE;
        #[expect(unsafe_code, reason = "rdkafka has no call for it")]
        // SAFETY: the client is destroyed once, since the value that would do so again is never dropped, and nothing uses it
        // afterwards.
        unsafe {
            bindings::rd_kafka_destroy_flags(consumer.client().native_ptr(), flags);
        }
        let _ = done.send(());
    };
    if std::thread::Builder::new().name("crash".to_owned()).spawn(work).is_ok() {
        let _ = ended.recv_timeout(END_WITHIN);
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
    model: Option<TopicModel>,
    /// The ends of the partitions before the run, in an existing topic.
    start: Option<Ends>,
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
        let mut control = target.config("control")?;
        // Otherwise an open transaction of others would hide the end of an existing topic.
        control.set("isolation.level", "read_uncommitted");
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
        if let Some(model) = setup.model {
            facts.max_payload = facts.max_payload.min(model.max_payload());
        }
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
            model: setup.model.cloned(),
            start: None,
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

    /// Reads the configuration of an existing topic as a model.
    ///
    /// # Errors
    /// When the cluster cannot be reached, there is no such topic, or the user may not read its configuration.
    pub fn model(target: &Target, topic: &str) -> Result<TopicModel, BusError> {
        let marks = Marks::new(Clock::start());
        let runtime = event_loop()?;
        let wrong = |error: KafkaError| wrong_settings(target, &error);
        let tokens = target.tokens(&marks)?;
        let watch = |name: &str| Watching(Watch::new(marks.of(name.to_owned()), tokens.clone()));
        let control: BaseConsumer<Watching> =
            BaseConsumer::from_config_and_context(&target.config("model")?, watch("control"))
                .map_err(wrong)?;
        provision::reach(&control, target)?;
        let admin = AdminClient::from_config_and_context(&target.config("model admin")?, watch("admin"))
            .map_err(wrong)?;
        log_in(&admin);
        Reader { control: &control, admin: &admin, runtime: &runtime }.model(topic)
    }

    fn admin(&self) -> Admin<'_> {
        log_in(&self.admin);
        Admin { client: &self.admin, runtime: &self.runtime, names: &self.names }
    }

    const fn reader(&self) -> Reader<'_> {
        Reader { control: &self.control, admin: &self.admin, runtime: &self.runtime }
    }

    /// Creates topics with the settings of a model, and records what the cluster made.
    fn provision_like(&mut self, model: &TopicModel) -> Result<(), BusError> {
        let copy = model.copy(&self.plan);
        let mut made = Made::default();
        let done = self.admin().provision(&self.plan, &copy.settings, &self.control, &mut made);
        self.made = made;
        done?;
        let first = self.names.topics().first().map_or("", String::as_str);
        let topic = self.reader().made(first)?;
        let differences = model.differences(&copy, &topic);
        self.enter(model, &topic, copy.left, differences);
        Ok(())
    }

    /// Notes where an existing topic ends, and lets the groups start there.
    fn attach(&mut self, model: &TopicModel) -> Result<(), BusError> {
        let ends = attach::ends(&self.control, &self.names)?;
        for group in 0..self.plan.groups.len() {
            if self.names.subscribed(group).is_empty() {
                continue;
            }
            let (mut config, watch) = self.client("start")?;
            attach::start_at(&ends, &self.names, group, &mut config, &watch)?;
        }
        for (group, progress) in self.progress.iter().enumerate() {
            self.names.received(group).for_each(|place| progress.start_at(place, ends.at(place)));
        }
        self.start = Some(ends);
        self.enter(model, model, Vec::new(), Vec::new());
        Ok(())
    }

    /// Records the configuration of the topics.
    fn enter(&mut self, model: &TopicModel, made: &TopicModel, left: Vec<String>, differences: Vec<String>) {
        let like = if model.attached { "attached" } else { "like" };
        self.facts.settings.push((like.to_owned(), model.of.clone()));
        self.facts.made = Some(record::Made {
            of: model.of.clone(),
            topic: made.fields(),
            not_copied: left,
            differences,
            ..record::Made::default()
        });
    }

    /// Returns a client's configuration and its watch.
    fn client(&self, name: &str) -> Result<(ClientConfig, Watch), BusError> {
        Ok((self.target.config(name)?, Watch::new(self.marks.of(name.to_owned()), self.tokens.clone())))
    }

    /// Returns what makes the members of one place in a group.
    fn maker(&self, group: usize, member: u32) -> Result<Maker, BusError> {
        let (Some(described), Some(progress)) = (self.plan.groups.get(group), self.progress.get(group))
        else {
            return Err(environment(&format!("the plan has no group number {group}"), "report this"));
        };
        let name = format!("member {member} of {}", described.name);
        Ok(Maker {
            config: self.target.config(&name)?,
            name,
            bus: self.plan.bus.clone(),
            names: Arc::clone(&self.names),
            progress: Arc::clone(progress),
            clock: self.clock,
            marks: self.marks.clone(),
            tokens: self.tokens.clone(),
            group,
            member,
        })
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

    fn names(&self) -> crate::bus::Names {
        crate::bus::Names {
            stream: self.names.busiest(&self.plan).to_owned(),
            consumers: (0..self.plan.groups.len()).map(|group| self.names.group(group).to_owned()).collect(),
            publisher: kafka_topics::PRODUCERS.to_owned(),
        }
    }

    fn provision(&mut self) -> Result<(), BusError> {
        match self.model.clone() {
            Some(model) if model.attached => return self.attach(&model),
            Some(model) => return self.provision_like(&model),
            None => {}
        }
        let settings = provision::topic_settings(&self.plan);
        let mut made = Made::default();
        let done = self.admin().provision(&self.plan, &settings, &self.control, &mut made);
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
        self.maker(group, member)?.make()
    }

    fn successors(&self) -> Option<Successors<KafkaMember>> {
        successors(&self.plan.groups, |group, member| self.maker(group, member), Maker::make)
    }

    fn replayer(&self) -> Option<Replayer> {
        let reader = replay::Reader {
            target: self.target.clone(),
            tokens: self.tokens.clone(),
            marks: self.marks.clone(),
            names: Arc::clone(&self.names),
            most_bytes: self.plan.bus.most_bytes(),
            clock: self.clock,
        };
        Some(Box::new(move |wanted, sink| reader.replay(wanted, sink)))
    }

    /// A topic of the run's own cannot remove anything during the run unless a model says so.
    fn unaudited(&mut self) -> Result<Option<String>, BusError> {
        let Some(model) = &self.model else { return Ok(None) };
        let low = Ends::ask(&self.control, &self.names, Offset::Beginning, OBSERVE)
            .map_err(|error| provision::observing(&error))?;
        let removed = low.beyond(self.start.as_ref().unwrap_or(&Ends::default()));
        Ok((removed > 0).then(|| model.removed(removed)))
    }

    fn audit(&mut self, deadline: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<bool, BusError> {
        let (mut config, watch) = self.client("audit")?;
        member::fetch_at_most(&mut config, self.plan.bus.most_bytes());
        let audit = Audit {
            control: &self.control,
            config,
            names: &self.names,
            start: self.start.as_ref(),
            begin: None,
            stop: None,
            watch,
            clock: self.clock,
        };
        audit.read(Instant::now() + deadline, &mut || {}, sink)
    }

    fn denied(&self) -> Option<BusError> {
        self.marks.denied().map(BusError::from)
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
        let stored_events = self.start.as_ref().map_or_else(|| ends.total(), |start| ends.beyond(start));
        let mut sample = BusSample { stored_events, disk_bytes: self.disk_bytes(), ..BusSample::default() };
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
        // In an existing topic nothing was made, so only groups are removed.
        if self.keep { Ok(()) } else { self.admin().teardown(&self.made) }
    }
}
