//! The fairness table: settings and conditions of both sides.

use std::collections::{BTreeMap, BTreeSet};

use super::load::of_side;
use super::plans::flat;
use super::standing::completed;
use super::{Ledger, Outcome, Pair, Row, Side, SideInput, Trial};
use crate::num::{self, show};
use crate::plan::Words;
use crate::record::{End, Record, Verdict};
use crate::stats;

/// Settings left out of the table: names that differ in every run, and bounds derived from the volume.
const IDLE: [&str; 10] = [
    "nodes",
    "server",
    "server_name",
    "cluster_id",
    "subjects",
    "max_payload",
    "address",
    "market.seed",
    "bus.max_bytes",
    "bus.max_age",
];

/// Sums up a side over all its runs.
pub(super) fn side(setup: &SideInput, pairs: &[Pair], of: fn(&Pair) -> &Trial) -> Side {
    let trials = || pairs.iter().map(of);
    let count = |outcome: Outcome| num::count32(trials().filter(|t| t.outcome == outcome).count());
    let sum = |of: fn(&Ledger) -> u64| trials().map(|t| of(&t.ledger)).sum();
    let of_completed =
        |of: fn(&Ledger) -> u64| trials().filter(|t| completed(t)).map(|t| of(&t.ledger)).sum::<u64>();
    let lost = of_completed(|l| l.lost);
    let broke =
        |t: &&Trial| t.outcome == Outcome::Failed && t.end.is_none_or(|end| matches!(end, End::BrokerFailed));
    let broker = setup.sample.as_ref().map(|record| &record.broker);
    Side {
        label: setup.label.clone(),
        overrides: setup.overrides.clone(),
        product: broker
            .map_or_else(String::new, |b| format!("{} {}", b.product, b.version).trim().to_owned()),
        mode: broker.map_or_else(String::new, |b| b.mode.clone()),
        durability: broker.map_or_else(String::new, |b| b.durability.clone()),
        measured: count(Outcome::Measured),
        unfit: count(Outcome::Unfit),
        failed: count(Outcome::Failed),
        broke: num::count32(trials().filter(broke).count()),
        missed: num::count32(trials().filter(|t| t.verdict == Some(Verdict::Fail)).count()),
        load: of_side(pairs, of),
        ledger: Ledger {
            lost,
            open: sum(|l| l.open + l.lost) - lost,
            expected: of_completed(|l| l.expected),
            delivered: sum(|l| l.delivered),
            corrupt: sum(|l| l.corrupt),
            duplicate: sum(|l| l.duplicate),
            reordered: sum(|l| l.reordered),
        },
        unsteady: num::count32(trials().filter(|t| t.steady.is_some_and(|s| !s.steady)).count()),
    }
}

/// Name of a row, and its text for a side.
type InWords = (&'static str, fn(&Record) -> String);

/// Settings that two kinds of bus name differently or have by default.
const IN_WORDS: [InWords; 5] = [
    ("an event is confirmed by", |r| (words(r).confirmed_by)(&r.plan.bus)),
    ("the disk is forced", |r| (words(r).forced)(&r.plan.bus, &r.broker.mode)),
    ("events sent together", |r| (words(r).sent)(&r.plan.bus)),
    ("events fetched together", |r| (words(r).fetched)(&r.plan.bus, r.broker.pushed())),
    ("handled events are acknowledged", |r| (words(r).acknowledged)(&r.plan.bus)),
];

/// Is this the name of a row of [`IN_WORDS`]?
pub(crate) fn in_words(name: &str) -> bool {
    IN_WORDS.iter().any(|(of, _)| *of == name)
}

/// The table: durability, then the differences, then other settings that affect the figures, then the conditions.
pub(super) fn rows(samples: Option<(&Record, &Record)>, pairs: &[Pair]) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some((a, b)) = samples {
        let row = |name: &str, of: fn(&Record) -> String| {
            let (a, b) = (of(a), of(b));
            Row { name: name.into(), differs: a != b, a, b }
        };
        rows.push(row("an acknowledgement means", |r| r.broker.durability.clone()));
        rows.push(row("broker", |r| format!("{} {}", r.broker.product, r.broker.versions())));
        rows.push(row("how it is reached", |r| r.broker.mode.clone()));
        if [a, b].iter().any(|record| !record.broker.nodes.is_empty()) {
            rows.push(row("CPU and memory of the broker are those of", |r| used_by(r).to_owned()));
        }
        if a.plan.bus.kind != b.plan.bus.kind {
            rows.extend(IN_WORDS.map(|(name, of)| row(name, of)));
        }
        let (a, b) = (settings(a), settings(b));
        let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        let of =
            |map: &BTreeMap<String, String>, key: &str| map.get(key).cloned().unwrap_or_else(|| "–".into());
        let mut settings: Vec<Row> = keys
            .into_iter()
            .map(|key| Row {
                name: key.clone(),
                a: of(&a, key),
                b: of(&b, key),
                differs: a.get(key) != b.get(key),
            })
            .filter(|row| row.differs || matters(&row.name))
            .collect();
        settings.sort_by_key(|row| !row.differs);
        rows.extend(settings);
    }
    rows.extend(conditions(pairs));
    rows
}

