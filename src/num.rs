//! Number conversions with documented behaviour at the edges, so that no other module needs `as`.

#![expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the one place where numbers change their type; each function states its edges"
)]

pub mod show;

use std::time::Duration;

/// The nearest `f64`; exact below 2^53 (104 days in nanoseconds).
#[must_use]
pub const fn f64_of(n: u64) -> f64 {
    n as f64
}

/// The nearest `f64` of a signed number; exact below 2^53 in magnitude.
#[must_use]
pub const fn f64_of_signed(n: i64) -> f64 {
    n as f64
}

/// Rounds to the nearest integer; negative numbers and NaN become 0, too large ones `u64::MAX`.
#[must_use]
pub const fn u64_of(x: f64) -> u64 {
    // Most processors have no instruction for `round`; the fraction of `x` is exact, so compare it.
    let whole = x as u64;
    if x - whole as f64 >= 0.5 { whole.saturating_add(1) } else { whole }
}

/// Rounds towards zero; negative numbers and NaN become 0, too large ones `u64::MAX`.
#[must_use]
pub const fn u64_floor(x: f64) -> u64 {
    x as u64
}

/// A count as an index; saturates where `usize` is narrower than 64 bits.
#[must_use]
pub fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// A 32-bit count as an index (every supported platform has at least 32 bits).
#[must_use]
pub const fn index32(n: u32) -> usize {
    n as usize
}

/// A length as a count.
#[must_use]
pub const fn count(n: usize) -> u64 {
    n as u64
}

/// A length as a 32-bit count; saturates.
#[must_use]
pub fn count32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A sum of counts; saturates, since counts from a file may have any value.
#[must_use]
pub fn sum(counts: impl IntoIterator<Item = u64>) -> u64 {
    counts.into_iter().fold(0, u64::saturating_add)
}

/// The low 32 bits.
#[must_use]
pub const fn low32(n: u64) -> u32 {
    n as u32
}

/// The low 16 bits.
#[must_use]
pub const fn low16(n: u64) -> u16 {
    n as u16
}

/// The low 8 bits.
#[must_use]
pub const fn low8(n: u64) -> u8 {
    n as u8
}

/// A span in whole nanoseconds; saturates after 584 years.
#[must_use]
pub fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// `a − b` as a signed number; saturates at the ends of `i64`.
#[must_use]
pub fn difference(a: u64, b: u64) -> i64 {
    if a >= b {
        i64::try_from(a - b).unwrap_or(i64::MAX)
    } else {
        i64::try_from(b - a).map_or(i64::MIN, |d| -d)
    }
}

/// `part / whole`, and 0 for an empty whole.
#[must_use]
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { f64_of(part) / f64_of(whole) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rounding_keeps_its_edges() {
        let just_below_half = 0.5_f64.next_down();
        let edges = [(0.5, 1), (just_below_half, 0), (-0.5, 0), (-7.0, 0), (f64::NAN, 0), (2.5, 3)];
        for (x, whole) in edges {
            assert_eq!(u64_of(x), whole, "{x}");
        }
        assert_eq!([u64_of(f64::INFINITY), u64_of(1e20)], [u64::MAX; 2]);
    }

    proptest! {
        #[test]
        fn rounding_is_that_of_the_standard_library(x: f64, small in -10.0..1e16_f64, halves in 0_u64..1 << 53) {
            for x in [x, small, f64_of(halves) / 2.0] {
                prop_assert_eq!(u64_of(x), x.round() as u64);
            }
        }
    }
}
