//! The figures of a record: distributions, the ledgers of publishing and receiving, resources.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure;
use crate::num;
use crate::plan::{Delivery, Ns};
use crate::record::Replica;

/// A time distribution over the measure phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Samples, negative and overflowed ones included.
    pub count: u64,
    /// Smallest.
    pub min_ns: i64,
    /// Arithmetic mean.
    pub mean_ns: f64,
    /// Median.
    pub p50_ns: u64,
    /// 90 %.
    pub p90_ns: u64,
    /// 99 %.
    pub p99_ns: u64,
    /// 99.9 %.
    pub p99_9_ns: u64,
    /// 99.99 %.
    pub p99_99_ns: u64,
    /// Largest.
    pub max_ns: i64,
    /// Samples below zero (clock error); as 0 in the histogram.
    pub negative: u64,
    /// Samples above the histogram's range of 1 h; not in it.
    pub overflow: u64,
    /// Exact counters, one for each limit that an objective sets.
    pub over_limit: Vec<Limit>,
    /// V2 compressed `HdrHistogram` in base64, nanoseconds, 3 significant digits.
    pub histogram: String,
}

/// Exact counters around a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limit {
    /// The limit.
    pub limit_ns: u64,
    /// Samples above it.
    pub above: u64,
    /// Samples equal to it.
    pub equal: u64,
    /// Of both, those that are beyond the limit by no more than the harness's lateness and the machine's
    /// pauses.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub explained: u64,
    /// Of the explained ones, those in seconds in which others used 10 % of the usable cores or more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub disturbed: u64,
    /// Of the explained ones, those in seconds in which only tickgate and the broker used up the machine.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub saturated: u64,
    /// Of those that are not explained, those in seconds in which others left nothing of the machine.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub contended: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl From<&measure::Latency> for Latency {
    fn from(measured: &measure::Latency) -> Self {
        let over_limit = measured.limits().iter().map(|limit| Limit {
            limit_ns: limit.ns,
            above: limit.tally.above,
            equal: limit.tally.equal,
            ..Limit::default()
        });
        let over_limit = over_limit.collect();
        let Some(summary) = measured.summary() else { return Self { over_limit, ..Self::default() } };
        Self {
            count: summary.count,
            min_ns: summary.min_ns,
            mean_ns: summary.mean_ns,
            p50_ns: summary.p50_ns,
            p90_ns: summary.p90_ns,
            p99_ns: summary.p99_ns,
            p99_9_ns: summary.p99_9_ns,
            p99_99_ns: summary.p99_99_ns,
            max_ns: summary.max_ns,
            negative: summary.negative,
            overflow: summary.overflow,
            over_limit,
            // Encoding to memory does not fail; if it did, the histogram would be empty.
            histogram: measured.to_base64_v2().unwrap_or_default(),
        }
    }
}

/// The publishing side, over the whole run from the first warm-up event on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Load {
    /// Slots of the schedule up to its end, or to the interruption.
    pub intended: u64,
    /// Handed to the client.
    pub sent: u64,
    /// Confirmed by the broker.
    pub acked: u64,
    /// Of these, ids that the broker already knew.
    pub acked_duplicate: u64,
    /// Refused by the broker, or accepted by the client and never sent (`not-sent`): known not to be stored.
    pub refused: u64,
    /// Refused by the client.
    pub unsent: u64,
    /// Of these, those for reasons other than the bus: the generator fell behind, or the client cannot send
    /// such an event.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unsent_own: u64,
    /// Sent, but not answered.
    pub unconfirmed: u64,
    /// Of these, sent on a connection that ended before the answer came.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unconfirmed_disconnected: u64,
    /// Copies sent beyond the first of each event, where the plan sends events again and tickgate counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resent: Option<u64>,
    /// Events that were not confirmed within the time for which they were sent again; counted as refused or unconfirmed, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gave_up: Option<u64>,
    /// Sent and not answered yet when the run was cut short, in a record recovered from its journal.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub open: u64,
    /// Refusals by their reason.
    pub refusals: Vec<Refusal>,
    /// Events of the measure phase: intended.
    pub measured_intended: u64,
    /// Events of the measure phase: handed to the client.
    pub measured_sent: u64,
    /// Events of the measure phase: confirmed.
    pub measured_acked: u64,
    /// Events of the measure phase: unsent for reasons other than the bus.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub measured_unsent_own: u64,
    /// The step, burst or phase with the smallest share offered before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_offered: Option<Offered>,
    /// Share of the measure phase in which as many events were in flight as `bus.window` allows, of the generator with most;
    /// absent in a record of an earlier version, and where the driver does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_full: Option<f64>,
    /// Events/s of the schedule over the measure phase.
    pub offered_rate: f64,
    /// Events/s handed to the client over the measure phase.
    pub sent_rate: f64,
    /// Events/s of the measure phase that were confirmed.
    pub acked_rate: f64,
    /// How long after its intended time the last slot of the measure phase was fired.
    pub finished_late_ns: u64,
    /// sent − intended.
    pub send_lag: Latency,
    /// acked − intended.
    pub ack: Latency,
    /// acked − sent.
    pub service: Latency,
    /// Bytes of encoded events handed to the client.
    pub bytes: u64,
    /// Events by topic, over the whole run.
    pub by_topic: Vec<TopicCount>,
}

