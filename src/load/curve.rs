//! The offered rate over one phase, its integral, and the inverse of the integral.
//!
//! ```text
//! constant        ramp           burst           steps
//! ──────────        ╱         ┌┐  ┌┐  ┌┐            ┌──
//!                 ╱           ││  ││  ││         ┌──┘
//!               ╱             ┘└──┘└──┘└─     ───┘
//! ```

use crate::plan::{Arrival, Load, Ns, Rate};

/// The rate over one phase: times in seconds since its start, rates in events per second.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    shape: Shape,
    seconds: f64,
}

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Constant(f64),
    Ramp { from: f64, to: f64 },
    Burst { base: f64, rate: f64, every: f64, length: f64 },
    Steps(Vec<f64>),
}

impl Curve {
    /// The warm-up: steady at the load's rate.
    pub(super) fn warmup(load: &Load) -> Self {
        Self { shape: Shape::Constant(load.rate.per_second), seconds: load.warmup.as_seconds() }
    }

    /// The measure phase. A shape without its parameters is constant.
    pub(super) fn measure(load: &Load) -> Self {
        let base = load.rate.per_second;
        let shape = match load.arrival {
            Arrival::Constant | Arrival::Poisson | Arrival::Closed => None,
            Arrival::Ramp => load.ramp.map(|r| Shape::Ramp { from: r.from.per_second, to: r.to.per_second }),
            Arrival::Burst => load.burst.filter(|b| b.every.ns > 0).map(|b| Shape::Burst {
                base,
                rate: b.rate.per_second,
                every: b.every.as_seconds(),
                length: b.length.min(b.every).as_seconds(),
            }),
            Arrival::Steps => load
                .steps
                .as_ref()
                .filter(|s| !s.rates.is_empty())
                .map(|s| Shape::Steps(s.rates.iter().map(|r| r.per_second).collect())),
        };
        Self { shape: shape.unwrap_or(Shape::Constant(base)), seconds: load.duration.as_seconds() }
    }

    /// Length of the phase.
    pub(super) const fn seconds(&self) -> f64 {
        self.seconds
    }

    /// The rate at `t`.
    fn rate(&self, t: f64) -> f64 {
        match &self.shape {
            Shape::Constant(rate) => *rate,
            Shape::Ramp { from, to } => from + (to - from) * t / self.seconds,
            Shape::Burst { base, rate, every, length } => {
                if t % every < *length {
                    *rate
                } else {
                    *base
                }
            }
            Shape::Steps(rates) => {
                let part = crate::num::u64_floor(t / self.part(rates));
                rates.get(crate::num::index(part)).or(rates.last()).copied().unwrap_or(0.0)
            }
        }
    }

    /// The highest rate.
    fn peak(&self) -> f64 {
        match &self.shape {
            Shape::Constant(rate) => *rate,
            Shape::Ramp { from, to } => from.max(*to),
            Shape::Burst { base, rate, .. } => base.max(*rate),
            Shape::Steps(rates) => rates.iter().copied().fold(0.0, f64::max),
        }
    }

    /// Events due before `t`: Λ(t), the integral of the rate from 0 to `t`.
    pub(super) fn integral(&self, t: f64) -> f64 {
        match &self.shape {
            Shape::Constant(rate) => rate * t,
            // The area of a trapezium.
            Shape::Ramp { from, .. } => t * (from + self.rate(t)) / 2.0,
            Shape::Burst { base, rate, every, length } => {
                let rounds = (t / every).floor();
                let rest = (t - rounds * every).max(0.0);
                rounds * burst_round(*base, *rate, *every, *length)
                    + rate * rest.min(*length)
                    + base * (rest - length).max(0.0)
            }
            Shape::Steps(rates) => {
                let part = self.part(rates);
                rates
                    .iter()
                    .zip(0_u32..)
                    .map(|(rate, i)| rate * (t - f64::from(i) * part).clamp(0.0, part))
                    .sum()
            }
        }
    }

    /// The time at which `events` are due: Λ⁻¹, within the phase.
    pub(super) fn inverse(&self, events: f64) -> f64 {
        let t = match &self.shape {
            Shape::Constant(rate) => events / rate,
            // The root of Λ(t) = events, in the form that neither cancels nor divides by (to − from).
            Shape::Ramp { from, to } => {
                let under = from * from + 2.0 * (to - from) * events / self.seconds;
                2.0 * events / (from + under.max(0.0).sqrt())
            }
            Shape::Burst { base, rate, every, length } => {
                let round = burst_round(*base, *rate, *every, *length);
                let rounds = (events / round).floor();
                let rest = (events - rounds * round).max(0.0);
                let over = rest - rate * length;
                let within = if over < 0.0 {
                    rest / rate
                } else {
                    length + if *base > 0.0 { over / base } else { 0.0 }
                };
                rounds * every + within.min(*every)
            }
            Shape::Steps(rates) => self.inverse_of_steps(rates, events),
        };
        // A phase without events gives 0/0.
        if t.is_nan() { 0.0 } else { t.clamp(0.0, self.seconds) }
    }

