//! Poison events and their dead letters, by the truth: every event and every copy is looked at, one by one.

use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use super::figures::kept;
use crate::bus::sim::{Outcome, Truth};
use crate::num;
use crate::plan::{Plan, PoisonEvents};
use crate::record::{DeadLetters, PhaseName, Record};
use crate::topology::{self, dead_letter_topic};

/// Compares the account of each group's dead letters with the truth.
pub(super) fn check(found: &mut Findings, record: &Record, truth: &Truth) {
    let plan = &record.plan;
    let poisoned: BTreeSet<usize> = PoisonEvents::of(plan).iter().map(|events| events.group).collect();
    let groups = (0..plan.groups.len()).filter(|group| plan.dead_letters() || poisoned.contains(group));
    let expected: Vec<DeadLetters> = groups.map(|group| of_group(record, truth, group)).collect();
    found.equal("dead letters", &expected, &record.faults.dead_letters);
}

/// The events that are poison for a group, whatever became of them.
fn drawn(record: &Record, truth: &Truth, group: usize) -> BTreeSet<u32> {
    let plan: &Plan = &record.plan;
    let (start, end) =
        record.phase(PhaseName::Measure).map_or((0, 0), |phase| (phase.start_ns, phase.end_ns));
    let all: Vec<PoisonEvents> =
        PoisonEvents::of(plan).into_iter().filter(|events| events.group == group).collect();
    let topics = topology::receives(&plan.groups[group], &plan.topology.topics).unwrap_or_default();
    let own = dead_letter_topic(&plan.groups[group].name);
    let hit = |event: &crate::bus::sim::Event| {
        let intended = event.intended_unix_ns - record.run.epoch_unix_ns;
        let topic = num::index32(event.topic);
        (start..end).contains(&intended)
            && topics.contains(&topic)
            && plan.topology.topics[topic] != own
            && all.iter().any(|events| events.hits(intended - start, topic, event.symbol, event.sequence))
    };
    (0_u32..).zip(&truth.events).filter(|(_, event)| hit(event)).map(|(number, _)| number).collect()
}

fn of_group(record: &Record, truth: &Truth, group: usize) -> DeadLetters {
    let drawn = drawn(record, truth, group);
    let acked = |number: &&u32| matches!(truth.events[num::index32(**number)].outcome, Outcome::Acked(_));
    let mut poison: BTreeSet<u32> = drawn.iter().filter(acked).copied().collect();
    let acked = num::count(poison.len());
    let came: Vec<u32> = truth.deliveries[group]
        .iter()
        .filter(|delivery| !delivery.damaged)
        .filter_map(|delivery| truth.copies[num::index32(delivery.copy)].itself())
        .filter(|number| drawn.contains(number))
        .collect();
    let delivered: BTreeSet<u32> = came.iter().copied().collect();
    poison.extend(&delivered);
    let mut stored: BTreeMap<u32, u64> = BTreeMap::new();
    let audited = record.audit.is_some();
    for (copy, _) in
        truth.copies.iter().zip(kept(truth)).filter(|(copy, kept)| *kept && audited && !copy.damaged)
    {
        if copy.dead_letter == Some(num::count32(group))
            && let Some(number) = copy.event
        {
            *stored.entry(number).or_insert(0) += 1;
        }
    }
    let mut received: BTreeSet<(usize, u32)> = BTreeSet::new();
    for (of, deliveries) in truth.deliveries.iter().enumerate() {
        let mut known: BTreeSet<u32> = BTreeSet::new();
        let mut in_order = deliveries.clone();
        in_order.sort_by_key(|delivery| (delivery.received, delivery.member));
        for delivery in in_order {
            let first = known.insert(delivery.copy);
            let copy = truth.copies[num::index32(delivery.copy)];
            // A damaged copy that comes first takes the position.
            if first && !delivery.damaged && copy.dead_letter == Some(num::count32(group)) {
                received.insert((of, delivery.copy));
            }
        }
    }
    DeadLetters {
        group: record.plan.groups[group].name.clone(),
        poison: num::count(poison.len()),
        acked,
        delivered: num::count(delivered.len()),
        refused: num::count(came.len()),
        stored: num::count(stored.len()),
        missing: if audited {
            num::count(poison.iter().filter(|n| !stored.contains_key(*n)).count())
        } else {
            0
        },
        duplicate: stored.values().map(|copies| copies - 1).sum(),
        unexpected: num::count(stored.keys().filter(|number| !drawn.contains(*number)).count()),
        received: num::count(received.len()),
    }
}
