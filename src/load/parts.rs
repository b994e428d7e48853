//! The parts of a load whose planned rate must have been offered: each step, each burst, or else the whole
//! measure phase.
//!
//! A late generator flattens a burst, and a bus that would fail under the real burst may look sound.

use super::curve::Curve;
use crate::num;
use crate::plan::{Arrival, Load, Ns};

/// A part of the measure phase with its own rate, in nanoseconds since the start of the phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its kind.
    pub kind: PartKind,
    /// Its number, from 1.
    pub number: u64,
    /// The number of parts of its kind.
    pub of: u64,
    /// Its start.
    pub from: Ns,
    /// Its end.
    pub until: Ns,
}

/// The kind of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// The whole measure phase.
    Phase,
    /// A step.
    Step,
    /// A burst.
    Burst,
    /// The time between two bursts, whose low rate lateness does not flatten.
    Pause,
}

impl Part {
    /// The part that contains a moment of the measure phase.
    #[must_use]
    pub fn at(load: &Load, since_start: Ns) -> Self {
        let end = load.duration.ns;
        match (load.arrival, load.burst, &load.steps) {
            (Arrival::Steps, _, Some(steps)) if !steps.rates.is_empty() => {
                let of = num::count(steps.rates.len());
                let edge = |n: u64| num::u64_of(Curve::step_start(load, n) * 1e9).min(end);
                // The edges are rounded, so the neighbours are checked as well.
                let guess =
                    num::u64_floor(num::f64_of(since_start) / num::f64_of(end.max(1)) * num::f64_of(of));
                let near = guess.saturating_sub(1)..=guess.saturating_add(1);
                let number = near.rev().find(|&n| n < of && edge(n) <= since_start).unwrap_or(0);
                step(load, number, of)
            }
            (Arrival::Burst, Some(burst), _) if burst.every.ns > 0 => {
                let number = since_start / burst.every.ns;
                let from = number * burst.every.ns;
                let length = burst.length.ns.min(burst.every.ns);
                let of = end.div_ceil(burst.every.ns);
                let in_burst = since_start - from < length;
                let kind = if in_burst { PartKind::Burst } else { PartKind::Pause };
                let (from, until) =
                    if in_burst { (from, from + length) } else { (from + length, from + burst.every.ns) };
                Self { kind, number: number + 1, of, from, until: until.min(end.max(since_start + 1)) }
            }
            _ => Self { kind: PartKind::Phase, number: 1, of: 1, from: 0, until: end.max(since_start + 1) },
        }
    }

    /// The part's name, e.g. `burst 3 of 12`.
    #[must_use]
    pub fn name(&self) -> String {
        let kind = match self.kind {
            PartKind::Phase => return "the measure phase".into(),
            PartKind::Step => "step",
            PartKind::Burst => "burst",
            PartKind::Pause => "pause",
        };
        format!("{kind} {} of {}", self.number, self.of)
    }
}

/// The steps of a load of steps, in order; none of another load.
#[must_use]
pub fn steps(load: &Load) -> Vec<Part> {
    let rates = load.steps.as_ref().filter(|_| load.arrival == Arrival::Steps);
    let of = num::count(rates.map_or(0, |steps| steps.rates.len()));
    (0..of).map(|number| step(load, number, of)).collect()
}

/// A step, numbered from 0.
fn step(load: &Load, number: u64, of: u64) -> Part {
    let end = load.duration.ns;
    let edge = |n: u64| num::u64_of(Curve::step_start(load, n) * 1e9).min(end);
    let until = if number + 1 == of { end } else { edge(number + 1) };
    Part { kind: PartKind::Step, number: number + 1, of, from: edge(number), until }
}

/// How much of a part was offered while it lasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartOffered {
    /// The part.
    pub part: Part,
    /// Events that were due in it.
    pub due: u64,
    /// Of these, those fired by its end.
    pub offered: u64,
    /// Of these, those fired by a nineteenth of its length later: if all were, the rate was 95 % of the planned
    /// one.
    pub soon_after: u64,
}

impl PartOffered {
    /// The offered rate as a share of the planned one; exact below 95 %.
    #[must_use]
    pub fn reached(&self) -> f64 {
        let by_the_end = num::share(self.offered, self.due);
        if self.soon_after == self.due { by_the_end.max(0.95) } else { by_the_end }
    }
}

/// Follows a generator's events in the order of their intended times, and keeps the part with the smallest
/// share offered, and every step.
#[derive(Debug, Clone)]
pub struct OfferedParts {
    load: Load,
    current: Option<PartOffered>,
    least: Option<PartOffered>,
    steps: Vec<PartOffered>,
}

impl OfferedParts {
    /// Starts before the first event.
    #[must_use]
    pub fn new(load: &Load) -> Self {
        let steps = Vec::with_capacity(steps(load).len());
        Self { load: load.clone(), current: None, least: None, steps }
    }

    /// Enters an event of the measure phase that was due at `due` and fired at `at`, both since the start of
    /// the phase; `None` if it was never fired.
    #[inline]
    pub fn fired(&mut self, due: Ns, at: Option<Ns>) {
        let current = match &mut self.current {
            Some(current) if due < current.part.until => current,
            _ => self.next(due),
        };
        let Part { from, until, .. } = current.part;
        let soon = until.saturating_add((until - from) / 19);
        current.due += 1;
        current.offered += u64::from(at.is_some_and(|at| at <= until));
        current.soon_after += u64::from(at.is_some_and(|at| at <= soon));
    }

