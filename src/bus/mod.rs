//! The interface to event buses: what a driver must do, and the drivers.
//!
//! A driver moves bytes and reports what happened to them. It never stamps, alters or parses an event, and
//! never decides what counts. One contract test suite runs against every driver.

#[cfg(feature = "kafka")]
pub mod kafka;
#[path = "kafka/model.rs"]
pub mod kafka_model;
#[path = "kafka/topics.rs"]
pub mod kafka_topics;
mod left;
pub mod leftover;
mod marks;
mod model;
pub mod nats;
mod replay;
mod retry;
pub(crate) mod secret;
pub mod sim;
mod window;
mod words;

use std::time::Duration;

pub use left::Left;
pub use model::{Applied, Model};
pub use replay::{ReplaySink, Replayer, Replaying, Start};

use crate::host::sleep::Sleeper;
use crate::num;
use crate::plan::{Group, Ns, Refuse};
use crate::record::Made;

/// One event on its way to the bus.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The caller's identifier, returned with the [`Ack`].
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

/// The client did not accept an event; it will never be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Window and buffer are full.
    #[error("the client's window and buffer are full")]
    Full,
    /// The event is larger than the broker allows.
    #[error("the event is larger than the broker's maximum payload")]
    TooLarge,
    /// The connection has ended permanently.
    #[error("the connection is closed")]
    Closed,
}

/// The broker's answer to an event, with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// The caller's token.
    pub token: u64,
    /// When the answer arrived, not when it was read.
    pub at: Ns,
    /// The answer.
    pub outcome: Answer,
    /// How often it was sent.
    pub tries: Tries,
}

/// How often an event was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tries {
    /// Number of copies that the publisher sent. What a client library sends again by itself is not known.
    pub copies: u32,
    /// Whether the time for sending it again ended without a confirmation.
    pub gave_up: bool,
}

impl Tries {
    /// An event that is sent once at most.
    pub const ONCE: Self = Self { copies: 1, gave_up: false };
}

/// The broker's answer to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Stored, as far as the bus's durability class guarantees it.
    Stored {
        /// Where it is stored.
        position: Position,
        /// The broker had already stored an event with this id and kept the first copy.
        duplicate: bool,
    },
    /// The broker refused it, or the event never left.
    Refused(Refusal),
    /// It left, and it is unknown whether it is stored.
    Unconfirmed(Doubt),
}

/// Why the outcome of a sent event is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Doubt {
    /// No answer arrived within the publish timeout, or before the event was given up.
    NoAnswer,
    /// The connection it was sent on ended first.
    Disconnected,
    /// The broker is still storing another copy with the same id.
    InProcess,
}

/// Why an event is known not to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// There is no stream or no leader to receive it.
    NoResponders,
    /// The broker's queue is full.
    Overload,
    /// Any other broker error, by its number.
    Api(u32),
    /// Any other broker error with the broker's message, because one number may stand for several reasons.
    Said {
        /// The error number.
        code: u32,
        /// The broker's message.
        words: &'static str,
    },
    /// It never left the client, and is known not to be stored.
    NotSent,
}

/// The broker's position of an event.
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
    /// The payload as received.
    pub payload: &'a [u8],
    /// When it was received.
    pub received: Ns,
    /// Its position on the broker.
    pub position: Position,
    /// 1 for the first delivery of this position to this group.
    pub attempt: u32,
}

/// What a member does with an event that it has received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// It has processed the event, and acknowledges it as the plan specifies.
    Processed,
    /// It cannot process the event.
    Refused(Refuse),
}

/// An incident on a connection or a broker that belongs in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When it happened.
    pub at: Ns,
    /// Its kind in one word: `disconnected`, `connected`, `slow-consumer`, `missed-heartbeat`, `broker-error`…
    pub kind: &'static str,
    /// Which connection, and its message.
    pub detail: String,
}

