//! The sending end: events leave on the generator's thread, acknowledgements are stamped on a thread of their own.
//!
//! Each event is published with a reply subject of its own, `<inbox>.<slot>-<generation>`, and the publisher's
//! thread listens to `<inbox>.*`. That costs less than the client's request machinery, stamps every
//! acknowledgement where it arrives, and a late one can never be taken for that of another event.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_nats::{Client, HeaderMap, HeaderValue, Subject, Subscriber};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::oneshot;

use super::link::{self, Marks, Notes};
use super::subjects::Layout;
use super::target::{Target, environment};
use super::window::{Ticket, Window};
use super::wire;
use crate::bus::{Ack, Answer, BusError, Outgoing, Publisher, Refused};
use crate::host::clock::Clock;
use crate::num;
use crate::plan::{self, Ns};

/// Bytes of the `Nats-Msg-Id` header around the id: version line, name, two line ends.
const MSG_ID_BYTES: usize = 29;
/// Payloads, ids and reply subjects are cut from blocks of this size.
const ARENA: usize = 64 * 1024;

/// An acknowledgement on its way from the publisher's thread.
#[derive(Debug)]
struct Reply {
    ticket: Ticket,
    at: Ns,
    answer: Answer,
}

/// An event as it waits for the wire.
#[derive(Debug)]
struct Parcel {
    subject: Subject,
    payload: Bytes,
    id: Option<Bytes>,
}

/// The sending end of one generator.
pub struct NatsPublisher {
    client: Client,
    clock: Clock,
    layout: Arc<Layout>,
    symbols: Arc<[String]>,
    subjects: Vec<Option<Subject>>,
    inbox: String,
    arena: BytesMut,
    msg_id: bool,
    window: Window<Parcel>,
    replies: rtrb::Consumer<Reply>,
    abandoned: bool,
    alive: Arc<AtomicBool>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
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
    /// Connects, on a new thread.
    ///
    /// # Errors
    /// When the connection or the thread cannot be made.
    pub(super) fn connect(setup: Setup<'_>, generator: u32) -> Result<Self, BusError> {
        let Setup { target, bus, layout, symbols, clock, marks } = setup;
        let window = if bus.publish == plan::Publish::Sync { 1 } else { bus.window.max(1) };
        let name = format!("publisher {generator}");
        let alive = Arc::new(AtomicBool::new(true));
        // As many as can be open, and as many again that come too late.
        let (ring, replies) = rtrb::RingBuffer::new(num::index32(window) * 2 + 64);
        let (stop, stopped) = oneshot::channel();
        let (ready, connected) = mpsc::sync_channel(1);
        let worker = Worker {
            target: target.clone(),
            queue: num::index32(window) * 2 + 1024,
            notes: marks.of(name),
            clock,
            ring,
            alive: alive.clone(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("nats-pub-{generator}"))
            .spawn(move || worker.run(&ready, stopped))
            .map_err(|error| {
                environment(&format!("cannot start a thread: {error}"), "use fewer generators")
            })?;
        let (client, inbox) = connected.recv().unwrap_or_else(|_| {
            Err(environment(
                "the publisher's thread died while it connected",
                "report this with the server's log",
            ))
        })?;
        let keys = layout.topics() * if layout.by_symbol() { symbols.len() } else { 1 };
        Ok(Self {
            client,
            clock,
            layout,
            symbols,
            subjects: vec![None; keys],
            inbox,
            arena: BytesMut::with_capacity(ARENA),
            msg_id: bus.msg_id,
            window: Window::new(window, bus.buffer, bus.publish_timeout.ns),
            replies,
            abandoned: false,
            alive,
            stop: Some(stop),
            thread: Some(thread),
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

    /// Moves waiting events to the client, as far as window and client have room.
    fn pump(&mut self) {
        let Self { window, client, inbox, arena, alive, .. } = self;
        window.pump(|ticket, parcel| send(client, inbox, arena, ticket, parcel, alive));
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
    alive: &AtomicBool,
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
                alive.store(false, Ordering::Release);
            }
            true
        }
    }
}

impl Publisher for NatsPublisher {
    fn publish(&mut self, event: &Outgoing<'_>) -> Result<(), Refused> {
        if !self.alive.load(Ordering::Acquire) {
            return Err(Refused::Closed);
        }
        let header = if self.msg_id { MSG_ID_BYTES + event.id.len() } else { 0 };
        if event.payload.len() + header > self.client.max_payload() {
            return Err(Refused::TooLarge);
        }
        if !self.window.admits() {
            return Err(Refused::Full);
        }
        let parcel = Parcel {
            subject: self.subject(event.topic, event.symbol),
            payload: store(&mut self.arena, event.payload),
            id: self.msg_id.then(|| store(&mut self.arena, event.id.as_bytes())),
        };
        self.window.accept(event.token, self.clock.now(), parcel);
        self.pump();
        Ok(())
    }

    fn acks(&mut self, into: &mut Vec<Ack>) {
        // Read before the ring: what a dead thread left there still counts.
        let alive = self.alive.load(Ordering::Acquire);
        while let Ok(Reply { ticket, at, answer }) = self.replies.pop() {
            if let Some(token) = self.window.answer(ticket) {
                into.push(Ack { token, at, outcome: answer });
            }
        }
        let now = self.clock.now();
        let unconfirmed = |token| into.push(Ack { token, at: now, outcome: Answer::Unconfirmed });
        if std::mem::take(&mut self.abandoned) || !alive {
            self.window.give_up(unconfirmed);
        } else {
            self.window.expire(now, unconfirmed);
            self.pump();
        }
    }

    fn in_flight(&self) -> usize {
        self.window.open()
    }

    fn abandon(&mut self) {
        self.abandoned = true;
    }
}

impl Drop for NatsPublisher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has left its mark already.
            let _ = thread.join();
        }
    }
}

