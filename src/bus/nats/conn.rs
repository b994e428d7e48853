//! A connection whose socket is read and written by the thread that uses it: no other thread, no queue between.
//!
//! What is written goes to `output` first and leaves with the next [`Conn::flush`]; what is read stays in `input` until it
//! is taken. When the connection ends, another is made on a thread of its own, and the user goes on meanwhile.

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

/// Time between two attempts to connect again.
const RECONNECT: Duration = Duration::from_millis(50);
/// A server that starts may not know its users yet; one that lets nobody in so often in a row has made up its mind.
const DENIALS: u32 = 60;
/// A server that sends nothing is asked for a sign this often; three times without one end a half-open connection.
const PING: Ns = 5_000_000_000;
/// Signs that may be missing.
const MISSING: u32 = 2;
/// Without a connection, how often to look whether there is one again.
const LOOK: Ns = 1_000_000;
/// After so long without a look at the socket its connection may have ended unseen.
const FRESH: Ns = 1_000_000;
/// Bytes that may wait for the socket before no more are taken.
const OUTPUT: usize = 64 << 10;
/// Bytes of the input at first; it grows with the largest message.
const INPUT: usize = 128 << 10;

/// One subscription, and the messages that are sent.
pub(super) struct Conn {
    dialer: Arc<Dialer>,
    notes: Notes,
    clock: Clock,
    /// The `SUB` line, which each connection begins with.
    subscribe: String,
    state: State,
    max_payload: usize,
    connects: u64,
    input: Input,
    output: Output,
    /// When the last bytes were read, and when the socket was looked at.
    read_at: Ns,
    looked_at: Ns,
    ping: Ns,
    unanswered: u32,
    pongs: u64,
}

enum State {
    Up(Stream),
    /// Another is being made.
    Down(Receiver<Dialed>, Arc<AtomicBool>),
    Closed,
}

/// Bytes that were read; those before `from` are taken.
struct Input {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
}

/// Bytes that wait for the socket, and the count of the messages in them.
#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    /// Of them, those that the socket has.
    done: usize,
    /// Messages that were ever put in here.
    messages: u64,
    /// Of them, those that a socket has for sure.
    written: u64,
    /// Those that were put in when there were so many bytes.
    mark: Option<(u64, usize)>,
    /// Messages of connections that are gone.
    gone: u64,
}

impl Output {
    const fn waits(&self) -> bool {
        self.done < self.bytes.len()
    }

    /// The socket has taken so many bytes.
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

    /// The connection is gone, and with it what it was given.
    fn lose(&mut self) {
        self.bytes.clear();
        self.done = 0;
        self.mark = None;
        self.written = self.messages;
        self.gone = self.messages;
    }
}

impl Conn {
    /// Connects and listens to a subject.
    ///
    /// # Errors
    /// When no server lets us in.
    pub(super) fn open(
        dialer: Arc<Dialer>,
        notes: Notes,
        clock: Clock,
        subject: &str,
    ) -> Result<Self, BusError> {
        let first = dialer.first(&format!("tickgate {}", notes.name))?;
        let mut conn = Self {
            dialer,
            notes,
            clock,
            subscribe: format!("SUB {subject} 1\r\n"),
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
        // The encryption may hold what came with the welcome, which no poll of the socket tells.
        self.read();
    }

    /// Is there a connection?
    pub(super) const fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// There will never be one again.
    pub(super) const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// How often it was made: 1 until it is made again.
    pub(super) const fn connects(&self) -> u64 {
        self.connects
    }

    /// The largest payload that the server takes, headers included, bytes.
    pub(super) const fn max_payload(&self) -> usize {
        self.max_payload
    }

    /// When the bytes came that messages are taken from.
    pub(super) const fn read_at(&self) -> Ns {
        self.read_at
    }

    /// Was the socket looked at a moment ago? Else what is sent may be written to a connection that has ended meanwhile, and
    /// be lost.
    pub(super) const fn is_fresh(&self, now: Ns) -> bool {
        now < self.looked_at + FRESH
    }

    pub(super) const fn notes(&self) -> &Notes {
        &self.notes
    }

    /// May a message be sent now?
    pub(super) fn takes(&self) -> bool {
        self.is_up() && self.output.bytes.len() - self.output.done < OUTPUT
    }

    /// Of the messages that were sent, those that a socket has for sure.
    pub(super) const fn written(&self) -> u64 {
        self.output.written
    }

    /// Of the messages that were sent, those whose connection is gone.
    pub(super) const fn gone(&self) -> u64 {
        self.output.gone
    }

    /// Sends a message, where [`Self::takes`] one; gives its number.
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

    /// Sends messages that are written already.
    pub(super) fn send_written(&mut self, bytes: &[u8]) {
        self.output.bytes.extend_from_slice(bytes);
    }

    /// Writes what waits, as far as the socket takes it.
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

    /// Reads what is there, without waiting. Messages are to be taken first.
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
                    // More may wait where the encryption had more than there was room for.
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

    /// Writes, waits until something comes or a time, and reads; says whether something has come. It may return early.
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

    /// Says that there will be no connection again.
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

    /// Waits until the server has read all that was written, or a time.
    pub(super) fn settle(&mut self, until: Ns) {
        let (pongs, connects) = (self.pongs, self.connects);
        if !self.is_up() {
            return;
        }
        self.output.bytes.extend_from_slice(b"PING\r\n");
        while self.pongs == pongs && self.connects == connects && self.is_up() && self.clock.now() < until {
            self.wait(until);
            while self.next().is_some() {}
        }
    }

    /// Where the next message is that has been read; good until the next call of [`Self::read`] or [`Self::wait`].
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

    /// A message that [`Self::next`] has found.
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

    /// The connection is gone: another is made, on a thread of its own.
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
            let name = format!("tickgate {}", notes.name);
            let mut denials = 0;
            while !stopped.load(Ordering::Relaxed) {
                match dialer.dial(&name) {
                    // Without a receiver nobody wants it any more.
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
    /// Room for at least so many more bytes.
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
