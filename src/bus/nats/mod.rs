//! NATS `JetStream`: one stream per run, one durable consumer per group (or per member), and connections whose threads
//! only move bytes.

mod account;
mod attach;
mod audit;
mod batch;
mod clean;
mod codes;
mod conn;
mod context;
mod copies;
mod dead_letters;
mod denial;
mod dial;
mod disk;
pub mod frames;
mod gone;
mod intake;
mod like;
mod link;
mod member;
pub mod model;
mod preflight;
mod provision;
mod publisher;
mod replay;
mod sending;
mod step_down;
mod subjects;
mod system;
mod target;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::Context;
use tokio::runtime::Runtime;

pub use clean::NatsCleaner;
pub use context::{Context as ContextFile, Found};
pub use member::NatsMember;
pub use publisher::NatsPublisher;
pub use step_down::{step_down, step_down_meta};
pub use system::{Answer, Figures, Identity, System};
pub use target::{Access, Api, Auth, Secret, Target, TlsFiles, Way};

use self::attach::Attached;
use self::audit::Audit;
use self::copies::Readers;
use self::dead_letters::Mover;
use self::denial::Terms;
use self::dial::Dialer;
use self::intake::{Beat, Intake, Mode, Push, Source};
use self::member::Maker;
use self::model::Model;
use self::subjects::Layout;
use self::target::environment;
use crate::bus::marks::Marks;
use crate::bus::{
    Bus, BusError, BusFacts, BusSample, Delivery, Mark, Names, Reached, Replayer, StoreCopies, Successors,
    successors,
};
use crate::host::clock::Clock;
use crate::num;
use crate::plan::{self, Group, Ns, Plan};
use crate::topology::Naming;

/// Name of the control side's connection.
const CONTROL: &str = "control";
/// Interval between checks whether the server has denied what the control side waits for.
const LOOK: Duration = Duration::from_millis(20);
/// Maximum duration of [`Bus::observe`].
const OBSERVE: Duration = Duration::from_secs(2);
/// Messages that may wait on a subscription of the control side, which receives single answers only.
const CONTROL_QUEUE: usize = 16 * 1024;

/// Settings of a run that its driver needs besides the server's address.
#[derive(Debug, Clone)]
pub struct Setup<'a> {
    /// The plan of the run.
    pub plan: &'a Plan,
    /// Names streams and consumers; characters other than letters, digits, `-` and `_` become `-`.
    pub run_id: &'a str,
    /// Whether the events use the profile's subjects or private ones.
    pub naming: Naming,
    /// Names of the symbols, by index.
    pub symbols: &'a [String],
    /// Clock of the run.
    pub clock: Clock,
    /// Bytes that the plan will store; compared with the free space of the store.
    pub volume_bytes: u64,
    /// Model whose configuration the stream and the consumers copy; already applied to `plan`.
    pub model: Option<&'a Model>,
    /// Whether the server forces every write to the disk: known for a server that tickgate started, else `None`.
    pub sync_always: Option<bool>,
    /// Leave the stream and its consumers in place at the end.
    pub keep: bool,
}

/// The control side of a run on NATS.
pub struct NatsBus {
    control: Client,
    jetstream: Context,
    dialer: Arc<Dialer>,
    /// For further connections of the control side.
    target: Target,
    terms: Terms,
    plan: Plan,
    run: String,
    api: String,
    /// Where consumers that push send to, each below its own name.
    inbox: String,
    symbols: Arc<[String]>,
    layout: Arc<Layout>,
    clock: Clock,
    marks: Marks,
    facts: BusFacts,
    model: Option<Model>,
    attached: Option<Attached>,
    keep: bool,
    /// How the mover of dead letters connects, where the plan has some; and the mover, once it works.
    to_move: Option<(Target, Terms)>,
    mover: Option<Mover>,
    /// The readers of the stream's copies, during an audit of several.
    readers: Option<Readers>,
    /// Store directories of the servers that tickgate started.
    stores: Vec<PathBuf>,
    // Declared last, so that everything that uses the runtime is dropped first.
    runtime: Runtime,
}

