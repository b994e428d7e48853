//! Formats figures for display: the only place that rounds a time, rate, size or share for a text.
//!
//! A figure is shown in the unit in which it is below the next unit after rounding: `1.00ms`, never `1000µs`.

use super::f64_of;

/// A time in its natural unit, three significant digits: `92.4µs`, `1.30s`.
#[must_use]
pub fn time(ns: u64) -> String {
    let ns = f64_of(ns);
    let (value, unit) = match ns {
        n if n < 999.5 => return format!("{n:.0}ns"),
        n if n < 999.5e3 => (n / 1e3, "µs"),
        n if n < 999.5e6 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    let digits = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.digits$}{unit}")
}

/// A bound in its natural unit, three significant digits, rounded up, so that no time above it appears to be
/// below.
#[must_use]
pub fn time_at_least(ns: u64) -> String {
    let mut step = 1;
    while ns / step >= 1000 {
        step *= 10;
    }
    time(ns.div_ceil(step).saturating_mul(step))
}

/// A count with groups of three: `1,234,567`.
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of items: `1 pair`, `8 pairs`.
#[must_use]
pub fn several(n: u64, one: &str) -> String {
    format!("{} {one}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A rate for a table: `10.0k/s`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    rate_with(per_second, [0, 1, 2])
}

/// A rate in a sentence, three significant digits without zeros at their end: `10k/s`, `38.7k/s`, `100k/s`, `1.5M/s`.
#[must_use]
pub fn short_rate(per_second: f64) -> String {
    let (value, unit) = match per_second {
        r if r < 999.5 => (r, ""),
        r if r < 999.5e3 => (r / 1e3, "k"),
        r => (r / 1e6, "M"),
    };
    let digits = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let text = if digits > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}/s")
}

/// A rate to compare with a limit, with two more digits: `9.998k/s`.
#[must_use]
pub fn fine_rate(per_second: f64) -> String {
    rate_with(per_second, [1, 3, 3])
}

/// A rate in whole events, with up to two decimals where it has a fraction: `9,990/s`, `499.5/s`.
#[must_use]
pub fn full_rate(per_second: f64) -> String {
    let hundredths = super::u64_of(per_second * 100.0);
    let fraction = match hundredths % 100 {
        0 => String::new(),
        n if n % 10 == 0 => format!(".{}", n / 10),
        n => format!(".{n:02}"),
    };
    format!("{}{fraction}/s", count(hundredths / 100))
}

/// A rate with the given numbers of decimals in events, thousands and millions per second.
fn rate_with(per_second: f64, decimals: [usize; 3]) -> String {
    let [ones, thousands, millions] = decimals;
    let below_thousand = |value: f64, decimals: usize| value < 1e3 - half_a_step(decimals);
    if below_thousand(per_second, ones) {
        format!("{per_second:.ones$}/s")
    } else if below_thousand(per_second / 1e3, thousands) {
        format!("{:.thousands$}k/s", per_second / 1e3)
    } else {
        format!("{:.millions$}M/s", per_second / 1e6)
    }
}

/// Half of the last digit shown: a value this close to the next unit is rounded up to it.
fn half_a_step(decimals: usize) -> f64 {
    [0.5, 0.05, 0.005, 0.0005].get(decimals).copied().unwrap_or(0.0)
}

/// A number of bytes in binary units: `48.2MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const KIB: f64 = 1024.0;
    const MIB: f64 = 1024.0 * KIB;
    const GIB: f64 = 1024.0 * MIB;
    let fits = |value: f64| value < KIB - half_a_step(1);
    match f64_of(bytes) {
        b if b < KIB => format!("{b:.0}B"),
        b if fits(b / KIB) => format!("{:.1}KiB", b / KIB),
        b if fits(b / MIB) => format!("{:.1}MiB", b / MIB),
        b => format!("{:.2}GiB", b / GIB),
    }
}

/// A configured share, 0 to 1: `5 %`, `2.5 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if (percent - percent.round()).abs() < 1e-9 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.1} %")
    }
}

/// A part of a whole: `18 %`, `99.5 %`, `99.998 %`, with enough digits that only the whole is shown as 100 %.
#[must_use]
pub fn part(part: u64, whole: u64) -> String {
    if part >= whole && whole > 0 {
        return "100 %".into();
    }
    // Thousandths of a percent, rounded down.
    let thousandths = part.saturating_mul(100_000).checked_div(whole).unwrap_or(0);
    match thousandths {
        n if n < 94_500 => format!("{:.0} %", f64_of(n) / 1e3),
        n if n < 99_900 => format!("{}.{} %", n / 1000, n % 1000 / 100),
        n => format!("{}.{:03} %", n / 1000, n % 1000),
    }
}

