//! The schedule, which gives the intended time of each event: a function of the plan alone that never waits for
//! the bus.
//!
//! A phase has a fixed number of events, and event `k` of `n` is placed in *operational time*, as a share of
//! the phase's events, then mapped to the clock through the inverse of the rate's integral Λ (inversion:
//! Çinlar, *Introduction to Stochastic Processes*, 1975, section 4.7). No time is derived by adding to
//! the previous one, so nothing drifts:
//!
//! - **constant**: `(k + offset) / n`. The offset differs by generator, so that several of them interleave to
//!   one even sequence.
//! - **poisson**: the k-th smallest of `n` uniform numbers. This is a Poisson process given its count
//!   (Kingman, *Poisson Processes*, 1993, section 2.4): the gaps are exponential, and the count is exact.
//!   The sorted numbers are generated one by one, without storing or sorting: with `V` uniform, the remaining share
//!   shrinks by a factor of `V^(1/(n−k))` (Bentley and Saxe, "Generating Sorted Lists of Random Numbers",
//!   ACM TOMS 6(3), 1980). Its logarithm is stored, so that neither end loses precision.

use crate::load::curve::Curve;
use crate::load::random::Random;
use crate::num;
use crate::plan::{Arrival, Load, Ns, Spacing, Span};

/// One event of one generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Its intended time, in nanoseconds since the start of the warm-up.
    pub at: Ns,
    /// Its number within its generator, from 0; the measure phase continues the count of the warm-up.
    pub index: u64,
}

/// Numbers of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// In the warm-up.
    pub warmup_events: u64,
    /// In the measure phase.
    pub measure_events: u64,
}

/// The events of one generator in the order of their intended times.
#[derive(Debug, Clone)]
pub struct Schedule {
    phases: [Phase; 2],
    spacing: Spacing,
    /// Events returned so far.
    given: u64,
    /// Poisson: the logarithm of the remaining share of the phase.
    log_left: f64,
}

#[derive(Debug, Clone)]
struct Phase {
    curve: Curve,
    start: Ns,
    length: u64,
    /// Events of all generators: the integral of the rate.
    mass: f64,
    /// Events of this generator.
    events: u64,
    /// Position of this generator's events within the constant spacing, in (0, 1).
    offset: f64,
    random: Random,
}

impl Phase {
    /// The time of a position in operational time, 0 ≤ `share` < 1.
    fn time(&self, share: f64) -> Ns {
        let at = num::u64_of(self.curve.inverse(share * self.mass) * 1e9);
        self.start + at.min(self.length.saturating_sub(1))
    }

    /// The time of the `k`-th event with constant spacing.
    fn even(&self, k: u64) -> Ns {
        self.time((num::f64_of(k) + self.offset) / num::f64_of(self.events))
    }
}

impl Schedule {
    /// The schedule of the `generator`-th of `shares.len()` generators, each with its share of the rate
    /// ([`crate::load::shares`]). The counts of all generators add up to [`totals`] exactly.
    #[must_use]
    pub fn new(load: &Load, seed: u64, shares: &[f64], generator: usize) -> Self {
        let all: f64 = shares.iter().sum();
        let before: f64 = shares.iter().take(generator).sum();
        let own = shares.get(generator).copied().unwrap_or(0.0);
        let offset = if all > 0.0 { (before + own / 2.0) / all } else { 0.5 };
        let phase = |number: u64, start: Ns, span: Span, curve: Curve| {
            let mass = curve.integral(curve.seconds());
            Phase {
                start,
                length: span.ns,
                events: split(num::u64_of(mass), shares).get(generator).copied().unwrap_or(0),
                mass,
                offset,
                random: Random::new(seed, [num::count(generator), number]),
                curve,
            }
        };
        Self {
            phases: [
                phase(0, 0, load.warmup, Curve::warmup(load)),
                phase(1, load.warmup.ns, load.duration, Curve::measure(load)),
            ],
            spacing: if load.arrival == Arrival::Poisson { Spacing::Poisson } else { load.spacing },
            given: 0,
            log_left: 0.0,
        }
    }

    /// This generator's numbers of events.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        let [warmup, measure] = &self.phases;
        Totals { warmup_events: warmup.events, measure_events: measure.events }
    }

    /// The intended time of the `index`-th event; `None` after the last one, and for Poisson spacing, where the
    /// time of an event depends on the ones before it.
    #[must_use]
    pub fn at(&self, index: u64) -> Option<Ns> {
        let (phase, k) = self.place(index)?;
        (self.spacing == Spacing::Constant).then(|| phase.even(k))
    }

    /// The phase of an event and its number within it.
    fn place(&self, index: u64) -> Option<(&Phase, u64)> {
        let [warmup, measure] = &self.phases;
        if index < warmup.events {
            Some((warmup, index))
        } else {
            let k = index - warmup.events;
            (k < measure.events).then_some((measure, k))
        }
    }
}

