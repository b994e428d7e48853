//! Reads the run's topics back from the start, each partition in its order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::{Message as _, Offset, TopicPartitionList};

use super::Watching;
use super::names::Names;
use super::watch::Watch;
use crate::bus::{BusError, Delivery, environment};
use crate::host::clock::Clock;
use crate::num;

/// One offset for every partition, by place: its beginning or its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ends(pub(super) Vec<u64>);

impl Ends {
    /// Queries one end of all partitions, with one request to each broker.
    pub(super) fn ask(
        consumer: &BaseConsumer<Watching>,
        names: &Names,
        end: Offset,
        within: Duration,
    ) -> KafkaResult<Self> {
        let mut list = TopicPartitionList::new();
        for topic in names.topics() {
            for partition in partitions(names) {
                list.add_partition_offset(topic, partition, end)?;
            }
        }
        let answer = consumer.offsets_for_times(list, within)?;
        let mut ends = vec![0; num::index32(names.places())];
        for element in answer.elements() {
            element.error()?;
            let (Some(topic), Offset::Offset(offset)) = (names.index(element.topic(), 0), element.offset())
            else {
                continue;
            };
            if let Some(place) = ends.get_mut(num::index32(names.place(topic, element.partition()))) {
                *place = u64::try_from(offset).unwrap_or(0);
            }
        }
        Ok(Self(ends))
    }

    pub(super) fn at(&self, place: u32) -> u64 {
        self.0.get(num::index32(place)).copied().unwrap_or(0)
    }

    pub(super) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Returns the later one of two offsets for every partition.
    fn later_of(&self, start: &Self) -> Self {
        Self(self.0.iter().zip(&start.0).map(|(one, other)| *one.max(other)).collect())
    }

    /// Returns the number of events before these offsets that are not before `start`.
    pub(super) fn beyond(&self, start: &Self) -> u64 {
        let start = start.0.iter().copied().chain(std::iter::repeat(0));
        self.0.iter().zip(start).map(|(at, start)| at.saturating_sub(start)).sum()
    }
}

/// Marks a partition as read to its end; returns whether it was not before.
fn passes(next: &mut Ends, high: &Ends, place: u32) -> bool {
    let end = high.at(place);
    let Some(next) = next.0.get_mut(num::index32(place)).filter(|next| **next < end) else { return false };
    *next = end;
    true
}

/// Returns the partition numbers of a topic.
pub(super) fn partitions(names: &Names) -> impl Iterator<Item = i32> {
    0..i32::try_from(names.partitions()).unwrap_or(1)
}

fn broken(error: &KafkaError) -> BusError {
    environment(&format!("cannot read the run's topics back: {error}"), "see the broker's log")
}

/// Returns whether a retry would fail the same way.
const fn is_final(error: &KafkaError) -> bool {
    matches!(
        error,
        KafkaError::MessageConsumption(Code::NotImplemented | Code::AutoOffsetReset | Code::BadMessage)
    )
}

/// The clients and names that an audit reads with.
pub(super) struct Audit<'a> {
    pub(super) control: &'a BaseConsumer<Watching>,
    pub(super) config: ClientConfig,
    pub(super) names: &'a Names,
    /// The ends before the run, if it publishes into an existing topic: only what follows may be its own.
    pub(super) start: Option<&'a Ends>,
    /// Where to begin in each partition, if that is not its first event.
    pub(super) begin: Option<Ends>,
    /// Break off soon after it is set.
    pub(super) stop: Option<&'a AtomicBool>,
    pub(super) watch: Watch,
    pub(super) clock: Clock,
}

