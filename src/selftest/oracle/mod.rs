//! The oracle: derives the expected record of a simulated run naively from the truth about it.
//!
//! It knows the definitions (DESIGN, section 4) and the truth, sorts whole lists, scans them from the start,
//! and uses no code of `measure`, `verdict` or `load`.

mod dead_letters;
mod figures;
mod injection;
mod outages;
mod replays;
mod retry;
mod steps;
mod verdict;

use crate::market;
use crate::num;
use crate::record::{self, Record};

pub use figures::{Figures, GroupFigures};

use crate::bus::sim::{Outcome, Truth};
use crate::plan::Ns;

/// The quantiles in a record, in ten-thousandths.
const QUANTILES: [u64; 5] = [5000, 9000, 9900, 9990, 9999];

/// Every wrong figure of a record; empty if all are right.
#[must_use]
pub fn differences(record: &Record, truth: &Truth) -> Vec<String> {
    let figures = Figures::of(record, truth);
    let mut found = Findings::default();
    load(&mut found, record, &figures);
    for (index, (group, own)) in record.groups.iter().zip(&figures.groups).enumerate() {
        group_ledger(&mut found, record, index, group, (own, figures.audit.settled));
    }
    audit(&mut found, record, &figures);
    timeline(&mut found, record);
    verdict::check(&mut found, record, &figures);
    steps::check(&mut found, record, truth);
    outages::check(&mut found, record, truth);
    injection::check(&mut found, record, truth);
    open_bytes(&mut found, record, truth);
    retry::check(&mut found, record, truth);
    replays::check(&mut found, record, truth);
    dead_letters::check(&mut found, record, truth);
    found.0
}

/// Checks that no generator had more bytes open than its plan allows, except for a single larger event.
fn open_bytes(found: &mut Findings, record: &Record, truth: &Truth) {
    let most = record.plan.bus.most_bytes();
    for publisher in 0..record.plan.load.generators {
        let own = truth.events.iter().filter(|event| event.publisher == publisher);
        let taken: Vec<_> = own.filter(|event| !matches!(event.outcome, Outcome::Unsent(_))).collect();
        let starts = taken.iter().map(|event| (event.sent, 1, i64::from(event.bytes)));
        let answered = taken.iter().filter(|event| event.outcome != Outcome::Open);
        let mut changes: Vec<(Ns, i64, i64)> =
            starts.chain(answered.map(|event| (event.answer_arrived, -1, -i64::from(event.bytes)))).collect();
        // An answer makes room for an event of the same moment, except for that event's own answer.
        changes.sort_by_key(|&(at, events, _)| (at, events));
        let (mut open, mut bytes, mut worst) = (0_i64, 0_i64, 0_i64);
        for (_, events, change) in changes {
            (open, bytes) = (open + events, bytes + change);
            worst = if open > 1 { worst.max(bytes) } else { worst };
        }
        if u64::try_from(worst).unwrap_or(0) > most {
            found.0.push(format!("generator {publisher} had {worst} bytes open, but may have {most}"));
        }
    }
}

/// The differences found.
#[derive(Default)]
pub(super) struct Findings(Vec<String>);

impl Findings {
    #[expect(clippy::needless_pass_by_value, reason = "called with values made on the spot")]
    pub(super) fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, expected: T, reported: T) {
        if expected != reported {
            self.0.push(format!("{what}: {expected:?} happened, {reported:?} is reported"));
        }
    }

    fn near(&mut self, what: &str, expected: f64, reported: f64) {
        if (expected - reported).abs() > 1e-9 * expected.abs().max(1.0) {
            self.0.push(format!("{what}: {expected} happened, {reported} is reported"));
        }
    }

    /// Compares a distribution: exactly, except for its quantiles, which may be too high within 3 digits.
    fn latency(&mut self, what: &str, values: &[i64], reported: &record::Latency) {
        self.equal(&format!("{what}.count"), num::count(values.len()), reported.count);
        for limit in &reported.over_limit {
            let limit_ns = i64::try_from(limit.limit_ns).unwrap_or(i64::MAX);
            let above = values.iter().filter(|&&ns| ns > limit_ns).count();
            let equal = values.iter().filter(|&&ns| ns.max(0) == limit_ns).count();
            self.equal(&format!("{what} above {limit_ns} ns"), num::count(above), limit.above);
            self.equal(&format!("{what} at {limit_ns} ns"), num::count(equal), limit.equal);
        }
        if values.is_empty() {
            return;
        }
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        self.equal(&format!("{what}.min"), sorted[0], reported.min_ns);
        self.equal(&format!("{what}.max"), sorted[sorted.len() - 1], reported.max_ns);
        let sum: i128 = sorted.iter().map(|&ns| i128::from(ns)).sum();
        let mean = num::f64_of_signed(i64::try_from(sum).unwrap_or(i64::MAX))
            / num::f64_of(num::count(sorted.len()));
        self.near(&format!("{what}.mean"), mean, reported.mean_ns);
        self.equal(
            &format!("{what}.negative"),
            num::count(values.iter().filter(|&&ns| ns < 0).count()),
            reported.negative,
        );
        let shown =
            [reported.p50_ns, reported.p90_ns, reported.p99_ns, reported.p99_9_ns, reported.p99_99_ns];
        for (q, shown) in QUANTILES.into_iter().zip(shown) {
            let exact = u64::try_from(quantile(&sorted, q)).unwrap_or(0);
            if shown < exact || shown - exact > exact / 1000 {
                self.0.push(format!("{what}, quantile {q}/10000: {exact} happened, {shown} is reported"));
            }
        }
    }
}

