//! Sessions and pairs of runs in worlds whose truth is known: how often is a check wrong, and how soon is it right?

use std::collections::BTreeMap;

use super::*;
use crate::num;
use crate::stats::{Found, Looks, Random};

const METRIC: &str = "latency.p99";

/// Runs of a bus: ln figure = session + drift within the session + run + freak.
#[derive(Debug, Clone, Copy)]
pub(super) struct World {
    /// Deviation of runs.
    pub(super) sd: f64,
    /// Deviation of sessions.
    pub(super) tau: f64,
    /// Deviation of a drift within a session, relative to that of runs; it decays by a fifth with each run.
    pub(super) drift: f64,
    /// Share of runs that are far off.
    pub(super) freaks: f64,
}

impl World {
    pub(super) const PLAIN: Self = Self { sd: 0.05, tau: 0.03, drift: 0.5, freaks: 0.03 };

    fn runs(self, random: &mut Random, count: u32, level: f64) -> Vec<f64> {
        let mut drift = self.drift * self.sd * random.normal();
        let mut one = || {
            let freak = if random.uniform() < self.freaks { (0.4 * random.normal()).abs() } else { 0.0 };
            let value = level + drift + self.sd * random.normal() + freak;
            drift = 0.8 * drift + 0.6 * self.drift * self.sd * random.normal();
            value
        };
        (0..count).map(|_| one()).collect()
    }

    /// A session of a bus whose figures are higher by `change`.
    pub(super) fn session(self, random: &mut Random, count: u32, change: f64) -> Session {
        let level = self.tau * random.normal() + f64::ln_1p(change);
        let runs = self.runs(random, count, level);
        let of = |run: f64| BTreeMap::from([(METRIC.to_owned(), (15.0 + run).exp())]);
        Session { runs: runs.into_iter().map(of).collect(), ..Session::default() }
    }

    /// The differences of pairs in turns: both runs of a pair are neighbours in one session.
    fn pairs(self, random: &mut Random, count: u32, change: f64) -> Vec<f64> {
        let runs = self.runs(random, 2 * count, 0.0);
        let mut first_is_old = true;
        (0_u32..)
            .zip(runs.chunks_exact(2))
            .map(|(at, two)| {
                first_is_old = if at % 2 == 0 { random.uniform() < 0.5 } else { !first_is_old };
                let difference = if first_is_old { two[1] - two[0] } else { two[0] - two[1] };
                difference + f64::ln_1p(change)
            })
            .collect()
    }

    fn alarms(self, looks: &Looks, change: f64, seed: u64, times: u32) -> f64 {
        let mut random = Random::new(seed);
        let alarms = (0..times).filter(|_| self.confirms(looks, &mut random, change)).count();
        share(alarms, times)
    }

    fn confirms(self, looks: &Looks, random: &mut Random, change: f64) -> bool {
        looks.see(&self.pairs(random, 16, change), f64::ln_1p(0.05)).1 == Found::Above
    }

    /// The nights with an alarm, on one baseline.
    fn nights(self, random: &mut Random, sessions: u32, nights: u32, change: f64) -> Vec<bool> {
        let looks = Looks::of(0.025).unwrap();
        let past: Vec<Session> = (0..sessions).map(|_| self.session(random, 3, 0.0)).collect();
        let mut night = || {
            let fresh = self.session(random, 3, change);
            glance(&past, &fresh, METRIC).unwrap().is_suspicious() && self.confirms(&looks, random, change)
        };
        (0..nights).map(|_| night()).collect()
    }
}

fn share(count: usize, of: u32) -> f64 {
    num::f64_of(num::count(count)) / f64::from(of)
}

/// The second stage alone: false alarms at most 2.5 % and three standard errors, and the power of the design's table 6 within
/// three points (and three standard errors).
fn second_stage(times: u32) {
    let looks = Looks::of(0.025).unwrap();
    for (sd, ten, twenty) in
        [(0.04, 0.973, 0.993), (0.07, 0.844, 0.993), (0.10, 0.599, 0.975), (0.15, 0.328, 0.811)]
    {
        let world = World { sd, tau: 0.05, ..World::PLAIN };
        let error = |p: f64| 3.0 * (p * (1.0 - p) / f64::from(times)).sqrt();
        let falsely = world.alarms(&looks, 0.0, 5, times);
        assert!(falsely <= 0.025 + error(0.025), "sd {sd}: {falsely}");
        for (change, power) in [(0.10, ten), (0.20, twenty)] {
            let found = world.alarms(&looks, change, 6, times);
            assert!(
                (found - power).abs() <= 0.03 + error(power),
                "sd {sd}, {change}: {found}, expected {power}"
            );
        }
    }
}

