//! A TCP proxy on loopback that delays, limits or cuts the bytes between a client and a server at a known
//! time and by a known amount, so that the figures behind it can be computed.
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
pub const CHUNK: usize = 2048;
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
    /// Each chunk takes this long, without holding up the next one.
    pub delay_ns: Ns,
    /// And up to this much longer, evenly distributed; a chunk never overtakes another.
    pub jitter_ns: Ns,
    /// Bytes a second that each connection carries; 0 is unlimited.
    pub bytes_a_second: u64,
    /// The bytes vanish, those under way included, and the end of a connection with them: both directions of one that
    /// vanish make it half open.
    pub vanish: bool,
    /// Only the connection of this number, in the order in which they were made, from 0.
    pub only: Option<usize>,
}

/// When the chunks of one direction of a connection leave.
pub struct Lane {
    random: u64,
    free: Ns,
    last: Ns,
}

impl Lane {
    pub const fn new(seed: u64) -> Self {
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
    pub fn leaves(&mut self, now: Ns, bytes: usize, shape: &Shape) -> Ns {
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

    /// Holds everything, including bytes in flight, for a time, and then releases all of it at once.
    pub fn stall(&self, directions: &[Direction], length: Duration) {
        let until = self.after(length);
        let mut state = self.shared.state();
        for &direction in directions {
            state.ways[index(direction)].held_until = until;
        }
    }

    /// Ends all connections, with the bytes in flight, and refuses new ones for a time.
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
        // A refused client, by the proxy or by the server, sees its connection end.
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

/// Waits until there is something to read, up to the given time.
fn readable(socket: impl AsFd, longest: Ns) -> bool {
    let parts = (longest / 1_000_000_000, longest % 1_000_000_000);
    let longest = Timespec {
        tv_sec: i64::try_from(parts.0).expect("a short time"),
        tv_nsec: i64::try_from(parts.1).expect("below a second"),
    };
    poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&longest)).is_ok_and(|ready| ready > 0)
}
