//! Distributions of times, with exact counts where a verdict depends on them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};

use crate::measure::decode::decode;
use crate::measure::limit::{Limit, Tally, rank};
use crate::num;
use crate::plan::{Ns, Op};

/// The longest time a histogram holds: one hour.
pub const HIGHEST_NS: u64 = 3_600_000_000_000;

/// Why a histogram could not be encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub enum HistogramError {
    /// It does not fit its format.
    #[error("the histogram cannot be encoded: {0}")]
    Encode(String),
    /// The text is not base64.
    #[error("the histogram is not base64")]
    Base64(#[from] base64::DecodeError),
    /// The bytes are not a compressed V2 histogram.
    #[error("the bytes are not a compressed V2 histogram: {0}")]
    Decode(String),
}

/// A distribution of times in nanoseconds: an HDR histogram with 3 significant digits from 1 ns to 1 h, and
/// exact counters and extremes.
///
/// Every value is counted:
///
/// | value | `count`, `sum`, `min`, `max` | histogram | limits | |
/// |---|---|---|---|---|
/// | below 0 (clock error) | exact | as 0 | as 0 | counted as `negative` |
/// | 0 to 1 h | exact | included | exact | |
/// | above 1 h | exact | not included, ranks above all others | exact | counted as `overflow` |
#[derive(Debug, Clone)]
pub struct Latency {
    histogram: Histogram<u64>,
    limits: Vec<Limit>,
    count: u64,
    negative: u64,
    overflow: u64,
    sum: i128,
    min: i64,
    max: i64,
}

/// The figures of a distribution that has values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Number of values.
    pub count: u64,
    /// Smallest, exact; negative if a clock was wrong.
    pub min_ns: i64,
    /// Arithmetic mean, exact.
    pub mean_ns: f64,
    /// Median; like all quantiles, accurate to 3 digits.
    pub p50_ns: u64,
    /// 90 % quantile.
    pub p90_ns: u64,
    /// 99 % quantile.
    pub p99_ns: u64,
    /// 99.9 % quantile.
    pub p99_9_ns: u64,
    /// 99.99 % quantile.
    pub p99_99_ns: u64,
    /// Largest, exact.
    pub max_ns: i64,
    /// Values below 0.
    pub negative: u64,
    /// Values above one hour.
    pub overflow: u64,
}

impl Latency {
    /// An empty distribution with exact counters around these limits, in nanoseconds.
    #[must_use]
    pub fn new(limits: &[u64]) -> Self {
        let mut limits = limits.to_vec();
        limits.sort_unstable();
        limits.dedup();
        Self {
            histogram: empty_histogram(),
            limits: limits.into_iter().map(|ns| Limit { ns, tally: Tally::default() }).collect(),
            count: 0,
            negative: 0,
            overflow: 0,
            sum: 0,
            min: i64::MAX,
            max: i64::MIN,
        }
    }

    /// An empty distribution with the same limits.
    pub(super) fn empty_like_this(&self) -> Self {
        let limits: Vec<u64> = self.limits.iter().map(|limit| limit.ns).collect();
        Self::new(&limits)
    }

    /// Counts the time from one moment to another; negative if the second is the earlier one.
    #[inline]
    pub fn record_between(&mut self, from: Ns, to: Ns) {
        self.record(num::difference(to, from));
    }

    /// Counts a time in nanoseconds.
    #[inline]
    pub fn record(&mut self, ns: i64) {
        self.count += 1;
        self.sum += i128::from(ns);
        self.min = self.min.min(ns);
        self.max = self.max.max(ns);
        self.negative += u64::from(ns < 0);
        let value = u64::try_from(ns).unwrap_or(0);
        for limit in &mut self.limits {
            limit.tally.record(value, limit.ns);
        }
        if value > HIGHEST_NS {
            self.overflow += 1;
        } else {
            self.histogram.saturating_record(value);
        }
    }

