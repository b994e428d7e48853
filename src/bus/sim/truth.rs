//! The simulation's own account of what happened, event by event: raw facts in the order in which they occurred, from
//! which a test independently and naively computes what a record must say.

use super::faults::How;
use crate::bus::Refused;
use crate::market::parse_id;
use crate::plan::Ns;

/// What became of an event on the publishing side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The client did not accept it.
    Unsent(Refused),
    /// No answer has been handed over yet.
    Open,
    /// Confirmed; `true` if the server had already stored its id.
    Acked(bool),
    /// Refused by the server.
    Refused,
    /// It never left the client.
    NotSent,
    /// Sent, and given up.
    Unconfirmed,
    /// Sent on a connection that ended before the answer came.
    Disconnected,
}

/// An event that was handed to a publisher, accepted or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Index of the publisher.
    pub publisher: u32,
    /// The caller's token while it is open.
    pub token: u64,
    /// Index of the topic.
    pub topic: u32,
    /// Index of the symbol.
    pub symbol: u32,
    /// Size of its payload in bytes.
    pub bytes: u32,
    /// Its sequence number within its topic and symbol, from 0.
    pub sequence: u32,
    /// Its intended time from its id, in nanoseconds since 1970.
    pub intended_unix_ns: u64,
    /// When it was handed over.
    pub sent: Ns,
    /// Its outcome.
    pub outcome: Outcome,
    /// Number of copies that left, where the plan sends events again.
    pub copies: u32,
    /// Whether the time for sending it again was over.
    pub gave_up: bool,
    /// Where it is stored, by its confirmation.
    pub position: Option<u64>,
    /// When the publisher saw the answer.
    pub answered: Ns,
    /// When the answer reached the publisher's machine.
    pub answer_arrived: Ns,
}

/// A stored copy; positions count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copy {
    /// Index of its event; `None` for a foreign event.
    pub event: Option<u32>,
    /// Whether its content is damaged.
    pub damaged: bool,
    /// When it was stored.
    pub stored: Ns,
    /// Whether a loss of power has taken it.
    pub forgotten: bool,
    /// Index of the group that gave its event up, if it is a dead letter.
    pub dead_letter: Option<u32>,
}

impl Copy {
    /// The event that is stored as itself, not as a dead letter.
    #[must_use]
    pub fn itself(&self) -> Option<u32> {
        self.event.filter(|_| self.dead_letter.is_none())
    }
}

/// A delivery that a member took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// Index of the copy.
    pub copy: u32,
    /// Index of the member.
    pub member: u32,
    /// Its receive time on the member's clock.
    pub received: Ns,
    /// When it reached the member's machine, on the generators' clock.
    pub arrived: Ns,
    /// Number of times the server has handed the position to the group, including this one.
    pub attempt: u32,
    /// Whether it arrived damaged, in the store or on the way.
    pub damaged: bool,
    /// When it left the server.
    pub left: Ns,
    /// When the member's acknowledgement reached the server.
    pub acknowledged: Ns,
}

/// How the server handled an event that arrived, as far as outages decide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// It refused it.
    Refused,
    /// It neither stored nor answered it.
    Ignored,
    /// It went on with it.
    Taken,
}

/// An event that reached the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: Ns,
    /// Index of the event.
    pub event: u32,
    /// How it was handled.
    pub handling: Handling,
}

/// What is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbed {
    /// The server, or the way from it.
    Outage(How),
    /// The leading of the groups: another server takes over at the start, and delivers again at the end what was not
    /// acknowledged.
    Leader,
    /// A copy of the store, which takes nothing in.
    Copy,
    /// The power of all servers, which lose what they have stored in the last time before it.
    Power {
        /// That time.
        last: Ns,
    },
    /// A member, which is gone, by the indices of its group and its own.
    Member {
        /// The group.
        group: u32,
        /// The member.
        member: u32,
    },
    /// The members of a group, which are replaced.
    Group {
        /// The group.
        group: u32,
    },
}

/// A time in which the bus was made to behave otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disturbance {
    /// What was disturbed.
    pub what: Disturbed,
    /// Its start.
    pub from: Ns,
    /// The first moment after it.
    pub until: Ns,
}

/// An event that a replay handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handed {
    /// Index of the copy.
    pub copy: u32,
    /// Whether it came damaged, in the store or on the way.
    pub damaged: bool,
    /// When it was received.
    pub received: Ns,
}

/// What a replay handed out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replay {
    /// Its number in the plan.
    pub number: usize,
    /// When it began.
    pub at: Ns,
    /// Number of events that had been handed to publishers by then.
    pub events_before: u32,
    /// Events in the order in which they were handed out.
    pub handed: Vec<Handed>,
}

/// Everything that happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// Events in the order in which they were handed to publishers.
    pub events: Vec<Event>,
    /// Copies in the order of their positions.
    pub copies: Vec<Copy>,
    /// For each group, deliveries in the order in which members took them.
    pub deliveries: Vec<Vec<Delivered>>,
    /// For each group, the number of deliveries still to come.
    pub owed: Vec<u64>,
    /// Offset of the members' clock ahead of the generators' clock.
    pub clock_offset_ns: i64,
    /// What the bus was made to do, in the order in which it began.
    pub disturbances: Vec<Disturbance>,
    /// Events in the order in which they reached the server; kept only where there are outages.
    pub arrivals: Vec<Arrival>,
    /// Replays in the order in which they began.
    pub replays: Vec<Replay>,
    /// For each copy of the store, the positions that it holds at the end; `None` for one whose server is away. Empty if the store is
    /// one log.
    pub replicas: Vec<Option<Vec<u64>>>,
}

impl Truth {
    /// Creates an empty account with room for this many events.
    pub(super) fn with_room(events: usize, groups: usize) -> Self {
        Self {
            events: Vec::with_capacity(events),
            copies: Vec::with_capacity(events),
            deliveries: (0..groups).map(|_| Vec::with_capacity(events)).collect(),
            ..Self::default()
        }
    }
}

/// Returns the time in an event id's text: 48 bits of milliseconds and 12 bits of 1/4096 ms, as laid out in section 5
/// of the design; 0 if the text is not an event id.
pub(super) fn intended_unix_ns(id: &str) -> u64 {
    let Some(id) = parse_id(id.as_bytes()) else { return 0 };
    let bits = u64::from_be_bytes(id.as_chunks::<8>().0[0]);
    let fraction_ns = ((bits & 0x0fff) * 1_000_000 + 2048) / 4096;
    (bits >> 16).saturating_mul(1_000_000).saturating_add(fraction_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_id_is_read_by_its_layout() {
        assert_eq!(intended_unix_ns("019ab697-e87b-7800-aaf0-48d3ffffffff"), 1_764_000_000_123_500_000);
        assert_eq!(intended_unix_ns("no id"), 0);
    }
}
