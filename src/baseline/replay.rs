//! What a check will do at this baseline's noise: seeded replays of both stages, without a bus.

use super::noise::Noise;
use super::session::USABLE;
use super::stage;
use crate::num;
use crate::stats::{self, Found, Looks, Random};

/// Nights of a year with a check.
pub const NIGHTS: f64 = 250.0;
/// The change whose detection is foretold.
pub const CHANGE: f64 = 0.10;
/// Nights within which a change that stays should be found.
const FIVE: u32 = 5;
/// Numbers of fresh runs to choose from.
const FRESH: [u32; 3] = [3, 5, 7];
/// A share of changes found within five nights that needs no more fresh runs.
const ENOUGH: f64 = 0.90;
/// Share of runs that are far off for no reason, whether or not the baseline has seen one.
const FREAKS: f64 = 0.03;
/// How far: the deviation of their logarithm.
const FREAK_SIZE: f64 = 0.4;
/// Replays of each stage.
const TIMES: u32 = 2000;

/// How a check is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    /// Fresh runs of the first stage.
    pub fresh: u32,
    /// Probability of a false alarm of the second stage, of all metrics together.
    pub total: f64,
}

/// What to expect of a setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// The setting.
    pub setting: Setting,
    /// False alarms in 250 nights without a change.
    pub false_alarms: f64,
    /// Share of nights in which +10 % of a metric is found.
    pub seen: f64,
    /// Share of such changes that are found within five nights.
    pub within_five: f64,
    /// Mean number of runs a night without a change.
    pub runs: f64,
}

/// Why no setting does what is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TooNoisy {
    /// The fewest false alarms in 250 nights of any setting.
    pub fewest: f64,
}

/// The setting with at most this many false alarms in 250 nights that finds most changes: the larger total that keeps it, and the
/// fewest fresh runs that find nine of ten changes within five nights.
///
/// # Errors
/// When every setting has more false alarms.
pub fn choose(noises: &[Noise], runs: u32, most: f64, least: f64) -> Result<Forecast, TooNoisy> {
    let mut fewest = f64::INFINITY;
    let mut found: Option<Forecast> = None;
    for total in Looks::totals() {
        let Some(looks) = Looks::of(total) else { continue };
        let looks = looks.among(num::count32(noises.len()));
        let pairs: Vec<Confirmed> = noises.iter().map(|noise| Confirmed::of(noise, &looks, least)).collect();
        for fresh in FRESH {
            let forecast = forecast(noises, &pairs, runs, Setting { fresh, total });
            fewest = fewest.min(forecast.false_alarms);
            let more = found.is_none_or(|found| {
                found.setting.total <= total + 1e-12
                    && found.within_five < ENOUGH
                    && forecast.within_five > found.within_five + 0.01
            });
            if forecast.false_alarms <= most && more {
                found = Some(forecast);
            }
        }
        if found.is_some() {
            break;
        }
    }
    found.ok_or(TooNoisy { fewest })
}

/// What the second stage says of a metric, as shares of the times when it is reached.
#[derive(Debug, Clone, Copy)]
struct Confirmed {
    falsely: f64,
    rightly: f64,
    /// Mean number of pairs without a change.
    pairs: f64,
}

impl Confirmed {
    fn of(noise: &Noise, looks: &Looks, least: f64) -> Self {
        let mut random = Random::new(1);
        let mut replay = |change: f64| {
            let (mut alarms, mut pairs) = (0_u32, 0_u32);
            for _ in 0..TIMES {
                let of_pair = |random: &mut Random| run(noise, random) - run(noise, random) + change.ln_1p();
                let differences: Vec<f64> = (0..16).map(|_| of_pair(&mut random)).collect();
                let (seen, found) = looks.see(&differences, least.ln_1p());
                alarms += u32::from(found == Found::Above);
                pairs += seen.last().map_or(0, |look| look.pairs);
            }
            (f64::from(alarms) / f64::from(TIMES), f64::from(pairs) / f64::from(TIMES))
        };
        let (falsely, pairs) = replay(0.0);
        let (rightly, _) = replay(CHANGE);
        Self { falsely, rightly, pairs }
    }
}

/// A run of a session whose own level is 0.
fn run(noise: &Noise, random: &mut Random) -> f64 {
    let freak = if random.uniform() < FREAKS { (FREAK_SIZE * random.normal()).abs() } else { 0.0 };
    noise.within * random.normal() + freak
}

