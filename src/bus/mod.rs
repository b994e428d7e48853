//! The seam to event buses: what a driver must do, and the drivers.
//!
//! A driver moves bytes and reports what happened to them. It never stamps, alters or parses an event, and
//! never decides what counts. One contract test suite runs against every driver.

#[cfg(feature = "kafka")]
pub mod kafka;
#[path = "kafka/topics.rs"]
pub mod kafka_topics;
pub mod leftover;
mod marks;
pub mod nats;
pub(crate) mod secret;
pub mod sim;
mod window;
mod words;

use std::time::Duration;

pub use nats::model::{Applied, Model};

use crate::host::sleep::Sleeper;
use crate::plan::Ns;
use crate::record::Made;

/// One event on its way to the bus.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The caller's own name for it; comes back with its [`Ack`].
    pub token: u64,
    /// Index into the plan's topics.
    pub topic: usize,
    /// Index of the symbol.
    pub symbol: u32,
    /// The event id as text (36 ASCII characters); for brokers that drop repeated ids.
    pub id: &'a str,
    /// The encoded event.
    pub payload: &'a [u8],
}

/// The client did not take an event; it will never be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Window and buffer are full.
    #[error("the client's window and buffer are full")]
    Full,
    /// The event is larger than the broker allows.
    #[error("the event is larger than the broker's maximum payload")]
    TooLarge,
    /// The connection has ended for good.
    #[error("the connection is closed")]
    Closed,
}

/// What the broker said of an event, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// The caller's token.
    pub token: u64,
    /// When the answer arrived (not when somebody got round to reading it).
    pub at: Ns,
    /// The answer.
    pub outcome: Answer,
}

/// The broker's answer to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Safe, as far as the bus's durability class says.
    Stored {
        /// Where.
        position: Position,
        /// The broker knew its id already and kept the first copy.
        duplicate: bool,
    },
    /// The broker said no, or the event never left.
    Refused(Refusal),
    /// It left, and nobody knows whether it is stored.
    Unconfirmed(Doubt),
}

/// Why an event that left has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Doubt {
    /// None came within the publish timeout, or before it was given up.
    NoAnswer,
    /// The connection that it left on ended first.
    Disconnected,
}

/// Why an event is known not to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// Nobody listens: no stream, or no leader.
    NoResponders,
    /// The broker's queue is full.
    Overload,
    /// Any other error of the broker, by its number.
    Api(u32),
    /// The same, with the broker's words: one number may stand for several reasons.
    Said {
        /// Its number.
        code: u32,
        /// What it said.
        words: &'static str,
    },
    /// It never left the client, and is known not to be stored.
    NotSent,
}

/// A broker's own position of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Kafka's partition; 0 on NATS.
    pub partition: u32,
    /// Kafka's offset; the stream sequence on NATS.
    pub offset: u64,
}

/// One event as a member received it.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Subject or topic, as the broker names it.
    pub subject: &'a str,
    /// The bytes, as they came.
    pub payload: &'a [u8],
    /// When it was received.
    pub received: Ns,
    /// Where the broker has it.
    pub position: Position,
    /// 1 for the first delivery of this position to this group.
    pub attempt: u32,
}

/// Something that happened to a connection or a broker and belongs into the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Ns,
    /// What, in a word: `disconnected`, `connected`, `slow-consumer`, `missed-heartbeat`, `broker-error`…
    pub kind: &'static str,
    /// Which connection, and what it said.
    pub detail: String,
}

/// Why a bus cannot be used; each text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The broker or the environment is not as needed.
    #[error("{problem}; {hint}")]
    Environment {
        /// What is wrong, and where.
        problem: String,
        /// What to do next.
        hint: String,
    },
    /// The broker has answered with an error that it will give again, however often it is asked.
    #[error("{problem}; {hint}")]
    Refused {
        /// What was refused, and the broker's words.
        problem: String,
        /// What to do next.
        hint: String,
    },
    /// What the plan asks for cannot be had on this bus.
    #[error("{problem}; {hint}")]
    Plan {
        /// What is asked for.
        problem: String,
        /// What to do next.
        hint: String,
    },
}

fn environment(problem: &str, hint: &str) -> BusError {
    BusError::Environment { problem: problem.to_owned(), hint: hint.to_owned() }
}

