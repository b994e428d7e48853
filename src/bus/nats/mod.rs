//! NATS `JetStream`: one stream for a run, one durable (or one a member) for each group, and connections whose
//! threads do nothing but move bytes.

mod audit;
mod batch;
mod clean;
mod conn;
mod dial;
mod frames;
mod link;
mod member;
mod preflight;
mod provision;
mod publisher;
mod sending;
mod subjects;
mod target;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::{self, Context};
use tokio::runtime::Runtime;

pub use clean::NatsCleaner;
pub use member::NatsMember;
pub use publisher::NatsPublisher;
pub use target::{Access, Auth, Secret, Target, TlsFiles};

use self::audit::Audit;
use self::conn::Conn;
use self::dial::Dialer;
use self::member::{Pull, Source};
use self::subjects::Layout;
use self::target::environment;
use crate::bus::marks::Marks;
use crate::bus::{Bus, BusError, BusFacts, BusSample, Delivery, Mark};
use crate::host::clock::Clock;
use crate::num;
use crate::plan::{self, Plan};
use crate::topology::Naming;

/// How long [`Bus::observe`] may take.
const OBSERVE: Duration = Duration::from_secs(2);
/// The control side takes single answers only.
const CONTROL_QUEUE: usize = 16 * 1024;

/// What a run tells its driver besides where the server is.
#[derive(Debug, Clone)]
pub struct Setup<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// Names streams and consumers; other characters than letters, digits, `-` and `_` become `-`.
    pub run_id: &'a str,
    /// Under whose subjects the events go.
    pub naming: Naming,
    /// Names of the symbols, by index.
    pub symbols: &'a [String],
    /// The run's clock.
    pub clock: Clock,
    /// Bytes that the plan will store, for the check against the free store.
    pub volume_bytes: u64,
    /// The server forces every write to the disk: known of a server that we started, else `None`.
    pub sync_always: Option<bool>,
    /// Leave stream and consumers in place at the end.
    pub keep: bool,
}

/// The control side of a run on NATS.
pub struct NatsBus {
    control: Client,
    jetstream: Context,
    dialer: Arc<Dialer>,
    plan: Plan,
    run: String,
    api: String,
    symbols: Arc<[String]>,
    layout: Arc<Layout>,
    clock: Clock,
    marks: Marks,
    facts: BusFacts,
    keep: bool,
    // Last, so that the connection's parts end first.
    runtime: Runtime,
}

impl NatsBus {
    /// Connects and checks server and account against the plan; makes and changes nothing.
    ///
    /// # Errors
    /// When the server cannot be reached, or cannot do what the plan asks for.
    pub fn connect(target: Target, setup: &Setup<'_>) -> Result<Self, BusError> {
        let plan = setup.plan.clone();
        let layout = Layout::new(&plan, setup.naming, setup.run_id, setup.symbols)?;
        let durables = (0..plan.groups.len()).map(|group| u64::from(layout.durables(group))).sum();
        let marks = Marks::new(setup.clock);
        let runtime = runtime()?;
        let domain = target.domain.clone();
        let (control, jetstream) = runtime.block_on(async {
            let control = link::connect(&target, marks.of("control".to_owned()), CONTROL_QUEUE).await?;
            let builder = jetstream::context::ContextBuilder::new().timeout(link::PATIENCE);
            let jetstream = match &domain {
                Some(domain) => builder.domain(domain).build(control.clone()),
                None => builder.build(control.clone()),
            };
            let server = control.server_info();
            preflight::check(&jetstream, &server, &plan, durables, setup.volume_bytes).await?;
            Ok::<_, BusError>((control, jetstream))
        })?;
        let facts =
            preflight::facts(&control.server_info(), &target, &layout.all(), &plan, setup.sync_always);
        Ok(Self {
            control,
            jetstream,
            api: domain.map_or_else(|| "$JS.API".to_owned(), |domain| format!("$JS.{domain}.API")),
            dialer: Arc::new(Dialer::new(target)?),
            plan,
            run: setup.run_id.to_owned(),
            symbols: setup.symbols.into(),
            layout: Arc::new(layout),
            clock: setup.clock,
            marks,
            facts,
            keep: setup.keep,
            runtime,
        })
    }

    /// The name of the run's stream.
    #[must_use]
    pub fn stream(&self) -> String {
        provision::stream_name(&self.run)
    }

