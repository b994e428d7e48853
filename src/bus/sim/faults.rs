//! Properties and faults of a simulated bus: plain data, so that a test, a fleet's profile or a generated scenario
//! can specify them.

use super::absence::{Absence, Restart};
use super::cluster::{Election, LeaderChange, Replica};
use super::power::Forget;
use super::random::Random;
use crate::num;
use crate::plan::Ns;

/// A distribution of durations.
#[derive(Debug, Clone, PartialEq)]
pub enum Delay {
    /// Always the same.
    Fixed(Ns),
    /// Log-normal: half of the delays are below the median; `sigma` is the standard deviation of the logarithm.
    LogNormal {
        /// The median.
        median_ns: Ns,
        /// Standard deviation of the natural logarithm.
        sigma: f64,
    },
    /// One of two values.
    Bimodal {
        /// The usual value.
        fast_ns: Ns,
        /// The other value.
        slow_ns: Ns,
        /// Fraction of slow delays.
        slow_share: f64,
    },
    /// Log-normal with a sinusoidally moving median: a machine that drifts.
    Drifting {
        /// The median without drift.
        median_ns: Ns,
        /// Standard deviation of the natural logarithm.
        sigma: f64,
        /// Largest change of the median, as a fraction of it.
        swing: f64,
        /// Period of the oscillation.
        period_ns: Ns,
    },
}

impl Delay {
    /// Returns the delay of the event identified by `names` that begins at `at`.
    #[inline]
    pub(super) fn draw(&self, random: Random, names: [u64; 2], at: Ns) -> Ns {
        if let Self::Fixed(ns) = *self { ns } else { self.drawn(random, names, at) }
    }

    /// Returns the delay of something that happens at `moment`.
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

/// A time interval in nanoseconds since the start of the load; for a bus in real time, since its creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its start.
    pub from: Ns,
    /// Its length.
    pub length: Ns,
}

impl Stretch {
    /// Returns the first moment after it.
    #[must_use]
    pub const fn end(self) -> Ns {
        self.from.saturating_add(self.length)
    }

    /// Returns whether the moment lies in it.
    #[must_use]
    pub const fn contains(self, at: Ns) -> bool {
        self.from <= at && at < self.end()
    }

    /// Postpones the moment to the end of each interval that contains it.
    #[must_use]
    pub fn after(all: &[Self], at: Ns) -> Ns {
        all.iter().fold(at, |at, stretch| if stretch.contains(at) { stretch.end() } else { at })
    }
}

/// Every connection is cut for a while; everything on the wire is lost. A client that does not resend learns at once
/// that its sent events have no answer, and sends nothing until it is reconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// When the cut lasts.
    pub time: Stretch,
    /// Whether the client, once reconnected, resends events that the cut took, or whose answers it took.
    pub resend: bool,
}

/// An interval in which the server, or the way from it, is out of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When it lasts.
    pub time: Stretch,
    /// What the server does meanwhile.
    pub how: How,
}

/// What a server does in an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It refuses every event that arrives.
    Refuse,
    /// It does nothing, and handles at the end what has arrived, like a stopped process.
    Hold,
    /// It answers no event, and has stored it, or not.
    Unanswered {
        /// Whether it has stored it.
        stored: bool,
    },
    /// It hands nothing to groups until the end.
    Withhold,
}

/// A fault that can hit an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Lost on its way to the server: never stored, never answered.
    Dropped,
    /// The server refuses it.
    Refused,
    /// Confirmed, but lost before it was stored.
    Unstored,
    /// Stored, but its confirmation is lost.
    AckLost,
    /// A second copy is stored after this delay.
    StoredTwice(Ns),
    /// It reaches the server with this extra delay, behind events that were sent after it.
    StoredLate(Ns),
    /// Its content is damaged in the store.
    StoredCorrupt,
    /// A foreign client publishes an event on the same topic just before it.
    Stranger,
    /// Stored, but never delivered to a group.
    Undelivered,
    /// The first attempt to deliver it to a group is lost on the way.
    AttemptLost,
    /// Delivered to the group again after the acknowledgement timeout, because the server missed the acknowledgement.
    DeliveredAgain,
    /// Delivered to a group with this extra delay, behind events that were stored after it.
    DeliveredLate(Ns),
    /// Its content is damaged on the way to a group, on the first attempt.
    DeliveredCorrupt,
    /// Stored, but left out of a replay.
    ReplayLost,
    /// Handed out twice by a replay.
    ReplayTwice,
    /// Handed out by a replay behind all others.
    ReplayLate,
    /// Its content is damaged on the way from a replay.
    ReplayCorrupt,
    /// Handed out by a replay that begins behind it.
    ReplayEarly,
}

/// Selects the events that a fault hits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Hits {
    /// Each event (or copy, or delivery to a group) with this probability, independently.
    Share(f64),
    /// Events selected by their sequence within topic and symbol.
    Events {
        /// Only events of this symbol.
        symbol: Option<u32>,
        /// First sequence.
        from: u32,
        /// Last sequence.
        to: u32,
    },
}

