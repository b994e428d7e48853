//! The sending end: a dedicated producer; its delivery reports are handled on the generator's thread while it waits.
//!
//! tickgate keeps the window and the buffer itself, outside librdkafka, so that they mean the same as on NATS: an
//! event waiting for room is not in librdkafka yet, and a late report is recognised by its ticket. After a lost
//! connection librdkafka resends events by itself on the next one; with idempotence, neither twice nor out of order.
//! Such an event therefore stays open and keeps its place in the window until it is confirmed or its time is over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::bindings::{self, rd_kafka_msg_status_t as Status};
use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::{ClientContext, util::Timeout};

use super::bell::Bell;
use super::names::Names;
use super::rights;
use super::throttle::INTERVAL_MS;
use super::watch::{Watch, is_denial};
use super::{MAX_PAYLOAD, explain};
use crate::bus::window::{Patience, Room, Sent, Ticket, Window};
use crate::bus::{
    Ack, Answer, BusError, Doubt, Outgoing, Publisher, Refusal, Refused, Tries, environment, words,
};
use crate::host::clock::Clock;
use crate::host::sleep::Sleeper;
use crate::num;
use crate::plan::{Acks, BatchCompression, Bus, Ns};
use crate::record::quota::Side;

/// The client checks for timed-out events about once a second. The driver gives events up only after that, because
/// the client can identify those that were never sent.
const GRACE_NS: Ns = 1_500_000_000;

/// An event waiting for room in the window.
#[derive(Debug)]
struct Queued {
    topic: usize,
    symbol: u32,
    payload: Box<[u8]>,
}

/// The outcome of an event.
#[derive(Debug, Clone, Copy)]
struct Done {
    label: usize,
    at: Ns,
    outcome: Fate,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Stored { partition: i32, offset: i64 },
    Other(Answer),
}

/// Collects a producer's reports.
struct Reports {
    watch: Watch,
    clock: Clock,
    done: Mutex<Vec<Done>>,
    /// The rights that publishing needs, for a hint.
    rights: String,
}

impl Reports {
    fn denied(&self, why: &str) {
        self.watch.deny(format!("the cluster does not let the run publish: {why}"), self.rights.clone());
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.watch.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // Without the right to write, an idempotent producer does not get its id, and ends for good.
        if error.rdkafka_error_code().is_some_and(is_denial) || reason.contains("authorization failed") {
            self.denied(reason);
        }
        self.watch.error(error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.watch.statistics(Side::Producer, statistics);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, label: usize) {
        let at = self.clock.now();
        let outcome = match result {
            Ok(message) => {
                self.watch.came_through();
                Fate::Stored { partition: message.partition(), offset: message.offset() }
            }
            Err((error, message)) => {
                let code = error.rdkafka_error_code();
                if let Some(code) = code.filter(|&code| is_denial(code)) {
                    self.denied(&code.to_string());
                }
                Fate::Other(failed(code, status(message)))
            }
        };
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.push(Done { label, at, outcome });
    }
}

/// Returns whether a failed message may be in the log nevertheless.
fn status(message: &BorrowedMessage<'_>) -> Status {
    #[expect(unsafe_code, reason = "rdkafka has no call for it")]
    // SAFETY: the message lives as long as the report that is being read.
    unsafe {
        bindings::rd_kafka_message_status(message.ptr())
    }
}

/// Returns the answer to a failed event: a refusal only if it is known not to be stored.
fn failed(code: Option<Code>, status: Status) -> Answer {
    match (code, status) {
        (Some(code), Status::RD_KAFKA_MSG_STATUS_NOT_PERSISTED) => Answer::Refused(refusal(code)),
        _ => Answer::Unconfirmed(Doubt::NoAnswer),
    }
}

/// Returns the reason for which an event was refused.
fn refusal(code: Code) -> Refusal {
    match code {
        Code::MessageTimedOut | Code::PurgeQueue | Code::PurgeInflight => Refusal::NotSent,
        Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::UnknownPartition
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::AllBrokersDown => Refusal::NoResponders,
        Code::ThrottlingQuotaExceeded => Refusal::Overload,
        other => Refusal::Said { code: number(other), words: words::keep(&other.to_string()) },
    }
}

/// Returns the protocol's number of an error; the client's own errors have negative numbers there.
#[expect(clippy::as_conversions, reason = "there is no other way to an enum's number")]
const fn number(code: Code) -> u32 {
    (code as i32).unsigned_abs()
}

/// What a publisher needs from its run.
pub(super) struct Setup<'a> {
    pub(super) config: ClientConfig,
    pub(super) bus: &'a Bus,
    pub(super) names: Arc<Names>,
    pub(super) symbols: Arc<[String]>,
    pub(super) clock: Clock,
    pub(super) watch: Watch,
}

