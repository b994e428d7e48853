//! A position in a text: characters one by one, with line and column.

use super::Place;

/// A position in a text.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    place: Place,
}

/// Ends a line for the format.
pub(super) const fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

/// Is white space within a line for the format.
pub(super) const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// Separates a key from its value.
pub(super) const fn is_separator(c: char) -> bool {
    matches!(c, '=' | ':')
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str, file: usize) -> Self {
        Self { text, at: 0, place: Place { file, line: 1, column: 1 } }
    }

    pub(super) const fn place(&self) -> Place {
        self.place
    }

    /// Byte offset, for [`Self::since`].
    pub(super) const fn mark(&self) -> usize {
        self.at
    }

    /// Returns the text from a mark to here.
    pub(super) fn since(&self, mark: usize) -> &'a str {
        self.text.get(mark..self.at).unwrap_or_default()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Whether this text follows.
    pub(super) fn sees(&self, text: &str) -> bool {
        self.rest().starts_with(text)
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        if c == '\n' {
            self.place.line = self.place.line.saturating_add(1);
            self.place.column = 1;
        } else {
            self.place.column = self.place.column.saturating_add(1);
        }
        Some(c)
    }

    /// Skips characters while they satisfy a condition.
    pub(super) fn skip(&mut self, condition: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&condition) {
            self.next();
        }
    }

    /// Skips a comment to the end of its line, if one begins here.
    pub(super) fn comment(&mut self) -> bool {
        let begins = self.sees("#") || self.sees("//");
        if begins {
            self.skip(|c| !is_line_end(c));
        }
        begins
    }
}
