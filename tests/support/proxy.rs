//! The proxy of `tickgate::broker` between a client and a server, with effects that last for a known time, so that the figures
//! behind it can be computed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use tickgate::broker::Direction;
use tickgate::broker::{self, Flow};
use tickgate::num;
use tickgate::plan::Ns;

const BOTH: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

/// What happens to the bytes of a direction for as long as it is set; nothing by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shape {
    /// Each chunk takes this long, without holding up the next one.
    pub delay_ns: Ns,
    /// And up to this much longer, evenly distributed; a chunk never overtakes another.
    pub jitter_ns: Ns,
    /// Bytes a second that each connection carries; 0 is unlimited.
    pub bytes_a_second: u64,
    /// The bytes go nowhere, those under way included, and the end of a connection with them: both directions of one that
    /// vanish make it half open.
    pub vanish: bool,
    /// Only the connection of this number, in the order in which they were made, from 0.
    pub only: Option<usize>,
}

impl Shape {
    const fn flow(self) -> Flow {
        let Self { delay_ns, jitter_ns, bytes_a_second, vanish, .. } = self;
        if vanish { Flow::Hole } else { Flow::Shaped(broker::Shape { delay_ns, jitter_ns, bytes_a_second }) }
    }
}

/// A running proxy; its connections end with the value.
pub struct Proxy(Arc<Running>);

struct Running {
    proxy: broker::Proxy,
    shapes: Mutex<[Shape; 2]>,
}

impl Running {
    fn shapes(&self) -> MutexGuard<'_, [Shape; 2]> {
        self.shapes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was set last holds again, or for the first time.
    fn apply(&self, direction: Direction) {
        let shape = self.shapes()[index(direction)];
        let set = match shape.only {
            None => self.proxy.set(direction, shape.flow()),
            Some(only) => self.proxy.set_only(num::count(only), direction, shape.flow()),
        };
        set.expect("a proxy that obeys");
    }
}

impl Proxy {
    /// In front of a server on loopback.
    pub fn to(port: u16) -> Self {
        let proxy = broker::Proxy::start(port, 1).expect("a proxy");
        Self(Arc::new(Running { proxy, shapes: Mutex::default() }))
    }

    pub fn port(&self) -> u16 {
        self.0.proxy.port()
    }

    /// `nats://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port())
    }

    /// Sets what happens to the bytes that come from now on.
    pub fn shape(&self, direction: Direction, shape: Shape) {
        self.0.shapes()[index(direction)] = shape;
        self.0.apply(direction);
    }

    /// Holds everything, including bytes in flight, for a time, and then releases all of it at once.
    pub fn stall(&self, directions: &[Direction], length: Duration) {
        self.for_a_time(Flow::Hole, directions, length);
    }

    /// Ends all connections, with the bytes in flight, and refuses new ones for a time.
    pub fn cut(&self, length: Duration) {
        self.for_a_time(Flow::Cut, &BOTH, length);
    }

    /// Bytes that the busiest connection has sent in a direction.
    pub fn carried(&self, direction: Direction) -> u64 {
        self.0.proxy.carried(direction)
    }

    fn for_a_time(&self, flow: Flow, directions: &[Direction], length: Duration) {
        let directions = directions.to_vec();
        for &direction in &directions {
            self.0.proxy.set(direction, flow).expect("a proxy that obeys");
        }
        let running = Arc::downgrade(&self.0);
        std::thread::spawn(move || {
            std::thread::sleep(length);
            if let Some(running) = running.upgrade() {
                for direction in directions {
                    running.apply(direction);
                }
            }
        });
    }
}

const fn index(direction: Direction) -> usize {
    match direction {
        Direction::ToServer => 0,
        Direction::ToClient => 1,
    }
}
