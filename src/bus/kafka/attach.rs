//! A run in an existing topic: notes where the topic ends before the run, and lets the run's groups start there. Does not
//! create, change or delete any topic, and no group but the run's own.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::Watching;
use super::audit::{Ends, partitions};
use super::names::Names;
use super::provision::{PATIENCE, explain};
use super::rights;
use super::watch::{Watch, is_denial};
use crate::bus::{BusError, environment};

/// Maximum time until the coordinator of a new group answers.
const COORDINATED_WITHIN: Duration = Duration::from_secs(20);

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

/// Context of a consumer that commits once for its group.
struct Starter {
    watch: Watch,
    done: Mutex<Option<KafkaResult<()>>>,
}

impl ClientContext for Starter {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.watch.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.watch.error(error, reason);
    }
}

impl ConsumerContext for Starter {
    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let each = || {
            offsets
                .elements()
                .iter()
                .try_for_each(rdkafka::topic_partition_list::TopicPartitionListElem::error)
        };
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = Some(result.and_then(|()| each()));
    }
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
    config.set("group.id", &name).set("enable.auto.commit", "false").set("session.timeout.ms", "10000");
    let starter = Starter { watch: watch.clone(), done: Mutex::default() };
    let consumer = BaseConsumer::from_config_and_context(config, starter).map_err(|error| failed(&error))?;
    let done = commit(&consumer, &list).map_err(|error| failed(&error));
    super::end(consumer);
    done
}

/// Commits until the coordinator has confirmed it, or an error is final.
fn commit(consumer: &BaseConsumer<Starter>, list: &TopicPartitionList) -> KafkaResult<()> {
    let deadline = Instant::now() + COORDINATED_WITHIN;
    let is_final = |error: &KafkaError| error.rdkafka_error_code().is_some_and(is_denial);
    consumer.commit(list, CommitMode::Async)?;
    loop {
        // A missing right to the group is reported beside the commit.
        if let Some(Err(error)) = consumer.poll(Duration::from_millis(50))
            && is_final(&error)
        {
            return Err(error);
        }
        let done = consumer.context().done.lock().unwrap_or_else(PoisonError::into_inner).take();
        match done {
            Some(Ok(())) => return Ok(()),
            Some(Err(error)) if is_final(&error) || Instant::now() >= deadline => return Err(error),
            Some(Err(_)) => consumer.commit(list, CommitMode::Async)?,
            None if Instant::now() >= deadline => {
                return Err(KafkaError::ConsumerCommit(Code::WaitingForCoordinator));
            }
            None => {}
        }
    }
}