/// The sending end of one generator.
///
/// An accepted event waits in the buffer until it leaves: until it enters the window and is handed to the connection.
/// It gets exactly one answer, in bounded time:
///
/// - one that has not left within the publish timeout from its acceptance is `Refused(NotSent)`, and never leaves;
/// - one that has no answer within the publish timeout from leaving is `Unconfirmed(NoAnswer)`;
/// - one whose connection has ended is `Unconfirmed(Disconnected)` at once, unless the client sends it again by itself,
///   and its place in the window is free for the next connection. What waits goes on waiting, and a client that sends
///   nothing again takes nothing out of the buffer while there is no connection;
/// - when events are given up, or there will never be a connection again, those that wait are `Refused(NotSent)` and
///   the others `Unconfirmed`.
///
/// What the broker says of an event that has its answer already is nobody's answer.
pub trait Publisher: Send {
    /// Hands an event to the client. Never blocks and never awaits; copies the payload if it keeps it. The event
    /// leaves, if there is room for it, at the latest with the next [`Self::wait`] or [`Self::acks`].
    ///
    /// # Errors
    /// When the client does not take it; the event then counts as `unsent`.
    fn publish(&mut self, event: &Outgoing<'_>) -> Result<(), Refused>;

    /// Appends the answers that have arrived, without waiting, and moves waiting events into the window.
    /// Every accepted event gets exactly one answer, at the latest after twice the publish timeout.
    fn acks(&mut self, into: &mut Vec<Ack>);

    /// Waits until `until`, and does the connection's work meanwhile. This is how a generator passes its time,
    /// so that a driver needs no thread of its own for a connection, and stamps answers as they arrive. It may
    /// return early, never much later than `sleeper` would.
    fn wait(&mut self, until: Ns, sleeper: &Sleeper) {
        sleeper.sleep_until(until);
    }

    /// Events accepted and not answered yet.
    fn in_flight(&self) -> usize;

    /// Gives up every open event: each is answered by the next call of [`Self::acks`], `Unconfirmed` if it left and
    /// `Refused(NotSent)` if it did not.
    fn abandon(&mut self);
}

/// One consumer inside a group.
pub trait Member: Send {
    /// Waits at most `wait` for the first event, hands it and all that are there already to `sink`, and
    /// acknowledges them as the plan says. Returns how many there were.
    ///
    /// # Errors
    /// When this member will never receive again.
    fn receive(&mut self, wait: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<usize, BusError>;

    /// Nothing is to be received until [`Self::receive`] is called again: a driver that fetches ahead stops doing so.
    fn hold(&mut self) {}
}

/// What a broker says of itself while a run goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BusSample {
    /// Events in the run's stream.
    pub stored_events: u64,
    /// Bytes of the events in the run's stream by the broker's account, in one copy and before compression (*logical* bytes);
    /// `None` where the broker does not say.
    pub stored_bytes: Option<u64>,
    /// Bytes that they take on disk, all copies; `None` where the disk cannot be seen.
    pub disk_bytes: Option<u64>,
    /// For each group: events that the broker has not delivered to it yet.
    pub pending: Vec<u64>,
    /// For each group: delivered and not yet acknowledged.
    pub ack_pending: Vec<u64>,
    /// For each group: events that may still come to it by the broker's account, for the first time or again. An event that
    /// a group has not received is lost only beyond these.
    pub owed: Vec<u64>,
    /// The server that leads the run's stream, in a cluster.
    pub leader: Option<String>,
}

/// What is known of a broker before the load.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BusFacts {
    /// `nats-server`.
    pub product: String,
    /// `2.15.1`.
    pub version: String,
    /// What an acknowledgement means: `memory`, `page cache`, `fsync`, `replicated n/m, …`.
    pub durability: String,
    /// Largest payload in bytes.
    pub max_payload: u64,
    /// Settings that matter to the figures, as (name, value).
    pub settings: Vec<(String, String)>,
    /// What the server made after a model, once it is provisioned.
    pub made: Option<Made>,
}

/// The control side of a bus, for one run.
pub trait Bus {
    /// Its sending end.
    type Publisher: Publisher + 'static;
    /// Its receiving end.
    type Member: Member + 'static;

    /// What the broker is.
    fn facts(&self) -> &BusFacts;

    /// Makes streams, topics and groups under names of the run's own, after checking that nothing of
    /// somebody else's is in the way.
    ///
    /// # Errors
    /// When something is in the way or the broker refuses.
    fn provision(&mut self) -> Result<(), BusError>;

    /// Connects the sending end of a generator.
    ///
    /// # Errors
    /// When the connection cannot be made.
    fn publisher(&mut self, generator: u32) -> Result<Self::Publisher, BusError>;

    /// Connects a member of the plan's `group`-th group.
    ///
    /// # Errors
    /// When the connection cannot be made.
    fn member(&mut self, group: usize, member: u32) -> Result<Self::Member, BusError>;

    /// Why reading the store back would say nothing of what was lost: events are removed from it by its own rules.
    ///
    /// # Errors
    /// When the broker does not say.
    fn unaudited(&mut self) -> Result<Option<String>, BusError> {
        Ok(None)
    }

    /// Reads everything stored back from the start, in the broker's order, until the position that was last
    /// when it was called, or the deadline. Returns whether it saw the end.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn audit(&mut self, deadline: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<bool, BusError>;

    /// Takes the marks that connections have left since the last call.
    fn marks(&mut self, into: &mut Vec<Mark>);

    /// What the broker has refused for good beside the data, if it has: a permission, or the user's right to be connected. A
    /// run cannot be what its plan says after that.
    fn denied(&self) -> Option<BusError> {
        None
    }

    /// Asks the broker whether it has the acknowledgements of all that the groups have received so far; bounded in time.
    /// Where it has not, the error says what to do if it stays so.
    ///
    /// # Errors
    /// When it does not answer.
    fn unacknowledged(&mut self) -> Result<Option<BusError>, BusError> {
        Ok(None)
    }

    /// Asks the broker for its own figures; bounded in time.
    ///
    /// # Errors
    /// When it does not answer.
    fn observe(&mut self) -> Result<BusSample, BusError>;

    /// Removes everything that this run made, and nothing else.
    ///
    /// # Errors
    /// Names what was left behind.
    fn teardown(&mut self) -> Result<(), BusError>;
}
