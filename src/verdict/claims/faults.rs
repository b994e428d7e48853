//! What the faults of a run show of the ADR's claims: one sentence for each claim, from the figures alone.
//!
//! A fault that was late or was not injected shows nothing, and a count of losses never stands without the share of the events that
//! were refused.

use std::fmt::Write as _;

use super::dead_letters::kept;
use super::{Claim, PROPAGATION_NS, Support, timed};
use crate::num::{self, show};
use crate::plan::{Expect, Ns};
use crate::record::{Effect, End, Fault, Injection, Record, Recovery, ScopeFigures};

/// Faults listed in a sentence.
const LISTED: usize = 4;
/// How long a cluster may be unavailable after the failure of a node: twice the election of a leader.
const UNAVAILABLE_NS: u64 = 10_000_000_000;

/// Faults that restart a service, or end it for the time of the fault.
const RESTARTS: [&str; 9] = [
    "kill",
    "restart",
    "lame-duck",
    "rolling-restart",
    "rolling-upgrade",
    "write-error",
    "power-loss",
    "crash-member",
    "restart-group",
];
/// Faults of a part of the cluster.
const OF_NODES: [&str; 10] = [
    "kill",
    "stop",
    "restart",
    "lame-duck",
    "rolling-restart",
    "rolling-upgrade",
    "step-down",
    "partition",
    "write-error",
    "power-loss",
];
/// Faults of a part of a group.
const OF_MEMBERS: [&str; 2] = ["crash-member", "restart-group"];

/// The claims that a run with faults says something about; none for a run without faults.
#[must_use]
pub fn of_faults(record: &Record) -> Vec<Claim> {
    if record.faults.injected.is_empty() {
        return Vec::new();
    }
    let mut claims = vec![survival(record)];
    claims.extend([clusters(record), around(record), groups(record), kept(record)].into_iter().flatten());
    claims
}

/// How many of the confirmed events were lost: `0 of 24,000 confirmed events were lost`. `None` if neither the stream was read back
/// nor the run completed, or if a copy of the stream that was not read may hold what the others lack.
#[must_use]
pub fn loss(record: &Record) -> Option<String> {
    lost(record).map(|(_, said)| said)
}

/// The number, and the sentence.
fn lost(record: &Record) -> Option<(u64, String)> {
    if let Some(audit) = record.audit.as_ref().filter(|audit| audit.complete) {
        if !audit.settles_loss() {
            return None;
        }
        let (lost, acked) = (show::count(audit.missing), show::count(audit.acked));
        return Some((audit.missing, format!("{lost} of {acked} confirmed events were lost")));
    }
    if record.run.end != End::Completed || record.groups.is_empty() {
        return None;
    }
    let lost = num::sum(record.groups.iter().map(|group| group.lost));
    let due = num::sum(record.groups.iter().map(|group| group.expected));
    let (n, of) = (show::count(lost), show::count(due));
    Some((
        lost,
        format!("{n} of {of} deliveries of confirmed events were lost (the stream was not read back)"),
    ))
}

/// The faults with one of these actions that went as planned.
fn shown<'a>(record: &'a Record, actions: &[&str]) -> Vec<&'a Fault> {
    let all = record.faults.injected.iter();
    all.filter(|fault| fault.outcome == Injection::Done && actions.contains(&fault.action.as_str())).collect()
}

/// The faults that show nothing, in words; empty if there are none.
fn nothing_shown(record: &Record) -> String {
    let all = record.faults.injected.iter().filter(|fault| fault.outcome != Injection::Done);
    let all: Vec<String> = all
        .map(|fault| {
            let word = match fault.outcome {
                Injection::Late => "more than 250 ms off its plan",
                Injection::Failed => "failed halfway",
                Injection::NotUndone => "was not undone",
                _ => "was not injected",
            };
            format!("{} ({word})", fault.name)
        })
        .collect();
    if all.is_empty() { String::new() } else { format!("nothing is shown by {}", listed(&all, ", ")) }
}

/// The first of several texts, and how many more there are.
fn listed(all: &[String], between: &str) -> String {
    let first = all.iter().take(LISTED).cloned().collect::<Vec<_>>().join(between);
    match all.len().saturating_sub(LISTED) {
        0 => first,
        more => format!("{first}{between}and {}", show::several(num::count(more), "more fault")),
    }
}

/// Joins the parts that are not empty.
fn sentence(parts: &[String]) -> String {
    parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("; ")
}