/// Whose CPU and memory the figures are.
fn used_by(record: &Record) -> &'static str {
    match (record.broker.nodes.is_empty(), record.resources.brokers.is_empty()) {
        (false, _) => "whole servers, other clients' traffic included",
        (true, false) => "servers that tickgate started",
        (true, true) => "nobody: not known",
    }
}

/// What the product of a record does with its plan, in words.
const fn words(record: &Record) -> &'static Words {
    &record.plan.bus.kind.product().words
}

/// All requested settings, and the facts that the broker reports.
fn settings(record: &Record) -> BTreeMap<String, String> {
    let mut all = flat(&record.plan);
    let kind = all.get("bus.kind").cloned().unwrap_or_default();
    // The table of another kind of bus (`bus.kafka.linger`) does not apply.
    all.retain(|key, _| match key.strip_prefix("bus.").and_then(|key| key.split_once('.')) {
        Some((of, _)) => of == kind,
        None => true,
    });
    all.retain(|key, _| !IDLE.contains(&key.as_str()));
    if record.broker.pushed().all() {
        all.remove(&format!("bus.{kind}.pull_batch"));
    }
    let asked = |name: &str| {
        [format!("bus.{name}"), format!("bus.{kind}.{name}")].iter().any(|key| all.contains_key(key))
    };
    let own =
        record.broker.settings.iter().filter(|(name, _)| !IDLE.contains(&name.as_str()) && !asked(name));
    let own: Vec<_> = own.map(|(name, value)| (format!("broker: {name}"), value.clone())).collect();
    all.extend(own);
    if let Some((_, Some(are))) = record.resources.stored() {
        all.insert("broker: bytes stored are".to_owned(), are.words().to_owned());
    }
    all
}

/// Is the setting shown even if it is the same on both sides?
fn matters(key: &str) -> bool {
    key.starts_with("bus.") || key.starts_with("broker: ") || key == "load.rate" || key == "market.event_size"
}

/// Conditions of the runs: tickgate's send lag, hiccups of the machine, steady state.
fn conditions(pairs: &[Pair]) -> Vec<Row> {
    let trials = |of: fn(&Pair) -> &Trial| pairs.iter().map(of).filter(|t| t.outcome == Outcome::Measured);
    let times = |of: fn(&Pair) -> &Trial, ns: fn(&Trial) -> u64| {
        let values: Vec<f64> = trials(of).map(|t| num::f64_of(ns(t))).collect();
        stats::median(&values).map_or_else(|| "–".to_owned(), |ns| show::time(num::u64_of(ns)))
    };
    let steady = |of: fn(&Pair) -> &Trial| {
        let known: Vec<bool> = trials(of).filter_map(|t| Some(t.steady?.steady)).collect();
        if known.is_empty() {
            return "too short to judge".to_owned();
        }
        format!("{} of {} runs", known.iter().filter(|s| **s).count(), known.len())
    };
    let row = |name: &str, a: String, b: String| Row { name: name.into(), a, b, differs: false };
    let a: fn(&Pair) -> &Trial = |p| &p.a;
    let b: fn(&Pair) -> &Trial = |p| &p.b;
    vec![
        row("latency steady while measured", steady(a), steady(b)),
        row("send lag of tickgate, p99", times(a, |t| t.send_lag_p99_ns), times(b, |t| t.send_lag_p99_ns)),
        row("pauses of the machine, p99.9", times(a, |t| t.hiccup_p99_9_ns), times(b, |t| t.hiccup_p99_9_ns)),
    ]
}