impl NatsBus {
    /// Connects and checks the server and the account against the plan, without creating or changing anything.
    ///
    /// # Errors
    /// When the server cannot be reached, or does not support what the plan requires.
    pub fn connect(target: Target, setup: &Setup<'_>) -> Result<Self, BusError> {
        let mut plan = setup.plan.clone();
        let layout = Layout::new(&plan, setup.naming, setup.run_id, setup.symbols)?;
        let attached =
            plan.bus.attach().map(|stream| Attached { stream: stream.to_owned(), before: 0, deleted: 0 });
        let volume_bytes = if attached.is_some() { 0 } else { setup.volume_bytes };
        let durables = (0..plan.groups.len()).map(|group| u64::from(layout.durables(group))).sum();
        let marks = Marks::new(setup.clock);
        let runtime = runtime()?;
        let api = target.api.subject();
        let terms = Terms { events: Some((layout.all(), setup.naming)), inbox: target.inbox_prefix.clone() };
        let (control, jetstream) = runtime.block_on(async {
            let notes = marks.of(CONTROL.to_owned());
            let control = link::connect(&target, terms.clone(), notes, CONTROL_QUEUE).await?;
            let jetstream = link::jetstream(&target, control.clone());
            let server = control.server_info();
            if plan.bus.attach().is_some() {
                // The stream and its store already exist.
                plan.bus.max_bytes.bytes = 0;
            } else if setup.model.is_some() && server.cluster.is_none() {
                // Several replicas need a cluster, and a model may ask for them on a server without one.
                plan.bus.replicas = 1;
            }
            let check = preflight::check(&jetstream, &server, &plan, durables, volume_bytes);
            unless_denied(&marks, CONTROL, check).await?;
            Ok::<_, BusError>((control, jetstream))
        })?;
        let facts =
            preflight::facts(&control.server_info(), &target, &layout.all(), &plan, setup.sync_always);
        Ok(Self {
            inbox: control.new_inbox(),
            control,
            jetstream,
            api,
            dialer: Arc::new(Dialer::new(target.clone())?.on(terms.clone())),
            to_move: plan.dead_letters().then(|| (target.clone(), terms.clone())),
            mover: None,
            target,
            terms,
            plan,
            run: setup.run_id.to_owned(),
            symbols: setup.symbols.into(),
            layout: Arc::new(layout),
            clock: setup.clock,
            marks,
            facts,
            model: setup.model.cloned(),
            attached,
            keep: setup.keep,
            readers: None,
            stores: Vec::new(),
            runtime,
        })
    }

    /// Sets the store directories of the servers that tickgate started, so that the disk usage of all copies of the stream
    /// can be measured.
    #[must_use]
    pub fn with_stores(self, stores: Vec<PathBuf>) -> Self {
        Self { stores, ..self }
    }

    /// Reads the configuration of a stream and its consumers as a model.
    ///
    /// # Errors
    /// When the server cannot be reached, or the stream does not exist.
    pub fn model(target: &Target, stream: &str) -> Result<Model, BusError> {
        let marks = Marks::new(Clock::start());
        runtime()?.block_on(async {
            let terms = Terms { events: None, inbox: target.inbox_prefix.clone() };
            let control = link::connect(target, terms, marks.of(CONTROL.to_owned()), CONTROL_QUEUE).await?;
            let jetstream = link::jetstream(target, control.clone());
            unless_denied(&marks, CONTROL, like::read(&jetstream, stream)).await
        })
    }

    /// Returns the name of the run's stream: the one that the run creates, or the existing one that it is attached to.
    #[must_use]
    pub fn stream(&self) -> String {
        let own = || provision::stream_name(&self.run);
        self.attached.as_ref().map_or_else(own, |attached| attached.stream.clone())
    }

    /// Returns the number of messages to request at once: at most `messages`, and no more than fit in the bytes that
    /// the plan allows.
    fn at_once(&self, messages: u32) -> u32 {
        let fitting = self.plan.bus.fitting(self.plan.largest_event());
        num::low32(fitting.min(u64::from(messages))).max(1)
    }

    fn consumer(&self, group: usize, durable: u32) -> String {
        if let (Some(_), Some(Some(theirs))) =
            (&self.attached, self.plan.groups.get(group).map(|group| &group.consumer))
        {
            return theirs.clone();
        }
        provision::consumer_name(&self.run, &self.plan, &self.layout, group, durable)
    }

