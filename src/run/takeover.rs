//! What members that crashed left open, and which of it came to their groups again: are these the same events?

use std::collections::{HashMap, HashSet};

use super::parts::Parts;
use crate::bus::{Left, Position};
use crate::num;
use crate::plan::{Action, Fault, Ns, Plan, Target};
use crate::record::{self, Record, Takeover};

/// Most redeliveries of a group that are noted one by one: 3 MiB.
const MOST: usize = 1 << 17;

/// A member that has crashed.
#[derive(Debug)]
pub(super) struct Crash {
    /// Its index in the group.
    pub(super) member: usize,
    /// What it left open, where that is known.
    pub(super) left: Option<Left>,
}

/// The events that came to a group again, and when.
#[derive(Debug, Default)]
pub(super) struct Again {
    all: Vec<(Position, Ns)>,
    /// There were more.
    more: bool,
}

impl Again {
    /// Of the groups of a plan with members that crash.
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        plan.faults.iter().any(|fault| fault.action == Action::CrashMember).then(Self::default)
    }

    /// Notes an event that came again.
    pub(super) fn note(&mut self, position: Position, received: Ns) {
        if self.all.len() < MOST {
            self.all.push((position, received));
        } else {
            self.more = true;
        }
    }
}

/// Fills in what became of the open events of each member that crashed.
pub(super) fn fill(record: &mut Record, parts: &Parts<'_>) {
    for (index, group) in parts.plan.groups.iter().enumerate() {
        let Some(received) = parts.ended.received.get(index).and_then(Option::as_ref) else { continue };
        let Some(again) = received.again.as_ref().filter(|again| !again.more) else { continue };
        for member in 0..num::index32(group.members) {
            let injected = &mut record.faults.injected;
            let mut faults: Vec<&mut record::Fault> =
                injected.iter_mut().filter(|fault| is_of(parts.plan, fault, &group.name, member)).collect();
            let crashes: Vec<&Crash> =
                received.crashes.iter().filter(|crash| crash.member == member).collect();
            // One of them was given up: which one is not known.
            if faults.len() != crashes.len() {
                continue;
            }
            for (fault, crash) in faults.iter_mut().zip(crashes) {
                let (from, until) = (fault.begun(), fault.settled_ns);
                fault.takeover = crash.left.as_ref().map(|left| takeover(left, again, from, until));
            }
        }
    }
}

/// Is it a crash of this member that was carried out?
fn is_of(plan: &Plan, fault: &record::Fault, group: &str, member: usize) -> bool {
    let whom = |planned: &Fault| match &planned.target {
        Some(Target::Group(name, Some(number))) => name == group && num::index32(*number) == member + 1,
        _ => false,
    };
    let planned = plan.faults.iter().find(|planned| planned.name == fault.name);
    fault.happened() && planned.is_some_and(|planned| planned.action == Action::CrashMember && whom(planned))
}

/// Compares the open events with those redelivered from the crash on, and until the fault had to be settled.
fn takeover(left: &Left, again: &Again, from: Ns, until: Ns) -> Takeover {
    let open: HashSet<Position> = left.open.iter().copied().collect();
    let in_doubt: HashSet<Position> = left.in_doubt.iter().copied().filter(|at| !open.contains(at)).collect();
    // The first time of each.
    let mut came: HashMap<Position, Ns> = HashMap::new();
    for (position, received) in again.all.iter().filter(|(_, received)| *received >= from) {
        came.entry(*position).or_insert(*received);
    }
    let times = || came.iter().filter(|(at, _)| open.contains(at)).map(|(_, received)| *received);
    let redelivered = num::count(times().count());
    let unexpected = came
        .iter()
        .filter(|(at, received)| **received < until && !open.contains(at) && !in_doubt.contains(at))
        .count();
    let since = |received: Ns| received.saturating_sub(left.last);
    Takeover {
        open: num::count(open.len()),
        in_doubt: num::count(in_doubt.len()),
        redelivered,
        missing: num::count(open.len()) - redelivered,
        unexpected: num::count(unexpected),
        first_ns: times().min().map(since),
        last_ns: times().max().map(since),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Position {
        Position { partition: 0, offset }
    }

    fn of(open: &[u64], in_doubt: &[u64], again: &[(u64, Ns)]) -> Takeover {
        let positions = |offsets: &[u64]| offsets.iter().copied().map(at).collect();
        let left = Left { open: positions(open), in_doubt: positions(in_doubt), last: 90 };
        let mut all = Again::default();
        for (offset, received) in again {
            all.note(at(*offset), *received);
        }
        takeover(&left, &all, 100, 200)
    }

    #[test]
    fn exactly_what_was_open_comes_again() {
        let taken = of(&[1, 2], &[], &[(1, 130), (2, 150), (1, 180)]);
        let exact = Takeover { open: 2, redelivered: 2, ..Takeover::default() };
        assert_eq!(taken, Takeover { first_ns: Some(40), last_ns: Some(60), ..exact });
        assert_eq!(of(&[], &[], &[]), Takeover::default());
    }

    #[test]
    fn what_is_missing_or_was_not_open_is_told() {
        let taken = of(&[1, 2], &[3, 4], &[(1, 99), (2, 250), (3, 120), (5, 120), (5, 130), (6, 200)]);
        assert_eq!((taken.open, taken.in_doubt, taken.redelivered, taken.missing), (2, 2, 1, 1));
        assert_eq!(taken.unexpected, 1, "5; 1 came again before the crash, and 6 after it had to be settled");
        assert_eq!((taken.first_ns, taken.last_ns), (Some(160), Some(160)));
    }

    #[test]
    fn too_many_are_not_compared() {
        let mut again = Again::default();
        (0..num::count(MOST)).for_each(|offset| again.note(at(offset), 1));
        assert!(!again.more);
        again.note(at(0), 2);
        assert!(again.more && again.all.len() == MOST);
    }
}
