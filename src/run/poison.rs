//! Poison events of a run: which deliveries a member refuses, and which events the generators know to be poison.

use std::collections::{BTreeMap, BTreeSet};

use crate::bus::Handled;
use crate::num;
use crate::plan::{Ns, Plan, PoisonEvents};
use crate::topology::{TopicSet, dead_letter_topic};

use super::shared::Calendar;

/// The poison events of one fault, among the topics of its group.
#[derive(Debug, Clone)]
struct Poison {
    events: PoisonEvents,
    /// Without the topic of the group's own dead letters: a copy in it could not be told from the event.
    topics: TopicSet,
}

impl Poison {
    fn all(plan: &Plan) -> Vec<Self> {
        let of = |events: PoisonEvents| {
            let group = plan.groups.get(events.group)?;
            let topics = &plan.topology.topics;
            // An invalid pattern receives nothing; `profile` and the engine reject it first.
            let received = TopicSet::of(group, topics).unwrap_or_default();
            let own = dead_letter_topic(&group.name);
            let topics = topics.iter().enumerate().map(|(at, topic)| received.contains(at) && *topic != own);
            Some(Self { events, topics: topics.collect() })
        };
        PoisonEvents::of(plan).into_iter().filter_map(of).collect()
    }

    #[inline]
    fn hits(&self, since_start: Ns, topic: usize, symbol: u32, sequence: u32) -> bool {
        self.events.hits(since_start, topic, symbol, sequence) && self.topics.contains(topic)
    }
}

/// An event as its id names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) topic: usize,
    pub(super) symbol: u32,
    pub(super) sequence: u32,
    pub(super) intended: Ns,
}

/// The deliveries that the members of a group refuse; none in most runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusals(Vec<Poison>);

impl Refusals {
    /// Those of a plan's group.
    pub(super) fn of(plan: &Plan, group: usize) -> Self {
        Self(Poison::all(plan).into_iter().filter(|poison| poison.events.group == group).collect())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What becomes of a delivery. An event of the load comes after the calendar is set.
    pub(super) fn handling(&self, calendar: Option<&Calendar>, event: Option<Event>) -> Handled {
        let (Some(calendar), Some(Event { topic, symbol, sequence, intended })) = (calendar, event) else {
            return Handled::Processed;
        };
        let Some(since_start) = intended.checked_sub(calendar.measure_start) else {
            return Handled::Processed;
        };
        let hits = |poison: &&Poison| poison.hits(since_start, topic, symbol, sequence);
        self.0.iter().find(hits).map_or(Handled::Processed, |poison| Handled::Refused(poison.events.how))
    }
}

/// An event that is poison for a group, by its key and its sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Drawn {
    pub(super) group: usize,
    pub(super) key: u32,
    pub(super) sequence: u32,
}

/// The dead letters in the store: of each event that a group has given up, how many copies there are.
pub(super) type DeadLetters = BTreeMap<Drawn, u32>;

/// What a group knows of poison events, and of the dead letters that came to it.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// The poison events that came to it.
    pub(super) events: BTreeSet<(u32, u32)>,
    /// Deliveries that its members refused.
    pub(super) deliveries: u64,
    /// For each group of the plan: its dead letters that came to this one.
    pub(super) dead_letters: Vec<u64>,
}

impl Refused {
    /// Counts the first delivery of a group's dead letter.
    pub(super) fn dead_letter(&mut self, group: u16) {
        let group = usize::from(group);
        if group >= self.dead_letters.len() {
            self.dead_letters.resize(group + 1, 0);
        }
        self.dead_letters[group] += 1;
    }
}

/// Notes the poison events among those that a generator sends.
#[derive(Debug, Default)]
pub(super) struct Drawing(Vec<Poison>);

impl Drawing {
    pub(super) fn of(plan: &Plan) -> Self {
        Self(Poison::all(plan))
    }

    /// Notes an event of the measure phase if it is poison for some group.
    #[inline]
    pub(super) fn look(
        &self,
        since_start: Ns,
        (topic, symbol): (usize, u32),
        (key, sequence): (usize, u32),
        into: &mut Vec<Drawn>,
    ) {
        for poison in &self.0 {
            if poison.hits(since_start, topic, symbol, sequence) {
                into.push(Drawn { group: poison.events.group, key: num::count32(key), sequence });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Refuse;
    use crate::profile::{self, Source};

    fn plan() -> Plan {
        let sets = [
            "bus.nats.max_deliver=3",
            "bus.nats.dead_letter=true",
            "load.duration=9s",
            "faults=[{name=\"x\",do=\"poison\",target=\"trading-engine\",at=\"2s\",for=\"3s\",settle=\"1s\",share=\"20%\",how=\"term\"}]",
        ];
        profile::read(&Source::find("quick").unwrap(), &sets.map(str::to_owned)).unwrap()
    }

    #[test]
    fn members_refuse_exactly_what_the_generators_know_to_be_poison() {
        let plan = plan();
        let calendar = Calendar::planned(&plan, 1_000_000_000_000, 0);
        let group = plan.groups.iter().position(|group| group.name == "trading-engine").unwrap();
        let (drawing, refusals) = (Drawing::of(&plan), Refusals::of(&plan, group));
        assert!(Refusals::of(&plan, 1).is_empty() && !refusals.is_empty());
        let mut drawn = Vec::new();
        let mut refused = 0;
        for sequence in 0..1_000 {
            let since_start = u64::from(sequence) * 9_000_000;
            drawing.look(since_start, (0, 3), (3, sequence), &mut drawn);
            let intended = calendar.measure_start + since_start;
            let event = Some(Event { topic: 0, symbol: 3, sequence, intended });
            let handling = refusals.handling(Some(&calendar), event);
            let known = drawn.last() == Some(&Drawn { group, key: 3, sequence });
            assert_eq!(handling == Handled::Refused(Refuse::Term), known, "{sequence}");
            refused += usize::from(known);
            assert_eq!(refusals.handling(None, event), Handled::Processed, "before the load");
        }
        // A fifth of 333 events: 67, with a standard deviation of 7.3.
        assert!(refused == drawn.len() && (35..=100).contains(&refused), "{refused}");
    }
}
