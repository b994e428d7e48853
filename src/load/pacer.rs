//! The pure part of pacing: given the time, send the next event, or wait until when; never skip, never hurry.
//!
//! An event that is late is sent at once and keeps its intended time, so that its lateness shows in every
//! figure; the ones behind it follow one by one. Sleeping is for the host.

use crate::load::{Due, Schedule};
use crate::plan::Ns;

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Send this event. Its `at` is in nanoseconds since the run's epoch here.
    Send(Due),
    /// Nothing is due before this time, in nanoseconds since the run's epoch.
    Wait(Ns),
    /// The schedule has ended.
    Done,
}

/// Walks a schedule along the clock.
#[derive(Debug, Clone)]
pub struct Pacer {
    schedule: Schedule,
    start: Ns,
    next: Option<Due>,
}

impl Pacer {
    /// Paces a schedule whose warm-up starts at `start`, in nanoseconds since the run's epoch.
    #[must_use]
    pub fn new(mut schedule: Schedule, start: Ns) -> Self {
        let next = schedule.next();
        Self { schedule, start, next }
    }

    /// What to do at `now`. An event is given out once.
    pub fn step(&mut self, now: Ns) -> Pace {
        let Some(due) = self.next else { return Pace::Done };
        let at = self.start.saturating_add(due.at);
        if now < at {
            return Pace::Wait(at);
        }
        self.next = self.schedule.next();
        Pace::Send(Due { at, index: due.index })
    }

    /// Events not given out yet.
    #[must_use]
    pub fn left(&self) -> u64 {
        crate::num::count(self.schedule.len()) + u64::from(self.next.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::curve::tests::load;
    use crate::plan::Span;

    /// Ten events a second for one second, from t = 1000 s on: at 50 ms, 150 ms, …
    fn pacer() -> Pacer {
        let load = load(10.0, Span::default(), Span::seconds(1));
        Pacer::new(Schedule::new(&load, 0, &[1.0], 0), 1_000_000_000_000)
    }

    fn ms(ms: u64) -> Ns {
        1_000_000_000_000 + ms * 1_000_000
    }

    #[test]
    fn an_event_is_sent_when_due_and_not_before() {
        let mut pacer = pacer();
        assert_eq!(pacer.step(0), Pace::Wait(ms(50)));
        assert_eq!(pacer.step(ms(50) - 1), Pace::Wait(ms(50)));
        assert_eq!(pacer.step(ms(50)), Pace::Send(Due { at: ms(50), index: 0 }));
        assert_eq!(pacer.step(ms(50)), Pace::Wait(ms(150)));
        assert_eq!(pacer.left(), 9);
    }

    #[test]
    fn after_a_stall_every_late_event_is_sent_with_its_intended_time() {
        let mut pacer = pacer();
        let now = ms(420);
        let mut sent = Vec::new();
        let wait = loop {
            match pacer.step(now) {
                Pace::Send(due) => sent.push(due),
                other => break other,
            }
        };
        let intended: Vec<Due> =
            [(50, 0), (150, 1), (250, 2), (350, 3)].map(|(at, index)| Due { at: ms(at), index }).into();
        assert_eq!((sent, wait), (intended, Pace::Wait(ms(450))));
    }

    #[test]
    fn the_end_is_the_end() {
        let mut pacer = pacer();
        let sent = std::iter::from_fn(|| match pacer.step(Ns::MAX) {
            Pace::Send(due) => Some(due),
            Pace::Wait(_) | Pace::Done => None,
        });
        assert_eq!(sent.count(), 10);
        assert_eq!((pacer.step(0), pacer.left()), (Pace::Done, 0));
    }
}
