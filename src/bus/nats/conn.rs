//! A connection whose socket is read and written by the thread that uses it, with no other thread or queue in between.
//!
//! Writes go to `output` first and leave with the next [`Conn::flush`]; bytes that were read stay in `input` until they
//! are taken. When the connection ends, a separate thread makes another one while the caller goes on.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{ClockId, clock_nanosleep_absolute};

use super::denial;
use super::dial::{Dialed, Dialer, Stream};
use super::frames::{self, Frame, Message, MessageAt};
use crate::bus::BusError;
use crate::bus::marks::Notes;
use crate::host::clock::Clock;
use crate::plan::Ns;

/// Pause between two attempts to reconnect.
const RECONNECT: Duration = Duration::from_millis(50);
/// Consecutive denials that count as final; a server that is starting may not know its users yet.
const DENIALS: u32 = 60;
/// Interval of pings to a silent server; three without an answer end a half-open connection.
const PING: Ns = 5_000_000_000;
/// Maximum number of pings without an answer.
const MISSING: u32 = 2;
/// Interval of checks for a new connection while there is none.
const LOOK: Ns = 1_000_000;
/// Time since the last poll of the socket after which the connection may have ended unseen.
const FRESH: Ns = 1_000_000;
/// Bytes that may wait for the socket; above that no more are accepted.
const OUTPUT: usize = 64 << 10;
/// Initial size of the input, bytes; it grows with the largest message.
const INPUT: usize = 128 << 10;

/// One subscription, and the messages that are sent.
pub(super) struct Conn {
    dialer: Arc<Dialer>,
    notes: Notes,
    clock: Clock,
    /// The `SUB` line that every connection starts with.
    subscribe: String,
    state: State,
    max_payload: usize,
    connects: u64,
    input: Input,
    output: Output,
    /// When bytes were last read, and when the socket was last polled.
    read_at: Ns,
    looked_at: Ns,
    ping: Ns,
    unanswered: u32,
    pongs: u64,
}

/// A sign that a server was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sign {
    pongs: u64,
    connects: u64,
}

enum State {
    Up(Stream),
    /// A new connection is being made.
    Down(Receiver<Dialed>, Arc<AtomicBool>),
    Closed,
}

/// Bytes that were read; those before `from` have been taken.
struct Input {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
}

/// Bytes that wait for the socket, and the number of messages in them.
#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    /// How many of them the socket has accepted.
    done: usize,
    /// Total number of messages put into this output.
    messages: u64,
    /// How many of them a socket has certainly accepted.
    written: u64,
    /// Number of messages at an earlier point, and the number of bytes at that point.
    mark: Option<(u64, usize)>,
    /// Number of messages sent on connections that are gone.
    gone: u64,
}

impl Output {
    const fn waits(&self) -> bool {
        self.done < self.bytes.len()
    }

    /// Records that the socket accepted this many bytes.
    fn taken(&mut self, bytes: usize) {
        self.done += bytes;
        if self.done >= self.bytes.len() {
            self.bytes.clear();
            self.done = 0;
            self.written = self.messages;
            self.mark = None;
            return;
        }
        match self.mark {
            Some((messages, at)) if self.done >= at => {
                self.written = messages;
                self.mark = Some((self.messages, self.bytes.len()));
            }
            Some(_) => {}
            None => self.mark = Some((self.messages, self.bytes.len())),
        }
        if self.done > OUTPUT {
            self.bytes.drain(..self.done);
            self.mark = self.mark.map(|(messages, at)| (messages, at - self.done));
            self.done = 0;
        }
    }

    /// Discards the bytes of a connection that is gone.
    fn lose(&mut self) {
        self.bytes.clear();
        self.done = 0;
        self.mark = None;
        self.written = self.messages;
        self.gone = self.messages;
    }
}

/// Returns the name by which a server lists a connection.
pub(super) fn client_name(name: &str) -> String {
    format!("tickgate {name}")
}