    /// Connects to a consumer.
    fn intake(&self, name: &str, source: Source) -> Result<Intake, BusError> {
        member::intake(&self.control, &self.dialer, self.marks.of(name.to_owned()), self.clock, source)
    }

    /// Returns what makes the members of one place in a group.
    fn maker(&self, group: usize, member: u32) -> Result<Maker, BusError> {
        let Some(described) = self.plan.groups.get(group) else {
            return Err(environment(&format!("the plan has no group number {group}"), "report this"));
        };
        let durable = if self.layout.durables(group) > 1 { member } else { 0 };
        let model = self.model.as_ref();
        let bus =
            model.map_or_else(|| self.plan.bus.clone(), |model| model.bus_of(described, &self.plan.bus));
        let consumer = self.consumer(group, durable);
        let source = Source {
            api: self.api.clone(),
            stream: self.stream(),
            mode: self.mode(described, &consumer),
            consumer,
            batch: self.at_once(bus.nats.pull_batch),
            beat: if self.plan.faults.is_empty() { Beat::USUAL } else { Beat::QUICK },
        };
        Ok(Maker {
            name: format!("member {member} of {}", described.name),
            control: self.control.clone(),
            dialer: Arc::clone(&self.dialer),
            marks: self.marks.clone(),
            source,
            bus,
            layout: Arc::clone(&self.layout),
            clock: self.clock,
        })
    }

    /// Returns how the messages of a group's consumer reach its members.
    fn mode(&self, described: &Group, consumer: &str) -> Mode {
        let theirs = self.model.as_ref().and_then(|model| model.consumer_of(described));
        match theirs.and_then(model::push) {
            Some(push) if self.attached.is_some() => Mode::Push(push),
            Some(push) => Mode::Push(Push { subject: like::deliver_to(&self.inbox, consumer), ..push }),
            None => Mode::Pull(model::priority(theirs, described)),
        }
    }

