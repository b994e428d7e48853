//! Finds and removes what runs left on a Kafka cluster: topics and groups with a run's name.
//!
//! Kafka keeps no marks. A topic is recognised by its name and by the settings that every topic of a run has; a group
//! by its name and by its run's topics.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, ConfigSource, OwnedResourceSpecifier, ResourceSpecifier,
};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use tokio::runtime::Runtime;

use super::provision::{self, FIXED, PATIENCE, explain};
use super::target::Target;
use super::token::Tokens;
use super::watch::Watch;
use super::{Watching, end, event_loop, log_in};
use crate::bus::kafka_model::MARK;
use crate::bus::leftover::{Cleaner, ID_LENGTH, Kind, Leftover, Part, Proof, is_run_id};
use crate::bus::marks::Marks;
use crate::bus::{BusError, environment};
use crate::host::clock::Clock;
use crate::topology::OWN;

/// Maximum time to read the newest events.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// Required rights, for the hints.
const RIGHTS: &str =
    "the user needs to describe, read and delete topics and groups whose names begin with `tickgate-`";

/// Finds and removes what runs left on a Kafka cluster.
pub struct KafkaCleaner {
    target: Target,
    control: BaseConsumer<Watching>,
    admin: AdminClient<Watching>,
    tokens: Option<Tokens>,
    runtime: Runtime,
}

/// Everything named after one run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named {
    /// Topics with their partition numbers.
    topics: Vec<(String, Vec<i32>)>,
    /// Groups with their member counts.
    groups: Vec<(String, usize)>,
}

/// First and next offset of each partition.
type Ends = BTreeMap<(String, i32), (i64, i64)>;

impl KafkaCleaner {
    /// Creates the clients for a cluster; sends no request yet.
    ///
    /// # Errors
    /// When the clients cannot be created.
    pub fn new(target: Target) -> Result<Self, BusError> {
        let marks = Marks::new(Clock::start());
        let tokens = target.tokens(&marks)?;
        let watch = |name: &str| Watching(Watch::new(marks.of(name.to_owned()), tokens.clone()));
        let wrong = |error: KafkaError| super::wrong_settings(&target, &error);
        let control = BaseConsumer::from_config_and_context(&target.config("clean")?, watch("control"))
            .map_err(wrong)?;
        let admin = AdminClient::from_config_and_context(&target.config("clean admin")?, watch("admin"))
            .map_err(wrong)?;
        log_in(&admin);
        Ok(Self { control, admin, tokens, runtime: event_loop()?, target })
    }

    /// Returns everything named after a run, by run id.
    fn named(&self) -> Result<BTreeMap<String, Named>, BusError> {
        let metadata = provision::reach(&self.control, &self.target)?;
        let mut runs: BTreeMap<String, Named> = BTreeMap::new();
        for topic in metadata.topics() {
            if let Some(run) = run_of(topic.name(), &['.']) {
                let partitions = topic.partitions().iter().map(rdkafka::metadata::MetadataPartition::id);
                let named = runs.entry(run.to_owned()).or_default();
                named.topics.push((topic.name().to_owned(), partitions.collect()));
            }
        }
        let groups = self.control.fetch_group_list(None, PATIENCE);
        let groups = groups.map_err(|error| self.failed("list the groups of the cluster", &error))?;
        for group in groups.groups() {
            if let Some(run) = run_of(group.name(), &['-', '.']) {
                let named = runs.entry(run.to_owned()).or_default();
                named.groups.push((group.name().to_owned(), group.members().len()));
            }
        }
        for named in runs.values_mut() {
            named.topics.sort();
            named.groups.sort();
        }
        Ok(runs)
    }

    fn failed(&self, action: &str, error: &KafkaError) -> BusError {
        explain(&self.control.context().0, &format!("cannot {action}: {error}"))
    }

