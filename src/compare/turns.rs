//! Checks whether existing runs were made in turns, so that their pairs are evidence.

use crate::num;
use crate::record::Record;

/// Start and end of a run, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Its start.
    pub start_ns: u64,
    /// Its end.
    pub end_ns: u64,
}

impl Made {
    /// From its first phase to the end of its last.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let start_ns = record.run.epoch_unix_ns;
        let lasted = record.phases.iter().map(|phase| phase.end_ns).max().unwrap_or(0);
        Self { start_ns, end_ns: start_ns.saturating_add(lasted) }
    }
}

/// Why runs, sorted by start on each side, are not pairs made in turns; `None` if they are: equally many on each side, no
/// two overlap, both runs of a pair precede the next pair, and each side is first in at least a third of the pairs.
#[must_use]
pub fn not_in_turns(a: &[Made], b: &[Made]) -> Option<String> {
    if a.len() != b.len() {
        return Some(format!("A has {} runs, B {}", a.len(), b.len()));
    }
    if a.len() < 2 {
        return Some("one pair has no order of turns".into());
    }
    let mut all: Vec<Made> = a.iter().chain(b).copied().collect();
    all.sort_by_key(|made| made.start_ns);
    // A run that overlaps any other overlaps the one that starts next.
    let overlapping = all.windows(2).filter(|two| two[1].start_ns < two[0].end_ns).count();
    if overlapping > 0 {
        return Some(format!("{overlapping} of {} runs began before the previous run had ended", all.len()));
    }
    let pairs: Vec<(u64, u64)> = a.iter().zip(b).map(|(a, b)| (a.start_ns, b.start_ns)).collect();
    let mixed = pairs.windows(2).position(|two| two[0].0.max(two[0].1) >= two[1].0.min(two[1].1));
    if let Some(at) = mixed {
        return Some(format!("a run of pair {} was made before pair {} was complete", at + 2, at + 1));
    }
    let a_first = pairs.iter().filter(|(a, b)| a < b).count();
    let fewest = a_first.min(pairs.len() - a_first);
    (num::count(fewest) * 3 < num::count(pairs.len())).then(|| {
        let (side, times) =
            if a_first * 2 > pairs.len() { ("A", a_first) } else { ("B", pairs.len() - a_first) };
        format!(
            "{side} was first in {times} of {} pairs, so a drift of the machine looks like a difference",
            pairs.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs of ten seconds, one a minute, in this order.
    fn made(order: &str) -> (Vec<Made>, Vec<Made>) {
        let of = |side: char| {
            let starts = (0_u64..).zip(order.chars()).filter(|(_, c)| *c == side).map(|(n, _)| n * 60);
            starts.map(|start| Made { start_ns: start, end_ns: start + 10 }).collect()
        };
        (of('a'), of('b'))
    }

    fn why(order: &str) -> Option<String> {
        let (a, b) = made(order);
        not_in_turns(&a, &b)
    }

    #[test]
    fn abba_is_in_turns() {
        for order in ["abba", "abbaabba", "abbaab", "baabba", "abbaabbaab"] {
            assert_eq!(why(order), None, "{order}");
        }
    }

    #[test]
    fn what_is_not_in_turns_says_why() {
        for (order, part) in [
            ("abab", "A was first in 2 of 2 pairs"),
            ("babababa", "B was first in 4 of 4 pairs"),
            ("abababababababba", "A was first in 7 of 8 pairs"),
            ("aabb", "a run of pair 2 was made before pair 1 was complete"),
            ("abbaaabb", "a run of pair 4 was made before pair 3 was complete"),
            ("abbaa", "A has 3 runs, B 2"),
            ("ab", "one pair has no order of turns"),
        ] {
            let why = why(order).unwrap_or_default();
            assert!(why.contains(part), "{order}: {why}");
        }
    }

    #[test]
    fn runs_at_the_same_time_are_no_turns() {
        let (mut a, b) = made("abbaabba");
        a[1].end_ns = a[1].start_ns + 60;
        assert_eq!(not_in_turns(&a, &b), None, "the next begins as it ends");
        a[1].end_ns += 1;
        assert_eq!(
            not_in_turns(&a, &b).unwrap_or_default(),
            "1 of 8 runs began before the previous run had ended"
        );
        let (a, _) = made("abbaabba");
        assert!(not_in_turns(&a, &a).is_some(), "a run is no partner of its own");
    }
}
