//! Limits the marks of a run: keeps the first of each kind, and the number of the rest.

use std::collections::BTreeMap;

use crate::plan::Ns;
use crate::record::Mark;
use crate::report::show;

/// Marks of a kind that are kept in full.
const KEPT: u64 = 100;
/// The longest detail of a mark, in characters.
const LONGEST: usize = 500;

/// Counts the marks of a run, by kind.
#[derive(Debug, Default)]
pub(super) struct Marks(BTreeMap<String, Kind>);

/// The marks of a kind.
#[derive(Debug, Default)]
struct Kind {
    count: u64,
    last: Ns,
}

impl Marks {
    /// Counts a mark, and returns it, shortened if need be, unless there are too many of its kind.
    pub(super) fn keep(&mut self, mark: Mark) -> Option<Mark> {
        if !self.0.contains_key(&mark.kind) {
            self.0.insert(mark.kind.clone(), Kind::default());
        }
        let kind = self.0.get_mut(&mark.kind)?;
        kind.count += 1;
        kind.last = kind.last.max(mark.at_ns);
        (kind.count <= KEPT).then(|| Mark { detail: show::fit(&mark.detail, LONGEST), ..mark })
    }

    /// For each kind with more marks than were kept, a mark with the number of the others, at the time of the
    /// last.
    pub(super) fn rest(&mut self) -> Vec<Mark> {
        let all = std::mem::take(&mut self.0);
        let more = all.into_iter().filter(|(_, kind)| kind.count > KEPT);
        more.map(|(name, Kind { count, last })| Mark {
            at_ns: last,
            detail: format!("and {} more of this kind so far", show::count(count - KEPT)),
            kind: name,
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
