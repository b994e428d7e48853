//! Short forms of labels that stand beside each other: what they have in common is cut, not what differs.

use std::collections::BTreeSet;

use super::show::plain;

const CUT: char = '…';

/// The labels on one line each, of at most `width` characters. Labels that differ still differ when they are short, from a
/// width of four on; a label that fits stays as it is.
#[must_use]
pub(crate) fn distinct(labels: &[String], width: usize) -> Vec<String> {
    let labels: Vec<String> = labels.iter().map(|label| plain(label)).collect();
    let fits = |text: &str| text.chars().count() <= width;
    if labels.iter().all(|label| fits(label)) {
        return labels;
    }
    if labels.iter().all(|label| Some(label) == labels.first()) {
        // Nothing differs, and the start says the most.
        return labels.iter().map(|label| super::show::fit(label, width)).collect();
    }
    let letters: Vec<Vec<char>> = labels.iter().map(|label| label.chars().collect()).collect();
    let attempts = [Common::in_words(&letters), Common::of(&letters)];
    let mut found = attempts.iter().filter_map(|common| {
        let short: Option<Vec<String>> = letters.iter().map(|label| common.shortened(label, width)).collect();
        short.filter(|short| as_distinct(&labels, short))
    });
    if let Some(short) = found.next() {
        return short;
    }
    let cut: [fn(&[char], usize) -> String; 2] = [end_cut, start_cut];
    let mut simple = cut.iter().map(|cut| letters.iter().map(|label| cut(label, width)).collect::<Vec<_>>());
    simple.find(|short| as_distinct(&labels, short)).unwrap_or_else(|| numbered(&letters, width))
}

/// Do the short forms differ wherever the labels do?
fn as_distinct(labels: &[String], short: &[String]) -> bool {
    let of = |texts: &[String]| texts.iter().collect::<BTreeSet<_>>().len();
    of(labels) == of(short)
}

/// The lengths of what all labels begin and end with.
struct Common {
    start: usize,
    end: usize,
}

impl Common {
    fn of(labels: &[Vec<char>]) -> Self {
        let shortest = labels.iter().map(Vec::len).min().unwrap_or(0);
        let Some(first) = labels.first() else { return Self { start: 0, end: 0 } };
        let same = |at: &dyn Fn(&[char]) -> Option<char>| labels.iter().all(|label| at(label) == at(first));
        let start = (0..shortest).take_while(|n| same(&|label| label.get(*n).copied())).count();
        let end =
            (0..shortest - start).take_while(|n| same(&|label| label.iter().rev().nth(*n).copied())).count();
        Self { start, end }
    }

    /// The same, up to whole words.
    fn in_words(labels: &[Vec<char>]) -> Self {
        let Self { start, end } = Self::of(labels);
        let Some(first) = labels.first() else { return Self { start, end } };
        let within = |letters: &[char]| letters.iter().take_while(|c| c.is_alphanumeric()).count();
        let head: Vec<char> = first[..start].iter().rev().copied().collect();
        Self { start: start - within(&head), end: end - within(&first[first.len() - end..]) }
    }

    /// A label without some of what is common; `None` if what differs does not fit.
    fn shortened(&self, label: &[char], width: usize) -> Option<String> {
        if label.len() <= width {
            return Some(label.iter().collect());
        }
        let (head, rest) = label.split_at(self.start);
        let (own, tail) = rest.split_at(rest.len() - self.end);
        let text = |letters: &[char]| letters.iter().collect::<String>();
        if head.len() + own.len() < width {
            // Only the end is cut.
            let kept = width - 1 - head.len() - own.len();
            return Some(format!("{}{}{}{CUT}", text(head), text(own), text(&tail[..kept.min(tail.len())])));
        }
        if own.len() + tail.len() < width {
            let kept = width - 1 - own.len() - tail.len();
            return Some(format!("{}{CUT}{}{}", text(&head[..kept.min(head.len())]), text(own), text(tail)));
        }
        let room = width.checked_sub(own.len() + 2)?;
        let after = (room / 3).min(tail.len());
        let before = (room - after).min(head.len());
        Some(format!("{}{CUT}{}{}{CUT}", text(&head[..before]), text(own), text(&tail[..after])))
    }
}

