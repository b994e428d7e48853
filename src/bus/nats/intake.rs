//! What a consumer hands out, read from the socket on the caller's thread: a message costs one wake-up and is timestamped
//! as soon as it has left the socket. Messages are asked for in batches, or the server pushes them.

use std::time::Duration;

use super::conn::{Conn, Sign};
use super::denial;
use super::frames::{Message, MessageAt};
use super::target::environment;
use super::wire::{self, DeliveryInfo};
use crate::bus::BusError;
use crate::host::clock::Clock;
use crate::plan::Ns;

/// Lifetime of a request for messages.
const EXPIRES: Ns = 30_000_000_000;
/// The same for a pinned consumer, where a request also shows that its member is alive.
const EXPIRES_PINNED: (Ns, Ns) = (4_000_000_000, 2_000_000_000);
/// Time without a request from the pinned member after which a standby takes over.
pub(super) const PIN_TIMEOUT: Duration = Duration::from_secs(6);
/// Pause after the server refused a request.
const PAUSE: Ns = 50_000_000;
/// Delay before another attempt at what the connection did not accept.
pub(super) const AGAIN: Ns = 1_000_000;

/// The server's idle heartbeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beat {
    /// Time between two of them.
    every: Ns,
    /// Time without a sign from the server after which a request counts as lost.
    silence: Ns,
}

impl Beat {
    /// Of a run in which nothing is to break.
    pub(super) const USUAL: Self = Self { every: 5_000_000_000, silence: 11_000_000_000 };
    /// Of a run with faults: a member must notice a lost leader by itself, and no slower than the servers do.
    pub(super) const QUICK: Self = Self { every: 1_000_000_000, silence: 2_500_000_000 };
}

/// The consumer to receive from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Prefix of the API: `$JS.API`, that of a domain, or one of the account's own.
    pub(super) api: String,
    pub(super) stream: String,
    pub(super) consumer: String,
    /// Number of messages per request, and of those that are handed over at once.
    pub(super) batch: u32,
    pub(super) mode: Mode,
    pub(super) beat: Beat,
}

/// How the messages of a consumer reach its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    /// A member asks for them, in a priority group where the consumer has one.
    Pull(Option<Priority>),
    /// The server sends them to whoever listens to a subject.
    Push(Push),
}

/// The priority group in which the members of a group ask for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Priority {
    pub(super) group: String,
    /// Whether only one member is active at a time.
    pub(super) pinned: bool,
}

/// Where a consumer pushes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Push {
    pub(super) subject: String,
    /// The queue group among whose members the messages are shared.
    pub(super) queue: Option<String>,
}

impl Source {
    const fn pushes(&self) -> bool {
        matches!(self.mode, Mode::Push(_))
    }

    const fn priority(&self) -> Option<&Priority> {
        match &self.mode {
            Mode::Pull(priority) => priority.as_ref(),
            Mode::Push(_) => None,
        }
    }

    fn pinned(&self) -> bool {
        self.priority().is_some_and(|priority| priority.pinned)
    }
}

/// The messages of one consumer over one connection.
pub(super) struct Intake {
    conn: Conn,
    clock: Clock,
    inbox: String,
    subject: String,
    source: Source,
    /// Messages requested and not yet received.
    pending: u32,
    pin: Option<String>,
    connects_seen: u64,
    last_sign: Ns,
    left: Ns,
    not_before: Ns,
    /// Nothing further is requested.
    leaving: bool,
}

/// A message of the stream that was read, and the data in its reply subject.
pub(super) struct Taken {
    at: MessageAt,
    pub(super) info: DeliveryInfo,
}

/// Meaning of a message from the server for the open requests.
enum Said {
    Event(DeliveryInfo),
    /// A heartbeat, or another message without consequence.
    Sign,
    /// The server waits for a message on this subject before it pushes more.
    Stalled(String),
    /// A request has ended; `left` of its messages were not sent.
    Ended {
        left: u32,
        pin_lost: bool,
    },
    /// The consumer is gone.
    Deleted,
    /// A request was refused.
    Refused(&'static str, String),
}

impl Intake {
    /// Receives over a connection that listens to `inbox`, the answers' or the consumer's own; requests nothing yet.
    pub(super) fn new(conn: Conn, clock: Clock, inbox: String, source: Source) -> Self {
        let subject = format!("{}.CONSUMER.MSG.NEXT.{}.{}", source.api, source.stream, source.consumer);
        let now = clock.now();
        Self {
            connects_seen: conn.connects(),
            conn,
            clock,
            inbox,
            subject,
            source,
            pending: 0,
            pin: None,
            last_sign: now,
            left: now,
            not_before: now,
            leaving: false,
        }
    }