    /// Adds all values of another distribution. Limits that only one of them has are dropped, since their
    /// counts would be incomplete.
    pub fn merge(&mut self, other: &Self) {
        self.limits
            .retain_mut(|limit| other.limit(limit.ns).inspect(|&tally| limit.tally.merge(tally)).is_some());
        if other.count == 0 {
            return;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.negative += other.negative;
        self.overflow += other.overflow;
        let added = self.histogram.add(&other.histogram);
        debug_assert!(added.is_ok(), "all histograms have the same bounds");
    }

    /// Removes all values, but keeps the memory.
    pub fn clear(&mut self) {
        if self.count > 0 {
            self.histogram.reset();
        }
        for limit in &mut self.limits {
            limit.tally = Tally::default();
        }
        (self.count, self.negative, self.overflow, self.sum) = (0, 0, 0, 0);
        (self.min, self.max) = (i64::MAX, i64::MIN);
    }

    /// Number of values.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Values below 0.
    #[must_use]
    pub const fn negative(&self) -> u64 {
        self.negative
    }

    /// Values above one hour.
    #[must_use]
    pub const fn overflow(&self) -> u64 {
        self.overflow
    }

    /// Smallest value, exact.
    #[must_use]
    pub fn min(&self) -> Option<i64> {
        (self.count > 0).then_some(self.min)
    }

    /// Largest value, exact.
    #[must_use]
    pub fn max(&self) -> Option<i64> {
        (self.count > 0).then_some(self.max)
    }

    /// Arithmetic mean of the exact values.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        mean(self.sum, self.count)
    }

    /// The value at rank ⌈q·count⌉ ([`rank`]): the upper end of its bucket (at most 0.1 % too high, never too
    /// low), but not above the largest value; exact where the rank falls among the overflown values (then it is
    /// the largest value) or the negative ones (then it is 0).
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let max = u64::try_from(self.max()?).unwrap_or(0);
        let (rank, within) = (rank(q, self.count), self.histogram.len());
        if rank > within {
            return Some(max);
        }
        // Half a rank lower, so that rounding of the share never reaches the next one.
        let share = (num::f64_of(rank) - 0.5) / num::f64_of(within);
        Some(self.histogram.value_at_quantile(share).min(max))
    }

    /// The exact counts around a limit that was given at the start.
    #[must_use]
    pub fn limit(&self, ns: u64) -> Option<Tally> {
        self.limits.iter().find(|limit| limit.ns == ns).map(|limit| limit.tally)
    }

    /// All limits with their counts, in ascending order.
    #[must_use]
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// Does the `q`-quantile meet `OP limit`? Exact; `None` without values or for a limit that is not counted.
    #[must_use]
    pub fn holds(&self, q: f64, op: Op, limit: u64) -> Option<bool> {
        let tally = self.limit(limit)?;
        (self.count > 0).then(|| tally.holds(q, op, self.count, 0))
    }

    /// The usual figures; `None` without values.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        Some(Summary {
            count: self.count,
            min_ns: self.min()?,
            mean_ns: self.mean()?,
            p50_ns: self.quantile(0.5)?,
            p90_ns: self.quantile(0.9)?,
            p99_ns: self.quantile(0.99)?,
            p99_9_ns: self.quantile(0.999)?,
            p99_99_ns: self.quantile(0.9999)?,
            max_ns: self.max()?,
            negative: self.negative,
            overflow: self.overflow,
        })
    }

    /// The histogram, for charts and interval logs.
    #[must_use]
    pub const fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    /// The histogram as text for HDR tools: V2, compressed, in base64.
    ///
    /// # Errors
    /// When a count does not fit the format (above 2^63).
    pub fn to_base64_v2(&self) -> Result<String, HistogramError> {
        encode(&self.histogram)
    }
}

/// The mean of a sum; `None` for a count of 0.
pub(super) fn mean(sum: i128, count: u64) -> Option<f64> {
    // Quotient and remainder separately, so that a sum above 2^53 loses no precision.
    let whole = sum.checked_div(i128::from(count))?;
    let rest = sum - whole * i128::from(count);
    // The mean of 64-bit numbers fits 64 bits, and the remainder is below the count.
    let f64_of = |n: i128| num::f64_of_signed(i64::try_from(n).unwrap_or(i64::MAX));
    Some(f64_of(whole) + f64_of(rest) / num::f64_of(count))
}

#[expect(clippy::expect_used, reason = "the bounds are constants, and legal")]
fn empty_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, HIGHEST_NS, 3).expect("legal bounds")
}

