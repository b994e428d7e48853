//! The receiving end: a dedicated consumer, polled on the member's thread; an event is stamped when it leaves the
//! client's queue.
//!
//! Offsets of delivered events are stored and committed at intervals, never for each event: this is the meaning of a
//! member's acknowledgement on Kafka. All partitions are paused until every member of the group has its assignment,
//! so that a group that is ready is also balanced.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::names::Names;
use super::progress::Progress;
use super::rights;
use super::throttle::INTERVAL_MS;
use super::token::Tokens;
use super::watch::{Watch, is_denial};
use crate::bus::marks::Marks;
use crate::bus::{BusError, Delivery, Left, Member, Position, environment};
use crate::host::clock::Clock;
use crate::num;
use crate::plan::{AckMode, Bus, Ns};
use crate::record::quota::Side;

/// Maximum number of events delivered at once.
const BATCH: usize = 100;

/// Interval at which a disconnected member looks for the cluster.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How long the cluster may take to say what a member that has crashed had committed.
const SAID_WITHIN: Duration = Duration::from_secs(5);

/// Context of a consumer; records which partitions it holds and what it has committed.
struct MemberContext {
    watch: Watch,
    names: Arc<Names>,
    progress: Arc<Progress>,
    member: u32,
    /// Its partitions are paused until the group is balanced.
    paused: AtomicBool,
}

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.watch.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.watch.error(error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.watch.statistics(Side::Consumer, statistics);
    }
}

impl ConsumerContext for MemberContext {
    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                self.progress.assign(self.member, Some(num::count32(partitions.count())));
                // A partition that was paused here before is paused again, even if another member held it meanwhile.
                let done = if self.progress.balanced() {
                    consumer.resume(partitions)
                } else {
                    self.paused.store(true, Ordering::Relaxed);
                    consumer.pause(partitions)
                };
                if let Err(error) = done {
                    self.watch.mark("broker-error", &format!("cannot hold its partitions: {error}"));
                }
            }
            Rebalance::Revoke(_) | Rebalance::Error(_) => self.progress.assign(self.member, None),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        if let Err(error) = result {
            // Nothing has changed since the last commit.
            if error.rdkafka_error_code() != Some(Code::NoOffset) {
                self.watch.mark("commit-failed", &error.to_string());
            }
            return;
        }
        for element in offsets.elements() {
            let (Some(topic), Offset::Offset(next)) =
                (self.names.index(element.topic(), 0), element.offset())
            else {
                continue;
            };
            if element.error().is_ok()
                && let Ok(next) = u64::try_from(next)
            {
                self.progress.commit(self.names.place(topic, element.partition()), next);
            }
        }
    }
}

/// Makes the members of one place in a group, one after another.
pub(super) struct Maker {
    /// The name of the client.
    pub(super) name: String,
    pub(super) config: ClientConfig,
    pub(super) bus: Bus,
    pub(super) names: Arc<Names>,
    pub(super) progress: Arc<Progress>,
    pub(super) clock: Clock,
    pub(super) marks: Marks,
    pub(super) tokens: Option<Tokens>,
    pub(super) group: usize,
    pub(super) member: u32,
}

/// One consumer inside a group.
pub struct KafkaMember {
    /// `Some` until it is dropped.
    consumer: Option<BaseConsumer<MemberContext>>,
    /// What another consumer of the group is made of, which asks what this one has committed when it is gone.
    config: ClientConfig,
    watch: Option<Watch>,
    names: Arc<Names>,
    progress: Arc<Progress>,
    clock: Clock,
    acks: bool,
    /// It has nothing to subscribe to and only waits.
    deaf: bool,
    /// Its partitions are paused while a backlog grows.
    held: bool,
    /// When it last asked the cluster for metadata.
    asked: Instant,
    /// The topic of the last event, usually also that of the next.
    topic: usize,
    /// When it received the last event.
    last: Ns,
}

impl Maker {
    /// Makes a member, which subscribes to the group's topics.
    ///
    /// # Errors
    /// When the client cannot be created.
    pub(super) fn make(&self) -> Result<KafkaMember, BusError> {
        let Self { bus, names, progress, clock, group, member, .. } = self;
        let watch = Watch::new(self.marks.of(self.name.clone()), self.tokens.clone());
        let mut config = self.config.clone();
        settings(&mut config, bus, names.group(*group));
        if names.attached() {
            // An open transaction of another publisher must not hold the run's events back.
            config.set("isolation.level", "read_uncommitted");
        }
        let acks = bus.ack != AckMode::None;
        let context = MemberContext {
            watch,
            names: Arc::clone(names),
            progress: Arc::clone(progress),
            member: *member,
            paused: AtomicBool::new(false),
        };
        let wrong = |error: KafkaError| {
            environment(&format!("cannot make a consumer: {error}"), "check the settings in [bus.kafka]")
        };
        let consumer = BaseConsumer::from_config_and_context(&config, context).map_err(wrong)?;
        consumer.context().watch.log_in(consumer.client());
        let topics = names.subscribed(*group);
        if !topics.is_empty() {
            consumer.subscribe(&topics).map_err(wrong)?;
        }
        let deaf = topics.is_empty();
        Ok(KafkaMember {
            consumer: Some(consumer),
            config,
            watch: Some(Watch::new(self.marks.of(self.name.clone()), self.tokens.clone())),
            names: Arc::clone(names),
            progress: Arc::clone(progress),
            clock: *clock,
            acks,
            deaf,
            held: false,
            asked: Instant::now(),
            topic: 0,
            last: 0,
        })
    }
}