/// The median of a session.
fn session(noise: &Noise, random: &mut Random, runs: u32) -> f64 {
    let level = noise.between * random.normal();
    let runs: Vec<f64> = (0..runs).map(|_| run(noise, random)).collect();
    level + stats::median(&runs).unwrap_or(0.0)
}

fn forecast(noises: &[Noise], pairs: &[Confirmed], runs: u32, setting: Setting) -> Forecast {
    let mut calm = 1.0;
    let (mut false_alarms, mut seen, mut within_five, mut most_pairs) = (0.0, 1.0_f64, 1.0_f64, 0.0_f64);
    for (noise, confirmed) in noises.iter().zip(pairs) {
        let glanced = Glanced::of(noise, runs, setting.fresh, confirmed.rightly);
        calm *= 1.0 - glanced.falsely;
        false_alarms += confirmed.falsely;
        // The metric that sees least.
        seen = seen.min(glanced.rightly * confirmed.rightly);
        within_five = within_five.min(glanced.within_five);
        most_pairs = most_pairs.max(confirmed.pairs);
    }
    let suspicious = 1.0 - calm;
    Forecast {
        setting,
        false_alarms: NIGHTS * suspicious * false_alarms,
        seen,
        within_five,
        runs: f64::from(setting.fresh) + suspicious * 2.0 * most_pairs,
    }
}

/// What the first stage says of a metric.
struct Glanced {
    falsely: f64,
    rightly: f64,
    within_five: f64,
}

impl Glanced {
    fn of(noise: &Noise, runs: u32, fresh: u32, confirmed: f64) -> Self {
        let mut random = Random::new(2);
        let sessions = noise.sessions.max(num::count32(USABLE));
        let (mut falsely, mut rightly, mut within_five) = (0_u32, 0_u32, 0.0);
        let mut nights = 0_u32;
        for _ in 0..TIMES / 4 {
            // One baseline for five nights: what it has by chance, it has on all of them.
            let past: Vec<f64> = (0..sessions).map(|_| session(noise, &mut random, runs)).collect();
            let mut missed = 1.0;
            for _ in 0..FIVE {
                let value = session(noise, &mut random, fresh);
                let is_suspicious =
                    |value: f64| stage::against(&past, value).is_none_or(|glance| glance.is_suspicious());
                falsely += u32::from(is_suspicious(value));
                let changed = is_suspicious(value + CHANGE.ln_1p());
                rightly += u32::from(changed);
                missed *= if changed { 1.0 - confirmed } else { 1.0 };
                nights += 1;
            }
            within_five += 1.0 - missed;
        }
        let share = |count: u32| f64::from(count) / f64::from(nights);
        Self {
            falsely: share(falsely),
            rightly: share(rightly),
            within_five: within_five / f64::from(nights / FIVE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(within: f64, between: f64) -> Noise {
        Noise { sessions: 10, runs: 30, within, between }
    }

    #[test]
    fn a_quiet_baseline_finds_what_a_noisy_one_cannot() {
        let quiet = choose(&[noise(0.04, 0.03)], 3, 0.5, 0.05).unwrap();
        assert!(quiet.within_five > 0.97 && quiet.seen > 0.7, "{quiet:?}");
        assert_eq!(quiet.setting, Setting { fresh: 3, total: 0.025 });
        assert!((6.0..9.0).contains(&quiet.runs), "{quiet:?}");
        let noisy = choose(&[noise(0.15, 0.08)], 3, 5.0, 0.05).unwrap();
        assert!(noisy.within_five < 0.7 && noisy.false_alarms > quiet.false_alarms, "{noisy:?}");
    }

    #[test]
    fn fewer_false_alarms_take_the_stricter_levels_or_are_refused() {
        let noises = [noise(0.10, 0.05)];
        let free = choose(&noises, 3, 5.0, 0.05).unwrap();
        assert!((free.setting.total - 0.025).abs() < 1e-12, "{free:?}");
        let strict = choose(&noises, 3, free.false_alarms * 0.6, 0.05).unwrap();
        assert!((strict.setting.total - 0.01).abs() < 1e-12, "{strict:?}");
        assert!(strict.false_alarms < free.false_alarms && strict.seen < free.seen);
        let none = choose(&noises, 3, 0.0001, 0.05).unwrap_err();
        assert!(none.fewest > 0.0 && none.fewest <= strict.false_alarms, "{none:?}");
    }

    #[test]
    fn the_same_baseline_has_the_same_forecast() {
        let noises = [noise(0.05, 0.03), noise(0.03, 0.06)];
        assert_eq!(choose(&noises, 3, 2.0, 0.05), choose(&noises, 3, 2.0, 0.05));
    }
}
