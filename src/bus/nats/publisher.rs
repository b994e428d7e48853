//! The sending end: a connection whose event loop runs only while the generator waits, on the generator's thread.
//!
//! Each event is published with a reply subject of its own, `<inbox>.<slot>-<generation>`, and the publisher
//! listens to `<inbox>.*`. That costs less than the client's request machinery, and a late acknowledgement can
//! never be taken for that of another event. A generator waits most of its time, and wakes for an acknowledgement
//! as it does for the next event: so both are handled without handing them from thread to thread, which on a busy
//! machine costs more than anything else here.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, HeaderMap, HeaderValue, Message, Subject, Subscriber};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::runtime::Runtime;

use super::link;
use super::subjects::Layout;
use super::target::{Target, environment};
use super::timer::Timer;
use super::wire;
use crate::bus::marks::{Marks, Notes};
use crate::bus::window::{Ticket, Window};
use crate::bus::{Ack, Answer, BusError, Outgoing, Publisher, Refused};
use crate::host::clock::Clock;
use crate::host::sleep::Sleeper;
use crate::num;
use crate::plan::{self, Ns};

/// Bytes of the `Nats-Msg-Id` header around the id: version line, name, two line ends.
const MSG_ID_BYTES: usize = 29;
/// Payloads, ids and reply subjects are cut from blocks of this size.
const ARENA: usize = 64 * 1024;

