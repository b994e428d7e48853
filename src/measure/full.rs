//! How long a window was full, from the times at which events are sent and answered.

use crate::plan::Ns;

/// The time in which a generator had as many events open as its window allows, or more, which then wait in its buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullWindow {
    window: usize,
    from: Ns,
    until: Ns,
    since: Option<Ns>,
    full_ns: Ns,
}

impl FullWindow {
    /// A window of so many events, watched over a phase.
    #[must_use]
    pub fn new(window: usize, from: Ns, until: Ns) -> Self {
        Self { window: window.max(1), from, until: until.max(from), since: None, full_ns: 0 }
    }

    /// `open` events are open once one was sent.
    #[inline]
    pub const fn sent(&mut self, open: usize, at: Ns) {
        if open >= self.window && self.since.is_none() {
            self.since = Some(at);
        }
    }

    /// `open` events are open once one was answered.
    #[inline]
    pub fn answered(&mut self, open: usize, at: Ns) {
        if open < self.window
            && let Some(since) = self.since.take()
        {
            self.add(since, at);
        }
    }

    /// The load ended early: the phase is over.
    pub fn ended(&mut self, at: Ns) {
        self.until = self.until.min(at).max(self.from);
    }

    fn add(&mut self, since: Ns, at: Ns) {
        let within = |time: Ns| time.clamp(self.from, self.until);
        self.full_ns += within(at).saturating_sub(within(since));
    }

    /// Time in the phase in which the window was full; one that is still full was so to the end.
    #[must_use]
    pub fn full_ns(mut self) -> Ns {
        if let Some(since) = self.since.take() {
            self.add(since, self.until);
        }
        self.full_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_window_is_full_from_its_last_place_to_the_next_answer() {
        let mut window = FullWindow::new(2, 100, 200);
        window.sent(1, 110);
        window.sent(2, 120);
        // It stays full while others wait.
        window.sent(3, 125);
        window.answered(2, 130);
        window.answered(1, 140);
        assert_eq!(window.clone().full_ns(), 20);
        window.sent(2, 190);
        assert_eq!(window.clone().full_ns(), 30, "to the end of the phase");
        window.answered(1, 260);
        assert_eq!(window.full_ns(), 30);
        let mut before = FullWindow::new(1, 100, 200);
        before.sent(1, 50);
        before.answered(0, 90);
        before.sent(1, 95);
        before.ended(150);
        assert_eq!(before.full_ns(), 50, "the load ended early");
        assert_eq!(FullWindow::new(0, 5, 1).full_ns(), 0);
    }

    proptest! {
        #[test]
        fn it_is_the_time_at_which_each_moment_finds_it_full(
            window in 1_usize..5, changes in prop::collection::vec((any::<bool>(), 0_u64..20), 0..60),
        ) {
            let (mut full, mut open, mut now) = (FullWindow::new(window, 50, 300), 0_usize, 0);
            let mut expected = 0;
            for (sends, pause) in changes {
                let was_full = open >= window;
                expected += (now..now + pause).filter(|at| was_full && (50..300).contains(at)).count();
                now += pause;
                if sends {
                    open += 1;
                    full.sent(open, now);
                } else if open > 0 {
                    open -= 1;
                    full.answered(open, now);
                }
            }
            expected += (now..300).filter(|at| open >= window && *at >= 50).count();
            prop_assert_eq!(full.full_ns(), u64::try_from(expected).unwrap());
        }
    }
}
