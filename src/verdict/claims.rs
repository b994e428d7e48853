//! Judges the claims of ADR-002 by measurements: of one run, and of a comparison of NATS with Kafka.

mod dead_letters;
mod faults;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::rank;
use crate::num::{self, show};
use crate::record::{Fault, Group, Record};
use crate::topology::adr::is_adr;

pub use faults::{loss, of_faults};

/// The result of a measurement for a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Support {
    /// It supports the claim.
    #[serde(rename = "supported")]
    Supported,
    /// It contradicts the claim.
    #[serde(rename = "contradicted")]
    Contradicted,
    /// It does not test the claim.
    #[serde(rename = "not tested")]
    NotTested,
}

impl Support {
    const fn of(holds: bool) -> Self {
        if holds { Self::Supported } else { Self::Contradicted }
    }
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A claim of ADR-002, and the measurement that it is judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    /// The claim.
    pub says: String,
    /// The measurement.
    pub measured: String,
    /// `supported`, `contradicted`, `not tested`.
    #[serde(rename = "borne")]
    #[schemars(with = "String")]
    pub support: Support,
}

impl Claim {
    fn new(says: &str, measured: impl Into<String>, support: Support) -> Self {
        Self { says: says.to_owned(), measured: measured.into(), support }
    }

    fn not_tested(says: &str, measured: impl Into<String>) -> Self {
        Self::new(says, measured, Support::NotTested)
    }
}

// --- The figures of the ADR, with the tolerance that their wording allows.

/// "Under 100 ms".
const PROPAGATION_NS: u64 = 100_000_000;
/// "Sub-millisecond", for one run's median.
const FINE_NS: u64 = 1_000_000;
/// "About 1 ms", for the median over runs.
const ABOUT_1_MS: f64 = 1.5e6;
/// "5 to 10 ms".
const FROM_5_TO_10_MS: std::ops::Range<f64> = 4.5e6..10.5e6;
/// "10,000 events a second".
const RATE: f64 = 9_995.0;
/// "About 50 MB", upper end.
const FOOTPRINT: f64 = 50e6;
const ABOUT_50_MB: f64 = 60e6;
/// "1 GB or more".
const ABOUT_1_GB: f64 = 0.9e9;
/// "About 70 % less".
const ABOUT_30_PERCENT: f64 = 0.35;

// --- One run.

/// All claims of the ADR, in its order, judged by one run; for a run without its topology only what its faults show.
#[must_use]
pub fn of_run(record: &Record) -> Vec<Claim> {
    let mut of_faults = of_faults(record).into_iter();
    if !is_adr(&record.plan.topology) {
        return of_faults.collect();
    }
    let durability = of_faults.next().unwrap_or_else(|| durability(record));
    let mut claims = vec![
        propagation(record),
        durability,
        order(record),
        replay(record),
        rate(record),
        of_nats(record, fast(record), "5 to 10 ms"),
        of_nats(record, memory(record), "1 GB and more"),
        Claim::not_tested(
            "NATS takes 1 ms where Kafka takes 5 to 10, and costs about 70 % less",
            "one run on one bus is not a comparison: see `tickgate compare`",
        ),
    ];
    claims.extend(of_faults);
    claims
}

/// A claim about NATS, which a run on Kafka does not test; `there` is the ADR's figure for Kafka.
fn of_nats(record: &Record, claim: Claim, there: &str) -> Claim {
    if record.broker.kind != "kafka" || claim.support == Support::NotTested {
        return claim;
    }
    Claim::not_tested(
        &claim.says,
        format!("{}; this was Kafka, which the ADR puts at {there}", claim.measured),
    )
}

/// The result for a claim on times, which are not the bus's where losses of power are emulated, and which lateness of the harness can only make worse: supported even under
/// lateness unless something could have shortened a time; contradicted only by a harness that was fit to
/// measure.
fn timed(record: &Record, holds: bool) -> Support {
    if record.broker.power.is_some() {
        return Support::NotTested;
    }
    let shortened = |rule: &str| ["worker-died", "not-offered", "overflow", "clock"].contains(&rule);
    let doubt = record.health.reasons.iter().any(|reason| shortened(&reason.rule));
    if record.health.valid || (holds && !doubt) { Support::of(holds) } else { Support::NotTested }
}

fn unfit(record: &Record) -> &'static str {
    if record.health.valid { "" } else { "; tickgate's own lateness included" }
}

/// Events that were due to a group and never arrived; the claims are about all due events.
fn never_came(group: &Group) -> u64 {
    group.measured_intended.saturating_sub(group.latency.count)
}

