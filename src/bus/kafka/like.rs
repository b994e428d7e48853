//! Reads the configuration of topics: of a model, and of what the cluster made after it.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, ConfigSource, ResourceSpecifier};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode as Code;
use tokio::runtime::Runtime;

use super::Watching;
use super::provision::{PATIENCE, explain};
use super::rights;
use crate::bus::kafka_model::{Setting, TopicModel};
use crate::bus::{BusError, environment};
use crate::num;

/// Maximum time until every broker knows a topic that was just made.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);

/// The clients that a topic's configuration is read with.
pub(super) struct Reader<'a> {
    pub(super) control: &'a BaseConsumer<Watching>,
    pub(super) admin: &'a AdminClient<Watching>,
    pub(super) runtime: &'a Runtime,
}

impl Reader<'_> {
    /// Reads the configuration of a topic; `None` if there is no such topic, or the user may not describe it.
    ///
    /// # Errors
    /// When the cluster does not answer, or the user may not read the topic's settings.
    pub(super) fn read(&self, topic: &str) -> Result<Option<TopicModel>, BusError> {
        let what = format!("read the configuration of topic {topic}");
        let failed = |why: &dyn std::fmt::Display| {
            explain(&self.control.context().0, &format!("cannot {what}: {why}"))
        };
        // Requests all topics, because requesting one by name may create it.
        let metadata = self.control.fetch_metadata(None, PATIENCE).map_err(|error| failed(&error))?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Ok(None);
        };
        let asked = [ResourceSpecifier::Topic(topic)];
        let options = AdminOptions::new().request_timeout(Some(PATIENCE));
        let answer = self.runtime.block_on(self.admin.describe_configs(asked.iter(), &options));
        let answer = answer.map_err(|error| failed(&error))?.into_iter().next();
        let denied = |why: &dyn std::fmt::Display| BusError::Refused {
            problem: format!("cannot {what}: {why}"),
            hint: rights::describe_configs(topic),
        };
        let resource = match answer {
            // The client library drops the error of a single resource. Every topic has settings, so there was one.
            Some(Ok(resource)) if resource.entries.is_empty() => {
                return Err(denied(&"the cluster shows none of its settings"));
            }
            Some(Ok(resource)) => resource,
            Some(Err(Code::UnknownTopicOrPartition | Code::UnknownTopic)) => return Ok(None),
            Some(Err(code @ Code::TopicAuthorizationFailed)) => return Err(denied(&code)),
            Some(Err(code)) => return Err(failed(&code)),
            None => return Err(failed(&"no answer")),
        };
        let replicas = found.partitions().iter().map(|partition| partition.replicas().len()).min();
        let settings = resource.entries.into_iter().map(|entry| {
            let of_topic = entry.source == ConfigSource::DynamicTopic;
            (entry.name, Setting { value: entry.value.filter(|_| !entry.is_sensitive), of_topic })
        });
        Ok(Some(TopicModel {
            of: format!("topic {topic}"),
            topic: topic.to_owned(),
            partitions: num::count32(found.partitions().len()),
            replicas: num::count32(replicas.unwrap_or(1)),
            settings: settings.collect(),
            attached: false,
        }))
    }

    /// Reads the configuration of an existing topic as a model.
    ///
    /// # Errors
    /// As [`Self::read`], and when there is no such topic.
    pub(super) fn model(&self, topic: &str) -> Result<TopicModel, BusError> {
        self.read(topic)?.ok_or_else(|| BusError::Plan {
            problem: format!("topic {topic} does not exist on this cluster, or the user may not describe it"),
            hint: "name one of those that `kafka-topics --list` shows, or leave `bus.kafka.like` and `bus.kafka.attach` out"
                .to_owned(),
        })
    }

    /// Reads the configuration of a topic that was just made.
    ///
    /// # Errors
    /// As [`Self::read`], and when the topic does not appear.
    pub(super) fn made(&self, topic: &str) -> Result<TopicModel, BusError> {
        let deadline = Instant::now() + KNOWN_WITHIN;
        loop {
            match self.read(topic) {
                Ok(Some(made)) if made.partitions > 0 => return Ok(made),
                // A broker that does not know the topic yet shows no settings, either.
                Ok(_) | Err(BusError::Refused { .. }) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(error) => return Err(error),
                Ok(_) => {
                    let problem = format!("topic {topic} was made, and the cluster does not know it");
                    return Err(environment(&problem, "see the broker's log"));
                }
            }
        }
    }
}