/// How much of a part of the load was offered while that part lasted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Offered {
    /// `the measure phase`, `step 2 of 5` or `burst 3 of 12`.
    pub part: String,
    /// Events that were due in it.
    pub due: u64,
    /// Of these, those fired before its end.
    pub offered: u64,
    /// Of these, those fired by a nineteenth of its length later: if all were, the rate reached 95 % of the
    /// planned one.
    pub soon_after: u64,
}

impl Load {
    /// The reason of events that never left the client.
    pub const NOT_SENT: &str = "not-sent";
    /// The reason of events that the client refused as larger than the broker allows; they are unsent, not refused.
    pub const TOO_LARGE: &str = "too-large";

    /// Refused events that never left the client.
    #[must_use]
    pub fn not_sent(&self) -> u64 {
        let never = self.refusals.iter().filter(|refusal| refusal.reason == Self::NOT_SENT);
        num::sum(never.map(|refusal| refusal.count))
    }

    /// Why events were refused, the most frequent reason first: `990 × maximum messages exceeded (10077), 10 × …`; `None`
    /// where none was, or no reason is known.
    #[must_use]
    pub fn why_refused(&self) -> Option<String> {
        let mut reasons: Vec<&Refusal> = self
            .refusals
            .iter()
            .filter(|refusal| refusal.reason != Self::TOO_LARGE && refusal.count > 0)
            .collect();
        reasons.sort_by_key(|refusal| std::cmp::Reverse(refusal.count));
        let said = |refusal: &&Refusal| format!("{} × {}", num::show::count(refusal.count), refusal.words());
        (!reasons.is_empty()).then(|| reasons.iter().map(said).collect::<Vec<_>>().join(", "))
    }

    /// Of the unsent events, those that are larger than the broker allows.
    #[must_use]
    pub fn too_large(&self) -> u64 {
        let large = self.refusals.iter().filter(|refusal| refusal.reason == Self::TOO_LARGE);
        num::sum(large.map(|refusal| refusal.count))
    }

    /// The most frequent reason for which the broker refused events.
    #[must_use]
    pub fn refused_most(&self) -> Option<&Refusal> {
        let by_broker = |refusal: &&Refusal| refusal.reason != Self::TOO_LARGE && refusal.count > 0;
        self.refusals.iter().filter(by_broker).max_by_key(|refusal| refusal.count)
    }
}

/// A reason of refusals, and their number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// `no-responders`, `overload`, `not-sent` or `api-10077`.
    pub reason: String,
    /// The broker's own words, where it had some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// Number of refusals.
    pub count: u64,
}

impl Refusal {
    /// The reason, as people read it.
    #[must_use]
    pub fn words(&self) -> String {
        match (self.reason.strip_prefix("api-"), &self.said, self.reason.as_str()) {
            (Some(code), Some(said), _) => format!("{said} ({code})"),
            (Some(code), None, _) => format!("error {code}"),
            (None, Some(said), _) => said.clone(),
            (None, None, "no-responders") => "nobody listened (no responders)".to_owned(),
            (None, None, "overload") => "the broker's queue was full".to_owned(),
            (None, None, Load::NOT_SENT) => "never left the client".to_owned(),
            (None, None, Load::TOO_LARGE) => "larger than the broker allows".to_owned(),
            (None, None, reason) => reason.to_owned(),
        }
    }
}

/// Events of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TopicCount {
    /// The topic, without prefix.
    pub topic: String,
    /// Events.
    pub count: u64,
}