    fn inverse_of_steps(&self, rates: &[f64], events: f64) -> f64 {
        let part = self.part(rates);
        let mut rest = events;
        for (rate, i) in rates.iter().zip(0_u32..) {
            if rest < rate * part {
                return f64::from(i) * part + rest / rate;
            }
            rest -= rate * part;
        }
        self.seconds
    }

    /// Start of the step `number`, from 0, in seconds since the start of the measure phase.
    pub(super) fn step_start(load: &Load, number: u64) -> f64 {
        let rates = load.steps.as_ref().map_or(1, |steps| steps.rates.len().max(1));
        load.duration.as_seconds() / crate::num::f64_of(crate::num::count(rates)) * crate::num::f64_of(number)
    }

    /// Length of one step.
    fn part(&self, rates: &[f64]) -> f64 {
        self.seconds / crate::num::f64_of(crate::num::count(rates.len()))
    }
}

/// Events in one period of bursts.
fn burst_round(base: f64, rate: f64, every: f64, length: f64) -> f64 {
    rate * length + base * (every - length)
}

/// The rate offered at `t`, in nanoseconds since the start of the warm-up; 0 after the end of the load.
#[must_use]
pub fn rate_at(load: &Load, t: Ns) -> Rate {
    let rate = if t < load.warmup.ns {
        load.rate.per_second
    } else if t - load.warmup.ns < load.duration.ns {
        Curve::measure(load).rate(crate::num::f64_of(t - load.warmup.ns) / 1e9)
    } else {
        0.0
    };
    Rate::per_second(rate)
}

