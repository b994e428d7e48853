//! The subscriptions of a plan: for each group, the set of its topics.

use crate::plan::{Group, Plan};

use super::pattern::PatternError;
use super::route::receives;

/// The topics that a group receives, by their indexes in the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicSet(Vec<bool>);

impl TopicSet {
    /// Returns the topics, out of those given, that a group receives.
    ///
    /// # Errors
    /// When one of the group's patterns is invalid.
    pub fn of(group: &Group, topics: &[String]) -> Result<Self, PatternError> {
        let received = receives(group, topics)?;
        Ok(Self((0..topics.len()).map(|topic| received.contains(&topic)).collect()))
    }

    /// Returns a set of all topics, given their number.
    #[must_use]
    pub fn all(topics: usize) -> Self {
        Self(vec![true; topics])
    }

    /// Returns whether the group receives this topic.
    #[must_use]
    pub fn contains(&self, topic: usize) -> bool {
        self.0.get(topic).copied().unwrap_or(false)
    }

    /// Returns the topics' indexes, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().filter(|(_, received)| **received).map(|(topic, _)| topic)
    }

    /// Returns the number of topics in the plan.
    #[must_use]
    pub const fn of_topics(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<bool> for TopicSet {
    /// For each topic of the plan, whether the group receives it.
    fn from_iter<I: IntoIterator<Item = bool>>(received: I) -> Self {
        Self(received.into_iter().collect())
    }
}

/// Error of a group with an invalid pattern.
#[derive(Debug, thiserror::Error)]
#[error("group {group}: {source}")]
pub struct SubscriptionError {
    /// Name of the group.
    pub group: String,
    /// The mistake.
    pub source: PatternError,
}

/// The topics of each group, in the plan's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscriptions(Vec<TopicSet>);

impl Subscriptions {
    /// Returns the subscriptions of a plan.
    ///
    /// # Errors
    /// When a group's pattern is invalid; `profile` detects this first.
    pub fn of(plan: &Plan) -> Result<Self, SubscriptionError> {
        let of_group = |group: &Group| {
            TopicSet::of(group, &plan.topology.topics)
                .map_err(|source| SubscriptionError { group: group.name.clone(), source })
        };
        plan.groups.iter().map(of_group).collect::<Result<_, _>>().map(Self)
    }

    /// Returns the topics of each group, in the plan's order.
    #[must_use]
    pub fn groups(&self) -> &[TopicSet] {
        &self.0
    }

    /// Returns the topics of a group; an empty set if there is no such group.
    #[must_use]
    pub fn group(&self, group: usize) -> TopicSet {
        self.0.get(group).cloned().unwrap_or_default()
    }
}

impl FromIterator<TopicSet> for Subscriptions {
    fn from_iter<I: IntoIterator<Item = TopicSet>>(groups: I) -> Self {
        Self(groups.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_the_topics_that_were_put_into_it() {
        let set: TopicSet = [false, true, false, true].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(
            (set.of_topics(), set.contains(1), set.contains(2), set.contains(9)),
            (4, true, false, false)
        );
        assert_eq!(TopicSet::all(2).iter().count(), 2);
        assert_eq!(Subscriptions::default().group(3), TopicSet::default());
    }
}