/// The sending end of one generator.
pub struct KafkaPublisher {
    // Declared before the producer, which owns its queue, so that it is dropped first.
    bell: Bell,
    producer: BaseProducer<Reports>,
    names: Arc<Names>,
    symbols: Arc<[String]>,
    clock: Clock,
    window: Window<Queued>,
    done: Vec<Done>,
    answers: Vec<Ack>,
    abandoned: bool,
    closed: bool,
}

impl KafkaPublisher {
    /// Connects to the cluster.
    ///
    /// # Errors
    /// When the settings are incompatible, or the cluster does not answer.
    pub(super) fn connect(setup: Setup<'_>) -> Result<Self, BusError> {
        let Setup { mut config, bus, names, symbols, clock, watch } = setup;
        settings(&mut config, bus);
        let reports = Reports {
            watch: watch.clone(),
            clock,
            done: Mutex::new(Vec::new()),
            rights: rights::write(&names),
        };
        let producer = BaseProducer::from_config_and_context(&config, reports).map_err(|error| {
            environment(&format!("cannot make a producer: {error}"), "check the settings in [bus.kafka]")
        })?;
        watch.log_in(producer.client());
        // Fetches metadata, so that the first event does not wait for it.
        producer
            .client()
            .fetch_metadata(None, Duration::from_secs(5))
            .map_err(|error| explain(&watch, &format!("a producer cannot reach the cluster: {error}")))?;
        let bell = Bell::of(&producer).map_err(|error| {
            environment(
                &format!("cannot make an event descriptor: {error}"),
                "raise the limit of open files (`ulimit -n`)",
            )
        })?;
        let room_ns = time_for(bus);
        let patience = Patience { room_ns, answer_ns: room_ns.saturating_add(GRACE_NS) };
        Ok(Self {
            bell,
            producer,
            names,
            symbols,
            clock,
            window: Window::new(Room::of(bus), patience),
            done: Vec::new(),
            answers: Vec::new(),
            abandoned: false,
            closed: false,
        })
    }

    /// Handles the available reports, and fills the places they free.
    fn serve(&mut self) {
        self.producer.context().watch.log_in(self.producer.client());
        while self.bell.has_rung() {
            // Serves a single report, however many there are.
            self.producer.poll(Timeout::After(Duration::ZERO));
        }
        {
            let mut done = self.producer.context().done.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut *done, &mut self.done);
        }
        for done in self.done.drain(..) {
            let (ticket, topic) = unpack(done.label);
            if let Some(token) = self.window.answer(ticket) {
                let outcome = match done.outcome {
                    Fate::Stored { partition, offset } => Answer::Stored {
                        position: self.names.position(topic, partition, offset),
                        duplicate: false,
                    },
                    Fate::Other(answer) => answer,
                };
                self.answers.push(Ack { token, at: done.at, outcome, tries: Tries::ONCE });
            }
        }
        self.dispatch();
    }

    /// Hands waiting events to the client.
    fn dispatch(&mut self) {
        let Self { window, producer, names, symbols, answers, clock, closed, .. } = self;
        let now = clock.now();
        let line = Line { producer, names, symbols };
        let send = |ticket, queued: &Queued| {
            let Err(why) = line.send(ticket, queued.topic, queued.symbol, &queued.payload) else {
                return Sent::As(0);
            };
            *closed |= why == NotTaken::Closed;
            match why {
                NotTaken::Full | NotTaken::Closed => Sent::NotYet,
                NotTaken::Gone(code) => Sent::Never(refusal(code)),
            }
        };
        window.dispatch(now, send, |token, outcome| {
            answers.push(Ack { token, at: now, outcome, tries: Tries::ONCE });
        });
    }
}

/// What sending an event requires.
struct Line<'a> {
    producer: &'a BaseProducer<Reports>,
    names: &'a Names,
    symbols: &'a [String],
}

/// Why the client does not accept an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotTaken {
    /// Its queue is full.
    Full,
    /// It has permanently failed.
    Closed,
    /// It already knows that the event has no destination.
    Gone(Code),
}

impl Line<'_> {
    /// Hands an event to the client.
    fn send(&self, ticket: Ticket, topic: usize, symbol: u32, payload: &[u8]) -> Result<(), NotTaken> {
        let name = self.names.topic(topic).unwrap_or_default();
        let key = self.symbols.get(num::index32(symbol)).map_or("", String::as_str);
        let record = BaseRecord::with_opaque_to(name, pack(ticket, topic)).key(key).payload(payload);
        self.producer.send(record).map_err(|(error, _)| match error.rdkafka_error_code() {
            Some(Code::QueueFull) | None => NotTaken::Full,
            Some(Code::Fatal) => NotTaken::Closed,
            Some(code) => NotTaken::Gone(code),
        })
    }
}

/// Packs a ticket and a topic into the word that the client keeps with a message: 32 bits of generation, 8 of topic,
/// 24 of slot.
fn pack(ticket: Ticket, topic: usize) -> usize {
    let topic = num::count(topic) & 0xff;
    num::index(u64::from(ticket.generation) << 32 | topic << 24 | u64::from(ticket.slot & 0x00ff_ffff))
}