/// The publisher's thread.
struct Worker {
    target: Target,
    queue: usize,
    notes: Notes,
    clock: Clock,
    ring: rtrb::Producer<Reply>,
    alive: Arc<AtomicBool>,
}

type Connected = Result<(Client, String), BusError>;

impl Worker {
    fn run(mut self, ready: &mpsc::SyncSender<Connected>, stopped: oneshot::Receiver<()>) {
        let _obituary = Obituary { alive: self.alive.clone(), notes: self.notes.clone() };
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        runtime.block_on(async {
            match self.open().await {
                Ok((client, inbox, subscriber)) => {
                    let prefix = inbox.len() + 1;
                    if ready.send(Ok((client.clone(), inbox))).is_ok() {
                        self.listen(prefix, subscriber, stopped).await;
                        // What was accepted shall leave, but a dead server must not hold us.
                        let _ = tokio::time::timeout(Duration::from_millis(200), client.flush()).await;
                    }
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        });
        // A name lookup that hangs must not hold us either.
        runtime.shutdown_background();
    }

    async fn open(&self) -> Result<(Client, String, Subscriber), BusError> {
        let link = link::connect(&self.target, self.notes.clone(), self.queue).await?;
        let inbox = link.client.new_inbox();
        let subscriber = link.client.subscribe(format!("{inbox}.*")).await.map_err(|error| {
            environment(&format!("cannot listen for acknowledgements: {error}"), "check the inbox prefix")
        })?;
        Ok((link.client, inbox, subscriber))
    }

    /// Stamps acknowledgements until it is told to stop.
    async fn listen(&mut self, prefix: usize, mut replies: Subscriber, mut stopped: oneshot::Receiver<()>) {
        loop {
            let message = tokio::select! {
                biased;
                _ = &mut stopped => return,
                message = replies.next() => message,
            };
            let Some(message) = message else { return self.notes.mark("closed", "the connection has ended") };
            let at = self.clock.now();
            let Some(ticket) = message.subject.get(prefix..).and_then(ticket) else { continue };
            let status = message.status.map(|status| status.as_u16());
            let answer = wire::answer(status, &message.payload);
            let mut reply = Reply { ticket, at, answer };
            // The ring has room for every open event, so it fills only while nobody reads it.
            while let Err(rtrb::PushError::Full(back)) = self.ring.push(reply) {
                if self.ring.is_abandoned() {
                    return;
                }
                reply = back;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

/// Says that the thread has ended, however it ended.
struct Obituary {
    alive: Arc<AtomicBool>,
    notes: Notes,
}

impl Drop for Obituary {
    fn drop(&mut self) {
        self.alive.store(false, Ordering::Release);
        if std::thread::panicking() {
            self.notes.mark("publisher-died", "its thread panicked; its open events are unconfirmed");
        }
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
            "kind": "nats", "replicas": 1, "storage": "file", "compression": "none", "sync": "default",
            "publish": "async", "window": window, "buffer": buffer, "publish_timeout": "1h", "msg_id": false,
            "ack": "explicit", "ack_wait": "1s", "max_ack_pending": 1, "pull_batch": 1, "max_bytes": "1MiB",
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
    fn when_the_thread_ends_open_events_are_unconfirmed_and_no_more_are_taken() {
        let marks = Marks::new(Clock::start());
        let mut publisher = publisher(&marks, &bus(4, 4));
        for token in 0..8 {
            assert_eq!(publish(&mut publisher, token), Ok(()));
        }
        assert_eq!(publish(&mut publisher, 8), Err(Refused::Full));
        let mut acks = Vec::new();
        publisher.acks(&mut acks);
        assert_eq!((acks.len(), publisher.in_flight()), (0, 8));

        drop(publisher.stop.take());
        publisher.thread.take().expect("a thread").join().expect("it ends");
        assert_eq!(publish(&mut publisher, 9), Err(Refused::Closed));
        publisher.acks(&mut acks);
        publisher.acks(&mut acks);
        let mut tokens: Vec<_> = acks.iter().map(|ack| ack.token).collect();
        tokens.sort_unstable();
        assert_eq!(tokens, (0..8).collect::<Vec<_>>());
        assert!(acks.iter().all(|ack| ack.outcome == Answer::Unconfirmed));
        assert_eq!(publisher.in_flight(), 0);
    }

    #[test]
    fn a_thread_that_panics_leaves_a_mark() {
        let marks = Marks::new(Clock::start());
        let alive = Arc::new(AtomicBool::new(true));
        let obituary = Obituary { alive: alive.clone(), notes: marks.of("publisher 3".to_owned()) };
        let died = std::thread::spawn(move || {
            let _obituary = obituary;
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        assert!(died.join().is_err());
        assert!(!alive.load(Ordering::Acquire));
        let mut taken = Vec::new();
        marks.take(&mut taken);
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].kind, "publisher-died");
    }

    #[test]
    fn tickets_are_read_back() {
        assert_eq!(ticket("12-4294967295"), Some(Ticket { slot: 12, generation: u32::MAX }));
        for bad in ["", "12", "-", "1-", "-1", "1-2-3", "x-1", "4294967296-1"] {
            assert_eq!(ticket(bad), None, "{bad}");
        }
    }
}
