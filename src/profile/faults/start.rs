//! When faults begin: those with a written start there, and the others at a start drawn in what these leave free.

use crate::load::random_start;
use crate::plan::{Fault, Ns, Span};
use crate::profile::place::At;
use crate::profile::section::Reader;

/// A fault of a random start leaves the parts before it at least so much.
const BEFORE: Ns = 1_000_000_000;
/// Drawn starts are whole milliseconds.
const GRAIN: Ns = 1_000_000;

/// A table of faults, before its repetitions and its start are made.
#[derive(Debug)]
pub(super) struct Draft {
    /// The first fault; its start is open with `random`.
    pub(super) fault: Fault,
    pub(super) random: bool,
    pub(super) times: u32,
    /// From one start to the next.
    pub(super) every: Span,
    /// Is that the measure phase over the number of repetitions?
    pub(super) even: bool,
    /// The place of the table, and of each key in it.
    pub(super) at: At,
    pub(super) places: Vec<(String, At)>,
}

impl Draft {
    /// How many faults it makes.
    pub(super) fn number(&self) -> usize {
        crate::num::index32(self.times)
    }

    /// The names of its faults: with repetitions `NAME-1`, `NAME-2` and so on.
    pub(super) fn names(&self) -> Vec<String> {
        match self.times {
            1 => vec![self.fault.name.clone()],
            times => (1..=times).map(|nth| format!("{}-{nth}", self.fault.name)).collect(),
        }
    }

    /// From its first start until its last fault is settled.
    fn length(&self) -> Ns {
        let gaps = self.every.ns.saturating_mul(u64::from(self.times.saturating_sub(1)));
        gaps.saturating_add(self.fault.length.ns).saturating_add(self.fault.settle.ns)
    }

    /// Its faults, from this start on.
    fn from(self, start: Ns, reader: &mut Reader) -> Vec<Fault> {
        let names = self.names();
        let faults = (0_u64..).zip(&names).map(|(nth, name)| Fault {
            name: name.clone(),
            at: Span { ns: start.saturating_add(self.every.ns.saturating_mul(nth)) },
            ..self.fault.clone()
        });
        for name in &names {
            reader.place(&format!("faults.{name}"), self.at);
            for (key, at) in &self.places {
                reader.place(&format!("faults.{name}.{key}"), *at);
            }
        }
        faults.collect()
    }
}

/// Gives every fault its start, and sorts them by it.
pub(super) fn starts(drafts: Vec<Draft>, duration: Span, seed: u64, reader: &mut Reader) -> Vec<Fault> {
    let drafts = drafts.into_iter().filter_map(|draft| evenly(draft, duration, reader));
    let (random, fixed): (Vec<Draft>, Vec<Draft>) = drafts.partition(|draft| draft.random);
    let mut faults: Vec<Fault> = Vec::new();
    for draft in fixed {
        let start = draft.fault.at.ns;
        faults.extend(draft.from(start, reader));
    }
    for (nth, draft) in (0_u64..).zip(random) {
        faults.sort_by_key(|fault| fault.at);
        let Some(start) = draw(&faults, duration.ns, draft.length(), |bound| random_start(seed, nth, bound))
        else {
            let path = format!("faults.{}", draft.fault.name);
            let at = reader.at(&format!("{path}.at"));
            reader.wrong_key(&path, at, || {
                format!(
                    "the measure phase of {duration} has no room for `{}`, which takes {} until it is settled; expected a longer \
                     `load.duration`, a shorter `for` or `settle`, or fewer faults",
                    draft.fault.name,
                    Span { ns: draft.length() }
                )
            });
            continue;
        };
        faults.extend(draft.from(start, reader));
    }
    faults.sort_by_key(|fault| fault.at);
    faults
}

/// The draft with its repetitions spread over the measure phase, if it asks for that.
fn evenly(draft: Draft, duration: Span, reader: &mut Reader) -> Option<Draft> {
    if !draft.even {
        return Some(draft);
    }
    // Whole milliseconds, as every time of a plan.
    let every = Span { ns: duration.ns / u64::from(draft.times.max(1)) / GRAIN * GRAIN };
    let takes = Span { ns: draft.fault.length.ns.saturating_add(draft.fault.settle.ns) };
    if every >= takes {
        return Some(Draft { every, ..draft });
    }
    let path = format!("faults.{}", draft.fault.name);
    let at = reader.at(&format!("{path}.every"));
    reader.wrong_key(&path, at, || {
        format!(
            "`{}` has {every} for each of {} times in {duration}, and takes {takes} until it is settled; expected fewer `times`, or a \
             longer `load.duration`",
            draft.fault.name, draft.times
        )
    });
    None
}

/// A start at which a stretch of `length` fits between the faults, all alike likely; `None` if there is none.
fn draw(faults: &[Fault], end: Ns, length: Ns, below: impl Fn(u64) -> u64) -> Option<Ns> {
    let taken = |fault: &Fault| (fault.at.ns, fault.settled_at());
    let mut free = Vec::new();
    let mut from = BEFORE.min(end.saturating_sub(length));
    for (start, until) in faults.iter().map(taken).chain([(end, end)]) {
        if let Some(room) = start.checked_sub(from.saturating_add(length)) {
            free.push((from, room / GRAIN + 1));
        }
        from = from.max(until);
    }
    let mut drawn = below(free.iter().map(|(_, starts)| starts).sum());
    free.into_iter().find_map(|(from, starts)| {
        let here = (drawn < starts).then_some(from + drawn * GRAIN);
        drawn = drawn.saturating_sub(starts);
        here
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Action;

    const S: Ns = 1_000_000_000;

    fn fault(at: Ns, length: Ns, settle: Ns) -> Fault {
        Fault {
            name: "x".into(),
            at: Span { ns: at },
            action: Action::Kill,
            target: None,
            between: None,
            length: Span { ns: length },
            settle: Span { ns: settle },
            how: None,
            way: None,
            delay: None,
            jitter: None,
            rate: None,
            poison: None,
            expect: crate::plan::Expect::Service,
        }
    }

    #[test]
    fn a_start_is_drawn_among_all_that_fit() {
        let faults = [fault(10 * S, 5 * S, 5 * S), fault(25 * S, 0, 5 * S)];
        // Free: 1–10 s, 20–25 s and 30–40 s; 6 s fit into the first (1–4 s) and the last (30–34 s).
        let start = |drawn: u64| draw(&faults, 40 * S, 6 * S, |bound| drawn.min(bound - 1));
        assert_eq!(start(0), Some(S));
        assert_eq!(start(3_000), Some(4 * S));
        assert_eq!(start(3_001), Some(30 * S));
        assert_eq!(start(u64::MAX), Some(34 * S));
        assert_eq!(draw(&faults, 40 * S, 11 * S, |_| 0), None);
        assert_eq!(draw(&[], 6 * S, 6 * S, |_| 0), Some(0), "no room for anything before it");
    }
}
