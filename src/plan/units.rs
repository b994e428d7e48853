//! Quantities as people write them (`10k/s`, `100ms`, `1GiB`), parsed, and printed so that they parse back.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::num;

/// Why a text is not a quantity of the wanted kind; says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {expected}")]
pub struct UnitError {
    /// The text as it was written.
    pub found: String,
    /// What would have been right, with an example.
    pub expected: &'static str,
}

/// Splits a quantity into its number and its unit; `None` when there is no number in front.
fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text
        .char_indices()
        .find(|&(at, c)| !(c.is_ascii_digit() || c == '.' || c == '_' || (at == 0 && (c == '-' || c == '+'))))
        .map_or(text.len(), |(at, _)| at);
    let number: f64 = text[..end].replace('_', "").parse().ok()?;
    number.is_finite().then_some((number, text[end..].trim()))
}

macro_rules! text_form {
    ($type:ty, $what:literal, $pattern:literal) => {
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $what, "pattern": $pattern })
            }
        }
    };
}

/// Events per second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate {
    /// Events per second; finite and not negative.
    pub per_second: f64,
}

impl Rate {
    /// A rate in events per second.
    #[must_use]
    pub const fn per_second(per_second: f64) -> Self {
        Self { per_second }
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError {
            found: text.to_owned(),
            expected: "a rate such as \"10k/s\", \"500/s\" or \"1.5M/s\"",
        };
        let (number, unit) = split(text).ok_or_else(wrong)?;
        let unit = unit.strip_suffix("events/s").or_else(|| unit.strip_suffix("/s")).ok_or_else(wrong)?;
        let scale = match unit.trim() {
            "" => 1.0,
            "k" | "K" => 1e3,
            "M" => 1e6,
            _ => return Err(wrong()),
        };
        if number < 0.0 {
            return Err(wrong());
        }
        Ok(Self { per_second: number * scale })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = self.per_second;
        let exact = |scaled: f64| (scaled * 1e3).fract() == 0.0;
        if r >= 1e6 && exact(r / 1e6) {
            write!(f, "{}M/s", r / 1e6)
        } else if r >= 1e3 && exact(r / 1e3) {
            write!(f, "{}k/s", r / 1e3)
        } else {
            write!(f, "{r}/s")
        }
    }
}

text_form!(Rate, "events per second", r"^[0-9._]+[kM]?/s$");

/// A span of time, in whole nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Span {
    /// Nanoseconds.
    pub ns: u64,
}

impl Span {
    /// Is it no time at all?
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.ns == 0
    }

    /// A span in seconds.
    #[must_use]
    pub const fn seconds(s: u64) -> Self {
        Self { ns: s * 1_000_000_000 }
    }

    /// A span in milliseconds.
    #[must_use]
    pub const fn millis(ms: u64) -> Self {
        Self { ns: ms * 1_000_000 }
    }

    /// The span in seconds.
    #[must_use]
    pub fn as_seconds(self) -> f64 {
        num::f64_of(self.ns) / 1e9
    }

    /// The span for the standard library.
    #[must_use]
    pub const fn as_duration(self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.ns)
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError {
            found: text.to_owned(),
            expected: "a duration such as \"100ms\", \"3s\", \"5m\" or \"1h\"",
        };
        let (number, unit) = split(text).ok_or_else(wrong)?;
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" | "min" => 60e9,
            "h" => 3600e9,
            "d" => 86400e9,
            _ => return Err(wrong()),
        };
        if number < 0.0 || number * scale > 1e18 {
            return Err(wrong());
        }
        Ok(Self { ns: num::u64_of(number * scale) })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 7] = [
            (86_400_000_000_000, "d"),
            (3_600_000_000_000, "h"),
            (60_000_000_000, "m"),
            (1_000_000_000, "s"),
            (1_000_000, "ms"),
            (1_000, "us"),
            (1, "ns"),
        ];
        if self.ns == 0 {
            return f.write_str("0s");
        }
        for (scale, unit) in UNITS {
            if self.ns.is_multiple_of(scale) {
                return write!(f, "{}{unit}", self.ns / scale);
            }
        }
        write!(f, "{}ns", self.ns)
    }
}

text_form!(Span, "a duration", r"^[0-9._]+(ns|us|µs|ms|s|m|min|h|d)$");