    /// Returns everything that reading the stream back needs.
    fn reading(&self) -> Audit<'_> {
        Audit {
            runtime: &self.runtime,
            jetstream: &self.jetstream,
            run: &self.run,
            stream: self.stream(),
            from: self.attached.as_ref().map(|attached| attached.before + 1),
            api: self.api.clone(),
            layout: &self.layout,
            clock: self.clock,
            batch: self.at_once(audit::BATCH),
            marks: &self.marks,
        }
    }

    /// Returns what reads the stream again for replays.
    fn again(&self) -> replay::Reader {
        replay::Reader {
            target: self.target.clone(),
            dialer: Arc::clone(&self.dialer),
            terms: self.terms.clone(),
            marks: self.marks.clone(),
            clock: self.clock,
            run: self.run.clone(),
            stream: self.stream(),
            api: self.api.clone(),
            layout: Arc::clone(&self.layout),
            batch: self.at_once(replay::BATCH),
            beat: if self.plan.faults.is_empty() { Beat::USUAL } else { Beat::QUICK },
        }
    }

    /// Returns the moment that lies this far ahead.
    fn at(&self, from_now: Duration) -> Ns {
        self.clock.now().saturating_add(u64::try_from(from_now.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Runs a future of the control side. Its event loop does not run between two calls, so it polls the socket first:
    /// a request written to a connection that has ended in the meantime would be lost.
    fn run<T>(&self, work: impl Future<Output = Result<T, BusError>>) -> Result<T, BusError> {
        self.runtime.block_on(async {
            tokio::task::yield_now().await;
            unless_denied(&self.marks, CONTROL, work).await
        })
    }

    /// Returns the server's account of the stream and its consumers.
    fn account(&self) -> Result<BusSample, BusError> {
        let why = |why: &str| {
            let problem = format!("cannot observe stream {}: {why}", self.stream());
            environment(&problem, "see the server's log")
        };
        self.run(async {
            match tokio::time::timeout(OBSERVE, self.sample()).await {
                Ok(sample) => sample.map_err(|error| why(&error)),
                Err(_) => Err(why(&format!("no answer within {OBSERVE:?}"))),
            }
        })
    }

    async fn sample(&self) -> Result<BusSample, String> {
        let stream = match self.jetstream.get_stream(self.stream()).await {
            Err(error) if self.plan.loses_power() && gone::is_missing(&error) => {
                return Ok(BusSample::gone(gone::said(&self.stream(), &error), self.plan.groups.len()));
            }
            stream => stream.map_err(|error| error.to_string())?,
        };
        // Before the groups' figures, so that a dead letter that has been moved is among what a group is owed.
        let dead_letters = self.moved().await?;
        let state = &stream.cached_info().state;
        let groups = self.plan.groups.len();
        let mut sample = BusSample {
            stored_events: match &self.attached {
                Some(attached) => state.last_sequence.saturating_sub(attached.before).min(state.messages),
                None => state.messages,
            },
            // An attached stream also stores events of other publishers.
            stored_bytes: self.attached.is_none().then_some(state.bytes),
            disk_bytes: disk::bytes(&self.stores, &self.stream()),
            pending: vec![0; groups],
            ack_pending: vec![0; groups],
            owed: Vec::new(),
            leader: stream.cached_info().cluster.as_ref().and_then(|cluster| cluster.leader.clone()),
            gone: None,
            dead_letters,
        };
        for (group, (pending, ack_pending)) in
            sample.pending.iter_mut().zip(&mut sample.ack_pending).enumerate()
        {
            for durable in 0..self.layout.durables(group) {
                let info = stream.consumer_info(self.consumer(group, durable)).await;
                let info = info.map_err(|error| gone::of_consumer(&self.consumer(group, durable), &error))?;
                *pending += info.num_pending;
                *ack_pending += num::count(info.num_ack_pending);
            }
        }
        // Unacknowledged events are delivered again after `ack_wait`.
        sample.owed = sample.pending.iter().zip(&sample.ack_pending).map(|(a, b)| a + b).collect();
        Ok(sample)
    }
}

/// Runs a future on a connection until it completes or the server denies it in an `-ERR`: a request that may not be
/// sent, or whose answer may not be received, gets no answer.
async fn unless_denied<T>(
    marks: &Marks,
    connection: &str,
    work: impl Future<Output = Result<T, BusError>>,
) -> Result<T, BusError> {
    let before = marks.denied_to(connection);
    let denied = async {
        loop {
            tokio::time::sleep(LOOK).await;
            if let (None, Some(denial)) = (&before, marks.denied_to(connection)) {
                return Err(denial.into());
            }
        }
    };
    tokio::select! {
        biased;
        done = work => done,
        denied = denied => denied,
    }
}

/// Creates an event loop for the calling thread.
///
/// # Errors
/// When the system has no file descriptors left.
fn runtime() -> Result<Runtime, BusError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        environment(
            &format!("cannot start an event loop: {error}"),
            "raise the limit of open files (`ulimit -n`)",
        )
    })
}

impl Bus for NatsBus {
    type Publisher = NatsPublisher;
    type Member = NatsMember;

    fn facts(&self) -> &BusFacts {
        &self.facts
    }

    fn names(&self) -> Names {
        Names {
            stream: self.stream(),
            consumers: (0..self.plan.groups.len()).map(|group| self.consumer(group, 0)).collect(),
            publisher: conn::client_name(&publisher::connection_name(0)),
        }
    }

    fn provision(&mut self) -> Result<(), BusError> {
        let (jetstream, run, plan, layout) = (&self.jetstream, &self.run, &self.plan, &self.layout);
        let Some(model) = &self.model else {
            self.run(provision::provision(jetstream, run, plan, layout, &self.api))?;
            return self.move_dead_letters();
        };
        if let Some(mut attached) = self.attached.clone() {
            let made = self.run(attach::provision(jetstream, run, plan, layout, model, &mut attached))?;
            self.attached = Some(attached);
            self.facts.settings.extend(like::settings(&made));
            self.facts.made = Some(made);
            return Ok(());
        }
        let clustered = self.control.server_info().cluster.is_some();
        let made = self.run(like::provision(
            jetstream,
            run,
            plan,
            layout,
            model,
            &like::Place { clustered, inbox: &self.inbox },
        ))?;
        self.facts.settings.extend(like::settings(&made));
        self.facts.made = Some(made);
        Ok(())
    }

    fn publisher(&mut self, generator: u32) -> Result<NatsPublisher, BusError> {
        let setup = publisher::Setup {
            dialer: Arc::clone(&self.dialer),
            inbox: self.control.new_inbox(),
            bus: &self.plan.bus,
            layout: self.layout.clone(),
            symbols: self.symbols.clone(),
            clock: self.clock,
            marks: &self.marks,
        };
        NatsPublisher::connect(setup, generator)
    }