impl Conn {
    /// Connects and subscribes to a subject, as a member of a queue group if there is one.
    ///
    /// # Errors
    /// When no server accepts the connection.
    pub(super) fn open(
        dialer: Arc<Dialer>,
        notes: Notes,
        clock: Clock,
        subject: &str,
        queue: Option<&str>,
    ) -> Result<Self, BusError> {
        let queue = queue.map_or_else(String::new, |queue| format!("{queue} "));
        let first = dialer.first(&client_name(&notes.name))?;
        let mut conn = Self {
            dialer,
            notes,
            clock,
            subscribe: format!("SUB {subject} {queue}1\r\n"),
            state: State::Closed,
            max_payload: 0,
            connects: 0,
            input: Input { bytes: vec![0; INPUT], from: 0, to: 0 },
            output: Output::default(),
            read_at: 0,
            looked_at: 0,
            ping: 0,
            unanswered: 0,
            pongs: 0,
        };
        conn.adopt(first);
        Ok(conn)
    }

    fn adopt(&mut self, dialed: Dialed) {
        let Dialed { stream, max_payload, rest } = dialed;
        self.state = State::Up(stream);
        self.max_payload = max_payload;
        self.connects += 1;
        (self.input.from, self.input.to) = (0, 0);
        self.input.room(rest.len());
        if let Some(room) = self.input.bytes.get_mut(..rest.len()) {
            room.copy_from_slice(&rest);
            self.input.to = rest.len();
        }
        self.read_at = self.clock.now();
        self.looked_at = self.read_at;
        (self.ping, self.unanswered) = (self.read_at + PING, 0);
        self.output.bytes.extend_from_slice(self.subscribe.as_bytes());
        if self.connects > 1 {
            self.notes.mark("connected", "");
        }
        self.flush();
        // TLS may hold bytes that came with the welcome, which polling the socket does not show.
        self.read();
    }

    /// Returns whether there is a connection.
    pub(super) const fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// Returns whether the connection has ended for good.
    pub(super) const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Returns the number of connections made so far: 1 until the first reconnect.
    pub(super) const fn connects(&self) -> u64 {
        self.connects
    }

    /// Returns the largest payload that the server accepts, headers included, bytes.
    pub(super) const fn max_payload(&self) -> usize {
        self.max_payload
    }

    /// Returns when the bytes were read that messages are taken from.
    pub(super) const fn read_at(&self) -> Ns {
        self.read_at
    }

    /// Returns whether the socket was polled recently. If not, a message may be written to a connection that has ended
    /// in the meantime, and be lost.
    pub(super) const fn is_fresh(&self, now: Ns) -> bool {
        now < self.looked_at + FRESH
    }

    pub(super) const fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Returns whether a message can be sent now.
    pub(super) fn takes(&self) -> bool {
        self.is_up() && self.output.bytes.len() - self.output.done < OUTPUT
    }

    /// Returns the number of sent messages that a socket has certainly accepted.
    pub(super) const fn written(&self) -> u64 {
        self.output.written
    }

    /// Returns the number of sent messages whose connection is gone.
    pub(super) const fn gone(&self) -> u64 {
        self.output.gone
    }

    /// Sends a message and returns its number; [`Self::takes`] must be true.
    pub(super) fn send(
        &mut self,
        subject: &str,
        reply: impl FnOnce(&mut Vec<u8>),
        headers: &[u8],
        payload: &[u8],
    ) -> u64 {
        frames::push_message(&mut self.output.bytes, subject, reply, headers, payload);
        self.output.messages += 1;
        self.output.messages
    }

    /// Sends messages that are already encoded.
    pub(super) fn send_written(&mut self, bytes: &[u8]) {
        self.output.bytes.extend_from_slice(bytes);
    }

