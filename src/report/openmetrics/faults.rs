//! Gauges of each fault. Faults and groups are those of the plan, so that two runs of a plan have the same samples.

use super::Out;
use crate::num;
use crate::record::{Effect, Fault, Injection, Outage, Record};

/// A fault by its name, and its record where the run has one.
type Named<'a> = (&'a str, Option<&'a Fault>);

/// Reads a time of an outage.
type Duration = fn(&Outage) -> u64;
/// Reads a count of an effect.
type Count = fn(&Effect) -> u64;

/// The gauges; none for a plan without faults.
pub(super) fn faults(out: &mut Out, record: &Record) {
    let injected = &record.faults.injected;
    let of = |name: &str| injected.iter().find(|fault| fault.name == name);
    let mut all: Vec<Named<'_>> =
        record.plan.faults.iter().map(|planned| (planned.name.as_str(), of(&planned.name))).collect();
    if all.is_empty() {
        all = injected.iter().map(|fault| (fault.name.as_str(), Some(fault))).collect();
    }
    // A sample is there once, whatever a record made elsewhere holds.
    let mut names = std::collections::BTreeSet::new();
    all.retain(|(name, _)| names.insert(*name));
    if all.is_empty() {
        return;
    }
    unavailable(out, record, &all);
    let seconds = |ns: Option<u64>| ns.map_or(f64::NAN, |ns| num::f64_of(ns) / 1e9);
    let recovery = "tickgate_fault_recovery_seconds";
    out.family(recovery, "gauge", "seconds", "From the planned start of a fault until all was normal again.");
    for (name, fault) in &all {
        out.sample(recovery, &[("fault", name)], seconds(effect(*fault).and_then(|e| e.recovery_ns)));
    }
    let after = "tickgate_fault_recovery_after_undo_seconds";
    out.family(after, "gauge", "seconds", "From the undo of a fault until all was normal again.");
    for (name, fault) in &all {
        out.sample(after, &[("fault", name)], seconds(effect(*fault).and_then(|e| e.after_undo_ns)));
    }
    events(out, &all);
    let help = "1 for how the injection of a fault went, 0 for the others.";
    out.family("tickgate_fault_outcome", "gauge", "", help);
    for (name, fault) in &all {
        for outcome in Injection::ALL {
            let is = fault.is_some_and(|fault| fault.outcome == outcome);
            let labels = [("fault", *name), ("outcome", outcome.as_str())];
            out.sample("tickgate_fault_outcome", &labels, if is { 1.0 } else { 0.0 });
        }
    }
}

/// The effect of a fault that happened.
fn effect(fault: Option<&Fault>) -> Option<&Effect> {
    fault.and_then(Fault::felt)
}

/// How long the bus was unavailable: for publishing with an empty group, and for each group.
fn unavailable(out: &mut Out, record: &Record, all: &[Named<'_>]) {
    let families: [(&str, &str, Duration); 2] = [
        (
            "tickgate_fault_unavailable_seconds",
            "How long a fault made the bus unavailable for a group, or for publishing (an empty group).",
            |outage| outage.unavailable_ns,
        ),
        (
            "tickgate_fault_longest_unavailable_seconds",
            "The longest time without interruption in which it was unavailable.",
            |outage| outage.longest_ns,
        ),
    ];
    for (family, help, figure) in families {
        out.family(family, "gauge", "seconds", help);
        for (name, fault) in all {
            let effect = effect(*fault);
            let mut sample = |group: &str, outage: Option<&Outage>| {
                let value = outage.map_or(f64::NAN, |outage| num::f64_of(figure(outage)) / 1e9);
                out.sample(family, &[("fault", *name), ("group", group)], value);
            };
            sample("", effect.map(|effect| &effect.publishing));
            for group in &record.groups {
                let known = effect.and_then(|e| e.groups.iter().find(|of| of.name == group.name));
                sample(&group.name, known.map(|known| &known.outage));
            }
        }
    }
}

fn events(out: &mut Out, all: &[Named<'_>]) {
    let family = "tickgate_fault_events";
    let help = "Events due from the planned start of a fault until it had to be settled.";
    out.family(family, "gauge", "events", help);
    let outcomes: [(&str, Count); 6] = [
        ("due", |e| e.due),
        ("acked", |e| e.acked),
        ("refused", |e| e.refused),
        ("unconfirmed", |e| e.unconfirmed),
        ("unsent", |e| e.unsent),
        ("resent", |e| e.resent),
    ];
    for (name, fault) in all {
        for (outcome, figure) in outcomes {
            let value = effect(*fault).map_or(f64::NAN, |effect| num::f64_of(figure(effect)));
            out.sample(family, &[("fault", *name), ("outcome", outcome)], value);
        }
    }
}
