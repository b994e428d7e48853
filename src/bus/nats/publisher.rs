//! The sending end: a connection whose event loop runs only while the generator waits, on the generator's thread.
//!
//! Each event is published with a reply subject of its own, `<inbox>.<slot>-<generation>`, or with that of its place in
//! a batch, and the publisher listens to `<inbox>.>`. That costs less than the client's request machinery, and a late
//! acknowledgement can never be taken for that of another event. A generator waits most of its time, and wakes for an acknowledgement
//! as it does for the next event: so both are handled without handing them from thread to thread, which on a busy
//! machine costs more than anything else here.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subject, Subscriber};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::runtime::Runtime;

use super::batch::Batches;
use super::link::{self, Gone};
use super::sending::{self, Handed, Parcel, Sending};
use super::subjects::Layout;
use super::target::{Target, environment};
use super::timer::Timer;
use super::wire;
use crate::bus::marks::{Marks, Notes};
use crate::bus::window::{Patience, Room, Sent, Window};
use crate::bus::{Ack, BusError, Doubt, Outgoing, Publisher, Refusal, Refused};
use crate::host::clock::Clock;
use crate::host::sleep::Sleeper;
use crate::num;
use crate::plan::{self, Ns};

/// Bytes of the `Nats-Msg-Id` header around the id: version line, name, two line ends.
const MSG_ID_BYTES: usize = 29;
/// The same of the headers of an event in an atomic batch, with a margin.
const ATOMIC_BYTES: usize = 128;
/// The end of a batch that the client did not take is offered again after this.
const AGAIN: Ns = 200_000;
/// The sending end of one generator.
pub struct NatsPublisher {
    line: Line,
    layout: Arc<Layout>,
    symbols: Arc<[String]>,
    subjects: Vec<Option<Subject>>,
    msg_id: bool,
    abandoned: bool,
    /// The connection's work was done since the last look at the answers.
    driven: bool,
    // Last, so that what lives in it ends first.
    runtime: Runtime,
}

/// The connection, and the account of what is on it.
struct Line {
    sending: Sending,
    clock: Clock,
    notes: Notes,
    replies: Subscriber,
    timer: Timer,
    window: Window<Parcel>,
    batches: Option<Batches>,
    gone: Gone,
    /// What of it is accounted for.
    gone_seen: u64,
    /// Of the event that was sent last: what ends a batch goes there, too.
    last_subject: Option<Subject>,
    answers: Vec<Ack>,
    alive: bool,
}

/// What a publisher needs of its run.
pub(super) struct Setup<'a> {
    pub(super) target: &'a Target,
    pub(super) bus: &'a plan::Bus,
    pub(super) layout: Arc<Layout>,
    pub(super) symbols: Arc<[String]>,
    pub(super) clock: Clock,
    pub(super) marks: &'a Marks,
}

impl NatsPublisher {
    /// Connects.
    ///
    /// # Errors
    /// When the connection cannot be made.
    pub(super) fn connect(setup: Setup<'_>, generator: u32) -> Result<Self, BusError> {
        let Setup { target, bus, layout, symbols, clock, marks } = setup;
        let room = Room::of(bus);
        let timeout = bus.publish_timeout.ns;
        let notes = marks.of(format!("publisher {generator}"));
        // As many as can be open, and as many again that come too late.
        let queue = num::index32(room.window) * 2 + 1024;
        let runtime = runtime()?;
        let line = runtime.block_on(async {
            let link = link::connect(target, notes.clone(), queue).await?;
            let sending = Sending::new(link.client);
            let replies = sending.client().subscribe(sending.answers()).await.map_err(|error| {
                environment(&format!("cannot listen for acknowledgements: {error}"), "check the inbox prefix")
            })?;
            let timer = Timer::new(clock).map_err(|error| {
                environment(
                    &format!("cannot make a timer: {error}"),
                    "raise the limit of open files (`ulimit -n`)",
                )
            })?;
            Ok::<_, BusError>(Line {
                sending,
                clock,
                notes,
                replies,
                timer,
                batches: Batches::new(bus.publish, &bus.nats),
                last_subject: None,
                window: Window::new(room, Patience { room_ns: timeout, answer_ns: timeout }),
                gone: link.gone,
                gone_seen: 0,
                answers: Vec::new(),
                alive: true,
            })
        })?;
        let keys = layout.topics() * if layout.by_symbol() { symbols.len() } else { 1 };
        Ok(Self {
            line,
            layout,
            symbols,
            subjects: vec![None; keys],
            msg_id: bus.nats.msg_id,
            abandoned: false,
            driven: false,
            runtime,
        })
    }