/// The value of rank ⌈q·n⌉ of sorted values; q in ten-thousandths.
pub(super) fn quantile(sorted: &[i64], q: u64) -> i64 {
    let rank = (q * num::count(sorted.len())).div_ceil(10_000).max(1);
    sorted.get(num::index(rank) - 1).copied().unwrap_or(0)
}

fn load(found: &mut Findings, record: &Record, figures: &Figures) {
    let (load, own) = (&record.load, figures);
    found.equal("load.intended", own.intended, load.intended);
    found.equal("load.sent", own.intended - own.unsent, load.sent);
    found.equal("load.acked", own.acked, load.acked);
    found.equal("load.acked_duplicate", own.acked_duplicate, load.acked_duplicate);
    found.equal("load.refused", own.refused, load.refused);
    found.equal("load.unsent", own.unsent, load.unsent);
    found.equal("load.unconfirmed", own.unconfirmed, load.unconfirmed);
    found.equal("load.unconfirmed_disconnected", own.unconfirmed_disconnected, load.unconfirmed_disconnected);
    let counted = record.plan.bus.retries();
    found.equal("load.resent", counted.then_some(own.resent), load.resent);
    found.equal("load.gave_up", counted.then_some(own.gave_up), load.gave_up);
    found.equal("load.refusals", own.refused, load.refusals.iter().map(|r| r.count).sum());
    found.equal("load.refusals: not-sent", own.not_sent, load.not_sent());
    found.equal("load.measured_intended", own.measured_intended, load.measured_intended);
    found.equal("load.measured_sent", own.measured_sent, load.measured_sent);
    found.equal("load.measured_acked", own.measured_acked, load.measured_acked);
    found.equal("load.finished_late_ns", own.finished_late_ns, load.finished_late_ns);
    let rate = |events: u64| num::f64_of(events) / figures.seconds;
    found.near("load.offered_rate", rate(own.measured_intended), load.offered_rate);
    found.near("load.sent_rate", rate(own.measured_sent), load.sent_rate);
    found.near("load.acked_rate", rate(own.measured_acked), load.acked_rate);
    found.latency("send_lag", &own.send_lag, &load.send_lag);
    found.latency("ack", &own.ack, &load.ack);
    found.latency("service", &own.service, &load.service);
    let by_topic: Vec<(String, u64)> = load.by_topic.iter().map(|t| (t.topic.clone(), t.count)).collect();
    found.equal("load.by_topic", named(record, &own.by_topic), by_topic);
}

fn named(record: &Record, counts: &[u64]) -> Vec<(String, u64)> {
    let all = record.plan.topology.topics.iter().cloned().zip(counts.iter().copied());
    all.filter(|(_, count)| *count > 0).collect()
}

fn group_ledger(
    found: &mut Findings,
    record: &Record,
    index: usize,
    group: &record::Group,
    (own, settled): (&GroupFigures, bool),
) {
    let if_audited = |count: u64| if settled { count } else { 0 };
    let mut equal = |what: &str, expected: u64, reported: u64| {
        found.equal(&format!("{}.{what}", group.name), expected, reported);
    };
    equal("expected", own.expected, group.expected);
    equal("delivered", own.delivered, group.delivered);
    equal("lost", own.lost(), group.lost);
    equal("pending", own.pending, group.pending);
    equal("backlog_max", own.backlog_max, group.backlog_max);
    equal("lost_not_stored", if_audited(own.lost_not_stored), group.lost_not_stored);
    equal("lost_not_delivered", if_audited(own.lost_not_delivered), group.lost_not_delivered);
    equal("recovered", own.recovered, group.recovered);
    equal("unexpected", own.unexpected, group.unexpected);
    equal("redelivered", own.redelivered, group.redelivered);
    equal("duplicate", own.duplicate, group.duplicate);
    equal("reordered", num::count(own.extents.len()), group.reordered);
    equal("extents.max", own.extents.iter().copied().max().unwrap_or(0), group.extents.max);
    equal("extents.late_max_ns", own.late_max_ns, group.extents.late_max_ns);
    equal("corrupt", own.corrupt, group.corrupt);
    equal("foreign", own.foreign, group.foreign);
    equal("unverified", 0, group.unverified);
    equal("measured_intended", own.measured_intended, group.measured_intended);
    equal("measured_in_time", own.measured_in_time, group.measured_in_time);
    let mut by_power: Vec<u64> = Vec::new();
    for extent in &own.extents {
        let power = (0..63).find(|power| extent >> (power + 1) == 0).unwrap_or(0);
        by_power.resize(by_power.len().max(power + 1), 0);
        by_power[power] += 1;
    }
    found.equal(&format!("{}.extents", group.name), by_power, group.extents.by_power_of_two.clone());
    found.latency(&format!("{}.latency", group.name), &own.latency, &group.latency);
    let by_topic: Vec<(String, u64)> = group.by_topic.iter().map(|t| (t.topic.clone(), t.count)).collect();
    found.equal(&format!("{}.by_topic", group.name), named(record, &own.by_topic), by_topic);
    found.equal("groups' order", record.plan.groups[index].name.as_str(), group.name.as_str());
    places(found, record, group, own);
}

