//! What ADR-002 claims, beside what this run measured.

use super::show;
use crate::measure::rank;
use crate::num;
use crate::record::{Group, Record};

/// Does the run bear a claim out?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Borne {
    /// It does.
    Supported,
    /// It does not.
    Contradicted,
    /// This run says nothing about it.
    NotTested,
}

impl Borne {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Contradicted => "contradicted",
            Self::NotTested => "not tested",
        }
    }
}

/// A claim and its test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) says: &'static str,
    pub(crate) measured: String,
    pub(crate) borne: Borne,
}

const fn borne(holds: bool) -> Borne {
    if holds { Borne::Supported } else { Borne::Contradicted }
}

/// All claims of the ADR, in its order.
pub(crate) fn claims(record: &Record) -> Vec<Claim> {
    vec![
        propagation(record),
        durability(record),
        order(record),
        replay(record),
        rate(record),
        of_nats(record, fast(record), "5 to 10 ms"),
        of_nats(record, memory(record), "1 GB and more"),
        Claim {
            says: "NATS takes 1 ms where Kafka takes 5 to 10, and costs about 70 % less",
            measured: "one run on one bus compares nothing: see `tickgate compare`".into(),
            borne: Borne::NotTested,
        },
    ]
}

/// What the ADR claims of NATS, a run on Kafka does not test; `there` is what the ADR says of that.
fn of_nats(record: &Record, claim: Claim, there: &str) -> Claim {
    if record.broker.kind != "kafka" || claim.borne == Borne::NotTested {
        return claim;
    }
    let measured = format!("{}; this was Kafka, which the ADR puts at {there}", claim.measured);
    Claim { measured, borne: Borne::NotTested, ..claim }
}

/// A claim on times that lateness of the harness can only make worse: it is supported even under lateness, but not where
/// something could have shortened a time; it is contradicted by a harness that was fit to measure.
fn timed(record: &Record, holds: bool) -> Borne {
    let shortened = |rule: &str| ["worker-died", "not-offered", "overflow", "clock"].contains(&rule);
    let doubt = record.health.reasons.iter().any(|reason| shortened(&reason.rule));
    if record.health.valid || (holds && !doubt) { borne(holds) } else { Borne::NotTested }
}

fn unfit(record: &Record) -> &'static str {
    if record.health.valid { "" } else { "; tickgate's own lateness is in it" }
}

/// Events that were due to a group and never came; nothing is claimed on those that did.
fn never_came(group: &Group) -> u64 {
    group.measured_intended.saturating_sub(group.latency.count)
}

/// Is this quantile of the events that were due below a limit, by the quantile of those that came?
fn below(group: &Group, q: f64, of_those_that_came_ns: u64, limit_ns: u64) -> bool {
    let due = group.measured_intended.max(group.latency.count);
    rank(q, due) <= group.latency.count && of_those_that_came_ns < limit_ns
}

/// The group that most was kept from, and among equals the slowest one.
fn slowest(record: &Record) -> Option<&Group> {
    let due = record.groups.iter().filter(|g| g.latency.count > 0 || g.measured_intended > 0);
    due.max_by_key(|g| (never_came(g), g.latency.p99_ns))
}

fn missing(group: &Group) -> String {
    match never_came(group) {
        0 => String::new(),
        events => format!(
            "; {} of {} that were due never came",
            show::count(events),
            show::count(group.measured_intended)
        ),
    }
}

fn nothing(says: &'static str) -> Claim {
    Claim { says, measured: "no event was received in the measure phase".into(), borne: Borne::NotTested }
}

fn propagation(record: &Record) -> Claim {
    let says = "Events propagate in under 100 ms";
    let Some(group) = slowest(record) else { return nothing(says) };
    let max = u64::try_from(group.latency.max_ns).unwrap_or(0);
    let t = show::time;
    Claim {
        says,
        measured: format!(
            "p99 {}, p99.9 {}, largest {} of {} events, slowest group {}{}{}",
            t(group.latency.p99_ns),
            t(group.latency.p99_9_ns),
            t(max),
            show::count(group.latency.count),
            group.name,
            missing(group),
            unfit(record)
        ),
        borne: timed(record, below(group, 0.999, group.latency.p99_9_ns, 100_000_000)),
    }
}

