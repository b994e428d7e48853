//! The account of the events that groups have given up: which were poison, and which have a dead letter in the store.

use std::collections::BTreeSet;

use crate::num;
use crate::plan::Action;
use crate::record;

use super::parts::Parts;
use super::poison::Drawn;

/// The dead letters of each group that may have some.
pub(super) fn account(parts: &Parts<'_>) -> Vec<record::DeadLetters> {
    let plan = parts.plan;
    let poisoned = |group: usize| {
        let of = plan.faults.iter().filter(|fault| fault.action == Action::Poison);
        let name = plan.groups.get(group).map_or("", |group| group.name.as_str());
        of.filter_map(|fault| fault.target.as_ref()).any(|target| target.to_string() == name)
    };
    let groups = 0..plan.groups.len();
    groups
        .filter(|group| poisoned(*group) || plan.dead_letters())
        .map(|group| of_group(parts, group))
        .collect()
}

fn of_group(parts: &Parts<'_>, group: usize) -> record::DeadLetters {
    let published = &parts.ended.published;
    let of = |drawn: &&Drawn| drawn.group == group;
    let drawn: BTreeSet<Drawn> =
        parts.ended.generated.iter().flat_map(|own| own.drawn.iter().filter(of)).copied().collect();
    let acked = |drawn: &&Drawn| published.is_acked(num::index32(drawn.key), drawn.sequence);
    let refused = parts.ended.received.get(group).and_then(Option::as_ref).map(|received| &received.refused);
    let mut poison: BTreeSet<Drawn> = drawn.iter().filter(acked).copied().collect();
    let acked = num::count(poison.len());
    let came = refused.into_iter().flat_map(|refused| &refused.events);
    poison.extend(came.map(|&(key, sequence)| Drawn { group, key, sequence }));
    let stored: Vec<(&Drawn, &u32)> = parts
        .audit
        .iter()
        .flat_map(|stored| &stored.dead_letters)
        .filter(|(drawn, _)| drawn.group == group)
        .collect();
    let lacks =
        |drawn: &&Drawn| parts.audit.as_ref().is_some_and(|store| !store.dead_letters.contains_key(*drawn));
    let received = parts.ended.received.iter().flatten();
    record::DeadLetters {
        group: parts.plan.groups[group].name.clone(),
        poison: num::count(poison.len()),
        acked,
        delivered: refused.map_or(0, |refused| num::count(refused.events.len())),
        refused: refused.map_or(0, |refused| refused.deliveries),
        stored: num::count(stored.len()),
        missing: num::count(poison.iter().filter(lacks).count()),
        duplicate: stored.iter().map(|(_, copies)| u64::from(**copies) - 1).sum(),
        unexpected: num::count(stored.iter().filter(|(event, _)| !drawn.contains(*event)).count()),
        received: received.filter_map(|received| received.refused.dead_letters.get(group)).sum(),
    }
}
