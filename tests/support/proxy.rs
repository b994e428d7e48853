//! A TCP proxy on loopback that does to the bytes between a client and a server what a test asks for, at a known
//! time and by a known amount: so what is measured behind it can be computed.
//!
//! Each connection has a thread a direction. A thread wakes for bytes and for the time of its next chunk, to a few
//! tens of microseconds; what a chunk costs is arithmetic ([`Lane`]), and the order of bytes is always kept.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tickgate::host::clock::Clock;
use tickgate::host::sleep::Sleeper;
use tickgate::num;
use tickgate::plan::{Ns, Pacing};

/// Bytes that travel together: about a packet.
const CHUNK: usize = 2048;
/// Bytes under way in one direction of a connection; beyond it the sender has to wait.
const UNDER_WAY: usize = 8 << 20;
/// Threads look this often whether they are still wanted.
const LOOK_NS: Ns = 20_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

/// What happens to the bytes of a direction for as long as it is set; nothing by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shape {
    /// Each chunk takes so long, without holding up the next one.
    pub delay_ns: Ns,
    /// And up to so long more, evenly distributed; a chunk never overtakes another.
    pub jitter_ns: Ns,
    /// Each connection carries so many bytes a second; 0 is as many as come.
    pub bytes_a_second: u64,
    /// The bytes vanish, those under way included, and the end of a connection with them: both directions of one that
    /// vanish make it half open.
    pub vanish: bool,
    /// Only the connection of this number, in the order in which they were made, from 0.
    pub only: Option<usize>,
}

/// When the chunks of one direction of a connection leave.
struct Lane {
    random: u64,
    free: Ns,
    last: Ns,
}

impl Lane {
    const fn new(seed: u64) -> Self {
        Self { random: seed, free: 0, last: 0 }
    }

