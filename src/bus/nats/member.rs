//! The receiving end: a pull loop whose event loop runs only inside `receive`, on the caller's thread, so that
//! a message costs one wake-up and is stamped right after it left the socket.
//!
//! It asks for messages itself rather than through the client's pull stream, which after a reconnect can wait
//! for its old requests' expiry before it asks again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Message, StatusCode, Subject, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::link::Link;
use super::subjects::Layout;
use super::target::environment;
use super::wire::{self, DeliveryInfo};
use crate::bus::{BusError, Delivery, Member, Position};
use crate::host::clock::Clock;
use crate::num;
use crate::plan::{self, AckMode, Ns};

/// The server forgets a request after this, and says every so often that it has nothing to send.
const EXPIRES: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(5));
/// The same for a pinned consumer, where a request also says that its member is alive.
const EXPIRES_PINNED: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(2));
/// A standby takes over when the pinned member has not asked for this long.
pub(super) const PIN_TIMEOUT: Duration = Duration::from_secs(6);
/// Silence for so long means that the request is lost.
const SILENCE: Duration = Duration::from_secs(11);
/// Pause after the server turned a request down.
const PAUSE: Duration = Duration::from_millis(50);

/// Acknowledgements that the client did not take are offered again after this.
const AGAIN: Duration = Duration::from_millis(1);

/// Which consumer to pull from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// `$JS.API`, or that of a domain.
    pub(super) api: String,
    pub(super) stream: String,
    pub(super) consumer: String,
    /// Messages asked for at once.
    pub(super) batch: u32,
    /// One member is active at a time.
    pub(super) pinned: bool,
}

/// The name of the one priority group of a pinned consumer.
pub(super) const PRIORITY_GROUP: &str = "members";

/// Pulls messages of one consumer over one connection.
pub(super) struct Pull {
    link: Link,
    subscriber: Subscriber,
    inbox: Subject,
    subject: Subject,
    source: Source,
    /// Asked for and not received.
    pending: u32,
    pin: Option<String>,
    connects_seen: u64,
    last_sign: Instant,
    left: Instant,
    not_before: Instant,
    alarm: Alarm,
}

/// A message and what its reply subject tells.
pub(super) struct Pulled {
    pub(super) message: Message,
    pub(super) info: DeliveryInfo,
}

impl Pull {
    /// Listens for messages; asks for none yet.
    ///
    /// # Errors
    /// When the connection has ended.
    pub(super) async fn open(mut link: Link, source: Source) -> Result<Self, BusError> {
        let connects_seen = (*link.connects.borrow_and_update()).max(1);
        let inbox = Subject::from(link.client.new_inbox());
        let subscriber = link.client.subscribe(inbox.clone()).await.map_err(|error| {
            environment(&format!("cannot listen for messages: {error}"), "check the inbox prefix")
        })?;
        let subject =
            format!("{}.CONSUMER.MSG.NEXT.{}.{}", source.api, source.stream, source.consumer).into();
        let now = Instant::now();
        Ok(Self {
            link,
            subscriber,
            inbox,
            subject,
            source,
            pending: 0,
            pin: None,
            connects_seen,
            last_sign: now,
            left: now,
            not_before: now,
            alarm: Alarm::new(now + SILENCE),
        })
    }

    /// Waits for a message until the deadline.
    ///
    /// # Errors
    /// When there will never be one again.
    pub(super) async fn next(&mut self, deadline: Instant) -> Result<Option<Pulled>, BusError> {
        let entered = Instant::now();
        if entered.saturating_duration_since(self.left) > Duration::from_secs(1) {
            // Nobody listened for a while: silence says nothing yet.
            self.last_sign = entered;
        }
        let found = self.wait(deadline).await;
        self.left = Instant::now();
        found
    }