/// What became of the events due in a fault's scope, other than a confirmation.
fn served(effect: &Effect) -> String {
    let unserved = effect.unserved().into_iter().filter(|(n, _)| *n > 0);
    let shares: Vec<(String, &str)> =
        unserved.map(|(n, what)| (show::small_part(n, effect.due), what)).collect();
    let due = show::count(effect.due);
    let mut said = match shares.as_slice() {
        [] => format!("{} of the {due} due events were confirmed", show::count(effect.acked)),
        [(share, what), rest @ ..] => {
            let rest: Vec<String> = rest.iter().map(|(share, what)| format!(", {share} {what}")).collect();
            format!("{share} of the {due} due events were {what}{}", rest.concat())
        }
    };
    if effect.resent > 0 {
        // Writing to a String cannot fail.
        let _ = write!(said, ", {} sent more than once", show::count(effect.resent));
    }
    said
}

fn unavailable(ns: u64, what: &str) -> String {
    if ns == 0 {
        format!("{what} was always available")
    } else {
        format!("{what} was unavailable for {}", show::time(ns))
    }
}

fn of_publishing(fault: &Fault) -> String {
    let what = fault.in_words_with_length();
    match &fault.effect {
        Some(effect) => format!(
            "{what}: {}, {}",
            unavailable(effect.publishing.unavailable_ns, "publishing"),
            served(effect)
        ),
        None => format!("{what}: the run ended before its effect was known"),
    }
}

fn survival(record: &Record) -> Claim {
    let says = "Events survive restarts of services";
    let faults = shown(record, &RESTARTS);
    let of_each: Vec<String> = faults.iter().map(|fault| of_publishing(fault)).collect();
    let lost = lost(record);
    let whole = faults.iter().all(|fault| {
        fault.effect.as_ref().is_some_and(|effect| effect.unserved().iter().all(|(n, _)| *n == 0))
    });
    let untested = if whole || faults.is_empty() {
        String::new()
    } else {
        "events that were not confirmed may be missing, and are not counted as lost".into()
    };
    let measured = sentence(&[
        loss(record).unwrap_or_else(|| "how many confirmed events were lost is not known".into()),
        if of_each.is_empty() { "nothing was restarted as planned".into() } else { listed(&of_each, "; ") },
        untested,
        nothing_shown(record),
        format!("an acknowledgement means: {}", record.broker.durability),
    ]);
    let support = match lost {
        Some((lost, _)) if lost > 0 => Support::Contradicted,
        Some(_) if whole && !faults.is_empty() => Support::Supported,
        // A publisher that does not send a refused event again has not tested whether it would survive.
        _ => Support::NotTested,
    };
    Claim::new(says, measured, support)
}

/// Was the whole bus meant to fail?
fn is_outage(record: &Record, fault: &Fault) -> bool {
    let planned = record.plan.faults.iter().find(|planned| planned.name == fault.name);
    planned.is_some_and(|planned| planned.expect == Expect::Outage)
        || ["majority", "all"].contains(&fault.target.as_str()) && !fault.action.starts_with("rolling-")
}

fn clusters(record: &Record) -> Option<Claim> {
    let faults = shown(record, &OF_NODES).into_iter().filter(|fault| !is_outage(record, fault));
    let faults: Vec<&Fault> = faults.collect();
    if faults.is_empty() || record.faults.nodes.len() < 2 {
        return None;
    }
    let of_each: Vec<String> = faults.iter().map(|fault| of_availability(fault)).collect();
    let after = record.faults.scope("after").and_then(p99);
    let said = after.map_or_else(String::new, |ns| {
        format!("after the faults p99 {} to the slowest group", show::time(ns))
    });
    let each = faults.iter().map(|fault| carried_on(fault));
    let support = match each.reduce(worse) {
        Some(Support::Supported) => match after {
            Some(ns) => timed(record, ns < PROPAGATION_NS),
            None => Support::NotTested,
        },
        Some(other) => other,
        None => Support::NotTested,
    };
    let measured = sentence(&[listed(&of_each, "; "), said]);
    Some(Claim::new("Horizontal clusters carry on when a node fails", measured, support))
}

fn of_availability(fault: &Fault) -> String {
    let what = fault.in_words_with_length();
    let Some(effect) = &fault.effect else {
        return format!("{what}: the run ended before its effect was known");
    };
    let group = effect.worst_group().filter(|group| group.outage.unavailable_ns > 0);
    let group = group.map_or_else(String::new, |group| {
        format!(", {}", unavailable(group.outage.unavailable_ns, &group.name))
    });
    let publishing = unavailable(effect.publishing.unavailable_ns, "publishing");
    format!("{what}: {publishing}{group}, {}, {}", recovered(fault), served(effect))
}

fn recovered(fault: &Fault) -> String {
    match fault.recovery() {
        Recovery::Reached(after) => format!("all was normal after {}", show::time(after)),
        Recovery::NotReached(observed) => format!("all was not normal within {}", show::time(observed)),
        Recovery::Unknown => "too little was observed to see a recovery".into(),
    }
}

