//! Exact counts around a limit, so that a verdict never rests on a histogram's bucket.

use crate::num;
use crate::plan::Op;

/// The number of values above a limit, and on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Values greater than the limit.
    pub above: u64,
    /// Values equal to the limit.
    pub equal: u64,
}

/// A limit with its counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limit {
    /// The limit in nanoseconds.
    pub ns: u64,
    /// The counts.
    pub tally: Tally,
}

impl Tally {
    /// Counts a value against the limit. Branchless, since it runs for each event and limit.
    #[inline]
    pub fn record(&mut self, value: u64, limit: u64) {
        self.above += u64::from(value > limit);
        self.equal += u64::from(value == limit);
    }

    /// Adds the counts of another tally of the same limit.
    pub fn merge(&mut self, other: Self) {
        self.above += other.above;
        self.equal += other.equal;
    }

    /// The tally without `values` of the values above the limit, and, once those are used up, of those on it.
    #[must_use]
    pub const fn without(self, values: u64) -> Self {
        let rest = values.saturating_sub(self.above);
        Self { above: self.above.saturating_sub(values), equal: self.equal.saturating_sub(rest) }
    }

    /// How many of `count` values break `value OP limit`.
    #[must_use]
    pub const fn exceedances(self, op: Op, count: u64) -> u64 {
        match op {
            Op::Below => self.above.saturating_add(self.equal),
            Op::AtMost => self.above,
            Op::Equal => count.saturating_sub(self.equal),
            Op::AtLeast => count.saturating_sub(self.above.saturating_add(self.equal)),
            Op::Above => count.saturating_sub(self.above),
        }
    }

    /// Does the `q`-quantile of the due events meet `OP limit`? `timed` of them have a value, and `missing`
    /// have none: these break every limit, upper or lower, so that no objective is met by the survivors alone.
    ///
    /// Exact, for the quantile of [`rank`]; for `<` and `<=` this means that at most ⌊(1 − q)·due⌋ events break
    /// the limit. `false` if nothing was due.
    #[must_use]
    pub fn holds(self, q: f64, op: Op, timed: u64, missing: u64) -> bool {
        let due = timed.saturating_add(missing);
        let rank = rank(q, due);
        let up_to = timed.saturating_sub(self.above);
        let below = up_to.saturating_sub(self.equal);
        due > 0
            && match op {
                Op::Below => rank <= below,
                Op::AtMost => rank <= up_to,
                // Wherever those without a value would rank.
                Op::Equal => below.saturating_add(missing) < rank && rank <= up_to,
                Op::AtLeast => rank > below.saturating_add(missing),
                Op::Above => rank > up_to.saturating_add(missing),
            }
    }
}

/// The rank of the `q`-quantile of `count` sorted values, from 1: ⌈q·count⌉, and 1 for q = 0. So the quantile
/// is always one of the values: the smallest that at least a share q of them does not exceed.
///
/// A product within rounding of an integer is that integer: 0.07 × 100 has rank 7, not 8.
#[must_use]
pub fn rank(q: f64, count: u64) -> u64 {
    let exact = q.clamp(0.0, 1.0) * num::f64_of(count);
    let nearest = exact.round();
    let rank = if (exact - nearest).abs() <= exact * 4.0 * f64::EPSILON { nearest } else { exact.ceil() };
    num::u64_of(rank).clamp(1, count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OPS: [Op; 5] = [Op::Below, Op::AtMost, Op::Equal, Op::AtLeast, Op::Above];

    fn compare(value: u64, op: Op, limit: u64) -> bool {
        match op {
            Op::Below => value < limit,
            Op::AtMost => value <= limit,
            Op::Equal => value == limit,
            Op::AtLeast => value >= limit,
            Op::Above => value > limit,
        }
    }

    #[test]
    fn ranks_are_whole_where_the_product_is() {
        let table =
            [(0.07, 100, 7), (0.29, 100, 29), (0.99, 100, 99), (0.999, 1000, 999), (0.999, 2995, 2993)];
        for (q, count, wanted) in table {
            assert_eq!(rank(q, count), wanted, "{q} of {count}");
        }
        assert_eq!(
            [rank(0.0, 9), rank(1.0, 9), rank(0.5, 1), rank(0.5, 0), rank(f64::NAN, 9)],
            [1, 9, 1, 1, 1]
        );
    }

    proptest! {
        #[test]
        fn percentiles_of_any_count_have_the_rank_of_integer_arithmetic(permille in 0_u64..=1000, count in 1_u64..1_000_000_000) {
            let exact = (permille * count).div_ceil(1000).max(1);
            prop_assert_eq!(rank(num::f64_of(permille) / 1000.0, count), exact);
        }

        #[test]
        fn a_tally_knows_what_sorting_would_show(
            mut values in proptest::collection::vec(0_u64..8, 1..40),
            limit in 0_u64..8,
            percent in 0_u32..=100,
        ) {
            let mut tally = Tally::default();
            for &value in &values {
                tally.record(value, limit);
            }
            values.sort_unstable();
            let q = f64::from(percent) / 100.0;
            let count = num::count(values.len());
            let quantile = values[num::index(rank(q, count)) - 1];
            for op in OPS {
                prop_assert_eq!(tally.holds(q, op, count, 0), compare(quantile, op, limit), "{:?}", op);
                let broken = values.iter().filter(|&&value| !compare(value, op, limit)).count();
                prop_assert_eq!(tally.exceedances(op, count), num::count(broken), "{:?}", op);
            }
            let allowed = count - rank(q, count);
            prop_assert_eq!(tally.holds(q, Op::Below, count, 0), tally.exceedances(Op::Below, count) <= allowed);
        }
    }

    #[test]
    fn tallies_add_up() {
        let mut tally = Tally { above: 2, equal: 3 };
        tally.merge(Tally { above: 5, equal: 7 });
        assert_eq!(tally, Tally { above: 7, equal: 10 });
    }

    #[test]
    fn no_values_meet_nothing() {
        assert!(OPS.iter().all(|&op| !Tally::default().holds(0.5, op, 0, 0)));
    }

    #[test]
    fn what_has_no_value_breaks_every_limit() {
        // 99 of 100 below 5, and one that never arrived.
        let below = Tally::default();
        assert!(below.holds(0.99, Op::Below, 99, 1) && !below.holds(0.99, Op::Below, 98, 2));
        assert!(!below.holds(1.0, Op::AtMost, 99, 1));
        // The same above it.
        let above = Tally { above: 99, equal: 0 };
        assert!(above.holds(0.02, Op::AtLeast, 99, 1) && !above.holds(0.01, Op::Above, 99, 1));
        let on = Tally { above: 0, equal: 99 };
        assert!(
            on.holds(0.5, Op::Equal, 99, 1)
                && !on.holds(1.0, Op::Equal, 99, 1)
                && !on.holds(0.0, Op::Equal, 99, 1)
        );
        assert!(OPS.iter().all(|&op| !below.holds(0.5, op, 0, 10)), "nothing came at all");
    }
}
