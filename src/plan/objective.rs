//! Objectives: one SLO line of a profile each, as a metric, a comparison and a limit.
//!
//! Grammar of a line, `NAME = "OP VALUE [in SHARE]"`:
//!
//! ```text
//! NAME   = [part "."] [group "."] ["windows."] metric      trading-engine.windows.latency.p99
//!        | "replay." replay "." ("equal" | "rate" | "drift")
//! part   = "before" | "during" | "recovery" | "after" | "fault." fault      after.trading-engine.latency.p99
//! OP     = "<" | "<=" | "==" | ">=" | ">"
//! VALUE  = a duration, rate, size, count, share or number of cores, by the metric's kind
//!          or, for a throughput, SHARE "of offered": a share of the planned rate
//! SHARE  = a percentage; after `in` only with `windows.`, which takes end-to-end latency; 100 % where it is left out
//! ```
//!
//! The types are here, [`super::grammar`] parses them, `verdict` judges them.

use std::fmt;

use super::fault::When;
use super::units::{Rate, Size, Span};

/// One SLO line.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// The measured figure.
    pub scope: Scope,
    /// The figure.
    pub metric: Metric,
    /// How it is compared.
    pub op: Op,
    /// With what.
    pub limit: Value,
    /// For `windows.`: the share of windows that must meet the limit, 0 to 1.
    pub share: f64,
}

/// What an objective looks at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// One group; all groups together where it is `None`.
    pub group: Option<String>,
    /// The part of the measure phase, by the faults in it.
    pub when: When,
    /// Each 1 s window of intended time separately, instead of the whole measure phase.
    pub windows: bool,
    /// The replay that a figure of replays is about.
    pub replay: Option<String>,
}

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    /// A statistic of a time distribution.
    Time(Timing, Stat),
    /// Events per second of the measure phase.
    Throughput(Throughput),
    /// A count of the ledger.
    Count(Outcome),
    /// A figure of the machine.
    Resource(Resource),
    /// How long the bus was unavailable.
    Unavailable(Unavailable),
    /// How long the bus took to be normal again after a fault.
    Recovery(Recovery),
    /// A figure of a replay.
    Replay(ReplayFigure),
}

/// The four times of an event, as differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timing {
    /// received − intended.
    Latency,
    /// acked − intended.
    Ack,
    /// acked − sent.
    Service,
    /// sent − intended.
    SendLag,
}

/// A statistic of a distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stat {
    /// Smallest.
    Min,
    /// Arithmetic mean.
    Mean,
    /// Largest.
    Max,
    /// The quantile, 0 < q < 1.
    Quantile(f64),
}

/// Events per second of the measure phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Throughput {
    /// As the schedule has it.
    Offered,
    /// Handed to the client.
    Sent,
    /// Confirmed by the broker.
    Acked,
    /// Delivered in time: by the end of the phase plus the tightest latency limit.
    Delivered,
}

/// A count of the ledger, over the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Acked, and never delivered.
    Lost,
    /// Acked, and not in the stream.
    NotStored,
    /// In the stream, and never delivered.
    NotDelivered,
    /// Unconfirmed, but delivered.
    Recovered,
    /// The same position again.
    Redelivered,
    /// Stored twice.
    Duplicate,
    /// Below the highest delivered sequence of its symbol.
    Reordered,
    /// Ours, with another content.
    Corrupt,
    /// Not of this run.
    Foreign,
    /// Refused by the broker.
    Refused,
    /// Refused by the client.
    Unsent,
    /// Without an answer.
    Unconfirmed,
    /// Not confirmed within the time for which it was sent again.
    GaveUp,
    /// Copies beyond the first of each event.
    Resent,
    /// Share of the acked events that the audit read back from the start, exactly once and in order.
    Replayed,
    /// Highest backlog of a group: confirmed and not yet delivered.
    Backlog,
    /// Largest reordering extent.
    Extent,
    /// Stored after an event of its symbol with a higher sequence.
    StoredLate,
    /// Positions at which the copies of the store differ.
    Diverged,
    /// Poison events of a group without a dead letter in the store.
    DeadLetterMissing,
    /// Dead letters beyond the first of an event that a group has given up.
    DeadLetterDuplicate,
    /// Dead letters of events that were not poison for the group.
    DeadLetterUnexpected,
    /// Events that members left open when they crashed, and that did not come to their groups again.
    RedeliveredMissing,
    /// Events that came again after members crashed, and were not open.
    RedeliveredUnexpected,
}