    /// Writes the waiting bytes, as far as the socket accepts them.
    pub(super) fn flush(&mut self) {
        while let State::Up(stream) = &mut self.state {
            let waiting = self.output.bytes.get(self.output.done..).unwrap_or_default();
            if waiting.is_empty() && !stream.holds_bytes() {
                return;
            }
            match stream.write(waiting) {
                Ok(written) => self.output.taken(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.lose(),
            }
        }
    }

    /// Reads the available bytes without waiting. Messages must be taken first.
    pub(super) fn read(&mut self) {
        loop {
            let State::Up(stream) = &mut self.state else { return };
            let room = self.input.room(1);
            let length = room.len();
            match stream.read(room) {
                Ok(0) => return self.lose(),
                Ok(read) => {
                    self.input.to += read;
                    self.read_at = self.clock.now();
                    self.unanswered = 0;
                    // TLS may hold more than there was room for.
                    if read < length || matches!(self.state, State::Up(Stream::Plain(_))) {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.lose(),
            }
        }
    }

    /// Writes, waits for input or a new connection until `until`, and reads; returns whether either came. May return
    /// early.
    pub(super) fn wait(&mut self, until: Ns) -> bool {
        self.flush();
        let now = self.clock.now();
        let State::Up(stream) = &self.state else { return self.wait_for_connection(now, until) };
        let mut wants = PollFlags::IN;
        if self.output.waits() || stream.holds_bytes() {
            wants |= PollFlags::OUT;
        }
        let mut polled = [PollFd::new(stream.tcp(), wants)];
        let wait = until.min(self.ping).saturating_sub(now);
        let found = poll(&mut polled, Some(&timespec(wait)));
        let found = found.is_ok_and(|count| count > 0);
        self.looked_at = self.clock.now();
        let [polled] = polled;
        let flags = polled.revents();
        if found && flags.contains(PollFlags::OUT) {
            self.flush();
        }
        let readable = found && flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR);
        if readable {
            self.read();
        } else if self.looked_at >= self.ping {
            self.ask_for_a_sign();
        }
        readable
    }

    fn wait_for_connection(&mut self, now: Ns, until: Ns) -> bool {
        let State::Down(made, _) = &self.state else {
            self.sleep(until);
            return false;
        };
        match made.try_recv() {
            Ok(dialed) => {
                self.adopt(dialed);
                true
            }
            Err(TryRecvError::Empty) => {
                self.sleep(until.min(now + LOOK));
                false
            }
            Err(TryRecvError::Disconnected) => {
                self.close();
                true
            }
        }
    }

    fn sleep(&self, until: Ns) {
        let _ = clock_nanosleep_absolute(ClockId::Monotonic, &self.clock.deadline(until));
    }

    /// Ends the connection for good.
    pub(super) fn close(&mut self) {
        self.output.lose();
        self.state = State::Closed;
        self.notes.mark("closed", "the connection has ended");
    }

    fn ask_for_a_sign(&mut self) {
        let now = self.clock.now();
        self.ping = now + PING;
        self.unanswered += 1;
        if self.unanswered > MISSING {
            self.lose();
        } else {
            self.output.bytes.extend_from_slice(b"PING\r\n");
            self.flush();
        }
    }

    /// Waits until the server has read everything that was written, or until `until`.
    pub(super) fn settle(&mut self, until: Ns) {
        let sign = self.ask();
        while self.awaits(sign, until) {
            while self.next().is_some() {}
        }
    }

    /// Asks the server to send no further messages; its sign comes behind the last one.
    pub(super) fn unsubscribe(&mut self) -> Sign {
        if self.is_up() {
            self.output.bytes.extend_from_slice(b"UNSUB 1\r\n");
        }
        self.ask()
    }

    fn ask(&mut self) -> Sign {
        if self.is_up() {
            self.output.bytes.extend_from_slice(b"PING\r\n");
        }
        Sign { pongs: self.pongs, connects: self.connects }
    }

    /// Waits for input while the sign may still come, until `until`; `false` once it has come or never will. Messages must be
    /// taken first.
    pub(super) fn awaits(&mut self, sign: Sign, until: Ns) -> bool {
        let Sign { pongs, connects } = sign;
        let open =
            self.pongs == pongs && self.connects == connects && self.is_up() && self.clock.now() < until;
        if open {
            self.wait(until);
        }
        open
    }

    /// Returns the position of the next message in the input; valid until the next call of [`Self::read`] or
    /// [`Self::wait`].
    pub(super) fn next(&mut self) -> Option<MessageAt> {
        loop {
            let Input { bytes, from, to } = &self.input;
            let unread = bytes.get(*from..*to)?;
            match frames::next(unread) {
                Ok(None) => return None,
                Ok(Some((Frame::Message(at), length))) => {
                    let at = at.moved(self.input.from);
                    self.input.from += length;
                    return Some(at);
                }
                Ok(Some((frame, length))) => {
                    let text = match &frame {
                        Frame::Info(at) | Frame::Error(at) => {
                            String::from_utf8_lossy(unread.get(at.clone()).unwrap_or_default()).into_owned()
                        }
                        _ => String::new(),
                    };
                    self.input.from += length;
                    self.hear(&frame, &text);
                }
                Err(error) => {
                    self.input.from = self.input.to;
                    self.notes.mark("client-error", &error.to_string());
                    self.lose();
                }
            }
        }
    }

    /// Returns a message that [`Self::next`] has found.
    pub(super) fn message(&self, at: &MessageAt) -> Message<'_> {
        at.of(&self.input.bytes)
    }

    fn hear(&mut self, frame: &Frame, text: &str) {
        match frame {
            Frame::Ping => self.output.bytes.extend_from_slice(b"PONG\r\n"),
            Frame::Pong => self.pongs += 1,
            Frame::Error(_) => denial::hear(text, &self.notes, self.dialer.terms()),
            Frame::Info(_) => {
                #[derive(serde::Deserialize)]
                struct News {
                    #[serde(default)]
                    ldm: bool,
                }
                if serde_json::from_str(text).is_ok_and(|news: News| news.ldm) {
                    self.notes.mark("lame-duck", "the server is about to stop");
                }
            }
            Frame::Message(_) | Frame::Ok => {}
        }
    }

    /// Starts a thread that reconnects.
    fn lose(&mut self) {
        if !self.is_up() {
            return;
        }
        self.output.lose();
        self.notes.mark("disconnected", "");
        let (give, made) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (dialer, notes, stopped) = (Arc::clone(&self.dialer), self.notes.clone(), Arc::clone(&stop));
        let work = move || {
            let name = client_name(&notes.name);
            let mut denials = 0;
            while !stopped.load(Ordering::Relaxed) {
                match dialer.dial(&name) {
                    // Without a receiver the connection is no longer wanted.
                    Ok(next) => return drop(give.send(next)),
                    Err(error) => {
                        let text = error.to_string();
                        notes.mark("client-error", &text);
                        match denial::denial(&text, dialer.terms()) {
                            Some(denial) if denials >= DENIALS => notes.deny(denial),
                            Some(_) => denials += 1,
                            None => denials = 0,
                        }
                    }
                }
                std::thread::sleep(RECONNECT);
            }
        };
        match std::thread::Builder::new().name("reconnect".into()).spawn(work) {
            Ok(_) => self.state = State::Down(made, stop),
            Err(_) => self.close(),
        }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        if let State::Down(_, stop) = &self.state {
            stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Input {
    /// Returns room for at least `least` more bytes.
    fn room(&mut self, least: usize) -> &mut [u8] {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        }
        if self.bytes.len() - self.to < least.max(INPUT / 4) {
            self.bytes.copy_within(self.from..self.to, 0);
            self.to -= self.from;
            self.from = 0;
            if self.bytes.len() - self.to < least.max(INPUT / 4) {
                self.bytes.resize(self.bytes.len() * 2 + least, 0);
            }
        }
        self.bytes.get_mut(self.to..).unwrap_or_default()
    }
}

fn timespec(wait: Ns) -> Timespec {
    let part = |ns: Ns| i64::try_from(ns).unwrap_or(i64::MAX);
    Timespec { tv_sec: part(wait / 1_000_000_000), tv_nsec: part(wait % 1_000_000_000) }
}

#[cfg(test)]
mod tests;
