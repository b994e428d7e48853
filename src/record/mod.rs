//! The record: the versioned account of one run, from which every report and verdict follows.
//!
//! `record.json` is an API: its shape is published as docs/schema/record.json, times are nanoseconds since the
//! run's epoch where a name ends in `_ns`, and counts are events. It holds no credentials and no wall-clock
//! times but the run's start and end.

mod figures;
mod journal;
mod timeline;

pub use figures::{
    Audit, Extents, Group, Hiccups, Latency, Limit, Load, LostRange, Machine, Offered, Process, Refusal,
    Resources, SymbolTrouble, Thread, TopicCount, Window,
};
pub use journal::{Line, Measured, Rows};
pub use timeline::{Brief, GroupRow, HEAT_PER_DECADE, Row, heat_bucket, heat_floor_ns};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::{Ns, Plan, choices};

/// The schema that this version writes.
pub const SCHEMA: &str = "tickgate.record/1";
/// Its family.
pub const SCHEMA_FAMILY: &str = "tickgate.record";
/// Its number.
pub const SCHEMA_VERSION: u32 = 1;

/// The account of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// `tickgate.record/1`.
    pub schema: String,
    /// Which run, when, and how it ended.
    pub run: Run,
    /// What was to be done, every default in it.
    pub plan: Plan,
    /// The machine.
    pub environment: Environment,
    /// The bus.
    pub broker: Broker,
    /// When each phase was.
    pub phases: Vec<Phase>,
    /// What happened to connections, brokers and the run, in time order.
    pub marks: Vec<Mark>,
    /// The publishing side.
    pub load: Load,
    /// The receiving side.
    pub groups: Vec<Group>,
    /// What was read back from the store; absent when the plan asked for no audit or it was not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// Exact per-window results, one for each `windows.` objective.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// One row a second.
    pub timeline: Vec<Row>,
    /// CPU, memory and store.
    pub resources: Resources,
    /// Was the harness fit to measure?
    pub health: Health,
    /// Number of the rules by which it was judged; 0 of a record that was made before they had numbers.
    #[serde(default)]
    pub rules: u32,
    /// What was asked and what came out.
    pub objectives: Vec<ObjectiveResult>,
    /// The worst of the objectives.
    pub verdict: Verdict,
}

impl Record {
    /// The text of `record.json`: indented, for people, but each row of the timeline is a line of its own, as
    /// indenting those would triple the file.
    ///
    /// # Errors
    /// None for a record that was built here; serialising is fallible by its type.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let rows: Vec<String> = self.timeline.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let text = serde_json::to_string_pretty(&Self { timeline: vec![], ..self.clone() })?;
        if rows.is_empty() {
            return Ok(text);
        }
        // No text of the record can look like this: within one, quotes are escaped.
        let rows = format!("\"timeline\": [\n    {}\n  ]", rows.join(",\n    "));
        Ok(text.replacen("\"timeline\": []", &rows, 1))
    }
}

/// Which run it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Unique id, also part of the names that the run used on the bus.
    pub id: String,
    /// Name of the profile.
    pub profile: String,
    /// Version of tickgate.
    pub tickgate: String,
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
    /// All phases were gone through.
    Completed,
    /// Somebody ended it early.
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
    /// Everything else that is known, by name: kernel, processor, file system…
    pub facts: BTreeMap<String, String>,
}

/// The bus of the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Broker {
    /// `nats`.
    pub kind: String,
    /// `local` (started by tickgate), `container` (the same in a container), `url` (somebody else's), `sim` (simulated).
    pub mode: String,
    /// Where, without credentials.
    pub address: String,
    /// Who has named a bus that tickgate did not start: `--broker`, `--context`, `$NATS_URL`…; absent of a server of tickgate's
    /// own, and of earlier records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_by: Option<String>,
    /// Product name.
    pub product: String,
    /// Version.
    pub version: String,
    /// What an acknowledgement means: `memory`, `page cache`, `fsync`, `replicated n/m, …`.
    pub durability: String,
    /// Settings that matter to the figures.
    pub settings: BTreeMap<String, String>,
}

/// One phase of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Phase {
    /// Which.
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
    /// Connect, provision, prove that every group is there.
    Provision,
    /// Load that is not measured.
    Warmup,
    /// Load that is measured.
    Measure,
    /// No load; what is under way arrives.
    Drain,
    /// Read the stream back.
    Audit,
}

impl PhaseName {
    /// The name, as people read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Warmup => "warm-up",
            Self::Measure => "measure",
            Self::Drain => "drain",
            Self::Audit => "audit",
        }
    }
}

/// Kind of the [`Mark`] of a broker of our own whose store is full: what the run missed then is not the bus's doing.
pub const STORE_FULL: &str = "store-full";

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    /// When.
    pub at_ns: Ns,
    /// What, in a word.
    pub kind: String,
    /// Where, and what was said.
    pub detail: String,
}

/// Was the harness fit to measure?
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// May latency and throughput be judged at all?
    pub valid: bool,
    /// Why not.
    pub reasons: Vec<Reason>,
    /// How late a thread woke that slept 1 ms, over the measure phase.
    pub hiccups: Hiccups,
    /// Bound of the clock error between the hosts that took part; 0 on one host.
    pub clock_error_ns: u64,
    /// The wall clock's movement against the monotonic one, in nanoseconds, over the run.
    pub wall_drift_ns: i64,
    /// Workers that died.
    pub dead_workers: Vec<String>,
    /// Who used the machine; absent where its kernel does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
}

/// Why a figure may not be judged, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// The rule, in a word: `rate-missed`, `send-lag`, `hiccups`, `overflow`, `worker-died`, `clock`…
    pub rule: String,
    /// What was seen.
    pub seen: String,
    /// What to do next.
    pub next: String,
}

/// One objective, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectiveResult {
    /// `trading-engine.latency.p99`.
    pub name: String,
    /// `< 100ms`.
    pub limit: String,
    /// What was observed, with its unit; absent where there was no data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<String>,
    /// The same as a bare number: nanoseconds, events/s, events, bytes, a share or cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_value: Option<f64>,
    /// The limit as a bare number in the same unit.
    pub limit_value: f64,
    /// Number of samples behind it.
    pub samples: u64,
    /// How far inside the limit: 0.25 is a quarter of the limit to spare, negative is beyond it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// The judgement.
    pub verdict: Verdict,
    /// Why, where it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do next, where it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The judgement on an objective or a run; the worst wins, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The objective holds.
    Pass,
    /// It cannot be told.
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
    /// The phase of that name, if the run got there.
    #[must_use]
    pub fn phase(&self, name: PhaseName) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.name == name)
    }

    /// Length of the measure phase as it really was, in seconds; 0 if the run never got there.
    #[must_use]
    pub fn measured_seconds(&self) -> f64 {
        self.phase(PhaseName::Measure)
            .map_or(0.0, |p| crate::num::f64_of(p.end_ns.saturating_sub(p.start_ns)) / 1e9)
    }
}