fn durability(record: &Record) -> Claim {
    let says = "Events survive restarts of services";
    let stored = record.audit.as_ref().map_or_else(
        || "the stream was not read back".to_owned(),
        |audit| {
            format!(
                "{} of {} acknowledged events were {}",
                show::count(audit.acked - audit.missing.min(audit.acked)),
                show::count(audit.acked),
                if audit.complete { "stored" } else { "read back before it broke off" }
            )
        },
    );
    let happened =
        if record.marks.is_empty() { "nothing was restarted" } else { "the marks tell what happened" };
    let missing = record.audit.as_ref().is_some_and(|audit| audit.complete && audit.missing > 0);
    Claim {
        says,
        measured: format!("{stored}; {happened}; an acknowledgement means: {}", record.broker.durability),
        borne: if missing { Borne::Contradicted } else { Borne::NotTested },
    }
}

fn order(record: &Record) -> Claim {
    let says = "Market events are processed in order per symbol";
    let delivered = num::sum(record.groups.iter().map(|g| g.delivered));
    if delivered == 0 {
        return nothing(says);
    }
    let reordered = num::sum(record.groups.iter().map(|g| g.reordered));
    Claim {
        says,
        measured: format!("{} of {} deliveries out of order", show::count(reordered), show::count(delivered)),
        borne: borne(reordered == 0),
    }
}

fn replay(record: &Record) -> Claim {
    let says = "Events can be replayed";
    match &record.audit {
        Some(audit) if audit.complete && audit.acked > 0 => Claim {
            says,
            measured: format!(
                "the stream was read back from its start: {} of {} acknowledged events exactly once, {} out of order, in {}",
                show::count(audit.stored_once),
                show::count(audit.acked),
                show::count(audit.out_of_order),
                show::time(audit.took_ns)
            ),
            borne: borne(audit.stored_once == audit.acked && audit.out_of_order == 0),
        },
        _ => Claim {
            says,
            measured: "the stream was not read back to its end".into(),
            borne: Borne::NotTested,
        },
    }
}

fn rate(record: &Record) -> Claim {
    let says = "10,000 events a second and more";
    let load = &record.load;
    if load.measured_intended == 0 {
        return nothing(says);
    }
    let measured = format!(
        "{} offered, {} sent, {} confirmed{}",
        show::rate(load.offered_rate),
        show::rate(load.sent_rate),
        show::rate(load.acked_rate),
        unfit(record)
    );
    let borne = match (load.acked_rate >= 9_995.0, load.offered_rate >= 9_995.0) {
        (true, _) => Borne::Supported,
        (false, true) => timed(record, false),
        (false, false) => Borne::NotTested,
    };
    Claim { says, measured, borne }
}

/// The millisecond of the ADR.
const FINE_NS: u64 = 1_000_000;

fn fast(record: &Record) -> Claim {
    let says = "About 1 ms; sub-millisecond for trading events";
    let trading = record.groups.iter().find(|g| g.name == "trading-engine" && g.measured_intended > 0);
    let Some(group) = trading.or_else(|| slowest(record)) else { return nothing(says) };
    let lag = record.load.send_lag.p50_ns;
    let own = if lag > FINE_NS / 10 {
        format!("; {} of the median is tickgate's own send lag, too much to judge 1 ms", show::time(lag))
    } else {
        String::new()
    };
    let fine = timed(record, below(group, 0.5, group.latency.p50_ns, FINE_NS));
    Claim {
        says,
        measured: format!(
            "{}: median {}, p90 {}, p99 {}{}{}{own}",
            group.name,
            show::time(group.latency.p50_ns),
            show::time(group.latency.p90_ns),
            show::time(group.latency.p99_ns),
            missing(group),
            unfit(record)
        ),
        borne: if own.is_empty() { fine } else { Borne::NotTested },
    }
}

fn memory(record: &Record) -> Claim {
    let says = "A memory footprint of about 50 MB";
    let peak = record.resources.brokers.values().map(|p| p.peak_memory_bytes).max().filter(|peak| *peak > 0);
    peak.map_or_else(
        || Claim { says, measured: "the broker's process could not be seen".into(), borne: Borne::NotTested },
        |peak| Claim {
            says,
            measured: format!(
                "{} peak resident memory ({:.1} times 50 MB)",
                show::size(peak),
                num::f64_of(peak) / 50e6
            ),
            borne: borne(peak <= 60_000_000),
        },
    )
}
