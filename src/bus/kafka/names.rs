//! The names and places of a run's topics and groups on Kafka.

use crate::bus::{BusError, Position, kafka_topics};
use crate::num;
use crate::plan::Plan;
use crate::topology::{self, Naming, name_part as part, own_name};

/// The names of a run, and its places: each partition of each topic has a unique number, `topic × partitions +
/// partition`, which is the `partition` of a [`Position`].
#[derive(Debug, Clone)]
pub(super) struct Names {
    naming: Naming,
    /// The run's id.
    run: String,
    /// Prefix of the plan's topic names.
    prefix: String,
    /// Full names of the topics, in the plan's order; if attached, of the only one.
    topics: Vec<String>,
    /// Length of the part before the plan's topic name.
    before: usize,
    partitions: u32,
    /// For each group: its name, and the indexes of the topics it receives.
    groups: Vec<(String, Vec<usize>)>,
    /// Whether all topics of the plan go into one existing topic.
    attached: bool,
}

impl Names {
    /// # Errors
    /// When Kafka cannot represent the topics, or a group's patterns are invalid.
    pub(super) fn new(plan: &Plan, naming: Naming, run: &str) -> Result<Self, BusError> {
        let unfit = |problem| BusError::Plan { problem, hint: "see `tickgate topology`".to_owned() };
        if let Some(fault) = kafka_topics::faults(&plan.topology).into_iter().next() {
            return Err(unfit(fault));
        }
        let attach = plan.bus.attach();
        let prefix = naming.prefix(&plan.topology, run);
        let name = |topic: &String| format!("{prefix}.{topic}");
        let (id, run) = (run.to_owned(), own_name(run));
        let mut groups = Vec::new();
        for (at, group) in plan.groups.iter().enumerate() {
            let received = topology::receives(group, &plan.topology.topics)
                .map_err(|error| unfit(format!("group {}: {error}", group.name)))?;
            let received = match attach {
                Some(_) if !received.is_empty() => vec![0],
                _ => received,
            };
            let clash = plan.groups.iter().filter(|g| part(&g.name) == part(&group.name)).count() > 1;
            let apart = if clash { format!("-g{at}") } else { String::new() };
            groups.push((format!("{run}-{}{apart}", part(&group.name)), received));
        }
        Ok(Self {
            topics: match attach {
                Some(topic) => vec![topic.to_owned()],
                None => plan.topology.topics.iter().map(name).collect(),
            },
            before: if attach.is_some() { 0 } else { prefix.len() - plan.topology.prefix.len() },
            attached: attach.is_some(),
            naming,
            run: id,
            prefix,
            partitions: plan.bus.partitions,
            groups,
        })
    }

    /// Returns the run's id.
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// Returns how the topics are named.
    pub(super) const fn naming(&self) -> Naming {
        self.naming
    }

    /// Returns the topic that most of the load goes to, the first one of several; if attached, the only one.
    pub(super) fn busiest(&self, plan: &Plan) -> &str {
        let share =
            |topic: &String| plan.mix.iter().find(|(name, _)| name == topic).map_or(0.0, |part| part.1);
        let shares = plan.topology.topics.iter().map(share).enumerate();
        let (most, _) = shares.fold((0, 0.0), |most, of| if of.1 > most.1 { of } else { most });
        self.topics.get(most).or(self.topics.first()).map_or("", String::as_str)
    }

