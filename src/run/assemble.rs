//! Puts a record together from what the crew left behind.

use std::collections::BTreeMap;

use crate::bus::{BusFacts, Refusal};
use crate::host::clock::utc;
use crate::host::facts::Facts;
use crate::market;
use crate::measure::{
    self, Due, Excess, Excused, GroupLedger, Harness, Lateness, Latency, Limits, Met, Pauses, PublishLedger, Seconds,
    Windows, settle,
};
use crate::num;
use crate::plan::{Metric, Objective, Plan, Value};
use crate::record::{
    self, End, Environment, Extents, Health, LostRange, Record, Resources, Run, SCHEMA,
    SymbolTrouble, TopicCount, Verdict,
};

use super::crew::Ended;
use super::generator::Generated;
use super::identity::Identity;
use super::ready::describe;
use super::receiver::{Received, Stored, WINDOW};
use super::shared::Calendar;

/// Ranges of lost events, and symbols with trouble, that a record lists for a group.
const LISTED: usize = 100;

/// What a record is made of.
pub(super) struct Parts<'a> {
    pub(super) plan: &'a Plan,
    pub(super) subscribed: &'a [Vec<bool>],
    pub(super) published: &'a PublishLedger,
    pub(super) ended: Ended,
    pub(super) audit: Option<Stored>,
    /// What may still come to each group, by the broker's account.
    pub(super) owed: Vec<u64>,
    pub(super) backlog_max: Vec<u64>,
    /// When the harness stood still.
    pub(super) pauses: Pauses,
    pub(super) calendar: Calendar,
}

/// What the harness itself adds to times.
struct Own {
    lateness: Lateness,
    usage: Seconds,
}

impl Own {
    fn of(record: &mut Record, parts: &Parts<'_>) -> Self {
        let Calendar { load_start, measure_start, .. } = parts.calendar;
        let mut lateness = Lateness::new(measure_start, parts.plan.load.duration);
        for generated in &parts.ended.generated {
            lateness.merge(&generated.lateness);
        }
        lateness.pauses(&parts.pauses);
        let paused = parts.pauses.by_second(record.timeline.len());
        for (row, paused) in record.timeline.iter_mut().zip(paused) {
            row.paused_ns = Some(paused);
        }
        let usable = record.health.machine.as_ref().map_or(0.0, |machine| machine.usable_cores);
        let usage = record.timeline.iter().map(|row| crate::verdict::usage(row, usable)).collect();
        Self { lateness, usage: Seconds::new(load_start, usage) }
    }

    fn excused(&self, excess: &Excess, limit: u64) -> Vec<Excused> {
        excess.excused(limit, &Harness { lateness: &self.lateness, usage: &self.usage })
    }

    /// Says of each limit of a distribution what the harness explains of its exceedances.
    fn explain(&self, latency: &mut record::Latency, excess: &Excess) {
        for limit in &mut latency.over_limit {
            let mut sum = Excused::default();
            self.excused(excess, limit.limit_ns).into_iter().for_each(|second| sum.merge(second));
            limit.explained = sum.explained();
            limit.disturbed = sum.disturbed;
            limit.saturated = sum.saturated;
            limit.contended = sum.contended;
        }
    }
}

/// A record of a run that has not begun: all that is known before the load.
pub(super) fn empty(
    plan: &Plan,
    identity: &Identity,
    epoch_unix_ns: u64,
    facts: &BusFacts,
    broker: &record::Broker,
    environment: Environment,
) -> Record {
    let mut broker = broker.clone();
    broker.product.clone_from(&facts.product);
    broker.version.clone_from(&facts.version);
    broker.durability.clone_from(&facts.durability);
    broker.settings.extend(facts.settings.iter().cloned());
    broker.settings.insert("max_payload".into(), facts.max_payload.to_string());
    Record {
        schema: SCHEMA.into(),
        run: Run {
            id: identity.id.clone(),
            profile: plan.name.clone(),
            tickgate: env!("CARGO_PKG_VERSION").into(),
            tag: identity.tag,
            started: utc(epoch_unix_ns),
            ended: String::new(),
            epoch_unix_ns,
            end: End::Completed,
            reason: None,
        },
        plan: plan.clone(),
        environment,
        broker,
        phases: Vec::new(),
        marks: Vec::new(),
        load: record::Load::default(),
        groups: Vec::new(),
        audit: None,
        windows: Vec::new(),
        timeline: Vec::new(),
        resources: Resources::default(),
        health: Health::default(),
        objectives: Vec::new(),
        verdict: Verdict::Inconclusive,
    }
}

