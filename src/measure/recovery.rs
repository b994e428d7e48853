//! When all is normal again after a fault: not with the first success, but from the first instant with 5 s of nothing but
//! normal windows, so that a bus that goes up and down has not recovered.

use super::outage::WINDOW_NS;
use crate::num;
use crate::plan::Ns;

/// How long all must be normal.
const CALM_NS: u64 = 5_000_000_000;

/// How a recovery went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// All was normal again so long after the start of the fault.
    After(u64),
    /// Not before it had to be.
    Not,
    /// Fewer than 5 s were left to observe.
    TooShort,
}

/// The times of a fault, since the start of the measure phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// Its planned start.
    pub at: Ns,
    /// Until when all must be normal again.
    pub settled: Ns,
    /// The end of the observation: the next fault, or the end of the phase.
    pub until: Ns,
}

/// How the bus recovered from a fault, by whether each window was normal. Trouble that begins late is waited for: the search
/// starts with the first abnormal window of the fault.
#[must_use]
pub fn recovery(normal: &[bool], fault: Watched) -> Recovery {
    // Whole windows only: a part of one says little.
    let end = fault.until / WINDOW_NS;
    let abnormal = |from: Ns, until: Ns| {
        let windows = from / WINDOW_NS..until.div_ceil(WINDOW_NS).min(end);
        windows.into_iter().find(|&window| normal.get(num::index(window)) == Some(&false))
    };
    let calm = |from: Ns| from.saturating_add(CALM_NS);
    let Some(first) = abnormal(fault.at, fault.settled.max(calm(fault.at))) else {
        return if calm(fault.at) <= fault.until { Recovery::After(0) } else { Recovery::TooShort };
    };
    let mut from = (first + 1) * WINDOW_NS;
    while let Some(window) = abnormal(from, calm(from)) {
        from = (window + 1) * WINDOW_NS;
    }
    if from > fault.settled {
        Recovery::Not
    } else if calm(from) > fault.until {
        Recovery::TooShort
    } else {
        Recovery::After(from - fault.at)
    }
}

/// Marks the windows in which a group's backlog exceeds its largest one before `first`, the start of the first fault.
pub fn mark_backlog(normal: &mut [bool], backlog: &[u32], first: Ns) {
    let before = num::index(first / WINDOW_NS);
    let Some(most) = backlog.iter().take(before).max() else { return };
    for (normal, level) in normal.iter_mut().zip(backlog) {
        *normal &= level <= most;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Ns = 1_000_000_000;

    /// A phase of 60 s with these abnormal stretches, in windows.
    fn normal(abnormal: &[(usize, usize)]) -> Vec<bool> {
        let mut normal = vec![true; 600];
        for &(from, until) in abnormal {
            normal[from..until].fill(false);
        }
        normal
    }

    /// A fault at 10 s that must be settled 15 s later.
    const FAULT: Watched = Watched { at: 10 * SECOND, settled: 25 * SECOND, until: 60 * SECOND };

    fn of(abnormal: &[(usize, usize)]) -> Recovery {
        recovery(&normal(abnormal), FAULT)
    }

    #[test]
    fn it_is_the_time_to_the_first_of_five_normal_seconds() {
        assert_eq!(of(&[]), Recovery::After(0));
        assert_eq!(of(&[(100, 137)]), Recovery::After(3_700_000_000));
        assert_eq!(
            of(&[(0, 99), (104, 137)]),
            Recovery::After(3_700_000_000),
            "what was before is not its own"
        );
        assert_eq!(of(&[(99, 101)]), Recovery::After(100_000_000));
    }

    #[test]
    fn a_bus_that_goes_up_and_down_has_not_recovered() {
        let flaps: Vec<(usize, usize)> = (0..10).map(|n| (100 + n * 10, 105 + n * 10)).collect();
        assert_eq!(of(&flaps), Recovery::After(9_500_000_000));
        let forever: Vec<(usize, usize)> = (0..45).map(|n| (100 + n * 10, 101 + n * 10)).collect();
        assert_eq!(of(&forever), Recovery::Not);
        assert_eq!(of(&[(100, 101), (150, 151)]), Recovery::After(5_100_000_000), "4.9 s are too few");
        assert_eq!(of(&[(100, 101), (151, 152)]), Recovery::After(100_000_000), "5 s are enough");
    }

    #[test]
    fn trouble_that_begins_late_is_waited_for() {
        assert_eq!(of(&[(190, 200)]), Recovery::After(10 * SECOND));
        assert_eq!(of(&[(260, 270)]), Recovery::After(0), "beyond what the fault may disturb");
    }

    #[test]
    fn it_has_a_deadline_and_needs_time_to_be_seen() {
        assert_eq!(of(&[(100, 250)]), Recovery::After(15 * SECOND));
        assert_eq!(of(&[(100, 251)]), Recovery::Not);
        let until = |until: Ns, abnormal: &[(usize, usize)]| {
            recovery(&normal(abnormal), Watched { until: until * SECOND, ..FAULT })
        };
        assert_eq!(until(25, &[(100, 200)]), Recovery::After(10 * SECOND));
        assert_eq!(until(25, &[(100, 201)]), Recovery::TooShort);
        assert_eq!(until(25, &[(100, 250)]), Recovery::TooShort);
        assert_eq!(until(14, &[]), Recovery::TooShort);
        assert_eq!(
            until(25, &[(100, 200), (250, 260)]),
            Recovery::After(10 * SECOND),
            "the next fault's own"
        );
        let soon = Watched { settled: 12 * SECOND, ..FAULT };
        assert_eq!(recovery(&normal(&[(130, 140)]), soon), Recovery::Not, "normal for less than 5 s");
    }

    #[test]
    fn a_fault_between_two_edges_counts_its_first_window() {
        let fault = Watched { at: 10_050_000_000, ..FAULT };
        assert_eq!(recovery(&normal(&[(100, 110)]), fault), Recovery::After(950_000_000));
    }

    #[test]
    fn a_backlog_is_abnormal_above_the_largest_before_the_faults() {
        let backlog: Vec<u32> = (0..600).map(|n| if (110..300).contains(&n) { 6 } else { n % 6 }).collect();
        let mut windows = normal(&[]);
        mark_backlog(&mut windows, &backlog, 10 * SECOND);
        assert_eq!(windows, normal(&[(110, 300)]));
        let mut unknown = normal(&[]);
        mark_backlog(&mut unknown, &backlog, SECOND / 100);
        assert_eq!(unknown, normal(&[]), "nothing was before");
    }
}