impl KafkaMember {
    /// The events of these partitions that it has handed over and not committed, by what the cluster says; `None` where that is not
    /// known. Another consumer asks when it is gone: it commits by itself until then.
    fn open(&mut self, held: TopicPartitionList) -> Option<Vec<Position>> {
        let context = MemberContext {
            watch: self.watch.take()?,
            names: Arc::clone(&self.names),
            progress: Arc::clone(&self.progress),
            member: 0,
            paused: AtomicBool::new(false),
        };
        let consumer = BaseConsumer::from_config_and_context(&self.config, context).ok()?;
        consumer.context().watch.log_in(consumer.client());
        let committed = consumer.committed_offsets(held, SAID_WITHIN);
        super::end(consumer);
        let committed = committed.ok()?;
        let mut open = Vec::new();
        for element in committed.elements() {
            let place = self.names.place(self.names.index(element.topic(), 0)?, element.partition());
            let (handed, known) = self.progress.of(place)?;
            let next = match element.offset() {
                Offset::Offset(next) => u64::try_from(next).ok()?.max(known),
                // Nothing is committed yet.
                _ => known,
            };
            open.extend((next..handed).map(|offset| Position { partition: place, offset }));
        }
        Some(open)
    }

    /// Resumes its partitions once the group is balanced.
    fn resume(&self, consumer: &BaseConsumer<MemberContext>) {
        let context = consumer.context();
        if self.progress.balanced() && context.paused.swap(false, Ordering::Relaxed) {
            let resumed = consumer.assignment().and_then(|held| consumer.resume(&held));
            if let Err(error) = resumed {
                context.watch.mark("broker-error", &format!("cannot go on after the group's start: {error}"));
            }
        }
    }
}

