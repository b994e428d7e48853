//! Arithmetic of axes: positions of values, and round ticks.

use crate::num;

/// Values that span more than this factor are on a logarithmic axis.
const MOST_EVEN: f64 = 4.0;

/// An axis; positions are fractions of its length, from its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    /// From 0 to a value above it.
    Linear { to: f64 },
    /// From one value to a larger one, evenly.
    Between { from: f64, to: f64 },
    /// As `Linear`, with ticks at powers of two.
    Bytes { to: f64 },
    /// From one positive value to a larger one.
    Log { from: f64, to: f64 },
    /// Quantiles by their nines: `-log10(1 - q)`, from 0 to `nines`.
    Nines { nines: f64 },
}

impl Scale {
    /// A linear axis for `values`, with some space above them.
    pub(crate) fn linear(values: impl IntoIterator<Item = f64>) -> Self {
        let top = values.into_iter().filter(|v| v.is_finite()).fold(0.0_f64, f64::max);
        Self::Linear { to: if top > 0.0 { top * 1.08 } else { 1.0 } }
    }

    /// A logarithmic axis for the positive `values`, at least a decade long.
    pub(crate) fn log(values: impl IntoIterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.into_iter().filter(|v| v.is_finite() && *v > 0.0) {
            low = low.min(value);
            high = high.max(value);
        }
        if high == 0.0 {
            (low, high) = (1.0, 10.0);
        }
        let (mut from, mut to) = (low.log10() - 0.08, high.log10() + 0.12);
        if to - from < 1.0 {
            let middle = f64::midpoint(from, to);
            (from, to) = (middle - 0.5, middle + 0.5);
        }
        Self::Log { from: 10_f64.powf(from), to: 10_f64.powf(to) }
    }

    /// An axis for the positive `values`: logarithmic if they span more than a factor of four. It does not start at 0.
    pub(crate) fn spread(values: impl IntoIterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.into_iter().filter(|v| v.is_finite() && *v > 0.0) {
            low = low.min(value);
            high = high.max(value);
        }
        if high == 0.0 {
            return Self::Linear { to: 1.0 };
        }
        if high > low * MOST_EVEN {
            let margin = (high / low).powf(0.04);
            return Self::Log { from: low / margin, to: high * margin };
        }
        let margin = ((high - low) * 0.08).max(high * 0.05);
        Self::Between { from: (low - margin).max(0.0), to: high + margin }
    }

    /// The position of a value, 0 to 1; a value outside is at the edge.
    pub(crate) fn position(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { to } | Self::Bytes { to } => value / to,
            Self::Between { from, to } => (value - from) / (to - from),
            Self::Log { from, to } => (value.max(from) / from).log10() / (to / from).log10(),
            Self::Nines { nines } => value / nines,
        };
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }

    /// About `wanted` ticks, at most a few more, at round values inside the axis.
    pub(crate) fn ticks(self, wanted: u32) -> Vec<f64> {
        match self {
            Self::Linear { to } => steps(to, round_step(to / f64::from(wanted.max(1)))),
            Self::Between { from, to } => {
                let step = round_step((to - from) / f64::from(wanted.max(1)));
                let first = (from / step - 1e-9).ceil();
                // Never −0.
                let at = |n: f64| (first + n) * step + 0.0;
                steps((to / step - first).max(0.0), 1.0).into_iter().map(at).collect()
            }
            Self::Bytes { to } => {
                steps(to, 2_f64.powf((to / f64::from(wanted.max(1))).max(1.0).log2().ceil()))
            }
            Self::Log { from, to } => log_ticks(from, to, wanted),
            Self::Nines { nines } => {
                let mut ticks = vec![0.0, (2_f64).log10()];
                ticks.extend((1..=9_u32).map(f64::from));
                ticks.retain(|tick| *tick <= nines + 1e-9);
                ticks
            }
        }
    }
}

/// The multiples of a step from 0 up to a value.
fn steps(to: f64, step: f64) -> Vec<f64> {
    let count = num::low32(num::u64_floor(to / step + 1e-9)).min(1000);
    (0..=count).map(|i| f64::from(i) * step).collect()
}

/// 1, 2 or 5 times a power of ten, not below `raw`.
fn round_step(raw: f64) -> f64 {
    let power = 10_f64.powf(raw.max(1e-12).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= raw * 0.999).unwrap_or(raw)
}

fn log_ticks(from: f64, to: f64, wanted: u32) -> Vec<f64> {
    let decades = (to / from).log10();
    let within = |tick: &f64| *tick >= from * 0.999 && *tick <= to * 1.001;
    let powers = |every: i32, parts: &[f64]| -> Vec<f64> {
        (0..=15_i32)
            .filter(|power| power % every == 0)
            .flat_map(|power| parts.iter().map(move |part| part * 10_f64.powi(power)))
            .filter(within)
            .collect()
    };
    let fine = powers(1, &[1.0, 2.0, 5.0]);
    if decades <= 2.2 && num::count32(fine.len()) <= wanted + 3 {
        return fine;
    }
    let all = powers(1, &[1.0]);
    if num::count32(all.len()) <= wanted + 2 { all } else { powers(3, &[1.0]) }
}