/// Does the service go on, interrupted for no longer than a cluster needs to elect?
fn carried_on(fault: &Fault) -> Support {
    let Some(effect) = &fault.effect else { return Support::NotTested };
    let down = effect.groups.iter().map(|group| group.outage.unavailable_ns);
    let down = down.fold(effect.publishing.unavailable_ns, u64::max);
    match fault.recovery() {
        _ if down > UNAVAILABLE_NS => Support::Contradicted,
        Recovery::Reached(_) => Support::Supported,
        Recovery::NotReached(_) => Support::Contradicted,
        Recovery::Unknown => Support::NotTested,
    }
}

fn worse(a: Support, b: Support) -> Support {
    let rank = |support| match support {
        Support::Supported => 0,
        Support::NotTested => 1,
        Support::Contradicted => 2,
    };
    if rank(a) >= rank(b) { a } else { b }
}

/// The largest p99 of the groups in a scope; `None` where one of them received nothing that was due, or less than 99 % of it.
fn p99(scope: &ScopeFigures) -> Option<Ns> {
    let due: Vec<_> = scope.figures.groups.iter().filter(|group| group.due > 0).collect();
    let whole = due.iter().all(|group| super::rank(0.99, group.due) <= group.latency.count);
    if whole { due.iter().map(|group| group.latency.p99_ns).max() } else { None }
}

fn around(record: &Record) -> Option<Claim> {
    let faults = record.faults.injected.iter().any(|fault| fault.outcome == Injection::Done);
    let before = record.faults.scope("before").and_then(p99)?;
    let after = record.faults.scope("after").and_then(p99)?;
    if !faults {
        return None;
    }
    let during = ["during", "recovery"].map(|name| {
        let scope = record.faults.scope(name).filter(|scope| scope.figures.due > 0);
        scope.map_or_else(String::new, |scope| {
            let p99 = p99(scope).map_or_else(|| "not reached".to_owned(), show::time);
            match name {
                "during" => format!(", {p99} during them"),
                _ => format!(", {p99} in the recovery"),
            }
        })
    });
    let measured = format!(
        "p99 to the slowest group: {} before the faults{}, {} after them",
        show::time(before),
        during.concat(),
        show::time(after)
    );
    let support = timed(record, before.max(after) < PROPAGATION_NS);
    Some(Claim::new("Events propagate in under 100 ms, before and after faults", measured, support))
}

fn groups(record: &Record) -> Option<Claim> {
    let faults = shown(record, &OF_MEMBERS);
    if faults.is_empty() {
        return None;
    }
    let of_each: Vec<String> = faults
        .iter()
        .map(|fault| {
            let down =
                fault.effect.as_ref().and_then(Effect::worst_group).map_or_else(String::new, |group| {
                    format!("{}, ", unavailable(group.outage.unavailable_ns, &group.name))
                });
            format!("{}: {down}{}", fault.in_words_with_length(), recovered(fault))
        })
        .collect();
    let lost = (record.run.end == End::Completed).then(|| num::sum(record.groups.iter().map(|g| g.lost)));
    let again = num::sum(record.groups.iter().map(|group| group.redelivered));
    let said = lost.map_or_else(String::new, |lost| {
        format!("{} deliveries lost and {} repeated in the whole run", show::count(lost), show::count(again))
    });
    let each = faults.iter().map(|fault| carried_on(fault)).reduce(worse);
    let support = match lost {
        Some(0) => each.unwrap_or(Support::NotTested),
        Some(_) => Support::Contradicted,
        None => Support::NotTested,
    };
    let measured = sentence(&[listed(&of_each, "; "), said]);
    Some(Claim::new("Consumer groups carry on when a member fails", measured, support))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_faults_is_listed_and_the_rest_counted() {
        let names = |n: usize| (0..n).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(listed(&names(2), ", "), "0, 1");
        assert_eq!(listed(&names(5), ", "), "0, 1, 2, 3, and 1 more fault");
        assert_eq!(listed(&names(9), "; "), "0; 1; 2; 3; and 5 more faults");
    }

    #[test]
    fn refused_events_stand_beside_the_outage() {
        let mut effect = Effect { due: 1000, acked: 1000, ..Effect::default() };
        assert_eq!(served(&effect), "1,000 of the 1,000 due events were confirmed");
        (effect.acked, effect.refused, effect.unconfirmed, effect.resent) = (780, 210, 10, 4);
        assert_eq!(
            served(&effect),
            "21 % of the 1,000 due events were refused, 1 % not confirmed, 4 sent more than once"
        );
    }
}
