//! Figures for people: times with three digits, counts with separators, sizes in binary units.

use crate::num;

pub use super::outside::{plain, source};

/// A time in its natural unit, three significant digits: `92.4µs`, `1.30s`.
#[must_use]
pub fn time(ns: u64) -> String {
    let ns = num::f64_of(ns);
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

/// A count with thin groups of three: `1,234,567`.
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

/// A rate: `10.0k/s`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    match per_second {
        r if r >= 999_950.0 => format!("{:.2}M/s", r / 1e6),
        r if r >= 999.5 => format!("{:.1}k/s", r / 1e3),
        r => format!("{r:.0}/s"),
    }
}

/// An amount of bytes: `48.2MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let b = num::f64_of(bytes);
    match b {
        b if b >= 1_073_741_824.0 => format!("{:.2}GiB", b / 1_073_741_824.0),
        b if b >= 1_048_576.0 => format!("{:.1}MiB", b / 1_048_576.0),
        b if b >= 1024.0 => format!("{:.1}KiB", b / 1024.0),
        b => format!("{b:.0}B"),
    }
}

/// How much of a limit is left: `99 % to spare`, `12 % beyond`.
#[must_use]
pub fn margin(margin: f64) -> String {
    if margin >= 0.0 {
        format!("{:.0} % to spare", (margin * 100.0).floor())
    } else {
        format!("{:.0} % beyond", (-margin * 100.0).ceil())
    }
}

/// A text from outside on one line of at most `width` characters, shortened with an ellipsis.
#[must_use]
pub fn fit(text: &str, width: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= width {
        return text;
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Breaks a sentence into lines of at most `width` characters, each behind `indent`; a longer word is broken.
#[must_use]
pub fn wrap(text: &str, width: usize, indent: &str) -> String {
    let room = width.saturating_sub(indent.chars().count()).max(1);
    let mut lines: Vec<String> = vec![String::new()];
    let mut used = 0;
    for word in plain(text).split(' ') {
        let mut letters: Vec<char> = word.chars().collect();
        while !letters.is_empty() {
            let gap = usize::from(used > 0);
            if used > 0 && used + gap + letters.len() > room {
                lines.push(String::new());
                used = 0;
                continue;
            }
            let part: String = letters.drain(..letters.len().min(room)).collect();
            if let Some(line) = lines.last_mut() {
                line.push_str(&" "[..gap]);
                line.push_str(&part);
            }
            used += gap + part.chars().count();
        }
    }
    // A line that begins so would be a command to the CI system that prints it.
    lines
        .into_iter()
        .map(|line| {
            format!("{indent}{}", if line.starts_with("::") { line.replacen("::", ": :", 1) } else { line })
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// A sparkline of values, scaled from 0 to the largest; a gap where a value is missing.
#[must_use]
pub fn sparkline(values: &[Option<f64>], width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    if values.is_empty() || width == 0 {
        return String::new();
    }
    let columns = width.min(values.len());
    let highest = |from: usize, to: usize| values[from..to].iter().copied().flatten().reduce(f64::max);
    let cells: Vec<Option<f64>> = (0..columns)
        .map(|c| {
            highest(c * values.len() / columns, ((c + 1) * values.len()).div_ceil(columns).min(values.len()))
        })
        .collect();
    let top = cells.iter().copied().flatten().fold(0.0_f64, f64::max);
    cells
        .into_iter()
        .map(|cell| match cell {
            None => ' ',
            Some(_) if top <= 0.0 => BARS[0],
            Some(value) => BARS[num::index(num::u64_of(value / top * 7.0)).min(7)],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_their_unit() {
        for (ns, text) in [
            (0, "0ns"),
            (999, "999ns"),
            (1_000, "1.00µs"),
            (92_440, "92.4µs"),
            (999_499, "999µs"),
            (999_600, "1.00ms"),
            (1_299_000_000, "1.30s"),
            (3_600_000_000_000, "3600s"),
        ] {
            assert_eq!(time(ns), text);
        }
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
        assert_eq!(rate(10_000.0), "10.0k/s");
        assert_eq!(size(50_500_000), "48.2MiB");
        assert_eq!(margin(0.999), "99 % to spare");
        assert_eq!(margin(-0.111), "12 % beyond");
    }

    #[test]
    fn sparklines_scale_to_the_largest_and_leave_gaps() {
        assert_eq!(sparkline(&[Some(0.0), Some(7.0), None, Some(3.5)], 10), "▁█ ▅");
        assert_eq!(sparkline(&[Some(0.0)], 10), "▁");
        assert_eq!(
            sparkline(&(0..100).map(|v| Some(f64::from(v))).collect::<Vec<_>>(), 8).chars().count(),
            8
        );
        assert_eq!(sparkline(&[], 8), "");
    }

    #[test]
    fn long_text_is_cut_or_wrapped() {
        assert_eq!(fit("trading-engine", 8), "trading…");
        assert_eq!(wrap("one two three", 9, "  "), "  one two\n  three");
    }
}
