//! The sending end: a connection whose socket the generator's thread reads and writes while it waits.
//!
//! Each event is published with a unique reply subject, `<inbox>.<slot>-<generation>`, or with that of its place in a
//! batch, and the publisher listens to `<inbox>.>`: a late acknowledgement can never be mistaken for that of another
//! event. A generator waits most of its time, and wakes for an acknowledgement as for the next event. So one thread
//! handles both: handing them from thread to thread would be the largest cost on a busy machine.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::account::{Account, Waiting};
use super::batch::Batches;
use super::conn::Conn;
use super::dial::Dialer;
use super::sending::{self, Event, Sending};
use super::subjects::Layout;
use super::wire;
use crate::bus::marks::Marks;
use crate::bus::window::{Sent, Ticket};
use crate::bus::{Ack, BusError, Doubt, Outgoing, Publisher, Refusal, Refused};
use crate::host::clock::Clock;
use crate::host::sleep::Sleeper;
use crate::num;
use crate::plan::{self, Ns};

/// Bytes of the `Nats-Msg-Id` header around the id: version line, name, two line ends.
const MSG_ID_BYTES: usize = 29;
/// Bytes of the additional headers of an event in an atomic batch, with a margin.
const ATOMIC_BYTES: usize = 128;
/// Delay before another attempt at the end of a batch that the connection did not accept.
const AGAIN: Ns = 200_000;
/// Maximum time for the server to read the last messages when the publisher ends.
const END_WITHIN: Ns = 200_000_000;
/// Size of the blocks that hold the bytes of waiting events.
const BLOCK: usize = 64 * 1024;

/// The sending end of one generator.
pub struct NatsPublisher {
    sending: Sending,
    subjects: Subjects,
    clock: Clock,
    account: Account,
    batches: Option<Batches>,
    /// Number of messages on lost connections that are already settled.
    gone_seen: u64,
    /// Key of the subject of the last event sent: the end of a batch is sent to the same subject.
    last_subject: Option<usize>,
    answers: Vec<Ack>,
    block: BytesMut,
    msg_id: bool,
    abandoned: bool,
    /// Whether the connection was served since the answers were last taken.
    driven: bool,
}

/// The subjects of events, each built once.
struct Subjects {
    layout: Arc<Layout>,
    symbols: Arc<[String]>,
    made: Vec<Option<Box<str>>>,
}

impl Subjects {
    fn new(layout: Arc<Layout>, symbols: Arc<[String]>) -> Self {
        let keys = layout.topics() * if layout.by_symbol() { symbols.len() } else { 1 };
        Self { layout, symbols, made: vec![None; keys] }
    }

    /// Returns the key of an event's subject.
    fn key(&mut self, topic: usize, symbol: u32) -> usize {
        let symbol = num::index32(symbol);
        let key = if self.layout.by_symbol() { topic * self.symbols.len() + symbol } else { topic };
        if self.made.len() <= key {
            self.made.resize(key + 1, None);
        }
        if let Some(made @ None) = self.made.get_mut(key) {
            let name = self.symbols.get(symbol).map_or("", String::as_str);
            *made = Some(self.layout.subject(topic, name).into());
        }
        key
    }

    /// Returns the number of a topic's symbol, whatever the subjects name.
    fn lane(&self, topic: usize, symbol: u32) -> usize {
        topic * self.symbols.len() + num::index32(symbol)
    }

    fn of(&self, key: usize) -> &str {
        self.made.get(key).and_then(Option::as_deref).unwrap_or_default()
    }
}

/// Parts of a run that a publisher needs.
pub(super) struct Setup<'a> {
    pub(super) dialer: Arc<Dialer>,
    /// A unique subject to which nothing else listens.
    pub(super) inbox: String,
    pub(super) bus: &'a plan::Bus,
    pub(super) layout: Arc<Layout>,
    pub(super) symbols: Arc<[String]>,
    pub(super) clock: Clock,
    pub(super) marks: &'a Marks,
}

/// Returns the name of a generator's connection.
pub(super) fn connection_name(generator: u32) -> String {
    format!("publisher {generator}")
}

impl NatsPublisher {
    /// Connects.
    ///
    /// # Errors
    /// When the connection cannot be made.
    pub(super) fn connect(setup: Setup<'_>, generator: u32) -> Result<Self, BusError> {
        let Setup { dialer, inbox, bus, layout, symbols, clock, marks } = setup;
        let notes = marks.of(connection_name(generator));
        let conn = Conn::open(dialer, notes, clock, &sending::answers(&inbox), None)?;
        Ok(Self {
            sending: Sending::new(conn, inbox),
            subjects: Subjects::new(layout, symbols),
            clock,
            account: Account::of(bus),
            batches: Batches::new(bus.publish, &bus.nats),
            gone_seen: 0,
            last_subject: None,
            answers: Vec::new(),
            block: BytesMut::with_capacity(BLOCK),
            msg_id: bus.nats.msg_id,
            abandoned: false,
            driven: false,
        })
    }

