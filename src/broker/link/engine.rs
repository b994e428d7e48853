//! The thread of a proxy: one loop over its connections. It wakes for bytes, for the time of the next chunk, and for orders.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

use super::Flow;
use super::lane::{Lane, Shape};
use crate::host::clock::Clock;
use crate::host::sleep::Sleeper;
use crate::num;
use crate::plan::{Ns, Pacing};

/// Bytes of one read.
const AT_A_TIME: usize = 64 << 10;
/// How long a server may take to accept a connection.
const CONNECTED_WITHIN: Duration = Duration::from_millis(250);
/// How long an order may take to be in force.
const OBEYED_WITHIN: Duration = Duration::from_secs(2);
/// Connections that wait to be accepted.
const WAITING: i32 = 128;
/// The tokens of the bell and of the listener; those of connections are smaller.
const BELL: u64 = u64::MAX;
const DOOR: u64 = u64::MAX - 1;

/// What becomes of the bytes of a direction: of all connections, or of one, whose number is given.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rule {
    pub(super) flow: Flow,
    pub(super) only: Option<u64>,
}

/// What a proxy and its thread share.
pub(super) struct Shared {
    orders: Mutex<Orders>,
    obeyed: Condvar,
    /// Wakes the thread.
    bell: OwnedFd,
    pub(super) connections: AtomicUsize,
    /// Bytes of the busiest connection, by direction.
    pub(super) busiest: [AtomicU64; 2],
}

#[derive(Debug, Default)]
struct Orders {
    rules: [Rule; 2],
    given: u64,
    obeyed: u64,
    /// Why the newest order is not in force.
    trouble: Option<String>,
    end: bool,
}

impl Shared {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            orders: Mutex::default(),
            obeyed: Condvar::new(),
            bell: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
            connections: AtomicUsize::new(0),
            busiest: [AtomicU64::new(0), AtomicU64::new(0)],
        })
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        // A bell that has rung too often to count still rings.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// Gives an order, and waits until it is in force.
    pub(super) fn order(&self, direction: usize, rule: Rule) -> io::Result<()> {
        let mut orders = self.orders();
        if let Some(place) = orders.rules.get_mut(direction) {
            *place = rule;
        }
        orders.given += 1;
        let mine = orders.given;
        self.ring();
        let waits = |orders: &mut Orders| orders.obeyed < mine && !orders.end;
        let (mut orders, _) = self
            .obeyed
            .wait_timeout_while(orders, OBEYED_WITHIN, waits)
            .unwrap_or_else(PoisonError::into_inner);
        match orders.trouble.take() {
            Some(trouble) => Err(io::Error::other(trouble)),
            None if orders.obeyed < mine => Err(io::Error::other("the link's proxy does not answer")),
            None => Ok(()),
        }
    }

    /// Makes the thread end.
    pub(super) fn end(&self) {
        self.orders().end = true;
        self.ring();
    }
}

/// One end of a connection.
struct Socket {
    stream: TcpStream,
    token: u64,
    /// What the loop waits for.
    wanted: EventFlags,
}

/// A connection: the ends of client and server, and the lane from each of them to the other.
struct Pair {
    number: u64,
    sockets: [Socket; 2],
    lanes: [Way; 2],
}

/// One direction of a connection.
struct Way {
    lane: Lane,
    /// Its sender has ended.
    ended: bool,
    /// Its receiver knows.
    over: bool,
    carried: u64,
}

pub(super) struct Engine {
    shared: Arc<Shared>,
    clock: Clock,
    /// The addresses of the server; the first one that accepts is used.
    server: Vec<SocketAddr>,
    listener: TcpListener,
    epoll: OwnedFd,
    rules: [Rule; 2],
    /// New connections are refused.
    refuses: bool,
    /// The loop waits for new connections.
    welcomes: bool,
    seed: u64,
    made: u64,
    pairs: Vec<Pair>,
    buffer: Vec<u8>,
}

