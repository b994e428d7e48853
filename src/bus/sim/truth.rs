//! The simulation's own account of what happened, event by event: raw facts in the order in which they came to
//! be, from which a test finds by itself, and naively, what a record must say.

use crate::bus::Refused;
use crate::market::parse_id;
use crate::plan::Ns;

/// What became of an event on the publishing side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The client did not take it.
    Unsent(Refused),
    /// No answer was handed over yet.
    Open,
    /// Confirmed; `true` if the server knew its id already.
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
    /// Which publisher.
    pub publisher: u32,
    /// The caller's name for it while it is open.
    pub token: u64,
    /// Index of the topic.
    pub topic: u32,
    /// Index of the symbol.
    pub symbol: u32,
    /// Bytes of its payload.
    pub bytes: u32,
    /// Its number among those of its topic and symbol, from 0.
    pub sequence: u32,
    /// Its intended time, as its id has it, in nanoseconds since 1970.
    pub intended_unix_ns: u64,
    /// When it was handed over.
    pub sent: Ns,
    /// What became of it.
    pub outcome: Outcome,
    /// When the publisher saw the answer.
    pub answered: Ns,
    /// When it reached the publisher's machine.
    pub answer_arrived: Ns,
}

/// What is stored at a position; positions count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copy {
    /// Index of its event; `None` for a stranger's.
    pub event: Option<u32>,
    /// Is its content damaged?
    pub damaged: bool,
}

/// A delivery that a member took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// Index of the copy.
    pub copy: u32,
    /// Which member.
    pub member: u32,
    /// Its receive time on the member's clock.
    pub received: Ns,
    /// When it reached the member's machine, on the generators' clock.
    pub arrived: Ns,
    /// How often the server had handed the position to the group, this time included.
    pub attempt: u32,
    /// Did it arrive damaged, in the store or on the way?
    pub damaged: bool,
}

/// Everything that happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// In the order in which they were handed to publishers.
    pub events: Vec<Event>,
    /// In the order of their positions.
    pub copies: Vec<Copy>,
    /// For each group, in the order in which members took them.
    pub deliveries: Vec<Vec<Delivered>>,
    /// For each group, deliveries that are still to come.
    pub owed: Vec<u64>,
    /// How far the members' clock is ahead of the generators'.
    pub clock_offset_ns: i64,
}

impl Truth {
    /// An empty account with room for this many events.
    pub(super) fn with_room(events: usize, groups: usize) -> Self {
        Self {
            events: Vec::with_capacity(events),
            copies: Vec::with_capacity(events),
            deliveries: (0..groups).map(|_| Vec::with_capacity(events)).collect(),
            ..Self::default()
        }
    }
}

/// The time in an event id's text: 48 bits of milliseconds and 12 of 1/4096 ms, as section 5 of the design lays
/// it out; 0 for what is no such text.
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
