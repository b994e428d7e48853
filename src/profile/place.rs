//! Places in the texts that make a profile (the file, and each `--set`), and how they are shown.

use std::ops::Range;

/// A range of bytes in one of the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    /// 0 is the file, 1 the first `--set`, and so on.
    pub(super) text: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl At {
    /// The start of the file: the place of values that the file does not contain.
    pub(super) const NOWHERE: Self = Self { text: 0, start: 0, end: 0 };

    pub(super) fn new(text: usize, span: &Range<usize>) -> Self {
        Self { text, start: span.start, end: span.end }
    }

    /// From the start of this place to the end of that one, if both are in the same text.
    pub(super) fn to(self, end: Self) -> Self {
        if self.text == end.text && self.start <= end.end { Self { end: end.end, ..self } } else { self }
    }
}

/// One of the texts, with the data needed to show a place in it.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) name: String,
    pub(super) content: String,
    line_starts: Vec<usize>,
}

/// A place as people count: lines and columns from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) line: usize,
    pub(super) column: usize,
    /// The line, or the part of it around the place.
    pub(super) excerpt: String,
    /// Characters before the caret, and its length.
    pub(super) caret: (usize, usize),
}

impl Text {
    pub(super) fn new(name: &str, text: &str) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: name.to_owned(), content: text.to_owned(), line_starts }
    }

    /// The index of the line of a byte.
    pub(super) fn line(&self, byte: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= byte).saturating_sub(1)
    }

    /// The bytes of a line, without its end.
    fn line_text(&self, line: usize) -> &str {
        let start = self.line_starts.get(line).copied().unwrap_or(self.content.len());
        let end = self.line_starts.get(line + 1).copied().unwrap_or(self.content.len());
        self.content.get(start..end).unwrap_or_default().trim_end_matches(['\n', '\r'])
    }

    /// Shows at most this many characters of a line, with some context before the place.
    pub(super) fn show(&self, at: At) -> Shown {
        const WIDTH: usize = 100;
        const BEFORE: usize = 40;
        let line = self.line(at.start.min(self.content.len()));
        let text = self.line_text(line);
        let line_start = self.line_starts.get(line).copied().unwrap_or_default();
        let characters = |bytes: usize| text.get(..bytes.min(text.len())).unwrap_or(text).chars().count();
        let column = characters(at.start.saturating_sub(line_start));
        let length = characters(at.end.saturating_sub(line_start)).saturating_sub(column).max(1);
        let skip = if text.chars().count() > WIDTH { column.saturating_sub(BEFORE) } else { 0 };
        let visible: String = text.chars().skip(skip).take(WIDTH).map(visible).collect();
        let caret = column - skip;
        let length = length.min(visible.chars().count().saturating_sub(caret).max(1));
        Shown { line: line + 1, column: column + 1, excerpt: visible, caret: (caret, length) }
    }
}

/// A character that cannot move the caret or speak to the terminal.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        // Bidirectional controls reorder the displayed text.
        c if c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
        {
            '\u{fffd}'
        }
        c => c,
    }
}

/// A message of bounded length without terminal control characters, whatever text of a profile is in it.
pub(super) fn harmless(message: &str) -> String {
    const LONGEST: usize = 2_000;
    message.chars().take(LONGEST).map(visible).collect()
}

/// A word out of a profile, short and harmless enough to stand in a message.
pub(super) fn quoted(word: &str) -> String {
    const LONGEST: usize = 60;
    let short: String = word.chars().take(LONGEST).map(visible).collect();
    let rest = if word.chars().nth(LONGEST).is_some() { "…" } else { "" };
    format!("`{short}{rest}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_count_lines_from_one_and_columns_in_characters() {
        let text = Text::new("p.toml", "a = 1\r\n\tµ = \"x\"\r\n");
        let at = |start, end| text.show(At { text: 0, start, end });
        assert_eq!(at(4, 5), Shown { line: 1, column: 5, excerpt: "a = 1".to_owned(), caret: (4, 1) });
        let second = at(13, 16);
        assert_eq!(
            (second.line, second.column, second.excerpt.as_str(), second.caret),
            (2, 6, " µ = \"x\"", (5, 3))
        );
        assert_eq!(at(19, 19).line, 3, "the end of the text is after the last line");
    }

    #[test]
    fn a_long_line_shows_the_part_around_the_place() {
        let text = Text::new("p.toml", &format!("{}HERE{}", "x".repeat(500), "y".repeat(500)));
        let shown = text.show(At { text: 0, start: 500, end: 504 });
        assert_eq!((shown.column, shown.caret), (501, (40, 4)));
        assert_eq!(shown.excerpt.chars().skip(40).take(4).collect::<String>(), "HERE");
        assert_eq!(shown.excerpt.chars().count(), 100);
    }

    proptest! {
        #[test]
        fn any_place_can_be_shown(text in "[\\PC\n\r\t]{0,300}", start in 0_usize..400, length in 0_usize..400) {
            let text = Text::new("p", &text);
            let shown = text.show(At { text: 0, start, end: start + length });
            prop_assert!(shown.caret.0 <= shown.excerpt.chars().count());
            prop_assert!(shown.excerpt.chars().count() <= 100);
        }
    }
}