/// A figure of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource {
    /// Peak resident memory of the broker.
    BrokerMemory,
    /// CPU of the broker in cores, over the measure phase.
    BrokerCpu,
    /// Bytes in the broker's store at the end.
    BrokerStore,
    /// Peak resident memory of tickgate.
    HarnessMemory,
    /// CPU of tickgate in cores, over the measure phase.
    HarnessCpu,
    /// By which share the p99 of end-to-end latency rises over the measure phase, outside of faults.
    LatencyDrift,
    /// The same of the broker's resident memory.
    BrokerMemoryDrift,
    /// The same of tickgate's resident memory.
    HarnessMemoryDrift,
}

impl Resource {
    /// Is it a rise over the measure phase?
    #[must_use]
    pub const fn is_drift(self) -> bool {
        matches!(self, Self::LatencyDrift | Self::BrokerMemoryDrift | Self::HarnessMemoryDrift)
    }
}

/// Time without service, in slots of 10 ms of intended time: for publishing, or for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unavailable {
    /// All of it.
    Time,
    /// Its longest stretch.
    Longest,
}

/// The time from a fault to the first instant from which all is normal for 5 s; over several faults the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recovery {
    /// From the planned start of the fault.
    Time,
    /// From the end of its undo.
    AfterUndo,
}

/// A figure of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplayFigure {
    /// The share of the events that were to come, or came without that, that came once, in order and intact.
    Equal,
    /// Events per second, from its begin to the last event.
    Rate,
    /// At the original speed: how far the pauses between events differ from those with which they were stored, in all.
    Drift,
}

impl ReplayFigure {
    /// The figures, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Equal, Self::Rate, Self::Drift];
    /// The word before the name of a replay.
    pub const REPLAY: &str = "replay";
}

impl fmt::Display for ReplayFigure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "equal",
            Self::Rate => "rate",
            Self::Drift => "drift",
        })
    }
}

/// How a figure is compared with its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `==`
    Equal,
    /// `>=`
    AtLeast,
    /// `>`
    Above,
}

/// A limit or an observed figure, with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A time.
    Time(Span),
    /// A rate.
    Rate(Rate),
    /// A number of events.
    Count(u64),
    /// An amount of bytes.
    Size(Size),
    /// A share, 0 to 1.
    Share(f64),
    /// A number of cores.
    Cores(f64),
    /// A share of the planned rate, 0 to 1: `99.9% of offered`. A limit of a throughput.
    OfOffered(f64),
}

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `100ms`
    Time,
    /// `10k/s`
    Rate,
    /// `0`
    Count,
    /// `64MiB`
    Size,
    /// `99.9%`
    Share,
    /// `1.5`
    Cores,
}