/// Why a bus cannot be used; each message says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The broker or the environment does not meet a requirement.
    #[error("{problem}; {hint}")]
    Environment {
        /// What is wrong, and where.
        problem: String,
        /// What to do next.
        hint: String,
    },
    /// The broker answered with an error that every retry would return again.
    #[error("{problem}; {hint}")]
    Refused {
        /// What was refused, and the broker's message.
        problem: String,
        /// What to do next.
        hint: String,
    },
    /// The bus cannot provide what the plan asks for.
    #[error("{problem}; {hint}")]
    Plan {
        /// What the plan asks for.
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
/// An accepted event waits in the buffer until it leaves, that is, until it enters the window and is handed to the
/// connection. It gets exactly one answer, in bounded time:
///
/// - An event that has not left within the publish timeout after its acceptance is `Refused(NotSent)` and never
///   leaves.
/// - An event without an answer within the publish timeout after leaving is `Unconfirmed(NoAnswer)`.
/// - An event whose connection ended is `Unconfirmed(Disconnected)` at once, unless the client resends it by itself;
///   its place in the window is then free for the next connection. Waiting events keep waiting. A client that does
///   not resend takes nothing out of the buffer while it is disconnected.
/// - When events are given up, or the connection has ended permanently, waiting events are `Refused(NotSent)` and the
///   others `Unconfirmed`.
///
/// With a plan that sends events again (`bus.retry`), a driver that does so by itself (module `retry`) counts from the acceptance:
/// for that time an event whose copy is refused for a passing reason, unanswered for `bus.retry_after`, or sent on a connection
/// that ended, is sent again with the same id; then it is `Refused(NotSent)` if no copy left, `Unconfirmed` if a copy may be
/// stored, or else `Refused`. The publish timeout does not apply.
///
/// A broker's response to an event that already has its answer is ignored.
pub trait Publisher: Send {
    /// Hands an event to the client. Never blocks and never awaits; copies the payload if it keeps it. If there is
    /// room, the event leaves no later than the next [`Self::wait`] or [`Self::acks`].
    ///
    /// # Errors
    /// When the client does not accept it; the event then counts as `unsent`.
    fn publish(&mut self, event: &Outgoing<'_>) -> Result<(), Refused>;

    /// Appends the answers that have arrived, without waiting, and moves waiting events into the window. Every
    /// accepted event gets exactly one answer, no later than twice the publish timeout, or `bus.retry`, after its acceptance.
    fn acks(&mut self, into: &mut Vec<Ack>);

    /// Waits until `until` while serving the connection. A generator spends its idle time here, so a driver needs no
    /// separate thread for a connection and stamps answers as they arrive. It may return early, but never much later
    /// than `sleeper` would.
    fn wait(&mut self, until: Ns, sleeper: &Sleeper) {
        sleeper.sleep_until(until);
    }

    /// Returns the number of events accepted and not answered yet.
    fn in_flight(&self) -> usize;

    /// Gives up every open event. The next call of [`Self::acks`] answers each of them: `Unconfirmed` if it left,
    /// `Refused(NotSent)` if it did not.
    fn abandon(&mut self);
}

/// One consumer inside a group.
pub trait Member: Send {
    /// Waits at most `wait` for the first event, hands it and all others that have already arrived to `sink`, and
    /// acknowledges them as the plan specifies. Returns their number.
    ///
    /// # Errors
    /// When this member can never receive again.
    fn receive(&mut self, wait: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<usize, BusError>;

    /// Like [`Self::receive`], where events may be refused: `sink` says what becomes of each. A driver without a way to refuse
    /// acknowledges all.
    ///
    /// # Errors
    /// When this member can never receive again.
    fn receive_or_refuse(
        &mut self,
        wait: Duration,
        sink: &mut dyn FnMut(&Delivery<'_>) -> Handled,
    ) -> Result<usize, BusError> {
        self.receive(wait, &mut |delivery| {
            sink(delivery);
        })
    }

    /// Pauses reception until [`Self::receive`] is called again: a driver that prefetches stops doing so.
    fn hold(&mut self) {}

    /// Ends the member in order: it requests nothing further, hands over what the broker has already sent to it, and
    /// acknowledges all of it.
    fn leave(self, sink: &mut dyn FnMut(&Delivery<'_>))
    where
        Self: Sized,
    {
        let _ = sink;
    }

    /// Like [`Self::leave`], where events may be refused.
    fn leave_or_refuse(self, sink: &mut dyn FnMut(&Delivery<'_>) -> Handled)
    where
        Self: Sized,
    {
        self.leave(&mut |delivery| {
            sink(delivery);
        });
    }

    /// Ends the member as a crash of its process does: its connection is closed without a word, and acknowledgements that wait
    /// are never sent. What it has not handed over is lost to it. Returns what it leaves open; `None` if that is not known.
    fn crash(self) -> Option<Left>
    where
        Self: Sized,
    {
        None
    }
}

/// Makes another member in the place of one that has ended, by the indices of group and member; it blocks while it connects.
pub type Successors<M> = Box<dyn Fn(usize, u32) -> Result<M, BusError> + Send + Sync>;

/// How to make members, from what makes the member of each place; `None` if that is not known for one of them.
fn successors<K: Send + Sync + 'static, M: 'static>(
    groups: &[Group],
    maker: impl Fn(usize, u32) -> Result<K, BusError>,
    make: fn(&K) -> Result<M, BusError>,
) -> Option<Successors<M>> {
    let of_group = |(index, group): (usize, &Group)| {
        (0..group.members).map(|member| maker(index, member)).collect::<Result<Vec<_>, _>>()
    };
    let makers = groups.iter().enumerate().map(of_group).collect::<Result<Vec<_>, _>>().ok()?;
    Some(Box::new(move |group, member| {
        let place = makers.get(group).and_then(|places| places.get(num::index32(member)));
        make(place.ok_or_else(|| environment("the plan has no such member", "report this"))?)
    }))
}

/// A broker's own figures during a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BusSample {
    /// Number of events in the run's stream.
    pub stored_events: u64,
    /// Bytes of the events in the run's stream as reported by the broker, in one copy and before compression
    /// (*logical* bytes); `None` if the broker does not report them.
    pub stored_bytes: Option<u64>,
    /// Bytes on disk, all copies; `None` if the disk cannot be read.
    pub disk_bytes: Option<u64>,
    /// For each group: events that the broker has not delivered yet.
    pub pending: Vec<u64>,
    /// For each group: events delivered and not yet acknowledged.
    pub ack_pending: Vec<u64>,
    /// For each group: events that the broker may still deliver, for the first time or again. Only unreceived events
    /// beyond this number count as lost.
    pub owed: Vec<u64>,
    /// The server that leads the run's stream, in a cluster.
    pub leader: Option<String>,
    /// What of the run's store the broker no longer knows after a loss of power, if it is so.
    pub gone: Option<String>,
    /// How far the dead letters of the run are; `None` where the bus moves none.
    pub dead_letters: Option<Moved>,
}

impl BusSample {
    /// The account of a broker that no longer knows the run's store: nothing is stored, and nothing will come to its groups.
    #[must_use]
    pub fn gone(what: String, groups: usize) -> Self {
        let none = vec![0; groups];
        Self {
            pending: none.clone(),
            ack_pending: none.clone(),
            owed: none,
            gone: Some(what),
            ..Self::default()
        }
    }
}

/// How far the dead letters of a run are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Events that groups have given up and that have no dead letter yet.
    pub waiting: u64,
    /// Events with a dead letter that the broker has confirmed.
    pub moved: u64,
}

/// The copies of a run's store, where several servers keep one each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreCopies {
    /// The copies, in the order of their numbers.
    pub of: Vec<StoreCopy>,
    /// First position of the run.
    pub first: u64,
    /// Last position, by the account of the copy that leads.
    pub last: u64,
}

/// One copy of a run's store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreCopy {
    /// The server that keeps it.
    pub node: String,
    /// Why it cannot be read.
    pub unread: Option<String>,
}

/// How far a copy has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// To the position that was asked for, or beyond it.
    Position,
    /// To its end: it holds nothing further.
    End,
    /// The deadline passed.
    Deadline,
}

/// Facts about a broker, collected before the load.
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
    /// Settings that affect the figures, as (name, value).
    pub settings: Vec<(String, String)>,
    /// What the server created from a model; set after provisioning.
    pub made: Option<Made>,
}

/// How servers call what belongs to a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The run's stream.
    pub stream: String,
    /// A consumer of each group, in the order of the plan.
    pub consumers: Vec<String>,
    /// The connection of the first generator.
    pub publisher: String,
}

/// The control side of a bus, for one run.
pub trait Bus {
    /// The sending end.
    type Publisher: Publisher + 'static;
    /// The receiving end.
    type Member: Member + 'static;

    /// Returns facts about the broker.
    fn facts(&self) -> &BusFacts;

    /// Returns how the servers call what belongs to the run, where they elect leaders for it.
    fn names(&self) -> Names {
        Names::default()
    }

    /// Creates streams, topics and groups under names that belong to this run, after checking that they do not
    /// collide with existing objects of other users.
    ///
    /// # Errors
    /// When a name is taken or the broker refuses.
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

    /// Returns how to make members in the place of others while the control side is busy elsewhere; `None` where members are
    /// not replaced. To be called after [`Self::provision`].
    fn successors(&self) -> Option<Successors<Self::Member>> {
        None
    }

    /// Returns what carries out replays while the control side is busy elsewhere; `None` where there are none. To be called after
    /// [`Self::provision`].
    fn replayer(&self) -> Option<Replayer> {
        None
    }

    /// Returns the reason why an audit could not detect losses: the store removes events by its own rules.
    ///
    /// # Errors
    /// When the broker does not report its rules.
    fn unaudited(&mut self) -> Result<Option<String>, BusError> {
        Ok(None)
    }

    /// Reads back everything stored from the start, in the broker's order, up to the position that was last when the
    /// call was made, or until the deadline. Returns whether it reached that position.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn audit(&mut self, deadline: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<bool, BusError>;

    /// Prepares an audit of each copy of the store, where several servers keep one: waits until the copies are current, and
    /// finds a reader for each. `None` where the store is one log, which [`Self::audit`] reads.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn copies(&mut self, deadline: Duration) -> Result<Option<StoreCopies>, BusError> {
        let _ = deadline;
        Ok(None)
    }

    /// Reads a copy, by its number in [`Self::copies`], from where the last call ended to a position or beyond it, in the
    /// order of positions.
    ///
    /// # Errors
    /// When this copy cannot be read any further.
    fn audit_copy(
        &mut self,
        copy: usize,
        to: u64,
        deadline: Duration,
        sink: &mut dyn FnMut(&Delivery<'_>),
    ) -> Result<Reached, BusError> {
        let _ = (to, deadline, sink);
        Err(environment(&format!("the store has no copy number {copy}"), "report this"))
    }

    /// Takes the marks recorded since the last call.
    fn marks(&mut self, into: &mut Vec<Mark>);

    /// Returns a permanent refusal by the broker outside the data path, such as a denied permission or a revoked
    /// right to connect. After it, the run cannot follow its plan.
    fn denied(&self) -> Option<BusError> {
        None
    }

    /// Asks the broker whether it has received the acknowledgements of all events that the groups have received so
    /// far; bounded in time. If it has not, the returned error says what to do if this persists.
    ///
    /// # Errors
    /// When the broker does not answer.
    fn unacknowledged(&mut self) -> Result<Option<BusError>, BusError> {
        Ok(None)
    }

    /// Asks the broker for its own figures; bounded in time.
    ///
    /// # Errors
    /// When the broker does not answer.
    fn observe(&mut self) -> Result<BusSample, BusError>;

    /// Removes everything that this run created, and nothing else.
    ///
    /// # Errors
    /// When something could not be removed; the error names it.
    fn teardown(&mut self) -> Result<(), BusError>;
}