impl Engine {
    pub(super) fn new(
        shared: Arc<Shared>,
        listener: TcpListener,
        server: Vec<SocketAddr>,
        clock: Clock,
        seed: u64,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &shared.bell, EventData::new_u64(BELL), EventFlags::IN)?;
        Ok(Self {
            shared,
            clock,
            server,
            listener,
            epoll,
            rules: [Rule::default(); 2],
            refuses: false,
            welcomes: false,
            seed,
            made: 0,
            pairs: Vec::new(),
            buffer: vec![0; AT_A_TIME],
        })
    }

    /// Carries bytes until the end is ordered.
    pub(super) fn run(mut self) {
        // Makes the thread wake on time.
        let _prompt = Sleeper::new(self.clock, Pacing::Sleep);
        let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 64];
        while self.obey() {
            self.pass_on();
            self.look_out();
            let Ok(count) = self.wait(&mut events) else { break };
            for event in events.iter().take(count) {
                match event.data.u64() {
                    BELL => drop(rustix::io::read(&self.shared.bell, &mut [0; 8])),
                    DOOR => self.let_in(),
                    token => self.read(token),
                }
            }
        }
        let mut orders = self.shared.orders();
        orders.end = true;
        self.shared.obeyed.notify_all();
    }

    /// Waits for events or the time of the next chunk. The wait of `epoll` itself is in milliseconds.
    fn wait(&self, events: &mut [Event]) -> Result<usize, Errno> {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let next = self.next();
        if let Some(due) = next {
            let left = timespec(due.saturating_sub(self.clock.now()));
            match poll(&mut [PollFd::new(&self.epoll, PollFlags::IN)], Some(&left)) {
                Ok(0) | Err(Errno::INTR) => return Ok(0),
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        match epoll::wait(&self.epoll, events, next.is_some().then_some(&at_once)) {
            Err(Errno::INTR) => Ok(0),
            done => done,
        }
    }

    /// When the next chunk is due.
    fn next(&self) -> Option<Ns> {
        let of = |pair: &Pair, index: usize| match flow(&self.rules, pair.number, index) {
            Flow::Hole | Flow::Cut => None,
            Flow::Open | Flow::Shaped(_) => pair.lanes.get(index)?.lane.next(),
        };
        self.pairs.iter().flat_map(|pair| [of(pair, 0), of(pair, 1)]).flatten().min()
    }

    /// Takes the newest order; returns whether the proxy goes on.
    fn obey(&mut self) -> bool {
        let mut orders = self.shared.orders();
        if orders.end {
            return false;
        }
        if orders.obeyed == orders.given {
            return true;
        }
        let given = orders.given;
        self.rules = orders.rules;
        drop(orders);
        let trouble = self.enforce().err();
        orders = self.shared.orders();
        orders.obeyed = given;
        orders.trouble =
            trouble.map(|error| format!("the link's proxy cannot open or close its port: {error}"));
        self.shared.obeyed.notify_all();
        true
    }

    /// Resets the connections that are cut, and refuses or accepts new ones.
    fn enforce(&mut self) -> Result<(), Errno> {
        let rules = self.rules;
        self.pairs.retain(|pair| {
            let cut = [0, 1].into_iter().any(|index| flow(&rules, pair.number, index) == Flow::Cut);
            if cut {
                pair.reset();
            }
            !cut
        });
        self.shared.connections.store(self.pairs.len(), Ordering::Relaxed);
        let refuses = rules.iter().any(|rule| rule.flow == Flow::Cut && rule.only.is_none());
        if refuses != self.refuses {
            if refuses {
                self.turn_away()?;
                // The socket keeps its port, and connections that nobody has accepted are reset.
                rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Read)?;
            } else {
                rustix::net::listen(&self.listener, WAITING)?;
            }
            self.refuses = refuses;
        }
        Ok(())
    }

    fn turn_away(&mut self) -> Result<(), Errno> {
        if std::mem::take(&mut self.welcomes) {
            epoll::delete(&self.epoll, &self.listener)?;
        }
        Ok(())
    }

    /// Sends what is due, and passes ends on.
    fn pass_on(&mut self) {
        let (now, rules) = (self.clock.now(), self.rules);
        let busiest = &self.shared.busiest;
        self.pairs.retain_mut(|pair| {
            let holes = [0, 1].map(|index| flow(&rules, pair.number, index) == Flow::Hole);
            let [to_server, to_client] = &mut pair.lanes;
            let [client, server] = &mut pair.sockets;
            let sent = to_server
                .pass_on(now, holes[0], server, &busiest[0])
                .and_then(|()| to_client.pass_on(now, holes[1], client, &busiest[1]));
            let over = to_server.over && to_client.over;
            if sent.is_err() {
                pair.reset();
            }
            sent.is_ok() && !over
        });
        self.shared.connections.store(self.pairs.len(), Ordering::Relaxed);
    }

    /// Waits for what can be done next, and for nothing else.
    fn look_out(&mut self) {
        let held = self.rules.iter().all(|rule| rule.flow == Flow::Hole && rule.only.is_none());
        if held || self.refuses {
            let _ = self.turn_away();
        } else if !self.welcomes {
            let door = EventData::new_u64(DOOR);
            self.welcomes = epoll::add(&self.epoll, &self.listener, door, EventFlags::IN).is_ok();
        }
        let (rules, epoll) = (self.rules, &self.epoll);
        for pair in &mut self.pairs {
            let number = pair.number;
            let reads = [0, 1].map(|index| {
                let way = &pair.lanes[index];
                !way.ended && !way.lane.is_full() && flow(&rules, number, index) != Flow::Hole
            });
            let writes = [0, 1].map(|index| {
                !pair.lanes[index].lane.ready().is_empty() && flow(&rules, number, index) != Flow::Hole
            });
            let [client, server] = &mut pair.sockets;
            client.want(epoll, reads[0], writes[1]);
            server.want(epoll, reads[1], writes[0]);
        }
    }

    /// Accepts the clients that wait, and connects each to the server. Without a server they see a reset.
    fn let_in(&mut self) {
        while let Ok((client, _)) = self.listener.accept() {
            let connected =
                self.reach().and_then(|server| Pair::new(client.try_clone()?, server, self.made, self.seed));
            match connected {
                Ok(pair) => {
                    self.made += 1;
                    self.pairs.push(pair);
                }
                Err(_) => reset(&client),
            }
        }
        self.shared.connections.store(self.pairs.len(), Ordering::Relaxed);
    }

    /// Connects to the server.
    fn reach(&self) -> io::Result<TcpStream> {
        let mut trouble = io::Error::other("no address is known for the server");
        for address in &self.server {
            match TcpStream::connect_timeout(address, CONNECTED_WITHIN) {
                Ok(server) => return Ok(server),
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }

    /// Reads from the socket of this token.
    fn read(&mut self, token: u64) {
        let Some(pair) = self.pairs.iter_mut().find(|pair| pair.number == token / 2) else { return };
        let index = usize::from(token % 2 == 1);
        let flow = flow(&self.rules, pair.number, index);
        let (socket, way) = (&mut pair.sockets[index], &mut pair.lanes[index]);
        if way.ended || way.lane.is_full() || flow == Flow::Hole {
            return;
        }
        match socket.stream.read(&mut self.buffer) {
            Ok(bytes) if bytes > 0 => {
                let shape = if let Flow::Shaped(shape) = flow { shape } else { Shape::default() };
                way.lane.take(self.clock.now(), self.buffer.get(..bytes).unwrap_or_default(), &shape);
            }
            Err(error) if is_passing(&error) => {}
            Ok(_) | Err(_) => way.ended = true,
        }
    }
}

/// What becomes of the bytes of a direction of a connection.
fn flow(rules: &[Rule; 2], connection: u64, direction: usize) -> Flow {
    let rule = rules.get(direction).filter(|rule| rule.only.is_none_or(|only| only == connection));
    rule.map_or(Flow::Open, |rule| rule.flow)
}

impl Pair {
    fn new(client: TcpStream, server: TcpStream, number: u64, seed: u64) -> io::Result<Self> {
        let socket = |stream: TcpStream, side: u64| -> io::Result<Socket> {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            Ok(Socket { stream, token: 2 * number + side, wanted: EventFlags::empty() })
        };
        let way = |side: u64| Way {
            lane: Lane::new(seed, 2 * number + side),
            ended: false,
            over: false,
            carried: 0,
        };
        Ok(Self { number, sockets: [socket(client, 0)?, socket(server, 1)?], lanes: [way(0), way(1)] })
    }

    /// Makes both ends see a reset when the connection is dropped.
    fn reset(&self) {
        for socket in &self.sockets {
            reset(&socket.stream);
        }
    }
}

impl Way {
    /// Sends what is due to the receiver, and then the end, unless the direction is held. The bytes are counted before the receiver
    /// sees the end.
    fn pass_on(&mut self, now: Ns, held: bool, to: &mut Socket, busiest: &AtomicU64) -> io::Result<()> {
        if held {
            return Ok(());
        }
        self.lane.release(now);
        while !self.lane.ready().is_empty() {
            match to.stream.write(self.lane.ready()) {
                Ok(sent) => {
                    self.lane.sent(sent);
                    self.carried += num::count(sent);
                    busiest.fetch_max(self.carried, Ordering::Relaxed);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_passing(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        if self.ended && !self.over && self.lane.is_empty() {
            self.over = true;
            // An end that is gone already needs to be told nothing.
            let _ = to.stream.shutdown(Shutdown::Write);
        }
        Ok(())
    }
}

impl Socket {
    /// Waits for this, or for nothing: then not for an error either, which would wake the loop again and again.
    fn want(&mut self, epoll: &OwnedFd, reads: bool, writes: bool) {
        let wanted = [(reads, EventFlags::IN), (writes, EventFlags::OUT)];
        let wanted: EventFlags =
            wanted.into_iter().filter_map(|(wants, flag)| wants.then_some(flag)).collect();
        if wanted == self.wanted {
            return;
        }
        let token = EventData::new_u64(self.token);
        let done = if wanted.is_empty() {
            epoll::delete(epoll, &self.stream)
        } else if self.wanted.is_empty() {
            epoll::add(epoll, &self.stream, token, wanted)
        } else {
            epoll::modify(epoll, &self.stream, token, wanted)
        };
        if done.is_ok() {
            self.wanted = wanted;
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Makes the other end see a reset when the socket is closed.
fn reset(stream: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}

fn timespec(wait: Ns) -> Timespec {
    let part = |ns: Ns| i64::try_from(ns).unwrap_or(i64::MAX);
    Timespec { tv_sec: part(wait / 1_000_000_000), tv_nsec: part(wait % 1_000_000_000) }
}