    /// Checks by their settings whether tickgate created these topics; one with other settings is enough to leave the
    /// run alone.
    fn proof(&self, topics: &[(String, Vec<i32>)]) -> Proof {
        if topics.is_empty() {
            return Proof::NameOnly("a group has nothing but its name to be known by".to_owned());
        }
        let asked: Vec<_> = topics.iter().map(|(name, _)| ResourceSpecifier::Topic(name)).collect();
        let answer = self.runtime.block_on(self.admin.describe_configs(asked.iter(), &options()));
        let unread =
            |error: &dyn std::fmt::Display| Proof::NameOnly(format!("its settings cannot be read: {error}"));
        let resources = match answer {
            Ok(resources) => resources,
            Err(error) => return unread(&error),
        };
        let mut proof = if resources.len() < topics.len() { unread(&"no answer") } else { Proof::Ours };
        for resource in resources {
            match resource {
                // The client library drops the error of a single resource. Every topic has settings, so there was one.
                Ok(resource) if resource.entries.is_empty() => proof = unread(&"the cluster shows none"),
                Ok(resource) if is_of_a_run(&resource) => {}
                Ok(resource) => return Proof::No(other_settings(&resource)),
                Err(code) => proof = unread(&code),
            }
        }
        proof
    }

    /// Returns both ends of the topics' partitions, without those for which the broker does not report them.
    fn ends(&self, topics: &[(String, Vec<i32>)]) -> Ends {
        let ask = |end| {
            let mut list = TopicPartitionList::new();
            for (topic, partitions) in topics {
                for &partition in partitions {
                    list.add_partition_offset(topic, partition, end).ok()?;
                }
            }
            self.control.offsets_for_times(list, PATIENCE).ok()
        };
        let (Some(low), Some(high)) = (ask(Offset::Beginning), ask(Offset::End)) else { return Ends::new() };
        let known = |list: TopicPartitionList| -> BTreeMap<(String, i32), i64> {
            let elements = list.elements();
            let known = elements.iter().filter(|element| element.error().is_ok());
            known
                .filter_map(|element| match element.offset() {
                    Offset::Offset(at) => Some(((element.topic().to_owned(), element.partition()), at)),
                    _ => None,
                })
                .collect()
        };
        let mut high = known(high);
        known(low).into_iter().filter_map(|(at, low)| Some((at.clone(), (low, high.remove(&at)?)))).collect()
    }

    /// Returns the time of the partitions' newest event, in nanoseconds since 1970. Returns `None` (age unknown) if
    /// there is no event, or an event does not arrive.
    fn newest(&self, ends: &Ends) -> Option<u64> {
        let mut list = TopicPartitionList::new();
        let mut open: Vec<(&str, i32)> = Vec::new();
        for ((topic, partition), (low, high)) in ends {
            if low < high {
                list.add_partition_offset(topic, *partition, Offset::Offset(high - 1)).ok()?;
                open.push((topic, *partition));
            }
        }
        if open.is_empty() {
            return None;
        }
        let reader = self.reader().ok()?;
        reader.assign(&list).ok()?;
        let deadline = Instant::now() + READ_WITHIN;
        let mut newest = None;
        while !open.is_empty() && Instant::now() < deadline {
            let Some(Ok(message)) = reader.poll(Duration::from_millis(100)) else { continue };
            open.retain(|&of| of != (message.topic(), message.partition()));
            newest = newest.max(message.timestamp().to_millis());
        }
        end(reader);
        newest
            .filter(|_| open.is_empty())
            .and_then(|ms| u64::try_from(ms).ok())
            .map(|ms| ms.saturating_mul(1_000_000))
    }

    /// Creates a reading client. It needs a group name, but does not create the group.
    fn reader(&self) -> Result<BaseConsumer<Watching>, BusError> {
        let mut config = self.target.config("clean reader")?;
        config
            .set("group.id", "tickgate-audit")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error");
        let watch = Watch::new(Marks::new(Clock::start()).of("reader".to_owned()), self.tokens.clone());
        let reader = BaseConsumer::from_config_and_context(&config, Watching(watch.clone()))
            .map_err(|error| super::wrong_settings(&self.target, &error))?;
        watch.log_in(reader.client());
        Ok(reader)
    }

