//! Broker messages about refusals, interned so that a refusal can refer to one without a copy for each event.

use std::sync::{Mutex, PoisonError};

/// Maximum number of texts kept, and maximum length of each in characters.
const KEPT: usize = 64;
const LONGEST: usize = 200;

/// Replaces texts beyond the limit.
const OTHER: &str = "other reasons";

static ALL: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

/// Returns the interned text.
pub(super) fn keep(text: &str) -> &'static str {
    let text = text.trim();
    let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(end, _)| end);
    let text = text.get(..end).unwrap_or_default();
    if text.is_empty() {
        return "";
    }
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kept) = all.iter().find(|kept| **kept == text) {
        return kept;
    }
    if all.len() >= KEPT {
        return OTHER;
    }
    let kept: &'static str = Box::leak(Box::from(text));
    all.push(kept);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_and_they_are_bounded_in_length_and_number() {
        let first = keep(" maximum messages exceeded ");
        assert_eq!(first, "maximum messages exceeded");
        assert!(std::ptr::eq(first, keep("maximum messages exceeded")));
        assert_eq!(keep(&"é".repeat(500)).chars().count(), LONGEST);
        let many: Vec<_> = (0..2 * KEPT).map(|n| keep(&format!("sequence {n}"))).collect();
        assert_eq!(many.last(), Some(&OTHER));
        assert!(std::ptr::eq(first, keep("maximum messages exceeded")));
    }
}