impl Metric {
    /// The unit of the figure.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Time(..) | Self::Unavailable(_) | Self::Recovery(_) | Self::Replay(ReplayFigure::Drift) => {
                Kind::Time
            }
            Self::Throughput(_) | Self::Replay(ReplayFigure::Rate) => Kind::Rate,
            Self::Count(Outcome::Replayed) | Self::Replay(ReplayFigure::Equal) => Kind::Share,
            Self::Count(_) => Kind::Count,
            Self::Resource(Resource::BrokerCpu | Resource::HarnessCpu) => Kind::Cores,
            Self::Resource(drift) if drift.is_drift() => Kind::Share,
            Self::Resource(_) => Kind::Size,
        }
    }

    /// Does it come from reading the store back?
    #[must_use]
    pub const fn of_the_audit(self) -> bool {
        matches!(
            self,
            Self::Count(
                Outcome::Replayed
                    | Outcome::NotStored
                    | Outcome::NotDelivered
                    | Outcome::StoredLate
                    | Outcome::Diverged
                    | Outcome::DeadLetterMissing
                    | Outcome::DeadLetterDuplicate
                    | Outcome::DeadLetterUnexpected
            )
        )
    }

    /// Does it count dead letters?
    #[must_use]
    pub const fn of_dead_letters(self) -> bool {
        matches!(
            self,
            Self::Count(
                Outcome::DeadLetterMissing | Outcome::DeadLetterDuplicate | Outcome::DeadLetterUnexpected
            )
        )
    }

    /// Does it count what came again after a member crashed?
    #[must_use]
    pub const fn of_takeovers(self) -> bool {
        matches!(self, Self::Count(Outcome::RedeliveredMissing | Outcome::RedeliveredUnexpected))
    }

    /// Can it be limited to one group?
    #[must_use]
    pub const fn of_a_group(self) -> bool {
        match self {
            Self::Time(timing, _) => matches!(timing, Timing::Latency),
            Self::Throughput(throughput) => matches!(throughput, Throughput::Delivered),
            Self::Count(outcome) => !matches!(
                outcome,
                Outcome::NotStored
                    | Outcome::Refused
                    | Outcome::Unsent
                    | Outcome::Unconfirmed
                    | Outcome::GaveUp
                    | Outcome::Resent
                    | Outcome::Replayed
                    | Outcome::StoredLate
                    | Outcome::Diverged
                    | Outcome::RedeliveredMissing
                    | Outcome::RedeliveredUnexpected
            ),
            Self::Unavailable(_) => true,
            Self::Resource(_) | Self::Recovery(_) | Self::Replay(_) => false,
        }
    }

    /// Has it a figure within this part of the measure phase? Ledgers and resources are of the whole run, and a recovery or
    /// what came again after a crash is that of a fault.
    #[must_use]
    pub const fn of_a_part(self, when: &When) -> bool {
        match self {
            Self::Recovery(_) | Self::Count(Outcome::RedeliveredMissing | Outcome::RedeliveredUnexpected) => {
                matches!(when, When::Whole | When::Fault(_))
            }
            // The offered rate is the schedule's, which no fault changes.
            Self::Throughput(Throughput::Offered) | Self::Count(_) | Self::Resource(_) | Self::Replay(_) => {
                matches!(when, When::Whole)
            }
            Self::Time(..) | Self::Throughput(_) | Self::Unavailable(_) => true,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(timing, stat) => write!(f, "{timing}.{stat}"),
            Self::Throughput(throughput) => f.write_str(match throughput {
                Throughput::Offered => "throughput.offered",
                Throughput::Sent => "throughput.sent",
                Throughput::Acked => "throughput.acked",
                Throughput::Delivered => "throughput.delivered",
            }),
            Self::Count(outcome) => f.write_str(match outcome {
                Outcome::Lost => "delivery.lost",
                Outcome::NotStored => "delivery.not_stored",
                Outcome::NotDelivered => "delivery.not_delivered",
                Outcome::Recovered => "delivery.recovered",
                Outcome::Redelivered => "delivery.redelivered",
                Outcome::Duplicate => "delivery.duplicate",
                Outcome::Corrupt => "delivery.corrupt",
                Outcome::Foreign => "delivery.foreign",
                Outcome::Refused => "publish.refused",
                Outcome::Unsent => "publish.unsent",
                Outcome::Unconfirmed => "publish.unconfirmed",
                Outcome::GaveUp => "publish.gave_up",
                Outcome::Resent => "publish.resent",
                Outcome::Reordered => "ordering.reordered",
                Outcome::Extent => "ordering.extent",
                Outcome::StoredLate => "ordering.stored",
                Outcome::Diverged => "diverged",
                Outcome::DeadLetterMissing => "dead_letter.missing",
                Outcome::DeadLetterDuplicate => "dead_letter.duplicate",
                Outcome::DeadLetterUnexpected => "dead_letter.unexpected",
                Outcome::RedeliveredMissing => "redelivered.missing",
                Outcome::RedeliveredUnexpected => "redelivered.unexpected",
                Outcome::Replayed => "replay.complete",
                Outcome::Backlog => "backlog.max",
            }),
            Self::Resource(resource) => f.write_str(match resource {
                Resource::BrokerMemory => "broker.memory",
                Resource::BrokerCpu => "broker.cpu",
                Resource::BrokerStore => "broker.store",
                Resource::HarnessMemory => "harness.memory",
                Resource::HarnessCpu => "harness.cpu",
                Resource::LatencyDrift => "drift.latency",
                Resource::BrokerMemoryDrift => "drift.broker_memory",
                Resource::HarnessMemoryDrift => "drift.harness_memory",
            }),
            Self::Unavailable(unavailable) => f.write_str(match unavailable {
                Unavailable::Time => "unavailable.time",
                Unavailable::Longest => "unavailable.longest",
            }),
            Self::Recovery(recovery) => f.write_str(match recovery {
                Recovery::Time => "recovery.time",
                Recovery::AfterUndo => "recovery.after_undo",
            }),
            Self::Replay(figure) => figure.fmt(f),
        }
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Latency => "latency",
            Self::Ack => "ack",
            Self::Service => "service",
            Self::SendLag => "send_lag",
        })
    }
}