    /// Sends an event at once if there is room for it; returns whether it was sent.
    fn send_at_once(&mut self, event: &Outgoing<'_>, key: usize, now: Ns) -> bool {
        let Account::Once(window) = &mut self.account else { return false };
        if !self.sending.conn.takes() {
            return false;
        }
        let Some(ticket) = window.claim(event.token, now, num::count(event.payload.len())) else {
            return false;
        };
        let written = Event {
            subject: self.subjects.of(key),
            id: self.msg_id.then_some(event.id),
            payload: event.payload,
        };
        let number = send(&mut self.sending, self.batches.as_mut(), ticket, written, now);
        window.number(ticket, number);
        self.last_subject = Some(key);
        true
    }

    /// Serves the connection without waiting.
    fn drive(&mut self) {
        self.sending.conn.wait(0);
        self.collect();
        self.sending.conn.flush();
    }

    /// Sends waiting events, as far as the window and the connection have room.
    fn dispatch(&mut self) {
        let Self { account, sending, subjects, batches, clock, last_subject, answers, .. } = self;
        if !account.waits() || !sending.conn.is_up() {
            return;
        }
        let now = clock.now();
        let send = |ticket, waiting: &Waiting| {
            if !sending.conn.takes() {
                return Sent::NotYet;
            }
            let id = waiting.id.as_deref().and_then(|id| str::from_utf8(id).ok());
            if waiting.payload.len() + header_bytes(id, batches.as_ref()) > sending.conn.max_payload() {
                // A server connected to later may allow less.
                return Sent::Never(Refusal::NotSent);
            }
            *last_subject = Some(waiting.key);
            let event = Event { subject: subjects.of(waiting.key), id, payload: &waiting.payload };
            Sent::As(send(sending, batches.as_mut(), ticket, event, now))
        };
        account.dispatch(now, send, |token, outcome, tries| {
            answers.push(Ack { token, at: now, outcome, tries });
        });
    }

    /// Settles the events sent on a lost connection, so that their places are free for the next one. Answers that
    /// arrived on it have been taken before; events answered later are already settled.
    fn settle_gone(&mut self) {
        let gone = self.sending.conn.gone();
        if gone == self.gone_seen {
            return;
        }
        self.gone_seen = gone;
        let Self { account, batches, clock, answers, sending, .. } = self;
        let at = clock.now();
        account.written(sending.conn.written());
        account.lost(gone, |token, outcome, tries| answers.push(Ack { token, at, outcome, tries }));
        if let Some(batches) = batches {
            batches.lost(gone);
        }
    }

    /// Settles the events that have waited too long, or all of them.
    fn settle(&mut self, abandoned: bool) {
        let Self { account, batches, clock, answers, sending, .. } = self;
        let at = clock.now();
        account.written(sending.conn.written());
        let closed = |token, outcome, tries| answers.push(Ack { token, at, outcome, tries });
        let looked = match (abandoned, sending.conn.is_closed()) {
            (_, true) => {
                account.give_up(Doubt::Disconnected, closed);
                true
            }
            (true, false) => {
                account.give_up(Doubt::NoAnswer, closed);
                true
            }
            (false, false) => account.expire(at, closed),
        };
        if looked && let Some(batches) = batches {
            batches.forget(|ticket| account.is_open(ticket));
        }
    }

    /// Ends the batch whose oldest event has waited long enough.
    fn end_batch(&mut self) {
        let Self { batches: Some(batches), last_subject: Some(key), sending, clock, subjects, .. } = self
        else {
            return;
        };
        if batches.due().is_none_or(|due| due > clock.now()) || !sending.conn.takes() {
            return;
        }
        if let Some(place) = batches.end() {
            sending.end(batches, place, subjects.of(*key));
            batches.ended();
        }
    }

    /// Takes the answers that have been read, and fills the places that they free.
    fn collect(&mut self) {
        let Self { sending, account, batches, answers, .. } = self;
        let at = sending.conn.read_at();
        while let Some(message) = sending.conn.next() {
            let message = sending.conn.message(&message);
            let Some(tail) = Sending::tail(sending.inbox(), message.subject) else { continue };
            let mut answer = |ticket, outcome| {
                account.answer(ticket, at, outcome, |token, outcome, tries| {
                    answers.push(Ack { token, at, outcome, tries });
                });
            };
            match batches {
                None => {
                    if let Some(ticket) = sending::ticket(tail) {
                        answer(ticket, wire::answer(message.status(), message.payload));
                    }
                }
                Some(batches) => {
                    if let Some((batch, sequence)) = sending::place(tail) {
                        let word = wire::batch_word(message.status(), message.payload);
                        batches.answer(batch, sequence, word, answer);
                    }
                }
            }
        }
        self.settle_gone();
        self.dispatch();
        self.end_batch();
    }