#[test]
fn the_second_stage_keeps_its_level_and_its_power() {
    second_stage(600);
}

#[test]
#[ignore = "takes minutes: `make baselines` runs it, and the suite a short form"]
fn the_second_stage_keeps_its_level_and_its_power_in_many_replays() {
    second_stage(20_000);
}

/// Both stages: at most 0.8 % of nights without a change alarm, and +10 % is found within five nights in at least 90 % of the
/// baselines at a deviation of 4 %.
fn both_stages(baselines: u32) {
    for (sd, tau) in [(0.04, 0.03), (0.07, 0.05), (0.10, 0.05), (0.15, 0.08)] {
        let world = World { sd, tau, ..World::PLAIN };
        let mut random = Random::new(8);
        let mut alarms = 0;
        for _ in 0..baselines {
            alarms += world.nights(&mut random, 10, 25, 0.0).into_iter().filter(|alarm| *alarm).count();
        }
        let nights = f64::from(baselines * 25);
        let error = 3.0 * (0.008_f64 * 0.992 / nights).sqrt();
        let falsely = num::f64_of(num::count(alarms)) / nights;
        assert!(falsely <= 0.008 + error, "sd {sd}: {falsely}");
    }
    let world = World { sd: 0.04, ..World::PLAIN };
    let mut random = Random::new(9);
    let found = (0..baselines).filter(|_| world.nights(&mut random, 10, 5, 0.10).contains(&true)).count();
    assert!(share(found, baselines) >= 0.90, "{found} of {baselines}");
}

#[test]
fn two_stages_alarm_seldom_and_find_a_change_within_five_nights() {
    both_stages(100);
}

#[test]
#[ignore = "takes minutes: `make baselines` runs it, and the suite a short form"]
fn two_stages_alarm_seldom_and_find_a_change_within_five_nights_in_many_replays() {
    both_stages(2000);
}

/// A year on one baseline.
#[test]
fn a_year_without_a_change_has_three_false_alarms_at_most() {
    for seed in 1..=4 {
        let world = World { sd: 0.05, tau: 0.03, ..World::PLAIN };
        let alarms = world.nights(&mut Random::new(seed), 10, 250, 0.0);
        let alarms = alarms.into_iter().filter(|alarm| *alarm).count();
        assert!(alarms <= 3, "seed {seed}: {alarms}");
    }
}

/// What a baseline says that it can see is what it sees in four of five times.
#[test]
fn the_smallest_visible_change_is_found_in_four_of_five_times() {
    let looks = Looks::of(0.025).unwrap();
    for sd in [0.04, 0.08] {
        let world = World { sd, drift: 0.0, ..World::PLAIN };
        let noise = Noise { sessions: 10, runs: 30, within: sd, between: 0.0 };
        let visible = noise.smallest_visible(&looks, 16, 0.05);
        let found = world.alarms(&looks, visible, 4, 800);
        assert!((0.70..0.90).contains(&found), "sd {sd}: {visible} is found in {found}");
    }
}

/// What `choose` foretells is what happens, in a world that drifts as well.
#[test]
fn the_forecast_is_near_the_truth() {
    let noise = Noise { sessions: 10, runs: 30, within: 0.07, between: 0.05 };
    let forecast = choose(&[noise], 3, 5.0, 0.05).unwrap();
    // Table 6 of the design: 52 % of nights, 96 % within five, 0.9 false alarms a year.
    assert!((forecast.seen - 0.52).abs() < 0.08, "{forecast:?}");
    assert!((forecast.within_five - 0.96).abs() < 0.05, "{forecast:?}");
    assert!((0.3..2.2).contains(&forecast.false_alarms), "{forecast:?}");
}