    /// The subject of an event, made once.
    fn subject(&mut self, topic: usize, symbol: u32) -> Subject {
        let name = self.symbols.get(num::index32(symbol)).map_or("", String::as_str);
        let key =
            if self.layout.by_symbol() { topic * self.symbols.len() + num::index32(symbol) } else { topic };
        match self.subjects.get_mut(key) {
            Some(known) => known.get_or_insert_with(|| self.layout.subject(topic, name).into()).clone(),
            None => self.layout.subject(topic, name).into(),
        }
    }

    /// Does what the connection has to do now, without waiting.
    fn drive(&mut self) {
        let line = &mut self.line;
        self.runtime.block_on(async {
            // Nobody has driven it for a while: it looks at its socket first, for what is written to a connection
            // that has ended meanwhile is lost.
            tokio::task::yield_now().await;
            line.pump();
            // The connection's turn: it writes what it was given, and reads what is there.
            tokio::task::yield_now().await;
            line.collect();
        });
    }
}

impl Line {
    /// Hands waiting events to the client, as far as window and client have room and there is a connection.
    fn pump(&mut self) {
        if !self.sending.is_connected() {
            return;
        }
        let Self { window, sending, batches, clock, last_subject, alive, answers, .. } = self;
        let now = clock.now();
        let send = |ticket, parcel: &Parcel| {
            let handed = match batches {
                None => sending.event(ticket, parcel),
                Some(batches) => {
                    let place = batches.place();
                    match sending.part(batches, place, parcel) {
                        Handed::Over(message) => {
                            *last_subject = Some(parcel.subject.clone());
                            Handed::Over(batches.sent(place, ticket, now, message))
                        }
                        not => not,
                    }
                }
            };
            *alive &= handed != Handed::Closed;
            match handed {
                Handed::Over(message) => Sent::As(message),
                Handed::Not | Handed::Closed => Sent::NotYet,
                Handed::Never => Sent::Never(Refusal::NotSent),
            }
        };
        window.pump(now, send, |token, outcome| answers.push(Ack { token, at: now, outcome }));
    }

    /// Settles what left on a connection that is gone, so that its places are free for the next one. What that had
    /// answered was taken before; what is answered later has its answer already.
    fn settle_gone(&mut self) {
        let gone = self.gone.messages();
        if gone == self.gone_seen {
            return;
        }
        self.gone_seen = gone;
        let Self { window, batches, clock, answers, sending, .. } = self;
        let at = clock.now();
        window.written(sending.written());
        window.lost(gone, |token, outcome| answers.push(Ack { token, at, outcome }));
        if let Some(batches) = batches {
            batches.lost(gone);
        }
    }

    /// Settles what has waited too long, or all there is.
    fn settle(&mut self, abandoned: bool) {
        let Self { window, batches, clock, answers, alive, sending, .. } = self;
        let at = clock.now();
        window.written(sending.written());
        let closed = |token, outcome| answers.push(Ack { token, at, outcome });
        let looked = match (abandoned, *alive) {
            (_, false) => {
                window.give_up(Doubt::Disconnected, closed);
                true
            }
            (true, true) => {
                window.give_up(Doubt::NoAnswer, closed);
                true
            }
            (false, true) => window.expire(at, closed),
        };
        if looked && let Some(batches) = batches {
            batches.forget(|ticket| window.is_open(ticket));
        }
    }

    /// Ends the batch whose oldest event has waited long enough.
    fn end_batch(&mut self) {
        let Self { batches: Some(batches), last_subject: Some(subject), sending, clock, .. } = self else {
            return;
        };
        if batches.due().is_none_or(|due| due > clock.now()) || !sending.is_connected() {
            return;
        }
        if let Some(place) = batches.end()
            && let Handed::Over(_) = sending.end(batches, place, subject)
        {
            batches.ended();
        }
    }

