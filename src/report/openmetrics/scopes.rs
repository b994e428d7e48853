//! The figures of the scopes that faults make of the measure phase, each with the label `scope`. A scope that the run has not reached
//! has no samples.

use std::collections::BTreeSet;

use super::{Out, times};
use crate::num;
use crate::record::{Latency, Outage, Record, ScopeFigures};

/// The families; none for a run without scopes.
pub(super) fn scopes(out: &mut Out, record: &Record) {
    // A sample is there once, whatever a record made elsewhere holds.
    let mut names = BTreeSet::new();
    let scopes = record.faults.scopes.iter().filter(|scope| names.insert(scope.name.as_str()));
    let all: Vec<&ScopeFigures> = scopes.collect();
    if all.is_empty() {
        return;
    }
    let family = "tickgate_scope_time_seconds";
    out.family(family, "summary", "seconds", "Times of the events that were due in a scope.");
    for scope in &all {
        let mut summary = |time: &str, group: &str, latency: Option<&Latency>| {
            if let Some(latency) = latency {
                times(out, family, &[("scope", &scope.name), ("time", time), ("group", group)], latency);
            }
        };
        summary("send_lag", "", Some(&scope.figures.send_lag));
        summary("ack", "", scope.figures.ack.as_ref());
        summary("service", "", scope.figures.service.as_ref());
        for group in &scope.figures.groups {
            summary("latency", &group.name, Some(&group.latency));
        }
    }
    events(out, &all);
    unavailable(out, &all);
}

fn events(out: &mut Out, all: &[&ScopeFigures]) {
    let family = "tickgate_scope_events";
    let help = "Events due in a scope: those of the publishing side (an empty group), and those on the topics of each group.";
    out.family(family, "gauge", "events", help);
    for scope in all {
        let mut sample = |group: &str, outcome: &str, n: u64| {
            let labels = [("scope", scope.name.as_str()), ("group", group), ("outcome", outcome)];
            out.sample(family, &labels, num::f64_of(n));
        };
        let figures = &scope.figures;
        sample("", "due", figures.due);
        sample("", "sent", figures.sent);
        sample("", "acked", figures.acked);
        for group in &figures.groups {
            sample(&group.name, "due", group.due);
            sample(&group.name, "in_time", group.in_time);
        }
    }
}

fn unavailable(out: &mut Out, all: &[&ScopeFigures]) {
    let family = "tickgate_scope_unavailable_seconds";
    let help = "How long the bus was unavailable in a scope for a group, or for publishing (an empty group).";
    out.family(family, "gauge", "seconds", help);
    for scope in all {
        let mut sample = |group: &str, outage: &Outage| {
            let labels = [("scope", scope.name.as_str()), ("group", group)];
            out.sample(family, &labels, num::f64_of(outage.unavailable_ns) / 1e9);
        };
        sample("", &scope.availability.publishing);
        for group in &scope.availability.groups {
            sample(&group.name, &group.outage);
        }
    }
}
