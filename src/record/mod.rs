//! The record: the versioned account of one run, from which every report and verdict follows.
//!
//! `record.json` is an API: its schema is published as docs/schema/record.json, times are nanoseconds since the
//! run's epoch where a name ends in `_ns`, and counts are events. It holds no credentials, and no wall-clock
//! times except the run's start and end, and the starts of watched nodes.

mod dead_letters;
mod fault;
mod figures;
mod injected;
mod journal;
pub mod quota;
mod node;
mod replay;
mod power;
mod replica;
mod step;
mod takeover;
mod timeline;

pub use dead_letters::DeadLetters;
pub use fault::{
    Availability, Effect, Fault, Faults, Fine, GroupOutage, Injection, Led, NodeState, Outage, Recovered,
    ScopeFigures, StartedNode,
};
pub use figures::{
    Audit, Extents, Group, Hiccups, Latency, Limit, Load, LostRange, Machine, Offered, Process, Refusal,
    Resources, StoreBytes, SymbolTrouble, Thread, TopicCount, Window,
};
pub use injected::Recovery;
pub use journal::{Line, Measured, Rows, Undo};
pub use node::{JetStreamUse, Node, SYSTEM_ACCOUNT};
pub use power::{LostFiles, Power};
pub use replay::{Replay, ReplayEnd};
pub use replica::Replica;
pub use step::{Step, StepGroup};
pub use takeover::Takeover;
pub use timeline::{Brief, GroupRow, HEAT_PER_DECADE, Row, heat_bucket, heat_floor_ns};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::{Ns, Plan, Pushed, choices};

/// The schema that this version writes.
pub const SCHEMA: &str = "tickgate.record/1";
/// The schema's family.
pub const SCHEMA_FAMILY: &str = "tickgate.record";
/// The schema's number.
pub const SCHEMA_VERSION: u32 = 1;

/// The account of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// `tickgate.record/1`.
    pub schema: String,
    /// The run's identity, its times, and how it ended.
    pub run: Run,
    /// The plan, with every default filled in.
    pub plan: Plan,
    /// The machine.
    pub environment: Environment,
    /// The bus.
    pub broker: Broker,
    /// The times of each phase.
    pub phases: Vec<Phase>,
    /// Events of connections, brokers and the run, in time order.
    pub marks: Vec<Mark>,
    /// The publishing side.
    pub load: Load,
    /// The receiving side.
    pub groups: Vec<Group>,
    /// The result of reading the store back; absent when the plan asked for no audit or it was not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// Exact per-window results, one for each `windows.` objective.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// Each step of a load of steps, as far as the run came; absent for other loads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// The faults of the plan, and what they did to the bus; absent of a run without faults.
    #[serde(default, skip_serializing_if = "Faults::is_empty")]
    pub faults: Faults,
    /// The replays of the plan, in its order; absent of a run without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replays: Vec<Replay>,
    /// One row a second.
    pub timeline: Vec<Row>,
    /// CPU, memory and store.
    pub resources: Resources,
    /// Was the harness fit to measure?
    pub health: Health,
    /// Version of the rules by which it was judged; 0 for a record made before they had versions.
    #[serde(default)]
    pub rules: u32,
    /// The objectives and their results.
    pub objectives: Vec<ObjectiveResult>,
    /// The worst of the objectives' verdicts.
    pub verdict: Verdict,
}

impl Record {
    /// The text of `record.json`: indented for reading, but with each row of the timeline on one line, as
    /// indenting the rows would triple the file.
    ///
    /// # Errors
    /// None for a record that was built here; serialising is fallible by its type.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let rows: Vec<String> = self.timeline.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let text = serde_json::to_string_pretty(&Self { timeline: vec![], ..self.clone() })?;
        if rows.is_empty() {
            return Ok(text);
        }
        // The text cannot occur elsewhere in the record: quotes within strings are escaped.
        let rows = format!("\"timeline\": [\n    {}\n  ]", rows.join(",\n    "));
        Ok(text.replacen("\"timeline\": []", &rows, 1))
    }
}