    /// Messages that are asked for at once: so many, or as many as have the bytes that the plan allows.
    fn at_once(&self, messages: u32) -> u32 {
        let fitting = self.plan.bus.fitting(self.plan.market.largest_event());
        num::low32(fitting.min(u64::from(messages))).max(1)
    }

    fn consumer(&self, group: usize, durable: u32) -> String {
        provision::consumer_name(&self.run, &self.plan, &self.layout, group, durable)
    }

    /// Connects to a consumer.
    fn pull(&self, name: &str, source: Source) -> Result<Pull, BusError> {
        let (notes, inbox) = (self.marks.of(name.to_owned()), self.control.new_inbox());
        let conn = Conn::open(Arc::clone(&self.dialer), notes, self.clock, &inbox)?;
        Ok(Pull::new(conn, self.clock, inbox, source))
    }

    /// Runs a piece of work of the control side. Its event loop stands still between two of them, so it looks at
    /// the socket first: a request written to a connection that has ended meanwhile would be lost.
    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(async {
            tokio::task::yield_now().await;
            work.await
        })
    }

    async fn sample(&self) -> Result<BusSample, String> {
        let stream = self.jetstream.get_stream(self.stream()).await.map_err(|error| error.to_string())?;
        let state = &stream.cached_info().state;
        let groups = self.plan.groups.len();
        let mut sample = BusSample {
            stored_events: state.messages,
            stored_bytes: Some(state.bytes),
            pending: vec![0; groups],
            ack_pending: vec![0; groups],
            owed: Vec::new(),
            leader: stream.cached_info().cluster.as_ref().and_then(|cluster| cluster.leader.clone()),
        };
        for (group, (pending, ack_pending)) in
            sample.pending.iter_mut().zip(&mut sample.ack_pending).enumerate()
        {
            for durable in 0..self.layout.durables(group) {
                let info = stream.consumer_info(self.consumer(group, durable)).await;
                let info = info.map_err(|error| error.to_string())?;
                *pending += info.num_pending;
                *ack_pending += num::count(info.num_ack_pending);
            }
        }
        // What is not acknowledged is delivered again after `ack_wait`.
        sample.owed = sample.pending.iter().zip(&sample.ack_pending).map(|(a, b)| a + b).collect();
        Ok(sample)
    }
}

/// An event loop for the thread that calls it.
///
/// # Errors
/// When the system has no more file descriptors.
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

    fn provision(&mut self) -> Result<(), BusError> {
        let provision = provision::provision(&self.jetstream, &self.run, &self.plan, &self.layout, &self.api);
        self.run(provision)
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
        let Some(described) = self.plan.groups.get(group) else {
            return Err(environment(&format!("the plan has no group number {group}"), "report this"));
        };
        let durable = if self.layout.durables(group) > 1 { member } else { 0 };
        let source = Source {
            api: self.api.clone(),
            stream: self.stream(),
            consumer: self.consumer(group, durable),
            batch: self.at_once(self.plan.bus.nats.pull_batch),
            pinned: described.delivery == plan::Delivery::Pinned,
        };
        let name = format!("member {member} of {}", described.name);
        let pull = self.pull(&name, source)?;
        Ok(NatsMember::new(pull, &self.plan.bus, self.layout.clone(), self.clock))
    }

    fn audit(&mut self, deadline: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<bool, BusError> {
        let audit = Audit {
            runtime: &self.runtime,
            jetstream: &self.jetstream,
            run: &self.run,
            stream: self.stream(),
            api: self.api.clone(),
            layout: &self.layout,
            clock: self.clock,
            batch: self.at_once(audit::BATCH),
        };
        let deadline = u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX);
        audit.read(|source| self.pull("audit", source), self.clock.now().saturating_add(deadline), sink)
    }

    fn marks(&mut self, into: &mut Vec<Mark>) {
        self.marks.take(into);
    }

    fn observe(&mut self) -> Result<BusSample, BusError> {
        let sample = async { tokio::time::timeout(OBSERVE, self.sample()).await };
        let why = match self.run(sample) {
            Ok(Ok(sample)) => return Ok(sample),
            Ok(Err(why)) => why,
            Err(_) => format!("no answer within {OBSERVE:?}"),
        };
        Err(environment(&format!("cannot observe stream {}: {why}", self.stream()), "see the server's log"))
    }

    fn teardown(&mut self) -> Result<(), BusError> {
        if self.keep {
            return Ok(());
        }
        self.run(provision::teardown(&self.jetstream, &self.run))
    }
}