/// What is known of the machine.
pub(super) fn environment(facts: &Facts) -> Environment {
    let mut named = BTreeMap::new();
    let mut note = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            named.insert(name.to_owned(), value);
        }
    };
    note("os", Some(facts.os.clone()));
    note("kernel", Some(facts.kernel.clone()));
    note("arch", Some(facts.arch.clone()));
    note("cpu", Some(facts.cpu_model.clone()));
    note("usable_cores", Some(facts.usable_cores.to_string()));
    note("cpu_limit_cores", facts.cpu_limit_cores.map(|cores| cores.to_string()));
    note("hostname", Some(facts.hostname.clone()));
    note("store_filesystem", facts.store_filesystem.clone());
    note("virtualisation", facts.virtualisation.clone());
    note("container", facts.container.clone());
    note("cpu_governor", facts.cpu_governor.clone());
    note("clock_source", facts.clock_source.clone());
    note("load_average", Some(facts.load_average.map(|load| format!("{load:.2}")).join(" ")));
    Environment { cores: num::low32(facts.cores), memory_bytes: facts.memory_bytes, facts: named }
}

/// Fills in the figures of both sides, the audit and the windows.
pub(super) fn fill(record: &mut Record, parts: &Parts<'_>) {
    let own = Own::of(record, parts);
    let seconds = record.measured_seconds();
    record.load = load(parts, &own, seconds);
    record.windows = windows(parts, &own);
    record.audit = parts.audit.as_ref().map(|stored| audit(parts.published, stored));
    let stored =
        parts.audit.as_ref().filter(|stored| stored.figures.complete).map(|stored| stored.ledger.ledger());
    let symbols = market::names(&parts.plan.market);
    for (group, received) in parts.ended.received.iter().enumerate() {
        record.groups.push(group_figures(parts, &own, group, received.as_ref(), stored, &symbols));
    }
}

fn merged(limits: &[u64], all: &[Generated], of: fn(&Generated) -> &Latency) -> record::Latency {
    let mut sum = Latency::new(limits);
    for generated in all {
        sum.merge(of(generated));
    }
    record::Latency::from(&sum)
}

fn load(parts: &Parts<'_>, own: &Own, seconds: f64) -> record::Load {
    let all = &parts.ended.generated;
    let totals = parts.published.totals();
    let sum = |of: fn(&Generated) -> u64| all.iter().map(of).sum::<u64>();
    let rate = |events: u64| if seconds > 0.0 { num::f64_of(events) / seconds } else { 0.0 };
    let limits: Limits = crate::verdict::limits(parts.plan);
    let mut ack = merged(&limits.ack, all, |g| &g.ack);
    if let Some((first, others)) = all.split_first() {
        let mut excess = first.ack_excess.clone();
        others.iter().for_each(|other| excess.merge(&other.ack_excess));
        own.explain(&mut ack, &excess);
    }
    let least = all.iter().filter_map(|g| g.least_offered).min_by(|a, b| a.reached().total_cmp(&b.reached()));
    let measured_intended = all.iter().flat_map(|g| &g.measured_by_topic).sum();
    let (measured_sent, measured_acked) = (sum(|g| g.measured_sent), sum(|g| g.measured_acked));
    let mut refusals: BTreeMap<Refusal, u64> = BTreeMap::new();
    for (why, count) in all.iter().flat_map(|g| &g.refusals) {
        *refusals.entry(*why).or_insert(0) += count;
    }
    let mut refusals: Vec<_> =
        refusals.into_iter().map(|(why, count)| record::Refusal { reason: describe(why), count }).collect();
    let too_large = sum(|g| g.too_large);
    if too_large > 0 {
        refusals.push(record::Refusal { reason: "too-large".into(), count: too_large });
    }
    record::Load {
        intended: totals.intended,
        sent: totals.sent(),
        acked: totals.acked,
        acked_duplicate: totals.duplicate_acks,
        refused: totals.refused,
        unsent: totals.unsent,
        unsent_own: sum(|g| g.unsent_own),
        unconfirmed: totals.unconfirmed,
        unconfirmed_disconnected: sum(|g| g.unconfirmed_disconnected),
        open: 0,
        refusals,
        measured_intended,
        measured_sent,
        measured_acked,
        measured_unsent_own: all.iter().flat_map(|g| &g.measured_unsent_own).sum(),
        least_offered: least.map(|least| record::Offered {
            part: least.part.name(),
            due: least.due,
            offered: least.offered,
            soon_after: least.soon_after,
        }),
        offered_rate: rate(measured_intended),
        sent_rate: rate(measured_sent),
        acked_rate: rate(measured_acked),
        finished_late_ns: all.iter().map(|g| g.finished_late_ns).max().unwrap_or(0),
        send_lag: merged(&limits.send_lag, all, |g| &g.send_lag),
        ack,
        service: merged(&limits.service, all, |g| &g.service),
        bytes: sum(|g| g.bytes),
        by_topic: by_topic(parts.plan, |topic| all.iter().map(|g| g.by_topic[topic]).sum()),
    }
}