    fn member(&mut self, group: usize, member: u32) -> Result<NatsMember, BusError> {
        self.maker(group, member)?.make()
    }

    fn successors(&self) -> Option<Successors<NatsMember>> {
        successors(&self.plan.groups, |group, member| self.maker(group, member), Maker::make)
    }

    fn replayer(&self) -> Option<Replayer> {
        let reader = self.again();
        Some(Box::new(move |wanted, sink| reader.replay(wanted, sink)))
    }

    fn unaudited(&mut self) -> Result<Option<String>, BusError> {
        let Some(made) = &self.facts.made else { return Ok(None) };
        if let Some(why) = like::kept_until(made) {
            return Ok(Some(why));
        }
        let state = self.run(async {
            let stream = tokio::time::timeout(OBSERVE, self.jetstream.get_stream(self.stream())).await;
            let state = stream.map_err(|_| format!("no answer within {OBSERVE:?}")).and_then(|stream| {
                stream.map(|stream| stream.cached_info().state.clone()).map_err(|error| error.to_string())
            });
            state.map_err(|why| {
                environment(
                    &format!("cannot ask for stream {}: {why}", self.stream()),
                    "see the server's log",
                )
            })
        })?;
        let removed = match &self.attached {
            Some(attached) => {
                let first = state.first_sequence.saturating_sub(attached.before + 1);
                first + state.deleted_count.unwrap_or(0).saturating_sub(attached.deleted)
            }
            None => state.last_sequence.saturating_sub(state.messages),
        };
        Ok((removed > 0).then(|| like::removed(made, removed)))
    }

    fn audit(&mut self, deadline: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<bool, BusError> {
        if self.is_gone(deadline) {
            return Ok(true);
        }
        self.reading().read(|source| self.intake("audit", source), self.at(deadline), sink)
    }

    fn copies(&mut self, deadline: Duration) -> Result<Option<StoreCopies>, BusError> {
        if self.is_gone(deadline) {
            return Ok(None);
        }
        let before = self.readers.take().unwrap_or_default();
        let found = self.reading().copies(&before, self.at(deadline))?;
        Ok(found.map(|(copies, readers)| {
            self.readers = Some(readers);
            copies
        }))
    }

    fn audit_copy(
        &mut self,
        copy: usize,
        to: u64,
        deadline: Duration,
        sink: &mut dyn FnMut(&Delivery<'_>),
    ) -> Result<Reached, BusError> {
        let mut readers = self.readers.take().unwrap_or_default();
        let open = |source| self.intake("audit", source);
        let reached = self.reading().read_copy(&mut readers, copy, to, open, self.at(deadline), sink);
        self.readers = Some(readers);
        reached
    }

    fn marks(&mut self, into: &mut Vec<Mark>) {
        self.marks.take(into);
    }

    fn denied(&self) -> Option<BusError> {
        self.marks.denied().map(BusError::from)
    }

    fn unacknowledged(&mut self) -> Result<Option<BusError>, BusError> {
        let sample = self.account()?;
        let open = self.plan.groups.iter().zip(&sample.ack_pending).find(|(_, open)| **open > 0);
        Ok(open.filter(|_| self.plan.bus.ack != plan::AckMode::None).map(|(group, open)| {
            environment(
                &format!(
                    "the server has not had the acknowledgements of group {}: {open} events that it received count as \
                     unacknowledged",
                    group.name
                ),
                "the user must be allowed to publish to the reply subjects of what it receives (`$JS.ACK.>`), and an account \
                 that has the stream from another one must import them, too; or set `bus.ack = \"none\"`",
            )
        }))
    }

    fn observe(&mut self) -> Result<BusSample, BusError> {
        self.account()
    }

    fn teardown(&mut self) -> Result<(), BusError> {
        if let Some(mut mover) = self.mover.take() {
            mover.end();
        }
        if self.keep {
            return Ok(());
        }
        if let Some(attached) = &self.attached {
            return self.run(attach::teardown(&self.jetstream, &self.run, &attached.stream));
        }
        let done = self.run(provision::teardown(&self.jetstream, &self.run));
        self.remove_advisories().and(done)
    }
}
