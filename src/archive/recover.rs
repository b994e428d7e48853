//! Recovers a record from the journal of a run that never wrote one: the sums of its seconds, and nothing more.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use hdrhistogram::Histogram;

use crate::measure;
use crate::num;
use crate::plan::{Ns, Plan};
use crate::record::{
    End, Environment, Extents, Group, Health, Hiccups, Latency, Limit, Line, Load, Measured, Phase,
    PhaseName, Process, Record, Resources, Row, Rows, Run, SCHEMA, Verdict,
};
use crate::topology;
use crate::verdict;

/// Why a record cannot be recovered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecoverError {
    /// The journal does not begin with the start of a run.
    #[error(
        "the journal does not begin with a run's start line; it is empty, its first line is damaged, or it is not a journal of tickgate"
    )]
    NoStart,
    /// The journal has an unknown schema.
    #[error(
        "the journal has the schema `{0}`, but this version reads `{SCHEMA}`; use the tickgate that wrote it"
    )]
    Schema(String),
}

/// Largest number of damaged lines listed in a record.
const NAMED: usize = 5;

/// The parts of a journal.
struct Parts {
    run: Run,
    plan: Plan,
    environment: Environment,
    broker: crate::record::Broker,
    phases: Vec<Phase>,
    marks: Vec<crate::record::Mark>,
    seconds: Vec<Rows>,
}

/// Builds and judges the record of a journal. The verdict can be fail or inconclusive but never pass: the drain
/// and the audit are missing, and with them the losses. Counts are those of the journal's seconds, and
/// unanswered or undelivered events are reported as open or missing; rates are over the part of the measure
/// phase that these seconds cover; latencies are of its events, or, from the journal of an earlier version, of
/// all events received in its seconds; exact counters are taken from histogram buckets and leave out those that
/// straddle a limit; timings that are not in the journal are unknown. `damaged` are the numbers of unreadable
/// lines: they are listed, and the rest is used.
///
/// # Errors
/// When the lines do not begin with a run's start, or have another schema.
pub fn recover(lines: impl IntoIterator<Item = Line>, damaged: &[usize]) -> Result<Record, RecoverError> {
    let parts = read(lines)?;
    let rows: Vec<Row> = parts.seconds.iter().map(|rows| rows.row.clone()).collect();
    let phases = phases(&parts, &rows);
    let measured = covered_seconds(&parts, &phases);
    Ok(verdict::judged(Record {
        schema: SCHEMA.into(),
        run: Run { end: End::Recovered, reason: Some(reason(rows.len(), damaged)), ..parts.run.clone() },
        load: load(&parts, measured),
        groups: (0..parts.plan.groups.len()).map(|group| group_of(&parts, group)).collect(),
        plan: parts.plan,
        environment: parts.environment,
        broker: parts.broker,
        phases,
        marks: parts.marks,
        audit: None,
        windows: vec![],
        steps: vec![],
        faults: crate::record::Faults::default(),
        replays: Vec::new(),
        resources: resources(&rows, measured),
        health: Health { hiccups: hiccups(&rows), ..Health::default() },
        timeline: rows,
        rules: 0,
        objectives: vec![],
        verdict: Verdict::Inconclusive,
    }))
}

/// Why the record is incomplete.
fn reason(seconds: usize, damaged: &[usize]) -> String {
    let mut text = format!(
        "recovered from the journal, which has {seconds} s of load; the outcome of events in flight is unknown"
    );
    let named: Vec<String> = damaged.iter().take(NAMED).map(ToString::to_string).collect();
    if !named.is_empty() {
        let more = if damaged.len() > NAMED { ", …" } else { "" };
        let _ = write!(text, "; damaged and left out: line {}{more}", named.join(", "));
    }
    text
}

fn read(lines: impl IntoIterator<Item = Line>) -> Result<Parts, RecoverError> {
    let mut lines = lines.into_iter();
    let Some(Line::Start { schema, run, plan, environment, broker }) = lines.next() else {
        return Err(RecoverError::NoStart);
    };
    if schema != SCHEMA {
        return Err(RecoverError::Schema(schema));
    }
    let mut parts = Parts { run, plan, environment, broker, phases: vec![], marks: vec![], seconds: vec![] };
    for line in lines {
        match line {
            Line::Phase(phase) => parts.phases.push(phase),
            Line::Mark(mark) => parts.marks.push(mark),
            Line::Second(rows) => parts.seconds.push(rows),
            // The death of the program undid it.
            Line::Undo(_) | Line::Start { .. } | Line::End => {}
        }
    }
    Ok(parts)
}

