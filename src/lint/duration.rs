//! Durations as the server reads them: Go's, such as `2m30s`, `1.5h` and `10ms`.

use crate::num;

/// Parses a duration to nanoseconds; a negative one is `None`, as is whatever the server refuses.
pub(super) fn parse(text: &str) -> Option<u64> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1.0),
        ("us", 1e3),
        ("µs", 1e3),
        ("μs", 1e3),
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 60e9),
        ("h", 3600e9),
    ];
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        if !number.contains(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let factor = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        let number = if number.ends_with('.') { format!("{number}0") } else { format!("0{number}") };
        total += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    // Go's durations end at 2^63 ns.
    (total < 9.2e18).then(|| num::u64_of(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, ns) in [
            ("0", 0),
            ("30s", 30_000_000_000),
            ("2m", 120_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("1m30s", 90_000_000_000),
            ("+5ms", 5_000_000),
            (".5s", 500_000_000),
            ("7µs", 7_000),
        ] {
            assert_eq!(parse(text), Some(ns), "{text}");
        }
        for text in ["", "2", "2 m", "m", "1d", "2x", "-1s", "9999999h", "1..5s", "s1"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
