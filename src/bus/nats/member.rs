//! The receiving end: a pull loop that reads the socket on the caller's thread, so that a message costs one wake-up and
//! is timestamped as soon as it has left the socket.

use std::sync::Arc;
use std::time::Duration;

use super::conn::Conn;
use super::denial;
use super::frames::{Message, MessageAt, push_message};
use super::subjects::Layout;
use super::target::environment;
use super::wire::{self, DeliveryInfo};
use crate::bus::{BusError, Delivery, Member, Position};
use crate::host::clock::Clock;
use crate::num;
use crate::plan::{self, AckMode, Ns};

/// Lifetime of a request for messages, and interval of the server's idle heartbeats.
const EXPIRES: (Ns, Ns) = (30_000_000_000, 5_000_000_000);
/// The same for a pinned consumer, where a request also shows that its member is alive.
const EXPIRES_PINNED: (Ns, Ns) = (4_000_000_000, 2_000_000_000);
/// Time without a request from the pinned member after which a standby takes over.
pub(super) const PIN_TIMEOUT: Duration = Duration::from_secs(6);
/// Time without a sign from the server after which a request counts as lost.
const SILENCE: Ns = 11_000_000_000;
/// Pause after the server refused a request.
const PAUSE: Ns = 50_000_000;

/// Delay before another attempt at what the connection did not accept.
const AGAIN: Ns = 1_000_000;
/// Maximum time for the server to read the last acknowledgements when the member ends.
const GOODBYE: Ns = 200_000_000;

/// The consumer to pull from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Prefix of the API: `$JS.API`, that of a domain, or one of the account's own.
    pub(super) api: String,
    pub(super) stream: String,
    pub(super) consumer: String,
    /// Number of messages per request.
    pub(super) batch: u32,
    /// Whether only one member is active at a time.
    pub(super) pinned: bool,
}

/// Name of the only priority group of a pinned consumer.
pub(super) const PRIORITY_GROUP: &str = "members";

/// Pulls messages of one consumer over one connection.
pub(super) struct Pull {
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
}

/// A message of the stream that was read, and the data in its reply subject.
pub(super) struct Pulled {
    at: MessageAt,
    pub(super) info: DeliveryInfo,
}