/// An event as it waits for the wire.
#[derive(Debug)]
struct Parcel {
    subject: Subject,
    payload: Bytes,
    id: Option<Bytes>,
}

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
    client: Client,
    clock: Clock,
    notes: Notes,
    inbox: String,
    replies: Subscriber,
    timer: Timer,
    arena: BytesMut,
    window: Window<Parcel>,
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
        let window = if bus.publish == plan::Publish::Sync { 1 } else { bus.window.max(1) };
        let notes = marks.of(format!("publisher {generator}"));
        // As many as can be open, and as many again that come too late.
        let queue = num::index32(window) * 2 + 1024;
        let runtime = runtime()?;
        let line = runtime.block_on(async {
            let link = link::connect(target, notes.clone(), queue).await?;
            let inbox = link.client.new_inbox();
            let replies = link.client.subscribe(format!("{inbox}.*")).await.map_err(|error| {
                environment(&format!("cannot listen for acknowledgements: {error}"), "check the inbox prefix")
            })?;
            let timer = Timer::new(clock).map_err(|error| {
                environment(
                    &format!("cannot make a timer: {error}"),
                    "raise the limit of open files (`ulimit -n`)",
                )
            })?;
            Ok::<_, BusError>(Line {
                client: link.client,
                clock,
                notes,
                inbox,
                replies,
                timer,
                arena: BytesMut::with_capacity(ARENA),
                window: Window::new(window, bus.buffer, bus.publish_timeout.ns),
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
    /// Hands waiting events to the client, as far as window and client have room.
    fn pump(&mut self) {
        let Self { window, client, inbox, arena, alive, .. } = self;
        window.pump(|ticket, parcel| send(client, inbox, arena, ticket, parcel, alive));
    }

    /// Takes the answers that are there, and fills the places that they leave.
    fn collect(&mut self) {
        while let Some(reply) = tokio::task::coop::unconstrained(self.replies.next()).now_or_never() {
            self.take(reply);
            if !self.alive {
                return;
            }
        }
        self.pump();
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
        let Some(ticket) = message.subject.get(self.inbox.len() + 1..).and_then(ticket) else { return };
        if let Some(token) = self.window.answer(ticket) {
            let status = message.status.map(|status| status.as_u16());
            self.answers.push(Ack { token, at, outcome: wire::answer(status, &message.payload) });
        }
    }

    /// Does the connection's work until a time comes.
    async fn work_until(&mut self, until: Ns) {
        self.pump();
        if self.timer.set(until).is_err() {
            return;
        }
        while self.alive {
            tokio::select! {
                biased;
                reply = self.replies.next() => {
                    self.take(reply);
                    self.collect();
                }
                () = self.timer.expired(until) => return,
            }
        }
    }
}

/// A copy of `bytes`, cut from the arena.
fn store(arena: &mut BytesMut, bytes: &[u8]) -> Bytes {
    arena.extend_from_slice(bytes);
    arena.split().freeze()
}

/// Hands a parcel to the client; `false` when its queue is full.
fn send(
    client: &Client,
    inbox: &str,
    arena: &mut BytesMut,
    ticket: Ticket,
    parcel: &Parcel,
    alive: &mut bool,
) -> bool {
    // Writing into memory does not fail.
    let _ = write!(arena, "{inbox}.{}-{}", ticket.slot, ticket.generation);
    let Ok(reply) = Subject::from_utf8(arena.split().freeze()) else { return true };
    let (subject, payload) = (parcel.subject.clone(), parcel.payload.clone());
    let id = parcel.id.as_deref().and_then(|id| std::str::from_utf8(id).ok());
    let sent = match id {
        None => client.publish_with_reply(subject, reply, payload).now_or_never(),
        Some(id) => {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", HeaderValue::from(id));
            client.publish_with_reply_and_headers(subject, reply, headers, payload).now_or_never()
        }
    };
    match sent {
        None => false,
        Some(Ok(())) => true,
        Some(Err(error)) => {
            // Nothing was sent, so nothing will answer: the event ends as unconfirmed.
            if error.kind() == async_nats::client::PublishErrorKind::Send {
                *alive = false;
            }
            true
        }
    }
}

impl Publisher for NatsPublisher {
    fn publish(&mut self, event: &Outgoing<'_>) -> Result<(), Refused> {
        if !self.line.alive {
            return Err(Refused::Closed);
        }
        let header = if self.msg_id { MSG_ID_BYTES + event.id.len() } else { 0 };
        if event.payload.len() + header > self.line.client.max_payload() {
            return Err(Refused::TooLarge);
        }
        if !self.line.window.admits() {
            // Perhaps only because nobody has waited for a while.
            self.drive();
            if !self.line.window.admits() {
                return Err(Refused::Full);
            }
        }
        let subject = self.subject(event.topic, event.symbol);
        let line = &mut self.line;
        let parcel = Parcel {
            subject,
            payload: store(&mut line.arena, event.payload),
            id: self.msg_id.then(|| store(&mut line.arena, event.id.as_bytes())),
        };
        line.window.accept(event.token, line.clock.now(), parcel);
        Ok(())
    }

    fn acks(&mut self, into: &mut Vec<Ack>) {
        if !std::mem::take(&mut self.driven) {
            self.drive();
        }
        let line = &mut self.line;
        into.append(&mut line.answers);
        let now = line.clock.now();
        let unconfirmed = |token| into.push(Ack { token, at: now, outcome: Answer::Unconfirmed });
        if std::mem::take(&mut self.abandoned) || !line.alive {
            line.window.give_up(unconfirmed);
        } else {
            line.window.expire(now, unconfirmed);
        }
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
            let _ = tokio::time::timeout(Duration::from_millis(200), line.client.flush()).await;
        });
    }
}

/// `<slot>-<generation>`.
fn ticket(text: &str) -> Option<Ticket> {
    let (slot, generation) = text.split_once('-')?;
    Some(Ticket { slot: slot.parse().ok()?, generation: generation.parse().ok()? })
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
    fn when_the_connection_ends_open_events_are_unconfirmed_and_no_more_are_taken() {
        let marks = Marks::new(Clock::start());
        let mut publisher = publisher(&marks, &bus(4, 4));
        for token in 0..8 {
            assert_eq!(publish(&mut publisher, token), Ok(()));
        }
        assert_eq!(publish(&mut publisher, 8), Err(Refused::Full));
        let mut acks = Vec::new();
        publisher.acks(&mut acks);
        assert_eq!((acks.len(), publisher.in_flight()), (0, 8));

        let client = publisher.line.client.clone();
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
        assert!(acks.iter().all(|ack| ack.outcome == Answer::Unconfirmed));
        assert_eq!(publisher.in_flight(), 0);
    }

    #[test]
    fn tickets_are_read_back() {
        assert_eq!(ticket("12-4294967295"), Some(Ticket { slot: 12, generation: u32::MAX }));
        for bad in ["", "12", "-", "1-", "-1", "1-2-3", "x-1", "4294967296-1"] {
            assert_eq!(ticket(bad), None, "{bad}");
        }
    }
}