impl Iterator for Schedule {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        let index = self.given;
        let (phase, k) = self.place(index)?;
        let (at, log_left) = match self.spacing {
            Spacing::Constant => (phase.even(k), 0.0),
            Spacing::Poisson => {
                let log_left = if k == 0 { 0.0 } else { self.log_left };
                let log_left = log_left + phase.random.unit(k).ln() / num::f64_of(phase.events - k);
                (phase.time(-log_left.exp_m1()), log_left)
            }
        };
        self.log_left = log_left;
        self.given += 1;
        Some(Due { at, index })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = num::index(self.totals().warmup_events + self.totals().measure_events - self.given);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Schedule {}

/// Numbers of events over all generators: the integral of the rate over each phase, rounded.
#[must_use]
pub fn totals(load: &Load) -> Totals {
    let events = |curve: Curve| num::u64_of(curve.integral(curve.seconds()));
    Totals { warmup_events: events(Curve::warmup(load)), measure_events: events(Curve::measure(load)) }
}

/// Events expected in each window of `width` of the measure phase; the windows add up to its total.
#[must_use]
pub fn expected(load: &Load, width: Span) -> Vec<u64> {
    let curve = Curve::measure(load);
    let due = |window: u64| {
        let end = window.saturating_mul(width.ns).min(load.duration.ns);
        num::u64_of(curve.integral(num::f64_of(end) / 1e9))
    };
    (0..load.duration.ns.div_ceil(width.ns.max(1))).map(|w| due(w + 1).saturating_sub(due(w))).collect()
}

/// Divides `total` (below 2^53) in proportion to `weights`: the parts sum to exactly `total`, each is within 1
/// of its exact share, and a weight of 0 (or less) gets nothing. If no weight is positive, the parts are equal.
#[must_use]
pub fn split(total: u64, weights: &[f64]) -> Vec<u64> {
    let weight = |w: f64| if w > 0.0 { w } else { 0.0 };
    let all: f64 = weights.iter().copied().map(weight).sum();
    if all <= 0.0 {
        return if weights.is_empty() { Vec::new() } else { split(total, &vec![1.0; weights.len()]) };
    }
    // Rounds the running sum rather than the parts: it increases monotonically and ends at `all`, so at the
    // total.
    let (mut sum, mut given) = (0.0, 0);
    let mut parts = Vec::with_capacity(weights.len());
    for &w in weights {
        sum += weight(w);
        let end = num::u64_of(num::f64_of(total) * (sum / all)).min(total);
        parts.push(end - given);
        given = end;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::curve::tests::{any_load, burst, load, ramp, steps};
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    fn times(load: &Load, seed: u64) -> Vec<Ns> {
        Schedule::new(load, seed, &[1.0], 0).map(|due| due.at).collect()
    }

    /// Events in each window of `width` nanoseconds, over the whole duration.
    fn per_window(load: &Load, seed: u64, width: u64) -> Vec<u64> {
        let mut counts = vec![0; num::index((load.warmup.ns + load.duration.ns).div_ceil(width))];
        for at in times(load, seed) {
            counts[num::index(at / width)] += 1;
        }
        counts
    }

    fn poisson(rate: f64, duration: Span) -> Load {
        Load { spacing: Spacing::Poisson, ..load(rate, Span::default(), duration) }
    }

    fn mean_and_variance(xs: &[f64]) -> (f64, f64) {
        let n = num::f64_of(num::count(xs.len()));
        let mean = xs.iter().sum::<f64>() / n;
        (mean, xs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0))
    }

    /// The Kolmogorov–Smirnov statistic of samples against a distribution function, times √n; above 1.63
    /// with a probability of 1 %.
    fn kolmogorov(mut xs: Vec<f64>, distribution: impl Fn(f64) -> f64) -> f64 {
        xs.sort_by(f64::total_cmp);
        let n = num::f64_of(num::count(xs.len()));
        let distance = |(i, &x): (usize, &f64)| {
            let i = num::f64_of(num::count(i));
            (distribution(x) - i / n).abs().max((distribution(x) - (i + 1.0) / n).abs())
        };
        xs.iter().enumerate().map(distance).fold(0.0, f64::max) * n.sqrt()
    }

    #[test]
    fn constant_spacing_is_exact_to_the_nanosecond_after_a_day() {
        let day = load(10_000.0, Span::seconds(10), Span::seconds(86_400));
        let schedule = Schedule::new(&day, 0, &[1.0], 0);
        assert_eq!(schedule.at(0), Some(50_000));
        assert_eq!(schedule.at(99_999), Some(10 * SECOND - 50_000));
        for k in [0, 1, 431_999_999, 863_999_999] {
            assert_eq!(schedule.at(100_000 + k), Some(10 * SECOND + k * 100_000 + 50_000));
        }
        assert_eq!(schedule.at(864_100_000), None);
    }

    #[test]
    fn several_generators_interleave_to_one_even_sequence() {
        let load = load(1000.0, Span::default(), Span::seconds(1));
        let mut all: Vec<Ns> =
            (0..4).flat_map(|g| Schedule::new(&load, 0, &[0.25; 4], g).map(|due| due.at)).collect();
        all.sort_unstable();
        assert_eq!(all, (0..1000).map(|k| k * 1_000_000 + 500_000).collect::<Vec<Ns>>());
    }

    #[test]
    fn each_sub_interval_has_its_events() {
        let (second, ten) = (Span::seconds(1), Span::seconds(10));
        let counts = |load: &Load| per_window(load, 0, SECOND);
        assert_eq!(counts(&load(123.0, second, ten)), [123; 11]);
        // 0 → 1000/s over 10 s: the area of each second's trapezium.
        let areas: Vec<u64> = (0..10).map(|s| 50 + 100 * s).collect();
        assert_eq!(counts(&ramp(0.0, 1000.0, ten)), areas);
        assert_eq!(counts(&ramp(1000.0, 0.0, ten)), areas.iter().rev().copied().collect::<Vec<_>>());
        let bursts = burst(100.0, 900.0, Span::seconds(4), second, ten);
        assert_eq!(counts(&bursts), [900, 100, 100, 100, 900, 100, 100, 100, 900, 100]);
        let silent_between = burst(0.0, 50.0, Span::seconds(5), Span::seconds(2), ten);
        assert_eq!(counts(&silent_between), [50, 50, 0, 0, 0, 50, 50, 0, 0, 0]);
        let stairs = steps(&[10.0, 0.0, 40.0], Span::seconds(6));
        assert_eq!(counts(&stairs), [10, 10, 0, 0, 40, 40]);
        assert_eq!(expected(&bursts, second), [900, 100, 100, 100, 900, 100, 100, 100, 900, 100]);
    }

    #[test]
    fn poisson_counts_have_the_mean_and_the_variance_of_the_rate() {
        let counts = per_window(&poisson(1000.0, Span::seconds(100)), 1, SECOND / 10);
        assert_eq!(counts.iter().sum::<u64>(), 100_000);
        let (mean, variance) =
            mean_and_variance(&counts.iter().copied().map(num::f64_of).collect::<Vec<f64>>());
        // The sample variance of 1000 windows has a relative standard deviation of √(2/1000) = 4.5 %.
        assert!((variance / mean - 1.0).abs() < 0.15, "{variance}");
    }

    #[test]
    fn poisson_gaps_are_exponential() {
        let at = times(&poisson(1000.0, Span::seconds(100)), 2);
        let gaps = at.windows(2).map(|pair| num::f64_of(pair[1] - pair[0]) / 1e6).collect();
        let k = kolmogorov(gaps, |ms| 1.0 - (-ms).exp());
        assert!(k < 1.63, "{k}");
    }

    #[test]
    fn poisson_events_of_a_ramp_follow_its_integral() {
        let load = Load { spacing: Spacing::Poisson, ..ramp(0.0, 1000.0, Span::seconds(10)) };
        let at: Vec<f64> = times(&load, 3).iter().map(|&at| num::f64_of(at) / 1e10).collect();
        assert_eq!(at.len(), 5000);
        let k = kolmogorov(at, |t| t * t);
        assert!(k < 1.63, "{k}");
    }

    #[test]
    fn poisson_spacing_restarts_with_each_phase() {
        let load = Load { warmup: Span::seconds(1), ..poisson(5000.0, Span::seconds(1)) };
        let (warmup, measure): (Vec<Ns>, Vec<Ns>) = times(&load, 4).iter().partition(|&&at| at < SECOND);
        for (at, start) in [(warmup, 0), (measure, SECOND)] {
            assert_eq!(at.len(), 5000);
            let k = kolmogorov(at.iter().map(|at| num::f64_of(at - start) / 1e9).collect(), |t| t);
            assert!(k < 1.63, "{k}");
        }
    }

    #[test]
    fn no_event_is_rounded_out_of_its_phase() {
        let load = load(1e9, Span { ns: 10 }, Span { ns: 10 });
        // The last event of each phase is due half a nanosecond before its end.
        let at = times(&load, 0);
        assert_eq!((at.len(), at[9], at[19]), (20, 9, 19));
    }

    #[test]
    fn the_first_and_the_last_of_n_uniforms_are_as_far_from_the_ends_as_they_should_be() {
        // Each is 1/(n+1) of the phase away on average; 400 seeds reproduce that within 5 %, one deviation.
        let ends = |seed| {
            let at = times(&poisson(1000.0, Span::seconds(1)), seed);
            (num::f64_of(at[0]), num::f64_of(SECOND - at[999]))
        };
        let (first, last): (Vec<f64>, Vec<f64>) = (0..400).map(ends).unzip();
        for side in [first, last] {
            let (mean, _) = mean_and_variance(&side);
            assert!((mean / 1e9 * 1001.0 - 1.0).abs() < 0.2, "{mean}");
        }
    }

    #[test]
    fn randomness_follows_from_seed_and_generator() {
        let load = poisson(100.0, Span::seconds(1));
        let of = |seed, generator| {
            Schedule::new(&load, seed, &[0.5; 2], generator).map(|d| d.at).collect::<Vec<_>>()
        };
        assert_eq!(of(1, 0), of(1, 0));
        assert_ne!(of(1, 0), of(2, 0));
        assert_ne!(of(1, 0), of(1, 1));
    }

    #[test]
    fn splits_are_fair() {
        assert_eq!(split(10, &[1.0, 1.0, 2.0]), [3, 2, 5]);
        assert_eq!(split(3, &[0.0, 1.0, 0.0]), [0, 3, 0]);
        assert_eq!(split(3, &[0.0, -1.0, f64::NAN]), [1, 1, 1]);
        assert_eq!(split(3, &[]), [0; 0]);
    }

    proptest! {
        #[test]
        fn splits_add_up(total in 0..u64::MAX >> 12, weights in proptest::collection::vec(0.0..1.0_f64, 1..9)) {
            let parts = split(total, &weights);
            prop_assert_eq!(parts.iter().sum::<u64>(), total);
            let all: f64 = weights.iter().sum();
            for (part, weight) in parts.iter().zip(&weights) {
                let exact = num::f64_of(total) * weight / all;
                prop_assert!(all == 0.0 || (num::f64_of(*part) - exact).abs() <= 1.0 + exact * 1e-9);
            }
        }

        #[test]
        fn every_schedule_is_monotone_inside_its_phase_and_complete(
            load in any_load(),
            seed: u64,
            shares in proptest::collection::vec(0.01..1.0_f64, 1..4),
        ) {
            let mut sum = Totals::default();
            for generator in 0..shares.len() {
                let schedule = Schedule::new(&load, seed, &shares, generator);
                let own = schedule.totals();
                sum.warmup_events += own.warmup_events;
                sum.measure_events += own.measure_events;
                let (mut last, mut given) = (0, 0);
                let mut walk = schedule.clone();
                while let Some(due) = walk.next() {
                    prop_assert_eq!(due.index, given);
                    prop_assert!(due.at >= last);
                    prop_assert_eq!(due.at < load.warmup.ns, due.index < own.warmup_events);
                    prop_assert!(due.at < load.warmup.ns + load.duration.ns);
                    if let Some(at) = schedule.at(due.index) {
                        prop_assert_eq!(at, due.at);
                    }
                    (last, given) = (due.at, given + 1);
                    prop_assert_eq!(num::count(walk.len()), own.warmup_events + own.measure_events - given);
                }
                prop_assert_eq!(given, own.warmup_events + own.measure_events);
            }
            prop_assert_eq!(sum, totals(&load));
            prop_assert_eq!(expected(&load, Span::millis(700)).iter().sum::<u64>(), sum.measure_events);
        }

        #[test]
        fn constant_spacing_has_the_right_mean_rate_everywhere(load in any_load(), a in 0.0..1.0_f64, b in 0.0..1.0_f64) {
            let load = Load { spacing: Spacing::Constant, warmup: Span::default(), ..load };
            let curve = Curve::measure(&load);
            let (from, to) = (a.min(b) * curve.seconds(), a.max(b) * curve.seconds());
            let within = times(&load, 0).iter().filter(|&&at| (from..to).contains(&(num::f64_of(at) / 1e9))).count();
            let mean = curve.integral(to) - curve.integral(from);
            // One at each end, and half an event for the rounding of the phase's count.
            prop_assert!((num::f64_of(num::count(within)) - mean).abs() <= 2.5, "{within} for {mean}");
        }
    }
}