    #[cold]
    fn next(&mut self, due: Ns) -> &mut PartOffered {
        self.close();
        let part = Part::at(&self.load, due);
        self.current.insert(PartOffered { part, due: 0, offered: 0, soon_after: 0 })
    }

    fn close(&mut self) {
        let Some(done) = self.current.take().filter(|done| done.part.kind != PartKind::Pause) else { return };
        if self.least.is_none_or(|least| done.reached() < least.reached()) {
            self.least = Some(done);
        }
        if done.part.kind == PartKind::Step {
            self.steps.push(done);
        }
    }

    /// The part with the smallest share offered, `None` where nothing was due; and the steps in which something was.
    #[must_use]
    pub fn ended(mut self) -> (Option<PartOffered>, Vec<PartOffered>) {
        self.close();
        (self.least, self.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::super::curve::tests::{any_load, burst, load, steps};
    use super::*;
    use crate::plan::Span;
    use proptest::prelude::*;

    const MS: Ns = 1_000_000;

    #[test]
    fn every_step_and_burst_is_a_part() {
        let ten = Span::seconds(10);
        let steps = steps(&[1.0, 5.0, 2.0], ten);
        let name = |load: &Load, ms: u64| Part::at(load, ms * MS).name();
        assert_eq!(
            [name(&steps, 0), name(&steps, 3334), name(&steps, 9999)],
            ["step 1 of 3", "step 2 of 3", "step 3 of 3"]
        );
        let burst = burst(10.0, 90.0, Span::seconds(4), Span::seconds(1), ten);
        assert_eq!(
            [name(&burst, 999), name(&burst, 1000), name(&burst, 8500)],
            ["burst 1 of 3", "pause 1 of 3", "burst 3 of 3"]
        );
        assert_eq!(name(&load(7.0, Span::default(), ten), 5000), "the measure phase");
    }

    #[test]
    fn a_burst_that_is_sent_late_was_not_offered() {
        let load = burst(10.0, 1000.0, Span::seconds(1), Span::millis(100), Span::seconds(3));
        let least = |late: &dyn Fn(u64) -> Option<Ns>| {
            let mut parts = OfferedParts::new(&load);
            for second in 0..3 {
                for n in 0..100 {
                    let due = (second * 1000 + n) * MS;
                    parts.fired(due, late(second).map(|late| due + late));
                }
                parts.fired((second * 1000 + 500) * MS, Some((second * 1000 + 999) * MS));
            }
            parts.ended().0.unwrap()
        };
        assert!(least(&|_| Some(0)).reached() >= 1.0);
        // 4 ms late: the last four of a hundred are sent after the burst, 96 % within it.
        assert!(least(&|_| Some(4 * MS)).reached() >= 0.95);
        let second = least(&|second| Some(if second == 1 { 30 * MS } else { 0 }));
        assert_eq!((second.part.name(), second.due), ("burst 2 of 3".to_owned(), 100));
        assert!((0.69..0.72).contains(&second.reached()), "{second:?}");
        assert!(
            least(&|second| (second != 2).then_some(0)).reached() < 0.01,
            "events that are never fired are not offered"
        );
    }

    #[test]
    fn the_last_of_few_events_may_be_a_little_late() {
        let load = burst(10.0, 30.0, Span::seconds(1), Span::millis(100), Span::seconds(1));
        let mut parts = OfferedParts::new(&load);
        parts.fired(40 * MS, Some(40 * MS));
        parts.fired(99 * MS, Some(102 * MS));
        assert!(parts.ended().0.unwrap().reached() >= 0.95);
    }

    #[test]
    fn every_step_that_was_offered_is_kept() {
        let load = steps(&[1.0, 5.0, 2.0], Span::seconds(9));
        let mut parts = OfferedParts::new(&load);
        for ms in [0, 2999, 3000, 3001, 8000] {
            parts.fired(ms * MS, (ms != 3001).then_some(ms * MS));
        }
        let (least, steps) = parts.ended();
        let seen: Vec<_> = steps.iter().map(|step| (step.part.number, step.due, step.offered)).collect();
        assert_eq!(seen, [(1, 2, 2), (2, 2, 1), (3, 1, 1)]);
        assert_eq!(least.map(|least| least.part.number), Some(2));
    }

    proptest! {
        #[test]
        fn steps_cover_the_phase_and_are_those_of_their_moments(load in any_load()) {
            prop_assume!(load.duration > Span::millis(1));
            let all = super::steps(&load);
            prop_assert_eq!(all.is_empty(), load.arrival != Arrival::Steps);
            let mut at = 0;
            for step in &all {
                prop_assert_eq!(step.from, at);
                prop_assert_eq!(Part::at(&load, step.from), *step);
                at = step.until;
            }
            prop_assert!(all.is_empty() || at == load.duration.ns);
        }

        #[test]
        fn each_moment_lies_in_one_part(load in any_load(), moments in proptest::collection::vec(0.0..1.0_f64, 1..50)) {
            for moment in moments {
                let at = num::u64_of(moment * num::f64_of(load.duration.ns.saturating_sub(1)));
                let part = Part::at(&load, at);
                prop_assert!(part.from <= at && at < part.until, "{} in {:?}", at, part);
                prop_assert!(1 <= part.number && part.number <= part.of);
                prop_assert_eq!(Part::at(&load, part.from), part);
                prop_assert_eq!(Part::at(&load, part.until - 1), part);
            }
        }
    }
}