/// Counts by topic, topics without events left out.
fn by_topic(plan: &Plan, count: impl Fn(usize) -> u64) -> Vec<TopicCount> {
    let all = plan.topology.topics.iter().enumerate();
    all.map(|(topic, name)| TopicCount { topic: name.clone(), count: count(topic) })
        .filter(|t| t.count > 0)
        .collect()
}

fn audit(published: &PublishLedger, stored: &Stored) -> record::Audit {
    let found = measure::audit(published, &stored.ledger);
    let settled = settle(published, stored.ledger.ledger(), |_| true, None, 0);
    record::Audit {
        acked: found.acked,
        stored_once: found.stored_once,
        replayed: found.replayed,
        missing: found.missing,
        stored_twice: found.stored_twice,
        out_of_order: found.out_of_order,
        unconfirmed_stored: settled.recovered,
        ..stored.figures.clone()
    }
}

fn group_figures(
    parts: &Parts<'_>,
    own: &Own,
    group: usize,
    received: Option<&Received>,
    stored: Option<&GroupLedger>,
    symbols: &[String],
) -> record::Group {
    let plan = parts.plan;
    let subscribed = &parts.subscribed[group];
    let per_topic = num::index32(plan.market.symbols);
    let nothing = GroupLedger::new(plan.keys());
    let ledger = received.map_or(&nothing, |received| &received.ledger);
    let settled = settle(parts.published, ledger, |key| subscribed[key / per_topic], stored, parts.owed.get(group).copied().unwrap_or(0));
    let totals = ledger.totals();
    let topics = plan.topology.topics.iter().zip(subscribed).filter(|(_, of_group)| **of_group);
    let measured = |of: fn(&Generated) -> &Vec<u64>| -> u64 {
        let topics = (0..subscribed.len()).filter(|topic| subscribed[*topic]);
        topics.map(|topic| parts.ended.generated.iter().map(|g| of(g)[topic]).sum::<u64>()).sum()
    };
    let latency = received.map_or_else(record::Latency::default, |received| {
        let mut latency = record::Latency::from(&received.latency);
        own.explain(&mut latency, &received.excess);
        latency
    });
    let named =
        |key: usize| (plan.topology.topics[key / per_topic].clone(), symbols[key % per_topic].clone());
    let ranges = settled.ranges.iter().take(LISTED).map(|range| {
        let (topic, symbol) = named(range.key);
        LostRange { topic, symbol, first: range.first, last: range.last, stored: range.stored }
    });
    let unlisted = num::count(settled.ranges.len().saturating_sub(LISTED)) + settled.ranges_left_out;
    let of = |what: fn(&Received) -> u64| received.map_or(0, what);
    record::Group {
        name: plan.groups[group].name.clone(),
        members: plan.groups[group].members,
        delivery: plan.groups[group].delivery,
        topics: topics.map(|(topic, _)| topic.clone()).collect(),
        expected: settled.expected,
        delivered: settled.delivered,
        lost: settled.lost,
        pending: settled.pending,
        lost_not_stored: settled.lost_not_stored.unwrap_or(0),
        lost_not_delivered: settled.lost_not_delivered.unwrap_or(0),
        recovered: settled.recovered,
        unexpected: settled.unexpected,
        redelivered: totals.redelivered,
        duplicate: totals.duplicate,
        reordered: totals.reordered,
        extents: Extents {
            max: totals.extent_max,
            late_max_ns: totals.late_max_ns,
            by_power_of_two: trimmed(ledger.extents()),
        },
        corrupt: of(|r| r.corrupt),
        foreign: of(|r| r.foreign),
        unverified: of(|r| r.unverified),
        measured_intended: measured(|g| &g.measured_by_topic),
        measured_unsent_own: measured(|g| &g.measured_unsent_own),
        measured_in_time: of(|r| r.measured_in_time),
        first_received_ns: received.and_then(|r| r.between).map(|(first, _)| first),
        last_received_ns: received.and_then(|r| r.between).map(|(_, last)| last),
        backlog_max: parts.backlog_max.get(group).copied().unwrap_or(0),
        latency,
        lost_ranges: ranges.collect(),
        lost_ranges_left_out: unlisted,
        troubled_symbols: troubled(ledger, &settled, &named),
        by_topic: by_topic(plan, |topic| received.map_or(0, |r| r.by_topic[topic])),
    }
}