/// A small part of a whole: `0.013 %`, rounded up, so that only none is shown as 0 %.
#[must_use]
pub fn small_part(part: u64, whole: u64) -> String {
    let thousandths = u128::from(part) * 100_000;
    let thousandths = thousandths.div_ceil(u128::from(whole.max(1)));
    match thousandths {
        n if n % 1000 == 0 => format!("{} %", n / 1000),
        n => format!("{}.{:03} %", n / 1000, n % 1000),
    }
}

/// The margin to a limit, rounded to the unfavourable side: `99 % to spare`, `12 % beyond`.
#[must_use]
pub fn margin(margin: f64) -> String {
    if margin >= 0.0 {
        format!("{:.0} % to spare", (margin * 100.0).floor())
    } else {
        format!("{:.0} % beyond", (-margin * 100.0).ceil())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_rate_has_every_event() {
        let all = [0.0, 7.0, 499.5, 6.993, 9_990.0, 1_000_000.25].map(full_rate);
        assert_eq!(all, ["0/s", "7/s", "499.5/s", "6.99/s", "9,990/s", "1,000,000.25/s"]);
    }

    #[test]
    fn a_short_rate_has_three_digits_and_no_zeros_behind_them() {
        let all = [0.0, 1.234, 50.0, 999.6, 10_000.0, 38_674.0, 99_950.0, 333_000.0, 1.5e6].map(short_rate);
        let expected = ["0/s", "1.23/s", "50/s", "1k/s", "10k/s", "38.7k/s", "100k/s", "333k/s", "1.5M/s"];
        assert_eq!(all, expected);
    }

    #[test]
    fn only_none_is_shown_as_zero_percent() {
        let all =
            [(0, 10), (1, 10_000_000), (13, 100_000), (1, 3), (10, 10)].map(|(n, of)| small_part(n, of));
        assert_eq!(all, ["0 %", "0.001 %", "0.013 %", "33.334 %", "100 %"]);
    }

    #[test]
    fn times_have_three_digits_and_the_unit_they_round_to() {
        for (ns, text) in [
            (0, "0ns"),
            (999, "999ns"),
            (1_000, "1.00µs"),
            (92_440, "92.4µs"),
            (999_499, "999µs"),
            (999_600, "1.00ms"),
            (9_994_000, "9.99ms"),
            (9_996_000, "10.0ms"),
            (99_960_000, "100ms"),
            (999_600_000, "1.00s"),
            (1_299_000_000, "1.30s"),
            (3_600_000_000_000, "3600s"),
        ] {
            assert_eq!(time(ns), text);
        }
    }

    #[test]
    fn a_bound_is_never_rounded_down() {
        for (ns, text) in [
            (0, "0ns"),
            (999, "999ns"),
            (1_231_000, "1.24ms"),
            (99_910, "100µs"),
            (20_000_000, "20.0ms"),
            (2_000_000_001, "2.01s"),
        ] {
            assert_eq!(time_at_least(ns), text);
        }
    }

    #[test]
    fn rates_and_sizes_take_the_unit_they_round_to() {
        for (per_second, coarse, fine) in [
            (0.0, "0/s", "0.0/s"),
            (999.4, "999/s", "999.4/s"),
            (999.6, "1.0k/s", "999.6/s"),
            (999.96, "1.0k/s", "1.000k/s"),
            (9_998.0, "10.0k/s", "9.998k/s"),
            (10_000.0, "10.0k/s", "10.000k/s"),
            (999_960.0, "1.00M/s", "999.960k/s"),
            (999_999.6, "1.00M/s", "1.000M/s"),
            (1_500_000.0, "1.50M/s", "1.500M/s"),
        ] {
            assert_eq!((rate(per_second).as_str(), fine_rate(per_second).as_str()), (coarse, fine));
        }
        for (bytes, text) in [
            (1_023, "1023B"),
            (1_024, "1.0KiB"),
            ((1 << 20) - 1, "1.0MiB"),
            (50_500_000, "48.2MiB"),
            ((1 << 30) - 1, "1.00GiB"),
            (3 << 30, "3.00GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn counts_and_margins() {
        assert_eq!([count(999), count(1_234_567)], ["999", "1,234,567"]);
        assert_eq!([several(1, "pair"), several(0, "pair")], ["1 pair", "0 pairs"]);
        assert_eq!([percent(0.05), percent(0.025), percent(0.1)], ["5 %", "2.5 %", "10 %"]);
        assert_eq!([margin(0.999), margin(-0.111)], ["99 % to spare", "12 % beyond"]);
    }

    #[test]
    fn a_part_is_never_shown_as_the_whole() {
        for (some, whole, text) in [
            (0, 1000, "0 %"),
            (180, 1000, "18 %"),
            (944, 1000, "94 %"),
            (949, 1000, "94.9 %"),
            (9_989, 10_000, "99.8 %"),
            (9_995, 10_000, "99.950 %"),
            (9_999_999, 10_000_000, "99.999 %"),
            (7, 7, "100 %"),
            (0, 0, "0 %"),
        ] {
            assert_eq!(part(some, whole), text, "{some} of {whole}");
        }
    }
}