/// A fault and the events it hits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mishap {
    /// The fault.
    pub fault: Fault,
    /// The events it hits.
    pub hits: Hits,
}

/// A member dies and never comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    /// Its group, in the plan's order.
    pub group: usize,
    /// Index of the member.
    pub member: u32,
    /// Time since the start of the load.
    pub at: Ns,
}

/// Properties and faults of a simulated bus. Connections keep their order, as TCP does: what is sent later never
/// arrives earlier, except under faults that reorder.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// Delay from a publisher to the server.
    pub uplink: Delay,
    /// Delay from the server back to the publisher.
    pub answer: Delay,
    /// Delay from the server to a member.
    pub downlink: Delay,
    /// Service time of the server for an event; it serves one at a time, in the order of arrival.
    pub service: Delay,
    /// Maximum number of events waiting at the server; it refuses others.
    pub queue: usize,
    /// Intervals in which the server does nothing.
    pub stalls: Vec<Stretch>,
    /// Intervals in which connections are cut.
    pub cuts: Vec<Cut>,
    /// Intervals in which the server is out of order.
    pub outages: Vec<Outage>,
    /// Faults that hit events.
    pub mishaps: Vec<Mishap>,
    /// Deaths of members.
    pub deaths: Vec<Death>,
    /// Members that are gone for a while.
    pub absences: Vec<Absence>,
    /// Groups whose members are replaced.
    pub restarts: Vec<Restart>,
    /// Delay from a member back to the server for an acknowledgement. The server waits for it however long it takes.
    pub acknowledgement: Delay,
    /// Times without a leader.
    pub elections: Vec<Election>,
    /// Changes of the server that leads the groups.
    pub leader_changes: Vec<LeaderChange>,
    /// Copies of the store, which an audit reads one by one; none if the store is one log.
    pub replicas: Vec<Replica>,
    /// By how much each pause of a replay at the original speed is longer than it was.
    pub replay_pause: Ns,
    /// Losses of power of all servers.
    pub forgets: Vec<Forget>,
    /// From when no mishap hits any more; all other faults have times of their own.
    pub healed: Option<Ns>,
}

impl Default for Faults {
    /// Returns a perfect bus: no delays and no faults.
    fn default() -> Self {
        Self {
            uplink: Delay::Fixed(0),
            answer: Delay::Fixed(0),
            downlink: Delay::Fixed(0),
            service: Delay::Fixed(0),
            queue: usize::MAX,
            stalls: Vec::new(),
            cuts: Vec::new(),
            outages: Vec::new(),
            mishaps: Vec::new(),
            deaths: Vec::new(),
            absences: Vec::new(),
            restarts: Vec::new(),
            acknowledgement: Delay::Fixed(0),
            elections: Vec::new(),
            leader_changes: Vec::new(),
            replicas: Vec::new(),
            replay_pause: 0,
            forgets: Vec::new(),
            healed: None,
        }
    }
}

impl Faults {
    /// Returns a bus that behaves like one on a local network: a fraction of a millisecond each way, 50,000 events/s.
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

    /// Returns the same faults with one added.
    #[must_use]
    pub fn with(mut self, fault: Fault, hits: Hits) -> Self {
        self.mishaps.push(Mishap { fault, hits });
        self
    }

    /// Returns them as the world carries them out: with their times since the bus's epoch, elections as the outages that they cause,
    /// and outages in which the server holds events as stalls, too.
    pub(super) fn carried_out(mut self, origin: Ns) -> Self {
        let later = |stretch: &mut Stretch| stretch.from += origin;
        for election in std::mem::take(&mut self.elections) {
            self.outages.push(Outage { time: election.refuses(), how: How::Refuse });
            self.outages.push(Outage { time: election.withholds(), how: How::Withhold });
        }
        let held = self.outages.iter().filter(|outage| outage.how == How::Hold);
        self.stalls.extend(held.map(|outage| outage.time).collect::<Vec<_>>());
        // In order, since whatever is postponed by one may fall into the next.
        self.stalls.sort_unstable_by_key(|stall| stall.from);
        self.stalls.iter_mut().for_each(later);
        self.cuts.iter_mut().for_each(|cut| later(&mut cut.time));
        self.outages.iter_mut().for_each(|outage| later(&mut outage.time));
        self.replicas.iter_mut().filter_map(|replica| replica.still.as_mut()).for_each(later);
        self.deaths.iter_mut().for_each(|death| death.at += origin);
        self.absences.iter_mut().for_each(|absence| later(&mut absence.time));
        self.restarts.iter_mut().for_each(|restart| restart.at += origin);
        self.leader_changes.iter_mut().for_each(|change| change.at += origin);
        self.forgets.iter_mut().for_each(|loss| loss.at += origin);
        self.healed = self.healed.map(|healed| healed.saturating_add(origin));
        self
    }
}