    /// Returns the prefix of the plan's topic names.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn topics(&self) -> &[String] {
        &self.topics
    }

    /// Returns whether the run publishes into an existing topic.
    pub(super) const fn attached(&self) -> bool {
        self.attached
    }

    /// Returns the index of the Kafka topic that has the events of a topic of the plan.
    const fn log(&self, topic: usize) -> usize {
        if self.attached { 0 } else { topic }
    }

    /// Returns the Kafka topic that has the events of a topic of the plan.
    pub(super) fn topic(&self, topic: usize) -> Option<&str> {
        self.topics.get(self.log(topic)).map(String::as_str)
    }

    /// Returns the number of partitions of each topic.
    pub(super) const fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Returns the number of partitions of all topics.
    pub(super) fn places(&self) -> u32 {
        num::count32(self.topics.len()) * self.partitions
    }

    /// Returns the name of a group.
    pub(super) fn group(&self, group: usize) -> &str {
        self.groups.get(group).map_or("", |(name, _)| name)
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|(name, _)| name.as_str())
    }

    /// Returns the full names of the topics that a group subscribes to.
    pub(super) fn subscribed(&self, group: usize) -> Vec<&str> {
        let topics = self.groups.get(group).map_or(&[][..], |(_, topics)| topics);
        topics.iter().filter_map(|&topic| self.topic(topic)).collect()
    }

    /// Returns the places of all partitions that a group subscribes to.
    pub(super) fn received(&self, group: usize) -> impl Iterator<Item = u32> {
        let topics = self.groups.get(group).map_or(&[][..], |(_, topics)| topics);
        topics.iter().flat_map(|&topic| {
            let first = self.place(topic, 0);
            first..first + self.partitions
        })
    }

    /// Returns the index of a topic by its full name; `last` is checked first.
    pub(super) fn index(&self, name: &str, last: usize) -> Option<usize> {
        if self.topics.get(last).is_some_and(|known| known == name) {
            return Some(last);
        }
        self.topics.iter().position(|known| known == name)
    }

    /// Returns the plan's name of a topic.
    pub(super) fn published<'a>(&self, name: &'a str) -> &'a str {
        name.get(self.before..).unwrap_or(name)
    }

    /// Returns the place of a topic's partition.
    pub(super) fn place(&self, topic: usize, partition: i32) -> u32 {
        num::count32(self.log(topic)) * self.partitions + u32::try_from(partition).unwrap_or(0)
    }

    /// Returns a position; if the broker does not report the offset, it is `u64::MAX`.
    pub(super) fn position(&self, topic: usize, partition: i32, offset: i64) -> Position {
        Position {
            partition: self.place(topic, partition),
            offset: u64::try_from(offset).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile;

    #[test]
    fn topics_are_the_runs_own_or_the_profiles_and_shown_as_the_profiles() {
        let source = profile::Source::new("p", "");
        let sets = ["bus.kind=kafka", "load.rate=1k/s", "load.duration=9s"].map(str::to_owned);
        let plan = profile::read(&source, &sets).expect("a plan");
        let names = |naming| Names::new(&plan, naming, "r.1").expect("names");
        for (naming, prefix) in [(Naming::Private, "tickgate-r-1.ai-trader"), (Naming::Profile, "ai-trader")]
        {
            let names = names(naming);
            assert_eq!(names.prefix(), prefix);
            for (full, topic) in names.topics().iter().zip(&plan.topology.topics) {
                assert_eq!(*full, format!("{prefix}.{topic}"));
                assert_eq!(names.published(full), format!("ai-trader.{topic}"));
            }
            assert!(
                names.groups().all(|group| group.starts_with("tickgate-r-1-")),
                "groups are always private"
            );
        }
    }

    #[test]
    fn the_busiest_topic_has_most_of_the_load() {
        let of = |mix: &str| {
            let text = format!(
                "groups = []\nmix = {mix}\n[load]\nrate = \"1k/s\"\nduration = \"9s\"\n[topology]\ntopics = [\"a\", \"b\", \"c\"]\n[bus]\nkind = \"kafka\""
            );
            let plan = profile::read(&profile::Source::new("p", &*text), &[]).expect("a plan");
            let names = Names::new(&plan, Naming::Profile, "r.1").expect("names");
            names.busiest(&plan).to_owned()
        };
        assert_eq!(of("{ c = 1 }"), "ai-trader.c");
        assert_eq!(of("{ a = 0.2, b = 0.5, c = 0.3 }"), "ai-trader.b");
        assert_eq!(of("{ b = 1, c = 1 }"), "ai-trader.b");
    }
}