/// The identity of a run, its times, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Unique id, also part of the names that the run used on the bus.
    pub id: String,
    /// Name of the profile.
    pub profile: String,
    /// Version of tickgate.
    pub tickgate: String,
    /// Commit that tickgate was built from, with `-dirty` after uncommitted changes; absent where the build did not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tickgate_commit: Option<String>,
    /// Tags from `--tag`, and commit, branch and job from the variables of a CI system.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The run's tag in event ids (12 bits).
    pub tag: u16,
    /// Start, RFC 3339, UTC.
    pub started: String,
    /// End, RFC 3339, UTC.
    pub ended: String,
    /// Wall time at the run's epoch, nanoseconds since 1970.
    pub epoch_unix_ns: u64,
    /// How it ended.
    pub end: End,
    /// Why, where it did not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// All phases were completed.
    Completed,
    /// The user ended it early.
    Interrupted,
    /// The broker or the environment failed.
    BrokerFailed,
    /// A part of tickgate failed.
    HarnessFailed,
    /// Rebuilt from the journal of a run that never wrote its record.
    Recovered,
}

choices! {
    End: Completed, Interrupted, BrokerFailed, HarnessFailed, Recovered;
}

/// The machine that tickgate ran on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Logical cores.
    pub cores: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Further facts by name: kernel, processor, file system…
    pub facts: BTreeMap<String, String>,
}

/// The bus of the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Broker {
    /// `nats`.
    pub kind: String,
    /// `local` (started by tickgate), `container` (started by tickgate in a container), `url` (running
    /// already), `sim` (simulated).
    pub mode: String,
    /// Address, without credentials.
    pub address: String,
    /// Who has named a bus that tickgate did not start: `--broker`, `--context`, `$NATS_URL`…; absent of a server of tickgate's
    /// own, and of earlier records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_by: Option<String>,
    /// Product name.
    pub product: String,
    /// Version; that at the start of a run that upgrades the nodes.
    pub version: String,
    /// Version at the end, where it is another one: of a run that upgrades the nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_after: Option<String>,
    /// What an acknowledgement means: `memory`, `page cache`, `fsync`, `replicated n/m, …`.
    pub durability: String,
    /// Settings that matter to the figures.
    pub settings: BTreeMap<String, String>,
    /// The nodes of a bus that tickgate did not start, where their monitoring endpoints or their system account were named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Node>,
    /// Leader of the run's stream at the end, where the broker reports one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_leader: Option<String>,
    /// How losses of power were emulated on its servers, if they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
    /// What the server made, where the run's stream or topics copy an existing one, or the run attaches to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Made>,
}

/// What a server made of the configuration of an existing stream or topic, in the words of its API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Made {
    /// Whose configuration it is a copy of: a stream, a topic, or files.
    pub of: String,
    /// The run's stream; empty on Kafka.
    pub stream: serde_json::Map<String, serde_json::Value>,
    /// Settings and sizes of each topic of the run; empty on NATS.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub topic: serde_json::Map<String, serde_json::Value>,
    /// The consumers of its groups.
    pub consumers: Vec<serde_json::Map<String, serde_json::Value>>,
    /// What of the model was not copied, and why.
    pub not_copied: Vec<String>,
    /// What was copied, and made otherwise by the server.
    pub differences: Vec<String>,
}

impl Broker {
    /// Its version; `2.14.6 → 2.15.1` if the run has upgraded it.
    #[must_use]
    pub fn versions(&self) -> String {
        match &self.version_after {
            Some(after) => format!("{} → {after}", self.version),
            None => self.version.clone(),
        }
    }

    /// The run's consumers that the broker pushes to. Those of a stream that is like no other are pulled from.
    #[must_use]
    pub fn pushed(&self) -> Pushed {
        let consumers = self.made.iter().flat_map(|made| &made.consumers);
        let subject = |consumer: &serde_json::Map<_, _>| consumer.get("deliver_subject").cloned();
        let pushed = consumers.clone().filter_map(subject).filter(|subject: &serde_json::Value| {
            subject.as_str().is_some_and(|subject| !subject.is_empty())
        });
        Pushed { consumers: pushed.count(), of: consumers.count() }
    }
}

impl Made {
    /// What the user should know before the load.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let line = |what: &str, all: &[String]| {
            (!all.is_empty()).then(|| format!("{what} {}: {}", self.of, all.join("; ")))
        };
        [line("not copied from", &self.not_copied), line("different from", &self.differences)]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// One phase of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Phase {
    /// Its name.
    pub name: PhaseName,
    /// Start.
    pub start_ns: Ns,
    /// End.
    pub end_ns: Ns,
}

