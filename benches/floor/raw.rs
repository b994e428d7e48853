//! A client of plain sockets that knows just what this load needs of NATS's protocol.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::thread::{ClockId as SleepClock, clock_nanosleep_absolute, set_current_timer_slack};
use rustix::time::{ClockId, Timespec, clock_gettime};

use super::table::{Figures, quantiles};
use super::{SIZE, WARM_UP, raw_kafka};

const ROOM: usize = 1 << 20;

pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

fn sleep_until(ns: u64) {
    let time =
        Timespec { tv_sec: (ns / 1_000_000_000).cast_signed(), tv_nsec: (ns % 1_000_000_000).cast_signed() };
    let _ = clock_nanosleep_absolute(SleepClock::Monotonic, &time);
}

fn connect(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a server");
    stream.set_nodelay(true).expect("no delay");
    let mut room = [0; 8192];
    let _ = stream.read(&mut room).expect("its greeting");
    let hello = "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"name\":\"floor\",\
                 \"lang\":\"raw\",\"version\":\"1\"}\r\nPING\r\n";
    stream.write_all(hello.as_bytes()).expect("written");
    let read = stream.read(&mut room).expect("an answer");
    assert!(room[..read].starts_with(b"PONG"), "let in");
    stream
}

/// One message of the server: its subject, its reply subject where it has one, and its payload.
struct Message<'a> {
    subject: &'a [u8],
    reply: Option<&'a [u8]>,
    payload: &'a [u8],
}

/// Reads messages off a socket as they come.
struct Messages {
    stream: TcpStream,
    room: Vec<u8>,
    filled: usize,
    answer: Vec<u8>,
}

impl Messages {
    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
        Self { stream, room: vec![0; ROOM], filled: 0, answer: Vec::with_capacity(1 << 16) }
    }

    /// Takes what one `read` gives; `take` may write an answer, which leaves in one `write`. False where nothing came.
    fn take(&mut self, mut take: impl FnMut(&Message<'_>, u64, &mut Vec<u8>)) -> bool {
        let Ok(read) = self.stream.read(&mut self.room[self.filled..]) else { return false };
        let at = now();
        self.filled += read;
        let mut done = 0;
        self.answer.clear();
        while let Some((line, whole)) = line(&self.room[done..self.filled]) {
            if line == b"PING" {
                self.answer.extend_from_slice(b"PONG\r\n");
            }
            let mut words = line.split(|byte| *byte == b' ');
            let kind = words.next();
            let mut end = done + whole;
            if kind == Some(b"MSG") || kind == Some(b"HMSG") {
                let words: Vec<&[u8]> = words.collect();
                let size = number(words[words.len() - 1]);
                if end + size + 2 > self.filled {
                    break;
                }
                if kind == Some(b"MSG") {
                    let message = Message {
                        subject: words[0],
                        reply: (words.len() == 4).then(|| words[2]),
                        payload: &self.room[end..end + size],
                    };
                    take(&message, at, &mut self.answer);
                }
                end += size + 2;
            }
            done = end;
        }
        if !self.answer.is_empty() {
            self.stream.write_all(&self.answer).expect("written");
        }
        self.room.copy_within(done..self.filled, 0);
        self.filled -= done;
        read > 0
    }
}

/// The first line without its end, and its length with it.
fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    Some((&bytes[..end], end + 2))
}

pub(crate) fn number(digits: &[u8]) -> usize {
    digits.iter().fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
}

/// What all threads share.
pub(crate) struct Shared {
    due: Vec<AtomicU64>,
    /// How many events left together with this one, by the first of them.
    together: Vec<AtomicUsize>,
    pub(crate) received: AtomicU64,
    pub(crate) over: AtomicBool,
}

impl Shared {
    pub(crate) fn due(&self, event: usize) -> u64 {
        self.due[event].load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, first: usize) -> usize {
        self.together[first].load(Ordering::Relaxed)
    }

    pub(crate) fn events(&self) -> usize {
        self.due.len()
    }
}

/// The end that sends.
pub(crate) enum Load {
    Nats { stream: TcpStream, subject: String, room: Vec<u8>, padding: String },
    Kafka(Box<raw_kafka::Sender>),
}

impl Load {
    /// How long the first event of a write waits for others: Kafka takes a request of a connection at a time, so a request for each
    /// event is not a load that it carries. The same as tickgate's `bus.kafka.linger`, whose send lag ends before it.
    const fn linger_ns(&self) -> u64 {
        match self {
            Self::Nats { .. } => 0,
            Self::Kafka(_) => 500_000,
        }
    }

    /// Sends events from `first` on in one write.
    fn send(&mut self, first: usize, count: usize) {
        match self {
            Self::Nats { stream, subject, room, padding } => {
                room.clear();
                for event in first..first + count {
                    write!(room, "PUB {subject} _INBOX.floor.a.{event} {SIZE}\r\n{event:010}{padding}\r\n")
                        .expect("room");
                }
                stream.write_all(room).expect("written");
            }
            Self::Kafka(sender) => sender.send(first, count),
        }
    }
}

/// The end that sends, and the threads that receive and that read acknowledgements: number and time of each event.
pub(crate) type Started = (Load, [JoinHandle<Vec<(usize, u64)>>; 2]);

fn nats(address: &str, stream: &str, shared: &Arc<Shared>) -> Started {
    let pull = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.group");
    let receiving = receive(connect(address), &pull, Arc::clone(shared));
    let mut out = connect(address);
    out.write_all(b"SUB _INBOX.floor.a.* 1\r\n").expect("written");
    let answers = acknowledged(out.try_clone().expect("a socket"), Arc::clone(shared));
    let room = Vec::with_capacity(1 << 16);
    let load =
        Load::Nats { stream: out, subject: format!("{stream}.x"), room, padding: "x".repeat(SIZE - 10) };
    (load, [receiving, answers])
}