/// Is this quantile of the due events below a limit, given the quantile of those that arrived?
fn below(group: &Group, q: f64, of_those_that_came_ns: u64, limit_ns: u64) -> bool {
    let due = group.measured_intended.max(group.latency.count);
    rank(q, due) <= group.latency.count && of_those_that_came_ns < limit_ns
}

/// The group with the most missing events; among equals, the slowest.
fn slowest(record: &Record) -> Option<&Group> {
    let due = record.groups.iter().filter(|g| g.latency.count > 0 || g.measured_intended > 0);
    due.max_by_key(|g| (never_came(g), g.latency.p99_ns))
}

fn missing(group: &Group) -> String {
    match never_came(group) {
        0 => String::new(),
        events => format!(
            "; {} of {} due events never arrived",
            show::count(events),
            show::count(group.measured_intended)
        ),
    }
}

fn nothing(says: &str) -> Claim {
    Claim::not_tested(says, "no event was received in the measure phase")
}

fn propagation(record: &Record) -> Claim {
    let says = "Events propagate in under 100 ms";
    let Some(group) = slowest(record) else { return nothing(says) };
    let max = u64::try_from(group.latency.max_ns).unwrap_or(0);
    let t = show::time;
    Claim::new(
        says,
        format!(
            "p99 {}, p99.9 {}, largest {} of {} events, slowest group {}{}{}",
            t(group.latency.p99_ns),
            t(group.latency.p99_9_ns),
            t(max),
            show::count(group.latency.count),
            group.name,
            missing(group),
            unfit(record)
        ),
        timed(record, below(group, 0.999, group.latency.p99_9_ns, PROPAGATION_NS)),
    )
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
                match (audit.complete, audit.settles_loss()) {
                    (true, true) => "stored",
                    (true, false) => "in the copies of the stream that were read",
                    (false, _) => "read back before the audit broke off",
                }
            )
        },
    );
    let happened =
        if record.marks.is_empty() { "nothing was restarted" } else { "see the marks for what happened" };
    let missing = record.audit.as_ref().is_some_and(|audit| audit.settles_loss() && audit.missing > 0);
    Claim::new(
        says,
        format!("{stored}; {happened}; an acknowledgement means: {}", record.broker.durability),
        if missing { Support::Contradicted } else { Support::NotTested },
    )
}

fn order(record: &Record) -> Claim {
    let says = "Market events are processed in order per symbol";
    let delivered = num::sum(record.groups.iter().map(|g| g.delivered));
    if delivered == 0 {
        return nothing(says);
    }
    let reordered = num::sum(record.groups.iter().map(|g| g.reordered));
    Claim::new(
        says,
        format!(
            "{} of {} deliveries out of order{}",
            show::count(reordered),
            show::count(delivered),
            through_faults(record)
        ),
        Support::of(reordered == 0),
    )
}

/// The faults that the order was kept through, and the events sent again; nothing for a run without faults.
fn through_faults(record: &Record) -> String {
    let injected = record.faults.injected.iter().filter(|fault| fault.happened());
    let effects = injected.clone().filter_map(Fault::felt);
    let resent = num::sum(effects.map(|effect| effect.resent));
    match num::count(injected.count()) {
        0 => String::new(),
        faults => {
            format!(
                ", through {}; {} sent more than once",
                show::several(faults, "fault"),
                show::several(resent, "event")
            )
        }
    }
}

fn replay(record: &Record) -> Claim {
    let says = "Events can be replayed";
    if let Some((measured, holds)) = super::replays::claim(record) {
        return Claim::new(says, measured, Support::of(holds));
    }
    match &record.audit {
        Some(audit) if audit.settles_loss() && audit.acked > 0 => Claim::new(
            says,
            format!(
                "the stream was read back from its start: {} of {} acknowledged events exactly once, {} out of order, in {}",
                show::count(audit.stored_once),
                show::count(audit.acked),
                show::count(audit.out_of_order),
                show::time(audit.took_ns)
            ),
            Support::of(audit.stored_once == audit.acked && audit.out_of_order == 0),
        ),
        _ => Claim::not_tested(says, "the stream was not read back to its end"),
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
    let support = match (load.acked_rate >= RATE, load.offered_rate >= RATE) {
        (true, _) => Support::Supported,
        (false, true) => timed(record, false),
        (false, false) => Support::NotTested,
    };
    Claim::new(says, measured, support)
}

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
    Claim::new(
        says,
        format!(
            "{}: median {}, p90 {}, p99 {}{}{}{own}",
            group.name,
            show::time(group.latency.p50_ns),
            show::time(group.latency.p90_ns),
            show::time(group.latency.p99_ns),
            missing(group),
            unfit(record)
        ),
        if own.is_empty() { fine } else { Support::NotTested },
    )
}

