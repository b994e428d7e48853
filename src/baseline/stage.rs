//! The first stage of a check: does a fresh session look like one of the baseline's?

use super::session::{Session, USABLE};
use crate::num;
use crate::stats;

/// Above this p a session shows no sign of a change. A weak limit: four of five good nights end here, and a suspicion is only the
/// reason to look closer.
pub const SUSPICIOUS: f64 = 0.20;

/// A metric of a fresh session against the sessions of a baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Glance {
    /// Sessions of the baseline that have the metric.
    pub sessions: u32,
    /// The fresh median over the geometric mean of the sessions' medians.
    pub ratio: f64,
    /// Student's t of a new observation.
    pub t: f64,
    /// One-sided p of "higher than the baseline's sessions".
    pub p: f64,
}

impl Glance {
    /// Does it call for a closer look?
    #[must_use]
    pub fn is_suspicious(&self) -> bool {
        self.p <= SUSPICIOUS
    }
}

/// Compares the median of a fresh session with the medians of the baseline's sessions. `None` if too few sessions have the metric,
/// or the fresh one has it not.
#[must_use]
pub fn glance(past: &[Session], fresh: &Session, metric: &str) -> Option<Glance> {
    let medians: Vec<f64> = past.iter().filter_map(|session| session.median(metric)).collect();
    against(&medians, fresh.median(metric)?)
}

/// A new median against those of the sessions, by the t of a new observation (v − mean) / (s·√(1 + 1/S)) with S − 1 degrees of
/// freedom: the session is the unit, however many runs it has.
pub(super) fn against(medians: &[f64], value: f64) -> Option<Glance> {
    if medians.len() < USABLE {
        return None;
    }
    let count = num::f64_of(num::count(medians.len()));
    let mean = medians.iter().sum::<f64>() / count;
    let variance = medians.iter().map(|median| (median - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let error = (variance * (1.0 + 1.0 / count)).sqrt();
    let off = value - mean;
    let t = if off.abs() < 1e-12 { 0.0 } else { off / error };
    Some(Glance {
        sessions: num::count32(medians.len()),
        ratio: off.exp(),
        t,
        p: stats::student_above(t, count - 1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::super::worlds::World;
    use super::*;
    use crate::stats::Random;

    fn session(value: f64) -> Session {
        let run = |value: f64| [("latency.p99".to_owned(), value)].into();
        Session { runs: vec![run(value), run(value * 0.9), run(value * 1.1)], ..Session::default() }
    }

    #[test]
    fn a_session_in_the_middle_is_no_sign_and_one_far_above_is() {
        let past: Vec<Session> = [98.0, 99.0, 100.0, 101.0, 102.0].map(session).to_vec();
        let at = |value: f64| glance(&past, &session(value), "latency.p99").unwrap();
        assert!((at(100.0).p - 0.5).abs() < 0.01 && !at(100.0).is_suspicious());
        assert!(at(110.0).is_suspicious() && at(110.0).p < 0.01 && at(110.0).ratio > 1.09);
        assert!(at(90.0).p > 0.99, "better is no suspicion");
    }

    #[test]
    fn a_young_baseline_and_a_metric_without_figures_give_no_answer() {
        let past: Vec<Session> = [98.0, 99.0, 100.0, 101.0].map(session).to_vec();
        assert_eq!(glance(&past, &session(100.0), "latency.p99"), None);
        let past: Vec<Session> = [98.0; 6].map(session).to_vec();
        assert_eq!(glance(&past, &session(100.0), "broker.cpu"), None);
        // Sessions that are all alike leave no room for chance.
        assert!(glance(&past, &session(98.1), "latency.p99").unwrap().p < 1e-6);
        assert!((glance(&past, &session(98.0), "latency.p99").unwrap().p - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_fifth_of_good_sessions_is_suspicious_however_much_sessions_differ() {
        for tau in [0.0, 0.03, 0.06] {
            let world = World { sd: 0.05, tau, ..World::PLAIN };
            let mut random = Random::new(3);
            let times = 1500_u32;
            let suspicious = (0..times).filter(|_| {
                let past: Vec<Session> = (0..8).map(|_| world.session(&mut random, 3, 0.0)).collect();
                let fresh = world.session(&mut random, 3, 0.0);
                glance(&past, &fresh, "latency.p99").is_some_and(|glance| glance.is_suspicious())
            });
            let share = num::f64_of(num::count(suspicious.count())) / f64::from(times);
            assert!((0.165..0.235).contains(&share), "tau {tau}: {share}");
        }
    }
}
