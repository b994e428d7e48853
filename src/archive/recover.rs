//! A record from the journal of a run that never wrote one: what its seconds add up to, and no more.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::measure;
use crate::num;
use crate::plan::Plan;
use crate::record::{
    End, Environment, Extents, Group, Health, Hiccups, Latency, Limit, Line, Load, Phase, PhaseName, Process,
    Record, Resources, Row, Rows, Run, SCHEMA, Verdict,
};
use crate::verdict;

/// Why there is nothing to recover.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecoverError {
    /// The journal does not begin with the start of a run.
    #[error("the journal does not begin with a run's start line; it is empty, or no journal of tickgate's")]
    NoStart,
    /// It is of a version that this one does not know.
    #[error(
        "the journal has the schema `{0}`, and this version reads `{SCHEMA}`; use the tickgate that wrote it"
    )]
    Schema(String),
}

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

/// The record of what a journal tells. It is judged, and can fail or be inconclusive but never pass: the drain
/// and the audit are missing, and with them what was lost. Counts are those of the told seconds; latencies are
/// of the events received in the seconds of the measure phase; exact counters are taken from histogram buckets
/// and leave out those that straddle a limit; no timing but the journal's is known.
///
/// # Errors
/// When the lines do not begin with a run's start, or are of another schema.
pub fn recover(lines: impl IntoIterator<Item = Line>) -> Result<Record, RecoverError> {
    let parts = read(lines)?;
    let rows: Vec<Row> = parts.seconds.iter().map(|rows| rows.row.clone()).collect();
    let phases = phases(&parts, &rows);
    let measured = seconds_of(&phases);
    let mut record = Record {
        schema: SCHEMA.into(),
        run: Run {
            end: End::Recovered,
            reason: Some(format!(
                "recovered from the journal, which ends after {} s of load; what was under way is not known",
                rows.len()
            )),
            ..parts.run.clone()
        },
        load: load(&parts, measured),
        groups: (0..parts.plan.groups.len()).map(|group| group_of(&parts, group)).collect(),
        plan: parts.plan,
        environment: parts.environment,
        broker: parts.broker,
        phases,
        marks: parts.marks,
        audit: None,
        windows: vec![],
        resources: resources(&rows, measured),
        health: Health { hiccups: hiccups(&rows), ..Health::default() },
        timeline: rows,
        objectives: vec![],
        verdict: Verdict::Inconclusive,
    };
    let found = verdict::assess(&record);
    record.health = found.health;
    record.objectives = found.objectives;
    record.verdict = found.verdict;
    Ok(record)
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
            Line::Start { .. } | Line::End => {}
        }
    }
    Ok(parts)
}

/// The told phases, and the one that was going on, as far as its seconds reach.
fn phases(parts: &Parts, rows: &[Row]) -> Vec<Phase> {
    let mut phases = parts.phases.clone();
    for name in [PhaseName::Warmup, PhaseName::Measure] {
        let mut of = rows.iter().filter(|row| row.phase == name);
        if let (Some(first), false) = (of.next(), phases.iter().any(|phase| phase.name == name)) {
            let last = of.next_back().unwrap_or(first);
            phases.push(Phase {
                name,
                start_ns: first.at_ns,
                end_ns: last.at_ns.saturating_add(1_000_000_000),
            });
        }
    }
    phases.sort_by_key(|phase| phase.start_ns);
    phases
}

fn seconds_of(phases: &[Phase]) -> f64 {
    let measure = phases.iter().find(|phase| phase.name == PhaseName::Measure);
    measure.map_or(0.0, |phase| num::f64_of(phase.end_ns.saturating_sub(phase.start_ns)) / 1e9)
}

fn measured(parts: &Parts) -> impl Iterator<Item = &Rows> {
    parts.seconds.iter().filter(|rows| rows.row.phase == PhaseName::Measure)
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
        limits.iter().map(|&limit_ns| Limit { limit_ns, above: above(limit_ns), ..Limit::default() }).collect()
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
    let in_measure = |of: fn(&Row) -> u64| num::sum(measured(parts).map(|rows| of(&rows.row)));
    let rate = |events: u64| if seconds > 0.0 { num::f64_of(events) / seconds } else { 0.0 };
    let limits = verdict::limits(&parts.plan);
    let (intended, sent, acked) =
        (in_measure(|row| row.intended), in_measure(|row| row.sent), in_measure(|row| row.acked));
    let timing =
        |at: usize, limits: &[u64]| distribution(measured(parts).map(|rows| rows.load.get(at)), limits);
    Load {
        intended: all(|row| row.intended),
        sent: all(|row| row.sent),
        acked: all(|row| row.acked),
        refused: all(|row| row.refused),
        unsent: all(|row| row.unsent),
        unconfirmed: all(|row| row.unconfirmed),
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
    let rows = || parts.seconds.iter().filter_map(|rows| rows.row.groups.get(at));
    let sum = |of: fn(&crate::record::GroupRow) -> u64| num::sum(rows().map(of));
    let delivered = sum(|row| row.delivered);
    // What a group was owed is not told, but what it had and what it still waited for is.
    let waiting = rows().next_back().map_or(0, |row| row.backlog);
    let in_measure =
        num::sum(measured(parts).filter_map(|rows| rows.row.groups.get(at)).map(|row| row.delivered));
    Group {
        name: plan.name.clone(),
        members: plan.members,
        delivery: plan.delivery,
        topics: vec![],
        expected: delivered.saturating_add(waiting),
        delivered,
        lost: 0,
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
        latency: distribution(
            measured(parts).map(|rows| rows.groups.get(at)),
            &verdict::limits(&parts.plan).latency,
        ),
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
        store_events: None,
    }
}

/// Of hiccups the journal tells the largest of each second: every figure is at least what it would have been.
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
