//! Assembles a record from the figures that a crew leaves.

use std::collections::BTreeMap;

use crate::bus::{BusFacts, Refusal};
use crate::host::build;
use crate::host::clock::utc;
use crate::host::facts::Facts;
use crate::market;
use crate::measure::{self, GroupLedger, Latency, Limits, PublishLedger, settle};
use crate::num;
use crate::plan::Plan;
use crate::record::{
    self, End, Environment, Extents, Health, LostRange, Record, Resources, Run, SCHEMA, SymbolTrouble,
    TopicCount, Verdict,
};

use super::by_fault;
use super::by_step;
use super::explain::{OwnDelays, windows};
use super::generator::Generated;
use super::given_up;
use super::identity::Identity;
use super::parts::Parts;
use super::ready::describe;
use super::receiver::{Received, Stored};
use super::replay;
use super::takeover;

/// The longest list of lost ranges, and of troubled symbols, in the record of a group.
const LISTED: usize = 100;

/// The record before the load: everything except figures and verdict.
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
    broker.made.clone_from(&facts.made);
    broker.settings.extend(facts.settings.iter().cloned());
    broker.settings.insert("max_payload".into(), facts.max_payload.to_string());
    Record {
        schema: SCHEMA.into(),
        run: Run {
            id: identity.id.clone(),
            profile: plan.name.clone(),
            tickgate: build::VERSION.into(),
            tickgate_commit: build::commit().map(str::to_owned),
            tags: identity.tags.clone(),
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
        steps: Vec::new(),
        faults: record::Faults::default(),
        replays: Vec::new(),
        timeline: Vec::new(),
        resources: Resources::default(),
        health: Health::default(),
        rules: 0,
        objectives: Vec::new(),
        verdict: Verdict::Inconclusive,
    }
}

/// Describes the machine and the build.
pub(super) fn machine(facts: &Facts) -> Environment {
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

/// Fills in the figures of publishing and receiving, the audit and the windows.
pub(super) fn fill(record: &mut Record, parts: &Parts<'_>) {
    let own = OwnDelays::of(record, parts);
    let seconds = record.measured_seconds();
    record.load = load(parts, &own, seconds);
    record.windows = windows(parts, &own);
    record.steps = by_step::figures(parts, &own, num::u64_of(seconds * 1e9));
    by_fault::fill(record, parts, &own, num::u64_of(seconds * 1e9));
    replay::fill(record, parts);
    takeover::fill(record, parts);
    record.faults.dead_letters = given_up::account(parts);
    record.audit = parts.audit.as_ref().map(|stored| audit(&parts.ended.published, stored));
    let settled = record.audit.as_ref().is_some_and(record::Audit::settles_loss);
    let stored = parts.audit.as_ref().filter(|_| settled).map(|stored| stored.ledger.ledger());
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

fn load(parts: &Parts<'_>, own: &OwnDelays, seconds: f64) -> record::Load {
    let all = &parts.ended.generated;
    let totals = parts.ended.published.totals();
    let sum = |of: fn(&Generated) -> u64| all.iter().map(of).sum::<u64>();
    let counted = parts.plan.bus.counts_copies();
    let rate = |events: u64| if seconds > 0.0 { num::f64_of(events) / seconds } else { 0.0 };
    let limits: Limits = crate::verdict::limits(parts.plan);
    let ack = own.explained_of_all(&limits.ack, all);
    let least = all.iter().filter_map(|g| g.least_offered).min_by(|a, b| a.reached().total_cmp(&b.reached()));
    let full = all.iter().map(|g| g.window_full_ns).max();
    let measured_intended = all.iter().flat_map(|g| &g.measured_by_topic).sum();
    let (measured_sent, measured_acked) = (sum(|g| g.measured_sent), sum(|g| g.measured_acked));
    let mut refusals: BTreeMap<Refusal, u64> = BTreeMap::new();
    for (why, count) in all.iter().flat_map(|g| &g.refusals) {
        *refusals.entry(*why).or_insert(0) += count;
    }
    let mut refusals: Vec<_> = refusals.into_iter().map(|(why, count)| describe(why, count)).collect();
    let too_large = sum(|g| g.too_large);
    if too_large > 0 {
        refusals.push(record::Refusal {
            reason: record::Load::TOO_LARGE.into(),
            said: None,
            count: too_large,
        });
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
        resent: counted.then(|| sum(|g| g.resent)),
        gave_up: counted.then(|| sum(|g| g.gave_up)),
        open: 0,
        refusals,
        measured_intended,
        measured_sent,
        measured_acked,
        measured_unsent_own: all.iter().flat_map(|g| &g.measured_unsent_own).sum(),
        least_offered: least.map(by_step::offered_words),
        window_full: full.filter(|_| seconds > 0.0).map(|ns| (num::f64_of(ns) / 1e9 / seconds).min(1.0)),
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

/// Counts by topic, without the topics that have no events.
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
    own: &OwnDelays,
    group: usize,
    received: Option<&Received>,
    stored: Option<&GroupLedger>,
    symbols: &[String],
) -> record::Group {
    let plan = parts.plan;
    let (subscribed, keys) = (parts.subscriptions.group(group), plan.keys());
    let nothing = GroupLedger::new(keys.count());
    let ledger = received.map_or(&nothing, |received| &received.ledger);
    let owed = parts.owed.get(group).copied().unwrap_or(0);
    let of_group = |key: usize| subscribed.contains(keys.topic(key));
    let settled = settle(&parts.ended.published, ledger, of_group, stored, owed);
    let totals = ledger.totals();
    let measured = |of: fn(&Generated) -> &Vec<u64>| -> u64 {
        subscribed.iter().map(|topic| parts.ended.generated.iter().map(|g| of(g)[topic]).sum::<u64>()).sum()
    };
    let named =
        |key: usize| (plan.topology.topics[keys.topic(key)].clone(), symbols[keys.symbol(key)].clone());
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
        topics: subscribed.iter().map(|topic| plan.topology.topics[topic].clone()).collect(),
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
        backlog_max: parts.backlogs.max.get(group).copied().unwrap_or(0),
        latency: received.map_or_else(record::Latency::default, |r| own.explained(&r.latency, &r.excess)),
        lost_ranges: ranges.collect(),
        lost_ranges_left_out: unlisted,
        troubled_symbols: troubled(ledger, &settled, &named),
        by_topic: by_topic(plan, |topic| received.map_or(0, |r| r.by_topic[topic])),
    }
}

/// The list without its trailing zeros.
fn trimmed(counts: &[u64]) -> Vec<u64> {
    let used = counts.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1);
    counts[..used].to_vec()
}

/// The keys with the most trouble: reordering and duplicates from the ledger, losses from the settlement.
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
