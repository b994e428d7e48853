//! What a simulated bus is like, and what goes wrong on it: plain data, so that a test, a profile of a fleet or a
//! drawn scenario can say it.

use super::random::Random;
use crate::num;
use crate::plan::Ns;

/// How long something takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Delay {
    /// Always the same.
    Fixed(Ns),
    /// Log-normal: half of them below the median; `sigma` is the standard deviation of the logarithm.
    LogNormal {
        /// The median.
        median_ns: Ns,
        /// Spread of the natural logarithm.
        sigma: f64,
    },
    /// One of two values.
    Bimodal {
        /// The usual one.
        fast_ns: Ns,
        /// The other one.
        slow_ns: Ns,
        /// Share of the slow ones.
        slow_share: f64,
    },
    /// The median of a log-normal delay moves sinusoidally: a machine that drifts.
    Drifting {
        /// The median without drift.
        median_ns: Ns,
        /// Spread of the natural logarithm.
        sigma: f64,
        /// Largest change of the median, as a share of it.
        swing: f64,
        /// Length of a swing.
        period_ns: Ns,
    },
}

impl Delay {
    /// The delay of the event of these names that begins at `at`.
    #[inline]
    pub(super) fn draw(&self, random: Random, names: [u64; 2], at: Ns) -> Ns {
        if let Self::Fixed(ns) = *self { ns } else { self.drawn(random, names, at) }
    }

    /// The delay of what happens at a moment.
    #[must_use]
    pub fn at(&self, random: Random, moment: Ns) -> Ns {
        self.draw(random, [moment, 1 << 50], moment)
    }

    fn drawn(&self, random: Random, names: [u64; 2], at: Ns) -> Ns {
        match *self {
            Self::Fixed(ns) => ns,
            Self::LogNormal { median_ns, sigma } => log_normal(median_ns, sigma, random.normal(names)),
            Self::Bimodal { fast_ns, slow_ns, slow_share } => {
                if random.unit(names) <= slow_share {
                    slow_ns
                } else {
                    fast_ns
                }
            }
            Self::Drifting { median_ns, sigma, swing, period_ns } => {
                let phase = num::share(at % period_ns.max(1), period_ns.max(1)) * std::f64::consts::TAU;
                let median = num::f64_of(median_ns) * (1.0 + swing * phase.sin());
                log_normal(num::u64_of(median), sigma, random.normal(names))
            }
        }
    }
}

fn log_normal(median_ns: Ns, sigma: f64, normal: f64) -> Ns {
    num::u64_of(num::f64_of(median_ns) * (sigma * normal).exp())
}

/// A stretch of time, in nanoseconds since the start of the load (of a bus in real time: since it was made).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its start.
    pub from: Ns,
    /// Its length.
    pub length: Ns,
}

impl Stretch {
    /// The first moment after it.
    #[must_use]
    pub const fn end(self) -> Ns {
        self.from.saturating_add(self.length)
    }

    /// Is the moment in it?
    #[must_use]
    pub const fn contains(self, at: Ns) -> bool {
        self.from <= at && at < self.end()
    }

    /// The moment, put off to the end of those stretches that it lies in.
    #[must_use]
    pub fn after(all: &[Self], at: Ns) -> Ns {
        all.iter().fold(at, |at, stretch| if stretch.contains(at) { stretch.end() } else { at })
    }
}

/// Every connection is cut for a while: what is on the wire then is lost, with what it should have told. A client that does
/// not send again knows at once that what it sent has no answer, and sends nothing until it is connected again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// When.
    pub time: Stretch,
    /// Does the client send again, once reconnected, what the cut took (an event or its answer)?
    pub resend: bool,
}

/// What can happen to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Lost on its way to the server: never stored, never answered.
    Dropped,
    /// The server says no.
    Refused,
    /// Confirmed, and lost before it was stored.
    Unstored,
    /// Stored, and its confirmation is lost.
    AckLost,
    /// A second copy is stored this much later.
    StoredTwice(Ns),
    /// It reaches the server this much later than it should, behind those that were sent after it.
    StoredLate(Ns),
    /// Its content is damaged in the store.
    StoredCorrupt,
    /// A foreign client publishes an event on the same topic just before it.
    Stranger,
    /// Stored, and never delivered to a group.
    Undelivered,
    /// The first attempt to deliver it to a group is lost on the way.
    AttemptLost,
    /// The group gets it again, after the wait for an acknowledgement that the server missed.
    DeliveredAgain,
    /// A group gets it this much later than it should, behind those that were stored after it.
    DeliveredLate(Ns),
    /// Its content is damaged on the way to a group, in the first attempt.
    DeliveredCorrupt,
}

/// Whom a fault hits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Hits {
    /// Each event (or copy, or delivery to a group) with this probability, independently.
    Share(f64),
    /// Events by their sequence within topic and symbol.
    Events {
        /// Only this symbol's.
        symbol: Option<u32>,
        /// First sequence.
        from: u32,
        /// Last sequence.
        to: u32,
    },
}

/// A fault and whom it hits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mishap {
    /// What happens.
    pub fault: Fault,
    /// To whom.
    pub hits: Hits,
}

/// A member dies and never comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    /// Its group, in the plan's order.
    pub group: usize,
    /// Which member.
    pub member: u32,
    /// When, since the start of the load.
    pub at: Ns,
}

/// What a simulated bus is like, and what goes wrong on it. Connections keep their order, as TCP does: what is
/// sent later never arrives earlier, but for the faults that say so.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// From a publisher to the server.
    pub uplink: Delay,
    /// From the server back to the publisher.
    pub answer: Delay,
    /// From the server to a member.
    pub downlink: Delay,
    /// What the server needs for an event; one at a time, in the order of arrival.
    pub service: Delay,
    /// Events that wait at the server, at the most; it refuses others.
    pub queue: usize,
    /// When the server does nothing.
    pub stalls: Vec<Stretch>,
    /// When connections are cut.
    pub cuts: Vec<Cut>,
    /// What happens to events.
    pub mishaps: Vec<Mishap>,
    /// Which members die.
    pub deaths: Vec<Death>,
}

impl Default for Faults {
    /// A perfect bus: nothing takes time, nothing goes wrong.
    fn default() -> Self {
        Self {
            uplink: Delay::Fixed(0),
            answer: Delay::Fixed(0),
            downlink: Delay::Fixed(0),
            service: Delay::Fixed(0),
            queue: usize::MAX,
            stalls: Vec::new(),
            cuts: Vec::new(),
            mishaps: Vec::new(),
            deaths: Vec::new(),
        }
    }
}

impl Faults {
    /// A bus that behaves like one on a local network: a fraction of a millisecond each way, 50,000 events/s.
    #[must_use]
    pub fn demo() -> Self {
        let hop = |median_ns| Delay::LogNormal { median_ns, sigma: 0.4 };
        Self {
            uplink: hop(100_000),
            answer: hop(100_000),
            downlink: hop(150_000),
            service: Delay::Fixed(20_000),
            queue: 100_000,
            ..Self::default()
        }
    }

    /// The same faults with one more.
    #[must_use]
    pub fn with(mut self, fault: Fault, hits: Hits) -> Self {
        self.mishaps.push(Mishap { fault, hits });
        self
    }
}
