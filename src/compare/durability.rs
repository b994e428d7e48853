//! Which of two acknowledgements promises more, by the words of the drivers.

/// Where a confirmed event is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kept {
    Nowhere,
    Memory,
    PageCache,
    Disk,
}

/// What an acknowledgement means: on how many copies the event is, and where on each; `None` if that is not known.
pub(crate) fn acknowledged(durability: &str) -> Option<(u32, Kept)> {
    let (copies, kept) = match durability.strip_prefix("replicated ") {
        None => (1, durability),
        Some(replicated) => {
            let (share, kept) = replicated.split_once(", ")?;
            (share.split_once('/')?.0.parse().ok()?, kept)
        }
    };
    let kept = match kept {
        kept if kept.starts_with("none") => Kept::Nowhere,
        kept if kept.starts_with("memory") => Kept::Memory,
        "page cache" => Kept::PageCache,
        "fsync" => Kept::Disk,
        _ => return None,
    };
    Some((copies, kept))
}

/// Which of two differing acknowledgements promises more: `Some(true)` if it is the second. `None` if they are equal, if one
/// is on more copies and the other in a safer place, or if one is not known.
#[must_use]
pub fn second_is_more_durable(first: &str, second: &str) -> Option<bool> {
    let ((copies, kept), (other_copies, other_kept)) = (acknowledged(first)?, acknowledged(second)?);
    match (other_copies.cmp(&copies), other_kept.cmp(&kept)) {
        (copies, kept) if copies == kept => copies.is_ne().then_some(copies.is_gt()),
        (copies, kept) if kept.is_eq() => Some(copies.is_gt()),
        (copies, kept) if copies.is_eq() => Some(kept.is_gt()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_ordered_where_none_is_better_in_one_way_only() {
        for (first, second, more) in [
            ("memory", "page cache", Some(true)),
            ("fsync", "page cache", Some(false)),
            ("page cache", "replicated 2/3, page cache", Some(true)),
            ("replicated 2/3, fsync", "replicated 2/3, page cache", Some(false)),
            ("replicated 3/5, fsync", "replicated 2/3, fsync", Some(false)),
            ("none (written to a socket)", "memory", Some(true)),
            ("memory", "replicated 2/3, page cache", Some(true)),
            ("fsync", "replicated 2/3, page cache", None),
            ("replicated 2/3, memory", "page cache", None),
            ("memory", "memory", None),
            ("memory (written to the file later)", "page cache", Some(true)),
            ("page cache (sync interval unknown)", "fsync", None),
            ("", "fsync", None),
            ("replicated many, fsync", "fsync", None),
        ] {
            assert_eq!(second_is_more_durable(first, second), more, "{first} and {second}");
            assert_eq!(second_is_more_durable(second, first), more.map(|more| !more), "{second} and {first}");
        }
    }
}