    /// Requests nothing further; what the server has sent until now can be taken until [`Conn::awaits`] says that all of it
    /// is there.
    pub(super) fn leave(&mut self) -> Sign {
        self.leaving = true;
        self.conn.unsubscribe()
    }

    /// Waits for a message until the deadline.
    ///
    /// # Errors
    /// When no message can ever arrive again.
    pub(super) fn next(&mut self, deadline: Ns) -> Result<Option<Taken>, BusError> {
        let entered = self.clock.now();
        if entered.saturating_sub(self.left) > 1_000_000_000 {
            // The socket was not read for a while, so silence means nothing yet.
            self.last_sign = entered;
        }
        let found = self.wait(deadline);
        self.left = self.clock.now();
        found
    }

    fn wait(&mut self, deadline: Ns) -> Result<Option<Taken>, BusError> {
        loop {
            if let Some(taken) = self.ready()? {
                return Ok(Some(taken));
            }
            let now = self.clock.now();
            // A consumer that pushes may have no heartbeat, and nothing could be asked of it again.
            if now >= self.last_sign + self.source.beat.silence && !self.source.pushes() {
                self.silent(now);
            }
            if now >= deadline {
                // The connection is served even without a message.
                self.conn.flush();
                return Ok(None);
            }
            let mut wake = deadline;
            if !self.source.pushes() {
                wake = wake.min(self.last_sign + self.source.beat.silence);
            }
            if self.wants_more() {
                wake = wake.min(self.not_before.max(now + AGAIN));
            }
            self.conn.wait(wake);
            self.look_for_another_connection();
        }
    }

    /// Returns a message that has already been read.
    ///
    /// # Errors
    /// When no message can ever arrive again.
    pub(super) fn ready(&mut self) -> Result<Option<Taken>, BusError> {
        self.top_up();
        while let Some(at) = self.conn.next() {
            self.last_sign = self.conn.read_at();
            let message = self.conn.message(&at);
            match sort(&message, self.source.batch) {
                Said::Event(info) => {
                    if self.source.pinned()
                        && let Some(pin) = message.header("Nats-Pin-Id")
                        && self.pin.as_deref() != Some(pin)
                    {
                        self.pin = Some(pin.to_owned());
                    }
                    self.pending = self.pending.saturating_sub(1);
                    return Ok(Some(Taken { at, info }));
                }
                Said::Sign => {}
                // Whatever came before it has been handed over.
                Said::Stalled(subject) => {
                    self.conn.send(&subject, |_| {}, &[], &[]);
                }
                Said::Ended { left, pin_lost } => {
                    self.pending = self.pending.saturating_sub(left);
                    if pin_lost {
                        self.pin = None;
                    }
                }
                Said::Deleted => return Err(self.gone("it was deleted")),
                Said::Refused(kind, detail) => {
                    match denial::request(&detail) {
                        Some(denied) => self.conn.notes().deny(denied),
                        None => self.conn.notes().mark(kind, &detail),
                    }
                    self.pending = 0;
                    self.not_before = self.clock.now() + PAUSE;
                }
            }
        }
        if self.conn.is_closed() {
            return Err(self.gone("its connection has ended"));
        }
        Ok(None)
    }

    /// Returns the contents of a taken message; valid until the next one is waited for.
    pub(super) fn message(&self, taken: &Taken) -> Message<'_> {
        self.conn.message(&taken.at)
    }

    /// Returns when the last taken message was read from the socket.
    pub(super) const fn read_at(&self) -> Ns {
        self.conn.read_at()
    }

    /// Resets the requests after a reconnect, because the server has forgotten them.
    fn look_for_another_connection(&mut self) {
        if self.conn.connects() > self.connects_seen {
            self.connects_seen = self.conn.connects();
            self.pending = 0;
            self.pin = None;
            self.last_sign = self.clock.now();
        }
    }

    fn silent(&mut self, now: Ns) {
        self.last_sign = now;
        if self.conn.is_up() {
            self.conn.notes().mark("missed-heartbeat", "asks again");
            self.pending = 0;
        }
    }

    const fn wants_more(&self) -> bool {
        !self.leaving && !self.source.pushes() && self.pending <= self.source.batch / 2
    }