    fn leftover(&self, run: String, named: Named) -> Leftover {
        let proof = self.proof(&named.topics);
        let ends = self.ends(&named.topics);
        let partitions: usize = named.topics.iter().map(|(_, partitions)| partitions.len()).sum();
        let last_used = if ends.len() == partitions { self.newest(&ends) } else { None };
        let length = |(low, high): &(i64, i64)| u64::try_from(high - low).unwrap_or(0);
        let topics = named.topics.into_iter().map(|(name, _)| Part { kind: Kind::Topic, name });
        Leftover {
            run,
            proof,
            created: None,
            last_used,
            now: Clock::start().unix_ns_at_epoch(),
            users: crate::num::count(named.groups.iter().map(|(_, members)| members).sum()),
            events: ends.values().map(length).sum(),
            bytes: None,
            consumers: crate::num::count(named.groups.len()),
            parts: topics
                .chain(named.groups.into_iter().map(|(name, _)| Part { kind: Kind::Group, name }))
                .collect(),
        }
    }

    /// Deletes groups and returns those that remain.
    fn delete_groups(&self, names: &[&str]) -> Vec<String> {
        if names.is_empty() {
            return Vec::new();
        }
        let done = self.runtime.block_on(self.admin.delete_groups(names, &options()));
        kept("group", names, done, &[Code::GroupIdNotFound])
    }

    /// Deletes topics and returns those that remain.
    fn delete_topics(&self, names: &[&str]) -> Vec<String> {
        if names.is_empty() {
            return Vec::new();
        }
        let done = self.runtime.block_on(self.admin.delete_topics(names, &options()));
        kept("topic", names, done, &[Code::UnknownTopicOrPartition, Code::UnknownTopic])
    }
}

/// Returns what remains after a deletion; objects that were already gone do not count.
fn kept(
    kind: &str,
    names: &[&str],
    done: KafkaResult<Vec<Result<String, (String, Code)>>>,
    gone: &[Code],
) -> Vec<String> {
    match done {
        Err(error) => vec![format!("{kind}s {} ({error})", names.join(", "))],
        Ok(done) => {
            let failed = done.into_iter().filter_map(Result::err).filter(|(_, code)| !gone.contains(code));
            failed.map(|(name, code)| format!("{kind} {name} ({code})")).collect()
        }
    }
}

impl Cleaner for KafkaCleaner {
    fn find(&mut self) -> Result<Vec<Leftover>, BusError> {
        let named = self.named()?;
        Ok(named.into_iter().map(|(run, named)| self.leftover(run, named)).collect())
    }

    fn remove(&mut self, found: &Leftover) -> Result<(), BusError> {
        let of = |kind| -> Vec<&str> {
            found.parts.iter().filter(|part| part.kind == kind).map(|part| part.name.as_str()).collect()
        };
        // Groups first: the cluster refuses to delete one that has members, and then the topics are kept as well.
        let mut left = self.delete_groups(&of(Kind::Group));
        if left.is_empty() {
            left = self.delete_topics(&of(Kind::Topic));
        }
        if left.is_empty() {
            return Ok(());
        }
        Err(environment(&format!("still on the cluster: {}", left.join(", ")), RIGHTS))
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

/// Returns the run id in a name of the form `tickgate-RUN`, one of the characters in `then`, and at least one more.
fn run_of<'a>(name: &'a str, then: &[char]) -> Option<&'a str> {
    let rest = name.strip_prefix(OWN)?;
    let (run, more) = rest.split_at_checked(ID_LENGTH)?;
    (is_run_id(run) && more.len() > 1 && more.starts_with(then)).then_some(run)
}