/// Passes an event to the sink as received; `topic` is the index of the last event's topic.
fn hand_over(
    names: &Names,
    message: &BorrowedMessage<'_>,
    topic: &mut usize,
    clock: Clock,
    attempt: impl FnOnce(u32, u64) -> u32,
    sink: &mut dyn FnMut(&Delivery<'_>),
) {
    let received = clock.now();
    let name = message.topic();
    let Some(index) = names.index(name, *topic) else { return };
    *topic = index;
    let position = names.position(index, message.partition(), message.offset());
    sink(&Delivery {
        subject: names.published(name),
        payload: message.payload().unwrap_or_default(),
        received,
        position,
        attempt: attempt(position.partition, position.offset),
    });
}

impl Member for KafkaMember {
    fn receive(&mut self, wait: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<usize, BusError> {
        if self.deaf {
            std::thread::sleep(wait);
            return Ok(0);
        }
        if let Some(consumer) = &self.consumer {
            if std::mem::take(&mut self.held) {
                consumer.context().paused.store(true, Ordering::Relaxed);
            }
            self.resume(consumer);
        }
        let Self { consumer: Some(consumer), names, progress, clock, acks, asked, topic, last, .. } = self
        else {
            return Ok(0);
        };
        let mut sink = |delivery: &Delivery<'_>| {
            *last = delivery.received;
            sink(delivery);
        };
        consumer.context().watch.log_in(consumer.client());
        let mut received = 0;
        let mut next = consumer.poll(wait);
        while let Some(polled) = next {
            match polled {
                Ok(message) => {
                    if received == 0 {
                        consumer.context().watch.came_through();
                    }
                    hand_over(
                        names,
                        &message,
                        topic,
                        *clock,
                        |place, offset| progress.hand_over(place, offset),
                        &mut sink,
                    );
                    received += 1;
                    if *acks {
                        // Fails only if the partition has moved to another member, which will receive the event
                        // again.
                        let _ = consumer.store_offset_from_message(&message);
                    }
                }
                Err(error) => fate(&error, names, consumer)?,
            }
            if received >= BATCH {
                break;
            }
            next = consumer.poll(Duration::ZERO);
        }
        if received == 0 && consumer.context().watch.is_down() && asked.elapsed() >= ASK_AGAIN {
            *asked = Instant::now();
            find(consumer);
        }
        Ok(received)
    }

    /// The client prefetches even while it is not polled: its partitions are paused, which also drops prefetched
    /// events.
    fn hold(&mut self) {
        let Some(consumer) = self.consumer.as_ref().filter(|_| !self.held) else { return };
        match consumer.assignment().and_then(|held| consumer.pause(&held)) {
            Ok(()) => self.held = true,
            Err(error) => {
                consumer.context().watch.mark("broker-error", &format!("cannot let a backlog grow: {error}"));
            }
        }
    }

    /// Without acknowledgements the group has no position, and everything would come again.
    fn crash(mut self) -> Option<Left> {
        let consumer = self.consumer.take()?;
        let held = consumer.assignment().ok().filter(|_| self.acks);
        self.progress.assign(consumer.context().member, None);
        super::crash(consumer);
        let open = self.open(held?)?;
        Some(Left { open, in_doubt: Vec::new(), last: self.last })
    }
}

/// Looks for the cluster after an outage. An idle consumer is slow to do so: in a measurement, it took more than 15 s
/// after a moment in which the cluster had no broker.
fn find(consumer: &BaseConsumer<MemberContext>) {
    if consumer.fetch_metadata(None, Duration::from_millis(100)).is_ok() {
        consumer.context().watch.came_through();
    }
}

/// Decides whether a consumer's error is fatal: most are transient, and the client has already reported them.
fn fate(error: &KafkaError, names: &Names, consumer: &BaseConsumer<MemberContext>) -> Result<(), BusError> {
    let lost = |why: &str, hint: &str| Err(environment(&format!("a member cannot go on: {why}"), hint));
    match error {
        KafkaError::MessageConsumptionFatal(code) => lost(&code.to_string(), "see the broker's log"),
        KafkaError::MessageConsumption(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
            // Also reported while a new topic is not yet known to every broker.
            consumer
                .context()
                .watch
                .mark("broker-error", &format!("{error} ({} topics)", names.topics().len()));
            Ok(())
        }
        KafkaError::MessageConsumption(Code::NotImplemented) => lost(
            "events are compressed with zstd, which this build cannot read",
            if names.attached() {
                "others publish them into the topic; take `bus.kafka.like`"
            } else {
                "set `compression` in [bus.kafka] to none, gzip, snappy or lz4"
            },
        ),
        KafkaError::MessageConsumption(code) if is_denial(*code) => {
            let hint = rights::read(names);
            let problem = format!("the cluster does not let the run receive: {code}");
            consumer.context().watch.deny(problem, hint.clone());
            lost(&code.to_string(), &hint)
        }
        _ => Ok(()),
    }
}

impl Drop for KafkaMember {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            self.progress.assign(consumer.context().member, None);
            super::end(consumer);
        }
    }
}

/// Limits the events that a consumer has prefetched and not yet delivered.
pub(super) fn fetch_at_most(config: &mut ClientConfig, bytes: u64) {
    const MOST_KIB: u64 = 2_097_151;
    const FETCH: u64 = 52_428_800;
    config
        .set("queued.max.messages.kbytes", (bytes / 1024).clamp(1, MOST_KIB).to_string())
        .set("fetch.max.bytes", bytes.clamp(super::MAX_MESSAGE_BYTES, FETCH).to_string());
}

/// Sets the consumer's settings; all others keep librdkafka's defaults.
fn settings(config: &mut ClientConfig, bus: &Bus, group: &str) {
    let acks = bus.ack != AckMode::None;
    fetch_at_most(config, bus.most_bytes());
    config
        .set("group.id", group)
        // The run's topics contain only its own events, and the group is new: start at the first event.
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", acks.to_string())
        .set("auto.commit.interval.ms", (bus.kafka.commit_interval.ns / 1_000_000).max(1).to_string())
        // Otherwise closing would commit events that were never handled.
        .set("enable.auto.offset.store", "false")
        // The same symbols of all topics go to the same member.
        .set("partition.assignment.strategy", "range")
        // Determines how soon a member learns of a change in its group.
        .set("heartbeat.interval.ms", "300")
        .set("session.timeout.ms", "10000")
        // A member does not poll while a backlog grows; the group must not take it for dead meanwhile.
        .set("max.poll.interval.ms", "86400000")
        // A group that lost its coordinator looks for another one ten times as often as this; with the client's
        // default of 10 min, that would be once a minute.
        .set("coordinator.query.interval.ms", "5000")
        // The statistics show whether a quota throttles the client.
        .set("statistics.interval.ms", INTERVAL_MS)
        // A full queue must not cause a pause of a second.
        .set("fetch.queue.backoff.ms", "10")
        .set("fetch.error.backoff.ms", "50");
}