    /// Requests another batch when half of the last one is used up.
    fn top_up(&mut self) {
        if !self.wants_more()
            || !self.conn.takes()
            || (self.pending == 0 && self.clock.now() < self.not_before)
        {
            return;
        }
        let every = self.source.beat.every;
        let (expires, idle_heartbeat) = if self.source.pinned() {
            (EXPIRES_PINNED.0, EXPIRES_PINNED.1.min(every))
        } else {
            (EXPIRES, every)
        };
        let mut request = serde_json::json!({
            "batch": self.source.batch,
            "expires": expires,
            "idle_heartbeat": idle_heartbeat,
        });
        if let Some(priority) = self.source.priority() {
            request["group"] = priority.group.as_str().into();
            if let Some(pin) = &self.pin {
                request["id"] = pin.as_str().into();
            }
        }
        let inbox = self.inbox.as_bytes();
        let reply = |out: &mut Vec<u8>| out.extend_from_slice(inbox);
        self.conn.send(&self.subject, reply, &[], request.to_string().as_bytes());
        self.pending = self.pending.saturating_add(self.source.batch);
    }

    /// Returns the connection, which also takes the acknowledgements.
    pub(super) const fn conn(&mut self) -> &mut Conn {
        &mut self.conn
    }

    /// Returns the number of messages to hand over at once.
    pub(super) const fn batch(&self) -> u32 {
        self.source.batch
    }

    fn gone(&self, why: &str) -> BusError {
        environment(
            &format!(
                "consumer {} of stream {} cannot go on: {why}",
                self.source.consumer, self.source.stream
            ),
            "see the server's log; nobody else may touch the run's stream",
        )
    }
}

/// Separates messages of the stream from the server's replies to requests, each for `batch` messages.
fn sort(message: &Message<'_>, batch: u32) -> Said {
    /// Status for a pinned member whose pin id is no longer current.
    const PIN_ID_MISMATCH: u16 = 423;
    if let Some(info) = wire::delivery_info(message.reply) {
        return Said::Event(info);
    }
    let left = || {
        let left = message.header("Nats-Pending-Messages").and_then(|left| left.parse().ok());
        left.unwrap_or(batch)
    };
    match (message.status(), message.description()) {
        (Some(100), _) => stalled(message).map_or(Said::Sign, |subject| Said::Stalled(subject.to_owned())),
        (None, _) => Said::Sign,
        (Some(408), _) => Said::Ended { left: left(), pin_lost: false },
        (Some(PIN_ID_MISMATCH), _) => Said::Ended { left: left(), pin_lost: true },
        (Some(409), "Consumer Deleted") => Said::Deleted,
        (Some(503), _) => Said::Refused("no-responders", "nobody answers its requests".to_owned()),
        (Some(409), _) if message.has_headers() => Said::Ended { left: left(), pin_lost: false },
        (Some(_), description) => Said::Refused("broker-error", description.to_owned()),
    }
}

/// Returns the subject on which the server waits for an answer: that of a flow-control request, or the one that a
/// heartbeat repeats because the answer was lost.
fn stalled<'a>(message: &Message<'a>) -> Option<&'a str> {
    let subject = match message.reply {
        "" => message.header("Nats-Consumer-Stalled")?,
        reply => reply,
    };
    (!subject.is_empty() && !subject.contains(|c: char| c.is_whitespace() || c.is_control()))
        .then_some(subject)
}

#[cfg(test)]
mod tests {
    use super::super::frames::{Frame, next};
    use super::*;

    /// The answer that a status message asks for.
    fn asked(header: &str, reply: &str) -> Option<String> {
        let header = format!("NATS/1.0 100 {header}\r\n\r\n");
        let bytes = format!("HMSG deliver 1 {reply} {0} {0}\r\n{header}\r\n", header.len());
        let Ok(Some((Frame::Message(at), _))) = next(bytes.as_bytes()) else { panic!("{bytes}") };
        match sort(&at.of(bytes.as_bytes()), 10) {
            Said::Sign => None,
            Said::Stalled(subject) => Some(subject),
            _ => panic!("{bytes}"),
        }
    }

    #[test]
    fn flow_control_is_answered_and_heartbeats_are_not() {
        let reply = "$JS.FC.S.c.1a2b";
        assert_eq!(asked("FlowControl Request", reply).as_deref(), Some(reply));
        assert_eq!(asked("Idle Heartbeat\r\nNats-Last-Consumer: 3\r\nNats-Last-Stream: 9", ""), None);
        let stalled = format!("Idle Heartbeat\r\nNats-Last-Consumer: 3\r\nNats-Consumer-Stalled: {reply}");
        assert_eq!(asked(&stalled, "").as_deref(), Some(reply));
        assert_eq!(asked("Idle Heartbeat\r\nNats-Consumer-Stalled: a b", ""), None);
    }
}