/// The phases, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseName {
    /// Connect, provision, prove that every group receives.
    Provision,
    /// Load that is not measured.
    Warmup,
    /// Load that is measured.
    Measure,
    /// No load; events in flight arrive.
    Drain,
    /// Read events again, and compare them with what was published.
    Replay,
    /// Read the stream back.
    Audit,
}

impl PhaseName {
    /// The name, for display.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Warmup => "warm-up",
            Self::Measure => "measure",
            Self::Drain => "drain",
            Self::Replay => "replay",
            Self::Audit => "audit",
        }
    }
}

/// Kind of the [`Mark`] for a full store of a broker that tickgate started: faults after it are not ascribed to
/// the bus.
pub const STORE_FULL: &str = "store-full";

/// Kind of the [`Mark`] of a store that was not read back, since events are removed from it by its own rules.
pub const UNAUDITED: &str = "unaudited";

/// Kind of the [`Mark`] of what the broker refused a connection for good, in its own words.
pub const DENIED: &str = "denied";

/// Kind of the [`Mark`] of why the audit did not read the whole store.
pub const AUDIT_FAILED: &str = "audit-failed";

/// Kind of the [`Mark`] of a copy of the store that the audit did not read to its end.
pub const REPLICA_UNREAD: &str = "replica-unread";

/// Kind of the [`Mark`] of a node of tickgate's own cluster that ended by itself while a majority was left.
pub const NODE_DIED: &str = "node-died";

/// Kind of the [`Mark`] of a store that has gone altogether after a loss of power, the run's stream and all.
pub const STORE_GONE: &str = "store-gone";

/// Kind of the [`Mark`] of an error that the broker sent beside the data and that ended a connection or a request.
pub const SERVER_ERROR: &str = "server-error";

/// Kind of the [`Mark`] of a run whose load or drain was ended early, since it could not pass any more; its detail says why.
pub const CURTAILED: &str = "curtailed";

/// Something that happened during the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    /// Its time.
    pub at_ns: Ns,
    /// Its kind, in a word.
    pub kind: String,
    /// Where it happened, and the message.
    pub detail: String,
}

/// Was the harness fit to measure?
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// May latency and throughput be judged at all?
    pub valid: bool,
    /// Why not.
    pub reasons: Vec<Reason>,
    /// How late a thread that slept 1 ms woke, over the measure phase.
    pub hiccups: Hiccups,
    /// Bound of the clock error between the hosts of the run; 0 on one host.
    pub clock_error_ns: u64,
    /// The wall clock's movement against the monotonic one, in nanoseconds, over the run.
    pub wall_drift_ns: i64,
    /// Workers that died.
    pub dead_workers: Vec<String>,
    /// Who used the machine; absent where its kernel does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
}

/// Why a figure may not be judged, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// The rule's name: `rate-missed`, `send-lag`, `hiccups`, `overflow`, `worker-died`, `clock`…
    pub rule: String,
    /// The observation.
    pub seen: String,
    /// The next step.
    pub next: String,
}

/// One objective, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectiveResult {
    /// `trading-engine.latency.p99`.
    pub name: String,
    /// `< 100ms`.
    pub limit: String,
    /// What a limit relative to the load means: `99.9 % of 10,000/s = 9,990/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub means: Option<String>,
    /// The observation with its unit; absent where there was no data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<String>,
    /// The observation as a plain number: nanoseconds, events/s, events, bytes, a share or cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_value: Option<f64>,
    /// The limit as a plain number in the same unit.
    pub limit_value: f64,
    /// Number of samples.
    pub samples: u64,
    /// How far inside the limit: 0.25 is a quarter of the limit to spare, negative is beyond it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// The judgement.
    pub verdict: Verdict,
    /// Why, where it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The next step, where it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The judgement on an objective or a run; the worst wins, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The objective holds.
    Pass,
    /// Whether it holds cannot be determined.
    Inconclusive,
    /// It does not hold.
    Fail,
}

impl Verdict {
    /// The word, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
        }
    }
}

impl Record {
    /// The phase with that name, if the run reached it.
    #[must_use]
    pub fn phase(&self, name: PhaseName) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.name == name)
    }

    /// Actual length of the measure phase, in seconds; 0 if the run never reached it.
    #[must_use]
    pub fn measured_seconds(&self) -> f64 {
        self.phase(PhaseName::Measure)
            .map_or(0.0, |p| crate::num::f64_of(p.end_ns.saturating_sub(p.start_ns)) / 1e9)
    }
}