/// The highest rate offered, over all generators.
#[must_use]
pub fn peak_rate(load: &Load) -> Rate {
    let warmup = if load.warmup.ns > 0 { load.rate.per_second } else { 0.0 };
    Rate::per_second(warmup.max(Curve::measure(load).peak()))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the rates and areas of these examples are exact in binary")]
pub(super) mod tests {
    use super::*;
    use crate::plan::{Burst, Pacing, Ramp, Spacing, Span, Steps};
    use proptest::prelude::*;

    /// A load of a constant rate.
    pub(crate) fn load(rate: f64, warmup: Span, duration: Span) -> Load {
        Load {
            rate: Rate::per_second(rate),
            warmup,
            duration,
            drain: Span::seconds(1),
            arrival: Arrival::Constant,
            spacing: Spacing::Constant,
            ramp: None,
            burst: None,
            steps: None,
            generators: 1,
            pacing: Pacing::Sleep,
            consume: crate::plan::Consume::Live,
        }
    }

    pub(crate) fn ramp(from: f64, to: f64, duration: Span) -> Load {
        let ramp = Ramp { from: Rate::per_second(from), to: Rate::per_second(to) };
        Load { arrival: Arrival::Ramp, ramp: Some(ramp), ..load(from, Span::default(), duration) }
    }

    pub(crate) fn burst(base: f64, rate: f64, every: Span, length: Span, duration: Span) -> Load {
        let burst = Burst { rate: Rate::per_second(rate), every, length };
        Load { arrival: Arrival::Burst, burst: Some(burst), ..load(base, Span::default(), duration) }
    }

    pub(crate) fn steps(rates: &[f64], duration: Span) -> Load {
        let steps = Steps { rates: rates.iter().copied().map(Rate::per_second).collect() };
        Load { arrival: Arrival::Steps, steps: Some(steps), ..load(1.0, Span::default(), duration) }
    }

    /// Any load, of any shape.
    pub(crate) fn any_load() -> impl Strategy<Value = Load> {
        let shapes = prop_oneof![
            Just(load(0.0, Span::default(), Span::default())),
            (0.0..2e3_f64, 0.0..2e3_f64).prop_map(|(from, to)| ramp(from, to, Span::default())),
            (0.0..2e3_f64, 0_u64..2000, 1_u64..2000).prop_map(|(rate, length, every)| {
                burst(0.0, rate, Span::millis(every), Span::millis(length), Span::default())
            }),
            proptest::collection::vec(0.0..2e3_f64, 1..5).prop_map(|rates| steps(&rates, Span::default())),
        ];
        let spacing = prop_oneof![Just(Spacing::Constant), Just(Spacing::Poisson)];
        (shapes, spacing, 0.0..2e3_f64, 0_u64..2_000_000_000, 0_u64..5_000_000_000).prop_map(
            |(shape, spacing, rate, warmup, duration)| Load {
                rate: Rate::per_second(rate),
                warmup: Span { ns: warmup },
                duration: Span { ns: duration },
                spacing,
                ..shape
            },
        )
    }

    #[test]
    fn the_rate_follows_the_shape() {
        let at = |load: &Load, ms: u64| rate_at(load, ms * 1_000_000).per_second;
        let (second, ten) = (Span::seconds(1), Span::seconds(10));
        let constant = Load { warmup: second, ..load(7.0, second, ten) };
        assert_eq!([at(&constant, 0), at(&constant, 10_999), at(&constant, 11_000)], [7.0, 7.0, 0.0]);
        let ramp = ramp(100.0, 200.0, ten);
        assert_eq!([at(&ramp, 0), at(&ramp, 2500), at(&ramp, 5000)], [100.0, 125.0, 150.0]);
        let burst = burst(10.0, 90.0, Span::seconds(4), second, ten);
        assert_eq!(
            [at(&burst, 0), at(&burst, 999), at(&burst, 1000), at(&burst, 8500)],
            [90.0, 90.0, 10.0, 90.0]
        );
        let steps = steps(&[1.0, 5.0], ten);
        assert_eq!([at(&steps, 4999), at(&steps, 5000), at(&steps, 9999)], [1.0, 5.0, 5.0]);
        let peaks = [&constant, &ramp, &burst, &steps].map(|load| peak_rate(load).per_second);
        assert_eq!(peaks, [7.0, 200.0, 90.0, 5.0]);
    }

    #[test]
    fn the_shape_begins_after_the_warm_up() {
        let ramp = ramp(100.0, 200.0, Span::seconds(10));
        let warmed = Load { rate: Rate::per_second(500.0), warmup: Span::seconds(3), ..ramp.clone() };
        let at = |ms: u64| rate_at(&warmed, ms * 1_000_000).per_second;
        assert_eq!([at(2999), at(3000), at(5500), at(13_000)], [500.0, 100.0, 125.0, 0.0]);
        assert_eq!(peak_rate(&warmed).per_second, 500.0);
        let cold = Load { warmup: Span::default(), ..warmed };
        assert_eq!(peak_rate(&cold).per_second, 200.0, "a rate that is never offered does not count");
    }

    #[test]
    fn a_shape_without_its_parameters_is_constant() {
        let ten = Span::seconds(10);
        let endless = burst(7.0, 90.0, Span::default(), Span::seconds(1), ten);
        for load in [endless, steps(&[], ten), Load { arrival: Arrival::Ramp, ..load(7.0, ten, ten) }] {
            assert_eq!(Curve::measure(&load).shape, Shape::Constant(load.rate.per_second));
        }
    }

    #[test]
    fn where_nothing_is_due_the_inverse_is_the_end_of_the_silence() {
        let inverse = |load: &Load, events| Curve::measure(load).inverse(events);
        assert_eq!(inverse(&steps(&[10.0, 0.0, 40.0], Span::seconds(6)), 20.0), 4.0);
        let pauses = burst(10.0, 0.0, Span::seconds(4), Span::seconds(1), Span::seconds(10));
        assert_eq!([inverse(&pauses, 0.0), inverse(&pauses, 30.0), inverse(&pauses, 35.0)], [1.0, 5.0, 5.5]);
    }

    #[test]
    fn integrals_are_areas() {
        let area = |load: &Load, t| Curve::measure(load).integral(t);
        let ten = Span::seconds(10);
        assert_eq!(area(&load(3.0, Span::default(), ten), 10.0), 30.0);
        assert_eq!(area(&ramp(0.0, 100.0, ten), 5.0), 125.0);
        assert_eq!(area(&ramp(0.0, 100.0, ten), 10.0), 500.0);
        let burst = burst(10.0, 90.0, Span::seconds(4), Span::seconds(1), ten);
        assert_eq!([area(&burst, 0.5), area(&burst, 4.0), area(&burst, 10.0)], [45.0, 120.0, 340.0]);
        assert_eq!(area(&steps(&[1.0, 5.0], ten), 6.0), 10.0);
    }

    proptest! {
        #[test]
        fn the_inverse_undoes_the_integral(load in any_load(), part in 0.0..=1.0_f64) {
            let curve = Curve::measure(&load);
            let events = curve.integral(curve.seconds()) * part;
            let t = curve.inverse(events);
            prop_assert!((0.0..=curve.seconds()).contains(&t));
            prop_assert!((curve.integral(t) - events).abs() <= 1e-6 * (1.0 + events), "{events} at {t}");
        }
    }
}