    /// `SplitMix64`.
    const fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// When a chunk that came `now` leaves: after those before it, when the last of its bytes is through.
    fn leaves(&mut self, now: Ns, bytes: usize, shape: &Shape) -> Ns {
        let mut through = now;
        if let Some(takes) = (num::count(bytes) * 1_000_000_000).checked_div(shape.bytes_a_second) {
            self.free = self.free.max(now) + takes;
            through = self.free;
        }
        let jitter = if shape.jitter_ns > 0 { self.next() % (shape.jitter_ns + 1) } else { 0 };
        self.last = self.last.max(through + shape.delay_ns + jitter);
        self.last
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Way {
    shape: Shape,
    held_until: Ns,
}

#[derive(Default)]
struct State {
    ways: [Way; 2],
    refuses_until: Ns,
    open: Vec<TcpStream>,
    carried: Vec<[Arc<AtomicU64>; 2]>,
}

struct Shared {
    clock: Clock,
    server: SocketAddr,
    ended: AtomicBool,
    state: Mutex<State>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running proxy; its connections end with the value.
pub struct Proxy {
    shared: Arc<Shared>,
    port: u16,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// In front of a server on loopback.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let own = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            clock: Clock::start(),
            server: SocketAddr::from(([127, 0, 0, 1], port)),
            ended: AtomicBool::new(false),
            state: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        let thread = std::thread::spawn(move || accept(&listener, &accepting));
        Self { shared, port: own, thread: Some(thread) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `nats://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Sets what happens to the bytes that come from now on.
    pub fn shape(&self, direction: Direction, shape: Shape) {
        self.shared.state().ways[index(direction)].shape = shape;
    }

    /// Holds everything, what is under way included, for a time, and then lets all of it go at once.
    pub fn stall(&self, directions: &[Direction], length: Duration) {
        let until = self.after(length);
        let mut state = self.shared.state();
        for &direction in directions {
            state.ways[index(direction)].held_until = until;
        }
    }

    /// Ends all connections, with the bytes that are under way, and lets nobody in for a time.
    pub fn cut(&self, length: Duration) {
        let until = self.after(length);
        let mut state = self.shared.state();
        state.refuses_until = until;
        for socket in state.open.drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Bytes that the busiest connection has sent in a direction.
    pub fn carried(&self, direction: Direction) -> u64 {
        let state = self.shared.state();
        let all = state.carried.iter().map(|both| both[index(direction)].load(Ordering::Relaxed));
        all.max().unwrap_or(0)
    }

    fn after(&self, length: Duration) -> Ns {
        self.shared.clock.now() + u64::try_from(length.as_nanos()).expect("a short time")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.cut(Duration::ZERO);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const fn index(direction: Direction) -> usize {
    match direction {
        Direction::ToServer => 0,
        Direction::ToClient => 1,
    }
}

/// Lets clients in until the end, and waits for their threads.
fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    while !shared.ended.load(Ordering::Relaxed) {
        readable(listener, LOOK_NS);
        let Ok((client, _)) = listener.accept() else { continue };
        let refuses = shared.clock.now() < shared.state().refuses_until;
        // Who is not let in, by us or by the server, sees his connection end.
        if let (false, Ok(server)) = (refuses, TcpStream::connect(shared.server)) {
            threads.extend(connect(client, server, shared).expect("sockets"));
        }
    }
    for thread in threads {
        let _ = thread.join();
    }
}

/// Starts the two threads of a connection.
fn connect(
    client: TcpStream,
    server: TcpStream,
    shared: &Arc<Shared>,
) -> std::io::Result<[JoinHandle<()>; 2]> {
    client.set_nonblocking(false)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let carried: [Arc<AtomicU64>; 2] = [Arc::default(), Arc::default()];
    let mut state = shared.state();
    let number = state.carried.len();
    state.carried.push(carried.clone());
    state.open.extend([client.try_clone()?, server.try_clone()?]);
    let [up, down] = carried;
    let start = |from: TcpStream, to: TcpStream, direction, carried| {
        let pipe = Pipe { from, to, direction, number, carried, shared: Arc::clone(shared) };
        std::thread::spawn(move || pipe.carry())
    };
    Ok([
        start(client.try_clone()?, server.try_clone()?, Direction::ToServer, up),
        start(server, client, Direction::ToClient, down),
    ])
}

/// One direction of one connection.
struct Pipe {
    from: TcpStream,
    to: TcpStream,
    direction: Direction,
    number: usize,
    carried: Arc<AtomicU64>,
    shared: Arc<Shared>,
}

impl Pipe {
    fn carry(mut self) {
        let clock = self.shared.clock;
        // Makes the thread wake on time, in its waits for bytes as well.
        let sleeper = Sleeper::new(clock, Pacing::Sleep);
        let mut lane = Lane::new(num::count(2 * self.number + index(self.direction)));
        let mut queue: VecDeque<(Ns, Vec<u8>)> = VecDeque::new();
        let (mut under_way, mut open, mut buffer) = (0, true, [0; CHUNK]);
        while (open || !queue.is_empty()) && !self.shared.ended.load(Ordering::Relaxed) {
            let (shape, held_until) = self.way();
            let now = clock.now();
            while let Some((_, chunk)) = queue.pop_front_if(|(due, _)| held_until.max(*due) <= now) {
                under_way -= chunk.len();
                self.carried.fetch_add(num::count(chunk.len()), Ordering::Relaxed);
                if !shape.vanish && self.to.write_all(&chunk).is_err() {
                    return self.end();
                }
            }
            let next = queue.front().map_or(Ns::MAX, |(due, _)| held_until.max(*due));
            let wake = next.min(now + LOOK_NS);
            if !open || under_way >= UNDER_WAY {
                sleeper.sleep_until(wake);
            } else if readable(&self.from, wake.saturating_sub(clock.now())) {
                match self.from.read(&mut buffer) {
                    Ok(0) | Err(_) => open = false,
                    Ok(bytes) => {
                        under_way += bytes;
                        // It may have waited for them since before the direction got this shape.
                        let due = lane.leaves(clock.now(), bytes, &self.way().0);
                        queue.push_back((due, buffer[..bytes].to_vec()));
                    }
                }
            }
        }
        if !self.way().0.vanish {
            let _ = self.to.shutdown(Shutdown::Write);
        }
    }

    /// What happens to the bytes of this direction of this connection, and until when they are held.
    fn way(&self) -> (Shape, Ns) {
        let state = self.shared.state();
        let Way { shape, held_until } = state.ways[index(self.direction)];
        let meant = shape.only.is_none_or(|only| only == self.number);
        (if meant { shape } else { Shape::default() }, held_until)
    }

    fn end(&self) {
        for socket in [&self.from, &self.to] {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// Waits until there is something to read, so long at the most.
fn readable(socket: impl AsFd, longest: Ns) -> bool {
    let parts = (longest / 1_000_000_000, longest % 1_000_000_000);
    let longest = Timespec {
        tv_sec: i64::try_from(parts.0).expect("a short time"),
        tv_nsec: i64::try_from(parts.1).expect("below a second"),
    };
    poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&longest)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Ns = 1_000_000;

    /// A server that sends back what it gets, and the client's end of a connection to it.
    fn echo() -> (Proxy, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.expect("a client");
                client.set_nodelay(true).expect("a socket");
                std::thread::spawn(move || {
                    let mut back = client.try_clone().expect("a socket");
                    let _ = std::io::copy(&mut client, &mut back);
                    let _ = back.shutdown(Shutdown::Write);
                });
            }
        });
        let proxy = Proxy::to(port);
        let client = connected(&proxy);
        (proxy, client)
    }

    fn connected(proxy: &Proxy) -> TcpStream {
        let client = TcpStream::connect(("127.0.0.1", proxy.port())).expect("connects");
        client.set_nodelay(true).expect("a socket");
        client
    }

    /// How long a byte takes to the server and back, in nanoseconds: the fastest of many, which a busy machine lets through
    /// at once.
    fn there_and_back(client: &mut TcpStream) -> Ns {
        let clock = Clock::start();
        let times = (0..31).map(|_| {
            let sent = clock.now();
            client.write_all(b"x").expect("sent");
            client.read_exact(&mut [0]).expect("came back");
            clock.now() - sent
        });
        times.min().expect("many")
    }

    #[test]
    fn a_delay_is_exact_and_holds_up_nobody() {
        let shape = Shape { delay_ns: 20 * MS, ..Shape::default() };
        let mut lane = Lane::new(1);
        let left: Vec<_> = (0..100).map(|at| lane.leaves(at * 1000, CHUNK, &shape)).collect();
        assert_eq!(left, (0..100).map(|at| at * 1000 + 20 * MS).collect::<Vec<_>>());
        // Once it is shorter, later chunks still leave after earlier ones.
        assert_eq!(lane.leaves(MS, 1, &Shape::default()), 99_000 + 20 * MS);
    }

    #[test]
    fn jitter_is_even_and_keeps_the_order() {
        let shape = Shape { jitter_ns: 40 * MS, ..Shape::default() };
        let mut lane = Lane::new(7);
        // So far apart that none waits for another.
        let mut waits: Vec<_> =
            (0..10_000).map(|k| lane.leaves(k * 50 * MS, 1, &shape) - k * 50 * MS).collect();
        waits.sort_unstable();
        for (tenths, at) in (1..10).zip((1000..).step_by(1000)) {
            assert!(waits[at].abs_diff(tenths * 4 * MS) < MS, "{tenths} tenths: {} ns", waits[at]);
        }
        let close: Vec<_> = (0..1000).map(|k| lane.leaves(600_000 * MS + k, 1, &shape)).collect();
        assert!(close.is_sorted());
        assert_eq!(Lane::new(7).leaves(0, 1, &shape), Lane::new(7).leaves(0, 1, &shape), "a seed repeats");
    }

    #[test]
    fn a_throttled_lane_is_a_queue() {
        let shape = Shape { bytes_a_second: 1_000_000, delay_ns: MS, ..Shape::default() };
        let mut lane = Lane::new(1);
        // Two milliseconds of bytes each millisecond: the k-th waits for k milliseconds of them.
        for k in 0..100 {
            assert_eq!(lane.leaves(k * MS, 2000, &shape), k * MS + (k + 2) * MS + MS);
        }
        assert_eq!(lane.leaves(1000 * MS, 1000, &shape), 1002 * MS, "and idle once it is empty");
    }

    #[test]
    fn the_delay_of_a_direction_is_what_was_asked_for() {
        const DELAY: Ns = 5 * MS;
        let (proxy, mut client) = echo();
        for direction in [Direction::ToServer, Direction::ToClient] {
            let base = there_and_back(&mut client);
            proxy.shape(direction, Shape { delay_ns: DELAY, ..Shape::default() });
            let delayed = there_and_back(&mut client);
            assert!(delayed >= DELAY, "{delayed} ns");
            assert!(delayed.abs_diff(base + DELAY) < DELAY / 10, "{base} and {delayed} ns");
            proxy.shape(direction, Shape { delay_ns: DELAY, only: Some(1), ..Shape::default() });
            let other = there_and_back(&mut client);
            assert!(other.abs_diff(base) < DELAY / 10, "{base} and {other} ns");
            proxy.shape(direction, Shape::default());
        }
    }

    #[test]
    fn whatever_happens_on_the_way_the_bytes_arrive_whole_and_in_order() {
        let (proxy, mut client) = echo();
        let sent: Vec<u8> = (0..400_000_u32).flat_map(u32::to_le_bytes).collect();
        let rough = Shape { delay_ns: MS, jitter_ns: 3 * MS, bytes_a_second: 16 << 20, ..Shape::default() };
        proxy.shape(Direction::ToServer, rough);
        proxy.shape(Direction::ToClient, rough);
        let mut writer = client.try_clone().expect("a socket");
        let whole = sent.clone();
        let writing = std::thread::spawn(move || {
            for part in whole.chunks(10_000) {
                writer.write_all(part).expect("sent");
            }
            writer.shutdown(Shutdown::Write).expect("ended");
        });
        proxy.stall(&[Direction::ToServer, Direction::ToClient], Duration::from_millis(30));
        let mut came = Vec::new();
        client.read_to_end(&mut came).expect("an end, as the other side makes it");
        writing.join().expect("written");
        assert!(came == sent, "{} of {} bytes", came.len(), sent.len());
        let all = num::count(sent.len());
        assert_eq!((proxy.carried(Direction::ToServer), proxy.carried(Direction::ToClient)), (all, all));
    }

    #[test]
    fn a_stall_holds_what_is_under_way_until_its_end() {
        let (proxy, mut client) = echo();
        let clock = Clock::start();
        proxy.shape(Direction::ToServer, Shape { delay_ns: 10 * MS, ..Shape::default() });
        client.write_all(b"x").expect("sent");
        proxy.stall(&[Direction::ToServer], Duration::from_millis(100));
        client.read_exact(&mut [0]).expect("came back");
        assert!(clock.now() >= 100 * MS);
    }

    #[test]
    fn a_cut_ends_connections_and_lets_nobody_in_for_its_time() {
        let (proxy, mut client) = echo();
        assert!(there_and_back(&mut client) > 0);
        proxy.cut(Duration::from_secs(1));
        for mut client in [client, connected(&proxy)] {
            client.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
            let end = client.read(&mut [0]).or_else(|error| match error.kind() {
                std::io::ErrorKind::ConnectionReset => Ok(0),
                _ => Err(error),
            });
            assert_eq!(end.expect("an end"), 0);
        }
        std::thread::sleep(Duration::from_millis(1050));
        assert!(there_and_back(&mut connected(&proxy)) > 0);
    }

    #[test]
    fn a_half_open_connection_says_nothing_and_does_not_end() {
        let (proxy, mut client) = echo();
        assert!(there_and_back(&mut client) > 0);
        for direction in [Direction::ToServer, Direction::ToClient] {
            proxy.shape(direction, Shape { vanish: true, ..Shape::default() });
        }
        for mut client in [client, connected(&proxy)] {
            client.write_all(b"x").expect("taken");
            client.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
            let silence = client.read(&mut [0]).expect_err("neither bytes nor an end");
            assert_eq!(silence.kind(), std::io::ErrorKind::WouldBlock);
        }
    }
}
