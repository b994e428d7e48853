//! A session: the runs of one sitting, which share what the machine was like that day.

use std::collections::BTreeMap;

use crate::compare::{self, Unit};
use crate::stats;

/// The runs of one sitting of one machine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// Start of its first run, RFC 3339, UTC.
    pub at: String,
    /// The figures of each run that was fit, by metric.
    pub runs: Vec<BTreeMap<String, f64>>,
    /// Events lost, corrupted, stored twice or delivered out of order in all its runs.
    pub faults: u64,
}

impl Session {
    /// The logarithms of a metric's figures, by which ratios are differences.
    #[must_use]
    pub fn logs(&self, metric: &str) -> Vec<f64> {
        self.runs.iter().filter_map(|run| log(metric, *run.get(metric)?)).collect()
    }

    /// The median of the logarithms.
    #[must_use]
    pub fn median(&self, metric: &str) -> Option<f64> {
        stats::median(&self.logs(metric))
    }

    /// The day on which it began.
    #[must_use]
    pub fn day(&self) -> &str {
        self.at.get(..10).unwrap_or(&self.at)
    }
}

/// The logarithm of a figure; counts of events, which may be 0, are increased by one as in a comparison. `None` for what has no
/// logarithm.
#[must_use]
pub fn log(metric: &str, figure: f64) -> Option<f64> {
    let counts = compare::named(metric).is_some_and(|metric| metric.unit == Unit::Events);
    let figure = if counts { figure + 1.0 } else { figure };
    (figure.is_finite() && figure > 0.0).then(|| figure.ln())
}

/// How far a baseline has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// No session, or too few to know how much sessions differ: a check compares pairs of runs at once.
    Young,
    /// Enough sessions for a first look.
    Usable,
    /// Many sessions, on several days.
    Good,
}

/// Sessions of a usable baseline.
pub const USABLE: usize = 5;
/// Sessions of a good one.
const GOOD: usize = 10;
/// Days of a good one.
const DAYS: usize = 3;

impl State {
    /// The state of a baseline with these sessions.
    #[must_use]
    pub fn of(sessions: &[Session]) -> Self {
        let mut days: Vec<&str> = sessions.iter().map(Session::day).collect();
        days.sort_unstable();
        days.dedup();
        match sessions.len() {
            n if n < USABLE => Self::Young,
            n if n < GOOD || days.len() < DAYS => Self::Usable,
            _ => Self::Good,
        }
    }

    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Young => "young",
            Self::Usable => "usable",
            Self::Good => "good",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(days: &[u32]) -> Vec<Session> {
        let of = |day: &u32| Session { at: format!("2026-11-{day:02}T02:00:00Z"), ..Session::default() };
        days.iter().map(of).collect()
    }

    #[test]
    fn a_baseline_grows_by_sessions_and_days() {
        assert_eq!(State::of(&sessions(&[])), State::Young);
        assert_eq!(State::of(&sessions(&[1, 2, 3, 4])), State::Young);
        assert_eq!(State::of(&sessions(&[1, 2, 3, 4, 5])), State::Usable);
        assert_eq!(State::of(&sessions(&[1; 30])), State::Usable, "one day is one day");
        assert_eq!(State::of(&sessions(&[1, 1, 1, 1, 2, 2, 2, 3, 3, 3])), State::Good);
    }

    #[test]
    fn figures_become_logarithms_where_they_have_one() {
        let run = |metric: &str, figure: f64| BTreeMap::from([(metric.to_owned(), figure)]);
        let of = |metric: &str, figures: &[f64]| {
            Session { runs: figures.iter().map(|f| run(metric, *f)).collect(), ..Session::default() }
                .logs(metric)
        };
        assert_eq!(of("latency.p99", &[1.0, 0.0, f64::NAN, -3.0]), [0.0]);
        assert_eq!(of("backlog.max", &[0.0, 1.0]), [0.0, 2.0_f64.ln()]);
        assert_eq!(Session::default().median("latency.p99"), None);
    }
}
