//! A run in an existing topic: notes where the topic ends before the run, and lets the run's groups start there. Does not
//! create, change or delete any topic, and no group but the run's own.

use std::time::{Duration, Instant};

use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};

use super::Watching;
use super::audit::{Ends, partitions};
use super::names::Names;
use super::provision::{PATIENCE, explain};
use super::rights;
use super::watch::{Watch, is_denial};
use crate::bus::{BusError, environment};

/// Maximum time until the coordinator of a new group answers.
const COORDINATED_WITHIN: Duration = Duration::from_secs(20);
/// Maximum time until an error beside a failed commit is reported.
const BESIDE_WITHIN: Duration = Duration::from_millis(300);

/// Returns the ends of all partitions of the topic.
///
/// # Errors
/// When the cluster does not report them.
pub(super) fn ends(control: &BaseConsumer<Watching>, names: &Names) -> Result<Ends, BusError> {
    Ends::ask(control, names, Offset::End, PATIENCE).map_err(|error| {
        let what = format!("cannot ask for the ends of topic {}: {error}", names.topics().join(", "));
        match error.rdkafka_error_code() {
            Some(code @ Code::TopicAuthorizationFailed) => BusError::Refused {
                problem: format!("cannot ask for the ends of topic {}: {code}", names.topics().join(", ")),
                hint: rights::describe(names),
            },
            _ => explain(&control.context().0, &what),
        }
    })
}

/// Lets a group of the run start at these offsets, by committing them for it.
///
/// # Errors
/// When the cluster refuses, or has no coordinator for the group.
pub(super) fn start_at(
    ends: &Ends,
    names: &Names,
    group: usize,
    config: &mut ClientConfig,
    watch: &Watch,
) -> Result<(), BusError> {
    let name = names.group(group).to_owned();
    let failed = |error: &KafkaError| {
        let problem = format!("cannot let group {name} start at the end of the topic: {error}");
        if error.rdkafka_error_code().is_some_and(is_denial) {
            BusError::Refused { problem, hint: rights::read(names) }
        } else {
            environment(&problem, "see the broker's log")
        }
    };
    let mut list = TopicPartitionList::new();
    for (topic, log) in names.topics().iter().enumerate() {
        for partition in partitions(names) {
            let end = i64::try_from(ends.at(names.place(topic, partition))).unwrap_or(0);
            list.add_partition_offset(log, partition, Offset::Offset(end)).map_err(|error| failed(&error))?;
        }
    }
    // The client keeps a commit without a coordinator for as long as a session.
    config.set("group.id", &name).set("enable.auto.commit", "false").set("session.timeout.ms", "3000");
    let consumer: BaseConsumer<Watching> =
        BaseConsumer::from_config_and_context(config, Watching(watch.clone()))
            .map_err(|error| failed(&error))?;
    watch.log_in(consumer.client());
    let done = commit(&consumer, &list).map_err(|error| failed(&error));
    super::end(consumer);
    done
}

/// Commits until the coordinator has confirmed it, or an error is final.
fn commit(consumer: &BaseConsumer<Watching>, list: &TopicPartitionList) -> KafkaResult<()> {
    let deadline = Instant::now() + COORDINATED_WITHIN;
    let is_final = |error: &KafkaError| error.rdkafka_error_code().is_some_and(is_denial);
    loop {
        let Err(error) = consumer.commit(list, CommitMode::Sync) else { return Ok(()) };
        if is_final(&error) {
            return Err(error);
        }
        // A missing right to the group is reported beside the commit.
        let until = Instant::now() + BESIDE_WITHIN;
        while Instant::now() < until {
            if let Some(Err(denial)) = consumer.poll(Duration::from_millis(50))
                && is_final(&denial)
            {
                return Err(denial);
            }
        }
        if Instant::now() >= deadline {
            return Err(error);
        }
    }
}