    /// Takes the answers that are there, and fills the places that they leave.
    fn collect(&mut self) {
        while let Some(reply) = tokio::task::coop::unconstrained(self.replies.next()).now_or_never() {
            self.take(reply);
            if !self.alive {
                return;
            }
        }
        self.settle_gone();
        self.pump();
        self.end_batch();
    }

    /// Takes an answer, stamped now; `None` is the end of the connection.
    fn take(&mut self, reply: Option<Message>) {
        let Some(message) = reply else {
            if std::mem::take(&mut self.alive) {
                self.notes.mark("closed", "the connection has ended");
            }
            return;
        };
        let at = self.clock.now();
        let Self { sending, window, batches, answers, .. } = self;
        let Some(tail) = sending.tail(&message.subject) else { return };
        let status = message.status.map(|status| status.as_u16());
        let mut answer = |ticket, outcome| {
            if let Some(token) = window.answer(ticket) {
                answers.push(Ack { token, at, outcome });
            }
        };
        match batches {
            None => {
                if let Some(ticket) = sending::ticket(tail) {
                    answer(ticket, wire::answer(status, &message.payload));
                }
            }
            Some(batches) => {
                if let Some((batch, sequence)) = sending::place(tail) {
                    batches.answer(batch, sequence, wire::batch_word(status, &message.payload), answer);
                }
            }
        }
    }

    /// Does the connection's work until a time comes.
    async fn work_until(&mut self, until: Ns) {
        self.pump();
        self.end_batch();
        if until <= self.clock.now() {
            // The connection's turn all the same: it writes what it was given.
            tokio::task::yield_now().await;
            self.collect();
            return;
        }
        while self.alive {
            let wake = self.wake(until);
            if self.timer.set(wake).is_err() || self.work_until_alarm(wake).await && wake == until {
                return;
            }
            self.end_batch();
        }
    }

    /// When there is something to do next, at the latest.
    fn wake(&self, until: Ns) -> Ns {
        let due = self.batches.as_ref().and_then(Batches::due);
        // What could not be handed over when it was due is tried again soon.
        due.map_or(until, |due| due.max(self.clock.now() + AGAIN).min(until))
    }

    /// Works until the timer goes off, and says so; or until there is an earlier time to wake.
    async fn work_until_alarm(&mut self, wake: Ns) -> bool {
        while self.alive {
            tokio::select! {
                biased;
                reply = self.replies.next() => {
                    self.take(reply);
                    self.collect();
                    if self.batches.is_some() && self.wake(wake) < wake {
                        return false;
                    }
                }
                () = self.timer.expired(wake) => return true,
            }
        }
        true
    }
}

impl Publisher for NatsPublisher {
    fn publish(&mut self, event: &Outgoing<'_>) -> Result<(), Refused> {
        if !self.line.alive {
            return Err(Refused::Closed);
        }
        let atomic = self.line.batches.as_ref().is_some_and(Batches::are_atomic);
        let header = if self.msg_id { MSG_ID_BYTES + event.id.len() } else { 0 }
            + if atomic { ATOMIC_BYTES } else { 0 };
        if event.payload.len() + header > self.line.sending.client().max_payload() {
            return Err(Refused::TooLarge);
        }
        let bytes = num::count(event.payload.len());
        if !self.line.window.admits(bytes) {
            // Perhaps only because nobody has waited for a while.
            self.drive();
            if !self.line.window.admits(bytes) {
                return Err(Refused::Full);
            }
        }
        let subject = self.subject(event.topic, event.symbol);
        let line = &mut self.line;
        let parcel = Parcel {
            subject,
            payload: line.sending.store(event.payload),
            id: self.msg_id.then(|| line.sending.store(event.id.as_bytes())),
        };
        line.window.accept(event.token, line.clock.now(), bytes, parcel);
        Ok(())
    }

    fn acks(&mut self, into: &mut Vec<Ack>) {
        if !std::mem::take(&mut self.driven) {
            self.drive();
        } else if self.line.gone.messages() != self.line.gone_seen {
            self.line.collect();
        }
        self.line.settle(std::mem::take(&mut self.abandoned));
        into.append(&mut self.line.answers);
    }