/// The phases in the journal, and the one in progress as far as the seconds reach: no phase of the load extends
/// beyond the known seconds.
fn phases(parts: &Parts, rows: &[Row]) -> Vec<Phase> {
    let mut phases = parts.phases.clone();
    let Some((first, last)) = rows.first().zip(rows.last()) else { return phases };
    let recorded_until = second_of(last).end;
    let recorded = |name| parts.phases.iter().find(|phase| phase.name == name).cloned();
    let load = &parts.plan.load;
    let warmup = recorded(PhaseName::Warmup).unwrap_or(Phase {
        name: PhaseName::Warmup,
        start_ns: first.at_ns,
        end_ns: first.at_ns.saturating_add(load.warmup.ns),
    });
    let measure = recorded(PhaseName::Measure).unwrap_or(Phase {
        name: PhaseName::Measure,
        start_ns: warmup.end_ns,
        end_ns: warmup.end_ns.saturating_add(load.duration.ns),
    });
    for phase in [warmup, measure] {
        phases.retain(|other| other.name != phase.name);
        if phase.start_ns < recorded_until {
            phases.push(Phase { end_ns: phase.end_ns.min(recorded_until), ..phase });
        }
    }
    phases.sort_by_key(|phase| phase.start_ns);
    phases
}

/// The second of a row, in nanoseconds since the run's epoch.
const fn second_of(row: &Row) -> Range<Ns> {
    row.at_ns..row.at_ns.saturating_add(1_000_000_000)
}

/// The number of seconds of the measure phase in the journal, without those on damaged lines.
fn covered_seconds(parts: &Parts, phases: &[Phase]) -> f64 {
    let Some(measure) = phases.iter().find(|phase| phase.name == PhaseName::Measure) else { return 0.0 };
    let within = |rows: &Rows| {
        let second = second_of(&rows.row);
        second.end.min(measure.end_ns).saturating_sub(second.start.max(measure.start_ns))
    };
    num::f64_of(num::sum(measured(parts).map(within))) / 1e9
}

/// The seconds with events of the measure phase.
fn measured(parts: &Parts) -> impl Iterator<Item = &Rows> {
    parts.seconds.iter().filter(|rows| rows.measured.is_some() || rows.row.phase == PhaseName::Measure)
}

/// The sum of histograms, as a distribution.
fn distribution<'a>(texts: impl Iterator<Item = Option<&'a String>>, limits: &[u64]) -> Latency {
    let sum = measure::sum(texts.flatten());
    let over_limit = |of: &Histogram<u64>| {
        let above = |limit: u64| {
            of.iter_recorded()
                .filter(|step| of.lowest_equivalent(step.value_iterated_to()) > limit)
                .map(|step| step.count_at_value())
                .sum()
        };
        limits
            .iter()
            .map(|&limit_ns| Limit { limit_ns, above: above(limit_ns), ..Limit::default() })
            .collect()
    };
    let Some(sum) = sum.filter(|sum| !sum.is_empty()) else { return Latency::default() };
    let at = |q: f64| sum.value_at_quantile(q).min(sum.max());
    Latency {
        count: sum.len(),
        min_ns: i64::try_from(sum.min()).unwrap_or(i64::MAX),
        mean_ns: sum.mean(),
        p50_ns: at(0.5),
        p90_ns: at(0.9),
        p99_ns: at(0.99),
        p99_9_ns: at(0.999),
        p99_99_ns: at(0.9999),
        max_ns: i64::try_from(sum.max()).unwrap_or(i64::MAX),
        negative: 0,
        overflow: 0,
        over_limit: over_limit(&sum),
        histogram: measure::encode(&sum).unwrap_or_default(),
    }
}

fn load(parts: &Parts, seconds: f64) -> Load {
    let all = |of: fn(&Row) -> u64| num::sum(parts.seconds.iter().map(|rows| of(&rows.row)));
    let in_measure = |of: fn(&Measured) -> u64| {
        // A second in the journal of an earlier version belongs to the measure phase entirely or not at all.
        let whole = |row: &Row| Measured { intended: row.intended, sent: row.sent, acked: row.acked };
        num::sum(measured(parts).map(|rows| of(&rows.measured.unwrap_or_else(|| whole(&rows.row)))))
    };
    let rate = |events: u64| if seconds > 0.0 { num::f64_of(events) / seconds } else { 0.0 };
    let limits = verdict::limits(&parts.plan);
    let (intended, sent, acked) =
        (in_measure(|of| of.intended), in_measure(|of| of.sent), in_measure(|of| of.acked));
    let timing =
        |at: usize, limits: &[u64]| distribution(measured(parts).map(|rows| rows.load.get(at)), limits);
    let answered = num::sum([all(|row| row.acked), all(|row| row.refused), all(|row| row.unconfirmed)]);
    Load {
        intended: all(|row| row.intended),
        sent: all(|row| row.sent),
        acked: all(|row| row.acked),
        refused: all(|row| row.refused),
        unsent: all(|row| row.unsent),
        unconfirmed: all(|row| row.unconfirmed),
        open: all(|row| row.sent).saturating_sub(answered),
        measured_intended: intended,
        measured_sent: sent,
        measured_acked: acked,
        offered_rate: rate(intended),
        sent_rate: rate(sent),
        acked_rate: rate(acked),
        send_lag: timing(0, &limits.send_lag),
        ack: timing(1, &limits.ack),
        service: timing(2, &limits.service),
        ..Load::default()
    }
}