/// Returns the first setting that every topic of a run has but this one lacks; a topic with the configuration of a model
/// is recognised by [`MARK`] instead.
fn differs(resource: &ConfigResource) -> Option<&'static str> {
    let has = |name: &str, value: &str| {
        let entry = resource.entries.iter().find(|entry| entry.name == name);
        entry.is_some_and(|entry| {
            entry.source == ConfigSource::DynamicTopic && entry.value.as_deref() == Some(value)
        })
    };
    if has(MARK.0, MARK.1) {
        return None;
    }
    FIXED.iter().find(|(name, value)| !has(name, value)).map(|(name, _)| *name)
}

fn is_of_a_run(resource: &ConfigResource) -> bool {
    differs(resource).is_none()
}

fn other_settings(resource: &ConfigResource) -> String {
    let OwnedResourceSpecifier::Topic(name) = &resource.specifier else {
        return "the cluster answers of something else".to_owned();
    };
    format!(
        "topic {name} has a name of tickgate's, but not the setting `{}` that tickgate gives",
        differs(resource).unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use rdkafka::admin::ConfigEntry;

    use super::*;

    #[test]
    fn names_of_runs_are_told_from_those_of_others() {
        for (name, then, run) in [
            ("tickgate-0f3k2m1a.ai-trader.market.quote.received", &['.'][..], Some("0f3k2m1a")),
            ("tickgate-0f3k2m1a-trading-engine", &['-', '.'], Some("0f3k2m1a")),
            ("tickgate-0f3k2m1a.x", &['-', '.'], Some("0f3k2m1a")),
            ("tickgate-0f3k2m1a-trading-engine", &['.'], None),
            ("tickgate-0f3k2m1a", &['.'], None),
            ("tickgate-0f3k2m1a.", &['.'], None),
            ("tickgate-audit", &['-', '.'], None),
            ("tickgate-0f3k2m1.x", &['.'], None),
            ("tickgate-0f3k2m1aa.x", &['.'], None),
            ("tickgate-0F3K2M1A.x", &['.'], None),
            ("tickgate-0f3k2m1\u{e9}.x", &['.'], None),
            ("ai-trader.market", &['.'], None),
            ("", &['.'], None),
        ] {
            assert_eq!(run_of(name, then), run, "{name}");
        }
    }

    #[test]
    fn a_topic_is_known_by_the_settings_that_tickgate_gives() {
        let entry = |name: &str, value: &str, source| ConfigEntry {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            source,
            is_read_only: false,
            is_default: false,
            is_sensitive: false,
        };
        let with = |change: &dyn Fn(&mut Vec<ConfigEntry>)| {
            let mut entries: Vec<_> =
                FIXED.iter().map(|(name, value)| entry(name, value, ConfigSource::DynamicTopic)).collect();
            change(&mut entries);
            differs(&ConfigResource { specifier: OwnedResourceSpecifier::Topic("t".to_owned()), entries })
        };
        assert_eq!(with(&|_| ()), None);
        let marked = |value: &str, source| vec![entry(MARK.0, value, source)];
        assert_eq!(with(&|entries| *entries = marked(MARK.1, ConfigSource::DynamicTopic)), None);
        assert_eq!(with(&|entries| *entries = marked("1", ConfigSource::DynamicTopic)), Some(FIXED[0].0));
        assert_eq!(with(&|entries| *entries = marked(MARK.1, ConfigSource::StaticBroker)), Some(FIXED[0].0));
        for at in 0..FIXED.len() {
            assert_eq!(with(&|entries| drop(entries.remove(at))), Some(FIXED[at].0));
            assert_eq!(with(&|entries| entries[at].value = Some("other".to_owned())), Some(FIXED[at].0));
            // Values that the cluster sets by itself prove nothing.
            assert_eq!(with(&|entries| entries[at].source = ConfigSource::StaticBroker), Some(FIXED[at].0));
        }
    }
}