/// The receiving side of one group, over the whole run from the first warm-up event on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its members.
    pub members: u32,
    /// How the members share the events.
    pub delivery: Delivery,
    /// Topics that it receives.
    pub topics: Vec<String>,
    /// Confirmed events on its topics.
    pub expected: u64,
    /// Distinct events delivered.
    pub delivered: u64,
    /// Confirmed, never delivered, and not expected any more.
    pub lost: u64,
    /// Confirmed, not delivered when the drain ended, and still to come by the broker's account of the group.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pending: u64,
    /// Of the lost events, those not in the stream.
    pub lost_not_stored: u64,
    /// Of the lost events, those in the stream.
    pub lost_not_delivered: u64,
    /// Unconfirmed, but delivered.
    pub recovered: u64,
    /// Delivered, though refused by the broker or the client, or never published: an error of the bus or the
    /// harness.
    pub unexpected: u64,
    /// Deliveries of the same position again.
    pub redelivered: u64,
    /// Deliveries of the same event at another position.
    pub duplicate: u64,
    /// First deliveries below the highest delivered sequence of their symbol.
    pub reordered: u64,
    /// How far events were out of order.
    pub extents: Extents,
    /// Deliveries whose content does not match the checksum.
    pub corrupt: u64,
    /// Deliveries of events not of this run.
    pub foreign: u64,
    /// Deliveries re-serialised on the way, so that the checksum could not be compared.
    pub unverified: u64,
    /// Events of the measure phase on its topics, by the schedule.
    pub measured_intended: u64,
    /// Of these, those unsent for reasons other than the bus.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub measured_unsent_own: u64,
    /// Of these, delivered by the end of the phase plus the tightest latency limit.
    pub measured_in_time: u64,
    /// When the first event of the load was received, in nanoseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_received_ns: Option<u64>,
    /// When the last event of the load was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_received_ns: Option<u64>,
    /// Highest number of confirmed events that were not delivered yet, at any moment.
    pub backlog_max: u64,
    /// received − intended, of first deliveries.
    pub latency: Latency,
    /// Ranges of lost events, up to a bound.
    pub lost_ranges: Vec<LostRange>,
    /// Number of ranges beyond that bound.
    pub lost_ranges_left_out: u64,
    /// The symbols with the most faults, up to a bound.
    pub troubled_symbols: Vec<SymbolTrouble>,
    /// First deliveries by topic.
    pub by_topic: Vec<TopicCount>,
}

/// How far events were out of order (RFC 4737).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Extents {
    /// Largest reordering extent, in arrivals of the symbol.
    pub max: u64,
    /// Largest late time.
    pub late_max_ns: u64,
    /// Number of events with an extent in [2^i, 2^(i+1)).
    pub by_power_of_two: Vec<u64>,
}

/// Consecutive lost events of one symbol on one topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LostRange {
    /// Topic.
    pub topic: String,
    /// Symbol.
    pub symbol: String,
    /// First lost sequence.
    pub first: u32,
    /// Last lost sequence.
    pub last: u32,
    /// Does the stream hold them? Absent without an audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<bool>,
}

/// The faults of a symbol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SymbolTrouble {
    /// Topic.
    pub topic: String,
    /// Symbol.
    pub symbol: String,
    /// Lost events.
    pub lost: u64,
    /// Events stored twice.
    pub duplicate: u64,
    /// Reordered events.
    pub reordered: u64,
}

/// The result of reading the store back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// Was the stream read to its end?
    pub complete: bool,
    /// Events read.
    pub read: u64,
    /// Confirmed events.
    pub acked: u64,
    /// Of these, stored exactly once.
    pub stored_once: u64,
    /// Of these, stored exactly once and in order.
    #[serde(default)]
    pub replayed: u64,
    /// Of the confirmed events, not stored.
    pub missing: u64,
    /// Positions that the stream has discarded at its limit, from its first on: `bus.nats.discard = "old"`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub discarded: u64,
    /// Stored more than once: extra copies.
    pub stored_twice: u64,
    /// Stored out of order.
    pub out_of_order: u64,
    /// Stored, though not confirmed.
    pub unconfirmed_stored: u64,
    /// Not of this run.
    pub foreign: u64,
    /// Content does not match its checksum.
    pub corrupt: u64,
    /// Duration of the audit.
    pub took_ns: Ns,
    /// The copies of the store, where several servers keep one each: what is counted above is of all that were read together.
    /// Empty for a single log, and in a record of an earlier version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<Replica>,
    /// Positions at which the copies that were read differ: one holds an event that another lacks, or holds otherwise. Absent
    /// for a single log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverged: Option<u64>,
}