/// Shortens a round figure for an axis: no trailing zeros.
pub(crate) fn short(figure: &str) -> String {
    let unit = figure.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(figure.len());
    let (number, unit) = figure.split_at(unit);
    let number =
        if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    format!("{number}{unit}")
}

/// Ticks of a time axis from 0 to `to` seconds, at round seconds, minutes or hours.
pub(crate) fn clock_ticks(to: f64, wanted: u32) -> Vec<f64> {
    const STEPS: [f64; 16] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 21_600.0,
        86_400.0,
    ];
    let raw = to / f64::from(wanted.max(1));
    let step = STEPS.into_iter().find(|step| *step >= raw).unwrap_or_else(|| round_step(raw));
    steps(to, step)
}

/// Formats seconds: `45s`, `2:30`, `1:05:00`.
pub(crate) fn clock(seconds: f64, axis_to: f64) -> String {
    let s = num::u64_of(seconds);
    if axis_to < 120.0 {
        format!("{s}s")
    } else if axis_to < 3600.0 {
        format!("{}:{:02}", s / 60, s % 60)
    } else {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    }
}

/// Formats seconds before or after an instant: `−2s`, `0.5s`.
pub(crate) fn around(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "−" } else { "" };
    format!("{sign}{}", short(&format!("{:.2}s", seconds.abs())))
}

/// Formats a position on the axis of nines as a percentile: `99.9%`.
pub(crate) fn percentile(nines: f64) -> String {
    if nines < 0.2 {
        return "0%".to_owned();
    }
    if nines < 0.9 {
        return "50%".to_owned();
    }
    let digits = num::index(num::u64_of(nines)).saturating_sub(2);
    format!("{:.digits$}%", (1.0 - 10_f64.powf(-nines)) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(Scale::Linear { to: 10_800.0 }.ticks(5), [0.0, 5000.0, 10_000.0]);
        assert_eq!(Scale::Log { from: 90.0, to: 3000.0 }.ticks(5), [100.0, 200.0, 500.0, 1000.0, 2000.0]);
        assert_eq!(Scale::Log { from: 1.0, to: 3.6e12 }.ticks(6), [1.0, 1e3, 1e6, 1e9, 1e12]);
        assert_eq!(Scale::Between { from: 35_300.0, to: 41_900.0 }.ticks(4), [36_000.0, 38_000.0, 40_000.0]);
        assert_eq!(clock_ticks(62.0, 6), [0.0, 15.0, 30.0, 45.0, 60.0]);
        assert_eq!(clock(3905.0, 7200.0), "1:05:05");
        assert_eq!([-2.0, 0.0, 0.5].map(around), ["−2s", "0s", "0.5s"]);
    }

    #[test]
    fn a_spread_of_more_than_four_is_logarithmic() {
        assert!(matches!(Scale::spread([10_000.0, 38_000.0]), Scale::Between { .. }));
        assert!(matches!(Scale::spread([10_000.0, 42_000.0]), Scale::Log { .. }));
        let one = Scale::spread([38_000.0]);
        assert!((one.position(38_000.0) - 0.5).abs() < 1e-9 && one.ticks(4).len() > 1, "{one:?}");
    }

    #[test]
    fn round_figures_are_short() {
        let pairs = [
            ("10.0ms", "10ms"),
            ("100ms", "100ms"),
            ("1.50k/s", "1.5k/s"),
            ("1,000", "1,000"),
            ("0.00", "0"),
        ];
        for (figure, expected) in pairs {
            assert_eq!(short(figure), expected);
        }
    }

    #[test]
    fn nines_read_as_percentiles() {
        let names: Vec<_> = Scale::Nines { nines: 5.2 }.ticks(9).into_iter().map(percentile).collect();
        assert_eq!(names, ["0%", "50%", "90%", "99%", "99.9%", "99.99%", "99.999%"]);
    }

    proptest! {
        #[test]
        fn every_axis_is_short_and_every_value_on_it(
            values in proptest::collection::vec(0.0..4e12_f64, 0..9),
            wanted in 2_u32..9,
        ) {
            for scale in [Scale::linear(values.clone()), Scale::log(values.clone()), Scale::spread(values.clone())] {
                let ticks = scale.ticks(wanted);
                prop_assert!(ticks.len() <= 14, "{ticks:?}");
                for at in values.iter().chain(&ticks) {
                    prop_assert!((0.0..=1.0).contains(&scale.position(*at)));
                }
            }
        }
    }
}