    fn wait(&mut self, until: Ns, sleeper: &Sleeper) {
        let line = &mut self.line;
        self.runtime.block_on(line.work_until(until.saturating_sub(sleeper.spin_ns())));
        self.driven = true;
        if sleeper.spin_ns() > 0 || !line.alive {
            sleeper.sleep_until(until);
        }
    }

    fn in_flight(&self) -> usize {
        self.line.window.open()
    }

    fn abandon(&mut self) {
        self.abandoned = true;
    }
}

impl Drop for NatsPublisher {
    fn drop(&mut self) {
        // What was accepted shall leave, but a dead server must not hold us.
        let line = &mut self.line;
        self.runtime.block_on(async {
            line.pump();
            let _ = tokio::time::timeout(Duration::from_millis(200), line.sending.client().flush()).await;
        });
    }
}

/// A runtime for one thread.
///
/// # Errors
/// When the system has no more file descriptors.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, BusError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        environment(
            &format!("cannot start an event loop: {error}"),
            "raise the limit of open files (`ulimit -n`)",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    use super::*;
    use crate::bus::Answer;

    /// A server that lets everybody in and answers nothing but pings.
    fn mute_server() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("nats://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            stream.write_all(b"INFO {\"version\":\"2.15.1\",\"max_payload\":1024}\r\n").expect("written");
            for line in BufReader::new(stream.try_clone().expect("a socket")).split(b'\n') {
                let Ok(line) = line else { return };
                if line.starts_with(b"PING") && stream.write_all(b"PONG\r\n").is_err() {
                    return;
                }
            }
        });
        url
    }

    fn bus(window: u32, buffer: u32) -> plan::Bus {
        serde_json::from_value(serde_json::json!({
            "kind": "nats", "replicas": 1, "storage": "file", "sync": "default",
            "publish": "async", "window": window, "buffer": buffer, "publish_timeout": "1h",
            "ack": "explicit", "max_bytes": "1MiB",
            "max_age": "1h", "partitions": 1, "audit": true
        }))
        .expect("settings")
    }

    fn publisher(marks: &Marks, bus: &plan::Bus) -> NatsPublisher {
        let target = Target::parse(&mute_server()).expect("a URL");
        let layout = Arc::new(Layout::of_one_topic());
        let clock = Clock::start();
        let setup = Setup { target: &target, bus, layout, symbols: Arc::from([]), clock, marks };
        NatsPublisher::connect(setup, 0).expect("connects")
    }

    fn publish(publisher: &mut NatsPublisher, token: u64) -> Result<(), Refused> {
        publisher.publish(&Outgoing { token, topic: 0, symbol: 0, id: "", payload: b"event" })
    }

    #[test]
    fn when_the_connection_ends_open_events_are_told_by_whether_they_left_and_no_more_are_taken() {
        let marks = Marks::new(Clock::start());
        let mut publisher = publisher(&marks, &bus(4, 4));
        for token in 0..8 {
            assert_eq!(publish(&mut publisher, token), Ok(()));
        }
        assert_eq!(publish(&mut publisher, 8), Err(Refused::Full));
        let mut acks = Vec::new();
        publisher.acks(&mut acks);
        assert_eq!((acks.len(), publisher.in_flight()), (0, 8));

        let client = publisher.line.sending.client().clone();
        publisher.runtime.block_on(client.drain()).expect("it ends");
        while publisher.line.alive {
            publisher.acks(&mut acks);
        }
        assert_eq!(publish(&mut publisher, 9), Err(Refused::Closed));
        publisher.acks(&mut acks);
        publisher.acks(&mut acks);
        let mut told = Vec::new();
        marks.take(&mut told);
        assert!(told.iter().any(|mark| mark.kind == "closed"), "{told:?}");
        let mut tokens: Vec<_> = acks.iter().map(|ack| ack.token).collect();
        tokens.sort_unstable();
        assert_eq!(tokens, (0..8).collect::<Vec<_>>());
        for ack in &acks {
            let left = ack.token < 4;
            let lost = Answer::Unconfirmed(Doubt::Disconnected);
            assert_eq!(ack.outcome, if left { lost } else { Answer::Refused(Refusal::NotSent) }, "{ack:?}");
        }
        assert_eq!(publisher.in_flight(), 0);
    }
}
