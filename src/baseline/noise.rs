//! How much the runs of a baseline vary, and the smallest change that it can see.

use super::session::Session;
use crate::num;
use crate::stats::{self, Looks};

/// Runs further from their session's median than this many standard deviations are moved to that distance: a rare freak says
/// nothing about the others, and the tests are hardly moved by it.
const CLAMP: f64 = 3.0;
/// The median distance of two draws from a normal, in standard deviations: √2 · 0.6745.
const MEDIAN_DISTANCE: f64 = 0.953_872_552_417;
/// The efficiency of the second stage relative to a z test on normal differences. That of the signed-rank test is 3 / π; 3 % of
/// freak runs and the end after an early look cost the rest, as simulations show (`worlds`).
const EFFICIENCY: f64 = 0.70;
/// The power with which a change counts as visible.
const POWER: f64 = 0.8;
/// A metric decides if the smallest change that it can see is at most this.
pub const LARGEST_VISIBLE: f64 = 0.20;

/// The noise of one metric, in logarithms: 0.05 is about 5 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// Sessions that have the metric.
    pub sessions: u32,
    /// Runs that have it.
    pub runs: u32,
    /// Standard deviation of the runs of a session.
    pub within: f64,
    /// Standard deviation of the sessions, beyond what their runs explain.
    pub between: f64,
}

impl Noise {
    /// The noise of a metric; `None` for fewer than two sessions with several runs.
    #[must_use]
    pub fn of(sessions: &[Session], metric: &str) -> Option<Self> {
        let logs: Vec<Vec<f64>> = sessions.iter().map(|session| session.logs(metric)).collect();
        let logs: Vec<Vec<f64>> = logs.into_iter().filter(|logs| !logs.is_empty()).collect();
        let clamped = clamped(&logs);
        let components = stats::components(&clamped)?;
        Some(Self {
            sessions: num::count32(logs.len()),
            runs: num::count32(logs.iter().map(Vec::len).sum()),
            within: components.within.sqrt(),
            between: components.between.sqrt(),
        })
    }

    /// The smallest relative change that pairs of runs find with a power of 80 %: at the last look of one of this many tests,
    /// and at least as large as what counts.
    #[must_use]
    pub fn smallest_visible(&self, looks: &Looks, pairs: u32, least: f64) -> f64 {
        let level = looks.level(pairs).unwrap_or(1e-9);
        let error = self.within * (2.0 / (EFFICIENCY * f64::from(pairs))).sqrt();
        let reach = stats::normal_quantile(1.0 - POWER) * error;
        let sure = stats::normal_quantile(level) * error + reach;
        sure.max(least.ln_1p() + reach).exp_m1()
    }
}

/// The values of each group, with freaks moved nearer.
fn clamped(groups: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let distances: Vec<f64> = groups
        .iter()
        .flat_map(|group| {
            let pairs =
                group.iter().enumerate().flat_map(|(at, a)| group[at + 1..].iter().map(move |b| (a, b)));
            pairs.map(|(a, b)| (a - b).abs()).collect::<Vec<_>>()
        })
        .collect();
    let most = CLAMP * stats::median(&distances).unwrap_or(0.0) / MEDIAN_DISTANCE;
    let near = |group: &Vec<f64>| {
        let middle = stats::median(group).unwrap_or(0.0);
        group.iter().map(|value| value.clamp(middle - most, middle + most)).collect()
    };
    groups.iter().map(near).collect()
}

#[cfg(test)]
mod tests {
    use super::super::worlds::World;
    use super::*;
    use crate::stats::Random;

    fn noise(world: World, sessions: u32, seed: u64) -> Noise {
        let mut random = Random::new(seed);
        let past: Vec<Session> = (0..sessions).map(|_| world.session(&mut random, 3, 0.0)).collect();
        Noise::of(&past, "latency.p99").unwrap()
    }

    #[test]
    fn the_noise_of_a_world_is_found_again_in_spite_of_its_freaks() {
        let world = World { sd: 0.05, tau: 0.06, drift: 0.0, ..World::PLAIN };
        let mean =
            |of: fn(&Noise) -> f64| (1..=40).map(|seed| of(&noise(world, 10, seed))).sum::<f64>() / 40.0;
        let (within, between) = (mean(|noise| noise.within), mean(|noise| noise.between));
        assert!((0.045..0.062).contains(&within), "{within}");
        assert!((0.04..0.075).contains(&between), "{between}");
    }

    #[test]
    fn one_session_and_single_runs_say_nothing() {
        let mut random = Random::new(1);
        let mut past = vec![World::PLAIN.session(&mut random, 3, 0.0)];
        assert_eq!(Noise::of(&past, "latency.p99"), None);
        past.push(World::PLAIN.session(&mut random, 3, 0.0));
        assert!(Noise::of(&past, "latency.p99").is_some());
        assert_eq!(Noise::of(&past, "broker.cpu"), None);
        let single: Vec<Session> = (0..9).map(|_| World::PLAIN.session(&mut random, 1, 0.0)).collect();
        assert_eq!(Noise::of(&single, "latency.p99"), None);
    }

    #[test]
    fn the_smallest_visible_change_grows_with_the_noise_and_is_never_below_what_counts() {
        let looks = Looks::of(0.025).unwrap();
        let at = |within: f64| {
            Noise { sessions: 10, runs: 30, within, between: 0.05 }.smallest_visible(&looks, 16, 0.05)
        };
        assert!(at(0.0) >= 0.05 && at(0.0) < 0.0501);
        assert!(at(0.04) < at(0.07) && at(0.07) < at(0.15));
        // p99 with a spread of 33 % cannot decide, the CPU with 5 % can.
        assert!(at(0.33) > LARGEST_VISIBLE && at(0.05) < LARGEST_VISIBLE / 2.0, "{} {}", at(0.33), at(0.05));
        let noise = Noise { sessions: 10, runs: 30, within: 0.07, between: 0.0 };
        assert!(noise.smallest_visible(&looks.among(3), 16, 0.05) > at(0.07));
    }
}