/// A list without the zeros at its end.
fn trimmed(counts: &[u64]) -> Vec<u64> {
    let used = counts.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1);
    counts[..used].to_vec()
}

/// The keys with most trouble: reordering and duplicates from the ledger, losses from the settlement.
fn troubled(
    ledger: &GroupLedger,
    settled: &measure::Settled,
    named: &impl Fn(usize) -> (String, String),
) -> Vec<SymbolTrouble> {
    let mut by_key: BTreeMap<usize, (u64, u64, u64)> = BTreeMap::new();
    for (key, trouble) in ledger.worst(usize::MAX) {
        by_key.insert(key, (0, trouble.duplicate, trouble.reordered));
    }
    for &(key, lost) in &settled.lost_by_key {
        by_key.entry(key).or_default().0 = lost;
    }
    let mut all: Vec<_> =
        by_key.into_iter().filter(|(_, (lost, twice, late))| lost + twice + late > 0).collect();
    all.sort_by_key(|(key, (lost, twice, late))| (std::cmp::Reverse(lost + twice + late), *key));
    all.truncate(LISTED);
    let show = |(key, (lost, duplicate, reordered))| {
        let (topic, symbol) = named(key);
        SymbolTrouble { topic, symbol, lost, duplicate, reordered }
    };
    all.into_iter().map(show).collect()
}

/// The exact result of each `windows.` objective on end-to-end latency.
fn windows(parts: &Parts<'_>, own: &Own) -> Vec<record::Window> {
    let wanted = parts.plan.objectives.iter().filter(|objective| objective.scope.windows);
    wanted.filter_map(|objective| window(parts, own, objective)).collect()
}

fn window(parts: &Parts<'_>, own: &Own, objective: &Objective) -> Option<record::Window> {
    let (Metric::Time(_, stat), Value::Time(limit)) = (objective.metric, objective.limit) else {
        return None;
    };
    let limits = crate::verdict::limits(parts.plan).latency;
    let (start, duration) = (parts.calendar.measure_start, parts.plan.load.duration);
    let mut merged = Windows::new(start, duration, WINDOW, &limits);
    let mut excess = Excess::new(start, duration, &limits);
    let mut due: Vec<Due> = Vec::new();
    for (group, named) in parts.plan.groups.iter().enumerate() {
        if objective.scope.group.as_ref().is_some_and(|name| *name != named.name) {
            continue;
        }
        let received = parts.ended.received[group].as_ref()?;
        // A group that received nothing has no windows, and adds nothing to those of the others but what it was due.
        let _ = merged.merge(&received.windows);
        excess.merge(&received.excess);
        due_to_group(&mut due, parts, group, received.windows.counts());
    }
    let excused = own.excused(&excess, limit.ns);
    let met = |of: fn(&Excused) -> u64| -> Option<Met> {
        let excused = excused.iter().map(of).chain(std::iter::repeat(0));
        let due: Vec<Due> = due.iter().zip(excused).map(|(due, excused)| Due { excused, ..*due }).collect();
        merged.met(stat, objective.op, limit.ns, &due)
    };
    let found = met(|second| second.explained())?;
    let without_saturated = met(|second| second.late + second.disturbed)?;
    let with_contended = met(|second| second.explained() + second.contended)?;
    Some(record::Window {
        name: objective.name(),
        met: found.met,
        total: found.total,
        unsure: found.unsure,
        saturated: found.unsure - without_saturated.unsure,
        contended: with_contended.unsure - found.unsure,
        samples: merged.counts().iter().sum(),
    })
}

/// Adds what was due to a group in each window. A window is held to the events that were really due in it: random ones
/// may leave one empty.
fn due_to_group(due: &mut Vec<Due>, parts: &Parts<'_>, group: usize, counts: &[u64]) {
    let topics = &parts.subscribed[group];
    let mut of_group: Vec<u64> = Vec::new();
    for windows in parts.ended.generated.iter().map(|generated| &generated.measured_by_window) {
        of_group.resize(of_group.len().max(windows.len()), 0);
        for (sum, by_topic) in of_group.iter_mut().zip(windows) {
            *sum += by_topic.iter().zip(topics).map(|(count, of)| if *of { *count } else { 0 }).sum::<u64>();
        }
    }
    due.resize(due.len().max(of_group.len()), Due::default());
    for (window, (sum, events)) in due.iter_mut().zip(of_group).enumerate() {
        sum.events += events;
        sum.silent |= events > 0 && counts.get(window).copied().unwrap_or(0) == 0;
    }
}