impl Audit<'_> {
    /// Reads up to what was the last event when called, or until the deadline. Returns whether it reached the end. `ready` is
    /// called once the end is known.
    ///
    /// # Errors
    /// When the topics cannot be read.
    pub(super) fn read(
        mut self,
        deadline: Instant,
        ready: &mut dyn FnMut(),
        sink: &mut dyn FnMut(&Delivery<'_>),
    ) -> Result<bool, BusError> {
        let Some((mut low, high)) = self.ends(deadline) else { return Ok(false) };
        if let Some(begin) = &self.begin {
            low = low.later_of(begin);
        }
        ready();
        self.config
            .set("group.id", "tickgate-audit")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            .set("check.crcs", "true")
            // The last offsets of a partition may be markers of others' transactions, which are not delivered.
            .set("enable.partition.eof", self.start.is_some().to_string())
            .set("isolation.level", "read_uncommitted")
            .set("fetch.queue.backoff.ms", "10");
        let consumer = BaseConsumer::from_config_and_context(&self.config, Watching(self.watch.clone()))
            .map_err(|error| broken(&error))?;
        let mut list = TopicPartitionList::new();
        for (topic, name) in self.names.topics().iter().enumerate() {
            for partition in partitions(self.names) {
                let place = self.names.place(topic, partition);
                if low.at(place) < high.at(place) {
                    let somewhere = self.start.is_some() || self.begin.is_some();
                    let first = somewhere.then(|| i64::try_from(low.at(place)).ok()).flatten();
                    list.add_partition_offset(
                        name,
                        partition,
                        first.map_or(Offset::Beginning, Offset::Offset),
                    )
                    .map_err(|error| broken(&error))?;
                }
            }
        }
        let left = list.count();
        let read = match consumer.assign(&list) {
            Ok(()) => self.take(&consumer, deadline, left, (low, &high), sink),
            Err(error) => Err(broken(&error)),
        };
        super::end(consumer);
        read
    }

    /// Takes events until this many partitions have reached their end.
    fn take(
        &self,
        consumer: &BaseConsumer<Watching>,
        deadline: Instant,
        mut left: usize,
        (mut next, high): (Ends, &Ends),
        sink: &mut dyn FnMut(&Delivery<'_>),
    ) -> Result<bool, BusError> {
        let mut topic = 0;
        while left > 0 {
            let now = Instant::now();
            if now >= deadline || self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Ok(false);
            }
            self.watch.log_in(consumer.client());
            let message = match consumer.poll((deadline - now).min(Duration::from_millis(100))) {
                Some(Ok(message)) => message,
                Some(Err(error)) if is_final(&error) => return Err(broken(&error)),
                Some(Err(KafkaError::PartitionEOF(partition))) if self.start.is_some() => {
                    left -= usize::from(passes(&mut next, high, self.names.place(0, partition)));
                    continue;
                }
                _ => continue,
            };
            let Some(index) = self.names.index(message.topic(), topic) else { continue };
            topic = index;
            let position = self.names.position(index, message.partition(), message.offset());
            let end = high.at(position.partition);
            if position.offset >= end {
                left -= usize::from(passes(&mut next, high, position.partition));
                continue;
            }
            let Some(next) = next.0.get_mut(num::index32(position.partition)) else { continue };
            if position.offset < *next {
                continue;
            }
            *next = position.offset + 1;
            left -= usize::from(*next == end);
            sink(&Delivery {
                subject: self.names.published(message.topic()),
                payload: message.payload().unwrap_or_default(),
                received: self.clock.now(),
                position,
                attempt: 1,
            });
        }
        Ok(true)
    }

    /// Returns both ends of every partition; `None` if the broker does not report them in time.
    fn ends(&self, deadline: Instant) -> Option<(Ends, Ends)> {
        loop {
            let left = deadline.checked_duration_since(Instant::now())?;
            let within = left.min(Duration::from_secs(2));
            let ask = |end| Ends::ask(self.control, self.names, end, within);
            if let (Ok(low), Ok(high)) = (ask(Offset::Beginning), ask(Offset::End)) {
                return Some((self.start.map_or_else(|| low.clone(), |start| low.later_of(start)), high));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