/// Receives and acknowledges until stopped; the latencies of the events, by their number.
fn receive(mut stream: TcpStream, pull: &str, shared: Arc<Shared>) -> JoinHandle<Vec<(usize, u64)>> {
    let body = "{\"batch\":1000000,\"expires\":120000000000}";
    let ask = format!("SUB _INBOX.floor.m 1\r\nPUB {pull} _INBOX.floor.m {}\r\n{body}\r\n", body.len());
    stream.write_all(ask.as_bytes()).expect("written");
    std::thread::Builder::new()
        .name("receive".into())
        .spawn(move || {
            let (mut messages, mut times) = (Messages::new(stream), Vec::with_capacity(shared.due.len()));
            while !shared.over.load(Ordering::Relaxed) {
                messages.take(|message, at, answer| {
                    if message.payload.len() != SIZE {
                        return;
                    }
                    let event = number(&message.payload[..10]);
                    times.push((event, at.saturating_sub(shared.due(event))));
                    shared.received.fetch_add(1, Ordering::Relaxed);
                    if let Some(reply) = message.reply {
                        answer.extend_from_slice(b"PUB ");
                        answer.extend_from_slice(reply);
                        answer.extend_from_slice(b" 4\r\n+ACK\r\n");
                    }
                });
            }
            times
        })
        .expect("a thread")
}

/// Reads the acknowledgements of the stream.
fn acknowledged(stream: TcpStream, shared: Arc<Shared>) -> JoinHandle<Vec<(usize, u64)>> {
    std::thread::Builder::new()
        .name("acks".into())
        .spawn(move || {
            let (mut messages, mut times) = (Messages::new(stream), Vec::with_capacity(shared.due.len()));
            while !shared.over.load(Ordering::Relaxed) {
                messages.take(|message, at, _| {
                    let event = number(message.subject.rsplit(|byte| *byte == b'.').next().expect("a token"));
                    times.push((event, at.saturating_sub(shared.due(event))));
                });
            }
            times
        })
        .expect("a thread")
}

/// When each event is due, from the start on: even gaps, or exponential ones.
fn schedule(rate: f64, events: usize, poisson: bool) -> Vec<u64> {
    let gap = 1e9 / rate;
    let (mut state, mut at) = (0x9E37_79B9_7F4A_7C15_u64, 0.0);
    (0..events)
        .map(|_| {
            let this = at as u64;
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let unit = ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            at += if poisson { -gap * unit.ln() } else { gap };
            this
        })
        .collect()
}

/// `raw nats|kafka ADDRESS RATE SECONDS STREAM ARRIVAL`.
pub(crate) fn main() {
    let words: Vec<String> = std::env::args().skip(2).collect();
    let [bus, address, rate, seconds, stream, arrival] = words.as_slice() else { panic!("six words") };
    let (rate, seconds): (usize, usize) = (rate.parse().expect("a rate"), seconds.parse().expect("seconds"));
    let events = rate * (seconds + usize::try_from(WARM_UP).expect("small"));
    let offsets = schedule(rate as f64, events, arrival == "poisson");
    let shared = Arc::new(Shared {
        due: (0..events).map(|_| AtomicU64::new(0)).collect(),
        together: (0..events).map(|_| AtomicUsize::new(0)).collect(),
        received: AtomicU64::new(0),
        over: AtomicBool::new(false),
    });
    let start_bus = if bus == "kafka" { raw_kafka::start } else { nats };
    let (mut load, [receiving, answers]) = start_bus(address, stream, &shared);
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    std::thread::sleep(Duration::from_millis(300));

    let (start, start_unix) = (now() + 1_000_000, unix() + 1_000_000);
    let mut lag = Vec::with_capacity(events);
    let mut event = 0;
    while event < events {
        let leaves = start + offsets[event] + load.linger_ns();
        if leaves > now() {
            sleep_until(leaves);
        }
        let (first, at) = (event, now());
        while event < events && start + offsets[event] <= at {
            let due = start + offsets[event];
            shared.due[event].store(due, Ordering::Relaxed);
            lag.push((event, at - due));
            event += 1;
        }
        shared.together[first].store(event - first, Ordering::Relaxed);
        load.send(first, event - first);
    }
    let patience = now() + 5_000_000_000;
    while shared.received.load(Ordering::Relaxed) < events as u64 && now() < patience {
        std::thread::sleep(Duration::from_millis(20));
    }
    shared.over.store(true, Ordering::Relaxed);
    let (latency, ack) = (receiving.join().expect("ended"), answers.join().expect("ended"));
    assert!(
        latency.len() == events && ack.len() == events,
        "{} and {} of {events}",
        latency.len(),
        ack.len()
    );
    // By intended time, as tickgate does.
    let first = offsets.partition_point(|offset| *offset < WARM_UP * 1_000_000_000);
    let of = |times: Vec<(usize, u64)>| {
        quantiles(times.into_iter().filter(|(event, _)| *event >= first).map(|(_, ns)| ns).collect())
    };
    let figures = Figures {
        events: (events - first) as u64,
        lag: of(lag),
        ack: of(ack),
        latency: of(latency),
        from_unix_ns: start_unix + WARM_UP * 1_000_000_000,
        until_unix_ns: start_unix + offsets[events - 1],
        cost: None,
    };
    println!("{}", serde_json::to_string(&figures).expect("text"));
}

fn unix() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since.as_nanos().try_into().expect("before 2554")
}