/// The exact result of one `windows.` objective.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// The objective's name.
    pub name: String,
    /// Windows that meet the limit.
    pub met: u64,
    /// Windows in which events were due.
    pub total: u64,
    /// Windows that do not meet it, but would without the lateness and pauses of the harness.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unsure: u64,
    /// Of these, those that meet it in seconds in which only tickgate and the broker used up the machine.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub saturated: u64,
    /// Windows that do not meet it even without lateness and pauses, in seconds in which others left nothing of
    /// the machine.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub contended: u64,
    /// Samples in all of them.
    pub samples: u64,
}

/// How late a thread that slept 1 ms woke.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hiccups {
    /// Wake-ups.
    pub count: u64,
    /// Median lateness.
    pub p50_ns: u64,
    /// 99 %.
    pub p99_ns: u64,
    /// 99.9 %.
    pub p99_9_ns: u64,
    /// Largest.
    pub max_ns: u64,
}

/// CPU, memory and store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// tickgate itself.
    pub harness: Process,
    /// Each broker process whose figures are available, by name.
    pub brokers: BTreeMap<String, Process>,
    /// Bytes in the run's stream at the end of the drain; [`Self::store_bytes_are`] says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_bytes: Option<u64>,
    /// What `store_bytes` counts; absent in a record of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_bytes_are: Option<StoreBytes>,
    /// Bytes that the run's events take on disk at the end of the drain, all copies; absent where the disk cannot be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// Events in the run's stream at the end of the drain, by the broker's account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_events: Option<u64>,
    /// Share of the measure phase in which the disk of the broker's store was busy, by any process; absent where it is not a
    /// disk of this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_busy: Option<f64>,
    /// Share of the memory of this machine, or of its control group, that tickgate and the broker used at their peak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used: Option<f64>,
}

/// What a figure of stored bytes counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StoreBytes {
    /// The bytes of the events as the broker accounts for them: one copy, before compression.
    Logical,
    /// Bytes on disk, all copies.
    OnDisk,
}

impl StoreBytes {
    /// The words behind a figure.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Logical => "logical bytes",
            Self::OnDisk => "on disk, all copies",
        }
    }
}

impl Resources {
    /// Notes the size of the store: by the broker's account, and on its disk.
    pub fn note_store(&mut self, logical: Option<u64>, on_disk: Option<u64>) {
        self.store_bytes = logical.or(on_disk);
        self.store_bytes_are =
            logical.map(|_| StoreBytes::Logical).or_else(|| on_disk.map(|_| StoreBytes::OnDisk));
        self.disk_bytes = on_disk;
    }

    /// Bytes that the events take, on disk where that can be seen, and what the figure counts where the record says so.
    #[must_use]
    pub fn stored(&self) -> Option<(u64, Option<StoreBytes>)> {
        let on_disk = self.disk_bytes.map(|bytes| (bytes, Some(StoreBytes::OnDisk)));
        on_disk.or_else(|| Some((self.store_bytes?, self.store_bytes_are)))
    }
}

/// CPU and memory of one process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    /// CPU seconds over the measure phase, user and system; 0 where [`Self::cpu_unknown`].
    pub cpu_seconds: f64,
    /// The same in cores.
    pub cpu_cores: f64,
    /// Largest resident memory seen over the run.
    pub peak_memory_bytes: u64,
    /// Was CPU time not read at both ends of the measure phase, so that it is unknown?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cpu_unknown: bool,
}

/// Who used the machine over the measure phase, in cores.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Cores that tickgate may use: those of its affinity, or fewer by a quota.
    pub usable_cores: f64,
    /// In use, by any process.
    pub busy_cores: f64,
    /// Taken by the hypervisor for other machines.
    pub stolen_cores: f64,
    /// Used by neither tickgate nor the broker, stolen ones included; absent where a broker on this machine
    /// cannot be distinguished from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others_cores: Option<f64>,
    /// Does a broker run on this machine, so that load on the machine slows it, too?
    pub broker_here: bool,
    /// Share of the time in which some thread waited for a core (pressure stall information); absent where the
    /// kernel does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pressure: Option<f64>,
    /// How long the quota of a control group held tickgate's threads back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub throttled_ns: u64,
    /// tickgate's busiest thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busiest_thread: Option<Thread>,
}

/// A thread of tickgate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Thread {
    /// Its name.
    pub name: String,
    /// CPU time over the measure phase, in cores.
    pub cores: f64,
}