/// Compares the places of losses and other faults.
fn places(found: &mut Findings, record: &Record, group: &record::Group, own: &GroupFigures) {
    let symbols = market::names(&record.plan.market);
    let name = |topic: u32, symbol: u32| {
        (record.plan.topology.topics[num::index32(topic)].clone(), symbols[num::index32(symbol)].clone())
    };
    // Where some are pending, it is unknown which of the stored ones these are.
    if group.lost_ranges_left_out == 0 && own.pending == 0 {
        let mut lost: Vec<(String, String, u32)> = Vec::new();
        for &(topic, symbol, sequence) in &own.lost_events {
            let (topic, symbol) = name(topic, symbol);
            lost.push((topic, symbol, sequence));
        }
        lost.sort_unstable();
        let ranges = group.lost_ranges.iter();
        let mut shown: Vec<(String, String, u32)> = ranges
            .flat_map(|r| (r.first..=r.last).map(|sequence| (r.topic.clone(), r.symbol.clone(), sequence)))
            .collect();
        shown.sort_unstable();
        found.equal(&format!("{}.lost_ranges", group.name), lost, shown);
    }
    if group.troubled_symbols.len() < 100 {
        let sum = |of: fn(&record::SymbolTrouble) -> u64| group.troubled_symbols.iter().map(of).sum::<u64>();
        found.equal(
            &format!("{}.troubled_symbols: lost", group.name),
            own.lost() + own.pending,
            sum(|t| t.lost),
        );
        found.equal(
            &format!("{}.troubled_symbols: duplicate", group.name),
            own.duplicate,
            sum(|t| t.duplicate),
        );
        let reordered = num::count(own.extents.len());
        found.equal(&format!("{}.troubled_symbols: reordered", group.name), reordered, sum(|t| t.reordered));
    }
}

fn audit(found: &mut Findings, record: &Record, figures: &Figures) {
    let Some(audit) = &record.audit else { return };
    let own = &figures.audit;
    found.equal("audit.complete", true, audit.complete);
    found.equal("audit.read", own.read, audit.read);
    found.equal("audit.acked", figures.acked, audit.acked);
    found.equal("audit.stored_once", own.stored_once, audit.stored_once);
    found.equal("audit.replayed", own.perfect, audit.replayed);
    found.equal("audit.missing", own.missing, audit.missing);
    found.equal("audit.stored_twice", own.stored_twice, audit.stored_twice);
    found.equal("audit.out_of_order", own.out_of_order, audit.out_of_order);
    found.equal("audit.unconfirmed_stored", own.unconfirmed_stored, audit.unconfirmed_stored);
    found.equal("audit.foreign", own.foreign, audit.foreign);
    found.equal("audit.corrupt", own.corrupt, audit.corrupt);
    found.equal("audit.diverged", own.diverged, audit.diverged);
    let replicas = audit.replicas.iter().map(|copy| copy.complete.then_some(copy.events)).collect();
    found.equal("audit.replicas", own.replicas.clone(), replicas);
    found.equal("audit: a loss is settled", own.settled, audit.settles_loss());
}

/// Checks that the seconds add up to the whole.
fn timeline(found: &mut Findings, record: &Record) {
    let load = &record.load;
    let sum = |of: fn(&record::Row) -> u64| record.timeline.iter().map(of).sum::<u64>();
    found.equal("timeline: intended", load.intended, sum(|row| row.intended));
    found.equal("timeline: sent", load.sent, sum(|row| row.sent));
    found.equal("timeline: acked", load.acked, sum(|row| row.acked));
    found.equal("timeline: refused", load.refused, sum(|row| row.refused));
    found.equal("timeline: unsent", load.unsent, sum(|row| row.unsent));
    found.equal("timeline: unconfirmed", load.unconfirmed, sum(|row| row.unconfirmed));
    for (index, group) in record.groups.iter().enumerate() {
        let rows = || record.timeline.iter().map(move |row| &row.groups[index]);
        let name = &group.name;
        let mut equal = |what: &str, all: u64, of: fn(&record::GroupRow) -> u64| {
            found.equal(&format!("timeline: {name}.{what}"), all, rows().map(of).sum());
        };
        equal("delivered", group.delivered, |row| row.delivered);
        equal("redelivered", group.redelivered, |row| row.redelivered);
        equal("duplicate", group.duplicate, |row| row.duplicate);
        equal("reordered", group.reordered, |row| row.reordered);
        equal("corrupt", group.corrupt, |row| row.corrupt);
        equal("foreign", group.foreign, |row| row.foreign);
        equal("latency", group.delivered, |row| row.latency.count);
    }
}
