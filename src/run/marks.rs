//! Limits the marks of a run: those of a connection that repeat themselves within a second become one with a count, and of
//! each kind the first are kept, and the number of the rest.

use std::collections::BTreeMap;

use crate::plan::Ns;
use crate::record::Mark;
use crate::report::show;

/// Marks of a kind that are kept in full.
const KEPT: u64 = 100;
/// Marks of the same kind and connection within this time are one.
const TOGETHER_NS: Ns = 1_000_000_000;
/// The longest detail of a mark, in characters.
const LONGEST: usize = 500;

/// Counts the marks of a run, by kind.
#[derive(Debug, Default)]
pub(super) struct Marks {
    kinds: BTreeMap<String, Kind>,
    /// Marks of connections that others may still join, each with their number.
    held: Vec<(Mark, u64)>,
}

/// The marks of a kind.
#[derive(Debug, Default)]
struct Kind {
    count: u64,
    last: Ns,
}

impl Marks {
    /// Counts a mark, and returns it, shortened if need be, unless there are too many of its kind.
    pub(super) fn keep(&mut self, mark: Mark) -> Option<Mark> {
        if !self.kinds.contains_key(&mark.kind) {
            self.kinds.insert(mark.kind.clone(), Kind::default());
        }
        let kind = self.kinds.get_mut(&mark.kind)?;
        kind.count += 1;
        kind.last = kind.last.max(mark.at_ns);
        (kind.count <= KEPT).then(|| Mark { detail: show::fit(&mark.detail, LONGEST), ..mark })
    }

    /// Holds the mark of a connection back: those of the same kind and connection that come within a second join it.
    pub(super) fn hold(&mut self, mark: Mark) {
        let joins = |held: &&mut (Mark, u64)| {
            let (first, _) = held;
            let same = first.kind == mark.kind && connection(first) == connection(&mark);
            same && mark.at_ns.saturating_sub(first.at_ns) < TOGETHER_NS
        };
        match self.held.iter_mut().find(joins) {
            Some((_, count)) => *count += 1,
            None => self.held.push((mark, 1)),
        }
    }

    /// Returns the marks that nothing can join any more at `now`.
    pub(super) fn release(&mut self, now: Ns) -> Vec<Mark> {
        let over = |(mark, _): &(Mark, u64)| now.saturating_sub(mark.at_ns) >= TOGETHER_NS;
        let (over, held) = std::mem::take(&mut self.held).into_iter().partition(over);
        self.held = held;
        let counted = |(mark, count): (Mark, u64)| match count {
            1 => mark,
            count => {
                Mark { detail: format!("{} ({} times within 1 s)", mark.detail, show::count(count)), ..mark }
            }
        };
        Vec::into_iter(over).map(counted).collect()
    }

    /// For each kind with more marks than were kept, a mark with the number of the others, at the time of the
    /// last.
    pub(super) fn rest(&mut self) -> Vec<Mark> {
        let all = std::mem::take(&mut self.kinds);
        let more = all.into_iter().filter(|(_, kind)| kind.count > KEPT);
        more.map(|(name, Kind { count, last })| Mark {
            at_ns: last,
            detail: format!("and {} more of this kind so far", show::count(count - KEPT)),
            kind: name,
        })
        .collect()
    }
}

/// The connection of a mark, whose detail begins with its name.
fn connection(mark: &Mark) -> &str {
    mark.detail.split(": ").next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_a_connection_that_repeat_themselves_within_a_second_are_one_with_a_count() {
        let mut marks = Marks::default();
        let mark = |at_ns, kind: &str, detail: &str| Mark { at_ns, kind: kind.into(), detail: detail.into() };
        for at in 0..200 {
            marks.hold(mark(at * 10_000_000, "no-responders", "member 0 of g: nobody answers"));
        }
        marks.hold(mark(5, "no-responders", "member 1 of g: nobody answers"));
        marks.hold(mark(7, "disconnected", "member 0 of g"));
        assert_eq!(marks.release(500_000_000), []);
        let first = marks.release(1_100_000_000);
        let details: Vec<_> = first.iter().map(|mark| (mark.at_ns, mark.detail.as_str())).collect();
        let repeated = "member 0 of g: nobody answers (100 times within 1 s)";
        let others = [(5, "member 1 of g: nobody answers"), (7, "member 0 of g")];
        assert_eq!(details, [&[(0, repeated)], &others[..]].concat());
        let rest = marks.release(Ns::MAX);
        assert_eq!((rest.len(), rest[0].at_ns, rest[0].detail.as_str()), (1, 1_000_000_000, repeated));
        assert_eq!(marks.release(Ns::MAX), []);
    }

    #[test]
    fn a_burst_of_marks_is_kept_as_its_first_and_their_number() {
        let mut marks = Marks::default();
        let mark = |at_ns, kind: &str| Mark { at_ns, kind: kind.into(), detail: "é\n".repeat(1000) };
        let kept: Vec<Mark> = (0..20_000).filter_map(|at| marks.keep(mark(at, "lame-duck"))).collect();
        assert_eq!(kept.len(), 100);
        assert!(
            kept.iter().all(|mark| mark.detail.chars().count() <= LONGEST && !mark.detail.contains('\n'))
        );
        assert!(marks.keep(mark(5, "disconnected")).is_some(), "each kind has its own count");
        let rest = marks.rest();
        assert_eq!(rest.len(), 1);
        assert_eq!(
            (rest[0].at_ns, rest[0].kind.as_str(), rest[0].detail.as_str()),
            (19_999, "lame-duck", "and 19,900 more of this kind so far")
        );
        assert_eq!(marks.rest(), []);
    }
}
