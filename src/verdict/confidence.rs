//! The number of events that an objective on a quantile needs, by the exact binomial bound.
//!
//! Of n events, k lie beyond the limit. A pass is a statement about the bus, not only about these n events: its
//! q-quantile meets the limit at 95 % confidence. A bus with a share of 1 − q beyond the limit would show k or
//! fewer of n in at most 5 of 100 runs, P(Bin(n, 1 − q) ≤ k) ≤ 0.05 (the one-sided bound of Clopper and
//! Pearson, 1934, for independent events). A miss is a fact of the run; it is reported if n events allow a pass
//! at all, or if k or more would occur by chance in at most 5 of 100 runs.

use crate::num;
use crate::plan::{Op, Stat};
use crate::stats::{binomial_at_least, binomial_at_most};

/// Accepted probability of a wrong verdict.
const ALPHA: f64 = 0.05;

/// Events needed to show that a quantile meets its limit when none is beyond it: the smallest n with qⁿ ≤ 0.05
/// (2,995 for p99.9, 299 for p99).
#[must_use]
pub fn samples_needed(q: f64) -> u64 {
    if q <= 0.0 || q >= 1.0 {
        return 1;
    }
    num::u64_of((ALPHA.ln() / q.ln()).ceil())
}

/// The share of events that may break a limit of this direction on the `q`-quantile.
fn allowed_share(q: f64, op: Op) -> f64 {
    match op {
        Op::Below | Op::AtMost | Op::Equal => 1.0 - q,
        Op::AtLeast | Op::Above => q,
    }
}

/// Events needed to show, with `broken` of them beyond the limit, that the quantile meets it; `None` if
/// `events` are enough.
pub(super) fn too_few_to_pass(stat: Stat, op: Op, events: u64, broken: u64) -> Option<u64> {
    let Stat::Quantile(q) = stat else { return None };
    let share = allowed_share(q, op);
    let enough = |events: u64| binomial_at_most(broken, events, share) <= ALPHA;
    if share <= 0.0 || share >= 1.0 || enough(events) {
        return None;
    }
    // More events increase the confidence: find the smallest sufficient number by bisection.
    let (mut short, mut enough_at) = (events, events.max(1));
    while !enough(enough_at) {
        short = enough_at;
        enough_at = enough_at.saturating_mul(2);
    }
    while enough_at - short > 1 {
        let middle = short.midpoint(enough_at);
        if enough(middle) { enough_at = middle } else { short = middle }
    }
    Some(enough_at)
}

/// Events needed to distinguish a miss from chance; `None` if `events` are enough.
pub(super) fn too_few_to_fail(stat: Stat, op: Op, events: u64, broken: u64) -> Option<u64> {
    let Stat::Quantile(q) = stat else { return None };
    let share = allowed_share(q, op);
    let needed = num::u64_of((ALPHA.ln() / (-share).ln_1p()).ceil());
    (share > 0.0 && events < needed && binomial_at_least(broken, events, share) > ALPHA).then_some(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const P99: Stat = Stat::Quantile(0.99);
    const P99_9: Stat = Stat::Quantile(0.999);

    #[test]
    fn without_an_exceedance_the_classic_numbers_are_needed() {
        assert_eq!((samples_needed(0.999), samples_needed(0.99), samples_needed(0.5)), (2995, 299, 5));
        assert_eq!((samples_needed(0.0), samples_needed(1.0)), (1, 1));
        let pass = |stat, events, broken| too_few_to_pass(stat, Op::Below, events, broken);
        assert_eq!([pass(P99_9, 2995, 0), pass(P99_9, 2994, 0)], [None, Some(2995)]);
        assert_eq!([pass(P99, 299, 0), pass(P99, 1, 0)], [None, Some(299)]);
    }

    #[test]
    fn exceedances_need_more_events() {
        // SciPy: binom.cdf(2, 6293, 0.001) = 0.05002, binom.cdf(2, 6294, 0.001) = 0.04998.
        assert_eq!(too_few_to_pass(P99_9, Op::Below, 2995, 2), Some(6294));
        assert_eq!(too_few_to_pass(P99_9, Op::Below, 6294, 2), None);
        // Of 100,000 events 1,000 may lie beyond a p99; at 95 % confidence no more than 948.
        assert_eq!(too_few_to_pass(P99, Op::AtMost, 100_000, 948), None);
        assert!(too_few_to_pass(P99, Op::AtMost, 100_000, 949).is_some());
    }

    #[test]
    fn a_lower_limit_allows_the_other_share() {
        assert_eq!(too_few_to_pass(P99, Op::Above, 1000, 980), None, "990 may lie below a p99");
        assert!(too_few_to_pass(P99, Op::Above, 1000, 990).is_some());
        assert_eq!(too_few_to_pass(Stat::Max, Op::Below, 1, 0), None);
    }

    #[test]
    fn a_miss_needs_events_with_which_a_pass_was_possible_unless_it_is_beyond_chance() {
        assert_eq!(too_few_to_fail(P99, Op::Below, 299, 3), None);
        assert_eq!(too_few_to_fail(P99, Op::Below, 10, 1), Some(299), "one of ten may be chance");
        assert_eq!(too_few_to_fail(P99, Op::Below, 10, 10), None, "ten of ten are not");
    }
}