impl fmt::Display for Stat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Min => f.write_str("min"),
            Self::Mean => f.write_str("mean"),
            Self::Max => f.write_str("max"),
            Self::Quantile(q) => {
                let percent = format!("{:.6}", q * 100.0);
                write!(f, "p{}", percent.trim_end_matches('0').trim_end_matches('.'))
            }
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Equal => "==",
            Self::AtLeast => ">=",
            Self::Above => ">",
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(span) => span.fmt(f),
            Self::Rate(rate) => rate.fmt(f),
            Self::Count(count) => count.fmt(f),
            Self::Size(size) => size.fmt(f),
            Self::Share(share) => {
                let percent = format!("{:.6}", share * 100.0);
                write!(f, "{}%", percent.trim_end_matches('0').trim_end_matches('.'))
            }
            Self::Cores(cores) => cores.fmt(f),
            Self::OfOffered(share) => write!(f, "{} of offered", Self::Share(*share)),
        }
    }
}

impl Objective {
    /// Can it be judged under a closed load? Such a load has no times of independent sources and no planned rate.
    #[must_use]
    pub const fn of_closed_load(&self) -> bool {
        !matches!((self.metric, self.limit), (Metric::Time(..), _) | (_, Value::OfOffered(_)))
    }

    /// The left side of its line, `trading-engine.latency.p99`.
    #[must_use]
    pub fn name(&self) -> String {
        let Scope { group, when, windows, replay } = &self.scope;
        if let Some(replay) = replay {
            return format!("{}.{replay}.{}", ReplayFigure::REPLAY, self.metric);
        }
        let group = group.as_ref().map_or_else(String::new, |group| format!("{group}."));
        format!("{}{group}{}{}", when.prefix(), if *windows { "windows." } else { "" }, self.metric)
    }

    /// The right side of its line, `< 100ms`.
    #[must_use]
    pub fn requirement(&self) -> String {
        if self.scope.windows {
            format!("{} {} in {}", self.op, self.limit, Value::Share(self.share))
        } else {
            format!("{} {}", self.op, self.limit)
        }
    }
}

pub(super) mod as_map {
    //! Objectives as the map that a profile holds.
    use super::{Objective, fmt};
    use serde::de::{Deserializer, MapAccess, Visitor};
    use serde::ser::{SerializeMap, Serializer};

    pub(in crate::plan) fn serialize<S: Serializer>(all: &[Objective], to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(all.len()))?;
        for objective in all {
            map.serialize_entry(&objective.name(), &objective.requirement())?;
        }
        map.end()
    }

    pub(in crate::plan) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Objective>, D::Error> {
        struct Objectives;
        impl<'de> Visitor<'de> for Objectives {
            type Value = Vec<Objective>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of objectives to limits")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some((name, limit)) = map.next_entry::<String, String>()? {
                    all.push(crate::plan::grammar::parse(&name, &limit).map_err(serde::de::Error::custom)?);
                }
                Ok(all)
            }
        }
        from.deserialize_map(Objectives)
    }
}