/// Meaning of a message from the server for the open requests.
enum Said {
    Event(DeliveryInfo),
    /// A heartbeat, or another message without consequence.
    Sign,
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

impl Pull {
    /// Creates a pull loop over a connection that listens to `inbox`; requests nothing yet.
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
        }
    }

    /// Waits for a message until the deadline.
    ///
    /// # Errors
    /// When no message can ever arrive again.
    pub(super) fn next(&mut self, deadline: Ns) -> Result<Option<Pulled>, BusError> {
        let entered = self.clock.now();
        if entered.saturating_sub(self.left) > 1_000_000_000 {
            // The socket was not read for a while, so silence means nothing yet.
            self.last_sign = entered;
        }
        let found = self.wait(deadline);
        self.left = self.clock.now();
        found
    }

    fn wait(&mut self, deadline: Ns) -> Result<Option<Pulled>, BusError> {
        loop {
            if let Some(pulled) = self.ready()? {
                return Ok(Some(pulled));
            }
            let now = self.clock.now();
            if now >= self.last_sign + SILENCE {
                self.silent(now);
            }
            if now >= deadline {
                // The connection is served even without a message.
                self.conn.flush();
                return Ok(None);
            }
            let mut wake = deadline.min(self.last_sign + SILENCE);
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
    pub(super) fn ready(&mut self) -> Result<Option<Pulled>, BusError> {
        self.top_up();
        while let Some(at) = self.conn.next() {
            self.last_sign = self.conn.read_at();
            let message = self.conn.message(&at);
            match sort(&message, self.source.batch) {
                Said::Event(info) => {
                    if self.source.pinned
                        && let Some(pin) = message.header("Nats-Pin-Id")
                        && self.pin.as_deref() != Some(pin)
                    {
                        self.pin = Some(pin.to_owned());
                    }
                    self.pending = self.pending.saturating_sub(1);
                    return Ok(Some(Pulled { at, info }));
                }
                Said::Sign => {}
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

    /// Returns the contents of a pulled message; valid until the next one is waited for.
    pub(super) fn message(&self, pulled: &Pulled) -> Message<'_> {
        self.conn.message(&pulled.at)
    }

    /// Returns when the last pulled message was read from the socket.
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
        self.pending <= self.source.batch / 2
    }

    /// Requests another batch when half of the last one is used up.
    fn top_up(&mut self) {
        if !self.wants_more()
            || !self.conn.takes()
            || (self.pending == 0 && self.clock.now() < self.not_before)
        {
            return;
        }
        let (expires, idle_heartbeat) = if self.source.pinned { EXPIRES_PINNED } else { EXPIRES };
        let mut request = serde_json::json!({
            "batch": self.source.batch,
            "expires": expires,
            "idle_heartbeat": idle_heartbeat,
        });
        if self.source.pinned {
            request["group"] = PRIORITY_GROUP.into();
            if let Some(pin) = &self.pin {
                request["id"] = pin.as_str().into();
            }
        }
        let inbox = self.inbox.as_bytes();
        let reply = |out: &mut Vec<u8>| out.extend_from_slice(inbox);
        self.conn.send(&self.subject, reply, &[], request.to_string().as_bytes());
        self.pending = self.pending.saturating_add(self.source.batch);
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
        (None | Some(100), _) => Said::Sign,
        (Some(408), _) => Said::Ended { left: left(), pin_lost: false },
        (Some(PIN_ID_MISMATCH), _) => Said::Ended { left: left(), pin_lost: true },
        (Some(409), "Consumer Deleted") => Said::Deleted,
        (Some(503), _) => Said::Refused("no-responders", "nobody answers its requests".to_owned()),
        (Some(409), _) if message.has_headers() => Said::Ended { left: left(), pin_lost: false },
        (Some(_), description) => Said::Refused("broker-error", description.to_owned()),
    }
}

/// Acknowledgements that wait to be written together.
struct Acks {
    mode: AckMode,
    /// The encoded messages.
    waiting: Vec<u8>,
    /// Number of deliveries that they confirm; with [`AckMode::All`] one message confirms several.
    deliveries: u32,
    /// When the oldest of those deliveries began to wait.
    since: Ns,
    /// Maximum time that it may wait.
    linger: Ns,
    /// Number of deliveries that are written at once, without waiting.
    enough: u32,
}

impl Acks {
    fn new(bus: &plan::Bus) -> Self {
        Self {
            mode: bus.ack,
            waiting: Vec::new(),
            deliveries: 0,
            since: 0,
            linger: bus.nats.ack_linger.ns,
            // Well below the server's limit, so that neither side waits for the other.
            enough: (bus.nats.max_ack_pending / 8).clamp(1, 256),
        }
    }

    /// Adds the acknowledgement of a delivery with this reply subject, received at `now`.
    fn push(&mut self, reply: &str, now: Ns) {
        if reply.is_empty() || self.mode == AckMode::None {
            return;
        }
        if self.waiting.is_empty() {
            self.since = now;
        }
        if self.mode == AckMode::All {
            // The last one confirms all before it, and `since` is still the time of the oldest delivery.
            self.waiting.clear();
        }
        push_message(&mut self.waiting, reply, |_| {}, &[], b"+ACK");
        self.deliveries = self.deliveries.saturating_add(1);
    }

    /// Returns when the waiting acknowledgements are due; `None` if none wait.
    fn due(&self) -> Option<Ns> {
        (!self.waiting.is_empty()).then(|| self.since.saturating_add(self.linger))
    }

    fn are_due(&self, now: Ns) -> bool {
        self.due().is_some_and(|due| self.deliveries >= self.enough || due <= now)
    }

    /// Writes the waiting acknowledgements if the connection takes messages.
    fn send(&mut self, conn: &mut Conn) {
        if conn.takes() && !self.waiting.is_empty() {
            conn.send_written(&self.waiting);
            self.waiting.clear();
            self.deliveries = 0;
        }
    }
}

/// One consumer inside a group.
pub struct NatsMember {
    pull: Pull,
    acks: Acks,
    layout: Arc<Layout>,
    clock: Clock,
}

impl NatsMember {
    pub(super) fn new(pull: Pull, bus: &plan::Bus, layout: Arc<Layout>, clock: Clock) -> Self {
        Self { pull, acks: Acks::new(bus), layout, clock }
    }
}

impl Member for NatsMember {
    fn receive(&mut self, wait: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<usize, BusError> {
        let Self { pull, acks, layout, clock } = self;
        let mut now = clock.now();
        let deadline = now.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
        let mut next = loop {
            if acks.are_due(now) {
                acks.send(&mut pull.conn);
            }
            // If the connection did not accept them when they were due, try again soon.
            let due = acks.due().map(|due| due.max(now + AGAIN));
            let until = due.map_or(deadline, |due| due.min(deadline));
            let next = pull.next(until)?;
            if next.is_some() || until >= deadline {
                break next;
            }
            now = clock.now();
        };
        let most = num::index32(pull.source.batch.max(1));
        let mut received = 0;
        while let Some(pulled) = next {
            let message = pull.message(&pulled);
            hand_over(layout, &message, pulled.info, pull.read_at(), sink);
            received += 1;
            acks.push(message.reply, pull.read_at());
            if received >= most {
                break;
            }
            next = pull.ready()?;
        }
        if received > 0 && acks.are_due(clock.now()) {
            acks.send(&mut pull.conn);
            pull.conn.flush();
        }
        Ok(received)
    }
}

impl Drop for NatsMember {
    fn drop(&mut self) {
        let Self { pull, acks, clock, .. } = self;
        acks.send(&mut pull.conn);
        pull.conn.settle(clock.now() + GOODBYE);
    }
}

/// Passes a message to the sink.
pub(super) fn hand_over(
    layout: &Layout,
    message: &Message<'_>,
    info: DeliveryInfo,
    received: Ns,
    sink: &mut dyn FnMut(&Delivery<'_>),
) {
    sink(&Delivery {
        subject: layout.published(message.subject),
        payload: message.payload,
        received,
        position: Position { partition: 0, offset: info.stream_sequence },
        attempt: info.delivered,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acks(mode: AckMode, linger: Ns, enough: u32) -> Acks {
        Acks { mode, waiting: Vec::new(), deliveries: 0, since: 0, linger, enough }
    }

    #[test]
    fn what_waits_longest_says_when_they_are_due_however_many_follow() {
        for mode in [AckMode::Explicit, AckMode::All] {
            let mut acks = acks(mode, 1000, 3);
            assert_eq!((acks.due(), acks.are_due(0)), (None, false));
            acks.push("first", 10);
            acks.push("second", 12);
            assert_eq!(
                (acks.due(), acks.are_due(1009), acks.are_due(1010)),
                (Some(1010), false, true),
                "{mode:?}"
            );
            // Enough deliveries are written without waiting, even if one acknowledgement confirms all of them.
            acks.push("third", 13);
            assert!(acks.are_due(13), "{mode:?}");
            let all = b"PUB first 4\r\n+ACK\r\nPUB second 4\r\n+ACK\r\nPUB third 4\r\n+ACK\r\n";
            let last = all.len() - b"PUB third 4\r\n+ACK\r\n".len();
            assert_eq!(acks.waiting, if mode == AckMode::All { &all[last..] } else { &all[..] });
        }
    }

    #[test]
    fn nothing_waits_without_a_linger_or_an_acknowledgement() {
        let mut at_once = acks(AckMode::Explicit, 0, 3);
        at_once.push("first", 10);
        assert!(at_once.are_due(10));
        let mut never = acks(AckMode::None, 0, 1);
        never.push("first", 10);
        assert_eq!((never.due(), never.are_due(10)), (None, false));
    }
}