/// A histogram as text: V2, compressed, in base64.
///
/// # Errors
/// When a count does not fit the format (above 2^63).
pub fn encode(histogram: &Histogram<u64>) -> Result<String, HistogramError> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut bytes)
        .map_err(|error| HistogramError::Encode(error.to_string()))?;
    Ok(BASE64_STANDARD.encode(bytes))
}

/// The sum of encoded histograms. All histograms of a run have the same bounds; texts that are invalid or have
/// other bounds are ignored. `None` if there are none.
#[must_use]
pub fn sum<'a>(texts: impl IntoIterator<Item = &'a String>) -> Option<Histogram<u64>> {
    texts.into_iter().filter_map(|text| decode(text).ok()).reduce(|mut sum, read| {
        let _ = sum.add(read);
        sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(limits: &[u64], values: &[i64]) -> Latency {
        let mut latency = Latency::new(limits);
        for &ns in values {
            latency.record(ns);
        }
        latency
    }

    /// All observable figures of a distribution.
    fn seen(l: &Latency) -> (Vec<Limit>, Vec<u64>, [Option<i64>; 2], Histogram<u64>) {
        let counts = vec![l.count, l.negative, l.overflow, u64::try_from(l.sum.unsigned_abs()).unwrap()];
        (l.limits.clone(), counts, [l.min(), l.max()], l.histogram.clone())
    }

    /// Any time: mostly realistic, some negative or huge.
    fn any_time() -> impl Strategy<Value = i64> {
        prop_oneof![6 => 0..200_000_000_i64, 1 => -1_000_000..=0_i64, 1 => 3_599_000_000_000..3_700_000_000_000_i64]
    }

    #[test]
    fn nothing_is_lost_at_the_edges() {
        let hour = i64::try_from(HIGHEST_NS).unwrap();
        let l = of(&[0, HIGHEST_NS], &[-5, 0, 1, hour, hour + 1, i64::MAX]);
        assert_eq!((l.count(), l.negative(), l.overflow()), (6, 1, 2));
        assert_eq!(l.histogram().len(), 4, "the negative one is in it as 0, those above an hour are not");
        assert_eq!(l.histogram().count_at(0), 2);
        assert_eq!((l.min(), l.max()), (Some(-5), Some(i64::MAX)));
        assert_eq!(l.limit(0), Some(Tally { above: 4, equal: 2 }));
        assert_eq!(l.limit(HIGHEST_NS), Some(Tally { above: 2, equal: 1 }));
        assert_eq!(l.limit(7), None);
        assert_eq!([l.quantile(0.0), l.quantile(1.0 / 3.0), l.quantile(0.5)], [Some(0), Some(0), Some(1)]);
        let last_within = l.quantile(4.0 / 6.0).unwrap();
        assert!((HIGHEST_NS..HIGHEST_NS + HIGHEST_NS / 1000).contains(&last_within), "{last_within}");
        assert_eq!(
            l.quantile(0.9),
            Some(u64::try_from(i64::MAX).unwrap()),
            "ranks above an hour are not below it"
        );
    }

    #[test]
    fn no_values_have_no_figures() {
        let l = Latency::new(&[1]);
        assert_eq!((l.min(), l.max(), l.mean()), (None, None, None));
        assert_eq!((l.summary(), l.quantile(0.5), l.holds(0.5, Op::Below, 1)), (None, None, None));
    }

    #[test]
    fn a_mean_is_exact_beyond_the_precision_of_a_float() {
        let l = of(&[], &[(1 << 53) + 1, (1 << 53) + 1, (1 << 53) - 2]);
        assert_eq!(l.mean().map(num::u64_of), Some(1 << 53));
        assert!((of(&[], &[-3, 0]).mean().unwrap() + 1.5).abs() < f64::EPSILON);
    }

    #[test]
    fn moments_in_the_wrong_order_are_a_negative_time() {
        let mut l = Latency::new(&[]);
        l.record_between(5, 12);
        l.record_between(12, 5);
        assert_eq!((l.min(), l.max(), l.negative()), (Some(-7), Some(7), 1));
    }

    #[test]
    fn the_usual_figures_are_those_of_the_values() {
        let mut values: Vec<i64> = (1..=1000).collect();
        values.extend([-4, -6, i64::MAX]);
        let l = of(&[], &values);
        let summary = l.summary().unwrap();
        assert_eq!((summary.count, summary.negative, summary.overflow), (1003, 2, 1));
        assert_eq!((l.negative(), summary.min_ns, summary.max_ns), (2, -6, i64::MAX));
        // Ranks ⌈q·1003⌉; the two lowest are the negative ones.
        let figures = (summary.p50_ns, summary.p90_ns, summary.p99_ns, summary.p99_9_ns, summary.p99_99_ns);
        assert_eq!(figures, (500, 901, 991, 1000, u64::try_from(i64::MAX).unwrap()));
        assert!((summary.mean_ns - l.mean().unwrap()).abs() < f64::EPSILON);
        assert_eq!(of(&[], &[1, 2]).negative(), 0);
    }

    #[test]
    fn the_sum_of_texts_is_that_of_their_histograms() {
        let text = |values: &[i64]| of(&[], values).to_base64_v2().unwrap();
        let texts = [text(&[1, 5]), "not a histogram".to_owned(), text(&[5, 9, 700])];
        assert_eq!(sum(&texts).as_ref(), Some(of(&[], &[1, 5, 5, 9, 700]).histogram()));
        assert_eq!(sum(&texts[1..2]), None);
    }

    #[test]
    fn text_that_is_not_a_histogram_is_an_error() {
        assert!(matches!(decode("*"), Err(HistogramError::Base64(_))));
        for bad in ["", "AAAA", "HISTFAAAAB9"] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn merging_is_associative_and_the_same_as_recording_all(
            parts in proptest::array::uniform3(proptest::collection::vec(any_time(), 0..20)),
        ) {
            let limits = [1_000, 100_000_000];
            let [a, b, c] = [0, 1, 2].map(|i| of(&limits, &parts[i]));
            let mut left = a.clone();
            left.merge(&b);
            left.merge(&c);
            let mut right = b;
            right.merge(&c);
            let mut all = a;
            all.merge(&right);
            prop_assert_eq!(seen(&left), seen(&all));
            prop_assert_eq!(seen(&left), seen(&of(&limits, &parts.concat())));
        }

        #[test]
        fn merging_keeps_only_limits_that_both_counted(values in proptest::collection::vec(any_time(), 0..9)) {
            let mut merged = of(&[10, 20], &values);
            merged.merge(&of(&[20, 30], &values));
            prop_assert_eq!(merged.limits().iter().map(|l| l.ns).collect::<Vec<_>>(), [20]);
        }

        #[test]
        fn a_cleared_distribution_is_a_new_one(values in proptest::collection::vec(any_time(), 0..9)) {
            let mut latency = of(&[10], &values);
            latency.clear();
            prop_assert_eq!(seen(&latency), seen(&Latency::new(&[10])));
        }

        #[test]
        fn quantiles_are_those_of_the_sorted_values_within_three_digits(
            mut values in proptest::collection::vec(any_time(), 1..60),
            q in prop_oneof![0.0..=1.0_f64, Just(0.5), Just(0.99), Just(1.0)],
        ) {
            let l = of(&[50_000_000], &values);
            values.sort_unstable();
            let exact = values[num::index(rank(q, l.count())) - 1].max(0);
            let exact = u64::try_from(exact).unwrap();
            let found = l.quantile(q).unwrap();
            prop_assert!(i64::try_from(found).unwrap() <= l.max().unwrap().max(0), "no quantile is above the largest");
            if exact > HIGHEST_NS {
                prop_assert_eq!(found, u64::try_from(values[values.len() - 1]).unwrap());
            } else {
                prop_assert!(found >= exact && found - exact <= exact / 1000, "{found} for {exact}");
            }
            prop_assert_eq!(l.holds(q, Op::Below, 50_000_000), Some(exact < 50_000_000));
        }

        #[test]
        fn text_reads_back(values in proptest::collection::vec(any_time(), 0..60)) {
            let l = of(&[], &values);
            prop_assert_eq!(&decode(&l.to_base64_v2().unwrap()).unwrap(), l.histogram());
        }

        #[test]
        fn no_text_panics(text in "[A-Za-z0-9+/]{0,80}") {
            let _ = decode(&text);
        }
    }
}