fn memory(record: &Record) -> Claim {
    let says = "A memory footprint of about 50 MB";
    let peak = record.resources.brokers.values().map(|p| p.peak_memory_bytes).max().filter(|peak| *peak > 0);
    let Some(peak) = peak else { return Claim::not_tested(says, "the broker's process could not be seen") };
    let bytes = num::f64_of(peak);
    Claim::new(
        says,
        format!("{} peak resident memory ({:.1} times 50 MB)", show::size(peak), bytes / FOOTPRINT),
        Support::of(bytes <= ABOUT_50_MB),
    )
}

// --- NATS against Kafka, under one load.

/// The measurements of a comparison of the two, each as (NATS, Kafka); `None` where unknown.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Both {
    /// Median of the runs' p50 of end-to-end latency, in nanoseconds.
    pub latency_ns: Option<(f64, f64)>,
    /// Peak resident memory of the broker, in bytes.
    pub memory_bytes: Option<(f64, f64)>,
    /// Price of an event on NATS divided by that on Kafka.
    pub price_ratio: Option<f64>,
}

/// The claims of NATS against Kafka.
#[must_use]
pub fn of_both(both: &Both) -> Vec<Claim> {
    let latency = both.latency_ns.map(|(nats, kafka)| {
        let text =
            format!("medians of the runs' p50: NATS {:.2} ms, Kafka {:.2} ms", nats / 1e6, kafka / 1e6);
        (text, nats < ABOUT_1_MS && FROM_5_TO_10_MS.contains(&kafka))
    });
    let memory = both.memory_bytes.map(|(nats, kafka)| {
        let text = format!("peak resident memory: NATS {:.0} MB, Kafka {:.0} MB", nats / 1e6, kafka / 1e6);
        (text, nats <= ABOUT_50_MB && kafka >= ABOUT_1_GB)
    });
    let price = both.price_ratio.map(|ratio| {
        let text = if ratio <= 1.0 {
            format!(
                "an event on NATS costs {:.0} % less than on Kafka at the given prices",
                (1.0 - ratio) * 100.0
            )
        } else {
            format!("an event on NATS costs {ratio:.2} times what it does on Kafka at the given prices")
        };
        (text, ratio <= ABOUT_30_PERCENT)
    });
    let claim = |says: &str, measured: Option<(String, bool)>, otherwise: &str| match measured {
        Some((measured, holds)) => Claim::new(says, measured, Support::of(holds)),
        None => Claim::not_tested(says, otherwise),
    };
    vec![
        claim(
            "NATS takes about 1 ms, Kafka 5 to 10 ms",
            latency,
            "the sides did not carry the same load, or one has no end-to-end latency",
        ),
        claim(
            "NATS takes about 50 MB, Kafka 1 GB or more",
            memory,
            "the sides did not carry the same load, or a broker's process could not be seen",
        ),
        claim(
            "NATS costs about 70 % less than Kafka",
            price,
            "no prices were given, or a broker's use could not be seen",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_claims_of_nats_against_kafka_have_their_edges() {
        let said = |both: Both| of_both(&both).into_iter().map(|claim| claim.support).collect::<Vec<_>>();
        let (yes, no, open) = (Support::Supported, Support::Contradicted, Support::NotTested);
        assert_eq!(said(Both::default()), [open; 3]);
        for (latency, memory, price, expected) in [
            ((1.4e6, 5e6), (60e6, 0.9e9), 0.35, [yes; 3]),
            ((1.5e6, 5e6), (61e6, 0.9e9), 0.36, [no; 3]),
            ((1.0e6, 4.4e6), (50e6, 0.8e9), 1.2, [no; 3]),
            ((1.0e6, 10.5e6), (50e6, 2e9), 0.3, [no, yes, yes]),
        ] {
            let both =
                Both { latency_ns: Some(latency), memory_bytes: Some(memory), price_ratio: Some(price) };
            assert_eq!(said(both), expected, "{both:?}");
        }
    }

    #[test]
    fn a_claim_is_written_in_the_words_of_the_account() {
        let claim = Claim::not_tested("x", "y");
        let text = serde_json::to_string(&claim).expect("JSON");
        assert_eq!(text, r#"{"says":"x","measured":"y","borne":"not tested"}"#);
        assert_eq!(claim.support.to_string(), "not tested");
        assert_eq!(serde_json::from_str::<Claim>(&text).expect("a claim"), claim);
    }
}