    /// Serves the connection until `until`.
    fn work_until(&mut self, until: Ns) {
        if !self.sending.conn.is_fresh(self.clock.now()) {
            self.drive();
        }
        self.dispatch();
        self.end_batch();
        loop {
            let came = self.sending.conn.wait(self.wake(until));
            if came || self.sending.conn.gone() != self.gone_seen {
                self.collect();
            }
            self.end_batch();
            if self.sending.conn.is_closed() || self.clock.now() >= until {
                self.sending.conn.flush();
                return;
            }
        }
    }

    /// Returns the latest time at which there is something to do.
    fn wake(&self, until: Ns) -> Ns {
        let due = self.batches.as_ref().and_then(Batches::due);
        // If the connection did not accept it when it was due, try again soon.
        due.map_or(until, |due| due.max(self.clock.now() + AGAIN).min(until))
    }
}

/// Returns the size of an event's headers, bytes.
fn header_bytes(id: Option<&str>, batches: Option<&Batches>) -> usize {
    let atomic = batches.is_some_and(Batches::are_atomic);
    id.map_or(0, |id| MSG_ID_BYTES + id.len()) + if atomic { ATOMIC_BYTES } else { 0 }
}

/// Sends an event, alone or in a batch; returns the number of the message whose loss loses the event.
fn send(
    sending: &mut Sending,
    batches: Option<&mut Batches>,
    ticket: Ticket,
    event: Event<'_>,
    now: Ns,
) -> u64 {
    match batches {
        None => sending.event(ticket, event),
        Some(batches) => {
            let place = batches.place();
            let message = sending.part(batches, place, event);
            batches.sent(place, ticket, now, message)
        }
    }
}

impl Publisher for NatsPublisher {
    fn publish(&mut self, event: &Outgoing<'_>) -> Result<(), Refused> {
        if self.sending.conn.is_closed() {
            return Err(Refused::Closed);
        }
        let headers = header_bytes(self.msg_id.then_some(event.id), self.batches.as_ref());
        if event.payload.len() + headers > self.sending.conn.max_payload() {
            return Err(Refused::TooLarge);
        }
        let key = self.subjects.key(event.topic, event.symbol);
        let now = self.clock.now();
        if !self.sending.conn.is_fresh(now) {
            self.drive();
        }
        if self.send_at_once(event, key, now) {
            return Ok(());
        }
        let bytes = num::count(event.payload.len());
        if !self.account.admits(bytes) {
            // The window may be full only because the socket was not read for a while.
            self.drive();
            if !self.account.admits(bytes) {
                return Err(Refused::Full);
            }
        }
        // In a block, an event that stays open for long would keep the memory of all others.
        let apart = matches!(self.account, Account::Again(_));
        let mut keep = |bytes: &[u8]| {
            if apart {
                return Bytes::copy_from_slice(bytes);
            }
            self.block.extend_from_slice(bytes);
            self.block.split().freeze()
        };
        let id = self.msg_id.then(|| keep(event.id.as_bytes()));
        let waiting = Waiting { key, id, payload: keep(event.payload) };
        match &mut self.account {
            Account::Once(window) => window.accept(event.token, now, bytes, waiting),
            Account::Again(retries) => {
                let lane = self.subjects.lane(event.topic, event.symbol);
                retries.accept(event.token, lane, now, bytes, waiting);
                self.dispatch();
            }
        }
        Ok(())
    }

    fn acks(&mut self, into: &mut Vec<Ack>) {
        if !std::mem::take(&mut self.driven) {
            self.drive();
        } else if self.sending.conn.gone() != self.gone_seen {
            self.collect();
        }
        let abandoned = std::mem::take(&mut self.abandoned);
        self.settle(abandoned);
        if matches!(self.account, Account::Again(_)) {
            self.dispatch();
        }
        into.append(&mut self.answers);
    }

    fn wait(&mut self, until: Ns, sleeper: &Sleeper) {
        self.work_until(until.saturating_sub(sleeper.spin_ns()));
        self.driven = true;
        if sleeper.spin_ns() > 0 || self.sending.conn.is_closed() {
            sleeper.sleep_until(until);
        }
    }

    fn in_flight(&self) -> usize {
        self.account.open()
    }

    fn abandon(&mut self) {
        self.abandoned = true;
    }
}

impl Drop for NatsPublisher {
    fn drop(&mut self) {
        // Accepted events should be sent, but a dead server must not block the end.
        self.dispatch();
        self.sending.conn.settle(self.clock.now() + END_WITHIN);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    use super::*;
    use crate::bus::Answer;
    use crate::bus::nats::Target;

    /// Starts a server that accepts every client and answers only pings.
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
        let dialer = Arc::new(Dialer::new(target).expect("a dialer"));
        let inbox = "_INBOX.test".to_owned();
        let setup = Setup { dialer, inbox, bus, layout, symbols: Arc::from([]), clock, marks };
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

        publisher.sending.conn.close();
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
