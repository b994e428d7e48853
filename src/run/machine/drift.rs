//! Detects steps of the wall clock against the monotonic clock.

use crate::num;

/// The largest change of the wall clock against the monotonic one in a second that is not a step.
const CLOCK_STEP_NS: u64 = 100_000_000;

/// A warning if the wall clock was stepped between two readings of its drift, in nanoseconds. With a reading
/// each second, slewing by a time daemon (up to 0.05 %) is never taken for a step, however long the run.
pub(super) fn clock_step(before_ns: i64, now_ns: i64) -> Option<String> {
    let moved = now_ns.saturating_sub(before_ns);
    (moved.unsigned_abs() > CLOCK_STEP_NS).then(|| {
        format!(
            "the wall clock was stepped by {:+.3} s; every figure here is measured on the monotonic clock and \
             stands, only the times of the broker's own log moved",
            num::f64_of_signed(moved) / 1e9
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stepped_wall_clock_is_reported_and_a_slewed_one_is_not() {
        let second_ns = 1_000_000_000;
        assert_eq!(clock_step(0, 500_000), None, "500 ppm");
        assert_eq!(clock_step(7 * second_ns, 7 * second_ns + 500_000), None, "after days of slewing");
        assert_eq!(clock_step(0, 100_000_000), None);
        let forward = clock_step(0, 3_200_000_000).unwrap();
        assert!(forward.contains("stepped by +3.200 s") && forward.contains("monotonic"), "{forward}");
        let back = clock_step(500_000, 500_000 - 3600 * second_ns).unwrap();
        assert!(back.contains("stepped by -3600.000 s"), "{back}");
        assert!(clock_step(i64::MIN, i64::MAX).is_some());
    }
}