fn unpack(label: usize) -> (Ticket, usize) {
    let label = num::count(label);
    let ticket = Ticket { slot: num::low32(label & 0x00ff_ffff), generation: num::low32(label >> 32) };
    (ticket, num::index(label >> 24 & 0xff))
}

/// Returns how long an event may wait, and then how long the client sends it again by itself.
const fn time_for(bus: &Bus) -> Ns {
    if bus.retries() { bus.retry.ns } else { bus.publish_timeout.ns }
}

/// Sets the producer's settings; all others keep librdkafka's defaults.
fn settings(config: &mut ClientConfig, bus: &Bus) {
    let kafka = &bus.kafka;
    let acks = match kafka.acks {
        Acks::All => "all",
        Acks::Leader => "1",
        Acks::None => "0",
    };
    let compression = match kafka.compression {
        BatchCompression::None => "none",
        BatchCompression::Gzip => "gzip",
        BatchCompression::Snappy => "snappy",
        BatchCompression::Lz4 => "lz4",
    };
    let milliseconds = |ns: Ns| format!("{}", num::f64_of(ns) / 1e6);
    config
        .set("acks", acks)
        .set("enable.idempotence", kafka.idempotence.to_string())
        .set("linger.ms", milliseconds(kafka.linger.ns))
        .set("batch.size", kafka.batch_size.bytes.to_string())
        .set("max.in.flight.requests.per.connection", kafka.max_in_flight.to_string())
        .set("compression.type", compression)
        // As Java clients do; librdkafka's default maps the same key to another partition.
        .set("partitioner", "murmur2_random")
        .set("message.timeout.ms", (time_for(bus) / 1_000_000).max(1).to_string())
        .set("message.max.bytes", super::MAX_MESSAGE)
        .set("topic.metadata.propagation.max.ms", "5000")
        // The statistics show whether a quota throttles the client.
        .set("statistics.interval.ms", INTERVAL_MS)
        // The window limits what is in the client.
        .set("queue.buffering.max.messages", "0")
        .set("queue.buffering.max.kbytes", "2147483647");
}

impl Publisher for KafkaPublisher {
    fn publish(&mut self, event: &Outgoing<'_>) -> Result<(), Refused> {
        if self.closed {
            return Err(Refused::Closed);
        }
        if num::count(event.payload.len()) > MAX_PAYLOAD {
            return Err(Refused::TooLarge);
        }
        let (now, bytes) = (self.clock.now(), num::count(event.payload.len()));
        if let Some(ticket) = self.window.claim(event.token, now, bytes) {
            let line = Line { producer: &self.producer, names: &self.names, symbols: &self.symbols };
            let Err(why) = line.send(ticket, event.topic, event.symbol, event.payload) else { return Ok(()) };
            self.window.answer(ticket);
            return match why {
                NotTaken::Full => Err(Refused::Full),
                NotTaken::Closed => {
                    self.closed = true;
                    Err(Refused::Closed)
                }
                NotTaken::Gone(code) => {
                    let outcome = Answer::Refused(refusal(code));
                    self.answers.push(Ack { token: event.token, at: now, outcome, tries: Tries::ONCE });
                    Ok(())
                }
            };
        }
        if !self.window.admits(bytes) {
            // It may seem full only because reports have not been handled for a while.
            self.serve();
            if !self.window.admits(bytes) {
                return Err(Refused::Full);
            }
        }
        let queued = Queued { topic: event.topic, symbol: event.symbol, payload: event.payload.into() };
        self.window.accept(event.token, now, bytes, queued);
        Ok(())
    }

    fn acks(&mut self, into: &mut Vec<Ack>) {
        self.serve();
        into.append(&mut self.answers);
        let now = self.clock.now();
        let closed = |token, outcome| into.push(Ack { token, at: now, outcome, tries: Tries::ONCE });
        if std::mem::take(&mut self.abandoned) || self.closed {
            self.window.give_up(Doubt::NoAnswer, closed);
        } else {
            self.window.expire(now, closed);
        }
    }

    fn wait(&mut self, until: Ns, sleeper: &Sleeper) {
        let wake = until.saturating_sub(sleeper.spin_ns());
        loop {
            self.serve();
            let now = self.clock.now();
            if now >= wake {
                break;
            }
            self.bell.wait(wake - now);
        }
        if sleeper.spin_ns() > 0 {
            sleeper.sleep_until(until);
        }
    }

    fn in_flight(&self) -> usize {
        self.window.open()
    }

    fn abandon(&mut self) {
        self.abandoned = true;
    }
}

impl Drop for KafkaPublisher {
    fn drop(&mut self) {
        // Accepted events should leave, but a dead broker must not block the drop.
        self.dispatch();
        let _ = self.producer.flush(Duration::from_millis(200));
    }
}

#[cfg(test)]
mod tests;