fn group_of(parts: &Parts, at: usize) -> Group {
    let plan = &parts.plan.groups[at];
    let all = &parts.plan.topology.topics;
    // Invalid patterns were rejected before the run.
    let topics = topology::receives(plan, all).unwrap_or_default();
    let rows = || parts.seconds.iter().filter_map(|rows| rows.row.groups.get(at));
    let sum = |of: fn(&crate::record::GroupRow) -> u64| num::sum(rows().map(of));
    let delivered = sum(|row| row.delivered);
    // The journal does not have what a group was owed, but what it received and its backlog.
    let waiting = rows().next_back().map_or(0, |row| row.backlog);
    let latency =
        distribution(measured(parts).map(|rows| rows.groups.get(at)), &verdict::limits(&parts.plan).latency);
    let in_measure = latency.count;
    Group {
        name: plan.name.clone(),
        members: plan.members,
        delivery: plan.delivery,
        topics: topics.into_iter().filter_map(|topic| all.get(topic)).cloned().collect(),
        expected: delivered.saturating_add(waiting),
        delivered,
        // Not lost, but not received by the end, as in an interrupted run.
        lost: waiting,
        pending: 0,
        lost_not_stored: 0,
        lost_not_delivered: 0,
        recovered: 0,
        unexpected: 0,
        redelivered: sum(|row| row.redelivered),
        duplicate: sum(|row| row.duplicate),
        reordered: sum(|row| row.reordered),
        extents: Extents::default(),
        corrupt: sum(|row| row.corrupt),
        foreign: sum(|row| row.foreign),
        unverified: 0,
        measured_intended: in_measure,
        measured_unsent_own: 0,
        measured_in_time: in_measure,
        first_received_ns: None,
        last_received_ns: None,
        backlog_max: rows().map(|row| row.backlog).max().unwrap_or(0),
        latency,
        lost_ranges: vec![],
        lost_ranges_left_out: 0,
        troubled_symbols: vec![],
        by_topic: vec![],
    }
}

fn resources(rows: &[Row], seconds: f64) -> Resources {
    let measured: Vec<&Row> = rows.iter().filter(|row| row.phase == PhaseName::Measure).collect();
    let cores = |of: &dyn Fn(&Row) -> f64| {
        let sum: f64 = measured.iter().map(|row| of(row)).sum();
        sum / num::f64_of(num::count(measured.len()).max(1))
    };
    let process = |cores: f64, peak: Option<u64>| Process {
        cpu_seconds: cores * seconds,
        cpu_cores: cores,
        peak_memory_bytes: peak.unwrap_or(0),
        cpu_unknown: false,
    };
    let broker =
        rows.iter().filter_map(|row| row.broker_memory_bytes).max().map(|peak| {
            ("broker".to_owned(), process(cores(&|row| row.broker_cpu.unwrap_or(0.0)), Some(peak)))
        });
    Resources {
        harness: process(
            cores(&|row| row.harness_cpu),
            rows.iter().map(|row| row.harness_memory_bytes).max(),
        ),
        brokers: broker.into_iter().collect::<BTreeMap<_, _>>(),
        store_bytes: rows.iter().rev().find_map(|row| row.store_bytes),
        ..Resources::default()
    }
}

/// The journal has only the largest hiccup of each second, so every figure is an upper bound.
fn hiccups(rows: &[Row]) -> Hiccups {
    let mut all: Vec<u64> =
        rows.iter().filter(|row| row.phase == PhaseName::Measure).map(|row| row.hiccup_max_ns).collect();
    all.sort_unstable();
    let at = |q: f64| {
        let place = num::index(num::u64_floor(q * num::f64_of(num::count(all.len()))));
        all.get(place.min(all.len().saturating_sub(1))).copied().unwrap_or(0)
    };
    Hiccups {
        count: num::count(all.len()),
        p50_ns: at(0.5),
        p99_ns: at(0.99),
        p99_9_ns: at(0.999),
        max_ns: at(1.0),
    }
}
