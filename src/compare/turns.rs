//! Checks whether existing runs were made in turns, so that their pairs are evidence.

use super::Letter;
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

/// Why runs, sorted by start on each side, are not rounds made in turns; `None` if they are: equally many on each side, no
/// two overlap, all runs of a round precede the next round, and of the reference and each other side each is first in at
/// least a third of the rounds.
#[must_use]
pub fn not_in_turns(sides: &[Vec<Made>], reference: Letter) -> Option<String> {
    let name = |at: usize| Letter::ALL.get(at).map_or("?", |letter| letter.as_str());
    let of_reference = sides.get(reference.index())?;
    let rounds = of_reference.len();
    if let Some((at, side)) = sides.iter().enumerate().find(|(_, side)| side.len() != rounds) {
        return Some(format!("{} has {rounds} runs, {} {}", reference.as_str(), name(at), side.len()));
    }
    if rounds < 2 {
        return Some("one pair has no order of turns".into());
    }
    let mut all: Vec<Made> = sides.iter().flatten().copied().collect();
    all.sort_by_key(|made| made.start_ns);
    // A run that overlaps any other overlaps the one that starts next.
    let overlapping = all.windows(2).filter(|two| two[1].start_ns < two[0].end_ns).count();
    if overlapping > 0 {
        return Some(format!("{overlapping} of {} runs began before the previous run had ended", all.len()));
    }
    let starts = |round: usize| sides.iter().map(move |side| side[round].start_ns);
    let mixed = (1..rounds).find(|&round| starts(round - 1).max() >= starts(round).min());
    let noun = if sides.len() > 2 { "round" } else { "pair" };
    if let Some(at) = mixed {
        return Some(format!("a run of {noun} {} was made before {noun} {at} was complete", at + 1));
    }
    sides.iter().enumerate().filter(|(at, _)| *at != reference.index()).find_map(|(at, side)| {
        let first = of_reference.iter().zip(side).filter(|(one, other)| one.start_ns < other.start_ns).count();
        let fewest = first.min(rounds - first);
        (num::count(fewest) * 3 < num::count(rounds)).then(|| {
            let (first_name, times) =
                if first * 2 > rounds { (reference.as_str(), first) } else { (name(at), rounds - first) };
            let before = if sides.len() > 2 {
                format!(" before {}", if first * 2 > rounds { name(at) } else { reference.as_str() })
            } else {
                String::new()
            };
            format!(
                "{first_name} was first{before} in {times} of {rounds} {noun}s, so a drift of the machine looks like a \
                 difference"
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs of ten seconds, one a minute, in this order.
    fn made(order: &str) -> (Vec<Made>, Vec<Made>) {
        (side(order, 'a'), side(order, 'b'))
    }

    fn side(order: &str, side: char) -> Vec<Made> {
        let starts = (0_u64..).zip(order.chars()).filter(|(_, c)| *c == side).map(|(n, _)| n * 60);
        starts.map(|start| Made { start_ns: start, end_ns: start + 10 }).collect()
    }

    #[test]
    fn three_sides_are_in_turns_when_each_is_with_the_reference() {
        let why = |order: &str, reference| {
            let sides: Vec<Vec<Made>> = ['a', 'b', 'c'].map(|name| side(order, name)).to_vec();
            not_in_turns(&sides, reference)
        };
        for order in ["cabbac", "cabbacabccba", "abccbabaccab"] {
            assert_eq!(why(order, Letter::A), None, "{order}");
        }
        let said = |order, reference| why(order, reference).unwrap_or_default();
        assert_eq!(said("cabbaccab", Letter::A), "");
        assert!(said("acbbac", Letter::A).starts_with("A was first before C in 2 of 2 rounds"));
        assert!(said("cabcba", Letter::B).starts_with("C was first before B in 2 of 2 rounds"));
        assert!(said("abcabacc", Letter::A).contains("A has 3 runs, B 2"));
        assert_eq!(said("abacbc", Letter::A), "a run of round 2 was made before round 1 was complete");
    }

    fn why(order: &str) -> Option<String> {
        let (a, b) = made(order);
        not_in_turns(&[a, b], Letter::A)
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
        assert_eq!(not_in_turns(&[a.clone(), b.clone()], Letter::A), None, "the next begins as it ends");
        a[1].end_ns += 1;
        assert_eq!(
            not_in_turns(&[a, b], Letter::A).unwrap_or_default(),
            "1 of 8 runs began before the previous run had ended"
        );
        let (a, _) = made("abbaabba");
        assert!(not_in_turns(&[a.clone(), a], Letter::A).is_some(), "a run is no partner of its own");
    }
}
