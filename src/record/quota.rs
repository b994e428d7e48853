//! Marks of a quota by which the cluster held clients back.

use super::{PhaseName, Record};
use crate::plan::Ns;

/// Whom a quota held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A publisher.
    Producer,
    /// A member of a group.
    Consumer,
}

impl Side {
    /// Kind of the mark at the moment from which a client was held back.
    #[must_use]
    pub const fn begins(self) -> &'static str {
        match self {
            Self::Producer => "producer-throttled",
            Self::Consumer => "consumer-throttled",
        }
    }

    /// Kind of the mark at the moment from which it was not any more.
    #[must_use]
    pub const fn ends(self) -> &'static str {
        match self {
            Self::Producer => "producer-released",
            Self::Consumer => "consumer-released",
        }
    }
}

/// How much of the measure phase passed while a quota held one client of a side or more back.
#[must_use]
pub fn held_ns(record: &Record, side: Side) -> Ns {
    let Some(phase) = record.phase(PhaseName::Measure) else { return 0 };
    let within = |at: Ns| at.clamp(phase.start_ns, phase.end_ns);
    let mut steps: Vec<(Ns, bool)> = record
        .marks
        .iter()
        .filter(|mark| mark.kind == side.begins() || mark.kind == side.ends())
        .map(|mark| (within(mark.at_ns), mark.kind == side.begins()))
        .collect();
    steps.push((phase.end_ns, false));
    // A client that is held back at the moment another one is released keeps the span open.
    steps.sort_by_key(|&(at, begins)| (at, !begins));
    let (mut held, mut clients, mut since) = (0, 0_u64, 0);
    for (at, begins) in steps {
        if clients > 0 {
            held += at - since;
        }
        since = at;
        clients = if begins { clients + 1 } else { clients.saturating_sub(1) };
    }
    held
}