    async fn wait(&mut self, deadline: Instant) -> Result<Option<Pulled>, BusError> {
        loop {
            self.top_up();
            let mut wake = deadline.min(self.last_sign + SILENCE);
            if self.wants_more() {
                wake = wake.min(self.not_before.max(Instant::now() + Duration::from_millis(1)));
            }
            tokio::select! {
                biased;
                message = self.subscriber.next() => {
                    let message = message.ok_or_else(|| self.gone("its connection has ended"))?;
                    if let Some(pulled) = self.sort(message)? {
                        return Ok(Some(pulled));
                    }
                }
                _ = self.link.connects.changed() => self.reconnected(),
                () = self.alarm.until(wake) => {
                    let now = Instant::now();
                    if now >= self.last_sign + SILENCE {
                        self.silent(now);
                    }
                    if now >= deadline {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// A message that is there already.
    ///
    /// # Errors
    /// When there will never be one again.
    pub(super) fn ready(&mut self) -> Result<Option<Pulled>, BusError> {
        self.top_up();
        while let Some(message) = tokio::task::coop::unconstrained(self.subscriber.next()).now_or_never() {
            let message = message.ok_or_else(|| self.gone("its connection has ended"))?;
            if let Some(pulled) = self.sort(message)? {
                return Ok(Some(pulled));
            }
        }
        Ok(None)
    }

    /// Tells messages from the server's remarks on our requests.
    fn sort(&mut self, message: Message) -> Result<Option<Pulled>, BusError> {
        self.last_sign = Instant::now();
        if let Some(info) = message.reply.as_deref().and_then(wire::delivery_info) {
            self.pending = self.pending.saturating_sub(1);
            if self.source.pinned {
                self.learn_pin(&message);
            }
            return Ok(Some(Pulled { message, info }));
        }
        let description = message.description.as_deref().unwrap_or_default();
        match message.status {
            None | Some(StatusCode::IDLE_HEARTBEAT) => {}
            Some(StatusCode::TIMEOUT) => self.settle(&message),
            Some(StatusCode::PIN_ID_MISMATCH) => {
                self.pin = None;
                self.settle(&message);
            }
            Some(StatusCode::REQUEST_TERMINATED) if description == "Consumer Deleted" => {
                return Err(self.gone("it was deleted"));
            }
            Some(StatusCode::NO_RESPONDERS) => {
                self.turned_down("no-responders", "nobody answers its requests");
            }
            Some(StatusCode::REQUEST_TERMINATED)
                if message.headers.as_ref().is_some_and(|h| !h.is_empty()) =>
            {
                self.settle(&message);
            }
            Some(_) => self.turned_down("broker-error", description),
        }
        Ok(None)
    }

    /// A request has ended with some of its messages not sent.
    fn settle(&mut self, message: &Message) {
        let left = message.headers.as_ref().and_then(|headers| headers.get("Nats-Pending-Messages"));
        let left = left.and_then(|text| text.as_str().parse().ok()).unwrap_or(self.source.batch);
        self.pending = self.pending.saturating_sub(left);
    }

    fn turned_down(&mut self, kind: &'static str, detail: &str) {
        self.link.notes.mark(kind, detail);
        self.pending = 0;
        self.not_before = Instant::now() + PAUSE;
    }

    fn learn_pin(&mut self, message: &Message) {
        let pin = message.headers.as_ref().and_then(|headers| headers.get_last("Nats-Pin-Id"));
        if let Some(pin) = pin.map(async_nats::HeaderValue::as_str)
            && self.pin.as_deref() != Some(pin)
        {
            self.pin = Some(pin.to_owned());
        }
    }

    /// A new connection: the server has forgotten our requests.
    fn reconnected(&mut self) {
        let connects = *self.link.connects.borrow();
        if connects > self.connects_seen {
            self.connects_seen = connects;
            self.pending = 0;
            self.pin = None;
            self.last_sign = Instant::now();
        }
    }

    fn silent(&mut self, now: Instant) {
        self.last_sign = now;
        if self.link.client.connection_state() == State::Connected {
            self.link.notes.mark("missed-heartbeat", "asks again");
            self.pending = 0;
        }
    }

    const fn wants_more(&self) -> bool {
        self.pending <= self.source.batch / 2
    }

    /// Asks for another batch when half of the last one is used up.
    fn top_up(&mut self) {
        if !self.wants_more() || (self.pending == 0 && Instant::now() < self.not_before) {
            return;
        }
        let (expires, heartbeat) = if self.source.pinned { EXPIRES_PINNED } else { EXPIRES };
        let mut request = serde_json::json!({
            "batch": self.source.batch,
            "expires": nanoseconds(expires),
            "idle_heartbeat": nanoseconds(heartbeat),
        });
        if self.source.pinned {
            request["group"] = PRIORITY_GROUP.into();
            if let Some(pin) = &self.pin {
                request["id"] = pin.as_str().into();
            }
        }
        let request = Bytes::from(request.to_string());
        let sent = self.link.client.publish_with_reply(self.subject.clone(), self.inbox.clone(), request);
        if let Some(Ok(())) = sent.now_or_never() {
            self.pending = self.pending.saturating_add(self.source.batch);
        }
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

fn nanoseconds(span: Duration) -> Ns {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Acknowledgements that wait to be written together.
struct Acks {
    mode: AckMode,
    waiting: VecDeque<Subject>,
    /// Deliveries that they confirm; with [`AckMode::All`] one of them confirms several.
    deliveries: u32,
    /// When the oldest of those began to wait.
    since: Instant,
    /// How long it may wait.
    linger: Duration,
    /// For so many they are written at once.
    enough: u32,
}

impl Acks {
    fn new(bus: &plan::Bus) -> Self {
        Self {
            mode: bus.ack,
            waiting: VecDeque::new(),
            deliveries: 0,
            since: Instant::now(),
            linger: bus.nats.ack_linger.as_duration(),
            // Far from what the server bears, lest it waits for us while we wait for it.
            enough: (bus.nats.max_ack_pending / 8).clamp(1, 256),
        }
    }

    fn push(&mut self, reply: Option<Subject>) {
        let (Some(reply), false) = (reply, self.mode == AckMode::None) else { return };
        if self.waiting.is_empty() && !self.linger.is_zero() {
            self.since = Instant::now();
        }
        if self.mode == AckMode::All {
            // The last one confirms all before it, and the first of those has waited longest.
            self.waiting.clear();
        }
        self.waiting.push_back(reply);
        self.deliveries = self.deliveries.saturating_add(1);
    }

    /// When the next are to be written, if any wait.
    fn due(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.since + self.linger)
    }

    fn are_due(&self) -> bool {
        !self.waiting.is_empty()
            && (self.deliveries >= self.enough
                || self.linger.is_zero()
                || self.since.elapsed() >= self.linger)
    }

    /// Hands them to the client while its queue has room; returns whether it took any.
    fn send(&mut self, link: &Link) -> bool {
        const ACK: Bytes = Bytes::from_static(b"+ACK");
        let mut sent = false;
        while let Some(reply) = self.waiting.front() {
            if link.client.publish(reply.clone(), ACK).now_or_never().is_none() {
                break;
            }
            self.waiting.pop_front();
            sent = true;
        }
        if self.waiting.is_empty() {
            self.deliveries = 0;
        }
        sent
    }
}

/// One consumer inside a group.
pub struct NatsMember {
    // Before the runtime, so that what it holds ends first.
    pull: Pull,
    acks: Acks,
    layout: Arc<Layout>,
    clock: Clock,
    runtime: Runtime,
}

impl NatsMember {
    pub(super) fn new(
        runtime: Runtime,
        pull: Pull,
        bus: &plan::Bus,
        layout: Arc<Layout>,
        clock: Clock,
    ) -> Self {
        Self { pull, acks: Acks::new(bus), layout, clock, runtime }
    }
}

impl Member for NatsMember {
    fn receive(&mut self, wait: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<usize, BusError> {
        let Self { pull, acks, layout, clock, runtime } = self;
        runtime.block_on(async {
            let deadline = Instant::now() + wait;
            let mut next = loop {
                if acks.are_due() {
                    acks.send(&pull.link);
                }
                // What the client did not take when it was due is offered again soon.
                let due = acks.due().map(|due| due.max(Instant::now() + AGAIN));
                let until = due.map_or(deadline, |due| due.min(deadline));
                let next = pull.next(until).await?;
                if next.is_some() || until >= deadline {
                    break next;
                }
            };
            let most = num::index32(pull.source.batch.max(1));
            let mut received = 0;
            while let Some(Pulled { message, info }) = next {
                hand_over(layout, &message, info, clock.now(), sink);
                received += 1;
                acks.push(message.reply);
                if received >= most {
                    break;
                }
                next = pull.ready()?;
            }
            while received > 0 && acks.are_due() && acks.send(&pull.link) {
                // Lets the connection write; then what did not fit into its queue.
                tokio::task::yield_now().await;
                if pull.link.client.connection_state() != State::Connected {
                    break;
                }
            }
            Ok(received)
        })
    }
}

impl Drop for NatsMember {
    fn drop(&mut self) {
        let Self { pull, acks, runtime, .. } = self;
        runtime.block_on(async {
            acks.send(&pull.link);
            let _ = tokio::time::timeout(Duration::from_millis(200), pull.link.client.flush()).await;
        });
    }
}

/// Shows a message to the sink, as it came.
pub(super) fn hand_over(
    layout: &Layout,
    message: &Message,
    info: DeliveryInfo,
    received: Ns,
    sink: &mut dyn FnMut(&Delivery<'_>),
) {
    sink(&Delivery {
        subject: layout.published(&message.subject),
        payload: &message.payload,
        received,
        position: Position { partition: 0, offset: info.stream_sequence },
        attempt: info.delivered,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acks(mode: AckMode, linger: Duration, enough: u32) -> Acks {
        Acks { mode, waiting: VecDeque::new(), deliveries: 0, since: Instant::now(), linger, enough }
    }

    #[test]
    fn what_waits_longest_says_when_they_are_due_however_many_follow() {
        for mode in [AckMode::Explicit, AckMode::All] {
            let mut acks = acks(mode, Duration::from_hours(1), 3);
            assert_eq!((acks.due(), acks.are_due()), (None, false));
            acks.push(Some("first".into()));
            let due = acks.due().expect("one waits");
            std::thread::sleep(Duration::from_millis(2));
            acks.push(Some("second".into()));
            assert_eq!((acks.due(), acks.are_due()), (Some(due), false), "{mode:?}");
            // Enough deliveries are not kept waiting, also where one acknowledgement is for all of them.
            acks.push(Some("third".into()));
            assert!(acks.are_due(), "{mode:?}");
            assert_eq!(acks.waiting.len(), if mode == AckMode::All { 1 } else { 3 });
        }
    }

    #[test]
    fn nothing_waits_without_a_linger_or_an_acknowledgement() {
        let mut at_once = acks(AckMode::Explicit, Duration::ZERO, 3);
        at_once.push(Some("first".into()));
        assert!(at_once.are_due());
        let mut never = acks(AckMode::None, Duration::ZERO, 1);
        never.push(Some("first".into()));
        assert_eq!((never.due(), never.are_due()), (None, false));
    }
}