fn end_cut(label: &[char], width: usize) -> String {
    if label.len() <= width {
        return label.iter().collect();
    }
    label.iter().take(width.saturating_sub(1)).copied().chain([CUT]).collect()
}

fn start_cut(label: &[char], width: usize) -> String {
    if label.len() <= width {
        return label.iter().collect();
    }
    let kept = width.saturating_sub(1).min(label.len());
    std::iter::once(CUT).chain(label[label.len() - kept..].iter().copied()).collect()
}

/// The last resort: labels that are too long end with a number, the same for the same label.
fn numbered(labels: &[Vec<char>], width: usize) -> Vec<String> {
    let mut taken: BTreeSet<String> =
        labels.iter().filter(|label| label.len() <= width).map(|label| label.iter().collect()).collect();
    let mut short: Vec<String> = Vec::new();
    for (at, label) in labels.iter().enumerate() {
        let before =
            labels[..at].iter().position(|other| other == label).and_then(|at| short.get(at).cloned());
        if let Some(same) = before {
            short.push(same);
            continue;
        }
        if label.len() <= width {
            short.push(label.iter().collect());
            continue;
        }
        let mut number = at + 1;
        let text = loop {
            let end = format!("{CUT}{number}");
            let kept = width.saturating_sub(end.chars().count());
            let text: String = label.iter().take(kept).copied().chain(end.chars()).collect();
            if taken.insert(text.clone()) || number > 99 {
                break text;
            }
            number += 1;
        };
        short.push(text);
    }
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn short<const N: usize>(labels: [&str; N], width: usize) -> [String; N] {
        distinct(&labels.map(str::to_owned), width).try_into().unwrap_or_else(|_| panic!("as many"))
    }

    #[test]
    fn the_common_part_is_cut_and_never_what_differs() {
        assert_eq!(
            short(["nats-three-replicas-sync-always", "nats-three-replicas-sync-2m"], 16),
            ["nats-thre…always", "nats-three-re…2m"]
        );
        assert_eq!(
            short(["one-of-the-first", "one-of-the-second", "one-of-the-third"], 12),
            ["one-of…first", "one-o…second", "one-of…third"]
        );
        assert_eq!(
            short(["orders file in production", "orders memory in production"], 16),
            ["orders file in …", "orders memory i…"],
            "the end is common as well"
        );
        assert_eq!(short(["abcdefghijkl-1", "abcdefghijkl-2"], 4), ["ab…1", "ab…2"]);
        assert_eq!(
            short(["nothing common here", "all of it differs"], 8),
            ["nothing…", "all of …"],
            "only the start is left"
        );
    }

    #[test]
    fn a_label_that_fits_stays() {
        assert_eq!(short(["file", "memory"], 10), ["file", "memory"]);
        assert_eq!(short(["same-long-label", "same-long-label"], 8), ["same-lo…", "same-lo…"]);
        assert_eq!(distinct(&[], 8), [""; 0]);
    }

    proptest! {
        #[test]
        fn distinct_labels_remain_distinct(
            start in "[a-z-]{0,30}", end in "[a-z-]{0,30}",
            parts in proptest::collection::vec("[a-z0-9-]{0,24}", 2..8),
            width in 4_usize..60,
        ) {
            let labels: Vec<String> = parts.iter().map(|part| format!("{start}{part}{end}")).collect();
            let short = distinct(&labels, width);
            prop_assert_eq!(short.len(), labels.len());
            for (one, short_one) in labels.iter().zip(&short) {
                prop_assert!(short_one.chars().count() <= width, "{} in {}", short_one, width);
                prop_assert!(one.chars().count() > width || one == short_one, "{}", short_one);
                for (other, short_other) in labels.iter().zip(&short) {
                    prop_assert_eq!(one == other, short_one == short_other, "{:?} became {:?}", labels, short);
                }
            }
        }

        #[test]
        fn any_text_is_cut_to_its_width(labels in proptest::collection::vec(".{0,80}", 1..8), width in 4_usize..60) {
            for short in distinct(&labels, width) {
                prop_assert!(short.chars().count() <= width);
                prop_assert!(!short.contains('\n'));
            }
        }
    }
}