/// An amount of memory or storage, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Size {
    /// Bytes.
    pub bytes: u64,
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError {
            found: text.to_owned(),
            expected: "a size such as \"64MiB\", \"1GB\" or \"300B\"",
        };
        let (number, unit) = split(text).ok_or_else(wrong)?;
        let scale = match unit {
            "B" => 1.0,
            "kB" | "KB" => 1e3,
            "MB" => 1e6,
            "GB" => 1e9,
            "TB" => 1e12,
            "KiB" => 1024.0,
            "MiB" => 1_048_576.0,
            "GiB" => 1_073_741_824.0,
            "TiB" => 1_099_511_627_776.0,
            _ => return Err(wrong()),
        };
        if number < 0.0 || number * scale > 1e18 {
            return Err(wrong());
        }
        Ok(Self { bytes: num::u64_of(number * scale) })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 8] = [
            (1 << 40, "TiB"),
            (1_000_000_000_000, "TB"),
            (1 << 30, "GiB"),
            (1_000_000_000, "GB"),
            (1 << 20, "MiB"),
            (1_000_000, "MB"),
            (1 << 10, "KiB"),
            (1_000, "kB"),
        ];
        for (scale, unit) in UNITS {
            if self.bytes >= scale && self.bytes.is_multiple_of(scale) {
                return write!(f, "{}{unit}", self.bytes / scale);
            }
        }
        write!(f, "{}B", self.bytes)
    }
}

/// A share of a whole.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Share {
    /// 0 to 1.
    pub of_one: f64,
}

impl FromStr for Share {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError { found: text.to_owned(), expected: "a share such as \"0.1%\" or \"50%\"" };
        let (number, unit) = split(text).ok_or_else(wrong)?;
        if unit != "%" || !(0.0..=100.0).contains(&number) {
            return Err(wrong());
        }
        // Six decimals, as many as are written.
        Ok(Self { of_one: (number * 1e6).round() / 1e8 })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = format!("{:.6}", self.of_one * 100.0);
        write!(f, "{}%", percent.trim_end_matches('0').trim_end_matches('.'))
    }
}

text_form!(Share, "a share of a whole", r"^[0-9._]+%$");

text_form!(Size, "an amount of bytes", r"^[0-9._]+([kKMGT]i?)?B$");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_parse_as_people_write_them() {
        assert_eq!("10k/s".parse(), Ok(Rate::per_second(10_000.0)));
        assert_eq!("1.5M/s".parse(), Ok(Rate::per_second(1_500_000.0)));
        assert_eq!("0.5/s".parse(), Ok(Rate::per_second(0.5)));
        assert_eq!("100ms".parse(), Ok(Span::millis(100)));
        assert_eq!("1.5s".parse(), Ok(Span::millis(1500)));
        assert_eq!("5m".parse(), Ok(Span::seconds(300)));
        assert_eq!("1GiB".parse(), Ok(Size { bytes: 1 << 30 }));
        assert_eq!("300B".parse(), Ok(Size { bytes: 300 }));
    }

    #[test]
    fn what_is_no_quantity_says_what_was_expected() {
        for bad in ["", "10", "10k", "ten/s", "-1/s", "10q/s", "1e9999/s", "NaN/s"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
        for bad in ["", "10", "-3s", "3 parsecs", "99999999999d"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
        for bad in ["", "10", "101%", "-1%", "NaN%", "1 %%"] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
        for bad in ["", "10", "-3B", "1GiX"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
        let error = "10".parse::<Span>().expect_err("no unit");
        assert_eq!(error.to_string(), "`10` is not a duration such as \"100ms\", \"3s\", \"5m\" or \"1h\"");
    }

    proptest! {
        #[test]
        fn spans_print_so_that_they_parse_back(ns in 0_u64..1_000_000_000_000_000) {
            let span = Span { ns };
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }

        #[test]
        fn sizes_print_so_that_they_parse_back(bytes in 0_u64..1_000_000_000_000_000) {
            let size = Size { bytes };
            prop_assert_eq!(size.to_string().parse::<Size>(), Ok(size));
        }

        #[test]
        fn rates_print_so_that_they_parse_back(per_second in 0.0_f64..1e7) {
            let rate = Rate { per_second };
            let back: Rate = rate.to_string().parse().expect("a printed rate");
            prop_assert!((back.per_second - per_second).abs() <= per_second * 1e-12);
        }

        #[test]
        fn shares_print_so_that_they_parse_back(millionths in 0_u32..=100_000_000) {
            let share: Share = format!("{}%", f64::from(millionths) / 1e6).parse().expect("a share");
            prop_assert_eq!(share.to_string().parse::<Share>(), Ok(share));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = (text.parse::<Rate>(), text.parse::<Span>(), text.parse::<Size>(), text.parse::<Share>());
        }
    }
}
