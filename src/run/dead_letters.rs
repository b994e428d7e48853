//! Dead letters in a run: how a delivery is known to be one.
//!
//! A dead letter is a copy of an event on the topic of the group that gave it up. It has the event's bytes, so the topic that its id
//! names is not the one on which it comes. It is neither an event of that topic nor another copy of the event.

use std::sync::Arc;

use crate::plan::Plan;
use crate::topology::dead_letter_topic;

/// The topics of a plan's dead letters.
#[derive(Debug)]
pub(super) struct DeadLetterTopics {
    symbol_in_subject: bool,
    all: Vec<Topic>,
}

#[derive(Debug)]
struct Topic {
    /// How a subject on it ends, apart from the symbol: `.trading-engine.dlq`.
    tail: String,
    number: u8,
    group: u16,
}

impl DeadLetterTopics {
    /// `None` for a plan without dead letters.
    pub(super) fn of_plan(plan: &Plan) -> Option<Arc<Self>> {
        if !plan.dead_letters() {
            return None;
        }
        let topics = &plan.topology.topics;
        let of = |(group, named): (usize, &crate::plan::Group)| {
            let name = dead_letter_topic(&named.name);
            let topic = topics.iter().position(|topic| *topic == name)?;
            let (topic, group) = (u8::try_from(topic).ok()?, u16::try_from(group).ok()?);
            Some(Topic { tail: format!(".{name}"), number: topic, group })
        };
        let all = plan.groups.iter().enumerate().filter_map(of).collect();
        Some(Arc::new(Self { symbol_in_subject: plan.topology.symbol_in_subject, all }))
    }

    /// The topic of dead letters that a subject is on.
    #[inline]
    fn on(&self, subject: &str) -> Option<&Topic> {
        const DEAD_LETTERS: &[u8] = b".dlq";
        let subject = if self.symbol_in_subject { subject.rsplit_once('.')?.0 } else { subject };
        // Four bytes decide for almost every event.
        if !subject.as_bytes().ends_with(DEAD_LETTERS) {
            return None;
        }
        self.all.iter().find(|topic| subject.ends_with(topic.tail.as_str()))
    }

    /// The group that gave up the event of this topic, if the delivery on this subject is its dead letter.
    #[inline]
    pub(super) fn of(&self, topic: u8, subject: &str) -> Option<u16> {
        self.on(subject).filter(|on| on.number != topic).map(|on| on.group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, Source};

    fn topics(sets: &[&str]) -> (Plan, Option<Arc<DeadLetterTopics>>) {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        let plan = profile::read(&Source::find("quick").unwrap(), &sets).unwrap();
        let topics = DeadLetterTopics::of_plan(&plan);
        (plan, topics)
    }

    #[test]
    fn a_dead_letter_is_told_by_its_subject_and_an_event_of_that_topic_is_none() {
        assert!(topics(&[]).1.is_none());
        let limits = ["bus.nats.max_deliver=3", "bus.nats.dead_letter=true"];
        let (plan, of) = topics(&limits);
        let of = of.unwrap();
        let own = plan.topology.topics.iter().position(|topic| topic == "trading-engine.dlq").unwrap();
        let own = u8::try_from(own).unwrap();
        let group = plan.groups.iter().position(|group| group.name == "trading-engine").unwrap();
        let dead = Some(u16::try_from(group).unwrap());
        assert_eq!(of.of(0, "run-x.trading-engine.dlq"), dead);
        assert_eq!(of.of(own, "run-x.trading-engine.dlq"), None, "an event of the load");
        assert_eq!(of.of(0, "run-x.market.quote.received"), None);
        assert_eq!(of.of(0, "run-x.other.dlq"), None, "of no group");
        let (_, of) = topics(&[&limits[..], &["topology.symbol_in_subject=true"]].concat());
        let of = of.unwrap();
        assert_eq!(of.of(0, "run-x.trading-engine.dlq.AAPL"), dead);
        assert_eq!(of.of(0, "run-x.market.quote.received.AAPL"), None);
    }
}
